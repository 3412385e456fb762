//! What is known of a trail's clock: by how much it is ahead of ours, and whether what it says can be relied upon.
//!
//! A stamp from the future is not believed: one of the two clocks is wrong. What can be believed is how far two such stamps are apart, so
//! that the same length is taken off both, the least by which a stamp was ahead. A line that is read as it is written is then placed when
//! it was read, and a burst that is read at once (a backlog, or our clock that was behind for a while) keeps its order and its
//! distances. Once a minute of reading it is asked whether the trail's time went on as ours did: then it is read as it is written, and
//! what is taken off begins anew with what it is ahead by now.
//!
//! A stamp that is older than its reading is believed: it may be a backlog, or be delivered late. Where the trail's time goes on as ours
//! does, and stays that far behind, that is remembered, for people: one of the two is so all the time.
//!
//! All of that depends on what lines state and on when they were read, which is recorded: from what is recorded the same is made again.
use crate::model::{EventTime, Millis, WallTime, limits};
use serde::{Deserialize, Serialize};

/// The clock of one trail on one machine, beside ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrailClock {
    /// By how much it is ahead of ours: it is taken off what it states.
    pub ahead: Millis,
    /// How long after the time that they state its lines are read, where they are read as they come.
    #[serde(default)]
    pub behind: Millis,
    /// Where it stood at a moment of ours, a minute ago at most or when it was read last.
    stood: Option<(WallTime, EventTime)>,
    /// When a stamp was believed last, or the first was read that is not.
    believed: Option<WallTime>,
    /// When an event was read last.
    read: Option<WallTime>,
    /// Of an hour of ours: its number, events, and those of them whose time was not believed.
    hour: (i64, u64, u64),
    /// It can't be relied upon: so many events of the last hour state no time that can be read, or one that is yet to come.
    pub is_off: bool,
}

impl TrailClock {
    /// An event is read. Says whether it was only just written, as far as the trail's silence shows it: nothing that is believed was read
    /// for a minute, so that the trail had been read to its end, and something was within a day, so that this is no backlog of long ago.
    pub(super) fn reads(&mut self, observed: WallTime, believed: Option<EventTime>) -> bool {
        self.count(observed, believed.is_some());
        let lately = self.read.replace(observed).is_some_and(|read| observed.since(read) <= limits::UNDATED_LAG);
        if let Some(stated) = believed {
            (self.believed, self.ahead) = (Some(observed), Millis(0));
            if self.goes_with_ours(stated, observed) {
                self.behind = EventTime(observed.0).since(stated).max(Millis(0));
            }
        }
        let believed = *self.believed.get_or_insert(observed);
        lately && observed.since(believed) >= Millis::MINUTE
    }

    /// When an event was that states a time yet to come.
    pub(super) fn set_right(&mut self, stated: EventTime, observed: WallTime) -> EventTime {
        let lead = stated.since(EventTime(observed.0));
        if self.goes_with_ours(stated, observed) || self.ahead == Millis(0) {
            (self.ahead, self.behind) = (lead, Millis(0));
        }
        self.ahead = self.ahead.min(lead);
        stated.minus(self.ahead).min(EventTime(observed.0).plus(limits::FUTURE_SPREAD))
    }

    /// Whether it has gone on as ours did since it was looked at, a minute ago or longer.
    fn goes_with_ours(&mut self, stated: EventTime, observed: WallTime) -> bool {
        let (when, then) = *self.stood.get_or_insert((observed, stated));
        let (passed, went) = (observed.since(when), stated.since(then));
        if (Millis(0)..Millis::MINUTE).contains(&passed) {
            return false;
        }
        self.stood = Some((observed, stated));
        (passed.0 / 2..=passed.0.saturating_mul(2)).contains(&went.0)
    }

    /// How many events of the hour there were, and of them those whose time was not believed, where it must be said.
    pub(super) fn is_told(&self) -> Option<(u64, u64)> {
        let (_, events, odd) = self.hour;
        is_off(events, odd).then_some((events, odd))
    }

    /// What was learned from old files says nothing of how the trail is read from now on.
    pub(super) fn begins(&mut self) {
        *self = TrailClock::default();
    }

    fn count(&mut self, observed: WallTime, is_believed: bool) {
        let hour = EventTime(observed.0).episode(Millis::HOUR);
        if self.hour.0 != hour {
            // what the hour before said holds until this one has said something
            self.is_off = self.is_told().is_some();
            self.hour = (hour, 0, 0);
        }
        self.hour.1 += 1;
        self.hour.2 += u64::from(!is_believed);
        self.is_off |= self.is_told().is_some();
    }
}

/// Fewer events in an hour whose time is not believed are counted and not reported: a line that was written wrong is no clock.
const OFF_AT_LEAST: u64 = 5;
/// One event in so many must be so for it to be reported.
const OFF_SHARE: u64 = 20;

fn is_off(events: u64, odd: u64) -> bool {
    odd >= OFF_AT_LEAST && odd * OFF_SHARE >= events
}
