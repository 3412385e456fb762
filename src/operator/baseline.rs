//! `baseline`: an amount far from what is usual.
//!
//! An entity's past is the largest amount that its window reached on each active day; what is usual is a percentile of
//! those, so that a few bad days raise nothing, and a day that was far does not count. Its peers' past is a sketch of the same
//! days of all of them. Not monotone: what is far depends on what came before.
use super::hindsight::Hindsight;
use super::terms::{digest_learning, digest_range, learning, need, span_text, still_learning};
use super::window::{Entry, Fired, Window};
use super::{
    Bounds, Cell, Change, Cohort, CohortSeen, ComparedWith, Contribution, Evaluation, Learning, Naming, Observation,
    Operator, Reads, Report, Resolve, Terms, Words, amount,
};
use crate::model::{EventId, EventTime, HashParts, Measure, Millis, Text, limits};
use crate::syntax::error::{Fault, did_you_mean, quoted};
use crate::syntax::range::{length, length_text, range, tuple};
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};
use serde::{Deserialize, Serialize};

/// How many active days are remembered.
const DAYS: usize = 128;
/// A sketch of fewer days than this tells nothing of what is usual for peers: a month of one colleague.
const ENOUGH_OF_PEERS: u64 = 30;

/// An amount far from what is usual. Its timespan is the window of the amount.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline<F = FieldRef> {
    /// What is measured.
    pub measure: Amount<F>,
    /// For how long the past counts.
    pub history: Millis,
    /// How long nothing is far.
    pub learning: Learning,
    /// Which percentile of the days' largest amounts is usual. Not the largest: one bad day must not raise it.
    pub percentile: u8,
    /// The fields that peers have in common; empty: nobody is compared with others.
    pub peers: Vec<F>,
    /// Below this amount nothing is far, however little is usual.
    pub floor: i64,
    /// How many times the usual amount, of the entity's own and of its peers'.
    pub range: Range,
}

/// What is measured in a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount<F = FieldRef> {
    /// How many events.
    Count,
    /// The sum of a field.
    Sum(F),
    /// How many different values of a tuple.
    Distinct(Vec<F>),
}

impl Baseline<Word> {
    pub(super) const KEYS: &[&str] =
        &["measure", "field", "history", "learning", "percentile", "peers", "floor", "condition"];

    pub(super) fn read(_: &str, node: &Node, _: &[Word]) -> Result<Baseline<Word>, Fault> {
        Ok(Baseline {
            measure: Amount::read(node)?,
            history: node.get("history").map_or(Ok(Millis::DAY.times(60)), |n| length(n, "history"))?,
            learning: learning(node, Learning { days: 14, observations: 5 })?,
            percentile: node.get("percentile").map_or(Ok(90), |n| n.whole("percentile", 50, 100))? as u8,
            peers: node.get("peers").map_or(Ok(Vec::new()), |n| tuple(n, "peers"))?,
            floor: node.get("floor").map_or(Ok(1), |n| n.whole("floor", 1, i64::MAX))?,
            range: range(need(node, "condition")?, &[])?,
        })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<Baseline, Fault> {
        Ok(Baseline {
            measure: match &self.measure {
                Amount::Count => Amount::Count,
                Amount::Sum(field) => Amount::Sum(super::terms::one(field, fields)?),
                Amount::Distinct(tuple) => Amount::Distinct(fields(tuple)?),
            },
            history: self.history,
            learning: self.learning,
            percentile: self.percentile,
            peers: fields(&self.peers)?,
            floor: self.floor,
            range: self.range.clone(),
        })
    }
}

impl Amount<Word> {
    fn read(node: &Node) -> Result<Amount<Word>, Fault> {
        let measure_node = need(node, "measure")?;
        let measure = measure_node.text("measure")?;
        let field = |key| {
            node.get("field").map_or_else(
                || Err(Fault::at(node.line, format!("to measure {} takes a `field`", quoted(key)))),
                |f| tuple(f, "field"),
            )
        };
        match measure.as_str() {
            "count" if node.get("field").is_some() => {
                Err(Fault::at(node.line, "to measure `count` takes no `field`: every event counts one"))
            }
            "count" => Ok(Amount::Count),
            "sum" => match &field("sum")?[..] {
                [one] => Ok(Amount::Sum(one.clone())),
                _ => Err(Fault::at(node.line, "to measure `sum` takes one field")),
            },
            "distinct" => Ok(Amount::Distinct(field("distinct")?)),
            other => {
                let near = did_you_mean(other, ["count", "sum", "distinct"]);
                let message = format!("`measure` is one of count, sum, distinct, and not {}{near}", quoted(other));
                Err(Fault::at(measure_node.line, message))
            }
        }
    }
}

impl Amount {
    /// What is measured, in words; `sum` is how a sum is called.
    fn words(&self, sum: &str, words: &Words<'_>) -> String {
        match self {
            Amount::Count => "events".to_owned(),
            Amount::Sum(field) => format!("{sum} of {}", words.field(field)),
            Amount::Distinct(fields) => format!("different {}", words.tuple(fields)),
        }
    }

    /// What the window came to.
    fn reached(&self, window: &Window, at: EventTime, span: Millis) -> i64 {
        let measured = window.measure(at, span);
        match self {
            Amount::Count => measured.count,
            Amount::Sum(_) => amount::saturated(measured.sum),
            Amount::Distinct(_) => measured.distinct,
        }
    }
}

impl Baseline {
    fn own(&self, past: &Past, at: EventTime) -> Option<i64> {
        past.usual(at, self.history, self.percentile, self.learning.days, self.learning.observations)
    }

    fn is_far(&self, reached: i64, usual: i64) -> bool {
        reached >= self.floor && self.range.holds(reached as f64 / usual.max(1) as f64)
    }
}

impl Terms for Baseline {
    fn fields(&self) -> &[FieldRef] {
        match &self.measure {
            Amount::Count => &[],
            Amount::Sum(field) => std::slice::from_ref(field),
            Amount::Distinct(fields) => fields,
        }
    }

    fn reads(&self) -> Reads<'_> {
        let value = if let Amount::Distinct(fields) = &self.measure { &fields[..] } else { &[] };
        Reads {
            value,
            cohort: if self.peers.is_empty() { ComparedWith::Nobody } else { ComparedWith::Peers(&self.peers) },
        }
    }

    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        Some(Bounds { range: &self.range, what: "times the usual", least: 0.0, most: f64::INFINITY, whole: false })
    }

    fn fault(&self) -> Option<String> {
        let (days, wanted) = (self.history.0 / Millis::DAY.0, self.learning.days);
        let is_short = i64::from(wanted) > days;
        is_short.then(|| format!("`learning` wants {wanted} active days, and `history` reaches back {days}"))
    }

    fn learning(&self) -> Option<Learning> {
        Some(self.learning)
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        let parts = parts.number(self.history.0).number(self.peers.len() as i64);
        let parts = self.peers.iter().fold(parts, |parts, f| parts.part(&name(f)));
        let parts = match &self.measure {
            Amount::Count => parts.part(b"baseline of count"),
            Amount::Sum(_) => parts.part(b"baseline of sum"),
            Amount::Distinct(_) => parts.part(b"baseline of distinct"),
        };
        Terms::fields(self).iter().fold(parts, |parts, f| parts.part(&name(f)))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        let parts = digest_learning(parts, self.learning).number(self.percentile.into()).number(self.floor);
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        let peers = match self.peers.is_empty() {
            true => String::new(),
            false => format!(", and of those with the same {}", words.tuple(&self.peers)),
        };
        format!(
            "{} of {}{} {}: {} times what is usual on a day (percentile {} of {}{peers}), and {} or more",
            self.measure.words("the sum", words),
            words.any(),
            words.by(),
            words.within(),
            self.range,
            self.percentile,
            length_text(self.history),
            self.floor
        )
    }

    fn unless(&self, _: &Words<'_>) -> Vec<String> {
        vec![
            format!("an amount that is {} times what is usual", self.range.otherwise()),
            format!("an amount below {}, however little is usual", self.floor),
            still_learning(&self.learning, "the same entity"),
        ]
    }
}

/// What a window came to, and what is usual: for the entity itself, and for its peers.
#[derive(Debug, Default)]
pub struct Compared {
    reached: i64,
    own: Option<i64>,
    peers: Option<i64>,
}

impl Hindsight for Baseline {}

impl Operator for Baseline {
    type Cell = Past;
    type Sight = Compared;

    fn observe(&self, past: &mut Past, cohort: Cohort<'_>, c: &Contribution<'_>) -> Observation<Compared> {
        let contributed = match &self.measure {
            Amount::Count => Some((1, 0)),
            Amount::Sum(field) => amount::whole(c.event, field).map(|amount| (amount.max(0).into(), 0)),
            Amount::Distinct(_) => c.value.map(|_| (0, c.digest)),
        };
        let Some((amount, value)) = contributed else { return Observation::nothing(None) };
        // it may be there already: another policy that accumulates the same has put it there
        past.insert(Entry { time: c.time, event: c.event.id, rule: c.rule, amount, value }, c.span);
        let reached = self.measure.reached(&past.window, c.time, c.span);
        let own = self.own(past, c.time);
        let over = past.reached(reached, c.time, self.history);
        let mut compared = Compared { reached, own, peers: None };
        let mut of_peers = None;
        if let Some(sketch) = cohort.get::<Sketch>() {
            over.iter().for_each(|most| sketch.add(*most, c.time, self.history));
            compared.peers = sketch.usual(self.percentile);
            of_peers = over.map(|_| CohortSeen {
                change: Change::Own,
                expires: c.time.plus(self.history.times(2)),
                noop_until: None,
                began: None,
            });
        }
        let usual = own.into_iter().chain(compared.peers).max();
        let is_far = usual.is_some_and(|usual| self.is_far(reached, usual));
        if is_far {
            past.mark_far(c.time);
        }
        Observation {
            satisfied: is_far.then_some(c.time).into_iter().collect(),
            sight: compared,
            change: Change::Own,
            expires: past.expires(c.span, self.history),
            noop_until: None,
            is_evidence: is_far,
            overflowed: false,
            cohort: of_peers,
        }
    }

    fn report(
        &self,
        past: &mut Past,
        c: &Contribution<'_>,
        at: EventTime,
        seen: &Compared,
        words: &Words<'_>,
    ) -> Report {
        let told = |whose: &str, usual: Option<i64>| {
            let amount = usual.map_or("not known yet".into(), |n| n.to_string());
            format!("{whose} {amount}")
        };
        let mut usual = told("own", seen.own);
        if !self.peers.is_empty() {
            usual = format!("{usual}, {}", told("peers'", seen.peers));
        }
        let times = format!("{} times what is usual on a day (percentile {}): {usual}", self.range, self.percentile);
        let measure = Measure {
            what: format!("{} in {}", self.measure.words("sum", words), span_text(c.span)).into(),
            value: seen.reached.to_string().into(),
            against: times.into(),
        };
        let entries = past.window.within(at, c.span);
        let newest = entries.iter().rev().take(limits::EVIDENCE_PER_FINDING);
        let witnesses: Vec<(EventId, EventTime, Text)> = newest.map(|e| (e.event, e.time, c.policy.into())).collect();
        Report { first: entries.first().map_or(at, |e| e.time), measures: vec![measure], witnesses }
    }

    fn since(&self, past: &Past, span: Millis, at: EventTime) -> EventTime {
        past.window.within(at, span).first().map_or(at, |e| e.time)
    }

    fn explain(&self, past: Option<Past>, cohort: Option<Cell>, c: &Contribution<'_>, words: &Words<'_>) -> Evaluation {
        let Some(past) = past else { return Evaluation::default() };
        let reached = self.measure.reached(&past.window, c.time, c.span);
        let own = self.own(&past, c.time);
        let peers = match cohort {
            Some(Cell::Sketch(sketch)) => sketch.usual(self.percentile),
            _ => None,
        };
        let usual = own.into_iter().chain(peers).max();
        let holds = usual.is_some_and(|usual| self.is_far(reached, usual));
        let told = |usual: Option<i64>| usual.map_or("not known yet".to_owned(), |n| n.to_string());
        let (own_told, peers, range, floor) = (told(own), told(peers), &self.range, self.floor);
        let measure = Measure {
            what: format!("{} in {}", self.measure.words("sum", words), span_text(c.span)).into(),
            value: reached.to_string().into(),
            against: format!("{range} times what is usual (own {own_told}, peers' {peers}), and {floor} or more")
                .into(),
        };
        let learned = if own.is_some() { "what is usual is known" } else { "still learning what is usual" };
        Evaluation { learning: Some(learned.to_owned()), ..Evaluation::of(holds, vec![measure]) }
    }
}

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

    /// What was called far on the day of `shown` is usual after all. Says whether that is to be written.
    pub fn release(&mut self, shown: EventTime) -> bool {
        let day = shown.episode(Millis::DAY);
        self.days.iter_mut().find(|d| d.day == day && d.far).map(|d| d.far = false).is_some()
    }

    pub(super) fn fired_mut(&mut self) -> &mut Fired {
        &mut self.fired
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
        assert!(!past.release(day(1)) && past.release(day(2)));
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
