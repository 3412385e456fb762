//! What small quotas leave of what would be found, worked out slowly: what goes is forgotten, as if it had never come.
//!
//! Written from what `detect::store` and its `quota` promise: a policy has room for so many cells of strangers, parted into eight
//! segments. A cell that is written enters the newest one, once. When that is full another begins, and of more than eight the oldest goes
//! with all that has not been written since. What a cell holds, and in which episodes a policy fired by it, is gone with it.
//!
//! When a cell is written that keeps a run of the same as few, or a last use coarsely, is up to the engine. So the types here are those
//! that take up every act, and acts come in the order of time, in less than the week after which nobody is a stranger any more.
use super::arrival::{LATENESS, counted, told};
use super::reference::{
    Act, Body, Hit, Policy, condition, entity, episode, matches, one_is_enough, says_something, subject,
};
use std::collections::{BTreeMap, BTreeSet};

const SEGMENTS: u64 = 8;

/// What is kept of one entity.
#[derive(Default)]
struct Cell {
    hits: Vec<Hit>,
    /// In which of its episodes which policy has fired.
    fired: BTreeSet<(usize, i64)>,
    /// It can go by itself then.
    until: i64,
    segment: u64,
}

/// What is kept for a policy, or for several that keep the same.
#[derive(Default)]
struct Shelf {
    cells: BTreeMap<String, Cell>,
    newest: u64,
    entered: u32,
}

impl Shelf {
    /// The cell of that entity, as it is, or a new one that has not been written.
    fn take(&mut self, entity: &str, horizon: i64) -> (Cell, bool) {
        match self.cells.remove(entity).filter(|cell| cell.until >= horizon) {
            Some(cell) => (cell, true),
            None => (Cell::default(), false),
        }
    }

    /// Puts it back, written: there is room for so many.
    fn write(&mut self, entity: &str, mut cell: Cell, was_there: bool, until: i64, room: u32) {
        cell.until = cell.until.max(until);
        if !was_there || cell.segment != self.newest {
            if u64::from(self.entered) >= u64::from(room) / SEGMENTS {
                (self.newest, self.entered) = (self.newest + 1, 0);
                let newest = self.newest;
                self.cells.retain(|_, cell| cell.segment + SEGMENTS > newest);
            }
            self.entered += 1;
            cell.segment = self.newest;
        }
        self.cells.insert(entity.to_owned(), cell);
    }
}

/// Policy, entity, episode and time: what is found, in order. `shelves` says for each policy what stands for what it keeps; those that
/// keep the same have the same.
pub fn found(policies: &[Policy], shelves: &[[u8; 32]], arrivals: &[Act], room: u32) -> Vec<(usize, String, i64, i64)> {
    let acts = counted(arrivals);
    let mut kept: BTreeMap<[u8; 32], Shelf> = BTreeMap::new();
    let mut found = Vec::new();
    let (mut horizon, mut hour) = (i64::MIN, None);
    for (n, act) in acts.iter().enumerate() {
        // what can go by itself is looked through once an hour of the trail's time
        if hour.replace(act.time.div_euclid(3_600_000)) != Some(act.time.div_euclid(3_600_000)) {
            horizon = act.time - LATENESS;
        }
        let mut holds = vec![false; policies.len()];
        for (number, policy) in policies.iter().enumerate() {
            let shelf = kept.entry(shelves[number]).or_default();
            let now = act.time.div_euclid(episode(policy));
            let tells = told(policy, act);
            match &policy.body {
                Body::Correlation { kind, rules, who, by, span_seconds } if !one_is_enough(kind) => {
                    let span = i64::from(*span_seconds) * 1000;
                    for via in (0..rules.len()).filter(|via| holds[rules[*via]]).collect::<Vec<_>>() {
                        let hit = Hit { time: act.time, id: act.id, via, act: n };
                        let Some(entity) = entity(who, by, via, act).filter(|_| says_something(kind, act)) else {
                            continue;
                        };
                        let (mut cell, was_there) = shelf.take(&entity, horizon);
                        // another policy that keeps the same may have taken it up
                        let is_new = !cell.hits.contains(&hit);
                        if is_new {
                            cell.hits.push(hit);
                            cell.hits.sort();
                        }
                        let held = condition(kind, rules.len(), &cell.hits, &acts, span) == Some(true);
                        holds[number] |= held;
                        let fires = held && tells && cell.fired.insert((number, now));
                        if fires {
                            found.push((number, entity.clone(), now, act.time));
                        }
                        // that it fired matters until its episode is over
                        let until_told = if fires { act.time + episode(policy) } else { i64::MIN };
                        let expires = (act.time + span + LATENESS).max(until_told);
                        match is_new || fires {
                            true => shelf.write(&entity, cell, was_there, expires, room),
                            false => drop(shelf.cells.insert(entity, cell)),
                        }
                    }
                }
                body => {
                    let by = match body {
                        Body::Detection { .. } => matches(body, act).then(|| subject(act)).into_iter().collect(),
                        Body::Correlation { rules, who, by, .. } => {
                            let via = (0..rules.len()).filter(|via| holds[rules[*via]]);
                            via.filter_map(|via| entity(who, by, via, act)).collect::<Vec<_>>()
                        }
                    };
                    for entity in by {
                        holds[number] = true;
                        let (mut cell, was_there) = shelf.take(&entity, horizon);
                        if tells && cell.fired.insert((number, now)) {
                            found.push((number, entity.clone(), now, act.time));
                            shelf.write(&entity, cell, was_there, act.time + episode(policy), room);
                        } else if was_there {
                            shelf.cells.insert(entity, cell);
                        }
                    }
                }
            }
        }
    }
    found
}
