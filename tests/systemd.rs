//! The unit files, as far as systemd's own tools can judge them without a running systemd.
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const UNITS: [&str; 5] = [
    "tripline.service",
    "tripline-hook-runner.service",
    "tripline-hook-runner.socket",
    "tripline-receiver.service",
    "tripline-receiver.socket",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// The output of a tool of systemd's, or nothing where this machine has none.
fn tool(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(e) => {
            crate::support::skip(format_args!("{program}: {e}"));
            None
        }
    }
}

/// A copy of the units whose program exists on every machine, with the example drop-in in its place.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let text = std::fs::read_to_string(folder().join(unit)).unwrap();
        std::fs::write(copy.path().join(unit), text.replace("=/usr/bin/tripline ", "=/bin/true ")).unwrap();
    }
    let drop_ins = copy.path().join("tripline-hook-runner.service.d");
    std::fs::create_dir(&drop_ins).unwrap();
    let example = folder().join("tripline-hook-runner.service.d-example.conf");
    std::fs::copy(example, drop_ins.join("portal.conf")).unwrap();
    copy
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn verify_prints_nothing() {
    let copy = copy();
    for unit in UNITS {
        let path = copy.path().join(unit);
        let Some(output) = tool("systemd-analyze", &["verify", path.to_str().unwrap()]) else {
            return;
        };
        assert_eq!((output.status.code(), text(&output)), (Some(0), String::new()), "{unit}");
    }
}

#[test]
fn a_wrong_unit_would_be_noticed() {
    let copy = copy();
    let path = copy.path().join("tripline.service");
    let wrong = std::fs::read_to_string(&path).unwrap().replace("WatchdogSec", "WatchdogSeconds");
    std::fs::write(&path, wrong).unwrap();
    let Some(output) = tool("systemd-analyze", &["verify", path.to_str().unwrap()]) else {
        return;
    };
    assert!(text(&output).contains("WatchdogSeconds"), "{}", text(&output));
}

#[test]
fn what_the_units_give_up_is_enough() {
    let bounds = [("tripline.service", 0.5), ("tripline-hook-runner.service", 1.0), ("tripline-receiver.service", 1.1)];
    for (unit, most) in bounds {
        let path = folder().join(unit);
        let Some(output) = tool("systemd-analyze", &["security", "--offline=true", path.to_str().unwrap()]) else {
            return;
        };
        let text = text(&output);
        let score = text
            .rsplit_once("exposure level for")
            .and_then(|(_, rest)| rest.split(' ').find_map(|word| word.parse::<f64>().ok()));
        assert!(score.is_some_and(|score| score <= most), "{unit}: {score:?} is more than {most}\n{text}");
    }
}

#[test]
fn the_daemon_can_execute_nothing_and_reach_nothing() {
    let unit = std::fs::read_to_string(folder().join("tripline.service")).unwrap();
    for line in [
        "ExecStart=/usr/bin/tripline run -c /etc/tripline/tripline.toml",
        "Type=notify",
        "RestartPreventExitStatus=78",
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX",
        "NoExecPaths=/",
    ] {
        assert!(unit.lines().any(|l| l == line), "{line} is missing");
    }
}

#[test]
fn users_and_folders_are_made_as_the_units_expect() {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    std::fs::create_dir(&etc).unwrap();
    let root_option = format!("--root={}", root.path().display());
    let sysusers = folder().join("tripline.sysusers");
    let Some(output) = tool("systemd-sysusers", &[&root_option, sysusers.to_str().unwrap()]) else {
        return;
    };
    if !output.status.success() && !rustix::process::geteuid().is_root() {
        crate::support::skip(format_args!("systemd-sysusers needs root: {}", text(&output)));
        return;
    }
    assert!(output.status.success(), "{}", text(&output));
    let users = std::fs::read_to_string(etc.join("passwd")).unwrap();
    let groups = std::fs::read_to_string(etc.join("group")).unwrap();
    for user in ["tripline:", "tripline-hook:"] {
        let line = users.lines().find(|l| l.starts_with(user)).unwrap();
        assert!(line.ends_with("/nologin"), "{line}");
    }
    let ops = groups.lines().find(|l| l.starts_with("tripline-ops:")).unwrap();
    assert!(ops.ends_with(":tripline"), "{ops}");
    let tmpfiles = folder().join("tripline.tmpfiles");
    let Some(output) = tool("systemd-tmpfiles", &[&root_option, "--create", tmpfiles.to_str().unwrap()]) else {
        return;
    };
    assert!(output.status.success(), "{}", text(&output));
    for (name, mode) in [("", 0o750), ("policies", 0o750), ("hooks", 0o755), ("keys", 0o700)] {
        let meta = std::fs::metadata(etc.join("tripline").join(name)).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&meta) & 0o7777, mode, "/etc/tripline/{name}");
    }
}
