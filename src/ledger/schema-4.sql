-- From schema 3, which knew no clocks.
BEGIN IMMEDIATE;
CREATE TABLE reminders (key TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 4;
COMMIT;
