//! Dates as people and spreadsheets write them: with the month's name, or as three numbers in either order.
use super::stamp::{MONTHS, clock, days, in_named_zone};
use jiff::tz::TimeZone;
use std::iter::Peekable;

/// Milliseconds since 1970 of `Mon, 30 Mar 2026 14:03:22 +0000`, `Mar 30, 2026, 2:03:22 PM GMT+1`, `30-Mar-2026 14:03`.
pub(super) fn month_name(text: &str, zone: &TimeZone) -> Option<i64> {
    let mut words = words(text);
    words.next_if(|word| is_weekday(word));
    let first = words.next()?;
    let parts: Vec<&str> = first.split(['-', '/']).collect();
    let (first, second, year) = match parts[..] {
        [first, second, year] => (first, second, year),
        _ => (first, words.next()?, words.next()?),
    };
    let (day, month) = match month_of(first) {
        Some(month) => (second, month),
        None => (first, month_of(second)?),
    };
    behind(days(year_of(year)?, month, number(day)?)?, words, zone)
}

/// Milliseconds since 1970 of three numbers, of which the last is the year, and a time: `30/03/2026 14:03`, `3/30/2026, 2:03:22 PM`.
pub(super) fn numbers(text: &str, zone: &TimeZone, day_first: bool) -> Option<i64> {
    let mut words = words(text);
    let (first, second, year) = date(words.next()?)?;
    let (day, month) = if day_first { (first, second) } else { (second, first) };
    behind(days(year, month, day)?, words, zone)
}

/// The three numbers of such a date.
pub(super) fn date(word: &str) -> Option<(i64, i64, i64)> {
    let mark = word.chars().find(|c| "/.-".contains(*c))?;
    let mut parts = word.split(mark);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(())?;
    Some((number(first)?, number(second)?, year_of(year)?))
}

fn words(text: &str) -> Peekable<impl Iterator<Item = &str>> {
    text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).peekable()
}

/// A day's or a month's number: no number of a date has more than two digits, so that whatever follows can reckon with it.
fn number(text: &str) -> Option<i64> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn year_of(text: &str) -> Option<i64> {
    (text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn month_of(word: &str) -> Option<i64> {
    let word = word.strip_suffix('.').unwrap_or(word).as_bytes();
    let near = word.get(..3).filter(|_| word.iter().all(u8::is_ascii_alphabetic))?;
    MONTHS.iter().position(|month| month.eq_ignore_ascii_case(near)).map(|n| n as i64 + 1)
}

fn is_weekday(word: &str) -> bool {
    let days = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    word.as_bytes().get(..3).is_some_and(|near| days.iter().any(|day| day.eq_ignore_ascii_case(near)))
}

/// The time of day behind a date, with AM or PM and a zone where it has them.
fn behind<'t>(day: i64, mut words: Peekable<impl Iterator<Item = &'t str>>, zone: &TimeZone) -> Option<i64> {
    let word = words.next()?;
    let end = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
    let (time, attached) = word.split_at(end);
    let mut parts = time.split(':');
    let (h, m, s) = (number(parts.next()?)?, number(parts.next()?)?, parts.next().unwrap_or("0"));
    parts.next().is_none().then_some(())?;
    let (s, fraction) = s.split_once('.').unwrap_or((s, ""));
    let digits = fraction.bytes().chain(*b"000").take(3);
    let ms = digits.map(|b| b.is_ascii_digit().then(|| i64::from(b - b'0'))).try_fold(0, |ms, d| Some(ms * 10 + d?))?;
    let mut behind = Some(attached).filter(|word| !word.is_empty()).into_iter().chain(words).peekable();
    let half = behind.peek().map(|word| word.replace('.', "").to_ascii_uppercase());
    let h = match half.as_deref() {
        Some("AM") => h % 12,
        Some("PM") => h % 12 + 12,
        _ => h,
    };
    if matches!(half.as_deref(), Some("AM" | "PM")) {
        behind.next();
    }
    let named = behind.next();
    // what a mailer says of its zone in brackets
    let rest = behind.next().is_none_or(|word| word.starts_with('('));
    rest.then(|| in_named_zone(day * 86_400_000 + clock(h, m, number(s)?, ms)?, named, zone))?
}
