//! The cases F of the fault catalogue, by their numbers, and what else concerns names, watching and replay.
use super::*;

with_and_without_hints! {
    f01_a_file_that_is_missing_at_first_is_read_from_its_first_byte,
    f02_a_directory_that_goes_and_comes_again_loses_no_line,
    f04_a_link_that_is_pointed_elsewhere_is_drained_first,
    f05_dangling_and_circular_links_are_said_and_passed_over,
    f06_what_is_no_regular_file_is_refused_without_waiting,
    f07_a_file_with_two_names_is_read_once,
    f08_more_files_than_are_followed_are_said_and_descriptors_stay_few,
    f15_nul_runs_are_no_lines_and_hide_none,
    f15_room_that_a_writer_fills_later_is_not_passed_over,
    f19_offsets_beyond_four_gibibytes_are_exact,
    f20_names_of_any_bytes_are_followed_and_shown_escaped,
    a_trail_never_seen_begins_at_its_end_where_that_is_asked_for,
    a_replay_reads_compressed_files_of_several_members_to_their_last_byte,
    a_damaged_compressed_file_gives_what_is_whole_and_says_so,
    a_compressed_file_is_not_followed,
    finishing_hands_out_the_unfinished_line,
    the_witness_is_that_of_the_bytes_before_the_cursor_wherever_a_batch_is_cut,
    f03_a_file_that_may_not_be_read_is_said_once_and_read_later,
    nothing_is_read_before_it_is_asked_for,
    more_files_than_descriptors_are_all_replayed_with_one_look,
    more_files_than_descriptors_all_begin_at_their_end,
}

fn f01_a_file_that_is_missing_at_first_is_read_from_its_first_byte(hints: Hints) {
    let mut trail = Trail::with(hints, &["log"], |spec| spec.start = Start::End);
    trail.look();
    assert_eq!(trail.state("log"), FileState::Absent);
    trail.append("log", text(0..3));
    trail.look();
    assert_eq!(trail.lines, lines(0..3));
    assert_eq!(trail.state("log"), FileState::Following);
}

fn f02_a_directory_that_goes_and_comes_again_loses_no_line(hints: Hints) {
    let mut trail = Trail::new(hints, &["dir/log"]);
    trail.look();
    fs::create_dir(trail.path("dir")).unwrap();
    trail.append("dir/log", text(0..2));
    trail.look();
    fs::remove_dir_all(trail.path("dir")).unwrap();
    trail.look();
    fs::create_dir(trail.path("dir")).unwrap();
    trail.append("dir/log", text(2..4));
    trail.settle();
    assert_eq!(trail.lines, lines(0..4));
}

fn f04_a_link_that_is_pointed_elsewhere_is_drained_first(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("a", text(0..2));
    std::os::unix::fs::symlink("a", trail.path("log")).unwrap();
    trail.look();
    trail.append("a", text(2..3));
    trail.append("b", text(3..5));
    fs::remove_file(trail.path("log")).unwrap();
    std::os::unix::fs::symlink("b", trail.path("log")).unwrap();
    trail.settle();
    assert_eq!(trail.lines, lines(0..5));
    assert_eq!(trail.declared, [Discontinuity::NextFile]);
}

fn f05_dangling_and_circular_links_are_said_and_passed_over(hints: Hints) {
    let mut trail = Trail::new(hints, &["loop", "dangling", "log"]);
    std::os::unix::fs::symlink("loop", trail.path("loop")).unwrap();
    std::os::unix::fs::symlink("nothing", trail.path("dangling")).unwrap();
    trail.append("log", text(0..1));
    trail.look();
    trail.look();
    assert_eq!(trail.lines, lines(0..1));
    assert!(matches!(trail.state("loop"), FileState::Failing(_)));
    assert_eq!(trail.state("dangling"), FileState::Absent);
    assert_eq!(trail.problems.len(), 1, "said once: {:?}", trail.problems);
}

fn f06_what_is_no_regular_file_is_refused_without_waiting(hints: Hints) {
    let mut trail = Trail::new(hints, &["pipe", "dir", "socket"]);
    let pipe = trail.path("pipe");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, 0o600.into(), 0).unwrap();
    fs::create_dir(trail.path("dir")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(trail.path("socket")).unwrap();
    trail.look();
    for name in ["pipe", "dir", "socket"] {
        assert!(matches!(trail.state(name), FileState::Refused(_)), "{name}");
    }
    assert!(trail.problems[0].contains("a trail must be a regular file"));
}

fn f07_a_file_with_two_names_is_read_once(hints: Hints) {
    let mut trail = Trail::new(hints, &["a", "b", "*"]);
    trail.append("a", text(0..2));
    fs::hard_link(trail.path("a"), trail.path("b")).unwrap();
    trail.settle();
    trail.append("b", text(2..3));
    trail.settle();
    assert_eq!(trail.lines, lines(0..3));
}

fn f08_more_files_than_are_followed_are_said_and_descriptors_stay_few(hints: Hints) {
    let mut trail = Trail::new(hints, &["*.log"]);
    for n in 0..MAX_FILES as u32 + 3 {
        fs::write(trail.path(&format!("{n}.log")), text(n..n + 1)).unwrap();
    }
    trail.look();
    assert_eq!(trail.lines.len(), MAX_FILES);
    trail.look();
    assert!(trail.problems.iter().any(|p| p.contains("files match")));
    assert!((1..=MAX_OPEN).contains(&trail.follower.open_files()));
    let closed = trail.follower.closed_path().unwrap();
    let name = closed.file_name().unwrap().to_str().unwrap().to_string();
    trail.append(&name, "later\n");
    trail.look();
    assert_eq!(trail.lines.last().unwrap(), "later");
}

fn f15_nul_runs_are_no_lines_and_hide_none(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", b"line 0\n\0\0\0\0line 1\n");
    trail.append("log", vec![0; 300]);
    trail.look();
    trail.append("log", b"line 2\0\0\r\n\0\0\0\n");
    trail.look();
    assert_eq!(trail.lines, lines(0..3));
    let size = fs::metadata(trail.path("log")).unwrap().len();
    assert_eq!(trail.cursors.values().next().unwrap().offset, size);
}

fn f15_room_that_a_writer_fills_later_is_not_passed_over(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..1));
    trail.append("log", vec![0; 7]);
    trail.look();
    // The same size, as a writer into a mapping leaves it; its time of modification must have moved on.
    use std::os::unix::fs::FileExt;
    let file = OpenOptions::new().write(true).open(trail.path("log"));
    let file = file.unwrap();
    file.write_all_at(b"line 1\n", 7).unwrap();
    let later = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5_000_000_000);
    file.set_modified(later).unwrap();
    trail.look();
    assert_eq!(trail.lines, lines(0..2));
}

fn f19_offsets_beyond_four_gibibytes_are_exact(hints: Hints) {
    let mut trail = Trail::with(hints, &["log"], |spec| spec.start = Start::End);
    let file = fs::File::create(trail.path("log")).unwrap();
    file.set_len(5 << 30).unwrap();
    trail.append("log", "\n");
    trail.look();
    trail.append("log", text(0..1));
    trail.look();
    trail.restart();
    trail.append("log", text(1..2));
    trail.look();
    assert_eq!(trail.lines, lines(0..2));
    let cursor = trail.cursors.values().next().unwrap();
    assert_eq!(cursor.offset, (5 << 30) + 15);
}

fn f20_names_of_any_bytes_are_followed_and_shown_escaped(hints: Hints) {
    use std::os::unix::ffi::OsStrExt;
    let mut trail = Trail::new(hints, &["*"]);
    let name = std::ffi::OsStr::from_bytes(b"a\n\x1b[2J\xff.log");
    fs::create_dir(trail.dir.path().join(name)).unwrap();
    trail.look();
    assert!(trail.problems[0].contains(r#"a\n\u{1b}[2J\xFF.log"#));
    fs::remove_dir(trail.dir.path().join(name)).unwrap();
    fs::write(trail.dir.path().join(name), text(0..1)).unwrap();
    trail.look();
    assert_eq!(trail.lines, lines(0..1));
}

fn a_trail_never_seen_begins_at_its_end_where_that_is_asked_for(hints: Hints) {
    let mut trail = Trail::with(hints, &["*.log"], |spec| spec.start = Start::End);
    trail.append("a.log", "old\nbegun");
    trail.look();
    assert_eq!(trail.declared, [Discontinuity::StartedAtEnd]);
    trail.append("a.log", " before\nline 0\n");
    trail.append("b.log", text(1..2));
    trail.restart();
    trail.look();
    assert_eq!(trail.lines, ["begun before", "line 0", "line 1"]);
}

fn a_replay_reads_compressed_files_of_several_members_to_their_last_byte(hints: Hints) {
    let mut trail = Trail::with(hints, &["log*"], |spec| spec.until = Until::EndOfFile);
    let member = |text: &str| gzip(text.as_bytes());
    let many = text(0..400_000);
    fs::write(trail.path("log.1.gz"), [member(&many), member("line 4")].concat()).unwrap();
    trail.look();
    assert_eq!(trail.lines.len(), 400_001);
    assert_eq!(trail.lines[..400_000], lines(0..400_000));
    assert_eq!(trail.lines[400_000], "line 4");
    assert!(trail.flags[400_000].unterminated);
    let cursor = trail.cursors.values().next().unwrap();
    assert_eq!(cursor.offset, many.len() as u64 + 6);
    let status = &trail.follower.status()[0];
    assert_eq!(status.consumed, status.size);
}

fn a_damaged_compressed_file_gives_what_is_whole_and_says_so(hints: Hints) {
    let mut trail = Trail::with(hints, &["log.gz"], |spec| spec.until = Until::EndOfFile);
    let mut bytes = gzip(text(0..1000).as_bytes());
    bytes.truncate(bytes.len() - 9);
    fs::write(trail.path("log.gz"), bytes).unwrap();
    trail.look();
    assert!(trail.lines.len() > 100, "{}", trail.lines.len());
    assert_eq!(trail.problems.len(), 1, "{:?}", trail.problems);
}

fn a_compressed_file_is_not_followed(hints: Hints) {
    let mut trail = Trail::new(hints, &["log*"]);
    fs::write(trail.path("log.1.gz"), "x").unwrap();
    trail.look();
    assert!(matches!(trail.state("log.1.gz"), FileState::Refused(_)));
}

fn finishing_hands_out_the_unfinished_line(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", "line 0\nline 1");
    trail.look();
    trail.finish();
    assert_eq!(trail.lines, lines(0..2));
    assert!(trail.flags[1].unterminated);
}

fn the_witness_is_that_of_the_bytes_before_the_cursor_wherever_a_batch_is_cut(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", format!("\n\n{}\n", text(0..500)));
    trail.look();
    trail.append("log", format!("\n\0{}\n\n", text(500..550)));
    let bytes = fs::read(trail.path("log")).unwrap();
    trail.follower.reconcile();
    let batch = trail.next().unwrap();
    assert!(trail.next().is_none());
    for at in 0..=batch.frames.len() {
        let (first, second) = batch.clone().cut(at);
        let to = first.stretch.to as usize;
        assert_eq!(first.witness, Digest::of(&bytes[to - WITNESS_BYTES..to]));
        for frame in first.frames.iter().chain(&second.frames) {
            let there = frame.from as usize..;
            assert!(bytes[there].starts_with(batch.bytes(frame)));
        }
        trail.restart();
        trail.follower = Follower::open(trail.spec.clone(), vec![Cursor::after(&first)]);
        trail.follower.reconcile();
        match trail.next() {
            Some(again) => assert_eq!((again.discontinuity, again.frames.len()), (None, second.frames.len())),
            None => assert_eq!(first.stretch.to as usize, bytes.len()),
        }
    }
}

/// This thread reads what everybody may read, be it root's, until this goes.
struct ReadingAsOthers(rustix::thread::CapabilitySets);

impl ReadingAsOthers {
    fn begin() -> ReadingAsOthers {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        let before = capabilities(None).unwrap();
        let effective = before.effective - (CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, rustix::thread::CapabilitySets { effective, ..before }).unwrap();
        ReadingAsOthers(before)
    }
}

impl Drop for ReadingAsOthers {
    fn drop(&mut self) {
        rustix::thread::set_capabilities(None, self.0).unwrap();
    }
}

fn f03_a_file_that_may_not_be_read_is_said_once_and_read_later(hints: Hints) {
    use std::os::unix::fs::PermissionsExt;
    let _as_others = ReadingAsOthers::begin();
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..2));
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(trail.path("log"), mode(0o000)).unwrap();
    trail.settle();
    assert_eq!(trail.state("log"), FileState::Denied);
    assert_eq!(trail.problems.len(), 1);
    fs::set_permissions(trail.path("log"), mode(0o600)).unwrap();
    trail.look();
    assert_eq!(trail.lines, lines(0..2));
}

fn nothing_is_read_before_it_is_asked_for(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..3));
    trail.follower.reconcile();
    assert_eq!(trail.follower.status()[0].offset, 0);
    assert_eq!(trail.follower.status()[0].size, 21);
}

#[test]
fn a_change_in_a_watched_directory_is_hinted_even_after_it_was_made_anew() {
    use std::sync::mpsc;
    use std::time::Duration;
    let mut trail = Trail::new(Hints::Off, &["dir/log"]);
    let (send, hints) = mpsc::channel();
    let mut watcher = Watcher::new(move || {
        let _ = send.send(());
    });
    if let Some(why) = watcher.degraded() {
        return crate::skip::skip(format_args!("no watcher here: {why}"));
    }
    for round in 0..2 {
        let _ = fs::remove_dir_all(trail.path("dir"));
        fs::create_dir(trail.path("dir")).unwrap();
        trail.look();
        watcher.watch(&trail.follower.directories());
        while hints.try_recv().is_ok() {}
        trail.append("dir/log", text(round..round + 1));
        let hint = hints.recv_timeout(Duration::from_secs(20));
        assert!(hint.is_ok(), "no hint in round {round}");
    }
}

fn more_files_than_descriptors_are_all_replayed_with_one_look(hints: Hints) {
    let mut trail = Trail::with(hints, &["*.log"], |spec| spec.until = Until::EndOfFile);
    let count = 2 * MAX_OPEN + 50;
    for n in 0..count {
        trail.append(&format!("{n}.log"), format!("line {n}"));
    }
    trail.look();
    assert_eq!(trail.lines.len(), count);
    assert!(trail.follower.open_files() <= MAX_OPEN);
}

fn more_files_than_descriptors_all_begin_at_their_end(hints: Hints) {
    let mut trail = Trail::with(hints, &["*.log"], |spec| spec.start = Start::End);
    let count = MAX_OPEN + 50;
    let name = |n: usize| format!("{n}.log");
    (0..count).for_each(|n| trail.append(&name(n), "old\n"));
    trail.look();
    assert_eq!(trail.declared, vec![Discontinuity::StartedAtEnd; count]);
    (0..count).for_each(|n| trail.append(&name(n), "new\n"));
    trail.settle();
    assert_eq!(trail.lines, vec!["new"; count]);
}
