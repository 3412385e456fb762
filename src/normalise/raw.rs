//! [`Wanted`]: one raw field that policies name, and how its value is taken out of a record.
//!
//! Products write `a.b` as key `b` of the object `a`, as a key that is called `a.b`, or as something between; policies do not
//! tell these apart. The flat name is looked for first.
use super::coerce;
use super::getter::Names;
use crate::decode::{Nested, Raw, Record, is_path, nested};
use crate::model::limits::{FIELD_BYTES, LONG_BYTES};
use crate::model::{Event, RawValue, Text};
use std::collections::BTreeSet;
use std::sync::Arc;

/// With more names in it, a path is looked for as flat and as nested, and not as something between.
const PARTS: usize = 6;

/// A raw field.
pub(super) struct Wanted {
    /// Its index in the policy set.
    index: usize,
    /// The first of these that is there has its value.
    cells: Vec<usize>,
}

impl Wanted {
    /// Asks for the field of that index and name. The cells of paths through which arrays are looked into are put into
    /// `through`.
    pub fn new(index: usize, name: &str, names: &mut Names, through: &mut BTreeSet<usize>) -> Wanted {
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
        Wanted { index, cells }
    }

    /// Puts the value into the event, where the record has one.
    pub fn put(&self, record: &Record<'_>, shared: &mut Shared, event: &mut Event) {
        for cell in &self.cells {
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
                let clipped = &mut event.marks.clipped;
                match value {
                    // what there is no room for is not taken apart either
                    Raw::Nested(text) if text.len() > FIELD_BYTES && text.len() > shared.room => {
                        elements.push(shared.keep(text, clipped));
                    }
                    Raw::Nested(text) => match nested(text) {
                        Nested::Object(text) => elements.push(shared.keep(&text, clipped)),
                        Nested::List(list) => {
                            elements.extend(list.iter().filter_map(|text| shared.element(text, clipped)))
                        }
                    },
                    value if several => elements.extend(value.text().and_then(|text| shared.element(text, clipped))),
                    value => elements.extend(value.text().map(|text| shared.keep(text, clipped))),
                }
            }
            let value = match elements.pop() {
                Some(only) if !several => RawValue::Text(only),
                None if null => RawValue::Null,
                last => RawValue::List(elements.into_iter().chain(last).collect()),
            };
            return event.unmapped.set(self.index, value);
        }
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

/// What the events of one frame share: how much of long values they may hold together, and the line.
pub(super) struct Shared {
    room: usize,
    line: Option<((usize, usize), Arc<str>)>,
}

impl Shared {
    pub fn new() -> Shared {
        Shared { room: LONG_BYTES, line: None }
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

    /// The record as written, and behind it with JSON's escapes resolved, where it has any; records that share their text
    /// share this.
    pub fn line(&mut self, record: &Record<'_>) -> Arc<str> {
        match &self.line {
            Some((span, line)) if *span == record.span() => line.clone(),
            _ => {
                let written = record.written();
                // a word is looked for in what is written, and in what that means
                let line: Arc<str> = match record.resolved() {
                    Some(resolved) => format!("{written}\n{resolved}").into(),
                    None => written.into(),
                };
                self.line = Some((record.span(), line.clone()));
                line
            }
        }
    }
}
