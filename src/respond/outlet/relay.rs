//! Sends finished messages over the network, from the runner, and says what became of each.
//!
//! TCP does not tell what the receiver has read, and syslog has no answer that would. A message is said to be sent when the
//! connection has lived [`SETTLED`] longer without an end or an error; when it breaks, all messages since the last settled
//! one are said to have failed, and the daemon sends them again. What had settled, but may have lain unread in the receiver's
//! buffers, is kept ([`Kept`]) and written once more when a connection is reset, which is what the system of a receiver does
//! that dies with something unread. A receiver may so get a message twice, with the same id, and loses none to a reset.
use super::webhook::Webhook;
use super::{SyslogTarget, Target, Transport};
use crate::respond::net::trust::Trust;
use crate::respond::wire::{Outcome, Reply};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, timeout};

/// How many messages of one target may be unanswered.
const UNANSWERED: usize = 256;
/// How long a connection may take to come about.
const BUDGET: Duration = Duration::from_secs(5);
/// How long a receiver that takes nothing is waited for. To give up earlier would cut a message in two for nothing.
const STALLED: Duration = Duration::from_secs(60);
/// How long a connection must live on for what was written on it to count as sent.
const SETTLED: Duration = Duration::from_secs(1);
/// How long the system may take to tell that nobody listens for datagrams.
const UNHEARD: Duration = Duration::from_millis(10);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// What may lie unread in the buffers of a receiver, in bytes: Linux lets them grow to 6 MiB only while they are read.
const UNREAD: usize = 4 << 20;

/// The outlets of this runner.
pub struct Relays(BTreeMap<String, mpsc::Sender<(u64, String)>>);

impl Relays {
    /// Starts a task, or a thread, for each outlet. Needs a tokio runtime.
    pub fn start(targets: BTreeMap<String, Target>, replies: broadcast::Sender<Reply>) -> Relays {
        let started = targets.into_iter().filter_map(|(name, target)| {
            let (to, messages) = mpsc::channel(UNANSWERED);
            let says = Says { outlet: name.clone(), replies: replies.clone() };
            match target {
                Target::Syslog(target) => drop(tokio::spawn(syslog(target, messages, says))),
                Target::Webhook(target) => drop(std::thread::spawn(move || webhooks(target.compile(), messages, says))),
                Target::Ocsf(_) | Target::Checkpoints(_) => return None,
            }
            Some((name, to))
        });
        Relays(started.collect())
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Takes a message, or answers at once why not.
    pub fn send(&self, outlet: String, seq: u64, message: String) -> Option<Reply> {
        let why = match self.0.get(&outlet) {
            None => format!("no outlet {outlet:?} is configured for the runner"),
            Some(to) => match to.try_send((seq, message)) {
                Ok(()) => return None,
                Err(_) => format!("{UNANSWERED} messages wait for {outlet:?} already"),
            },
        };
        Some(Reply::Sent { outlet, seq, outcome: Outcome::Failed(why), wait_seconds: None })
    }
}

type Messages = mpsc::Receiver<(u64, String)>;

struct Says {
    outlet: String,
    replies: broadcast::Sender<Reply>,
}

impl Says {
    fn say(&self, seq: u64, outcome: Outcome, wait: Option<Duration>) {
        let (outlet, wait_seconds) = (self.outlet.clone(), wait.map(|wait| wait.as_secs()));
        // Nobody connected is nobody told: the daemon sends again what it has no answer for.
        let _ = self.replies.send(Reply::Sent { outlet, seq, outcome, wait_seconds });
    }

    fn failed(&self, seq: u64, why: &str) {
        self.say(seq, Outcome::Failed(why.to_owned()), None);
    }
}

/// Ends when the runner does, or reads its configuration again, and drops the sender.
fn webhooks(target: Result<Webhook, String>, mut messages: Messages, says: Says) {
    let mut target = target.and_then(|mut target| target.settle().map(|()| target));
    let (mut last, mut tries) = (None, 0);
    while let Some((seq, message)) = messages.blocking_recv() {
        tries = if last == Some(seq) { tries + 1 } else { 1 };
        last = Some(seq);
        match &mut target {
            Ok(target) => {
                let (outcome, wait) = target.send(&message, tries);
                says.say(seq, outcome, wait);
            }
            Err(why) => says.failed(seq, why),
        }
    }
}

/// Ends when the runner does, or reads its configuration again, and drops the sender.
async fn syslog(target: SyslogTarget, messages: Messages, says: Says) {
    match target.transport {
        Transport::Udp | Transport::Unix => udp(&target.address, messages, says).await,
        Transport::Tcp | Transport::Tls => stream(&target, messages, says).await,
    }
}

async fn udp(address: &str, mut messages: Messages, says: Says) {
    let mut socket = None;
    while let Some((seq, message)) = messages.recv().await {
        let sent = match timeout(BUDGET, udp_once(address, &mut socket, &message)).await {
            Ok(sent) => sent,
            Err(_) => Err(ErrorKind::TimedOut.into()),
        };
        match sent {
            Ok(()) => says.say(seq, Outcome::Sent, None),
            Err(e) => {
                socket = None;
                says.failed(seq, &format!("cannot send to {address}: {e}"));
            }
        }
    }
}

/// The socket is connected, so that the system tells us when nobody listens there.
async fn udp_once(address: &str, kept: &mut Option<UdpSocket>, message: &str) -> std::io::Result<()> {
    let socket = match kept {
        Some(socket) => socket,
        none => none.insert(udp_to(address).await?),
    };
    socket.send(message.as_bytes()).await?;
    tokio::time::sleep(UNHEARD).await;
    socket.take_error()?.map_or(Ok(()), Err)
}

async fn udp_to(address: &str) -> std::io::Result<UdpSocket> {
    let mut last = std::io::Error::from(ErrorKind::NotFound);
    for to in tokio::net::lookup_host(address).await? {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        match socket.connect(to).await {
            Ok(()) => return Ok(socket),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// Octet counting: RFC 6587, 3.4.1, and RFC 5425, 4.3.
fn counted(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

async fn stream(target: &SyslogTarget, mut messages: Messages, says: Says) {
    let mut kept = Kept::default();
    while let Some(first) = messages.recv().await {
        let mut flight = Flight::default();
        let broke = match connect(target).await {
            Ok(Line::Plain(stream)) => flight.until_it_breaks(stream, first, &mut messages, (&says, &mut kept)).await,
            Ok(Line::Tls(stream)) => flight.until_it_breaks(*stream, first, &mut messages, (&says, &mut kept)).await,
            Err(why) => {
                flight.push(first.0, first.1);
                Broke::Reset(why)
            }
        };
        let why = match &broke {
            Broke::Closed => "it closed the connection",
            Broke::Reset(why) => why,
            Broke::Ended => "its settings changed before it was sure to have arrived",
        };
        let why = format!("syslog receiver at {}: {why}", target.address);
        flight.unsettled.iter().for_each(|written| says.failed(written.seq, &why));
        match broke {
            Broke::Ended => return,
            // It had read everything, or its system would have reset the connection.
            Broke::Closed => kept = Kept::default(),
            Broke::Reset(_) => {}
        }
        // The daemon knows best what to send first after the pause.
        let _ = timeout(PAUSE, async {
            while let Some((seq, _)) = messages.recv().await {
                says.failed(seq, &why);
            }
        })
        .await;
    }
}

enum Line {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn connect(target: &SyslogTarget) -> Result<Line, String> {
    // Read anew each time: a certificate that was renewed holds from the next connection on.
    let tls = (target.transport == Transport::Tls).then(|| tls(target)).transpose()?;
    let connecting = async {
        let stream = TcpStream::connect(&target.address).await?;
        let Some(config) = tls else { return Ok(Line::Plain(stream)) };
        let name = ServerName::try_from(target.server_name().to_owned()).map_err(std::io::Error::other)?;
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
        Ok(Line::Tls(Box::new(stream)))
    };
    match timeout(BUDGET, connecting).await {
        Ok(connected) => connected.map_err(|e: std::io::Error| e.to_string()),
        Err(_) => Err(format!("no connection within {} s", BUDGET.as_secs())),
    }
}

fn tls(target: &SyslogTarget) -> Result<Arc<ClientConfig>, String> {
    let mut trust = Trust::new(target.ca_file.as_deref())?;
    trust.settle()?;
    match target.identity()? {
        Some((certificates, key)) => trust.client_as(&certificates, &key.read()?),
        None => trust.client(),
    }
}

/// How a connection ended.
enum Broke {
    /// The receiver closed it, having read everything.
    Closed,
    /// Something else: what lay unread is lost.
    Reset(String),
    /// We did: nobody has anything more to send.
    Ended,
}

/// What had settled, the last of it, oldest first.
#[derive(Default)]
struct Kept {
    messages: VecDeque<String>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, message: String) {
        self.bytes += message.len();
        self.messages.push_back(message);
        while self.bytes > UNREAD {
            self.bytes -= self.messages.pop_front().map_or(self.bytes, |oldest| oldest.len());
        }
    }
}

struct Written {
    seq: u64,
    message: String,
    at: Instant,
}

/// What was written on one connection and is not settled yet, oldest first.
#[derive(Default)]
struct Flight {
    unsettled: VecDeque<Written>,
}

impl Flight {
    fn push(&mut self, seq: u64, message: String) {
        self.unsettled.push_back(Written { seq, message, at: Instant::now() });
    }

    /// The last one has been written whole.
    fn written_now(&mut self) {
        if let Some(last) = self.unsettled.back_mut() {
            last.at = Instant::now();
        }
    }

    /// Writes messages until the connection breaks, or the runner ends.
    async fn until_it_breaks(
        &mut self,
        stream: impl AsyncRead + AsyncWrite,
        first: (u64, String),
        messages: &mut Messages,
        (says, kept): (&Says, &mut Kept),
    ) -> Broke {
        let (mut from, mut to) = tokio::io::split(stream);
        let mut heard = [0; 64];
        self.push(first.0, first.1);
        for message in kept.messages.iter().chain(self.unsettled.iter().map(|w| &w.message)) {
            if let Err(why) = write(&mut to, message).await {
                return Broke::Reset(why);
            }
        }
        self.written_now();
        loop {
            let settles = self.unsettled.front().map(|written| written.at + SETTLED);
            tokio::select! {
                biased;
                read = from.read(&mut heard) => match read {
                    Ok(0) => return Broke::Closed,
                    // Receivers say nothing in this protocol; what one says all the same is not for us.
                    Ok(_) => {}
                    // Closed, without the word by which TLS tells that from a cut.
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Broke::Closed,
                    Err(e) => return Broke::Reset(e.to_string()),
                },
                () = at(settles) => self.settle(says, kept),
                message = messages.recv(), if self.unsettled.len() < UNANSWERED => match message {
                    Some((seq, message)) => {
                        self.push(seq, message);
                        let message = self.unsettled.back().map_or("", |w| &w.message);
                        if let Err(why) = write(&mut to, message).await {
                            return Broke::Reset(why);
                        }
                        self.written_now();
                    }
                    None => {
                        let _ = timeout(BUDGET, to.shutdown()).await;
                        return Broke::Ended;
                    }
                },
            }
        }
    }

    fn settle(&mut self, says: &Says, kept: &mut Kept) {
        let now = Instant::now();
        while let Some(written) = self.unsettled.pop_front_if(|written| written.at + SETTLED <= now) {
            says.say(written.seq, Outcome::Sent, None);
            kept.push(written.message);
        }
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), message: &str) -> Result<(), String> {
    let bytes = counted(message);
    let writing = async {
        to.write_all(&bytes).await?;
        to.flush().await
    };
    match timeout(STALLED, writing).await {
        Ok(written) => written.map_err(|e| e.to_string()),
        Err(_) => Err(format!("it took nothing for {} s", STALLED.as_secs())),
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
