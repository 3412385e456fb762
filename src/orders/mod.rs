//! What a finding leads to: gates, modes, and the life of an order.
//!
//! ```text
//! finding --asks--> consider --gate--> refused
//!                            --observe--> observed
//!                            --hold, limit--> held ---release--> pending (or waiting)
//!                            --approve, quiet hours--> waiting --approve--> pending
//!                            --enforce--> pending
//! held, waiting, pending --cancel, deny, nobody answered--> cancelled
//! pending --start--> started --end--> done | failed | unknown --retry--> pending (by itself where that is as good as once)
//!                    started --never seen by the runner--> pending
//! refused, observed --a finding that gets through--> pending, held or waiting
//! done, failed, unknown --the trail is watched--> held | not held (then the next grade) | could not tell
//! done --its time is over, undo--> an order that takes it back
//! ```
//!
//! One order for (action, target, episode), however many findings ask for it: the later ones are attached. An order is
//! at most once handed to a hook: only the runner's own word that it never saw the order takes it back to pending, or a
//! person where the action says that twice is as good as once.
//!
//! An order that follows from another (the next grade, the question whether it held, what takes it back) names it as its
//! parent. What asks and what takes back is no new harm: the modes and the limits are not asked, but the hold is.
//!
//! The limits are there for honest people, so that they count people: one who has been acted on is acted on again without another word.
mod decide;
mod gate;
mod mute;
mod settings;
mod verify;

use crate::model::finding::{Ask, SessionRef};
use crate::model::{
    Finding, FindingId, HashParts, Held, Millis, Mode, Mute, Order, OrderId, OrderState, Purpose, Refusal, TargetKind,
    Text, WallTime, limits,
};
pub use decide::refuses;
use gate::Case;
pub use mute::MOST_MUTES;
use settings::Whom;
pub use settings::{Action, Approval, Group, LEAST_PEOPLE, Otherwise, QuietHours, Settings};
use std::collections::{BTreeMap, BTreeSet};
pub use verify::Act;

/// Orders for the same target within one such length are one order.
pub const EPISODE: Millis = Millis::DAY;

/// So many orders are held by a limit, at most; more of them are not even made.
pub const MOST_HELD: usize = 1_000;

/// So many of them are about one person, at most: whoever logs in again and again must not fill the book.
pub const MOST_HELD_OF_ONE: usize = 20;

/// The session of one person, of those ended within the limit's window, with which the next grade is asked for: who comes back twice
/// has more than a session.
const SESSIONS_TO_NEXT: usize = 3;

/// The clock by which orders are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Following live: orders on old things are refused.
    Live(WallTime),
    /// Replaying: nothing is carried out, and what would have been is judged as if at the event's own time.
    Replay(WallTime),
}

impl Clock {
    /// What it shows.
    pub fn now(self) -> WallTime {
        match self {
            Clock::Live(at) | Clock::Replay(at) => at,
        }
    }
}

/// The orders that can still change, and those that a new finding may attach to.
#[derive(Clone, Debug, Default)]
pub struct Book {
    orders: BTreeMap<OrderId, Order>,
    /// `tripline hold` is on.
    pub hold: bool,
    mutes: Vec<Mute>,
    /// When something is to be done about an order by itself.
    agenda: BTreeSet<(WallTime, OrderId)>,
    /// Of which orders it is watched whether they held.
    watched: BTreeSet<OrderId>,
    /// Orders that count against the limits, by when.
    acted: BTreeSet<(WallTime, OrderId)>,
    /// Orders that a limit holds, by when they were made.
    limited: BTreeSet<(WallTime, OrderId)>,
    /// Orders of which more was seen, but nothing yet that is worth a step.
    noticed: BTreeSet<OrderId>,
}

/// What came of a finding.
#[derive(Debug, Default)]
pub struct Considered {
    /// Orders made, and orders that it is attached to.
    pub orders: Vec<Order>,
    /// The first of them that a limit held, where none was held before: the breaker has opened.
    pub tripped: Option<Order>,
}

impl Book {
    /// The book as the ledger has it.
    pub fn new(orders: impl IntoIterator<Item = Order>, hold: bool, mutes: Vec<Mute>) -> Book {
        let mut book = Book { hold, mutes, ..Book::default() };
        orders.into_iter().for_each(|order| book.put(order));
        book
    }

    /// Every order in the book.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// When something is next to be done by itself: [`Book::tick`] is to be called then.
    pub fn due(&self) -> Option<WallTime> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Whether a limit holds orders, so that more of the same will be held too.
    pub fn is_limited(&self, settings: &Settings, now: WallTime) -> bool {
        self.is_tripped(now.minus(settings.limit_window))
    }

    /// Orders of which something was seen that is to be on disk and is no step. Calling it again gives nothing.
    pub fn take_noticed(&mut self) -> Vec<Order> {
        let noticed = std::mem::take(&mut self.noticed);
        noticed.iter().filter_map(|id| self.orders.get(id).cloned()).collect()
    }

    /// The only place where an order comes into the book or changes in it.
    fn put(&mut self, order: Order) {
        if let Some(old) = self.orders.remove(&order.id) {
            self.unlist(&old);
        }
        let id = order.id;
        self.agenda.extend(due(&order).map(|at| (at, id)));
        self.acted.extend(gate::acted_at(&order).map(|at| (at, id)));
        if order.state == OrderState::Held && order.refusal == Some(Refusal::Limit) {
            self.limited.insert((order.made, id));
        }
        if is_watched(&order) {
            self.watched.insert(id);
        }
        self.orders.insert(id, order);
    }

    fn unlist(&mut self, old: &Order) {
        if let Some(at) = due(old) {
            self.agenda.remove(&(at, old.id));
        }
        if let Some(at) = gate::acted_at(old) {
            self.acted.remove(&(at, old.id));
        }
        self.limited.remove(&(old.made, old.id));
        self.watched.remove(&old.id);
    }

    /// What the finding asks for: new orders, and orders that it is attached to. One that was refused or only observed is
    /// judged again by what the new finding brings: an act that nothing could be done about must not shield the next.
    pub fn consider(&mut self, settings: &Settings, finding: &Finding, clock: Clock) -> Considered {
        self.consider_for(settings, finding, clock, None)
    }

    /// The same where a person asks: that stands for the mode, for one approval, and for the limits.
    pub fn consider_for(
        &mut self,
        settings: &Settings,
        finding: &Finding,
        clock: Clock,
        by_hand: Option<&Text>,
    ) -> Considered {
        let mut all = Considered::default();
        // what a silence covers leads to nothing, not even to an order that is refused
        for ask in finding.asks.iter().filter(|_| finding.silenced.is_none()) {
            let wish = Wish::of(finding, ask, by_hand);
            let made = self.wish(settings, &wish, clock);
            let last = made.orders.last().cloned();
            all.extend(made);
            all.extend(last.map(|order| self.comes_back(settings, &order, clock)).unwrap_or_default());
        }
        all
    }

    /// Where that is one more session of somebody of whom too many were ended lately: the next grade.
    fn comes_back(&mut self, settings: &Settings, order: &Order, clock: Clock) -> Considered {
        let then = settings.action(&order.action).and_then(|action| action.then.as_ref());
        let Some((action, target)) = then else { return Considered::default() };
        let is_made = order.target == TargetKind::Session && order.state == OrderState::Pending;
        let now = clock.now();
        if !is_made || self.sessions_ended(settings, order, now) < SESSIONS_TO_NEXT {
            return Considered::default();
        }
        let note = "the third session of one person, or a later one, within the window of the limit";
        self.wish(settings, &Wish::next(order, action, *target, now, note), clock)
    }

    fn wish(&mut self, settings: &Settings, wish: &Wish<'_>, clock: Clock) -> Considered {
        let id = wish.case.id;
        let was_tripped = self.is_limited(settings, clock.now());
        let fresh = self.fresh(settings, wish, clock);
        // somebody who forges trails must not fill the book: that there are more is said by how many are held
        let is_limited = fresh.refusal == Some(Refusal::Limit) && !self.orders.contains_key(&id);
        if is_limited && (self.limited.len() >= MOST_HELD || self.limited_of(wish.case.whom.actor) >= MOST_HELD_OF_ONE)
        {
            return Considered::default();
        }
        let order = match self.orders.get(&id) {
            None => fresh,
            // the next grade may rest on a finding that asked for it already, when nothing came of it
            Some(known)
                if known.findings.contains(&wish.finding) && !(wish.parent.is_some() && is_idle(known.state)) =>
            {
                return Considered::default();
            }
            Some(known) => attached(known, fresh, wish.finding),
        };
        self.put(order.clone());
        let by_limit = order.state == OrderState::Held && order.refusal == Some(Refusal::Limit);
        let tripped = (by_limit && !was_tripped).then(|| order.clone());
        Considered { orders: vec![order], tripped }
    }

    fn fresh(&self, settings: &Settings, wish: &Wish<'_>, clock: Clock) -> Order {
        let judged = self.judge(settings, &wish.case, clock);
        let now = clock.now();
        let by_person = wish.case.by_hand.filter(|_| matches!(judged.state, OrderState::Pending | OrderState::Waiting));
        Order {
            parent: wish.parent,
            policy: wish.case.policy.into(),
            trail: wish.trail.clone(),
            actor: wish.case.whom.actor.map(Text::from),
            actor_label: wish.case.whom.label.map(Text::from),
            actor_uid: wish.case.whom.uid.map(Text::from),
            role: wish.case.whom.role.map(Text::from),
            is_claimed: wish.case.whom.is_claimed,
            session: wish.case.session,
            ip: wish.case.whom.ip,
            export: wish.case.whom.export.map(Text::from),
            findings: vec![wish.finding],
            mode: judged.mode,
            state: judged.state,
            refusal: judged.refusal,
            time: wish.case.time,
            approved: by_person.map(|by| crate::model::Approval { by: by.clone(), at: now }).into_iter().collect(),
            answer_by: (judged.state == OrderState::Waiting).then(|| now.plus(settings.approval.deadline)),
            note: wish.note.clone(),
            ..Order::blank(wish.case.id, wish.case.action, wish.case.target, now)
        }
    }

    /// The hold is put on or taken off. Orders held by it stay held: a person releases each.
    /// Putting it on also holds what has not been handed over yet.
    pub fn hold(&mut self, on: bool, at: WallTime, by: &str) -> Vec<Order> {
        self.hold = on;
        let pending: Vec<Order> =
            self.orders.values().filter(|o| on && o.state == OrderState::Pending).cloned().collect();
        let held = |order| Order {
            state: OrderState::Held,
            refusal: Some(Refusal::Hold),
            changed: at,
            note: Some(format!("the hold was put on by {by}").into()),
            ..order
        };
        let changed: Vec<Order> = pending.into_iter().map(held).collect();
        changed.iter().for_each(|order| self.put(order.clone()));
        changed
    }

    /// The order is about to be handed to the runner, which may be long after it was made: what may have changed since then
    /// is looked at again. A person's word stands for the mode, the freshness and the mutes, and for nothing else.
    pub fn start(&mut self, settings: &Settings, id: OrderId, at: WallTime) -> Option<Order> {
        let order = self.orders.get(&id).filter(|o| o.state == OrderState::Pending)?;
        let by_person = order.released_by.is_some() || !order.approved.is_empty();
        let unasked = order.purpose == Purpose::End && !by_person;
        let (state, refusal) = if self.hold {
            (OrderState::Held, Some(Refusal::Hold))
        } else if order.purpose == Purpose::End && settings.protects(Whom::of(order)) {
            (OrderState::Refused, Some(Refusal::Protected))
        } else if unasked && settings.is_too_old(order.time, at) {
            (OrderState::Refused, Some(Refusal::TooOld))
        } else if unasked && self.is_muted(&Case::of(order), at) {
            (OrderState::Refused, Some(Refusal::Muted))
        } else if unasked && settings.mode(&order.policy, &order.action, Whom::of(order)) == Mode::Observe {
            (OrderState::Observed, None)
        } else {
            (OrderState::Started, None)
        };
        // an identity provider may record the end before the hook has said that it is done
        let verification = (state == OrderState::Started && order.purpose == Purpose::End)
            .then(|| verify::watching(at.plus(settings.watch)));
        let order = Order { state, refusal, changed: at, verification, ..order.clone() };
        self.put(order.clone());
        Some(order)
    }

    /// Does what is due by itself: approvals that nobody gave, verifications whose time is over, deeds that expire. Lets go of
    /// orders that nothing can change or attach to any more.
    pub fn tick(&mut self, settings: &Settings, at: WallTime) -> Considered {
        let mut all = Considered::default();
        while let Some((when, id)) = self.agenda.first().copied().filter(|(when, _)| *when <= at) {
            self.agenda.remove(&(when, id));
            let Some(order) = self.orders.get(&id).cloned() else { continue };
            if order.answer_by.is_some_and(|by| by <= at) && order.state == OrderState::Waiting {
                all.extend(self.unanswered(settings, order, at));
            } else if order.retry_at.is_some_and(|retry| retry <= at) {
                all.extend(self.again(order, at, "tried again by itself".into()));
            } else if is_watched(&order) && order.verification.as_ref().is_some_and(|v| v.until <= at) {
                all.extend(self.watched_to_the_end(order, at));
            } else if order.expires.is_some_and(|expires| expires <= at) {
                all.extend(self.expire(settings, order, at));
            }
        }
        let before = at.minus(REMEMBERED);
        let gone: Vec<OrderId> = self.orders.values().filter(|o| !is_open(o, before)).map(|o| o.id).collect();
        for id in gone {
            if let Some(old) = self.orders.remove(&id) {
                self.unlist(&old);
            }
        }
        all
    }
}

impl Considered {
    fn extend(&mut self, more: Considered) {
        self.orders.extend(more.orders);
        self.tripped = self.tripped.take().or(more.tripped);
    }
}

/// What is wished for, and why.
struct Wish<'a> {
    case: Case<'a>,
    finding: FindingId,
    parent: Option<OrderId>,
    trail: Option<crate::model::SourceName>,
    note: Option<Text>,
}

impl<'a> Wish<'a> {
    fn of(finding: &'a Finding, ask: &'a Ask, by_hand: Option<&'a Text>) -> Wish<'a> {
        let subject = &finding.subject;
        let whom = Whom {
            actor: subject.actor.as_deref(),
            uid: subject.actor_uid.as_deref(),
            label: subject.actor_label.as_deref(),
            role: subject.role.as_deref(),
            is_claimed: subject.is_claimed,
            ip: subject.ip,
            export: subject.export.as_deref(),
        };
        let id = order_id(&ask.action, ask.target, subject.session, whom.actor, finding.time);
        let case = Case {
            id,
            action: &ask.action,
            target: ask.target,
            policy: &finding.policy,
            whom,
            session: subject.session,
            time: finding.time,
            test: finding.test,
            by_hand,
        };
        Wish {
            case,
            finding: finding.id,
            parent: None,
            trail: subject.trail.clone(),
            note: by_hand.map(|by| format!("asked for by {by}").into()),
        }
    }

    /// The next grade, because `order` did not hold, or was not enough.
    fn next(order: &'a Order, action: &'a str, target: TargetKind, at: WallTime, why: &str) -> Wish<'a> {
        let case = Case {
            id: order_id(action, target, order.session, order.actor.as_deref(), order.time),
            action,
            target,
            // what it rests on is that the grade before was not enough, and that is now
            time: crate::model::EventTime(at.0),
            ..Case::of(order)
        };
        Wish {
            case,
            finding: order.findings.first().copied().unwrap_or(FindingId([0; 16])),
            parent: Some(order.id),
            trail: order.trail.clone(),
            note: Some(why.into()),
        }
    }
}

/// What becomes of a known order that something more asks for.
fn attached(known: &Order, fresh: Order, finding: FindingId) -> Order {
    let mut findings = known.findings.clone();
    findings.retain(|known| *known != finding);
    if findings.len() < limits::EVIDENCE_PER_FINDING {
        findings.push(finding);
    }
    // what one policy asks people about, or asked in vain, another may do unasked; what a person said no to stays so
    let unanswered = known.state == OrderState::Waiting || known.refusal == Some(Refusal::NoAnswer);
    let overtakes = unanswered && fresh.state == OrderState::Pending;
    if (is_idle(known.state) && !is_idle(fresh.state)) || overtakes {
        // the hook is told of the finding that got through
        findings.rotate_right(1);
        Order { findings, made: known.made, ..fresh }
    } else {
        Order { findings, ..known.clone() }
    }
}

/// Nothing comes of it, unless something more asks for it.
fn is_idle(state: OrderState) -> bool {
    matches!(state, OrderState::Refused | OrderState::Observed)
}

fn is_watched(order: &Order) -> bool {
    order.verification.as_ref().is_some_and(|v| v.result == Held::Watching)
}

/// When something is to be done about it by itself.
fn due(order: &Order) -> Option<WallTime> {
    let answer = order.answer_by.filter(|_| order.state == OrderState::Waiting);
    let watched = order.verification.as_ref().filter(|_| is_watched(order) && order.ended.is_some()).map(|v| v.until);
    [answer, watched, order.retry_at, order.expires].into_iter().flatten().min()
}

/// Whether an order belongs in the book: it can still change, or findings can still attach to it.
pub fn is_open(order: &Order, before: WallTime) -> bool {
    use OrderState::{Held, Pending, Started, Unknown, Waiting};
    order.made >= before
        || order.expires.is_some()
        || order.retry_at.is_some()
        || is_watched(order)
        || matches!(order.state, Held | Pending | Started | Unknown | Waiting)
}

/// How long an order stays in the book after it was made: its episode, a day later by lateness, and the limit's window.
pub const REMEMBERED: Millis = Millis::DAY.times(7);

fn order_id(
    action: &str,
    target: TargetKind,
    session: Option<SessionRef>,
    actor: Option<&str>,
    time: crate::model::EventTime,
) -> OrderId {
    let parts = HashParts::new("order").part(action.as_bytes()).part(target.name().as_bytes());
    // a session's keyed digest: an order never leaves this installation, so its id may depend on the key
    let parts = match (target, session) {
        (TargetKind::Session, Some(session)) => parts.part(&session.digest),
        _ => parts.part(actor.unwrap_or_default().as_bytes()),
    };
    OrderId(parts.number(time.episode(EPISODE)).finish().short())
}

/// The id of the order that asks about another, or takes it back, after so many attempts at it.
fn child_id(parent: &Order, purpose: Purpose) -> OrderId {
    let parts = HashParts::new("order of an order").part(&parent.id.0).part(purpose.name().as_bytes());
    OrderId(parts.number(parent.attempt.into()).finish().short())
}

#[cfg(test)]
mod tests;
