//! Bytes of one frame -> records: the fields that a profile asks for, found in one pass, whatever else the line holds.
//!
//! A profile's raw field names are compiled once, by the format, into a [`Plan`]; decoding a frame then walks its text once and
//! fills one [`Cell`] for each name. Nothing is built for what nobody asked for, and nothing that a client may write into a
//! value (a lone surrogate, a byte that is no UTF-8, `1e400`, 50,000 brackets) makes the line unreadable: input that cannot
//! be parsed must not be cheaper for an attacker than input that can.

pub mod access;
mod access_head;
mod access_held;
mod access_json;
mod access_words;
pub mod address;
pub mod csv;
mod held;
pub mod json;
mod json_content;
mod json_held;
mod json_keys;
mod json_path;
mod json_text;
mod json_value;
mod json_walk;
pub mod keycloak;
pub mod shipped;
pub mod syslog;

pub use held::Held;
pub use json_path::is_path;
pub use json_value::{ELEMENTS, Nested, nested};

use crate::framing::csv::HeaderNames;
use crate::model::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The formats. To add one: a file beside this one, and a line here.
pub static FORMATS: &[Format] = &[json::FORMAT, access::FORMAT, csv::FORMAT, keycloak::FORMAT];

/// A way to write records as text.
pub struct Format {
    /// The name that profiles and the configuration use.
    pub name: &'static str,
    /// What it reads, for people.
    pub about: &'static str,
    /// Whether a line looks as if it were of this format: cheap, and wrong only on the generous side.
    pub looks_like: fn(&str) -> bool,
    /// Splits a line that came by way of syslog into its envelope and its record.
    pub open: fn(&str) -> (syslog::Envelope<'_>, &str),
    /// Compiles the names of wanted fields.
    pub plan: fn(&Wish) -> Result<Box<dyn Plan>, String>,
}

impl Format {
    /// The format of that name.
    pub fn named(name: &str) -> Option<&'static Format> {
        FORMATS.iter().find(|format| format.name == name)
    }
}

/// What a profile wants of its format.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Names of raw fields; the position of a name is its cell's number.
    pub fields: Vec<String>,
    /// Those of `fields` that policies ask for: where an array lies on their way, every element is looked into.
    pub through: BTreeSet<usize>,
    /// Keys of arrays of which every element is a whole record (`Records` of CloudTrail).
    pub records: Vec<String>,
    /// The key of an array of which every element is a record that shares what surrounds the array.
    pub split: Option<String>,
    /// Keys of wrappers, or columns, that hold the record proper.
    pub inside: Vec<String>,
    /// Whether the keys of records compare with the names in any case.
    pub any_case: bool,
    /// What the columns of a field are called, beside the field's own name; the first that there is counts.
    pub columns: BTreeMap<String, Vec<String>>,
    /// The header that holds where a file states none.
    pub header: Option<String>,
}

/// The compiled wish: reads one frame.
pub trait Plan: Send + Sync {
    /// Finds the records of `text` and hands each to `each`, in order. `clipped`: the text is only the beginning of a
    /// frame, and what can be read of it is still a record.
    ///
    /// # Errors
    /// Where nothing more can be read; records handed on before stay true.
    fn decode(
        &self,
        text: &str,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject>;

    /// Hands every value of a record that this plan has decoded to `each`, in order, whether it is asked for or not. `nth`: how many records
    /// of the frame came before it out of the same text ([`Wish::split`]).
    fn held(&self, record: &Record<'_>, nth: usize, each: &mut dyn FnMut(Held<'_>));

    /// By which headers are known, where the format has any.
    fn header_names(&self) -> Option<Arc<HeaderNames>> {
        None
    }

    /// The same plan for what stands behind `header` in its file, where the format has headers.
    fn under(&self, _header: &str) -> Option<Box<dyn Plan>> {
        None
    }

    /// A frame as people read it, where its text alone does not say what it holds: an object of JSON.
    fn shown(&self, _text: &str) -> Option<String> {
        None
    }
}

/// Why a frame, or the rest of it, is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// What is wrong, without a word of the line itself.
    pub reason: &'static str,
    /// Where in the frame.
    pub at: usize,
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {} of the line", self.reason, self.at)
    }
}

impl std::error::Error for Reject {}

/// Where the value of one wanted field lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    kind: Kind,
    at: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Absent,
    Null,
    True,
    False,
    Number,
    /// In the frame's own text.
    Text,
    /// In the arena, its escapes resolved.
    Decoded,
    /// An object or array, as written.
    Nested,
}

/// The value of one wanted field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// The record has no such field.
    Absent,
    /// It is there, and null.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as written: no digit is lost.
    Number(&'a str),
    /// Text, escapes resolved.
    Text(&'a str),
    /// An object or array, as written.
    Nested(&'a str),
}

impl<'a> Raw<'a> {
    /// The value as text; nothing where it is absent, null, or nested.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Raw::Text(text) | Raw::Number(text) => Some(text),
            Raw::Bool(true) => Some("true"),
            Raw::Bool(false) => Some("false"),
            Raw::Absent | Raw::Null | Raw::Nested(_) => None,
        }
    }

    /// Whether there is anything: neither absent nor null.
    pub fn is_present(self) -> bool {
        !matches!(self, Raw::Absent | Raw::Null)
    }
}

/// One record of a frame, while it is looked at.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    text: &'a str,
    arena: &'a str,
    cells: &'a [Cell],
    /// Which record of the frame.
    pub index: u32,
    /// Which act of those that share a text ([`Wish::split`]).
    pub part: u32,
    /// A wanted field occurred twice, or beside a twin that differs in case only; the first one is what counts.
    pub ambiguous: bool,
    /// The frame ended in the middle of this record.
    pub partial: bool,
    /// What only formats with nested values know.
    beyond: Beyond<'a>,
}

/// What a record has beyond one value for each field.
#[derive(Clone, Copy, Default)]
struct Beyond<'a> {
    /// Further values, found within arrays, in the order of the numbers of their fields.
    more: &'a [(usize, Cell)],
    /// Where the record lies in the frame; all of it without.
    span: Option<(usize, usize)>,
}

impl<'a> Record<'a> {
    /// The one record of a frame whose format knows no nested values.
    fn flat(text: &'a str, cells: &'a Cells, ambiguous: bool, partial: bool) -> Record<'a> {
        let (arena, cells) = (cells.arena.as_str(), cells.cells.as_slice());
        Record { text, arena, cells, index: 0, part: 0, ambiguous, partial, beyond: Beyond::default() }
    }

    /// The value of the wanted field of that number.
    pub fn get(&self, field: usize) -> Raw<'a> {
        self.cells.get(field).map_or(Raw::Absent, |cell| self.read(cell))
    }

    /// The values of the wanted field of that number that were found within arrays, in their order.
    pub fn more(&self, field: usize) -> impl Iterator<Item = Raw<'a>> {
        let record = *self;
        let more = self.beyond.more;
        let from = more.partition_point(|(number, _)| *number < field);
        let of_field = more[from..].iter().take_while(move |(number, _)| *number == field);
        of_field.map(move |(_, cell)| record.read(cell))
    }

    /// Where the record lies in the text of the frame.
    pub fn span(&self) -> (usize, usize) {
        self.beyond.span.unwrap_or((0, self.text.len()))
    }

    /// The record as written.
    pub fn written(&self) -> &'a str {
        let (at, end) = self.span();
        self.text.get(at..end).unwrap_or(self.text)
    }

    /// Digest of what it holds, all that it shares with others included: of JSON in whatever order its keys stand.
    pub fn content(&self) -> Digest {
        match self.beyond.span {
            Some(_) => json_content::digest(self.written()),
            None => Digest::of(self.written().trim().as_bytes()),
        }
    }

    /// The same with its escapes resolved, where it is of JSON and has any.
    pub fn resolved(&self) -> Option<String> {
        let text = self.written();
        let escaped = self.beyond.span.is_some() && text.contains('\\');
        escaped.then(|| {
            let mut resolved = String::with_capacity(text.len());
            json_text::unescape(text, &mut resolved);
            resolved
        })
    }

    fn read(&self, cell: &Cell) -> Raw<'a> {
        // Both ends were taken at characters' boundaries of the same text; `get` keeps a mistake here from being a panic.
        let of = |text: &'a str| text.get(cell.at as usize..cell.end as usize).unwrap_or("");
        match cell.kind {
            Kind::Absent => Raw::Absent,
            Kind::Null => Raw::Null,
            Kind::True => Raw::Bool(true),
            Kind::False => Raw::Bool(false),
            Kind::Number => Raw::Number(of(self.text)),
            Kind::Text => Raw::Text(of(self.text)),
            Kind::Decoded => Raw::Text(of(self.arena)),
            Kind::Nested => Raw::Nested(of(self.text)),
        }
    }
}

/// Room that decoding uses again for every frame.
#[derive(Default)]
pub struct Cells {
    cells: Vec<Cell>,
    common: Vec<Cell>,
    /// What was found within arrays, by the number of its field.
    more: Vec<(usize, Cell)>,
    arena: String,
}

impl Cells {
    fn clear(&mut self, fields: usize) {
        self.cells.clear();
        self.cells.resize(fields, Cell::default());
        self.more.clear();
        self.arena.clear();
    }

    /// A record of these values alone, as if a format had read it: what a record of a product could be.
    pub fn made<'a>(&'a mut self, values: impl Iterator<Item = Option<&'a str>>) -> Record<'a> {
        self.clear(0);
        for value in values {
            let at = self.arena.len() as u32;
            self.arena.push_str(value.unwrap_or_default());
            let kind = if value.is_some() { Kind::Decoded } else { Kind::Absent };
            self.cells.push(Cell { kind, at, end: self.arena.len() as u32 });
        }
        Record::flat("", self, false, false)
    }

    /// Adds one of several values of a cell.
    fn add(&mut self, field: usize, kind: Kind, at: usize, end: usize) {
        // with more than this a policy looks into the first ones of a list of objects
        if self.more.len() < MORE {
            self.more.push((field, Cell { kind, at: at as u32, end: end as u32 }));
        }
    }

    /// Whether there may have been more than were taken up.
    fn is_full(&self) -> bool {
        self.more.len() >= MORE
    }

    /// Lets the values of `first` be those of `second` as well.
    fn copy_more(&mut self, first: usize, second: usize) {
        for i in 0..self.more.len() {
            if self.more[i].0 == first && self.more.len() < 2 * MORE {
                self.more.push((second, self.more[i].1));
            }
        }
    }

    /// Whether something was put into a cell.
    fn is_set(&self, field: usize) -> bool {
        self.cells.get(field).is_some_and(|cell| cell.kind != Kind::Absent)
    }

    /// Takes the values that lie in `text` into the arena: the record is shown by another one.
    fn own(&mut self, text: &str) {
        for cell in self.cells.iter_mut().filter(|cell| cell.kind == Kind::Text) {
            let at = self.arena.len();
            self.arena.push_str(text.get(cell.at as usize..cell.end as usize).unwrap_or_default());
            *cell = Cell { kind: Kind::Decoded, at: at as u32, end: self.arena.len() as u32 };
        }
    }

    /// Sets a cell that is still empty; the first value wins.
    fn set(&mut self, field: usize, kind: Kind, at: usize, end: usize) {
        if let Some(cell) = self.cells.get_mut(field)
            && matches!(cell.kind, Kind::Absent | Kind::Null)
        {
            // Formats refuse what is longer than 32 bits can say (`short_enough`); frames are at most 1 MiB long.
            *cell = Cell { kind, at: at as u32, end: end as u32 };
        }
    }
}

/// The most values that one record has within arrays, all its fields together.
const MORE: usize = 16 * ELEMENTS;

fn short_enough(text: &str) -> Result<(), Reject> {
    match u32::try_from(text.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Reject { reason: "longer than 4 GiB", at: 0 }),
    }
}

/// The text of a frame: what is no UTF-8 becomes U+FFFD, a byte order mark and runs of NUL (a power loss leaves them) go.
pub fn frame_text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let mut bytes = bytes;
    loop {
        // Ends: every turn makes `bytes` shorter or leaves the loop.
        bytes = match bytes {
            [0, rest @ ..] | [rest @ .., 0 | b'\r' | b'\n'] => rest,
            [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            _ => break,
        };
    }
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests;
