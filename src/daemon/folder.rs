//! The folder: follows the log, folds its entries into the state, commits, and hands on only what is on disk.
//!
//! What it comes to depends on the entries and on nothing else; when it commits is its own affair. Lines wait for at most
//! [`limits::COMMIT_AFTER`]; what was found, or is to be started, or somebody waits for, is committed as soon as the log is folded to
//! its end. While the disk is full nothing goes on: the same outcome is tried again until it is written, and the trails wait in their
//! files. An input that follows from a commit (an order whose hook can't be told enough) it does not fold in by itself: it says so, and
//! takes it from the log like any other.
use super::doors::{Answer, Local};
use super::log::{Entry, Log};
use super::{Progress, clock_trust, trail_clocks, wall_now};
use crate::health::Health;
use crate::ledger::outbox::{self, Delivered};
use crate::ledger::{CommitError, Committed, Error, Ledger, Receipt};
use crate::model::{EventTime, Forgotten, Input, Order, OrderId, OrderState, TargetKind, WallTime, limits};
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

/// Why the folder ends before the log does.
#[derive(Debug)]
pub enum Halt {
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
/// So many lines that are folded in and not committed are enough: what is found meanwhile waits for all of them to be written.
const LINES_PER_COMMIT: usize = 1 << 10;
/// See [`limits::COMMIT_AFTER`].
const COMMIT_AFTER: Duration = Duration::from_millis(limits::COMMIT_AFTER.0.unsigned_abs());

/// The state, the ledger that it is committed to, and who is told afterwards.
pub struct Folder {
    ledger: Ledger,
    /// The state, with what has changed in it since the last commit.
    outcome: Outcome,
    to: mpsc::UnboundedSender<ToDelivery>,
    health: Health,
    scratch: Scratch,
    /// When the oldest input that is not on disk was folded in.
    waiting_since: Option<Instant>,
    /// How many lines are folded in and not on disk.
    uncommitted: usize,
    /// How long the last commit took.
    committing: Duration,
    answers: Vec<Answer>,
    /// Orders that were to be started since the last commit.
    starting: Vec<OrderId>,
    /// Orders whose start is on disk and whose hooks can't be told enough, with why.
    not_run: Vec<(OrderId, &'static str)>,
    /// How far outlets have got, as far as that is not on disk.
    delivered: Delivered,
    pruned: Instant,
    signed: Instant,
    /// The time, if it is believed.
    believed: Option<WallTime>,
    progress: Arc<Progress>,
    ending: Arc<Ending>,
    stopped: bool,
}

impl Folder {
    /// A folder from where the ledger is.
    pub fn new(
        ledger: Ledger,
        core: Core,
        to: mpsc::UnboundedSender<ToDelivery>,
        health: Health,
        seed: u64,
        progress: Arc<Progress>,
        ending: Arc<Ending>,
    ) -> Folder {
        trail_clocks::look(core.trails(), core.rules.response.too_old, &health);
        Folder {
            ledger,
            outcome: core.begin(),
            to,
            health,
            scratch: Scratch::new(seed),
            waiting_since: None,
            uncommitted: 0,
            committing: Duration::ZERO,
            answers: Vec::new(),
            starting: Vec::new(),
            not_run: Vec::new(),
            delivered: Delivered::new(),
            pruned: Instant::now(),
            signed: Instant::now(),
            believed: None,
            progress,
            ending,
            stopped: false,
        }
    }

    /// Folds in the log's entries up to the last that is there.
    ///
    /// # Errors
    /// See [`Halt`].
    pub fn follow(mut self, log: &mut impl Log) -> Result<Folder, Halt> {
        while let Some(entry) = log.next() {
            self = self.take(entry)?;
        }
        Ok(self)
    }

    fn take(mut self, entry: Entry) -> Result<Folder, Halt> {
        match entry {
            Entry::Input(input, answer) => {
                if let Input::Started { order, .. } = &*input {
                    self.starting.push(*order);
                }
                self = self.fold(*input)?;
                self.answers.extend(answer);
            }
            Entry::Rules { at, rules, answer } => {
                let input = rules.input(at);
                self.outcome.set_rules(rules);
                self = self.fold(input)?.commit()?;
                if let Some(answer) = answer {
                    let cursors = self.ledger.cursors()?.into_iter().map(super::cursor).collect();
                    // whoever asked is gone only when the daemon ends
                    let _ = answer.send(cursors);
                }
            }
            Entry::Local(Local::Resume) => {
                self = self.commit()?;
                self.resume();
            }
            Entry::Local(Local::Delivered(outlet, sequence, error)) => {
                let (had, why) = self.delivered.entry(outlet).or_default();
                (*had, *why) = (sequence.or(*had), error);
            }
            Entry::Local(Local::Remind(reminder)) => {
                let body = serde_json::to_string(&reminder).unwrap_or_default();
                match self.ledger.remind(wall_now(), &reminder.key(), &body) {
                    Ok(true) => self.tell_of_messages()?,
                    Ok(false) => {}
                    // it is found again in a minute
                    Err(e) => self.health.wrong("clocks", e.to_string()),
                }
            }
            Entry::Stop => {
                self = self.commit()?;
                self.record_delivered();
                // what was recorded until now is covered; the head is told at the next start
                if let Err(e) = self.ledger.checkpoint(wall_now()) {
                    tracing::warn!("{e}");
                }
                self.stopped = true;
            }
        }
        Ok(self)
    }

    fn fold(mut self, mut input: Input<Prepared>) -> Result<Folder, Halt> {
        if let Input::Lines(batches) = &mut input {
            let rules = &self.outcome.core().rules;
            for batch in batches {
                // a thread may have prepared it under the rules before
                if batch.rules != rules.digest {
                    *batch = rules.prepare(batch.batch.clone(), &mut self.scratch);
                }
                self.uncommitted += batch.lines.len();
            }
        }
        self.waiting_since.get_or_insert_with(Instant::now);
        self.outcome = self.outcome.fold(input, &self.ledger)?;
        Ok(self)
    }

    /// When the next order wants to have something done.
    pub fn due(&self) -> Option<WallTime> {
        self.outcome.core().book().due()
    }

    /// In how long something is to be committed if nothing comes; nothing where all is on disk.
    pub fn patience(&self) -> Option<Duration> {
        self.waiting_since.map(|since| COMMIT_AFTER.saturating_sub(since.elapsed()))
    }

    /// Whether all that was folded in is on disk.
    pub fn is_on_disk(&self) -> bool {
        self.outcome.is_empty()
    }

    /// Whether the log's last entry was folded in.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// The log is folded to its end for now: commits, if it is time to.
    ///
    /// # Errors
    /// See [`Halt`].
    pub fn commit_in_time(self) -> Result<Folder, Halt> {
        self.progress.beat();
        if self.is_due() { self.commit() } else { Ok(self) }
    }

    fn is_due(&self) -> bool {
        // a third of the time may go into commits that nobody waits for, and no more while there is much to fold in
        let many = if self.uncommitted >= LINES_PER_COMMIT { 2 * self.committing } else { Duration::MAX };
        let limit = many.min(COMMIT_AFTER);
        !self.outcome.is_empty()
            && (self.outcome.is_urgent()
                || self.outcome.is_full()
                || !self.starting.is_empty()
                || !self.answers.is_empty()
                || self.waiting_since.is_none_or(|since| since.elapsed() >= limit))
    }

    /// Commits, however often it must be tried.
    ///
    /// # Errors
    /// See [`Halt`].
    pub fn commit(mut self) -> Result<Folder, Halt> {
        if self.outcome.is_empty() {
            return Ok(self);
        }
        let began = Instant::now();
        let mut attempt = self.ledger.commit(self.outcome);
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
        let Receipt { core, pending, started, told } = receipt;
        trail_clocks::look(core.trails(), core.rules.response.too_old, &self.health);
        self.outcome = core.begin();
        self.hand_on(pending, started, told)?;
        self.sign()?;
        self.prune();
        Ok(self)
    }

    /// What is on disk is handed on.
    fn hand_on(
        &mut self,
        pending: Vec<Committed<Order>>,
        started: Vec<Committed<Order>>,
        told: bool,
    ) -> Result<(), Error> {
        self.waiting_since = None;
        self.uncommitted = 0;
        self.progress.committed();
        for answer in self.answers.drain(..) {
            let _ = answer.send(Ok(()));
        }
        if told {
            self.tell_of_messages()?;
        }
        for order in pending {
            self.tell(ToDelivery::Pending(order));
        }
        let is_started = |id: &OrderId| started.iter().any(|order| order.get().id == *id);
        let (_, not): (Vec<OrderId>, _) = std::mem::take(&mut self.starting).into_iter().partition(is_started);
        not.into_iter().for_each(|order| self.tell(ToDelivery::NotStarted(order)));
        for order in started {
            match self.document(order.get())? {
                Ok(document) => self.tell(ToDelivery::Started(order, Box::new(document))),
                Err(why) => {
                    let id = order.get().id;
                    self.health.wrong("orders", format!("order {id}: {why}"));
                    self.tell(ToDelivery::NotStarted(id));
                    self.not_run.push((id, why));
                }
            }
        }
        Ok(())
    }

    /// Signs the head of the evidence tree, now and then.
    fn sign(&mut self) -> Result<(), Error> {
        if self.signed.elapsed() < SIGN {
            return Ok(());
        }
        self.signed = Instant::now();
        match self.ledger.checkpoint(wall_now()) {
            Ok(()) => {
                self.health.well("evidence");
                self.tell_of_messages()?;
            }
            // the next one covers what this one would have
            Err(e) => self.health.wrong("evidence", e.to_string()),
        }
        Ok(())
    }

    /// Drops what is past its time, now and then.
    fn prune(&mut self) {
        if self.pruned.elapsed() < PRUNE {
            return;
        }
        self.pruned = Instant::now();
        match self.ledger.prune(self.believed, self.outcome.core().horizon()) {
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
    }

    /// The newest times of the trails.
    pub fn trails(&self) -> impl Iterator<Item = EventTime> {
        self.outcome.core().trails().filter_map(|(_, row)| row.newest)
    }

    /// From now on it is that time, or the clock is not believed, and nothing is dropped for its age.
    pub fn believe(&mut self, now: &Result<WallTime, String>) {
        self.believed = now.as_ref().ok().copied();
        match now {
            Ok(_) => self.health.well(clock_trust::PART),
            Err(why) => self.health.wrong(clock_trust::PART, why.as_str()),
        }
    }

    /// What is past its retention at that time, as far as it is on disk.
    pub fn overdue(&self, now: WallTime) -> Option<Forgotten> {
        self.ledger.overdue(now).unwrap_or_else(|e| {
            tracing::warn!("{e}");
            None
        })
    }

    /// The orders whose start is on disk and whose hooks can't be told enough, with why: they have ended, and that is an input.
    pub fn take_not_run(&mut self) -> Vec<(OrderId, &'static str)> {
        std::mem::take(&mut self.not_run)
    }

    /// Writes how far the outlets have got, of all of them at once.
    pub fn record_delivered(&mut self) {
        if self.delivered.is_empty() {
            return;
        }
        match self.ledger.delivered(&std::mem::take(&mut self.delivered)) {
            Ok(()) => self.health.well("outbox"),
            // they are sent once more after the next start: a receiver knows a finding by its id
            Err(e) => self.health.wrong("outbox", e.to_string()),
        }
    }

    /// Tells of every order that the delivery should know of. All are on disk.
    fn resume(&self) {
        for order in self.outcome.core().book().iter() {
            match order.state {
                OrderState::Pending => self.tell(ToDelivery::Pending(self.ledger.committed(order))),
                OrderState::Started | OrderState::Unknown => self.tell(ToDelivery::Ask(order.id)),
                _ => {}
            }
        }
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
