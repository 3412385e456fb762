//! The store: keyed state, one record for each entity, in a cache in front of the ledger.
//!
//! What all policies keep of one entity (an actor, a session, an actor and a customer) is one *record*: a *cell* for each
//! correlation, found by the entity's key once an event and changed in place. A record is at hand or it is not: what is not is
//! fetched from the ledger before an event is folded in, and `Store::take_changed` says once a commit which cells must be written.
//! Those with whom an entity is compared (its peers, the users of a value) have records of their own.
//!
//! How much is kept of strangers, and that they never push out whom the organisation knows, is the [quota] of each policy: a
//! cell resides in a segment of a trust tier. Which records are at hand never changes a result; which cells were evicted by the
//! quota does, and follows from the events alone.
pub mod names;
pub mod quota;
pub mod record;
pub mod sessions;

use crate::model::{EventTime, limits};
use crate::operator::Cohort;
use crate::operator::cell::{self, Cell, CellKind};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use quota::{Capacity, EvictionNotice, FAMILIAR_AFTER, Quota, Residency, TrustTier};

/// The digest of an entity: what its record is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(pub [u8; 16]);

/// Names one cell: the entity, and eight bytes of the digest of what the policy accumulates. Cells of one entity follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// Whose record it stands in.
    pub entity: EntityKey,
    /// Of which policy.
    pub prefix: [u8; 8],
}

/// A cell as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CellRow {
    /// Of whom and what.
    pub key: CellKey,
    /// The cell, encoded.
    pub cell: Vec<u8>,
    /// Where it resides among those of its policy.
    pub residency: Residency,
}

/// What is known of who acts in the event that is folded in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acting {
    /// The time that windows count the event at.
    pub at: EventTime,
    /// The actor stands in the staff directory.
    pub staff: bool,
    /// A server says that the actor acts in this session; an event without one is only somebody's word.
    pub vouched: bool,
}

/// All that is kept of one entity.
struct Record {
    entity: EntityKey,
    /// By the number of the policy's quota.
    cells: Vec<(u32, CellIdx)>,
}

struct CellSlot {
    key: CellKey,
    cell: Option<Cell>,
    /// None while it has not been written.
    residency: Option<Residency>,
    /// Its policy's quota, by number.
    quota: u32,
    /// The entity is an actor, and nothing else: of these there are no more than there are names.
    personal: bool,
    dirty: bool,
}

/// The quota of one policy.
struct PolicyQuota {
    prefix: [u8; 8],
    quota: Quota,
    changed: bool,
}

/// Where a cell lies in the [`Store`], until records are let go from memory.
pub(super) type CellIdx = u32;
/// Stands for: no cell.
pub(super) const NONE: CellIdx = CellIdx::MAX;

/// The records at hand.
pub(super) struct Store {
    index: HashMap<EntityKey, u32, FixedState>,
    records: Vec<Record>,
    slots: Vec<CellSlot>,
    /// How often each cell has changed in a way that ends what a memo says of it.
    generations: Vec<u64>,
    /// The sum of those.
    generation: u64,
    /// How often cells were evicted.
    evictions: u64,
    dirty: Vec<CellIdx>,
    quotas: Vec<PolicyQuota>,
    by_prefix: HashMap<[u8; 8], u32, FixedState>,
    /// Which entities have a record in the ledger that is not at hand, by their keys; nothing where that is not known.
    on_disk: Option<HashSet<EntityKey, FixedState>>,
    notices: Vec<EvictionNotice>,
    capacity: Capacity,
    /// What expired before it is past its time, on disk or not.
    horizon: EventTime,
    acting: Acting,
}

/// A record that could not be read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a record of state that this version can't read")
    }
}

impl std::error::Error for Unreadable {}

impl Store {
    /// Nothing at hand. `seed` keys the maps, for keys derive from what attackers choose.
    pub(super) fn new(seed: u64) -> Store {
        Store {
            index: HashMap::with_hasher(FixedState::with_seed(seed)),
            records: Vec::new(),
            slots: Vec::new(),
            generations: Vec::new(),
            generation: 0,
            evictions: 0,
            dirty: Vec::new(),
            quotas: Vec::new(),
            by_prefix: HashMap::with_hasher(FixedState::with_seed(seed)),
            on_disk: None,
            notices: Vec::new(),
            capacity: Capacity::default(),
            horizon: EventTime(i64::MIN),
            acting: Acting::default(),
        }
    }

    /// See [`super::State::nothing_is_stored`].
    pub(super) fn nothing_is_stored(&mut self) {
        self.on_disk = Some(HashSet::with_hasher(self.index.hasher().clone()));
    }

    /// Whether it is known that the ledger has no record that is not at hand.
    pub(super) fn all_at_hand(&self) -> bool {
        self.on_disk.as_ref().is_some_and(HashSet::is_empty)
    }

    /// Takes in how a policy's quota is used, as it was stored.
    pub(super) fn load_quota(&mut self, prefix: [u8; 8], quota: Quota) {
        let at = self.quota(prefix);
        self.quotas[at as usize].quota = quota;
    }

    /// See [`super::State::set_capacity`].
    pub(super) fn set_capacity(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }

    pub(super) fn acts(&mut self, acting: Acting) {
        self.acting = acting;
    }

    pub(super) fn set_horizon(&mut self, horizon: EventTime) {
        self.horizon = self.horizon.max(horizon);
    }

    pub(super) fn horizon(&self) -> EventTime {
        self.horizon
    }

    pub(super) fn take_notices(&mut self) -> Vec<EvictionNotice> {
        std::mem::take(&mut self.notices)
    }

    /// The quotas that changed since the last call.
    pub(super) fn take_quotas(&mut self) -> Vec<([u8; 8], Quota)> {
        let changed = |policy: &mut PolicyQuota| {
            std::mem::take(&mut policy.changed).then(|| (policy.prefix, policy.quota.clone()))
        };
        self.quotas.iter_mut().filter_map(changed).collect()
    }

    /// Whether the record (or that there is none) is at hand.
    pub(super) fn has(&self, entity: &EntityKey) -> bool {
        self.index.contains_key(entity)
    }

    /// Whether the ledger may have a record of the entity that is not at hand.
    pub(super) fn may_be_on_disk(&self, entity: &EntityKey) -> bool {
        self.on_disk.as_ref().is_none_or(|known| known.contains(entity)) && !self.has(entity)
    }

    /// Takes in a record as it was stored; without cells where none is.
    ///
    /// # Errors
    /// The bytes of a cell are not one that this version reads.
    pub(super) fn load<'c>(
        &mut self,
        entity: EntityKey,
        cells: impl Iterator<Item = ([u8; 8], Residency, &'c [u8])>,
    ) -> Result<(), Unreadable> {
        self.record(entity);
        self.on_disk.as_mut().map(|known| known.remove(&entity));
        for (prefix, residency, bytes) in cells {
            let cell = postcard::from_bytes(bytes).map_err(|_| Unreadable)?;
            let at = self.slot(CellKey { entity, prefix });
            let slot = &mut self.slots[at as usize];
            (slot.cell, slot.residency) = (Some(cell), Some(residency));
        }
        Ok(())
    }

    /// Whether a cell that resides there still counts: it was not evicted, and its time is not past.
    pub(super) fn keeps(&self, prefix: &[u8; 8], residency: &Residency) -> bool {
        let quota = self.by_prefix.get(prefix).map(|at| &self.quotas[*at as usize].quota);
        residency.expires >= self.horizon && !quota.is_some_and(|quota| quota.has_gone(residency))
    }

    /// The cell there, unless it was evicted or is past its time.
    pub(super) fn cell(&mut self, at: CellIdx) -> &mut Option<Cell> {
        let slot = &mut self.slots[at as usize];
        if let Some(residency) = &slot.residency {
            let gone = self.quotas[slot.quota as usize].quota.has_gone(residency);
            // the ledger drops it when it comes by, and whether it has must change nothing
            if gone || residency.expires < self.horizon {
                (slot.cell, slot.residency) = (None, None);
            }
        }
        &mut slot.cell
    }

    /// The cell there, made anew where there is none of its kind.
    pub(super) fn get<T: CellKind>(&mut self, at: CellIdx) -> &mut T {
        cell::get(self.cell(at))
    }

    /// The cell there, and that of its cohort, where there is one.
    pub(super) fn cells<T: CellKind>(&mut self, at: CellIdx, cohort: CellIdx) -> (&mut T, Cohort<'_>) {
        self.cell(at);
        if cohort == NONE {
            return (cell::get(&mut self.slots[at as usize].cell), Cohort(None));
        }
        self.cell(cohort);
        let Ok([own, cohort]) = self.slots.get_disjoint_mut([at as usize, cohort as usize]) else {
            unreachable!("an entity is not its own cohort: their keys are digests of different things")
        };
        (cell::get(&mut own.cell), Cohort(Some(&mut cohort.cell)))
    }

    /// Where the cell lies, if it is at hand.
    pub(super) fn find(&self, key: &CellKey) -> Option<CellIdx> {
        let record = &self.records[*self.index.get(&key.entity)? as usize];
        let quota = self.by_prefix.get(&key.prefix)?;
        record.cells.iter().find(|(of, _)| of == quota).map(|(_, at)| *at)
    }

    /// Ends what memos say of the cell.
    pub(super) fn invalidate(&mut self, at: CellIdx) {
        self.generations[at as usize] += 1;
        self.generation += 1;
    }

    /// How often any cell was invalidated.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// How often any of these cells was invalidated.
    pub(super) fn generation_of(&self, cells: &[CellIdx]) -> u64 {
        // where some were evicted, it may have been these
        self.evictions + cells.iter().filter_map(|at| self.generations.get(*at as usize)).sum::<u64>()
    }

    /// When the cell expires, where it was written.
    pub(super) fn expires(&self, at: CellIdx) -> Option<EventTime> {
        self.slots[at as usize].residency.map(|residency| residency.expires)
    }

    /// The cell is of an actor and of nothing else.
    pub(super) fn set_personal(&mut self, at: CellIdx, personal: bool) {
        self.slots[at as usize].personal |= personal;
    }

    /// Whether somebody whom the organisation has known for long resides in the cell.
    pub(super) fn is_known(&self, at: CellIdx) -> bool {
        let slot = &self.slots[at as usize];
        let stays = |p: &Residency| !self.quotas[slot.quota as usize].quota.has_gone(p) && p.expires >= self.horizon;
        slot.residency.as_ref().is_some_and(|p| p.tier > TrustTier::Stranger && stays(p))
    }

    /// The cell was changed, and can go at `expires`. `knows_the_actor`: whether some policy has known the event's actor for long.
    pub(super) fn wrote(&mut self, at: CellIdx, expires: EventTime, knows_the_actor: impl FnOnce(&Store) -> bool) {
        let slot = &mut self.slots[at as usize];
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(at);
        }
        let quota = &self.quotas[slot.quota as usize].quota;
        match &mut slot.residency {
            Some(residency) => {
                let expires = residency.expires.max(expires);
                if quota.is_newest(residency, expires)
                    && tier(slot.personal, Some(residency), &self.acting) == residency.tier
                {
                    residency.expires = expires;
                } else {
                    self.enter(at, expires, knows_the_actor);
                }
            }
            None => self.enter(at, expires, knows_the_actor),
        }
    }

    /// The cell was changed, and nothing else about it: neither when it can go nor how far its entity is known.
    pub(super) fn rewrote(&mut self, at: CellIdx) {
        let slot = &mut self.slots[at as usize];
        if slot.residency.is_some() && !slot.dirty {
            slot.dirty = true;
            self.dirty.push(at);
        }
    }

    /// Gives the cell its residency in the newest segment of the tier that it belongs to. One that is past its time already takes
    /// nobody's place: it is gone at the next event.
    fn enter(&mut self, at: CellIdx, expires: EventTime, knows_the_actor: impl FnOnce(&Store) -> bool) {
        let slot = &self.slots[at as usize];
        let (from, number, personal) = (slot.residency, slot.quota, slot.personal);
        let mut tier = tier(personal, from.as_ref(), &self.acting);
        if tier == TrustTier::Stranger && (personal || self.acting.vouched) && knows_the_actor(self) {
            tier = TrustTier::Familiar;
        }
        let (policy, room) = (&mut self.quotas[number as usize], self.capacity.of(tier));
        let born = from.map_or(self.acting.at, |from| from.born);
        if from.is_none() && expires < self.horizon {
            let segment = policy.quota.newest(tier);
            self.slots[at as usize].residency = Some(Residency { tier, segment, born, expires });
            return;
        }
        policy.changed = true;
        let (segment, evicted) = policy.quota.enter(from.as_ref(), (tier, room), expires, self.horizon);
        if evicted {
            self.evictions += 1;
            if let Some(cells) = policy.quota.take_unsaid(tier, self.acting.at) {
                self.notices.push(EvictionNotice { prefix: policy.prefix, tier, cells, room });
            }
        }
        self.slots[at as usize].residency = Some(Residency { tier, segment, born, expires });
    }

    /// How many cells must be written.
    pub(super) fn unwritten(&self) -> usize {
        self.dirty.len()
    }

    /// The cells that must be written since the last call: sorted, so that those of one record follow one another.
    pub(super) fn take_changed(&mut self) -> Vec<CellRow> {
        let mut rows = Vec::with_capacity(self.dirty.len());
        for at in std::mem::take(&mut self.dirty) {
            let slot = &mut self.slots[at as usize];
            slot.dirty = false;
            // what was evicted since needs no row: one that is on disk resides in an older segment, and counts as evicted too
            let quota = &self.quotas[slot.quota as usize].quota;
            if let (Some(cell), Some(residency)) = (&slot.cell, slot.residency.filter(|at| !quota.has_gone(at))) {
                rows.push(CellRow { key: slot.key, cell: postcard::to_stdvec(cell).unwrap_or_default(), residency });
            }
        }
        rows.sort_unstable_by_key(|row| row.key);
        rows
    }

    /// Lets records go from memory until at most `keep` cells are at hand, and says whether any went. To be called only when all that
    /// changed has been committed. Every [`CellIdx`] is void afterwards.
    pub(super) fn shrink(&mut self, keep: usize) -> bool {
        if self.slots.len() <= keep {
            return false;
        }
        let mut excess = self.slots.len().saturating_sub(keep / 2);
        let mut kept = Vec::new();
        let mut slots: Vec<Option<CellSlot>> = std::mem::take(&mut self.slots).into_iter().map(Some).collect();
        self.index.clear();
        self.dirty.clear();
        for mut record in std::mem::take(&mut self.records) {
            let is_dirty =
                record.cells.iter().any(|(_, at)| slots[*at as usize].as_ref().is_some_and(|slot| slot.dirty));
            if excess > 0 && !is_dirty {
                // one without cells was looked for, and makes no room
                excess = excess.saturating_sub(record.cells.len().max(1));
                let is_stored =
                    record.cells.iter().any(|(_, at)| slots[*at as usize].as_ref().is_some_and(|s| s.cell.is_some()));
                if is_stored {
                    self.on_disk.as_mut().map(|known| known.insert(record.entity));
                }
                continue;
            }
            for (_, at) in &mut record.cells {
                let slot = slots[*at as usize].take();
                *at = self.slots.len() as CellIdx;
                if slot.as_ref().is_some_and(|slot| slot.dirty) {
                    self.dirty.push(*at);
                }
                self.slots.extend(slot);
            }
            self.index.insert(record.entity, kept.len() as u32);
            kept.push(record);
        }
        self.records = kept;
        self.on_disk.take_if(|known| known.len() > limits::KNOWN_ON_DISK);
        self.generations = vec![0; self.slots.len()];
        true
    }

    /// How many cells are at hand; a record without any counts as one.
    pub(super) fn len(&self) -> usize {
        self.slots.len().max(self.records.len())
    }

    fn record(&mut self, entity: EntityKey) -> u32 {
        *self.index.entry(entity).or_insert_with(|| {
            self.records.push(Record { entity, cells: Vec::new() });
            (self.records.len() - 1) as u32
        })
    }

    /// Where the cell lies, made anew where there is none.
    pub(super) fn slot(&mut self, key: CellKey) -> CellIdx {
        let (record, quota) = (self.record(key.entity), self.quota(key.prefix));
        let record = &mut self.records[record as usize];
        if let Some((_, at)) = record.cells.iter().find(|(of, _)| *of == quota) {
            return *at;
        }
        let at = self.slots.len() as CellIdx;
        record.cells.push((quota, at));
        self.slots.push(CellSlot { key, cell: None, residency: None, quota, personal: false, dirty: false });
        self.generations.push(0);
        at
    }

    fn quota(&mut self, prefix: [u8; 8]) -> u32 {
        *self.by_prefix.entry(prefix).or_insert_with(|| {
            self.quotas.push(PolicyQuota { prefix, quota: Quota::default(), changed: false });
            (self.quotas.len() - 1) as u32
        })
    }
}

/// The tier of a cell that is written now: never lower than it was.
fn tier(personal: bool, from: Option<&Residency>, acting: &Acting) -> TrustTier {
    let before = from.map_or(TrustTier::Stranger, |from| from.tier);
    if acting.staff && (personal || acting.vouched) {
        TrustTier::Staff
    } else if from.is_some_and(|from| acting.at.since(from.born) >= FAMILIAR_AFTER) {
        before.max(TrustTier::Familiar)
    } else {
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Millis;
    use crate::operator::window::Window;

    const PREFIX: [u8; 8] = [7; 8];

    fn store(strangers: u32) -> Store {
        let mut store = Store::new(1);
        store.nothing_is_stored();
        store.set_capacity(Capacity { strangers, known: 8 });
        store
    }

    /// Somebody, of that number, does something at a time; it matters until `expires`.
    fn act(store: &mut Store, who: u8, at: EventTime, expires: EventTime) -> CellIdx {
        store.acts(Acting { at, staff: false, vouched: false });
        let cell = store.slot(CellKey { entity: EntityKey([who; 16]), prefix: PREFIX });
        store.get::<Window>(cell);
        store.wrote(cell, expires, |_| false);
        cell
    }

    #[test]
    fn what_is_past_its_time_when_it_is_written_takes_nobodys_place_and_is_gone_at_the_next_event() {
        let (now, old) = (EventTime(0).plus(Millis::DAY.times(90)), EventTime(0));
        let mut store = store(16);
        let regular = act(&mut store, 1, now, now.plus(Millis::DAY));
        store.set_horizon(now.minus(Millis::DAY.times(2)));
        for n in 0..1000 {
            let cell = act(&mut store, 2, old.plus(Millis(n)), old.plus(Millis::HOUR));
            assert!(store.cell(cell).is_none(), "whether the ledger has dropped it must not matter");
        }
        assert!(store.cell(regular).is_some() && store.take_notices().is_empty());
    }

    #[test]
    fn what_a_dismissal_writes_leaves_the_cell_in_its_place() {
        let mut store = store(16);
        let start = EventTime(0);
        let cell = act(&mut store, 1, start, start.plus(Millis::DAY.times(60)));
        let before = store.slots[cell as usize].residency;
        store.take_changed();
        store.acts(Acting { at: start.plus(Millis::DAY.times(9)), staff: true, vouched: true });
        store.rewrote(cell);
        assert_eq!(store.slots[cell as usize].residency, before, "whoever acted last was somebody else");
        assert_eq!(store.take_changed().len(), 1);
        let unwritten = store.slot(CellKey { entity: EntityKey([2; 16]), prefix: PREFIX });
        store.get::<Window>(unwritten);
        store.rewrote(unwritten);
        assert!(store.take_changed().is_empty(), "what is not kept stays that");
    }
}
