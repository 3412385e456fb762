//! The ledger's way through what can go wrong around a commit, and the keys that it belongs to.
use std::path::Path;
use std::sync::Arc;
use tripline::detect::CellRow;
use tripline::framing::Framing;
use tripline::ledger::{Durability, Error, Keys, Ledger, Reader};
use tripline::model::{Input, Severity, SourceName, WallTime};
use tripline::pipeline::stage::{Staged, Store};
use tripline::pipeline::{Core, Outcome, Prepared, Rules, Scratch};
use tripline::rules::{self, Tables, Texts};
use tripline::source::{Follower, Start, TrailSpec, Until};

const LINE: &str = r#"{"ts":"2026-03-01T00:00:00.000Z","id":"ev-1","event":"session.login","outcome":"success","actor":{"id":"u-1","name":"ana","type":"staff","role":"noc"},"session":"s-0123456789abcdef","ip":"192.0.2.1","ua":"curl/8.5.0 token=UASECRET s-0123456789abcdef"}"#;

fn rules(keys: &Keys) -> Arc<Rules> {
    let profiles = [rules::TrailProfile::plain(SourceName("portal".into()), "tripline-portal")];
    let settings = Default::default();
    rules::compile(&Texts::shipped(), Tables::default(), &profiles, settings, Severity::Medium, keys.secrets())
        .expect("what is shipped compiles")
        .into()
}

/// An outcome with one login, not committed.
fn outcome(dir: &Path, ledger: &Ledger, keys: &Keys) -> Outcome {
    let (outcome, input) = before(dir, ledger, keys);
    outcome.fold(input, ledger).expect("readable")
}

/// The same before the login is folded in.
fn before(dir: &Path, ledger: &Ledger, keys: &Keys) -> (Outcome, Input<Prepared>) {
    let rules = rules(keys);
    let trail = dir.join("portal.jsonl");
    std::fs::write(&trail, format!("{LINE}\n")).expect("written");
    let spec = TrailSpec {
        name: SourceName("portal".into()),
        paths: vec![trail.to_string_lossy().into_owned()],
        start: Start::Beginning,
        framing: Framing::Lines,
        names: None,
        lists: Default::default(),
        until: Until::EndOfFile,
    };
    let mut follower = Follower::open(spec, Vec::new());
    assert!(follower.reconcile().is_empty());
    let batch = follower.next(WallTime(1_800_000_000_000)).expect("readable").expect("a batch");
    let input = Input::Lines(vec![rules.prepare(batch, &mut Scratch::new(1))]);
    (Core::new(rules, ledger.recorded().expect("readable"), false, 1).begin(), input)
}

fn dump(state: &Path) -> String {
    Reader::open(&state.join(tripline::ledger::FILE)).expect("readable").dump().expect("readable").join("\n")
}

#[test]
fn s72_what_nobody_knows_whether_it_was_committed_is_committed_once() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let keys = Arc::new(Keys::new(&[7; 32]));
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    let mut ledger = Ledger::open(&one, Durability::Full, keys.clone()).expect("made");
    let prepared = outcome(dir.path(), &ledger, &keys);
    assert!(ledger.commit(prepared).is_ok());
    // the other one is told that an error came at COMMIT, before anything was written
    let mut unknown = Ledger::open(&other, Durability::Full, keys.clone()).expect("made");
    let prepared = outcome(dir.path(), &unknown, &keys);
    assert!(unknown.settle(prepared).is_ok());
    assert_eq!(dump(&one), dump(&other));
    let session = keys.session_digest("s-0123456789abcdef");
    for ledger in [&ledger, &unknown] {
        let id = ledger.unseal(&session).expect("readable");
        assert_eq!(id.as_deref(), Some("s-0123456789abcdef"), "an order can still name the session");
    }
}

#[test]
fn an_input_is_applied_only_when_all_that_it_may_change_was_supplied() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let keys = Arc::new(Keys::new(&[7; 32]));
    let mut ledger = Ledger::open(&dir.path().join("state"), Durability::None, keys.clone()).expect("made");
    assert!(ledger.commit(outcome(dir.path(), &ledger, &keys)).is_ok());
    let missing = |staged| match staged {
        Staged::Missing(missing) => missing,
        Staged::Supplied(_) => panic!("a core that has just been made has nothing at hand"),
    };
    // first what its actor was called, then what the policies know
    let named = || {
        let (outcome, input) = before(dir.path(), &ledger, &keys);
        let names = missing(outcome.stage(input));
        let stored = ledger.stored(names.entities()).expect("readable");
        assert!(stored.iter().all(|record| !record.is_empty()), "it acted under its name");
        missing(names.supply(stored).expect("readable"))
    };
    let stored = ledger.stored(named().entities()).expect("readable");
    let cell = stored.iter().flatten().next().expect("the policies have met it").clone();
    assert!(named().supply(stored[1..].to_vec()).is_err(), "one is not there");
    assert!(named().supply(vec![vec![CellRow { cell: b"\xff".to_vec(), ..cell }]; stored.len()]).is_err());
    assert!(matches!(named().supply(stored), Ok(Staged::Supplied(_))));
}

#[test]
fn secrets_do_not_stand_in_the_file() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let keys = Arc::new(Keys::new(&[7; 32]));
    let state = dir.path().join("state");
    let mut ledger = Ledger::open(&state, Durability::Full, keys.clone()).expect("made");
    let prepared = outcome(dir.path(), &ledger, &keys);
    assert!(ledger.commit(prepared).is_ok());
    drop(ledger);
    for file in std::fs::read_dir(&state).expect("there").flatten() {
        let bytes = std::fs::read(file.path()).expect("readable");
        for secret in ["s-0123456789abcdef", "UASECRET"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret} in {:?}", file.path());
        }
    }
}

#[test]
fn a_ledger_with_another_key_is_refused() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let open = |key| Ledger::open(dir.path(), Durability::Full, Arc::new(Keys::new(&[key; 32])));
    drop(open(1).expect("made"));
    assert!(open(1).is_ok());
    match open(2) {
        Err(Error::Foreign { why, .. }) => assert!(why.contains("another state.key"), "{why}"),
        other => panic!("{}", other.map(|_| "opened").unwrap_or("another error")),
    }
}
