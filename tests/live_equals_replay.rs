//! What a daemon finds while the trails are being written is what a replay finds in them afterwards.
use crate::support::{self, DOWNLOADS, PORTAL, Site, World, Writer, difference};
use std::io::Write;

/// Writes the world in pieces under the eyes of a daemon, each trail at its own pace, and compares everything.
fn live_equals_replay(seed: u64, names: &[&'static str], most: usize, arguments: &[&str]) {
    let world = World::make(seed);
    let site = Site::following(&world, "");
    let mut writer = Writer::new(&world, &site, names, seed, most);
    let daemon = site.start(arguments);
    while writer.piece().is_some() {}
    site.caught_up();
    daemon.stop();
    let ids = site.replay("replayed");
    let (live, replayed) = (site.findings("state"), site.findings("replayed"));
    assert!(live.len() > 20, "a world with attacks has findings: {live:?}");
    let (only_live, only_replayed) = difference(&live, &replayed);
    assert!(live == replayed, "found live only: {only_live:#?}\nin the replay only: {only_replayed:#?}");
    let id = |finding: &String| finding.split(' ').next().unwrap_or_default().to_owned();
    assert_eq!(live.iter().map(id).collect::<Vec<_>>(), ids);
    let (live, replayed) = (site.dump("state"), site.dump("replayed"));
    let (only_live, only_replayed) = difference(&live, &replayed);
    assert!(live == replayed, "in the live ledger only: {only_live:#?}\nin the replay's only: {only_replayed:#?}");
}

#[test]
fn both_trails_with_hints_from_the_kernel() {
    live_equals_replay(2, &[PORTAL, DOWNLOADS], 100, &[]);
}

#[test]
fn both_trails_without_hints() {
    live_equals_replay(3, &[DOWNLOADS, PORTAL], 400, &["--no-watch"]);
}

#[test]
fn a_ledger_is_made_again_from_its_recorded_inputs() {
    let world = World::make(2);
    let site = Site::following(&world, "");
    let mut writer = Writer::new(&world, &site, &[PORTAL, DOWNLOADS], 7, 100);
    let daemon = site.start(&[]);
    while writer.piece().is_some() {}
    site.caught_up();
    assert!(site.say(&["hold", "on"]).status.success());
    assert!(site.say(&["test-finding"]).status.success());
    daemon.stop();
    site.make_again();
}

#[test]
fn one_trail_with_hints_as_fast_as_it_can_be_written() {
    live_equals_replay(3, &[PORTAL], 40, &[]);
}

#[test]
fn one_trail_without_hints() {
    live_equals_replay(3, &[PORTAL], 2000, &["--no-watch"]);
}

#[test]
fn two_worlds_differ() {
    let (one, other) = (World::make(2), World::make(3));
    let ids = |world: &World| {
        let site = Site::following(world, "");
        for name in [PORTAL, DOWNLOADS] {
            std::fs::write(site.path(name), world.read(name)).unwrap();
        }
        site.replay("replayed")
    };
    assert_ne!(ids(&one), ids(&other));
}

#[test]
fn a_trail_that_began_at_its_end_is_made_again_from_there_and_replayed_whole() {
    let site = Site::finding_exports("");
    let start = "name = 'portal'\n";
    let config = site.configuration();
    assert!(config.contains(start));
    site.configure(&config.replace(start, &format!("{start}start = 'end'\n")));
    let line = |n: usize| {
        format!(
            "{{\"ts\":\"2026-03-01T00:0{n}:00Z\",\"id\":\"ev-{n}\",\"event\":\"log.export.requested\",\"outcome\":\"success\",\
             \"actor\":{{\"id\":\"u{n}\",\"name\":\"p{n}\",\"type\":\"staff\"}},\"session\":\"s-{n}\",\"details\":{{\"export\":\"ex-{n}\",\"from\":\"2026-02-28\",\"to\":\"2026-02-28\"}}}}\n"
        )
    };
    let write = |text: String| site.append_to(PORTAL).write_all(text.as_bytes()).unwrap();
    write(line(0) + &line(1));
    let daemon = site.start(&[]);
    let events = |count| {
        let events = || (site.status()["trails"]["portal"]["events"].as_u64()? == count).then_some(());
        support::until("the events", events);
    };
    support::until("it to be followed", || {
        let files = site.status();
        files["trails"]["portal"].is_object().then_some(())
    });
    write(line(2) + "\n");
    events(1);
    write("\n\n".to_owned() + &line(3));
    events(2);
    daemon.stop();
    site.make_again();
    site.replay("whole");
    assert_eq!(
        (site.findings("state").len(), site.findings("whole").len()),
        (2, 4),
        "a file that is final has no end to begin at"
    );
}
