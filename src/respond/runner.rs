//! The runner: the process that starts hooks and speaks to the network, so that what parses log lines need do neither.
//!
//! It reads no trail and has no ledger. It takes requests over one unix socket from the daemon, which is the only one that
//! can reach it, and it believes nothing of them that its own configuration does not say: a request names an action, and
//! what is then executed stands in the file.
use super::claims::{HOOKS_AT_ONCE, ORDERS_WAITING, Orders, Task, now};
use super::journal::{Journal, JournalError};
use super::outlet::relay::Relays;
use super::service;
use super::settings::RunnerSettings;
use super::wire::{self, Reply, Request, VERSION, WireError};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as std_mpsc};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, broadcast, mpsc, watch};

/// How many daemons may be connected at once: one, and one that is just being replaced, and some to spare.
const CONNECTIONS: usize = 4;
/// How long a daemon that does not read its replies is waited for.
const WRITE_BUDGET: Duration = Duration::from_secs(5);
/// Replies that a slow connection may be behind before it is closed: it then asks again.
const REPLIES_BEHIND: usize = 1024;

/// Where the daemon is met.
#[derive(Clone, Debug)]
pub enum Meeting {
    /// Standard input is one end of a socket pair: the daemon started us. At its end we end.
    Stdin,
    /// systemd passes the listening socket.
    Activated,
    /// We make the socket, with mode 0600.
    Path(PathBuf),
}

/// Why the runner ends.
#[derive(Debug)]
pub enum RunnerError {
    /// The journal cannot be used.
    Journal(JournalError),
    /// A socket or a process property cannot be had.
    Io {
        /// What was tried.
        operation: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The configuration cannot be used.
    Settings(String),
    /// Started as if by systemd, but no socket was passed.
    NoSocket,
}

impl std::fmt::Display for RunnerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunnerError::Journal(e) => write!(f, "the runner's journal: {e}"),
            RunnerError::Io { operation, source } => write!(f, "cannot {operation}: {source}"),
            RunnerError::Settings(why) => f.write_str(why),
            RunnerError::NoSocket => f.write_str(
                "no socket was passed: start the runner by tripline-hook-runner.socket, or give it --socket PATH",
            ),
        }
    }
}

impl std::error::Error for RunnerError {}

impl RunnerError {
    /// The exit code: 78 (EX_CONFIG) where starting again does not help, 75 (EX_TEMPFAIL) where it may.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunnerError::Journal(JournalError::Damaged { .. }) | RunnerError::Settings(_) | RunnerError::NoSocket => 78,
            RunnerError::Journal(_) | RunnerError::Io { .. } => 75,
        }
    }
}

fn io(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> RunnerError {
    move |source| RunnerError::Io { operation: operation.into(), source }
}

/// Runs until SIGTERM or SIGINT, or until the daemon that started us is gone; hooks that run then are waited for.
/// `state` is where the journal lies: made with mode 0700 where it does not exist. Call it before any thread is started.
///
/// `load` reads the configuration, once at the start and again at SIGHUP; at SIGHUP an error keeps the old one.
pub fn run(
    load: impl Fn() -> Result<RunnerSettings, String>,
    state: &std::path::Path,
    meeting: Meeting,
) -> Result<(), RunnerError> {
    harden();
    let settings = load().map_err(RunnerError::Settings)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(io(format!("make {}", state.display())))?;
    let journal = Journal::open(state, now()).map_err(RunnerError::Journal)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io("start the runtime"))?;
    runtime.block_on(serve(load, settings, journal, meeting))
}

/// What every hook inherits, and what nobody may learn from our memory. Failure of these is no reason not to end a session.
fn harden() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    super::confine::forbid_dumps();
    // without it a hook's process group is all of the hook that can be ended
    let _ = super::action::adopt_orphans();
    // What our parent left open is not the hooks' to have. systemd's sockets stay open, for us.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
}

struct Shared {
    orders: Arc<Orders>,
    tasks: std_mpsc::SyncSender<Task>,
    relays: Mutex<Relays>,
    replies: broadcast::Sender<Reply>,
    /// Somebody has connected: the settings are to be looked at, for a daemon that was restarted has read them anew.
    met: Notify,
}

impl Shared {
    fn hello(&self) -> Reply {
        let (actions, refused) = self.orders.actions();
        let outlets = self.relays().names();
        Reply::Hello { version: VERSION, actions, refused, outlets }
    }

    fn relays(&self) -> MutexGuard<'_, Relays> {
        // The map behind it is replaced whole or not at all.
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets new settings hold, and tells whoever is connected what can be run now.
    fn adopt(&self, settings: RunnerSettings) {
        *self.relays() = Relays::start(settings.outlets(), self.replies.clone());
        self.orders.set_actions(settings.actions);
        // Nobody connected is nobody told: who comes next is greeted.
        let _ = self.replies.send(self.hello());
    }
}

async fn serve(
    load: impl Fn() -> Result<RunnerSettings, String>,
    settings: RunnerSettings,
    journal: Journal,
    meeting: Meeting,
) -> Result<(), RunnerError> {
    let (replies, _) = broadcast::channel(REPLIES_BEHIND);
    let relays = Mutex::new(Relays::start(settings.outlets(), replies.clone()));
    let first = settings.clone();
    let orders = Orders::new(settings.actions, journal, {
        let replies = replies.clone();
        // Nobody connected is nobody told: who comes next asks.
        move |reply| drop(replies.send(reply))
    });
    let (tasks, finished) = workers(&orders)?;
    let shared = Arc::new(Shared { orders, tasks, relays, replies, met: Notify::new() });
    tokio::select! {
        met = meet(shared.clone(), meeting) => met?,
        reloading = reload(&shared, load, first) => reloading?,
    }
    shared.orders.stop();
    drop(shared);
    // The last sender of tasks is gone, so that the workers end when what they have in hand has ended.
    service::notify(&["STOPPING=1"]);
    let _ = tokio::task::spawn_blocking(move || finished.recv()).await;
    Ok(())
}

/// Reads the configuration again at each SIGHUP, and where it has changed when somebody connects. Never ends by itself but with an
/// error.
async fn reload(
    shared: &Shared,
    load: impl Fn() -> Result<RunnerSettings, String>,
    mut now: RunnerSettings,
) -> Result<(), RunnerError> {
    let mut hangup = signal(SignalKind::hangup()).map_err(io("wait for signals"))?;
    loop {
        let told = tokio::select! {
            _ = hangup.recv() => true,
            () = shared.met.notified() => false,
        };
        match load() {
            Ok(settings) if told || settings != now => {
                service::notify(&["RELOADING=1"]);
                now = settings.clone();
                shared.adopt(settings);
                service::notify(&["READY=1"]);
            }
            Ok(_) => {}
            Err(why) => {
                tracing::error!("the configuration was not read again, the old one holds: {why}")
            }
        }
    }
}

/// The threads that run hooks. The receiver learns, by its closing, that all of them have ended.
fn workers(orders: &Arc<Orders>) -> Result<(std_mpsc::SyncSender<Task>, std_mpsc::Receiver<()>), RunnerError> {
    let (tasks, waiting) = std_mpsc::sync_channel::<Task>(ORDERS_WAITING);
    let (finishing, finished) = std_mpsc::channel::<()>();
    let waiting = Arc::new(Mutex::new(waiting));
    for n in 0..HOOKS_AT_ONCE {
        let (orders, waiting, finishing) = (orders.clone(), waiting.clone(), finishing.clone());
        std::thread::Builder::new()
            .name(format!("hook-{n}"))
            .spawn(move || {
                let _finishing = finishing;
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match next {
                        Ok(task) => orders.carry_out(task),
                        Err(_) => break,
                    }
                }
            })
            .map_err(io("start a thread"))?;
    }
    Ok((tasks, finished))
}

async fn meet(shared: Arc<Shared>, meeting: Meeting) -> Result<(), RunnerError> {
    let (closing, closed) = watch::channel(());
    let served = async {
        match meeting {
            Meeting::Stdin => {
                let end = std::io::stdin().as_fd().try_clone_to_owned();
                let end = end.map(std::os::unix::net::UnixStream::from).map_err(io("take standard input"))?;
                end.set_nonblocking(true).map_err(io("use standard input as a socket"))?;
                let end = UnixStream::from_std(end).map_err(io("use standard input as a socket"))?;
                service::notify(&["READY=1"]);
                connection(shared, end, closed).await;
                Ok(())
            }
            Meeting::Activated => {
                let listener = service::passed_listener().map_err(io("take the passed socket"))?;
                accept(shared, listener.ok_or(RunnerError::NoSocket)?, closed).await
            }
            Meeting::Path(path) => {
                accept(shared, service::listen(&path).map_err(io(format!("listen on {}", path.display())))?, closed)
                    .await
            }
        }
    };
    let result = tokio::select! {
        result = served => result,
        signal = service::told_to_end() => signal.map_err(io("wait for signals")),
    };
    drop(closing);
    result
}

async fn accept(
    shared: Arc<Shared>,
    listener: std::os::unix::net::UnixListener,
    closed: watch::Receiver<()>,
) -> Result<(), RunnerError> {
    listener.set_nonblocking(true).map_err(io("listen"))?;
    let listener = UnixListener::from_std(listener).map_err(io("listen"))?;
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    service::notify(&["READY=1"]);
    let connected = Arc::new(Connected::default());
    connected.tell(0);
    let mut watchdog = service::Watchdog::from_env();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = watchdog.due() => { service::notify(&["WATCHDOG=1"]); continue }
        };
        match (accepted, places.clone().try_acquire_owned()) {
            (Ok((stream, _)), Ok(place)) => {
                let (shared, closed, connected) = (shared.clone(), closed.clone(), connected.clone());
                tokio::spawn(async move {
                    connected.tell(1);
                    connection(shared, stream, closed).await;
                    connected.tell(-1);
                    drop(place);
                });
            }
            (Ok(_), Err(_)) => {
                tracing::warn!("{CONNECTIONS} connections are open already; one more was closed")
            }
            // No descriptor is left, or the peer is gone again. To try again at once would be a busy loop.
            (Err(e), _) => {
                tracing::warn!("cannot accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// How many are connected, for `systemctl status`.
#[derive(Default)]
struct Connected(Mutex<isize>);

impl Connected {
    fn tell(&self, more: isize) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += more;
        service::status(if *now > 0 { "the daemon is connected" } else { "waiting for the daemon" });
    }
}

/// Serves one connection until its end, an error, or the runner's end.
async fn connection(shared: Arc<Shared>, stream: UnixStream, mut closed: watch::Receiver<()>) {
    let replies = shared.replies.subscribe();
    let (from, to) = stream.into_split();
    let (own, answers) = mpsc::channel(REPLIES_BEHIND);
    let result = tokio::select! {
        result = listen(&shared, from, own) => result,
        result = talk(to, answers, replies) => result,
        // The sender is dropped, never written: this is the runner's end.
        _ = closed.changed() => Ok(()),
    };
    if let Err(e) = result {
        tracing::warn!("a connection was closed: {e}");
    }
}

async fn listen(
    shared: &Shared,
    from: tokio::net::unix::OwnedReadHalf,
    own: mpsc::Sender<Reply>,
) -> Result<(), WireError> {
    let mut from = BufReader::new(from);
    let (mut part, mut greeted) = (Vec::new(), false);
    loop {
        let request = match wire::next_frame::<Request>(&mut from, &mut part).await {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(e) => {
                let _ = own.send(Reply::Error { message: e.to_string() }).await;
                // Left to `talk`, which writes it out and then finds the channel closed.
                return drop_and_wait(own, e).await;
            }
        };
        if !greeted && !matches!(request, Request::Hello { .. }) {
            let _ = own.send(Reply::Error { message: "say hello first".into() }).await;
            return drop_and_wait(own, WireError::Cut).await;
        }
        greeted = true;
        if let Some(reply) = answer(shared, request)
            && own.send(reply).await.is_err()
        {
            return Ok(());
        }
    }
}

/// Lets the writing half finish: it ends by itself when `own` is closed and everything is written.
async fn drop_and_wait(own: mpsc::Sender<Reply>, error: WireError) -> Result<(), WireError> {
    drop(own);
    tracing::warn!("a request was refused: {error}");
    std::future::pending().await
}

fn answer(shared: &Shared, request: Request) -> Option<Reply> {
    match request {
        Request::Hello { version } if version == VERSION => {
            // what it says now is said; where the settings have changed, it is said again
            shared.met.notify_one();
            Some(shared.hello())
        }
        Request::Hello { version } => Some(Reply::Error {
            message: format!(
                "the daemon speaks version {version}, the runner {VERSION}: restart the one that is older"
            ),
        }),
        Request::Ask { order } => {
            shared.orders.ask(order);
            None
        }
        Request::Run { retry, document } => {
            if let Some(task) = shared.orders.decide(document, retry) {
                // There are as many places as orders may wait, and the workers live as long as this sender.
                let _ = shared.tasks.try_send(task);
            }
            None
        }
        Request::Send { outlet, seq, message } => shared.relays().send(outlet, seq, message),
    }
}

async fn talk(
    mut to: tokio::net::unix::OwnedWriteHalf,
    mut answers: mpsc::Receiver<Reply>,
    mut replies: broadcast::Receiver<Reply>,
) -> Result<(), WireError> {
    loop {
        let reply = tokio::select! {
            biased;
            reply = replies.recv() => match reply {
                Ok(reply) => reply,
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
                Err(broadcast::error::RecvError::Lagged(_)) => return Err(WireError::TooLong),
            },
            reply = answers.recv() => match reply {
                Some(reply) => reply,
                None => return Ok(()),
            },
        };
        let frame = wire::frame(&reply)?;
        match tokio::time::timeout(WRITE_BUDGET, to.write_all(&frame)).await {
            Ok(written) => written.map_err(WireError::Broken)?,
            Err(_) => return Err(WireError::Broken(std::io::ErrorKind::TimedOut.into())),
        }
    }
}
