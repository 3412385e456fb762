//! Writes findings and orders as syslog messages that no content can split, forge or shift: as RFC 5424 has them, and as the local
//! socket's readers do ([`Form`]).
//!
//! The header's fields are printable ASCII, cut to the lengths of RFC 5424, 6. Names in the structured data come from this
//! file. Every value is shown without control characters ([`Shown`]), so that no message holds a newline, and escaped as
//! 6.3.3 says. The text is UTF-8 behind a byte-order mark (6.4). A message that is too long loses text first, then
//! parameters from the last one on, and says so by `truncated="true"`; the id and the severity always stay.
use super::{Checkpoint, Form, Told};
use crate::incident::clock::Reminder;
use crate::model::{EventTime, Finding, Held, Omitted, Order, OrderState, Severity, Shown, WallTime, id::hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use syslog::{Facility, Severity as Level};

/// The receiver must take messages of this length (RFC 5424, 6.1), in bytes: none is cut shorter.
pub const SHORTEST_LIMIT: usize = 480;
/// The longest value of one parameter, in bytes before escaping.
const VALUE_BYTES: usize = 512;
/// How many measures and parts are told.
const REPEATED: usize = 8;
/// What is left for the text however many parameters there are, in bytes.
const TEXT_BYTES: usize = 120;
const TRUNCATED: &str = " truncated=\"true\"";

/// The facility of that name: `authpriv`, `local0` and so on.
pub fn facility(name: &str) -> Option<Facility> {
    name.parse().ok()
}

/// Who sends: the header's fields that are the same in every message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    hostname: String,
    process: u32,
}

impl Sender {
    /// This machine and this process.
    pub fn this() -> Sender {
        let uname = rustix::system::uname();
        Sender::new(&uname.nodename().to_string_lossy(), std::process::id())
    }

    /// A sender of that name; what RFC 5424 does not allow in it becomes `_`.
    pub fn new(hostname: &str, process: u32) -> Sender {
        Sender { hostname: header_field(hostname, 255), process }
    }
}

/// A message before it is cut to what a target takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    level: u8,
    at: WallTime,
    kind: &'static str,
    required: Vec<(&'static str, String)>,
    optional: Vec<(&'static str, String)>,
    text: String,
}

impl Message {
    /// The message of a finding. Its timestamp is when we knew; `time` in it is the event's.
    pub fn finding(finding: &Finding) -> Message {
        let subject = &finding.subject;
        let session = subject.session.map(|s| hex(&s.digest));
        let mut params = Params::default();
        params.add("policy", &finding.policy);
        params.add("time", finding.time);
        if finding.test {
            params.add("test", "true");
        }
        params.add_some("actor", subject.actor.as_ref());
        params.add_some("actor_label", subject.actor_label.as_ref());
        params.add_some("actor_uid", subject.actor_uid.as_ref());
        params.add_some("ip", subject.ip);
        params.add_some("session", session);
        params.add_some("customer", subject.customer.as_ref());
        params.add_some("place", subject.place.as_ref());
        params.add_some("role", subject.role.as_ref());
        params.add("first_seen", finding.first);
        for m in finding.measures.iter().take(REPEATED) {
            params.add("measure", format_args!("{}: {} (against {})", m.what, m.value, m.against));
        }
        for tag in finding.tags.iter().take(REPEATED) {
            params.add("tag", tag);
        }
        Message {
            level: level(finding.severity) as u8,
            at: finding.observed,
            kind: "FINDING",
            required: vec![("id", finding.id.to_string()), ("severity", finding.severity.name().into())],
            optional: params.0,
            text: finding_text(finding),
        }
    }

    /// The message of what is told.
    pub fn of(told: &Told) -> Message {
        match told {
            Told::Finding(finding) => Message::finding(finding),
            Told::Order(order) => Message::order(order, Severity::High),
            Told::Checkpoint(checkpoint) => Message::checkpoint(checkpoint),
            Told::Reminder(at, reminder) => Message::reminder(*at, reminder),
            Told::Omitted(at, omitted) => Message::omitted(*at, omitted),
        }
    }

    /// The message of a signed head of the evidence tree: where it is kept, what was recorded before can be held against it.
    fn checkpoint(checkpoint: &Checkpoint) -> Message {
        let size = checkpoint.size();
        Message {
            level: level(Severity::Informational) as u8,
            at: checkpoint.at,
            kind: "CHECKPOINT",
            required: vec![("note", STANDARD.encode(&checkpoint.note)), ("size", size.to_owned())],
            optional: Vec::new(),
            text: format!("{size} records are signed; keep this: tripline verify --against"),
        }
    }

    /// The message of a clock that nears its end, or has passed it.
    fn reminder(at: WallTime, reminder: &Reminder) -> Message {
        let clock = &reminder.clock;
        let mut params = Params::default();
        params.add("incident", clock.incident);
        params.add("clock", &clock.name);
        params.add("standing", reminder.standing.name());
        params.add("to", clock.to.name());
        params.add_some("due", clock.due);
        Message {
            level: level(reminder.severity()) as u8,
            at,
            kind: "CLOCK",
            required: vec![("id", clock.incident.to_string()), ("severity", reminder.severity().name().into())],
            optional: params.0,
            text: reminder.text(),
        }
    }

    /// The message of what was left out.
    fn omitted(at: WallTime, omitted: &Omitted) -> Message {
        let mut params = Params::default();
        params.add("findings", omitted.findings);
        params.add("orders", omitted.orders);
        params.add("heads", omitted.heads);
        params.add_some("since", omitted.since);
        params.add_some("until", omitted.until);
        Message {
            level: level(omitted.severity()) as u8,
            at,
            kind: "OMITTED",
            required: vec![("id", omitted.last.to_string()), ("severity", omitted.severity().name().into())],
            optional: params.0,
            text: omitted.text(),
        }
    }

    /// The message of what became of an order. Its timestamp is the change's.
    pub fn order(order: &Order, severity: Severity) -> Message {
        let mut params = Params::default();
        params.add("state", order.state.name());
        params.add("action", &order.action);
        params.add("target", order.target.name());
        params.add("purpose", order.purpose.name());
        params.add_some("parent", order.parent);
        params.add("mode", order.mode.name());
        params.add_some("refusal", order.refusal.map(|r| r.name()));
        params.add_some("finding", order.findings.first());
        params.add_some("actor", order.actor.as_ref());
        params.add_some("actor_label", order.actor_label.as_ref());
        params.add_some("actor_uid", order.actor_uid.as_ref());
        params.add_some("ip", order.ip);
        params.add_some("session", order.session.map(|s| hex(&s.digest)));
        params.add_some("policy", Some(&order.policy).filter(|policy| !policy.is_empty()));
        params.add("time", order.time);
        params.add_some("verification", order.verification.as_ref().map(|v| v.result.name()));
        params.add_some("expires", order.expires.map(|at| EventTime(at.0)));
        params.add_some("note", order.note.as_ref());
        Message {
            level: order_level(order) as u8,
            at: order.changed,
            kind: "ORDER",
            required: vec![("id", order.id.to_string()), ("severity", severity.name().into())],
            optional: params.0,
            text: order_text(order),
        }
    }

    /// The whole message, at most `limit` bytes long (or [`SHORTEST_LIMIT`], if that is more).
    pub fn render(&self, form: Form, sender: &Sender, facility: Facility, limit: usize) -> String {
        let limit = limit.max(SHORTEST_LIMIT);
        let (priority, process) = (facility as u8 | self.level, sender.process);
        let (mut out, before_text) = match form {
            Form::Rfc5424 => {
                let head = format!("<{priority}>1 {} {} tripline {process} ", timestamp(self.at), sender.hostname);
                (head, "] \u{feff}")
            }
            Form::Local => (format!("<{priority}>{}tripline[{process}]: ", local_timestamp(self.at)), "] "),
        };
        out.extend([self.kind, " [tripline@32473"]);
        let mut whole = true;
        for (name, value) in &self.required {
            whole &= param(&mut out, name, value);
        }
        // Room for the end of the structured data, the mark, and some text.
        let room = limit - TRUNCATED.len() - TEXT_BYTES;
        for (name, value) in &self.optional {
            let before = out.len();
            whole &= param(&mut out, name, value);
            if out.len() > room {
                out.truncate(before);
                whole = false;
                break;
            }
        }
        let text = Shown(&self.text).to_string();
        let rest = limit - out.len() - TRUNCATED.len() - before_text.len();
        whole &= text.len() <= rest;
        out.push_str(if whole { "" } else { TRUNCATED });
        out.push_str(before_text);
        out.push_str(crate::model::cut(&text, rest));
        out
    }
}

#[derive(Default)]
struct Params(Vec<(&'static str, String)>);

impl Params {
    fn add(&mut self, name: &'static str, value: impl std::fmt::Display) {
        self.0.push((name, value.to_string()));
    }

    fn add_some(&mut self, name: &'static str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

/// Adds one parameter, its value shown, cut and escaped (RFC 5424, 6.3.3). False where it was cut.
fn param(out: &mut String, name: &str, value: &str) -> bool {
    let shown = Shown(value).to_string();
    let cut = crate::model::cut(&shown, VALUE_BYTES);
    out.extend([" ", name, "=\""]);
    for c in cut.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    cut.len() == shown.len()
}

/// A header field: printable ASCII, at most `longest` characters, `-` where nothing is left (RFC 5424, 6).
fn header_field(text: &str, longest: usize) -> String {
    let field: String = (text.chars().take(longest)).map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    if field.is_empty() { "-".into() } else { field }
}

/// RFC 5424, 6.2.3; `-` for a time that its format cannot say.
fn timestamp(at: WallTime) -> String {
    let text = at.to_string();
    let plain = text.len() == "1970-01-01T00:00:00.000Z".len() && text.ends_with('Z');
    if plain { text } else { "-".into() }
}

/// RFC 3164, 4.1.2, in this machine's time zone; nothing for a time that its format cannot say.
fn local_timestamp(at: WallTime) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at.0).ok();
    let here = stamp.map(|at| at.to_zoned_datetime(jiff::tz::TimeZone::system()));
    here.map(|at| at.strftime("%b %e %H:%M:%S ").to_string()).unwrap_or_default()
}

fn level(severity: Severity) -> Level {
    match severity {
        Severity::Informational => Level::LOG_INFO,
        Severity::Low => Level::LOG_NOTICE,
        Severity::Medium => Level::LOG_WARNING,
        Severity::High => Level::LOG_ERR,
        Severity::Critical => Level::LOG_CRIT,
    }
}

/// What a person must do something about is a warning or more.
fn order_level(order: &Order) -> Level {
    match order.state {
        _ if order.verification.as_ref().is_some_and(|v| v.result == Held::NotHeld) => Level::LOG_ERR,
        OrderState::Failed | OrderState::Unknown => Level::LOG_ERR,
        OrderState::Held | OrderState::Waiting | OrderState::Refused => Level::LOG_WARNING,
        OrderState::Observed | OrderState::Pending | OrderState::Started | OrderState::Done | OrderState::Cancelled => {
            Level::LOG_NOTICE
        }
    }
}

/// A finding in one sentence for people; it may hold any character that a trail stated.
pub fn finding_text(finding: &Finding) -> String {
    let subject = &finding.subject;
    let mut text = format!("{}{}", if finding.test { "TEST: " } else { "" }, finding.title);
    if let Some(who) = subject.who() {
        text += &format!(": {who}");
    }
    if let Some(ip) = subject.ip {
        text += &format!(" from {ip}");
    }
    if let Some(place) = &subject.place {
        text += &format!(" ({place})");
    }
    for m in finding.measures.iter().take(REPEATED) {
        text += &format!("; {}: {} (against {})", m.what, m.value, m.against);
    }
    text
}

/// What became of an order, in one sentence for people; it may hold any character that a trail stated.
pub fn order_text(order: &Order) -> String {
    let mut text = format!("order {}: {} {}", order.state.name(), order.action, order.target.name());
    if let Some(who) = order.who() {
        text += &format!(" of {who}");
    }
    if let Some(refusal) = order.refusal {
        text += &format!(", {}", refusal.name());
    }
    match order.verification.as_ref().filter(|v| v.result != Held::Watching) {
        Some(v) => text += &format!(", {}: {}", v.result.name(), v.note.as_deref().unwrap_or_default()),
        None => text += &order.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default(),
    }
    text
}
