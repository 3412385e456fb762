//! A connection with a deadline, for the session stores: TCP, TLS over it, or a unix socket. No single call blocks past the
//! deadline, and so nothing that speaks over it can.
use super::trust::Trust;
use crate::respond::wire::Ending;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Where a store listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host and a port.
    Tcp(String, u16),
    /// An absolute path.
    Unix(String),
}

impl Place {
    /// # Errors
    /// `address` is neither `host:port` nor an absolute path.
    pub fn parse(address: &str) -> std::result::Result<Place, String> {
        if address.starts_with('/') {
            return Ok(Place::Unix(address.to_owned()));
        }
        let (host, port) = address.rsplit_once(':').unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match port.parse() {
            Ok(port) if !host.is_empty() => Ok(Place::Tcp(host.to_owned(), port)),
            _ => Err(format!("`address` is {address:?}; write host:port, or a socket's absolute path")),
        }
    }

    /// Whether what is said there stays on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Place::Unix(_) => true,
            Place::Tcp(host, _) => {
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

enum Line {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An open connection.
pub struct Stream {
    line: Line,
    until: Instant,
}

impl Stream {
    /// Connects to `place`, before `until`.
    pub fn connect(place: &Place, until: Instant) -> Result<Stream> {
        let line = match place {
            Place::Unix(path) => Line::Unix(UnixStream::connect(path)?),
            Place::Tcp(host, port) => Line::Tcp(tcp(host, *port, until)?),
        };
        Ok(Stream { line, until })
    }

    /// Goes on under TLS, and checks that the other side is `host`.
    pub fn secure(self, host: &str, trust: &Trust) -> Result<Stream> {
        let Line::Tcp(tcp) = self.line else {
            return Err(Error::new(ErrorKind::InvalidInput, "TLS is for TCP"));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|e| Error::new(ErrorKind::InvalidInput, e))?;
        let config = trust.client().map_err(Error::other)?;
        let client = ClientConnection::new(config, name).map_err(Error::other)?;
        let mut stream = Stream { line: Line::Tls(Box::new(StreamOwned::new(client, tcp))), until: self.until };
        // The handshake is done here, so that a failure of it is no failure of what is said afterwards.
        stream.limit()?;
        if let Line::Tls(tls) = &mut stream.line {
            while tls.conn.is_handshaking() {
                tls.conn.complete_io(&mut tls.sock)?;
            }
        }
        Ok(stream)
    }

    /// Sets what is left of the time as the limit of the next call.
    fn limit(&mut self) -> Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let left = Some(left.max(Duration::from_millis(1)));
        match &self.line {
            Line::Tcp(tcp) => tcp.set_read_timeout(left).and(tcp.set_write_timeout(left)),
            Line::Unix(unix) => unix.set_read_timeout(left).and(unix.set_write_timeout(left)),
            Line::Tls(tls) => tls.sock.set_read_timeout(left).and(tls.sock.set_write_timeout(left)),
        }
    }
}

/// What a connection that failed before anything was changed means: it may come back, unless the other side is not who it
/// should be.
pub fn unconnected(e: &Error) -> Ending {
    match e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        true => Ending::Permanent,
        false => Ending::Temporary,
    }
}

/// Tries the addresses of `host` in their order. Looking a name up has the resolver's own limits.
fn tcp(host: &str, port: u16, until: Instant) -> Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.limit()?;
        match &mut self.line {
            Line::Tcp(tcp) => tcp.read(buffer),
            Line::Unix(unix) => unix.read(buffer),
            Line::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.limit()?;
        match &mut self.line {
            Line::Tcp(tcp) => tcp.write(bytes),
            Line::Unix(unix) => unix.write(bytes),
            Line::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.limit()?;
        match &mut self.line {
            Line::Tcp(tcp) => tcp.flush(),
            Line::Unix(unix) => unix.flush(),
            Line::Tls(tls) => tls.flush(),
        }
    }
}
