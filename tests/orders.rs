//! Orders from the finding to the proof, with the real daemon, runner and hooks: every grade, every way in which people and
//! clocks decide, and what is left after a crash. Every export in the portal's trail asks for the end of its session.
use crate::support::{ANY_EXPORT, DOWNLOADS, PORTAL, Site, skip, text, tripline, until};
use rustix::process::Signal;
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

/// What `[response]` and `[actions]` say, with `$DIR` for the site's folder.
fn site(more: &str) -> Site {
    let site = Site::bare("", "");
    let detections = site.path("policies/detections");
    std::fs::create_dir_all(&detections).unwrap();
    std::fs::write(detections.join("any-export.yml"), ANY_EXPORT).unwrap();
    for name in ["end-session", "end-all", "lock", "unlock"] {
        site.hook(name, "d=$(cat); printf '%s\\n' \"$d\" >> $DIR/journal");
    }
    let dir = site.dir.path().to_str().unwrap().to_owned();
    let policies = format!("policies_dir = '{dir}/policies'\n");
    site.configure(&(policies + &site.configuration() + &more.replace("$DIR", &dir)));
    for name in [PORTAL, DOWNLOADS] {
        std::fs::write(site.path(name), "").unwrap();
    }
    site
}

const END: &str = "[actions.end-session]\ncommand = ['$DIR/end-session']\n";

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// An export in a session of somebody, in the portal's own trail.
fn export(n: usize, who: &str) -> String {
    format!(
        "{{\"ts\":\"{:.3}\",\"id\":\"ev-{n}-{who}\",\"event\":\"log.export.requested\",\"outcome\":\"success\",\
         \"actor\":{{\"id\":\"u-{who}\",\"name\":\"{who}\",\"type\":\"staff\",\"role\":\"noc\"}},\"session\":\"s-{n}\",\
         \"ip\":\"192.0.2.{}\",\"ua\":\"Mozilla/5.0\",\"account\":\"AC1\",\"details\":{{\"export\":\"ex-{n}\",\"kind\":\"sms\",\"rows\":5}}}}\n",
        now(),
        n % 250
    )
}

fn write(site: &Site, name: &str, lines: &str) {
    site.append_to(name).write_all(lines.as_bytes()).unwrap();
}

/// What the hooks were told, in order.
fn journal(site: &Site) -> Vec<Value> {
    let text = std::fs::read_to_string(site.path("journal")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn orders(site: &Site) -> Vec<Value> {
    site.json(&["orders", "list", "--limit", "10000"])
}

/// The one order in that state, as soon as there is one.
fn order_in(site: &Site, state: &str) -> Value {
    until(state, || orders(site).into_iter().find(|o| o["state"] == state))
}

fn id(order: &Value) -> String {
    order["id"].as_str().unwrap().to_owned()
}

fn shown(site: &Site, id: &str) -> Value {
    site.json(&["orders", "show", id]).remove(0)
}

fn said(site: &Site, arguments: &[&str]) -> String {
    let out = site.say(arguments);
    assert!(out.status.success(), "{arguments:?}: {}", text(&out));
    text(&out)
}

fn refused(site: &Site, arguments: &[&str], why: &str) {
    let out = site.say(arguments);
    assert_eq!(out.status.code(), Some(70), "{arguments:?}: {}", text(&out));
    assert!(text(&out).contains(why), "{}", text(&out));
}

#[test]
fn h91_the_protected_are_left_alone_even_by_hand() {
    let site = site(&format!("[response]\nmode = 'enforce'\nprotected_actors = ['u-root']\n{END}"));
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "root"));
    let order = order_in(&site, "refused");
    assert_eq!(order["refusal"], "protected");
    let finding = order["findings"][0].as_str().unwrap();
    said(&site, &["invalidate", "--finding", finding, "--action", "end-session", "--reason", "a try"]);
    assert!(orders(&site).iter().all(|o| o["refusal"] == "protected"));
    assert!(journal(&site).is_empty());
}

#[test]
fn h92_beyond_the_limit_orders_are_held_one_finding_says_so_and_people_release_them() {
    let site = site(&format!("[response]\nmode = 'enforce'\nlimit = 2\n{END}"));
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &(1..=6).map(|n| export(n, &format!("p{n}"))).collect::<String>());
    until("six orders", || (orders(&site).len() == 6).then_some(()));
    until("two hooks", || (journal(&site).len() == 2).then_some(()));
    assert_eq!(site.json(&["findings", "list", "--policy", "response_limit"]).len(), 1);
    let held = site.json(&["orders", "list", "--in", "held"]);
    assert_eq!(held.len(), 4);
    refused(&site, &["orders", "approve", &id(&held[0])], "it is held");
    said(&site, &["orders", "release", &id(&held[0])]);
    until("a third hook", || (journal(&site).len() == 3).then_some(()));
    said(&site, &["orders", "cancel", "--all"]);
    assert_eq!(site.json(&["orders", "list", "--in", "cancelled"]).len(), 3);
}

/// One phished account logs in again and again: its sessions are ended, the third asks for the next grade, and whoever comes after it
/// is not let go for that.
#[test]
fn h92_one_person_who_comes_back_uses_up_no_limit() {
    let grades = "[actions.end-session]\ncommand = ['$DIR/end-session']\n\
                  then = { action = 'end-all', target = 'user' }\n[actions.end-all]\ncommand = ['$DIR/end-all']\n";
    let site = site(&format!("[response]\nmode = 'enforce'\nlimit = 2\nwatch_seconds = 3\n{grades}"));
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &(1..=6).map(|n| export(n, "ana")).collect::<String>());
    until("seven hooks", || (journal(&site).len() == 7).then_some(()));
    write(&site, PORTAL, &export(7, "ben"));
    until("an eighth hook", || (journal(&site).len() == 8).then_some(()));
    let count = |what: &dyn Fn(&&Value) -> bool| orders(&site).iter().filter(what).count();
    assert_eq!(count(&|o| o["action"] == "end-all" && o["actor"] == "ana" && o["target"] == "user"), 1);
    until("all of them to be done", || (count(&|o| o["state"] == "done") == 8).then_some(()));
    assert!(site.json(&["findings", "list", "--policy", "response_limit"]).is_empty());
    // what the trail says after them shows that they held
    std::thread::sleep(std::time::Duration::from_secs(2));
    write(&site, PORTAL, &export(8, "eve").replace("log.export.requested", "page.view"));
    until("it to be verified", || (count(&|o| o["verification"]["result"] == "held") == 8).then_some(()));
}

/// More than the runner takes at a time, put on hold and cancelled in the middle: none of those that come to nothing keeps a place.
#[test]
fn a_burst_of_orders_is_carried_out_whatever_becomes_of_some_of_them() {
    let site = site(&format!("[response]\nmode = 'enforce'\nlimit = 1000\n{END}"));
    site.hook("end-session", "d=$(cat); printf '%s\\n' \"$d\" >> $DIR/journal; sleep 0.02");
    let _daemon = site.start(&[]);
    // each of them twice: the second finding asks for the same order
    let lines = |people: std::ops::Range<usize>| {
        people
            .map(|n| export(n, &format!("p{n}")) + &export(n, &format!("p{n}")).replace("\"ev-", "\"again-"))
            .collect::<String>()
    };
    write(&site, PORTAL, &lines(0..200));
    until("some hooks", || (journal(&site).len() > 5).then_some(()));
    said(&site, &["hold", "on"]);
    until("the rest to be held", || {
        let all = orders(&site);
        (all.len() == 200 && all.iter().all(|o| o["state"] == "held" || o["state"] == "done")).then_some(())
    });
    assert!(!site.json(&["orders", "list", "--in", "held"]).is_empty());
    said(&site, &["orders", "cancel", "--all"]);
    said(&site, &["hold", "off"]);
    // as many again as there are places
    write(&site, PORTAL, &lines(200..280));
    until("the new ones to be done", || {
        let done = orders(&site).into_iter().filter(|o| o["state"] == "done");
        (done.filter(|o| o["actor"].as_str().unwrap()[1..].parse::<usize>().unwrap() >= 200).count() == 80)
            .then_some(())
    });
}

#[test]
fn h93_what_is_protected_meanwhile_is_not_ended_though_it_was_approved() {
    let site = site(&format!("[response]\nmode = 'approve'\n{END}"));
    let daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    let order = order_in(&site, "waiting");
    let protecting = site.configuration().replace("mode = 'approve'", "mode = 'approve'\nprotected_actors = ['ana']");
    site.configure(&protecting);
    daemon.signal(Signal::HUP);
    until("the new configuration", || daemon.log().contains("read again").then_some(()));
    said(&site, &["orders", "approve", &id(&order)]);
    let order = order_in(&site, "refused");
    assert_eq!((order["refusal"].as_str(), journal(&site).len()), (Some("protected"), 0));
}

/// The command as another user, of root's group so that the socket lets him in.
fn as_user(site: &Site, uid: u32, arguments: &[&str]) -> std::process::Output {
    site.command(arguments).uid(uid).gid(0).output().unwrap()
}

#[test]
fn two_people_approve_and_root_is_neither() {
    if !rustix::process::getuid().is_root() {
        return skip("only root can be two people");
    }
    let site = site(&format!("[response]\nmode = 'approve'\n[response.approval]\npeople = 2\n{END}"));
    std::fs::set_permissions(site.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    let order = id(&order_in(&site, "waiting"));
    refused(&site, &["orders", "approve", &order], "root is neither");
    let first = as_user(&site, 4001, &["orders", "approve", &order]);
    assert!(first.status.success(), "{}", text(&first));
    let again = as_user(&site, 4001, &["orders", "approve", &order]);
    assert!(text(&again).contains("somebody else"), "{}", text(&again));
    assert_eq!((shown(&site, &order)["order"]["state"].as_str(), journal(&site).len()), (Some("waiting"), 0));
    let second = as_user(&site, 4002, &["orders", "approve", &order]);
    assert!(second.status.success(), "{}", text(&second));
    until("the hook", || (journal(&site).len() == 1).then_some(()));
    let steps = shown(&site, &order)["steps"].to_string();
    assert!(steps.contains("uid 4001") && steps.contains("uid 4002"), "{steps}");
}

#[test]
fn x106_who_may_not_connect_changes_nothing() {
    if !rustix::process::getuid().is_root() {
        return skip("only root can be somebody else");
    }
    let site = site(&format!("[response]\nmode = 'approve'\n{END}"));
    std::fs::set_permissions(site.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _daemon = site.start(&[]);
    for arguments in [&["hold", "on"][..], &["orders", "list"], &["status"]] {
        let out = site.command(arguments).uid(4001).gid(4001).output().unwrap();
        assert_eq!(out.status.code(), Some(77), "{}", text(&out));
        assert!(text(&out).contains("may not ask the daemon"), "{}", text(&out));
    }
    assert_eq!(site.status()["hold"], false);
}

#[test]
fn nobody_answers_and_the_default_is_taken() {
    for (otherwise, state, hooks) in [("cancel", "cancelled", 0), ("carry_out", "done", 1)] {
        let site = site(&format!(
            "[response]\nmode = 'approve'\n[response.approval]\ndeadline_seconds = 1\notherwise = '{otherwise}'\n{END}"
        ));
        let _daemon = site.start(&[]);
        write(&site, PORTAL, &export(1, "ana"));
        order_in(&site, state);
        assert_eq!(journal(&site).len(), hooks);
    }
}

/// A download in a session, which took so many milliseconds.
fn download(n: usize, who: &str, took_ms: u64, status: u16) -> String {
    let at = now().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
    format!(
        "192.0.2.{n} - {who} [{at}] \"GET /exports/ex-{n}.csv HTTP/1.1\" {status} 1000 \"-\" \"Mozilla/5.0\" rt={}.{:03} sid=s-{n} rows=5\n",
        took_ms / 1000,
        took_ms % 1000
    )
}

fn verification(site: &Site, order: &str) -> String {
    shown(site, order)["order"]["verification"]["result"].as_str().unwrap_or_default().to_owned()
}

const GRADES: &str = "[response]\nmode = 'enforce'\nwatch_seconds = 4\n[enrich]\ndirectory = '$DIR/staff.csv'\n\
    [actions.end-session]\ncommand = ['$DIR/end-session']\nthen = { action = 'end-all', target = 'user' }\n\
    [actions.end-all]\ncommand = ['$DIR/end-all']\nthen = { action = 'lock', target = 'account' }\n\
    [actions.lock]\ncommand = ['$DIR/lock']\nundo = 'unlock'\nlasts_seconds = 3\n[actions.unlock]\ncommand = ['$DIR/unlock']\n";

fn graded() -> Site {
    let site = site(GRADES);
    std::fs::write(site.path("staff.csv"), "actor,role\nana,noc\nbob,admin\n").unwrap();
    site
}

#[test]
fn h88_a_hook_that_lies_is_found_out_and_every_grade_is_taken_and_given_back() {
    let site = graded();
    let daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    let first = id(&order_in(&site, "done"));
    let told = |action: &str| journal(&site).into_iter().find(|d| d["action"] == action);
    // the session lives, whatever the hooks say: it goes on downloading
    let lock = until("the account to be locked", || {
        write(&site, DOWNLOADS, &download(1, "ana", 5, 200));
        std::thread::sleep(std::time::Duration::from_millis(200));
        told("lock")
    });
    assert_eq!((lock["target"]["kind"].as_str(), lock["purpose"].as_str()), (Some("account"), Some("end")));
    assert_eq!(verification(&site, &first), "not_held");
    let all = orders(&site);
    let parent =
        |action: &str| all.iter().find(|o| o["action"] == action).unwrap()["parent"].as_str().map(str::to_owned);
    assert_eq!(parent("end-all"), Some(first.clone()));
    assert!(said(&site, &["orders", "show", &first]).contains("begun after the order ended"));
    assert!(!site.json(&["findings", "list", "--policy", "response_failed"]).is_empty());
    // the daemon is not there when the lock is over, and gives the account back all the same
    drop(daemon);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let daemon = site.start(&[]);
    let undo = until("the account to be given back", || told("unlock"));
    assert_eq!((undo["target"]["kind"].as_str(), undo["purpose"].as_str()), (Some("account"), Some("undo")));
    until("it is done", || orders(&site).iter().any(|o| o["action"] == "unlock" && o["state"] == "done").then_some(()));
    let actions: Vec<String> = journal(&site).iter().map(|d| d["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions, ["end-session", "end-all", "lock", "unlock"], "each once");
    daemon.stop();
}

#[test]
fn a_session_that_is_refused_afterwards_has_ended() {
    let site = graded();
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    let order = id(&order_in(&site, "done"));
    // a download that was under way when the session ended does not say that it lives
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    write(&site, DOWNLOADS, &download(1, "ana", 60_000, 200));
    write(&site, PORTAL, &export(1, "ana").replace("\"ev-", "\"late-").replace("success", "failure"));
    until("a verdict", || (verification(&site, &order) == "held").then_some(()));
    assert!(said(&site, &["orders", "show", &order]).contains("refused afterwards"));
    assert_eq!(journal(&site).len(), 1, "nothing more was done");
}

#[test]
fn a_trail_that_says_nothing_afterwards_is_no_proof() {
    let site = graded();
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    let order = id(&order_in(&site, "done"));
    until("a verdict", || (verification(&site, &order) == "could_not_tell").then_some(()));
    assert_eq!(journal(&site).len(), 1, "nothing follows from it");
}

#[test]
fn a_check_that_says_it_lives_is_believed() {
    let site = site(&GRADES.replace("then = { action = 'end-all'", "check = 'ask'\nthen = { action = 'end-all'"));
    std::fs::write(site.path("staff.csv"), "actor,role\nana,noc\nbob,admin\n").unwrap();
    let ask = site.hook("ask", "cat > /dev/null; echo still there; exit 1");
    site.configure(&format!("{}[actions.ask]\ncommand = ['{}']\n", site.configuration(), ask.display()));
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    until("the next grade", || journal(&site).into_iter().find(|d| d["action"] == "end-all"));
    let first = orders(&site).into_iter().find(|o| o["action"] == "end-session").unwrap();
    assert_eq!(first["verification"]["result"], "not_held");
    assert!(first["verification"]["note"].as_str().unwrap().contains("still there"));
}

#[test]
fn a_daemon_killed_at_each_step_goes_on_where_it_was() {
    let site = site(&format!("[response]\nmode = 'approve'\nwatch_seconds = 2\n{END}"));
    site.hook("end-session", "d=$(cat); printf '%s\\n' \"$d\" >> $DIR/journal; sleep 0.5");
    let mut daemon = site.start(&[]);
    let mut restart = |site: &Site| {
        daemon.kill();
        daemon = site.start(&[]);
    };
    write(&site, PORTAL, &export(1, "ana"));
    let order = id(&order_in(&site, "waiting"));
    restart(&site);
    assert_eq!(shown(&site, &order)["order"]["state"], "waiting");
    said(&site, &["orders", "approve", &order]);
    until("the hook has begun", || (!journal(&site).is_empty()).then_some(()));
    restart(&site);
    // the runner let the hook end before it ended itself, and its journal knows; of a runner that is killed too, tests/hooks.rs
    order_in(&site, "done");
    refused(&site, &["orders", "retry", &order], "it is done");
    restart(&site);
    until("a verdict", || (verification(&site, &order) == "could_not_tell").then_some(()));
    assert_eq!(journal(&site).len(), 1);
}

#[test]
fn a_ledger_restored_from_an_older_copy_has_no_order_carried_out_again() {
    let site = site(&format!("[response]\nmode = 'enforce'\n{END}"));
    let journal_of_keys = site.path("keys");
    std::fs::create_dir(&journal_of_keys).unwrap();
    site.configure(&format!("{}[runner]\nstate_dir = '{}'\n", site.configuration(), journal_of_keys.display()));
    site.start(&[]).stop();
    let copied = |from: &str, to: &str| {
        let out = std::process::Command::new("cp").arg("-a").arg(site.path(from)).arg(site.path(to)).output().unwrap();
        assert!(out.status.success(), "{}", text(&out));
    };
    copied("state", "older");
    let daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    let before = id(&order_in(&site, "done"));
    daemon.stop();
    std::fs::remove_dir_all(site.path("state")).unwrap();
    copied("older", "state");
    let daemon = site.start(&[]);
    assert_eq!(id(&order_in(&site, "done")), before, "the same order, and the runner knows how it ended");
    assert_eq!(journal(&site).len(), 1);
    daemon.stop();
}

#[test]
fn planned_work_is_muted_until_its_end_and_a_person_may_still_ask() {
    let site = site(&format!("[response]\nmode = 'enforce'\n{END}"));
    let daemon = site.start(&[]);
    said(&site, &["mute", "on", "--for", "2h", "--policy", "any_*", "--reason", "migration"]);
    daemon.stop();
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &export(1, "ana"));
    assert_eq!(order_in(&site, "refused")["refusal"], "muted");
    let mute = site.json(&["mute", "list"]).remove(0);
    assert_eq!(
        (mute["by"].as_str().map(|by| by.starts_with("uid ")), mute["reason"].as_str()),
        (Some(true), Some("migration"))
    );
    let mut hand = site.command(&["invalidate", "--session", "-", "--action", "end-session", "--reason", "ticket 7"]);
    let mut child = hand.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"s-1\n").unwrap();
    assert!(child.wait().unwrap().success());
    until("the hook", || (journal(&site).len() == 1).then_some(()));
    assert_eq!(journal(&site)[0]["target"]["session"], "s-1");
    said(&site, &["mute", "end", mute["id"].as_str().unwrap()]);
    assert!(site.json(&["mute", "list"]).is_empty());
    write(&site, PORTAL, &export(2, "ana"));
    until("the next one is enforced", || (journal(&site).len() == 2).then_some(()));
    let log = std::fs::read_to_string(site.path("daemon.log")).unwrap();
    assert!(log.contains("Invalidate") && !log.contains("s-1\""), "a session's id is not logged: {log}");
}

#[test]
fn whom_nobody_knows_and_what_is_no_action_is_refused_by_hand() {
    let site = site(&format!("[response]\nmode = 'enforce'\n{END}"));
    let _daemon = site.start(&[]);
    let by = |more: &[&str]| {
        [&["invalidate", "--reason", "r"][..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (more, why) in [
        (&["--actor", "annna", "--action", "end-session", "--target", "user"][..], "anybody of that name"),
        (&["--actor", "ana", "--action", "end-session"], "which session"),
        (&["--session", "s-9", "--action", "end-session"], "no trail"),
        (&["--session", "s-9", "--action", "end-sesion"], "end-session"),
    ] {
        let arguments = by(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        refused(&site, &arguments, why);
    }
    assert!(orders(&site).is_empty());
}

#[test]
fn a_week_of_observing_is_reviewed() {
    let site = site(END);
    let _daemon = site.start(&[]);
    write(&site, PORTAL, &[export(1, "ana"), export(2, "bob"), export(3, "eve")].concat());
    until("three orders", || (orders(&site).len() == 3).then_some(()));
    let of = |who: &str| {
        orders(&site).into_iter().find(|o| o["actor"] == who).unwrap()["findings"][0].as_str().unwrap().to_owned()
    };
    said(&site, &["confirm", &of("ana"), "--reason", "phished"]);
    said(&site, &["dismiss", &of("bob"), "--reason", "his work"]);
    let rows = site.json(&["orders", "review"]);
    let row = rows.iter().find(|r| r["policy"] == "any_export").unwrap();
    for (key, n) in [
        ("observed", 3),
        ("carried_out", 0),
        ("people", 3),
        ("most_in_an_hour", 3),
        ("confirmed", 1),
        ("dismissed", 1),
        ("unjudged", 1),
    ] {
        assert_eq!(row[key], n, "{key}: {row}");
    }
    assert!(said(&site, &["orders", "review"]).contains("would have ended honest work"));
}

#[test]
fn an_action_is_tried_by_hand_and_does_nothing_unless_it_is_really_meant() {
    let site = site(END);
    let shown = said(&site, &["hooks", "test", "end-session", "--session", "s-1", "--actor", "\u{1b}[31mana"]);
    assert!(shown.contains("end-session") && shown.contains("s-1") && !shown.contains('\u{1b}'), "{shown}");
    assert!(journal(&site).is_empty());
    said(&site, &["hooks", "test", "end-session", "--session", "s-1", "--really"]);
    assert_eq!(journal(&site)[0]["target"]["session"], "s-1");
    refused(&site, &["hooks", "test", "end-sesion", "--session", "s-1"], "end-session");
    let schema = tripline(&["hooks", "schema"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema["properties"]["purpose"]["enum"].as_array().map(Vec::len), Some(3));
}
