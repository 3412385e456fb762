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

/// Days since 1970 of `YYYY-MM-DD`, whatever time follows.
pub(super) fn day(text: &str) -> Option<i32> {
    let text = text.trim();
    let date = text.get(..10)?;
    if !matches!(text.as_bytes().get(10), None | Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (y, m, d) = (date.get(..4)?, date.get(5..7)?, date.get(8..10)?);
    if date.as_bytes()[4] != b'-' || date.as_bytes()[7] != b'-' {
        return None;
    }
    i32::try_from(super::stamp::days(y.parse().ok()?, m.parse().ok()?, d.parse().ok()?)?).ok()
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
        assert_eq!(day("2026-03-01T10:00:00Z"), Some(20513));
        for bad in ["2026-13-01", "2026-02-30", "2026-3-1", "20260301", "2026-03-011", ""] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
