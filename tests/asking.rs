//! What people ask about findings, people and origins, and the verdicts that they give, over a week that ends in a theft.
use crate::support::{self, PORTAL, Site, text};
use serde_json::Value;
use std::io::Write;

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.3; rv:118.0) Gecko/20100101 Firefox/118.0";
/// 1 April 2024, 09:00 UTC.
const THEFT: i64 = 1_711_962_000;
const DAY: i64 = 86_400;

/// One line of the portal's trail.
fn act(at: i64, event: &str, (session, ip, ua): (&str, &str, &str), account: &str, details: &str) -> String {
    let ts = jiff::Timestamp::from_second(at).unwrap();
    format!(
        "{{\"ts\":\"{ts}\",\"id\":\"{event}-{session}-{at}\",\"event\":\"{event}\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-1\",\
         \"name\":\"ana\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"{session}\",\"ip\":\"{ip}\",\"ua\":\"{ua}\",\
         \"account\":\"{account}\",\"details\":{{{details}}}}}\n"
    )
}

/// Three weeks of ana's work from one place with one browser; then somebody with her password, from elsewhere, who exports a
/// month of five customers that she never served.
fn month() -> Vec<String> {
    let mut lines = Vec::new();
    for day in (1..=21).rev() {
        let session = format!("s-{day}");
        let usual = (session.as_str(), "192.0.2.1", CHROME);
        let morning = THEFT - day * DAY;
        lines.push(act(morning, "session.login", usual, "", ""));
        lines.extend((1..=30).map(|n| act(morning + n * 60, "page.view", usual, &format!("AC{}", n % 3), "")));
        for n in 0..=day % 2 {
            let details = format!(
                "\"export\":\"x-{day}-{n}\",\"kind\":\"sms\",\"from\":\"2024-02-01\",\"to\":\"2024-02-01\",\"rows\":{}",
                100 + day
            );
            lines.push(act(morning + 3600 + n * 60, "log.export.requested", usual, &format!("AC{n}"), &details));
        }
    }
    let thief = ("s-thief", "198.51.100.9", FIREFOX);
    lines.push(act(THEFT, "session.login", thief, "", ""));
    for n in 0..5 {
        let details = format!(
            "\"export\":\"t-{n}\",\"kind\":\"mfa\",\"from\":\"2024-03-01\",\"to\":\"2024-03-31\",\"rows\":{}",
            80_000 + n
        );
        lines.push(act(THEFT + 300 + n * 60, "log.export.requested", thief, &format!("AC9{n}"), &details));
    }
    lines
}

/// Policies that these tests can rely on, whatever the shipped ones come to look for.
const CHAIN: &str = "title: Work
name: t_work
logsource: { product: ocsf }
detection: { sel: { status: success, actor.user.type: user }, condition: sel }
---
title: An export
name: t_export
logsource: { product: ocsf }
detection: { sel: { status: success, activity_name: export_requested }, condition: sel }
---
title: A week and more
name: t_wide
logsource: { product: ocsf }
detection: { sel: { status: success, activity_name: export_requested, export.days|gte: 7 }, condition: sel }
---
title: For invoices
name: t_invoices
logsource: { product: ocsf }
detection: { sel: { activity_name: export_requested, actor.user.role: billing }, condition: sel }
---
title: A network owner never seen
name: t_new_owner
correlation: { type: new_value, rules: [t_work], group-by: [actor.user.name], timespan: 30d, fields: [src_endpoint.autonomous_system.number], new-for: 12h }
---
title: A computer never seen
name: t_new_computer
correlation:
  type: new_value
  rules: [t_work]
  group-by: [actor.user.name]
  timespan: 30d
  fields: [device.family, device.os.name]
  learning: { days: 7, observations: 20 }
  new-for: 12h
---
title: Somebody else's origin
name: t_strange
correlation: { type: event_count, rules: [t_new_owner, t_new_computer], group-by: [actor.user.name, src_endpoint.ip], timespan: 1s, condition: { gte: 1 } }
---
title: Somebody else's origin, and a wide export
name: t_chain
description: The April 2024 case.
level: critical
tags: [attack.t1078.004]
correlation: { type: temporal, rules: [t_strange, t_wide], group-by: [actor.session.uid], timespan: 12h }
tripline:
  episode: 30d
  runbook: call her
  response: [ { action: end-session, target: session } ]
---
title: Several customers
name: t_several
correlation: { type: value_count, rules: [t_wide], group-by: [actor.user.name], timespan: 1h, condition: { gte: 3, field: resource.owner.org.uid } }
---
title: Many records
name: t_records
correlation: { type: value_sum, rules: [t_export], group-by: [actor.user.name], timespan: 1h, condition: { gte: 100000, field: export.records } }
";

/// A site with that month.
fn written(site: Site) -> Site {
    site.append_to(support::DOWNLOADS);
    site.append_to(PORTAL).write_all(month().concat().as_bytes()).unwrap();
    site
}

/// A site with that month and a policy of its own, and where that stands.
fn with_own_policy(text: &str) -> (Site, std::path::PathBuf) {
    let site = written(Site::bare("", ""));
    let own = site.path("policies/detections/own.yml");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::write(&own, text).unwrap();
    let key = format!("policies_dir = '{}'\n", site.path("policies").display());
    site.configure(&(key + &site.configuration()));
    (site, own)
}

/// A site whose daemon has read that month.
fn read() -> (Site, support::Daemon) {
    let (site, _) = with_own_policy(CHAIN);
    let daemon = site.start(&[]);
    site.caught_up();
    (site, daemon)
}

fn said(site: &Site, arguments: &[&str]) -> String {
    let out = site.say(arguments);
    assert!(out.status.success(), "{}", text(&out));
    String::from_utf8(out.stdout).unwrap()
}

/// The id of the finding of that policy.
fn id_of(site: &Site, policy: &str) -> String {
    let row = site.json(&["findings", "list", "--policy", policy]).remove(0);
    row["finding"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_verdict_stands_with_its_finding() {
    let (site, daemon) = read();
    let id = id_of(&site, "t_chain");
    let count = |verdict: &str| site.json(&["findings", "list", "--verdict", verdict]).len();
    let all = site.json(&["findings", "list"]).len();
    assert_eq!((count("open"), count("confirmed"), count("dismissed")), (all, 0, 0));
    let new = site.json(&["findings", "list", "--policy", "t_chain"]).remove(0);
    assert_eq!((&new["verdict"], &new["judged"]), (&Value::from("open"), &Value::Null));

    said(&site, &["dismiss", &id[..10], "--reason", "  on the road\u{1b}[2J, ticket 4711 "]);
    assert_eq!((count("open"), count("confirmed"), count("dismissed")), (all - 1, 0, 1));
    let row = site.json(&["findings", "show", &id]).remove(0);
    assert_eq!(row["verdict"], "dismissed");
    assert_eq!(row["judged"]["reason"], "on the road\u{1b}[2J, ticket 4711");
    let by = row["judged"]["by"].as_str().unwrap();
    assert!(by.starts_with("uid ") && row["acknowledged"][1] == by, "{row}");
    let shown = said(&site, &["findings", "show", &id]);
    assert!(shown.contains("on the road\\x1b[2J, ticket 4711"), "{shown}");
    assert!(said(&site, &["findings", "list"]).contains("(dismissed)"));
    let ocsf = |id: &str| {
        let out = said(&site, &["findings", "list", "--ocsf"]);
        let objects = out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        objects.into_iter().find(|o| o["finding_info"]["uid"] == id).unwrap()
    };
    let object = ocsf(&id);
    assert_eq!((&object["status_id"], &object["verdict_id"]), (&Value::from(3), &Value::from(1)), "{object}");

    // people change their minds, and the last word stands
    said(&site, &["confirm", &id, "--reason", "it was not her"]);
    assert_eq!((count("open"), count("confirmed"), count("dismissed")), (all - 1, 1, 0));
    let object = ocsf(&id);
    assert_eq!((&object["status_id"], &object["verdict_id"]), (&Value::from(4), &Value::from(2)), "{object}");
    assert_eq!(object["comment"], "it was not her");
    assert!(site.dump("state").iter().any(|l| l.contains(&id) && l.ends_with("verdict=confirmed")));
    daemon.stop();
    // a verdict is an input: a replay of the inputs comes to the same
    site.make_again();
}

#[test]
fn a_finding_is_explained_down_to_the_lines() {
    let (site, daemon) = read();
    let id = id_of(&site, "t_chain");
    let text = said(&site, &["explain", &id[..10]]);
    // the request that completed it: the last but four of the lines
    let lines = month();
    let from: usize = lines[..lines.len() - 5].iter().map(String::len).sum();
    let to = from + lines[lines.len() - 5].len();
    for part in [
        "CRITICAL: Somebody else's origin, and a wide export",
        "the policy decides now as it did",
        "The April 2024 case",
        "call her",
        "attack.t1078.004",
        "t_strange in 12h: 2 (against: >= 1)",
        "    t_strange held at 2024-04-01T09:05:00.000Z\n      it asks for one event of t_new_owner or t_new_computer",
        "there was Firefox + macOS, of which nothing is recorded of ana before",
        "    t_wide held at",
        "ana (u-1, user, support)",
        "export t-0, mfa, 80000 records, 31 days of data",
        &format!("trail portal, {}, bytes {from} to {to}", site.path(PORTAL).display()),
        "no event of t_wide by the same actor.session.uid within 12h",
        "it fires once in each",
        "end-session on the session: refused",
        "older than `too_old_seconds`",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let row = site.json(&["explain", &id]).remove(0);
    assert_eq!(row["policy"]["name"], "t_chain");
    let digest = row["events"][0]["digest"].as_str().unwrap();
    assert!(text.contains(digest) && digest.len() == 32, "{text}");
    let strange = &row["chain"]["below"][0];
    assert_eq!((&strange["rule"], &strange["held"]), (&Value::from("t_strange"), &Value::from("yes")));
    let without = strange["without"].as_array().unwrap();
    assert!(without.contains(&"t_new_owner".into()), "no database says whose network it is: {strange}");
    assert_eq!(site.say(&["explain", "ffffffff"]).status.code(), Some(70));

    // the same from the file alone
    daemon.stop();
    assert_eq!(site.json(&["explain", &id]).remove(0), row);
}

const OWN: &str = "title: An export
name: own_export
logsource: { product: ocsf }
detection: { sel: { status: success, activity_name: export_requested }, condition: sel }
---
title: Exports of several customers
name: several_customers
description: Ours.
level: medium
correlation:
  type: value_count
  rules: [own_export]
  group-by: [actor.user.name]
  timespan: 1h
  condition: { gte: 4, field: resource.owner.org.uid }
tripline:
  runbook: ask whoever it is
";

#[test]
fn an_explanation_says_when_its_policy_has_changed_or_gone() {
    let (site, own) = with_own_policy(OWN);
    let daemon = site.start(&[]);
    site.caught_up();
    let id = id_of(&site, "several_customers");
    let text = said(&site, &["explain", &id]);
    for part in [
        "different resource.owner.org.uid in 1h: 4 (against: at least 4)",
        "there was 4, and it asks for at least 4",
        "- fewer than 4 different resource.owner.org.uid by the same actor.user.name within 1h",
        "ask whoever it is",
        "orders: none (its policy asks for none)",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    daemon.stop();
    std::fs::write(&own, OWN.replace("gte: 4", "gte: 3")).unwrap();
    let text = said(&site, &["explain", &id]);
    assert!(text.contains("changed since") && text.contains("- fewer than 3 different"), "{text}");
    assert!(text.contains("(against: at least 4)"), "the numbers stay as they were: {text}");
    std::fs::remove_file(&own).unwrap();
    let text = said(&site, &["explain", &id]);
    assert!(text.contains("no longer in the set") && text.contains("matched own_export"), "{text}");
    assert!(!text.contains("would have kept it"), "{text}");
    let row = site.json(&["explain", &id]).remove(0);
    assert_eq!((&row["policy"], &row["chain"]), (&Value::Null, &Value::Null));
}

#[test]
fn every_shipped_policy_can_be_put_into_words() {
    let (set, _) = tripline::rules::Texts::shipped().compile().unwrap();
    for policy in &set.rules {
        let (says, unless) = (set.says(policy), set.unless(policy));
        assert!(says.len() > 10 && !unless.is_empty(), "{}: {says} {unless:?}", policy.name);
        assert!(!says.contains("its condition on"), "{} has no words of its own: {says}", policy.name);
    }
}

#[test]
fn what_is_recorded_of_somebody_and_of_an_address_is_shown() {
    let (site, daemon) = read();
    let ana = site.json(&["actor", "ana"]).remove(0);
    // ana's three weeks: 22 logins of hers and one of the thief, and one or two exports a day
    assert_eq!(ana["days"]["active"], 22);
    let days = &ana["days"];
    assert_eq!(
        (&days["exports"]["median"], &days["exports"]["p90"], &days["exports"]["max"]),
        (&2.into(), &2.into(), &5.into())
    );
    assert_eq!((&days["records"]["median"], &days["records"]["p90"]), (&202.into(), &238.into()), "{days}");
    assert_eq!((&days["records"]["max"], &days["customers"]["max"]), (&400_010.into(), &5.into()), "{days}");
    assert_eq!(days["records"]["max_day"], (THEFT / DAY) * DAY * 1000);
    assert_eq!(ana["origins"].as_array().unwrap().len(), 2);
    assert_eq!(ana["origins"][0]["prefix"], "198.51.100.0/24", "the last used first");
    assert_eq!((&ana["devices"][1]["family"], &ana["devices"][1]["version"]), (&"Chrome".into(), &120.into()));
    let sessions = ana["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), &ana["more_sessions"]), (20, &true.into()));
    let last = sessions.last().unwrap();
    assert_eq!(
        (&last["exports"], &last["records"], &last["addresses"][0]),
        (&5.into(), &400_010.into(), &"198.51.100.9".into())
    );
    assert!(ana["findings"].as_array().unwrap().iter().any(|f| f["finding"]["policy"] == "t_chain"));
    assert_eq!(ana["orders"][0]["state"], "refused");

    // before the theft there is one origin, and no finding
    let before = site.json(&["actor", "ana", "--until", "2024-04-01", "--limit", "3"]).remove(0);
    assert_eq!((before["origins"].as_array().unwrap().len(), before["sessions"].as_array().unwrap().len()), (1, 3));
    assert!(before["findings"].as_array().unwrap().is_empty() && before["orders"].as_array().unwrap().is_empty());

    let thief = site.json(&["origin", "::ffff:198.51.100.9"]).remove(0);
    assert_eq!((&thief["actors"][0]["name"], thief["sessions"].as_array().unwrap().len()), (&"ana".into(), 1));
    assert_eq!((&thief["used"]["events"], &thief["used"]["first"]), (&6.into(), &(THEFT * 1000).into()));
    assert!(!thief["findings"].as_array().unwrap().is_empty());
    assert!(site.json(&["origin", "192.0.2.1"]).remove(0)["findings"].as_array().unwrap().is_empty());

    let text = said(&site, &["actor", "ana"]);
    println!("{text}{}", said(&site, &["origin", "198.51.100.9"]));
    for part in
        ["user, u-1, support", "Firefox 118 on macOS", "400010", "2024-04-01", "open findings, the newest last:"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    for (asked, why) in
        [(["actor", "nobody\u{1b}[2J"], "nothing is recorded"), (["origin", "203.0.113.77"], "nothing is recorded")]
    {
        let out = site.say(&asked);
        assert_eq!(out.status.code(), Some(70), "{}", support::text(&out));
        assert!(
            support::text(&out).contains(why) && !support::text(&out).contains('\u{1b}'),
            "{}",
            support::text(&out)
        );
    }
    assert_eq!(site.say(&["origin", "nowhere"]).status.code(), Some(2));
    // what was dismissed speaks against nobody any more
    let open = ana["findings"].as_array().unwrap().len();
    said(&site, &["dismiss", &id_of(&site, "t_chain"), "--reason", "a drill"]);
    assert_eq!(site.json(&["actor", "ana"]).remove(0)["findings"].as_array().unwrap().len(), open - 1);
    // and the same from the file alone
    let answered = site.json(&["origin", "198.51.100.9"]);
    daemon.stop();
    assert_eq!(site.json(&["origin", "198.51.100.9"]), answered);
}

#[test]
fn a_replay_explains_what_one_line_came_to() {
    let (site, _) = with_own_policy(CHAIN);
    let lines = month().len();
    let explain = |what: &str| said(&site, &["replay", "--explain", what]);
    // the second export of the thief: two new customers, of which three are needed; the chain has fired at the first
    let text = explain(&format!("portal:{}", lines - 3));
    let of = |policy: &str| {
        let mut found = text.split("\n  ").skip_while(|l| !l.starts_with(&format!("{policy}: ")));
        let first = found.next().unwrap_or_else(|| panic!("no {policy} in\n{text}")).to_owned();
        found.take_while(|l| l.starts_with(' ')).fold(first, |all, line| all + "\n" + line)
    };
    for (policy, parts) in [
        ("t_several", &["does not hold", "different resource.owner.org.uid in 1h: 2 (against: at least 3)"][..]),
        ("t_records", &[": holds", "in 1h: 160001 (against: at least 100000)", "it fired here"]),
        ("t_chain", &[": holds", "it had fired for the same before, and does so once in each 30d"]),
        (
            "t_new_computer",
            &["Firefox + macOS (against: 1 others known: Chrome + Windows)", "done: watched for 21 days"],
        ),
        ("t_new_owner", &["does not hold", "autonomous_system.number: not there"]),
    ] {
        let said = of(policy);
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} are not in\n{said}");
    }
    for part in ["\n  t_wide\n", "  t_invoices\n    actor.user.role is \"support\", and it asks for \"billing\""] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // four days in, of the seven that it takes
    let early = month().iter().position(|l| l.contains("page.view-s-17-")).unwrap() + 1;
    let early = explain(&format!("portal:{early}"));
    let learning = "learning: watched for 4 of 7 days and 20 of 20 events: until then nothing is new";
    assert!(early.contains(learning), "{early}");
    assert!(early.contains("t_strange waits for t_new_owner or t_new_computer"), "{early}");

    // by its id, without a configuration, and as JSON
    let id = text.split([' ', ':']).nth(1).unwrap().to_owned();
    let row = site.json(&["replay", "--explain", &id]).remove(0);
    assert_eq!(row["event"]["id"], id);
    assert!(row["fired"].as_array().unwrap().contains(&"t_records".into()), "{row}");
    let file = site.path(PORTAL).display().to_string();
    let out = support::tripline(&["replay", &file, "--explain", &format!("{file}:{}", lines - 3)]).output().unwrap();
    let said = support::text(&out);
    assert!(out.status.success() && said.contains("  customer  AC91"), "{said}");

    // who watches changes nothing
    let (watched, state) = (site.path("watched"), "unwatched");
    let watching = ["replay", "--explain", &id, "--state", watched.to_str().unwrap()];
    assert!(site.say(&watching).status.success());
    site.replay(state);
    assert_eq!(site.dump("watched"), site.dump(state));
}

#[test]
fn a_line_that_comes_to_nothing_is_explained_too() {
    let site = written(Site::bare("", ""));
    let first = month().remove(0);
    let lines = month().len();
    site.append_to(PORTAL).write_all(format!("nonsense\n\n{first}").as_bytes()).unwrap();
    let again = said(&site, &["replay", "--explain", &format!("portal:{}", lines + 3)]);
    assert!(again.contains("it counts once"), "{again}");
    for (what, code, why) in [
        (format!("portal:{}", lines + 1), 70, "the line was rejected: "),
        (format!("portal:{}", lines + 2), 70, "is blank"),
        (format!("portal:{}", lines + 9), 70, "has fewer than"),
        ("nowhere:1".to_owned(), 70, "reads no trail nowhere"),
        ("f".repeat(32), 70, "no event ffff"),
        ("portal:0".to_owned(), 2, "TRAIL:LINE"),
        ("portal".to_owned(), 2, "TRAIL:LINE"),
    ] {
        let out = site.say(&["replay", "--explain", &what]);
        assert_eq!(out.status.code(), Some(code), "{what}: {}", text(&out));
        assert!(text(&out).contains(why), "{what}: {}", text(&out));
    }
}

#[test]
fn looking_back_ends_at_its_bounds_and_says_so() {
    use tripline::ledger::history::{Bounds, Cut};
    use tripline::ledger::{FILE, Reader, read::Asked};
    use tripline::model::EventTime;
    let site = Site::bare("", "");
    site.append_to(support::DOWNLOADS);
    // as many as fill two blocks, and some that stay in the tail
    let many = 9_000;
    let usual = ("s-1", "192.0.2.1", CHROME);
    let lines: String = (0..many).map(|n| act(THEFT + n, "session.login", usual, "", "")).collect();
    site.append_to(PORTAL).write_all(lines.as_bytes()).unwrap();
    site.replay("kept");
    let reader = Reader::open(&site.path("kept").join(FILE)).unwrap();
    let time = |n: i64| EventTime((THEFT + n) * 1000);
    let wide = Bounds { since: time(0), until: time(many), events: usize::MAX, time: support::PATIENCE };
    let look = |name: &str, bounds: Bounds| {
        let mut times = Vec::new();
        let reach = reader.look_back(Asked::Actor, name, &bounds, |event| times.push(event.time)).unwrap();
        assert_eq!(times.len(), reach.events);
        (times, reach.cut)
    };
    let (all, cut) = look("ana", wide);
    assert_eq!((all.len(), cut), (9_000, None));
    assert!(all.is_sorted_by(|a, b| a > b), "the newest first, from the tail through the blocks");
    assert_eq!(look("ana", Bounds { events: 100, ..wide }), (all[..100].to_vec(), Some(Cut::Events)));
    let (some, cut) = look("ana", Bounds { since: time(5), until: time(8), ..wide });
    assert_eq!((some, cut), (vec![time(7), time(6), time(5)], None));
    assert_eq!(look("ana", Bounds { time: std::time::Duration::ZERO, ..wide }), (vec![], Some(Cut::Time)));
    assert_eq!(look("bo", wide), (vec![], None));
}

#[test]
fn a_verdict_needs_a_finding_and_a_reason() {
    let (site, daemon) = read();
    let id = id_of(&site, "t_chain");
    for verb in ["confirm", "dismiss"] {
        let refused = |arguments: &[&str], code: i32, why: &str| {
            let out = site.say(&[&[verb], arguments].concat());
            assert_eq!(out.status.code(), Some(code), "{}", text(&out));
            assert!(text(&out).contains(why), "{}", text(&out));
        };
        refused(&[&id], 2, "--reason");
        refused(&[&id, "--reason", " \n"], 2, "say why");
        refused(&[&id, "--reason", &"x".repeat(1025)], 2, "1024");
        refused(&["ffffffffffff", "--reason", "x"], 70, "there is no finding");
        refused(&["", "--reason", "x"], 70, "more than one finding");
    }
    // the socket itself takes no more than the command does
    let judge = |reason: &str| format!("{{\"ask\":\"judge\",\"id\":\"{id}\",\"honest\":true,\"reason\":\"{reason}\"}}");
    for reason in ["", &"x".repeat(1025)] {
        assert_eq!(site.ask(&judge(reason)), None);
    }
    assert!(site.json(&["findings", "list", "--verdict", "dismissed"]).is_empty());
    daemon.stop();
    let out = site.say(&["dismiss", &id, "--reason", "x"]);
    assert_eq!(out.status.code(), Some(75), "{}", text(&out));
}
