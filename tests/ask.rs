//! Questions over the control socket, what they look like, and what arrives at a syslog socket.
use crate::support::{self, DOWNLOADS, PORTAL, Site, World, text, until};
use serde_json::Value;
use std::io::Write;
use std::os::unix::net::UnixDatagram;

/// A site whose daemon has read a world to its end.
fn answered(world: &World) -> (Site, support::Daemon) {
    let site = Site::following(world, "");
    for name in [PORTAL, DOWNLOADS] {
        std::fs::write(site.path(name), world.read(name)).unwrap();
    }
    let daemon = site.start(&[]);
    site.caught_up();
    (site, daemon)
}

fn said(site: &Site, arguments: &[&str]) -> String {
    let out = site.say(arguments);
    assert!(out.status.success(), "{}", text(&out));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn sizes_are_shown_by_the_daemon_and_without_it() {
    let world = World::make(5);
    let (site, daemon) = answered(&world);
    let sizes = site.json(&["status", "--sizes"]);
    let number = |row: &Value, key: &str| row[key].as_u64().unwrap_or_else(|| panic!("no {key} in {row}"));
    for row in &sizes {
        assert_eq!(row["complete"], true);
        let parts = ["staff", "familiar", "strangers"].map(|key| number(row, key));
        assert_eq!(number(row, "entities"), parts.iter().sum::<u64>());
        assert!(number(row, "mean_bytes") <= number(row, "largest_bytes"), "{row}");
    }
    let learned = sizes.iter().find(|row| row["policies"].as_str().unwrap().contains("new_network")).unwrap();
    assert!(number(learned, "staff") > 10 && number(learned, "strangers") == 0, "who logs in here is staff: {learned}");
    let table = said(&site, &["status", "--sizes"]);
    assert!(table.contains("new_network") && table.contains("LARGEST"), "{table}");
    daemon.stop();
    assert_eq!(site.json(&["status", "--sizes"]), sizes);
}

#[test]
fn findings_and_orders_are_listed_shown_and_acknowledged() {
    let world = World::make(5);
    let (site, daemon) = answered(&world);
    let rows = site.json(&["findings", "list", "--limit", "1000"]);
    let all = rows.len();
    assert!(all > 20);
    for (filter, fits) in [
        (
            ["--severity", "high"],
            (|f: &Value| matches!(f["severity"].as_str(), Some("high" | "critical"))) as fn(&Value) -> bool,
        ),
        (["--policy", "new_country"], |f| f["policy"] == "new_country"),
        (["--since", "2026-03-10"], |f| f["time"].as_i64().unwrap() >= 1_773_100_800_000),
        (["--until", "2026-03-10"], |f| f["time"].as_i64().unwrap() < 1_773_100_800_000),
    ] {
        let some = site.json(&[&["findings", "list", "--limit", "1000"], &filter[..]].concat());
        let expected = rows.iter().filter(|r| fits(&r["finding"])).count();
        assert!(expected > 0 && expected < all, "{filter:?} tells nothing apart");
        assert_eq!(some.len(), expected, "{filter:?}");
        assert!(some.iter().all(|r| fits(&r["finding"])), "{filter:?}");
    }
    let actor = rows.iter().find_map(|r| r["finding"]["subject"]["actor"].as_str()).unwrap();
    let of_actor = site.json(&["findings", "list", "--limit", "1000", "--actor", actor]);
    assert_eq!(of_actor.len(), rows.iter().filter(|r| r["finding"]["subject"]["actor"] == actor).count());

    let asks = |f: &&Value| f["policy"] == "stolen_session_export" && !f["asks"].as_array().unwrap().is_empty();
    let chain = rows.iter().map(|r| &r["finding"]).find(asks).expect("some ask for more than to be told");
    let id = chain["id"].as_str().unwrap();
    let shown = site.json(&["findings", "show", id]).remove(0);
    assert_eq!(shown["finding"]["id"], id);
    assert!(!shown["events"].as_array().unwrap().is_empty(), "a finding rests on events: {shown}");
    assert!(!shown["orders"].as_array().unwrap().is_empty(), "it asks for the end of each session that came to it");
    let order = shown["orders"][0]["id"].as_str().unwrap();
    for verb in ["release", "cancel"] {
        let out = site.say(&["orders", verb, order]);
        assert_eq!(out.status.code(), Some(70), "{}", text(&out));
        assert!(text(&out).contains("the order is refused"), "{}", text(&out));
    }
    assert!(said(&site, &["findings", "show", &id[..12]]).contains(chain["policy"].as_str().unwrap()));

    assert_eq!(site.json(&["findings", "list", "--open", "--limit", "1000"]).len(), all);
    said(&site, &["findings", "ack", id]);
    assert_eq!(site.json(&["findings", "list", "--open", "--limit", "1000"]).len(), all - 1);
    let out = site.say(&["findings", "ack", "ffffffffffff"]);
    assert_eq!(out.status.code(), Some(70), "{}", text(&out));

    let order = site.json(&["orders", "list"]).remove(0);
    assert_eq!(order["state"], "refused", "what happened months ago is too old to end a session for");
    let shown = site.json(&["orders", "show", order["id"].as_str().unwrap()]).remove(0);
    assert_eq!(shown["steps"][0]["refusal"], "too_old", "{shown}");
    said(&site, &["hold", "on"]);
    assert!(said(&site, &["status"]).contains("ON HOLD"));
    said(&site, &["hold", "off"]);
    assert!(!said(&site, &["status"]).contains("ON HOLD"));

    // the same answers when nobody is there but the file; what changes something needs the daemon
    let (before, status) = (site.json(&["findings", "list", "--limit", "1000"]), said(&site, &["status"]));
    daemon.stop();
    assert_eq!(site.json(&["findings", "list", "--limit", "1000"]), before);
    let after = said(&site, &["status"]);
    assert!(status.contains("runs as process") && after.contains("not running"), "{after}");
    let out = site.say(&["hold", "on"]);
    assert_eq!(out.status.code(), Some(75), "{}", text(&out));
}

#[test]
fn what_others_wrote_moves_no_cursor() {
    let site = Site::bare("", "");
    site.append_to(DOWNLOADS);
    let mut file = site.append_to(PORTAL);
    let daemon = site.start(&[]);
    let now = jiff::Timestamp::now();
    // a service key in the log of people: the same name from ever new networks, until a policy has something to say
    let name = "eve\\u001b[2J\\nroot\\u202e\\u00e9";
    for day in (0..20).rev() {
        for n in 0..30 {
            let at = jiff::Timestamp::from_second(now.as_second() - day * 86_400 - n * 60).unwrap();
            let new = day == 0 && n < 5;
            let ip = if new { "203.0.113.9" } else { "192.0.2.1" };
            let ua = if new {
                "Evil\\u001b]0;x\\u0007"
            } else {
                "Mozilla/5.0 (Windows NT 10.0) Chrome/120.0.0.0 Safari/537.36"
            };
            let event = if new { "log.export.requested" } else { "page.view" };
            writeln!(
                file,
                "{{\"ts\":\"{at}\",\"id\":\"e{day}-{n}\",\"event\":\"{event}\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u\",\"name\":\"{name}\",\
                 \"type\":\"user\",\"role\":\"support\"}},\"session\":\"s{day}\",\"ip\":\"{ip}\",\"ua\":\"{ua}\",\"account\":\"AC{n}\",\
                 \"details\":{{\"export\":\"x{day}-{n}\",\"kind\":\"mfa\",\"from\":\"2026-01-01\",\"to\":\"2026-03-01\",\"rows\":900000}}}}"
            )
            .unwrap();
        }
    }
    site.caught_up();
    let findings = site.json(&["findings", "list"]);
    let of_eve: Vec<_> = findings
        .iter()
        .filter(|r| r["finding"]["subject"]["actor"].as_str().is_some_and(|a| a.starts_with("eve")))
        .collect();
    assert!(!of_eve.is_empty(), "900,000 records at a time are a finding: {findings:?}");
    let id = of_eve[0]["finding"]["id"].as_str().unwrap();
    let who = of_eve[0]["finding"]["subject"]["actor"].as_str().unwrap();
    for arguments in [
        &["findings", "list"][..],
        &["findings", "show", id],
        &["explain", id],
        &["actor", who],
        &["origin", "203.0.113.9"],
        &["orders", "list"],
        &["status"],
    ] {
        let shown = said(&site, arguments);
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(bad), "{arguments:?}: {shown:?}");
        let mut json = arguments.to_vec();
        json.push("--json");
        let shown = said(&site, &json);
        assert!(shown.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\n'), "{arguments:?}: {shown:?}");
    }
    assert!(said(&site, &["findings", "list"]).contains("eve"), "escaped, not left out");
    daemon.stop();
}

/// The next message at the socket that holds `word`.
fn hear(socket: &UnixDatagram, word: &str) -> String {
    let mut buffer = vec![0; 65_536];
    until(word, || {
        let n = socket.recv(&mut buffer).ok()?;
        let message = String::from_utf8(buffer[..n].to_vec()).unwrap();
        message.contains(word).then_some(message)
    })
}

fn listen(site: &Site) -> UnixDatagram {
    let socket = UnixDatagram::bind(site.path("log.sock")).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    socket
}

#[test]
fn syslog_is_told_also_by_a_receiver_that_was_away() {
    let site = Site::bare("", "");
    let target = format!("[syslog.siem]\nformat = 'rfc5424'\naddress = '{}'\n", site.path("log.sock").display());
    site.configure(&(site.configuration() + &target));
    let socket = listen(&site);
    let daemon = site.start(&[]);
    // a finding of its own making: many lines can't be read
    site.append_to(PORTAL).write_all(&b"nonsense\n".repeat(100)).unwrap();
    let message = hear(&socket, "trail_unreadable");
    let mut words = message.split(' ');
    // RFC 5424: PRI VERSION, TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID, STRUCTURED-DATA
    let head: Vec<&str> = words.by_ref().take(6).collect();
    assert!(head[0].starts_with('<') && head[0].ends_with(">1"), "{message}");
    assert!(head[1].parse::<jiff::Timestamp>().is_ok(), "{message}");
    assert_eq!((head[3], head[4]), ("tripline", daemon.id().to_string().as_str()), "{message}");
    assert!(words.next().is_some_and(|w| w.starts_with('[')), "{message}");

    drop(socket);
    std::fs::remove_file(site.path("log.sock")).unwrap();
    said(&site, &["test-finding"]);
    until("the outlet's fault to be shown", || {
        let status = site.status();
        let outlet = status["outlets"].as_array()?.iter().find(|o| o["name"] == "syslog.siem")?.clone();
        (outlet["waiting"].as_u64() > Some(0) && outlet["error"].is_string()).then_some(())
    });
    let socket = listen(&site);
    let message = hear(&socket, "test");
    assert!(!message.contains("trail_unreadable"), "what was told is not told again: {message}");
    until("the outbox to be empty", || {
        let outlets = site.status()["outlets"].clone();
        outlets.as_array()?.iter().all(|o| o["waiting"] == 0).then_some(())
    });
    daemon.stop();
}
