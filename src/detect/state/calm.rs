//! The cases met, and when nothing can come of an event: most events change nothing, and are passed over.
use super::{At, NONE, State, UNKNOWN};
use crate::detect::plan::{Case, Step, Table};
use crate::model::EventTime;
use std::sync::Arc;

/// A case, with what is known of its steps.
pub(super) struct Met {
    /// Kept, so that no other case gets its address.
    pub(super) case: Arc<Case>,
    steps: Box<[MetStep]>,
    /// When all of the steps that its events reach are calm.
    calm: Calm,
    /// The slices of those steps.
    slots: Vec<At>,
    /// How often these had been upset when it was calm.
    changes: u64,
}

#[derive(Clone, Copy)]
struct MetStep {
    /// Its slice and the one beside it, looked for when it is evaluated first: most steps never are.
    slots: [At; 2],
    calm: Calm,
    /// As in [`Met`].
    changes: u64,
}

/// A table, with where the state keeps what it knows of its cases.
pub struct Meeting<'t> {
    pub(in crate::detect) table: &'t Table,
    /// Filled in as they are met.
    cases: Vec<At>,
}

impl Meeting<'_> {
    /// Where the state keeps what it knows of a case.
    pub(in crate::detect) fn case(&mut self, case: u32, state: &mut State) -> At {
        let met = &mut self.cases[case as usize];
        if *met == NONE {
            *met = state.meet_case(&self.table.cases()[case as usize]);
        }
        state.current.push(*met);
        *met
    }
}

/// The times at which an event that looks the same changes nothing and makes nothing hold, as long as its slices stay
/// undisturbed: `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) struct Calm {
    pub(in crate::detect) from: EventTime,
    pub(in crate::detect) until: EventTime,
}

impl Calm {
    pub(in crate::detect) const NEVER: Calm = Calm { from: EventTime(0), until: EventTime(0) };

    /// From just after `at` on, as far as nothing is said against it.
    pub(in crate::detect) fn after(at: EventTime) -> Calm {
        // at the same millisecond events are told apart by their ids
        Calm { from: EventTime(at.0.saturating_add(1)), until: EventTime(i64::MAX) }
    }

    /// When both hold.
    fn and(self, other: Calm) -> Calm {
        Calm { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    fn holds(&self, at: EventTime) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// Says until when at most; nothing: not at all.
    pub(in crate::detect) fn limit(&mut self, until: Option<EventTime>) {
        self.until = self.until.min(until.unwrap_or(EventTime(i64::MIN)));
    }
}

impl State {
    /// To fold a table's events in.
    pub fn meet<'t>(&self, table: &'t Table) -> Meeting<'t> {
        Meeting { table, cases: vec![NONE; table.cases().len()] }
    }

    fn meet_case(&mut self, case: &Arc<Case>) -> At {
        if let Some(at) = self.met.get(&address(case)) {
            return *at;
        }
        let unmet = MetStep { slots: [UNKNOWN; 2], calm: Calm::NEVER, changes: 0 };
        let steps = vec![unmet; case.steps().len()].into();
        self.met.insert(address(case), self.cases.len() as At);
        self.cases.push(Met { case: case.clone(), steps, calm: Calm::NEVER, slots: Vec::new(), changes: 0 });
        (self.cases.len() - 1) as At
    }

    /// Where the slice of a step of a case lies, and the one beside it.
    pub(in crate::detect) fn place(&mut self, met: At, place: u16) -> [At; 2] {
        let known = self.cases[met as usize].steps[usize::from(place)].slots;
        if known != [UNKNOWN; 2] {
            return known;
        }
        let case = self.cases[met as usize].case.clone();
        let step: &Step = &case.steps()[usize::from(place)];
        let slots = case.part(place).filter(|_| step.stateful).map_or([NONE; 2], |part| {
            let own = self.slot(part.key);
            self.slots[own as usize].personal |= case.personal;
            [own, part.beside().map_or(NONE, |key| self.slot(key))]
        });
        let met = &mut self.cases[met as usize];
        met.steps[usize::from(place)].slots = slots;
        let direct = slots.into_iter().filter(|at| step.direct && *at != NONE);
        for at in direct {
            if !met.slots.contains(&at) {
                met.slots.push(at);
            }
        }
        slots
    }

    /// Whether nothing can come of an event of that case at that time.
    pub(in crate::detect) fn is_calm(&self, met: At, at: EventTime) -> bool {
        let met = &self.cases[met as usize];
        met.calm.holds(at) && met.changes == self.changes_of(&met.slots)
    }

    /// Whether nothing can come of it for the step at that place.
    pub(in crate::detect) fn is_step_calm(&self, met: At, place: u16, at: EventTime) -> bool {
        let step = &self.cases[met as usize].steps[usize::from(place)];
        step.calm.holds(at) && step.changes == self.changes_of(&step.slots)
    }

    /// Remembers when nothing can come of events of that case for the step at that place.
    pub(in crate::detect) fn calm_step(&mut self, met: At, place: u16, calm: Calm) {
        let slots = self.cases[met as usize].steps[usize::from(place)].slots;
        let changes = self.changes_of(&slots);
        let step = &mut self.cases[met as usize].steps[usize::from(place)];
        (step.calm, step.changes) = (calm, changes);
    }

    /// Remembers when nothing can come of events of that case for any of the steps that they reach.
    pub(in crate::detect) fn calm(&mut self, met: At) {
        let known = &self.cases[met as usize];
        let mut calm = Calm::after(EventTime(i64::MIN));
        for place in known.case.direct() {
            let step = &known.steps[usize::from(*place)];
            // what came later at the same event may have ended it
            calm = calm.and(if step.changes == self.changes_of(&step.slots) { step.calm } else { Calm::NEVER });
        }
        let changes = self.changes_of(&known.slots);
        let known = &mut self.cases[met as usize];
        (known.calm, known.changes) = (calm, changes);
    }

    fn changes_of(&self, slots: &[At]) -> u64 {
        // where some were let go, it may have been these
        self.let_go + slots.iter().filter_map(|at| self.changes.get(*at as usize)).sum::<u64>()
    }

    pub(in crate::detect) fn take_calms(&mut self) -> Vec<(At, bool)> {
        // another event begins
        self.current.clear();
        std::mem::take(&mut self.calms)
    }

    pub(in crate::detect) fn give_back_calms(&mut self, mut calms: Vec<(At, bool)>) {
        calms.clear();
        self.calms = calms;
    }

    pub(in crate::detect) fn take_holds(&mut self, rules: usize) -> Vec<Vec<EventTime>> {
        let mut holds = std::mem::take(&mut self.holds);
        holds.resize(rules, Vec::new());
        holds
    }

    pub(in crate::detect) fn give_back_holds(&mut self, holds: Vec<Vec<EventTime>>) {
        self.holds = holds;
    }
}

pub(super) fn address(case: &Arc<Case>) -> usize {
    Arc::as_ptr(case) as usize
}
