//! How large detection state is, for whoever has to give it room.
use super::Error;
use super::read::Reader;
use super::records::Scan;
use crate::detect::store::quota::{Quota, TrustTier};
use crate::detect::store::record::StoredCell;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How large the state of one policy is. Policies that accumulate the same share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSize {
    /// The policies, as they were called when the state was written last.
    pub policies: String,
    /// Entities that something is kept of.
    pub entities: u64,
    /// Bytes of all their cells.
    pub bytes: u64,
    /// Bytes of one, on average.
    pub mean_bytes: u64,
    /// Bytes of the largest.
    pub largest_bytes: u64,
    /// Those who stand in the staff directory.
    pub staff: u64,
    /// Others who have been here for longer than a week.
    pub familiar: u64,
    /// All others.
    pub strangers: u64,
    /// How many strangers were let go for want of room, ever.
    pub strangers_let_go: u64,
    /// How many others.
    pub known_let_go: u64,
    /// Whether all of it was counted in the time there was.
    pub complete: bool,
}

/// Buckets looked at in one go, so that no look keeps the writer's log from being cut short.
const ROWS: u32 = 5_000;

impl Reader {
    /// The size of each policy's state, the largest first, as far as it can be counted in `patience`.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn state_sizes(&self, patience: Duration) -> Result<Vec<StateSize>, Error> {
        let begun = Instant::now();
        let (quotas, mut scan) = self.read("reading quotas", |c| Ok((quotas(c)?, Scan::begin(c)?)))?;
        let begin = |(prefix, (policies, quota)): (&[u8; 8], &(String, Quota))| {
            let size = StateSize {
                policies: policies.clone(),
                strangers_let_go: quota.evicted(TrustTier::Stranger),
                known_let_go: quota.evicted(TrustTier::Familiar) + quota.evicted(TrustTier::Staff),
                ..StateSize::default()
            };
            (*prefix, size)
        };
        let mut sizes: BTreeMap<[u8; 8], StateSize> = quotas.iter().map(begin).collect();
        let mut more = true;
        // ends with the last row, of which there are no more than the policies have quotas for
        while more && begun.elapsed() < patience {
            more = self.read("counting state", |c| scan.next(c, ROWS, |_, cell| count(&cell, &quotas, &mut sizes)))?;
        }
        let mut sizes: Vec<StateSize> = sizes.into_values().collect();
        for size in &mut sizes {
            size.complete = !more;
            size.mean_bytes = size.bytes / size.entities.max(1);
        }
        sizes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.policies.cmp(&b.policies)));
        Ok(sizes)
    }
}

/// How the policies' quotas are used, and which policies these are.
pub(super) fn quotas(c: &Connection) -> rusqlite::Result<Quotas> {
    let mut statement = c.prepare_cached("SELECT prefix, policies, body FROM quotas")?;
    let rows = statement.query_map([], |row| {
        // one that can't be read keeps the daemon from starting; here it only leaves a number out
        let quota: Quota = postcard::from_bytes(row.get_ref(2)?.as_blob()?).unwrap_or_default();
        Ok((row.get(0)?, (row.get(1)?, quota)))
    })?;
    rows.collect()
}

type Quotas = BTreeMap<[u8; 8], (String, Quota)>;

/// Counts a cell, unless it was evicted.
fn count(cell: &StoredCell<'_>, quotas: &Quotas, sizes: &mut BTreeMap<[u8; 8], StateSize>) {
    if quotas.get(&cell.prefix).is_some_and(|(_, quota)| quota.has_gone(&cell.residency)) {
        return;
    }
    let size = sizes.entry(cell.prefix).or_default();
    // with what stands before it in its record
    let bytes = (cell.prefix.len() + cell.cell.len()) as u64;
    size.entities += 1;
    size.bytes += bytes;
    size.largest_bytes = size.largest_bytes.max(bytes);
    match cell.residency.tier {
        TrustTier::Staff => size.staff += 1,
        TrustTier::Familiar => size.familiar += 1,
        TrustTier::Stranger => size.strangers += 1,
    }
}
