//! The canonical dump: what a ledger holds, without what depends on when and in how many pieces it came.
//!
//! Two ledgers made from the same lines under the same rules give the same text, however the lines were cut into batches,
//! however often the daemon was killed, and however the trails were interleaved. Left out are therefore wall-clock times,
//! sequence numbers, batch boundaries, file identities, salts and seals, the numbers "as first seen" of a finding, and
//! expired state that has not been pruned yet.
use super::evidence::{Frontier, Hash, root_of_texts};
use super::read::Reader;
use super::{Error, foreign, records, sizes};
use crate::model::{Digest, Finding, FindingVerdict, Millis, Order, limits};
use crate::pipeline::trail::TrailRow;
use crate::pipeline::{EventRow, FAILING, LIMIT, NOT_ENDED};

/// Two roots by which ledgers are compared without being printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// How many records the list of evidence has, and the root of its tree. Ledgers that were made from the same recorded inputs under
    /// the same key have the same, whatever was committed together and however often the daemon was started.
    pub recorded: (u64, Hash),
    /// How many events, findings and orders the dump has, and the root over their lines. Ledgers that were made from the same lines
    /// under the same rules have the same, whatever the inputs that the lines came in, the times of reading, and the key.
    pub facts: (u64, Hash),
}

impl Reader {
    /// The canonical dump: a line for each record, sorted within each kind.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn dump(&self) -> Result<Vec<String>, Error> {
        let mut lines = self.facts()?;
        self.dump_trails(&mut lines)?;
        self.dump_state(&mut lines)?;
        lines.sort();
        Ok(lines)
    }

    /// Both roots.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn roots(&self) -> Result<Roots, Error> {
        let mut tree = Frontier::default();
        self.read("reading leaves", |c| {
            let mut leaves = c.prepare("SELECT hash FROM leaves ORDER BY sequence")?;
            let mut leaves = leaves.query_map([], |r| r.get(0))?;
            leaves.try_for_each(|hash| hash.map(|hash| tree.push(hash)))
        })?;
        let mut facts = self.facts()?;
        facts.sort();
        let root = root_of_texts(facts.iter().map(String::as_str));
        Ok(Roots { recorded: (tree.size(), tree.root()), facts: (facts.len() as u64, root) })
    }

    /// The lines of events, findings and orders, in no order.
    fn facts(&self) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        self.each_event(|event| lines.push(format!("event {} {}", event.id, canonical(&event))))?;
        for (f, verdict) in self.all_findings()? {
            // what people say comes with no line, and is said again where it was said
            let verdict =
                if verdict == FindingVerdict::Open.name() { String::new() } else { format!(" verdict={verdict}") };
            // how many orders an hour of the wall clock had, how they ended and what failed depends on when the lines were read
            if [FAILING, LIMIT, NOT_ENDED].contains(&&*f.policy) {
                continue;
            }
            let asks: Vec<&str> = f.asks.iter().map(|a| &*a.action).collect();
            lines.push(format!(
                "finding {} policy={} severity={} entity={:?} asks={}{verdict}",
                f.id,
                f.policy,
                f.severity.name(),
                f.entity,
                asks.join(",")
            ));
        }
        for order in self.all_orders()? {
            let target = order.actor.as_deref().unwrap_or("-");
            lines.push(format!(
                "order action={} target={} actor={target:?} episode={}",
                order.action,
                order.target.name(),
                order.time.episode(Millis::DAY)
            ));
        }
        Ok(lines)
    }

    /// All findings, however many, each with its verdict.
    fn all_findings(&self) -> Result<Vec<(Finding, String)>, Error> {
        let rows: Vec<(String, String)> = self.read("reading findings", |c| {
            c.prepare("SELECT body, verdict FROM findings")?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
        })?;
        let read = |(body, verdict): (String, String)| {
            let finding = serde_json::from_str(&body);
            finding.map(|f| (f, verdict)).map_err(|e| foreign(&self.path, format!("holds an unreadable finding: {e}")))
        };
        rows.into_iter().map(read).collect()
    }

    fn all_orders(&self) -> Result<Vec<Order>, Error> {
        let rows: Vec<String> = self
            .read("reading orders", |c| c.prepare("SELECT body FROM orders")?.query_map([], |r| r.get(0))?.collect())?;
        let read = |body: &String| serde_json::from_str(body);
        let foreign = |e| foreign(&self.path, format!("holds an unreadable order: {e}"));
        rows.iter().map(|body| read(body).map_err(foreign)).collect()
    }

    fn dump_trails(&self, lines: &mut Vec<String>) -> Result<(), Error> {
        let trails: Vec<(String, String)> = self.read("reading trails", |c| {
            c.prepare("SELECT source, body FROM trails")?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
        })?;
        let wrong = |e: serde_json::Error| foreign(&self.path, format!("a trail's row is unreadable: {e}"));
        for (source, body) in trails {
            // its clock is held against ours, by when its lines were read
            let row: TrailRow = serde_json::from_str(&body).map_err(wrong)?;
            let row = TrailRow { clock: Default::default(), ..row };
            lines.push(format!("trail {source} {}", serde_json::to_string(&row).map_err(wrong)?));
        }
        let cursors: Vec<(String, i64)> = self.read("reading cursors", |c| {
            c.prepare("SELECT source, sum(\"offset\") FROM cursors GROUP BY source")?
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect()
        })?;
        lines.extend(cursors.into_iter().map(|(source, offset)| format!("cursor {source} bytes={offset}")));
        Ok(())
    }

    fn dump_state(&self, lines: &mut Vec<String>) -> Result<(), Error> {
        let since = self.newest()?.minus(limits::LATENESS);
        self.read("reading state", |c| {
            let quotas = sizes::quotas(c)?;
            let mut scan = records::Scan::begin(c)?;
            while scan.next(c, 4096, |entity, cell| {
                let evicted = quotas.get(&cell.prefix).is_some_and(|(_, quota)| quota.has_gone(&cell.residency));
                if !evicted && cell.residency.expires >= since {
                    let (policy, entity) = (crate::model::id::hex(&cell.prefix), crate::model::id::hex(&entity.0));
                    lines.push(format!("state {policy}{entity} {}", Digest::of(cell.cell)));
                }
            })? {}
            Ok(())
        })
    }
}

fn canonical(event: &EventRow) -> String {
    let mut event = event.clone();
    event.observed = Default::default();
    event.file = crate::model::FileId::default();
    // what stands for the session depends on the installation's key
    event.session = event.session.map(|_| "-".into());
    serde_json::to_string(&event).unwrap_or_default()
}
