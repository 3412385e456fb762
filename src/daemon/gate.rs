//! Backlogs of several trails are folded in by event time, as a replay does it.
//!
//! What is fresh never waits: it is detected at once. Old lines gain nothing by haste, but lose by disorder: what one trail
//! says of a day should not be judged before what the other says of the day before. So a trail whose next line is old waits
//! while another that is being read has not come as far, or has just been read to its end and may go on; a trail that has
//! been quiet for [`QUIET`] is waited for no longer.
use crate::model::{EventTime, Millis, SourceName, WallTime};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines older than this are a backlog. Shippers and clocks are a few minutes late at worst.
const OLD: Millis = Millis::MINUTE.times(10);
/// How long a trail without new lines is waited for.
const QUIET: Duration = Duration::from_secs(5);

/// Where the trails have come to, shared by their threads.
#[derive(Debug, Default)]
pub struct Gate(Mutex<BTreeMap<SourceName, Reached>>);

#[derive(Debug)]
struct Reached {
    /// Nothing earlier is expected of it: the time of the line that waits, or of the last one handed over.
    time: EventTime,
    /// When it was last read, or still waited.
    alive: Instant,
}

impl Gate {
    /// A gate for these trails, none of which has been read yet.
    pub fn new(trails: impl IntoIterator<Item = SourceName>) -> Gate {
        let unread = || Reached { time: EventTime(i64::MIN), alive: Instant::now() };
        Gate(Mutex::new(trails.into_iter().map(|name| (name, unread())).collect()))
    }

    /// The trail's next line is of that time, or its last one was. Says up to which time its lines may be handed over now.
    pub fn pass(&self, trail: &SourceName, next: EventTime, now: WallTime) -> EventTime {
        let mut trails = self.trails();
        if let Some(reached) = trails.get_mut(trail) {
            *reached = Reached { time: reached.time.max(next), alive: Instant::now() };
        }
        let everything = EventTime(i64::MAX);
        if next > EventTime(now.0).minus(OLD) {
            return everything;
        }
        let others = trails.iter().filter(|(name, o)| *name != trail && o.alive.elapsed() < QUIET).map(|(_, o)| o.time);
        others.min().unwrap_or(everything)
    }

    /// The trail has not found its next line yet, and is at work: others wait for it as before.
    pub fn wait(&self, trail: &SourceName) {
        if let Some(reached) = self.trails().get_mut(trail) {
            reached.alive = Instant::now();
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
