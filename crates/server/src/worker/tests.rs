//! The worker with handlers that do as they are told, on a store in memory.

mod follow;
mod keep;
mod slow;

use super::*;
use crate::config::{Environment, Overrides, load};
use crate::wiring::{Builder, Instance};
use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::id::JobId;
use gna_domain::model::{AuditEntry, Job, Queue};
use gna_domain::port::jobs::{Claimed, Handler, Outcome};
use gna_domain::port::store::{ChangeSet, Stored};
use gna_domain::port::{fresh, repo};
use gna_domain::{Actor, Ctx};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug)]
enum Act {
    Done,
    Panic,
    Fail,
    Refuse,
    Later,
    Hang,
    Slow,
}

/// Plays its acts one after the other.
#[derive(Default)]
struct Player {
    acts: Mutex<VecDeque<Act>>,
    seen: Mutex<Vec<Value>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl Handler for Player {
    fn kind(&self) -> &'static str {
        "test.run"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let act = self
            .acts
            .lock()
            .expect("whole")
            .pop_front()
            .unwrap_or(Act::Done);
        self.seen
            .lock()
            .expect("whole")
            .push(claimed.job().payload.clone());
        match act {
            Act::Done => Ok(Outcome::done()),
            Act::Panic => panic!("as it was told"),
            Act::Fail => Err(Error::unavailable("test.failed", "try again")),
            Act::Refuse => Err(Error::invalid("test.refused", "no use")),
            Act::Later => Ok(Outcome::Later {
                at: ctx.now().plus_millis(50),
                payload: json!("second half"),
            }),
            Act::Hang => std::future::pending().await,
            Act::Slow => {
                let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_at_once.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(30)).await;
                self.at_once.fetch_sub(1, Ordering::SeqCst);
                Ok(Outcome::done())
            }
        }
    }

    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        let entry = AuditEntry::by(
            &Actor::System("test"),
            fresh(ctx.ports.ids.as_ref()),
            ctx.now(),
            None,
            error.code(),
            [job.id.to_string()],
        );
        let mut changes = ChangeSet::new();
        changes.create(&entry, None)?;
        Ok(changes)
    }
}

struct Stage {
    instance: Instance,
    player: Arc<Player>,
    stop: CancellationToken,
    working: JoinHandle<()>,
}

impl Stage {
    async fn set(acts: &[Act]) -> Self {
        let flags = Overrides::default()
            .with("store.url", Some("memory:"))
            .with("blobs.url", Some("memory:"));
        let nowhere = std::path::Path::new("/nowhere");
        let config = load(nowhere, None, &Environment::default(), flags).expect("valid");
        let instance = Builder::new(config).open().await.expect("opens");
        let player = Arc::new(Player {
            acts: Mutex::new(acts.iter().copied().collect()),
            ..Player::default()
        });
        let stop = CancellationToken::new();
        let worker = Worker::new(
            instance.ports.clone(),
            Arc::clone(&instance.jobs),
            Slots::each(2),
        )
        .with_grace(Duration::from_millis(20))
        .with(player.clone());
        let working = tokio::spawn(worker.run(stop.clone()));
        Self {
            instance,
            player,
            stop,
            working,
        }
    }

    async fn add(&self, after_millis: i64) -> JobId {
        let ports = &self.instance.ports;
        let now = ports.clock.now();
        let job = Job::new(
            fresh(ports.ids.as_ref()),
            "test.run",
            json!("first half"),
            now,
        )
        .due_at(now.plus_millis(after_millis));
        let mut changes = ChangeSet::new();
        changes.create(&job, None).expect("json");
        ports.store.commit(changes).await.expect("added");
        job.id
    }

    /// The job as soon as it is as wished.
    async fn when(&self, id: JobId, wished: impl Fn(&Job) -> bool) -> Stored<Job> {
        let store = &self.instance.ports.store;
        let mut written = store.signals().jobs;
        let waiting = async {
            loop {
                written.mark_unchanged();
                let job = repo::require::<Job>(store.as_ref(), id)
                    .await
                    .expect("there");
                if wished(&job) {
                    return job;
                }
                written.changed().await.expect("open");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("in time")
    }

    async fn end(self) {
        self.stop.cancel();
        self.working.await.expect("ends");
    }
}

fn is_done(job: &Job) -> bool {
    job.queue.is_none()
}

#[tokio::test]
async fn a_panic_and_a_failure_are_tried_again_until_it_is_done() {
    let stage = Stage::set(&[Act::Panic, Act::Fail, Act::Done]).await;
    let id = stage.add(0).await;
    let job = stage.when(id, is_done).await;
    assert_eq!(job.attempts, 2);
    assert!(
        job.last_error
            .as_deref()
            .is_some_and(|error| error.starts_with("test.failed"))
    );
    stage.end().await;
}

#[tokio::test]
async fn what_no_repetition_can_mend_is_given_up_at_once_and_told() {
    let stage = Stage::set(&[Act::Refuse]).await;
    let id = stage.add(0).await;
    let job = stage.when(id, |job| job.queue == Some(Queue::Dead)).await;
    assert_eq!(
        (job.attempts, job.last_error.as_deref()),
        (0, Some("test.refused: no use"))
    );
    let told =
        repo::all_children::<AuditEntry>(stage.instance.ports.store.as_ref(), "instance").await;
    let told: Vec<String> = told
        .expect("reads")
        .into_iter()
        .map(|entry| entry.value.action)
        .collect();
    assert_eq!(told, ["test.refused"]);
    stage.end().await;
}

#[tokio::test]
async fn work_in_slices_goes_on_where_it_said() {
    let stage = Stage::set(&[Act::Later, Act::Done]).await;
    let id = stage.add(0).await;
    stage.when(id, is_done).await;
    let seen = stage.player.seen.lock().expect("whole").clone();
    assert_eq!(seen, [json!("first half"), json!("second half")]);
    stage.end().await;
}

#[tokio::test]
async fn a_job_for_later_starts_by_itself_when_it_is_due() {
    let stage = Stage::set(&[]).await;
    let begun = Instant::now();
    let id = stage.add(300).await;
    stage.when(id, is_done).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(290),
        "{:?}",
        begun.elapsed()
    );
    stage.end().await;
}

#[tokio::test]
async fn no_more_run_at_once_than_there_are_slots() {
    let stage = Stage::set(&[Act::Slow; 8]).await;
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(stage.add(0).await);
    }
    for id in all {
        stage.when(id, is_done).await;
    }
    assert_eq!(stage.player.most_at_once.load(Ordering::SeqCst), 2);
    stage.end().await;
}

#[tokio::test]
async fn a_worker_that_stops_puts_back_what_does_not_end() {
    let stage = Stage::set(&[Act::Hang]).await;
    let id = stage.add(0).await;
    stage.when(id, |job| job.lease.is_some()).await;
    stage.stop.cancel();
    let job = stage.when(id, |job| job.lease.is_none()).await;
    assert!(
        job.is_claimable(stage.instance.ports.clock.now()),
        "{job:?}"
    );
    assert_eq!(
        (job.attempts, job.payload.clone()),
        (0, json!("first half"))
    );
    stage.end().await;
}
