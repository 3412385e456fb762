//! Says of which trails the clocks can't be relied upon, as long as that is so.
use crate::health::Health;
use crate::model::{Millis, TrailPart};
use crate::pipeline::trail::TrailRow;
use std::collections::BTreeMap;

/// What is wrong with a trail whose lines come so late that no order rests on them, as it is called before the trail's name.
pub const DELAY: &str = "delay";

/// Compares what the trails' clocks are known to be with what is said to be wrong. Of what is older than `too_old` nothing is ended.
pub fn look<'a>(rows: impl Iterator<Item = (&'a TrailPart, &'a TrailRow)>, too_old: Millis, health: &Health) {
    let mut trails: BTreeMap<&str, (bool, bool, bool)> = BTreeMap::new();
    for (part, row) in rows {
        let (is_off, is_ahead, is_late) = trails.entry(part.source.as_str()).or_default();
        *is_off |= row.clock.is_off;
        *is_ahead |= row.clock.is_off && row.clock.ahead.0 > 0;
        *is_late |= row.clock.behind > too_old;
    }
    for (trail, (is_off, is_ahead, is_late)) in trails {
        let (what, delay) = (format!("clock of {trail}"), format!("{DELAY} of {trail}"));
        if is_late {
            health.wrong(&delay, LATE)
        } else {
            health.well(&delay)
        }
        match (is_off, is_ahead) {
            (false, _) => health.well(&what),
            (true, true) => health.wrong(&what, AHEAD),
            (true, false) => health.wrong(&what, UNREAD),
        }
    }
}

const LATE: &str = "its lines are read longer after the time that they state than `too_old_seconds`, and every order that rests on them is \
                    refused: set its clock right, or have it delivered sooner";
const AHEAD: &str = "it is ahead of this machine's, or this machine's is behind, and the trail's events count when they were read: set \
                     the clock that is wrong";
const UNREAD: &str = "many of the trail's events state no time that can be believed, and count when they were read: look whether its \
                      profile reads the times that its product writes";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceName;

    #[test]
    fn a_trail_is_told_of_while_a_clock_of_one_of_its_machines_is_off() {
        let health = Health::default();
        let part = |host| TrailPart { source: SourceName("portal".into()), host: crate::model::HostId([host; 8]) };
        let (mut here, there) = (TrailRow::default(), TrailRow::default());
        let look = |here: &TrailRow| {
            look([(&part(1), here), (&part(2), &there)].into_iter(), Millis::HOUR, &health);
            let late = health.now().contains_key("delay of portal");
            assert_eq!(late, here.clock.behind > Millis::HOUR);
            health.now().remove("clock of portal")
        };
        here.clock.ahead = Millis::HOUR;
        assert_eq!(look(&here), None, "one stamp is no clock");
        here.clock.is_off = true;
        assert_eq!(look(&here).as_deref(), Some(AHEAD));
        here.clock.ahead = Millis(0);
        assert_eq!(look(&here).as_deref(), Some(UNREAD));
        here.clock.is_off = false;
        assert_eq!(look(&here), None);
        for behind in [Millis::HOUR.times(2), Millis::HOUR] {
            here.clock.behind = behind;
            assert_eq!(look(&here), None);
        }
    }
}
