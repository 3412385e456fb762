//! `value_avg`: so large a mean.
use super::terms::{digest_range, one, value};
use super::window::{Measured, Window};
use super::windowed::{Windowed, decimal, says_condition, stands, unless_condition};
use super::{Bounds, Contribution, Naming, Resolve, Standing, Terms, Words, amount};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};

/// So large a mean of a field's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueAvg<F = FieldRef> {
    /// What is averaged.
    pub field: F,
    /// How much.
    pub range: Range,
}

impl ValueAvg<Word> {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValueAvg<Word>, Fault> {
        let (field, range) = value(node, name, &[])?;
        Ok(ValueAvg { field, range })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValueAvg, Fault> {
        Ok(ValueAvg { field: one(&self.field, fields)?, range: self.range.clone() })
    }
}

impl Terms for ValueAvg {
    fn fields(&self) -> &[FieldRef] {
        std::slice::from_ref(&self.field)
    }

    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        let endless = f64::INFINITY;
        Some(Bounds { range: &self.range, what: "mean", least: -endless, most: endless, whole: false })
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        // fixed point since the second: sums of the first are no sums of these
        parts.part(b"value_avg 2").part(&name(&self.field))
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

impl Windowed for ValueAvg {
    fn contribution(&self, contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        Some((amount::amount(contribution.event, &self.field)?, 0))
    }

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.range.holds(average(window.measure(at, span)))
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let what = format!("average of {} in {}", words.field(&self.field), words.span());
        decimal(what, average(window.measure(at, words.span)), &self.range)
    }

    fn standing(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Standing {
        let what = format!("average of {} in {}", words.field(&self.field), words.span());
        stands(what, average(window.measure(at, words.span)), &self.range)
    }
}

fn average(m: Measured) -> f64 {
    if m.count == 0 { 0.0 } else { amount::number(m.sum) / m.count as f64 }
}
