//! What an entity did lately: the state behind counts, sums, distinct counts and sequences.
//!
//! Contributions are kept in event time, sorted by (time, event id), so that a late one goes into the windows it belongs
//! to. Let `F` be the contributions at whose time the condition holds over the window `(time - timespan, time]`. Whatever
//! the order of arrival, `F` ends up the same, for a contribution only ever adds to the windows that hold it: this is
//! what makes the counting policies monotone. An average or a percentile can fall again, so those two are not.
use crate::model::{Digest, EventId, EventTime, Millis, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One contribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub time: EventTime,
    /// Which event; breaks ties.
    pub event: EventId,
    /// Which of the correlation's rules it matched.
    pub rule: u16,
    /// What it adds, for sums, averages and percentiles: millionths, but in a baseline whole ones.
    pub amount: i128,
    /// Digest of its value, for distinct counts.
    pub value: u64,
}

/// What a window holds at one moment, reckoned by [`Window::measure`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// How many contributions.
    pub count: i64,
    /// Their sum.
    pub sum: i128,
    /// How many different values.
    pub distinct: i64,
}

/// What became of a contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It stands in the window.
    New,
    /// A run that it is of goes on until it.
    Moved,
    /// Nothing changed: it, or one that says the same, is there.
    Known,
}

/// The contributions of one entity to one correlation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    entries: Vec<Entry>,
    /// Episodes in which a policy has fired already.
    fired: Fired,
    /// How many contributions were folded away at [`limits::WINDOW_ENTRIES`].
    folded: u64,
    #[serde(skip)]
    running: Option<Running>,
}

/// The newest window's content, kept up while contributions arrive in order, so that each costs a constant.
#[derive(Clone, Debug, Default, PartialEq)]
struct Running {
    timespan: Millis,
    from: usize,
    sum: i128,
    values: BTreeMap<u64, u32>,
}

impl Window {
    /// Takes up a contribution.
    ///
    /// Where `merge` says that only which rules and values there were matters, and not how often, a run of equal ones is kept
    /// as entries no further apart than half the timespan, the last of which moves on, in steps of a 32nd of the timespan: any
    /// window that held one of those left out holds one that is kept, if it is as much longer. The earliest time at which a condition holds stays the same; later ones
    /// within the same run may be left out.
    pub fn insert(&mut self, entry: Entry, timespan: Millis, merge: bool) -> Inserted {
        let at = self.entries.partition_point(|e| (e.time, e.event, e.rule) < (entry.time, entry.event, entry.rule));
        if self.entries.get(at).is_some_and(|e| (e.time, e.event, e.rule) == (entry.time, entry.event, entry.rule)) {
            return Inserted::Known;
        }
        if at < self.entries.len() {
            self.entries.insert(at, entry);
            self.running = None;
        } else if merge && let Some(moved) = self.merge(&entry, timespan) {
            return moved;
        } else {
            self.entries.push(entry);
            self.push_running(timespan);
        }
        self.forget(timespan);
        Inserted::New
    }

    /// Lets the run that the newest entry is of go on, where it is a run of that.
    fn merge(&mut self, entry: &Entry, timespan: Millis) -> Option<Inserted> {
        let [.., before, last] = &mut self.entries[..] else { return None };
        let same = |e: &Entry| e.rule == entry.rule && e.value == entry.value;
        if !same(before) || !same(last) || entry.time.since(before.time).0 > timespan.0 / 2 {
            return None;
        }
        // a repetition a moment later must not cost a write
        if entry.time.since(last.time).0 <= timespan.0 / 32 {
            return Some(Inserted::Known);
        }
        // of that event, whichever it was before: those of one moment are in the order of their events
        (last.time, last.event) = (entry.time, entry.event);
        self.running = None;
        Some(Inserted::Moved)
    }

    /// Until when a further contribution of the same rule and value that merges changes nothing; none where it would.
    pub fn same_until(&self, rule: u16, value: u64, timespan: Millis) -> Option<EventTime> {
        let [.., before, last] = &self.entries[..] else { return None };
        let same = |e: &Entry| e.rule == rule && e.value == value;
        let until = before.time.plus(Millis(timespan.0 / 2)).min(last.time.plus(Millis(timespan.0 / 32)));
        (same(before) && same(last)).then_some(until.plus(Millis(1)))
    }

    /// Every time at which the condition may newly hold after a contribution at `time`: its own and those after it whose windows hold
    /// it. A window is open at its start, so that what is a whole timespan later is asked about nothing.
    pub fn touched(&self, time: EventTime, timespan: Millis) -> impl Iterator<Item = EventTime> + '_ {
        let from = self.entries.partition_point(|e| e.time < time);
        let mut last = None;
        self.entries[from..]
            .iter()
            .map(|e| e.time)
            .take_while(move |t| *t < time.plus(timespan))
            .filter(move |t| last.replace(*t) != Some(*t))
    }

    /// The contributions in `(at - timespan, at]`, oldest first.
    pub fn within(&self, at: EventTime, timespan: Millis) -> &[Entry] {
        let from = self.entries.partition_point(|e| e.time <= at.minus(timespan));
        let to = self.entries.partition_point(|e| e.time <= at);
        &self.entries[from.min(to)..to]
    }

    /// Count, sum and distinct values in `(at - timespan, at]`.
    pub fn measure(&self, at: EventTime, timespan: Millis) -> Measured {
        if let (Some(running), Some(last)) = (&self.running, self.entries.last())
            && last.time == at
            && running.timespan == timespan
        {
            return Measured {
                count: (self.entries.len() - running.from) as i64,
                sum: running.sum,
                distinct: running.values.len() as i64,
            };
        }
        let entries = self.within(at, timespan);
        Measured {
            count: entries.len() as i64,
            sum: entries.iter().map(|e| e.amount).sum(),
            distinct: distinct(entries),
        }
    }

    /// Whether that rule contributed in `(at - timespan, at]`.
    pub fn has(&self, rule: u16, at: EventTime, timespan: Millis) -> bool {
        self.within(at, timespan).iter().any(|e| e.rule == rule)
    }

    /// How often a value came back after another one in `(at - timespan, at]`: A B A is once. A further contribution can
    /// only make it more.
    pub fn returns(&self, at: EventTime, timespan: Millis) -> i64 {
        let entries = self.within(at, timespan);
        let runs = entries.windows(2).filter(|pair| pair[0].value != pair[1].value).count() + 1;
        if entries.is_empty() { 0 } else { runs as i64 - distinct(entries) }
    }

    /// Whether all of `rules` contributed in `(at - timespan, at]`.
    pub fn has_all(&self, rules: u16, at: EventTime, timespan: Millis) -> bool {
        let entries = self.within(at, timespan);
        (0..rules).all(|rule| entries.iter().any(|e| e.rule == rule))
    }

    /// How many different rules contributed in `(at - timespan, at]`.
    pub fn different_rules(&self, at: EventTime, timespan: Millis) -> usize {
        self.within(at, timespan).iter().map(|e| e.rule).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// How many of the rules, from the first on, contributed in `(at - timespan, at]` one after the other in their order.
    pub fn in_order(&self, at: EventTime, timespan: Millis) -> u16 {
        let mut next = 0;
        for entry in self.within(at, timespan) {
            // taking the earliest of each rule leaves the most room for those that follow
            if entry.rule == next {
                next += 1;
            }
        }
        next
    }

    /// Whether all of `rules` did.
    pub fn has_in_order(&self, rules: u16, at: EventTime, timespan: Millis) -> bool {
        self.in_order(at, timespan) >= rules
    }

    pub(super) fn fired_mut(&mut self) -> &mut Fired {
        &mut self.fired
    }

    /// How many contributions were folded away.
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// When nothing of it can matter any more.
    pub fn expires(&self, timespan: Millis) -> EventTime {
        self.entries.last().map_or(EventTime::default(), |e| e.time.plus(timespan).plus(limits::LATENESS))
    }

    fn push_running(&mut self, timespan: Millis) {
        let newest = self.entries.len() - 1;
        if newest == 0 || self.running.as_ref().is_some_and(|r| r.timespan != timespan) {
            self.running = None;
        }
        let running = match &mut self.running {
            Some(running) => running,
            // rebuilt once after a load or a late contribution, then kept up
            None => {
                let mut fresh = Running { timespan, from: 0, ..Running::default() };
                for entry in &self.entries[..newest] {
                    fresh.add(entry);
                }
                self.running.insert(fresh)
            }
        };
        running.add(&self.entries[newest]);
        let edge = self.entries[newest].time.minus(timespan);
        while self.entries[running.from].time <= edge {
            running.remove(&self.entries[running.from]);
            running.from += 1;
        }
    }

    fn forget(&mut self, timespan: Millis) {
        let Some(newest) = self.entries.last().map(|e| e.time) else {
            return;
        };
        let old = self.entries.partition_point(|e| e.time <= newest.minus(timespan).minus(limits::LATENESS));
        let excess = self.entries.len().saturating_sub(limits::WINDOW_ENTRIES);
        // forgetting in strides keeps the cost of an insertion constant on average
        let drop = if excess > 0 {
            old.max(excess + limits::WINDOW_ENTRIES / 4)
        } else if old > 64 {
            old
        } else {
            0
        };
        if drop > 0 {
            self.folded += drop.saturating_sub(old) as u64;
            self.entries.drain(..drop);
            self.running = None;
        }
    }
}

impl Running {
    fn add(&mut self, entry: &Entry) {
        self.sum += entry.amount;
        *self.values.entry(entry.value).or_default() += 1;
    }

    fn remove(&mut self, entry: &Entry) {
        self.sum -= entry.amount;
        if let Some(n) = self.values.get_mut(&entry.value) {
            *n -= 1;
            if *n == 0 {
                self.values.remove(&entry.value);
            }
        }
    }
}

/// How many different values.
fn distinct(entries: &[Entry]) -> i64 {
    // a person's session shows one or two
    let Some(first) = entries.first() else { return 0 };
    if entries.iter().all(|e| e.value == first.value) {
        return 1;
    }
    let mut values: Vec<u64> = entries.iter().map(|e| e.value).collect();
    values.sort_unstable();
    values.dedup();
    values.len() as i64
}

/// How many fired episodes are remembered of all decisions together, of one [`limits::EPISODES`]: tuning a policy makes another decision
/// of it, and what the former one fired stays.
const FIRED_IN_ALL: usize = 8 * limits::EPISODES;

/// In which episodes which decisions have fired: policies that accumulate the same share a cell, and decide each for itself.
/// Their episodes differ in length, so that one's numbers say nothing about another's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fired(Vec<(u64, i64)>);

impl Fired {
    /// Marks the episode; `false` where it had been.
    pub fn fire(&mut self, decision: &Digest, episode: i64) -> bool {
        let mut short = [0; 8];
        short.copy_from_slice(&decision.0[..8]);
        let decision = u64::from_be_bytes(short);
        let Err(at) = self.0.binary_search(&(decision, episode)) else { return false };
        let own = self.of(decision);
        // older than all that are remembered: it may have fired, and is not to fire again and again
        if at == own.start && own.len() >= limits::EPISODES {
            return false;
        }
        self.0.insert(at, (decision, episode));
        if own.len() >= limits::EPISODES {
            self.0.remove(own.start);
        } else if self.0.len() > FIRED_IN_ALL {
            // whoever has most gives up its oldest
            let most = self.0.chunk_by(|a, b| a.0 == b.0).max_by_key(|marks| marks.len()).map_or(decision, |m| m[0].0);
            self.0.remove(self.of(most).start);
        }
        true
    }

    /// Where the marks of a decision stand.
    fn of(&self, decision: u64) -> std::ops::Range<usize> {
        self.0.partition_point(|m| m.0 < decision)..self.0.partition_point(|m| m.0 <= decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(time: i64, n: u8, amount: i128, value: u64) -> Entry {
        let mut event = [0; 16];
        event[0] = n;
        Entry { time: EventTime(time), event: EventId(event), rule: 0, amount, value }
    }

    #[test]
    fn what_one_policy_fires_each_hour_silences_no_other_that_counts_in_months() {
        let mut fired = Fired::default();
        let (hourly, monthly) = (Digest([1; 32]), Digest([2; 32]));
        let hours = 3 * limits::EPISODES as i64;
        for hour in 0..hours {
            assert!(fired.fire(&hourly, 480_000 + hour));
            assert!(!fired.fire(&hourly, 480_000 + hour));
        }
        assert!(fired.fire(&monthly, 666) && !fired.fire(&monthly, 666));
        assert!(!fired.fire(&hourly, 480_000), "older than what is remembered");
        for tuned in 3..100 {
            (0..limits::EPISODES as i64).for_each(|day| assert!(fired.fire(&Digest([tuned; 32]), day)));
        }
        assert!(fired.0.len() <= FIRED_IN_ALL && !fired.fire(&monthly, 666));
    }

    #[test]
    fn a_window_is_open_at_its_start_and_closed_at_its_end() {
        let mut w = Window::default();
        let span = Millis(10);
        for (i, t) in [0, 10, 11].into_iter().enumerate() {
            assert_eq!(w.insert(entry(t, i as u8, 5, i as u64), span, false), Inserted::New);
        }
        assert_eq!(w.measure(EventTime(10), span), Measured { count: 1, sum: 5, distinct: 1 });
        assert_eq!(w.measure(EventTime(11), span), Measured { count: 2, sum: 10, distinct: 2 });
        assert_eq!(w.touched(EventTime(0), span).collect::<Vec<_>>(), [EventTime(0)], "it is in no later window");
        assert_eq!(w.touched(EventTime(1), span).collect::<Vec<_>>(), [EventTime(10)]);
        let again = w.insert(entry(11, 2, 5, 2), span, false);
        assert_eq!(again, Inserted::Known, "the same contribution twice counts once");
    }

    #[test]
    fn order_matters_only_where_it_is_asked_for() {
        let mut w = Window::default();
        let span = Millis(100);
        w.insert(Entry { rule: 1, ..entry(1, 1, 0, 0) }, span, false);
        w.insert(Entry { rule: 0, ..entry(2, 2, 0, 0) }, span, false);
        assert!(w.has_all(2, EventTime(2), span));
        assert!(!w.has_in_order(2, EventTime(2), span));
        w.insert(Entry { rule: 1, ..entry(3, 3, 0, 0) }, span, false);
        assert!(w.has_in_order(2, EventTime(3), span));
    }

    #[test]
    fn a_run_of_the_same_is_kept_as_few_and_still_counts_once_in_every_window() {
        let span = Millis(100);
        let mut w = Window::default();
        for t in 0..1000 {
            let mut e = entry(t, 0, 0, 7);
            e.event.0[..8].copy_from_slice(&t.to_be_bytes());
            w.insert(e, span, true);
            assert_eq!(w.measure(EventTime(t), span).distinct, 1);
        }
        assert!(w.entries.len() < 50, "{} entries", w.entries.len());
        for late in (100..1000).step_by(13) {
            let mut w = w.clone();
            w.insert(entry(late, 255, 0, 8), span, true);
            assert_eq!(w.measure(EventTime(late), span).distinct, 2, "the run is still there at {late}");
        }
    }

    #[test]
    fn a_run_goes_on_until_the_event_that_it_was_moved_to() {
        let mut w = Window::default();
        let mut add = |time: i64, n: u8, rule: u16| {
            w.insert(Entry { rule, ..entry(time, n, 0, 0) }, Millis(1000), true);
        };
        // the last is one event of both rules, and stands behind itself in none of the orders in which ids may stand
        [(0, 9, 0), (100, 9, 0), (300, 5, 0), (300, 5, 1)].into_iter().for_each(|(time, n, rule)| add(time, n, rule));
        assert!(w.has_in_order(2, EventTime(300), Millis(1000)));
        assert!(w.has_in_order(2, EventTime(1000), Millis(1000)), "the first of the run is past");
    }

    #[test]
    fn at_the_bound_the_oldest_go() {
        let mut w = Window::default();
        for i in 0..(limits::WINDOW_ENTRIES as i64 + 10) {
            let mut e = entry(i, 0, 1, 0);
            e.event.0[..8].copy_from_slice(&i.to_be_bytes());
            w.insert(e, Millis::DAY, false);
        }
        assert!(w.entries.len() <= limits::WINDOW_ENTRIES);
        assert!(w.folded > 0);
    }

    proptest! {
        #[test]
        fn the_times_at_which_a_threshold_holds_do_not_depend_on_the_order_of_arrival(
            mut list in prop::collection::vec((0i64..500, 1i128..10, 0u64..6), 1..60),
            seed in any::<u64>(),
            gte in 2i64..40,
        ) {
            let span = Millis(50);
            let fires = |list: &[(i64, i128, u64)], ids: &[usize]| {
                let mut w = Window::default();
                let mut held = std::collections::BTreeSet::new();
                for (&(t, a, v), &i) in list.iter().zip(ids) {
                    w.insert(entry(t, i as u8, a, v), span, false);
                    for at in w.touched(EventTime(t), span).collect::<Vec<_>>() {
                        let m = w.measure(at, span);
                        // the fast path must agree with reckoning it from scratch
                        let mut slow = w.clone();
                        slow.running = None;
                        assert_eq!(m, slow.measure(at, span));
                        if m.sum >= gte.into() { held.insert(("sum", at)); }
                        if m.distinct > gte / 8 { held.insert(("distinct", at)); }
                        if m.count > gte / 4 { held.insert(("count", at)); }
                    }
                }
                held
            };
            list.sort();
            let ids: Vec<usize> = (0..list.len()).collect();
            let sorted = fires(&list, &ids);
            let mut shuffled: Vec<(usize, (i64, i128, u64))> = ids.iter().copied().zip(list.iter().copied()).collect();
            let mut x = seed | 1;
            for i in (1..shuffled.len()).rev() {
                x ^= x << 13; x ^= x >> 7; x ^= x << 17;
                shuffled.swap(i, (x % (i as u64 + 1)) as usize);
            }
            let (ids, list): (Vec<_>, Vec<_>) = shuffled.into_iter().unzip();
            prop_assert_eq!(sorted, fires(&list, &ids));
        }
    }
}
