//! The only door into the core: `advance(state, input) -> outcome`, composed of the pure stages.
//!
//! [`Rules::prepare`] does what depends on a batch alone, on any thread. An [`Outcome`] holds the state and the changes
//! since the last commit; [`Outcome::fold`] folds one more input in, with the stored state that it may change ([`stage`]). The
//! ledger takes an outcome by value and gives the core back only when it is on disk.

pub mod align;
pub mod clock;
pub mod coverage;
mod cursors;
mod fact;
mod findings;
mod identity;
mod kept;
mod learn;
mod legible;
mod numbers;
pub mod prepare;
mod record;
pub mod roles;
pub mod secrets;
mod silence;
pub mod stage;
pub mod trail;
pub mod watch;
pub mod trial;

use crate::detect::store::quota::{Capacity, Quota, Residency};
use crate::detect::{Acting, CellRow, Classifier, Engine, EntityKey, Firing, MemoCursor, State, names, sessions};
use crate::enrich::Enricher;
use crate::model::{
    Activity, Digest, EventTime, Finding, FindingId, Input, Judgement, Millis, Mute, Order, SourceName, Text,
    TrailPart, Vouched, WallTime, limits,
};
use crate::normalise::Normaliser;
use crate::orders::{self, Act, Book, Clock};
pub use cursors::CursorRow;
use cursors::Cursors;
pub use findings::{FAILING, LIMIT, NOT_ENDED, OWN as OWN_POLICIES};
pub use kept::{EventRow, Kept, index_key};
use numbers::Numbers;
use prepare::RawLine;
pub use prepare::{Line, Prepared, Ready, Scratch};
pub use record::{Ends, InputRow};
pub use secrets::Secrets;
use serde::{Deserialize, Serialize};
pub use silence::Silences;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trail::{SeenRow, Trail, TrailRow};

/// Everything that holds until the configuration is read again. Immutable and shared by all threads.
pub struct Rules {
    /// Digest of all that was read; recorded as an input.
    pub digest: Digest,
    /// Policies.
    pub engine: Engine,
    /// Product profiles.
    pub normaliser: Normaliser,
    /// Databases and lists.
    pub enricher: Enricher,
    /// The profile of each trail.
    pub trails: BTreeMap<SourceName, crate::normalise::ProfileRef>,
    /// Roles by actor name, from the staff directory.
    pub directory: BTreeMap<Text, Text>,
    /// The roles that stand in it, in lower case.
    pub directory_roles: BTreeSet<Text>,
    /// Kinds by customer account, from the watch list.
    pub watch_list: BTreeMap<Text, Text>,
    /// Modes, gates, limits.
    pub response: orders::Settings,
    /// What operators do not want to be told of for a while.
    pub silences: Silences,
    /// Keys of this installation.
    pub secrets: Secrets,
    /// Findings of this severity and above are told to the outlets.
    pub tell: crate::model::Severity,
    /// See [`Rules::coverage`].
    pub coverage: std::sync::OnceLock<coverage::Coverage>,
}

impl Rules {
    /// The policies whose cells have keys with `prefix`.
    fn accumulating(&self, prefix: [u8; 8]) -> String {
        match prefix {
            names::PREFIX => findings::RENAMED.to_owned(),
            sessions::PREFIX => "the sessions that a server has named".to_owned(),
            prefix => self.engine.policies().accumulating(prefix),
        }
    }
}

/// How many findings of a policy an hour of event time has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Flood {
    hour: i64,
    findings: u32,
}

/// The whole state of detection and response, as of the last input.
pub struct Core {
    /// What holds now.
    pub rules: Arc<Rules>,
    state: State,
    book: Book,
    trails: BTreeMap<TrailPart, Trail>,
    cursors: Cursors,
    flood: BTreeMap<Arc<str>, Flood>,
    /// The parts of tripline that people know to be failing, with when they were told.
    failing: BTreeMap<Text, WallTime>,
    next_sequence: u64,
    replaying: bool,
    seed: u64,
    /// For events that were prepared under another name than their actors are known by; of one set of rules.
    classifier: Classifier,
    /// For who asks what one event came to.
    watch: Option<watch::Watch>,
}

/// What the ledger knows when a core is made from it.
#[derive(Default)]
pub struct Recorded {
    /// Sequence number of the last input.
    pub last_sequence: u64,
    /// Orders that can still change.
    pub orders: Vec<Order>,
    /// Whether orders are on hold.
    pub hold: bool,
    /// The mutes that were put on.
    pub mutes: Vec<Mute>,
    /// Trails, each on each of its machines, with their remembered ids.
    pub trails: Vec<(TrailPart, TrailRow, Vec<SeenRow>)>,
    /// Up to where each file of each trail has been folded in.
    pub cursors: Vec<(SourceName, crate::model::FileId, u64)>,
    /// JSON of the findings' flood counters, as [`Changes::flood`] gave it.
    pub flood: Option<String>,
    /// JSON of the parts that are failing, as [`Changes::failing`] gave it.
    pub failing: Option<String>,
    /// How the quotas of the policies are used, by what stands for the policy in the keys of its cells.
    pub quotas: Vec<([u8; 8], Quota)>,
    /// What expired before that time is past its time.
    pub horizon: Option<EventTime>,
}

/// How the quota of one policy is used, as a row.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaRow {
    /// What stands for the policy in the keys of its cells.
    pub prefix: [u8; 8],
    /// The policies whose state that is.
    pub policies: String,
    /// How it is used.
    pub quota: Quota,
}

/// Everything that changed since the last commit.
#[derive(Default)]
pub struct Changes {
    /// The inputs that were folded in.
    pub inputs: Vec<InputRow>,
    /// Cursors, the last for each file of a trail.
    pub cursors: BTreeMap<(SourceName, crate::model::FileId), CursorRow>,
    /// Files whose cursors go, before those above are written.
    pub gone: Vec<(SourceName, crate::model::FileId)>,
    /// What goes at the end of its retention.
    pub forgotten: Option<crate::model::Forgotten>,
    /// Events to keep.
    pub events: Vec<Kept>,
    /// New findings.
    pub findings: Vec<Finding>,
    /// What there would have been found in old lines that were only learned from: never written, never told.
    pub unsaid: Vec<Finding>,
    /// Orders made or changed, in order: every step.
    pub orders: Vec<Order>,
    /// Acknowledgements.
    pub acknowledged: Vec<(FindingId, WallTime, Text)>,
    /// Verdicts on findings, in order: the last on a finding holds.
    pub judged: Vec<(Judgement, WallTime, Text)>,
    /// What people did about incidents, in order.
    pub incidents: Vec<crate::model::incident::IncidentStep>,
    /// Orders of which more is known and that took no step; filled by [`Outcome::seal`].
    pub noticed: Vec<Order>,
    /// The hold was switched.
    pub hold: Option<bool>,
    /// JSON of the mutes that hold from now on.
    pub mutes: Option<String>,
    /// JSON of the flood counters, where they changed.
    pub flood: Option<String>,
    /// JSON of the parts of tripline that are failing, where they changed.
    pub failing: Option<String>,
    /// JSON of the silences that hold from now on, where rules were read.
    pub silences: Option<String>,
    /// Trails, each on each of its machines, with their new rows and ids; filled by [`Outcome::seal`].
    pub trails: Vec<(TrailPart, TrailRow, SeenRow)>,
    /// Cells of state, those of one record one after another; filled by [`Outcome::seal`].
    pub cells: Vec<CellRow>,
    /// How policies' quotas are used; filled by [`Outcome::seal`].
    pub quotas: Vec<QuotaRow>,
    /// What expired before that time is past its time from now on.
    pub horizon: Option<EventTime>,
}

/// The core after some inputs, with what they changed.
pub struct Outcome {
    core: Core,
    changes: Changes,
}

impl Core {
    /// The core as the ledger has it. `seed` keys in-memory maps and never changes a result.
    pub fn new(rules: Arc<Rules>, recorded: Recorded, replaying: bool, seed: u64) -> Core {
        let flood = recorded.flood.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let failing = recorded.failing.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let trail =
            |(part, row, seen): (TrailPart, TrailRow, Vec<SeenRow>)| (part.clone(), Trail::new(part, row, seen, seed));
        let mut state = State::new(seed);
        if recorded.last_sequence == 0 {
            state.nothing_is_stored();
        }
        recorded.quotas.into_iter().for_each(|(prefix, quota)| state.load_quota(prefix, quota));
        recorded.horizon.iter().for_each(|horizon| state.set_horizon(*horizon));
        Core {
            rules,
            state,
            book: Book::new(recorded.orders, recorded.hold, recorded.mutes),
            trails: recorded.trails.into_iter().map(trail).collect(),
            cursors: Cursors::new(recorded.cursors),
            flood,
            failing,
            next_sequence: recorded.last_sequence + 1,
            replaying,
            seed,
            classifier: Classifier::new(seed),
            watch: None,
        }
    }

    /// The core with room for so many cells of each policy, in place of what the limits say.
    #[must_use]
    pub fn with_capacity(mut self, capacity: Capacity) -> Core {
        self.state.set_capacity(capacity);
        self
    }

    /// An outcome without changes, to fold inputs into.
    pub fn begin(self) -> Outcome {
        Outcome { core: self, changes: Changes::default() }
    }

    /// The orders that can still change.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The parts of tripline that people know to be failing.
    pub fn failing(&self) -> impl Iterator<Item = &Text> {
        self.failing.keys()
    }

    /// The rows of the trails, of each on each of its machines.
    pub fn trails(&self) -> impl Iterator<Item = (&TrailPart, &TrailRow)> {
        self.trails.iter().map(|(part, trail)| (part, &trail.row))
    }

    /// The number that the next input gets.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// State that expired before that time is past its time: the ledger may drop it whenever it likes.
    pub fn horizon(&self) -> EventTime {
        self.state.horizon()
    }

    /// How many cells of state are at hand.
    pub fn cells(&self) -> usize {
        self.state.len()
    }

    fn trail(&mut self, part: &TrailPart) -> &mut Trail {
        let seed = self.seed;
        self.trails.entry(part.clone()).or_insert_with(|| Trail::new(part.clone(), TrailRow::default(), [], seed))
    }

    fn clock(&self, now: WallTime) -> Clock {
        if self.replaying { Clock::Replay(now) } else { Clock::Live(now) }
    }
}

impl Outcome {
    /// The entities whose records the input may change and that are not at hand.
    fn needs(&mut self, input: &Input<Prepared>) -> Vec<EntityKey> {
        let batches = match input {
            Input::Lines(batches) | Input::Learn(batches) => batches,
            Input::Judge {
                judgement: Judgement { honest: true, learns: true, actor: Some(actor), policy, .. },
                ..
            } => {
                return self.core.state.missing_habits(&self.core.rules.engine, actor, policy).into_iter().collect();
            }
            _ => return Vec::new(),
        };
        self.core.state.make_room();
        let mut entities = Vec::new();
        batches.iter().for_each(|batch| self.core.state.missing(&batch.activations, batch.activated(), &mut entities));
        entities.sort_unstable();
        entities.dedup();
        entities
    }

    /// Folds one input in whose state is at hand.
    fn advance(mut self, input: Input<Prepared>) -> Outcome {
        let sequence = self.core.next_sequence;
        self.core.next_sequence += 1;
        let at = record::observed(&input);
        let (kind, body) = record::describe(&input);
        match input {
            Input::Lines(batches) => {
                let batches = batches.into_iter().filter_map(|batch| self.touching(batch)).collect();
                self.lines(batches)
            }
            Input::Learn(batches) => self.learn(batches),
            fact => self.fact(fact),
        }
        let ends = self.changes.ends();
        self.changes.inputs.push(InputRow { sequence, at, kind, body, ends });
        self
    }

    /// New policies, profiles, tables or settings hold from now on.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        self.core.rules = rules;
        self.core.classifier = Classifier::new(self.core.seed);
        self.core.state.new_policies();
    }

    /// Whether it must be committed at once: somebody is waiting for what it found.
    pub fn is_urgent(&self) -> bool {
        !self.changes.findings.is_empty() || !self.changes.orders.is_empty()
    }

    /// Whether it must be committed before more is folded in: what waits takes memory.
    pub fn is_full(&self) -> bool {
        let state = &self.core.state;
        // only a commit lets records go from memory, those that were looked for and are nowhere too
        state.unwritten() >= limits::UNWRITTEN_CELLS || state.len() >= limits::CACHED_CELLS + limits::CACHED_CELLS / 4
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.inputs.is_empty()
    }

    /// The core inside, for questions.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// What changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Gathers what is written once a batch. To be called by the ledger before it writes; calling it again adds nothing.
    pub fn seal(&mut self) {
        self.changes.cells.extend(self.core.state.take_changed());
        let rules = &self.core.rules;
        self.changes.quotas.extend(self.core.state.take_quotas().into_iter().map(|(prefix, quota)| QuotaRow {
            prefix,
            policies: rules.accumulating(prefix),
            quota,
        }));
        self.changes.noticed.extend(self.core.book.take_noticed());
        for trail in self.core.trails.values_mut() {
            if let Some((row, seen)) = trail.take_changes() {
                self.changes.trails.push((trail.part.clone(), row, seen));
            }
        }
    }

    /// Whether a cell of state that resides there still counts.
    pub fn keeps(&self, prefix: &[u8; 8], residency: &Residency) -> bool {
        self.core.state.keeps(prefix, residency)
    }

    /// The cells that were written, after the ledger has committed them.
    pub fn take_cells(&mut self) -> Vec<CellRow> {
        std::mem::take(&mut self.changes.cells)
    }

    /// The core, after the ledger has committed the changes.
    pub fn committed(mut self) -> Core {
        self.core.state.shrink(limits::CACHED_CELLS);
        self.core
    }

    fn lines(&mut self, batches: Vec<Prepared>) {
        for batch in &batches {
            self.discontinuity(batch);
            let covered = batch.batch.stretch.to.saturating_sub(batch.batch.stretch.from);
            self.core.trail(&batch.batch.part()).touch().bytes += covered;
        }
        let activations: Vec<_> = batches.iter().map(|batch| batch.activations.clone()).collect();
        let mut memos: Vec<MemoCursor<'_>> = activations.iter().map(|batch| MemoCursor::new(batch)).collect();
        let mut merge = align::Merge::default();
        for (n, batch) in batches.into_iter().enumerate() {
            let part = batch.batch.part();
            let mut placed = self.core.trail(&part).touch().placed;
            merge.append(&part, &mut placed, batch.lines.into_iter().map(|line| (line.time, (n, line))));
            self.core.trail(&part).touch().placed = placed;
        }
        while let Some((part, (batch, line))) = merge.take() {
            self.line(part, line, &mut memos[batch]);
        }
    }

    fn line(&mut self, part: &TrailPart, line: Line, memos: &mut MemoCursor<'_>) {
        if line.flags.after_loss {
            let trail = self.core.trail(part);
            trail.touch().gaps += 1;
            let finding = findings::after_loss(&part.source, &line, trail.row.newest);
            self.found(finding);
        }
        self.legible(part, &line);
        let bytes = &line.data[line.range.start as usize..line.range.end as usize];
        let raw = RawLine { bytes, header: line.header.as_deref() };
        for ready in line.events.into_iter().flatten() {
            self.event(part, ready, memos, raw);
        }
    }

    fn event(&mut self, part: &TrailPart, ready: Ready, memos: &mut MemoCursor<'_>, line: RawLine<'_>) {
        let Ready { mut event, activation, kept, staff, renamed, disputed, .. } = ready;
        let trail = self.core.trail(part);
        let before = trail.row.newest.map(hour);
        let at = trail.place(&mut event);
        if !trail.first_sight(&mut event) {
            if self.watches(&event) {
                self.met_again(&event, at);
            }
            return;
        }
        trail.row.events += 1;
        let back = event.marks.late && trail.goes_back();
        let undated = event.marks.time_missing.then(|| trail.undated(&event)).flatten();
        let ahead = event.marks.time_clamped.then(|| trail.row.clock.is_told()).flatten();
        let odd = event.sequence.map(|n| Numbers::meet(&mut trail.row.numbers, n, at)).unwrap_or_default();
        trail.row.ambiguous += u64::from(event.marks.ambiguous);
        trail.row.origin_stated += u64::from(event.marks.origin_stated);
        trail.row.origin_unread += u64::from(event.marks.origin_unread);
        if trail.row.newest.map(hour) != before {
            self.horizon();
        }
        if let Some(numbers) = undated {
            let unplaced = event.marks.unplaced;
            let what = if unplaced { findings::Illegible::Unplaced } else { findings::Illegible::Undated };
            self.tell_of_trail(part, event.observed, what, numbers);
        }
        if let Some(numbers) = ahead {
            self.tell_of_trail(part, event.observed, findings::Illegible::Ahead, numbers);
        }
        if back {
            self.found(findings::backwards(&event, at));
        }
        for oddity in odd {
            self.found(findings::numbering(&event, oddity, at));
        }
        if let Some(stated) = disputed {
            self.tell_of_role(&event, &stated, at);
        }
        if let Some(before) = renamed {
            let finding = findings::renamed(&self.core.rules, &event, &before, at);
            self.found(finding);
        }
        let watched = self.watches(&event);
        if watched {
            self.met(&event, at, &activation, memos);
        }
        if self.core.book.watches() {
            let session = event.session.as_ref().map(|s| self.core.rules.secrets.session_ref(s));
            let act = Act { event: &event, session, telling: recorded(event.activity) };
            self.ordered(|book, settings| book.witness(settings, &act));
        }
        let mut keep = recorded(event.activity);
        if !activation.is_empty() {
            let rules = self.core.rules.clone();
            let vouched = event.session.as_ref().is_some_and(|s| s.vouched == Vouched::Server);
            self.core.state.acts(Acting { at, staff, vouched });
            let found = rules.engine.advance(&mut self.core.state, &event, at, &activation, memos);
            keep |= found.contributed;
            if let Some(policy) = found.overflowed {
                self.found(findings::overflowed(&rules, policy, &event, at));
            }
            if watched {
                let name = |f: &Firing| rules.engine.policies().rules[usize::from(f.policy)].name.as_ref().into();
                self.made(&event, at, &activation, memos, found.firings.iter().map(name).collect());
            }
            for notice in self.core.state.take_notices() {
                self.found(findings::evicted(&rules, &notice, at, event.observed));
            }
            for firing in found.firings {
                let finding = findings::from_firing(&rules, &event, firing);
                self.found(finding);
            }
            for firing in found.refired {
                let finding = findings::from_firing(&rules, &event, firing);
                self.asked_again(finding);
            }
        }
        if keep {
            let kept = match kept {
                Some(kept) if kept.is_of(&event) => *kept,
                _ => self.core.rules.keep(&mut event, line),
            };
            self.changes.events.push(kept);
        }
    }

    /// Takes up a finding and the orders that it leads to, unless its policy has had too many this hour.
    fn found(&mut self, mut finding: Finding) {
        let hour = finding.time.episode(crate::model::Millis::HOUR);
        finding.silenced = self.core.rules.silences.over(&finding);
        let flood = self.core.flood.entry(findings::flood_key(&finding)).or_default();
        if flood.hour != hour {
            *flood = Flood { hour, findings: 0 };
        }
        flood.findings += 1;
        let count = flood.findings;
        self.changes.flood = serde_json::to_string(&self.core.flood).ok();
        // one that asks for an order is not summed up: cheap findings must not shield it. While a limit holds all that it could
        // lead to, that has been said, and once is enough
        let finding = match count.cmp(&(limits::FINDINGS_PER_POLICY_HOUR + 1)) {
            std::cmp::Ordering::Less => finding,
            _ if !finding.asks.is_empty() && !self.is_limited(&finding) => finding,
            std::cmp::Ordering::Equal => findings::flood(&finding),
            std::cmp::Ordering::Greater => return,
        };
        self.consider(&finding);
        self.changes.findings.push(finding);
    }

    fn discontinuity(&mut self, batch: &Prepared) {
        let Some(what) = &batch.batch.discontinuity else { return };
        let trail = self.core.trail(&batch.batch.part());
        if let Some(finding) = findings::discontinuity(&batch.batch, what, trail.row.newest) {
            trail.touch().gaps += 1;
            self.found(finding);
        }
        if *what == crate::model::Discontinuity::Truncated {
            self.core.trail(&batch.batch.part()).read_again();
        }
    }

    /// State is past its time where it expired before what a line of the trail that is furthest behind may still say. Once
    /// an hour of a trail's time is often enough.
    fn horizon(&mut self) {
        let behind = self.core.trails.values().filter_map(|trail| trail.row.newest).min();
        let horizon = behind.unwrap_or(EventTime(i64::MIN)).minus(limits::LATENESS);
        if horizon > self.core.state.horizon() {
            self.core.state.set_horizon(horizon);
            self.changes.horizon = Some(horizon);
        }
    }
}

fn hour(at: EventTime) -> i64 {
    at.episode(Millis::HOUR)
}

/// What a question may be asked about later: who logged in, with which credentials, what was exported or read of message logs, what
/// was administered.
fn recorded(activity: Activity) -> bool {
    !matches!(activity, Activity::View | Activity::ApiCall | Activity::Other)
}
