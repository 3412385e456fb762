//! `event_count`: so many events.
use super::hindsight::{Held, Hindsight, History, found_amount, held_by_amount};
use super::terms::{condition, digest_range};
use super::window::Window;
use super::windowed::{Windowed, evaluate, number};
use super::{Bounds, Evaluation, Naming, Resolve, Terms, Words};
use crate::model::{Event, EventTime, HashParts, Measure, Millis};
use crate::syntax::Range;
use crate::syntax::error::Fault;
use crate::syntax::range::range;
use crate::syntax::yaml::{Node, Word};

/// So many events of the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct EventCount {
    /// How many.
    pub range: Range,
}

impl EventCount {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(name: &str, node: &Node, _: &[Word]) -> Result<EventCount, Fault> {
        Ok(EventCount { range: range(condition(node, name)?, &[])? })
    }

    pub(super) fn resolve(&self, _: Resolve<'_>) -> Result<EventCount, Fault> {
        Ok(self.clone())
    }
}

impl Terms for EventCount {
    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        // it is asked about when an event has come, so that there is one
        Some(Bounds { range: &self.range, what: "events", least: 1.0, most: f64::INFINITY, whole: true })
    }

    fn is_monotone(&self) -> bool {
        self.range.only_from_below()
    }

    fn is_or(&self) -> bool {
        self.range.one_is_enough()
    }

    fn accumulation(&self, parts: HashParts, _: Naming<'_>) -> HashParts {
        parts.part(b"event_count")
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        match self.is_or() {
            true => format!("one event of {}", words.any()),
            false => format!("{} events of {}{} {}", self.range, words.any(), words.by(), words.within()),
        }
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        vec![match self.is_or() {
            true => format!("no event of {}", words.any()),
            false => {
                format!("{} events of {}{} {}", self.range.otherwise(), words.any(), words.by(), words.within())
            }
        }]
    }
}

impl Hindsight for EventCount {
    fn is_of_several(&self) -> bool {
        !self.is_or()
    }

    fn held(&self, here: Held, history: &mut dyn History) -> Held {
        if self.is_or() { here } else { held_by_amount(self, here, history) }
    }

    fn amount(&self, contributions: &[&Event]) -> Option<(f64, &Range)> {
        Some((contributions.len() as f64, &self.range))
    }

    fn found(&self, history: &mut dyn History) -> Option<String> {
        if self.is_or() { None } else { found_amount(self, history) }
    }
}

impl Windowed for EventCount {
    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.range.holds(window.measure(at, span).count as f64)
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let count = window.measure(at, words.span).count;
        number(format!("events in {}", words.span()), count, self.range.to_string())
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        let count = window.measure(at, words.span).count;
        evaluate(format!("events in {}", words.span()), count as f64, &self.range)
    }
}
