//! Random bytes in random pieces, and random lives of a trail, against what was written.
use super::*;
use crate::framing::{Framed, Open, frames};
use proptest::prelude::*;

/// The frames of `bytes` that arrive in pieces, as a reader takes them: from the cursor, again and again.
fn taken(framing: Framing, bytes: &[u8], pieces: &[usize]) -> Vec<(Vec<u8>, u64, u64, bool)> {
    let lists = ["k".to_owned(), "d.k".to_owned()];
    let mut out = Vec::new();
    let (mut at, mut there) = (0, 0);
    let steps = pieces.iter().copied().chain([bytes.len()]);
    for piece in steps {
        there = bytes.len().min(there + piece);
        // Ends: each turn covers something, or it is the last.
        loop {
            let last = there == bytes.len() && out.len() <= bytes.len();
            let Framed { frames: found, covered, open } = frames(framing, &lists, &bytes[at..there], at as u64, last);
            assert!(!matches!(open, Open::Long(_)));
            for f in &found {
                let held = bytes[at..][f.start as usize..f.end as usize].to_vec();
                out.push((held, f.from, f.to, f.flags.unterminated));
            }
            at += covered;
            if covered == 0 {
                break;
            }
        }
    }
    assert_eq!(at, bytes.len(), "every byte is covered in the end");
    out
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "\n",
        "\r",
        "\0",
        "a",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        " ",
        "\u{feff}",
        "{\"k\":1}",
        "\"v\"",
        "x\r\n",
        "\n\n",
        "é",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_lines(
        bytes in soup(), pieces in prop::collection::vec(0_usize..9, 0..40),
    ) {
        let whole = taken(Framing::Lines, &bytes, &[]);
        prop_assert_eq!(taken(Framing::Lines, &bytes, &pieces), whole);
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_documents(
        bytes in soup(), pieces in prop::collection::vec(0_usize..9, 0..40),
    ) {
        let whole = taken(Framing::JsonDocuments, &bytes, &[]);
        prop_assert_eq!(taken(Framing::JsonDocuments, &bytes, &pieces), whole);
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_lines_of_json(
        bytes in soup(), pieces in prop::collection::vec(0_usize..9, 0..40),
    ) {
        let whole = taken(Framing::JsonLines, &bytes, &[]);
        prop_assert_eq!(taken(Framing::JsonLines, &bytes, &pieces), whole);
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_records_of_csv(
        bytes in soup(), pieces in prop::collection::vec(0_usize..9, 0..40),
    ) {
        let whole = taken(Framing::Csv(b','), &bytes, &[]);
        prop_assert_eq!(taken(Framing::Csv(b','), &bytes, &pieces), whole);
    }

    #[test]
    fn lines_are_what_a_naive_split_gives(bytes in soup()) {
        let content = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let strip = |line: &[u8]| {
            let from = line.iter().position(|&b| b != 0).unwrap_or(line.len());
            let to = line.iter().rposition(|&b| b != 0 && b != b'\r').map_or(from, |i| i + 1);
            line[from..to.max(from)].to_vec()
        };
        let naive: Vec<_> = content.split(|&b| b == b'\n').map(strip).filter(|l| !l.is_empty()).collect();
        let ours: Vec<_> = taken(Framing::Lines, &bytes, &[]).into_iter().map(|f| f.0).collect();
        prop_assert_eq!(ours, naive);
    }
}

/// What a writer of CSV may write: headers, records that go over lines, torn ones, and many at once.
fn csv_piece() -> impl Strategy<Value = String> {
    let pieces = [
        "time,actor,ip\n",
        "ip;time;actor\n",
        "1,ana,x\n",
        "2;ben;y\n",
        "3,\"a\nb\",z\n",
        "4,\"torn\n",
        "\"",
        "c\n",
        "\"\n",
    ];
    let mut pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
    pieces.push("5,row,x\n".repeat(1 + csv::QUOTED_BYTES / 8));
    pieces.push(format!("6,\"{}\n", "y".repeat(csv::QUOTED_BYTES)));
    prop::sample::select(pieces)
}

proptest! {
    /// Wherever a reader begins anew, each record is read under the header under which who never stopped reads it.
    #[test]
    fn a_header_is_found_again_wherever_reading_begins(
        pieces in prop::collection::vec((csv_piece(), prop::option::of(0_usize..4)), 1..25),
    ) {
        let mut trail = encoding::csv_trail(Hints::Off);
        let mut stopped = Vec::new();
        for (piece, stops) in &pieces {
            trail.append("log", piece);
            stopped.extend(encoding::headed(&mut trail, stops.unwrap_or(usize::MAX)));
            if stops.is_some() {
                trail.restart();
            }
        }
        stopped.extend(encoding::headed(&mut trail, usize::MAX));
        trail.finish_headed(&mut stopped);
        let mut whole = encoding::csv_trail(Hints::Off);
        whole.append("log", pieces.iter().map(|(piece, _)| piece.as_str()).collect::<String>());
        let mut all = encoding::headed(&mut whole, usize::MAX);
        whole.finish_headed(&mut all);
        prop_assert_eq!(stopped.len(), all.len());
        for (one, other) in stopped.iter().zip(&all) {
            prop_assert_eq!(one, other);
        }
    }
}

/// What may happen to a trail.
#[derive(Clone, Debug)]
enum Action {
    /// The writer writes so many bytes of its endless numbered lines.
    Write(usize),
    /// The file is renamed, and the writer makes a new one when it next writes; or it is copied, with a look after so many bytes of
    /// it, and then cut short.
    Rotate(usize),
    /// The follower looks, and so many batches are read and committed.
    Look(usize),
    /// The follower is lost and opened again from what is committed, some handed-on batches not being among it.
    Restart,
    /// The same, and while it is away the writer writes so much, it is rotated, and so on; the rotated files but so many of the
    /// latest are compressed in one way or the other.
    Away { writes: Vec<usize>, plain: u32, how: usize },
    /// Somebody empties the file or deletes it, unseen while the follower is down: what was not read is gone.
    Remove { delete: bool, down: bool },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (1_usize..60).prop_map(Action::Write),
        3 => (0_usize..400).prop_map(Action::Rotate),
        4 => (0_usize..3).prop_map(Action::Look),
        1 => Just(Action::Restart),
        1 => (prop::collection::vec(1_usize..60, 1..5), 0_u32..3, 0_usize..2)
            .prop_map(|(writes, plain, how)| Action::Away { writes, plain, how }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(delete, down)| Action::Remove { delete, down }),
    ]
}

/// Lines that were taken away, some of them perhaps unread, and how many gaps had been declared by then.
struct Removed {
    lines: Vec<u32>,
    declared: usize,
    /// Nothing of the file had been committed: that it had held something is in our memory only.
    unread: bool,
    /// And we were started again before it was said.
    forgotten: bool,
}

/// Writes numbered lines into the current file, in pieces; a line never spans two files.
struct Writer {
    /// What a line ends with. A copy of few bytes is not told from another file that begins alike.
    padding: usize,
    rest: String,
    number: u32,
    rotations: u32,
    pending: bool,
    /// The lines that stand in the file.
    present: Vec<u32>,
    removed: Vec<Removed>,
    /// Somebody emptied or deleted the file, and the follower has not seen that yet: if what comes then is rotated and compressed
    /// before it looks, it is in that gap, too.
    unseen: bool,
    /// The last file of which anything is committed was deleted: what comes then, and is compressed before anybody looks, is in the gap
    /// behind that.
    deleted: bool,
}

impl Writer {
    /// Notes whether the file that is written to is one that leads on from what is committed.
    fn look_back(&mut self, trail: &Trail) {
        let id = open::stat(&trail.path("log")).ok().map(|stat| stat.id);
        self.deleted &= !id.is_some_and(|id| trail.cursors.contains_key(&id));
    }

    fn write(&mut self, trail: &Trail, size: usize) {
        let mut size = if self.padding > 0 { size * self.padding / 8 } else { size };
        if std::mem::take(&mut self.pending) {
            self.rotate(trail);
        }
        while size > 0 {
            if self.rest.is_empty() {
                let n = self.number;
                self.rest = format!("line {n}{}\n", format!(" {n}").repeat(self.padding / 2));
                self.number += 1;
                self.present.push(n);
            }
            let piece = size.min(self.rest.len());
            trail.append("log", &self.rest[..piece]);
            self.rest.drain(..piece);
            size -= piece;
        }
    }

    fn rotate(&mut self, trail: &Trail) {
        self.make_room(trail);
        self.leave(trail);
        trail.rename("log", "log.1");
    }

    /// Empties the file, or deletes it, where the follower knows that there is one: nothing tells of what it has never seen.
    fn remove(&mut self, trail: &Trail, delete: bool, down: bool) {
        let Ok(id) = open::stat(&trail.path("log")).map(|stat| stat.id) else { return };
        let known = match trail.cursors.get(&id) {
            // what came into an empty file and was emptied again leaves no trace
            _ if !down => trail.follower.status().iter().any(|s| s.file == Some(id) && (delete || s.size > 0)),
            Some(cursor) => delete || cursor.offset > 0,
            None => false,
        };
        // of a file that is deleted after it was copied and cut, what was read lies in copies that nothing leads to
        if self.pending || !known || (delete && self.padding > 0) {
            return;
        }
        self.finish_line(trail);
        self.unseen = true;
        self.deleted |= delete;
        self.leave(trail);
        let read = trail.cursors.get(&id).is_some_and(|c| c.offset > 0);
        self.removed.iter_mut().last().into_iter().for_each(|r| r.unread = !read);
        match delete {
            true => fs::remove_file(trail.path("log")).unwrap(),
            false => fs::write(trail.path("log"), "").unwrap(),
        }
        trail.tick();
    }

    /// As `copytruncate`: copies, with `look` between the two parts of it, and cuts short.
    fn copy_and_cut(&mut self, trail: &mut Trail, first: usize, look: impl FnOnce(&mut Trail)) {
        self.make_room(trail);
        let bytes = fs::read(trail.path("log")).unwrap();
        let (first, second) = bytes.split_at(first.min(bytes.len()));
        trail.tick();
        trail.append("log.1", first);
        look(trail);
        trail.append("log.1", second);
        trail.tick();
        self.leave(trail);
        OpenOptions::new().write(true).open(trail.path("log")).unwrap().set_len(0).unwrap();
    }

    /// The lines of the file are no longer in it.
    fn leave(&mut self, trail: &Trail) {
        let lines = std::mem::take(&mut self.present);
        // what comes behind a deleted file is in its gap where it is compressed before anybody looks, whenever it was rotated
        if self.unseen || self.deleted {
            self.removed.push(Removed { lines, declared: gaps(trail), unread: false, forgotten: false });
        }
    }

    /// Starts the follower again.
    fn restart(&mut self, trail: &mut Trail) {
        let declared = gaps(trail);
        self.removed.iter_mut().filter(|r| r.declared == declared).for_each(|r| r.forgotten = r.unread);
        trail.restart();
    }

    fn finish_line(&mut self, trail: &Trail) {
        trail.append("log", std::mem::take(&mut self.rest));
    }

    /// Renames the rotated files to higher numbers; a line is finished before.
    fn make_room(&mut self, trail: &Trail) {
        self.finish_line(trail);
        self.rotations += 1;
        for n in (1..self.rotations).rev() {
            for ending in ["", ".gz", ".zst"] {
                let name = |n: u32| format!("log.{n}{ending}");
                if trail.path(&name(n)).exists() {
                    fs::rename(trail.path(&name(n)), trail.path(&name(n + 1))).unwrap();
                }
            }
        }
    }

    /// Compresses the rotated files but the `plain` latest.
    fn pack(&self, trail: &Trail, plain: u32, how: usize) {
        let (ending, how) = PACKED[how];
        for name in (plain + 1..=self.rotations).map(|n| format!("log.{n}")).filter(|name| trail.path(name).exists()) {
            trail.pack(&name, &format!("{name}{ending}"), how);
        }
    }
}

/// How often it was declared that lines may be lost.
fn gaps(trail: &Trail) -> usize {
    trail.declared.iter().filter(|d| matches!(d, Discontinuity::Truncated | Discontinuity::Lost { .. })).count()
}

/// How files are rotated: a series keeps to one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    RenameAndCreate,
    CopyTruncate,
}

fn hints() -> impl Strategy<Value = Hints> {
    prop::sample::select(vec![Hints::On, Hints::Off])
}

fn way() -> impl Strategy<Value = Way> {
    prop::sample::select(vec![Way::RenameAndCreate, Way::CopyTruncate])
}

fn live(actions: &[Action], pattern: &str, way: Way, hints: Hints) -> (Trail, Writer) {
    let mut trail = Trail::new(hints, &[pattern]);
    let padding = if way == Way::CopyTruncate { SURE_WITNESS_BYTES } else { 0 };
    let mut writer = Writer {
        padding,
        rest: String::new(),
        number: 0,
        rotations: 0,
        pending: false,
        present: Vec::new(),
        removed: Vec::new(),
        unseen: false,
        deleted: false,
    };
    writer.write(&trail, 1);
    writer.finish_line(&trail);
    trail.look();
    for action in actions {
        writer.look_back(&trail);
        match action {
            Action::Write(size) => writer.write(&trail, *size),
            Action::Rotate(_) if way == Way::RenameAndCreate => writer.pending = trail.path("log").exists(),
            // there is no file where it was deleted
            Action::Rotate(_) if !trail.path("log").exists() => {}
            Action::Rotate(first) => writer.copy_and_cut(&mut trail, *first, Trail::look),
            Action::Look(batches) => {
                trail.follower.reconcile();
                for _ in 0..*batches {
                    let Some(batch) = trail.next() else {
                        writer.unseen &= writer.removed.last().is_some_and(|r| r.declared == gaps(&trail));
                        break;
                    };
                    trail.commit(batch);
                }
            }
            Action::Restart => {
                // Handed on, and not committed: it must come again.
                let _lost = trail.next();
                writer.restart(&mut trail);
            }
            Action::Remove { delete, down } => {
                writer.remove(&trail, *delete, *down);
                if *down {
                    writer.restart(&mut trail);
                } else {
                    // what was emptied before it was read leaves a trace in our memory only
                    trail.look();
                }
            }
            Action::Away { writes, plain, how } => {
                writer.unseen |= writer.deleted;
                for size in writes {
                    // what came into an empty file and was cut out again leaves no trace there
                    let id = open::stat(&trail.path("log")).ok().map(|stat| stat.id);
                    let cursor = id.and_then(|id| trail.cursors.get(&id));
                    let was_read = cursor.is_some_and(|c| c.offset > 0);
                    writer.write(&trail, *size);
                    match way {
                        Way::RenameAndCreate => writer.rotate(&trail),
                        Way::CopyTruncate if was_read => writer.copy_and_cut(&mut trail, 0, |_| ()),
                        Way::CopyTruncate => {}
                    }
                    writer.pack(&trail, *plain, *how);
                }
                if trail.cursors.values().any(|c| c.offset == 0) {
                    // one of which nothing is known is not found compressed, and what followed it neither: a gap from its first byte on
                    let lines = (0..writer.number).collect();
                    writer.removed.push(Removed { lines, declared: gaps(&trail), unread: false, forgotten: false });
                }
                writer.restart(&mut trail);
            }
        }
    }
    writer.finish_line(&trail);
    trail.settle_for_good();
    for line in &mut trail.lines {
        line.truncate(line.match_indices(' ').nth(1).map_or(line.len(), |(padding, _)| padding));
    }
    (trail, writer)
}

/// Lines written are lines processed and lines inside declared gaps, and none was processed twice.
fn accounted(trail: &Trail, writer: &Writer) -> Result<(), String> {
    let mut seen: Vec<u32> = trail.lines.iter().map(|l| l[5..].parse().unwrap()).collect();
    seen.sort_unstable();
    if let Some(twice) = seen.windows(2).find(|w| w[0] == w[1]) {
        return Err(format!("line {} came twice", twice[0]));
    }
    let lost: Vec<u32> = (0..writer.number).filter(|n| seen.binary_search(n).is_err()).collect();
    match lost
        .iter()
        .find(|n| !writer.removed.iter().any(|r| r.lines.contains(n) && (r.forgotten || r.declared < gaps(trail))))
    {
        Some(n) => Err(format!("line {n} is lost, and no gap is declared for it: {:?}", trail.declared)),
        None => Ok(()),
    }
}

#[test]
fn what_was_rotated_behind_a_deleted_file_and_is_compressed_before_anybody_looks_is_in_its_gap_too() {
    use Action::*;
    let remove = |delete, down| Remove { delete, down };
    let away = Away { writes: vec![1], plain: 0, how: 0 };
    let actions =
        [remove(false, true), Write(1), Look(0), remove(true, false), Look(1), Write(1), Rotate(0), Write(1), away];
    let (trail, writer) = live(&actions, "log", Way::RenameAndCreate, Hints::Off);
    assert_eq!(accounted(&trail, &writer), Ok(()));
    assert!(matches!(trail.declared.last(), Some(Discontinuity::Lost { read_to: 7, .. })), "{:?}", trail.declared);
}

#[test]
fn what_comes_behind_a_deleted_file_and_is_compressed_before_anybody_looks_is_in_its_gap() {
    use Action::*;
    let away = || Away { writes: vec![1], plain: 0, how: 0 };
    let actions = [
        Remove { delete: false, down: false },
        Write(1),
        away(),
        Write(1),
        Look(0),
        Remove { delete: true, down: false },
        Look(1),
        away(),
    ];
    let (trail, writer) = live(&actions, "log", Way::RenameAndCreate, Hints::Off);
    assert_eq!(accounted(&trail, &writer), Ok(()));
    assert!(matches!(trail.declared.last(), Some(Discontinuity::Lost { read_to: 7, .. })), "{:?}", trail.declared);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").map_or(100, |n| n.parse().unwrap()), ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_every_line_comes_exactly_once_and_in_order(
        actions in prop::collection::vec(action(), 1..60), way in way(), hints in hints(),
    ) {
        let (trail, writer) = live(&actions, "log", way, hints);
        prop_assert_eq!(accounted(&trail, &writer), Ok(()));
        prop_assert!(trail.lines.is_sorted_by_key(|l| l[5..].parse::<u32>().unwrap()), "out of order: {:?}", trail.lines);
    }

    #[test]
    fn a_pattern_that_also_names_the_rotated_files_reads_each_line_once(
        actions in prop::collection::vec(action(), 1..60), way in way(), hints in hints(),
    ) {
        // a copy that was read, and was compressed before it is committed that its original was cut, is taken for one that was not
        let plain = |action: Action| match action {
            Action::Away { writes, how, .. } if way == Way::CopyTruncate => {
                Action::Away { writes, plain: u32::MAX - 1, how }
            }
            other => other,
        };
        let actions: Vec<Action> = actions.into_iter().map(plain).collect();
        let (trail, writer) = live(&actions, "log*", way, hints);
        prop_assert_eq!(accounted(&trail, &writer), Ok(()));
    }
}

#[test]
fn what_a_file_got_before_two_rotations_in_one_look_comes_before_its_successors() {
    use Action::{Look, Rotate, Write};
    let (trail, writer) = live(
        &[Write(8), Look(2), Write(8), Rotate(0), Write(8), Rotate(0), Write(8)],
        "log",
        Way::RenameAndCreate,
        Hints::Off,
    );
    assert_eq!(trail.lines, lines(0..writer.number));
}

#[test]
fn a_copy_that_was_read_is_known_compressed_until_its_originals_cut_is_committed() {
    use Action::{Away, Look, Remove};
    let away = |writes: &[usize]| Away { writes: writes.to_vec(), plain: 1, how: 0 };
    let (trail, writer) = live(
        &[away(&[1]), Look(2), away(&[1, 1]), Look(2), Remove { delete: false, down: true }],
        "log",
        Way::CopyTruncate,
        Hints::Off,
    );
    assert_eq!(accounted(&trail, &writer), Ok(()));
}
