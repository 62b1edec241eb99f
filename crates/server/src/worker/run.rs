//! One job from its lease to its end: the handler beside a heartbeat that renews the lease.

use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::jobs::{Claimed, Fate, Handler, Jobs, Outcome};
use gna_domain::port::store::ChangeSet;
use gna_domain::rules::redact::redacted_text;
use gna_domain::{Ctx, Ports};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub(super) struct Run {
    pub ports: Ports,
    pub jobs: Arc<dyn Jobs>,
    pub handler: Arc<dyn Handler>,
    pub claimed: Arc<Claimed>,
    pub stop: CancellationToken,
    /// How long the handler may go on after the worker was told to stop.
    pub grace: Duration,
}

/// How the handler's task ended.
enum Ended {
    With(Result<Outcome>),
    /// Someone else has the job now.
    Lost,
    /// The worker stops; the job is to go on elsewhere.
    Stopped,
    /// A person wants it to end.
    Cancelled,
}

impl Run {
    pub async fn finish(self) {
        let job = self.claimed.job();
        let span = tracing::info_span!(
            "worker.job.run",
            job.id = %job.id,
            job.kind = %job.kind,
            job.attempt = i64::from(job.attempts) + 1,
            job.outcome = tracing::field::Empty,
        );
        let started = Instant::now();
        let running = metrics::gauge!("gna_jobs_running", "kind" => self.handler.kind());
        running.increment(1.0);
        async {
            let ended = if job.cancelled_by.is_some() {
                Ended::Cancelled
            } else if job.is_worn_out() {
                Ended::With(Err(Error::invalid(
                    "job.worn_out",
                    "too many workers died over this job; see the server's log for the reason",
                )))
            } else {
                self.handle().await
            };
            if let Err(error) = self.settle(ended).await {
                // The lease runs out by itself and the job is found again.
                tracing::warn!(%error, "the end of a job could not be written");
            }
            metrics::histogram!("gna_job_seconds", "kind" => self.handler.kind())
                .record(started.elapsed().as_secs_f64());
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(duration_ms, "job handled");
        }
        .instrument(span)
        .await;
        running.decrement(1.0);
    }

    /// Counts how it ended, once that is written down.
    fn count(&self, outcome: &'static str) {
        tracing::Span::current().record("job.outcome", outcome);
        metrics::counter!("gna_jobs_total", "kind" => self.handler.kind(), "outcome" => outcome)
            .increment(1);
    }

    fn ctx(&self) -> Ctx {
        Ctx::system(self.ports.clone(), self.handler.kind())
    }

    async fn handle(&self) -> Ended {
        let (ctx, handler, claimed) = (
            self.ctx(),
            Arc::clone(&self.handler),
            Arc::clone(&self.claimed),
        );
        // A task of its own: its panics end here, and its long stretches do not hold up renewal.
        let mut work =
            tokio::spawn(async move { handler.run(&ctx, &claimed).await }.in_current_span());
        let heartbeat = tokio::spawn(renew(Arc::clone(&self.jobs), Arc::clone(&self.claimed)));
        let stopped = async {
            self.stop.cancelled().await;
            sleep(self.grace).await;
        };
        let lost = heartbeat.abort_handle();
        let ended = tokio::select! {
            result = &mut work => Ended::With(result.unwrap_or_else(|_| Err(Error::internal(
                "job.panicked",
                "the handler failed unexpectedly; the server's log tells where",
            )))),
            _ = heartbeat => Ended::Lost,
            () = stopped => Ended::Stopped,
        };
        work.abort();
        lost.abort();
        ended
    }

    /// Writes down how it ended.
    async fn settle(&self, ended: Ended) -> Result<()> {
        let (jobs, claimed) = (&self.jobs, self.claimed.as_ref());
        match ended {
            Ended::Lost => {
                tracing::warn!("the lease was lost; another worker has the job");
                self.count("lost");
                Ok(())
            }
            Ended::Stopped => {
                let payload = claimed.job().payload.clone();
                jobs.continue_later(claimed, self.ports.clock.now(), payload)
                    .await
                    .inspect(|()| self.count("continued"))
            }
            Ended::Cancelled => {
                let reason = Error::conflict("job.cancelled", "the job was cancelled");
                let changes = self.last_words(&reason).await;
                match jobs.complete(claimed, changes).await {
                    // Without the changes it must still end.
                    Err(error) if error.kind() == Kind::Conflict => {
                        jobs.complete(claimed, ChangeSet::new()).await
                    }
                    done => done.inspect(|()| self.count("cancelled")),
                }
            }
            Ended::With(Ok(Outcome::Later { at, payload })) => jobs
                .continue_later(claimed, at, payload)
                .await
                .inspect(|()| self.count("continued")),
            Ended::With(Ok(Outcome::Done(changes))) => {
                match jobs.complete(claimed, changes).await {
                    Err(error) if error.kind() == Kind::Conflict => self.failed(&error).await,
                    done => done.inspect(|()| self.count("done")),
                }
            }
            Ended::With(Err(error)) => self.failed(&error).await,
        }
    }

    /// What tells whoever waits for the job that nothing comes any more.
    async fn last_words(&self, reason: &Error) -> ChangeSet {
        let (ctx, job) = (self.ctx(), self.claimed.job());
        let given_up = self.handler.give_up(&ctx, job, reason).await;
        given_up.unwrap_or_else(|error| {
            tracing::error!(%error, "whoever waits for the job could not be told");
            ChangeSet::new()
        })
    }

    async fn failed(&self, error: &Error) -> Result<()> {
        let claimed = self.claimed.as_ref();
        let told = redacted_text(&format!("{}: {}", error.code(), error.message()));
        if !is_hopeless(error) && !claimed.current().is_last_attempt() {
            match self.jobs.retry(claimed, &told).await? {
                Fate::Retry(at) => {
                    self.count("retried");
                    tracing::warn!(error = %told, %at, "a job failed and will be tried again");
                }
                Fate::Dead => self.count("dead"),
            }
            return Ok(());
        }
        tracing::error!(error = %told, "a job is given up");
        let changes = self.last_words(error).await;
        let buried = match self.jobs.bury(claimed, &told, changes).await {
            // Without the changes it must still end.
            Err(error) if error.kind() == Kind::Conflict => {
                self.jobs.bury(claimed, &told, ChangeSet::new()).await
            }
            buried => buried,
        };
        buried.inspect(|()| self.count("dead"))
    }
}

/// Trying again with the same input gives the same answer.
fn is_hopeless(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Invalid | Kind::NotFound | Kind::Forbidden | Kind::Unauthenticated
    )
}

/// Renews the lease until it is lost.
async fn renew(jobs: Arc<dyn Jobs>, claimed: Arc<Claimed>) {
    let lease = Duration::from_millis(u64::try_from(jobs.lease_ms()).unwrap_or(1_000));
    let mut renewed = Instant::now();
    loop {
        sleep(lease / 3).await;
        match jobs.extend(&claimed).await {
            Ok(()) => renewed = Instant::now(),
            Err(error) if error.kind() == Kind::Conflict => return,
            Err(error) if renewed.elapsed() >= lease => {
                tracing::warn!(%error, "the lease ended before it could be renewed");
                return;
            }
            Err(error) => tracing::warn!(%error, "renewing a lease failed; trying again"),
        }
    }
}
