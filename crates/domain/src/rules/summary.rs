//! Periodic reports: when they come and what they say. Pure.

use crate::error::{Error, Result};
use crate::model::{Level, ReportEvery, ReportSubscription, Summary, Tally};
use crate::rules::cron::CronRule;
use crate::time::Timestamp;

/// When they come.
///
/// # Errors
/// `notice.hour`, `schedule.zone`.
pub fn rhythm(every: ReportEvery, hour: u8, zone: &str) -> Result<CronRule> {
    if hour > 23 {
        return Err(Error::invalid(
            "notice.hour",
            "the hour of the digest is a number from 0 to 23",
        )
        .on_field("hour"));
    }
    let days = match every {
        ReportEvery::Day => "* * *",
        ReportEvery::Week => "* * 1",
        ReportEvery::Month => "1 * *",
    };
    CronRule::new(&format!("0 {hour} {days}"), zone)
}

/// What is said at a moment, and the subscription after it. Periods that were missed are one.
#[must_use]
pub fn told(
    of: &ReportSubscription,
    group: String,
    tally: Tally,
    now: Timestamp,
) -> (Summary, ReportSubscription) {
    let count = |tally: &Tally, level: Level| tally.open.get(&level).copied().unwrap_or(0);
    let closed = |tally: &Tally| tally.closed.values().sum::<i64>();
    let levels = Level::ALL.into_iter();
    let summary = Summary {
        group,
        since: of.since,
        until: now,
        open: levels
            .clone()
            .map(|level| (level, count(&tally, level)))
            .collect(),
        change: levels
            .map(|level| (level, count(&tally, level) - count(&of.tally, level)))
            .collect(),
        closed: closed(&tally) - closed(&of.tally),
    };
    // What can't be kept any more comes once a day: it was checked when it was made.
    let next = rhythm(of.every, of.hour, &of.zone)
        .ok()
        .and_then(|rhythm| rhythm.after(now))
        .unwrap_or_else(|| now.plus_days(1));
    let after = ReportSubscription {
        next,
        since: now,
        tally,
        ..of.clone()
    };
    (summary, after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{GroupId, OrganizationId, TypedId, UserId};
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn it_says_what_is_open_and_what_changed_and_comes_again_in_its_zone() {
        let tally = |open: &[(Level, i64)], closed: i64| Tally {
            open: open.iter().copied().collect(),
            closed: BTreeMap::from([(Level::Low, closed)]),
            ..Tally::default()
        };
        let id = Uuid::from_u128(1);
        let of = ReportSubscription {
            user: UserId::from_uuid(id),
            organization: OrganizationId::from_uuid(id),
            group: GroupId::from_uuid(id),
            every: ReportEvery::Week,
            hour: 8,
            zone: "Europe/Berlin".to_owned(),
            next: at("2026-03-23T07:00:00Z"),
            since: at("2026-03-16T07:00:00Z"),
            tally: tally(&[(Level::High, 5), (Level::Low, 2)], 10),
            created: at("2026-03-16T07:00:00Z"),
        };
        let now = at("2026-03-23T07:10:00Z");
        let later = tally(&[(Level::Critical, 1), (Level::High, 3)], 14);
        let (summary, next) = told(&of, "acme/shop".to_owned(), later.clone(), now);
        let changes =
            [Level::Critical, Level::High, Level::Low].map(|level| summary.change[&level]);
        assert_eq!((changes, summary.closed), ([1, -2, -2], 4));
        assert_eq!(
            (summary.open[&Level::High], summary.open[&Level::Info]),
            (3, 0)
        );
        // Clocks go forward on 29 March.
        assert_eq!((next.next, next.since), (at("2026-03-30T06:00:00Z"), now));
        let (again, _) = told(
            &next,
            "acme/shop".to_owned(),
            later,
            at("2026-03-30T06:00:00Z"),
        );
        assert!(again.change.values().all(|change| *change == 0) && again.closed == 0);
        let monthly = rhythm(ReportEvery::Month, 0, "UTC").expect("a rhythm");
        assert_eq!(monthly.after(now), Some(at("2026-04-01T00:00:00Z")));
        assert!(rhythm(ReportEvery::Day, 24, "UTC").is_err());
    }
}
