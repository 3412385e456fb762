//! What is to be told: messages wait in the outbox until every outlet has had them. For an outlet that is away for too long the
//! oldest become one message, which says what was left out and how to ask for it.
use super::{Error, Ledger, sql_error};
use crate::model::{EventTime, WallTime};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

/// So many messages wait at most: some 150 MB.
pub const MOST: u64 = 100_000;

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number in the outbox.
    pub sequence: u64,
    /// When it was committed.
    pub made: WallTime,
    /// `finding`, `order`, `reminder`, `checkpoint` or `omitted`.
    pub kind: String,
    /// JSON of what it is about; of a checkpoint the note.
    pub body: String,
}

/// Messages that an outlet was never given, for there were too many while it was away. They may be more than it missed: of an
/// outlet that had some of them it is not remembered which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omitted {
    /// The number of the last of them in the outbox: names this message, and any later one that holds it too.
    pub last: u64,
    /// Findings among them.
    pub findings: u64,
    /// Changes of orders.
    pub orders: u64,
    /// Reminders, and signed heads, of which later ones hold for all.
    pub others: u64,
    /// The earliest time of these findings and orders.
    pub since: Option<EventTime>,
    /// The latest.
    pub until: Option<EventTime>,
}

impl Omitted {
    /// What became of them, and where they are.
    pub fn text(&self) -> String {
        let Omitted { findings, orders, .. } = self;
        let ask = |since: EventTime, until: EventTime| {
            let until = EventTime(until.0.saturating_add(1));
            format!(
                "; ask for them: tripline findings list --since {since} --until {until} --limit {}",
                findings.max(&1)
            )
        };
        let ask = self.since.zip(self.until).map(|(since, until)| ask(since, until)).unwrap_or_default();
        format!(
            "{findings} findings and {orders} changes of orders were left out, for this receiver was away too long{ask}"
        )
    }

    fn add(&mut self, more: Omitted) {
        self.findings += more.findings;
        self.orders += more.orders;
        self.others += more.others;
        self.since = [self.since, more.since].into_iter().flatten().min();
        self.until = self.until.max(more.until);
    }
}

impl Ledger {
    /// Which outlets there are from now on: of others nothing is remembered.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_outlets<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
        let names: Vec<&String> = names.collect();
        let run = |c: &Connection| -> rusqlite::Result<()> {
            let known: Vec<String> =
                c.prepare("SELECT name FROM outlets")?.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
            for gone in known.iter().filter(|name| !names.contains(name)) {
                c.execute("DELETE FROM outlets WHERE name = ?", [gone])?;
            }
            for name in names {
                c.execute("INSERT OR IGNORE INTO outlets VALUES (?, 0, NULL)", [name])?;
            }
            Ok(())
        };
        run(self.connection()?).map_err(sql_error("writing the outlets", &self.path()))
    }

    /// The messages that an outlet has not been given, oldest first, at most `most`.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub fn undelivered(&self, outlet: &str, most: usize) -> Result<Vec<Message>, Error> {
        let run = |c: &Connection| -> rusqlite::Result<Vec<Message>> {
            c.prepare_cached(
                "SELECT sequence, made, kind, body FROM outbox WHERE sequence > coalesce((SELECT delivered FROM outlets WHERE name = ?), 0) ORDER BY sequence LIMIT ?",
            )?
            .query_map(params![outlet, most as i64], |r| {
                Ok(Message { sequence: r.get(0)?, made: WallTime(r.get(1)?), kind: r.get(2)?, body: r.get(3)? })
            })?
            .collect()
        };
        run(self.connection()?).map_err(sql_error("reading the outbox", &self.path()))
    }

    /// An outlet took every message up to `sequence`, or could not, and why.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn delivered(&self, outlet: &str, sequence: Option<u64>, error: Option<&str>) -> Result<(), Error> {
        let sql = "INSERT INTO outlets VALUES (?1, coalesce(?2, 0), ?3) ON CONFLICT DO UPDATE SET delivered = coalesce(?2, delivered), error = ?3";
        self.connection()?
            .execute(sql, params![outlet, sequence, error])
            .map_err(sql_error("writing the outbox", &self.path()))?;
        Ok(())
    }

    /// Drops the messages that every outlet has had, and where more than `most` wait, makes one of the oldest: so many of them
    /// that a tenth of `most` is free again. Says how many wait now.
    pub(super) fn prune_outbox(&mut self, most: u64) -> Result<u64, Error> {
        let run = |c: &Connection| -> rusqlite::Result<u64> {
            let c = Transaction::new_unchecked(c, TransactionBehavior::Immediate)?;
            c.execute("DELETE FROM outbox WHERE sequence <= coalesce((SELECT min(delivered) FROM outlets), (SELECT max(sequence) FROM outbox))", [])?;
            let waiting: u64 = c.query_row("SELECT count(*) FROM outbox", [], |r| r.get(0))?;
            if waiting > most {
                omit(&c, waiting - most / 10 * 9)?;
            }
            let waiting = c.query_row("SELECT count(*) FROM outbox", [], |r| r.get(0))?;
            c.commit()?;
            Ok(waiting)
        };
        let path = self.path();
        run(self.connection()?).map_err(sql_error("pruning the outbox", &path))
    }
}

/// Makes one message of the oldest `count` and what was left out before.
fn omit(c: &Connection, count: u64) -> rusqlite::Result<()> {
    let last: u64 =
        c.query_row("SELECT sequence FROM outbox ORDER BY sequence LIMIT 1 OFFSET ?", [count - 1], |r| r.get(0))?;
    let mut omitted = Omitted { last, ..Omitted::default() };
    let earlier = "SELECT body FROM outbox WHERE sequence <= ? AND kind = 'omitted'";
    for body in c.prepare(earlier)?.query_map([last], |r| r.get::<_, String>(0))? {
        // one that is damaged says nothing
        let earlier: Omitted = serde_json::from_str(&body?).unwrap_or_default();
        omitted.add(earlier);
    }
    let times = "CASE WHEN kind IN ('finding', 'order') AND json_valid(body) THEN json_extract(body, '$.time') END";
    let kinds = format!(
        "SELECT kind, count(*), min({times}), max({times}) FROM outbox WHERE sequence <= ? AND kind <> 'omitted' GROUP BY kind"
    );
    let kinds = c
        .prepare(&kinds)?
        .query_map([last], |r| {
            let (kind, count): (String, u64) = (r.get(0)?, r.get(1)?);
            let of = |wanted: &str| if kind == wanted { count } else { 0 };
            let (findings, orders) = (of("finding"), of("order"));
            let others = count - findings - orders;
            let (since, until) =
                (r.get::<_, Option<i64>>(2)?.map(EventTime), r.get::<_, Option<i64>>(3)?.map(EventTime));
            Ok(Omitted { last, findings, orders, others, since, until })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    kinds.into_iter().for_each(|kind| omitted.add(kind));
    let body = serde_json::to_string(&omitted).unwrap_or_default();
    c.execute("DELETE FROM outbox WHERE sequence < ?", [last])?;
    c.execute("UPDATE outbox SET kind = 'omitted', body = ? WHERE sequence = ?", params![body, last])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Durability, Keys};
    use std::path::Path;

    fn ledger(state: &Path, outlets: &[&str]) -> Ledger {
        let ledger = Ledger::open(state, Durability::None, Keys::new(&[7; 32]).into()).unwrap();
        let names: Vec<String> = outlets.iter().map(|name| (*name).to_owned()).collect();
        ledger.set_outlets(names.iter()).unwrap();
        ledger
    }

    fn tell(ledger: &Ledger, kind: &str, body: &str) {
        let c = ledger.connection().unwrap();
        c.execute("INSERT INTO outbox (made, kind, body) VALUES (5, ?, ?)", params![kind, body]).unwrap();
    }

    fn waiting(ledger: &Ledger, outlet: &str) -> Vec<(u64, String)> {
        ledger.undelivered(outlet, 1000).unwrap().into_iter().map(|m| (m.sequence, m.kind)).collect()
    }

    fn omitted(ledger: &Ledger, outlet: &str) -> Omitted {
        let first = ledger.undelivered(outlet, 1).unwrap().remove(0);
        assert_eq!(first.kind, "omitted");
        serde_json::from_str(&first.body).unwrap()
    }

    #[test]
    fn v68_too_many_messages_become_one_that_says_what_was_left_out() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = ledger(state.path(), &["away", "near"]);
        for n in 1..=20 {
            tell(&ledger, "finding", &format!("{{\"time\":{}}}", 1000 - n));
        }
        tell(&ledger, "checkpoint", "a note, which is no JSON");
        tell(&ledger, "order", "{\"time\":2000}");
        ledger.delivered("near", Some(15), None).unwrap();
        ledger.delivered("away", Some(2), None).unwrap();
        assert_eq!(ledger.prune_outbox(20).unwrap(), 20, "what all have had is gone, and no more");
        assert_eq!(ledger.prune_outbox(10).unwrap(), 10);
        let last =
            |n| Omitted { last: n, since: Some(EventTime(987)), until: Some(EventTime(997)), ..Omitted::default() };
        assert_eq!(omitted(&ledger, "away"), Omitted { findings: 11, ..last(13) });
        assert_eq!(waiting(&ledger, "away").len(), 10, "it, and the nine that are left");
        assert_eq!(waiting(&ledger, "near")[0], (16, "finding".into()), "who had them is told nothing");
        // some more, and what was left out before is in it
        for n in 0..6 {
            tell(&ledger, "finding", &format!("{{\"time\":{}}}", 3000 + n));
        }
        assert_eq!(ledger.prune_outbox(10).unwrap(), 10);
        let all = omitted(&ledger, "away");
        assert_eq!((all.last, all.findings, all.orders, all.others), (19, 17, 0, 0));
        assert_eq!((all.since, all.until), (Some(EventTime(981)), Some(EventTime(997))));
        assert!(all.text().contains("--since 1970-01-01T00:00:00.981Z --until 1970-01-01T00:00:00.998Z --limit 17"));
        assert_eq!(omitted(&ledger, "near"), all, "who had some is told of all");
        // and what it names is had, it goes as any other
        ledger.delivered("away", Some(28), None).unwrap();
        ledger.delivered("near", Some(28), None).unwrap();
        assert_eq!(ledger.prune_outbox(10).unwrap(), 0);
    }
}
