//! Access logs of web servers: common and combined (nginx, Apache), a virtual host in front, `key=value` fields behind.
//!
//! ```text
//! [vhost[:port] ]addr[, addr …] ident user [time] "request" status bytes["referer" "user agent"] key=value key="value" …
//! time addr ident user "request" …
//! ```
//!
//! Which word before the identity is an address is known by its shape, not by its column: several of them (X-Forwarded-For beside the
//! peer's own, in either order, in brackets or quotes) are one list, in which the peer's stands last. The time is the one that the
//! request follows: what a client sent as its name may look like another, but holds no quotation mark. It may be written as `dd/Mon/yyyy`,
//! ISO 8601, asctime or seconds since 1970, and without brackets where the request or the line's beginning stands beside it. A line that is
//! an object of JSON is read by the shapes of its values, whatever they are called (`access_json`).
//!
//! | name                          | what it is                                                                  |
//! | ----------------------------- | --------------------------------------------------------------------------- |
//! | `vhost` `remote_addr` `ident` `remote_user` `time_local` `request` `status` `bytes` `referer` `user_agent` | the columns |
//! | `method` `target` `protocol`  | the request's three parts                                                   |
//! | `path`                        | the target without its query, percent-decoded once, `//` made `/`             |
//! | `query.NAME`                  | the parameter of that name, percent-decoded; all of them, with commas, where it stands twice |
//! | anything else                 | the field of that name behind the columns                                   |
//!
//! The columns also answer to the W3C names that Sigma rules use (`cs-method`, `sc-status`, `c-useragent`, `cs-uri-query` for the whole
//! target, …). `-` and an empty column are absent.
use super::access_head::{Head, is_list};
use super::access_json;
pub use super::access_words::decode_percent;
use super::access_words::{Bounds, WORDS, dash, fields, listed, quoted, unescape, unescaped, word};
use super::{Cells, Format, Held, Kind, Plan, Record, Reject, access_held, short_enough};

/// The names of the path of a request, which stands without its query and is decoded once.
pub const PATHS: [&str; 3] = ["path", "cs-uri-stem", "c-uri-stem"];

/// Access logs.
pub const FORMAT: Format = Format {
    name: "access",
    about: "nginx and Apache access logs, common or combined, with key=value fields behind; or as JSON, under whatever names",
    looks_like: |line| match line.starts_with('{') {
        true => access_json::line(line, true).is_some(),
        false => Line::read(line, false).is_ok(),
    },
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

impl Wanted {
    /// Whether who asks for this one has what `part` says.
    fn covers(&self, part: &Wanted) -> bool {
        use Column::{Method, Protocol, Request, Target};
        match (self, part) {
            (Wanted::Column(whole), Wanted::Column(part)) => {
                *whole as usize == *part as usize || matches!((whole, part), (Request, Method | Target | Protocol))
            }
            (Wanted::Column(Request | Target), Wanted::Path | Wanted::Query(_)) | (Wanted::Path, Wanted::Path) => true,
            (Wanted::Query(name), Wanted::Query(part)) | (Wanted::Field(name), Wanted::Field(part)) => name == part,
            _ => false,
        }
    }
}

/// The columns of one line, as byte ranges; an absent one is empty.
#[derive(Default)]
struct Line {
    columns: [Bounds; 13],
    /// Where the client's address is, one or several: the peer's own is the last.
    addresses: Vec<Bounds>,
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
        let json = access_json::line(text, false).filter(|(_, cut)| clipped || !cut);
        if let Some((line, cut)) = &json {
            return self.read(line, text, *cut, cells, each);
        }
        self.read(text, text, clipped, cells, each)
    }

    fn held(&self, record: &Record<'_>, _nth: usize, each: &mut dyn FnMut(Held<'_>)) {
        let text = record.written();
        let Ok(line) = Line::read(text, record.partial) else { return };
        let has_request = line.columns[Column::Method as usize].1 > 0;
        let names = access_held::names(text, has_request, line.target(text).0, line.rest);
        let all = Access { wanted: names.iter().map(|name| Wanted::of(name)).collect() };
        // it was read before, so it can be read
        let _ = all.decode(text, record.partial, &mut Cells::default(), &mut |record| {
            for (n, name) in names.iter().enumerate() {
                if let Some(value) = record.get(n).text() {
                    let wanted = self.wanted.iter().position(|wanted| wanted.covers(&all.wanted[n]));
                    each(Held { name, value, is_list: false, wanted });
                }
            }
        });
    }
}

impl Access {
    /// Reads `text`, which says what stands in `written`.
    fn read(
        &self,
        text: &str,
        written: &str,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject> {
        let line = Line::read(text, clipped)?;
        cells.clear(self.wanted.len());
        let mut ambiguous = false;
        for (cell, wanted) in self.wanted.iter().enumerate() {
            match wanted {
                Wanted::Column(Column::RemoteAddr) => line.addresses(text, cells, cell),
                Wanted::Column(column) => put(text, cells, cell, line.columns[*column as usize]),
                Wanted::Path => line.path(text, cells, cell),
                Wanted::Query(name) => ambiguous |= line.query(text, cells, cell, name),
                Wanted::Field(name) => {
                    ambiguous |= fields(text, line.rest, name, |at, end| put(text, cells, cell, (at, end)))
                }
            }
        }
        if !std::ptr::eq(text, written) {
            cells.own(text);
        }
        let partial = line.partial || (clipped && !std::ptr::eq(text, written));
        each(&Record::flat(written, cells, ambiguous, partial));
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

/// Whether a parameter is called so, and whether some server takes it for that.
fn is_named(key: &str, name: &str) -> (bool, bool) {
    let mut decoded = String::new();
    let key = match key.contains(['%', '+', '\\']) {
        true => {
            decode_percent(&unescaped(key), true, &mut decoded);
            &decoded
        }
        false => key,
    };
    (key == name, key.split('[').next().unwrap_or(key).trim().eq_ignore_ascii_case(name))
}

impl Line {
    /// Reads the columns. The time is the anchor: three or four words stand before it, or behind it where it stands first.
    fn read(text: &str, clipped: bool) -> Result<Line, Reject> {
        let mut line = Line::default();
        let reject = |reason, at| Err(Reject { reason, at });
        let Some(head) = Head::find(text) else {
            return reject("no time as access logs have it", 0);
        };
        let mut at = head.after;
        if head.first {
            match Line::tls(text, &head) {
                Err(_) if Head::request(text, at).is_some() => at = Head::request(text, at).unwrap_or(at),
                read => return read,
            }
        }
        let names = if head.first { (head.after, at) } else { (0, head.before) };
        if !line.names(text, names, head.first) {
            return reject("not address, identity and user before the time", 0);
        }
        line.set(Column::TimeLocal, head.time);
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
        line.forwarded(text);
        Ok(line)
    }

    /// The address list that nginx's own format has behind the columns: what the peer says of the client, believed where the peer is.
    fn forwarded(&mut self, text: &str) {
        if let Some((bounds, _)) = quoted(text, self.rest)
            && is_list(&text[bounds.0..bounds.1])
        {
            self.addresses.insert(0, bounds);
        }
    }

    /// Apache's `ssl_request_log`: `[time] addr protocol cipher "request" bytes`. Dashes for what is not there are an identity and a user
    /// where a status and a size follow.
    fn tls(text: &str, head: &Head) -> Result<Line, Reject> {
        let mut line = Line::default();
        line.set(Column::TimeLocal, head.time);
        let (addr, at) = word(text, head.after);
        let (protocol, at) = word(text, at);
        let (cipher, at) = word(text, at);
        let (protocol, cipher) = (&text[protocol.0..protocol.1], &text[cipher.0..cipher.1]);
        let is_last = |at: usize| text[word(text, at).1..].trim().is_empty();
        let is_right = |behind: usize| match protocol {
            "-" => cipher == "-" && is_last(behind),
            _ => protocol.starts_with("TLS") || protocol.starts_with("SSL"),
        };
        let Some((request, at)) = quoted(text, at).filter(|(_, behind)| is_right(*behind)) else {
            return Err(Reject { reason: "not [time] address, protocol, cipher and request", at: head.after });
        };
        line.addresses.push(addr);
        line.request(text, request);
        let (bytes, at) = word(text, at);
        line.set(Column::Bytes, bytes);
        line.rest = at;
        Ok(line)
    }

    fn set(&mut self, column: Column, bounds: Bounds) {
        self.columns[column as usize] = bounds;
    }

    /// `[vhost ]addr ident user`, where a user's name may hold spaces, for the server copies what the client sent. `sure`: only with
    /// a dash for the identity, as good as always there.
    fn names(&mut self, text: &str, (start, end): Bounds, sure: bool) -> bool {
        let head = &text[..end];
        let mut words = Vec::new();
        let mut at = start;
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
        // Without a dash the identity is the second word.
        let ident = match words.iter().skip(1).position(is_dash) {
            Some(n) => n + 1,
            None if sure => return false,
            None => 1,
        };
        let Some(ident_at) = words.get(ident) else {
            return false;
        };
        let vhost = self.hosts(text, &words[..ident]);
        self.set(Column::Vhost, vhost);
        self.set(Column::Ident, *ident_at);
        // Some formats leave the user out; dashes alone are columns without a value.
        if let Some(user) = words.get(ident + 1) {
            let name = text[user.0..end].trim_end();
            // one in quotation marks begins behind the first and ends before the second; Apache writes two for no name
            let is_quoted = text[..user.0].ends_with('"');
            let name = name.strip_suffix('"').filter(|_| is_quoted).unwrap_or(name);
            let name = if name == "\"\"" { "" } else { name };
            if name.contains(|c| c != '-' && c != ' ') {
                self.set(Column::RemoteUser, (user.0, user.0 + name.len()));
            }
        }
        true
    }

    /// Tells the addresses from the virtual host among the words before the identity, and returns that.
    fn hosts(&mut self, text: &str, words: &[Bounds]) -> Bounds {
        let is_address = |b: &&Bounds| is_list(&text[b.0..b.1]);
        let of = |n: usize| words.get(n).copied().unwrap_or_default();
        // `%v:%p` of a host that has no name: no client comes from there
        let by_port = |b: Bounds| text[b.0..b.1].ends_with(":80") || text[b.0..b.1].ends_with(":443");
        let from = usize::from(words.len() > 1 && by_port(of(0)) && words[1..].iter().any(|b| is_address(&b)));
        let beside =
            words[from..].iter().rev().take_while(|b| is_address(b) || text[b.0..b.1].starts_with('(')).count();
        let beside = &words[words.len() - beside..];
        let found: Vec<Bounds> = match beside.iter().any(|b| is_address(&b)) {
            true => beside.iter().filter(is_address).copied().collect(),
            // a shipper may have put its own before a host's name
            false => words[from..].iter().rfind(is_address).copied().into_iter().collect(),
        };
        if found.is_empty() {
            // a name, or a socket: more words than any format has are a shipper's, and the one next to the identity is the client's
            let n = if words.len() > 3 { words.len() - 1 } else { usize::from(words.len() > 1) };
            self.addresses.push(of(n));
            return if n > 0 { of(0) } else { Bounds::default() };
        }
        // what is quoted or in brackets is what a proxy said of the client, and the other one is the proxy
        let is_told = |b: &Bounds| {
            let inner = &text[b.0..b.1];
            inner.starts_with('(') || inner.contains(", ") || text[..b.0].ends_with('"')
        };
        let (told, own): (Vec<Bounds>, Vec<Bounds>) = found.iter().partition(|b| is_told(b));
        self.addresses.extend(told.into_iter().chain(own));
        let is_host = |b: &&Bounds| !found.contains(b) && !text[b.0..b.1].starts_with('(');
        words.iter().find(is_host).copied().unwrap_or_default()
    }

    /// The client's address; several of them as one list.
    fn addresses(&self, text: &str, cells: &mut Cells, cell: usize) {
        let bare = |b: &Bounds| {
            let inner = &text[b.0..b.1];
            let inner = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(inner);
            let at = b.0 + usize::from(inner.len() < b.1 - b.0);
            (at, at + inner.len())
        };
        if let [one] = &self.addresses[..] {
            return put(text, cells, cell, bare(one));
        }
        let from = cells.arena.len();
        for bounds in self.addresses.iter().map(bare) {
            if cells.arena.len() > from {
                cells.arena.push_str(", ");
            }
            cells.arena.push_str(&text[bounds.0..bounds.1]);
        }
        let to = cells.arena.len();
        if to > from {
            cells.set(cell, Kind::Decoded, from, to);
        }
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
            && ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
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
        decode_percent(&unescaped(path), false, &mut cells.arena);
        let mut decoded = cells.arena.split_off(from);
        while decoded.contains("//") {
            // Ends: every turn makes the text shorter.
            decoded = decoded.replace("//", "/");
        }
        cells.arena.push_str(&decoded);
        let to = cells.arena.len();
        cells.set(cell, Kind::Decoded, from, to);
    }

    /// Whether the parameter occurs more than once: what servers read then is the client's choice, and all of it counts, with commas
    /// between. So does the name in other letters, or as a list (`from[]`): one alone is none that every server reads.
    fn query(&self, text: &str, cells: &mut Cells, cell: usize, name: &str) -> bool {
        let (target, start) = self.target(text);
        let Some(mark) = target.find('?') else {
            return false;
        };
        let (from, mut at, mut found, mut first) = (cells.arena.len(), start + mark + 1, 0, None);
        for pair in target[mark + 1..].split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (is_it, is_like) = is_named(key, name);
            if is_like {
                found += 1;
                if found > 1 {
                    cells.arena.push(',');
                }
                decode_percent(&unescaped(value), true, &mut cells.arena);
                let value_at = at + pair.len() - value.len();
                first = first.or(Some((is_it && !value.is_empty(), value_at, value_at + value.len())));
            }
            at += pair.len() + 1;
        }
        let to = cells.arena.len();
        match first {
            Some((true, at, end)) if found == 1 && !text[at..end].contains(['%', '+', '\\']) => {
                cells.arena.truncate(from);
                cells.set(cell, Kind::Text, at, end);
            }
            Some((is_whole, ..)) if found > 1 || is_whole => cells.set(cell, Kind::Decoded, from, to),
            _ => cells.arena.truncate(from),
        }
        found > 1
    }
}
