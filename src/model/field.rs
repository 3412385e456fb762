//! The fields of an event: what policies, profiles and output can name, and their values.
use super::Text;
use super::event::{Cause, Event, Export};
use super::limits::EVERYTHING_DAYS;
use super::time::EventTime;
use std::net::IpAddr;

impl Event {
    /// The value of `field` as the record has it: also of a text that is longer than what is kept of it.
    pub fn as_written(&self, field: Field) -> Value<'_> {
        match self.whole.iter().find(|(whole, _)| *whole == field) {
            Some((_, text)) => Value::Text(text),
            None => self.get(field),
        }
    }

    /// `actor.session_or_network`: the id of the session that a server names, or the network, for addresses of one pool change by the
    /// request.
    fn session_or_network(&self) -> Value<'_> {
        match &self.session {
            Some(session) if session.vouched.is_by_server() => Value::Text(&session.id),
            _ => Value::from(self.origin.prefix.as_deref()),
        }
    }

    /// Whether the field's value is the id of a session, which may be a live secret.
    pub fn is_session_id(&self, field: Field) -> bool {
        field == Field::SessionUid
            || field == Field::SessionOrNetwork && self.session.as_ref().is_some_and(|s| s.vouched.is_by_server())
    }

    /// `export.age_days`: how many days before the act the exported data begins.
    fn export_age(&self) -> Option<i64> {
        let export = self.export.as_ref()?;
        if export.everything {
            return Some(EVERYTHING_DAYS);
        }
        let first = i64::from(export.first_day?);
        Some(self.time.episode(super::Millis::DAY) - first)
    }
}

/// `time.part_of_week` (ours): which three hours of the week, UTC: 0 is Monday from midnight to three, 55 is Sunday from nine.
fn part_of_week(time: EventTime) -> i64 {
    // 1970 began on a Thursday
    (time.episode(super::Millis::HOUR.times(3)) + 3 * 8).rem_euclid(56)
}

/// The value of one field of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// The event has no such field, or its value is null.
    Absent,
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// An address.
    Ip(IpAddr),
    /// True or false.
    Bool(bool),
    /// The elements of a list.
    List(&'a [Text]),
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $path:literal => |$e:ident| $get:expr;)*) => {
        /// The fields that policies and output can name, by OCSF path (or ours, where OCSF has none).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $(#[doc = concat!("`", $path, "`.")] $(#[$doc])* $variant,)* }
        impl Field {
            /// Every field, in the order of the documentation.
            pub const ALL: &[Field] = &[$(Field::$variant),*];
            /// The path by which policies name it.
            pub const fn path(self) -> &'static str { match self { $(Field::$variant => $path,)* } }
            /// The field of that path.
            pub fn from_path(path: &str) -> Option<Field> { Self::ALL.iter().copied().find(|f| f.path() == path) }
        }
        impl Event {
            /// The value of `field`.
            pub fn get(&self, field: Field) -> Value<'_> {
                match field { $(Field::$variant => { let $e = self; Value::from($get) })* }
            }
        }
    };
}

fields! {
    /// What was done: the name of an activity.
    Activity = "activity_name" => |e| e.activity.name();
    /// How it ended: the name of an outcome.
    Outcome = "status" => |e| e.outcome.name();
    /// Why, in the trail's own words.
    Reason = "status_detail" => |e| e.reason.as_deref();
    /// Why a login or a second factor was refused: the name of a cause. Ours.
    Cause = "status_cause" => |e| e.cause.map(Cause::name);
    /// The product's own name for the act.
    Code = "metadata.event_code" => |e| e.code.as_deref();
    /// Who handed the record to the receiver: `udp:192.0.2.1`, `unix:uid=33`, `journal:portal.service`.
    Sender = "metadata.loggers.name" => |e| e.evidence.sender.as_deref();
    /// The number that the product's own counter gave the record: each is one more than the one before.
    Sequence = "metadata.sequence" => |e| e.sequence.map(saturate);
    /// The profile that read the record.
    Product = "metadata.product.name" => |e| &*e.product;
    /// The trail.
    Source = "metadata.log_name" => |e| e.evidence.source.as_str();
    /// Who acted: the name by which all trails know them.
    ActorName = "actor.user.name" => |e| e.actor.as_ref().map(|a| a.name.as_str());
    /// The product's own id of the actor: in one trail, one id is one actor, whatever it is called.
    ActorUid = "actor.user.uid" => |e| e.actor.as_ref().and_then(|a| a.uid.as_deref());
    /// What kind of actor: `user`, `key`, `system` or `customer`.
    ActorType = "actor.user.type" => |e| e.actor.as_ref().map(|a| a.kind.name());
    /// The role, as the trail or the staff directory says. Ours.
    ActorRole = "actor.user.role" => |e| e.actor.as_ref().and_then(|a| a.role.as_deref());
    /// Who vouches for the name: `server`, or `client` where it is only what somebody sent. Ours.
    ActorVouched = "actor.user.vouched_by" => |e| e.actor.as_ref().map(|a| a.vouched.name());
    /// The session. Shown as its keyed digest.
    SessionUid = "actor.session.uid" => |e| e.session.as_ref().map(|s| s.id.as_str());
    /// Who says so: `server` or `client`. Ours.
    SessionVouched = "actor.session.vouched_by" => |e| e.session.as_ref().map(|s| s.vouched.name());
    /// `true` where only a client sent the session, and no server has named it, though a trail's server has named other sessions that
    /// this trail copied within the week before. Absent otherwise. Ours.
    SessionUnconfirmed = "actor.session.unconfirmed" => |e| (e.marks.session_unconfirmed && e.session.is_some()).then_some(true);
    /// The session, where a server names one, and else the network (`src_endpoint.prefix`). Group by it beside the actor's name, and a
    /// trail without sessions is no blind spot. Ours.
    SessionOrNetwork = "actor.session_or_network" => |e| e.session_or_network();
    /// The address that the act came from. Values may be networks.
    Ip = "src_endpoint.ip" => |e| e.origin.ip;
    /// The announced or database prefix that holds the address, or its /24 or /48. Ours.
    Prefix = "src_endpoint.prefix" => |e| e.origin.prefix.as_deref();
    /// The number of the autonomous system.
    AsNumber = "src_endpoint.autonomous_system.number" => |e| e.origin.as_number.map(i64::from);
    /// Who owns the network.
    AsName = "src_endpoint.autonomous_system.name" => |e| e.origin.as_name.as_deref();
    /// The country, as two letters (ISO 3166-1).
    Country = "src_endpoint.location.country" => |e| e.origin.country.as_deref();
    /// The city.
    City = "src_endpoint.location.city" => |e| e.origin.city.as_deref();
    /// The kind that a network list gives the address: `hosting`, `vpn`, `tor`, `office`. Ours.
    Listed = "src_endpoint.listed" => |e| e.origin.listed.as_deref();
    /// The user agent.
    UserAgent = "http_request.user_agent" => |e| e.origin.user_agent.as_deref();
    /// Browser or tool: `Chrome`, `curl`. Ours.
    DeviceFamily = "device.family" => |e| e.origin.device_family.as_deref();
    /// The operating system.
    DeviceOs = "device.os.name" => |e| e.origin.device_os.as_deref();
    /// The major version of the browser or tool, a number. Ours.
    DeviceVersion = "device.version" => |e| e.origin.device_version.map(i64::from);
    /// `browser`, `tool` or `unknown`.
    DeviceType = "device.type" => |e| e.origin.device_type.as_deref();
    /// The customer account concerned.
    Customer = "resource.owner.org.uid" => |e| e.customer.as_deref();
    /// What the watch list calls that account: `canary`, `watched`. Ours.
    CustomerKind = "resource.owner.org.kind" => |e| e.customer_kind.as_deref();
    /// Whom the act was done to: whose factor was reset, who was impersonated.
    Target = "user.name" => |e| e.target.as_deref();
    /// The id by which the request and the download of one file are joined. Ours, as all of `export`.
    ExportJob = "export.job_uid" => |e| e.export.as_ref().and_then(|x| x.job.as_deref());
    /// What kind of log: `sms`, `voice`, `mfa`.
    ExportKind = "export.kind" => |e| e.export.as_ref().and_then(|x| x.kind.as_deref());
    /// The first day of the data, as days since 1970.
    ExportFirstDay = "export.range_start" => |e| e.export.as_ref().and_then(|x| x.first_day.map(i64::from));
    /// The last day of the data, as `export.range_start`.
    ExportLastDay = "export.range_end" => |e| e.export.as_ref().and_then(|x| x.last_day.map(i64::from));
    /// How many days of data, both ends included.
    ExportDays = "export.days" => |e| e.export.as_ref().and_then(Export::days);
    /// How many days before the act the data begins.
    ExportAge = "export.age_days" => |e| e.export_age();
    /// How many records, as the trail says, or reckoned from bytes.
    ExportRecords = "export.records" => |e| e.export.as_ref().and_then(|x| x.records.map(saturate));
    /// How many bytes.
    ExportBytes = "export.bytes" => |e| e.export.as_ref().and_then(|x| x.bytes.map(saturate));
    /// The method of the HTTP request.
    Method = "http_request.http_method" => |e| e.http.as_ref().and_then(|h| h.method.as_deref());
    /// The path of the HTTP request, secrets cut out.
    Path = "http_request.url.path" => |e| e.http.as_ref().and_then(|h| h.path.as_deref());
    /// The status of the HTTP response, a number.
    Status = "http_response.code" => |e| e.http.as_ref().and_then(|h| h.status.map(i64::from));
    /// When it happened (for a download: when it ended), in milliseconds since 1970; with a time modifier, a part of that.
    Time = "time" => |e| e.time.0;
    /// Which three hours of the week, in UTC: 0 is Monday from midnight to three, 55 is Sunday from nine. Ours.
    PartOfWeek = "time.part_of_week" => |e| part_of_week(e.time);
    /// Milliseconds from the request's start to its end; the event's time is its end.
    Duration = "duration" => |e| e.http.as_ref().and_then(|h| h.took_ms.map(saturate));
}

fn saturate(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}
impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}
impl From<bool> for Value<'_> {
    fn from(is_so: bool) -> Self {
        Value::Bool(is_so)
    }
}
impl From<IpAddr> for Value<'_> {
    fn from(ip: IpAddr) -> Self {
        Value::Ip(ip)
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Absent, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_path() {
        for field in Field::ALL {
            assert_eq!(Field::from_path(field.path()), Some(*field));
        }
    }

    #[test]
    fn a_week_begins_on_monday() {
        let part = |stamp: &str| {
            let at: jiff::Timestamp = stamp.parse().unwrap();
            part_of_week(EventTime(at.as_millisecond()))
        };
        assert_eq!((part("2026-11-23T00:00:00Z"), part("2026-11-23T03:00:00Z")), (0, 1));
        assert_eq!((part("2026-11-29T23:59:59Z"), part("1969-12-29T00:00:00Z")), (55, 0));
    }
}
