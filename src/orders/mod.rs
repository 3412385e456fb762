//! What a finding leads to: gates, modes, and the life of an order.
//!
//! ```text
//! finding --asks--> consider --gate--> refused
//!                            --limit, hold--> held ------release--> pending
//!                            --observe--> observed
//!                            --approve--> waiting ---release--> pending      (held, waiting, pending) --cancel--> cancelled
//!                            --enforce--> pending --start--> started --end--> done | failed | unknown
//!                                                            started --never seen by the runner--> pending
//! refused, observed --a finding that gets through--> pending, held or waiting
//! ```
//!
//! One order for (action, target, episode), however many findings ask for it: the later ones are attached. An order is
//! at most once handed to a hook: only the runner's own word that it never saw the order takes it back to pending.
use crate::model::finding::Ask;
use crate::model::{
    EventTime, Finding, HashParts, Millis, Mode, Order, OrderId, OrderState, Refusal, TargetKind, Text, Verdict,
    WallTime, limits,
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Orders for the same target within one such length are one order.
pub const EPISODE: Millis = Millis::DAY;

/// What the configuration says about responding.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The mode of policies that are not named in `modes`.
    pub mode: Option<Mode>,
    /// The mode by policy name.
    pub modes: BTreeMap<String, Mode>,
    /// The actions that the runner knows.
    pub actions: BTreeSet<String>,
    /// Actors, by name or id, that nothing is ever done to: break-glass accounts, the hook's own account.
    pub protected_actors: BTreeSet<String>,
    /// Networks whose sessions nothing is ever done to.
    pub protected_networks: Vec<IpNet>,
    /// At most so many orders are carried out within `limit_window`; those beyond are held.
    pub limit: usize,
    /// See `limit`.
    pub limit_window: Millis,
    /// An order that rests on something older than this is refused: the session is over, or this is a backlog.
    pub too_old: Millis,
}

impl Settings {
    fn mode(&self, policy: &str) -> Mode {
        self.modes.get(policy).copied().or(self.mode).unwrap_or(Mode::Observe)
    }

    fn protects(&self, names: [&Option<Text>; 2], ip: Option<IpAddr>) -> bool {
        let named = |name: &&Option<Text>| {
            name.as_ref().is_some_and(|n| self.protected_actors.iter().any(|p| p.to_lowercase() == n.to_lowercase()))
        };
        names.iter().any(named) || ip.is_some_and(|ip| self.protected_networks.iter().any(|net| net.contains(&ip)))
    }

    fn is_too_old(&self, time: EventTime, now: WallTime) -> bool {
        now.0.saturating_sub(time.0) > self.too_old.0
    }
}

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
}

impl Book {
    /// The book as the ledger has it.
    pub fn new(orders: impl IntoIterator<Item = Order>, hold: bool) -> Book {
        Book { orders: orders.into_iter().map(|o| (o.id, o)).collect(), hold }
    }

    /// Every order in the book.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// What the finding asks for: new orders, and orders that it is attached to. One that was refused or only observed is
    /// judged again by what the new finding brings: an act that nothing could be done about must not shield the next.
    pub fn consider(&mut self, settings: &Settings, finding: &Finding, clock: Clock) -> Vec<Order> {
        let mut changed = Vec::new();
        // what a silence covers leads to nothing, not even to an order that is refused
        for ask in finding.asks.iter().filter(|_| finding.silenced.is_none()) {
            let id = order_id(&ask.action, ask.target, finding);
            let (mode, state, refusal) = self.gate(settings, finding, ask, clock);
            let subject = &finding.subject;
            let fresh = Order {
                id,
                action: ask.action.clone(),
                target: ask.target,
                actor: subject.actor.clone(),
                actor_uid: subject.actor_uid.clone(),
                session: subject.session,
                ip: subject.ip,
                findings: vec![finding.id],
                mode,
                state,
                refusal,
                time: finding.time,
                made: clock.now(),
                changed: clock.now(),
                released_by: None,
                note: None,
            };
            let order = match self.orders.get(&id) {
                None => fresh,
                Some(known) if known.findings.contains(&finding.id) => continue,
                Some(known) => {
                    let mut findings = known.findings.clone();
                    if findings.len() < limits::EVIDENCE_PER_FINDING {
                        findings.push(finding.id);
                    }
                    let again = matches!(known.state, OrderState::Refused | OrderState::Observed)
                        && !matches!(state, OrderState::Refused | OrderState::Observed);
                    if again {
                        // the hook is told of the finding that got through
                        findings.rotate_right(1);
                        Order { findings, made: known.made, ..fresh }
                    } else {
                        Order { findings, ..known.clone() }
                    }
                }
            };
            self.orders.insert(id, order.clone());
            changed.push(order);
        }
        changed
    }

    fn gate(
        &self,
        settings: &Settings,
        finding: &Finding,
        ask: &Ask,
        clock: Clock,
    ) -> (Mode, OrderState, Option<Refusal>) {
        let mode = settings.mode(&finding.policy);
        let refused = |why| (mode, OrderState::Refused, Some(why));
        if finding.test {
            return refused(Refusal::Test);
        }
        match (ask.target, finding.subject.session) {
            (TargetKind::Session, None) => return refused(Refusal::NoTarget),
            // whoever sends a cookie is not proven to be the one whose it is, neither as a session nor as a name
            (_, Some(session)) if !session.by_server => return refused(Refusal::NotVouched),
            _ if finding.subject.actor.is_none() => return refused(Refusal::NoTarget),
            _ => {}
        }
        let subject = &finding.subject;
        if settings.protects([&subject.actor, &subject.actor_uid], subject.ip) {
            return refused(Refusal::Protected);
        }
        let Clock::Live(now) = clock else { return (mode, OrderState::Observed, None) };
        if settings.is_too_old(finding.time, now) {
            return refused(Refusal::TooOld);
        }
        if mode == Mode::Observe {
            return (mode, OrderState::Observed, None);
        }
        if !settings.actions.contains(&*ask.action) {
            return refused(Refusal::NoAction);
        }
        if self.hold {
            return (mode, OrderState::Held, Some(Refusal::Hold));
        }
        if mode == Mode::Approve {
            return (mode, OrderState::Waiting, None);
        }
        if self.carried_out_since(now.minus(settings.limit_window)) >= settings.limit {
            return (mode, OrderState::Held, Some(Refusal::Limit));
        }
        (mode, OrderState::Pending, None)
    }

    fn carried_out_since(&self, since: WallTime) -> usize {
        use OrderState::{Done, Failed, Pending, Started, Unknown};
        self.orders
            .values()
            .filter(|o| o.made >= since && matches!(o.state, Pending | Started | Done | Failed | Unknown))
            .count()
    }

    /// The hold is put on or taken off. Orders held by it stay held: a person releases each.
    /// Putting it on also holds what has not been handed over yet.
    pub fn hold(&mut self, on: bool, at: WallTime, by: &str) -> Vec<Order> {
        self.hold = on;
        if !on {
            return Vec::new();
        }
        let mut changed = Vec::new();
        for order in self.orders.values_mut().filter(|o| o.state == OrderState::Pending) {
            (order.state, order.refusal) = (OrderState::Held, Some(Refusal::Hold));
            (order.changed, order.note) = (at, Some(by.into()));
            changed.push(order.clone());
        }
        changed
    }

    /// A person releases (`true`) or cancels (`false`) an order that waits; nothing where it does not wait.
    pub fn decide(&mut self, id: OrderId, release: bool, at: WallTime, by: &str) -> Option<Order> {
        let order = self.orders.get_mut(&id)?;
        if !matches!(order.state, OrderState::Held | OrderState::Waiting)
            && (release || order.state != OrderState::Pending)
        {
            return None;
        }
        order.state = if release { OrderState::Pending } else { OrderState::Cancelled };
        (order.refusal, order.changed, order.note) = (None, at, Some(by.into()));
        order.released_by = release.then(|| by.into());
        Some(order.clone())
    }

    /// The order is about to be handed to the runner, which may be long after it was made: what may have changed since then
    /// is looked at again. A person's release stands for the mode and the freshness, and for nothing else.
    pub fn start(&mut self, settings: &Settings, id: OrderId, at: WallTime) -> Option<Order> {
        let hold = self.hold;
        let order = self.orders.get_mut(&id).filter(|o| o.state == OrderState::Pending)?;
        let by_person = order.released_by.is_some();
        (order.state, order.refusal) = if hold {
            (OrderState::Held, Some(Refusal::Hold))
        } else if settings.protects([&order.actor, &order.actor_uid], order.ip) {
            (OrderState::Refused, Some(Refusal::Protected))
        } else if !by_person && settings.is_too_old(order.time, at) {
            (OrderState::Refused, Some(Refusal::TooOld))
        } else {
            (OrderState::Started, None)
        };
        order.changed = at;
        Some(order.clone())
    }

    /// The runner told how it ended. A later word overrules only `unknown`; and that it never saw the order is believed only
    /// of one that was handed over lately, for its journal forgets.
    pub fn end(&mut self, id: OrderId, verdict: &Verdict, at: WallTime) -> Option<Order> {
        let hold = self.hold;
        let order =
            self.orders.get_mut(&id).filter(|o| matches!(o.state, OrderState::Started | OrderState::Unknown))?;
        let lately = order.state == OrderState::Started && at.since(order.changed) < REMEMBERED;
        let (state, refusal, note) = match verdict {
            Verdict::Done(note) => (OrderState::Done, None, note.clone()),
            Verdict::Failed(note) => (OrderState::Failed, None, note.clone()),
            Verdict::Unknown(note) => (OrderState::Unknown, None, note.clone()),
            Verdict::NeverSeen if order.state == OrderState::Unknown => return None,
            Verdict::NeverSeen if !lately => {
                (OrderState::Unknown, None, "the runner's journal does not go back so far: look whether it ran".into())
            }
            Verdict::NeverSeen if hold => (OrderState::Held, Some(Refusal::Hold), "the runner never saw it".into()),
            Verdict::NeverSeen => {
                (OrderState::Pending, None, "the runner never saw it: it is handed over again".into())
            }
        };
        (order.state, order.refusal, order.changed, order.note) = (state, refusal, at, Some(note));
        Some(order.clone())
    }

    /// Lets go of orders that nothing can change or attach to any more.
    pub fn forget(&mut self, before: WallTime) {
        self.orders.retain(|_, o| is_open(o, before));
    }
}

/// Whether an order belongs in the book: it can still change, or findings can still attach to it.
pub fn is_open(order: &Order, before: WallTime) -> bool {
    use OrderState::{Held, Pending, Started, Unknown, Waiting};
    order.made >= before || matches!(order.state, Held | Pending | Started | Unknown | Waiting)
}

/// How long an order stays in the book after it was made: its episode, a day later by lateness, and the limit's window.
pub const REMEMBERED: Millis = Millis::DAY.times(7);

fn order_id(action: &str, target: TargetKind, finding: &Finding) -> OrderId {
    let subject = &finding.subject;
    let parts = HashParts::new("order").part(action.as_bytes()).part(target.name().as_bytes());
    // a session's keyed digest: an order never leaves this installation, so its id may depend on the key
    let parts = match (target, subject.session) {
        (TargetKind::Session, Some(session)) => parts.part(&session.digest),
        _ => parts.part(subject.actor.as_deref().unwrap_or_default().as_bytes()),
    };
    OrderId(parts.number(finding.time.episode(EPISODE)).finish().short())
}

#[cfg(test)]
mod tests;
