//! After an order: whether it held, what follows, and taking it back.
use super::*;

/// An act of session 1 that ended so long after the order, and took so long.
fn act(ended: Millis, took: Option<u64>, status: u16) -> Event {
    let evidence = Evidence {
        source: SourceName("portal".into()),
        file: FileId { device: 1, inode: 2, born_ns: 3, ..FileId::default() },
        from: 0,
        to: 10,
        index: 0,
        own_id: false,
        sender: None,
        digest: [0; 16],
        redacted: Box::default(),
    };
    let mut event = Event::blank(EventId([0; 16]), NOW.plus(ended), "portal".into(), evidence);
    event.activity = Activity::Download;
    event.time = EventTime(NOW.plus(ended).0);
    event.outcome = if status < 400 { Outcome::Success } else { Outcome::Failure };
    event.actor = Some(Actor::named("ana"));
    event.http = Some(Http { status: Some(status), took_ms: took, ..Http::default() });
    event
}

fn witness(book: &mut Book, event: &Event, digest: u8) -> Vec<Order> {
    let session = Some(SessionRef { digest: [digest; 16], by_server: true });
    book.witness(&enforcing(), &Act { event, session, telling: true }).orders
}

#[test]
fn an_act_that_began_after_done_says_that_it_did_not_hold_and_the_next_grade_is_taken() {
    let mut book = Book::default();
    let id = done(&mut book, &finding(DIGEST));
    assert_eq!(held(&book, id), Some(Held::Watching));
    witness(&mut book, &act(Millis(60_000), Some(59_500), 200), DIGEST);
    assert_eq!(held(&book, id), Some(Held::Watching), "a long download that began before");
    let changed = witness(&mut book, &act(Millis(60_000), Some(10), 200), DIGEST);
    assert_eq!(held(&book, id), Some(Held::NotHeld));
    let next = changed.last().expect("the next grade");
    assert_eq!((&*next.action, next.target, next.parent), ("end-all", TargetKind::User, Some(id)));
    assert_eq!(next.state, OrderState::Pending);
    assert!(witness(&mut book, &act(Millis(61_000), Some(10), 200), DIGEST).is_empty(), "once");
}

#[test]
fn the_next_grade_goes_through_the_gates() {
    let mut book = Book::default();
    let id = done(&mut book, &finding(DIGEST));
    book.hold(true, NOW, "uid 0");
    let changed = witness(&mut book, &act(Millis(60_000), Some(10), 200), DIGEST);
    assert_eq!(changed.last().map(|o| (o.parent, o.state)), Some((Some(id), OrderState::Held)));
}

#[test]
fn what_the_trail_shows_in_the_end() {
    let min = |n| Millis::MINUTE.times(n);
    for (what, digest, event, expected) in [
        ("refused", DIGEST, act(min(1), Some(5), 401), Held::Held),
        ("another session", 9, act(min(1), Some(5), 200), Held::Held),
        ("no duration", DIGEST, act(min(1), None, 200), Held::CouldNotTell),
        ("sent elsewhere", DIGEST, act(min(1), Some(5), 302), Held::Held),
        ("nothing after it", DIGEST, act(Millis(0), Some(5), 200), Held::CouldNotTell),
    ] {
        let mut book = Book::default();
        let id = done(&mut book, &finding(DIGEST));
        witness(&mut book, &event, digest);
        book.tick(&enforcing(), NOW.plus(min(10)));
        assert_eq!(held(&book, id), Some(expected), "{what}");
        assert!(!book.watches());
    }
}

#[test]
fn only_being_turned_away_says_that_a_session_is_over() {
    for (status, expected) in
        [(401, Held::Held), (403, Held::CouldNotTell), (404, Held::CouldNotTell), (500, Held::CouldNotTell)]
    {
        let mut book = Book::default();
        let id = done(&mut book, &finding(DIGEST));
        witness(&mut book, &act(Millis::MINUTE, None, 200), DIGEST);
        witness(&mut book, &act(Millis::MINUTE.times(2), None, status), DIGEST);
        let refused = book.iter().find(|o| o.id == id).and_then(|o| o.verification.as_ref()).map(|v| v.refused);
        assert_eq!(refused, Some(matches!(status, 401 | 403)), "{status}");
        book.tick(&enforcing(), NOW.plus(Millis::MINUTE.times(10)));
        assert_eq!(held(&book, id), Some(expected), "{status}");
    }
}

#[test]
fn a_name_that_anybody_may_send_says_nothing_of_whose_it_is() {
    let mut book = Book::default();
    let mut asking = finding(DIGEST);
    asking.asks = vec![Ask { action: "end-all".into(), target: TargetKind::User }];
    let id = done(&mut book, &asking);
    // curl -u ana:x, as an access log has it: the start page answers 200, the rest 401
    for status in [200, 401] {
        let mut event = act(Millis::MINUTE, Some(1), status);
        // a server vouches for the name of nobody whom it turns away
        event.actor = Some(Actor { vouched: if status == 401 { Server } else { Client }, ..Actor::named("ana") });
        book.witness(&enforcing(), &Act { event: &event, session: None, telling: status == 200 });
        let found = book.iter().find(|o| o.id == id).and_then(|o| o.verification.clone()).expect("it is watched");
        assert_eq!((found.result, found.refused), (Held::Watching, false), "{status}");
    }
}

#[test]
fn another_trail_that_goes_on_does_not_say_that_it_held() {
    let mut book = Book::default();
    let id = done(&mut book, &finding(DIGEST));
    let mut event = act(Millis::MINUTE, Some(5), 200);
    event.evidence.source = SourceName("other".into());
    witness(&mut book, &event, 9);
    book.tick(&enforcing(), NOW.plus(Millis::MINUTE.times(10)));
    assert_eq!(held(&book, id), Some(Held::CouldNotTell));
}

#[test]
fn what_the_identity_provider_records_counts_even_before_the_hook_has_answered() {
    let mut book = Book::default();
    let id = made(&mut book, &enforcing(), &finding(DIGEST), NOW).id;
    book.start(&enforcing(), id, NOW);
    let mut revoked = act(Millis(100), None, 200);
    (revoked.activity, revoked.http) = (Activity::SessionRevoked, None);
    witness(&mut book, &revoked, DIGEST);
    assert_eq!(book.take_noticed().len(), 1, "it is written, though it is no step");
    end(&mut book, id, &Verdict::Done("well".into()), NOW);
    book.tick(&enforcing(), NOW.plus(Millis::MINUTE.times(10)));
    assert_eq!(held(&book, id), Some(Held::Held));
}

#[test]
fn who_logs_in_again_has_another_session_unless_the_account_was_to_be_locked() {
    for (asks, expected) in [("end-all", Held::Held), ("lock", Held::NotHeld)] {
        let mut book = Book::default();
        let mut asking = locking(DIGEST, "ana");
        if asks == "end-all" {
            asking.asks = vec![Ask { action: asks.into(), target: TargetKind::User }];
        }
        let id = done(&mut book, &asking);
        let mut login = act(Millis::MINUTE, Some(5), 200);
        login.activity = Activity::Login;
        witness(&mut book, &login, 9);
        witness(&mut book, &act(Millis::MINUTE.times(2), Some(5), 200), 9);
        book.tick(&enforcing(), NOW.plus(Millis::MINUTE.times(10)));
        assert_eq!(held(&book, id), Some(expected), "{asks}");
    }
}

#[test]
fn what_a_client_sends_says_only_by_what_it_gets_that_a_session_lives() {
    let mut book = Book::default();
    let id = done(&mut book, &finding(DIGEST));
    let event = act(Millis::MINUTE, Some(5), 200);
    let session = Some(SessionRef { digest: [DIGEST; 16], by_server: false });
    book.witness(&enforcing(), &Act { event: &event, session, telling: false });
    assert_eq!(held(&book, id), Some(Held::Watching), "a page may be the login page");
    let refused = act(Millis::MINUTE, Some(5), 401);
    book.witness(&enforcing(), &Act { event: &refused, session, telling: true });
    assert_eq!(held(&book, id), Some(Held::Watching));
    book.witness(&enforcing(), &Act { event: &event, session, telling: true });
    assert_eq!(held(&book, id), Some(Held::NotHeld));
}

#[test]
fn a_cookie_that_is_turned_away_does_not_clear_up_what_could_not_be_told() {
    let session = Some(SessionRef { digest: [DIGEST; 16], by_server: false });
    for (goes_on, expected) in [(false, Held::Held), (true, Held::CouldNotTell)] {
        let mut book = Book::default();
        let id = done(&mut book, &finding(DIGEST));
        if goes_on {
            witness(&mut book, &act(Millis::MINUTE, None, 200), DIGEST);
        }
        // by an endpoint that does not know the session
        let refused = act(Millis::MINUTE.times(2), Some(5), 401);
        book.witness(&enforcing(), &Act { event: &refused, session, telling: true });
        book.tick(&enforcing(), NOW.plus(Millis::MINUTE.times(10)));
        assert_eq!(held(&book, id), Some(expected), "{goes_on}");
    }
}

#[test]
fn nobody_says_by_a_forged_record_that_a_session_was_ended() {
    for (by_server, vouched, expected) in [(true, Server, Held::Held), (false, Client, Held::CouldNotTell)] {
        let mut book = Book::default();
        let id = done(&mut book, &finding(DIGEST));
        let mut revoked = act(Millis(100), None, 200);
        (revoked.activity, revoked.http) = (Activity::SessionRevoked, None);
        revoked.actor = Some(Actor { vouched, ..Actor::named("ana") });
        let session = Some(SessionRef { digest: [DIGEST; 16], by_server });
        book.witness(&enforcing(), &Act { event: &revoked, session, telling: false });
        book.tick(&enforcing(), NOW.plus(Millis::MINUTE.times(10)));
        assert_eq!(held(&book, id), Some(expected), "{vouched:?}");
    }
}

#[test]
fn a_check_is_asked_and_believed() {
    let mut settings = enforcing();
    settings.actions.entry("end-session".into()).or_default().check = Some("unlock".into());
    for (verdict, expected) in [
        (Verdict::Done("gone".into()), Held::Held),
        (Verdict::Failed("it lives".into()), Held::NotHeld),
        (Verdict::NotRun("no answer".into()), Held::CouldNotTell),
    ] {
        let mut book = Book::default();
        let id = made(&mut book, &settings, &finding(1), NOW).id;
        book.start(&settings, id, NOW);
        let check = book.end(&settings, id, &Verdict::Done("well".into()), NOW).orders[1].clone();
        assert_eq!((check.purpose, check.parent, check.state), (Purpose::Check, Some(id), OrderState::Pending));
        book.start(&settings, check.id, NOW);
        book.end(&settings, check.id, &verdict, NOW);
        book.tick(&settings, NOW.plus(Millis::MINUTE.times(10)));
        assert_eq!(held(&book, id), Some(expected));
    }
}

#[test]
fn what_has_an_opposite_is_taken_back_when_its_time_is_over_even_after_a_restart() {
    let mut book = Book::default();
    let id = done(&mut book, &locking(1, "ana"));
    let mut book = Book::new(book.iter().cloned().collect::<Vec<_>>(), false, vec![]);
    let over = NOW.plus(Millis::HOUR);
    assert!(book.tick(&enforcing(), NOW.plus(Millis(3_599_999))).orders.iter().all(|o| o.purpose == Purpose::End));
    let changed = book.tick(&enforcing(), over).orders;
    let undo = changed.iter().find(|o| o.purpose == Purpose::Undo).expect("it is taken back").clone();
    assert_eq!((&*undo.action, undo.parent, undo.state), ("unlock", Some(id), OrderState::Pending));
    // protected or not, limit or not: what gives somebody back his account is no harm
    let strict = Settings { limit: 0, protected_actors: ["ana".to_owned()].into(), ..enforcing() };
    assert_eq!(book.start(&strict, undo.id, over).map(|o| o.state), Some(OrderState::Started));
    assert!(book.tick(&enforcing(), over.plus(Millis::HOUR)).orders.is_empty(), "once");
    // whoever has his account back administers again
    end(&mut book, undo.id, &Verdict::Done("well".into()), over);
    let later = Finding { time: EventTime(over.0), ..locking(2, "bob") };
    assert_eq!(made(&mut book, &enforcing(), &later, over).state, OrderState::Pending);
}

#[test]
fn a_person_may_take_it_back_before() {
    let mut book = Book::default();
    let id = done(&mut book, &locking(1, "eve"));
    let changed = book.decide(&enforcing(), id, Decision::Undo, NOW, &"uid 7".into()).orders;
    assert_eq!(changed.last().map(|o| (o.purpose, o.state)), Some((Purpose::Undo, OrderState::Pending)));
    assert!(book.decide(&enforcing(), id, Decision::Undo, NOW, &"uid 7".into()).orders.len() < 2, "once");
    book.tick(&enforcing(), NOW.plus(Millis::HOUR));
    assert_eq!(book.iter().filter(|o| o.purpose == Purpose::Undo).count(), 1);
}

#[test]
fn what_ran_when_the_order_ended_is_named_with_the_byte_at_which_it_ended() {
    let mut book = Book::default();
    let id = done(&mut book, &finding(DIGEST));
    let sent = |ended: Millis, took: Option<u64>, status: u16, bytes: u64| {
        let mut event = act(ended, took, status);
        event.export = Some(crate::model::Export {
            job: Some("ex-91".into()),
            bytes: Some(bytes),
            ..crate::model::Export::default()
        });
        event
    };
    let second = Millis::SECOND;
    for (event, digest) in [
        (sent(second.times(3), Some(30_000), 499, 3_145_728), DIGEST),
        (sent(second.times(4), Some(9_000), 200, 77), DIGEST),
        (sent(second.times(4), Some(9_000), 200, 78), 9),
        (sent(second.times(4), Some(9_000), 403, 79), DIGEST),
        (sent(second.times(4), None, 200, 80), DIGEST),
        (sent(second.times(4), Some(9_000), 200, 0), DIGEST),
        (sent(Millis::MINUTE.times(-1), Some(9_000), 200, 81), DIGEST),
    ] {
        witness(&mut book, &event, digest);
    }
    let order = book.iter().find(|o| o.id == id).expect("it is in the book");
    let running: Vec<(u64, Option<u16>)> =
        order.verification.iter().flat_map(|v| &v.running).map(|r| (r.bytes, r.status)).collect();
    assert_eq!(running, [(3_145_728, Some(499)), (77, Some(200))]);
    let said = order.verification.as_ref().map(|v| v.running[0].to_string()).unwrap_or_default();
    assert!(said.starts_with("a download of export ex-91 ended at byte 3145728 at "), "{said}");
    assert_eq!(held(&book, id), Some(Held::Watching), "what ran before says nothing of whether it held");
}

#[test]
fn an_order_names_the_export_of_its_finding() {
    let mut found = finding(DIGEST);
    found.subject.export = Some("ex-91".into());
    assert_eq!(made(&mut Book::default(), &enforcing(), &found, NOW).export.as_deref(), Some("ex-91"));
}
