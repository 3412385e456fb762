//! `value_count`: so many different values.
use super::hindsight::{Held, Hindsight, History, held_by_amount, texts};
use super::terms::{digest_range, values};
use super::window::Window;
use super::windowed::{Windowed, evaluate, number, shown_value};
use super::{Bounds, Contribution, Evaluation, Naming, Reads, Resolve, Terms, Words};
use crate::model::{Event, EventTime, HashParts, Measure, Millis};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};
use std::collections::BTreeSet;

/// So many different values of a tuple of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueCount<F = FieldRef> {
    /// The tuple, at most five fields.
    pub fields: Vec<F>,
    /// How many.
    pub range: Range,
}

impl ValueCount<Word> {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<ValueCount<Word>, Fault> {
        let (fields, range) = values(node, name, &[])?;
        Ok(ValueCount { fields, range })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<ValueCount, Fault> {
        Ok(ValueCount { fields: fields(&self.fields)?, range: self.range.clone() })
    }
}

impl Terms for ValueCount {
    fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    fn reads(&self) -> Reads<'_> {
        Reads { value: &self.fields, ..Reads::default() }
    }

    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        Some(Bounds { range: &self.range, what: "values", least: 0.0, most: f64::INFINITY, whole: true })
    }

    fn distinct(&self) -> Option<(&[FieldRef], Range)> {
        Some((&self.fields, self.range.clone()))
    }

    fn is_monotone(&self) -> bool {
        self.range.only_from_below()
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        self.fields.iter().fold(parts.part(b"value_count"), |parts, field| parts.part(&name(field)))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        let (fields, any, by, within) = (words.tuple(&self.fields), words.any(), words.by(), words.within());
        format!("{} different {fields} in events of {any}{by} {within}", self.range)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let (fields, by, within) = (words.tuple(&self.fields), words.by(), words.within());
        vec![format!("{} different {fields}{by} {within}", self.range.otherwise())]
    }
}

impl Hindsight for ValueCount {
    fn held(&self, here: Held, history: &mut dyn History) -> Held {
        held_by_amount(self, here, history)
    }

    fn amount(&self, contributions: &[&Event]) -> Option<(f64, &Range)> {
        let different: BTreeSet<_> = contributions.iter().filter_map(|event| texts(event, &self.fields)).collect();
        Some((different.len() as f64, &self.range))
    }
}

impl Windowed for ValueCount {
    const MERGES: bool = true;

    fn contribution(&self, contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        shown_value(contribution)
    }

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.range.holds(window.measure(at, span).distinct as f64)
    }

    fn holds_from_below(&self) -> bool {
        self.range.only_from_below()
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let what = format!("different {} in {}", words.tuple(&self.fields), words.span());
        number(what, window.measure(at, words.span).distinct, self.range.to_string())
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        let what = format!("different {} in {}", words.tuple(&self.fields), words.span());
        evaluate(what, window.measure(at, words.span).distinct as f64, &self.range)
    }
}
