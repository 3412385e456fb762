//! Quarantine: what a finding shows as new stays new until somebody says that it was honest.
use super::plan::entity_of;
use super::state::{At, Meeting, State, StateKey};
use super::{Engine, Touched};
use crate::model::{EventTime, Field, Millis};
use crate::operator::{Cell, Operator, Terms, each};
use crate::policy::{Body, FieldRef};

impl Engine {
    /// Holds what is new at this event, and what will be new to the same entities within a shift.
    pub(super) fn quarantine(&self, state: &mut State, at: EventTime, touched: &Touched, meeting: &mut Meeting<'_>) {
        let table = meeting.table;
        let Some((plan, facets)) = table.get(touched) else { return };
        for step in &plan.steps {
            let Body::Correlation(correlation) = &self.set.rules[usize::from(step.policy)].body else { continue };
            if !each!(&correlation.kind, operator => quarantines(operator)) {
                continue;
            }
            let case = facets[usize::from(step.facet)];
            if table.cases()[case as usize].part(step.place).is_none() {
                continue;
            }
            let met = meeting.case(case, state);
            let [slot, _] = state.place(met, step.place);
            let span = correlation.timespan;
            if let Some(expires) = each!(&correlation.kind, operator => quarantine(operator, state, slot, at, span)) {
                state.upset(slot);
                state.wrote(slot, expires);
            }
        }
    }

    /// The slices that hold what is usual for an actor: to be loaded before [`Engine::excuse`].
    pub fn habits(&self, actor: &str) -> Vec<StateKey> {
        let entity = entity_of([actor]);
        let keys = self.set.rules.iter().filter_map(|policy| {
            let Body::Correlation(correlation) = &policy.body else { return None };
            let learns = each!(&correlation.kind, operator => operator.learning()).is_some();
            let [by] = &correlation.group_by[..] else { return None };
            let of_actor = by.fields.iter().all(|f| *f == FieldRef::Known(Field::ActorName));
            (learns && of_actor).then(|| StateKey::of(super::plan::first_eight(&policy.accumulation.0), &entity))
        });
        let mut keys: Vec<StateKey> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What was held of an actor was honest: it is learned.
    pub fn excuse(&self, state: &mut State, actor: &str) {
        for key in self.habits(actor) {
            let Some(slot) = state.find(&key) else { continue };
            let changed = state.slice(slot).as_mut().is_some_and(Cell::excuse);
            if changed {
                state.upset(slot);
                // it expires when it would have: the write is all that is new
                state.wrote(slot, EventTime(i64::MIN));
            }
        }
    }
}

fn quarantines<O: Operator>(_: &O) -> bool {
    O::QUARANTINES
}

fn quarantine<O: Operator>(
    operator: &O,
    state: &mut State,
    slot: At,
    at: EventTime,
    span: Millis,
) -> Option<EventTime> {
    operator.quarantine(state.get::<O::Cell>(slot), at, span)
}
