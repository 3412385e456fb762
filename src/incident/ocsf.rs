//! Findings, orders and incidents as OCSF 1.8 objects: Detection Finding (class 2004), Remediation Activity (class 7001) and Incident
//! Finding (class 2005).
//!
//! The session is shown by what stands for it. What OCSF has no attribute for is under `unmapped`.
use super::case::{Incident, IncidentState};
use super::clock::Reminder;
use crate::model::{
    Finding, FindingRow, FindingVerdict, Held, Omitted, Order, OrderState, Purpose, Severity, WallTime,
};
use crate::pipeline::EventRow;
use serde_json::{Map, Value, json};

/// OCSF `status_id` of a finding that a silence covers, or that was honest work.
const SUPPRESSED: u8 = 3;

/// A finding when it is told, before anybody has said anything of it: without the events that it rests on, which the ledger has.
pub fn told(finding: &Finding) -> Value {
    let row = FindingRow { finding: finding.clone(), acknowledged: None, verdict: FindingVerdict::Open, judged: None };
    self::finding(&row, &[])
}

/// A finding, with the recorded events that it rests on, the newest first.
pub fn finding(row: &FindingRow, events: &[&EventRow]) -> Value {
    let finding = &row.finding;
    let said = said(row);
    let s = &finding.subject;
    let session = s.session.map(|r| crate::model::id::hex(&r.digest));
    let mut user = Map::new();
    put(&mut user, "name", s.actor.as_deref());
    put(&mut user, "display_name", s.actor_label.as_deref());
    put(&mut user, "uid", s.actor_uid.as_deref());
    let mut evidences = vec![strip(json!({
        "actor": { "user": user, "session": { "uid": session } },
        "src_endpoint": { "ip": s.ip },
    }))];
    evidences.extend(events.iter().map(|e| evidence(e)));
    strip(json!({
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "activity_id": said.activity_id,
        "type_uid": 200_400 + said.activity_id,
        "time": finding.time.0,
        "severity_id": finding.severity.ocsf(),
        "severity": severity_name(finding.severity),
        "status_id": said.status_id,
        "status": said.status,
        "verdict_id": said.verdict_id,
        "verdict": said.verdict,
        "comment": comment(row),
        "is_alert": finding.severity >= Severity::High && finding.silenced.is_none(),
        "message": finding.title,
        "metadata": {
            "version": "1.8.0",
            "product": { "name": "tripline", "version": env!("CARGO_PKG_VERSION") },
            "uid": finding.id.to_string(),
            "logged_time": finding.observed.0,
            "labels": if finding.test { json!(["test"]) } else { Value::Null },
        },
        "finding_info": {
            "uid": finding.id.to_string(),
            "title": finding.title,
            "analytic": { "name": finding.policy, "type_id": 1, "type": "Rule" },
            "created_time": finding.observed.0,
            "first_seen_time": finding.first.0,
            "last_seen_time": finding.time.0,
            "related_events_count": finding.witnesses.len(),
            "attacks": attacks(finding),
        },
        "evidences": evidences,
        "unmapped": {
            "entity": finding.entity,
            "measures": finding.measures,
            "place": s.place,
            "customer": s.customer,
            "role": s.role,
            "judged": row.judged.as_ref().map(|j| json!({"time": j.at.0, "by": j.by})),
            "witnesses": finding.witnesses.iter().map(|w| json!({"event": w.event.to_string(), "time": w.time.0, "matched": w.what})).collect::<Vec<_>>(),
        },
    }))
}

/// How OCSF says what people say of a finding.
struct Said {
    activity_id: u32,
    status_id: u8,
    status: &'static str,
    verdict_id: Option<u8>,
    verdict: Option<&'static str>,
}

fn said(row: &FindingRow) -> Said {
    let with =
        |activity_id, status_id, status| Said { activity_id, status_id, status, verdict_id: None, verdict: None };
    match (row.verdict, &row.acknowledged) {
        // a silence covers it
        (FindingVerdict::Open, _) if row.finding.silenced.is_some() => with(1, SUPPRESSED, "Suppressed"),
        (FindingVerdict::Open, None) => with(1, 1, "New"),
        (FindingVerdict::Open, Some(_)) => with(2, 2, "In Progress"),
        (FindingVerdict::Dismissed, _) => {
            Said { verdict_id: Some(1), verdict: Some("False Positive"), ..with(3, SUPPRESSED, "Suppressed") }
        }
        (FindingVerdict::Confirmed, _) => {
            Said { verdict_id: Some(2), verdict: Some("True Positive"), ..with(3, 4, "Resolved") }
        }
    }
}

/// Why, in the words of who judged it, else of who silenced it.
fn comment(row: &FindingRow) -> Option<String> {
    let silenced = row.finding.silenced.as_ref().map(|s| format!("silenced by {}: {}", s.author, s.reason));
    row.judged.as_ref().map(|j| j.reason.clone()).or(silenced)
}

/// An order: given, or in a replay the one that would have been.
pub fn order(order: &Order) -> Value {
    let verification = order.verification.as_ref();
    let (status_id, status) = match (order.state, verification.map(|v| v.result)) {
        // It was said to be done, and the session lived on.
        (OrderState::Done, Some(Held::NotHeld)) | (OrderState::Failed, _) => (2, "Failure"),
        (OrderState::Done, _) => (1, "Success"),
        _ => (99, order.state.name()),
    };
    let (activity_id, activity) = match order.purpose {
        Purpose::Undo => (3, "Restore"),
        Purpose::Check => (5, "Detect"),
        _ => (2, "Evict"),
    };
    let session = order.session.map(|r| crate::model::id::hex(&r.digest));
    let observable = |name: &str, type_id: u8, value: Option<String>| {
        value.map(|v| json!({"name": name, "type_id": type_id, "value": v}))
    };
    let observables: Vec<Value> = [
        observable("actor.user.name", 4, order.actor.as_ref().map(ToString::to_string)),
        observable("actor.user.uid", 31, order.actor_uid.as_ref().map(ToString::to_string)),
        observable("actor.session.uid", 99, session),
        observable("src_endpoint.ip", 2, order.ip.map(|ip| ip.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect();
    strip(json!({
        "class_uid": 7001,
        "class_name": "Remediation Activity",
        "category_uid": 7,
        "activity_id": activity_id,
        "activity_name": activity,
        "type_uid": 700_100 + activity_id,
        "time": order.time.0,
        "severity_id": 1,
        "status_id": status_id,
        "status": status,
        "status_detail": verification
            .and_then(|v| v.note.as_deref())
            .or(order.refusal.map(|r| r.name()))
            .or(order.note.as_deref()),
        "command_uid": order.id.to_string(),
        "message": format!("{} on the {} of {}", order.action, order.target.name(), order.who().unwrap_or_else(|| "nobody named".to_owned())),
        "metadata": {
            "version": "1.8.0",
            "product": { "name": "tripline", "version": env!("CARGO_PKG_VERSION") },
            "logged_time": order.changed.0,
        },
        "countermeasures": [{ "name": order.action, "d3f_tactic": { "uid": format!("D3-{activity}"), "name": activity } }],
        "observables": observables,
        "unmapped": {
            "mode": order.mode.name(),
            "state": order.state.name(),
            "purpose": order.purpose.name(),
            "policy": order.policy,
            "verification": verification.map(|v| v.result.name()),
            "findings": order.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    }))
}

/// An incident as it stands, with its findings.
pub fn incident(incident: &Incident, findings: &[FindingRow]) -> Value {
    let (status_id, status) = match incident.state {
        IncidentState::Open => (1, "New"),
        IncidentState::Contained | IncidentState::Reviewing => (2, "In Progress"),
        IncidentState::Closed => (5, "Closed"),
    };
    let about = findings.iter().map(|row| json!({"uid": row.finding.id.to_string(), "title": row.finding.title}));
    strip(json!({
        "class_uid": 2005,
        "class_name": "Incident Finding",
        "category_uid": 2,
        "activity_id": 2,
        "type_uid": 200_502,
        "time": incident.last.0,
        "start_time": incident.first.0,
        "severity_id": incident.severity.ocsf(),
        "severity": severity_name(incident.severity),
        "status_id": status_id,
        "status": status,
        "is_alert": incident.state != IncidentState::Closed,
        "metadata": metadata(&incident.id.to_string(), incident.known),
        "finding_info_list": about.collect::<Vec<_>>(),
        "unmapped": { "state": incident.state.name(), "actors": incident.actors, "addresses": incident.addresses },
    }))
}

/// A clock that nears its end: news of an incident.
pub fn reminder(at: WallTime, reminder: &Reminder) -> Value {
    let clock = &reminder.clock;
    strip(json!({
        "class_uid": 2005,
        "class_name": "Incident Finding",
        "category_uid": 2,
        "activity_id": 2,
        "type_uid": 200_502,
        "time": at.0,
        "severity_id": reminder.severity().ocsf(),
        "severity": severity_name(reminder.severity()),
        "status_id": 2,
        "status": "In Progress",
        "message": reminder.text(),
        "metadata": metadata(&clock.incident.to_string(), at),
        "finding_info_list": [{"uid": clock.incident.to_string(), "title": clock.what}],
        "unmapped": { "clock": clock.name, "standing": reminder.standing.name(), "due": clock.due, "to": clock.to.name() },
    }))
}

/// Messages that were left out: of no class, for it is about us.
pub fn omitted(at: WallTime, omitted: &Omitted) -> Value {
    strip(json!({
        "class_uid": 0,
        "class_name": "Base Event",
        "category_uid": 0,
        "activity_id": 99,
        "activity_name": "Omit",
        "type_uid": 99,
        "time": at.0,
        "severity_id": omitted.severity().ocsf(),
        "severity": severity_name(omitted.severity()),
        "message": omitted.text(),
        "metadata": metadata(&format!("omitted-{}", omitted.last), at),
        "start_time": omitted.since,
        "end_time": omitted.until,
        "unmapped": { "findings": omitted.findings, "orders": omitted.orders, "heads": omitted.heads },
    }))
}

fn metadata(uid: &str, logged: WallTime) -> Value {
    json!({
        "version": "1.8.0",
        "product": { "name": "tripline", "version": env!("CARGO_PKG_VERSION") },
        "uid": uid,
        "logged_time": logged.0,
    })
}

fn evidence(event: &EventRow) -> Value {
    let e = event;
    strip(json!({
        "actor": {
            "user": e.actor.as_ref().map(|a| json!({"name": a.name, "uid": a.uid, "type": a.kind.name()})),
            "session": { "uid": e.session },
        },
        "src_endpoint": {
            "ip": e.origin.ip,
            "location": { "country": e.origin.country, "city": e.origin.city },
            "autonomous_system": { "number": e.origin.as_number, "name": e.origin.as_name },
        },
        "http_request": { "user_agent": e.origin.user_agent },
        "data": {
            "event": e.id.to_string(),
            "time": e.time.0,
            "activity": e.activity.name(),
            "status": e.outcome.name(),
            "customer": e.customer,
            "export": e.export,
            "source": e.source,
            "bytes": [e.from, e.to],
            "digest": e.digest,
        },
    }))
}

fn attacks(finding: &Finding) -> Vec<Value> {
    let id = |tag: &str| tag.strip_prefix("attack.t").map(|t| format!("T{}", t.to_ascii_uppercase()));
    finding
        .tags
        .iter()
        .filter_map(|tag| id(tag))
        .map(|uid| json!({"technique": {"uid": uid}, "version": "18.1"}))
        .collect()
}

/// OCSF's caption of a severity.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "Informational",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        map.insert(key.into(), value.into());
    }
}

/// Without what is null or empty: an attribute that is absent says less wrongly than one that is null.
fn strip(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(k, v)| (k, strip(v)))
                .filter(|(_, v)| !v.is_null() && *v != json!({}) && *v != json!([]))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(strip).collect()),
        other => other,
    }
}
