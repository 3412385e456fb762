//! A daemon that is killed again and again ends up with the ledger of one that was left alone, and no order is carried
//! out twice. `TRIPLINE_KILLS=200` for the long sweep.
use crate::support::{DOWNLOADS, Dice, PORTAL, Site, World, Writer, children, difference, until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Everything is enforced, and the hook writes down what it is told.
fn site(world: &World) -> Site {
    let site = Site::following(world, "");
    let hook = site.hook("end-session", "document=$(cat); printf '%s\\n' \"$document\" >> $DIR/journal; echo told");
    let more = format!(
        "[response]\nmode = 'enforce'\nlimit = 1000\nlimit_share = 1.0\ntoo_old_seconds = 4000000000\n[actions.end-session]\ncommand = ['{}']\n",
        hook.display()
    );
    site.configure(&(site.configuration() + &more));
    site
}

/// How often each order stands in the hook's journal.
fn journal(site: &Site) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(site.path("journal")).unwrap_or_default();
    let mut orders = BTreeMap::new();
    for line in text.lines().filter(|l| !l.is_empty()) {
        let document: Value = serde_json::from_str(line).unwrap();
        *orders.entry(document["order"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    orders
}

/// Kills a process that a daemon of ours started and has not waited for.
fn end(process: u32) {
    let id = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    // it may have ended by itself
    let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
}

/// Waits until no order can go further by itself.
fn settled(site: &Site) -> Vec<Value> {
    until("the orders to end", || {
        let orders = site.json(&["orders", "list", "--limit", "10000"]);
        let open = |o: &Value| matches!(o["state"].as_str(), Some("pending" | "started"));
        (!orders.iter().any(open)).then_some(orders)
    })
}

#[test]
fn v70_killed_again_and_again_it_ends_as_if_it_had_not_been() {
    let world = World::make(5);
    let kills = std::env::var("TRIPLINE_KILLS").map_or(15, |n| n.parse().unwrap());
    let site = site(&world);
    let mut dice = Dice::new(7);
    let mut writer = Writer::new(&world, &site, &[PORTAL, DOWNLOADS], 5, 15_000 * 2 / (kills * 20));
    let mut writing = true;
    for round in 0..kills {
        // at any moment, its start included, while the trail grows
        let mut daemon = site.spawn(site.command(&["run"]));
        let until = Instant::now() + Duration::from_millis(20 + dice.below(900) as u64);
        for _ in 0..20 {
            writing = writing && writer.piece().is_some();
        }
        while Instant::now() < until {
            std::thread::yield_now();
        }
        if round % 3 == 2 {
            // a power cut spares nobody; hooks that run go on here, which is worse
            children(daemon.id()).into_iter().for_each(end);
        }
        daemon.kill();
    }
    while writing {
        writing = writer.piece().is_some();
    }
    let daemon = site.start(&[]);
    site.caught_up();
    let orders = settled(&site);
    daemon.stop();
    let carried_out = journal(&site);
    assert!(carried_out.values().all(|n| *n == 1), "an order was carried out twice: {carried_out:?}");
    assert!(!carried_out.is_empty(), "this world has attacks, and their sessions are ended");
    for order in &orders {
        let (id, state) = (order["id"].as_str().unwrap(), order["state"].as_str().unwrap());
        // what was done stands in the journal; what does not stand there is not called done
        assert!(state != "done" || carried_out.contains_key(id), "{order}");
        assert!(!carried_out.contains_key(id) || matches!(state, "done" | "unknown"), "{order}");
    }
    let known: BTreeSet<&str> = orders.iter().filter_map(|o| o["id"].as_str()).collect();
    assert!(carried_out.keys().all(|id| known.contains(id.as_str())), "{carried_out:?} {known:?}");

    let undisturbed = self::site(&world);
    for name in [PORTAL, DOWNLOADS] {
        std::fs::write(undisturbed.path(name), world.read(name)).unwrap();
    }
    let daemon = undisturbed.start(&[]);
    undisturbed.caught_up();
    settled(&undisturbed);
    daemon.stop();
    let (one, other) = (site.dump("state"), undisturbed.dump("state"));
    let (killed, left_alone) = difference(&one, &other);
    assert!(one == other, "killed only: {killed:#?}\nleft alone only: {left_alone:#?}");
}
