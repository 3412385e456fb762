//! Why a finding came to be: its policy's terms, the chain down to the events, where those were read, and what became of it.
use super::answer::{PATIENCE, shown};
use crate::incident::chain::{Held, Link, MOST_EVENTS, Past};
use crate::ledger::history::{Bounds, Reach};
use crate::ledger::read::Asked;
use crate::ledger::{Error, Reader};
use crate::model::id::hex;
use crate::model::{EventTime, Field, Finding, FindingRow, Millis, Order, OrderId, OrderState, Refusal};
use crate::pipeline::EventRow;
use crate::policy::{Body, Policy, PolicySet};
use crate::syntax::range::length_text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How far back the use of values is looked up, at most: a quarter, as far as any shipped policy remembers.
const LOOK_BACK: Millis = Millis::DAY.times(92);

/// The explanation, as one object: what `findings show` says, and `policy`, `note`, `chain`, `files`, and orders with their steps.
///
/// # Errors
/// The ledger can't be read.
pub fn explained(reader: &Reader, row: &FindingRow, policies: Option<&PolicySet>) -> Result<Value, Error> {
    let finding = &row.finding;
    let mut said = shown(reader, row)?;
    let events: Vec<EventRow> = serde_json::from_value(said["events"].clone()).unwrap_or_default();
    let policy = policies.and_then(|set| set.get(&finding.policy));
    said["note"] = note(finding, policies.is_some(), policy).into();
    if let (Some(set), Some(policy)) = (policies, policy) {
        said["policy"] = terms(set, policy);
        let (chain, reach) = chain(reader, finding, set, policy, &events)?;
        said["chain"] = json!(chain);
        said["chain_cut"] = json!(reach.cut.is_some());
    }
    said["files"] = json!(files(reader, &events)?);
    if let Some(orders) = said["orders"].as_array_mut() {
        for value in orders {
            if let Ok(order) = serde_json::from_value::<Order>(value.clone()) {
                *value = told(reader, &order)?;
            }
        }
    }
    Ok(said)
}

/// How far what is said of the policy is what held when the finding was made.
fn note(finding: &Finding, known: bool, policy: Option<&Policy>) -> &'static str {
    match (policy, &finding.decision) {
        (_, None) => {
            "tripline says this of itself and its trails, or it is a test: no policy decides it, and what is recorded is all there is"
        }
        (Some(policy), Some(decision)) if policy.decision_text() == *decision => {
            "the policy decides now as it did when this was found"
        }
        (Some(_), Some(_)) => {
            "the policy has been changed since this was found: its terms are those of now, the numbers and the events those of then"
        }
        (None, Some(_)) if known => {
            "the policy is no longer in the set: what was recorded is explained, and its terms are not known any more"
        }
        (None, Some(_)) => {
            "the policies can't be read here: what was recorded is explained, without the policy's terms"
        }
    }
}

fn terms(set: &PolicySet, policy: &Policy) -> Value {
    let mut unless = set.unless(policy);
    unless.push(format!(
        "a finding of it about the same entity in the same stretch of {}, counted from 1970: it fires once in each",
        length_text(policy.episode)
    ));
    json!({
        "name": policy.name,
        "title": policy.title,
        "description": policy.description,
        "runbook": policy.runbook,
        "tags": policy.tags,
        "false_positives": policy.false_positives,
        "severity": policy.severity,
        "file": policy.file,
        "line": policy.line,
        "tuned": policy.tuned,
        "says": set.says(policy),
        "unless": unless,
        "asks": policy.asks,
        "asks_when": policy.asks_when.map(|rule| &*set.rules[rule].name),
    })
}

/// The policy with the rules beneath it, down to the events; nothing where what it rests on is not recorded.
fn chain(
    reader: &Reader,
    finding: &Finding,
    set: &PolicySet,
    policy: &Policy,
    witnesses: &[EventRow],
) -> Result<(Option<Link>, Reach), Error> {
    let mut rows: Vec<EventRow> = Vec::new();
    let (since, until) = (finding.first.minus(LOOK_BACK), EventTime(finding.time.0.saturating_add(1)));
    let bounds = Bounds { since, until, events: MOST_EVENTS, time: PATIENCE };
    let (whole, reach) = match whom(finding) {
        Some((whole, asked, value)) => (whole, reader.look_back(asked, &value, &bounds, |row| rows.push(row))?),
        None => (Field::ActorName, Reach::default()),
    };
    rows.extend(witnesses.iter().cloned());
    let mut past = Past::new(set, whole, rows);
    let place = |name: &str| set.rules.iter().position(|rule| *rule.name == *name);
    let (Some(place_of_policy), Some(newest)) = (place(&policy.name), finding.witnesses.first()) else {
        return Ok((None, reach));
    };
    let mut link = past.link(place_of_policy, &newest.event, Some(Held::Yes));
    if let (Some(link), Body::Correlation(c)) = (&mut link, &policy.body) {
        // the finding says itself by which rules its events came; an event that came by several, it names by one
        let mut worked_out = std::mem::take(&mut link.below);
        for rule in &c.rules {
            let name = &*set.rules[*rule].name;
            let witness = finding.witnesses.iter().find(|w| *w.what == *name);
            let known = witness.and_then(|w| past.link(*rule, &w.event, Some(Held::Yes)));
            let worked_out = worked_out.iter().position(|l| l.rule == name).map(|at| worked_out.remove(at));
            link.without.retain(|without| known.is_none() || without != name);
            link.below.extend(known.or(worked_out));
        }
    }
    Ok((link, reach))
}

/// By what the recorded events of those whom the finding is about are asked for.
fn whom(finding: &Finding) -> Option<(Field, Asked, String)> {
    let s = &finding.subject;
    let actor = s.actor.as_ref().map(|name| (Field::ActorName, Asked::Actor, name.to_string()));
    let session = || s.session.map(|r| (Field::SessionUid, Asked::Session, hex(&r.digest)));
    actor.or_else(session).or_else(|| s.ip.map(|ip| (Field::Ip, Asked::Address, ip.to_string())))
}

/// Where the files of the events lay when they were read last, by event.
fn files(reader: &Reader, events: &[EventRow]) -> Result<BTreeMap<String, String>, Error> {
    let mut paths = BTreeMap::new();
    for event in events {
        if let Some(path) = reader.path_of(&event.source, &event.file)? {
            paths.insert(event.id.to_string(), path.display().to_string());
        }
    }
    Ok(paths)
}

/// An order with its steps, and why it is as it is.
fn told(reader: &Reader, order: &Order) -> Result<Value, Error> {
    let why = order.refusal.map_or_else(|| state(order.state), refusal);
    Ok(json!({"order": order, "why": why, "steps": reader.steps(&OrderId(order.id.0))?}))
}

/// Why a gate refused or held an order, in plain words.
fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TooOld => {
            "what it rests on is older than `too_old_seconds`: the session is over, or this is a backlog"
        }
        Refusal::Protected => "the actor or the network is protected in the configuration",
        Refusal::NotVouched => {
            "only a client says whose it was: no trail's own server vouches for that name or session"
        }
        Refusal::NoTarget => "the finding names nothing of that kind to act on",
        Refusal::NoAction => "no action of that name is configured",
        Refusal::Limit => {
            "as many people were acted on in a window as the limit allows, and orders about others are held: `tripline orders release` lets it go on"
        }
        Refusal::CoolDown => "the same was done to the same target less than `cool_down_seconds` before",
        Refusal::LastAdministrator => "by the directory nobody else could administer any more",
        Refusal::NoDirectory => {
            "it would lock somebody out, and without a staff directory nobody knows whether that is the last administrator: \
             `tripline orders approve` lets it go on"
        }
        Refusal::Muted => "planned work: a mute was on (`tripline mute list`)",
        Refusal::NoAnswer => "nobody approved it in time: `tripline invalidate` asks for the same by hand",
        Refusal::QuietHours => "in quiet hours nothing is carried out unasked: `tripline orders approve` lets it go on",
        Refusal::Hold => "`tripline hold` was on: `tripline orders release` lets it go on",
        Refusal::Test => "the finding is a test",
    }
}

fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Observed => {
            "the mode is `observe` (or this is a replay): it is only said what would have been done"
        }
        OrderState::Refused => "a gate refused it",
        OrderState::Held => "it is held: `tripline orders release` lets it go on",
        OrderState::Waiting => "it waits for `tripline orders approve`",
        OrderState::Pending => "it is to be handed to the runner as soon as there is one",
        OrderState::Started => "the hook runs",
        OrderState::Done => "the hook said that it is done",
        OrderState::Failed => "the hook said that it failed, or could not be run",
        OrderState::Unknown => "it was started, and nobody knows how it ended",
        OrderState::Cancelled => "a person took it back",
    }
}
