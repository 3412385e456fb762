//! What an outlet was never told, for it was away too long: how much, of which time, and where it is.
use super::limits::MOST_ROWS;
use super::{EventTime, Severity};
use serde::{Deserialize, Serialize};

/// Messages that an outlet was never given, for there were too many while it was away. They may be more than it missed: of an
/// outlet that had some of them it is not remembered which. Reminders of clocks are not among them: they are few, and told once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omitted {
    /// The number of the last of them in the outbox.
    pub last: u64,
    /// Findings among them.
    pub findings: u64,
    /// Changes of orders.
    pub orders: u64,
    /// Signed heads, of which each later one holds for all that is older.
    pub heads: u64,
    /// The earliest time of these findings.
    pub since: Option<EventTime>,
    /// The latest.
    pub until: Option<EventTime>,
}

impl Omitted {
    /// How much it matters: heads alone are in those that follow.
    pub fn severity(&self) -> Severity {
        if self.findings + self.orders > 0 { Severity::High } else { Severity::Low }
    }

    /// What became of them, and where they are.
    pub fn text(&self) -> String {
        let Omitted { findings, orders, heads, .. } = self;
        let mut text = format!(
            "{findings} findings, {orders} changes of orders and {heads} signed heads were left out, for this receiver was away too long"
        );
        if let Some((since, until)) = self.since.zip(self.until) {
            let until = EventTime(until.0.saturating_add(1));
            text += &format!(
                "; the newest {MOST_ROWS} findings of that time, earlier ones with an earlier --until: tripline findings list --since {since} --until {until} --limit {MOST_ROWS}"
            );
        }
        if *orders > 0 {
            text += "; orders: tripline orders list";
        }
        text
    }

    /// Takes in what was left out besides.
    pub fn add(&mut self, more: Omitted) {
        self.findings += more.findings;
        self.orders += more.orders;
        self.heads += more.heads;
        self.since = [self.since, more.since].into_iter().flatten().min();
        self.until = self.until.max(more.until);
    }
}
