//! What can be found in which trails, and what keeps the rest from being found: for `check`, `replay` and `status`.
use super::Failure;
use super::show::{say, shown};
use crate::pipeline::coverage::{Blind, Coverage};
use std::collections::BTreeMap;

/// How many policies are named of one reason.
const NAMED: usize = 3;
/// How many reasons are given of one trail.
const REASONS: usize = 6;

/// Says it; `more` says where more reasons of one trail than [`REASONS`] can be read, without which all of them are said.
pub(super) fn say(coverage: &Coverage, more: Option<&str>) -> Result<(), Failure> {
    let Coverage { detections, trails, blind, .. } = coverage;
    let can = |blind: &[Blind]| detections.saturating_sub(blind.len());
    say!(
        "detections: {} of {detections} can fire on {}",
        can(blind),
        if trails.len() == 1 { "it" } else { "these trails" }
    );
    if trails.len() > 1 {
        for (name, blind) in trails {
            say!("  {}: {} of {detections} on its records alone", shown(name.as_str()), can(blind));
            say_reasons(blind, more)?;
        }
    }
    if !blind.is_empty() {
        say!("  {} can't:", blind.len());
        say_reasons(blind, None)?;
    }
    Ok(())
}

/// A line for each reason, the commonest first.
fn say_reasons(blind: &[Blind], more: Option<&str>) -> Result<(), Failure> {
    let most = more.map_or(usize::MAX, |_| REASONS);
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Blind { policy, why } in blind {
        reasons.entry(why).or_default().push(policy);
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, policies)| std::cmp::Reverse(policies.len()));
    for (why, policies) in reasons.iter().take(most) {
        let named = policies[..policies.len().min(NAMED)].join(", ");
        let others = match policies.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        say!("    {}: {}{others}", shown(why), shown(&named));
    }
    if let rest @ 1.. = reasons.len().saturating_sub(most) {
        say!("    and {rest} other reasons{}", more.map(|more| format!(": {more}")).unwrap_or_default());
    }
    Ok(())
}
