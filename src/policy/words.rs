//! Policies in plain words: what makes one fire, and what would have kept it from firing.
use super::{Body, Correlation, FieldRef, Matcher, Policy, PolicySet};
use crate::model::Text;
use crate::model::id::hex;
use crate::operator::terms::enumerate;
use crate::operator::{Terms, Words, each};

impl Policy {
    /// The decision as findings name it: 32 hexadecimal digits.
    pub fn decision_text(&self) -> Text {
        hex(&self.decision.short()).into()
    }
}

impl PolicySet {
    /// What makes the policy fire.
    pub fn says(&self, policy: &Policy) -> String {
        match &policy.body {
            Body::Detection(matcher) => format!("one event that it selects: {}", self.selects(matcher)),
            Body::Correlation(correlation) => {
                each!(&correlation.kind, operator => operator.says(&self.words(correlation)))
            }
        }
    }

    /// What would have kept it from firing, each enough by itself.
    pub fn unless(&self, policy: &Policy) -> Vec<String> {
        match &policy.body {
            Body::Detection(matcher) => {
                vec![format!("no event that it selects: {}", self.selects(matcher))]
            }
            Body::Correlation(correlation) => {
                each!(&correlation.kind, operator => operator.unless(&self.words(correlation)))
            }
        }
    }

    /// What a detection looks at.
    fn selects(&self, matcher: &Matcher) -> String {
        let fields = matcher.fields();
        match (fields.is_empty(), matcher.needs_line()) {
            (true, _) => "it looks for words in the line".to_owned(),
            (_, true) => format!("it looks at {} and at the words of the line", self.list(fields.iter(), " and ")),
            (_, false) => format!("it looks at {}", self.list(fields.iter(), " and ")),
        }
    }

    fn list<'f>(&self, fields: impl Iterator<Item = &'f FieldRef>, last: &str) -> String {
        enumerate(&fields.map(|f| self.name(f)).collect::<Vec<_>>(), last)
    }

    /// What a correlation of the set is told with.
    pub fn words<'a>(&'a self, correlation: &'a Correlation) -> Words<'a> {
        correlation.words(|rule| &self.rules[rule].name, &self.raw_fields)
    }

    fn name(&self, field: &FieldRef) -> &str {
        field.name(&self.raw_fields)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Site, load};

    const TEXT: &str = "
title: Export
name: export
logsource: { product: ocsf }
detection: { sel: { activity_name: export_requested }, condition: sel }
---
title: Several customers
name: several
correlation:
  type: value_count
  rules: [export]
  group-by: [actor.user.name]
  timespan: 1h
  condition: { gte: 3, lt: 9, field: resource.owner.org.uid }
---
title: New network
name: new_network
correlation:
  type: new_value
  rules: [export]
  group-by: [actor.user.name]
  timespan: 30d
  fields: [src_endpoint.prefix]
  learning: { days: 7, observations: 20 }
  new-for: 12h
---
title: Either
name: either
correlation: { type: event_count, rules: [export, several, new_network], group-by: [actor.user.name], timespan: 1s, condition: { gte: 1 } }
---
title: Both
name: both
correlation: { type: temporal_ordered, rules: [new_network, several], group-by: [actor.user.name], timespan: 12h }
";

    #[test]
    fn what_makes_it_fire_and_what_would_not_have_is_said_in_its_own_terms() {
        let set = load(&[("a.yml", TEXT)], &Site::default()).expect("the policies are right");
        let says = |name: &str| set.says(set.get(name).expect("it is there"));
        let unless = |name: &str| set.unless(set.get(name).expect("it is there")).join("; ");
        assert_eq!(
            says("several"),
            "at least 3 and less than 9 different resource.owner.org.uid in events of export by the same actor.user.name within 1h"
        );
        assert_eq!(
            unless("several"),
            "fewer than 3 or at least 9 different resource.owner.org.uid by the same actor.user.name within 1h"
        );
        assert_eq!(says("either"), "one event of export, several or new_network");
        assert_eq!(unless("either"), "no event of export, several or new_network");
        assert!(
            says("both").ends_with("new_network and several by the same actor.user.name within 12h, in this order")
        );
        assert_eq!(set.unless(set.get("both").expect("it is there")).len(), 3, "either is missing, or the order is");
        let new = unless("new_network");
        for part in ["in the 30d before", "more than 12h before", "fewer than 7 days, or fewer than 20 events"] {
            assert!(new.contains(part), "{new}");
        }
        assert_eq!(says("export"), "one event that it selects: it looks at activity_name");
    }
}
