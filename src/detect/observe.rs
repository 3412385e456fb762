//! What every operator's observation leads to: firings, written cells, evidence, and until when nothing can come of the same again.
use super::state::{Calm, State};
use super::{Engine, Firing, Found, Place, subject};
use crate::model::{Event, EventId, EventTime, Field, Measure, Text};
use crate::operator::cell::{Cell, CellKind};
use crate::operator::read::read;
use crate::operator::window::Window;
use crate::operator::{Change, CohortSeen, Contribution, Operator, Report, Terms, Words, each};
use crate::policy::{Body, Correlation, FieldRef};

impl Engine {
    /// Evaluates one step of an event: the times, of those at which the rule that it matches holds, at which the policy holds too.
    pub(super) fn step(
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
                times.iter().for_each(|at| self.alert(state, place, *at, None, found));
                Vec::new()
            }
            Body::Correlation(c) if each!(&c.kind, operator => operator.is_or()) => {
                self.either(state, place, c, times, calm, found)
            }
            Body::Correlation(correlation) => {
                each!(&correlation.kind, operator => {
                    let mut held = Vec::new();
                    for time in times {
                        held.append(&mut self.observe(operator, state, place, correlation, *time, calm, found));
                    }
                    held
                })
            }
        }
    }

    /// "Or" as Sigma writes it: one event of any of the rules is enough, and nothing is accumulated.
    fn either(
        &self,
        state: &mut State,
        place: &Place<'_>,
        correlation: &Correlation,
        times: &[EventTime],
        calm: &mut Calm,
        found: &mut Found,
    ) -> Vec<EventTime> {
        if place.policy.alerts || !correlation.group_by.is_empty() {
            // what refers to it is asked only where it holds, and so it must be
            calm.limit(None);
        }
        if place.policy.alerts {
            times.iter().for_each(|at| self.alert(state, place, *at, Some(correlation), found));
        }
        times.to_vec()
    }

    /// What alerts without accumulating anything: once for each entity and episode. Where it is the `either` of others, a finding
    /// tells what the other does.
    fn alert(
        &self,
        state: &mut State,
        place: &Place<'_>,
        at: EventTime,
        either: Option<&Correlation>,
        found: &mut Found,
    ) {
        let Place { event, step, policy, slot, .. } = place;
        found.contributed = true;
        if !policy.tells(event) {
            return;
        }
        let is_first = fire::<Window>(state, place, at);
        let other = either.filter(|_| is_first).map(|correlation| correlation.rules[usize::from(step.via)]);
        let report = other.and_then(|rule| self.retold(state, rule, found));
        if is_first {
            state.wrote(*slot, at.plus(policy.episode));
        }
        tell(place, either, at, is_first, found, |_| {
            let by_itself = || Report { first: at, measures: Vec::new(), witnesses: vec![place.witness(at)] };
            report.unwrap_or_else(by_itself)
        });
    }

    /// Folds one contribution in.
    #[allow(clippy::too_many_arguments, reason = "the step of all operators, with all that a step has")]
    fn observe<O: Operator>(
        &self,
        operator: &O,
        state: &mut State,
        place: &Place<'_>,
        correlation: &Correlation,
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Vec<EventTime> {
        let Place { event, step, slot, policy, .. } = place;
        let contribution = place.contribution(correlation, time);
        let (cell, cohort) = state.cells::<O::Cell>(*slot, place.beside);
        let seen = operator.observe(cell, cohort, &contribution);
        calm.limit(seen.noop_until);
        if let Some(cohort) = &seen.cohort {
            calm.limit(cohort.noop_until);
            self.of_cohort(operator, state, place, correlation, time, cohort, found);
        }
        if O::RETOLD
            && let Some(last) = seen.satisfied.last()
        {
            found.held.push((step.policy, *slot, *last));
        }
        let (mut fired, before) = (false, found.firings.len());
        for at in seen.satisfied.iter().copied().filter(|_| policy.tells(event)) {
            let is_first = fire::<O::Cell>(state, place, at);
            fired |= is_first;
            let cell = state.get::<O::Cell>(*slot);
            tell(place, Some(correlation), at, is_first, found, |is_first| match is_first {
                true => operator.report(cell, &contribution, at, &seen.sight, &self.set.words(correlation)),
                false => Report { first: operator.since(cell, contribution.span, at), ..Report::default() },
            });
        }
        if O::OF_OTHERS && fired {
            let numbers = self.numbers(state, correlation, found);
            found.firings[before..].iter_mut().for_each(|firing| firing.measures.extend_from_slice(&numbers));
        }
        if seen.overflowed {
            found.pressed = Some(step.policy);
        }
        if seen.change == Change::All {
            state.upset(*slot);
        }
        if seen.change != Change::None || fired {
            state.wrote(*slot, seen.expires);
        }
        found.contributed |= seen.is_evidence || fired;
        seen.satisfied
    }

    /// What became of those with whom the entity is compared: that many begin to use the same is one finding about the
    /// organisation, and none about each of them.
    #[allow(clippy::too_many_arguments, reason = "as `observe`")]
    fn of_cohort<O: Operator>(
        &self,
        operator: &O,
        state: &mut State,
        place: &Place<'_>,
        correlation: &Correlation,
        time: EventTime,
        seen: &CohortSeen,
        found: &mut Found,
    ) {
        let Place { event, part, policy, beside, .. } = place;
        if seen.change == Change::All {
            state.upset(*beside);
        }
        let began = seen.began.filter(|_| policy.tells(event)).and_then(|others| {
            let fired = state.slice(*beside).as_mut().and_then(Cell::fired)?;
            let is_first = fired.fire(&policy.decision, time.episode(policy.episode));
            is_first.then(|| {
                operator.cohort_report(&place.contribution(correlation, time), others, &self.set.words(correlation))
            })?
        });
        if seen.change != Change::None || began.is_some() {
            state.wrote(*beside, seen.expires);
        }
        if let Some((label, report)) = began {
            let entity = part.beside().map_or(part.key.entity(), |key| key.entity());
            found.contributed = true;
            found.firings.push(Firing { entity, ..place.firing(label, time, report) });
        }
    }

    /// The numbers of those of its rules that hold at this event and have some: that they came together explains little.
    fn numbers(&self, state: &mut State, correlation: &Correlation, found: &Found) -> Vec<Measure> {
        let is_of_others = |rule: usize| match &self.set.rules[rule].body {
            Body::Correlation(inner) => each!(&inner.kind, operator => of_others(operator)),
            Body::Detection(_) => true,
        };
        let rules = correlation.rules.iter().copied().filter(|rule| !is_of_others(*rule));
        rules.filter_map(|rule| self.held(state, rule, found)).flat_map(|report| report.measures).collect()
    }

    /// The numbers and contributions of the rule by which something came about, where that has any.
    fn retold(&self, state: &mut State, rule: usize, found: &Found) -> Option<Report> {
        let mut report = self.held(state, rule, found)?;
        let Body::Correlation(correlation) = &self.set.rules[rule].body else { return None };
        if each!(&correlation.kind, operator => of_others(operator)) {
            report.measures.extend(self.numbers(state, correlation, found));
        }
        Some(report)
    }

    /// What a rule that holds at this event tells again.
    fn held(&self, state: &mut State, rule: usize, found: &Found) -> Option<Report> {
        let Body::Correlation(correlation) = &self.set.rules[rule].body else { return None };
        let (_, slot, at) = found.held.iter().rev().find(|(policy, ..)| usize::from(*policy) == rule).copied()?;
        each!(&correlation.kind, operator => retell(operator, state, slot, &self.set.words(correlation), at))
    }
}

impl Place<'_> {
    fn witness(&self, at: EventTime) -> (EventId, EventTime, Text) {
        (self.event.id, at, self.policy.name.as_ref().into())
    }

    fn contribution(&self, correlation: &Correlation, time: EventTime) -> Contribution<'_> {
        Contribution {
            event: self.event,
            time,
            rule: self.step.via,
            rules: correlation.rules.len() as u16,
            span: correlation.timespan,
            entity: self.part.entity(),
            value: self.part.value,
            digest: self.part.digest,
            policy: &self.policy.name,
        }
    }

    fn firing(&self, label: Text, time: EventTime, report: Report) -> Firing {
        let Report { first, measures, witnesses } = report;
        Firing {
            policy: self.step.policy,
            time,
            first,
            entity: self.part.key.entity(),
            label,
            episode: time.episode(self.policy.episode),
            measures,
            witnesses,
        }
    }
}

/// A firing at `at`, or that the policy holds again in an episode in which it fired before, where it asks for something.
fn tell(
    place: &Place<'_>,
    correlation: Option<&Correlation>,
    at: EventTime,
    is_first: bool,
    found: &mut Found,
    report: impl FnOnce(bool) -> Report,
) {
    if !is_first && place.policy.asks.is_empty() {
        return;
    }
    let label = match correlation {
        Some(correlation) => label(correlation, place.step.via, place.event),
        None => subject(place.event),
    };
    let firing = place.firing(label, at, report(is_first));
    if is_first { found.firings.push(firing) } else { found.again.push(firing) }
}

/// Marks the episode as one in which the policy fired for the entity; `false` where it had been.
fn fire<T: CellKind>(state: &mut State, place: &Place<'_>, at: EventTime) -> bool {
    state.get::<T>(place.slot);
    let fired = state.slice(place.slot).as_mut().and_then(Cell::fired);
    fired.is_some_and(|fired| fired.fire(&place.policy.decision, at.episode(place.policy.episode)))
}

fn of_others<O: Operator>(_: &O) -> bool {
    O::OF_OTHERS
}

fn retell<O: Operator>(
    operator: &O,
    state: &mut State,
    slot: super::At,
    words: &Words<'_>,
    at: EventTime,
) -> Option<Report> {
    operator.retell(state.get::<O::Cell>(slot), words, at)
}

/// The entity for a person: `actor.user.name=ana`.
pub(super) fn label(correlation: &Correlation, via: u16, event: &Event) -> Text {
    let parts: Vec<String> = correlation
        .group_by
        .iter()
        .map(|key| {
            let shown = match &key.fields[usize::from(via)] {
                // a session id is a live secret: the finding's subject shows what stands for it
                FieldRef::Known(Field::SessionUid) => "(the session)".to_owned(),
                field => read(event, field).unwrap_or_default().to_string(),
            };
            format!("{}={shown}", key.name)
        })
        .collect();
    if parts.is_empty() { "the organisation".into() } else { parts.join(" ").into() }
}
