//! Copies of a file that is then cut short (`copytruncate`): what the original had and was not read is read from there, and
//! what was read is not read again.
use super::Follower;
use crate::model::{Discontinuity, FileId};
use crate::source::compressed::Compression;
use crate::source::file::{Generation, Left};
use crate::source::open::{OpenFile, Stat};
use crate::source::stage::{Entry, PATIENCE, Stage};
use crate::source::{SourceError, Until, search};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
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
            for mut file in copies.into_iter().rev() {
                if !self.has_room() {
                    // it is opened again when there is
                    file.close();
                }
                self.insert(index, file, Stage::CatchingUp);
            }
        }
    }

    /// The copy of the file at `index` that holds what came behind `left`, and the copies made after it, oldest first. Nobody appends
    /// to them.
    fn copies(&mut self, index: usize, left: Left) -> Vec<Generation> {
        let (path, id) = (self.chain[index].file.path.clone(), self.chain[index].file.id);
        let known = self.known_files();
        let mut there = search::rotated(&path);
        there.retain(|(at, _)| !is_being_compressed(at));
        // What can't be read is passed over: that the file was cut short is declared.
        let original = &mut self.chain[index].file;
        let copy = |(at, stat): &(PathBuf, Stat)| {
            // a copy is made after what it holds was written, and before the cut
            let early = stat.modified_ns < original.written_ns;
            if early || (!left.is_sure() && is_of_present(original, at, stat)) {
                return None;
            }
            let (open, now) = OpenFile::open(at).ok()?;
            let copy = Generation::of_copy(&path, id, left, open, now).ok()??;
            Some((copy, *stat))
        };
        let found = there.iter().filter_map(copy);
        let (read, mut new): (Vec<_>, Vec<_>) = found.partition(|(copy, _)| known.contains(&copy.disk));
        // Few bytes, such as a header, may begin other files too. While we look, the times tell; afterwards it is none of several.
        let sure = left.is_sure() || self.looked || read.len() + new.len() == 1;
        let mut copies = Vec::new();
        let (base, is_compressed) = match read.first() {
            Some((copy, stat)) if left.is_sure() || new.is_empty() => (*stat, copy.is_compressed()),
            _ if new.is_empty() || !sure => return copies,
            _ => {
                let oldest = if left.is_sure() { 0 } else { new.len() - 1 };
                let (first, stat) = new.swap_remove(oldest);
                let is_compressed = first.is_compressed();
                copies.push(first);
                (stat, is_compressed)
            }
        };
        for (at, stat) in there.into_iter().rev() {
            // one that is compressed was born when that was done
            let born = is_compressed || Compression::of(&at).is_some() || stat.id.born_ns >= base.id.born_ns;
            let later = stat.modified_ns > base.modified_ns && born && !known.contains(&stat.id);
            if !later || is_of_present(&mut self.chain[index].file, &at, &stat) {
                continue;
            }
            let Ok((open, now)) = OpenFile::open(&at) else { continue };
            let mut file = Generation::new(&path, open, now);
            file.declares = Some(Discontinuity::NextFile);
            file.finalise();
            copies.push(file);
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
                // of one that is whole, a copy is a beginning
                () if original.left.is_none() && original.holds(read)? => None,
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

/// Whether what lies at `path` is compressed from a file that is still there, and may be unfinished.
fn is_being_compressed(path: &Path) -> bool {
    let plain = Compression::stripped(path.as_os_str().as_bytes());
    plain.is_some_and(|(stem, _)| Path::new(OsStr::from_bytes(stem)).exists())
}

/// Whether what lies at `path` is a copy, perhaps in the making, of what is in the original now.
fn is_of_present(original: &mut Generation, path: &Path, stat: &Stat) -> bool {
    let Ok((open, now)) = OpenFile::open(path) else { return false };
    let mut file = Generation::new(path, open, now);
    !file.is_compressed() && (stat.size == 0 || file.begins_as(original, stat.size).unwrap_or(false))
}
