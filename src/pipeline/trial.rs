//! Tests of policies: their events go through the same pipeline as lines that were read, from where they would be
//! normalised and enriched, under `enforce` with every action at hand. Nothing is written and nothing is carried out.
use super::prepare::{Line, Ready};
use super::stage::Empty;
use super::{Core, Outcome, Prepared, Recorded, Rules};
use crate::detect::Classifier;
use crate::model::finding::Ask;
use crate::model::{
    Batch, Digest, Event, EventTime, FileId, Finding, FrameFlags, Input, Millis, Mode, Order, OrderState, Session,
    Stretch, Vouched, limits,
};
use crate::orders::Settings;
use crate::policy::{BEGINNING, Expected, Policy, PolicySet, PolicyTest};
use crate::syntax::range::length_text;
use std::sync::Arc;

/// What a test came to.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The policy's findings, by their time.
    pub found: Vec<Finding>,
    /// The orders that they led to, also those that were refused.
    pub orders: Vec<Order>,
    /// What is otherwise than the test says; empty: it passed.
    pub faults: Vec<Fault>,
}

/// Something that is otherwise than the test says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What there should be.
    pub expected: String,
    /// What there is.
    pub found: String,
}

/// Under what tests run: every order that a policy may ask for would be carried out, and nobody is protected.
pub fn settings(set: &PolicySet) -> Settings {
    Settings {
        mode: Mode::Enforce,
        actions: set
            .rules
            .iter()
            .flat_map(|policy| &policy.asks)
            .map(|ask| (ask.action.to_string(), Default::default()))
            .collect(),
        limit: usize::MAX,
        limit_window: Millis::HOUR,
        too_old: limits::SESSION_LIFE,
        ..Settings::default()
    }
}

/// Runs a test of a policy of `rules`, which must have the settings of [`settings`] and no silences.
pub fn run(rules: &Arc<Rules>, policy: &Policy, test: &PolicyTest) -> Trial {
    let mut outcome = Core::new(rules.clone(), Recorded::default(), false, 0).begin();
    let mut classifier = Classifier::new(0);
    let events: Vec<Event> = test.events().into_iter().map(|(_, e)| e).collect();
    for events in events.chunk_by(|a, b| a.evidence.source == b.evidence.source) {
        for events in events.chunks(limits::BATCH_FRAMES) {
            outcome = fold(outcome, rules, events, &mut classifier);
        }
    }
    let mut found: Vec<Finding> = outcome.changes().findings.clone();
    let mut known = std::collections::BTreeSet::new();
    // the same id is the same finding: the ledger keeps the first one
    found.retain(|f| f.policy == policy.name && known.insert(f.id));
    found.sort_by_key(|f| (f.time, f.id));
    let of_ours = |order: &&Order| order.findings.iter().any(|id| found.iter().any(|f| f.id == *id));
    let orders: Vec<Order> = outcome.core().book().iter().filter(of_ours).cloned().collect();
    let faults = faults(rules, test, &found, &orders);
    Trial { found, orders, faults }
}

fn fold(outcome: Outcome, rules: &Rules, events: &[Event], classifier: &mut Classifier) -> Outcome {
    let Some(prepared) = rules.prepare_events(events, classifier) else { return outcome };
    outcome.fold(Input::Lines(vec![prepared]), &Empty).expect("nothing is stored, and so nothing unreadable")
}

impl Rules {
    /// Events of one trail as if they had been read in one batch; nothing where there are none.
    pub fn prepare_events(&self, events: &[Event], classifier: &mut Classifier) -> Option<Prepared> {
        let (first, last) = (events.first()?, events.last()?);
        let batch = Batch {
            source: first.evidence.source.clone(),
            path: std::path::Path::new("a test").into(),
            // they lie nowhere
            stretch: Stretch { file: FileId::default(), from: 0, to: 0 },
            discontinuity: None,
            observed: last.observed,
            data: Arc::from([]),
            frames: Vec::new(),
            header: None,
            witness: Digest::of(b""),
            size: last.evidence.to,
        };
        let line = |event: &Event| Line {
            time: Some(event.time),
            observed: event.observed,
            flags: FrameFlags::default(),
            digest: event.evidence.digest,
            data: batch.data.clone(),
            range: 0..0,
            header: None,
            events: Ok(vec![Ready::new(
                Box::new(event.clone()),
                self.engine.classify(event, classifier),
                None,
                event.actor.as_ref().is_some_and(|actor| self.directory.contains_key(&actor.name)),
            )]),
        };
        let lines = events.iter().map(line).collect();
        Some(Prepared { batch, rules: self.digest, lines, activations: classifier.take_batch().into() })
    }
}

fn faults(rules: &Rules, test: &PolicyTest, found: &[Finding], orders: &[Order]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if found.len() != test.finds as usize || !all_there(rules, &test.expected, found) {
        let each = |list: Vec<String>| if list.is_empty() { String::new() } else { format!(": {}", list.join(", ")) };
        faults.push(Fault {
            expected: findings(test.finds as usize) + &each(test.expected.iter().map(ToString::to_string).collect()),
            found: findings(found.len()) + &each(found.iter().map(told).collect()),
        });
    }
    let Some(expected) = &test.orders else { return faults };
    let mut given: Vec<Ask> = Vec::new();
    for order in orders.iter().filter(|order| order.state == OrderState::Pending) {
        let ask = Ask { action: order.action.clone(), target: order.target };
        if !given.contains(&ask) {
            given.push(ask);
        }
    }
    if given.len() != expected.len() || !expected.iter().all(|ask| given.contains(ask)) {
        let asked = |ask: &Ask| format!("{} on the {}", ask.action, ask.target.name());
        faults.push(Fault {
            expected: listed("orders", expected.iter().map(asked).collect()),
            found: listed("orders", orders.iter().map(came_to).collect()),
        });
    }
    faults
}

/// Whether each of those that are expected is one of those found, no two the same one. Those that say most choose first.
fn all_there(rules: &Rules, expected: &[Expected], found: &[Finding]) -> bool {
    let mut free: Vec<&Finding> = found.iter().collect();
    let mut choosing: Vec<&Expected> = expected.iter().collect();
    choosing.sort_by_key(|e| std::cmp::Reverse(u8::from(e.at.is_some()) + u8::from(e.entity.is_some())));
    choosing.into_iter().all(|wanted| {
        let one = free.iter().position(|finding| is(rules, wanted, finding));
        one.map(|at| free.remove(at)).is_some()
    })
}

fn is(rules: &Rules, wanted: &Expected, finding: &Finding) -> bool {
    let in_time = wanted.at.is_none_or(|at| finding.time == BEGINNING.plus(at));
    let of_entity = wanted.entity.as_ref().is_none_or(|entity| {
        let session = entity.session.as_ref().is_none_or(|id| {
            let named = Session { id: id.as_str().into(), vouched: Vouched::Server };
            let digest = rules.secrets.session_ref(&named).digest;
            finding.subject.session.is_some_and(|session| session.digest == digest)
        });
        session && entity.matches(&finding.entity)
    });
    in_time && of_entity
}

fn findings(n: usize) -> String {
    match n {
        0 => "no finding".into(),
        1 => "1 finding".into(),
        n => format!("{n} findings"),
    }
}

fn told(finding: &Finding) -> String {
    format!("at {} of {}", since_beginning(finding.time), finding.entity)
}

/// A time as the timeline writes it.
pub fn since_beginning(time: EventTime) -> String {
    length_text(time.since(BEGINNING))
}

fn came_to(order: &Order) -> String {
    let why = order.refusal.map(|why| format!(": {}", why.name())).unwrap_or_default();
    let state =
        if order.state == OrderState::Pending { String::new() } else { format!(" ({}{why})", order.state.name()) };
    format!("{} on the {}{state}", order.action, order.target.name())
}

fn listed(what: &str, list: Vec<String>) -> String {
    if list.is_empty() { format!("no {what}") } else { format!("{what}: {}", list.join(", ")) }
}
