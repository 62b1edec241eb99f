//! A slice of the work: everything that is due, done until nothing is left or the time is up.
//!
//! For places where no process stays: a function in a cloud is called, works, and is frozen. What a
//! slice leaves unfinished the next one takes up, here or elsewhere, since all of it is in the store.

use gna_domain::Ctx;
use gna_domain::error::Result;
use gna_domain::service::{inactivity, schedule, tidy};
use serde::Serialize;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::steps::{self, Step};
use crate::wiring::Instance;
use crate::worker::Worker;

/// How long handlers may go on once the time is up; then their jobs are put back.
const GRACE: Duration = Duration::from_secs(1);

/// A job that is due so soon is waited for: a first repetition, or the next part of a longer task.
const SOON: Duration = Duration::from_secs(2);

/// What a slice did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Turns that jobs had.
    pub turns: usize,
    /// Whether work was left because the time was up.
    pub cut: bool,
    /// Steps that failed and will be repeated by the next slice.
    pub failed: Vec<&'static str>,
}

/// Works in slices. One for a process; slices of several processes may overlap.
pub struct Slicer {
    steps: Vec<Step>,
    worker: Worker,
    ctx: Ctx,
    paused: bool,
    feed_days: u32,
    prepared: OnceCell<()>,
}

impl Slicer {
    #[must_use]
    pub fn new(instance: &Instance) -> Self {
        Self {
            steps: steps::of(instance),
            worker: instance.worker().with_grace(GRACE),
            ctx: Ctx::system(instance.ports.clone(), "schedule"),
            paused: instance.paused,
            feed_days: instance.config.worker.feed_days,
            prepared: OnceCell::new(),
        }
    }

    /// Works for at most `time`. Jobs that take longer are put back and go on where they stood.
    pub async fn work(&self, time: Duration) -> Done {
        let until = Instant::now() + time;
        let stop = CancellationToken::new();
        let alarm = {
            let (stop, wait) = (stop.clone(), time.saturating_sub(GRACE));
            if wait.is_zero() {
                stop.cancel();
            }
            tokio::spawn(async move {
                sleep(wait).await;
                stop.cancel();
            })
        };
        let mut done = Done::default();
        while self.round(until, &stop, &mut done).await {}
        done.cut = stop.is_cancelled();
        alarm.abort();
        done
    }

    /// Once through everything; answers whether there may be more to do.
    async fn round(&self, until: Instant, stop: &CancellationToken, done: &mut Done) -> bool {
        let mut feed = self.ctx.store().signals().feed;
        feed.borrow_and_update();
        done.failed.clear();
        for step in &self.steps {
            let ended = timeout_at(until, (step.again)()).await;
            self.note(done, step.name, ended);
        }
        if self.paused {
            return false;
        }
        let ended = timeout_at(until, self.schedules()).await;
        self.note(done, "schedules", ended);
        let turns = self.worker.drain(stop).await;
        done.turns += turns;
        if stop.is_cancelled() {
            return false;
        }
        // What jobs committed is to be told and indexed, too.
        turns > 0 || feed.has_changed().unwrap_or(false) || self.waited(stop).await
    }

    fn note(
        &self,
        done: &mut Done,
        name: &'static str,
        ended: Result<Result<()>, tokio::time::error::Elapsed>,
    ) {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(step = name, %error, "a step failed; the next slice repeats it");
                done.failed.push(name);
            }
            Err(_) => {
                tracing::warn!(step = name, "the time is up; the next slice goes on");
                done.failed.push(name);
            }
        }
    }

    /// Starts the scheduled runs that are due.
    async fn schedules(&self) -> Result<()> {
        let preparing = || async {
            schedule::ensure(&self.ctx, tidy::schedule(self.feed_days)).await?;
            schedule::ensure(&self.ctx, inactivity::schedule()).await
        };
        self.prepared.get_or_try_init(preparing).await?;
        schedule::tick(&self.ctx).await.map(|_| ())
    }

    /// Whether a job that is due soon was waited for.
    async fn waited(&self, stop: &CancellationToken) -> bool {
        let due = match self.worker.next_due().await {
            Ok(Some(due)) => due.millis().saturating_sub(self.ctx.now().millis()),
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%error, "looking for jobs failed");
                return false;
            }
        };
        let wait = Duration::from_millis(u64::try_from(due).unwrap_or(0));
        if wait > SOON {
            return false;
        }
        tokio::select! {
            () = stop.cancelled() => false,
            () = sleep(wait) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides, load};
    use crate::wiring::Builder;
    use gna_domain::model::Job;
    use gna_domain::port::repo;
    use gna_domain::service::function;
    use serde_json::json;

    async fn instance(folder: &std::path::Path) -> Instance {
        let flags = Overrides::default()
            .with("store.url", Some("memory:"))
            .with("blobs.url", Some("memory:"));
        let config = load(folder, None, &Environment::default(), flags).expect("valid");
        Builder::new(config).open().await.expect("opens")
    }

    #[tokio::test]
    async fn a_slice_does_what_is_due_and_ends_by_itself() {
        let folder = tempfile::tempdir().expect("folder");
        let instance = instance(folder.path()).await;
        let slicer = Slicer::new(&instance);
        let event = json!({ "feed_days": 7 });
        let functions = instance.functions();
        let made = function::invoke(&instance.operator(), &functions, "store.tidy", event)
            .await
            .expect("made");
        let done = slicer.work(Duration::from_secs(60)).await;
        assert_eq!((done.turns, done.cut), (1, false), "{done:?}");
        let store = instance.ports.store.as_ref();
        let job = repo::require::<Job>(store, made.id).await.expect("there");
        assert!(job.queue.is_none(), "it is done");
        let idle = slicer.work(Duration::from_secs(60)).await;
        assert_eq!(idle, Done::default());
    }

    #[tokio::test]
    async fn a_slice_without_time_leaves_the_work_to_the_next() {
        let folder = tempfile::tempdir().expect("folder");
        let instance = instance(folder.path()).await;
        let slicer = Slicer::new(&instance);
        let functions = instance.functions();
        let event = json!({ "feed_days": 7 });
        function::invoke(&instance.operator(), &functions, "store.tidy", event)
            .await
            .expect("made");
        let none = slicer.work(Duration::ZERO).await;
        assert!(none.cut && none.turns == 0, "{none:?}");
        assert_eq!(slicer.work(Duration::from_secs(60)).await.turns, 1);
    }
}
