//! Who acts: an id that a trail states is one actor, whatever it is called; and a session is somebody's where a server has named it.
use super::align::Merge;
use super::prepare::{Prepared, Ready};
use super::{Outcome, Rules};
use crate::detect::Acting;
use crate::model::{EventTime, Millis, Outcome as How, Vouched};

/// For how long a trail is held to copy sessions that servers name after it last did.
const COPIES: Millis = Millis::DAY.times(7);

impl Outcome {
    /// Takes up which sessions servers name, and marks events whose session only a client sends and none has named. Those that the
    /// same input names are known before any is asked for; by their times, not by their order, it is told which was first.
    pub(super) fn confirm(&mut self, batches: &mut [Prepared]) {
        for ready in batches.iter().flat_map(Prepared::ready) {
            let event = &ready.event;
            // what is refused may be anything, and before somebody is known a session is anybody's
            let is_somebodys = event.actor.as_ref().is_some_and(|actor| !actor.is_claimed());
            if let Some(key) = ready.session
                && vouched(ready)
                && is_somebodys
                && event.outcome != How::Failure
            {
                self.core.state.name_session(key, acting(ready));
            }
        }
        let rules = self.core.rules.clone();
        for batch in batches {
            let part = batch.batch.part();
            let mut changed = false;
            for ready in batch.ready_mut() {
                let Some(key) = ready.session.filter(|_| !vouched(ready)) else { continue };
                let acting = acting(ready);
                let is_named = self.core.state.is_named(key, acting);
                let trail = self.core.trail(&part);
                if is_named {
                    trail.touch().confirmed = trail.row.confirmed.max(Some(acting.at));
                } else if trail.row.confirmed.is_some_and(|last| acting.at.since(last) < COPIES) {
                    ready.event.marks.session_unconfirmed = true;
                    // it was made ready to be written without the mark
                    ready.kept = None;
                    changed = true;
                }
            }
            if changed {
                self.classify(&rules, batch);
            }
        }
    }

    /// Gives each event's actor the name that its id is known by, in the order in which they are folded in. What an event means for the
    /// policies is worked out anew where it was prepared under another name.
    pub(super) fn name(&mut self, batches: &mut [Prepared]) {
        let rules = self.core.rules.clone();
        let mut merge = Merge::default();
        for (n, batch) in batches.iter().enumerate() {
            let part = batch.batch.part();
            let mut placed = self.core.trail(&part).row.placed;
            merge.append(&part, &mut placed, batch.lines.iter().enumerate().map(|(at, line)| (line.time, (n, at))));
        }
        let mut changed = vec![false; batches.len()];
        while let Some((_, (n, at))) = merge.take() {
            for ready in batches[n].lines[at].events.iter_mut().flatten() {
                changed[n] |= self.name_one(&rules, ready);
            }
        }
        for (batch, changed) in batches.iter_mut().zip(changed) {
            if changed {
                self.classify(&rules, batch);
            }
        }
    }

    /// Works out anew what the events of a batch mean for the policies.
    fn classify(&mut self, rules: &Rules, batch: &mut Prepared) {
        let classifier = &mut self.core.classifier;
        for ready in batch.ready_mut() {
            ready.activation = rules.engine.classify(&ready.event, classifier);
        }
        batch.activations = classifier.take_batch().into();
    }

    /// Whether its actor has another name than it was prepared under.
    fn name_one(&mut self, rules: &Rules, ready: &mut Ready) -> bool {
        let (Some(key), Some(actor)) = (ready.names, &ready.event.actor) else { return false };
        let (event, stated) = (&ready.event, actor.name.clone());
        let acting = acting(ready);
        // a record that has no name for an id gives the id for one, and one that can't be read whole may give anything
        let is_named = actor.uid.as_ref().is_none_or(|uid| !uid.eq_ignore_ascii_case(&stated));
        let marks = event.marks;
        let is_whole = !marks.ambiguous && !marks.clipped && !stated.contains(char::REPLACEMENT_CHARACTER);
        // one without a time would name it when it was read, and a replay reads it at another time
        let names = is_named && is_whole && !actor.is_claimed() && !marks.time_missing && event.outcome != How::Failure;
        let called = self.core.state.called(key, &stated, names, acting);
        ready.renamed = called.before;
        let Some(known_as) = called.known_as else { return false };
        ready.staff |= rules.directory.contains_key(&known_as);
        // it was made ready to be written under the other name
        ready.kept = None;
        if let Some(actor) = &mut ready.event.actor {
            actor.label = Some(std::mem::replace(&mut actor.name, known_as));
        }
        ready.settle_role(rules);
        true
    }
}

/// Whether a server names the session of the event.
fn vouched(ready: &Ready) -> bool {
    ready.event.session.as_ref().is_some_and(|session| session.vouched == Vouched::Server)
}

/// Who acts in the event, and when: a stamp from the future must not keep what is known for ever.
fn acting(ready: &Ready) -> Acting {
    let event = &ready.event;
    Acting { at: event.time.min(EventTime(event.observed.0)), staff: ready.staff, vouched: vouched(ready) }
}
