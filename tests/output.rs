//! What is printed, where it can't be written: a reader that has gone away, a full disk, a signal in the middle.
use crate::support::{self, DOWNLOADS, PORTAL, Site, text, tripline, until};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// A portal's trail with so many acts.
fn trail(dir: &Path, acts: usize) -> std::path::PathBuf {
    let path = dir.join(PORTAL);
    let line = |n: usize| {
        format!(
            "{{\"ts\":\"2026-03-01T{:02}:{:02}:{:02}Z\",\"id\":\"e{n}\",\"event\":\"session.login\",\"outcome\":\"success\",\
             \"actor\":{{\"id\":\"u{n}\",\"name\":\"person{n}\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"s{n}\",\
             \"ip\":\"192.0.2.{}\",\"ua\":\"Mozilla/5.0\"}}\n",
            n / 3600 % 24,
            n / 60 % 60,
            n % 60,
            n % 250
        )
    };
    std::fs::write(&path, (0..acts).map(line).collect::<String>()).unwrap();
    path
}

/// Commands that print, with the site that some of them ask about.
fn commands() -> (Site, Vec<Command>) {
    let site = Site::bare("", "");
    trail(site.dir.path(), 10);
    std::fs::write(site.path(DOWNLOADS), "").unwrap();
    site.start(&[]).stop();
    let mut commands: Vec<Command> = [
        &["completions", "bash"][..],
        &["test", "--json"],
        &["test"],
        &["hooks", "schema"],
        &["profiles", "list"],
        &["profiles", "show", "okta"],
    ]
    .iter()
    .map(|arguments| tripline(arguments))
    .collect();
    for arguments in [&["profiles", "test"][..], &["profiles", "test", "--json"], &["profiles", "new"]] {
        let mut profiles = tripline(arguments);
        profiles.arg(site.path(PORTAL));
        commands.push(profiles);
    }
    commands
        .extend([&["check"][..], &["status"], &["status", "--json"], &["findings", "list"]].map(|a| site.command(a)));
    for format in ["table", "ocsf"] {
        let mut replay = tripline(&["replay", "--format", format]);
        replay.arg(site.path(PORTAL));
        commands.push(replay);
    }
    let mut dump = tripline(&["ledger", "dump", "--state"]);
    dump.arg(site.path("state"));
    commands.push(dump);
    (site, commands)
}

#[test]
fn what_could_not_be_written_is_no_success() {
    let (_site, commands) = commands();
    for mut command in commands {
        let whole = command.output().unwrap();
        let out = command
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        if whole.stdout.is_empty() {
            continue;
        }
        assert_eq!(out.status.code(), Some(70), "{command:?}: {}", text(&out));
        assert!(text(&out).contains("No space left"), "{command:?}: {}", text(&out));
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let (_site, commands) = commands();
    for mut command in commands {
        // `check` says by 1 that something is not well, whether anybody reads why or not
        let verdict = command.output().unwrap().status.code();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let out = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(out.status.code(), verdict, "{command:?}: {}", text(&out));
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{command:?}");
    }
}

#[test]
fn a_replay_whose_reader_goes_away_leaves_nothing_behind() {
    let (scratch, tmp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let trail = trail(scratch.path(), 50);
    let mut replay =
        tripline(&["replay"]).arg(&trail).env("TMPDIR", tmp.path()).stdout(Stdio::piped()).spawn().unwrap();
    drop(replay.stdout.take());
    assert_eq!(replay.wait().unwrap().code(), Some(0));
    let left: Vec<_> = std::fs::read_dir(tmp.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_replay_that_is_ended_by_a_signal_leaves_nothing_behind() {
    let (scratch, tmp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let trail = trail(scratch.path(), 200_000);
    let replay = tripline(&["replay"]).arg(&trail).env("TMPDIR", tmp.path()).stdout(Stdio::null()).spawn().unwrap();
    let mut replay = support::Ends(replay);
    let ledger =
        || std::fs::read_dir(tmp.path()).unwrap().next().map(|entry| entry.unwrap().path().join("ledger.sqlite"));
    until("a ledger", || ledger().filter(|path| path.exists()));
    let pid = rustix::process::Pid::from_child(&replay.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(replay.0.wait().unwrap().code(), Some(130));
    let left: Vec<_> = std::fs::read_dir(tmp.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_file_that_grows_full_in_the_middle_is_no_success() {
    let scratch = tempfile::tempdir().unwrap();
    // room for some of it: a limit of a file's size fails with EFBIG, once SIGXFSZ is ignored
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\" > \"$OUT\"";
    let out = Command::new("bash")
        .args(["-c", script, "bash", env!("CARGO_BIN_EXE_tripline"), "completions", "bash"])
        .env("OUT", scratch.path().join("cut.bash"))
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(70), "{}", text(&out));
}
