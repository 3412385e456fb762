//! Selections, modifiers, keywords: each with an event that matches and one that does not.
use super::*;

/// `selection` is one line of a map, matched by `yes` and not by `no`.
fn check(selection: &str, yes: &[&str], no: &[&str]) {
    let body = format!("s:\n  {selection}\ncondition: s");
    let site = Site {
        placeholders: [("admins".to_owned(), vec!["ana".to_owned(), "bo*".to_owned()])].into(),
        ..Site::default()
    };
    for fields in yes {
        assert!(hits(&body, fields, "''", &site), "{selection} should match {fields}");
    }
    for fields in no {
        assert!(!hits(&body, fields, "''", &site), "{selection} should not match {fields}");
    }
}

#[test]
fn plain_values() {
    check("x: abc", &["{x: abc}", "{x: ABC}"], &["{x: abcd}", "{y: abc}", "{}"]);
    check("x: 'a*c?'", &["{x: abbcd}"], &["{x: abc}"]);
    check("x: [a, b]", &["{x: A}", "{x: b}"], &["{x: c}"]);
    check("x: ''", &["{x: ''}"], &["{x: a}", "{}"]);
    check("x: null", &["{}"], &["{x: ''}", "{x: a}"]);
    check("x: 42", &["{x: 42}", "{x: '42'}"], &["{x: '042'}", "{x: 420}", "{}"]);
    check("x: '42'", &["{x: 42}"], &["{x: 43}"]);
    check("x: 1.5", &["{x: 1.5}", "{x: '1.50'}"], &["{x: 1}"]);
    check("x: true", &["{x: true}", "{x: 'True'}"], &["{x: 1}", "{x: false}"]);
    check("x: 'true'", &["{x: true}"], &["{x: false}"]);
    check("http_response.code: 200", &["{http_response.code: 200}"], &["{http_response.code: 404}"]);
    check("http_response.code: '2*'", &["{http_response.code: 204}"], &["{http_response.code: 404}"]);
    check("src_endpoint.ip: 192.0.2.7", &["{src_endpoint.ip: 192.0.2.7}"], &["{src_endpoint.ip: 192.0.2.71}"]);
    check("src_endpoint.ip: '192.0.2.*'", &["{src_endpoint.ip: 192.0.2.7}"], &["{src_endpoint.ip: 192.0.3.7}"]);
    check("activity_name: LOGIN", &["{activity_name: login}"], &["{activity_name: logout}"]);
    check("unmapped.status: x", &["{unmapped.status: x}"], &["{status: success}"]);
}

#[test]
fn places_and_case() {
    check("x|contains: bc", &["{x: aBCd}"], &["{x: acb}", "{}"]);
    check("x|contains: 'b*d'", &["{x: abcde}"], &["{x: adcb}"]);
    check("x|startswith: ab", &["{x: ABc}"], &["{x: cab}"]);
    check("x|endswith: bc", &["{x: aBC}"], &["{x: abcd}"]);
    check(r"x|endswith: '\a.exe'", &[r"{x: 'C:\a.exe'}"], &["{x: a.exe}"]);
    check("x|cased: Ab", &["{x: Ab}"], &["{x: ab}"]);
    check("x|contains|cased: Ab", &["{x: xAbx}"], &["{x: xabx}"]);
    check("x|contains|all: [a, b]", &["{x: cba}"], &["{x: a}", "{x: b}"]);
    check("x|startswith: ['a', 'b']", &["{x: bx}"], &["{x: cx}"]);
}

#[test]
fn regular_expressions() {
    check("x|re: '^a+b$'", &["{x: aab}"], &["{x: aabc}", "{x: AAB}", "{}"]);
    check("x|re: 'b'", &["{x: abc}"], &["{x: ac}"]);
    check("x|re|i: '^a+b$'", &["{x: AAB}"], &["{x: c}"]);
    check("x|re|m: '^b$'", &[r#"{x: "a\nb\nc"}"#], &[r#"{x: "a\nbb\nc"}"#]);
    check("x|re: '^b$'", &["{x: b}"], &[r#"{x: "a\nb\nc"}"#]);
    check("x|re|s: 'a.b'", &[r#"{x: "a\nb"}"#], &["{x: ab}"]);
    check("x|re: 'a.b'", &["{x: a-b}"], &[r#"{x: "a\nb"}"#]);
    check("x|re|i|m|s: '^B.C'", &[r#"{x: "a\nb\nc"}"#], &["{x: abc}"]);
    check("http_response.code|re: '^2..$'", &["{http_response.code: 204}"], &["{http_response.code: 404}"]);
    check("x|re|all: [a, b]", &["{x: ba}"], &["{x: a}"]);
}

#[test]
fn networks() {
    check(
        "src_endpoint.ip|cidr: [10.0.0.0/8, '2001:db8::/32']",
        &["{src_endpoint.ip: 10.1.2.3}", "{src_endpoint.ip: '2001:db8::7'}", "{src_endpoint.ip: '::ffff:10.1.2.3'}"],
        &["{src_endpoint.ip: 11.1.2.3}", "{src_endpoint.ip: '2001:db9::7'}", "{}"],
    );
    check(
        "x|cidr: 192.168.0.0/16",
        &["{x: 192.168.3.4}", "{x: '::ffff:192.168.3.4'}"],
        &["{x: 192.169.3.4}", "{x: host}"],
    );
    check("x|cidr: 192.168.1.9", &["{x: 192.168.1.9}"], &["{x: 192.168.1.8}"]);
}

#[test]
fn existence_and_comparison() {
    check("x|exists: true", &["{x: ''}", "{x: a}"], &["{}"]);
    check("x|exists: false", &["{}"], &["{x: ''}"]);
    check("x|lt: 5", &["{x: 4}", "{x: '4.5'}", "{x: -9}"], &["{x: 5}", "{x: a}", "{}"]);
    check("x|lte: 5", &["{x: 5}"], &["{x: 5.1}"]);
    check("x|gt: 5", &["{x: 6}"], &["{x: 5}", "{x: NaN}", "{x: inf}"]);
    check("x|gte: 5", &["{x: 5}", "{x: ' 5 '}"], &["{x: 4}"]);
    check("x|gt: 1.5", &["{x: 2}"], &["{x: 1}"]);
    check(
        "export.records|gte: 9007199254740993",
        &["{export.records: 9007199254740993}"],
        &["{export.records: 9007199254740992}"],
    );
    check("x|neq: a", &["{x: b}", "{}"], &["{x: A}"]);
    check("x|neq: [a, b]", &["{x: c}"], &["{x: a}", "{x: b}"]);
    check("x|neq: 5", &["{x: 6}"], &["{x: 5}"]);
    check("x|contains|neq: a", &["{x: b}"], &["{x: cab}"]);
}

#[test]
fn references_to_fields() {
    check("x|fieldref: y", &["{x: a, y: A}"], &["{x: a, y: b}", "{x: a}", "{}"]);
    check("x|fieldref|neq: y", &["{x: a, y: b}"], &["{x: a, y: a}", "{x: a}", "{y: a}", "{}"]);
    check("x|fieldref|contains: y", &["{x: abc, y: b}"], &["{x: abc, y: d}"]);
    check("x|fieldref|startswith: y", &["{x: abc, y: ab}"], &["{x: abc, y: bc}"]);
    check("x|fieldref|endswith: y", &["{x: abc, y: bc}"], &["{x: abc, y: ab}"]);
    check("x|fieldref|cased: y", &["{x: a, y: a}"], &["{x: a, y: A}"]);
    check("x|fieldref: y", &["{x: 'a*', y: 'a*'}"], &["{x: abc, y: 'a*'}"]);
    check(
        "actor.user.name|fieldref|neq: user.name",
        &["{actor.user.name: ana, user.name: bob}"],
        &["{actor.user.name: ana, user.name: ana}", "{actor.user.name: ana}"],
    );
}

#[test]
fn encodings() {
    check("x|base64: foobar", &["{x: Zm9vYmFy}"], &["{x: foobar}"]);
    check("x|base64|contains: foo", &["{x: 'a Zm9v b'}"], &["{x: Zm9}"]);
    check(
        "x|base64offset|contains: /bin/bash",
        &["{x: L2Jpbi9iYXNo}", "{x: IC9iaW4vYmFzaA==}", "{x: ICAvYmluL2Jhc2g=}"],
        &["{x: L2Jpbi9iYX}"],
    );
    check("x|wide|base64offset|contains: ping", &["{x: cABpAG4AZwA=}", "{x: IHAAaQBuAGcA}"], &["{x: cGluZw==}"]);
    check("x|utf16le|base64: hi", &["{x: aABpAA==}"], &["{x: aGk=}"]);
    check("x|utf16be|base64: hi", &["{x: AGgAaQ==}"], &["{x: aABpAA==}"]);
    check("x|utf16|base64: hi", &["{x: //5oAGkA}"], &["{x: aABpAA==}"]);
    check(r"x|wide: hi", &[r#"{x: "h\0i\0"}"#], &["{x: hi}"]);
    check(r"x|wide|contains: hi", &[r#"{x: "ah\0i\0b"}"#], &["{x: hi}"]);
    check("x|base64: é", &["{x: w6k=}"], &["{x: 6Q==}"]);
}

#[test]
fn dashes() {
    check(
        "x|windash|contains: ' -f '",
        &["{x: 'a -f b'}", "{x: 'a /f b'}", "{x: 'a –f b'}", "{x: 'a ―f b'}"],
        &["{x: 'a f b'}"],
    );
    check("x|windash|contains|all: [' /a', ' /b']", &["{x: 'c -a —b'}"], &["{x: 'c -a b'}"]);
    check("x|windash: a-b", &["{x: a-b}"], &["{x: a/b}"]);
    check("x|windash|base64: '-f'", &["{x: LWY=}", "{x: L2Y=}"], &["{x: -f}"]);
}

#[test]
fn placeholders() {
    check("x|expand: '%admins%'", &["{x: Ana}", "{x: bobby}"], &["{x: '%admins%'}", "{x: carl}"]);
    check("x: '%admins%'", &["{x: '%admins%'}"], &["{x: ana}"]);
    check("x|expand: 'adm-%admins%-1'", &["{x: adm-ana-1}"], &["{x: ana}"]);
    check(r"x|expand: '\%plain%admins%'", &["{x: '%plainana'}"], &["{x: ana}"]);
    check("x|expand|contains: '%admins%'", &["{x: 'the ana'}"], &["{x: carl}"]);
    let text = detection("s: {'x|expand': '%admin%'}\ncondition: s");
    assert!(refused(&text).contains("test.yml:5: placeholder `admin` has no values"));
}

#[test]
fn parts_of_times() {
    check(
        "x|hour|gte: 22",
        &["{x: '2024-04-02T23:10:00Z'}", "{x: '2024-04-02T22:10:00'}"],
        &["{x: '2024-04-02T21:59:59Z'}", "{x: noon}", "{}"],
    );
    check("x|hour: [0, 1]", &["{x: '2024-04-02T02:10:00+01:00'}"], &["{x: '2024-04-02T02:10:00Z'}"]);
    check("x|minute: 10", &["{x: '2024-04-02T02:10:00Z'}"], &["{x: '2024-04-02T02:11:00Z'}"]);
    check("x|day: 2", &["{x: '2024-04-02T02:10:00Z'}"], &["{x: '2024-04-03T02:10:00Z'}"]);
    check("x|week: 14", &["{x: '2024-04-02T02:10:00Z'}"], &["{x: '2024-04-08T02:10:00Z'}"]);
    check("x|month: 4", &["{x: '2024-04-02'}"], &["{x: '2024-05-02'}"]);
    check("x|year|lt: 2024", &["{x: '2023-12-31T23:59:59Z'}"], &["{x: '2024-01-01T00:00:00Z'}"]);
    // A timeline begins at midnight.
    check("time|hour: 0", &["{}"], &[]);
    check("time|hour|gt: 0", &[], &["{}"]);
}

#[test]
fn lists_maps_and_keywords() {
    let site = Site::default();
    let list = "s:\n- x: a\n  y: b\n- z|contains: c\ncondition: s";
    assert!(hits(list, "{x: a, y: b}", "''", &site));
    assert!(hits(list, "{z: xcx}", "''", &site));
    assert!(!hits(list, "{x: a}", "''", &site));
    let words = "s:\n- EvilService\n- 'svc*-n evil'\ncondition: s";
    assert!(hits(words, "{}", "a line with evilservice in it", &site));
    assert!(hits(words, "{}", "svchost.exe -n evil", &site));
    assert!(!hits(words, "{x: EvilService}", "nothing", &site));
    let all = "s:\n  '|all':\n  - one\n  - two\ncondition: s";
    assert!(hits(all, "{}", "two and one", &site));
    assert!(!hits(all, "{}", "one", &site));
    let mixed = "s:\n- word\n- x: a\ncondition: s";
    assert!(hits(mixed, "{x: a}", "''", &site) && hits(mixed, "{}", "a WORD", &site));
    assert!(hits("s: word\ncondition: s", "{}", "a word", &site));
    assert!(hits("s:\n- 4625\ncondition: s", "{}", "id=4625", &site));
    assert!(hits("s:\n  '|re': 'id=\\d+'\ncondition: s", "{}", "id=4625", &site));
}

#[test]
fn conditions_join_selections() {
    let site = Site::default();
    let body = "a: {x: 1}\nb: {y: 2}\nfilter_c: {z: 3}\ncondition: 1 of [ab] and not 1 of filter_*";
    let body = body.replace("1 of [ab]", "(a or b)");
    assert!(hits(&body, "{x: 1}", "''", &site) && hits(&body, "{y: 2}", "''", &site));
    assert!(!hits(&body, "{x: 1, z: 3}", "''", &site) && !hits(&body, "{}", "''", &site));
    let either = "a: {x: 1}\nb: {y: 2}\ncondition: [a, b]";
    assert!(hits(either, "{x: 1}", "''", &site) && hits(either, "{y: 2}", "''", &site));
}

#[test]
fn what_is_not_supported_is_refused_by_name_and_line() {
    for (body, wanted) in [
        ("s: {'x|contain': a}\ncondition: s", "test.yml:5: there is no modifier `contain` (did you mean `contains`?)"),
        ("s:\n  x: a\n  y|re: '(?=a)'\ncondition: s", "test.yml:7: regular expression not supported"),
        ("s: {'x|re': '(a'}\ncondition: s", "regular expression not supported: unclosed group"),
        ("s: {'x|re': 'a{1000}{1000}'}\ncondition: s", "regular expression not supported"),
        ("s: {'x|cidr': 10.0.0.0/99}\ncondition: s", "test.yml:5: `10.0.0.0/99` is no network"),
        ("s: {'x|lt': a}\ncondition: s", "`lt` compares numbers, and here is text"),
        ("s: {'x|exists': 1}\ncondition: s", "`exists` must be true or false"),
        ("s: {'x|contains|all': a}\ncondition: s", "`all` needs a list of at least two"),
        ("s: {x: ['', null]}\ncondition: s", "null cannot be one of a list"),
        ("s: {x: []}\ncondition: s", "an empty list of values"),
        ("s: {x: {y: 1}}\ncondition: s", "a value must be text, a number"),
        ("s: {}\ncondition: s", "selection `s` is empty"),
        ("s: {'x|base64': 'a*'}\ncondition: s", "a value with wildcards has no `base64`"),
        ("s: {'x|hour': a}\ncondition: s", "a part of a time is a whole number"),
        ("s: {x: 1}\ntimeframe: 5m\ncondition: s", "test.yml:6: `timeframe` is Sigma's old form"),
        ("s: {x: 1}", "`detection` has no `condition`"),
        ("s: {x: 1}\ncondition: s | count() > 3", "test.yml:6: aggregations behind `|`"),
        ("s: {x: 1}\ncondition: r", "test.yml:6: there is no selection `r`"),
    ] {
        let told = refused(&detection(body));
        assert!(told.contains(wanted), "{body}\n{told}");
    }
}

#[test]
fn activities_that_cannot_match_are_known_before_matching() {
    use crate::model::Activity;
    let of = |body: &str| match &set(&detection(body)).rules[0].body {
        Body::Detection(m) => m.activities().map(|set| {
            Activity::ALL.iter().filter(|a| set.contains(**a)).map(|a| a.name()).collect::<Vec<_>>().join(" ")
        }),
        Body::Correlation(_) => None,
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(of("s: {activity_name: [login, logout]}\ncondition: s"), some("login logout"));
    assert_eq!(of("s: {activity_name: login, status: success}\ncondition: s"), some("login"));
    assert_eq!(of("s: {activity_name: 'key_*'}\ncondition: s"), some("key_created key_deleted"));
    assert_eq!(of("s: {x: 1}\ncondition: s"), None);
    assert_eq!(of("s: {activity_name: login}\nt: {x: 1}\ncondition: s or t"), None);
    assert_eq!(of("s: {activity_name: login}\nt: {x: 1}\ncondition: s and not t"), some("login"));
    assert_eq!(of("s: {activity_name: login}\nt: {activity_name: logout}\ncondition: s and t"), some(""));
    assert!(!of("s: {activity_name: view}\ncondition: not s").expect("all but one").contains("view"));
    assert_eq!(of("s: {activity_name: login, x: 1}\ncondition: not s"), None);
}

#[test]
fn a_long_list_is_the_same_as_its_values() {
    let many = "[k0, k1, k2, k3, k4, k5, k6, k7, k8]";
    check(&format!("x|contains: {many}"), &["{x: aK7b}", "{x: éK7}"], &["{x: k9}", "{x: é}", "{}"]);
    check(&format!("x|contains|neq: {many}"), &["{x: k9}", "{}"], &["{x: k8}"]);
    check(&format!("x|contains|all: {many}"), &["{x: k0k1k2k3k4k5k6k7k8}"], &["{x: k0}"]);
    check(&format!("x|contains|cased: {many}"), &["{x: k0}"], &["{x: K0}"]);
    check(
        "src_endpoint.ip|contains: [a, b, c, d, e, f, g, '.7.']",
        &["{src_endpoint.ip: 10.7.1.1}"],
        &["{src_endpoint.ip: 10.8.1.1}"],
    );
}
