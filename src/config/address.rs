//! Where a trail's records are received: what stands in `receive`.
use crate::normalise::Sender;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// `udp:ADDR:PORT`: syslog datagrams (RFC 5426).
    Udp(SocketAddr),
    /// `tcp:ADDR:PORT`: syslog with octet counting, or a message a line (RFC 6587).
    Tcp(SocketAddr),
    /// `unixgram:PATH`: syslog datagrams of this machine's programs.
    UnixDatagram(PathBuf),
    /// `lines:PATH`: a unix stream socket for shippers, a record a line.
    Lines(PathBuf),
    /// `journal:UNIT`: what a unit writes to the systemd journal. `journal:FIELD=VALUE` for any other match.
    Journal(String),
    /// `stdin`: what is piped into `tripline receive --stdin NAME`.
    Stdin,
}

impl Address {
    /// The unit, or the match, of the journal.
    pub fn unit(&self) -> Option<&str> {
        match self {
            Address::Journal(unit) => Some(unit),
            _ => None,
        }
    }

    /// Whether `senders` say who may send what comes that way, or it can't be anybody.
    pub fn is_settled(&self, senders: &[Sender]) -> bool {
        match self {
            Address::Udp(_) | Address::Tcp(_) => senders.iter().any(|s| matches!(s, Sender::Network(_))),
            Address::UnixDatagram(_) | Address::Lines(_) => senders.iter().any(|s| matches!(s, Sender::Uid(_))),
            // journald itself says which unit writes, and of fields those with `_`; what others hold any program may write
            Address::Journal(of) => of.split_once('=').is_none_or(|(field, _)| field.starts_with('_')),
            Address::Stdin => true,
        }
    }

    /// Whether what comes that way is syslog.
    pub fn is_syslog(&self) -> bool {
        matches!(self, Address::Udp(_) | Address::Tcp(_) | Address::UnixDatagram(_))
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Address, String> {
        let ways = "udp:ADDR:PORT, tcp:ADDR:PORT, unixgram:PATH, lines:PATH, journal:UNIT or stdin";
        if text == "stdin" {
            return Ok(Address::Stdin);
        }
        let (kind, rest) = text.split_once(':').unwrap_or((&text, ""));
        let socket = || {
            rest.parse().map_err(|_| format!("{text:?}: {rest:?} is no address and port: write {kind}:127.0.0.1:5514"))
        };
        let path = || {
            let path = PathBuf::from(rest);
            match path.is_absolute() {
                true => Ok(path),
                false => Err(format!("{text:?}: write the whole path of the socket, from / on")),
            }
        };
        match kind {
            "udp" => Ok(Address::Udp(socket()?)),
            "tcp" => Ok(Address::Tcp(socket()?)),
            "unixgram" => Ok(Address::UnixDatagram(path()?)),
            "lines" => Ok(Address::Lines(path()?)),
            // it becomes an argument of journalctl
            "journal" if !rest.is_empty() && !rest.starts_with('-') && !rest.contains(char::is_control) => {
                Ok(Address::Journal(rest.to_owned()))
            }
            _ => Err(format!("{text:?} is no way to receive: write {ways}")),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Udp(at) => write!(f, "udp:{at}"),
            Address::Tcp(at) => write!(f, "tcp:{at}"),
            Address::UnixDatagram(path) => write!(f, "unixgram:{}", path.display()),
            Address::Lines(path) => write!(f, "lines:{}", path.display()),
            Address::Journal(of) => write!(f, "journal:{of}"),
            Address::Stdin => f.write_str("stdin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_is_settled_by_senders_of_the_way_or_by_journald() {
        let is_settled = |address: &str, senders: &[&str]| {
            let senders: Vec<_> = senders.iter().map(|s| Sender::try_from((*s).to_owned()).unwrap()).collect();
            Address::try_from(address.to_owned()).unwrap().is_settled(&senders)
        };
        for (address, fits, not) in [
            ("udp:127.0.0.1:5514", "127.0.0.1", "uid:33"),
            ("tcp:127.0.0.1:5514", "10.0.0.0/8", "uid:33"),
            ("unixgram:/run/x", "uid:33", "127.0.0.1"),
            ("lines:/run/x", "uid:33", "127.0.0.1"),
        ] {
            let is = [&[][..], &[not], &[not, fits]].map(|senders| is_settled(address, senders));
            assert_eq!(is, [false, false, true], "{address}");
        }
        for (address, is) in [
            ("stdin", true),
            ("journal:portal.service", true),
            ("journal:_UID=33", true),
            ("journal:SYSLOG_IDENTIFIER=portal", false),
        ] {
            assert_eq!(is_settled(address, &[]), is, "{address}");
        }
    }

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in [
            "udp:127.0.0.1:5514",
            "tcp:[::1]:601",
            "unixgram:/run/log",
            "lines:/run/a.sock",
            "journal:a.service",
            "stdin",
        ] {
            assert_eq!(Address::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        for (text, said) in [
            ("udp:514", "is no address and port"),
            ("lines:run/a", "whole path"),
            ("journal:--help", "is no way"),
            ("journal:", "is no way"),
            ("tls:127.0.0.1:1", "is no way"),
        ] {
            let error = Address::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
