//! What became of foreign rules: how many are loaded, which are dead on these trails, and what was set aside.
use super::super::replay::enriched;
use super::super::show::{say, shown};
use super::Failure;
use crate::pipeline::Rules;
use crate::policy::{Body, FieldRef, Matcher, Policy};
use std::collections::BTreeMap;

/// How many rules are named of one reason.
const NAMED: usize = 3;

/// Says a line for each folder, and one for each reason for which rules of it are of no use here.
pub(super) fn say_all(rules: &Rules) -> Result<(), Failure> {
    let set = rules.engine.policies();
    for taken in &set.taken {
        say!("{}", shown(&taken.to_string()));
        for reason in &taken.set_aside {
            say!("  {}", shown(&reason.to_string()));
        }
    }
    let mut dead: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for policy in set.rules.iter().filter(|policy| policy.is_foreign()) {
        if let Body::Detection(matcher) = &policy.body
            && let Some(why) = is_dead(rules, policy, matcher)
        {
            dead.entry(why).or_default().push(&policy.name);
        }
    }
    for (why, names) in dead {
        let named = names[..names.len().min(NAMED)].join(", ");
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        say!("rules that can match nothing here: {why}: {}{more}", shown(&named));
    }
    Ok(())
}

/// Why no record of any trail can match the rule; nothing where one may.
fn is_dead(rules: &Rules, policy: &Policy, matcher: &Matcher) -> Option<String> {
    let fits = |name: &str, product: &str| {
        matcher.trails().is_none_or(|trails| trails.iter().any(|trail| trail == name))
            && matcher.products().is_none_or(|products| products.iter().any(|known| **known == *product))
    };
    let mut fitting = rules
        .trails
        .iter()
        .filter(|(name, profile)| rules.normaliser.names(**profile).any(|product| fits(name.as_str(), product)))
        .map(|(_, profile)| rules.normaliser.provides(*profile))
        .peekable();
    if fitting.peek().is_none() {
        return Some("no trail is of their product".to_owned());
    }
    let needs = policy.needs.iter().filter_map(|field| match field {
        FieldRef::Known(field) if !enriched(*field) => Some(*field),
        _ => None,
    });
    let needs: Vec<_> = needs.collect();
    let mut missing = None;
    for provides in fitting {
        missing = needs.iter().find(|field| !provides.contains(field));
        missing?;
    }
    missing.map(|field| format!("no trail of their product shows {}", field.path()))
}
