//! The engine finds what a slow and obvious reading of the policies finds, and what is monotone finds it in every order.
//!
//! `PROPTEST_CASES=20000` for the long run.
mod arrival;
mod engine;
mod ours;
mod quotas;
mod reference;
pub mod selecting;
mod sigma;
mod sigma_pairs;
mod sigma_patterns;
mod sigma_records;
mod sigma_rules;
mod sigma_values;
mod written;
use engine::{Pieces, Told, compiled};
use proptest::prelude::*;
use proptest::sample::select;
use reference::{Act, Body, Bound, Expected, Finding, Held, Kind, Name, Policy, Scope};
use std::collections::{BTreeMap, BTreeSet};
use tripline::detect::store::quota::Capacity;
use tripline::policy::PolicySet;

fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |n| n.parse().expect("a number of cases"));
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Policies of `kind` over two detections: views, and all of the acts of these examples.
fn over(correlations: &[(Kind, &[usize], &[Name], u32)]) -> Vec<Policy> {
    let detection = |activities: &[usize]| Body::Detection {
        activities: activities.into(),
        customer: None,
        at_least: None,
        claimed: None,
    };
    let mut bodies = vec![detection(&[1]), detection(&[0, 1, 2, 3])];
    bodies.extend(correlations.iter().map(|(kind, rules, by, span_seconds)| Body::Correlation {
        kind: kind.clone(),
        rules: rules.to_vec(),
        who: Vec::new(),
        by: by.to_vec(),
        span_seconds: *span_seconds,
    }));
    bodies
        .into_iter()
        .map(|body| Policy { body, episode_seconds: None, scope: Scope::default(), asks: false })
        .collect()
}

/// Acts of one user; none of them has an address unless a test gives it one.
fn acts<const N: usize>(list: [(i64, usize); N]) -> [Act; N] {
    let mut id = 0;
    list.map(|(seconds, activity)| {
        id += 1;
        let time = 1_772_409_600_000 + seconds * 1000;
        let (user, customer) = (Some(0), Some(0));
        Act {
            time,
            observed: time,
            trail: 0,
            id,
            activity,
            user,
            claimed: false,
            ip: None,
            customer,
            records: None,
            target: None,
            place: None,
            undated: false,
            unplaced: false,
        }
    })
}

/// The policies whose findings the engine makes.
fn fired(policies: &[Policy], arrivals: &[Act]) -> BTreeSet<usize> {
    engine::found(&compiled(policies), arrivals, Pieces::WHOLE).into_iter().map(|((policy, ..), _)| policy).collect()
}

#[test]
fn an_or_that_an_act_does_not_reach_keeps_nothing_from_the_next() {
    let or = (Kind::EventCount(vec![Bound("gte", 1)]), &[1][..], &[Name::Ip][..], 60);
    let two = (Kind::Temporal { ordered: false, bounds: Vec::new() }, &[2][..], &[Name::User][..], 60);
    let mut acts = acts([(1, 0), (2, 0)]);
    acts[1].ip = Some(1);
    assert!(fired(&over(&[or, two]), &acts).contains(&3), "the second act reaches the `or`, and what refers to it");
}

#[test]
fn what_was_repeated_a_moment_ago_is_in_the_window() {
    let both = (Kind::Temporal { ordered: false, bounds: Vec::new() }, &[0, 2][..], &[Name::User][..], 3600);
    let rare = (Kind::EventCount(vec![Bound("gte", 1)]), &[1][..], &[][..], 60);
    let mut policies = over(&[rare, both]);
    // only downloads
    policies[1].body = Body::Detection { activities: vec![3], customer: None, at_least: None, claimed: None };
    // the last view is 3,480 seconds before the download: as long ago as a timespan less a 32nd, for of a run the last is kept so
    // coarsely
    let acts = acts([(1, 1), (2, 1), (60, 1), (3540, 3)]);
    assert!(fired(&policies, &acts).contains(&3));
}

#[test]
fn a_sequence_may_end_with_the_act_that_began_it() {
    let many = (Kind::EventCount(vec![Bound("gte", 3)]), &[1][..], &[Name::Customer][..], 300);
    let then = (Kind::Temporal { ordered: true, bounds: Vec::new() }, &[2, 1][..], &[Name::User][..], 21_600);
    let mut acts = acts([(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]);
    for act in &mut acts[..2] {
        act.customer = None;
    }
    let policies = over(&[many, then]);
    // without the two before it is found at the fifth act
    assert!(fired(&policies, &acts[2..]).contains(&3), "no act is needed but the last three");
    assert!(fired(&policies, &acts).contains(&3), "more acts only make it fire earlier or also");
}

#[test]
fn two_policies_that_learn_the_same_learn_each_for_itself() {
    let new = |observations| {
        let kind = Kind::NewValue { fields: vec![Name::Ip], days: 0, observations, new_for_seconds: 0 };
        (kind, &[1][..], &[Name::User][..], 86_400)
    };
    let mut acts = acts([(1, 1)]);
    acts[0].ip = Some(1);
    assert_eq!(fired(&over(&[new(2)]), &acts), [0, 1].into(), "it has not learned yet");
    assert_eq!(fired(&over(&[new(0), new(2)]), &acts), [0, 1, 2].into(), "nor does it because of another");
}

#[test]
fn two_policies_of_one_way_find_each_for_itself() {
    let travel = |speed_kmh| {
        let travel = ours::Travel { speed_kmh, distance_km: 10, days: 0, observations: 0, crowd: None };
        (Kind::Travel(travel), &[1][..], &[Name::User][..], 86_400)
    };
    let mut acts = acts([(1, 1), (2, 1)]);
    (acts[0].place, acts[1].place) = (Some(0), Some(5));
    assert_eq!(fired(&over(&[travel(900), travel(900), travel(2000)]), &acts), [0, 1, 2, 3, 4].into());
}

#[test]
fn two_policies_of_one_silence_count_each_for_itself() {
    let absence = || (Kind::Absence(vec![Bound("lte", 1)]), &[0, 1][..], &[Name::User][..], 30);
    let policies = over(&[absence(), absence()]);
    assert_eq!(fired(&policies, &acts([(1, 1), (40, 3)])), [0, 1, 2, 3].into());
}

/// So little room that a handful of entities fill it.
fn room(strangers: u32) -> Capacity {
    Capacity { strangers, known: 2 * strangers }
}

#[test]
fn who_was_pushed_out_begins_anew() {
    let two = (Kind::EventCount(vec![Bound("gte", 2)]), &[1][..], &[Name::User][..], 3600);
    let policies = over(&[two]);
    let of = |users: &[u8]| {
        let act = |(n, user): (usize, &u8)| Act { user: Some(*user), id: n as u32, ..acts([(n as i64, 0)])[0].clone() };
        let found = engine::found_with(
            &compiled(&policies),
            &users.iter().enumerate().map(act).collect::<Vec<_>>(),
            Pieces::WHOLE,
            room(8),
        );
        found.0.into_iter().map(|((policy, ..), _)| policy).filter(|policy| *policy == 2).count()
    };
    assert_eq!(of(&[0, 1, 2, 3, 4, 5, 6, 7, 0]), 1, "there is room for eight");
    assert_eq!(of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 0]), 0, "the first was seen longest ago");
    assert_eq!(of(&[0, 0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0]), 2, "that it was told of is forgotten too");
    assert_eq!(of(&[0, 1, 2, 3, 4, 5, 6, 7, 0, 8, 0]), 1, "who acts is not pushed out");
}

#[test]
fn what_was_known_to_change_nothing_changes_something_when_it_was_pushed_out() {
    let new = Kind::NewValue { fields: vec![Name::Ip], days: 0, observations: 0, new_for_seconds: 0 };
    let set = compiled(&over(&[(new, &[1][..], &[Name::User][..], 172_800)]));
    let act = |(n, user): (usize, &u8)| {
        let (user, ip) = (Some(*user), Some(*user + 1));
        Act { user, ip, id: n as u32, ..acts([(n as i64, 0)])[0].clone() }
    };
    let users = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let (found, _) =
        engine::found_with(&set, &users.iter().enumerate().map(act).collect::<Vec<_>>(), Pieces::WHOLE, room(8));
    let again = found.iter().filter(|((policy, entity, _), _)| *policy == 2 && entity.ends_with("u0")).count();
    assert_eq!(again, 2, "it is new once more: {found:?}");
}

#[test]
fn that_it_fired_is_kept_until_its_episode_is_over() {
    // it looks at one second, and fires once in thirty days; what it counted goes from the ledger after two
    let one = Kind::Temporal { ordered: false, bounds: Vec::new() };
    let mut policies = over(&[(one, &[0], &[Name::User], 1)]);
    policies[2].episode_seconds = Some(2_592_000);
    let day = 86_400;
    // all of them in one such stretch since 1970
    let list =
        acts([(7 * day, 1), (11 * day, 0), (13 * day, 0), (15 * day, 1), (19 * day, 0), (21 * day, 0), (23 * day, 1)]);
    let pieces = Pieces { acts: 1, inputs: 1, commits: 1, tidy: true };
    for pieces in [Pieces::WHOLE, pieces] {
        let found = engine::found(&compiled(&policies), &list, pieces);
        let fired = found.iter().filter(|((policy, ..), _)| *policy == 2).count();
        assert_eq!(fired, 1, "{pieces:?}: {found:?}");
    }
}

/// Whether all that it refers to, and what that refers to, is of the same entities at least, and is not counted: see
/// `a_late_act_does_not_stand_for_the_one_at_which_it_holds`.
fn takes_up_entities(policies: &[Policy], number: usize) -> bool {
    let Body::Correlation { kind, rules, who, by, .. } = &policies[number].body else { return true };
    rules.iter().enumerate().all(|(via, rule)| match &policies[*rule].body {
        Body::Detection { .. } => true,
        Body::Correlation { by: inner, .. } => {
            matches!(kind, Kind::Temporal { .. })
                && !merges(&policies[*rule])
                && by.iter().chain(who.get(via)).all(|name| inner.contains(name))
                && takes_up_entities(policies, *rule)
        }
    })
}

/// Whether a run of the same is kept as few: it holds first when it should, and some of the later times may be left out
/// where something of before the run comes late (`Window::insert` says so).
fn merges(policy: &Policy) -> bool {
    matches!(&policy.body, Body::Correlation { kind, .. } if reference::merges(kind))
}

#[test]
fn what_takes_up_a_late_acts_fields_is_not_called_monotone() {
    let two = (Kind::EventCount(vec![Bound("gte", 2)]), &[1][..], &[][..], 60);
    let of_an_address = (Kind::EventCount(vec![Bound("gte", 1)]), &[2][..], &[Name::Ip][..], 60);
    let twice = (Kind::EventCount(vec![Bound("gte", 2)]), &[2][..], &[][..], 60);
    let mut acts = acts([(1, 1), (2, 1), (3, 1)]);
    acts[1].ip = Some(1);
    let policies = over(&[two, of_an_address, twice]);
    let in_order = |order: [usize; 3], n: usize| order[..n].iter().map(|i| acts[*i].clone()).collect::<Vec<_>>();
    // of whom it is said, and how often, depends on the order: the late act's fields are taken up
    assert_ne!(fired(&policies, &in_order([1, 0, 2], 2)), fired(&policies, &in_order([0, 1, 2], 2)));
    let set = compiled(&policies);
    let monotone = |n: usize| set.get(&format!("p{n}")).unwrap().monotone;
    assert_eq!([2, 3, 4].map(monotone), [true, false, false]);
}

#[test]
fn a_sequence_with_a_condition_is_still_a_sequence() {
    let then = (Kind::Temporal { ordered: true, bounds: vec![Bound("gte", 2)] }, &[0, 1][..], &[Name::User][..], 3600);
    let mut policies = over(&[then]);
    policies[1].body = Body::Detection { activities: vec![3], customer: None, at_least: None, claimed: None };
    assert!(!fired(&policies, &acts([(1, 3), (2, 1)])).contains(&2), "the download came before the view");
    assert!(fired(&policies, &acts([(1, 1), (2, 3)])).contains(&2));
}

/// Whether what comes late between two acts of a sequence is found: where they are so near that the second is as good as the
/// first, and was not written, it is lost to one that comes late between.
fn is_spaced(policies: &[Policy], number: usize, acts: &[Act]) -> bool {
    let Body::Correlation { kind, rules, span_seconds, .. } = &policies[number].body else { return true };
    let far = |pair: &[Act]| (pair[1].time - pair[0].time) * 32 > i64::from(*span_seconds) * 1000;
    let alone = !matches!(kind, Kind::Temporal { ordered: true, .. }) || acts.windows(2).all(far);
    alone && rules.iter().all(|rule| is_spaced(policies, *rule, acts))
}

fn is_concurrent(policy: &Policy) -> bool {
    matches!(&policy.body, Body::Correlation { kind: Kind::Concurrent(..), .. })
}

/// That the engine finds what the policies mean.
fn agrees(policies: &[Policy], arrivals: &[Act], pieces: Pieces) -> Result<(), TestCaseError> {
    let expected = reference::findings(policies, arrivals);
    let found = engine::found(&compiled(policies), arrivals, pieces);
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (finding, time) in &found {
        if !seen.insert(finding.clone()) {
            faults.push(format!("twice {finding:?}"));
        }
        match expected.must.get(finding) {
            Some(Some(first)) if first != time => {
                faults.push(format!(
                    "at {} instead of {}: {finding:?}",
                    time - written::BEGINNING,
                    first - written::BEGINNING
                ));
            }
            None if !expected.may.contains(finding) && !expected.unknown.contains(&finding.0) => {
                faults.push(format!("surplus {finding:?}"));
            }
            _ => {}
        }
    }
    let missed = expected.must.keys().filter(|finding| !seen.contains(*finding));
    faults.extend(missed.map(|finding| format!("missed {finding:?}")));
    let case = || format!("{pieces:?}\n{}\n{}", written::listed(arrivals), written::yaml(policies));
    prop_assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), case());
    Ok(())
}

/// What is in one list more often than in the other.
fn less<T: Clone + PartialEq>(list: &[T], other: &[T]) -> Vec<T> {
    let mut rest = other.to_vec();
    let taken = |one: &&T| rest.iter().position(|it| it == *one).map(|at| rest.remove(at)).is_none();
    list.iter().filter(taken).cloned().collect()
}

/// What is to be found whatever the order: of what merges only the first of each entity. `concurrent` is left out: that a value
/// came back so soon after it was seen that it was not written again is lost to another one that comes late between.
fn whatever_the_order(set: &PolicySet, policies: &[Policy], expected: &Expected, acts: &[Act]) -> BTreeSet<Finding> {
    let settled = |policy: usize| {
        !is_concurrent(&policies[policy])
            && is_spaced(policies, policy, acts)
            && set.get(&format!("p{policy}")).is_some_and(|p| p.monotone)
            && takes_up_entities(policies, policy)
    };
    let first = |(policy, entity, episode): &Finding| {
        let earlier = |other: &Finding| other.0 == *policy && other.1 == *entity && other.2 < *episode;
        !expected.must.keys().chain(&expected.may).any(earlier)
    };
    let must = expected.must.keys().filter(|one| settled(one.0) && (!merges(&policies[one.0]) || first(one)));
    must.cloned().collect()
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn the_engine_finds_what_the_policies_mean(
        policies in written::tuned(written::policies(written::kind())), acts in written::acts(40), pieces in written::pieces(),
    ) {
        agrees(&policies, &acts, pieces)?;
    }

    #[test]
    fn concurrent_means_that_a_value_comes_back(
        policies in written::policies(written::concurrent()), acts in written::acts(40), pieces in written::pieces(),
    ) {
        agrees(&policies, &acts, pieces)?;
    }

    #[test]
    fn absence_means_that_the_first_does_not_come(
        policies in written::policies(written::absence()), acts in written::acts(40), pieces in written::pieces(),
    ) {
        agrees(&policies, &acts, pieces)?;
    }

    #[test]
    fn risk_weighs_the_signs_that_are_there(
        policies in written::policies(written::risk()), acts in written::acts(40), pieces in written::pieces(),
    ) {
        agrees(&policies, &acts, pieces)?;
    }

    #[test]
    fn nothing_interrupts_a_sequence(
        policies in written::policies(Just(Kind::Sequence)), acts in written::acts(40), pieces in written::pieces(),
    ) {
        agrees(&policies, &acts, pieces)?;
    }

    #[test]
    fn travel_is_faster_than_anybody_goes(
        policies in written::policies(written::travel()), acts in written::acts_of_days(40), pieces in written::pieces(),
    ) {
        agrees(&policies, &acts, pieces)?;
    }

    #[test]
    fn baseline_is_so_many_times_what_is_usual(
        policies in written::policies(written::baseline()), acts in written::acts_of_days(60), pieces in written::pieces(),
    ) {
        agrees(&policies, &acts, pieces)?;
    }

    #[test]
    fn t55_t56_what_comes_late_or_twice_or_from_the_future_counts_where_it_should(
        policies in written::tuned(written::policies(written::kind())),
        arrivals in prop_oneof![written::arrivals(written::acts(40), true), written::arrivals(written::acts_of_days(40), true)],
        pieces in written::pieces(),
    ) {
        agrees(&policies, &arrivals, pieces)?;
    }

    #[test]
    fn t61_how_the_lines_are_cut_and_when_it_is_started_again_changes_nothing(
        policies in written::tuned(written::policies(written::kind())),
        arrivals in prop_oneof![written::arrivals(written::acts(40), true), written::arrivals(written::acts_of_days(40), true)],
        pieces in written::pieces(),
    ) {
        let set = compiled(&policies);
        let (whole, cut) = (engine::found(&set, &arrivals, Pieces::WHOLE), engine::found(&set, &arrivals, pieces));
        prop_assert!(whole == cut, "{whole:?}\n{pieces:?} {cut:?}\n{}\n{}", written::listed(&arrivals), written::yaml(&policies));
    }

    #[test]
    fn what_a_quota_pushes_out_is_forgotten_as_if_it_had_never_come(
        policies in written::tuned(written::policies(written::taken_up_at_once())), acts in written::acts_of_many(60),
        pieces in written::pieces(), room in select(&[8, 16, 24][..]),
    ) {
        let set = compiled(&policies);
        let shelves: Vec<[u8; 32]> = set.rules.iter().map(|rule| rule.accumulation.0).collect();
        let mut expected = quotas::found(&policies, &shelves, &acts, room);
        let (found, _) = engine::found_with(&set, &acts, pieces, Capacity { strangers: room, known: room });
        let mut found: Vec<_> = found.into_iter().map(|((policy, entity, episode), time)| (policy, entity, episode, time)).collect();
        expected.sort();
        found.sort();
        let (missed, surplus) = (less(&expected, &found), less(&found, &expected));
        prop_assert!(
            missed.is_empty() && surplus.is_empty(),
            "missed {missed:?}, surplus {surplus:?}, {pieces:?}, room for {room}\n{}\n{}", written::listed(&acts), written::yaml(&policies)
        );
    }

    #[test]
    fn what_a_quota_pushes_out_depends_on_no_commit_and_no_cache(
        policies in written::tuned(written::policies(prop_oneof![written::kind().boxed(), written::repeated().boxed()])),
        arrivals in prop_oneof![
            written::arrivals(written::acts_of_many(60), true),
            written::arrivals(written::acts_of_days(60), true),
            written::acts_of_many(60),
        ],
        pieces in written::pieces(), strangers in select(&[8, 16][..]),
    ) {
        let set = compiled(&policies);
        let [whole, cut] = [Pieces::WHOLE, pieces].map(|pieces| engine::found_with(&set, &arrivals, pieces, room(strangers)));
        prop_assert!(whole == cut, "{whole:?}\n{pieces:?} {cut:?}\n{}\n{}", written::listed(&arrivals), written::yaml(&policies));
    }

    #[test]
    fn what_holds_again_in_an_episode_is_told_to_those_who_asked(
        policies in written::tuned(written::policies(written::kind())),
        arrivals in prop_oneof![2 => written::acts(40).boxed(), 1 => written::arrivals(written::acts(40), true).boxed()],
        pieces in written::pieces(),
    ) {
        let acts = arrival::counted(&arrivals);
        let told = engine::told(&compiled(&policies), &acts, pieces.acts);
        let mut faults = Vec::new();
        for (policy, held) in reference::held(&policies, &acts).into_iter().enumerate() {
            let mut episodes = BTreeSet::new();
            let of_it: Vec<_> = told.iter().filter(|(one, _)| one.policy == policy).collect();
            for (one, again) in &of_it {
                let is_first = episodes.insert((&one.entity, one.time.div_euclid(reference::episode(&policies[policy]))));
                if is_first == *again || *again && !policies[policy].asks {
                    faults.push(format!("said to hold {} {one:?}", if *again { "again" } else { "first" }));
                }
            }
            let Some(held) = held else { continue };
            let may = held.into_iter().filter(|one| arrival::told(&policies[policy], &acts[one.act]));
            let may: BTreeMap<Told, bool> = may
                .map(|Held { entity, act, time, sure, .. }| (Told { policy, entity, act, time }, sure))
                .collect();
            let surplus = of_it.iter().filter(|(one, _)| !may.contains_key(one));
            faults.extend(surplus.map(|one| format!("surplus {one:?}")));
            let must = may.iter().filter(|(_, sure)| **sure && policies[policy].asks).map(|(one, _)| one);
            let missed = must.filter(|one| !of_it.iter().any(|(it, _)| it == *one));
            faults.extend(missed.map(|one| format!("missed {one:?}")));
        }
        prop_assert!(faults.is_empty(), "{}\n{}\n{}", faults.join("\n"), written::listed(&acts), written::yaml(&policies));
    }

    #[test]
    fn what_is_monotone_is_found_in_every_order(
        policies in written::tuned(written::policies(written::kind())),
        arrivals in written::arrivals(written::acts(25), false),
        pieces in written::pieces(),
    ) {
        let set = compiled(&policies);
        let mut acts = arrivals.clone();
        acts.sort_by_key(|act| (act.time, act.id));
        let expected = reference::findings(&policies, &acts);
        let found: BTreeSet<Finding> = engine::found(&set, &arrivals, pieces).into_iter().map(|(finding, _)| finding).collect();
        let must = whatever_the_order(&set, &policies, &expected, &acts);
        let missed: Vec<_> = must.difference(&found).collect();
        let monotone = |one: &&Finding| set.get(&format!("p{}", one.0)).is_some_and(|p| p.monotone) && takes_up_entities(&policies, one.0);
        let may = |one: &&Finding| expected.must.contains_key(*one) || expected.may.contains(*one) || expected.unknown.contains(&one.0);
        let surplus: Vec<_> = found.iter().filter(monotone).filter(|one| !may(one)).collect();
        prop_assert!(missed.is_empty() && surplus.is_empty(), "missed {missed:?}, surplus {surplus:?}, {pieces:?}\n{}\n{}", written::listed(&arrivals), written::yaml(&policies));
    }
}
