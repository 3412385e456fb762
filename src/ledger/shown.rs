//! What lists, filters and outlets go by, derived anew from what was recorded: each row that says something else is named.
//!
//! Memory: some bytes for each order, each step of one and each finding that a person has looked at; rows come one by one.
use super::verify::Fault;
use super::{Keys, file, told};
use crate::model::incident::IncidentStep;
use crate::model::order::Held;
use crate::model::{Digest, Finding, FindingId, FindingVerdict, Input, Order, Verification, WallTime};
use crate::orders::Book;
use crate::pipeline::{EventRow, InputRow};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many things that SQLite finds wrong with the file are named.
const DAMAGES: u32 = 10;

/// Looks at all of it.
pub(super) struct Look<'a> {
    c: &'a Connection,
    keys: Option<&'a Keys>,
    found: &'a mut dyn FnMut(Fault),
}

/// What people did, as the inputs have it.
#[derive(Default)]
struct Acts {
    /// The first who acknowledged a finding, by a digest.
    acknowledged: HashMap<FindingId, [u8; 16]>,
    /// The last verdict on a finding, by a digest.
    judged: HashMap<FindingId, [u8; 16]>,
    /// What `meta` should hold.
    settings: BTreeMap<&'static str, String>,
}

fn acknowledgement(at: i64, by: &str) -> [u8; 16] {
    Digest::of(format!("{at} {by}").as_bytes()).short()
}

fn verdict(verdict: &str, at: i64, by: &str, reason: &str) -> [u8; 16] {
    Digest::of(serde_json::json!([verdict, at, by, reason]).to_string().as_bytes()).short()
}

/// A row of findings without its body, and that.
struct Listed {
    id: [u8; 16],
    time: i64,
    policy: String,
    severity: i64,
    actor: Option<String>,
    session: Option<Vec<u8>>,
    body: String,
}

impl Listed {
    /// Whether the columns say what the body says.
    fn fits(&self) -> bool {
        serde_json::from_str::<Finding>(&self.body).is_ok_and(|f| {
            let session = f.subject.session.map(|session| session.digest.to_vec());
            f.id.0 == self.id
                && f.time.0 == self.time
                && *f.policy == *self.policy
                && i64::from(f.severity.ocsf()) == self.severity
                && f.subject.actor.as_deref() == self.actor.as_deref()
                && session == self.session
        })
    }
}

/// The last step of an order, as [`Look::steps`] found it.
type LastSteps = HashMap<[u8; 16], i64>;

impl<'a> Look<'a> {
    /// A look that gives each fault to `found`. What is under a key is left out without it.
    pub(super) fn new(c: &'a Connection, keys: Option<&'a Keys>, found: &'a mut dyn FnMut(Fault)) -> Look<'a> {
        Look { c, keys, found }
    }

    /// Looks at everything.
    pub(super) fn all(mut self) -> rusqlite::Result<()> {
        self.schema()?;
        let acts = self.acts()?;
        self.findings(&acts)?;
        self.settings(&acts)?;
        let (last, bodies) = self.steps()?;
        self.orders(last)?;
        self.incidents()?;
        self.tail()?;
        self.messages(&bodies)?;
        self.under_the_key()
    }

    fn shown(&mut self, kind: &str, key: impl ToString) {
        (self.found)(Fault::Shown { kind: kind.to_owned(), key: key.to_string() });
    }

    /// Tables and indexes must be those that are made: a query answers by them. What SQLite itself finds wrong is named too, such as an
    /// index without a row that its table has.
    fn schema(&mut self) -> rusqlite::Result<()> {
        let wanted = Connection::open_in_memory()?;
        wanted.execute_batch(file::SCHEMA)?;
        let (wanted, there) = (schema_of(&wanted)?, schema_of(self.c)?);
        let names: std::collections::BTreeSet<&String> = wanted.keys().chain(there.keys()).collect();
        for name in names.into_iter().filter(|name| wanted.get(*name) != there.get(*name)) {
            (self.found)(Fault::Damaged { what: format!("{name} is not as it was made") });
        }
        let mut statement = self.c.prepare(&format!("PRAGMA integrity_check({DAMAGES})"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let what: String = row.get(0)?;
            if what != "ok" {
                (self.found)(Fault::Damaged { what });
            }
        }
        Ok(())
    }

    /// What people did, from the inputs.
    fn acts(&self) -> rusqlite::Result<Acts> {
        let mut acts = Acts::default();
        let mut book = Book::new([], false, Vec::new());
        let sql = "SELECT kind, at, body FROM inputs WHERE kind IN ('acknowledge', 'judge', 'hold', 'mute', 'unmute', 'rules', 'retention') \
                   ORDER BY sequence";
        let mut statement = self.c.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            // one that can't be read is not what was recorded, and its leaf says so
            let input = InputRow::fact(row.get_ref(0)?.as_str()?, WallTime(row.get(1)?), row.get_ref(2)?.as_str()?);
            let muted = |book: &Book| serde_json::to_string(book.mutes()).unwrap_or_default();
            match input {
                Some(Input::Acknowledge { at, finding, by }) => {
                    acts.acknowledged.entry(finding).or_insert_with(|| acknowledgement(at.0, &by));
                }
                Some(Input::Judge { at, judgement: j, by }) => {
                    acts.acknowledged.entry(j.finding).or_insert_with(|| acknowledgement(at.0, &by));
                    let word = if j.honest { FindingVerdict::Dismissed } else { FindingVerdict::Confirmed };
                    acts.judged.insert(j.finding, verdict(word.name(), at.0, &by, &j.reason));
                }
                Some(Input::Hold { on, .. }) => {
                    acts.settings.insert("hold", if on { "on" } else { "off" }.to_owned());
                }
                Some(Input::Mute { at, mute }) => {
                    book.mute(mute, at);
                    acts.settings.insert("mutes", muted(&book));
                }
                Some(Input::Unmute { at, id, .. }) => {
                    book.unmute(&id, at);
                    acts.settings.insert("mutes", muted(&book));
                }
                Some(Input::Rules { silences, .. }) => {
                    acts.settings.insert("silences", serde_json::to_string(&silences).unwrap_or_default());
                }
                Some(Input::Retention { forgotten, .. }) => {
                    acts.settings.insert("forgotten", serde_json::to_string(&forgotten).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(acts)
    }

    fn findings(&mut self, acts: &Acts) -> rusqlite::Result<()> {
        let sql = "SELECT id, time, policy, severity, actor, session, body, acknowledged_at, acknowledged_by, verdict, judged_at, \
                   judged_by, reason FROM findings NOT INDEXED";
        let mut statement = self.c.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let row = Listed {
                id: r.get(0)?,
                time: r.get(1)?,
                policy: r.get(2)?,
                severity: r.get(3)?,
                actor: r.get(4)?,
                session: r.get(5)?,
                body: r.get(6)?,
            };
            let id = FindingId(row.id);
            if !row.fits() || !looked_at(r, acts.acknowledged.get(&id))? || !judged(r, acts.judged.get(&id))? {
                self.shown("finding", id);
            }
        }
        Ok(())
    }

    /// The settings that lists show.
    fn settings(&mut self, acts: &Acts) -> rusqlite::Result<()> {
        for key in ["hold", "mutes", "silences", "forgotten"] {
            let sql = "SELECT value FROM meta WHERE key = ?";
            let there: Option<String> = self.c.prepare_cached(sql)?.query_row([key], |r| r.get(0)).optional()?;
            if there.as_ref() != acts.settings.get(key) {
                self.shown("setting", key);
            }
        }
        Ok(())
    }

    /// The last step of each order, and the digests of all; each is held against the order as it stood then.
    fn steps(&mut self) -> rusqlite::Result<(LastSteps, HashSet<[u8; 16]>)> {
        let (mut last, mut bodies) = (LastSteps::new(), HashSet::new());
        let sql = "SELECT sequence, id, at, state, refusal, note, body FROM order_steps ORDER BY sequence";
        let mut statement = self.c.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (sequence, id): (i64, [u8; 16]) = (r.get(0)?, r.get(1)?);
            let (at, state): (i64, String) = (r.get(2)?, r.get(3)?);
            let (refusal, note, body): (Option<String>, Option<String>, Option<String>) =
                (r.get(4)?, r.get(5)?, r.get(6)?);
            let body = body.unwrap_or_default();
            let fits = serde_json::from_str::<Order>(&body).is_ok_and(|order| {
                order.id.0 == id
                    && order.changed.0 == at
                    && order.state.name() == state
                    && order.refusal.map(|r| r.name()) == refusal.as_deref()
                    && order.note.as_deref() == note.as_deref()
            });
            if !fits {
                self.shown("order step", sequence);
            }
            last.insert(id, sequence);
            bodies.insert(Digest::of(body.as_bytes()).short());
        }
        Ok((last, bodies))
    }

    /// Each order stands as its last step says.
    fn orders(&mut self, mut last: LastSteps) -> rusqlite::Result<()> {
        let mut step = self.c.prepare("SELECT body FROM order_steps WHERE sequence = ?")?;
        let mut statement = self.c.prepare("SELECT id, made, state, body FROM orders")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (id, made, state): ([u8; 16], i64, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let (body, key): (String, String) = (r.get(3)?, crate::model::id::hex(&id));
            let Some(sequence) = last.remove(&id) else {
                (self.found)(Fault::Added { kind: "order".to_owned(), key });
                continue;
            };
            let of_step: Option<String> = step.query_row([sequence], |r| r.get(0))?;
            let fits = serde_json::from_str::<Order>(&body).is_ok_and(|order| {
                order.id.0 == id
                    && order.made.0 == made
                    && order.state.name() == state
                    && (of_step.as_ref() == Some(&body) || is_noticed_since(&order, &body, of_step.as_deref()))
            });
            if !fits {
                self.shown("order", key);
            }
        }
        last.into_keys().for_each(|id| self.shown("order", crate::model::id::hex(&id)));
        Ok(())
    }

    fn incidents(&mut self) -> rusqlite::Result<()> {
        let mut statement = self.c.prepare("SELECT sequence, at, body FROM incident_steps ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (sequence, at): (i64, i64) = (r.get(0)?, r.get(1)?);
            let step = serde_json::from_str::<IncidentStep>(r.get_ref(2)?.as_str()?);
            if !step.is_ok_and(|step| step.at.0 == at) {
                self.shown("incident", sequence);
            }
        }
        Ok(())
    }

    /// Of events that are in no block yet, what they are looked for by.
    fn tail(&mut self) -> rusqlite::Result<()> {
        let mut statement = self.c.prepare("SELECT sequence, id, time, body FROM tail ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (sequence, id, time): (i64, Vec<u8>, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let row = serde_json::from_str::<EventRow>(r.get_ref(3)?.as_str()?);
            if !row.is_ok_and(|row| row.id.0[..] == id[..] && row.time.0 == time) {
                self.shown("event that waits", sequence);
            }
        }
        Ok(())
    }

    /// What is still to be told: of findings and orders each message is the record, of each finding once.
    fn messages(&mut self, steps: &HashSet<[u8; 16]>) -> rusqlite::Result<()> {
        let key = self.keys.and_then(Keys::verifier);
        let mut told: HashSet<FindingId> = HashSet::new();
        let mut finding = self.c.prepare("SELECT body FROM findings WHERE id = ?")?;
        let mut statement = self.c.prepare("SELECT sequence, kind, body FROM outbox ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (sequence, kind, body): (i64, String, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let fits = match kind.as_str() {
                "finding" => match serde_json::from_str::<Finding>(&body) {
                    Ok(told_of) => {
                        let of_row: Option<String> = finding.query_row([&told_of.id.0[..]], |r| r.get(0)).optional()?;
                        of_row.as_ref() == Some(&body) && told.insert(told_of.id)
                    }
                    Err(_) => false,
                },
                "order" => steps.contains(&Digest::of(body.as_bytes()).short()),
                "checkpoint" => key.as_ref().is_none_or(|key| key.open(&body).is_some()),
                // these are under the seal
                "reminder" | "omitted" => true,
                _ => false,
            };
            if !fits {
                self.shown("message", sequence);
            }
        }
        Ok(())
    }

    /// What only the key can tell.
    fn under_the_key(&mut self) -> rusqlite::Result<()> {
        let Some(keys) = self.keys else { return Ok(()) };
        if !told::is_whole(self.c, keys)? {
            self.shown("outbox", "messages, or how far outlets have got");
        }
        let key = keys.verifier();
        let mut statement = self.c.prepare("SELECT size, at, note FROM checkpoints ORDER BY rowid")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (size, at): (u64, i64) = (r.get(0)?, r.get(1)?);
            let note = key.as_ref().and_then(|key| key.open(r.get_ref(2).ok()?.as_str().ok()?));
            if !note.is_some_and(|note| note.size == size && note.time == WallTime(at).to_string()) {
                self.shown("checkpoint", size);
            }
        }
        Ok(())
    }
}

/// Tables, indexes and whatever else the file defines, by type and name: what SQLite keeps for itself left out.
fn schema_of(c: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema \
               WHERE name NOT IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4')";
    let row = |r: &Row<'_>| {
        let (kind, name): (String, String) = (r.get(0)?, r.get(1)?);
        let (table, sql): (String, String) = (r.get(2)?, r.get(3)?);
        let sql: Vec<&str> = sql.split_whitespace().collect();
        Ok((format!("{kind} {name}"), format!("{table}: {}", sql.join(" "))))
    };
    c.prepare(sql)?.query_map([], row)?.collect()
}

/// Whether the row of a finding says who acknowledged it, and when.
fn looked_at(r: &Row<'_>, wanted: Option<&[u8; 16]>) -> rusqlite::Result<bool> {
    let there: (Option<i64>, Option<String>) = (r.get(7)?, r.get(8)?);
    Ok(match (there, wanted) {
        ((None, None), None) => true,
        ((Some(at), Some(by)), Some(wanted)) => acknowledgement(at, &by) == *wanted,
        _ => false,
    })
}

/// Whether the row of a finding says how it was judged, when, by whom and why.
fn judged(r: &Row<'_>, wanted: Option<&[u8; 16]>) -> rusqlite::Result<bool> {
    let word: String = r.get(9)?;
    let there: (Option<i64>, Option<String>, Option<String>) = (r.get(10)?, r.get(11)?, r.get(12)?);
    Ok(match (there, wanted) {
        ((None, None, None), None) => word == FindingVerdict::Open.name(),
        ((Some(at), Some(by), Some(reason)), Some(wanted)) => verdict(&word, at, &by, &reason) == *wanted,
        _ => false,
    })
}

/// Whether the order is that of its last step but for what the trails said since, while it is watched whether it holds: no step, and
/// so in no record.
fn is_noticed_since(order: &Order, body: &str, step: Option<&str>) -> bool {
    let Some(step) = step.and_then(|step| serde_json::from_str::<Order>(step).ok()) else { return false };
    let is_watched = |v: &Verification| v.result == Held::Watching;
    let as_noticed = match (&step.verification, &order.verification) {
        (Some(of_step), Some(now)) if is_watched(of_step) => Some(Verification {
            seen: now.seen,
            refused: now.refused,
            unclear: now.unclear,
            again: now.again,
            confirmed: now.confirmed,
            running: now.running.clone(),
            ..of_step.clone()
        }),
        _ => return false,
    };
    let noticed = Order { verification: as_noticed, ..step };
    noticed == *order && serde_json::to_string(order).is_ok_and(|text| text == body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Durability, FILE, Ledger, Reader};
    use crate::model::finding::Ask;
    use crate::model::incident::IncidentAct;
    use crate::model::{Judgement, Mute, Severity, Subject, TargetKind};
    use crate::pipeline::Core;
    use crate::rules::{self, Tables, Texts};
    use std::sync::Arc;

    const AT: WallTime = WallTime(1_800_000_000_000);

    /// A ledger with something of everything that is listed.
    fn made(state: &std::path::Path, keys: &Arc<Keys>) {
        let none: [rules::TrailProfile; 0] = [];
        let secrets = keys.secrets();
        let rules = rules::compile(
            &Texts::shipped(),
            Tables::default(),
            &none,
            Default::default(),
            Severity::Informational,
            secrets,
        );
        let mut ledger = Ledger::open(state, Durability::None, keys.clone()).unwrap();
        ledger.set_outlets(["siem".to_owned()].iter()).unwrap();
        let mut outcome = Core::new(rules.unwrap().into(), ledger.recorded().unwrap(), false, 1).begin();
        let by = || "uid 7".into();
        for n in 0..3 {
            let session = crate::model::finding::SessionRef { digest: [n; 16], by_server: true };
            let subject =
                Subject { actor: Some(format!("ana{n}").into()), session: Some(session), ..Subject::default() };
            let ask = Ask { action: format!("end{n}").as_str().into(), target: TargetKind::Account };
            let at = WallTime(AT.0 + i64::from(n));
            let input =
                Input::Invalidate { at, ask, subject: Box::new(subject), reason: "she called".into(), by: by() };
            outcome = outcome.fold(input, &ledger).unwrap();
        }
        let found: Vec<FindingId> = outcome.changes().findings.iter().map(|f| f.id).collect();
        let judgement = |finding, honest| Judgement {
            finding,
            policy: "invalidated_by_hand".into(),
            actor: None,
            time: crate::model::EventTime(AT.0),
            honest,
            learns: honest,
            reason: "known".into(),
        };
        let mute = Mute {
            id: "00112233".into(),
            from: AT,
            until: WallTime(AT.0 + 9),
            reason: "a move".into(),
            by: by(),
            policies: vec!["odd_*".into()],
            actors: vec![],
            actions: vec![],
        };
        let step = IncidentStep { of: found[0], act: IncidentAct::Note { text: "x".into() }, at: AT, by: by() };
        for input in [
            Input::Acknowledge { at: AT, finding: found[0], by: by() },
            Input::Judge { at: WallTime(AT.0 + 1), judgement: judgement(found[0], true), by: "uid 8".into() },
            Input::Judge { at: AT, judgement: judgement(found[1], false), by: by() },
            // nobody who says it later takes anything back of who was the first
            Input::Acknowledge { at: WallTime(AT.0 + 2), finding: found[1], by: "uid 9".into() },
            Input::Judge { at: WallTime(AT.0 + 3), judgement: judgement(found[1], true), by: "uid 9".into() },
            Input::Incident(step),
            Input::Mute { at: AT, mute },
            Input::Hold { at: AT, on: true, by: by() },
            Input::Rules { at: AT, digest: Digest([3; 32]), silences: Vec::new() },
        ] {
            outcome = outcome.fold(input, &ledger).unwrap();
        }
        assert!(ledger.commit(outcome).is_ok());
        ledger.checkpoint(AT).unwrap();
        assert!(ledger.remind(AT, "a clock", "{}").unwrap());
        ledger.delivered(&[("siem".to_owned(), (Some(2), None))].into()).unwrap();
        ledger.prune(Some(AT), crate::model::EventTime(0)).unwrap();
    }

    fn faults(state: &std::path::Path, keys: &Keys) -> Vec<Fault> {
        Reader::open(&state.join(FILE)).unwrap().verify(Some(keys), &[]).unwrap().faults
    }

    #[test]
    fn each_thing_that_lists_show_is_held_against_what_was_recorded() {
        let (dir, keys) = (tempfile::tempdir().unwrap(), Arc::new(Keys::new(&[7; 32])));
        let whole = dir.path().join("whole");
        made(&whole, &keys);
        assert_eq!(faults(&whole, &keys), []);
        let from = Connection::open(whole.join(FILE)).unwrap();
        let changed = [
            ("finding", "UPDATE findings SET severity = 1"),
            ("finding", "UPDATE findings SET sequence = 3 WHERE actor = 'ana0'"),
            ("finding", "UPDATE findings SET session = x'00'"),
            ("finding", "UPDATE findings SET session = NULL"),
            (
                "finding",
                "UPDATE findings SET acknowledged_at = 1, acknowledged_by = 'uid 7' WHERE acknowledged_at IS NULL",
            ),
            ("finding", "UPDATE findings SET acknowledged_at = NULL, acknowledged_by = NULL WHERE actor = 'ana0'"),
            ("finding", "UPDATE findings SET acknowledged_by = 'uid 1' WHERE actor = 'ana0'"),
            ("finding", "UPDATE findings SET verdict = 'dismissed' WHERE verdict = 'open'"),
            ("finding", "UPDATE findings SET verdict = 'open' WHERE verdict = 'dismissed'"),
            ("finding", "UPDATE findings SET reason = 'another' WHERE reason = 'known'"),
            ("finding", "UPDATE findings SET judged_at = 1 WHERE judged_at > 0"),
            ("order", "DELETE FROM orders"),
            ("order", "DELETE FROM orders WHERE id = (SELECT min(id) FROM orders)"),
            (
                "order",
                "INSERT INTO orders SELECT x'00112233445566778899aabbccddeeff', made, state, body FROM orders LIMIT 1",
            ),
            ("order", "UPDATE orders SET made = 1"),
            ("order", "UPDATE orders SET state = 'done'"),
            ("order", "UPDATE orders SET body = replace(body, 'ana', 'eve')"),
            ("order step", "UPDATE order_steps SET state = 'done'"),
            ("order step", "UPDATE order_steps SET at = 1"),
            ("order step", "UPDATE order_steps SET refusal = 'hold'"),
            ("order step", "UPDATE order_steps SET note = 'well'"),
            ("incident", "UPDATE incident_steps SET at = 1"),
            ("setting", "UPDATE meta SET value = 'off' WHERE key = 'hold'"),
            ("setting", "UPDATE meta SET value = '[]' WHERE key = 'mutes'"),
            ("setting", "DELETE FROM meta WHERE key = 'silences'"),
            ("setting", "INSERT INTO meta VALUES ('forgotten', '{}')"),
            ("checkpoint", "UPDATE checkpoints SET at = 1"),
            ("outbox", "DELETE FROM outbox"),
            ("outbox", "DELETE FROM outbox WHERE sequence = (SELECT max(sequence) FROM outbox)"),
            ("outbox", "DELETE FROM outbox; UPDATE sqlite_sequence SET seq = 2 WHERE name = 'outbox'"),
            ("outbox", "DELETE FROM outbox; DELETE FROM meta WHERE key = 'outbox'"),
            ("outbox", "UPDATE meta SET value = replace(value, '\"last\":', '\"last\":1') WHERE key = 'outbox'"),
            ("outbox", "UPDATE outbox SET body = '{\"x\":1}' WHERE kind = 'reminder'"),
            ("outbox", "UPDATE outlets SET delivered = 99"),
            ("message", "UPDATE outbox SET body = replace(body, 'ana', 'eve') WHERE kind = 'finding'"),
            ("message", "UPDATE outbox SET body = replace(body, 'ana', 'eve') WHERE kind = 'order'"),
            ("message", "UPDATE outbox SET body = replace(body, 'tripline/', 'other/') WHERE kind = 'checkpoint'"),
            ("message", "UPDATE outbox SET kind = 'nothing' WHERE kind = 'order'"),
        ];
        for (n, (kind, sql)) in changed.into_iter().enumerate() {
            let state = dir.path().join(n.to_string());
            std::fs::create_dir(&state).unwrap();
            let path = state.join(FILE);
            from.execute("VACUUM INTO ?", [path.to_str().unwrap()]).unwrap();
            let c = Connection::open(&path).unwrap();
            c.pragma_update(None, "journal_mode", "wal").unwrap();
            let before = c.total_changes();
            c.execute_batch(sql).unwrap();
            assert!(c.total_changes() > before, "{sql} changes nothing");
            let found = faults(&state, &keys);
            let named = |fault: &Fault| match fault {
                Fault::Shown { kind: of, .. } | Fault::Added { kind: of, .. } => of == kind,
                _ => false,
            };
            assert!(found.iter().any(named), "{sql}: {found:?}");
        }
    }

    #[test]
    fn an_index_that_leaves_rows_out_is_noticed() {
        let (dir, keys) = (tempfile::tempdir().unwrap(), Arc::new(Keys::new(&[7; 32])));
        let whole = dir.path().join("whole");
        made(&whole, &keys);
        let maimed = [
            "DROP INDEX findings_by_time; CREATE INDEX findings_by_time ON findings (time) WHERE severity > 3",
            // what the schema says is right again, and the index still holds only some rows
            "DROP INDEX findings_by_time; CREATE INDEX findings_by_time ON findings (time) WHERE severity > 3; \
             PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = 'CREATE INDEX findings_by_time ON findings (time)' \
             WHERE name = 'findings_by_time'",
            "DROP INDEX findings_by_time",
            "CREATE TRIGGER t AFTER INSERT ON findings BEGIN DELETE FROM findings; END",
            "CREATE INDEX more ON orders (made) WHERE state = 'x'",
        ];
        for (n, sql) in maimed.into_iter().enumerate() {
            let state = dir.path().join(n.to_string());
            std::fs::create_dir(&state).unwrap();
            let from = Connection::open(whole.join(FILE)).unwrap();
            from.execute("VACUUM INTO ?", [state.join(FILE).to_str().unwrap()]).unwrap();
            let c = Connection::open(state.join(FILE)).unwrap();
            c.execute_batch(sql).unwrap();
            drop(c);
            let c = Connection::open(state.join(FILE)).unwrap();
            c.pragma_update(None, "journal_mode", "wal").unwrap();
            drop(c);
            let found = faults(&state, &keys);
            assert!(found.iter().any(|fault| matches!(fault, Fault::Damaged { .. })), "{sql}: {found:?}");
        }
    }

    #[test]
    fn what_goes_from_the_outbox_by_itself_is_no_fault_and_what_others_took_stays_one() {
        let (dir, keys) = (tempfile::tempdir().unwrap(), Arc::new(Keys::new(&[7; 32])));
        made(dir.path(), &keys);
        let open = || Ledger::open(dir.path(), Durability::None, keys.clone()).unwrap();
        let mut ledger = open();
        ledger.set_outlets(["siem".to_owned(), "page".to_owned()].iter()).unwrap();
        for n in 0..40 {
            ledger.checkpoint(WallTime(AT.0 + n)).unwrap();
        }
        ledger.prune_outbox(10).unwrap();
        assert_eq!(faults(dir.path(), &keys), [], "the oldest became one message");
        ledger.checkpoint(AT).unwrap();
        ledger
            .delivered(&[("siem".to_owned(), (Some(30), None)), ("page".to_owned(), (Some(47), None))].into())
            .unwrap();
        ledger.prune_outbox(10).unwrap();
        ledger.set_outlets([].iter()).unwrap();
        ledger.prune_outbox(10).unwrap();
        ledger.checkpoint(AT).unwrap();
        drop(ledger);
        assert_eq!(faults(dir.path(), &keys), [], "all were had by all that there are");
        let c = Connection::open(dir.path().join(FILE)).unwrap();
        c.execute_batch("DELETE FROM outbox").unwrap();
        let mut ledger = open();
        ledger.checkpoint(AT).unwrap();
        ledger.prune_outbox(10).unwrap();
        assert!(!faults(dir.path(), &keys).is_empty(), "one was taken away, whatever came after it");
    }
}
