//! What an operator sets without editing shipped files: `[policy.NAME]`, as the program says and does it.
mod support;
use serde_json::Value;
use std::io::Write;
use support::{PORTAL, Site, text};

/// A line of the portal: an export of so many records at that minute.
fn export(minute: u32, who: &str, session: &str, ip: &str, customer: &str) -> String {
    format!(
        "{{\"ts\":\"2026-04-01T09:{minute:02}:00.000Z\",\"id\":\"e{minute}\",\"event\":\"log.export.requested\",\"outcome\":\"success\",\
         \"actor\":{{\"id\":\"u-{who}\",\"name\":\"{who}\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"{session}\",\"ip\":\"{ip}\",\
         \"ua\":\"Mozilla/5.0\",\"account\":\"{customer}\",\"details\":{{\"export\":\"x{minute}\",\"kind\":\"mfa\",\"rows\":60000}}}}\n"
    )
}

/// Two policies of our own: one export is enough for the one, three in an hour for the other.
const OWN: &str = "
title: An export
name: own_export
level: high
logsource: { product: ocsf }
detection:
  sel: { status: success, activity_name: export_requested }
  condition: sel
tripline:
  episode: 1h
  generate: true
  response: [ { action: end-session, target: session } ]
---
title: Three exports
name: own_three
level: medium
correlation:
  type: event_count
  rules: [own_export]
  group-by: [actor.user.name]
  timespan: 1h
  condition: { gte: 3 }
";

/// A site with those policies, and the lines in its portal's trail.
fn site(more: &str, lines: &[String]) -> Site {
    let site = Site::bare("", more);
    let folder = site.path("policies/detections");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("own.yml"), OWN).unwrap();
    let policies = site.path("policies").display().to_string();
    site.configure(&format!("policies_dir = '{policies}'\n{}", site.configuration()));
    site.append_to(support::DOWNLOADS);
    lines.iter().for_each(|line| site.append_to(PORTAL).write_all(line.as_bytes()).unwrap());
    site
}

/// The findings of our own policies after a replay.
fn found(site: &Site) -> Vec<Value> {
    site.replay("replayed");
    let (nobody, state) = (site.path("nobody.sock"), site.path("replayed"));
    let at = ["--socket", nobody.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let rows = site.json(&[&["findings", "list"], &at[..]].concat());
    rows.into_iter().filter(|row| row["finding"]["policy"].as_str().unwrap().starts_with("own_")).collect()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["finding"]["policy"].as_str().unwrap()).collect()
}

#[test]
fn check_says_what_is_changed() {
    let site = site(
        "[policy.own_three]\ncondition = { gte = 2 }\n[policy.own_export]\nenabled = false\n[policy.chain_stranger_export]\nlevel = 'critical'\n",
        &[],
    );
    let said = text(&site.say(&["check"]));
    for line in [
        "policy own_three: condition gte 2 in place of 3",
        "policy own_export: off: makes no findings, and counts for the policies that refer to it",
        "policy chain_stranger_export: as its file has it",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn an_action_that_is_not_there_is_no_response() {
    let site = site("[policy.own_export]\nresponse = [{ action = 'lock', target = 'user' }]\n", &[]);
    let out = site.say(&["check"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("policy own_export: there is no [actions.lock]"), "{}", text(&out));
}

#[test]
fn what_is_set_is_what_is_found() {
    let lines = [0, 1, 2].map(|n| export(n, "ana", "s1", "192.0.2.1", "AC1"));
    assert_eq!(names(&found(&site("", &lines))), ["own_export", "own_three"]);
    assert_eq!(names(&found(&site("[policy.own_export]\nenabled = false\n", &lines))), ["own_three"]);
    assert_eq!(names(&found(&site("[policy.own_three]\ncondition = { gte = 4 }\n", &lines))), ["own_export"]);
    let scoped = "[policy.own_export]\nexcept = { 'src_endpoint.ip' = ['192.0.2.0/24'] }\nlevel = 'low'\n";
    assert_eq!(names(&found(&site(scoped, &lines))), ["own_three"]);
    let elsewhere = [&lines[..], &[export(3, "ana", "s1", "198.51.100.9", "AC1")]].concat();
    let rows = found(&site(scoped, &elsewhere));
    assert_eq!(names(&rows), ["own_three", "own_export"]);
    assert_eq!(rows[1]["finding"]["severity"], "low");
}

#[test]
fn what_does_not_exist_is_refused_with_the_file_and_a_near_name() {
    for (more, words) in [
        (
            "[policy.own_tree]\nenabled = false\n",
            &["tripline.toml: [policy.own_tree]", "did you mean `own_three`?"][..],
        ),
        ("[policy.own_three]\nlevl = 'low'\n", &["tripline.toml:14:", "levl", "level"]),
        ("[policy.own_three]\nonly = { 'actor.user.rol' = ['a'] }\n", &["did you mean `actor.user.role`?"]),
    ] {
        let site = site(more, &[]);
        let out = site.say(&["check"]);
        assert_eq!(out.status.code(), Some(78), "{}", text(&out));
        words.iter().for_each(|word| assert!(text(&out).contains(word), "{word}: {}", text(&out)));
    }
}
