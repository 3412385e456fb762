//! Quotas: how many cells of strangers a policy keeps, and how many of those whom the organisation knows.
//!
//! Anybody can make up names, and a flood of them must not push out those who belong here: each policy has a quota for each of three
//! [trust tiers](TrustTier). A tier is parted into `SEGMENTS` segments. A cell that is written enters the newest segment, once. When
//! that one is full another begins, and with the oldest all cells are evicted that have not been written since. An evicted cell counts
//! as never kept from that moment on, whether it lies in memory or in the ledger, which drops it when it comes by: what is evicted
//! follows from the events and their order, and from no cache, commit or clock.
use crate::model::{EventTime, Millis, limits};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Segments of a tier: at most one part in so many goes at once.
const SEGMENTS: u32 = 8;
/// Since when there must have been a cell for it to be familiar: the days after which the shipped policies have learned
/// somebody. Less would be met by a flood that is repeated the day after.
pub(super) const FAMILIAR_AFTER: Millis = Millis::DAY.times(7);

/// How far the organisation knows whom a cell is about. No tier is pushed out by those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustTier {
    /// Anybody.
    #[default]
    Stranger,
    /// Somebody who has been here for longer than a week.
    Familiar,
    /// Somebody who stands in the staff directory.
    Staff,
}

impl TrustTier {
    /// Every one, the least known first.
    pub const ALL: [TrustTier; 3] = [TrustTier::Stranger, TrustTier::Familiar, TrustTier::Staff];

    /// In words: `strangers`.
    pub fn name(self) -> &'static str {
        match self {
            TrustTier::Stranger => "strangers",
            TrustTier::Familiar => "familiar",
            TrustTier::Staff => "staff",
        }
    }
}

/// How many cells of each tier a policy keeps: [`limits`] say it, and tests that can't make up as many say less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Of strangers.
    pub strangers: u32,
    /// Of the familiar, and as many of the staff.
    pub known: u32,
}

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity { strangers: limits::STRANGERS_PER_POLICY, known: limits::KNOWN_PER_POLICY }
    }
}

impl Capacity {
    /// Of that tier.
    pub fn of(self, tier: TrustTier) -> u32 {
        match tier {
            TrustTier::Stranger => self.strangers,
            TrustTier::Familiar | TrustTier::Staff => self.known,
        }
    }
}

/// Where a cell resides among the others of its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residency {
    /// In which tier.
    pub tier: TrustTier,
    /// In which of its segments, counted from the first there ever was.
    pub segment: u32,
    /// The event time of its first writing.
    pub born: EventTime,
    /// When it can go by itself.
    pub expires: EventTime,
}

/// Cells that were evicted before their time, to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionNotice {
    /// First bytes of the keys of the policy's cells.
    pub prefix: [u8; 8],
    /// Of whom.
    pub tier: TrustTier,
    /// How many since it was said last.
    pub cells: u64,
    /// How many there is room for.
    pub room: u32,
}

/// The quota of one policy; this is also the row that is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    tiers: [TierQuota; 3],
}

/// The quota of one tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct TierQuota {
    /// The number of the newest segment.
    newest: u32,
    /// How many cells have entered it.
    entered: u32,
    /// Of each segment, the oldest first, how many cells it holds, by the day on which they can go by themselves.
    segments: VecDeque<BTreeMap<i64, u32>>,
    /// Cells evicted that could still have mattered.
    evicted: u64,
    /// How many of those have been said, and on which day last.
    said: u64,
    said_on: i64,
}

impl Quota {
    /// Whether the cell is there no more.
    pub fn has_gone(&self, residency: &Residency) -> bool {
        self.tiers[residency.tier as usize].newest.saturating_sub(residency.segment) >= SEGMENTS
    }

    /// Whether the cell has entered the newest segment, with that time to go.
    pub(super) fn is_newest(&self, residency: &Residency, expires: EventTime) -> bool {
        self.tiers[residency.tier as usize].newest == residency.segment && day(residency.expires) == day(expires)
    }

    /// The newest segment of a tier.
    pub(super) fn newest(&self, tier: TrustTier) -> u32 {
        self.tiers[tier as usize].newest
    }

    /// Lets a cell in, or on, where its tier has room for so many: returns its segment, and whether the oldest segment was evicted for
    /// it. What can go by itself before `horizon` is no loss.
    pub(super) fn enter(
        &mut self,
        from: Option<&Residency>,
        (tier, room): (TrustTier, u32),
        expires: EventTime,
        horizon: EventTime,
    ) -> (u32, bool) {
        let stays = from.is_some_and(|from| from.tier == tier && from.segment == self.tiers[tier as usize].newest);
        if let Some(from) = from {
            self.tiers[from.tier as usize].leave(from);
        }
        let own = &mut self.tiers[tier as usize];
        let full = !stays && own.entered >= room / SEGMENTS;
        let mut evicts = false;
        if full {
            (own.newest, own.entered) = (own.newest + 1, 0);
            own.segments.push_back(BTreeMap::new());
            if own.segments.len() > SEGMENTS as usize
                && let Some(oldest) = own.segments.pop_front()
            {
                evicts = true;
                own.evicted += oldest.range(day(horizon)..).map(|(_, n)| u64::from(*n)).sum::<u64>();
            }
        }
        own.entered += u32::from(!stays);
        if own.segments.is_empty() {
            own.segments.push_back(BTreeMap::new());
        }
        if let Some(newest) = own.segments.back_mut() {
            *newest.entry(day(expires)).or_default() += 1;
        }
        (own.newest, evicts)
    }

    /// How many were evicted that has not been said, where there are any and that day nothing was said yet.
    pub(super) fn take_unsaid(&mut self, tier: TrustTier, at: EventTime) -> Option<u64> {
        let own = &mut self.tiers[tier as usize];
        let cells = own.evicted - own.said.min(own.evicted);
        if cells == 0 || own.said > 0 && day(at) <= own.said_on {
            return None;
        }
        (own.said, own.said_on) = (own.evicted, day(at));
        Some(cells)
    }

    /// How many cells of that tier were evicted that could still have mattered.
    pub fn evicted(&self, tier: TrustTier) -> u64 {
        self.tiers[tier as usize].evicted
    }
}

impl TierQuota {
    fn leave(&mut self, from: &Residency) {
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
    const STRANGERS: (TrustTier, u32) = (TrustTier::Stranger, limits::STRANGERS_PER_POLICY);

    fn enter(quota: &mut Quota, from: Option<&Residency>, expires: EventTime) -> (Residency, bool) {
        let (segment, gone) = quota.enter(from, STRANGERS, expires, EventTime(0));
        (Residency { tier: TrustTier::Stranger, segment, born: EventTime(0), expires }, gone)
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_and_those_written_last_stay() {
        let mut quota = Quota::default();
        let (mut regular, _) = enter(&mut quota, None, FAR);
        let mut places = Vec::new();
        for n in 0..3 * limits::STRANGERS_PER_POLICY {
            places.push(enter(&mut quota, None, FAR).0);
            if n % 1000 == 0 {
                assert!(!quota.has_gone(&regular));
                regular = enter(&mut quota, Some(&regular), FAR).0;
            }
        }
        let kept = places.iter().filter(|p| !quota.has_gone(p)).count();
        assert!(kept <= limits::STRANGERS_PER_POLICY as usize, "{kept}");
        assert!(kept >= limits::STRANGERS_PER_POLICY as usize * 3 / 4, "{kept}");
        assert_eq!(quota.evicted(TrustTier::Stranger), (places.len() - kept) as u64);
        assert!(places.iter().skip_while(|p| quota.has_gone(p)).all(|p| !quota.has_gone(p)), "the oldest go first");
    }

    #[test]
    fn what_would_have_gone_by_itself_is_no_loss_and_a_loss_is_said_once_a_day() {
        let mut quota = Quota::default();
        let today = EventTime(0).plus(Millis::DAY.times(100));
        for n in 0..2 * limits::STRANGERS_PER_POLICY {
            let expires = if n % 2 == 0 { EventTime(0) } else { FAR };
            quota.enter(None, STRANGERS, expires, today);
        }
        let (gone, kept) = (quota.evicted(TrustTier::Stranger), u64::from(limits::STRANGERS_PER_POLICY));
        assert!((kept / 2..=kept * 5 / 8).contains(&gone), "{gone}");
        assert_eq!(quota.take_unsaid(TrustTier::Stranger, today), Some(gone));
        for _ in 0..kept {
            quota.enter(None, STRANGERS, FAR, today);
        }
        assert_eq!(quota.take_unsaid(TrustTier::Stranger, today), None);
        assert!(quota.take_unsaid(TrustTier::Stranger, today.plus(Millis::DAY)).is_some_and(|n| n > 0 && n <= kept));
        assert_eq!(quota.take_unsaid(TrustTier::Staff, today), None);
    }
}
