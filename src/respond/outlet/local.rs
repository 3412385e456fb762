//! Sends syslog messages to a unix datagram socket of this machine, from the daemon, within a budget of time.
//!
//! A receiver that is restarted leaves a connected socket with ECONNREFUSED or ENOTCONN for ever, and one that is full
//! blocks after some ten messages. Therefore: one message gets [`BUDGET`]; after a failure the socket is thrown away, and
//! a new one is tried after a pause that grows. The outbox row is the truth: what failed is sent again.
use super::Form;
use super::syslog::{Message, Sender};
use crate::model::limits::{SYSLOG_LOCAL_BYTES, SYSLOG_UDP_BYTES};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::time::Instant;

/// How long one message may take.
pub const BUDGET: Duration = Duration::from_millis(250);
/// The first and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// The lengths that are tried, in bytes: a datagram socket may take less than a receiver would.
const LENGTHS: [usize; 3] = [SYSLOG_LOCAL_BYTES, SYSLOG_UDP_BYTES, super::syslog::SHORTEST_LIMIT];

/// Why a message was not sent. It must be sent again.
#[derive(Debug)]
pub enum LocalError {
    /// After a failure it is too early to try again.
    Pausing(Duration),
    /// The receiver took nothing within [`BUDGET`].
    Stalled(PathBuf),
    /// The socket cannot be made, reached or written.
    Io(PathBuf, std::io::Error),
}

impl std::fmt::Display for LocalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LocalError::Pausing(left) => {
                write!(f, "syslog is tried again in {} ms", left.as_millis())
            }
            LocalError::Stalled(path) => {
                write!(f, "the syslog receiver at {} takes no messages: is it running?", path.display())
            }
            LocalError::Io(path, e) => write!(f, "cannot send syslog to {}: {e}", path.display()),
        }
    }
}

impl std::error::Error for LocalError {}

/// One unix target.
#[derive(Debug)]
pub struct LocalSyslog {
    path: PathBuf,
    form: Form,
    facility: syslog::Facility,
    sender: Sender,
    socket: Option<UnixDatagram>,
    pause: Duration,
    not_before: Option<Instant>,
}

impl LocalSyslog {
    /// A target at `path`. Nothing is opened yet.
    pub fn new(path: &Path, form: Form, facility: syslog::Facility, sender: Sender) -> LocalSyslog {
        LocalSyslog { path: path.into(), form, facility, sender, socket: None, pause: PAUSES.0, not_before: None }
    }

    /// Sends `message`, cut as short as the socket demands. Takes at most [`BUDGET`].
    pub async fn send(&mut self, message: &Message) -> Result<(), LocalError> {
        let now = Instant::now();
        if let Some(left) = self.not_before.and_then(|at| at.checked_duration_since(now))
            && !left.is_zero()
        {
            return Err(LocalError::Pausing(left));
        }
        let sent = match tokio::time::timeout(BUDGET, self.try_send(message)).await {
            Ok(sent) => sent.map_err(|e| LocalError::Io(self.path.clone(), e)),
            Err(_) => Err(LocalError::Stalled(self.path.clone())),
        };
        match sent {
            Ok(()) => (self.pause, self.not_before) = (PAUSES.0, None),
            Err(_) => {
                self.socket = None;
                self.not_before = Some(now + self.pause);
                self.pause = (self.pause * 2).min(PAUSES.1);
            }
        }
        sent
    }

    async fn try_send(&mut self, message: &Message) -> std::io::Result<()> {
        let fresh = self.socket.is_none();
        match self.send_once(message).await {
            // The receiver was restarted: the socket is of no more use, a new one may be.
            Err(e) if !fresh && e.raw_os_error() != Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => {
                self.socket = None;
                self.send_once(message).await
            }
            sent => sent,
        }
    }

    async fn send_once(&mut self, message: &Message) -> std::io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(&self.path)?;
                none.insert(socket)
            }
        };
        let mut sent = Err(std::io::ErrorKind::InvalidInput.into());
        for length in LENGTHS {
            sent = socket.send(message.render(self.form, &self.sender, self.facility, length).as_bytes()).await;
            let too_long = |e: &std::io::Error| e.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
            if !sent.as_ref().is_err_and(too_long) {
                break;
            }
        }
        sent.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Order, OrderId, OrderState, Severity, TargetKind, WallTime};

    #[tokio::test]
    async fn o97_a_socket_that_takes_less_gets_less() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let mut target = LocalSyslog::new(&path, Form::Rfc5424, syslog::Facility::LOG_USER, Sender::new("host", 1));
        let small = UnixDatagram::unbound().unwrap();
        // The kernel raises this to its least, 4,608 bytes, and takes datagrams somewhat shorter than that.
        rustix::net::sockopt::set_socket_send_buffer_size(&small, 1).unwrap();
        small.connect(&path).unwrap();
        target.socket = Some(small);
        let message = Message::order(&order("n".repeat(20_000)), Severity::High);
        assert!(message.render(Form::Rfc5424, &target.sender, target.facility, SYSLOG_LOCAL_BYTES).len() > 4608);
        target.send(&message).await.unwrap();
        let mut buffer = [0; 9000];
        let n = receiver.recv(&mut buffer).await.unwrap();
        let text = std::str::from_utf8(&buffer[..n]).unwrap();
        assert!((SYSLOG_UDP_BYTES / 2..=SYSLOG_UDP_BYTES).contains(&n), "{n}");
        assert!(
            text.contains("id=\"0d0d") && text.contains("severity=\"high\"") && text.contains("truncated=\"true\"")
        );
    }

    fn order(note: String) -> Order {
        Order {
            mode: crate::model::Mode::Enforce,
            state: OrderState::Failed,
            note: Some(note.into()),
            ..Order::blank(OrderId([0x0d; 16]), "end-session", TargetKind::Session, WallTime(0))
        }
    }
}
