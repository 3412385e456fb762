//! What would have been done: the orders of some days by policy, as the case for enforcing, or against it.
use crate::ledger::read::FindingFilter;
use crate::ledger::{Error, Reader};
use crate::model::limits::MOST_ROWS;
use crate::model::{FindingId, FindingVerdict, Millis, Order, OrderState, Purpose, TargetKind, WallTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The orders of one policy for one action and kind of target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    /// The policy.
    pub policy: String,
    /// The action.
    pub action: String,
    /// What it acts on.
    pub target: String,
    /// Orders that would have been carried out, but for the mode.
    pub observed: u32,
    /// Orders that were carried out.
    pub carried_out: u32,
    /// Orders that wait, are held or were cancelled.
    pub waiting: u32,
    /// Orders that a gate refused, by gate.
    pub refused: BTreeMap<String, u32>,
    /// How many different people are concerned.
    pub people: u32,
    /// The most within one hour: compare it with the limit.
    pub most_in_an_hour: u32,
    /// By what people say of the findings that ask for it: orders of which one was judged an attack.
    pub confirmed: u32,
    /// Orders all of whose judged findings were honest work.
    pub dismissed: u32,
    /// Orders of which nobody has judged a finding.
    pub unjudged: u32,
}

/// Reviews the orders made since then: a row for each policy, action and target, those with most orders first.
///
/// # Errors
/// The ledger can't be read.
pub fn review(reader: &Reader, since: WallTime) -> Result<Vec<Reviewed>, Error> {
    let orders = reader.orders(MOST_ROWS, None)?.into_iter().filter(|o| o.made >= since && o.purpose == Purpose::End);
    let filter =
        FindingFilter { since: Some(since.minus(Millis::DAY).0), limit: Some(MOST_ROWS), ..FindingFilter::default() };
    let verdicts: BTreeMap<FindingId, FindingVerdict> =
        reader.findings(&filter)?.into_iter().map(|row| (row.finding.id, row.verdict)).collect();
    let mut groups: BTreeMap<(String, String, TargetKind), Vec<Order>> = BTreeMap::new();
    for order in orders {
        groups.entry((order.policy.to_string(), order.action.to_string(), order.target)).or_default().push(order);
    }
    let mut rows: Vec<Reviewed> = groups.into_values().map(|orders| reviewed(&orders, &verdicts)).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.observed + row.carried_out), row.policy.clone()));
    Ok(rows)
}

fn reviewed(orders: &[Order], verdicts: &BTreeMap<FindingId, FindingVerdict>) -> Reviewed {
    use OrderState::{Cancelled, Done, Failed, Held, Observed, Pending, Refused, Started, Unknown, Waiting};
    let mut row = Reviewed::default();
    let mut people = BTreeSet::new();
    for order in orders {
        row.policy = order.policy.to_string();
        row.action = order.action.to_string();
        row.target = order.target.name().to_owned();
        people.extend(order.actor.as_deref());
        match order.state {
            Observed => row.observed += 1,
            Done | Failed | Unknown | Started | Pending => row.carried_out += 1,
            Waiting | Held | Cancelled => row.waiting += 1,
            Refused => *row.refused.entry(order.refusal.map_or("?", |r| r.name()).to_owned()).or_default() += 1,
        }
        let judged: Vec<FindingVerdict> = order.findings.iter().filter_map(|id| verdicts.get(id).copied()).collect();
        if judged.contains(&FindingVerdict::Confirmed) {
            row.confirmed += 1;
        } else if judged.contains(&FindingVerdict::Dismissed) {
            row.dismissed += 1;
        } else {
            row.unjudged += 1;
        }
    }
    row.people = people.len() as u32;
    row.most_in_an_hour = most_within(orders.iter().filter(|o| o.state != Refused).map(|o| o.made), Millis::HOUR);
    row
}

/// The most of these moments that lie within one such length.
fn most_within(moments: impl Iterator<Item = WallTime>, length: Millis) -> u32 {
    let mut moments: Vec<WallTime> = moments.collect();
    moments.sort_unstable();
    let within = |(i, from): (usize, &WallTime)| moments[i..].iter().take_while(|at| at.since(*from) < length).count();
    moments.iter().enumerate().map(within).max().unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_hour_is_counted_wherever_it_begins() {
        let at = |minutes: i64| WallTime(Millis::MINUTE.times(minutes).0);
        assert_eq!(most_within([at(0), at(50), at(70), at(109)].into_iter(), Millis::HOUR), 3);
        assert_eq!(most_within([at(0), at(60)].into_iter(), Millis::HOUR), 1);
        assert_eq!(most_within([].into_iter(), Millis::HOUR), 0);
    }
}
