//! The canonical dump: what a ledger holds, without what depends on when and in how many pieces it came.
//!
//! Two ledgers made from the same lines under the same rules give the same text, however the lines were cut into batches,
//! however often the daemon was killed, and however the trails were interleaved. Left out are therefore wall-clock times,
//! sequence numbers, batch boundaries, file identities, salts and seals, the numbers "as first seen" of a finding, and
//! expired state that has not been pruned yet.
use super::read::Reader;
use super::{Error, records, sizes};
use crate::model::{Digest, FindingVerdict, Millis, limits};
use crate::pipeline::{EventRow, FAILING, LIMIT, NOT_ENDED};

impl Reader {
    /// The canonical dump: a line for each record, sorted within each kind.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn dump(&self) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        self.dump_trails(&mut lines)?;
        self.dump_state(&mut lines)?;
        self.each_event(|event| lines.push(format!("event {} {}", event.id, canonical(&event))))?;
        for row in self.findings(&Default::default())? {
            // what people say comes with no line, and is said again where it was said
            let verdict = match row.verdict {
                FindingVerdict::Open => String::new(),
                judged => format!(" verdict={}", judged.name()),
            };
            let f = row.finding;
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
        for order in self.orders(limits::MOST_ROWS, None)? {
            let target = order.actor.as_deref().unwrap_or("-");
            lines.push(format!(
                "order action={} target={} actor={target:?} episode={}",
                order.action,
                order.target.name(),
                order.time.episode(Millis::DAY)
            ));
        }
        lines.sort();
        Ok(lines)
    }

    fn dump_trails(&self, lines: &mut Vec<String>) -> Result<(), Error> {
        let trails: Vec<(String, String)> = self.read("reading trails", |c| {
            c.prepare("SELECT source, body FROM trails")?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
        })?;
        lines.extend(trails.into_iter().map(|(source, body)| format!("trail {source} {body}")));
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
    event.file = crate::model::FileId { device: 0, inode: 0, born_ns: 0 };
    // what stands for the session depends on the installation's key
    event.session = event.session.map(|_| "-".into());
    serde_json::to_string(&event).unwrap_or_default()
}
