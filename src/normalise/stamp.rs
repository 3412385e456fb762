//! Times of trails: which notation a profile says is read, and no other is guessed.
use super::stamp_words;
use crate::model::EventTime;
use jiff::civil;
use jiff::tz::TimeZone;

/// The notations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notation {
    /// RFC 3339 with an offset; without one, in the profile's zone. A space may stand for the `T`.
    Rfc3339,
    /// `10/Oct/2000:13:55:36 -0700`, as access logs have it; with a fraction, a space for the first colon, or without an offset (in the
    /// profile's zone), too, and as asctime writes it (`Tue Oct 10 13:55:36 2000`).
    Clf,
    /// Seconds since 1970, with or without a fraction.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
    /// Microseconds since 1970.
    EpochMicroseconds,
    /// Seconds since the year 0 of the Gregorian calendar, as Erlang counts (Kazoo).
    GregorianSeconds,
    /// `MM/DD/YYYY h:mm:ss AM`, in the profile's zone where it names none, as some exports for spreadsheets have it.
    MonthFirst,
    /// `DD/MM/YYYY hh:mm:ss`, or with points, in the profile's zone where it names none.
    DayFirst,
    /// With the month's name: RFC 2822, and as consoles show it (`Mar 30, 2026, 2:03:22 PM`), in the profile's zone where it names none.
    MonthName,
}

/// Seconds between the Gregorian year 0 and 1970.
const GREGORIAN: i64 = 62_167_219_200;

impl Notation {
    /// Every notation, with its name in profiles.
    pub const ALL: [(Notation, &str); 9] = [
        (Notation::Rfc3339, "rfc3339"),
        (Notation::Clf, "clf"),
        (Notation::EpochSeconds, "epoch_seconds"),
        (Notation::EpochMilliseconds, "epoch_milliseconds"),
        (Notation::EpochMicroseconds, "epoch_microseconds"),
        (Notation::GregorianSeconds, "gregorian_seconds"),
        (Notation::MonthFirst, "month_first"),
        (Notation::DayFirst, "day_first"),
        (Notation::MonthName, "month_name"),
    ];

    /// Whether it is a mere number, of which only its size says that it is a time.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Notation::EpochSeconds
                | Notation::EpochMilliseconds
                | Notation::EpochMicroseconds
                | Notation::GregorianSeconds
        )
    }

    /// Whether `text`, which is in this notation, says in which second it was.
    pub fn states_second(self, text: &str) -> bool {
        let clock =
            |b: &[u8]| matches!(b, [h, b':', m, n, b':', s, t] if [h, m, n, s, t].iter().all(|b| b.is_ascii_digit()));
        self.is_number() || text.as_bytes().windows(7).any(clock)
    }

    /// The time that `text` says; nothing where it is not in this notation, or before 1970 (products write the year 1 for "none").
    pub fn read(self, text: &str, zone: &TimeZone) -> Option<EventTime> {
        let text = text.trim();
        let ms = match self {
            Notation::Rfc3339 => rfc3339(text, zone)?,
            Notation::Clf => clf(text, zone)?,
            Notation::EpochSeconds => decimal(text, 3)?,
            Notation::EpochMilliseconds => decimal(text, 0)?,
            Notation::EpochMicroseconds => decimal(text, 0)? / 1000,
            Notation::GregorianSeconds => decimal(text, 3)?.checked_sub(GREGORIAN * 1000)?,
            Notation::MonthFirst => stamp_words::numbers(text, zone, false)?,
            Notation::DayFirst => stamp_words::numbers(text, zone, true)?,
            Notation::MonthName => stamp_words::month_name(text, zone)?,
        };
        (0..=LAST).contains(&ms).then_some(EventTime(ms))
    }
}

/// Of a time whose date is three numbers, the year last: the mark between them, and the first two.
pub fn of_numbers(text: &str) -> Option<(char, i64, i64)> {
    let date = text.trim().split([' ', ',']).next()?;
    let (first, second, _) = stamp_words::date(date)?;
    Some((date.chars().find(|c| !c.is_ascii_digit())?, first, second))
}

/// The end of the year 9999 in milliseconds: an epoch beyond it was read at the wrong scale.
const LAST: i64 = 253_402_300_799_999;

/// Days since 1970 of a date of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(super) fn days(y: i64, m: i64, d: i64) -> Option<i64> {
    const LENGTHS: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let length = *LENGTHS.get(usize::try_from(m - 1).ok()?)?;
    if d < 1 || d > length || (m == 2 && d == 29 && !leap) || !(0..=9999).contains(&y) {
        return None;
    }
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

/// The number that the digits at `at..end` write.
fn digits(b: &[u8], at: usize, end: usize) -> Option<i64> {
    b.get(at..end)?.iter().try_fold(0i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// Milliseconds of a clock's reading within its day; `:60` is the leap second, which runs on into the next minute.
pub(super) fn clock(h: i64, m: i64, s: i64, ms: i64) -> Option<i64> {
    let right = (h < 24 && m < 60 && s <= 60) || (h == 24 && m == 0 && s == 0);
    right.then_some(((h * 60 + m) * 60 + s) * 1000 + ms)
}

fn rfc3339(text: &str, zone: &TimeZone) -> Option<i64> {
    let b = text.as_bytes();
    let day = days(digits(b, 0, 4)?, digits(b, 5, 7)?, digits(b, 8, 10)?)?;
    if b[4] != b'-' || b[7] != b'-' || !matches!(b.get(10)?, b'T' | b't' | b' ') || b.get(13)? != &b':' {
        return None;
    }
    let (h, m) = (digits(b, 11, 13)?, digits(b, 14, 16)?);
    let (s, mut at) = if b.get(16) == Some(&b':') { (digits(b, 17, 19)?, 19) } else { (0, 16) };
    let mut ms = 0;
    if matches!(b.get(at), Some(b'.' | b',')) {
        let from = at + 1;
        at = from;
        while b.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        ms = (0..3).try_fold(0, |ms, i| {
            let digit = if from + i < at { digits(b, from + i, from + i + 1)? } else { 0 };
            Some(ms * 10 + digit)
        })?;
    }
    let local = day * 86_400_000 + clock(h, m, s, ms)?;
    offset_or_zone(text.get(at..)?.trim(), local, zone)
}

fn offset_or_zone(rest: &str, local: i64, zone: &TimeZone) -> Option<i64> {
    match rest {
        "" => in_zone(local, zone),
        "Z" | "z" | "UTC" | "GMT" => Some(local),
        _ => Some(local - offset(rest)?),
    }
}

/// `+hh:mm`, `+hhmm` or `+hh` in milliseconds.
fn offset(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    let sign = match b.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (h, m) = match b.len() {
        6 if b[3] == b':' => (digits(b, 1, 3)?, digits(b, 4, 6)?),
        5 => (digits(b, 1, 3)?, digits(b, 3, 5)?),
        3 => (digits(b, 1, 3)?, 0),
        _ => return None,
    };
    (h < 24 && m < 60).then_some(sign * (h * 60 + m) * 60_000)
}

/// A local time in `zone`: in the hour that occurs twice the first one, in the hour that is left out the one after it.
fn in_zone(local: i64, zone: &TimeZone) -> Option<i64> {
    if *zone == TimeZone::UTC {
        return Some(local);
    }
    let epoch = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let civil = epoch.checked_add(jiff::SignedDuration::from_millis(local)).ok()?;
    Some(zone.to_ambiguous_timestamp(civil).compatible().ok()?.as_millisecond())
}

/// The time of a syslog envelope: RFC 3339, or `Mmm dd hh:mm:ss` (RFC 3164) with or without weekday, year, fraction and zone. Where it
/// states no year, it is of the year in which it is no more than a day after `arrived`; one in a zone that is not known is unknown.
pub(super) fn of_syslog(text: &str, zone: &TimeZone, arrived: EventTime) -> Option<EventTime> {
    let month_of = |word: &str| MONTHS.iter().position(|m| word.as_bytes().eq_ignore_ascii_case(*m));
    let year_of = |word: &str| (word.len() == 4).then(|| digits(word.as_bytes(), 0, 4)).flatten();
    let mut words = text.split_ascii_whitespace().peekable();
    let mut year = words.next_if(|word| year_of(word).is_some()).and_then(year_of);
    let weekday = |word: &&str| word.len() == 3 && month_of(word).is_none();
    words.next_if(weekday);
    let Some(month) = words.peek().and_then(|word| month_of(word)) else {
        return dated(text, zone).map(EventTime);
    };
    words.next();
    let day = words.next().filter(|word| word.len() <= 2)?;
    let day_of_month = digits(day.as_bytes(), 0, day.len())?;
    year = words.next_if(|word| year_of(word).is_some()).and_then(year_of).or(year);
    let clock = time_of_day(words.next()?)?;
    year = words.next_if(|word| year_of(word).is_some()).and_then(year_of).or(year);
    let named = words.next();
    if words.next().is_some() {
        return None;
    }
    let at = |day: i64| in_named_zone(day * 86_400_000 + clock, named, zone);
    if let Some(year) = year {
        return at(days(year, month as i64 + 1, day_of_month)?).filter(|ms| (0..=LAST).contains(ms)).map(EventTime);
    }
    let this_year = i64::from(zone.to_datetime(jiff::Timestamp::from_millisecond(arrived.0).ok()?).year());
    // a day ahead: around New Year sender and receiver may not agree on the year; 29 February exists in one year of four
    (0..8)
        .filter_map(|back| days(this_year + 1 - back, month as i64 + 1, day_of_month))
        .filter_map(at)
        .find(|ms| *ms <= arrived.0 + 86_400_000)
        .map(EventTime)
}

/// The time that a shipper puts beside a record: RFC 3339, or seconds or milliseconds since 1970.
pub(super) fn of_shipper(text: &str, zone: &TimeZone) -> Option<EventTime> {
    let notations = [Notation::Rfc3339, Notation::EpochSeconds, Notation::EpochMilliseconds];
    notations.into_iter().find_map(|notation| notation.read(text, zone))
}

/// RFC 3339, also with a zone's name behind it.
fn dated(text: &str, zone: &TimeZone) -> Option<i64> {
    if let Some(ms) = rfc3339(text, zone) {
        return Some(ms);
    }
    let (stamp, name) = text.rsplit_once(' ')?;
    in_named_zone(rfc3339(stamp, &TimeZone::UTC)?, Some(name), zone)
}

/// Milliseconds within its day of `hh:mm:ss`, with or without a fraction.
fn time_of_day(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    let ms = match b.get(8) {
        None => 0,
        Some(b'.' | b',') => decimal(&format!("0.{}", text.get(9..)?), 3)?,
        Some(_) => return None,
    };
    if b.get(2) != Some(&b':') || b.get(5) != Some(&b':') {
        return None;
    }
    clock(digits(b, 0, 2)?, digits(b, 3, 5)?, digits(b, 6, 8)?, ms)
}

/// A local time in the zone of that name: an offset, one of RFC 5322's, or what `zone` is called then.
pub(super) fn in_named_zone(local: i64, name: Option<&str>, zone: &TimeZone) -> Option<i64> {
    const HOURS: &[(&str, i64)] = &[
        ("UTC", 0),
        ("GMT", 0),
        ("UT", 0),
        ("Z", 0),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("MDT", -6),
        ("PST", -8),
        ("PDT", -7),
        ("CET", 1),
        ("CEST", 2),
    ];
    let Some(name) = name else {
        return in_zone(local, zone);
    };
    let here = in_zone(local, zone)?;
    let called = zone.to_offset_info(jiff::Timestamp::from_millisecond(here).ok()?);
    if called.abbreviation() == name {
        return Some(here);
    }
    let known = HOURS.iter().find(|(known, _)| *known == name).map(|(_, hours)| hours * 3_600_000);
    let stated = known.or_else(|| behind_utc(name));
    Some(local - stated.or_else(|| offset(name.strip_prefix("TZ").unwrap_or(name)))?)
}

/// `GMT+1`, `UTC+01:00`, as browsers show a zone.
fn behind_utc(name: &str) -> Option<i64> {
    let written = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC"))?;
    match written.split_at_checked(1)? {
        (sign, hour) if hour.len() == 1 => offset(&format!("{sign}0{hour}")),
        _ => offset(written),
    }
}

pub(super) const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

fn clf(text: &str, zone: &TimeZone) -> Option<i64> {
    let b = text.as_bytes();
    if b.first()?.is_ascii_alphabetic() {
        return asctime(text, zone);
    }
    // A day below ten may have one digit.
    let shift = usize::from(b.get(1) != Some(&b'/'));
    let b = b.get(shift..)?;
    let day_of_month = if shift == 1 { digits(text.as_bytes(), 0, 2)? } else { digits(b, 0, 1)? };
    let month = MONTHS.iter().position(|m| b.get(2..5).is_some_and(|t| t.eq_ignore_ascii_case(*m)))?;
    let day = days(digits(b, 6, 10)?, month as i64 + 1, day_of_month)?;
    let rest = text.get(shift + 11..)?;
    let end = rest.find([' ', '+', '-', 'Z']).unwrap_or(rest.len());
    // Apache's `%{msec_frac}t` may stand behind a colon
    let (time, behind) = rest.split_at(end);
    let clock = match time.split_at_checked(8) {
        Some((time, fraction)) if fraction.starts_with(':') => time_of_day(&format!("{time}.{}", &fraction[1..]))?,
        _ => time_of_day(time)?,
    };
    offset_or_zone(behind.trim(), day * 86_400_000 + clock, zone)
}

/// `Tue Oct 10 13:55:36 2000`.
fn asctime(text: &str, zone: &TimeZone) -> Option<i64> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let month = words.next()?;
    let month = MONTHS.iter().position(|m| month.as_bytes().eq_ignore_ascii_case(*m))?;
    let day = words.next().filter(|day| day.len() <= 2)?;
    let clock = time_of_day(words.next()?)?;
    let year = words.next().filter(|year| year.len() == 4)?;
    let day = days(digits(year.as_bytes(), 0, 4)?, month as i64 + 1, digits(day.as_bytes(), 0, day.len())?)?;
    words.next().is_none().then(|| in_zone(day * 86_400_000 + clock, zone))?
}

/// A decimal number with the point moved `places` to the right; further digits are cut off.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > 17 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut n = digits(whole.as_bytes(), 0, whole.len())?;
    for b in fraction.bytes().chain(std::iter::repeat(b'0')).take(places) {
        n = n.checked_mul(10)?.checked_add(i64::from(b - b'0'))?;
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(notation: Notation, text: &str) -> Option<String> {
        notation.read(text, &TimeZone::UTC).map(|t| t.to_string())
    }

    #[test]
    fn t53_a_syslog_stamp_is_of_the_year_in_which_it_has_been() {
        let arrived = |text| Notation::Rfc3339.read(text, &TimeZone::UTC).unwrap();
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (text, at, zone, is) in [
            ("Apr  1 09:12:44", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2026-04-01T09:12:44.000Z")),
            ("Apr  1 09:12:44", "2026-04-01T07:12:45Z", &berlin, Some("2026-04-01T07:12:44.000Z")),
            ("Dec 31 23:59:59", "2027-01-01T00:00:01Z", &TimeZone::UTC, Some("2026-12-31T23:59:59.000Z")),
            ("Jan  1 00:00:02", "2026-12-31T23:59:58Z", &TimeZone::UTC, Some("2027-01-01T00:00:02.000Z")),
            ("Feb 29 00:00:00", "2026-03-01T00:00:00Z", &TimeZone::UTC, Some("2024-02-29T00:00:00.000Z")),
            ("2026-04-01T09:12:44.5+02:00", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2026-04-01T07:12:44.500Z")),
            ("Apr  1 09:12:44.5", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2026-04-01T09:12:44.500Z")),
            ("Apr 1 2025 09:12:44", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2025-04-01T09:12:44.000Z")),
            ("Wed Apr  1 09:12:44 2026", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2026-04-01T09:12:44.000Z")),
            ("2026 Apr 1 09:12:44 TZ-6", "2026-04-01T15:12:45Z", &TimeZone::UTC, None),
            ("2026 Apr 1 09:12:44 -0600", "2026-04-01T15:12:45Z", &TimeZone::UTC, Some("2026-04-01T15:12:44.000Z")),
            ("Apr  1 09:12:44 UTC", "2026-04-01T09:12:45Z", &berlin, Some("2026-04-01T09:12:44.000Z")),
            ("Apr  1 09:12:44 CEST", "2026-04-01T09:12:45Z", &berlin, Some("2026-04-01T07:12:44.000Z")),
            ("Apr  1 09:12:44 GMT+2", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2026-04-01T07:12:44.000Z")),
            ("Apr  1 09:12:44 WIB", "2026-04-01T09:12:45Z", &berlin, None),
            ("2026-04-01 09:12:44,403", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2026-04-01T09:12:44.403Z")),
            ("2026-04-01 09:12:44 CEST", "2026-04-01T09:12:45Z", &TimeZone::UTC, Some("2026-04-01T07:12:44.000Z")),
            ("Foo  1 09:12:44", "2026-04-01T09:12:45Z", &TimeZone::UTC, None),
            ("Apr", "2026-04-01T09:12:45Z", &TimeZone::UTC, None),
        ] {
            let read = of_syslog(text, zone, arrived(at)).map(|t| t.to_string());
            assert_eq!(read.as_deref(), is, "{text}");
        }
    }

    #[test]
    fn t54_rfc3339_in_all_its_forms() {
        for (text, is) in [
            ("2026-03-01T00:01:18.806Z", Some("2026-03-01T00:01:18.806Z")),
            ("2026-03-01T00:01:18Z", Some("2026-03-01T00:01:18.000Z")),
            ("2026-03-01T00:01:18.8061234567Z", Some("2026-03-01T00:01:18.806Z")),
            ("2026-03-01 02:01:18+02:00", Some("2026-03-01T00:01:18.000Z")),
            ("2026-03-01T02:01:18.5+0200", Some("2026-03-01T00:01:18.500Z")),
            ("2026-03-01T00:01:18", Some("2026-03-01T00:01:18.000Z")),
            ("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00.000Z")),
            ("2026-03-01T24:00:00Z", Some("2026-03-02T00:00:00.000Z")),
            ("2096-03-01T00:00:00Z", Some("2096-03-01T00:00:00.000Z")),
            ("0001-01-01T00:00:00Z", None),
            ("0000-01-01T00:00:00Z", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-03-01T25:00:00Z", None),
            ("2026-03-01T00:61:00Z", None),
            ("2026-03-01T00:01:18 nonsense", None),
            ("2026-03-01", None),
            ("", None),
            ("é026-03-01T00:01:18Z", None),
        ] {
            assert_eq!(read(Notation::Rfc3339, text).as_deref(), is, "{text}");
        }
    }

    #[test]
    fn t53_a_local_time_in_the_gap_and_in_the_fold() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = |text: &str| Notation::Rfc3339.read(text, &zone).map(|t| t.to_string()).unwrap();
        assert_eq!(at("2026-07-01T12:00:00"), "2026-07-01T10:00:00.000Z");
        // 2026-03-29 02:30 does not exist, 2026-10-25 02:30 is there twice.
        assert_eq!(at("2026-03-29T02:30:00"), "2026-03-29T01:30:00.000Z");
        assert_eq!(at("2026-10-25T02:30:00"), "2026-10-25T00:30:00.000Z");
    }

    #[test]
    fn other_notations() {
        assert_eq!(read(Notation::Clf, "10/Oct/2000:13:55:36 -0700").as_deref(), Some("2000-10-10T20:55:36.000Z"));
        assert_eq!(read(Notation::Clf, "1/Mar/2026:00:00:20 +0000").as_deref(), Some("2026-03-01T00:00:20.000Z"));
        for text in [
            "01/Mar/2026:00:00:20.000 +0000",
            "01/Mar/2026:00:00:20",
            "01/Mar/2026 00:00:20",
            "Sun Mar  1 00:00:20 2026",
        ] {
            assert_eq!(read(Notation::Clf, text).as_deref(), Some("2026-03-01T00:00:20.000Z"), "{text}");
        }
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let local = Notation::Clf.read("01/Mar/2026 00:00:20", &zone).map(|t| t.to_string());
        assert_eq!(local.as_deref(), Some("2026-02-28T23:00:20.000Z"), "without an offset it is of the profile's zone");
        assert_eq!(read(Notation::EpochSeconds, "1582044883.25").as_deref(), Some("2020-02-18T16:54:43.250Z"));
        assert_eq!(read(Notation::EpochMilliseconds, "1582044883250").as_deref(), Some("2020-02-18T16:54:43.250Z"));
        assert_eq!(read(Notation::EpochSeconds, "1582044883250000"), None, "microseconds are not taken for seconds");
        assert_eq!(read(Notation::GregorianSeconds, "63667032239").as_deref(), Some("2017-07-11T22:43:59.000Z"));
        assert_eq!(read(Notation::MonthFirst, "7/11/2017 12:43:59 AM").as_deref(), Some("2017-07-11T00:43:59.000Z"));
        for text in ["7/11/2017 -5:43:59", "7/11/2017 153722867280912931:0:0", "7/11/99999 1:2:3"] {
            assert_eq!(read(Notation::MonthFirst, text), None, "{text}");
        }
        for text in ["", "x", "10/Foo/2000:13:55:36 -0700", "-5"] {
            assert_eq!(read(Notation::Clf, text), None);
            assert_eq!(read(Notation::EpochSeconds, text), None);
        }
    }

    #[test]
    fn dates_in_words_and_numbers() {
        use Notation::{DayFirst, MonthFirst, MonthName};
        for (notation, text, is) in [
            (MonthName, "Mon, 30 Mar 2026 14:03:22 +0000", Some("2026-03-30T14:03:22.000Z")),
            (MonthName, "Mon, 30 Mar 2026 14:03:22 GMT", Some("2026-03-30T14:03:22.000Z")),
            (MonthName, "30 Mar 2026 14:03:22 -0500 (EST)", Some("2026-03-30T19:03:22.000Z")),
            (MonthName, "Mar 30, 2026, 2:03:22\u{202f}PM GMT+2", Some("2026-03-30T12:03:22.000Z")),
            (MonthName, "March 30, 2026 12:03 a.m.", Some("2026-03-30T00:03:00.000Z")),
            (MonthName, "30-Mar-2026 14:03:22.5", Some("2026-03-30T14:03:22.500Z")),
            (MonthName, "30 Mrz 2026 14:03", None),
            (MonthName, "31 Apr 2026 14:03", None),
            (MonthName, "30 Mar 26 14:03", None),
            (DayFirst, "30/03/2026 14:03", Some("2026-03-30T14:03:00.000Z")),
            (DayFirst, "30.03.2026 14:03:22", Some("2026-03-30T14:03:22.000Z")),
            (DayFirst, "30.3.2026, 2:03:22 PM +02:00", Some("2026-03-30T12:03:22.000Z")),
            (DayFirst, "03/30/2026 14:03", None),
            (MonthFirst, "3/30/2026, 2:03:22 PM", Some("2026-03-30T14:03:22.000Z")),
            (MonthFirst, "03/30/2026 14:03:22 -0700", Some("2026-03-30T21:03:22.000Z")),
            (MonthFirst, "3/30/2026 14:03:22 UTC later", None),
            (MonthFirst, "3/30/2026 14", None),
            (MonthFirst, "3/30/2026 14:03:22.x", None),
        ] {
            assert_eq!(read(notation, text).as_deref(), is, "{notation:?} {text}");
        }
    }
}
