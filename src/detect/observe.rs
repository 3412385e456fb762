//! [`Engine::step`]: carries an operator's observation out: firings, written cells, evidence, and until when nothing can come of the same
//! again.
use super::memo::NoOpInterval;
use super::{Engine, Firing, Found, Node, State, subject};
use crate::model::{Event, EventId, EventTime, HashParts, Measure, Millis, Text};
use crate::operator::cell::{Cell, CellKind};
use crate::operator::read::read;
use crate::operator::window::Window;
use crate::operator::{Change, CohortSeen, Contribution, Operator, Report, Terms, Words, each};
use crate::policy::{Body, Correlation, FieldRef};

/// One event at one input, as it is evaluated.
struct Turn<'t, 'e> {
    engine: &'t Engine,
    state: &'t mut State,
    node: &'t Node<'e>,
    noop: &'t mut NoOpInterval,
    found: &'t mut Found,
}

impl Engine {
    /// Evaluates an event at one input: the times, of those at which the rule that it matches holds, at which the policy holds too.
    pub(super) fn step(
        &self,
        state: &mut State,
        node: &Node<'_>,
        times: &[EventTime],
        noop: &mut NoOpInterval,
        found: &mut Found,
    ) -> Vec<EventTime> {
        Turn { engine: self, state, node, noop, found }.take(times)
    }
}

impl Turn<'_, '_> {
    fn take(&mut self, times: &[EventTime]) -> Vec<EventTime> {
        match &self.node.policy.body {
            Body::Detection(_) => {
                self.noop.limit(None);
                times.iter().for_each(|at| self.alert(*at, None));
                Vec::new()
            }
            Body::Correlation(c) if each!(&c.kind, operator => operator.is_or()) => self.either(c, times),
            Body::Correlation(c) => each!(&c.kind, operator => {
                times.iter().flat_map(|time| self.observe(operator, c, *time)).collect()
            }),
        }
    }

    /// "Or" as Sigma writes it: one event of any of the rules is enough, and nothing is accumulated.
    fn either(&mut self, correlation: &Correlation, times: &[EventTime]) -> Vec<EventTime> {
        let alerts = self.node.policy.alerts;
        if alerts || !correlation.group_by.is_empty() {
            // what refers to it is asked only where it holds, and so it must be
            self.noop.limit(None);
        }
        if alerts {
            times.iter().for_each(|at| self.alert(*at, Some(correlation)));
        }
        times.to_vec()
    }

    /// What alerts without accumulating anything: once for each entity and episode. Where it is the `either` of others, a finding
    /// tells what the other does.
    fn alert(&mut self, at: EventTime, either: Option<&Correlation>) {
        let Node { event, input, policy, .. } = self.node;
        self.found.contributed = true;
        if !policy.tells(event) {
            return;
        }
        let is_first = self.fire::<Window>(at);
        let other = either.filter(|_| is_first).map(|correlation| correlation.rules[usize::from(input.via)]);
        let report = other.and_then(|rule| self.retold(rule));
        if is_first {
            self.state.wrote(self.node.cell, at.plus(policy.episode));
        }
        let by_itself = || Report { first: at, measures: Vec::new(), witnesses: vec![self.node.witness(at)] };
        tell(self.node, either, at, is_first, self.found, || report.unwrap_or_else(by_itself));
    }

    /// Folds one contribution in.
    fn observe<O: Operator>(&mut self, operator: &O, correlation: &Correlation, time: EventTime) -> Vec<EventTime> {
        let Node { event, input, policy, .. } = self.node;
        let contribution = self.node.contribution(correlation, time);
        let (cell, cohort) = self.state.store.cells::<O::Cell>(self.node.cell, self.node.cohort);
        let seen = operator.observe(cell, cohort, &contribution);
        self.noop.limit(seen.noop_until);
        if let Some(cohort) = &seen.cohort {
            self.noop.limit(cohort.noop_until);
            self.of_cohort(operator, correlation, time, cohort);
        }
        if O::RETOLD
            && let Some(last) = seen.satisfied.last()
        {
            self.found.satisfied.push((input.policy, self.node.cell, *last));
        }
        let (mut fired, before) = (false, self.found.firings.len());
        let mut expires = seen.expires;
        for at in seen.satisfied.iter().copied().filter(|_| policy.tells(event)) {
            let is_first = self.fire::<O::Cell>(at);
            fired |= is_first;
            if is_first {
                // that it fired matters until its episode is over
                expires = expires.max(at.plus(policy.episode));
            }
            let cell = self.state.store.get::<O::Cell>(self.node.cell);
            tell(self.node, Some(correlation), at, is_first, self.found, || match is_first {
                true => operator.report(cell, &contribution, at, &seen.sight, &self.engine.set.words(correlation)),
                false => Report { first: operator.since(cell, contribution.span, at), ..Report::default() },
            });
        }
        if O::OF_OTHERS && fired {
            let numbers = self.numbers(correlation);
            self.found.firings[before..].iter_mut().for_each(|firing| firing.measures.extend_from_slice(&numbers));
        }
        if seen.overflowed && self.overflows(time) {
            self.found.overflowed = Some(input.policy);
        }
        if seen.change == Change::All {
            self.state.store.invalidate(self.node.cell);
        }
        if seen.change != Change::None || fired {
            self.state.wrote(self.node.cell, expires);
        }
        self.found.contributed |= seen.is_evidence || fired;
        seen.satisfied
    }

    /// What became of those with whom the entity is compared: that many begin to use the same is one finding about the
    /// organisation, and none about each of them.
    fn of_cohort<O: Operator>(&mut self, operator: &O, correlation: &Correlation, time: EventTime, seen: &CohortSeen) {
        let Node { event, binding, policy, cohort, .. } = self.node;
        if seen.change == Change::All {
            self.state.store.invalidate(*cohort);
        }
        let began = seen.began.filter(|_| policy.tells(event)).and_then(|others| {
            let fired = self.state.store.cell(*cohort).as_mut().and_then(Cell::fired)?;
            let is_first = fired.fire(&policy.decision, time.episode(policy.episode));
            let contribution = self.node.contribution(correlation, time);
            let report = || operator.cohort_report(&contribution, others, &self.engine.set.words(correlation));
            is_first.then(report).flatten()
        });
        if seen.change != Change::None || began.is_some() {
            // that it fired matters until its episode is over
            let until_told = if began.is_some() { time.plus(policy.episode) } else { seen.expires };
            self.state.wrote(*cohort, seen.expires.max(until_told));
        }
        if let Some((label, report)) = began {
            let entity = binding.cohort().unwrap_or(binding.key).entity.0;
            self.found.contributed = true;
            self.found.firings.push(Firing { entity, ..self.node.firing(label, time, report) });
        }
    }

    /// Marks the episode as one in which the policy fired for the entity; `false` where it had been.
    fn fire<T: CellKind>(&mut self, at: EventTime) -> bool {
        let policy = self.node.policy;
        self.state.store.get::<T>(self.node.cell);
        let fired = self.state.store.cell(self.node.cell).as_mut().and_then(Cell::fired);
        fired.is_some_and(|fired| fired.fire(&policy.decision, at.episode(policy.episode)))
    }

    /// Whether the policy is met to keep less than happens for the first time on this day, in this cell.
    fn overflows(&mut self, at: EventTime) -> bool {
        let told = HashParts::new("overflowed").part(&self.node.policy.decision.0).finish();
        let fired = self.state.store.cell(self.node.cell).as_mut().and_then(Cell::fired);
        fired.is_some_and(|fired| fired.fire(&told, at.episode(Millis::DAY)))
    }

    /// The numbers of those of its rules that hold at this event and have some: that they came together explains little.
    fn numbers(&mut self, correlation: &Correlation) -> Vec<Measure> {
        let set = &self.engine.set;
        let has_own = |rule: &usize| match &set.rules[*rule].body {
            Body::Correlation(inner) => !each!(&inner.kind, operator => of_others(operator)),
            Body::Detection(_) => false,
        };
        let rules = correlation.rules.iter().copied().filter(has_own);
        rules.filter_map(|rule| self.held(rule)).flat_map(|report| report.measures).collect()
    }

    /// The numbers and contributions of the rule by which something came about, where that has any.
    fn retold(&mut self, rule: usize) -> Option<Report> {
        let mut report = self.held(rule)?;
        let Body::Correlation(correlation) = &self.engine.set.rules[rule].body else { return None };
        if each!(&correlation.kind, operator => of_others(operator)) {
            report.measures.extend(self.numbers(correlation));
        }
        Some(report)
    }

    /// What a rule that holds at this event tells again.
    fn held(&mut self, rule: usize) -> Option<Report> {
        let Body::Correlation(correlation) = &self.engine.set.rules[rule].body else { return None };
        let (_, cell, at) =
            self.found.satisfied.iter().rev().find(|(policy, ..)| usize::from(*policy) == rule).copied()?;
        let words = self.engine.set.words(correlation);
        each!(&correlation.kind, operator => retell(operator, self.state, cell, &words, at))
    }
}

impl Node<'_> {
    fn witness(&self, at: EventTime) -> (EventId, EventTime, Text) {
        (self.event.id, at, self.policy.name.as_ref().into())
    }

    fn contribution(&self, correlation: &Correlation, time: EventTime) -> Contribution<'_> {
        Contribution {
            event: self.event,
            time,
            rule: self.input.via,
            rules: correlation.rules.len() as u16,
            span: correlation.timespan,
            entity: self.binding.entity(),
            value: self.binding.value,
            digest: self.binding.digest,
            policy: &self.policy.name,
        }
    }

    fn firing(&self, label: Text, time: EventTime, report: Report) -> Firing {
        let Report { first, measures, witnesses } = report;
        Firing {
            policy: self.input.policy,
            time,
            first,
            entity: self.binding.key.entity.0,
            label,
            episode: time.episode(self.policy.episode),
            measures,
            witnesses,
            asks: true,
        }
    }
}

/// A firing at `at`, or that the policy holds again in an episode in which it fired before, where it asks for something.
fn tell(
    node: &Node<'_>,
    correlation: Option<&Correlation>,
    at: EventTime,
    is_first: bool,
    found: &mut Found,
    report: impl FnOnce() -> Report,
) {
    if !is_first && node.policy.asks.is_empty() {
        return;
    }
    let label = match correlation {
        Some(correlation) => label(correlation, node.input.via, node.event),
        None => subject(node.event),
    };
    let firing = node.firing(label, at, report());
    if is_first { found.firings.push(firing) } else { found.refired.push(firing) }
}

fn of_others<O: Operator>(_: &O) -> bool {
    O::OF_OTHERS
}

fn retell<O: Operator>(
    operator: &O,
    state: &mut State,
    cell: super::CellIdx,
    words: &Words<'_>,
    at: EventTime,
) -> Option<Report> {
    operator.retell(state.store.get::<O::Cell>(cell), words, at)
}

/// The entity for a person: `actor.user.name=ana`.
pub(super) fn label(correlation: &Correlation, via: u16, event: &Event) -> Text {
    let parts: Vec<String> = correlation
        .group_by
        .iter()
        .map(|key| {
            let shown = match &key.fields[usize::from(via)] {
                // a session id is a live secret: the finding's subject shows what stands for it
                FieldRef::Known(field) if event.is_session_id(*field) => "(the session)".to_owned(),
                field => read(event, field).unwrap_or_default().to_string(),
            };
            format!("{}={shown}", key.name)
        })
        .collect();
    if parts.is_empty() { "the organisation".into() } else { parts.join(" ").into() }
}
