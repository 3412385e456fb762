//! Drills: attacks made in one's own trails are found or missed as the policies say, and nothing of it stays.
use crate::support::{self, DOWNLOADS, PORTAL, Site, text};
use serde_json::Value;
use std::io::Write;

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
/// 1 April 2024, 09:00 UTC.
const END: i64 = 1_711_962_000;

/// Three weeks of two people's work, each for customers of their own.
fn site(more: &str) -> Site {
    let site = Site::bare("", more);
    site.append_to(DOWNLOADS);
    let mut lines = String::new();
    for day in (1..=21).rev() {
        for n in 0..32 {
            for (who, host) in [("ana", 1), ("bob", 2)] {
                let at = END - day * 86_400 + n * 60 + host;
                let ts = jiff::Timestamp::from_second(at).unwrap();
                let (event, details) = match n {
                    0 => ("session.login", String::new()),
                    31 => (
                        "log.export.requested",
                        format!(
                            "\"export\":\"x-{who}-{day}\",\"kind\":\"sms\",\"from\":\"2024-02-01\",\"to\":\"2024-02-01\",\"rows\":{}",
                            5000 + 100 * day
                        ),
                    ),
                    _ => ("page.view", String::new()),
                };
                lines += &format!(
                    "{{\"ts\":\"{ts}\",\"id\":\"{who}-{at}\",\"event\":\"{event}\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-{host}\",\
                     \"name\":\"{who}\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"s-{who}-{day}\",\"ip\":\"192.0.2.{host}\",\
                     \"ua\":\"{CHROME}\",\"account\":\"AC-{who}-{}\",\"details\":{{{details}}}}}\n",
                    day % 9
                );
            }
        }
    }
    site.append_to(PORTAL).write_all(lines.as_bytes()).unwrap();
    site
}

fn drill(site: &Site, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let out = site.say(&[&["drill", "--json"], arguments].concat());
    let lines = String::from_utf8(out.stdout.clone()).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", text(&out))));
    (out.status.code(), rows.collect())
}

#[test]
fn a_stolen_session_is_found_and_nothing_of_it_stays() {
    let site = site("");
    let (code, rows) = drill(&site, &["--scenarios", "stolen-session,push-fatigue"]);
    assert_eq!((code, rows.len()), (Some(0), 2), "{rows:#?}");
    let stolen = &rows[0];
    assert_eq!(stolen["found_by"], "stolen_session_export", "{stolen:#}");
    assert!(["ana", "bob"].contains(&stolen["victim"].as_str().unwrap()), "{stolen:#}");
    assert!(stolen["after_records"].as_u64() < stolen["records"].as_u64(), "{stolen:#}");
    assert_eq!(stolen["order"], "end-session on the session");
    let lacks = rows[1]["lacks"].as_str().unwrap();
    assert!(lacks.contains("mfa_challenge"), "{lacks}");
    assert!(!site.path("state").exists(), "it wrote to the state directory");
}

#[test]
fn the_same_seed_makes_the_same_attacks() {
    let site = site("");
    assert_eq!(drill(&site, &["--seed", "7"]), drill(&site, &["--seed", "7"]));
    assert_ne!(drill(&site, &["--seed", "7"]).1, drill(&site, &["--seed", "8"]).1);
}

#[test]
fn what_no_policy_finds_any_more_is_missed() {
    let off =
        ["stolen_session_export", "bulk_export"].map(|name| format!("[policy.{name}]\nenabled = false\n")).concat();
    let site = site(&off);
    let (code, rows) = drill(&site, &["--scenarios", "stolen-session"]);
    assert_eq!(code, Some(1), "{rows:#?}");
    let unknown = site.say(&["drill", "--scenarios", "storm"]);
    assert!(text(&unknown).contains("stolen-session"), "{}", text(&unknown));
}

#[test]
fn the_shipped_policies_find_attacks_in_a_made_world() {
    let world = tempfile::tempdir().unwrap();
    let size = ["--seed", "2", "--days", "25", "--staff", "60", "--accounts", "120", "--attacks", "none"];
    let out = ["--out", world.path().to_str().unwrap()];
    support::python(&support::of_world("world.py"), size.into_iter().chain(out));
    let mut command = support::tripline(&["drill", "--json", "-c"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/world/tripline.toml")).env("WORLD", world.path());
    let out = command.output().unwrap();
    let lines = String::from_utf8(out.stdout.clone()).unwrap();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let played: Vec<&Value> = rows.iter().filter(|row| row["lacks"].is_null()).collect();
    assert!(played.len() >= 8, "{}", text(&out));
    for name in ["stolen-session", "residential-proxy", "stolen-cookie", "api-key-leaked"] {
        let row = played.iter().find(|row| row["scenario"] == name).unwrap_or_else(|| panic!("{}", text(&out)));
        assert!(["high", "critical"].contains(&row["severity"].as_str().unwrap_or_default()), "{row:#}");
        assert!(row["after_records"].as_u64().unwrap() * 2 < row["records"].as_u64().unwrap(), "{row:#}");
    }
}
