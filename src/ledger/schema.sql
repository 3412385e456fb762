-- The ledger. Every table is STRICT; times are milliseconds since 1970.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- Everything that could change a result, in the order in which it was folded in.
CREATE TABLE inputs (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL) STRICT;
-- Up to where each file of each trail has been processed; `host` is the machine that it lies on.
CREATE TABLE cursors (
    source TEXT NOT NULL, host BLOB NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL, born INTEGER NOT NULL, path BLOB NOT NULL,
    "offset" INTEGER NOT NULL, witness BLOB NOT NULL, size INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (source, host, device, inode, born)
) STRICT, WITHOUT ROWID;
-- Counters and the clock of each trail on each machine (JSON).
CREATE TABLE trails (source TEXT NOT NULL, host BLOB NOT NULL, body TEXT NOT NULL, PRIMARY KEY (source, host)) STRICT, WITHOUT ROWID;
-- Ids of the events that each trail has shown lately on each machine; appended to, and cut off at the old end.
CREATE TABLE seen (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, host BLOB NOT NULL, ids INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
-- What detection remembers: the records of the entities (a cell for each policy), those in one bucket whose keys begin with the same
-- eight bytes; and what was appended since, cell by cell, which is newer. See ledger/records.rs.
CREATE TABLE records (bucket INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE record_log (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL) STRICT;
-- How the quotas of each policy are used.
CREATE TABLE quotas (prefix BLOB PRIMARY KEY, policies TEXT NOT NULL, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
-- Recorded events that are not yet in a block (JSON).
CREATE TABLE tail (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, time INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
-- Recorded events, compressed (zlib, a JSON object a line). `keys` is a sorted list of big-endian 32-bit hashes of what can be
-- asked for: event ids, actors, sessions, addresses, customers, exports.
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, from_time INTEGER NOT NULL, to_time INTEGER NOT NULL, events INTEGER NOT NULL,
    keys BLOB NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE findings (
    id BLOB PRIMARY KEY, sequence INTEGER NOT NULL, time INTEGER NOT NULL, policy TEXT NOT NULL, severity INTEGER NOT NULL,
    actor TEXT, session BLOB, body TEXT NOT NULL, acknowledged_at INTEGER, acknowledged_by TEXT,
    verdict TEXT NOT NULL DEFAULT 'open', judged_at INTEGER, judged_by TEXT, reason TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX findings_by_time ON findings (time);
CREATE TABLE orders (id BLOB PRIMARY KEY, made INTEGER NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- Every step of every order, with its time and cause, and the order as it stood then (JSON).
CREATE TABLE order_steps (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, refusal TEXT, note TEXT,
    body TEXT
) STRICT;
-- Session ids, sealed (AES-256-GCM), until the session's longest life is over.
CREATE TABLE sessions (digest BLOB PRIMARY KEY, sealed BLOB NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
-- What is to be told, in order; each outlet has got as far as its row in `outlets` says.
CREATE TABLE outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, made INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE outlets (name TEXT PRIMARY KEY, delivered INTEGER NOT NULL, error TEXT) STRICT, WITHOUT ROWID;
-- What people did about incidents (JSON); each names one of its findings.
CREATE TABLE incident_steps (sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
-- The append-only list that the evidence tree is built over. `key` says whose digest a leaf is: an input's number, a finding's id
-- (hexadecimal), the number of an order's step, of an incident's step or of a block. An input that lines or the clock made has
-- the kind `reading`, any other `input`: only the former go by retention, and their leaves stay.
CREATE TABLE leaves (sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
-- Signed heads of the tree (C2SP checkpoints).
CREATE TABLE checkpoints (size INTEGER NOT NULL, at INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
-- Of which clocks, at which point, people were reminded.
CREATE TABLE reminders (key TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
