//! Who was met in old lines, and how much of them: what each policy that learns still lacks for whom.
use crate::model::{Activity, ActorKind, Event, EventTime, Millis, Outcome, Text, Vouched};
use crate::operator::{Learning, Terms, each};
use crate::policy::{Body, PolicySet};
use std::collections::BTreeMap;

/// What tells kinds of events apart well enough to say which policies look at them.
type Sort = (Option<ActorKind>, Option<Text>, Activity, Outcome, Option<Vouched>);

/// Who was met.
#[derive(Default)]
pub struct Met {
    /// One event of each sort.
    sorts: BTreeMap<Sort, (usize, Event)>,
    /// When each was first met in an event of each sort, and how often.
    actors: BTreeMap<(ActorKind, Text), BTreeMap<usize, (EventTime, u64)>>,
    last: Option<EventTime>,
}

/// How far a policy that learns has come.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Lacks {
    /// The policy.
    pub policy: String,
    /// How many days it learns before it speaks.
    pub days: u32,
    /// How many people and keys it looks at.
    pub of: usize,
    /// How many of them it knows for long and well enough.
    pub learned: usize,
    /// How many lack so many days more; 0: only more observations.
    pub lacking: BTreeMap<u32, usize>,
}

impl Met {
    /// Takes note of an event.
    pub fn meet(&mut self, event: &Event) {
        self.last = self.last.max(Some(event.time));
        let Some(actor) = &event.actor else { return };
        let vouched = event.session.as_ref().map(|s| s.vouched);
        let sort = (Some(actor.kind), actor.role.clone(), event.activity, event.outcome, vouched);
        let next = self.sorts.len();
        let (number, _) = self.sorts.entry(sort).or_insert_with(|| (next, event.clone()));
        let sights = self.actors.entry((actor.kind, actor.name.clone())).or_default();
        let (first, count) = sights.entry(*number).or_insert((event.time, 0));
        *first = (*first).min(event.time);
        *count += 1;
    }

    /// How many actors of that kind were met.
    pub fn count(&self, kind: ActorKind) -> usize {
        self.actors.keys().filter(|(k, _)| *k == kind).count()
    }

    /// What the policies of `set` that learn about single actors lack. Reckoned from who was met when in which sort of event.
    pub fn lacks(&self, set: &PolicySet) -> Vec<Lacks> {
        let mut all = Vec::new();
        for policy in &set.rules {
            let Body::Correlation(correlation) = &policy.body else { continue };
            let Some(learning) = each!(&correlation.kind, operator => operator.learning()) else { continue };
            if !correlation.group_by.iter().any(|key| &*key.name == "actor.user.name") {
                continue;
            }
            let rules: Vec<_> = correlation.rules.iter().filter_map(|i| set.rules.get(*i)).collect();
            let selects = |event: &Event| {
                rules.iter().any(|rule| if let Body::Detection(m) = &rule.body { m.matches(event) } else { false })
            };
            let chosen: Vec<usize> = self.sorts.values().filter(|(_, e)| selects(e)).map(|(n, _)| *n).collect();
            let lacks = self.lack(policy.name.to_string(), learning, &chosen);
            all.extend((lacks.of > 0).then_some(lacks));
        }
        all
    }

    fn lack(&self, policy: String, learning: Learning, sorts: &[usize]) -> Lacks {
        let mut lacks = Lacks { policy, days: learning.days, of: 0, learned: 0, lacking: BTreeMap::new() };
        let end = self.last.unwrap_or_default();
        for sights in self.actors.values() {
            let mine: Vec<_> = sorts.iter().filter_map(|n| sights.get(n)).collect();
            let Some(first) = mine.iter().map(|(first, _)| *first).min() else { continue };
            let count: u64 = mine.iter().map(|(_, count)| count).sum();
            lacks.of += 1;
            let wanted = Millis::DAY.times(learning.days.into());
            let rest = wanted.0.saturating_sub(end.since(first).0).max(0);
            if rest == 0 && count >= u64::from(learning.observations) {
                lacks.learned += 1;
            } else {
                let days = u32::try_from((rest + Millis::DAY.0 - 1) / Millis::DAY.0).unwrap_or(u32::MAX);
                *lacks.lacking.entry(days).or_default() += 1;
            }
        }
        lacks
    }
}
