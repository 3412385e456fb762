//! The sockets: those that systemd passed, else our own.
use super::stream::{Kind, Messages, trimmed};
use super::{ReceiveError, Routes, Taken, io};
use crate::config::address::Address;
use crate::model::{FrameFlags, WallTime};
use rustix::fs::Mode;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncRead;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// How many connections one socket has at a time; further ones wait.
const CONNECTIONS: usize = 256;
/// How many of them one sender has at a time; further ones are closed, so that none takes the places of all others.
const OF_ONE: usize = CONNECTIONS / 4;
/// The longest datagram.
const DATAGRAM_BYTES: usize = 64 << 10;

/// What a task ends with.
pub(super) type Ended = Result<(), ReceiveError>;

/// Opens every socket, and starts a task for each.
pub(super) fn start(ways: impl Iterator<Item = Routes>, tasks: &mut JoinSet<Ended>) -> Ended {
    let mut passed = Passed::take();
    for routes in ways {
        let what = routes.from.to_string();
        let opened = |e| io(&what)(e);
        match routes.from.clone() {
            Address::Udp(at) => {
                let socket = passed.udp(at).map_err(opened)?;
                tasks.spawn(async move { udp(socket, routes).await.map_err(io(what)) });
            }
            Address::Tcp(at) => {
                let listener = passed.tcp(at).map_err(opened)?;
                tasks.spawn(async move { tcp(listener, routes).await.map_err(io(what)) });
            }
            Address::UnixDatagram(path) => {
                let socket = passed.unix_datagram(&path).map_err(opened)?;
                tasks.spawn(async move { unix_datagram(socket, routes).await.map_err(io(what)) });
            }
            Address::Lines(path) => {
                let listener = passed.unix_stream(&path).map_err(opened)?;
                tasks.spawn(async move { unix_stream(listener, routes).await.map_err(io(what)) });
            }
            Address::Stdin => {
                tasks.spawn(async move {
                    let messages = Messages::new(tokio::io::stdin(), Kind::Lines);
                    take(messages, "stdin".into(), &routes).await.map_err(io(what))
                });
            }
            // no socket: see `super::journal`
            Address::Journal(_) => {}
        }
    }
    Ok(())
}

/// The sockets that systemd passed (LISTEN_FDS), by kind; each goes to the address that it listens at.
#[derive(Default)]
struct Passed {
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
    unix_datagram: Vec<UnixDatagram>,
    unix_stream: Vec<UnixListener>,
}

impl Passed {
    fn take() -> Passed {
        let mut fds = listenfd::ListenFd::from_env();
        let mut passed = Passed::default();
        for n in 0..fds.len() {
            // a socket of another kind is left where it is, with an error
            passed.udp.extend(fds.take_udp_socket(n).ok().flatten());
            passed.tcp.extend(fds.take_tcp_listener(n).ok().flatten());
            passed.unix_datagram.extend(fds.take_unix_datagram(n).ok().flatten());
            passed.unix_stream.extend(fds.take_unix_listener(n).ok().flatten());
        }
        passed
    }

    fn udp(&mut self, at: SocketAddr) -> std::io::Result<tokio::net::UdpSocket> {
        let here = self.udp.iter().position(|s| s.local_addr().is_ok_and(|a| a == at));
        let socket = here.map_or_else(|| UdpSocket::bind(at), |n| Ok(self.udp.remove(n)))?;
        // a burst must fit while the spool is made durable; the kernel gives what it allows
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 8 << 20);
        socket.set_nonblocking(true)?;
        tokio::net::UdpSocket::from_std(socket)
    }

    fn tcp(&mut self, at: SocketAddr) -> std::io::Result<tokio::net::TcpListener> {
        let here = self.tcp.iter().position(|s| s.local_addr().is_ok_and(|a| a == at));
        let socket = here.map_or_else(|| TcpListener::bind(at), |n| Ok(self.tcp.remove(n)))?;
        socket.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(socket)
    }

    fn unix_datagram(&mut self, path: &Path) -> std::io::Result<tokio::net::UnixDatagram> {
        let is_at = |s: &UnixDatagram| s.local_addr().is_ok_and(|a| a.as_pathname() == Some(path));
        let socket = match self.unix_datagram.iter().position(is_at) {
            Some(n) => self.unix_datagram.remove(n),
            None => anybody_may_write(path, || UnixDatagram::bind(path))?,
        };
        socket.set_nonblocking(true)?;
        tokio::net::UnixDatagram::from_std(socket)
    }

    fn unix_stream(&mut self, path: &Path) -> std::io::Result<tokio::net::UnixListener> {
        let is_at = |s: &UnixListener| s.local_addr().is_ok_and(|a| a.as_pathname() == Some(path));
        let socket = match self.unix_stream.iter().position(is_at) {
            Some(n) => self.unix_stream.remove(n),
            None => anybody_may_write(path, || UnixListener::bind(path))?,
        };
        socket.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(socket)
    }
}

/// Binds a socket of our own at `path`, in place of one that a dead process left. Its directory says who may reach it.
fn anybody_may_write<T>(path: &Path, bind: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    use std::os::unix::fs::FileTypeExt;
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let before = rustix::process::umask(Mode::from_raw_mode(0o111));
    let bound = bind();
    rustix::process::umask(before);
    bound
}

fn now() -> WallTime {
    WallTime(jiff::Timestamp::now().as_millisecond())
}

fn taken(sender: Arc<str>, payload: &[u8]) -> Taken {
    Taken { received: now(), sender, flags: FrameFlags::default(), payload: trimmed(payload).to_vec(), mark: None }
}

async fn udp(socket: tokio::net::UdpSocket, routes: Routes) -> std::io::Result<()> {
    let mut bytes = vec![0; DATAGRAM_BYTES];
    loop {
        let (length, from) = socket.recv_from(&mut bytes).await?;
        let sender = format!("udp:{}", from.ip().to_canonical());
        if !routes.hand_on(taken(sender.into(), &bytes[..length])).await {
            return Ok(());
        }
    }
}

async fn unix_datagram(socket: tokio::net::UnixDatagram, routes: Routes) -> std::io::Result<()> {
    let mut bytes = vec![0; DATAGRAM_BYTES];
    let sender: Arc<str> = "unixgram".into();
    loop {
        let length = socket.recv(&mut bytes).await?;
        if !routes.hand_on(taken(sender.clone(), &bytes[..length])).await {
            return Ok(());
        }
    }
}

async fn tcp(listener: tokio::net::TcpListener, routes: Routes) -> std::io::Result<()> {
    let room = Room::default();
    loop {
        let Some(place) = room.wait(&routes.from).await else { return Ok(()) };
        let (stream, from) = next(|| listener.accept(), &routes.from).await;
        // one whose sender is gone without a word gives its place up after some hours
        if let Err(e) = rustix::net::sockopt::set_socket_keepalive(&stream, true) {
            tracing::info!("{}: {e}", routes.from);
        }
        let sender = format!("tcp:{}", from.ip().to_canonical());
        let Some(place) = room.enter(place, &sender, &routes.from) else { continue };
        let routes = routes.clone();
        tokio::spawn(async move {
            connection(stream, Kind::Syslog, sender, routes).await;
            drop(place);
        });
    }
}

async fn unix_stream(listener: tokio::net::UnixListener, routes: Routes) -> std::io::Result<()> {
    let room = Room::default();
    loop {
        let Some(place) = room.wait(&routes.from).await else { return Ok(()) };
        let (stream, _) = next(|| listener.accept(), &routes.from).await;
        let sender = stream.peer_cred().map_or("unix".to_owned(), |peer| format!("unix:uid={}", peer.uid()));
        let Some(place) = room.enter(place, &sender, &routes.from) else { continue };
        let routes = routes.clone();
        tokio::spawn(async move {
            connection(stream, Kind::Lines, sender, routes).await;
            drop(place);
        });
    }
}

/// The connections of one socket.
struct Room {
    places: Arc<Semaphore>,
    /// How many each sender has.
    senders: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// The place of one connection; dropped, it is free again.
struct Place {
    _place: OwnedSemaphorePermit,
    sender: String,
    senders: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Default for Room {
    fn default() -> Room {
        Room { places: Arc::new(Semaphore::new(CONNECTIONS)), senders: Arc::default() }
    }
}

impl Room {
    /// Waits for a place. None: nothing is received any more.
    async fn wait(&self, from: &Address) -> Option<OwnedSemaphorePermit> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        if self.places.available_permits() == 0 {
            tracing::warn!(
                "{from}: {CONNECTIONS} connections, the most there may be: further senders wait until one ends"
            );
        }
        Some(place)
    }

    /// Gives the place to a sender, unless it has too many already.
    fn enter(&self, place: OwnedSemaphorePermit, sender: &str, from: &Address) -> Option<Place> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let count = senders.entry(sender.to_owned()).or_default();
        if *count >= OF_ONE {
            tracing::warn!(
                "{from}: {sender} has {OF_ONE} connections, the most that one sender may have: one more is closed"
            );
            return None;
        }
        *count += 1;
        Some(Place { _place: place, sender: sender.to_owned(), senders: self.senders.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = senders.get_mut(&self.sender) {
            *count -= 1;
            if *count == 0 {
                senders.remove(&self.sender);
            }
        }
    }
}

/// The next connection. One that was gone before it was accepted, and descriptors that are used up, end no listener.
async fn next<T, F: Future<Output = std::io::Result<T>>>(accept: impl Fn() -> F, from: &Address) -> T {
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(e) => {
                tracing::warn!("{from}: {e}");
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        }
    }
}

async fn connection(stream: impl AsyncRead + Unpin, kind: Kind, sender: String, routes: Routes) {
    let said = sender.clone();
    if let Err(e) = take(Messages::new(stream, kind), sender.into(), &routes).await {
        tracing::info!("{}: {said}: {e}: what came before it is kept", routes.from);
    }
}

/// Hands on the messages of one stream until it ends.
async fn take(
    mut messages: Messages<impl AsyncRead + Unpin>,
    sender: Arc<str>,
    routes: &Routes,
) -> std::io::Result<()> {
    while let Some((payload, flags)) = messages.next().await? {
        let taken = Taken { received: now(), sender: sender.clone(), flags, payload, mark: None };
        if !routes.hand_on(taken).await {
            break;
        }
    }
    Ok(())
}
