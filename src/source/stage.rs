//! The life of one generation within its trail: followed, drained when its name is taken, kept for a while, done.
use super::file::Generation;
use super::open::OpenFile;
use super::status::FileState;
use super::{SourceError, search};
use std::path::{Path, PathBuf};

/// How many reconciles without growth make the end of a renamed file stable.
pub const STABLE: u32 = 2;
/// After how many reconciles a renamed file that still grows no longer holds up the one that took its name: two writers are
/// then at work, and neither may wait for the other.
pub const PATIENCE: u32 = 30;
/// How many further reconciles without growth a renamed file is kept open for a writer that has not reopened its file.
pub const LINGER: u32 = 30;

/// A generation, and where it stands.
#[derive(Debug)]
pub struct Entry {
    /// The file.
    pub file: Generation,
    /// Where it stands.
    pub stage: Stage,
    /// Under which other name files of its name begin: `log` for `log.1`, where the trail's pattern names both.
    pub began_as: Option<PathBuf>,
    /// Why it is not read before the next reconcile.
    pub trouble: Option<FileState>,
}

/// Where a generation stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its name leads to it.
    Following,
    /// It was renamed while nobody looked: its writer has had its time, what took its name waits for its present end.
    CatchingUp,
    /// Its name does not lead to it any more; it is read to a stable end, and what took its name waits.
    Draining {
        /// Reconciles without growth, in a row.
        quiet: u32,
        /// Reconciles since it lost its name.
        rounds: u32,
    },
    /// At its stable end, kept for a late writer.
    Lingering {
        /// Reconciles without growth, in a row.
        quiet: u32,
    },
}

impl Entry {
    /// Whether a rotation gave it its name: another file has been written to since.
    pub fn is_rotated(&self) -> bool {
        self.began_as.is_some()
    }

    /// The name under which files of its name begin.
    pub fn series(&self) -> &Path {
        self.began_as.as_deref().unwrap_or(&self.file.path)
    }

    /// Whether all that is in it now has been handed on.
    pub fn is_at_rest(&self) -> bool {
        let unchanged = match &self.file.open {
            Some(open) => open.stat().is_ok_and(|stat| self.file.is_unchanged(&stat)),
            None => true,
        };
        unchanged && self.file.is_caught_up()
    }

    /// The next stage of a generation whose name leads elsewhere.
    pub fn without_name(&self) -> Stage {
        let still = self.is_at_rest();
        match self.stage {
            Stage::Following => Stage::Draining { quiet: 0, rounds: 0 },
            Stage::CatchingUp if still => Stage::Lingering { quiet: 0 },
            Stage::CatchingUp => Stage::CatchingUp,
            Stage::Draining { quiet, rounds } => {
                let quiet = if still { quiet + 1 } else { 0 };
                match quiet >= STABLE || rounds >= PATIENCE {
                    true => Stage::Lingering { quiet: 0 },
                    false => Stage::Draining { quiet, rounds: rounds + 1 },
                }
            }
            Stage::Lingering { quiet } => Stage::Lingering {
                quiet: match still {
                    true => (quiet + 1).min(LINGER),
                    false => 0,
                },
            },
        }
    }

    /// Opens a closed file again: under its name, or where it was renamed to.
    pub fn reopen(&mut self) -> Result<(), SourceError> {
        let path = match self.stage {
            Stage::Following => self.file.path.to_path_buf(),
            _ => match search::renamed(&self.file.path, self.file.disk) {
                Some((path, _)) => path,
                None => return Ok(()),
            },
        };
        let (opened, stat) = OpenFile::open(&path)?;
        if stat.id == self.file.disk {
            self.file.reopen(opened);
        }
        Ok(())
    }
}
