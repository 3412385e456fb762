//! What the ledger keeps of a followed file: how far it was read, and what lay before that.
use crate::model::{Batch, Digest, FileId, SourceName};
use std::path::PathBuf;

/// How far one file of one source was read. There is one for each file that may still matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Whose.
    pub source: SourceName,
    /// The name under which the file was taken up; it may have been renamed since.
    pub path: PathBuf,
    /// Which file.
    pub file: FileId,
    /// Bytes before this offset (of the decompressed content) were handed on and committed.
    pub offset: u64,
    /// SHA-256 of the last [`crate::model::limits::WITNESS_BYTES`] (or fewer) bytes before `offset`.
    pub witness: Digest,
}

impl Cursor {
    /// The cursor that holds once `batch` is committed; it takes the place of the one for the same source and file.
    pub fn after(batch: &Batch) -> Cursor {
        Cursor {
            source: batch.source.clone(),
            path: batch.path.to_path_buf(),
            file: batch.stretch.file,
            offset: batch.stretch.to,
            witness: batch.witness,
        }
    }
}
