//! Correlations over the contributions in a sliding window: Sigma's, `concurrent` and `risk`.
use super::plan::Part;
use super::state::{Calm, State};
use super::window::{self, Entry, Inserted, Window};
use super::{Engine, Firing, Found, Place, amount, span_text};
use crate::model::{Event, EventId, EventTime, Measure, Text};
use crate::policy::extension::Risk;
use crate::policy::{Body, Correlation, CorrelationKind as Kind, FieldRef, PolicySet, Range};

impl Engine {
    pub(super) fn windowed(
        &self,
        state: &mut State,
        place: &Place<'_>,
        correlation: &Correlation,
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Vec<EventTime> {
        let Place { event, step, part, slot, policy, .. } = place;
        let kind = &correlation.kind;
        let Some((amount, value)) = contribution(event, part, kind) else {
            // another amount may be readable where this one is not
            let tells_apart = matches!(kind, Kind::ValueCount { .. } | Kind::Concurrent(_));
            calm.limit(tells_apart.then_some(EventTime(i64::MAX)));
            return Vec::new();
        };
        let span = correlation.timespan;
        let window = state.get::<Window>(*slot);
        let entry = Entry { time, event: event.id, rule: step.via, amount, value };
        // how often matters only to those that count or add
        let merge =
            matches!(kind, Kind::ValueCount { .. } | Kind::Temporal { .. } | Kind::Concurrent(_) | Kind::Risk(_));
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
        found.held.extend(held.last().map(|at| (step.policy, *slot, *at)));
        let before = found.firings.len();
        for &at in &held {
            if !policy.tells(event) {
                continue;
            }
            let episode = at.episode(policy.episode);
            let firing = Firing {
                policy: step.policy,
                time: at,
                first: window.within(at, span).first().map_or(at, |e| e.time),
                entity: part.key.entity(),
                label: self.label(correlation, step.via, event),
                episode,
                measures: Vec::new(),
                witnesses: Vec::new(),
            };
            if window.fire(&policy.decision, episode) {
                let measures = self.measures(window, kind, correlation, at);
                let witnesses = self.witnesses(window, correlation, at);
                found.firings.push(Firing { measures, witnesses, ..firing });
            } else if !policy.asks.is_empty() {
                found.again.push(firing);
            }
        }
        // without newer contributions fewer and fewer are in the window, so what does not hold from below will not
        let settled = merge && held.is_empty() && inserted == Inserted::Known && from_below(kind);
        calm.limit(if settled { window.same_until(step.via, value, span) } else { None });
        let expires = window.expires(span);
        let fired = found.firings.len() > before;
        if inserted != Inserted::Known || fired {
            state.upset(*slot);
            state.wrote(*slot, expires);
        }
        if fired && matches!(kind, Kind::Temporal { .. }) {
            let numbers = self.numbers(state, correlation, found);
            found.firings[before..].iter_mut().for_each(|firing| firing.measures.extend_from_slice(&numbers));
        }
        held
    }

    /// The numbers of those of its rules that hold at this event and have some: that they came together explains little.
    fn numbers(&self, state: &mut State, correlation: &Correlation, found: &Found) -> Vec<Measure> {
        let mut numbers = Vec::new();
        for rule in &correlation.rules {
            let Body::Correlation(inner) = &self.set.rules[*rule].body else { continue };
            let held = found.held.iter().rev().find(|(policy, ..)| usize::from(*policy) == *rule).copied();
            if let Some((_, slot, at)) = held.filter(|_| !matches!(inner.kind, Kind::Temporal { .. })) {
                numbers.extend(self.measures(state.get::<Window>(slot), &inner.kind, inner, at));
            }
        }
        numbers
    }

    /// Gives the newest firing the numbers and the contributions of the rule by which it came about, where that has any.
    pub(super) fn tell_of(&self, state: &mut State, rule: usize, found: &mut Found) {
        let held = found.held.iter().rev().find(|(policy, ..)| usize::from(*policy) == rule).copied();
        let (Some((_, slot, at)), Some(firing)) = (held, found.firings.last_mut()) else { return };
        let Body::Correlation(correlation) = &self.set.rules[rule].body else { return };
        let window = state.get::<Window>(slot);
        firing.measures = self.measures(window, &correlation.kind, correlation, at);
        firing.witnesses = self.witnesses(window, correlation, at);
        firing.first = window.within(at, correlation.timespan).first().map_or(at, |e| e.time);
        if matches!(correlation.kind, Kind::Temporal { .. }) {
            let numbers = self.numbers(state, correlation, found);
            found.firings.last_mut().into_iter().for_each(|firing| firing.measures.extend_from_slice(&numbers));
        }
    }

    fn measures(&self, window: &Window, kind: &Kind, correlation: &Correlation, at: EventTime) -> Vec<Measure> {
        let m = window.measure(at, correlation.timespan);
        let span = span_text(correlation.timespan);
        let names = |fields: &[FieldRef]| fields.iter().map(|f| self.field_name(f)).collect::<Vec<_>>().join(" + ");
        let one = |what: String, value: i64, against: String| {
            vec![Measure { what: what.into(), value: value.to_string().into(), against: against.into() }]
        };
        let decimal = |what: String, value: f64, range: &Range| {
            vec![Measure { what: what.into(), value: amount::shown(value).into(), against: range.to_string().into() }]
        };
        match kind {
            Kind::EventCount(range) => one(format!("events in {span}"), m.count, range.to_string()),
            Kind::ValueCount { fields, range } => {
                one(format!("different {} in {span}", names(fields)), m.distinct, range.to_string())
            }
            Kind::ValueSum { field, range } => {
                decimal(format!("sum of {} in {span}", self.field_name(field)), amount::number(m.sum), range)
            }
            Kind::ValueAvg { field, range } => {
                decimal(format!("average of {} in {span}", self.field_name(field)), average(m), range)
            }
            Kind::ValuePercentile { field, percentile, range } => {
                let entries = window.within(at, correlation.timespan);
                let name = self.field_name(field);
                match percentile {
                    Some(p) => {
                        decimal(format!("percentile {p} of {name} in {span}"), percentile_of(entries, *p), range)
                    }
                    None => {
                        let shares = shares_at(entries, at);
                        let held = shares.iter().find(|share| range.holds(**share)).or(shares.first());
                        let what = format!("percent of the values of {name} in {span} that are this one");
                        decimal(what, held.copied().unwrap_or_default(), range)
                    }
                }
            }
            Kind::Temporal { .. } => self.shares(window, correlation, at, |_| ">= 1".into()),
            Kind::Concurrent(concurrent) => one(
                format!("times that {} came back in {span}", names(&concurrent.fields)),
                window.returns(at, correlation.timespan),
                concurrent.range.to_string(),
            ),
            Kind::Risk(risk) => weights(&self.set, window, correlation, risk, at),
            // these have states of their own
            Kind::NewValue(_) | Kind::Travel(_) | Kind::Baseline(_) | Kind::Absence(_) => Vec::new(),
        }
    }

    /// How often each rule contributed.
    fn shares(
        &self,
        window: &Window,
        correlation: &Correlation,
        at: EventTime,
        against: impl Fn(usize) -> Text,
    ) -> Vec<Measure> {
        let (entries, span) = (window.within(at, correlation.timespan), span_text(correlation.timespan));
        let share = |(via, rule): (usize, &usize)| Measure {
            what: format!("{} in {span}", self.set.rules[*rule].name).into(),
            value: entries.iter().filter(|e| usize::from(e.rule) == via).count().to_string().into(),
            against: against(via),
        };
        correlation.rules.iter().enumerate().map(share).collect()
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
}

/// Whether what does not hold goes on not holding as contributions leave the window.
fn from_below(kind: &Kind) -> bool {
    match kind {
        Kind::ValueCount { range, .. } | Kind::Temporal { range: Some(range), .. } => range.only_from_below(),
        Kind::Temporal { range: None, .. } => true,
        Kind::Concurrent(concurrent) => concurrent.range.only_from_below(),
        Kind::Risk(risk) => risk.range.only_from_below(),
        _ => false,
    }
}

/// What the event adds to a window of that kind, or nothing where it lacks the field.
fn contribution(event: &Event, part: &Part<'_>, kind: &Kind) -> Option<(i128, u64)> {
    Some(match kind {
        Kind::ValueCount { .. } | Kind::Concurrent(_) | Kind::ValuePercentile { percentile: None, .. } => {
            part.value?;
            (0, part.digest)
        }
        Kind::ValueSum { field, .. } | Kind::ValueAvg { field, .. } | Kind::ValuePercentile { field, .. } => {
            (amount::amount(event, field)?, 0)
        }
        _ => (0, 0),
    })
}

fn holds(window: &Window, kind: &Kind, correlation: &Correlation, at: EventTime) -> bool {
    let span = correlation.timespan;
    let measured = || window.measure(at, span);
    match kind {
        Kind::EventCount(range) => range.holds(measured().count as f64),
        Kind::ValueCount { range, .. } => range.holds(measured().distinct as f64),
        Kind::ValueSum { range, .. } => range.holds(amount::number(measured().sum)),
        Kind::ValueAvg { range, .. } => range.holds(average(measured())),
        Kind::ValuePercentile { percentile: Some(p), range, .. } => {
            range.holds(percentile_of(window.within(at, span), *p))
        }
        Kind::ValuePercentile { percentile: None, range, .. } => {
            shares_at(window.within(at, span), at).iter().any(|share| range.holds(*share))
        }
        Kind::Temporal { ordered: false, range: Some(range) } => range.holds(window.different_rules(at, span) as f64),
        Kind::Temporal { ordered: true, range: Some(range) } => range.holds(f64::from(window.in_order(at, span))),
        Kind::Temporal { ordered: false, .. } => window.has_all(correlation.rules.len() as u16, at, span),
        Kind::Temporal { ordered: true, .. } => window.has_in_order(correlation.rules.len() as u16, at, span),
        Kind::Concurrent(concurrent) => concurrent.range.holds(window.returns(at, span) as f64),
        Kind::Risk(risk) => risk.range.holds(risk.weigh(|rule| window.has(rule as u16, at, span)).0),
        Kind::NewValue(_) | Kind::Travel(_) | Kind::Baseline(_) | Kind::Absence(_) => false,
    }
}

pub(super) fn average(m: window::Measured) -> f64 {
    if m.count == 0 { 0.0 } else { amount::number(m.sum) / m.count as f64 }
}

/// That percentile of the amounts, by nearest rank.
fn percentile_of(entries: &[Entry], percentile: f64) -> f64 {
    let mut amounts: Vec<i128> = entries.iter().map(|e| e.amount).collect();
    if amounts.is_empty() {
        return 0.0;
    }
    let rank = (amounts.len() as f64 * percentile / 100.0).ceil() as usize;
    amounts.sort_unstable();
    amount::number(amounts[rank.clamp(1, amounts.len()) - 1])
}

/// For each value that came at the time `at`: in percent, how many of the entries have that value.
fn shares_at(entries: &[Entry], at: EventTime) -> Vec<f64> {
    let share = |value: u64| 100.0 * entries.iter().filter(|e| e.value == value).count() as f64 / entries.len() as f64;
    let mut values: Vec<u64> = entries.iter().rev().take_while(|e| e.time == at).map(|e| e.value).collect();
    values.dedup();
    values.into_iter().map(share).collect()
}

/// What the signs weigh together, and what each of them does.
fn weights(set: &PolicySet, window: &Window, correlation: &Correlation, risk: &Risk, at: EventTime) -> Vec<Measure> {
    let span = correlation.timespan;
    let (sum, parts) = risk.weigh(|rule| window.has(rule as u16, at, span));
    let measure = |what: String, value: f64, against: String| Measure {
        what: what.into(),
        value: format!("{value}").into(),
        against: against.into(),
    };
    let all = measure(format!("weight of all signs in {}", span_text(span)), sum, risk.range.to_string());
    let each = parts.into_iter().map(|(rule, weight)| {
        let name = &set.rules[correlation.rules[rule]].name;
        measure(name.to_string(), weight, format!("of {}", risk.weights[rule]))
    });
    std::iter::once(all).chain(each).collect()
}
