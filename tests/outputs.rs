//! What each command makes: with which modes, whatever the mask of whoever starts it, and without a character that can't be seen, whatever
//! the trails say.
use crate::reporting::{attacked, incident};
use crate::support::{Daemon, PORTAL, Site, text};
use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

/// A command of the site in a shell that takes nothing off the modes; what it keeps beside its output goes to the folder `tmp`.
fn unmasked(site: &Site, arguments: &[&str], has_configuration: bool) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "umask 000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_tripline")]).args(arguments);
    if has_configuration {
        command.arg("-c").arg(site.config());
    }
    command.env("TMPDIR", site.path("tmp"));
    command
}

/// Runs every command that leaves something behind, of the site whose portal writes `trail`; its output is named by what was asked.
fn everything(site: &Site, actor: &str, trail: &Path) -> Vec<(String, Output)> {
    std::fs::create_dir(site.path("tmp")).unwrap();
    let daemon: Daemon = site.start_with(unmasked(site, &["run"], true));
    site.caught_up();
    let id = incident(site)["id"].as_str().unwrap().to_owned();
    let finding = site.json(&["findings", "list"])[0]["finding"]["id"].as_str().unwrap().to_owned();
    let path = |name: &str| site.path(name).display().to_string();
    let trail = trail.to_str().unwrap().to_owned();
    let (report, copy, state) = (path("report"), path("copy"), path("state"));
    let mut said = Vec::new();
    let mut run = |arguments: &[&str], has_configuration| {
        let out = unmasked(site, arguments, has_configuration).output().unwrap();
        said.push((arguments.join(" "), out));
    };
    for asked in [
        &["status"][..],
        &["status", "--sizes"],
        &["check", "--verbose"],
        &["findings", "list"],
        &["findings", "show", &finding],
        &["explain", &finding],
        &["actor", actor],
        &["origin", "203.0.113.66"],
        &["incident", "list"],
        &["incident", "show", &id],
        &["exposure", &id],
        &["exposure", &id, "--out", &copy, "--resolve", &trail],
        &["report", &id],
        &["report", &id, "--out", &report],
        &["orders", "list"],
        &["mute", "list"],
        &["silences"],
        &["dismiss", &finding, "--reason", "a test of ours"],
        &["verify"],
        &["prove", &finding],
        &["drill", "--scenarios", "insider-bulk"],
    ] {
        run(asked, true);
        if !["check", "verify", "prove", "report"].contains(&asked[0]) && !asked.contains(&"--out") {
            run(&[asked, &["--json"]].concat(), true);
        }
    }
    daemon.stop();
    run(&["ledger", "dump", "--state", &state], false);
    for format in ["table", "ocsf"] {
        run(&["replay", "--format", format, &trail], false);
    }
    run(&["profiles", "test", &trail], false);
    run(&["profiles", "test", "--json", &trail], false);
    run(&["profiles", "new", &trail], false);
    site.configure(&site.configuration().replace("/state'", "/learned'"));
    run(&["learn", &trail], true);
    said
}

/// All that lies under the folder, but for sockets: what is asked over them has its own rule.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        }
        if !kind.is_socket() {
            found.insert(entry.path());
        }
    }
    found
}

#[test]
fn what_any_command_makes_is_for_whoever_runs_it_alone_whatever_the_mask() {
    let site = attacked("ana");
    // the log of the daemon is the test's own
    std::fs::write(site.path("daemon.log"), "").unwrap();
    let before: BTreeSet<PathBuf> = files(site.dir.path()).into_iter().chain([site.path("tmp")]).collect();
    for (asked, out) in everything(&site, "ana", &site.path(PORTAL)) {
        let is_early = asked.starts_with("prove") && text(&out).contains("there is no checkpoint yet");
        assert!(is_early || out.status.code().is_some_and(|code| code < 2), "{asked}: {}", text(&out));
    }
    let demo = unmasked(&site, &["demo", "--keep"], false).output().unwrap();
    assert!(demo.status.success(), "{}", text(&demo));
    let made: Vec<PathBuf> = files(site.dir.path()).into_iter().filter(|path| !before.contains(path)).collect();
    for part in ["state/ledger.sqlite", "learned/ledger.sqlite", "report/report.html", "copy/manifest.json", "tmp/"] {
        let is_there = made.iter().any(|path| path.display().to_string().contains(part));
        assert!(is_there, "{part}: {made:#?}");
    }
    let open: Vec<_> = made
        .iter()
        .map(|path| (path, std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777))
        .filter(|(_, mode)| mode & 0o077 != 0)
        .collect();
    assert!(open.is_empty(), "{open:#?}");
}

/// What a terminal, a log or a page takes for more than text.
const HIDDEN: [&str; 4] = ["\u{1b}", "\u{85}", "\u{2028}", "\u{2029}"];

#[test]
fn no_output_holds_a_character_that_cannot_be_seen() {
    let hidden = HIDDEN.concat();
    let name = format!("ana{hidden}[2J");
    let site = attacked(&name);
    let lines = std::fs::read_to_string(site.path(PORTAL)).unwrap();
    // as JSON may have them: spelled out and, but for the first, as they are
    let escaped = format!("\\u001b{}", &hidden[1..]);
    let lines = lines.replace("Chrome/120", &format!("Chrome/120 {escaped}")).replace("AC1", &format!("AC1{escaped}"));
    let trail = site.path(&format!("portal{hidden}.jsonl"));
    std::fs::write(&trail, lines).unwrap();
    let (before, now) = (format!("'{}'", site.path(PORTAL).display()), serde_json::to_string(&trail).unwrap());
    assert!(site.configuration().contains(&before));
    site.configure(&site.configuration().replace(&before, &now));
    let of_test = files(site.dir.path());
    for (asked, out) in everything(&site, &name, &trail) {
        for (stream, said) in [("stdout", &out.stdout), ("stderr", &out.stderr)] {
            let said = String::from_utf8_lossy(said);
            let raw = HIDDEN.iter().find(|c| said.contains(**c));
            let line = raw.and_then(|c| said.lines().find(|line| line.contains(*c)));
            assert!(raw.is_none(), "{asked}: {stream}: {line:?}");
        }
    }
    let mut looked = 0;
    for path in files(site.dir.path()).difference(&of_test).filter(|path| path.is_file()) {
        // what the daemon keeps for itself is nothing that is shown, and an archive holds what stands beside it
        let is_own = [site.path("state"), site.path("learned")].iter().any(|folder| path.starts_with(folder));
        if is_own || path.extension().is_some_and(|kind| kind == "zip") {
            continue;
        }
        let held = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let raw = HIDDEN.iter().find(|c| held.contains(**c));
        let line = raw.and_then(|c| held.lines().find(|line| line.contains(*c)));
        assert!(raw.is_none(), "{}: {line:?}", path.display());
        looked += 1;
    }
    assert!(looked > 5, "{looked} files");
}
