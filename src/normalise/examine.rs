//! [`Examined`]: one record as a profile reads it, with what it leaves unread, for whoever writes the profile.
use super::compiled::Profile;
use super::getter::{self, Taken};
use super::{Met, Normaliser, ProfileRef, Scratch};
use crate::decode::{Held, Reject};
use crate::model::limits::SHOWN_VALUE_BYTES;
use crate::model::{Batch, Event, Field, Frame, Value};

/// One record as its profile reads it.
#[derive(Debug)]
pub struct Examined {
    /// What the profile makes of it.
    pub event: Box<Event>,
    /// The fields of the event that are set, as they may be shown: secrets, phone numbers and contents cut out.
    pub fields: Vec<(Field, String)>,
    /// What no part of the profile makes anything of.
    pub unread: Vec<KeyValue>,
    /// What a field is read from and is nothing that it can hold: an address that is none, a time in another notation.
    pub unfit: Vec<(Field, KeyValue)>,
    /// One of the profile's rules says what was done.
    pub has_activity: bool,
}

/// A value of a record, as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyValue {
    /// The name by which a profile reads it.
    pub name: String,
    /// The value, short, with secrets cut out.
    pub value: String,
}

/// A shorter session id is no secret, and would be found in every value.
const SECRET_BYTES: usize = 6;

impl Normaliser {
    /// Reads the records of one frame as [`Normaliser::normalise`] does, each with what is left of it.
    ///
    /// # Errors
    /// Where the frame, or its rest, can't be read; what was read before is in `out` all the same.
    pub fn examine(
        &self,
        profile: ProfileRef,
        batch: &Batch,
        frame: &Frame,
        scratch: &mut Scratch,
        out: &mut Vec<Examined>,
    ) -> Result<(), Reject> {
        let first = out.len();
        let mut before = None;
        let read = self.records(profile, batch, frame, scratch, |met, shared| {
            // those of one list share their text
            let nth = match before {
                Some((span, nth)) if span == met.record.span() && met.record.index > 0 => nth + 1,
                _ => 0,
            };
            before = Some((met.record.span(), nth));
            out.push(self.examined(met, met.event(shared), nth));
        });
        if read.is_err() {
            out[first..].iter_mut().for_each(|examined| examined.event.marks.ambiguous = true);
        }
        read
    }

    fn examined(&self, met: &Met<'_>, event: Box<Event>, nth: usize) -> Examined {
        let profile = met.profile;
        let mut names = Vec::new();
        let mut unread = Vec::new();
        let session = event.session.as_ref().map(|session| session.id.clone()).filter(|id| id.len() >= SECRET_BYTES);
        let phones = self.redactor.names_a_phone(met.record.written());
        let shown = |name: &str, value: &str| {
            let value = self.redactor.value(name, value, phones, &profile.secret_keys);
            let value = session.as_ref().map_or_else(|| value.clone(), |id| value.replace(id.as_str(), "[cut]"));
            let value = short(&value);
            KeyValue { name: name.to_owned(), value }
        };
        met.plan.held(met.record, nth, &mut |held| {
            names.extend(held.wanted.map(|cell| (cell, held.name.to_owned())));
            if !reads(profile, &held) {
                unread.push(shown(held.name, held.value));
            }
        });
        let name = |cell: usize| names.iter().find(|(of, _)| *of == cell).map_or("", |(_, name)| name);
        let is_absent = |field: Field| event.get(field) == Value::Absent;
        let mut unfit = Vec::new();
        for (field, getters) in profile.fields.iter().filter(|(field, _)| is_absent(*field)) {
            let value = getters.iter().find_map(|getter| Some((getter.cell(), getter.get(met.record)?)));
            unfit.extend(value.map(|(cell, value)| (*field, shown(name(cell), &value))));
        }
        let stated = profile.states_time(met.record, met.zone);
        for getter in profile.time.iter().flat_map(|(getters, _)| getters).filter(|_| !stated) {
            if let Some(value) = getter.get(met.record) {
                let time = (Field::Time, shown(name(getter.cell()), &value));
                unfit.extend((!unfit.contains(&time)).then_some(time));
            }
        }
        let fields = Field::ALL.iter().filter(|field| !is_of_reading(**field));
        let fields = fields.filter_map(|field| {
            let text = match (field, event.get(*field)) {
                (_, Value::Absent) => return None,
                (Field::SessionUid, _) => "[cut]".to_owned(),
                (_, Value::Text(text)) => shown("", text).value,
                (Field::ExportFirstDay | Field::ExportLastDay, Value::Int(day)) => date(day),
                (_, Value::Int(n)) => n.to_string(),
                (_, Value::Ip(ip)) => ip.to_string(),
                (_, Value::Bool(is)) => is.to_string(),
                (_, Value::List(list)) => list.join(", "),
            };
            Some((*field, text))
        });
        let fields = fields.collect();
        let holds = |rule: &super::compiled::Rule| !rule.sent && rule.when.hold(met.record, &mut Taken::default());
        let is_named = event.activity != crate::model::Activity::Other || profile.activity.iter().any(holds);
        let has_activity = profile.may_have_written(met.record) && is_named;
        Examined { fields, unread, unfit, has_activity, event }
    }
}

/// Fields that say how it was read, and not what the record says.
fn is_of_reading(field: Field) -> bool {
    matches!(field, Field::Time | Field::PartOfWeek | Field::SessionOrNetwork | Field::Source | Field::Product)
}

/// Whether the profile makes something of the value, which recognising its product is not. Of a list it reads addresses alone.
fn reads(profile: &Profile, held: &Held<'_>) -> bool {
    let Some(cell) = held.wanted.filter(|cell| *cell < profile.meant) else { return false };
    let of_addresses = profile.fields.iter().filter(|(field, _)| *field == Field::Ip).flat_map(|(_, getters)| getters);
    !held.is_list || of_addresses.map(getter::Getter::cell).any(|of| of == cell)
}

fn short(value: &str) -> String {
    match crate::model::shown::cut(value, SHOWN_VALUE_BYTES) {
        whole if whole.len() == value.len() => value.to_owned(),
        begin => format!("{begin}…"),
    }
}

/// The date of a number of days since 1970.
fn date(day: i64) -> String {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let date = jiff::Span::new().try_days(day).and_then(|days| epoch.checked_add(days));
    date.map_or_else(|_| day.to_string(), |date| date.to_string())
}
