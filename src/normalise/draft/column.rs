//! [`Column`]: one key of a sample, in how many records it stands and what its values look like.
use super::super::coerce;
use super::super::stamp::{Notation, of_numbers};
use super::words::words;
use crate::decode::Held;
use crate::decode::address::{Origin, Proxies};
use crate::model::Digest;
use crate::model::limits::SAMPLE_VALUES;
use jiff::tz::{Offset, TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// A longer value is looked at for its beginning alone.
const LOOKED_AT: usize = 512;

/// One key.
pub(super) struct Column {
    /// As a profile names it.
    pub name: String,
    /// The words of its last part, and of what stands before that.
    leaf: Vec<String>,
    parents: Vec<String>,
    /// In how many records it stands.
    pub records: usize,
    last: Option<usize>,
    /// How many values it has, lists of values apart.
    pub values: usize,
    /// How many of them, or of its lists, have which shape.
    pub shapes: Shapes,
    /// The values with how often each is there; some are left out where there are too `many`.
    pub known: BTreeMap<String, usize>,
    pub many: bool,
    /// Its values, as long as none comes twice.
    unique: Option<BTreeSet<[u8; 16]>>,
    /// Each is one more than the one before, so far.
    counts: Option<u64>,
}

/// How many values have which shape.
#[derive(Default)]
pub(super) struct Shapes {
    /// By the place of the notation in [`Notation::ALL`].
    pub times: [usize; Notation::ALL.len()],
    /// Of those whose date is three numbers: with points between them, where the day stands first.
    pub dotted: usize,
    /// Times that state no zone.
    pub unzoned: usize,
    pub addresses: usize,
    pub agents: usize,
    pub emails: usize,
    pub numbers: usize,
    /// Numbers with a fraction.
    pub fractions: usize,
    /// Numbers as HTTP has them for how a request ended.
    pub statuses: usize,
    pub booleans: usize,
    pub methods: usize,
    pub paths: usize,
    /// Short texts as programs write them: `user.login`, `Add member to role`.
    pub words: usize,
}

impl Column {
    pub fn new(name: &str) -> Column {
        let last = name.rfind('.').map_or(0, |dot| dot + 1);
        Column {
            name: name.to_owned(),
            leaf: words(&name[last..]),
            parents: words(&name[..last]),
            records: 0,
            last: None,
            values: 0,
            shapes: Shapes::default(),
            known: BTreeMap::new(),
            many: false,
            unique: Some(BTreeSet::new()),
            counts: None,
        }
    }

    /// Takes up a value of the record of that number.
    pub fn add(&mut self, record: usize, held: &Held<'_>) {
        let first = self.last != Some(record);
        self.records += usize::from(first);
        self.last = Some(record);
        let value = coerce::cut(held.value, LOOKED_AT);
        self.shapes.addresses +=
            usize::from(matches!(Proxies::default().origin(value), Origin::From(_)) && !value.contains('/'));
        if held.is_list {
            self.unique = None;
            return;
        }
        self.values += 1;
        self.shapes.add(value);
        let has_room = self.known.len() < SAMPLE_VALUES;
        match self.known.get_mut(value) {
            Some(count) => *count += 1,
            None if has_room => {
                self.known.insert(value.to_owned(), 1);
            }
            None => self.many = true,
        }
        let is_new =
            self.unique.as_mut().is_some_and(|unique| unique.insert(Digest::of(held.value.as_bytes()).short()));
        if !is_new || !first {
            self.unique = None;
        }
        let number = value.parse::<u64>().ok();
        let goes_on = self.values == 1 || (number.is_some() && self.counts == number.and_then(|n| n.checked_sub(1)));
        self.counts = number.filter(|_| goes_on);
    }

    /// No value comes twice.
    pub fn is_unique(&self) -> bool {
        self.unique.is_some() && self.values > 1
    }

    /// Each value is one more than the one before.
    pub fn is_counter(&self) -> bool {
        self.counts.is_some() && self.values > 1
    }

    /// Whether `count` is at least this percentage of its values.
    pub fn mostly(&self, count: usize, percent: usize) -> bool {
        self.values > 0 && count * 100 >= self.values * percent
    }

    /// Its values are text that people or programs chose: neither times, addresses, numbers nor truths.
    pub fn is_text(&self) -> bool {
        let s = &self.shapes;
        let others = s.addresses + s.numbers + s.booleans + s.agents + s.times.iter().max().unwrap_or(&0);
        self.values > 0 && !self.mostly(others, 20)
    }

    /// The notation that most of its values are in, and how many those are.
    pub fn notation(&self) -> (Notation, usize) {
        let counts = Notation::ALL.iter().zip(self.shapes.times).map(|((notation, _), count)| (*notation, count));
        // of equals the first
        let most = counts.rev().max_by_key(|(_, count)| *count).unwrap_or((Notation::Rfc3339, 0));
        match self.is_undecided() && self.mostly(self.shapes.dotted, 50) {
            true => (Notation::DayFirst, most.1),
            false => most,
        }
    }

    /// None of its dates says which of its first two numbers is the day.
    pub fn is_undecided(&self) -> bool {
        let count = |of| Notation::ALL.iter().position(|(known, _)| *known == of).map_or(0, |n| self.shapes.times[n]);
        let (month, day) = (count(Notation::MonthFirst), count(Notation::DayFirst));
        month > 0 && month == day && month == *self.shapes.times.iter().max().unwrap_or(&0)
    }

    /// How clearly its name says one of these words: 4 its last part is one, 3 it is among its words, 1 it stands further up, 0 not.
    pub fn says(&self, known: &[&str]) -> u32 {
        let is = |word: &str| known.contains(&word);
        if is(&self.leaf.concat()) {
            4
        } else if self.leaf.iter().any(|word| is(word)) {
            3
        } else {
            u32::from(self.parents.iter().any(|word| is(word)))
        }
    }

    /// How deep it lies; in a list deeper, for of its elements only one is read.
    pub fn depth(&self) -> u32 {
        let deep = |b| match b {
            b'.' => 1,
            b'[' => 4,
            _ => 0,
        };
        self.name.bytes().map(deep).sum()
    }

    /// Whether a profile can name it.
    pub fn can_be_named(&self) -> bool {
        !self.name.is_empty() && !self.name.contains('|') && !self.name.chars().any(char::is_control)
    }

    /// The name of what it lies in.
    pub fn parent(&self) -> &str {
        self.name.rfind('.').map_or("", |dot| &self.name[..dot])
    }
}

impl Shapes {
    fn add(&mut self, value: &str) {
        let value = value.trim();
        let zone = TimeZone::fixed(Offset::constant(1));
        for (count, (notation, _)) in self.times.iter_mut().zip(Notation::ALL) {
            let time = notation.read(value, &TimeZone::UTC);
            // of numbers only those that are a time of this century are one
            if let Some(time) = time.filter(|time| !notation.is_number() || CENTURY.contains(&time.0)) {
                *count += 1;
                self.unzoned += usize::from(notation.read(value, &zone) != Some(time));
            }
        }
        let one = usize::from;
        self.dotted += one(of_numbers(value).is_some_and(|(mark, ..)| mark == '.'));
        let all = |right: fn(char) -> bool| !value.is_empty() && value.chars().all(right);
        let number = value.parse::<f64>().is_ok_and(f64::is_finite) && all(|c| c.is_ascii_digit() || ".-".contains(c));
        self.numbers += one(number);
        self.fractions += one(number && value.contains('.'));
        self.statuses += one(value.parse::<u16>().is_ok_and(|n| value.len() == 3 && (100..600).contains(&n)));
        self.booleans += one(matches!(value.to_ascii_lowercase().as_str(), "true" | "false"));
        self.methods += one(METHODS.contains(&value));
        self.paths += one(value.starts_with('/'));
        self.emails += one(is_email(value));
        self.agents += one(is_agent(value));
        let of_a_word = |c: char| c.is_alphanumeric() || "_.:- ".contains(c);
        let begins = value.chars().next().is_some_and(char::is_alphabetic);
        self.words += one(begins && value.len() <= 64 && value.chars().all(of_a_word));
    }
}

/// The years 2000 to 2099, in milliseconds.
const CENTURY: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn is_email(value: &str) -> bool {
    let apart = |text: &str| text.contains([' ', '/', '@']);
    value
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !apart(name) && !apart(host))
}

/// `Mozilla/5.0 …`, `curl/8.5.0`: a product and its version.
fn is_agent(value: &str) -> bool {
    let Some((product, rest)) = value.split_once('/') else { return false };
    let named = product.starts_with(|c: char| c.is_ascii_alphabetic())
        && product.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c));
    named && rest.starts_with(|c: char| c.is_ascii_digit()) && product != "HTTP"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, values: &[&str]) -> Column {
        let mut column = Column::new(name);
        for (n, value) in values.iter().enumerate() {
            column.add(n, &Held { name, value, is_list: value.starts_with('['), wanted: None });
        }
        column
    }

    #[test]
    fn values_have_shapes() {
        for (values, notation) in [
            (&["2026-03-01T00:00:00Z"][..], Notation::Rfc3339),
            (&["1775034000"], Notation::EpochSeconds),
            (&["1775034000.25"], Notation::EpochSeconds),
            (&["1775034000123"], Notation::EpochMilliseconds),
            (&["1775034000123456"], Notation::EpochMicroseconds),
            (&["63942253200"], Notation::GregorianSeconds),
            (&["10/Oct/2026:13:55:36 +0000"], Notation::Clf),
            (&["3/1/2026 1:02:03 PM"], Notation::MonthFirst),
            (&["30.11.2026 09:00:00"], Notation::DayFirst),
            (&["03.11.2026 09:00:00"], Notation::DayFirst),
            (&["13/03/2026 14:03"], Notation::DayFirst),
            (&["Wed, 04 Mar 2026 14:03:22 +0000"], Notation::MonthName),
            (&["Mar 30, 2026, 2:03:22 PM"], Notation::MonthName),
        ] {
            assert_eq!(column("t", values).notation(), (notation, 1), "{values:?}");
        }
        assert_eq!(column("t", &["12345", "x"]).notation().1, 0);
        assert_eq!(column("t", &["2026-03-01 00:00:00", "2026-03-01 00:00:00Z"]).shapes.unzoned, 1);
        let shapes = column(
            "x",
            &["192.0.2.1", "[\"192.0.2.1\"]", "ana@provider.example", "curl/8.5.0", "HTTP/1.1", "true", "404", "GET"],
        )
        .shapes;
        assert_eq!((shapes.addresses, shapes.emails, shapes.agents, shapes.booleans), (2, 1, 1, 1));
        assert_eq!((shapes.statuses, shapes.methods, shapes.numbers), (1, 1, 1));
    }

    #[test]
    fn what_comes_once_and_what_counts_is_known() {
        assert!(column("x", &["a", "b"]).is_unique() && !column("x", &["a", "b", "a"]).is_unique());
        assert!(column("x", &["7", "8", "9"]).is_counter() && !column("x", &["7", "9"]).is_counter());
        assert!(column("x", &["ana", "ben"]).is_text() && !column("x", &["1", "2"]).is_text());
        let id = column("actor.userId", &["a"]);
        assert_eq!((id.says(&["userid"]), id.says(&["id"]), id.says(&["actor"]), id.says(&["x"])), (4, 3, 1, 0));
    }
}
