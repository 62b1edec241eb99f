//! Points in time. With `rules/cron.rs` the only file that names the date library.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::error::Error;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, written as RFC 3339 in UTC for
/// people and stored as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later (or, with a negative number, earlier) by that many milliseconds; saturates.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_millis(days.saturating_mul(DAY_MS))
    }

    /// Whole days from `earlier` to `self`; negative when `self` is before it.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(DAY_MS)
    }

    /// Reads what scanners write: RFC 3339 with any offset, the same without an offset (taken as
    /// UTC), with a space for the `T`, or a date alone (midnight UTC).
    ///
    /// # Errors
    /// `time.malformed` when the text is none of these.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let parsed = text
            .parse::<jiff::Timestamp>()
            .or_else(|_| {
                text.trim_end_matches(" UTC")
                    .parse::<jiff::civil::DateTime>()
                    .and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC))
                    .map(|zoned| zoned.timestamp())
            })
            .or_else(|_| {
                text.parse::<jiff::civil::Date>()
                    .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
                    .map(|zoned| zoned.timestamp())
            });
        parsed.map(|at| Self(at.as_millisecond())).map_err(|_| {
            Error::invalid(
                "time.malformed",
                format!("{text:?} is not a time; write it like 2026-01-31T09:30:00Z"),
            )
        })
    }

    /// Reads the three forms of a date in HTTP (RFC 9110, section 5.6.7).
    #[must_use]
    pub fn parse_http(text: &str) -> Option<Self> {
        let text = text.trim();
        jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|zoned| Self(zoned.timestamp().as_millisecond()))
            .or_else(|| Self::parse_with("%A, %d-%b-%y %H:%M:%S GMT", text))
            .or_else(|| Self::parse_with("%a %b %e %H:%M:%S %Y", text))
    }

    /// Reads a time by a `strftime`-like format, taken as UTC where it names no offset.
    #[must_use]
    pub fn parse_with(format: &str, text: &str) -> Option<Self> {
        let broken = jiff::fmt::strtime::parse(format, text.trim()).ok()?;
        let at = broken.to_timestamp().ok().or_else(|| {
            let civil = broken
                .to_datetime()
                .ok()
                .or_else(|| broken.to_date().ok().map(|date| date.at(0, 0, 0, 0)))?;
            civil
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()
                .map(|zoned| zoned.timestamp())
        })?;
        Some(Self(at.as_millisecond()))
    }

    /// Written by a `strftime`-like format, in UTC; nothing where the format is not one.
    #[must_use]
    pub fn format_with(self, format: &str) -> Option<String> {
        let at = jiff::Timestamp::from_millisecond(self.0).ok()?;
        jiff::fmt::strtime::format(format, at).ok()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_that_scanners_write() {
        for (text, millis) in [
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T01:00:01+01:00", 1_000),
            ("1970-01-01T00:00:01.500000000Z", 1_500),
            ("1970-01-01T00:00:01", 1_000),
            ("1970-01-01 00:00:01", 1_000),
            ("1970-01-02", DAY_MS),
        ] {
            assert_eq!(
                Timestamp::parse(text).map(Timestamp::millis).ok(),
                Some(millis),
                "{text}"
            );
        }
        assert!(Timestamp::parse("yesterday").is_err());
    }

    #[test]
    fn writes_utc_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_500).to_string(),
            "1970-01-01T00:00:01.500Z"
        );
    }
}
