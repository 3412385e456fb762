//! `value_median`: so large a median.
use super::Resolve;
use super::aggregate::{Aggregate, OfField};
use super::amount;
use super::hindsight::Hindsight;
use super::window::{Entry, Window};
use crate::model::{EventTime, Millis};
use crate::syntax::FieldRef;
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};

/// So large a median of a field's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueMedian<F = FieldRef>(pub OfField<F>);

impl ValueMedian<Word> {
    pub(super) const KEYS: &[&str] = OfField::KEYS;

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValueMedian<Word>, Fault> {
        OfField::read(name, node).map(ValueMedian)
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValueMedian, Fault> {
        self.0.resolve(fields).map(ValueMedian)
    }
}

impl Hindsight for ValueMedian {}

impl Aggregate for ValueMedian {
    const DIGESTED: &'static str = "value_median";
    const CALLED: &'static str = "median";
    const BOUNDED: &'static str = "median";
    const WHOLE: bool = false;

    fn of_field(&self) -> &OfField {
        &self.0
    }

    fn of_field_mut(&mut self) -> &mut OfField {
        &mut self.0
    }

    fn number(window: &Window, at: EventTime, span: Millis) -> f64 {
        median(window.within(at, span))
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
