//! The one thread that writes. Jobs that wait at the same time share a transaction, hence one sync
//! to disk; each of them alone is kept or undone.
//!
//! It knows nothing of what a job writes.

use super::error::map;
use crate::kernel::Error;
use rusqlite::{Connection, ffi};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Jobs join a transaction until it has this many or is this old.
const GROUP_JOBS: usize = 64;
const GROUP_AGE: Duration = Duration::from_millis(10);

trait Job: Send {
    /// Runs inside a transaction; false when what it wrote must be undone.
    fn run(&mut self, conn: &Connection) -> bool;
    /// Hands its outcome to the waiting task.
    fn finish(self: Box<Self>, committed: Result<(), &rusqlite::Error>);
}

struct Task<F, A, T> {
    work: Option<F>,
    after: A,
    outcome: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, A, T> Job for Task<F, A, T>
where
    F: FnOnce(&Connection) -> Result<T, Error> + Send,
    A: FnOnce(&T) + Send,
    T: Send,
{
    fn run(&mut self, conn: &Connection) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(conn)))
            .unwrap_or_else(|_| Err(Error::Unavailable("a write failed unexpectedly".into())));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn finish(self: Box<Self>, committed: Result<(), &rusqlite::Error>) {
        let answer = match (self.outcome, committed) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(map(error)),
            (Some(Ok(value)), Ok(())) => {
                (self.after)(&value);
                Ok(value)
            }
            (None, Ok(())) => Err(Error::Unavailable("a write was left out".into())),
        };
        // Nobody waits any more when the task was cancelled; the write stands all the same.
        let _ = self.reply.send(answer);
    }
}

/// The writing end of a store file.
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(conn: Connection) -> Result<Self, Error> {
        let (jobs, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || work(&conn, &inbox))
            .map_err(|error| {
                Error::Unavailable(format!("can't start the writer thread: {error}"))
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work` in a transaction; answers when it is durable. `after` runs on the writer's
    /// thread in between, also when the caller no longer waits.
    pub(super) async fn write<T, F, A>(&self, work: F, after: A) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            after,
            outcome: None,
            reply,
        };
        let gone = || Error::Unavailable("the store is closing".into());
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(Box::new(task))
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// Waits until accepted jobs are done and the file is closed, so that it can be opened again.
    fn drop(&mut self) {
        drop(self.jobs.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A job may hold the last handle to the store; a thread can't wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

fn work(conn: &Connection, inbox: &Receiver<Box<dyn Job>>) {
    while let Ok(job) = inbox.recv() {
        run_group(conn, job, inbox);
    }
}

fn run_group(conn: &Connection, mut first: Box<dyn Job>, inbox: &Receiver<Box<dyn Job>>) {
    if let Err(error) = conn.execute_batch("BEGIN IMMEDIATE") {
        return first.finish(Err(&error));
    }
    let begun = Instant::now();
    if !first.run(conn) {
        roll_back(conn);
        return first.finish(Ok(()));
    }
    let mut kept = vec![first];
    // A refusal may rest on what the group has not committed yet. Told early, its caller would read
    // anew and not find what was in its way.
    let mut refused = Vec::new();
    while kept.len() < GROUP_JOBS && begun.elapsed() < GROUP_AGE {
        let Ok(mut job) = inbox.try_recv() else { break };
        if run_nested(conn, job.as_mut()) {
            kept.push(job);
        } else {
            refused.push(job);
        }
        // SQLite gives up the whole transaction on a full disk or an I/O error.
        if conn.is_autocommit() {
            let lost = rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK),
                Some("the transaction was undone by an error in another write; try again".into()),
            );
            kept.append(&mut refused);
            return kept.into_iter().for_each(|job| job.finish(Err(&lost)));
        }
    }
    let committed = conn.execute_batch("COMMIT");
    if committed.is_err() {
        roll_back(conn);
    }
    for job in kept.into_iter().chain(refused) {
        job.finish(committed.as_ref().copied());
    }
}

/// Runs a job that shares the transaction. The first one does without a savepoint, which costs.
fn run_nested(conn: &Connection, job: &mut dyn Job) -> bool {
    if let Err(error) = conn.execute_batch("SAVEPOINT job") {
        tracing::warn!(%error, "can't nest a write");
        return false;
    }
    let keep = job.run(conn);
    let end = if keep {
        "RELEASE job"
    } else {
        "ROLLBACK TO job; RELEASE job"
    };
    match conn.execute_batch(end) {
        Ok(()) => keep,
        Err(error) => {
            tracing::warn!(%error, "can't end a nested write");
            roll_back(conn);
            false
        }
    }
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit()
        && let Err(error) = conn.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "can't roll back");
    }
}
