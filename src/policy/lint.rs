//! What is allowed in a policy and yet hardly meant.
use super::{ActivitySet, Body, CorrelationKind, LoadError, PolicySet, Warning};

/// Warnings about a whole set.
pub(super) fn lint(set: &PolicySet) -> Vec<Warning> {
    let mut out = Vec::new();
    for (rule, never) in set.rules.iter().zip(never(set)) {
        let mut warn = |message: &str| {
            out.push(Warning(LoadError { file: rule.file.clone(), line: rule.line, message: message.to_owned() }));
        };
        if !rule.alerts && !rule.referred {
            warn("the rule is of no use: it has no `level`, and no correlation refers to it");
        }
        if never {
            warn("the policy can never match: no activity, or no known product, fits it");
        }
        if rule.alerts && rule.tests.is_empty() {
            warn("the policy has no tests");
        } else if rule.alerts && !(rule.tests.iter().any(|t| t.finds > 0) && rule.tests.iter().any(|t| t.finds == 0)) {
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

/// For each rule whether it can be told never to match: a detection for no product or activity, a correlation over such.
fn never(set: &PolicySet) -> Vec<bool> {
    let mut never: Vec<bool> = Vec::new();
    for rule in &set.rules {
        let nothing = match &rule.body {
            Body::Detection(m) => {
                m.products().is_some_and(<[_]>::is_empty) || m.activities().is_some_and(ActivitySet::is_empty)
            }
            Body::Correlation(c) => match &c.kind {
                CorrelationKind::Temporal { range: None, .. } => c.rules.iter().any(|r| never[*r]),
                _ => c.rules.iter().all(|r| never[*r]),
            },
        };
        never.push(nothing);
    }
    never
}
