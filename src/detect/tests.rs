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
    let set =
        load(&[("a.yml", &format!("{USES}{terms}"))], &Site::default()).unwrap_or_else(|e| panic!("{e:?}\n{terms}"));
    let engine = Engine::new(Arc::new(set));
    let watched = engine.policies().rules.iter().position(|rule| &*rule.name == "watched").map(|n| n as u16);
    let (mut state, mut classifier) = (State::new(1), Classifier::new(1));
    state.nothing_is_stored();
    let mut counts = [0, 0];
    for (n, (minutes, activity, city)) in acts.iter().enumerate() {
        let event = event(n as u8, *minutes, *activity, city);
        let activation = engine.classify(&event, &mut classifier);
        let batch = classifier.take_batch();
        let mut memos = MemoCursor::new(&batch);
        let found = engine.advance(&mut state, &event, event.time, &activation, &mut memos);
        for (count, firings) in counts.iter_mut().zip([found.firings, found.refired]) {
            *count += firings.iter().filter(|firing| Some(firing.policy) == watched).count();
        }
    }
    counts
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
