//! `concurrent`: values that alternate, as one session does that two people use.
use super::hindsight::Hindsight;
use super::terms::{digest_range, fields};
use super::window::Window;
use super::windowed::{Windowed, evaluate, number, shown_value};
use super::{Bounds, Contribution, Evaluation, Naming, Reads, Resolve, Terms, Words};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::error::Fault;
use crate::syntax::range::range;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{Comparison, FieldRef, Range};

/// Values that come, go, and come back.
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrent<F = FieldRef> {
    /// The tuple that is one origin, device or user.
    pub fields: Vec<F>,
    /// How often a value came back after another one.
    pub range: Range,
}

impl Concurrent<Word> {
    pub(super) const KEYS: &[&str] = &["fields", "condition"];

    pub(super) fn read(_: &str, node: &Node, _: &[Word]) -> Result<Concurrent<Word>, Fault> {
        let once = Range { bounds: vec![(Comparison::Gte, 1.0)] };
        Ok(Concurrent { fields: fields(node)?, range: node.get("condition").map_or(Ok(once), |c| range(c, &[]))? })
    }

    pub(super) fn resolve(&self, fields: Resolve<'_>) -> Result<Concurrent, Fault> {
        Ok(Concurrent { fields: fields(&self.fields)?, range: self.range.clone() })
    }
}

impl Terms for Concurrent {
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
        Some(Bounds { range: &self.range, what: "times", least: 1.0, most: f64::INFINITY, whole: true })
    }

    fn distinct(&self) -> Option<(&[FieldRef], Range)> {
        Some((&self.fields, Range { bounds: vec![(Comparison::Gte, 2.0)] }))
    }

    fn is_monotone(&self) -> bool {
        self.range.only_from_below()
    }

    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts {
        self.fields.iter().fold(parts.part(b"concurrent"), |parts, field| parts.part(&name(field)))
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        let (fields, any, by, within) = (words.tuple(&self.fields), words.any(), words.by(), words.within());
        format!("{fields} that come back after another one {} times in events of {any}{by} {within}", self.range)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let (fields, by, within) = (words.tuple(&self.fields), words.by(), words.within());
        vec![format!("{fields} that come back {} times{by} {within}", self.range.otherwise())]
    }
}

impl Hindsight for Concurrent {}

impl Windowed for Concurrent {
    const MERGES: bool = true;

    fn contribution(&self, contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        shown_value(contribution)
    }

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.range.holds(window.returns(at, span) as f64)
    }

    fn holds_from_below(&self) -> bool {
        self.range.only_from_below()
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let what = format!("times that {} came back in {}", words.tuple(&self.fields), words.span());
        number(what, window.returns(at, words.span), self.range.to_string())
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        let what = format!("times that {} came back in {}", words.tuple(&self.fields), words.span());
        evaluate(what, window.returns(at, words.span) as f64, &self.range)
    }
}
