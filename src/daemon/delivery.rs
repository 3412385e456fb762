//! The delivery loop: hands committed orders to the runner, and committed messages to the outlets ([`Telling`]).
//!
//! It keeps nothing that matters. The outbox row and the order's state are the truth: after a restart, of either side, it
//! asks the writer what is open, and the runner's journal what became of it. Nothing in it waits for an outlet: an order
//! goes out at once, whatever becomes of the messages.
use super::telling::Telling;
use super::writer::{ToDelivery, ToWriter};
use crate::health::Health;
use crate::model::{Input, OrderId, Verdict};
use crate::respond::outlet::Target;
use crate::respond::{NotTaken, Reply, Request, RunnerClient, RunnerEvent};
use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often it is looked whether an outlet's pause is over.
const AGAIN: Duration = Duration::from_secs(1);

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
    telling: Telling,
    connected: bool,
}

impl Delivery {
    /// A loop for these outlets. Needs a tokio runtime.
    pub fn new(
        to_writer: SyncSender<ToWriter>,
        runner: RunnerClient,
        health: Health,
        outlets: BTreeMap<String, Target>,
    ) -> Delivery {
        let telling = Telling::new(to_writer.clone(), runner.clone(), health.clone(), outlets);
        Delivery { to_writer, runner, health, telling, connected: false }
    }

    /// Runs until the writer is gone.
    pub async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<ToDelivery>,
        mut events: mpsc::Receiver<RunnerEvent>,
    ) {
        let mut again = tokio::time::interval(AGAIN);
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
                answer = self.telling.answer() => self.telling.go_on(answer).await,
                _ = again.tick() => self.telling.tell().await,
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
            ToDelivery::Told => self.telling.tell().await,
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
                send(&self.to_writer, ToWriter::Resume).await;
                self.telling.connected().await;
            }
            RunnerEvent::Disconnected(why) => {
                self.connected = false;
                self.telling.disconnected();
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
            Reply::Sent { outlet, seq, outcome, wait_seconds } => {
                self.telling.sent(&outlet, seq, outcome, wait_seconds.map(Duration::from_secs)).await;
            }
            Reply::Error { message } => self.health.wrong("runner", message),
            Reply::Hello { .. } | Reply::Accepted { .. } | Reply::Started { .. } => {}
        }
    }

    async fn ended(&self, order: OrderId, verdict: Verdict) {
        self.fact(Input::Ended { at: super::wall_now(), order, verdict }).await;
    }

    async fn fact(&self, input: Input<crate::pipeline::Prepared>) {
        // answered or not: only the writer's end keeps it from being committed, and then it is asked for again at the next start
        send(&self.to_writer, ToWriter::Fact(Box::new(input), None)).await;
    }
}
