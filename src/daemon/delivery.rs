//! The delivery loop: hands committed orders to the runner and committed messages to syslog.
//!
//! It keeps nothing that matters. The outbox row and the order's state are the truth: after a restart, of either side, it
//! asks the writer what is open, and the runner's journal what became of it.
use super::writer::{ToDelivery, ToWriter};
use crate::health::Health;
use crate::ledger::message::Message as Row;
use crate::model::{Finding, Input, Order, OrderId, Severity, Verdict};
use crate::respond::local::LocalSyslog;
use crate::respond::syslog::{Message, Sender, facility};
use crate::respond::{NotTaken, Reply, Request, RunnerClient, RunnerEvent, SyslogTarget, Transport};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// After a failure an outlet is tried again this much later.
const RETRY: Duration = Duration::from_secs(2);

/// Puts a message into the writer's channel without blocking the runtime; `false` when the writer has ended.
pub async fn send(to: &SyncSender<ToWriter>, mut message: ToWriter) -> bool {
    loop {
        match to.try_send(message) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => message = back,
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The loop's state.
pub struct Delivery {
    to_writer: SyncSender<ToWriter>,
    runner: RunnerClient,
    health: Health,
    outlets: Vec<Outlet>,
    sender: Sender,
    connected: bool,
    /// There may be more to tell.
    more: bool,
}

/// One syslog target.
struct Outlet {
    name: String,
    target: SyslogTarget,
    facility: syslog::Facility,
    /// For a unix target: our own socket. Other targets are the runner's.
    local: Option<LocalSyslog>,
    /// Sent through the runner and not answered yet.
    in_flight: Option<u64>,
    /// Not before then.
    pause: Option<tokio::time::Instant>,
}

impl Delivery {
    /// A loop for these targets.
    pub fn new(
        to_writer: SyncSender<ToWriter>,
        runner: RunnerClient,
        health: Health,
        targets: &BTreeMap<String, SyslogTarget>,
    ) -> Delivery {
        let sender = Sender::this();
        let outlets = targets.iter().map(|(name, target)| {
            let facility = facility(&target.facility).unwrap_or(syslog::Facility::LOG_AUTHPRIV);
            let local = (target.transport == Transport::Unix)
                .then(|| LocalSyslog::new(Path::new(&target.address), facility, sender.clone()));
            Outlet { name: name.clone(), target: target.clone(), facility, local, in_flight: None, pause: None }
        });
        Delivery { outlets: outlets.collect(), to_writer, runner, health, sender, connected: false, more: false }
    }

    /// Runs until the writer is gone.
    pub async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<ToDelivery>,
        mut events: mpsc::Receiver<RunnerEvent>,
    ) {
        let mut again = tokio::time::interval(RETRY);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // orders first: a backlog of messages must not keep a session alive
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.order(order).await,
                    None => return,
                },
                Some(event) = events.recv() => self.event(event).await,
                _ = std::future::ready(()), if self.more => self.tell().await,
                _ = again.tick() => self.tell().await,
            }
        }
    }

    async fn order(&mut self, what: ToDelivery) {
        match what {
            // without a runner it stays pending, and is taken up when there is one
            ToDelivery::Pending(order) if self.connected => {
                self.fact(Input::Started { at: super::wall_now(), order: order.get().id }).await;
            }
            ToDelivery::Pending(_) => {}
            ToDelivery::Started(order, document) => {
                let id = order.get().id;
                match self.runner.send(&Request::Run { retry: document.attempt > 1, document }) {
                    Ok(()) => {}
                    // the journal is asked when the runner is back: it never saw the order, and it becomes pending again
                    Err(NotTaken::Disconnected) => {}
                    Err(NotTaken::Full) => self.ended(id, Verdict::NeverSeen).await,
                    Err(e @ NotTaken::TooLong) => self.ended(id, Verdict::Failed(e.to_string().into())).await,
                }
            }
            ToDelivery::Ask(order) => {
                // one that can't be asked now is asked at the next connection
                let _ = self.runner.send(&Request::Ask { order });
            }
            ToDelivery::Told => self.tell().await,
        }
    }

    async fn event(&mut self, event: RunnerEvent) {
        match event {
            RunnerEvent::Connected { refused, .. } => {
                self.connected = true;
                self.health.well("runner");
                for (action, why) in refused {
                    self.health.wrong(&format!("action {action}"), why);
                }
                for outlet in &mut self.outlets {
                    (outlet.in_flight, outlet.pause) = (None, None);
                }
                send(&self.to_writer, ToWriter::Resume).await;
                self.tell().await;
            }
            RunnerEvent::Disconnected(why) => {
                self.connected = false;
                self.health.wrong("runner", format!("{why}; no order is carried out until there is one"));
            }
            RunnerEvent::Reply(reply) => self.reply(reply).await,
        }
    }

    async fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Ended { order, ending, note } => self.ended(order, ending.verdict(&note)).await,
            // it did nothing: the order becomes pending again and is handed over once more, a little later
            Reply::Busy { order } => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.ended(order, Verdict::NeverSeen).await;
            }
            Reply::Syslog { target, seq, failed } => {
                let Some(i) = self.outlets.iter().position(|o| o.name == target && o.in_flight == Some(seq)) else {
                    return;
                };
                self.outlets[i].in_flight = None;
                self.took(i, failed.is_none().then_some(seq), failed).await;
                self.tell().await;
            }
            Reply::Error { message } => self.health.wrong("runner", message),
            Reply::Hello { .. } | Reply::Accepted { .. } | Reply::Started { .. } => {}
        }
    }

    /// Gives every outlet the oldest of what it has not been given.
    async fn tell(&mut self) {
        self.more = false;
        for i in 0..self.outlets.len() {
            self.more |= self.tell_outlet(i).await;
        }
    }

    /// `true` when the outlet took all that was asked for and there may be more.
    async fn tell_outlet(&mut self, i: usize) -> bool {
        let now = tokio::time::Instant::now();
        let outlet = &self.outlets[i];
        if outlet.in_flight.is_some()
            || outlet.pause.is_some_and(|until| until > now)
            || (outlet.local.is_none() && !self.connected)
        {
            return false;
        }
        let (answer, rows) = oneshot::channel();
        if !send(&self.to_writer, ToWriter::Undelivered(format!("syslog.{}", outlet.name), answer)).await {
            return false;
        }
        let Ok(rows) = rows.await else { return false };
        let mut last = None;
        for row in rows {
            let outlet = &mut self.outlets[i];
            let Some(message) = message(&row, outlet.target.severity) else {
                last = Some(row.sequence);
                continue;
            };
            let Some(local) = &mut outlet.local else {
                let message = message.render(&self.sender, outlet.facility, outlet.target.limit());
                let request = Request::Syslog { target: outlet.name.clone(), seq: row.sequence, message };
                if self.runner.send(&request).is_ok() {
                    outlet.in_flight = Some(row.sequence);
                }
                if last.is_some() {
                    self.took(i, last, None).await;
                }
                return false;
            };
            if let Err(e) = local.send(&message).await {
                self.took(i, last, Some(e.to_string())).await;
                return false;
            }
            last = Some(row.sequence);
        }
        if last.is_some() {
            self.took(i, last, None).await;
        }
        last.is_some()
    }

    async fn took(&mut self, i: usize, sequence: Option<u64>, error: Option<String>) {
        let outlet = &mut self.outlets[i];
        let name = format!("syslog.{}", outlet.name);
        match &error {
            Some(why) => {
                outlet.pause = Some(tokio::time::Instant::now() + RETRY);
                self.health.wrong(&name, format!("{why}: messages wait in the outbox"));
            }
            None => self.health.well(&name),
        }
        send(&self.to_writer, ToWriter::Delivered(name, sequence, error)).await;
    }

    async fn ended(&self, order: OrderId, verdict: Verdict) {
        self.fact(Input::Ended { at: super::wall_now(), order, verdict }).await;
    }

    async fn fact(&self, input: Input<crate::pipeline::Prepared>) {
        // answered or not: only the writer's end keeps it from being committed, and then it is asked for again at the next start
        send(&self.to_writer, ToWriter::Fact(Box::new(input), None)).await;
    }
}

/// The message of an outbox row, or nothing where it is below what the outlet wants or can't be read.
fn message(row: &Row, least: Severity) -> Option<Message> {
    match row.kind.as_str() {
        "finding" => {
            let finding: Finding = serde_json::from_str(&row.body).ok()?;
            (finding.severity >= least || finding.test).then(|| Message::finding(&finding))
        }
        _ => {
            let order: Order = serde_json::from_str(&row.body).ok()?;
            Some(Message::order(&order, Severity::High))
        }
    }
}
