//! `sequence`: events of several rules in the order of the file, with nothing in between that interrupts them.
//!
//! Not monotone: what arrives late may have interrupted what held.
use super::hindsight::Hindsight;
use super::terms::need;
use super::window::{Entry, Window};
use super::windowed::{Windowed, shares};
use super::{Evaluation, Naming, Resolve, Terms, Words};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::error::{Fault, did_you_mean, quoted};
use crate::syntax::yaml::{Node, Word};

/// Events in an order, and what interrupts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// For each rule whether an event of it interrupts the others.
    pub interrupts: Vec<bool>,
}

impl Sequence {
    pub(super) const KEYS: &[&str] = &["interrupted-by"];

    pub(super) fn read(_: &str, node: &Node, rules: &[Word]) -> Result<Sequence, Fault> {
        let written = need(node, "interrupted-by")?;
        let mut interrupts = vec![false; rules.len()];
        for word in written.texts("interrupted-by")? {
            let place = rules.iter().position(|rule| rule.text == word.text).ok_or_else(|| {
                let near = did_you_mean(&word.text, rules.iter().map(|r| r.text.as_str()));
                Fault::at(word.line, format!("{} is not among `rules`{near}", quoted(&word.text)))
            })?;
            interrupts[place] = true;
        }
        if !interrupts.contains(&true) {
            return Err(Fault::at(written.line, "`interrupted-by` names no rule: that is a `temporal_ordered`"));
        }
        match interrupts.iter().filter(|interrupts| !**interrupts).count() {
            0 | 1 => Err(Fault::at(written.line, "`sequence` takes two rules at least that interrupt nothing")),
            _ => Ok(Sequence { interrupts }),
        }
    }

    pub(super) fn resolve(&self, _: Resolve<'_>) -> Result<Sequence, Fault> {
        Ok(self.clone())
    }

    /// The places of those rules that make the sequence, or of those that interrupt it.
    fn places(&self, interrupt: bool) -> impl Iterator<Item = usize> + '_ {
        (0..self.interrupts.len()).filter(move |place| self.interrupts[*place] == interrupt)
    }

    fn names(&self, interrupt: bool, words: &Words<'_>, last: &str) -> String {
        let names: Vec<&str> = self.places(interrupt).map(|place| words.rule(place)).collect();
        super::terms::enumerate(&names, last)
    }

    /// Whether the entries, the oldest first, hold the whole sequence, uninterrupted until the last of them.
    fn is_whole(&self, entries: &[Entry]) -> bool {
        let steps: Vec<usize> = self.places(false).collect();
        let mut next = 0;
        for entry in entries {
            let rule = usize::from(entry.rule);
            if self.interrupts.get(rule).copied().unwrap_or_default() {
                next = 0;
            } else if steps.get(next) == Some(&rule) {
                next += 1;
            }
        }
        next == steps.len()
    }
}

impl Terms for Sequence {
    fn can_hold(&self, fed: &[bool]) -> bool {
        self.places(false).all(|place| fed[place])
    }

    fn accumulation(&self, parts: HashParts, _: Naming<'_>) -> HashParts {
        parts.part(b"sequence")
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        self.interrupts.iter().fold(parts, |parts, interrupts| parts.number((*interrupts).into()))
    }

    fn says(&self, words: &Words<'_>) -> String {
        format!(
            "an event of each of {}{} {}, in this order, and none of {} in between",
            self.names(false, words, " and "),
            words.by(),
            words.within(),
            self.names(true, words, " or ")
        )
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let (by, within) = (words.by(), words.within());
        let missing = |place: usize| format!("no event of {}{by} {within} of the others", words.rule(place));
        let mut ways: Vec<String> = self.places(false).map(missing).collect();
        ways.push("the same in another order".to_owned());
        ways.push(format!("an event of {}{by} in between", self.names(true, words, " or ")));
        ways
    }
}

impl Hindsight for Sequence {}

impl Windowed for Sequence {
    const OF_OTHERS: bool = true;

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.is_whole(window.within(at, span))
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        shares(window, at, words, ">= 1")
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        Evaluation::of(self.holds(window, at, words.span, 0), shares(window, at, words, "at least 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventId;

    #[test]
    fn what_stands_in_between_interrupts_and_what_stands_elsewhere_does_not() {
        let sequence = Sequence { interrupts: vec![false, true, false] };
        let holds = |rules: &[u16]| {
            let entry = |(n, rule): (usize, &u16)| Entry {
                time: EventTime(n as i64),
                event: EventId([n as u8; 16]),
                rule: *rule,
                amount: 0,
                value: 0,
            };
            sequence.is_whole(&rules.iter().enumerate().map(entry).collect::<Vec<_>>())
        };
        assert!(holds(&[0, 2]) && holds(&[1, 0, 0, 2]) && holds(&[0, 1, 0, 2]) && holds(&[0, 2, 0]));
        assert!(!holds(&[0, 1, 2]) && !holds(&[2, 0]) && !holds(&[0, 1, 1, 2]) && !holds(&[0, 2, 1]) && !holds(&[]));
    }
}
