//! What is answered from the ledger alone: by the daemon's reading connection, or where it is down by the owner's own.
use super::wire::Request;
use super::{explain, history, incidents, review};
use crate::incident::{exposure::Exposure, ocsf};
use crate::ledger::Reader;
use crate::ledger::history::Bounds;
use crate::ledger::read::{Asked, FindingFilter, SilenceRow};
use crate::model::limits::MOST_ROWS;
use crate::model::{Finding, FindingId, FindingRow, FindingVerdict, Judgement, OrderId, Severity, Text, limits};
use crate::pipeline::{EventRow, OWN_POLICIES};
use crate::policy::PolicySet;
use serde_json::{Value, json};
use std::borrow::Cow;

/// How long the ledger is read for one question: a person waits for the answer.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Finds the policies that hold now, for the questions that need them; nothing where they can't be had.
pub type Policies<'a> = &'a dyn Fn() -> Option<Cow<'a, PolicySet>>;

/// How long sizes are counted at most: a reader that takes longer keeps the writer's log growing.
const COUNTING: std::time::Duration = std::time::Duration::from_secs(10);

/// The rows that answer a question.
///
/// # Errors
/// What went wrong, for a person.
pub fn answer(reader: &Reader, request: &Request, policies: Policies<'_>) -> Result<Vec<Value>, String> {
    let said = |e: crate::ledger::Error| e.to_string();
    match request {
        Request::Findings { filter, ocsf } => {
            let rows = reader.findings(filter).map_err(said)?;
            if *ocsf { as_ocsf(reader, &rows).map_err(said) } else { Ok(rows.iter().map(|row| json!(row)).collect()) }
        }
        Request::Finding { id } => {
            let row = reader.finding(&finding_id(reader, id)?).map_err(said)?.ok_or("the finding has gone")?;
            Ok(vec![shown(reader, &row).map_err(said)?])
        }
        Request::Explain { id } => {
            let row = reader.finding(&finding_id(reader, id)?).map_err(said)?.ok_or("the finding has gone")?;
            Ok(vec![explain::explained(reader, &row, policies().as_deref()).map_err(said)?])
        }
        Request::History { of, since, until, limit } => {
            let asked = history::Asked { of, since: *since, until: *until, limit: *limit };
            Ok(vec![history::history(reader, &asked)?])
        }
        Request::Orders { limit, state } => {
            Ok(reader.orders(*limit, *state).map_err(said)?.iter().map(|order| json!(order)).collect())
        }
        Request::Order { id } => {
            let id = order_id(reader, id)?;
            let order = reader.order(&id).map_err(said)?;
            Ok(vec![json!({"order": order, "steps": reader.steps(&id).map_err(said)?})])
        }
        Request::Incidents { limit } => {
            let rows = incidents::incidents(reader).map_err(said)?;
            Ok(rows.iter().take(*limit as usize).map(|incident| json!(incident)).collect())
        }
        Request::Incident { id } => {
            let case = incidents::case(reader, &incidents::incident(reader, id)?).map_err(said)?;
            Ok(vec![json!(case)])
        }
        Request::Exposure { id, customer } => {
            let case = incidents::case(reader, &incidents::incident(reader, id)?).map_err(said)?;
            let exposure = match customer {
                Some(customer) => case.exposure.of_customer(customer),
                None => case.exposure,
            };
            Ok(vec![json!({
                "incident": case.incident.id, "totals": exposure.by_customer(), "exposure": exposure, "cut": case.cut,
            })])
        }
        Request::Review { since } => {
            let rows = review::review(reader, crate::model::WallTime(*since)).map_err(said)?;
            Ok(rows.iter().map(|row| json!(row)).collect())
        }
        Request::Mutes => Ok(reader.mutes().map_err(said)?.iter().map(|mute| json!(mute)).collect()),
        Request::Silences => Ok(reader.silences().map_err(said)?.iter().map(silence).collect()),
        Request::Sizes => Ok(reader.state_sizes(COUNTING).map_err(said)?.iter().map(|size| json!(size)).collect()),
        Request::Status => Ok(vec![ledger_status(reader).map_err(said)?]),
        other => Err(format!("{other:?} needs the daemon, and it is not running: start it with `tripline run`")),
    }
}

/// A silence with how it stands now.
fn silence(row: &SilenceRow) -> Value {
    let now = crate::model::EventTime(jiff::Timestamp::now().as_millisecond());
    let mut value = json!(row);
    value["state"] = if row.written { row.silence.standing(now).name().into() } else { "taken out".into() };
    value
}

/// A finding with its events, the orders that it led to, and what its session took.
pub(super) fn shown(reader: &Reader, row: &FindingRow) -> Result<Value, crate::ledger::Error> {
    let finding = &row.finding;
    let events = witnesses(reader, finding)?;
    let orders: Vec<_> = reader
        .orders(MOST_ROWS, None)?
        .into_iter()
        .filter(|o| o.findings.contains(&finding.id))
        .map(|o| json!(o))
        .collect();
    let taken = exposure(reader, finding)?;
    let (asked, fetched) = taken.records();
    Ok(json!({
        "finding": finding,
        "acknowledged": row.acknowledged,
        "verdict": row.verdict,
        "judged": row.judged,
        "events": events,
        "orders": orders,
        "exposure": {"exports": taken.exports, "records_asked": asked, "records_fetched": fetched, "customers_fetched": taken.customers()},
    }))
}

/// The recorded events that a finding rests on, the newest first.
///
/// # Errors
/// The ledger can't be read.
pub fn witnesses(reader: &Reader, finding: &Finding) -> Result<Vec<EventRow>, crate::ledger::Error> {
    let mut known = reader.events_named(&finding.witnesses.iter().map(|w| w.event).collect())?;
    Ok(finding.witnesses.iter().filter_map(|w| known.remove(&w.event)).collect())
}

/// What the finding's session took; where it names none, what its actor took within a day of it.
///
/// # Errors
/// The ledger can't be read.
pub fn exposure(reader: &Reader, finding: &Finding) -> Result<Exposure, crate::ledger::Error> {
    let session = finding.subject.session.map(|s| crate::model::id::hex(&s.digest));
    let events = match (&session, &finding.subject.actor) {
        (Some(session), _) => reader.events_of(Asked::Session, session)?,
        (None, Some(actor)) => {
            let day = crate::model::Millis::DAY;
            let mut events = Vec::new();
            // whoever works day and night for years is not read from the beginning
            let (since, until) = (finding.first.minus(day), finding.time.plus(day));
            let bounds = Bounds { since, until, events: MOST_ROWS as usize, time: PATIENCE };
            reader.look_back(Asked::Actor, actor, &bounds, |event| events.push(event))?;
            events
        }
        (None, None) => Vec::new(),
    };
    // a download may have been made by another session: it is found by the export's id
    let jobs: std::collections::BTreeSet<_> = events.iter().filter_map(|e| e.export.as_ref()?.job.clone()).collect();
    let mut all = events;
    for job in jobs {
        all.extend(reader.events_of(Asked::Export, &job)?);
    }
    all.sort_by_key(|e| (e.time, e.id));
    all.dedup_by_key(|e| e.id);
    Ok(Exposure::of(&all))
}

/// Findings as OCSF, with the events that they rest on.
///
/// # Errors
/// The ledger can't be read.
pub fn as_ocsf(reader: &Reader, findings: &[FindingRow]) -> Result<Vec<Value>, crate::ledger::Error> {
    let ids = findings.iter().flat_map(|row| &row.finding.witnesses).map(|w| w.event).collect();
    let known = reader.events_named(&ids)?;
    let one = |row: &FindingRow| {
        let events: Vec<&EventRow> = row.finding.witnesses.iter().filter_map(|w| known.get(&w.event)).collect();
        ocsf::finding(row, &events)
    };
    Ok(findings.iter().map(one).collect())
}

fn ledger_status(reader: &Reader) -> Result<Value, crate::ledger::Error> {
    let (findings, open) = reader.finding_counts()?;
    Ok(json!({
        "trails": reader.trails()?,
        "findings": {"all": findings, "open": open},
        "orders": reader.order_counts()?.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "outlets": reader.outlets()?,
        "hold": reader.hold()?,
        "mutes": reader.mutes()?,
    }))
}

/// A person's verdict on the one finding whose id begins so.
///
/// # Errors
/// There is no such finding, or the reason is none.
pub fn judgement(reader: &Reader, id: &str, honest: bool, reason: &str) -> Result<Judgement, String> {
    let reason = bounded_reason(reason)?;
    let id = finding_id(reader, id)?;
    let row = reader.finding(&id).map_err(|e| e.to_string())?.ok_or("the finding has gone")?;
    let Finding { policy, subject, time, .. } = row.finding;
    let grave = subject.actor.as_ref().filter(|_| honest).map(|actor| is_suspected(reader, actor, &id));
    let learns = honest && !grave.transpose()?.unwrap_or(false);
    Ok(Judgement { finding: id, policy, actor: subject.actor, time, honest, learns, reason })
}

/// Whether something grave was found about that actor, beside `but`, that nobody has called honest. What tripline says of its own work
/// accuses nobody.
///
/// # Errors
/// The ledger can't be read.
fn is_suspected(reader: &Reader, actor: &str, but: &FindingId) -> Result<bool, String> {
    for verdict in [FindingVerdict::Open, FindingVerdict::Confirmed] {
        let (severity, verdict) = (Some(Severity::High), Some(verdict));
        let filter = FindingFilter { actor: Some(actor.to_owned()), severity, verdict, ..FindingFilter::default() };
        let found = reader.findings(&filter).map_err(|e| e.to_string())?;
        let accuses = |f: &Finding| f.id != *but && !f.test && !OWN_POLICIES.contains(&&*f.policy);
        if found.iter().any(|row| accuses(&row.finding)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The reason without blanks around it.
///
/// # Errors
/// It says nothing, or is too long.
pub fn bounded_reason(reason: &str) -> Result<Text, String> {
    match reason.trim() {
        "" => Err("say why: whoever meets the next such finding will read it".into()),
        reason if reason.len() > limits::REASON_BYTES => Err(format!(
            "the reason has {} bytes, and {} are kept: put the rest into a ticket and name it",
            reason.len(),
            limits::REASON_BYTES
        )),
        reason => Ok(reason.into()),
    }
}

/// The one finding whose id begins so.
///
/// # Errors
/// There is none, or more than one.
pub fn finding_id(reader: &Reader, id: &str) -> Result<FindingId, String> {
    one(reader.findings_named(id).map_err(|e| e.to_string())?, "finding", id)
}

/// The one order whose id begins so.
///
/// # Errors
/// There is none, or more than one.
pub fn order_id(reader: &Reader, id: &str) -> Result<OrderId, String> {
    one(reader.orders_named(id).map_err(|e| e.to_string())?, "order", id)
}

fn one<T: Copy>(found: Vec<T>, what: &str, id: &str) -> Result<T, String> {
    match found[..] {
        [one] => Ok(one),
        [] => Err(format!(
            "there is no {what} {:?}: `tripline {what}s list` shows them",
            crate::model::Shown(id).to_string()
        )),
        _ => {
            Err(format!("more than one {what} begins with {:?}: write more of it", crate::model::Shown(id).to_string()))
        }
    }
}
