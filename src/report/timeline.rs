//! What happened, in its order: the intruder's acts, what was found, what was ordered, and what people said.
use super::counted;
use super::document::moment;
use crate::control::incidents::Case;
use crate::model::incident::{IncidentAct, IncidentStep};
use crate::model::{Activity, EventTime, Outcome, Severity};
use crate::pipeline::EventRow;
use std::collections::BTreeSet;

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When: what a trail says, or of what we or people did, the clock of this machine.
    pub at: EventTime,
    /// Who.
    pub who: String,
    /// What; holds what others wrote.
    pub what: String,
    /// It is worth a look: an alarm, an order, a person's words.
    pub marked: bool,
}

/// The moments of an incident with at most so many of the intruder's acts, the earliest; and how many acts are left out.
pub fn timeline(case: &Case, most: usize) -> (Vec<Moment>, usize) {
    let shown = &case.acts[..case.acts.len().min(most)];
    let alike = |a: &EventRow, b: &EventRow| kind(a) == kind(b);
    let mut moments: Vec<Moment> = Vec::new();
    for run in shown.chunk_by(alike) {
        match run.len() {
            ..RUN => moments.extend(run.iter().map(act)),
            _ => moments.extend(self::run(run)),
        }
    }
    let ours = |at: i64, what: String, marked| Moment { at: EventTime(at), who: "tripline".into(), what, marked };
    for row in &case.findings {
        let f = &row.finding;
        let what = format!("FOUND {} ({}): {}", f.policy, f.severity.name(), f.title);
        moments.push(ours(f.time.0, what, f.severity >= Severity::High));
    }
    for order in &case.incident.orders {
        let held = order.verification.as_ref().map(|v| format!(", {}", v.result.name())).unwrap_or_default();
        let what = format!("ORDER {} of {}: {}{held}", order.action, order.target.name(), order.state.name());
        moments.push(ours(order.changed.0, what, true));
    }
    let people = case.incident.steps.iter();
    moments.extend(people.map(|step| Moment {
        at: EventTime(step.at.0),
        who: step.by.to_string(),
        what: said(step),
        marked: true,
    }));
    moments.sort_by_key(|moment| moment.at);
    (moments, case.acts.len().saturating_sub(most))
}

/// So many acts of one kind in a row are one moment.
const RUN: usize = 5;

/// What acts of one kind share.
fn kind(act: &EventRow) -> (Option<&str>, Activity, Outcome, Option<std::net::IpAddr>) {
    (act.actor.as_ref().map(|a| a.name.as_str()), act.activity, act.outcome, act.origin.ip)
}

/// Several acts of one kind.
fn run(acts: &[EventRow]) -> Option<Moment> {
    let (first, last) = (acts.first()?, acts.last()?);
    let customers: BTreeSet<&str> = acts.iter().filter_map(|act| act.customer.as_deref()).collect();
    let of = if customers.is_empty() {
        String::new()
    } else {
        format!(", of {}", counted(customers.len() as u64, "customer"))
    };
    let one = act(&EventRow { customer: None, ..first.clone() });
    let what = format!("{} times{of} until {}: {}", acts.len(), moment(last.time), one.what);
    Some(Moment { what, ..one })
}

fn act(act: &EventRow) -> Moment {
    let customer = act.customer.as_deref().map(|c| format!(" of {c}")).unwrap_or_default();
    let from = act.origin.ip.map(|ip| format!(" from {ip}")).unwrap_or_default();
    let how = if act.outcome.name() == "success" { String::new() } else { format!(" ({})", act.outcome.name()) };
    Moment {
        at: act.time,
        who: act.actor.as_ref().map_or_else(|| "-".to_owned(), |a| a.name.to_string()),
        what: format!("{}{customer}{from}{how}", act.activity.name().replace('_', " ")),
        marked: false,
    }
}

fn said(step: &IncidentStep) -> String {
    match &step.act {
        IncidentAct::Note { text } => format!("NOTE {text}"),
        IncidentAct::Review => "REVIEW begins".to_owned(),
        IncidentAct::Close { reason } => format!("CLOSED {reason}"),
        IncidentAct::Reopen { reason } => format!("REOPENED {reason}"),
        IncidentAct::Determine { reason } => format!("DETERMINED to be a breach: {reason}"),
        IncidentAct::Told { clock, how } => format!("TOLD {clock}: {how}"),
        IncidentAct::Waive { clock, reason } => format!("NOT NEEDED {clock}: {reason}"),
        IncidentAct::Merge { with } => format!("MERGED with {with}"),
        IncidentAct::Split { from } => format!("SPLIT from {from}"),
    }
}
