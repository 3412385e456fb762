//! The one transaction.
use super::records::Records;
use super::{Error, Ledger, block, evidence, retention, sql_error, told};
use crate::model::{FindingVerdict, Millis, Order, OrderState, Refusal, Session, Vouched, WallTime, limits};
use crate::pipeline::{Changes, Core, Outcome};
use rusqlite::{Connection, params};
use std::os::unix::ffi::OsStrExt;

/// Something that is on disk. Made by a commit and by nothing else, so that nothing can act on less.
#[derive(Clone, Debug)]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    /// What is on disk.
    pub fn get(&self) -> &T {
        &self.0
    }

    pub(super) fn read_back(value: T) -> Committed<T> {
        Committed(value)
    }
}

/// What a commit gives back.
pub struct Receipt {
    /// The core, to fold further inputs into.
    pub core: Core,
    /// Orders that are to be handed to the runner now.
    pub pending: Vec<Committed<Order>>,
    /// Orders that have just been handed over, with the step on disk.
    pub started: Vec<Committed<Order>>,
    /// Whether there is something to tell.
    pub told: bool,
}

/// Why a commit failed, and what to do.
pub enum CommitError {
    /// Nothing was written: try the same outcome again later.
    Before(Box<Outcome>, Error),
    /// Nobody knows: call [`Ledger::settle`] with the outcome.
    Unknown(Box<Outcome>, Error),
}

impl Ledger {
    /// Writes everything that the outcome changed in one transaction.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit(&mut self, mut outcome: Outcome) -> Result<Receipt, Box<CommitError>> {
        outcome.seal();
        if let Err(error) = self.still_there() {
            return Err(Box::new(CommitError::Before(Box::new(outcome), error)));
        }
        let path = self.path();
        match self.write(&outcome) {
            Ok(()) => {}
            Err(source) => {
                self.rollback();
                let error = sql_error("writing (the disk may be full)", &path)(source);
                return Err(Box::new(CommitError::Before(Box::new(outcome), error)));
            }
        }
        let end = self.connection.as_ref().map_or(Err(rusqlite::Error::InvalidQuery), |c| c.execute_batch("COMMIT"));
        if let Err(source) = end {
            self.connection = None;
            return Err(Box::new(CommitError::Unknown(Box::new(outcome), sql_error("committing", &path)(source))));
        }
        Ok(self.receipt(outcome))
    }

    /// After an error at COMMIT, or one that the connection does not get over: reopens the file, writes to disk what may not have got
    /// there, and gives the receipt where the outcome is on disk; where it is not, it is committed now.
    ///
    /// # Errors
    /// The file can't be opened again; the outcome is given back.
    pub fn settle(&mut self, outcome: Outcome) -> Result<Receipt, Box<CommitError>> {
        let last = outcome.changes().inputs.last().map_or(0, |i| i.sequence);
        // what was only written before the failed COMMIT may not be there
        self.sealed.clear();
        let opened = self.still_there().and_then(|()| self.reopen()).and_then(|()| self.write_anew());
        match opened.and_then(|()| self.last_sequence()) {
            Ok(on_disk) if on_disk >= last => Ok(self.receipt(outcome)),
            Ok(_) => self.commit(outcome),
            Err(error) => Err(Box::new(CommitError::Unknown(Box::new(outcome), error))),
        }
    }

    fn rollback(&mut self) {
        if let Some(c) = &self.connection
            && !c.is_autocommit()
        {
            // an error that already ended the transaction leaves nothing to roll back
            let _ = c.execute_batch("ROLLBACK");
        }
        self.sealed.clear();
        self.tail = u64::MAX;
        self.records.rolled_back();
    }

    fn receipt(&mut self, mut outcome: Outcome) -> Receipt {
        self.records.committed(outcome.take_cells());
        let changes = outcome.changes();
        let last = |state: OrderState| {
            let mut orders: Vec<Committed<Order>> = Vec::new();
            for (i, order) in changes.orders.iter().enumerate() {
                let final_here = !changes.orders[i + 1..].iter().any(|later| later.id == order.id);
                if final_here && order.state == state {
                    orders.push(Committed(order.clone()));
                }
            }
            orders
        };
        let (pending, started) = (last(OrderState::Pending), last(OrderState::Started));
        let told = !changes.findings.is_empty() || !changes.orders.is_empty();
        Receipt { pending, started, told, core: outcome.committed() }
    }

    fn write(&mut self, outcome: &Outcome) -> rusqlite::Result<()> {
        let c = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
        c.execute_batch("BEGIN IMMEDIATE")?;
        if self.tail == u64::MAX {
            self.tail = c.query_row("SELECT count(*) FROM tail", [], |r| r.get(0))?;
        }
        let events = &outcome.changes().events;
        if self.tail + (events.len() as u64) < block::EVENTS as u64 {
            return self.write_all(outcome, || Ok(Vec::new()));
        }
        let waiting = block::waiting(c)?;
        // compressing takes as long as the rest, so another core does it meanwhile
        std::thread::scope(|scope| {
            let blocks = scope.spawn(|| block::filled(&waiting, events));
            self.write_all(outcome, || blocks.join().unwrap_or(Err(rusqlite::Error::InvalidQuery)))
        })
    }

    fn write_all(
        &mut self,
        outcome: &Outcome,
        blocks: impl FnOnce() -> rusqlite::Result<Vec<block::Finished>>,
    ) -> rusqlite::Result<()> {
        let changes = outcome.changes();
        let now = changes.inputs.iter().map(|i| i.at).max().unwrap_or_default();
        let mut leaves: Vec<Leaf> = Vec::new();
        let keys = self.keys.clone();
        let c = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
        write_inputs(c, changes, &mut leaves)?;
        write_trails(c, changes)?;
        write_state(c, &mut self.records, outcome)?;
        write_findings(c, outcome, now, &mut leaves)?;
        write_orders(c, changes, now, &mut leaves)?;
        write_incidents(c, changes, &mut leaves)?;
        if !changes.findings.is_empty() || !changes.orders.is_empty() {
            told::made(c, &keys)?;
        }
        self.write_events(changes, blocks, &mut leaves)?;
        self.cut_seen(changes)?;
        // what an input led to comes right after it, whatever was committed with it
        leaves.sort_by_key(|leaf| leaf.input);
        let c = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
        let last: u64 = c.query_row("SELECT coalesce(max(sequence), 0) FROM leaves", [], |r| r.get(0))?;
        let mut put = c.prepare_cached("INSERT INTO leaves (sequence, kind, key, hash) VALUES (?, ?, ?, ?)")?;
        for (sequence, leaf) in (last + 1..).zip(leaves) {
            let hash = evidence::leaf_hash(&keys.leaf_salt(sequence), leaf.kind, &leaf.key, &leaf.body);
            put.execute(params![sequence, leaf.kind, leaf.key, &hash[..]])?;
        }
        // by the numbers of leaves, of which some may have been written just now
        changes.forgotten.iter().try_for_each(|forgotten| retention::forget(c, forgotten))
    }

    fn write_events(
        &mut self,
        changes: &Changes,
        blocks: impl FnOnce() -> rusqlite::Result<Vec<block::Finished>>,
        leaves: &mut Vec<Leaf>,
    ) -> rusqlite::Result<()> {
        self.seal_sessions(changes)?;
        let c = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
        let (waited, blocks) = (self.tail as usize, blocks()?);
        let mut rest = &changes.events[..];
        if !blocks.is_empty() {
            c.execute("DELETE FROM tail", [])?;
            self.tail = 0;
            rest = &rest[blocks.len() * block::EVENTS - waited..];
        }
        for (n, block) in (1..).zip(blocks) {
            let last = n * block::EVENTS - waited - 1;
            let (input, body) = (changes.input_of(last, |ends| ends.events), block.write(c)?);
            leaves.push(Leaf { input, kind: "block", key: c.last_insert_rowid().to_string(), body });
        }
        let mut tail = c.prepare_cached("INSERT INTO tail (id, time, body) VALUES (?, ?, ?)")?;
        for event in rest {
            tail.execute(params![&event.id.0[..], event.time.0, event.body])?;
            self.tail += 1;
        }
        Ok(())
    }

    /// Seals the ids of sessions that a server vouches for and that have not been sealed yet: an order may need them.
    fn seal_sessions(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        let c = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
        let sql = "INSERT INTO sessions VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET expires = max(expires, ?3)";
        let mut put = c.prepare_cached(sql)?;
        for event in &changes.events {
            let Some((Session { id, vouched: Vouched::Server }, digest)) = &event.session else { continue };
            let until = event.observed.plus(self.session_life);
            // a sight a little later costs no write
            let grain = Millis(self.session_life.0 / 8);
            if self.sealed.get(digest).is_some_and(|sealed| *sealed >= until) {
                continue;
            }
            if self.sealed.len() >= SEALED_REMEMBERED {
                self.sealed.clear();
            }
            self.sealed.insert(*digest, until.plus(grain));
            put.execute(params![&digest[..], self.keys.seal(digest, id), until.plus(grain).0])?;
        }
        Ok(())
    }

    /// Cuts the remembered ids of a trail off at the old end.
    fn cut_seen(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        let c = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
        for (part, _, seen) in &changes.trails {
            let count = self.seen.entry(part.clone()).or_default();
            let (source, host) = (part.source.as_str(), part.host.0);
            *count += seen.ids.len() as u64;
            if *count > 2 * limits::REMEMBERED_IDS as u64 {
                let sql = "DELETE FROM seen WHERE source = ?1 AND host = ?3 AND sequence <= (SELECT sequence FROM (SELECT sequence, \
                           sum(ids) OVER (ORDER BY sequence DESC) AS newer FROM seen WHERE source = ?1 AND host = ?3) WHERE newer >= ?2 LIMIT 1) \
                           AND sequence < (SELECT max(sequence) FROM seen WHERE source = ?1 AND host = ?3)";
                c.execute(sql, params![source, 2 * limits::REMEMBERED_IDS as i64, host])?;
                let sql = "SELECT coalesce(sum(ids), 0) FROM seen WHERE source = ? AND host = ?";
                *count = c.query_row(sql, params![source, host], |r| r.get(0))?;
            }
        }
        Ok(())
    }
}

/// How many sealed sessions are remembered in memory, to spare their sealing anew.
const SEALED_REMEMBERED: usize = 100_000;

/// A record that becomes a leaf of the evidence tree.
struct Leaf {
    /// Which of the commit's inputs led to it.
    input: usize,
    kind: &'static str,
    key: String,
    /// The digest of its body.
    body: evidence::Hash,
}

impl Leaf {
    fn new(input: usize, kind: &'static str, key: String, body: &[u8]) -> Leaf {
        Leaf { input, kind, key, body: evidence::body_digest(body) }
    }
}

fn write_incidents(c: &Connection, changes: &Changes, leaves: &mut Vec<Leaf>) -> rusqlite::Result<()> {
    let mut put = c.prepare_cached("INSERT INTO incident_steps (at, body) VALUES (?, ?)")?;
    for (n, step) in changes.incidents.iter().enumerate() {
        let body = serde_json::to_string(step).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        put.execute(params![step.at.0, body])?;
        let input = changes.input_of(n, |ends| ends.incidents);
        leaves.push(Leaf::new(input, "incident", c.last_insert_rowid().to_string(), body.as_bytes()));
    }
    Ok(())
}

fn write_inputs(c: &Connection, changes: &Changes, leaves: &mut Vec<Leaf>) -> rusqlite::Result<()> {
    let mut put = c.prepare_cached("INSERT INTO inputs VALUES (?, ?, ?, ?)")?;
    for (n, input) in changes.inputs.iter().enumerate() {
        put.execute(params![input.sequence, input.at.0, input.kind, input.body])?;
        let body = evidence::input_body(input.at.0, input.kind, &input.body);
        leaves.push(Leaf::new(n, retention::leaf_kind(input.kind), input.sequence.to_string(), &body));
    }
    let mut drop = c.prepare_cached(
        "DELETE FROM cursors WHERE source = ? AND host = ? AND device = ? AND inode = ? AND born = ?",
    )?;
    for (source, file) in &changes.gone {
        drop.execute(params![source.as_str(), file.host.0, file.device as i64, file.inode as i64, file.born_ns])?;
    }
    let mut put = c.prepare_cached(
        "INSERT INTO cursors VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET path = ?6, \"offset\" = ?7, witness = ?8, size = ?9, sequence = ?10",
    )?;
    let sequence = changes.inputs.last().map_or(0, |i| i.sequence);
    for row in changes.cursors.values() {
        put.execute(params![
            row.source.as_str(),
            row.file.host.0,
            row.file.device as i64,
            row.file.inode as i64,
            row.file.born_ns,
            row.path.as_os_str().as_bytes(),
            row.offset,
            &row.witness.0[..],
            row.size,
            sequence
        ])?;
    }
    Ok(())
}

fn write_trails(c: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    let mut trail = c.prepare_cached("INSERT INTO trails VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = ?3")?;
    let mut seen = c.prepare_cached("INSERT INTO seen (source, host, ids, body) VALUES (?, ?, ?, ?)")?;
    for (part, row, ids) in &changes.trails {
        let (source, host) = (part.source.as_str(), part.host.0);
        let body = serde_json::to_string(row).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        trail.execute(params![source, host, body])?;
        if *ids != Default::default() {
            let body = postcard::to_stdvec(ids).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
            seen.execute(params![source, host, ids.ids.len() as i64, body])?;
        }
    }
    let mut meta = c.prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?;
    if let Some(on) = changes.hold {
        meta.execute(["hold", if on { "on" } else { "off" }])?;
    }
    if let Some(mutes) = &changes.mutes {
        meta.execute(["mutes", mutes])?;
    }
    if let Some(flood) = &changes.flood {
        meta.execute(["flood", flood])?;
    }
    if let Some(failing) = &changes.failing {
        meta.execute(["failing", failing])?;
    }
    if let Some(silences) = &changes.silences {
        meta.execute(["silences", silences])?;
    }
    if let Some(horizon) = changes.horizon {
        meta.execute(["horizon", &horizon.0.to_string()])?;
    }
    Ok(())
}

fn write_state(c: &Connection, records: &mut Records, outcome: &Outcome) -> rusqlite::Result<()> {
    let changes = outcome.changes();
    records.write(c, &changes.cells, &|prefix, residency| outcome.keeps(prefix, residency))?;
    let mut put =
        c.prepare_cached("INSERT INTO quotas VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET policies = ?2, body = ?3")?;
    for row in &changes.quotas {
        let body = postcard::to_stdvec(&row.quota).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        put.execute(params![&row.prefix[..], row.policies, body])?;
    }
    Ok(())
}

fn write_findings(c: &Connection, outcome: &Outcome, now: WallTime, leaves: &mut Vec<Leaf>) -> rusqlite::Result<()> {
    let changes = outcome.changes();
    // an id that is there already is the same decision on the same entity in the same episode: as first seen, it stays
    let mut put = c.prepare_cached("INSERT OR IGNORE INTO findings (id, sequence, time, policy, severity, actor, session, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    let mut tell = c.prepare_cached("INSERT INTO outbox (made, kind, body) VALUES (?, 'finding', ?)")?;
    for (n, finding) in changes.findings.iter().enumerate() {
        let input = changes.input_of(n, |ends| ends.findings);
        let body = serde_json::to_string(finding).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        let subject = &finding.subject;
        let new = put.execute(params![
            &finding.id.0[..],
            changes.inputs.get(input).map_or(0, |i| i.sequence),
            finding.time.0,
            &*finding.policy,
            finding.severity.ocsf(),
            subject.actor.as_deref(),
            subject.session.map(|s| s.digest.to_vec()),
            body
        ])?;
        if new == 1 {
            if (finding.severity >= outcome.core().rules.tell && finding.silenced.is_none()) || finding.test {
                tell.execute(params![now.0, body])?;
            }
            leaves.push(Leaf::new(input, "finding", finding.id.to_string(), body.as_bytes()));
        }
    }
    let mut acknowledge = c.prepare_cached(
        "UPDATE findings SET acknowledged_at = ?2, acknowledged_by = ?3 WHERE id = ?1 AND acknowledged_at IS NULL",
    )?;
    for (id, at, by) in &changes.acknowledged {
        acknowledge.execute(params![&id.0[..], at.0, by.as_str()])?;
    }
    // people may change their minds: the last verdict stands here, and all of them among the inputs
    let mut judge = c.prepare_cached(
        "UPDATE findings SET verdict = ?2, judged_at = ?3, judged_by = ?4, reason = ?5 WHERE id = ?1",
    )?;
    for (judgement, at, by) in &changes.judged {
        let id = &judgement.finding.0[..];
        let verdict = if judgement.honest { FindingVerdict::Dismissed } else { FindingVerdict::Confirmed };
        judge.execute(params![id, verdict.name(), at.0, by.as_str(), judgement.reason.as_str()])?;
    }
    Ok(())
}

fn write_orders(c: &Connection, changes: &Changes, now: WallTime, leaves: &mut Vec<Leaf>) -> rusqlite::Result<()> {
    let mut put =
        c.prepare_cached("INSERT INTO orders VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET state = ?3, body = ?4")?;
    let mut step =
        c.prepare_cached("INSERT INTO order_steps (id, at, state, refusal, note, body) VALUES (?, ?, ?, ?, ?, ?)")?;
    let mut tell = c.prepare_cached("INSERT INTO outbox (made, kind, body) VALUES (?, 'order', ?)")?;
    for (n, order) in changes.orders.iter().enumerate() {
        let body = serde_json::to_string(order).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        put.execute(params![&order.id.0[..], order.made.0, order.state.name(), body])?;
        step.execute(params![
            &order.id.0[..],
            order.changed.0,
            order.state.name(),
            order.refusal.map(|r| r.name()),
            order.note.as_deref(),
            body
        ])?;
        let input = changes.input_of(n, |ends| ends.orders);
        leaves.push(Leaf::new(input, "order", c.last_insert_rowid().to_string(), body.as_bytes()));
        // one finding says that a limit holds orders: a message for each would be what whoever forges trails is after
        if (order.state, order.refusal) != (OrderState::Held, Some(Refusal::Limit)) {
            tell.execute(params![now.0, body])?;
        }
    }
    // as they stand at the end of all steps
    for order in &changes.noticed {
        let body = serde_json::to_string(order).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        put.execute(params![&order.id.0[..], order.made.0, order.state.name(), body])?;
    }
    Ok(())
}
