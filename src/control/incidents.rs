//! Incidents, and what left in them: gathered from the ledger.
use super::answer::{PATIENCE, finding_id};
use crate::incident::case::{self, Clue, Incident};
use crate::incident::days::{DayRow, days};
use crate::incident::exposure::{Exposure, Total};
use crate::incident::scope::{LOOK_AHEAD, LOOK_BACK, scope};
use crate::ledger::history::Bounds;
use crate::ledger::read::{Asked, FindingFilter};
use crate::ledger::{Error, Reader};
use crate::model::limits::MOST_ROWS;
use crate::model::{EventTime, Finding, FindingId, FindingRow, FindingVerdict, Severity, Text, WallTime};
use crate::pipeline::EventRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many acts are looked at, of all actors together: months of some busy people's, in a hundred megabytes.
const ACTS: usize = 60_000;
/// How many acts of the incident are told: all of them count.
const TOLD: usize = 20_000;
/// How many findings of high severity are looked at.
const MOST_GRAVE: usize = 50_000;

/// An incident with all that it rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// The incident.
    pub incident: Incident,
    /// Event time of the first recorded act that is the incident's.
    pub first_contact: Option<EventTime>,
    /// Since when every order to end something has held.
    pub contained: Option<WallTime>,
    /// Its findings, the earliest first.
    pub findings: Vec<FindingRow>,
    /// The recorded acts that are the incident's, in time order, with what others fetched of its exports.
    pub acts: Vec<EventRow>,
    /// What those whom it is about took on each day, in it and besides it.
    pub days: Vec<DayRow>,
    /// What left.
    pub exposure: Exposure,
    /// What left of each customer.
    pub totals: BTreeMap<Text, Total>,
    /// The ledger is so large that not all of it was looked at.
    pub cut: bool,
}

/// All incidents, the latest first.
///
/// # Errors
/// The ledger can't be read.
pub fn incidents(reader: &Reader) -> Result<Vec<Incident>, Error> {
    Ok(all_incidents(reader)?.0)
}

/// All incidents, the latest first; and whether there were more findings than are looked at.
///
/// # Errors
/// The ledger can't be read.
pub fn all_incidents(reader: &Reader) -> Result<(Vec<Incident>, bool), Error> {
    let (mut rows, cut) = grave(reader)?;
    let known: BTreeSet<FindingId> = rows.iter().map(|row| row.finding.id).collect();
    let lesser = reader.findings(&FindingFilter::default())?;
    rows.extend(lesser.into_iter().filter(|row| !known.contains(&row.finding.id)));
    let high = rows.iter().filter(|row| row.finding.severity >= Severity::High);
    let ids = high.flat_map(|row| &row.finding.witnesses).map(|w| w.event).collect();
    let known = reader.events_named(&ids)?;
    let clue = |row: &'_ FindingRow| -> Vec<&EventRow> {
        row.finding.witnesses.iter().filter_map(|w| known.get(&w.event)).collect()
    };
    let clues: Vec<Clue<'_>> =
        rows.iter().map(|row| Clue { finding: &row.finding, verdict: row.verdict, events: clue(row) }).collect();
    let orders = reader.orders(MOST_ROWS, None)?;
    Ok((case::incidents(&clues, &orders, &reader.incident_steps()?), cut))
}

/// The findings that may open an incident, the newest first; and whether there are more. A flood of lesser ones, or of those that people
/// have dismissed, hides none.
fn grave(reader: &Reader) -> Result<(Vec<FindingRow>, bool), Error> {
    let mut rows: Vec<FindingRow> = Vec::new();
    let mut until = None;
    // ends: each page begins where the one before ended, and there is a most
    while rows.len() < MOST_GRAVE {
        let filter = FindingFilter { severity: Some(Severity::High), until, ..FindingFilter::default() };
        let page = reader.findings(&filter)?;
        let (count, oldest) = (page.len(), page.last().map(|row| row.finding.time));
        let seen: BTreeSet<FindingId> = rows.iter().rev().take(count).map(|row| row.finding.id).collect();
        let counts = |row: &FindingRow| {
            row.verdict != FindingVerdict::Dismissed
                && row.finding.silenced.is_none()
                && !seen.contains(&row.finding.id)
        };
        rows.extend(page.into_iter().filter(counts));
        let next = oldest.map(|at| at.0 + 1);
        if count < MOST_ROWS as usize || next == until {
            return Ok((rows, false));
        }
        until = next;
    }
    Ok((rows, true))
}

/// The incident that the one finding belongs to whose id begins so.
///
/// # Errors
/// There is none, for a person.
pub fn incident(reader: &Reader, id: &str) -> Result<Incident, String> {
    let id = finding_id(reader, id)?;
    let all = incidents(reader).map_err(|e| e.to_string())?;
    all.into_iter().find(|incident| incident.findings.contains(&id)).ok_or_else(|| {
        format!(
            "finding {id} belongs to no incident: findings of severity high and above open one, unless they are dismissed, silenced or \
             a test; `tripline incident list` shows them"
        )
    })
}

/// Everything about an incident.
///
/// # Errors
/// The ledger can't be read.
pub fn case(reader: &Reader, incident: &Incident) -> Result<Case, Error> {
    let mut findings = Vec::new();
    for id in &incident.findings {
        findings.extend(reader.finding(id)?);
    }
    let grave: Vec<&Finding> =
        findings.iter().map(|row| &row.finding).filter(|f| f.severity >= Severity::High).collect();
    let mut bounds = Bounds {
        since: incident.alarm.minus(LOOK_BACK),
        until: incident.last.plus(LOOK_AHEAD),
        events: ACTS,
        time: PATIENCE,
    };
    let (mut all, mut cut) = (Vec::new(), false);
    for actor in &incident.actors {
        bounds.events = ACTS.saturating_sub(all.len()).max(1);
        cut |= reader.look_back(Asked::Actor, actor, &bounds, |event| all.push(event))?.cut.is_some();
    }
    let mut acts = scope(&grave, &all);
    // what was asked for may have been fetched by somebody else, and be somebody else's
    let jobs: BTreeSet<_> = acts.iter().filter_map(|act| act.export.as_ref()?.job.clone()).collect();
    for job in &jobs {
        acts.extend(reader.events_of(Asked::Export, job)?);
    }
    acts.sort_by_key(|act| (act.time, act.id));
    acts.dedup_by_key(|act| act.id);
    let exposure = Exposure::of(&acts);
    let days = days(&all, &acts.iter().map(|act| act.id).collect());
    drop(all);
    let first_contact = acts.first().map(|act| act.time);
    cut |= acts.len() > TOLD;
    acts.truncate(TOLD);
    Ok(Case {
        incident: incident.clone(),
        first_contact,
        contained: case::contained_at(&incident.orders),
        findings,
        days,
        acts,
        totals: exposure.by_customer(),
        exposure,
        cut,
    })
}
