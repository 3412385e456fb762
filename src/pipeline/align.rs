//! In which order the lines of several trails are folded in: alignment by watermarks. Pure: what time it is comes from outside.
//!
//! # The question
//!
//! Trails are read each on a thread of its own, and none knows how far the others are. What one says of noon should not be judged
//! before what another says of the morning: a session would be used before its login, a window would close before half of it came.
//! In the field's words, each trail is a partition with a *watermark*, the event time before which nothing more is expected of it; the
//! lowest watermark of those that are waited for is the *horizon* ([`horizon`]); and lines up to the horizon may go. Within a trail the
//! order is the file's, whatever the times say: a trail that is written backwards still goes on, for its watermark never falls.
//!
//! What goes becomes an input of several trails' lines, and inside an input [`Merge`] folds the earliest line first. It is the same for
//! both strategies below, and for lines that were recorded and are folded in once more: of one input there is one order.
//!
//! # Replay: everybody is waited for
//!
//! All trails lie there whole, and time is no matter. Of each trail a batch is at hand, its watermark is where the batch ends
//! ([`Prepared::reaches`]), and all lines up to the lowest of them are taken as one input ([`take`]). A trail whose lines are all read
//! is waited for no longer. What comes out depends on the files and on nothing else.
//!
//! # Live: what is fresh never waits
//!
//! A line that was written just now is worth most now, and has nothing to gain by waiting: it goes at once. Old lines (a backlog after
//! a stop, a file that was put there) gain nothing by haste and lose by disorder, so they are aligned as a replay would align them:
//! [`Live`]. Two things differ. A trail's watermark is the line that waits to go, or the last one that went, for what was read is not
//! in one hand. And a trail at its end may be followed by more, or by nothing for a week, so it cannot be waited for until it speaks:
//!
//! - A trail that has lines, or may have some, is waited for. A trail that was found at its end counts as quiet after [`QUIET`]; but a
//!   trail that has *not been looked at* since the waiting one has lines is not a quiet trail: its thread may have had no processor, or
//!   a slow disk, and its next look may find the very lines that come first.
//! - Nobody is waited for without end: one that says nothing for [`STUCK`] is left behind. One that itself waits for its turn here
//!   says something by that.
//!
//! No two trails wait for one another: the one whose next line is the earliest is behind nobody, and goes.
use super::Prepared;
use crate::model::{EventTime, Millis, SourceName, TrailPart, WallTime};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Lines older than this are a backlog. Shippers and clocks are a few minutes late at worst.
pub const OLD: Millis = Millis::MINUTE.times(10);
/// How long a trail at its end is waited for.
pub const QUIET: Duration = Duration::from_secs(5);
/// How long one is waited for that has lines, or may have some, and says nothing.
pub const STUCK: Duration = Duration::from_secs(60);

/// Up to which time lines may go where these watermarks are waited for.
pub fn horizon(watermarks: impl Iterator<Item = EventTime>) -> EventTime {
    watermarks.min().unwrap_or(EventTime(i64::MAX))
}

/// What of the trails' next batches can be folded in now, as a replay has it: of each trail the lines up to the time that all have
/// reached. Nothing when there is none. What is left stays.
pub fn take<'a>(heads: impl Iterator<Item = &'a mut Option<Prepared>>) -> Vec<Prepared> {
    let heads: Vec<_> = heads.filter(|head| head.is_some()).collect();
    let horizon = horizon(heads.iter().filter_map(|head| head.as_ref()).map(Prepared::reaches));
    let mut taken = Vec::new();
    for head in heads {
        if let Some(batch) = head.take() {
            let (first, rest) = batch.cut_after(horizon);
            taken.extend(first);
            *head = rest;
        }
    }
    taken
}

/// The lines of one input, the earliest first. Each trail, on each machine, keeps its own order; where times are equal, the one goes
/// first that was named first.
pub struct Merge<T> {
    parts: Vec<(TrailPart, VecDeque<(EventTime, T)>)>,
}

impl<T> Default for Merge<T> {
    fn default() -> Merge<T> {
        Merge { parts: Vec::new() }
    }
}

impl<T> Merge<T> {
    /// Adds lines of a trail on a machine, behind those that are there of it. A line that states no time goes with the one before it:
    /// `placed` is the time of the trail's last line that states one, and becomes that of the last of these.
    pub fn append(
        &mut self,
        part: &TrailPart,
        placed: &mut Option<EventTime>,
        lines: impl Iterator<Item = (Option<EventTime>, T)>,
    ) {
        let known = self.parts.iter().position(|(name, _)| name == part);
        let at = known.unwrap_or_else(|| {
            self.parts.push((part.clone(), VecDeque::new()));
            self.parts.len() - 1
        });
        self.parts[at].1.extend(lines.map(|(time, line)| {
            *placed = time.or(*placed);
            (placed.unwrap_or(EventTime(i64::MIN)), line)
        }));
    }

    /// The next line.
    pub fn take(&mut self) -> Option<(&TrailPart, T)> {
        let first = |(_, lines): &(TrailPart, VecDeque<(EventTime, T)>)| lines.front().map(|(time, _)| *time);
        let times = self.parts.iter().enumerate().filter_map(|(at, part)| Some((first(part)?, at)));
        let (_, at) = times.min()?;
        let (part, lines) = &mut self.parts[at];
        lines.pop_front().map(|(_, line)| (&*part, line))
    }
}

/// A moment of a clock that never goes back, since it was started.
pub type Moment = Duration;

/// Where the trails of a running daemon have come to.
#[derive(Debug, Default)]
pub struct Live(BTreeMap<SourceName, Reached>);

#[derive(Debug)]
struct Reached {
    /// Nothing earlier is expected of it: the time of the line that waits, or of the last one handed over.
    watermark: EventTime,
    /// Whether all that it has was handed over.
    is_at_end: bool,
    /// Since when that is so, or is not so.
    since: Moment,
    /// When it was looked at last.
    seen: Moment,
    /// Whether its next line waits for its turn.
    waits: bool,
}

/// Whether a trail's lines may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Those up to this time.
    Until(EventTime),
    /// Not before other trails have gone on, or this time has passed.
    Wait(Option<Duration>),
}

impl Reached {
    /// It was looked at.
    fn see(&mut self, is_at_end: bool, now: Moment) {
        (self.seen, self.waits) = (now, false);
        if self.is_at_end != is_at_end {
            (self.is_at_end, self.since) = (is_at_end, now);
        }
    }

    /// Until when a trail that has had lines since `began` waits for it, if nothing is heard of it; nothing: it does not know.
    fn is_awaited_until(&self, began: Moment) -> Option<Moment> {
        let quiet = (self.is_at_end && self.seen >= began).then_some(self.since + QUIET);
        let stuck = (!self.waits).then_some(self.seen + STUCK);
        quiet.into_iter().chain(stuck).min()
    }
}

impl Live {
    /// Trails none of which has been read yet.
    pub fn new(trails: impl IntoIterator<Item = SourceName>, now: Moment) -> Live {
        let unread =
            || Reached { watermark: EventTime(i64::MIN), is_at_end: false, since: now, seen: now, waits: false };
        Live(trails.into_iter().map(|name| (name, unread())).collect())
    }

    /// The trail's next line is of that time: whether it may go.
    pub fn turn(&mut self, trail: &SourceName, next: EventTime, wall: WallTime, now: Moment) -> Turn {
        let everything = EventTime(i64::MAX);
        self.reaches(trail, next, now);
        let Some(began) = self.0.get(trail).map(|own| own.since) else { return Turn::Until(everything) };
        let fresh = next > EventTime(wall.0).minus(OLD);
        let others = self.0.iter().filter(|(name, _)| !fresh && *name != trail).map(|(_, other)| other);
        let awaited: Vec<(EventTime, Option<Moment>)> = others
            .map(|other| (other.watermark, other.is_awaited_until(began)))
            .filter(|(_, until)| until.is_none_or(|until| until > now))
            .collect();
        let horizon = horizon(awaited.iter().map(|(watermark, _)| *watermark));
        let may_go = next <= horizon;
        self.0.entry(trail.clone()).and_modify(|own| own.waits = !may_go);
        match may_go {
            true => Turn::Until(horizon),
            // where one of those before it is given up, it is asked again
            false => {
                let before = awaited.iter().filter(|(watermark, _)| *watermark < next);
                Turn::Wait(before.filter_map(|(_, until)| *until).min().map(|until| until.saturating_sub(now)))
            }
        }
    }

    /// The trail has come to this time: its next line has it, or the last one that went.
    pub fn reaches(&mut self, trail: &SourceName, time: EventTime, now: Moment) {
        if let Some(own) = self.0.get_mut(trail) {
            own.see(false, now);
            own.watermark = own.watermark.max(time);
        }
    }

    /// The trail has not found its next line yet, and is at work: others wait for it as before.
    pub fn looks(&mut self, trail: &SourceName, now: Moment) {
        if let Some(own) = self.0.get_mut(trail) {
            own.see(false, now);
        }
    }

    /// The trail was looked at, and all that it has was handed over.
    pub fn ended(&mut self, trail: &SourceName, now: Moment) {
        if let Some(own) = self.0.get_mut(trail) {
            own.see(true, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Batch, Digest, FileId, Stretch};
    use crate::pipeline::Line;
    use std::sync::Arc;

    const NOW: WallTime = WallTime(1_000_000_000_000);

    fn prepared(name: &str, times: &[i64]) -> Prepared {
        let data: Arc<[u8]> = b"x\n".repeat(times.len()).into();
        let frame = |i: usize| crate::model::Frame {
            start: 2 * i as u32,
            end: 2 * i as u32 + 1,
            from: 2 * i as u64,
            to: 2 * i as u64 + 2,
            flags: Default::default(),
        };
        let batch = Batch {
            source: SourceName(name.into()),
            path: std::path::Path::new(name).into(),
            stretch: Stretch { file: FileId::default(), from: 0, to: data.len() as u64 },
            discontinuity: None,
            observed: WallTime(0),
            data: data.clone(),
            frames: (0..times.len()).map(frame).collect(),
            header: None,
            witness: Digest::of(&data),
            size: data.len() as u64,
        };
        let line = |time: &i64| Line {
            observed: WallTime(0),
            time: Some(EventTime(*time)),
            flags: Default::default(),
            digest: [0; 16],
            data: data.clone(),
            range: 0..1,
            header: None,
            events: Err("a test"),
        };
        Prepared {
            batch,
            rules: Digest::of(b""),
            lines: times.iter().map(line).collect(),
            activations: Default::default(),
        }
    }

    #[test]
    fn a_replay_takes_every_line_whatever_the_times() {
        for times in [
            [&[5i64, 4, 3][..], &[9, 1, 2]],
            [&[1, 2, 3], &[1, 2, 3]],
            [&[], &[7, 7]],
            [&[i64::MIN, 4], &[3, i64::MAX]],
        ] {
            let mut heads: Vec<Option<Prepared>> = times.iter().map(|times| Some(prepared("t", times))).collect();
            let mut taken = 0;
            loop {
                let batches = take(heads.iter_mut());
                if batches.is_empty() {
                    break;
                }
                taken += batches.iter().map(|b| b.lines.len()).sum::<usize>();
            }
            assert_eq!(taken, times[0].len() + times[1].len(), "{times:?}");
            assert!(heads.iter().all(Option::is_none));
        }
    }

    #[test]
    fn a_replay_takes_what_all_have_reached() {
        let mut heads = [Some(prepared("a", &[1, 5, 9])), None, Some(prepared("b", &[2, 6]))];
        let times = |batches: &[Prepared]| -> Vec<Vec<i64>> {
            batches
                .iter()
                .map(|batch| batch.lines.iter().filter_map(|line| line.time.map(|time| time.0)).collect())
                .collect()
        };
        assert_eq!(times(&take(heads.iter_mut())), [vec![1, 5], vec![2, 6]], "b may go on at 6, and a is at 9");
        // and so it does
        heads[2] = Some(prepared("b", &[6, 7]));
        assert_eq!(times(&take(heads.iter_mut())), [vec![6, 7]]);
        assert_eq!(times(&take(heads.iter_mut())), [vec![9]], "b is read to its end");
    }

    #[test]
    fn inside_an_input_the_earliest_line_is_first_and_each_trail_keeps_its_order() {
        let mut merge = Merge::default();
        let mut lines = |trail: &str, times: &[i64]| {
            let name = TrailPart { source: SourceName(trail.into()), host: Default::default() };
            merge.append(&name, &mut None, times.iter().map(|time| (Some(EventTime(*time)), *time)));
        };
        lines("b", &[3, 1]);
        lines("a", &[2, 3, 4]);
        lines("b", &[4]);
        let mut order = Vec::new();
        while let Some((part, time)) = merge.take() {
            order.push(format!("{}{time}", part.source.as_str()));
        }
        assert_eq!(order, ["a2", "b3", "b1", "a3", "b4", "a4"]);
    }

    #[test]
    fn a_line_that_states_no_time_goes_with_the_one_before_it_wherever_its_trail_was_cut() {
        let name = |trail: &str| TrailPart { source: SourceName(trail.into()), host: Default::default() };
        let lines = [(Some(1), "a1"), (Some(5), "a5"), (None, "a?"), (Some(6), "a6")];
        let orders: Vec<Vec<&str>> = (0..=lines.len())
            .map(|cut| {
                let (mut placed, mut order) = (None, Vec::new());
                for lines in [&lines[..cut], &lines[cut..]] {
                    let mut merge = Merge::default();
                    merge.append(
                        &name("a"),
                        &mut placed,
                        lines.iter().map(|(time, line)| (time.map(EventTime), *line)),
                    );
                    order.extend(std::iter::from_fn(|| merge.take().map(|(_, line)| line)));
                }
                order
            })
            .collect();
        assert!(orders.iter().all(|order| *order == ["a1", "a5", "a?", "a6"]), "{orders:?}");
        let (mut merge, mut placed) = (Merge::default(), Some(EventTime(5)));
        merge.append(&name("a"), &mut placed, [(None, "a?"), (Some(EventTime(6)), "a6")].into_iter());
        merge.append(&name("b"), &mut None, [(Some(EventTime(4)), "b4")].into_iter());
        assert_eq!(std::iter::from_fn(|| merge.take().map(|(_, line)| line)).collect::<Vec<_>>(), ["b4", "a?", "a6"]);
    }

    struct Two {
        live: Live,
        a: SourceName,
        b: SourceName,
        now: Moment,
    }

    impl Two {
        fn new() -> Two {
            let (a, b) = (SourceName("a".into()), SourceName("b".into()));
            Two { live: Live::new([a.clone(), b.clone()], Moment::ZERO), a, b, now: Moment::ZERO }
        }

        fn a(&mut self, next: EventTime) -> Turn {
            self.live.turn(&self.a, next, NOW, self.now)
        }

        fn b(&mut self, next: EventTime) -> Turn {
            self.live.turn(&self.b, next, NOW, self.now)
        }

        fn a_passes(&mut self) -> bool {
            matches!(self.a(EventTime(10)), Turn::Until(_))
        }

        fn b_ended(&mut self) {
            self.live.ended(&self.b, self.now);
        }
    }

    fn until(time: i64) -> Turn {
        Turn::Until(EventTime(time))
    }

    #[test]
    fn what_is_fresh_does_not_wait() {
        let mut two = Two::new();
        let ago = |length| EventTime(NOW.0).minus(length);
        two.b(ago(Millis::DAY));
        assert!(matches!(two.a(ago(Millis::HOUR)), Turn::Wait(_)), "an hour old, and the other trail is at yesterday");
        assert_eq!(two.a(ago(Millis::MINUTE)), until(i64::MAX), "a minute old");
    }

    #[test]
    fn silence_is_waited_out_only_at_the_end_of_a_trail() {
        let mut two = Two::new();
        two.b(EventTime(5));
        two.now += QUIET * 2;
        assert!(!two.a_passes(), "the other one was not at its end, only slow");
        two.b_ended();
        assert!(!two.a_passes(), "it may go on at once");
        assert_eq!(two.a(EventTime(10)), Turn::Wait(Some(QUIET)), "and is waited for so long");
        two.now += QUIET;
        assert!(two.a_passes(), "nothing came");
        two.b_ended();
        assert!(two.a_passes(), "nor since");
        // the first one was read to its end, and has a line again
        two.live.ended(&two.a.clone(), two.now);
        two.now += QUIET;
        assert!(!two.a_passes(), "the other one may have one as well: nobody has looked");
        two.b_ended();
        assert!(two.a_passes(), "it has none");
        two.b(EventTime(6));
        assert!(!two.a_passes(), "it has one");
        two.now += STUCK;
        assert!(two.a_passes(), "nobody is waited for without end");
    }

    #[test]
    fn who_waits_for_its_turn_is_not_stuck() {
        let mut two = Two::new();
        assert_eq!(two.a(EventTime(1)), Turn::Wait(Some(STUCK)), "the other one may be stuck");
        assert_eq!(two.b(EventTime(5)), Turn::Wait(None), "the first one waits as well, and is not");
        assert_eq!(two.a(EventTime(1)), until(5));
        assert_eq!(two.b(EventTime(5)), Turn::Wait(Some(STUCK)), "it went");
        two.now += STUCK / 2;
        // its disk is slow, and then it goes on behind the second
        two.live.looks(&two.a.clone(), two.now);
        assert_eq!(two.b(EventTime(5)), Turn::Wait(Some(STUCK)));
        assert_eq!(two.a(EventTime(7)), Turn::Wait(None));
        two.now += STUCK;
        assert_eq!(two.a(EventTime(7)), Turn::Wait(None), "the second waits, however long");
        assert_eq!(two.b(EventTime(5)), until(7));
    }

    #[test]
    fn the_trail_that_is_furthest_behind_always_passes() {
        let mut two = Two::new();
        two.a(EventTime(10));
        assert_eq!(two.b(EventTime(5)), until(10));
        assert!(matches!(two.a(EventTime(10)), Turn::Wait(_)), "the other one is only at 5");
        assert!(matches!(two.b(EventTime(11)), Turn::Wait(_)), "what is left of its batch");
        assert_eq!(two.a(EventTime(10)), until(11));
    }
}
