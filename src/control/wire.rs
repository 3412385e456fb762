//! What is asked, and the frame of the answer.
use crate::ledger::read::FindingFilter;
use crate::model::{Decision, OrderState, TargetKind};
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
        /// As OCSF objects.
        #[serde(default)]
        ocsf: bool,
    },
    /// One finding with its events and orders, by the beginning of its id.
    Finding {
        /// Hexadecimal.
        id: String,
    },
    /// Why a finding came to be, by the beginning of its id: one row.
    Explain {
        /// Hexadecimal.
        id: String,
    },
    /// What is recorded of somebody or of an address: one row.
    History {
        /// Of whom.
        of: Of,
        /// Event time at or after, in milliseconds since 1970.
        #[serde(default)]
        since: Option<i64>,
        /// Event time before, in milliseconds since 1970.
        #[serde(default)]
        until: Option<i64>,
        /// At most so many sessions, findings and orders each, the newest.
        limit: u32,
    },
    /// Orders: a row each, the newest first.
    Orders {
        /// At most so many.
        limit: u32,
        /// Only those in this state.
        #[serde(default)]
        state: Option<OrderState>,
    },
    /// One order with its steps, by the beginning of its id.
    Order {
        /// Hexadecimal.
        id: String,
    },
    /// The silences of the configuration, and those that findings are still under: a row each.
    Silences,
    /// Acknowledges a finding.
    Acknowledge {
        /// Hexadecimal, or its beginning.
        id: String,
    },
    /// Judges a finding.
    Judge {
        /// Hexadecimal, or its beginning.
        id: String,
        /// Honest work, or else an attack.
        honest: bool,
        /// Why; not blank, and at most [`crate::model::limits::REASON_BYTES`].
        reason: String,
    },
    /// What would have been done, and was: a row for each policy, action and target.
    Review {
        /// Orders made at or after, in milliseconds since 1970.
        since: i64,
    },
    /// The mutes that were put on: a row each.
    Mutes,
    /// Decides about an order.
    Decide {
        /// Hexadecimal, or its beginning.
        id: String,
        /// What.
        decision: Decision,
    },
    /// Puts a mute on.
    Mute {
        /// It ends by itself after so many seconds.
        seconds: u32,
        /// Why; not blank, and at most [`crate::model::limits::REASON_BYTES`].
        reason: String,
        /// What it covers.
        covered: Covered,
    },
    /// Takes a mute off before its end.
    Unmute {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Asks that something be ended, by hand.
    Invalidate {
        /// By which action.
        action: String,
        /// What it is to act on.
        target: TargetKind,
        /// Whose.
        whose: Whose,
        /// Why; not blank, and at most [`crate::model::limits::REASON_BYTES`].
        reason: String,
    },
    /// What the configuration that the daemon follows says of notices and clocks: one row.
    Notices,
    /// Incidents: a row each, the latest first.
    Incidents {
        /// At most so many.
        limit: u32,
    },
    /// One incident with its findings, timeline and what left, by the beginning of the id of one of its findings.
    Incident {
        /// Hexadecimal.
        id: String,
    },
    /// What left in an incident.
    Exposure {
        /// Hexadecimal.
        id: String,
        /// Only of this customer account.
        #[serde(default)]
        customer: Option<String>,
    },
    /// Does something about an incident.
    IncidentAct {
        /// Hexadecimal, or its beginning.
        id: String,
        /// What.
        act: Act,
    },
    /// Opens a sealed session id, for the daemon's own user and root: one row. That it was opened is recorded.
    Reveal {
        /// What stands for the session, in hexadecimal, or its beginning.
        session: String,
        /// Why; not blank, and at most [`crate::model::limits::REASON_BYTES`].
        reason: String,
    },
    /// Puts all orders on hold, or takes the hold off.
    Hold {
        /// On or off.
        on: bool,
    },
    /// Sends one marked finding through every outlet.
    TestFinding,
}

/// Of whom or what something is recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// An actor, by the name that findings give.
    Actor(String),
    /// An address.
    Origin(std::net::IpAddr),
}

/// What a mute covers: all that is named must match, and what is empty covers all. Names may hold `*`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Covered {
    /// Policies.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Actors, by name or id.
    #[serde(default)]
    pub actors: Vec<String>,
    /// Actions.
    #[serde(default)]
    pub actions: Vec<String>,
}

/// What is done about an incident; incidents and findings by the beginnings of their ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A note.
    Note(String),
    /// Somebody works on what it came to.
    Review,
    /// It is over, and why.
    Close(String),
    /// It is not over after all, and why.
    Reopen(String),
    /// It is a breach, and on what that rests.
    Determine(String),
    /// A duty was met: the clock, and how.
    Told(String, String),
    /// A duty need not be met: the clock, and why.
    Waive(String, String),
    /// It is the same as another one.
    Merge(String),
    /// A finding does not belong to it, or an incident that was merged with it.
    Split(String),
}

/// Whom or what an order by hand is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The actor and session of a finding, by the beginning of its id.
    Finding(String),
    /// A session, by its id as the portal writes it.
    Session(Secret),
    /// An actor, by the name that findings give.
    Actor(String),
}

/// What must not be seen in a log of ours.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Request {
    /// Whether it changes something, and so needs the daemon.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Request::Acknowledge { .. }
                | Request::Judge { .. }
                | Request::Decide { .. }
                | Request::Hold { .. }
                | Request::Mute { .. }
                | Request::Unmute { .. }
                | Request::Invalidate { .. }
                | Request::IncidentAct { .. }
                | Request::Reveal { .. }
                | Request::TestFinding
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
    /// Whoever asks has too many connections already: to be asked again a little later.
    Busy,
    /// It went wrong, or nothing of that name is there.
    Error(String),
}
