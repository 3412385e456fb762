//! Detection: `(state, event) -> (state, firings)`, in event time.
//!
//! Three subsystems: the `network` says what an event means to the policies, from the event alone, on any thread; the
//! `store` keeps what the policies remember, one record for each entity; the `memo` knows when evaluating a policy
//! again can change nothing. [`Engine::advance`] puts them together, and what each type of correlation does is its
//! [operator](crate::operator).
//!
//! Which records an event touches follows from the event alone ([`Engine::classify`], [`State::missing`]), so the caller fetches them
//! before it advances. A correlation of correlations takes up the event at which the inner condition holds, with that event's fields.
pub mod explain;
mod memo;
mod network;
mod observe;
mod quarantine;
mod state;
pub mod store;
#[cfg(test)]
mod tests;

use crate::model::{Event, EventId, EventTime, Measure, Severity, Text};
use crate::operator::{Terms, each};
use crate::policy::{Body, Policy, PolicySet};
pub use memo::MemoCursor;
use memo::NoOpInterval;
pub use network::{ActivationBatch, ActivationRef, Classifier};
use network::{Binding, NodeInput, Selecting};
pub use state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::CellIdx;
pub use store::{Acting, CellKey, CellRow, EntityKey, Unreadable, names, sessions};

/// A compiled set of policies, ready to run.
pub struct Engine {
    set: Arc<PolicySet>,
    /// By product, for each of which policies are meant, the detections for its events.
    by_product: BTreeMap<Arc<str>, Selecting>,
    /// The detections for the events of all other products.
    for_all: Selecting,
    /// For each rule, the correlations that refer to it, with its position in their list.
    dependents: Vec<Vec<(u16, u16)>>,
    /// For each rule, those that it rests on, itself among them: ascending.
    rests_on: Vec<Vec<u16>>,
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
    /// What the policy asks for is asked for: the rule that must hold for it holds at the event too.
    pub asks: bool,
}

/// What one event led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// What fired.
    pub firings: Vec<Firing>,
    /// What holds again in an episode in which it fired before, of policies that ask for something: who is at it again in
    /// another session is to be stopped there too, and that is no other finding.
    pub refired: Vec<Firing>,
    /// The event contributed to a window, introduced a new value or made a condition hold: it is to be recorded.
    pub contributed: bool,
    /// A policy with a cell at its bound, so that something of it was dropped.
    pub overflowed: Option<u16>,
    /// The correlations that the event satisfies, each with its cell and the last time at which it holds: what only says
    /// that one of them holds tells the numbers of that one.
    satisfied: Vec<(u16, CellIdx, EventTime)>,
}

impl Engine {
    /// Prepares a set for running.
    pub fn new(set: Arc<PolicySet>) -> Engine {
        let mut products: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut dependents = vec![Vec::new(); set.rules.len()];
        for (i, policy) in set.rules.iter().enumerate() {
            match &policy.body {
                Body::Detection(matcher) => products.extend(matcher.products().into_iter().flatten().cloned()),
                Body::Correlation(correlation) => {
                    for (via, rule) in correlation.rules.iter().enumerate() {
                        dependents[*rule].push((i as u16, via as u16));
                    }
                }
            }
        }
        let selecting = |product: Arc<str>| (product.clone(), Selecting::of(&set, Some(&product)));
        let by_product = products.into_iter().map(selecting).collect();
        let rests_on = quarantine::rests_on(&set);
        Engine { for_all: Selecting::of(&set, None), by_product, set, dependents, rests_on }
    }

    /// The detections for the events of that product.
    fn selecting_of(&self, product: &str) -> &Selecting {
        self.by_product.get(product).unwrap_or(&self.for_all)
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        &self.set
    }

    /// Folds one event into the records that it touches. `at` is the time that windows count it at; one that is
    /// [`crate::model::Marks::unplaced`] reaches only policies that look at it alone.
    pub fn advance(
        &self,
        state: &mut State,
        event: &Event,
        at: EventTime,
        activation: &ActivationRef,
        memos: &mut MemoCursor<'_>,
    ) -> Found {
        let mut found = Found::default();
        let batch = memos.batch;
        let Some((activated, values)) = batch.get(activation) else { return found };
        // for each projection its memo, and whether the event does nothing there
        let mut noops = state.memos.take_noops();
        noops.extend(values.iter().zip(activated.direct()).map(|(value, direct)| {
            let memo = memos.memo_for(*value, &mut state.memos);
            (memo, !direct || state.memos.is_noop(&state.store, memo, at))
        }));
        if noops.iter().all(|(_, noop)| *noop) {
            state.memos.give_back_noops(noops);
            return found;
        }
        let generation = state.store.generation();
        // when each rule holds at this event: kept between events, for most of it stays empty
        let mut satisfied = state.memos.take_satisfied(self.set.rules.len());
        activated.matches.iter().for_each(|i| satisfied[usize::from(*i)].push(at));
        for input in &activated.inputs {
            let (memo, noop) = &mut noops[usize::from(input.projection)];
            // what the event itself has brought about may have ended the interval
            let is_noop = |state: &State| {
                (*noop && state.store.generation() == generation)
                    || state.memos.is_input_noop(&state.store, *memo, input.place, at)
            };
            if input.direct && is_noop(state) {
                continue;
            }
            let policy = &self.set.rules[usize::from(input.policy)];
            if event.marks.unplaced && accumulates(policy) {
                continue;
            }
            let times = match &policy.body {
                Body::Detection(_) => std::slice::from_ref(&at),
                Body::Correlation(c) => &satisfied[c.rules[usize::from(input.via)]][..],
            };
            if times.is_empty() {
                continue;
            }
            let projected = &batch.projected()[values[usize::from(input.projection)] as usize];
            let [cell, cohort] = state.memos.locate(&mut state.store, *memo, input.place);
            let mut interval = NoOpInterval::after(at);
            let mut held = projected.binding(input.place).map_or_else(Vec::new, |binding| {
                let node = Node { event, input, binding: &binding, cell, cohort, policy };
                self.step(state, &node, times, &mut interval, &mut found)
            });
            if input.direct && !event.marks.unplaced {
                // what is reached only where something else holds is evaluated whenever that holds
                state.memos.remember_input(&state.store, *memo, input.place, interval);
                *noop = false;
            }
            let satisfied = &mut satisfied[usize::from(input.policy)];
            satisfied.append(&mut held);
            satisfied.sort_unstable();
            satisfied.dedup();
        }
        self.decide_asks(&satisfied, &mut found);
        activated.matches.iter().for_each(|i| satisfied[usize::from(*i)].clear());
        activated.inputs.iter().for_each(|input| satisfied[usize::from(input.policy)].clear());
        state.memos.give_back_satisfied(satisfied);
        noops.iter().filter(|(_, noop)| !noop).for_each(|(memo, _)| state.memos.remember(&state.store, *memo));
        state.memos.give_back_noops(noops);
        if event.marks.unplaced {
            return found;
        }
        let suspicious = found.firings.iter().map(|firing| firing.policy);
        let suspicious = suspicious.filter(|policy| self.set.rules[usize::from(*policy)].severity >= SUSPICIOUS);
        let shown: BTreeSet<u16> = suspicious.flat_map(|policy| self.rests_on[usize::from(policy)].clone()).collect();
        if !shown.is_empty() {
            self.quarantine(state, at, activation, memos, &shown);
        }
        found
    }

    /// Decides whether what fired asks for something: of a policy with a condition for it only where that holds at the event.
    /// `satisfied`: for each rule, when it holds at the event.
    fn decide_asks(&self, satisfied: &[Vec<EventTime>], found: &mut Found) {
        for firing in found.firings.iter_mut().chain(&mut found.refired) {
            let when = self.set.rules[usize::from(firing.policy)].asks_when;
            firing.asks = when.is_none_or(|rule| !satisfied[rule].is_empty());
        }
        found.refired.retain(|firing| firing.asks);
    }
}

/// One event at one input of the network.
struct Node<'a> {
    event: &'a Event,
    input: &'a NodeInput,
    binding: &'a Binding<'a>,
    cell: CellIdx,
    /// The cell of what the entity is compared with: those who use the same value, or peers.
    cohort: CellIdx,
    policy: &'a Policy,
}

/// What a finding of this severity shows as new is not learned until somebody says that it was honest.
const SUSPICIOUS: Severity = Severity::High;

/// Whether the policy holds an event against others, and not by itself alone.
fn accumulates(policy: &Policy) -> bool {
    matches!(&policy.body, Body::Correlation(correlation) if !each!(&correlation.kind, operator => operator.is_or()))
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
