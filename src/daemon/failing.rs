//! Has people told, through every outlet, of parts of tripline that have failed for a while, and of their end.
//!
//! What is wrong at this moment is [`Health`]. What lasts becomes a recorded input, so that it is told once when it begins and once when
//! it ends, whatever the daemon goes through in between.
use super::doors::{Control, ToWriter};
use super::{receiving, trail_clocks};
use crate::health::Health;
use crate::model::{Input, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What is over sooner than this is not worth a word: a receiver that is begun anew, a file between its making and its mode.
const LASTS: Duration = Duration::from_secs(10);

/// What was told, and what is about to be.
pub struct Failing {
    told: BTreeSet<Text>,
    /// Since when a part is otherwise than was told.
    changed: BTreeMap<Text, Instant>,
}

impl Failing {
    /// `told` are the parts that people know to be failing; those that are said by others are left to them.
    pub fn new(told: impl Iterator<Item = Text>) -> Failing {
        Failing { told: told.filter(|part| is_told(part)).collect(), changed: BTreeMap::new() }
    }

    /// Compares what is wrong with what was told.
    pub fn look(&mut self, health: &Health, to: &ToWriter, now: Instant) {
        let wrong = health.now();
        let wrong: BTreeMap<Text, String> =
            wrong.into_iter().filter(|(part, _)| is_told(part)).map(|(part, why)| (part.into(), why)).collect();
        let other: BTreeSet<Text> = wrong.keys().filter(|part| !self.told.contains(*part)).cloned().collect();
        let over = self.told.iter().filter(|part| !wrong.contains_key(*part)).cloned();
        let other: BTreeSet<Text> = over.chain(other).collect();
        self.changed.retain(|part, _| other.contains(part));
        for part in other {
            let since = *self.changed.entry(part.clone()).or_insert(now);
            if now.duration_since(since) < LASTS {
                continue;
            }
            let why = wrong.get(&part).map(|why| Text::from(why.as_str()));
            let begins = why.is_some();
            let input = Input::Failing { at: super::wall_now(), part: part.clone(), why };
            // where the channel is full, the writer is busy or the disk is full: the next look will do
            if to.offer(Control::Fact(Box::new(input), None)) {
                self.changed.remove(&part);
                if begins {
                    self.told.insert(part)
                } else {
                    self.told.remove(&part)
                };
            }
        }
    }
}

/// Which parts people are told of.
fn is_told(part: &str) -> bool {
    part.starts_with(receiving::PART) || part.starts_with(trail_clocks::DELAY)
}

#[cfg(test)]
mod tests {
    use super::super::doors::{Next, doors};
    use super::*;

    #[test]
    fn what_lasts_is_told_when_it_begins_and_when_it_ends() {
        let (to, mut from) = doors();
        let mut said = || {
            let Next::Control(messages) = from.next(Duration::ZERO) else { return None };
            assert_eq!(messages.len(), 1);
            match messages.into_iter().next() {
                Some(Control::Fact(input, None)) => match *input {
                    Input::Failing { part, why, .. } => Some((part, why)),
                    _ => None,
                },
                _ => None,
            }
        };
        let (health, begun) = (Health::default(), Instant::now());
        let mut failing = Failing::new(["receiver of old".into()].into_iter());
        let mut after = |seconds| failing.look(&health, &to, begun + Duration::from_secs(seconds));
        health.wrong("receiver of portal", "none");
        health.wrong("syslog.siem", "away");
        after(0);
        health.well("receiver of portal");
        after(5);
        health.wrong("receiver of portal", "none is running");
        after(6);
        assert_eq!(said(), None);
        after(10);
        assert_eq!(said(), Some(("receiver of old".into(), None)), "known from before this start, and over");
        after(16);
        assert_eq!(said(), Some(("receiver of portal".into(), Some("none is running".into()))));
        health.wrong("receiver of portal", "something else");
        after(40);
        assert_eq!(said(), None);
        health.well("receiver of portal");
        after(41);
        after(51);
        assert_eq!(said(), Some(("receiver of portal".into(), None)));
        after(90);
        assert_eq!(said(), None);
    }
}
