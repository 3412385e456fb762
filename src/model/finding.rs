//! What a policy found, with what it rests on. OCSF Detection Finding, class 2004.
use super::Text;
use super::event::closed;
use super::id::{EventId, FindingId};
use super::position::SourceName;
use super::silence::Silenced;
use super::time::{EventTime, WallTime};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

closed!(
    /// How much it matters, in Sigma's words.
    Severity {
        /// OCSF `severity_id` 1.
        Informational = "informational",
        /// OCSF `severity_id` 2.
        Low = "low",
        /// OCSF `severity_id` 3.
        Medium = "medium",
        /// OCSF `severity_id` 4.
        High = "high",
        /// OCSF `severity_id` 5.
        Critical = "critical",
    }
);

closed!(
    /// What people say of a finding.
    FindingVerdict {
        /// Nobody has judged it yet.
        Open = "open",
        /// It was an attack. OCSF `verdict_id` 2, True Positive.
        Confirmed = "confirmed",
        /// It was honest work. OCSF `verdict_id` 1, False Positive.
        Dismissed = "dismissed",
    }
);

impl Severity {
    /// OCSF `severity_id`, 1 to 5.
    pub const fn ocsf(self) -> u8 {
        self as u8 + 1
    }
}

/// One number that the finding rests on, and what it is held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What was counted, for a person: `records asked for in 1 h`.
    pub what: Text,
    /// How much there was.
    pub value: Text,
    /// What it is held against: a threshold, or what is usual.
    pub against: Text,
}

/// One event that contributed; where it was read is in its own record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// The event.
    pub event: EventId,
    /// The time that it counted at.
    pub time: EventTime,
    /// The policy or rule that it matched.
    pub what: Text,
}

/// Whom and what a finding is about: the actor, session and origin of the event that completed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The actor's name: of an id that was renamed, the one that it is known by.
    pub actor: Option<Text>,
    /// What the trail calls the actor now, where that is another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_label: Option<Text>,
    /// The actor's own id in the product.
    pub actor_uid: Option<Text>,
    /// The actor's role.
    pub role: Option<Text>,
    /// Only a client says that it was this actor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_claimed: bool,
    /// The session, as a digest that does not tell its id.
    pub session: Option<SessionRef>,
    /// The address.
    pub ip: Option<IpAddr>,
    /// Country and network owner, for a person.
    pub place: Option<Text>,
    /// The customer account.
    pub customer: Option<Text>,
    /// The export's id, where the event was of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Text>,
    /// The trail that the event was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<SourceName>,
}

impl Subject {
    /// Who it was, for people.
    pub fn who(&self) -> Option<String> {
        self.actor.as_ref().map(|name| now_called(name, self.actor_label.as_deref()))
    }
}

/// An actor by name, with what the trail calls it now where that is another one.
pub(super) fn now_called(name: &str, label: Option<&str>) -> String {
    match label {
        Some(label) => format!("{name}, now {label}"),
        None => name.to_owned(),
    }
}

/// A session without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionRef {
    /// The keyed digest (HMAC-SHA-256, first 16 bytes) that stands for the session id.
    pub digest: [u8; 16],
    /// Whether the portal's own trail named this session as this actor's.
    pub by_server: bool,
}

/// Something that a policy found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Digest of (decision, entity, episode).
    pub id: FindingId,
    /// The policy's short name. OCSF `finding_info.analytic.name`.
    pub policy: Arc<str>,
    /// The first 16 bytes of the policy's decision digest, in hexadecimal: whether the policy has been changed since can be told
    /// by it. Nothing where tripline says something of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Text>,
    /// The policy's title. OCSF `finding_info.title`.
    pub title: Arc<str>,
    /// How much it matters.
    pub severity: Severity,
    /// Event time of the event that completed it: the input cut off here still gives this finding. OCSF `time`.
    pub time: EventTime,
    /// When we had read enough to know. OCSF `finding_info.created_time`.
    pub observed: WallTime,
    /// Event time of the first event that contributed. OCSF `finding_info.first_seen_time`.
    pub first: EventTime,
    /// The group-by values, for a person: `actor.user.name=…`.
    pub entity: Text,
    /// Whom it is about.
    pub subject: Subject,
    /// Its numbers, as first seen.
    pub measures: Vec<Measure>,
    /// What it rests on, at most [`super::limits::EVIDENCE_PER_FINDING`].
    pub witnesses: Vec<Witness>,
    /// ATT&CK techniques and the like, from the policy's tags.
    pub tags: Vec<Arc<str>>,
    /// The action that the policy asks for, with its target; whether it is taken is for the orders to decide.
    pub asks: Vec<Ask>,
    /// Made by `tripline test-finding`: goes through every outlet, and never leads to an order.
    pub test: bool,
    /// The silence that it is under: it is recorded, told to nobody, and leads to no order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Silenced>,
}

/// What a policy's response block asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The name of an action in the configuration.
    pub action: Arc<str>,
    /// What it is to act on.
    pub target: super::order::TargetKind,
}

/// A finding with what people did about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingRow {
    /// The finding.
    pub finding: Finding,
    /// When and by whom it was acknowledged.
    pub acknowledged: Option<(WallTime, String)>,
    /// What people say of it.
    pub verdict: FindingVerdict,
    /// Who says so, and why; nothing while it is open.
    pub judged: Option<Judged>,
}

/// A person's verdict, as it stands with the finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// When.
    pub at: WallTime,
    /// Who, by peer credentials.
    pub by: String,
    /// Why, in the person's words.
    pub reason: String,
}
