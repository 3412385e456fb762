//! Who uses a value: the state by which what so many use is ordinary for everybody.
use super::terms::{Crowd, MOST_OF_CROWD};
use super::window::Fired;
use super::{Change, CohortSeen};
use crate::model::{EventTime, Millis};
use serde::{Deserialize, Serialize};

/// Those who used one value lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Users {
    /// Digest of the entity, its first and its last use.
    users: Vec<(u64, EventTime, EventTime)>,
    fired: Fired,
}

/// What a use showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// How many others used the value within the crowd's time.
    pub others: u32,
    /// It must be written.
    pub changed: bool,
    /// Until then a further use of the same entity changes nothing, where this one did not.
    pub same_until: EventTime,
}

impl CohortSeen {
    /// Of a use; `expires` is when nothing of the users can matter any more.
    pub(super) fn of(used: &Use, expires: EventTime) -> CohortSeen {
        CohortSeen {
            change: if used.changed { Change::All } else { Change::None },
            expires,
            noop_until: (!used.changed).then_some(used.same_until),
            began: None,
        }
    }
}

impl Users {
    /// Takes up a use by `entity`.
    pub fn observe(&mut self, entity: u64, at: EventTime, crowd: &Crowd) -> Use {
        // last uses are kept coarsely: a page view must not cost a write
        let grain = Millis((crowd.within.0 / 32).max(1));
        let coarse = EventTime(at.0 - at.0.rem_euclid(grain.0));
        let known = self.users.iter().position(|(user, ..)| *user == entity);
        let changed = match known {
            Some(i) => {
                let (_, first, last) = &mut self.users[i];
                let before = (*first, *last);
                (*first, *last) = (before.0.min(at), before.1.max(coarse));
                before != (*first, *last)
            }
            None => {
                self.users.push((entity, at, coarse));
                if self.users.len() as i64 > MOST_OF_CROWD + 1 {
                    // whoever used it least lately goes; the crowd is large enough without
                    let oldest = self.users.iter().enumerate().min_by_key(|(_, (user, _, last))| (*last, *user));
                    let oldest = oldest.map_or(0, |(i, _)| i);
                    self.users.swap_remove(oldest);
                }
                true
            }
        };
        let within = |time: &EventTime| (at.0 - time.0).abs() <= crowd.within.0;
        let others = self.users.iter().filter(|(user, first, last)| *user != entity && *first <= at && within(last));
        Use { others: others.count() as u32, changed, same_until: coarse.plus(grain) }
    }

    pub(super) fn fired_mut(&mut self) -> &mut Fired {
        &mut self.fired
    }

    /// When nothing of it can matter any more.
    pub fn expires(&self, crowd: &Crowd) -> EventTime {
        let last = self.users.iter().map(|(_, _, last)| *last).max().unwrap_or_default();
        last.plus(crowd.within.times(2)).plus(crate::model::limits::LATENESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_of_others_and_of_late() {
        let crowd = Crowd { entities: 3, within: Millis::DAY };
        let mut users = Users::default();
        for user in 0..4 {
            let seen = users.observe(user, EventTime(user as i64), &crowd);
            assert_eq!(seen.others, user as u32);
        }
        assert!(!users.observe(0, EventTime(5), &crowd).changed, "a use a moment later costs no write");
        let later = users.observe(9, EventTime(0).plus(Millis::DAY.times(3)), &crowd);
        assert_eq!(later.others, 0);
    }

    #[test]
    fn it_is_bounded() {
        let crowd = Crowd { entities: 3, within: Millis::DAY };
        let mut users = Users::default();
        for user in 0..1000 {
            users.observe(user, EventTime(user as i64), &crowd);
        }
        assert_eq!(users.users.len() as i64, MOST_OF_CROWD + 1);
    }
}
