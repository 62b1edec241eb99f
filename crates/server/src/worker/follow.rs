//! Work that follows the feed of changes, and the hourly tidying.

use gna_domain::Ctx;
use gna_domain::error::Result;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// First and longest wait after a failed step, in seconds.
const WAITS: (u64, u64) = (1, 60);

/// Calls `step` now and after each commit, one call for all commits that came during the one
/// before; a step that fails is repeated, later each time. Ends with `stop`.
pub async fn follow<F, Fut>(
    name: &'static str,
    mut commits: watch::Receiver<u64>,
    stop: CancellationToken,
    step: F,
) where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let mut wait = WAITS.0;
    loop {
        commits.borrow_and_update();
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = step() => done,
        };
        match done {
            Ok(()) => {
                wait = WAITS.0;
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = commits.changed() => if changed.is_err() { return },
                }
            }
            Err(error) => {
                tracing::warn!(follower = name, %error, "following the feed failed; trying again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(Duration::from_secs(wait)) => {}
                }
                wait = (wait * 2).min(WAITS.1);
            }
        }
    }
}

/// Removes what has expired, and feed entries older than `feed_days`, once an hour.
pub async fn tidy_hourly(ctx: Ctx, feed_days: u32, stop: CancellationToken) {
    loop {
        // First after an hour: a start should not begin with the work of a day.
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(Duration::from_secs(3_600)) => {}
        }
        let before = ctx.now().plus_days(-i64::from(feed_days));
        if let Err(error) = ctx.store().tidy(before).await {
            tracing::warn!(%error, "tidying the store failed; trying again in an hour");
        }
    }
}
