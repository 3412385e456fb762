//! What a value that somebody else chose may look like where it is put: in a URL's path or query, in a header, in Markdown.
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986, 2.3.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest value in a header, in bytes: servers take 4 to 8 KiB for all headers together.
const HEADER_BYTES: usize = 1024;

/// A value inside one segment of a path.
///
/// What could become a second segment on the way is refused rather than encoded: proxies decode `%2F` before they pass a
/// request on, and a user who is called `x/../../realms/master` would then choose what our key deletes.
///
/// # Errors
/// It holds a slash, a backslash or a control character, or is a dot segment.
pub fn path(value: &str) -> Result<String, String> {
    if value.chars().any(|c| c == '/' || c == '\\' || c.is_control()) {
        return Err("holds a slash, a backslash or a control character, which cannot stand in a path".into());
    }
    if matches!(value, "." | "..") {
        return Err("is a dot segment, which cannot stand in a path".into());
    }
    Ok(query(value))
}

/// A value in a query, or in a form.
pub fn query(value: &str) -> String {
    utf8_percent_encode(value, &RESERVED).to_string()
}

/// A value in a header: the characters of tokens, cookies and ids. No space, quote, comma or semicolon, which separate things.
///
/// # Errors
/// Any other character stands in it, or it is too long.
pub fn header(value: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~+/=|:@%!$&*".contains(c);
    match value.len() <= HEADER_BYTES && value.chars().all(plain) {
        true => Ok(value.to_owned()),
        false => Err("is not plain enough for a header".into()),
    }
}

/// A value in a line of commands that a program reads: one word, which can neither end the command nor begin another.
///
/// # Errors
/// Any other character stands in it, or it is too long.
pub fn word(value: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:_-@/+=,".contains(c);
    match value.len() <= HEADER_BYTES && value.chars().all(plain) {
        true => Ok(value.to_owned()),
        false => Err("is no plain word: letters, digits and .:_-@/+=, may stand in a command".into()),
    }
}

/// A value of one line in Markdown: each character that could begin something there has a backslash before it.
pub fn markdown(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (n, c) in value.char_indices() {
        // a heading, a list or a line across begins only at the beginning; a link needs its brackets
        if "\\`*_{}[]<>|~&".contains(c) || (n == 0 && "#+-=".contains(c)) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
