//! Looking back: recorded events of somebody, the newest recorded first, within bounds whatever the ledger's size.
use super::read::{Asked, Reader};
use super::{Error, block};
use crate::model::{EventTime, FileId};
use crate::pipeline::EventRow;
use rusqlite::{Connection, OptionalExtension, params};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How far back is looked, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Event time at or after.
    pub since: EventTime,
    /// Event time before.
    pub until: EventTime,
    /// At most so many events.
    pub events: usize,
    /// For at most so long.
    pub time: Duration,
}

/// How far a look back came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Events found.
    pub events: usize,
    /// Why it ended before everything that was asked for had been seen.
    pub cut: Option<Cut>,
}

/// At which bound a look back ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// There are more events.
    Events,
    /// It took too long.
    Time,
}

impl Reader {
    /// Shows `each` the recorded events of an actor, a session, an address, a customer or an export, the newest recorded first.
    /// Memory: one block at a time.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn look_back(
        &self,
        kind: Asked,
        value: &str,
        bounds: &Bounds,
        mut each: impl FnMut(EventRow),
    ) -> Result<Reach, Error> {
        let end = Instant::now() + bounds.time;
        // as JSON writes it: a line without it need not be read
        let needle = serde_json::Value::from(value).to_string();
        let fits = |row: &EventRow| kind.fits(row, value) && row.time >= bounds.since && row.time < bounds.until;
        let mut reach = Reach::default();
        let mut take = |row: EventRow| {
            if reach.events == bounds.events {
                reach.cut = Some(Cut::Events);
            } else if Instant::now() >= end {
                reach.cut = Some(Cut::Time);
            } else {
                reach.events += 1;
                each(row);
            }
            reach.cut.is_none()
        };
        let read = |c: &Connection| -> rusqlite::Result<bool> {
            let mut tail =
                c.prepare_cached("SELECT body FROM tail WHERE time >= ? AND time < ? ORDER BY sequence DESC")?;
            let mut rows = tail.query([bounds.since.0, bounds.until.0])?;
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str()?;
                let event = text.contains(&needle).then(|| serde_json::from_str(text).ok()).flatten();
                if let Some(event) = event.filter(&fits)
                    && !take(event)
                {
                    return Ok(true);
                }
            }
            // the times stand before the index and the body, so that what lies outside is not read at all
            let sql = "SELECT id, keys FROM blocks WHERE to_time >= ? AND from_time < ? ORDER BY id DESC";
            let mut blocks = c.prepare_cached(sql)?;
            let mut body = c.prepare_cached("SELECT body FROM blocks WHERE id = ?")?;
            let mut rows = blocks.query([bounds.since.0, bounds.until.0])?;
            while let Some(row) = rows.next()? {
                if Instant::now() >= end {
                    return Ok(false);
                }
                if block::may_hold(row.get_ref(1)?.as_blob()?, kind.name(), value) {
                    let body: Vec<u8> = body.query_row([row.get::<_, i64>(0)?], |r| r.get(0))?;
                    let found: Vec<EventRow> =
                        block::events(&body, |line| line.contains(&needle)).filter(&fits).collect();
                    if found.into_iter().rev().any(|event| !take(event)) {
                        return Ok(true);
                    }
                }
            }
            Ok(true)
        };
        let in_time = self.read("looking back", read)?;
        if !in_time {
            reach.cut = Some(Cut::Time);
        }
        Ok(reach)
    }

    /// Where a file of a trail lay when it was read last; nothing where it is not remembered.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn path_of(&self, source: &str, file: &FileId) -> Result<Option<PathBuf>, Error> {
        let sql = "SELECT path FROM cursors WHERE source = ? AND host = ? AND device = ? AND inode = ? AND born = ?";
        let key = params![source, file.host.0, file.device as i64, file.inode as i64, file.born_ns];
        let path: Option<Vec<u8>> =
            self.read("reading cursors", |c| c.prepare_cached(sql)?.query_row(key, |r| r.get(0)).optional())?;
        Ok(path.map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes))))
    }
}
