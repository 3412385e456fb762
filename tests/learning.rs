//! Learning from old logs: what is learned finds the theft of the next day, and learning itself tells and orders nothing.
use crate::support::{self, DOWNLOADS, PORTAL, Site, text};
use serde_json::Value;
use std::io::Write;

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.3; rv:118.0) Gecko/20100101 Firefox/118.0";
/// 1 April 2024, 09:00 UTC.
const THEFT: i64 = 1_711_962_000;
const DAY: i64 = 86_400;

/// One line of the portal's trail.
fn act(at: i64, event: &str, (session, ip, ua): (&str, &str, &str), account: &str, details: &str) -> String {
    let ts = jiff::Timestamp::from_second(at).unwrap();
    format!(
        "{{\"ts\":\"{ts}\",\"id\":\"{event}-{session}-{at}\",\"event\":\"{event}\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-1\",\
         \"name\":\"ana\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"{session}\",\"ip\":\"{ip}\",\"ua\":\"{ua}\",\
         \"account\":\"{account}\",\"details\":{{{details}}}}}\n"
    )
}

/// Three weeks of ana's work from one place with one browser. On one morning of them somebody stole a session of hers.
fn weeks(stolen_before: bool) -> String {
    let mut lines = String::new();
    for day in (1..=21).rev() {
        let session = format!("s-{day}");
        let usual = (session.as_str(), "192.0.2.1", CHROME);
        let morning = THEFT - day * DAY;
        lines += &act(morning, "session.login", usual, "", "");
        (1..=30).for_each(|n| lines += &act(morning + n * 60, "page.view", usual, &format!("AC{}", n % 3), ""));
        for n in 0..=day % 2 {
            let details = format!(
                "\"export\":\"x-{day}-{n}\",\"kind\":\"sms\",\"from\":\"2024-02-01\",\"to\":\"2024-02-01\",\"rows\":{}",
                100 + day
            );
            lines += &act(morning + 3600 + n * 60, "log.export.requested", usual, &format!("AC{n}"), &details);
        }
        if stolen_before && day == 3 {
            lines += &theft(morning + 7200, "s-first", "203.0.113.7", FIREFOX);
        }
    }
    lines
}

/// Somebody with her password, from elsewhere, who exports a month of five customers that she never served.
fn theft(at: i64, session: &str, ip: &str, ua: &str) -> String {
    let thief = (session, ip, ua);
    let mut lines = act(at, "session.login", thief, "", "");
    for n in 0..5 {
        let details = format!(
            "\"export\":\"{session}-{n}\",\"kind\":\"mfa\",\"from\":\"2024-03-01\",\"to\":\"2024-03-31\",\"rows\":{}",
            80_000 + n
        );
        lines += &act(at + 300 + n * 60, "log.export.requested", thief, &format!("AC9{n}"), &details);
    }
    lines
}

/// A site whose trail holds the day of the theft, and a rotated file with the weeks before it.
fn site(stolen_before: bool) -> Site {
    let site = Site::bare("", "");
    site.append_to(DOWNLOADS);
    let day = theft(THEFT, "s-thief", "198.51.100.9", FIREFOX);
    site.append_to(PORTAL).write_all(day.as_bytes()).unwrap();
    std::fs::write(site.path("old.jsonl"), weeks(stolen_before)).unwrap();
    site
}

fn learn(site: &Site, arguments: &[&str]) -> Value {
    let old = site.path("old.jsonl");
    let out = site.say(&[&["learn", "--json", old.to_str().unwrap()], arguments].concat());
    assert!(out.status.success(), "{}", text(&out));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Waits until the daemon has committed the trail's last line. Its counters count the learned lines as well.
fn read_to_its_end(site: &Site, learned: u64) {
    let lines = std::fs::read(site.path(PORTAL)).unwrap().iter().filter(|b| **b == b'\n').count() as u64;
    support::until("the daemon to read the trail", || {
        let known = site.status()["trails"]["portal"]["lines"].as_u64();
        (known >= Some(learned + lines)).then_some(())
    });
}

fn policies(site: &Site, state: &str) -> Vec<String> {
    site.findings(state).iter().map(|f| f.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn what_was_learned_finds_the_theft_of_the_next_day_and_was_told_to_nobody() {
    let site = site(false);
    let said = learn(&site, &[]);
    assert_eq!((&said["people"], &said["repeated"]), (&1.into(), &0.into()), "{said}");
    assert_eq!(said["files"][0]["lines"], 21 * 31 + 21 + 11, "{said}");
    let learns = said["learning"].as_array().unwrap();
    assert!(learns.iter().any(|l| l["policy"] == "new_network_owner" && l["learned"] == 1), "{said}");
    let dump = site.dump("state");
    for what in ["finding ", "order ", "message ", "event "] {
        assert!(!dump.iter().any(|line| line.starts_with(what)), "{what}: {dump:#?}");
    }
    assert!(site.findings("state").is_empty());
    let daemon = site.start(&[]);
    read_to_its_end(&site, said["files"][0]["lines"].as_u64().unwrap());
    drop(daemon);
    let found = policies(&site, "state");
    assert!(found.contains(&"stolen_session_export".to_owned()), "{found:?}");
    // what was learned is a recorded input like any other
    site.make_again();
}

#[test]
fn nobody_is_known_without_learning() {
    let site = site(false);
    site.replay("state");
    let found = policies(&site, "state");
    assert!(!found.contains(&"stolen_session_export".to_owned()), "{found:?}");
}

#[test]
fn what_would_have_been_found_in_old_lines_is_counted_and_keeps_nothing_quiet() {
    let site = site(true);
    let said = learn(&site, &[]);
    assert!(said["would_have_found"]["stolen_session_export"].as_u64().is_some_and(|n| n > 0), "{said}");
    assert!(site.findings("state").is_empty());
    site.replay("state");
    // the earlier theft lies in the same episode, and nobody was told of it
    let found = policies(&site, "state");
    assert!(found.contains(&"stolen_session_export".to_owned()), "{found:?}");
}

#[test]
fn learning_twice_and_reading_the_same_lines_again_counts_them_once() {
    let site = site(false);
    let first = learn(&site, &[]);
    let refused = site.say(&["learn", site.path("old.jsonl").to_str().unwrap()]);
    assert!(text(&refused).contains("--anyway"), "{}", text(&refused));
    let again = learn(&site, &["--anyway"]);
    assert_eq!(again["repeated"], first["files"][0]["events"], "{again}");
    // the same lines in the trail that the daemon follows
    let old = std::fs::read(site.path("old.jsonl")).unwrap();
    let day = std::fs::read(site.path(PORTAL)).unwrap();
    std::fs::write(site.path(PORTAL), [old, day].concat()).unwrap();
    let daemon = site.start(&[]);
    read_to_its_end(&site, 2 * first["files"][0]["lines"].as_u64().unwrap());
    let status = site.status();
    assert_eq!(status["trails"]["portal"]["repeated"], 2 * first["files"][0]["events"].as_u64().unwrap(), "{status}");
    let other = site.say(&["learn", "--anyway", site.path("old.jsonl").to_str().unwrap()]);
    assert_eq!(other.status.code(), Some(75), "{}", text(&other));
    drop(daemon);
    let found = policies(&site, "state");
    assert!(found.contains(&"stolen_session_export".to_owned()), "{found:?}");
}
