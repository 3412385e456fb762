//! Random policies and acts: as the reference takes them, as YAML, and as events.
use super::arrival::SKEW;
use super::engine::Pieces;
use super::ours::{Baseline, CITIES, Measure, PLACES, Risk, Travel};
use super::reference::{ACTIVITIES, Act, Body, Bound, DAY, Kind, Name, Policy, Scope};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use tripline::model::{
    Activity, Actor, Event, EventId, EventTime, Evidence, Export, FileId, Outcome, SourceName, Vouched, WallTime,
};
use tripline::policy::{Selections, Site, Tuning};

/// 2026-03-02T00:00Z, a little before a day begins in few zones.
pub const BEGINNING: i64 = 1_772_409_600_000;
const SPANS: [u32; 6] = [1, 30, 300, 3600, 21_600, 172_800];

fn bounds(most: u32) -> impl Strategy<Value = Vec<Bound>> {
    let one = (select(&["gt", "gte", "gte", "gte", "lt", "lte", "eq", "neq"][..]), 0..=most);
    let one = one.prop_map(|(comparison, bound)| Bound(comparison, bound));
    let two = (0..=most, 0..=most).prop_map(|(low, high)| vec![Bound("gte", low), Bound("lte", high)]);
    prop_oneof![4 => one.prop_map(|bound| vec![bound]), 1 => two]
}

fn names(least: usize) -> impl Strategy<Value = Vec<Name>> {
    subsequence(Name::ALL.to_vec(), least..=2)
}

/// Sigma's types, and `new_value`.
fn of_sigma() -> impl Strategy<Value = Kind> {
    let temporal = (any::<bool>(), option::weighted(0.3, bounds(3)));
    let new = (names(1), 0..3u32, 0..4u32, select(&[0, 60, 43_200][..]));
    prop_oneof![
        3 => bounds(4).prop_map(Kind::EventCount),
        3 => (names(1), bounds(3)).prop_map(|(fields, bounds)| Kind::ValueCount(fields, bounds)),
        2 => bounds(200).prop_map(Kind::Sum),
        1 => bounds(60).prop_map(Kind::Avg),
        1 => bounds(60).prop_map(Kind::Median),
        2 => Just(Kind::Sequence),
        1 => (option::of(select(&[0, 10, 50, 90, 100][..])), bounds(100)).prop_map(|(p, bounds)| Kind::Percentile(p, bounds)),
        // what Sigma leaves open, the order of only some of the rules, is tested by itself
        4 => temporal.prop_map(|(ordered, bounds)| {
            let bounds = bounds.filter(|_| !ordered).unwrap_or_default();
            Kind::Temporal { ordered, bounds }
        }),
        2 => new.prop_map(|(fields, days, observations, new_for_seconds)| {
            Kind::NewValue { fields, days, observations, new_for_seconds }
        }),
    ]
}

/// Those of which every act is taken up as it comes, so that what is kept is written with each.
pub fn taken_up_at_once() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => bounds(4).prop_map(Kind::EventCount),
        2 => bounds(200).prop_map(Kind::Sum),
        1 => bounds(60).prop_map(Kind::Avg),
        1 => bounds(60).prop_map(Kind::Median),
        1 => (option::of(select(&[0, 50, 90][..])), bounds(100)).prop_map(|(p, bounds)| Kind::Percentile(p, bounds)),
    ]
}

/// Those of which a repetition is as good as what it repeats, so that mostly nothing is done about it.
pub fn repeated() -> impl Strategy<Value = Kind> {
    let few = (0..3u32).prop_map(|n| vec![Bound("gte", n)]);
    let new = (names(1), 0..2u32, select(&[0, 60][..]));
    prop_oneof![
        2 => (names(1), few).prop_map(|(fields, bounds)| Kind::ValueCount(fields, bounds)),
        1 => Just(Kind::Temporal { ordered: false, bounds: Vec::new() }),
        2 => new.prop_map(|(fields, observations, new_for_seconds)| {
            Kind::NewValue { fields, days: 0, observations, new_for_seconds }
        }),
        1 => absence(),
    ]
}

/// The types that are the project's own.
pub fn concurrent() -> impl Strategy<Value = Kind> {
    (names(1), prop_oneof![1 => Just(Vec::new()), 2 => bounds(3)])
        .prop_map(|(fields, bounds)| Kind::Concurrent(fields, bounds))
}

pub fn absence() -> impl Strategy<Value = Kind> {
    bounds(4).prop_map(Kind::Absence)
}

pub fn risk() -> impl Strategy<Value = Kind> {
    let related = subsequence(vec![0, 1, 2, 3], 0..=4);
    (vec(0..8u32, 4), related, bounds(10))
        .prop_map(|(halves, related, bounds)| Kind::Risk(Risk { halves, related, bounds }))
}

pub fn travel() -> impl Strategy<Value = Kind> {
    let crowd = option::weighted(0.3, (1..3u32, select(&[3600, 86_400, 864_000][..])));
    let floors = (select(&[50, 300, 900, 5000][..]), select(&[10, 200, 500, 2000][..]));
    (floors, 0..3u32, 0..4u32, crowd).prop_map(|((speed_kmh, distance_km), days, observations, crowd)| {
        Kind::Travel(Travel { speed_kmh, distance_km, days, observations, crowd })
    })
}

pub fn baseline() -> impl Strategy<Value = Kind> {
    let measure = prop_oneof![Just(Measure::Count), Just(Measure::Records), names(1).prop_map(Measure::Distinct),];
    let bounds = (select(&["gt", "gte", "gte", "gte", "lt", "eq"][..]), 0..4u32).prop_map(|(c, n)| vec![Bound(c, n)]);
    let percentile = select(&[50, 75, 90, 100][..]);
    (measure, select(&[2, 5, 60][..]), 0..4u32, 0..4u32, percentile, any::<bool>(), select(&[1, 1, 3, 50][..]), bounds)
        .prop_map(|(measure, history_days, days, observations, percentile, peers, floor, bounds)| {
            Kind::Baseline(Baseline { measure, history_days, days, observations, percentile, peers, floor, bounds })
        })
}

/// All of them.
pub fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![10 => of_sigma(), 2 => concurrent(), 2 => absence(), 2 => risk(), 2 => travel(), 2 => baseline()]
}

fn detection() -> impl Strategy<Value = Body> {
    let activities = subsequence((0..ACTIVITIES.len()).collect::<Vec<_>>(), 1..=4);
    let claimed = option::weighted(0.2, any::<bool>());
    (activities, option::weighted(0.2, 0..2u8), option::weighted(0.2, 0..100u32), claimed).prop_map(
        |(activities, customer, at_least, claimed)| Body::Detection { activities, customer, at_least, claimed },
    )
}

/// Two or three detections and up to four correlations of these kinds, over them or over one another.
pub fn policies(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Vec<Policy>> {
    let who = option::weighted(0.2, vec(any::<bool>(), 3));
    let group = (names(0), who);
    let correlation = (kind, group, select(&SPANS[..]), vec(any::<Index>(), 1..4));
    let episode = option::of(select(&[1800, 3600, 86_400, 604_800][..]));
    (vec((detection(), episode.clone()), 2..4), vec((correlation, episode), 1..5)).prop_map(
        |(detections, correlations)| {
            let policy =
                |(body, episode_seconds)| Policy { body, episode_seconds, scope: Scope::default(), asks: false };
            let mut policies: Vec<Policy> = detections.into_iter().map(policy).collect();
            for ((kind, (by, who), span_seconds, picks), episode_seconds) in correlations {
                let mut rules: Vec<usize> = Vec::new();
                for pick in picks {
                    let rule = pick.index(policies.len());
                    if !rules.contains(&rule) && !is_or_of_some(&policies[rule]) {
                        rules.push(rule);
                    }
                }
                if rules.is_empty() {
                    rules.push(0);
                }
                let Some((kind, by)) = fitting(kind, by, &mut rules) else { continue };
                let field = |of_target: &bool| if *of_target { Name::Target } else { Name::User };
                // who is both, once by the alias and once by the field, is of no use
                let who = who.filter(|_| !by.contains(&Name::User)).unwrap_or_default();
                let who: Vec<Name> = rules.iter().zip(&who).map(|(_, t)| field(t)).collect();
                if keeps_the_same(&policies, &kind, &rules, &who, &by, span_seconds) {
                    continue;
                }
                policies.push(policy((Body::Correlation { kind, rules, who, by, span_seconds }, episode_seconds)));
            }
            policies
        },
    )
}

/// The same policies, some of which make no findings of some acts, and some of which ask for something to be done.
pub fn tuned(policies: impl Strategy<Value = Vec<Policy>>) -> impl Strategy<Value = Vec<Policy>> {
    let one = (select(&Name::ALL[..]), 0..3u8).prop_map(|(name, n)| {
        let value = match name {
            Name::Ip => format!("192.0.2.{}", n + 1),
            Name::Customer => format!("AC{n}"),
            Name::Voucher => if n == 0 { "server" } else { "client" }.to_owned(),
            _ => format!("u{n}"),
        };
        (name, value)
    });
    let scope = prop_oneof![
        4 => (Just(Vec::new()), vec(one.clone(), 1..3)),
        2 => (vec(one.clone(), 1..3), Just(Vec::new())),
        1 => (vec(one.clone(), 1..3), vec(one, 1..2)),
    ];
    let scope = scope.prop_map(|(only, except)| Scope { only, except });
    let tuning = vec((option::weighted(0.6, scope), any::<bool>()), 8);
    (policies, tuning).prop_map(|(mut policies, tuning)| {
        for (policy, (scope, asks)) in policies.iter_mut().zip(tuning) {
            (policy.scope, policy.asks) = (scope.unwrap_or_default(), asks);
        }
        policies
    })
}

/// What the configuration says of them.
pub fn site(policies: &[Policy]) -> Site {
    let selections = |list: &[(Name, String)]| {
        let one = |(name, value): &(Name, String)| BTreeMap::from([(name.path().to_owned(), vec![value.clone()])]);
        Selections(list.iter().map(one).collect())
    };
    let tuning = |(n, policy): (usize, &Policy)| {
        let Scope { only, except } = &policy.scope;
        (format!("p{n}"), Tuning { only: selections(only), except: selections(except), ..Tuning::default() })
    };
    Site { tuning: policies.iter().enumerate().map(tuning).collect(), ..Site::default() }
}

/// What the type takes: of an absence what shows that it should have come, peers for those whose role stays the same.
fn fitting(kind: Kind, by: Vec<Name>, rules: &mut Vec<usize>) -> Option<(Kind, Vec<Name>)> {
    match kind {
        Kind::Absence(_) if rules.len() < 2 => {
            rules.extend((0..2).find(|r| !rules.contains(r)));
            Some((kind, by))
        }
        Kind::Sequence if rules.len() < 3 => Some((Kind::Temporal { ordered: true, bounds: Vec::new() }, by)),
        Kind::Baseline(baseline) => {
            let peers = baseline.peers && by.contains(&Name::User);
            Some((Kind::Baseline(Baseline { peers, ..baseline }), by))
        }
        kind => Some((kind, by)),
    }
}

/// Whether one act is enough for it, but not every act: see `an_or_that_an_act_does_not_reach_keeps_nothing_from_the_next`.
fn is_or_of_some(policy: &Policy) -> bool {
    let enough = |bounds: &[Bound]| match bounds {
        [Bound("gte", n)] => *n <= 1,
        [Bound("gt", n)] => *n == 0,
        _ => false,
    };
    matches!(&policy.body, Body::Correlation { kind: Kind::EventCount(bounds), by, .. } if !by.is_empty() && enough(bounds))
}

/// Whether another policy keeps the same of the same, and of what it keeps it decides what more is kept: see
/// `two_policies_that_keep_the_same_decide_each_for_itself`.
fn keeps_the_same(policies: &[Policy], kind: &Kind, rules: &[usize], who: &[Name], by: &[Name], span: u32) -> bool {
    let same = |other: &Body| {
        let Body::Correlation { kind: k, rules: r, who: w, by: b, span_seconds: s } = other else { return false };
        let of_a_kind = match (k, kind) {
            (Kind::NewValue { fields: a, .. }, Kind::NewValue { fields: b, .. }) => a == b,
            (Kind::Travel(_), Kind::Travel(_)) | (Kind::Absence(_), Kind::Absence(_)) => true,
            (Kind::Baseline(_), Kind::Baseline(_)) => true,
            _ => false,
        };
        of_a_kind && (&r[..], &w[..], &b[..], *s) == (rules, who, by, span)
    };
    policies.iter().any(|policy| same(&policy.body))
}

/// Acts at the same time, or from a moment to half a day apart, in the order of time.
pub fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    let gap = prop_oneof![
        4 => select(&[0, 1, 500, 999, 1000, 1001, 15_000, 29_999, 30_000][..]),
        4 => 1..20_000i64,
        2 => 1..4_000_000i64,
        1 => 1..50_000_000i64,
    ];
    acts_apart(gap, most)
}

/// Acts of many days, in the order of time.
pub fn acts_of_days(most: usize) -> impl Strategy<Value = Vec<Act>> {
    let gap = prop_oneof![2 => 0..60_000i64, 3 => 1..8_000_000i64, 3 => 1..90_000_000i64];
    acts_apart(gap, most)
}

/// Acts of many, each mostly from one address, in less than a week, no two in the same moment.
pub fn acts_of_many(most: usize) -> impl Strategy<Value = Vec<Act>> {
    let gap = prop_oneof![4 => 1..20_000i64, 2 => 1..600_000i64, 1 => 1..DAY / 2];
    let who = (option::weighted(0.95, 0..12u8), option::weighted(0.3, 1..12u8), option::weighted(0.8, 0..3u8));
    (acts_apart(gap, most), vec(who, most)).prop_map(|(mut acts, who)| {
        for (act, (user, ip, customer)) in acts.iter_mut().zip(who) {
            (act.user, act.ip, act.customer) = (user, ip.or(user.map(|n| n + 1)), customer);
        }
        acts.retain(|act| act.time < BEGINNING + 6 * DAY);
        acts
    })
}

fn acts_apart(gap: impl Strategy<Value = i64>, most: usize) -> impl Strategy<Value = Vec<Act>> {
    let who = (option::weighted(0.9, 0..3u8), option::weighted(0.9, 1..4u8), option::weighted(0.8, 0..3u8));
    let whom = option::weighted(0.7, 0..3u8);
    let place = prop_oneof![1 => Just(None), 4 => Just(Some(0)), 5 => (0..PLACES.len()).prop_map(Some)];
    let of = (0..ACTIVITIES.len(), who, whom, place, option::weighted(0.8, 0..100u64), prop::bool::weighted(0.2));
    vec((gap, any::<u16>(), of), 1..most).prop_map(|list| {
        let mut time = BEGINNING;
        let act = |(n, (gap, id, (activity, (user, ip, customer), target, place, records, claimed)))| {
            time += gap;
            // ids follow no order
            let id = u32::from(id) << 16 | n as u32;
            Act {
                time,
                observed: time,
                trail: 0,
                id,
                activity,
                user,
                claimed,
                ip,
                customer,
                records,
                target,
                place,
                undated: false,
                unplaced: false,
            }
        };
        list.into_iter().enumerate().map(act).collect()
    })
}

/// How acts are cut up, and how often all that is in memory is lost.
pub fn pieces() -> impl Strategy<Value = Pieces> {
    let acts = prop_oneof![1..6usize, 1..60usize];
    (acts, 1..4usize, 1..4usize, any::<bool>()).prop_map(|(acts, inputs, commits, tidy)| Pieces {
        acts,
        inputs,
        commits,
        tidy,
    })
}

/// The acts as they arrive: by two trails, many of them late but less than the bound, some of them twice; with `wild` some also
/// later than the bound, and some with stamps from the future.
pub fn arrivals(acts: impl Strategy<Value = Vec<Act>>, wild: bool) -> impl Strategy<Value = Vec<Act>> {
    let latest = if wild { 6 * DAY } else { 2 * DAY };
    let late = prop_oneof![6 => Just(0), 2 => 0..60_000i64, 2 => 0..6 * 3_600_000i64, 1 => 0..2 * DAY, 1 => 0..latest];
    let again = option::weighted(0.15, 0..2 * DAY);
    let ahead = option::weighted(0.03, prop_oneof![1..60_000i64, 1..5 * DAY]);
    let ahead = ahead.prop_map(move |ahead| ahead.filter(|_| wild));
    let undated = any::<bool>().prop_flat_map(move |some| prop::bool::weighted(if wild && some { 0.15 } else { 0.0 }));
    let each = (late, again, ahead, prop_oneof![3 => Just(0), 1 => Just(1u8)], undated);
    acts.prop_flat_map(move |acts| {
        let n = acts.len();
        (Just(acts), vec(each.clone(), n)).prop_map(|(acts, how)| {
            let mut arrivals = Vec::new();
            for (act, (late, again, ahead, trail, undated)) in acts.into_iter().zip(how) {
                let observed = act.time + late;
                let time = ahead.map_or(act.time, |ahead| observed + SKEW + ahead);
                let first = Act { time: if undated { observed } else { time }, observed, trail, undated, ..act };
                arrivals.extend(again.map(|later| Act { observed: observed + later, ..first.clone() }));
                arrivals.push(first);
            }
            arrivals.sort_by_key(|act| act.observed);
            arrivals
        })
    })
}

/// The policies as an operator would write them; policy `n` is called `pN`.
pub fn yaml(policies: &[Policy]) -> String {
    let one = |(n, policy): (usize, &Policy)| {
        let body = match &policy.body {
            Body::Detection { activities, customer, at_least, claimed } => {
                let activities: Vec<&str> = activities.iter().map(|a| ACTIVITIES[*a]).collect();
                let customer = customer.map_or(String::new(), |n| format!(", resource.owner.org.uid: AC{n}"));
                let records = at_least.map_or(String::new(), |n| format!(", export.records|gte: {n}"));
                let by = |claimed| if claimed { "client" } else { "server" };
                let vouched = claimed.map_or(String::new(), |c| format!(", {}: {}", Name::Voucher.path(), by(c)));
                format!(
                    "logsource: {{ product: ocsf }}\ndetection: {{ sel: {{ activity_name: [{}]{customer}{records}{vouched} }}, condition: sel }}",
                    activities.join(", ")
                )
            }
            Body::Correlation { kind, rules, who, by, span_seconds } => {
                let called: Vec<String> = rules.iter().map(|r| format!("p{r}")).collect();
                let of = called.iter().zip(who).map(|(rule, name)| format!("{rule}: {}", name.path()));
                let of = of.collect::<Vec<_>>().join(", ");
                let aliases =
                    if who.is_empty() { String::new() } else { format!("  aliases: {{ who: {{ {of} }} }}\n") };
                let alias = (!who.is_empty()).then_some("who");
                let by = alias.into_iter().chain(by.iter().map(|n| n.path())).collect::<Vec<_>>().join(", ");
                format!(
                    "correlation:\n  rules: [{}]\n{aliases}  group-by: [{by}]\n  timespan: {span_seconds}s\n{}",
                    called.join(", "),
                    kind_yaml(kind, &called)
                )
            }
        };
        let episode = policy.episode_seconds.map_or(String::new(), |s| format!(", episode: {s}s"));
        let asks = if policy.asks { ", response: [{ action: end-session, target: session }]" } else { "" };
        let Scope { only, except } = &policy.scope;
        let scope = if only.is_empty() && except.is_empty() {
            String::new()
        } else {
            format!("# only {only:?}, except {except:?}\n")
        };
        format!(
            "title: Policy {n}\nname: p{n}\nlevel: medium\n{body}\ntripline: {{ generate: true{episode}{asks} }}\n{scope}"
        )
    };
    policies.iter().enumerate().map(one).collect::<Vec<_>>().join("---\n")
}

fn paths(names: &[Name]) -> String {
    names.iter().map(|n| n.path()).collect::<Vec<_>>().join(", ")
}

fn range(bounds: &[Bound]) -> String {
    bounds.iter().map(|Bound(c, n)| format!("{c}: {n}")).collect::<Vec<_>>().join(", ")
}

/// `rules` by their names.
fn kind_yaml(kind: &Kind, rules: &[String]) -> String {
    let of_records = |name: &str, more: &str, bounds: &[Bound]| {
        format!("  type: {name}\n  condition: {{ field: export.records, {more}{} }}", range(bounds))
    };
    match kind {
        Kind::EventCount(bounds) => format!("  type: event_count\n  condition: {{ {} }}", range(bounds)),
        Kind::ValueCount(fields, bounds) => {
            format!("  type: value_count\n  condition: {{ field: [{}], {} }}", paths(fields), range(bounds))
        }
        Kind::Sum(bounds) => of_records("value_sum", "", bounds),
        Kind::Avg(bounds) => of_records("value_avg", "", bounds),
        Kind::Median(bounds) => of_records("value_median", "", bounds),
        Kind::Sequence => {
            format!("  type: sequence\n  interrupted-by: {}", rules.last().map(String::as_str).unwrap_or_default())
        }
        Kind::Percentile(None, bounds) => of_records("value_percentile", "", bounds),
        Kind::Percentile(Some(p), bounds) => of_records("value_percentile", &format!("percentile: {p}, "), bounds),
        Kind::Temporal { ordered, bounds } => {
            let name = if *ordered { "temporal_ordered" } else { "temporal" };
            let condition =
                if bounds.is_empty() { String::new() } else { format!("\n  condition: {{ {} }}", range(bounds)) };
            format!("  type: {name}{condition}")
        }
        Kind::NewValue { fields, days, observations, new_for_seconds } => format!(
            "  type: new_value\n  fields: [{}]\n  learning: {{ days: {days}, observations: {observations} }}\n  new-for: {new_for_seconds}s",
            paths(fields)
        ),
        Kind::Concurrent(fields, bounds) => {
            let condition =
                if bounds.is_empty() { String::new() } else { format!("\n  condition: {{ {} }}", range(bounds)) };
            format!("  type: concurrent\n  fields: [{}]{condition}", paths(fields))
        }
        Kind::Absence(bounds) => format!("  type: absence\n  condition: {{ {} }}", range(bounds)),
        Kind::Risk(risk) => risk_yaml(risk, rules),
        Kind::Travel(Travel { speed_kmh, distance_km, days, observations, crowd }) => {
            let crowd =
                crowd.map_or(String::new(), |(n, within)| format!("\n  crowd: {{ entities: {n}, within: {within}s }}"));
            format!(
                "  type: travel\n  speed-kmh: {speed_kmh}\n  distance-km: {distance_km}\n  learning: {{ days: {days}, observations: {observations} }}{crowd}"
            )
        }
        Kind::Baseline(baseline) => baseline_yaml(baseline),
    }
}

fn risk_yaml(Risk { halves, related, bounds }: &Risk, rules: &[String]) -> String {
    let weight = |(rule, halves): (&String, &u32)| format!("{rule}: {}", f64::from(*halves) / 2.0);
    let weights = rules.iter().zip(halves).map(weight).collect::<Vec<_>>().join(", ");
    let related: Vec<&str> = related.iter().filter_map(|r| rules.get(*r)).map(String::as_str).collect();
    let related = if related.is_empty() { String::new() } else { format!("\n  related: [[{}]]", related.join(", ")) };
    format!("  type: risk\n  weights: {{ {weights} }}{related}\n  condition: {{ {} }}", range(bounds))
}

fn baseline_yaml(baseline: &Baseline) -> String {
    let Baseline { measure, history_days, days, observations, percentile, peers, floor, bounds } = baseline;
    let measure = match measure {
        Measure::Count => "count".into(),
        Measure::Records => "sum\n  field: export.records".into(),
        Measure::Distinct(fields) => format!("distinct\n  field: [{}]", paths(fields)),
    };
    let peers = if *peers { format!("\n  peers: [{}]", Name::Role.path()) } else { String::new() };
    format!(
        "  type: baseline\n  measure: {measure}\n  history: {history_days}d\n  learning: {{ days: {days}, observations: {observations} }}\n  percentile: {percentile}\n  floor: {floor}\n  condition: {{ {} }}{peers}",
        range(bounds)
    )
}

/// The act as a profile would give it.
pub fn event(act: &Act) -> Event {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&act.id.to_be_bytes());
    let evidence = Evidence {
        source: SourceName(format!("trail {}", act.trail).into()),
        file: FileId::default(),
        from: 0,
        to: 0,
        index: 0,
        own_id: true,
        sender: None,
        digest: id,
        redacted: "".into(),
    };
    let mut event = Event::blank(EventId(id), WallTime(act.observed), "test".into(), evidence);
    event.time = EventTime(act.time);
    event.marks.time_missing = act.undated;
    event.marks.unplaced = act.unplaced;
    event.activity = Activity::from_name(ACTIVITIES[act.activity]).expect("an activity of ours");
    event.outcome = Outcome::Success;
    let role = || Name::Role.of(act).map(Into::into);
    let vouched = if act.claimed { Vouched::Client } else { Vouched::Server };
    event.actor = Name::User.of(act).map(|name| Actor { role: role(), vouched, ..Actor::named(name) });
    event.target = Name::Target.of(act).map(Into::into);
    event.origin.place = act.place.map(|n| PLACES[n]);
    event.origin.city = act.place.map(|n| CITIES[n].into());
    event.origin.prefix = act.place.map(|n| format!("network {n}").into());
    event.origin.ip = act.ip.map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
    event.customer = Name::Customer.of(act).map(Into::into);
    event.export = act.records.map(|n| Export { records: Some(n), ..Export::default() });
    event
}

/// The acts for a person, one a line.
pub fn listed(acts: &[Act]) -> String {
    let one = |act: &Act| {
        let Act { id, user, ip, customer, records, target, place, trail, undated, .. } = act;
        let shown = |what: &str, n: Option<u64>| n.map_or(String::new(), |n| format!(" {what}{n}"));
        let fields = [("u", user), ("ip", ip), ("AC", customer)].map(|(what, n)| shown(what, n.map(u64::from)));
        let (at, did) = (act.time - BEGINNING, ACTIVITIES[act.activity]);
        let more = [("records=", *records), ("to u", target.map(u64::from)), ("at ", place.map(|n| n as u64))];
        let more = more.map(|(what, n)| shown(what, n)).concat() + if act.claimed { " (by a client)" } else { "" };
        let read =
            if act.observed == act.time { String::new() } else { format!(", read {} ms", act.observed - BEGINNING) };
        let no_time = if *undated { ", states no time" } else { "" };
        format!("{at} ms: {did}{}{more} (id {id:x} in {trail}{read}{no_time})", fields.concat())
    };
    acts.iter().map(one).collect::<Vec<_>>().join("\n")
}
