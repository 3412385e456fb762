//! The daemon's end of the runner's socket: starts the runner or finds it, says hello, and carries requests and replies.
//!
//! The client keeps nothing. A request that is not answered when the connection ends may or may not have been heard: after
//! the next [`RunnerEvent::Connected`] the daemon asks for every order that is started in its ledger, and sends every
//! message of its outbox that has no answer once more.
use super::wire::{self, Reply, Request, VERSION, WireError};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// How many requests and how many events may wait.
const QUEUE: usize = 256;
/// The first and the longest pause between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How long the runner may take to say hello, and to take a frame.
const BUDGET: Duration = Duration::from_secs(5);

/// Where the runner is.
#[derive(Debug)]
pub enum RunnerLink {
    /// At a socket: connected to again and again.
    Path(PathBuf),
    /// At the other end of a socket pair: when that ends, it is over.
    Pair(std::os::unix::net::UnixStream),
}

/// What the daemon learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunnerEvent {
    /// There is a runner, and it speaks our version. Said again when it has read its configuration again.
    Connected {
        /// The actions that it can run.
        actions: Vec<String>,
        /// The actions that it cannot run, with the reason.
        refused: Vec<(String, String)>,
        /// The outlets that it serves, by the names of their tables.
        outlets: Vec<String>,
    },
    /// There is none, and why. Said once until there is one again.
    Disconnected(String),
    /// It answered. Replies may concern orders that were not asked for on this connection.
    Reply(Reply),
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no runner now. Wait for [`RunnerEvent::Connected`].
    Disconnected,
    /// Too many requests wait. Wait for replies.
    Full,
    /// The request is longer than a frame: it can never be sent.
    TooLong,
}

impl std::fmt::Display for NotTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NotTaken::Disconnected => "the runner is not connected",
            NotTaken::Full => "too many requests wait for the runner",
            NotTaken::TooLong => "the request is longer than the runner takes",
        })
    }
}

impl std::error::Error for NotTaken {}

/// Hands requests to the runner. The connection lives as long as this and the events' receiver do.
#[derive(Clone, Debug)]
pub struct RunnerClient {
    frames: mpsc::Sender<Vec<u8>>,
    connected: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl RunnerClient {
    /// Begins to connect. Needs a tokio runtime. The events must be read: a full queue holds up the connection.
    pub fn start(link: RunnerLink) -> (RunnerClient, mpsc::Receiver<RunnerEvent>) {
        let (frames, queue) = mpsc::channel(QUEUE);
        let (events, heard) = mpsc::channel(QUEUE);
        let connected = std::sync::Arc::default();
        let client = RunnerClient { frames, connected };
        let connection = Connection { queue, events, connected: client.connected.clone() };
        tokio::spawn(connection.keep(link));
        (client, heard)
    }

    /// Hands `request` over. Never waits. That it was taken does not mean that it was heard.
    pub fn send(&self, request: &Request) -> Result<(), NotTaken> {
        let frame = wire::frame(request).map_err(|_| NotTaken::TooLong)?;
        if !self.connected.load(std::sync::atomic::Ordering::Acquire) {
            return Err(NotTaken::Disconnected);
        }
        self.frames.try_send(frame).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => NotTaken::Full,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Disconnected,
        })
    }
}

struct Connection {
    queue: mpsc::Receiver<Vec<u8>>,
    events: mpsc::Sender<RunnerEvent>,
    connected: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

/// Nobody listens to the events any more.
struct Unheard;

impl Connection {
    async fn keep(mut self, link: RunnerLink) {
        // Ends when nobody listens any more, or where there is nothing to connect to again.
        let _ = match link {
            RunnerLink::Pair(stream) => self.pair(stream).await,
            RunnerLink::Path(path) => self.again_and_again(&path).await,
        };
    }

    async fn pair(&mut self, stream: std::os::unix::net::UnixStream) -> Result<(), Unheard> {
        let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
        let why = match stream {
            Ok(stream) => self.converse(stream).await?,
            Err(e) => WireError::Broken(e),
        };
        self.say(RunnerEvent::Disconnected(format!(
            "the runner that this daemon started is gone ({why}), and it has given up the right to start another: restart tripline"
        ))).await
    }

    async fn again_and_again(&mut self, path: &Path) -> Result<(), Unheard> {
        let (mut pause, mut told) = (PAUSES.0, false);
        loop {
            let why = match UnixStream::connect(path).await {
                Ok(stream) => {
                    let begun = tokio::time::Instant::now();
                    let why = self.converse(stream).await?;
                    // A conversation that lasted was one; else the pauses go on growing.
                    if begun.elapsed() > PAUSES.1 {
                        pause = PAUSES.0;
                    }
                    told = false;
                    why.to_string()
                }
                Err(e) => e.to_string(),
            };
            if !std::mem::replace(&mut told, true) {
                let why = format!("no runner at {}: {why}", path.display());
                self.say(RunnerEvent::Disconnected(why)).await?;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.events.closed() => return Err(Unheard),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn say(&self, event: RunnerEvent) -> Result<(), Unheard> {
        self.events.send(event).await.map_err(|_| Unheard)
    }

    /// Talks until the connection ends, and says why it did.
    async fn converse(&mut self, stream: UnixStream) -> Result<WireError, Unheard> {
        let (from, mut to) = stream.into_split();
        let mut from = BufReader::new(from);
        let mut part = Vec::new();
        let hello = match greet(&mut from, &mut to, &mut part).await {
            Ok(hello) => hello,
            Err(e) => return Ok(e),
        };
        // Requests of an earlier connection were answered by its end.
        while self.queue.try_recv().is_ok() {}
        self.connected.store(true, std::sync::atomic::Ordering::Release);
        let ended = self.exchange(hello, &mut from, &mut to, &mut part).await;
        self.connected.store(false, std::sync::atomic::Ordering::Release);
        ended
    }

    async fn exchange(
        &mut self,
        hello: RunnerEvent,
        from: &mut (impl tokio::io::AsyncBufRead + Unpin),
        to: &mut (impl AsyncWriteExt + Unpin),
        part: &mut Vec<u8>,
    ) -> Result<WireError, Unheard> {
        self.say(hello).await?;
        loop {
            tokio::select! {
                frame = self.queue.recv() => match frame {
                    Some(frame) => if let Err(e) = write(to, &frame).await { return Ok(e) },
                    None => return Err(Unheard),
                },
                reply = wire::next_frame::<Reply>(from, part) => match reply {
                    Ok(Some(Reply::Error { message })) => return Ok(refused(message)),
                    // Its configuration was read again.
                    Ok(Some(Reply::Hello { actions, refused, outlets, .. })) => {
                        self.say(RunnerEvent::Connected { actions, refused, outlets }).await?;
                    }
                    Ok(Some(reply)) => self.say(RunnerEvent::Reply(reply)).await?,
                    Ok(None) => return Ok(WireError::Broken(std::io::ErrorKind::UnexpectedEof.into())),
                    Err(e) => return Ok(e),
                },
                () = self.events.closed() => return Err(Unheard),
            }
        }
    }
}

fn refused(message: String) -> WireError {
    WireError::Broken(std::io::Error::other(format!("the runner said: {message}")))
}

async fn write(to: &mut (impl AsyncWriteExt + Unpin), frame: &[u8]) -> Result<(), WireError> {
    match tokio::time::timeout(BUDGET, to.write_all(frame)).await {
        Ok(written) => written.map_err(WireError::Broken),
        Err(_) => Err(WireError::Broken(std::io::ErrorKind::TimedOut.into())),
    }
}

async fn greet(
    from: &mut (impl tokio::io::AsyncBufRead + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    part: &mut Vec<u8>,
) -> Result<RunnerEvent, WireError> {
    write(to, &wire::frame(&Request::Hello { version: VERSION })?).await?;
    let greeting = async {
        // What is said about orders goes to every connection and may come first; the daemon asks for them anyway.
        loop {
            match wire::next_frame::<Reply>(from, part).await? {
                Some(Reply::Hello { version: VERSION, actions, refused, outlets }) => {
                    return Ok(RunnerEvent::Connected { actions, refused, outlets });
                }
                Some(Reply::Hello { version, .. }) => {
                    return Err(refused(format!("I speak version {version}")));
                }
                Some(Reply::Error { message }) => return Err(refused(message)),
                Some(_) => {}
                None => return Err(WireError::Broken(std::io::ErrorKind::UnexpectedEof.into())),
            }
        }
    };
    match tokio::time::timeout(BUDGET, greeting).await {
        Ok(greeted) => greeted,
        Err(_) => Err(WireError::Broken(std::io::ErrorKind::TimedOut.into())),
    }
}

/// A runner that the daemon started. It ends by itself when the daemon's end of the pair is closed.
#[derive(Debug)]
pub struct RunnerProcess(Child);

impl RunnerProcess {
    /// Starts `program` with `arguments` and one end of a socket pair as its standard input; gives the other end.
    ///
    /// It leads a process group of its own: Ctrl-C on the daemon's terminal must not end the runner in the middle of a hook.
    pub fn spawn(
        program: &Path,
        arguments: &[&std::ffi::OsStr],
    ) -> std::io::Result<(RunnerProcess, std::os::unix::net::UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .process_group(0)
            // They are addressed to the daemon alone.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("LISTEN_FDS")
            .spawn()?;
        Ok((RunnerProcess(child), ours))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> std::io::Result<Option<std::process::ExitStatus>> {
        self.0.try_wait()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Has it read its configuration again (SIGHUP); [`RunnerEvent::Connected`] says what it can run then.
    pub fn reload(&self) -> std::io::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.0);
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::HUP)?)
    }

    /// Waits until it has ended. Close the socket first.
    pub fn wait(&mut self) -> std::io::Result<std::process::ExitStatus> {
        self.0.wait()
    }
}
