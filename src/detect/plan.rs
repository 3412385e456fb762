//! What an event means for the policies, reckoned from the event alone.
//!
//! Which policies an event may concern follows from the detections that it matches, and that list is the same for most
//! events: it is worked out once, as a [`Plan`]. What a person does again and again from one place looks the same to most
//! of those policies: a plan's policies are parted into facets by what they look at, and what a facet sees is worked out
//! once as well, as a [`Case`].
use super::lately::Lately;
use super::selecting::look;
use super::state::StateKey;
use super::{Engine, subject_key};
use crate::model::{Event, Field, HashParts, Text};
use crate::operator::read::{read_known, tuple};
use crate::operator::{ComparedWith, Reads, Terms, each};
use crate::policy::{Body, FieldRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that events which match the same detections may concern.
#[derive(Debug)]
pub(super) struct Plan {
    /// Indices of the detections, ascending.
    pub(super) matches: Vec<u16>,
    /// In the order in which policies are evaluated: a rule comes before those that refer to it.
    pub(super) steps: Vec<Step>,
    /// With their numbers among all facets met.
    facets: Vec<(u32, Arc<Facet>)>,
}

/// One policy to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    /// Index of the policy.
    pub(super) policy: u16,
    /// For a correlation: which of its rules this is about.
    pub(super) via: u16,
    /// Which facet it is of, and its place there.
    pub(super) facet: u16,
    pub(super) place: u16,
    /// It is reached by every event of the plan, and not only where some other correlation holds.
    pub(super) direct: bool,
    /// Whether anything is kept at all.
    pub(super) stateful: bool,
    /// What the keys of its slices begin with.
    prefix: [u8; 8],
    /// Which of its facet's tuples it tells apart, where it tells any.
    tuple: Option<u16>,
    beside: Beside,
}

/// What an entity is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    Nothing,
    /// Those who use the same value.
    Crowd,
    /// Its peers: those with the same values in that tuple of its facet.
    Peers(u16),
}

/// The steps of a plan that concern the same entity and look at the same sort of fields. Plans share it.
#[derive(Debug, PartialEq, Eq)]
struct Facet {
    shape: Shape,
    /// They look at something else than who acts from where: that differs from event to event.
    wide: bool,
    /// All that they look at.
    fields: BTreeSet<FieldRef>,
    /// The fields whose values they tell apart or compare by, each list once.
    tuples: Vec<Vec<FieldRef>>,
    /// In the order in which they are evaluated.
    steps: Vec<Step>,
    /// The places of those that every event of the plan reaches.
    direct: Vec<u16>,
}

/// What an entity is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// The actor, else the session, else the address.
    Subject,
    /// The values of these fields.
    Fields(Vec<FieldRef>),
}

/// What all events that look the same to a facet mean for its steps.
#[derive(Debug)]
pub(super) struct Case {
    facet: Arc<Facet>,
    /// None where the event lacks what the entity is made of.
    entity: Option<[u8; 16]>,
    /// The entity is the actor, and nothing else: of these there are no more than there are names.
    pub(super) personal: bool,
    /// What it has in the facet's tuples; none where the event lacks one of the fields.
    tuples: Box<[Option<Tuple>]>,
}

/// The values of some fields.
#[derive(Debug)]
struct Tuple {
    text: Text,
    digest: u64,
}

/// What an event brings to one step.
#[derive(Debug)]
pub(super) struct Part<'c> {
    /// The slice.
    pub(super) key: StateKey,
    /// The value that a correlation tells apart; none where the event lacks one of its fields, or no value is looked at.
    pub(super) value: Option<&'c Text>,
    /// The digest of `value`.
    pub(super) digest: u64,
    prefix: [u8; 8],
    /// What it is compared with: those who use the value, or peers; as what, and by which values.
    compared: Option<(&'static str, &'c Text)>,
}

impl Part<'_> {
    /// The entity, short.
    pub(super) fn entity(&self) -> u64 {
        let entity = self.key.entity();
        entity[..8].iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// The slice of those others.
    pub(super) fn beside(&self) -> Option<StateKey> {
        let (whose, text) = self.compared?;
        Some(StateKey::of(self.prefix, &HashParts::new(whose).part(text.as_bytes()).finish().short()))
    }
}

impl Case {
    fn new(event: &Event, facet: &Arc<Facet>) -> Case {
        let read = |fields: &Vec<FieldRef>| {
            let text = tuple(event, fields)?;
            let digest = u64::from_be_bytes(first_eight(&HashParts::new("value").part(text.as_bytes()).finish().0));
            Some(Tuple { text, digest })
        };
        Case {
            facet: facet.clone(),
            entity: facet.shape.entity(event),
            personal: facet.shape.is_personal(event),
            tuples: facet.tuples.iter().map(read).collect(),
        }
    }

    /// What it brings to the step at that place; nothing where the event lacks what the entity is made of.
    pub(super) fn part(&self, place: u16) -> Option<Part<'_>> {
        let step = &self.facet.steps[usize::from(place)];
        let tuple = |at: u16| self.tuples[usize::from(at)].as_ref();
        let value = step.tuple.and_then(tuple);
        let compared = match step.beside {
            Beside::Nothing => None,
            Beside::Crowd => value.map(|value| ("crowd", &value.text)),
            Beside::Peers(at) => tuple(at).map(|peers| ("peers", &peers.text)),
        };
        Some(Part {
            key: StateKey::of(step.prefix, &self.entity?),
            value: value.map(|value| &value.text),
            digest: value.map_or(0, |value| value.digest),
            prefix: step.prefix,
            compared,
        })
    }

    /// Its facet's steps.
    pub(super) fn steps(&self) -> &[Step] {
        &self.facet.steps
    }

    /// The places of those that each of its events reaches.
    pub(super) fn direct(&self) -> &[u16] {
        &self.facet.direct
    }

    /// The slices that are of whom its events are about, and of nobody else: not those of their peers.
    pub(super) fn own_keys(&self) -> impl Iterator<Item = StateKey> + '_ {
        let kept = self.facet.steps.iter().filter(|step| step.stateful);
        kept.filter_map(|step| self.part(step.place)).map(|part| part.key)
    }

    /// The slices that its events may change.
    pub(super) fn keys(&self) -> impl Iterator<Item = StateKey> + '_ {
        let kept = self.facet.steps.iter().filter(|step| step.stateful);
        kept.filter_map(|step| self.part(step.place)).flat_map(|part| [Some(part.key), part.beside()]).flatten()
    }
}

/// What one event means for the policies: where in a [`Table`] that stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Touched(Option<(u32, u32)>);

impl Touched {
    /// Whether no policy looks at the event.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// What the events of a batch mean for the policies.
#[derive(Debug, Default)]
pub struct Table {
    plans: Vec<Arc<Plan>>,
    cases: Vec<Arc<Case>>,
    /// For each event, the cases of the facets of its plan.
    facets: Vec<u32>,
}

impl Table {
    pub(super) fn cases(&self) -> &[Arc<Case>] {
        &self.cases
    }

    /// The plan of an event, and for each of its facets which case the event is of.
    pub(super) fn get(&self, touched: &Touched) -> Option<(&Plan, &[u32])> {
        let (plan, first) = touched.0?;
        let plan = &self.plans[plan as usize];
        let first = first as usize;
        Some((plan, &self.facets[first..first + plan.facets.len()]))
    }
}

/// The plans and cases of one engine, as one thread has met them, and the table of the batch at hand. What an event means
/// does not depend on it.
#[derive(Debug, Default)]
pub struct Plans {
    plans: Vec<Arc<Plan>>,
    facets: Vec<Arc<Facet>>,
    by_matches: BTreeMap<Vec<u16>, u32>,
    /// The plan, by what the detections look at.
    seen: Lately<Option<u32>>,
    /// By facet, and what the facet looks at.
    cases: Lately<Known>,
    table: Table,
    batch: u64,
    scratch: Vec<u8>,
}

/// A case, with the batch in whose table it evaluate, and where.
#[derive(Debug)]
struct Known {
    case: Arc<Case>,
    batch: u64,
    at: u32,
}

impl Plans {
    /// None met yet. `seed` keys the maps, for what is looked at is what attackers choose.
    pub fn new(seed: u64) -> Plans {
        Plans { seen: Lately::new(seed), cases: Lately::new(seed), ..Plans::default() }
    }

    /// What the events touched since the last call mean.
    pub fn take_table(&mut self) -> Table {
        self.batch += 1;
        self.table.plans.clone_from(&self.plans);
        std::mem::take(&mut self.table)
    }
}

impl Engine {
    /// What the event means for the policies, whatever the state: an entry in the table of `plans`.
    pub fn touch(&self, event: &Event, plans: &mut Plans) -> Touched {
        let Some(number) = self.plan_of(event, plans) else { return Touched::default() };
        let Plans { cases, table, batch, scratch: key, .. } = plans;
        let first = table.facets.len() as u32;
        for (number, facet) in &plans.plans[number as usize].facets {
            key.clear();
            key.extend(number.to_le_bytes());
            look(event, &facet.fields, key);
            let known = cases.get(key, || Known { case: Arc::new(Case::new(event, facet)), batch: u64::MAX, at: 0 });
            if known.batch != *batch {
                (known.batch, known.at) = (*batch, table.cases.len() as u32);
                table.cases.push(known.case.clone());
            }
            table.facets.push(known.at);
        }
        Touched(Some((number, first)))
    }

    /// The number of the plan of the detections that the event matches; nothing where there is none.
    fn plan_of(&self, event: &Event, plans: &mut Plans) -> Option<u32> {
        let Some(fields) = self.selecting_of(&event.product).fields(event.activity) else {
            return self.match_all(event, plans);
        };
        let mut key = std::mem::take(&mut plans.scratch);
        key.clear();
        key.push(event.activity as u8);
        look(event, fields, &mut key);
        let mut seen = std::mem::take(&mut plans.seen);
        let number = *seen.get(&key, || self.match_all(event, plans));
        (plans.seen, plans.scratch) = (seen, key);
        number
    }

    fn match_all(&self, event: &Event, plans: &mut Plans) -> Option<u32> {
        let matches: Vec<u16> = self
            .selecting_of(&event.product)
            .detections(event.activity)
            .iter()
            .copied()
            .filter(|i| match &self.set.rules[usize::from(*i)].body {
                Body::Detection(matcher) => matcher.matches(event),
                Body::Correlation(_) => false,
            })
            .collect();
        if matches.is_empty() {
            return None;
        }
        if let Some(number) = plans.by_matches.get(&matches) {
            return Some(*number);
        }
        let number = plans.plans.len() as u32;
        let plan = self.plan(&matches, &mut plans.facets);
        plans.plans.push(Arc::new(plan));
        plans.by_matches.insert(matches, number);
        Some(number)
    }

    fn plan(&self, matches: &[u16], known: &mut Vec<Arc<Facet>>) -> Plan {
        let mut plan = Draft::default();
        // whether a rule holds at every event of the plan
        let mut always: BTreeSet<u16> = matches.iter().copied().collect();
        let mut reached: Vec<(u16, u16)> = Vec::new();
        for &i in matches {
            reached.extend(&self.dependents[i as usize]);
        }
        // a rule only ever refers to rules before it, so the list grows towards higher indices and ends
        let mut next = 0;
        while next < reached.len() {
            let (policy, _) = reached[next];
            next += 1;
            reached.extend(&self.dependents[policy as usize]);
        }
        reached.sort_unstable();
        reached.dedup();
        for &i in matches {
            if self.set.rules[i as usize].alerts {
                plan.add(self, (i, 0), Shape::Subject, Reads::default(), [true, true]);
            }
        }
        for (policy, via) in reached {
            let Body::Correlation(correlation) = &self.set.rules[policy as usize].body else { continue };
            let direct = always.contains(&(correlation.rules[usize::from(via)] as u16));
            // one that groups by something is not reached by events that lack it
            let is_or = each!(&correlation.kind, operator => operator.is_or());
            if direct && is_or && correlation.group_by.is_empty() {
                always.insert(policy);
            }
            let fields = correlation.group_by.iter().map(|key| key.fields[usize::from(via)]).collect();
            let stateful = self.set.rules[policy as usize].alerts || !is_or;
            let reads = each!(&correlation.kind, operator => operator.reads());
            plan.add(self, (policy, via), Shape::Fields(fields), reads, [direct, stateful]);
        }
        plan.finish(matches, known)
    }
}

impl Plan {
    /// For each facet, whether every event reaches one of its steps.
    pub(super) fn direct(&self) -> impl Iterator<Item = bool> {
        self.facets.iter().map(|(_, facet)| !facet.direct.is_empty())
    }
}

/// A plan that is being made.
#[derive(Default)]
struct Draft {
    steps: Vec<Step>,
    facets: Vec<Facet>,
}

impl Draft {
    fn add(
        &mut self,
        engine: &Engine,
        (policy, via): (u16, u16),
        shape: Shape,
        reads: Reads<'_>,
        [direct, stateful]: [bool; 2],
    ) {
        let values = reads.value;
        let wide = values.iter().any(|field| !is_of_origin(field));
        let number = self.facets.iter().position(|f| f.shape == shape && f.wide == wide).unwrap_or_else(|| {
            let fields = shape.fields();
            self.facets.push(Facet { shape, wide, fields, tuples: Vec::new(), steps: Vec::new(), direct: Vec::new() });
            self.facets.len() - 1
        });
        let facet = &mut self.facets[number];
        facet.fields.extend(values);
        let tuple = facet.tuple(values);
        let beside = match reads.cohort {
            ComparedWith::Peers(peers) => {
                facet.fields.extend(peers);
                facet.tuple(peers).map_or(Beside::Nothing, Beside::Peers)
            }
            ComparedWith::Users => Beside::Crowd,
            ComparedWith::Nobody => Beside::Nothing,
        };
        let prefix = first_eight(&engine.set.rules[policy as usize].accumulation.0);
        self.steps.push(Step { policy, via, facet: number as u16, place: 0, direct, stateful, prefix, tuple, beside });
    }

    /// Puts the steps in order, and shares the facets with the plans `known` so far.
    fn finish(mut self, matches: &[u16], known: &mut Vec<Arc<Facet>>) -> Plan {
        self.steps.sort();
        for step in &mut self.steps {
            let facet = &mut self.facets[usize::from(step.facet)];
            step.place = facet.steps.len() as u16;
            // which of a plan's facets it is does not tell facets apart
            facet.steps.push(Step { facet: 0, ..*step });
            facet.direct.extend(step.direct.then_some(step.place));
        }
        let share = |facet: Facet| {
            let number = known.iter().position(|k| **k == facet).unwrap_or_else(|| {
                known.push(Arc::new(facet));
                known.len() - 1
            });
            (number as u32, known[number].clone())
        };
        Plan { matches: matches.to_vec(), steps: self.steps, facets: self.facets.into_iter().map(share).collect() }
    }
}

impl Facet {
    /// Which of its tuples those fields are; nothing where there are none.
    fn tuple(&mut self, fields: &[FieldRef]) -> Option<u16> {
        if fields.is_empty() {
            return None;
        }
        let at = self.tuples.iter().position(|known| known == fields).unwrap_or_else(|| {
            self.tuples.push(fields.to_vec());
            self.tuples.len() - 1
        });
        Some(at as u16)
    }
}

/// Whether it says who acts or from where: what stays the same for hours.
fn is_of_origin(field: &FieldRef) -> bool {
    use Field::*;
    matches!(
        field,
        FieldRef::Known(
            ActorName
                | ActorUid
                | ActorType
                | ActorRole
                | SessionUid
                | SessionVouched
                | Ip
                | Prefix
                | AsNumber
                | AsName
                | Country
                | City
                | Listed
                | UserAgent
                | DeviceFamily
                | DeviceOs
                | DeviceVersion
                | DeviceType
        )
    )
}

/// The entity whose fields have these values.
pub(super) fn entity_of<'t>(values: impl IntoIterator<Item = &'t str>) -> [u8; 16] {
    let parts = HashParts::new("entity");
    values.into_iter().fold(parts, |parts, value| parts.part(value.as_bytes())).finish().short()
}

impl Shape {
    /// The fields that tell entities apart.
    fn fields(&self) -> BTreeSet<FieldRef> {
        match self {
            Shape::Subject => [Field::ActorName, Field::SessionUid, Field::Ip].map(FieldRef::Known).into(),
            Shape::Fields(fields) => fields.iter().copied().collect(),
        }
    }

    /// Whether the entity is the actor, and nothing else.
    fn is_personal(&self, event: &Event) -> bool {
        match self {
            Shape::Subject => event.actor.is_some(),
            Shape::Fields(fields) => fields[..] == [FieldRef::Known(Field::ActorName)],
        }
    }

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

/// The first eight bytes.
pub(super) fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    first
}
