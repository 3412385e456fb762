//! Sigma's rules over whole trails: the same in a replay, under `--explain`, and in the tests of a policy's own file.
use crate::support::{Site, text, until};
use serde_json::json;

const OKTA: &str = "logsource: { product: okta, service: okta }";

/// A site whose only trail is Okta's log, and the folder of its own policies.
fn site(lines: &[serde_json::Value], more: &str) -> Site {
    let site = Site::bare("", "");
    let dir = site.dir.path().display();
    site.configure(&format!(
        "state_dir = '{dir}/state'\ncontrol_socket = '{dir}/control.sock'\npolicies_dir = '{dir}/policies'\n{}\n\
         [[trail]]\nname = 'idp'\npaths = ['{dir}/idp.jsonl']\nprofile = 'okta'\n",
        more.replace("DIR", &dir.to_string())
    ));
    std::fs::create_dir_all(site.path("policies/detections")).unwrap();
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    std::fs::write(site.path("idp.jsonl"), lines.join("\n") + "\n").unwrap();
    site
}

/// A record of Okta's log, `n` seconds into a morning, with further keys.
fn record(n: u32, more: serde_json::Value) -> serde_json::Value {
    let mut record = json!({
        "eventType": "user.session.start", "published": format!("2026-05-04T08:{:02}:{:02}.000Z", n / 60, n % 60),
        "uuid": format!("u-{n}"), "actor": { "id": "1", "type": "User", "alternateId": "bea@example.org" },
        "outcome": { "result": "SUCCESS" }, "client": { "ipAddress": "198.51.100.7" },
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

fn rule(name: &str, detection: &str) -> String {
    format!("title: {name}\nname: {name}\nlevel: high\n{OKTA}\ndetection: {detection}\n")
}

/// The policies, of those whose name begins with `t_`, that a replay finds something by.
fn found(site: &Site) -> Vec<String> {
    let out = site.say(&["replay", "--severity", "low"]);
    assert!(out.status.code().is_some_and(|code| code < 2), "{}", text(&out));
    let told = text(&out);
    let words = told.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.starts_with("t_"));
    let mut names: Vec<String> = words.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn keywords_are_looked_for_in_the_record_whatever_was_done() {
    // the second one is an act that is not recorded
    let lines = [
        record(1, json!({ "displayMessage": "from zebra.example", "quote": "a \"word\"" })),
        record(2, json!({ "eventType": "some.thing.else", "note": "password=quagga-7" })),
    ];
    let site = site(&lines, "");
    let rules = [
        rule("t_word", "{ k: [zebra.example], condition: k }"),
        rule("t_unrecorded", "{ k: ['qua*-7'], condition: k }"),
        rule("t_without", "{ s: { eventType: user.session.start }, k: [zebra.example], condition: s and not k }"),
        rule("t_all", "{ k: { '|all': [zebra, bea] }, condition: k }"),
        rule("t_gone", "{ k: [okapi], condition: k }"),
        // an escape makes two readings of the line: a pattern does not reach from one into the other
        rule("t_across", "{ k: ['u-1*zebra'], condition: k }"),
    ];
    site.policy("own", &rules.join("---\n"));
    assert_eq!(found(&site), ["t_all", "t_unrecorded", "t_word"]);
    let told = text(&site.say(&["replay", "--explain", "idp:1"]));
    let (selecting, rest) = told.split_once("that do not").expect("both kinds are listed");
    assert!(selecting.contains("t_word") && !selecting.contains("t_without"), "{told}");
    assert!(rest.contains("t_gone"), "{told}");

    // and while it runs; what a keyword saw is not kept for that
    let daemon = site.start(&[]);
    let found = |name: &str| site.json(&["findings", "list", "--policy", name]).len();
    until("the findings", || (found("t_word") + found("t_all") + found("t_unrecorded") == 3).then_some(()));
    assert_eq!([found("t_without"), found("t_gone")], [0, 0]);
    daemon.stop();
    let kept = site.dump("state").join("\n");
    assert!(kept.contains("zebra.example") && !kept.contains("quagga-7"), "{kept}");
}

#[test]
fn sums_and_means_take_decimals_and_negative_numbers() {
    let site = site(
        &[record(1, json!({ "amount": 100.25, "delta": -4.5 })), record(2, json!({ "amount": "50.5", "delta": 1 }))],
        "",
    );
    let over = |name: &str, kind: &str, condition: &str| {
        format!(
            "title: {name}\nname: {name}\nlevel: high\ncorrelation: {{ type: {kind}, rules: [base], group-by: [actor.user.name], \
             timespan: 1h, condition: {condition} }}\n"
        )
    };
    let rules = [
        rule("base", "{ s: { eventType: user.session.start }, condition: s }"),
        over("t_sum", "value_sum", "{ field: amount, gte: 150.75 }"),
        over("t_too_much", "value_sum", "{ field: amount, gt: 150.75 }"),
        over("t_negative", "value_sum", "{ field: delta, eq: -3.5 }"),
        over("t_mean", "value_avg", "{ field: amount, lt: 75.5, gt: 75.3 }"),
        over("t_median", "value_percentile", "{ field: amount, percentile: 50, eq: 50.5 }"),
    ];
    site.policy("own", &rules.join("---\n"));
    assert_eq!(found(&site), ["t_mean", "t_median", "t_negative", "t_sum"]);
}

#[test]
fn the_share_of_a_value_is_that_of_any_text() {
    let lines: Vec<_> = (0..50).map(|n| record(n, json!({ "tool": if n == 49 { "odd" } else { "usual" } }))).collect();
    let site = site(&lines, "");
    let share = |name: &str, condition: &str| {
        format!(
            "title: {name}\nname: {name}\nlevel: high\ncorrelation: {{ type: value_percentile, rules: [base], \
             group-by: [actor.user.name], timespan: 1d, condition: {condition} }}\n"
        )
    };
    let base = rule("base", "{ s: { eventType: user.session.start }, condition: s }");
    let rules = [base, share("t_rare", "{ field: tool, lte: 2 }"), share("t_rarer", "{ field: tool, lt: 2 }")];
    site.policy("own", &rules.join("---\n"));
    assert_eq!(found(&site), ["t_rare"]);
}

#[test]
fn what_rules_look_at_is_seen_as_the_record_has_it() {
    let long = "y".repeat(6000);
    let lines = [record(
        1,
        json!({
            "debugContext": { "debugData": { "url": format!("/{long}/needle") } },
            "target": [{ "type": "User" }, { "type": "AppInstance", "names": ["a", "b"] }],
            "log.origin": "flat", "object": { "State": "Suspended" },
            "client": { "ipAddress": "198.51.100.7", "userAgent": { "rawUserAgent": format!("{long} needle") } },
        }),
    )];
    let site = site(&lines, "");
    let rules = [
        rule("t_long", "{ s: { debugContext.debugData.url|endswith: /needle }, condition: s }"),
        rule("t_long_agent", "{ s: { http_request.user_agent|contains: needle }, condition: s }"),
        rule("t_through", "{ s: { target.type: AppInstance }, condition: s }"),
        rule("t_elements", "{ s: { target.names|all: [a, b] }, condition: s }"),
        rule("t_object", "{ s: { object|contains: '\"State\":\"Suspended\"' }, condition: s }"),
        rule("t_flat", "{ s: { log.origin: flat }, condition: s }"),
        rule("t_null", "{ s: { target: null }, condition: s }"),
    ];
    site.policy("own", &rules.join("---\n"));
    assert_eq!(found(&site), ["t_elements", "t_flat", "t_long", "t_long_agent", "t_object", "t_through"]);
}

/// Rules as other people write them: one that fires, one for a product that is not here, and one that is of no use any more.
fn foreign(site: &Site) {
    let other = "title: Elsewhere\nid: 11111111-2222\nlevel: low\nlogsource: { product: windows }\n\
                 detection: { s: { Image: x }, condition: s }\n";
    let old = rule("t_old", "{ s: { eventType: user.session.start }, condition: s, timeframe: 1m }");
    for (name, text) in [
        ("rules/cloud/okta/start.yml", rule("t_start", "{ s: { eventType: user.session.start }, condition: s }")),
        ("rules/windows/elsewhere.yaml", other.to_owned()),
        ("rules/old.yml", old),
        (
            "rules/low.yml",
            rule("t_low", "{ s: { eventType: user.session.start }, condition: s }").replace("high", "low"),
        ),
    ] {
        std::fs::create_dir_all(site.path(name).parent().unwrap()).unwrap();
        std::fs::write(site.path(name), text).unwrap();
    }
}

#[test]
fn foreign_rules_have_a_place_where_one_that_cannot_be_used_is_set_aside() {
    let here = site(&[record(1, json!({}))], "[[rules]]\npath = 'DIR/rules'\n");
    foreign(&here);
    let checked = here.say(&["check"]);
    let told = text(&checked);
    assert_eq!(checked.status.code(), Some(0), "{told}");
    assert!(told.contains("rules: 3 loaded, 1 of them for products that no profile reads, 1 set aside"), "{told}");
    assert!(told.contains("nothing here: 1: no trail is of their product: windows\n"), "{told}");
    assert!(told.contains("old.yml") && told.contains("timeframe") && !told.contains("has no tests"), "{told}");
    assert_eq!(found(&here), ["t_low", "t_start"]);

    for (more, wanted) in [
        ("level = 'medium'", &["t_start"][..]),
        ("trails = ['idp']", &["t_low", "t_start"]),
        ("trails = ['other']", &[]),
    ] {
        let other = "[[trail]]\nname = 'other'\npaths = ['DIR/none.jsonl']\nprofile = 'okta'\n";
        let here = site(&[record(1, json!({}))], &format!("[[rules]]\npath = 'DIR/rules'\n{more}\n{other}"));
        foreign(&here);
        std::fs::write(here.path("none.jsonl"), "").unwrap();
        assert_eq!(found(&here), wanted, "{more}");
    }
    for (rules, wanted) in [
        ("path = 'DIR/gone'", "No such file"),
        ("path = 'DIR/rules'\ntrails = ['idpp']", "there is no trail \"idpp\" (did you mean `idp`?)"),
        ("path = 'DIR/rules'\ntrails = []", "`trails` is empty"),
        ("path = 'DIR/rules'\nlevels = 'low'", "unknown field `levels`"),
    ] {
        let here = site(&[record(1, json!({}))], &format!("[[rules]]\n{rules}\n"));
        foreign(&here);
        let checked = here.say(&["check"]);
        assert!(checked.status.code() != Some(0) && text(&checked).contains(wanted), "{rules}: {}", text(&checked));
    }
}

#[test]
fn rules_that_can_match_nothing_are_told_by_their_reason() {
    let here = site(&[record(1, json!({}))], "[[rules]]\npath = 'DIR/rules'\n");
    let elsewhere = |n: u32, source: &str| {
        format!("title: e{n}\nlevel: low\nlogsource: {source}\ndetection: {{ s: {{ x: y }}, condition: s }}\n")
    };
    let rules = [
        elsewhere(1, "{ product: windows, category: process_creation }"),
        elsewhere(2, "{ product: windows, service: security }"),
        elsewhere(3, "{ category: antivirus }"),
        // Okta's log shows no export's kind, no query is in it, and every act of it is some activity
        rule("d_field", "{ s: { export.kind: sms, eventType: x }, condition: s }"),
        rule("d_either", "{ s: { export.kind: sms }, t: { export.records|gt: 5 }, condition: 1 of them }"),
        rule("d_value", "{ s: { activity_name: query }, condition: s }"),
        rule("d_not", "{ s: { eventType: '*' }, t: { activity_name|neq: query }, condition: s and not t }"),
        rule("d_refers", "{ s: { eventType|fieldref: export.kind }, condition: s }"),
        // these can, for all that is known
        rule("a_raw", "{ s: { nobodyWritesThat: x }, condition: s }"),
        rule("a_without", "{ s: { export.kind: null, activity_name: login }, condition: s }"),
        rule("a_either", "{ s: { export.kind: sms }, k: [word], condition: s or k }"),
        rule("a_not", "{ s: { eventType: x }, t: { activity_name: query }, condition: s and not t }"),
        rule("a_neq", "{ s: { export.kind|neq: sms }, condition: s }"),
    ];
    std::fs::create_dir_all(here.path("rules")).unwrap();
    std::fs::write(here.path("rules/all.yml"), rules.join("---\n")).unwrap();
    let told = text(&here.say(&["check"]));
    for line in [
        "nothing here: 3: no trail is of their product: windows (2), antivirus\n",
        "nothing here: 3: no trail of their product shows export.kind: d_either, d_field, d_refers\n",
        "nothing here: 2: no trail of their product has such a value in activity_name: d_not, d_value\n",
    ] {
        assert!(told.contains(line), "{line}{told}");
    }
    let alive = ["a_raw", "a_without", "a_either", "a_not", "a_neq"];
    assert!(!alive.iter().any(|name| told.contains(name)) && !told.contains("process_creation"), "{told}");
    let told = text(&here.say(&["check", "--verbose"]));
    for line in
        ["/all.yml:1): it is for windows/process_creation\n", "  d_value (", "it asks for activity_name \"query\"\n"]
    {
        assert!(told.contains(line), "{line}{told}");
    }
    assert!(!alive.iter().any(|name| told.contains(name)), "{told}");
}

#[test]
fn subfolders_of_detections_are_read_and_there_a_broken_file_is_an_error() {
    let here = site(&[record(1, json!({}))], "");
    let put = |name: &str, text: &str| {
        let path = here.path("policies").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let start = |name: &str| rule(name, "{ s: { eventType: user.session.start }, condition: s }");
    put("detections/cloud/okta/mine.yml", &start("t_mine"));
    // a name of its own: it takes the place of nothing that is shipped
    put("detections/mine/chain.yml", &start("t_chain"));
    assert_eq!(found(&here), ["t_chain", "t_mine"]);
    let checked = here.say(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "foreign or not, a policy without tests works: {}", text(&checked));
    assert!(text(&checked).contains("note: the policy has no tests: cloud/okta/mine.yml:1, mine/chain.yml:1"));

    put("beside.yml", &start("t_beside"));
    let checked = here.say(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked).contains("beside.yml is not read"), "{}", text(&checked));

    put("detections/cloud/broken.yml", "title: [\n");
    let checked = here.say(&["check"]);
    assert!(checked.status.code() == Some(78) && text(&checked).contains("cloud/broken.yml:"), "{}", text(&checked));
}
