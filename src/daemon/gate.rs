//! Where the threads of the trails wait for one another: lines that are old are handed over by event time ([`align`]).
//!
//! [`align`]: crate::pipeline::align
use crate::model::{EventTime, SourceName};
use crate::pipeline::align::{Live, Turn};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where the trails have come to, shared by their threads.
#[derive(Debug)]
pub struct Gate {
    began: Instant,
    trails: Mutex<Trails>,
    /// A trail has gone on, or all are to end.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Trails {
    live: Live,
    ending: bool,
}

impl Gate {
    /// A gate for these trails, none of which has been read yet.
    pub fn new(trails: impl IntoIterator<Item = SourceName>) -> Gate {
        let began = Instant::now();
        let live = Live::new(trails, began.elapsed());
        Gate { began, trails: Mutex::new(Trails { live, ending: false }), changed: Condvar::new() }
    }

    /// Waits until the trail's next line, which is of that time, may be handed over: up to which time all may be; nothing where they
    /// are to end.
    pub fn turn(&self, trail: &SourceName, next: EventTime) -> Option<EventTime> {
        let mut trails = self.trails();
        // whoever waits for it is to know that it is here
        self.changed.notify_all();
        loop {
            if trails.ending {
                return None;
            }
            trails = match trails.live.turn(trail, next, super::wall_now(), self.began.elapsed()) {
                Turn::Until(time) => return Some(time),
                Turn::Wait(None) => self.changed.wait(trails).unwrap_or_else(PoisonError::into_inner),
                Turn::Wait(Some(most)) => {
                    self.changed.wait_timeout(trails, most).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The trail's lines are handed over up to this time.
    pub fn reaches(&self, trail: &SourceName, time: EventTime) {
        self.change(|live| live.reaches(trail, time, self.began.elapsed()));
    }

    /// The trail has not found its next line yet, and is at work: others wait for it as before.
    pub fn looks(&self, trail: &SourceName) {
        self.change(|live| live.looks(trail, self.began.elapsed()));
    }

    /// The trail was looked at, and all that it has was handed over.
    pub fn ended(&self, trail: &SourceName) {
        self.change(|live| live.ended(trail, self.began.elapsed()));
    }

    /// Nobody waits any more.
    pub fn end(&self) {
        self.trails().ending = true;
        self.changed.notify_all();
    }

    fn change(&self, how: impl FnOnce(&mut Live)) {
        how(&mut self.trails().live);
        self.changed.notify_all();
    }

    fn trails(&self) -> MutexGuard<'_, Trails> {
        // each change is one call: a thread that died in it left the map whole
        self.trails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::time::Duration;

    /// A thread that waits at the gate with an old line of that time.
    fn waiting(gate: &std::sync::Arc<Gate>, trail: &SourceName, time: i64) -> Receiver<Option<EventTime>> {
        let (gate, trail, (says, said)) = (gate.clone(), trail.clone(), channel());
        std::thread::spawn(move || says.send(gate.turn(&trail, EventTime(time))));
        said
    }

    #[test]
    fn who_waits_is_woken_by_the_other_trail_and_by_the_end() {
        let (a, b) = (SourceName("a".into()), SourceName("b".into()));
        let gate = std::sync::Arc::new(Gate::new([a.clone(), b.clone()]));
        let said = waiting(&gate, &a, 10);
        assert_eq!(
            said.recv_timeout(Duration::from_millis(50)),
            Err(RecvTimeoutError::Timeout),
            "nobody has read the other"
        );
        // long before silence would be waited out
        let long = Duration::from_secs(2);
        assert_eq!(waiting(&gate, &b, 5).recv_timeout(long), Ok(Some(EventTime(10))), "the earliest goes");
        assert_eq!(said.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout), "the other is at 5");
        gate.reaches(&b, EventTime(12));
        assert_eq!(said.recv_timeout(long), Ok(Some(EventTime(12))));
        let said = waiting(&gate, &a, 20);
        gate.end();
        assert_eq!(said.recv_timeout(long), Ok(None), "it is told to end");
    }
}
