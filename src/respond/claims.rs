//! What the runner does with an order that it is handed: the one place where "never twice" is decided.
use super::action::{Ended, Ready};
use super::document::HookDocument;
use super::journal::{Journal, JournalError, Known};
use super::once::{Fitted, tellable};
use super::settings::ActionSpec;
use super::wire::{Ending, Reply};
use crate::model::{OrderId, WallTime, cut};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many hooks run at once.
pub const HOOKS_AT_ONCE: usize = 4;
/// How many orders may wait for their turn.
pub const ORDERS_WAITING: usize = 64;

/// An action as it was found when the configuration was read.
struct Action {
    idempotent: bool,
    /// One that cannot be used is kept, so that its orders are refused with the reason.
    fitted: Result<Fitted, String>,
}

impl Action {
    fn open(spec: &ActionSpec) -> Action {
        Action { idempotent: spec.idempotent, fitted: Fitted::open(spec) }
    }

    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        self.fitted.as_ref().map_err(Clone::clone)?.ready(document)
    }
}

/// The journal, the actions, and what is in hand.
pub struct Orders {
    actions: RwLock<BTreeMap<String, Arc<Action>>>,
    book: Mutex<Book>,
    say: Box<dyn Fn(Reply) + Send + Sync>,
}

struct Book {
    journal: Journal,
    /// Waiting or running in this process, each with whether it was started.
    in_hand: BTreeMap<OrderId, bool>,
    waiting: usize,
    stopping: bool,
}

/// An order that may be run once.
pub struct Task {
    document: Box<HookDocument>,
}

impl Orders {
    /// `say` is called with each reply, from any thread, in the order in which things came about; it must not block.
    pub fn new(
        actions: BTreeMap<String, ActionSpec>,
        journal: Journal,
        say: impl Fn(Reply) + Send + Sync + 'static,
    ) -> Arc<Orders> {
        let book = Mutex::new(Book { journal, in_hand: BTreeMap::new(), waiting: 0, stopping: false });
        let orders = Orders { actions: RwLock::default(), book, say: Box::new(say) };
        orders.set_actions(actions);
        Arc::new(orders)
    }

    /// Opens and checks the executables of `actions`, which hold from now on. Hooks that run are not touched.
    pub fn set_actions(&self, actions: BTreeMap<String, ActionSpec>) {
        let open = |(name, spec)| (name, Arc::new(Action::open(&spec)));
        let opened = actions.into_iter().map(open).collect();
        *self.actions.write().unwrap_or_else(PoisonError::into_inner) = opened;
        for (name, why) in self.actions().1 {
            tracing::error!(action = name, "cannot be run, its orders are refused: {why}");
        }
        for (name, caution) in self.cautions() {
            tracing::warn!(action = name, "runs {caution}");
        }
    }

    fn action(&self, name: &str) -> Result<Arc<Action>, String> {
        let actions = self.actions.read().unwrap_or_else(PoisonError::into_inner);
        let action = actions.get(name).cloned();
        action.ok_or_else(|| format!("no action {name:?} is configured for the runner"))
    }

    /// The names that can be run, and those that cannot, with the reason.
    pub fn actions(&self) -> (Vec<String>, Vec<(String, String)>) {
        let (mut fit, mut refused) = (Vec::new(), Vec::new());
        let actions = self.actions.read().unwrap_or_else(PoisonError::into_inner);
        for (name, action) in actions.iter() {
            match &action.fitted {
                Ok(_) => fit.push(name.clone()),
                Err(fault) => refused.push((name.clone(), cut(fault, 512).to_owned())),
            }
        }
        (fit, refused)
    }

    fn cautions(&self) -> Vec<(String, String)> {
        let actions = self.actions.read().unwrap_or_else(PoisonError::into_inner);
        let caution =
            |(name, action): (&String, &Arc<Action>)| Some((name.clone(), action.fitted.as_ref().ok()?.caution()?));
        actions.iter().filter_map(caution).collect()
    }

    /// Says what is known of `order`.
    pub fn ask(&self, order: OrderId) {
        let book = self.book();
        let never = Reply::Ended { order, ending: Ending::NeverSeen, note: String::new() };
        (self.say)(book.tell(order).unwrap_or(never));
    }

    /// Decides whether an order is to be run. If it is, it is in hand from here on, and nobody else is told to run it;
    /// if not, the answer is said.
    pub fn decide(&self, document: Box<HookDocument>, retry: bool) -> Option<Task> {
        let order = document.order;
        let mut book = self.book();
        let answer = match (self.fault(&document, retry), book.tell(order)) {
            (Some(note), _) => Some(Reply::Ended { order, ending: Ending::Refused, note }),
            (None, Some(known)) if book.in_hand.contains_key(&order) => Some(known),
            // Nothing was run, so that nothing is run twice.
            (None, None | Some(Reply::Ended { ending: Ending::Refused, .. })) => None,
            (None, Some(known)) => (!retry).then_some(known),
        };
        let answer = answer.or((book.waiting >= ORDERS_WAITING).then_some(Reply::Busy { order }));
        let to_run = answer.is_none();
        if to_run {
            book.in_hand.insert(order, false);
            book.waiting += 1;
        }
        (self.say)(answer.unwrap_or(Reply::Accepted { order }));
        to_run.then_some(Task { document })
    }

    fn fault(&self, document: &HookDocument, retry: bool) -> Option<String> {
        if document.idempotency_key != document.order {
            return Some("the document's key is not its order's id".into());
        }
        let action = match self.action(&document.action) {
            Ok(action) => action,
            Err(fault) => return Some(fault),
        };
        (retry && !action.idempotent)
            .then(|| format!("action {:?} is not declared idempotent: it is not tried again", document.action))
    }

    /// Carries it out, between two facts in the journal. Blocks until it has ended.
    pub fn carry_out(&self, task: Task) {
        let document = &task.document;
        let order = document.order;
        let action = self.action(&document.action);
        let ready = action.as_ref().map_err(Clone::clone).and_then(|action| action.ready(document));
        let ended = match (self.claim(order, ready.is_ok()), ready) {
            (Claim::Stopping, _) => return,
            (_, Err(why)) => Ended::refused(why),
            (Claim::Failed(e), _) => Ended::refused(format!("it could not be recorded and was not run: {e}")),
            (Claim::Made, Ok(carry_out)) => carry_out(),
        };
        let ended = tellable(ended, document);
        tracing::info!(%order, ending = ?ended.ending, note = ended.note, "order ended");
        self.end(order, ended.ending, &ended.note);
    }

    /// Takes `order` from the waiting ones, and where it is to be `run`, records that.
    fn claim(&self, order: OrderId, run: bool) -> Claim {
        let mut book = self.book();
        book.waiting -= 1;
        if book.stopping {
            book.in_hand.remove(&order);
            return Claim::Stopping;
        }
        if run {
            if let Err(e) = book.journal.started(order, now()) {
                return Claim::Failed(e);
            }
            book.in_hand.insert(order, true);
            (self.say)(Reply::Started { order });
        }
        Claim::Made
    }

    fn end(&self, order: OrderId, ending: Ending, note: &str) {
        let mut book = self.book();
        if book.in_hand.remove(&order) == Some(true)
            && let Err(e) = book.journal.ended(order, ending, note, now())
        {
            tracing::error!(%order, "the outcome could not be recorded and is unknown after a new start: {e}");
        }
        (self.say)(Reply::Ended { order, ending, note: note.to_owned() });
    }

    /// From now on nothing is started. Orders that wait were never seen, as far as the journal goes.
    pub fn stop(&self) {
        self.book().stopping = true;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A thread that panicked while it held the book has changed the journal and the map by whole facts only.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Claim {
    Made,
    Failed(JournalError),
    Stopping,
}

impl Book {
    fn tell(&self, order: OrderId) -> Option<Reply> {
        match (self.in_hand.get(&order), self.journal.known(order)) {
            (Some(false), _) => Some(Reply::Accepted { order }),
            (Some(true), _) => Some(Reply::Started { order }),
            (None, Some(Known::Ended(ending, note))) => {
                Some(Reply::Ended { order, ending: *ending, note: note.clone() })
            }
            (None, Some(Known::Started)) => Some(Reply::Ended {
                order,
                ending: Ending::Unknown,
                note: "it was started, and the runner died before it ended".into(),
            }),
            (None, None) => None,
        }
    }
}

/// The clock of this machine.
pub(super) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
