//! What can't be used is refused: which file, which line, what to do, and with which exit code.
use crate::support::{DOWNLOADS, PORTAL, Site, text, tripline, until};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn site() -> Site {
    let site = Site::bare("", "");
    for name in [PORTAL, DOWNLOADS] {
        site.append_to(name);
    }
    site
}

/// `run` and `check` both refuse with 78, and say each of these words.
fn refused(site: &Site, words: &[&str]) {
    for command in ["run", "check"] {
        let out = as_others_may(site.command(&[command])).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(78), "{command}: {}", text(&out));
        for word in words {
            assert!(said.contains(word), "{command} does not say {word:?}: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// Adds to the configuration, and gives the number of the line that holds `at`.
fn with(site: &Site, more: &str, at: &str) -> String {
    let text = site.configuration() + more;
    site.configure(&text);
    let line = text.lines().position(|l| l.contains(at)).unwrap() + 1;
    format!("tripline.toml:{line}:")
}

#[test]
fn c100_an_unknown_key() {
    let site = site();
    let place = with(&site, "[enrich]\ndatabses = []\n", "databses");
    refused(&site, &[&place, "databses", "databases"]);
}

#[test]
fn c100_what_is_no_toml() {
    let site = site();
    let place = with(&site, "[enrich\n", "[enrich");
    refused(&site, &[&place]);
}

#[test]
fn a_missing_database() {
    let site = site();
    with(&site, "[enrich]\ndatabases = ['/nowhere/geo.mmdb']\n", "geo");
    refused(&site, &["/nowhere/geo.mmdb", "No such file"]);
}

#[test]
fn a_database_that_is_none() {
    let site = site();
    let path = site.path("geo.mmdb");
    std::fs::write(&path, "no database").unwrap();
    with(&site, &format!("[enrich]\ndatabases = ['{}']\n", path.display()), "geo");
    refused(&site, &[path.to_str().unwrap()]);
}

#[test]
fn a_bad_policy_and_a_bad_profile() {
    for (folder, file, bad, line) in [
        (
            "detections",
            "mine.yml",
            "title: x\nname: x\nlevel: low\nlogsource: { product: tripline }\ndetection:\n  sel: { status|nonsense: success }\n  condition: sel\n",
            "mine.yml:6",
        ),
        ("profiles", "mine.toml", "nonsense = 1\n", "mine.toml"),
    ] {
        let site = site();
        let dir = site.path("policies");
        std::fs::create_dir_all(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join(file), bad).unwrap();
        site.configure(&format!("policies_dir = '{}'\n{}", dir.display(), site.configuration()));
        refused(&site, &[line, "nonsense"]);
    }
}

#[test]
fn c103_two_policies_of_one_name_and_thresholds_that_nothing_meets() {
    let site = site();
    let folder = site.path("policies/detections");
    std::fs::create_dir_all(&folder).unwrap();
    let policy = "title: x\nname: mine\nlevel: low\nlogsource: { product: tripline }\n\
        detection:\n  sel: { status: success }\n  condition: sel\n";
    std::fs::write(folder.join("one.yml"), policy).unwrap();
    std::fs::write(folder.join("two.yml"), policy).unwrap();
    let policies = site.path("policies");
    site.configure(&format!("policies_dir = '{}'\n{}", policies.display(), site.configuration()));
    refused(&site, &["two.yml:1", "is also the name or id of the policy at one.yml:1"]);
    let contradiction = "title: y\nname: counted\nlevel: low\ncorrelation:\n  type: event_count\n  rules: [ mine ]\n  \
        group-by: [ actor.user.name ]\n  timespan: 1h\n  condition: { gte: 5, lt: 3 }\n";
    std::fs::write(folder.join("two.yml"), contradiction).unwrap();
    // it can be used, and whoever checks it is told
    let out = site.say(&["check"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("asks for at least 5 and less than 3"), "{}", text(&out));
}

#[test]
fn a_directory_of_policies_that_would_be_left_out_in_silence() {
    let site = site();
    let dir = site.path("policies");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("mine.yml"), "title: x\n").unwrap();
    site.configure(&format!("policies_dir = '{}'\n{}", dir.display(), site.configuration()));
    refused(&site, &["neither `detections` (*.yml) nor `profiles` (*.toml)"]);
    std::fs::create_dir_all(dir.join("detections")).unwrap();
    std::fs::write(dir.join("detections/mine.yaml"), "title: x\n").unwrap();
    refused(&site, &["mine.yaml", "is not read", ".yml"]);
}

#[test]
fn a_configuration_that_is_not_there() {
    let site = site();
    std::fs::remove_file(site.config()).unwrap();
    refused(&site, &["tripline.toml", "No such file"]);
}

#[test]
fn a_configuration_that_may_not_be_read() {
    let site = site();
    std::fs::set_permissions(site.config(), PermissionsExt::from_mode(0o000)).unwrap();
    refused(&site, &["tripline.toml", "Permission denied"]);
}

#[test]
fn c104_a_configuration_that_everybody_may_write() {
    let site = site();
    std::fs::set_permissions(site.config(), PermissionsExt::from_mode(0o666)).unwrap();
    refused(&site, &["tripline.toml", "chmod"]);
}

#[test]
fn two_trails_of_one_name_and_a_profile_that_is_not_there() {
    let site = site();
    with(&site, "[[trail]]\nname = 'portal'\npaths = ['/x']\nprofile = 'download-log'\n", "portal");
    refused(&site, &["two trails", "portal"]);
    let site = self::site();
    with(&site, "[[trail]]\nname = 'more'\npaths = ['/x']\nprofile = 'tripline-portl'\n", "more");
    refused(&site, &["more", "tripline-portl", "tripline-portal"]);
}

#[test]
fn c100_a_broken_file_at_sighup_changes_nothing_and_is_said_until_it_is_mended() {
    let site = site();
    let good = site.configuration();
    let daemon = site.start(&[]);
    site.configure(&(good.clone() + "nonsense = 1\n"));
    daemon.signal(rustix::process::Signal::HUP);
    let why =
        until("the fault to be shown", || site.status()["health"]["configuration"].as_str().map(ToOwned::to_owned));
    assert!(why.contains("tripline.toml:") && why.contains("nonsense"), "{why}");
    assert!(text(&asked_by_place(&site)).contains("nonsense"));
    // the old one holds: what is written now is read
    std::fs::write(site.path(PORTAL), "no event\n").unwrap();
    site.caught_up();
    site.configure(&good);
    daemon.signal(rustix::process::Signal::HUP);
    until("the fault to go", || site.status()["health"]["configuration"].is_null().then_some(()));
    daemon.stop();
}

/// `tripline status` as a person asks it, who can't use the broken file either and names the places.
fn asked_by_place(site: &Site) -> std::process::Output {
    let (socket, state) = (site.path("control.sock"), site.path("state"));
    tripline(&["status", "--socket", socket.to_str().unwrap(), "--state", state.to_str().unwrap()]).output().unwrap()
}

#[test]
fn s81_a_second_daemon_on_the_same_state() {
    let site = site();
    let daemon = site.start(&[]);
    let out = site.say(&["run"]);
    assert_eq!(out.status.code(), Some(75), "{}", text(&out));
    assert!(text(&out).contains("in use"), "{}", text(&out));
    // and it has done no harm to the first
    assert!(site.say(&["status"]).status.success());
    daemon.stop();
}

#[test]
fn a_state_directory_that_can_not_be_written() {
    let site = site();
    // no directory can be made below a file, not even by root
    std::fs::write(site.path("state"), "").unwrap();
    let out = site.say(&["run"]);
    assert_eq!(out.status.code(), Some(78), "{}", text(&out));
    assert!(text(&out).contains("state"), "{}", text(&out));
    std::fs::remove_file(site.path("state")).unwrap();
    std::fs::create_dir(site.path("state")).unwrap();
    std::fs::set_permissions(site.path("state"), PermissionsExt::from_mode(0o500)).unwrap();
    let out = as_others_may(site.command(&["run"])).output().unwrap();
    assert_eq!(out.status.code(), Some(78), "{}", text(&out));
}

#[test]
fn s79_a_ledger_of_another_version_and_one_that_is_none() {
    let site = site();
    site.start(&[]).stop();
    let path = site.path("state/ledger.sqlite");
    for other in [0, 2, 99] {
        let ledger = rusqlite::Connection::open(&path).unwrap();
        ledger.pragma_update(None, "user_version", other).unwrap();
        ledger.close().unwrap();
        for (ask, code) in [(&["run"][..], 78), (&["findings", "list"], 75)] {
            let out = site.say(ask);
            let said = text(&out);
            assert_eq!(out.status.code(), Some(code), "{ask:?}: {said}");
            let refused = format!(
                "ledger.sqlite has schema {other}, and this tripline knows 1: install the version that wrote it"
            );
            assert!(said.contains(&refused), "{ask:?}: {said}");
        }
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "this is no database, whatever its name says; it is a letter to my aunt".repeat(20)).unwrap();
    let out = site.say(&["run"]);
    assert_eq!(out.status.code(), Some(78), "{}", text(&out));
    assert!(text(&out).contains("ledger.sqlite"), "{}", text(&out));
}

#[test]
fn every_exit_code_is_in_the_help() {
    let out = tripline(&["--help"]).output().unwrap();
    let help = String::from_utf8(out.stdout).unwrap();
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    let codes: Vec<&str> = codes.lines().filter_map(|l| l.split_whitespace().next()).collect();
    for code in ["0", "1", "2", "70", "75", "78"] {
        assert!(codes.contains(&code), "{code} is missing: {help}");
    }
    assert_eq!(tripline(&["nonsense"]).output().unwrap().status.code(), Some(2));
    let nobody = ["status", "--socket", "/nowhere", "--state", "/nowhere"];
    assert_eq!(tripline(&nobody).output().unwrap().status.code(), Some(75));
    assert_eq!(tripline(&["replay", "/nowhere"]).output().unwrap().status.code(), Some(70));
}

/// The same command by somebody who reads and writes only what they may, which root does not else.
fn as_others_may(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let mut bounded = Command::new("setpriv");
    bounded.arg("--bounding-set=-dac_override,-dac_read_search").arg(command.get_program()).args(command.get_args());
    bounded
}
