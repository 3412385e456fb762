//! What is remembered of a trail on one machine: how far its time has come, which events it has shown, and what could not be read.
use super::clock::TrailClock;
use super::numbers::Numbers;
use crate::model::{ContentDigest, Event, EventId, EventTime, HashParts, Millis, Text, TrailPart, WallTime, limits};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The counters and the clock of one trail on one machine; this is also the row that is stored and shown by `tripline status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrailRow {
    /// The newest event time that was believed.
    pub newest: Option<EventTime>,
    /// When its last line that states a time took place among the lines of the other trails: one that states none goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<EventTime>,
    /// That was read so long after it was written that what arrives says nothing of when it was.
    #[serde(default)]
    pub behind: bool,
    /// Frames read.
    pub lines: u64,
    /// Bytes covered.
    pub bytes: u64,
    /// Events made of them, repetitions left out.
    pub events: u64,
    /// Lines sent twice.
    pub repeated: u64,
    /// Lines that could not be read, by reason.
    pub rejects: BTreeMap<Text, u64>,
    /// Lines that are cut: by us where they were longer than the limit, or by a relay before they came to us.
    pub clipped: u64,
    /// Last lines of files whose writer died in the middle.
    pub unterminated: u64,
    /// Events without a readable time.
    pub undated: u64,
    /// Those of them that no window counts, for their trail was read long after it was written.
    #[serde(default)]
    pub unplaced: u64,
    /// Events from the future.
    pub clamped: u64,
    /// Its clock, beside ours.
    #[serde(default)]
    pub clock: TrailClock,
    /// Events later than the lateness bound.
    pub late: u64,
    /// Events in which a field of meaning occurred twice.
    pub ambiguous: u64,
    /// Events whose origin is what a client may have stated.
    #[serde(default)]
    pub origin_stated: u64,
    /// Events whose stated origin can't be read.
    #[serde(default)]
    pub origin_unread: u64,
    /// When it last had a session that only a client sent, and that a server had named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<EventTime>,
    /// Places where the trail was discontinuous.
    pub gaps: u64,
    /// The numbers of its records, where its product numbers them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// Rejects of the current hour of event time: its number, lines, rejects.
    pub hour: (i64, u64, u64),
    /// Cut lines of the current hour of event time: its number, lines.
    #[serde(default)]
    pub clipped_hour: (i64, u64),
    /// Undated events of the current hour of event time: its number, events.
    #[serde(default)]
    pub undated_hour: (i64, u64),
    /// Late events of the current hour of event time: its number, events.
    #[serde(default)]
    pub late_hour: (i64, u64),
}

impl TrailRow {
    /// What `other`, of the same trail on another machine, has counted is counted here too; the time is that of the one that has come further.
    #[must_use]
    pub fn with(mut self, other: &TrailRow) -> TrailRow {
        let counts = [
            (&mut self.lines, other.lines),
            (&mut self.bytes, other.bytes),
            (&mut self.events, other.events),
            (&mut self.repeated, other.repeated),
            (&mut self.clipped, other.clipped),
            (&mut self.unterminated, other.unterminated),
            (&mut self.undated, other.undated),
            (&mut self.unplaced, other.unplaced),
            (&mut self.clamped, other.clamped),
            (&mut self.late, other.late),
            (&mut self.ambiguous, other.ambiguous),
            (&mut self.origin_stated, other.origin_stated),
            (&mut self.origin_unread, other.origin_unread),
            (&mut self.gaps, other.gaps),
        ];
        counts.into_iter().for_each(|(count, more)| *count += more);
        other.rejects.iter().for_each(|(why, more)| *self.rejects.entry(why.clone()).or_default() += more);
        if other.newest > self.newest {
            (self.newest, self.behind) = (other.newest, other.behind);
        }
        self.confirmed = self.confirmed.max(other.confirmed);
        self.clock.is_off |= other.clock.is_off;
        self.clock.ahead = self.clock.ahead.max(other.clock.ahead);
        self.clock.behind = self.clock.behind.max(other.clock.behind);
        self
    }

    /// All rejects together.
    pub fn rejected(&self) -> u64 {
        self.rejects.values().sum()
    }
}

/// Event ids that were new in one input, as a row that is only ever appended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeenRow {
    /// The trail was read again from its start: ordinals among equal lines count from zero again.
    pub again: bool,
    /// First eight bytes of each id, in order.
    pub ids: Vec<u64>,
    /// For lines without an id of their own: first eight bytes of each content digest, in order.
    pub contents: Vec<u64>,
}

/// A trail on one machine, with the memory that recognises a line sent twice.
pub struct Trail {
    /// Which.
    pub part: TrailPart,
    /// Its row.
    pub row: TrailRow,
    ids: VecDeque<u64>,
    known: HashSet<u64, FixedState>,
    contents: VecDeque<u64>,
    counts: HashMap<u64, u32, FixedState>,
    fresh: SeenRow,
    changed: bool,
}

impl Trail {
    /// A trail as the ledger has it. `seed` keys its maps.
    pub fn new(part: TrailPart, row: TrailRow, seen: impl IntoIterator<Item = SeenRow>, seed: u64) -> Trail {
        let hasher = FixedState::with_seed(seed);
        let mut trail = Trail {
            part,
            row,
            ids: VecDeque::new(),
            known: HashSet::with_hasher(hasher.clone()),
            contents: VecDeque::new(),
            counts: HashMap::with_hasher(hasher),
            fresh: SeenRow::default(),
            changed: false,
        };
        for row in seen {
            if row.again {
                trail.read_again();
            }
            row.ids.into_iter().for_each(|id| trail.remember(id));
            row.contents.into_iter().for_each(|content| {
                trail.count(content);
            });
        }
        trail.fresh = SeenRow::default();
        trail
    }

    /// The file is read again from its start.
    pub fn read_again(&mut self) {
        self.counts.clear();
        self.contents.clear();
        self.fresh.again = true;
        self.fresh.contents.clear();
    }

    /// Gives the event its final id; `false` where the trail has shown it before.
    pub fn first_sight(&mut self, event: &mut Event) -> bool {
        if !event.evidence.own_id {
            let ordinal = self.count(first_eight(&event.evidence.digest_of_record()));
            if ordinal > 0 {
                event.id =
                    EventId(HashParts::new("ordinal").part(&event.id.0).number(i64::from(ordinal)).finish().short());
            }
        }
        let id = first_eight(&event.id.0);
        self.changed = true;
        if self.known.contains(&id) {
            self.row.repeated += 1;
            return false;
        }
        self.remember(id);
        true
    }

    /// Sets the event's time right where it can't be true, marks it, and says at which time windows count it.
    pub fn place(&mut self, event: &mut Event) -> EventTime {
        self.changed = true;
        let observed = EventTime(event.observed.0);
        let latest = observed.plus(limits::FUTURE_SKEW);
        let is_believed = !event.marks.time_missing && event.time <= latest;
        // arrival alone says nothing of how far the trail has come: others would be late by it
        let live = self.row.clock.reads(event.observed, is_believed.then_some(event.time));
        if live && !is_believed {
            self.row.behind = false;
            self.row.newest = self.row.newest.max(Some(observed));
        }
        if event.marks.time_missing {
            self.row.undated += 1;
            event.marks.unplaced = self.row.behind;
            self.row.unplaced += u64::from(event.marks.unplaced);
            return event.time;
        }
        if !is_believed {
            self.row.clamped += 1;
            event.marks.time_clamped = true;
            // of a backlog it must neither empty a window nor become the time by which others are late
            let at = match self.row.newest {
                Some(newest) if self.row.behind => newest.plus(limits::FUTURE_SKEW).min(latest),
                _ => self.row.clock.set_right(event.time, event.observed),
            };
            event.time = at.min(latest);
            return at;
        }
        let newest = self.row.newest.map_or(event.time, |newest| newest.max(event.time));
        if self.row.newest != Some(newest) {
            self.row.newest = Some(newest);
            self.row.behind = EventTime(event.observed.0).since(newest) > limits::UNDATED_LAG;
        }
        if event.time < newest.minus(limits::LATENESS) {
            self.row.late += 1;
            event.marks.late = true;
            let hour = newest.episode(Millis::HOUR);
            let before = if self.row.late_hour.0 == hour { self.row.late_hour.1 } else { 0 };
            self.row.late_hour = (hour, before + 1);
            return newest;
        }
        event.time
    }

    /// Counts a frame; the numbers of lines and rejects when so many of the hour's lines are unreadable that it must be said. The hour is
    /// of the trail's time, and of the time of reading while it has none.
    pub fn count_line(&mut self, reject: Option<&str>, observed: WallTime) -> Option<(u64, u64)> {
        self.changed = true;
        self.row.lines += 1;
        let hour = self.row.newest.unwrap_or(EventTime(observed.0)).episode(Millis::HOUR);
        if self.row.hour.0 != hour {
            self.row.hour = (hour, 0, 0);
        }
        self.row.hour.1 += 1;
        let reason = reject?;
        if self.row.rejects.len() < 32 || self.row.rejects.contains_key(reason) {
            *self.row.rejects.entry(reason.into()).or_default() += 1;
        } else {
            *self.row.rejects.entry("other".into()).or_default() += 1;
        }
        self.row.hour.2 += 1;
        let (_, lines, rejects) = self.row.hour;
        is_many(lines, rejects).then_some((lines, rejects))
    }

    /// Counts a cut line among those of the hour; the numbers of lines and cut ones when it must be said.
    pub fn count_clipped(&mut self) -> Option<(u64, u64)> {
        self.changed = true;
        self.row.clipped += 1;
        let (hour, lines, _) = self.row.hour;
        let clipped = one_more(&mut self.row.clipped_hour, hour);
        (clipped >= CLIPPED_AT_LEAST).then_some((lines, clipped))
    }

    /// Counts an undated event among those of the hour; the numbers of lines and undated events when it must be said: where windows count
    /// them, once they are many.
    pub fn undated(&mut self, event: &Event) -> Option<(u64, u64)> {
        let (hour, lines, _) = self.row.hour;
        let undated = one_more(&mut self.row.undated_hour, hour);
        let told = self.row.clock.is_told().is_some() || is_many(lines, undated);
        (event.marks.unplaced || told).then_some((lines, undated))
    }

    /// Whether the late event that was just placed is the one with which it must be said that the trail goes back in time.
    pub fn goes_back(&self) -> bool {
        self.row.late_hour.1 == BACKWARDS_AT
    }

    /// The row, and the ids to append, where anything changed since the last call.
    pub fn take_changes(&mut self) -> Option<(TrailRow, SeenRow)> {
        std::mem::take(&mut self.changed).then(|| (self.row.clone(), std::mem::take(&mut self.fresh)))
    }

    /// The row changed outside of these methods.
    pub fn touch(&mut self) -> &mut TrailRow {
        self.changed = true;
        &mut self.row
    }

    fn remember(&mut self, id: u64) {
        self.fresh.ids.push(id);
        self.known.insert(id);
        self.ids.push_back(id);
        if self.ids.len() > limits::REMEMBERED_IDS
            && let Some(old) = self.ids.pop_front()
        {
            self.known.remove(&old);
        }
    }

    /// How many equal contents came before this one.
    fn count(&mut self, content: u64) -> u32 {
        self.fresh.contents.push(content);
        let count = self.counts.entry(content).or_default();
        let before = *count;
        *count += 1;
        self.contents.push_back(content);
        if self.contents.len() > limits::REMEMBERED_IDS
            && let Some(old) = self.contents.pop_front()
            && let Some(n) = self.counts.get_mut(&old)
        {
            *n -= 1;
            if *n == 0 {
                self.counts.remove(&old);
            }
        }
        before
    }
}

/// One more in this hour: how many there are.
fn one_more(counted: &mut (i64, u64), hour: i64) -> u64 {
    let before = if counted.0 == hour { counted.1 } else { 0 };
    *counted = (hour, before + 1);
    before + 1
}

/// Whether so many of an hour's lines are so many that it must be said.
fn is_many(lines: u64, odd: u64) -> bool {
    odd >= UNREADABLE_AT_LEAST && odd * UNREADABLE_SHARE >= lines
}

/// Fewer cut lines than this in an hour are counted but not reported. Their share does not count: who hides behind a cut needs few.
const CLIPPED_AT_LEAST: u64 = 5;
/// So many events in an hour that are later than the lateness bound are a clock set back or old lines slipped in, not stragglers.
const BACKWARDS_AT: u64 = 20;
/// Fewer unreadable lines (or undated events) than this in an hour are counted but not reported: a writer that died mid-line is no news.
const UNREADABLE_AT_LEAST: u64 = 20;
/// One line in so many must be unreadable for it to be reported.
const UNREADABLE_SHARE: u64 = 20;

fn first_eight(digest: &ContentDigest) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activity, Evidence, FileId, HostId, Millis, SourceName};

    const NOON: i64 = 1_790_000_000_000;
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    fn trail() -> Trail {
        let part = TrailPart { source: SourceName("portal".into()), host: HostId([0; 8]) };
        Trail::new(part, TrailRow::default(), [], 1)
    }

    /// What is stated, and when it is read, after noon.
    fn event(stated: Option<i64>, observed: i64) -> Event {
        let evidence = Evidence {
            source: SourceName("portal".into()),
            file: FileId::default(),
            from: 0,
            to: 1,
            index: 0,
            own_id: true,
            sender: None,
            digest: [0; 16],
            redacted: Box::default(),
        };
        let mut event = Event::blank(EventId([0; 16]), WallTime(NOON + observed), "portal".into(), evidence);
        event.activity = Activity::View;
        event.marks.time_missing = stated.is_none();
        event.time = EventTime(NOON + stated.unwrap_or(observed));
        event
    }

    /// At which time windows count it, after noon.
    fn at(trail: &mut Trail, stated: Option<i64>, observed: i64) -> i64 {
        let mut event = event(stated, observed);
        let at = trail.place(&mut event);
        assert!(event.time <= EventTime(NOON + observed).plus(limits::FUTURE_SKEW), "bounded by when it was read");
        at.0 - NOON
    }

    fn newest(trail: &Trail) -> Option<i64> {
        trail.row.newest.map(|newest| newest.0 - NOON)
    }

    #[test]
    fn what_is_read_as_it_is_written_counts_when_it_was_read_however_far_the_clock_is_ahead() {
        for ahead in [15 * MINUTE, 8 * HOUR, 400 * 24 * HOUR] {
            let mut trail = trail();
            assert_eq!(at(&mut trail, Some(-HOUR), -HOUR), -HOUR);
            for n in 0..50 {
                let read = n * 5 * MINUTE;
                assert_eq!(at(&mut trail, Some(read + ahead), read), read, "{n}");
                assert_eq!(newest(&trail), Some(read), "the trail's time moves on with ours");
            }
            assert_eq!((trail.row.clamped, trail.row.late, trail.row.clock.ahead), (50, 0, Millis(ahead)));
            assert!(trail.row.clock.is_off);
            // and it is set right
            let after = 50 * 5 * MINUTE;
            assert_eq!(at(&mut trail, Some(after), after), after);
            assert_eq!(trail.row.clock.ahead, Millis(0));
        }
    }

    #[test]
    fn a_burst_that_is_read_at_once_keeps_its_distances() {
        let mut trail = trail();
        let read: Vec<i64> = (0..12).map(|n| at(&mut trail, Some(15 * MINUTE + n * 42 * MINUTE), n)).collect();
        assert!(read.windows(2).all(|two| (two[1] - two[0] - 42 * MINUTE).abs() <= 1), "{read:?}");
        assert_eq!(newest(&trail), None, "nobody is late by it");
        // what goes on as ours does is counted when it is read again, after two minutes at the latest
        let stated = |n: i64| Some(15 * MINUTE + 11 * 42 * MINUTE + n);
        let later: Vec<i64> = (1..=6).map(|n| at(&mut trail, stated(n * MINUTE), n * MINUTE) - n * MINUTE).collect();
        assert_eq!(later[2..], [0; 4], "{later:?}");
        // however far ahead it is, it stays within a day
        assert_eq!(at(&mut trail, Some(900 * 24 * HOUR), 7 * MINUTE), 7 * MINUTE + limits::FUTURE_SPREAD.0);
    }

    #[test]
    fn after_a_stop_a_clock_that_is_ahead_empties_nothing_and_is_right_again_in_two_minutes() {
        let (mut trail, ahead) = (trail(), 8 * HOUR);
        (0..5).for_each(|n| {
            at(&mut trail, Some(ahead + n * MINUTE), n * MINUTE);
        });
        // three hours of lines are read in a moment
        let stop = 3 * HOUR;
        let read: Vec<i64> = (1..=17).map(|n| at(&mut trail, Some(ahead + n * 10 * MINUTE), stop)).collect();
        assert!(read.windows(2).all(|two| two[1] - two[0] == 10 * MINUTE), "{read:?}");
        let live = |trail: &mut Trail, n| at(trail, Some(ahead + stop + n), stop + n) - stop - n;
        let later: Vec<i64> = (1..=5).map(|n| live(&mut trail, n * MINUTE)).collect();
        assert_eq!(later[2..], [0; 3], "{later:?}");
        assert_eq!((newest(&trail), trail.row.late), (Some(stop + 5 * MINUTE), 0));
    }

    #[test]
    fn a_trail_that_is_behind_all_the_time_is_told_from_a_backlog() {
        let mut trail = trail();
        let behind = 13 * HOUR;
        // a backlog of a day, read in three minutes
        for n in 0..180 {
            at(&mut trail, Some(-24 * HOUR + n * 8 * MINUTE), n * 1000);
        }
        assert_eq!(trail.row.clock.behind, Millis(0));
        let mut live = |minutes: i64| {
            let read = HOUR + minutes * MINUTE;
            assert_eq!(at(&mut trail, Some(read - behind), read), read - behind, "it is believed");
            trail.row.clock.behind
        };
        assert_eq!([0, 1, 7, 90].map(|n| live(n).0 / HOUR), [0, 13, 13, 13]);
        // a stop, and the backlog after it
        assert_eq!(
            [(300, 120), (300, 130)].map(|(read, stated)| {
                at(&mut trail, Some(stated * MINUTE), read * MINUTE);
                trail.row.clock.behind
            }),
            [Millis(behind); 2]
        );
        // it is set right
        let after = [400, 402, 404].map(|n| {
            at(&mut trail, Some(n * MINUTE), n * MINUTE);
            trail.row.clock.behind
        });
        assert_eq!(after[2], Millis(0));
    }

    #[test]
    fn one_stamp_from_the_future_among_others_changes_nothing_about_them() {
        let mut trail = trail();
        for n in 0..10 {
            assert_eq!(at(&mut trail, Some(n), n), n);
            assert_eq!(at(&mut trail, Some(999 * 24 * HOUR), n), n);
        }
        assert_eq!((newest(&trail), trail.row.late), (Some(9), 0));
        // nor in a backlog, where the time of reading says nothing of when it was
        let mut old = self::trail();
        for n in 0..10 {
            assert_eq!(at(&mut old, Some(-90 * 24 * HOUR + n), n), -90 * 24 * HOUR + n);
            assert_eq!(at(&mut old, Some(HOUR), n), -90 * 24 * HOUR + n + limits::FUTURE_SKEW.0);
        }
        assert_eq!(old.row.late, 0);
    }

    #[test]
    fn a_trail_that_ceases_to_state_times_goes_on_when_it_is_read() {
        let mut trail = trail();
        // its last line was two days old when it was read
        at(&mut trail, Some(-48 * HOUR), 0);
        let mut unplaced = |observed| {
            let mut event = event(None, observed);
            let at = trail.place(&mut event);
            assert_eq!(at.0 - NOON, observed);
            (event.marks.unplaced, newest(&trail))
        };
        assert_eq!(unplaced(1), (true, Some(-48 * HOUR)), "what is read with it may be as old");
        assert_eq!(unplaced(2 * MINUTE), (false, Some(2 * MINUTE)), "it had been read to its end by then");
        assert_eq!(unplaced(2 * HOUR), (false, Some(2 * HOUR)));
        assert!(!trail.row.clock.is_off);
        (0..5).for_each(|n| {
            at(&mut trail, None, 2 * HOUR + n);
        });
        assert!(trail.row.clock.is_off);
        // until an hour says something else
        (0..200).for_each(|n| {
            at(&mut trail, Some(4 * HOUR + n), 4 * HOUR + n);
        });
        assert!(trail.row.clock.is_off, "until the hour is over");
        at(&mut trail, Some(5 * HOUR), 5 * HOUR);
        assert!(!trail.row.clock.is_off);
    }
}
