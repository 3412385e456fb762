//! The two doors to the writer: what happened comes through the one, what is read of trails through the other, and the first goes
//! first. An order never waits behind lines that wait.
//!
//! Nobody looks again and again: the writer waits at both doors at once, a trail's thread waits for room at its door or for its end,
//! and no task of the runtime is blocked.
use crate::incident::clock::Reminder;
use crate::model::Input;
use crate::pipeline::{Prepared, Rules};
use crate::source::Cursor;
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded, select_biased};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Messages that may wait at the door for what happened: more of them wait with who has them to tell.
const CONTROL: usize = 256;
/// Batches that the trails may be ahead of the writer.
const AHEAD: usize = 4;

/// Answered when it is on disk.
pub type Answer = oneshot::Sender<Result<(), String>>;

/// What happened. It goes before lines, whenever they were read.
pub enum Control {
    /// Something that is recorded.
    Fact(Box<Input<Prepared>>, Option<Answer>),
    /// Something that concerns this node alone.
    Local(Local),
}

/// What concerns this node alone: its runner, its outlets and what it has told them. It changes no state, and is no input.
pub enum Local {
    /// The runner is there: tell the delivery every order that it should know of.
    Resume,
    /// An outlet took messages up to a number, or could not, and why.
    Delivered(String, Option<u64>, Option<String>),
    /// A clock nears its end: tell it, unless it was told.
    Remind(Box<Reminder>),
}

/// What is read of trails, and what must not go before the lines that were read before it.
pub enum Read {
    /// Lines of a trail.
    Lines(Box<Prepared>),
    /// Something that is so once these lines are folded in.
    Then(Box<Input<Prepared>>, Option<Answer>),
    /// New rules hold for what is read from now on; answered when that is on disk, with the cursors.
    Rules(Arc<Rules>, oneshot::Sender<Vec<Cursor>>),
    /// All is read: commit, and end.
    Stop,
}

/// Where messages are brought.
#[derive(Clone)]
pub struct ToWriter {
    control: Sender<Control>,
    read: Sender<Read>,
}

/// Where the writer waits for them.
pub struct Doors {
    control: Receiver<Control>,
    read: Receiver<Read>,
    /// Read, taken in, and put off.
    rest: Option<Read>,
}

/// What comes through the doors.
pub enum Next {
    /// All that has happened by now.
    Control(Vec<Control>),
    /// Something was read.
    Read(Read),
    /// Nothing in time.
    Nothing,
    /// Nothing any more.
    Closed,
}

/// Both sides of both doors.
pub fn doors() -> (ToWriter, Doors) {
    let ((control, controls), (read, reads)) = (bounded(CONTROL), bounded(AHEAD));
    (ToWriter { control, read }, Doors { control: controls, read: reads, rest: None })
}

impl ToWriter {
    /// Brings what happened; `false` when the writer has ended.
    pub async fn control(&self, message: Control) -> bool {
        bring(&self.control, message).await
    }

    /// Brings what happened, if there is room for it now: else the writer is busy, or waits for the disk.
    pub fn offer(&self, message: Control) -> bool {
        self.control.try_send(message).is_ok()
    }

    /// Brings what must not go before what was read; `false` when the writer has ended.
    pub async fn after_lines(&self, read: Read) -> bool {
        bring(&self.read, read).await
    }

    /// Waits for room for what was read. Not handed over, and so read again after the next start: `false`, where the writer has
    /// ended or we are to stop.
    pub fn read(&self, read: Read, stop: &Stop) -> bool {
        select_biased! {
            send(self.read, read) -> sent => sent.is_ok(),
            recv(stop.0) -> _ => false,
        }
    }

    /// Hands over what was read, if there is room for it now.
    pub fn offer_read(&self, read: Read) -> bool {
        self.read.try_send(read).is_ok()
    }
}

/// Sends without blocking the runtime.
async fn bring<T: Send + 'static>(to: &Sender<T>, message: T) -> bool {
    match to.try_send(message) {
        Ok(()) => true,
        Err(TrySendError::Disconnected(_)) => false,
        Err(TrySendError::Full(message)) => {
            let to = to.clone();
            // a thread that may block waits for the room
            tokio::task::spawn_blocking(move || to.send(message).is_ok()).await.unwrap_or(false)
        }
    }
}

impl Doors {
    /// Waits for what comes next, so long at most.
    pub fn next(&mut self, patience: Duration) -> Next {
        if let Some(read) = self.rest.take_if(|_| self.control.is_empty()) {
            return Next::Read(read);
        }
        select_biased! {
            recv(self.control) -> message => match message {
                Ok(message) => Next::Control([message].into_iter().chain(self.control.try_iter()).take(CONTROL).collect()),
                Err(_) => Next::Closed,
            },
            recv(self.read) -> read => read.map_or(Next::Closed, Next::Read),
            default(patience) => Next::Nothing,
        }
    }

    /// Whether something happened that is not taken in yet.
    pub fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// What was read by now.
    pub fn read(&mut self) -> Option<Read> {
        self.rest.take().or_else(|| self.read.try_recv().ok())
    }

    /// Puts off what is to come next of what was read.
    pub fn put_off(&mut self, read: Read) {
        self.rest = Some(read);
    }
}

/// Says to a trail's thread that it is to end.
#[derive(Clone)]
pub struct Stop(Receiver<Infallible>);

impl Stop {
    /// It is told when what is given beside it is dropped.
    pub fn new() -> (Sender<Infallible>, Stop) {
        let (end, told) = bounded(0);
        (end, Stop(told))
    }

    /// Whether it has been told.
    pub fn is_told(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }
}

/// Hints that there may be something to read. One that waits is as good as many.
pub struct Hints {
    /// Kept, for who hints may go, and then nobody hints.
    to: Sender<()>,
    from: Receiver<()>,
}

impl Default for Hints {
    fn default() -> Hints {
        let (to, from) = bounded(1);
        Hints { to, from }
    }
}

impl Hints {
    /// Hints.
    pub fn sender(&self) -> impl Fn() + Send + 'static {
        let to = self.to.clone();
        move || {
            let _ = to.try_send(());
        }
    }

    /// Waits for a hint, so long at most, or until we are told to end.
    pub fn wait(&self, stop: &Stop, patience: Duration) {
        select_biased! {
            recv(stop.0) -> _ => {}
            recv(self.from) -> _ => {}
            default(patience) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WallTime;

    fn read(at: i64) -> Read {
        Read::Then(Box::new(Input::Tick(WallTime(at))), None)
    }

    /// What comes next: how much of what happened, or what was read.
    fn next(doors: &mut Doors) -> (usize, i64) {
        match doors.next(Duration::from_secs(2)) {
            Next::Control(all) => (all.len(), 0),
            Next::Read(Read::Then(input, _)) => match *input {
                Input::Tick(at) => (0, at.0),
                _ => panic!("ticks were sent"),
            },
            _ => panic!("something is there"),
        }
    }

    #[test]
    fn what_happened_goes_before_what_was_read() {
        let (to, mut doors) = doors();
        assert!((1..=3).all(|at| to.offer_read(read(at))));
        assert!(to.offer(Control::Local(Local::Resume)) && to.offer(Control::Local(Local::Resume)));
        assert!(doors.has_control());
        assert_eq!(next(&mut doors), (2, 0), "all of it at once");
        assert_eq!(next(&mut doors), (0, 1));
        // the rest of what was read is put off, and keeps its place
        doors.put_off(read(11));
        assert!(to.offer(Control::Local(Local::Resume)));
        assert_eq!(next(&mut doors), (1, 0));
        assert_eq!(next(&mut doors), (0, 11));
        assert_eq!(next(&mut doors), (0, 2));
        doors.put_off(read(22));
        assert!(matches!(doors.read(), Some(Read::Then(..))));
        assert_eq!(next(&mut doors), (0, 3));
        assert!(matches!(doors.next(Duration::ZERO), Next::Nothing));
        drop(to);
        assert!(matches!(doors.next(Duration::from_secs(60)), Next::Closed));
    }

    #[test]
    fn a_trail_waits_for_room_or_for_its_end() {
        let (to, mut doors) = doors();
        let (going, stop) = Stop::new();
        assert!((1..=AHEAD).all(|at| to.offer_read(read(at as i64))) && !to.offer_read(read(9)));
        let waits = |stop: Stop| {
            let to = to.clone();
            std::thread::spawn(move || to.read(read(10), &stop))
        };
        let waiting = waits(stop.clone());
        assert_eq!(next(&mut doors), (0, 1));
        assert!(waiting.join().expect("it ends"), "there is room");
        let waiting = waits(stop.clone());
        assert!(!stop.is_told());
        drop(going);
        assert!(!waiting.join().expect("it ends"), "it is told to end, and hands nothing over");
        assert!(stop.is_told());
    }

    #[test]
    fn a_hint_shortens_a_wait_and_nobody_who_hints_does_not() {
        let (going, stop) = Stop::new();
        let hints = Hints::default();
        let long = Duration::from_secs(60);
        let (hint, begun) = (hints.sender(), std::time::Instant::now());
        (0..3).for_each(|_| hint());
        hints.wait(&stop, long);
        drop(hint);
        let short = Duration::from_millis(50);
        let waited = std::time::Instant::now();
        hints.wait(&stop, short);
        assert!(waited.elapsed() >= short, "three hints were one, and whoever hinted is gone");
        drop(going);
        hints.wait(&stop, long);
        assert!(begun.elapsed() < long, "neither waited for its time");
    }

    #[tokio::test]
    async fn a_task_waits_for_room_and_blocks_nobody() {
        let (to, mut doors) = doors();
        assert!(
            (0..CONTROL).all(|_| to.offer(Control::Local(Local::Resume))) && !to.offer(Control::Local(Local::Resume))
        );
        let bringing = tokio::spawn({
            let to = to.clone();
            async move { to.control(Control::Local(Local::Resume)).await }
        });
        tokio::task::yield_now().await;
        assert!(!bringing.is_finished());
        assert!(matches!(doors.next(Duration::ZERO), Next::Control(all) if all.len() >= CONTROL));
        assert!(bringing.await.expect("it ends"), "there is room");
        drop(doors);
        assert!(!to.control(Control::Local(Local::Resume)).await, "nobody is there");
    }
}
