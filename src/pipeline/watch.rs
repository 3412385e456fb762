//! One event watched on its way through the pipeline, for who asks what it led to and what it did not.
use super::{EventRow, Outcome};
use crate::detect::explain::Explained;
use crate::detect::{ActivationRef, MemoCursor};
use crate::model::{Event, EventId, EventTime, FileId, SourceName, Text};
use serde::Serialize;

/// Which event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// That of this id.
    Id(EventId),
    /// The first one of the frame that covers this byte of a trail's file.
    Place {
        /// The trail.
        source: SourceName,
        /// The file.
        file: FileId,
        /// An offset within the frame.
        offset: u64,
    },
}

impl Wanted {
    fn is(&self, event: &Event) -> bool {
        match self {
            Wanted::Id(id) => event.id == *id,
            Wanted::Place { source, file, offset } => {
                let e = &event.evidence;
                e.source == *source && e.file == *file && e.from <= *offset && *offset < e.to
            }
        }
    }
}

/// What the event came to.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// The event, as it would be kept.
    pub event: EventRow,
    /// At which time windows count it.
    pub counted_at: EventTime,
    /// Its trail had shown it before: it counts once, and the first time has been watched.
    pub repeated: bool,
    /// What it meant to the policies once it was folded in, and with that whether they had fired before it.
    pub explained: Explained,
    /// The policies that fired at it, in an episode in which they had not.
    pub fired: Vec<Text>,
}

/// What is watched for, and what was told of it.
#[derive(Debug)]
pub(super) struct Watch {
    wanted: Wanted,
    told: Option<Box<Told>>,
}

impl Outcome {
    /// Watches for an event from now on.
    pub fn watch(&mut self, wanted: Wanted) {
        self.core.watch = Some(Watch { wanted, told: None });
    }

    /// What the watched event came to; nothing while it has not been met.
    pub fn told(&self) -> Option<&Told> {
        self.core.watch.as_ref()?.told.as_deref()
    }

    /// Whether the event is watched for and has not been met.
    pub(super) fn watches(&self, event: &Event) -> bool {
        self.core.watch.as_ref().is_some_and(|watch| watch.told.is_none() && watch.wanted.is(event))
    }

    /// Remembers what the policies were about to make of the event.
    pub(super) fn met(&mut self, event: &Event, at: EventTime, activation: &ActivationRef, memos: &MemoCursor<'_>) {
        let rules = self.core.rules.clone();
        let explained = rules.engine.explain(&mut self.core.state, event, at, activation, memos.batch());
        let session = event.session.as_ref().map(|s| rules.secrets.session_digest(&s.id));
        let event = EventRow::new(event, session);
        let told = Told { event, counted_at: at, repeated: false, explained, fired: Vec::new() };
        if let Some(watch) = &mut self.core.watch {
            watch.told = Some(Box::new(told));
        }
    }

    /// Remembers what they made of it: the numbers are those with the event, what had fired is from before it.
    pub(super) fn made(
        &mut self,
        event: &Event,
        at: EventTime,
        activation: &ActivationRef,
        memos: &MemoCursor<'_>,
        fired: Vec<Text>,
    ) {
        let rules = self.core.rules.clone();
        let mut explained = rules.engine.explain(&mut self.core.state, event, at, activation, memos.batch());
        let Some(told) = self.core.watch.as_mut().and_then(|watch| watch.told.as_mut()) else { return };
        for reached in &mut explained.reached {
            let before = told.explained.reached.iter().find(|r| r.policy == reached.policy);
            reached.fired = match before {
                Some(before) => before.fired,
                // it was not reached before: what has fired since is this event's doing
                None => reached.fired && !fired.contains(&reached.policy),
            };
        }
        told.explained = explained;
        told.fired = fired;
    }

    /// The watched event had been there before.
    pub(super) fn met_again(&mut self, event: &Event, at: EventTime) {
        let event = EventRow::new(event, None);
        let told = Told { event, counted_at: at, repeated: true, explained: Explained::default(), fired: Vec::new() };
        if let Some(watch) = &mut self.core.watch {
            watch.told = Some(Box::new(told));
        }
    }
}
