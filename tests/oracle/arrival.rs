//! When acts count, and which of them findings are made of.
use super::reference::{Act, DAY, Name, Policy, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// How late an act may be and still count in the window that it belongs to (`model::limits`).
pub const LATENESS: i64 = 2 * DAY;
/// How far ahead of the reading clock a stamp may be.
pub const SKEW: i64 = 600_000;

/// How far ahead of the reading clock an act may count.
pub const SPREAD: i64 = DAY;
const MINUTE: i64 = 60_000;

/// What is known of a trail's clock.
#[derive(Default)]
struct Clock {
    /// What is taken off stamps from the future, since the last one that is none.
    lead: Option<i64>,
    /// When an act was read, and what it stated: looked at again after a minute.
    anchor: Option<(i64, i64)>,
    /// When a stamp was last believed, or the first was not.
    believed: Option<i64>,
    /// When anything was read.
    read: Option<i64>,
}

impl Clock {
    /// Whether what is read now was only just written, though it does not say so.
    fn is_live(&mut self, observed: i64, believed: Option<i64>) -> bool {
        let lately = self.read.is_some_and(|read| observed - read <= DAY);
        self.read = Some(observed);
        if let Some(stated) = believed {
            (self.lead, self.believed) = (None, Some(observed));
            self.goes_along(stated, observed);
        }
        let since = self.believed.unwrap_or(observed);
        self.believed = Some(since);
        lately && observed - since >= MINUTE
    }

    /// Whether the trail's time went on as ours did since it was looked at, which is once a minute.
    fn goes_along(&mut self, stated: i64, observed: i64) -> bool {
        let (then, stood) = self.anchor.unwrap_or((observed, stated));
        let (passed, went) = (observed - then, stated - stood);
        let a_minute = passed >= MINUTE;
        self.anchor = Some(if a_minute { (observed, stated) } else { (then, stood) });
        a_minute && went >= passed / 2 && went <= 2 * passed
    }

    fn ahead(&mut self, stated: i64, observed: i64) -> i64 {
        let lead = stated - observed;
        let in_step = self.goes_along(stated, observed);
        let taken_off = match self.lead {
            Some(known) if !in_step => known.min(lead),
            _ => lead,
        };
        self.lead = Some(taken_off);
        (stated - taken_off).min(observed + SPREAD)
    }
}

/// What windows count acts at: repetitions are left out, of stamps from the future is taken off what their trail's clock is ahead, and
/// what comes later than the lateness bound counts when it arrives. So does what states no time, unless its trail is read a day after
/// it is written: then nobody knows when it was.
pub fn counted(arrivals: &[Act]) -> Vec<Act> {
    let mut newest: BTreeMap<u8, i64> = BTreeMap::new();
    let mut behind: BTreeMap<u8, i64> = BTreeMap::new();
    let mut clocks: BTreeMap<u8, Clock> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut counted = Vec::new();
    for act in arrivals {
        // a repetition counts for nothing but how far its trail has come
        let first = seen.insert((act.trail, act.id));
        let is_believed = !act.undated && act.time <= act.observed + SKEW;
        let clock = clocks.entry(act.trail).or_default();
        if clock.is_live(act.observed, is_believed.then_some(act.time)) && !is_believed {
            behind.insert(act.trail, 0);
            let known = newest.entry(act.trail).or_insert(act.observed);
            *known = act.observed.max(*known);
        }
        let known = newest.get(&act.trail).copied();
        let mut unplaced = false;
        let time = if act.undated {
            unplaced = behind.get(&act.trail).is_some_and(|behind| *behind > DAY);
            act.observed
        } else if !is_believed {
            match known {
                Some(newest) if behind.get(&act.trail).is_some_and(|behind| *behind > DAY) => {
                    newest.min(act.observed) + SKEW
                }
                _ => clock.ahead(act.time, act.observed),
            }
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
    // an exception for somebody is not for whoever can only claim to be them
    let holds = |(name, _): &&(Name, String)| !(act.claimed && *name == Name::User);
    let Scope { only, except } = &policy.scope;
    (only.is_empty() || only.iter().any(is)) && !except.iter().filter(holds).any(is)
}
