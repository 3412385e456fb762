//! Orders: what is to be ended, what keeps us from it, and how far it got. OCSF Remediation Activity, class 7001.
use super::Text;
use super::event::closed;
use super::finding::SessionRef;
use super::id::{FindingId, OrderId};
use super::time::{EventTime, WallTime};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

closed!(
    /// What an action acts on.
    TargetKind {
        /// The one session that the finding names.
        Session = "session",
        /// Every session of the actor.
        User = "user",
        /// The API key.
        Key = "key",
    }
);

closed!(
    /// Whether an order is carried out.
    Mode {
        /// Say what would be done.
        Observe = "observe",
        /// Wait for a person.
        Approve = "approve",
        /// Do it.
        Enforce = "enforce",
    }
);

closed!(
    /// How far an order has got. The edges are in [`crate::orders`].
    OrderState {
        /// It would have been carried out, but the mode is `observe` (or this is a replay).
        Observed = "observed",
        /// A gate refused it; the reason is beside it.
        Refused = "refused",
        /// Held: `tripline hold` is on, or a limit was reached; a person releases it.
        Held = "held",
        /// Waits for a person's approval.
        Waiting = "waiting",
        /// To be handed to the runner.
        Pending = "pending",
        /// Handed to the runner; no outcome yet. After a crash the runner's journal is asked.
        Started = "started",
        /// The hook said that it is done.
        Done = "done",
        /// The hook said that it failed.
        Failed = "failed",
        /// Neither we nor the runner's journal know whether it ran.
        Unknown = "unknown",
        /// A person took it back before it was started.
        Cancelled = "cancelled",
    }
);

closed!(
    /// Why a gate refused or held an order.
    Refusal {
        /// The event that it rests on is older than a session lives.
        TooOld = "too_old",
        /// The actor or origin is protected.
        Protected = "protected",
        /// Only a client vouches for the session.
        NotVouched = "not_vouched",
        /// The finding names nothing to act on.
        NoTarget = "no_target",
        /// No action of that name is configured.
        NoAction = "no_action",
        /// The limit of orders in a window is reached.
        Limit = "limit",
        /// `tripline hold` is on.
        Hold = "hold",
        /// The finding is a test.
        Test = "test",
    }
);

/// An order to end something: one for each (action, target, episode), however many findings ask for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Digest of (action, target, episode); also the idempotency key that the hook sees.
    pub id: OrderId,
    /// The action's name in the configuration.
    pub action: Arc<str>,
    /// What kind of thing it acts on.
    pub target: TargetKind,
    /// The actor concerned.
    pub actor: Option<Text>,
    /// The actor's id in the product.
    pub actor_uid: Option<Text>,
    /// The session concerned.
    pub session: Option<SessionRef>,
    /// The address the session was used from.
    pub ip: Option<IpAddr>,
    /// The findings that ask for it, the first one first.
    pub findings: Vec<FindingId>,
    /// The mode it was given under.
    pub mode: Mode,
    /// How far it has got.
    pub state: OrderState,
    /// Why it was refused or held.
    pub refusal: Option<Refusal>,
    /// Event time of the finding that first asked for it.
    pub time: EventTime,
    /// When it was made.
    pub made: WallTime,
    /// When its state last changed.
    pub changed: WallTime,
    /// Who released it, where a person did.
    #[serde(default)]
    pub released_by: Option<Text>,
    /// What the runner or a person said at the last change.
    pub note: Option<Text>,
}
