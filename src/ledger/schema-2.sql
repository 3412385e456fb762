-- From schema 1, which knew no rooms: what is there counts as written in the first segment, long ago.
BEGIN IMMEDIATE;
ALTER TABLE state ADD COLUMN standing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN segment INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
CREATE TABLE shares (prefix BLOB PRIMARY KEY, policies TEXT NOT NULL, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
COMMIT;
