//! Findings -> incidents: those that share a session, an actor, an origin or a credential that one of them made are one case.
//!
//! A finding of high severity opens an incident; lesser ones join one that they share a session or an actor with, and join no
//! two. An incident's id is that of its earliest finding, and every finding of it names it, so an id that was written down
//! stays good when two incidents turn out to be one.
use crate::model::incident::{IncidentAct, IncidentStep};
use crate::model::order::{Held, Purpose, Refusal};
use crate::model::{Activity, EventTime, Finding, FindingId, FindingVerdict, Millis, Order, Severity, Text, WallTime};
use crate::pipeline::EventRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Findings about one actor that are no further apart are of one incident: an intruder who waits ten days is still the same.
const SAME_ACTOR: Millis = Millis::DAY.times(14);
/// The same for one address, which others may have later.
const SAME_ADDRESS: Millis = Millis::DAY.times(3);
/// A lesser finding about one of its actors belongs to an incident that is no further away.
const LESSER: Millis = Millis::DAY;

crate::model::event::closed!(
    /// How far an incident has come.
    IncidentState {
        /// It may go on.
        Open = "open",
        /// Every order that it led to was carried out, and held.
        Contained = "contained",
        /// People are working on what it came to.
        Reviewing = "reviewing",
        /// People say that it is over.
        Closed = "closed",
    }
);

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The id of its earliest finding.
    pub id: FindingId,
    /// How far it has come.
    pub state: IncidentState,
    /// That of its gravest finding.
    pub severity: Severity,
    /// Event time of the first event that a finding of it rests on.
    pub first: EventTime,
    /// Event time of its first finding of high severity: the alarm.
    pub alarm: EventTime,
    /// Event time of its latest finding.
    pub last: EventTime,
    /// When we knew: its first finding of high severity was made.
    pub known: WallTime,
    /// Whom it is about.
    pub actors: BTreeSet<Text>,
    /// From where.
    pub addresses: BTreeSet<IpAddr>,
    /// The policies that found it.
    pub policies: BTreeSet<Text>,
    /// Its findings, the earliest first.
    pub findings: Vec<FindingId>,
    /// The orders that it led to.
    pub orders: Vec<Order>,
    /// What people did about it.
    pub steps: Vec<IncidentStep>,
}

/// One finding, with what is needed to tell to which incident it belongs.
pub struct Clue<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// What people say of it.
    pub verdict: FindingVerdict,
    /// The recorded events that it rests on.
    pub events: Vec<&'a EventRow>,
}

impl Clue<'_> {
    fn opens(&self) -> bool {
        self.finding.severity >= Severity::High && self.counts()
    }

    /// Whether it is news of something bad: no test, not said to be honest, and wanted by somebody.
    fn counts(&self) -> bool {
        !self.finding.test && self.verdict != FindingVerdict::Dismissed && self.finding.silenced.is_none()
    }

    /// Whose credentials its events made or changed.
    fn made(&self) -> impl Iterator<Item = &str> {
        let made = |e: &&&EventRow| {
            matches!(e.activity, Activity::KeyCreated | Activity::UserChanged | Activity::CredentialReset)
        };
        self.events.iter().filter(made).filter_map(|e| e.target.as_deref())
    }
}

/// The incidents, the latest first. `clues` in any order.
pub fn incidents(clues: &[Clue<'_>], orders: &[Order], steps: &[IncidentStep]) -> Vec<Incident> {
    let mut order: Vec<usize> = (0..clues.len()).collect();
    order.sort_by_key(|n| (clues[*n].finding.time, clues[*n].finding.id));
    let clues: Vec<&Clue<'_>> = order.into_iter().map(|n| &clues[n]).collect();
    let by_id: BTreeMap<FindingId, usize> = clues.iter().enumerate().map(|(n, c)| (c.finding.id, n)).collect();
    let said = Said::of(steps);
    let mut groups = Groups::new(clues.len());
    let mut last = Last::default();
    for (n, clue) in clues.iter().enumerate().filter(|(_, c)| c.opens()) {
        if said.apart.contains(&clue.finding.id) {
            continue;
        }
        for other in last.meet(n, clue) {
            groups.join(n, other);
        }
    }
    for (one, other) in &said.together {
        if let (Some(one), Some(other)) = (by_id.get(one), by_id.get(other)) {
            groups.join(*one, *other);
        }
    }
    let mut cases: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for n in (0..clues.len()).filter(|n| clues[*n].opens()) {
        cases.entry(groups.root(n)).or_default().push(n);
    }
    let mut open: Vec<Vec<usize>> = cases.into_values().collect();
    lesser(&clues, &mut open, &said);
    let mut incidents: Vec<Incident> = open.iter().map(|case| incident(&clues, case, orders, steps)).collect();
    incidents.sort_by_key(|incident| std::cmp::Reverse((incident.last, incident.id)));
    incidents
}

/// Adds findings below high to the incident that they share a session with, or an actor at about that time.
fn lesser(clues: &[&Clue<'_>], cases: &mut [Vec<usize>], said: &Said) {
    let mut sessions = BTreeMap::new();
    let mut actors: BTreeMap<&str, Vec<(EventTime, usize)>> = BTreeMap::new();
    for (case, members) in cases.iter().enumerate() {
        for n in members {
            let subject = &clues[*n].finding.subject;
            if let Some(session) = subject.session {
                sessions.insert(session.digest, case);
            }
            if let Some(actor) = subject.actor.as_deref() {
                actors.entry(actor).or_default().push((clues[*n].finding.time, case));
            }
        }
    }
    for (n, clue) in clues.iter().enumerate() {
        let finding = clue.finding;
        if clue.opens() || !clue.counts() || said.apart.contains(&finding.id) {
            continue;
        }
        let near = |(at, _): &&(EventTime, usize)| (finding.time.0 - at.0).abs() <= LESSER.0;
        let by_session = finding.subject.session.and_then(|s| sessions.get(&s.digest).copied());
        let by_actor = || {
            let known = actors.get(finding.subject.actor.as_deref()?)?;
            known.iter().filter(near).min_by_key(|(at, _)| (finding.time.0 - at.0).abs()).map(|(_, case)| *case)
        };
        if let Some(case) = by_session.or_else(by_actor) {
            cases[case].push(n);
        }
    }
    cases.iter_mut().for_each(|case| case.sort_unstable());
}

fn incident(clues: &[&Clue<'_>], case: &[usize], orders: &[Order], steps: &[IncidentStep]) -> Incident {
    let findings: Vec<&Finding> = case.iter().map(|n| clues[*n].finding).collect();
    let ids: BTreeSet<FindingId> = findings.iter().map(|f| f.id).collect();
    let orders: Vec<Order> =
        orders.iter().filter(|order| order.findings.iter().any(|id| ids.contains(id))).cloned().collect();
    let mut steps: Vec<IncidentStep> = steps.iter().filter(|step| ids.contains(&step.of)).cloned().collect();
    steps.sort_by_key(|step| step.at);
    let high = findings.iter().filter(|f| f.severity >= Severity::High);
    Incident {
        id: high.clone().map(|f| (f.time, f.id)).min().map_or(findings[0].id, |(_, id)| id),
        state: state(&findings, &orders, &steps),
        severity: findings.iter().map(|f| f.severity).max().unwrap_or(Severity::High),
        first: findings.iter().map(|f| f.first).min().unwrap_or_default(),
        alarm: high.clone().map(|f| f.time).min().unwrap_or_default(),
        last: findings.iter().map(|f| f.time).max().unwrap_or_default(),
        known: high.map(|f| f.observed).min().unwrap_or_default(),
        actors: findings.iter().filter_map(|f| f.subject.actor.clone()).collect(),
        addresses: findings.iter().filter_map(|f| f.subject.ip).collect(),
        policies: findings.iter().map(|f| Text::from(&*f.policy)).collect(),
        findings: findings.iter().map(|f| f.id).collect(),
        orders,
        steps,
    }
}

fn state(findings: &[&Finding], orders: &[Order], steps: &[IncidentStep]) -> IncidentState {
    let news = findings.iter().filter(|f| f.severity >= Severity::High).map(|f| f.observed).max().unwrap_or_default();
    let said = steps.iter().rev().find_map(|step| match &step.act {
        // what is found afterwards opens it again
        IncidentAct::Close { .. } if step.at >= news => Some(IncidentState::Closed),
        IncidentAct::Close { .. } | IncidentAct::Reopen { .. } => Some(IncidentState::Open),
        IncidentAct::Review => Some(IncidentState::Reviewing),
        _ => None,
    });
    match said {
        Some(said) if said != IncidentState::Open => said,
        _ if contained_at(orders).is_some() => IncidentState::Contained,
        _ => IncidentState::Open,
    }
}

/// Since when every order to end something has been carried out and held; nothing where one has not, or there is none.
pub fn contained_at(orders: &[Order]) -> Option<WallTime> {
    let ends: Vec<&Order> = orders.iter().filter(|order| order.purpose == Purpose::End).collect();
    let all = !ends.is_empty() && ends.iter().all(|order| is_settled(order, &ends));
    all.then(|| ends.iter().filter(|order| held(order)).map(|order| order.changed).max()).flatten()
}

fn held(order: &Order) -> bool {
    order.verification.as_ref().is_some_and(|v| v.result == Held::Held)
}

/// Whether what the order was to end has ended: by it, by the next grade that took its place, or by the same that was done just before.
fn is_settled(order: &Order, ends: &[&Order]) -> bool {
    let same = |other: &&Order| {
        (&other.action, other.target, &other.actor, other.session)
            == (&order.action, order.target, &order.actor, order.session)
    };
    let twice = || order.refusal == Some(Refusal::CoolDown) && ends.iter().any(|other| same(other) && held(other));
    // ends: a grade has but one grade before it, made earlier
    let next =
        || ends.iter().any(|other| other.parent == Some(order.id) && other.id != order.id && is_settled(other, ends));
    held(order) || twice() || next()
}

/// What people said of which findings belong together.
#[derive(Default)]
struct Said {
    together: BTreeSet<(FindingId, FindingId)>,
    /// Findings that stand for themselves.
    apart: BTreeSet<FindingId>,
}

impl Said {
    fn of(steps: &[IncidentStep]) -> Said {
        let mut said = Said::default();
        for step in steps {
            match step.act {
                IncidentAct::Merge { with } => {
                    said.together.insert((step.of, with));
                    // what was taken out comes back
                    said.apart.remove(&with);
                }
                IncidentAct::Split { from } => {
                    let before = said.together.len();
                    said.together.retain(|(one, other)| *one != from && *other != from);
                    if said.together.len() == before {
                        said.apart.insert(from);
                    }
                }
                _ => {}
            }
        }
        said
    }
}

/// The last finding for each thing that findings can share.
#[derive(Default)]
struct Last<'a> {
    sessions: BTreeMap<[u8; 16], usize>,
    actors: BTreeMap<&'a str, (EventTime, usize)>,
    addresses: BTreeMap<IpAddr, (EventTime, usize)>,
    made: BTreeMap<&'a str, usize>,
}

impl<'a> Last<'a> {
    /// The earlier findings that share something with this one, which is remembered.
    fn meet(&mut self, n: usize, clue: &'a Clue<'_>) -> Vec<usize> {
        let Finding { subject, time, .. } = clue.finding;
        let mut others = Vec::new();
        let near = |(at, other): (EventTime, usize), most: Millis| (time.since(at) <= most).then_some(other);
        if let Some(session) = subject.session {
            others.extend(self.sessions.insert(session.digest, n));
        }
        if let Some(actor) = subject.actor.as_deref() {
            others.extend(self.actors.insert(actor, (*time, n)).and_then(|last| near(last, SAME_ACTOR)));
            others.extend(self.made.get(actor));
        }
        if let Some(ip) = subject.ip {
            others.extend(self.addresses.insert(ip, (*time, n)).and_then(|last| near(last, SAME_ADDRESS)));
        }
        for made in clue.made() {
            self.made.insert(made, n);
        }
        others
    }
}

/// Disjoint sets.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Groups {
        Groups((0..count).collect())
    }

    fn root(&mut self, n: usize) -> usize {
        let mut n = n;
        while self.0[n] != n {
            self.0[n] = self.0[self.0[n]];
            n = self.0[n];
        }
        n
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::SessionRef;
    use crate::model::order::{TargetKind, Verification};
    use crate::model::{OrderId, OrderState};

    fn order(n: u8, session: u8, result: Option<Held>) -> Order {
        let verification = result.map(|result| Verification {
            result,
            until: WallTime(0),
            seen: true,
            refused: false,
            unclear: false,
            again: false,
            confirmed: false,
            running: Vec::new(),
            note: None,
        });
        Order {
            actor: Some("ana".into()),
            session: Some(SessionRef { digest: [session; 16], by_server: true }),
            state: if result.is_some() { OrderState::Done } else { OrderState::Refused },
            changed: WallTime(i64::from(n)),
            verification,
            ..Order::blank(OrderId([n; 16]), "end-session", TargetKind::Session, WallTime(0))
        }
    }

    #[test]
    fn it_is_contained_when_everything_that_was_to_end_has_ended() {
        let held = |n| order(n, n, Some(Held::Held));
        assert_eq!(contained_at(&[]), None);
        assert_eq!(contained_at(&[held(1), held(2)]), Some(WallTime(2)));
        // one session of two may live
        for other in [Some(Held::NotHeld), Some(Held::Watching), Some(Held::CouldNotTell), None] {
            assert_eq!(contained_at(&[held(1), order(2, 2, other)]), None, "{other:?}");
        }
        // the next grade took its place
        let next =
            |result| Order { parent: Some(OrderId([2; 16])), target: TargetKind::User, ..order(3, 2, Some(result)) };
        let first = order(2, 2, Some(Held::NotHeld));
        assert_eq!(contained_at(&[held(1), first.clone(), next(Held::Held)]), Some(WallTime(3)));
        assert_eq!(contained_at(&[held(1), first, next(Held::Watching)]), None);
        // the same had been done just before
        let again = Order { refusal: Some(Refusal::CoolDown), ..order(4, 1, None) };
        assert_eq!(contained_at(&[held(1), again]), Some(WallTime(1)));
    }
}
