//! The envelope of a line that came by way of syslog: RFC 5424, RFC 3164, and what senders, relays and files make of them.
//!
//! ```text
//! <PRI>1 TIMESTAMP HOST APP PROCID MSGID SD[ MSG]      RFC 5424; MSGID and SD may be missing before an object of JSON
//! [<PRI>][STAMP ][HOST ]TAG[PID]: MSG                  RFC 3164 and its near misses
//! ```
//!
//! STAMP is `Mmm dd hh:mm:ss`, with or without a year, a weekday, a fraction, a zone and a padded day, or a date as ISO 8601 writes it. A
//! line without an envelope is its own message: a relay may have cut it off. Every step looks at a bounded beginning of the line.

/// What stands around a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// When it was sent, as written: RFC 3339, or `Mmm dd hh:mm:ss` without year and zone, or with them.
    pub timestamp: Option<&'a str>,
    /// The host that it names.
    pub host: Option<&'a str>,
    /// The program that it names: APP-NAME, or the tag.
    pub app: Option<&'a str>,
}

/// The longest envelope that is looked for, in bytes.
const ENVELOPE_BYTES: usize = 1024;
/// The longest tag, in bytes.
const TAG_BYTES: usize = 128;

/// Splits a line into its envelope and its message. Marks before JSON (`@cee:`) go with the envelope.
pub fn open(line: &str) -> (Envelope<'_>, &str) {
    let counted = line.trim_start_matches(|c: char| c.is_ascii_digit());
    // the length that stands before a message in a stream (RFC 6587) comes into files, too
    let line = counted.strip_prefix(' ').filter(|rest| rest.starts_with('<')).unwrap_or(line);
    let rest = priority(line).unwrap_or(line);
    let has_priority = rest.len() < line.len();
    let (envelope, message) = match rest.strip_prefix("1 ").filter(|_| has_priority).and_then(rfc5424) {
        Some(opened) => opened,
        None => legacy(rest, has_priority).unwrap_or((Envelope::default(), rest)),
    };
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    let message = message.strip_prefix("@cee:").map_or(message, str::trim_start);
    (envelope, message)
}

/// The same for a trail whose records are objects of JSON: an envelope that is not understood ends where an object begins, and says
/// nothing. Behind one that is understood only what a logger adds (a time, a level, a process id, a name with its colon, a context in
/// braces) or another relay's header is passed over: an object that is quoted in a sentence is no record.
pub fn open_json(line: &str) -> (Envelope<'_>, &str) {
    let (envelope, message) = open(line);
    let message = match envelope.app {
        // whose header stands behind that of a relay is nobody's word on who sent it
        None => relayed(message).unwrap_or(message),
        Some(_) => message,
    };
    let begins_json = |text: &str| match text.strip_prefix('[') {
        Some(inner) => inner.trim_start().starts_with(['{', ']']),
        None => text.starts_with('{'),
    };
    let trimmed = message.trim_start();
    if begins_json(trimmed) && !is_context(trimmed) {
        return (envelope, trimmed);
    }
    let near = &message[..message.floor_char_boundary(ENVELOPE_BYTES)];
    let Some(at) = object(message, near) else {
        return (envelope, message);
    };
    // an array's bracket goes with its first object
    let before = near[..at].trim_end();
    let at = before.strip_suffix('[').map_or(at, str::len);
    match envelope == Envelope::default() || are_loggers(&message[..at]) {
        true => (envelope, &message[at..]),
        false => (envelope, message),
    }
}

/// What stands behind a further header with its priority or its version.
fn relayed(message: &str) -> Option<&str> {
    if priority(message).is_some() {
        return Some(open(message).1);
    }
    let (envelope, inner) = rfc5424(message.strip_prefix("1 ")?)?;
    envelope.timestamp.map(|_| inner)
}

/// Where the object begins: the first bracket that a name follows, or nothing because the line was cut; else the first one.
fn object(message: &str, near: &str) -> Option<usize> {
    let first = near.find('{')?;
    let begins = |at: &usize| !is_context(&message[*at..]);
    near.match_indices('{').map(|(at, _)| at).take(CONTEXTS).find(begins).or(Some(first))
}

/// Whether braces stand here that hold no JSON, as a logger has them around its context: `{}`, `{id=1}`.
fn is_context(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('{') else { return false };
    !matches!(inner.trim_start().as_bytes().first(), None | Some(b'"'))
}

/// How many brackets of a line may belong to a context.
const CONTEXTS: usize = 8;

/// Whether all that stands here is a logger's.
fn are_loggers(text: &str) -> bool {
    let (mut rest, mut is_named) = (text, false);
    loop {
        // ends: every turn takes a word off, or leaves
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || "*[(".contains(c));
        if rest.is_empty() {
            return true;
        }
        if let Some(inner) = rest.strip_prefix('{') {
            let Some((_, behind)) = inner.split_once('}') else { return false };
            rest = behind;
            continue;
        }
        if let Some(stamp) = stamp(rest).filter(|stamp| stamp.length > 0) {
            rest = rest[stamp.length..].strip_prefix(':').unwrap_or(&rest[stamp.length..]);
            continue;
        }
        let (word, behind) = rest.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((rest, ""));
        let dash = behind.trim_start().split(' ').next().unwrap_or("");
        // behind a level, and with a dash behind it, one word is a name
        let is_name = is_named && matches!(dash, "-" | "--" | ":" | "|") && tag_letters(word);
        if !(is_name || is_loggers(word)) {
            return false;
        }
        is_named = is_level(word);
        rest = behind;
    }
}

fn is_level(word: &str) -> bool {
    const LEVELS: &[&str] =
        &["trace", "debug", "info", "notice", "warn", "warning", "error", "err", "crit", "critical", "fatal", "audit"];
    let bare = word.trim_matches(|c: char| "[]()<>:=-|".contains(c));
    LEVELS.iter().any(|level| bare.eq_ignore_ascii_case(level))
}

fn tag_letters(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./@+".contains(c))
}

/// Whether a logger puts this word between the tag and what it was given: a level, a number or a time, a name with its colon or with dots
/// in it, what stands in brackets, `level=info`, or the name of the message before it (`msg=`).
fn is_loggers(word: &str) -> bool {
    const MESSAGE: &[&str] = &["msg", "message", "event", "record", "audit", "log", "data", "payload"];
    if let Some((name, value)) = word.split_once('=') {
        // a message that says something more is a sentence
        let is_message = MESSAGE.iter().any(|key| name.eq_ignore_ascii_case(key));
        return tag_letters(name) && (is_message == value.is_empty()) && !value.contains('{');
    }
    let bare = word.trim_matches(|c: char| "[]()<>:=-|,".contains(c));
    let is_time = bare.bytes().all(|b| b.is_ascii_digit() || b":.,-/+TZ".contains(&b));
    let in_brackets = word.starts_with('[') && word.ends_with(']') || word.ends_with([')', ']']) && tag_letters(bare);
    let is_dotted = bare.contains('.') && bare.split('.').all(tag_letters);
    let is_tag = tag(word).is_some_and(|(_, rest)| rest.is_empty());
    is_level(word) || is_time || in_brackets || is_dotted || is_tag
}

/// What follows `<PRI>`.
fn priority(line: &str) -> Option<&str> {
    let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
    let digits = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(rest)
}

/// The first word, and what stands behind it and its space.
fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn rfc5424(rest: &str) -> Option<(Envelope<'_>, &str)> {
    // an empty name, of a sender that has two spaces, is none
    let named = |word| (!matches!(word, "" | "-")).then_some(word);
    let (timestamp, rest) = word(rest);
    if timestamp != "-" && iso(timestamp) != Some(timestamp.len()) {
        return None;
    }
    let (host, rest) = word(rest);
    let mut envelope = Envelope { timestamp: named(timestamp), host: named(host), app: None };
    let mut at = rest;
    for n in 0..3 {
        // some senders leave out what they do not have, and no name begins like this
        if at.starts_with(['{', '"']) {
            return Some((envelope, at));
        }
        let (name, rest) = at.split_once(' ')?;
        if n == 0 {
            envelope.app = named(name.strip_suffix(':').unwrap_or(name));
        }
        at = rest;
    }
    // without structured data the message stands here
    let data = structured_data(at).unwrap_or(at);
    Some((envelope, data.strip_prefix(' ').unwrap_or(data)))
}

/// What follows the structured data: `-`, or elements in brackets whose quoted values may hold escaped brackets.
fn structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let (mut at, bytes) = (0, text.as_bytes());
    // an element has a name: a list of objects is a message
    while bytes.get(at) == Some(&b'[') && !matches!(bytes.get(at + 1), None | Some(b'{' | b'"' | b']' | b' ')) {
        let mut quoted = false;
        loop {
            at += 1;
            match bytes.get(at)? {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                b']' if !quoted => break,
                _ => {}
            }
        }
        at += 1;
    }
    (at > 0).then(|| text.get(at..)).flatten()
}

/// What RFC 3164 describes, and what senders make of it. Without a time only a tag with its colon is an envelope.
fn legacy(rest: &str, has_priority: bool) -> Option<(Envelope<'_>, &str)> {
    let text = rest.trim_start_matches(' ');
    let Some(stamp) = stamp(text) else {
        let (envelope, message) = names(text, None)?;
        let sure = has_priority || message.starts_with('{');
        return (envelope.app.is_some() && sure).then_some((envelope, message));
    };
    let timestamp = Some(&text[..stamp.length]);
    let behind = &text[stamp.length..];
    let behind = behind.strip_prefix(':').unwrap_or(behind).strip_prefix(' ')?;
    if let Some((envelope, message)) = names(behind, timestamp) {
        return Some((envelope, message));
    }
    // products date their own lines like this: alone, it is a part of the message
    if stamp.is_loose {
        return None;
    }
    let (host, after) = behind.split_once(' ')?;
    let host = Some(host).filter(|name| !name.is_empty());
    let bare = after.split_once(' ').and_then(|(word, message)| Some((bare_tag(word)?, message)));
    Some(match bare {
        Some((app, message)) => (Envelope { timestamp, host, app: Some(app) }, message),
        None => (Envelope { timestamp, host, app: None }, after),
    })
}

/// `[HOST ]TAG[PID]: MSG`: a tag that ends in a colon, as the first word or the second.
fn names<'a>(text: &'a str, timestamp: Option<&'a str>) -> Option<(Envelope<'a>, &'a str)> {
    if let Some((app, message)) = tag(text) {
        // a local program names no host
        return Some((Envelope { timestamp, host: None, app: Some(app) }, without_pid(message)));
    }
    let (host, after) = text.split_once(' ')?;
    if host.len() > 255 || host.contains(['"', '{', '=']) {
        return None;
    }
    let host = Some(host).filter(|name| !name.is_empty());
    let (app, message) = tag(after).or_else(|| spaced_tag(after))?;
    Some((Envelope { timestamp, host, app: Some(app) }, without_pid(message)))
}

/// The message without a process id that stands behind the tag's colon.
fn without_pid(message: &str) -> &str {
    let inner = message.strip_prefix('[').and_then(|inner| inner.split_once("] "));
    let is_pid = |pid: &str| (1..=10).contains(&pid.len()) && pid.bytes().all(|b| b.is_ascii_digit());
    inner.filter(|(pid, _)| is_pid(pid)).map_or(message, |(_, message)| message)
}

/// A time at the beginning of a text.
struct Stamp {
    length: usize,
    /// A product could have written it as well as a relay.
    is_loose: bool,
}

/// The time at the beginning, with its zone.
fn stamp(text: &str) -> Option<Stamp> {
    let (length, is_loose) = match civil(text) {
        Some(length) => (length, false),
        None => {
            let length = iso(text)?;
            (length, text.as_bytes().get(10) == Some(&b' '))
        }
    };
    let length = length + zone(&text[length..]);
    // a character may go on where the marks of a time end: that is none, and nothing may be cut there
    let ends = matches!(text.as_bytes().get(length), None | Some(b' ' | b':'));
    ends.then_some(Stamp { length, is_loose })
}

/// How many bytes, at most `most`, are digits.
fn digits(bytes: &[u8], most: usize) -> usize {
    bytes.iter().take(most).take_while(|b| b.is_ascii_digit()).count()
}

/// `hh:mm:ss` with a fraction or without: its length.
fn clock(bytes: &[u8]) -> Option<usize> {
    let marks = bytes.len() >= 8 && bytes[2] == b':' && bytes[5] == b':';
    let right = marks && [0, 1, 3, 4, 6, 7].iter().all(|n| bytes[*n].is_ascii_digit());
    let fraction = match bytes.get(8) {
        Some(b'.' | b',') => digits(&bytes[9..], 12),
        _ => 0,
    };
    right.then_some(if fraction > 0 { 9 + fraction } else { 8 })
}

/// `[Www ][yyyy ]Mmm [d]d[ yyyy] hh:mm:ss[.fraction][ yyyy]`: its length.
fn civil(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let name =
        |at: usize| bytes.get(at..at + 4).is_some_and(|b| b[..3].iter().all(u8::is_ascii_alphabetic) && b[3] == b' ');
    let year = |at: usize| bytes.get(at..at + 4).is_some_and(|b| digits(b, 4) == 4);
    let spaces = |at: usize| bytes.iter().skip(at).take(2).take_while(|b| **b == b' ').count();
    let mut at = 0;
    if name(0) && name(4) {
        at = 4;
    } else if year(0) && bytes.get(4) == Some(&b' ') {
        at = 5;
    }
    if !name(at) {
        return None;
    }
    at += 3 + spaces(at + 3);
    let day = digits(bytes.get(at..)?, 2);
    at += day;
    if day == 0 || spaces(at) == 0 {
        return None;
    }
    at += spaces(at);
    if year(at) && spaces(at + 4) > 0 {
        at += 4 + spaces(at + 4);
    }
    at += clock(bytes.get(at..)?)?;
    let year_behind = bytes.get(at) == Some(&b' ') && year(at + 1) && matches!(bytes.get(at + 5), None | Some(b' '));
    Some(if year_behind { at + 5 } else { at })
}

/// `yyyy-mm-dd` and a time behind `T` or a space, with an offset or without: its length.
pub(super) fn iso(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let date = bytes.len() > 10 && digits(bytes, 4) == 4 && bytes[4] == b'-' && bytes[7] == b'-';
    if !date || !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let at = 11 + clock(&bytes[11..])?;
    Some(at + offset(&bytes[at..]))
}

/// How long `Z`, `+hh:mm`, `+hhmm` or `+hh` is.
fn offset(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'Z' | b'z') => 1,
        Some(b'+' | b'-') => match (digits(&bytes[1..], 4), bytes.get(3)) {
            (4, _) => 5,
            (2, Some(b':')) if digits(&bytes[4..], 2) == 2 => 6,
            (2, _) => 3,
            _ => 0,
        },
        _ => 0,
    }
}

/// Names of zones that senders write behind a time: what else stands there in capitals is a host.
const ZONES: &[&str] = &[
    "UTC", "GMT", "UT", "Z", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "AKST", "AKDT", "HST", "AST",
    "ADT", "NST", "NDT", "BRT", "ART", "CLT", "WET", "WEST", "BST", "IST", "CET", "CEST", "MET", "MEST", "EET", "EEST",
    "MSK", "TRT", "SAST", "EAT", "WAT", "CAT", "GST", "PKT", "ICT", "WIB", "SGT", "HKT", "PHT", "JST", "KST", "AWST",
    "ACST", "ACDT", "AEST", "AEDT", "NZST", "NZDT",
];

/// How long the zone behind a time is, with the space before it.
fn zone(text: &str) -> usize {
    let Some(inner) = text.strip_prefix(' ') else { return 0 };
    let name = inner.split([' ', ':']).next().unwrap_or("");
    let numeric = inner.strip_prefix("TZ").unwrap_or(inner).as_bytes();
    let offset = match numeric.first() {
        Some(b'+' | b'-') => inner.len() - numeric.len() + offset(numeric).max(1 + digits(&numeric[1..], 2)),
        _ => 0,
    };
    let ends = |length: usize| matches!(inner.as_bytes().get(length), Some(b' ' | b':'));
    match (ZONES.contains(&name), offset) {
        (true, _) if ends(name.len()) => 1 + name.len(),
        (_, 1..) if ends(offset) => 1 + offset,
        _ => 0,
    }
}

/// The program in `portal[812]: MSG` or `portal: MSG`, and the message. The space is missing before an object of JSON only.
fn tag(text: &str) -> Option<(&str, &str)> {
    let near = &text[..text.floor_char_boundary(TAG_BYTES)];
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./@+".contains(c);
    let name = &near[..near.find(|c| !fits(c)).unwrap_or(near.len())];
    let mut behind = &text[name.len()..];
    if let Some(pid) = behind.strip_prefix('[') {
        let end = pid[..pid.floor_char_boundary(TAG_BYTES)].find([']', ' ', '"', '{'])?;
        behind = pid[end..].strip_prefix(']')?;
    }
    let message = behind.strip_prefix(':')?;
    let message = match message.as_bytes().first() {
        None | Some(b'{') => message,
        Some(b'[') if message[1..].starts_with('{') => message,
        _ => message.strip_prefix(' ')?,
    };
    (!name.is_empty()).then_some((name, message))
}

/// A tag with spaces in it, before an object of JSON: elsewhere its second word could be the message's first.
fn spaced_tag(text: &str) -> Option<(&str, &str)> {
    let near = &text[..text.floor_char_boundary(TAG_BYTES)];
    let colon = near.find(|c: char| !(c.is_ascii_alphanumeric() || "-_./@+ []()".contains(c)))?;
    let message = text[colon..].strip_prefix(':')?;
    let message = message.strip_prefix(' ').unwrap_or(message);
    let name = near[..colon].split('[').next().unwrap_or("").trim();
    let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    let words = name.split(' ').count();
    (words <= 4 && name.split(' ').all(is_name) && message.starts_with('{')).then_some((name, message))
}

/// A program without the colon that senders put behind it: RFC 3164 lets a space end a tag. An address is none.
fn bare_tag(word: &str) -> Option<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let name = word.split_once('[').filter(|(_, pid)| pid.ends_with(']')).map_or(word, |(name, _)| name);
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 48 && name.chars().all(fits)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_envelope_is_opened() {
        let all = |t, h, a| Envelope { timestamp: Some(t), host: h, app: a };
        for (line, envelope, message) in [
            (
                "<134>1 2026-04-01T09:12:44.031Z gw1 portal 812 - - {\"ts\":1}",
                all("2026-04-01T09:12:44.031Z", Some("gw1"), Some("portal")),
                "{\"ts\":1}",
            ),
            (
                "<134>1 2026-04-01T09:12:44Z gw1 portal - ID47 [a@1 x=\"q\\\"]\\]\"][b@2] \u{feff}text",
                all("2026-04-01T09:12:44Z", Some("gw1"), Some("portal")),
                "text",
            ),
            ("<134>1 - - - - - - m", Envelope::default(), "m"),
            (
                "<134>1 2026-04-01T09:12:44Z gw1 portal - - -",
                all("2026-04-01T09:12:44Z", Some("gw1"), Some("portal")),
                "",
            ),
            ("<13>Apr  1 09:12:44 gw1 portal[812]: {}", all("Apr  1 09:12:44", Some("gw1"), Some("portal")), "{}"),
            (
                "<13>Apr  1 09:12:44 gw1 portal {\"a\":1}",
                all("Apr  1 09:12:44", Some("gw1"), Some("portal")),
                "{\"a\":1}",
            ),
            ("<13>Apr  1 09:12:44 gw1 192.0.2.1 - - [", all("Apr  1 09:12:44", Some("gw1"), None), "192.0.2.1 - - ["),
            ("Apr 11 09:12:44 gw1 portal: a: b", all("Apr 11 09:12:44", Some("gw1"), Some("portal")), "a: b"),
            ("<13>Apr  1 09:12:44 portal[812]: x", all("Apr  1 09:12:44", None, Some("portal")), "x"),
            (
                "<13>2026-04-01T09:12:44.031+02:00 gw1 portal: @cee: {\"a\":1}",
                all("2026-04-01T09:12:44.031+02:00", Some("gw1"), Some("portal")),
                "{\"a\":1}",
            ),
            ("Apr 11 09:12:44  portal: a", all("Apr 11 09:12:44", None, Some("portal")), "a"),
            ("Apr  1 09:12:44 gw1 db audit: x", all("Apr  1 09:12:44", Some("gw1"), Some("db")), "audit: x"),
            ("<134>portal: x", Envelope { app: Some("portal"), ..Envelope::default() }, "x"),
            ("portal: x", Envelope::default(), "portal: x"),
            (
                "<13>1 2026-04-01T09:12:44Z gw1 web - - 192.0.2.1 -",
                all("2026-04-01T09:12:44Z", Some("gw1"), Some("web")),
                "192.0.2.1 -",
            ),
            (
                "2026-04-01 09:12:44,403 INFO  [org.x] (main) a: b",
                Envelope::default(),
                "2026-04-01 09:12:44,403 INFO  [org.x] (main) a: b",
            ),
            ("Apr  1 09:12:4é gw1 portal: a", Envelope::default(), "Apr  1 09:12:4é gw1 portal: a"),
            ("{\"ts\":\"2026\"}", Envelope::default(), "{\"ts\":\"2026\"}"),
            (
                "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1",
                Envelope::default(),
                "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1",
            ),
        ] {
            assert_eq!(open(line), (envelope, message), "{line}");
        }
    }

    /// Each header that senders of JSON write, with the time that it states and the program that it names.
    #[test]
    fn near_misses_of_headers_hide_no_object() {
        let gw = Some("gw1");
        for (header, timestamp, host, app) in [
            ("<134>Apr  1 09:12:44.031 gw1 portal: ", "Apr  1 09:12:44.031", gw, "portal"),
            ("<134>Apr  1 2026 09:12:44 gw1 portal: ", "Apr  1 2026 09:12:44", gw, "portal"),
            ("<134>2026 Apr  1 09:12:44 gw1 portal: ", "2026 Apr  1 09:12:44", gw, "portal"),
            ("<134>Apr 1 09:12:44 gw1 portal: ", "Apr 1 09:12:44", gw, "portal"),
            ("<134>Apr 01 09:12:44 gw1 portal[7]: ", "Apr 01 09:12:44", gw, "portal"),
            ("<134>Wed Apr  1 09:12:44 2026 gw1 portal: ", "Wed Apr  1 09:12:44 2026", gw, "portal"),
            ("<134>Apr  1 09:12:44 CEST gw1 portal: ", "Apr  1 09:12:44 CEST", gw, "portal"),
            ("<134>Apr  1 09:12:44 +0200 gw1 portal: ", "Apr  1 09:12:44 +0200", gw, "portal"),
            ("<134>Apr  1 09:12:44 GW1 portal: ", "Apr  1 09:12:44", Some("GW1"), "portal"),
            ("<134> Apr  1 09:12:44 gw1 portal: ", "Apr  1 09:12:44", gw, "portal"),
            ("<134>Apr  1 09:12:44: gw1 portal: ", "Apr  1 09:12:44", gw, "portal"),
            ("<134>2026-04-01 09:12:44 gw1 portal: ", "2026-04-01 09:12:44", gw, "portal"),
            ("<14>2026-04-01 09:12:44,403 portal.audit: ", "2026-04-01 09:12:44,403", None, "portal.audit"),
            ("2026-04-01T09:12:44.000000+00:00 gw1 portal ", "2026-04-01T09:12:44.000000+00:00", gw, "portal"),
            ("<134>Apr  1 09:12:44 gw1 portal[12]:", "Apr  1 09:12:44", gw, "portal"),
            ("<134>Apr  1 09:12:44 2001:db8::5 portal: ", "Apr  1 09:12:44", Some("2001:db8::5"), "portal"),
            ("<134>Apr  1 09:12:44 gw1 my app: ", "Apr  1 09:12:44", gw, "my app"),
            ("<134>Apr  1 09:12:44 gw1 my app[12]: ", "Apr  1 09:12:44", gw, "my app"),
            ("<134>Apr  1 09:12:44 gw1 portal: [12] ", "Apr  1 09:12:44", gw, "portal"),
            ("<134>Apr  1 09:12:44 gw1 portal: INFO ", "Apr  1 09:12:44", gw, "portal"),
            ("<134>Apr  1 09:12:44 gw1 portal - audit: ", "Apr  1 09:12:44", gw, "portal"),
            (
                "<134>Apr  1 09:12:44 gw1 portal[1]: 2026-04-01 09:12:44,123 INFO audit - ",
                "Apr  1 09:12:44",
                gw,
                "portal",
            ),
            (
                "<134>Apr  1 09:12:44 gw1 portal[1]: 09:12:44.123 [http-8080-exec-1] INFO  c.e.portal.Audit - ",
                "Apr  1 09:12:44",
                gw,
                "portal",
            ),
            (
                "<134>Apr  1 09:12:44 gw1 portal[1]: 2026-04-01T09:12:44Z WARN Auditor - ",
                "Apr  1 09:12:44",
                gw,
                "portal",
            ),
            (
                "<134>Apr  1 09:12:44 gw1 portal: level=info ts=2026-04-01T09:12:44Z msg=",
                "Apr  1 09:12:44",
                gw,
                "portal",
            ),
            ("<134>Apr  1 09:12:44 gw1 portal: INFO {ctx=1} ", "Apr  1 09:12:44", gw, "portal"),
            ("<134>Apr  1 09:12:44 gw1 portal: {} INFO {a=1, b=x y} ", "Apr  1 09:12:44", gw, "portal"),
            ("<134>123: gw1: *Apr  1 09:12:44.123: portal: ", "", None, "123"),
            ("Apr  1 09:12:44 gw1 1 2026-04-01T09:12:44Z gw2 portal - - - ", "Apr  1 09:12:44", gw, ""),
            ("Apr  1 09:12:44 gw1 <134>Apr  1 09:12:43 gw2 portal[1]: ", "Apr  1 09:12:44", gw, ""),
            ("<134>1 2026-04-01T09:12:44Z gw1 portal 12 - ", "2026-04-01T09:12:44Z", gw, "portal"),
            ("<134>1 2026-04-01T09:12:44Z gw1 portal 12 ", "2026-04-01T09:12:44Z", gw, "portal"),
            ("<134>1 2026-04-01T09:12:44Z gw1 portal ", "2026-04-01T09:12:44Z", gw, "portal"),
            ("<134>1 2026-04-01T09:12:44Z gw1 portal - - [sd x=\"1\"]", "2026-04-01T09:12:44Z", gw, "portal"),
            ("97 <134>1 2026-04-01T09:12:44Z gw1 portal - - - ", "2026-04-01T09:12:44Z", gw, "portal"),
            ("<134>gw1 portal: ", "", gw, "portal"),
            ("<134>portal: ", "", None, "portal"),
            ("<14>portal: [812] ", "", None, "portal"),
            ("portal[812]: ", "", None, "portal"),
            ("<134>", "", None, ""),
            ("<134>1775034764 gw1 says ", "", None, ""),
            ("[2026-04-01 09:12:44] portal.INFO ", "", None, ""),
        ] {
            let said = |text: &'static str| (!text.is_empty()).then_some(text);
            for object in ["{\"ts\":\"a: {\",\"b\":[1]}", "[{\"a\":1},{\"b\":2}]"] {
                let line = format!("{header}{object}");
                let (envelope, message) = open_json(&line);
                assert_eq!(message, object, "{line}");
                if object.starts_with('{') {
                    assert_eq!(envelope, Envelope { timestamp: said(timestamp), host, app: said(app) }, "{line}");
                }
            }
        }
    }

    #[test]
    fn an_object_that_a_message_quotes_is_no_record() {
        for line in [
            "<134>Apr  1 09:12:44 gw1 portal: refused the body {\"event\":\"session.login\"}",
            "<134>portal: refused the body {\"event\":\"session.login\"}",
            "<134>1 2026-04-01T09:12:44Z gw1 portal - - - refused {\"event\":\"session.login\"}",
            "<134>Apr  1 09:12:44 gw1 portal: refused {a=1} {\"event\":\"session.login\"}",
            "<134>Apr  1 09:12:44 gw1 portal: refused body={\"event\":\"session.login\"}",
            "<134>Apr  1 09:12:44 gw1 portal: msg=refused body={\"event\":\"session.login\"}",
            "<134>Apr  1 09:12:44 gw1 portal: msg=refused event={\"event\":\"session.login\"}",
            "<134>Apr  1 09:12:44 gw1 portal: msg=\"refused the body\" event={\"event\":\"session.login\"}",
            "<134>Apr  1 09:12:44 gw1 portal: level=info INFO refused body - {\"event\":\"session.login\"}",
        ] {
            let message = open_json(line).1;
            assert!(!message.starts_with('{') && message.contains("refused"), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_json_is_opened_to_an_end_of_itself(line in "(<[0-9]{1,4}>)?([A-Z][a-z]{2} [0-9 ]{1,2} )?[-0-9:T .a-z\\[\\]{}\"]{0,60}.{0,60}") {
            let (envelope, message) = open_json(&line);
            let before = line.strip_suffix(message);
            prop_assert!(before.is_some());
            for part in [envelope.timestamp, envelope.host, envelope.app].into_iter().flatten() {
                prop_assert!(!part.is_empty() && before.is_some_and(|before| before.contains(part)));
            }
        }

        #[test]
        fn any_text_is_opened_to_an_end_of_itself(line in "(<[0-9]{1,4}>)?(1 )?.{0,120}") {
            let (_, message) = open(&line);
            prop_assert!(line.ends_with(message));
        }

        #[test]
        fn an_envelope_hides_no_message(message in "[^\u{feff}@].{0,80}", host in "[a-z]{1,9}", app in "[a-z]{1,9}") {
            let line = format!("<134>1 2026-04-01T09:12:44Z {host} {app} 1 - [x@1 y=\"z\"] {message}");
            prop_assert_eq!(open(&line).1, message);
        }
    }
}
