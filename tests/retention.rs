//! What was kept long enough goes, nothing else goes with it, and what is left can still be verified.
use crate::support::{Site, until};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use tripline::ledger::retention::Retention;
use tripline::ledger::verify::{Fault, Verified};
use tripline::ledger::{Durability, FILE, Keys, Ledger, Reader};
use tripline::model::{Forgotten, Input, Millis, Severity, WallTime};
use tripline::pipeline::Core;
use tripline::rules::{self, Tables, Texts};

const START: WallTime = WallTime(1_800_000_000_000);

fn verify(state: &Path, keys: &Keys) -> Verified {
    Reader::open(&state.join(FILE)).unwrap().verify(Some(keys), &[]).unwrap()
}

fn count(state: &Path, sql: &str) -> u64 {
    Connection::open(state.join(FILE)).unwrap().query_row(sql, [], |r| r.get(0)).unwrap()
}

#[test]
fn inputs_go_after_their_time_and_what_people_did_stays() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let keys = Arc::new(Keys::new(&[7; 32]));
    let profiles: [rules::TrailProfile; 0] = [];
    let rules = rules::compile(
        &Texts::shipped(),
        Tables::default(),
        &profiles,
        Default::default(),
        Severity::Medium,
        keys.secrets(),
    )
    .unwrap();
    let mut ledger = Ledger::open(&state, Durability::None, keys.clone()).unwrap();
    let mut outcome = Core::new(rules.into(), ledger.recorded().unwrap(), false, 1).begin();
    for minute in 0..1_500 {
        outcome = outcome.fold(Input::Tick(START.plus(Millis::MINUTE.times(minute))), &ledger).unwrap();
        if minute == 700 {
            outcome = outcome.fold(Input::Hold { at: START, on: true, by: "uid 7".into() }, &ledger).unwrap();
        }
        if minute == 1_199 {
            outcome = ledger.commit(outcome).map_err(|_| "uncommitted").unwrap().core.begin();
            ledger.checkpoint(START).unwrap();
        }
    }
    outcome = ledger.commit(outcome).map_err(|_| "uncommitted").unwrap().core.begin();
    let later = START.plus(Millis::DAY.times(91));
    assert_eq!(ledger.overdue(later).unwrap(), None, "kept for good where nothing else is said");
    ledger.set_retention(Retention { inputs: Millis::DAY.times(90), events: Millis::DAY.times(400) });
    assert_eq!(ledger.overdue(START.plus(Millis::DAY.times(90))).unwrap(), None);
    let forgotten = ledger.overdue(later).unwrap().unwrap();
    assert_eq!(forgotten, Forgotten { inputs: 1_201, events: 0 }, "what the signed head covers, and no more");
    outcome = outcome.fold(Input::Retention { at: later, forgotten }, &ledger).unwrap();
    assert!(ledger.commit(outcome).is_ok());
    assert_eq!(ledger.overdue(later).unwrap(), None, "said once");
    drop(ledger);
    assert_eq!(count(&state, "SELECT count(*) FROM inputs WHERE kind = 'tick'"), 300);
    let found = verify(&state, &keys);
    assert_eq!((&found.faults[..], found.forgotten, found.records), (&[][..], 1_200, 1_502), "{found:?}");
    // what went without being declared is missed: a person's act however old, and what was to be kept
    let c = Connection::open(state.join(FILE)).unwrap();
    c.execute_batch("DELETE FROM inputs WHERE kind = 'hold' OR sequence = 1300").unwrap();
    let kinds: Vec<String> = verify(&state, &keys)
        .faults
        .into_iter()
        .map(|fault| match fault {
            Fault::Gone { kind, .. } | Fault::Shown { kind, .. } => kind,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["input", "reading", "setting"], "the hold that nobody put on is shown");
    // and so is the declaration itself
    c.execute_batch("DELETE FROM inputs WHERE kind = 'retention'").unwrap();
    assert!(verify(&state, &keys).faults.len() > 50);
}

#[test]
fn a_head_that_was_signed_by_a_clock_that_was_set_back_is_not_old() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path(), Durability::None, Arc::new(Keys::new(&[7; 32])));
    let mut ledger = ledger.unwrap();
    ledger.set_retention(Retention { inputs: Millis::DAY.times(90), events: Millis::DAY.times(400) });
    assert_eq!(ledger.last_recorded().unwrap(), None);
    ledger.checkpoint(START).unwrap();
    ledger.checkpoint(WallTime(0)).unwrap();
    assert_eq!(ledger.last_recorded().unwrap(), Some(WallTime(0)), "the last, and not the newest");
    ledger.checkpoint(START.plus(Millis::MINUTE)).unwrap();
    let c = Connection::open(dir.path().join(FILE)).unwrap();
    c.execute("UPDATE checkpoints SET size = 2000 * rowid", []).unwrap();
    assert_eq!(ledger.overdue(START.plus(Millis::DAY.times(89))).unwrap(), None);
    let later = ledger.overdue(START.plus(Millis::DAY.times(91))).unwrap();
    assert_eq!(later, Some(Forgotten { inputs: 6000, events: 0 }));
}

#[test]
fn the_cursors_of_files_that_are_gone_go() {
    let site = Site::bare("", "");
    let d = site.path("").display().to_string();
    site.configure(&format!(
        "state_dir = '{d}state'\ncontrol_socket = '{d}control.sock'\n\
         [[trail]]\nname = 'portal'\nprofile = 'tripline-portal'\npaths = ['{d}trail/*.jsonl']\n"
    ));
    std::fs::create_dir_all(site.path("trail")).unwrap();
    let line = |n: u32| {
        format!(
            "{{\"ts\":\"2026-03-01T00:00:{n:02}Z\",\"id\":\"e{n}\",\"event\":\"page.view\",\"outcome\":\"success\",\"ip\":\"192.0.2.1\"}}\n"
        )
    };
    let daemon = site.start(&[]);
    for n in 0..12 {
        let file = site.path(&format!("trail/{n:02}.jsonl"));
        std::fs::write(&file, line(n)).unwrap();
        until("the line", || (site.status()["trails"]["portal"]["events"] == n + 1).then_some(()));
        if n < 10 {
            std::fs::remove_file(&file).unwrap();
        }
    }
    let cursors = || count(&site.path("state"), "SELECT count(*) FROM cursors WHERE source = 'portal'");
    until("the cursors to go", || (cursors() == 2).then_some(()));
    daemon.stop();
}
