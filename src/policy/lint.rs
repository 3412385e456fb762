//! What is allowed in a policy and yet hardly meant.
use super::error::quoted;
use super::field::nearly_known;
use super::{ActivitySet, Body, Correlation, CorrelationKind, LoadError, PolicySet, Warning};
use crate::model::{Field, Millis};
use std::collections::BTreeSet;

/// Warnings about a whole set.
pub(super) fn lint(set: &PolicySet) -> Vec<Warning> {
    let mut out = Vec::new();
    for (rule, never) in set.rules.iter().zip(never(set)) {
        // the rules of others are as they are, and are told of in one line
        if rule.foreign.is_some() {
            continue;
        }
        let at = |message: &str| LoadError { file: rule.file.clone(), line: rule.line, message: message.to_owned() };
        if rule.alerts && rule.tests.is_empty() {
            out.push(Warning::note(at("the policy has no tests")));
        }
        if never == Never::Product {
            out.push(Warning::note(at("the policy can never match: no profile is of its `logsource`")));
        }
        let mut warn = |message: &str| out.push(Warning::mistake(at(message)));
        if !rule.alerts && !rule.referred {
            warn("the rule is of no use: it has no `level`, and no correlation refers to it");
        }
        if never == Never::Activity {
            warn("the policy can never match: no activity fits it");
        }
        if let Body::Correlation(correlation) = &rule.body
            && let Some(why) = unreachable(correlation)
        {
            warn(&format!("the policy can never match: {why}"));
        }
        let tested = rule.alerts && !rule.tests.is_empty();
        if tested && !(rule.tests.iter().any(|t| t.finds > 0) && rule.tests.iter().any(|t| t.finds == 0)) {
            warn("the policy needs a test in which it fires and one in which it does not");
        }
        if rule.alerts && !rule.named && rule.id.is_none() {
            warn("the policy has neither `name` nor `id`: its findings will be others when its title is changed");
        }
        if !rule.asks.is_empty() && !rule.alerts {
            warn("the response is never asked for, for the policy does not alert");
        }
    }
    out
}

/// Fields that a test gives its events and no policy looks at: misspelt, they let a quiet test pass for nothing.
pub(super) fn idle_fields(set: &PolicySet, looked_at: &BTreeSet<usize>) -> Vec<Warning> {
    let mut out = Vec::new();
    for rule in &set.rules {
        let mut told = BTreeSet::new();
        for (line, index) in rule.tests.iter().flat_map(|t| t.raw().map(|index| (t.line, index))) {
            if !looked_at.contains(&index) && told.insert(index) {
                let name = &set.raw_fields[index];
                let near = if Field::from_path(name).is_some() { String::new() } else { nearly_known(name) };
                let message = format!("the test gives its events {}, which no policy looks at{near}", quoted(name));
                out.push(Warning::mistake(LoadError { file: rule.file.clone(), line, message }));
            }
        }
    }
    out
}

/// Why no amount that can come meets the condition; nothing where some can.
fn unreachable(correlation: &Correlation) -> Option<String> {
    use CorrelationKind as Kind;
    let endless = f64::INFINITY;
    let (range, what, least, most, whole) = match &correlation.kind {
        // it is asked about when an event has come, so that there is one
        Kind::EventCount(range) => (range, "events", 1.0, endless, true),
        Kind::ValueCount { range, .. } => (range, "values", 0.0, endless, true),
        Kind::ValueSum { range, .. } => (range, "sum", -endless, endless, true),
        Kind::ValueAvg { range, .. } => (range, "mean", -endless, endless, false),
        Kind::ValuePercentile { range, percentile: Some(_), .. } => (range, "percentile", -endless, endless, true),
        Kind::ValuePercentile { range, percentile: None, .. } => (range, "share in percent", 0.0, 100.0, false),
        Kind::Temporal { range: Some(range), .. } => (range, "rules", 1.0, correlation.rules.len() as f64, true),
        Kind::Concurrent(concurrent) => (&concurrent.range, "times", 1.0, endless, true),
        Kind::Absence(absence) => (&absence.range, "events", 1.0, endless, true),
        Kind::Risk(risk) => (&risk.range, "weight of all signs together", 0.0, risk.weigh(|_| true).0, false),
        Kind::Baseline(baseline) => {
            let days = baseline.history.0 / Millis::DAY.0;
            if i64::from(baseline.learning.days) > days {
                let wanted = baseline.learning.days;
                return Some(format!("`learning` wants {wanted} active days, and `history` reaches back {days}"));
            }
            (&baseline.range, "times the usual", 0.0, endless, false)
        }
        Kind::Temporal { range: None, .. } | Kind::NewValue(_) | Kind::Travel(_) => return None,
    };
    let span = match (least, most) {
        (_, most) if most < endless => format!("the {what} can be {least} to {most}"),
        _ => format!("no number of them is: {what}"),
    };
    (!range.can_hold(least, most, whole)).then(|| format!("its condition asks for {range}, and {span}"))
}

/// Why a rule never matches, as far as that can be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Never {
    /// It may match.
    No,
    /// It is for events of no profile that there is.
    Product,
    /// It asks for what no activity is.
    Activity,
}

/// For each rule whether it can be told never to match: a detection for no product or activity, a correlation over such.
fn never(set: &PolicySet) -> Vec<Never> {
    let mut never: Vec<Never> = Vec::new();
    for rule in &set.rules {
        let nothing = match &rule.body {
            Body::Detection(m) if m.activities().is_some_and(ActivitySet::is_empty) => Never::Activity,
            Body::Detection(m) if m.products().is_some_and(<[_]>::is_empty) => Never::Product,
            Body::Detection(_) => Never::No,
            Body::Correlation(c) => {
                let of_rules = c.rules.iter().map(|rule| never[*rule]);
                let worst = match &c.kind {
                    CorrelationKind::Temporal { range: None, .. } => of_rules.max(),
                    _ => of_rules.min(),
                };
                worst.unwrap_or(Never::No)
            }
        };
        never.push(nothing);
    }
    never
}
