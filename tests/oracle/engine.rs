//! The real thing: policies and acts as the pipeline takes them, cut into pieces, with everything in memory lost now and then.
use super::reference::{Act, Finding, Policy};
use super::written;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use tripline::detect::store::quota::{Capacity, Quota, TrustTier};
use tripline::detect::{Acting, CellKey, CellRow, Classifier, Engine, EntityKey, MemoCursor, State};
use tripline::model::{Digest, Event, EventTime, Input, Severity, TrailPart};
use tripline::pipeline::stage::{Store, Stored};
use tripline::pipeline::trail::{SeenRow, TrailRow};
use tripline::pipeline::{Core, Outcome, Recorded, Rules, Secrets};
use tripline::policy::{PolicySet, load};
use tripline::rules::{self, Tables, Texts};

/// How acts are handed over. Nothing of it may change what is found.
#[derive(Clone, Copy, Debug)]
pub struct Pieces {
    /// So many acts to an input at most.
    pub acts: usize,
    /// So many inputs to a commit.
    pub inputs: usize,
    /// After so many commits, all that is in memory is lost.
    pub commits: usize,
    /// What can go by itself does, on disk.
    pub tidy: bool,
}

impl Pieces {
    /// All at once, and nothing is ever lost.
    pub const WHOLE: Pieces = Pieces { acts: usize::MAX, inputs: usize::MAX, commits: usize::MAX, tidy: false };
}

pub fn compiled(policies: &[Policy]) -> Arc<PolicySet> {
    let yaml = written::yaml(policies);
    Arc::new(
        load(&[("random.yml", &yaml)], &written::site(policies)).unwrap_or_else(|errors| panic!("{errors:?}\n{yaml}")),
    )
}

thread_local! {
    /// All but the policies, which takes a while to make.
    static RULES: RefCell<Option<Rules>> = RefCell::new(Some(no_rules()));
}

fn no_rules() -> Rules {
    let texts = Texts { detections: Vec::new(), ..Texts::shipped() };
    let secrets = Secrets::new(&[7; 32]);
    rules::compile(&texts, Tables::default(), &[], Default::default(), Severity::Medium, secrets)
        .expect("nothing is wrong")
}

/// What is found in acts that arrive in that order, each with its time, the earliest known first.
pub fn found(set: &Arc<PolicySet>, arrivals: &[Act], pieces: Pieces) -> Vec<(Finding, i64)> {
    let (found, evicted) = found_with(set, arrivals, pieces, Capacity::default());
    assert_eq!(evicted, 0, "so few entities are within every quota");
    found
}

/// The same where no more is kept of each policy, and how many were evicted that could still have mattered.
pub fn found_with(
    set: &Arc<PolicySet>,
    arrivals: &[Act],
    pieces: Pieces,
    capacity: Capacity,
) -> (Vec<(Finding, i64)>, u64) {
    let mut rules = RULES.take().unwrap_or_else(no_rules);
    rules.engine = Engine::new(set.clone());
    rules.digest =
        Digest::of(format!("{:?}", set.rules.iter().map(|rule| rule.decision).collect::<Vec<_>>()).as_bytes());
    let rules = Arc::new(rules);
    let found = run(&rules, arrivals, pieces, capacity);
    RULES.set(Arc::try_unwrap(rules).ok());
    found
}

/// What would be on disk.
#[derive(Default)]
struct Disk {
    cells: BTreeMap<CellKey, CellRow>,
    trails: BTreeMap<TrailPart, (TrailRow, Vec<SeenRow>)>,
    quotas: BTreeMap<[u8; 8], Quota>,
    flood: Option<String>,
    horizon: Option<EventTime>,
    inputs: u64,
    capacity: Capacity,
    found: Vec<(Finding, i64)>,
}

impl Disk {
    fn core(&self, rules: &Arc<Rules>) -> Core {
        let trail =
            |(name, (row, seen)): (&TrailPart, &(TrailRow, Vec<SeenRow>))| (name.clone(), row.clone(), seen.clone());
        let recorded = Recorded {
            last_sequence: self.inputs,
            trails: self.trails.iter().map(trail).collect(),
            flood: self.flood.clone(),
            quotas: self.quotas.iter().map(|(prefix, quota)| (*prefix, quota.clone())).collect(),
            horizon: self.horizon,
            ..Recorded::default()
        };
        Core::new(rules.clone(), recorded, false, self.inputs).with_capacity(self.capacity)
    }

    fn commit(&mut self, mut outcome: Outcome, rules: &Rules, tidy: bool) -> Core {
        outcome.seal();
        let changes = outcome.changes();
        self.cells.extend(changes.cells.iter().map(|row| (row.key, row.clone())));
        for (name, row, seen) in &changes.trails {
            let trail = self.trails.entry(name.clone()).or_default();
            trail.0 = row.clone();
            trail.1.push(seen.clone());
        }
        self.quotas.extend(changes.quotas.iter().map(|row| (row.prefix, row.quota.clone())));
        self.flood = changes.flood.clone().or(self.flood.take());
        self.horizon = changes.horizon.or(self.horizon);
        self.inputs += changes.inputs.len() as u64;
        if tidy {
            self.cells.retain(|key, row| outcome.keeps(&key.prefix, &row.residency));
        }
        for finding in &changes.findings {
            // of its trails and of itself it has findings of its own
            let Some(policy) = rules.engine.policies().get(&finding.policy) else { continue };
            let number = finding.policy[1..].parse().expect("policies are called p and their number");
            let episode = finding.time.episode(policy.episode);
            self.found.push(((number, finding.entity.to_string(), episode), finding.time.0));
        }
        outcome.committed()
    }

    fn evicted(&self) -> u64 {
        let of = |quota: &Quota| TrustTier::ALL.iter().map(|tier| quota.evicted(*tier)).sum::<u64>();
        self.quotas.values().map(of).sum()
    }
}

impl Store for Disk {
    type Error = &'static str;

    fn stored(&self, entities: &[EntityKey]) -> Result<Vec<Stored>, &'static str> {
        let stored = |entity: &EntityKey| {
            let key = |prefix| CellKey { entity: *entity, prefix };
            self.cells.range(key([0; 8])..=key([0xFF; 8])).map(|(_, row)| row.clone()).collect()
        };
        Ok(entities.iter().map(stored).collect())
    }

    fn unreadable(&self) -> &'static str {
        "it was written by another version"
    }
}

fn run(rules: &Arc<Rules>, arrivals: &[Act], pieces: Pieces, capacity: Capacity) -> (Vec<(Finding, i64)>, u64) {
    let mut disk = Disk { capacity, ..Disk::default() };
    let mut classifier = Classifier::new(1);
    let mut outcome = disk.core(rules).begin();
    let (mut inputs, mut commits) = (0, 0);
    // an input holds lines of one trail here, so that the order is the one given
    for acts in arrivals.chunk_by(|a, b| a.trail == b.trail).flat_map(|acts| acts.chunks(pieces.acts)) {
        let events: Vec<Event> = acts.iter().map(written::event).collect();
        let input = Input::Lines(rules.prepare_events(&events, &mut classifier).into_iter().collect());
        outcome = outcome.fold(input, &disk).expect("it was written by this version");
        inputs += 1;
        if inputs % pieces.inputs != 0 {
            continue;
        }
        let core = disk.commit(outcome, rules, pieces.tidy);
        commits += 1;
        let lost = commits % pieces.commits == 0;
        outcome = if lost { disk.core(rules) } else { core }.begin();
        if lost {
            classifier = Classifier::new(1);
        }
    }
    disk.commit(outcome, rules, pieces.tidy);
    let evicted = disk.evicted();
    (disk.found, evicted)
}

/// A policy holds: whom it is about, the act by which that is known, and the time at which it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub policy: usize,
    pub entity: String,
    pub act: usize,
    pub time: i64,
}

/// What detection by itself tells of acts that are placed in time already, so many of which are looked at together: in order, each with
/// whether it is said to hold again.
pub fn told(set: &Arc<PolicySet>, acts: &[Act], together: usize) -> Vec<(Told, bool)> {
    let engine = Engine::new(set.clone());
    let (mut state, mut classifier) = (State::new(1), Classifier::new(1));
    state.nothing_is_stored();
    let mut told = Vec::new();
    for (piece, acts) in acts.chunks(together).enumerate() {
        let events: Vec<Event> = acts.iter().map(written::event).collect();
        let activations: Vec<_> = events.iter().map(|event| engine.classify(event, &mut classifier)).collect();
        let batch = classifier.take_batch();
        let mut memos = MemoCursor::new(&batch);
        for (n, (event, activation)) in events.iter().zip(&activations).enumerate() {
            state.acts(Acting { at: event.time, staff: false, vouched: false });
            let found = engine.advance(&mut state, event, event.time, activation, &mut memos);
            let each = [(found.firings, false), (found.refired, true)];
            told.extend(
                each.into_iter().flat_map(|(firings, again)| firings.into_iter().map(move |f| (f, again))).map(
                    |(firing, again)| {
                        let (policy, entity) = (usize::from(firing.policy), firing.label.to_string());
                        (Told { policy, entity, act: piece * together + n, time: firing.time.0 }, again)
                    },
                ),
            );
        }
    }
    told
}
