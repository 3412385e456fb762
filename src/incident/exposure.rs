//! What was asked for and what was fetched: exposure counts only what was fetched.
//!
//! A request and a download are joined by the export's id, in either order; a pull from a list API is both at once.
use crate::model::{Activity, Outcome, Text};
use crate::pipeline::EventRow;
use serde::Serialize;
use std::collections::BTreeMap;

/// One export: asked for, fetched, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportRow {
    /// The customer account.
    pub customer: Option<Text>,
    /// The kind of log.
    pub kind: Option<Text>,
    /// First and last day of the data, as days since 1970.
    pub days: Option<(i32, i32)>,
    /// Records asked for, where the trail says so.
    pub asked: Option<u64>,
    /// Records sent, the largest of its downloads.
    pub fetched: Option<u64>,
    /// The fetched records were reckoned from the bytes.
    pub estimated: bool,
    /// Bytes sent, of all its downloads.
    pub bytes: u64,
    /// Downloads that succeeded.
    pub downloads: u32,
    /// Downloads that were refused or failed.
    pub refused: u32,
}

/// What some events expose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// The exports, by id; a pull from a list API has its event's id.
    pub exports: BTreeMap<String, ExportRow>,
}

impl Exposure {
    /// Of these events, whatever their order.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a EventRow>) -> Exposure {
        let mut exposure = Exposure::default();
        for event in events {
            let Some(export) = &event.export else { continue };
            let id = export.job.as_ref().map_or_else(|| event.id.to_string(), ToString::to_string);
            let row = exposure.exports.entry(id).or_default();
            row.customer = row.customer.take().or_else(|| event.customer.clone());
            row.kind = row.kind.take().or_else(|| export.kind.clone());
            row.days = row.days.or(export.first_day.zip(export.last_day));
            match (event.activity, event.outcome) {
                (Activity::ExportRequested, _) => row.asked = row.asked.max(export.records),
                (Activity::Download, Outcome::Failure) => row.refused += 1,
                (Activity::Download, _) => {
                    row.downloads += 1;
                    row.fetched = row.fetched.max(export.records);
                    row.estimated |= export.records_estimated;
                    row.bytes += export.bytes.unwrap_or(0);
                }
                _ => {}
            }
        }
        exposure
    }

    /// Records asked for, and records fetched.
    pub fn records(&self) -> (u64, u64) {
        let sum =
            |of: fn(&ExportRow) -> Option<u64>| self.exports.values().filter_map(of).fold(0u64, u64::saturating_add);
        (sum(|row| row.asked.or(row.fetched)), sum(|row| row.fetched))
    }

    /// How many customers' records were fetched.
    pub fn customers(&self) -> usize {
        let fetched = self.exports.values().filter(|row| row.downloads > 0);
        fetched.filter_map(|row| row.customer.as_deref()).collect::<std::collections::BTreeSet<_>>().len()
    }
}
