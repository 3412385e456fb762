//! Learning from old lines: they go through the engine like any others, and only what it remembers of them stays.
use super::{Outcome, Prepared, Rules};
use crate::detect::Engine;
use crate::model::{HashParts, LearnedFile};
use std::sync::Arc;

impl Rules {
    /// The same rules for learning from old lines. What fires meanwhile is marked as fired under other names: nobody was told,
    /// so it must not keep a finding of the same episode quiet that comes when the daemon watches.
    #[must_use]
    pub fn learning(mut self) -> Rules {
        let mut set = self.engine.policies().clone();
        for policy in &mut set.rules {
            policy.decision = HashParts::new("learning").part(&policy.decision.0).finish();
        }
        self.engine = Engine::new(Arc::new(set));
        self
    }
}

impl Outcome {
    /// Folds old lines in. State, remembered ids and the trails' counters change; of everything else nothing is kept.
    pub(super) fn learn(&mut self, batches: Vec<Prepared>) {
        // a file begins: equal lines are counted from its beginning, as they are when the daemon reads it
        for batch in batches.iter().filter(|batch| batch.batch.stretch.from == 0) {
            self.core.trail(&batch.batch.part()).read_again();
        }
        let (book, flood) = (std::mem::take(&mut self.core.book), std::mem::take(&mut self.core.flood));
        let before = std::mem::take(&mut self.changes);
        let replaying = std::mem::replace(&mut self.core.replaying, true);
        self.lines(batches);
        (self.core.book, self.core.flood, self.core.replaying) = (book, flood, replaying);
        let learned = std::mem::replace(&mut self.changes, before);
        self.changes.unsaid.extend(learned.findings);
        self.changes.horizon = learned.horizon.or(self.changes.horizon);
    }

    /// The old files are learned: whatever is read next is another file.
    pub(super) fn learned(&mut self, files: &[LearnedFile]) {
        for file in files {
            for trail in self.core.trails.values_mut().filter(|trail| trail.part.source == file.source) {
                trail.read_again();
                // how late old files were read says nothing of how late the daemon reads
                let row = trail.touch();
                row.behind = false;
                row.clock.begins();
            }
        }
    }
}
