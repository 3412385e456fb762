//! What was asked for, what was fetched, and what was read on the screen: exposure counts only what was fetched.
//!
//! A request and a download are joined by the export's id, in either order; a pull from a list API is both at once.
use crate::model::{Activity, EventTime, Outcome, Text};
use crate::pipeline::EventRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Who did something, when and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// When; of a download, when it ended.
    pub at: EventTime,
    /// The actor's name.
    pub actor: Option<Text>,
    /// The address.
    pub ip: Option<IpAddr>,
    /// Whether it was done, or refused.
    pub outcome: Outcome,
    /// Bytes sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Records sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

/// One export: asked for, fetched, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRow {
    /// The customer account.
    pub customer: Option<Text>,
    /// The kind of log.
    pub kind: Option<Text>,
    /// First and last day of the data, as days since 1970.
    pub days: Option<(i32, i32)>,
    /// No range that can be read was stated: it counts as everything there is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everything: bool,
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
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<By>,
    /// Who fetched it, or tried to; at most [`FETCHES`], the earliest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetches: Vec<By>,
}

/// How many fetches of one export are named; all are counted.
pub const FETCHES: usize = 64;

crate::model::event::closed!(
    /// How much of an export left.
    Extent {
        /// Nothing was fetched.
        Nothing = "nothing",
        /// Fewer records or bytes than it has: cut off.
        Part = "part",
        /// All of it.
        Whole = "whole",
        /// Something was fetched, and the trails do not say how much of it that is.
        Unknown = "unknown",
    }
);

impl ExportRow {
    /// How much of it left.
    pub fn extent(&self) -> Extent {
        match (self.downloads, self.asked, self.fetched) {
            (0, ..) => Extent::Nothing,
            (_, Some(asked), Some(fetched)) if fetched < asked && !self.estimated => Extent::Part,
            (_, Some(asked), Some(fetched)) if fetched >= asked => Extent::Whole,
            // a pull from a list API asks for what it gets
            (_, None, Some(_)) if !self.estimated => Extent::Whole,
            _ => Extent::Unknown,
        }
    }

    /// Records that left: those sent; where nobody counted these, those asked for.
    pub fn records(&self) -> Option<u64> {
        (self.downloads > 0).then_some(self.fetched.or(self.asked)).flatten()
    }
}

/// Logs of one customer that were read on the screen, page by page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// How many pages or searches.
    pub times: u64,
    /// The first.
    pub first: By,
    /// The last.
    pub last: EventTime,
}

/// What left of one customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Exports of which something was fetched.
    pub exports: u64,
    /// Exports that were asked for and not fetched.
    pub not_fetched: u64,
    /// Records that left, as far as they are known.
    pub records: u64,
    /// Some of these records were reckoned from bytes.
    pub estimated: bool,
    /// Exports of which nobody knows how many records left.
    pub unknown: u64,
    /// Bytes that left.
    pub bytes: u64,
    /// First and last day of the data.
    pub days: Option<(i32, i32)>,
    /// Of some of it no range that can be read was stated: it counts as everything there is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everything: bool,
    /// Pages of logs that were read on the screen.
    pub reads: u64,
}

/// What some events expose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// The exports, by id; a pull from a list API has its event's id.
    pub exports: BTreeMap<String, ExportRow>,
    /// Logs read on the screen, by customer account; of those without one, under an empty name.
    #[serde(default)]
    pub reads: BTreeMap<Text, Read>,
}

impl Exposure {
    /// Of these events, whatever their order.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a EventRow>) -> Exposure {
        let mut exposure = Exposure::default();
        for event in events {
            match (&event.export, event.activity, event.outcome) {
                (Some(_), ..) => exposure.export(event),
                (None, Activity::Query, Outcome::Success | Outcome::Unknown) => exposure.read(event),
                _ => {}
            }
        }
        for row in exposure.exports.values_mut() {
            row.fetches.sort_by_key(|by| (by.at, by.ip));
            row.fetches.truncate(FETCHES);
        }
        exposure
    }

    fn export(&mut self, event: &EventRow) {
        let Some(export) = &event.export else { return };
        let id = export.job.as_ref().map_or_else(|| event.id.to_string(), ToString::to_string);
        let row = self.exports.entry(id).or_default();
        row.customer = row.customer.take().or_else(|| event.customer.clone());
        row.kind = row.kind.take().or_else(|| export.kind.clone());
        row.everything |= export.everything;
        row.days = row.days.or(export.first_day.zip(export.last_day).filter(|_| !export.everything));
        match (event.activity, event.outcome) {
            (Activity::ExportRequested, _) => {
                row.asked = row.asked.max(export.records);
                let by = by(event);
                row.requested = Some(row.requested.take().filter(|before| before.at <= by.at).unwrap_or(by));
            }
            (Activity::Download, Outcome::Failure) => {
                row.refused += 1;
                row.fetches.push(by(event));
            }
            (Activity::Download, _) => {
                row.downloads += 1;
                row.fetched = row.fetched.max(export.records);
                row.estimated |= export.records_estimated;
                row.bytes += export.bytes.unwrap_or(0);
                row.fetches.push(by(event));
            }
            _ => {}
        }
    }

    fn read(&mut self, event: &EventRow) {
        let customer = event.customer.clone().unwrap_or_default();
        let first = by(event);
        let read =
            self.reads.entry(customer).or_insert_with(|| Read { times: 0, last: first.at, first: first.clone() });
        read.times += 1;
        read.last = read.last.max(first.at);
        if first.at < read.first.at {
            read.first = first;
        }
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
        fetched.filter_map(|row| row.customer.as_deref()).collect::<BTreeSet<_>>().len()
    }

    /// What left of each customer; of those that the trails do not name, under an empty name.
    pub fn by_customer(&self) -> BTreeMap<Text, Total> {
        let mut totals: BTreeMap<Text, Total> = BTreeMap::new();
        for row in self.exports.values() {
            let total = totals.entry(row.customer.clone().unwrap_or_default()).or_default();
            if row.downloads == 0 {
                total.not_fetched += 1;
                continue;
            }
            total.exports += 1;
            total.bytes = total.bytes.saturating_add(row.bytes);
            total.records = total.records.saturating_add(row.records().unwrap_or(0));
            total.unknown += u64::from(row.records().is_none());
            total.estimated |= row.estimated;
            total.everything |= row.everything;
            total.days = match (total.days, row.days) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (one, other) => one.or(other),
            };
        }
        for (customer, read) in &self.reads {
            totals.entry(customer.clone()).or_default().reads += read.times;
        }
        totals
    }

    /// The same of one customer alone.
    #[must_use]
    pub fn of_customer(mut self, customer: &str) -> Exposure {
        self.exports.retain(|_, row| row.customer.as_deref() == Some(customer));
        self.reads.retain(|name, _| name == customer);
        self
    }
}

fn by(event: &EventRow) -> By {
    By {
        at: event.time,
        actor: event.actor.as_ref().map(|actor| actor.name.clone()),
        ip: event.origin.ip,
        outcome: event.outcome,
        bytes: event.export.as_ref().and_then(|x| x.bytes),
        records: event.export.as_ref().and_then(|x| x.records).filter(|_| event.activity == Activity::Download),
    }
}

/// What is said of the days of data of which no range that can be read was stated.
pub const EVERYTHING: &str = "everything (no readable range)";

/// Of which days the data is, in words; nothing where that is not stated.
pub fn days(everything: bool, days: Option<(i32, i32)>) -> Option<String> {
    match (everything, days) {
        (true, _) => Some(EVERYTHING.to_owned()),
        (false, days) => days.map(|(first, last)| format!("{} to {}", day(first), day(last))),
    }
}

/// A day, of days since 1970: `2026-03-01`.
pub fn day(n: i32) -> String {
    let day = jiff::civil::Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(n));
    day.map_or_else(|_| n.to_string(), |day| day.to_string())
}
