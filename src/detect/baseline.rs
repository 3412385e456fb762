//! What is usual: the state behind `baseline`.
//!
//! An entity's past is the largest amount that its window reached on each active day; what is usual is a percentile of
//! those, so that a few bad days raise nothing, and a day that was far does not count. Its peers' past is a sketch of the same
//! days of all of them. Not monotone: what is far depends on what came before.
use super::window::{Entry, Fired, Window};
use crate::model::{Digest, EventTime, Millis, limits};
use serde::{Deserialize, Serialize};

/// How many active days are remembered.
const DAYS: usize = 128;
/// A sketch of fewer days than this tells nothing of what is usual for peers: a month of one colleague.
const ENOUGH_OF_PEERS: u64 = 30;

/// The window and the past of one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    window: Window,
    since: Option<EventTime>,
    days: Vec<Day>,
    fired: Fired,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Day {
    day: i64,
    most: i64,
    /// It was far from what is usual: it is not to become usual.
    far: bool,
}

impl Past {
    /// The window that the amounts are in.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Takes up a contribution.
    pub fn insert(&mut self, entry: Entry, timespan: Millis) {
        let at = entry.time;
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        self.window.insert(entry, timespan, false);
    }

    /// The window reached `amount` at `at`. Gives the largest amount of the day before the newest, where a new day begins
    /// by that: it is over, and counts among the peers' days.
    pub fn reached(&mut self, amount: i64, at: EventTime, history: Millis) -> Option<i64> {
        let day = at.episode(Millis::DAY);
        let place = self.days.partition_point(|d| d.day < day);
        if let Some(known) = self.days.get_mut(place).filter(|d| d.day == day) {
            known.most = known.most.max(amount);
            return None;
        }
        let over = (place == self.days.len()).then(|| self.days.last().filter(|d| !d.far).map(|d| d.most)).flatten();
        self.days.insert(place, Day { day, most: amount, far: false });
        self.days.retain(|d| d.day >= oldest(day, history));
        let excess = self.days.len().saturating_sub(DAYS);
        self.days.drain(..excess);
        over
    }

    /// The percentile of the days in `history` before that of `at`, by nearest rank; nothing while there is too little to tell.
    pub fn usual(
        &self,
        at: EventTime,
        history: Millis,
        percentile: u8,
        learning_days: u32,
        active_days: u32,
    ) -> Option<i64> {
        let since = self.since?;
        let day = at.episode(Millis::DAY);
        // older ones go only when a new day is reached: the first act of a day must not be held against them
        let counts = |d: &&Day| d.day < day && d.day >= oldest(day, history) && !d.far;
        let mut past: Vec<i64> = self.days.iter().filter(counts).map(|d| d.most).collect();
        let learned = at.since(since) >= Millis::DAY.times(i64::from(learning_days));
        if !learned || past.len() < (active_days as usize).max(1) {
            return None;
        }
        past.sort_unstable();
        Some(past[rank(past.len() as u64, percentile) as usize])
    }

    /// The day of `at` is not to become usual.
    pub fn mark_far(&mut self, at: EventTime) {
        let day = at.episode(Millis::DAY);
        self.days.iter_mut().filter(|d| d.day == day).for_each(|d| d.far = true);
    }

    /// What was called far is usual after all.
    pub fn excuse(&mut self) {
        self.days.iter_mut().for_each(|d| d.far = false);
    }

    /// Marks the episode; `false` where it had been.
    pub fn fire(&mut self, decision: &Digest, episode: i64) -> bool {
        self.fired.fire(decision, episode)
    }

    /// When nothing of it can matter any more.
    pub fn expires(&self, timespan: Millis, history: Millis) -> EventTime {
        self.window.expires(timespan).plus(history).plus(limits::LATENESS)
    }
}

/// The first day that counts on that one.
fn oldest(day: i64, history: Millis) -> i64 {
    day - history.0 / Millis::DAY.0
}

/// The place of a percentile among `n` sorted values, by nearest rank.
fn rank(n: u64, percentile: u8) -> u64 {
    (n * u64::from(percentile)).div_ceil(100).clamp(1, n) - 1
}

/// How often amounts were how large, in steps of an eighth of an octave (within 9 %): mergeable, and the same whatever the
/// order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    /// Step and how often, by step; of this period and of the one before.
    counts: [Vec<(u16, u32)>; 2],
    period: i64,
}

impl Sketch {
    /// Counts an amount. What is older than two `history` is forgotten.
    pub fn add(&mut self, amount: i64, at: EventTime, history: Millis) {
        let period = at.episode(history);
        if period > self.period {
            let [now, before] = &mut self.counts;
            *before = if period == self.period + 1 { std::mem::take(now) } else { Vec::new() };
            now.clear();
            self.period = period;
        }
        let counts = &mut self.counts[usize::from(period < self.period)];
        let step = step(amount);
        match counts.binary_search_by_key(&step, |(s, _)| *s) {
            Ok(i) => counts[i].1 = counts[i].1.saturating_add(1),
            Err(i) => counts.insert(i, (step, 1)),
        }
    }

    /// The percentile, as the upper end of its step; nothing where there is too little to tell.
    pub fn usual(&self, percentile: u8) -> Option<i64> {
        let mut steps: Vec<(u16, u32)> = self.counts.iter().flatten().copied().collect();
        steps.sort_unstable();
        let n: u64 = steps.iter().map(|(_, count)| u64::from(*count)).sum();
        if n < ENOUGH_OF_PEERS {
            return None;
        }
        let mut left = rank(n, percentile);
        for (step, count) in steps {
            match left.checked_sub(u64::from(count)) {
                Some(rest) => left = rest,
                None => return Some(upper_end(step)),
            }
        }
        None
    }
}

/// Which eighth of which octave an amount lies in.
fn step(amount: i64) -> u16 {
    let amount = amount.max(1) as u64;
    let octave = amount.ilog2();
    let eighth = if octave >= 3 { (amount >> (octave - 3)) & 7 } else { (amount << (3 - octave)) & 7 };
    (octave * 8) as u16 + eighth as u16
}

/// The largest amount of a step.
fn upper_end(step: u16) -> i64 {
    let (octave, eighth) = (u32::from(step) / 8, u64::from(step) % 8);
    let end = if octave >= 3 { ((9 + eighth) << (octave - 3)) - 1 } else { ((8 + eighth) << octave) >> 3 };
    i64::try_from(end).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HISTORY: Millis = Millis::DAY.times(60);

    fn day(n: i64) -> EventTime {
        EventTime(0).plus(Millis::DAY.times(n))
    }

    fn past(amounts: &[i64]) -> Past {
        let mut past = Past { since: Some(day(0)), ..Past::default() };
        for (n, amount) in amounts.iter().enumerate() {
            past.reached(*amount, day(n as i64), HISTORY);
        }
        past
    }

    #[test]
    fn one_bad_day_in_many_raises_nothing() {
        let mut amounts = vec![10; 19];
        amounts.push(1_000_000);
        assert_eq!(past(&amounts).usual(day(20), HISTORY, 90, 14, 5), Some(10));
    }

    #[test]
    fn a_day_that_was_far_does_not_become_usual_unless_it_is_excused() {
        let mut past = past(&[10, 10, 500]);
        past.mark_far(day(2));
        assert_eq!(past.usual(day(20), HISTORY, 100, 14, 2), Some(10));
        past.excuse();
        assert_eq!(past.usual(day(20), HISTORY, 100, 14, 2), Some(500));
    }

    #[test]
    fn nothing_is_usual_before_days_and_active_days() {
        assert_eq!(past(&[10, 10]).usual(day(20), HISTORY, 90, 14, 3), None);
        assert_eq!(past(&[10, 10, 10]).usual(day(5), HISTORY, 90, 14, 3), None);
    }

    #[test]
    fn who_comes_back_is_not_held_against_what_is_long_past() {
        assert_eq!(past(&[10, 10, 10]).usual(day(62), HISTORY, 90, 14, 1), Some(10));
        assert_eq!(past(&[10, 10, 10]).usual(day(63), HISTORY, 90, 14, 1), None, "not even by the first act of a day");
    }

    #[test]
    fn a_finished_day_is_told_once() {
        let mut past = Past { since: Some(day(0)), ..Past::default() };
        let history = Millis::DAY.times(60);
        assert_eq!(past.reached(3, day(0), history), None);
        assert_eq!(past.reached(7, day(0), history), None);
        assert_eq!(past.reached(1, day(1), history), Some(7));
        assert_eq!(past.reached(1, day(0), history), None, "a late one is in a day that has been told");
    }

    proptest! {
        #[test]
        fn a_sketch_is_within_a_step_of_the_truth_whatever_the_order(
            mut amounts in prop::collection::vec(1i64..5_000_000, 30..200), percentile in 50u8..=100,
        ) {
            let sketched = |amounts: &[i64]| {
                let mut sketch = Sketch::default();
                amounts.iter().for_each(|a| sketch.add(*a, day(1), Millis::DAY.times(60)));
                sketch
            };
            let one = sketched(&amounts);
            amounts.reverse();
            prop_assert_eq!(&one, &sketched(&amounts));
            amounts.sort_unstable();
            let truth = amounts[rank(amounts.len() as u64, percentile) as usize];
            let told = one.usual(percentile).unwrap();
            prop_assert!(told >= truth && told as f64 <= truth as f64 * 1.125 + 1.0, "{} for {}", told, truth);
        }
    }
}
