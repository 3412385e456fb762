//! `new_value`: what an entity has not used before.
//!
//! A value is new while the entity has not used it within the history (`timespan`), once the entity has been watched for
//! a number of days and of observations. Dormancy never restarts the learning. Trails arrive apart: a sight that comes in
//! after a later one becomes the first sight, and is as new as it would have been in time. What was new before that cannot
//! be taken back, so exactness comes from the recorded order.
use super::crowd::Users;
use super::hindsight::{Held, Hindsight, History, texts};
use super::read::shown;
use super::terms::{digest_crowd, digest_learning, fields, learning, span_text, still_learning};
use super::window::Fired;
use super::{
    Cell, Change, Cohort, CohortSeen, ComparedWith, Contribution, Crowd, Evaluation, Learning, Naming, Observation,
    Operator, Reads, Report, Resolve, Terms, Words, terms,
};
use crate::model::{EventId, EventTime, HashParts, Measure, Millis, Text, limits};
use crate::syntax::FieldRef;
use crate::syntax::error::Fault;
use crate::syntax::range::{length, length_text};
use crate::syntax::yaml::{Node, Word};
use serde::{Deserialize, Serialize};

/// How long after something suspicious what is new is held, and how far back: a working shift.
const SHIFT: Millis = Millis::HOUR.times(12);

/// How many of the values known so far a finding names.
const NAMED: usize = 5;

/// What makes a value new. Its timespan says how long a value unseen is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewValue<F = FieldRef> {
    /// The tuple, at most five fields.
    pub fields: Vec<F>,
    /// How long nothing is new.
    pub learning: Learning,
    /// For how long after it was first seen a value counts as new; zero: only in the event that first shows it.
    pub new_for: Millis,
    /// Whose use of the value makes it ordinary for everybody.
    pub crowd: Option<Crowd>,
}

impl NewValue<Word> {
    pub(super) const KEYS: &[&str] = &["fields", "learning", "new-for", "crowd"];

    pub(super) fn read(_: &str, node: &Node, _: &[Word]) -> Result<NewValue<Word>, Fault> {
        Ok(NewValue {
            fields: fields(node)?,
            // A working week, and enough sightings that a value is more than chance: Microsoft Entra's minimum for sign-ins is
            // five days; two more make sure of a weekend.
            learning: learning(node, Learning { days: 7, observations: 5 })?,
            new_for: node.get("new-for").map_or(Ok(Millis(0)), |n| length(n, "new-for"))?,
            crowd: terms::crowd(node)?,
        })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<NewValue, Fault> {
        let NewValue { learning, new_for, crowd, .. } = *self;
        Ok(NewValue { fields: fields(&self.fields)?, learning, new_for, crowd })
    }
}

impl NewValue {
    fn limits(&self, span: Millis) -> Limits {
        Limits {
            history: span,
            learn_for: Millis::DAY.times(self.learning.days.into()),
            learn_observations: self.learning.observations,
            new_for: self.new_for,
        }
    }
}

impl Terms for NewValue {
    fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    fn reads(&self) -> Reads<'_> {
        Reads { value: &self.fields, cohort: self.crowd.map_or(ComparedWith::Nobody, |_| ComparedWith::Users) }
    }

    fn learning(&self) -> Option<Learning> {
        Some(self.learning)
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        // what is counted, and which values were known when the learning ended, depends on how long it lasts
        let parts = digest_learning(parts, self.learning).part(b"new_value");
        self.fields.iter().fold(parts, |parts, field| parts.part(&name(field)))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_crowd(digest_learning(parts, self.learning).number(self.new_for.0), self.crowd.as_ref())
    }

    fn says(&self, words: &Words<'_>) -> String {
        let Learning { days, observations } = self.learning;
        let (value, history) = (words.tuple(&self.fields), words.length());
        let mut says = format!(
            "{value} in an event of {}, not used{} in the {history} before, once that has been watched for {days} days and {observations} events",
            words.any(),
            words.by()
        );
        if self.new_for.0 > 0 {
            says += &format!("; it counts as new for {}", length_text(self.new_for));
        }
        if let Some(crowd) = &self.crowd {
            says += &format!("; what {} others use within {} is not new", crowd.entities, length_text(crowd.within));
        }
        says
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let (value, history, by) = (words.tuple(&self.fields), words.length(), words.by());
        let mut ways = vec![format!("the same {value} used{by} in the {history} before")];
        if self.new_for.0 > 0 {
            ways.push(format!("its first use more than {} before", length_text(self.new_for)));
        }
        ways.push(still_learning(&self.learning, "the same entity"));
        ways.extend(
            self.crowd
                .map(|crowd| format!("{} others who use it within {}", crowd.entities, length_text(crowd.within))),
        );
        ways
    }
}

impl NewValue {
    /// Whether the value that the event shows was first used there, or so lately that it still counted as new. Nothing where the
    /// event has no such value.
    fn is_first_use(&self, history: &dyn History) -> Option<bool> {
        let asked = history.asked();
        let value = texts(asked, &self.fields)?;
        let mut uses = history.of_entity().filter(|event| texts(event, &self.fields).as_ref() == Some(&value));
        let first = uses.next().map_or(asked.time, |event| event.time);
        Some(asked.time.since(first) <= self.new_for)
    }
}

impl Hindsight for NewValue {
    fn is_of_several(&self) -> bool {
        false
    }

    fn held(&self, here: Held, history: &mut dyn History) -> Held {
        match self.is_first_use(history) {
            Some(true) => here,
            Some(false) => Held::No,
            // a field of the product's own is not kept
            None if self.fields.iter().any(|field| matches!(field, FieldRef::Raw(_))) => Held::Unknown,
            None => Held::No,
        }
    }

    fn found(&self, history: &mut dyn History) -> Option<String> {
        let value = texts(history.asked(), &self.fields)?.join(" + ");
        let (whom, since) = (history.whom(), history.since());
        Some(match self.is_first_use(history)? {
            true => format!("{value}, of which nothing is recorded of {whom} before (looked at from {since} on)"),
            false => format!("{value}, which {whom} had used before"),
        })
    }
}

impl Operator for NewValue {
    type Cell = Values;
    type Sight = ();
    const QUARANTINES: bool = true;

    fn observe(&self, values: &mut Values, cohort: Cohort<'_>, c: &Contribution<'_>) -> Observation<()> {
        let Some(value) = c.value else { return Observation::nothing(Some(EventTime(i64::MAX))) };
        let limits = self.limits(c.span);
        let evicted = values.evicted();
        let sight = values.observe(c.event.id, value, c.time, &limits);
        let overflowed = values.evicted() > evicted;
        let mut seen = Observation {
            // one value says nothing of another, unless it takes its place
            change: match (overflowed, sight.changed) {
                (true, _) => Change::All,
                (false, true) => Change::Own,
                (false, false) => Change::None,
            },
            expires: values.expires(&limits),
            noop_until: (!sight.changed && !sight.new).then_some(sight.same_until),
            is_evidence: sight.first,
            overflowed,
            ..Observation::nothing(None)
        };
        seen.satisfied.extend(sight.new.then_some(c.time));
        // those whom it is old for say nothing of it
        if let Some(crowd) = self.crowd.as_ref().filter(|_| sight.new)
            && let Some(users) = cohort.get::<Users>()
        {
            let used = users.observe(c.entity, c.time, crowd);
            let mut of_crowd = CohortSeen::of(&used, users.expires(crowd));
            if used.others >= crowd.entities {
                of_crowd.began = Some(used.others);
                seen.satisfied.clear();
                // it may be new again when the crowd has gone
                (seen.is_evidence, seen.noop_until) = (false, None);
            }
            seen.cohort = Some(of_crowd);
        }
        seen
    }

    fn report(&self, values: &mut Values, c: &Contribution<'_>, at: EventTime, (): &(), words: &Words<'_>) -> Report {
        let value = c.value.map(Text::as_str).unwrap_or_default();
        let (known, usual) = values.usual(NAMED, value);
        let measure = Measure {
            what: words.tuple(&self.fields).into(),
            value: shown(value).into(),
            against: format!("not among the {known} known: {}", shown(&usual.join(", "))).into(),
        };
        Report { first: at, measures: vec![measure], witnesses: vec![c.witness(c.event.time)] }
    }

    fn cohort_report(&self, c: &Contribution<'_>, others: u32, words: &Words<'_>) -> Option<(Text, Report)> {
        let crowd = self.crowd?;
        let (fields, value) = (words.tuple(&self.fields), shown(c.value.map(Text::as_str).unwrap_or_default()));
        let measure = Measure {
            what: format!("began to use {fields} {value}").into(),
            value: (others + 1).to_string().into(),
            against: format!(
                "more than {} within {} is a change of everybody's",
                crowd.entities,
                span_text(crowd.within)
            )
            .into(),
        };
        let report = Report { first: c.time, measures: vec![measure], witnesses: vec![c.witness(c.event.time)] };
        Some((format!("{fields}={value} of several at once").into(), report))
    }

    fn explain(
        &self,
        values: Option<Values>,
        cohort: Option<Cell>,
        c: &Contribution<'_>,
        words: &Words<'_>,
    ) -> Evaluation {
        let fields = words.tuple(&self.fields);
        let mut values = values.unwrap_or_default();
        let Some(value) = c.value else {
            let measure = Measure { what: fields.into(), value: "not there".into(), against: "a value".into() };
            return Evaluation::of(false, vec![measure]);
        };
        let learning = watched(&values, self, c.time);
        let (known, usual) = values.usual(NAMED, value);
        let mut measured = vec![Measure {
            what: fields.into(),
            value: shown(value).into(),
            against: format!("{known} others known: {}", shown(&usual.join(", "))).into(),
        }];
        let mut holds = values.observe(EventId([0; 16]), value, c.time, &self.limits(c.span)).new;
        if let Some(crowd) = &self.crowd {
            let mut users = if let Some(Cell::Users(users)) = cohort { users } else { Users::default() };
            let others = users.observe(c.entity, c.time, crowd).others;
            holds &= others < crowd.entities;
            let against = format!("from {} on it is ordinary", crowd.entities).into();
            let what = format!("others who use it within {}", span_text(crowd.within)).into();
            measured.push(Measure { what, value: others.to_string().into(), against });
        }
        Evaluation { learning: Some(learning), ..Evaluation::of(holds, measured) }
    }

    fn quarantine(&self, values: &mut Values, at: EventTime, span: Millis) -> Option<EventTime> {
        let limits = self.limits(span);
        values.suspect(at, &limits).then(|| values.expires(&limits))
    }
}

/// How far the learning has come.
fn watched(values: &Values, new: &NewValue, at: EventTime) -> String {
    let Some((since, seen)) = values.watched() else { return "nothing has been watched yet".to_owned() };
    let days = at.since(since).0 / Millis::DAY.0;
    let (needed, events) = (new.learning.days, new.learning.observations);
    match days >= i64::from(needed) && seen >= events {
        true => format!("done: watched for {days} days of the {needed} that it takes, and for the {events} events"),
        false => {
            format!("watched for {days} of {needed} days and {seen} of {events} events: until then nothing is new")
        }
    }
}

/// When a value is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A value unseen for so long is forgotten.
    pub history: Millis,
    /// Nothing is new before the entity has been watched for so long …
    pub learn_for: Millis,
    /// … and in so many observations.
    pub learn_observations: u32,
    /// For how long after its first sight a value counts as new.
    pub new_for: Millis,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    value: Text,
    first: EventTime,
    last: EventTime,
    /// Seen first when the learning was over: only such a value is ever new.
    after_learning: bool,
    /// Seen first where something was suspicious: new until that is excused.
    held: bool,
}

/// The values of one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    since: Option<EventTime>,
    observations: u32,
    last: EventTime,
    /// Sorted by value.
    known: Vec<Known>,
    fired: Fired,
    /// The event that was counted last: several policies may learn from this cell, and each shows it the event.
    #[serde(skip)]
    counted: Option<EventId>,
    /// Until then what is new is held.
    suspect_until: Option<EventTime>,
    /// How many values were let go at [`limits::VALUES_PER_ENTITY`].
    evicted: u64,
}

/// What an observation showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The value is new for this entity.
    pub new: bool,
    /// This is the event that first shows the new value.
    pub first: bool,
    /// The state changed in a way that must be written.
    pub changed: bool,
    /// Until then a further sight of the same changes nothing, where this one did not.
    pub same_until: EventTime,
}

impl Values {
    /// Takes up a sight of `value`.
    pub fn observe(&mut self, event: EventId, value: &str, at: EventTime, terms: &Limits) -> Sight {
        let again = self.counted.replace(event) == Some(event);
        // the stamps of last sights are kept coarsely: a page view must not cost a write
        let grain = Millis((terms.history.0 / 32).max(1));
        let coarse = EventTime(at.0 - at.0.rem_euclid(grain.0));
        let earliest = self.since.is_none_or(|since| at < since);
        let mut changed = earliest || self.observations < terms.learn_observations || coarse > self.last;
        let since = if earliest { at } else { self.since.unwrap_or(at) };
        self.since = Some(since);
        let seen = self.observations - u32::from(again && self.observations > 0);
        let learned = at.since(since) >= terms.learn_for && seen >= terms.learn_observations;
        // no further than anybody asks, so that what is known for long stays as it is
        self.observations += u32::from(self.observations < terms.learn_observations && !again);
        self.last = self.last.max(coarse);
        let place = self.known.binary_search_by(|k| k.value.as_str().cmp(value));
        let known = match place {
            Ok(i) => {
                let known = &mut self.known[i];
                if at < known.first {
                    // observations are counted as they arrive: what was not over later was not over before
                    (known.first, known.after_learning) = (at, known.after_learning && learned);
                    changed = true;
                } else if at.since(known.last) > terms.history {
                    (known.first, known.after_learning) = (at, learned);
                    changed = true;
                }
                // of what is held it is kept more finely when it was in use: a finding that shows it may be dismissed
                let used = if known.held { EventTime(at.0 - at.0.rem_euclid(Millis::MINUTE.0)) } else { coarse };
                if used > known.last {
                    known.last = used;
                    changed = true;
                }
                known
            }
            Err(i) => {
                changed = true;
                let held = learned && self.suspect_until.is_some_and(|until| at <= until);
                let known = Known { value: value.into(), first: at, last: coarse, after_learning: learned, held };
                self.known.insert(i, known);
                let i = self.make_room(i);
                &mut self.known[i]
            }
        };
        let new = known.after_learning && (known.held || at.since(known.first) <= terms.new_for);
        Sight { new, first: new && known.first == at, changed, same_until: coarse.plus(grain) }
    }

    /// Something suspicious happened at `at`: what is new then, and for a shift after, is not learned. Says whether that
    /// changes anything.
    pub fn suspect(&mut self, at: EventTime, terms: &Limits) -> bool {
        // however long a policy calls a value new: what was in use for a day before has been learned
        let lately = terms.new_for.clamp(SHIFT, Millis::DAY);
        let until = Some(at.plus(SHIFT)).max(self.suspect_until);
        let mut changed = until != self.suspect_until;
        for known in self.known.iter_mut() {
            let held = known.held || known.after_learning && known.first <= at && at.since(known.first) <= lately;
            changed |= held != known.held;
            known.held = held;
        }
        self.suspect_until = until;
        changed
    }

    /// What was suspicious at `shown` was honest: of what is held, what was in use within the day before. What came after it stays held.
    /// Says whether that changes anything.
    pub fn release(&mut self, shown: EventTime) -> bool {
        let mut changed = false;
        let used_then = |k: &Known| k.first <= shown && shown.since(k.first.max(k.last)) <= Millis::DAY;
        for known in self.known.iter_mut().filter(|known| known.held && used_then(known)) {
            (known.held, changed) = (false, true);
        }
        // unless something suspicious came later
        let over = self.suspect_until.take_if(|until| *until <= shown.plus(SHIFT)).is_some();
        changed || over
    }

    /// Since when the entity has been watched, and how many of the observations that it takes there were; nothing before the first.
    pub fn watched(&self) -> Option<(EventTime, u32)> {
        self.since.map(|since| (since, self.observations))
    }

    /// How many values are known, and the most lately used of them, at most `n`.
    pub fn usual(&self, n: usize, but: &str) -> (usize, Vec<&str>) {
        let mut known: Vec<&Known> = self.known.iter().filter(|k| k.value != but).collect();
        let count = known.len();
        known.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.value.cmp(&b.value)));
        (count, known.into_iter().take(n).map(|k| k.value.as_str()).collect())
    }

    pub(super) fn fired_mut(&mut self) -> &mut Fired {
        &mut self.fired
    }

    /// How many values were let go.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// When nothing of it can matter any more. What an entity has learned outlives its dormancy by far.
    pub fn expires(&self, terms: &Limits) -> EventTime {
        self.last.plus(terms.history.times(2).max(Millis::DAY.times(400)))
    }

    /// Lets the value unseen for longest go where there are too many; returns where the one at `kept` stands now.
    fn make_room(&mut self, kept: usize) -> usize {
        if self.known.len() <= limits::VALUES_PER_ENTITY {
            return kept;
        }
        let oldest =
            (0..self.known.len()).filter(|i| *i != kept).min_by_key(|i| (self.known[*i].last, *i)).unwrap_or(0);
        self.known.remove(oldest);
        self.evicted += 1;
        if oldest < kept { kept - 1 } else { kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Limits = Limits {
        history: Millis::DAY.times(30),
        learn_for: Millis::DAY.times(7),
        learn_observations: 3,
        new_for: Millis::HOUR,
    };

    /// Each sight is an event of its own.
    fn see(values: &mut Values, value: &str, at: EventTime, terms: &Limits) -> Sight {
        values.counted = None;
        let sight = values.observe(EventId([0; 16]), value, at, terms);
        values.counted = None;
        sight
    }

    #[test]
    fn an_event_that_several_policies_show_counts_once() {
        let mut v = Values::default();
        let terms = Limits { learn_for: Millis(0), learn_observations: 2, ..TERMS };
        for n in 0..3u8 {
            for _ in 0..4 {
                assert_eq!(v.observe(EventId([n; 16]), &n.to_string(), EventTime(n.into()), &terms).new, n == 2);
            }
        }
    }

    fn day(n: i64) -> EventTime {
        EventTime(0).plus(Millis::DAY.times(n))
    }

    fn learned() -> Values {
        let mut v = Values::default();
        for n in 0..8 {
            assert!(!see(&mut v, "a", day(n), &TERMS).new);
        }
        v
    }

    #[test]
    fn nothing_is_new_before_both_days_and_observations() {
        let mut v = Values::default();
        see(&mut v, "a", day(0), &TERMS);
        assert!(!see(&mut v, "b", day(9), &TERMS).new, "one observation is not enough");
        let mut v = Values::default();
        for i in 0..10 {
            see(&mut v, "a", EventTime(i), &TERMS);
        }
        assert!(!see(&mut v, "b", EventTime(11), &TERMS).new, "a moment is not enough");
    }

    #[test]
    fn a_value_stays_new_for_its_time_and_is_then_known() {
        let mut v = learned();
        assert!(see(&mut v, "b", day(8), &TERMS).new);
        assert!(see(&mut v, "b", day(8).plus(Millis::HOUR), &TERMS).new);
        assert!(!see(&mut v, "b", day(8).plus(Millis(Millis::HOUR.0 + 1)), &TERMS).new);
        assert!(!see(&mut v, "a", day(8), &TERMS).new);
    }

    #[test]
    fn a_value_is_forgotten_but_dormancy_does_not_restart_the_learning() {
        let mut v = learned();
        assert!(see(&mut v, "a", day(60), &TERMS).new, "forgotten, and the learning is not over again");
    }

    #[test]
    fn what_is_seen_while_learning_is_never_new() {
        let mut v = learned();
        see(&mut v, "a", day(8), &TERMS);
        let terms = Limits { new_for: Millis::DAY.times(30), ..TERMS };
        assert!(!see(&mut v, "a", day(9), &terms).new);
    }

    #[test]
    fn at_the_bound_the_value_unseen_for_longest_goes() {
        let mut v = Values::default();
        for i in 0..=limits::VALUES_PER_ENTITY as i64 {
            see(&mut v, &format!("{i:08}"), day(i), &TERMS);
        }
        assert_eq!(v.known.len(), limits::VALUES_PER_ENTITY);
        assert_eq!(v.evicted, 1);
        assert_eq!(v.known[0].value, "00000001");
    }

    #[test]
    fn two_sights_in_the_other_order_are_as_new() {
        let (early, late) = (day(8), day(8).plus(Millis::MINUTE));
        let (mut one, mut other) = (learned(), learned());
        assert!(see(&mut one, "b", early, &TERMS).new && see(&mut one, "b", late, &TERMS).new);
        assert!(see(&mut other, "b", late, &TERMS).new && see(&mut other, "b", early, &TERMS).new);
        assert_eq!(one, other);
        // an old habit that arrives late is no news, and makes what follows none
        assert!(!see(&mut other, "b", day(2), &TERMS).new);
        assert!(!see(&mut other, "b", late, &TERMS).new);
    }

    #[test]
    fn a_late_sight_is_no_newer_than_it_would_have_been_in_time() {
        let mut v = Values::default();
        see(&mut v, "a", day(0), &TERMS);
        for n in 0..8 {
            assert!(!see(&mut v, "b", day(8).plus(Millis::MINUTE.times(n)), &TERMS).new, "seen too seldom by then");
        }
        assert!(!see(&mut v, "b", day(8).plus(Millis(-1)), &TERMS).new);
    }

    #[test]
    fn what_was_suspicious_stays_new_until_it_is_excused() {
        let mut v = learned();
        assert!(see(&mut v, "b", day(8), &TERMS).new);
        assert!(v.suspect(day(8), &TERMS));
        assert!(see(&mut v, "b", day(20), &TERMS).new, "held");
        assert!(!see(&mut v, "a", day(20), &TERMS).new, "what was known before is not");
        assert!(see(&mut v, "c", day(8).plus(Millis::HOUR), &TERMS).new);
        assert!(see(&mut v, "c", day(9), &TERMS).new, "first seen in the suspicious shift");
        assert!(!v.release(day(5)), "that showed nothing of it");
        assert!(v.release(day(8)));
        assert!(!see(&mut v, "b", day(21), &TERMS).new);
        assert!(see(&mut v, "c", day(21), &TERMS).new, "what came after it is not what it showed");
        assert!(v.release(day(21)), "a later finding showed it");
        assert!(!see(&mut v, "c", day(22), &TERMS).new);
    }

    #[test]
    fn what_comes_to_be_held_is_a_change_though_something_later_was_suspicious_before() {
        let mut v = learned();
        assert!(see(&mut v, "b", day(8), &TERMS).new);
        assert!(v.suspect(day(10), &TERMS), "too long after it");
        assert!(v.suspect(day(8), &TERMS), "b is held from now on: it must be written");
        assert!(!v.suspect(day(8), &TERMS), "and once");
    }

    #[test]
    fn a_repeated_sight_costs_no_write() {
        let mut v = learned();
        assert!(!see(&mut v, "a", day(7).plus(Millis::MINUTE), &TERMS).changed);
    }
}
