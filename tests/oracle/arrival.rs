//! When acts count, and which of them findings are made of.
use super::reference::{Act, DAY, Name, Policy, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// How late an act may be and still count in the window that it belongs to (`model::limits`).
pub const LATENESS: i64 = 2 * DAY;
/// How far ahead of the reading clock a stamp may be.
pub const SKEW: i64 = 600_000;

/// What windows count acts at: repetitions are left out, a stamp from the future is held back, and what comes later than
/// the lateness bound counts when it arrives. So does what states no time, unless its trail is read a day after it is written: then
/// nobody knows when it was.
pub fn counted(arrivals: &[Act]) -> Vec<Act> {
    let mut newest: BTreeMap<u8, i64> = BTreeMap::new();
    let mut behind: BTreeMap<u8, i64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut counted = Vec::new();
    for act in arrivals {
        // a repetition counts for nothing but how far its trail has come
        let first = seen.insert((act.trail, act.id));
        let known = newest.get(&act.trail).copied();
        let mut unplaced = false;
        let time = if act.undated {
            unplaced = behind.get(&act.trail).is_some_and(|behind| *behind > DAY);
            act.observed
        } else if act.time > act.observed + SKEW {
            known.map_or(act.observed, |newest| newest.min(act.observed)) + SKEW
        } else {
            if known.is_none_or(|newest| act.time > newest) {
                newest.insert(act.trail, act.time);
                behind.insert(act.trail, act.observed - act.time);
            }
            let newest = &newest[&act.trail];
            if act.time < *newest - LATENESS { *newest } else { act.time }
        };
        counted.extend(first.then(|| Act { time, unplaced, ..act.clone() }));
    }
    counted
}

/// Whether the policy may make a finding that the act completes. What it counts, and what others take up of it, is the same.
pub fn told(policy: &Policy, act: &Act) -> bool {
    let is = |(name, value): &(Name, String)| name.of(act).as_ref() == Some(value);
    let Scope { only, except } = &policy.scope;
    (only.is_empty() || only.iter().any(is)) && !except.iter().any(is)
}
