//! When a schedule runs next, and what a run that is due comes to. Pure.

use sha2::{Digest, Sha256};

use super::cron::CronRule;
use crate::error::{Error, Result};
use crate::id::{JobId, ScheduleId};
use crate::model::{Job, JobState, Overlap, Run, Schedule, Timing};
use crate::time::{DAY_MS, Timestamp};

/// Shortest time between runs, in seconds.
pub const EVERY_MIN: u32 = 10;
/// Longest time between runs, in seconds: 366 days.
pub const EVERY_MAX: u32 = 366 * 86_400;
/// Widest spread, in milliseconds: a day.
pub const SPREAD_MAX: u32 = 86_400_000;

/// Whether a timing can be kept.
///
/// # Errors
/// `schedule.cron`, `schedule.zone`, `schedule.every`, `schedule.never`.
pub fn check(timing: &Timing, created: Timestamp) -> Result<()> {
    match timing {
        Timing::Cron { expression, zone } => {
            CronRule::new(expression, zone)?;
        }
        Timing::Every { seconds } if !(EVERY_MIN..=EVERY_MAX).contains(seconds) => {
            return Err(Error::invalid(
                "schedule.every",
                format!("runs are {EVERY_MIN} to {EVERY_MAX} seconds apart"),
            )
            .on_field("every_seconds"));
        }
        Timing::Every { .. } => {}
        Timing::Once { at } => {
            if at.days_since(created) > 366 * 10 {
                return Err(Error::invalid(
                    "schedule.never",
                    "that is more than ten years from now",
                )
                .on_field("at"));
            }
            return Ok(());
        }
    }
    match next(timing, created, created) {
        Some(_) => Ok(()),
        None => Err(Error::invalid(
            "schedule.never",
            "that date never comes; check day and month",
        )
        .on_field("cron")),
    }
}

/// The first run after `after`. What was missed does not count: one run follows, not all of them.
/// A one-shot's time may lie before `after`; it has no second run.
#[must_use]
pub fn next(timing: &Timing, created: Timestamp, after: Timestamp) -> Option<Timestamp> {
    match timing {
        Timing::Cron { expression, zone } => CronRule::new(expression, zone).ok()?.after(after),
        Timing::Every { seconds } => {
            let step = i64::from((*seconds).max(1)) * 1_000;
            let since = after.millis().saturating_sub(created.millis()).max(0);
            Some(created.plus_millis((since / step + 1).saturating_mul(step)))
        }
        Timing::Once { at } => Some(*at),
    }
}

/// How much later than planned the runs of this schedule come, in milliseconds: less than
/// `spread_ms`, the same every time, evenly spread over ids.
#[must_use]
pub fn spread(id: ScheduleId, spread_ms: u32) -> i64 {
    if spread_ms == 0 {
        return 0;
    }
    let digest = Sha256::digest(id.to_string());
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    i64::try_from(number % u64::from(spread_ms)).unwrap_or(0)
}

/// Switched on, with its next run after `now`.
#[must_use]
pub fn armed(schedule: &Schedule, now: Timestamp) -> Schedule {
    let late = spread(schedule.id, schedule.spread_ms);
    let planned = next(&schedule.timing, schedule.created, now.plus_millis(-late));
    Schedule {
        armed: planned.is_some(),
        planned,
        due: planned.map(|planned| planned.plus_millis(late)),
        ..schedule.clone()
    }
}

/// Switched off.
#[must_use]
pub fn disarmed(schedule: &Schedule) -> Schedule {
    Schedule {
        armed: false,
        planned: None,
        due: None,
        ..schedule.clone()
    }
}

/// Whether a new run would come on top of the one before, as the schedule sees it.
#[must_use]
pub fn overlaps(overlap: Overlap, before: Option<&Job>) -> bool {
    let Some(before) = before else { return false };
    match (before.state(), overlap) {
        (JobState::Done | JobState::Cancelled | JobState::Dead, _) => false,
        (_, Overlap::Skip) => true,
        // It was never taken: one waits already.
        (JobState::Waiting, Overlap::Queue) => before.attempts == 0 && before.interruptions == 0,
        (JobState::Running, Overlap::Queue) => false,
    }
}

/// What a run that is due comes to: the schedule with its next run, and the job, unless it is left
/// out. `before` is the job of the last run, where it is still kept.
#[must_use]
pub fn tick(
    schedule: &Schedule,
    before: Option<&Job>,
    job: JobId,
    now: Timestamp,
) -> (Schedule, Option<Job>) {
    let after = match schedule.timing {
        Timing::Once { .. } => disarmed(schedule),
        _ => {
            // A clock that was put back must not bring the same run again.
            let passed = schedule.due.map_or(now, |due| due.max(now));
            armed(schedule, passed)
        }
    };
    if overlaps(schedule.overlap, before) {
        let skipped = Schedule {
            skipped: Some(now),
            ..after
        };
        return (skipped, None);
    }
    started(&after, job, now)
}

/// With a run started now, whatever its timing says.
#[must_use]
pub fn started(schedule: &Schedule, job: JobId, now: Timestamp) -> (Schedule, Option<Job>) {
    let mut work =
        Job::new(job, &schedule.job, schedule.payload.clone(), now).in_lane(schedule.lane());
    work.organization = schedule.organization;
    work.yields = schedule.shared_lane.is_some();
    let next = Schedule {
        last: Some(Run { at: now, job }),
        ..schedule.clone()
    };
    (next, Some(work))
}

/// Longest name, in characters.
const NAME_MAX: usize = 100;

/// # Errors
/// `schedule.name`.
pub fn check_name(name: &str) -> Result<()> {
    let is_good = !name.is_empty()
        && name.len() <= NAME_MAX
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_'));
    if is_good {
        return Ok(());
    }
    Err(Error::invalid(
        "schedule.name",
        format!("a schedule's name has 1 to {NAME_MAX} of a-z, 0-9, dot, - and _"),
    )
    .on_field("name"))
}

/// # Errors
/// `schedule.spread`.
pub fn check_spread(spread_ms: u32) -> Result<()> {
    if spread_ms <= SPREAD_MAX {
        return Ok(());
    }
    let days = i64::from(SPREAD_MAX) / DAY_MS;
    Err(Error::invalid(
        "schedule.spread",
        format!("runs are spread over at most {days} day"),
    )
    .on_field("spread_seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId;
    use serde_json::Value;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn schedule(timing: Timing) -> Schedule {
        let bare = Schedule {
            id: ScheduleId::from_uuid(Uuid::from_u128(5)),
            organization: None,
            scope: Schedule::scope_of(None),
            name: "test".to_owned(),
            timing,
            overlap: Overlap::Skip,
            spread_ms: 0,
            job: "test.run".to_owned(),
            payload: Value::Null,
            shared_lane: None,
            armed: false,
            planned: None,
            due: None,
            last: None,
            skipped: None,
            created: NOW,
            by: "system:test".to_owned(),
        };
        armed(&bare, NOW)
    }

    fn job_id(number: u128) -> JobId {
        JobId::from_uuid(Uuid::from_u128(number))
    }

    fn minute(number: i64) -> Timestamp {
        NOW.plus_millis(number * 60_000)
    }

    #[test]
    fn after_a_long_sleep_one_run_follows_in_the_old_rhythm() {
        let every = schedule(Timing::Every { seconds: 600 });
        assert_eq!(every.due, Some(minute(10)));
        let (next, job) = tick(&every, None, job_id(1), minute(75));
        assert_eq!((next.due, job.is_some()), (Some(minute(80)), true));
        let cron = schedule(Timing::Cron {
            expression: "*/10 * * * *".to_owned(),
            zone: "UTC".to_owned(),
        });
        let (next, _) = tick(&cron, None, job_id(1), minute(75));
        assert_eq!(next.due, Some(minute(80)));
        // The clock was put back: the run of minute 10 is over all the same.
        let (next, _) = tick(&every, None, job_id(1), minute(3));
        assert_eq!(next.due, Some(minute(20)));
    }

    #[test]
    fn a_spread_moves_every_run_by_the_same_even_beyond_the_next() {
        let late = Schedule {
            spread_ms: 3_600_000,
            ..schedule(Timing::Every { seconds: 60 })
        };
        let by = spread(late.id, late.spread_ms);
        assert!((0..3_600_000).contains(&by));
        let first = armed(&late, NOW);
        let (second, _) = tick(&first, None, job_id(1), first.due.expect("is due"));
        let apart = second.due.expect("is due").millis() - first.due.expect("is due").millis();
        assert_eq!(apart, 60_000);
        let offsets: std::collections::BTreeSet<i64> = (0..100)
            .map(|id| spread(ScheduleId::from_uuid(Uuid::from_u128(id)), 3_600_000) / 360_000)
            .collect();
        assert_eq!(offsets.len(), 10, "a hundred ids fall into every tenth");
    }

    #[test]
    fn a_one_shot_runs_once_also_when_its_time_has_passed() {
        let once = schedule(Timing::Once { at: minute(-5) });
        assert_eq!(once.due, Some(minute(-5)));
        let (after, job) = tick(&once, None, job_id(1), NOW);
        assert!(job.is_some() && !after.armed && after.due.is_none());
        assert!(crate::port::Entity::expires(&after).is_some());
    }

    #[test]
    fn runs_that_overlap_are_left_out_or_queued() {
        let new = Job::new(job_id(9), "test.run", Value::Null, NOW);
        let running = new.claimed("w", minute(1));
        let waiting_again = running.failed("no answer", minute(1));
        for (before, skip, queue) in [
            (None, false, false),
            (Some(&new), true, true),
            (Some(&running), true, false),
            (Some(&waiting_again), true, false),
            (Some(&new.completed(NOW)), false, false),
            (Some(&new.buried("x", NOW)), false, false),
        ] {
            assert_eq!(overlaps(Overlap::Skip, before), skip, "{before:?}");
            assert_eq!(overlaps(Overlap::Queue, before), queue, "{before:?}");
        }
        let (after, job) = tick(
            &schedule(Timing::Every { seconds: 60 }),
            Some(&running),
            job_id(1),
            minute(1),
        );
        assert_eq!((job, after.skipped), (None, Some(minute(1))));
        assert_eq!(after.due, Some(minute(2)));
    }

    #[test]
    fn timings_that_can_not_be_kept_are_refused() {
        for (timing, code) in [
            (Timing::Every { seconds: 9 }, "schedule.every"),
            (Timing::Every { seconds: u32::MAX }, "schedule.every"),
            (
                Timing::Once {
                    at: NOW.plus_days(4_000),
                },
                "schedule.never",
            ),
            (
                Timing::Cron {
                    expression: "0 0 30 2 *".to_owned(),
                    zone: "UTC".to_owned(),
                },
                "schedule.never",
            ),
        ] {
            let refused = check(&timing, NOW).expect_err("refused");
            assert_eq!(refused.code(), code, "{timing:?}");
        }
        assert!(check_name("Big Name").is_err() && check_name("acme.poll-1").is_ok());
        assert!(check_spread(SPREAD_MAX + 1).is_err());
    }
}
