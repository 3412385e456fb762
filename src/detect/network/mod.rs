//! The network: what an event means to the policies, worked out from the event alone.
//!
//! It is a discrimination network, as in Rete, with keyed state behind it. Detections are its alpha part: which of them an event
//! matches decides which correlations it can reach, directly or through other correlations, and in which order these are
//! evaluated. That list is the event's [`Activation`]. Most events match what some event before them has matched, so an activation is
//! [compiled](self::compile) once for each set of detections and then shared.
//!
//! A correlation that an activation reaches is one [`NodeInput`]: the policy, and by which of its rules the event comes to it. The
//! inputs of an activation that keep state under the same key and look at similar fields form a [`Projection`]: the list of fields
//! that all of them together look at. Projecting an event on it gives a [`Projected`]: the entity's key and the values that the
//! inputs tell apart. What one person does again and again from one place projects to the same value, so a thread's [`Classifier`]
//! keeps those that it has met, and the [memo](super::memo) remembers for each when evaluating it again can change nothing.
//! What one input gets of it is a [`Binding`].
//!
//! [Classifying](self::classify) an event needs no state and happens on the thread that read it. The writer's thread then evaluates
//! the activation's inputs, in order, in [`Engine::advance`].
mod cache;
mod classify;
mod compile;
mod selecting;

use super::store::{CellKey, EntityKey};
use super::{Engine, subject_key};
use crate::model::{Event, Field, HashParts, Text};
use crate::operator::read::{read_known, tuple};
use crate::policy::FieldRef;
pub use classify::Classifier;
pub(super) use selecting::Selecting;
use std::collections::BTreeSet;
use std::sync::Arc;

/// All that events can reach which match the same detections: the terminals of the alpha network for them.
#[derive(Debug)]
pub(super) struct Activation {
    /// Indices of the detections, ascending.
    pub(super) matches: Vec<u16>,
    /// In the order of evaluation: a rule comes before those that refer to it.
    pub(super) inputs: Vec<NodeInput>,
    /// With their numbers among all projections met.
    projections: Vec<(u32, Arc<Projection>)>,
}

/// One policy to be evaluated, and by which of its rules an event comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeInput {
    /// Index of the policy.
    pub(super) policy: u16,
    /// For a correlation: which of its rules this is about.
    pub(super) via: u16,
    /// Which of the activation's projections it belongs to, and its place there.
    pub(super) projection: u16,
    pub(super) place: u16,
    /// Every event of the activation reaches it; others are reached only where some other correlation holds.
    pub(super) direct: bool,
    /// Whether the policy keeps anything at all.
    pub(super) stateful: bool,
    /// What the keys of its cells begin with.
    prefix: [u8; 8],
    /// Which of the projection's tuples it tells apart, where it tells any.
    tuple: Option<u16>,
    cohort: CohortKey,
}

/// What an entity is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CohortKey {
    Nothing,
    /// Those who use the same value.
    Crowd,
    /// Its peers: those with the same values in that tuple of the projection.
    Peers(u16),
}

/// The fields that some inputs of an activation look at, all of which keep state under the same key. Activations share it.
#[derive(Debug, PartialEq, Eq)]
struct Projection {
    key: KeySpec,
    /// Its inputs look at more than who acts from where: that differs from event to event.
    wide: bool,
    /// All that they look at.
    fields: BTreeSet<FieldRef>,
    /// The fields whose values they tell apart or compare by, each list once.
    tuples: Vec<Vec<FieldRef>>,
    /// In the order of evaluation.
    inputs: Vec<NodeInput>,
    /// The places of those that every event of the activation reaches.
    direct: Vec<u16>,
}

/// What an entity's key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeySpec {
    /// The actor, else the session, else the address.
    Subject,
    /// The values of these fields.
    Fields(Vec<FieldRef>),
}

/// An event's values under a projection.
#[derive(Debug)]
pub(super) struct Projected {
    projection: Arc<Projection>,
    /// None where the event lacks what the key is made of.
    pub(super) entity: Option<EntityKey>,
    /// The entity is the actor, and nothing else: of these there are no more than there are names.
    pub(super) personal: bool,
    /// The values of the projection's tuples; none where the event lacks one of the fields.
    tuples: Box<[Option<Tuple>]>,
}

/// The values of some fields.
#[derive(Debug)]
struct Tuple {
    text: Text,
    digest: u64,
}

/// What an event brings to one input.
#[derive(Debug)]
pub(super) struct Binding<'p> {
    /// The cell of the entity.
    pub(super) key: CellKey,
    /// The value that a correlation tells apart; none where the event lacks one of its fields, or no value is looked at.
    pub(super) value: Option<&'p Text>,
    /// The digest of `value`.
    pub(super) digest: u64,
    /// What the entity is compared with: those who use the value, or peers; as what, and by which values.
    compared: Option<(&'static str, &'p Text)>,
}

impl Binding<'_> {
    /// The entity, short.
    pub(super) fn entity(&self) -> u64 {
        self.key.entity.0[..8].iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// The cell of those that the entity is compared with.
    pub(super) fn cohort(&self) -> Option<CellKey> {
        let (whose, text) = self.compared?;
        let entity = EntityKey(HashParts::new(whose).part(text.as_bytes()).finish().short());
        Some(CellKey { entity, ..self.key })
    }
}

impl Projected {
    fn new(event: &Event, projection: &Arc<Projection>) -> Projected {
        let read = |fields: &Vec<FieldRef>| {
            let text = tuple(event, fields)?;
            let digest = u64::from_be_bytes(first_eight(&HashParts::new("value").part(text.as_bytes()).finish().0));
            Some(Tuple { text, digest })
        };
        Projected {
            projection: projection.clone(),
            entity: projection.key.entity(event),
            personal: projection.key.is_personal(event),
            tuples: projection.tuples.iter().map(read).collect(),
        }
    }

    /// What it brings to the input at that place; nothing where the event lacks what the key is made of.
    pub(super) fn binding(&self, place: u16) -> Option<Binding<'_>> {
        let input = &self.projection.inputs[usize::from(place)];
        let tuple = |at: u16| self.tuples[usize::from(at)].as_ref();
        let value = input.tuple.and_then(tuple);
        let compared = match input.cohort {
            CohortKey::Nothing => None,
            CohortKey::Crowd => value.map(|value| ("crowd", &value.text)),
            CohortKey::Peers(at) => tuple(at).map(|peers| ("peers", &peers.text)),
        };
        Some(Binding {
            key: CellKey { prefix: input.prefix, entity: self.entity? },
            value: value.map(|value| &value.text),
            digest: value.map_or(0, |value| value.digest),
            compared,
        })
    }

    /// The inputs that look at it.
    pub(super) fn inputs(&self) -> &[NodeInput] {
        &self.projection.inputs
    }

    /// The places of those that every one of its events reaches.
    pub(super) fn direct(&self) -> &[u16] {
        &self.projection.direct
    }

    /// The policies that keep something of its entity, by what the keys of their cells begin with.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = [u8; 8]> + '_ {
        self.projection.inputs.iter().filter(|input| input.stateful).map(|input| input.prefix)
    }

    /// The entities whose records its events may change: its own, and those that it is compared with.
    pub(super) fn entities(&self) -> impl Iterator<Item = EntityKey> + '_ {
        let kept = self.projection.inputs.iter().filter(|input| input.stateful);
        let own = kept.clone().next().and(self.entity);
        let cohorts = kept.filter(|input| input.cohort != CohortKey::Nothing);
        let cohorts = cohorts.filter_map(|input| self.binding(input.place)?.cohort()).map(|cell| cell.entity);
        own.into_iter().chain(cohorts)
    }
}

/// What one event means to the policies: where in an [`ActivationBatch`] that stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivationRef(Option<(u32, u32)>);

impl ActivationRef {
    /// Whether no policy looks at the event.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// What the events of a batch mean to the policies.
#[derive(Debug, Default)]
pub struct ActivationBatch {
    activations: Vec<Arc<Activation>>,
    projected: Vec<Arc<Projected>>,
    /// For each event, its values under the projections of its activation, by their numbers in `projected`.
    values: Vec<u32>,
}

impl ActivationBatch {
    pub(super) fn projected(&self) -> &[Arc<Projected>] {
        &self.projected
    }

    /// The activation of an event, and for each of its projections the event's value under it, by number.
    pub(super) fn get(&self, activation: &ActivationRef) -> Option<(&Activation, &[u32])> {
        let (activation, first) = activation.0?;
        let activation = &self.activations[activation as usize];
        let first = first as usize;
        Some((activation, &self.values[first..first + activation.projections.len()]))
    }
}

impl Activation {
    /// For each projection, whether every event reaches one of its inputs.
    pub(super) fn direct(&self) -> impl Iterator<Item = bool> {
        self.projections.iter().map(|(_, projection)| !projection.direct.is_empty())
    }
}

/// The entity whose fields have these values.
pub(super) fn entity_of<'t>(values: impl IntoIterator<Item = &'t str>) -> EntityKey {
    let parts = HashParts::new("entity");
    EntityKey(values.into_iter().fold(parts, |parts, value| parts.part(value.as_bytes())).finish().short())
}

impl KeySpec {
    /// The fields that tell entities apart.
    fn fields(&self) -> BTreeSet<FieldRef> {
        match self {
            KeySpec::Subject => [Field::ActorName, Field::SessionUid, Field::Ip].map(FieldRef::Known).into(),
            KeySpec::Fields(fields) => fields.iter().copied().collect(),
        }
    }

    /// Whether the entity is the actor, and nothing else.
    fn is_personal(&self, event: &Event) -> bool {
        match self {
            KeySpec::Subject => event.actor.is_some(),
            KeySpec::Fields(fields) => fields[..] == [FieldRef::Known(Field::ActorName)],
        }
    }

    fn entity(&self, event: &Event) -> Option<EntityKey> {
        let mut parts = HashParts::new("entity");
        match self {
            KeySpec::Subject => parts = parts.part(subject_key(event).as_bytes()),
            KeySpec::Fields(fields) => {
                for field in fields {
                    let mut hashed = None;
                    read_known(event, field, |text| {
                        hashed = Some(std::mem::replace(&mut parts, HashParts::new("")).part(text.as_bytes()))
                    });
                    parts = hashed?;
                }
            }
        }
        Some(EntityKey(parts.finish().short()))
    }
}

/// The first eight bytes.
pub(super) fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    first
}
