//! Retention: what has been kept as long as it is to be kept goes, and its leaf stays, so that proofs of what is left still hold.
//!
//! How old a record is, the signed heads say: what the newest head of ninety days ago covers is ninety days old, whatever times
//! the trails claim. So nothing goes that no head covers. What people did, findings, orders and incidents never go.
use super::{Error, Ledger, sql_error};
use crate::model::{Forgotten, Millis, WallTime};
use rusqlite::{Connection, OptionalExtension, params};

/// How long is kept what grows with the trails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Inputs that lines and the clock made: what a replay of recorded inputs needs.
    pub inputs: Millis,
    /// Events in blocks, with the redacted lines: what findings, incidents and exposures rest on.
    pub events: Millis,
}

/// Records that go in one transaction, at most: others wait for it.
const AT_ONCE: u64 = 50_000;
/// Fewer that are past their time can wait.
const WORTH_IT: u64 = 1_000;

impl Ledger {
    /// How long things are kept from now on. Without it, for good.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = Some(retention);
    }

    /// When what was recorded last was recorded: the last input, or the last signed head.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn last_recorded(&self) -> Result<Option<WallTime>, Error> {
        let sql = "SELECT max(at) FROM (SELECT * FROM (SELECT at FROM inputs ORDER BY sequence DESC LIMIT 1) \
                   UNION ALL SELECT * FROM (SELECT at FROM checkpoints ORDER BY rowid DESC LIMIT 1))";
        let last = self.connection()?.query_row(sql, [], |r| r.get::<_, Option<i64>>(0));
        last.map(|at| at.map(WallTime)).map_err(sql_error("reading when something was recorded last", &self.path()))
    }

    /// What is past its time: to be folded in as an input, so that it is recorded what went and when.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn overdue(&self, now: WallTime) -> Result<Option<Forgotten>, Error> {
        let Some(retention) = self.retention else { return Ok(None) };
        let before: Forgotten = match self.meta("forgotten")? {
            Some(json) => serde_json::from_str(&json).unwrap_or_default(),
            None => Forgotten::default(),
        };
        let c = self.connection()?;
        let up_to = |age: Millis, before: u64| -> rusqlite::Result<u64> {
            // a head that was signed after a younger one is none of the old ones: the clock was set back when it was signed
            let sql = "SELECT coalesce(max(size), 0) FROM checkpoints WHERE at < ?1 AND rowid < coalesce((SELECT min(rowid) FROM \
                       checkpoints WHERE at >= ?1 AND at <= ?2), 9223372036854775807)";
            let covered: u64 = c.query_row(sql, [now.minus(age).0, now.0], |r| r.get(0))?;
            Ok(if covered < before + WORTH_IT { before } else { covered.min(before + AT_ONCE) })
        };
        let run = || -> rusqlite::Result<Forgotten> {
            Ok(Forgotten {
                inputs: up_to(retention.inputs, before.inputs)?,
                events: up_to(retention.events, before.events)?,
            })
        };
        let next = run().map_err(sql_error("looking for what is past its retention", &self.path()))?;
        Ok((next != before).then_some(next))
    }
}

/// Lets it go, inside the caller's transaction.
pub(super) fn forget(c: &Connection, forgotten: &Forgotten) -> rusqlite::Result<()> {
    let last = |kind: &str, up_to: u64| -> rusqlite::Result<i64> {
        let sql =
            "SELECT CAST(key AS INTEGER) FROM leaves WHERE sequence <= ? AND kind = ? ORDER BY sequence DESC LIMIT 1";
        Ok(c.query_row(sql, params![up_to, kind], |r| r.get(0)).optional()?.unwrap_or(0))
    };
    let inputs = last(READING, forgotten.inputs)?;
    c.execute("DELETE FROM inputs WHERE sequence <= ? AND kind IN ('lines', 'learn', 'tick')", [inputs])?;
    let blocks = last("block", forgotten.events)?;
    c.execute("DELETE FROM blocks WHERE id <= ?", [blocks])?;
    let json = serde_json::to_string(forgotten).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    c.execute("INSERT INTO meta VALUES ('forgotten', ?1) ON CONFLICT DO UPDATE SET value = ?1", [json])?;
    Ok(())
}

/// The leaf's kind of an input that lines or the clock made.
pub(super) const READING: &str = "reading";

/// The leaf's kind of an input: those that may go are told from what people did and what was configured.
pub(super) fn leaf_kind(input: &str) -> &'static str {
    match input {
        "lines" | "learn" | "tick" => READING,
        _ => "input",
    }
}

/// What went, as the newest input that says so has it.
pub(super) fn declared(c: &Connection) -> rusqlite::Result<Forgotten> {
    let sql = "SELECT body FROM inputs WHERE kind = 'retention' ORDER BY sequence DESC LIMIT 1";
    let body: Option<String> = c.query_row(sql, [], |r| r.get(0)).optional()?;
    Ok(body.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
}

impl Forgotten {
    /// Whether the record with that leaf was to go.
    pub(super) fn covers(&self, kind: &str, leaf: u64) -> bool {
        match kind {
            READING => leaf <= self.inputs,
            "block" => leaf <= self.events,
            _ => false,
        }
    }
}
