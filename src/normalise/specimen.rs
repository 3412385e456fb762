//! What events a profile can make: specimens, read from records that are made to fit its rules.
//!
//! Whether a detection can ever fire on a trail follows from them. For each rule of `[[activity]]`, alone and with those of
//! `[[adjust]]`, and for each word that `[outcome]` and `[cause]` know, a record is made whose raw fields meet the conditions, and it
//! goes the way of every record. It is made twice, with other values where the profile leaves the choice: in which fields the two
//! events differ, there the trail can have anything.
use super::compiled::{Part, Profile, Rule, Words};
use super::event::Place;
use super::getter::{Getter, Test};
use super::pattern::Pattern;
use super::raw::Shared;
use super::trust::Trust;
use super::{Normaliser, ProfileRef};
use crate::decode::Cells;
use crate::model::{
    Activity, ActorKind, Batch, Cause, Digest, Event, Field, FileId, Frame, FrameFlags, SourceName, Stretch, Value,
    Vouched, WallTime,
};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// An event that a profile can make.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// The event, of no trail and no time.
    pub event: Box<Event>,
    /// The fields that can have any value in events of this sort, or none. The others have the event's value in all of them.
    pub open: BTreeSet<Field>,
    /// Those of them that no event of the sort is without.
    pub always: BTreeSet<Field>,
}

impl Specimen {
    /// The value of a field as far as it is the same in all events of the sort.
    fn shown(&self, field: Field) -> String {
        match self.event.get(field) {
            _ if self.always.contains(&field) => "!".to_owned(),
            _ if self.open.contains(&field) => "?".to_owned(),
            Value::Text(text) => format!("={text}"),
            value => format!("{value:?}"),
        }
    }

    /// Whether an event like `event` can be of this sort: it did the same, it ended the same way for the same cause, and the same kind
    /// of actor did it.
    pub fn is_like(&self, event: &Event) -> bool {
        use Field::{Activity, ActorType, Cause, Outcome, SessionVouched};
        let is_alike = |field: &Field| self.open.contains(field) || self.event.get(*field) == event.get(*field);
        // a record may say neither who acted nor in which session
        let is_alike_or_absent = |field: &Field| event.get(*field) == Value::Absent || is_alike(field);
        self.event.product == event.product
            && [Activity, Outcome, Cause].iter().all(is_alike)
            && [ActorType, SessionVouched].iter().all(is_alike_or_absent)
    }

    /// Whether events of the sort can have the field.
    pub fn can_have(&self, field: Field) -> bool {
        self.open.contains(&field) || self.event.get(field) != Value::Absent
    }
}

/// Who acted, and in which session.
const WHO: [Field; 3] = [Field::ActorName, Field::ActorUid, Field::SessionUid];

/// The most records that are tried for one rule of `[[activity]]`. Those that two rules of `[[adjust]]` change come last: where a profile
/// has more of them, some of these are missing.
const MOST: usize = 100_000;

impl Normaliser {
    /// A specimen of each sort of event that a trail of this profile can have, of those who may send it where that is said.
    pub fn specimens(&self, profile: ProfileRef) -> Vec<Specimen> {
        let mut found = BTreeMap::new();
        let trust = self.profiles[profile.0].trust.of_senders();
        for sort in self.sorts(profile) {
            let _ = Maker::new(sort, trust.clone()).all(&mut found);
        }
        found.into_values().collect()
    }
}

/// What a raw field must be.
enum Need<'p> {
    /// One of these patterns.
    Fits(&'p [Pattern]),
    /// None of these.
    FitsNot(&'p [Pattern]),
    /// This word of `[outcome]` or `[cause]`.
    Word(&'p Pattern),
    /// This name of a closed vocabulary.
    Is(&'static str),
    Present,
    Absent,
}

impl Need<'_> {
    fn is_met(&self, value: &str) -> bool {
        match self {
            Need::Fits(patterns) => patterns.iter().any(|pattern| pattern.fits_only(value)),
            Need::FitsNot(patterns) => !patterns.iter().any(|pattern| pattern.fits_only(value)),
            Need::Word(pattern) => pattern.fits_any_case(value),
            Need::Is(text) => *text == value,
            Need::Present => true,
            Need::Absent => false,
        }
    }

    /// Texts that meet it, with `fill` where any text does.
    fn samples<'a>(&'a self, fill: &'a str) -> Box<dyn DoubleEndedIterator<Item = String> + 'a> {
        match self {
            Need::Is(text) => Box::new(std::iter::once((*text).to_owned())),
            _ => Box::new(self.patterns().iter().map(move |pattern| pattern.sample(fill))),
        }
    }

    /// The patterns that it is about.
    fn patterns(&self) -> &[Pattern] {
        match self {
            Need::Fits(patterns) => patterns,
            Need::Word(pattern) => std::slice::from_ref(*pattern),
            Need::Is(_) | Need::FitsNot(_) | Need::Present | Need::Absent => &[],
        }
    }
}

/// What a raw field that a closed vocabulary is read from says: one of the words, or nothing at all.
#[derive(Clone, Copy)]
enum Said<'p> {
    Word(&'p Pattern),
    Name(&'static str),
    Nothing,
}

/// A record to be made: for each raw field what it must be, read by what.
#[derive(Default)]
struct Draft<'p> {
    needs: BTreeMap<usize, Vec<(&'p Getter, Need<'p>)>>,
}

impl<'p> Draft<'p> {
    fn need(&mut self, getters: &'p [Getter], need: impl Fn() -> Need<'p>) {
        let absent = |getter: &&Getter| {
            self.needs.get(&getter.cell()).is_some_and(|needs| needs.iter().any(|(_, n)| matches!(n, Need::Absent)))
        };
        let chosen: Vec<&Getter> = match need() {
            Need::Absent => getters.iter().collect(),
            _ => getters.iter().find(|getter| !absent(getter)).or(getters.first()).into_iter().collect(),
        };
        for getter in chosen {
            self.needs.entry(getter.cell()).or_default().push((getter, need()));
        }
    }

    fn test(&mut self, (getters, test): (&'p [Getter], &'p Test)) {
        match test {
            Test::Present => self.need(getters, || Need::Present),
            Test::Absent => self.need(getters, || Need::Absent),
            Test::Fits(patterns) => self.need(getters, || Need::Fits(patterns)),
            Test::FitsNot(patterns) => self.need(getters, || Need::FitsNot(patterns)),
        }
    }

    fn conditions(&mut self, conditions: &'p super::getter::Conditions) {
        // absence first: what must not be there is not chosen for the others
        conditions.each().filter(|(_, test)| matches!(test, Test::Absent)).for_each(|test| self.test(test));
        conditions.each().filter(|(_, test)| !matches!(test, Test::Absent)).for_each(|test| self.test(test));
    }
}

/// How what no condition asks for is filled.
#[derive(Clone, Copy)]
struct Mode {
    /// Raw fields that are there only in some records (a condition asks for their presence) are left out.
    leaves_out: bool,
    /// Conditions that hold for what is none of some words (`not`) are kept from holding.
    keeps_from: bool,
}

const MODES: [Mode; 4] = [
    Mode { leaves_out: false, keeps_from: false },
    Mode { leaves_out: true, keeps_from: false },
    Mode { leaves_out: false, keeps_from: true },
    Mode { leaves_out: true, keeps_from: true },
];

/// Fills where anything may stand: of the first record, and of the second.
const FILLS: [&str; 2] = ["qx1", "qx2"];

/// The same of what is read as a number.
const DIGITS: [&str; 2] = ["01", "02"];

/// Makes the records of one profile.
struct Maker<'p> {
    profile: &'p Profile,
    /// What stands in a raw field where nothing is asked for, for each of the two records.
    free: Vec<[String; 2]>,
    /// The raw fields that say who acted, in which session, and how it ended.
    telling: BTreeSet<usize>,
    /// What stands in each raw field of the two records where nothing is asked of it, by mode.
    rest: Vec<Vec<[Option<String>; 2]>>,
    /// The raw fields whose presence some condition asks for.
    optional: BTreeSet<usize>,
    /// What keeps the conditions with `not` from holding, by raw field.
    avoided: BTreeMap<usize, (&'p Getter, &'p [Pattern])>,
    cells: Cells,
    /// Digests of the records that were made already.
    made: BTreeSet<u64>,
    /// Where they would have been read.
    batch: Batch,
    trust: Trust,
}

impl<'p> Maker<'p> {
    fn new(profile: &'p Profile, trust: Trust) -> Maker<'p> {
        let conditions = || {
            let rules = profile.activity.iter().map(|rule| &rule.when);
            rules.chain(profile.adjust.iter().map(|(when, _)| when)).flat_map(super::getter::Conditions::each)
        };
        let mut optional = BTreeSet::new();
        let mut avoided = BTreeMap::new();
        for (getters, test) in conditions() {
            match (test, getters.first()) {
                (Test::Present | Test::Absent, _) => optional.extend(getters.iter().map(Getter::cell)),
                (Test::FitsNot(patterns), Some(getter)) => {
                    avoided.entry(getter.cell()).or_insert((getter, &patterns[..]));
                }
                _ => {}
            }
        }
        let who = [Field::ActorName, Field::ActorUid, Field::ActorType, Field::SessionUid, Field::SessionVouched];
        let fields = profile.fields.iter().filter(|(field, _)| who.contains(field)).flat_map(|(_, getters)| getters);
        let outcome = profile.outcome.iter().flat_map(|words| &words.from);
        let cause = profile.cause.iter().flat_map(|words| &words.from);
        let mut maker = Maker {
            telling: fields.chain(outcome).chain(cause).map(Getter::cell).collect(),
            free: vec![FILLS.map(String::from); profile.cells],
            profile,
            rest: Vec::new(),
            optional,
            avoided,
            cells: Cells::default(),
            made: BTreeSet::new(),
            batch: nowhere(),
            trust,
        };
        maker.fill();
        let rest = |mode| (0..profile.cells).map(|cell| maker.cell(cell, &[], mode).unwrap_or_default()).collect();
        maker.rest = MODES.map(rest).into();
        maker
    }

    /// Chooses what stands in each raw field, so that as many of the fields as can be that are read from it have a value.
    fn fill(&mut self) {
        let mut read: BTreeMap<usize, Vec<(&Getter, [&str; 2])>> = BTreeMap::new();
        for (field, getters) in &self.profile.fields {
            for getter in getters {
                read.entry(getter.cell()).or_default().push((getter, samples(*field)));
            }
        }
        let rules = self.profile.activity.iter().map(|rule| &rule.set);
        for (field, parts) in rules.chain(self.profile.adjust.iter().map(|(_, set)| set)).flatten() {
            if let [Part::Raw(getter)] = &parts[..] {
                read.entry(getter.cell()).or_default().push((getter, samples(*field)));
            }
        }
        let outcome = self.profile.outcome.iter().flat_map(|words| &words.from);
        let cause = self.profile.cause.iter().flat_map(|words| &words.from);
        for getter in outcome.chain(cause) {
            read.entry(getter.cell()).or_default().push((getter, FILLS));
        }
        for (cell, readers) in read {
            let Some(free) = self.free.get_mut(cell) else { continue };
            for (n, free) in free.iter_mut().enumerate() {
                // of what has many readers, those that take it as a number or an address are served first
                let mut raw = String::new();
                let mut readers = readers.clone();
                readers.sort_by_key(|(_, samples)| samples[n] == FILLS[n]);
                for (getter, samples) in &readers {
                    if raw.is_empty() || getter.of(&raw).is_none() {
                        let more = getter.invert(samples[n], &raw);
                        raw = if raw.starts_with('{') || raw.is_empty() { more } else { raw + &more };
                    }
                }
                *free = raw;
            }
        }
    }

    /// Makes them; false where [`MOST`] kept it from making all.
    fn all(&mut self, found: &mut BTreeMap<Vec<String>, Specimen>) -> bool {
        let mut is_whole = true;
        let none = std::iter::once(None);
        let rules: Vec<Option<&Rule>> = self.profile.activity.iter().map(Some).chain(none).collect();
        for rule in rules {
            let is = rule.map_or(Activity::Other, |rule| rule.is);
            let closed = self.closed(is);
            let most = MOST / (MODES.len() * closed.len());
            let adjusts = self.adjusts();
            is_whole &= adjusts.len() <= most;
            for adjusts in adjusts.iter().take(most.max(1)) {
                // whatever more is asked for does not make it possible
                let draft = self.draft(rule, adjusts, &[]);
                if MODES.iter().all(|mode| self.asked(&draft, *mode).is_none()) {
                    continue;
                }
                for closed in &closed {
                    for mode in 0..MODES.len() {
                        if let Some(specimen) = self.specimen(rule, adjusts, closed, mode) {
                            let key = Field::ALL.iter().map(|field| specimen.shown(*field)).collect();
                            found.entry(key).or_insert(specimen);
                        }
                    }
                }
            }
        }
        is_whole
    }

    /// No adjustment, each, and each two.
    fn adjusts(&self) -> Vec<Vec<usize>> {
        let count = self.profile.adjust.len();
        let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| vec![a, b]));
        std::iter::once(Vec::new()).chain((0..count).map(|a| vec![a])).chain(pairs).collect()
    }

    /// Those of the words that differ: of those that mean the same for the outcome, the cause and every condition, the first.
    fn unlike<T: Copy>(&self, words: &'p Words<T>) -> Vec<&'p Pattern> {
        let rules = self.profile.activity.iter().map(|rule| &rule.when);
        let conditions = rules.chain(self.profile.adjust.iter().map(|(when, _)| when));
        // each condition on a raw field that the words may stand in
        let tests: Vec<(&Getter, &Getter, &[Pattern])> = conditions
            .flat_map(super::getter::Conditions::each)
            .filter_map(|(getters, test)| match test {
                Test::Fits(patterns) | Test::FitsNot(patterns) => Some((getters, &patterns[..])),
                Test::Present | Test::Absent => None,
            })
            .flat_map(|(getters, patterns)| getters.iter().map(move |getter| (getter, patterns)))
            .flat_map(|(getter, patterns)| words.from.iter().map(move |from| (from, getter, patterns)))
            .filter(|(from, getter, _)| getter.cell() == from.cell())
            .collect();
        let (outcome, cause) = (self.profile.outcome.as_ref(), self.profile.cause.as_ref());
        let is_in = |getter: &Getter| words.from.iter().any(|from| getter.cell() == from.cell());
        let reads_it = |getters: &[Getter]| getters.iter().any(is_in);
        let mut met = BTreeSet::new();
        let mut unlike = Vec::new();
        for pattern in words.patterns() {
            let text = pattern.sample(FILLS[0]);
            let fits = |(from, getter, patterns): &(&Getter, &Getter, &[Pattern])| {
                getter
                    .of(&from.invert(&text, ""))
                    .is_some_and(|value| patterns.iter().any(|pattern| pattern.fits_only(&value)))
            };
            let outcome = outcome.filter(|outcome| reads_it(&outcome.from)).map(|outcome| outcome.meaning(&text));
            let cause = cause.filter(|cause| reads_it(&cause.from)).map(|cause| cause.meaning(&text));
            // one that lets anything stand can be many words
            if met.insert((outcome, cause, tests.iter().map(fits).collect::<Vec<bool>>())) || pattern.is_open() {
                unlike.push(pattern);
            }
        }
        unlike
    }

    /// What the raw fields can say that the fields of a closed vocabulary are read from: each word of `[outcome]` with each of `[cause]`,
    /// and each kind of actor.
    fn closed(&self, is: Activity) -> Vec<Vec<(&'p [Getter], Said<'p>)>> {
        let words = |from: &'p [Getter], patterns: Vec<&'p Pattern>| {
            let mut all = vec![Vec::new(), vec![(from, Said::Nothing)]];
            all.extend(patterns.into_iter().map(|pattern| vec![(from, Said::Word(pattern))]));
            all
        };
        let mut all = vec![Vec::new()];
        if let Some(outcome) = &self.profile.outcome {
            all = words(&outcome.from, self.unlike(outcome));
        }
        if let Some(cause) = &self.profile.cause
            && matches!(is, Activity::Login | Activity::MfaChallenge)
        {
            all = product(&all, &words(&cause.from, self.unlike(cause)));
        }
        for (field, getters) in &self.profile.fields {
            let names: Vec<&'static str> = match field {
                Field::ActorType => ActorKind::ALL.iter().map(|kind| kind.name()).collect(),
                Field::SessionVouched => Vouched::ALL.iter().map(|who| who.name()).collect(),
                Field::Cause if matches!(is, Activity::Login | Activity::MfaChallenge) => {
                    Cause::ALL.iter().map(|cause| cause.name()).collect()
                }
                _ => continue,
            };
            let one = |name| vec![(&getters[..], Said::Name(name))];
            let nothing = vec![(&getters[..], Said::Nothing)];
            let names: Vec<_> = std::iter::once(nothing).chain(names.into_iter().map(one)).collect();
            all = product(&all, &names);
        }
        all
    }

    /// What a record must be to meet a rule, some adjustments and some words.
    fn draft(&self, rule: Option<&'p Rule>, adjusts: &[usize], closed: &[(&'p [Getter], Said<'p>)]) -> Draft<'p> {
        let mut draft = Draft::default();
        for adjust in adjusts {
            draft.conditions(&self.profile.adjust[*adjust].0);
        }
        if let Some(rule) = rule {
            draft.conditions(&rule.when);
        }
        for (getter, is_there) in self.profile.sent_asks(rule) {
            draft.need(std::slice::from_ref(getter), || if is_there { Need::Present } else { Need::Absent });
        }
        for (getters, said) in closed {
            match *said {
                Said::Word(pattern) => draft.need(getters, || Need::Word(pattern)),
                Said::Name(name) => draft.need(getters, || Need::Is(name)),
                Said::Nothing => draft.need(getters, || Need::Absent),
            }
        }
        draft
    }

    /// The raw fields of which something is asked; nothing where one can't be as it must.
    fn asked(&self, draft: &Draft<'_>, mode: Mode) -> Option<BTreeMap<usize, [Option<String>; 2]>> {
        draft.needs.iter().map(|(cell, needs)| Some((*cell, self.cell(*cell, needs, mode)?))).collect()
    }

    fn specimen(
        &mut self,
        rule: Option<&'p Rule>,
        adjusts: &[usize],
        closed: &[(&'p [Getter], Said<'p>)],
        mode: usize,
    ) -> Option<Specimen> {
        let draft = self.draft(rule, adjusts, closed);
        let asked = self.asked(&draft, MODES[mode])?;
        let rest = &self.rest[mode];
        let cells: Vec<&[Option<String>; 2]> =
            rest.iter().enumerate().map(|(cell, free)| asked.get(&cell).unwrap_or(free)).collect();
        let mut digest = DefaultHasher::new();
        cells.hash(&mut digest);
        if self.made.contains(&digest.finish()) {
            return None;
        }
        let records = [0, 1].map(|n| cells.iter().map(|pair| pair[n].clone()).collect::<Vec<_>>());
        self.made.insert(digest.finish());
        let event = self.event(&records[0]);
        let is_same = |other: &Event| {
            use Field::{Activity, ActorType, Cause, Outcome, SessionVouched};
            [Activity, Outcome, Cause, ActorType, SessionVouched].iter().all(|f| event.get(*f) == other.get(*f))
        };
        let other = Some(self.event(&records[1])).filter(|other| is_same(other)).or_else(|| {
            // another word of the same list means something else: only what is free differs
            let mixed: Vec<_> = (0..self.profile.cells)
                .map(|cell| match draft.needs.contains_key(&cell) {
                    true => records[0][cell].clone(),
                    false => records[1][cell].clone(),
                })
                .collect();
            Some(self.event(&mixed)).filter(|other| is_same(other))
        })?;
        let open: BTreeSet<Field> =
            Field::ALL.iter().copied().filter(|field| event.get(*field) != other.get(*field)).collect();
        let is_asked =
            |cell| draft.needs.contains_key(&cell) || MODES[mode].keeps_from && self.avoided.contains_key(&cell);
        let asked: Vec<bool> = (0..self.profile.cells).map(is_asked).collect();
        let barest = self.barest(&records[0], &asked, is_same);
        // a record may say neither who acted nor in which session, unless that is what makes it of its sort
        let record: Vec<_> =
            records[0].iter().zip(&asked).map(|(value, kept)| value.clone().filter(|_| *kept)).collect();
        let told = self.event(&record);
        let is_anonymous = |field: &Field| WHO.contains(field) && told.get(*field) == Value::Absent;
        let is_there = |field: &Field| barest.get(*field) != Value::Absent && !is_anonymous(field);
        let always = open.iter().copied().filter(is_there).collect();
        Some(Specimen { event, open, always })
    }

    /// The event of a record of the same sort that has as little as it can: what is there in it, is always there.
    fn barest(&mut self, record: &[Option<String>], asked: &[bool], is_same: impl Fn(&Event) -> bool) -> Box<Event> {
        // what nothing asks for may still make it of this sort: most often that it names who acted, or says how it ended
        let telling = asked.iter().enumerate().map(|(cell, asked)| *asked || self.telling.contains(&cell)).collect();
        for kept in [asked.to_vec(), telling, vec![true; asked.len()]] {
            let mut bare: Vec<_> =
                record.iter().zip(&kept).map(|(value, kept)| value.clone().filter(|_| *kept)).collect();
            let mut event = self.event(&bare);
            if !is_same(&event) {
                continue;
            }
            for cell in (0..bare.len()).filter(|cell| !asked[*cell]) {
                let Some(value) = bare[cell].take() else { continue };
                let without = self.event(&bare);
                match is_same(&without) {
                    true => event = without,
                    false => bare[cell] = Some(value),
                }
            }
            return event;
        }
        self.event(record)
    }

    /// What stands in a raw field of the two records; nothing where it can't be as it must.
    fn cell(&self, cell: usize, needs: &[(&Getter, Need<'_>)], mode: Mode) -> Option<[Option<String>; 2]> {
        if needs.iter().any(|(_, need)| matches!(need, Need::Absent)) {
            return needs
                .iter()
                .all(|(_, need)| matches!(need, Need::Absent | Need::FitsNot(_)))
                .then_some([None, None]);
        }
        let avoided = self.avoided.get(&cell).filter(|_| mode.keeps_from);
        if needs.is_empty() && avoided.is_none() && mode.leaves_out && self.optional.contains(&cell) {
            return Some([None, None]);
        }
        let fits = |raw: &String| {
            needs.iter().all(|(getter, need)| match getter.of(raw) {
                Some(value) => need.is_met(&value),
                None => matches!(need, Need::FitsNot(_)),
            })
        };
        let free = &self.free[cell];
        // of what is read as a number, any part is one
        let is_number = |n: usize| free[n].bytes().all(|b| b.is_ascii_digit()) && !free[n].is_empty();
        let fills = [0, 1].map(|n| if is_number(n) { DIGITS[n] } else { FILLS[n] });
        let candidates = |n: usize| {
            let asked = needs.iter().flat_map(move |(getter, need)| {
                // what fits two patterns has the words of one where the other lets anything stand
                let open = need.patterns().iter().filter(|pattern| pattern.is_open());
                let others = needs.iter().filter(move |(_, other)| !std::ptr::eq(need, other));
                let both = open.flat_map(move |pattern| {
                    let words = others.clone().flat_map(move |(_, other)| other.samples(fills[n]));
                    words.map(move |word| pattern.sample(&word))
                });
                need.samples(fills[n]).chain(both).map(move |text| getter.invert(&text, &free[n]))
            });
            let avoided = avoided.into_iter().flat_map(move |(getter, patterns)| {
                patterns.iter().map(move |pattern| getter.invert(&pattern.sample(fills[n]), &free[n]))
            });
            asked.chain(avoided).chain(std::iter::once_with(move || free[n].clone()))
        };
        let asks =
            needs.iter().any(|(_, need)| matches!(need, Need::Fits(_) | Need::Word(_) | Need::Is(_) | Need::Present));
        let Some(first) = candidates(0).find(&fits) else { return (!asks).then_some([None, None]) };
        let mut second = candidates(1).filter(&fits);
        // the last of several words, so that the two differ where there is a choice
        Some([Some(first), if asks { second.next_back() } else { second.next() }])
    }

    fn event(&mut self, values: &[Option<String>]) -> Box<Event> {
        let frame = Frame { start: 0, end: 0, from: 0, to: 0, flags: FrameFlags::default() };
        let digest = self.batch.witness.short();
        let place = Place {
            batch: &self.batch,
            frame: &frame,
            digest,
            sender: None,
            time: None,
            before: 0,
            trust: &self.trust,
        };
        let record = self.cells.made(values.iter().map(Option::as_deref));
        self.profile.event(&record, &place, &TimeZone::UTC, &mut Shared::new())
    }
}

/// A batch of no trail.
fn nowhere() -> Batch {
    Batch {
        source: SourceName("".into()),
        path: Arc::from(std::path::Path::new("")),
        stretch: Stretch { file: FileId::default(), from: 0, to: 0 },
        discontinuity: None,
        observed: WallTime(0),
        data: Arc::from(&b""[..]),
        frames: Vec::new(),
        header: None,
        witness: Digest::of(b""),
        size: 0,
    }
}

/// Every way to have one of `first` with one of `second`.
fn product<T: Clone>(first: &[Vec<T>], second: &[Vec<T>]) -> Vec<Vec<T>> {
    first.iter().flat_map(|a| second.iter().map(move |b| a.iter().chain(b).cloned().collect())).collect()
}

/// Two values that a field can have.
fn samples(field: Field) -> [&'static str; 2] {
    match field {
        Field::Ip => ["198.51.100.7", "203.0.113.9"],
        Field::Sequence | Field::ExportRecords | Field::Duration => ["7001", "8002"],
        // more than a page has
        Field::ExportBytes => ["7001001", "8002002"],
        Field::Status => ["298", "299"],
        Field::ExportFirstDay => ["2026-03-01", "2026-03-05"],
        Field::ExportLastDay => ["2026-03-30", "2026-03-31"],
        Field::UserAgent => ["curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"],
        _ => FILLS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_and_every_cause_of_every_profile_has_a_specimen() {
        // words of a cause that stand in a table for all activities, and only ever come with those that have none
        let never = [("auth0", "expired")];
        let normaliser = Normaliser::new(&[], &[]).unwrap();
        for profile in normaliser.profiles() {
            let specimens = normaliser.specimens(profile);
            let written = &normaliser.profiles[profile.0].written;
            let name = &*written.name;
            for rule in &written.activity {
                assert!(specimens.iter().any(|s| s.event.activity == rule.is), "{name}: no {}", rule.is.name());
            }
            let tells = written.activity.iter().any(|r| matches!(r.is, Activity::Login | Activity::MfaChallenge));
            let Some(words) = written.cause.as_ref().filter(|_| tells) else { continue };
            for cause in words.all() {
                let is_made = specimens.iter().any(|s| s.event.cause == Some(cause));
                assert_eq!(is_made, !never.contains(&(name, cause.name())), "{name}: {}", cause.name());
            }
        }
    }

    #[test]
    fn of_every_profile_all_specimens_are_made() {
        let normaliser = Normaliser::new(&[], &[]).unwrap();
        for profile in normaliser.profiles() {
            let written = &normaliser.profiles[profile.0].written;
            assert!(Maker::new(written, Trust::default()).all(&mut BTreeMap::new()), "{}", written.name);
        }
    }

    #[test]
    fn what_a_specimen_leaves_open_is_what_the_record_says() {
        let profile = r#"
            name = "made"
            title = "Made"
            format = "json"
            [fields]
            "actor.user.name" = "who"
            "src_endpoint.ip" = "at"
            "export.records" = "rows"
            [outcome]
            from = "ok"
            success = ["yes"]
            failure = ["no"]
            [[activity]]
            is = "download"
            when = { act = ["fetch", "pull"] }
            set = { "export.kind" = "sms" }
        "#;
        let normaliser = Normaliser::only([("made", profile)].into_iter(), &[]).unwrap();
        let specimens = normaliser.specimens(normaliser.profile("made").unwrap());
        let downloads: Vec<_> = specimens.iter().filter(|s| s.event.activity == Activity::Download).collect();
        let outcomes: BTreeSet<_> = downloads.iter().map(|s| s.event.outcome.name()).collect();
        assert_eq!(outcomes, BTreeSet::from(["failure", "success", "unknown"]));
        for specimen in downloads {
            assert_eq!(
                specimen.event.get(Field::ExportKind),
                Value::Text("sms"),
                "what a rule sets is so in all of them"
            );
            let open = [Field::ActorName, Field::Ip, Field::ExportRecords];
            assert!(open.iter().all(|field| specimen.open.contains(field)), "{:?}", specimen.open);
            assert!(!specimen.open.contains(&Field::ExportKind) && !specimen.open.contains(&Field::Customer));
        }
    }
}
