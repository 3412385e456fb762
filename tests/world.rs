//! A made world with labelled attacks, replayed and scored: what must be found, before how much has left, and how quietly.
use crate::support::{of_world, python};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// At most this share of the records at stake may have left before the first alarm, in percent.
const MOST_LEAKED_PERCENT: u64 = 5;
/// One false alarm in so many days of one person's work is bearable.
const STAFF_DAYS_PER_FALSE_ALARM: u64 = 2000;
/// At least this share of the orders must belong to an attack, in percent.
const RIGHT_ORDERS_PERCENT: u64 = 95;

fn replay(world: &Path, findings: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["replay", "--format", "ocsf", "-c"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/world/tripline.toml"))
        .env("WORLD", world)
        .stdin(Stdio::null())
        .stdout(File::create(findings).expect("a scratch folder can be written"))
        .status()
        .expect("the program was built for this test");
    assert!(status.success(), "replay ended with {status}");
}

fn score(world: &Path, findings: &Path) -> Value {
    let path = |p: &Path| p.to_str().expect("scratch paths are UTF-8").to_owned();
    let said = python(&of_world("score.py"), [&path(world), &path(findings), "--json"]);
    serde_json::from_str(&said).expect("score.py --json prints one object")
}

#[test]
fn thieves_are_found_before_the_records_have_left_and_others_are_left_in_peace() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let (world, findings) = (scratch.path().join("world"), scratch.path().join("findings.jsonl"));
    python(&of_world("world.py"), ["--seed", "1", "--out", world.to_str().expect("scratch paths are UTF-8")]);
    replay(&world, &findings);

    let score = score(&world, &findings);
    let number = |key: &str| score[key].as_u64().unwrap_or_else(|| panic!("no {key} in {score}"));
    let (days, noise) = (number("staff_days"), number("false_alarms"));
    assert!(noise * STAFF_DAYS_PER_FALSE_ALARM <= days, "{noise} false alarms in {days} staff-days: {score}");
    let (attacks, found) = (number("attacks"), number("detected"));
    assert!(attacks >= 16 && found == attacks, "of each kind two, and all found: {score}");
    let (leaked, all) = (number("records_leaked"), number("records_at_stake"));
    assert!(leaked * 100 <= all * MOST_LEAKED_PERCENT, "{leaked} of {all} records had left: {score}");
    let (orders, right) = (number("orders"), number("orders_right"));
    assert!(orders >= 10 && right * 100 >= orders * RIGHT_ORDERS_PERCENT, "{right} of {orders} orders: {score}");
    println!(
        "{attacks} attacks found, {leaked} of {all} records left before; {noise} false alarms in {days} staff-days; \
         {right} of {orders} orders belong to an attack"
    );
}
