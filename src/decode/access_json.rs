//! Access logs that a server writes as JSON, under whatever names: what a value is shows in its shape.
//!
//! An address, a request line (or a method beside a path), a status of three digits and a time are known by how they look. Where several
//! values look alike (two addresses, a size of three digits) their names decide, and where those say nothing, their order. What was found
//! is put into a line of the combined format, which is read as every other: the names of the fields stand behind its columns.
use super::access_head::{is_address, is_list, is_time};
use super::json_text::unescape;
use crate::framing::json::{Member, blank};
use std::fmt::Write;

/// How deep objects in objects are looked into, and how many values of a line are.
const DEPTH: usize = 4;
const VALUES: usize = 256;

/// A value that is no object.
struct Value {
    /// Under which names, a dot between them; as they are compared the last one.
    path: String,
    name: String,
    text: String,
    is_text: bool,
}

/// The line of the combined format that says the same, and whether the object broke off. `sure`: only where the request is there too.
pub(super) fn line(text: &str, sure: bool) -> Option<(String, bool)> {
    let text = text.trim_start();
    if !text.starts_with('{') {
        return None;
    }
    let mut values = Vec::new();
    let cut = !object(text, 0, "", DEPTH, &mut values);
    let mut values = Values { all: values };
    let time = values.take(&["time", "ts", "date", "stamp"], &[], |v| is_time(bare(&v.text)))?;
    let mut forwarded = values.take_hinted(&["forward", "xff", "realip"], |v| is_list(&v.text));
    let not_the_client = ["upstream", "server", "local", "backend", "dest", "listen"];
    let address = values
        .take(&CLIENT, &not_the_client, |v| is_address(&v.text))
        .or_else(|| values.take_hinted(&CLIENT, |v| is_list(&v.text)).or_else(|| forwarded.take()))?;
    let status = values.take(&["status", "code"], &["upstream", "backend"], |v| is_status(&v.text));
    // it may have stood behind the cut
    if status.is_none() && !cut {
        return None;
    }
    let request = values.request();
    if sure && request.is_none() {
        return None;
    }
    let bytes =
        values.take(&["bytes", "size", "length", "sent"], &NO_SIZES, |v| is_digits(&v.text) && v.text.len() < 16);
    let agent = values
        .take_hinted(&["agentoriginal", "agent"], |v| v.is_text)
        .or_else(|| values.take(&[], &["server", "proto", "tls", "ssl", "type"], |v| is_agent(&v.text)));
    let referer = values.take(&["refer"], &["host", "url", "uri", "upstream"], |v| is_url(&v.text));
    // of an agent there are names as well
    let is_user = |v: &Value| v.is_text && v.text != "-" && !v.name.contains("agent");
    let user = values.take_hinted(&["remoteuser", "authuser", "username", "user"], is_user);
    // a client may write any address for the host that it asks for
    let is_host = |v: &Value| v.is_text && is_word(&v.text) && !is_address(&v.text);
    let host = values.take_hinted(&["host", "servername"], is_host);
    let mut line = String::with_capacity(text.len() + 64);
    let or_dash = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), |value| escaped(&value.text));
    if let Some(host) = host {
        let _ = write!(line, "{} ", host.text);
    }
    let user = user.map_or_else(|| "-".to_owned(), |user| word(&user.text));
    let request = request.map_or_else(|| "-".to_owned(), |request| escaped(&request));
    let _ = write!(
        line,
        "{} - {user} [{}] \"{request}\" {} {} \"{}\" \"{}\" \"{}\"",
        addresses(&address.text),
        bare(&time.text),
        status.as_ref().map_or("-", |status| &status.text),
        bytes.as_ref().map_or("-", |bytes| &bytes.text),
        or_dash(&referer),
        or_dash(&agent),
        or_dash(&forwarded)
    );
    for value in values.all.iter().filter(|value| is_word(&value.path) && !value.text.is_empty()) {
        let _ = write!(line, " {}=\"{}\"", value.path, escaped(&value.text));
    }
    Some((line, cut))
}

/// Names of where a request came from.
const CLIENT: [&str; 6] = ["client", "remote", "peer", "source", "ip", "addr"];
/// Numbers of which no name says that they are a size.
const NO_SIZES: [&str; 11] =
    ["port", "id", "pid", "conn", "time", "dur", "latency", "count", "status", "code", "worker"];

/// Takes the values of the object at `at`; false where it breaks off.
fn object(text: &str, at: usize, path: &str, depth: usize, values: &mut Vec<Value>) -> bool {
    let bytes = text.as_bytes();
    let mut at = blank(bytes, at + 1);
    // ends: every turn reads a member, or leaves
    while bytes.get(at) != Some(&b'}') {
        let Ok(member) = Member::read(bytes, at) else { return false };
        let path = if path.is_empty() { member.name.to_owned() } else { format!("{path}.{}", member.name) };
        let end = member.end.unwrap_or(text.len());
        // one element of a list stands for it: a header has one value
        let list = bytes[member.value] == b'[';
        let value = if list { blank(bytes, member.value + 1) } else { member.value };
        match bytes.get(value) {
            Some(b'{') if depth > 1 && values.len() < VALUES => {
                object(text, value, &path, depth - 1, values);
            }
            // of a value that breaks off nobody knows the rest
            Some(b'"') if member.end.is_some() => {
                let inner = crate::framing::json::string_end(bytes, value).map_or(end, |end| end - 1);
                let mut read = String::new();
                unescape(text.get(value + 1..inner).unwrap_or_default(), &mut read);
                push(values, path, read, true);
            }
            Some(b'{' | b'[' | b']' | b'"') | None => {}
            Some(_) => {
                let length = bytes[value..end].iter().take_while(|b| !b",] \t\r\n}".contains(b)).count();
                let written = text.get(value..value + length).unwrap_or_default();
                if member.end.is_some() && written != "null" {
                    push(values, path, written.to_owned(), false);
                }
            }
        }
        let Some(end) = member.end else { return false };
        at = blank(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = blank(bytes, at + 1),
            Some(b'}') => {}
            _ => return false,
        }
    }
    true
}

fn push(values: &mut Vec<Value>, path: String, text: String, is_text: bool) {
    if values.len() < VALUES {
        let mut parts = path.rsplit('.');
        let last = parts.next().unwrap_or(&path);
        // `user.name` and `source.ip` say with both words what they are
        let above = parts.next().filter(|_| matches!(last, "name" | "id" | "ip" | "address" | "original"));
        let name = above
            .unwrap_or_default()
            .chars()
            .chain(last.chars())
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        values.push(Value { path, name, text, is_text });
    }
}

/// The values that nothing has been made of yet.
struct Values {
    all: Vec<Value>,
}

impl Values {
    /// The best value that fits: the earliest hint that a name holds, then the order. Those with a name that speaks against it come last.
    fn best(&self, hints: &[&str], against: &[&str], fits: impl Fn(&Value) -> bool) -> Option<(usize, usize)> {
        let rank = |value: &Value| {
            let says = |hint: &&str| value.name.contains(*hint);
            match (against.iter().any(says), hints.iter().position(says)) {
                (true, _) => hints.len() + 1,
                (false, Some(hint)) => hint,
                (false, None) => hints.len(),
            }
        };
        let fitting = self.all.iter().enumerate().filter(|(_, value)| fits(value));
        fitting.map(|(n, value)| (rank(value), n)).min()
    }

    fn take(&mut self, hints: &[&str], against: &[&str], fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let (rank, n) = self.best(hints, against, fits)?;
        (rank <= hints.len()).then(|| self.all.remove(n))
    }

    /// The best value that fits and whose name holds a hint.
    fn take_hinted(&mut self, hints: &[&str], fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let (rank, n) = self.best(hints, &[], fits)?;
        (rank < hints.len()).then(|| self.all.remove(n))
    }

    /// The request line, or what a method and a path beside it make.
    fn request(&mut self) -> Option<String> {
        if let Some(line) = self.take(&["request"], &[], |v| is_request(&v.text)) {
            return Some(line.text);
        }
        let method = self.take(&["method", "verb"], &[], |v| is_method(&v.text))?;
        let files = ["filename", "root", "file", "script", "refer", "upstream"];
        let hints = ["requesturi", "uri", "url", "path", "request"];
        let target = self.take(&hints, &files, |v| v.text.starts_with('/') || is_url(&v.text))?;
        let query = self.take_hinted(&["args", "query"], |v| v.is_text && !v.text.is_empty() && v.text != "-");
        let protocol = self.take(&["proto"], &[], |v| v.text.starts_with("HTTP/"));
        // no space ends it
        let mut target = target.text.replace(' ', "%20");
        if let Some(query) = query.filter(|_| !target.contains('?')) {
            target = format!("{target}?{}", query.text.trim_start_matches('?').replace(' ', "%20"));
        }
        let protocol = protocol.map_or_else(|| "HTTP/1.1".to_owned(), |protocol| protocol.text);
        Some(format!("{} {target} {protocol}", method.text))
    }
}

/// A time without the brackets that Apache's `%t` has.
fn bare(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_status(text: &str) -> bool {
    text.len() == 3 && is_digits(text) && text.as_bytes()[0].wrapping_sub(b'1') < 5
}

fn is_method(text: &str) -> bool {
    const METHODS: [&str; 9] = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    METHODS.contains(&text)
        || text.starts_with("PROP")
        || ["MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT"].contains(&text)
}

fn is_request(text: &str) -> bool {
    let named = |(method, _): &(&str, &str)| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    text.split_once(' ').filter(named).is_some_and(|(_, rest)| rest.contains(" HTTP/"))
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// `Mozilla/5.0 …`, `curl/8.5.0`: a product and its version.
fn is_agent(text: &str) -> bool {
    let Some((product, version)) = text.split_once('/') else { return false };
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || "-_. +".contains(c);
    let named = product.starts_with(|c: char| c.is_ascii_alphabetic()) && product.chars().all(of_a_name);
    named && product != "HTTP" && version.starts_with(|c: char| c.is_ascii_digit())
}

/// The addresses at the end of a list: nothing of what a client has written before them may look like a column.
fn addresses(text: &str) -> String {
    if is_address(text) {
        return text.to_owned();
    }
    let end: Vec<&str> = text.rsplit(',').map(str::trim).take_while(|part| is_address(part)).collect();
    std::iter::once("unknown").chain(end.into_iter().rev()).collect::<Vec<_>>().join(", ")
}

/// Whether it can stand in the line as it is.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"=\\[]".contains(&b))
}

/// In quotation marks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() && c.is_ascii() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Without any: a name holds what its client sent, and nothing of it may look like a column.
fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("\\x{b:02x}") }).collect()
}
