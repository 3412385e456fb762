//! What is recorded of somebody or of an address, with the findings and orders about them.
use super::answer::PATIENCE;
use super::wire::Of;
use crate::incident::history::{History, Shown};
use crate::ledger::history::{Bounds, Cut};
use crate::ledger::read::{Asked as Kind, FindingFilter};
use crate::ledger::{Error, Reader};
use crate::model::limits::MOST_ROWS;
use crate::model::{EventTime, FindingVerdict, Order};
use serde_json::{Value, json};

/// Events that one question looks at: some years of a person's recorded acts, some days of a busy service key's.
const EVENTS: usize = 200_000;
/// Sessions, findings and orders that one question shows, each.
const MOST_SHOWN: u32 = 200;
/// Origins, devices, actors and customers that one question shows, each.
const MOST_LISTED: usize = 100;

/// A question, as it was asked.
pub struct Asked<'a> {
    /// Of whom.
    pub of: &'a Of,
    /// Event time at or after, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Event time before, in milliseconds since 1970.
    pub until: Option<i64>,
    /// At most so many sessions, findings and orders each; at most 200.
    pub limit: u32,
}

/// The answer: a [`Shown`] with `findings` that are open, `orders`, and how far back was looked.
///
/// # Errors
/// Nothing is recorded of them, or the ledger can't be read.
pub fn history(reader: &Reader, asked: &Asked<'_>) -> Result<Value, String> {
    let limit = asked.limit.clamp(1, MOST_SHOWN);
    let (kind, value) = match asked.of {
        Of::Actor(name) => (Kind::Actor, name.clone()),
        Of::Origin(ip) => (Kind::Address, ip.to_canonical().to_string()),
    };
    let bounds = Bounds {
        since: EventTime(asked.since.unwrap_or(i64::MIN)),
        until: EventTime(asked.until.unwrap_or(i64::MAX)),
        events: EVENTS,
        time: PATIENCE,
    };
    let mut history = History::new(limit as usize);
    let said = |e: Error| e.to_string();
    let reach = reader.look_back(kind, &value, &bounds, |event| history.add(&event)).map_err(said)?;
    let findings = reader.findings(&filter(asked, limit)).map_err(said)?;
    let orders = orders(reader, asked, limit as usize).map_err(said)?;
    let shown = history.shown();
    if shown.used.is_none() && findings.is_empty() && orders.is_empty() {
        let shown = crate::model::Shown(&value).to_string();
        return Err(match asked.of {
            Of::Actor(_) => {
                format!("nothing is recorded of an actor {shown:?} in that time: write the name as findings give it")
            }
            Of::Origin(_) => format!("nothing is recorded of the address {shown} in that time"),
        });
    }
    let mut row = json!(bounded(shown));
    row["of"] = json!(asked.of);
    row["findings"] = json!(findings);
    row["orders"] = json!(orders);
    row["looked_at"] = json!({"events": reach.events, "cut": reach.cut.map(|cut| match cut {
        Cut::Events => "events",
        Cut::Time => "time",
    })});
    Ok(row)
}

fn filter(asked: &Asked<'_>, limit: u32) -> FindingFilter {
    let (actor, ip) = match asked.of {
        Of::Actor(name) => (Some(name.clone()), None),
        Of::Origin(ip) => (None, Some(ip.to_canonical())),
    };
    FindingFilter {
        since: asked.since,
        until: asked.until,
        actor,
        ip,
        // those that were dismissed say nothing against anybody
        verdict: match asked.of {
            Of::Actor(_) => Some(FindingVerdict::Open),
            Of::Origin(_) => None,
        },
        limit: Some(limit),
        ..FindingFilter::default()
    }
}

fn orders(reader: &Reader, asked: &Asked<'_>, limit: usize) -> Result<Vec<Order>, Error> {
    let about = |order: &Order| match asked.of {
        Of::Actor(name) => order.actor.as_deref() == Some(name.as_str()),
        Of::Origin(ip) => order.ip == Some(ip.to_canonical()),
    };
    let within = |order: &Order| {
        asked.since.is_none_or(|since| order.time.0 >= since) && asked.until.is_none_or(|until| order.time.0 < until)
    };
    let all = reader.orders(MOST_ROWS, None)?;
    Ok(all.into_iter().filter(|order| about(order) && within(order)).take(limit).collect())
}

fn bounded(mut shown: Shown) -> Shown {
    shown.more |= [shown.actors.len(), shown.origins.len(), shown.devices.len(), shown.customers.len()]
        .iter()
        .any(|length| *length > MOST_LISTED);
    shown.actors.truncate(MOST_LISTED);
    shown.origins.truncate(MOST_LISTED);
    shown.devices.truncate(MOST_LISTED);
    shown.customers.truncate(MOST_LISTED);
    shown
}
