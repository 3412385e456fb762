//! The outlets' side of the delivery loop: gives each of them the oldest of what it has not been given, in the order of the
//! outbox, and says to the writer how far it has got. What is in the outbox it reads itself, up to where it is on disk.
//!
//! An outlet that fails is left alone for a while, longer each time, and costs the others nothing. What is sent again may
//! have arrived before: a receiver knows it by its id.
use super::doors::{Control, Local, ToWriter};
use crate::health::Health;
use crate::ledger::outbox::{self, Outbox};
use crate::ledger::{Committed, Error};
use crate::respond::outlet::line_file::LineFile;
use crate::respond::outlet::local::LocalSyslog;
use crate::respond::outlet::syslog::{Message, Sender, facility};
use crate::respond::outlet::{Target, Told, Transport};
use crate::respond::wire::Outcome;
use crate::respond::{NotTaken, Request, RunnerClient};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// After a failure an outlet is left alone so long, twice as long after the next one, and never longer than that.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// An outlet that has not answered for so long is said to be slow.
const SLOW: Duration = Duration::from_secs(15);

/// How many messages of an outlet are looked at at once.
const AT_ONCE: u32 = 64;

/// Messages with their numbers in the outbox.
type Batch = Vec<(u64, Told)>;

/// All outlets.
pub struct Telling {
    to_writer: ToWriter,
    runner: RunnerClient,
    health: Health,
    outbox: Outbox,
    sender: Sender,
    outlets: Vec<Outlet>,
    connected: bool,
    answers: mpsc::Receiver<Answer>,
}

/// One of them.
struct Outlet {
    name: String,
    target: Target,
    /// Where its messages go: to a task of ours, or else to the runner.
    own: Option<mpsc::Sender<Batch>>,
    /// It has had all up to this one, whether that is on disk or not.
    had: u64,
    /// Sent, and not answered yet, oldest first.
    in_flight: VecDeque<u64>,
    /// Since when.
    since: Instant,
    /// Not before then.
    pause: Option<Instant>,
    /// The next pause.
    next_pause: Duration,
}

/// What became of messages of one outlet.
pub struct Answer {
    outlet: usize,
    /// It has had all up to this one.
    had: Option<u64>,
    /// Why it has not had the next one.
    failed: Option<String>,
    /// What it never will take, and why.
    refused: Option<String>,
    /// It asked to be left alone for so long.
    wait: Option<Duration>,
}

impl Telling {
    /// Starts a task for each outlet that is ours to serve. Needs a tokio runtime.
    pub fn new(
        to_writer: ToWriter,
        runner: RunnerClient,
        health: Health,
        outbox: Outbox,
        targets: BTreeMap<String, Target>,
    ) -> Telling {
        let sender = Sender::this();
        let (to, answers) = mpsc::channel(targets.len().max(1));
        let outlets = targets.into_iter().enumerate().map(|(i, (name, target))| Outlet {
            own: Own::of(&target, &sender).map(|own| own.start(i, to.clone())),
            name,
            target,
            had: 0,
            in_flight: VecDeque::new(),
            since: Instant::now(),
            pause: None,
            next_pause: PAUSES.0,
        });
        Telling { outlets: outlets.collect(), to_writer, runner, health, outbox, sender, connected: false, answers }
    }

    /// There is a runner: what the last one did not answer is sent again.
    pub async fn connected(&mut self) {
        self.connected = true;
        for outlet in self.outlets.iter_mut().filter(|o| o.own.is_none()) {
            outlet.in_flight.clear();
            (outlet.pause, outlet.next_pause) = (None, PAUSES.0);
        }
        self.tell().await;
    }

    /// There is no runner.
    pub fn disconnected(&mut self) {
        self.connected = false;
    }

    /// Waits for the answer of an outlet of ours, for [`Telling::go_on`]. Cancel-safe: an answer that is given up waiting for
    /// is still there.
    pub async fn answer(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            // there is no outlet of ours
            None => std::future::pending().await,
        }
    }

    /// Records an answer, and gives the outlet the next.
    pub async fn go_on(&mut self, answer: Answer) {
        let outlet = answer.outlet;
        self.took(answer).await;
        self.tell_outlet(outlet).await;
    }

    /// The runner's answer. One that comes late, about what is being sent again, changes nothing.
    pub async fn sent(&mut self, name: &str, seq: u64, outcome: Outcome, wait: Option<Duration>) {
        let oldest = |o: &Outlet| o.name == name && o.in_flight.front() == Some(&seq);
        let Some(outlet) = self.outlets.iter().position(oldest) else { return };
        let blank = Answer { outlet, had: None, failed: None, refused: None, wait };
        self.took(match outcome {
            Outcome::Sent => Answer { had: Some(seq), ..blank },
            Outcome::Failed(why) => Answer { failed: Some(why), ..blank },
            Outcome::Refused(why) => Answer { had: Some(seq), refused: Some(why), ..blank },
        })
        .await;
        if self.outlets[outlet].in_flight.is_empty() {
            self.tell_outlet(outlet).await;
        }
    }

    /// There are new messages, up to this one.
    pub async fn told(&mut self, last: Committed<u64>) {
        self.outbox.last = last;
        self.tell().await;
    }

    /// Gives every outlet what it has not been given.
    pub async fn tell(&mut self) {
        for i in 0..self.outlets.len() {
            self.tell_outlet(i).await;
        }
    }

    async fn tell_outlet(&mut self, i: usize) {
        let (now, outlet) = (Instant::now(), &self.outlets[i]);
        if !outlet.in_flight.is_empty() {
            let since = now - outlet.since;
            if since > SLOW {
                let why = format!("no answer for {} s: messages wait in the outbox", since.as_secs());
                self.health.wrong(&outlet.name, why);
            }
            return;
        }
        if outlet.pause.is_some_and(|until| until > now) || (outlet.own.is_none() && !self.connected) {
            return;
        }
        // until there is something that it wants, or nothing more
        while let Some(passed_over) = self.give(i).await {
            let outlet = &mut self.outlets[i];
            outlet.had = passed_over;
            if !self
                .to_writer
                .control(Control::Local(Local::Delivered(outlet.name.clone(), Some(passed_over), None)))
                .await
            {
                return;
            }
        }
    }

    /// Gives an outlet the next of what it wants; answers up to where there was nothing of that.
    async fn give(&mut self, i: usize) -> Option<u64> {
        let rows = match self.waiting(i).await {
            Ok(rows) => rows,
            Err(e) => {
                // they stay in the outbox, and are asked for again
                self.health.wrong("reading the outbox", e.to_string());
                return None;
            }
        };
        self.health.well("reading the outbox");
        let outlet = &mut self.outlets[i];
        let last = rows.last()?.sequence;
        let most = if matches!(outlet.target, Target::Webhook(_)) { 1 } else { rows.len() };
        let told = rows.iter().filter_map(|row| match Told::read(row) {
            Ok(told) => outlet.target.wants(&told).then_some((row.sequence, told)),
            Err(e) => {
                tracing::error!("message {} of the outbox cannot be read, and is passed over: {e}", row.sequence);
                None
            }
        });
        let batch: Batch = told.take(most).collect();
        if batch.is_empty() {
            return Some(last);
        }
        outlet.since = Instant::now();
        match &outlet.own {
            Some(own) => {
                outlet.in_flight = batch.iter().map(|(sequence, _)| *sequence).collect();
                // its task lives as long as this sender, and has nothing in hand
                let _ = own.try_send(batch);
                None
            }
            None => self.give_runner(i, batch),
        }
    }

    /// The oldest messages that an outlet has not had.
    async fn waiting(&mut self, i: usize) -> Result<Vec<outbox::Message>, Error> {
        let (outbox, outlet) = (self.outbox.clone(), &self.outlets[i]);
        let (name, had) = (outlet.name.clone(), outlet.had);
        // a file is read: not on a thread of the runtime's own
        let read = tokio::task::spawn_blocking(move || outbox.waiting(&name, had, AT_ONCE));
        // it is given up only where the runtime ends
        read.await.unwrap_or_else(|_| Ok(Vec::new()))
    }

    fn give_runner(&mut self, i: usize, batch: Batch) -> Option<u64> {
        let outlet = &mut self.outlets[i];
        for (seq, told) in batch {
            let message = outlet.target.message(&told, &self.sender);
            match self.runner.send(&Request::Send { outlet: outlet.name.clone(), seq, message }) {
                Ok(()) => outlet.in_flight.push_back(seq),
                // nothing of ours is so long; were it, it would block all behind it for ever
                Err(NotTaken::TooLong) if outlet.in_flight.is_empty() => {
                    tracing::error!("message {seq} for {} is too long for the runner, and is passed over", outlet.name);
                    return Some(seq);
                }
                // asked again at the next answer, connection or second
                Err(_) => break,
            }
        }
        None
    }

    async fn took(&mut self, answer: Answer) {
        let outlet = &mut self.outlets[answer.outlet];
        if let Some(had) = answer.had {
            outlet.had = outlet.had.max(had);
            while outlet.in_flight.pop_front_if(|seq| *seq <= had).is_some() {}
            outlet.since = Instant::now();
        }
        match answer.failed {
            Some(_) => {
                outlet.in_flight.clear();
                outlet.pause = Some(Instant::now() + outlet.next_pause.max(answer.wait.unwrap_or_default()));
                outlet.next_pause = (outlet.next_pause * 2).min(PAUSES.1);
            }
            None => (outlet.pause, outlet.next_pause) = (None, PAUSES.0),
        }
        let failed = answer.failed.map(|why| format!("{why}: messages wait in the outbox"));
        let refused = answer.refused.map(|why| format!("one message was passed over, it never will take it: {why}"));
        let error = failed.or(refused);
        match &error {
            Some(why) => self.health.wrong(&outlet.name, why.as_str()),
            None => self.health.well(&outlet.name),
        }
        self.to_writer.control(Control::Local(Local::Delivered(outlet.name.clone(), answer.had, error))).await;
    }
}

/// An outlet that the daemon serves itself, in a task of its own.
enum Own {
    Syslog(Box<LocalSyslog>),
    File(LineFile),
}

impl Own {
    fn of(target: &Target, sender: &Sender) -> Option<Own> {
        match target {
            Target::Syslog(target) if target.transport == Transport::Unix => {
                let facility = facility(&target.facility).unwrap_or(syslog::Facility::LOG_AUTHPRIV);
                let socket = Path::new(&target.address);
                Some(Own::Syslog(Box::new(LocalSyslog::new(socket, target.form(), facility, sender.clone()))))
            }
            Target::Ocsf(target) => Some(Own::File(LineFile::new(&target.path))),
            Target::Checkpoints(target) => Some(Own::File(LineFile::new(&target.path))),
            Target::Syslog(_) | Target::Webhook(_) => None,
        }
    }

    /// Ends when the sender is dropped.
    fn start(mut self, outlet: usize, answers: mpsc::Sender<Answer>) -> mpsc::Sender<Batch> {
        let (to, mut batches) = mpsc::channel::<Batch>(1);
        tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                let (own, had, failed) = self.give(batch).await;
                self = own;
                let answer = Answer { outlet, had, failed, refused: None, wait: None };
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
        });
        to
    }

    /// How far it has got with `batch`, and what kept it from the rest.
    async fn give(self, batch: Batch) -> (Own, Option<u64>, Option<String>) {
        match self {
            Own::Syslog(mut local) => {
                let mut had = None;
                for (sequence, told) in batch {
                    if let Err(e) = local.send(&Message::of(&told)).await {
                        return (Own::Syslog(local), had, Some(e.to_string()));
                    }
                    had = Some(sequence);
                }
                (Own::Syslog(local), had, None)
            }
            Own::File(mut file) => {
                let last = batch.last().map(|(sequence, _)| *sequence);
                let lines: Vec<String> = batch.iter().map(|(_, told)| told.line()).collect();
                let path = file.path().to_owned();
                let written = tokio::task::spawn_blocking(move || {
                    let appended = file.append(&lines);
                    (file, appended)
                });
                match written.await {
                    Ok((file, Ok(()))) => (Own::File(file), last, None),
                    Ok((file, Err(e))) => (Own::File(file), None, Some(e.to_string())),
                    // the runtime ends
                    Err(e) => (Own::File(LineFile::new(&path)), None, Some(e.to_string())),
                }
            }
        }
    }
}
