//! Learning from old files before the first day of watching: what is usual, and nothing else, goes into the ledger.
use super::replay::{Files, Fold, Reading, ReplayError, commit};
use crate::ledger::Ledger;
use crate::model::{
    EventTime, FindingId, HashParts, Input, LearnedFile, SourceName, Text, TrailPart, WallTime, limits,
};
use crate::pipeline::{Core, Outcome, Prepared, Rules, Scratch};
use crate::source::{Follower, SourceError, TrailSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// An old file, with the time at which it begins.
pub struct OldFile {
    /// How it is read: one path, and the name of the trail whose lines it has.
    pub spec: TrailSpec,
    /// Its first line's time; nothing where none of its first lines can be read.
    pub begins: Option<EventTime>,
}

/// Looks at the beginnings of files.
///
/// # Errors
/// One of them can't be read.
pub fn look(rules: &Rules, specs: Vec<TrailSpec>, now: WallTime, seed: u64) -> Result<Vec<OldFile>, ReplayError> {
    let mut scratch = Scratch::new(seed);
    let mut files = Vec::new();
    for spec in specs {
        let mut follower = Follower::open(spec.clone(), Vec::new());
        if let Some(problem) = follower.reconcile().into_iter().next() {
            return Err(ReplayError::Source(problem));
        }
        let read = |e: SourceError| ReplayError::Source(e);
        let batch = match follower.next(now).map_err(read)? {
            Some(batch) => Some(batch),
            None => follower.finish(now).map_err(read)?,
        };
        let prepared = batch.map(|batch| rules.prepare(batch, &mut scratch));
        let begins = prepared.and_then(|prepared| prepared.begins());
        files.push(OldFile { spec, begins });
    }
    files.sort_by_key(|f| f.begins);
    Ok(files)
}

/// What is wrong with learning from these files now: the ledger has watched their trails for longer than the lines are old.
///
/// # Errors
/// The ledger can't be read.
pub fn too_late(ledger: &Ledger, files: &[OldFile]) -> Result<Option<String>, ReplayError> {
    let recorded = ledger.recorded()?;
    for (TrailPart { source: name, .. }, row, _) in &recorded.trails {
        let Some(bound) = row.newest.map(|newest| newest.minus(limits::LATENESS)) else { continue };
        let begins = |f: &&OldFile| f.spec.name == *name && f.begins.is_some_and(|begins| begins < bound);
        if let Some(file) = files.iter().find(begins) {
            let newest = row.newest.unwrap_or_default();
            return Ok(Some(format!(
                "trail {name} is known up to {newest} already, and {} begins earlier than two days before that: such lines come too \
                 late to teach much. Learn before the daemon watches, the oldest files first or all in one go; --anyway does it all the same",
                file.spec.paths.join(", ")
            )));
        }
    }
    Ok(None)
}

/// What learning came to.
#[derive(Default)]
pub struct Lessons {
    /// The files, in the order of their beginnings.
    pub files: Vec<LearnedFile>,
    /// Who was met, as far as the policies that learn need it.
    pub met: super::met::Met,
    /// How many findings there would have been, by policy.
    pub unsaid: BTreeMap<Arc<str>, usize>,
    /// Events that the trails had shown before, of all trails.
    pub repeated: u64,
}

/// Folds the files in as old lines, and records that by whom. `rules` are those of [`Rules::learning`].
///
/// # Errors
/// A file can't be read, or the ledger can't be written.
pub fn learn(
    rules: &Arc<Rules>,
    ledger: &mut Ledger,
    files: Vec<OldFile>,
    now: WallTime,
    by: Text,
    progress: &mut dyn FnMut(u64),
) -> Result<Lessons, ReplayError> {
    let seed = crate::ledger::seal::random_seed().map_err(ReplayError::Line)?;
    let mut learner = Learner::default();
    let mut trails: BTreeMap<SourceName, Files> = BTreeMap::new();
    for file in files {
        let (_, specs) = trails.entry(file.spec.name.clone()).or_insert_with(|| (Vec::new(), Vec::new()));
        specs.push(file.spec);
    }
    let core = Core::new(rules.clone(), ledger.recorded()?, false, seed);
    let before = repeated(&core);
    let reading = Reading { rules, now, seed };
    let (core, _) = reading.fold(ledger, core.begin(), trails.into_values().collect(), &mut learner, progress)?;
    let repeated = repeated(&core).saturating_sub(before);
    let files: Vec<LearnedFile> = learner.files.into_iter().map(File::finish).collect();
    let outcome = core.begin().fold(Input::Learned { at: now, files: files.clone(), by }, &*ledger)?;
    commit(ledger, outcome)?;
    Ok(Lessons { files, met: learner.met, unsaid: learner.unsaid, repeated })
}

fn repeated(core: &Core) -> u64 {
    core.trails().map(|(_, row)| row.repeated).sum()
}

/// Takes note of what is folded in.
#[derive(Default)]
struct Learner {
    files: Vec<File>,
    met: super::met::Met,
    unsaid: BTreeMap<Arc<str>, usize>,
    /// Which findings were counted: one of an episode is one.
    known: BTreeSet<FindingId>,
    /// How many findings of the outcome at hand were counted.
    counted: usize,
}

/// A file as far as it has been folded in.
struct File {
    path: Arc<Path>,
    so_far: LearnedFile,
    digest: Option<HashParts>,
}

impl File {
    fn finish(self) -> LearnedFile {
        let digest = self.digest.map_or_else(String::new, |digest| digest.finish().to_string());
        LearnedFile { digest, ..self.so_far }
    }

    fn take(&mut self, batch: &Prepared) {
        for line in &batch.lines {
            self.digest = self.digest.take().map(|digest| digest.part(&line.digest));
            self.so_far.lines += 1;
            let Ok(events) = &line.events else { continue };
            self.so_far.events += events.len() as u64;
            for time in events.iter().map(|ready| ready.event.time) {
                self.so_far.first = Some(self.so_far.first.map_or(time, |first| first.min(time)));
                self.so_far.last = Some(self.so_far.last.map_or(time, |last| last.max(time)));
            }
        }
    }
}

impl Learner {
    fn file(&mut self, batch: &Prepared) -> &mut File {
        let (source, path) = (batch.source(), &batch.batch.path);
        let known = self.files.iter().rposition(|f| f.path == *path && f.so_far.source == *source);
        let at = known.unwrap_or_else(|| {
            let so_far = LearnedFile {
                source: source.clone(),
                path: path.to_string_lossy().into(),
                lines: 0,
                events: 0,
                first: None,
                last: None,
                digest: String::new(),
            };
            self.files.push(File { path: path.clone(), so_far, digest: Some(HashParts::new("lines")) });
            self.files.len() - 1
        });
        &mut self.files[at]
    }
}

impl Fold for Learner {
    fn input(&mut self, _: &mut Outcome, batches: Vec<Prepared>) -> Result<Option<Input<Prepared>>, ReplayError> {
        for batch in &batches {
            self.file(batch).take(batch);
            batch.events().for_each(|event| self.met.meet(event));
        }
        Ok(Some(Input::Learn(batches)))
    }

    fn after(&mut self, outcome: &Outcome) {
        let unsaid = &outcome.changes().unsaid;
        // after a commit the list begins anew
        let from = if unsaid.len() < self.counted { 0 } else { self.counted };
        for finding in &unsaid[from..] {
            if self.known.insert(finding.id) {
                *self.unsaid.entry(finding.policy.clone()).or_default() += 1;
            }
        }
        self.counted = unsaid.len();
    }
}
