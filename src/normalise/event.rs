//! One record -> one event: its time, its fields, how it ended, and by what it is known.
use super::assign::Believed;
use super::compiled::{self, Part, Profile, Rule};
use super::getter::{self, Taken};
use super::raw::Shared;
use super::trust::Trust;
use super::{assign, coerce, sent};
use crate::decode::Record;
use crate::model::limits::FIELD_BYTES;
use crate::model::{
    Activity, Batch, Cause, ContentDigest, Event, EventId, EventTime, Evidence, Field, Frame, HashParts, Marks,
    Outcome, Text,
};
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// Where a record was read.
pub(super) struct Place<'b> {
    pub(super) batch: &'b Batch,
    pub(super) frame: &'b Frame,
    pub(super) digest: ContentDigest,
    /// Who handed it over.
    pub(super) sender: Option<&'b str>,
    /// When it was sent, or else received: where the record itself states no time.
    pub(super) time: Option<EventTime>,
    /// How many records of its frame came before those at hand.
    pub(super) before: u32,
    /// Who is believed.
    pub(super) trust: &'b Trust,
}

impl Profile {
    /// The event of one record.
    pub(super) fn event(
        &self,
        record: &Record<'_>,
        at: &Place<'_>,
        zone: &TimeZone,
        shared: &mut Shared,
    ) -> Box<Event> {
        let mut event = Box::new(self.blank(record, at, zone, shared));
        let believed = self.believed(at.trust, at.sender);
        self.time(record, zone, &mut event);
        if event.marks.time_missing
            && let Some(time) = at.time
        {
            (event.time, event.marks.time_missing) = (time, false);
        }
        for (field, getters) in &self.fields {
            let array = || (*field == Field::Ip).then(|| getter::first_array(getters, record)).flatten();
            if let Some(value) = getter::first(getters, record).or_else(array) {
                assign::assign(&mut event, *field, &value, believed);
            }
        }
        event.outcome = self.outcome.as_ref().and_then(|words| words.of(record)).unwrap_or(Outcome::Unknown);
        let mut taken = Taken::default();
        let is_it = |rule: &&Rule| rule.when.hold(record, &mut taken) && (!rule.sent || rule.is_sent(record, &event));
        let mut states_range = self.states_range;
        if let Some(rule) = self.activity.iter().find(is_it) {
            event.activity = rule.is;
            states_range |= rule.states_range();
            set(&mut event, &rule.set, record, &taken, believed);
        }
        for (when, set) in &self.adjust {
            let mut taken = Taken::default();
            if when.hold(record, &mut taken) {
                self::set(&mut event, set, record, &taken, believed);
            }
        }
        self.cause(record, &mut event);
        assign::settle_actor(&mut event, self.lower_names, believed.actor);
        self.settle_sent(record, &mut event);
        sent::settle_range(&mut event, states_range);
        if !event.whole.is_empty() {
            shared.bound(&mut event);
        }
        self.wanted.iter().for_each(|wanted| wanted.put(record, shared, &mut event));
        if self.line {
            event.line = Some(shared.line(record));
        }
        event
    }

    fn blank(&self, record: &Record<'_>, at: &Place<'_>, zone: &TimeZone, shared: &mut Shared) -> Event {
        let own = self.own_id(record, at, zone, shared);
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
        let id = own.unwrap_or_else(|| of_line(at, evidence.index));
        let mut event = Event::blank(id, at.batch.observed, self.name.clone(), evidence);
        event.marks =
            Marks { time_missing: true, clipped: is_cut(record, at), ambiguous: record.ambiguous, ..Marks::default() };
        event
    }

    /// Of the source and the product's own id of the act, wherever in its line it stood; else, where the profile says so, of what the
    /// record holds. The acts of one record are told apart by their place in it.
    fn own_id(&self, record: &Record<'_>, at: &Place<'_>, zone: &TimeZone, shared: &mut Shared) -> Option<EventId> {
        let parts = match getter::first(&self.id, record) {
            Some(own) => {
                let parts = of_source("event", at).part(own.as_bytes());
                let with = getter::first(&self.id_with, record);
                with.iter().fold(parts, |parts, with| parts.part(with.as_bytes()))
            }
            // what stood behind the cut may have told it from others, and so may the second in which it was
            None if self.content_id && !is_cut(record, at) && self.states_second(record, zone) => {
                of_source("content", at).part(&shared.content(record).0)
            }
            None => return None,
        };
        let parts = if self.split { parts.number(i64::from(record.part)) } else { parts };
        Some(EventId(parts.finish().short()))
    }

    fn states_second(&self, record: &Record<'_>, zone: &TimeZone) -> bool {
        self.time.iter().any(|(from, notation)| {
            let states = |text: &str| notation.read(text, zone).is_some() && notation.states_second(text);
            from.iter().any(|getter| getter.get(record).is_some_and(|text| states(&text)))
        })
    }

    /// Whether the record itself states a time that can be read.
    pub(super) fn states_time(&self, record: &Record<'_>, zone: &TimeZone) -> bool {
        self.stated(record, zone).is_some()
    }

    fn stated(&self, record: &Record<'_>, zone: &TimeZone) -> Option<EventTime> {
        self.time
            .iter()
            .find_map(|(from, notation)| from.iter().find_map(|getter| notation.read(&getter.get(record)?, zone)))
    }

    fn time(&self, record: &Record<'_>, zone: &TimeZone, event: &mut Event) {
        if let Some(time) = self.stated(record, zone) {
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
}

fn set(event: &mut Event, setters: &compiled::Setters, record: &Record<'_>, taken: &Taken<'_>, believed: Believed<'_>) {
    for (field, parts) in setters {
        if let Some(value) = compose(parts, record, taken) {
            assign::assign(event, *field, &value, believed);
        }
    }
}

/// The text that the parts make; nothing where one of them has no value.
pub(super) fn compose<'r>(parts: &[Part], record: &Record<'r>, taken: &Taken<'r>) -> Option<Cow<'r, str>> {
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

fn is_cut(record: &Record<'_>, at: &Place<'_>) -> bool {
    at.frame.flags.clipped || record.partial
}

fn of_source(domain: &str, at: &Place<'_>) -> HashParts {
    HashParts::new(domain).part(at.batch.source.as_str().as_bytes())
}

/// Digest of the source, the content and the place in the line, which equal lines share. Never of an offset.
fn of_line(at: &Place<'_>, index: u32) -> EventId {
    EventId(of_source("line", at).part(&at.digest).number(i64::from(index)).finish().short())
}
