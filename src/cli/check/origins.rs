//! Trails whose records state several addresses, of which nobody has said whose they are.
use super::super::show::say;
use super::Failure;
use crate::config::Config;
use crate::decode::address::Proxies;
use crate::model::Event;
use crate::normalise::{ProfileRef, Scratch, Wrapping};
use crate::pipeline::Rules;
use crate::source::{Follower, TrailSpec};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Of so many events of a trail's first ones it is looked whether they state lists.
const LOOKED_AT: usize = 4096;
/// The most batches that these are looked for in.
const BATCHES: usize = 8;

/// The lists of addresses at a trail's beginning.
#[derive(Default)]
pub(super) struct Lists {
    events: usize,
    lists: usize,
    /// Those that end with an address of no private network, and how often it is that one.
    last: BTreeMap<IpAddr, usize>,
}

/// Looks for lists where `trusted_proxies` is not set. What can't be read is said elsewhere.
pub(super) fn lists(config: &Config, rules: &mut Rules, spec: TrailSpec) -> Lists {
    let mut lists = Lists::default();
    let written = config.written.trail.iter().find(|trail| trail.name == spec.name.as_str());
    let Some(trail) = written.filter(|trail| trail.trusted_proxies.is_none()) else { return lists };
    let Some(profile) = rules.trails.get(&spec.name).copied() else { return lists };
    let wrapping: Wrapping = trail.wrapping();
    let everybody = rules.normaliser.for_trail(profile, None, wrapping, Proxies::everybody());
    let mut follower = Follower::open(spec, Vec::new());
    if !follower.reconcile().is_empty() {
        return lists;
    }
    let mut scratch = Scratch::default();
    for _ in 0..BATCHES {
        let Ok(Some(batch)) = follower.next(crate::daemon::wall_now()) else { break };
        for frame in batch.frames.iter().take(LOOKED_AT.saturating_sub(lists.events)) {
            let mut read = |profile: ProfileRef| {
                let mut events = Vec::new();
                // what was read before the part that can't be read counts
                let _ = rules.normaliser.normalise(profile, &batch, frame, &mut scratch, &mut events);
                events
            };
            let (leftmost, taken) = (read(everybody), read(profile));
            leftmost.iter().zip(&taken).for_each(|(leftmost, taken)| lists.count(leftmost, taken));
        }
        if lists.events >= LOOKED_AT {
            break;
        }
    }
    lists
}

impl Lists {
    /// `leftmost` is the event as it is where everybody is trusted, `taken` as it is read.
    fn count(&mut self, leftmost: &Event, taken: &Event) {
        self.events += 1;
        if !leftmost.marks.origin_stated {
            return;
        }
        self.lists += 1;
        if let (Some(ip), false) = (taken.origin.ip, taken.marks.origin_stated) {
            *self.last.entry(ip).or_default() += 1;
        }
    }

    /// Says it where there are any, and what to write.
    pub fn say(&self) -> Result<(), Failure> {
        let Lists { events, lists, last } = self;
        if *lists == 0 {
            return Ok(());
        }
        say!(
            "  {lists} of its first {events} events state several addresses, and `trusted_proxies` is not set: private ones are taken for"
        );
        say!(
            "  your proxies', and what stands left of them is marked as what a client may have stated (`origin_stated`)."
        );
        match last.iter().max_by_key(|(ip, count)| (*count, std::cmp::Reverse(*ip))) {
            None => say!("  Where that is so, write into its [[trail]]: trusted_proxies = [\"private\"]"),
            Some((ip, count)) => {
                say!(
                    "  {ip} stands last in {count} of them and is taken for the client: where it is your proxy's, write into its [[trail]]"
                );
                say!("  its network, beside those of your other proxies: trusted_proxies = [\"private\", \"{ip}\"]");
            }
        }
        Ok(())
    }
}
