//! What an entity is known to use: the state behind `new_value`.
//!
//! A value is new while the entity has not used it within the history (`timespan`), once the entity has been watched for
//! a number of days and of observations. Dormancy never restarts the learning. Trails arrive apart: a sight that comes in
//! after a later one becomes the first sight, and is as new as it would have been in time. What was new before that cannot
//! be taken back, so exactness comes from the recorded order.
use super::window::Fired;
use crate::model::{Digest, EventId, EventTime, Millis, Text, limits};
use serde::{Deserialize, Serialize};

/// How long after something suspicious what is new is held, and how far back: a working shift.
const SHIFT: Millis = Millis::HOUR.times(12);

/// What it takes for a value to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A value unseen for so long is forgotten.
    pub history: Millis,
    /// Nothing is new before the entity has been watched for so long …
    pub learn_for: Millis,
    /// … and in so many observations.
    pub learn_observations: u32,
    /// For how long after its first sight a value counts as new.
    pub new_for: Millis,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    value: Text,
    first: EventTime,
    last: EventTime,
    /// Seen first when the learning was over: only such a value is ever new.
    after_learning: bool,
    /// Seen first where something was suspicious: new until that is excused.
    held: bool,
}

/// The values of one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    since: Option<EventTime>,
    observations: u32,
    last: EventTime,
    /// Sorted by value.
    known: Vec<Known>,
    fired: Fired,
    /// The event that was counted last: several policies may learn from this slice, and each shows it the event.
    #[serde(skip)]
    counted: Option<EventId>,
    /// Until then what is new is held.
    suspect_until: Option<EventTime>,
    /// How many values were let go at [`limits::VALUES_PER_ENTITY`].
    evicted: u64,
}

/// What an observation showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The value is new for this entity.
    pub new: bool,
    /// This is the event that first shows the new value.
    pub first: bool,
    /// The state changed in a way that must be written.
    pub changed: bool,
    /// Until then a further sight of the same changes nothing, where this one did not.
    pub same_until: EventTime,
}

impl Values {
    /// Takes up a sight of `value`.
    pub fn observe(&mut self, event: EventId, value: &str, at: EventTime, terms: &Terms) -> Sight {
        let again = self.counted.replace(event) == Some(event);
        // the stamps of last sights are kept coarsely: a page view must not cost a write
        let grain = Millis((terms.history.0 / 32).max(1));
        let coarse = EventTime(at.0 - at.0.rem_euclid(grain.0));
        let earliest = self.since.is_none_or(|since| at < since);
        let mut changed = earliest || self.observations < terms.learn_observations || coarse > self.last;
        let since = if earliest { at } else { self.since.unwrap_or(at) };
        self.since = Some(since);
        let seen = self.observations - u32::from(again && self.observations > 0);
        let learned = at.since(since) >= terms.learn_for && seen >= terms.learn_observations;
        // no further than anybody asks, so that what is known for long stays as it is
        self.observations += u32::from(self.observations < terms.learn_observations && !again);
        self.last = self.last.max(coarse);
        let place = self.known.binary_search_by(|k| k.value.as_str().cmp(value));
        let known = match place {
            Ok(i) => {
                let known = &mut self.known[i];
                if at < known.first {
                    // observations are counted as they arrive: what was not over later was not over before
                    (known.first, known.after_learning) = (at, known.after_learning && learned);
                    changed = true;
                } else if at.since(known.last) > terms.history {
                    (known.first, known.after_learning) = (at, learned);
                    changed = true;
                }
                if coarse > known.last {
                    known.last = coarse;
                    changed = true;
                }
                known
            }
            Err(i) => {
                changed = true;
                let held = learned && self.suspect_until.is_some_and(|until| at <= until);
                let known = Known { value: value.into(), first: at, last: coarse, after_learning: learned, held };
                self.known.insert(i, known);
                let i = self.make_room(i);
                &mut self.known[i]
            }
        };
        let new = known.after_learning && (known.held || at.since(known.first) <= terms.new_for);
        Sight { new, first: new && known.first == at, changed, same_until: coarse.plus(grain) }
    }

    /// Something suspicious happened at `at`: what is new then, and for a shift after, is not learned. Says whether that
    /// changes anything.
    pub fn suspect(&mut self, at: EventTime, terms: &Terms) -> bool {
        let lately = terms.new_for.max(SHIFT);
        for known in self.known.iter_mut() {
            known.held |= known.after_learning && known.first <= at && at.since(known.first) <= lately;
        }
        let until = Some(at.plus(SHIFT)).max(self.suspect_until);
        let changed = until != self.suspect_until;
        self.suspect_until = until;
        changed
    }

    /// What was held was honest. Says whether anything was.
    pub fn excuse(&mut self) -> bool {
        self.known.iter_mut().for_each(|known| known.held = false);
        self.suspect_until.take().is_some()
    }

    /// Since when the entity has been watched, and how many of the observations that it takes there were; nothing before the first.
    pub fn watched(&self) -> Option<(EventTime, u32)> {
        self.since.map(|since| (since, self.observations))
    }

    /// How many values are known, and the most lately used of them, at most `n`.
    pub fn usual(&self, n: usize, but: &str) -> (usize, Vec<&str>) {
        let mut known: Vec<&Known> = self.known.iter().filter(|k| k.value != but).collect();
        let count = known.len();
        known.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.value.cmp(&b.value)));
        (count, known.into_iter().take(n).map(|k| k.value.as_str()).collect())
    }

    /// Marks the episode as one in which the policy of that decision fired; `false` where it had been.
    pub fn fire(&mut self, decision: &Digest, episode: i64) -> bool {
        self.fired.fire(decision, episode)
    }

    /// How many values were let go.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// When nothing of it can matter any more. What an entity has learned outlives its dormancy by far.
    pub fn expires(&self, terms: &Terms) -> EventTime {
        self.last.plus(terms.history.times(2).max(Millis::DAY.times(400)))
    }

    /// Lets the value unseen for longest go where there are too many; returns where the one at `kept` stands now.
    fn make_room(&mut self, kept: usize) -> usize {
        if self.known.len() <= limits::VALUES_PER_ENTITY {
            return kept;
        }
        let oldest =
            (0..self.known.len()).filter(|i| *i != kept).min_by_key(|i| (self.known[*i].last, *i)).unwrap_or(0);
        self.known.remove(oldest);
        self.evicted += 1;
        if oldest < kept { kept - 1 } else { kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        history: Millis::DAY.times(30),
        learn_for: Millis::DAY.times(7),
        learn_observations: 3,
        new_for: Millis::HOUR,
    };

    /// Each sight is an event of its own.
    fn see(values: &mut Values, value: &str, at: EventTime, terms: &Terms) -> Sight {
        values.counted = None;
        let sight = values.observe(EventId([0; 16]), value, at, terms);
        values.counted = None;
        sight
    }

    #[test]
    fn an_event_that_several_policies_show_counts_once() {
        let mut v = Values::default();
        let terms = Terms { learn_for: Millis(0), learn_observations: 2, ..TERMS };
        for n in 0..3u8 {
            for _ in 0..4 {
                assert_eq!(v.observe(EventId([n; 16]), &n.to_string(), EventTime(n.into()), &terms).new, n == 2);
            }
        }
    }

    fn day(n: i64) -> EventTime {
        EventTime(0).plus(Millis::DAY.times(n))
    }

    fn learned() -> Values {
        let mut v = Values::default();
        for n in 0..8 {
            assert!(!see(&mut v, "a", day(n), &TERMS).new);
        }
        v
    }

    #[test]
    fn nothing_is_new_before_both_days_and_observations() {
        let mut v = Values::default();
        see(&mut v, "a", day(0), &TERMS);
        assert!(!see(&mut v, "b", day(9), &TERMS).new, "one observation is not enough");
        let mut v = Values::default();
        for i in 0..10 {
            see(&mut v, "a", EventTime(i), &TERMS);
        }
        assert!(!see(&mut v, "b", EventTime(11), &TERMS).new, "a moment is not enough");
    }

    #[test]
    fn a_value_stays_new_for_its_time_and_is_then_known() {
        let mut v = learned();
        assert!(see(&mut v, "b", day(8), &TERMS).new);
        assert!(see(&mut v, "b", day(8).plus(Millis::HOUR), &TERMS).new);
        assert!(!see(&mut v, "b", day(8).plus(Millis(Millis::HOUR.0 + 1)), &TERMS).new);
        assert!(!see(&mut v, "a", day(8), &TERMS).new);
    }

    #[test]
    fn a_value_is_forgotten_but_dormancy_does_not_restart_the_learning() {
        let mut v = learned();
        assert!(see(&mut v, "a", day(60), &TERMS).new, "forgotten, and the learning is not over again");
    }

    #[test]
    fn what_is_seen_while_learning_is_never_new() {
        let mut v = learned();
        see(&mut v, "a", day(8), &TERMS);
        let terms = Terms { new_for: Millis::DAY.times(30), ..TERMS };
        assert!(!see(&mut v, "a", day(9), &terms).new);
    }

    #[test]
    fn at_the_bound_the_value_unseen_for_longest_goes() {
        let mut v = Values::default();
        for i in 0..=limits::VALUES_PER_ENTITY as i64 {
            see(&mut v, &format!("{i:08}"), day(i), &TERMS);
        }
        assert_eq!(v.known.len(), limits::VALUES_PER_ENTITY);
        assert_eq!(v.evicted, 1);
        assert_eq!(v.known[0].value, "00000001");
    }

    #[test]
    fn two_sights_in_the_other_order_are_as_new() {
        let (early, late) = (day(8), day(8).plus(Millis::MINUTE));
        let (mut one, mut other) = (learned(), learned());
        assert!(see(&mut one, "b", early, &TERMS).new && see(&mut one, "b", late, &TERMS).new);
        assert!(see(&mut other, "b", late, &TERMS).new && see(&mut other, "b", early, &TERMS).new);
        assert_eq!(one, other);
        // an old habit that arrives late is no news, and makes what follows none
        assert!(!see(&mut other, "b", day(2), &TERMS).new);
        assert!(!see(&mut other, "b", late, &TERMS).new);
    }

    #[test]
    fn a_late_sight_is_no_newer_than_it_would_have_been_in_time() {
        let mut v = Values::default();
        see(&mut v, "a", day(0), &TERMS);
        for n in 0..8 {
            assert!(!see(&mut v, "b", day(8).plus(Millis::MINUTE.times(n)), &TERMS).new, "seen too seldom by then");
        }
        assert!(!see(&mut v, "b", day(8).plus(Millis(-1)), &TERMS).new);
    }

    #[test]
    fn what_was_suspicious_stays_new_until_it_is_excused() {
        let mut v = learned();
        assert!(see(&mut v, "b", day(8), &TERMS).new);
        assert!(v.suspect(day(8), &TERMS));
        assert!(see(&mut v, "b", day(20), &TERMS).new, "held");
        assert!(!see(&mut v, "a", day(20), &TERMS).new, "what was known before is not");
        assert!(see(&mut v, "c", day(8).plus(Millis::HOUR), &TERMS).new);
        assert!(see(&mut v, "c", day(9), &TERMS).new, "first seen in the suspicious shift");
        assert!(v.excuse());
        assert!(!see(&mut v, "b", day(21), &TERMS).new && !see(&mut v, "c", day(21), &TERMS).new);
    }

    #[test]
    fn a_repeated_sight_costs_no_write() {
        let mut v = learned();
        assert!(!see(&mut v, "a", day(7).plus(Millis::MINUTE), &TERMS).changed);
    }
}
