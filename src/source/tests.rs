//! Trails on a real file system: actions in, lines out, against what was written.
use super::*;
use crate::framing::DOCUMENT_BYTES;
use crate::model::limits::{FRAME_BYTES, SURE_WITNESS_BYTES, WITNESS_BYTES};
use crate::model::{Batch, Digest, Discontinuity, FileId, WallTime};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;

/// Makes two tests of each case: looked at when the kernel hints that something changed, and without it.
macro_rules! with_and_without_hints {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use super::Hints;

            #[test]
            fn with_hints() {
                super::$case(Hints::On);
            }

            #[test]
            fn without_hints() {
                super::$case(Hints::Off);
            }
        }
    )* };
}

mod encoding;
mod filesystem;
mod model;
mod rotation;

/// Whether the kernel is asked to say when something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hints {
    On,
    Off,
}

/// How long a look waits for a hint. What the test did just before it has caused one by then, and if not, it looks all the same.
const HINT: std::time::Duration = std::time::Duration::from_millis(5);

/// A scratch directory, a follower of files in it, and what it has handed on so far.
struct Trail {
    dir: tempfile::TempDir,
    spec: TrailSpec,
    follower: Follower,
    cursors: BTreeMap<FileId, Cursor>,
    /// Their files, the one moved last at the end.
    moved: Vec<FileId>,
    lines: Vec<String>,
    flags: Vec<crate::model::FrameFlags>,
    declared: Vec<Discontinuity>,
    problems: Vec<String>,
    clock: i64,
    watcher: Option<(Watcher, std::sync::mpsc::Receiver<()>)>,
}

impl Trail {
    /// Follows `names` from the beginning, as lines.
    fn new(hints: Hints, names: &[&str]) -> Trail {
        Trail::with(hints, names, |_| ())
    }

    fn with(hints: Hints, names: &[&str], change: impl FnOnce(&mut TrailSpec)) -> Trail {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &&str| dir.path().join(name).to_str().unwrap().to_string();
        let mut spec = TrailSpec {
            name: SourceName("portal".into()),
            paths: names.iter().map(path).collect(),
            start: Start::Beginning,
            framing: Framing::Lines,
            names: None,
            lists: Arc::default(),
            until: Until::Forever,
        };
        change(&mut spec);
        Trail {
            follower: Follower::open(spec.clone(), Vec::new()),
            dir,
            spec,
            cursors: BTreeMap::new(),
            moved: Vec::new(),
            lines: Vec::new(),
            flags: Vec::new(),
            declared: Vec::new(),
            problems: Vec::new(),
            clock: 0,
            watcher: (hints == Hints::On).then(|| {
                let (hint, hints) = std::sync::mpsc::channel();
                let hint = move || {
                    let _ = hint.send(());
                };
                (Watcher::new(hint), hints)
            }),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    /// Renames, and waits until the file system's clock has moved on: generations born within one of its ticks have no order.
    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
        self.tick();
    }

    /// Waits until the file system's clock has moved on.
    fn tick(&self) {
        let scratch = tempfile::tempdir().unwrap();
        let born = |name: &str| {
            let path = scratch.path().join(name);
            fs::write(&path, "").unwrap();
            open::stat(&path).unwrap().id.born_ns
        };
        let first = born("first");
        // Ends: the clock moves every few milliseconds; where there are no birth times there is nothing to wait for.
        for n in 0.. {
            if first == 0 || born(&n.to_string()) > first {
                break;
            }
        }
    }

    /// Compresses a file as `gzip` and `zstd` do: another file, with its time of last writing, and the old one is gone.
    fn pack(&self, from: &str, to: &str, how: Packer) {
        let (from, to) = (self.path(from), self.path(to));
        let written = fs::metadata(&from).unwrap().modified().unwrap();
        fs::write(&to, how(&fs::read(&from).unwrap())).unwrap();
        fs::File::options().write(true).open(&to).unwrap().set_modified(written).unwrap();
        fs::remove_file(from).unwrap();
    }

    /// A new process, with what was committed.
    fn restart(&mut self) {
        let cursors = self.moved.iter().rev().filter_map(|id| self.cursors.get(id)).cloned().collect();
        self.follower = Follower::open(self.spec.clone(), cursors);
    }

    /// One reconcile, on a hint if there is one, and everything that can be read after it.
    fn look(&mut self) {
        if let Some((_, hints)) = &self.watcher {
            let _ = hints.recv_timeout(HINT);
            while hints.try_recv().is_ok() {}
        }
        let problems = self.follower.reconcile();
        self.problems.extend(problems.iter().map(|p| p.to_string()));
        if let Some((watcher, _)) = &mut self.watcher {
            watcher.watch(&self.follower.directories());
        }
        self.read();
    }

    fn read(&mut self) {
        while let Some(batch) = self.next() {
            self.commit(batch);
        }
    }

    fn next(&mut self) -> Option<Batch> {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        self.clock = i64::try_from(now.as_millis()).unwrap();
        match self.follower.next(WallTime(self.clock)) {
            Ok(batch) => batch,
            Err(problem) => {
                self.problems.push(problem.to_string());
                self.next()
            }
        }
    }

    /// Looks so often that what was renamed is at its stable end.
    fn settle(&mut self) {
        (0..4).for_each(|_| self.look());
    }

    /// Looks so often that what was renamed is final.
    fn settle_for_good(&mut self) {
        (0..40).for_each(|_| self.look());
    }

    fn finish_headed(&mut self, out: &mut Vec<(String, String)>) {
        while let Some(batch) = self.follower.finish(WallTime(self.clock)).unwrap() {
            out.extend(encoding::under_its_header(&batch));
            self.commit(batch);
        }
    }

    fn finish(&mut self) {
        while let Some(batch) = self.follower.finish(WallTime(self.clock)).unwrap() {
            self.commit(batch);
        }
    }

    /// What the ledger does: checks that the stretch touches its checkpoint, and keeps the cursor.
    fn commit(&mut self, batch: Batch) {
        check(&batch);
        let at = self.cursors.get(&batch.stretch.file).map(|c| c.offset);
        match (&batch.discontinuity, at) {
            (None, at) => assert_eq!(batch.stretch.from, at.unwrap_or(0), "a gap or an overlap"),
            (Some(Discontinuity::NextFile), at) => assert_eq!((at, batch.stretch.from), (None, 0)),
            (Some(Discontinuity::Truncated), _) => assert_eq!(batch.stretch.from, 0),
            (Some(_), _) => assert!(batch.frames.is_empty()),
        }
        let names_first = self.cursors.is_empty();
        if batch.discontinuity.is_none() && at.is_none() {
            assert!(names_first, "a new generation that is not declared");
        }
        for frame in &batch.frames {
            let text = String::from_utf8_lossy(batch.bytes(frame)).into_owned();
            self.lines.push(text);
            self.flags.push(frame.flags);
        }
        self.declared.extend(batch.discontinuity.clone());
        self.moved.retain(|id| *id != batch.stretch.file);
        self.moved.push(batch.stretch.file);
        self.cursors.insert(batch.stretch.file, Cursor::after(&batch));
        self.forget();
    }

    fn forget(&mut self) {
        for id in self.follower.forgettable() {
            self.cursors.remove(&id);
        }
    }

    fn state(&self, name: &str) -> FileState {
        let path = self.path(name);
        let status = self.follower.status();
        let found = status.iter().find(|s| s.path == path);
        found.expect("the name has a status").state.clone()
    }
}

/// What holds for every batch, and for both parts of every cut of it.
fn check(batch: &Batch) {
    assert!(batch.frames.len() <= crate::model::limits::BATCH_FRAMES);
    assert!(batch.stretch.from <= batch.stretch.to && batch.stretch.to <= batch.size);
    let mut at = batch.stretch.from;
    for frame in &batch.frames {
        assert!(at <= frame.from && frame.from < frame.to && frame.to <= batch.stretch.to);
        assert!(frame.start < frame.end && frame.end as usize <= batch.data.len());
        at = frame.to;
    }
    for cut in [0, 1, batch.frames.len() / 2, batch.frames.len()] {
        let cut = cut.min(batch.frames.len());
        let (first, second) = batch.clone().cut(cut);
        assert_eq!(first.stretch.to, second.stretch.from);
        assert_eq!(second.stretch.to, batch.stretch.to);
        assert_eq!((first.frames.len(), &second.witness), (cut, &batch.witness));
        if let Some(last) = first.frames.last()
            && cut < batch.frames.len()
        {
            // A cut of the second part knows the same witness, from the other side.
            assert_eq!(second.clone().cut(0).0.witness, first.witness);
            assert_eq!(last.to, first.stretch.to);
        }
    }
}

/// Numbered lines, `from..to`.
fn lines(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("line {n}")).collect()
}

fn text(range: std::ops::Range<u32>) -> String {
    lines(range).iter().map(|l| format!("{l}\n")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

type Packer = fn(&[u8]) -> Vec<u8>;
/// The ways in which rotation compresses.
const PACKED: [(&str, Packer); 2] = [(".gz", gzip), (".zst", zstd)];
