//! One trail: which generations of which files it is made of now, and whose turn it is to be read.
mod copies;
mod descriptors;
mod missing;

use super::compressed::Compression;
use super::cursor::Cursor;
use super::file::{Generation, Reading};
use super::open::{self, OpenFile, Stat};
use super::search::{self, Named, Names, is_file_of};
use super::stage::{Entry, LINGER, Stage};
use super::status::{FileState, FileStatus, Reported, state_of};
use super::{MAX_OPEN, SourceError, Start, TrailSpec, Until, paths};
use crate::model::limits::BATCH_BYTES;
use crate::model::{Batch, Discontinuity, FileId, WallTime};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many finished generations are remembered, so that a file that is renamed back is recognised.
const RETIRED: usize = 64;
/// How many batches one file may give in a row while others wait.
const IN_A_ROW: u32 = 16;

/// Reads one trail. It does nothing on its own: [`Follower::reconcile`] looks at names and sizes, [`Follower::next`] reads.
#[derive(Debug)]
pub struct Follower {
    spec: TrailSpec,
    /// The generations being read, oldest first.
    chain: Vec<Entry>,
    /// Generations read to their end.
    retired: VecDeque<Cursor>,
    /// Cursors whose files have not been found.
    missing: Vec<Missing>,
    /// In which order the cursors were moved before we began; others have been since.
    moved: BTreeMap<FileId, usize>,
    /// Generations that were first seen compressed: they were born when that was done, which says nothing of their order.
    packed: BTreeSet<FileId>,
    /// The compressed files that were taken up, in which the ids of cursors are those of other files.
    unpacked: BTreeSet<FileId>,
    /// Short files that may be copies, and in how many looks they have been seen.
    doubtful: BTreeMap<FileId, u32>,
    /// Names without a readable file.
    unread: BTreeMap<PathBuf, FileState>,
    directories: Vec<PathBuf>,
    /// Whether the trail has a cursor, or will have one with the batches handed on.
    known: bool,
    looked: bool,
    turn: usize,
    in_a_row: u32,
    scratch: Vec<u8>,
    /// What has been reported and still holds.
    reported: Reported,
    forgettable: Vec<FileId>,
    /// How many files wait for a descriptor.
    waiting: usize,
    /// The most descriptors that it keeps open.
    most_open: usize,
    /// Problems found by a reconcile that nobody asked for.
    unsaid: Vec<SourceError>,
}

#[derive(Debug)]
struct Missing {
    cursor: Cursor,
    known_size: Option<u64>,
}

impl Follower {
    /// A trail, to go on from its committed cursors, the one last moved first. Nothing is looked at before the first
    /// [`Follower::reconcile`].
    pub fn open(spec: TrailSpec, cursors: Vec<Cursor>) -> Follower {
        let missing = |cursor| Missing { cursor, known_size: None };
        Follower {
            known: !cursors.is_empty(),
            moved: cursors.iter().rev().enumerate().map(|(n, c)| (c.file, n)).collect(),
            missing: cursors.into_iter().map(missing).collect(),
            packed: BTreeSet::new(),
            unpacked: BTreeSet::new(),
            doubtful: BTreeMap::new(),
            spec,
            chain: Vec::new(),
            retired: VecDeque::new(),
            unread: BTreeMap::new(),
            directories: Vec::new(),
            looked: false,
            turn: 0,
            in_a_row: 0,
            scratch: Vec::new(),
            reported: Reported::default(),
            forgettable: Vec::new(),
            waiting: 0,
            most_open: MAX_OPEN,
            unsaid: Vec::new(),
        }
    }

    /// Looks at names, identities and sizes, and takes up what is new. To be called about once a second, and on a hint.
    /// Returns the problems that were not there the last time; each is tried again by itself.
    pub fn reconcile(&mut self) -> Vec<SourceError> {
        let look = search::look(&self.spec.paths);
        let mut problems = look.problems;
        self.waiting = 0;
        let names = Names::of(&look.named);
        self.unread.clear();
        self.place_missing(&look.named, &mut problems);
        self.place_copies();
        self.doubtful.retain(|id, _| names.by_id.contains_key(id));
        for index in 0..self.chain.len() {
            self.step(index, &names, &mut problems);
        }
        self.retire(&names);
        for named in &look.named {
            if let Err(problem) = self.take_up(named) {
                self.note_unread(&named.path, &problem);
                problems.push(problem);
            }
        }
        self.hurry();
        self.close_idle(self.most_open);
        self.directories = self.watchable(look.directories);
        self.looked = true;
        let mut new = std::mem::take(&mut self.unsaid);
        new.extend(self.reported.only_new(problems));
        new
    }

    /// The next batch of what can be read now; none if there is nothing new. Never waits. After an error the file that
    /// it is about rests until the next reconcile, and the next call goes on with the others.
    ///
    /// # Errors
    /// What failed, and for which file.
    pub fn next(&mut self, now: WallTime) -> Result<Option<Batch>, SourceError> {
        // Ends: files that waited for a descriptor get those of files that are read to their end, until no more wait.
        loop {
            let before = self.waiting;
            let batch = self.next_of_open(now)?;
            if batch.is_some() || before == 0 {
                return Ok(batch);
            }
            self.unsaid = self.reconcile();
            if self.waiting >= before {
                return self.next_of_open(now);
            }
        }
    }

    fn next_of_open(&mut self, now: WallTime) -> Result<Option<Batch>, SourceError> {
        // A turn more where one has read what others wait for, or has found a file cut short; somebody may cut them without end.
        for _ in 0..self.chain.len() + 2 {
            self.place_copies();
            let (blocked, first) = (self.blocked(), self.first_of_series());
            let batch = self.next_but(&blocked, first, now)?;
            let cut = self.chain.iter().any(|e| e.file.left.is_some());
            if batch.is_some() || (!cut && self.blocked().len() >= blocked.len()) {
                return Ok(batch);
            }
        }
        Ok(None)
    }

    /// The next batch of those that do not wait.
    fn next_but(
        &mut self,
        blocked: &BTreeSet<usize>,
        first: usize,
        now: WallTime,
    ) -> Result<Option<Batch>, SourceError> {
        for _ in 0..self.chain.len() {
            let index = self.turn % self.chain.len();
            let entry = &mut self.chain[index];
            if entry.trouble.is_some() || index > first || blocked.contains(&index) {
                self.pass();
                continue;
            }
            let reading = Reading {
                source: &self.spec.name,
                framing: self.spec.framing,
                names: self.spec.names.as_deref(),
                lists: &self.spec.lists,
                now,
            };
            match entry.file.read(reading, &mut self.scratch) {
                Ok(Some(batch)) => {
                    self.known = true;
                    if self.scratch.len() > 2 * BATCH_BYTES {
                        // Grown for one large document.
                        self.scratch = Vec::new();
                    }
                    self.in_a_row += 1;
                    if self.in_a_row >= IN_A_ROW {
                        self.pass();
                    }
                    return Ok(Some(batch));
                }
                Ok(None) => self.pass(),
                Err(problem) => {
                    entry.trouble = Some(state_of(&problem));
                    let new = self.reported.is_new(&problem);
                    self.pass();
                    if new {
                        return Err(problem);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Declares every file final, and reads on: what is unfinished at their ends is handed on, marked `unterminated`. To be
    /// called until it returns none.
    ///
    /// # Errors
    /// As [`Follower::next`].
    pub fn finish(&mut self, now: WallTime) -> Result<Option<Batch>, SourceError> {
        self.chain.iter_mut().for_each(|e| e.file.finalise());
        // ends: each turn reads on in a file
        loop {
            let batch = self.next(now)?;
            if batch.is_some() || !self.is_looking() {
                return Ok(batch);
            }
        }
    }

    /// Whether it is not done with what it has looked at, though it had nothing to give: to be called again at once.
    pub fn is_looking(&self) -> bool {
        self.chain.iter().any(|entry| entry.trouble.is_none() && entry.file.is_looking())
    }

    /// Every file and every name without one.
    pub fn status(&self) -> Vec<FileStatus> {
        let files = self.chain.iter().map(|entry| FileStatus {
            path: entry.file.path.to_path_buf(),
            state: match (&entry.trouble, entry.stage) {
                (Some(trouble), _) => trouble.clone(),
                (None, Stage::Following) => FileState::Following,
                (None, _) => FileState::Draining,
            },
            file: Some(entry.file.id),
            offset: entry.file.offset,
            consumed: match &entry.file.open {
                Some(open) => open.consumed(entry.file.offset),
                None => entry.file.offset,
            },
            size: entry.file.size,
            grown: entry.file.grown,
        });
        let unread = self.unread.iter().map(|(path, state)| FileStatus {
            path: path.clone(),
            state: state.clone(),
            file: None,
            offset: 0,
            consumed: 0,
            size: 0,
            grown: None,
        });
        files.chain(unread).collect()
    }

    /// The directories in which something may happen, for a [`super::Watcher`].
    pub fn directories(&self) -> Vec<PathBuf> {
        self.directories.clone()
    }

    /// Files whose cursors nobody needs any more, each told once. They may go with or after everything handed on so far, not before:
    /// a cursor given up here might be the only one that the trail has.
    pub fn forgettable(&mut self) -> Vec<FileId> {
        // that one of them was lost is declared by a batch that is still to come
        if self.chain.iter().any(|entry| entry.file.declares.is_some()) {
            return Vec::new();
        }
        std::mem::take(&mut self.forgettable)
    }

    fn pass(&mut self) {
        self.turn = (self.turn + 1) % self.chain.len().max(1);
        self.in_a_row = 0;
    }

    /// Those that wait: an earlier generation must be read to its end first. Were they read side by side, that a successor has
    /// been read would not tell of one that is gone by then that it had been, too.
    fn blocked(&self) -> BTreeSet<usize> {
        let blocks = |entry: &Entry| match entry.stage {
            Stage::CatchingUp => !entry.is_at_rest(),
            Stage::Draining { .. } => true,
            Stage::Following => entry.is_rotated() && entry.trouble.is_none() && !entry.file.is_caught_up(),
            Stage::Lingering { .. } => false,
        };
        let waits = |first: &Entry, later: &Entry| first.series() == later.series();
        let mut blocked = BTreeSet::new();
        for (at, first) in self.chain.iter().enumerate().filter(|(_, entry)| blocks(entry)) {
            let later = self.chain.iter().enumerate().skip(at + 1);
            blocked.extend(later.filter(|(_, later)| waits(first, later)).map(|(index, _)| index));
        }
        blocked
    }

    /// In a series, the first file that is not read to its end: those behind it wait.
    fn first_of_series(&self) -> usize {
        let unread = |entry: &Entry| !entry.file.is_caught_up();
        match self.spec.is_series() {
            true => self.chain.iter().position(unread).unwrap_or(usize::MAX),
            false => usize::MAX,
        }
    }

    /// Moves a generation on in its life.
    fn step(&mut self, index: usize, names: &Names<'_>, problems: &mut Vec<SourceError>) {
        let entry = &mut self.chain[index];
        if !matches!(entry.trouble, Some(FileState::Refused(_))) {
            entry.trouble = None;
        }
        let holder = names.by_path.get(&*entry.file.path);
        let name = names.by_id.get(&entry.file.disk);
        let stage = match (holder, name) {
            (Some(id), _) if *id == entry.file.disk => Stage::Following,
            // It was renamed to another name of the trail, and nothing took its old one.
            (None, Some(name)) if !entry.file.is_compressed() => {
                entry.file.path = (*name).into();
                entry.began_as = unrotated(&self.spec, name);
                Stage::Following
            }
            _ => entry.without_name(),
        };
        entry.stage = stage;
        if entry.stage == (Stage::Lingering { quiet: LINGER }) {
            entry.file.finalise();
        }
        let mut rests = false;
        if let (Stage::Following, Ok(stat)) = (entry.stage, open::stat(&entry.file.path)) {
            if stat.id == entry.file.disk
                && let Err(problem) = entry.file.look(&stat)
            {
                entry.trouble = Some(state_of(&problem));
                problems.push(problem);
            }
            rests = entry.file.is_unchanged(&stat);
        }
        if entry.file.open.is_some() || rests {
            return;
        }
        // One that lost its name is opened at once: later it might not be found.
        if entry.stage == Stage::Following && !self.has_room() {
            return;
        }
        let entry = &mut self.chain[index];
        if let Err(problem) = entry.reopen() {
            entry.trouble = Some(state_of(&problem));
            problems.push(problem);
        }
    }

    /// A renamed file whose successor was renamed too is no longer waited for: where files are rotated as often as we
    /// look, waiting for each to rest would fall behind for ever.
    fn hurry(&mut self) {
        let mut later: BTreeMap<std::sync::Arc<Path>, u32> = BTreeMap::new();
        for entry in self.chain.iter_mut().rev() {
            let count = later.entry(entry.file.path.clone()).or_default();
            if *count >= 2 && matches!(entry.stage, Stage::Draining { .. }) {
                entry.stage = Stage::CatchingUp;
            }
            *count += 1;
        }
    }

    /// Takes generations that are done with out of the chain.
    fn retire(&mut self, names: &Names<'_>) {
        if self.spec.until == Until::EndOfFile {
            return;
        }
        for entry in std::mem::take(&mut self.chain) {
            let file = &entry.file;
            let unfound = file.open.is_none() && entry.stage != Stage::Following;
            let deleted = match &file.open {
                Some(open) => open.stat().is_ok_and(|stat| stat.deleted),
                None => true,
            };
            // of a series it was we who deleted it: it is closed at once, so that it leaves the disk
            let done = (file.last || deleted && self.spec.is_series()) && file.is_caught_up();
            match (done, unfound) {
                (false, true) if !file.is_caught_up() || file.offset < file.size => {
                    self.missing.push(Missing { cursor: file.cursor(&self.spec.name), known_size: Some(file.size) });
                }
                (true, _) | (_, true) if deleted => self.forgettable.push(file.id),
                (true, _) => self.retired.push_back(file.cursor(&self.spec.name)),
                _ => self.chain.push(entry),
            }
        }
        while self.retired.len() > RETIRED {
            let unnamed = |c: &Cursor| !names.by_id.contains_key(&c.file);
            let Some(oldest) = self.retired.iter().position(unnamed) else {
                break;
            };
            let cursor = self.retired.remove(oldest);
            self.forgettable.extend(cursor.map(|c| c.file));
        }
    }

    /// Takes up what a name leads to, unless it is already known.
    fn take_up(&mut self, named: &Named) -> Result<(), SourceError> {
        let stat = match &named.found {
            Ok(stat) => stat,
            Err(error) => {
                let error = io::Error::from_raw_os_error(error.raw_os_error().unwrap_or_default());
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                        self.unread.insert(named.path.clone(), FileState::Absent);
                        Ok(())
                    }
                    _ => Err(SourceError::open(&named.path, error)),
                };
            }
        };
        if self.chain.iter().any(|e| e.file.disk == stat.id) {
            return Ok(());
        }
        if let Some(at) = self.retired.iter().position(|c| is_file_of(c, named)) {
            if self.retired[at].offset != stat.size {
                let file = resume(&self.retired[at], &named.path)?;
                self.retired.remove(at);
                self.add(file, Stage::Following);
            }
            return Ok(());
        }
        if let Some(name) = unrotated(&self.spec, &named.path)
            && self.is_copy(&named.path, &name, stat)?
        {
            return Ok(());
        }
        self.take_up_new(&named.path, stat)
    }

    fn take_up_new(&mut self, path: &Path, stat: &Stat) -> Result<(), SourceError> {
        if self.spec.until == Until::Forever && Compression::of(path).is_some() {
            return Err(SourceError::Refused {
                path: path.to_path_buf(),
                reason: "it is compressed; only a replay reads compressed files".into(),
            });
        }
        let at_end = !self.known && !self.looked && self.spec.start == Start::End;
        let room = self.has_room();
        if !room && !at_end {
            return Ok(());
        }
        let (opened, now) = self.open_file(path)?;
        if now.id != stat.id {
            // It was rotated between two looks; the next reconcile sees both.
            return Ok(());
        }
        if at_end {
            let mut file = Generation::at_end(path, opened, now)?;
            if !room {
                file.close();
            }
            self.add(file, Stage::Following);
            return Ok(());
        }
        let mut file = Generation::new(path, opened, now);
        // it may have to wait for its turn, and be cut short meanwhile
        file.look(&now)?;
        let lost = self.lost_before(path);
        let gone = lost.map(|index| self.missing[index].cursor.file);
        let mut between = Vec::new();
        let mut unreadable = None;
        for (renamed, found) in self.between(path, now.id, gone) {
            match self.open_file(&renamed) {
                Ok((opened, again)) if again.id == found.id => between.push((opened, again)),
                Ok(_) => {}
                Err(problem) => {
                    unreadable = Some(Discontinuity::Lost { read_to: 0, known_size: Some(found.size) });
                    self.unsaid.push(problem);
                }
            }
        }
        // nothing fails from here on
        let mut declares = lost.map(|index| self.take_lost(index)).or(unreadable);
        for (opened, stat) in between {
            let mut file = Generation::new(path, opened, stat);
            file.declares = self.next_file(&mut declares);
            self.add(file, Stage::CatchingUp);
        }
        file.declares = self.next_file(&mut declares);
        self.add(file, Stage::Following);
        Ok(())
    }

    fn next_file(&self, lost: &mut Option<Discontinuity>) -> Option<Discontinuity> {
        let known = self.known || !self.chain.is_empty();
        lost.take().or_else(|| known.then_some(Discontinuity::NextFile))
    }

    /// The generations of `path` that came and went since the last one that is known, be it `gone` since.
    fn between(&self, path: &Path, before: FileId, gone: Option<FileId>) -> Vec<(PathBuf, Stat)> {
        let reading =
            self.chain.iter().map(|e| (&*e.file.path, if e.file.is_compressed() { e.file.id } else { e.file.disk }));
        let done = self.retired.iter().map(|c| (c.path.as_path(), c.file));
        let known: BTreeMap<FileId, &Path> = reading.chain(done).map(|(path, id)| (id, path)).collect();
        let ours = known.iter().filter(|(id, at)| **at == path && !self.packed.contains(id));
        let ours = ours.map(|(id, _)| *id).chain(gone);
        let Some(newest) = ours.max_by_key(|id| id.born_ns) else {
            return Vec::new();
        };
        let mut found = search::between(path, newest, before);
        found.retain(|(_, stat)| !known.contains_key(&stat.id));
        found
    }

    fn add(&mut self, file: Generation, stage: Stage) {
        self.insert(self.chain.len(), file, stage);
    }

    fn insert(&mut self, index: usize, mut file: Generation, stage: Stage) {
        if self.spec.until == Until::EndOfFile {
            file.finalise();
        }
        if file.is_compressed() && file.id == file.disk {
            self.packed.insert(file.id);
        }
        if file.is_compressed() {
            self.unpacked.insert(file.disk);
        }
        let began_as = unrotated(&self.spec, &file.path);
        self.chain.insert(index, Entry { file, stage, began_as, trouble: None });
    }

    /// The searched directories, and those that links lead to.
    fn watchable(&self, mut directories: BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let targets = self
            .chain
            .iter()
            .filter(|e| e.stage == Stage::Following && e.file.path.is_symlink())
            .filter_map(|e| Some(e.file.path.canonicalize().ok()?.parent()?.to_path_buf()));
        directories.extend(targets);
        directories.into_iter().collect()
    }

    fn note_unread(&mut self, path: &Path, problem: &SourceError) {
        self.unread.insert(path.to_path_buf(), state_of(problem));
    }
}

/// The name of the trail under which files of that name begin, where a pattern names rotated files too: the one without number or date.
fn unrotated(spec: &TrailSpec, path: &Path) -> Option<PathBuf> {
    let named = |name: &PathBuf| {
        let last = |pattern: &String| Path::new(pattern).file_name().map(|last| last.as_bytes().to_vec());
        let bytes = name.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        spec.paths.iter().filter_map(last).any(|pattern| paths::matches(&pattern, bytes))
    };
    search::unrotated(path).filter(named)
}

/// The name under which files of that name begin.
fn series(spec: &TrailSpec, path: &Path) -> PathBuf {
    unrotated(spec, path).unwrap_or_else(|| path.to_path_buf())
}

fn resume(cursor: &Cursor, path: &Path) -> Result<Generation, SourceError> {
    let (opened, stat) = OpenFile::open(path)?;
    Generation::resume(cursor, opened, stat)
}

#[cfg(test)]
impl Follower {
    pub(super) fn open_files(&self) -> usize {
        self.chain.iter().filter(|e| e.file.open.is_some()).count()
    }

    pub(super) fn closed_path(&self) -> Option<PathBuf> {
        let closed = self.chain.iter().find(|e| e.file.open.is_none());
        closed.map(|e| e.file.path.to_path_buf())
    }

    pub(super) fn scratch_bytes(&self) -> usize {
        self.scratch.capacity()
    }
}
