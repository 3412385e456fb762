//! What changes the two digests, and what does not.
use super::*;

/// The digests of the policy `t` of a set.
fn digests(text: &str) -> (crate::model::Digest, crate::model::Digest) {
    let set = set(text);
    let rule = set.get("t").unwrap();
    (rule.accumulation, rule.decision)
}

#[test]
fn digests_tell_what_is_accumulated_from_what_is_decided() {
    let (accumulation, decision) = digests(COUNT);
    let same_both = [
        COUNT.replace("title: Guessing", "title: Password guessing\ndescription: more\ntags: [a.b]"),
        COUNT.replace("level: high", "level: low"),
        COUNT.replace("{activity_name: login, status: failure}", "{status: 'failure', activity_name: \"login\"}"),
        COUNT.replace("name: base", "name: other").replace("[base]", "[other]"),
        format!("{COUNT}tripline:\n  runbook: x\n  response: [{{action: a, target: user}}]\n"),
    ];
    for text in &same_both {
        assert_eq!(digests(text), (accumulation, decision), "{text}");
    }
    let other_decision = [
        COUNT.replace("gte: 10", "gte: 20"),
        COUNT.replace("gte: 10", "gt: 10"),
        format!("{COUNT}tripline: {{episode: 2h}}\n"),
    ];
    for text in &other_decision {
        let (a, d) = digests(text);
        assert!(a == accumulation && d != decision, "{text}");
    }
    let other_both = [
        COUNT.replace("timespan: 1h", "timespan: 2h"),
        COUNT.replace("[actor.user.name]", "[src_endpoint.ip]"),
        COUNT.replace("status: failure", "status: success"),
        COUNT.replace("name: base", "name: base\nlogsource: {product: okta}"),
        format!("{COUNT}---\ntitle: f\nlogsource: {{}}\nfilter: {{rules: [base], s: {{x: 1}}, condition: s}}\n"),
    ];
    for text in &other_both {
        let (a, d) = digests(text);
        assert!(a != accumulation && d != decision, "{text}");
    }
}

#[test]
fn what_is_known_of_ways_depends_on_the_terms_of_travel() {
    let terms = "speed-kmh: 900\n  distance-km: 500\n  learning: {days: 7, observations: 3}";
    let text = COUNT.replace("event_count", "travel").replace("condition: {gte: 10}", terms);
    let (accumulation, decision) = digests(&text);
    for other in [
        ("900", "800"),
        ("500", "400"),
        ("days: 7", "days: 8"),
        ("learning:", "crowd: {entities: 3, within: 1d}\n  learning:"),
    ] {
        let (a, d) = digests(&text.replace(other.0, other.1));
        assert!(a != accumulation && d != decision, "{other:?}");
    }
}

#[test]
fn two_policies_that_look_for_the_same_decide_apart() {
    let text = format!("{COUNT}---\n{}", COUNT.split("---\n").nth(1).unwrap().replace("name: t", "name: u"));
    let set = set(&text);
    let (t, u) = (set.get("t").unwrap(), set.get("u").unwrap());
    assert_eq!(t.accumulation, u.accumulation);
    assert_ne!(t.decision, u.decision);
}
