//! What can be told about the files of a trail.
use super::{MAX_FILES, SourceError};
use crate::model::{FileId, WallTime};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

/// What a name of a trail stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is read as it grows.
    Following,
    /// There is no such file yet.
    Absent,
    /// It was renamed or deleted, and its rest is read.
    Draining,
    /// We may not read it.
    Denied,
    /// It is no trail; why.
    Refused(String),
    /// Reading it fails, and is tried again; why.
    Failing(String),
}

/// What `tripline status` shows of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// The name under which it was taken up.
    pub path: PathBuf,
    /// What it stands for.
    pub state: FileState,
    /// Which file, where there is one.
    pub file: Option<FileId>,
    /// How far it was handed on, in bytes of its decompressed content.
    pub offset: u64,
    /// How many stored bytes that took; the share of `size` that is done.
    pub consumed: u64,
    /// Its stored size in bytes, when last looked at.
    pub size: u64,
    /// When it was last seen to have grown.
    pub grown: Option<WallTime>,
}

/// The files of a series that are read to their end and followed by another: nothing will ever be appended to them.
pub fn spent(files: &[FileStatus]) -> Vec<PathBuf> {
    let last = files.iter().map(|file| &file.path).max();
    let done =
        |file: &&FileStatus| file.state == FileState::Following && file.offset == file.size && Some(&file.path) != last;
    files.iter().filter(done).map(|file| file.path.clone()).collect()
}

/// The state of a file that `problem` is about.
pub fn state_of(problem: &SourceError) -> FileState {
    match problem {
        SourceError::Refused { reason, .. } => FileState::Refused(reason.clone()),
        SourceError::Open { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => FileState::Denied,
        other => FileState::Failing(other.to_string()),
    }
}

/// The problems that have been said and still hold, so that each is said once.
#[derive(Debug, Default)]
pub struct Reported(BTreeSet<String>);

impl Reported {
    /// Whether `problem`, met while reading, has not been said.
    pub fn is_new(&mut self, problem: &SourceError) -> bool {
        self.0.len() < 4 * MAX_FILES && self.0.insert(problem.to_string())
    }

    /// Those of `problems`, all there are now, that were not there the last time.
    pub fn only_new(&mut self, problems: Vec<SourceError>) -> Vec<SourceError> {
        // What was met while reading is met again only by reading, so it is kept.
        let read = |text: &String| text.starts_with("cannot read");
        let before = std::mem::take(&mut self.0);
        let mut new = Vec::new();
        for problem in problems {
            let text = problem.to_string();
            if self.0.insert(text.clone()) && !before.contains(&text) {
                new.push(problem);
            }
        }
        self.0.extend(before.into_iter().filter(read));
        new
    }
}
