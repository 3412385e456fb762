//! The one way in which a test is left out: said aloud, written down for `tests/run`, and a failure where all of them are required.
use std::fmt::Display;
use std::io::Write;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// Leaves the rest of a test out, for this machine lacks something that it could have: a program, a right, a file system. The
/// test returns behind it.
///
/// With `TRIPLINE_REQUIRE_ALL=1`, which `.ci/run` sets, the test fails here. There is one exception, [`of_others`]: what is no part
/// of this repository.
#[track_caller]
pub fn skip(why: impl Display) {
    say(&why.to_string(), Location::caller());
    assert!(!all_are_required(), "skipped, and TRIPLINE_REQUIRE_ALL=1 requires every test: {why}");
}

/// A file or folder of other projects, which is no part of this repository: `samples/…` in the folder that `TRIPLINE_SAMPLES` names
/// (`../shared/samples` without it), anything else in `../shared`. Nothing where that folder is not there; the test returns then.
///
/// It is said aloud and fails nowhere, not even with `TRIPLINE_REQUIRE_ALL=1`: no machine has to have it. Where the folder is there
/// and lacks the file, that is [`skip`]'s.
#[track_caller]
pub fn of_others(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let (top, rest) = name.split_once('/').unwrap_or((name, ""));
    let folder = match std::env::var_os("TRIPLINE_SAMPLES") {
        Some(named) if top == "samples" => PathBuf::from(named),
        _ => beside.join(top),
    };
    if !folder.is_dir() {
        say(
            &format!("needs {name} of other projects, which are not in this repository: not required"),
            Location::caller(),
        );
        return None;
    }
    let path = folder.join(rest);
    if !path.exists() {
        skip(format_args!("{} has no {rest}", folder.display()));
        return None;
    }
    Some(path)
}

fn all_are_required() -> bool {
    std::env::var_os("TRIPLINE_REQUIRE_ALL").is_some_and(|all| all == "1")
}

/// Says it on standard error, past what the test's runner keeps to itself, and adds a line to the file that `TRIPLINE_SKIPPED` names.
fn say(why: &str, at: &Location<'_>) {
    let thread = std::thread::current();
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("{} ({}:{}): {why}\n", thread.name().unwrap_or("a test"), at.file(), at.line());
    // a closed standard error must not end a test
    let _ = std::io::stderr().write_all(format!("skipped: {line}").as_bytes());
    if let Some(file) = std::env::var_os("TRIPLINE_SKIPPED") {
        // one write to the end of the file: no other test's line stands in it
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("what is skipped can be written down");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Output};

    #[test]
    #[ignore = "left out, for the tests below to see"]
    fn lacks_a_program() {
        skip("there is no\nsuch program");
    }

    #[test]
    #[ignore = "left out, for the tests below to see"]
    fn lacks_samples() {
        assert_eq!(of_others("samples/nobody/nothing.log"), None);
    }

    /// One of the two above in a process of its own, with these in its environment.
    fn run(test: &str, environment: &[(&str, &Path)]) -> (Output, String) {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("{module}::{test}"), "--ignored"]);
        command.env_remove("TRIPLINE_REQUIRE_ALL").env_remove("TRIPLINE_SKIPPED").env_remove("TRIPLINE_SAMPLES");
        let out = command.envs(environment.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(said.contains("running 1 test"), "{said}");
        let aloud = String::from_utf8_lossy(&out.stderr).into_owned();
        (out, aloud)
    }

    #[test]
    fn what_is_skipped_is_said_aloud_written_down_and_fails_where_all_is_required() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skipped");
        let (out, aloud) = run("lacks_a_program", &[("TRIPLINE_SKIPPED", &file)]);
        assert!(out.status.success(), "{aloud}");
        let line = std::fs::read_to_string(&file).unwrap();
        assert!(line.contains("skip.rs:") && line.ends_with(": there is no such program\n"), "{line}");
        assert_eq!((aloud.as_str(), line.lines().count()), (format!("skipped: {line}").as_str(), 1));
        let one = ("TRIPLINE_REQUIRE_ALL", Path::new("1"));
        assert!(!run("lacks_a_program", &[one, ("TRIPLINE_SKIPPED", &file)]).0.status.success());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), line.repeat(2), "behind what was there");
    }

    #[test]
    fn samples_of_others_are_not_required_unless_their_folder_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let one = ("TRIPLINE_REQUIRE_ALL", Path::new("1"));
        let (out, aloud) = run("lacks_samples", &[one, ("TRIPLINE_SAMPLES", &folder.path().join("nowhere"))]);
        assert!(out.status.success() && aloud.contains("samples/nobody/nothing.log"), "{aloud}");
        let there = ("TRIPLINE_SAMPLES", folder.path());
        assert!(run("lacks_samples", &[there]).0.status.success());
        assert!(!run("lacks_samples", &[one, there]).0.status.success());
    }
}
