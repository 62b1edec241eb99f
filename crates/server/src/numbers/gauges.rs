//! Numbers that are looked up when someone asks for them.

use async_trait::async_trait;
use gna_api::numbers::Gauges;
use gna_domain::error::Result;
use gna_domain::page::PageRequest;
use gna_domain::port::Clock;
use gna_domain::port::jobs::Jobs;
use std::sync::Arc;

/// Up to how many dead letters are counted.
const DEAD_BOUND: usize = 1_000;

/// How much work waits.
pub struct Backlog {
    jobs: Arc<dyn Jobs>,
    clock: Arc<dyn Clock>,
}

impl Backlog {
    #[must_use]
    pub fn new(jobs: Arc<dyn Jobs>, clock: Arc<dyn Clock>) -> Self {
        metrics::describe_gauge!(
            "gna_jobs_oldest_due_seconds",
            "How long the job that has been due longest waits; 0 when none is due"
        );
        metrics::describe_gauge!(
            "gna_jobs_dead",
            "Jobs that were given up and are still on record, counted up to 1,000"
        );
        Self { jobs, clock }
    }
}

#[async_trait]
impl Gauges for Backlog {
    async fn look(&self) -> Result<()> {
        let due = self.jobs.oldest_due().await?;
        let waits = due.map_or(0, |due| self.clock.now().millis() - due.millis());
        metrics::gauge!("gna_jobs_oldest_due_seconds").set(seconds(waits));
        let dead = self.jobs.dead(PageRequest::first(DEAD_BOUND)).await?;
        let dead = u32::try_from(dead.items.len()).unwrap_or(u32::MAX);
        metrics::gauge!("gna_jobs_dead").set(f64::from(dead));
        Ok(())
    }
}

/// Milliseconds as seconds; nothing below zero, which a clock that was set could bring.
pub(super) fn seconds(millis: i64) -> f64 {
    let millis = u64::try_from(millis).unwrap_or(0);
    std::time::Duration::from_millis(millis).as_secs_f64()
}
