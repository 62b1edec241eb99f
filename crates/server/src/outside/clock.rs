//! The time of this machine: the one place that asks for it; and whether it is the store's.

use gna_domain::error::{Error, Result};
use gna_domain::port::Clock;
use gna_domain::time::Timestamp;
use gna_storage::kernel::Backend;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

use crate::wiring::unopened;

/// Furthest that this machine's clock may be from that of the store's server: half of what the lease of a
/// job lasts. Below that, leases keep two workers from one job; beyond, only fences do.
const APART_MS: i64 = 30_000;

/// How often a process looks whether they still agree.
const AGAIN: Duration = Duration::from_secs(60);

/// Code of the error that the clocks are apart.
const WRONG_CLOCK: &str = "store.clock";

/// A clock before 1970 counts as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the Clock port")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// Refuses to work where this machine's clock and the store's are apart: other processes would find leases,
/// schedules, sessions and tokens over too early or too late.
///
/// # Errors
/// `store.clock` with what to do; the store's.
pub async fn agree(store: &dyn Backend, clock: &dyn Clock) -> Result<()> {
    let before = clock.now();
    let Some(theirs) = store.time().await.map_err(unopened)? else {
        return Ok(());
    };
    match apart(before, theirs, clock.now()) {
        millis if millis.abs() <= APART_MS => Ok(()),
        millis => Err(Error::unavailable(
            WRONG_CLOCK,
            format!(
                "this machine's clock is {} s {} that of the store's server; leases, schedules and tokens would go wrong: set both clocks (NTP does), then try again",
                millis.abs() / 1_000,
                if millis > 0 { "ahead of" } else { "behind" },
            ),
        )),
    }
}

/// Says so in the log, once a minute, as long as the clocks are apart.
pub async fn watch_clock(kernel: Arc<dyn Backend>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
        match agree(kernel.as_ref(), clock.as_ref()).await {
            Err(error) if error.code() == WRONG_CLOCK => tracing::error!("{error}"),
            // A store that does not answer is told elsewhere.
            Err(_) | Ok(()) => {}
        }
    }
}

/// By how many milliseconds this clock is ahead of theirs at least, who told their time somewhere between
/// `before` and `after`; negative where it is behind.
fn apart(before: Timestamp, theirs: Timestamp, after: Timestamp) -> i64 {
    let (early, late) = (
        before.millis().saturating_sub(theirs.millis()),
        after.millis().saturating_sub(theirs.millis()),
    );
    if early > 0 {
        early
    } else if late < 0 {
        late
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_no_wrong_clock() {
        let apart = |before, theirs, after| {
            let [before, theirs, after] = [before, theirs, after].map(Timestamp::from_millis);
            super::apart(before, theirs, after)
        };
        assert_eq!(apart(1_000, 1_500, 90_000), 0);
        assert_eq!(apart(1_000, 90_000, 90_000), 0);
        assert_eq!(apart(100_000, 40_000, 170_000), 60_000);
        assert_eq!(apart(1_000, 90_000, 2_000), -88_000);
    }

    #[test]
    fn it_is_later_than_this_test_was_written() {
        let written = Timestamp::parse("2025-01-01").expect("a date");
        assert!(SystemClock.now() > written);
    }
}
