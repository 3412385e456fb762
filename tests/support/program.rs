//! The program as a command, what it said, and scripts beside it.
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The ids of the findings that a replay printed as OCSF.
pub fn uids(out: &Output) -> Vec<String> {
    assert!(out.status.success(), "{}", text(out));
    let objects = std::str::from_utf8(&out.stdout).unwrap().lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let findings = objects.filter(|o| o["class_uid"] == 2004);
    sorted(findings.map(|o| o["finding_info"]["uid"].as_str().unwrap().to_owned()))
}

pub fn sorted(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}

/// What only one of two lists has, of each at most twenty.
pub fn difference(one: &[String], other: &[String]) -> (Vec<String>, Vec<String>) {
    let only = |these: &[String], others: &[String]| {
        let others: std::collections::BTreeSet<_> = others.iter().collect();
        let only = these.iter().filter(|l| !others.contains(l));
        only.take(20).cloned().collect()
    };
    (only(one, other), only(other, one))
}

/// The program.
pub fn tripline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(arguments);
    command
}

/// All that a command said.
pub fn text(out: &Output) -> String {
    format!("{}{}{}", out.status, String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Makes a hook in that folder that is this shell script. `$DIR` in it is the folder.
pub fn hook(dir: &Path, name: &str, script: &str) -> PathBuf {
    let path = dir.join(name);
    let text = format!("#!/bin/sh\n{}\n", script.replace("$DIR", dir.to_str().unwrap()));
    let written = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(written.path(), text).unwrap();
    install(written.path(), &path);
    path
}

/// Copies a program. Another process does it: what this one has open for writing a child that begins at that moment has
/// open too, and nobody can execute it (ETXTBSY).
pub fn install(from: &Path, to: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap();
    assert!(status.success(), "{}", to.display());
}
