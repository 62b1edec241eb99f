//! Work that follows the feed of changes.

use gna_domain::error::Result;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// First and longest wait after a failed step, in seconds.
const WAITS: (u64, u64) = (1, 60);

/// Calls `step` now and after each commit, one call for all commits that came during the one
/// before and within `gather` of the first; a step that fails is repeated, later each time. Ends with
/// `stop`.
pub async fn follow<F, Fut>(
    name: &'static str,
    gather: Duration,
    mut commits: watch::Receiver<u64>,
    stop: CancellationToken,
    step: F,
) where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let mut wait = WAITS.0;
    loop {
        if !gather.is_zero() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(gather) => {}
            }
        }
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
