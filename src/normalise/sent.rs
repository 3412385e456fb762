//! What an answer sent, and of which days: nothing that only its request says makes an export smaller than it was.
use super::compiled::{Part, Profile, Rule};
use super::event::compose;
use super::getter::{Getter, Taken};
use super::{coerce, path};
use crate::decode::Record;
use crate::model::limits::PAGE_BYTES;
use crate::model::{Activity, Event, Field, Millis, Outcome};

/// How the files end of which a page is made up, that are the same for everybody.
const OF_PAGES: [&str; 17] = [
    "js", "mjs", "css", "map", "wasm", "woff", "woff2", "ttf", "otf", "eot", "png", "jpg", "jpeg", "gif", "svg",
    "webp", "ico",
];

impl Rule {
    /// The raw fields that it reads some fields of the event from.
    pub(super) fn amounts<'p>(&'p self, fields: &'static [Field]) -> impl Iterator<Item = &'p Getter> {
        let parts = self.set.iter().filter(|(field, _)| fields.contains(field)).flat_map(|(_, parts)| parts);
        parts.filter_map(|part| if let Part::Raw(getter) = part { Some(getter) } else { None })
    }

    /// Whether the answer of an act that was done carried records, or more than a page is: what a rule with `sent` asks for beside its
    /// conditions. `event` has its fields, its outcome and no activity yet.
    pub(super) fn is_sent(&self, record: &Record<'_>, event: &Event) -> bool {
        let amount = |of: Field| {
            let (_, parts) = self.set.iter().find(|(field, _)| *field == of)?;
            coerce::count(&compose(parts, record, &Taken::default())?)
        };
        event.outcome == Outcome::Success
            && status(event).is_none_or(|status| (200..300).contains(&status))
            && has_body(event)
            && (amount(Field::ExportRecords).is_some_and(|records| records > 0)
                || amount(Field::ExportBytes).is_some_and(|bytes| bytes >= PAGE_BYTES) && !is_of_a_page(event))
    }
}

fn status(event: &Event) -> Option<u16> {
    event.http.as_ref()?.status
}

/// Whether the answer has a body (RFC 9110, 9.3.2 and 15): none to HEAD, and none of these statuses.
fn has_body(event: &Event) -> bool {
    let method = event.http.as_ref().and_then(|http| http.method.as_deref());
    let is_head = method.is_some_and(|method| method.eq_ignore_ascii_case("HEAD"));
    !is_head && !matches!(status(event), Some(100..=199 | 204 | 205 | 304))
}

/// A script, a style, a font, a picture. What stands behind a file as if that were a folder (`messages.csv/x.js`) is none: servers hand it to
/// the file's handler.
fn is_of_a_page(event: &Event) -> bool {
    let Some(asked) = event.http.as_ref().and_then(|http| http.path.as_deref()) else { return false };
    let plain = path::plain(asked, path::Form::Asked);
    let (folders, name) = plain.rsplit_once('/').unwrap_or(("", &plain));
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_file =
        |folder: &str| ending(folder).is_some_and(|ending| ending.starts_with(|c: char| c.is_ascii_lowercase()));
    ending(name).is_some_and(|ending| OF_PAGES.contains(&ending.as_str())) && !folders.split('/').any(is_file)
}

impl Profile {
    /// What a rule's record must have of what the answer sent (`true`: bytes, for a rule with `sent`), and what it must not (for the others
    /// behind one): for [specimens](super::specimen).
    pub(super) fn sent_asks<'p>(&'p self, rule: Option<&'p Rule>) -> Vec<(&'p Getter, bool)> {
        if let Some(rule) = rule.filter(|rule| rule.sent) {
            return rule.amounts(&[Field::ExportBytes]).map(|getter| (getter, true)).collect();
        }
        let is_it = |of: &&Rule| rule.is_some_and(|rule| std::ptr::eq(*of, rule));
        let before = self.activity.iter().take_while(|of| !is_it(of)).filter(|of| of.sent);
        let amounts = before.flat_map(|of| of.amounts(&[Field::ExportRecords, Field::ExportBytes]));
        amounts.map(|getter| (getter, false)).collect()
    }

    /// Counts a download as what left by it.
    pub(super) fn settle_sent(&self, record: &Record<'_>, event: &mut Event) {
        if event.activity != Activity::Download {
            return;
        }
        if !has_body(event) {
            event.activity = Activity::View;
            event.export = None;
            return;
        }
        // a client that went, or was cut off, before the end (nginx): the server says how many it would have sent
        let is_part = matches!(status(event), Some(206 | 499));
        // what it had by then has left, and whoever breaks off each fetch before its last byte takes all the same
        if status(event) == Some(499)
            && event.export.as_ref().is_some_and(|export| export.bytes.is_some_and(|sent| sent > 0))
        {
            (event.outcome, event.cause) = (Outcome::Success, None);
        }
        let Some(export) = &mut event.export else { return };
        let reckoned = self
            .estimate
            .zip(export.bytes)
            .map(|(estimate, bytes)| bytes.saturating_sub(estimate.header_bytes) / estimate.bytes_per_record.max(1));
        let records = match (export.records, reckoned) {
            // the server says how many the whole has
            (Some(stated), Some(reckoned)) if is_part => stated.min(reckoned),
            // a client may have written one of the two numbers that stand there
            (Some(stated), Some(reckoned)) if record.ambiguous => stated.max(reckoned),
            (None, Some(reckoned)) => reckoned,
            _ => return,
        };
        export.records_estimated = export.records != Some(records);
        export.records = Some(records);
    }
}

/// Where a trail says of which days the data is (`is_stated`), a range without a beginning that can be read is everything there is; one
/// without an end goes on to the day of the act, for there is no later data.
pub(super) fn settle_range(event: &mut Event, is_stated: bool) {
    let is_export = matches!(event.activity, Activity::ExportRequested | Activity::Download);
    if !is_stated || !is_export || event.outcome == Outcome::Failure {
        return;
    }
    let today = i32::try_from(event.time.episode(Millis::DAY)).unwrap_or(i32::MAX);
    let export = event.export.get_or_insert_default();
    // of a file that was asked for before, the request says the days
    if event.activity == Activity::Download
        && export.job.is_some()
        && (export.first_day, export.last_day) == (None, None)
    {
        return;
    }
    if export.last_day.is_none() {
        export.last_day = export.first_day.filter(|first| *first <= today).map(|_| today);
    }
    export.everything = !matches!((export.first_day, export.last_day), (Some(first), Some(last)) if first <= last);
}
