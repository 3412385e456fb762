//! The one JSON document that a hook reads from its standard input: schema version 1.
//!
//! Everything that a log line could have chosen (names, session ids, titles with names in them) reaches a hook here and
//! nowhere else: not as an argument, not in the environment. Consumers must ignore members that they do not know; a
//! change that takes a member away, or changes what one means, raises `schema`.
use super::wire::hex_id;
use crate::model::{FindingId, Order, OrderId, Purpose, Severity, TargetKind, finding::Finding};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::net::IpAddr;

/// The version of the schema that is written.
pub const SCHEMA: u32 = 1;

/// What is to be done, to whom, and why.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookDocument {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// The order's id: 32 hexadecimal digits.
    #[serde(with = "hex_id")]
    pub order: OrderId,
    /// Equal for every attempt at one order: what receives it may use it to do a thing once. Equal to `order`.
    #[serde(with = "hex_id")]
    pub idempotency_key: OrderId,
    /// The action's name in the configuration.
    pub action: String,
    /// To end something, to ask whether it has ended, or to take it back. One hook may serve all three.
    #[serde(default)]
    pub purpose: Purpose,
    /// 1 for the first attempt; more only where the action declares itself idempotent.
    pub attempt: u32,
    /// True where nothing may really be done: somebody tries out whether the hook can be reached.
    pub test: bool,
    /// What is to be ended.
    pub target: HookTarget,
    /// Why.
    pub finding: HookFinding,
}

/// What an order acts on. Members that the trails did not state are left out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookTarget {
    /// `session`, `user` or `key`: what to end.
    pub kind: TargetKind,
    /// The real session id, as the portal's own trail stated it. A secret while the session lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The name of the actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The actor's id in the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_uid: Option<String>,
    /// The address that the session was used from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The id of the export that the finding was about: its job, its file, its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
}

/// The finding that first asked for the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookFinding {
    /// The finding's id: 32 hexadecimal digits.
    #[serde(with = "hex_id")]
    pub id: FindingId,
    /// The policy's short name.
    pub policy: String,
    /// The policy's title.
    pub title: String,
    /// In Sigma's words.
    pub severity: Severity,
    /// When it happened, RFC 3339 in UTC.
    pub time: String,
}

impl HookDocument {
    /// The document of `attempt` at `order`, which `finding` asked for; `session` is the real session id, unsealed.
    pub fn new(order: &Order, finding: &Finding, session: Option<String>, attempt: u32) -> Self {
        HookDocument {
            schema: SCHEMA,
            order: order.id,
            idempotency_key: order.id,
            action: order.action.to_string(),
            purpose: order.purpose,
            attempt,
            test: finding.test,
            target: HookTarget {
                kind: order.target,
                session,
                actor: order.actor_label.as_ref().or(order.actor.as_ref()).map(ToString::to_string),
                actor_uid: order.actor_uid.as_ref().map(ToString::to_string),
                ip: order.ip,
                export: order.export.as_ref().map(ToString::to_string),
            },
            finding: HookFinding {
                id: finding.id,
                policy: finding.policy.to_string(),
                title: finding.title.to_string(),
                severity: finding.severity,
                time: finding.time.to_string(),
            },
        }
    }
}

/// The document as a JSON Schema (draft 2020-12). Members that it does not name are allowed: later versions may have more.
///
/// To add a member: a line here, and the field above; a test holds the two together.
pub fn schema() -> serde_json::Value {
    let id = |about: &str| json!({ "type": "string", "pattern": "^[0-9a-f]{32}$", "description": about });
    let text = |about: &str| json!({ "type": "string", "description": about });
    let targets: Vec<_> = TargetKind::ALL.iter().map(|kind| kind.name()).collect();
    let purposes: Vec<_> = Purpose::ALL.iter().map(|purpose| purpose.name()).collect();
    let severities: Vec<_> = Severity::ALL.iter().map(|severity| severity.name()).collect();
    let target = json!({
        "type": "object", "description": "What is to be ended. What no trail stated is left out.", "required": ["kind"],
        "properties": {
            "kind": { "enum": targets, "description": "What to end: this session, all sessions of the actor, what he logs in with unasked, the key, or the account." },
            "session": text("The real session id, as the portal's own trail stated it. A secret while the session lives."),
            "actor": text("The name of the actor, as the product calls him now."),
            "actor_uid": text("The actor's id in the product."),
            "ip": { "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }],
                    "description": "The address that the session was used from." },
            "export": text("The id of the export that the finding was about: its job, its file, its link."),
        },
    });
    let finding = json!({
        "type": "object", "description": "The finding that first asked for it.",
        "required": ["id", "policy", "title", "severity", "time"],
        "properties": {
            "id": id("The finding's id."),
            "policy": text("The policy's short name."),
            "title": text("The policy's title."),
            "severity": { "enum": severities, "description": "In Sigma's words." },
            "time": { "type": "string", "format": "date-time", "description": "When it happened, in UTC." },
        },
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tripline hook document",
        "description": "What a hook reads from standard input: one JSON object on one line. Ignore members that you do not know.",
        "type": "object",
        "required": ["schema", "order", "idempotency_key", "action", "purpose", "attempt", "test", "target", "finding"],
        "properties": {
            "schema": { "const": SCHEMA, "description": "Raised when a member goes, or comes to mean something else." },
            "order": id("The order's id."),
            "idempotency_key": id("Equal for every attempt at one order: use it to do a thing once."),
            "action": text("The action's name in the configuration."),
            "purpose": { "enum": purposes, "description":
                "End it; check: exit with 0 if it has ended, with 1 if it lives; undo: give back what was taken." },
            "attempt": { "type": "integer", "minimum": 1, "description": "More than 1 only where the action is idempotent." },
            "test": { "type": "boolean", "description": "True: do nothing, but say whether you could." },
            "target": target,
            "finding": finding,
        },
    })
}

impl std::fmt::Debug for HookDocument {
    /// Without the session id, which is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookDocument")
            .field("order", &self.order)
            .field("action", &self.action)
            .field("attempt", &self.attempt)
            .field("finding", &self.finding)
            .finish_non_exhaustive()
    }
}
