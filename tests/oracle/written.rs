//! Random policies and acts: as the reference takes them, as YAML, and as events.
use super::reference::{ACTIVITIES, Act, Body, Bound, Kind, Name, Policy};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::net::{IpAddr, Ipv4Addr};
use tripline::model::{
    Activity, Actor, ActorKind, Event, EventId, EventTime, Evidence, Export, FileId, Outcome, SourceName, WallTime,
};

/// 2026-03-02T00:00Z, a little before a day begins in few zones.
const BEGINNING: i64 = 1_772_409_600_000;
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

fn kind() -> impl Strategy<Value = Kind> {
    let temporal = (any::<bool>(), option::weighted(0.3, bounds(3)));
    let new = (names(1), 0..3u32, 0..4u32, select(&[0, 60, 43_200][..]));
    prop_oneof![
        3 => bounds(4).prop_map(Kind::EventCount),
        3 => (names(1), bounds(3)).prop_map(|(fields, bounds)| Kind::ValueCount(fields, bounds)),
        2 => bounds(200).prop_map(Kind::Sum),
        1 => bounds(60).prop_map(Kind::Avg),
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

fn detection() -> impl Strategy<Value = Body> {
    let activities = subsequence((0..ACTIVITIES.len()).collect::<Vec<_>>(), 1..=4);
    (activities, option::weighted(0.2, 0..2u8), option::weighted(0.2, 0..100u32))
        .prop_map(|(activities, customer, at_least)| Body::Detection { activities, customer, at_least })
}

/// Two detections and up to four correlations, over these or over one another.
pub fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let correlation = (kind(), names(0), select(&SPANS[..]), vec(any::<prop::sample::Index>(), 1..4));
    let episode = option::of(select(&[60, 3600, 86_400][..]));
    (vec((detection(), episode.clone()), 2), vec((correlation, episode), 1..5)).prop_map(
        |(detections, correlations)| {
            let policy = |(body, episode_seconds)| Policy { body, episode_seconds };
            let mut policies: Vec<Policy> = detections.into_iter().map(policy).collect();
            for ((kind, by, span_seconds, picks), episode_seconds) in correlations {
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
                if learns_already(&policies, &kind, &rules, &by, span_seconds) {
                    continue;
                }
                policies.push(Policy { body: Body::Correlation { kind, rules, by, span_seconds }, episode_seconds });
            }
            policies
        },
    )
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

/// Whether another policy keeps the same of the same: see `two_policies_that_learn_the_same_learn_each_for_itself`.
fn learns_already(policies: &[Policy], kind: &Kind, rules: &[usize], by: &[Name], span: u32) -> bool {
    let Kind::NewValue { fields, .. } = kind else { return false };
    let same = |body: &Body| match body {
        Body::Correlation { kind: Kind::NewValue { fields: f, .. }, rules: r, by: b, span_seconds: s } => {
            (f, &r[..], &b[..], *s) == (fields, rules, by, span)
        }
        _ => false,
    };
    policies.iter().any(|p| same(&p.body))
}

/// Acts at different times, from a moment to half a day apart, in the order of time.
pub fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    let gap = prop_oneof![
        4 => select(&[1, 500, 999, 1000, 1001, 15_000, 29_999, 30_000][..]),
        4 => 1..20_000i64,
        2 => 1..4_000_000i64,
        1 => 1..50_000_000i64,
    ];
    let who = (option::weighted(0.9, 0..3u8), option::weighted(0.9, 1..4u8), option::weighted(0.8, 0..3u8));
    vec((gap, any::<u16>(), 0..ACTIVITIES.len(), who, option::weighted(0.8, 0..100u64)), 1..most).prop_map(|list| {
        let mut time = BEGINNING;
        let act = |(n, (gap, id, activity, (user, ip, customer), records))| {
            time += gap;
            // ids follow no order
            Act { time, id: u32::from(id) << 16 | n as u32, activity, user, ip, customer, records }
        };
        list.into_iter().enumerate().map(act).collect()
    })
}

/// The policies as an operator would write them; policy `n` is called `pN`.
pub fn yaml(policies: &[Policy]) -> String {
    let one = |(n, policy): (usize, &Policy)| {
        let body = match &policy.body {
            Body::Detection { activities, customer, at_least } => {
                let activities: Vec<&str> = activities.iter().map(|a| ACTIVITIES[*a]).collect();
                let customer = customer.map_or(String::new(), |n| format!(", resource.owner.org.uid: AC{n}"));
                let records = at_least.map_or(String::new(), |n| format!(", export.records|gte: {n}"));
                format!(
                    "logsource: {{ product: ocsf }}\ndetection: {{ sel: {{ activity_name: [{}]{customer}{records} }}, condition: sel }}",
                    activities.join(", ")
                )
            }
            Body::Correlation { kind, rules, by, span_seconds } => {
                let rules: Vec<String> = rules.iter().map(|r| format!("p{r}")).collect();
                format!(
                    "correlation:\n  rules: [{}]\n  group-by: [{}]\n  timespan: {span_seconds}s\n{}",
                    rules.join(", "),
                    paths(by),
                    kind_yaml(kind)
                )
            }
        };
        let episode = policy.episode_seconds.map_or(String::new(), |s| format!(", episode: {s}s"));
        format!("title: Policy {n}\nname: p{n}\n{body}\ntripline: {{ generate: true{episode} }}\n")
    };
    policies.iter().enumerate().map(one).collect::<Vec<_>>().join("---\n")
}

fn paths(names: &[Name]) -> String {
    names.iter().map(|n| n.path()).collect::<Vec<_>>().join(", ")
}

fn kind_yaml(kind: &Kind) -> String {
    let range = |bounds: &[Bound]| bounds.iter().map(|Bound(c, n)| format!("{c}: {n}")).collect::<Vec<_>>().join(", ");
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
    }
}

/// The act as a profile would give it.
pub fn event(act: &Act) -> Event {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&act.id.to_be_bytes());
    let evidence = Evidence {
        source: SourceName("acts".into()),
        file: FileId { device: 0, inode: 0, born_ns: 0 },
        from: 0,
        to: 0,
        index: 0,
        own_id: true,
        digest: id,
        redacted: "".into(),
    };
    let mut event = Event::blank(EventId(id), WallTime(act.time), "test".into(), evidence);
    event.time = EventTime(act.time);
    event.activity = Activity::from_name(ACTIVITIES[act.activity]).expect("an activity of ours");
    event.outcome = Outcome::Success;
    event.actor =
        Name::User.of(act).map(|name| Actor { name: name.into(), uid: None, kind: ActorKind::User, role: None });
    event.origin.ip = act.ip.map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
    event.customer = Name::Customer.of(act).map(Into::into);
    event.export = act.records.map(|n| Export { records: Some(n), ..Export::default() });
    event
}

/// The acts for a person, one a line.
pub fn listed(acts: &[Act]) -> String {
    let one = |act: &Act| {
        let Act { id, user, ip, customer, records, .. } = act;
        let shown = |what: &str, n: Option<u64>| n.map_or(String::new(), |n| format!(" {what}{n}"));
        let fields = [("u", user), ("ip", ip), ("AC", customer)].map(|(what, n)| shown(what, n.map(u64::from)));
        let (at, did) = (act.time - BEGINNING, ACTIVITIES[act.activity]);
        format!("{at} ms: {did}{}{} (id {id:x})", fields.concat(), shown("records=", *records))
    };
    acts.iter().map(one).collect::<Vec<_>>().join("\n")
}
