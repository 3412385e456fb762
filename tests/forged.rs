//! Trails that somebody else writes into: ten thousand lines crafted to have every administrator thrown out end with the
//! breaker open, the protected untouched and one page; and no name, address or user agent chooses what is done.
use crate::support::{DOWNLOADS, PORTAL, Site, until};
use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

/// How many lines are forged.
const LINES: usize = 10_000;
/// How many people may be acted on.
const LIMIT: usize = 3;

const POLICY: &str = "title: Any export\nname: any_export\nlevel: high\nlogsource: { product: ocsf }\n\
    detection:\n  sel: { activity_name: export_requested }\n  condition: sel\n\
    tripline:\n  response: [ { action: end-session, target: session }, { action: lock, target: account } ]\n";

/// A receiver of syslog that keeps what it is sent.
fn receiver(site: &Site) -> Arc<Mutex<Vec<String>>> {
    let socket = UnixDatagram::bind(site.path("log.sock")).unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    // it ends with the test's process
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n) = socket.recv(&mut buffer) {
            keep.lock().unwrap().push(String::from_utf8_lossy(&buffer[..n]).into_owned());
        }
    });
    kept
}

/// Enforcing, with three hundred administrators of whom one is protected.
fn site() -> Site {
    let site = Site::bare("", "");
    let dir = site.dir.path().to_str().unwrap().to_owned();
    std::fs::create_dir_all(site.path("policies/detections")).unwrap();
    std::fs::write(site.path("policies/detections/any-export.yml"), POLICY).unwrap();
    for name in ["end-session", "lock", "unlock"] {
        site.hook(name, "d=$(cat); printf '%s\\n' \"$# $d\" >> $DIR/journal");
    }
    let mut staff = "actor,role\n".to_owned();
    (0..300).for_each(|n| writeln!(staff, "admin{n},admin").unwrap());
    std::fs::write(site.path("staff.csv"), staff).unwrap();
    let more = format!(
        "[enrich]\ndirectory = '{dir}/staff.csv'\n[response]\nmode = 'enforce'\nlimit = {LIMIT}\nprotected_actors = ['admin0']\n\
         [syslog.siem]\nformat = 'rfc5424'\naddress = '{dir}/log.sock'\n[actions.end-session]\ncommand = ['{dir}/end-session']\n\
         [actions.lock]\ncommand = ['{dir}/lock']\nundo = 'unlock'\n[actions.unlock]\ncommand = ['{dir}/unlock']\n"
    );
    site.configure(&format!("policies_dir = '{dir}/policies'\n{}{more}", site.configuration()));
    [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
    site
}

/// A line of the portal's own trail, as one writes who can make it log what he likes.
fn line(n: usize, who: &str, agent: &str) -> String {
    let ts = jiff::Timestamp::now();
    let event = serde_json::json!({
        "ts": format!("{ts:.3}"), "id": format!("ev-{n}"), "event": "log.export.requested", "outcome": "success",
        "actor": {"id": who, "name": who, "type": "staff", "role": "admin"}, "session": format!("s-{n}"),
        "ip": "192.0.2.7", "ua": agent, "account": "AC1", "details": {"export": format!("ex-{n}"), "kind": "sms", "rows": 5},
    });
    format!("{event}\n")
}

fn journal(site: &Site) -> Vec<String> {
    std::fs::read_to_string(site.path("journal")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn x109_ten_thousand_forged_lines_end_with_the_breaker_open_the_protected_untouched_and_one_page() {
    let site = site();
    let log = receiver(&site);
    let _daemon = site.start(&[]);
    let forged: String = (0..LINES).map(|n| line(n, &format!("admin{}", n % 300), "Mozilla/5.0")).collect();
    site.append_to(PORTAL).write_all(forged.as_bytes()).unwrap();
    site.caught_up();
    until("the outbox to be empty", || {
        let waiting = site.status()["outlets"].to_string();
        waiting.contains("\"waiting\":0").then_some(())
    });
    // whoever was acted on once is acted on again, and nobody else
    let people = |told: &[String]| {
        let actor = |told: &String| {
            told.split("\"actor\":\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned)
        };
        told.iter().filter_map(actor).collect::<std::collections::BTreeSet<String>>()
    };
    until("as many people as there may be", || (people(&journal(&site)).len() >= LIMIT).then_some(()));
    until("every order that was given to be over", || {
        ["pending", "started"]
            .iter()
            .all(|state| site.json(&["orders", "list", "--in", state]).is_empty())
            .then_some(())
    });
    let done = journal(&site);
    assert_eq!(people(&done).len(), LIMIT, "{done:?}");
    assert!(done.iter().all(|told| !told.contains("\"admin0\"")));
    assert_eq!(site.json(&["orders", "list", "--in", "held", "--limit", "1"])[0]["refusal"], "limit");
    let log = log.lock().unwrap();
    let pages = log.iter().filter(|m| m.contains("policy=\"response_limit\"")).count();
    let said: Vec<_> = log.iter().filter(|m| m.contains("policy=\"response_limit\"")).collect();
    assert_eq!(pages, 1, "one page: {said:#?}");
    println!("{} messages in all, of {LINES} lines", log.len());
    assert!(log.len() < LINES / 5, "{} messages drown the one that matters", log.len());
    // an operator looks, takes the hold, and clears the table in one go
    assert!(site.say(&["hold", "on"]).status.success());
    assert!(site.say(&["orders", "cancel", "--all"]).status.success());
}

#[test]
fn x107_what_stands_in_a_line_reaches_hooks_as_json_and_terminals_escaped() {
    let site = site();
    let _daemon = site.start(&[]);
    let hostile = "$(touch /tmp/x); `id` {target.session} ${HOME} \u{1b}]0;owned\u{7} \"]\r\n<13>1 forged %s";
    site.append_to(PORTAL).write_all(line(1, hostile, hostile).as_bytes()).unwrap();
    let told = until("the hook", || journal(&site).into_iter().find(|d| d.contains("\"end-session\"")));
    let (arguments, document) = told.split_once(' ').unwrap();
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    assert_eq!((arguments, document["target"]["actor"].as_str()), ("0", Some(hostile)));
    for arguments in [&["orders", "list"][..], &["findings", "list"], &["status"], &["actor", hostile]] {
        let out = site.say(arguments);
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && !said.contains(['\u{1b}', '\u{7}', '\r']), "{said}");
        let json = site.say(&[arguments, &["--json"]].concat());
        assert!(json.stdout.iter().all(|b| (b' '..=b'~').contains(b) || *b == b'\n'));
    }
}
