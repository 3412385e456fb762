//! What an event means for the policies, reckoned from the event alone.
//!
//! Which policies an event may concern follows from the detections that it matches, and that list is the same for most
//! events: it is worked out once, as a [`Plan`], and shared by all of them.
use super::state::StateKey;
use super::{Engine, is_or, read_known, subject_key};
use crate::model::{Event, HashParts};
use crate::policy::{Body, FieldRef};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that events which match the same detections may concern.
#[derive(Debug)]
pub struct Plan {
    /// Tells plans apart within one engine.
    id: u64,
    /// Indices of the detections, ascending.
    pub(super) matches: Vec<u16>,
    /// In the order in which policies are evaluated: a rule comes before those that refer to it.
    pub(super) steps: Vec<Step>,
    shapes: Vec<Shape>,
}

/// One policy to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index of the policy.
    pub policy: u16,
    /// For a correlation: which of its rules this is about.
    pub via: u16,
    /// Whose state it is: an index into the plan's shapes.
    shape: u16,
    /// Whether anything is kept at all.
    stateful: bool,
    /// What the keys of its slices begin with.
    prefix: [u8; 8],
}

/// What an entity is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// The actor, else the session, else the address.
    Subject,
    /// The values of these fields.
    Fields(Vec<FieldRef>),
}

/// What one event means for the policies.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    plan: Option<Arc<Plan>>,
    /// For each shape of the plan, the entity; none where the event lacks a field.
    entities: Box<[Option<[u8; 16]>]>,
}

/// The plans of one engine, as one thread has met them.
#[derive(Debug, Default)]
pub struct Plans {
    known: BTreeMap<Vec<u16>, Arc<Plan>>,
    matches: Vec<u16>,
}

impl Touched {
    /// Whether no policy looks at the event.
    pub fn is_empty(&self) -> bool {
        self.plan.is_none()
    }

    pub(super) fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.as_ref()
    }

    /// The slice of a step, or nothing where the event lacks what the entity is made of.
    pub(super) fn key(&self, step: &Step) -> Option<StateKey> {
        Some(StateKey::of(step.prefix, &self.entities[usize::from(step.shape)]?))
    }

    /// The slices that the event may change, by group: those of one plan and entity, which are always fetched together.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let plan = self.plan.as_deref();
        self.entities
            .iter()
            .enumerate()
            .filter_map(move |(shape, entity)| Some(Group { plan: plan?, shape: shape as u16, entity: (*entity)? }))
    }
}

/// The slices of one entity that events of one plan may change.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    plan: &'a Plan,
    shape: u16,
    entity: [u8; 16],
}

impl Group<'_> {
    /// Tells groups apart within one engine.
    pub fn id(&self) -> (u64, u16, [u8; 16]) {
        (self.plan.id, self.shape, self.entity)
    }

    /// The slices.
    pub fn keys(&self) -> impl Iterator<Item = StateKey> {
        self.plan
            .steps
            .iter()
            .filter(|s| s.shape == self.shape && s.stateful)
            .map(|s| StateKey::of(s.prefix, &self.entity))
    }
}

impl Engine {
    /// What the event means for the policies, whatever the state.
    pub fn touch(&self, event: &Event, plans: &mut Plans) -> Touched {
        plans.matches.clear();
        for &i in &self.by_activity[event.activity as usize] {
            if let Body::Detection(matcher) = &self.set.rules[i as usize].body
                && matcher.matches(event)
            {
                plans.matches.push(i);
            }
        }
        if plans.matches.is_empty() {
            return Touched::default();
        }
        let plan = match plans.known.get(&plans.matches) {
            Some(plan) => plan.clone(),
            None => {
                let plan = Arc::new(self.plan(&plans.matches));
                plans.known.insert(plans.matches.clone(), plan.clone());
                plan
            }
        };
        let entities = plan.shapes.iter().map(|shape| shape.entity(event)).collect();
        Touched { plan: Some(plan), entities }
    }

    fn plan(&self, matches: &[u16]) -> Plan {
        let id = matches.iter().fold(HashParts::new("plan"), |parts, i| parts.number(i64::from(*i))).finish();
        let mut plan = Plan {
            id: u64::from_be_bytes(first_eight(&id.0)),
            matches: matches.to_vec(),
            steps: Vec::new(),
            shapes: Vec::new(),
        };
        let mut reached: Vec<(u16, u16)> = Vec::new();
        for &i in matches {
            if self.set.rules[i as usize].alerts {
                plan.add(self, i, 0, Shape::Subject, true);
            }
            reached.extend(&self.dependents[i as usize]);
        }
        // a rule only ever refers to rules before it, so the list grows towards higher indices and ends
        let mut next = 0;
        while next < reached.len() {
            let (policy, via) = reached[next];
            next += 1;
            if reached[..next - 1].contains(&(policy, via)) {
                continue;
            }
            let Body::Correlation(correlation) = &self.set.rules[policy as usize].body else { continue };
            let fields = correlation.group_by.iter().map(|key| key.fields[usize::from(via)]).collect();
            let stateful = self.set.rules[policy as usize].alerts || !is_or(&correlation.kind);
            plan.add(self, policy, via, Shape::Fields(fields), stateful);
            reached.extend(&self.dependents[policy as usize]);
        }
        plan.steps.sort_by_key(|s| (s.policy, s.via));
        plan
    }
}

impl Plan {
    fn add(&mut self, engine: &Engine, policy: u16, via: u16, shape: Shape, stateful: bool) {
        let index = self.shapes.iter().position(|s| *s == shape).unwrap_or_else(|| {
            self.shapes.push(shape);
            self.shapes.len() - 1
        });
        let prefix = first_eight(&engine.set.rules[policy as usize].accumulation.0);
        self.steps.push(Step { policy, via, shape: index as u16, stateful, prefix });
    }
}

impl Shape {
    fn entity(&self, event: &Event) -> Option<[u8; 16]> {
        let mut parts = HashParts::new("entity");
        match self {
            Shape::Subject => parts = parts.part(subject_key(event).as_bytes()),
            Shape::Fields(fields) => {
                for field in fields {
                    let mut hashed = None;
                    read_known(event, field, |text| {
                        hashed = Some(std::mem::replace(&mut parts, HashParts::new("")).part(text.as_bytes()))
                    });
                    parts = hashed?;
                }
            }
        }
        Some(parts.finish().short())
    }
}

fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    first
}
