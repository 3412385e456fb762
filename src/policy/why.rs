//! Why a detection does not select an event: which of its conditions fail, in plain words.
use super::item::Item;
use super::matcher::{Expression, Matcher};
use crate::model::Event;

/// The most conditions that are named of one detection.
const MOST: usize = 8;

impl Matcher {
    /// What keeps it from selecting `event`; nothing where it does select it. `raw_fields` is that of the policy set.
    pub fn misses(&self, event: &Event, raw_fields: &[String]) -> Vec<String> {
        if self.matches(event) {
            return Vec::new();
        }
        if let Some(products) = self.products()
            && !products.contains(&event.product)
        {
            return vec![format!(
                "it is for the events of {}, and this one is of {}",
                products.join(" or "),
                event.product
            )];
        }
        if let Some(trails) = self.trails()
            && !trails.iter().any(|name| name == event.evidence.source.as_str())
        {
            return vec![format!(
                "it is for the trails {}, and this one is {}",
                trails.join(", "),
                event.evidence.source
            )];
        }
        let mut why = failing(&self.expression, event, raw_fields);
        why.truncate(MOST);
        why
    }
}

/// What keeps the expression from holding.
fn failing(expression: &Expression, event: &Event, raw: &[String]) -> Vec<String> {
    match expression {
        _ if expression.matches(event) => Vec::new(),
        Expression::Item(item) => vec![asked(item, event, raw)],
        Expression::All(parts) => parts.iter().flat_map(|part| failing(part, event, raw)).collect(),
        Expression::Any(parts) => {
            let each: Vec<String> = parts.iter().map(|part| failing(part, event, raw).join(", ")).collect();
            vec![format!("none of these holds: {}", each.join("; "))]
        }
        Expression::Not(inner) => {
            vec![format!("it leaves out what has {}", holding(inner, event, raw).join(", "))]
        }
    }
}

/// What makes the expression hold.
fn holding(expression: &Expression, event: &Event, raw: &[String]) -> Vec<String> {
    match expression {
        _ if !expression.matches(event) => Vec::new(),
        Expression::Item(item) => vec![format!("{} {}", item.name(raw), item.shown(event))],
        Expression::All(parts) | Expression::Any(parts) => {
            parts.iter().flat_map(|part| holding(part, event, raw)).collect()
        }
        Expression::Not(inner) => failing(inner, event, raw),
    }
}

fn asked(item: &Item, event: &Event, raw: &[String]) -> String {
    format!("{} is {}, and it asks for {}", item.name(raw), item.shown(event), item.asks_for(raw))
}

#[cfg(test)]
mod tests {
    use crate::policy::{Body, Site, load};

    const TEXT: &str = "
title: Long exports
name: long
logsource: { product: ocsf }
detection:
  sel: { activity_name: [export_requested, download], export.days|gte: 7, src_endpoint.ip|cidr: 192.0.2.0/24 }
  words: { actor.user.name|startswith: [an, bo] }
  billing: { actor.user.role: billing }
  condition: sel and words and not billing
tripline:
  tests:
    - { name: t, events: [ { at: 0m, fields: { activity_name: export_requested, actor.user.name: Cy, actor.user.role: billing, export.days: 3, src_endpoint.ip: 192.0.2.9 } } ], finds: 0 }
    - { name: u, events: [ { at: 0m, fields: { activity_name: download, actor.user.name: Ana, export.days: 7, src_endpoint.ip: 192.0.2.9 } } ], finds: 1 }
";

    #[test]
    fn each_condition_that_fails_is_named_with_what_there_is() {
        let set = load(&[("a.yml", TEXT)], &Site::default()).expect("the policy is right");
        let policy = set.get("long").expect("it is there");
        let Body::Detection(matcher) = &policy.body else { unreachable!("it is a detection") };
        let events: Vec<_> = policy.tests.iter().map(|t| t.events().remove(0).1).collect();
        assert_eq!(
            matcher.misses(&events[0], &set.raw_fields),
            [
                "export.days is 3, and it asks for gte 7",
                "actor.user.name is \"Cy\", and it asks for \"an*\" or \"bo*\"",
                "it leaves out what has actor.user.role \"billing\"",
            ]
        );
        assert!(matcher.misses(&events[1], &set.raw_fields).is_empty());
        let mut other = events[1].clone();
        other.origin.ip = None;
        assert_eq!(
            matcher.misses(&other, &set.raw_fields),
            ["src_endpoint.ip is not there, and it asks for a network of 192.0.2.0/24"]
        );
    }
}
