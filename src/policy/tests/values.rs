//! Values that are more than one text: lists, null, decimals, long ones, and the line.
use super::*;
use crate::model::{Field, RawValue};

/// Whether a selection on raw fields holds for an event that has these.
fn holds(selection: &str, fields: &str) -> bool {
    hits(&format!("s: {selection}\ncondition: s"), fields, "''", &Site::default())
}

#[test]
fn a_list_is_matched_by_its_elements() {
    let fields = "{groups: [users, admins-eu], count: [3, 70], stamps: ['2026-05-01T09:00:00Z']}";
    for (selection, wanted) in [
        ("{groups: users}", true),
        ("{groups: [root, users]}", true),
        ("{groups: root}", false),
        ("{groups|startswith: admins}", true),
        ("{groups|contains|all: [users, -eu]}", true),
        ("{groups|contains|all: [users, root]}", false),
        ("{groups|neq: root}", true),
        ("{groups|neq: users}", false),
        ("{'groups|re': '^adm'}", true),
        ("{count|gt: 69}", true),
        ("{count|lt: 3}", false),
        ("{count: 3}", true),
        ("{stamps|hour: 9}", true),
        ("{groups|contains: [a1, a2, a3, a4, a5, a6, a7, s-e]}", true),
        ("{groups|contains: [a1, a2, a3, a4, a5, a6, a7, a8]}", false),
    ] {
        assert_eq!(holds(selection, fields), wanted, "{selection}");
    }
    assert!(holds("{who|fieldref: members}", "{who: ana, members: [bo, ana]}"));
    assert!(!holds("{who|fieldref: members}", "{who: cy, members: [bo, ana]}"));
}

#[test]
fn presence_is_no_value_and_null_is_no_list() {
    for (selection, fields, wanted) in [
        ("{x|exists: true}", "{x: [a]}", true),
        ("{x|exists: true}", "{x: []}", true),
        ("{x|exists: true}", "{x: ''}", true),
        ("{x|exists: true}", "{y: 1}", false),
        ("{x|exists: false}", "{y: 1}", true),
        ("{x: null}", "{y: 1}", true),
        ("{x: null}", "{x: [a]}", false),
        ("{x: null}", "{x: []}", false),
        ("{x: null}", "{x: ''}", false),
    ] {
        assert_eq!(holds(selection, fields), wanted, "{selection} of {fields}");
    }
    // what stands in a record as null is there
    for (selection, wanted) in
        [("{x|exists: true}", true), ("{x|exists: false}", false), ("{x: null}", true), ("{x: a}", false)]
    {
        let set = set(&detection(&format!("s: {selection}\ncondition: s")));
        let Body::Detection(matcher) = &set.rules[0].body else { panic!("a detection") };
        let mut event = load(&[("t", WITH_TEST)], &Site::default()).unwrap().rules[0].tests[0].events().remove(0).1;
        event.unmapped.set(0, RawValue::Null);
        assert_eq!(matcher.matches(&event), wanted, "{selection} of null");
    }
}

#[test]
fn decimals_and_negative_numbers_compare_as_numbers() {
    for (selection, value, wanted) in [
        ("{x|gt: 0.5}", "'0.75'", true),
        ("{x|gte: 60}", "'60.0'", true),
        ("{x|lt: 0}", "'-3'", true),
        ("{x|lt: -2.5}", "'-2.4'", false),
        ("{x: 60}", "'60.0'", true),
        ("{x: 60}", "'60.5'", false),
        ("{x: 1.5}", "'1.50'", true),
        ("{x: 42}", "'0042'", false),
    ] {
        assert_eq!(holds(selection, &format!("{{x: {value}}}")), wanted, "{selection} of {value}");
    }
}

#[test]
fn a_text_that_is_kept_short_is_matched_whole() {
    let set = set(&detection("s: {http_request.user_agent|endswith: sqlmap}\ncondition: s"));
    let Body::Detection(matcher) = &set.rules[0].body else { panic!("a detection") };
    let mut event = load(&[("t", WITH_TEST)], &Site::default()).unwrap().rules[0].tests[0].events().remove(0).1;
    event.origin.user_agent = Some("x".repeat(4096).into());
    assert!(!matcher.matches(&event));
    event.whole.push((Field::UserAgent, format!("{}sqlmap", "x".repeat(5000)).into()));
    assert!(matcher.matches(&event));
}

const WITH_TEST: &str =
    "title: t\ndetection: {s: {x: 1}, condition: s}\ntripline: {tests: [{name: n, finds: 0, events: [{at: 0}]}]}\n";

#[test]
fn each_profile_is_asked_for_what_its_own_rules_name() {
    let rule = |n: usize, product: &str| {
        format!("title: r{n}\nlogsource: {{product: {product}}}\ndetection: {{s: {{F{n}: x}}, condition: s}}\n")
    };
    let mut texts: Vec<String> = (0..1000).map(|n| rule(n, "windows")).collect();
    texts.push("title: k\nlevel: low\nlogsource: {product: okta}\ndetection: {k: [evil], s: {eventType: x}, condition: k and s}\n".into());
    texts.push("title: all\nname: all\ndetection: {s: {everywhere: x}, condition: s}\n".into());
    texts.push("title: c\ncorrelation: {type: value_count, rules: [all], group-by: [who], timespan: 1h, condition: {field: what, gte: 2}}\n".into());
    let profiles = ["okta", "duo"].map(|name| Profile { name: name.into(), sources: Vec::new() });
    let site = Site { profiles: profiles.into(), ..Site::default() };
    let set = load(&[("many.yml", &texts.join("---\n"))], &site).unwrap_or_else(|e| panic!("{}", told(&e)));
    let names = |profile: &str| set.asked_of(profile).fields.into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("okta"), ["eventType", "everywhere", "who", "what"]);
    assert_eq!(names("duo"), ["everywhere", "who", "what"]);
    assert_eq!([set.asked_of("okta").line, set.asked_of("duo").line], [true, false]);
}
