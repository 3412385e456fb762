//! `value_avg`: so large a mean.
use super::Resolve;
use super::aggregate::{Aggregate, OfField};
use super::amount;
use super::hindsight::Hindsight;
use super::window::Window;
use crate::model::{EventTime, Millis};
use crate::syntax::FieldRef;
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};

/// So large a mean of a field's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueAvg<F = FieldRef>(pub OfField<F>);

impl ValueAvg<Word> {
    pub(super) const KEYS: &[&str] = OfField::KEYS;

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValueAvg<Word>, Fault> {
        OfField::read(name, node).map(ValueAvg)
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValueAvg, Fault> {
        self.0.resolve(fields).map(ValueAvg)
    }
}

impl Hindsight for ValueAvg {}

impl Aggregate for ValueAvg {
    // fixed point since the second: amounts of the first are no amounts of these
    const DIGESTED: &'static str = "value_avg 2";
    const CALLED: &'static str = "average";
    const BOUNDED: &'static str = "mean";
    const WHOLE: bool = false;

    fn of_field(&self) -> &OfField {
        &self.0
    }

    fn of_field_mut(&mut self) -> &mut OfField {
        &mut self.0
    }

    fn number(window: &Window, at: EventTime, span: Millis) -> f64 {
        let measured = window.measure(at, span);
        if measured.count == 0 { 0.0 } else { amount::number(measured.sum) / measured.count as f64 }
    }
}
