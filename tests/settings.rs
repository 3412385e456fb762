//! What an operator sets without editing shipped files: `[policy.NAME]` and `[[silence]]`, as the program says and does it.
use crate::support::{self, DOWNLOADS, PORTAL, Site, World, Writer, text, until};
use serde_json::Value;
use std::io::Write;

/// A line of the portal: an export of so many records at that minute.
fn export(minute: u32, who: &str, session: &str, ip: &str, customer: &str) -> String {
    format!(
        "{{\"ts\":\"2026-04-01T09:{minute:02}:00.000Z\",\"id\":\"e{minute}\",\"event\":\"log.export.requested\",\"outcome\":\"success\",\
         \"actor\":{{\"id\":\"u-{who}\",\"name\":\"{who}\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"{session}\",\"ip\":\"{ip}\",\
         \"ua\":\"Mozilla/5.0\",\"account\":\"{customer}\",\"details\":{{\"export\":\"x{minute}\",\"kind\":\"mfa\",\"from\":\"2026-03-31\",\"to\":\"2026-03-31\",\"rows\":600}}}}\n"
    )
}

/// Two policies of our own: one export is enough for the one, three in an hour for the other.
const OWN: &str = "
title: An export
name: own_export
level: high
logsource: { product: ocsf }
detection:
  sel: { status: success, activity_name: export_requested }
  condition: sel
tripline:
  episode: 1h
  generate: true
  response: [ { action: end-session, target: session } ]
---
title: Three exports
name: own_three
level: medium
correlation:
  type: event_count
  rules: [own_export]
  group-by: [actor.user.name]
  timespan: 1h
  condition: { gte: 3 }
";

/// A site with those policies, and the lines in its portal's trail.
fn site(more: &str, lines: &[String]) -> Site {
    let site = Site::bare("", more);
    let folder = site.path("policies/detections");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("own.yml"), OWN).unwrap();
    let policies = site.path("policies").display().to_string();
    site.configure(&format!("policies_dir = '{policies}'\n{}", site.configuration()));
    site.append_to(support::DOWNLOADS);
    lines.iter().for_each(|line| site.append_to(PORTAL).write_all(line.as_bytes()).unwrap());
    site
}

/// The findings of our own policies after a replay.
fn found(site: &Site) -> Vec<Value> {
    site.replay("replayed");
    let (nobody, state) = (site.path("nobody.sock"), site.path("replayed"));
    let at = ["--socket", nobody.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let rows = site.json(&[&["findings", "list"], &at[..]].concat());
    rows.into_iter().filter(|row| row["finding"]["policy"].as_str().unwrap().starts_with("own_")).collect()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["finding"]["policy"].as_str().unwrap()).collect()
}

#[test]
fn check_says_what_is_changed() {
    let site = site(
        "[policy.own_three]\ncondition = { gte = 2 }\n[policy.own_export]\nenabled = false\n[policy.stolen_session_export]\nlevel = 'critical'\n",
        &[],
    );
    let said = text(&site.say(&["check"]));
    for line in [
        "policy own_three: condition gte 2 in place of 3",
        "policy own_export: off: makes no findings, and counts for the policies that refer to it",
        "policy stolen_session_export: as its file has it",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn an_action_that_is_not_there_is_no_response() {
    let lock = site("[policy.own_export]\nresponse = [{ action = 'lock', target = 'user' }]\n", &[]);
    let out = lock.say(&["check"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("there is no [actions.lock], for which own_export asks"), "{}", text(&out));
    let out = site("[response]\nmode = 'enforce'\n", &[]).say(&["check"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("there is no [actions.end-session]"), "{}", text(&out));
}

#[test]
fn what_is_set_is_what_is_found() {
    let lines = [0, 1, 2].map(|n| export(n, "ana", "s1", "192.0.2.1", "AC1"));
    assert_eq!(names(&found(&site("", &lines))), ["own_export", "own_three"]);
    assert_eq!(names(&found(&site("[policy.own_export]\nenabled = false\n", &lines))), ["own_three"]);
    assert_eq!(names(&found(&site("[policy.own_three]\ncondition = { gte = 4 }\n", &lines))), ["own_export"]);
    let scoped = "[policy.own_export]\nexcept = { 'src_endpoint.ip' = ['192.0.2.0/24'] }\nlevel = 'low'\n";
    assert_eq!(names(&found(&site(scoped, &lines))), ["own_three"]);
    let elsewhere = [&lines[..], &[export(3, "ana", "s1", "198.51.100.9", "AC1")]].concat();
    let rows = found(&site(scoped, &elsewhere));
    assert_eq!(names(&rows), ["own_three", "own_export"]);
    assert_eq!(rows[1]["finding"]["severity"], "low");
}

#[test]
fn what_does_not_exist_is_refused_with_the_file_and_a_near_name() {
    for (more, words) in [
        (
            "[policy.own_tree]\nenabled = false\n",
            &["tripline.toml: [policy.own_tree]", "did you mean `own_three`?"][..],
        ),
        ("[policy.own_three]\nlevl = 'low'\n", &["tripline.toml:14:", "levl", "level"]),
        ("[policy.own_three]\nonly = { 'actor.user.rol' = ['a'] }\n", &["did you mean `actor.user.role`?"]),
    ] {
        let site = site(more, &[]);
        let out = site.say(&["check"]);
        assert_eq!(out.status.code(), Some(78), "{}", text(&out));
        words.iter().for_each(|word| assert!(text(&out).contains(word), "{word}: {}", text(&out)));
    }
}

/// A silence of ana's, over April 2026.
const APRIL: &str = "[[silence]]\nauthor = 'bo'\nreason = 'a drill'\nfrom = 2026-04-01\nuntil = '2026-04-01T09:02:30Z'\nactors = ['ana']\n";

#[test]
fn a_silenced_finding_is_recorded_and_marked_and_leads_to_nothing() {
    let lines = [0, 1, 2].map(|n| export(n, "ana", "s-aaaaaaaa", "192.0.2.1", "AC1"));
    let later = [&lines[..], &[export(3, "bo", "s-bbbbbbbb", "192.0.2.2", "AC1")]].concat();
    let quiet = site(APRIL, &later);
    let rows = found(&quiet);
    assert_eq!(names(&rows), ["own_export", "own_three", "own_export"]);
    let silenced = |row: &Value| row["finding"]["silenced"]["author"].as_str().map(str::to_owned);
    assert_eq!(rows.iter().map(silenced).collect::<Vec<_>>(), [Some("bo".into()), Some("bo".into()), None]);
    // the same findings as without it
    let id = |row: &Value| row["finding"]["id"].clone();
    let loud = site("", &later);
    let rows_of_loud = found(&loud);
    assert_eq!(rows.iter().map(id).collect::<Vec<_>>(), rows_of_loud.iter().map(id).collect::<Vec<_>>());
    let orders = |site: &Site| {
        let (nobody, state) = (site.path("nobody.sock"), site.path("replayed"));
        site.json(&["orders", "list", "--socket", nobody.to_str().unwrap(), "--state", state.to_str().unwrap()]).len()
    };
    assert_eq!((orders(&loud), orders(&quiet)), (2, 1), "what is bo's leads to an order");
    let at = ["--state", quiet.path("replayed").to_str().unwrap(), "--socket", "/nonexistent"].map(str::to_owned);
    let at: Vec<&str> = at.iter().map(String::as_str).collect();
    let list = text(&quiet.say(&[&["findings", "list"], &at[..]].concat()));
    assert_eq!(list.matches("(silenced by bo)").count(), 2, "{list}");
    let open = quiet.json(&[&["findings", "list", "--open"], &at[..]].concat());
    assert_eq!(open.iter().map(id).collect::<Vec<_>>(), [id(&rows[2])], "what is silenced waits for nobody");
    let show = text(&quiet.say(&[&["findings", "show", rows[0]["finding"]["id"].as_str().unwrap()], &at[..]].concat()));
    assert!(show.contains("by bo: a drill (silence ") && show.contains("told to nobody, and no order"), "{show}");
    // for another system it is a finding that is suppressed
    let ocsf = quiet.say(&["replay", "--format", "ocsf"]);
    let ocsf = String::from_utf8(ocsf.stdout).unwrap();
    assert_eq!(ocsf.lines().filter(|l| l.contains("\"status_id\":3")).count(), 2, "{ocsf}");
}

/// A line of the portal that is of now, and its session's own.
fn of_now(id: u32, who: &str) -> String {
    let now = jiff::Timestamp::now();
    export(id, who, &format!("s-of-{who}"), "192.0.2.1", "AC1")
        .replace(&format!("2026-04-01T09:{id:02}:00.000Z"), &format!("{now:.3}"))
        .replace("2026-03-31", &now.to_string()[..10])
}

#[test]
fn a_running_daemon_tells_nobody_and_gives_no_order_and_says_what_holds() {
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let silence = format!(
        "[[silence]]\nauthor = 'bo'\nreason = 'a drill'\nuntil = '{tomorrow}'\nactors = ['ana']\npolicies = ['own_*']\n"
    );
    let site = site(&silence, &[]);
    let hook = site.hook("end", "echo ran >> $DIR/ran");
    let more = format!(
        "[response]\nmode = 'enforce'\n[actions.end-session]\ncommand = ['{}']\n[syslog.nobody]\naddress = '{}'\nseverity = 'low'\n",
        hook.display(),
        site.path("no-such-socket").display()
    );
    let plain = site.configuration().replace(&silence, "");
    site.configure(&(site.configuration() + &more));
    let daemon = site.start(&[]);
    site.append_to(PORTAL).write_all(of_now(1, "ana").as_bytes()).unwrap();
    until("the finding", || (site.status()["findings"]["all"] == 1).then_some(()));
    let status = site.status();
    assert_eq!(status["outlets"][0]["waiting"], 0, "{status}");
    assert_eq!(status["orders"], serde_json::json!({}), "{status}");
    let rows = site.json(&["silences"]);
    assert_eq!((&rows[0]["state"], &rows[0]["findings"]), (&"active".into(), &1.into()), "{rows:?}");
    assert!(daemon.log().contains("of bo holds until"), "{}", daemon.log());
    // bo is under none
    site.append_to(PORTAL).write_all(of_now(2, "bo").as_bytes()).unwrap();
    until("bo's session to be ended", || std::fs::read_to_string(site.path("ran")).ok());
    until("the message to wait", || (site.status()["outlets"][0]["waiting"].as_u64() > Some(0)).then_some(()));
    // taken out: what was silenced stays so, and what comes is told
    site.configure(&(plain + &more));
    daemon.signal(rustix::process::Signal::HUP);
    until("the reload", || daemon.log().contains("was taken out of the configuration").then_some(()));
    let rows = site.json(&["silences"]);
    assert_eq!((&rows[0]["state"], &rows[0]["findings"]), (&"taken out".into(), &1.into()), "{rows:?}");
    assert!(text(&site.say(&["silences"])).contains("taken out"));
    daemon.stop();
    let state = site.path("state");
    let kinds = rusqlite::Connection::open(state.join("ledger.sqlite")).unwrap();
    let recorded: Vec<String> = kinds
        .prepare("SELECT body FROM inputs WHERE kind = 'rules' ORDER BY sequence")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(recorded.iter().map(|body| body.contains("a drill")).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn no_line_of_a_trail_makes_or_borrows_a_silence() {
    let said = "\\\",\\\"silenced\\\":{\\\"silence\\\":\\\"0\\\",\\\"author\\\":\\\"x\\\",\\\"reason\\\":\\\"y\\\"}";
    let plain = export(0, "mal", "s-aaaaaaaa", "192.0.2.1", "AC1");
    let in_object = plain
        .replace("\"session\":", "\"silenced\":{\"silence\":\"0\",\"author\":\"x\",\"reason\":\"y\"},\"session\":");
    let in_name = export(1, said, "s-bbbbbbbb", "192.0.2.1", said);
    let pattern = export(2, "*", "s-cccccccc", "192.0.2.1", "*");
    let site = site(APRIL, &[in_object, in_name, pattern]);
    let rows = found(&site);
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows.iter().all(|row| row["finding"].get("silenced").is_none()), "{rows:?}");
    let at =
        ["silences", "--state", site.path("replayed").to_str().unwrap(), "--socket", "/nonexistent"].map(str::to_owned);
    assert!(site.json(&at.iter().map(String::as_str).collect::<Vec<_>>()).is_empty(), "nothing is counted as silenced");
}

#[test]
fn check_lists_silences_and_refuses_what_must_not_be() {
    let good = site(APRIL, &[]);
    assert!(text(&good.say(&["check"])).contains("silence by bo"), "{}", text(&good.say(&["check"])));
    let with = |what: &str| format!("[[silence]]\nauthor = 'bo'\nreason = 'a drill'\n{what}\n");
    for (toml, words) in [
        ("[[silence]]\nreason = 'x'\nuntil = 2026-05-01\nactors = ['a']\n".to_owned(), &["author"][..]),
        ("[[silence]]\nauthor = 'x'\nuntil = 2026-05-01\nactors = ['a']\n".to_owned(), &["reason"]),
        (with("actors = ['ana']"), &["until"]),
        (with("until = 2026-05-01\nactors = ['ana']").replace("a drill", " "), &["`reason` is empty"]),
        (with("until = 2026-05-01"), &["[[silence]] 1", "covers everything", "name policies"]),
        (with("until = 2026-05-01\npolicies = ['*']\nactors = ['**']"), &["covers everything"]),
        (with("until = 2026-05-01\nnetworks = ['0.0.0.0/1', '128.0.0.0/1']"), &["covers everything"]),
        (with("until = 2099-01-01\nactors = ['ana']"), &["longer than 400 days"]),
        (with("from = 2025-01-01\nuntil = 2026-05-01\nactors = ['ana']"), &["longer than 400 days"]),
        (with("from = 2026-05-01\nuntil = 2026-05-01\nactors = ['ana']"), &["not after `from`"]),
        (with("until = 2026-05-01T08:00:00\nactors = ['ana']"), &["with its zone", "2026-05-01T08:00:00Z"]),
        (with("until = 'soon'\nactors = ['ana']"), &["soon", "no moment"]),
        (with("until = 2026-05-01\nactors = []"), &["`actors` is empty"]),
        (with("until = 2026-05-01\nactor = ['ana']"), &["unknown field `actor`", "actors"]),
        (with("until = 2026-05-01\nnetworks = ['10.0.0.0/33']"), &["no network"]),
        (with("until = 2026-05-01\nsessions = ['s-8842']"), &["32 hexadecimal digits"]),
        (with("until = 2026-05-01\npolicies = ['own_tree']"), &["no policy \"own_tree\"", "did you mean `own_three`?"]),
        (with("until = 2026-05-01\npolicies = ['nothing*']"), &["no policy \"nothing*\""]),
        (with("until = 2026-05-01\npolicies = ['staff_touch']"), &["makes no findings of its own"]),
        (format!("{APRIL}{APRIL}"), &["[[silence]] 2", "stands twice"]),
    ] {
        let site = site(&toml, &[]);
        let out = site.say(&["check"]);
        assert_eq!(out.status.code(), Some(78), "{toml}: {}", text(&out));
        words.iter().for_each(|word| assert!(text(&out).contains(word), "{toml}: {word}: {}", text(&out)));
    }
}

#[test]
fn what_is_silenced_does_not_use_up_what_is_told() {
    // a policy's findings of an hour are summed up from the 201st on, where they ask for no order
    let many = (0..205).map(|n| {
        export(1, &format!("probe{n}"), &format!("s-of-probe{n}"), "192.0.2.1", "AC1")
            .replace("\"e1\"", &format!("\"p{n}\""))
    });
    let lines: Vec<String> = many.chain([export(2, "mal", "s-of-mal", "198.51.100.1", "AC1")]).collect();
    let quiet = APRIL.replace("'ana'", "'probe*'") + "[policy.own_export]\nresponse = []\n";
    let site = site(&quiet, &lines);
    let rows = found(&site);
    let told: Vec<&Value> = rows.iter().filter(|row| row["finding"].get("silenced").is_none()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["finding"]["subject"]["actor"], "mal");
}

/// A policy of our own with one test: three exports within an hour.
const TESTED: &str = "
tripline:
  tests:
    - name: three in ten minutes
      given: { activity_name: export_requested, status: success, actor.user.name: ana, actor.session.uid: s1 }
      events: [ { at: 0m, repeat: 3, every: 5m } ]
      finds: [ { at: 10m, entity: actor.user.name=ana } ]
";

#[test]
fn tests_run_as_the_program_finds_them_and_with_what_is_set() {
    let site = site("[policy.own_three]\ncondition = { gte = 5 }\n", &[]);
    let file = site.path("policies/detections/own.yml");
    std::fs::write(&file, format!("{OWN}{TESTED}")).unwrap();
    let policies = site.path("policies");
    let plain = |arguments: &[&str]| support::tripline(arguments).arg(&policies).output().unwrap();
    let out = plain(&["test"]);
    assert!(out.status.success() && text(&out).contains(" 0 failed"), "{}", text(&out));
    // in the configuration's words it does not fire any more, and it is said why
    let out = site.say(&["test", "--policy", "own_*"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    for line in [
        "own.yml:26: own_three: three in ten minutes",
        "  expected 1 finding: at 10m of actor.user.name=ana",
        "  found    no finding",
        "  the configuration changes own_three: condition gte 5 in place of 3",
        "2 policies, 1 test, 1 failed",
    ] {
        assert!(text(&out).contains(line), "{line}: {}", text(&out));
    }
    // what is built on a policy that is set otherwise says so too; what is off is not tried
    site.configure(&site.configuration().replace("condition = { gte = 5 }", "enabled = false"));
    let out = site.say(&["test", "--policy", "own_three"]);
    assert!(out.status.success() && text(&out).contains("1 not run"), "{}", text(&out));
    let rows = site.json(&["test", "--policy", "own_*"]);
    assert_eq!((rows.len(), &rows[0]["result"]), (1, &"not run".into()), "{rows:?}");
    let out = plain(&["test", "--json", "--policy", "own_three"]);
    let row: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        (&row["result"], &row["line"], &row["found"][0]["at"]),
        (&"passed".into(), &26.into(), &"10m".into()),
        "{row}"
    );
    let out = plain(&["test", "--policy", "own_tree"]);
    assert_eq!(out.status.code(), Some(70), "{}", text(&out));
    assert!(text(&out).contains("did you mean `own_three`?"), "{}", text(&out));
    assert_eq!(plain(&["policies"]).status.code(), Some(2), "there is one way");
}

#[test]
fn a_live_run_and_a_replay_leave_out_and_silence_the_same() {
    let world = World::make(2);
    // of a made world's policies: one off, one scoped, one with another bound, and the half of its people silenced
    let set = "[policy.bulk_new_customers]\ncondition = { gte = 2 }\n[policy.stolen_session_export]\nenabled = false\n\
               [policy.bulk_export]\nexcept = [{ 'actor.user.role' = ['support'] }, { 'src_endpoint.ip' = ['198.51.100.0/24'] }]\n\
               [[silence]]\nauthor = 'ana'\nreason = 'half of them'\nfrom = 2026-01-01\nuntil = 2027-01-01\nactors = ['a*', 'b*', 'c*', 'd*', 'e*', 'f*', 'g*', 'h*', 'i*']\n";
    let site = Site::following(&world, set);
    let mut writer = Writer::new(&world, &site, &[PORTAL, DOWNLOADS], 5, 200);
    let daemon = site.start(&[]);
    while writer.piece().is_some() {}
    site.caught_up();
    daemon.stop();
    site.replay("replayed");
    let all = |state: &str| {
        let (nobody, state) = (site.path("nobody.sock"), site.path(state));
        let at = ["--limit", "100000", "--socket", nobody.to_str().unwrap(), "--state", state.to_str().unwrap()];
        let rows = site.json(&[&["findings", "list"], &at[..]].concat());
        let row = |row: &Value| {
            format!("{} {} {}", row["finding"]["id"], row["finding"]["policy"], row["finding"]["silenced"])
        };
        support::sorted(rows.iter().map(row))
    };
    let (live, replayed) = (all("state"), all("replayed"));
    assert_eq!(live, replayed);
    let silenced = live.iter().filter(|row| row.contains("half of them")).count();
    assert!(silenced > 0 && silenced < live.len(), "{silenced} of {}", live.len());
    assert!(!live.iter().any(|row| row.contains("stolen_session_export")), "{live:?}");
}
