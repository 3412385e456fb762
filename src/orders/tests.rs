//! Gates and edges, as data.
use super::*;
use crate::model::finding::{Ask, SessionRef};
use crate::model::{EventTime, FindingId, Severity, Subject};

const NOW: WallTime = WallTime(1_000_000_000);

fn finding(n: u8) -> Finding {
    Finding {
        id: FindingId([n; 16]),
        policy: "chain".into(),
        decision: None,
        title: "t".into(),
        severity: Severity::High,
        time: EventTime(NOW.0),
        observed: NOW,
        first: EventTime(NOW.0),
        entity: "e".into(),
        subject: Subject {
            actor: Some("ana".into()),
            session: Some(SessionRef { digest: [n; 16], by_server: true }),
            ip: "192.0.2.1".parse().ok(),
            ..Subject::default()
        },
        measures: vec![],
        witnesses: vec![],
        tags: vec![],
        asks: vec![Ask { action: "end-session".into(), target: TargetKind::Session }],
        test: false,
        silenced: None,
    }
}

fn enforcing() -> Settings {
    Settings {
        mode: Some(Mode::Enforce),
        actions: ["end-session".to_owned()].into(),
        limit: 2,
        limit_window: Millis::HOUR,
        too_old: Millis::HOUR,
        ..Settings::default()
    }
}

fn consider(settings: &Settings, finding: &Finding) -> (OrderState, Option<Refusal>) {
    let made = Book::default().consider(settings, finding, Clock::Live(NOW));
    (made[0].state, made[0].refusal)
}

#[test]
fn a_new_installation_only_observes() {
    let settings = Settings { mode: None, ..enforcing() };
    assert_eq!(consider(&settings, &finding(1)), (OrderState::Observed, None));
}

#[test]
fn enforce_makes_a_pending_order_and_a_replay_never_does() {
    assert_eq!(consider(&enforcing(), &finding(1)), (OrderState::Pending, None));
    let made = Book::default().consider(&enforcing(), &finding(1), Clock::Replay(NOW));
    assert_eq!(made[0].state, OrderState::Observed);
}

/// What makes a gate refuse.
type Change = Box<dyn Fn(&mut Finding, &mut Settings)>;

#[test]
fn gates_refuse_by_name() {
    let cases: Vec<(Refusal, Change)> = vec![
        (Refusal::TooOld, Box::new(|f, _| f.time = EventTime(NOW.0 - Millis::HOUR.0 - 1))),
        (
            Refusal::Protected,
            Box::new(|_, s| {
                s.protected_actors.insert("ana".into());
            }),
        ),
        (Refusal::Protected, Box::new(|_, s| s.protected_networks.push("192.0.2.0/24".parse().expect("a network")))),
        (
            Refusal::NotVouched,
            Box::new(|f, _| f.subject.session = Some(SessionRef { digest: [1; 16], by_server: false })),
        ),
        (Refusal::NoTarget, Box::new(|f, _| f.subject.session = None)),
        (Refusal::NoAction, Box::new(|_, s| s.actions.clear())),
        (Refusal::Test, Box::new(|f, _| f.test = true)),
    ];
    for (why, change) in cases {
        let (mut f, mut s) = (finding(1), enforcing());
        change(&mut f, &mut s);
        assert_eq!(consider(&s, &f), (OrderState::Refused, Some(why)));
    }
}

#[test]
fn one_order_for_a_target_and_episode_with_all_findings_attached() {
    let mut book = Book::default();
    let first = finding(1);
    let second = Finding { id: FindingId([9; 16]), policy: "other".into(), ..finding(1) };
    assert_eq!(book.consider(&enforcing(), &first, Clock::Live(NOW)).len(), 1);
    let again = book.consider(&enforcing(), &second, Clock::Live(NOW));
    assert_eq!(again[0].findings, vec![first.id, second.id]);
    assert_eq!(book.iter().count(), 1);
    assert!(book.consider(&enforcing(), &second, Clock::Live(NOW)).is_empty(), "attached once");
}

#[test]
fn beyond_the_limit_orders_are_held_and_a_person_releases_them() {
    let mut book = Book::default();
    for n in 1..=3 {
        book.consider(&enforcing(), &finding(n), Clock::Live(NOW));
    }
    let held: Vec<_> = book.iter().filter(|o| o.state == OrderState::Held).cloned().collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].refusal, Some(Refusal::Limit));
    assert_eq!(book.decide(held[0].id, true, NOW, "uid 0").map(|o| o.state), Some(OrderState::Pending));
    assert_eq!(book.decide(held[0].id, true, NOW, "uid 0"), None, "it does not wait any more");
}

#[test]
fn hold_stops_what_is_pending_and_what_comes() {
    let mut book = Book::default();
    book.consider(&enforcing(), &finding(1), Clock::Live(NOW));
    assert_eq!(book.hold(true, NOW, "uid 0")[0].state, OrderState::Held);
    assert_eq!(book.consider(&enforcing(), &finding(2), Clock::Live(NOW))[0].refusal, Some(Refusal::Hold));
    book.hold(false, NOW, "uid 0");
    assert!(book.iter().all(|o| o.state == OrderState::Held), "each is released by a person");
}

#[test]
fn an_order_starts_once_and_only_the_runner_can_take_it_back() {
    let mut book = Book::default();
    let id = book.consider(&enforcing(), &finding(1), Clock::Live(NOW))[0].id;
    assert!(book.end(id, &Verdict::Done("x".into()), NOW).is_none(), "it has not started");
    assert!(book.start(&enforcing(), id, NOW).is_some());
    assert!(book.start(&enforcing(), id, NOW).is_none());
    assert_eq!(book.end(id, &Verdict::Unknown("?".into()), NOW).map(|o| o.state), Some(OrderState::Unknown));
    assert!(book.start(&enforcing(), id, NOW).is_none(), "unknown is not tried again");
    assert_eq!(book.end(id, &Verdict::NeverSeen, NOW), None, "nor where the journal has forgotten it");
    assert_eq!(book.end(id, &Verdict::Done("late".into()), NOW).map(|o| o.state), Some(OrderState::Done));
    assert!(book.end(id, &Verdict::NeverSeen, NOW).is_none(), "done stays done");
}

#[test]
fn what_the_runner_never_saw_is_handed_over_again_unless_it_was_long_ago_or_there_is_a_hold() {
    let started = |book: &mut Book| {
        let id = book.consider(&enforcing(), &finding(1), Clock::Live(NOW))[0].id;
        book.start(&enforcing(), id, NOW);
        id
    };
    let mut book = Book::default();
    let id = started(&mut book);
    assert_eq!(book.end(id, &Verdict::NeverSeen, NOW).map(|o| o.state), Some(OrderState::Pending));
    let mut book = Book::default();
    let id = started(&mut book);
    let month = NOW.plus(Millis::DAY.times(31));
    assert_eq!(book.end(id, &Verdict::NeverSeen, month).map(|o| o.state), Some(OrderState::Unknown));
    let mut book = Book::default();
    let id = started(&mut book);
    book.hold(true, NOW, "uid 0");
    assert_eq!(book.end(id, &Verdict::NeverSeen, NOW).map(|o| o.state), Some(OrderState::Held));
}

#[test]
fn what_could_not_be_acted_on_does_not_shield_what_can() {
    let mut book = Book::default();
    let mut copied = finding(1);
    copied.subject.session = Some(SessionRef { digest: [1; 16], by_server: false });
    assert_eq!(book.consider(&enforcing(), &copied, Clock::Live(NOW))[0].refusal, Some(Refusal::NotVouched));
    let stated = Finding { id: FindingId([9; 16]), ..finding(1) };
    let order = &book.consider(&enforcing(), &stated, Clock::Live(NOW))[0];
    assert_eq!((order.state, order.findings[0]), (OrderState::Pending, stated.id));
}

#[test]
fn before_it_is_handed_over_an_order_is_judged_by_what_holds_then() {
    let protects = Settings { protected_actors: ["ANA".to_owned()].into(), ..enforcing() };
    for (why, settings, later) in
        [(Refusal::Protected, protects, Millis(0)), (Refusal::TooOld, enforcing(), Millis::DAY)]
    {
        let mut book = Book::default();
        let id = book.consider(&enforcing(), &finding(1), Clock::Live(NOW))[0].id;
        let order = book.start(&settings, id, NOW.plus(later)).expect("it was pending");
        assert_eq!((order.state, order.refusal), (OrderState::Refused, Some(why)));
    }
}
