//! The sequencer: decides what becomes an input, and when, and appends it to the log.
//!
//! It alone waits at the doors and looks at the clock. What happened goes before lines, and lines become inputs piece by piece, so that
//! an order waits for one piece at most. What follows from the entries is the [folder](super::folder)'s: the sequencer asks it only
//! when the next order is due, what it could not do, and what has become too old to be kept.
use super::clock_trust::{self, BothClocks, ClockTrust, News};
use super::doors::{Control, Doors, Next, Read};
use super::log::{Entry, Log};
use super::wall_now;
use crate::model::{EventTime, Forgotten, Input, OrderId, Verdict, WallTime};
use crate::pipeline::Prepared;
use std::time::{Duration, Instant};

/// Lines in one input, at most: the rest waits until it was seen whether something has happened. Some milliseconds.
pub(super) const LINES_PER_INPUT: usize = 1 << 9;
/// How long it is waited at most where nothing is to be done: the writer shows that it lives.
const IDLE: Duration = Duration::from_secs(1);
/// How often it is asked what is past its retention.
const RETENTION: Duration = Duration::from_secs(300);

/// Makes entries of what comes through the doors and of what the clock says.
pub struct Sequencer {
    doors: Doors,
    /// All is read: the last entry is still to be appended.
    stopping: bool,
    /// When it is next asked what is past its retention.
    ask: Instant,
    /// Whether the clock is believed.
    clock: ClockTrust,
}

impl Sequencer {
    /// A sequencer at these doors.
    pub fn new(doors: Doors, clock: ClockTrust) -> Sequencer {
        Sequencer { doors, stopping: false, ask: Instant::now() + RETENTION, clock }
    }

    /// Looks whether the clock is believed, and appends what is news about that. `trails` are the newest times of the trails.
    ///
    /// # Errors
    /// Why it is not.
    pub fn believe(
        &mut self,
        clocks: BothClocks,
        trails: impl Iterator<Item = EventTime>,
        log: &mut impl Log,
    ) -> Result<WallTime, String> {
        let said = |why| input(Input::Failing { at: clocks.wall, part: clock_trust::PART.into(), why });
        match self.clock.look(clocks, trails) {
            Some(News::Doubted(why)) => log.append(said(Some(why))),
            Some(News::Believed) => log.append(said(None)),
            None => {}
        }
        self.clock.doubt().map_or(Ok(clocks.wall), Err)
    }

    /// Waits for something to do, for `patience` at most and until an order is `due`, and appends what comes: all that has happened, or
    /// else a piece of what was read.
    pub fn take(&mut self, patience: Option<Duration>, due: Option<WallTime>, log: &mut impl Log) {
        let patience = patience.unwrap_or(IDLE);
        let due = due.map(|due| Duration::from_millis(due.since(wall_now()).0.max(0).unsigned_abs()));
        match self.doors.next(due.map_or(patience, |due| patience.min(due))) {
            Next::Nothing => {}
            Next::Closed => self.stopping = true,
            Next::Read(read) => self.read(read, log),
            Next::Control(messages) => messages.into_iter().for_each(|message| match message {
                Control::Fact(input, answer) => log.append(Entry::Input(input, answer)),
                Control::Local(local) => log.append(Entry::Local(local)),
            }),
        }
    }

    /// Appends what was read: the lines of all trails become one input, unless something has happened by now.
    fn read(&mut self, first: Read, log: &mut impl Log) {
        let mut lines: Vec<Prepared> = Vec::new();
        let mut room = LINES_PER_INPUT;
        let mut next = Some(first);
        while let Some(read) = next.take() {
            match read {
                Read::Lines(batch) => {
                    // what was read before a break of the trail is folded in before it
                    if batch.batch.discontinuity.is_some() {
                        append_lines(&mut lines, log);
                    }
                    let (piece, rest) = batch.cut_at(room);
                    room -= piece.lines.len();
                    lines.push(piece);
                    if let Some(rest) = rest {
                        self.doors.put_off(Read::Lines(Box::new(rest)));
                    }
                }
                other => {
                    append_lines(&mut lines, log);
                    self.after_lines(other, log);
                }
            }
            if self.stopping || room == 0 || self.doors.has_control() {
                break;
            }
            next = self.doors.read();
        }
        append_lines(&mut lines, log);
    }

    /// Appends what keeps its place behind the lines that were read before it.
    fn after_lines(&mut self, read: Read, log: &mut impl Log) {
        match read {
            Read::Lines(_) => {}
            Read::Then(input, answer) => log.append(Entry::Input(input, answer)),
            Read::Rules(rules, answer) => log.append(Entry::Rules { at: wall_now(), rules, answer: Some(answer) }),
            Read::Stop => self.stopping = true,
        }
    }

    /// Appends the clock where something is `due` by now, and the end where all is read: the last that is done is what was due.
    pub fn on_time(&mut self, due: Option<WallTime>, log: &mut impl Log) {
        let now = wall_now();
        if due.is_some_and(|due| due <= now) {
            log.append(input(Input::Tick(now)));
        }
        if self.stopping {
            log.append(Entry::Stop);
        }
    }

    /// Appends the end of orders whose hooks could not be told enough to be started.
    pub fn not_run(&mut self, orders: Vec<(OrderId, &'static str)>, log: &mut impl Log) {
        for (order, why) in orders {
            log.append(input(Input::Ended { at: wall_now(), order, verdict: Verdict::Failed(why.into()) }));
        }
    }

    /// Asks now and then what is past its retention at a time that is believed, and appends that it goes.
    pub fn retention(&mut self, at: WallTime, overdue: impl FnOnce(WallTime) -> Option<Forgotten>, log: &mut impl Log) {
        if Instant::now() < self.ask {
            return;
        }
        self.ask = Instant::now() + RETENTION;
        if let Some(forgotten) = overdue(at) {
            log.append(input(Input::Retention { at, forgotten }));
        }
    }

    /// Whether something happened that is not appended yet.
    pub fn has_control(&self) -> bool {
        self.doors.has_control()
    }
}

/// An input that nobody waits for.
fn input(input: Input<Prepared>) -> Entry {
    Entry::Input(Box::new(input), None)
}

/// Appends the lines that were gathered, if there are any.
fn append_lines(lines: &mut Vec<Prepared>, log: &mut impl Log) {
    if !lines.is_empty() {
        log.append(input(Input::Lines(std::mem::take(lines))));
    }
}

#[cfg(test)]
mod tests {
    use super::super::doors::doors;
    use super::super::log::Own;
    use super::*;

    #[test]
    fn what_is_past_its_retention_is_asked_for_now_and_then() {
        let (_to, doors) = doors();
        let (mut sequencer, mut log) = (Sequencer::new(doors, ClockTrust::default()), Own::default());
        let forgotten = Forgotten { inputs: 8, events: 4 };
        sequencer.retention(wall_now(), |_| panic!("it is too early to ask"), &mut log);
        sequencer.ask = Instant::now();
        sequencer.retention(wall_now(), |_| Some(forgotten), &mut log);
        sequencer.retention(wall_now(), |_| panic!("it was asked just now"), &mut log);
        let Some(Entry::Input(input, None)) = log.next() else { panic!("it is an input") };
        assert!(matches!(*input, Input::Retention { forgotten: goes, .. } if goes == forgotten));
        sequencer.ask = Instant::now();
        sequencer.retention(wall_now(), |_| None, &mut log);
        assert!(log.next().is_none(), "nothing is too old");
    }

    #[test]
    fn what_is_due_is_done_before_the_end() {
        let (to, doors) = doors();
        let (mut sequencer, mut log) = (Sequencer::new(doors, ClockTrust::default()), Own::default());
        assert!(to.offer_read(Read::Stop));
        sequencer.take(None, None, &mut log);
        assert!(log.next().is_none());
        let now = wall_now();
        sequencer.on_time(Some(now), &mut log);
        let Some(Entry::Input(input, None)) = log.next() else { panic!("the clock comes first") };
        assert!(matches!(*input, Input::Tick(at) if at >= now));
        assert!(matches!(log.next(), Some(Entry::Stop)) && log.next().is_none());
        let (_to, doors) = super::super::doors::doors();
        let later = now.plus(crate::model::Millis::HOUR);
        Sequencer::new(doors, ClockTrust::default()).on_time(Some(later), &mut log);
        assert!(log.next().is_none(), "it is not due yet");
    }
}
