//! `value_sum`: so large a sum.
use super::Resolve;
use super::aggregate::{Aggregate, OfField};
use super::hindsight::{Held, Hindsight, History, held_by_amount};
use super::window::Window;
use super::{Words, amount};
use crate::model::{Event, EventTime, Field, Millis, Value};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};

/// So large a sum of a field's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueSum<F = FieldRef>(pub OfField<F>);

impl ValueSum<Word> {
    pub(super) const KEYS: &[&str] = OfField::KEYS;

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValueSum<Word>, Fault> {
        OfField::read(name, node).map(ValueSum)
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValueSum, Fault> {
        self.0.resolve(fields).map(ValueSum)
    }
}

impl Aggregate for ValueSum {
    // fixed point since the second: amounts of the first are no amounts of these
    const DIGESTED: &'static str = "value_sum 2";
    const CALLED: &'static str = "sum";
    const BOUNDED: &'static str = "sum";
    const WHOLE: bool = true;

    fn of_field(&self) -> &OfField {
        &self.0
    }

    fn of_field_mut(&mut self) -> &mut OfField {
        &mut self.0
    }

    fn number(window: &Window, at: EventTime, span: Millis) -> f64 {
        amount::number(window.measure(at, span).sum)
    }

    fn is_monotone(&self) -> bool {
        never_negative(self.0.field) && self.0.range.only_from_below()
    }

    fn says(&self, words: &Words<'_>) -> String {
        let (field, any, by, within) = (words.field(&self.0.field), words.any(), words.by(), words.within());
        format!("a sum of {field} of {} in events of {any}{by} {within}", self.0.range)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let (field, by, within) = (words.field(&self.0.field), words.by(), words.within());
        vec![format!("a sum of {field} of {}{by} {within}", self.0.range.otherwise())]
    }
}

impl Hindsight for ValueSum {
    fn held(&self, here: Held, history: &mut dyn History) -> Held {
        held_by_amount(self, here, history)
    }

    fn amount(&self, contributions: &[&Event]) -> Option<(f64, &Range)> {
        let number = |event: &&Event| match self.0.field.value(event) {
            Value::Int(n) => Some(n as f64),
            Value::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        };
        Some((contributions.iter().filter_map(number).sum(), &self.0.range))
    }
}

/// Whether the field holds counts, so that a sum of it only grows; what a raw field holds is not known.
fn never_negative(field: FieldRef) -> bool {
    use Field::*;
    matches!(field, FieldRef::Known(ExportRecords | ExportBytes | ExportDays | Status | Duration | Sequence))
}
