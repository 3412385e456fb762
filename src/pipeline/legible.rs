//! Legible lines: counts those of a trail that are cut or can't be read, and says so once they are more than a few.
use super::findings::{self, Illegible};
use super::{Flood, Line, Outcome};
use crate::model::{EventTime, Millis, TrailPart, WallTime};
use std::sync::Arc;

impl Outcome {
    /// Counts the line, and what is wrong with it.
    pub(super) fn legible(&mut self, part: &TrailPart, line: &Line) {
        let of_relay = |events: &Vec<super::Ready>| events.iter().any(|ready| ready.event.marks.clipped);
        let clipped = line.flags.clipped || (!line.flags.unterminated && line.events.as_ref().is_ok_and(of_relay));
        let trail = self.core.trail(part);
        if line.flags.unterminated {
            trail.touch().unterminated += 1;
        }
        let unreadable = trail.count_line(line.events.as_ref().err().copied(), line.observed);
        let clipped = if clipped { trail.count_clipped() } else { None };
        if let Some(numbers) = unreadable {
            self.tell_of_trail(part, line.observed, Illegible::Unreadable, numbers);
        }
        if let Some(numbers) = clipped {
            self.tell_of_trail(part, line.observed, Illegible::Clipped, numbers);
        }
    }

    /// Says it of the trail, however many more there are: once an hour where lines are lost, once a day where parts of them are.
    pub(super) fn tell_of_trail(
        &mut self,
        part: &TrailPart,
        observed: WallTime,
        what: Illegible,
        (lines, odd): (u64, u64),
    ) {
        let at = self.core.trail(part).row.newest.unwrap_or(EventTime(observed.0));
        let span = if what == Illegible::Unreadable { Millis::HOUR } else { Millis::DAY };
        let (key, episode) = (what.key(part), at.episode(span));
        if self.is_first(key, episode) {
            let finding = findings::illegible(&part.source, what, (at, episode), observed, (lines, odd));
            self.found(finding);
        }
    }

    /// Whether what the key stands for has not been said in this episode. There must be few keys: they are kept.
    pub(super) fn is_first(&mut self, key: Arc<str>, episode: i64) -> bool {
        let told = self.core.flood.entry(key).or_default();
        let is_told = told.findings > 0 && told.hour == episode;
        *told = Flood { hour: episode, findings: 1 };
        !is_told
    }
}
