//! Random conditions against an obvious evaluator: negation, precedence, and what is known of activities before matching.
use super::*;
use crate::model::{Activity, Unmapped};
use proptest::prelude::*;

/// A condition that writes itself and decides itself.
#[derive(Clone, Debug)]
enum Tree {
    Selection(usize),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    OneOf,
    AllOf,
}

const SELECTIONS: &str = "\
a0: {activity_name: login}
a1: {activity_name: [login, VIEW]}
b0: {x: 1}
b1: {'activity_name|startswith': key, x: 1}
b2: {'activity_name|neq': login}
b3: {'activity_name|re': '^(log|view)'}
";

/// What each selection means, written down without the language.
fn selected(selection: usize, activity: Activity, x: bool) -> bool {
    let key = matches!(activity, Activity::KeyCreated | Activity::KeyDeleted);
    match selection {
        0 => activity == Activity::Login,
        1 => matches!(activity, Activity::Login | Activity::View),
        2 => x,
        3 => key && x,
        4 => activity != Activity::Login,
        _ => matches!(activity, Activity::Login | Activity::Logout | Activity::LoggingChanged | Activity::View),
    }
}

impl Tree {
    /// Every part in parentheses where `careful`; else as few as the precedence of the specification needs.
    fn write(&self, careful: bool) -> String {
        let inner = |tree: &Tree, tight: bool| match tree {
            Tree::And(..) | Tree::Or(..) | Tree::Not(_) if careful => {
                format!("({})", tree.write(careful))
            }
            Tree::Or(..) if tight => format!("({})", tree.write(careful)),
            _ => tree.write(careful),
        };
        match self {
            Tree::Selection(n) => ["a0", "a1", "b0", "b1", "b2", "b3"][*n].into(),
            Tree::Not(t) => match **t {
                Tree::And(..) => format!("not ({})", t.write(careful)),
                _ => format!("not {}", inner(t, true)),
            },
            Tree::And(a, b) => format!("{} and {}", inner(a, true), inner(b, true)),
            Tree::Or(a, b) => format!("{} or {}", inner(a, false), inner(b, false)),
            Tree::OneOf => "1 of a*".into(),
            Tree::AllOf => "all of a*".into(),
        }
    }

    fn decide(&self, activity: Activity, x: bool) -> bool {
        let of = |n| selected(n, activity, x);
        match self {
            Tree::Selection(n) => of(*n),
            Tree::Not(t) => !t.decide(activity, x),
            Tree::And(a, b) => a.decide(activity, x) && b.decide(activity, x),
            Tree::Or(a, b) => a.decide(activity, x) || b.decide(activity, x),
            Tree::OneOf => of(0) || of(1),
            Tree::AllOf => of(0) && of(1),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => (0usize..6).prop_map(Tree::Selection),
        1 => Just(Tree::OneOf),
        1 => Just(Tree::AllOf),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let pair = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.clone().prop_map(|t| Tree::Not(Box::new(t))),
            pair().prop_map(|(a, b)| Tree::And(a, b)),
            pair().prop_map(|(a, b)| Tree::Or(a, b)),
        ]
    })
}

proptest! {
    #[test]
    fn conditions_mean_what_they_say(tree in tree(), careful: bool) {
        let body = format!("{SELECTIONS}condition: {}", tree.write(careful));
        let quiet = "tripline: {tests: [{name: n, finds: 0, events: [{at: 0}]}]}";
        let set = set(&format!("{}{quiet}\n", detection(&body)));
        let Body::Detection(matcher) = &set.rules[0].body else { panic!("a detection") };
        let mut event = set.rules[0].tests[0].events().remove(0).1;
        for activity in Activity::ALL {
            for x in [false, true] {
                event.activity = *activity;
                event.unmapped = Unmapped::default();
                (0..set.raw_fields.len()).filter(|_| x).for_each(|i| event.unmapped.set(i, "1".into()));
                let wanted = tree.decide(*activity, x);
                prop_assert_eq!(matcher.matches(&event), wanted, "{} on {:?} {}", body, activity, x);
                if wanted && let Some(activities) = matcher.activities() {
                    prop_assert!(activities.contains(*activity));
                }
            }
        }
    }
}
