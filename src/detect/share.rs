//! Room for state: how many slices of strangers a policy keeps, and how many of those whom it knows.
//!
//! Every policy has three rooms, for anybody can make up names, and a flood of them must not push out those who belong
//! here. A room is parted into `SEGMENTS` segments. A slice that is written enters the newest segment, once; when that one is
//! full another begins, and with the oldest all those go that have not been written since. A slice in it counts as never
//! kept from that moment on, whether it lies in memory or on disk, where the next commit drops it: what is let go
//! follows from the events and their order, and from no cache, commit or clock.
use crate::model::{EventTime, Millis, limits};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Segments of a room: at most one part in so many goes at once.
const SEGMENTS: u32 = 8;
/// Since when there must have been a slice for it to be familiar: the days after which the shipped policies have learned
/// somebody. Less would be met by a flood that is repeated the day after.
pub(super) const FAMILIAR_AFTER: Millis = Millis::DAY.times(7);

/// Whom a slice is about, as far as room goes; the later ones are never pushed out by those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Anybody.
    #[default]
    Stranger,
    /// Somebody who has been here for longer than a week.
    Familiar,
    /// Somebody who stands in the staff directory.
    Staff,
}

impl Standing {
    /// Every one, the least known first.
    pub const ALL: [Standing; 3] = [Standing::Stranger, Standing::Familiar, Standing::Staff];

    /// In words: `strangers`.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Stranger => "strangers",
            Standing::Familiar => "familiar",
            Standing::Staff => "staff",
        }
    }

    /// How many slices of theirs a policy keeps.
    pub fn limit(self) -> u32 {
        match self {
            Standing::Stranger => limits::STRANGERS_PER_POLICY,
            Standing::Familiar | Standing::Staff => limits::KNOWN_PER_POLICY,
        }
    }
}

/// Where a slice stands among the others of its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which room.
    pub standing: Standing,
    /// In which of its segments, counted from the first there ever was.
    pub segment: u32,
    /// The event time of its first writing.
    pub born: EventTime,
    /// When it can go by itself.
    pub expires: EventTime,
}

/// What a policy lets go: everything of that standing up to and with that segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetGo {
    /// First bytes of the keys of the policy's slices.
    pub prefix: [u8; 8],
    /// Of whom.
    pub standing: Standing,
    /// The newest segment that has gone.
    pub segment: u32,
}

/// Slices that were let go early, to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// First bytes of the keys of the policy's slices.
    pub prefix: [u8; 8],
    /// Of whom.
    pub standing: Standing,
    /// How many since it was said last.
    pub slices: u64,
}

/// The rooms of one policy; this is also the row that is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    rooms: [Room; 3],
}

/// The room of one standing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Room {
    /// The number of the newest segment.
    newest: u32,
    /// How many slices have entered it.
    entered: u32,
    /// Of each segment, the oldest first, how many slices it holds, by the day on which they can go by themselves.
    segments: VecDeque<BTreeMap<i64, u32>>,
    /// Slices let go that could still have mattered.
    let_go: u64,
    /// How many of those have been said, and on which day last.
    said: u64,
    said_on: i64,
}

impl Share {
    /// Whether the slice is there no more.
    pub(super) fn has_gone(&self, place: &Place) -> bool {
        self.rooms[place.standing as usize].newest.saturating_sub(place.segment) >= SEGMENTS
    }

    /// Whether the slice has entered the newest segment, with that time to go.
    pub(super) fn is_newest(&self, place: &Place, expires: EventTime) -> bool {
        self.rooms[place.standing as usize].newest == place.segment && day(place.expires) == day(expires)
    }

    /// Lets a slice in, or on: returns its segment, and whether the oldest had to go for it. What can go by itself before
    /// `horizon` is no loss.
    pub(super) fn enter(
        &mut self,
        from: Option<&Place>,
        standing: Standing,
        expires: EventTime,
        horizon: EventTime,
    ) -> (u32, bool) {
        let stays =
            from.is_some_and(|from| from.standing == standing && from.segment == self.rooms[standing as usize].newest);
        if let Some(from) = from {
            self.rooms[from.standing as usize].leave(from);
        }
        let room = &mut self.rooms[standing as usize];
        let full = !stays && room.entered >= standing.limit() / SEGMENTS;
        let mut gone = false;
        if full {
            (room.newest, room.entered) = (room.newest + 1, 0);
            room.segments.push_back(BTreeMap::new());
            if room.segments.len() > SEGMENTS as usize
                && let Some(oldest) = room.segments.pop_front()
            {
                gone = true;
                room.let_go += oldest.range(day(horizon)..).map(|(_, n)| u64::from(*n)).sum::<u64>();
            }
        }
        room.entered += u32::from(!stays);
        if room.segments.is_empty() {
            room.segments.push_back(BTreeMap::new());
        }
        if let Some(newest) = room.segments.back_mut() {
            *newest.entry(day(expires)).or_default() += 1;
        }
        (room.newest, gone)
    }

    /// The newest segment of a room that has gone; nothing where none has.
    pub(super) fn gone(&self, standing: Standing) -> Option<u32> {
        self.rooms[standing as usize].newest.checked_sub(SEGMENTS)
    }

    /// How many were let go that has not been said, where there are any and that day nothing was said yet.
    pub(super) fn take_unsaid(&mut self, standing: Standing, at: EventTime) -> Option<u64> {
        let room = &mut self.rooms[standing as usize];
        let slices = room.let_go - room.said.min(room.let_go);
        if slices == 0 || room.said > 0 && day(at) <= room.said_on {
            return None;
        }
        (room.said, room.said_on) = (room.let_go, day(at));
        Some(slices)
    }

    /// How many slices of that standing were let go that could still have mattered.
    pub fn let_go(&self, standing: Standing) -> u64 {
        self.rooms[standing as usize].let_go
    }
}

impl Room {
    fn leave(&mut self, from: &Place) {
        let behind = self.newest.saturating_sub(from.segment) as usize;
        let Some(at) = self.segments.len().checked_sub(behind + 1) else { return };
        let segment = &mut self.segments[at];
        if let Some(n) = segment.get_mut(&day(from.expires)) {
            *n -= 1;
            if *n == 0 {
                segment.remove(&day(from.expires));
            }
        }
    }
}

fn day(at: EventTime) -> i64 {
    at.episode(Millis::DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: EventTime = EventTime(i64::MAX / 2);

    fn enter(share: &mut Share, from: Option<&Place>, expires: EventTime) -> (Place, bool) {
        let (segment, gone) = share.enter(from, Standing::Stranger, expires, EventTime(0));
        (Place { standing: Standing::Stranger, segment, born: EventTime(0), expires }, gone)
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_and_those_written_last_stay() {
        let mut share = Share::default();
        let (mut regular, _) = enter(&mut share, None, FAR);
        let mut places = Vec::new();
        for n in 0..3 * limits::STRANGERS_PER_POLICY {
            places.push(enter(&mut share, None, FAR).0);
            if n % 1000 == 0 {
                assert!(!share.has_gone(&regular));
                regular = enter(&mut share, Some(&regular), FAR).0;
            }
        }
        let kept = places.iter().filter(|p| !share.has_gone(p)).count();
        assert!(kept <= limits::STRANGERS_PER_POLICY as usize, "{kept}");
        assert!(kept >= limits::STRANGERS_PER_POLICY as usize * 3 / 4, "{kept}");
        assert_eq!(share.let_go(Standing::Stranger), (places.len() - kept) as u64);
        assert!(places.iter().skip_while(|p| share.has_gone(p)).all(|p| !share.has_gone(p)), "the oldest go first");
    }

    #[test]
    fn what_would_have_gone_by_itself_is_no_loss_and_a_loss_is_said_once_a_day() {
        let mut share = Share::default();
        let today = EventTime(0).plus(Millis::DAY.times(100));
        for n in 0..2 * limits::STRANGERS_PER_POLICY {
            let expires = if n % 2 == 0 { EventTime(0) } else { FAR };
            share.enter(None, Standing::Stranger, expires, today);
        }
        let (gone, kept) = (share.let_go(Standing::Stranger), u64::from(limits::STRANGERS_PER_POLICY));
        assert!((kept / 2..=kept * 5 / 8).contains(&gone), "{gone}");
        assert_eq!(share.take_unsaid(Standing::Stranger, today), Some(gone));
        for _ in 0..kept {
            share.enter(None, Standing::Stranger, FAR, today);
        }
        assert_eq!(share.take_unsaid(Standing::Stranger, today), None);
        assert!(share.take_unsaid(Standing::Stranger, today.plus(Millis::DAY)).is_some_and(|n| n > 0 && n <= kept));
        assert_eq!(share.take_unsaid(Standing::Staff, today), None);
    }
}
