//! Raw field names with steps behind them, and conditions on raw fields: compiled against the cells of a record.
//!
//! | step             | what it does                                             |
//! | ---------------- | -------------------------------------------------------- |
//! | `first` `last`   | of a list parted by commas or spaces                     |
//! | `before:TEXT`    | what stands before the first TEXT; all of it without one |
//! | `after:TEXT`     | what stands behind the first TEXT; nothing without one   |
//! | `after_last:TEXT`| what stands behind the last TEXT; all of it without one  |
//! | `first_public`   | the first address of a list that is not private; else the first |
//! | `lower`          | in small letters                                         |
//! | `seconds`        | seconds with a fraction, as milliseconds                 |
use super::coerce;
use super::pattern::{Captured, Pattern};
use super::written::{Match, OneOrMore, When};
use crate::decode::Record;
use std::borrow::Cow;

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
    FirstPublic,
    Lower,
    Seconds,
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
                None if step == "first_public" => Ok(Step::FirstPublic),
                None if step == "lower" => Ok(Step::Lower),
                None if step == "seconds" => Ok(Step::Seconds),
                Some(("before", text)) => Ok(Step::Before(text.into())),
                Some(("after", text)) => Ok(Step::After(text.into())),
                Some(("after_last", text)) => Ok(Step::AfterLast(text.into())),
                _ => Err(format!("{step:?} is no step; there are first, last, first_public, before:, after:, after_last:, lower, seconds")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Getter { cell, steps })
    }

    pub fn all(list: &OneOrMore, names: &mut Names) -> Result<Vec<Getter>, String> {
        list.as_slice().iter().map(|text| Getter::new(text, names)).collect()
    }

    pub fn is_present(&self, record: &Record<'_>) -> bool {
        record.get(self.cell).is_present()
    }

    /// The value; nothing where it is absent, null, nested or empty.
    pub fn get<'r>(&self, record: &Record<'r>) -> Option<Cow<'r, str>> {
        let text = record.get(self.cell).text()?;
        let mut value = Cow::Borrowed(text);
        for step in &self.steps {
            value = match value {
                Cow::Borrowed(text) => step.on(text)?,
                Cow::Owned(text) => Cow::Owned(step.on(&text)?.into_owned()),
            };
        }
        (!value.is_empty()).then_some(value)
    }
}

/// The first present value of a list of getters.
pub(super) fn first<'r>(list: &[Getter], record: &Record<'r>) -> Option<Cow<'r, str>> {
    list.iter().find_map(|getter| getter.get(record))
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
            Step::FirstPublic => coerce::first_public(text)?,
            Step::Lower if text.bytes().any(|b| b.is_ascii_uppercase()) => {
                return Some(Cow::Owned(text.to_lowercase()));
            }
            Step::Lower => text,
            Step::Seconds => return Some(Cow::Owned(coerce::seconds_as_ms(text)?.to_string())),
        }))
    }
}

/// Compiled conditions, all of which must hold.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<(Getter, Test)>);

#[derive(Debug)]
enum Test {
    Present,
    Absent,
    Fits(Vec<Pattern>),
    FitsNot(Vec<Pattern>),
}

impl Conditions {
    /// Compiles `when`; captures are numbered in `captures`, as (name, getter's place among the conditions).
    pub fn new(when: &When, names: &mut Names, captures: &mut Vec<String>) -> Result<Conditions, String> {
        let mut list = Vec::with_capacity(when.len());
        for (raw, test) in when {
            let mut patterns =
                |texts: &[String]| texts.iter().map(|t| Pattern::new(t, captures)).collect::<Result<Vec<_>, _>>();
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
            list.push((Getter::new(raw, names)?, test));
        }
        Ok(Conditions(list))
    }

    /// How many conditions there are: the more, the more specific.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all hold. What a pattern captured is in `captured`.
    pub fn hold<'r>(&self, record: &Record<'r>, captured: &mut Taken<'r>) -> bool {
        self.0.iter().all(|(getter, test)| match test {
            Test::Present => getter.is_present(record),
            Test::Absent => !getter.is_present(record),
            Test::Fits(patterns) => getter.get(record).is_some_and(|value| fits(patterns, &value, captured)),
            Test::FitsNot(patterns) => {
                !getter.get(record).is_some_and(|value| patterns.iter().any(|p| p.fits_only(&value)))
            }
        })
    }
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
