//! Raw field names with steps behind them, and conditions on raw fields: compiled against the cells of a record.
//!
//! | step             | what it does                                             |
//! | ---------------- | -------------------------------------------------------- |
//! | `first` `last`   | of a list parted by commas or spaces                     |
//! | `before:TEXT`    | what stands before the first TEXT; all of it without one |
//! | `after:TEXT`     | what stands behind the first TEXT; nothing without one   |
//! | `after_last:TEXT`| what stands behind the last TEXT; all of it without one  |
//! | `lower`          | in small letters                                         |
//! | `seconds`        | seconds with a fraction, as milliseconds                 |
//! | `json:KEY`       | of a text that is a JSON object, the text or number under KEY |
use super::coerce;
use super::path;
use super::pattern::{Captured, Pattern};
use super::written::{Match, OneOrMore, When};
use crate::decode::{Raw, Record, access};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The raw names that a profile uses; a name's position is its cell's number.
#[derive(Default)]
pub(super) struct Names(pub Vec<String>);

impl Names {
    pub fn cell(&mut self, name: &str) -> usize {
        self.0.iter().position(|n| n == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }
}

#[derive(Debug)]
enum Step {
    First,
    Last,
    Before(Box<str>),
    After(Box<str>),
    AfterLast(Box<str>),
    Lower,
    Seconds,
    Json(Box<str>),
}

/// One raw field, and what is done with its value.
#[derive(Debug)]
pub(super) struct Getter {
    cell: usize,
    steps: Vec<Step>,
}

impl Getter {
    pub fn new(text: &str, names: &mut Names) -> Result<Getter, String> {
        let mut parts = text.split('|');
        let cell = names.cell(parts.next().unwrap_or(""));
        let steps = parts
            .map(|step| match step.split_once(':') {
                None if step == "first" => Ok(Step::First),
                None if step == "last" => Ok(Step::Last),
                None if step == "lower" => Ok(Step::Lower),
                None if step == "seconds" => Ok(Step::Seconds),
                Some(("before", text)) => Ok(Step::Before(text.into())),
                Some(("after", text)) => Ok(Step::After(text.into())),
                Some(("after_last", text)) => Ok(Step::AfterLast(text.into())),
                Some(("json", key)) => Ok(Step::Json(key.into())),
                _ => Err(format!(
                    "{step:?} is no step; there are first, last, before:, after:, after_last:, lower, seconds, json:"
                )),
            })
            .collect::<Result<_, _>>()?;
        Ok(Getter { cell, steps })
    }

    pub fn all(list: &OneOrMore, names: &mut Names) -> Result<Vec<Getter>, String> {
        list.as_slice().iter().map(|text| Getter::new(text, names)).collect()
    }

    /// The number of its raw field.
    pub fn cell(&self) -> usize {
        self.cell
    }

    /// What a raw text has to be, so that `wanted` is got from it; `raw` is what else is got from the same field.
    pub fn invert(&self, wanted: &str, raw: &str) -> String {
        self.steps.iter().rev().fold(wanted.to_owned(), |value, step| match step {
            Step::First | Step::Last | Step::Before(_) | Step::AfterLast(_) | Step::Lower => value,
            Step::After(mark) => format!("{mark}{value}"),
            Step::Seconds => value.parse::<f64>().map_or(value, |ms| format!("{:.3}", ms / 1000.0)),
            Step::Json(key) => {
                let mut object: serde_json::Map<_, _> = serde_json::from_str(raw).unwrap_or_default();
                object.insert(key.to_string(), value.into());
                serde_json::Value::Object(object).to_string()
            }
        })
    }

    /// What is got from a raw text; nothing where it is empty.
    pub fn of<'r>(&self, text: &'r str) -> Option<Cow<'r, str>> {
        let mut value = Cow::Borrowed(text);
        for step in &self.steps {
            value = match value {
                Cow::Borrowed(text) => step.on(text)?,
                Cow::Owned(text) => Cow::Owned(step.on(&text)?.into_owned()),
            };
        }
        (!value.is_empty()).then_some(value)
    }

    pub fn is_present(&self, record: &Record<'_>) -> bool {
        record.get(self.cell).is_present()
    }

    /// The value; nothing where it is absent, null, nested or empty.
    pub fn get<'r>(&self, record: &Record<'r>) -> Option<Cow<'r, str>> {
        self.of(record.get(self.cell).text()?)
    }
}

/// The first present value of a list of getters.
pub(super) fn first<'r>(list: &[Getter], record: &Record<'r>) -> Option<Cow<'r, str>> {
    list.iter().find_map(|getter| getter.get(record))
}

/// The first present JSON array of a list of getters, as written.
pub(super) fn first_array<'r>(list: &[Getter], record: &Record<'r>) -> Option<Cow<'r, str>> {
    list.iter().find_map(|getter| match record.get(getter.cell) {
        Raw::Nested(text) if text.starts_with('[') => Some(Cow::Borrowed(text)),
        _ => None,
    })
}

impl Step {
    fn on<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        let parted = |c: char| c == ',' || c == ' ';
        Some(Cow::Borrowed(match self {
            Step::First => text.split(parted).find(|part| !part.is_empty())?,
            Step::Last => text.rsplit(parted).find(|part| !part.is_empty())?,
            Step::Before(mark) => text.split_once(&**mark).map_or(text, |(before, _)| before),
            Step::After(mark) => text.split_once(&**mark)?.1,
            Step::AfterLast(mark) => text.rsplit_once(&**mark).map_or(text, |(_, after)| after),
            Step::Lower if text.bytes().any(|b| b.is_ascii_uppercase()) => {
                return Some(Cow::Owned(text.to_lowercase()));
            }
            Step::Lower => text,
            Step::Json(key) => return json_member(text, key).map(Cow::Owned),
            Step::Seconds => return Some(Cow::Owned(coerce::seconds_as_ms(text)?.to_string())),
        }))
    }
}

/// What stands before a raw field in a condition that means it alone, though the profile reads a field of the event from others too.
pub(super) const ALONE: &str = "raw:";

/// A text or number in a text that is a JSON object.
fn json_member(text: &str, key: &str) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    match object.get(key)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Compiled conditions, all of which must hold. Each is on one raw field, or on a field of the event under all names that the
/// profile reads it from.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    getters: Vec<Getter>,
    test: Test,
    /// Where it is on the path of a request: how that stands there.
    path: Option<path::Form>,
}

#[derive(Debug)]
pub(super) enum Test {
    Present,
    Absent,
    Fits(Vec<Pattern>),
    FitsNot(Vec<Pattern>),
}

impl Conditions {
    /// Compiles `when`; captures are numbered in `captures`, as (name, getter's place among the conditions). `fields` is what the
    /// profile reads the event's fields from, and of `paths` are those raw fields that hold the path of a request.
    ///
    /// # Errors
    /// A pattern or step is none.
    pub fn new(
        when: &When,
        fields: &BTreeMap<String, OneOrMore>,
        paths: &Paths,
        names: &mut Names,
        captures: &mut Vec<String>,
    ) -> Result<Conditions, String> {
        let mut list = Vec::with_capacity(when.len());
        for (raw, test) in when {
            let path = paths.form(raw).filter(|_| !test.texts().iter().any(|text| path::is_verbatim(text)));
            let pattern = if path.is_some() { Pattern::folded } else { Pattern::new };
            let mut patterns =
                |texts: &[String]| texts.iter().map(|t| pattern(t, captures)).collect::<Result<Vec<_>, _>>();
            let test = match test {
                Match::Present(true) => Test::Present,
                Match::Present(false) => Test::Absent,
                Match::Number(n) => Test::Fits(patterns(&[n.to_string()])?),
                Match::Text(text) => Test::Fits(patterns(std::slice::from_ref(text))?),
                Match::Any(texts) => Test::Fits(patterns(texts)?),
                Match::Not { not } => Test::FitsNot(patterns(not.as_slice())?),
            };
            let test = match test {
                Test::Fits(patterns) if patterns.iter().any(Pattern::is_any) => Test::Present,
                test => test,
            };
            let getters = match fields.get(raw) {
                Some(spellings) => Getter::all(spellings, names)?,
                None => vec![Getter::new(raw.strip_prefix(ALONE).unwrap_or(raw), names)?],
            };
            list.push(Condition { getters, test, path });
        }
        Ok(Conditions(list))
    }

    /// How many conditions there are: the more, the more specific.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each with what it is on.
    pub fn each(&self) -> impl Iterator<Item = (&[Getter], &Test)> {
        self.0.iter().map(|condition| (&condition.getters[..], &condition.test))
    }

    /// Whether all hold. What a cut record lacks may have stood behind the cut: no condition holds by its absence. What a pattern
    /// captured is in `captured`.
    pub fn hold<'r>(&self, record: &Record<'r>, captured: &mut Taken<'r>) -> bool {
        let is_present = |getters: &[Getter]| getters.iter().any(|getter| getter.is_present(record));
        self.0.iter().all(|Condition { getters, test, path }| match test {
            Test::Present => is_present(getters),
            Test::Absent => !record.partial && !is_present(getters),
            Test::Fits(patterns) => first(getters, record).is_some_and(|value| match path {
                None => fits(patterns, &value, captured),
                Some(form) => fits_path(patterns, &value, *form, captured),
            }),
            Test::FitsNot(patterns) => match first(getters, record) {
                Some(value) => match path {
                    None => !patterns.iter().any(|p| p.fits_only(&value)),
                    Some(form) => path::fits(patterns, &value, *form, &mut Captured::new()).is_none(),
                },
                None => !record.partial,
            },
        })
    }

    /// Whether one is on the path of a request.
    pub fn name_a_path(&self) -> bool {
        self.0.iter().any(|condition| condition.path.is_some())
    }
}

/// The names of the raw fields that hold the path of a request.
pub(super) struct Paths(Vec<String>);

impl Paths {
    /// In records of the format of that name, with what the profile reads the event's fields from.
    pub fn of(format: &str, fields: &BTreeMap<String, OneOrMore>) -> Paths {
        let known = if format == access::FORMAT.name { &access::PATHS[..] } else { &[] };
        let read = fields.get(path::FIELD).map_or(&[][..], OneOrMore::as_slice);
        let own = std::iter::once(path::FIELD).chain(known.iter().copied());
        Paths(own.chain(read.iter().map(String::as_str)).map(|name| without_query(name).to_owned()).collect())
    }

    /// How a path stands in what a condition names.
    fn form(&self, raw: &str) -> Option<path::Form> {
        let name = without_query(raw.strip_prefix(ALONE).unwrap_or(raw));
        let is_cut = || self.0.iter().any(|of| access::PATHS.contains(&of.as_str()));
        let is_path = self.0.iter().any(|of| of == name);
        is_path.then(|| match name == path::FIELD || access::PATHS.contains(&name) {
            true if is_cut() => path::Form::Cut,
            _ => path::Form::Asked,
        })
    }
}

/// A raw field and its steps, but for the one that cuts a query off.
fn without_query(getter: &str) -> &str {
    getter.strip_suffix("|before:?").unwrap_or(getter)
}

// `Cow`, for what a capture takes lives as long as what it was taken from.
#[allow(clippy::ptr_arg)]
fn fits<'r>(patterns: &[Pattern], value: &Cow<'r, str>, taken: &mut Taken<'r>) -> bool {
    patterns.iter().any(|pattern| match pattern {
        Pattern::Exact(text) => **text == **value,
        Pattern::Pieces(_) => {
            taken.bounds.clear();
            let fits = pattern.fits(value, &mut taken.bounds);
            if fits {
                taken.keep(value);
            }
            fits
        }
    })
}

// `Cow`, for what a capture takes lives as long as what it was taken from.
#[allow(clippy::ptr_arg)]
fn fits_path<'r>(patterns: &[Pattern], value: &Cow<'r, str>, form: path::Form, taken: &mut Taken<'r>) -> bool {
    let read = match value {
        Cow::Borrowed(text) => path::fits(patterns, text, form, &mut taken.bounds),
        Cow::Owned(text) => {
            path::fits(patterns, text, form, &mut taken.bounds).map(|read| Cow::Owned(read.into_owned()))
        }
    };
    if let Some(read) = &read {
        taken.keep(read);
    }
    read.is_some()
}

/// What the captures of one rule took.
#[derive(Default)]
pub(super) struct Taken<'r> {
    bounds: Captured,
    values: Vec<Option<Cow<'r, str>>>,
}

impl<'r> Taken<'r> {
    // `Cow`, for what is kept lives as long as what it was taken from.
    #[allow(clippy::ptr_arg)]
    fn keep(&mut self, value: &Cow<'r, str>) {
        for (n, bounds) in self.bounds.iter().enumerate() {
            let Some((at, end)) = bounds else { continue };
            if self.values.len() <= n {
                self.values.resize(n + 1, None);
            }
            let range = *at as usize..*end as usize;
            self.values[n] = match value {
                Cow::Borrowed(text) => text.get(range).map(Cow::Borrowed),
                Cow::Owned(text) => text.get(range).map(|t| Cow::Owned(t.to_owned())),
            };
        }
    }

    pub fn get(&self, n: usize) -> Option<Cow<'r, str>> {
        self.values.get(n).cloned().flatten()
    }
}
