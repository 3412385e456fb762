//! The tests in policies' own files: every shipped policy has what it needs of them, and the language says what it seems to.
use std::sync::Arc;
use tripline::model::Severity;
use tripline::pipeline::{Rules, Secrets, trial, trial::Trial};
use tripline::policy::Policy;
use tripline::rules::{Tables, Texts, compile};

/// The rules of these files, under which tests run.
fn ready(texts: &Texts) -> Arc<Rules> {
    let secrets = Secrets::new(&[7; 32]);
    let rules = compile(texts, Tables::default(), &[], Default::default(), Severity::Low, secrets);
    let mut rules = rules.unwrap_or_else(|e| panic!("{e}"));
    rules.response = trial::settings(rules.engine.policies());
    Arc::new(rules)
}

/// What a policy that makes findings lacks.
fn lacks(policy: &Policy) -> Option<&'static str> {
    match policy {
        policy if !policy.alerts => None,
        policy if !policy.tests.iter().any(|test| test.finds > 0) => Some("a test in which it fires"),
        policy if !policy.tests.iter().any(|test| test.finds == 0) => Some("a test in which it is quiet"),
        _ => None,
    }
}

#[test]
fn every_shipped_policy_that_makes_findings_is_shown_to_fire_and_to_be_quiet() {
    let (set, _) = Texts::shipped().compile().unwrap();
    let lacking: Vec<String> = set
        .rules
        .iter()
        .filter_map(|policy| {
            Some(format!("{}:{}: {} has not {}", policy.file, policy.line, policy.name, lacks(policy)?))
        })
        .collect();
    assert!(set.rules.iter().filter(|policy| policy.alerts).count() > 20);
    assert!(lacking.is_empty(), "\n{}", lacking.join("\n"));
}

#[test]
fn every_shipped_test_passes() {
    let rules = ready(&Texts::shipped());
    for policy in &rules.engine.policies().rules {
        for test in &policy.tests {
            let faults = trial::run(&rules, policy, test).faults;
            assert!(faults.is_empty(), "{}:{}: {}: {}: {faults:#?}", policy.file, test.line, policy.name, test.name);
        }
    }
}

#[test]
fn a_policy_without_its_tests_is_seen() {
    let quiet = own("finds: 0", "[ { at: 0m, like: view } ]");
    assert_eq!(lacks(quiet.engine.policies().get("own").unwrap()), Some("a test in which it fires"));
    let loud = own("finds: 1", "[ { at: 0m, like: asked } ]");
    assert_eq!(lacks(loud.engine.policies().get("own").unwrap()), Some("a test in which it is quiet"));
    assert_eq!(lacks(loud.engine.policies().get("asked").unwrap()), None, "it makes no findings");
}

/// Two exports within an hour, by one session, and one test.
fn text(expectation: &str, events: &str) -> String {
    format!(
        "title: Asked
name: asked
logsource: {{ product: ocsf }}
detection:
  sel: {{ activity_name: export_requested, status: success }}
  condition: sel
tripline:
  fixtures:
    ana: {{ fields: {{ actor.user.name: ana, actor.user.role: noc, actor.session.uid: s1, status: success }} }}
    asked: {{ like: ana, fields: {{ activity_name: export_requested, resource.owner.org.uid: AC1 }} }}
    view: {{ like: ana, fields: {{ activity_name: view }} }}
    twice: {{ like: asked, repeat: 2, every: 10m }}
---
title: Own
name: own
level: high
correlation: {{ type: event_count, rules: [asked], group-by: [actor.session.uid], timespan: 1h, condition: {{ gte: 2 }} }}
tripline:
  episode: 1d
  response: [ {{ action: end-session, target: session }} ]
  tests:
    - name: one
      given: {{ actor.user.role: support, actor.user.type: user }}
      {expectation}
      events: {events}
"
    )
}

fn own(expectation: &str, events: &str) -> Arc<Rules> {
    let detections = vec![("own.yml".to_owned(), text(expectation, events))];
    ready(&Texts { detections, ..Texts::default() })
}

fn tried(expectation: &str, events: &str) -> Trial {
    let rules = own(expectation, events);
    let policy = rules.engine.policies().get("own").unwrap();
    trial::run(&rules, policy, &policy.tests[0])
}

/// `expected … found …` of every fault.
fn said(expectation: &str, events: &str) -> String {
    let faults = tried(expectation, events).faults;
    faults.iter().map(|f| format!("expected {} found {}\n", f.expected, f.found)).collect()
}

fn refused(expectation: &str, events: &str) -> String {
    let detections = vec![("own.yml".to_owned(), text(expectation, events))];
    Texts { detections, ..Texts::default() }.compile().err().expect("it is refused").to_string()
}

#[test]
fn a_finding_is_expected_at_a_time_and_of_somebody() {
    let twice = "[ { at: 3d, like: twice } ]";
    for passes in [
        "finds: 1",
        "finds: { at: 3d10m }",
        "finds: [ { at: 3d10m, entity: actor.session.uid=s1 } ]",
        "finds: [ { entity: 'actor.session.uid=*' } ]",
        "finds: 1\n      orders: [ { action: end-session, target: session } ]",
    ] {
        assert_eq!(said(passes, twice), "", "{passes}");
    }
    let found = "found 1 finding: at 3d10m of actor.session.uid=(the session)\n";
    assert_eq!(said("finds: 0", twice), format!("expected no finding {found}"));
    assert_eq!(said("finds: { at: 3d }", twice), format!("expected 1 finding: at 3d {found}"));
    assert_eq!(
        said("finds: [ { entity: actor.session.uid=s2 } ]", twice),
        format!("expected 1 finding: of actor.session.uid=s2 {found}")
    );
    assert_eq!(said("finds: 1", "[ { at: 0m, like: asked } ]"), "expected 1 finding found no finding\n");
    assert_eq!(
        said("finds: 1\n      orders: []", twice),
        "expected no orders found orders: end-session on the session\n"
    );
}

#[test]
fn each_of_several_is_told_apart() {
    let two = "[ { at: 0m, like: twice }, { at: 5h, like: twice, fields: { actor.session.uid: s2 } } ]";
    let of = |id: &str, at: &str| format!("{{ at: {at}, entity: actor.session.uid={id} }}");
    let finds = |a: &str, b: &str| format!("finds: [ {a}, {b} ]");
    assert_eq!(said(&finds("{ at: 10m }", &of("s2", "5h10m")), two), "");
    assert_eq!(said(&finds("{}", &of("s1", "10m")), two), "", "what says most chooses first");
    assert!(!said(&finds(&of("s1", "10m"), &of("s1", "5h10m")), two).is_empty());
    assert!(!said(&finds("{ at: 10m }", "{ at: 10m }"), two).is_empty(), "no finding is there twice");
}

#[test]
fn orders_go_through_the_gates_of_the_response() {
    let sent = "[ { at: 0m, like: twice, fields: { actor.session.vouched_by: client } } ]";
    let asks = "finds: 1\n      orders: [ { action: end-session, target: session } ]";
    assert_eq!(
        said(asks, sent),
        "expected orders: end-session on the session found orders: end-session on the session (refused: not_vouched)\n"
    );
    // the finding comes about a day and more after the act: its session is over
    let late = "[ { at: 0m, like: asked }, { at: 2m, arrives: 30h, like: asked } ]";
    assert!(said(asks, late).ends_with("(refused: too_old)\n"), "{}", said(asks, late));
    assert!(
        refused("finds: 0\n      orders: [ { action: a, target: user } ]", "[ { at: 0m, like: view } ]")
            .contains("without findings")
    );
}

#[test]
fn events_are_read_as_they_are_written_and_may_be_late() {
    let late = "[ { at: 1h, like: asked }, { at: 4h, like: view }, { at: 50m, like: asked } ]";
    let trial = tried("finds: { at: 1h }", late);
    assert!(trial.faults.is_empty(), "{:?}", trial.faults);
    assert_eq!(
        trial.found[0].observed.0 - trial.found[0].time.0,
        3 * 3_600_000,
        "it was known when the late one was read"
    );
    // later than two days: it counts when it was read
    let too_late = "[ { at: 10d, like: asked }, { at: 1d, like: asked } ]";
    assert_eq!(said("finds: { at: 10d }", too_late), "");
}

#[test]
fn a_second_trail_has_a_clock_of_its_own() {
    let one = "[ { at: 0m, like: asked }, { at: 10d, like: view }, { at: 10m, like: asked } ]";
    let two =
        "[ { at: 0m, like: asked, trail: a }, { at: 10d, like: view, trail: b }, { at: 10m, like: asked, trail: a } ]";
    assert_eq!(said("finds: 0", one), "", "nine days late, it counts with the tenth day");
    assert_eq!(said("finds: { at: 10m }", two), "");
}

#[test]
fn what_an_event_is_like_it_may_say_otherwise() {
    let rules = own(
        "finds: 0",
        "[ { at: 0m, like: asked }, { at: 1m, like: [asked, view], fields: { actor.session.uid: null } }, { at: 2m, fields: { activity_name: view } } ]",
    );
    let set = rules.engine.policies();
    let events = set.get("own").unwrap().tests[0].events();
    let role = |n: usize| events[n].1.actor.as_ref().and_then(|a| a.role.clone()).unwrap();
    assert_eq!([role(0), role(1), role(2)], ["noc", "noc", "support"], "a fixture goes before what the test gives");
    assert_eq!(events[1].1.activity.name(), "view", "of several the last one");
    assert_eq!(events[1].1.customer.as_deref(), Some("AC1"));
    assert!(events[1].1.session.is_none() && events[0].1.session.is_some());
    assert!(events[2].1.session.is_none());
}

#[test]
fn what_can_not_be_is_refused_with_its_line() {
    for (expectation, events, words) in [
        ("finds: 0", "[ { at: 0m, like: askd } ]", &["own.yml:25", "no fixture `askd`", "did you mean `asked`?"][..]),
        ("finds: 0", "[ { at: 0m, lik: asked } ]", &["unknown key `lik`", "did you mean `like`?"]),
        ("finds: 0", "[ { like: asked } ]", &["no `at`"]),
        ("finds: { when: 1m }", "[ { at: 0m, like: view } ]", &["unknown key `when`"]),
        ("finds: many", "[ { at: 0m, like: view } ]", &["`finds`", "whole number"]),
        ("finds: 1\n      order: []", "[ { at: 0m, like: view } ]", &["unknown key `order`", "did you mean `orders`?"]),
        ("finds: 1\n      orders: [ { action: a } ]", "[ { at: 0m, like: view } ]", &["no `target`"]),
    ] {
        let said = refused(expectation, events);
        words.iter().for_each(|word| assert!(said.contains(word), "{events}: {word}: {said}"));
    }
    let whole = text("finds: 0", "[ { at: 0m, like: view } ]");
    for (from, to, word) in [
        ("  episode: 1d", "  fixtures: { ana: { fields: {} } }", "two fixtures of this file are called `ana`"),
        ("    twice:", "    odd: { feilds: {} }\n    twice:", "unknown key `feilds` in a fixture"),
        ("ana: { fields", "ana: { like: view, fields", "circle"),
    ] {
        let detections = vec![("own.yml".into(), whole.replace(from, to))];
        let said = Texts { detections, ..Texts::default() }.compile().err().unwrap().to_string();
        assert!(said.contains(word), "{said}");
    }
}
