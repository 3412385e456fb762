//! What comes about comes about from the past alone: a trail that ends earlier gives the same findings up to its end.
use crate::support::{DOWNLOADS, PORTAL, Site, World, of_world, python, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The findings of a replay: their times by id.
fn found(world: &Path) -> BTreeMap<String, i64> {
    let site = Site::following(&World(world.to_owned()), "");
    for name in [PORTAL, DOWNLOADS] {
        std::fs::copy(world.join(name), site.path(name)).unwrap();
    }
    let out = site.say(&["replay", "--format", "ocsf"]);
    assert!(out.status.success(), "{}", text(&out));
    let lines = String::from_utf8(out.stdout).unwrap();
    let objects = lines.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let findings = objects.filter(|o| o["class_uid"] == 2004);
    findings.map(|o| (o["finding_info"]["uid"].as_str().unwrap().to_owned(), o["time"].as_i64().unwrap())).collect()
}

#[test]
fn a_cut_world_gives_the_findings_up_to_the_cut() {
    let world = World::make(5);
    let whole = found(&world.0);
    let mut times: Vec<i64> = whole.values().copied().collect();
    times.sort_unstable();
    // in the middle of what is found, just at a finding and just before one
    for at in [times[times.len() / 3], times[times.len() * 3 / 4] - 1] {
        let cut = tempfile::tempdir().unwrap();
        let [from, to] = [&*world.0, cut.path()].map(|path| path.to_str().unwrap());
        python(&of_world("cut.py"), [from, to, "--at", &at.to_string()]);
        let early = found(cut.path());
        let expected: BTreeMap<String, i64> =
            whole.iter().filter(|(_, time)| **time <= at).map(|(id, time)| (id.clone(), *time)).collect();
        assert!(expected.len() > 5 && expected.len() < whole.len());
        let missing: Vec<_> = expected.iter().filter(|(id, _)| !early.contains_key(*id)).collect();
        assert!(missing.is_empty(), "at {at} these came about from what was written later: {missing:?}");
        let more: Vec<_> = early.iter().filter(|(id, _)| !expected.contains_key(*id)).collect();
        assert!(more.is_empty(), "at {at} these came about and are not found in the whole world: {more:?}");
        assert_eq!(early, expected);
    }
}
