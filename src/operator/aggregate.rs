//! Operators that hold one number, made of the amounts in a field, against a range: a sum, a mean, a median.
use super::terms::{digest_range, one, value};
use super::window::Window;
use super::windowed::{Windowed, decimal, evaluate, says_condition, unless_condition};
use super::{Bounds, Contribution, Evaluation, Naming, Resolve, Terms, Words, amount};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};

/// A field, and what the number made of it is held against.
#[derive(Clone, Debug, PartialEq)]
pub struct OfField<F = FieldRef> {
    /// The field that holds the amounts.
    pub field: F,
    /// How much.
    pub range: Range,
}

impl OfField<Word> {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node) -> Result<OfField<Word>, Fault> {
        let (field, range) = value(node, name, &[])?;
        Ok(OfField { field, range })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<OfField, Fault> {
        Ok(OfField { field: one(&self.field, fields)?, range: self.range.clone() })
    }
}

/// What tells one of them from another.
pub trait Aggregate {
    /// What it is called in digests. It changes where what is accumulated does.
    const DIGESTED: &'static str;
    /// What it is called in findings: `sum`.
    const CALLED: &'static str;
    /// What it is called where its condition can never hold.
    const BOUNDED: &'static str;
    /// Whether only whole numbers come.
    const WHOLE: bool;

    /// Its field and range.
    fn of_field(&self) -> &OfField;

    /// The same, to be changed.
    fn of_field_mut(&mut self) -> &mut OfField;

    /// The number at `at`.
    fn number(window: &Window, at: EventTime, span: Millis) -> f64;

    /// As [`Terms::is_monotone`].
    fn is_monotone(&self) -> bool {
        false
    }

    /// As [`Terms::says`].
    fn says(&self, words: &Words<'_>) -> String {
        says_condition(std::slice::from_ref(&self.of_field().field), words)
    }

    /// As [`Terms::unless`].
    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        unless_condition(std::slice::from_ref(&self.of_field().field), words)
    }
}

fn called<T: Aggregate>(operator: &T, words: &Words<'_>) -> String {
    format!("{} of {} in {}", T::CALLED, words.field(&operator.of_field().field), words.span())
}

impl<T: Aggregate> Terms for T {
    fn fields(&self) -> &[FieldRef] {
        std::slice::from_ref(&self.of_field().field)
    }

    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.of_field_mut().range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        let (range, endless) = (&self.of_field().range, f64::INFINITY);
        Some(Bounds { range, what: T::BOUNDED, least: -endless, most: endless, whole: T::WHOLE })
    }

    fn is_monotone(&self) -> bool {
        Aggregate::is_monotone(self)
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        parts.part(T::DIGESTED.as_bytes()).part(&name(&self.of_field().field))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_range(parts, &self.of_field().range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        Aggregate::says(self, words)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        Aggregate::unless(self, words)
    }
}

impl<T: Aggregate> Windowed for T {
    fn contribution(&self, contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        Some((amount::amount(contribution.event, &self.of_field().field)?, 0))
    }

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.of_field().range.holds(T::number(window, at, span))
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        decimal(called(self, words), T::number(window, at, words.span), &self.of_field().range)
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        evaluate(called(self, words), T::number(window, at, words.span), &self.of_field().range)
    }
}
