//! What the configuration changes of policies: what it does, what it leaves alone, and what it refuses.
use std::sync::Arc;
use tripline::detect::{Classifier, Engine, MemoCursor, State};
use tripline::model::{Event, Millis, Severity};
use tripline::operator::{EventCount, Kind};
use tripline::policy::{Body, Comparison, PolicySet, Range, Site, load};

const COUNT: &str = "
title: Base
name: base
detection:
  selection: {activity_name: login, status: failure}
  condition: selection
---
title: Guessing
name: t
level: high
correlation:
  type: event_count
  rules: [base]
  group-by: [actor.user.name]
  timespan: 1h
  condition: {gte: 10}
";

/// The set with `[policy.…]` tables, or every error.
fn tuned(text: &str, toml: &str) -> Result<PolicySet, String> {
    let tuning = toml::from_str(toml).map_err(|e: toml::de::Error| e.to_string())?;
    let site = Site { tuning, ..Site::default() };
    let said = |errors: Vec<_>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    load(&[("test.yml", text)], &site).map_err(said)
}

fn with(text: &str, toml: &str) -> PolicySet {
    tuned(text, toml).unwrap_or_else(|e| panic!("{e}\n{toml}"))
}

fn set(text: &str) -> PolicySet {
    with(text, "")
}

/// The names of the policies that fire on the events, in their order.
fn fired(set: PolicySet, events: &[Event]) -> Vec<String> {
    let engine = Engine::new(Arc::new(set));
    let (mut state, mut classifier) = (State::new(0), Classifier::default());
    let mut names = Vec::new();
    for event in events {
        let activation = engine.classify(event, &mut classifier);
        let batch = classifier.take_batch();
        let mut memos = MemoCursor::new(&batch);
        let firings = engine.advance(&mut state, event, event.time, &activation, &mut memos).firings;
        names.extend(firings.iter().map(|f| engine.policies().rules[usize::from(f.policy)].name.to_string()));
    }
    names
}

/// Failed logins as a test of the policy `t` writes them, one a minute.
fn logins(fields: &[&str]) -> Vec<Event> {
    let event = |(n, more): (usize, &&str)| {
        format!("    - {{at: {n}m, fields: {{activity_name: login, status: failure, actor.user.name: ana, {more}}}}}\n")
    };
    let events: String = fields.iter().enumerate().map(event).collect();
    let text = format!("{COUNT}tripline:\n  tests:\n  - name: n\n    finds: 0\n    events:\n{events}");
    let set = set(&text);
    let events = set.get("t").expect("the policy").tests[0].events();
    events.into_iter().map(|(_, event)| event).collect()
}

#[test]
fn nothing_written_changes_nothing() {
    let (plain, empty) = (set(COUNT), with(COUNT, "[t]"));
    let (a, b) = (plain.get("t").unwrap(), empty.get("t").unwrap());
    assert_eq!((a.decision, a.accumulation, a.severity, a.alerts), (b.decision, b.accumulation, b.severity, b.alerts));
    assert!(b.tuned.is_empty());
}

#[test]
fn c102_a_threshold_is_set_and_nothing_is_forgotten() {
    let (plain, set) = (self::set(COUNT), with(COUNT, "[t]\ncondition = { gte = 3 }\nlevel = 'critical'"));
    let (before, after) = (plain.get("t").unwrap(), set.get("t").unwrap());
    assert_eq!(after.tuned, ["level critical in place of high", "condition gte 3 in place of 10"]);
    assert_eq!(after.severity, Severity::Critical);
    assert_eq!(before.accumulation, after.accumulation, "what was counted still counts");
    assert_ne!(before.decision, after.decision);
    assert_eq!(fired(set, &logins(&["x: 1"; 3])), ["t"]);
    assert_eq!(fired(plain, &logins(&["x: 1"; 3])), [""; 0]);
    // the same as if the file said so
    let written = self::set(&COUNT.replace("gte: 10", "gte: 3"));
    assert_eq!(written.get("t").unwrap().decision, with(COUNT, "[t.condition]\ngte = 3").get("t").unwrap().decision);
}

#[test]
fn other_bounds_stay() {
    let text = COUNT.replace("{gte: 10}", "{gte: 10, lt: 50}");
    let set = with(&text, "[t]\ncondition = { gte = 20 }");
    let Body::Correlation(c) = &set.get("t").unwrap().body else { panic!("a correlation") };
    assert_eq!(
        c.kind,
        Kind::EventCount(EventCount { range: Range { bounds: vec![(Comparison::Gte, 20.0), (Comparison::Lt, 50.0)] } })
    );
}

#[test]
fn an_episode_and_a_response_are_set() {
    let set = with(COUNT, "[t]\nepisode = '1d'\nresponse = [{ action = 'lock', target = 'user' }]");
    let policy = set.get("t").unwrap();
    assert_eq!(policy.episode, Millis::DAY);
    assert_eq!(policy.tuned, ["episode 1d in place of 1h", "response lock on the user in place of nothing"]);
    assert!(
        with(&format!("{COUNT}tripline: {{response: [{{action: a, target: user}}]}}\n"), "[t]\nresponse = []")
            .get("t")
            .unwrap()
            .asks
            .is_empty()
    );
}

#[test]
fn what_is_off_is_silent_and_still_counts_for_others() {
    let chain = format!(
        "{COUNT}---\ntitle: c\nname: c\nlevel: low\ncorrelation: {{type: event_count, rules: [t], group-by: [actor.user.name], timespan: 1h, condition: {{gte: 1}}}}\ngenerate: true\n"
    );
    let events = logins(&["x: 1"; 10]);
    assert_eq!(fired(set(&chain), &events), ["t", "c"]);
    let off = with(&chain, "[t]\nenabled = false");
    assert!(off.get("t").unwrap().tuned[0].contains("counts for the policies that refer to it"));
    assert_eq!(off.get("t").unwrap().accumulation, set(&chain).get("t").unwrap().accumulation);
    assert_eq!(fired(off, &events), ["c"]);
    // a building block can be made to speak for itself
    assert_eq!(fired(with(COUNT, "[base]\nenabled = true\nlevel = 'low'"), &events[..1]), ["base"]);
}

#[test]
fn a_scope_leaves_out_and_the_episode_is_not_used_up() {
    let office = "[t]\nexcept = { 'src_endpoint.ip' = ['192.0.2.0/24'] }\ncondition = { gte = 2 }";
    let (inside, outside) = ("src_endpoint.ip: 192.0.2.7", "src_endpoint.ip: 198.51.100.1");
    assert_eq!(fired(with(COUNT, office), &logins(&[inside, inside, inside])), [""; 0]);
    assert_eq!(fired(with(COUNT, office), &logins(&[inside, inside, outside])), ["t"], "counted, and not used up");
    let only = "[t]\nonly = { 'actor.user.role' = ['sup*'] }\ncondition = { gte = 1 }";
    assert_eq!(fired(with(COUNT, only), &logins(&["actor.user.role: support"])), ["t"]);
    assert_eq!(fired(with(COUNT, only), &logins(&["actor.user.role: noc"])), [""; 0]);
    assert_eq!(fired(with(COUNT, only), &logins(&["x: 1"])), [""; 0], "who has no role is not in one");
    // all fields of a table, any table of a list
    let two = "[t]\nexcept = [{ 'actor.user.role' = ['noc'], 'src_endpoint.ip' = ['192.0.2.7'] }, { 'unmapped.x' = ['1'] }]\ncondition = { gte = 1 }";
    assert_eq!(fired(with(COUNT, two), &logins(&["actor.user.role: noc"])), ["t"]);
    assert_eq!(fired(with(COUNT, two), &logins(&[&format!("actor.user.role: noc, {inside}")])), [""; 0]);
    assert_eq!(with(COUNT, two).raw_fields, ["x"]);
}

#[test]
fn a_scope_is_told_not_to_depend_on_the_order_only_where_it_does_not() {
    let of = |toml| with(COUNT, toml).get("t").unwrap().clone();
    let plain = set(COUNT).get("t").unwrap().clone();
    let by_key = of("[t]\nexcept = { 'actor.user.name' = ['bot*'] }");
    assert!(plain.monotone && by_key.monotone);
    assert!(!of("[t]\nexcept = { 'src_endpoint.ip' = ['192.0.2.0/24'] }").monotone);
    assert_eq!((plain.decision, plain.accumulation), (by_key.decision, by_key.accumulation), "nothing is found again");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let correlation = COUNT.replace("event_count", "temporal").replace("  condition: {gte: 10}\n", "");
    for (text, toml, words) in [
        (COUNT, "[tt]\nenabled = false", &["[policy.tt]", "no policy `tt`", "did you mean `t`?"][..]),
        (COUNT, "[t]\nenabld = false", &["unknown field", "enabled"]),
        (COUNT, "[t]\nlevel = 'hihg'", &["hihg"]),
        (COUNT, "[t]\ncondition = { gt = 3 }", &["does not compare with gt", "it has gte"]),
        (COUNT, "[t]\ncondition = { gtee = 3 }", &["no comparison `gtee`", "did you mean"]),
        (COUNT, "[t]\ncondition = { gte = nan }", &["must be a number"]),
        (COUNT, "[t]\ncondition = { gte = 'many' }", &["many"]),
        (COUNT, "[base]\ncondition = { gte = 3 }", &["`base` has no bounds", "policies_dir"]),
        (&correlation, "[t]\ncondition = { gte = 3 }", &["`t` has no bounds"]),
        (COUNT, "[base]\nlevel = 'low'", &["`level` has no effect", "enabled = true"]),
        (COUNT, "[t]\nepisode = '1s'", &["half an hour at least"]),
        (COUNT, "[t]\nepisode = 'day'", &["a number and one of s, m, h, d"]),
        (COUNT, "[t]\nresponse = [{ action = 'a', target = 'world' }]", &["world"]),
        (COUNT, "[t]\nresponse = [{ action = 'a', target = 'user', why = 1 }]", &["why"]),
        (COUNT, "[t]\nexcept = {}", &["`except`", "every event"]),
        (COUNT, "[t]\nonly = { 'actor.user.role' = [] }", &["`only`", "empty list"]),
        (COUNT, "[t]\nonly = { 'actor.user.rolle' = ['a'] }", &["no field", "did you mean `actor.user.role`?"]),
        (COUNT, "[t]\nonly = { 'src_endpoint.ip' = ['192.0.2.300'] }", &["no network", "192.0.2.0/24"]),
        (COUNT, "[t]\nonly = { 'actor.user.type' = ['usr'] }", &["can't be `usr`", "did you mean `user`?"]),
    ] {
        let said = tuned(text, toml).err().unwrap_or_else(|| panic!("was not refused: {toml}"));
        for word in words {
            assert!(said.contains(word), "{toml}: does not say {word:?}: {said}");
        }
    }
}
