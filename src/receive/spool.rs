//! Appends records to the spool files of one trail.
use super::Taken;
use super::standing::{LOCK, Standing};
use crate::framing::spool::whole;
use crate::respond::service::Ending;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// A file that has become so large is followed by the next one.
const SEGMENT_BYTES: u64 = 64 << 20;
/// How much is written at a time.
const WRITE_BYTES: usize = 4 << 20;
/// How long what is written may wait to be made durable.
const SYNC_AFTER: Duration = Duration::from_millis(200);
/// How long to wait where there is no room.
const NO_ROOM: Duration = Duration::from_millis(500);
/// What the spool is called where it is told that it can't be written.
const SPOOL: &str = "spool";
/// How often it is said that there is none.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// The spool of one trail. Nobody else writes it: the lock is held as long as this lives.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    limit: u64,
    file: File,
    number: u64,
    size: u64,
    mark: Option<String>,
    said: Option<Instant>,
    _lock: File,
}

impl Spool {
    /// Opens the spool, and cuts off a torn record at its end. `None`: another receiver has it.
    pub fn open(dir: &Path, limit: u64) -> std::io::Result<Option<Spool>> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let Some(lock) = crate::lock::take(&dir.join(LOCK))? else { return Ok(None) };
        let mut mark = None;
        let last = segments(dir)?.last().map(|(number, _)| *number);
        let (number, file, size) = match last {
            Some(number) => {
                let mut file = OpenOptions::new().read(true).write(true).open(segment(dir, number))?;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                let (size, found) = whole(&bytes);
                mark = found.map(str::to_owned);
                if size < bytes.len() {
                    tracing::warn!("{}: a record at its end was torn, and is cut off", segment(dir, number).display());
                    file.set_len(size as u64)?;
                    file.sync_data()?;
                }
                (number, file, size as u64)
            }
            None => (1, create(dir, 1, &[])?, 0),
        };
        Ok(Some(Spool { dir: dir.to_owned(), limit, file, number, size, mark, said: None, _lock: lock }))
    }

    /// The last mark that was written.
    pub fn mark(&self) -> Option<&str> {
        self.mark.as_deref()
    }

    /// Writes what comes until nobody can send any more.
    pub fn write(mut self, mut from: Receiver<Taken>, what: &str, standing: &Standing, ending: &Ending) {
        let (mut bytes, mut mark) = (Vec::new(), None);
        while let Some(first) = from.blocking_recv() {
            let begun = Instant::now();
            let mut next = Some(first);
            // what has come meanwhile goes with it, and is made durable with it
            while let Some(taken) = next {
                taken.write(&mut bytes);
                mark = taken.mark.or(mark);
                let more = bytes.len() < WRITE_BYTES && begun.elapsed() < SYNC_AFTER;
                next = more.then(|| from.try_recv().ok()).flatten();
            }
            if !self.append(&bytes, what, standing, ending) {
                return;
            }
            // only what is on disk is gone on from
            self.mark = mark.take().or(self.mark);
            bytes.clear();
        }
    }

    /// Writes whole records and makes them durable, however long that takes: while there is no room, nothing more is taken in.
    /// `false` where there was none until we were told to end.
    fn append(&mut self, bytes: &[u8], what: &str, standing: &Standing, ending: &Ending) -> bool {
        loop {
            let kept = self.make_room().and_then(|()| {
                // where a try before this one wrote some of it, the same is written over it: the daemon may have read that
                self.file.write_all_at(bytes, self.size)?;
                self.file.sync_data()
            });
            match kept {
                Ok(()) => {
                    self.size += bytes.len() as u64;
                    if self.said.is_some() && standing.well(SPOOL) {
                        self.said = None;
                        tracing::info!("{what}: there is room again");
                    }
                    return true;
                }
                Err(e) => {
                    if self.said.is_none_or(|at| at.elapsed() > SAY_EVERY) {
                        self.said = Some(Instant::now());
                        tracing::warn!("{what}: {e}: senders wait until it can be written");
                        standing.wrong(SPOOL, &format!("{e}: senders wait until it can be written"));
                    }
                    if ending.within(NO_ROOM) {
                        // the journal gives it again; what a socket's sender had handed to the kernel is lost with us
                        tracing::warn!("{what}: ended with {} bytes for which there was no room", bytes.len());
                        return false;
                    }
                }
            }
        }
    }

    /// Goes on to the next file where this one is full, unless as much waits as may.
    fn make_room(&mut self) -> std::io::Result<()> {
        let segment = SEGMENT_BYTES.min((self.limit / 4).max(1 << 20));
        if self.size < segment {
            return Ok(());
        }
        let waiting: u64 = segments(&self.dir)?.iter().map(|(_, size)| size).sum();
        if waiting >= self.limit {
            return Err(std::io::Error::other(format!(
                "{waiting} bytes wait for the daemon, {} may (spool_bytes in [receiver]): is it running?",
                self.limit
            )));
        }
        // so that the last mark is always in the last file: an empty record is none
        let mut bytes = Vec::new();
        if let Some(mark) = self.mark.clone() {
            Taken::mark(mark).write(&mut bytes);
        }
        let file = create(&self.dir, self.number + 1, &bytes)?;
        (self.file, self.size, self.number) = (file, bytes.len() as u64, self.number + 1);
        Ok(())
    }
}

/// Makes a file that begins with `bytes`: it has its name only when they are on disk, for the one before it may then be deleted.
fn create(dir: &Path, number: u64, bytes: &[u8]) -> std::io::Result<File> {
    let (path, new) = (segment(dir, number), segment(dir, number).with_extension("new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(new, path)?;
    // that its name is durable, too
    File::open(dir)?.sync_all()?;
    Ok(file)
}

fn segment(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.spool"))
}

/// The files there are, by number, with their sizes.
fn segments(dir: &Path) -> std::io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".spool")?.parse().ok());
        if let Some(number) = number {
            // deleted by the daemon in between: it takes no room
            found.push((number, entry.metadata().map_or(0, |meta| meta.len())));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FrameFlags, WallTime};

    fn taken(text: &str, mark: Option<&str>) -> Taken {
        Taken {
            received: WallTime(1),
            sender: "unix:uid=0".into(),
            flags: FrameFlags::default(),
            payload: text.into(),
            mark: mark.map(str::to_owned),
        }
    }

    fn write(dir: &Path, limit: u64, records: Vec<Taken>) -> Option<String> {
        let spool = Spool::open(dir, limit).unwrap().expect("nobody else has it");
        let mark = spool.mark().map(str::to_owned);
        let (to, from) = tokio::sync::mpsc::channel(records.len().max(1));
        records.into_iter().for_each(|record| to.try_send(record).unwrap());
        drop(to);
        spool.write(from, "a test", &Standing::new(dir, "test"), &Ending::default());
        mark
    }

    #[test]
    fn a_torn_record_is_cut_off_and_the_last_mark_is_known() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(write(dir.path(), 1 << 30, vec![taken("one", Some("c1")), taken("two", Some("c2"))]), None);
        let path = segment(dir.path(), 1);
        let before = std::fs::read(&path).unwrap();
        let torn = [&before[..], b"@ 1 unix:uid=0 - 100 c3\nhalf of it"].concat();
        std::fs::write(&path, torn).unwrap();
        assert_eq!(write(dir.path(), 1 << 30, vec![taken("three", None)]), Some("c2".into()));
        let after = std::fs::read(&path).unwrap();
        assert!(after.starts_with(&before) && after.ends_with(b" 5\nthree\n"), "{}", String::from_utf8_lossy(&after));
    }

    #[test]
    fn a_spool_has_one_writer() {
        let dir = tempfile::tempdir().unwrap();
        let first = Spool::open(dir.path(), 1).unwrap();
        assert!(first.is_some() && Spool::open(dir.path(), 1).unwrap().is_none());
    }

    #[test]
    fn files_follow_one_another_and_each_begins_with_the_last_mark() {
        let dir = tempfile::tempdir().unwrap();
        let big = "x".repeat(600 << 10);
        let records = || vec![taken(&big, Some("a")), taken(&big, Some("b"))];
        for _ in 0..3 {
            write(dir.path(), 8 << 20, records());
        }
        let files = segments(dir.path()).unwrap();
        assert!(files.len() == 2 || files.len() == 3, "{files:?}");
        let last = std::fs::read(segment(dir.path(), files.last().unwrap().0)).unwrap();
        assert_eq!(whole(&last).1, Some("b"));
    }
}
