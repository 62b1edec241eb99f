//! Which job is run when: as many at a time as there are slots, as soon as they are due.

use gna_domain::Ports;
use gna_domain::port::jobs::{Claimed, Handler, Jobs};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::run::Run;

/// When to look again after a signal that brought nothing. A store's lists may lag behind its
/// commits; after these the job is either listed or someone else's.
const LOOK_AGAIN: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Longest sleep towards a due time: clocks get set.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// How long handlers may go on after the worker was told to stop.
const GRACE: Duration = Duration::from_secs(10);

fn describe() {
    metrics::describe_counter!(
        "gna_jobs_total",
        "Jobs handled, by kind and outcome: done, continued (to go on later), retried, dead, lost"
    );
    metrics::describe_gauge!("gna_jobs_running", "Jobs in hands, by kind");
    metrics::describe_histogram!("gna_job_seconds", "Time of one turn of a job, by kind");
}

pub struct Worker {
    ports: Ports,
    jobs: Arc<dyn Jobs>,
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
    slots: usize,
    name: String,
    grace: Duration,
}

impl Worker {
    /// A worker with a name of its own: two processes must never share one.
    #[must_use]
    pub fn new(ports: Ports, jobs: Arc<dyn Jobs>, slots: usize) -> Self {
        let name = format!("{}-{}", std::process::id(), ports.ids.uuid().simple());
        Self {
            ports,
            jobs,
            handlers: BTreeMap::new(),
            slots: slots.max(1),
            name,
            grace: GRACE,
        }
    }

    /// Lets handlers go on for another time than ten seconds when it is told to stop.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    #[must_use]
    pub fn with(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handlers.insert(handler.kind(), handler);
        self
    }

    /// Works until `stop`; then lets what runs come to an end for a while and puts the rest back.
    pub async fn run(self, stop: CancellationToken) {
        describe();
        let kinds: Vec<&str> = self.handlers.keys().copied().collect();
        let slots = Arc::new(Semaphore::new(self.slots));
        let mut written = self.ports.store.signals().jobs;
        let mut running = JoinSet::new();
        // How many looks came to nothing since the last signal, and failures in a row.
        let (mut looks, mut failures) = (0, 0_u32);
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                permit = Arc::clone(&slots).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            while running.try_join_next().is_some() {}
            // Seen before looking: what is written from here on wakes the wait below.
            if written.has_changed().unwrap_or(false) {
                looks = 0;
            }
            written.borrow_and_update();
            // As many as there are slots for: a look and a commit cost the same for one and for several.
            let mut permits = vec![permit];
            permits.extend(std::iter::from_fn(|| {
                Arc::clone(&slots).try_acquire_owned().ok()
            }));
            match self
                .jobs
                .claim_many(&self.name, &kinds, permits.len())
                .await
            {
                Ok(claimed) if !claimed.is_empty() => {
                    failures = 0;
                    for (claimed, permit) in claimed.into_iter().zip(permits) {
                        let Some(run) = self.take(claimed, &stop) else {
                            continue;
                        };
                        running.spawn(async move {
                            run.finish().await;
                            drop(permit);
                        });
                    }
                    continue;
                }
                Ok(_) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, "looking for jobs failed");
                }
            }
            drop(permits);
            let wait = self.until_next(&kinds, looks, failures).await;
            let asleep = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                changed = written.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    written.mark_changed();
                }
                () = asleep => looks += 1,
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Does what is due and what becomes due by it, until nothing is or `stop`; answers how many
    /// turns jobs had. For those who call again: it waits for nothing.
    pub async fn drain(&self, stop: &CancellationToken) -> usize {
        let kinds: Vec<&str> = self.handlers.keys().copied().collect();
        let mut running = JoinSet::new();
        let mut turns = 0;
        loop {
            while running.len() < self.slots && !stop.is_cancelled() {
                match self.jobs.claim(&self.name, &kinds).await {
                    Ok(Some(claimed)) => {
                        if let Some(run) = self.take(claimed, stop) {
                            turns += 1;
                            running.spawn(run.finish());
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "looking for jobs failed");
                        break;
                    }
                }
            }
            if running.join_next().await.is_none() {
                return turns;
            }
        }
    }

    /// When a job is next due, of those that are not yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_due(&self) -> gna_domain::Result<Option<gna_domain::time::Timestamp>> {
        let kinds: Vec<&str> = self.handlers.keys().copied().collect();
        self.jobs.next_due(&kinds).await
    }

    fn take(&self, claimed: Claimed, stop: &CancellationToken) -> Option<Run> {
        let handler = self.handlers.get(claimed.job().kind.as_str())?;
        Some(Run {
            ports: self.ports.clone(),
            jobs: Arc::clone(&self.jobs),
            handler: Arc::clone(handler),
            claimed: Arc::new(claimed),
            stop: stop.clone(),
            grace: self.grace,
        })
    }

    /// How long to sleep when nothing is written meanwhile; `None` for good.
    async fn until_next(&self, kinds: &[&str], looks: usize, failures: u32) -> Option<Duration> {
        if failures > 0 {
            return Some(Duration::from_secs(1 << failures.min(5)));
        }
        let due = match self.jobs.next_due(kinds).await {
            Ok(due) => due.map(|due| {
                let millis = due.millis().saturating_sub(self.ports.clock.now().millis());
                Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(LONGEST_SLEEP)
            }),
            Err(error) => {
                tracing::warn!(%error, "looking for jobs failed");
                Some(Duration::from_secs(5))
            }
        };
        let again = LOOK_AGAIN.get(looks).copied();
        [due, again].into_iter().flatten().min()
    }
}
