//! What one event means to the policies at its moment, for a person: what selects it and what does not, what each correlation that it
//! reaches measures, and what that is held against. Reads the state and changes nothing.
use super::baseline::{Past, Sketch};
use super::crowd::Users;
use super::learned::terms;
use super::plan::{Part, Step};
use super::state::{Slice, State, StateKey};
use super::values::Values;
use super::window::Window;
use super::windowed::average;
use super::{Engine, Meeting, SEPARATOR, Table, Touched, amount, is_or, span_text};
use crate::model::{Digest, Event, EventTime, Measure, Millis, Text};
use crate::policy::extension::{Amount, Baseline, NewValue};
use crate::policy::{Body, Correlation, CorrelationKind as Kind, Range};
use serde::Serialize;
use std::collections::BTreeSet;

/// What an event means to the policies.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Explained {
    /// The detections that select it.
    pub selected: Vec<Text>,
    /// Those for its activity that do not, with which of their conditions fail.
    pub missed: Vec<Missed>,
    /// The correlations that it reaches: one of their rules holds at it.
    pub reached: Vec<Reached>,
    /// The correlations that it would reach if another one held: their name, and that one's.
    pub waiting: Vec<(Text, Text)>,
}

/// A detection that does not select the event.
#[derive(Clone, Debug, Serialize)]
pub struct Missed {
    /// The policy's name.
    pub policy: Text,
    /// Which conditions fail.
    pub why: Vec<String>,
}

/// A policy that the event reaches.
#[derive(Clone, Debug, Serialize)]
pub struct Reached {
    /// The policy's name.
    pub policy: Text,
    /// By which of its rules; a detection by itself.
    pub by: BTreeSet<Text>,
    /// For whom: `actor.user.name=ana`.
    pub entity: Text,
    /// What makes it hold.
    pub says: String,
    /// What there is, and what it is held against.
    pub measured: Vec<Measure>,
    /// How far it has learned what is usual; nothing where it does not learn.
    pub learning: Option<String>,
    /// Whether it holds; nothing where that can't be told from outside.
    pub holds: Option<bool>,
    /// Whether it makes findings of its own of such events.
    pub tells: bool,
    /// It has made a finding about the same entity in this episode: it makes no second one.
    pub fired: bool,
    /// The length of its episode.
    pub episode: String,
}

/// What a correlation comes to.
#[derive(Default)]
struct Judged {
    holds: Option<bool>,
    measured: Vec<Measure>,
    learning: Option<String>,
}

impl Judged {
    fn of(holds: bool, measured: Vec<Measure>) -> Judged {
        Judged { holds: Some(holds), measured, learning: None }
    }
}

impl Engine {
    /// What the event at `at` means, as the state stands. Before [`Engine::advance`] it is what the event met, after it what it came
    /// to. All slices that it touches must be at hand, and none of them is changed.
    pub fn explain(
        &self,
        state: &mut State,
        event: &Event,
        at: EventTime,
        touched: &Touched,
        table: &Table,
    ) -> Explained {
        let mut out = self.selecting(event);
        let Some((plan, facets)) = table.get(touched) else { return out };
        let mut holds: Vec<Option<bool>> = vec![Some(false); self.set.rules.len()];
        plan.matches.iter().for_each(|i| holds[usize::from(*i)] = Some(true));
        for step in &plan.steps {
            let policy = &self.set.rules[usize::from(step.policy)];
            let case = &table.cases()[facets[usize::from(step.facet)] as usize];
            let Some(part) = case.part(step.place) else { continue };
            let Body::Correlation(correlation) = &policy.body else {
                let label = super::subject(event);
                out.reached.push(self.reached(
                    state,
                    step,
                    &part,
                    at,
                    label,
                    policy.tells(event),
                    Judged::of(true, vec![]),
                ));
                continue;
            };
            let rule = correlation.rules[usize::from(step.via)];
            // where that could not be told of an inner one, the window shows it
            let unseen = holds[rule].is_none() && !contributed(state.clone_of(&part.key), event, step);
            if holds[rule] == Some(false) || unseen {
                out.waiting.push((policy.name.as_ref().into(), self.set.rules[rule].name.as_ref().into()));
                continue;
            }
            let judged = self.judge(state, correlation, &part, at);
            let known = &mut holds[usize::from(step.policy)];
            *known = either(*known, judged.holds);
            let label = self.label(correlation, step.via, event);
            let reached = self.reached(state, step, &part, at, label, policy.tells(event), judged);
            match out.reached.iter_mut().find(|r| r.policy == reached.policy) {
                Some(before) => {
                    before.by.extend(reached.by);
                    before.holds = either(before.holds, reached.holds);
                }
                None => out.reached.push(reached),
            }
        }
        // what it reaches by one rule does not wait for another
        let Explained { waiting, reached, .. } = &mut out;
        waiting.retain(|(policy, _)| reached.iter().all(|r| r.policy != *policy));
        out
    }

    fn selecting(&self, event: &Event) -> Explained {
        let mut out = Explained::default();
        for policy in &self.set.rules {
            let Body::Detection(matcher) = &policy.body else { continue };
            // of thousands of foreign rules only those for its product are worth a line
            let elsewhere = matcher.products().is_some_and(|names| !names.contains(&event.product));
            let for_nobody = matcher.products().is_some_and(<[_]>::is_empty);
            if for_nobody
                || (elsewhere && policy.is_foreign())
                || matcher.activities().is_some_and(|set| !set.contains(event.activity))
            {
                continue;
            }
            let name: Text = policy.name.as_ref().into();
            match matcher.matches(event) {
                true => out.selected.push(name),
                false => out.missed.push(Missed { policy: name, why: matcher.misses(event, &self.set.raw_fields) }),
            }
        }
        out
    }

    #[allow(clippy::too_many_arguments, reason = "one row of the answer, put together from all that is known of it")]
    fn reached(
        &self,
        state: &mut State,
        step: &Step,
        part: &Part<'_>,
        at: EventTime,
        entity: Text,
        tells: bool,
        judged: Judged,
    ) -> Reached {
        let policy = &self.set.rules[usize::from(step.policy)];
        let by = match &policy.body {
            Body::Correlation(c) => &self.set.rules[c.rules[usize::from(step.via)]].name,
            Body::Detection(_) => &policy.name,
        };
        let fired =
            state.clone_of(&part.key).is_some_and(|s| has_fired(s, &policy.decision, at.episode(policy.episode)));
        let Judged { holds, measured, learning } = judged;
        Reached {
            policy: policy.name.as_ref().into(),
            by: BTreeSet::from([by.as_ref().into()]),
            entity,
            says: self.set.says(policy),
            measured,
            learning,
            holds,
            tells,
            fired,
            episode: span_text(policy.episode),
        }
    }

    fn judge(&self, state: &mut State, c: &Correlation, part: &Part<'_>, at: EventTime) -> Judged {
        match (&c.kind, state.clone_of(&part.key)) {
            (kind, _) if is_or(kind) => Judged::of(true, Vec::new()),
            (Kind::NewValue(new), slice) => {
                let values = if let Some(Slice::Values(values)) = slice { values } else { Values::default() };
                self.new_to(state, values, (c, new), part, at)
            }
            (Kind::Baseline(base), Some(Slice::Past(past))) => self.far_from_usual(state, &past, (c, base), part, at),
            (_, Some(Slice::Window(window))) => self.in_window(&window, c, at),
            (Kind::Travel(_) | Kind::Baseline(_) | Kind::Absence(_), _) => Judged::default(),
            // nothing is there yet
            _ => self.in_window(&Window::default(), c, at),
        }
    }

    fn new_to(
        &self,
        state: &mut State,
        mut values: Values,
        (c, new): (&Correlation, &NewValue),
        part: &Part<'_>,
        at: EventTime,
    ) -> Judged {
        let fields = self.set.tuple_of(&new.fields);
        let Some(value) = part.value else {
            let measure = Measure { what: fields.into(), value: "not there".into(), against: "a value".into() };
            return Judged::of(false, vec![measure]);
        };
        let learning = watched(&values, new, at);
        let (known, usual) = values.usual(5, value);
        let usual = usual.join(", ").replace(SEPARATOR, " + ");
        let mut measured = vec![Measure {
            what: fields.into(),
            value: value.replace(SEPARATOR, " + ").into(),
            against: format!("{known} others known: {usual}").into(),
        }];
        let mut holds = values.observe(crate::model::EventId([0; 16]), value, at, &terms(c, new)).new;
        if let (Some(crowd), Some(beside)) = (&new.crowd, &part.beside()) {
            let mut users =
                if let Some(Slice::Users(users)) = state.clone_of(beside) { users } else { Users::default() };
            let others = users.observe(part.entity(), at, crowd).others;
            holds &= others < crowd.entities;
            let against = format!("from {} on it is ordinary", crowd.entities).into();
            let what = format!("others who use it within {}", span_text(crowd.within)).into();
            measured.push(Measure { what, value: others.to_string().into(), against });
        }
        Judged { learning: Some(learning), ..Judged::of(holds, measured) }
    }

    fn far_from_usual(
        &self,
        state: &mut State,
        past: &Past,
        (c, base): (&Correlation, &Baseline),
        part: &Part<'_>,
        at: EventTime,
    ) -> Judged {
        let m = past.window().measure(at, c.timespan);
        let (what, reached) = match &base.measure {
            Amount::Count => ("events".to_owned(), m.count),
            Amount::Sum(field) => (format!("sum of {}", self.field_name(field)), amount::saturated(m.sum)),
            Amount::Distinct(fields) => (format!("different {}", self.set.tuple_of(fields)), m.distinct),
        };
        let own = past.usual(at, base.history, base.percentile, base.learning.days, base.learning.observations);
        let peers = part.beside().and_then(|key| match state.clone_of(&key) {
            Some(Slice::Sketch(sketch)) => Sketch::usual(&sketch, base.percentile),
            _ => None,
        });
        let usual = own.into_iter().chain(peers).max().map(|usual| usual.max(1));
        let holds = usual.is_some_and(|usual| reached >= base.floor && base.range.holds(reached as f64 / usual as f64));
        let told = |usual: Option<i64>| usual.map_or("not known yet".to_owned(), |n| n.to_string());
        let measure = Measure {
            what: format!("{what} in {}", span_text(c.timespan)).into(),
            value: reached.to_string().into(),
            against: format!(
                "{} times what is usual (own {}, peers' {}), and {} or more",
                base.range,
                told(own),
                told(peers),
                base.floor
            )
            .into(),
        };
        let learned = if own.is_some() { "what is usual is known" } else { "still learning what is usual" };
        Judged { learning: Some(learned.to_owned()), ..Judged::of(holds, vec![measure]) }
    }

    fn in_window(&self, window: &Window, c: &Correlation, at: EventTime) -> Judged {
        let m = window.measure(at, c.timespan);
        let span = span_text(c.timespan);
        let of_range = |what: String, value: f64, range: &Range| {
            let against = range.to_string().into();
            let measure = Measure { what: what.into(), value: format!("{value}").into(), against };
            Judged::of(range.holds(value), vec![measure])
        };
        let names = || self.set.tuple_of(c.kind.fields());
        let rules = c.rules.len() as u16;
        match &c.kind {
            Kind::EventCount(range) => of_range(format!("events in {span}"), m.count as f64, range),
            Kind::ValueCount { range, .. } => {
                of_range(format!("different {} in {span}", names()), m.distinct as f64, range)
            }
            Kind::ValueSum { range, .. } => {
                of_range(format!("sum of {} in {span}", names()), amount::number(m.sum), range)
            }
            Kind::ValueAvg { range, .. } => of_range(format!("average of {} in {span}", names()), average(m), range),
            Kind::Concurrent(k) => {
                let what = format!("times that {} came back in {span}", names());
                of_range(what, window.returns(at, c.timespan) as f64, &k.range)
            }
            Kind::Risk(risk) => {
                let (weight, _) = risk.weigh(|rule| window.has(rule as u16, at, c.timespan));
                let mut judged = of_range(format!("weight of all signs in {span}"), weight, &risk.range);
                judged.measured.extend(self.shares_of_window(window, c, at));
                judged
            }
            Kind::Temporal { range, ordered } => {
                let holds = match range {
                    Some(range) => range.holds(window.different_rules(at, c.timespan) as f64),
                    None if *ordered => window.has_in_order(rules, at, c.timespan),
                    None => window.has_all(rules, at, c.timespan),
                };
                Judged::of(holds, self.shares_of_window(window, c, at))
            }
            // how such a one decides is for it alone; what it was given is all that can be told
            _ => {
                let what = format!("events of its rules in {span}").into();
                let measure = Measure { what, value: m.count.to_string().into(), against: "its own condition".into() };
                Judged { holds: None, measured: vec![measure], learning: None }
            }
        }
    }

    /// How often each rule contributed.
    fn shares_of_window(&self, window: &Window, c: &Correlation, at: EventTime) -> Vec<Measure> {
        let entries = window.within(at, c.timespan);
        let share = |(via, rule): (usize, &usize)| Measure {
            what: format!("{} in {}", self.set.rules[*rule].name, span_text(c.timespan)).into(),
            value: entries.iter().filter(|e| usize::from(e.rule) == via).count().to_string().into(),
            against: "at least 1".into(),
        };
        c.rules.iter().enumerate().map(share).collect()
    }
}

impl<'t> Meeting<'t> {
    /// The table whose events are folded in.
    pub fn table(&self) -> &'t Table {
        self.table
    }
}

impl State {
    /// A copy of the slice, where one is at hand.
    fn clone_of(&mut self, key: &StateKey) -> Option<Slice> {
        let at = self.find(key)?;
        self.slice(at).clone()
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

/// Whether the event stands in the window as one of that rule.
fn contributed(slice: Option<Slice>, event: &Event, step: &Step) -> bool {
    let Some(Slice::Window(window)) = slice else { return false };
    let all = window.within(EventTime(i64::MAX), Millis(i64::MAX));
    all.iter().any(|e| e.event == event.id && e.rule == step.via)
}

fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        _ => Some(false),
    }
}

/// Whether the decision has been taken in that episode. Tried on a copy, which remembers it and is thrown away.
fn has_fired(slice: Slice, decision: &Digest, episode: i64) -> bool {
    match slice {
        Slice::Window(mut s) => !s.fire(decision, episode),
        Slice::Values(mut s) => !s.fire(decision, episode),
        Slice::Past(mut s) => !s.fire(decision, episode),
        Slice::Places(mut s) => !s.fire(decision, episode),
        Slice::Silence(mut s) => !s.fire(decision, episode),
        _ => false,
    }
}
