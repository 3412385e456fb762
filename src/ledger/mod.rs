//! The only SQL: one SQLite file, and the one transaction in which everything that a batch changed is committed.
//!
//! [`Ledger::commit`] takes an outcome by value. An error before COMMIT gives the outcome back to be tried again: a full
//! disk is waited out, and nothing goes on without it. An error at COMMIT means that nobody knows: the connection is
//! closed, [`Ledger::settle`] reopens it, compares the last input's number, and either tries again or goes on.
//! Only success gives the core back, with [`Committed`] orders, which nothing else can make; what acts takes only those.

mod block;
mod commit;
pub mod dump;
pub mod evidence;
mod file;
mod head;
pub mod history;
pub mod read;
mod records;
mod reminder;
pub mod retention;
pub mod note;
pub mod outbox;
pub mod seal;
mod shown;
pub mod sizes;
mod told;
pub mod verify;

use crate::detect::EntityKey;
use crate::detect::store::quota::Quota;
use crate::model::{EventTime, FileId, HostId, Millis, Mute, Order, SourceName, TrailPart, WallTime, limits};
use crate::pipeline::stage::{Store, Stored};
use crate::pipeline::trail::{SeenRow, TrailRow};
use crate::pipeline::{CursorRow, Recorded};
pub use commit::{CommitError, Committed, Receipt};
use file::{file_at, lock, open_file};
pub use read::Reader;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
pub use seal::Keys;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file's name in the state directory.
pub const FILE: &str = "ledger.sqlite";
/// Marks the file as ours: "TRIP".
const APPLICATION_ID: i32 = 0x5452_4950;
/// The schema's version. Any other is refused.
const VERSION: i32 = 1;

/// To how many bytes the WAL is cut back once it is empty.
const WAL_BYTES: i64 = 64 << 20;

/// What went wrong with the ledger.
#[derive(Debug)]
pub enum Error {
    /// SQLite said no.
    Sql {
        /// What we were doing.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// The file system said no.
    Io {
        /// What we were doing.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Another daemon has the state directory.
    Locked(PathBuf),
    /// The file is not ours, or of another version.
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// Whether no later try of this process mends it: the file is not ours to write any more, or SQLite's own book of locks, which all
    /// connections of the process share, holds one that nobody can give up.
    pub fn is_final(&self) -> bool {
        use rusqlite::ErrorCode::FileLockingProtocolFailed;
        match self {
            Error::Foreign { .. } => true,
            Error::Sql { source, .. } => source.sqlite_error_code() == Some(FileLockingProtocolFailed),
            Error::Io { .. } | Error::Locked(_) => false,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Sql { operation, path, source } => write!(f, "{operation} in {}: {source}", path.display()),
            Error::Io { operation, path, source } => write!(f, "{operation} {}: {source}", path.display()),
            Error::Locked(path) => write!(
                f,
                "{} is in use by another tripline: stop that one first, or name another state directory",
                path.display()
            ),
            Error::Foreign { path, why } => write!(f, "{} {why}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// How a commit is made to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk when it returns.
    Full,
    /// For throw-away ledgers: the operating system writes it when it likes.
    None,
}

/// The open ledger, with the lock on its directory.
pub struct Ledger {
    directory: PathBuf,
    connection: Option<Connection>,
    /// Device and inode of the file, once it has been opened.
    file: Option<(u64, u64)>,
    durability: Durability,
    keys: Arc<Keys>,
    /// Until when the sessions that were sealed lately stay sealed.
    sealed: HashMap<[u8; 16], WallTime>,
    session_life: Millis,
    retention: Option<retention::Retention>,
    tail: u64,
    seen: std::collections::BTreeMap<TrailPart, u64>,
    /// The state of detection, as far as it is not merged.
    records: records::Records,
    /// The evidence tree, as far as it was read.
    tree: evidence::Frontier,
    /// Held as long as the ledger is open.
    _lock: std::fs::File,
}

impl Ledger {
    /// Opens the ledger of `directory`, making both where they are missing.
    ///
    /// # Errors
    /// The directory can't be made or locked, or the file is damaged, not ours, or of another version.
    pub fn open(directory: &Path, durability: Durability, keys: Arc<Keys>) -> Result<Ledger, Error> {
        let lock = lock(directory)?;
        let mut ledger = Ledger {
            directory: directory.to_owned(),
            connection: None,
            file: None,
            durability,
            keys,
            sealed: HashMap::new(),
            session_life: limits::SESSION_LIFE,
            retention: None,
            tail: 0,
            seen: Default::default(),
            records: Default::default(),
            tree: Default::default(),
            _lock: lock,
        };
        ledger.reopen()?;
        Ok(ledger)
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// How long a session lives at most: so long after its last sight its id stays sealed.
    pub fn set_session_life(&mut self, life: Millis) {
        self.session_life = life;
    }

    /// The keys of this installation.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.connection = None;
        let path = self.path();
        let connection = open_file(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let sql = |operation| sql_error(operation, &path);
        connection.pragma_update(None, "journal_mode", "wal").map_err(sql("setting WAL mode"))?;
        let synchronous = if self.durability == Durability::Full { "full" } else { "off" };
        connection.pragma_update(None, "synchronous", synchronous).map_err(sql("setting synchronous"))?;
        // after a long reader has let it grow, it is cut back
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES).map_err(sql("setting the WAL's size"))?;
        connection.set_prepared_statement_cache_capacity(64);
        file::make(&connection, &path, self.file.is_none())?;
        self.check_key(&connection, &path)?;
        self.tail =
            connection.query_row("SELECT count(*) FROM tail", [], |r| r.get(0)).map_err(sql("counting the tail"))?;
        self.records = records::Records::read(&connection).map_err(sql("reading state"))?;
        self.connection = Some(connection);
        self.file = Some(file_at(&path)?);
        self.count_seen()
    }

    /// Makes what is committed last though a write of it to the disk may have failed: the kernel says so once, and takes the pages for
    /// written afterwards. They are written anew from the WAL, into the file itself.
    ///
    /// # Errors
    /// They can't be written, or somebody reads and keeps the WAL from being emptied: to be tried again.
    fn write_anew(&self) -> Result<(), Error> {
        let run = |c: &Connection| c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, bool>(0));
        match run(self.connection()?) {
            Ok(false) => Ok(()),
            Ok(true) => Err(Error::Sql {
                operation: "writing anew what may not be on disk (somebody reads)",
                path: self.path(),
                source: rusqlite::Error::InvalidQuery,
            }),
            Err(source) => Err(sql_error("writing anew what may not be on disk", &self.path())(source)),
        }
    }

    /// Whether the file is still the one that is open: what is written into one that was deleted or replaced is lost.
    fn still_there(&self) -> Result<(), Error> {
        match file_at(&self.path()) {
            Ok(file) if Some(file) == self.file => Ok(()),
            // that it can't be looked at may pass
            Err(Error::Io { operation, path, source }) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Io { operation, path, source })
            }
            _ => Err(foreign(
                &self.path(),
                "was deleted or replaced while it was open, and nothing more is written to it: find out by whom; `tripline verify` says what is missing"
                    .into(),
            )),
        }
    }

    /// The ledger belongs to the keys that it was begun with: with others no sealed session could be opened.
    fn check_key(&self, connection: &Connection, path: &Path) -> Result<(), Error> {
        let fingerprint = self.keys.fingerprint();
        let known: Option<String> = connection
            .query_row("SELECT value FROM meta WHERE key = 'key'", [], |r| r.get(0))
            .optional()
            .map_err(sql_error("reading a setting", path))?;
        match known {
            Some(known) if known != fingerprint => Err(foreign(
                path,
                format!(
                    "was begun with another {}: put that one back, or name another state directory",
                    seal::KEY_FILE
                ),
            )),
            Some(_) => Ok(()),
            None => {
                told::begin(connection, &self.keys).map_err(sql_error("writing a setting", path))?;
                let put = connection.execute("INSERT INTO meta VALUES ('key', ?)", [fingerprint]);
                put.map(drop).map_err(sql_error("writing a setting", path))
            }
        }
    }

    fn count_seen(&mut self) -> Result<(), Error> {
        let sql = "SELECT source, host, sum(ids) FROM seen GROUP BY source, host";
        let rows = self.rows("counting remembered ids", sql, |r| Ok((part(r)?, r.get::<_, u64>(2)?)))?;
        self.seen = rows.into_iter().collect();
        Ok(())
    }

    /// The connection.
    ///
    /// # Errors
    /// It was closed by an error at COMMIT and [`Ledger::settle`] has not been called.
    fn connection(&self) -> Result<&Connection, Error> {
        let closed = || Error::Sql {
            operation: "using a closed connection",
            path: self.path(),
            source: rusqlite::Error::InvalidQuery,
        };
        self.connection.as_ref().ok_or_else(closed)
    }

    fn rows<T>(
        &self,
        operation: &'static str,
        sql: &str,
        row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let run = || -> rusqlite::Result<Vec<T>> {
            let connection = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
            connection.prepare(sql)?.query_map([], row)?.collect()
        };
        run().map_err(sql_error(operation, &self.path()))
    }

    /// What a core is made from.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn recorded(&self) -> Result<Recorded, Error> {
        let path = self.path();
        let connection = self.connection()?;
        let mut trails = Vec::new();
        let sql = "SELECT source, host, body FROM trails ORDER BY source, host";
        for (part, body) in self.rows("reading trails", sql, |r| Ok((part(r)?, r.get::<_, String>(2)?)))? {
            let row: TrailRow = serde_json::from_str(&body)
                .map_err(|e| foreign(&path, format!("holds an unreadable trail row: {e}")))?;
            let read = || -> rusqlite::Result<Vec<Vec<u8>>> {
                connection
                    .prepare_cached("SELECT body FROM seen WHERE source = ? AND host = ? ORDER BY sequence")?
                    .query_map(params![part.source.as_str(), part.host.0], |r| r.get(0))?
                    .collect()
            };
            let seen: Vec<SeenRow> = read()
                .map_err(sql_error("reading remembered ids", &path))?
                .iter()
                .map(|bytes| {
                    postcard::from_bytes(bytes)
                        .map_err(|e| foreign(&path, format!("holds an unreadable row of ids: {e}")))
                })
                .collect::<Result<_, _>>()?;
            trails.push((part, row, seen));
        }
        let orders = self.rows("reading orders", "SELECT body FROM orders", |r| r.get::<_, String>(0))?;
        let orders: Vec<Order> = orders
            .iter()
            .map(|body| {
                serde_json::from_str(body).map_err(|e| foreign(&path, format!("holds an unreadable order: {e}")))
            })
            .collect::<Result<_, _>>()?;
        let newest = orders.iter().map(|o| o.made).max().unwrap_or_default();
        let open = orders.into_iter().filter(|o| crate::orders::is_open(o, newest.minus(crate::orders::REMEMBERED)));
        Ok(Recorded {
            quotas: self.quotas()?,
            horizon: self.meta("horizon")?.and_then(|text| text.parse().ok()).map(EventTime),
            last_sequence: self.last_sequence()?,
            orders: open.collect(),
            hold: self.meta("hold")?.as_deref() == Some("on"),
            mutes: self.mutes()?,
            trails,
            cursors: self.cursors()?.into_iter().map(|row| (row.source, row.file, row.offset)).collect(),
            flood: self.meta("flood")?,
            failing: self.meta("failing")?,
        })
    }

    fn mutes(&self) -> Result<Vec<Mute>, Error> {
        let Some(json) = self.meta("mutes")? else { return Ok(Vec::new()) };
        serde_json::from_str(&json).map_err(|e| foreign(&self.path(), format!("holds unreadable mutes: {e}")))
    }

    fn quotas(&self) -> Result<Vec<([u8; 8], Quota)>, Error> {
        let rows = self.rows("reading quotas", "SELECT prefix, body FROM quotas", |r| {
            Ok((r.get::<_, [u8; 8]>(0)?, r.get::<_, Vec<u8>>(1)?))
        })?;
        let read = |(prefix, body): ([u8; 8], Vec<u8>)| {
            let quota = postcard::from_bytes(&body);
            Ok((prefix, quota.map_err(|e| foreign(&self.path(), format!("holds an unreadable quota: {e}")))?))
        };
        rows.into_iter().map(read).collect()
    }

    /// The cursors of a trail, the one last moved first.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn cursors(&self) -> Result<Vec<CursorRow>, Error> {
        let sql = "SELECT source, host, path, device, inode, born, \"offset\", witness, size FROM cursors \
                   ORDER BY source, sequence DESC, born DESC, inode, host";
        self.rows("reading cursors", sql, |r| {
            let TrailPart { source, host } = part(r)?;
            let (device, inode) = (r.get::<_, i64>(3)? as u64, r.get::<_, i64>(4)? as u64);
            Ok(CursorRow {
                source,
                path: Path::new(OsStr::from_bytes(&r.get::<_, Vec<u8>>(2)?)).into(),
                file: FileId { host, device, inode, born_ns: r.get(5)? },
                offset: r.get(6)?,
                witness: crate::model::Digest(r.get(7)?),
                size: r.get(8)?,
            })
        })
    }

    /// The number of the last committed input, 0 for none.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn last_sequence(&self) -> Result<u64, Error> {
        self.connection()?
            .query_row("SELECT coalesce(max(sequence), 0) FROM inputs", [], |r| r.get(0))
            .map_err(sql_error("reading the last input", &self.path()))
    }

    /// A session's id, where it is still sealed here: for the document that a hook gets, and for nothing else.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn unseal(&self, digest: &[u8; 16]) -> Result<Option<String>, Error> {
        let sealed: Option<Vec<u8>> = self
            .connection()?
            .query_row("SELECT sealed FROM sessions WHERE digest = ?", [&digest[..]], |r| r.get(0))
            .optional()
            .map_err(sql_error("reading a sealed session", &self.path()))?;
        Ok(sealed.and_then(|sealed| self.keys.open(digest, &sealed)))
    }

    /// A recorded finding.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn finding(&self, id: &crate::model::FindingId) -> Result<Option<crate::model::Finding>, Error> {
        let body: Option<String> = self
            .connection()?
            .query_row("SELECT body FROM findings WHERE id = ?", [&id.0[..]], |r| r.get(0))
            .optional()
            .map_err(sql_error("reading a finding", &self.path()))?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// An order of the book of a core that was made from this ledger: its last change is on disk.
    pub fn committed(&self, order: &Order) -> Committed<Order> {
        Committed::read_back(order.clone())
    }

    /// Drops what is past its time: state that expired before `horizon`, some of it at each call, delivered messages, and where the
    /// time is known (`now`) sealed sessions, and heads of which there is a later one of the same hour. Never changes a result: the core
    /// takes such state for gone already. Says how many messages wait.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn prune(&mut self, now: Option<WallTime>, horizon: EventTime) -> Result<u64, Error> {
        let path = self.path();
        let run = |c: &Connection| -> rusqlite::Result<()> {
            let Some(now) = now else { return Ok(()) };
            c.execute("DELETE FROM sessions WHERE expires < ?", [now.0])?;
            // a thousand heads of the last day, and one of each hour before
            let sql = "DELETE FROM checkpoints WHERE at < ? AND rowid NOT IN (SELECT max(rowid) FROM checkpoints GROUP BY at / 3600000)";
            c.execute(sql, [now.minus(Millis::DAY).0])?;
            Ok(())
        };
        run(self.connection()?).map_err(sql_error("pruning", &path))?;
        self.sweep(horizon).map_err(sql_error("pruning", &path))?;
        self.sealed.retain(|_, until| now.is_none_or(|now| *until >= now));
        self.prune_outbox(outbox::MOST)
    }

    fn sweep(&mut self, horizon: EventTime) -> rusqlite::Result<()> {
        let c = self.connection.as_mut().ok_or(rusqlite::Error::InvalidQuery)?;
        let transaction = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.records.sweep(&transaction, &|_, at| at.expires >= horizon)?;
        transaction.commit()
    }

    fn meta(&self, key: &str) -> Result<Option<String>, Error> {
        self.connection()?
            .query_row("SELECT value FROM meta WHERE key = ?", [key], |r| r.get(0))
            .optional()
            .map_err(sql_error("reading a setting", &self.path()))
    }
}

/// Of a row that begins with trail and machine.
fn part(r: &rusqlite::Row<'_>) -> rusqlite::Result<TrailPart> {
    Ok(TrailPart { source: SourceName(r.get::<_, String>(0)?.into()), host: HostId(r.get(1)?) })
}

impl Store for Ledger {
    type Error = Error;

    fn stored(&self, entities: &[EntityKey]) -> Result<Vec<Stored>, Error> {
        let path = self.path();
        let c = self.connection()?;
        // one read transaction for all: a lock for each record would cost more than the record
        c.execute_batch("BEGIN").map_err(sql_error("reading state", &path))?;
        let stored = entities.iter().map(|entity| self.records.fetch(c, entity)).collect::<rusqlite::Result<_>>();
        c.execute_batch("COMMIT").map_err(sql_error("reading state", &path))?;
        stored.map_err(sql_error("reading state", &path))
    }

    fn unreadable(&self) -> Error {
        foreign(&self.path(), "holds a record of state that this version can't read".into())
    }
}

fn sql_error(operation: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        None if records::is_unreadable(&source) => {
            foreign(&path, "holds a record of state that this version can't read".into())
        }
        // no later try mends it
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => foreign(
            &path,
            format!(
                "is damaged or no ledger ({operation}: {source}): move it aside and start again; the trails are read anew"
            ),
        ),
        _ => Error::Sql { operation, path, source },
    }
}

fn foreign(path: &Path, why: String) -> Error {
    Error::Foreign { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn the_daemon_ends_where_no_later_try_mends_it_and_waits_where_one_may() {
        let said = |code| {
            sql_error("writing", Path::new("ledger"))(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
        };
        for end in [ffi::SQLITE_PROTOCOL, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB] {
            assert!(said(end).is_final(), "{end}");
        }
        for wait in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR, ffi::SQLITE_BUSY, ffi::SQLITE_READONLY] {
            assert!(!said(wait).is_final(), "{wait}");
        }
    }
}
