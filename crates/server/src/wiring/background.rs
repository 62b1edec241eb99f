//! What runs in the background of a process, by its roles: started, kept going and stopped.

use gna_domain::Ctx;
use gna_domain::error::Result;
use gna_domain::model::FeedKind;
use gna_domain::service::{feeds, inactivity, notice, schedule, tidy};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Instance;
use crate::outside::watch_clock;
use crate::steps::{self, Step};
use crate::worker::{follow, keep, keep_schedules};

/// The parts that run in the background.
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Instance {
    /// Starts the worker, the search indexer and the schedules.
    ///
    /// # Errors
    /// The store's.
    pub async fn start(&self) -> Result<Running> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        if self.config.has_role("worker") {
            self.start_worker(&stop, &mut tasks).await?;
        } else if self.has_own_search() {
            self.follow(steps::index(self), &stop, &mut tasks);
        }
        if self.config.has_role("scheduler") && !self.paused {
            let scheduling = Ctx::system(self.ports.clone(), "schedule");
            schedule::ensure(&scheduling, tidy::schedule(self.config.worker.feed_days)).await?;
            schedule::ensure(&scheduling, inactivity::schedule()).await?;
            self.ensure_feeds(&scheduling).await?;
            if self.sends_mail() {
                schedule::ensure(&scheduling, notice::gather::schedule()).await?;
                schedule::ensure(&scheduling, notice::summary::schedule()).await?;
            }
            let ended = stop.clone();
            let task = move || keep_schedules(scheduling.clone(), ended.clone());
            self.keep("schedules", task, &stop, &mut tasks);
        }
        if !tasks.is_empty() {
            let ended = stop.clone();
            self.keep("upkeep", move || upkeep(ended.clone()), &stop, &mut tasks);
        }
        if self.is_shared() {
            let (kernel, clock) = (Arc::clone(&self.kernel), Arc::clone(&self.ports.clock));
            let ended = stop.clone();
            let task = move || watch_clock(Arc::clone(&kernel), Arc::clone(&clock), ended.clone());
            self.keep("clock", task, &stop, &mut tasks);
        }
        Ok(Running { stop, tasks })
    }

    async fn start_worker(&self, stop: &CancellationToken, tasks: &mut JoinSet<()>) -> Result<()> {
        // A store that belongs to one process: leases found now are of a dead one. Where others
        // share it, theirs may well be alive; those of the dead run out by themselves.
        if !self.is_shared() && !self.paused {
            let freed = self.jobs.free_all().await?;
            if freed > 0 {
                tracing::info!(jobs = freed, "taking up jobs that were interrupted");
            }
        }
        if self.paused {
            tracing::warn!(
                "this store is a copy: its jobs wait for `gna store activate` and a restart"
            );
        } else {
            let (worker, ended) = (self.worker(), stop.clone());
            let task = move || worker.clone().run(ended.clone());
            self.keep("worker", task, stop, tasks);
        }
        if self.sends_mail() {
            // Before the first request is answered: what follows from that is told.
            notice::follow::begin(&Ctx::system(self.ports.clone(), "notices")).await?;
        }
        for step in steps::of(self) {
            self.follow(step, stop, tasks);
        }
        Ok(())
    }

    /// Has a task go on until `stop`, which it must heed.
    fn keep<F, Fut>(
        &self,
        name: &'static str,
        task: F,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        tasks.spawn(keep(name, Arc::clone(&self.kept), stop.clone(), task));
    }

    fn follow(&self, step: Step, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        let (commits, ended) = (self.ports.store.signals().feed, stop.clone());
        let (name, gather, again) = (step.name, step.gather, Arc::new(step.again));
        let task = move || {
            let again = Arc::clone(&again);
            follow(name, gather, commits.clone(), ended.clone(), move || {
                again()
            })
        };
        self.keep(name, task, stop, tasks);
    }

    /// Has the feeds fetched once a day, or no more.
    async fn ensure_feeds(&self, ctx: &Ctx) -> Result<()> {
        for kind in FeedKind::ALL {
            match self.config.feeds.daily {
                true => schedule::ensure(ctx, feeds::schedule(kind)).await?,
                false => schedule::withdraw(ctx, &feeds::schedule_name(kind)).await?,
            }
        }
        Ok(())
    }
}

impl Running {
    /// Ends when asked to; jobs that take longer are put back.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// How often what was measured is put into its buckets, so that memory stays small where nobody
/// reads the numbers.
const UPKEEP: Duration = Duration::from_secs(5);

async fn upkeep(stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UPKEEP) => gna_api::rest::upkeep_metrics(),
        }
    }
}
