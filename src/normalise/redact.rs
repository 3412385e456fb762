//! What of a line must not be kept: secrets, phone numbers, contents of messages. Works on the text, whatever its format, for
//! a line that no decoder understands may hold a secret all the same.
use super::coerce::cut;
use crate::model::limits::KEPT_LINE_BYTES;
use regex::{Captures, Regex};
use std::borrow::Cow;

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
];
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
const BODY_KEYS: &[&str] = &[
    "body",
    "sms",
    "smsbody",
    "messagebody",
    "smstext",
    "messagetext",
];
/// The same, where the line also names a phone number.
const TEXT_KEYS: &[&str] = &["content", "text", "message", "msg"];

/// The patterns, compiled once.
pub(super) struct Redactor {
    json: Regex,
    escaped: Regex,
    pair: Regex,
    bearer: Regex,
    phone: Regex,
}

impl Redactor {
    pub fn new() -> Redactor {
        let regex =
            |pattern| Regex::new(pattern).expect("a constant pattern, compiled by every test");
        Redactor {
            json: regex(r#""([^"\\:]{1,64})"(\s*:\s*)("(?:[^"\\]|\\.)*(?:"|$)|-?[0-9][0-9.eE+]*)"#),
            escaped: regex(r#"\\+"([\w.\- ]{1,64})\\+"(\s*:\s*)(\\+"[^"\\]*(?:\\+"|$)|-?[0-9]+)"#),
            pair: regex(r#"\b([A-Za-z_][\w.\-]{0,63})(=)("(?:[^"\\]|\\.)*(?:"|$)|[^\s&"';,)\\]+)"#),
            bearer: regex(r"(?i)\b(bearer|basic) +[\w.~+/=\-]{8,}"),
            phone: regex(r"(?:\+|%2[Bb])[1-9][0-9]{6,14}\b"),
        }
    }

    /// `line` without what must not be kept. `secret_keys` are the profile's own, beside the usual ones.
    pub fn redact(&self, line: &str, secret_keys: &[String]) -> String {
        let line = cut(line, LOOKED_AT);
        let secret_keys: Vec<String> = secret_keys.iter().map(|k| plain(k)).collect();
        let speaks_of_phones = self.speaks_of_phones(line);
        let replace = |found: &Captures<'_>| {
            let whole = found.get(0).map_or("", |m| m.as_str());
            let (Some(key), Some(between), Some(value)) =
                (found.get(1), found.get(2), found.get(3))
            else {
                return whole.to_owned();
            };
            if !must_go(
                &plain(key.as_str()),
                value.as_str(),
                &secret_keys,
                speaks_of_phones,
            ) {
                return whole.to_owned();
            }
            let mark: &str = &value.as_str()[..value.as_str().find('"').map_or(0, |n| n + 1)];
            let head = whole.len() - between.len() - value.len();
            format!("{}{}{mark}{CUT}{mark}", &whole[..head], between.as_str())
        };
        let text = self.json.replace_all(line, &replace);
        let text = again(text, |t| self.escaped.replace_all(t, &replace));
        let text = again(text, |t| self.pair.replace_all(t, &replace));
        let text = again(text, |t| self.bearer.replace_all(t, "$1 [cut]"));
        let text = again(text, |t| self.phone.replace_all(t, CUT));
        cut(&text, KEPT_LINE_BYTES).to_owned()
    }

    fn speaks_of_phones(&self, line: &str) -> bool {
        let found = |regex: &Regex| {
            regex.captures_iter(line).any(|c| {
                let text = |n| c.get(n).map_or("", |m| m.as_str());
                PHONE_KEYS.contains(&plain(text(1)).as_str()) && is_phone(text(3))
            })
        };
        self.phone.is_match(line) || found(&self.json) || found(&self.pair)
    }
}

fn again<'t>(text: Cow<'t, str>, step: impl Fn(&str) -> Cow<'_, str>) -> Cow<'t, str> {
    match step(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(text) => Cow::Owned(text),
    }
}

fn plain(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    last.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn must_go(key: &str, value: &str, secret_keys: &[String], speaks_of_phones: bool) -> bool {
    let empty = matches!(value.trim_matches(['"', '\\']), "" | "-");
    let one_of = |keys: &[&str]| keys.contains(&key);
    !empty
        && (SECRET_WORDS.iter().any(|word| key.contains(word))
            || one_of(SECRET_KEYS)
            || secret_keys.iter().any(|k| k == key)
            || one_of(BODY_KEYS)
            || (one_of(TEXT_KEYS) && speaks_of_phones)
            || (one_of(PHONE_KEYS) && is_phone(value)))
}

/// Seven to fifteen digits with what people write between them; a date is none.
fn is_phone(value: &str) -> bool {
    let value = value.trim_matches(['"', '\\']);
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let date = value.len() >= 10 && value.as_bytes()[4] == b'-' && value.as_bytes()[7] == b'-';
    (7..=15).contains(&digits)
        && !date
        && value
            .bytes()
            .all(|b| b.is_ascii_digit() || b" +-().".contains(&b))
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
            (
                r#"{"session":null,"id_token": "a\"b","n":1}"#,
                r#"{"session":null,"id_token": "[cut]","n":1}"#,
            ),
            (
                r#"{"from":"2026-03-01","to":"2026-03-02","rows":12}"#,
                r#"{"from":"2026-03-01","to":"2026-03-02","rows":12}"#,
            ),
            (
                r#"{"to":15551234567,"message":"your code is 1"}"#,
                r#"{"to":[cut],"message":"[cut]"}"#,
            ),
            (
                r#"{"message":"User logged in"}"#,
                r#"{"message":"User logged in"}"#,
            ),
            (
                r#"{"q":"{\"password\":\"x\"}"}"#,
                r#"{"q":"{\"password\":\"[cut]\"}"}"#,
            ),
            (
                r#"GET /cdr?token=abc&from=2026-01-01 HTTP/1.1" 200 5 sid=s-1 rows=7"#,
                r#"GET /cdr?token=[cut]&from=2026-01-01 HTTP/1.1" 200 5 sid=[cut] rows=7"#,
            ),
            (
                "GET /x?to=%2B15551234567 sid=- Bearer abcdefghijkl",
                "GET /x?to=[cut] sid=- Bearer [cut]",
            ),
            (
                "[01/Mar/2026:00:00:20 +0000] to +4915112345678.",
                "[01/Mar/2026:00:00:20 +0000] to [cut].",
            ),
            (r#"{"password":"never ends"#, r#"{"password":"[cut]""#),
        ] {
            assert_eq!(redactor.redact(line, &[]), is, "{line}");
        }
        assert_eq!(
            redactor.redact(r#"{"a":{"handle":"x"}}"#, &["handle".to_owned()]),
            r#"{"a":{"handle":"[cut]"}}"#
        );
        assert!(redactor.redact(&"x".repeat(100_000), &[]).len() <= KEPT_LINE_BYTES);
    }
}
