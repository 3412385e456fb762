//! Lines that nobody meant well: each is counted where people look, and nothing around it is lost.
use crate::support::{self, PORTAL, Site};
use serde_json::Value;
use std::io::Write;

/// A good line. Times are of these days, for a stamp of a far day would be judged by its age.
fn good(n: u32) -> Vec<u8> {
    let at = jiff::Timestamp::now().as_millisecond() - 3_600_000 + i64::from(n) * 1000;
    let at = jiff::Timestamp::from_millisecond(at).unwrap();
    line(&at.to_string(), n, "\"actor\":{\"id\":\"u1\",\"name\":\"ana\",\"type\":\"user\",\"role\":\"support\"}")
}

fn line(at: &str, n: u32, actor: &str) -> Vec<u8> {
    format!(
        "{{\"ts\":\"{at}\",\"id\":\"e{n}\",\"event\":\"page.view\",\"outcome\":\"success\",{actor},\"session\":\"s1\",\
         \"ip\":\"192.0.2.1\",\"ua\":\"Mozilla/5.0\",\"account\":\"AC1\",\"details\":{{}}}}"
    )
    .into_bytes()
}

/// The portal's counters after these bytes between good lines, and the findings.
fn after(hostile: &[u8], lines: u64) -> (Value, Vec<String>) {
    let site = Site::bare("", "");
    let mut file = site.append_to(PORTAL);
    site.append_to(support::DOWNLOADS);
    let daemon = site.start(&[]);
    for n in 0..30 {
        file.write_all(&[&good(n)[..], b"\n"].concat()).unwrap();
    }
    file.write_all(hostile).unwrap();
    for n in 30..60 {
        file.write_all(&[&good(n)[..], b"\n"].concat()).unwrap();
    }
    site.caught_up();
    let shown = site.json(&["status"]).remove(0);
    let portal = shown["trails"]["portal"].clone();
    daemon.stop();
    assert_eq!(portal["lines"], 60 + lines, "{portal}");
    (portal, site.findings("state"))
}

/// Bytes that are no event: rejected so many times, and all 60 good lines are there.
fn rejected(hostile: &[u8], times: u64) {
    let (portal, findings) = after(hostile, times);
    let rejects: u64 = portal["rejects"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!((rejects, portal["events"].as_u64()), (times, Some(60)), "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_malformed_line() {
    rejected(b"{\"ts\":\"2026-03-01T00:00:00Z\",\"event\" 1}\nnonsense\n", 2);
}

#[test]
fn a_line_that_a_relay_has_cut_is_an_event_of_what_stands_before_the_cut() {
    let line = good(100);
    let (portal, findings) = after(&[&line[..line.len() - 40], b"\n"].concat(), 1);
    assert_eq!((portal["events"].as_u64(), &portal["rejects"]), (Some(61), &serde_json::json!({})), "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn e43_invalid_utf_8() {
    let mut bytes = good(100);
    let at = bytes.windows(3).position(|w| w == b"ana").unwrap();
    bytes[at] = 0xff;
    bytes.push(b'\n');
    let (portal, findings) = after(&bytes, 1);
    // whether it is an event with a replacement character or a reject: it is one of them, and shown
    let rejects: u64 = portal["rejects"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(portal["events"].as_u64().unwrap() + rejects, 61, "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn e44_a_lone_surrogate() {
    let text = String::from_utf8(good(100)).unwrap().replace("ana", "an\\ud800a");
    let (portal, findings) = after(format!("{text}\n").as_bytes(), 1);
    let rejects: u64 = portal["rejects"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(portal["events"].as_u64().unwrap() + rejects, 61, "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn e38_ten_mebibytes_in_one_line() {
    let mut bytes = good(100);
    bytes.pop();
    bytes.extend(b",\"more\":\"");
    bytes.resize(10 << 20, b'x');
    bytes.extend(b"\"}\n");
    let (portal, findings) = after(&bytes, 1);
    assert_eq!(portal["clipped"], 1, "{portal}");
    assert!(portal["events"].as_u64().unwrap() >= 60, "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn e45_a_field_of_meaning_twice() {
    let actor =
        |name| format!("\"actor\":{{\"id\":\"{name}\",\"name\":\"{name}\",\"type\":\"user\",\"role\":\"support\"}}");
    let at = jiff::Timestamp::now().to_string();
    let mut bytes = line(&at, 100, &format!("{},{}", actor("ana"), actor("eve")));
    bytes.push(b'\n');
    let (portal, findings) = after(&bytes, 1);
    let rejects: u64 = portal["rejects"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(portal["ambiguous"].as_u64().unwrap() + rejects, 1, "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn t54_t55_stamps_from_the_future_and_from_the_beginning() {
    let actor = "\"actor\":{\"id\":\"u1\",\"name\":\"ana\",\"type\":\"user\",\"role\":\"support\"}";
    let mut bytes = line("2096-01-01T00:00:00Z", 100, actor);
    bytes.push(b'\n');
    bytes.extend(line("1970-01-01T00:00:01Z", 101, actor));
    bytes.push(b'\n');
    let (portal, findings) = after(&bytes, 2);
    assert_eq!((portal["clamped"].as_u64(), portal["late"].as_u64()), (Some(1), Some(1)), "{portal}");
    // what follows them is neither late nor from the future
    assert_eq!(portal["events"], 62, "{portal}");
    let newest = portal["newest"].as_i64().unwrap();
    assert!((newest - jiff::Timestamp::now().as_millisecond()).abs() < 3_700_000, "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn e40_f15_nuls_around_a_line_and_carriage_returns() {
    let bytes = [&[0; 512][..], &good(100), b"\r\n", &good(101), b"\r\n"].concat();
    let (portal, findings) = after(&bytes, 2);
    assert_eq!(portal["events"], 62, "{portal}");
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn e41_a_byte_order_mark_at_the_beginning_is_no_line() {
    let site = Site::bare("", "");
    let mut file = site.append_to(PORTAL);
    site.append_to(support::DOWNLOADS);
    file.write_all(&[b"\xef\xbb\xbf", &good(0)[..], b"\n", &good(1), b"\n"].concat()).unwrap();
    let daemon = site.start(&[]);
    site.caught_up();
    let portal = site.status()["trails"]["portal"].clone();
    daemon.stop();
    assert_eq!((portal["lines"].as_u64(), portal["events"].as_u64()), (Some(2), Some(2)), "{portal}");
}

#[test]
fn e49_a_trail_of_which_much_is_unreadable_is_said_about_the_trail_and_nobody_else() {
    let (portal, findings) = after(&b"nonsense\n".repeat(40), 40);
    assert_eq!(portal["events"], 60, "{portal}");
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("trail_unreadable trail=portal"), "{findings:?}");
}

#[test]
fn a_trail_whose_lines_are_cut_or_undated_is_told_of_once() {
    let cut = |n: u32| [&good(n)[..good(n).len() - 40], b"\n"].concat();
    let (portal, findings) = after(&(100..140).flat_map(cut).collect::<Vec<u8>>(), 40);
    assert_eq!((portal["events"].as_u64(), portal["clipped"].as_u64()), (Some(100), Some(40)), "{portal}");
    assert!(findings.len() == 1 && findings[0].contains("trail_clipped trail=portal"), "{findings:?}");
    let undated = |n: u32| [&line("yesterday", n, "\"actor\":{\"name\":\"ana\"}")[..], b"\n"].concat();
    let (portal, findings) = after(&(100..140).flat_map(undated).collect::<Vec<u8>>(), 40);
    assert_eq!((portal["events"].as_u64(), portal["undated"].as_u64()), (Some(100), Some(40)), "{portal}");
    assert!(findings.len() == 1 && findings[0].contains("trail_undated trail=portal"), "{findings:?}");
}

#[test]
fn a_trail_that_can_t_be_read_at_all_is_told_of_as_of_now() {
    let site = Site::bare("", "");
    site.append_to(PORTAL).write_all(&b"nonsense\n".repeat(40)).unwrap();
    site.append_to(support::DOWNLOADS);
    let daemon = site.start(&[]);
    site.caught_up();
    let findings = site.json(&["findings", "list"]);
    daemon.stop();
    assert_eq!(findings.len(), 1, "{findings:?}");
    let time = findings[0]["time"].to_string();
    assert!(findings[0].to_string().contains("trail_unreadable") && !time.contains("1970"), "{findings:?}");
    let now = jiff::Timestamp::now().as_millisecond();
    assert!(findings[0]["time"].as_i64().is_none_or(|at| now - at < 600_000), "{findings:?}");
}

/// `line` of that number, as a portal writes it that numbers its records.
fn numbered(line: Vec<u8>, seq: u64) -> Vec<u8> {
    let text = String::from_utf8(line).unwrap();
    format!("{},\"seq\":{seq}}}\n", text.strip_suffix('}').unwrap()).into_bytes()
}

#[test]
fn records_cut_out_of_a_numbered_trail_are_missed_and_a_counter_set_back_is_said() {
    // a second apart: the hole is 11 minutes old before the next thousand records have come
    let number = |n: u64| if n < 800 { 5_000 + n } else { n };
    let trail: Vec<u8> = (0..810u32)
        .filter(|n| ![40, 41, 42].contains(n))
        .flat_map(|n| numbered(good(n + 100), number(n.into())))
        .collect();
    let (portal, findings) = after(&trail, 807);
    assert_eq!(portal["events"], 867, "{portal}");
    let policies: Vec<&str> = findings.iter().filter_map(|f| f.split(' ').nth(1)).collect();
    assert_eq!(policies.len(), 2, "{findings:?}");
    assert!(policies.contains(&"trail_records_missing") && policies.contains(&"trail_numbered_anew"), "{findings:?}");
}

#[test]
fn a_trail_that_goes_back_in_time_is_said_once() {
    let actor = "\"actor\":{\"id\":\"u1\",\"name\":\"ana\",\"type\":\"user\",\"role\":\"support\"}";
    let old = jiff::Timestamp::now().as_millisecond() - 9 * 86_400_000;
    let stamp = |n: u32| jiff::Timestamp::from_millisecond(old + i64::from(n) * 1000).unwrap().to_string();
    let back: Vec<u8> = (0..50).flat_map(|n| [line(&stamp(n), 1000 + n, actor), b"\n".to_vec()].concat()).collect();
    let (portal, findings) = after(&back, 50);
    assert_eq!(portal["late"], 50, "{portal}");
    assert!(findings.len() == 1 && findings[0].contains(" trail_backwards "), "{findings:?}");
}
