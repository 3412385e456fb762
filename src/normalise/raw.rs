//! [`Wanted`]: one raw field that policies name, and how its value is taken out of a record.
//!
//! Products write `a.b` as key `b` of the object `a`, as a key that is called `a.b`, or as something between; policies do not
//! tell these apart. The flat name is looked for first. What others call a field, and the product does not, a profile says
//! under `[sigma]` ([`Meaning`]).
use super::coerce;
use super::compiled::Part;
use super::event::compose;
use super::getter::{Getter, Names, Taken};
use crate::decode::{Nested, Raw, Record, is_path, nested};
use crate::model::limits::{FIELD_BYTES, LONG_BYTES};
use crate::model::{Digest, Event, Field, RawValue, Text, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// With more names in it, a path is looked for as flat and as nested, and not as something between.
const PARTS: usize = 6;

/// A raw field.
pub(super) struct Wanted {
    /// Its index in the policy set.
    index: usize,
    /// The first of these cells that is there has the value of the record's own key of that name.
    cells: Vec<usize>,
    /// What else the profile says that the name means.
    means: Vec<Meaning>,
}

/// What a name of `[sigma]` means.
pub(super) enum Meaning {
    /// A raw field: the first of these cells that is there has its value.
    Raw(Vec<usize>),
    /// A raw field on which steps are done.
    Steps(Getter),
    /// A field of the event, as the profile fills it.
    Event(Field),
    /// Text with raw fields in it.
    Text(Vec<Part>),
}

/// The cells in which the value of a key may be found, whose first one that is there has it. The cells of paths through which
/// arrays are looked into are put into `through`.
pub(super) fn cells(name: &str, names: &mut Names, through: &mut BTreeSet<usize>) -> Vec<usize> {
    let mut cells = Vec::new();
    let parts: Vec<&str> = name.split('.').collect();
    let plain = parts.iter().all(|part| !part.is_empty()) && !name.contains(['[', '\\']);
    if !plain || parts.len() > 1 {
        cells.push(names.cell(&flat(name)));
    }
    if plain {
        for nested in 1..parts.len().min(PARTS).saturating_sub(1) {
            let rest = flat(&parts[nested..].join("."));
            cells.push(names.cell(&format!("{}.{rest}", parts[..nested].join("."))));
        }
    }
    if is_path(name) {
        cells.push(names.cell(name));
    }
    through.extend(&cells);
    cells
}

impl Wanted {
    /// Asks for the field of that index, which is in `cells` and is what `means` says.
    pub fn new(index: usize, cells: Vec<usize>, means: Vec<Meaning>) -> Wanted {
        Wanted { index, cells, means }
    }

    /// Puts the value into the event, where the record has one.
    pub fn put(&self, record: &Record<'_>, shared: &mut Shared, event: &mut Event) {
        let mut value = own(&self.cells, record, shared, &mut event.marks.clipped);
        for meaning in &self.means {
            let other = match meaning {
                Meaning::Raw(cells) => own(cells, record, shared, &mut event.marks.clipped),
                Meaning::Steps(getter) => getter.get(record).map(|text| shared.value(&text, event)),
                Meaning::Event(field) => text_of(event.as_written(*field)).map(|text| shared.value(&text, event)),
                Meaning::Text(parts) => {
                    compose(parts, record, &Taken::default()).map(|text| shared.value(&text, event))
                }
            };
            value = match (value, other) {
                (Some(value), Some(other)) => Some(both(value, other)),
                (value, other) => value.or(other),
            };
        }
        if let Some(value) = value {
            event.unmapped.set(self.index, value);
        }
    }
}

/// The value in the first of these cells that is there.
fn own(cells: &[usize], record: &Record<'_>, shared: &mut Shared, clipped: &mut bool) -> Option<RawValue> {
    for cell in cells {
        let first = record.get(*cell);
        let mut more = record.more(*cell).peekable();
        if first == Raw::Absent && more.peek().is_none() {
            continue;
        }
        let several = more.peek().is_some() || matches!(first, Raw::Nested(text) if text.starts_with('['));
        let mut elements: Vec<Text> = Vec::new();
        let mut null = true;
        for value in std::iter::once(first).chain(more) {
            null &= !value.is_present();
            match value {
                // what there is no room for is not taken apart either
                Raw::Nested(text) if text.len() > FIELD_BYTES && text.len() > shared.room => {
                    elements.push(shared.keep(text, clipped));
                }
                Raw::Nested(text) => match nested(text) {
                    Nested::Object(text) => elements.push(shared.keep(&text, clipped)),
                    Nested::List(list) => elements.extend(list.iter().filter_map(|text| shared.element(text, clipped))),
                },
                value if several => elements.extend(value.text().and_then(|text| shared.element(text, clipped))),
                value => elements.extend(value.text().map(|text| shared.keep(text, clipped))),
            }
        }
        return Some(match elements.pop() {
            Some(only) if !several => RawValue::Text(only),
            None if null => RawValue::Null,
            last => RawValue::List(elements.into_iter().chain(last).collect()),
        });
    }
    None
}

/// Both values as one: what is null, or the same again, adds nothing.
fn both(value: RawValue, other: RawValue) -> RawValue {
    if other == RawValue::Null || value == other {
        return value;
    }
    let elements = |value: RawValue| match value {
        RawValue::Null => Vec::new(),
        RawValue::Text(text) => vec![text],
        RawValue::List(list) => list.into_vec(),
    };
    match value {
        RawValue::Null => other,
        value => RawValue::List(elements(value).into_iter().chain(elements(other)).collect()),
    }
}

/// A value of the event as text; a list is none.
fn text_of(value: Value<'_>) -> Option<String> {
    match value {
        Value::Absent | Value::List(_) => None,
        Value::Text(text) => Some(text.to_owned()),
        Value::Int(n) => Some(n.to_string()),
        Value::Ip(ip) => Some(ip.to_string()),
        Value::Bool(b) => Some(b.to_string()),
    }
}

/// The name of a key that is called so, dots and all.
fn flat(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if matches!(c, '.' | '[' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A record as written, and with its escapes resolved where it has any.
type Readings = Arc<[Text]>;

/// What the events of one frame share: how much of long values they may hold together, and the line.
pub(super) struct Shared {
    room: usize,
    /// Where the record of these readings stands.
    line: Option<((usize, usize), Readings)>,
    content: Option<((usize, usize), Digest)>,
}

impl Shared {
    pub fn new() -> Shared {
        Shared { room: LONG_BYTES, line: None, content: None }
    }

    /// The text as policies see it: whole, unless the events of the frame hold too much together, which is marked.
    fn keep(&mut self, text: &str, clipped: &mut bool) -> Text {
        if text.len() <= FIELD_BYTES || self.takes(text.len()) {
            return text.into();
        }
        *clipped = true;
        coerce::cut(text, FIELD_BYTES).into()
    }

    /// An element of a list, as long as there is room: lists that records share would be many times the line.
    fn element(&mut self, text: &str, clipped: &mut bool) -> Option<Text> {
        let takes = self.takes(text.len() + size_of::<Text>());
        *clipped |= !takes;
        takes.then(|| text.into())
    }

    /// Text that was made of what the record holds.
    fn value(&mut self, text: &str, event: &mut Event) -> RawValue {
        RawValue::Text(self.keep(text, &mut event.marks.clipped))
    }

    fn takes(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }

    /// Lets go of texts that are longer than what is kept of them, where they are too much together, which is marked.
    pub fn bound(&mut self, event: &mut Event) {
        let clipped = &mut event.marks.clipped;
        event.whole.retain(|(_, text)| {
            let takes = self.takes(text.len());
            *clipped |= !takes;
            takes
        });
    }

    /// What follows is out of another text.
    pub fn turn(&mut self) {
        (self.line, self.content) = (None, None);
    }

    /// Digest of what the record holds; records that share their text share this.
    pub fn content(&mut self, record: &Record<'_>) -> Digest {
        match self.content {
            Some((span, content)) if span == record.span() => content,
            _ => self.content.insert((record.span(), record.content())).1,
        }
    }

    /// The record as written, and with JSON's escapes resolved where it has any; records that share their text share this.
    pub fn line(&mut self, record: &Record<'_>) -> Readings {
        match &self.line {
            Some((span, line)) if *span == record.span() => line.clone(),
            _ => {
                // a word is looked for in what is written, and in what that means: never from one into the other
                let line: Readings =
                    [record.written().into()].into_iter().chain(record.resolved().map(Text::from)).collect();
                self.line = Some((record.span(), line.clone()));
                line
            }
        }
    }
}
