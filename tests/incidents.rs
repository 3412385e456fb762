//! What belongs together, what left in it, and what people do about it.
use crate::support::{self, DOWNLOADS, PORTAL, Site, World};
use serde_json::Value;
use std::process::Command;

#[test]
fn what_left_is_what_the_labels_say() {
    let world = World::make(1);
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/exposure");
    let out = Command::new(script)
        .env("TRIPLINE", env!("CARGO_BIN_EXE_tripline"))
        .arg(world.0.file_name().unwrap())
        .arg("--folder")
        .arg(world.0.parent().unwrap())
        .args(["--at-least", "99"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", support::text(&out));
}

/// A daemon that has read a whole world.
fn after_a_world(seed: u64) -> (Site, support::Daemon) {
    let world = World::make(seed);
    let site = Site::following(&world, "");
    for name in [PORTAL, DOWNLOADS] {
        std::fs::copy(world.path(name), site.path(name)).unwrap();
    }
    let daemon = site.start(&[]);
    site.caught_up();
    (site, daemon)
}

fn incidents(site: &Site) -> Vec<Value> {
    site.json(&["incident", "list", "--all", "--limit", "1000"])
}

fn id(incident: &Value) -> &str {
    incident["id"].as_str().unwrap()
}

fn done(site: &Site, words: &[&str]) {
    let out = site.say(&[&["incident"], words].concat());
    assert!(out.status.success(), "{}", support::text(&out));
}

#[test]
fn people_merge_split_close_and_reopen_and_all_of_it_is_in_the_incident() {
    let (site, daemon) = after_a_world(2);
    let before = incidents(&site);
    assert!(before.len() >= 4, "{before:#?}");
    let (one, other) = (id(&before[0]).to_owned(), id(&before[1]).to_owned());

    done(&site, &["note", &one, "the desk called ana: it was not her"]);
    done(&site, &["review", &one]);
    let shown = site.json(&["incident", "show", &one]).remove(0);
    assert_eq!(shown["incident"]["state"], "reviewing", "{shown:#?}");
    assert_eq!(shown["incident"]["steps"][0]["text"], "the desk called ana: it was not her");
    // who it was stands with it, and the first contact is no later than the alarm
    assert!(shown["incident"]["steps"][0]["by"].as_str().is_some_and(|by| !by.is_empty()));
    assert!(shown["first_contact"].as_i64() <= shown["incident"]["alarm"].as_i64());

    done(&site, &["merge", &one, &other]);
    let merged = incidents(&site);
    assert_eq!(merged.len(), before.len() - 1);
    // both names lead to it
    let by = |name: &str| site.json(&["incident", "show", name]).remove(0)["incident"]["id"].clone();
    assert_eq!(by(&one), by(&other));
    done(&site, &["split", &one, &other]);
    assert_eq!(incidents(&site).len(), before.len());
    assert_ne!(by(&one), by(&other));

    done(&site, &["close", &one, "handed over to the provider's lawyers"]);
    assert_eq!(site.json(&["incident", "show", &one]).remove(0)["incident"]["state"], "closed");
    let open = String::from_utf8(site.say(&["incident", "list"]).stdout).unwrap();
    assert!(!open.contains(&one[..12]), "{open}");
    done(&site, &["reopen", &one, "another customer asked"]);
    assert_ne!(site.json(&["incident", "show", &one]).remove(0)["incident"]["state"], "closed");

    let refused = site.say(&["incident", "close", &one, "   "]);
    assert_eq!(refused.status.code(), Some(2), "{}", support::text(&refused));

    // what is honest is no incident
    let finding = &site.json(&["incident", "show", &other]).remove(0)["findings"];
    for row in finding.as_array().unwrap() {
        let id = row["finding"]["id"].as_str().unwrap();
        let out = site.say(&["dismiss", id, "--reason", "a drill of ours"]);
        assert!(out.status.success(), "{}", support::text(&out));
    }
    assert_eq!(incidents(&site).len(), before.len() - 1);
    daemon.stop();
}

#[test]
fn one_customer_is_told_only_what_left_of_theirs() {
    let (site, daemon) = after_a_world(2);
    let all = incidents(&site);
    let totals = |incident: &Value| {
        let row = site.json(&["exposure", id(incident)]).remove(0);
        row["totals"].as_object().unwrap().clone()
    };
    let (incident, totals) = all.iter().map(|i| (i, totals(i))).find(|(_, t)| t.len() > 2).expect("several customers");
    let customer = totals.keys().next().unwrap().clone();
    let one = site.json(&["exposure", id(incident), "--customer", &customer]).remove(0);
    assert_eq!(one["totals"].as_object().unwrap().keys().collect::<Vec<_>>(), [&customer]);
    assert_eq!(one["totals"][&customer], totals[&customer]);
    assert!(one["exposure"]["exports"].as_object().unwrap().values().all(|row| row["customer"] == customer.as_str()));
    daemon.stop();
}
