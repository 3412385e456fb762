//! Text -> typed values: numbers, addresses, days. What cannot be one is absent, never a guess.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A count: `5000`, `5000.0`, `"5000"`; beyond 64 bits the largest. Negative, fractional-only, NaN: none.
pub(super) fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    // All digits: the only way to fail is to be too large.
    Some(whole.parse().unwrap_or(u64::MAX))
}

/// Seconds with a fraction (nginx `$request_time`) as milliseconds.
pub(super) fn seconds_as_ms(text: &str) -> Option<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let ms = fraction
        .bytes()
        .chain(*b"000")
        .take(3)
        .try_fold(0u64, |ms, b| b.is_ascii_digit().then(|| ms * 10 + u64::from(b - b'0')))?;
    Some(count(whole)?.saturating_mul(1000).saturating_add(ms))
}

/// An address, canonical: a mapped IPv4 address is IPv4; brackets, a port and a zone go; octal-looking parts are refused.
pub(super) fn address(text: &str) -> Option<IpAddr> {
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

/// Where a request came from by a list of addresses as proxies write it (`X-Forwarded-For`, `Forwarded`, a JSON array of them):
/// read from the right, the first that is no private network's, since what stands further left the client may have written
/// itself; where all are private, the leftmost.
pub(super) fn client(text: &str) -> Option<IpAddr> {
    if let Some(ip) = address(text) {
        return Some(ip);
    }
    let apart = |c: char| matches!(c, ',' | ';' | ' ' | '"') || c.is_control();
    let parts = || {
        let inner = text.strip_prefix("[\"").and_then(|t| t.strip_suffix("\"]")).unwrap_or(text);
        inner.split(apart).map(|part| part.strip_prefix("for=").unwrap_or(part)).filter_map(address)
    };
    parts().rfind(|ip| is_public(*ip)).or_else(|| parts().next())
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            // 100.64.0.0/10 (RFC 6598) is what load balancers of clouds have among themselves
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared)
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
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

/// Days since 1970 of `YYYY-MM-DD`, whatever time follows.
pub(super) fn day(text: &str) -> Option<i32> {
    let text = text.trim();
    let date = text.get(..10)?;
    if !matches!(text.as_bytes().get(10), None | Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (y, m, d) = (date.get(..4)?, date.get(5..7)?, date.get(8..10)?);
    if date.as_bytes()[4] != b'-' || date.as_bytes()[7] != b'-' {
        return None;
    }
    i32::try_from(super::stamp::days(y.parse().ok()?, m.parse().ok()?, d.parse().ok()?)?).ok()
}

/// At most `limit` bytes of `text`, cut at a character's end.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        // Ends: 0 is a boundary.
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e46_numbers() {
        for (text, value) in [
            ("5000", Some(5000)),
            ("5000.0", Some(5000)),
            ("0.9", Some(0)),
            ("-5", None),
            ("1e400", None),
            ("NaN", None),
            ("", None),
            (".5", None),
            ("+5", None),
            ("99999999999999999999999", Some(u64::MAX)),
        ] {
            assert_eq!(count(text), value, "{text}");
        }
        assert_eq!(seconds_as_ms("0.020"), Some(20));
        assert_eq!(seconds_as_ms("12"), Some(12_000));
        assert_eq!(seconds_as_ms("1.5"), Some(1500));
        assert_eq!(seconds_as_ms("-"), None);
    }

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

    #[test]
    fn days_since_1970() {
        assert_eq!(day("1970-01-02"), Some(1));
        assert_eq!(day("2026-03-01T10:00:00Z"), Some(20513));
        for bad in ["2026-13-01", "2026-02-30", "2026-3-1", "20260301", "2026-03-011", ""] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
