//! Records that state no time that can be read: when they count, what they leave alone, and who is told.
use crate::support::{ANY_EXPORT, Site, text};
use serde_json::Value;
use std::io::Write;
use tripline::framing::Framing;
use tripline::ledger::Keys;
use tripline::model::{EventTime, Severity, SourceName, WallTime};
use tripline::pipeline::{Prepared, Scratch};
use tripline::rules::{self, Tables, Texts, TrailProfile};
use tripline::source::{Follower, Start, TrailSpec, Until};

/// Three exports of one person in an hour.
const THREE: &str = "title: An export\nname: an_export\nlogsource: { product: ocsf }\n\
    detection:\n  sel: { activity_name: export_requested }\n  condition: sel\n\
    ---\ntitle: Three exports\nname: three_exports\nlevel: high\n\
    correlation:\n  type: event_count\n  rules: [an_export]\n  group-by: [actor.user.name]\n  timespan: 1h\n  condition: { gte: 3 }\n";

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn export(n: usize, ts: &str) -> String {
    by("ana", n, ts)
}

fn by(who: &str, n: usize, ts: &str) -> String {
    format!(
        r#"{{"ts":"{ts}","id":"ev-{n}","event":"log.export.requested","outcome":"success","actor":{{"name":"{who}","type":"staff"}},"session":"s-{who}-1234","ip":"192.0.2.1","account":"AC1","details":{{"export":"ex-{n}","kind":"sms","rows":10}}}}"#
    ) + "\n"
}

fn at(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// The trail's counters, the findings, and the event without a time, where the third of five exports states none and the first was
/// `ago` ago, each other a minute later. The last two are `last`'s.
fn after(ago: i64, last: &str) -> (Value, Vec<Value>, Value) {
    let site = Site::bare("", "");
    site.policy("any-export", ANY_EXPORT);
    site.policy("three", THREE);
    let text_of = site.configuration();
    site.configure(&format!("policies_dir = '{}'\n{text_of}", site.path("policies").display()));
    let stamp = |n: i64| if n == 2 { "yesterday".to_owned() } else { at(now() - ago + n * 60_000) };
    let lines: String = (0..5).map(|n| by(if n < 3 { "ana" } else { last }, n as usize, &stamp(n))).collect();
    site.append_to(crate::support::PORTAL).write_all(lines.as_bytes()).unwrap();
    site.append_to(crate::support::DOWNLOADS);
    let daemon = site.start(&[]);
    site.caught_up();
    let trail = site.status()["trails"]["portal"].clone();
    let findings = site.json(&["findings", "list"]);
    let shown = |found: &Value| {
        let id = found["finding"]["id"].as_str().unwrap();
        site.json(&["findings", "show", id]).remove(0)
    };
    let events = findings.iter().map(shown).flat_map(|shown| shown["events"].as_array().unwrap().clone());
    let undated = events.into_iter().find(|event| event["marks"]["time_missing"] == true).expect("it is found");
    daemon.stop();
    // and from what is recorded and the file, the same is made again
    site.make_again();
    (trail, findings, undated)
}

/// How often each policy that a test looks at has fired.
fn fired(findings: &[Value]) -> [usize; 3] {
    let of = |policy: &str| findings.iter().filter(|f| f["finding"]["policy"] == policy).count();
    [of("any_export"), of("three_exports"), of("trail_undated")]
}

const HOUR: i64 = 3_600_000;

#[test]
fn a_record_without_a_time_has_that_of_its_arrival_and_counts_in_its_window() {
    let (trail, findings, undated) = after(HOUR / 2, "ben");
    assert_eq!((&trail["undated"], &trail["unplaced"], &trail["late"]), (&1.into(), &0.into(), &0.into()), "{trail}");
    let time = undated["time"].as_i64().unwrap();
    assert_eq!(undated["time"], undated["observed"]);
    assert!((0..60_000).contains(&(now() - time)), "{undated}");
    let newest = trail["newest"].as_i64().unwrap();
    assert!(newest < time - HOUR / 4, "the trail's own time goes on with what it states: {trail}");
    // ana's two that are dated make no three without it
    assert_eq!(fired(&findings)[1..], [1, 0], "{findings:?}");
    let three = findings.iter().find(|f| f["finding"]["policy"] == "three_exports").unwrap();
    assert_eq!(three["finding"]["time"], undated["time"], "{three}");
}

#[test]
fn where_a_trail_is_read_long_after_it_was_written_no_window_counts_it_and_that_is_said_at_once() {
    let (trail, findings, undated) = after(30 * 24 * HOUR, "ana");
    assert_eq!((&trail["undated"], &trail["unplaced"], &trail["late"]), (&1.into(), &1.into(), &0.into()), "{trail}");
    assert!((0..60_000).contains(&(now() - undated["time"].as_i64().unwrap())), "{undated}");
    assert_eq!(undated["marks"], serde_json::json!({"time_missing": true, "unplaced": true}));
    let newest = trail["newest"].as_i64().unwrap();
    assert!((29 * 24 * HOUR..30 * 24 * HOUR).contains(&(now() - newest)), "{trail}");
    // what looks at one record alone sees it as any other (once an hour for one person), and nothing is ended for it
    let [any, three, told] = fired(&findings);
    assert!((2..=3).contains(&any) && (three, told) == (1, 1), "{findings:?}");
    let unknown = |f: &&Value| f.to_string().contains("no order is given");
    let of_it: Vec<&Value> = findings.iter().filter(unknown).collect();
    assert!(of_it.len() == 1 && of_it[0]["finding"]["asks"].as_array().is_none_or(Vec::is_empty), "{findings:?}");
    let three = findings.iter().find(|f| f["finding"]["policy"] == "three_exports").unwrap();
    assert_eq!(three["finding"]["time"].as_i64(), Some(newest - 60_000), "the third that is dated: {three}");
}

#[test]
fn a_replay_says_what_it_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let stamp = |n: i64| if n == 2 { "yesterday".to_owned() } else { at(1_790_000_000_000 + n * 60_000) };
    let lines: String = (0..5).map(|n| export(n as usize, &stamp(n))).collect();
    let file = dir.path().join("portal.jsonl");
    std::fs::write(&file, lines).unwrap();
    let said = crate::support::tripline(&["replay", file.to_str().unwrap()]).output().unwrap();
    let said = text(&said);
    assert!(said.contains("1 of its events state no time that can be read"), "{said}");
    assert!(said.contains("trail_undated"), "{said}");
    let place = format!("{}:3", file.display());
    let said =
        text(&crate::support::tripline(&["replay", file.to_str().unwrap(), "--explain", &place]).output().unwrap());
    assert!(said.contains("counted in no window"), "{said}");
}

/// Trails meet by the times of their lines: one that arrives now must not keep what stands behind it from being read in its turn.
#[test]
fn a_line_without_a_time_stands_where_the_one_before_it_does() {
    let keys = Keys::new(&[7; 32]);
    let profiles = [TrailProfile::plain(SourceName("portal".into()), "tripline-portal")];
    let (texts, tables, settings) = (Texts::shipped(), Tables::default(), Default::default());
    let rules = rules::compile(&texts, tables, &profiles, settings, Severity::Medium, keys.secrets()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let times = [None, Some(5000), None, Some(7000), None];
    let line = |(n, time): (usize, &Option<i64>)| export(n, &time.map_or("never".to_owned(), at));
    let lines: String = times.iter().enumerate().map(line).collect();
    let path = dir.path().join("portal.jsonl");
    std::fs::write(&path, lines).unwrap();
    let spec = TrailSpec {
        name: SourceName("portal".into()),
        paths: vec![path.to_str().unwrap().to_owned()],
        start: Start::Beginning,
        framing: Framing::Lines,
        names: None,
        lists: Default::default(),
        until: Until::Forever,
    };
    let mut follower = Follower::open(spec, Vec::new());
    assert!(follower.reconcile().is_empty());
    let batch = follower.next(WallTime(1_790_010_000_000)).unwrap().unwrap();
    let prepared = rules.prepare(batch, &mut Scratch::new(1));
    let stated = |prepared: &Prepared| -> Vec<Option<i64>> {
        prepared.lines.iter().map(|line| line.time.map(|time| time.0)).collect()
    };
    assert_eq!(stated(&prepared), times);
    assert_eq!((prepared.begins(), prepared.reaches()), (Some(EventTime(5000)), EventTime(7000)));
    let (first, rest) = prepared.cut_after(EventTime(6000));
    assert_eq!([first, rest].map(|part| stated(&part.unwrap())), [&times[..3], &times[3..]]);
}
