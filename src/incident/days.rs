//! What somebody took on each day: of the incident, and besides it. An incident is read against ordinary days.
use super::exposure::Exposure;
use crate::model::{EventId, EventTime, Millis};
use crate::pipeline::EventRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRow {
    /// Days since 1970.
    pub day: i32,
    /// Records that left, or were asked for where nobody counted those, in acts that are not the incident's.
    pub own: u64,
    /// The same of the incident's acts.
    pub incident: u64,
}

/// The days on which something is recorded, the earliest first. `of_incident` says which acts are the incident's.
pub fn days(acts: &[EventRow], of_incident: &BTreeSet<EventId>) -> Vec<DayRow> {
    let mut by_day: BTreeMap<i64, (Vec<&EventRow>, Vec<&EventRow>)> = BTreeMap::new();
    for act in acts {
        let (own, incident) = by_day.entry(EventTime(act.time.0).episode(Millis::DAY)).or_default();
        if of_incident.contains(&act.id) { incident.push(act) } else { own.push(act) }
    }
    let records = |acts: Vec<&EventRow>| Exposure::of(acts).records().1;
    let row = |(day, (own, incident)): (i64, _)| DayRow {
        day: i32::try_from(day).unwrap_or(i32::MAX),
        own: records(own),
        incident: records(incident),
    };
    by_day.into_iter().map(row).collect()
}
