//! What is expected does not come: the state behind `absence`.
//!
//! Not monotone: what was expected may only be late. Its timespan should be longer than the trails lie apart.
use super::window::Fired;
use crate::model::{Digest, EventId, EventTime, Millis, limits};
use serde::{Deserialize, Serialize};

/// When the expected was seen last, and what went on since.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    last: Option<EventTime>,
    /// How many events of the others there were since.
    others: u64,
    /// The last of them, at most [`limits::EVIDENCE_PER_FINDING`].
    witnesses: Vec<(EventId, EventTime, u16)>,
    fired: Fired,
}

impl Silence {
    /// The expected came. Says whether that must be written; what comes within a 32nd of the timespan is as good as now.
    pub fn came(&mut self, at: EventTime, timespan: Millis) -> bool {
        if self.last.is_some_and(|last| at <= last.plus(Millis(timespan.0 / 32))) {
            return false;
        }
        self.last = Some(at);
        self.others = 0;
        self.witnesses.clear();
        true
    }

    /// Until when a further one changes nothing.
    pub fn same_until(&self, timespan: Millis) -> EventTime {
        self.last.map_or(EventTime(i64::MIN), |last| last.plus(Millis(timespan.0 / 32 + 1)))
    }

    /// Something else happened. Gives how long the expected has not come and how many others there were, once it has been
    /// seen at all and has not been for the timespan.
    pub fn went_on(&mut self, event: EventId, at: EventTime, rule: u16, timespan: Millis) -> Option<(Millis, u64)> {
        let last = self.last.filter(|last| at > *last)?;
        let this = (event, at, rule);
        // several policies may share this slice, and each shows it the event: it is one of as many as there were then
        let since = match self.witnesses.iter().rev().position(|witness| *witness == this) {
            Some(since) => since as u64,
            None => {
                self.others += 1;
                if self.witnesses.len() >= limits::EVIDENCE_PER_FINDING {
                    self.witnesses.remove(0);
                }
                self.witnesses.push(this);
                0
            }
        };
        let silent = Millis(at.0 - last.0);
        (silent >= timespan).then_some((silent, self.others - since))
    }

    /// When the expected was seen last.
    pub fn last(&self) -> EventTime {
        self.last.unwrap_or_default()
    }

    /// What went on, the newest first: event, time, and which rule selected it.
    pub fn witnesses(&self) -> impl Iterator<Item = (EventId, EventTime, u16)> + '_ {
        self.witnesses.iter().rev().copied()
    }

    /// Marks the episode; `false` where it had been.
    pub fn fire(&mut self, decision: &Digest, episode: i64) -> bool {
        self.fired.fire(decision, episode)
    }

    /// When nothing of it can matter any more: a logger that was taken down for good is forgotten after a quarter.
    pub fn expires(&self) -> EventTime {
        self.last().plus(Millis::DAY.times(90))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_only_where_there_was_sound_and_the_rest_goes_on() {
        let (span, id) = (Millis::MINUTE, EventId([1; 16]));
        let mut silence = Silence::default();
        assert_eq!(silence.went_on(id, EventTime(9_000_000), 1, span), None, "never seen: nothing is expected");
        assert!(silence.came(EventTime(0), span));
        assert!(!silence.came(EventTime(1), span));
        assert_eq!(silence.went_on(id, EventTime(59_999), 1, span), None);
        assert_eq!(silence.went_on(id, EventTime(60_000), 1, span), Some((span, 2)));
        assert_eq!(silence.went_on(id, EventTime(60_000), 2, span), Some((span, 3)));
        for (rule, others) in [(1, 2), (2, 3)] {
            let shown = silence.went_on(id, EventTime(60_000), rule, span);
            assert_eq!(shown, Some((span, others)), "shown again by another policy");
        }
        assert!(silence.came(EventTime(61_000), span));
        assert_eq!(silence.went_on(id, EventTime(62_000), 1, span), None);
    }
}
