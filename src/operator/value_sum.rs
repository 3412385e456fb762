//! `value_sum`: so large a sum.
use super::Resolve;
use super::aggregate::{Aggregate, OfField};
use super::window::Window;
use super::{Words, amount};
use crate::model::{EventTime, Field, Millis};
use crate::syntax::FieldRef;
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};

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

/// Whether the field holds counts, so that a sum of it only grows; what a raw field holds is not known.
fn never_negative(field: FieldRef) -> bool {
    use Field::*;
    matches!(field, FieldRef::Known(ExportRecords | ExportBytes | ExportDays | Status | Duration | Sequence))
}
