//! How large detection state is, for whoever has to give it room.
use super::Error;
use super::read::Reader;
use crate::detect::share::{Share, Standing};
use rusqlite::{Connection, params};
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
    /// Bytes of all their keys and slices.
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

/// Rows looked at in one go, so that no look keeps the writer's log from being cut short.
const ROWS: u32 = 20_000;

impl Reader {
    /// The size of each policy's state, the largest first, as far as it can be counted in `patience`.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn state_sizes(&self, patience: Duration) -> Result<Vec<StateSize>, Error> {
        let begun = Instant::now();
        let mut sizes = self.read("reading shares", shares)?;
        let mut after = Vec::new();
        // ends with the last row, of which there are no more than the policies have room for
        while begun.elapsed() < patience {
            let rows = self.read("counting state", |c| count(c, &mut after, &mut sizes))?;
            if rows < ROWS {
                sizes.values_mut().for_each(|size| size.complete = true);
                break;
            }
            // keys are in order: what lies before the last one has been counted
            sizes.iter_mut().for_each(|(prefix, size)| size.complete = prefix[..] < after[..prefix.len()]);
        }
        let mut sizes: Vec<StateSize> = sizes.into_values().collect();
        sizes.iter_mut().for_each(|size| size.mean_bytes = size.bytes / size.entities.max(1));
        sizes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.policies.cmp(&b.policies)));
        Ok(sizes)
    }
}

type Sizes = BTreeMap<[u8; 8], StateSize>;

fn shares(c: &Connection) -> rusqlite::Result<Sizes> {
    let mut sizes = Sizes::new();
    let mut statement = c.prepare_cached("SELECT prefix, policies, body FROM shares")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // one that can't be read keeps the daemon from starting; here it only leaves a number out
        let share: Share = postcard::from_bytes(row.get_ref(2)?.as_blob()?).unwrap_or_default();
        let size = StateSize {
            policies: row.get(1)?,
            strangers_let_go: share.let_go(Standing::Stranger),
            known_let_go: share.let_go(Standing::Familiar) + share.let_go(Standing::Staff),
            ..StateSize::default()
        };
        sizes.insert(row.get(0)?, size);
    }
    Ok(sizes)
}

/// Counts the next rows, and moves `after` to the last of them; returns how many there were.
fn count(c: &Connection, after: &mut Vec<u8>, sizes: &mut Sizes) -> rusqlite::Result<u32> {
    let sql = "SELECT key, length(key) + length(slice), standing FROM state WHERE key > ? ORDER BY key LIMIT ?";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params![after.clone(), ROWS])?;
    let mut counted = 0;
    while let Some(row) = rows.next()? {
        counted += 1;
        let key = row.get_ref(0)?.as_blob()?;
        key.clone_into(after);
        let Some(size) = key.first_chunk().map(|prefix| sizes.entry(*prefix).or_default()) else { continue };
        let bytes: u64 = row.get(1)?;
        size.entities += 1;
        size.bytes += bytes;
        size.largest_bytes = size.largest_bytes.max(bytes);
        let standing: usize = row.get(2)?;
        match Standing::ALL.get(standing) {
            Some(Standing::Staff) => size.staff += 1,
            Some(Standing::Familiar) => size.familiar += 1,
            Some(Standing::Stranger) | None => size.strangers += 1,
        }
    }
    Ok(counted)
}
