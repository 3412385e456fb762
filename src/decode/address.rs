//! Addresses as logs write them, and which one of a list a request came from.
use crate::model::limits;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose addresses are those of proxies that a trail's operator trusts: what they say of who came to them is believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Proxies {
    /// All of private networks.
    private: bool,
    networks: Vec<IpNet>,
    /// The operator has said so; else it is a guess.
    written: bool,
}

/// Those of private networks, as long as nothing is said of them.
impl Default for Proxies {
    fn default() -> Proxies {
        Proxies { private: true, networks: Vec::new(), written: false }
    }
}

impl TryFrom<Vec<String>> for Proxies {
    type Error = String;

    fn try_from(list: Vec<String>) -> Result<Proxies, String> {
        if list.len() > limits::TRUSTED_PROXIES {
            return Err(format!("{} networks; at most {} are taken", list.len(), limits::TRUSTED_PROXIES));
        }
        let mut proxies = Proxies { private: false, networks: Vec::new(), written: true };
        for text in &list {
            if text == "private" {
                proxies.private = true;
                continue;
            }
            let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            let network = network.map_err(|_| {
                format!("{text:?} is neither a network (203.0.113.0/24) nor an address, nor \"private\"")
            })?;
            proxies.networks.push(network.trunc());
        }
        Ok(proxies)
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From {
    /// The address.
    pub ip: IpAddr,
    /// A client may have stated it: it stands further left than what the server or a trusted proxy saw.
    pub stated: bool,
}

/// What a value says of where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing.
    Absent,
    /// Nothing that can be read.
    Unread,
    /// An address.
    From(From),
}

impl Proxies {
    /// Everybody, without the operator's word: whoever stands furthest left is taken, and is marked where somebody else stands there.
    pub fn everybody() -> Proxies {
        let all = |ip: IpAddr| IpNet::new_assert(ip, 0);
        let networks = vec![all(Ipv4Addr::UNSPECIFIED.into()), all(Ipv6Addr::UNSPECIFIED.into())];
        Proxies { private: true, networks, written: false }
    }

    /// Whether the operator has named them.
    pub fn is_written(&self) -> bool {
        self.written
    }

    fn has(&self, ip: IpAddr) -> bool {
        (self.private && is_private(ip)) || self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Where a request came from by an address, or by a list of them as proxies write it (`X-Forwarded-For`, `Forwarded`, a JSON array):
    /// read from the right, the first that is no trusted proxy's, since what stands further left the client may have written itself; where
    /// all are proxies, the leftmost. Of a longer list than [`limits::ADDRESSES`] its end is read.
    pub fn origin(&self, text: &str) -> Origin {
        let text = text.trim();
        if let Some(ip) = address(text) {
            return Origin::From(From { ip, stated: false });
        }
        // an array: what ends otherwise was not written by whoever wrote its beginning
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let inner = inner.filter(|t| t.trim().is_empty() || t.trim_end().ends_with('"'));
        let apart = |c: char| matches!(c, ',' | ';' | ' ' | '"') || c.is_control();
        let parts = inner.unwrap_or(text).rsplit(apart).filter_map(stated).take(limits::ADDRESSES);
        let mut origin = Origin::Absent;
        // what comes next was said by somebody who is no trusted proxy
        let mut stated = false;
        for part in parts {
            let Some(ip) = address(part) else {
                stated = true;
                origin = if origin == Origin::Absent { Origin::Unread } else { origin };
                continue;
            };
            origin = Origin::From(From { ip, stated });
            if !self.has(ip) {
                break;
            }
            stated |= !self.written;
        }
        origin
    }
}

/// What a part of a list states as an address; nothing where it is none's place: empty, a dash, another parameter of `Forwarded`.
fn stated(part: &str) -> Option<&str> {
    match part.split_once('=') {
        Some((name, value)) => name.eq_ignore_ascii_case("for").then_some(value),
        None => Some(part),
    }
    .filter(|part| !matches!(*part, "" | "-"))
}

/// An address, canonical: a mapped IPv4 address is IPv4; brackets, a port and a zone go; octal-looking parts are refused. All of the text is
/// one address: behind a bracket or a zone anything else could be the rest of a list, whose beginning its client has written.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if text.len() < 2 || text.len() > 64 {
        return None;
    }
    let bare = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, port) = inner.split_once(']')?;
            let is_port = |port: &str| port.parse::<u16>().is_ok();
            if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
                return None;
            }
            host
        }
        // One colon is a port's; more are an IPv6 address's.
        None if text.bytes().filter(|b| *b == b':').count() == 1 => {
            let (host, port) = text.split_once(':')?;
            port.parse::<u16>().ok()?;
            host
        }
        None => text,
    };
    let bare = match bare.split_once('%') {
        Some((bare, zone)) if is_zone(zone) => bare,
        Some(_) => return None,
        None => bare,
    };
    if bare.bytes().any(|b| b == b':') {
        let bare = without_port(bare);
        return bare.parse::<Ipv6Addr>().ok().map(|ip| IpAddr::V6(ip).to_canonical());
    }
    bare.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// Whether it names an interface or a routing domain.
fn is_zone(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

/// Whether an address is of a private network: a proxy's that is near, and never a client's of the internet.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            // 100.64.0.0/10 (RFC 6598) is what load balancers of clouds have among themselves
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// An IPv6 address without the port that follows it in one of the ways that RFC 5952, section 6, counts up.
fn without_port(text: &str) -> &str {
    let is_port = |t: &str| !t.is_empty() && t.len() <= 5 && t.bytes().all(|b| b.is_ascii_digit());
    for mark in ["#", " port ", "p", "."] {
        if let Some((address, port)) = text.rsplit_once(mark)
            && is_port(port)
            && !(mark == "." && address.contains('.'))
        {
            return address;
        }
    }
    // `addr:port` can only be told where all eight groups are written out.
    match text.rsplit_once(':') {
        Some((address, port)) if is_port(port) && !text.contains("::") && text.matches(':').count() == 8 => address,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn e52_addresses() {
        for (text, ip) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("010.0.0.1", None),
            ("192.0.2.1, 198.51.100.1", None),
            ("unknown", None),
            ("-", None),
            ("", None),
            ("1.2.3", None),
            ("192.0.2.1:99999", None),
            ("2001:db8:1:2:3:4:5:6:443", Some("2001:db8:1:2:3:4:5:6")),
            ("2001:db8::1#443", Some("2001:db8::1")),
            ("2001:db8::1p443", Some("2001:db8::1")),
            ("2001:db8::1 port 443", Some("2001:db8::1")),
            ("2001:db8::1.443", Some("2001:db8::1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("::1:2:3:4:5:6:7:8", None),
            ("192.0.2.1%2", Some("192.0.2.1")),
            ("[fe80::1%eth0.7]:8", Some("fe80::1")),
            ("[192.0.2.1], 203.0.113.66", None),
            ("[192.0.2.1]203.0.113.66", None),
            ("[192.0.2.1]:80, 203.0.113.66", None),
            ("[192.0.2.1", None),
            ("192.0.2.1%, 203.0.113.66", None),
            ("192.0.2.1%x, 203.0.113.66:80", None),
            ("2001:db8::1%x 203.0.113.66", None),
        ] {
            assert_eq!(address(text), ip.map(|ip| ip.parse().unwrap()), "{text}");
        }
    }

    fn proxies(list: &[&str]) -> Proxies {
        Proxies::try_from(list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    /// The origin, with a `?` behind it where a client may have stated it; `!` where it can't be read.
    fn shown(proxies: &Proxies, text: &str) -> String {
        match proxies.origin(text) {
            Origin::Absent => String::new(),
            Origin::Unread => "!".to_owned(),
            Origin::From(From { ip, stated }) => format!("{ip}{}", if stated { "?" } else { "" }),
        }
    }

    #[test]
    fn an_origin_is_the_first_address_from_the_right_that_is_no_trusted_proxys() {
        let guess = Proxies::default();
        let (private, ours, nobody) = (proxies(&["private"]), proxies(&["203.0.113.0/24", "private"]), proxies(&[]));
        for (text, [guessed, of_private, of_ours, of_nobody]) in [
            ("198.51.100.4", ["198.51.100.4"; 4]),
            ("10.0.0.9", ["10.0.0.9"; 4]),
            ("192.0.2.1, 198.51.100.4", ["198.51.100.4"; 4]),
            ("192.0.2.1, 198.51.100.4, 10.0.0.1", ["198.51.100.4?", "198.51.100.4", "198.51.100.4", "10.0.0.1"]),
            ("192.0.2.1, 198.51.100.4, 203.0.113.7", ["203.0.113.7", "203.0.113.7", "198.51.100.4", "203.0.113.7"]),
            ("198.51.100.4 203.0.113.7:80 [fd00::1]:443", ["203.0.113.7?", "203.0.113.7", "198.51.100.4", "fd00::1"]),
            ("[\"198.51.100.4\",\"10.0.0.1\"]", ["198.51.100.4?", "198.51.100.4", "198.51.100.4", "10.0.0.1"]),
            (
                "for=198.51.100.4;proto=https;by=10.0.0.2, For=\"[fe80::1%eth0]:8\"",
                ["198.51.100.4?", "198.51.100.4", "198.51.100.4", "fe80::1"],
            ),
            ("10.0.0.2, 10.0.0.1", ["10.0.0.2?", "10.0.0.2", "10.0.0.2", "10.0.0.1"]),
            // who wrote a word that is no address is nobody's proxy
            ("198.51.100.4, unknown, 10.0.0.1", ["198.51.100.4?", "198.51.100.4?", "198.51.100.4?", "10.0.0.1"]),
            ("unknown, 198.51.100.4", ["198.51.100.4"; 4]),
            ("-, 198.51.100.4", ["198.51.100.4"; 4]),
            ("ec2.example", ["!"; 4]),
            ("300.1.1.1, x", ["!"; 4]),
            ("", [""; 4]),
            ("-", [""; 4]),
            ("[]", [""; 4]),
        ] {
            let read = [&guess, &private, &ours, &nobody].map(|proxies| shown(proxies, text));
            assert_eq!(read, [guessed, of_private, of_ours, of_nobody], "{text}");
        }
        assert_eq!(shown(&Proxies::everybody(), "192.0.2.1, 198.51.100.4"), "192.0.2.1?");
        assert_eq!(shown(&Proxies::everybody(), "198.51.100.4"), "198.51.100.4");
    }

    proptest! {
        /// It must not: whoever sends a request writes the beginning, and whoever receives it the end.
        #[test]
        fn nothing_that_stands_before_the_last_element_changes_what_that_one_gives(
            mine in "(\\PC{0,30}|([\\[\\]\"%,;:=# .]|192\\.0\\.2\\.1|2001:db8::7|for=|port |x|p|8){0,12}|\\[?(192\\.0\\.2\\.1|2001:db8::7)[\\]%:][ -~]{0,6})",
            last in 0_usize..8,
            comma in prop::sample::select(vec![", ", ",", " "]),
        ) {
            let (written, ip) = [
                ("203.0.113.66", "203.0.113.66"), ("203.0.113.66:80", "203.0.113.66"), ("2001:db8::66", "2001:db8::66"),
                ("[2001:db8::66]", "2001:db8::66"), ("[2001:db8::66]:80", "2001:db8::66"),
                ("::ffff:203.0.113.66", "203.0.113.66"), ("for=203.0.113.66", "203.0.113.66"),
                ("for=\"[2001:db8::66]\"", "2001:db8::66"),
            ][last];
            let text = format!("{mine}{comma}{written}");
            for proxies in [Proxies::default(), proxies(&["private"]), proxies(&["10.0.0.0/8"]), proxies(&[])] {
                prop_assert_eq!(shown(&proxies, &text), ip, "{}", &text);
            }
            // and behind a proxy that is trusted
            let behind = format!("{text}, 10.0.0.1");
            prop_assert_eq!(shown(&proxies(&["private"]), &behind), ip, "{}", &behind);
        }
    }

    #[test]
    fn of_a_list_without_end_its_end_is_read() {
        let long = "198.51.100.4, ".to_owned() + &vec!["10.0.0.1"; limits::ADDRESSES].join(", ");
        assert_eq!(shown(&Proxies::default(), &long), "10.0.0.1?");
        assert_eq!(shown(&Proxies::default(), &long[..long.len() - 10]), "198.51.100.4?");
        let many = |n| Proxies::try_from(vec!["192.0.2.1".to_owned(); n]);
        assert!(many(limits::TRUSTED_PROXIES).is_ok() && many(limits::TRUSTED_PROXIES + 1).is_err());
        let wrong = Proxies::try_from(vec!["10.0.0.0/33".to_owned()]).unwrap_err();
        assert!(wrong.contains("10.0.0.0/33") && wrong.contains("203.0.113.0/24"), "{wrong}");
    }
}
