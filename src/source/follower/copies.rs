//! Copies of a file that is then cut short (`copytruncate`): what the original had and was not read is read from there, and
//! what was read is not read again.
use super::Follower;
use crate::model::{Discontinuity, FileId};
use crate::source::file::{Generation, Left};
use crate::source::open::{OpenFile, Stat};
use crate::source::stage::{Entry, PATIENCE, Stage};
use crate::source::{SourceError, Until, search};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

impl Follower {
    /// Puts before each file that was cut short the copy that holds the rest of what it was, and what was copied after that.
    pub(super) fn place_copies(&mut self) {
        let cut = |this: &Follower| this.chain.iter().position(|e| e.file.left.is_some());
        while let Some(index) = cut(self) {
            let Some(left) = self.chain[index].file.left.take() else { return };
            if self.spec.until == Until::EndOfFile || self.spec.is_series() {
                continue;
            }
            let copies = self.copies(index, left);
            // it waits for them, and may be cut short again meanwhile: what can't be read now is looked at with the next reconcile
            let file = &mut self.chain[index].file;
            if let Some(Ok(stat)) = file.open.as_ref().map(OpenFile::stat) {
                let _ = file.look(&stat);
            }
            for (file, stage) in copies.into_iter().rev() {
                self.insert(index, file, stage);
            }
        }
    }

    /// The copy of the file at `index` that holds what came behind `left`, and the copies made after it, oldest first.
    fn copies(&mut self, index: usize, left: Left) -> Vec<(Generation, Stage)> {
        let (path, id) = (self.chain[index].file.path.clone(), self.chain[index].file.id);
        let known = self.known_files();
        let there = search::rotated(&path);
        // What can't be read is passed over: that the file was cut short is declared.
        let original = &mut self.chain[index].file;
        let copy = |(at, stat): &(PathBuf, Stat)| {
            if !left.is_sure() && (stat.modified_ns < original.written_ns || is_of_present(original, at, stat)) {
                return None;
            }
            let (open, now) = OpenFile::open(at).ok()?;
            let copy = Generation::of_copy(&path, id, left, open, now).ok()??;
            Some((copy, stat.modified_ns))
        };
        let found = there.iter().filter_map(copy);
        let (read, mut new): (Vec<_>, Vec<_>) = found.partition(|(copy, _)| known.contains(&copy.disk));
        // Few bytes, such as a header, may begin other files too. While we look, a copy is none that was written before the
        // original was; afterwards it is none of several.
        let sure = left.is_sure() || self.looked || read.len() + new.len() == 1;
        let mut copies = Vec::new();
        let written_ns = match read.first() {
            Some((_, written_ns)) if left.is_sure() || new.is_empty() => *written_ns,
            _ if new.is_empty() || !sure => return copies,
            _ => {
                let oldest = if left.is_sure() { 0 } else { new.len() - 1 };
                let (first, written_ns) = new.swap_remove(oldest);
                copies.push((first, Stage::CatchingUp));
                written_ns
            }
        };
        let later = there.into_iter().rev().filter(|(_, s)| s.modified_ns > written_ns && !known.contains(&s.id));
        for (at, stat) in later {
            if is_of_present(&mut self.chain[index].file, &at, &stat) {
                continue;
            }
            let Ok((open, now)) = OpenFile::open(&at) else { continue };
            let mut file = Generation::new(&path, open, now);
            file.declares = Some(Discontinuity::NextFile);
            if file.is_compressed() {
                file.finalise();
            }
            copies.push((file, Stage::CatchingUp));
        }
        copies
    }

    /// Whether the file at `path`, never seen, holds what is read under `name`, which its own is with a number or a date: a
    /// copy, complete or in the making. It is read where the original is then cut short, and only what was not read of that.
    pub(super) fn is_copy(&mut self, path: &Path, name: &Path, stat: &Stat) -> Result<bool, SourceError> {
        if self.spec.until == Until::EndOfFile {
            return Ok(false);
        }
        let of_name = |e: &Entry| *e.file.path == *name && !e.file.is_compressed();
        let originals: Vec<usize> = (0..self.chain.len()).filter(|i| of_name(&self.chain[*i])).collect();
        if originals.is_empty() {
            return Ok(false);
        }
        if stat.size == 0 {
            return Ok(true);
        }
        let (open, now) = OpenFile::open(path)?;
        if now.id != stat.id {
            return Ok(false);
        }
        let mut file = Generation::new(path, open, now);
        let mut doubt = false;
        for index in originals {
            let original = &mut self.chain[index].file;
            let read = original.read_to();
            let like = match () {
                () if file.begins_as(original, now.size)? => Some(Left { offset: now.size, ..read }),
                // in this order: it may have been completed, and the original cut short, between the two
                () if read.offset > 0 && file.holds(read)? => Some(read),
                () => None,
            };
            match like {
                Some(like) if like.is_sure() => return Ok(true),
                like => doubt |= like.is_some(),
            }
        }
        if !doubt {
            return Ok(false);
        }
        let looks = self.doubtful.entry(stat.id).or_default();
        *looks += 1;
        Ok(*looks <= PATIENCE)
    }

    fn known_files(&self) -> BTreeSet<FileId> {
        let reading = self.chain.iter().map(|e| e.file.disk);
        let lost = self.missing.iter().map(|m| m.cursor.file).chain(self.unpacked.iter().copied());
        reading.chain(self.retired.iter().map(|c| c.file)).chain(lost).collect()
    }
}

/// Whether what lies at `path` is a copy, perhaps in the making, of what is in the original now.
fn is_of_present(original: &mut Generation, path: &Path, stat: &Stat) -> bool {
    let Ok((open, now)) = OpenFile::open(path) else { return false };
    let mut file = Generation::new(path, open, now);
    !file.is_compressed() && (stat.size == 0 || file.begins_as(original, stat.size).unwrap_or(false))
}
