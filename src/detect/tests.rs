//! What holds again in an episode in which it fired is told to those who stop sessions, whatever the type of correlation.
use super::*;
use crate::model::{Activity, Actor, Evidence, FileId, Millis, Session, SourceName, Vouched, WallTime};
use crate::policy::{Site, load};

const USES: &str = "\
title: Uses
name: uses
detection: { sel: { activity_name: [login, view] }, condition: sel }
---
title: Logins
name: logins
detection: { sel: { activity_name: login }, condition: sel }
---
title: Views
name: views
detection: { sel: { activity_name: view }, condition: sel }
---
title: Exports
name: exports
detection: { sel: { activity_name: export_requested }, condition: sel }
---
title: Watched
name: watched
level: medium
tripline: { response: [{ action: end-session, target: session }], episode: 1d }
correlation:
";

/// How often the policy of these terms fired, and how often it held again, at the acts of one person: how many minutes after the
/// beginning, what, and in which place.
fn fired(terms: &str, acts: &[(i64, Activity, &str)]) -> [usize; 2] {
    let terms: String = terms.lines().map(|line| format!("  {line}\n")).collect();
    told(&format!("{USES}{terms}"), acts).map(|firings| firings.len())
}

/// What the policy `watched` of that text fired at the acts, and what it told again.
fn told(text: &str, acts: &[(i64, Activity, &str)]) -> [Vec<Firing>; 2] {
    let set = load(&[("a.yml", text)], &Site::default()).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    let engine = Engine::new(Arc::new(set));
    let watched = engine.policies().rules.iter().position(|rule| &*rule.name == "watched").map(|n| n as u16);
    let (mut state, mut classifier) = (State::new(1), Classifier::new(1));
    state.nothing_is_stored();
    let mut all = [Vec::new(), Vec::new()];
    for (n, (minutes, activity, city)) in acts.iter().enumerate() {
        let event = event(n as u8, *minutes, *activity, city);
        let activation = engine.classify(&event, &mut classifier);
        let batch = classifier.take_batch();
        let mut memos = MemoCursor::new(&batch);
        let found = engine.advance(&mut state, &event, event.time, &activation, &mut memos);
        for (all, firings) in all.iter_mut().zip([found.firings, found.refired]) {
            all.extend(firings.into_iter().filter(|firing| Some(firing.policy) == watched));
        }
    }
    all
}

fn event(n: u8, minutes: i64, activity: Activity, city: &str) -> Event {
    let evidence = Evidence {
        source: SourceName("portal".into()),
        file: FileId { device: 1, inode: 1, born_ns: 0, ..FileId::default() },
        from: 0,
        to: 1,
        index: 0,
        own_id: false,
        sender: None,
        digest: [0; 16],
        redacted: "".into(),
    };
    let time = EventTime(1_772_409_600_000).plus(Millis::MINUTE.times(minutes));
    let mut event = Event::blank(EventId([n; 16]), WallTime(time.0), "portal".into(), evidence);
    event.activity = activity;
    event.actor = Some(Actor::named("ana"));
    event.session = Some(Session { id: format!("s{n}").into(), vouched: Vouched::Server });
    let place = match city {
        "Denver" => (39.74, -104.99, 50),
        "Amsterdam" => (52.37, 4.90, 20),
        _ => (-36.85, 174.76, 5),
    };
    event.origin.city = Some(city.into());
    event.origin.place = Some(place);
    event.origin.ip = Some(std::net::IpAddr::from([192, 0, 2, city.len() as u8]));
    event.origin.prefix = Some(city.into());
    event
}

#[test]
fn every_type_holds_again_in_an_episode() {
    use Activity::{Login, View};
    let by = "rules: [uses]\ngroup-by: [actor.user.name]\ntimespan: 1h\n";
    let day = 24 * 60;
    let lots: Vec<_> = [(0, View, "Denver")].into_iter().chain((0..6).map(|n| (day + n, View, "Denver"))).collect();
    let each = [
        (
            "type: event_count\ncondition: { gte: 2 }",
            vec![(0, View, "Denver"), (1, View, "Denver"), (2, View, "Denver")],
        ),
        (
            "type: value_count\ncondition: { gte: 2, field: src_endpoint.ip }",
            vec![(0, View, "Denver"), (1, View, "Amsterdam"), (2, View, "Denver")],
        ),
        ("type: new_value\nfields: [src_endpoint.ip]\nlearning: { days: 0, observations: 1 }\nnew-for: 1h", {
            vec![(0, View, "Denver"), (1, View, "Amsterdam"), (2, View, "Amsterdam")]
        }),
        ("type: travel\nlearning: { days: 0, observations: 1 }", {
            vec![(0, View, "Denver"), (1, View, "Denver"), (10, View, "Amsterdam"), (20, View, "Auckland")]
        }),
        ("type: baseline\nmeasure: count\nlearning: { days: 1, observations: 1 }\ncondition: { gte: 5 }", lots),
    ];
    for (terms, acts) in each {
        assert_eq!(fired(&format!("{by}{terms}"), &acts), [1, 1], "{terms}");
    }
    let absence =
        "rules: [logins, uses]\ngroup-by: [actor.user.name]\ntimespan: 1h\ntype: absence\ncondition: { gte: 1 }";
    let acts = [(0, Login, "Denver"), (61, View, "Denver"), (62, View, "Denver")];
    assert_eq!(fired(absence, &acts), [1, 1], "absence");
    let sequence = "rules: [views, exports, logins]\ngroup-by: [actor.user.name]\ntimespan: 1h\ntype: sequence\ninterrupted-by: logins";
    let acts = [(0, View), (1, Login), (2, Activity::ExportRequested), (3, View)].map(|(at, act)| (at, act, "Denver"));
    assert_eq!(fired(sequence, &acts), [0, 0], "a sequence that is interrupted");
    let acts = [acts[1], acts[3], (4, Activity::ExportRequested, "Denver"), (5, Activity::ExportRequested, "Denver")];
    assert_eq!(fired(sequence, &acts), [1, 1], "a sequence");
    let or = format!("{by}type: event_count\ncondition: {{ gte: 1 }}");
    assert_eq!(fired(&or, &[(0, View, "Denver"), (1, View, "Denver"), (2, Login, "Denver")]), [1, 2], "an `or`");
}

#[test]
fn a_response_is_asked_for_where_its_rule_holds_too() {
    let text = USES.replace("episode: 1d }", "episode: 1d, response-when: looked }")
        + "  { type: event_count, rules: [exports], group-by: [actor.user.name], timespan: 1h, condition: { gte: 1 } }\n---\n\
           title: Looked\nname: looked\ncorrelation: { type: temporal, rules: [views, exports], group-by: [actor.user.name], timespan: 1h }\n";
    use Activity::{ExportRequested, View};
    let [first, again] = told(&text, &[(0, ExportRequested, "Denver"), (5, ExportRequested, "Denver")]);
    assert_eq!((first.len(), again.len()), (1, 0));
    assert!(!first[0].asks, "it is told, and asks for nothing");
    let [first, again] =
        told(&text, &[(0, ExportRequested, "Denver"), (5, View, "Denver"), (9, ExportRequested, "Denver")]);
    assert!(!first[0].asks && again.len() == 1 && again[0].asks, "later in the episode it asks");
    let [first, _] = told(&text, &[(0, View, "Denver"), (9, ExportRequested, "Denver")]);
    assert!(first[0].asks);
    let [first, _] = told(&text, &[(0, View, "Denver"), (90, ExportRequested, "Denver")]);
    assert!(!first[0].asks, "what was so an hour ago is not so now");
    // whatever the type of the rule: a detection, an `or`, one that learns
    let text = USES.replace("episode: 1d }", "episode: 1d, response-when: WHEN }")
        + "  { type: event_count, rules: [uses, exports], group-by: [actor.user.name], timespan: 1h, condition: { gte: 1 } }\n---\n\
           title: Or\nname: or\ncorrelation: { type: event_count, rules: [views, logins], group-by: [actor.user.name], timespan: 1h, condition: { gte: 1 } }\n---\n\
           title: New\nname: new\ncorrelation: { type: new_value, rules: [views], group-by: [actor.user.name], fields: [src_endpoint.prefix], \
           timespan: 90d, learning: { days: 1, observations: 1 }, new-for: 1h }\n";
    let day = 24 * 60;
    for when in ["views", "or", "new"] {
        let acts = [
            (0, View, "Denver"),
            (2 * day, View, "Denver"),
            (3 * day, View, "Oslo"),
            (4 * day, ExportRequested, "Oslo"),
        ];
        let [first, _] = told(&text.replace("WHEN", when), &acts);
        let asks: Vec<bool> = first.iter().map(|firing| firing.asks).collect();
        let at = |minutes| when != "new" || minutes == 3 * day;
        assert_eq!(asks, [at(0), at(2 * day), at(3 * day), false], "{when}");
    }
}

#[test]
fn a_finding_holds_back_what_it_shows_and_nothing_else() {
    // both policies look at the same places; the finding rests on the one that speaks of the person
    let text = |rests_on: &str| {
        format!(
            "title: Uses\nname: uses\ndetection: {{ sel: {{ activity_name: [login, view, export_requested] }}, condition: sel }}\n---\n\
             title: Exports\nname: exports\ndetection: {{ sel: {{ activity_name: export_requested }}, condition: sel }}\n---\n\
             title: Watched\nname: watched\nlevel: low\ntripline: {{ episode: 1h, generate: true }}\ncorrelation: {{ type: new_value, rules: [uses], \
             group-by: [actor.user.name], fields: [src_endpoint.prefix], timespan: 90d, learning: {{ days: 1, observations: 1 }}, new-for: 1h }}\n---\n\
             title: Bulk\nname: bulk\nlevel: high\ncorrelation: {{ type: temporal, rules: [exports, {rests_on}], group-by: [actor.user.name], timespan: 1h }}\n"
        )
    };
    use Activity::{ExportRequested, View};
    let day = 24 * 60;
    let acts =
        [(0, View, "Denver"), (2 * day, View, "Denver"), (3 * day, ExportRequested, "Oslo"), (5 * day, View, "Oslo")];
    let [firings, _] = told(&text("watched"), &acts);
    assert_eq!(firings.len(), 2, "what a finding shows as new stays new");
    let [firings, _] = told(&text("uses"), &acts);
    assert_eq!(firings.len(), 1, "a finding that rests on no novelty says nothing of the place");
}
