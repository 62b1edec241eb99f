//! Tasks that go on for as long as the server does. One that ends or panics is told of and begun again,
//! later each time; until it has gone on for a while, health says so.

use gna_api::numbers::{TaskState, Tasks};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// First and longest wait before a task is begun again.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A task that went on for so long is well again.
const STEADY: Duration = Duration::from_secs(60);

/// One task, since it was begun or since it failed.
#[derive(Clone, Copy, Debug)]
struct State {
    runs: bool,
    restarts: u64,
    since: Instant,
}

/// How the tasks of a process are.
#[derive(Debug, Default)]
pub struct Kept {
    states: Mutex<BTreeMap<&'static str, State>>,
    changes: watch::Sender<u64>,
}

impl Kept {
    /// Changes whenever a task begins or fails.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn note(&self, name: &'static str, runs: bool) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let restarts = states.get(name).map_or(0, |state| state.restarts);
        let state = State {
            runs,
            restarts: restarts + u64::from(!runs),
            since: Instant::now(),
        };
        states.insert(name, state);
        drop(states);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Tasks for Kept {
    fn look(&self) -> Vec<TaskState> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let told = states.iter().map(|(name, state)| TaskState {
            name,
            is_well: state.runs && (state.restarts == 0 || state.since.elapsed() >= STEADY),
            restarts: state.restarts,
        });
        told.collect()
    }
}

/// Runs a task until `stop`, however often it must be begun for that. It must end by itself on `stop`.
pub fn keep<F, Fut>(
    name: &'static str,
    kept: Arc<Kept>,
    stop: CancellationToken,
    task: F,
) -> impl Future<Output = ()> + Send
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = ()> + Send + 'static,
{
    // From here on it is one of them, also before its first turn.
    kept.note(name, true);
    kept_going(name, kept, stop, task)
}

async fn kept_going<F, Fut>(name: &'static str, kept: Arc<Kept>, stop: CancellationToken, task: F)
where
    F: Fn() -> Fut + Send,
    Fut: Future<Output = ()> + Send + 'static,
{
    metrics::describe_counter!(
        "gna_task_restarts_total",
        "How often a task that should go on for as long as the server ended or panicked, by task"
    );
    let mut wait = WAITS.0;
    loop {
        let began = Instant::now();
        // Alone in a set: its panics end there, and it goes when this does.
        let mut running = JoinSet::new();
        running.spawn(task());
        let ended = running.join_next().await;
        if stop.is_cancelled() {
            return;
        }
        let how = match ended {
            Some(Err(error)) if error.is_panic() => "panicked",
            _ => "ended",
        };
        if began.elapsed() >= STEADY {
            wait = WAITS.0;
        }
        tracing::error!(
            task = name,
            how,
            again_s = wait.as_secs(),
            "a background task stopped that should not; it is begun again"
        );
        metrics::counter!("gna_task_restarts_total", "task" => name).increment(1);
        kept.note(name, false);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(wait) => {}
        }
        wait = (wait * 2).min(WAITS.1);
        kept.note(name, true);
    }
}
