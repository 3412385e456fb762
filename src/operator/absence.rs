//! `absence`: what is expected does not come, while the rest goes on.
//!
//! Not monotone: what was expected may only be late. Its timespan should be longer than the trails lie apart.
use super::hindsight::Hindsight;
use super::terms::{digest_range, need, span_text};
use super::window::Fired;
use super::{
    Bounds, Cell, Change, Cohort, Contribution, Evaluation, Naming, Observation, Operator, Report, Resolve, Terms,
    Words,
};
use crate::model::{EventId, EventTime, HashParts, Measure, Millis, limits};
use crate::syntax::Range;
use crate::syntax::error::Fault;
use crate::syntax::range::range;
use crate::syntax::yaml::{Node, Word};
use serde::{Deserialize, Serialize};

/// For how long the expected is expected after it came last: a logger that was taken down for good is forgotten after a quarter.
const EXPECTED: Millis = Millis::DAY.times(90);

/// What is expected does not come. Of the rules the first is what is expected; the others show that it should have come.
#[derive(Clone, Debug, PartialEq)]
pub struct Absence {
    /// How many events of the others there must be in the timespan without one of the first.
    pub range: Range,
}

impl Absence {
    pub(super) const KEYS: &[&str] = &["condition"];

    pub(super) fn read(_: &str, node: &Node, rules: &[Word]) -> Result<Absence, Fault> {
        if rules.len() < 2 {
            return Err(Fault::at(
                node.line,
                "`absence` takes two rules at least: first what is expected, then what shows that it should have come",
            ));
        }
        Ok(Absence { range: range(need(node, "condition")?, &[])? })
    }

    pub(super) fn resolve(&self, _: Resolve<'_>) -> Result<Absence, Fault> {
        Ok(self.clone())
    }
}

impl Terms for Absence {
    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        Some(Bounds { range: &self.range, what: "events", least: 1.0, most: f64::INFINITY, whole: true })
    }

    fn can_hold(&self, fed: &[bool]) -> bool {
        fed.iter().all(|fed| *fed)
    }

    fn accumulation(&self, parts: HashParts, _: Naming<'_>) -> HashParts {
        parts.part(b"absence")
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        digest_range(parts, &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        let others = words.rules.iter().skip(1).copied().collect::<Vec<_>>().join(" or ");
        let (expected, by, within) = (words.rule(0), words.by(), words.within());
        format!("no event of {expected}{by} {within}, and {} events of {others} in that time", self.range)
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        vec![
            format!("an event of {}{} {}", words.rule(0), words.by(), words.within()),
            format!("{} events of the others in that time", self.range.otherwise()),
        ]
    }
}

impl Hindsight for Absence {}

impl Operator for Absence {
    type Cell = Silence;
    /// For how long the expected has not come, and how many others there were.
    type Sight = (Millis, u64);

    fn observe(&self, silence: &mut Silence, _: Cohort<'_>, c: &Contribution<'_>) -> Observation<(Millis, u64)> {
        if c.rule == 0 {
            let changed = silence.came(c.time, c.span);
            return Observation {
                change: if changed { Change::Own } else { Change::None },
                expires: silence.expires(),
                ..Observation::nothing((!changed).then_some(silence.same_until(c.span)))
            };
        }
        if silence.last.is_none() {
            return Observation::nothing(None);
        }
        let gone = silence.went_on(c.event.id, c.time, c.rule, c.span);
        let gone = gone.filter(|(_, others)| self.range.holds(*others as f64));
        Observation {
            satisfied: gone.map(|_| c.time).into_iter().collect(),
            sight: gone.unwrap_or_default(),
            change: Change::Own,
            expires: silence.expires(),
            is_evidence: gone.is_some(),
            ..Observation::nothing(None)
        }
    }

    fn report(
        &self,
        silence: &mut Silence,
        c: &Contribution<'_>,
        _: EventTime,
        (silent, others): &(Millis, u64),
        words: &Words<'_>,
    ) -> Report {
        let measure = Measure {
            what: format!("events since {} came last, {} ago", words.rule(0), span_text(*silent)).into(),
            value: others.to_string().into(),
            against: format!("{} without it in {}", self.range, span_text(c.span)).into(),
        };
        let witnesses = silence.witnesses().map(|(event, at, rule)| (event, at, words.rule(rule.into()).into()));
        Report { first: silence.last(), measures: vec![measure], witnesses: witnesses.collect() }
    }

    fn since(&self, silence: &Silence, _: Millis, _: EventTime) -> EventTime {
        silence.last()
    }

    fn explain(&self, _: Option<Silence>, _: Option<Cell>, _: &Contribution<'_>, _: &Words<'_>) -> Evaluation {
        Evaluation::default()
    }
}

/// When the expected was seen last, and what went on since.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    last: Option<EventTime>,
    /// How many events of the others there were since.
    others: u64,
    /// The last of them, at most [`limits::EVIDENCE_PER_FINDING`].
    witnesses: Vec<(EventId, EventTime, u16)>,
    fired: Fired,
}

impl Silence {
    /// The expected came. Says whether that must be written; what comes within a 32nd of the timespan is as good as now.
    pub fn came(&mut self, at: EventTime, timespan: Millis) -> bool {
        if self.last.is_some_and(|last| at <= last.plus(Millis(timespan.0 / 32))) {
            return false;
        }
        self.last = Some(at);
        self.others = 0;
        self.witnesses.clear();
        true
    }

    /// Until when a further one changes nothing.
    pub fn same_until(&self, timespan: Millis) -> EventTime {
        self.last.map_or(EventTime(i64::MIN), |last| last.plus(Millis(timespan.0 / 32 + 1)))
    }

    /// Something else happened. Gives how long the expected has not come and how many others there were, once it has been
    /// seen at all and has not been for the timespan.
    pub fn went_on(&mut self, event: EventId, at: EventTime, rule: u16, timespan: Millis) -> Option<(Millis, u64)> {
        let last = self.last.filter(|last| at > *last)?;
        let this = (event, at, rule);
        // several policies may share this cell, and each shows it the event: it is one of as many as there were then
        let since = match self.witnesses.iter().rev().position(|witness| *witness == this) {
            Some(since) => since as u64,
            None => {
                self.others += 1;
                if self.witnesses.len() >= limits::EVIDENCE_PER_FINDING {
                    self.witnesses.remove(0);
                }
                self.witnesses.push(this);
                0
            }
        };
        let silent = Millis(at.0 - last.0);
        (silent >= timespan).then_some((silent, self.others - since))
    }

    /// When the expected was seen last.
    pub fn last(&self) -> EventTime {
        self.last.unwrap_or_default()
    }

    /// What went on, the newest first: event, time, and which rule selected it.
    pub fn witnesses(&self) -> impl Iterator<Item = (EventId, EventTime, u16)> + '_ {
        self.witnesses.iter().rev().copied()
    }

    pub(super) fn fired_mut(&mut self) -> &mut Fired {
        &mut self.fired
    }

    /// When nothing of it can matter any more.
    pub fn expires(&self) -> EventTime {
        self.last().plus(EXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_only_where_there_was_sound_and_the_rest_goes_on() {
        let (span, id) = (Millis::MINUTE, EventId([1; 16]));
        let mut silence = Silence::default();
        assert_eq!(silence.went_on(id, EventTime(9_000_000), 1, span), None, "never seen: nothing is expected");
        assert!(silence.came(EventTime(0), span));
        assert!(!silence.came(EventTime(1), span));
        assert_eq!(silence.went_on(id, EventTime(59_999), 1, span), None);
        assert_eq!(silence.went_on(id, EventTime(60_000), 1, span), Some((span, 2)));
        assert_eq!(silence.went_on(id, EventTime(60_000), 2, span), Some((span, 3)));
        for (rule, others) in [(1, 2), (2, 3)] {
            let shown = silence.went_on(id, EventTime(60_000), rule, span);
            assert_eq!(shown, Some((span, others)), "shown again by another policy");
        }
        assert!(silence.came(EventTime(61_000), span));
        assert_eq!(silence.went_on(id, EventTime(62_000), 1, span), None);
    }
}
