//! What is refused or warned of, by name and line.
use super::*;
use proptest::prelude::*;

#[test]
fn what_is_wrong_with_a_correlation_is_told_by_name_and_line() {
    let whole = "type: event_count\nrules: [base]\ngroup-by: [user.name]\ntimespan: 1h\ncondition: {gte: 1}";
    for (from, to, wanted) in [
        (
            "event_count",
            "event_cont",
            "test.yml:11: there is no correlation type `event_cont` (did you mean `event_count`?)",
        ),
        ("[base]", "[bas]", "test.yml:12: there is no rule with the name or id `bas` (did you mean `base`?)"),
        ("[base]", "[t]", "`t` refers back to this correlation: a circle"),
        ("[base]", "[base, base]", "`base` stands twice in `rules`"),
        ("[base]", "[]", "`rules` must have 1 to"),
        ("group-by: [user.name]\n", "", "the correlation has no `group-by`"),
        ("1h", "1h30m", "test.yml:14: `timespan` must be a number and one of s, m, h, d"),
        ("1h", "5w", "`timespan` must be a number"),
        ("1h", "0h", "`timespan` must be longer than nothing"),
        ("1h", "9000d", "400d at most"),
        ("1h", "+1h", "`timespan` must be a number"),
        ("{gte: 1}", "{}", "the condition compares nothing"),
        ("{gte: 1}", "{gte: a}", "`gte` must be a number"),
        ("{gte: 1}", "{gte: 1, filed: x}", "unknown key `filed`"),
        ("{gte: 1}", "{gte: 1, field: x}", "unknown key `field`"),
        ("event_count", "value_count", "the condition of `value_count` needs a `field`"),
        (
            "condition",
            "conditoin",
            "unknown key `conditoin` in a correlation of type `event_count` (did you mean `condition`?)",
        ),
        ("\ncondition: {gte: 1}", "", "a correlation of type `event_count` needs a `condition`"),
        ("condition: {gte: 1}", "condition: {gte: 1}\nfields: [x]", "unknown key `fields`"),
    ] {
        assert!(whole.contains(from));
        let told = refused(&correlation(&whole.replace(from, to)));
        assert!(told.contains(wanted), "{to}: {told}");
    }
}

#[test]
fn what_is_wrong_with_a_document_is_told_by_name_and_line() {
    for (text, wanted) in [
        (
            "title: t\ndetecton: {}\n",
            "test.yml:1: the policy has no `detection`, `correlation` or `filter` (did you mean `detection`?)",
        ),
        ("detection: {s: {x: 1}, condition: s}\n", "the policy has no `title`"),
        (
            "title: t\nlevel: urgent\ndetection: {s: {x: 1}, condition: s}\n",
            "test.yml:2: `level` cannot be `urgent`: it is one of informational, low",
        ),
        ("title: t\nstatus: new\ndetection: {s: {x: 1}, condition: s}\n", "`status` cannot be `new`"),
        ("title: t\ntaxonomy: cim\ndetection: {s: {x: 1}, condition: s}\n", "`taxonomy` cannot be `cim`"),
        (
            "title: t\nlogsource: {prodct: x}\ndetection: {s: {x: 1}, condition: s}\n",
            "test.yml:2: unknown key `prodct` in `logsource`",
        ),
        ("action: global\ntitle: t\n", "`action` (Sigma's old rule collections)"),
        (
            "title: t\ncorrelation: {}\ndetection: {s: {x: 1}, condition: s}\n",
            "one of `detection`, `correlation` and `filter`",
        ),
        ("just text\n", "`a policy` must be a map, and here is text"),
        ("title: t\nname: \"a\\u001b\"\ndetection: {s: {x: 1}, condition: s}\n", "`name` must be letters"),
        ("title: [\n", "not readable as YAML"),
        (
            "title: a\nname: n\ndetection: {s: {x: 1}, condition: s}\n---\ntitle: b\nname: n\ndetection: {s: {x: 1}, condition: s}\n",
            "test.yml:5: `n` is also the name or id of the policy at test.yml:1",
        ),
        (
            "title: a b\nlevel: low\ndetection: {s: {x: 1}, condition: s}\n---\ntitle: A  B!\nlevel: low\ndetection: {s: {x: 2}, condition: s}\n",
            "another policy is known by the same name, `a_b`",
        ),
    ] {
        let told = refused(text);
        assert!(told.contains(wanted), "{text}\n{told}");
    }
}

#[test]
fn what_is_wrong_under_our_key_is_told_by_name_and_line() {
    let head = "title: t\ndetection: {s: {x: 1}, condition: s}\ntripline:\n";
    let test = |event: &str| format!("  tests:\n  - name: n\n    finds: 1\n    events: [{event}]\n");
    for (body, wanted) in [
        ("  epsode: 1d\n".to_owned(), "test.yml:4: unknown key `epsode` in `tripline` (did you mean `episode`?)"),
        ("  episode: 29m\n".into(), "`episode` must be half an hour at least"),
        (
            "  response: [{action: a, target: sesion}]\n".into(),
            "`target` cannot be `sesion`: it is one of session, user, token, key, account",
        ),
        ("  response: [{target: user}]\n".into(), "the response has no `action`"),
        ("  tests: [{name: n, events: []}]\n".into(), "test.yml:4: the test has no event"),
        ("  tests: [{name: n, events: [{at: 0}]}]\n".into(), "the test has no `finds`"),
        (
            "  tests: [{name: n, finds: 0, events: [{at: 0}]}, {name: n, finds: 1, events: [{at: 0}]}]\n".into(),
            "two tests of this policy are called `n`",
        ),
        (test("{fields: {}}"), "test.yml:7: the event has no `at`"),
        (test("{at: 1x}"), "`at` must be a number and one of"),
        (test("{at: 0, repeat: 3}"), "`repeat` needs `every`"),
        (test("{at: 0, every: 3s}"), "`every` needs `repeat`"),
        (test("{at: 0, repeat: 100001, every: 1s}"), "must lie between 1 and 100000"),
        (test("{at: 0, fields: {activity_name: logn}}"), "`activity_name` cannot be `logn` (did you mean `login`?)"),
        (test("{at: 0, fields: {src_endpoint.ip: x}}"), "`x` is no address"),
        (test("{at: 0, fields: {time: 0}}"), "the time of an event is its `at`"),
        (test("{at: 0, filds: {}}"), "unknown key `filds` in an event of a test"),
    ] {
        let told = refused(&format!("{head}{body}"));
        assert!(told.contains(wanted), "{body}\n{told}");
    }
}

#[test]
fn every_error_of_every_file_is_told() {
    let errors =
        load(&[("b.yml", "title: t\n"), ("a.yml", "title: t\nx: 1\ndetection: {}\n---\ntitle: [\n")], &Site::default());
    let told = told(&errors.unwrap_err());
    assert!(told.contains("a.yml:") && told.contains("b.yml:1:"), "{told}");
    let many: String = (0..500).map(|_| "title: t\n---\n").collect();
    assert_eq!(load(&[("many", &many)], &Site::default()).unwrap_err().len(), 100);
}

#[test]
fn circles_are_refused() {
    let one = |name: &str, to: &str| {
        format!(
            "title: {name}\nname: {name}\ncorrelation: {{type: temporal, rules: [{to}], group-by: [], timespan: 1h}}\n"
        )
    };
    let text = [one("a", "b"), one("b", "c"), one("c", "a")].join("---\n");
    assert!(refused(&text).contains("a circle"));
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let warned = |text: &str| set(text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let rule = |extra: &str, selection: &str| {
        format!("title: t\nname: t\n{extra}detection:\n  s: {selection}\n  condition: s\n")
    };
    assert!(warned(&rule("", "{x: 1}")).contains("test.yml:1: the rule is of no use"));
    assert!(warned(&rule("level: low\n", "{x: 1}")).contains("no tests"));
    assert!(warned(&rule("status: deprecated\n", "{x: 1}")).contains("says that it is deprecated"));
    assert!(warned(&rule("level: low\n", "{activity_name: [logon]}")).contains("never match"));
    assert!(
        warned(&rule("levle: low\n", "{x: 1}"))
            .contains("test.yml:3: the attribute `levle` means nothing here (did you mean `level`?)")
    );
    assert!(warned(&rule("level: low\n", "{actor.user.nmae: 1}")).contains("did you mean `actor.user.name`?"));
    assert!(
        warned(&rule("level: low\n", "{x: 1}").replace("  s:", "  r: {y: 1}\n  s:"))
            .contains("test.yml:5: selection `r` is used by no condition")
    );
    assert!(warned(&rule("level: low\n", "{x: 1}").replace("name: t\n", "")).contains("neither `name` nor `id`"));
    let quiet =
        "tripline:\n  tests:\n  - {name: a, finds: 1, events: [{at: 0}]}\n  - {name: b, finds: 0, events: [{at: 0}]}\n";
    assert_eq!(warned(&format!("{}{quiet}", rule("level: low\n", "{x: 1}"))), "");
}

#[test]
fn a_field_that_hardly_any_record_has_is_warned_of_wherever_it_stands() {
    let warned = |correlation: &str, event: &str| {
        let text = format!(
            "title: b\nname: b\ndetection:\n  s: {{activity_name: login}}\n  condition: s\n---\ntitle: t\nname: t\ncorrelation:\n  \
             rules: [b]\n  timespan: 1h\n  {correlation}\ntripline:\n  tests:\n  - {{name: a, finds: 1, events: [{{at: 0}}]}}\n  \
             - {{name: q, finds: 0, events: [{{at: 0, fields: {event}}}]}}\n"
        );
        set(&text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let count = "type: event_count\n  group-by: [actor.user.name]\n  condition: {gte: 3}";
    assert_eq!(warned(count, "{}"), "");
    assert!(warned(&count.replace("user.name", "user.nmae"), "{}").contains("did you mean `actor.user.name`?"));
    let values = "type: value_count\n  group-by: []\n  condition: {field: resource.owner.org.uld, gte: 3}";
    assert!(warned(values, "{}").contains("did you mean `resource.owner.org.uid`?"));
    let told = warned(count, "{actor.user.nmae: ana}");
    assert!(
        told.contains("gives its events `actor.user.nmae`, which no policy looks at (did you mean `actor.user.name`?)"),
        "{told}"
    );
    assert!(warned(count, "{vendor.field: x}").contains("which no policy looks at"));
}

#[test]
fn a_condition_that_nothing_can_meet_is_warned_of() {
    let warned = |correlation: &str| {
        let rules = "title: b\nname: b\ndetection: {s: {activity_name: login}, condition: s}\n---\n\
                     title: c\nname: c\ndetection: {s: {activity_name: logout}, condition: s}\n---\n";
        let text = format!(
            "{rules}title: t\nname: t\ncorrelation:\n  rules: [b, c]\n  timespan: 1h\n  group-by: [actor.user.name]\n  {correlation}\n"
        );
        set(&text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (correlation, why) in [
        ("type: event_count\n  condition: {lt: 1}", "asks for less than 1"),
        ("type: event_count\n  condition: {gte: 12, lt: 3}", "asks for at least 12 and less than 3"),
        ("type: temporal\n  condition: {gte: 3}", "the rules can be 1 to 2"),
        ("type: risk\n  weights: {b: 3, c: 4}\n  condition: {gte: 8}", "together can be 0 to 7"),
        (
            "type: baseline\n  measure: count\n  history: 10d\n  learning: {days: 14}\n  condition: {gte: 3}",
            "`learning` wants 14 active days, and `history` reaches back 10",
        ),
    ] {
        let told = warned(correlation);
        assert!(told.contains("the policy can never match") && told.contains(why), "{correlation}: {told}");
    }
    assert!(!warned("type: risk\n  weights: {b: 3, c: 4}\n  condition: {gte: 7}").contains("never match"));
}

#[test]
fn fixtures_are_read_once_and_bounded_in_breadth_too() {
    let test = "  tests:\n  - {name: n, finds: 0, events: [{at: 0, like: f0}]}\n";
    let head = "title: t\nname: t\nlevel: low\ndetection: {s: {x: 1}, condition: s}\ntripline:\n";
    let mut fixtures = String::from("  fixtures:\n");
    for n in 0..7 {
        let wide: Vec<String> = (0..30).map(|_| format!("f{}", n + 1)).collect();
        fixtures += &format!("    f{n}: {{like: [{}]}}\n", wide.join(", "));
    }
    fixtures += "    f7: {fields: {x: 1}}\n";
    assert!(refused(&format!("{head}{fixtures}{test}")).contains("takes over more than 256 fixtures"));
    let idle = format!("{head}  fixtures:\n    f0: {{fields: {{x: 1}}}}\n    f1: {{fields: {{y: 1}}}}\n{test}");
    let warned = set(&idle).warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(warned.contains("test.yml:8: no test takes over the fixture `f1`"), "{warned}");
}

/// A policy of every kind, to be broken.
const SOME: &str = "title: a\nname: a\nlevel: low\ndetection:\n  s: {'x|contains|all': [a, 'b*'], 'y|re|i': 'c+', z: null}\n  k: [word]\n  condition: (s or 1 of k*) and not s\n---\ntitle: t\ncorrelation:\n  type: value_count\n  rules: [a]\n  group-by: [actor.user.name]\n  timespan: 90m\n  condition: {field: x, gte: 3}\ntripline:\n  episode: 1d\n  tests:\n  - {name: n, finds: 0, events: [{at: 3d2h, repeat: 2, every: 1s, fields: {src_endpoint.ip: 192.0.2.1}}]}\n";

#[test]
fn the_policy_that_is_broken_below_is_whole() {
    assert_eq!(set(SOME).rules.len(), 2);
}

proptest! {
    /// Whatever is put in, taken out or doubled, loading ends with policies or with errors that name the file.
    #[test]
    fn nothing_breaks_the_loader(at in 0usize..SOME.len(), cut in 0usize..20, text in "[ -~\n\té’\u{0}]{0,12}") {
        let mut broken = SOME.to_owned();
        broken.replace_range(at..(at + cut).min(SOME.len()), &text);
        match load(&[("f.yml", &broken)], &Site::default()) {
            Ok(set) => {
                for rule in &set.rules {
                    for test in &rule.tests {
                        for (_, event) in test.events() {
                            if let Body::Detection(matcher) = &rule.body {
                                matcher.matches(&event);
                            }
                        }
                    }
                }
            }
            Err(errors) => prop_assert!(errors.iter().all(|e| &*e.file == "f.yml" && !e.message.contains('\n')), "{errors:?}"),
        }
    }

    /// No key, modifier or value of a selection breaks it either.
    #[test]
    fn no_modifier_breaks_the_loader(
        modifiers in proptest::collection::vec(proptest::sample::select(MODIFIERS), 0..4),
        value in "[a-c*?\\\\%é=/ -]{0,8}",
        field in "[xé]{0,1}",
    ) {
        let chain: String = modifiers.iter().map(|m| format!("|{m}")).collect();
        let body = format!("s: {{'{field}{chain}': ['{value}', 'b']}}\ncondition: s");
        if load(&[("f", &detection(&body))], &Site::default()).is_ok() {
            hits(&body, &format!("{{x: '{value}'}}"), "'a b c'", &Site::default());
        }
    }
}

const MODIFIERS: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "all",
    "cased",
    "re",
    "i",
    "m",
    "s",
    "cidr",
    "exists",
    "lt",
    "lte",
    "gt",
    "gte",
    "neq",
    "fieldref",
    "base64",
    "base64offset",
    "utf16",
    "utf16le",
    "utf16be",
    "wide",
    "windash",
    "expand",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
];

#[test]
fn yaml_that_is_not_readable_is_told_in_plain_words() {
    for (text, wanted) in [
        ("title: a\ntitle: b\n", "test.yml:2: not readable as YAML: duplicate mapping key: title"),
        ("a: 1\n\tb: 2\n", "test.yml:1: not readable as YAML: while scanning a plain scalar, found a tab"),
        ("a: *y\n", "test.yml:1: not readable as YAML: alias references unknown anchor"),
        ("a: &x [*x]\n", "test.yml:1: not readable as YAML: recursive references"),
        ("<<: {a: 1}\n", "test.yml:1: not readable as YAML: YAML merge keys are not allowed"),
        ("? [a]\n: b\n", "the key of a map must be a word"),
    ] {
        let told = refused(text);
        assert!(told.contains(wanted) && !told.contains("column") && !told.contains("Options"), "{told}");
    }
}
