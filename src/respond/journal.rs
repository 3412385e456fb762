//! The runner's durable memory of which order was started and how it ended: one JSON line a fact, flushed before it counts.
//!
//! It outlives the daemon's ledger: an older copy of the ledger that is put back asks for orders that were carried out
//! already, and the journal says so. What a crash leaves:
//!
//! | the runner died                      | on disk            | the order is                                  |
//! | ------------------------------------ | ------------------ | --------------------------------------------- |
//! | before the claim was flushed         | nothing, or a torn last line | never seen: it may be handed over again |
//! | between the claim and the exec       | `started`          | unknown                                       |
//! | between the exec and the outcome     | `started`          | unknown                                       |
//! | after the outcome was flushed        | `started`, `ended` | what `ended` says                             |
//!
//! Facts are written one at a time, each flushed before the next, so that a crash can tear the last line only. A line in
//! the middle that cannot be read is damage of another kind, and the runner refuses to guess which key it held.
use super::wire::{Ending, hex_id};
use crate::model::{Millis, OrderId, WallTime};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Keys are remembered at least so long. Orders older than a session's life are refused anyway; a month leaves room for a
/// ledger that was put back from a backup.
pub const KEPT: Millis = Millis::DAY.times(30);
/// A journal longer than this is compacted when the next fact is written, in bytes.
pub const COMPACT_BYTES: u64 = 16 << 20;
/// The most keys that are held. At this bound no new order is started, and the reason is given.
pub const MOST_KEYS: usize = 100_000;
/// The longest note that is kept with an outcome, in bytes.
pub const NOTE_BYTES: usize = 2048;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Started, with no outcome.
    Started,
    /// Ended.
    Ended(Ending, String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    #[serde(with = "hex_id")]
    order: OrderId,
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Ending>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
}

/// A journal that cannot be opened or written.
#[derive(Debug)]
pub enum JournalError {
    /// A file operation failed.
    Io {
        /// Which.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another runner has it.
    Taken {
        /// The lock file.
        path: PathBuf,
    },
    /// A line that is not the last one cannot be read.
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// [`MOST_KEYS`] are held, none of them old enough to forget.
    Full,
    /// An earlier write failed and could not be undone: what is on disk is not known until the runner starts again.
    Poisoned,
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JournalError::Io { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())
            }
            JournalError::Taken { path } => {
                write!(f, "another runner holds {}: stop it first", path.display())
            }
            JournalError::Damaged { path, line, source } => write!(
                f,
                "{}, line {line}: {source}. An order that this line held could be carried out twice. Look at the line; \
                 to go on without it, take it out of the file",
                path.display()
            ),
            JournalError::Full => write!(
                f,
                "the journal holds {MOST_KEYS} orders of the last {} days: no order is started until older ones can be forgotten",
                KEPT.0 / Millis::DAY.0
            ),
            JournalError::Poisoned => f.write_str(
                "an earlier write to the journal failed and could not be undone: free the disk, then start the runner again",
            ),
        }
    }
}

impl std::error::Error for JournalError {}

/// The open journal. One process has it at a time.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    compact_at: u64,
    poisoned: bool,
    known: BTreeMap<OrderId, (WallTime, Known)>,
    _lock: File,
}

impl Journal {
    /// Opens or makes the journal in `directory`, which must exist, and forgets what is older than [`KEPT`] at `now`.
    pub fn open(directory: &Path, now: WallTime) -> Result<Journal, JournalError> {
        let path = directory.join("journal.lock");
        let taken = crate::lock::take(&path).map_err(failed("lock", &path))?;
        let lock = taken.ok_or(JournalError::Taken { path })?;
        let path = directory.join("journal.jsonl");
        let mut file = open(&path, OFlags::RDWR | OFlags::CREATE)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed("read", &path))?;
        let (known, length) = replay(&text, &path)?;
        // A torn last line was never flushed, so that nothing was done on its account.
        file.set_len(length).map_err(failed("truncate", &path))?;
        file.seek(SeekFrom::End(0)).map_err(failed("seek in", &path))?;
        file.sync_data().map_err(failed("flush", &path))?;
        sync_directory(directory)?;
        let mut journal =
            Journal { path, file, length, compact_at: COMPACT_BYTES, poisoned: false, known, _lock: lock };
        journal.forget(now)?;
        Ok(journal)
    }

    /// What is known of `order`.
    pub fn known(&self, order: OrderId) -> Option<&Known> {
        self.known.get(&order).map(|(_, known)| known)
    }

    /// Records that `order` is about to be run. Only when this has returned may anything be run.
    pub fn started(&mut self, order: OrderId, at: WallTime) -> Result<(), JournalError> {
        if self.length > self.compact_at || self.known.len() >= MOST_KEYS {
            self.forget(at)?;
        }
        if self.known.len() >= MOST_KEYS && !self.known.contains_key(&order) {
            return Err(JournalError::Full);
        }
        self.append(&Fact { order, at: at.0, ended: None, note: String::new() })?;
        self.known.insert(order, (at, Known::Started));
        Ok(())
    }

    /// Records how `order` ended.
    pub fn ended(&mut self, order: OrderId, ending: Ending, note: &str, at: WallTime) -> Result<(), JournalError> {
        let note = crate::model::cut(note, NOTE_BYTES).to_owned();
        // It is so, whether or not the disk takes it: who asks before the next start is told.
        self.known.insert(order, (at, Known::Ended(ending, note.clone())));
        let ended = Some(ending);
        self.append(&Fact { order, at: at.0, ended, note })
    }

    fn append(&mut self, fact: &Fact) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let line = line(fact);
        if let Err(source) = self.file.write_all(&line) {
            // The disk is full, as a rule. Half a line may be there, and the next fact must not be glued to it.
            let undone = self.file.set_len(self.length);
            let undone = undone.and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            self.poisoned = undone.is_err();
            return Err(failed("write", &self.path)(source));
        }
        if let Err(source) = self.file.sync_data() {
            // The kernel may have dropped the page and will not say so again: only a new start tells what is on disk.
            self.poisoned = true;
            return Err(failed("flush", &self.path)(source));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Writes the journal anew without the keys that are older than [`KEPT`], if there are any.
    fn forget(&mut self, now: WallTime) -> Result<(), JournalError> {
        let oldest = now.minus(KEPT);
        if self.length <= self.compact_at && self.known.values().all(|(at, _)| *at >= oldest) {
            return Ok(());
        }
        self.known.retain(|_, (at, _)| *at >= oldest);
        let text: Vec<u8> =
            (self.known.iter()).flat_map(|(order, (at, known))| line(&Fact::of(*order, *at, known))).collect();
        let new = self.path.with_extension("new");
        let mut file = open(&new, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
        file.write_all(&text).map_err(failed("write", &new))?;
        file.sync_all().map_err(failed("flush", &new))?;
        std::fs::rename(&new, &self.path).map_err(failed("rename", &new))?;
        // From here on the new file is the journal; an error leaves a journal that must not be written any more.
        self.poisoned = true;
        (self.file, self.length) = (file, text.len() as u64);
        // What is young stays, however long it is: to compact is worth it again when there is twice as much.
        self.compact_at = COMPACT_BYTES.max(self.length.saturating_mul(2));
        sync_directory(self.path.parent().unwrap_or(Path::new("/")))?;
        self.poisoned = false;
        Ok(())
    }
}

impl Fact {
    fn of(order: OrderId, at: WallTime, known: &Known) -> Fact {
        let (ended, note) = match known {
            Known::Started => (None, String::new()),
            Known::Ended(ending, note) => (Some(*ending), note.clone()),
        };
        Fact { order, at: at.0, ended, note }
    }
}

fn line(fact: &Fact) -> Vec<u8> {
    let mut line = serde_json::to_vec(fact).expect("a fact is a flat object of numbers and text");
    line.push(b'\n');
    line
}

type Replayed = (BTreeMap<OrderId, (WallTime, Known)>, u64);

/// What `text` says, and how many of its bytes are whole facts.
fn replay(text: &[u8], path: &Path) -> Result<Replayed, JournalError> {
    let mut known = BTreeMap::new();
    let mut length = 0;
    for (number, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let last = length + line.len() == text.len();
        let fact = match serde_json::from_slice::<Fact>(line) {
            Ok(fact) if line.ends_with(b"\n") => fact,
            Err(source) if !last => {
                return Err(JournalError::Damaged { path: path.into(), line: number + 1, source });
            }
            _ => break,
        };
        length += line.len();
        let at = WallTime(fact.at);
        let what = fact.ended.map_or(Known::Started, |ending| Known::Ended(ending, fact.note));
        known.insert(fact.order, (at, what));
    }
    Ok((known, length as u64))
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> JournalError + 'a {
    move |source| JournalError::Io { operation, path: path.into(), source }
}

fn open(path: &Path, flags: OFlags) -> Result<File, JournalError> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(|e| failed("open", path)(e.into()))
}

fn sync_directory(directory: &Path) -> Result<(), JournalError> {
    File::open(directory).and_then(|d| d.sync_all()).map_err(failed("flush", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: OrderId = OrderId([0xaa; 16]);
    const B: OrderId = OrderId([0xbb; 16]);
    const NOW: WallTime = WallTime(1_711_929_600_000);

    fn journal(directory: &Path) -> Journal {
        Journal::open(directory, NOW).unwrap()
    }

    #[test]
    fn h83_every_crash_point_leaves_never_seen_or_unknown_or_the_outcome() {
        let whole = tempfile::tempdir().unwrap();
        let mut before = journal(whole.path());
        before.started(A, NOW).unwrap();
        let claimed = before.length as usize;
        before.ended(A, Ending::Done, "exit 0", NOW).unwrap();
        let text = std::fs::read(whole.path().join("journal.jsonl")).unwrap();
        for crash in 0..=text.len() {
            let torn = tempfile::tempdir().unwrap();
            std::fs::write(torn.path().join("journal.jsonl"), &text[..crash]).unwrap();
            let mut after = journal(torn.path());
            let expected = match crash {
                c if c < claimed => None,
                c if c < text.len() => Some(Known::Started),
                _ => Some(Known::Ended(Ending::Done, "exit 0".into())),
            };
            assert_eq!(after.known(A), expected.as_ref(), "cut after {crash} bytes");
            after.started(B, NOW).unwrap();
            drop(after);
            let again = journal(torn.path());
            assert_eq!(again.known(A), expected.as_ref());
            assert_eq!(again.known(B), Some(&Known::Started));
        }
    }

    #[test]
    fn a_page_of_nuls_after_a_power_loss_is_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        journal(dir.path()).started(A, NOW).unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut text = std::fs::read(&path).unwrap();
        text.extend([0; 100]);
        std::fs::write(&path, text).unwrap();
        assert_eq!(journal(dir.path()).known(A), Some(&Known::Started));
    }

    #[test]
    fn damage_in_the_middle_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut j = journal(dir.path());
        for order in [A, B] {
            j.started(order, NOW).unwrap();
        }
        drop(j);
        let path = dir.path().join("journal.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("order", "0rder", 1)).unwrap();
        let error = Journal::open(dir.path(), NOW).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { line: 1, .. }), "{error}");
    }

    #[test]
    fn old_keys_are_forgotten_and_young_ones_survive() {
        let dir = tempfile::tempdir().unwrap();
        let mut j = journal(dir.path());
        j.started(A, NOW.minus(KEPT).minus(Millis(1))).unwrap();
        j.ended(B, Ending::Failed, "exit 3", NOW.minus(KEPT)).unwrap();
        drop(j);
        let j = journal(dir.path());
        assert_eq!(j.known(A), None);
        assert_eq!(j.known(B), Some(&Known::Ended(Ending::Failed, "exit 3".into())));
        let on_disk = std::fs::read(dir.path().join("journal.jsonl")).unwrap();
        assert_eq!(on_disk.len() as u64, j.length);
        assert!(!String::from_utf8(on_disk).unwrap().contains(&A.to_string()));
    }

    #[test]
    fn a_full_disk_is_waited_out_and_what_cannot_be_undone_is_not_written_over() {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
        let dir = tempfile::tempdir().unwrap();
        let mut j = journal(dir.path());
        let full = File::from(memfd_create("full", MemfdFlags::ALLOW_SEALING).unwrap());
        fcntl_add_seals(&full, SealFlags::GROW).unwrap();
        let disk = std::mem::replace(&mut j.file, full);
        assert!(matches!(j.started(A, NOW), Err(JournalError::Io { .. })));
        assert_eq!(j.known(A), None, "nothing was recorded, so that nothing may be run");
        j.file = disk;
        j.started(A, NOW).unwrap();
        let device = File::options().write(true).open("/dev/full").unwrap();
        let disk = std::mem::replace(&mut j.file, device);
        assert!(j.ended(A, Ending::Done, "exit 0", NOW).is_err());
        assert_eq!(j.known(A), Some(&Known::Ended(Ending::Done, "exit 0".into())));
        j.file = disk;
        assert!(matches!(j.started(B, NOW), Err(JournalError::Poisoned)));
        drop(j);
        let j = journal(dir.path());
        assert_eq!((j.known(A), j.known(B)), (Some(&Known::Started), None));
    }

    #[test]
    fn a_second_runner_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let _first = journal(dir.path());
        let second = Journal::open(dir.path(), NOW).unwrap_err();
        assert!(matches!(second, JournalError::Taken { .. }), "{second}");
    }
}
