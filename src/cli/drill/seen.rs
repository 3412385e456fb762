//! What the operator's trails show: who works how, from where, for which customers, and in what shape events come.
use crate::model::{Activity, ActorKind, Event, EventTime, Millis, Origin, Outcome, Text, Vouched};
use std::collections::{BTreeMap, BTreeSet};

/// How long somebody must have been seen to be a victim.
const KNOWN_FOR: Millis = Millis::DAY.times(14);
/// On how many days at least.
const KNOWN_DAYS: usize = 8;
/// How many customers, origins and the like are remembered of each: more than is ever chosen from.
const REMEMBERED: usize = 4096;

/// Everything that scenarios are made from.
#[derive(Default)]
pub struct Seen {
    /// People and keys by name.
    pub actors: BTreeMap<(ActorKind, Text), Known>,
    /// Customers with the most records that one export of theirs had.
    pub customers: BTreeMap<Text, u64>,
    /// The last event of each kind that succeeded, and of second factors one that failed.
    shapes: BTreeMap<(ActorKind, Activity, Outcome), Event>,
    /// User agents of people, with who uses them.
    pub agents: BTreeMap<Text, BTreeSet<Text>>,
    /// Networks, their owners and countries that anybody used.
    pub prefixes: BTreeSet<Text>,
    /// See `prefixes`.
    pub owners: BTreeSet<u32>,
    /// See `prefixes`.
    pub countries: BTreeSet<Text>,
    /// The newest event time.
    pub end: EventTime,
    /// How many events there were.
    pub events: u64,
}

/// One person or key.
pub struct Known {
    /// An event of theirs in which a server vouches for the session, where there is one.
    pub sample: Event,
    first: EventTime,
    last: EventTime,
    days: BTreeSet<i64>,
    /// How often in each hour of the day.
    hours: [u32; 24],
    /// The customers that they touched.
    pub customers: BTreeSet<Text>,
    /// From where, and how often, by network.
    origins: BTreeMap<Text, (u64, Origin)>,
    /// How many exports they asked for or pulled.
    pub exports: u64,
}

impl Known {
    fn new(event: &Event) -> Known {
        Known {
            sample: event.clone(),
            first: event.time,
            last: event.time,
            days: BTreeSet::new(),
            hours: [0; 24],
            customers: BTreeSet::new(),
            origins: BTreeMap::new(),
            exports: 0,
        }
    }

    fn see(&mut self, event: &Event) {
        self.first = self.first.min(event.time);
        self.last = self.last.max(event.time);
        self.days.insert(event.time.episode(Millis::DAY));
        self.hours[event.time.episode(Millis::HOUR).rem_euclid(24) as usize] += 1;
        self.exports += u64::from(matches!(event.activity, Activity::ExportRequested | Activity::Download));
        if event.outcome == Outcome::Success && event.session.as_ref().is_some_and(|s| s.vouched == Vouched::Server) {
            self.sample = event.clone();
        }
        if let Some(customer) = event.customer.as_ref().filter(|_| self.customers.len() < REMEMBERED) {
            self.customers.insert(customer.clone());
        }
        if let Some(prefix) = event.origin.prefix.as_ref().filter(|_| self.origins.len() < REMEMBERED) {
            self.origins.entry(prefix.clone()).or_insert_with(|| (0, event.origin.clone())).0 += 1;
        }
    }

    /// Seen for long enough, and on enough days, that policies know them.
    pub fn is_known(&self) -> bool {
        self.last.since(self.first) >= KNOWN_FOR && self.days.len() >= KNOWN_DAYS
    }

    /// The hour of the day, in UTC, at which they are at work most.
    pub fn hour(&self) -> i64 {
        let most = (0..24).max_by_key(|hour| (self.hours[*hour], 23 - hour)).unwrap_or(9);
        most as i64
    }

    /// The hour of the day, in UTC, at which they are at work least.
    pub fn idle_hour(&self) -> i64 {
        let least = (0..24).min_by_key(|hour| (self.hours[*hour], *hour)).unwrap_or(3);
        least as i64
    }

    /// From where they are most.
    pub fn home(&self) -> Option<&Origin> {
        self.origins.values().max_by_key(|(count, origin)| (*count, origin.ip)).map(|(_, origin)| origin)
    }

    /// Whether they were ever there.
    pub fn was_in(&self, prefix: &str) -> bool {
        self.origins.contains_key(prefix)
    }

    /// Whether they ever used that network owner.
    pub fn used_owner(&self, owner: Option<u32>) -> bool {
        owner.is_some() && self.origins.values().any(|(_, o)| o.as_number == owner)
    }
}

impl Seen {
    /// Takes note of an event.
    pub fn see(&mut self, event: &Event) {
        self.events += 1;
        self.end = self.end.max(event.time);
        let Some(actor) = &event.actor else {
            self.shape(ActorKind::User, event);
            return;
        };
        self.shape(actor.kind, event);
        if event.outcome != Outcome::Success || !matches!(actor.kind, ActorKind::User | ActorKind::Key) {
            return;
        }
        let known = self.actors.entry((actor.kind, actor.name.clone())).or_insert_with(|| Known::new(event));
        known.see(event);
        if let (Some(agent), ActorKind::User) = (&event.origin.user_agent, actor.kind)
            && (self.agents.len() < REMEMBERED || self.agents.contains_key(agent))
        {
            self.agents.entry(agent.clone()).or_default().insert(actor.name.clone());
        }
        if let Some(customer) = &event.customer {
            let records = event.export.as_ref().and_then(|export| export.records).unwrap_or(0);
            let most = self.customers.entry(customer.clone()).or_default();
            *most = (*most).max(records);
        }
        self.prefixes.extend(event.origin.prefix.clone());
        self.owners.extend(event.origin.as_number);
        self.countries.extend(event.origin.country.clone());
    }

    fn shape(&mut self, kind: ActorKind, event: &Event) {
        if event.outcome == Outcome::Success || event.activity == Activity::MfaChallenge {
            self.shapes.insert((kind, event.activity, event.outcome), event.clone());
        }
    }

    /// The shape of such events, where the trails show any.
    pub fn shape_of(&self, kind: ActorKind, activity: Activity, outcome: Outcome) -> Option<&Event> {
        self.shapes.get(&(kind, activity, outcome))
    }

    /// Everybody of that kind who is known and takes records out.
    pub fn known(&self, kind: ActorKind) -> Vec<(&Text, &Known)> {
        let of_kind = self.actors.iter().filter(|((k, _), known)| *k == kind && known.is_known() && known.exports > 0);
        of_kind.map(|((_, name), known)| (name, known)).collect()
    }
}
