//! Detection: `(state, event) -> (state, firings)`, in event time.
//!
//! State belongs to keys: one slice for one entity of one correlation. Which keys an event touches follows from the event
//! alone ([`Engine::touch`], which any thread may reckon), so the caller can fetch the slices before it advances.
//! A correlation of correlations takes up the event at which the inner condition holds, with that event's fields.

mod plan;
pub mod share;
pub mod state;
pub mod values;
pub mod window;

use crate::model::{Activity, Event, EventId, EventTime, Measure, Millis, Text, Value};
use crate::policy::{Body, Correlation, CorrelationKind as Kind, FieldRef, NewValue, Policy, PolicySet};
use plan::{Part, Step};
pub use plan::{Plans, Table, Touched};
pub use state::{Acting, Meeting, Slice, State, StateKey, StateRow};
use state::{At, Calm};
use std::sync::Arc;
use window::{Entry, Inserted, Window};

/// A compiled set of policies, ready to run.
pub struct Engine {
    set: Arc<PolicySet>,
    /// For each activity, the detections that can match it at all.
    by_activity: Vec<Vec<u16>>,
    /// For each rule, the correlations that refer to it, with its position in their list.
    dependents: Vec<Vec<(u16, u16)>>,
    /// For each activity, the fields that its detections look at; none where the kept line counts.
    looks: Vec<Option<Vec<FieldRef>>>,
}

/// A policy's condition came to hold in an episode in which it had not held yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// Index of the policy.
    pub policy: u16,
    /// The event time at which it held.
    pub time: EventTime,
    /// Event time of the first contribution.
    pub first: EventTime,
    /// Digest of the entity.
    pub entity: [u8; 16],
    /// The entity for a person: `actor.user.name=ana`.
    pub label: Text,
    /// Number of the episode.
    pub episode: i64,
    /// Its numbers, as first seen.
    pub measures: Vec<Measure>,
    /// What contributed, the newest first.
    pub witnesses: Vec<(EventId, EventTime, Text)>,
}

/// What one event led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// What fired.
    pub firings: Vec<Firing>,
    /// The event contributed to a window, introduced a new value or made a condition hold: it is to be recorded.
    pub contributed: bool,
    /// A policy whose state was at its bound, so that something of it was let go.
    pub pressed: Option<u16>,
}

impl Engine {
    /// Prepares a set for running.
    pub fn new(set: Arc<PolicySet>) -> Engine {
        let mut by_activity = vec![Vec::new(); Activity::ALL.len()];
        let mut dependents = vec![Vec::new(); set.rules.len()];
        for (i, policy) in set.rules.iter().enumerate() {
            match &policy.body {
                Body::Detection(matcher) => {
                    for activity in Activity::ALL {
                        if matcher.activities().is_none_or(|set| set.contains(*activity)) {
                            by_activity[*activity as usize].push(i as u16);
                        }
                    }
                }
                Body::Correlation(correlation) => {
                    for (via, rule) in correlation.rules.iter().enumerate() {
                        dependents[*rule].push((i as u16, via as u16));
                    }
                }
            }
        }
        let looks = plan::looks(&set, &by_activity);
        Engine { set, by_activity, dependents, looks }
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        &self.set
    }

    /// Folds one event into the slices that it touches. `at` is the time that windows count it at.
    pub fn advance(
        &self,
        state: &mut State,
        event: &Event,
        at: EventTime,
        touched: &Touched,
        meeting: &mut Meeting<'_>,
    ) -> Found {
        let mut found = Found::default();
        let table = meeting.table;
        let Some((plan, facets)) = table.get(touched) else { return found };
        // for each facet where the state knows it, and what is found out of its calm: nothing where it is calm
        let mut calm = state.take_calms();
        calm.extend(facets.iter().zip(plan.direct()).map(|(case, direct)| {
            let met = meeting.case(*case, state);
            if !direct {
                return (met, None);
            }
            (met, (!state.is_calm(met, at)).then(|| Calm::after(at)))
        }));
        if calm.iter().all(|(_, calm)| calm.is_none()) {
            state.give_back_calms(calm);
            return found;
        }
        // when each rule holds at this event: kept between events, for most of it stays empty
        let mut holds = state.take_holds(self.set.rules.len());
        plan.matches.iter().for_each(|i| holds[usize::from(*i)].push(at));
        for step in &plan.steps {
            let (met, calm) = &mut calm[usize::from(step.facet)];
            if step.direct && calm.is_none() {
                continue;
            }
            let policy = &self.set.rules[usize::from(step.policy)];
            let times = match &policy.body {
                Body::Detection(_) => std::slice::from_ref(&at),
                Body::Correlation(c) => &holds[c.rules[usize::from(step.via)]][..],
            };
            if times.is_empty() {
                continue;
            }
            let case = &table.cases()[facets[usize::from(step.facet)] as usize];
            let Some(part) = case.part(step.place) else { continue };
            let place = Place { event, step, part, slot: state.place(*met, step.place), policy };
            // what is reached only where something else holds is asked about whenever that holds
            let calm = calm.as_mut().filter(|_| step.direct);
            let mut held = self.step(state, &place, times, calm.unwrap_or(&mut Calm::NEVER.clone()), &mut found);
            let holds = &mut holds[usize::from(step.policy)];
            holds.append(&mut held);
            holds.sort_unstable();
            holds.dedup();
        }
        plan.matches.iter().for_each(|i| holds[usize::from(*i)].clear());
        plan.steps.iter().for_each(|s| holds[usize::from(s.policy)].clear());
        state.give_back_holds(holds);
        calm.iter().for_each(|(met, calm)| calm.iter().for_each(|calm| state.calm(*met, *calm)));
        state.give_back_calms(calm);
        found
    }

    fn step(
        &self,
        state: &mut State,
        place: &Place<'_>,
        times: &[EventTime],
        calm: &mut Calm,
        found: &mut Found,
    ) -> Vec<EventTime> {
        match &place.policy.body {
            Body::Detection(_) => {
                calm.limit(None);
                times.iter().for_each(|at| self.alert(state, place, *at, subject(place.event), found));
                Vec::new()
            }
            Body::Correlation(correlation) => self.correlate(state, place, correlation, times, calm, found),
        }
    }

    /// What alerts without accumulating anything: once for each entity and episode.
    fn alert(&self, state: &mut State, place: &Place<'_>, at: EventTime, label: Text, found: &mut Found) {
        let Place { event, step, part, slot, policy } = place;
        let episode = at.episode(policy.episode);
        found.contributed = true;
        if state.window(*slot).fire(&policy.decision, episode) {
            state.wrote(*slot, at.plus(policy.episode));
            found.firings.push(Firing {
                policy: step.policy,
                time: at,
                first: at,
                entity: part.key.entity(),
                label,
                episode,
                measures: Vec::new(),
                witnesses: vec![(event.id, at, policy.name.as_ref().into())],
            });
        }
    }

    /// The times, of those at which the rule that the event matches holds, at which the correlation holds too.
    fn correlate(
        &self,
        state: &mut State,
        place: &Place<'_>,
        correlation: &Correlation,
        times: &[EventTime],
        calm: &mut Calm,
        found: &mut Found,
    ) -> Vec<EventTime> {
        let mut held = Vec::new();
        for &time in times {
            match &correlation.kind {
                // "or" as Sigma writes it: one event of any of the rules is enough, and nothing is accumulated
                kind if is_or(kind) => {
                    held.push(time);
                    if place.policy.alerts {
                        calm.limit(None);
                        let label = self.label(correlation, place.step.via, place.event);
                        self.alert(state, place, time, label, found);
                    }
                }
                Kind::NewValue(new) => held.extend(self.new_value(state, place, (correlation, new), time, calm, found)),
                _ => held.extend(self.windowed(state, place, correlation, time, calm, found)),
            }
        }
        held
    }

    fn new_value(
        &self,
        state: &mut State,
        place: &Place<'_>,
        (correlation, new): (&Correlation, &NewValue),
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Option<EventTime> {
        let Place { event, step, part, slot, policy } = place;
        let value = part.value.as_ref()?;
        let terms = values::Terms {
            history: correlation.timespan,
            learn_for: Millis::DAY.times(new.learning_days.into()),
            learn_observations: new.learning_observations,
            new_for: new.new_for,
        };
        let values = state.values(*slot);
        let evicted = values.evicted();
        let sight = values.observe(value, time, &terms);
        let expires = values.expires(&terms);
        let episode = time.episode(policy.episode);
        let fires = sight.new && policy.alerts && values.fire(&policy.decision, episode);
        if fires {
            let (known, usual) = values.usual(5, value);
            let names: Vec<&str> = new.fields.iter().map(|f| self.field_name(f)).collect();
            let usual = usual.join(", ").replace(SEPARATOR, " + ");
            let measure = Measure {
                what: names.join(" + ").into(),
                value: value.replace(SEPARATOR, " + ").into(),
                against: format!("not among the {known} known: {usual}").into(),
            };
            found.firings.push(Firing {
                policy: step.policy,
                time,
                first: time,
                entity: part.key.entity(),
                label: self.label(correlation, step.via, event),
                episode,
                measures: vec![measure],
                witnesses: vec![(event.id, event.time, policy.name.as_ref().into())],
            });
        }
        // one value says nothing of another, unless it takes its place
        if values.evicted() > evicted {
            found.pressed = Some(step.policy);
            state.upset(*slot);
        }
        if sight.changed || fires {
            state.wrote(*slot, expires);
        }
        calm.limit((!sight.changed && !sight.new).then_some(sight.same_until));
        found.contributed |= fires || sight.first;
        sight.new.then_some(time)
    }

    fn windowed(
        &self,
        state: &mut State,
        place: &Place<'_>,
        correlation: &Correlation,
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Vec<EventTime> {
        let Place { event, step, part, slot, policy } = place;
        let kind = &correlation.kind;
        let Some((amount, value)) = contribution(event, part, kind) else {
            // another amount may be readable where this one is not
            calm.limit(matches!(kind, Kind::ValueCount { .. }).then_some(EventTime(i64::MAX)));
            return Vec::new();
        };
        let span = correlation.timespan;
        let window = state.window(*slot);
        let entry = Entry { time, event: event.id, rule: step.via, amount, value };
        // how often matters only to those that count or add
        let merge = matches!(kind, Kind::ValueCount { .. } | Kind::Temporal { .. });
        // it may be there already: another policy that accumulates the same has put it there
        let folded = window.folded();
        let inserted = window.insert(entry, span, merge);
        if window.folded() > folded {
            found.pressed = Some(step.policy);
        }
        found.contributed |= inserted == Inserted::New;
        // where it was merged into a run, the window has no entry of its time, and it is asked about by itself
        let touched = window.touched(time, span).chain([time]);
        let mut held: Vec<EventTime> = touched.filter(|at| holds(window, kind, correlation, *at)).collect();
        held.sort_unstable();
        held.dedup();
        let mut fired = false;
        for &at in &held {
            let episode = at.episode(policy.episode);
            if policy.alerts && window.fire(&policy.decision, episode) {
                fired = true;
                found.firings.push(Firing {
                    policy: step.policy,
                    time: at,
                    first: window.within(at, span).first().map_or(at, |e| e.time),
                    entity: part.key.entity(),
                    label: self.label(correlation, step.via, event),
                    episode,
                    measures: self.measures(window, kind, correlation, at),
                    witnesses: self.witnesses(window, correlation, at),
                });
            }
        }
        // without newer contributions fewer and fewer are in the window, so what does not hold from below will not
        let settled = merge && held.is_empty() && inserted == Inserted::Known && from_below(kind);
        calm.limit(if settled { window.same_until(step.via, value, span) } else { None });
        let expires = window.expires(span);
        if inserted != Inserted::Known || fired {
            state.upset(*slot);
            state.wrote(*slot, expires);
        }
        held
    }

    fn measures(&self, window: &Window, kind: &Kind, correlation: &Correlation, at: EventTime) -> Vec<Measure> {
        let m = window.measure(at, correlation.timespan);
        let span = span_text(correlation.timespan);
        let names = |fields: &[FieldRef]| fields.iter().map(|f| self.field_name(f)).collect::<Vec<_>>().join(" + ");
        let one = |what: String, value: i64, against: String| {
            vec![Measure { what: what.into(), value: value.to_string().into(), against: against.into() }]
        };
        match kind {
            Kind::EventCount(range) => one(format!("events in {span}"), m.count, range.to_string()),
            Kind::ValueCount { fields, range } => {
                one(format!("different {} in {span}", names(fields)), m.distinct, range.to_string())
            }
            Kind::ValueSum { field, range } => {
                one(format!("sum of {} in {span}", self.field_name(field)), m.sum, range.to_string())
            }
            Kind::ValueAvg { field, range } => {
                one(format!("average of {} in {span}", self.field_name(field)), average(m) as i64, range.to_string())
            }
            Kind::ValuePercentile { field, percentile, range } => {
                let entries = window.within(at, correlation.timespan);
                let what = match percentile {
                    Some(p) => format!("percentile {p} of {} in {span}", self.field_name(field)),
                    None => {
                        format!("percent of the values of {} in {span} that are not larger", self.field_name(field))
                    }
                };
                one(what, percentile_of(entries, *percentile) as i64, range.to_string())
            }
            Kind::Temporal { .. } => correlation
                .rules
                .iter()
                .enumerate()
                .map(|(via, rule)| {
                    let entries = window.within(at, correlation.timespan);
                    let n = entries.iter().filter(|e| usize::from(e.rule) == via).count();
                    Measure {
                        what: format!("{} in {span}", self.set.rules[*rule].name).into(),
                        value: n.to_string().into(),
                        against: ">= 1".into(),
                    }
                })
                .collect(),
            Kind::NewValue(_) => Vec::new(),
        }
    }

    /// The newest contributions, but at least one of each rule: a sequence is not explained by its last step alone.
    fn witnesses(&self, window: &Window, correlation: &Correlation, at: EventTime) -> Vec<(EventId, EventTime, Text)> {
        let entries = window.within(at, correlation.timespan);
        let name = |e: &Entry| self.set.rules[correlation.rules[usize::from(e.rule)]].name.as_ref().into();
        let mut chosen: Vec<&Entry> = Vec::new();
        for rule in 0..correlation.rules.len() {
            chosen.extend(entries.iter().rev().find(|e| usize::from(e.rule) == rule));
        }
        for entry in entries.iter().rev() {
            if chosen.len() >= crate::model::limits::EVIDENCE_PER_FINDING {
                break;
            }
            if !chosen.iter().any(|c| std::ptr::eq(*c, entry)) {
                chosen.push(entry);
            }
        }
        chosen.sort_by_key(|e| std::cmp::Reverse((e.time, e.event)));
        chosen.dedup_by(|a, b| a.event == b.event);
        chosen.truncate(crate::model::limits::EVIDENCE_PER_FINDING);
        chosen.into_iter().map(|e| (e.event, e.time, name(e))).collect()
    }

    fn label(&self, correlation: &Correlation, via: u16, event: &Event) -> Text {
        let parts: Vec<String> = correlation
            .group_by
            .iter()
            .map(|key| {
                let shown = match &key.fields[usize::from(via)] {
                    // a session id is a live secret: the finding's subject shows what stands for it
                    FieldRef::Known(crate::model::Field::SessionUid) => "(the session)".to_owned(),
                    field => read(event, field).unwrap_or_default().to_string(),
                };
                format!("{}={shown}", key.name)
            })
            .collect();
        if parts.is_empty() { "the organisation".into() } else { parts.join(" ").into() }
    }

    /// The name by which policies call the field.
    pub fn field_name(&self, field: &FieldRef) -> &str {
        match field {
            FieldRef::Known(field) => field.path(),
            FieldRef::Raw(i) => &self.set.raw_fields[*i],
        }
    }
}

/// One event in one slice of one policy.
struct Place<'a> {
    event: &'a Event,
    step: &'a Step,
    part: &'a Part,
    slot: At,
    policy: &'a Policy,
}

const SEPARATOR: &str = "\u{1f}";

fn read(event: &Event, field: &FieldRef) -> Option<Text> {
    match field {
        FieldRef::Known(field) => match event.get(*field) {
            Value::Absent => None,
            Value::Text(text) => (!text.is_empty()).then(|| text.into()),
            Value::Int(n) => Some(compact_str::format_compact!("{n}")),
            Value::Ip(ip) => Some(compact_str::format_compact!("{ip}")),
            Value::Bool(b) => Some(compact_str::format_compact!("{b}")),
        },
        FieldRef::Raw(i) => event.unmapped.get(*i).cloned().flatten(),
    }
}

fn number(event: &Event, field: &FieldRef) -> Option<i64> {
    match field {
        FieldRef::Known(field) => match event.get(*field) {
            Value::Int(n) => Some(n),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        },
        FieldRef::Raw(i) => event.unmapped.get(*i)?.as_ref()?.parse().ok(),
    }
}

/// Shows `use_text` the field's value as text, where the event has one.
fn read_known(event: &Event, field: &FieldRef, use_text: impl FnOnce(&str)) {
    if let FieldRef::Known(field) = field
        && let Value::Text(text) = event.get(*field)
    {
        if !text.is_empty() {
            use_text(text);
        }
        return;
    }
    if let Some(text) = read(event, field) {
        use_text(&text);
    }
}

fn tuple(event: &Event, fields: &[FieldRef]) -> Option<Text> {
    let mut out = read(event, fields.first()?)?;
    for field in &fields[1..] {
        out.push_str(SEPARATOR);
        out.push_str(&read(event, field)?);
    }
    Some(out)
}

/// Whether a single event of any of the rules is enough.
fn is_or(kind: &Kind) -> bool {
    matches!(kind, Kind::EventCount(range) if range.only_from_below() && range.holds(1.0))
}

/// Whether what does not hold goes on not holding as contributions leave the window.
fn from_below(kind: &Kind) -> bool {
    match kind {
        Kind::ValueCount { range, .. } | Kind::Temporal { range: Some(range), .. } => range.only_from_below(),
        Kind::Temporal { range: None, .. } => true,
        _ => false,
    }
}

/// What the event adds to a window of that kind, or nothing where it lacks the field.
fn contribution(event: &Event, part: &Part, kind: &Kind) -> Option<(i64, u64)> {
    Some(match kind {
        Kind::ValueCount { .. } => {
            part.value.as_ref()?;
            (0, part.digest)
        }
        Kind::ValueSum { field, .. } | Kind::ValueAvg { field, .. } | Kind::ValuePercentile { field, .. } => {
            (number(event, field)?.max(0), 0)
        }
        Kind::EventCount(_) | Kind::Temporal { .. } | Kind::NewValue(_) => (0, 0),
    })
}

fn holds(window: &Window, kind: &Kind, correlation: &Correlation, at: EventTime) -> bool {
    let span = correlation.timespan;
    let measured = || window.measure(at, span);
    match kind {
        Kind::EventCount(range) => range.holds(measured().count as f64),
        Kind::ValueCount { range, .. } => range.holds(measured().distinct as f64),
        Kind::ValueSum { range, .. } => range.holds(measured().sum as f64),
        Kind::ValueAvg { range, .. } => range.holds(average(measured())),
        Kind::ValuePercentile { percentile, range, .. } => {
            range.holds(percentile_of(window.within(at, span), *percentile))
        }
        Kind::Temporal { range: Some(range), .. } => range.holds(window.different_rules(at, span) as f64),
        Kind::Temporal { ordered: false, .. } => window.has_all(correlation.rules.len() as u16, at, span),
        Kind::Temporal { ordered: true, .. } => window.has_in_order(correlation.rules.len() as u16, at, span),
        Kind::NewValue(_) => false,
    }
}

fn average(m: window::Measured) -> f64 {
    if m.count == 0 { 0.0 } else { m.sum as f64 / m.count as f64 }
}

/// That percentile of the amounts, by nearest rank; without one, the percentage of amounts that are not larger than the last.
fn percentile_of(entries: &[Entry], percentile: Option<f64>) -> f64 {
    let mut amounts: Vec<i64> = entries.iter().map(|e| e.amount).collect();
    let Some(last) = amounts.last().copied() else {
        return 0.0;
    };
    let n = amounts.len() as f64;
    amounts.sort_unstable();
    match percentile {
        Some(p) => amounts[((n * p / 100.0).ceil() as usize).clamp(1, amounts.len()) - 1] as f64,
        None => 100.0 * amounts.partition_point(|a| *a <= last) as f64 / n,
    }
}

/// The length in the largest unit that divides it: `1h`, `90m`.
pub fn span_text(span: Millis) -> String {
    for (unit, ms) in [("d", Millis::DAY.0), ("h", Millis::HOUR.0), ("m", Millis::MINUTE.0), ("s", 1000)] {
        if span.0 >= ms && span.0 % ms == 0 {
            return format!("{}{unit}", span.0 / ms);
        }
    }
    format!("{}ms", span.0)
}

/// Whom a detection without a group speaks of: the actor, else the session, else the address.
fn subject_key(event: &Event) -> String {
    if let Some(actor) = &event.actor {
        return format!("actor {}", actor.name);
    }
    if let Some(session) = &event.session {
        return format!("session {}", session.id);
    }
    event.origin.ip.map_or_else(|| "nobody".into(), |ip| format!("ip {ip}"))
}

fn subject(event: &Event) -> Text {
    match (&event.actor, &event.session, event.origin.ip) {
        (Some(actor), ..) => format!("actor.user.name={}", actor.name).into(),
        (None, Some(_), _) => "actor.session.uid=(the session)".into(),
        (None, None, Some(ip)) => format!("src_endpoint.ip={ip}").into(),
        (None, None, None) => "nobody named".into(),
    }
}
