//! What is allowed in a policy and yet hardly meant.
use super::{ActivitySet, Body, Correlation, LoadError, PolicySet, Warning};
use crate::model::Field;
use crate::operator::{Bounds, Needs, Terms, each};
use crate::syntax::error::quoted;
use crate::syntax::field::nearly_known;
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
    let fault = each!(&correlation.kind, operator => operator.fault());
    if fault.is_some() {
        return fault;
    }
    let bounds = each!(&correlation.kind, operator => operator.bounds(correlation.rules.len()))?;
    let Bounds { range, what, least, most, whole } = bounds;
    let span = match (least, most) {
        (_, most) if most < f64::INFINITY => format!("the {what} can be {least} to {most}"),
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
                let worst = match each!(&c.kind, operator => operator.needs()) {
                    Needs::All => of_rules.max(),
                    Needs::Any | Needs::None => of_rules.min(),
                };
                worst.unwrap_or(Never::No)
            }
        };
        never.push(nothing);
    }
    never
}
