//! After an order: whether it held, what follows when it did not, and taking it back.
//!
//! tripline goes on reading. An act of the target that *began* after the order ended says that it did not hold; when an act
//! began is its end less how long it took. Of an act without a duration nobody can say whether it began before: the
//! result is "could not be told", and nothing follows from it.
use super::{Book, Clock, Considered, REMEMBERED, Settings, Wish, child_id, is_watched};
use crate::model::finding::SessionRef;
use crate::model::order::{RUNNING, Running};
use crate::model::{
    Activity, Event, EventTime, Held, Millis, Order, OrderId, OrderState, Outcome, Purpose, Refusal, TargetKind, Text,
    Verdict, Verification, WallTime,
};

/// Trails write whole seconds, and clocks of two machines differ: what began so shortly after may have begun before.
const SLACK: Millis = Millis::SECOND;

/// How often an order is handed over by itself.
const MOST_ATTEMPTS: u32 = 3;
/// So long after the first attempt it is tried again; then three times as long.
const RETRY: Millis = Millis::SECOND.times(10);

/// An event, as it bears on whether orders held.
pub struct Act<'a> {
    /// The event.
    pub event: &'a Event,
    /// Its session, as orders name it.
    pub session: Option<SessionRef>,
    /// That sort of act is one that an intruder is after: it does not happen by a page that loads itself.
    pub telling: bool,
}

/// What an act says of an order that has ended.
enum Says {
    /// It is none of the target's, or began before.
    Nothing,
    /// The target was refused.
    Refused,
    /// Somebody who knows says that it has ended.
    Ended,
    /// The user logged in anew.
    Again,
    /// Nobody can say.
    Unclear,
    /// It did not hold.
    Lives,
}

impl Book {
    /// The runner told how it ended. A later word overrules only `unknown`; and that it never saw the order is believed only
    /// of one that was handed over lately, for its journal forgets.
    pub fn end(&mut self, settings: &Settings, id: OrderId, verdict: &Verdict, at: WallTime) -> Considered {
        let Some(known) = self.orders.get(&id).filter(|o| matches!(o.state, OrderState::Started | OrderState::Unknown))
        else {
            return Considered::default();
        };
        if *verdict == Verdict::NeverSeen && known.state == OrderState::Unknown {
            return Considered::default();
        }
        let (state, refusal, note) = self.ending(known, verdict, at);
        let mut order = Order { state, refusal, changed: at, note: Some(note), ..known.clone() };
        let ended = matches!(state, OrderState::Done | OrderState::Failed | OrderState::Unknown);
        order.retry_at = self.retry_at(settings, &order, verdict, at);
        if ended && order.purpose == Purpose::End {
            order.ended = Some(at);
            let confirmed = order.verification.is_some_and(|v| v.confirmed);
            order.verification = Some(Verification { confirmed, ..watching(at.plus(settings.watch)) });
            let action = settings.action(&order.action);
            let lasts = action.filter(|a| state == OrderState::Done && a.undo.is_some()).and_then(|a| a.lasts);
            order.expires = lasts.map(|lasts| at.plus(lasts));
        }
        self.put(order.clone());
        let mut all = Considered { orders: vec![order.clone()], tripped: None };
        match order.purpose {
            Purpose::End if state == OrderState::Done => all.extend(self.ask_whether_it_held(settings, &order, at)),
            Purpose::Check if ended => all.extend(self.answered(settings, &order, verdict, at)),
            _ => {}
        }
        all
    }

    /// When it is tried again by itself: where nothing was done, or nobody knows, and twice is as good as once.
    fn retry_at(&self, settings: &Settings, order: &Order, verdict: &Verdict, at: WallTime) -> Option<WallTime> {
        let open = matches!(order.state, OrderState::Failed | OrderState::Unknown) && order.attempt < MOST_ATTEMPTS;
        let helps = matches!(verdict, Verdict::NotRun(_) | Verdict::Unknown(_));
        let idempotent = settings.action(&order.action).is_some_and(|a| a.idempotent);
        (open && helps && idempotent).then(|| at.plus(RETRY.times(3_i64.pow(order.attempt.min(8)) / 3)))
    }

    fn ending(&self, known: &Order, verdict: &Verdict, at: WallTime) -> (OrderState, Option<Refusal>, Text) {
        let lately = known.state == OrderState::Started && at.since(known.changed) < REMEMBERED;
        match verdict {
            Verdict::Done(note) => (OrderState::Done, None, note.clone()),
            Verdict::Failed(note) | Verdict::NotRun(note) => (OrderState::Failed, None, note.clone()),
            Verdict::Unknown(note) => (OrderState::Unknown, None, note.clone()),
            Verdict::NeverSeen if !lately => {
                (OrderState::Unknown, None, "the runner's journal does not go back so far: look whether it ran".into())
            }
            Verdict::NeverSeen if self.hold => {
                (OrderState::Held, Some(Refusal::Hold), "the runner never saw it".into())
            }
            Verdict::NeverSeen => {
                (OrderState::Pending, None, "the runner never saw it: it is handed over again".into())
            }
        }
    }

    /// Whether any order waits to be told by the trails whether it held.
    pub fn watches(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Takes up what an event says of the orders that are watched.
    pub fn witness(&mut self, settings: &Settings, act: &Act<'_>) -> Considered {
        let mut all = Considered::default();
        let watched: Vec<OrderId> = self.watched.iter().copied().collect();
        for id in watched {
            let Some(known) = self.orders.get(&id) else { continue };
            let Some(mut v) = known.verification.clone() else { continue };
            let before = v.clone();
            if v.running.len() < RUNNING {
                v.running.extend(act.ran(known));
            }
            v.seen |= act.is_after(known) && known.trail.as_ref().is_none_or(|t| *t == act.event.evidence.source);
            match says(known, &v, act) {
                Says::Nothing => {}
                // a session that is not known any more does not come back: that has the last word on what could not be told before, where a
                // server says which session it was. Another endpoint may turn the cookie away because it does not know it.
                Says::Refused => {
                    let is_known = known.target == TargetKind::Session && act.is_by_session(known);
                    let over = is_known && act.status() == Some(401);
                    (v.refused, v.unclear) = (true, v.unclear && !over);
                }
                Says::Ended => v.confirmed = true,
                Says::Again => v.again = true,
                Says::Unclear => v.unclear = true,
                Says::Lives => {
                    let note =
                        format!("{} at {}, begun after the order ended", act.event.activity.name(), act.event.time);
                    all.extend(self.did_not_hold(settings, id, note.into(), act.event.observed));
                    continue;
                }
            }
            if v != before {
                let order = Order { verification: Some(v), ..known.clone() };
                self.put(order);
                self.noticed.insert(id);
            }
        }
        all
    }

    /// The time in which the trail was watched is over, and nothing said that it did not hold.
    pub(super) fn watched_to_the_end(&mut self, order: Order, at: WallTime) -> Considered {
        let Some(v) = order.verification.clone() else { return Considered::default() };
        let (result, note) = match (&v, order.trail.as_ref()) {
            (v, _) if v.confirmed => (Held::Held, "it was confirmed"),
            (v, _) if v.unclear => {
                (Held::CouldNotTell, "the target did something afterwards, and the trail does not say when it began")
            }
            (v, _) if v.refused => (Held::Held, "the target was refused afterwards"),
            (v, _) if v.seen => (Held::Held, "the trail went on without the target"),
            _ => (Held::CouldNotTell, "the trail said nothing afterwards"),
        };
        self.settle(order, result, note.into(), at)
    }

    fn settle(&mut self, order: Order, result: Held, note: Text, at: WallTime) -> Considered {
        let verification = order.verification.clone().map(|v| Verification { result, note: Some(note), ..v });
        let order = Order { verification, changed: at, ..order };
        self.put(order.clone());
        Considered { orders: vec![order], tripped: None }
    }

    /// What the order should have ended goes on: people are told, and the next grade is taken.
    fn did_not_hold(&mut self, settings: &Settings, id: OrderId, note: Text, at: WallTime) -> Considered {
        let Some(order) = self.orders.get(&id).filter(|o| is_watched(o)).cloned() else { return Considered::default() };
        let mut all = self.settle(order.clone(), Held::NotHeld, note, at);
        let then = settings.action(&order.action).and_then(|a| a.then.as_ref());
        if let Some((action, target)) = then {
            let next = Wish::next(&order, action, *target, at, "the grade before did not hold");
            all.extend(self.wish(settings, &next, Clock::Live(at)));
        }
        all
    }

    fn ask_whether_it_held(&mut self, settings: &Settings, order: &Order, at: WallTime) -> Considered {
        let check = settings.action(&order.action).and_then(|a| a.check.as_deref());
        check.map_or_else(Considered::default, |check| self.child(order, Purpose::Check, check, at, None))
    }

    /// Whoever was asked answered: done means that it has ended, failed that it lives.
    fn answered(&mut self, settings: &Settings, check: &Order, verdict: &Verdict, at: WallTime) -> Considered {
        let parent = check.parent.and_then(|id| self.orders.get(&id)).filter(|o| is_watched(o)).cloned();
        let Some(parent) = parent else { return Considered::default() };
        match verdict {
            Verdict::Done(_) => {
                let confirmed = parent.verification.clone().map(|v| Verification { confirmed: true, ..v });
                self.noticed.insert(parent.id);
                self.put(Order { verification: confirmed, ..parent });
                Considered::default()
            }
            Verdict::Failed(note) => {
                self.did_not_hold(settings, parent.id, format!("{}: {note}", check.action).into(), at)
            }
            Verdict::NotRun(_) | Verdict::Unknown(_) | Verdict::NeverSeen => Considered::default(),
        }
    }

    /// What the order did is to be taken back because its time is over.
    pub(super) fn expire(&mut self, settings: &Settings, order: Order, at: WallTime) -> Considered {
        self.undo(settings, order, at, "its time is over".into())
    }

    pub(super) fn undo(&mut self, settings: &Settings, order: Order, at: WallTime, why: Text) -> Considered {
        let order = Order { expires: None, ..order };
        self.put(order.clone());
        let undo = settings.action(&order.action).and_then(|a| a.undo.as_deref());
        let mut all = Considered { orders: vec![order.clone()], tripped: None };
        match undo {
            Some(undo) => all.extend(self.child(&order, Purpose::Undo, undo, at, Some(why))),
            // the configuration that promised it has changed since: a person must know
            None => all.orders[0].note = Some("its action has no `undo` any more: take it back by hand".into()),
        }
        all
    }

    fn child(&mut self, of: &Order, purpose: Purpose, action: &str, at: WallTime, note: Option<Text>) -> Considered {
        let id = child_id(of, purpose);
        if self.orders.contains_key(&id) {
            return Considered::default();
        }
        let (state, refusal) =
            if self.hold { (OrderState::Held, Some(Refusal::Hold)) } else { (OrderState::Pending, None) };
        let order = Order {
            id,
            action: action.into(),
            purpose,
            parent: Some(of.id),
            state,
            refusal,
            made: at,
            changed: at,
            approved: Vec::new(),
            answer_by: None,
            released_by: None,
            attempt: 1,
            retry_at: None,
            ended: None,
            verification: None,
            expires: None,
            note,
            ..of.clone()
        };
        self.put(order.clone());
        Considered { orders: vec![order], tripped: None }
    }
}

impl Act<'_> {
    /// Whether it ended after the order did, by more than clocks may differ.
    fn is_after(&self, order: &Order) -> bool {
        order.ended.is_some_and(|ended| self.time().0 > ended.plus(SLACK).0)
    }

    /// When it ended: whatever its trail's clock says, before it was read.
    fn time(&self) -> EventTime {
        self.event.time.min(EventTime(self.event.observed.0))
    }

    /// Whether it is the doing of what the order was to end: by its session, or by the actor where all of his were meant.
    fn is_by_target(&self, order: &Order) -> bool {
        self.is_in_session(order) || (order.target != TargetKind::Session && self.is_by_actor(order))
    }

    fn is_in_session(&self, order: &Order) -> bool {
        self.session.is_some_and(|s| order.session.is_some_and(|o| o.digest == s.digest))
    }

    fn is_by_actor(&self, order: &Order) -> bool {
        self.event.actor.as_ref().is_some_and(|a| order.actor.as_deref() == Some(a.name.as_str()))
    }

    fn status(&self) -> Option<u16> {
        self.event.http.as_ref().and_then(|http| http.status)
    }

    /// Whether it was turned away for who it was: what fails for another reason (404, 500) says nothing.
    fn was_refused(&self) -> bool {
        self.status().map_or(self.event.outcome == Outcome::Failure, |status| matches!(status, 401 | 403))
    }

    /// Whether a server says that it is the target who acts. A client may send a dead session's id, or anybody's name, for ever, and an
    /// access log copies both.
    fn is_stated(&self, order: &Order) -> bool {
        match self.is_in_session(order) {
            true => self.is_by_session(order),
            false => self.event.actor.as_ref().is_some_and(|actor| !actor.is_claimed()),
        }
    }

    /// Whether a server says that it is in the session.
    fn is_by_session(&self, order: &Order) -> bool {
        self.is_in_session(order) && self.session.is_some_and(|session| session.by_server)
    }

    /// Whether the session's cookie, which is a secret, came with a request that was answered by what only a session that lives is given.
    fn got_with_its_cookie(&self, order: &Order) -> bool {
        self.is_in_session(order) && self.telling && self.went_through()
    }

    fn went_through(&self) -> bool {
        self.status().map_or(self.event.outcome == Outcome::Success, |s| (200..300).contains(&s))
    }

    /// The download that it was, where that ran while the order was carried out. Whether its server cut it, or it came to its end, the
    /// byte is where it ended.
    fn ran(&self, order: &Order) -> Option<Running> {
        let event = self.event;
        let (export, took) = (event.export.as_ref()?, event.http.as_ref()?.took_ms?);
        let bytes = export.bytes.filter(|bytes| *bytes > 0)?;
        let began = self.time().0.saturating_sub_unsigned(took);
        let while_it_ran = self.time().0 > order.made.minus(SLACK).0
            && order.ended.is_none_or(|ended| began <= ended.plus(SLACK).0)
            && !event.marks.time_missing
            && !event.marks.time_clamped;
        let is_it = event.activity == Activity::Download && !self.was_refused() && self.is_by_target(order);
        // whoever has the cookie is in the session; a name anybody may send
        (while_it_ran && is_it && (self.is_in_session(order) || self.is_stated(order))).then(|| Running {
            at: event.time,
            bytes,
            export: export.job.clone(),
            customer: event.customer.clone(),
            status: self.status(),
        })
    }

    /// Whether it began after the order had ended.
    fn lives(&self, ended: WallTime) -> Says {
        match self.event.http.as_ref().and_then(|http| http.took_ms) {
            None => Says::Unclear,
            // it has the time of its arrival, and may have been long before
            Some(_) if self.event.marks.time_missing || self.event.marks.time_clamped => Says::Unclear,
            Some(took) if self.time().0.saturating_sub_unsigned(took) > ended.plus(SLACK).0 => Says::Lives,
            Some(_) => Says::Nothing,
        }
    }
}

/// What an act says of whether the order held.
fn says(order: &Order, v: &Verification, act: &Act<'_>) -> Says {
    let activity = act.event.activity;
    if activity == Activity::SessionRevoked {
        // the provider writes it while the order is carried out, which is before it has ended
        let since = act.event.time.0 >= order.made.minus(SLACK).0 && act.event.outcome != Outcome::Failure;
        // one that names no session ends those of the actor, but for that from which it may have been asked for
        let nameless = act.session.is_none() && act.is_by_actor(order) && order.target != TargetKind::Session;
        let is_it = act.is_stated(order) && (act.is_by_target(order) || nameless);
        return if since && is_it { Says::Ended } else { Says::Nothing };
    }
    let Some(ended) = order.ended.filter(|_| act.is_by_target(order) && act.is_after(order)) else {
        return Says::Nothing;
    };
    match (activity, order.target) {
        // whoever is turned away may have sent any name; the cookie is a secret
        _ if act.was_refused() && !act.is_in_session(order) => Says::Nothing,
        _ if act.was_refused() => Says::Refused,
        _ if !act.is_stated(order) && !act.got_with_its_cookie(order) => Says::Nothing,
        (Activity::Login, TargetKind::Account) => act.lives(ended),
        // whoever has the password comes in again, and that is another session
        (Activity::Login, _) => Says::Again,
        (Activity::Logout, _) => Says::Nothing,
        _ if !act.went_through() => Says::Nothing,
        (_, TargetKind::User | TargetKind::Token) if v.again && !act.is_in_session(order) => Says::Nothing,
        _ => act.lives(ended),
    }
}

/// From now on it is watched whether the order holds.
pub(super) fn watching(until: WallTime) -> Verification {
    Verification {
        result: Held::Watching,
        until,
        seen: false,
        refused: false,
        unclear: false,
        again: false,
        confirmed: false,
        running: Vec::new(),
        note: None,
    }
}
