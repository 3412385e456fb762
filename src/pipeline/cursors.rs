//! Up to where the files of the trails have been folded in: a stretch that does not begin there is not folded in as it is, whoever
//! read it. See [`crate::model::position`].
use super::findings;
use super::{Outcome, Prepared};
use crate::model::{Batch, Digest, Discontinuity, FileId, SourceName, TrailPart, limits};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A cursor: up to where a file of a trail has been processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorRow {
    /// The trail.
    pub source: SourceName,
    /// Where the file lay.
    pub path: Arc<std::path::Path>,
    /// Which generation.
    pub file: FileId,
    /// Bytes processed.
    pub offset: u64,
    /// Digest of the bytes before the offset.
    pub witness: Digest,
    /// Size of the file when it was read.
    pub size: u64,
}

/// Up to where one file has been folded in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Checkpoint {
    offset: u64,
    /// It has been told since that what comes does not begin there.
    told: bool,
}

/// The checkpoints of all files that may still be read on.
#[derive(Debug, Default)]
pub(super) struct Cursors(BTreeMap<TrailPart, BTreeMap<FileId, Checkpoint>>);

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// It touches.
    Fits,
    /// Bytes before that offset have been folded in already.
    Overlaps(u64),
    /// The bytes from that offset on have not been, nor are they in it.
    Gap(u64),
    /// Its file would be one too many.
    TooMany,
}

impl Cursors {
    /// As the ledger has them.
    pub(super) fn new(recorded: impl IntoIterator<Item = (SourceName, FileId, u64)>) -> Cursors {
        let mut cursors = Cursors::default();
        for (source, file, offset) in recorded {
            cursors.set(TrailPart { source, host: file.host }, file, offset);
        }
        cursors
    }

    fn set(&mut self, part: TrailPart, file: FileId, offset: u64) {
        self.0.entry(part).or_default().insert(file, Checkpoint { offset, told: false });
    }

    /// Nobody reads the file any more.
    pub(super) fn forget(&mut self, source: &SourceName, file: &FileId) {
        let part = TrailPart { source: source.clone(), host: file.host };
        if let Some(files) = self.0.get_mut(&part) {
            files.remove(file);
        }
    }

    /// How the batch lies to the checkpoint of its file.
    fn touch(&self, batch: &Batch) -> Touch {
        let files = self.0.get(&batch.part());
        let known = files.and_then(|files| files.get(&batch.stretch.file));
        if known.is_none() && files.is_some_and(|files| files.len() >= limits::FILES_PER_TRAIL) {
            return Touch::TooMany;
        }
        let from = batch.stretch.from;
        let moves = match &batch.discontinuity {
            None | Some(Discontinuity::NextFile) => false,
            Some(Discontinuity::Truncated) => from == 0,
            Some(_) => batch.frames.is_empty(),
        };
        let at = known.map_or(0, |checkpoint| checkpoint.offset);
        match from.cmp(&at) {
            _ if moves => Touch::Fits,
            std::cmp::Ordering::Equal => Touch::Fits,
            std::cmp::Ordering::Less => Touch::Overlaps(at),
            std::cmp::Ordering::Greater => Touch::Gap(at),
        }
    }

    /// Whether it is news that what comes of the file does not begin at its checkpoint.
    fn is_news(&mut self, batch: &Batch) -> bool {
        let files = self.0.get_mut(&batch.part());
        let known = files.and_then(|files| files.get_mut(&batch.stretch.file));
        // of a file that has none the ledger knows the finding's id
        known.is_none_or(|checkpoint| !std::mem::replace(&mut checkpoint.told, true))
    }
}

impl Outcome {
    /// What of the batch is to be folded in, its cursor moved; nothing where all of it is refused, which is said.
    pub(super) fn touching(&mut self, mut batch: Prepared) -> Option<Prepared> {
        let touch = self.core.cursors.touch(&batch.batch);
        if touch != Touch::Fits {
            if self.core.cursors.is_news(&batch.batch) {
                let newest = self.core.trail(&batch.batch.part()).row.newest;
                self.found(findings::does_not_touch(&batch.batch, touch, newest));
            }
            let Touch::Overlaps(at) = touch else { return None };
            batch = batch.behind(at)?;
        }
        self.core.cursors.set(batch.batch.part(), batch.batch.stretch.file, batch.batch.stretch.to);
        let key = (batch.source().clone(), batch.batch.stretch.file);
        self.changes.cursors.insert(key, batch.cursor());
        Some(batch)
    }
}

impl Prepared {
    /// What of it lies behind that offset; a line that does so in part is whole, for nobody has seen it so. Nothing where all of it lies
    /// before.
    fn behind(self, at: u64) -> Option<Prepared> {
        if self.batch.stretch.to <= at {
            return None;
        }
        let before = self.batch.frames.iter().take_while(|frame| frame.to <= at).count();
        let mut lines = self.lines;
        let lines = lines.split_off(before.min(lines.len()));
        let mut batch = self.batch.cut(before).1;
        batch.stretch.from = batch.frames.first().map_or(at, |first| first.from.min(at));
        Some(Prepared { batch, rules: self.rules, lines, activations: self.activations })
    }
}
