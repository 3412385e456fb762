//! Tests inside a policy's own file: timelines of events, and what the policy must find in them.
//!
//! The events are read in the order in which they are written. `at` may go back: such an event is late, and is read when the
//! one before it was, unless it says when it `arrives`.
use super::expected::{self, Expected};
use super::fixture::Fixtures;
use crate::model::finding::Ask;
use crate::model::{
    Activity, Actor, ActorKind, Cause, Digest, Event, EventId, EventTime, Evidence, Export, Field, FileId, HashParts,
    Http, Millis, Origin, Outcome, RawValue, Session, SourceName, Text, Vouched, WallTime,
};
use crate::syntax::error::{Fault, did_you_mean, quoted};
use crate::syntax::field::{FieldRef, Resolver, Taxonomy};
use crate::syntax::range::length;
use crate::syntax::yaml::{Kind, Node, only};

/// When a timeline begins: 2024-04-01T00:00Z, a Monday.
pub const BEGINNING: EventTime = EventTime(1_711_929_600_000);
/// The most events of one test.
pub(super) const EVENTS: usize = 100_000;
/// The most tests in one policy.
const TESTS: usize = 100;

/// A test of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyTest {
    /// What it shows.
    pub name: String,
    /// Its line in the file.
    pub line: u32,
    /// How many findings of this policy there must be; 0: it must not fire.
    pub finds: u32,
    /// When and of whom they are, where the test says so; else empty.
    pub expected: Vec<Expected>,
    /// The orders that they must lead to under `enforce`; none where the test does not say.
    pub orders: Option<Vec<Ask>>,
    events: Vec<Written>,
}

/// One entry of a timeline.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    at: Millis,
    /// When its line is read, where that is not when it happened.
    arrives: Option<Millis>,
    repeat: u32,
    every: Millis,
    event: Event,
    raw: Vec<(usize, RawValue)>,
}

/// Reads the value of `tests`.
pub(super) fn read(
    node: &Node,
    resolver: &mut Resolver,
    taxonomy: Taxonomy,
    product: &str,
    fixtures: &Fixtures<'_>,
) -> Result<Vec<PolicyTest>, Fault> {
    let list = node.list("tests")?;
    if list.len() > TESTS {
        return Err(Fault::at(node.line, format!("a policy may have {TESTS} tests")));
    }
    let mut tests: Vec<PolicyTest> = Vec::new();
    for node in list {
        let test = test(node, resolver, taxonomy, product, fixtures)?;
        if tests.iter().any(|other| other.name == test.name) {
            return Err(Fault::at(test.line, format!("two tests of this policy are called {}", quoted(&test.name))));
        }
        tests.push(test);
    }
    Ok(tests)
}

fn test(
    node: &Node,
    resolver: &mut Resolver,
    taxonomy: Taxonomy,
    product: &str,
    fixtures: &Fixtures<'_>,
) -> Result<PolicyTest, Fault> {
    only(node.map("a test")?, &["name", "given", "events", "finds", "orders"], "a test")?;
    let need =
        |key: &str| node.get(key).ok_or_else(|| Fault::at(node.line, format!("the test has no {}", quoted(key))));
    let written = need("events")?.list("events")?;
    if written.is_empty() {
        return Err(Fault::at(node.line, "the test has no event: what nothing happens in shows nothing"));
    }
    let whole = written.iter().map(|n| fixtures.event(n, node.get("given")));
    let events = whole.map(|n| entry(&n?, resolver, taxonomy, product)).collect::<Result<Vec<_>, _>>()?;
    if events.iter().map(|e| e.repeat as usize).sum::<usize>() > EVENTS {
        return Err(Fault::at(node.line, format!("a test may have {EVENTS} events")));
    }
    let name = need("name")?.text("name")?;
    let mut test = PolicyTest { name, line: node.line, finds: 0, expected: Vec::new(), orders: None, events };
    expected::finds(need("finds")?, &mut test)?;
    test.orders = node.get("orders").map(|n| expected::orders(n, test.finds)).transpose()?;
    Ok(test)
}

/// Reads an event with all that it takes over.
fn entry(node: &Node, resolver: &mut Resolver, taxonomy: Taxonomy, product: &str) -> Result<Written, Fault> {
    let offset_of = |key: &str| node.get(key).map(|n| offset(n, key)).transpose();
    let repeat = node.get("repeat").map_or(Ok(1), |n| n.whole("repeat", 1, EVENTS as i64))?;
    let every = offset_of("every")?;
    if repeat > 1 && every.is_none() {
        return Err(Fault::at(node.line, "`repeat` needs `every`, the time from one to the next"));
    }
    if repeat == 1 && every.is_some() {
        return Err(Fault::at(node.line, "`every` needs `repeat`, how often the event is there"));
    }
    let at = offset_of("at")?.ok_or_else(|| Fault::at(node.line, "the event has no `at`"))?;
    let mut written = Written {
        at,
        arrives: offset_of("arrives")?,
        repeat: repeat as u32,
        every: every.unwrap_or_default(),
        event: blank(product),
        raw: Vec::new(),
    };
    if let Some(line) = node.get("line") {
        written.event.line = Some([line.text("line")?.into()].into());
    }
    if let Some(trail) = node.get("trail") {
        written.event.evidence.source = SourceName(trail.text("trail")?.as_str().into());
    }
    for (key, value) in node.get("fields").map_or(Ok(&[][..]), |n| n.map("fields"))? {
        if key.text == COORDINATES {
            written.event.origin.place = Some(coordinates(value)?);
            continue;
        }
        match resolver.resolve_in_test(&key.text, taxonomy) {
            FieldRef::Known(field) => set(&mut written.event, field, value)?,
            FieldRef::Raw(index) => written.raw.push((index, raw_value(value, &key.text)?)),
        }
    }
    Ok(written)
}

/// The value of a raw field: null, one value, or a list of them.
fn raw_value(node: &Node, name: &str) -> Result<RawValue, Fault> {
    match &node.kind {
        Kind::Null => Ok(RawValue::Null),
        Kind::List(list) => {
            let elements = list.iter().map(|n| Ok(n.text(name)?.into())).collect::<Result<Vec<Text>, Fault>>()?;
            Ok(RawValue::List(elements.into()))
        }
        _ => Ok(RawValue::Text(node.text(name)?.into())),
    }
}

/// Where an event is from: no field that a selection can name, for only `travel` reckons with it.
const COORDINATES: &str = "src_endpoint.location.coordinates";

/// `latitude, longitude, radius in km`.
fn coordinates(node: &Node) -> Result<(f32, f32, u16), Fault> {
    let text = node.text(COORDINATES)?;
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let read = || match parts[..] {
        [latitude, longitude, radius] => Some((latitude.parse().ok()?, longitude.parse().ok()?, radius.parse().ok()?)),
        _ => None,
    };
    let possible = |(latitude, longitude, _): &(f32, f32, u16)| latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    read().filter(possible).ok_or_else(|| {
        let message = format!("{} is not `latitude, longitude, radius in km`: {}", quoted(COORDINATES), quoted(&text));
        Fault::at(node.line, message)
    })
}

/// A length of several parts: `3d2h30m`, or `0`.
pub(super) fn offset(node: &Node, key: &str) -> Result<Millis, Fault> {
    let text = node.text(key)?;
    if text == "0" {
        return Ok(Millis(0));
    }
    let mut total = Millis(0);
    for part in text.split_inclusive(|c: char| c.is_ascii_alphabetic()) {
        let part = Node { line: node.line, kind: Kind::Text(part.to_owned()) };
        total.0 += length(&part, key)?.0;
    }
    Ok(total)
}

fn blank(product: &str) -> Event {
    let evidence = Evidence {
        source: SourceName("test".into()),
        file: FileId::default(),
        from: 0,
        to: 0,
        index: 0,
        own_id: true,
        sender: None,
        digest: [0; 16],
        redacted: "".into(),
    };
    Event::blank(EventId([0; 16]), WallTime(BEGINNING.0), product.into(), evidence)
}

impl PolicyTest {
    /// The raw fields that its events have, as indices into those of the policy set.
    pub(super) fn raw(&self) -> impl Iterator<Item = usize> {
        self.events.iter().flat_map(|event| &event.raw).map(|(index, _)| *index)
    }

    /// Its events in the order in which they are written and read, each with the time since [`BEGINNING`] at which it
    /// happened.
    pub fn events(&self) -> Vec<(Millis, Event)> {
        let mut out = Vec::new();
        let mut read = WallTime(BEGINNING.0);
        for written in &self.events {
            for n in 0..i64::from(written.repeat) {
                let moved = written.every.times(n);
                let at = Millis(written.at.0.saturating_add(moved.0));
                let arrives = written.arrives.map_or(at, |a| Millis(a.0.saturating_add(moved.0)));
                let mut event = written.event.clone();
                event.time = BEGINNING.plus(at);
                // nothing is read before what was written before it
                read = read.max(WallTime(BEGINNING.0).plus(arrives));
                event.observed = read;
                for (index, value) in &written.raw {
                    event.unmapped.set(*index, value.clone());
                }
                out.push((at, event));
            }
        }
        for (number, (_, event)) in out.iter_mut().enumerate() {
            self.identify(event, number as u64);
        }
        out
    }

    fn identify(&self, event: &mut Event, number: u64) {
        let parts = HashParts::new("policy test").part(self.name.as_bytes()).number(number as i64);
        let digest: Digest = parts.finish();
        event.id = EventId(digest.short());
        event.evidence.digest = digest.short();
        event.evidence.from = number;
        event.evidence.to = number + 1;
    }
}

/// Writes one field of an event as a profile would.
fn set(event: &mut Event, field: Field, value: &Node) -> Result<(), Fault> {
    let key = field.path();
    let text = || Ok(Text::from(value.text(key)?));
    match field {
        Field::Activity => event.activity = word(value, key, Activity::ALL, Activity::name)?,
        Field::Outcome => event.outcome = word(value, key, Outcome::ALL, Outcome::name)?,
        Field::Reason => event.reason = Some(text()?),
        Field::Cause => event.cause = Some(word(value, key, Cause::ALL, Cause::name)?),
        Field::Code => event.code = Some(text()?),
        Field::Product => event.product = text()?.as_str().into(),
        Field::Source => event.evidence.source = SourceName(text()?.as_str().into()),
        Field::Sender => event.evidence.sender = Some(text()?),
        Field::Sequence => event.sequence = Some(value.whole(key, 0, i64::MAX)? as u64),
        Field::ActorName => actor(event).name = text()?,
        Field::ActorUid => actor(event).uid = Some(text()?),
        Field::ActorType => actor(event).kind = word(value, key, ActorKind::ALL, ActorKind::name)?,
        Field::ActorRole => actor(event).role = Some(text()?),
        Field::ActorVouched => actor(event).vouched = word(value, key, Vouched::ALL, Vouched::name)?,
        Field::SessionUid => session(event).id = text()?,
        Field::SessionVouched => session(event).vouched = word(value, key, Vouched::ALL, Vouched::name)?,
        Field::SessionUnconfirmed => {
            event.marks.session_unconfirmed = value.bool(key)?;
            session(event).vouched = Vouched::Client;
        }
        Field::Customer => event.customer = Some(text()?),
        Field::CustomerKind => event.customer_kind = Some(text()?),
        Field::Target => event.target = Some(text()?),
        Field::Time | Field::PartOfWeek => return Err(Fault::at(value.line, "the time of an event is its `at`")),
        Field::SessionOrNetwork => {
            return Err(Fault::at(value.line, "it follows from `actor.session.uid` and `src_endpoint.prefix`"));
        }
        Field::ExportAge => {
            return Err(Fault::at(value.line, "the age of data follows from `export.range_start` or `export.days`"));
        }
        Field::ExportJob | Field::ExportKind | Field::ExportFirstDay | Field::ExportLastDay => {
            return set_export(event.export.get_or_insert_default(), field, value);
        }
        Field::ExportDays | Field::ExportRecords | Field::ExportBytes => {
            return set_export(event.export.get_or_insert_default(), field, value);
        }
        Field::Method | Field::Path | Field::Status | Field::Duration => {
            return set_http(event.http.get_or_insert_default(), field, value);
        }
        _ => return set_origin(&mut event.origin, field, value),
    }
    Ok(())
}

fn word<T: Copy>(value: &Node, key: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, Fault> {
    let text = value.text(key)?;
    all.iter().copied().find(|v| name(*v) == text).ok_or_else(|| {
        let near = did_you_mean(&text, all.iter().map(|v| name(*v)));
        Fault::at(value.line, format!("{} cannot be {}{near}", quoted(key), quoted(&text)))
    })
}

fn actor(event: &mut Event) -> &mut Actor {
    event.actor.get_or_insert_with(|| Actor::named(""))
}

fn session(event: &mut Event) -> &mut Session {
    event.session.get_or_insert_with(|| Session { id: Text::default(), vouched: Vouched::Server })
}

fn set_export(export: &mut Export, field: Field, value: &Node) -> Result<(), Fault> {
    let key = field.path();
    let day = || Ok::<_, Fault>(value.whole(key, -100_000, 100_000)? as i32);
    let amount = || Ok::<_, Fault>(value.whole(key, 0, i64::MAX)? as u64);
    match field {
        Field::ExportJob => export.job = Some(value.text(key)?.into()),
        Field::ExportKind => export.kind = Some(value.text(key)?.into()),
        Field::ExportFirstDay => export.first_day = Some(day()?),
        Field::ExportLastDay => export.last_day = Some(day()?),
        Field::ExportRecords => export.records = Some(amount()?),
        Field::ExportBytes => export.bytes = Some(amount()?),
        // So many days of data that end at the beginning of the timeline.
        _ => {
            let days = value.whole(key, 1, 100_000)? as i32;
            let last = (BEGINNING.0 / Millis::DAY.0) as i32;
            (export.first_day, export.last_day) = (Some(last - days + 1), Some(last));
        }
    }
    Ok(())
}

fn set_http(http: &mut Http, field: Field, value: &Node) -> Result<(), Fault> {
    let key = field.path();
    match field {
        Field::Method => http.method = Some(value.text(key)?.into()),
        Field::Path => http.path = Some(value.text(key)?.into()),
        Field::Status => http.status = Some(value.whole(key, 100, 999)? as u16),
        _ => http.took_ms = Some(value.whole(key, 0, i64::MAX)? as u64),
    }
    Ok(())
}

fn set_origin(origin: &mut Origin, field: Field, value: &Node) -> Result<(), Fault> {
    let key = field.path();
    let text = value.text(key)?;
    let number = || Ok::<_, Fault>(value.whole(key, 0, u32::MAX.into())? as u32);
    match field {
        Field::Ip => {
            let ip = text
                .parse::<std::net::IpAddr>()
                .map_err(|_| Fault::at(value.line, format!("{} is no address", quoted(&text))))?;
            origin.ip = Some(ip.to_canonical());
        }
        Field::Prefix => origin.prefix = Some(text.into()),
        Field::AsNumber => origin.as_number = Some(number()?),
        Field::AsName => origin.as_name = Some(text.into()),
        Field::Country => origin.country = Some(text.into()),
        Field::City => origin.city = Some(text.into()),
        Field::Listed => origin.listed = Some(text.into()),
        Field::UserAgent => origin.user_agent = Some(text.into()),
        Field::DeviceFamily => origin.device_family = Some(text.into()),
        Field::DeviceOs => origin.device_os = Some(text.into()),
        Field::DeviceVersion => origin.device_version = Some(number()?),
        Field::DeviceType => origin.device_type = Some(text.into()),
        _ => {
            return Err(Fault::at(value.line, format!("{} cannot be set in a test", quoted(key))));
        }
    }
    Ok(())
}
