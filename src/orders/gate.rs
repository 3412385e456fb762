//! The gates: whether what is asked for is carried out, and if not, which gate said so.
//!
//! The first that says no is named. In this order: what can't be acted on at all, what is protected, what is too old, what
//! is only to be observed, what planned work or a moment ago has settled, what would leave nobody to administer, what a
//! person must agree to, and last what a mechanism must not do too often.
use super::settings::{Settings, Whom};
use super::{Book, Clock, child_id};
use crate::model::finding::SessionRef;
use crate::model::{EventTime, Mode, Order, OrderId, OrderState, Purpose, Refusal, TargetKind, Text, WallTime};
use std::collections::BTreeSet;

/// What is asked for, by whom.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    /// Which order it is or would be.
    pub id: OrderId,
    pub action: &'a str,
    pub target: TargetKind,
    pub policy: &'a str,
    pub whom: Whom<'a>,
    pub session: Option<SessionRef>,
    /// Of the event that it rests on.
    pub time: EventTime,
    pub test: bool,
    /// A person asks, and that is who.
    pub by_hand: Option<&'a Text>,
}

impl<'a> Case<'a> {
    /// That of an order, as it stands.
    pub fn of(order: &'a Order) -> Case<'a> {
        Case {
            id: order.id,
            action: &order.action,
            target: order.target,
            policy: &order.policy,
            whom: Whom::of(order),
            session: order.session,
            time: order.time,
            test: false,
            by_hand: None,
        }
    }
}

/// What the gates say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub mode: Mode,
    pub state: OrderState,
    pub refusal: Option<Refusal>,
}

impl Book {
    /// What becomes of what is asked for.
    pub(super) fn judge(&self, settings: &Settings, case: &Case<'_>, clock: Clock) -> Judged {
        let mode = match case.by_hand {
            None => settings.mode(case.policy, case.action, case.whom),
            Some(_) => Mode::Approve,
        };
        let is = |state, refusal| Judged { mode, state, refusal };
        let refused = |why| is(OrderState::Refused, Some(why));
        if let Some(why) = nothing_to_act_on(case) {
            return refused(why);
        }
        if settings.protects(case.whom) {
            return refused(Refusal::Protected);
        }
        let Clock::Live(now) = clock else { return is(OrderState::Observed, None) };
        if settings.is_too_old(case.time, now) {
            return refused(Refusal::TooOld);
        }
        if mode == Mode::Observe {
            return is(OrderState::Observed, None);
        }
        if settings.action(case.action).is_none() {
            return refused(Refusal::NoAction);
        }
        if self.is_muted(case, now) && case.by_hand.is_none() {
            return refused(Refusal::Muted);
        }
        if self.was_done_lately(settings, case, now) {
            return refused(Refusal::CoolDown);
        }
        let keeps_out = settings.keeps_out(case.action, case.target);
        if keeps_out && self.is_last_administrator(settings, case) {
            return refused(Refusal::LastAdministrator);
        }
        if self.hold {
            return is(OrderState::Held, Some(Refusal::Hold));
        }
        if keeps_out && settings.directory.is_empty() && case.by_hand.is_none() {
            return is(OrderState::Waiting, Some(Refusal::NoDirectory));
        }
        match (mode, case.by_hand) {
            (Mode::Approve, Some(_)) if settings.approval.people <= 1 => is(OrderState::Pending, None),
            (Mode::Approve, _) => is(OrderState::Waiting, None),
            _ if settings.quiet.as_ref().is_some_and(|q| q.cover(now)) => {
                is(OrderState::Waiting, Some(Refusal::QuietHours))
            }
            _ if self.breaks_limit(settings, case, now) => is(OrderState::Held, Some(Refusal::Limit)),
            _ => is(OrderState::Pending, None),
        }
    }

    fn was_done_lately(&self, settings: &Settings, case: &Case<'_>, now: WallTime) -> bool {
        self.carried_out(now.minus(settings.cool_down))
            .any(|o| o.id != case.id && *o.action == *case.action && is_same_target(o, case))
    }

    /// Whether nobody would be left who administers.
    fn is_last_administrator(&self, settings: &Settings, case: &Case<'_>) -> bool {
        let is = |name: &Text, whom: Whom<'_>| whom.actor.is_some_and(|a| a.to_lowercase() == name.to_lowercase());
        if !settings.administrators().any(|name| is(name, case.whom)) {
            return false;
        }
        // who is kept out already, or is about to be, does not count; that an order is given back is an order of its own
        let out = |name: &Text| {
            let keeps = |o: &Order| settings.keeps_out(&o.action, o.target) && is(name, Whom::of(o));
            self.carried_out(WallTime(i64::MIN)).any(|o| keeps(o) && self.keeps_out_still(o))
        };
        !settings.administrators().any(|name| !is(name, case.whom) && !out(name))
    }

    fn keeps_out_still(&self, order: &Order) -> bool {
        let undone = self.orders.get(&child_id(order, Purpose::Undo)).is_some_and(|o| o.state == OrderState::Done);
        order.state != OrderState::Failed && !undone
    }

    /// Whether a mechanism has acted on enough people for now. Once it has, it acts on nobody further until it has been quiet for a
    /// window or people have looked at all that is held. Whom it has acted on already is nobody further, whatever else he does.
    pub(super) fn breaks_limit(&self, settings: &Settings, case: &Case<'_>, now: WallTime) -> bool {
        let since = now.minus(settings.limit_window);
        let others = self.carried_out(since).filter(|o| o.id != case.id);
        let acted_on: BTreeSet<Option<&str>> = others.map(|o| o.actor.as_deref()).collect();
        if acted_on.contains(&case.whom.actor) {
            return false;
        }
        self.is_tripped(since) || acted_on.len() >= settings.most_people()
    }

    /// Whether the limit holds orders: somebody's was held by it for the first time since then, and nobody has decided about it. More
    /// orders about the same one are no news: whoever is held can't keep others held.
    pub(super) fn is_tripped(&self, since: WallTime) -> bool {
        if self.limited.last().is_none_or(|(made, _)| *made < since) {
            return false;
        }
        let mut before = BTreeSet::new();
        let orders = self.limited.iter().filter_map(|(made, id)| Some((*made, self.orders.get(id)?)));
        orders
            .map(|(made, order)| (made, before.insert(order.actor.as_deref())))
            .any(|(made, first)| first && made >= since)
    }

    /// How many orders about the same one a limit holds.
    pub(super) fn limited_of(&self, actor: Option<&str>) -> usize {
        let orders = self.limited.iter().filter_map(|(_, id)| self.orders.get(id));
        orders.filter(|o| o.actor.as_deref() == actor).count()
    }

    /// How many sessions of the one whom the order is about the same action has ended, or is about to, within the limit's window.
    pub(super) fn sessions_ended(&self, settings: &Settings, order: &Order, now: WallTime) -> usize {
        let same = |o: &&Order| o.target == TargetKind::Session && o.action == order.action && o.actor == order.actor;
        let orders = self.carried_out(now.minus(settings.limit_window)).filter(same);
        orders.filter_map(|o| o.session).map(|session| session.digest).collect::<BTreeSet<_>>().len()
    }

    /// What has been done, or is about to be, since then.
    fn carried_out(&self, since: WallTime) -> impl Iterator<Item = &Order> {
        self.acted.range((since, OrderId([0; 16]))..).filter_map(|(_, id)| self.orders.get(id))
    }
}

/// Whether the order is one of those that count as carried out, and when it was last.
pub(super) fn acted_at(order: &Order) -> Option<WallTime> {
    use OrderState::{Done, Failed, Pending, Started, Unknown};
    let acts = order.purpose == Purpose::End && matches!(order.state, Pending | Started | Done | Failed | Unknown);
    // what is seen later of whether it held is no new deed
    acts.then(|| order.ended.unwrap_or(order.changed).max(order.made))
}

fn nothing_to_act_on(case: &Case<'_>) -> Option<Refusal> {
    if case.test {
        return Some(Refusal::Test);
    }
    // of what would be hit a server must say that it acted: whoever sends a cookie or a name is not proven to be the one whose it is
    match (case.target, case.session) {
        (TargetKind::Session, None) => Some(Refusal::NoTarget),
        (TargetKind::Session, Some(session)) if !session.by_server => Some(Refusal::NotVouched),
        _ if case.whom.actor.is_none() => Some(Refusal::NoTarget),
        (TargetKind::Session, Some(_)) => None,
        _ if case.whom.is_claimed => Some(Refusal::NotVouched),
        _ => None,
    }
}

fn is_same_target(order: &Order, case: &Case<'_>) -> bool {
    order.target == case.target
        && match case.target {
            TargetKind::Session => order.session.map(|s| s.digest) == case.session.map(|s| s.digest),
            _ => order.actor.as_deref() == case.whom.actor,
        }
}
