//! What is to be told: messages wait in the outbox until every outlet has had them. For an outlet that is away for too long the
//! oldest become one message, which says what was left out and how to ask for it.
use super::{Committed, Error, Ledger, Reader, sql_error, told};
use crate::model::{EventTime, Omitted, WallTime};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Up to which number outlets have taken every message, and what kept them from the next one.
pub type Delivered = BTreeMap<String, (Option<u64>, Option<String>)>;

/// The outbox for who reads it beside the writer: through a connection of its own, and no further than to what is on disk.
#[derive(Clone)]
pub struct Outbox {
    path: PathBuf,
    reader: Arc<Mutex<Option<Reader>>>,
    /// The last message that is on disk.
    pub last: Committed<u64>,
}

impl Outbox {
    /// That of a ledger file. Nothing is opened yet.
    pub fn new(path: &Path, last: Committed<u64>) -> Outbox {
        Outbox { path: path.to_owned(), reader: Arc::default(), last }
    }

    /// The oldest messages after `had` that an outlet is not known to have been given, at most so many.
    ///
    /// # Errors
    /// The file can't be read; it is opened anew the next time.
    pub fn waiting(&self, outlet: &str, had: u64, most: u32) -> Result<Vec<Message>, Error> {
        let mut held = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = held.take().map_or_else(|| Reader::open(&self.path), Ok)?;
        let rows = reader.undelivered(outlet, had, &self.last, most)?;
        *held = Some(reader);
        Ok(rows)
    }
}

impl Reader {
    fn undelivered(&self, outlet: &str, had: u64, last: &Committed<u64>, most: u32) -> Result<Vec<Message>, Error> {
        let sql = "SELECT sequence, made, kind, body FROM outbox \
             WHERE sequence > max(?2, coalesce((SELECT delivered FROM outlets WHERE name = ?1), 0)) AND sequence <= ?3 \
             ORDER BY sequence LIMIT ?4";
        self.read("reading the outbox", |c| {
            c.prepare_cached(sql)?
                .query_map(params![outlet, had, last.get(), most], |r| {
                    Ok(Message { sequence: r.get(0)?, made: WallTime(r.get(1)?), kind: r.get(2)?, body: r.get(3)? })
                })?
                .collect()
        })
    }
}

impl Ledger {
    /// Which outlets there are from now on: of others nothing is remembered.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_outlets<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
        let names: Vec<&String> = names.collect();
        let write = |c: &Connection| -> rusqlite::Result<()> {
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
        let run = |c: &Connection| -> rusqlite::Result<()> {
            let c = Transaction::new_unchecked(c, TransactionBehavior::Immediate)?;
            told::delivered(&c, &self.keys, || write(&c))?;
            c.commit()
        };
        run(self.connection()?).map_err(sql_error("writing the outlets", &self.path()))
    }

    /// The number of the last message that is on disk; 0 where there never was one.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn last_message(&self) -> Result<Committed<u64>, Error> {
        let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)";
        let last =
            self.connection()?.prepare_cached(sql).and_then(|mut statement| statement.query_row([], |r| r.get(0)));
        last.map(Committed::read_back).map_err(sql_error("reading the outbox", &self.path()))
    }

    /// Outlets took every message up to a number, or could not, and why.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn delivered(&self, all: &Delivered) -> Result<(), Error> {
        let sql = "INSERT INTO outlets VALUES (?1, coalesce(?2, 0), ?3) ON CONFLICT DO UPDATE SET delivered = coalesce(?2, delivered), error = ?3";
        let run = |c: &Connection| -> rusqlite::Result<()> {
            let c = Transaction::new_unchecked(c, TransactionBehavior::Immediate)?;
            told::delivered(&c, &self.keys, || {
                all.iter().try_for_each(|(outlet, (sequence, error))| {
                    c.prepare_cached(sql)?.execute(params![outlet, sequence, error]).map(drop)
                })
            })?;
            c.commit()
        };
        run(self.connection()?).map_err(sql_error("writing the outbox", &self.path()))
    }

    /// Drops the messages that every outlet has had, and where more than `most` wait, makes one of the oldest: so many of them
    /// that a tenth of `most` is free again. Says how many wait now.
    pub(super) fn prune_outbox(&mut self, most: u64) -> Result<u64, Error> {
        let run = |c: &Connection| -> rusqlite::Result<u64> {
            let c = Transaction::new_unchecked(c, TransactionBehavior::Immediate)?;
            let before = told::is_whole(&c, &self.keys)?;
            let had = "SELECT coalesce((SELECT min(delivered) FROM outlets), (SELECT max(sequence) FROM outbox))";
            let gone: Option<u64> = c.query_row(had, [], |r| r.get(0))?;
            c.execute("DELETE FROM outbox WHERE sequence <= ?", [gone])?;
            let sql = "SELECT count(*), count(*) FILTER (WHERE kind <> 'reminder') FROM outbox";
            let (waiting, others): (u64, u64) = c.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?)))?;
            let may_wait = waiting <= most || others <= 1;
            let omitted = if may_wait { None } else { omit(&c, others.min(waiting - most / 10 * 9))? };
            told::dropped(&c, &self.keys, before, gone, omitted)?;
            let waiting = c.query_row("SELECT count(*) FROM outbox", [], |r| r.get(0))?;
            c.commit()?;
            Ok(waiting)
        };
        let path = self.path();
        run(self.connection()?).map_err(sql_error("pruning the outbox", &path))
    }
}

/// Makes one message of the oldest `count` that are no reminders, and of what was left out before; says which number it has.
fn omit(c: &Connection, count: u64) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT sequence FROM outbox WHERE kind <> 'reminder' ORDER BY sequence LIMIT 1 OFFSET ?";
    let last: Option<u64> = c.query_row(sql, [count.saturating_sub(1)], |r| r.get(0)).optional()?;
    let Some(last) = last else { return Ok(None) };
    let mut omitted = Omitted { last, ..Omitted::default() };
    let earlier = "SELECT body FROM outbox WHERE sequence <= ? AND kind = 'omitted'";
    for body in c.prepare(earlier)?.query_map([last], |r| r.get::<_, String>(0))? {
        // one that is damaged says nothing
        omitted.add(serde_json::from_str(&body?).unwrap_or_default());
    }
    let time = "CASE WHEN kind = 'finding' AND json_valid(body) THEN CAST(json_extract(body, '$.time') AS INTEGER) END";
    let kinds = format!(
        "SELECT kind, count(*), min({time}), max({time}) FROM outbox \
         WHERE sequence <= ? AND kind NOT IN ('omitted', 'reminder') GROUP BY kind"
    );
    let mut kinds = c.prepare(&kinds)?;
    let kinds = kinds.query_map([last], |r| {
        let (kind, count): (String, u64) = (r.get(0)?, r.get(1)?);
        let of = |wanted: &str| if kind == wanted { count } else { 0 };
        Ok(Omitted {
            last,
            findings: of("finding"),
            orders: of("order"),
            heads: of("checkpoint"),
            since: r.get::<_, Option<i64>>(2)?.map(EventTime),
            until: r.get::<_, Option<i64>>(3)?.map(EventTime),
        })
    })?;
    for kind in kinds {
        omitted.add(kind?);
    }
    let body = serde_json::to_string(&omitted).unwrap_or_default();
    c.execute("DELETE FROM outbox WHERE sequence < ? AND kind <> 'reminder'", [last])?;
    c.execute("UPDATE outbox SET kind = 'omitted', body = ? WHERE sequence = ?", params![body, last])?;
    Ok(Some(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Durability, Keys};

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

    fn messages(ledger: &Ledger, outlet: &str) -> Vec<Message> {
        Outbox::new(&ledger.path(), ledger.last_message().unwrap()).waiting(outlet, 0, 1000).unwrap()
    }

    fn waiting(ledger: &Ledger, outlet: &str) -> Vec<(u64, String)> {
        messages(ledger, outlet).into_iter().map(|m| (m.sequence, m.kind)).collect()
    }

    fn had(ledger: &Ledger, outlet: &str, sequence: u64) {
        ledger.delivered(&[(outlet.to_owned(), (Some(sequence), None))].into()).unwrap();
    }

    fn omitted(ledger: &Ledger, outlet: &str) -> Omitted {
        let rows = messages(ledger, outlet);
        let told: Vec<_> = rows.iter().filter(|row| row.kind == "omitted").collect();
        assert_eq!(told.len(), 1);
        serde_json::from_str(&told[0].body).unwrap()
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
        had(&ledger, "near", 15);
        had(&ledger, "away", 2);
        assert_eq!(ledger.prune_outbox(20).unwrap(), 20, "what all have had is gone, and no more");
        assert_eq!(ledger.prune_outbox(10).unwrap(), 10);
        let (since, until) = (Some(EventTime(987)), Some(EventTime(997)));
        assert_eq!(omitted(&ledger, "away"), Omitted { last: 13, findings: 11, since, until, ..Omitted::default() });
        assert_eq!(waiting(&ledger, "away").len(), 10, "it, and the nine that are left");
        assert_eq!(waiting(&ledger, "near")[0], (16, "finding".into()), "who had them is told nothing");
        // some more, and what was left out before is in it; a reminder is told once, and stays
        tell(&ledger, "reminder", "{}");
        for n in 0..9 {
            tell(&ledger, "finding", &format!("{{\"time\":{}}}", 3000 + n));
        }
        tell(&ledger, "finding", "is damaged");
        assert_eq!(ledger.prune_outbox(10).unwrap(), 10);
        let all = omitted(&ledger, "away");
        assert_eq!((all.last, all.findings, all.orders, all.heads), (25, 20, 1, 1));
        assert_eq!((all.since, all.until), (Some(EventTime(980)), Some(EventTime(3001))));
        assert!(all.text().contains("20 findings, 1 changes of orders and 1 signed heads were left out"));
        assert!(all.text().contains("--since 1970-01-01T00:00:00.980Z --until 1970-01-01T00:00:03.002Z"));
        assert_eq!(omitted(&ledger, "near"), all, "who had some is told of all");
        assert_eq!(waiting(&ledger, "away").iter().filter(|(_, kind)| kind == "reminder").count(), 1);
        // and what it names is had, it goes as any other
        had(&ledger, "away", 33);
        had(&ledger, "near", 33);
        assert_eq!(ledger.prune_outbox(10).unwrap(), 0);
    }

    #[test]
    fn an_outlet_is_given_what_it_has_not_had_up_to_what_is_on_disk() {
        let state = tempfile::tempdir().unwrap();
        let ledger = ledger(state.path(), &["siem", "page"]);
        assert_eq!(*ledger.last_message().unwrap().get(), 0);
        (0..3).for_each(|_| tell(&ledger, "finding", "{}"));
        let mut outbox = Outbox::new(&ledger.path(), ledger.last_message().unwrap());
        let given = |outbox: &Outbox, outlet, had, most| -> Vec<u64> {
            outbox.waiting(outlet, had, most).unwrap().into_iter().map(|m| m.sequence).collect()
        };
        (0..2).for_each(|_| tell(&ledger, "finding", "{}"));
        assert_eq!(given(&outbox, "siem", 0, 9), [1, 2, 3], "nobody has said that more is on disk");
        outbox.last = ledger.last_message().unwrap();
        assert_eq!(given(&outbox, "siem", 2, 2), [3, 4], "it has had two, though that is not written");
        had(&ledger, "siem", 4);
        assert_eq!(given(&outbox, "siem", 2, 9), [5], "it is written that it has had four");
        assert_eq!(given(&outbox, "page", 0, 9), [1, 2, 3, 4, 5], "another one has had none");
        ledger.delivered(&[("siem".to_owned(), (None, Some("away".to_owned())))].into()).unwrap();
        assert_eq!(given(&outbox, "siem", 0, 9), [5], "that it failed takes nothing back");
    }

    #[test]
    fn reminders_stay_and_take_nobody_elses_room() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = ledger(state.path(), &["away"]);
        (0..20).for_each(|_| tell(&ledger, "reminder", "{}"));
        assert_eq!(ledger.prune_outbox(10).unwrap(), 20);
        (0..3).for_each(|_| tell(&ledger, "order", "{}"));
        assert_eq!((ledger.prune_outbox(10).unwrap(), omitted(&ledger, "away").orders), (21, 3));
        assert_eq!(ledger.prune_outbox(10).unwrap(), 21);
    }
}
