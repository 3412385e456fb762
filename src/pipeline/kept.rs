//! Events as they are kept: without secrets, and with what they can be asked for by.
use super::Secrets;
use crate::model::{
    Activity, Actor, Cause, Event, EventId, EventTime, Export, FileId, Http, Marks, Origin, Outcome, Session, Text,
    Vouched, WallTime,
};
use serde::{Deserialize, Serialize};

/// An event, made ready to be written: as a rule by the thread that read it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// See [`Event::id`].
    pub id: EventId,
    /// See [`Event::time`].
    pub time: EventTime,
    /// See [`Event::observed`].
    pub observed: WallTime,
    marks: Marks,
    /// The session, with its keyed digest: the id is written sealed and nowhere else.
    pub session: Option<(Session, [u8; 16])>,
    /// See [`EventRow::keys`].
    pub keys: Vec<u32>,
    /// JSON of the [`EventRow`].
    pub body: String,
}

impl Kept {
    /// Makes the event ready.
    pub fn new(event: &Event, secrets: &Secrets) -> Kept {
        let session = event.session.as_ref().map(|s| (s.clone(), secrets.session_digest(&s.id)));
        let row = EventRow::new(event, session.as_ref().map(|(_, digest)| *digest));
        Kept {
            id: event.id,
            time: event.time,
            observed: event.observed,
            marks: event.marks,
            session,
            keys: row.keys().collect(),
            // a row is of texts, numbers and lists of them: it can always be written
            body: serde_json::to_string(&row).unwrap_or_default(),
        }
    }

    /// Whether it is still true: its trail may have given the event another id, time or mark since.
    pub fn is_of(&self, event: &Event) -> bool {
        (self.id, self.time, self.marks) == (event.id, event.time, event.marks)
    }
}

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
    /// See [`Event::cause`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<Cause>,
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
    /// Who handed the line to the receiver, where it came over one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender: Option<Text>,
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
            cause: e.cause,
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
            sender: e.evidence.sender,
            file: e.evidence.file,
            from: e.evidence.from,
            to: e.evidence.to,
            digest: crate::model::id::hex(&e.evidence.digest),
            line: e.evidence.redacted.into(),
        }
    }

    /// By what it can be asked for, as [`index_key`].
    pub fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        let actor = self.actor.as_ref();
        [
            Some(index_key("event", &self.id.to_string())),
            actor.map(|a| index_key("actor", &a.name)),
            actor.and_then(|a| a.label.as_ref()).map(|label| index_key("actor", label)),
            self.session.as_ref().map(|s| index_key("session", s)),
            self.origin.ip.map(|ip| index_key("ip", &ip.to_string())),
            self.customer.as_ref().map(|c| index_key("customer", c)),
            self.export.as_ref().and_then(|x| x.job.as_ref()).map(|job| index_key("export", job)),
        ]
        .into_iter()
        .flatten()
    }
}

/// The hash under which the index of recorded events holds something that can be asked for: 64 bits of FNV-1a, folded. Where two
/// things share one, an event is looked at in vain.
pub fn index_key(kind: &str, value: &str) -> u32 {
    let bytes = kind.bytes().chain([0]).chain(value.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 32) as u32 ^ hash as u32
}
