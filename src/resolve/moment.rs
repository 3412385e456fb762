//! Times of messages, in whatever notation a log has them. Dates of three numbers are read only in an order that is known.
use crate::normalise::stamp::{Notation, of_numbers};
use jiff::tz::TimeZone;

/// Which of the first two numbers of a date is its day, where the year stands last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// `30/03/2026`
    DayFirst,
    /// `03/30/2026`
    MonthFirst,
}

/// What the dates of a log say of their order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dates {
    /// A date that only a day first explains, and one that only a month first does.
    day_first: bool,
    month_first: bool,
    /// A date of numbers that leaves it open.
    open: bool,
}

impl Dates {
    /// Takes the time of a row into account.
    pub fn see(&mut self, text: &str) {
        match of_numbers(text) {
            // nobody writes a month first and points
            None | Some(('.', ..)) => {}
            Some((_, first, second)) => match (first > 12, second > 12) {
                (true, false) => self.day_first = true,
                (false, true) => self.month_first = true,
                _ => self.open = true,
            },
        }
    }

    /// Whether none of the dates is of numbers whose order must be known.
    pub fn are_other(&self) -> bool {
        !(self.day_first || self.month_first || self.open)
    }

    /// The order of all of them.
    ///
    /// # Errors
    /// They don't say, or contradict one another.
    pub fn order(&self) -> Result<Option<DateOrder>, &'static str> {
        match (self.day_first, self.month_first, self.open) {
            (true, false, _) => Ok(Some(DateOrder::DayFirst)),
            (false, true, _) => Ok(Some(DateOrder::MonthFirst)),
            (false, false, false) => Ok(None),
            (true, true, _) => Err("some of its dates have the day first (30/03/2026), some the month (03/30/2026)"),
            (false, false, true) => {
                Err("its dates may have the day first or the month (03/04/2026), and no row of it says which")
            }
        }
    }
}

/// What is not a message's time: a number outside of these years (1990 to 2099) was read at the wrong scale.
const PLAUSIBLE: std::ops::Range<i64> = 631_152_000_000..4_102_444_800_000;

/// The moment that `text` says, in milliseconds since 1970. Without a zone it is in `zone`.
pub(super) fn moment(text: &str, order: Option<DateOrder>, zone: &TimeZone) -> Option<i64> {
    let text = text.trim();
    let read = |notation: Notation, text: &str| notation.read(text, zone).map(|time| time.0);
    let plausible = |ms: &i64| PLAUSIBLE.contains(ms);
    let whole = text.split('.').next().unwrap_or(text);
    if !whole.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && whole.bytes().all(|b| b != b'.') {
        let since = match whole.len() {
            ..12 => Notation::EpochSeconds,
            12..15 => Notation::EpochMilliseconds,
            _ => Notation::EpochMicroseconds,
        };
        let epoch = read(since, text).filter(plausible);
        if epoch.is_some() || of_numbers(text).is_none() {
            return epoch.or_else(|| read(Notation::Rfc3339, &spread(text)?)).filter(plausible);
        }
    }
    // midnight stands for a day
    let timed = match text.contains(':') {
        true => text.to_owned(),
        false => format!("{text} 00:00"),
    };
    let iso = || match text.as_bytes() {
        [_, _, _, _, mark @ (b'-' | b'/'), _, _, other, ..] if mark == other => {
            read(Notation::Rfc3339, &timed.replacen('/', "-", 2))
        }
        _ => read(Notation::Rfc3339, &spread(text)?),
    };
    let numbers = || {
        let notation = match (of_numbers(text)?.0, order) {
            ('.', _) | (_, Some(DateOrder::DayFirst)) => Notation::DayFirst,
            (_, Some(DateOrder::MonthFirst)) => Notation::MonthFirst,
            (_, None) => return None,
        };
        read(notation, &timed)
    };
    iso().or_else(numbers).or_else(|| read(Notation::MonthName, &timed)).filter(plausible)
}

/// `20260305100000`, `20260305T100000Z` and `20260305` with the marks of ISO 8601.
fn spread(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(8)?;
    let rest = rest.strip_prefix(['T', 't', ' ']).unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (time, behind) = rest.split_at(end);
    if !date.bytes().all(|b| b.is_ascii_digit()) || !matches!(time.len(), 0 | 4 | 6) {
        return None;
    }
    let (h, ms) = if time.is_empty() { ("00", "0000") } else { time.split_at(2) };
    let (m, s) = ms.split_at(2);
    Some(format!(
        "{}-{}-{}T{h}:{m}:{}{behind}",
        &date[..4],
        &date[4..6],
        &date[6..],
        if s.is_empty() { "00" } else { s }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_whatever_notation_it_comes() {
        use DateOrder::{DayFirst, MonthFirst};
        let wanted = Notation::Rfc3339.read("2026-03-04T14:03:22Z", &TimeZone::UTC).unwrap().0;
        let (minute, day) = (wanted - 22_000, wanted - 22_000 - 3 * 60_000 - 14 * 3_600_000);
        for (text, order, is) in [
            ("2026-03-04T14:03:22Z", None, Some(wanted)),
            ("2026-03-04 14:03:22", None, Some(wanted)),
            ("2026-03-04T16:03:22+02:00", None, Some(wanted)),
            ("2026/03/04 14:03:22", None, Some(wanted)),
            ("2026-03-04", None, Some(day)),
            ("20260304T140322Z", None, Some(wanted)),
            ("20260304140322", None, Some(wanted)),
            ("202603041403", None, Some(minute)),
            ("20260304", None, Some(day)),
            ("Wed, 04 Mar 2026 14:03:22 +0000", None, Some(wanted)),
            ("Mar 4, 2026, 2:03:22 PM", None, Some(wanted)),
            ("4 Mar 2026", None, Some(day)),
            ("1772633002", None, Some(wanted)),
            ("1772633002.000", None, Some(wanted)),
            ("1772633002000", None, Some(wanted)),
            ("1772633002000000", None, Some(wanted)),
            ("04/03/2026 14:03:22", Some(DayFirst), Some(wanted)),
            ("04-03-2026 14:03", Some(DayFirst), Some(minute)),
            ("3/4/2026 2:03:22 PM", Some(MonthFirst), Some(wanted)),
            ("04/03/2026 14:03:22", None, None),
            ("04.03.2026", None, Some(day)),
            ("04.03.2026 14:03:22", Some(MonthFirst), Some(wanted)),
            ("7", None, None),
            ("99999999999999", None, None),
            ("1.7726E+12", None, None),
            ("0004-03-04T14:03:22Z", None, None),
            ("x", None, None),
            ("", None, None),
            ("é2026-03-04", None, None),
        ] {
            assert_eq!(moment(text, order, &TimeZone::UTC), is, "{text}");
        }
    }

    #[test]
    fn the_dates_of_a_log_say_their_order_or_that_they_do_not() {
        let order = |texts: &[&str]| {
            let mut dates = Dates::default();
            texts.iter().for_each(|text| dates.see(text));
            dates.order()
        };
        assert_eq!(order(&["03/04/2026 14:03", "30/04/2026"]), Ok(Some(DateOrder::DayFirst)));
        assert_eq!(order(&["03/04/2026", "4/30/2026 2:03 PM"]), Ok(Some(DateOrder::MonthFirst)));
        assert_eq!(order(&["03.04.2026", "2026-03-04", "x"]), Ok(None));
        assert!(order(&["03/04/2026", "2026-03-04"]).unwrap_err().contains("no row"));
        assert!(order(&["30/03/2026", "03/30/2026"]).unwrap_err().contains("some the month"));
    }
}
