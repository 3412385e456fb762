//! One id under changing names is one person: for policies, through restarts, in replay; and the change is a finding.
use crate::support::{DOWNLOADS, PORTAL, Site, text};
use serde_json::{Value, json};
use std::io::Write;

/// Three views in an hour by one person.
const THREE: &str = "\
title: Three views
id: 8a0c2f6e-6c1f-5a5e-9d0e-2f6b1c3d4e5f
name: three_views
level: high
logsource: { product: tripline-portal }
detection:
  sel: { activity_name: view }
  condition: sel
---
title: Three views in an hour
id: 9b1d3a7f-7d2a-5b6f-8e1f-3a7c2d4e5f60
name: three_in_an_hour
level: high
correlation:
  type: event_count
  rules: [three_views]
  group-by: [actor.user.name]
  timespan: 1h
  condition: { gte: 3 }
";

fn view(minute: u32, uid: &str, name: &str) -> String {
    let record = json!({
        "ts": format!("2026-03-02T10:{minute:02}:00Z"), "id": format!("e{minute}"), "event": "page.view", "outcome": "success",
        "actor": { "id": uid, "name": name }, "session": "a-session-of-somebody", "ip": "192.0.2.7", "customer": "AC1",
    });
    format!("{record}\n")
}

fn site() -> Site {
    let site = Site::bare("", "");
    site.policy("three", THREE);
    site.configure(&format!("policies_dir = '{}'\n{}", site.path("policies").display(), site.configuration()));
    [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
    site
}

fn write(site: &Site, lines: &[String]) {
    let mut file = site.append_to(PORTAL);
    lines.iter().for_each(|line| file.write_all(line.as_bytes()).unwrap());
}

/// What a daemon finds in these lines, as JSON; it reads them after a restart where it is `again`.
fn found(site: &Site, first: &[String], again: &[String]) -> Vec<String> {
    for lines in [first, again].into_iter().filter(|lines| !lines.is_empty()) {
        write(site, lines);
        let daemon = site.start(&[]);
        site.caught_up();
        daemon.stop();
    }
    let (nobody, state) = (site.path("nobody.sock"), site.path("state"));
    let at = ["--socket", nobody.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let rows = site.json(&[&["findings", "list", "--limit", "1000"], &at[..]].concat());
    rows.iter().map(Value::to_string).collect()
}

fn with<'f>(found: &'f [String], word: &str) -> Vec<&'f String> {
    found.iter().filter(|finding| finding.contains(word)).collect()
}

#[test]
fn an_id_that_is_renamed_stays_who_it_was_through_a_restart() {
    let site = site();
    let found = found(
        &site,
        &[view(1, "u1", "ana"), view(2, "u1", "ana")],
        &[view(3, "u1", "Ana.New"), view(4, "u2", "ana.other"), view(5, "u3", "ben"), view(6, "u3", "ben")],
    );
    let three = with(&found, "three_in_an_hour");
    let [three] = three[..] else { panic!("{found:?}") };
    assert!(three.contains("\"actor\":\"ana\"") && three.contains("\"actor_label\":\"Ana.New\""), "{three}");
    let renamed = with(&found, "actor_renamed");
    let [renamed] = renamed[..] else { panic!("{found:?}") };
    assert!(renamed.contains("before: ana"), "{renamed}");
    let ocsf = text(&site.say(&[
        "findings",
        "list",
        "--ocsf",
        "--socket",
        "/nowhere",
        "--state",
        site.path("state").to_str().unwrap(),
    ]));
    assert!(ocsf.contains("\"display_name\":\"Ana.New\""), "{ocsf}");
    // asked for by either name
    for name in ["ana", "Ana.New"] {
        let asked =
            text(&site.say(&["actor", name, "--socket", "/nowhere", "--state", site.path("state").to_str().unwrap()]));
        assert!(asked.contains("192.0.2.7"), "{name}: {asked}");
    }
    // the same lines, replayed
    site.replay("again");
    assert_eq!(site.findings("state"), site.findings("again"));
}

#[test]
fn what_was_refused_or_states_nobodys_id_joins_nobody() {
    let site = site();
    let refused = |minute, name| view(minute, "u1", name).replace("\"success\"", "\"failure\"");
    let lines = [
        view(1, "0", "ana"),
        view(2, "0", "ben"),
        view(3, "unknown", "cho"),
        view(4, "unknown", "dan"),
        refused(5, "mallory"),
        view(5, "u1", "trudy").replace("2026-03-02T10:05:00Z", "no time"),
        view(6, "u1", "eve"),
        view(7, "u1", "eve"),
    ];
    let found = found(&site, &lines, &[]);
    assert!(with(&found, "three_in_an_hour").is_empty() && with(&found, "actor_renamed").is_empty(), "{found:?}");
}

/// Exports of many customers by people of the invoicing role are none of the shipped policies' business: who has that role the directory
/// says, and not whoever can write it into a trail.
const INVOICING: &str = "\
title: Exports beside invoicing
id: 8a0c2f6e-6c1f-5a5e-9d0e-2f6b1c3d4e60
name: not_invoicing
level: high
logsource: { product: tripline-portal }
detection:
  sel: { activity_name: view }
  invoicing: { actor.user.role: billing }
  condition: sel and not invoicing
";

#[test]
fn a_role_that_the_directory_does_not_give_is_no_exception_and_is_told_once() {
    let site = site();
    site.policy("three", INVOICING);
    let staff = site.path("staff.csv");
    std::fs::write(&staff, "actor,role\nana,Support\nben,billing\ncat,billing\ndan,noc\n").unwrap();
    site.configure(&format!("{}\n[enrich]\ndirectory = '{}'\n", site.configuration(), staff.display()));
    let in_role = |minute: u32, name: &str, role: &str| {
        let mut record: Value = serde_json::from_str(&view(minute, name, name)).unwrap();
        record["actor"]["role"] = role.into();
        format!("{record}\n")
    };
    let lines = [
        in_role(1, "ana", "billing"),
        in_role(2, "ana", "billing"),
        in_role(3, "ben", "Billing"),
        in_role(4, "cat", "accountant"),
        in_role(5, "dan", "Network operations"),
        in_role(6, "eve", "billing"),
        view(7, "ben", "ben"),
        in_role(8, "ben", "support"),
    ];
    let found = found(&site, &lines, &[]);
    let of = |policy: &str| -> Vec<String> {
        let rows = with(&found, policy).into_iter().map(|row| serde_json::from_str::<Value>(row).unwrap());
        let mut names: Vec<String> =
            rows.map(|row| row["finding"]["subject"]["actor"].as_str().unwrap_or_default().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(of("not_invoicing"), ["ana", "ben", "dan", "eve"], "{found:#?}");
    assert_eq!(of("actor_role_disputed"), ["ana", "ben", "eve"], "{found:#?}");
}
