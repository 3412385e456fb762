//! The numbers that a product gives its records, one more each: a record that was cut out of the trail leaves a hole.
use crate::model::{EventTime, Millis};
use serde::{Deserialize, Serialize};

/// So many later records, or that much later ones, and a number that is still missing will not come any more. Writers with
/// several threads put records a few places out of order, not hundreds.
const PATIENCE: (u64, Millis) = (1000, Millis(10 * 60_000));
/// How many holes are waited on; where more open, the oldest are given up at once.
const HOLES: usize = 64;

/// A run of numbers that were passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hole {
    first: u64,
    last: u64,
    /// The highest number seen, and the time, when it was noticed.
    noticed: (u64, EventTime),
}

/// Up to where a trail's numbering has come, and what is missing below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    highest: u64,
    holes: Vec<Hole>,
}

/// What the numbers say of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The records with these numbers never came.
    Missing {
        /// Lowest of them.
        first: u64,
        /// Highest of them.
        last: u64,
    },
    /// The counter went back: set to zero, or another trail under this one's name.
    Anew {
        /// The highest number before.
        highest: u64,
        /// The number that came.
        number: u64,
    },
}

impl Numbers {
    /// Takes the number of a record that the trail shows for the first time, in `numbers` or as their beginning.
    pub fn meet(numbers: &mut Option<Numbers>, number: u64, at: EventTime) -> Vec<Oddity> {
        match numbers {
            Some(numbers) => numbers.next(number, at),
            None => {
                *numbers = Some(Numbers { highest: number, holes: Vec::new() });
                Vec::new()
            }
        }
    }

    fn next(&mut self, number: u64, at: EventTime) -> Vec<Oddity> {
        let mut odd = Vec::new();
        if let Some(above) = number.checked_sub(self.highest).filter(|above| *above > 0) {
            if above > 1 {
                self.holes.push(Hole { first: self.highest + 1, last: number - 1, noticed: (number, at) });
            }
            self.highest = number;
        } else if !self.fill(number) {
            let highest = std::mem::replace(&mut self.highest, number);
            self.give_up(&mut odd, |_| true);
            odd.push(Oddity::Anew { highest, number });
            return odd;
        }
        let highest = self.highest;
        let due = |hole: &Hole| {
            let (number, time) = hole.noticed;
            highest - number >= PATIENCE.0 || at >= time.plus(PATIENCE.1)
        };
        self.give_up(&mut odd, due);
        let over = self.holes.len().saturating_sub(HOLES);
        odd.extend(self.holes.drain(..over).map(|hole| hole.missing()));
        odd
    }

    /// A number that was missed came after all; `false` where it was not missing.
    fn fill(&mut self, number: u64) -> bool {
        let Some(at) = self.holes.iter().position(|hole| (hole.first..=hole.last).contains(&number)) else {
            return false;
        };
        let hole = self.holes.remove(at);
        let below = (hole.first < number).then(|| Hole { last: number - 1, ..hole.clone() });
        let above = (number < hole.last).then(|| Hole { first: number + 1, ..hole });
        self.holes.splice(at..at, below.into_iter().chain(above));
        true
    }

    fn give_up(&mut self, odd: &mut Vec<Oddity>, due: impl Fn(&Hole) -> bool) {
        odd.extend(self.holes.extract_if(.., |hole| due(hole)).map(|hole| hole.missing()));
    }
}

impl Hole {
    fn missing(&self) -> Oddity {
        Oddity::Missing { first: self.first, last: self.last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn meet(numbers: impl IntoIterator<Item = u64>) -> Vec<Oddity> {
        let mut state = None;
        let all = numbers.into_iter().enumerate();
        all.flat_map(|(second, n)| Numbers::meet(&mut state, n, EventTime(second as i64 * 1000))).collect()
    }

    #[test]
    fn a_record_cut_out_is_missed_after_a_while_and_once() {
        let trail = (1..2000u64).filter(|n| !(500..=502).contains(n));
        assert_eq!(meet(trail), [Oddity::Missing { first: 500, last: 502 }]);
    }

    #[test]
    fn a_counter_set_back_is_said_once_with_what_was_missing_until_then() {
        let found = meet([7, 8, 10, 1, 2, 3]);
        assert_eq!(found, [Oddity::Missing { first: 9, last: 9 }, Oddity::Anew { highest: 10, number: 1 }]);
    }

    #[test]
    fn any_number_of_holes_takes_bounded_room_and_each_is_said() {
        let found = meet((0..1000).map(|n| n * 2));
        assert!(found.len() >= 999 - HOLES, "{}", found.len());
        assert_eq!(meet([0, u64::MAX]), []);
    }

    proptest! {
        /// Records a few places out of order are none missing; those cut out are exactly the ones that are said.
        #[test]
        fn what_is_said_is_what_was_cut_out(
            start in 0..u64::MAX - 10_000, cut in prop::collection::btree_set(1..3000u64, 0..20), seed in any::<u64>(),
        ) {
            let mut trail: Vec<u64> = (0..5000).filter(|n| !cut.contains(n)).map(|n| start + n).collect();
            // every record within ten places of where it belongs
            let mut random = seed;
            for window in trail[1..].chunks_mut(10) {
                for i in (1..window.len()).rev() {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    window.swap(i, (random >> 33) as usize % (i + 1));
                }
            }
            let mut said: Vec<u64> = meet(trail).into_iter().flat_map(|odd| match odd {
                Oddity::Missing { first, last } => first - start..=last - start,
                Oddity::Anew { .. } => panic!("{odd:?}"),
            }).collect();
            said.sort_unstable();
            prop_assert_eq!(said, cut.into_iter().collect::<Vec<_>>());
        }
    }
}
