//! Sends finished syslog messages over UDP and TCP, from the runner, and says what became of each.
//!
//! TCP does not tell what the receiver has read. A message counts as sent when the connection has lived [`SETTLED`] longer
//! without an end or an error; when it breaks, all messages since the last settled one are said to have failed, and the
//! daemon sends them again. A receiver may so get one twice, with the same finding id, and loses none to a reset.
use super::settings::{SyslogTarget, Transport};
use super::wire::Reply;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, timeout};

/// How many messages of one target may be unanswered.
const UNANSWERED: usize = 256;
/// How long a connection may take to come about, and a message to be taken.
const BUDGET: Duration = Duration::from_secs(5);
/// How long a connection must live on for what was written on it to count as sent.
const SETTLED: Duration = Duration::from_secs(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// The targets of this runner.
pub struct Relays(BTreeMap<String, mpsc::Sender<(u64, String)>>);

impl Relays {
    /// Starts a task for each network target. Needs a tokio runtime.
    pub fn start(targets: BTreeMap<String, SyslogTarget>, replies: broadcast::Sender<Reply>) -> Relays {
        let network = targets.into_iter().filter(|(_, t)| t.transport != Transport::Unix);
        Relays(
            network
                .map(|(name, target)| {
                    let (to, messages) = mpsc::channel(UNANSWERED);
                    let says = Says { target: name.clone(), replies: replies.clone() };
                    tokio::spawn(async move {
                        match target.transport {
                            Transport::Tcp => tcp(&target.address, messages, says).await,
                            Transport::Udp | Transport::Unix => udp(&target.address, messages, says).await,
                        }
                    });
                    (name, to)
                })
                .collect(),
        )
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Takes a message, or answers at once why not.
    pub fn send(&self, target: String, seq: u64, message: String) -> Option<Reply> {
        let why = match self.0.get(&target) {
            None => format!("no syslog target {target:?} is configured for the runner"),
            Some(to) => match to.try_send((seq, message)) {
                Ok(()) => return None,
                Err(_) => format!("{UNANSWERED} messages wait for {target:?} already"),
            },
        };
        Some(Reply::Syslog { target, seq, failed: Some(why) })
    }
}

struct Says {
    target: String,
    replies: broadcast::Sender<Reply>,
}

impl Says {
    fn say(&self, seq: u64, failed: Option<String>) {
        // Nobody connected is nobody told: the daemon sends again what it has no answer for.
        let _ = self.replies.send(Reply::Syslog { target: self.target.clone(), seq, failed });
    }
}

async fn udp(address: &str, mut messages: mpsc::Receiver<(u64, String)>, says: Says) {
    // Ends when the runner does and drops the sender.
    while let Some((seq, message)) = messages.recv().await {
        let sent = match timeout(BUDGET, udp_once(address, &message)).await {
            Ok(sent) => sent,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        };
        says.say(seq, sent.err().map(|e| format!("cannot send to {address}: {e}")));
    }
}

async fn udp_once(address: &str, message: &str) -> std::io::Result<()> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for to in tokio::net::lookup_host(address).await? {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        match socket.send_to(message.as_bytes(), to).await {
            Ok(_) => return Ok(()),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// Octet counting: RFC 6587, 3.4.1.
fn counted(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

async fn tcp(address: &str, mut messages: mpsc::Receiver<(u64, String)>, says: Says) {
    // Ends when the runner does and drops the sender.
    while let Some(first) = messages.recv().await {
        let connected = match timeout(BUDGET, TcpStream::connect(address)).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        };
        let mut flight = Flight::default();
        let why = match connected {
            Ok(stream) => flight.until_it_breaks(stream, first, &mut messages, &says).await,
            Err(e) => {
                flight.unsettled.push_back((first.0, Instant::now()));
                Some(e.to_string())
            }
        };
        let ended = why.is_none();
        let why = why.unwrap_or_else(|| "its settings changed before it was sure to have arrived".into());
        let why = format!("syslog receiver at {address}: {why}");
        for (seq, _) in flight.unsettled {
            says.say(seq, Some(why.clone()));
        }
        // What waited for this connection waits no longer: the daemon knows best what to send first after the pause.
        while let Ok((seq, _)) = messages.try_recv() {
            says.say(seq, Some(why.clone()));
        }
        if ended {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What was written on one connection and is not settled yet, oldest first.
#[derive(Default)]
struct Flight {
    unsettled: VecDeque<(u64, Instant)>,
}

impl Flight {
    /// Writes messages until the connection breaks (why), or the runner ends (nothing).
    async fn until_it_breaks(
        &mut self,
        stream: TcpStream,
        first: (u64, String),
        messages: &mut mpsc::Receiver<(u64, String)>,
        says: &Says,
    ) -> Option<String> {
        let (mut from, mut to) = stream.into_split();
        let mut next = Some(first);
        let mut heard = [0; 64];
        loop {
            if let Some((seq, message)) = next.take() {
                self.unsettled.push_back((seq, Instant::now()));
                match timeout(BUDGET, to.write_all(&counted(&message))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(e)) => return Some(e.to_string()),
                    Err(_) => return Some("it takes no messages".into()),
                }
                if let Some(last) = self.unsettled.back_mut() {
                    last.1 = Instant::now();
                }
            }
            let settles = self.unsettled.front().map(|(_, written)| *written + SETTLED);
            tokio::select! {
                biased;
                read = from.read(&mut heard) => match read {
                    Ok(0) => return Some("it closed the connection".into()),
                    // Receivers say nothing in this protocol; what one says all the same is not for us.
                    Ok(_) => {}
                    Err(e) => return Some(e.to_string()),
                },
                () = at(settles) => self.settle(says),
                message = messages.recv(), if self.unsettled.len() < UNANSWERED => match message {
                    Some(message) => next = Some(message),
                    None => return None,
                },
            }
        }
    }

    fn settle(&mut self, says: &Says) {
        let now = Instant::now();
        while let Some((seq, _)) = self.unsettled.pop_front_if(|(_, written)| *written + SETTLED <= now) {
            says.say(seq, None);
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
