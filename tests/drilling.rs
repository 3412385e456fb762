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

/// Beside a made world's own acts, one each of those that only intrusions of it do, by an honest hand.
fn with_rare_acts(world: &std::path::Path) {
    let path = world.join("portal-audit.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let by: Value =
        serde_json::from_str(lines.iter().find(|line| line.contains("log.export.requested")).unwrap()).unwrap();
    let middle = lines.len() / 2;
    let at: Value = serde_json::from_str(lines[middle]).unwrap();
    let rare = ["user.mfa_reset", "token.created", "impersonation.start"].map(|event| {
        let mut row = by.clone();
        (row["event"], row["id"], row["ts"]) = (event.into(), format!("rare-{event}").into(), at["ts"].clone());
        row["details"] = serde_json::json!({ "target": "somebody", "key": "key-rare" });
        row.to_string()
    });
    let rare: Vec<&str> = rare.iter().map(String::as_str).collect();
    let all = [&lines[..middle], &rare, &lines[middle..]].concat();
    std::fs::write(&path, all.join("\n") + "\n").unwrap();
}

#[test]
fn the_public_record_is_played_in_a_made_world_and_each_is_found_or_said() {
    let world = tempfile::tempdir().unwrap();
    let size = ["--seed", "2", "--days", "25", "--staff", "60", "--accounts", "120", "--attacks", "none"];
    let out = ["--out", world.path().to_str().unwrap()];
    support::python(&support::of_world("world.py"), size.into_iter().chain(out));
    with_rare_acts(world.path());
    let mut command = support::tripline(&["drill", "--json", "-c"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/world/tripline.toml")).env("WORLD", world.path());
    let out = command.output().unwrap();
    let lines = String::from_utf8(out.stdout.clone()).unwrap();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() >= 25, "{}", text(&out));
    // which are not found, or can't be played, is known: whoever mends one takes it out of here
    let (mut missed, mut lacking) = (Vec::new(), Vec::new());
    for row in &rows {
        let name = row["scenario"].as_str().unwrap();
        if !row["lacks"].is_null() {
            lacking.push(name);
            assert!(row["found_by"].is_null(), "{row:#}");
        } else if !["high", "critical"].contains(&row["severity"].as_str().unwrap_or_default()) {
            missed.push(name);
        }
    }
    assert_eq!(lacking, ["service-password"], "{}", text(&out));
    assert_eq!(missed, ["home-machine"], "{}", text(&out));
    for (name, by) in [
        ("phished-one-customer", "stolen_session_export"),
        ("lookups-by-many", "stolen_session_looks_around"),
        ("phished-crowd", "stolen_session_looks_around"),
        ("open-endpoint", "nobody_records_network"),
        ("replayed-cookie", "stolen_session_export"),
        ("cookie-then-token", "strange_credential_used"),
        ("support-tool", "bulk_export"),
        ("reset-then-wait", "reset_then_strange_origin"),
        ("years-in-small", "stolen_session_export"),
        ("integration-token", "key_new_network_long_pull"),
        ("patient-prompts", "stolen_session_looks_around"),
    ] {
        let row = rows.iter().find(|row| row["scenario"] == name).unwrap_or_else(|| panic!("{}", text(&out)));
        let policies = row["policies"].as_array().unwrap();
        assert!(policies.iter().any(|policy| policy == by), "{row:#}");
        assert!(row["abstracts"]["year"].is_string(), "{row:#}");
    }
    for name in ["stolen-session", "residential-proxy", "stolen-cookie", "api-key-leaked"] {
        let row = rows.iter().find(|row| row["scenario"] == name).unwrap_or_else(|| panic!("{}", text(&out)));
        assert!(row["after_records"].as_u64().unwrap() * 2 < row["records"].as_u64().unwrap(), "{row:#}");
    }
}

#[test]
fn a_trail_without_a_service_account_is_said_and_counts_neither_way() {
    let site = site("");
    let out = site.say(&["drill", "--scenarios", "replayed-cookie,service-password,open-endpoint"]);
    let said = text(&out);
    assert!(said.contains("not played: service-password: no service account acts in a session"), "{said}");
    assert!(said.contains("not played: open-endpoint: no key has pulled records"), "{said}");
    assert!(said.contains("1 of 1 found at high or above; 2 can't be played with these trails"), "{said}");
}

#[test]
fn the_list_says_what_each_scenario_abstracts_and_the_book_names_it() {
    let out = support::tripline(&["drill", "--scenarios", "list"]).output().unwrap();
    let said = text(&out);
    assert!(
        said.contains("abstracts Twilio, 2022 (Twilio, \"Incident Report: Employee and Customer Account Compromise\")"),
        "{said}"
    );
    let out = support::tripline(&["drill", "--scenarios", "list", "--json"]).output().unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/guide/drill.md")).unwrap();
    let rows = String::from_utf8(out.stdout).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for row in &rows {
        let name = row["scenario"].as_str().unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name} is not in the book");
        if let Some(incident) = row["abstracts"].as_object() {
            let all = ["name", "year", "source"].map(|key| incident[key].as_str().unwrap());
            assert!(all.iter().all(|text| !text.is_empty() && !text.contains("://")), "{row}");
            assert!(
                page.contains(&format!("{}, {}", all[0], all[1])),
                "{name}: {}, {} is not in the book",
                all[0],
                all[1]
            );
        }
    }
    assert!(rows.iter().filter(|row| row["abstracts"].is_object()).count() >= 13);
}
