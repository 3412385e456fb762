//! Quarantine: what a finding shows as new stays new until somebody says that it was honest.
use super::network::{entity_of, first_eight};
use super::{ActivationRef, CellIdx, CellKey, Engine, MemoCursor, State};
use crate::model::{EventTime, Field, Millis};
use crate::operator::{Operator, Terms, each};
use crate::policy::{Body, FieldRef, PolicySet};
use std::collections::BTreeSet;

impl Engine {
    /// Holds what the policies `shown` have as new at this event, and what will be new to the same entities within a shift. A finding
    /// that rests on none of what is new about an origin says nothing of the origin.
    pub(super) fn quarantine(
        &self,
        state: &mut State,
        at: EventTime,
        activation: &ActivationRef,
        memos: &mut MemoCursor<'_>,
        shown: &BTreeSet<u16>,
    ) {
        let batch = memos.batch;
        let Some((activated, values)) = batch.get(activation) else { return };
        for input in activated.inputs.iter().filter(|input| shown.contains(&input.policy)) {
            let Body::Correlation(correlation) = &self.set.rules[usize::from(input.policy)].body else { continue };
            if !each!(&correlation.kind, operator => quarantines(operator)) {
                continue;
            }
            let value = values[usize::from(input.projection)];
            if batch.projected()[value as usize].binding(input.place).is_none() {
                continue;
            }
            let memo = memos.memo_for(value, &mut state.memos);
            let [cell, _] = state.memos.locate(&mut state.store, memo, input.place);
            let span = correlation.timespan;
            if let Some(expires) = each!(&correlation.kind, operator => quarantine(operator, state, cell, at, span)) {
                state.store.invalidate(cell);
                state.wrote(cell, expires);
            }
        }
    }

    /// The cells of what is usual for an actor that a finding of that policy may rest on, all of one record: to be loaded before
    /// [`Engine::release`].
    pub(super) fn habits(&self, actor: &str, policy: &str) -> Vec<CellKey> {
        let entity = entity_of([actor]);
        let found = self.set.rules.iter().position(|rule| *rule.name == *policy);
        let rests_on = found.map(|rule| &self.rests_on[rule][..]).unwrap_or_default();
        let keys = rests_on.iter().map(|rule| &self.set.rules[usize::from(*rule)]).filter_map(|policy| {
            let Body::Correlation(correlation) = &policy.body else { return None };
            let learns = each!(&correlation.kind, operator => operator.learning()).is_some();
            let [by] = &correlation.group_by[..] else { return None };
            let of_actor = by.fields.iter().all(|f| *f == FieldRef::Known(Field::ActorName));
            (learns && of_actor).then(|| CellKey { entity, prefix: first_eight(&policy.accumulation.0) })
        });
        let mut keys: Vec<CellKey> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What a finding of that policy and time showed of an actor was honest: it is learned, and nothing else.
    pub fn release(&self, state: &mut State, actor: &str, policy: &str, shown: EventTime) {
        for key in self.habits(actor, policy) {
            let Some(cell) = state.store.find(&key) else { continue };
            let changed = state.store.cell(cell).as_mut().is_some_and(|cell| cell.release(shown));
            if changed {
                state.store.invalidate(cell);
                state.store.rewrote(cell);
            }
        }
    }
}

/// For each rule of a set, those that it rests on, itself among them: ascending.
pub(super) fn rests_on(set: &PolicySet) -> Vec<Vec<u16>> {
    let rests_on = |rule: usize| {
        let (mut all, mut next) = (BTreeSet::new(), vec![rule]);
        while let Some(rule) = next.pop() {
            if let (true, Body::Correlation(correlation)) = (all.insert(rule as u16), &set.rules[rule].body) {
                next.extend(&correlation.rules);
            }
        }
        all.into_iter().collect()
    };
    (0..set.rules.len()).map(rests_on).collect()
}

fn quarantines<O: Operator>(_: &O) -> bool {
    O::QUARANTINES
}

fn quarantine<O: Operator>(
    operator: &O,
    state: &mut State,
    cell: CellIdx,
    at: EventTime,
    span: Millis,
) -> Option<EventTime> {
    operator.quarantine(state.store.get::<O::Cell>(cell), at, span)
}
