//! [`Hindsight`]: what a type of correlation says of an event that is long past, from recorded events alone.
//!
//! That is the chain beneath a finding ([`crate::incident`] works it out). What contributed to a window is always recorded, so counts
//! and sums come out as they were; what hangs on the state of that time, such as what somebody was known to use, is said to be unknown.
use crate::model::{Event, EventTime, Value};
use crate::syntax::{FieldRef, Range};
use serde::Serialize;

/// Whether a rule held at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// It did, by what is recorded.
    Yes,
    /// It depends on what is not recorded.
    Unknown,
    /// It did not.
    No,
}

impl Held {
    /// Whether one of them did.
    pub fn any(all: impl IntoIterator<Item = Held>) -> Held {
        all.into_iter().fold(Held::No, |a, b| match (a, b) {
            (Held::Yes, _) | (_, Held::Yes) => Held::Yes,
            (Held::Unknown, _) | (_, Held::Unknown) => Held::Unknown,
            _ => Held::No,
        })
    }

    /// Whether all of them did.
    pub fn all(all: impl IntoIterator<Item = Held>) -> Held {
        all.into_iter().fold(Held::Yes, |a, b| match (a, b) {
            (Held::No, _) | (_, Held::No) => Held::No,
            (Held::Unknown, _) | (_, Held::Unknown) => Held::Unknown,
            _ => Held::Yes,
        })
    }
}

/// What is recorded around one event, as a correlation that is asked about it looks at it.
pub trait History {
    /// The event.
    fn asked(&self) -> &Event;

    /// Since when there are recorded events at all.
    fn since(&self) -> EventTime;

    /// Whether all that the correlation counts together is recorded.
    fn is_whole(&self) -> bool;

    /// Whom the event is about, for a person.
    fn whom(&self) -> String;

    /// For each of the rules, whether it held at an event within the timespan up to this one.
    fn rules(&mut self) -> Vec<Held>;

    /// The events within the timespan up to this one at which a rule held, once for each rule; nothing where some may have.
    fn contributions(&mut self) -> Option<Vec<&Event>>;

    /// All events of the same entity within the timespan up to this one, the oldest first, whatever rule they are of.
    fn of_entity(&self) -> Box<dyn Iterator<Item = &Event> + '_>;
}

/// What a type of correlation says in hindsight.
pub trait Hindsight {
    /// Whether it looks at several events together, which have to be of the same entity and near each other.
    fn is_of_several(&self) -> bool {
        true
    }

    /// Whether it held at an event; `here` says whether one of its rules did, or may have.
    fn held(&self, _here: Held, _history: &mut dyn History) -> Held {
        Held::Unknown
    }

    /// What it counts or sums of such contributions, and what that is held against; nothing where more than those are needed.
    fn amount(&self, _contributions: &[&Event]) -> Option<(f64, &Range)> {
        None
    }

    /// What there was, for a person.
    fn found(&self, history: &mut dyn History) -> Option<String> {
        found_amount(self, history)
    }
}

/// Whether one held that holds an amount against a range.
pub(super) fn held_by_amount<H: Hindsight>(operator: &H, here: Held, history: &mut dyn History) -> Held {
    match history.contributions().and_then(|events| operator.amount(&events)) {
        Some((amount, range)) if range.holds(amount) => here,
        Some(_) => Held::No,
        None => Held::Unknown,
    }
}

/// The amount, for a person.
pub(super) fn found_amount<H: Hindsight + ?Sized>(operator: &H, history: &mut dyn History) -> Option<String> {
    if !history.is_whole() {
        return None;
    }
    let events = history.contributions()?;
    let (amount, range) = operator.amount(&events)?;
    Some(format!("{amount}, and it asks for {range}"))
}

/// A field as text; nothing where the event lacks it.
pub fn text(event: &Event, field: &FieldRef) -> Option<String> {
    match field.value(event) {
        Value::Absent | Value::Text("") => None,
        Value::Text(text) => Some(text.to_owned()),
        Value::Int(n) => Some(n.to_string()),
        Value::Ip(ip) => Some(ip.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::List(list) => Some(list.join(", ")),
    }
}

/// Several; nothing where the event lacks one.
pub(super) fn texts(event: &Event, fields: &[FieldRef]) -> Option<Vec<String>> {
    fields.iter().map(|field| text(event, field)).collect()
}
