//! Cron expressions in a time zone: when one is next due. Beside `time.rs` the only file that names
//! the date library.
//!
//! Where clocks are put forward, a fixed time that does not exist comes right after the gap, and
//! what repeats within the hour goes on after it. Where they are put back, a fixed time comes once,
//! the first time, and what repeats within the hour comes in both (Vixie cron, as in the Open Cron
//! Pattern Specification). Zones are those of the IANA database, built in.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Longest expression, in bytes.
const LIMIT: usize = 200;

/// An expression that was read, in its zone.
#[derive(Clone, Debug)]
pub struct CronRule {
    cron: Cron,
    zone: TimeZone,
}

impl CronRule {
    /// Five fields (minute, hour, day of month, month, day of week) or a name such as `@daily`, and
    /// the name of a zone such as `Europe/Berlin`.
    ///
    /// # Errors
    /// `schedule.cron`, `schedule.zone`.
    pub fn new(expression: &str, zone: &str) -> Result<Self> {
        let wrong = |reason: String| {
            Error::invalid(
                "schedule.cron",
                format!("{reason}; write five fields such as \"30 2 * * 1-5\": minute, hour, day of month, month, day of week"),
            )
            .on_field("cron")
        };
        if expression.len() > LIMIT {
            return Err(wrong(format!(
                "the expression is longer than {LIMIT} bytes"
            )));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(expression)
            .map_err(|error| wrong(format!("the expression can't be read: {error}")))?;
        let zone = TimeZone::get(zone).map_err(|_| {
            let zone: String = zone.chars().take(100).collect();
            Error::invalid(
                "schedule.zone",
                format!("{zone:?} is no time zone; write one such as UTC or Europe/Berlin"),
            )
            .on_field("zone")
        })?;
        Ok(Self { cron, zone })
    }

    /// The first time after that one; none for a date that never comes.
    #[must_use]
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let start = jiff::Timestamp::from_millisecond(time.millis()).ok()?;
        let next = self
            .cron
            .find_next_occurrence(&start.to_zoned(self.zone.clone()), false)
            .ok()?;
        Some(Timestamp::from_millis(next.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn clocks_may_change_without_a_run_lost_or_doubled() {
        // 2026: clocks go forward on 29 March at 2:00 (Berlin), on 8 March at 2:00 (New York), back
        // on 25 October at 3:00 (Berlin); Lord Howe moves by half an hour on 4 October at 2:00.
        for (expression, zone, start, runs) in [
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-03-27T12:00:00Z",
                &[
                    "2026-03-28T01:30:00Z",
                    "2026-03-29T01:00:00Z",
                    "2026-03-30T00:30:00Z",
                ][..],
            ),
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-10-24T12:00:00Z",
                &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
            ),
            (
                "*/30 * * * *",
                "Europe/Berlin",
                "2026-10-25T00:15:00Z",
                &[
                    "2026-10-25T00:30:00Z",
                    "2026-10-25T01:00:00Z",
                    "2026-10-25T01:30:00Z",
                    "2026-10-25T02:00:00Z",
                ],
            ),
            (
                "*/30 * * * *",
                "Europe/Berlin",
                "2026-03-29T00:45:00Z",
                &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
            ),
            (
                "0 9 * * 1-5",
                "America/New_York",
                "2026-03-06T15:00:00Z",
                &["2026-03-09T13:00:00Z", "2026-03-10T13:00:00Z"],
            ),
            (
                "15 2 * * *",
                "Australia/Lord_Howe",
                "2026-10-02T20:00:00Z",
                &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
            ),
            (
                "0 0 29 2 *",
                "UTC",
                "2026-01-01T00:00:00Z",
                &["2028-02-29T00:00:00Z"],
            ),
            (
                "@daily",
                "Asia/Kolkata",
                "2026-01-01T00:00:00Z",
                &["2026-01-01T18:30:00Z", "2026-01-02T18:30:00Z"],
            ),
        ] {
            let rule = CronRule::new(expression, zone).expect("is read");
            let mut time = at(start);
            for run in runs {
                let next = rule.after(time).expect("comes");
                assert_eq!(next, at(run), "{expression} in {zone} after {time}");
                time = next;
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (expression, zone, code) in [
            ("", "UTC", "schedule.cron"),
            ("61 * * * *", "UTC", "schedule.cron"),
            ("* * * * * *", "UTC", "schedule.cron"),
            ("soon", "UTC", "schedule.cron"),
            ("0 0 * * *", "Mars/Olympus", "schedule.zone"),
            ("0 0 * * *", "", "schedule.zone"),
        ] {
            let refused = CronRule::new(expression, zone).expect_err("refused");
            assert_eq!(refused.code(), code, "{expression:?} {zone:?}");
        }
        let never = CronRule::new("0 0 30 2 *", "UTC");
        assert!(never.is_ok_and(|rule| rule.after(at("2026-01-01T00:00:00Z")).is_none()));
    }

    proptest::proptest! {
        #[test]
        fn no_expression_is_too_much(expression in "[0-9*/,LW#@a-z -]{0,40}") {
            let _ = CronRule::new(&expression, "UTC").map(|rule| rule.after(Timestamp::from_millis(0)));
        }
    }
}
