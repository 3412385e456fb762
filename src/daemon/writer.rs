//! The single writer: folds inputs in, commits them, and hands on only what is on disk.
//!
//! What happened goes before lines, and so lines are folded in and committed in pieces: an order waits for one of either at most.
//! Lines wait for at most [`limits::COMMIT_AFTER`]; what was found is committed at once. While the disk is full nothing
//! goes on: the same outcome is tried again until it is written, and the trails wait in their files.
use super::doors::{Answer, Control, Doors, Next, Read};
use crate::health::Health;
use crate::ledger::outbox::{self, Delivered};
use crate::ledger::{CommitError, Committed, Error, Ledger, Receipt};
use crate::model::{Input, Order, OrderId, OrderState, TargetKind, Verdict, limits};
use crate::pipeline::{Core, Outcome, Prepared, Scratch};
use crate::respond::HookDocument;
use crate::respond::service::Ending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What the delivery loop is told; all of it is on disk.
#[derive(Debug)]
pub enum ToDelivery {
    /// An order that is to be handed over as soon as there is a runner.
    Pending(Committed<Order>),
    /// An order whose start is on disk, with what the hook is to be told.
    Started(Committed<Order>, Box<HookDocument>),
    /// An order that was to be started and was not: it is cancelled, held, refused or over by now.
    NotStarted(OrderId),
    /// An order that was started before this process: the runner's journal is to be asked.
    Ask(OrderId),
    /// There are new messages in the outbox, up to this number.
    Told(Committed<u64>),
}

/// Why the writer ends before it is told to stop in its turn.
enum Halt {
    /// The ledger can't be read, or must not be written any more.
    Ledger(Error),
    /// The daemon ends while the ledger can't be written. What was not written is read again at the next start.
    Ending,
}

impl From<Error> for Halt {
    fn from(e: Error) -> Halt {
        Halt::Ledger(e)
    }
}

/// How long after a failed commit it is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the head of the evidence tree is signed and told.
const SIGN: Duration = Duration::from_secs(60);
/// So many messages that wait are worth a word: four fifths of those that may.
const MANY_WAITING: u64 = outbox::MOST / 5 * 4;
/// How often what is past its time is dropped.
const PRUNE: Duration = Duration::from_secs(300);
/// Lines in one input, at most: the rest waits until it was seen whether something has happened. Some milliseconds.
const LINES_PER_INPUT: usize = 1 << 9;
/// So many lines that are folded in and not committed are enough: what is found meanwhile waits for all of them to be written.
const LINES_PER_COMMIT: usize = 1 << 10;

/// The writer's loop.
pub struct Writer {
    ledger: Ledger,
    doors: Doors,
    to: mpsc::UnboundedSender<ToDelivery>,
    health: Health,
    scratch: Scratch,
    /// When the oldest line that is not on disk was folded in.
    waiting_since: Option<Instant>,
    /// How many lines are folded in and not on disk.
    uncommitted: usize,
    /// How long the last commit took.
    committing: Duration,
    answers: Vec<Answer>,
    /// Orders that were to be started since the last commit.
    starting: Vec<OrderId>,
    /// How far outlets have got, as far as that is not on disk.
    delivered: Delivered,
    pruned: Instant,
    signed: Instant,
    progress: Arc<super::Progress>,
    ending: Arc<Ending>,
}

impl Writer {
    /// A writer on an open ledger.
    pub fn new(
        ledger: Ledger,
        doors: Doors,
        to: mpsc::UnboundedSender<ToDelivery>,
        health: Health,
        seed: u64,
        progress: Arc<super::Progress>,
        ending: Arc<Ending>,
    ) -> Writer {
        Writer {
            ledger,
            doors,
            to,
            health,
            scratch: Scratch::new(seed),
            waiting_since: None,
            uncommitted: 0,
            committing: Duration::ZERO,
            answers: Vec::new(),
            starting: Vec::new(),
            delivered: Delivered::new(),
            pruned: Instant::now(),
            signed: Instant::now(),
            progress,
            ending,
        }
    }

    /// Runs until it is told to stop and all is on disk.
    ///
    /// # Errors
    /// The ledger can't be read, or must not be written any more.
    pub fn run(self, core: Core) -> Result<(), Error> {
        match self.until_stopped(core) {
            Ok(()) => Ok(()),
            Err(Halt::Ledger(e)) => Err(e),
            Err(Halt::Ending) => {
                tracing::warn!(
                    "ended while the ledger could not be written: what is not in it is read again at the next start"
                );
                Ok(())
            }
        }
    }

    fn until_stopped(mut self, core: Core) -> Result<(), Halt> {
        let mut outcome = core.begin();
        loop {
            let (next, stop) = self.take(outcome)?;
            outcome = self.on_time(next)?;
            self.progress.beat();
            if stop || self.is_due(&outcome) {
                outcome = self.commit(outcome)?;
            }
            if stop || !self.doors.has_control() {
                self.record_delivered();
            }
            if stop {
                // what was recorded until now is covered; the head is told at the next start
                if let Err(e) = self.ledger.checkpoint(super::wall_now()) {
                    tracing::warn!("{e}");
                }
                return Ok(());
            }
        }
    }

    /// Does what the orders want to have done by now.
    fn on_time(&mut self, outcome: Outcome) -> Result<Outcome, Halt> {
        let now = super::wall_now();
        match outcome.core().book().due() {
            Some(due) if due <= now => self.fold(outcome, Input::Tick(now)),
            _ => Ok(outcome),
        }
    }

    fn is_due(&self, outcome: &Outcome) -> bool {
        // a third of the time may go into commits that nobody waits for, and no more while there is much to fold in
        let many = if self.uncommitted >= LINES_PER_COMMIT { 2 * self.committing } else { Duration::MAX };
        let limit = many.min(Duration::from_millis(limits::COMMIT_AFTER.0.unsigned_abs()));
        !outcome.is_empty()
            && (outcome.is_urgent()
                || outcome.is_full()
                || !self.starting.is_empty()
                || !self.answers.is_empty()
                || self.waiting_since.is_none_or(|since| since.elapsed() >= limit))
    }

    /// Waits for something to do: what happened first, and else a piece of what was read.
    fn take(&mut self, outcome: Outcome) -> Result<(Outcome, bool), Halt> {
        let limit = Duration::from_millis(limits::COMMIT_AFTER.0.unsigned_abs());
        let patience = self.waiting_since.map_or(Duration::from_secs(1), |since| limit.saturating_sub(since.elapsed()));
        let due = outcome.core().book().due().map(|due| due.since(super::wall_now()).0.max(0).unsigned_abs());
        let patience = due.map_or(patience, |ms| patience.min(Duration::from_millis(ms)));
        match self.doors.next(patience) {
            Next::Nothing => Ok((outcome, false)),
            Next::Closed => Ok((outcome, true)),
            Next::Read(read) => self.read(outcome, read),
            // all of it goes into one commit
            Next::Control(messages) => {
                let outcome = messages.into_iter().try_fold(outcome, |outcome, message| self.control(outcome, message));
                Ok((outcome?, false))
            }
        }
    }

    /// Folds in what was read: the lines of all trails become one input, unless something has happened by now.
    fn read(&mut self, mut outcome: Outcome, first: Read) -> Result<(Outcome, bool), Halt> {
        let mut lines: Vec<Prepared> = Vec::new();
        let mut room = LINES_PER_INPUT;
        let mut stop = false;
        let mut next = Some(first);
        while let Some(read) = next.take() {
            match read {
                Read::Lines(batch) => {
                    let (piece, rest) = self.current(outcome.core(), *batch).cut_at(room);
                    room -= piece.lines.len();
                    lines.push(piece);
                    if let Some(rest) = rest {
                        self.doors.put_off(Read::Lines(Box::new(rest)));
                    }
                }
                other => {
                    outcome = self.fold(outcome, Input::Lines(std::mem::take(&mut lines)))?;
                    (outcome, stop) = self.after_lines(outcome, other)?;
                }
            }
            if stop || room == 0 || self.doors.has_control() {
                break;
            }
            next = self.doors.read();
        }
        outcome = self.fold(outcome, Input::Lines(lines))?;
        Ok((outcome, stop))
    }

    /// The batch as the rules of now prepare it: a thread may have prepared it under the rules before.
    fn current(&mut self, core: &Core, batch: Prepared) -> Prepared {
        if batch.rules == core.rules.digest { batch } else { core.rules.prepare(batch.batch, &mut self.scratch) }
    }

    fn fold(&mut self, outcome: Outcome, input: Input<Prepared>) -> Result<Outcome, Halt> {
        if let Input::Lines(batches) = &input {
            if batches.is_empty() {
                return Ok(outcome);
            }
            self.uncommitted += batches.iter().map(|batch| batch.lines.len()).sum::<usize>();
        }
        self.waiting_since.get_or_insert_with(Instant::now);
        Ok(outcome.fold(input, &self.ledger)?)
    }

    /// What keeps its place behind the lines that were read before it.
    fn after_lines(&mut self, mut outcome: Outcome, read: Read) -> Result<(Outcome, bool), Halt> {
        match read {
            Read::Lines(_) => {}
            Read::Then(input, answer) => {
                outcome = self.fold(outcome, *input)?;
                self.answers.extend(answer);
            }
            Read::Rules(rules, answer) => {
                let input = rules.input(super::wall_now());
                outcome.set_rules(rules);
                outcome = self.fold(outcome, input)?;
                outcome = self.commit(outcome)?;
                let cursors = self.ledger.cursors()?.into_iter().map(super::cursor).collect();
                // whoever asked is gone only when the daemon ends
                let _ = answer.send(cursors);
            }
            Read::Stop => return Ok((outcome, true)),
        }
        Ok((outcome, false))
    }

    fn control(&mut self, mut outcome: Outcome, message: Control) -> Result<Outcome, Halt> {
        match message {
            Control::Fact(input, answer) => {
                if let Input::Started { order, .. } = &*input {
                    self.starting.push(*order);
                }
                outcome = self.fold(outcome, *input)?;
                self.answers.extend(answer);
            }
            Control::Resume => {
                outcome = self.commit(outcome)?;
                for order in outcome.core().book().iter() {
                    match order.state {
                        OrderState::Pending => self.tell(ToDelivery::Pending(self.ledger.committed(order))),
                        OrderState::Started | OrderState::Unknown => self.tell(ToDelivery::Ask(order.id)),
                        _ => {}
                    }
                }
            }
            Control::Delivered(outlet, sequence, error) => {
                let (had, why) = self.delivered.entry(outlet).or_default();
                (*had, *why) = (sequence.or(*had), error);
            }
            Control::Remind(reminder) => {
                let body = serde_json::to_string(&reminder).unwrap_or_default();
                match self.ledger.remind(super::wall_now(), &reminder.key(), &body) {
                    Ok(true) => self.tell_of_messages()?,
                    Ok(false) => {}
                    // it is found again in a minute
                    Err(e) => self.health.wrong("clocks", e.to_string()),
                }
            }
        }
        Ok(outcome)
    }

    /// Writes how far the outlets have got, of all of them at once.
    fn record_delivered(&mut self) {
        if self.delivered.is_empty() {
            return;
        }
        match self.ledger.delivered(&std::mem::take(&mut self.delivered)) {
            Ok(()) => self.health.well("outbox"),
            // they are sent once more after the next start: a receiver knows a finding by its id
            Err(e) => self.health.wrong("outbox", e.to_string()),
        }
    }

    /// Commits, however often it must be tried.
    fn commit(&mut self, outcome: Outcome) -> Result<Outcome, Halt> {
        if outcome.is_empty() {
            return Ok(outcome);
        }
        let began = Instant::now();
        let mut attempt = self.ledger.commit(outcome);
        let mut tried = 0;
        let receipt = loop {
            tried += 1;
            match attempt {
                Ok(receipt) => break receipt,
                Err(error) => {
                    let (outcome, unknown) = match *error {
                        CommitError::Before(_, e) | CommitError::Unknown(_, e) if e.is_final() => return Err(e.into()),
                        CommitError::Before(outcome, e) => {
                            self.health.wrong(
                                "ledger",
                                format!("{e}: nothing goes on until it is written; make room on the disk"),
                            );
                            (outcome, false)
                        }
                        CommitError::Unknown(outcome, e) => {
                            self.health.wrong("ledger", format!("{e}: the file is opened again, and nothing goes on until it is written; make room where the disk is full"));
                            (outcome, true)
                        }
                    };
                    self.progress.beat();
                    if self.ending.within(RETRY) {
                        return Err(Halt::Ending);
                    }
                    // a connection that met an error may never get on again, such as one that could not give up a lock
                    let anew = unknown || tried > 1;
                    attempt = if anew { self.ledger.settle(*outcome) } else { self.ledger.commit(*outcome) };
                }
            }
        };
        self.health.well("ledger");
        self.committing = began.elapsed();
        tracing::debug!("committed {} lines in {} us", self.uncommitted, self.committing.as_micros());
        self.after(receipt)
    }

    /// What is on disk is handed on.
    fn after(&mut self, receipt: Receipt) -> Result<Outcome, Halt> {
        self.waiting_since = None;
        self.uncommitted = 0;
        self.progress.committed();
        for answer in self.answers.drain(..) {
            let _ = answer.send(Ok(()));
        }
        if receipt.told {
            self.tell_of_messages()?;
        }
        for order in receipt.pending {
            self.tell(ToDelivery::Pending(order));
        }
        let is_started = |id: &OrderId| receipt.started.iter().any(|order| order.get().id == *id);
        let (_, not): (Vec<OrderId>, _) = std::mem::take(&mut self.starting).into_iter().partition(is_started);
        not.into_iter().for_each(|order| self.tell(ToDelivery::NotStarted(order)));
        let mut then = Vec::new();
        for order in receipt.started {
            match self.document(order.get())? {
                Ok(document) => self.tell(ToDelivery::Started(order, Box::new(document))),
                Err(why) => {
                    self.health.wrong("orders", format!("order {}: {why}", order.get().id));
                    self.tell(ToDelivery::NotStarted(order.get().id));
                    let verdict = Verdict::Failed(why.into());
                    then.push(Input::Ended { at: super::wall_now(), order: order.get().id, verdict });
                }
            }
        }
        if self.signed.elapsed() >= SIGN {
            self.signed = Instant::now();
            match self.ledger.checkpoint(super::wall_now()) {
                Ok(()) => {
                    self.health.well("evidence");
                    self.tell_of_messages()?;
                }
                // the next one covers what this one would have
                Err(e) => self.health.wrong("evidence", e.to_string()),
            }
        }
        if self.pruned.elapsed() >= PRUNE {
            self.pruned = Instant::now();
            match self.ledger.prune(super::wall_now(), receipt.core.horizon()) {
                Ok(waiting) if waiting >= MANY_WAITING => self.health.wrong(
                    "messages that wait",
                    format!(
                        "there are {waiting}: see which outlet is away; from {} on the oldest are left out and say so",
                        outbox::MOST
                    ),
                ),
                Ok(_) => self.health.well("messages that wait"),
                // what is past its time lies there a little longer
                Err(e) => tracing::warn!("{e}"),
            }
            match self.ledger.overdue(super::wall_now()) {
                Ok(overdue) => {
                    then.extend(overdue.map(|forgotten| Input::Retention { at: super::wall_now(), forgotten }))
                }
                Err(e) => tracing::warn!("{e}"),
            }
        }
        then.into_iter().try_fold(receipt.core.begin(), |outcome, input| self.fold(outcome, input))
    }

    /// What the hook is to be told, or why it can't be told enough to be started.
    fn document(&self, order: &Order) -> Result<Result<HookDocument, &'static str>, Error> {
        let Some(finding) = order.findings.first().map(|id| self.ledger.finding(id)).transpose()?.flatten() else {
            return Ok(Err("the finding that it rests on is not there"));
        };
        let session = order.session.map(|s| self.ledger.unseal(&s.digest)).transpose()?.flatten();
        if order.target == TargetKind::Session && session.is_none() {
            return Ok(Err("the id of its session is not sealed here any more: end the session by hand"));
        }
        Ok(Ok(HookDocument::new(order, &finding, session, order.attempt)))
    }

    /// There are new messages in the outbox.
    fn tell_of_messages(&self) -> Result<(), Error> {
        self.tell(ToDelivery::Told(self.ledger.last_message()?));
        Ok(())
    }

    fn tell(&self, what: ToDelivery) {
        // the delivery loop is gone only when the daemon ends; what is on disk is taken up at the next start
        let _ = self.to.send(what);
    }
}

#[cfg(test)]
mod tests {
    use super::super::doors::doors;
    use super::*;
    use crate::ledger::{Durability, Keys, Reader};
    use crate::model::{Batch, Digest, FileId, Frame, Severity, SourceName, Stretch, WallTime};
    use crate::rules::{self, Tables, Texts};
    use std::path::Path;

    /// Lines of a trail, from that one on.
    fn lines(from: usize, count: usize) -> Batch {
        let frame = |n: usize| Frame {
            start: 2 * n as u32,
            end: 2 * n as u32 + 1,
            from: 2 * (from + n) as u64,
            to: 2 * (from + n) as u64 + 2,
            flags: Default::default(),
        };
        let data: Arc<[u8]> = b"x\n".repeat(count).into();
        Batch {
            source: SourceName("portal".into()),
            path: Path::new("portal.log").into(),
            stretch: Stretch {
                file: FileId { device: 1, inode: 2, born_ns: 3, ..FileId::default() },
                from: 2 * from as u64,
                to: 2 * (from + count) as u64,
            },
            discontinuity: None,
            observed: WallTime(0),
            data: data.clone(),
            frames: (0..count).map(frame).collect(),
            header: None,
            witness: Digest::of(&data),
            size: 2 * (from + count) as u64,
        }
    }

    #[test]
    fn what_happened_is_folded_in_before_lines_that_wait_and_lines_in_pieces() {
        let state = tempfile::tempdir().expect("a scratch directory");
        let keys = Arc::new(Keys::new(&[7; 32]));
        let ledger = Ledger::open(state.path(), Durability::None, keys.clone()).expect("made");
        let texts = Texts { detections: Vec::new(), ..Texts::shipped() };
        let rules =
            rules::compile(&texts, Tables::default(), &[], Default::default(), Severity::Medium, keys.secrets());
        let rules = Arc::new(rules.expect("nothing is wrong"));
        let path = ledger.path();
        let (to, doors) = doors();
        let mut scratch = Scratch::new(1);
        for (from, count) in [(0, 100), (100, LINES_PER_INPUT + 7)] {
            let prepared = rules.prepare(lines(from, count), &mut scratch);
            assert!(to.offer_read(Read::Lines(Box::new(prepared))));
        }
        let tick = || Box::new(Input::Tick(WallTime(1)));
        assert!(to.offer_read(Read::Then(tick(), None)) && to.offer_read(Read::Stop));
        let order = OrderId([1; 16]);
        let started = Input::Started { at: WallTime(2), order };
        assert!(to.offer(Control::Fact(Box::new(started), None)));
        let (to_delivery, mut told) = mpsc::unbounded_channel();
        let core = Core::new(rules, ledger.recorded().expect("readable"), false, 1);
        let (health, progress, ending) = Default::default();
        let writer = Writer::new(ledger, doors, to_delivery, health, 1, progress, ending);
        writer.run(core).expect("nothing fails");
        let inputs = Reader::open(&path).expect("there").inputs(1, 100).expect("readable");
        let kinds: Vec<&str> = inputs.iter().map(|input| input.kind.as_str()).collect();
        assert_eq!(kinds, ["started", "lines", "lines", "tick"]);
        let stretches = |n: usize| -> Vec<(u64, u64)> {
            let body: serde_json::Value = serde_json::from_str(&inputs[n].body).expect("JSON");
            let bound = |stretch: &serde_json::Value, which: &str| stretch[which].as_u64().expect("a number");
            body.as_array().expect("a list").iter().map(|s| (bound(s, "from"), bound(s, "to"))).collect()
        };
        let (first, all) = (2 * LINES_PER_INPUT as u64, 2 * (LINES_PER_INPUT as u64 + 107));
        assert_eq!(stretches(1), [(0, 200), (200, first)], "no more than may be in one");
        assert_eq!(stretches(2), [(first, all)]);
        let said = std::iter::from_fn(|| told.try_recv().ok());
        let not_started = said.filter(|what| matches!(what, ToDelivery::NotStarted(id) if *id == order));
        assert_eq!(not_started.count(), 1, "there is no such order");
    }
}
