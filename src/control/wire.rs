//! What is asked, and the frame of the answer.
use crate::ledger::read::FindingFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the daemon is: one row.
    Status,
    /// How large detection state is: a row for each policy, the largest first.
    Sizes,
    /// Findings: a row each.
    Findings {
        /// Which.
        filter: FindingFilter,
    },
    /// One finding with its events and orders, by the beginning of its id.
    Finding {
        /// Hexadecimal.
        id: String,
    },
    /// Orders: a row each, the newest first.
    Orders {
        /// At most so many.
        limit: u32,
    },
    /// One order with its steps, by the beginning of its id.
    Order {
        /// Hexadecimal.
        id: String,
    },
    /// Acknowledges a finding.
    Acknowledge {
        /// Hexadecimal, or its beginning.
        id: String,
    },
    /// Releases or cancels an order that waits.
    Decide {
        /// Hexadecimal, or its beginning.
        id: String,
        /// Release, or else cancel.
        release: bool,
    },
    /// Puts all orders on hold, or takes the hold off.
    Hold {
        /// On or off.
        on: bool,
    },
    /// Sends one marked finding through every outlet.
    TestFinding,
}

impl Request {
    /// Whether it changes something, and so needs the daemon.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Request::Acknowledge { .. } | Request::Decide { .. } | Request::Hold { .. } | Request::TestFinding
        )
    }
}

/// One line of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A row.
    Row(Value),
    /// That was all.
    End,
    /// It went wrong, or nothing of that name is there.
    Error(String),
}
