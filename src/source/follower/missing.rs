//! The files of cursors that no name leads to: renamed, or renamed and compressed, while nobody looked.
use super::{Follower, Missing, resume, series};
use crate::model::limits::SURE_WITNESS_BYTES;
use crate::model::{Discontinuity, FileId};
use crate::source::SourceError;
use crate::source::cursor::Cursor;
use crate::source::file::Generation;
use crate::source::open::{OpenFile, Stat};
use crate::source::search::{self, Named, is_file_of};
use crate::source::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A generation that was found, when it was last written, and where it lies.
struct Placed {
    file: Generation,
    written_ns: i64,
    stage: Stage,
}

impl Follower {
    /// Finds the files of cursors that have none: under a name of the trail, or renamed beside the old name.
    pub(super) fn place_missing(&mut self, named: &[Named], problems: &mut Vec<SourceError>) {
        if self.missing.is_empty() {
            return;
        }
        let mut placed = Vec::new();
        let mut missing = Vec::new();
        let taken = |cursor: &Cursor| named.iter().any(|n| n.path == cursor.path && n.found.is_ok());
        for lost in std::mem::take(&mut self.missing) {
            let cursor = &lost.cursor;
            let here = named.iter().find(|n| is_file_of(cursor, n));
            let place = match here {
                Some(named) => Some(named.path.clone()),
                // Looked for where it matters: at first, and when another file has its name.
                None if !self.looked || taken(cursor) => {
                    search::renamed(&cursor.path, cursor.file).map(|(path, _)| path)
                }
                None => None,
            };
            match place.map(|path| (placed_at(cursor, &path), path)) {
                Some((Ok(file), _)) => placed.push(file),
                Some((Err(problem), _)) => {
                    problems.push(problem);
                    missing.push(lost);
                }
                None => missing.push(lost),
            }
        }
        // what is missing of a series was read to its end: only then did we delete it
        if self.spec.is_series() {
            self.forgettable.extend(missing.drain(..).map(|lost| lost.cursor.file));
        }
        self.missing = missing;
        let look = |lost: &Missing| !self.looked || taken(&lost.cursor);
        let looked_for: BTreeSet<FileId> = self.missing.iter().filter(|m| look(m)).map(|m| m.cursor.file).collect();
        self.place_compressed(&mut placed, &looked_for);
        // what was cut short holds what was written since, and its copy was born after it
        placed.sort_by_key(|placed| match placed.file.is_compressed() || placed.file.left.is_some() {
            true => placed.written_ns,
            false => placed.file.id.born_ns,
        });
        for Placed { file, stage, .. } in placed {
            self.add(file, stage);
        }
        self.drop_superseded();
    }

    /// Finds those of `looked_for` whose files were compressed, by the bytes before the cursor; and what came and was compressed
    /// after them. What can't be read is passed over: a file that is not found is declared lost.
    fn place_compressed(&mut self, placed: &mut Vec<Placed>, looked_for: &BTreeSet<FileId>) {
        let there = self.compressed(placed, looked_for);
        let mut taken: BTreeSet<FileId> = placed.iter().map(|p| p.file.disk).collect();
        for lost in std::mem::take(&mut self.missing) {
            let cursor = &lost.cursor;
            let of_name = || placed.iter().filter(|p| *p.file.path == *cursor.path);
            // one that a later generation followed had been read to its end by then
            let later = |p: &Placed| !p.file.is_compressed() && self.follows(p.file.id, cursor.file);
            // but a copy is known for one, so that it is not read anew for the file that was cut short
            let matters = !of_name().any(later) || of_name().any(|p| p.file.left.is_some());
            let found = match looked_for.contains(&cursor.file) && matters {
                true => {
                    let others = there
                        .iter()
                        .filter(|(path, stat)| path.parent() == cursor.path.parent() && !taken.contains(&stat.id));
                    let mut found = others.filter_map(|(path, _)| compressed(cursor, path));
                    let first = found.next();
                    // few bytes, such as a header, may begin another file too: then it can't be told which one it is
                    let sure = cursor.offset >= SURE_WITNESS_BYTES as u64 || found.next().is_none();
                    first.filter(|_| sure)
                }
                false => None,
            };
            match found {
                Some(found) => {
                    taken.insert(found.file.disk);
                    placed.push(found);
                }
                None => self.missing.push(lost),
            }
        }
        self.place_between(placed, &mut taken);
    }

    /// The compressed files beside those of `looked_for`, the latest first. A pattern that names rotated files too has taken some up under
    /// the names that they had then: all names of the trail are looked for.
    fn compressed(&self, placed: &[Placed], looked_for: &BTreeSet<FileId>) -> Vec<(PathBuf, Stat)> {
        if looked_for.is_empty() {
            return Vec::new();
        }
        let lost = self.missing.iter().map(|lost| lost.cursor.path.as_path());
        let known = lost.chain(placed.iter().map(|p| &*p.file.path));
        let paths: BTreeSet<PathBuf> = known.flat_map(|path| [path.to_path_buf(), series(&self.spec, path)]).collect();
        let mut there: Vec<_> = paths.iter().flat_map(|path| search::compressed(path)).collect();
        there.sort_by_key(|(path, stat)| (std::cmp::Reverse(stat.modified_ns), path.clone()));
        there.dedup_by(|a, b| a.0 == b.0);
        there
    }

    /// Where the last known generation of a name lies compressed, every compressed one that was written after it came and went
    /// while nobody looked.
    fn place_between(&self, placed: &mut Vec<Placed>, taken: &mut BTreeSet<FileId>) {
        let mut newest: BTreeMap<PathBuf, (i64, bool)> = BTreeMap::new();
        for p in placed.iter() {
            let this = (p.written_ns, p.file.is_compressed());
            let known = newest.entry(series(&self.spec, &p.file.path)).or_insert(this);
            *known = (*known).max(this);
        }
        for (path, (written_ns, is_compressed)) in newest {
            if !is_compressed || self.chain.iter().any(|e| e.series() == path) {
                continue;
            }
            for (at, stat) in search::compressed(&path) {
                if stat.modified_ns <= written_ns || !taken.insert(stat.id) {
                    continue;
                }
                let Ok((open, now)) = OpenFile::open(&at) else { continue };
                let mut file = Generation::new(&path, open, now);
                file.declares = Some(Discontinuity::NextFile);
                file.finalise();
                placed.push(Placed { file, written_ns: stat.modified_ns, stage: Stage::CatchingUp });
            }
        }
    }

    /// Which missing file's place the new one at `path` takes.
    pub(super) fn lost_before(&self, path: &Path) -> Option<usize> {
        let literal = |cursor: &Cursor| self.spec.paths.iter().any(|p| Path::new(p) == cursor.path);
        let beside = |cursor: &Cursor| !literal(cursor) && cursor.path.parent() == path.parent();
        let candidates = self.missing.iter().enumerate();
        let of_it = candidates.filter(|(_, lost)| lost.cursor.path == path || beside(&lost.cursor));
        of_it.max_by_key(|(_, lost)| (lost.cursor.path == path, lost.cursor.file.born_ns)).map(|(index, _)| index)
    }

    /// Gives up a missing file, and says what is declared of it.
    pub(super) fn take_lost(&mut self, index: usize) -> Discontinuity {
        let lost = self.missing.remove(index);
        self.forgettable.push(lost.cursor.file);
        Discontinuity::Lost { read_to: lost.cursor.offset, known_size: lost.known_size }
    }

    /// A missing generation that a later one of the same name followed had been read to its end by then.
    fn drop_superseded(&mut self) {
        let gone = |lost: &Missing| {
            let reading = self.chain.iter().map(|e| (&*e.file.path, e.file.id, e.file.declares.is_some()));
            let done = self.retired.iter().map(|c| (c.path.as_path(), c.file, false));
            reading.chain(done).any(|(path, id, new)| {
                !new && !self.packed.contains(&id) && path == lost.cursor.path && self.follows(id, lost.cursor.file)
            })
        };
        let gone: BTreeSet<FileId> = self.missing.iter().filter(|lost| gone(lost)).map(|m| m.cursor.file).collect();
        self.missing.retain(|lost| !gone.contains(&lost.cursor.file));
        self.forgettable.extend(gone);
    }

    /// Whether `later` was born and read after `earlier`. A copy is born after its original, and read before what came then.
    fn follows(&self, later: FileId, earlier: FileId) -> bool {
        let moved = |id: FileId| self.moved.get(&id).copied().unwrap_or(usize::MAX);
        later.born_ns > earlier.born_ns && moved(later) > moved(earlier)
    }
}

fn placed_at(cursor: &Cursor, path: &Path) -> Result<Placed, SourceError> {
    let mut file = resume(cursor, path)?;
    let (written_ns, stage) = match file.open.as_ref().map(OpenFile::stat) {
        Some(Ok(stat)) if *path == *file.path => (stat.modified_ns, Stage::Following),
        Some(Ok(stat)) => (stat.modified_ns, Stage::CatchingUp),
        _ => (0, Stage::CatchingUp),
    };
    if file.is_compressed() {
        file.finalise();
    }
    Ok(Placed { file, written_ns, stage })
}

/// The generation of `cursor`, if that is what lies compressed at `path`.
fn compressed(cursor: &Cursor, path: &Path) -> Option<Placed> {
    let (open, stat) = OpenFile::open(path).ok()?;
    let file = Generation::resume_compressed(cursor, open, stat).ok()??;
    Some(Placed { file, written_ns: stat.modified_ns, stage: Stage::CatchingUp })
}
