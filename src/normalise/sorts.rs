//! Trails that hold several sorts of records: which profile reads which.
use super::compiled::Profile;
use super::getter::{Getter, Taken};
use crate::decode::{Cells, Record, Reject};
use std::collections::BTreeMap;

impl Profile {
    /// How many conditions of one of its `[[recognise]]` a record meets at most; none where it meets none of them.
    pub(super) fn knows(&self, record: &Record<'_>) -> Option<usize> {
        let held = self.recognise.iter().filter(|conditions| conditions.hold(record, &mut Taken::default()));
        held.map(|conditions| conditions.len()).max()
    }

    /// Whether a record has any of the keys by which the product's are recognised. What else it holds is another's, whose words mean
    /// nothing here, and neither does what it lacks.
    pub(super) fn may_have_written(&self, record: &Record<'_>) -> bool {
        let is_there = |getter: &Getter| getter.is_present(record);
        let mut asked = self.recognise.iter().map(|conditions| (conditions.len(), conditions));
        record.partial
            || self.recognise.is_empty()
            || asked.any(|(count, conditions)| {
                count == 0 || conditions.each().any(|(getters, _)| getters.iter().any(is_there))
            })
    }
}

/// Reads `text` with the profiles `sorts` and hands each record on, once, with the profile that knows it best: the first one where
/// several do, or none does.
///
/// # Errors
/// As [`crate::decode::Plan::decode`], with the plan of the first profile.
pub(super) fn read(
    sorts: &[&Profile],
    text: &str,
    clipped: bool,
    cells: &mut Cells,
    each: &mut dyn FnMut(&Profile, &Record<'_>),
) -> Result<(), Reject> {
    // by the number of the record: how well it is known, and by which profile
    let mut best = BTreeMap::<u32, (usize, usize)>::new();
    for (n, sort) in sorts.iter().enumerate() {
        // what can't be read is said below
        let _ = sort.plan.decode(text, clipped, cells, &mut |record| {
            if let Some(rank) = sort.knows(record)
                && best.get(&record.index).is_none_or(|(most, _)| rank > *most)
            {
                best.insert(record.index, (rank, n));
            }
        });
    }
    let mut result = Ok(());
    for (n, sort) in sorts.iter().enumerate() {
        let is_asked = n == 0 || best.values().any(|(_, by)| *by == n);
        if !is_asked {
            continue;
        }
        let read = sort.plan.decode(text, clipped, cells, &mut |record| {
            if best.get(&record.index).map_or(n == 0, |(_, by)| *by == n) {
                each(sort, record);
            }
        });
        if n == 0 {
            result = read;
        }
    }
    result
}
