//! Whether the machine's clock is believed when it says that something is old: not when it has jumped.
//!
//! The wall clock is held against the one that nobody sets, and after a start against what was recorded last. While it is not believed
//! nothing is pruned or forgotten for its age. It is believed again after a day without a jump; after a start also as soon as a trail
//! says about the same time.
use super::wall_now;
use crate::model::{EventTime, Millis, Text, WallTime};

/// The part of tripline that fails, as findings and `tripline status` name it.
pub const PART: &str = "clock";
/// More than that is a jump: so much no clock drifts in a day.
const JUMP: Millis = Millis::HOUR;
/// So long tripline may have been stopped without a question about the time.
const STOPPED: Millis = Millis::DAY;
/// So long there must have been no jump.
const PLAUSIBLE: Millis = Millis::DAY;

/// What both clocks say.
#[derive(Clone, Copy, Debug)]
pub struct BothClocks {
    /// The one that is set by people, by NTP, by whoever resumes a machine.
    pub wall: WallTime,
    /// Milliseconds since the machine began, sleep counted.
    pub since_boot: Millis,
}

impl BothClocks {
    /// Of this machine.
    pub fn now() -> BothClocks {
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        BothClocks { wall: wall_now(), since_boot: Millis(boot.tv_sec * 1000 + boot.tv_nsec / 1_000_000) }
    }
}

/// Why the clock is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Doubt {
    why: Text,
    /// In milliseconds since the machine began.
    since: Millis,
    /// Whether a trail that says the same ends it.
    trails_count: bool,
}

/// What is to be said of the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is not believed from now on.
    Doubted(Text),
    /// It is believed again.
    Believed,
}

/// Looks at the clock again and again.
#[derive(Debug, Default)]
pub struct ClockTrust {
    /// When what was recorded last was recorded.
    recorded: Option<WallTime>,
    /// Both clocks, at most a day ago: many small jumps are one.
    anchor: Option<BothClocks>,
    doubt: Option<Doubt>,
    /// Whether people know of the doubt.
    is_told: bool,
}

impl ClockTrust {
    /// After a start: `recorded` is when what was recorded last was recorded, and `is_doubted` says whether the clock was not believed
    /// by then.
    pub fn new(recorded: Option<WallTime>, is_doubted: bool) -> ClockTrust {
        ClockTrust { recorded, anchor: None, doubt: None, is_told: is_doubted }
    }

    /// Looks: what is to be said, if that is news. `trails` are the newest times of the trails.
    pub fn look(&mut self, now: BothClocks, mut trails: impl Iterator<Item = EventTime>) -> Option<News> {
        let doubt = |why: String, trails_count| Some(Doubt { why: why.into(), since: now.since_boot, trails_count });
        match self.anchor {
            None => {
                let apart = self.recorded.map_or(Millis(0), |recorded| now.wall.since(recorded));
                let beyond = format!("it is {} away from when something was last recorded", days(apart));
                match self.is_told {
                    true => self.doubt = doubt("it had jumped before tripline was started".into(), false),
                    false if apart.0.abs() > STOPPED.0 => self.doubt = doubt(beyond, true),
                    false => {}
                }
                self.anchor = Some(now);
            }
            Some(anchor) => {
                let passed = now.since_boot.0 - anchor.since_boot.0;
                let jump = Millis(now.wall.since(anchor.wall).0 - passed);
                if jump.0.abs() > JUMP.0 {
                    let way = if jump.0 > 0 { "ahead" } else { "back" };
                    self.doubt = doubt(format!("it jumped {} {way}", days(jump)), false);
                    self.anchor = Some(now);
                } else if passed >= PLAUSIBLE.0 {
                    self.anchor = Some(now);
                }
            }
        }
        let is_over = self.doubt.as_ref().is_some_and(|doubt| {
            now.since_boot.0 - doubt.since.0 >= PLAUSIBLE.0
                || doubt.trails_count && trails.any(|time| now.wall.since(WallTime(time.0)).0.abs() <= JUMP.0)
        });
        if is_over {
            self.doubt = None;
        }
        let news = match &self.doubt {
            Some(doubt) if !self.is_told => Some(News::Doubted(doubt.why.clone())),
            None if self.is_told => Some(News::Believed),
            _ => None,
        };
        self.is_told = self.doubt.is_some();
        news
    }

    /// Why the clock is not believed, if it is not.
    pub fn doubt(&self) -> Option<String> {
        let why = self.doubt.as_ref().map(|doubt| &doubt.why)?;
        Some(format!(
            "{why}: nothing is forgotten for its age until the time has been plausible for a day; set it right"
        ))
    }
}

/// A length of time for people.
fn days(time: Millis) -> String {
    let (days, hours) = (time.0.abs() / Millis::DAY.0, time.0.abs() % Millis::DAY.0 / Millis::HOUR.0);
    format!("{days} days {hours} hours")
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: WallTime = WallTime(1_800_000_000_000);

    /// Both clocks so long after the start, the wall clock set by so much.
    fn at(passed: Millis, set: Millis) -> BothClocks {
        BothClocks { wall: START.plus(passed).plus(set), since_boot: Millis(passed.0 + 7) }
    }

    fn look(trust: &mut ClockTrust, passed: Millis, set: Millis) -> (bool, bool) {
        let news = trust.look(at(passed, set), std::iter::empty());
        (trust.doubt().is_none(), news.is_some())
    }

    #[test]
    fn a_clock_that_jumps_is_believed_after_a_day_without_a_jump() {
        for far in [Millis::DAY.times(500), Millis::HOUR.times(2), Millis::DAY.times(-500)] {
            let mut trust = ClockTrust::new(Some(START), false);
            let none = Millis(0);
            assert_eq!(look(&mut trust, none, none), (true, false));
            assert_eq!(look(&mut trust, Millis::MINUTE, none), (true, false));
            assert_eq!(look(&mut trust, Millis::MINUTE.times(2), far), (false, true));
            assert_eq!(look(&mut trust, Millis::MINUTE.times(3), far), (false, false), "said once");
            // back again: right now, and nobody knows
            assert_eq!(look(&mut trust, Millis::MINUTE.times(7), none), (false, false));
            assert_eq!(look(&mut trust, Millis::DAY, none), (false, false), "not a day yet");
            let after = Millis(Millis::DAY.0 + Millis::MINUTE.times(7).0);
            assert_eq!(look(&mut trust, after, none), (true, true));
            assert_eq!(look(&mut trust, Millis::DAY.times(9), none), (true, false));
        }
    }

    #[test]
    fn many_small_jumps_are_one_and_a_clock_that_drifts_is_none() {
        let mut trust = ClockTrust::new(Some(START), false);
        let looks: Vec<bool> = (0..5).map(|n| look(&mut trust, Millis(n), Millis::MINUTE.times(25 * n)).0).collect();
        assert_eq!(looks, [true, true, true, false, false]);
        let mut trust = ClockTrust::new(Some(START), false);
        for day in 0..400 {
            assert!(look(&mut trust, Millis::DAY.times(day), Millis::MINUTE.times(day)).0, "a minute a day");
        }
    }

    #[test]
    fn after_a_long_stop_the_clock_is_believed_when_a_trail_says_the_same() {
        let long = Millis::DAY.times(90);
        let begin = || {
            let mut trust = ClockTrust::new(Some(START), false);
            assert_eq!(look(&mut trust, Millis(0), long), (false, true));
            trust
        };
        let mut trust = begin();
        let says = |trust: &mut ClockTrust, time: WallTime| {
            let news = trust.look(at(Millis::MINUTE, long), [EventTime(5), EventTime(time.0)].into_iter());
            (trust.doubt().is_none(), news)
        };
        assert_eq!(says(&mut trust, START), (false, None), "it says what it said before");
        assert_eq!(says(&mut trust, START.plus(long)), (true, Some(News::Believed)));
        let mut trust = begin();
        assert_eq!(look(&mut trust, Millis::DAY, long), (true, true), "or after a day");
        // a jump that was seen before is not forgotten by starting again, whatever the trails say
        let mut trust = ClockTrust::new(Some(START.plus(long)), true);
        assert_eq!(look(&mut trust, Millis(0), long), (false, false));
        assert_eq!(says(&mut trust, START.plus(long)), (false, None));
        let mut trust = ClockTrust::new(Some(START), false);
        assert_eq!(look(&mut trust, Millis(0), Millis::HOUR.times(20)), (true, false), "a short stop is none");
        assert_eq!(look(&mut ClockTrust::default(), Millis(0), long), (true, false), "nothing was recorded yet");
    }
}
