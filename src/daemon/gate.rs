//! Backlogs of several trails are folded in by event time, as a replay does it.
//!
//! What is fresh never waits: it is detected at once. Old lines gain nothing by haste, but lose by disorder: what one trail
//! says of a day should not be judged before what the other says of the day before. So a trail whose next line is old waits
//! while another that is being read has not come as far, or may go on: its end was found less than [`QUIET`] ago, or it was
//! not looked at since this one has lines. A thread that gets no processor, or whose disk is slow, has not found its end: it
//! is waited for, though not for ever ([`STUCK`]).
use crate::model::{EventTime, Millis, SourceName, WallTime};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines older than this are a backlog. Shippers and clocks are a few minutes late at worst.
const OLD: Millis = Millis::MINUTE.times(10);
/// How long a trail at its end is waited for.
const QUIET: Duration = Duration::from_secs(5);
/// How long one is waited for that has lines, or may have some, and says nothing.
const STUCK: Duration = Duration::from_secs(60);

/// Where the trails have come to, shared by their threads.
#[derive(Debug, Default)]
pub struct Gate(Mutex<BTreeMap<SourceName, Reached>>);

#[derive(Debug)]
struct Reached {
    /// Nothing earlier is expected of it: the time of the line that waits, or of the last one handed over.
    time: EventTime,
    /// Whether all that it has was handed over.
    is_at_end: bool,
    /// Since when that is so, or is not so.
    since: Instant,
    /// When it was looked at last, or its next line still waited.
    seen: Instant,
}

impl Reached {
    fn unread() -> Reached {
        let now = Instant::now();
        Reached { time: EventTime(i64::MIN), is_at_end: false, since: now, seen: now }
    }

    /// It was looked at now.
    fn see(&mut self, is_at_end: bool) {
        self.seen = Instant::now();
        if self.is_at_end != is_at_end {
            (self.is_at_end, self.since) = (is_at_end, self.seen);
        }
    }

    /// Whether a trail waits for it that has had lines since `began`.
    fn is_awaited(&self, began: Instant) -> bool {
        let may_go_on = !self.is_at_end || self.since.elapsed() < QUIET || self.seen < began;
        may_go_on && self.seen.elapsed() < STUCK
    }
}

impl Gate {
    /// A gate for these trails, none of which has been read yet.
    pub fn new(trails: impl IntoIterator<Item = SourceName>) -> Gate {
        Gate(Mutex::new(trails.into_iter().map(|name| (name, Reached::unread())).collect()))
    }

    /// The trail's next line is of that time, or its last one was. Says up to which time its lines may be handed over now.
    pub fn pass(&self, trail: &SourceName, next: EventTime, now: WallTime) -> EventTime {
        let mut trails = self.trails();
        let everything = EventTime(i64::MAX);
        let Some(reached) = trails.get_mut(trail) else { return everything };
        reached.see(false);
        reached.time = reached.time.max(next);
        let began = reached.since;
        if next > EventTime(now.0).minus(OLD) {
            return everything;
        }
        let others = trails.iter().filter(|(name, o)| *name != trail && o.is_awaited(began)).map(|(_, o)| o.time);
        others.min().unwrap_or(everything)
    }

    /// The trail has not found its next line yet, and is at work: others wait for it as before.
    pub fn wait(&self, trail: &SourceName) {
        if let Some(reached) = self.trails().get_mut(trail) {
            reached.see(false);
        }
    }

    /// The trail was looked at, and all that it has was handed over.
    pub fn ended(&self, trail: &SourceName) {
        if let Some(reached) = self.trails().get_mut(trail) {
            reached.see(true);
        }
    }

    fn trails(&self) -> MutexGuard<'_, BTreeMap<SourceName, Reached>> {
        // each change is one call: a thread that died in it left the map whole
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_000_000_000_000);

    fn two() -> (Gate, SourceName, SourceName) {
        let (a, b) = (SourceName("a".into()), SourceName("b".into()));
        (Gate::new([a.clone(), b.clone()]), a, b)
    }

    #[test]
    fn what_is_fresh_does_not_wait() {
        let (gate, a, b) = two();
        let ago = |length| EventTime(NOW.0).minus(length);
        gate.pass(&b, ago(Millis::DAY), NOW);
        assert!(
            gate.pass(&a, ago(Millis::HOUR), NOW) < ago(Millis::HOUR),
            "an hour old, and the other trail is at yesterday"
        );
        assert!(gate.pass(&a, ago(Millis::MINUTE), NOW) >= ago(Millis::MINUTE), "a minute old");
    }

    #[test]
    fn silence_is_waited_out_only_at_the_end_of_a_trail() {
        let (gate, a, b) = two();
        let later = |length| {
            for reached in gate.trails().values_mut() {
                reached.since -= length;
                reached.seen -= length;
            }
        };
        let passes = || gate.pass(&a, EventTime(10), NOW) >= EventTime(10);
        gate.pass(&b, EventTime(5), NOW);
        later(QUIET * 2);
        assert!(!passes(), "the other one was not at its end, only slow");
        gate.ended(&b);
        assert!(!passes(), "it may go on at once");
        later(QUIET);
        assert!(passes(), "nothing came");
        gate.ended(&b);
        assert!(passes(), "nor since");
        // the first one was read to its end, and has a line again
        gate.ended(&a);
        later(QUIET);
        assert!(!passes(), "the other one may have one as well: nobody has looked");
        gate.ended(&b);
        assert!(passes(), "it has none");
        gate.pass(&b, EventTime(6), NOW);
        assert!(!passes(), "it has one");
        later(STUCK);
        assert!(passes(), "nobody is waited for without end");
    }

    #[test]
    fn the_trail_that_is_furthest_behind_always_passes() {
        let (gate, a, b) = two();
        let far = NOW;
        gate.pass(&a, EventTime(10), far);
        assert!(gate.pass(&b, EventTime(5), far) >= EventTime(5));
        assert!(gate.pass(&a, EventTime(10), far) < EventTime(10), "the other one is only at 5");
        assert_eq!(gate.pass(&b, EventTime(11), far), EventTime(10));
        assert_eq!(gate.pass(&a, EventTime(10), far), EventTime(11));
    }
}
