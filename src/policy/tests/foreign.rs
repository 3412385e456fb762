//! Rules of others: what cannot be used is set aside, and an operator's own policies do not depend on them.
use super::*;

fn others(files: &[(&str, &str)]) -> Foreign {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Foreign { name: "others".into(), files, ..Foreign::default() }
}

fn rule(title: &str, more: &str) -> String {
    format!("title: {title}\nlevel: medium\n{more}detection: {{s: {{x: 1}}, condition: s}}\n")
}

fn loaded(own: &str, foreign: Foreign) -> PolicySet {
    load_beside(&[("own.yml", own)], &[foreign], &Site::default()).unwrap_or_else(|e| panic!("{}", told(&e)))
}

const OWN: &str = "title: Own\nname: own\nlevel: high\ndetection: {s: {x: 2}, condition: s}\n";

#[test]
fn a_foreign_rule_that_cannot_be_used_is_set_aside_and_the_rest_load() {
    let old = |n: u32| rule(&format!("Old {n}"), "").replace("condition: s", "condition: s, timeframe: 5m");
    let files = [
        ("a.yml", rule("A", "id: 0000aaaa\nregression_tests_path: x/y\n")),
        ("b.yml", old(1)),
        ("c.yml", old(2)),
        ("d.yml", "title: [\n".to_owned()),
        ("e.yml", rule("E", "name: e\n").replace("{x: 1}", "{'x|expand': '%hosts%'}")),
        (
            "f.yml",
            "title: F\ncorrelation: {type: event_count, rules: [e], group-by: [], timespan: 1h, condition: {gte: 2}}\n"
                .into(),
        ),
        ("g.yml", rule("G", "name: own\n")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let set = loaded(OWN, others(&files));
    let names: Vec<&str> = set.rules.iter().map(|r| &*r.name).collect();
    assert_eq!(names, ["own", "a"]);
    let taken = &set.taken[0];
    assert_eq!(taken.to_string(), "rules others: 1 loaded, 6 set aside");
    let reasons: Vec<String> = taken.set_aside.iter().map(ToString::to_string).collect();
    assert_eq!(reasons.len(), 5, "one line a reason: {reasons:#?}");
    assert!(
        reasons[0].starts_with("set aside, with 1 others for that reason: b.yml:") && reasons[0].contains("timeframe")
    );
    for part in ["d.yml:", "hosts", "it refers to a rule that is set aside", "`own` is also the name or id"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:#?}");
    }
    // in a place of one's own each of them is an error
    assert_eq!(load(&files[..4], &Site::default()).unwrap_err().len(), 3);
}

#[test]
fn foreign_rules_are_not_warned_of_one_by_one_and_ask_for_nothing() {
    let ours = "tripline: {response: [{action: end-session, target: session}]}\nlevle: low\nstatus: deprecated\n";
    let set = loaded(OWN, others(&[("a.yml", &rule("A", ours))]));
    assert!(set.warnings.iter().all(|warning| &*warning.at.file == "own.yml"), "{:?}", set.warnings);
    assert!(set.get("a").unwrap().asks.is_empty());
}

#[test]
fn the_least_level_leaves_out_what_is_lower_unless_it_is_referred_to() {
    let correlation = "title: Many\nlevel: high\ncorrelation: {type: event_count, rules: [base], group-by: [], timespan: 1h, condition: {gte: 2}}\n";
    let foreign = Foreign {
        level: Some(Severity::High),
        ..others(&[
            ("a.yml", &rule("Low", "").replace("medium", "low")),
            ("b.yml", &rule("Base", "name: base\n").replace("level: medium\n", "")),
            ("c.yml", correlation),
            ("d.yml", &rule("None", "").replace("level: medium\n", "")),
        ])
    };
    let set = loaded(OWN, foreign);
    assert_eq!(set.rules.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["own", "base", "many"]);
    assert_eq!(set.taken[0].to_string(), "rules others: 2 loaded, 2 left out for their level");
}

#[test]
fn foreign_rules_may_be_for_some_trails_only() {
    let foreign = Foreign { trails: Some(["idp".into()].into()), ..others(&[("a.yml", &rule("A", ""))]) };
    let own = format!(
        "{OWN}tripline: {{tests: [{{name: n, finds: 0, events: [{{at: 0, trail: idp, fields: {{x: 1}}}}, {{at: 0, fields: {{x: 1}}}}]}}]}}\n"
    );
    let set = loaded(&own, foreign);
    let Body::Detection(matcher) = &set.get("a").unwrap().body else { panic!("a detection") };
    let events = set.get("own").unwrap().tests[0].events();
    assert_eq!(events.iter().map(|(_, e)| matcher.matches(e)).collect::<Vec<_>>(), [true, false]);
    assert_eq!(matcher.misses(&events[1].1, &set.raw_fields), ["it is for the trails idp, and this one is test"]);
}

#[test]
fn what_others_call_their_rules_changes_no_name_of_ours_and_their_filters_none_of_our_findings() {
    let own = OWN.replace("title: Own\nname: own", "title: Same");
    let filter = "title: f\nlogsource: {}\nfilter: {rules: any, s: {x: '*'}, condition: s}\n";
    let foreign =
        others(&[("a.yml", &rule("Same", "id: 1234abcd-0\n")), ("b.yml", &rule("same!", "")), ("f.yml", filter)]);
    let set = loaded(&own, foreign);
    let names: Vec<&str> = set.rules.iter().map(|r| &*r.name).collect();
    assert_eq!(names, ["same", "same_1234abcd", "same_2"]);
    let alone = load(&[("own.yml", &own)], &Site::default()).unwrap();
    let accumulations: Vec<_> = set.rules.iter().map(|r| r.accumulation).collect();
    assert_eq!(accumulations[0], alone.rules[0].accumulation);
}

#[test]
fn an_own_correlation_over_a_rule_that_is_set_aside_is_an_error() {
    let own = "title: Many\nname: many\ncorrelation: {type: event_count, rules: [old], group-by: [], timespan: 1h, condition: {gte: 2}}\n";
    let old = rule("Old", "name: old\n").replace("condition: s", "condition: s, timeframe: 5m");
    let errors = load_beside(&[("own.yml", own)], &[others(&[("a.yml", &old)])], &Site::default()).unwrap_err();
    assert_eq!(told(&errors), "own.yml:3: `old` is a foreign rule that is set aside");
}
