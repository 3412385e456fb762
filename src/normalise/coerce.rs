//! Text -> typed values: numbers, days. What cannot be one is absent, never a guess.

/// A count: `5000`, `5000.0`, `"5000"`; beyond 64 bits the largest. Negative, fractional-only, NaN: none.
pub(super) fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    // All digits: the only way to fail is to be too large.
    Some(whole.parse().unwrap_or(u64::MAX))
}

/// Seconds with a fraction (nginx `$request_time`) as milliseconds.
pub(super) fn seconds_as_ms(text: &str) -> Option<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let ms = fraction
        .bytes()
        .chain(*b"000")
        .take(3)
        .try_fold(0u64, |ms, b| b.is_ascii_digit().then(|| ms * 10 + u64::from(b - b'0')))?;
    Some(count(whole)?.saturating_mul(1000).saturating_add(ms))
}

/// Days since 1970 of a date, whatever time follows: with the year first, in digits alone, with points and the day first, with a name for
/// the month, or as time since 1970. `03/04/2026` is two days, and none; `03/30/2026` is one.
pub(super) fn day(text: &str) -> Option<i32> {
    let text = text.trim();
    let date = text.split(['T', 't', ' ']).next()?;
    let days = match date.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !date.contains("..") {
        true if date.matches('.').count() < 2 => in_digits(date).or_else(|| in_words(text))?,
        _ => parts(date).unwrap_or_else(|| in_words(text))?,
    };
    i32::try_from(days).ok()
}

/// `20260301`, `20260301100000`, or what has passed since 1970, told by its length.
fn in_digits(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number = |at: std::ops::Range<usize>| whole.get(at)?.parse().ok();
    let of_unit = |per_day: i64| Some(whole.parse::<i64>().ok()?.div_euclid(per_day));
    match whole.len() {
        8 | 14 if fraction.is_empty() => super::stamp::days(number(0..4)?, number(4..6)?, number(6..8)?),
        9 | 10 => of_unit(86_400),
        13 => of_unit(86_400_000),
        16 => of_unit(86_400_000_000),
        19 => of_unit(86_400_000_000_000),
        _ => None,
    }
}

/// Three numbers with one kind of mark between them; nothing where it is not that.
fn parts(date: &str) -> Option<Option<i64>> {
    let mark = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| "-/.".contains(*c))?;
    let parts: Vec<&str> = date.split(mark).collect();
    let [a, b, c] = parts[..] else { return None };
    let is_number = |part: &str| matches!(part.len(), 1 | 2 | 4) && part.bytes().all(|b| b.is_ascii_digit());
    if ![a, b, c].into_iter().all(is_number) {
        return None;
    }
    // Digits, four at most.
    let number = |part: &str| part.parse::<i64>().unwrap_or(0);
    let (first, second) = (number(a), number(b));
    Some(match (a.len(), b.len(), c.len(), mark) {
        (4, 1 | 2, 1 | 2, _) => super::stamp::days(first, second, number(c)),
        (1 | 2, 1 | 2, 4, '.') => super::stamp::days(number(c), second, first),
        (1 | 2, 1 | 2, 4, _) if first > 12 || first == second => super::stamp::days(number(c), second, first),
        (1 | 2, 1 | 2, 4, _) if second > 12 => super::stamp::days(number(c), first, second),
        _ => None,
    })
}

/// `1 Mar 2026`, `Mar 1, 2026`, with or without a time.
fn in_words(text: &str) -> Option<i64> {
    let zone = jiff::tz::TimeZone::UTC;
    let read = |text: &str| super::stamp::Notation::MonthName.read(text, &zone);
    let time = read(text).or_else(|| read(&format!("{text} 00:00:00")))?;
    Some(time.episode(crate::model::Millis::DAY))
}

/// At most `limit` bytes of `text`, cut at a character's end.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        // Ends: 0 is a boundary.
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e46_numbers() {
        for (text, value) in [
            ("5000", Some(5000)),
            ("5000.0", Some(5000)),
            ("0.9", Some(0)),
            ("-5", None),
            ("1e400", None),
            ("NaN", None),
            ("", None),
            (".5", None),
            ("+5", None),
            ("99999999999999999999999", Some(u64::MAX)),
        ] {
            assert_eq!(count(text), value, "{text}");
        }
        assert_eq!(seconds_as_ms("0.020"), Some(20));
        assert_eq!(seconds_as_ms("12"), Some(12_000));
        assert_eq!(seconds_as_ms("1.5"), Some(1500));
        assert_eq!(seconds_as_ms("-"), None);
    }

    #[test]
    fn days_since_1970() {
        assert_eq!(day("1970-01-02"), Some(1));
        for text in [
            "2026-03-01",
            "2026-03-01T10:00:00Z",
            "2026-03-01T23:30:00.5-05:00",
            "2026-03-01 10:00",
            "2026-3-1",
            "2026/03/01",
            "2026.03.01",
            "20260301",
            "20260301T100000Z",
            "20260301100000",
            "01.03.2026",
            "1.3.2026 10:00",
            "1772323200",
            "1772323200.5",
            "1772323200000",
            "1772323200000000",
            "1 Mar 2026",
            "Mar 1, 2026",
            "01-Mar-2026",
            "Sun, 01 Mar 2026 10:00:00 GMT",
        ] {
            assert_eq!(day(text), Some(20_513), "{text}");
        }
        for text in ["03/30/2026", "30/03/2026", "3/30/2026 10:00", "30-03-2026"] {
            assert_eq!(day(text), Some(20_542), "{text}");
        }
        assert_eq!(day("03/03/2026"), Some(20_515), "it is one day either way");
        let none =
            ["2026-13-01", "2026-02-30", "20261301", "2026-03-011", "2026-03", "2026-060", "03/04/2026", "3-4-2026"];
        let others = [
            "",
            "null",
            "all",
            "-1",
            "0",
            "5",
            "2026",
            "03/01/26",
            "2026-03/01",
            "2026-03-29,2026-01-01",
            "é",
            "now-30d",
        ];
        for bad in none.into_iter().chain(others) {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
