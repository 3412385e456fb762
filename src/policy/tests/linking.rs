//! References between documents, filters, digests, the `tripline` key.
use super::*;
use crate::model::{Field, Millis, Severity};
use crate::operator::aggregate::OfField;
use crate::operator::{self, Kind};

/// The policies of issue 2 in small: a selection, a new origin, a bulk export, and their chain.
const CHAIN: &str = "
title: Somebody uses the portal
name: portal_activity
detection:
  selection: {activity_name: [login, view], status: success}
  condition: selection
---
title: New network owner
name: new_as
level: medium
tags: [attack.t1078]
correlation:
  type: new_value
  rules: [portal_activity]
  group-by: [actor.user.name]
  fields: [src_endpoint.autonomous_system.number]
  timespan: 30d
  learning: {days: 7, observations: 5}
  new-for: 12h
---
title: Logs asked for
name: export
detection:
  selection: {activity_name: [export_requested, download]}
  condition: selection
---
title: Bulk export
name: bulk
level: high
correlation:
  type: value_sum
  rules: [export]
  group-by: [actor.user.name]
  timespan: 1h
  condition: {field: export.records, gte: 100000}
---
title: Bulk export from a new origin
name: theft
level: critical
correlation:
  type: temporal
  rules: [new_as, bulk]
  group-by: [actor.user.name]
  timespan: 12h
generate: true
tripline:
  episode: 1d
  runbook: End the session, then ask the colleague by telephone.
  response:
    - {action: end-session, target: session}
  tests:
    - name: after a quiet month
      events:
        - {at: 0m, repeat: 20, every: 1d, fields: {activity_name: login, status: success, actor.user.name: ana, src_endpoint.autonomous_system.number: 64500}}
        - {at: 20d, fields: {activity_name: login, status: success, actor.user.name: ana, src_endpoint.autonomous_system.number: 64999}}
        - {at: 20d5m, arrives: 20d, fields: {activity_name: export_requested, actor.user.name: ana, export.records: 200000, export.days: 31, vendor.field: x}}
      finds: 1
";

fn names(set: &PolicySet) -> Vec<&str> {
    set.rules.iter().map(|r| &*r.name).collect()
}

#[test]
fn a_response_may_need_another_rule_which_is_evaluated_before() {
    let given = |rule: &str| CHAIN.replace("  response:\n", &format!("  response-when: {rule}\n  response:\n"));
    let set = set(&format!(
        "{}---\ntitle: Large\nname: large\nlevel: high\ndetection:\n  sel: {{export.records|gte: 9}}\n  condition: sel\n",
        given("large")
    ));
    let theft = set.get("theft").unwrap();
    let when = theft.asks_when.unwrap();
    assert_eq!(&*set.rules[when].name, "large");
    assert!(when < set.rules.iter().position(|r| r.name == theft.name).unwrap());
    assert!(!set.get("large").unwrap().alerts, "it is there for the other alone");
    assert!(refused(&given("largo")).contains("there is no rule with the name or id `largo`"));
    assert!(refused(&given("theft")).contains("a circle"));
    let without = format!(
        "{CHAIN}---\ntitle: Y\nname: y\nlevel: low\ndetection: {{sel: {{status: success}}, condition: sel}}\ntripline: {{response-when: bulk}}\n"
    );
    assert!(refused(&without).contains("and there is none"));
}

#[test]
fn the_policies_of_the_main_job() {
    let set = set(CHAIN);
    assert_eq!(names(&set), ["portal_activity", "new_as", "export", "bulk", "theft"]);
    let theft = set.get("theft").unwrap();
    let Body::Correlation(c) = &theft.body else { panic!() };
    assert_eq!(c.rules, [1, 3]);
    assert_eq!(c.group_by[0].fields, [FieldRef::Known(Field::ActorName); 2]);
    assert_eq!(c.kind, Kind::Temporal(operator::Temporal { ordered: false, range: None }));
    assert_eq!((theft.episode, theft.severity), (Millis::DAY, Severity::Critical));
    assert_eq!(theft.asks[0].action.as_ref(), "end-session");
    let alerts: Vec<bool> = set.rules.iter().map(|r| r.alerts).collect();
    assert_eq!(alerts, [false, true, false, true, true], "generate lets new_as and bulk alert too");
    let monotone: Vec<bool> = set.rules.iter().map(|r| r.monotone).collect();
    assert_eq!(monotone, [true, false, true, true, false]);
    let Body::Correlation(c) = &set.get("new_as").unwrap().body else { panic!() };
    assert_eq!(
        c.kind,
        Kind::NewValue(operator::NewValue {
            fields: vec![FieldRef::Known(Field::AsNumber)],
            learning: operator::Learning { days: 7, observations: 5 },
            new_for: Millis::HOUR.times(12),
            crowd: None,
        })
    );
    let needs: Vec<&str> = theft.needs.iter().map(|f| f.name(&set.raw_fields)).collect();
    for field in ["actor.user.name", "src_endpoint.autonomous_system.number", "export.records", "status"] {
        assert!(needs.contains(&field), "{field}: {needs:?}");
    }
}

#[test]
fn a_timeline_becomes_events_in_the_order_of_arrival() {
    let set = set(CHAIN);
    let test = &set.get("theft").unwrap().tests[0];
    assert_eq!((test.name.as_str(), test.finds), ("after a quiet month", 1));
    let events = test.events();
    assert_eq!(events.len(), 22);
    let (at, last) = events.last().unwrap();
    assert_eq!(*at, Millis::DAY.times(20).times(1).0.checked_add(5 * 60_000).map(Millis).unwrap());
    assert_eq!(last.time, BEGINNING.plus(*at));
    assert_eq!(last.observed.0, BEGINNING.plus(Millis::DAY.times(20)).0);
    assert_eq!(last.export.as_ref().unwrap().days(), Some(31));
    let raw = set.raw_fields.iter().position(|f| f == "vendor.field").unwrap();
    assert_eq!(last.unmapped.get(raw), Some(&"x".into()));
    let ids: std::collections::BTreeSet<_> = events.iter().map(|(_, e)| e.id).collect();
    assert_eq!(ids.len(), 22);
}

#[test]
fn every_known_field_but_what_follows_from_others_can_be_written_in_a_test() {
    let follows = |f: &Field| matches!(f, Field::Time | Field::PartOfWeek | Field::ExportAge | Field::SessionOrNetwork);
    for field in Field::ALL.iter().filter(|f| !follows(f)) {
        let value = match field {
            Field::Activity => "login",
            Field::Outcome => "success",
            Field::Cause => "locked",
            Field::ActorType => "key",
            Field::ActorVouched | Field::SessionVouched => "client",
            Field::SessionUnconfirmed => "true",
            Field::Ip => "192.0.2.1",
            Field::Status => "204",
            _ => "7",
        };
        let body = format!("s: {{'{}': '{value}'}}\ncondition: s", field.path());
        let fields = format!("{{{}: {value}}}", field.path());
        assert!(hits(&body, &fields, "''", &Site::default()), "{}", field.path());
        assert!(!hits(&body, "{}", "''", &Site::default()) || *field == Field::Product, "{}", field.path());
    }
}

#[test]
fn all_types_are_read() {
    let kind = |body: &str| {
        let text = correlation(&format!("rules: [base]\ngroup-by: [user.name]\ntimespan: 90m\n{body}"));
        let Body::Correlation(c) = set(&text).get("t").unwrap().body.clone() else { panic!() };
        assert_eq!(c.timespan, Millis::MINUTE.times(90));
        c.kind
    };
    let range = |c, n| Range { bounds: vec![(c, n)] };
    let records = FieldRef::Known(Field::ExportRecords);
    assert_eq!(
        kind("type: event_count\ncondition: {eq: 3}"),
        Kind::EventCount(operator::EventCount { range: range(Comparison::Eq, 3.0) })
    );
    assert_eq!(
        kind("type: event_count\ncondition: {gt: 3, lte: 9}"),
        Kind::EventCount(operator::EventCount {
            range: Range { bounds: vec![(Comparison::Gt, 3.0), (Comparison::Lte, 9.0)] }
        })
    );
    assert_eq!(
        kind("type: value_count\ncondition: {field: [export.records, actor.user.name], neq: 3}"),
        Kind::ValueCount(operator::ValueCount {
            fields: vec![records, FieldRef::Known(Field::ActorName)],
            range: range(Comparison::Neq, 3.0)
        })
    );
    assert_eq!(
        kind("type: value_sum\ncondition: {field: export.records, lt: 3}"),
        Kind::ValueSum(operator::ValueSum(OfField { field: records, range: range(Comparison::Lt, 3.0) }))
    );
    assert_eq!(
        kind("type: value_avg\ncondition: {field: export.records, gt: 2.5}"),
        Kind::ValueAvg(operator::ValueAvg(OfField { field: records, range: range(Comparison::Gt, 2.5) }))
    );
    assert_eq!(
        kind("type: value_percentile\ncondition: {field: export.records, lte: 1}"),
        Kind::ValuePercentile(operator::ValuePercentile {
            field: records,
            percentile: None,
            range: range(Comparison::Lte, 1.0)
        })
    );
    assert_eq!(
        kind("type: value_percentile\ncondition: {field: export.records, gte: 1, percentile: 95}"),
        Kind::ValuePercentile(operator::ValuePercentile {
            field: records,
            percentile: Some(95.0),
            range: range(Comparison::Gte, 1.0)
        })
    );
    assert_eq!(kind("type: temporal"), Kind::Temporal(operator::Temporal { ordered: false, range: None }));
    assert_eq!(
        kind("type: temporal_ordered\ncondition: {gte: 1}"),
        Kind::Temporal(operator::Temporal { ordered: true, range: Some(range(Comparison::Gte, 1.0)) })
    );
}

#[test]
fn aliases_are_the_field_of_each_rule() {
    let text = "
title: a
name: internal_error
detection: {s: {x: 1}, condition: s}
---
title: b
name: new_network_connection
detection: {s: {x: 2}, condition: s}
---
title: t
name: t
correlation:
  type: temporal
  rules: [internal_error, new_network_connection]
  group-by: [internal_ip, actor.user.name]
  timespan: 10s
  aliases:
    internal_ip:
      internal_error: destination.ip
      new_network_connection: src_endpoint.ip
";
    let good = set(text);
    let Body::Correlation(c) = &good.get("t").unwrap().body else { panic!() };
    let names: Vec<&str> = c.group_by[0].fields.iter().map(|f| f.name(&good.raw_fields)).collect();
    assert_eq!((&*c.group_by[0].name, names), ("internal_ip", vec!["destination.ip", "src_endpoint.ip"]));
    assert_eq!(c.group_by[1].fields, [FieldRef::Known(Field::ActorName); 2]);
    for (from, to, wanted) in [
        ("      new_network_connection: src_endpoint.ip\n", "", "names no field for `new_network_connection`"),
        ("      internal_error:", "      internal_eror:", "test.yml:19: alias `internal_ip` names `internal_eror`"),
        ("[internal_ip, actor.user.name]", "[actor.user.name]", "is not in `group-by`"),
    ] {
        assert!(refused(&text.replace(from, to)).contains(wanted), "{}", refused(&text.replace(from, to)));
    }
}

#[test]
fn a_later_file_of_the_same_name_replaces_an_earlier_one() {
    let policy = |level: &str| format!("title: t\nlevel: {level}\ndetection: {{s: {{x: 1}}, condition: s}}\n");
    let (shipped, own) = (policy("low"), policy("high"));
    let set = load(&[("a.yml", &shipped), ("a.yml", &own)], &Site::default()).unwrap();
    assert_eq!((set.rules.len(), set.rules[0].severity), (1, Severity::High));
}

#[test]
fn the_order_of_files_makes_no_difference() {
    let parts: Vec<&str> = CHAIN.split("---\n").collect();
    let files: Vec<(String, &str)> = parts.iter().enumerate().map(|(i, t)| (format!("{}.yml", 9 - i), *t)).collect();
    let forward: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), *t)).collect();
    let backward: Vec<(&str, &str)> = forward.iter().rev().copied().collect();
    let (a, b) = (load(&forward, &Site::default()).unwrap(), load(&backward, &Site::default()).unwrap());
    assert_eq!(a.digest, b.digest);
    assert_eq!(names(&a), names(&b));
    for (i, rule) in a.rules.iter().enumerate() {
        if let Body::Correlation(c) = &rule.body {
            assert!(c.rules.iter().all(|r| *r < i), "what is referred to comes first");
        }
    }
}

#[test]
fn filters_suppress_what_they_describe_in_both_ways_of_writing() {
    let rule = "title: t\nname: t\nlogsource: {product: okta}\ndetection: {s: {x: 1}, condition: s}\n";
    let with = |filter: &str| {
        format!(
            "{rule}tripline:\n  tests:\n  - {{name: n, finds: 0, events: [{{at: 0, fields: {{x: 1, u: adm_a}}}}, {{at: 1m, fields: {{x: 1, u: bob}}}}]}}\n---\ntitle: f\n{filter}\n"
        )
    };
    let passes = |filter: &str| {
        let set = set(&with(filter));
        let rule = set.get("t").unwrap();
        let Body::Detection(m) = &rule.body else { panic!() };
        rule.tests[0].events().iter().map(|(_, e)| m.matches(e)).collect::<Vec<_>>()
    };
    let body = |rules: &str, condition: &str| {
        format!(
            "logsource: {{product: okta}}\nfilter: {{rules: {rules}, selection: {{'u|startswith': adm_}}, other: {{u: eve}}, condition: {condition}}}"
        )
    };
    assert_eq!(passes(&body("[t]", "selection")), [false, true]);
    assert_eq!(passes(&body("[t]", "not selection")), [false, true]);
    assert_eq!(passes(&body("[t]", "selection or other")), [false, true]);
    assert_eq!(passes(&body("[t]", "not selection and not other")), [false, true]);
    assert_eq!(passes(&body("[t]", "not 1 of them")), [false, true]);
    assert_eq!(passes(&body("any", "selection")), [false, true]);
    assert_eq!(passes(&body("all", "selection")), [false, true]);
    assert_eq!(passes(&body("any", "selection").replace("okta", "github")), [true, true]);
    for (filter, wanted) in [
        (body("[t]", "selection and not other"), "could mean what is suppressed or what passes"),
        (body("[u]", "selection"), "there is no rule with the name or id `u`"),
        (body("[t]", "selection").replace("okta", "github"), "does not cover that of `t`"),
        (body("[]", "selection"), "`rules` is empty"),
        (body("[t]", "selection").replace("logsource: {product: okta}", ""), "the filter has no `logsource`"),
        (body("[t]", "selection").replace("rules: [t], ", ""), "the filter has no `rules`"),
    ] {
        assert!(refused(&with(&filter)).contains(wanted), "{}", refused(&with(&filter)));
    }
    let levelled = set(&with(&format!("level: low\n{}", body("[t]", "selection"))));
    let warned = |w: &Warning| w.to_string().contains("the attribute `level` means nothing here");
    assert!(levelled.warnings.iter().any(warned), "{:?}", levelled.warnings);
}

#[test]
fn a_log_source_restricts_a_rule_to_the_profiles_that_fit() {
    let source = |category: &str, product: &str, service: &str| {
        let some = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        LogSource { category: some(category), product: some(product), service: some(service) }
    };
    let site = Site {
        profiles: vec![
            Profile { name: "okta".into(), sources: vec![] },
            Profile { name: "cloudtrail".into(), sources: vec![source("", "aws", "cloudtrail")] },
            Profile { name: "nginx".into(), sources: vec![source("webserver", "nginx", "access")] },
            Profile { name: "apache".into(), sources: vec![source("webserver", "apache", "access")] },
        ],
        ..Site::default()
    };
    for (logsource, wanted) in [
        ("{}", None),
        ("{product: ocsf, service: any}", None),
        ("{product: okta}", Some("okta")),
        ("{product: okta, service: okta}", Some("okta")),
        ("{product: aws, service: cloudtrail}", Some("cloudtrail")),
        ("{product: aws, service: guardduty}", Some("")),
        ("{category: webserver}", Some("nginx apache")),
        ("{product: windows}", Some("")),
    ] {
        let text = format!("title: t\nlevel: low\nlogsource: {logsource}\ndetection: {{s: {{x: 1}}, condition: s}}\n");
        let set = load(&[("t", &text)], &site).unwrap();
        let Body::Detection(m) = &set.rules[0].body else { panic!() };
        assert_eq!(m.products().map(|p| p.join(" ")).as_deref(), wanted, "{logsource}");
        let warned = set.warnings.iter().any(|w| w.to_string().contains("never match"));
        assert_eq!(warned, wanted == Some(""), "{logsource}");
    }
}
