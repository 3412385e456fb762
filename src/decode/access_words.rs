//! The parts of an access log's line: words, quoted texts, `key=value` fields, and what is escaped in them.

/// A byte range of a line.
pub(super) type Bounds = (usize, usize);

/// A column that is only a dash, as some servers write an absent one without marks.
pub(super) fn dash(text: &str, at: usize) -> Option<(Bounds, usize)> {
    let (bounds, after) = word(text, at);
    (&text[bounds.0..bounds.1] == "-").then_some((bounds, after))
}

/// The most words before the time that are looked at: a user's name may be long, and only its beginning matters.
pub(super) const WORDS: usize = 16;

/// A word, a quoted text without its marks, or words that commas join.
pub(super) fn listed(text: &str, at: usize) -> (Bounds, usize) {
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

/// The word at or behind `at`, and where it goes on.
pub(super) fn word(text: &str, at: usize) -> (Bounds, usize) {
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
pub(super) fn quoted(text: &str, at: usize) -> Option<(Bounds, usize)> {
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
pub(super) fn fields(text: &str, rest: usize, name: &str, mut found: impl FnMut(usize, usize)) -> bool {
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
pub(super) fn unescape(text: &str, out: &mut String) {
    let hex = |b: u8| (b as char).to_digit(16);
    decode_bytes(text, out, |bytes| match bytes {
        [b'\\', b'x', a, b, ..] => Some((4, (hex(*a)? * 16 + hex(*b)?) as u8)),
        [b'\\', c @ (b'"' | b'\\'), ..] => Some((2, *c)),
        _ => None,
    });
}

/// What a server has escaped, as the client sent it.
pub(super) fn unescaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    unescape(text, &mut plain);
    plain.into()
}

/// `%HH`, and `+` for a blank where `plus`; the bytes are put together as UTF-8.
pub fn decode_percent(text: &str, plus: bool, out: &mut String) {
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
