//! Keeps schedules: sleeps until the next run is due or a schedule is written, then starts what is.

use gna_domain::Ctx;
use gna_domain::service::schedule;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Longest sleep towards a due time: clocks get set.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Shortest sleep towards one that is due already: the store's list may lag, or another server may
/// have been faster.
const SHORTEST: Duration = Duration::from_millis(50);

/// When to look once more after a schedule was written: lists may lag behind commits.
const AGAIN: Duration = Duration::from_secs(2);

/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Starts runs until `stop`.
pub async fn keep_schedules(ctx: Ctx, stop: CancellationToken) {
    let mut written = ctx.store().signals().schedules;
    // Once at the start, as if one had just been written.
    let mut is_fresh = true;
    loop {
        written.borrow_and_update();
        let wait = match schedule::tick(&ctx).await {
            Ok(Some(due)) => {
                let millis = due.millis().saturating_sub(ctx.now().millis());
                let until = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
                until.clamp(SHORTEST, LONGEST)
            }
            Ok(None) => LONGEST,
            Err(error) => {
                tracing::warn!(%error, "starting scheduled runs failed; trying again");
                AFTER_FAILURE
            }
        };
        let wait = if is_fresh { wait.min(AGAIN) } else { wait };
        is_fresh = false;
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(wait) => {}
            changed = written.changed() => {
                if changed.is_err() {
                    return;
                }
                is_fresh = true;
            }
        }
    }
}
