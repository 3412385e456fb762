-- From schema 2, whose leaves did not say whose they are: the list begins anew, and what was recorded before is in no tree.
BEGIN IMMEDIATE;
ALTER TABLE order_steps ADD COLUMN body TEXT;
CREATE TABLE incident_steps (sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
DROP TABLE leaves;
CREATE TABLE leaves (sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE checkpoints (size INTEGER NOT NULL, at INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
PRAGMA user_version = 3;
COMMIT;
