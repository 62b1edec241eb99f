//! How often signing in may fail before it must wait.
//!
//! A sliding window made of two counters: the failures of the current window, and those of the one
//! before weighted by how much of it still lies inside the last window's length. Attempts count
//! before the password is looked at, so that many at once gain nothing.

use crate::error::Error;
use crate::model::Attempts;
use crate::time::Timestamp;

/// Length of the window in milliseconds: 15 minutes.
pub const WINDOW_MS: i64 = 15 * 60_000;
/// Failures of one account within a window.
pub const PER_ACCOUNT: u32 = 10;
/// Failures from one source address within a window; offices share an address.
pub const PER_SOURCE: u32 = 100;

/// Thousandths of a failure, so that no fraction is lost.
fn weight(attempts: &Attempts, now: Timestamp) -> i64 {
    let into = (now.millis() - attempts.since.millis()).clamp(0, WINDOW_MS);
    let before = i64::from(attempts.previous) * (WINDOW_MS - into) * 1_000 / WINDOW_MS;
    i64::from(attempts.current) * 1_000 + before
}

/// The counters as of now: windows that have passed are moved on or dropped.
fn rolled(attempts: &Attempts, now: Timestamp) -> Attempts {
    let passed = now.millis() - attempts.since.millis();
    let mut next = attempts.clone();
    if !(0..2 * WINDOW_MS).contains(&passed) {
        next.since = now;
        (next.previous, next.current) = (0, 0);
    } else if passed >= WINDOW_MS {
        next.since = attempts.since.plus_millis(WINDOW_MS);
        (next.previous, next.current) = (attempts.current, 0);
    }
    next
}

/// Counts one more attempt.
///
/// # Errors
/// How long to wait, in milliseconds (at least one second), when `limit` is reached; then the
/// attempt is not counted, so that waiting helps.
pub fn count(
    attempts: Option<&Attempts>,
    of: &str,
    limit: u32,
    now: Timestamp,
) -> Result<Attempts, i64> {
    let fresh = Attempts {
        of: of.to_owned(),
        since: now,
        current: 0,
        previous: 0,
        told: None,
        expires: now,
    };
    let mut next = rolled(attempts.unwrap_or(&fresh), now);
    let allowed = i64::from(limit) * 1_000 - 1_000;
    if weight(&next, now) > allowed {
        return Err(wait(&next, allowed, now));
    }
    next.current += 1;
    next.expires = next.since.plus_millis(2 * WINDOW_MS);
    Ok(next)
}

/// Takes one attempt back: it succeeded.
#[must_use]
pub fn forgive(attempts: &Attempts) -> Attempts {
    Attempts {
        current: attempts.current.saturating_sub(1),
        ..attempts.clone()
    }
}

/// The counters with a note that the audit log was told of the limit; `None` where it was told in this
/// window already: a flood of attempts must not become one of entries.
#[must_use]
pub fn tell(attempts: &Attempts, now: Timestamp) -> Option<Attempts> {
    let rolled = rolled(attempts, now);
    (rolled.told != Some(rolled.since)).then(|| Attempts {
        told: Some(rolled.since),
        expires: rolled.since.plus_millis(2 * WINDOW_MS),
        ..rolled
    })
}

/// The first moment at which the weight is back under what is allowed, found by halving: between
/// now and two windows on, the weight only falls.
fn wait(attempts: &Attempts, allowed: i64, now: Timestamp) -> i64 {
    let (mut low, mut high) = (0, 2 * WINDOW_MS);
    while low + 1 < high {
        let middle = (low + high) / 2;
        let then = now.plus_millis(middle);
        if weight(&rolled(attempts, then), then) <= allowed {
            high = middle;
        } else {
            low = middle;
        }
    }
    high.max(1_000)
}

/// The answer to a caller who must wait.
#[must_use]
pub fn throttled(wait_ms: i64) -> Error {
    let seconds = wait_ms.saturating_add(999) / 1_000;
    Error::limit(
        "auth.throttled",
        format!("too many failed attempts; try again in {seconds} seconds"),
    )
    .after_seconds(u64::try_from(seconds).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn after(times: &[i64], limit: u32) -> Result<Attempts, i64> {
        let mut attempts = None;
        for &time in times {
            attempts = Some(count(attempts.as_ref(), "x", limit, at(time))?);
        }
        attempts.ok_or(0)
    }

    #[test]
    fn the_limit_holds_and_waiting_helps() {
        let burst: Vec<i64> = (0..10).collect();
        let full = after(&burst, 10).expect("ten are allowed");
        let wait = count(Some(&full), "x", 10, at(10)).expect_err("the eleventh is not");
        assert!((1_000..=2 * WINDOW_MS).contains(&wait), "{wait}");
        assert!(count(Some(&full), "x", 10, at(10 + wait)).is_ok());
        assert!(count(Some(&full), "x", 10, at(10 + wait - 1)).is_err());
    }

    #[test]
    fn the_window_slides_over_its_border() {
        // Ten just before a window's end still weigh at the start of the next one.
        let late: Vec<i64> = (0..10)
            .map(|n| if n == 0 { 0 } else { WINDOW_MS - 10 + n })
            .collect();
        let full = after(&late, 10).expect("ten are allowed");
        assert!(count(Some(&full), "x", 10, at(WINDOW_MS + 1)).is_err());
        assert!(count(Some(&full), "x", 10, at(2 * WINDOW_MS - 1)).is_ok());
        let gone = count(Some(&full), "x", 10, at(5 * WINDOW_MS)).expect("long ago");
        assert_eq!((gone.current, gone.previous), (1, 0));
    }

    #[test]
    fn a_limit_is_told_of_once_in_a_window_and_counts_for_nothing() {
        let burst: Vec<i64> = (0..10).collect();
        let full = after(&burst, 10).expect("ten are allowed");
        let told = tell(&full, at(20)).expect("nobody knows yet");
        assert_eq!((told.current, told.previous), (full.current, full.previous));
        assert_eq!(
            count(Some(&told), "x", 10, at(20)),
            count(Some(&full), "x", 10, at(20))
        );
        assert_eq!(tell(&told, at(WINDOW_MS - 1)), None);
        let next = tell(&told, at(WINDOW_MS)).expect("a new window");
        assert_eq!(
            (next.since, next.told),
            (at(WINDOW_MS), Some(at(WINDOW_MS)))
        );
        assert_eq!(tell(&next, at(WINDOW_MS + 1)), None);
        assert!(tell(&next, at(9 * WINDOW_MS)).is_some());
    }

    #[test]
    fn what_succeeded_is_forgiven() {
        let one = after(&[0], 10).expect("allowed");
        assert_eq!(forgive(&one).current, 0);
        assert_eq!(forgive(&forgive(&one)).current, 0);
    }

    #[test]
    fn the_answer_names_whole_seconds() {
        let error = throttled(1_001);
        assert!(error.message().contains("2 seconds"));
        assert_eq!(error.retry_after(), Some(2));
    }
}
