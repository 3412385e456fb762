//! The engine finds what a slow and obvious reading of the policies finds, and what is monotone finds it in every order.
//!
//! `PROPTEST_CASES=20000` for the long run.
#[path = "oracle/reference.rs"]
mod reference;
#[path = "oracle/written.rs"]
mod written;
use proptest::prelude::*;
use reference::{Act, Finding, Policy};
use std::collections::BTreeSet;
use std::sync::Arc;
use tripline::detect::{Engine, Plans, State};
use tripline::policy::{PolicySet, Site, load};

fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |n| n.parse().expect("a number of cases"));
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn compiled(policies: &[Policy]) -> Arc<PolicySet> {
    let yaml = written::yaml(policies);
    Arc::new(load(&[("random.yml", &yaml)], &Site::default()).unwrap_or_else(|errors| panic!("{errors:?}\n{yaml}")))
}

/// What the engine finds in acts that arrive in that order; after each `lives` of them all that is in memory is lost.
fn found(set: &Arc<PolicySet>, arrivals: &[Act], lives: usize) -> BTreeSet<Finding> {
    let engine = Engine::new(set.clone());
    let mut rows = std::collections::BTreeMap::new();
    let mut found = BTreeSet::new();
    for arrivals in arrivals.chunks(lives) {
        let (mut state, mut plans) = (State::new(1), Plans::new(1));
        let events: Vec<_> = arrivals.iter().map(written::event).collect();
        let touched: Vec<_> = events.iter().map(|event| engine.touch(event, &mut plans)).collect();
        let table = plans.take_table();
        let mut missing = Vec::new();
        state.missing(&table, touched.iter(), &mut missing);
        for key in missing {
            let row: Option<&tripline::detect::StateRow> = rows.get(&key);
            state.load(key, row.map(|row| (&row.slice[..], row.place))).expect("it was written by this version");
        }
        let mut meeting = state.meet(&table);
        for (event, touched) in events.iter().zip(&touched) {
            let firings = engine.advance(&mut state, event, event.time, touched, &mut meeting).firings;
            found.extend(firings.into_iter().map(|firing| {
                let name = &set.rules[usize::from(firing.policy)].name;
                let number = name[1..].parse().expect("policies are called p and their number");
                (number, firing.label.to_string(), firing.episode)
            }));
        }
        rows.extend(state.take_dirty().into_iter().map(|row| (row.key, row)));
    }
    found
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn the_engine_finds_what_the_policies_mean(
        policies in written::policies(),
        acts in written::acts(40),
        lives in 1usize..60,
    ) {
        let set = compiled(&policies);
        let (expected, found) = (reference::findings(&policies, &acts), found(&set, &acts, lives));
        let missed: Vec<_> = expected.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&expected).collect();
        prop_assert!(missed.is_empty() && surplus.is_empty(), "missed {missed:?}, surplus {surplus:?}\n{}", written::yaml(&policies));
    }
}
