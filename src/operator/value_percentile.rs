//! `value_percentile`: how large a percentile of the numbers is, or how frequent a value.
use super::hindsight::Hindsight;
use super::terms::{condition, digest_range, one, value};
use super::window::{Entry, Window};
use super::windowed::{Windowed, decimal, evaluate_alone, says_condition, shown_value, unless_condition};
use super::{Bounds, Contribution, Evaluation, Naming, Reads, Resolve, Terms, Words, amount};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};

/// With `percentile`: that percentile of a field's numbers. Without it, as in the specification's example: the share, in percent, that
/// the event's value has among all values of the group in the timespan.
#[derive(Clone, Debug, PartialEq)]
pub struct ValuePercentile<F = FieldRef> {
    /// What is looked at.
    pub field: F,
    /// Which percentile (the key is ours; 50 is the median).
    pub percentile: Option<f64>,
    /// How much.
    pub range: Range,
}

impl ValuePercentile<Word> {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValuePercentile<Word>, Fault> {
        let percentile = condition(node, name)?.get("percentile").map(percentile).transpose()?;
        let (field, range) = value(node, name, &["percentile"])?;
        Ok(ValuePercentile { field, percentile, range })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValuePercentile, Fault> {
        let field = one(&self.field, fields)?;
        Ok(ValuePercentile { field, percentile: self.percentile, range: self.range.clone() })
    }
}

fn percentile(node: &Node) -> Result<f64, Fault> {
    let n = node.number("percentile")?;
    match (0.0..=100.0).contains(&n) {
        true => Ok(n),
        false => Err(Fault::at(node.line, "`percentile` must lie between 0 and 100")),
    }
}

impl Terms for ValuePercentile {
    fn fields(&self) -> &[FieldRef] {
        std::slice::from_ref(&self.field)
    }

    fn reads(&self) -> Reads<'_> {
        match self.percentile {
            // the share that a value has, which need be no number
            None => Reads { value: self.fields(), ..Reads::default() },
            Some(_) => Reads::default(),
        }
    }

    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        let (range, endless) = (&self.range, f64::INFINITY);
        Some(match self.percentile {
            Some(_) => Bounds { range, what: "percentile", least: -endless, most: endless, whole: true },
            None => Bounds { range, what: "share in percent", least: 0.0, most: 100.0, whole: false },
        })
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        let parts = match self.percentile {
            Some(_) => parts.part(b"value_percentile 2"),
            // what is kept of an event is another thing: its value, and not an amount
            None => parts.part(b"value_percentile share"),
        };
        parts.part(&name(&self.field))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        let parts = match self.percentile {
            Some(percentile) => parts.part(&percentile.to_le_bytes()),
            None => parts,
        };
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        says_condition(self.fields(), words)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        unless_condition(self.fields(), words)
    }
}

impl Hindsight for ValuePercentile {}

impl Windowed for ValuePercentile {
    fn contribution(&self, contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        match self.percentile {
            None => shown_value(contribution),
            Some(_) => Some((amount::amount(contribution.event, &self.field)?, 0)),
        }
    }

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        let entries = window.within(at, span);
        match self.percentile {
            Some(p) => self.range.holds(percentile_of(entries, p)),
            None => shares_at(entries, at).iter().any(|share| self.range.holds(*share)),
        }
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let (entries, name, span) = (window.within(at, words.span), words.field(&self.field), words.span());
        match self.percentile {
            Some(p) => decimal(format!("percentile {p} of {name} in {span}"), percentile_of(entries, p), &self.range),
            None => {
                let shares = shares_at(entries, at);
                let held = shares.iter().find(|share| self.range.holds(**share)).or(shares.first());
                let what = format!("percent of the values of {name} in {span} that are this one");
                decimal(what, held.copied().unwrap_or_default(), &self.range)
            }
        }
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        evaluate_alone(window, at, words)
    }
}

/// That percentile of the amounts, by nearest rank.
fn percentile_of(entries: &[Entry], percentile: f64) -> f64 {
    let mut amounts: Vec<i128> = entries.iter().map(|e| e.amount).collect();
    if amounts.is_empty() {
        return 0.0;
    }
    let rank = (amounts.len() as f64 * percentile / 100.0).ceil() as usize;
    amounts.sort_unstable();
    amount::number(amounts[rank.clamp(1, amounts.len()) - 1])
}

/// For each value that came at the time `at`: in percent, how many of the entries have that value.
fn shares_at(entries: &[Entry], at: EventTime) -> Vec<f64> {
    let share = |value: u64| 100.0 * entries.iter().filter(|e| e.value == value).count() as f64 / entries.len() as f64;
    let mut values: Vec<u64> = entries.iter().rev().take_while(|e| e.time == at).map(|e| e.value).collect();
    values.dedup();
    values.into_iter().map(share).collect()
}
