//! What is stored: events without secrets, and messages.
use crate::model::{
    Activity, Actor, Event, EventId, EventTime, Export, FileId, Http, Marks, Origin, Outcome, Text, Vouched, WallTime,
};
use serde::{Deserialize, Serialize};

/// An event as it is kept: the session by what stands for it, the line redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// See [`Event::id`].
    pub id: EventId,
    /// See [`Event::time`].
    pub time: EventTime,
    /// See [`Event::observed`].
    pub observed: WallTime,
    /// See [`Event::activity`].
    pub activity: Activity,
    /// See [`Event::outcome`].
    pub outcome: Outcome,
    /// See [`Event::reason`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Text>,
    /// See [`Event::code`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<Text>,
    /// See [`Event::actor`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<Actor>,
    /// What stands for the session, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
    /// Who says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vouched: Option<Vouched>,
    /// See [`Event::origin`].
    pub origin: Origin,
    /// See [`Event::customer`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer: Option<Text>,
    /// See [`Event::target`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<Text>,
    /// See [`Event::export`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub export: Option<Export>,
    /// See [`Event::http`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub http: Option<Http>,
    /// See [`Event::product`].
    pub product: std::sync::Arc<str>,
    /// See [`Event::marks`].
    pub marks: Marks,
    /// The trail.
    pub source: Text,
    /// The generation of its file.
    pub file: FileId,
    /// Byte range in the file.
    pub from: u64,
    /// End of the byte range.
    pub to: u64,
    /// First 16 bytes of the SHA-256 digest of the original line, in hexadecimal.
    pub digest: String,
    /// The line with secrets, phone numbers and message contents cut out.
    pub line: String,
}

impl EventRow {
    /// The row of an event whose session `session` stands for.
    pub fn new(event: &Event, session: Option<[u8; 16]>) -> EventRow {
        let e = event.clone();
        EventRow {
            id: e.id,
            time: e.time,
            observed: e.observed,
            activity: e.activity,
            outcome: e.outcome,
            reason: e.reason,
            code: e.code,
            actor: e.actor,
            session: session.map(|s| crate::model::id::hex(&s)),
            vouched: e.session.map(|s| s.vouched),
            origin: e.origin,
            customer: e.customer,
            target: e.target,
            export: e.export,
            http: e.http,
            product: e.product,
            marks: e.marks,
            source: e.evidence.source.as_str().into(),
            file: e.evidence.file,
            from: e.evidence.from,
            to: e.evidence.to,
            digest: crate::model::id::hex(&e.evidence.digest),
            line: e.evidence.redacted.into(),
        }
    }

    /// By what it can be asked for: hashed into the index of its block.
    pub(super) fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        let actor = self.actor.as_ref();
        [
            Some(key("event", &self.id.to_string())),
            actor.map(|a| key("actor", &a.name)),
            self.session.as_ref().map(|s| key("session", s)),
            self.origin.ip.map(|ip| key("ip", &ip.to_string())),
            self.customer.as_ref().map(|c| key("customer", c)),
            self.export.as_ref().and_then(|x| x.job.as_ref()).map(|job| key("export", job)),
        ]
        .into_iter()
        .flatten()
    }
}

/// The hash under which a block's index holds something that can be asked for.
pub(super) fn key(kind: &str, value: &str) -> u32 {
    let digest = crate::model::HashParts::new("block key").part(kind.as_bytes()).part(value.as_bytes()).finish();
    u32::from_be_bytes([digest.0[0], digest.0[1], digest.0[2], digest.0[3]])
}

/// A message to an outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number in the outbox.
    pub sequence: u64,
    /// When it was committed.
    pub made: WallTime,
    /// `finding` or `order`.
    pub kind: String,
    /// JSON of the finding or the order.
    pub body: String,
}
