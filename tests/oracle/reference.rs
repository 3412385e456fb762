//! What policies mean, worked out slowly: every act is kept, and all is reckoned anew for each.
//!
//! Written from the Sigma correlation rules specification 2.1.0 and from what the project documents of its own, not from
//! the engine. Where those leave something open, the reading that is tested here stands beside the code.
use super::ours;
use std::collections::{BTreeMap, BTreeSet};

/// One act, as far as the policies of these tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Milliseconds since 1970.
    pub time: i64,
    /// Tells acts apart.
    pub id: u32,
    /// An index into [`ACTIVITIES`].
    pub activity: usize,
    pub user: Option<u8>,
    pub ip: Option<u8>,
    pub customer: Option<u8>,
    pub records: Option<u64>,
    /// Whom it is done to.
    pub target: Option<u8>,
    /// An index into [`ours::PLACES`].
    pub place: Option<usize>,
}

pub const ACTIVITIES: [&str; 4] = ["login", "view", "export_requested", "download"];

/// A field whose values tell entities or values apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    User,
    Ip,
    Customer,
    /// Only where an alias says so.
    Target,
    /// Every second user has the other role. Only where peers are told by it.
    Role,
}

impl Name {
    pub const ALL: [Name; 3] = [Name::User, Name::Ip, Name::Customer];

    pub fn path(self) -> &'static str {
        match self {
            Name::User => "actor.user.name",
            Name::Ip => "src_endpoint.ip",
            Name::Customer => "resource.owner.org.uid",
            Name::Target => "user.name",
            Name::Role => "actor.user.role",
        }
    }

    pub fn of(self, act: &Act) -> Option<String> {
        match self {
            Name::User => act.user.map(|n| format!("u{n}")),
            Name::Ip => act.ip.map(|n| format!("192.0.2.{n}")),
            Name::Customer => act.customer.map(|n| format!("AC{n}")),
            Name::Target => act.target.map(|n| format!("u{n}")),
            Name::Role => act.user.map(|n| format!("role{}", n % 2)),
        }
    }
}

/// A comparison with its bound.
#[derive(Clone, Copy, Debug)]
pub struct Bound(pub &'static str, pub u32);

#[derive(Clone, Debug)]
pub enum Kind {
    EventCount(Vec<Bound>),
    ValueCount(Vec<Name>, Vec<Bound>),
    Sum(Vec<Bound>),
    Avg(Vec<Bound>),
    Percentile(Option<u32>, Vec<Bound>),
    Temporal { ordered: bool, bounds: Vec<Bound> },
    NewValue { fields: Vec<Name>, days: u32, observations: u32, new_for_seconds: u32 },
    Travel(ours::Travel),
    /// Without bounds: once.
    Concurrent(Vec<Name>, Vec<Bound>),
    Baseline(ours::Baseline),
    Absence(Vec<Bound>),
    Risk(ours::Risk),
}

#[derive(Clone, Debug)]
pub enum Body {
    Detection { activities: Vec<usize>, customer: Option<u8>, at_least: Option<u32> },
    /// `who`: for each of the rules the field that is called so in `group-by`; empty where there is no such alias.
    Correlation { kind: Kind, rules: Vec<usize>, who: Vec<Name>, by: Vec<Name>, span_seconds: u32 },
}

/// A policy; those that it refers to come before it. All of them make findings.
#[derive(Clone, Debug)]
pub struct Policy {
    pub body: Body,
    pub episode_seconds: Option<u32>,
}

/// Policy, entity and episode.
pub type Finding = (usize, String, i64);

/// What comes to a correlation: when, of which act, by which of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub time: i64,
    pub act: usize,
    pub via: usize,
}

/// What comes to each entity of a correlation, in the order of time.
pub type Groups = BTreeMap<String, Vec<Hit>>;

/// Of whom a policy holds, and at which act.
pub type Held = Vec<(String, usize)>;

/// All findings of acts that come in the order of their times; nothing where it depends on how exactly something is meant.
pub fn findings(policies: &[Policy], acts: &[Act]) -> Option<BTreeSet<Finding>> {
    let held = held(policies, acts)?;
    let of = |(number, held): (usize, &Held)| held.iter().map(|(e, a)| finding(policies, number, e, &acts[*a])).collect();
    Some(held.iter().enumerate().flat_map(|one| -> Vec<Finding> { of(one) }).collect())
}

/// What is found where the policy holds of `entity` at `act`.
pub fn finding(policies: &[Policy], number: usize, entity: &str, act: &Act) -> Finding {
    let usual = match &policies[number].body {
        Body::Detection { .. } => 3600,
        Body::Correlation { span_seconds, .. } => (*span_seconds).clamp(3600, 86_400),
    };
    let episode = i64::from(policies[number].episode_seconds.unwrap_or(usual)) * 1000;
    (number, entity.to_owned(), act.time.div_euclid(episode))
}

/// Of whom and at which acts each policy holds; nothing where it depends on how exactly something is meant.
pub fn held(policies: &[Policy], acts: &[Act]) -> Option<Vec<Held>> {
    let mut all: Vec<Held> = Vec::new();
    // for each policy, the acts at which it holds
    let mut holds: Vec<Vec<usize>> = Vec::new();
    for policy in policies {
        let held = match &policy.body {
            Body::Detection { .. } => {
                let held = (0..acts.len()).filter(|a| matches(&policy.body, &acts[*a]));
                held.map(|a| (subject(&acts[a]), a)).collect()
            }
            Body::Correlation { kind, rules, who, by, span_seconds } => {
                let groups = groups(rules, who, by, acts, &holds);
                let span = i64::from(*span_seconds) * 1000;
                match kind {
                    Kind::Travel(travel) => travel.held(&groups, acts, span)?,
                    Kind::Baseline(baseline) => baseline.held(&groups, acts, span)?,
                    _ => of_each(kind, rules.len(), &groups, acts, span)?,
                }
            }
        };
        let at: BTreeSet<usize> = held.iter().map(|(_, a)| *a).collect();
        holds.push(at.into_iter().collect());
        all.push(held);
    }
    Some(all)
}

/// Of whom a condition holds for which an entity's own past is all that matters.
fn of_each(kind: &Kind, rules: usize, groups: &Groups, acts: &[Act], span: i64) -> Option<Held> {
    let mut held = Vec::new();
    for (entity, hits) in groups {
        let holds = |n: usize| condition(kind, rules, &hits[..=n], acts, span);
        for one in hits.chunk_by(|a, b| a.act == b.act) {
            let end = hits.partition_point(|h| (h.time, h.act) <= (one[0].time, one[0].act));
            let all = (end - one.len()..end).map(holds).collect::<Option<Vec<bool>>>()?;
            // whether it is asked between the first and the second that one act brings, nobody says
            if all.contains(&true) && !all.ends_with(&[true]) {
                return None;
            }
            held.extend(all.ends_with(&[true]).then(|| (entity.clone(), one[0].act)));
        }
    }
    Some(held)
}

fn matches(body: &Body, act: &Act) -> bool {
    let Body::Detection { activities, customer, at_least } = body else { return false };
    activities.contains(&act.activity)
        && customer.is_none_or(|c| act.customer == Some(c))
        && at_least.is_none_or(|n| act.records.is_some_and(|r| r >= u64::from(n)))
}

/// What comes to a correlation, for each of its entities in the order of time. An act that lacks a field to group by comes
/// to none. An act that fits two of the rules comes twice, in the order of the rules.
fn groups(rules: &[usize], who: &[Name], by: &[Name], acts: &[Act], holds: &[Vec<usize>]) -> Groups {
    let mut groups = Groups::new();
    for (via, rule) in rules.iter().enumerate() {
        // of a correlation, the act at which it holds is taken up with its own fields (Sigma, note on temporal_ordered)
        for &act in &holds[*rule] {
            // an alias is another field in each of the rules, and the entity is called by it
            let alias = who.get(via).map(|name| ("who", *name));
            let named = alias.into_iter().chain(by.iter().map(|name| (name.path(), *name)));
            let values: Option<Vec<String>> =
                named.map(|(called, name)| Some(format!("{called}={}", name.of(&acts[act])?))).collect();
            let Some(values) = values else { continue };
            let entity = if values.is_empty() { "the organisation".to_owned() } else { values.join(" ") };
            groups.entry(entity).or_default().push(Hit { time: acts[act].time, act, via });
        }
    }
    groups.values_mut().for_each(|hits| hits.sort());
    groups
}

/// Whether the condition holds at the last of the hits. It is asked when something comes, and at no other time: that nothing
/// came (`lt: 1`) no stream can say. Nothing where it depends on how exactly something is meant:
///
/// - Of a run of equal values or rules the engine keeps the first and the last, and where the last is kept it takes up
///   none that comes within a 32nd of the timespan after it, so that a page view costs no write. What counts which values
///   or rules there were may so look back a 32nd less far.
/// - Whether one act can be two steps of a sequence, the specification does not say.
fn condition(kind: &Kind, rules: usize, hits: &[Hit], acts: &[Act], span: i64) -> Option<bool> {
    let Some(last) = hits.last() else { return Some(false) };
    // the timespan is open at its start: what is exactly so long ago is outside
    let since = |span: i64| -> Vec<Hit> {
        hits.iter().copied().filter(|h| h.time > last.time - span && h.time <= last.time).collect()
    };
    let within = since(span);
    let agree = |holds: &dyn Fn(&[Hit]) -> bool| {
        let exact = holds(&within);
        (exact == holds(&since(span - span / 32))).then_some(exact)
    };
    let records: Vec<u64> = within.iter().filter_map(|h| acts[h.act].records).collect();
    let has_records = acts[last.act].records.is_some();
    Some(match kind {
        Kind::EventCount(bounds) => in_range(bounds, within.len() as f64),
        // an act without one of the fields says nothing
        Kind::ValueCount(fields, bounds) => {
            let tuple = |h: &Hit| fields.iter().map(|f| f.of(&acts[h.act])).collect::<Option<Vec<_>>>();
            let different = |hits: &[Hit]| hits.iter().filter_map(tuple).collect::<BTreeSet<_>>().len();
            tuple(last).is_some() && agree(&|hits| in_range(bounds, different(hits) as f64))?
        }
        Kind::Sum(bounds) => has_records && in_range(bounds, records.iter().sum::<u64>() as f64),
        Kind::Avg(bounds) => has_records && in_range(bounds, records.iter().sum::<u64>() as f64 / records.len() as f64),
        Kind::Percentile(percentile, bounds) => has_records && in_range(bounds, of_rank(&records, *percentile)),
        Kind::Temporal { ordered, bounds } => {
            let different = |hits: &[Hit]| hits.iter().map(|h| h.via).collect::<BTreeSet<_>>().len();
            let all = [Bound("gte", rules as u32)];
            let bounds = if bounds.is_empty() { &all[..] } else { &bounds[..] };
            // of a sequence, how many of its steps were taken in order
            let steps = |hits: &[Hit], apart| (1..=rules).rev().find(|n| in_order(hits, *n, apart)).unwrap_or(0);
            let count = |hits: &[Hit], apart| if *ordered { steps(hits, apart) } else { different(hits) };
            let holds = agree(&|hits| in_range(bounds, count(hits, 0) as f64))?;
            if holds != in_range(bounds, count(&within, 1) as f64) {
                return None;
            }
            holds
        }
        Kind::NewValue { fields, days, observations, new_for_seconds } => {
            let terms = (i64::from(*days) * 86_400_000, *observations as usize, i64::from(*new_for_seconds) * 1000);
            is_new(fields, terms, hits, acts, span)
        }
        Kind::Concurrent(fields, bounds) => ours::alternate(fields, bounds, hits, acts, span)?,
        Kind::Absence(bounds) => ours::is_absent(bounds, hits, span),
        Kind::Risk(risk) => risk.holds(hits, span)?,
        Kind::Travel(_) | Kind::Baseline(_) => unreachable!("others than the entity matter to these"),
    })
}

pub fn in_range(bounds: &[Bound], value: f64) -> bool {
    bounds.iter().all(|Bound(comparison, bound)| {
        let bound = f64::from(*bound);
        match *comparison {
            "gt" => value > bound,
            "gte" => value >= bound,
            "lt" => value < bound,
            "lte" => value <= bound,
            "eq" => value == bound,
            _ => value != bound,
        }
    })
}

/// Whether there is an act of each rule such that they follow one another in the order of the rules, each so many acts after
/// the one before at least.
fn in_order(within: &[Hit], rules: usize, apart: usize) -> bool {
    fn from(rule: usize, rules: usize, rest: &[Hit], apart: usize, after: usize) -> bool {
        let next = |n: usize| {
            rest[n].via == rule
                && rest[n].act >= after
                && from(rule + 1, rules, &rest[n + 1..], apart, rest[n].act + apart)
        };
        rule == rules || (0..rest.len()).any(next)
    }
    from(0, rules, within, apart, 0)
}

/// The percentile by nearest rank; without one, in percent, how many of the values are not larger than the last.
fn of_rank(values: &[u64], percentile: Option<u32>) -> f64 {
    let last = *values.last().unwrap_or(&0);
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    match percentile {
        // the smallest value such that at least so many percent are not larger
        Some(p) => {
            let not_larger = |v: u64| values.iter().filter(|w| **w <= v).count() as f64;
            let enough = |v: &&u64| not_larger(**v) * 100.0 >= f64::from(p) * values.len() as f64;
            sorted.iter().find(enough).copied().unwrap_or(0) as f64
        }
        None => 100.0 * values.iter().filter(|v| **v <= last).count() as f64 / values.len() as f64,
    }
}

/// Whether the last hit shows a value that is new for its entity: not seen within the history, when the entity had been
/// watched for so many days and in so many observations; and for so long after it was first seen.
fn is_new(
    fields: &[Name],
    (learn, observations, new_for): (i64, usize, i64),
    hits: &[Hit],
    acts: &[Act],
    history: i64,
) -> bool {
    let value = |h: &Hit| fields.iter().map(|f| f.of(&acts[h.act])).collect::<Option<Vec<_>>>();
    // an act is one sight, by however many of the rules
    let mut each = hits.to_vec();
    each.dedup_by_key(|h| h.act);
    let sights: Vec<(i64, Vec<String>)> = each.iter().filter_map(|h| Some((h.time, value(h)?))).collect();
    let (Some(last), Some((since, _))) = (hits.last().and_then(value), sights.first()) else { return false };
    // last sights are kept to a 32nd of the history, so that a page view costs no write: a value may be forgotten so much early
    let grain = (history / 32).max(1);
    let mut first_sight = None;
    let mut last_sight = i64::MIN / 2;
    for (n, (time, value)) in sights.iter().enumerate() {
        if *value == last {
            if first_sight.is_none() || time - last_sight > history {
                first_sight = Some((*time, time - since >= learn && n >= observations));
            }
            last_sight = last_sight.max(time - time.rem_euclid(grain));
        }
    }
    let now = sights.last().map_or(0, |(time, _)| *time);
    first_sight.is_some_and(|(first, learned)| learned && now - first <= new_for)
}

/// Whom a detection speaks of: the actor, else the address.
fn subject(act: &Act) -> String {
    let named = [Name::User, Name::Ip].into_iter().find_map(|name| Some(format!("{}={}", name.path(), name.of(act)?)));
    named.unwrap_or_else(|| "nobody named".into())
}
