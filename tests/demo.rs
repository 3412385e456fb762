//! `tripline demo` as a person runs it: it does its job, says so in its last numbers, and leaves nothing behind.
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn demo(temp: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.arg("demo").args(arguments).env("TMPDIR", temp);
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Customers and records of a row of the numbers at the end.
fn row(text: &str, name: &str) -> (u64, u64) {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(name))
        .unwrap_or_else(|| panic!("no row {name:?} in\n{text}"));
    let mut numbers = line.split_whitespace().map(|n| n.replace(',', "").parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[test]
fn the_session_is_ended_while_most_of_the_records_have_not_left() {
    let temp = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let output = demo(temp.path(), &[]).output().unwrap();
    let took = began.elapsed();
    let text = text(&output);
    println!("{text}\nthe demo took {took:?}");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    let (asked, left, refused) = (row(&text, "asked for"), row(&text, "left"), row(&text, "refused"));
    assert!(left.1 > 0 && left.1 * 2 < asked.1, "asked {asked:?}, left {left:?}");
    assert!(refused.0 > 0, "{refused:?}");
    assert_eq!((left.0 + refused.0, left.1 + refused.1), asked);
    assert!(text.contains("REFUSED") && text.contains("no false alarm"), "{text}");
    assert!(!text.contains('\x1b'), "colours in a pipe");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn what_is_kept_can_be_asked() {
    let temp = tempfile::tempdir().unwrap();
    let output = demo(temp.path(), &["--keep"]).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let commands: Vec<&str> = said
        .lines()
        .filter(|line| line.contains(" -c "))
        .filter_map(|line| line.trim().strip_prefix("tripline "))
        .collect();
    assert_eq!(commands.len(), 3, "{said}");
    for command in commands {
        let answer = Command::new(env!("CARGO_BIN_EXE_tripline")).args(command.split(' ')).output().unwrap();
        assert!(answer.status.success(), "{command}: {}", text(&answer));
        assert!(text(&answer).contains("dana"), "{command}: {}", text(&answer));
    }
    // the report and the customer's copy say what the screen said
    let kept = std::fs::read_dir(temp.path()).unwrap().next().unwrap().unwrap().path();
    let left = row(&said, "left").1;
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(kept.join("customers/manifest.json")).unwrap()).unwrap();
    let copied = manifest["customers"].as_object().unwrap().values().map(|c| c["records"].as_u64().unwrap());
    assert_eq!(copied.sum::<u64>(), left, "{manifest:#}");
    let report = std::fs::read_to_string(kept.join("report/report.md")).unwrap();
    let words = left.to_string();
    let words = format!("{},{} records", &words[..words.len() - 3], &words[words.len() - 3..]);
    assert!(report.contains(&words), "{report}");
    assert!(kept.join("report/proofs").read_dir().unwrap().count() > 0);
}

#[test]
fn stopped_in_the_middle_it_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let child = demo(temp.path(), &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let running = || std::fs::read_dir(temp.path()).unwrap().flatten().any(|e| e.path().join("control.sock").exists());
    while !running() {
        assert!(began.elapsed() < Duration::from_secs(30), "the daemon does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(70), "{}", text(&output));
    assert!(text(&output).contains("was stopped"), "{}", text(&output));
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "something was left behind");
}
