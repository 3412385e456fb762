//! The path of a request as the server that answers it reads it: what a client writes in many ways is one path.
//!
//! `/api/./v1`, `/api/x/../v1`, `/api//v1`, `/api/%76%31`, `/api/v1;x=1`, `/API/V1/`, `\api\v1` and `HTTP://host/api/v1` reach one
//! handler in one server or another. A profile's patterns are held against what all of these come to; where servers differ, the
//! reading that reaches more counts, for a path that no server answers was answered by none.
use super::pattern::{Captured, Pattern};
use crate::decode::access::decode_percent;
use crate::model::limits::PATH_DECODINGS;
use std::borrow::Cow;

/// The field that holds it.
pub(super) const FIELD: &str = "http_request.url.path";

/// How a path stands in a raw field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it was asked for: a query may follow.
    Asked,
    /// Its query is cut off, and it is decoded once: `?` and `#` are characters of it.
    Cut,
}

/// Whether a pattern is of paths as they were written, and not of what they come to.
pub(super) fn is_verbatim(pattern: &str) -> bool {
    [";", "%", "\\", "//", "/./", "/../"].iter().any(|mark| pattern.contains(mark))
}

/// Whether one of `patterns` (made by [`Pattern::folded`]) fits the path `value`. What it captured is in `captured`, as ranges of the text
/// that is returned.
pub(super) fn fits<'v>(
    patterns: &[Pattern],
    value: &'v str,
    form: Form,
    captured: &mut Captured,
) -> Option<Cow<'v, str>> {
    let whole = plain(value, form);
    let folded = fold(&whole);
    let bare = folded.strip_suffix('/').filter(|bare| !bare.is_empty());
    let mut fits = |reading: &str| {
        patterns.iter().any(|pattern| {
            captured.clear();
            pattern.fits(reading, captured)
        })
    };
    // A range of the path without its trailing slash is one of the whole.
    (bare.is_some_and(&mut fits) || fits(&folded)).then_some(whole)
}

/// The same length in bytes, for what is captured is taken out of the text as it was written.
fn fold(path: &str) -> Cow<'_, str> {
    match path.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(path.to_ascii_lowercase()),
        false => Cow::Borrowed(path),
    }
}

/// The path without query, scheme and host, escapes, parameters, and segments that lead nowhere. A trailing slash stays.
pub(super) fn plain(value: &str, form: Form) -> Cow<'_, str> {
    let path = match form {
        Form::Asked => value.split(['?', '#']).next().unwrap_or(""),
        Form::Cut => value,
    };
    let path = without_host(path);
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..");
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let is_odd = |b: u8| matches!(b, b'%' | b'\\' | b';') || b <= b' ' || b == 0x7f;
    if !path.bytes().any(is_odd) && (inner.is_empty() || inner.split('/').all(is_plain)) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(resolved(&decoded(path)))
}

/// Behind the host of the absolute form (RFC 9112, 3.2.2), whatever the scheme's letters (RFC 3986, 3.1).
fn without_host(path: &str) -> &str {
    match path.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => &rest[rest.find('/').unwrap_or(rest.len())..],
        _ => path,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Decoded until nothing changes, for a proxy decodes and the server behind it does so again.
fn decoded(path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..PATH_DECODINGS {
        let mut once = String::with_capacity(path.len());
        decode_percent(&path, false, &mut once);
        if once == path {
            break;
        }
        path = once;
    }
    path.replace('\\', "/")
}

/// Dot segments taken out (RFC 3986, 5.2.4), of doubled slashes one left, and of each segment what stands before its parameters.
fn resolved(path: &str) -> String {
    let mut segments = Vec::new();
    let mut is_folder = false;
    for segment in path.split('/') {
        let name = segment.split(';').next().unwrap_or("");
        let name = name.trim_matches(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
        is_folder = matches!(name, "" | "." | "..");
        match name {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let mut plain = String::with_capacity(path.len());
    if path.starts_with('/') {
        plain.push('/');
    }
    plain.push_str(&segments.join("/"));
    if is_folder && !segments.is_empty() {
        plain.push('/');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "/api/v1/accounts/AC1/messages.csv";

    fn captured(pattern: &str, path: &str, form: Form) -> Option<String> {
        let pattern = Pattern::folded(pattern, &mut Vec::new()).unwrap();
        let mut captured = Captured::new();
        let read = fits(std::slice::from_ref(&pattern), path, form, &mut captured)?;
        let (at, end) = captured.first().copied().flatten().unwrap_or_default();
        Some(read[at as usize..end as usize].to_owned())
    }

    #[test]
    fn a_path_is_one_however_it_is_written() {
        for path in [
            PLAIN,
            "/api/v1/./accounts/AC1/messages.csv",
            "/api/v1/x/../accounts/AC1/messages.csv",
            "/../../api/v1/accounts/x/../AC1/messages.csv",
            "/api/v1//accounts/AC1//messages.csv",
            "//api/v1/accounts/AC1/messages.csv",
            "/api/v1/accounts/AC1/messages%2Ecsv",
            "/api/v1/%2e/accounts/AC1/messages.csv",
            "/api/v1/x/%2E%2e/accounts/AC1/messages.csv",
            "/api/v1/x/.%2e/accounts/AC1/messages.csv",
            "/api/v1%2faccounts%2FAC1/messages.csv",
            "/api/v1/accounts/%41C1/messages.csv",
            "/api/v1/%252e/accounts/AC1/messages.csv",
            "/api/v1/accounts/AC1/messages.csv;x=1",
            "/api/v1/accounts;v=2/AC1;a=b;c/messages.csv;jsessionid=1",
            "/api/v1/x/..;/accounts/AC1/messages.csv",
            "/api/v1/accounts/AC1/messages.csv%3bx=1",
            "/api/v1/accounts/AC1/messages.csv/",
            "/api/v1/accounts/AC1/messages.csv//",
            "/api/v1/accounts/AC1/messages.csv/.",
            "/api/v1/accounts/AC1/messages.csv/x/..",
            "/api/v1/accounts/AC1/messages.csv%20",
            "/api/v1/accounts/AC1/messages.csv%00",
            "/API/v1/Accounts/AC1/Messages.CSV",
            "\\api\\v1\\accounts\\AC1\\messages.csv",
            "http://api.provider.example/api/v1/accounts/AC1/messages.csv",
            "HTTP://api.provider.example:80/api/v1/accounts/AC1/messages.csv",
            "hTTps://ana@api.provider.example//api/./v1/accounts/AC1/messages.csv/",
        ] {
            for form in [Form::Asked, Form::Cut] {
                let account = captured("/api/v1/accounts/{account}/messages.csv", path, form);
                assert_eq!(account.as_deref(), Some("AC1"), "{path}");
            }
        }
        let query = format!("{PLAIN}?from=/../x#y");
        assert_eq!(captured("/api/v1/accounts/{account}/messages.csv", &query, Form::Asked).as_deref(), Some("AC1"));
    }

    #[test]
    fn other_paths_stay_others() {
        for path in [
            "/api/v1/accounts/AC1/messages.csv/x",
            "/api/v1/accounts/AC1/../messages.csv",
            "/api/v1/accounts/messages.csv",
            "/api/v1/accounts/AC1/messages.csvx",
            "/x?/api/v1/accounts/AC1/messages.csv",
        ] {
            assert_eq!(captured("/api/v1/accounts/{account}/messages.csv", path, Form::Asked), None, "{path}");
        }
        // a mark that was escaped begins no query
        assert_eq!(captured("/exports/{job}.csv", "/x?/../exports/ex-1.csv", Form::Cut).as_deref(), Some("ex-1"));
    }

    #[test]
    fn a_trailing_slash_is_there_for_the_pattern_that_has_one() {
        assert!(captured("/exports/", "/exports/", Form::Cut).is_some());
        assert!(captured("/exports", "/exports/", Form::Cut).is_some());
        assert!(captured("/exports/*", "/x/../exports/", Form::Cut).is_some());
        assert!(captured("/exports/", "/exports", Form::Cut).is_none());
        assert!(captured("/", "/", Form::Cut).is_some());
        assert!(captured("/", "/x/..", Form::Cut).is_some());
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it_and_what_is_plain_stays(text in "(/|\\.|\\.\\.|;|%2e|%25|%2f|\\\\|é|A|b|:|\\?|#| ){0,24}") {
            for form in [Form::Asked, Form::Cut] {
                let once = plain(&text, form).into_owned();
                if !once.contains('%') && !once.contains("://") {
                    assert_eq!(plain(&once, Form::Cut), once, "{text}");
                }
                captured("/{a}/b*", &text, form);
            }
        }
    }
}
