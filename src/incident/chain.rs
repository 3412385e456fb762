//! The chain from a finding down to the events: which of the rules beneath a policy held, and at which events.
//!
//! It is worked out from the recorded events alone, for a finding records what completed it and not the whole state. What
//! contributes to a window is always recorded, so counts, sums and orders come out as they were; what somebody was
//! known to use before is known only as far as it is recorded, and what depends on the state of that time is said to be unknown.
use crate::model::{Event, EventId, EventTime, Evidence, Field, Session, SourceName};
pub use crate::operator::Held;
use crate::operator::hindsight::text;
use crate::operator::{Hindsight, History, each};
use crate::pipeline::EventRow;
use crate::policy::{Body, Correlation, FieldRef, PolicySet};
use serde::Serialize;
use std::collections::BTreeMap;

/// The most events that are looked at: the newest before the finding.
pub const MOST_EVENTS: usize = 4096;
/// How deep policies are followed; the shipped ones are six deep at most.
const DEPTH: usize = 12;
/// How much is worked out before it is said to be unknown: it bounds the time that one question takes.
const STEPS: usize = 2_000_000;

/// One rule of the chain, with those beneath it.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// The rule's name.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// What makes it hold.
    pub says: String,
    /// What would have kept it from holding, each enough by itself.
    pub unless: Vec<String>,
    /// Whether it held at `event`.
    pub held: Held,
    /// What there was, where that can be said.
    pub found: Option<String>,
    /// The event that completed it.
    pub event: EventId,
    /// When.
    pub time: EventTime,
    /// The rules beneath it that held, or may have.
    pub below: Vec<Link>,
    /// The rules beneath it that did not hold: it stands without them.
    pub without: Vec<String>,
}

/// What is recorded of those whom a finding is about.
pub struct Past<'a> {
    set: &'a PolicySet,
    /// By time, and by id.
    events: Vec<Event>,
    known: BTreeMap<(usize, usize), Held>,
    steps: usize,
    whole: Field,
}

impl<'a> Past<'a> {
    /// Of these events, the newest [`MOST_EVENTS`] of them: all that are recorded of one actor, session or address, as `whole`
    /// says. What is counted by something else is not all there.
    pub fn new(set: &'a PolicySet, whole: Field, rows: impl IntoIterator<Item = EventRow>) -> Past<'a> {
        let mut events: Vec<Event> = rows.into_iter().map(event).collect();
        events.sort_by_key(|e| (e.time, e.id));
        events.dedup_by_key(|e| e.id);
        events.drain(..events.len().saturating_sub(MOST_EVENTS));
        Past { set, events, known: BTreeMap::new(), steps: STEPS, whole }
    }

    /// The chain of that rule at that event; nothing where the event is not among those known. `held` is what is recorded of
    /// it already: the witness of a finding did hold.
    pub fn link(&mut self, rule: usize, event: &EventId, held: Option<Held>) -> Option<Link> {
        let at = self.events.iter().position(|e| e.id == *event)?;
        Some(self.link_at(rule, at, held, 0))
    }

    fn link_at(&mut self, rule: usize, at: usize, held: Option<Held>, depth: usize) -> Link {
        let set = self.set;
        let policy = &set.rules[rule];
        let (event, time) = (self.events[at].id, self.events[at].time);
        let mut link = Link {
            rule: policy.name.to_string(),
            title: policy.title.to_string(),
            says: set.says(policy),
            unless: set.unless(policy),
            held: held.unwrap_or_else(|| self.held(rule, at, depth)),
            found: None,
            event,
            time,
            below: Vec::new(),
            without: Vec::new(),
        };
        let Body::Correlation(c) = &policy.body else { return link };
        link.found = each!(&c.kind, operator => operator.found(&mut Asked { past: self, c, at, depth }));
        if depth >= DEPTH {
            return link;
        }
        for (via, below) in c.rules.iter().enumerate() {
            match self.best(c, via, at, depth + 1) {
                Some((best, held)) if held != Held::No => {
                    link.below.push(self.link_at(*below, best, Some(held), depth + 1));
                }
                _ => link.without.push(set.rules[*below].name.to_string()),
            }
        }
        link
    }

    /// The event, not after `at` and within the correlation's reach of it, at which the rule beneath held; one at which it
    /// may have where there is no such.
    fn best(&mut self, c: &Correlation, via: usize, at: usize, depth: usize) -> Option<(usize, Held)> {
        let mut may = None;
        for i in self.reach(c, via, at).into_iter().rev() {
            match self.held(c.rules[via], i, depth) {
                Held::Yes => return Some((i, Held::Yes)),
                Held::Unknown => may = may.or(Some((i, Held::Unknown))),
                Held::No => {}
            }
        }
        may
    }

    /// The events that the correlation looks at together with that at `at`: of the same entity, within its timespan.
    fn reach(&mut self, c: &Correlation, via: usize, at: usize) -> Vec<usize> {
        // what accumulates nothing looks at one event only
        if !is_of_several(c) {
            return vec![at];
        }
        let from = self.events.partition_point(|e| e.time <= self.events[at].time.minus(c.timespan));
        if self.steps < at - from {
            return vec![at];
        }
        self.steps -= at - from;
        let asked = &self.events[at];
        // of which rule the asked event is does not matter for the entity, unless names differ
        let entities: Vec<_> = (0..c.rules.len()).filter_map(|via| entity(asked, c, via)).collect();
        let own = |i: &usize| entity(&self.events[*i], c, via).is_some_and(|e| entities.contains(&e));
        (from..=at).filter(own).collect()
    }

    fn held(&mut self, rule: usize, at: usize, depth: usize) -> Held {
        if let Some(held) = self.known.get(&(rule, at)) {
            return *held;
        }
        if self.steps == 0 || depth > DEPTH {
            return Held::Unknown;
        }
        self.steps -= 1;
        let set = self.set;
        let held = match &set.rules[rule].body {
            Body::Detection(matcher) => match matcher.matches(&self.events[at]) {
                true => Held::Yes,
                // a field of the product's own is not kept, and a secret was cut out of the line
                false if matcher.needs_line() || matcher.fields().iter().any(|f| matches!(f, FieldRef::Raw(_))) => {
                    Held::Unknown
                }
                false => Held::No,
            },
            Body::Correlation(c) => match self.correlation_held(c, at, depth + 1) {
                // what is missing here may be there
                Held::No if is_of_several(c) && !self.has_all_of(c) => Held::Unknown,
                held => held,
            },
        };
        self.known.insert((rule, at), held);
        held
    }

    fn correlation_held(&mut self, c: &Correlation, at: usize, depth: usize) -> Held {
        // it is asked about only where one of its rules holds
        match Held::any(c.rules.iter().map(|rule| self.held(*rule, at, depth)).collect::<Vec<_>>()) {
            Held::No => Held::No,
            here => each!(&c.kind, operator => operator.held(here, &mut Asked { past: self, c, at, depth })),
        }
    }

    /// Whether all that the correlation counts together is among the events.
    fn has_all_of(&self, c: &Correlation) -> bool {
        let by = |field| c.group_by.iter().any(|key| key.fields.contains(&FieldRef::Known(field)));
        // a session is one actor's
        by(self.whole) || self.whole == Field::ActorName && by(Field::SessionUid)
    }
}

/// An event that a correlation is asked about.
struct Asked<'p, 'a> {
    past: &'p mut Past<'a>,
    c: &'p Correlation,
    at: usize,
    depth: usize,
}

impl History for Asked<'_, '_> {
    fn asked(&self) -> &Event {
        &self.past.events[self.at]
    }

    fn since(&self) -> EventTime {
        self.past.events[0].time
    }

    fn is_whole(&self) -> bool {
        self.past.has_all_of(self.c)
    }

    fn whom(&self) -> String {
        let values = self.c.group_by.iter().filter_map(|key| text(self.asked(), key.fields.first()?));
        values.collect::<Vec<_>>().join(" + ")
    }

    fn rules(&mut self) -> Vec<Held> {
        let Asked { past, c, at, depth } = self;
        (0..c.rules.len()).map(|via| past.best(c, via, *at, *depth).map_or(Held::No, |(_, held)| held)).collect()
    }

    fn contributions(&mut self) -> Option<Vec<&Event>> {
        let Asked { past, c, at, depth } = self;
        let mut contributions = Vec::new();
        for (via, rule) in c.rules.iter().enumerate() {
            for i in past.reach(c, via, *at) {
                match past.held(*rule, i, *depth) {
                    Held::Yes => contributions.push(i),
                    Held::Unknown => return None,
                    Held::No => {}
                }
            }
        }
        Some(contributions.into_iter().map(|i| &past.events[i]).collect())
    }

    fn of_entity(&self) -> Box<dyn Iterator<Item = &Event> + '_> {
        let (asked, events) = (self.asked(), &self.past.events);
        let from = events.partition_point(|e| e.time < asked.time.minus(self.c.timespan));
        let own = entity(asked, self.c, 0);
        Box::new(events[from..=self.at].iter().filter(move |event| entity(event, self.c, 0) == own))
    }
}

fn is_of_several(c: &Correlation) -> bool {
    each!(&c.kind, operator => operator.is_of_several())
}

/// What the correlation counts apart; nothing where the event lacks some of it.
fn entity(event: &Event, c: &Correlation, via: usize) -> Option<Vec<String>> {
    c.group_by.iter().map(|key| text(event, key.fields.get(via)?)).collect()
}

/// The event as far as its row tells: the session by what stands for it, and no field of the product's own.
fn event(row: EventRow) -> Event {
    let digest = crate::model::id::unhex(&row.digest).unwrap_or_default();
    let evidence = Evidence {
        source: SourceName(row.source.as_str().into()),
        file: row.file,
        from: row.from,
        to: row.to,
        index: 0,
        own_id: true,
        sender: row.sender,
        digest,
        redacted: row.line.into(),
    };
    let session = row.session.zip(row.vouched);
    Event {
        time: row.time,
        activity: row.activity,
        outcome: row.outcome,
        reason: row.reason,
        code: row.code,
        actor: row.actor,
        session: session.map(|(id, vouched)| Session { id: id.as_str().into(), vouched }),
        origin: row.origin,
        customer: row.customer,
        target: row.target,
        export: row.export,
        http: row.http,
        marks: row.marks,
        ..Event::blank(row.id, row.observed, row.product, evidence)
    }
}
