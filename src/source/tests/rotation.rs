//! The cases R of the fault catalogue, by their numbers.
use super::*;

with_and_without_hints! {
    r23_generations_that_begin_with_the_same_header_are_all_read,
    r25_what_a_file_had_that_was_deleted_after_its_copy_was_read_is_said_to_be_lost,
    r26_a_copy_is_not_read_from_a_compressed_file_in_the_making,
    r26_a_file_of_before_is_no_copy_though_it_begins_with_the_same_header,
    r21_rename_and_create,
    r22_rename_and_create_while_down,
    r23_several_rotations_while_down_are_read_oldest_first,
    r24_a_file_that_was_compressed_while_down_is_read_on_where_it_was_left,
    r24_generations_that_came_and_were_compressed_while_down_are_read_oldest_first,
    r24_what_was_compressed_after_it_was_read_is_not_read_again,
    r24_a_compressed_file_that_is_another_one_is_not_read_and_the_loss_is_said,
    r25_a_file_deleted_while_down_is_said_to_be_lost,
    r26_copytruncate_is_declared_and_read_from_the_beginning,
    r26_what_was_not_read_before_the_cut_is_read_from_the_copy,
    r26_a_copy_in_the_making_is_not_read_though_a_pattern_names_it,
    r26_a_file_that_begins_like_another_is_no_copy_of_it,
    r27_copytruncate_that_grew_past_the_cursor_is_seen_by_its_witness,
    r27_lines_that_end_alike_are_told_apart,
    r28_a_file_made_anew_is_another_even_where_its_inode_is_reused,
    r29_a_file_renamed_back_and_forth_is_one_file,
    r30_rotations_faster_than_we_look_lose_nothing,
    r31_short_files_and_files_with_equal_beginnings_are_all_read,
    r31_a_file_with_the_same_long_header_as_another_is_read_at_once,
    r32_a_writer_that_stays_with_the_renamed_file_is_heard,
    r33_a_file_replaced_by_an_editor_is_a_new_one,
    r34_a_restored_older_version_is_read_from_its_beginning,
    r35_hourly_files_are_taken_up_as_they_come,
    r25_what_came_between_a_lost_file_and_the_present_one_is_read,
    r28_a_device_number_that_changes_with_a_restart_of_the_machine_makes_no_other_file,
    rotated_files_that_lie_or_are_called_otherwise_are_followed_where_they_are_named_too,
}

fn r21_rename_and_create(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn r22_rename_and_create_while_down(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn r23_several_rotations_while_down_are_read_oldest_first(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn r24_a_file_that_was_compressed_while_down_is_read_on_where_it_was_left(hints: Hints) {
    for (ending, how) in PACKED {
        let mut trail = Trail::new(hints, &["log"]);
        // an older one, which is not this one
        trail.append("log.9", text(1000..1500));
        trail.pack("log.9", &format!("log.9{ending}"), how);
        trail.append("log", text(0..300));
        trail.look();
        trail.append("log", text(300..305));
        trail.append("log", "unfinished");
        trail.rename("log", "log.1");
        trail.pack("log.1", &format!("log.1{ending}"), how);
        trail.append("log", text(305..308));
        trail.restart();
        trail.look();
        let mut expected = lines(0..305);
        expected.push("unfinished".into());
        expected.extend(lines(305..308));
        assert_eq!(trail.lines, expected, "{ending}");
        assert_eq!(trail.declared, [Discontinuity::NextFile]);
        assert_eq!(trail.problems, Vec::<String>::new());
        // once, and never again
        trail.settle_for_good();
        trail.restart();
        trail.settle_for_good();
        assert_eq!(trail.lines, expected, "{ending}");
    }
}

fn r24_generations_that_came_and_were_compressed_while_down_are_read_oldest_first(hints: Hints) {
    for (ending, how) in PACKED {
        // killed before each of the batches that it takes to read them
        for kill in 0..8 {
            let mut trail = Trail::new(hints, &["log"]);
            trail.append("log", text(0..300));
            trail.look();
            trail.append("log", text(300..310));
            // as logrotate does it with `delaycompress`: all but the last are compressed
            for n in [310, 320, 330] {
                for (from, to) in [(3, 4), (2, 3)] {
                    let name = |n: u32| format!("log.{n}{ending}");
                    if trail.path(&name(from)).exists() {
                        trail.rename(&name(from), &name(to));
                    }
                }
                if trail.path("log.1").exists() {
                    trail.pack("log.1", &format!("log.2{ending}"), how);
                }
                trail.rename("log", "log.1");
                trail.append("log", text(n..n + 10));
            }
            trail.restart();
            trail.follower.reconcile();
            for _ in 0..kill {
                if let Some(batch) = trail.next() {
                    trail.commit(batch);
                    trail.follower.reconcile();
                }
            }
            trail.forget();
            trail.restart();
            trail.settle();
            assert_eq!(trail.lines, lines(0..340), "{ending}, killed before batch {kill}");
            trail.restart();
            trail.settle_for_good();
            assert_eq!(trail.lines, lines(0..340), "{ending}, killed before batch {kill}");
        }
    }
}

fn r24_what_was_compressed_after_it_was_read_is_not_read_again(hints: Hints) {
    for (ending, how) in PACKED {
        let mut trail = Trail::new(hints, &["log"]);
        for n in 0..4 {
            trail.append("log", text(n * 100..n * 100 + 100));
            trail.settle();
            trail.rename("log", "log.1");
            trail.append("log", "");
            trail.settle_for_good();
            trail.pack("log.1", &format!("log-2026010{n}{ending}"), how);
            trail.settle();
            trail.forget();
        }
        trail.append("log", text(400..410));
        trail.restart();
        trail.settle_for_good();
        assert_eq!(trail.lines, lines(0..410), "{ending}");
    }
}

fn r24_a_compressed_file_that_is_another_one_is_not_read_and_the_loss_is_said(hints: Hints) {
    for (ending, how) in PACKED {
        let mut trail = Trail::new(hints, &["log"]);
        trail.append("log", text(0..300));
        trail.look();
        fs::remove_file(trail.path("log")).unwrap();
        trail.append("log.1", text(2000..2600));
        trail.pack("log.1", &format!("log.1{ending}"), how);
        trail.append(&format!("log.2{ending}"), "no compressed file at all");
        trail.append("log", text(300..303));
        trail.restart();
        trail.look();
        let read_to = text(0..300).len() as u64;
        assert_eq!(trail.declared, [Discontinuity::Lost { read_to, known_size: None }], "{ending}");
        assert_eq!(trail.lines, lines(0..303), "{ending}");
    }
}

fn r25_a_file_deleted_while_down_is_said_to_be_lost(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..3));
    trail.look();
    fs::remove_file(trail.path("log")).unwrap();
    trail.restart();
    trail.look();
    assert_eq!(trail.declared, []);
    trail.append("log", text(3..5));
    trail.look();
    let lost = Discontinuity::Lost { read_to: 21, known_size: None };
    assert_eq!(trail.declared, [lost]);
    assert_eq!(trail.lines, lines(0..5));
    // It is said once, whether or not its cursor is still there.
    trail.restart();
    trail.look();
    assert_eq!(trail.declared.len(), 1);
    trail.forget();
    assert_eq!(trail.cursors.len(), 1);
}

fn r26_copytruncate_is_declared_and_read_from_the_beginning(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..3));
    trail.look();
    fs::write(trail.path("log"), "").unwrap();
    trail.look();
    trail.append("log", text(3..5));
    trail.look();
    assert_eq!(trail.lines, lines(0..5));
    assert_eq!(trail.declared, [Discontinuity::Truncated]);
}

fn r26_what_was_not_read_before_the_cut_is_read_from_the_copy(hints: Hints) {
    for (down, pattern) in [(false, "log"), (false, "log*"), (true, "log"), (true, "log*")] {
        for packed in [None, Some(PACKED[0])].into_iter().filter(|packed| down || packed.is_none()) {
            let mut trail = Trail::new(hints, &[pattern]);
            trail.append("log", text(0..300));
            trail.look();
            trail.append("log", text(300..400));
            fs::copy(trail.path("log"), trail.path("log.1")).unwrap();
            fs::write(trail.path("log"), "").unwrap();
            trail.append("log", text(400..900));
            if let Some((ending, how)) = packed {
                trail.pack("log.1", &format!("log.1{ending}"), how);
            }
            if down {
                trail.restart();
            }
            trail.settle();
            assert_eq!(trail.lines, lines(0..900), "down: {down}, {pattern}");
            assert!(trail.declared.contains(&Discontinuity::Truncated));
            // once, and never again
            trail.settle_for_good();
            trail.restart();
            trail.settle_for_good();
            assert_eq!(trail.lines, lines(0..900), "down: {down}, {pattern}");
        }
    }
}

fn r26_a_copy_in_the_making_is_not_read_though_a_pattern_names_it(hints: Hints) {
    let mut trail = Trail::new(hints, &["log*"]);
    trail.append("log", text(0..3000));
    trail.look();
    let bytes = fs::read(trail.path("log")).unwrap();
    for piece in bytes.chunks(bytes.len() / 7) {
        trail.append("log.1", piece);
        trail.look();
    }
    trail.settle_for_good();
    assert_eq!(trail.lines, lines(0..3000), "a copy says nothing new, however long it lies there");
    fs::write(trail.path("log"), text(3000..3005)).unwrap();
    trail.settle();
    assert_eq!(trail.lines, lines(0..3005));
}

fn r26_a_file_that_begins_like_another_is_no_copy_of_it(hints: Hints) {
    let mut trail = Trail::new(hints, &["log*"]);
    trail.append("log", text(0..3));
    trail.look();
    // few bytes may be alike by chance: it is waited for a while, and then it is read
    trail.append("log.1", text(0..3));
    trail.look();
    assert_eq!(trail.lines, lines(0..3));
    trail.settle_for_good();
    assert_eq!(trail.lines, [lines(0..3), lines(0..3)].concat());
    // and at once, where it is seen to be another
    trail.append("log.2", text(0..2) + "another\n");
    trail.look();
    assert_eq!(trail.lines.last().unwrap(), "another");
}

/// A header of so many bytes, as some programs begin each of their files.
fn header(length: usize) -> String {
    format!("#{}\n", "h".repeat(length - 2))
}

fn r23_generations_that_begin_with_the_same_header_are_all_read(hints: Hints) {
    for (length, down) in [(30, false), (30, true), (300, false), (300, true)] {
        let mut trail = Trail::new(hints, &["log"]);
        let header = header(length);
        trail.append("log", &header);
        trail.look();
        trail.rename("log", "log.2");
        trail.append("log", format!("{header}{}", text(0..50)));
        trail.rename("log", "log.1");
        trail.append("log", format!("{header}{}", text(50..55)));
        if down {
            trail.restart();
        }
        trail.settle_for_good();
        trail.lines.retain(|line| line.starts_with("line"));
        assert_eq!(trail.lines, lines(0..55), "{length} bytes, down: {down}");
    }
}

fn r26_a_copy_is_not_read_from_a_compressed_file_in_the_making(hints: Hints) {
    for (part, down) in [(1, false), (50, false), (97, false), (50, true), (97, true)] {
        let mut trail = Trail::new(hints, &["log"]);
        trail.append("log", text(0..400));
        trail.look();
        trail.append("log", text(400..410));
        fs::copy(trail.path("log"), trail.path("log.1")).unwrap();
        trail.tick();
        let whole = gzip(&fs::read(trail.path("log.1")).unwrap());
        fs::write(trail.path("log.1.gz"), &whole[..whole.len() * part / 100]).unwrap();
        fs::write(trail.path("log"), text(410..420)).unwrap();
        if down {
            trail.restart();
        }
        trail.look();
        fs::write(trail.path("log.1.gz"), &whole).unwrap();
        fs::remove_file(trail.path("log.1")).unwrap();
        trail.settle();
        assert_eq!(trail.lines, lines(0..420), "{part} %, down: {down}");
    }
}

fn r26_a_file_of_before_is_no_copy_though_it_begins_with_the_same_header(hints: Hints) {
    let mut trail = Trail::with(hints, &["log"], |spec| spec.start = Start::End);
    let header = header(300);
    trail.append("log", format!("{header}{}", text(0..50)));
    trail.rename("log", "log.1");
    trail.append("log", &header);
    trail.look();
    fs::write(trail.path("log"), "").unwrap();
    trail.look();
    trail.append("log", format!("{header}{}", text(50..55)));
    trail.settle();
    trail.lines.retain(|line| line.starts_with("line"));
    assert_eq!(trail.lines, lines(50..55));
}

fn r25_what_a_file_had_that_was_deleted_after_its_copy_was_read_is_said_to_be_lost(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..300));
    trail.look();
    trail.append("log", text(300..310));
    fs::copy(trail.path("log"), trail.path("log.1")).unwrap();
    fs::write(trail.path("log"), text(310..320)).unwrap();
    trail.settle_for_good();
    assert_eq!(trail.lines, lines(0..320));
    trail.append("log", text(320..420));
    fs::remove_file(trail.path("log")).unwrap();
    trail.append("log", text(420..430));
    trail.restart();
    trail.settle();
    assert_eq!(trail.lines, [lines(0..320), lines(420..430)].concat());
    assert!(matches!(trail.declared.last(), Some(Discontinuity::Lost { .. })), "{:?}", trail.declared);
}

fn r27_copytruncate_that_grew_past_the_cursor_is_seen_by_its_witness(hints: Hints) {
    for down in [false, true] {
        let mut trail = Trail::new(hints, &["log"]);
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

fn r27_lines_that_end_alike_are_told_apart(hints: Hints) {
    // as an audit trail writes them: what differs stands first, and all are of one length
    let line = |n: usize| format!("{{\"id\":{n:06},\"agent\":\"{}\"}}\n", "x".repeat(380));
    let text = |range: std::ops::Range<usize>| range.map(line).collect::<String>();
    for down in [false, true] {
        let mut trail = Trail::new(hints, &["log"]);
        trail.append("log", text(0..10));
        trail.look();
        fs::write(trail.path("log"), text(10..21)).unwrap();
        if down {
            trail.restart();
        }
        trail.look();
        assert_eq!(trail.lines.len(), 21, "down: {down}");
        assert_eq!(trail.declared, [Discontinuity::Truncated]);
    }
}

fn r28_a_file_made_anew_is_another_even_where_its_inode_is_reused(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..3));
    trail.look();
    trail.restart();
    fs::remove_file(trail.path("log")).unwrap();
    trail.append("log", text(3..6));
    trail.look();
    assert_eq!(trail.lines, lines(0..6));
    assert_eq!(trail.declared.len(), 1);
}

fn r29_a_file_renamed_back_and_forth_is_one_file(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn r30_rotations_faster_than_we_look_lose_nothing(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn r31_short_files_and_files_with_equal_beginnings_are_all_read(hints: Hints) {
    let mut trail = Trail::new(hints, &["*.log"]);
    for name in ["a.log", "b.log", "c.log"] {
        trail.append(name, "x\n");
    }
    trail.look();
    assert_eq!(trail.lines, ["x", "x", "x"]);
}

fn r31_a_file_with_the_same_long_header_as_another_is_read_at_once(hints: Hints) {
    let mut trail = Trail::new(hints, &["log*"]);
    let header = header(300);
    trail.append("log", &header);
    trail.look();
    trail.append("log.2", format!("{header}{}", text(0..5)));
    trail.look();
    trail.lines.retain(|line| line.starts_with("line"));
    assert_eq!(trail.lines, lines(0..5));
}

fn r32_a_writer_that_stays_with_the_renamed_file_is_heard(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn r33_a_file_replaced_by_an_editor_is_a_new_one(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..2));
    trail.look();
    trail.append(".tmp", text(0..3));
    trail.rename(".tmp", "log");
    trail.settle();
    assert_eq!(trail.lines[2..], lines(0..3));
    assert_eq!(trail.declared, [Discontinuity::NextFile]);
}

fn r34_a_restored_older_version_is_read_from_its_beginning(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..30));
    trail.look();
    fs::write(trail.path("log"), text(0..9)).unwrap();
    trail.look();
    assert_eq!(trail.lines[30..], lines(0..9));
    assert_eq!(trail.declared, [Discontinuity::Truncated]);
}

fn r35_hourly_files_are_taken_up_as_they_come(hints: Hints) {
    let mut trail = Trail::new(hints, &["[0-9]*.log"]);
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

fn r25_what_came_between_a_lost_file_and_the_present_one_is_read(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..3));
    trail.look();
    trail.rename("log", "log.1");
    fs::remove_file(trail.path("log.1")).unwrap();
    trail.append("log", text(3..5));
    trail.append("log.ssl", "of another trail\n");
    trail.rename("log", "log.1");
    trail.append("log", text(5..6));
    trail.restart();
    trail.look();
    assert_eq!(trail.lines, lines(0..6));
    assert!(matches!(trail.declared[0], Discontinuity::Lost { .. }));
    assert_eq!(trail.declared[1..], [Discontinuity::NextFile]);
}

fn r28_a_device_number_that_changes_with_a_restart_of_the_machine_makes_no_other_file(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", text(0..3));
    trail.look();
    let (_, mut cursor) = trail.cursors.pop_first().unwrap();
    cursor.file.device += 1;
    cursor.file.host = crate::model::HostId(*b"renamed1");
    trail.moved = vec![cursor.file];
    trail.cursors.insert(cursor.file, cursor);
    trail.restart();
    trail.append("log", text(3..4));
    trail.settle();
    assert_eq!(trail.lines, lines(0..4));
    assert_eq!(trail.declared, []);
}

/// `olddir` and `extension` of logrotate.
fn rotated_files_that_lie_or_are_called_otherwise_are_followed_where_they_are_named_too(hints: Hints) {
    for (names, first, second) in
        [(["log", "old/log*"], "old/log.1", "old/log.2"), (["log.x", "log.[0-9]*"], "log.1.x", "log.2.x")]
    {
        let mut trail = Trail::new(hints, &names);
        let log = names[0];
        fs::create_dir(trail.path("old")).unwrap();
        trail.append(log, text(0..10));
        trail.look();
        trail.append(log, text(10..20));
        trail.rename(log, first);
        trail.append(log, text(20..30));
        trail.settle();
        assert_eq!(trail.lines, lines(0..30));
        // and while we were down, twice, once with a compression
        trail.restart();
        trail.append(log, text(30..40));
        trail.rename(first, second);
        trail.pack(second, &format!("{second}.gz"), gzip);
        trail.rename(log, first);
        trail.append(log, text(40..50));
        trail.settle();
        assert_eq!(trail.lines, lines(0..50), "{first}");
        assert!(trail.declared.iter().all(|d| *d == Discontinuity::NextFile), "{:?}", trail.declared);
    }
}
