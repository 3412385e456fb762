//! What a finding leads to: gates, modes, and the life of an order.
//!
//! ```text
//! finding --asks--> consider --gate--> refused
//!                            --limit, hold--> held ------release--> pending
//!                            --observe--> observed
//!                            --approve--> waiting ---release--> pending      (held, waiting, pending) --cancel--> cancelled
//!                            --enforce--> pending --start--> started --end--> done | failed | unknown
//!                                                            started --never seen by the runner--> pending
//! ```
//!
//! One order for (action, target, episode), however many findings ask for it: the later ones are attached. An order is
//! at most once handed to a hook: only the runner's own word that it never saw the order takes it back to pending.
use crate::model::{
    Finding, HashParts, Millis, Mode, Order, OrderId, OrderState, Refusal, TargetKind, Text, Verdict, WallTime, limits,
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

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

    fn protects(&self, finding: &Finding) -> bool {
        let named = |name: &Option<Text>| name.as_ref().is_some_and(|n| self.protected_actors.contains(n.as_str()));
        let within = |ip: IpAddr| self.protected_networks.iter().any(|net| net.contains(&ip));
        named(&finding.subject.actor) || named(&finding.subject.actor_uid) || finding.subject.ip.is_some_and(within)
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

    /// What the finding asks for: new orders, and orders that it is attached to.
    pub fn consider(&mut self, settings: &Settings, finding: &Finding, clock: Clock) -> Vec<Order> {
        let mut changed = Vec::new();
        for ask in &finding.asks {
            let id = order_id(&ask.action, ask.target, finding);
            if let Some(order) = self.orders.get_mut(&id) {
                if !order.findings.contains(&finding.id) && order.findings.len() < limits::EVIDENCE_PER_FINDING {
                    order.findings.push(finding.id);
                    changed.push(order.clone());
                }
                continue;
            }
            let mode = settings.mode(&finding.policy);
            let (state, refusal) = self.gate(settings, finding, &ask.action, ask.target, mode, clock);
            let order = Order {
                id,
                action: ask.action.clone(),
                target: ask.target,
                actor: finding.subject.actor.clone(),
                actor_uid: finding.subject.actor_uid.clone(),
                session: finding.subject.session,
                ip: finding.subject.ip,
                findings: vec![finding.id],
                mode,
                state,
                refusal,
                time: finding.time,
                made: clock.now(),
                changed: clock.now(),
                note: None,
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
        action: &Arc<str>,
        target: TargetKind,
        mode: Mode,
        clock: Clock,
    ) -> (OrderState, Option<Refusal>) {
        let refused = |why| (OrderState::Refused, Some(why));
        if finding.test {
            return refused(Refusal::Test);
        }
        match (target, finding.subject.session) {
            (TargetKind::Session, None) => return refused(Refusal::NoTarget),
            (TargetKind::Session, Some(session)) if !session.by_server => return refused(Refusal::NotVouched),
            _ if finding.subject.actor.is_none() => return refused(Refusal::NoTarget),
            _ => {}
        }
        if settings.protects(finding) {
            return refused(Refusal::Protected);
        }
        let Clock::Live(now) = clock else { return (OrderState::Observed, None) };
        if now.0.saturating_sub(finding.time.0) > settings.too_old.0 {
            return refused(Refusal::TooOld);
        }
        if mode == Mode::Observe {
            return (OrderState::Observed, None);
        }
        if !settings.actions.contains(&**action) {
            return refused(Refusal::NoAction);
        }
        if self.hold {
            return (OrderState::Held, Some(Refusal::Hold));
        }
        if mode == Mode::Approve {
            return (OrderState::Waiting, None);
        }
        if self.carried_out_since(now.minus(settings.limit_window)) >= settings.limit {
            return (OrderState::Held, Some(Refusal::Limit));
        }
        (OrderState::Pending, None)
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
        Some(order.clone())
    }

    /// The order is about to be handed to the runner.
    pub fn start(&mut self, id: OrderId, at: WallTime) -> Option<Order> {
        let order = self.orders.get_mut(&id).filter(|o| o.state == OrderState::Pending)?;
        (order.state, order.changed) = (OrderState::Started, at);
        Some(order.clone())
    }

    /// The runner told how it ended. A later word overrules only `unknown`.
    pub fn end(&mut self, id: OrderId, verdict: &Verdict, at: WallTime) -> Option<Order> {
        let order =
            self.orders.get_mut(&id).filter(|o| matches!(o.state, OrderState::Started | OrderState::Unknown))?;
        let (state, note) = match verdict {
            Verdict::Done(note) => (OrderState::Done, note.clone()),
            Verdict::Failed(note) => (OrderState::Failed, note.clone()),
            Verdict::Unknown(note) => (OrderState::Unknown, note.clone()),
            Verdict::NeverSeen => (OrderState::Pending, "the runner never saw it: it is handed over again".into()),
        };
        (order.state, order.changed, order.note) = (state, at, Some(note));
        Some(order.clone())
    }

    /// Lets go of orders that nothing can change or attach to any more.
    pub fn forget(&mut self, before: WallTime) {
        use OrderState::{Held, Pending, Started, Waiting};
        self.orders.retain(|_, o| o.made >= before || matches!(o.state, Held | Pending | Started | Waiting));
    }
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
