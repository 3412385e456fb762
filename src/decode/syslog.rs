//! The envelope of a line that came by way of syslog: RFC 5424, RFC 3164, and what relays and files make of them.
//!
//! ```text
//! <PRI>1 TIMESTAMP HOST APP PROCID MSGID SD[ MSG]      RFC 5424
//! [<PRI>]Mmm dd hh:mm:ss [HOST ]TAG[PID]: MSG          RFC 3164, a file without priority, a local program without host
//! [<PRI>]TIMESTAMP HOST TAG[PID]: MSG                  rsyslog's forward and file formats, with an RFC 3339 time
//! ```
//!
//! A line without an envelope is its own message: a relay may have cut it off.

/// What stands around a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// When it was sent, as written: RFC 3339, or `Mmm dd hh:mm:ss` without year and zone.
    pub timestamp: Option<&'a str>,
    /// The host that it names.
    pub host: Option<&'a str>,
    /// The program that it names: APP-NAME, or the tag.
    pub app: Option<&'a str>,
}

/// Splits a line into its envelope and its message. Marks before JSON (`@cee:`) go with the envelope.
pub fn open(line: &str) -> (Envelope<'_>, &str) {
    let rest = priority(line).unwrap_or(line);
    let (envelope, message) = match rest.strip_prefix("1 ").filter(|_| rest.len() < line.len()).and_then(rfc5424) {
        Some(opened) => opened,
        None => rfc3164(rest).unwrap_or((Envelope::default(), rest)),
    };
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    let message = message.strip_prefix("@cee:").map_or(message, str::trim_start);
    (envelope, message)
}

/// What follows `<PRI>`.
fn priority(line: &str) -> Option<&str> {
    let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
    let digits = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(rest)
}

fn rfc5424(rest: &str) -> Option<(Envelope<'_>, &str)> {
    let mut words = rest.splitn(6, ' ');
    // an empty name, of a sender that has two spaces, is none
    let mut word = || words.next().map(|word| (!matches!(word, "" | "-")).then_some(word));
    let envelope = Envelope { timestamp: word()?, host: word()?, app: word()? };
    let (_, _) = (word()?, word()?);
    let data = structured_data(words.next()?)?;
    Some((envelope, data.strip_prefix(' ').unwrap_or(data)))
}

/// What follows the structured data: `-`, or elements in brackets whose quoted values may hold escaped brackets.
fn structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let (mut at, bytes) = (0, text.as_bytes());
    while bytes.get(at) == Some(&b'[') {
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

fn rfc3164(rest: &str) -> Option<(Envelope<'_>, &str)> {
    let length = stamp(rest)?;
    let timestamp = Some(&rest[..length]);
    let rest = rest[length..].strip_prefix(' ')?;
    let (first, after) = rest.split_once(' ')?;
    // a local program names no host: the tag ends in a colon, or has a process id
    if let Some(app) = tag(first) {
        return Some((Envelope { timestamp, host: None, app: Some(app) }, after));
    }
    let host = Some(first).filter(|name| !name.is_empty());
    let tagged = |(word, message)| Some((tag(word).or_else(|| bare_tag(word))?, message));
    Some(match after.split_once(' ').and_then(tagged) {
        Some((app, message)) => (Envelope { timestamp, host, app: Some(app) }, message),
        None => (Envelope { timestamp, host, app: None }, after),
    })
}

/// How long the time at the beginning is.
fn stamp(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // a character may lie across the end of what has the marks of a time: that is none, and nothing may be cut there
    let civil = bytes.len() > 15
        && text.is_char_boundary(15)
        && bytes[..3].iter().all(u8::is_ascii_alphabetic)
        && (bytes[3], bytes[6], bytes[9], bytes[12]) == (b' ', b' ', b':', b':');
    if civil {
        return Some(15);
    }
    let word = text.split(' ').next()?;
    let dated = bytes.len() > 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[10] == b'T';
    (dated && (19..=35).contains(&word.len())).then_some(word.len())
}

/// The program in `portal[812]:` or `portal:`.
fn tag(word: &str) -> Option<&str> {
    let name = word.strip_suffix(':')?;
    let name = name.split_once('[').map_or(name, |(name, _)| name);
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!name.is_empty() && name.len() <= 128 && name.chars().all(fits)).then_some(name)
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

    proptest! {
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
