//! Mutes: planned work, during which what it covers leads to no order.
use super::Book;
use super::gate::Case;
use crate::model::{Mute, Text, WallTime};
use crate::policy::Wildcard;

/// So many mutes hold at once, at most.
pub const MOST_MUTES: usize = 64;

impl Book {
    /// The mutes that have not ended.
    pub fn mutes(&self) -> &[Mute] {
        &self.mutes
    }

    /// Puts a mute on; one of the same id is replaced. Those that have ended are let go of.
    pub fn mute(&mut self, mute: Mute, at: WallTime) {
        self.mutes.retain(|m| m.until > at && m.id != mute.id);
        if self.mutes.len() < MOST_MUTES {
            self.mutes.push(mute);
        }
    }

    /// Takes one off before its end; `false` where there is none of that id.
    pub fn unmute(&mut self, id: &Text, at: WallTime) -> bool {
        let before = self.mutes.len();
        self.mutes.retain(|m| m.id != *id);
        let found = self.mutes.len() < before;
        self.mutes.retain(|m| m.until > at);
        found
    }

    pub(super) fn is_muted(&self, case: &Case<'_>, now: WallTime) -> bool {
        self.mutes.iter().any(|m| m.from <= now && now < m.until && covers(m, case))
    }
}

fn covers(mute: &Mute, case: &Case<'_>) -> bool {
    let any = |patterns: &[String], names: &[Option<&str>]| {
        patterns.is_empty()
            || names.iter().flatten().any(|name| patterns.iter().any(|p| Wildcard::new(p).matches(name)))
    };
    any(&mute.policies, &[Some(case.policy)])
        && any(&mute.actors, &[case.whom.actor, case.whom.uid])
        && any(&mute.actions, &[Some(case.action)])
}
