//! Follows trail files: bytes in, batches out, none lost and none twice.
//!
//! # What is guaranteed
//!
//! A [`Follower`] reads one trail: the files that a list of paths and patterns names, in whatever generations they come.
//! Every byte that a writer appends is covered by exactly one batch, or a [`Discontinuity`] says that it may not have been:
//!
//! - **Nothing is consumed by reading.** The cursor is what the ledger committed with the effects of the batch
//!   ([`Cursor::after`]). A follower opened again with the committed cursors goes on as if it had never stopped.
//! - **Stretches touch.** A file's next batch begins where its last one ended. A generation begins at 0 and declares
//!   [`Discontinuity::NextFile`]; anything else that is not at the cursor is declared too, in an empty batch.
//! - **A file is its identity, not its name** (device, inode, birth time), and the bytes before the cursor must still be the
//!   ones that were read (the witness). This is checked with every read, so a file that was truncated and grew past the old
//!   offset, was rewritten, or was restored from a backup is read again from its beginning and said to be
//!   [`Discontinuity::Truncated`].
//! - **Order.** A file renamed away is read to its end before the one that took its name: until two reconciles find no growth.
//!   Afterwards it is kept open for some time, for a writer that has not reopened its file yet.
//! - **What was copied and cut is read once.** What a file had that was then cut short (`copytruncate`) is read from the copy beside it,
//!   from where we were ([`Discontinuity::Copy`]). A copy that lies there while its original is whole is not read; one whose original has gone
//!   by other ways, or that could not be read in time, is a file like any other.
//! - **An unfinished line waits** in the file, not in memory. When its file is final it is handed on, marked `unterminated`.
//! - **Nothing is read unless [`Follower::next`] is called**: a stopped consumer stops the reading, and the file is the queue.
//!
//! What cannot be guaranteed: lines written between the copy and the truncation of `copytruncate` are gone, and so is what came
//! into a file that was empty when last seen, if it was copied and cut while we were down; a file that was deleted while we were
//! down is gone with its unread rest ([`Discontinuity::Lost`]).
//!
//! The [`Watcher`] only says "look now". All of this is right without it, only later.
//!
//! [`Discontinuity`]: crate::model::Discontinuity
//! [`Discontinuity::NextFile`]: crate::model::Discontinuity::NextFile
//! [`Discontinuity::Truncated`]: crate::model::Discontinuity::Truncated
//! [`Discontinuity::Copy`]: crate::model::Discontinuity::Copy
//! [`Discontinuity::Lost`]: crate::model::Discontinuity::Lost

pub mod compressed;
mod cursor;
mod file;
mod follower;
mod open;
mod paths;
mod search;
mod stage;
mod status;
mod watch;

#[cfg(test)]
mod tests;

pub use cursor::Cursor;
pub use follower::Follower;
pub use open::MACHINE_ID;
pub use status::{FileState, FileStatus, spent};
pub use watch::Watcher;

use crate::framing::{Framing, csv, together};
use crate::model::SourceName;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most files of one trail that are followed at a time; the most recently written ones are taken.
pub const MAX_FILES: usize = 4096;
/// The most descriptors that one trail keeps open; the longest idle ones are closed and opened again when they grow.
pub const MAX_OPEN: usize = 256;

/// One trail to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailSpec {
    /// The operator's name for it.
    pub name: SourceName,
    /// Paths, in which `*`, `?` and `[...]` may stand in any component.
    pub paths: Vec<String>,
    /// Where a trail begins that has never been seen.
    pub start: Start,
    /// What a frame is.
    pub framing: Framing,
    /// By which the headers in its files are known, where they have any.
    pub names: Option<Arc<csv::HeaderNames>>,
    /// What the lists of records are called in its JSON documents.
    pub lists: Arc<[String]>,
    /// Whether the files are still being written.
    pub until: Until,
}

impl TrailSpec {
    /// Whether its files are one series, of which each is complete when the next begins: those of a spool.
    pub fn is_series(&self) -> bool {
        self.framing == Framing::Spool
    }
}

/// Where a trail begins that has never been seen. Files that appear later are always read from their beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first byte.
    Beginning,
    /// At what is appended from now on.
    End,
}

/// When the end of a file is its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Never: files grow, and are rotated. Compressed files are refused.
    Forever,
    /// At once: files are final as they are, for replay. A path that ends in `.gz` or `.zst` is decompressed.
    EndOfFile,
}

/// What can go wrong with a trail. Each is about one file or directory; the others go on.
#[derive(Debug)]
pub enum SourceError {
    /// A file could not be opened or looked at.
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file could not be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Where its cursor stands, in bytes.
        offset: u64,
        /// Why.
        error: io::Error,
    },
    /// A directory that a pattern searches could not be listed.
    List {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that is no trail.
    Refused {
        /// Which.
        path: PathBuf,
        /// What it is instead, and what to do.
        reason: String,
    },
    /// The patterns name more files than are followed.
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl SourceError {
    fn open(path: &Path, error: io::Error) -> SourceError {
        SourceError::Open { path: path.to_path_buf(), error }
    }

    /// What it is about; nothing for a whole trail.
    pub fn path(&self) -> Option<&Path> {
        match self {
            SourceError::Open { path, .. }
            | SourceError::Read { path, .. }
            | SourceError::List { path, .. }
            | SourceError::Refused { path, .. } => Some(path),
            SourceError::TooMany { .. } => None,
        }
    }
}

impl std::fmt::Display for SourceError {
    /// Paths are quoted and escaped: their names may be anybody's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourceError::Open { path, error } => {
                write!(f, "cannot open {path:?}: {error}")?;
                match error.kind() {
                    io::ErrorKind::PermissionDenied => f.write_str(
                        "; give the user that tripline runs as read access (a group, or an ACL), it is tried again",
                    ),
                    _ => Ok(()),
                }
            }
            SourceError::Read { path, offset, error } => {
                write!(f, "cannot read {path:?} from byte {offset}: {error}; nothing is skipped, it is tried again")
            }
            SourceError::List { path, error } => {
                write!(f, "cannot list {path:?}: {error}; files in it are not found, it is tried again")
            }
            SourceError::Refused { path, reason } => {
                write!(f, "{path:?} is not followed: {reason}")
            }
            SourceError::TooMany { found } => write!(
                f,
                "{found} files match, {MAX_FILES} are followed (the most recently written); use a narrower pattern"
            ),
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SourceError::Open { error, .. } | SourceError::Read { error, .. } | SourceError::List { error, .. } => {
                Some(error)
            }
            SourceError::Refused { .. } | SourceError::TooMany { .. } => None,
        }
    }
}

/// A path in which no character means a pattern.
pub fn literal(path: &Path) -> String {
    path.to_string_lossy().chars().flat_map(|c| if "*?[".contains(c) { vec!['[', c, ']'] } else { vec![c] }).collect()
}

/// The files that the paths and patterns name.
pub fn files(paths: &[String]) -> impl Iterator<Item = PathBuf> {
    search::look(paths).named.into_iter().filter(|named| named.found.is_ok()).map(|named| named.path)
}

/// The first bytes of the first file that the paths and patterns name, decompressed; none where there is no file.
///
/// # Errors
/// The file can't be opened or read.
pub fn head(paths: &[String], most: usize) -> Result<Option<Vec<u8>>, SourceError> {
    for path in files(paths) {
        let (mut file, _) = open::OpenFile::open(&path)?;
        let mut bytes = vec![0; most];
        let mut filled = 0;
        // ends at the end of the file, or when the room is full
        while filled < most {
            let read = file.read_at(filled as u64, &mut bytes[filled..]);
            match read.map_err(|error| SourceError::Read { path: path.clone(), offset: filled as u64, error })? {
                0 => break,
                n => filled += n,
            }
        }
        bytes.truncate(filled);
        if !bytes.is_empty() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// How much of a trail its product is recognised by.
const HEAD_BYTES: usize = 1 << 20;
/// The most lines of it.
const HEAD_LINES: usize = 1000;

/// The first lines of the first file that the paths and patterns name, without empty ones; none where there is no file.
///
/// # Errors
/// The file can't be opened or read.
pub fn first_lines(paths: &[String]) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
    let Some(head) = head(paths, HEAD_BYTES)? else { return Ok(None) };
    // the last line may be cut; of a document over several lines the recogniser needs all that is here
    let whole = head.iter().rposition(|b| *b == b'\n').map_or(&head[..], |end| &head[..end]);
    let (mut lines, mut rest) = (Vec::new(), whole);
    while !rest.is_empty() && lines.len() < HEAD_LINES {
        // ends: every turn passes a line
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let length = together(rest, length, true).unwrap_or(length);
        lines.extend((length > 0).then(|| rest[..length].to_vec()));
        rest = &rest[(length + 1).min(rest.len())..];
    }
    Ok(Some(lines))
}
