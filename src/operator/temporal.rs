//! `temporal` and `temporal_ordered`: events of several rules, in any order or in that of the file.
use super::hindsight::{Held, Hindsight, History};
use super::terms::digest_range;
use super::window::Window;
use super::windowed::{Windowed, shares};
use super::{Bounds, Evaluation, Naming, Needs, Resolve, Terms, Words};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::Range;
use crate::syntax::error::Fault;
use crate::syntax::range::range;
use crate::syntax::yaml::{Node, Word};

/// Events of several rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Temporal {
    /// In the order of the file.
    pub ordered: bool,
    /// Of how many different rules; nothing where it is all of them.
    pub range: Option<Range>,
}

impl Temporal {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<Temporal, Fault> {
        let range = node.get("condition").map(|condition| range(condition, &[])).transpose()?;
        Ok(Temporal { ordered: name == "temporal_ordered", range })
    }

    pub(super) fn resolve(&self, _: Resolve<'_>) -> Result<Temporal, Fault> {
        Ok(self.clone())
    }
}

impl Terms for Temporal {
    fn range(&mut self) -> Option<&mut Range> {
        self.range.as_mut()
    }

    fn bounds(&self, rules: usize) -> Option<Bounds<'_>> {
        let range = self.range.as_ref()?;
        Some(Bounds { range, what: "rules", least: 1.0, most: rules as f64, whole: true })
    }

    fn needs(&self) -> Needs {
        if self.range.is_none() { Needs::All } else { Needs::Any }
    }

    fn can_hold(&self, fed: &[bool]) -> bool {
        match &self.range {
            None => fed.iter().all(|fed| *fed),
            Some(range) => range.can_hold(1.0, fed.iter().filter(|fed| **fed).count() as f64, true),
        }
    }

    fn is_monotone(&self) -> bool {
        self.range.as_ref().is_none_or(Range::only_from_below)
    }

    fn accumulation(&self, parts: HashParts, _: Naming<'_>) -> HashParts {
        parts.part(if self.ordered { b"temporal_ordered" } else { b"temporal" })
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        self.range.iter().fold(parts, digest_range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        let (each, by, within) = (words.each(), words.by(), words.within());
        match &self.range {
            None => {
                let order = if self.ordered { ", in this order" } else { "" };
                format!("an event of each of {each}{by} {within}{order}")
            }
            Some(range) => format!("events of {range} of {each}{by} {within}"),
        }
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let (by, within) = (words.by(), words.within());
        match &self.range {
            None => {
                let missing = |rule: &&str| format!("no event of {rule}{by} {within} of the others");
                let mut ways: Vec<String> = words.rules.iter().map(missing).collect();
                ways.extend(self.ordered.then(|| "the same in another order".to_owned()));
                ways
            }
            Some(range) => vec![format!("events of {} of {}{by} {within}", range.otherwise(), words.each())],
        }
    }
}

impl Hindsight for Temporal {
    fn held(&self, _: Held, history: &mut dyn History) -> Held {
        match (&self.range, self.ordered) {
            (None, false) => Held::all(history.rules()),
            // in which order is known at the time only
            (None, true) if Held::all(history.rules()) == Held::No => Held::No,
            _ => Held::Unknown,
        }
    }
}

impl Windowed for Temporal {
    const MERGES: bool = true;
    const OF_OTHERS: bool = true;

    fn holds(&self, window: &Window, at: EventTime, span: Millis, rules: u16) -> bool {
        match (&self.range, self.ordered) {
            (Some(range), false) => range.holds(window.different_rules(at, span) as f64),
            (Some(range), true) => range.holds(f64::from(window.in_order(at, span))),
            (None, false) => window.has_all(rules, at, span),
            (None, true) => window.has_in_order(rules, at, span),
        }
    }

    fn holds_from_below(&self) -> bool {
        self.range.as_ref().is_none_or(Range::only_from_below)
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        shares(window, at, words, ">= 1")
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        Evaluation::of(
            self.holds(window, at, words.span, words.rules.len() as u16),
            shares(window, at, words, "at least 1"),
        )
    }
}
