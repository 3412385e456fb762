//! The cases E of the fault catalogue that concern cutting bytes into frames, by their numbers.
use super::*;

with_and_without_hints! {
    e36_an_unfinished_line_is_held_and_comes_once,
    e37_an_unfinished_line_of_a_rotated_file_comes_when_it_is_final,
    e38_a_line_of_ten_mebibytes_is_clipped_and_its_neighbours_are_whole,
    e39_a_gibibyte_without_a_newline_needs_little_memory,
    e40_only_a_newline_ends_a_line,
    e41_a_byte_order_mark_is_skipped_in_every_generation,
    e42_utf_16_is_refused_with_what_to_do,
    e47_documents_over_several_lines_and_several_on_one_line,
    a_document_beyond_a_batch_is_whole_and_one_beyond_its_limit_is_clipped,
}

fn e36_an_unfinished_line_is_held_and_comes_once(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn e37_an_unfinished_line_of_a_rotated_file_comes_when_it_is_final(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn e38_a_line_of_ten_mebibytes_is_clipped_and_its_neighbours_are_whole(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
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

fn e39_a_gibibyte_without_a_newline_needs_little_memory(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", "begin");
    let file = OpenOptions::new().write(true).open(trail.path("log"));
    file.unwrap().set_len(1 << 30).unwrap();
    (0..6).for_each(|_| trail.look());
    assert_eq!(trail.lines.len(), 0);
    trail.append("log", "\nline 0\n");
    trail.look();
    assert_eq!(trail.lines[1], "line 0");
    assert!(trail.flags[0].clipped && trail.lines[0].starts_with("begin"));
    assert!(trail.follower.scratch_bytes() < 16 << 20);
}

fn e40_only_a_newline_ends_a_line(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", "a\r\nb\rc\n\u{2028}\x0b\x0c\n\n\r\n");
    trail.look();
    assert_eq!(trail.lines, ["a", "b\rc", "\u{2028}\x0b\x0c"]);
}

fn e41_a_byte_order_mark_is_skipped_in_every_generation(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", "\u{feff}line 0\n");
    trail.look();
    trail.rename("log", "log.1");
    trail.append("log", "\u{feff}line 1\n");
    trail.settle();
    assert_eq!(trail.lines, lines(0..2));
}

fn e42_utf_16_is_refused_with_what_to_do(hints: Hints) {
    let mut trail = Trail::new(hints, &["log"]);
    trail.append("log", b"\xff\xfel\0i\0n\0e\0\n\0");
    trail.look();
    trail.look();
    assert_eq!(trail.lines.len(), 0);
    assert!(trail.problems[0].contains("UTF-8"), "{:?}", trail.problems);
    assert_eq!(trail.problems.len(), 1);
    assert!(matches!(trail.state("log"), FileState::Refused(_)));
}

fn e47_documents_over_several_lines_and_several_on_one_line(hints: Hints) {
    let mut trail = Trail::with(hints, &["log"], |spec| spec.framing = Framing::JsonDocuments);
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

fn a_document_beyond_a_batch_is_whole_and_one_beyond_its_limit_is_clipped(hints: Hints) {
    let mut trail = Trail::with(hints, &["log"], |spec| spec.framing = Framing::JsonDocuments);
    let document = |size: usize| format!("[\n\"{}\"]\n", "x".repeat(size));
    trail.append("log", document(9 << 20));
    trail.append("log", document(DOCUMENT_BYTES));
    trail.append("log", "{}\n");
    trail.look();
    let sizes: Vec<usize> = trail.lines.iter().map(String::len).collect();
    assert_eq!(sizes, [(9 << 20) + 5, FRAME_BYTES, 2]);
    assert!(trail.flags[1].clipped);
}
