//! The single writer: folds inputs in, commits them, and hands on only what is on disk.
//!
//! Lines wait for at most [`limits::COMMIT_AFTER`]; what was found is committed at once. While the disk is full nothing
//! goes on: the same outcome is tried again until it is written, and the trails wait in their files.
use crate::health::Health;
use crate::incident::clock::Reminder;
use crate::ledger::{CommitError, Committed, Error, Ledger, Receipt, outbox};
use crate::model::{Input, Order, OrderId, OrderState, TargetKind, Verdict, WallTime, limits};
use crate::pipeline::{Core, Outcome, Prepared, Rules, Scratch};
use crate::respond::HookDocument;
use crate::respond::service::Ending;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What the writer is told.
pub enum ToWriter {
    /// Lines of a trail.
    Lines(Box<Prepared>),
    /// Something that happened; answered when it is on disk.
    Fact(Box<Input<Prepared>>, Option<oneshot::Sender<Result<(), String>>>),
    /// New rules hold from now on; answered when that is on disk, with the cursors.
    Rules(Arc<Rules>, oneshot::Sender<Vec<crate::source::Cursor>>),
    /// The runner is there: tell the delivery every order that it should know of.
    Resume,
    /// What has an outlet not been given yet?
    Undelivered(String, oneshot::Sender<Vec<outbox::Message>>),
    /// An outlet took messages up to a number, or could not, and why.
    Delivered(String, Option<u64>, Option<String>),
    /// A clock nears its end: tell it, unless it was told.
    Remind(Box<Reminder>),
    /// Commit, and end.
    Stop,
}

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
    /// There are new messages in the outbox.
    Told,
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
/// Lines in one input, at most: more wait in the channel, and the trails wait with them.
const LINES_PER_INPUT: usize = 1 << 12;

/// The writer's loop.
pub struct Writer {
    ledger: Ledger,
    from: Receiver<ToWriter>,
    to: mpsc::UnboundedSender<ToDelivery>,
    health: Health,
    scratch: Scratch,
    /// When the oldest line that is not on disk was folded in.
    waiting_since: Option<Instant>,
    answers: Vec<oneshot::Sender<Result<(), String>>>,
    pruned: Instant,
    signed: Instant,
    progress: Arc<super::Progress>,
    ending: Arc<Ending>,
}

impl Writer {
    /// A writer on an open ledger.
    pub fn new(
        ledger: Ledger,
        from: Receiver<ToWriter>,
        to: mpsc::UnboundedSender<ToDelivery>,
        health: Health,
        seed: u64,
        progress: Arc<super::Progress>,
        ending: Arc<Ending>,
    ) -> Writer {
        Writer {
            ledger,
            from,
            to,
            health,
            scratch: Scratch::new(seed),
            waiting_since: None,
            answers: Vec::new(),
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
        let limit = Duration::from_millis(limits::COMMIT_AFTER.0.unsigned_abs());
        !outcome.is_empty()
            && (outcome.is_urgent()
                || outcome.is_full()
                || !self.answers.is_empty()
                || self.waiting_since.is_none_or(|since| since.elapsed() >= limit))
    }

    /// Waits for something to do, and does all of it that is there now: the lines of all trails become one input.
    fn take(&mut self, mut outcome: Outcome) -> Result<(Outcome, bool), Halt> {
        let limit = Duration::from_millis(limits::COMMIT_AFTER.0.unsigned_abs());
        let patience = self.waiting_since.map_or(Duration::from_secs(1), |since| limit.saturating_sub(since.elapsed()));
        let due = outcome.core().book().due().map(|due| due.since(super::wall_now()).0.max(0).unsigned_abs());
        let patience = due.map_or(patience, |ms| patience.min(Duration::from_millis(ms)));
        let mut next = match self.from.recv_timeout(patience) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => return Ok((outcome, false)),
            Err(RecvTimeoutError::Disconnected) => return Ok((outcome, true)),
        };
        let mut lines: Vec<Prepared> = Vec::new();
        let mut count = 0;
        let mut stop = false;
        while let Some(message) = next.take() {
            match message {
                ToWriter::Lines(batch) => {
                    count += batch.lines.len();
                    lines.push(self.current(outcome.core(), *batch));
                }
                other => {
                    // what happened keeps its place among the lines
                    outcome = self.fold(outcome, Input::Lines(std::mem::take(&mut lines)))?;
                    (outcome, stop) = self.other(outcome, other)?;
                }
            }
            if stop || count >= LINES_PER_INPUT || outcome.is_urgent() {
                break;
            }
            next = self.from.try_recv().ok();
        }
        outcome = self.fold(outcome, Input::Lines(lines))?;
        Ok((outcome, stop))
    }

    /// The batch as the rules of now prepare it: a thread may have prepared it under the rules before.
    fn current(&mut self, core: &Core, batch: Prepared) -> Prepared {
        if batch.rules == core.rules.digest { batch } else { core.rules.prepare(batch.batch, &mut self.scratch) }
    }

    fn fold(&mut self, outcome: Outcome, input: Input<Prepared>) -> Result<Outcome, Halt> {
        if matches!(&input, Input::Lines(batches) if batches.is_empty()) {
            return Ok(outcome);
        }
        self.waiting_since.get_or_insert_with(Instant::now);
        Ok(outcome.fold(input, |outcome, keys| self.ledger.load(outcome, keys))?)
    }

    fn other(&mut self, mut outcome: Outcome, message: ToWriter) -> Result<(Outcome, bool), Halt> {
        match message {
            ToWriter::Lines(_) => {}
            ToWriter::Fact(input, answer) => {
                let to_start = if let Input::Started { order, .. } = &*input { Some(*order) } else { None };
                outcome = self.fold(outcome, *input)?;
                let state = |id| outcome.core().book().iter().find(|order| order.id == id).map(|order| order.state);
                if let Some(order) = to_start.filter(|id| state(*id) != Some(OrderState::Started)) {
                    self.tell(ToDelivery::NotStarted(order));
                }
                self.answers.extend(answer);
            }
            ToWriter::Rules(rules, answer) => {
                let input = rules.input(super::wall_now());
                outcome.set_rules(rules);
                outcome = self.fold(outcome, input)?;
                outcome = self.commit(outcome)?;
                let cursors = self.ledger.cursors()?.into_iter().map(super::cursor).collect();
                // whoever asked is gone only when the daemon ends
                let _ = answer.send(cursors);
            }
            ToWriter::Resume => {
                outcome = self.commit(outcome)?;
                for order in outcome.core().book().iter() {
                    match order.state {
                        OrderState::Pending => self.tell(ToDelivery::Pending(self.ledger.committed(order))),
                        OrderState::Started | OrderState::Unknown => self.tell(ToDelivery::Ask(order.id)),
                        _ => {}
                    }
                }
            }
            ToWriter::Undelivered(outlet, answer) => {
                match self.ledger.undelivered(&outlet, 64) {
                    Ok(messages) => drop(answer.send(messages)),
                    // they stay in the outbox; whoever asked asks again
                    Err(e) => self.health.wrong("outbox", e.to_string()),
                }
            }
            ToWriter::Delivered(outlet, sequence, error) => {
                match self.ledger.delivered(&outlet, sequence, error.as_deref()) {
                    Ok(()) => self.health.well("outbox"),
                    // they are sent once more: a receiver knows a finding by its id
                    Err(e) => self.health.wrong("outbox", e.to_string()),
                }
            }
            ToWriter::Remind(reminder) => {
                let body = serde_json::to_string(&reminder).unwrap_or_default();
                match self.ledger.remind(super::wall_now(), &reminder.key(), &body) {
                    Ok(true) => self.tell(ToDelivery::Told),
                    Ok(false) => {}
                    // it is found again in a minute
                    Err(e) => self.health.wrong("clocks", e.to_string()),
                }
            }
            ToWriter::Stop => return Ok((outcome, true)),
        }
        Ok((outcome, false))
    }

    /// Commits, however often it must be tried.
    fn commit(&mut self, outcome: Outcome) -> Result<Outcome, Halt> {
        if outcome.is_empty() {
            return Ok(outcome);
        }
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
        self.after(receipt)
    }

    /// What is on disk is handed on.
    fn after(&mut self, receipt: Receipt) -> Result<Outcome, Halt> {
        self.waiting_since = None;
        self.progress.committed();
        for answer in self.answers.drain(..) {
            let _ = answer.send(Ok(()));
        }
        if receipt.told {
            self.tell(ToDelivery::Told);
        }
        for order in receipt.pending {
            self.tell(ToDelivery::Pending(order));
        }
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
                    self.tell(ToDelivery::Told);
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

    fn tell(&self, what: ToDelivery) {
        // the delivery loop is gone only when the daemon ends; what is on disk is taken up at the next start
        let _ = self.to.send(what);
    }
}

/// The wall clock's time of a tick.
pub fn tick(at: WallTime) -> ToWriter {
    ToWriter::Fact(Box::new(Input::Tick(at)), None)
}
