//! The head of an access log's line: where its time stands, and what an address looks like.
use super::access_words::{Bounds, quoted, word};
use super::address::address;

/// Where the time of a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The time, without its brackets.
    pub time: Bounds,
    /// Where the words before it end.
    pub before: usize,
    /// Where the line goes on behind it.
    pub after: usize,
    /// It is the line's first column.
    pub first: bool,
}

/// The most bytes of a line in which its time is looked for.
const HEAD_BYTES: usize = 1 << 16;

impl Head {
    /// The time that the request follows; else the one at the line's beginning; else, of a line that was cut, the last one before its
    /// first quotation mark.
    pub fn find(text: &str) -> Option<Head> {
        let near = &text[..text.floor_char_boundary(HEAD_BYTES)];
        let quote = near.find('"').unwrap_or(near.len());
        let mut last = None;
        let mut first = None;
        for at in std::iter::once(0).chain(near.match_indices([' ', '"', '[']).map(|(at, _)| at + 1)) {
            let bracket = near[at..].starts_with('[');
            if near[..at].ends_with('[') {
                continue;
            }
            let Some(head) = Head::at(near, at, bracket) else { continue };
            let gap = near[head.after..].len() - near[head.after..].trim_start_matches(' ').len();
            if gap > 0 && near[head.after + gap..].starts_with('"') && !head.first {
                return Some(head);
            }
            if head.first {
                first = Some(head);
            } else if bracket && at < quote {
                last = Some(head);
            }
        }
        first.or(last)
    }

    fn at(text: &str, at: usize, bracket: bool) -> Option<Head> {
        let start = at + usize::from(bracket);
        let length = stamp(&text[start..])?;
        let end = start + length;
        let closed = text[end..].starts_with(']');
        if bracket != closed || (!closed && !text[end..].starts_with(' ')) {
            return None;
        }
        Some(Head { time: (start, end), before: at, after: end + usize::from(closed), first: at == 0 })
    }

    /// Where the quotation mark of the first request at or behind `at` stands.
    pub fn request(text: &str, at: usize) -> Option<usize> {
        let near = &text[..text.floor_char_boundary(at + HEAD_BYTES)];
        let begins = |at: &usize| {
            let (method, after) = word(text, at + 1);
            let named = text[method.0..method.1].bytes().all(|b| b.is_ascii_uppercase());
            method.0 == at + 1 && method.0 < method.1 && named && after < text.len()
        };
        // a name in quotation marks may look like one, but no number follows it
        let ends = |at: &usize| {
            quoted(text, *at).is_some_and(|(_, behind)| {
                let next = word(text, behind).0;
                text[next.0..next.1].bytes().all(|b| b.is_ascii_digit() || b == b'-')
            })
        };
        near[at..].match_indices(" \"").map(|(n, _)| at + n + 1).filter(begins).find(ends)
    }
}

/// How long the time at the beginning is, in one of the notations that servers have.
fn stamp(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let ends = |length: usize| matches!(bytes.get(length), None | Some(b' ' | b']'));
    [clf(bytes), iso(bytes), asctime(bytes), epoch(bytes)].into_iter().flatten().find(|length| ends(*length))
}

/// Whether a text is a time, and nothing else.
pub(super) fn is_time(text: &str) -> bool {
    stamp(text) == Some(text.len())
}

fn is_digits(bytes: &[u8], at: usize, count: usize) -> bool {
    bytes.get(at..at + count).is_some_and(|b| b.iter().all(u8::is_ascii_digit))
}

fn digits(bytes: &[u8], at: usize) -> usize {
    bytes.iter().skip(at).take(12).take_while(|b| b.is_ascii_digit()).count()
}

/// `hh:mm:ss`, with or without a fraction, at `at`: where it ends.
fn clock(bytes: &[u8], at: usize) -> Option<usize> {
    let marks = bytes.get(at + 2) == Some(&b':') && bytes.get(at + 5) == Some(&b':');
    if !(marks && is_digits(bytes, at, 2) && is_digits(bytes, at + 3, 2) && is_digits(bytes, at + 6, 2)) {
        return None;
    }
    let fraction = match bytes.get(at + 8) {
        Some(b'.' | b',' | b':') => digits(bytes, at + 9),
        _ => 0,
    };
    Some(at + if fraction > 0 { 9 + fraction } else { 8 })
}

/// `+hhmm`, `+hh:mm`, `Z` or `UTC` at `at`, perhaps behind a space: where it ends; else `at`.
fn zone(bytes: &[u8], at: usize) -> usize {
    let from = at + usize::from(bytes.get(at) == Some(&b' '));
    match bytes.get(from) {
        Some(b'Z') => from + 1,
        Some(b'U' | b'G') if matches!(bytes.get(from..from + 3), Some(b"UTC" | b"GMT")) => from + 3,
        Some(b'+' | b'-') if is_digits(bytes, from + 1, 4) => from + 5,
        Some(b'+' | b'-') if bytes.get(from + 3) == Some(&b':') && is_digits(bytes, from + 4, 2) => from + 6,
        _ => at,
    }
}

/// `dd/Mon/yyyy:hh:mm:ss zone`, as most have it; a space for the first colon, as Python's server has it.
fn clf(bytes: &[u8]) -> Option<usize> {
    let day = digits(bytes, 0);
    let date = (day == 1 || day == 2)
        && bytes.get(day) == Some(&b'/')
        && bytes.get(day + 1..day + 4).is_some_and(|b| b.iter().all(u8::is_ascii_alphabetic))
        && bytes.get(day + 4) == Some(&b'/')
        && is_digits(bytes, day + 5, 4)
        && matches!(bytes.get(day + 9), Some(b':' | b' '));
    date.then(|| clock(bytes, day + 10)).flatten().map(|at| zone(bytes, at))
}

/// `yyyy-mm-ddThh:mm:ss`, or with a space.
fn iso(bytes: &[u8]) -> Option<usize> {
    let date = is_digits(bytes, 0, 4)
        && bytes.get(4) == Some(&b'-')
        && is_digits(bytes, 5, 2)
        && bytes.get(7) == Some(&b'-')
        && is_digits(bytes, 8, 2)
        && matches!(bytes.get(10), Some(b'T' | b' '));
    date.then(|| clock(bytes, 11)).flatten().map(|at| zone(bytes, at))
}

/// `Www Mmm dd hh:mm:ss yyyy`.
fn asctime(bytes: &[u8]) -> Option<usize> {
    let name =
        |at: usize| bytes.get(at..at + 4).is_some_and(|b| b[..3].iter().all(u8::is_ascii_alphabetic) && b[3] == b' ');
    let day = 8 + usize::from(bytes.get(8) == Some(&b' '));
    let length = digits(bytes, day);
    if !(name(0) && name(4) && (1..=2).contains(&length) && bytes.get(day + length) == Some(&b' ')) {
        return None;
    }
    let at = clock(bytes, day + length + 1)?;
    (bytes.get(at) == Some(&b' ') && is_digits(bytes, at + 1, 4)).then_some(at + 5)
}

/// Seconds since 1970 with or without a fraction, or milliseconds.
fn epoch(bytes: &[u8]) -> Option<usize> {
    match (digits(bytes, 0), bytes.get(10)) {
        (10, Some(b'.')) if digits(bytes, 11) > 0 => Some(11 + digits(bytes, 11)),
        (10, _) => Some(10),
        (12, _) if digits(bytes, 12) == 1 => Some(13),
        _ => None,
    }
}

/// Whether a word is an address, or a list with one in it: with ports, in brackets, or `unknown` beside others.
pub(super) fn is_address(word: &str) -> bool {
    let mut found = false;
    let all = parts(word).all(|part| {
        let is = address(part).is_some();
        found |= is;
        is || matches!(part, "unknown" | "-")
    });
    all && found
}

/// The same of a list in which a client may have written anything but the end: that is an address.
pub(super) fn is_list(word: &str) -> bool {
    is_address(word) || parts(word).next_back().is_some_and(|part| address(part).is_some())
}

fn parts(word: &str) -> impl DoubleEndedIterator<Item = &str> {
    let inner = word.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(word);
    inner.split(',').map(str::trim)
}
