//! Record -> event: which field of which product means what. Data files (`policies/profiles/`), not code.

mod assign;
mod builtin;
mod coerce;
mod compiled;
mod draft;
mod event;
mod examine;
mod getter;
mod path;
mod pattern;
mod raw;
mod recognise;
mod redact;
mod sent;
mod sorts;
mod specimen;
pub mod stamp;
mod stamp_words;
mod trust;
mod written;

pub use builtin::PROFILES;
pub use draft::Drafting;
pub use examine::{Examined, KeyValue};
pub use recognise::Recognised;
pub use specimen::Specimen;
pub use trust::{Sender, Senders, Trust};
pub use written::OneOrMore;

use crate::decode::{Cells, Format, Plan, Record, Reject, frame_text, shipped, syslog};
use crate::framing::csv::HeaderNames;
use crate::framing::spool;
use crate::model::{Activity, Batch, Digest, Event, EventTime, Field, Frame, Outcome};
use crate::policy::Asked;
use compiled::{Profile, Source};
use event::Place;
use jiff::tz::TimeZone;
use raw::Shared;
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
#[derive(Clone)]
struct ForTrail {
    written: Arc<Profile>,
    /// Of the other sorts of records that the trail holds.
    beside: Arc<[Arc<Profile>]>,
    /// What the lists of records are called, of all sorts and of what ships logs.
    lists: Arc<[String]>,
    /// The keys whose values are cut out of kept lines, of all sorts.
    secret_keys: Arc<[String]>,
    /// The zone of the times that state none.
    zone: TimeZone,
    wrapping: Wrapping,
    trust: Trust,
}

impl ForTrail {
    fn new(written: Arc<Profile>, beside: Arc<[Arc<Profile>]>) -> ForTrail {
        let sorts = || std::iter::once(&written).chain(&*beside);
        let all = |of: fn(&Profile) -> &[String]| sorts().flat_map(|sort| of(sort)).cloned().collect::<BTreeSet<_>>();
        let mut lists = all(|profile| &profile.lists);
        lists.extend(shipped::LISTS.iter().map(|list| (*list).to_owned()));
        ForTrail {
            lists: lists.into_iter().collect(),
            secret_keys: all(|profile| &profile.secret_keys).into_iter().collect(),
            zone: written.zone.clone(),
            wrapping: Wrapping::default(),
            trust: Trust::default(),
            written,
            beside,
        }
    }
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
        let (mut sources, mut errors) = (Vec::<Source<'_>>::new(), Vec::new());
        for (file, text) in texts {
            match Source::read(file, text) {
                Ok(source) => match sources.iter_mut().find(|s| s.written.name == source.written.name) {
                    Some(earlier) => *earlier = source,
                    None => sources.push(source),
                },
                Err(error) => errors.push(error),
            }
        }
        let mut profiles = Vec::with_capacity(sources.len());
        for source in &sources {
            match source.compile(&sources, ask) {
                Ok(profile) => profiles.push(profile),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            let plain = |written| ForTrail::new(Arc::new(written), Arc::default());
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
    pub fn title(&self, profile: ProfileRef) -> String {
        self.sorts(profile).map(|sort| sort.title.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What Sigma rules call the trail in their `logsource`, beside the profile's name as `product`.
    pub fn log_sources(&self, profile: ProfileRef) -> &[crate::policy::LogSource] {
        &self.profiles[profile.0].written.log_sources
    }

    /// The name of the profile's format, one of [`crate::decode::FORMATS`].
    pub fn format(&self, profile: ProfileRef) -> &'static str {
        self.profiles[profile.0].written.format.name
    }

    /// Whether its server is believed to have checked the names that its access log holds: such logs copy what clients send, too.
    pub fn vouches_for_copied_names(&self, profile: ProfileRef) -> bool {
        let ForTrail { written, trust, .. } = &self.profiles[profile.0];
        written.format.name == crate::decode::access::FORMAT.name && written.believed(trust, None).actor.is_by_server()
    }

    /// Whether anybody can write the trail of this profile, so that no server vouches for anything that it says.
    pub fn is_anybodys(&self, profile: ProfileRef) -> bool {
        self.profiles[profile.0].trust.is_anybodys()
    }

    /// The same profile for one trail: whose local times are in `zone`, where its operator says so, whose lines come wrapped, and who is
    /// believed of what it says.
    #[must_use = "the trail needs the profile that is returned"]
    pub fn for_trail(
        &mut self,
        profile: ProfileRef,
        zone: Option<TimeZone>,
        wrapping: Wrapping,
        trust: impl Into<Trust>,
    ) -> ProfileRef {
        let mut of_trail = self.profiles[profile.0].clone();
        of_trail.zone = zone.unwrap_or(of_trail.zone);
        of_trail.wrapping = wrapping;
        of_trail.trust = trust.into();
        self.profiles.push(of_trail);
        ProfileRef(self.profiles.len() - 1)
    }

    /// One profile for a trail of several sorts of records: each record is read with the profile by whose `[[recognise]]` it is known, by
    /// the first one where none knows it.
    ///
    /// # Errors
    /// Profiles that can't read the same file.
    pub fn together(&mut self, profiles: &[ProfileRef]) -> Result<ProfileRef, String> {
        let sorts: Vec<&Arc<Profile>> = profiles.iter().map(|profile| &self.profiles[profile.0].written).collect();
        let (first, others) = match sorts.as_slice() {
            [] => return Err("no profile is named".to_owned()),
            [_] => return Ok(profiles[0]),
            [first, others @ ..] => (*first, others),
        };
        for other in &sorts {
            if other.format.name != first.format.name {
                let (a, b) = (&first.name, &other.name);
                return Err(format!(
                    "{a} reads {} and {b} reads {}: they can't read one file",
                    first.format.name, other.format.name
                ));
            }
            if !other.may_share() {
                return Err(format!(
                    "{} can't share a trail with others: its records are known by their place",
                    other.name
                ));
            }
        }
        let beside = others.iter().map(|other| Arc::clone(other)).collect();
        self.profiles.push(ForTrail::new(first.clone(), beside));
        Ok(ProfileRef(self.profiles.len() - 1))
    }

    /// The profiles of the sorts of records that a trail of this profile holds.
    fn sorts(&self, profile: ProfileRef) -> impl Iterator<Item = &Arc<Profile>> {
        let ForTrail { written, beside, .. } = &self.profiles[profile.0];
        std::iter::once(written).chain(&**beside)
    }

    /// Their names.
    pub fn names(&self, profile: ProfileRef) -> impl Iterator<Item = &str> {
        self.sorts(profile).map(|sort| &*sort.name)
    }

    /// The fields that events of this profile can have, those that the enrichment makes of them included.
    pub fn provides(&self, profile: ProfileRef) -> BTreeSet<Field> {
        use Field::*;
        let mut fields: BTreeSet<Field> = self.sorts(profile).flat_map(|sort| &sort.provides).copied().collect();
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
        follow(ActorName, &[ActorType, ActorVouched]);
        follow(SessionUid, &[SessionVouched, SessionUnconfirmed, SessionOrNetwork]);
        follow(Ip, &[SessionOrNetwork]);
        if self.profiles[profile.0].written.estimate.is_some() {
            follow(ExportBytes, &[ExportRecords]);
        }
        if fields.contains(&ExportFirstDay) && fields.contains(&ExportLastDay) {
            fields.insert(ExportDays);
            fields.insert(ExportAge);
        }
        fields
    }

    /// By which the headers in files of this profile are known, where its format has any.
    pub fn header_names(&self, profile: ProfileRef) -> Option<Arc<HeaderNames>> {
        self.profiles[profile.0].written.header_names.clone()
    }

    /// What the lists of records are called in documents of this profile, a dot between the names of objects in objects.
    pub fn record_lists(&self, profile: ProfileRef) -> Arc<[String]> {
        self.profiles[profile.0].lists.clone()
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
        let first = out.len();
        let read = self.records(profile, batch, frame, scratch, |met, shared| out.push(met.event(shared)));
        if read.is_err() {
            // What follows a complete record on its line is not a record of this trail's writer.
            out[first..].iter_mut().for_each(|event| event.marks.ambiguous = true);
        }
        read
    }

    /// Hands the records of one frame to `each`, in order.
    fn records(
        &self,
        profile: ProfileRef,
        batch: &Batch,
        frame: &Frame,
        scratch: &mut Scratch,
        mut each: impl FnMut(&Met<'_>, &mut Shared),
    ) -> Result<(), Reject> {
        let ForTrail { written: profile, beside, zone, wrapping, trust, .. } = &self.profiles[profile.0];
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
        let mut handed = 0u32;
        let mut shared = Shared::new();
        let mut unread = None;
        shipped::unwrap(text, &mut |shipped| {
            let shipped_at = shipped.stamp.and_then(|stamp| stamp::of_shipper(stamp, zone));
            let time = shipped_at.or(unwrapped.time);
            shared.turn();
            let at = Place { batch, frame, digest, sender: unwrapped.sender, time, before: handed, trust };
            let clipped = clipped || shipped.clipped;
            let mut hand = |profile: &Profile, plan: &dyn Plan, record: &Record<'_>| {
                handed = handed.saturating_add(1);
                each(&Met { profile, plan, record, at: &at, zone }, &mut shared);
            };
            let read = match &**beside {
                [] => plan.decode(shipped.text, clipped, cells, &mut |record| hand(profile, plan, record)),
                _ => {
                    let sorts: Vec<&Profile> = std::iter::once(profile).chain(&**beside).map(|sort| &**sort).collect();
                    let each = &mut |sort: &Profile, record: &Record<'_>| hand(sort, &*sort.plan, record);
                    sorts::read(&sorts, shipped.text, clipped, cells, each)
                }
            };
            unread = unread.take().or(read.err());
        });
        unread.map_or(Ok(()), Err)
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
        self.redactor.redact(text, &self.profiles[profile.0].secret_keys)
    }
}

/// One record, with all that its event is made of.
struct Met<'m> {
    profile: &'m Profile,
    plan: &'m dyn Plan,
    record: &'m Record<'m>,
    at: &'m Place<'m>,
    zone: &'m TimeZone,
}

impl Met<'_> {
    fn event(&self, shared: &mut Shared) -> Box<Event> {
        let mut event = self.profile.event(self.record, self.at, self.zone, shared);
        if !self.profile.may_have_written(self.record) {
            (event.activity, event.outcome, event.cause) = (Activity::Other, Outcome::Unknown, None);
        }
        event
    }
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

#[cfg(test)]
mod tests;
