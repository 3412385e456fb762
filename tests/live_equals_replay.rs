//! What a daemon finds while the trails are being written is what a replay finds in them afterwards.
mod support;
use support::{DOWNLOADS, PORTAL, Site, World, Writer, difference};

/// Writes the world in pieces under the eyes of a daemon, and compares. With two trails the daemon is waited for before the
/// other trail goes on: what it sees of one hour is then in the order in which it was written.
fn live_equals_replay(seed: u64, names: &[&'static str], most: usize, arguments: &[&str]) {
    let Some(world) = World::make(seed) else {
        return;
    };
    let site = Site::following(&world, "");
    let mut writer = Writer::new(&world, &site, names, seed, most);
    let daemon = site.start(arguments);
    let mut writing = None;
    while let Some(next) = writer.piece() {
        if writing.replace(next) != Some(next) {
            site.caught_up();
        }
    }
    site.caught_up();
    daemon.stop();
    let ids = site.replay("replayed");
    let (live, replayed) = (site.findings("state"), site.findings("replayed"));
    assert!(live.len() > 20, "a world with attacks has findings: {live:?}");
    let (only_live, only_replayed) = difference(&live, &replayed);
    assert!(live == replayed, "found live only: {only_live:#?}\nin the replay only: {only_replayed:#?}");
    let id = |finding: &String| finding.split(' ').next().unwrap_or_default().to_owned();
    assert_eq!(live.iter().map(id).collect::<Vec<_>>(), ids);
    let (mut live, mut replayed) = (site.dump("state"), site.dump("replayed"));
    if names.len() > 1 {
        // what a piece leaves of its last line changes places with the other trail's next line: slices of state show it, and
        // of two events that show the same, the one that came first is recorded
        let ordered = |line: &String| !line.starts_with("state ") && !line.starts_with("event ");
        live.retain(ordered);
        replayed.retain(ordered);
    }
    let (only_live, only_replayed) = difference(&live, &replayed);
    assert!(live == replayed, "in the live ledger only: {only_live:#?}\nin the replay's only: {only_replayed:#?}");
}

#[test]
fn both_trails_with_hints_from_the_kernel() {
    live_equals_replay(2, &[PORTAL, DOWNLOADS], 100, &[]);
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
    let (Some(one), Some(other)) = (World::make(2), World::make(3)) else {
        return;
    };
    let ids = |world: &World| {
        let site = Site::following(world, "");
        for name in [PORTAL, DOWNLOADS] {
            std::fs::write(site.path(name), world.read(name)).unwrap();
        }
        site.replay("replayed")
    };
    assert_ne!(ids(&one), ids(&other));
}
