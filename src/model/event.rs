//! The normalised event: one act of one actor, in OCSF's words, with where it was read.
use super::Text;
use super::field::Field;
use super::id::{ContentDigest, EventId};
use super::limits::EVERYTHING_DAYS;
use super::marks::{Marks, is_false};
use super::position::{FileId, SourceName};
use super::time::{EventTime, WallTime};
use super::unmapped::Unmapped;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }
        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &[$name] = &[$($name::$variant),*];
            /// The name that policies, profiles and output use.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            /// The value of that name.
            pub fn from_name(name: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|v| v.name() == name)
            }
        }
    };
}
pub(crate) use closed;

closed!(
    /// What was done.
    Activity {
        /// A login, tried or done. OCSF Authentication (3002) Logon.
        Login = "login",
        /// The end of a session at its user's wish. OCSF Authentication (3002) Logoff.
        Logout = "logout",
        /// A second factor was asked for. OCSF Authentication (3002) Preauth.
        MfaChallenge = "mfa_challenge",
        /// A page or record was looked at. OCSF Web Resources Activity (6001) Read.
        View = "view",
        /// Message or call logs were searched. OCSF Web Resources Activity (6001) Search.
        Query = "query",
        /// A file of logs was asked for. OCSF Web Resources Activity (6001) Export.
        ExportRequested = "export_requested",
        /// Logs were sent to somebody: a file fetched, or a list API read. OCSF File Hosting Activity (6006) Download.
        Download = "download",
        /// A password or second factor was reset or enrolled, by oneself or by somebody else. OCSF Account Change (3001).
        CredentialReset = "credential_reset",
        /// An API key, token or secret was made. OCSF Account Change (3001).
        KeyCreated = "key_created",
        /// An API key, token or secret was taken away. OCSF Account Change (3001).
        KeyDeleted = "key_deleted",
        /// A user was made, changed, or given a role. OCSF Account Change (3001).
        UserChanged = "user_changed",
        /// Somebody acts as a customer or a colleague. OCSF Authentication (3002) Account Switch.
        Impersonation = "impersonation",
        /// A session or token was revoked. OCSF Authentication (3002) Logoff.
        SessionRevoked = "session_revoked",
        /// Logging or auditing was changed. OCSF Entity Management (3004).
        LoggingChanged = "logging_changed",
        /// Any other setting was changed. OCSF Entity Management (3004).
        SettingsChanged = "settings_changed",
        /// A call of an API that is none of the above. OCSF API Activity (6003).
        ApiCall = "api_call",
        /// None of the above.
        Other = "other",
    }
);

closed!(
    /// How it ended.
    Outcome {
        /// It was done. OCSF `status_id` 1.
        Success = "success",
        /// It was refused or failed. OCSF `status_id` 2.
        Failure = "failure",
        /// The trail does not say. OCSF `status_id` 0.
        Unknown = "unknown",
    }
);

closed!(
    /// Why a login or a second factor was refused, as far as detection tells reasons apart. Ours: OCSF `status_detail` is the product's
    /// own text.
    Cause {
        /// The password was wrong.
        WrongPassword = "wrong_password",
        /// There is nobody of that name.
        UnknownUser = "unknown_user",
        /// The account was locked by wrong passwords before.
        Locked = "locked",
        /// The second factor was wrong: a mistyped code, another key.
        WrongFactor = "wrong_factor",
        /// The owner of the second factor said no, or reported fraud.
        FactorRefused = "factor_refused",
        /// The owner of the second factor did not answer in time.
        FactorUnanswered = "factor_unanswered",
        /// Nothing was refused: the sign-in goes on with a prompt, a second factor, an enrolment. Its outcome is `unknown`.
        Unfinished = "unfinished",
        /// A session, token or code was past its time: somebody who was signed in has to sign in again.
        Expired = "expired",
        /// A policy refuses it, whatever the password: a place, a device, a disabled account.
        Forbidden = "forbidden",
        /// None of the above.
        Other = "other",
    }
);

closed!(
    /// What kind of actor. OCSF `actor.user.type`.
    ActorKind {
        /// A member of staff.
        User = "user",
        /// An API key or another credential of a program.
        Key = "key",
        /// The product itself.
        System = "system",
        /// A customer's own user.
        Customer = "customer",
    }
);

closed!(
    /// Who says so: a name or a session id that a client sent is no proof of who acted.
    Vouched {
        /// The trail's own server states it.
        Server = "server",
        /// A client sent it (a cookie, a header, a form), and the log copied it.
        Client = "client",
    }
);

impl Vouched {
    const fn server() -> Vouched {
        Vouched::Server
    }

    /// Whether the trail's own server states it.
    pub fn is_by_server(&self) -> bool {
        *self == Vouched::Server
    }
}

/// Who acted. OCSF `actor.user`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The key of the actor: what the profile declares to be the name by which all its trails know it. OCSF `actor.user.name`.
    pub name: Text,
    /// What the trail calls the actor now, where its id acted under another name first: `name` is that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Text>,
    /// The product's own id. OCSF `actor.user.uid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Text>,
    /// A person, a program, the product. OCSF `actor.user.type`.
    pub kind: ActorKind,
    /// The role, as the trail or the directory says. OCSF `actor.user.role` (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Text>,
    /// Only what a server vouches for is acted on, believed by exceptions, and taken as a word on whether an order held.
    #[serde(default = "Vouched::server", skip_serializing_if = "Vouched::is_by_server")]
    pub vouched: Vouched,
}

impl Actor {
    /// A person of that name, of whom nothing else is known.
    pub fn named(name: impl Into<Text>) -> Actor {
        Actor { name: name.into(), label: None, uid: None, kind: ActorKind::User, role: None, vouched: Vouched::Server }
    }

    /// Whether only a client says that it was this one.
    pub fn is_claimed(&self) -> bool {
        !self.vouched.is_by_server()
    }
}

/// The session acted in. OCSF `actor.session`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The id, which may be a live secret: it is never stored or shown in clear. OCSF `actor.session.uid` shows its keyed digest.
    pub id: Text,
    /// Only a session that the server vouches for can become the target of an order.
    pub vouched: Vouched,
}

/// Where from. OCSF `src_endpoint` and `device`; what is not in the line is filled in by [`crate::model::Origin`]'s enrichment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// `src_endpoint.ip`, canonical: an IPv4 address mapped into IPv6 is IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// `src_endpoint.prefix` (ours): the announced or database prefix that holds the address, or /24 and /48.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Text>,
    /// `src_endpoint.autonomous_system.number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<u32>,
    /// `src_endpoint.autonomous_system.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_name: Option<Arc<str>>,
    /// `src_endpoint.location.country`, ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Text>,
    /// `src_endpoint.location.city`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<Arc<str>>,
    /// Latitude and longitude in degrees and the radius in km within which the database is sure: `src_endpoint.location.coordinates`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(f32, f32, u16)>,
    /// `src_endpoint.listed` (ours): the kind that a network list gives it (hosting, vpn, tor, office, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Text>,
    /// `http_request.user_agent`, cut to [`super::limits::FIELD_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Text>,
    /// `device.family` (ours): browser or tool, as `Chrome`, `curl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_family: Option<Text>,
    /// `device.os.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_os: Option<Text>,
    /// `device.version` (ours): the major version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_version: Option<u32>,
    /// `device.type`: `browser`, `tool` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<Text>,
}

/// What was exported. OCSF has no attributes for this; the paths `export.*` are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// `export.job_uid`: the id by which the request and the download of one file are joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Text>,
    /// `export.kind`: sms, voice, mfa, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// `export.range_start`: the first day of the data, as days since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_day: Option<i32>,
    /// `export.range_end`: the last day of the data, as days since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_day: Option<i32>,
    /// `export.records`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// `export.records_estimated`: the records were reckoned from the bytes.
    pub records_estimated: bool,
    /// No range that can be read is stated, though the trail states ranges: it counts as everything there is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub everything: bool,
    /// `export.bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Export {
    /// `export.days`: how many days of data, both ends included.
    pub fn days(&self) -> Option<i64> {
        if self.everything {
            return Some(EVERYTHING_DAYS);
        }
        let days = i64::from(self.last_day?) - i64::from(self.first_day?) + 1;
        (days > 0).then_some(days)
    }
}

/// The HTTP request, where the trail is of one. OCSF `http_request` and `http_response`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// `http_request.http_method`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Text>,
    /// `http_request.url.path`, secrets cut out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// `http_response.code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `duration`: milliseconds from the request's start to its end; the event's time is its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// Where an event was read, and what is kept of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The trail.
    pub source: SourceName,
    /// The generation of its file.
    pub file: FileId,
    /// Byte range in that file, the newline included.
    pub from: u64,
    /// End of the byte range.
    pub to: u64,
    /// Which record of the line, where a line holds several.
    pub index: u32,
    /// Who handed the line to the receiver, where it came over one: `udp:192.0.2.1`, `unix:uid=33`, `journal:portal.service`.
    /// OCSF `metadata.loggers.name`.
    pub sender: Option<Text>,
    /// The record has an id of its own, which the product states or which is what the record holds (`content_id` of its profile); else
    /// its id comes from the line's content and its number among equal lines.
    pub own_id: bool,
    /// Digest of the original line.
    pub digest: ContentDigest,
    /// The line with secrets, phone numbers and message contents cut out, at most [`super::limits::KEPT_LINE_BYTES`].
    pub redacted: Box<str>,
}

impl Evidence {
    /// Digest of the record within the line: equal for equal records of equal lines.
    pub fn digest_of_record(&self) -> ContentDigest {
        if self.index == 0 {
            return self.digest;
        }
        super::id::HashParts::new("record").part(&self.digest).number(i64::from(self.index)).finish().short()
    }
}

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same for the same act, however often and from whichever file it is read. OCSF `metadata.uid`.
    pub id: EventId,
    /// When it happened (for a download: when it ended). OCSF `time`.
    pub time: EventTime,
    /// When we read it. OCSF `metadata.logged_time`.
    pub observed: WallTime,
    /// What was done. OCSF `activity_name`.
    pub activity: Activity,
    /// How it ended. OCSF `status`.
    pub outcome: Outcome,
    /// Why, in the trail's own word. OCSF `status_detail`.
    pub reason: Option<Text>,
    /// Why it was refused, in ours. `status_cause` (ours).
    pub cause: Option<Cause>,
    /// The product's own name for the act. OCSF `metadata.event_code`.
    pub code: Option<Text>,
    /// The number that the product's own counter gave the record: each is one more than the one before. OCSF `metadata.sequence`.
    pub sequence: Option<u64>,
    /// Who.
    pub actor: Option<Actor>,
    /// In which session.
    pub session: Option<Session>,
    /// From where.
    pub origin: Origin,
    /// The customer account concerned. OCSF `resource.owner.org.uid`.
    pub customer: Option<Text>,
    /// What the operator's watch list calls that account: `canary`, `watched`. `resource.owner.org.kind` (ours).
    pub customer_kind: Option<Text>,
    /// Whom the act was done to (whose factor was reset, who was impersonated). OCSF `user.name`.
    pub target: Option<Text>,
    /// What was exported.
    pub export: Option<Export>,
    /// The HTTP request.
    pub http: Option<Http>,
    /// The profile that read it. OCSF `metadata.product.name`.
    pub product: Arc<str>,
    /// What to know before trusting it.
    pub marks: Marks,
    /// Where it was read.
    pub evidence: Evidence,
    /// Values of the raw fields that policies name. OCSF `unmapped.*`.
    pub unmapped: Unmapped,
    /// Texts as the record has them, of the fields whose own text is cut or redacted: for matching, and never kept.
    pub whole: Vec<(Field, Box<str>)>,
    /// The record as written, and with its escapes resolved where it has any, where a policy looks for keywords: for matching, and
    /// never kept.
    pub line: Option<Arc<[Text]>>,
}

impl Event {
    /// An event of which nothing is known yet but where and when it was read; its time is that until one is found.
    pub fn blank(id: EventId, observed: WallTime, product: Arc<str>, evidence: Evidence) -> Event {
        Event {
            id,
            time: EventTime(observed.0),
            observed,
            activity: Activity::Other,
            outcome: Outcome::Unknown,
            reason: None,
            cause: None,
            code: None,
            sequence: None,
            actor: None,
            session: None,
            origin: Origin::default(),
            customer: None,
            customer_kind: None,
            target: None,
            export: None,
            http: None,
            product,
            marks: Marks::default(),
            evidence,
            unmapped: Unmapped::default(),
            whole: Vec::new(),
            line: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_both_ends_and_refuse_a_backward_range() {
        let range = |a, b| Export { first_day: Some(a), last_day: Some(b), ..Export::default() }.days();
        assert_eq!(range(10, 10), Some(1));
        assert_eq!(range(1, 30), Some(30));
        assert_eq!(range(2, 1), None);
    }
}
