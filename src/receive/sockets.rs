//! The sockets: those that systemd passed, else our own.
use super::share::{self, Connections, Seat, Socket};
use super::stream::{Kind, Messages, trimmed};
use super::{ReceiveError, Routes, Taken, io};
use crate::config::address::Address;
use crate::model::{FrameFlags, WallTime};
use rustix::fs::Mode;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, Interest};
use tokio::task::JoinSet;

/// The longest datagram.
const DATAGRAM_BYTES: usize = 64 << 10;

/// What a task ends with.
pub(super) type Ended = Result<(), ReceiveError>;

/// Opens every socket, and starts a task for each.
pub(super) fn start(ways: impl Iterator<Item = Routes>, tasks: &mut JoinSet<Ended>) -> Ended {
    let mut passed = Passed::take();
    let connections = Arc::new(Connections::default());
    let mut sockets = Vec::new();
    for routes in ways {
        let what = routes.from.to_string();
        let opened = |e| io(&what)(e);
        let shared = Shared { connections: connections.clone(), socket: Socket::new(&routes.from) };
        match routes.from.clone() {
            Address::Udp(at) => {
                let socket = passed.udp(at).map_err(opened)?;
                tasks.spawn(async move { udp(socket, routes).await.map_err(io(what)) });
            }
            Address::Tcp(at) => {
                let listener = passed.tcp(at).map_err(opened)?;
                sockets.push((shared.socket.clone(), routes.standings.clone()));
                tasks.spawn(async move { tcp(listener, routes, shared).await.map_err(io(what)) });
            }
            Address::UnixDatagram(path) => {
                let socket = passed.unix_datagram(&path).map_err(opened)?;
                tasks.spawn(async move { unix_datagram(socket, routes).await.map_err(io(what)) });
            }
            Address::Lines(path) => {
                let listener = passed.unix_stream(&path).map_err(opened)?;
                sockets.push((shared.socket.clone(), routes.standings.clone()));
                tasks.spawn(async move { unix_stream(listener, routes, shared).await.map_err(io(what)) });
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
    if !sockets.is_empty() {
        tasks.spawn(async move {
            connections.tell(sockets).await;
            Ok(())
        });
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
    Taken {
        received: now(),
        sender,
        flags: FrameFlags::default(),
        payload: trimmed(payload).to_vec(),
        mark: None,
        room: None,
    }
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
    // with each datagram the kernel says whose it is
    rustix::net::sockopt::set_socket_passcred(&socket, true)?;
    let mut bytes = vec![0; DATAGRAM_BYTES];
    loop {
        let received = socket.async_io(Interest::READABLE, || datagram_of(&socket, &mut bytes)).await;
        let (length, uid) = received?;
        let sender = uid.map_or("unixgram".to_owned(), |uid| format!("unix:uid={uid}"));
        if !routes.hand_on(taken(sender.into(), &bytes[..length])).await {
            return Ok(());
        }
    }
}

/// The next datagram: how long it is, and which user sent it. Descriptors that come with it are closed by the kernel, for want of room.
fn datagram_of(socket: &tokio::net::UnixDatagram, bytes: &mut [u8]) -> std::io::Result<(usize, Option<u32>)> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [std::io::IoSliceMut::new(bytes)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let uid = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(whose) => Some(whose.uid.as_raw()),
        _ => None,
    });
    Ok((received.bytes, uid))
}

/// A listening socket among those of the receiver.
struct Shared {
    connections: Arc<Connections>,
    socket: Arc<Socket>,
}

async fn tcp(listener: tokio::net::TcpListener, routes: Routes, shared: Shared) -> std::io::Result<()> {
    loop {
        let (stream, from) = next(|| listener.accept(), &routes.from).await;
        // one whose sender is gone without a word is noticed after some hours
        if let Err(e) = rustix::net::sockopt::set_socket_keepalive(&stream, true) {
            tracing::info!("{}: {e}", routes.from);
        }
        let entered = shared.connections.enter(&shared.socket, &share::sender(from.ip())).await;
        let Some(seat) = entered else { continue };
        let sender = format!("tcp:{}", from.ip().to_canonical());
        tokio::spawn(connection(stream, Kind::Syslog, sender, routes.clone(), seat));
    }
}

async fn unix_stream(listener: tokio::net::UnixListener, routes: Routes, shared: Shared) -> std::io::Result<()> {
    loop {
        let (stream, _) = next(|| listener.accept(), &routes.from).await;
        let sender = stream.peer_cred().map_or("unix".to_owned(), |peer| format!("unix:uid={}", peer.uid()));
        let Some(seat) = shared.connections.enter(&shared.socket, &sender).await else { continue };
        tokio::spawn(connection(stream, Kind::Lines, sender, routes.clone(), seat));
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

async fn connection(stream: impl AsyncRead + Unpin, kind: Kind, sender: String, routes: Routes, seat: Seat) {
    let said = sender.clone();
    if let Err(e) = take(Messages::of_one(stream, kind, seat), sender.into(), &routes).await {
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
        let taken = Taken { received: now(), sender: sender.clone(), flags, payload, mark: None, room: None };
        if !routes.hand_on(taken).await {
            break;
        }
    }
    Ok(())
}
