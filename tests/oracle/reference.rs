//! What policies mean, worked out slowly: every act is kept, and all is reckoned anew for each.
//!
//! Written from the Sigma correlation rules specification 2.1.0 and from what the project documents of its own, not from
//! the engine. Where those leave something open, the reading that is tested here stands beside the code.
use super::arrival::{counted, told};
use super::ours;
use std::collections::{BTreeMap, BTreeSet};

pub const DAY: i64 = 86_400_000;
/// One act, as far as the policies of these tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Milliseconds since 1970, as its trail states it.
    pub time: i64,
    /// When it is read.
    pub observed: i64,
    /// By which trail.
    pub trail: u8,
    /// Tells acts apart.
    pub id: u32,
    /// An index into [`ACTIVITIES`].
    pub activity: usize,
    pub user: Option<u8>,
    /// Only a client says that it was that user.
    pub claimed: bool,
    pub ip: Option<u8>,
    pub customer: Option<u8>,
    pub records: Option<u64>,
    /// Whom it is done to.
    pub target: Option<u8>,
    /// An index into [`ours::PLACES`].
    pub place: Option<usize>,
    /// It states no time: it counts when it is read.
    pub undated: bool,
    /// Nor does that say when it was: it counts by itself alone ([`counted`] says so).
    pub unplaced: bool,
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
    /// Who vouches for the user.
    Voucher,
}

impl Name {
    pub const ALL: [Name; 4] = [Name::User, Name::Ip, Name::Customer, Name::Voucher];

    pub fn path(self) -> &'static str {
        match self {
            Name::User => "actor.user.name",
            Name::Ip => "src_endpoint.ip",
            Name::Customer => "resource.owner.org.uid",
            Name::Target => "user.name",
            Name::Role => "actor.user.role",
            Name::Voucher => "actor.user.vouched_by",
        }
    }

    pub fn of(self, act: &Act) -> Option<String> {
        match self {
            Name::User => act.user.map(|n| format!("u{n}")),
            Name::Ip => act.ip.map(|n| format!("192.0.2.{n}")),
            Name::Customer => act.customer.map(|n| format!("AC{n}")),
            Name::Target => act.target.map(|n| format!("u{n}")),
            Name::Role => act.user.map(|n| format!("role{}", n % 2)),
            Name::Voucher => act.user.map(|_| if act.claimed { "client" } else { "server" }.to_owned()),
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
    Median(Vec<Bound>),
    Percentile(Option<u32>, Vec<Bound>),
    Temporal {
        ordered: bool,
        bounds: Vec<Bound>,
    },
    /// The last of three rules or more interrupts the others.
    Sequence,
    NewValue {
        fields: Vec<Name>,
        days: u32,
        observations: u32,
        new_for_seconds: u32,
    },
    Travel(ours::Travel),
    /// Without bounds: once.
    Concurrent(Vec<Name>, Vec<Bound>),
    Baseline(ours::Baseline),
    Absence(Vec<Bound>),
    Risk(ours::Risk),
}

#[derive(Clone, Debug)]
pub enum Body {
    Detection {
        activities: Vec<usize>,
        customer: Option<u8>,
        at_least: Option<u32>,
        /// Who vouches for the user: a client, or a server.
        claimed: Option<bool>,
    },
    /// `who`: for each of the rules the field that is called so in `group-by`; empty where there is no such alias.
    Correlation { kind: Kind, rules: Vec<usize>, who: Vec<Name>, by: Vec<Name>, span_seconds: u32 },
}

/// A policy; those that it refers to come before it. All of them make findings.
#[derive(Clone, Debug)]
pub struct Policy {
    pub body: Body,
    pub episode_seconds: Option<u32>,
    pub scope: Scope,
    /// Its findings ask for something to be done.
    pub asks: bool,
}

/// The acts that findings are made of; without a selection all.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// One of these has this value.
    pub only: Vec<(Name, String)>,
    /// None of these has.
    pub except: Vec<(Name, String)>,
}

/// Policy, entity and episode.
pub type Finding = (usize, String, i64);

/// What comes to a correlation: when, of which act, by which of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub time: i64,
    /// Ties are broken by what tells acts apart.
    pub id: u32,
    pub via: usize,
    /// The place among those that arrived.
    pub act: usize,
}

/// What comes to each entity of a correlation, in the order of arrival.
pub type Groups = BTreeMap<String, Vec<Hit>>;

/// A policy holds.
#[derive(Clone, Debug)]
pub struct Held {
    pub entity: String,
    /// The act by whose arrival that is known.
    pub act: usize,
    /// The time at which it holds.
    pub time: i64,
    /// Otherwise what is written leaves open whether it holds.
    pub sure: bool,
    /// It is sure that no other time is known first.
    pub at_once: bool,
}

impl Held {
    /// Nothing where it does not hold. An act that several of the rules select brings several answers: the last one is the
    /// answer, and whether it is asked before that, nobody says.
    pub fn of(entity: &str, act: usize, time: i64, answers: &[Option<bool>]) -> Option<Held> {
        let sure = answers.ends_with(&[Some(true)]);
        let open = answers.iter().any(|answer| *answer != Some(false));
        let at_once = answers.iter().all(|answer| *answer == Some(true));
        (sure || open).then(|| Held { entity: entity.to_owned(), act, time, sure, at_once })
    }
}

/// The answer that all readings give.
pub fn agreed(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut answers = answers.into_iter();
    let first = answers.next()?;
    answers.all(|answer| answer == first).then_some(first).flatten()
}

/// What has to be found, and what may be.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// With its time where that is beyond doubt.
    pub must: BTreeMap<Finding, Option<i64>>,
    pub may: BTreeSet<Finding>,
    /// Policies of which nothing is known.
    pub unknown: BTreeSet<usize>,
}

/// All findings of acts that arrive in that order.
pub fn findings(policies: &[Policy], arrivals: &[Act]) -> Expected {
    let acts = counted(arrivals);
    let mut expected = Expected::default();
    for (number, held) in held(policies, &acts).into_iter().enumerate() {
        let Some(held) = held else {
            expected.unknown.insert(number);
            continue;
        };
        let mut open = BTreeSet::new();
        for one in held.into_iter().filter(|one| told(&policies[number], &acts[one.act])) {
            let finding = (number, one.entity, one.time.div_euclid(episode(&policies[number])));
            if !one.sure {
                open.insert(finding.clone());
                expected.may.insert(finding);
            } else {
                // what is known first is told, and that with the earliest of its times
                let time = (one.at_once && !open.contains(&finding)).then_some(one.time);
                expected.must.entry(finding).or_insert(time);
            }
        }
    }
    expected
}

/// In milliseconds.
pub fn episode(policy: &Policy) -> i64 {
    let usual = match &policy.body {
        Body::Detection { .. } => 3600,
        Body::Correlation { span_seconds, .. } => (*span_seconds).clamp(3600, 86_400),
    };
    i64::from(policy.episode_seconds.unwrap_or(usual)) * 1000
}

/// When and of whom each policy holds, in the order in which it becomes known; nothing where that is not written at all.
pub fn held(policies: &[Policy], acts: &[Act]) -> Vec<Option<Vec<Held>>> {
    let in_order = acts.is_sorted_by_key(|act| act.time);
    let mut all: Vec<Option<Vec<Held>>> = Vec::new();
    for policy in policies {
        let held = match &policy.body {
            Body::Detection { .. } => {
                let of =
                    |(n, act): (usize, &Act)| Held::of(&subject(act), n, act.time, &[Some(matches(&policy.body, act))]);
                Some(acts.iter().enumerate().filter_map(of).collect())
            }
            Body::Correlation { kind, rules, who, by, span_seconds } => {
                // what a late act's fields come to in a correlation of correlations is only said to be exact by the recorded order
                let plain = |rule: &usize| matches!(policies[*rule].body, Body::Detection { .. });
                let known = in_order || rules.iter().all(plain);
                groups(kind, rules, who, by, acts, &all).filter(|_| known).map(|groups| {
                    let span = i64::from(*span_seconds) * 1000;
                    match kind {
                        Kind::Travel(travel) => travel.held(&groups, acts, span),
                        Kind::Baseline(baseline) => baseline.held(&groups, acts, span),
                        Kind::Absence(bounds) => ours::absent(bounds, &groups, span),
                        Kind::NewValue { fields, days, observations, new_for_seconds } => {
                            let terms = New {
                                learn: i64::from(*days) * DAY,
                                observations: *observations as usize,
                                new_for: i64::from(*new_for_seconds) * 1000,
                                history: span,
                            };
                            terms.held(fields, &groups, acts)
                        }
                        _ => in_windows(kind, rules.len(), &groups, acts, span, in_order),
                    }
                })
            }
        };
        all.push(held);
    }
    all
}

pub fn matches(body: &Body, act: &Act) -> bool {
    let Body::Detection { activities, customer, at_least, claimed } = body else { return false };
    activities.contains(&act.activity)
        && customer.is_none_or(|c| act.customer == Some(c))
        && claimed.is_none_or(|claimed| act.user.is_some() && act.claimed == claimed)
        && at_least.is_none_or(|n| act.records.is_some_and(|r| r >= u64::from(n)))
}

/// What comes to a correlation, for each of its entities in the order of arrival. An act that lacks a field to group by
/// comes to none. An act that fits two of the rules comes twice, in the order of the rules. Nothing where it is open.
fn groups(
    kind: &Kind,
    rules: &[usize],
    who: &[Name],
    by: &[Name],
    acts: &[Act],
    held: &[Option<Vec<Held>>],
) -> Option<Groups> {
    let mut groups = Groups::new();
    for (via, rule) in rules.iter().enumerate() {
        let held = held[*rule].as_ref()?;
        if held.iter().any(|one| !one.sure) {
            return None;
        }
        // of a correlation, the act at which it holds is taken up with its own fields (Sigma, note on temporal_ordered)
        for act in held.iter().map(|one| one.act).collect::<BTreeSet<_>>() {
            let Act { time, id, unplaced, .. } = acts[act];
            // of which nobody knows when it was says nothing of what was together with others
            if unplaced && !one_is_enough(kind) {
                continue;
            }
            let Some(entity) = entity(who, by, via, &acts[act]) else { continue };
            groups.entry(entity).or_default().push(Hit { time, id, via, act });
        }
    }
    groups.values_mut().for_each(|hits| hits.sort_by_key(|h| (h.act, h.via)));
    Some(groups)
}

/// Who it is, as one of that of the rules; nothing where the act lacks a field.
pub fn entity(who: &[Name], by: &[Name], via: usize, act: &Act) -> Option<String> {
    // an alias is another field in each of the rules, and the entity is called by it
    let alias = who.get(via).map(|name| ("who", *name));
    let named = alias.into_iter().chain(by.iter().map(|name| (name.path(), *name)));
    let values: Option<Vec<String>> = named.map(|(called, name)| Some(format!("{called}={}", name.of(act)?))).collect();
    values.map(|values| if values.is_empty() { "the organisation".to_owned() } else { values.join(" ") })
}

/// "Or", as Sigma writes it: one event of any of the rules is enough, and is looked at alone.
pub fn one_is_enough(kind: &Kind) -> bool {
    let Kind::EventCount(bounds) = kind else { return false };
    bounds.iter().all(|Bound(comparison, _)| comparison.starts_with("gt")) && in_range(bounds, 1.0)
}

/// Of whom a condition over a window holds. With each arrival it is asked anew of the windows that the act is in; at no
/// other time: that nothing came (`lt: 1`) no stream can say.
fn in_windows(kind: &Kind, rules: usize, groups: &Groups, acts: &[Act], span: i64, in_order: bool) -> Vec<Held> {
    let mut held = Vec::new();
    for (entity, hits) in groups {
        let says: Vec<Hit> = hits.iter().copied().filter(|h| says_something(kind, &acts[h.act])).collect();
        let mut content: Vec<Hit> = Vec::new();
        for one in says.chunk_by(|a, b| a.act == b.act) {
            let (act, now) = (one[0].act, one[0].time);
            // whether it is asked between the first and the second that one act brings, nobody says
            let mut asked: BTreeMap<i64, Vec<Option<bool>>> = BTreeMap::new();
            for hit in one {
                content.push(*hit);
                content.sort();
                let until = if one_is_enough(kind) { now + 1 } else { now + span };
                for at in content.iter().map(|h| h.time).filter(|at| *at >= now && *at < until) {
                    let past: Vec<Hit> = content.iter().copied().filter(|h| h.time <= at).collect();
                    asked.entry(at).or_default().push(condition(kind, rules, &past, acts, span));
                }
            }
            for (time, mut answers) in asked {
                if !in_order && time > now && merges(kind) {
                    answers.iter_mut().filter(|answer| **answer == Some(true)).for_each(|answer| *answer = None);
                }
                held.extend(Held::of(entity, act, time, &answers));
            }
        }
    }
    held
}

/// Whether only which rules and values there were matters: of those a run is kept as few, and where something of before
/// the run comes late, later times at which it holds may be left out (`Window::insert` says so).
pub fn merges(kind: &Kind) -> bool {
    matches!(kind, Kind::ValueCount(..) | Kind::Temporal { .. } | Kind::Concurrent(..) | Kind::Risk(..))
}

/// An act without one of the fields says nothing.
pub fn says_something(kind: &Kind, act: &Act) -> bool {
    match kind {
        Kind::ValueCount(fields, _) | Kind::Concurrent(fields, _) => tuple(fields, act).is_some(),
        Kind::Sum(_) | Kind::Avg(_) | Kind::Median(_) | Kind::Percentile(..) => act.records.is_some(),
        _ => true,
    }
}

pub fn tuple(fields: &[Name], act: &Act) -> Option<Vec<String>> {
    fields.iter().map(|f| f.of(act)).collect()
}

/// Whether the condition holds at the last of the hits. Nothing where it depends on how exactly something is meant:
///
/// - Of a run of equal values or rules the engine keeps the first and the last, and where the last is kept it takes up
///   none that comes within a 32nd of the timespan after it, so that a page view costs no write. What counts which values
///   or rules there were may so look back a 32nd less far.
/// - Whether one act can be two steps of a sequence, the specification does not say; nor which of several acts of one moment came first.
pub fn condition(kind: &Kind, rules: usize, hits: &[Hit], acts: &[Act], span: i64) -> Option<bool> {
    let last = hits.last()?;
    // the timespan is open at its start: what is exactly so long ago is outside
    let since = |span: i64| -> Vec<Hit> { hits.iter().copied().filter(|h| h.time > last.time - span).collect() };
    let within = since(span);
    let agree = |holds: &dyn Fn(&[Hit]) -> bool| {
        let near = hits.iter().map(|h| last.time - h.time).filter(|ago| (span - span / 32..span).contains(ago));
        let exact = holds(&within);
        near.chain([span - span / 32]).all(|span| holds(&since(span)) == exact).then_some(exact)
    };
    let records: Vec<u64> = within.iter().filter_map(|h| acts[h.act].records).collect();
    let sum = records.iter().sum::<u64>() as f64;
    Some(match kind {
        Kind::EventCount(bounds) => in_range(bounds, within.len() as f64),
        Kind::ValueCount(fields, bounds) => {
            let different =
                |hits: &[Hit]| hits.iter().map(|h| tuple(fields, &acts[h.act])).collect::<BTreeSet<_>>().len();
            agree(&|hits| in_range(bounds, different(hits) as f64))?
        }
        Kind::Sum(bounds) => in_range(bounds, sum),
        Kind::Avg(bounds) => in_range(bounds, sum / records.len() as f64),
        // of two in the middle, what lies halfway
        Kind::Median(bounds) => {
            let mut sorted = records.clone();
            sorted.sort_unstable();
            let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
            in_range(bounds, low as f64 + (high - low) as f64 / 2.0)
        }
        Kind::Percentile(Some(percentile), bounds) => in_range(bounds, of_rank(&records, *percentile)),
        // "1% of all the processes": how many of all have the value that comes here; of several at once, any
        Kind::Percentile(None, bounds) => within.iter().filter(|h| h.time == last.time).any(|h| {
            let alike = within.iter().filter(|other| acts[other.act].records == acts[h.act].records).count();
            in_range(bounds, 100.0 * alike as f64 / within.len() as f64)
        }),
        Kind::Temporal { ordered, bounds } => {
            let different = |hits: &[Hit]| hits.iter().map(|h| h.via).collect::<BTreeSet<_>>().len();
            let all = [Bound("gte", rules as u32)];
            let bounds = if bounds.is_empty() { &all[..] } else { &bounds[..] };
            // of a sequence, how many of its steps were taken in order
            let steps = |hits: &[Hit], apart| (1..=rules).rev().find(|n| in_order(hits, *n, apart)).unwrap_or(0);
            let count = |hits: &[Hit], apart| if *ordered { steps(hits, apart) } else { different(hits) };
            let holds = agree(&|hits| in_range(bounds, count(hits, 0) as f64))?;
            let thinned = ours::thinned(&within, span / 32, |a, b| a.via == b.via);
            let others = [count(&within, 1), count(&thinned, 0)];
            if others.iter().any(|count| holds != in_range(bounds, *count as f64)) {
                return None;
            }
            holds
        }
        Kind::Sequence => {
            let (steps, interrupts) = (rules - 1, |h: &Hit| h.via == rules - 1);
            // whether an act can interrupt the step that it is, nobody says
            let both = |h: &Hit| interrupts(h) && within.iter().any(|other| other.act == h.act && !interrupts(other));
            if within.iter().any(both) {
                return None;
            }
            let since = within.iter().rposition(interrupts).map_or(0, |n| n + 1);
            let holds = in_order(&within[since..], steps, 0);
            (holds == in_order(&within[since..], steps, 1)).then_some(holds)?
        }
        Kind::Concurrent(fields, bounds) => {
            let alternates = |hits: &[Hit]| ours::alternates(fields, bounds, hits, acts);
            let same = |a: &Hit, b: &Hit| tuple(fields, &acts[a.act]) == tuple(fields, &acts[b.act]);
            let thinned = ours::thinned(&within, span / 32, same);
            // what happened in the same moment has no order
            let at_once = within.iter().any(|a| {
                within.iter().any(|b| a.time == b.time && tuple(fields, &acts[a.act]) != tuple(fields, &acts[b.act]))
            });
            agree(&alternates).filter(|holds| !at_once && *holds == alternates(&thinned))?
        }
        Kind::Risk(risk) => agree(&|hits| risk.is_heavy(hits))?,
        Kind::NewValue { .. } | Kind::Absence(_) | Kind::Travel(_) | Kind::Baseline(_) => {
            unreachable!("these have a state of their own")
        }
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

/// Whether there is an act of each rule such that they follow one another in the order of the rules, with `apart`
/// each another act than the one before.
fn in_order(within: &[Hit], rules: usize, apart: usize) -> bool {
    fn from(rule: usize, rules: usize, rest: &[Hit], apart: usize, before: Option<usize>) -> bool {
        let next = |n: usize| {
            rest[n].via == rule
                && (apart == 0 || Some(rest[n].act) != before)
                && from(rule + 1, rules, &rest[n + 1..], apart, Some(rest[n].act))
        };
        rule == rules || (0..rest.len()).any(next)
    }
    from(0, rules, within, apart, None)
}

/// The percentile by nearest rank: the smallest value such that at least so many percent are not larger.
fn of_rank(values: &[u64], percentile: u32) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let not_larger = |v: u64| values.iter().filter(|w| **w <= v).count() as f64;
    let enough = |v: &&u64| not_larger(**v) * 100.0 >= f64::from(percentile) * values.len() as f64;
    sorted.iter().find(enough).copied().unwrap_or(0) as f64
}

/// What it takes for a value to be new, in milliseconds.
struct New {
    learn: i64,
    observations: usize,
    new_for: i64,
    /// What is unseen for so long is forgotten.
    history: i64,
}

impl New {
    /// Of whom an act shows a value that is new: not seen within the history, when the entity had been watched for so many
    /// days and in so many observations; and for so long after it was first seen.
    fn held(&self, fields: &[Name], groups: &Groups, acts: &[Act]) -> Vec<Held> {
        let mut held = Vec::new();
        for (entity, hits) in groups {
            // an act is one sight, by however many of the rules
            let mut sights: Vec<Hit> = hits.iter().copied().filter(|h| tuple(fields, &acts[h.act]).is_some()).collect();
            sights.dedup_by_key(|h| h.act);
            for (n, here) in sights.iter().enumerate() {
                let arrived = &sights[..=n];
                let mut in_time: Vec<Hit> = arrived.iter().copied().filter(|h| h.time <= here.time).collect();
                // of the same moment, what arrived first
                in_time.sort_by_key(|h| (h.time, h.act));
                // a late sight is as new as it would have been in time; where it would not be to those who know what came
                // since, the recorded order decides
                let answer = agreed([arrived, &in_time].map(|sights| self.is_new(fields, sights, acts)));
                held.extend(Held::of(entity, here.act, here.time, &[answer]));
            }
        }
        held
    }

    /// Whether the last of the sights is of something new. Last sights are kept to a 32nd of the history, so that a page
    /// view costs no write: a value may be forgotten so much early, and where that matters, it is open.
    fn is_new(&self, fields: &[Name], sights: &[Hit], acts: &[Act]) -> Option<bool> {
        let value = |h: &Hit| tuple(fields, &acts[h.act]);
        let last = sights.last()?;
        let since = sights.iter().map(|h| h.time).min()?;
        // when it can have been first seen, and whether the learning was over by then
        let mut first: BTreeSet<Option<(i64, bool)>> = BTreeSet::from([None]);
        let mut newest: Option<i64> = None;
        for (n, sight) in sights.iter().enumerate().filter(|(_, h)| value(h) == value(last)) {
            let learned = sight.time - since >= self.learn && n >= self.observations;
            let here = Some((sight.time, learned));
            let ago = newest.map(|newest| sight.time - newest);
            match ago {
                None => first = [here].into(),
                // what comes late before all others is the first sight, by which it is no newer than it was
                Some(ago) if ago < 0 => {
                    let earlier = |first: Option<(i64, bool)>| {
                        first.map(
                            |(time, new)| if sight.time < time { (sight.time, new && learned) } else { (time, new) },
                        )
                    };
                    first = first.into_iter().map(earlier).collect();
                }
                Some(ago) if ago > self.history => first = [here].into(),
                Some(ago) if ago > self.history - (self.history / 32).max(1) => drop(first.insert(here)),
                Some(_) => {}
            }
            newest = newest.max(Some(sight.time));
        }
        let is_new = |first: &Option<(i64, bool)>| {
            first.is_some_and(|(first, learned)| learned && last.time - first <= self.new_for)
        };
        let answers: BTreeSet<bool> = first.iter().map(is_new).collect();
        (answers.len() == 1).then(|| answers.contains(&true))
    }
}

/// Whom a detection speaks of: the actor, else the address.
pub fn subject(act: &Act) -> String {
    let named = [Name::User, Name::Ip].into_iter().find_map(|name| Some(format!("{}={}", name.path(), name.of(act)?)));
    named.unwrap_or_else(|| "nobody named".into())
}
