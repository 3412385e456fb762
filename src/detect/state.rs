//! The slices of state that are at hand, and which of them must be written.
//!
//! A cache in front of the ledger: what is not here is fetched before an event is folded in, and what has been written
//! may be let go at any time. Which slices are at hand never changes a result.
mod calm;
pub mod names;

use super::plan::{Table, Touched};
use super::share::{FAMILIAR_AFTER, LetGo, Place, Pressure, Share, Standing};
use crate::model::{EventTime, limits};
use crate::operator::Cohort;
use crate::operator::cell::{self, Cell, CellKind};
pub(super) use calm::Calm;
pub use calm::Meeting;
use calm::{Met, address};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeSet;

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

    /// A digest of it: it is made of two.
    fn short(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[8..16]);
        u64::from_le_bytes(self.prefix()) ^ u64::from_le_bytes(first)
    }

    /// What the keys of its policy's slices begin with.
    pub fn prefix(&self) -> [u8; 8] {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&self.0[..8]);
        prefix
    }

    /// The digest of the entity.
    pub fn entity(&self) -> [u8; 16] {
        let mut entity = [0; 16];
        entity.copy_from_slice(&self.0[8..]);
        entity
    }
}

/// A slice as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StateRow {
    /// Of whom and what.
    pub key: StateKey,
    /// The slice.
    pub slice: Vec<u8>,
    /// Where it stands among the others of its policy.
    pub place: Place,
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

struct Slot {
    key: StateKey,
    slice: Option<Cell>,
    /// None while it has not been written.
    place: Option<Place>,
    /// Its policy's share, by number.
    share: u32,
    /// The entity is an actor, and nothing else: of these there are no more than there are names.
    personal: bool,
    dirty: bool,
}

/// The rooms of one policy.
struct Rooms {
    prefix: [u8; 8],
    share: Share,
    changed: bool,
}

/// Where a slice lies in [`State`], until it is let go.
pub(super) type At = u32;
/// Stands for: no slice.
const NONE: At = At::MAX;
/// Stands for: not looked for.
const UNKNOWN: At = At::MAX - 1;

/// The slices at hand.
pub struct State {
    index: HashMap<StateKey, At, FixedState>,
    slots: Vec<Slot>,
    /// How often each slice has changed in a way by which what was calm may be so no longer.
    changes: Vec<u64>,
    upsets: u64,
    dirty: Vec<At>,
    /// The cases met, by their address, which they keep as long as they are here.
    met: HashMap<usize, At, FixedState>,
    cases: Vec<Met>,
    shares: Vec<Rooms>,
    by_prefix: HashMap<[u8; 8], u32, FixedState>,
    /// Which slices are stored and not at hand, by a digest of their keys; nothing where that is not known.
    elsewhere: Option<HashSet<u64, FixedState>>,
    /// How often slices were let go.
    let_go: u64,
    gone: BTreeSet<LetGo>,
    pressure: Vec<Pressure>,
    /// What expired before it is past its time, on disk or not.
    horizon: EventTime,
    acting: Acting,
    /// The cases of the event that is folded in.
    current: Vec<At>,
    /// Scratch of the engine.
    holds: Vec<Vec<EventTime>>,
    calms: Vec<(At, bool)>,
}

/// A slice that could not be read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

impl State {
    /// Nothing at hand. `seed` keys the map, for keys derive from what attackers choose.
    pub fn new(seed: u64) -> State {
        State {
            index: HashMap::with_hasher(FixedState::with_seed(seed)),
            slots: Vec::new(),
            changes: Vec::new(),
            upsets: 0,
            dirty: Vec::new(),
            met: HashMap::with_hasher(FixedState::with_seed(seed)),
            cases: Vec::new(),
            shares: Vec::new(),
            by_prefix: HashMap::with_hasher(FixedState::with_seed(seed)),
            elsewhere: None,
            let_go: 0,
            gone: BTreeSet::new(),
            pressure: Vec::new(),
            horizon: EventTime(i64::MIN),
            acting: Acting::default(),
            current: Vec::new(),
            holds: Vec::new(),
            calms: Vec::new(),
        }
    }

    /// Nothing is stored yet, so that from now on it is known here what is.
    pub fn nothing_is_stored(&mut self) {
        self.elsewhere = Some(HashSet::with_hasher(self.index.hasher().clone()));
    }

    /// Takes in how a policy's rooms are filled, as it was stored.
    pub fn load_share(&mut self, prefix: [u8; 8], share: Share) {
        let at = self.share(prefix);
        self.shares[at as usize].share = share;
    }

    /// Says who acts in the events folded in from now on.
    pub fn acts(&mut self, acting: Acting) {
        self.acting = acting;
    }

    /// What expires before that time can't matter any more: it counts as not there. Never goes back.
    pub fn set_horizon(&mut self, horizon: EventTime) {
        self.horizon = self.horizon.max(horizon);
    }

    /// See [`State::set_horizon`].
    pub fn horizon(&self) -> EventTime {
        self.horizon
    }

    /// What was let go since the last call and must be said.
    pub fn take_pressure(&mut self) -> Vec<Pressure> {
        std::mem::take(&mut self.pressure)
    }

    /// The rooms that changed since the last call, and what is to be dropped from disk.
    pub fn take_shares(&mut self) -> (Vec<([u8; 8], Share)>, Vec<LetGo>) {
        let changed =
            |rooms: &mut Rooms| std::mem::take(&mut rooms.changed).then(|| (rooms.prefix, rooms.share.clone()));
        let shares = self.shares.iter_mut().filter_map(changed).collect();
        (shares, std::mem::take(&mut self.gone).into_iter().collect())
    }

    /// Whether the slice (or that there is none) is at hand.
    pub fn has(&self, key: &StateKey) -> bool {
        self.index.contains_key(key)
    }

    /// The slices that events may change and that are not at hand; they must be loaded before the events are folded in.
    pub fn missing<'e>(&self, table: &Table, events: impl Iterator<Item = &'e Touched>, into: &mut Vec<StateKey>) {
        if self.elsewhere.as_ref().is_some_and(HashSet::is_empty) {
            return;
        }
        let mut looked = vec![false; table.cases().len()];
        for case in events.filter_map(|touched| table.get(touched)).flat_map(|(_, cases)| cases) {
            let case = *case as usize;
            if !std::mem::replace(&mut looked[case], true) && !self.met.contains_key(&address(&table.cases()[case])) {
                into.extend(table.cases()[case].keys().filter(|key| self.may_be_elsewhere(key)));
            }
        }
    }

    /// Whether the slice may be stored without being at hand.
    fn may_be_elsewhere(&self, key: &StateKey) -> bool {
        self.elsewhere.as_ref().is_none_or(|known| known.contains(&key.short())) && !self.index.contains_key(key)
    }

    /// Other policies hold from now on, and events are looked at anew.
    pub fn new_policies(&mut self) {
        self.met.clear();
        self.cases.clear();
    }

    /// Forgets the cases met where they are too many. Not to be called while a [`Meeting`] is used.
    pub fn make_room(&mut self) {
        if self.cases.len() >= 2 * limits::CASES {
            self.new_policies();
        }
    }

    /// Takes in a slice as it was stored, or that none is.
    ///
    /// # Errors
    /// The bytes are not a slice that this version reads.
    pub fn load(&mut self, key: StateKey, stored: Option<(&[u8], Place)>) -> Result<(), Unreadable> {
        let slice = stored.map(|(slice, _)| postcard::from_bytes(slice)).transpose().map_err(|_| Unreadable)?;
        let at = self.slot(key);
        self.elsewhere.as_mut().map(|known| known.remove(&key.short()));
        let slot = &mut self.slots[at as usize];
        (slot.slice, slot.place) = (slice, stored.map(|(_, place)| place));
        Ok(())
    }

    /// The slice there, unless it was let go or is past its time.
    pub(super) fn slice(&mut self, at: At) -> &mut Option<Cell> {
        let slot = &mut self.slots[at as usize];
        if let Some(place) = &slot.place {
            let gone = self.shares[slot.share as usize].share.has_gone(place);
            if gone || place.expires < self.horizon {
                // contributions that are past their time say nothing, whether they are still there or not
                slot.slice.take_if(|slice| gone || !matches!(slice, Cell::Window(_)));
                slot.place = None;
            }
        }
        &mut slot.slice
    }

    /// The slice there, made anew where there is none of its kind.
    pub(super) fn get<T: CellKind>(&mut self, at: At) -> &mut T {
        cell::get(self.slice(at))
    }

    /// The slice there, and that of its cohort, where there is one.
    pub(super) fn cells<T: CellKind>(&mut self, at: At, beside: At) -> (&mut T, Cohort<'_>) {
        self.slice(at);
        if beside == NONE {
            return (cell::get(&mut self.slots[at as usize].slice), Cohort(None));
        }
        self.slice(beside);
        let Ok([own, beside]) = self.slots.get_disjoint_mut([at as usize, beside as usize]) else {
            unreachable!("an entity is not its own cohort: their keys are digests of different things")
        };
        (cell::get(&mut own.slice), Cohort(Some(&mut beside.slice)))
    }

    /// Where the slice lies, if it is at hand.
    pub(super) fn find(&self, key: &StateKey) -> Option<At> {
        self.index.get(key).copied()
    }

    /// What was calm because of the slice may be so no longer.
    pub(super) fn upset(&mut self, at: At) {
        self.changes[at as usize] += 1;
        self.upsets += 1;
    }

    /// How often any slice was upset.
    pub(super) fn upsets(&self) -> u64 {
        self.upsets
    }

    /// The slice was changed, and can go at `expires`.
    pub(super) fn wrote(&mut self, at: At, expires: EventTime) {
        let slot = &mut self.slots[at as usize];
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(at);
        }
        let share = &self.shares[slot.share as usize].share;
        match &mut slot.place {
            Some(place) => {
                let expires = place.expires.max(expires);
                if share.is_newest(place, expires)
                    && standing(slot.personal, Some(place), &self.acting) == place.standing
                {
                    place.expires = expires;
                } else {
                    self.enter(at, expires);
                }
            }
            None => self.enter(at, expires),
        }
    }

    /// Gives the slice its place in the newest segment of the room it belongs to.
    fn enter(&mut self, at: At, expires: EventTime) {
        let slot = &self.slots[at as usize];
        let (from, number, personal) = (slot.place, slot.share, slot.personal);
        let mut standing = standing(personal, from.as_ref(), &self.acting);
        if standing == Standing::Stranger && (personal || self.acting.vouched) && self.knows_the_actor() {
            standing = Standing::Familiar;
        }
        let rooms = &mut self.shares[number as usize];
        rooms.changed = true;
        let (segment, full) = rooms.share.enter(from.as_ref(), standing, expires, self.horizon);
        if full {
            self.let_go += 1;
            let segment = rooms.share.gone(standing).unwrap_or_default();
            let prefix = rooms.prefix;
            // whatever of the room went before is gone as well
            self.gone.retain(|gone| (gone.prefix, gone.standing) != (prefix, standing));
            self.gone.insert(LetGo { prefix, standing, segment });
            if let Some(slices) = rooms.share.take_unsaid(standing, self.acting.at) {
                self.pressure.push(Pressure { prefix, standing, slices });
            }
        }
        let born = from.map_or(self.acting.at, |from| from.born);
        self.slots[at as usize].place = Some(Place { standing, segment, born, expires });
    }

    /// Whether some other policy has known the actor of this event for long.
    fn knows_the_actor(&self) -> bool {
        let known = |at: At| {
            let slot = &self.slots[at as usize];
            let stays = |p: &Place| !self.shares[slot.share as usize].share.has_gone(p) && p.expires >= self.horizon;
            slot.place.as_ref().is_some_and(|p| p.standing > Standing::Stranger && stays(p))
        };
        let personal = self.current.iter().map(|met| &self.cases[*met as usize].case).filter(|case| case.personal);
        // whether its steps have been evaluated or not; that its peers are known says nothing of a stranger
        personal.flat_map(|case| case.own_keys()).filter_map(|key| self.find(&key)).any(known)
    }

    /// How many slices must be written.
    pub fn unwritten(&self) -> usize {
        self.dirty.len()
    }

    /// What must be written since the last call. Sorted by key.
    pub fn take_dirty(&mut self) -> Vec<StateRow> {
        let mut rows = Vec::with_capacity(self.dirty.len());
        for at in std::mem::take(&mut self.dirty) {
            let slot = &mut self.slots[at as usize];
            slot.dirty = false;
            // what was let go since needs no row: one that is on disk has an older place in the room, and goes with it
            let share = &self.shares[slot.share as usize].share;
            if let (Some(slice), Some(place)) = (&slot.slice, slot.place.filter(|place| !share.has_gone(place))) {
                rows.push(StateRow { key: slot.key, slice: postcard::to_stdvec(slice).unwrap_or_default(), place });
            }
        }
        rows.sort_unstable_by_key(|row| row.key);
        rows
    }

    /// Lets slices go until at most `keep` are at hand. To be called only when all that is dirty has been committed.
    pub fn shrink(&mut self, keep: usize) {
        if self.slots.len() <= keep {
            return;
        }
        self.new_policies();
        let mut excess = self.slots.len().saturating_sub(keep / 2);
        let elsewhere = &mut self.elsewhere;
        self.slots.retain(|slot| {
            let go = excess > 0 && !slot.dirty;
            excess -= usize::from(go);
            if go && slot.slice.is_some() {
                elsewhere.as_mut().map(|known| known.insert(slot.key.short()));
            }
            !go
        });
        self.elsewhere.take_if(|known| known.len() > limits::KNOWN_ELSEWHERE);
        self.changes = vec![0; self.slots.len()];
        self.index.clear();
        self.index.extend(self.slots.iter().enumerate().map(|(at, slot)| (slot.key, at as At)));
        self.dirty = (0..self.slots.len() as At).filter(|at| self.slots[*at as usize].dirty).collect();
    }

    /// How many slices are at hand.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn slot(&mut self, key: StateKey) -> At {
        if let Some(at) = self.index.get(&key) {
            return *at;
        }
        let (at, share) = (self.slots.len() as At, self.share(key.prefix()));
        let fresh = Slot { key, slice: None, place: None, share, personal: false, dirty: false };
        self.slots.push(fresh);
        self.changes.push(0);
        self.index.insert(key, at);
        at
    }

    fn share(&mut self, prefix: [u8; 8]) -> u32 {
        *self.by_prefix.entry(prefix).or_insert_with(|| {
            self.shares.push(Rooms { prefix, share: Share::default(), changed: false });
            (self.shares.len() - 1) as u32
        })
    }
}

/// Where a slice stands that is written now: never lower than it stood.
fn standing(personal: bool, from: Option<&Place>, acting: &Acting) -> Standing {
    let before = from.map_or(Standing::Stranger, |from| from.standing);
    if acting.staff && (personal || acting.vouched) {
        Standing::Staff
    } else if from.is_some_and(|from| acting.at.since(from.born) >= FAMILIAR_AFTER) {
        before.max(Standing::Familiar)
    } else {
        before
    }
}
