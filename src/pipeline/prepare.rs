//! What depends on a batch alone: decoding, normalising, enriching, redacting, and matching against the policies' selections.
use super::{CursorRow, Kept, Rules, recorded};
use crate::detect::{ActivationBatch, ActivationRef, Classifier, EntityKey, names, sessions};
use crate::model::{
    ActorKind, Batch, ContentDigest, Digest, Event, EventTime, Field, Frame, FrameFlags, HashParts, Input, SourceName,
    Text, WallTime, limits,
};
use std::sync::Arc;

/// Per-thread memory for preparing: caches of what addresses and user agents mean.
pub struct Scratch {
    normalise: crate::normalise::Scratch,
    enrich: crate::enrich::Cache,
    /// It is of one set of rules.
    classifier: Classifier,
    rules: Option<Digest>,
    seed: u64,
}

impl Scratch {
    /// Empty. `seed` keys the caches and never changes a result.
    pub fn new(seed: u64) -> Scratch {
        Scratch {
            normalise: crate::normalise::Scratch::default(),
            enrich: crate::enrich::Cache::new(seed),
            classifier: Classifier::new(seed),
            rules: None,
            seed,
        }
    }
}

/// A shorter session id is no secret, and would be found in every line.
const SECRET_BYTES: usize = 6;

/// One frame, ready to be folded in.
#[derive(Clone, Debug)]
pub struct Line {
    /// The event time of its first event; nothing where it is unreadable, or states no time that can be: it goes with the line before.
    pub time: Option<EventTime>,
    /// When it was read.
    pub observed: WallTime,
    /// What the reader saw.
    pub flags: FrameFlags,
    /// Digest of its bytes.
    pub digest: ContentDigest,
    /// Its bytes: a range of the batch's.
    pub data: Arc<[u8]>,
    /// See `data`.
    pub range: std::ops::Range<u32>,
    /// The header that stands before it in its file.
    pub header: Option<Arc<str>>,
    /// Its events with what they mean for the policies, or why it can't be read.
    pub events: Result<Vec<Ready>, &'static str>,
}

/// One event, ready to be folded in.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The event.
    pub event: Box<Event>,
    /// What it means for the policies.
    pub activation: ActivationRef,
    /// As it is kept, where it is kept whatever the policies find.
    pub kept: Option<Box<Kept>>,
    /// Its actor stands in the staff directory.
    pub staff: bool,
    /// Which record knows what its actor's id was called, where it has one.
    pub names: Option<EntityKey>,
    /// The record of its session: where a server names it, and where a client sends it.
    pub session: Option<EntityKey>,
    /// The name that its actor's id had before, where it acts under another now for the first time.
    pub renamed: Option<Text>,
    /// The role that its trail states, where the directory says otherwise.
    pub disputed: Option<Text>,
}

impl Ready {
    /// An event that no trail has placed yet.
    pub(super) fn new(event: Box<Event>, activation: ActivationRef, kept: Option<Box<Kept>>, staff: bool) -> Ready {
        let uid = event.actor.as_ref().filter(|actor| actor.kind != ActorKind::System && !actor.name.is_empty());
        let uid = uid.and_then(|actor| actor.uid.as_ref()).filter(|uid| names::tells_apart(uid));
        let names = uid.map(|uid| names::key(&event.evidence.source, uid));
        let session = event.session.as_ref().map(|session| sessions::key(&session.id));
        Ready { event, activation, kept, staff, names, session, renamed: None, disputed: None }
    }
}

fn line(batch: &Batch, frame: &Frame, time: Option<EventTime>, events: Result<Vec<Ready>, &'static str>) -> Line {
    let known = events.as_ref().ok().and_then(|events| events.first()).map(|ready| ready.event.evidence.digest);
    let digest = known.unwrap_or_else(|| Digest::of(batch.bytes(frame)).short());
    Line {
        time,
        observed: batch.observed,
        digest,
        flags: frame.flags,
        data: batch.data.clone(),
        range: frame.start..frame.end,
        header: batch.header.clone(),
        events,
    }
}

/// What a line says, and the header that stands before it in its file.
#[derive(Clone, Copy)]
pub(super) struct RawLine<'a> {
    pub bytes: &'a [u8],
    pub header: Option<&'a str>,
}

/// A batch, ready to be folded in.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What was read.
    pub batch: Batch,
    /// Digest of the rules that it was prepared under: under others it must be prepared anew.
    pub rules: Digest,
    /// Its frames, one line each.
    pub lines: Vec<Line>,
    /// What their events mean for the policies.
    pub activations: Arc<ActivationBatch>,
}

impl Rules {
    /// The input by which it is recorded that they hold from now on.
    pub fn input(&self, at: WallTime) -> Input<Prepared> {
        Input::Rules { at, digest: self.digest, silences: self.silences.iter().cloned().collect() }
    }

    /// Prepares a batch. Depends on nothing but the batch and the rules, so any thread may do it.
    pub fn prepare(&self, batch: Batch, scratch: &mut Scratch) -> Prepared {
        if scratch.rules.replace(self.digest) != Some(self.digest) {
            *scratch = Scratch { rules: Some(self.digest), ..Scratch::new(scratch.seed) };
        }
        let mut lines = Vec::with_capacity(batch.frames.len());
        let mut events = Vec::new();
        for frame in &batch.frames {
            let outcome = match self.trails.get(&batch.source) {
                Some(profile) => self
                    .normaliser
                    .normalise(*profile, &batch, frame, &mut scratch.normalise, &mut events)
                    .map_err(|r| r.reason),
                None => Err("no profile is set for this trail"),
            };
            let stamp = events.iter().find(|e| !e.marks.time_missing).map(|e| e.time);
            let raw = RawLine { bytes: batch.bytes(frame), header: batch.header.as_deref() };
            let prepared = events.drain(..).map(|event| self.prepare_event(event, raw, scratch)).collect();
            // a stamp from the future must not keep the other trails' lines before this one
            let time = stamp.filter(|t| t.0 <= batch.observed.0.saturating_add(limits::FUTURE_SKEW.0));
            lines.push(line(&batch, frame, time, outcome.map(|()| prepared)));
        }
        Prepared { batch, rules: self.digest, lines, activations: scratch.classifier.take_batch().into() }
    }

    fn prepare_event(&self, mut event: Box<Event>, line: RawLine<'_>, scratch: &mut Scratch) -> Ready {
        self.enricher.enrich(&mut event.origin, &mut scratch.enrich);
        let staff = event.actor.as_ref().is_some_and(|actor| self.directory.contains_key(&actor.name));
        let disputed = event.actor.as_mut().and_then(|actor| self.settle_role(actor));
        event.customer_kind = event.customer.as_ref().and_then(|account| self.watch_list.get(account)).cloned();
        let activation = self.engine.classify(&event, &mut scratch.classifier);
        let kept = recorded(event.activity).then(|| Box::new(self.keep(&mut event, line)));
        Ready { disputed, ..Ready::new(event, activation, kept, staff) }
    }

    /// Makes an event ready to be written, with what may be kept of its line.
    pub(super) fn keep(&self, event: &mut Event, line: RawLine<'_>) -> Kept {
        self.keep_line(event, line);
        Kept::new(event, &self.secrets)
    }

    /// Puts what may be kept of its line into the event, where it is not there yet, and cuts the same out of the texts that
    /// a client may have filled with anything.
    fn keep_line(&self, event: &mut Event, line: RawLine<'_>) {
        let Some(profile) = self.trails.get(&event.evidence.source) else { return };
        if !event.evidence.redacted.is_empty() {
            return;
        }
        let session = event.session.as_ref().map(|s| s.id.clone()).filter(|id| id.len() >= SECRET_BYTES);
        // wherever else the line repeats it
        let clean =
            |kept: String| session.as_ref().map_or_else(|| kept.clone(), |id| kept.replace(id.as_str(), "[cut]"));
        event.evidence.redacted = clean(self.normaliser.redact(*profile, line.bytes, line.header)).into();
        let texts = [
            (Field::UserAgent, &mut event.origin.user_agent),
            (Field::Reason, &mut event.reason),
            (Field::Target, &mut event.target),
        ];
        for (field, text) in texts.into_iter().filter_map(|(field, text)| Some((field, text.as_mut()?))) {
            let kept = clean(self.normaliser.redact_text(*profile, text));
            if kept != text.as_str() {
                let written = std::mem::replace(text, kept.into());
                // policies go on seeing what they saw
                if !event.whole.iter().any(|(whole, _)| *whole == field) {
                    event.whole.push((field, written.as_str().into()));
                }
            }
        }
    }
}

impl Prepared {
    /// Its trail.
    pub fn source(&self) -> &SourceName {
        &self.batch.source
    }

    /// Its events, in the order of the lines.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.ready().map(|ready| &*ready.event)
    }

    /// Its events, ready to be folded in, in the order of the lines.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Ready> {
        self.lines.iter().filter_map(|line| line.events.as_ref().ok()).flatten()
    }

    /// The same, to be changed.
    pub(super) fn ready_mut(&mut self) -> impl Iterator<Item = &mut Ready> {
        self.lines.iter_mut().filter_map(|line| line.events.as_mut().ok()).flatten()
    }

    /// What its events mean for the policies, in the order of the lines.
    pub(super) fn activated(&self) -> impl Iterator<Item = &ActivationRef> {
        self.ready().map(|ready| &ready.activation)
    }

    /// Up to which time its lines go. Never before the first one's, so that a trail written backwards goes on too.
    pub fn reaches(&self) -> EventTime {
        let ends = [self.begins(), self.lines.iter().rev().find_map(|line| line.time)];
        ends.into_iter().flatten().max().unwrap_or(EventTime(i64::MIN))
    }

    /// The time of its first line that states one.
    pub fn begins(&self) -> Option<EventTime> {
        self.lines.iter().find_map(|line| line.time)
    }

    /// Cuts off the lines before the first one that is later than `time`; the rest is given back, unless nothing is left.
    pub fn cut_after(self, time: EventTime) -> (Option<Prepared>, Option<Prepared>) {
        match self.lines.iter().position(|line| line.time.is_some_and(|its| its > time)) {
            Some(0) => (None, Some(self)),
            n => {
                let n = n.unwrap_or(self.lines.len());
                let (first, rest) = self.cut_at(n);
                (Some(first), rest)
            }
        }
    }

    /// Cuts off the first lines, at most so many; the rest is given back, unless nothing is left.
    pub fn cut_at(mut self, n: usize) -> (Prepared, Option<Prepared>) {
        if n >= self.lines.len() {
            return (self, None);
        }
        let rest = self.lines.split_off(n);
        let (first, second) = self.batch.cut(n);
        let (rules, activations) = (self.rules, self.activations);
        (
            Prepared { batch: first, rules, lines: self.lines, activations: activations.clone() },
            Some(Prepared { batch: second, rules, lines: rest, activations }),
        )
    }

    pub(super) fn cursor(&self) -> CursorRow {
        CursorRow {
            source: self.batch.source.clone(),
            path: self.batch.path.clone(),
            file: self.batch.stretch.file,
            offset: self.batch.stretch.to,
            witness: self.batch.witness,
            size: self.batch.size,
        }
    }

    pub(super) fn record(&self) -> serde_json::Value {
        let batch = &self.batch;
        serde_json::json!({
            "source": batch.source.as_str(),
            "path": batch.path.to_string_lossy(),
            "file": batch.stretch.file,
            "from": batch.stretch.from,
            "to": batch.stretch.to,
            "discontinuity": batch.discontinuity,
            "observed": batch.observed,
            "digest": lines_digest([self]).to_string(),
        })
    }
}

/// Digest of the lines of consecutive batches: what a replay of recorded inputs checks that it reads the same lines by.
pub fn lines_digest<'a>(batches: impl IntoIterator<Item = &'a Prepared>) -> Digest {
    let lines = batches.into_iter().flat_map(|batch| &batch.lines);
    lines.fold(HashParts::new("lines"), |parts, line| parts.part(&line.digest)).finish()
}
