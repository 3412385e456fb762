//! [`State`]: all that detection remembers: the [store](super::store) and its [memos](super::memo).
use super::Engine;
use super::memo::Memos;
use super::network::{ActivationBatch, ActivationRef};
use super::store::quota::{Capacity, EvictionNotice, Quota, Residency};
use super::store::{Acting, CellIdx, CellRow, EntityKey, Store, Unreadable};
use crate::model::EventTime;

/// The state of all policies, as far as it is at hand.
pub struct State {
    pub(super) store: Store,
    pub(super) memos: Memos,
}

impl State {
    /// Nothing at hand. `seed` keys the maps, for keys derive from what attackers choose.
    pub fn new(seed: u64) -> State {
        State { store: Store::new(seed), memos: Memos::new(seed) }
    }

    /// Nothing is stored yet, so that from now on it is known here what is.
    pub fn nothing_is_stored(&mut self) {
        self.store.nothing_is_stored();
    }

    /// Takes in how a policy's quota is used, as it was stored.
    pub fn load_quota(&mut self, prefix: [u8; 8], quota: Quota) {
        self.store.load_quota(prefix, quota);
    }

    /// Keeps so many cells of each policy from now on, in place of what the limits say.
    pub fn set_capacity(&mut self, capacity: Capacity) {
        self.store.set_capacity(capacity);
    }

    /// Says who acts in the events folded in from now on.
    pub fn acts(&mut self, acting: Acting) {
        self.store.acts(acting);
    }

    /// What expires before that time can't matter any more: it counts as not there. Never goes back.
    pub fn set_horizon(&mut self, horizon: EventTime) {
        self.store.set_horizon(horizon);
    }

    /// See [`State::set_horizon`].
    pub fn horizon(&self) -> EventTime {
        self.store.horizon()
    }

    /// What was evicted since the last call and must be said.
    pub fn take_notices(&mut self) -> Vec<EvictionNotice> {
        self.store.take_notices()
    }

    /// The quotas that changed since the last call.
    pub fn take_quotas(&mut self) -> Vec<([u8; 8], Quota)> {
        self.store.take_quotas()
    }

    /// The entities whose records events may change and that are not at hand; they must be loaded before the events are folded in.
    pub fn missing<'e>(
        &self,
        batch: &ActivationBatch,
        events: impl Iterator<Item = &'e ActivationRef>,
        into: &mut Vec<EntityKey>,
    ) {
        if self.store.all_at_hand() {
            return;
        }
        let mut looked = vec![false; batch.projected().len()];
        for value in events.filter_map(|activation| batch.get(activation)).flat_map(|(_, values)| values) {
            let value = *value as usize;
            let projected = &batch.projected()[value];
            if !std::mem::replace(&mut looked[value], true) && !self.memos.has(projected) {
                into.extend(projected.entities().filter(|entity| self.store.may_be_on_disk(entity)));
            }
        }
    }

    /// The record that holds what is usual for an actor, where it is not at hand: to be loaded before [`Engine::release`].
    pub fn missing_habits(&self, engine: &Engine, actor: &str, policy: &str) -> Option<EntityKey> {
        let entity = engine.habits(actor, policy).first()?.entity;
        (!self.store.has(&entity)).then_some(entity)
    }

    /// Other policies hold from now on, and events are looked at anew.
    pub fn new_policies(&mut self) {
        self.memos.clear();
    }

    /// Forgets the memos where they are too many. Not to be called while a [`super::MemoCursor`] is used.
    pub fn make_room(&mut self) {
        if self.memos.are_many() {
            self.memos.clear();
        }
    }

    /// Takes in a record as it was stored; without cells where none is.
    ///
    /// # Errors
    /// The bytes of a cell are not one that this version reads.
    pub fn load<'c>(
        &mut self,
        entity: EntityKey,
        cells: impl Iterator<Item = ([u8; 8], Residency, &'c [u8])>,
    ) -> Result<(), Unreadable> {
        self.store.load(entity, cells)
    }

    /// Whether a cell that resides there still counts: it was not evicted, and its time is not past.
    pub fn keeps(&self, prefix: &[u8; 8], residency: &Residency) -> bool {
        self.store.keeps(prefix, residency)
    }

    /// The cell was changed, and can go at `expires`.
    pub(super) fn wrote(&mut self, at: CellIdx, expires: EventTime) {
        let memos = &self.memos;
        self.store.wrote(at, expires, |store| memos.knows_the_actor(store));
    }

    /// How many cells must be written.
    pub fn unwritten(&self) -> usize {
        self.store.unwritten()
    }

    /// The cells that must be written since the last call: sorted, so that those of one record follow one another.
    pub fn take_changed(&mut self) -> Vec<CellRow> {
        self.store.take_changed()
    }

    /// Lets records go from memory until at most `keep` cells are at hand. To be called only when all that changed has been committed.
    pub fn shrink(&mut self, keep: usize) {
        if self.store.shrink(keep) {
            self.memos.clear();
        }
    }

    /// How many cells are at hand.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
