//! What of a line must not be kept: secrets, phone numbers, contents of messages. Works on the text, whatever its format, for
//! a line that no decoder understands may hold a secret all the same.
//!
//! One pass: `:` and `=` are looked for, and the key before them says whether the value behind them goes.
use super::coerce::cut;
use crate::model::limits::KEPT_LINE_BYTES;
use aho_corasick::AhoCorasick;

/// What stands where something was cut out.
const CUT: &str = "[cut]";

/// How much of a line is looked at: what is kept of it is a sixteenth of that.
const LOOKED_AT: usize = 16 * KEPT_LINE_BYTES;

/// Words that make a key's value a secret, wherever they stand in the key (letters alike in either case, `-` and `_` left out).
const SECRET_WORDS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "authorization",
    "cookie",
    "apikey",
    "privatekey",
    "accesskey",
    "credential",
    "signature",
    "remembervalidator",
    "passcode",
    "assertion",
    "samlresponse",
];
/// Keys whose values are secrets, as whole words.
const SECRET_KEYS: &[&str] = &[
    "session",
    "sid",
    "sessionid",
    "sessid",
    "phpsessid",
    "jsessionid",
    "auth",
    "pwd",
    "pass",
    "otp",
    "code",
    "jwt",
    "sig",
    "hash",
    "key",
];
/// Ends of keys whose values are secrets: `new_session`, `oldSessionId`.
const SECRET_ENDS: &[&str] = &["session", "sessionid"];
/// Keys whose values are phone numbers where they are digits.
const PHONE_KEYS: &[&str] = &[
    "to",
    "from",
    "phone",
    "msisdn",
    "phonenumber",
    "tonumber",
    "fromnumber",
    "mobile",
    "mobilenumber",
    "caller",
    "callee",
    "callerid",
    "destination",
    "recipient",
    "sender",
    "number",
    "calledparty",
    "callingparty",
    "dnis",
    "ani",
    "cell",
];
/// Keys whose values are the contents of messages.
const BODY_KEYS: &[&str] = &["body", "sms", "smsbody", "messagebody", "smstext", "messagetext"];
/// The same, where the line also names a phone number.
const TEXT_KEYS: &[&str] = &["content", "text", "message", "msg"];

/// The longest key that is looked at.
const KEY: usize = 64;

/// The words, compiled once.
pub(super) struct Redactor(AhoCorasick);

type Bounds = (usize, usize);

/// What a pass found.
#[derive(Default)]
struct Found {
    cuts: Vec<Bounds>,
    /// Texts that go only where the line also names a phone number.
    texts: Vec<Bounds>,
    phones: bool,
}

/// What is to be done with the value of a key.
enum Verdict {
    Keep,
    Cut,
    CutPhone,
    CutText,
}

impl Redactor {
    pub fn new() -> Redactor {
        Redactor(AhoCorasick::new(SECRET_WORDS).expect("some short constant words"))
    }

    /// `line` without what must not be kept. `secret_keys` are the profile's own, beside the usual ones, as [`plain_key`] writes them.
    pub fn redact(&self, line: &str, secret_keys: &[String]) -> String {
        let line = cut(line, LOOKED_AT);
        let mut found = self.find(line.as_bytes(), secret_keys);
        if found.phones {
            found.cuts.append(&mut found.texts);
        }
        found.cuts.sort_unstable();
        let (mut out, mut at) = (String::with_capacity(line.len()), 0);
        for (from, to) in found.cuts {
            // A cut inside an earlier one is done; both ends lie beside ASCII, so they are characters' boundaries.
            if let Some(before) = line.get(at..from) {
                out.push_str(before);
                out.push_str(CUT);
                at = to;
            }
        }
        out.push_str(line.get(at..).unwrap_or(""));
        cut(&out, KEPT_LINE_BYTES).to_owned()
    }

    /// Whether a line names a phone number: the texts in it may be those of messages then.
    pub fn names_a_phone(&self, line: &str) -> bool {
        self.find(cut(line, LOOKED_AT).as_bytes(), &[]).phones
    }

    /// The value of one key, as [`Redactor::redact`] would leave it in a line, which names a phone number (`phones`) or not.
    pub fn value(&self, key: &str, value: &str, phones: bool, secret_keys: &[String]) -> String {
        // of a name as profiles write it: `a[name=x].b`, `list[]`
        let last = key.rsplit(['.', '[', ']', '=']).find(|part| !part.is_empty());
        let is_cut = |part: &str| match self.verdict(part.as_bytes(), value.as_bytes(), secret_keys) {
            Verdict::Keep => false,
            Verdict::Cut | Verdict::CutPhone => true,
            Verdict::CutText => phones,
        };
        let own = key.ends_with(']').then(|| key.split('[').next()).flatten().and_then(|list| list.rsplit('.').next());
        let lookup =
            key.split('[').skip(1).filter_map(|inner| inner.split(']').next()?.split_once('=')).map(|(_, value)| value);
        match last.into_iter().chain(own).chain(lookup).any(is_cut) {
            true => CUT.to_owned(),
            false => self.redact(value, secret_keys),
        }
    }

    fn find(&self, b: &[u8], secret_keys: &[String]) -> Found {
        let (mut found, mut at) = (Found::default(), 0);
        while at < b.len() {
            // Ends: every turn moves `at` on.
            let pair = match b[at] {
                b':' => json_key(b, at).and_then(|key| Some((key, json_value(b, at + 1)?))),
                b'=' => pair_key(b, at).map(|key| (key, pair_value(b, at + 1))),
                b'+' | b'%' => {
                    if let Some(bounds) = phone(b, at) {
                        found.phones = true;
                        found.cuts.push(bounds);
                    }
                    None
                }
                b' ' => {
                    found.cuts.extend(bearer(b, at));
                    None
                }
                _ => None,
            };
            at += 1;
            let Some((key, value)) = pair else { continue };
            if matches!(&b[value.0..value.1], b"" | b"-") {
                continue;
            }
            match self.verdict(&b[key.0..key.1], &b[value.0..value.1], secret_keys) {
                Verdict::Keep => continue,
                Verdict::CutText => {
                    found.texts.push(value);
                    continue;
                }
                Verdict::Cut => {}
                Verdict::CutPhone => found.phones = true,
            }
            found.cuts.push(value);
            at = at.max(value.1);
        }
        found
    }

    fn verdict(&self, key: &[u8], value: &[u8], secret_keys: &[String]) -> Verdict {
        let mut room = [0u8; KEY];
        let key = plain(key, &mut room);
        let one_of = |keys: &[&str]| keys.iter().any(|k| k.as_bytes() == key);
        if one_of(SECRET_KEYS)
            || one_of(BODY_KEYS)
            || secret_keys.iter().any(|k| k.as_bytes() == key)
            || SECRET_ENDS.iter().any(|end| key.ends_with(end.as_bytes()))
            || self.0.is_match(key)
        {
            Verdict::Cut
        } else if one_of(PHONE_KEYS) && is_phone(value) {
            Verdict::CutPhone
        } else if one_of(TEXT_KEYS) {
            Verdict::CutText
        } else {
            Verdict::Keep
        }
    }
}

/// A key as it is compared: the last part of a dotted one, in small letters, without `-`, `_` and spaces.
pub(super) fn plain_key(key: &str) -> String {
    let mut room = [0u8; KEY];
    String::from_utf8_lossy(plain(&key.as_bytes()[..key.len().min(KEY)], &mut room)).into_owned()
}

fn plain<'r>(key: &[u8], room: &'r mut [u8; KEY]) -> &'r [u8] {
    let last = key.rsplit(|b| *b == b'.').next().unwrap_or(key);
    let kept = last.iter().filter(|b| !matches!(b, b'-' | b'_' | b' '));
    let mut length = 0;
    for (place, byte) in room.iter_mut().zip(kept) {
        *place = byte.to_ascii_lowercase();
        length += 1;
    }
    &room[..length]
}

/// The quoted key that ends before the colon at `colon`; its marks may be escaped (JSON inside a JSON string).
fn json_key(b: &[u8], colon: usize) -> Option<Bounds> {
    let before = |mut at: usize, what: fn(u8) -> bool| {
        while at > 0 && what(b[at - 1]) {
            at -= 1;
        }
        at
    };
    let close = before(colon, |b| b.is_ascii_whitespace());
    if close == 0 || b[close - 1] != b'"' {
        return None;
    }
    let end = before(close - 1, |b| b == b'\\');
    let from = end.saturating_sub(KEY);
    let open = b[from..end].iter().rposition(|b| *b == b'"')?;
    Some((from + open + 1, end))
}

/// The string, number or array behind a colon, without its marks. A string that never ends goes to the end of the line.
fn json_value(b: &[u8], at: usize) -> Option<Bounds> {
    let spaces = b[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let slashes = b[at + spaces..].iter().take_while(|b| **b == b'\\').count();
    let from = at + spaces + slashes;
    match b.get(from)? {
        b'"' if slashes == 0 => Some((from + 1, string_end(b, from + 1))),
        b'"' => {
            let end = b[from + 1..].iter().position(|b| matches!(b, b'"' | b'\\'));
            Some((from + 1, end.map_or(b.len(), |n| from + 1 + n)))
        }
        b'[' if slashes == 0 => Some((from + 1, array_end(b, from + 1))),
        b'-' | b'0'..=b'9' if slashes == 0 => {
            let digits = b[from..].iter().take_while(|b| b.is_ascii_digit() || b"-+.eE".contains(b)).count();
            Some((from, from + digits))
        }
        _ => None,
    }
}

/// Where the array that began before `at` ends.
fn array_end(b: &[u8], mut at: usize) -> usize {
    let mut open = 1;
    while at < b.len() {
        match b[at] {
            // Ends: every turn moves on.
            b'"' => at = string_end(b, at + 1),
            b'[' => open += 1,
            b']' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
        at += 1;
    }
    b.len()
}

/// Where the string that began before `at` ends: at its mark, which no backslash precedes.
fn string_end(b: &[u8], mut at: usize) -> usize {
    while at < b.len() && b[at] != b'"' {
        // Ends: every turn moves on.
        at += if b[at] == b'\\' { 2 } else { 1 };
    }
    at.min(b.len())
}

/// The name that ends before the equals sign at `equals`.
fn pair_key(b: &[u8], equals: usize) -> Option<Bounds> {
    let from = equals.saturating_sub(KEY);
    let right = |b: &u8| b.is_ascii_alphanumeric() || b"_.-".contains(b);
    let length = b[from..equals].iter().rev().take_while(|b| right(b)).count();
    let at = equals - length;
    (length > 0 && (b[at].is_ascii_alphabetic() || b[at] == b'_')).then_some((at, equals))
}

fn pair_value(b: &[u8], at: usize) -> Bounds {
    if b[at..].starts_with(b"\\\"") {
        // within a text of JSON
        let from = at + 2;
        let end = b[from..].windows(2).position(|two| two == b"\\\"").map_or(b.len(), |n| from + n);
        return (from, end.min(string_end(b, from)));
    }
    if b.get(at) == Some(&b'"') {
        return (at + 1, string_end(b, at + 1));
    }
    let ends = |b: &u8| b.is_ascii_whitespace() || b"&\"';,)\\".contains(b);
    (at, b[at..].iter().position(ends).map_or(b.len(), |n| at + n))
}

/// `+` (or `%2B`) and 7 to 15 digits of which the first is not 0 (E.164).
fn phone(b: &[u8], at: usize) -> Option<Bounds> {
    let from = match &b[at..] {
        [b'+', ..] => at + 1,
        [b'%', b'2', b'B' | b'b', ..] => at + 3,
        _ => return None,
    };
    let digits = b[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    ((7..=15).contains(&digits) && b[from] != b'0').then_some((at, from + digits))
}

/// What follows `Bearer ` or `Basic ` at the space `at`.
fn bearer(b: &[u8], at: usize) -> Option<Bounds> {
    let follows = |word: &[u8]| b[..at].len() >= word.len() && b[at - word.len()..at].eq_ignore_ascii_case(word);
    if !follows(b"bearer") && !follows(b"basic") {
        return None;
    }
    let right = |b: &u8| b.is_ascii_alphanumeric() || b"_.~+/=-".contains(b);
    let length = b[at + 1..].iter().take_while(|b| right(b)).count();
    (length >= 8).then_some((at + 1, at + 1 + length))
}

/// Seven to fifteen digits with what people write between them; a date is none.
fn is_phone(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let date = value.len() >= 10 && value[4] == b'-' && value[7] == b'-';
    (7..=15).contains(&digits) && !date && value.iter().all(|b| b.is_ascii_digit() || b" +-().".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_phone_numbers_and_contents_go_and_the_rest_stays() {
        let redactor = Redactor::new();
        for (line, is) in [
            (
                r#"{"ts":"2026-03-01T00:00:00Z","session":"s-1","ip":"192.0.2.1"}"#,
                r#"{"ts":"2026-03-01T00:00:00Z","session":"[cut]","ip":"192.0.2.1"}"#,
            ),
            (r#"{"session":null,"id_token": "a\"b","n":1}"#, r#"{"session":null,"id_token": "[cut]","n":1}"#),
            (
                r#"{"from":"2026-03-01","to":"2026-03-02","rows":12}"#,
                r#"{"from":"2026-03-01","to":"2026-03-02","rows":12}"#,
            ),
            (r#"{"to":15551234567,"message":"your code is 1"}"#, r#"{"to":[cut],"message":"[cut]"}"#),
            (r#"{"message":"User logged in"}"#, r#"{"message":"User logged in"}"#),
            (r#"{"q":"{\"password\":\"x\"}"}"#, r#"{"q":"{\"password\":\"[cut]\"}"}"#),
            (
                r#"GET /cdr?token=abc&from=2026-01-01 HTTP/1.1" 200 5 sid=s-1 rows=7"#,
                r#"GET /cdr?token=[cut]&from=2026-01-01 HTTP/1.1" 200 5 sid=[cut] rows=7"#,
            ),
            ("GET /x?to=%2B15551234567 sid=- Bearer abcdefghijkl", "GET /x?to=[cut] sid=- Bearer [cut]"),
            ("[01/Mar/2026:00:00:20 +0000] to +4915112345678.", "[01/Mar/2026:00:00:20 +0000] to [cut]."),
            (r#"{"session_id":["a","b"],"n":[1]}"#, r#"{"session_id":[[cut]],"n":[1]}"#),
            (
                "{\"session\":\t\"s-1\",\"new_session\" : \"s-2\"}",
                "{\"session\":\t\"[cut]\",\"new_session\" : \"[cut]\"}",
            ),
            (r#"{"q":"token=\"X\" sid=\"y","n":1}"#, r#"{"q":"token=\"[cut]\" sid=\"[cut]","n":1}"#),
            (r#"{"password":"never ends"#, r#"{"password":"[cut]"#),
        ] {
            assert_eq!(redactor.redact(line, &[]), is, "{line}");
        }
        assert_eq!(redactor.redact(r#"{"a":{"handle":"x"}}"#, &["handle".to_owned()]), r#"{"a":{"handle":"[cut]"}}"#);
        assert!(redactor.redact(&"x".repeat(100_000), &[]).len() <= KEPT_LINE_BYTES);
    }

    #[test]
    fn a_value_is_cut_as_it_is_in_a_line() {
        let redactor = Redactor::new();
        let handle = ["handle".to_owned()];
        for (key, value, phones, is) in [
            ("a.session", "x", false, CUT),
            ("a.tokens[]", "x", false, CUT),
            ("p[name=password].value", "x", false, CUT),
            ("a.handle", "x", false, CUT),
            ("to", "15551234567", false, CUT),
            ("to", "2026-03-01", false, "2026-03-01"),
            ("message", "hello", true, CUT),
            ("message", "hello", false, "hello"),
            ("url", "/x?token=abc&n=1", false, "/x?token=[cut]&n=1"),
            ("a.b", "x", true, "x"),
        ] {
            assert_eq!(redactor.value(key, value, phones, &handle), is, "{key}");
        }
        assert!(redactor.names_a_phone(r#"{"to":15551234567}"#) && !redactor.names_a_phone(r#"{"n":1}"#));
    }
}
