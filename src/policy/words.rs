//! Policies in plain words: what makes one fire, and what would have kept it from firing.
use super::correlation::{Comparison, Correlation, CorrelationKind as Kind, Range};
use super::expected::offset_text;
use super::extension::{Absence, Amount, Baseline, Learning, NewValue, Risk, Travel};
use super::{Body, FieldRef, Matcher, Policy, PolicySet};
use crate::model::Text;
use crate::model::id::hex;

impl Range {
    /// What is not within, for a person: where it holds for `at least 3`, this says `fewer than 3`.
    pub fn otherwise(&self) -> String {
        let words = self.bounds.iter().map(|(comparison, bound)| {
            let words = match comparison {
                Comparison::Gt => "at most",
                Comparison::Gte => "fewer than",
                Comparison::Lt => "at least",
                Comparison::Lte => "more than",
                Comparison::Eq => "other than",
                Comparison::Neq => "exactly",
            };
            format!("{words} {bound}")
        });
        words.collect::<Vec<_>>().join(" or ")
    }

    /// Whether a single one is enough, and more never too many.
    pub fn one_is_enough(&self) -> bool {
        self.only_from_below() && self.holds(1.0)
    }
}

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
            Body::Correlation(correlation) => self.correlates(correlation),
        }
    }

    /// What would have kept it from firing, each enough by itself.
    pub fn unless(&self, policy: &Policy) -> Vec<String> {
        match &policy.body {
            Body::Detection(matcher) => {
                vec![format!("no event that it selects: {}", self.selects(matcher))]
            }
            Body::Correlation(correlation) => self.breaks(correlation),
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

    fn correlates(&self, c: &Correlation) -> String {
        let (by, within) = (self.by(c), format!("within {}", offset_text(c.timespan)));
        let (any, each) = (self.rules_of(c, " or "), self.rules_of(c, " and "));
        match &c.kind {
            Kind::EventCount(range) if range.one_is_enough() => format!("one event of {any}"),
            Kind::EventCount(range) => format!("{range} events of {any}{by} {within}"),
            Kind::ValueCount { fields, range } => {
                format!("{range} different {} in events of {any}{by} {within}", self.tuple_of(fields))
            }
            Kind::ValueSum { field, range } => {
                format!("a sum of {} of {range} in events of {any}{by} {within}", self.name(field))
            }
            Kind::Temporal { ordered, range: None } => {
                let order = if *ordered { ", in this order" } else { "" };
                format!("an event of each of {each}{by} {within}{order}")
            }
            Kind::Temporal { range: Some(range), .. } => format!("events of {range} of {each}{by} {within}"),
            Kind::NewValue(new) => self.new_value(c, new),
            Kind::Travel(t) => format!(
                "two events of {any}{by} {within} from places at least {} km apart, with so little time between them that it takes at least {} km/h",
                t.distance_km, t.speed_kmh
            ),
            Kind::Concurrent(k) => {
                format!(
                    "{} that come back after another one {} times in events of {any}{by} {within}",
                    self.tuple_of(&k.fields),
                    k.range
                )
            }
            Kind::Baseline(base) => self.baseline(c, base),
            Kind::Absence(absence) => self.absence(c, absence),
            Kind::Risk(risk) => {
                format!("signs that weigh {} together{by} {within}: {}", risk.range, self.weighed(c, risk))
            }
            // whatever else there is to look for
            kind => format!("its condition on {} in events of {any}{by} {within}", self.tuple_of(kind.fields())),
        }
    }

    fn breaks(&self, c: &Correlation) -> Vec<String> {
        let (by, within) = (self.by(c), format!("within {}", offset_text(c.timespan)));
        let any = self.rules_of(c, " or ");
        let each = |what: &dyn Fn(&str) -> String| c.rules.iter().map(|r| what(&self.rules[*r].name)).collect();
        match &c.kind {
            Kind::EventCount(range) if range.one_is_enough() => vec![format!("no event of {any}")],
            Kind::EventCount(range) => vec![format!("{} events of {any}{by} {within}", range.otherwise())],
            Kind::ValueCount { fields, range } => {
                vec![format!("{} different {}{by} {within}", range.otherwise(), self.tuple_of(fields))]
            }
            Kind::ValueSum { field, range } => {
                vec![format!("a sum of {} of {}{by} {within}", self.name(field), range.otherwise())]
            }
            Kind::Temporal { ordered, range: None } => {
                let mut ways: Vec<String> = each(&|rule| format!("no event of {rule}{by} {within} of the others"));
                ways.extend(ordered.then(|| "the same in another order".to_owned()));
                ways
            }
            Kind::Temporal { range: Some(range), .. } => {
                vec![format!("events of {} of {}{by} {within}", range.otherwise(), self.rules_of(c, " and "))]
            }
            Kind::NewValue(new) => self.not_new(c, new),
            Kind::Travel(travel) => self.no_travel(c, travel),
            Kind::Concurrent(k) => {
                vec![format!("{} that come back {} times{by} {within}", self.tuple_of(&k.fields), k.range.otherwise())]
            }
            Kind::Baseline(base) => vec![
                format!("an amount that is {} times what is usual", base.range.otherwise()),
                format!("an amount below {}, however little is usual", base.floor),
                still_learning(&base.learning, "the same entity"),
            ],
            Kind::Absence(absence) => vec![
                format!("an event of {}{by} {within}", self.rule(c, 0)),
                format!("{} events of the others in that time", absence.range.otherwise()),
            ],
            Kind::Risk(risk) => vec![format!("signs that weigh {} together{by} {within}", risk.range.otherwise())],
            kind => vec![format!("its condition on {} not met{by} {within}", self.tuple_of(kind.fields()))],
        }
    }

    fn new_value(&self, c: &Correlation, new: &NewValue) -> String {
        let Learning { days, observations } = new.learning;
        let (value, history) = (self.tuple_of(&new.fields), offset_text(c.timespan));
        let mut says = format!(
            "{value} in an event of {}, not used{} in the {history} before, once that has been watched for {days} days and {observations} events",
            self.rules_of(c, " or "),
            self.by(c)
        );
        if new.new_for.0 > 0 {
            says += &format!("; it counts as new for {}", offset_text(new.new_for));
        }
        if let Some(crowd) = &new.crowd {
            says += &format!("; what {} others use within {} is not new", crowd.entities, offset_text(crowd.within));
        }
        says
    }

    fn not_new(&self, c: &Correlation, new: &NewValue) -> Vec<String> {
        let (value, history, by) = (self.tuple_of(&new.fields), offset_text(c.timespan), self.by(c));
        let mut ways = vec![format!("the same {value} used{by} in the {history} before")];
        if new.new_for.0 > 0 {
            ways.push(format!("its first use more than {} before", offset_text(new.new_for)));
        }
        ways.push(still_learning(&new.learning, "the same entity"));
        ways.extend(
            new.crowd.map(|crowd| format!("{} others who use it within {}", crowd.entities, offset_text(crowd.within))),
        );
        ways
    }

    fn no_travel(&self, c: &Correlation, travel: &Travel) -> Vec<String> {
        let mut ways = vec![
            format!("two places less than {} km apart", travel.distance_km),
            format!("so much time between them that less than {} km/h is enough", travel.speed_kmh),
            format!("that way gone{} in the {} before", self.by(c), offset_text(c.timespan)),
            still_learning(&travel.learning, "the same entity"),
        ];
        let shared = |n: u32| format!("a network that {n} others use too: it tells nothing of where somebody is");
        ways.extend(travel.crowd.map(|crowd| shared(crowd.entities)));
        ways
    }

    fn baseline(&self, c: &Correlation, base: &Baseline) -> String {
        let what = match &base.measure {
            Amount::Count => "events".to_owned(),
            Amount::Sum(field) => format!("the sum of {}", self.name(field)),
            Amount::Distinct(fields) => format!("different {}", self.tuple_of(fields)),
        };
        let peers = match base.peers.is_empty() {
            true => String::new(),
            false => format!(", and of those with the same {}", self.tuple_of(&base.peers)),
        };
        format!(
            "{what} of {}{} within {}: {} times what is usual on a day (percentile {} of {}{peers}), and {} or more",
            self.rules_of(c, " or "),
            self.by(c),
            offset_text(c.timespan),
            base.range,
            base.percentile,
            offset_text(base.history),
            base.floor
        )
    }

    fn absence(&self, c: &Correlation, absence: &Absence) -> String {
        let others: Vec<&str> = c.rules.iter().skip(1).map(|r| &*self.rules[*r].name).collect();
        format!(
            "no event of {}{} within {}, and {} events of {} in that time",
            self.rule(c, 0),
            self.by(c),
            offset_text(c.timespan),
            absence.range,
            others.join(" or ")
        )
    }

    fn weighed(&self, c: &Correlation, risk: &Risk) -> String {
        let one = |(rule, weight): (&usize, &f64)| format!("{} ({weight})", self.rules[*rule].name);
        c.rules.iter().zip(&risk.weights).map(one).collect::<Vec<_>>().join(", ")
    }

    /// Of whom: nothing where all are counted together.
    fn by(&self, c: &Correlation) -> String {
        let keys: Vec<&str> = c.group_by.iter().map(|k| &*k.name).collect();
        if keys.is_empty() { String::new() } else { format!(" by the same {}", keys.join(" + ")) }
    }

    fn rule(&self, c: &Correlation, via: usize) -> &str {
        c.rules.get(via).map_or("nothing", |rule| &*self.rules[*rule].name)
    }

    fn rules_of(&self, c: &Correlation, last: &str) -> String {
        let names: Vec<&str> = c.rules.iter().map(|rule| &*self.rules[*rule].name).collect();
        enumerate(&names, last)
    }

    fn list<'f>(&self, fields: impl Iterator<Item = &'f FieldRef>, last: &str) -> String {
        enumerate(&fields.map(|f| self.name(f)).collect::<Vec<_>>(), last)
    }

    /// The names of a tuple of fields, as policies write them.
    pub fn tuple_of(&self, fields: &[FieldRef]) -> String {
        let names: Vec<&str> = fields.iter().map(|f| self.name(f)).collect();
        if names.is_empty() { "events".to_owned() } else { names.join(" + ") }
    }

    fn name(&self, field: &FieldRef) -> &str {
        field.name(&self.raw_fields)
    }
}

fn still_learning(learning: &Learning, whom: &str) -> String {
    format!(
        "fewer than {} days, or fewer than {} events, for which {whom} has been watched",
        learning.days, learning.observations
    )
}

/// `a, b and c`.
fn enumerate(names: &[&str], last: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., end] => format!("{}{last}{end}", most.join(", ")),
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
