//! `tripline replay --explain`: what one event came to, in plain words.
use super::ask::print_json;
use super::show::{self, say, shown};
use super::{Exit, Failure};
use crate::daemon::watching::Watching;
use crate::detect::explain::{Explained, Reached};
use crate::pipeline::watch::Told;
use serde_json::json;

/// Says it.
pub fn print(watching: Watching, as_json: bool) -> Result<Exit, Failure> {
    let Some(told) = watching.told else { return Err(Failure::new(watching.why_not)) };
    if as_json {
        return print_json(&[json!(told)]);
    }
    head(&told)?;
    if told.repeated {
        say!("\nits trail had shown it before, and it counts once: explain the first of them");
        return Ok(Exit::Done);
    }
    let Explained { selected, missed, reached, waiting } = &told.explained;
    say!("\nthe detections that select it:");
    if selected.is_empty() {
        say!("  none");
    }
    for name in selected.iter() {
        say!("  {}", shown(name));
    }
    say!("\nthe detections for its activity that do not:");
    if missed.is_empty() {
        say!("  none");
    }
    for detection in missed {
        say!("  {}", shown(&detection.policy));
        for why in detection.why.iter() {
            say!("    {}", shown(why));
        }
    }
    say!("\nthe policies that it reaches:");
    if reached.is_empty() {
        say!("  none");
    }
    reached.iter().try_for_each(|r| self::reached(r, told.fired.contains(&r.policy)))?;
    if !waiting.is_empty() {
        say!("\nthose that it would reach if another one held:");
        // in the order in which they stand: what is referred to comes first
        let mut grouped: Vec<(&str, Vec<String>)> = Vec::new();
        for (policy, rule) in waiting {
            match grouped.iter_mut().find(|(known, _)| *known == policy.as_str()) {
                Some((_, rules)) => rules.push(shown(rule)),
                None => grouped.push((policy, vec![shown(rule)])),
            }
        }
        for (policy, rules) in grouped.iter() {
            say!("  {} waits for {}", shown(policy), rules.join(" or "));
        }
    }
    Ok(Exit::Done)
}

fn head(told: &Told) -> Result<(), Failure> {
    let e = &told.event;
    say!("event {}: {} {} at {}", e.id, e.activity.name(), e.outcome.name(), e.time);
    let line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            say!("  {name:<9} {}", shown(&value));
        }
        Ok::<_, Failure>(())
    };
    if e.marks.unplaced {
        say!("  counted in no window: it states no time, and its trail was read long after it was written");
    } else if told.counted_at != e.time {
        say!("  counted at {}: it came late, and windows count it when it arrived", told.counted_at);
    }
    line("who", e.actor.as_ref().map(|a| a.name.to_string()))?;
    line("from", e.origin.ip.map(|ip| ip.to_string()))?;
    line("customer", e.customer.as_ref().map(ToString::to_string))?;
    line("read", Some(format!("trail {}, bytes {} to {}", e.source, e.from, e.to)))?;
    line("product", Some(e.product.to_string()))?;
    line("marked", show::marks(&e.marks))?;
    Ok(())
}

fn reached(r: &Reached, fired: bool) -> Result<(), Failure> {
    let by: Vec<String> = r.by.iter().map(|by| shown(by)).collect();
    let holds = match r.holds {
        Some(true) => "holds",
        Some(false) => "does not hold",
        None if fired => "holds",
        None => "whether it holds can't be told from outside",
    };
    say!("  {}: {holds}", shown(&r.policy));
    if by != [r.policy.to_string()] {
        say!("    by {}, for {}", by.join(", "), shown(&r.entity));
    }
    say!("    it asks for {}", shown(&r.says));
    for m in &r.measured {
        say!("    {}: {} (against: {})", shown(&m.what), shown(&m.value), shown(&m.against));
    }
    if let Some(learning) = &r.learning {
        say!("    learning: {}", shown(learning));
    }
    let outcome = match (fired, r.fired, r.tells) {
        (true, ..) => "it fired here",
        (_, _, false) if r.holds == Some(true) => "it makes no findings of its own of this",
        (_, true, true) => "it had fired for the same before, and does so once in each",
        _ if r.holds == Some(true) => "it holds, and no finding was made of it here",
        _ => return Ok(()),
    };
    let episode =
        if (fired, r.fired, r.tells) == (false, true, true) { format!(" {}", r.episode) } else { String::new() };
    say!("    {outcome}{episode}");
    Ok(())
}
