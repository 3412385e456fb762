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
/// So long after the first record in it, a file is followed by the next one if none waits before it: what a file holds stays on disk
/// until all of it is committed and there is a next one.
const SEGMENT_AGE: Duration = Duration::from_secs(3);
/// How often it is looked whether the files before it are gone.
const LOOK: Duration = Duration::from_secs(1);
/// At the end a file is followed by the next one, too, unless so many wait: a receiver that is begun anew without end, while no daemon
/// runs, must not leave more files than a trail has.
const WAITING_AT_END: usize = 64;
/// How much is written at a time.
const WRITE_BYTES: usize = 4 << 20;
/// What is kept of the memory that it takes.
const KEPT_BYTES: usize = 1 << 20;
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
    /// When it is to be followed by the next file; none while there is nothing in it.
    due: Option<Instant>,
    mark: Option<String>,
    said: Option<Instant>,
    _lock: File,
}

impl Spool {
    /// Opens the spool, and cuts off a torn record at its end. `None`: another receiver has it.
    pub fn open(dir: &Path, limit: u64) -> std::io::Result<Option<Spool>> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let Some(lock) = crate::lock::take(&dir.join(LOCK))? else { return Ok(None) };
        let (mut mark, mut has_records) = (None, false);
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
                has_records = size > alone(mark.clone()).len();
                (number, file, size as u64)
            }
            None => (1, create(dir, 1, &[])?, 0),
        };
        // what an earlier receiver left may be committed
        let due = has_records.then(|| Instant::now() + SEGMENT_AGE);
        Ok(Some(Spool { dir: dir.to_owned(), limit, file, number, size, due, mark, said: None, _lock: lock }))
    }

    /// The last mark that was written.
    pub fn mark(&self) -> Option<&str> {
        self.mark.as_deref()
    }

    /// Writes what comes until nobody can send any more.
    pub fn write(mut self, mut from: Receiver<Taken>, what: &str, standing: &Standing, ending: &Ending) {
        let (mut bytes, mut mark) = (Vec::new(), None);
        let clock = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(clock) => clock,
            Err(e) => return tracing::error!("{what}: it can't be written: {e}"),
        };
        // ends: with the last sender
        loop {
            let Ok(first) = clock.block_on(self.next(&mut from)) else {
                self.grow_old(1);
                continue;
            };
            let Some(first) = first else { break };
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
            bytes.shrink_to(KEPT_BYTES);
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.grow_old(1);
            }
        }
        if self.due.is_some() {
            self.grow_old(WAITING_AT_END);
        }
    }

    /// The next record; none where nobody can send one any more.
    ///
    /// # Errors
    /// Before one comes, this file is to be followed by the next one.
    async fn next(&self, from: &mut Receiver<Taken>) -> Result<Option<Taken>, tokio::time::error::Elapsed> {
        match self.due {
            Some(due) => tokio::time::timeout_at(due.into(), from.recv()).await,
            None => Ok(from.recv().await),
        }
    }

    /// Goes on to the next file, so that the daemon may delete this one, if there are at most so many.
    fn grow_old(&mut self, most: usize) {
        // while the daemon is behind, or is not there, files do not become more than they must
        let may = segments(&self.dir).is_ok_and(|files| files.len() <= most);
        if !may || self.next_file().is_err() {
            // where there is no room, whoever writes a record says so
            self.due = Some(Instant::now() + LOOK);
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
                    self.due.get_or_insert_with(|| Instant::now() + SEGMENT_AGE);
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
        self.next_file()
    }

    /// Goes on to the next file.
    fn next_file(&mut self) -> std::io::Result<()> {
        // so that the last mark is always in the last file: an empty record is none
        let bytes = alone(self.mark.clone());
        let file = create(&self.dir, self.number + 1, &bytes)?;
        (self.file, self.size, self.number) = (file, bytes.len() as u64, self.number + 1);
        self.due = None;
        Ok(())
    }
}

/// What a file holds that has nothing but a mark.
fn alone(mark: Option<String>) -> Vec<u8> {
    let mut bytes = Vec::new();
    mark.into_iter().for_each(|mark| Taken::mark(mark).write(&mut bytes));
    bytes
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
            room: None,
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
        // the first one ended with the next one
        let path = segment(dir.path(), 2);
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
        assert_eq!(
            files.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            [1, 2, 3, 4],
            "each ended with a next one"
        );
        for (number, size) in files {
            let bytes = std::fs::read(segment(dir.path(), number)).unwrap();
            assert_eq!(whole(&bytes), (usize::try_from(size).unwrap(), Some("b")));
            assert!(number == 1 || bytes.starts_with(b"@ 0 spool - 0 b\n\n"), "{number}");
        }
        // one that has only its mark needs no next one
        write(dir.path(), 8 << 20, Vec::new());
        assert_eq!(segments(dir.path()).unwrap().len(), 4);
    }

    #[test]
    fn a_file_with_records_is_soon_followed_by_the_next_one_unless_another_waits_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 1 << 30).unwrap().expect("nobody else has it");
        let (to, from) = tokio::sync::mpsc::channel(8);
        let (standing, path) = (Standing::new(dir.path(), "test"), dir.path().to_owned());
        let thread = std::thread::spawn(move || spool.write(from, "a test", &standing, &Ending::default()));
        let numbers = || segments(&path).unwrap().into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        let soon = |is: &[u64]| {
            let begun = Instant::now();
            while numbers() != is {
                assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", numbers());
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        to.blocking_send(taken("one", Some("c1"))).unwrap();
        soon(&[1, 2]);
        to.blocking_send(taken("two", Some("c2"))).unwrap();
        std::thread::sleep(SEGMENT_AGE + 2 * LOOK);
        assert_eq!(numbers(), [1, 2], "while nobody deletes the first, files do not become more");
        std::fs::remove_file(segment(&path, 1)).unwrap();
        soon(&[2, 3]);
        std::fs::remove_file(segment(&path, 2)).unwrap();
        // nothing has come since: there is nothing to get rid of
        std::thread::sleep(SEGMENT_AGE + 2 * LOOK);
        assert_eq!(numbers(), [3]);
        drop(to);
        thread.join().unwrap();
        assert_eq!(Spool::open(&path, 1).unwrap().unwrap().mark(), Some("c2"));
    }
}
