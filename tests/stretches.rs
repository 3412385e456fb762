//! What is folded in of a file begins where it was folded in to, whoever read it; and the files of two machines are told apart.
use crate::roots::batch;
use crate::support::{BEGINNING, line, rules};
use std::path::PathBuf;
use std::sync::Arc;
use tripline::ledger::read::FindingFilter;
use tripline::ledger::{Durability, Keys, Ledger, Reader};
use tripline::model::{Batch, Discontinuity, HostId, Input, SourceName, WallTime};
use tripline::pipeline::trail::TrailRow;
use tripline::pipeline::{Core, Rules, Scratch};

/// A ledger to which batches are given one by one.
struct Node {
    dir: tempfile::TempDir,
    keys: Arc<Keys>,
    rules: Arc<Rules>,
    ledger: Option<Ledger>,
    core: Option<Core>,
}

impl Node {
    fn new() -> Node {
        let keys = Arc::new(Keys::new(&[7; 32]));
        let mut node =
            Node { dir: tempfile::tempdir().unwrap(), rules: rules(&keys, 9), keys, ledger: None, core: None };
        node.start();
        node
    }

    /// Starts from what is on disk.
    fn start(&mut self) {
        self.ledger = None;
        let ledger = Ledger::open(self.dir.path(), Durability::None, self.keys.clone()).unwrap();
        self.core = Some(Core::new(self.rules.clone(), ledger.recorded().unwrap(), false, 1));
        self.ledger = Some(ledger);
    }

    fn give(&mut self, batches: Vec<Batch>) {
        let mut scratch = Scratch::new(1);
        self.take(Input::Lines(batches.into_iter().map(|batch| self.rules.prepare(batch, &mut scratch)).collect()));
    }

    fn take(&mut self, input: Input<tripline::pipeline::Prepared>) {
        let ledger = self.ledger.as_mut().unwrap();
        let outcome = self.core.take().unwrap().begin();
        let outcome = outcome.fold(input, &*ledger).unwrap();
        self.core = Some(ledger.commit(outcome).unwrap_or_else(|_| panic!("the disk has room")).core);
    }

    fn reader(&self) -> Reader {
        let path: PathBuf = self.dir.path().join(tripline::ledger::FILE);
        Reader::open(&path).unwrap()
    }

    fn row(&self) -> TrailRow {
        self.reader().trails().unwrap().remove("portal").unwrap_or_default()
    }

    /// Up to where each file has been folded in.
    fn offsets(&self) -> Vec<u64> {
        self.ledger.as_ref().unwrap().cursors().unwrap().iter().map(|row| row.offset).collect()
    }

    /// The findings about the trail: their policy, and what was handed over.
    fn said(&self) -> Vec<(String, String)> {
        let rows = self.reader().findings(&FindingFilter::default()).unwrap();
        let trail = rows.into_iter().map(|row| row.finding).filter(|f| f.policy.starts_with("trail_"));
        let mut said: Vec<_> = trail.map(|f| (f.policy.to_string(), f.measures[0].value.to_string())).collect();
        said.sort();
        said
    }
}

/// Lines `from..to` of a file that holds nothing else.
fn piece(from: usize, to: usize) -> Batch {
    let lines: Vec<String> = (0..to).map(line).collect();
    let offset: usize = lines[..from].iter().map(|line| line.len() + 1).sum();
    batch(&lines[from..], offset as u64)
}

fn size(lines: usize) -> u64 {
    if lines == 0 { 0 } else { piece(0, lines).stretch.to }
}

#[test]
fn lines_that_are_handed_over_twice_count_once_and_it_is_said() {
    let mut node = Node::new();
    node.give(vec![piece(0, 10)]);
    // all of it, some of it, before and after a start
    node.give(vec![piece(0, 10), piece(2, 4)]);
    assert_eq!((node.row().lines, node.row().repeated, node.offsets()), (10, 0, vec![size(10)]));
    node.start();
    node.give(vec![piece(7, 20)]);
    assert_eq!((node.row().lines, node.row().bytes, node.offsets()), (20, size(20), vec![size(20)]));
    assert_eq!(
        (node.row().events, node.row().repeated),
        (20, 0),
        "the lines were dropped, not recognised by their events"
    );
    let overlap =
        |from, to| ("trail_overlap".to_owned(), format!("bytes {} to {} of portal.jsonl", size(from), size(to)));
    // once for each place
    assert_eq!(node.said(), [overlap(0, 10)]);
    node.give(vec![piece(15, 20)]);
    assert_eq!(node.said(), [overlap(0, 10), overlap(15, 20)]);
    // as if nothing had been
    let mut other = Node::new();
    other.give(vec![piece(0, 20)]);
    let facts = |node: &Node| -> Vec<String> {
        let dump = node.reader().dump().unwrap();
        dump.into_iter().filter(|line| !line.contains("trail_overlap")).collect()
    };
    assert_eq!(facts(&node), facts(&other));
}

#[test]
fn what_follows_lines_that_were_passed_over_is_refused_until_they_come() {
    let mut node = Node::new();
    node.give(vec![piece(0, 10)]);
    node.give(vec![piece(12, 14)]);
    node.give(vec![piece(14, 16)]);
    assert_eq!((node.row().lines, node.offsets()), (10, vec![size(10)]));
    let gap = ("trail_gap".to_owned(), format!("bytes {} to {} of portal.jsonl", size(12), size(14)));
    assert_eq!(node.said(), std::slice::from_ref(&gap));
    // read on from there it is whole
    node.start();
    node.give(vec![piece(10, 16)]);
    assert_eq!((node.row().lines, node.offsets(), node.said()), (16, vec![size(16)], vec![gap]));
    // nor does a file begin in its middle, unless that is declared
    let mut late = Node::new();
    late.give(vec![piece(3, 5)]);
    assert!(late.row().lines == 0 && late.offsets().is_empty());
    let declared = |what| Batch { discontinuity: Some(what), frames: Vec::new(), ..piece(3, 3) };
    late.give(vec![Batch { frames: Vec::new(), ..declared(Discontinuity::StartedAtEnd) }, piece(3, 5)]);
    assert_eq!((late.row().lines, late.offsets()), (2, vec![size(5)]));
}

#[test]
fn what_is_declared_moves_the_checkpoint_and_nothing_that_came_before_does() {
    let next = |batch| Batch { discontinuity: Some(Discontinuity::NextFile), ..batch };
    let cut = |batch| Batch { discontinuity: Some(Discontinuity::Truncated), ..batch };
    let mut node = Node::new();
    node.give(vec![next(piece(0, 10))]);
    // the same once more: it is the next file only once
    node.give(vec![next(piece(0, 10))]);
    assert_eq!((node.row().lines, node.offsets()), (10, vec![size(10)]));
    // what was rewritten is read again
    node.give(vec![cut(piece(0, 4))]);
    assert_eq!((node.row().lines, node.offsets()), (14, vec![size(4)]));
    // one that is gone is new again
    let gone = Input::Gone {
        at: WallTime(BEGINNING),
        source: SourceName("portal".into()),
        files: vec![piece(0, 1).stretch.file],
    };
    node.take(gone);
    assert!(node.offsets().is_empty());
    node.give(vec![next(piece(0, 2))]);
    assert_eq!((node.row().lines, node.offsets()), (16, vec![size(2)]));
}

#[test]
fn files_and_clocks_of_two_machines_are_told_apart() {
    let on = |host: &[u8; 8], from, to| {
        let mut batch = piece(from, to);
        batch.stretch.file.host = HostId(*host);
        batch
    };
    const DAYS: usize = 6 * 86_400;
    let far = |from: usize, to: usize| {
        let lines: Vec<String> = (DAYS..DAYS + to).map(line).collect();
        let offset: usize = lines[..from].iter().map(|line| line.len() + 1).sum();
        let mut batch = batch(&lines[from..], offset as u64);
        batch.stretch.file.host = HostId(*b"one-host");
        batch
    };
    let mut node = Node::new();
    // device, inode and birth are the same; one is six days ahead
    node.give(vec![far(0, 3)]);
    node.give(vec![on(b"another1", 0, 5)]);
    node.start();
    node.give(vec![on(b"another1", 5, 8), far(3, 4)]);
    let row = node.row();
    assert_eq!((row.lines, row.events, row.late, row.repeated), (12, 12, 0, 0));
    assert_eq!((node.offsets().len(), node.said()), (2, vec![]));
    let newest = row.newest.unwrap().0;
    assert_eq!(newest, BEGINNING + (DAYS as i64 + 3) * 1000, "the time of the one that has come further");
    // on one machine the others would be late
    let mut one = Node::new();
    one.give(vec![far(0, 3)]);
    let mut later = on(b"one-host", 0, 5);
    later.stretch.file.inode += 1;
    one.give(vec![later]);
    assert_eq!(one.row().late, 5);
}
