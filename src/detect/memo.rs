//! The memo: for each projected value, until when evaluating it again changes nothing.
//!
//! Most events look to most policies like one before them, change no state and satisfy no condition: the same person views the same
//! sort of page once more. For every projected value that was met the memo keeps a [`NoOpInterval`] for each of its inputs, as the
//! operators gave it: the event times at which evaluating the input again writes nothing and makes nothing hold. An interval stands
//! as long as none of the cells that it was worked out from has been invalidated, which their generations show.
//!
//! A memo only ever spares work: with all of them forgotten, at any time, the results are the same.
use super::network::{ActivationBatch, NodeInput, Projected};
use super::store::{CellIdx, NONE, Store};
use crate::model::{EventTime, limits};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::sync::Arc;

/// Stands for: not looked for.
const UNKNOWN: CellIdx = CellIdx::MAX - 1;

/// What is remembered of one projected value.
struct Memo {
    /// Kept, so that no other gets its address.
    projected: Arc<Projected>,
    inputs: Box<[InputMemo]>,
    /// When all of the inputs that its events reach directly do nothing.
    noop: NoOpInterval,
    /// The cells of those inputs.
    cells: Vec<CellIdx>,
    /// The generation of these when the interval was worked out.
    generation: u64,
}

#[derive(Clone, Copy)]
struct InputMemo {
    /// Its cell and that of its cohort, looked for when it is evaluated first: most inputs never are.
    cells: [CellIdx; 2],
    noop: NoOpInterval,
    /// As in [`Memo`].
    generation: u64,
}

/// The memos of the values of one batch, as they are met.
pub struct MemoCursor<'b> {
    pub(super) batch: &'b ActivationBatch,
    /// By the number of the value in the batch.
    memos: Vec<u32>,
}

impl<'b> MemoCursor<'b> {
    /// To fold the events of a batch in.
    pub fn new(batch: &'b ActivationBatch) -> MemoCursor<'b> {
        MemoCursor { batch, memos: vec![u32::MAX; batch.projected().len()] }
    }

    /// The batch whose events are folded in.
    pub fn batch(&self) -> &'b ActivationBatch {
        self.batch
    }

    /// Which memo is that of a value, by its number in the batch. From now on the event at hand looks at it.
    pub(super) fn memo_for(&mut self, value: u32, memos: &mut Memos) -> u32 {
        let known = &mut self.memos[value as usize];
        if *known == u32::MAX {
            *known = memos.number(&self.batch.projected()[value as usize]);
        }
        memos.current.push(*known);
        *known
    }
}

/// The event times `[from, until)` at which an event with the same projected value changes nothing and makes nothing hold, as long as
/// the generation of its cells stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoOpInterval {
    pub(super) from: EventTime,
    pub(super) until: EventTime,
}

impl NoOpInterval {
    pub(super) const NEVER: NoOpInterval = NoOpInterval { from: EventTime(0), until: EventTime(0) };

    /// From just after `at` on, as far as nothing is said against it.
    pub(super) fn after(at: EventTime) -> NoOpInterval {
        // at the same millisecond events are told apart by their ids
        NoOpInterval { from: EventTime(at.0.saturating_add(1)), until: EventTime(i64::MAX) }
    }

    /// When both hold.
    fn and(self, other: NoOpInterval) -> NoOpInterval {
        NoOpInterval { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    fn holds(&self, at: EventTime) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// Says until when at most; nothing: not at all.
    pub(super) fn limit(&mut self, until: Option<EventTime>) {
        self.until = self.until.min(until.unwrap_or(EventTime(i64::MIN)));
    }
}

/// All memos.
pub(super) struct Memos {
    /// By the address of the value, which it keeps as long as its memo is here.
    by_address: HashMap<usize, u32, FixedState>,
    memos: Vec<Memo>,
    /// The memos that the event at hand has looked at.
    current: Vec<u32>,
    /// Scratch of the engine, kept between events.
    satisfied: Vec<Vec<EventTime>>,
    noops: Vec<(u32, bool)>,
}

impl Memos {
    /// None. `seed` keys the map.
    pub(super) fn new(seed: u64) -> Memos {
        Memos {
            by_address: HashMap::with_hasher(FixedState::with_seed(seed)),
            memos: Vec::new(),
            current: Vec::new(),
            satisfied: Vec::new(),
            noops: Vec::new(),
        }
    }

    /// Forgets all of them: other policies hold, or cells have moved.
    pub(super) fn clear(&mut self) {
        self.by_address.clear();
        self.memos.clear();
        self.current.clear();
    }

    /// Whether there are so many that they are to be forgotten.
    pub(super) fn are_many(&self) -> bool {
        self.memos.len() >= 2 * limits::PROJECTED_VALUES
    }

    /// Whether the value has been met.
    pub(super) fn has(&self, projected: &Arc<Projected>) -> bool {
        self.by_address.contains_key(&address(projected))
    }

    fn number(&mut self, projected: &Arc<Projected>) -> u32 {
        if let Some(number) = self.by_address.get(&address(projected)) {
            return *number;
        }
        let unmet = InputMemo { cells: [UNKNOWN; 2], noop: NoOpInterval::NEVER, generation: 0 };
        let inputs = vec![unmet; projected.inputs().len()].into();
        let number = self.memos.len() as u32;
        self.by_address.insert(address(projected), number);
        let projected = projected.clone();
        self.memos.push(Memo { projected, inputs, noop: NoOpInterval::NEVER, cells: Vec::new(), generation: 0 });
        number
    }

    /// Where the cell of an input of a value lies, and that of its cohort.
    pub(super) fn locate(&mut self, store: &mut Store, memo: u32, place: u16) -> [CellIdx; 2] {
        let known = self.memos[memo as usize].inputs[usize::from(place)].cells;
        if known != [UNKNOWN; 2] {
            return known;
        }
        let memo = &mut self.memos[memo as usize];
        let input: &NodeInput = &memo.projected.inputs()[usize::from(place)];
        let cells = memo.projected.binding(place).filter(|_| input.stateful).map_or([NONE; 2], |binding| {
            let own = store.slot(binding.key);
            store.set_personal(own, memo.projected.personal);
            [own, binding.cohort().map_or(NONE, |key| store.slot(key))]
        });
        let direct = cells.into_iter().filter(|at| input.direct && *at != NONE);
        memo.inputs[usize::from(place)].cells = cells;
        for at in direct {
            if !memo.cells.contains(&at) {
                memo.cells.push(at);
            }
        }
        cells
    }

    /// Whether nothing can come of an event with that value at that time.
    pub(super) fn is_noop(&self, store: &Store, memo: u32, at: EventTime) -> bool {
        let memo = &self.memos[memo as usize];
        memo.noop.holds(at) && memo.generation == store.generation_of(&memo.cells)
    }

    /// Whether nothing can come of it for the input at that place.
    pub(super) fn is_input_noop(&self, store: &Store, memo: u32, place: u16, at: EventTime) -> bool {
        let input = &self.memos[memo as usize].inputs[usize::from(place)];
        input.noop.holds(at) && input.generation == store.generation_of(&input.cells)
    }

    /// Remembers when nothing can come of events with that value for the input at that place.
    pub(super) fn remember_input(&mut self, store: &Store, memo: u32, place: u16, noop: NoOpInterval) {
        let input = &mut self.memos[memo as usize].inputs[usize::from(place)];
        (input.noop, input.generation) = (noop, store.generation_of(&input.cells));
    }

    /// Remembers when nothing can come of events with that value for any of the inputs that they reach.
    pub(super) fn remember(&mut self, store: &Store, memo: u32) {
        let memo = &mut self.memos[memo as usize];
        let mut noop = NoOpInterval::after(EventTime(i64::MIN));
        for place in memo.projected.direct() {
            let input = &memo.inputs[usize::from(*place)];
            // what came later at the same event may have ended it
            let stands = input.generation == store.generation_of(&input.cells);
            noop = noop.and(if stands { input.noop } else { NoOpInterval::NEVER });
        }
        (memo.noop, memo.generation) = (noop, store.generation_of(&memo.cells));
    }

    /// Whether some policy that the event at hand concerns has known its actor for long.
    pub(super) fn knows_the_actor(&self, store: &Store) -> bool {
        let looked_at = self.current.iter().map(|memo| &self.memos[*memo as usize].projected);
        // whether its inputs have been evaluated or not; that its peers are known says nothing of a stranger
        looked_at.filter(|projected| projected.personal).any(|projected| {
            let Some(entity) = projected.entity else { return false };
            let cells = projected.prefixes().filter_map(|prefix| store.find(&super::CellKey { prefix, entity }));
            cells.into_iter().any(|at| store.is_known(at))
        })
    }

    /// Another event begins: the list of the values that it looks at, with whether they do nothing.
    pub(super) fn take_noops(&mut self) -> Vec<(u32, bool)> {
        self.begin();
        std::mem::take(&mut self.noops)
    }

    /// Another event begins, which has looked at nothing yet.
    pub(super) fn begin(&mut self) {
        self.current.clear();
    }

    pub(super) fn give_back_noops(&mut self, mut noops: Vec<(u32, bool)>) {
        noops.clear();
        self.noops = noops;
    }

    pub(super) fn take_satisfied(&mut self, rules: usize) -> Vec<Vec<EventTime>> {
        let mut satisfied = std::mem::take(&mut self.satisfied);
        satisfied.resize(rules, Vec::new());
        satisfied
    }

    pub(super) fn give_back_satisfied(&mut self, satisfied: Vec<Vec<EventTime>>) {
        self.satisfied = satisfied;
    }
}

fn address(projected: &Arc<Projected>) -> usize {
    Arc::as_ptr(projected) as usize
}
