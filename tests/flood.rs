//! A flood of strangers is let go at the bound and said; it flushes nobody who is known, and leaves what it leaves
//! whatever the pieces the lines came in.
use crate::support::batch;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tripline::ledger::sizes::StateSize;
use tripline::ledger::{Durability, Keys, Ledger, Reader, read::FindingFilter};
use tripline::model::{Finding, Input, Severity, SourceName, WallTime, limits};
use tripline::pipeline::{Core, Rules, Scratch};
use tripline::rules::{self, Tables, Texts};

/// One about people, which learns, and one about their sessions.
const POLICIES: &str = "
title: Acts
name: acts
logsource: { product: ocsf }
detection: { sel: { status: success }, condition: sel }
---
title: A strange network
name: strange_network
correlation:
  type: new_value
  rules: [acts]
  group-by: [actor.user.name]
  timespan: 30d
  fields: [src_endpoint.prefix]
  learning: { days: 7, observations: 5 }
---
title: Many addresses in one session
name: many_addresses
correlation:
  type: value_count
  rules: [acts]
  group-by: [actor.session.uid]
  timespan: 4h
  condition: { field: src_endpoint.ip, gte: 3 }
";
/// 2026-03-01T00:00Z.
const BEGINNING: i64 = 1_772_323_200_000;
const DAY: i64 = 86_400_000;
const STRANGERS: i64 = 100_000;

/// `ana` stands in the directory; `bob` does not, but is seen for longer than a week.
fn rules(keys: &Keys, policies: &str) -> Arc<Rules> {
    let mut texts = Texts::shipped();
    texts.detections = vec![("flood.yml".into(), policies.into())];
    let tables = Tables { directory: BTreeMap::from([("ana".into(), "support".into())]), ..Tables::default() };
    let profiles = [rules::TrailProfile::plain(SourceName("portal".into()), "tripline-portal")];
    let rules = rules::compile(&texts, tables, &profiles, Default::default(), Severity::Medium, keys.secrets());
    rules.expect("the policies compile").into()
}

fn line(at: i64, n: i64, actor: &str, session: &str, ip: &str) -> String {
    let ts = tripline::model::EventTime(at);
    format!(
        r#"{{"ts":"{ts}","id":"ev-{n}","event":"page.view","outcome":"success","actor":{{"id":"{actor}","name":"{actor}","type":"staff"}},"session":"{session}","ip":"{ip}"}}"#
    )
}

/// Nine days of work, an hour's flood in the middle of a session of each, and then a thief with both of their passwords.
fn trail() -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |at: i64, actor: &str, session: &str, ip: &str| {
        lines.push(line(BEGINNING + at, lines.len() as i64, actor, session, ip));
    };
    for day in 0..9 {
        for who in ["ana", "bob"] {
            add(day * DAY, who, &format!("s-{who}-{day}-abcdef"), "192.0.2.7");
        }
    }
    let flood = 8 * DAY + DAY / 4;
    for who in ["ana", "bob"] {
        for ip in ["192.0.2.7", "192.0.2.8"] {
            add(flood, who, &format!("s-{who}-open-abcdef"), ip);
        }
    }
    for n in 0..STRANGERS {
        let ip = format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255);
        add(flood + n * 36, &format!("stranger-{n}"), &format!("s-{n}-stranger"), &ip);
    }
    for who in ["ana", "bob"] {
        add(flood + DAY / 24, who, &format!("s-{who}-open-abcdef"), "203.0.113.9");
    }
    lines
}

/// What a run leaves.
struct Left {
    findings: Vec<Finding>,
    dump: Vec<String>,
    sizes: Vec<StateSize>,
}

/// Folds the lines in, so many to an input and so many inputs to a commit; after so many commits all that is in memory is
/// lost.
fn run(directory: &Path, policies: &str, lines: &[String], [piece, inputs, restart]: [usize; 3]) -> Left {
    let keys = Arc::new(Keys::new(&[7; 32]));
    let rules = rules(&keys, policies);
    let mut ledger = Ledger::open(directory, Durability::None, keys.clone()).expect("made");
    let mut scratch = Scratch::new(1);
    let core = |ledger: &Ledger| Core::new(rules.clone(), ledger.recorded().expect("readable"), false, 1);
    let mut outcome = core(&ledger).begin();
    let mut offset = 0;
    for (n, piece) in lines.chunks(piece).enumerate() {
        let batch = batch(piece, offset, WallTime(BEGINNING + 10 * DAY));
        offset = batch.stretch.to;
        let input = Input::Lines(vec![rules.prepare(batch, &mut scratch)]);
        outcome = outcome.fold(input, &ledger).expect("readable");
        if outcome.is_full() || n % inputs == inputs - 1 {
            let receipt = ledger.commit(outcome).unwrap_or_else(|_| panic!("the disk has room"));
            let again = n % (inputs * restart) == inputs * restart - 1;
            outcome = if again { core(&ledger) } else { receipt.core }.begin();
        }
    }
    assert!(ledger.commit(outcome).is_ok());
    let reader = Reader::open(&ledger.path()).expect("readable");
    let dump = reader.dump().expect("readable");
    let findings = reader.findings(&FindingFilter::default()).expect("readable");
    Left {
        findings: findings.into_iter().map(|row| row.finding).collect(),
        dump,
        sizes: reader.state_sizes(Duration::from_secs(60)).expect("readable"),
    }
}

#[test]
fn v64_a_flood_of_strangers_flushes_nobody_who_is_known() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let lines = trail();
    let (one, other) = std::thread::scope(|scope| {
        // in other pieces, with other commits, and with a daemon that dies all the time
        let other = scope.spawn(|| run(&scratch.path().join("other"), POLICIES, &lines, [1733, 3, 4]));
        (run(&scratch.path().join("one"), POLICIES, &lines, [5000, 2, 1000]), other.join().expect("it ends well"))
    });
    let Left { findings, dump, sizes } = one;

    let said: Vec<&Finding> = findings.iter().filter(|f| &*f.policy == "state_pressure").collect();
    let of = |policy: &str| said.iter().filter(|f| f.entity.contains(policy) && f.entity.contains("strangers")).count();
    let of_each = [of("strange_network"), of("many_addresses"), of("sessions that a server has named"), said.len()];
    assert_eq!(of_each, [1, 1, 1, 3], "{said:#?}");
    assert!(said.iter().all(|f| f.measures[0].value.parse::<u32>().is_ok_and(|n| n > 0)), "{said:#?}");

    let found = |policy: &str, who: &str| {
        findings.iter().any(|f| &*f.policy == policy && f.subject.actor.as_deref() == Some(who))
    };
    for who in ["ana", "bob"] {
        assert!(found("strange_network", who), "{who}'s history was flushed");
        assert!(found("many_addresses", who), "the session of {who} was flushed");
    }
    assert_eq!(findings.len(), 3 + 4, "{findings:#?}");

    assert_eq!(sizes.len(), 3, "{sizes:#?}");
    for size in &sizes {
        let room = u64::from(limits::STRANGERS_PER_POLICY);
        assert!(size.strangers <= room && size.strangers >= room * 3 / 4, "{size:#?}");
        // of the sessions that bob had before he was known, some had expired: these are no loss
        // and a session is nobody's in particular: that bob is known makes his known nowhere but in his policies
        let sessions = match &*size.policies {
            "strange_network" => 0,
            "many_addresses" => 10,
            _ => 11,
        };
        let appeared = size.strangers + size.strangers_let_go;
        assert!((STRANGERS as u64..=STRANGERS as u64 + sessions).contains(&appeared), "{size:#?}");
        let staff = if sessions > 0 { 10 } else { 1 };
        assert_eq!((size.staff, size.known_let_go, size.complete), (staff, 0, true), "{size:#?}");
        assert_eq!(size.entities, size.staff + size.familiar + size.strangers, "{size:#?}");
    }

    assert_eq!(dump, other.dump);
    assert_eq!(sizes, other.sizes);
    let numbers = |findings: Vec<Finding>| findings.into_iter().map(|f| (f.id, f.measures)).collect::<Vec<_>>();
    assert_eq!(numbers(findings), numbers(other.findings));
}

/// One about people beside their peers.
const PEERS: &str = "
title: Acts
name: acts
logsource: { product: ocsf }
detection: { sel: { status: success }, condition: sel }
---
title: More acts than usual
name: more_acts
correlation:
  type: baseline
  rules: [acts]
  group-by: [actor.user.name]
  timespan: 1d
  measure: count
  peers: [actor.user.type]
  floor: 100
  learning: { days: 7, observations: 5 }
  condition: { gte: 3 }
";

#[test]
fn to_be_of_a_known_kind_makes_no_stranger_known() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let acts = |n: i64, who: &str, day: i64| line(BEGINNING + day * DAY + n, n, who, "s-abcdef", "192.0.2.7");
    let known = (0..12).flat_map(|day| ["bob", "cy"].map(|who| acts(day * 10 + who.len() as i64, who, day)));
    let strangers = (0..500).map(|n| acts(1000 + n, &format!("stranger-{n}"), 12));
    let left = run(scratch.path(), PEERS, &known.chain(strangers).collect::<Vec<_>>(), [50, 1, 1000]);
    let of_policy = |size: &&StateSize| size.policies == "more_acts";
    let size = left.sizes.iter().find(of_policy).unwrap_or_else(|| panic!("{:#?}", left.sizes));
    // bob, cy, and their kind
    assert_eq!((size.familiar, size.strangers), (3, 500), "{size:#?}");
}
