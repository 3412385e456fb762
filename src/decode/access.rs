//! Access logs of web servers: common and combined (nginx, Apache), a virtual host in front, `key=value` fields behind.
//!
//! ```text
//! [vhost[:port] ]addr[, addr …] ident user [time] "request" status bytes["referer" "user agent"] key=value key="value" …
//! ```
//!
//! | name                          | what it is                                                                  |
//! | ----------------------------- | --------------------------------------------------------------------------- |
//! | `vhost` `remote_addr` `ident` `remote_user` `time_local` `request` `status` `bytes` `referer` `user_agent` | the columns |
//! | `method` `target` `protocol`  | the request's three parts                                                   |
//! | `path`                        | the target without its query, percent-decoded once, `//` made `/`             |
//! | `query.NAME`                  | the first parameter of that name, percent-decoded                           |
//! | anything else                 | the field of that name behind the columns                                   |
//!
//! The columns also answer to the W3C names that Sigma rules use (`cs-method`, `sc-status`, `c-useragent`, `cs-uri-query` for the whole
//! target, …). `-` and an empty column are absent.
use super::{Cells, Format, Kind, Plan, Record, Reject, short_enough};

/// Access logs.
pub const FORMAT: Format = Format {
    name: "access",
    about: "nginx and Apache access logs, common or combined, with key=value fields behind",
    looks_like: |line| Line::read(line, false).is_ok(),
    open: super::syslog::open,
    plan: |wish| Ok(Box::new(Access { wanted: wish.fields.iter().map(|name| Wanted::of(name)).collect() })),
};

struct Access {
    wanted: Vec<Wanted>,
}

enum Wanted {
    Column(Column),
    Path,
    Query(Box<str>),
    Field(Box<str>),
}

#[derive(Clone, Copy)]
enum Column {
    Vhost,
    RemoteAddr,
    Ident,
    RemoteUser,
    TimeLocal,
    Request,
    Status,
    Bytes,
    Referer,
    UserAgent,
    Method,
    Target,
    Protocol,
}

impl Wanted {
    fn of(name: &str) -> Wanted {
        Wanted::Column(match name {
            "vhost" | "cs-host" => Column::Vhost,
            "remote_addr" | "c-ip" => Column::RemoteAddr,
            "ident" => Column::Ident,
            "remote_user" | "cs-username" => Column::RemoteUser,
            "time_local" => Column::TimeLocal,
            "request" => Column::Request,
            "status" | "sc-status" => Column::Status,
            "bytes" | "sc-bytes" => Column::Bytes,
            "referer" | "cs-referer" => Column::Referer,
            "user_agent" | "c-useragent" | "cs-user-agent" => Column::UserAgent,
            "method" | "cs-method" => Column::Method,
            // Sigma's rules for web servers look for paths as well as for parameters in the "query".
            "target" | "cs-uri" | "c-uri" | "cs-uri-query" | "c-uri-query" => Column::Target,
            "protocol" => Column::Protocol,
            "path" | "cs-uri-stem" | "c-uri-stem" => return Wanted::Path,
            other => {
                return match other.strip_prefix("query.") {
                    Some(parameter) => Wanted::Query(parameter.into()),
                    None => Wanted::Field(other.into()),
                };
            }
        })
    }
}

type Bounds = (usize, usize);

/// The columns of one line, as byte ranges; an absent one is empty.
#[derive(Default)]
struct Line {
    columns: [Bounds; 13],
    rest: usize,
    partial: bool,
}

impl Plan for Access {
    fn decode(
        &self,
        text: &str,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject> {
        short_enough(text)?;
        let line = Line::read(text, clipped)?;
        cells.clear(self.wanted.len());
        let mut ambiguous = false;
        for (cell, wanted) in self.wanted.iter().enumerate() {
            match wanted {
                Wanted::Column(column) => put(text, cells, cell, line.columns[*column as usize]),
                Wanted::Path => line.path(text, cells, cell),
                Wanted::Query(name) => ambiguous |= line.query(text, cells, cell, name),
                Wanted::Field(name) => {
                    ambiguous |= fields(text, line.rest, name, |at, end| put(text, cells, cell, (at, end)))
                }
            }
        }
        each(&Record { text, arena: &cells.arena, cells: &cells.cells, index: 0, ambiguous, partial: line.partial });
        Ok(())
    }
}

fn put(text: &str, cells: &mut Cells, cell: usize, (at, end): Bounds) {
    match &text.as_bytes()[at..end] {
        b"" | b"-" => {}
        value if value.contains(&b'\\') => {
            let from = cells.arena.len();
            unescape(&text[at..end], &mut cells.arena);
            let to = cells.arena.len();
            cells.set(cell, Kind::Decoded, from, to);
        }
        _ => cells.set(cell, Kind::Text, at, end),
    }
}

impl Line {
    /// Reads the columns. The time in brackets is the anchor: three or four words stand before it.
    fn read(text: &str, clipped: bool) -> Result<Line, Reject> {
        let mut line = Line::default();
        let reject = |reason, at| Err(Reject { reason, at });
        let Some(open) = time_at(text) else {
            return reject("no [day/month/year:time] as access logs have", 0);
        };
        let Some(close) = text[open..].find(']').map(|n| open + n) else {
            return reject("the time's bracket is not closed", open);
        };
        if open == 0 {
            return Line::tls(text, close);
        }
        if !line.names(text, open) {
            return reject("not address, identity and user before the time", 0);
        }
        line.set(Column::TimeLocal, (open + 1, close));
        let mut at = close + 1;
        match quoted(text, at) {
            Some((bounds, after)) => {
                line.request(text, bounds);
                at = after;
            }
            None if clipped => {
                line.partial = true;
                line.rest = text.len();
                return Ok(line);
            }
            None => return reject("no request in quotation marks after the time", at),
        }
        for column in [Column::Status, Column::Bytes] {
            let (bounds, after) = word(text, at);
            let value = &text[bounds.0..bounds.1];
            if value != "-" && (value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit())) {
                if !clipped {
                    return reject("status and size are not two numbers", bounds.0);
                }
                line.partial = true;
                break;
            }
            line.set(column, bounds);
            at = after;
        }
        for column in [Column::Referer, Column::UserAgent] {
            let Some((bounds, after)) = quoted(text, at).or_else(|| dash(text, at)) else {
                break;
            };
            line.set(column, bounds);
            at = after;
        }
        line.rest = at;
        Ok(line)
    }

    /// Apache's `ssl_request_log`: `[time] addr protocol cipher "request" bytes`.
    fn tls(text: &str, close: usize) -> Result<Line, Reject> {
        let mut line = Line::default();
        line.set(Column::TimeLocal, (1, close));
        let (addr, at) = word(text, close + 1);
        let (protocol, at) = word(text, at);
        let (_, at) = word(text, at);
        let protocol = &text[protocol.0..protocol.1];
        let right = protocol.starts_with("TLS") || protocol.starts_with("SSL") || protocol == "-";
        let Some((request, at)) = quoted(text, at).filter(|_| right) else {
            return Err(Reject { reason: "not [time] address, protocol, cipher and request", at: close });
        };
        line.set(Column::RemoteAddr, addr);
        line.request(text, request);
        let (bytes, at) = word(text, at);
        line.set(Column::Bytes, bytes);
        line.rest = at;
        Ok(line)
    }

    fn set(&mut self, column: Column, bounds: Bounds) {
        self.columns[column as usize] = bounds;
    }

    /// `[vhost ]addr ident user`; the address may be a list (`a, b, c`, quoted or not) with the peer's own behind it, and a user's
    /// name may hold spaces, for the server copies what the client sent.
    fn names(&mut self, text: &str, end: usize) -> bool {
        let head = &text[..end];
        let mut words = Vec::new();
        let mut at = 0;
        while words.len() < WORDS {
            // Ends: every turn adds a word, or leaves.
            let (bounds, after) = listed(head, at);
            if bounds.0 >= bounds.1 {
                break;
            }
            words.push(bounds);
            at = after;
        }
        let is_dash = |b: &Bounds| &text[b.0..b.1] == "-";
        // The identity is a dash as good as always; without one it is the second word.
        let ident = match words.iter().skip(1).position(is_dash) {
            Some(n) => n + 1,
            None => 1,
        };
        let Some(ident_at) = words.get(ident) else {
            return false;
        };
        let list = |b: &Bounds| text[b.0..b.1].contains(", ") || text[..b.0].ends_with('"');
        let with_vhost = ident > 1 && !list(&words[0]);
        // More words than any of these has are a shipper's (a syslog header): the one next to the identity is the address.
        let addr = words[if ident > 3 { ident - 1 } else { usize::from(with_vhost) }];
        if with_vhost {
            self.set(Column::Vhost, words[0]);
        }
        self.set(Column::RemoteAddr, addr);
        self.set(Column::Ident, *ident_at);
        // Some formats leave the user out.
        if let Some(user) = words.get(ident + 1) {
            let user_end = user.0 + text[user.0..end].trim_end().len();
            self.set(Column::RemoteUser, (user.0, user_end));
        }
        true
    }

    fn request(&mut self, text: &str, bounds: Bounds) {
        self.set(Column::Request, bounds);
        let request = &text[..bounds.1];
        let (method, at) = word(request, bounds.0);
        let known = text[method.0..method.1].bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b == b'-');
        if method.0 == method.1 || !known || at >= bounds.1 {
            return;
        }
        self.set(Column::Method, method);
        let rest = request[at..].trim_start();
        let start = bounds.1 - rest.len();
        let end = rest.rfind(" HTTP/").map_or(bounds.1, |n| start + n);
        self.set(Column::Target, (start, end));
        if end < bounds.1 {
            self.set(Column::Protocol, (end + 1, bounds.1));
        }
    }

    fn target<'t>(&self, text: &'t str) -> (&'t str, usize) {
        let (at, end) = self.columns[Column::Target as usize];
        (&text[at..end], at)
    }

    fn path(&self, text: &str, cells: &mut Cells, cell: usize) {
        let (target, mut at) = self.target(text);
        let mut path = target.split(['?', '#']).next().unwrap_or("");
        // The absolute form (RFC 9112, 3.2.2) names the host before the path.
        if let Some((scheme, rest)) = path.split_once("://")
            && matches!(scheme, "http" | "https")
        {
            let host = rest.find('/').unwrap_or(rest.len());
            at += scheme.len() + 3 + host;
            path = &rest[host..];
        }
        if path.is_empty() {
            return;
        }
        if !path.contains(['%', '\\']) && !path.contains("//") {
            return cells.set(cell, Kind::Text, at, at + path.len());
        }
        let from = cells.arena.len();
        decode_percent(path, false, &mut cells.arena);
        let mut decoded = cells.arena.split_off(from);
        while decoded.contains("//") {
            // Ends: every turn makes the text shorter.
            decoded = decoded.replace("//", "/");
        }
        cells.arena.push_str(&decoded);
        let to = cells.arena.len();
        cells.set(cell, Kind::Decoded, from, to);
    }

    /// Whether the parameter occurs more than once.
    fn query(&self, text: &str, cells: &mut Cells, cell: usize, name: &str) -> bool {
        let (target, start) = self.target(text);
        let Some(mark) = target.find('?') else {
            return false;
        };
        let (mut at, mut found) = (start + mark + 1, 0);
        for pair in target[mark + 1..].split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key == name {
                found += 1;
                if found == 1 && value.contains(['%', '+', '\\']) {
                    let from = cells.arena.len();
                    decode_percent(value, true, &mut cells.arena);
                    let to = cells.arena.len();
                    cells.set(cell, Kind::Decoded, from, to);
                } else if found == 1 && !value.is_empty() {
                    let value_at = at + key.len() + 1;
                    cells.set(cell, Kind::Text, value_at, value_at + value.len());
                }
            }
            at += pair.len() + 1;
        }
        found > 1
    }
}

/// A column that is only a dash, as some servers write an absent one without marks.
fn dash(text: &str, at: usize) -> Option<(Bounds, usize)> {
    let (bounds, after) = word(text, at);
    (&text[bounds.0..bounds.1] == "-").then_some((bounds, after))
}

/// Where `[dd/Mon/yyyy:` begins.
fn time_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let stamp = |at: usize| {
        bytes.get(at..at + 13).is_some_and(|b| {
            b[1].is_ascii_digit()
                && b[3] == b'/'
                && b[4].is_ascii_alphabetic()
                && b[7] == b'/'
                && b[8].is_ascii_digit()
                && b[12] == b':'
        })
    };
    text.match_indices('[').map(|(at, _)| at).find(|at| stamp(*at))
}

/// The most words before the time that are looked at: a user's name may be long, and only its beginning matters.
const WORDS: usize = 16;

/// A word, a quoted text without its marks, or words that commas join.
fn listed(text: &str, at: usize) -> (Bounds, usize) {
    if let Some((bounds, after)) = quoted(text, at)
        && bounds.0 < bounds.1
    {
        return (bounds, after);
    }
    let (mut bounds, mut after) = word(text, at);
    while text[bounds.0..bounds.1].ends_with(',') {
        // Ends: every turn takes a further word, or there is none.
        let (next, behind) = word(text, after);
        if next.0 >= next.1 {
            break;
        }
        (bounds.1, after) = (next.1, behind);
    }
    (bounds, after)
}

fn word(text: &str, at: usize) -> (Bounds, usize) {
    let bytes = text.as_bytes();
    let mut start = at;
    while bytes.get(start) == Some(&b' ') {
        start += 1;
    }
    let mut end = start;
    while bytes.get(end).is_some_and(|b| *b != b' ') {
        end += 1;
    }
    ((start, end), end)
}

/// The text in quotation marks at or behind `at`, and where it goes on. A mark inside that is not escaped counts as text
/// unless a space or the line's end follows it.
fn quoted(text: &str, at: usize) -> Option<(Bounds, usize)> {
    let bytes = text.as_bytes();
    let mut start = at;
    while bytes.get(start) == Some(&b' ') {
        start += 1;
    }
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut end = start + 1;
    loop {
        // Ends: every turn moves `end` on, or leaves.
        match bytes.get(end)? {
            b'"' if matches!(bytes.get(end + 1), None | Some(b' ')) => {
                return Some(((start + 1, end), end + 1));
            }
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

/// Calls `found` for the first field of that name; whether there are more.
fn fields(text: &str, rest: usize, name: &str, mut found: impl FnMut(usize, usize)) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut count) = (rest, 0);
    while at < bytes.len() {
        // Ends: every turn moves `at` behind a word, or at least one byte on.
        let (mut bounds, mut after) = word(text, at);
        if text[bounds.0..bounds.1].starts_with('"') {
            // A further quoted column (X-Forwarded-For, say): passed over, so that no field is read out of its text.
            at = quoted(text, bounds.0).map_or(bytes.len(), |(_, after)| after);
            continue;
        }
        let equals = text[bounds.0..bounds.1].find('=');
        if let Some(equals) = equals {
            let value = bounds.0 + equals + 1;
            if bytes.get(value) == Some(&b'"') {
                // The name ends before the mark; the value may hold spaces.
                match quoted(text, value) {
                    Some((inner, behind)) => (bounds, after) = ((bounds.0, inner.1), behind),
                    None => return count > 1,
                }
                if text[bounds.0..value - 1] == *name {
                    count += 1;
                    if count == 1 {
                        found(value + 1, bounds.1);
                    }
                }
            } else if text[bounds.0..value - 1] == *name {
                count += 1;
                if count == 1 {
                    found(value, bounds.1);
                }
            }
        }
        at = after.max(at + 1);
    }
    count > 1
}

/// `\"`, `\\` and `\xHH`, as Apache and nginx write them; the bytes are put together as UTF-8.
fn unescape(text: &str, out: &mut String) {
    let hex = |b: u8| (b as char).to_digit(16);
    decode_bytes(text, out, |bytes| match bytes {
        [b'\\', b'x', a, b, ..] => Some((4, (hex(*a)? * 16 + hex(*b)?) as u8)),
        [b'\\', c @ (b'"' | b'\\'), ..] => Some((2, *c)),
        _ => None,
    });
}

fn decode_percent(text: &str, plus: bool, out: &mut String) {
    let hex = |b: u8| (b as char).to_digit(16);
    decode_bytes(text, out, |bytes| match bytes {
        [b'%', a, b, ..] => Some((3, (hex(*a)? * 16 + hex(*b)?) as u8)),
        [b'+', ..] if plus => Some((1, b' ')),
        _ => None,
    });
}

fn decode_bytes(text: &str, out: &mut String, step: impl Fn(&[u8]) -> Option<(usize, u8)>) {
    let (mut rest, mut bytes) = (text.as_bytes(), Vec::with_capacity(text.len()));
    while let Some(first) = rest.first() {
        // Ends: every turn takes at least one byte off `rest`.
        let (taken, byte) = step(rest).unwrap_or((1, *first));
        bytes.push(byte);
        rest = &rest[taken..];
    }
    out.push_str(&String::from_utf8_lossy(&bytes));
}
