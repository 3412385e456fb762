//! What became of foreign rules: how many are loaded, which are dead on these trails, and what was set aside.
//!
//! Dead is what can be known to match nothing: no trail is of the rule's log source; a field of ours that it needs is in no such trail, or
//! never has such a value. Of a raw field nothing is known: a product may write any key.
use super::super::show::{say, shown};
use super::Failure;
use crate::pipeline::Rules;
use crate::pipeline::coverage::Dead;
use crate::policy::{LogSource, Policy};
use std::collections::BTreeMap;

/// How many rules, or log sources, are named of one reason.
const NAMED: usize = 3;

/// Why a rule is dead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// No trail is of its log source.
    Elsewhere,
    /// No trail shows the field.
    Field(String),
    /// No trail has what the rule asks for in the field.
    Value(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Elsewhere => f.write_str("no trail is of their product"),
            Why::Field(field) => write!(f, "no trail of their product shows {field}"),
            Why::Value(field) => write!(f, "no trail of their product has such a value in {field}"),
        }
    }
}

/// Says a line for each folder, and one for each reason for which rules of it are of no use here; with `verbose` one for each rule.
pub(super) fn say_all(rules: &Rules, verbose: bool) -> Result<(), Failure> {
    let set = rules.engine.policies();
    for taken in &set.taken {
        say!("{}", shown(&taken.to_string()));
        for reason in &taken.set_aside {
            say!("  {}", shown(&reason.to_string()));
        }
    }
    let mut dead: BTreeMap<Why, Vec<(&Policy, String)>> = BTreeMap::new();
    for Dead { rule, lacks } in &rules.coverage().dead {
        let policy = &set.rules[*rule];
        let (why, detail) = match lacks.first() {
            None => (Why::Elsewhere, format!("it is for {}", source(&policy.logsource))),
            Some(lack) => {
                let name = lack.field.name(&set.raw_fields);
                let why = if lack.is_there { Why::Value(name.to_owned()) } else { Why::Field(name.to_owned()) };
                (why, format!("it asks for {name} {}", lack.wanted))
            }
        };
        dead.entry(why).or_default().push((policy, detail));
    }
    for (why, policies) in dead {
        let named = match why {
            Why::Elsewhere => most(policies.iter().map(|(policy, _)| product(&policy.logsource))),
            _ => most(policies.iter().map(|(policy, _)| policy.name.to_string())),
        };
        say!("rules that can match nothing here: {}: {why}: {}", policies.len(), shown(&named));
        for (policy, detail) in policies.iter().filter(|_| verbose) {
            say!("  {}", shown(&format!("{} ({}:{}): {detail}", policy.name, policy.file, policy.line)));
        }
    }
    Ok(())
}

/// The most frequent of the names, with how often each is there where it is more than once.
fn most(names: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = counts.iter().take(NAMED).map(|(name, count)| match count {
        1 => name.clone(),
        n => format!("{name} ({n})"),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    match counts.len().saturating_sub(NAMED) {
        0 => named,
        n => format!("{named} and {n} more"),
    }
}

/// What a log source is first of all.
fn product(of: &LogSource) -> String {
    [&of.product, &of.service, &of.category].into_iter().flatten().next().cloned().unwrap_or_default()
}

/// A log source in a few words.
fn source(of: &LogSource) -> String {
    let words = [&of.product, &of.service, &of.category].into_iter().flatten();
    words.map(String::as_str).collect::<Vec<_>>().join("/")
}
