//! The delivery loop: hands committed orders to the runner, and committed messages to the outlets ([`Telling`]).
//!
//! It keeps nothing that matters. The outbox row and the order's state are the truth: after a restart, of either side, it
//! asks the writer what is open, and the runner's journal what became of it. Nothing in it waits for an outlet: an order
//! goes out at once, whatever becomes of the messages.
use super::doors::{Control, Local, ToWriter};
use super::folder::ToDelivery;
use super::telling::Telling;

use crate::health::Health;
use crate::ledger::Committed;
use crate::ledger::outbox::Outbox;
use crate::model::{Input, Order, OrderId, Verdict};
use crate::respond::outlet::Target;
use crate::respond::{NotTaken, ORDERS_WAITING, Reply, Request, RunnerClient, RunnerEvent};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often it is looked whether an outlet's pause is over.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the runner is given no order after it had no room for one.
const NO_ROOM: Duration = Duration::from_millis(100);

/// The loop's state.
pub struct Delivery {
    to_writer: ToWriter,
    runner: RunnerClient,
    health: Health,
    telling: Telling,
    connected: bool,
    /// Orders that the runner has, or is about to be handed, and whose end it has not told.
    handed: BTreeSet<OrderId>,
    /// Orders that are handed over when it has room: no more than it takes are handed over at once.
    waiting: VecDeque<Committed<Order>>,
    /// It had no room: none is handed over before then.
    not_before: Option<Instant>,
}

impl Delivery {
    /// A loop for these outlets. Needs a tokio runtime.
    pub fn new(
        to_writer: ToWriter,
        runner: RunnerClient,
        health: Health,
        outbox: Outbox,
        outlets: BTreeMap<String, Target>,
    ) -> Delivery {
        let telling = Telling::new(to_writer.clone(), runner.clone(), health.clone(), outbox, outlets);
        Delivery {
            to_writer,
            runner,
            health,
            telling,
            connected: false,
            handed: BTreeSet::new(),
            waiting: VecDeque::new(),
            not_before: None,
        }
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
                () = has_room(self.not_before) => {
                    self.not_before = None;
                    self.hand_over().await;
                }
                answer = self.telling.answer() => self.telling.go_on(answer).await,
                _ = again.tick() => self.telling.tell().await,
            }
        }
    }

    async fn order(&mut self, what: ToDelivery) {
        match what {
            // without a runner it stays pending, and is taken up when there is one
            ToDelivery::Pending(order) if self.connected => {
                // one that more findings ask for is told again
                self.waiting.retain(|waiting| waiting.get().id != order.get().id);
                self.waiting.push_back(order);
                self.hand_over().await;
            }
            ToDelivery::Pending(_) => {}
            ToDelivery::Started(order, document) => {
                let id = order.get().id;
                match self.runner.send(&Request::Run { retry: document.attempt > 1, document }) {
                    Ok(()) => {}
                    // the journal is asked when the runner is back: it never saw the order, and it becomes pending again
                    Err(NotTaken::Disconnected) => {}
                    Err(NotTaken::Full) => self.no_room(id).await,
                    Err(e @ NotTaken::TooLong) => self.ended(id, Verdict::Failed(e.to_string().into())).await,
                }
            }
            ToDelivery::NotStarted(order) => {
                self.handed.remove(&order);
                self.hand_over().await;
            }
            ToDelivery::Ask(order) => {
                self.handed.insert(order);
                // one that can't be asked now is asked at the next connection
                let _ = self.runner.send(&Request::Ask { order });
            }
            ToDelivery::Told(last) => self.telling.told(last).await,
        }
    }

    /// Hands over what waits, as far as the runner has room.
    async fn hand_over(&mut self) {
        while self.not_before.is_none() && self.handed.len() < ORDERS_WAITING {
            let Some(order) = self.waiting.pop_front() else { return };
            let order = order.get().id;
            if self.handed.insert(order) {
                self.fact(Input::Started { at: super::wall_now(), order }).await;
            }
        }
    }

    /// The runner had no room for it and did nothing: it becomes pending again, and is handed over a little later.
    async fn no_room(&mut self, order: OrderId) {
        self.not_before = Some(Instant::now() + NO_ROOM);
        self.ended(order, Verdict::NeverSeen).await;
    }

    async fn event(&mut self, event: RunnerEvent) {
        match event {
            RunnerEvent::Connected { refused, .. } => {
                self.connected = true;
                // the writer names all of them anew
                self.forget();
                self.health.well("runner");
                for (action, why) in refused {
                    self.health.wrong(&format!("action {action}"), why);
                }
                self.to_writer.control(Control::Local(Local::Resume)).await;
                self.telling.connected().await;
            }
            RunnerEvent::Disconnected(why) => {
                self.connected = false;
                self.forget();
                self.telling.disconnected();
                self.health.wrong("runner", format!("{why}; no order is carried out until there is one"));
            }
            RunnerEvent::Reply(reply) => self.reply(reply).await,
        }
    }

    async fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Ended { order, ending, note } => self.ended(order, ending.verdict(&note)).await,
            Reply::Busy { order } => self.no_room(order).await,
            Reply::Sent { outlet, seq, outcome, wait_seconds } => {
                self.telling.sent(&outlet, seq, outcome, wait_seconds.map(Duration::from_secs)).await;
            }
            Reply::Error { message } => self.health.wrong("runner", message),
            Reply::Hello { .. } | Reply::Accepted { .. } | Reply::Started { .. } => {}
        }
    }

    fn forget(&mut self) {
        self.handed.clear();
        self.waiting.clear();
        self.not_before = None;
    }

    async fn ended(&mut self, order: OrderId, verdict: Verdict) {
        self.handed.remove(&order);
        self.fact(Input::Ended { at: super::wall_now(), order, verdict }).await;
        self.hand_over().await;
    }

    async fn fact(&self, input: Input<crate::pipeline::Prepared>) {
        // answered or not: only the writer's end keeps it from being committed, and then it is asked for again at the next start
        self.to_writer.control(Control::Fact(Box::new(input), None)).await;
    }
}

/// Returns when the runner may be given orders again; never where nothing keeps it from them.
async fn has_room(not_before: Option<Instant>) {
    match not_before {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::super::doors::{Doors, Next, doors};
    use super::*;
    use crate::ledger::{Durability, Keys, Ledger};
    use crate::respond::{Ending, RunnerLink};

    /// The loop over a runner that says nothing, with what it tells the writer.
    fn running() -> (mpsc::Sender<RunnerEvent>, Doors, mpsc::UnboundedSender<ToDelivery>) {
        let (to_writer, told) = doors();
        let state = tempfile::tempdir().expect("a scratch directory");
        let ledger = Ledger::open(state.path(), Durability::None, Keys::new(&[7; 32]).into()).expect("made");
        let outbox = Outbox::new(&ledger.path(), ledger.last_message().expect("readable"));
        let (ours, _) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        let (client, _) = RunnerClient::start(RunnerLink::Pair(ours));
        let (to_delivery, orders) = mpsc::unbounded_channel();
        let (events, heard) = mpsc::channel(10);
        let delivery = Delivery::new(to_writer, client, Health::default(), outbox, BTreeMap::new());
        tokio::spawn(delivery.run(orders, heard));
        (events, told, to_delivery)
    }

    #[tokio::test(start_paused = true)]
    async fn a_runner_without_room_holds_up_nothing_else() {
        let (events, mut told, _to_delivery) = running();
        let (full, other) = (OrderId([1; 16]), OrderId([2; 16]));
        let done = Reply::Ended { order: other, ending: Ending::Done, note: String::new() };
        for reply in [Reply::Busy { order: full }, done] {
            events.send(RunnerEvent::Reply(reply)).await.expect("it is read");
        }
        let mut ended = Vec::new();
        // the clock stands while something can run: what waits for it does not come
        for _ in 0..1000 {
            tokio::task::yield_now().await;
            let Next::Control(messages) = told.next(Duration::ZERO) else { continue };
            ended.extend(messages.into_iter().filter_map(|message| match message {
                Control::Fact(input, None) => match *input {
                    Input::Ended { order, verdict, .. } => Some((order, verdict)),
                    _ => None,
                },
                _ => None,
            }));
        }
        assert_eq!(ended, [(full, Verdict::NeverSeen), (other, Verdict::Done("".into()))]);
    }
}
