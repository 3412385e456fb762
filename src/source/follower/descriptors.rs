//! The descriptors that a follower may hold: files that are read to their end give theirs up to those that wait for one.
use super::Follower;
use crate::source::open::{OpenFile, Stat};
use crate::source::stage::{Entry, Stage};
use crate::source::{MAX_OPEN, SourceError};
use std::io;
use std::path::Path;

impl Follower {
    /// Keeps at most so many descriptors open, or [`MAX_OPEN`] where that is less; two are needed to get on.
    pub fn keep_open(&mut self, most: usize) {
        self.most_open = most.clamp(2, MAX_OPEN);
    }

    /// Whether one more descriptor may be taken, after giving up idle ones; counts who must wait.
    pub(super) fn has_room(&mut self) -> bool {
        let count = |chain: &[Entry]| chain.iter().filter(|e| e.file.open.is_some()).count();
        if count(&self.chain) >= self.most_open {
            self.close_idle(self.most_open / 2);
        }
        let room = count(&self.chain) < self.most_open;
        self.waiting += usize::from(!room);
        room
    }

    /// Opens a file; where descriptors are used up, idle ones are given up and it is tried again at the next reconcile.
    pub(super) fn open_file(&mut self, path: &Path) -> Result<(OpenFile, Stat), SourceError> {
        let opened = OpenFile::open(path);
        if let Err(SourceError::Open { error, .. }) = &opened
            && is_exhausted(error)
        {
            self.close_idle(self.chain.len() / 2);
        }
        opened
    }

    /// Closes the longest idle files until at most `most` are open.
    pub(super) fn close_idle(&mut self, most: usize) {
        let open = |e: &&mut Entry| e.file.open.is_some();
        let excess = self.chain.iter_mut().filter(open).count().saturating_sub(most);
        if excess == 0 {
            return;
        }
        let mut idle: Vec<&mut Entry> = self
            .chain
            .iter_mut()
            .filter(|e| e.file.open.is_some() && e.file.is_caught_up())
            .filter(|e| e.stage == Stage::Following)
            .collect();
        idle.sort_by_key(|e| e.file.grown);
        idle.into_iter().take(excess).for_each(|e| e.file.close());
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let full = [Errno::MFILE, Errno::NFILE].map(|e| Some(e.raw_os_error()));
    full.contains(&error.raw_os_error())
}
