//! Record -> event: which field of which product means what. Data files (`policies/profiles/`), not code.

mod assign;
mod builtin;
mod coerce;
mod compiled;
mod getter;
mod pattern;
mod raw;
mod recognise;
mod redact;
pub mod stamp;
mod written;

pub use builtin::PROFILES;
pub use recognise::Recognised;

use crate::decode::{Cells, Format, Plan, Record, Reject, frame_text, shipped, syslog};
use crate::model::limits::FIELD_BYTES;
use crate::model::{
    Activity, Batch, Cause, ContentDigest, Digest, Event, EventId, EventTime, Evidence, Field, Frame, HashParts, Marks,
    Outcome, Text,
};
use crate::policy::Asked;
use crate::source::csv::HeaderNames;
use crate::source::spool;
use compiled::{Part, Profile};
use getter::Taken;
use jiff::tz::TimeZone;
use raw::Shared;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The name under which it was given: a file's, for people.
    pub profile: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for ProfileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "profile {}, line {}: {}", self.profile, self.line, self.message.trim_end())
    }
}

impl std::error::Error for ProfileError {}

/// One profile of a [`Normaliser`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileRef(usize);

/// Every profile, compiled. Immutable: decode threads share it.
pub struct Normaliser {
    /// The named ones first, then those that were put into another zone.
    profiles: Vec<ForTrail>,
    named: usize,
    redactor: redact::Redactor,
}

/// A profile, and how the lines of a trail come to it.
struct ForTrail {
    written: Arc<Profile>,
    /// The zone of the times that state none.
    zone: TimeZone,
    wrapping: Wrapping,
}

/// What is around the lines of a trail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// They lie in spool files, whose headers say who handed them over and when.
    pub spooled: bool,
    /// They came by way of syslog.
    pub syslog: bool,
}

/// Room that normalising uses again for every frame; one for each thread.
#[derive(Default)]
pub struct Scratch {
    cells: Cells,
    headed: Headed,
}

/// The plan for the header that was met last.
#[derive(Default)]
struct Headed(Option<Under>);

struct Under {
    profile: Arc<Profile>,
    header: Arc<str>,
    plan: Box<dyn Plan>,
}

impl Headed {
    /// The plan of `profile` for what stands behind `header`.
    fn plan<'p>(&'p mut self, profile: &'p Arc<Profile>, header: &Arc<str>) -> &'p dyn Plan {
        let is_it = |under: &Under| Arc::ptr_eq(&under.profile, profile) && under.header == *header;
        if !self.0.as_ref().is_some_and(is_it) {
            let under = |plan| Under { profile: profile.clone(), header: header.clone(), plan };
            self.0 = profile.plan.under(header).map(under);
        }
        self.0.as_ref().map_or(&*profile.plan, |under| &*under.plan)
    }
}

impl Normaliser {
    /// Compiles the shipped profiles and `added` ones (name for messages, text), of which a later one of the same `name =` replaces an
    /// earlier one. `raw_fields` are the raw names that policies want of every profile, by their index in [`Event::unmapped`].
    ///
    /// # Errors
    /// Every mistake of every profile, each with its line.
    pub fn new(added: &[(String, String)], raw_fields: &[String]) -> Result<Normaliser, Vec<ProfileError>> {
        Normaliser::asked(added, &|_| Asked::all(raw_fields))
    }

    /// The same where policies ask each profile for something else.
    ///
    /// # Errors
    /// Every mistake of every profile, each with its line.
    pub fn asked(added: &[(String, String)], ask: &dyn Fn(&str) -> Asked) -> Result<Normaliser, Vec<ProfileError>> {
        let shipped = PROFILES.iter().map(|(file, text)| (*file, *text));
        let added = added.iter().map(|(file, text)| (file.as_str(), text.as_str()));
        Normaliser::of(shipped.chain(added), ask)
    }

    /// The same without the shipped profiles.
    ///
    /// # Errors
    /// Every mistake of every profile, each with its line.
    pub fn only<'t>(
        texts: impl Iterator<Item = (&'t str, &'t str)>,
        raw_fields: &[String],
    ) -> Result<Normaliser, Vec<ProfileError>> {
        Normaliser::of(texts, &|_| Asked::all(raw_fields))
    }

    fn of<'t>(
        texts: impl Iterator<Item = (&'t str, &'t str)>,
        ask: &dyn Fn(&str) -> Asked,
    ) -> Result<Normaliser, Vec<ProfileError>> {
        let (mut profiles, mut errors) = (Vec::<Profile>::new(), Vec::new());
        for (file, text) in texts {
            match compiled::compile(file, text, ask) {
                Ok(profile) => match profiles.iter_mut().find(|p| p.name == profile.name) {
                    Some(earlier) => *earlier = profile,
                    None => profiles.push(profile),
                },
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            let plain = |written: Profile| ForTrail {
                zone: written.zone.clone(),
                written: Arc::new(written),
                wrapping: Wrapping::default(),
            };
            Ok(Normaliser {
                named: profiles.len(),
                profiles: profiles.into_iter().map(plain).collect(),
                redactor: redact::Redactor::new(),
            })
        } else {
            Err(errors)
        }
    }

    /// The profile of that name.
    pub fn profile(&self, name: &str) -> Option<ProfileRef> {
        self.profiles.iter().position(|p| *p.written.name == *name).map(ProfileRef)
    }

    /// Every profile, in the order in which they were given.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileRef> {
        (0..self.named).map(ProfileRef)
    }

    /// The profile's name, as the configuration writes it.
    pub fn name(&self, profile: ProfileRef) -> &str {
        &self.profiles[profile.0].written.name
    }

    /// Which product and trail it is for, for people.
    pub fn title(&self, profile: ProfileRef) -> &str {
        &self.profiles[profile.0].written.title
    }

    /// What Sigma rules call the trail in their `logsource`, beside the profile's name as `product`.
    pub fn log_sources(&self, profile: ProfileRef) -> &[crate::policy::LogSource] {
        &self.profiles[profile.0].written.log_sources
    }

    /// The name of the profile's format, one of [`crate::decode::FORMATS`].
    pub fn format(&self, profile: ProfileRef) -> &'static str {
        self.profiles[profile.0].written.format.name
    }

    /// The same profile for one trail: whose local times are in `zone`, where its operator says so, and whose lines come wrapped.
    #[must_use = "the trail needs the profile that is returned"]
    pub fn for_trail(&mut self, profile: ProfileRef, zone: Option<TimeZone>, wrapping: Wrapping) -> ProfileRef {
        let general = &self.profiles[profile.0];
        let zone = zone.unwrap_or_else(|| general.zone.clone());
        self.profiles.push(ForTrail { written: general.written.clone(), zone, wrapping });
        ProfileRef(self.profiles.len() - 1)
    }

    /// The fields that events of this profile can have, those that the enrichment makes of them included.
    pub fn provides(&self, profile: ProfileRef) -> BTreeSet<Field> {
        use Field::*;
        let mut fields = self.profiles[profile.0].written.provides.clone();
        fields.extend([Activity, Outcome, Cause, Product, Source, Time, PartOfWeek]);
        if self.profiles[profile.0].wrapping.spooled {
            fields.insert(Sender);
        }
        let mut follow = |from: Field, with: &[Field]| {
            if fields.contains(&from) {
                fields.extend(with);
            }
        };
        follow(Ip, &[Prefix, AsNumber, AsName, Country, City, Listed]);
        follow(UserAgent, &[DeviceFamily, DeviceOs, DeviceVersion, DeviceType]);
        follow(ActorUid, &[ActorName]);
        follow(Customer, &[CustomerKind]);
        follow(ActorName, &[ActorType]);
        follow(SessionUid, &[SessionVouched]);
        if self.profiles[profile.0].written.estimate.is_some() {
            follow(ExportBytes, &[ExportRecords]);
        }
        if fields.contains(&ExportFirstDay) && fields.contains(&ExportLastDay) {
            fields.insert(ExportDays);
            fields.insert(ExportAge);
        }
        fields
    }

    /// The values that a field of a closed vocabulary can have in events of this profile; nothing where it can have any, or the field
    /// has no such vocabulary.
    pub fn values(&self, profile: ProfileRef, field: Field) -> Option<&BTreeSet<&'static str>> {
        self.profiles[profile.0].written.values.get(&field)
    }

    /// Which of `wanted` no event of this profile can have: what a detection that rests on them is blind for.
    pub fn lacks(&self, profile: ProfileRef, wanted: &[Field]) -> Vec<Field> {
        let provides = self.provides(profile);
        wanted.iter().copied().filter(|field| !provides.contains(field)).collect()
    }

    /// By which the headers in files of this profile are known, where its format has any.
    pub fn header_names(&self, profile: ProfileRef) -> Option<Arc<HeaderNames>> {
        self.profiles[profile.0].written.header_names.clone()
    }

    /// What the lists of records are called in documents of this profile, a dot between the names of objects in objects.
    pub fn record_lists(&self, profile: ProfileRef) -> Arc<[String]> {
        self.profiles[profile.0].written.lists.clone()
    }

    /// Reads the events of one frame. An event's origin is not enriched, its line is not kept (see [`Normaliser::redact`]), and an id
    /// made of content does not tell equal lines apart yet (`evidence.own_id` says so).
    ///
    /// # Errors
    /// Where the frame, or its rest, can't be read; what was read before is in `out` all the same.
    pub fn normalise(
        &self,
        profile: ProfileRef,
        batch: &Batch,
        frame: &Frame,
        scratch: &mut Scratch,
        out: &mut Vec<Box<Event>>,
    ) -> Result<(), Reject> {
        let ForTrail { written: profile, zone, wrapping } = &self.profiles[profile.0];
        let bytes = batch.bytes(frame);
        let text = frame_text(bytes);
        let unwrapped = Unwrapped::of(*wrapping, profile.format, batch, frame, &text, zone);
        let text = unwrapped.text;
        if text.trim().is_empty() {
            return Ok(());
        }
        let digest = Digest::of(bytes).short();
        let clipped = frame.flags.clipped || frame.flags.unterminated;
        let Scratch { cells, headed } = scratch;
        let plan = match &batch.header {
            Some(header) => headed.plan(profile, header),
            None => &*profile.plan,
        };
        let first = out.len();
        let mut shared = Shared::new();
        let mut unread = None;
        shipped::unwrap(text, &mut |shipped| {
            let shipped_at = shipped.stamp.and_then(|stamp| stamp::of_shipper(stamp, zone));
            let time = shipped_at.or(unwrapped.time);
            let before = u32::try_from(out.len() - first).unwrap_or(u32::MAX);
            let at = Place { batch, frame, digest, sender: unwrapped.sender, time, before };
            let read = plan.decode(shipped.text, clipped || shipped.clipped, cells, &mut |record| {
                out.push(profile.event(record, &at, zone, &mut shared));
            });
            unread = unread.take().or(read.err());
        });
        match unread {
            // What follows a complete record on its line is not a record of this trail's writer.
            Some(reject) => {
                out[first..].iter_mut().for_each(|event| event.marks.ambiguous = true);
                Err(reject)
            }
            None => Ok(()),
        }
    }

    /// The line as it may be kept: secrets, phone numbers and message contents replaced by `[cut]`, at most
    /// [`crate::model::limits::KEPT_LINE_BYTES`]. Where it does not say without its `header` what it holds, as an object of JSON.
    pub fn redact(&self, profile: ProfileRef, line: &[u8], header: Option<&str>) -> String {
        let line = frame_text(line);
        // what is escaped in a shipper's wrapping would not be found
        let mut records = String::new();
        shipped::unwrap(self.opened(profile, &line), &mut |shipped| {
            if !records.is_empty() {
                records.push('\n');
            }
            records.push_str(shipped.text);
        });
        let whole = line.trim();
        let line = if whole.ends_with(records.trim()) { line.as_ref() } else { &records };
        let plan = &self.profiles[profile.0].written.plan;
        let under = header.and_then(|header| plan.under(header));
        match under.as_ref().unwrap_or(plan).shown(line) {
            Some(shown) => self.redact_text(profile, &shown),
            None => self.redact_text(profile, line),
        }
    }

    /// A line without its syslog envelope, where those of the trail have one.
    fn opened<'t>(&self, profile: ProfileRef, line: &'t str) -> &'t str {
        let ForTrail { written, wrapping, .. } = &self.profiles[profile.0];
        if wrapping.syslog { (written.format.open)(line).1 } else { line }
    }

    /// A text out of a line, as it may be kept.
    pub fn redact_text(&self, profile: ProfileRef, text: &str) -> String {
        self.redactor.redact(text, &self.profiles[profile.0].written.secret_keys)
    }
}

/// Where a record was read.
struct Place<'b> {
    batch: &'b Batch,
    frame: &'b Frame,
    digest: ContentDigest,
    /// Who handed it over.
    sender: Option<&'b str>,
    /// When it was sent, or else received: where the record itself states no time.
    time: Option<EventTime>,
    /// How many records of its frame came before those at hand.
    before: u32,
}

/// A line without what was around it.
struct Unwrapped<'b> {
    text: &'b str,
    /// Who handed it over.
    sender: Option<&'b str>,
    /// When it was sent, or else received: where the record itself states no time.
    time: Option<EventTime>,
}

impl<'b> Unwrapped<'b> {
    fn of(
        wrapping: Wrapping,
        format: &Format,
        batch: &'b Batch,
        frame: &Frame,
        text: &'b str,
        zone: &TimeZone,
    ) -> Unwrapped<'b> {
        let spooled = match wrapping.spooled {
            true => spool::Header::before(&batch.data, frame.start as usize),
            false => None,
        };
        let received = spooled.as_ref().map(|header| EventTime(header.received.0));
        let (envelope, text) = match wrapping.syslog {
            true => (format.open)(text),
            false => (syslog::Envelope::default(), text),
        };
        let arrived = received.unwrap_or(EventTime(batch.observed.0));
        let sent = envelope.timestamp.and_then(|stamp| stamp::of_syslog(stamp, zone, arrived));
        Unwrapped { text, sender: spooled.map(|header| header.sender), time: sent.or(received) }
    }
}

impl Profile {
    fn event(&self, record: &Record<'_>, at: &Place<'_>, zone: &TimeZone, shared: &mut Shared) -> Box<Event> {
        let mut event = Box::new(self.blank(record, at));
        self.time(record, zone, &mut event);
        if event.marks.time_missing
            && let Some(time) = at.time
        {
            (event.time, event.marks.time_missing) = (time, false);
        }
        for (field, getters) in &self.fields {
            let array = || (*field == Field::Ip).then(|| getter::first_array(getters, record)).flatten();
            if let Some(value) = getter::first(getters, record).or_else(array) {
                assign::assign(&mut event, *field, &value, self.vouched);
            }
        }
        event.outcome = self.outcome.as_ref().and_then(|words| words.of(record)).unwrap_or(Outcome::Unknown);
        let mut taken = Taken::default();
        if let Some(rule) = self.activity.iter().find(|rule| rule.when.hold(record, &mut taken)) {
            event.activity = rule.is;
            self.set(&mut event, &rule.set, record, &taken);
        }
        for (when, set) in &self.adjust {
            let mut taken = Taken::default();
            if when.hold(record, &mut taken) {
                self.set(&mut event, set, record, &taken);
            }
        }
        self.cause(record, &mut event);
        assign::settle_actor(&mut event, self.lower_names);
        self.estimate(&mut event);
        if !event.whole.is_empty() {
            shared.bound(&mut event);
        }
        self.wanted.iter().for_each(|wanted| wanted.put(record, shared, &mut event));
        if self.line {
            event.line = Some(shared.line(record));
        }
        event
    }

    fn blank(&self, record: &Record<'_>, at: &Place<'_>) -> Event {
        let own = getter::first(&self.id, record);
        let evidence = Evidence {
            source: at.batch.source.clone(),
            file: at.batch.stretch.file,
            from: at.frame.from,
            to: at.frame.to,
            index: record.index.saturating_add(at.before),
            digest: at.digest,
            redacted: Box::default(),
            sender: at.sender.map(|sender| Text::new(coerce::cut(sender, FIELD_BYTES))),
            own_id: own.is_some(),
        };
        let with = getter::first(&self.id_with, record);
        let id = identity(at, evidence.index, own.as_deref(), with.as_deref());
        let mut event = Event::blank(id, at.batch.observed, self.name.clone(), evidence);
        event.marks = Marks {
            time_missing: true,
            clipped: at.frame.flags.clipped || record.partial,
            ambiguous: record.ambiguous,
            ..Marks::default()
        };
        event
    }

    fn time(&self, record: &Record<'_>, zone: &TimeZone, event: &mut Event) {
        let stated = self
            .time
            .iter()
            .find_map(|(from, notation)| from.iter().find_map(|getter| notation.read(&getter.get(record)?, zone)));
        if let Some(time) = stated {
            event.time = time;
            event.marks.time_missing = false;
        }
    }

    /// Why a login or second factor was refused, where no rule has said so. Without `[cause]` a refused login is a wrong password.
    fn cause(&self, record: &Record<'_>, event: &mut Event) {
        let refused = event.outcome == Outcome::Failure;
        if event.cause.is_none() && refused {
            event.cause = match (&self.cause, event.activity) {
                (Some(words), Activity::Login | Activity::MfaChallenge) => words.of(record),
                (None, Activity::Login) => Some(Cause::WrongPassword),
                _ => None,
            };
        }
        if event.cause == Some(Cause::Unfinished) {
            event.outcome = Outcome::Unknown;
        }
    }

    fn set(&self, event: &mut Event, setters: &compiled::Setters, record: &Record<'_>, taken: &Taken<'_>) {
        for (field, parts) in setters {
            if let Some(value) = compose(parts, record, taken) {
                assign::assign(event, *field, &value, self.vouched);
            }
        }
    }

    /// Records reckoned from bytes, where logs were sent and the trail does not say how many records.
    fn estimate(&self, event: &mut Event) {
        let (Some(estimate), Some(export)) = (self.estimate, event.export.as_mut()) else {
            return;
        };
        if let (None, Some(bytes), Activity::Download) = (export.records, export.bytes, event.activity) {
            export.records = Some(bytes.saturating_sub(estimate.header_bytes) / estimate.bytes_per_record.max(1));
            export.records_estimated = true;
        }
    }
}

/// The text that the parts make; nothing where one of them has no value.
fn compose<'r>(parts: &[Part], record: &Record<'r>, taken: &Taken<'r>) -> Option<Cow<'r, str>> {
    let one = |part: &Part| match part {
        Part::Literal(text) => Some(Cow::Owned(text.to_string())),
        Part::Capture(n) => taken.get(*n),
        Part::Raw(getter) => getter.get(record),
    };
    match parts {
        [part] => one(part),
        parts => parts.iter().try_fold(String::new(), |text, part| Some(text + &one(part)?)).map(Cow::Owned),
    }
}

/// Digest of the source and the product's own id of the act, wherever in its line it stood; else of the source, the content and the
/// place in the line. Never of an offset.
fn identity(at: &Place<'_>, index: u32, own: Option<&str>, with: Option<&str>) -> EventId {
    let source = at.batch.source.as_str().as_bytes();
    let parts = match own {
        Some(own) => {
            let parts = HashParts::new("event").part(source).part(own.as_bytes());
            with.iter().fold(parts, |parts, with| parts.part(with.as_bytes()))
        }
        None => HashParts::new("line").part(source).part(&at.digest).number(i64::from(index)),
    };
    EventId(parts.finish().short())
}

#[cfg(test)]
mod tests;
