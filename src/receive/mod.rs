//! Takes in what comes over sockets, pipes and the journal, and lays it on disk, where the daemon follows it like any trail.
//!
//! `tripline receive` is a process of its own: it has the network that the daemon has not, and knows neither policies nor keys.
//! Each trail with `receive` has a directory of spool files ([`crate::framing::spool`]); the receiver only appends, the daemon
//! reads, and deletes a file when the effects of its last record are committed and the next file has begun.
//!
//! # What is guaranteed
//!
//! - **Nothing is taken in that cannot be kept**: where the disk or the trail's share of it is full, sockets are not read, and
//!   senders wait (TCP, unix sockets, pipes, the journal). Over UDP nobody can wait; what the kernel drops is gone.
//! - **From the journal nothing is lost and nothing comes twice**: each record has the journal's cursor beside it, in the same
//!   write; after a crash the journal is asked to go on from the last whole one, and where it no longer holds that, this is declared.
//! - **Records are written whole or not at all**: a torn one at the end, after a power loss, is cut off before anything follows.
//! - Every 200 ms at the latest what was written is made durable. Neither TCP nor a pipe has a word by which a sender could learn
//!   that; what a sender had handed to the kernel when the machine died is lost with it.

pub mod journal;
mod share;
mod sockets;
mod spool;
pub mod standing;
pub mod stream;

use crate::config::address::Address;
use crate::config::{Config, spool_dir};
use crate::decode::syslog;
use crate::framing::spool::Header;
use crate::model::limits::QUEUED_BYTES;
use crate::model::{FrameFlags, HashParts, Shown, WallTime};
use crate::respond::confine;
use crate::respond::service::{Ending, ToldToEnd, notify};
use crate::rules::ConfigError;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How many records of a trail may be on their way to its spool, of [`QUEUED_BYTES`] together.
const QUEUE: usize = 128;
/// The most bytes that wait for the daemon, for each trail, unless the configuration says otherwise.
const SPOOL_BYTES: u64 = 1 << 30;

/// Digest of what a receiver is told by a configuration: with another one it has to be started anew.
pub fn settings_digest(config: &Config) -> String {
    let written = &config.written;
    let mut parts =
        HashParts::new("receiver").part(format!("{:?} {:?}", written.state_dir, written.receiver).as_bytes());
    for trail in written.trail.iter().filter(|trail| !trail.receive.is_empty()) {
        let settings = (&trail.name, &trail.receive, &trail.apps, &trail.hosts, trail.start);
        parts = parts.part(format!("{settings:?}").as_bytes());
    }
    parts.finish().to_string()
}

/// How long a receiver that is ending may hold a spool that we want.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// One record on its way to a spool.
#[derive(Debug)]
pub(crate) struct Taken {
    received: WallTime,
    sender: Arc<str>,
    flags: FrameFlags,
    payload: Vec<u8>,
    /// Where its sender is to be asked to go on.
    mark: Option<String>,
    /// What it takes of the room for records on their way.
    room: Option<OwnedSemaphorePermit>,
}

impl Taken {
    /// A record that is none, and only says where a sender is to be asked to go on.
    fn mark(mark: String) -> Taken {
        let flags = FrameFlags::default();
        Taken {
            received: WallTime(0),
            sender: "spool".into(),
            flags,
            payload: Vec::new(),
            mark: Some(mark),
            room: None,
        }
    }

    /// Appends it as a record of a spool file.
    fn write(&self, bytes: &mut Vec<u8>) {
        let header = Header {
            received: self.received,
            sender: &self.sender,
            flags: self.flags,
            length: self.payload.len(),
            mark: self.mark.as_deref(),
        };
        header.write(&self.payload, bytes);
    }
}

/// The way to the spool of one trail, on which there is room for so many records and bytes.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    to: mpsc::Sender<Taken>,
    room: Arc<Semaphore>,
}

impl Queue {
    fn new(to: mpsc::Sender<Taken>) -> Queue {
        Queue { to, room: Arc::new(Semaphore::new(QUEUED_BYTES)) }
    }

    /// Hands a record on, and waits for room. `false` where we are ending.
    async fn send(&self, mut taken: Taken) -> bool {
        let bytes = u32::try_from(taken.payload.capacity().min(QUEUED_BYTES)).unwrap_or(u32::MAX);
        taken.room = self.room.clone().acquire_many_owned(bytes).await.ok();
        self.to.send(taken).await.is_ok()
    }
}

/// Why nothing can be received.
#[derive(Debug)]
pub enum ReceiveError {
    /// The configuration can't be used.
    Config(ConfigError),
    /// Another receiver has the trail's spool.
    Busy(String),
    /// A socket, a file or the runtime; what was being done and why it failed.
    Io(String),
}

impl std::fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReceiveError::Config(e) => e.fmt(f),
            ReceiveError::Busy(trail) => {
                write!(f, "trail {trail}: another receiver has its spool: end that one, or leave the work to it")
            }
            ReceiveError::Io(e) => f.write_str(e),
        }
    }
}

impl std::error::Error for ReceiveError {}

fn io(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> ReceiveError {
    move |e| ReceiveError::Io(format!("{what}: {e}"))
}

/// Where the records of one way in go: to the first trail whose filter lets them through.
#[derive(Clone)]
pub(crate) struct Routes {
    from: Address,
    to: Vec<(Filter, Queue)>,
    /// Where it is said what is wrong with this way, for each trail that it leads to.
    standings: Vec<Arc<standing::Standing>>,
    /// Records that no trail wanted.
    unwanted: Arc<AtomicU64>,
}

/// Which programs and hosts a trail listens to.
#[derive(Clone, Debug)]
struct Filter {
    apps: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
}

impl Filter {
    fn wants(&self, envelope: &syslog::Envelope<'_>) -> bool {
        let among = |named: &Option<Vec<String>>, said: Option<&str>| {
            named.as_ref().is_none_or(|names| names.iter().any(|name| Some(name.as_str()) == said))
        };
        among(&self.apps, envelope.app) && among(&self.hosts, envelope.host)
    }
}

impl Routes {
    /// Hands a record on; waits while its trail's spool is full. `false` where we are ending.
    async fn hand_on(&self, taken: Taken) -> bool {
        if taken.payload.is_empty() {
            return true;
        }
        let head = String::from_utf8_lossy(&taken.payload[..taken.payload.len().min(1024)]);
        let (envelope, _) = syslog::open(&head);
        let Some((_, to)) = self.to.iter().find(|(filter, _)| filter.wants(&envelope)) else {
            let before = self.unwanted.fetch_add(1, Ordering::Relaxed);
            // the first, and then ever more rarely
            if before.is_power_of_two() || before == 0 {
                let app = Shown(envelope.app.unwrap_or("none"));
                tracing::warn!("{}: {} records of no trail so far, the last of program {app}", self.from, before + 1);
            }
            return true;
        };
        to.send(taken).await
    }
}

/// From where is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<'a> {
    /// Sockets and the journal, for all trails.
    Everywhere {
        /// Whether to end with whoever holds the other end of our standard input.
        with_parent: bool,
    },
    /// Standard input, for this trail.
    Stdin(&'a str),
}

/// Receives what the configuration's trails ask for until it is told to end; with `stdin`, what is piped in for that trail, until
/// it ends. Before it takes anything in it gives up all that it does not need, if it is to `confine` itself.
///
/// # Errors
/// Nothing can be received, or nothing any more.
pub fn run(path: &Path, from: From<'_>, confine: bool) -> Result<(), ReceiveError> {
    let config = Config::read(path).map_err(ReceiveError::Config)?;
    let stdin = match from {
        From::Stdin(trail) => Some(trail),
        From::Everywhere { .. } => None,
    };
    let ending = Arc::new(Ending::default());
    let Opened { sockets, journals, spools } = open_soon(&config, stdin, &ending)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(io("starting the runtime"))?;
    let ended = runtime.block_on(async {
        let mut end = ToldToEnd::listen().map_err(io("listening to signals"))?;
        let mut hangup = signal(SignalKind::hangup()).map_err(io("listening to signals"))?;
        let mut tasks = tokio::task::JoinSet::new();
        if let From::Everywhere { with_parent: true } = from {
            tasks.spawn(parent());
        }
        sockets::start(sockets.into_values(), &mut tasks)?;
        if confine {
            let role = confine::Role::Receiver { journal: !journals.is_empty() };
            confine::give_up_all_but(role).map_err(|e| ReceiveError::Io(e.to_string()))?;
        }
        for journal in journals {
            tasks.spawn(journal.follow());
        }
        notify(&["READY=1"]);
        tracing::info!("receiving for {} trails", spools.len());
        tokio::select! {
            () = end.told() => Ok(()),
            () = changed(&mut hangup, &config) => {
                tracing::info!("what is to be received has changed: ending, to be started anew");
                Ok(())
            }
            Some(ended) = tasks.join_next() => match ended {
                Ok(ended) => ended,
                Err(e) => Err(ReceiveError::Io(format!("a defect: {e}"))),
            },
        }
    });
    notify(&["STOPPING=1"]);
    ending.tell();
    // the senders' ends of the channels go with the tasks: the spools write what they have, and end
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    for spool in spools {
        let _ = spool.join();
    }
    ended
}

/// Reads the configuration again at each SIGHUP; returns when something else is to be received than what is.
async fn changed(hangup: &mut Signal, config: &Config) {
    loop {
        if hangup.recv().await.is_none() {
            return std::future::pending().await;
        }
        match Config::read(&config.path) {
            Ok(new) if settings_digest(&new) != settings_digest(config) => return,
            Ok(_) => tracing::info!("the configuration was read again: nothing else is to be received"),
            Err(e) => tracing::error!("the configuration was not read again, the old one holds: {e}"),
        }
    }
}

/// Ends when whoever started us closes the other end of our standard input.
async fn parent() -> Result<(), ReceiveError> {
    use tokio::io::AsyncReadExt;
    let mut stdin = tokio::io::stdin();
    while stdin.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
    Ok(())
}

/// Opens what there is to open, and gives a receiver that is ending a moment for it.
fn open_soon(config: &Config, stdin: Option<&str>, ending: &Arc<Ending>) -> Result<Opened, ReceiveError> {
    let begun = std::time::Instant::now();
    loop {
        match open(config, stdin, ending) {
            Err(ReceiveError::Busy(_)) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            opened => return opened,
        }
    }
}

/// What was opened.
struct Opened {
    sockets: BTreeMap<Address, Routes>,
    journals: Vec<journal::Journal>,
    spools: Vec<std::thread::JoinHandle<()>>,
}

/// Opens the spools, each with a thread that writes it, and says which records go where.
fn open(config: &Config, stdin: Option<&str>, ending: &Arc<Ending>) -> Result<Opened, ReceiveError> {
    let mut opened = Opened { sockets: BTreeMap::new(), journals: Vec::new(), spools: Vec::new() };
    let limit = config.written.receiver.spool_bytes.unwrap_or(SPOOL_BYTES);
    let settings = settings_digest(config);
    for trail in &config.written.trail {
        let piped = trail.receive.contains(&Address::Stdin);
        if trail.receive.is_empty() || stdin.map_or(piped, |name| name != trail.name || !piped) {
            continue;
        }
        let dir = spool_dir(&config.written.state_dir, &trail.name);
        let what = format!("trail {}: spool {}", trail.name, dir.display());
        let spool = spool::Spool::open(&dir, limit).map_err(io(&what))?;
        let spool = spool.ok_or_else(|| ReceiveError::Busy(trail.name.clone()))?;
        let standing = Arc::new(standing::Standing::new(&dir, &settings));
        let mark = spool.mark().map(str::to_owned);
        let (sender, receiver) = mpsc::channel(QUEUE);
        let sender = Queue::new(sender);
        let thread = std::thread::Builder::new().name(format!("spool {}", trail.name));
        let (told, ending) = (standing.clone(), ending.clone());
        let thread = thread.spawn(move || spool.write(receiver, &what, &told, &ending));
        let thread = thread.map_err(io("starting a thread"))?;
        opened.spools.push(thread);
        let filter = Filter { apps: trail.apps.clone(), hosts: trail.hosts.clone() };
        let mut units = Vec::new();
        for from in &trail.receive {
            if let Address::Journal(unit) = from {
                units.push(unit.clone());
                continue;
            }
            let new = || Routes { from: from.clone(), to: Vec::new(), standings: Vec::new(), unwanted: Arc::default() };
            let routes = opened.sockets.entry(from.clone()).or_insert_with(new);
            routes.to.push((filter.clone(), sender.clone()));
            routes.standings.push(standing.clone());
        }
        if !units.is_empty() {
            let directory = config.written.receiver.journal_directory.clone();
            opened.journals.push(journal::Journal { units, mark, start: trail.start, directory, to: sender, standing });
        }
    }
    let nothing = opened.spools.is_empty();
    match stdin {
        Some(name) if nothing => Err(ReceiveError::Io(format!(
            "trail {name}: it is not received from standard input: write `receive = [\"stdin\"]` in its table"
        ))),
        None if nothing => Err(ReceiveError::Config(ConfigError(vec![format!(
            "{}: no trail is received over a socket or from the journal: nothing to do",
            config.path.display()
        )]))),
        _ => Ok(opened),
    }
}
