//! Orders: what is to be ended, what keeps us from it, and how far it got. OCSF Remediation Activity, class 7001.
use super::Text;
use super::event::closed;
use super::finding::SessionRef;
use super::id::{FindingId, OrderId};
use super::position::SourceName;
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
        /// What the actor may log in again with unasked: refresh tokens and API keys.
        Token = "token",
        /// The API key.
        Key = "key",
        /// The actor's account: nobody logs in by it until it is given back.
        Account = "account",
    }
);

closed!(
    /// What an order is for.
    Purpose {
        /// To end something.
        End = "end",
        /// To ask whether it has ended. The order that it asks about is its parent.
        Check = "check",
        /// To take back what its parent did.
        Undo = "undo",
    }
);

impl Default for Purpose {
    /// Of orders that were recorded before there were others.
    fn default() -> Purpose {
        Purpose::End
    }
}

closed!(
    /// What the trails, or whoever was asked, say of an order that was carried out.
    Held {
        /// It is not over yet: the trails are watched.
        Watching = "watching",
        /// Nothing was done by the target any more, or somebody who knows said so.
        Held = "held",
        /// The target did something that began after the order was carried out.
        NotHeld = "not_held",
        /// What was seen does not say, or nothing could be seen.
        CouldNotTell = "could_not_tell",
    }
);

closed!(
    /// What a person decides about an order.
    Decision {
        /// It may be carried out, as far as this person is concerned.
        Approve = "approve",
        /// It is not to be carried out.
        Deny = "deny",
        /// It is held no longer.
        Release = "release",
        /// It is taken back before it was handed to the runner.
        Cancel = "cancel",
        /// It failed, or nobody knows: it is carried out once more, under the same key.
        Retry = "retry",
        /// What it did is taken back.
        Undo = "undo",
    }
);

closed!(
    /// Whether an order is carried out.
    Mode {
        /// Say what would be done, and do nothing.
        Observe = "observe",
        /// Wait for a person: `tripline orders approve`.
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
        /// Held: `tripline hold` is on, or a limit is reached; a person releases it.
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
        /// Only a client vouches for whom it would hit.
        NotVouched = "not_vouched",
        /// The finding names nothing to act on.
        NoTarget = "no_target",
        /// No action of that name is configured.
        NoAction = "no_action",
        /// As many people were acted on in a window as the limit allows, in number or as a share of the staff; or they were, and others
        /// keep coming.
        Limit = "limit",
        /// The same was done to the same target only just now.
        CoolDown = "cool_down",
        /// Nobody else could administer any more.
        LastAdministrator = "last_administrator",
        /// It would keep a person out, and without a staff directory nobody knows whether that is the last administrator.
        NoDirectory = "no_directory",
        /// Planned work: a mute is on.
        Muted = "muted",
        /// In these hours nothing is carried out unasked.
        QuietHours = "quiet_hours",
        /// Nobody approved it in time.
        NoAnswer = "no_answer",
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
    /// What it is for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The order that it follows from: the grade before it, or what it checks or takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<OrderId>,
    /// What kind of thing it acts on.
    pub target: TargetKind,
    /// The policy that first asked for it.
    #[serde(default)]
    pub policy: Text,
    /// The trail that showed what it rests on: by that one it is seen whether it held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<SourceName>,
    /// The actor concerned.
    pub actor: Option<Text>,
    /// What the trail calls the actor now, where that is another name: what a hook is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_label: Option<Text>,
    /// The actor's id in the product.
    pub actor_uid: Option<Text>,
    /// The actor's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Text>,
    /// Only a client says that it was this actor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_claimed: bool,
    /// The session concerned.
    pub session: Option<SessionRef>,
    /// The address the session was used from.
    pub ip: Option<IpAddr>,
    /// The export that the first finding was about: the id of its job, file or link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Text>,
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
    /// Who approved it, each of them another person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved: Vec<Approval>,
    /// While it waits for approval: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_by: Option<WallTime>,
    /// Who released it, where a person did.
    #[serde(default)]
    pub released_by: Option<Text>,
    /// How often it was, or is to be, handed to the runner; from 1.
    #[serde(default = "first")]
    pub attempt: u32,
    /// When it is handed to the runner once more by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<WallTime>,
    /// When the runner said how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<WallTime>,
    /// What was seen after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// When what it did is to be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<WallTime>,
    /// What the runner or a person said at the last change.
    pub note: Option<Text>,
}

impl Order {
    /// The actor concerned, for people.
    pub fn who(&self) -> Option<String> {
        self.actor.as_ref().map(|name| super::finding::now_called(name, self.actor_label.as_deref()))
    }

    /// An order of which nothing is known yet but what it is to do, made at that time: whoever makes it fills in the rest.
    pub fn blank(id: OrderId, action: &str, target: TargetKind, made: WallTime) -> Order {
        Order {
            id,
            action: action.into(),
            purpose: Purpose::End,
            parent: None,
            target,
            policy: Text::default(),
            trail: None,
            actor: None,
            actor_label: None,
            actor_uid: None,
            role: None,
            is_claimed: false,
            session: None,
            ip: None,
            export: None,
            findings: Vec::new(),
            mode: Mode::Observe,
            state: OrderState::Observed,
            refusal: None,
            time: EventTime(made.0),
            made,
            changed: made,
            approved: Vec::new(),
            answer_by: None,
            released_by: None,
            attempt: first(),
            retry_at: None,
            ended: None,
            verification: None,
            expires: None,
            note: None,
        }
    }
}

const fn first() -> u32 {
    1
}

/// That a person agrees to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who, by peer credentials.
    pub by: Text,
    /// When.
    pub at: WallTime,
}

/// What is known of whether an order did what it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// What it has come to.
    pub result: Held,
    /// The trails are watched until then.
    pub until: WallTime,
    /// The trail went on after the order ended: had the target done something, it would have shown.
    pub seen: bool,
    /// The target was refused after that.
    pub refused: bool,
    /// The target did something of which nobody can say whether it began before.
    pub unclear: bool,
    /// The user logged in again since then: what he does now is of another session.
    pub again: bool,
    /// The identity provider, or a check, said that it has ended.
    pub confirmed: bool,
    /// Downloads of the target that ran when the order ended; at most [`RUNNING`], those whose end was read first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<Running>,
    /// What it rests on, for a person.
    pub note: Option<Text>,
}

/// How many running downloads an order names.
pub const RUNNING: usize = 16;

/// A download that began before an order ended and ended after the order was made: the byte at which it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// When it ended.
    pub at: EventTime,
    /// How many bytes had been sent by then.
    pub bytes: u64,
    /// The export's id, where the trail states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Text>,
    /// The customer account, where the trail states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Text>,
    /// The answer's status: 499 where the client went before the end, as nginx writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |word: &str, text: &Option<Text>| text.as_ref().map_or_else(String::new, |t| format!("{word}{t}"));
        let (export, customer) = (of(" of export ", &self.export), of(" of ", &self.customer));
        let status = self.status.map_or_else(String::new, |status| format!(", status {status}"));
        write!(f, "a download{export}{customer} ended at byte {} at {}{status}", self.bytes, self.at)
    }
}

/// Planned work: orders that it covers are refused until it ends. All that is named must match; what is empty covers all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Eight hexadecimal digits, to name it by.
    pub id: Text,
    /// When it began.
    pub from: WallTime,
    /// When it ends by itself.
    pub until: WallTime,
    /// Why.
    pub reason: Text,
    /// Who, by peer credentials.
    pub by: Text,
    /// Names of policies, with `*`.
    pub policies: Vec<String>,
    /// Names or ids of actors, with `*`.
    pub actors: Vec<String>,
    /// Names of actions, with `*`.
    pub actions: Vec<String>,
}
