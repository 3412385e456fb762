//! What one event means to the policies at its moment, for a person: what selects it and what does not, what each correlation that it
//! reaches measures, and what that is held against. Reads the state and changes nothing.
use super::network::{Binding, NodeInput};
use super::observe::label;
use super::{ActivationBatch, ActivationRef, CellKey, Engine, State};
use crate::model::{Digest, Event, EventTime, Measure, Millis, Text};
use crate::operator::terms::span_text;
use crate::operator::{Cell, CellKind, Contribution, Evaluation, Operator, Terms, each};
use crate::policy::{Body, Correlation};
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

impl Engine {
    /// What the event at `at` means, as the state stands. Before [`Engine::advance`] it is what the event met, after it what it came
    /// to. All cells that it touches must be at hand, and none of them is changed.
    pub fn explain(
        &self,
        state: &mut State,
        event: &Event,
        at: EventTime,
        activation: &ActivationRef,
        batch: &ActivationBatch,
    ) -> Explained {
        let mut out = self.selecting(event);
        let Some((activated, values)) = batch.get(activation) else { return out };
        let mut holds: Vec<Option<bool>> = vec![Some(false); self.set.rules.len()];
        activated.matches.iter().for_each(|i| holds[usize::from(*i)] = Some(true));
        for input in &activated.inputs {
            let policy = &self.set.rules[usize::from(input.policy)];
            let projected = &batch.projected()[values[usize::from(input.projection)] as usize];
            let Some(binding) = projected.binding(input.place) else { continue };
            let Body::Correlation(correlation) = &policy.body else {
                let label = super::subject(event);
                out.reached.push(self.reached(
                    state,
                    input,
                    &binding,
                    at,
                    label,
                    policy.tells(event),
                    Evaluation::of(true, vec![]),
                ));
                continue;
            };
            let rule = correlation.rules[usize::from(input.via)];
            // where that could not be told of an inner one, the window shows it
            let unseen = holds[rule].is_none() && !contributed(state.clone_of(&binding.key), event, input);
            if holds[rule] == Some(false) || unseen {
                out.waiting.push((policy.name.as_ref().into(), self.set.rules[rule].name.as_ref().into()));
                continue;
            }
            let evaluation = self.evaluation(state, event, input, correlation, &binding, at);
            let known = &mut holds[usize::from(input.policy)];
            *known = either(*known, evaluation.holds);
            let label = label(correlation, input.via, event);
            let reached = self.reached(state, input, &binding, at, label, policy.tells(event), evaluation);
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
        input: &NodeInput,
        binding: &Binding<'_>,
        at: EventTime,
        entity: Text,
        tells: bool,
        evaluation: Evaluation,
    ) -> Reached {
        let policy = &self.set.rules[usize::from(input.policy)];
        let by = match &policy.body {
            Body::Correlation(c) => &self.set.rules[c.rules[usize::from(input.via)]].name,
            Body::Detection(_) => &policy.name,
        };
        let fired =
            state.clone_of(&binding.key).is_some_and(|s| has_fired(s, &policy.decision, at.episode(policy.episode)));
        let Evaluation { holds, measured, learning } = evaluation;
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

    fn evaluation(
        &self,
        state: &mut State,
        event: &Event,
        input: &NodeInput,
        correlation: &Correlation,
        binding: &Binding<'_>,
        at: EventTime,
    ) -> Evaluation {
        let contribution = Contribution {
            event,
            time: at,
            rule: input.via,
            rules: correlation.rules.len() as u16,
            span: correlation.timespan,
            entity: binding.entity(),
            value: binding.value,
            digest: binding.digest,
            policy: &self.set.rules[usize::from(input.policy)].name,
        };
        let (cell, cohort) = (state.clone_of(&binding.key), binding.cohort().and_then(|key| state.clone_of(&key)));
        let words = self.set.words(correlation);
        each!(&correlation.kind, operator => match operator.is_or() {
            true => Evaluation::of(true, Vec::new()),
            false => operator.explain(own(operator, cell), cohort, &contribution, &words),
        })
    }
}

/// The cell, where it is one of the operator's.
fn own<O: Operator>(_: &O, cell: Option<Cell>) -> Option<O::Cell> {
    cell.and_then(O::Cell::out_of)
}

impl State {
    /// A copy of the cell, where one is at hand.
    fn clone_of(&mut self, key: &CellKey) -> Option<Cell> {
        let at = self.store.find(key)?;
        self.store.cell(at).clone()
    }
}

/// Whether the event stands in the window as one of that rule.
fn contributed(cell: Option<Cell>, event: &Event, input: &NodeInput) -> bool {
    let Some(Cell::Window(window)) = cell else { return false };
    let all = window.within(EventTime(i64::MAX), Millis(i64::MAX));
    all.iter().any(|e| e.event == event.id && e.rule == input.via)
}

fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        _ => Some(false),
    }
}

/// Whether the decision has been taken in that episode. Tried on a copy, which remembers it and is thrown away.
fn has_fired(mut cell: Cell, decision: &Digest, episode: i64) -> bool {
    cell.fired().is_some_and(|fired| !fired.fire(decision, episode))
}
