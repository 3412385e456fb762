//! The cases of the fault catalogue that concern reading files, by their numbers.
use super::*;

#[test]
fn f01_a_file_that_is_missing_at_first_is_read_from_its_first_byte() {
    let mut trail = Trail::with(&["log"], |spec| spec.start = Start::End);
    trail.look();
    assert_eq!(trail.state("log"), FileState::Absent);
    trail.append("log", text(0..3));
    trail.look();
    assert_eq!(trail.lines, lines(0..3));
    assert_eq!(trail.state("log"), FileState::Following);
}

#[test]
fn f02_a_directory_that_goes_and_comes_again_loses_no_line() {
    let mut trail = Trail::new(&["dir/log"]);
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

#[test]
fn f04_a_link_that_is_pointed_elsewhere_is_drained_first() {
    let mut trail = Trail::new(&["log"]);
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

#[test]
fn f05_dangling_and_circular_links_are_said_and_passed_over() {
    let mut trail = Trail::new(&["loop", "dangling", "log"]);
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

#[test]
fn f06_what_is_no_regular_file_is_refused_without_waiting() {
    let mut trail = Trail::new(&["pipe", "dir", "socket"]);
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

#[test]
fn f07_a_file_with_two_names_is_read_once() {
    let mut trail = Trail::new(&["a", "b", "*"]);
    trail.append("a", text(0..2));
    fs::hard_link(trail.path("a"), trail.path("b")).unwrap();
    trail.settle();
    trail.append("b", text(2..3));
    trail.settle();
    assert_eq!(trail.lines, lines(0..3));
}

#[test]
fn f08_more_files_than_are_followed_are_said_and_descriptors_stay_few() {
    let mut trail = Trail::new(&["*.log"]);
    for n in 0..MAX_FILES as u32 + 3 {
        fs::write(trail.path(&format!("{n}.log")), text(n..n + 1)).unwrap();
    }
    trail.look();
    trail.look();
    assert_eq!(trail.lines.len(), MAX_FILES);
    assert!(trail.problems.iter().any(|p| p.contains("files match")));
    assert_eq!(trail.follower.open_files(), MAX_OPEN);
    let closed = trail.follower.closed_path().unwrap();
    let name = closed.file_name().unwrap().to_str().unwrap().to_string();
    trail.append(&name, "later\n");
    trail.look();
    assert_eq!(trail.lines.last().unwrap(), "later");
}

#[test]
fn f15_nul_runs_are_no_lines_and_hide_none() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", b"line 0\n\0\0\0\0line 1\n");
    trail.append("log", vec![0; 300]);
    trail.look();
    trail.append("log", b"line 2\0\0\r\n\0\0\0\n");
    trail.look();
    assert_eq!(trail.lines, lines(0..3));
    let size = fs::metadata(trail.path("log")).unwrap().len();
    assert_eq!(trail.cursors.values().next().unwrap().offset, size);
}

#[test]
fn f15_room_that_a_writer_fills_later_is_not_passed_over() {
    let mut trail = Trail::new(&["log"]);
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

#[test]
fn f19_offsets_beyond_four_gibibytes_are_exact() {
    let mut trail = Trail::with(&["log"], |spec| spec.start = Start::End);
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

#[test]
fn f20_names_of_any_bytes_are_followed_and_shown_escaped() {
    use std::os::unix::ffi::OsStrExt;
    let mut trail = Trail::new(&["*"]);
    let name = std::ffi::OsStr::from_bytes(b"a\n\x1b[2J\xff.log");
    fs::create_dir(trail.dir.path().join(name)).unwrap();
    trail.look();
    assert!(trail.problems[0].contains(r#"a\n\u{1b}[2J\xFF.log"#));
    fs::remove_dir(trail.dir.path().join(name)).unwrap();
    fs::write(trail.dir.path().join(name), text(0..1)).unwrap();
    trail.look();
    assert_eq!(trail.lines, lines(0..1));
}

#[test]
fn r21_rename_and_create() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..3));
    trail.look();
    trail.append("log", text(3..4));
    trail.rename("log", "log.1");
    trail.append("log", text(6..8));
    trail.look();
    trail.append("log.1", text(4..5));
    trail.look();
    trail.append("log.1", text(5..6));
    assert_eq!(trail.lines, lines(0..5), "the new file waits for the old");
    trail.settle();
    assert_eq!(trail.lines, lines(0..8));
    assert_eq!(trail.declared, [Discontinuity::NextFile]);
}

#[test]
fn r22_rename_and_create_while_down() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..3));
    trail.look();
    trail.append("log", text(3..5));
    trail.rename("log", "log.1");
    trail.append("log", text(5..8));
    trail.restart();
    trail.look();
    assert_eq!(trail.lines, lines(0..8));
    assert_eq!(trail.declared, [Discontinuity::NextFile]);
}

#[test]
fn r23_several_rotations_while_down_are_read_oldest_first() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..3));
    trail.look();
    trail.append("log", text(3..4));
    trail.rename("log", "log.1");
    trail.append("log", text(4..6));
    trail.rename("log.1", "log.2");
    trail.rename("log", "log.1");
    trail.append("log", text(6..8));
    trail.restart();
    trail.look();
    assert_eq!(trail.lines, lines(0..8));
    assert_eq!(trail.declared, [Discontinuity::NextFile, Discontinuity::NextFile]);
}

#[test]
fn r25_a_file_deleted_while_down_is_said_to_be_lost() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..3));
    trail.look();
    fs::remove_file(trail.path("log")).unwrap();
    trail.restart();
    trail.look();
    assert_eq!(trail.declared, []);
    trail.append("log", text(3..5));
    trail.look();
    let lost = Discontinuity::Lost {
        read_to: 21,
        known_size: None,
    };
    assert_eq!(trail.declared, [lost]);
    assert_eq!(trail.lines, lines(0..5));
    // It is said once, whether or not its cursor is still there.
    trail.restart();
    trail.look();
    assert_eq!(trail.declared.len(), 1);
    trail.forget();
    assert_eq!(trail.cursors.len(), 1);
}

#[test]
fn r26_copytruncate_is_declared_and_read_from_the_beginning() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..3));
    trail.look();
    fs::write(trail.path("log"), "").unwrap();
    trail.look();
    trail.append("log", text(3..5));
    trail.look();
    assert_eq!(trail.lines, lines(0..5));
    assert_eq!(trail.declared, [Discontinuity::Truncated]);
}

#[test]
fn r27_copytruncate_that_grew_past_the_cursor_is_seen_by_its_witness() {
    for down in [false, true] {
        let mut trail = Trail::new(&["log"]);
        trail.append("log", text(0..3));
        trail.look();
        fs::write(trail.path("log"), text(3..90)).unwrap();
        if down {
            trail.restart();
        }
        trail.look();
        assert_eq!(trail.lines, lines(0..90));
        assert_eq!(trail.declared, [Discontinuity::Truncated]);
    }
}

#[test]
fn r28_a_file_made_anew_is_another_even_where_its_inode_is_reused() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..3));
    trail.look();
    trail.restart();
    fs::remove_file(trail.path("log")).unwrap();
    trail.append("log", text(3..6));
    trail.look();
    assert_eq!(trail.lines, lines(0..6));
    assert_eq!(trail.declared.len(), 1);
}

#[test]
fn r29_a_file_renamed_back_and_forth_is_one_file() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..2));
    trail.look();
    for round in 0..3 {
        trail.rename("log", "log.1");
        match round {
            0 => trail.look(),
            1 => trail.settle(),
            _ => trail.settle_for_good(),
        }
        trail.rename("log.1", "log");
        trail.append("log", text(2 + round..3 + round));
        trail.settle();
    }
    assert_eq!(trail.lines, lines(0..5));
    assert_eq!(trail.declared, []);
}

#[test]
fn r30_rotations_faster_than_we_look_lose_nothing() {
    let mut trail = Trail::new(&["log"]);
    let mut number = 0;
    for round in 0..60 {
        trail.append("log", text(number..number + 2));
        number += 2;
        if round % 3 == 0 {
            trail.look();
        }
        trail.rename("log", &format!("log.{round}"));
    }
    trail.append("log", text(number..number + 1));
    trail.settle();
    assert_eq!(trail.lines, lines(0..number + 1));
}

#[test]
fn r31_short_files_and_files_with_equal_beginnings_are_all_read() {
    let mut trail = Trail::new(&["*.log"]);
    for name in ["a.log", "b.log", "c.log"] {
        trail.append(name, "x\n");
    }
    trail.look();
    assert_eq!(trail.lines, ["x", "x", "x"]);
}

#[test]
fn r32_a_writer_that_stays_with_the_renamed_file_is_heard() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..1));
    trail.look();
    trail.rename("log", "log.1");
    trail.append("log", "new\n");
    // It never comes to rest: the new file must not wait for ever.
    for n in 1..40 {
        trail.append("log.1", text(n..n + 1));
        trail.look();
    }
    let new = trail.lines.iter().position(|l| l == "new").unwrap();
    assert!((20..39).contains(&new), "{new}");
    let mut old = trail.lines.clone();
    old.remove(new);
    assert_eq!(old, lines(0..40));
}

#[test]
fn r33_a_file_replaced_by_an_editor_is_a_new_one() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..2));
    trail.look();
    trail.append(".tmp", text(0..3));
    trail.rename(".tmp", "log");
    trail.settle();
    assert_eq!(trail.lines[2..], lines(0..3));
    assert_eq!(trail.declared, [Discontinuity::NextFile]);
}

#[test]
fn r34_a_restored_older_version_is_read_from_its_beginning() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..30));
    trail.look();
    fs::write(trail.path("log"), text(0..9)).unwrap();
    trail.look();
    assert_eq!(trail.lines[30..], lines(0..9));
    assert_eq!(trail.declared, [Discontinuity::Truncated]);
}

#[test]
fn r35_hourly_files_are_taken_up_as_they_come() {
    let mut trail = Trail::new(&["[0-9]*.log"]);
    trail.append("2026112300.log", text(0..2));
    trail.look();
    trail.append("2026112301.log", text(2..4));
    trail.append("notes.txt", "no\n");
    trail.look();
    trail.append("2026112305.log", text(4..5));
    trail.look();
    trail.restart();
    trail.append("2026112305.log", text(5..6));
    trail.look();
    assert_eq!(trail.lines, lines(0..6));
}

#[test]
fn e36_an_unfinished_line_is_held_and_comes_once() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", "line 0\nli");
    trail.look();
    assert_eq!(trail.lines, lines(0..1));
    trail.restart();
    trail.append("log", "ne ");
    trail.look();
    trail.append("log", "1\n");
    trail.look();
    assert_eq!(trail.lines, lines(0..2));
}

#[test]
fn e37_an_unfinished_line_of_a_rotated_file_comes_when_it_is_final() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", "line 0\nline 1");
    trail.look();
    trail.rename("log", "log.1");
    trail.append("log", text(2..3));
    trail.settle();
    assert_eq!(trail.lines, ["line 0", "line 2"]);
    trail.settle_for_good();
    assert_eq!(trail.lines, ["line 0", "line 2", "line 1"]);
    assert!(trail.flags[2].unterminated);
    assert_eq!(trail.follower.status().len(), 1, "the old file is let go");
}

#[test]
fn e38_a_line_of_ten_mebibytes_is_clipped_and_its_neighbours_are_whole() {
    let mut trail = Trail::new(&["log"]);
    let long = "x".repeat(10 << 20);
    trail.append("log", format!("line 0\n{long}"));
    trail.look();
    assert_eq!(trail.lines, lines(0..1));
    trail.append("log", format!("yyy\nline 1\n{}\nline 2\n", &long[..2 << 20]));
    trail.look();
    let clipped: Vec<bool> = trail.flags.iter().map(|f| f.clipped).collect();
    assert_eq!(clipped, [false, true, false, true, false]);
    assert_eq!(trail.lines[1].len(), FRAME_BYTES);
    assert_eq!(trail.lines[4], "line 2");
    trail.restart();
    trail.append("log", text(3..4));
    trail.look();
    assert_eq!(trail.lines[5], "line 3");
    assert_eq!(trail.declared, [], "the witness behind a clipped line holds");
}

#[test]
fn e39_a_gibibyte_without_a_newline_needs_little_memory() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", "begin");
    let file = OpenOptions::new().write(true).open(trail.path("log"));
    file.unwrap().set_len(1 << 30).unwrap();
    (0..6).for_each(|_| trail.look());
    assert_eq!(trail.lines.len(), 0);
    trail.append("log", "\nline 0\n");
    trail.look();
    assert_eq!(trail.lines[1], "line 0");
    assert!(trail.flags[0].clipped && trail.lines[0].starts_with("begin"));
    assert!(trail.follower.scratch_bytes() < 8 << 20);
}

#[test]
fn e40_only_a_newline_ends_a_line() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", "a\r\nb\rc\n\u{2028}\x0b\x0c\n\n\r\n");
    trail.look();
    assert_eq!(trail.lines, ["a", "b\rc", "\u{2028}\x0b\x0c"]);
}

#[test]
fn e41_a_byte_order_mark_is_skipped_in_every_generation() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", "\u{feff}line 0\n");
    trail.look();
    trail.rename("log", "log.1");
    trail.append("log", "\u{feff}line 1\n");
    trail.settle();
    assert_eq!(trail.lines, lines(0..2));
}

#[test]
fn e42_utf_16_is_refused_with_what_to_do() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", b"\xff\xfel\0i\0n\0e\0\n\0");
    trail.look();
    trail.look();
    assert_eq!(trail.lines.len(), 0);
    assert!(trail.problems[0].contains("UTF-8"), "{:?}", trail.problems);
    assert_eq!(trail.problems.len(), 1);
    assert!(matches!(trail.state("log"), FileState::Refused(_)));
}

#[test]
fn e47_documents_over_several_lines_and_several_on_one_line() {
    let mut trail = Trail::with(&["log"], |spec| spec.framing = Framing::JsonDocuments);
    trail.append("log", "{\"a\": \"}{\\\"\",\n \"b\": [1, {}]\n}{\"c\":1} [2,\n3]\n");
    trail.append("log", "garbage {\n{\"broken\": \"\n{\"d\":1}\n{\"e\": {\"f\":");
    trail.look();
    let expected = [
        "{\"a\": \"}{\\\"\",\n \"b\": [1, {}]\n}",
        "{\"c\":1}",
        "[2,\n3]",
        "garbage {",
        "{\"broken\": \"",
        "{\"d\":1}",
    ];
    assert_eq!(trail.lines, expected);
    trail.append("log", "1}}");
    trail.look();
    assert_eq!(trail.lines[6], "{\"e\": {\"f\":1}}");
}

#[test]
fn a_document_beyond_a_batch_is_whole_and_one_beyond_its_limit_is_clipped() {
    let mut trail = Trail::with(&["log"], |spec| spec.framing = Framing::JsonDocuments);
    let document = |size: usize| format!("[\n\"{}\"]\n", "x".repeat(size));
    trail.append("log", document(9 << 20));
    trail.append("log", document(DOCUMENT_BYTES));
    trail.append("log", "{}\n");
    trail.look();
    let sizes: Vec<usize> = trail.lines.iter().map(String::len).collect();
    assert_eq!(sizes, [(9 << 20) + 5, FRAME_BYTES, 2]);
    assert!(trail.flags[1].clipped);
}

#[test]
fn a_trail_never_seen_begins_at_its_end_where_that_is_asked_for() {
    let mut trail = Trail::with(&["*.log"], |spec| spec.start = Start::End);
    trail.append("a.log", "old\nbegun");
    trail.look();
    assert_eq!(trail.declared, [Discontinuity::StartedAtEnd]);
    trail.append("a.log", " before\nline 0\n");
    trail.append("b.log", text(1..2));
    trail.restart();
    trail.look();
    assert_eq!(trail.lines, ["begun before", "line 0", "line 1"]);
}

#[test]
fn a_replay_reads_compressed_files_of_several_members_to_their_last_byte() {
    let mut trail = Trail::with(&["log*"], |spec| spec.until = Until::EndOfFile);
    let member = |text: &str| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap()
    };
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

#[test]
fn a_damaged_compressed_file_gives_what_is_whole_and_says_so() {
    let mut trail = Trail::with(&["log.gz"], |spec| spec.until = Until::EndOfFile);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text(0..1000).as_bytes()).unwrap();
    let mut bytes = gz.finish().unwrap();
    bytes.truncate(bytes.len() - 9);
    fs::write(trail.path("log.gz"), bytes).unwrap();
    trail.look();
    assert!(trail.lines.len() > 100, "{}", trail.lines.len());
    assert_eq!(trail.problems.len(), 1, "{:?}", trail.problems);
}

#[test]
fn a_compressed_file_is_not_followed() {
    let mut trail = Trail::new(&["log*"]);
    fs::write(trail.path("log.1.gz"), "x").unwrap();
    trail.look();
    assert!(matches!(trail.state("log.1.gz"), FileState::Refused(_)));
}

#[test]
fn finishing_hands_out_the_unfinished_line() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", "line 0\nline 1");
    trail.look();
    trail.finish();
    assert_eq!(trail.lines, lines(0..2));
    assert!(trail.flags[1].unterminated);
}

#[test]
fn the_witness_is_that_of_the_bytes_before_the_cursor() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..100));
    trail.look();
    let bytes = fs::read(trail.path("log")).unwrap();
    let cursor = trail.cursors.values().next().unwrap();
    assert_eq!(cursor.witness, Digest::of(&bytes[bytes.len() - WITNESS_BYTES..]));
}

#[test]
fn nothing_is_read_before_it_is_asked_for() {
    let mut trail = Trail::new(&["log"]);
    trail.append("log", text(0..3));
    trail.follower.reconcile();
    assert_eq!(trail.follower.status()[0].offset, 0);
    assert_eq!(trail.follower.status()[0].size, 21);
}

#[test]
fn a_change_in_a_watched_directory_is_hinted_even_after_it_was_made_anew() {
    use std::sync::mpsc;
    use std::time::Duration;
    let mut trail = Trail::new(&["dir/log"]);
    let (send, hints) = mpsc::channel();
    let mut watcher = Watcher::new(move || drop(send.send(())));
    if let Some(why) = watcher.degraded() {
        println!("skipped: no watcher here: {why}");
        return;
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
