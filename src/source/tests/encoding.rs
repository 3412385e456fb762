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
    e50_a_header_holds_for_the_records_behind_it_and_is_found_again,
    e50_quotes_go_over_lines_as_far_as_they_may,
    e50_the_header_that_a_profile_states_says_the_delimiter,
    e50_after_torn_quotes_no_line_of_a_field_makes_a_header,
    a_header_far_before_what_is_new_is_found_in_many_steps,
    e50_a_byte_order_mark_before_a_header_is_none_of_it,
    a_document_beyond_a_batch_is_whole_and_one_beyond_its_limit_is_clipped,
    a_document_too_long_for_a_line_is_cut_into_its_records,
    what_is_no_record_in_a_long_list_is_handed_on,
    a_line_of_json_is_a_frame_though_it_was_cut,
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
    trail.look();
    // ends: each turn passes over some of it
    while trail.follower.is_looking() {
        trail.read();
    }
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
    trail.append("log", "[{\"torn\":1},\n{\"x\":1}\n{\"y\":2}\n");
    trail.append("log", "garbage {\n{\"broken\": \"\n{\"d\":1}\n{\"e\": {\"f\":");
    trail.look();
    let expected = [
        "{\"a\": \"}{\\\"\",\n \"b\": [1, {}]\n}",
        "{\"c\":1}",
        "[2,\n3]",
        "[{\"torn\":1},\n{\"x\":1}\n",
        "{\"y\":2}",
        "garbage {",
        "{\"broken\": \"",
        "{\"d\":1}",
    ];
    assert_eq!(trail.lines, expected);
    trail.append("log", "1}}");
    trail.look();
    assert_eq!(trail.lines[8], "{\"e\": {\"f\":1}}");
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

fn lists(spec: &mut TrailSpec, framing: Framing) {
    spec.framing = framing;
    spec.lists = ["Records".to_owned(), "response.items".to_owned()].into();
}

fn a_document_too_long_for_a_line_is_cut_into_its_records(hints: Hints) {
    for framing in [Framing::JsonLines, Framing::JsonDocuments] {
        let mut trail = Trail::with(hints, &["log"], |spec| lists(spec, framing));
        let record = |n: usize| format!("{{\"n\":{n},\"of\":[{{\"x\":\"],}}\"}}],\"text\":\"{}\"}}", "x".repeat(1000));
        let records: Vec<String> = (0..2500).map(record).collect();
        let mut expected = vec!["{\"before\":1}".to_owned()];
        trail.append("log", "{\"before\":1}\n");
        for (open, between, close) in [
            ("{\"Records\":[", ",", "]}\n"),
            (
                "{\"stat\":\"OK\",\"response\":{\"total\":[1],\"items\":[",
                ", ",
                "],\"next\":{\"at\":1}},\"more\":false}\n",
            ),
            ("[", ",\n", "]\n"),
            ("{\n  \"Records\": [\n    ", ",\n    ", "\n  ],\n  \"next\": \"x\"\n}\n"),
        ] {
            // who begins anew in the middle of a document goes on with its next record
            let document = format!("{open}{}{close}", records.join(between));
            let (first, second) = document.split_at(document.len() * 2 / 3);
            trail.append("log", first);
            trail.look();
            trail.restart();
            trail.append("log", second);
            expected.extend(records.iter().cloned());
        }
        trail.append("log", "{\"behind\":1}\n");
        trail.look();
        expected.push("{\"behind\":1}".to_owned());
        assert_eq!(trail.lines.len(), expected.len());
        assert!(trail.lines == expected && trail.flags.iter().all(|flags| !flags.clipped));
    }
}

fn what_is_no_record_in_a_long_list_is_handed_on(hints: Hints) {
    let mut trail = Trail::with(hints, &["log"], |spec| lists(spec, Framing::JsonLines));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(FRAME_BYTES));
    trail.append("log", format!("{{\"Records\":[{long},\"text, ]\",17,{long}]}}\n"));
    trail.look();
    assert!(trail.lines == [long.as_str(), "\"text, ]\"", "17", &long]);
}

fn a_line_of_json_is_a_frame_though_it_was_cut(hints: Hints) {
    let mut trail = Trail::with(hints, &["log"], |spec| lists(spec, Framing::JsonLines));
    let cut = ["{\"a\":{\"b\":", "{\"a\":[{\"b\":1},", "{\"a\":[", "{\"a\":\"x", "{\"a\":1", "{\"a\":1,\"b\"", "{"];
    let whole = ["{\"a\":1}", "[{\"a\":1},{\"a\":2}]", "{\"a\":1} {\"b\":2}", "{\"a\":1}x", "no JSON"];
    let mut expected = Vec::new();
    for line in cut.iter().chain(&whole) {
        expected.extend([*line, "{\"c\":3}"]);
    }
    trail.append("log", expected.join("\n") + "\n");
    trail.look();
    assert_eq!(trail.lines, expected);
    trail.append("log", "{\n  \"a\": [\n    {\"b\": 1}\n  ]\n}\n{\"c\":3}\n[\n{\"d\":4},\n{\"d\":5}\n]\n");
    trail.look();
    let over = ["{\n  \"a\": [\n    {\"b\": 1}\n  ]\n}", "{\"c\":3}", "[\n{\"d\":4},\n{\"d\":5}\n]"];
    assert_eq!(trail.lines[expected.len()..], over);
}

pub(super) fn csv_trail(hints: Hints) -> Trail {
    csv_trail_with(hints, None)
}

fn csv_trail_with(hints: Hints, stated: Option<&str>) -> Trail {
    let names = csv::HeaderNames::new(["time", "actor", "ip"].map(str::to_owned), stated.map(str::to_owned)).unwrap();
    Trail::with(hints, &["log"], |spec| (spec.framing, spec.names) = (Framing::CSV, Some(names.into())))
}

/// Looks, and gives the records of so many batches, each with the header that it came under.
pub(super) fn headed(trail: &mut Trail, batches: usize) -> Vec<(String, String)> {
    trail.follower.reconcile();
    let mut out = Vec::new();
    for _ in 0..batches {
        let Some(batch) = trail.next() else { break };
        out.extend(under_its_header(&batch));
        trail.commit(batch);
    }
    out
}

pub(super) fn under_its_header(batch: &Batch) -> Vec<(String, String)> {
    let header = batch.header.as_deref().unwrap_or("-");
    let record = |frame| String::from_utf8(batch.bytes(frame).to_vec()).unwrap();
    batch.frames.iter().map(|frame| (header.to_owned(), record(frame))).collect()
}

fn under(header: &str, records: &[&str]) -> Vec<(String, String)> {
    records.iter().map(|record| (header.to_owned(), (*record).to_owned())).collect()
}

fn e50_a_header_holds_for_the_records_behind_it_and_is_found_again(hints: Hints) {
    let mut trail = csv_trail(hints);
    trail.append("log", "\"A \"title\"\"\n");
    assert_eq!(headed(&mut trail, 100), under("-", &["\"A \"title\"\""]));
    let first = "time,actor,ip,ua";
    trail.append("log", format!("{first}\r\n1,ana,x,\"a\nactor;time;ip\nb\"\r\n{first}\r\n2,ben,"));
    let quoted = "1,ana,x,\"a\nactor;time;ip\nb\"";
    assert_eq!(headed(&mut trail, 100), under(first, &[quoted, first]), "what stands in quotes is no header");
    trail.append("log", "x,\n");
    assert_eq!(headed(&mut trail, 100), under(first, &["2,ben,x,"]));
    // written to by another version, with other columns and another delimiter
    let second = "actor;ip;\"time\"";
    trail.append("log", format!("3,cho,x,\n{second}\n\"dan;,\ne\";x;4\n"));
    assert_eq!(headed(&mut trail, 100), [under(first, &["3,cho,x,"]), under(second, &["\"dan;,\ne\";x;4"])].concat());
    // who begins anew in the middle finds it in the file
    trail.restart();
    trail.append("log", "eve;x;5\n");
    assert_eq!(headed(&mut trail, 100), under(second, &["eve;x;5"]));
    // and who begins at the end, and another file has its own
    trail.spec.start = Start::End;
    trail.cursors.clear();
    trail.restart();
    assert_eq!(headed(&mut trail, 100), []);
    trail.append("log", "fay;x;6\n");
    assert_eq!(headed(&mut trail, 100), under(second, &["fay;x;6"]));
    trail.rename("log", "log.1");
    trail.append("log", "7,gus,x\n");
    let rest: Vec<_> = (0..40).flat_map(|_| headed(&mut trail, 100)).collect();
    assert_eq!(rest, under("-", &["7,gus,x"]), "nothing is guessed of a file that states nothing");
    // a file that was cut begins anew
    std::fs::write(trail.path("log"), format!("{first}\n8,hal,x,y\n")).unwrap();
    let rest: Vec<_> = (0..4).flat_map(|_| headed(&mut trail, 100)).collect();
    assert_eq!(rest, under(first, &["8,hal,x,y"]));
}

fn e50_quotes_go_over_lines_as_far_as_they_may(hints: Hints) {
    let mut trail = csv_trail(hints);
    let long = format!("1,\"{}\",x", "ab\n".repeat(csv::QUOTED_BYTES / 3 - 4));
    let torn = "2,\"never closed,x";
    trail.append("log", format!("time,actor,ip\n{long}\n{torn}\n3,ben,x\n"));
    trail.look();
    assert_eq!(trail.lines, [long.as_str()], "it may be closed yet");
    let more: Vec<String> = (4..20_000).map(|n| format!("{n},cho,x")).collect();
    trail.append("log", format!("{}\n", more.join("\n")));
    trail.look();
    assert_eq!(trail.lines[1..3], [torn, "3,ben,x"], "it costs no record but itself");
    assert_eq!(trail.lines[3..], more);
    // and one of which the file ends in the middle
    trail.append("log", "1,\"never\nx,y,z");
    trail.look();
    trail.rename("log", "log.1");
    trail.append("log", "a,b,c\n");
    trail.settle_for_good();
    let tail: Vec<&str> = trail.lines.iter().rev().take(3).map(String::as_str).collect();
    assert_eq!(tail, ["x,y,z", "1,\"never", "a,b,c"]);
}

fn e50_the_header_that_a_profile_states_says_the_delimiter(hints: Hints) {
    let mut trail = csv_trail_with(hints, Some("time;actor;ip"));
    let records = ["1;ana;\"a\nb\"", "1;Smith,\"Bob;x", "2;ben;x", "3;\"cho\";y"];
    trail.append("log", records.map(|record| format!("{record}\n")).concat());
    assert_eq!(headed(&mut trail, 100), under("-", &records));
}

fn e50_a_byte_order_mark_before_a_header_is_none_of_it(hints: Hints) {
    let mut trail = csv_trail(hints);
    trail.append("log", "time,actor,ip\n1,ana,x\n\u{feff}actor,time,ip\nana,2,x\n");
    let expected = [under("time,actor,ip", &["1,ana,x"]), under("actor,time,ip", &["ana,2,x"])].concat();
    assert_eq!(headed(&mut trail, 100), expected);
}

fn e50_after_torn_quotes_no_line_of_a_field_makes_a_header(hints: Hints) {
    let mut trail = csv_trail(hints);
    let first = "time,actor,ip";
    // what an honest writer makes of one field of somebody who wants to be a header
    let field = format!("x\nip|actor|time\n{}", "\"\"".repeat(csv::QUOTED_BYTES / 2));
    trail.append("log", format!("{first}\n1,eve,\"{field}\"\n2,ben,x\n"));
    let read = headed(&mut trail, 100);
    assert_eq!(read.last(), under(first, &["2,ben,x"]).last());
    assert!(read.iter().all(|(header, _)| header == first));
    trail.restart();
    trail.append("log", "ip|actor|time\n3,cho,x\n");
    assert_eq!(headed(&mut trail, 100), under(first, &["ip|actor|time", "3,cho,x"]), "nor after a new start");
}

fn a_header_far_before_what_is_new_is_found_in_many_steps(hints: Hints) {
    let mut trail = csv_trail(hints);
    let rows = "1,ana,x\n".repeat(1 << 20);
    // over some steps, with a line that is passed over and room that a power loss left
    let long = "y".repeat(9 << 20);
    trail.append("log", format!("time,actor,ip\n{rows}{long}\nactor,time,ip\n{rows}{}", "\0".repeat(8 << 20)));
    trail.append("log", "ip,actor,time\n");
    trail.look();
    while trail.follower.is_looking() {
        trail.read();
    }
    trail.restart();
    trail.append("log", "x,ana,1\n");
    trail.follower.reconcile();
    let mut found = Vec::new();
    let mut steps = 0;
    while found.is_empty() {
        match trail.next() {
            Some(batch) => {
                found = under_its_header(&batch);
                trail.commit(batch);
            }
            None => assert!(trail.follower.is_looking()),
        }
        steps += 1;
    }
    assert_eq!(found, under("ip,actor,time", &["x,ana,1"]));
    assert!(steps > 4, "{steps} steps");
    assert!(!trail.follower.is_looking());
    // and a replay that goes on does not end before it has read it
    trail.restart();
    trail.append("log", "x,ben,2\n");
    trail.follower.reconcile();
    let batch = trail.follower.finish(WallTime(0)).unwrap().expect("there is a line more");
    assert_eq!(under_its_header(&batch), under("ip,actor,time", &["x,ben,2"]));
}
