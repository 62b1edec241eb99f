//! Removing what has expired: an ordinary job, made by a schedule.

use async_trait::async_trait;
use serde_json::json;

use super::schedule::NewSchedule;
use super::upload;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::model::{Overlap, Timing};
use crate::port::jobs::{Claimed, Handler, Outcome};

/// The kind of the job, and the name of its schedule.
pub const KIND: &str = "store.tidy";

/// Once an hour.
#[must_use]
pub fn schedule(feed_days: u32) -> NewSchedule {
    NewSchedule {
        organization: None,
        name: KIND.to_owned(),
        timing: Timing::Every { seconds: 3_600 },
        overlap: Overlap::Skip,
        spread_ms: 0,
        job: KIND.to_owned(),
        payload: json!({ "feed_days": feed_days }),
    }
}

/// Does it.
pub struct TidyHandler;

#[async_trait]
impl Handler for TidyHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Removes records that have expired, uploads that nobody registered within a day, and entries of the feed older than feed_days"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let days = claimed
            .job()
            .payload
            .get("feed_days")
            .and_then(serde_json::Value::as_u64)
            .and_then(|days| i64::try_from(days).ok())
            .filter(|days| (1..=36_500).contains(days))
            .ok_or_else(|| {
                Error::invalid(
                    "job.payload",
                    "the job says no feed_days, a number from 1 to 36500",
                )
            })?;
        ctx.store().tidy(ctx.now().plus_days(-days)).await?;
        upload::sweep(ctx).await?;
        Ok(Outcome::done())
    }
}
