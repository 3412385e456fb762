//! Operators over the contributions to a sliding window: Sigma's, `concurrent` and `risk`.
use super::terms::span_text;
use super::window::{Entry, Inserted, Window};
use super::{Cell, Change, Cohort, Contribution, Evaluation, Observation, Operator, Report, Terms, Words, amount};
use crate::model::{EventId, EventTime, Measure, Millis, Text, limits};
use crate::syntax::{FieldRef, Range};

/// What tells one operator over a window from another.
pub trait Windowed: Terms {
    /// How often something is repeated makes no difference: runs of the same are kept as few (see [`Window::insert`]).
    const MERGES: bool = false;
    /// As [`Operator::OF_OTHERS`].
    const OF_OTHERS: bool = false;

    /// What the event adds, as an amount and the digest of a value; nothing where it lacks the field.
    fn contribution(&self, _contribution: &Contribution<'_>) -> Option<(i128, u64)> {
        Some((0, 0))
    }

    /// Whether it holds at `at`, of so many rules.
    fn holds(&self, window: &Window, at: EventTime, span: Millis, rules: u16) -> bool;

    /// Whether what does not hold goes on not holding as contributions leave the window.
    fn holds_from_below(&self) -> bool {
        false
    }

    /// Its numbers at `at`.
    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure>;

    /// What it comes to at `at`, for people.
    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation;
}

impl<T: Windowed> Operator for T {
    type Cell = Window;
    type Sight = ();
    const RETOLD: bool = true;
    const OF_OTHERS: bool = <T as Windowed>::OF_OTHERS;

    fn observe(&self, window: &mut Window, _: Cohort<'_>, c: &Contribution<'_>) -> Observation<()> {
        let Some((amount, value)) = self.contribution(c) else {
            // where it tells values apart, all that looks the same lacks it; another amount may be readable
            return Observation::nothing(T::MERGES.then_some(EventTime(i64::MAX)));
        };
        let (rule, span) = (c.rule, c.span);
        let entry = Entry { time: c.time, event: c.event.id, rule, amount, value };
        let folded = window.folded();
        // it may be there already: another policy that accumulates the same has put it there
        let inserted = window.insert(entry, span, T::MERGES);
        // where it was merged into a run, the window has no entry of its time, and it is asked about by itself
        let touched = window.touched(c.time, span).chain([c.time]);
        let mut satisfied: Vec<EventTime> = touched.filter(|at| self.holds(window, *at, span, c.rules)).collect();
        satisfied.sort_unstable();
        satisfied.dedup();
        // without newer contributions fewer and fewer are in the window, so what does not hold from below will not
        let settled = T::MERGES && satisfied.is_empty() && inserted == Inserted::Known && self.holds_from_below();
        Observation {
            change: if inserted == Inserted::Known { Change::None } else { Change::All },
            expires: window.expires(span),
            noop_until: if settled { window.same_until(rule, value, span) } else { None },
            is_evidence: inserted == Inserted::New,
            overflowed: window.folded() > folded,
            satisfied,
            ..Observation::nothing(None)
        }
    }

    fn report(&self, window: &mut Window, _: &Contribution<'_>, at: EventTime, (): &(), words: &Words<'_>) -> Report {
        self.retell(window, words, at).unwrap_or_default()
    }

    fn since(&self, window: &Window, span: Millis, at: EventTime) -> EventTime {
        window.within(at, span).first().map_or(at, |entry| entry.time)
    }

    fn retell(&self, window: &mut Window, words: &Words<'_>, at: EventTime) -> Option<Report> {
        Some(Report {
            first: self.since(window, words.span, at),
            measures: self.measures(window, at, words),
            witnesses: witnesses(window, at, words),
        })
    }

    fn explain(&self, window: Option<Window>, _: Option<Cell>, c: &Contribution<'_>, words: &Words<'_>) -> Evaluation {
        self.evaluation(&window.unwrap_or_default(), c.time, words)
    }
}

/// One number.
pub(super) fn number(what: String, value: i64, against: String) -> Vec<Measure> {
    vec![Measure { what: what.into(), value: value.to_string().into(), against: against.into() }]
}

/// One number with decimals.
pub(super) fn decimal(what: String, value: f64, range: &Range) -> Vec<Measure> {
    vec![Measure { what: what.into(), value: amount::shown(value).into(), against: range.to_string().into() }]
}

/// What one comes to that holds one number against a range.
pub(super) fn evaluate(what: String, value: f64, range: &Range) -> Evaluation {
    let measure = Measure { what: what.into(), value: format!("{value}").into(), against: range.to_string().into() };
    Evaluation::of(range.holds(value), vec![measure])
}

/// How often each rule contributed.
pub(super) fn shares(window: &Window, at: EventTime, words: &Words<'_>, against: &str) -> Vec<Measure> {
    let (entries, span) = (window.within(at, words.span), span_text(words.span));
    let share = |(via, rule): (usize, &&str)| Measure {
        what: format!("{rule} in {span}").into(),
        value: entries.iter().filter(|e| usize::from(e.rule) == via).count().to_string().into(),
        against: against.into(),
    };
    words.rules.iter().enumerate().map(share).collect()
}

/// The newest contributions, but at least one of each rule: a sequence is not explained by its last step alone.
fn witnesses(window: &Window, at: EventTime, words: &Words<'_>) -> Vec<(EventId, EventTime, Text)> {
    let entries = window.within(at, words.span);
    let mut chosen: Vec<&Entry> = Vec::new();
    for rule in 0..words.rules.len() {
        chosen.extend(entries.iter().rev().find(|e| usize::from(e.rule) == rule));
    }
    for entry in entries.iter().rev() {
        if chosen.len() >= limits::EVIDENCE_PER_FINDING {
            break;
        }
        if !chosen.iter().any(|c| std::ptr::eq(*c, entry)) {
            chosen.push(entry);
        }
    }
    chosen.sort_by_key(|e| std::cmp::Reverse((e.time, e.event)));
    chosen.dedup_by(|a, b| a.event == b.event);
    chosen.truncate(limits::EVIDENCE_PER_FINDING);
    chosen.into_iter().map(|e| (e.event, e.time, words.rule(e.rule.into()).into())).collect()
}

/// The value that the event shows of what is told apart.
pub(super) fn shown_value(c: &Contribution<'_>) -> Option<(i128, u64)> {
    c.value.map(|_| (0, c.digest))
}

/// How a sum, a mean or a percentile is told that nothing else is said of.
pub(super) fn says_condition(fields: &[FieldRef], words: &Words<'_>) -> String {
    format!("its condition on {} in events of {}{} {}", words.tuple(fields), words.any(), words.by(), words.within())
}

/// And what would have kept it from holding.
pub(super) fn unless_condition(fields: &[FieldRef], words: &Words<'_>) -> Vec<String> {
    vec![format!("its condition on {} not met{} {}", words.tuple(fields), words.by(), words.within())]
}

/// What one comes to whose condition only it can tell.
pub(super) fn evaluate_alone(window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
    let count = window.measure(at, words.span).count;
    let what = format!("events of its rules in {}", words.span()).into();
    let measure = Measure { what, value: count.to_string().into(), against: "its own condition".into() };
    Evaluation { holds: None, measured: vec![measure], learning: None }
}
