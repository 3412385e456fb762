//! Bounds, lengths and lists, as the terms of correlations have them.
use super::error::{Fault, quoted};
use super::yaml::{Node, Word, only};
use crate::model::Millis;

/// The longest timespan: a year and a month, to look back over a whole year.
pub const LONGEST: Millis = Millis::DAY.times(400);
/// The most rules that one correlation refers to, and the most fields it groups by.
const MOST: usize = 64;
/// The most fields of a tuple of values.
const TUPLE: usize = 5;

/// A comparison of Sigma's correlation conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// More than.
    Gt,
    /// At least.
    Gte,
    /// Less than.
    Lt,
    /// At most.
    Lte,
    /// Exactly.
    Eq,
    /// Anything but.
    Neq,
}

pub(crate) const COMPARISONS: &[(&str, Comparison)] = &[
    ("gt", Comparison::Gt),
    ("gte", Comparison::Gte),
    ("lt", Comparison::Lt),
    ("lte", Comparison::Lte),
    ("eq", Comparison::Eq),
    ("neq", Comparison::Neq),
];

/// Bounds that must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The bounds, in the order of [`Comparison`].
    pub bounds: Vec<(Comparison, f64)>,
}

impl Range {
    /// Whether `value` lies within. Whole numbers are exact up to 2^53.
    pub fn holds(&self, value: f64) -> bool {
        self.bounds.iter().all(|(comparison, bound)| match comparison {
            Comparison::Gt => value > *bound,
            Comparison::Gte => value >= *bound,
            Comparison::Lt => value < *bound,
            Comparison::Lte => value <= *bound,
            Comparison::Eq => value == *bound,
            Comparison::Neq => value != *bound,
        })
    }

    /// Whether it can hold for some value from `least` to `most`; `whole` where only whole numbers come.
    pub fn can_hold(&self, least: f64, most: f64, whole: bool) -> bool {
        let (mut low, mut high) = ((least, true), (most, true));
        for (comparison, bound) in &self.bounds {
            let bound = *bound;
            match comparison {
                Comparison::Gt if whole => low = above(low, (bound.floor() + 1.0, true)),
                Comparison::Gt => low = above(low, (bound, false)),
                Comparison::Gte => low = above(low, (if whole { bound.ceil() } else { bound }, true)),
                Comparison::Lt if whole => high = below(high, (bound.ceil() - 1.0, true)),
                Comparison::Lt => high = below(high, (bound, false)),
                Comparison::Lte => high = below(high, (if whole { bound.floor() } else { bound }, true)),
                Comparison::Eq => (low, high) = (above(low, (bound, true)), below(high, (bound, true))),
                Comparison::Neq => {}
            }
        }
        let other = |bound: &(Comparison, f64)| *bound != (Comparison::Neq, low.0);
        let fraction = whole && low.0 == high.0 && low.0.fract() != 0.0;
        match low.0.total_cmp(&high.0) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => low.1 && high.1 && !fraction && self.bounds.iter().all(other),
            std::cmp::Ordering::Greater => false,
        }
    }

    /// Whether what holds goes on holding as the value grows.
    pub fn only_from_below(&self) -> bool {
        let below = |(c, _): &(Comparison, f64)| matches!(c, Comparison::Gt | Comparison::Gte);
        self.bounds.iter().all(below)
    }

    /// The smallest whole number from which it may hold, for what can stop counting there: nothing where large numbers
    /// are told apart.
    pub fn enough(&self) -> Option<u64> {
        let from = |(c, bound): &(Comparison, f64)| match c {
            Comparison::Gt => bound.floor() + 1.0,
            _ => bound.ceil(),
        };
        let most = self.bounds.iter().map(from).fold(0.0, f64::max);
        self.only_from_below().then_some(most as u64)
    }
}

/// An end of a range, and whether the end itself is in it.
type End = (f64, bool);

/// The stricter of two lower ends.
fn above(a: End, b: End) -> End {
    if b.0 > a.0 || (b.0 == a.0 && !b.1) { b } else { a }
}

/// The stricter of two upper ends.
fn below(a: End, b: End) -> End {
    if b.0 < a.0 || (b.0 == a.0 && !b.1) { b } else { a }
}

impl std::fmt::Display for Range {
    /// For a person: `at least 10 and at most 20`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (comparison, bound)) in self.bounds.iter().enumerate() {
            let words = match comparison {
                Comparison::Gt => "more than",
                Comparison::Gte => "at least",
                Comparison::Lt => "less than",
                Comparison::Lte => "at most",
                Comparison::Eq => "exactly",
                Comparison::Neq => "other than",
            };
            let and = if i > 0 { " and " } else { "" };
            write!(f, "{and}{words} {bound}")?;
        }
        Ok(())
    }
}

impl Range {
    /// What is not within, for a person: where it holds for `at least 3`, this says `fewer than 3`.
    pub fn otherwise(&self) -> String {
        let words = self.bounds.iter().map(|(comparison, bound)| {
            let words = match comparison {
                Comparison::Gt => "at most",
                Comparison::Gte => "fewer than",
                Comparison::Lt => "at least",
                Comparison::Lte => "more than",
                Comparison::Eq => "other than",
                Comparison::Neq => "exactly",
            };
            format!("{words} {bound}")
        });
        words.collect::<Vec<_>>().join(" or ")
    }

    /// Whether a single one is enough, and more never too many.
    pub fn one_is_enough(&self) -> bool {
        self.only_from_below() && self.holds(1.0)
    }
}

/// A length as policies write it: `90m`, one number and one of `s m h d`.
pub(crate) fn length(node: &Node, key: &str) -> Result<Millis, Fault> {
    let text = node.text(key)?;
    let units = [("s", Millis::SECOND), ("m", Millis::MINUTE), ("h", Millis::HOUR), ("d", Millis::DAY)];
    let parts = units.iter().find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, *unit)));
    let (digits, unit) = parts.unwrap_or(("", Millis(0)));
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse::<u32>().ok().filter(|_| plain);
    match number.map(|n| unit.times(n.into())) {
        Some(length) if unit.0 > 0 && length <= LONGEST => Ok(length),
        Some(_) if unit.0 > 0 => Err(Fault::at(node.line, format!("{} may be 400d at most", quoted(key)))),
        _ => Err(Fault::at(
            node.line,
            format!("{} must be a number and one of s, m, h, d, as `90m`, and is {}", quoted(key), quoted(&text)),
        )),
    }
}

/// A length, whole: `14d5m`, or `0m`.
pub fn length_text(length: Millis) -> String {
    let mut rest = length.0.abs();
    let mut text = String::from(if length.0 < 0 { "-" } else { "" });
    for (letter, unit) in [("d", Millis::DAY.0), ("h", Millis::HOUR.0), ("m", Millis::MINUTE.0), ("s", 1000)] {
        if rest >= unit {
            text += &format!("{}{letter}", rest / unit);
            rest %= unit;
        }
    }
    if rest > 0 {
        text + &format!("{rest}ms")
    } else if length.0 == 0 {
        "0m".into()
    } else {
        text
    }
}

pub(crate) fn range(node: &Node, others: &[&str]) -> Result<Range, Fault> {
    let map = node.map("condition")?;
    let names = COMPARISONS.iter().map(|(n, _)| *n);
    let known: Vec<&str> = names.chain(others.iter().copied()).collect();
    only(map, &known, "the condition of a correlation")?;
    let mut bounds = Vec::new();
    for (name, comparison) in COMPARISONS {
        if let Some(bound) = node.get(name) {
            bounds.push((*comparison, bound.number(name)?));
        }
    }
    match bounds.is_empty() {
        true => Err(Fault::at(node.line, "the condition compares nothing: give it one of gt, gte, lt, lte, eq, neq")),
        false => Ok(Range { bounds }),
    }
}

pub(crate) fn tuple(node: &Node, key: &str) -> Result<Vec<Word>, Fault> {
    let fields = unique(node, key, 1)?;
    match fields.len() > TUPLE {
        true => Err(Fault::at(node.line, format!("{} may name {TUPLE} fields", quoted(key)))),
        false => Ok(fields),
    }
}

pub(crate) fn unique(node: &Node, key: &str, least: usize) -> Result<Vec<Word>, Fault> {
    let texts = node.texts(key)?;
    if texts.len() < least || texts.len() > MOST {
        return Err(Fault::at(node.line, format!("{} must have {least} to {MOST} entries", quoted(key))));
    }
    for (i, word) in texts.iter().enumerate() {
        if texts[..i].iter().any(|before| before.text == word.text) {
            return Err(Fault::at(word.line, format!("{} stands twice in {}", quoted(&word.text), quoted(key))));
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_nothing_can_meet_are_told() {
        let of = |bounds: &[(Comparison, f64)]| Range { bounds: bounds.to_vec() };
        let most = f64::INFINITY;
        for (bounds, whole, can) in [
            (&[(Comparison::Lt, 0.0)][..], true, false),
            (&[(Comparison::Lt, 1.0)], true, false),
            (&[(Comparison::Lt, 1.5)], true, true),
            (&[(Comparison::Gte, 12.0), (Comparison::Lt, 3.0)], true, false),
            (&[(Comparison::Gt, 3.0), (Comparison::Lt, 4.0)], true, false),
            (&[(Comparison::Gt, 3.0), (Comparison::Lt, 4.0)], false, true),
            (&[(Comparison::Eq, 2.5)], true, false),
            (&[(Comparison::Eq, 2.0)], true, true),
            (&[(Comparison::Gte, 2.0), (Comparison::Lte, 2.0), (Comparison::Neq, 2.0)], true, false),
            (&[(Comparison::Neq, 2.0)], true, true),
        ] {
            assert_eq!(of(bounds).can_hold(1.0, most, whole), can, "{bounds:?} {whole}");
        }
        assert!(!of(&[(Comparison::Gt, 100.0)]).can_hold(0.0, 100.0, false));
        assert!(of(&[(Comparison::Gte, 100.0)]).can_hold(0.0, 100.0, false));
    }

    #[test]
    fn ranges_hold_where_all_their_bounds_do() {
        let range = Range { bounds: vec![(Comparison::Gt, 100.0), (Comparison::Lte, 200.0)] };
        assert!(!range.holds(100.0) && range.holds(101.0) && range.holds(200.0) && !range.holds(201.0));
        assert!(!range.only_from_below());
        assert_eq!(range.to_string(), "more than 100 and at most 200");
        let open = Range { bounds: vec![(Comparison::Gt, 9.0)] };
        assert_eq!((open.enough(), range.enough()), (Some(10), None));
    }
}
