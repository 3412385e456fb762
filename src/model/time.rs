//! Event time and wall time, which never convert into each other.
use serde::{Deserialize, Serialize};

/// A length of time in milliseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub i64);

impl Millis {
    /// One second.
    pub const SECOND: Millis = Millis(1_000);
    /// One minute.
    pub const MINUTE: Millis = Millis(60_000);
    /// One hour.
    pub const HOUR: Millis = Millis(3_600_000);
    /// Twenty-four hours.
    pub const DAY: Millis = Millis(86_400_000);

    /// `n` times this length, saturating.
    pub const fn times(self, n: i64) -> Millis {
        Millis(self.0.saturating_mul(n))
    }
}

/// When something happened, in milliseconds since 1970-01-01T00:00Z, as its trail states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

/// What a clock on this machine showed, in milliseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WallTime(pub i64);

macro_rules! instant {
    ($name:ident) => {
        impl $name {
            /// This instant moved by `by`, saturating.
            pub const fn plus(self, by: Millis) -> Self {
                Self(self.0.saturating_add(by.0))
            }
            /// This instant moved back by `by`, saturating.
            pub const fn minus(self, by: Millis) -> Self {
                Self(self.0.saturating_sub(by.0))
            }
            /// The length from `earlier` to this instant.
            pub const fn since(self, earlier: Self) -> Millis {
                Millis(self.0.saturating_sub(earlier.0))
            }
        }
        impl std::fmt::Display for $name {
            /// RFC 3339 in UTC with milliseconds.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match jiff::Timestamp::from_millisecond(self.0) {
                    Ok(stamp) => write!(f, "{stamp:.3}"),
                    Err(_) => write!(f, "{} ms", self.0),
                }
            }
        }
    };
}
instant!(EventTime);
instant!(WallTime);

impl EventTime {
    /// The number of the episode of length `length` that this instant falls into, counted from 1970.
    pub const fn episode(self, length: Millis) -> i64 {
        self.0.div_euclid(if length.0 > 0 { length.0 } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn episodes_are_aligned_to_absolute_time_before_and_after_1970() {
        assert_eq!(EventTime(-1).episode(Millis::DAY), -1);
        assert_eq!(EventTime(0).episode(Millis::DAY), 0);
        assert_eq!(EventTime(86_399_999).episode(Millis::DAY), 0);
        assert_eq!(EventTime(86_400_000).episode(Millis::DAY), 1);
    }

    #[test]
    fn an_instant_out_of_range_still_prints() {
        assert_eq!(EventTime(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(EventTime(i64::MAX).to_string(), "9223372036854775807 ms");
    }
}
