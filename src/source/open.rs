//! One opened file: who it is, how large it is, and its bytes at an offset, plain or compressed.
use super::SourceError;
use super::compressed::{Compression, Decoder};
use crate::model::id::unhex;
use crate::model::{FileId, HashParts, HostId};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Statx, StatxFlags};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::LazyLock;

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Which file.
    pub id: FileId,
    /// Its length in bytes, as stored.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Whether no name leads to it any more.
    pub deleted: bool,
    /// What it is.
    pub kind: FileType,
}

/// The state of the file that `path` leads to, through links.
pub fn stat(path: &Path) -> io::Result<Stat> {
    let found = rustix::fs::statx(CWD, path, AtFlags::empty(), mask())?;
    Ok(Stat::from(found))
}

/// Where this machine's name is, which it keeps as long as it is the same installation.
pub const MACHINE_ID: &str = "/etc/machine-id";

/// This machine: the same all the time that the program runs.
fn host() -> HostId {
    static HOST: LazyLock<HostId> =
        LazyLock::new(|| std::fs::read_to_string(MACHINE_ID).map(|id| host_of(&id)).unwrap_or_default());
    *HOST
}

/// The machine of that id. It is to be told to nobody (machine-id(5)): what stands for it tells nothing of it.
fn host_of(machine_id: &str) -> HostId {
    match unhex::<16>(machine_id.trim()) {
        Some(id) => {
            let [a, b, c, d, e, f, g, h, ..] = HashParts::new("tripline host").part(&id).finish().0;
            HostId([a, b, c, d, e, f, g, h])
        }
        // of a machine that starts for the first time it says "uninitialized"
        None => HostId::default(),
    }
}

fn mask() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

impl From<Statx> for Stat {
    fn from(found: Statx) -> Stat {
        let ns = |at: rustix::fs::StatxTimestamp| at.tv_sec * 1_000_000_000 + i64::from(at.tv_nsec);
        // Where the file system keeps no birth time, the field holds nothing of meaning.
        let has_birth = found.stx_mask & StatxFlags::BTIME.bits() != 0;
        Stat {
            id: FileId {
                host: host(),
                device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
                inode: found.stx_ino,
                born_ns: if has_birth { ns(found.stx_btime) } else { 0 },
            },
            size: found.stx_size,
            modified_ns: ns(found.stx_mtime),
            deleted: found.stx_nlink == 0,
            kind: FileType::from_raw_mode(found.stx_mode.into()),
        }
    }
}

/// A regular file, opened for reading.
#[derive(Debug)]
pub struct OpenFile {
    content: Content,
}

#[derive(Debug)]
enum Content {
    Plain(File),
    Compressed(Box<Stream>),
}

impl OpenFile {
    /// Opens `path`. Anything but a regular file is refused: reading a pipe or a device would block or change it.
    pub fn open(path: &Path) -> Result<(OpenFile, Stat), SourceError> {
        let failed = |error: io::Error| SourceError::open(path, error);
        // Opening a device can already have effects, so the kind is looked at before; and again after, for the name may
        // lead elsewhere by then. O_NONBLOCK keeps a pipe put there in between from holding us up.
        refuse_special(path, stat(path).map_err(failed)?)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?);
        let found = stat_open(&file).map_err(failed)?;
        refuse_special(path, found)?;
        let content = match Compression::of(path) {
            Some(how) => Content::Compressed(Box::new(Stream::new(how, file))),
            None => Content::Plain(file),
        };
        Ok((OpenFile { content }, found))
    }

    /// The file's state now.
    pub fn stat(&self) -> io::Result<Stat> {
        stat_open(self.file())
    }

    /// Fills `into` with the (decompressed) bytes from `offset` on; fewer only at the end of the file.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.content {
            Content::Plain(file) => read_fully(file, offset, into),
            Content::Compressed(stream) => stream.read_at(offset, into),
        }
    }

    /// Whether offsets are of decompressed content, so that the stored size says nothing about them.
    pub fn is_compressed(&self) -> bool {
        matches!(self.content, Content::Compressed(_))
    }

    /// How many stored bytes were needed to read up to `offset`: for a progress bar.
    pub fn consumed(&self, offset: u64) -> u64 {
        match &self.content {
            Content::Plain(_) => offset,
            Content::Compressed(stream) => (&mut stream.file()).stream_position().unwrap_or_default(),
        }
    }

    /// Why the content ends before the file does: a damaged compressed stream.
    pub fn damage(&self) -> Option<&io::Error> {
        match &self.content {
            Content::Plain(_) => None,
            Content::Compressed(stream) => stream.broken.as_ref(),
        }
    }

    fn file(&self) -> &File {
        match &self.content {
            Content::Plain(file) => file,
            Content::Compressed(stream) => stream.file(),
        }
    }
}

fn stat_open(file: &File) -> io::Result<Stat> {
    Ok(Stat::from(rustix::fs::statx(file.as_fd(), "", AtFlags::EMPTY_PATH, mask())?))
}

fn refuse_special(path: &Path, found: Stat) -> Result<(), SourceError> {
    let what = match found.kind {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a directory",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "no regular file",
    };
    Err(SourceError::Refused {
        path: path.to_path_buf(),
        reason: format!("it is {what}; a trail must be a regular file"),
    })
}

fn read_fully(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads a compressed file forward, and keeps what was read from the last asked offset on.
struct Stream {
    how: Compression,
    decoder: Decoder<File>,
    kept: Vec<u8>,
    kept_from: u64,
    ended: bool,
    broken: Option<io::Error>,
}

impl Stream {
    fn new(how: Compression, file: File) -> Stream {
        Stream { how, decoder: how.reader(file), kept: Vec::new(), kept_from: 0, ended: false, broken: None }
    }

    fn file(&self) -> &File {
        self.decoder.get_ref()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if offset < self.kept_from {
            let mut file = self.file().try_clone()?;
            file.rewind()?;
            *self = Stream::new(self.how, file);
        }
        let mut chunk = vec![0; 1 << 16];
        loop {
            let unwanted = usize::try_from(offset - self.kept_from).unwrap_or(usize::MAX).min(self.kept.len());
            // Dropping the front of a large buffer for every small read would be quadratic; callers read in large steps.
            self.kept.drain(..unwanted);
            self.kept_from += unwanted as u64;
            if self.ended || (self.kept_from == offset && self.kept.len() >= into.len()) {
                break;
            }
            match self.decoder.read(&mut chunk) {
                Ok(0) => self.ended = true,
                Ok(count) => self.kept.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What was decoded before the damage is handed on first. A gzip reader drops what it decoded in the call that meets
                // the damage: at most a chunk, and the damage is said.
                Err(error) => {
                    self.ended = true;
                    self.broken = Some(error);
                }
            }
        }
        let count = match self.kept_from == offset {
            true => self.kept.len().min(into.len()),
            false => 0,
        };
        into[..count].copy_from_slice(&self.kept[..count]);
        Ok(count)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({:?}, from {})", self.how, self.kept_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_by_its_id_and_its_id_is_not_told() {
        let id = "0123456789abcdef0123456789abcdef";
        let host = host_of(&format!("{id}\n"));
        assert_eq!((host, host.is_none()), (host_of(id), false));
        assert!(!id.contains(&host.to_string()[..4]), "{host}");
        assert_ne!(host, host_of("0123456789abcdef0123456789abcdee"));
        for none in ["", "uninitialized\n", "0123"] {
            assert_eq!(host_of(none), HostId::default());
        }
    }
}
