//! The language as data: policies and events in, matches and errors out.
mod conditions;
mod digests;
mod foreign;
mod language;
mod linking;
mod refusals;
#[allow(clippy::disallowed_methods, reason = "reads policies and samples beside the project, where they are")]
mod samples;
#[allow(clippy::disallowed_methods, reason = "reads policies and samples beside the project, where they are")]
mod sigmahq;
mod values;

use super::*;
use crate::model::Event;

/// Loads one file for a site without profiles or placeholders.
fn set(text: &str) -> PolicySet {
    load(&[("test.yml", text)], &Site::default()).unwrap_or_else(|e| panic!("{}\n{text}", told(&e)))
}

/// The errors of one file, one a line.
fn refused(text: &str) -> String {
    match load(&[("test.yml", text)], &Site::default()) {
        Ok(_) => panic!("was not refused:\n{text}"),
        Err(errors) => told(&errors),
    }
}

fn told(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A document with this detection, which is written in YAML's flow or block form under `detection`.
fn detection(body: &str) -> String {
    let body: String = body.lines().map(|l| format!("  {l}\n")).collect();
    format!("title: t\nname: t\nlevel: low\ndetection:\n{body}")
}

/// The policy `t` of a set, with one event as the fields of a test would write it: whether it matches.
fn hits(detection_body: &str, fields: &str, line: &str, site: &Site) -> bool {
    let policy = detection(detection_body);
    let test = format!(
        "{policy}tripline:\n  tests:\n  - name: n\n    finds: 0\n    events:\n    - at: 0m\n      fields: {fields}\n      line: {line}\n"
    );
    let set = load(&[("test.yml", &test)], site).unwrap_or_else(|e| panic!("{}\n{test}", told(&e)));
    let rule = set.get("t").expect("the policy");
    let event: &Event = &rule.tests[0].events()[0].1;
    match &rule.body {
        Body::Detection(matcher) => matcher.matches(event),
        Body::Correlation(_) => panic!("not a detection"),
    }
}

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

fn correlation(body: &str) -> String {
    let body: String = body.lines().map(|l| format!("  {l}\n")).collect();
    format!("{}---\ntitle: t\nname: t\ncorrelation:\n{body}", COUNT.split("---\n").next().unwrap())
}
