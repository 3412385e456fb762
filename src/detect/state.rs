//! The slices of state that are at hand, and which of them must be written.
//!
//! A cache in front of the ledger: what is not here is fetched before an event is folded in, and what has been written
//! may be let go at any time. Which slices are at hand never changes a result.
use super::plan::Group;
use super::values::Values;
use super::window::Window;
use crate::model::EventTime;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

/// Names one slice: eight bytes of the policy's accumulation digest, sixteen of the entity's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(pub [u8; 24]);

impl StateKey {
    pub(super) fn of(accumulation: [u8; 8], entity: &[u8; 16]) -> StateKey {
        let mut key = [0; 24];
        key[..8].copy_from_slice(&accumulation);
        key[8..].copy_from_slice(entity);
        StateKey(key)
    }

    /// The digest of the entity.
    pub fn entity(&self) -> [u8; 16] {
        let mut entity = [0; 16];
        entity.copy_from_slice(&self.0[8..]);
        entity
    }
}

/// The state of one entity for one policy; this is also the row that is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Slice {
    /// Contributions in event time.
    Window(Window),
    /// Known values.
    Values(Values),
}

struct Slot {
    slice: Option<Slice>,
    expires: EventTime,
    dirty: bool,
}

/// The slices at hand.
pub struct State {
    slots: HashMap<StateKey, Slot, FixedState>,
    dirty: Vec<StateKey>,
    /// Groups of slices all of which are at hand.
    complete: HashSet<(u64, u16, [u8; 16]), FixedState>,
    /// Scratch of the engine.
    holds: Vec<Vec<EventTime>>,
}

/// A slice that could not be read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

impl State {
    /// Nothing at hand. `seed` keys the map, for keys derive from what attackers choose.
    pub fn new(seed: u64) -> State {
        State {
            slots: HashMap::with_hasher(FixedState::with_seed(seed)),
            dirty: Vec::new(),
            complete: HashSet::with_hasher(FixedState::with_seed(seed)),
            holds: Vec::new(),
        }
    }

    /// Whether the slice (or that there is none) is at hand.
    pub fn has(&self, key: &StateKey) -> bool {
        self.slots.contains_key(key)
    }

    /// The slices of a group that are not at hand; they must be loaded before the next event is folded in.
    pub fn missing(&mut self, group: &Group<'_>, into: &mut Vec<StateKey>) {
        if self.complete.insert(group.id()) {
            into.extend(group.keys().filter(|key| !self.slots.contains_key(key)));
        }
    }

    /// Other policies hold from now on: which groups are complete must be found out anew.
    pub fn new_policies(&mut self) {
        self.complete.clear();
    }

    pub(super) fn take_holds(&mut self, rules: usize) -> Vec<Vec<EventTime>> {
        let mut holds = std::mem::take(&mut self.holds);
        holds.resize(rules, Vec::new());
        holds
    }

    pub(super) fn give_back_holds(&mut self, holds: Vec<Vec<EventTime>>) {
        self.holds = holds;
    }

    /// Takes in a slice as it was stored, or that none is.
    ///
    /// # Errors
    /// The bytes are not a slice that this version reads.
    pub fn load(&mut self, key: StateKey, stored: Option<&[u8]>) -> Result<(), Unreadable> {
        let slice = stored.map(postcard::from_bytes).transpose().map_err(|_| Unreadable)?;
        self.slots.insert(key, Slot { slice, expires: EventTime::default(), dirty: false });
        Ok(())
    }

    pub(super) fn window(&mut self, key: &StateKey) -> &mut Window {
        let slot = self.slot(key);
        if !matches!(slot.slice, Some(Slice::Window(_))) {
            slot.slice = Some(Slice::Window(Window::default()));
        }
        match &mut slot.slice {
            Some(Slice::Window(window)) => window,
            _ => unreachable!("it was just put there"),
        }
    }

    pub(super) fn values(&mut self, key: &StateKey) -> &mut Values {
        let slot = self.slot(key);
        if !matches!(slot.slice, Some(Slice::Values(_))) {
            slot.slice = Some(Slice::Values(Values::default()));
        }
        match &mut slot.slice {
            Some(Slice::Values(values)) => values,
            _ => unreachable!("it was just put there"),
        }
    }

    pub(super) fn wrote(&mut self, key: &StateKey, expires: EventTime) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.expires = slot.expires.max(expires);
            if !slot.dirty {
                slot.dirty = true;
                self.dirty.push(*key);
            }
        }
    }

    /// What must be written since the last call: key, row, and when it can go. Sorted by key.
    pub fn take_dirty(&mut self) -> Vec<(StateKey, Vec<u8>, EventTime)> {
        let mut keys = std::mem::take(&mut self.dirty);
        keys.sort_unstable();
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.dirty = false;
                if let Some(slice) = &slot.slice {
                    rows.push((key, postcard::to_stdvec(slice).unwrap_or_default(), slot.expires));
                }
            }
        }
        rows
    }

    /// Lets slices go until at most `keep` are at hand. To be called only when all that is dirty has been committed.
    pub fn shrink(&mut self, keep: usize) {
        if self.slots.len() > keep || self.complete.len() > keep {
            self.complete.clear();
            let mut excess = self.slots.len().saturating_sub(keep / 2);
            self.slots.retain(|_, slot| {
                let go = excess > 0 && !slot.dirty;
                excess -= usize::from(go);
                !go
            });
        }
    }

    /// How many slices are at hand.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn slot(&mut self, key: &StateKey) -> &mut Slot {
        self.slots.entry(*key).or_insert(Slot { slice: None, expires: EventTime::default(), dirty: false })
    }
}
