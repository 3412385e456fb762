//! Detection: `(state, event) -> (state, firings)`, in event time.
//!
//! State belongs to keys: one slice for one entity of one correlation. Which keys an event touches follows from the event
//! alone ([`Engine::touch`], which any thread may reckon), so the caller can fetch the slices before it advances.
//! A correlation of correlations takes up the event at which the inner condition holds, with that event's fields.

pub mod explain;
mod lately;
mod observe;
mod plan;
mod quarantine;
mod selecting;
pub mod share;
pub mod state;
#[cfg(test)]
mod tests;

use crate::model::{Event, EventId, EventTime, Measure, Severity, Text};
use crate::operator::{Terms, each};
use crate::policy::{Body, Policy, PolicySet};
use plan::{Part, Step};
pub use plan::{Plans, Table, Touched};
use selecting::Selecting;
pub use state::{Acting, Meeting, State, StateKey, StateRow, names};
use state::{At, Calm};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A compiled set of policies, ready to run.
pub struct Engine {
    set: Arc<PolicySet>,
    /// By product, for each of which policies are meant, the detections for its events.
    by_product: BTreeMap<Arc<str>, Selecting>,
    /// The detections for the events of all other products.
    for_all: Selecting,
    /// For each rule, the correlations that refer to it, with its position in their list.
    dependents: Vec<Vec<(u16, u16)>>,
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
    /// What holds again in an episode in which it fired before, of policies that ask for something: who is at it again in
    /// another session is to be stopped there too, and that is no other finding.
    pub again: Vec<Firing>,
    /// The event contributed to a window, introduced a new value or made a condition hold: it is to be recorded.
    pub contributed: bool,
    /// A policy whose state was at its bound, so that something of it was let go.
    pub pressed: Option<u16>,
    /// The correlations that hold at the event, each with its window and the last time at which it holds: what only says
    /// that one of them holds tells the numbers of that one.
    held: Vec<(u16, At, EventTime)>,
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
        Engine { for_all: Selecting::of(&set, None), by_product, set, dependents }
    }

    /// The detections for the events of that product.
    fn selecting_of(&self, product: &str) -> &Selecting {
        self.by_product.get(product).unwrap_or(&self.for_all)
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        &self.set
    }

    /// Folds one event into the slices that it touches. `at` is the time that windows count it at; one that is
    /// [`crate::model::Marks::unplaced`] reaches only policies that look at it alone.
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
        // for each facet where the state knows it, and whether it is calm
        let mut calm = state.take_calms();
        calm.extend(facets.iter().zip(plan.direct()).map(|(case, direct)| {
            let met = meeting.case(*case, state);
            (met, !direct || state.is_calm(met, at))
        }));
        if calm.iter().all(|(_, calm)| *calm) {
            state.give_back_calms(calm);
            return found;
        }
        let undisturbed = state.upsets();
        // when each rule holds at this event: kept between events, for most of it stays empty
        let mut holds = state.take_holds(self.set.rules.len());
        plan.matches.iter().for_each(|i| holds[usize::from(*i)].push(at));
        for step in &plan.steps {
            let (met, calm) = &mut calm[usize::from(step.facet)];
            // what the event itself has brought about may have ended the calm
            let is_calm =
                |state: &State| (*calm && state.upsets() == undisturbed) || state.is_step_calm(*met, step.place, at);
            if step.direct && is_calm(state) {
                continue;
            }
            let policy = &self.set.rules[usize::from(step.policy)];
            if event.marks.unplaced && accumulates(policy) {
                continue;
            }
            let times = match &policy.body {
                Body::Detection(_) => std::slice::from_ref(&at),
                Body::Correlation(c) => &holds[c.rules[usize::from(step.via)]][..],
            };
            if times.is_empty() {
                continue;
            }
            let case = &table.cases()[facets[usize::from(step.facet)] as usize];
            let [slot, beside] = state.place(*met, step.place);
            let mut until = Calm::after(at);
            let mut held = case.part(step.place).map_or_else(Vec::new, |part| {
                let place = Place { event, step, part: &part, slot, beside, policy };
                self.step(state, &place, times, &mut until, &mut found)
            });
            if step.direct && !event.marks.unplaced {
                // what is reached only where something else holds is asked about whenever that holds
                state.calm_step(*met, step.place, until);
                *calm = false;
            }
            let holds = &mut holds[usize::from(step.policy)];
            holds.append(&mut held);
            holds.sort_unstable();
            holds.dedup();
        }
        plan.matches.iter().for_each(|i| holds[usize::from(*i)].clear());
        plan.steps.iter().for_each(|s| holds[usize::from(s.policy)].clear());
        state.give_back_holds(holds);
        calm.iter().filter(|(_, calm)| !calm).for_each(|(met, _)| state.calm(*met));
        state.give_back_calms(calm);
        if event.marks.unplaced {
            return found;
        }
        if found.firings.iter().any(|f| self.set.rules[usize::from(f.policy)].severity >= SUSPICIOUS) {
            self.quarantine(state, at, touched, meeting);
        }
        found
    }
}

/// One event in one slice of one policy.
struct Place<'a> {
    event: &'a Event,
    step: &'a Step,
    part: &'a Part<'a>,
    slot: At,
    /// The slice of what it is compared with: those who use the same value, or peers.
    beside: At,
    policy: &'a Policy,
}

/// What is new at an event that leads to a finding of this severity is not learned until somebody says that it was honest.
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
