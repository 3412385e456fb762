//! Trails whose clocks are off: after a quiet night a portal comes back fifteen minutes ahead, or writes times that its profile does not
//! read. What is done then is found, ended and shown to have held, and people are told of the clock.
use crate::support::{ANY_EXPORT, DOWNLOADS, PORTAL, Site, until};
use serde_json::Value;
use std::io::Write;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Seven exports of one person in an hour.
const MANY: &str = "title: An export\nname: an_export\nlogsource: { product: ocsf }\n\
    detection:\n  sel: { activity_name: export_requested }\n  condition: sel\n\
    ---\ntitle: Many exports\nname: many_exports\nlevel: high\n\
    correlation:\n  type: event_count\n  rules: [an_export]\n  group-by: [actor.user.name]\n  timespan: 1h\n  condition: { gte: 7 }\n";

/// Every export asks for the end of its session.
fn site() -> Site {
    let site = Site::bare("", "");
    site.policy("any-export", ANY_EXPORT);
    site.policy("many", MANY);
    site.hook("end-session", "d=$(cat); printf '%s\\n' \"$d\" >> $DIR/journal");
    let (policies, dir) = (site.path("policies"), site.dir.path().display().to_string());
    site.configure(&format!(
        "policies_dir = '{}'\n{}[response]\nmode = 'enforce'\ntoo_old_seconds = 43200\nwatch_seconds = 4\n\
         [actions.end-session]\ncommand = ['{dir}/end-session']\n",
        policies.display(),
        site.configuration()
    ));
    [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
    site
}

fn stamp(ahead: i64) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    jiff::Timestamp::from_millisecond(now + ahead).unwrap().to_string()
}

fn write(site: &Site, n: usize, who: &str, event: &str, ts: &str) {
    let line = format!(
        r#"{{"ts":"{ts}","id":"ev-{n}","event":"{event}","outcome":"success","actor":{{"name":"{who}","type":"staff"}},"session":"s-{n}-1234","ip":"192.0.2.1","account":"AC1","details":{{"export":"ex-{n}","kind":"sms","rows":10}}}}"#
    );
    site.append_to(PORTAL).write_all((line + "\n").as_bytes()).unwrap();
}

fn orders(site: &Site) -> Vec<Value> {
    site.json(&["orders", "list", "--limit", "1000"])
}

fn found(site: &Site, policy: &str) -> usize {
    site.json(&["findings", "list", "--policy", policy, "--since", "9d"]).len()
}

#[test]
fn t55_t57_after_a_quiet_night_a_trail_whose_clock_is_off_is_judged_by_when_it_is_read_and_told_of() {
    let ahead = || stamp(15 * MINUTE);
    for (told, why, ts) in [
        ("trail_ahead", "ahead", &ahead as &dyn Fn() -> String),
        ("trail_undated", "no time", &|| "29.11.2026 19:30:11".to_owned()),
    ] {
        let site = site();
        let daemon = site.start(&[]);
        write(&site, 0, "night", "log.export.requested", &stamp(-20 * HOUR));
        until("the night's order", || (orders(&site).len() == 1).then_some(()));
        assert_eq!(orders(&site)[0]["refusal"], "too_old", "a backlog ends nobody's session");
        for n in 1..=5 {
            write(&site, n, &format!("p{n}"), "log.export.requested", &ts());
        }
        let done = || orders(&site).iter().filter(|o| o["state"] == "done").count();
        until("five orders to be done", || (done() == 5).then_some(()));
        let health = until("the clock to be told of", || {
            let health = site.status()["health"]["clock of portal"].as_str().map(str::to_owned);
            health.filter(|_| found(&site, told) == 1)
        });
        assert!(health.contains(why), "{health}");
        // what goes on after them does so without their sessions
        std::thread::sleep(std::time::Duration::from_secs(2));
        write(&site, 9, "eve", "page.view", &ts());
        until("the orders to be verified", || {
            let held = |o: &&Value| o["verification"]["result"] == "held";
            (orders(&site).iter().filter(held).count() == 5).then_some(())
        });
        assert_eq!(found(&site, "response_failed"), 0, "{told}");
        let trail = site.status()["trails"]["portal"].clone();
        assert_eq!(trail["late"], 0, "{trail}");
        daemon.stop();
        site.make_again();
    }
}

/// An honest day is twelve exports that are 42 minutes apart. It is so where the clock is ahead, whether the lines are read as they are
/// written (they are not here: a day has no room in a test) or at once; seven in one minute are seven in one minute.
#[test]
fn t55_a_day_that_is_read_at_once_is_a_day_though_the_clock_is_ahead() {
    for (apart, expected) in [(42 * MINUTE, 0), (8_000, 1)] {
        let site = site();
        let daemon = site.start(&[]);
        for n in 0..12 {
            write(&site, n, "ana", "log.export.requested", &stamp(15 * MINUTE + n as i64 * apart));
        }
        site.caught_up();
        until("all of them", || (site.status()["trails"]["portal"]["clamped"] == 12).then_some(()));
        assert_eq!(found(&site, "many_exports"), expected, "{apart} ms apart");
        daemon.stop();
        site.make_again();
    }
}

/// A minute of a trail's life passes in the ledger, while nobody has it open.
#[test]
fn a_trail_that_is_delivered_too_late_for_any_order_is_said_until_it_comes_in_time() {
    let site = site();
    let daemon = site.start(&[]);
    let (old, health) =
        (|| stamp(-13 * HOUR), || site.status()["health"]["delay of portal"].as_str().map(str::to_owned));
    let read =
        |events: u64| until("it to be read", || (site.status()["trails"]["portal"]["events"] == events).then_some(()));
    write(&site, 1, "ana", "page.view", &old());
    read(1);
    assert_eq!(health(), None, "one old line is a backlog");
    daemon.stop();
    let ledger = rusqlite::Connection::open(site.path("state/ledger.sqlite")).unwrap();
    let a_minute_ago = |n: usize| format!("'$.clock.stood[{n}]', json_extract(body, '$.clock.stood[{n}]') - 90000");
    let passed = format!("UPDATE trails SET body = json_set(body, {}, {})", a_minute_ago(0), a_minute_ago(1));
    let pass = || assert_eq!(ledger.execute(&format!("{passed} WHERE source = 'portal'"), []).unwrap(), 1);
    pass();
    let daemon = site.start(&[]);
    write(&site, 2, "ana", "page.view", &old());
    let why = until("it to be said", health);
    assert!(why.contains("too_old_seconds"), "{why}");
    daemon.stop();
    pass();
    let daemon = site.start(&[]);
    assert!(health().is_some(), "it is still so after a restart");
    let part = || site.json(&["findings", "list", "--policy", "tripline_failing", "--since", "9d"]);
    until("people to be told", || (!part().is_empty()).then_some(()));
    daemon.stop();
}
