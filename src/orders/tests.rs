//! Gates and edges, as data.
mod verify;
use super::*;
use crate::model::Vouched::{Client, Server};
use crate::model::finding::{Ask, SessionRef};
use crate::model::{
    Activity, Actor, Decision, Event, EventId, EventTime, Evidence, FileId, FindingId, Http, Outcome, Severity,
    SourceName, Subject, Verdict,
};

const NOW: WallTime = WallTime(1_000_000_000);
const DIGEST: u8 = 1;

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
            trail: Some(SourceName("portal".into())),
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

/// The same about somebody.
fn of(n: u8, actor: &str) -> Finding {
    let mut finding = finding(n);
    finding.subject.actor = Some(actor.into());
    finding
}

const NAMES: [&str; 5] = ["ana", "bob", "eve", "joe", "kim"];

/// The same, asking for the account of somebody.
fn locking(n: u8, actor: &str) -> Finding {
    let mut finding = finding(n);
    finding.subject.actor = Some(actor.into());
    finding.asks = vec![Ask { action: "lock".into(), target: TargetKind::Account }];
    finding
}

fn enforcing() -> Settings {
    let end =
        Action { then: Some(("end-all".into(), TargetKind::User)), check: None, idempotent: true, ..Action::default() };
    let lock = Action { undo: Some("unlock".into()), lasts: Some(Millis::HOUR), ..Action::default() };
    let plain = |name: &str| (name.to_owned(), Action::default());
    Settings {
        mode: Mode::Enforce,
        actions: [("end-session".to_owned(), end), ("lock".to_owned(), lock), plain("unlock"), plain("end-all")].into(),
        limit: 2,
        too_old: Millis::HOUR,
        directory: [("ana", "admin"), ("bob", "admin"), ("eve", "noc")].map(|(n, r)| (n.into(), r.into())).into(),
        administrators: ["admin".to_owned()].into(),
        ..Settings::default()
    }
}

fn made(book: &mut Book, settings: &Settings, finding: &Finding, at: WallTime) -> Order {
    book.consider(settings, finding, Clock::Live(at)).orders[0].clone()
}

fn consider(settings: &Settings, finding: &Finding) -> (OrderState, Option<Refusal>) {
    let order = made(&mut Book::default(), settings, finding, NOW);
    (order.state, order.refusal)
}

fn end(book: &mut Book, id: OrderId, verdict: &Verdict, at: WallTime) -> Vec<Order> {
    book.end(&enforcing(), id, verdict, at).orders
}

fn done(book: &mut Book, finding: &Finding) -> OrderId {
    let id = made(book, &enforcing(), finding, NOW).id;
    book.start(&enforcing(), id, NOW).expect("it is pending");
    end(book, id, &Verdict::Done("well".into()), NOW);
    id
}

fn state(book: &Book, id: OrderId) -> OrderState {
    book.iter().find(|o| o.id == id).expect("it is in the book").state
}

fn held(book: &Book, id: OrderId) -> Option<Held> {
    book.iter().find(|o| o.id == id)?.verification.as_ref().map(|v| v.result)
}

#[test]
fn a_new_installation_only_observes() {
    let settings = Settings { mode: Mode::Observe, ..enforcing() };
    assert_eq!(consider(&settings, &finding(1)), (OrderState::Observed, None));
}

#[test]
fn enforce_makes_a_pending_order_and_a_replay_never_does() {
    assert_eq!(consider(&enforcing(), &finding(1)), (OrderState::Pending, None));
    let made = Book::default().consider(&enforcing(), &finding(1), Clock::Replay(NOW));
    assert_eq!(made.orders[0].state, OrderState::Observed);
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
        (
            Refusal::NotVouched,
            Box::new(|f, _| {
                f.subject.is_claimed = true;
                f.asks = vec![Ask { action: "end-all".into(), target: TargetKind::User }];
            }),
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
    made(&mut book, &enforcing(), &first, NOW);
    assert_eq!(made(&mut book, &enforcing(), &second, NOW).findings, vec![first.id, second.id]);
    assert_eq!(book.iter().count(), 1);
    assert!(book.consider(&enforcing(), &second, Clock::Live(NOW)).orders.is_empty(), "attached once");
}

#[test]
fn beyond_the_limit_orders_are_held_and_a_person_releases_them() {
    let mut book = Book::default();
    let mut said = 0;
    for n in 1..=4 {
        said +=
            usize::from(book.consider(&enforcing(), &of(n, NAMES[usize::from(n)]), Clock::Live(NOW)).tripped.is_some());
    }
    assert_eq!(said, 1, "that the limit holds is said once");
    let held: Vec<Order> = book.iter().filter(|o| o.state == OrderState::Held).cloned().collect();
    assert_eq!((held.len(), held[0].refusal), (2, Some(Refusal::Limit)));
    let by = Text::from("uid 7");
    let released = book.decide(&enforcing(), held[0].id, Decision::Release, NOW, &by).orders;
    assert_eq!(released[0].state, OrderState::Pending);
    assert!(book.decide(&enforcing(), held[0].id, Decision::Release, NOW, &by).orders.is_empty(), "it does not wait");
    // one is still held: what comes an hour later in a trickle is held too, until people have looked at all
    let later = NOW.plus(Millis::MINUTE.times(59));
    assert_eq!(made(&mut book, &enforcing(), &of(8, "new"), later).refusal, Some(Refusal::Limit));
}

/// A person who has one session after the other, each with an export.
#[test]
fn several_orders_about_one_count_once_and_the_third_session_asks_for_the_next_grade() {
    let mut book = Book::default();
    for n in 1..=6 {
        let orders = book.consider(&enforcing(), &finding(n), Clock::Live(NOW)).orders;
        let all: Vec<(&str, OrderState)> = orders.iter().map(|o| (&*o.action, o.state)).collect();
        let (end, next) = (("end-session", OrderState::Pending), ("end-all", OrderState::Pending));
        assert_eq!(all, if n < 3 { vec![end] } else { vec![end, next] }, "{n}");
    }
    let next: Vec<&Order> = book.iter().filter(|o| &*o.action == "end-all").collect();
    assert_eq!(
        (next.len(), next[0].target, next[0].findings.len()),
        (1, TargetKind::User, 4),
        "one order for them all"
    );
    // the limit is two people: it is not used up, and holds the third
    assert_eq!(made(&mut book, &enforcing(), &of(7, "bob"), NOW).state, OrderState::Pending);
    assert_eq!(made(&mut book, &enforcing(), &of(8, "eve"), NOW).refusal, Some(Refusal::Limit));
    // whoever was acted on goes on being acted on while others are held
    assert_eq!(made(&mut book, &enforcing(), &finding(9), NOW).state, OrderState::Pending);
    // two sessions within the window and two after it are no third
    let mut book = Book::default();
    for (n, at) in [(1, NOW), (2, NOW), (3, NOW.plus(Millis::HOUR.times(2))), (4, NOW.plus(Millis::HOUR.times(2)))] {
        let later = Finding { time: EventTime(at.0), ..finding(n) };
        assert_eq!(book.consider(&enforcing(), &later, Clock::Live(at)).orders.len(), 1, "{n}");
    }
}

#[test]
fn the_next_grade_after_a_third_session_goes_through_the_gates_and_is_none_where_none_is_named() {
    let mut gated = enforcing();
    gated.actions.insert("end-all".to_owned(), Action { mode: Some(Mode::Approve), ..Action::default() });
    let mut plain = enforcing();
    plain.actions.insert("end-session".to_owned(), Action::default());
    for (settings, expected) in [(gated, vec![OrderState::Waiting]), (plain, vec![])] {
        let mut book = Book::default();
        (1..=3).for_each(|n| {
            book.consider(&settings, &finding(n), Clock::Live(NOW));
        });
        let next = book.iter().filter(|o| &*o.action == "end-all").map(|o| o.state);
        assert_eq!(next.collect::<Vec<_>>(), expected);
    }
}

/// Who is held may log in as often as he likes: the others wait no longer for it, and there is room for them in the book.
#[test]
fn whoever_is_held_keeps_nobody_else_held() {
    let mut book = Book::default();
    let at = |book: &mut Book, n, who: &str, minutes| {
        let at = NOW.plus(Millis::MINUTE.times(minutes));
        let finding = Finding { time: EventTime(at.0), ..of(n, who) };
        book.consider(&enforcing(), &finding, Clock::Live(at)).orders.into_iter().next().map(|o| o.state)
    };
    let (pending, held) = (Some(OrderState::Pending), Some(OrderState::Held));
    assert_eq!([at(&mut book, 1, "ana", 0), at(&mut book, 2, "bob", 0)], [pending; 2]);
    assert_eq!(at(&mut book, 3, "eve", 1), held);
    for n in 0..30 {
        let expected = (usize::from(n) + 1 < MOST_HELD_OF_ONE).then_some(OrderState::Held);
        assert_eq!(at(&mut book, 100 + n, "eve", 2 + i64::from(n)), expected, "{n}");
    }
    assert_eq!(at(&mut book, 4, "joe", 60), held, "within a window of it everybody is");
    assert_eq!(at(&mut book, 5, "joe", 122), pending, "and then nobody else");
}

#[test]
fn a_limit_is_a_share_of_the_staff_too() {
    let settings = Settings { limit: 100, ..enforcing() };
    let mut book = Book::default();
    for (n, name) in ["ana", "bob", "eve", "joe"].into_iter().enumerate() {
        let mut finding = finding(n as u8);
        finding.subject.actor = Some(name.into());
        let order = made(&mut book, &settings, &finding, NOW);
        let expected = if n < LEAST_PEOPLE { OrderState::Pending } else { OrderState::Held };
        assert_eq!(order.state, expected, "{name}");
    }
}

#[test]
fn hold_stops_what_is_pending_and_what_comes() {
    let mut book = Book::default();
    made(&mut book, &enforcing(), &finding(1), NOW);
    assert_eq!(book.hold(true, NOW, "uid 0")[0].state, OrderState::Held);
    assert_eq!(made(&mut book, &enforcing(), &finding(2), NOW).refusal, Some(Refusal::Hold));
    book.hold(false, NOW, "uid 0");
    assert!(book.iter().all(|o| o.state == OrderState::Held), "each is released by a person");
}

#[test]
fn an_order_starts_once_and_only_the_runner_can_take_it_back() {
    let mut book = Book::default();
    let id = made(&mut book, &enforcing(), &finding(1), NOW).id;
    assert!(end(&mut book, id, &Verdict::Done("x".into()), NOW).is_empty(), "it has not started");
    assert!(book.start(&enforcing(), id, NOW).is_some());
    assert!(book.start(&enforcing(), id, NOW).is_none());
    end(&mut book, id, &Verdict::Unknown("?".into()), NOW);
    assert_eq!(state(&book, id), OrderState::Unknown);
    assert!(book.start(&enforcing(), id, NOW).is_none(), "unknown is not tried again by itself");
    assert!(end(&mut book, id, &Verdict::NeverSeen, NOW).is_empty(), "nor where the journal has forgotten it");
    end(&mut book, id, &Verdict::Done("late".into()), NOW);
    assert_eq!(state(&book, id), OrderState::Done);
    assert!(end(&mut book, id, &Verdict::NeverSeen, NOW).is_empty(), "done stays done");
}

#[test]
fn what_the_runner_never_saw_is_handed_over_again_unless_it_was_long_ago_or_there_is_a_hold() {
    let started = |book: &mut Book| {
        let id = made(book, &enforcing(), &finding(1), NOW).id;
        book.start(&enforcing(), id, NOW);
        id
    };
    for (hold, after, state_then) in [
        (false, Millis(0), OrderState::Pending),
        (false, Millis::DAY.times(31), OrderState::Unknown),
        (true, Millis(0), OrderState::Held),
    ] {
        let mut book = Book::default();
        let id = started(&mut book);
        book.hold(hold, NOW, "uid 0");
        end(&mut book, id, &Verdict::NeverSeen, NOW.plus(after));
        assert_eq!(state(&book, id), state_then);
    }
}

#[test]
fn a_cookie_beside_a_name_protects_nobody_and_a_name_beside_a_session_condemns_nobody() {
    let with = |by_server, is_claimed, target| {
        let mut f = finding(1);
        f.subject.session = Some(SessionRef { digest: [1; 16], by_server });
        f.subject.is_claimed = is_claimed;
        let action = if target == TargetKind::Session { "end-session" } else { "end-all" };
        f.asks = vec![Ask { action: action.into(), target }];
        consider(&enforcing(), &f).1
    };
    for target in [TargetKind::User, TargetKind::Account, TargetKind::Token] {
        assert_eq!(with(false, false, target), None, "{target:?}");
        assert_eq!(with(true, true, target), Some(Refusal::NotVouched), "{target:?}");
    }
    assert_eq!(with(true, true, TargetKind::Session), None);
    assert_eq!(with(false, false, TargetKind::Session), Some(Refusal::NotVouched));
}

#[test]
fn what_could_not_be_acted_on_does_not_shield_what_can() {
    let mut book = Book::default();
    let mut copied = finding(1);
    copied.subject.session = Some(SessionRef { digest: [DIGEST; 16], by_server: false });
    assert_eq!(made(&mut book, &enforcing(), &copied, NOW).refusal, Some(Refusal::NotVouched));
    let stated = Finding { id: FindingId([9; 16]), ..finding(1) };
    let order = made(&mut book, &enforcing(), &stated, NOW);
    assert_eq!((order.state, order.findings[0]), (OrderState::Pending, stated.id));
}

#[test]
fn what_people_are_asked_about_does_not_shield_what_may_be_done_unasked() {
    let mut settings = Settings { approval: approving(1, Otherwise::Cancel).approval, ..enforcing() };
    settings.modes.insert("asks".into(), Mode::Approve);
    let asking = Finding { policy: "asks".into(), ..finding(1) };
    let sure = Finding { id: FindingId([9; 16]), ..finding(1) };
    // while people are asked, and after nobody has answered
    for later in [Millis(1000), Millis::MINUTE.times(2)] {
        let mut book = Book::default();
        let id = made(&mut book, &settings, &asking, NOW).id;
        book.tick(&settings, NOW.plus(later));
        let order = made(&mut book, &settings, &sure, NOW.plus(later));
        assert_eq!((order.id, order.state, order.findings[0]), (id, OrderState::Pending, sure.id));
        assert_eq!(order.answer_by, None);
    }
    // a person's no stays
    let mut book = Book::default();
    let id = made(&mut book, &settings, &asking, NOW).id;
    book.decide(&settings, id, Decision::Deny, NOW, &"uid 7".into());
    assert_eq!(made(&mut book, &settings, &sure, NOW).state, OrderState::Cancelled);
}

#[test]
fn before_it_is_handed_over_an_order_is_judged_by_what_holds_then() {
    let protects = Settings { protected_actors: ["ANA".to_owned()].into(), ..enforcing() };
    let observes = Settings { mode: Mode::Observe, ..enforcing() };
    for (expected, settings, later) in [
        ((OrderState::Refused, Some(Refusal::Protected)), protects, Millis(0)),
        ((OrderState::Refused, Some(Refusal::TooOld)), enforcing(), Millis::DAY),
        ((OrderState::Observed, None), observes, Millis(0)),
    ] {
        let mut book = Book::default();
        let id = made(&mut book, &enforcing(), &finding(1), NOW).id;
        let order = book.start(&settings, id, NOW.plus(later)).expect("it was pending");
        assert_eq!((order.state, order.refusal), expected);
    }
}

fn approving(people: usize, otherwise: Otherwise) -> Settings {
    let approval = Approval { people, deadline: Millis::MINUTE, otherwise };
    Settings { mode: Mode::Approve, approval, ..enforcing() }
}

#[test]
fn two_people_are_two_different_people_and_neither_is_root() {
    let settings = approving(2, Otherwise::Cancel);
    let mut book = Book::default();
    let order = made(&mut book, &settings, &finding(1), NOW);
    assert_eq!(order.state, OrderState::Waiting);
    for (by, expected) in
        [("uid 0", None), ("uid 7", Some(OrderState::Waiting)), ("uid 7", None), ("uid 8", Some(OrderState::Pending))]
    {
        let said = book.decide(&settings, order.id, Decision::Approve, NOW, &by.into()).orders;
        assert_eq!(said.first().map(|o| o.state), expected, "{by}");
    }
    assert_eq!(book.iter().next().map(|o| o.approved.len()), Some(2));
}

#[test]
fn nobody_answers_and_the_default_is_taken_at_the_deadline() {
    for (otherwise, expected) in
        [(Otherwise::Cancel, OrderState::Cancelled), (Otherwise::CarryOut, OrderState::Pending)]
    {
        let settings = approving(1, otherwise);
        let mut book = Book::default();
        let id = made(&mut book, &settings, &finding(1), NOW).id;
        assert_eq!(book.due(), Some(NOW.plus(Millis::MINUTE)));
        book.tick(&settings, NOW.plus(Millis(59_999)));
        assert_eq!(state(&book, id), OrderState::Waiting);
        book.tick(&settings, NOW.plus(Millis::MINUTE));
        assert_eq!((state(&book, id), book.due()), (expected, None));
    }
}

#[test]
fn a_release_is_no_approval() {
    let settings = approving(1, Otherwise::Cancel);
    let mut book = Book::default();
    book.hold(true, NOW, "uid 0");
    let id = made(&mut book, &settings, &finding(1), NOW).id;
    book.hold(false, NOW, "uid 0");
    book.decide(&settings, id, Decision::Release, NOW, &"uid 7".into());
    assert_eq!(state(&book, id), OrderState::Waiting);
}

#[test]
fn the_last_administrator_is_never_locked_out_and_without_a_directory_a_person_is_asked() {
    let mut book = Book::default();
    let first = made(&mut book, &enforcing(), &locking(1, "ana"), NOW);
    assert_eq!(first.state, OrderState::Pending);
    assert_eq!(made(&mut book, &enforcing(), &locking(2, "Bob"), NOW).refusal, Some(Refusal::LastAdministrator));
    // sessions may be ended all the same: he logs in again
    assert_eq!(made(&mut book, &enforcing(), &finding(3), NOW).state, OrderState::Pending);
    let blind = Settings { directory: BTreeMap::new(), ..enforcing() };
    assert_eq!(consider(&blind, &locking(1, "ana")), (OrderState::Waiting, Some(Refusal::NoDirectory)));
}

#[test]
fn mutes_cool_down_and_quiet_hours_refuse_by_name() {
    let mut book = Book::default();
    let mute = Mute {
        id: "00".into(),
        from: NOW,
        until: NOW.plus(Millis::HOUR),
        reason: "a move".into(),
        by: "uid 7".into(),
        policies: vec!["ch*".into()],
        actors: vec![],
        actions: vec![],
    };
    book.mute(mute, NOW);
    assert_eq!(made(&mut book, &enforcing(), &finding(1), NOW).refusal, Some(Refusal::Muted));
    assert!(book.unmute(&"00".into(), NOW));
    let again = Finding { id: FindingId([9; 16]), ..finding(1) };
    assert_eq!(made(&mut book, &enforcing(), &again, NOW).state, OrderState::Pending, "it is judged again");

    let mut book = Book::default();
    let lasting = Settings { cool_down: Millis::DAY, too_old: Millis::DAY.times(3), ..enforcing() };
    let user = |n: u8, at: WallTime| {
        let asks = vec![Ask { action: "end-all".into(), target: TargetKind::User }];
        Finding { asks, time: EventTime(at.0), ..finding(n) }
    };
    assert_eq!(made(&mut book, &lasting, &user(1, NOW), NOW).state, OrderState::Pending);
    let soon = NOW.plus(Millis::HOUR.times(23));
    assert_eq!(made(&mut book, &lasting, &user(2, soon), soon).refusal, Some(Refusal::CoolDown), "another episode");

    let quiet = QuietHours {
        from: jiff::civil::time(0, 0, 0, 0),
        to: jiff::civil::time(0, 0, 0, 0),
        days: vec![],
        zone: jiff::tz::TimeZone::UTC,
    };
    let quiet = Settings { quiet: Some(quiet), ..enforcing() };
    assert_eq!(consider(&quiet, &finding(1)), (OrderState::Waiting, Some(Refusal::QuietHours)));
}

#[test]
fn a_person_who_asks_stands_for_the_mode_and_for_nothing_else() {
    let by = Text::from("uid 7");
    let ask = |settings: &Settings, finding: &Finding| {
        Book::default().consider_for(settings, finding, Clock::Live(NOW), Some(&by)).orders[0].clone()
    };
    let observing = Settings { mode: Mode::Observe, limit: 0, ..enforcing() };
    let order = ask(&observing, &finding(1));
    assert_eq!((order.state, order.approved[0].by.as_str()), (OrderState::Pending, "uid 7"));
    assert_eq!(
        ask(&approving(2, Otherwise::Cancel), &finding(1)).state,
        OrderState::Waiting,
        "a second one must agree"
    );
    let protects = Settings { protected_actors: ["ana".to_owned()].into(), ..observing };
    assert_eq!(ask(&protects, &finding(1)).refusal, Some(Refusal::Protected));
}

#[test]
fn what_did_nothing_is_tried_again_by_itself_where_twice_is_as_good_as_once() {
    let mut book = Book::default();
    let id = made(&mut book, &enforcing(), &finding(1), NOW).id;
    let mut at = NOW;
    for wait in [10, 30] {
        book.start(&enforcing(), id, at);
        end(&mut book, id, &Verdict::NotRun("not now".into()), at);
        assert_eq!((state(&book, id), book.due()), (OrderState::Failed, Some(at.plus(Millis::SECOND.times(wait)))));
        at = at.plus(Millis::SECOND.times(wait));
        book.tick(&enforcing(), at);
        assert_eq!(state(&book, id), OrderState::Pending);
    }
    book.start(&enforcing(), id, at);
    end(&mut book, id, &Verdict::Unknown("?".into()), at);
    book.tick(&enforcing(), at.plus(Millis::HOUR));
    assert_eq!(state(&book, id), OrderState::Unknown, "three times is enough");
    // what failed has done something, and what is not idempotent would do it twice
    for (finding, verdict) in
        [(finding(2), Verdict::Failed("no".into())), (locking(3, "eve"), Verdict::Unknown("?".into()))]
    {
        let mut book = Book::default();
        let id = made(&mut book, &enforcing(), &finding, NOW).id;
        book.start(&enforcing(), id, NOW);
        end(&mut book, id, &verdict, NOW);
        book.tick(&enforcing(), NOW.plus(Millis::HOUR));
        assert_ne!(state(&book, id), OrderState::Pending);
    }
}

#[test]
fn only_what_is_idempotent_is_tried_again() {
    let mut book = Book::default();
    let by = Text::from("uid 7");
    let session = made(&mut book, &enforcing(), &finding(1), NOW).id;
    let account = made(&mut book, &enforcing(), &locking(2, "eve"), NOW).id;
    for id in [session, account] {
        book.start(&enforcing(), id, NOW);
        end(&mut book, id, &Verdict::Failed("no".into()), NOW);
        book.decide(&enforcing(), id, Decision::Retry, NOW, &by);
    }
    assert_eq!((state(&book, session), state(&book, account)), (OrderState::Pending, OrderState::Failed));
    assert_eq!(book.iter().find(|o| o.id == session).map(|o| o.attempt), Some(2));
}
