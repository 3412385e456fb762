//! The types of correlation: what each is called in a file, what it keeps of an entity, when it holds, and how it says so.
//!
//! A type has [`Terms`], is an [`Operator`], and has [`Hindsight`]: a file here, a line in `operators!` and one in `each!`. It says what it makes of one contribution
//! ([`Observation`]); that the policy fires or fires again, that a cell is written, that what was known to change nothing may now change
//! something, and what counts as evidence, is up to the engine ([`crate::detect`]), which does it the same way for all of them.
//!
//! What several share: [`window`], the contributions to a sliding window, [`windowed`], the operators over one, [`aggregate`], those of
//! them that hold a sum or a mean against a range, [`crowd`], who uses a value, and [`terms`], how the keys of a file are read, digested
//! and told.
pub mod aggregate;
mod amount;
pub mod cell;
pub mod crowd;
pub mod hindsight;
pub mod read;
pub mod terms;
pub mod window;
pub mod windowed;

use crate::model::{Event, EventId, EventTime, HashParts, Measure, Millis, Text};
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use crate::syntax::{FieldRef, Range};
pub use cell::{Cell, CellKind};
pub use hindsight::{Held, Hindsight, History};
pub use terms::{Crowd, Learning, Words};

macro_rules! operators {
    ($($(#[$doc:meta])* $kind:ident = $($name:literal)|+ in $module:ident: $type:ty;)+) => {
        $(pub mod $module;)+
        $(pub use $module::$kind;)+

        /// What a correlation looks for.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Kind<F = FieldRef> {
            $($(#[$doc])* $kind($type),)+
        }

        /// The names of the types.
        pub(crate) const TYPES: &[&str] = &[$($($name,)+)+];

        impl Kind<Word> {
            /// The keys that the type has beside those of all correlations; nothing where there is no such type.
            pub(crate) fn keys(name: &str) -> Option<&'static [&'static str]> {
                match name {
                    $($($name)|+ => Some($kind::KEYS),)+
                    _ => None,
                }
            }

            /// Reads what is the type's own; nothing where there is no such type.
            pub(crate) fn read(name: &str, node: &Node, rules: &[Word]) -> Option<Result<Kind<Word>, Fault>> {
                match name {
                    $($($name)|+ => Some($kind::read(name, node, rules).map(Kind::$kind)),)+
                    _ => None,
                }
            }

            /// The same with fields in place of their names.
            pub(crate) fn resolve(&self, fields: Resolve<'_>) -> Result<Kind, Fault> {
                Ok(match self {
                    $(Kind::$kind(operator) => Kind::$kind(operator.resolve(fields)?),)+
                })
            }
        }
    };
}

operators! {
    /// So many events (`condition`) of the `rules` within `timespan`.
    EventCount = "event_count" in event_count: EventCount;
    /// So many different values (`condition`) of a field, or of a tuple of up to five (`field`).
    ValueCount = "value_count" in value_count: ValueCount<F>;
    /// So large a sum (`condition`) of a field's numbers. Decimals (six digits) and negative numbers count.
    ValueSum = "value_sum" in value_sum: ValueSum<F>;
    /// So large a mean (`condition`) of a field's numbers.
    ValueAvg = "value_avg" in value_avg: ValueAvg<F>;
    /// So large a median (`condition`) of a field's numbers: the middle one, or the mean of the two in the middle. Ours.
    ValueMedian = "value_median" in value_median: ValueMedian<F>;
    /// With `percentile` in the condition (50 is the median): that percentile of the field's numbers is held against it. Without it:
    /// the share, in percent, that the event's value has among all values of the group in the timespan, which may be text.
    ValuePercentile = "value_percentile" in value_percentile: ValuePercentile<F>;
    /// Events of all of the `rules` within `timespan`, in any order; with a `condition`, of so many different ones. `temporal_ordered`:
    /// in the order of the file.
    Temporal = "temporal" | "temporal_ordered" in temporal: Temporal;
    /// Events of the `rules` in the order of the file within `timespan`; an event of a rule in `interrupted-by` starts them over. Ours.
    Sequence = "sequence" in sequence: Sequence;
    /// The entity has not used this value (of one to five `fields`) within `timespan`. Ours.
    NewValue = "new_value" in new_value: NewValue<F>;
    /// Two uses lie too far apart for the time between them: nobody travels as fast. Ours.
    Travel = "travel" in travel: Travel;
    /// A value comes back after another one: two use one session. Ours.
    Concurrent = "concurrent" in concurrent: Concurrent<F>;
    /// An amount is so many times (`condition`) what is usual on a day for the entity, and for its peers. Ours.
    Baseline = "baseline" in baseline: Baseline<F>;
    /// So many events (`condition`) of the later `rules`, and none of the first for `timespan`. Ours.
    Absence = "absence" in absence: Absence;
    /// The weights of all signs that are there add up to `condition`. Ours.
    Risk = "risk" in risk: Risk;
}

/// The same expression for the operator of a kind, whatever its type is.
macro_rules! each {
    ($kind:expr, $operator:ident => $body:expr) => {
        match $kind {
            $crate::operator::Kind::EventCount($operator) => $body,
            $crate::operator::Kind::ValueCount($operator) => $body,
            $crate::operator::Kind::ValueSum($operator) => $body,
            $crate::operator::Kind::ValueAvg($operator) => $body,
            $crate::operator::Kind::ValueMedian($operator) => $body,
            $crate::operator::Kind::ValuePercentile($operator) => $body,
            $crate::operator::Kind::Temporal($operator) => $body,
            $crate::operator::Kind::Sequence($operator) => $body,
            $crate::operator::Kind::NewValue($operator) => $body,
            $crate::operator::Kind::Travel($operator) => $body,
            $crate::operator::Kind::Concurrent($operator) => $body,
            $crate::operator::Kind::Baseline($operator) => $body,
            $crate::operator::Kind::Absence($operator) => $body,
            $crate::operator::Kind::Risk($operator) => $body,
        }
    };
}
pub(crate) use each;

/// Finds the fields that names mean.
pub(crate) type Resolve<'r> = &'r mut dyn FnMut(&[Word]) -> Result<Vec<FieldRef>, Fault>;

/// What a correlation of one type is looked for with: what stands of it in a file.
pub trait Terms {
    /// The fields whose values it looks at.
    fn fields(&self) -> &[FieldRef] {
        &[]
    }

    /// What it reads of an event beside who that is about.
    fn reads(&self) -> Reads<'_> {
        Reads::default()
    }

    /// Its `condition`, to be changed; nothing where it has none.
    fn range(&mut self) -> Option<&mut Range> {
        None
    }

    /// What its condition holds a number against; nothing where it has none. `rules` is how many rules it refers to.
    fn bounds(&self, _rules: usize) -> Option<Bounds<'_>> {
        None
    }

    /// Why it can never hold, whatever its rules select.
    fn fault(&self) -> Option<String> {
        None
    }

    /// Which of its rules have to select something for it to hold.
    fn needs(&self) -> Needs {
        Needs::Any
    }

    /// Whether it can hold where only those of its rules can select anything that are true in `fed`.
    fn can_hold(&self, fed: &[bool]) -> bool {
        match self.needs() {
            Needs::All => fed.iter().all(|fed| *fed),
            Needs::Any | Needs::None => fed.contains(&true),
        }
    }

    /// Of which fields it takes different values to hold, and how many.
    fn distinct(&self) -> Option<(&[FieldRef], Range)> {
        None
    }

    /// How long an entity is only watched.
    fn learning(&self) -> Option<Learning> {
        None
    }

    /// Whether more events can only make it hold earlier or also.
    fn is_monotone(&self) -> bool {
        false
    }

    /// Whether one event of any of its rules is enough, so that nothing has to be kept for it.
    fn is_or(&self) -> bool {
        false
    }

    /// Digests what is accumulated, with fields by their names.
    fn accumulation(&self, parts: HashParts, name: Naming<'_>) -> HashParts;

    /// Digests what is decided.
    fn decision(&self, parts: HashParts) -> HashParts;

    /// What makes it hold, in words.
    fn says(&self, words: &Words<'_>) -> String;

    /// What would have kept it from holding, each enough by itself.
    fn unless(&self, words: &Words<'_>) -> Vec<String>;
}

/// The name of a field, for digests.
pub type Naming<'n> = &'n dyn Fn(&FieldRef) -> Vec<u8>;

/// What a correlation of one type does.
pub trait Operator: Terms {
    /// What is kept of an entity.
    type Cell: CellKind;
    /// What an observation saw, for its report.
    type Sight;
    /// Whether another correlation that refers to it tells its measures ([`Operator::retell`]).
    const RETOLD: bool = false;
    /// Whether it says only that others hold together, so that what they come of is told with it.
    const OF_OTHERS: bool = false;
    /// Whether what is new at something suspicious is held back ([`Operator::quarantine`]).
    const QUARANTINES: bool = false;

    /// Takes a contribution into the cell of its entity, and into that of its cohort, where it has one.
    fn observe(
        &self,
        cell: &mut Self::Cell,
        cohort: Cohort<'_>,
        contribution: &Contribution<'_>,
    ) -> Observation<Self::Sight>;

    /// What a finding tells of a time at which it holds.
    fn report(
        &self,
        cell: &mut Self::Cell,
        contribution: &Contribution<'_>,
        at: EventTime,
        sight: &Self::Sight,
        words: &Words<'_>,
    ) -> Report;

    /// The time of the first contribution to what holds at `at`.
    fn since(&self, _cell: &Self::Cell, _span: Millis, at: EventTime) -> EventTime {
        at
    }

    /// What it tells again of the time `at`, at which it held, to a correlation that refers to it.
    fn retell(&self, _cell: &mut Self::Cell, _words: &Words<'_>, _at: EventTime) -> Option<Report> {
        None
    }

    /// Of what so many others began at once: what they are called together, and what a finding tells of them.
    fn cohort_report(
        &self,
        _contribution: &Contribution<'_>,
        _others: u32,
        _words: &Words<'_>,
    ) -> Option<(Text, Report)> {
        None
    }

    /// What it comes to at the contribution, which is not taken in, for people.
    fn explain(
        &self,
        cell: Option<Self::Cell>,
        cohort: Option<Cell>,
        contribution: &Contribution<'_>,
        words: &Words<'_>,
    ) -> Evaluation;

    /// Something suspicious happened at `at`: what is new then is not learned. Says until when the cell is to be kept, where it changed.
    fn quarantine(&self, _cell: &mut Self::Cell, _at: EventTime, _span: Millis) -> Option<EventTime> {
        None
    }
}

/// What a correlation reads of an event beside who that is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reads<'a> {
    /// The fields whose values it tells apart. Amounts are not among them: they differ from event to event.
    pub value: &'a [FieldRef],
    /// What it compares an entity with.
    pub cohort: ComparedWith<'a>,
}

/// With whom an entity is compared.
#[derive(Clone, Copy, Debug, Default)]
pub enum ComparedWith<'a> {
    /// With nobody.
    #[default]
    Nobody,
    /// With all who use the same value.
    Users,
    /// With those who have the same values in these fields.
    Peers(&'a [FieldRef]),
}

/// Which of a correlation's rules have to select something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// All of them.
    All,
    /// One of them.
    Any,
    /// None is needed more than another: they make up for one another.
    None,
}

/// What a condition holds a number against.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The condition.
    pub range: &'a Range,
    /// What is counted or measured.
    pub what: &'static str,
    /// The least number that can come.
    pub least: f64,
    /// The largest.
    pub most: f64,
    /// Whether only whole ones come.
    pub whole: bool,
}

/// One event, as it contributes to one entity of a correlation.
#[derive(Clone, Copy, Debug)]
pub struct Contribution<'a> {
    /// The event.
    pub event: &'a Event,
    /// The time at which the rule holds.
    pub time: EventTime,
    /// Which of the correlation's rules it is.
    pub rule: u16,
    /// How many rules there are.
    pub rules: u16,
    /// The timespan.
    pub span: Millis,
    /// The entity, short.
    pub entity: u64,
    /// The value that the correlation tells apart; none where the event lacks one of its fields, or no value is looked at.
    pub value: Option<&'a Text>,
    /// The digest of `value`.
    pub digest: u64,
    /// The policy's name.
    pub policy: &'a str,
}

impl Contribution<'_> {
    /// Its event alone, as what a report rests on.
    pub(crate) fn witness(&self, time: EventTime) -> (EventId, EventTime, Text) {
        (self.event.id, time, self.policy.into())
    }
}

/// The cell of those with whom an entity is compared; made where it is asked for first.
#[derive(Debug)]
pub struct Cohort<'a>(pub Option<&'a mut Option<Cell>>);

impl<'a> Cohort<'a> {
    /// The cell; nothing where the event says of nobody that it is compared with.
    pub fn get<T: CellKind>(self) -> Option<&'a mut T> {
        self.0.map(cell::get)
    }
}

/// What an operator makes of a contribution.
#[derive(Debug)]
pub struct Observation<S> {
    /// The times at which it holds, ascending.
    pub satisfied: Vec<EventTime>,
    /// What it saw.
    pub sight: S,
    /// Whether the cell changed.
    pub change: Change,
    /// When nothing of the cell can matter any more.
    pub expires: EventTime,
    /// Until then a contribution that looks the same changes nothing and makes nothing hold; nothing where the next one may.
    pub noop_until: Option<EventTime>,
    /// Whether the event is to be recorded as evidence.
    pub is_evidence: bool,
    /// Whether something was let go at a bound.
    pub overflowed: bool,
    /// What became of the cohort.
    pub cohort: Option<CohortSeen>,
}

impl<S: Default> Observation<S> {
    /// Nothing is taken in, and nothing holds.
    pub fn nothing(noop_until: Option<EventTime>) -> Observation<S> {
        Observation {
            satisfied: Vec::new(),
            sight: S::default(),
            change: Change::None,
            expires: EventTime::default(),
            noop_until,
            is_evidence: false,
            overflowed: false,
            cohort: None,
        }
    }
}

/// How a contribution changed a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    None,
    /// It is to be written; what was known to change nothing, of contributions that look otherwise, still does not.
    Own,
    /// It is to be written, and any contribution may now change something.
    All,
}

/// What a contribution showed of a cohort.
#[derive(Clone, Copy, Debug)]
pub struct CohortSeen {
    /// Whether its cell changed.
    pub change: Change,
    /// When nothing of it can matter any more.
    pub expires: EventTime,
    /// As [`Observation::noop_until`], of the cohort.
    pub noop_until: Option<EventTime>,
    /// How many others began to use the same, where that is a finding of its own.
    pub began: Option<u32>,
}

/// What a finding tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The time of the first contribution.
    pub first: EventTime,
    /// Its numbers.
    pub measures: Vec<Measure>,
    /// What contributed, the newest first: event, time, and which rule or policy selected it.
    pub witnesses: Vec<(EventId, EventTime, Text)>,
}

/// What a correlation comes to at an event, for people.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Whether it holds; nothing where that can't be told.
    pub holds: Option<bool>,
    /// Its numbers.
    pub measured: Vec<Measure>,
    /// How far the learning has come, where it learns.
    pub learning: Option<String>,
}

impl Evaluation {
    /// Of one that learns nothing.
    pub fn of(holds: bool, measured: Vec<Measure>) -> Evaluation {
        Evaluation { holds: Some(holds), measured, learning: None }
    }
}
