//! `value_median`: so large a median.
use super::terms::{digest_range, one, value};
use super::window::{Entry, Window};
use super::windowed::{Windowed, decimal, says_condition, stands, unless_condition};
use super::{Bounds, Contribution, Naming, Resolve, Standing, Terms, Words, amount};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};

/// So large a median of a field's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueMedian<F = FieldRef> {
    /// Whose median is taken.
    pub field: F,
    /// How much.
    pub range: Range,
}

impl ValueMedian<Word> {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValueMedian<Word>, Fault> {
        let (field, range) = value(node, name, &[])?;
        Ok(ValueMedian { field, range })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValueMedian, Fault> {
        Ok(ValueMedian { field: one(&self.field, fields)?, range: self.range.clone() })
    }
}

impl Terms for ValueMedian {
    fn fields(&self) -> &[FieldRef] {
        std::slice::from_ref(&self.field)
    }

    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        let endless = f64::INFINITY;
        Some(Bounds { range: &self.range, what: "median", least: -endless, most: endless, whole: false })
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        parts.part(b"value_median").part(&name(&self.field))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        says_condition(self.fields(), words)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        unless_condition(self.fields(), words)
    }
}

impl Windowed for ValueMedian {
    fn contribution(&self, contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        Some((amount::amount(contribution.event, &self.field)?, 0))
    }

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.range.holds(median(window.within(at, span)))
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let what = format!("median of {} in {}", words.field(&self.field), words.span());
        decimal(what, median(window.within(at, words.span)), &self.range)
    }

    fn standing(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Standing {
        let what = format!("median of {} in {}", words.field(&self.field), words.span());
        stands(what, median(window.within(at, words.span)), &self.range)
    }
}

/// The middle one of the amounts; of two in the middle their mean.
fn median(entries: &[Entry]) -> f64 {
    let mut amounts: Vec<i128> = entries.iter().map(|e| e.amount).collect();
    amounts.sort_unstable();
    match (amounts.len() / 2, amounts.len() % 2) {
        (0, 0) => 0.0,
        (middle, 1) => amount::number(amounts[middle]),
        (middle, _) => amount::number(amounts[middle - 1] + amounts[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventId;

    #[test]
    fn of_two_in_the_middle_their_mean_counts() {
        let of = |amounts: &[i128]| {
            let entry = |amount: &i128| Entry {
                time: EventTime(0),
                event: EventId([0; 16]),
                rule: 0,
                amount: amount * 1_000_000,
                value: 0,
            };
            median(&amounts.iter().map(entry).collect::<Vec<_>>())
        };
        assert_eq!([of(&[]), of(&[7]), of(&[9, 1, 5]), of(&[1, 4]), of(&[-3, 100, 2, 3])], [0.0, 7.0, 5.0, 2.5, 2.5]);
    }
}
