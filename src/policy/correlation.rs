//! Correlations: what is counted, summed or put in order over the events that other rules select.
use super::document::only;
use super::error::{Fault, did_you_mean, quoted};
use super::extension::{self, Absence, Amount, Baseline, Concurrent, NewValue, Risk, Travel};
use super::field::FieldRef;
use super::yaml::{Node, Word};
use crate::model::{Field, Millis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest timespan: a year and a month, to look back over a whole year.
pub const LONGEST: Millis = Millis::DAY.times(400);
/// The most rules that one correlation refers to, and the most fields it groups by.
const MOST: usize = 64;
/// The most fields of a tuple of values.
const TUPLE: usize = 5;

/// What a place is told by. Its coordinates follow from it, unless the trail states them itself.
const PLACE: FieldRef = FieldRef::Known(Field::Prefix);

/// A correlation over other rules. Sigma correlation rules specification 2.1.0, and the types of [`super::extension`].
#[derive(Clone, Debug, PartialEq)]
pub struct Correlation {
    /// Indices into [`super::PolicySet::rules`], in the order of the file.
    pub rules: Vec<usize>,
    /// Events are counted apart for each combination of these. Empty: all together.
    pub group_by: Vec<GroupKey>,
    /// Within how long.
    pub timespan: Millis,
    /// What is looked for.
    pub kind: CorrelationKind,
}

impl Correlation {
    /// Every field that it looks at: what it groups by, what it compares with, and what it counts or adds.
    pub fn fields(&self) -> impl Iterator<Item = FieldRef> {
        let peers = match &self.kind {
            CorrelationKind::Baseline(baseline) => &baseline.peers[..],
            _ => &[],
        };
        let keys = self.group_by.iter().flat_map(|key| &key.fields);
        keys.chain(peers).chain(self.kind.fields()).copied()
    }
}

/// One field to group by, aliases resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKey {
    /// As the policy names it: a field, or an alias.
    pub name: Arc<str>,
    /// The field for each of [`Correlation::rules`].
    pub fields: Vec<FieldRef>,
}

/// What a correlation looks for.
#[derive(Clone, Debug, PartialEq)]
pub enum CorrelationKind {
    /// So many events (`condition`) of the `rules` within `timespan`.
    EventCount(Range),
    /// So many different values (`condition`) of a field, or of a tuple of up to five (`field`).
    ValueCount {
        /// The tuple.
        fields: Vec<FieldRef>,
        /// How many.
        range: Range,
    },
    /// So large a sum (`condition`) of a field's numbers. Decimals (six digits) and negative numbers count.
    ValueSum {
        /// What is summed.
        field: FieldRef,
        /// How much.
        range: Range,
    },
    /// So large a mean (`condition`) of a field's numbers.
    ValueAvg {
        /// What is averaged.
        field: FieldRef,
        /// How much.
        range: Range,
    },
    /// With `percentile` in the condition (50 is the median): that percentile of the field's numbers is held against it. Without it:
    /// the share, in percent, that the event's value has among all values of the group in the timespan, which may be text.
    ValuePercentile {
        /// What is looked at.
        field: FieldRef,
        /// With the key `percentile` (ours; 50 is the median): that percentile of the field's numbers is held against
        /// the range. Without it, as in the specification's example: the share, in percent, that the event's value has
        /// among all values of the group in the timespan.
        percentile: Option<f64>,
        /// How much.
        range: Range,
    },
    /// Events of all of the `rules` within `timespan`, in any order; with a `condition`, of so many different ones. `temporal_ordered`:
    /// in the order of the file.
    Temporal {
        /// In the order of the file.
        ordered: bool,
        /// Of how many different rules; nothing where it is all of them.
        range: Option<Range>,
    },
    /// The entity has not used this value (of one to five `fields`) within `timespan`. Ours.
    NewValue(NewValue),
    /// Two uses lie too far apart for the time between them: nobody travels as fast. Ours.
    Travel(Travel),
    /// A value comes back after another one: two use one session. Ours.
    Concurrent(Concurrent),
    /// An amount is so many times (`condition`) what is usual on a day for the entity, and for its peers. Ours.
    Baseline(Baseline),
    /// So many events (`condition`) of the later `rules`, and none of the first for `timespan`. Ours.
    Absence(Absence),
    /// The weights of all signs that are there add up to `condition`. Ours.
    Risk(Risk),
}

impl CorrelationKind {
    /// The fields whose values it looks at.
    pub fn fields(&self) -> &[FieldRef] {
        use std::slice::from_ref;
        match self {
            CorrelationKind::EventCount(_)
            | CorrelationKind::Temporal { .. }
            | CorrelationKind::Absence(_)
            | CorrelationKind::Risk(_) => &[],
            CorrelationKind::Travel(_) => &[PLACE],
            CorrelationKind::Concurrent(concurrent) => &concurrent.fields,
            CorrelationKind::Baseline(baseline) => match &baseline.measure {
                Amount::Count => &[],
                Amount::Sum(field) => from_ref(field),
                Amount::Distinct(fields) => fields,
            },
            CorrelationKind::ValueCount { fields, .. } => fields,
            CorrelationKind::ValueSum { field, .. }
            | CorrelationKind::ValueAvg { field, .. }
            | CorrelationKind::ValuePercentile { field, .. } => from_ref(field),
            CorrelationKind::NewValue(new) => &new.fields,
        }
    }
}

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

pub(super) const COMPARISONS: &[(&str, Comparison)] = &[
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

/// A length as policies write it: `90m`, one number and one of `s m h d`.
pub(super) fn length(node: &Node, key: &str) -> Result<Millis, Fault> {
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

/// For each alias the rules that it names, each with its field.
pub(super) type Aliases = BTreeMap<String, Vec<(Word, String)>>;

/// The parts of a correlation, its rules and fields still by name.
pub(super) struct Written {
    pub(super) rules: Vec<Word>,
    pub(super) aliases: Aliases,
    pub(super) group_by: Vec<Word>,
    pub(super) timespan: Millis,
    pub(super) kind: WrittenKind,
}

pub(super) enum WrittenKind {
    EventCount(Range),
    Values { sort: ValueSort, fields: Vec<Word>, range: Range, percentile: Option<f64> },
    Temporal { ordered: bool, range: Option<Range> },
    Ours(extension::Written),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueSort {
    Count,
    Sum,
    Avg,
    Percentile,
}

const SHARED: &[&str] = &["type", "rules", "aliases", "group-by", "timespan"];
const TYPES: &[&str] =
    &["event_count", "value_count", "value_sum", "value_avg", "value_percentile", "temporal", "temporal_ordered"];

/// Reads the value of `correlation`.
pub(super) fn read(node: &Node) -> Result<Written, Fault> {
    let map = node.map("correlation")?;
    let need = |key: &str| {
        node.get(key).ok_or_else(|| Fault::at(node.line, format!("the correlation has no {}", quoted(key))))
    };
    let type_node = need("type")?;
    let name = type_node.text("type")?;
    let ours = extension::keys(&name);
    only(map, &[SHARED, ours.unwrap_or(&["condition"])].concat(), &format!("a correlation of type {}", quoted(&name)))?;
    // Sigma demands the key; ours may be about everybody together
    let group_by = match ours {
        Some(_) => node.get("group-by"),
        None => Some(need("group-by")?),
    };
    let timespan_node = need("timespan")?;
    let timespan = length(timespan_node, "timespan")?;
    if timespan.0 == 0 {
        return Err(Fault::at(timespan_node.line, "`timespan` must be longer than nothing"));
    }
    let rules = unique(need("rules")?, "rules", 1)?;
    Ok(Written {
        aliases: aliases(node.get("aliases"))?,
        group_by: group_by.map_or(Ok(Vec::new()), |n| unique(n, "group-by", 0))?,
        timespan,
        kind: kind(node, type_node, &name, &rules)?,
        rules,
    })
}

fn kind(node: &Node, type_node: &Node, name: &str, rules: &[Word]) -> Result<WrittenKind, Fault> {
    let condition = node.get("condition");
    let need = || {
        condition
            .ok_or_else(|| Fault::at(node.line, format!("a correlation of type {} needs a `condition`", quoted(name))))
    };
    let values = |sort| {
        let condition = need()?;
        let field = condition.get("field");
        let field = field
            .ok_or_else(|| Fault::at(condition.line, format!("the condition of {} needs a `field`", quoted(name))))?;
        let fields = tuple(field, "field")?;
        if sort != ValueSort::Count && fields.len() > 1 {
            return Err(Fault::at(field.line, format!("{} takes one field", quoted(name))));
        }
        let percentile = condition.get("percentile").map(percentile).transpose()?;
        let keys: &[&str] = if sort == ValueSort::Percentile { &["field", "percentile"] } else { &["field"] };
        Ok(WrittenKind::Values { sort, fields, range: range(condition, keys)?, percentile })
    };
    match name {
        "event_count" => Ok(WrittenKind::EventCount(range(need()?, &[])?)),
        "value_count" => values(ValueSort::Count),
        "value_sum" => values(ValueSort::Sum),
        "value_avg" => values(ValueSort::Avg),
        "value_percentile" => values(ValueSort::Percentile),
        "temporal" | "temporal_ordered" => Ok(WrittenKind::Temporal {
            ordered: name == "temporal_ordered",
            range: condition.map(|c| range(c, &[])).transpose()?,
        }),
        _ => match extension::read(name, node, rules) {
            Some(read) => read.map(WrittenKind::Ours),
            None => {
                let near = did_you_mean(name, TYPES.iter().chain(extension::TYPES).copied());
                Err(Fault::at(type_node.line, format!("there is no correlation type {}{near}", quoted(name))))
            }
        },
    }
}

fn percentile(node: &Node) -> Result<f64, Fault> {
    let n = node.number("percentile")?;
    match (0.0..=100.0).contains(&n) {
        true => Ok(n),
        false => Err(Fault::at(node.line, "`percentile` must lie between 0 and 100")),
    }
}

pub(super) fn range(node: &Node, others: &[&str]) -> Result<Range, Fault> {
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

pub(super) fn tuple(node: &Node, key: &str) -> Result<Vec<Word>, Fault> {
    let fields = unique(node, key, 1)?;
    match fields.len() > TUPLE {
        true => Err(Fault::at(node.line, format!("{} may name {TUPLE} fields", quoted(key)))),
        false => Ok(fields),
    }
}

fn unique(node: &Node, key: &str, least: usize) -> Result<Vec<Word>, Fault> {
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

fn aliases(node: Option<&Node>) -> Result<Aliases, Fault> {
    let mut out = BTreeMap::new();
    for (alias, fields) in node.map_or(Ok(&[][..]), |n| n.map("aliases"))? {
        let mut of_rule = Vec::new();
        for (rule, field) in fields.map(&alias.text)? {
            of_rule.push((rule.clone(), field.text(&rule.text)?));
        }
        out.insert(alias.text.clone(), of_rule);
    }
    Ok(out)
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
