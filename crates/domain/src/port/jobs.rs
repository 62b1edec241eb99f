//! Durable work: taking jobs, keeping them, ending them. And what a handler of a kind of job is.
//!
//! There is no `enqueue` here: a service adds a job to its own change (`changes.create(&job,
//! None)`), so that the work exists if and only if the change does. Implemented once over the store
//! port; the loop that calls it is the server's worker.

use async_trait::async_trait;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::model::{Job, Lane};
use crate::page::{Page, PageRequest};
use crate::port::store::{ChangeSet, Entity, Stored};
use crate::time::Timestamp;

/// A job in a worker's hands.
#[derive(Debug)]
pub struct Claimed {
    job: Job,
    lane: Stored<Lane>,
    /// The record as it stands now; extending the lease changes its version, not the lane's.
    current: Mutex<Stored<Job>>,
}

impl Claimed {
    #[must_use]
    pub fn new(job: Stored<Job>, lane: Stored<Lane>) -> Self {
        Self {
            job: job.value.clone(),
            lane,
            current: Mutex::new(job),
        }
    }

    /// As it was taken.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    #[must_use]
    pub fn lane(&self) -> &Stored<Lane> {
        &self.lane
    }

    /// The record as last written by us.
    #[must_use]
    pub fn current(&self) -> Stored<Job> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes what was just written; for implementations of [`Jobs`].
    pub fn replace(&self, written: Stored<Job>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }

    /// Makes a commit of the handler fail with `Conflict` once someone else has taken the job over
    /// or ended it. Every commit of a handler must have it: a worker that slept through its lease
    /// does not know that it is late.
    pub fn fence(&self, changes: &mut ChangeSet) {
        let key = self.lane.value.key();
        if changes.writes.iter().all(|write| write.key != key) {
            changes.require(&self.lane);
        }
    }
}

/// How a handler ended.
#[derive(Debug)]
pub enum Outcome {
    /// Done; the changes commit together with the end of the job.
    Done(ChangeSet),
    /// To be continued from this payload, not before `at`; no failure.
    Later { at: Timestamp, payload: Value },
}

impl Outcome {
    #[must_use]
    pub fn done() -> Self {
        Self::Done(ChangeSet::new())
    }
}

/// What a kind of job spends its time on. Each class has room of its own in a worker, so that one that
/// waits for others never holds up another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Works on what is here: imports, upkeep, making what is to be sent.
    Own,
    /// Sends messages to webhook endpoints.
    Webhooks,
    /// Asks other apps: integrations, what follows from their webhooks, feeds.
    Apps,
    /// Hands letters to a mail server.
    Mail,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Own, Self::Webhooks, Self::Apps, Self::Mail];
}

/// Kinds of jobs, and how many of them together are wanted. None are wanted of a worker's kinds whose
/// room is taken: they are named, so that what is passed over is found again.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub kinds: &'a [&'a str],
    pub most: usize,
}

/// Does one kind of job.
///
/// It may be called again for the same job at any time after it was interrupted: what it commits
/// must tell it how far it came, and every commit must be [fenced](Claimed::fence).
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The kind of job, `import.run`.
    fn kind(&self) -> &'static str;

    /// What it does, in one sentence, for people who list functions.
    fn description(&self) -> &'static str {
        ""
    }

    /// What it waits for, if for anybody.
    fn class(&self) -> Class {
        Class::Own
    }

    /// # Errors
    /// `Invalid`, `NotFound`, `Forbidden` and `Unauthenticated` end the job as a dead letter, since
    /// trying again will not help; all others are tried again.
    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome>;

    /// What to commit together with giving the job up, so that whoever waits for it learns of it.
    ///
    /// # Errors
    /// The job is then given up without it.
    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        let _ = (ctx, job, error);
        Ok(ChangeSet::new())
    }
}

/// What became of a job that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It will be tried again then.
    Retry(Timestamp),
    Dead,
}

#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Takes the job of one of these kinds that has been due longest and whose lane is free.
    /// Conditional: of several workers one gets it.
    async fn claim(&self, worker: &str, kinds: &[&str]) -> Result<Option<Claimed>> {
        let wanted = Wanted { kinds, most: 1 };
        Ok(self.claim_many(worker, &[wanted]).await?.pop())
    }

    /// Takes as many as are wanted of each at once, at most; fewer than there are where others are
    /// faster. None where nothing can be taken.
    async fn claim_many(&self, worker: &str, wanted: &[Wanted<'_>]) -> Result<Vec<Claimed>>;

    /// When a job of these kinds is next due, of those that are not yet. Jobs that are due but wait
    /// for their lane are not counted: they can go on when the lane's holder ends, which is a
    /// commit, or when its lease does, which counts.
    async fn next_due(&self, kinds: &[&str]) -> Result<Option<Timestamp>>;

    /// Since when the job that has been due longest waits, or the one whose lease ran out first.
    async fn oldest_due(&self) -> Result<Option<Timestamp>>;

    /// Renews the lease. Must be called well before half of [`Jobs::lease_ms`] has passed.
    ///
    /// # Errors
    /// `Conflict` when the job is no longer ours: stop, nothing more can be committed.
    async fn extend(&self, claimed: &Claimed) -> Result<()>;

    /// How long a lease holds, in milliseconds.
    fn lease_ms(&self) -> i64;

    /// Ends the job and commits `changes` with it, all or nothing.
    ///
    /// # Errors
    /// `Conflict` when the job is no longer ours, or when `changes` lost a race.
    async fn complete(&self, claimed: &Claimed, changes: ChangeSet) -> Result<()>;

    /// Puts it back, to be continued from `payload`.
    ///
    /// # Errors
    /// `Conflict` when the job is no longer ours.
    async fn continue_later(&self, claimed: &Claimed, at: Timestamp, payload: Value) -> Result<()>;

    /// Counts a failure: waits longer each time, and gives up after the last try.
    ///
    /// # Errors
    /// `Conflict` when the job is no longer ours.
    async fn retry(&self, claimed: &Claimed, error: &str) -> Result<Fate>;

    /// Makes it a dead letter at once and commits `changes` with that.
    ///
    /// # Errors
    /// `Conflict` when the job is no longer ours, or when `changes` lost a race.
    async fn bury(&self, claimed: &Claimed, error: &str, changes: ChangeSet) -> Result<()>;

    /// Ends all leases. Only for a process that has just started and owns the store alone: whoever
    /// held them is gone. Answers how many there were.
    async fn free_all(&self) -> Result<usize>;

    /// Dead letters, those given up last first.
    async fn dead(&self, page: PageRequest) -> Result<Page<Stored<Job>>>;
}
