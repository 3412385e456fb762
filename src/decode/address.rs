//! Addresses as logs write them, and which of them are near.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, canonical: a mapped IPv4 address is IPv4; brackets, a port and a zone go; octal-looking parts are refused.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if text.len() < 2 || text.len() > 64 {
        return None;
    }
    let bare = match text.strip_prefix('[') {
        Some(inner) => inner.split(']').next()?,
        // One colon is a port's; more are an IPv6 address's.
        None if text.bytes().filter(|b| *b == b':').count() == 1 => {
            let (host, port) = text.split_once(':')?;
            port.parse::<u16>().ok()?;
            host
        }
        None => text,
    };
    let bare = bare.split('%').next()?;
    if bare.bytes().any(|b| b == b':') {
        let bare = without_port(bare);
        return bare.parse::<Ipv6Addr>().ok().map(|ip| IpAddr::V6(ip).to_canonical());
    }
    bare.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// Whether an address is of a private network: a proxy's that is near, and never a client's of the internet.
pub fn is_private(ip: IpAddr) -> bool {
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
        ] {
            assert_eq!(address(text), ip.map(|ip| ip.parse().unwrap()), "{text}");
        }
    }
}
