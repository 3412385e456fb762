//! What a service and systemd say to each other: readiness, watchdog, status, and the sockets that systemd passes.
use rustix::fs::Mode;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The longest status line, in bytes.
const STATUS_BYTES: usize = 1024;

/// Tells systemd `assignments` such as `READY=1` (sd_notify(3)). Does nothing where nobody listens, and never blocks
/// for long: the service must not hang because its supervisor does.
pub fn notify(assignments: &[&str]) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(e) = send(&address, &assignments.join("\n"))
    {
        tracing::debug!("systemd could not be told {assignments:?}: {e}");
    }
}

/// `STATUS=` with `text`, which `systemctl status` shows. A newline in it would begin another assignment.
/// It is cut: systemd leaves out a notification of more than 4,096 bytes.
pub fn status(text: &str) {
    let text = crate::model::Shown(text).to_string();
    notify(&[&format!("STATUS={}", crate::model::cut(&text, STATUS_BYTES))]);
}

fn send(address: &std::ffi::OsStr, text: &str) -> std::io::Result<()> {
    let bytes = address.as_encoded_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(address))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(Duration::from_millis(250)))?;
    socket.send_to_addr(text.as_bytes(), &address).map(drop)
}

/// When systemd wants to hear from us: three times in the interval that the unit sets, so that one may be late.
pub struct Watchdog(Option<tokio::time::Interval>);

impl Watchdog {
    /// As `WATCHDOG_USEC` says; one that is never due where it says nothing. Needs a tokio runtime.
    pub fn from_env() -> Watchdog {
        let set = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        // WATCHDOG_PID names the process that is meant, where it is set.
        let ours = set("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let every = set("WATCHDOG_USEC").filter(|usec| ours && *usec > 0);
        Watchdog(every.map(|usec| {
            let mut interval = tokio::time::interval(Duration::from_micros(usec.div_ceil(3)));
            // After a suspend one notification is due, not hundreds.
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            interval
        }))
    }

    /// Returns when it is time to send `WATCHDOG=1`; the caller sends it if it is well. Cancel-safe.
    pub async fn due(&mut self) {
        match &mut self.0 {
            Some(interval) => drop(interval.tick().await),
            None => std::future::pending().await,
        }
    }
}

/// The first unix stream socket that systemd passes (LISTEN_FDS), if it passes one. May be asked once in a process.
pub fn passed_listener() -> std::io::Result<Option<UnixListener>> {
    let mut passed = listenfd::ListenFd::from_env();
    match passed.len() {
        0 => Ok(None),
        _ => passed.take_unix_listener(0),
    }
}

/// Listens on a socket of our own at `path`, with mode 0600, in place of one that a dead process left there.
pub fn listen(path: &Path) -> std::io::Result<UnixListener> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => {
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "somebody listens there already"));
        }
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    listener
}

/// The directory that systemd made for this service's state (`StateDirectory=`).
pub fn state_directory() -> Option<PathBuf> {
    let paths = std::env::var_os("STATE_DIRECTORY")?;
    // Where a unit names several, they are separated by colons.
    let first = paths.as_encoded_bytes().split(|b| *b == b':').next()?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(first)))
}

/// That we are ending, for threads that wait for something else: a disk that is full, say.
#[derive(Debug, Default)]
pub struct Ending {
    told: Mutex<bool>,
    woken: Condvar,
}

impl Ending {
    /// Says it, to whoever waits and whoever will.
    pub fn tell(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_all();
    }

    /// Waits for `pause`, or until we are ending: whether we are.
    pub fn within(&self, pause: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.woken.wait_timeout_while(told, pause, |told| !*told);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Listens to SIGTERM and SIGINT from when it is made: a signal that comes before it is waited for is not lost.
pub struct ToldToEnd {
    term: Signal,
    int: Signal,
}

impl ToldToEnd {
    /// Begins to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// The operating system says no.
    pub fn listen() -> std::io::Result<ToldToEnd> {
        Ok(ToldToEnd { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Returns at the signal.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Returns at SIGTERM or SIGINT. Needs a tokio runtime.
pub async fn told_to_end() -> std::io::Result<()> {
    ToldToEnd::listen()?.told().await;
    Ok(())
}
