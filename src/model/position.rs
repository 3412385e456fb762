//! Where bytes were read: a cursor is an algebra of stretches.
//!
//! A batch covers the stretch `(from, to]` of one generation of a file of one source. A stretch must touch the checkpoint of that
//! file, which `pipeline` holds it to whoever read it:
//!
//! | checkpoint       | stretch        | result                                                              |
//! | ---------------- | -------------- | ------------------------------------------------------------------- |
//! | none             | `(0, b]`       | checkpoint `b`                                                      |
//! | `a`              | `(a, b]`       | checkpoint `b`                                                      |
//! | `a`              | `(c, b]`, c<a  | the lines before `a` are dropped: they would count twice; a finding |
//! | `a`, or none     | `(c, b]`, c>a  | refused: a gap would lose bytes; a finding                          |
//! | anything         | `(0, b]`, declared [`Discontinuity::Truncated`] | checkpoint `b`, and a finding      |
//! | anything         | without frames, declared otherwise | checkpoint `b`; where something was lost a finding |
use super::id::{Digest, hex, unhex};
use super::time::WallTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The operator's name for a trail: one logical source, however many files it has had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceName(pub Arc<str>);

impl SourceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SourceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which machine a file lies on: a digest of what the machine calls itself, which tells nothing of that; all zero where it has no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub [u8; 8]);

impl HostId {
    /// Whether the machine has no name.
    pub fn is_none(&self) -> bool {
        *self == HostId::default()
    }
}

impl std::fmt::Display for HostId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for HostId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<HostId, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        let host = unhex(&text).map(HostId);
        host.ok_or_else(|| serde::de::Error::custom("a host is sixteen hexadecimal digits"))
    }
}

/// The files of a trail that lie on one machine: they have a clock, an order, and numbers of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrailPart {
    /// The trail.
    pub source: SourceName,
    /// The machine.
    pub host: HostId,
}

/// What tells one generation of a file from the next one with the same name, and finds it again under another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// On which machine: the rest is equal on two of them now and then.
    #[serde(default, skip_serializing_if = "HostId::is_none")]
    pub host: HostId,
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`; reused at once by ext4, therefore never alone.
    pub inode: u64,
    /// Birth time in nanoseconds since 1970 (statx), 0 where the file system has none.
    pub born_ns: i64,
}

/// The stretch `(from, to]` of a file, in bytes of its decompressed content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The generation read.
    pub file: FileId,
    /// Bytes before this offset were covered earlier.
    pub from: u64,
    /// Bytes before this offset are covered now.
    pub to: u64,
}

/// Why a stretch does not touch the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discontinuity {
    /// The first stretch of a source never seen, started at its end on the operator's wish.
    StartedAtEnd,
    /// The next generation after a rotation; the one before was read to its end.
    NextFile,
    /// The file is shorter than the cursor, or the bytes before the cursor are not those that were read: started again at 0.
    Truncated,
    /// The file of the cursor is gone with an unread rest; how much is unknown.
    Lost {
        /// Offset up to which it had been read.
        read_to: u64,
        /// Its last known size in bytes, where it was seen to be larger.
        known_size: Option<u64>,
    },
    /// The first stretch of a copy of a file, made before that was cut short: it begins behind what had been read of the original.
    Copy {
        /// The original.
        of: FileId,
    },
}

/// What the reader saw that a decoder must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameFlags {
    /// The frame was longer than the limit; what is here is its beginning.
    pub clipped: bool,
    /// The file ended without a newline and is final: the writer died in the middle.
    pub unterminated: bool,
    /// Where it was taken from may no longer have held what came before it, and that had not been read.
    pub after_loss: bool,
}

/// One line, or one JSON document, of a batch. Offsets are into [`Batch::data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where its bytes begin in [`Batch::data`].
    pub start: u32,
    /// Where its bytes end, without the newline.
    pub end: u32,
    /// Where it begins in the file: the offset of `data[start]`.
    pub from: u64,
    /// Where it ends in the file, its newline included.
    pub to: u64,
    /// What the reader saw.
    pub flags: FrameFlags,
}

/// Bytes of one stretch of one source, cut into frames, as read at one moment.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose.
    pub source: SourceName,
    /// Where the file lay when it was read; for people, never for identity.
    pub path: Arc<std::path::Path>,
    /// What it covers.
    pub stretch: Stretch,
    /// Declared where `stretch.from` is not the checkpoint.
    pub discontinuity: Option<Discontinuity>,
    /// When it was read.
    pub observed: WallTime,
    /// The last [`super::limits::WITNESS_BYTES`] (fewer where the file has fewer) that precede the stretch, then its bytes
    /// without a hole: a clipped frame's dropped rest would be one, so a clipped frame is always the last of its batch.
    /// Shared by the parts of a [`Batch::cut`]; only the first part's stretch begins right behind the witness bytes.
    pub data: Arc<[u8]>,
    /// The frames, in file order; every byte of the stretch is in one, or in a newline, in the rest of a clipped one, in a
    /// header, or in what stands around the records of a document.
    pub frames: Vec<Frame>,
    /// The header that stands before them in their file, where files of this trail have one: it names the columns of CSV.
    pub header: Option<Arc<str>>,
    /// SHA-256 of the last [`super::limits::WITNESS_BYTES`] (or fewer) bytes of the file before `stretch.to`.
    pub witness: Digest,
    /// Size of the file when it was read, in bytes: `size - stretch.to` is the lag.
    pub size: u64,
}

impl Batch {
    /// The part of the trail that it is of.
    pub fn part(&self) -> TrailPart {
        TrailPart { source: self.source.clone(), host: self.stretch.file.host }
    }

    /// The bytes of `frame`.
    pub fn bytes(&self, frame: &Frame) -> &[u8] {
        &self.data[frame.start as usize..frame.end as usize]
    }

    /// Splits before `frames[at_frame]`: the first part ends where the frame before it ends, the second covers the rest.
    ///
    /// Both are batches in their own right: the stretches touch, each has its own witness, and the bytes are shared. A
    /// declared discontinuity stays with the first part. With `at_frame` of 0 or of all frames, one of them has no frames.
    pub fn cut(mut self, at_frame: usize) -> (Batch, Batch) {
        let (at, witness) = self.seam(at_frame);
        let frames = if at_frame < self.frames.len() { self.frames.split_off(at_frame) } else { Vec::new() };
        let rest = Batch {
            source: self.source.clone(),
            path: self.path.clone(),
            stretch: Stretch { from: at, ..self.stretch.clone() },
            discontinuity: None,
            data: self.data.clone(),
            frames,
            header: self.header.clone(),
            ..self
        };
        self.stretch.to = at;
        self.witness = witness;
        (self, rest)
    }

    /// The offset before `frames[at_frame]` that belongs to the frame before it, and the witness of the bytes before that.
    fn seam(&self, at_frame: usize) -> (u64, Digest) {
        // `data` has no hole before its last frame's end, so any frame but the last tells where in it an offset lies.
        let (at, index) = match at_frame.checked_sub(1) {
            _ if at_frame >= self.frames.len() => return (self.stretch.to, self.witness),
            None => {
                let first = &self.frames[0];
                let back = first.from - self.stretch.from;
                (self.stretch.from, first.start as usize - back as usize)
            }
            Some(before) => {
                let frame = &self.frames[before];
                let length = (frame.to - frame.from) as usize;
                (frame.to, frame.start as usize + length)
            }
        };
        let known = super::limits::WITNESS_BYTES.min(usize::try_from(at).unwrap_or(usize::MAX));
        (at, Digest::of(&self.data[index - known..index]))
    }
}
