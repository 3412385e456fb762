//! `value_sum`: so large a sum.
use super::terms::{digest_range, one, value};
use super::window::Window;
use super::windowed::{Windowed, decimal, stands};
use super::{Bounds, Contribution, Naming, Resolve, Standing, Terms, Words, amount};
use crate::model::{EventTime, Field, HashParts, Measure, Millis};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};

/// So large a sum of a field's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueSum<F = FieldRef> {
    /// What is summed.
    pub field: F,
    /// How much.
    pub range: Range,
}

impl ValueSum<Word> {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValueSum<Word>, Fault> {
        let (field, range) = value(node, name, &[])?;
        Ok(ValueSum { field, range })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValueSum, Fault> {
        Ok(ValueSum { field: one(&self.field, fields)?, range: self.range.clone() })
    }
}

impl Terms for ValueSum {
    fn fields(&self) -> &[FieldRef] {
        std::slice::from_ref(&self.field)
    }

    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        let endless = f64::INFINITY;
        Some(Bounds { range: &self.range, what: "sum", least: -endless, most: endless, whole: true })
    }

    fn is_monotone(&self) -> bool {
        never_negative(self.field) && self.range.only_from_below()
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        // fixed point since the second: sums of the first are no sums of these
        parts.part(b"value_sum 2").part(&name(&self.field))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        let (field, any, by, within) = (words.field(&self.field), words.any(), words.by(), words.within());
        format!("a sum of {field} of {} in events of {any}{by} {within}", self.range)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let (field, by, within) = (words.field(&self.field), words.by(), words.within());
        vec![format!("a sum of {field} of {}{by} {within}", self.range.otherwise())]
    }
}

impl Windowed for ValueSum {
    fn contribution(&self, contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        Some((amount::amount(contribution.event, &self.field)?, 0))
    }

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.range.holds(amount::number(window.measure(at, span).sum))
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let what = format!("sum of {} in {}", words.field(&self.field), words.span());
        decimal(what, amount::number(window.measure(at, words.span).sum), &self.range)
    }

    fn standing(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Standing {
        let what = format!("sum of {} in {}", words.field(&self.field), words.span());
        stands(what, amount::number(window.measure(at, words.span).sum), &self.range)
    }
}

/// Whether the field holds counts, so that a sum of it only grows; what a raw field holds is not known.
fn never_negative(field: FieldRef) -> bool {
    use Field::*;
    matches!(field, FieldRef::Known(ExportRecords | ExportBytes | ExportDays | Status | Duration | Sequence))
}
