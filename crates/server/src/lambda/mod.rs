//! Gna as a function of AWS Lambda: the same routes, jobs and schedules, called by events.
//!
//! The binary speaks the runtime API and takes one event at a time: requests of API Gateway (payload
//! 2.0), Function URLs and load balancers go through the very router of `gna serve`; queues bring
//! jobs; schedules and streams of a table wake the work up. Nothing runs between two events, so that
//! each of those ends with a [slice](crate::slice) of what is due. Read next: `event.rs`, `http.rs`,
//! `queue.rs`, and `fit.rs` for what a configuration must have there.

mod event;
mod fit;
mod http;
mod queue;

pub use event::{Call, Event};
pub use fit::{has_own_index, unfit};

use axum::Router;
use gna_domain::error::{Error, Result};
use gna_domain::model::Job;
use gna_domain::service::{function, schedule};
use gna_domain::{Ctx, port::repo};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

use crate::app;
use crate::slice::Slicer;
use crate::steps::{self, Again};
use crate::wiring::Instance;

/// Kept of an event's time for writing down where the work stands.
const RESERVE: Duration = Duration::from_secs(4);

/// No event has more time, in milliseconds (AWS Lambda quotas: 15 minutes).
const LONGEST_MS: u64 = 900_000;

/// How long an answer may wait for the search index to know what its request changed.
const INDEXING: Duration = Duration::from_secs(1);

/// An instance that is called by events.
pub struct Lambda {
    instance: Instance,
    router: Router,
    slicer: Slicer,
    indexing: Again,
    has_own_index: bool,
}

/// Takes events until the environment is shut down.
///
/// # Errors
/// The runtime API can't be reached, or answers otherwise than documented.
pub async fn serve(instance: Instance) -> Result<()> {
    let lambda = Lambda::new(instance);
    let lambda = &lambda;
    let taking = lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let time = lambda.time(event.context.deadline);
        let answer = lambda.handle(event.payload, &event.context.request_id, time);
        answer.await.map_err(Told)
    }));
    taking.await.map_err(|error| {
        Error::unavailable(
            "lambda.runtime",
            format!("the runtime API of AWS Lambda failed: {error}"),
        )
    })
}

/// An error as the runtime API reports it: by its code.
struct Told(Error);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code(), self.0.message())
    }
}

impl From<Told> for lambda_runtime::Diagnostic {
    fn from(told: Told) -> Self {
        Self {
            error_type: told.0.code().to_owned(),
            error_message: told.0.message().to_owned(),
        }
    }
}

impl Lambda {
    #[must_use]
    pub fn new(instance: Instance) -> Self {
        Self {
            router: app::router(&instance, None),
            slicer: Slicer::new(&instance),
            indexing: steps::indexing(&instance),
            has_own_index: has_own_index(&instance.config),
            instance,
        }
    }

    /// How long the work may take, where the event must be answered by then (milliseconds since
    /// 1970).
    fn time(&self, deadline: u64) -> Duration {
        let now = u64::try_from(self.instance.ports.clock.now().millis()).unwrap_or(0);
        // cargo-lambda's emulator tells how long it waits, not until when.
        let left = match deadline < LONGEST_MS {
            true => deadline,
            false => deadline.saturating_sub(now),
        };
        let left = Duration::from_millis(left);
        left.saturating_sub(RESERVE.min(left / 2))
    }

    /// Answers one event, known by `request`, in `time`.
    ///
    /// # Errors
    /// `lambda.event` for one of another kind; for a call, what the function says. Failures of what
    /// a queue or a stream brings are in the answer, so that just that comes again.
    pub async fn handle(&self, event: Value, request: &str, time: Duration) -> Result<Value> {
        match Event::read(event)? {
            Event::Http(request) => self.answer(*request, time).await,
            Event::Queue(batch) => {
                let ctx = self.ctx("queue");
                let functions = self.instance.functions();
                let failures = queue::accept(&ctx, &functions, batch).await;
                self.slicer.work(time).await;
                Ok(failures)
            }
            Event::Stream { first } => {
                let done = self.slicer.work(time).await;
                // Whoever follows the feed knows where it stands; but a step that failed is to be
                // repeated sooner than the next change comes.
                let failed = first.filter(|_| !done.failed.is_empty() && !done.cut);
                Ok(json!({ "batchItemFailures": failed
                    .map(|number| json!({ "itemIdentifier": number }))
                    .into_iter()
                    .collect::<Vec<_>>() }))
            }
            Event::Tick => Ok(json!(self.slicer.work(time).await)),
            Event::Call(call) => self.call(call, request, time).await,
        }
    }

    fn ctx(&self, name: &'static str) -> Ctx {
        Ctx::system(self.instance.ports.clone(), name)
    }

    /// A request by the router of `gna serve`. What it changed is in the search index before the
    /// answer goes out: nothing follows the feed while the process is frozen.
    async fn answer(&self, request: http::Request, time: Duration) -> Result<Value> {
        if self.has_own_index {
            // What others changed since the last event; the first time all that there is.
            self.index(time).await;
        }
        let mut feed = self.instance.ports.store.signals().feed;
        feed.borrow_and_update();
        let answer = http::answer(self.router.clone(), request).await;
        if feed.has_changed().unwrap_or(false) {
            self.index(INDEXING).await;
        }
        answer
    }

    async fn index(&self, time: Duration) {
        match timeout(time, (self.indexing)()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the search index follows later"),
            Err(_) => tracing::info!("the search index follows later"),
        }
    }

    /// Runs one function by its name, as `gna invoke` does.
    async fn call(&self, call: Call, request: &str, time: Duration) -> Result<Value> {
        let ctx = self.ctx("lambda");
        let job = match call.function.strip_prefix("schedule:") {
            Some(name) => {
                let found = schedule::named(&ctx, None, name).await?;
                let ran = schedule::run_now(&ctx, found.id).await?;
                ran.last.as_ref().map(|run| run.job).ok_or_else(|| {
                    Error::conflict("schedule.running", "the run before is not finished")
                })?
            }
            None => {
                let functions = self.instance.functions();
                let (name, event) = (call.function.as_str(), call.event);
                let delivery = format!("call {request}");
                let made = function::invoke_once(&ctx, &functions, name, event, &delivery);
                made.await?.id
            }
        };
        let done = self.slicer.work(time).await;
        let job = repo::require::<Job>(ctx.store(), job).await?;
        Ok(json!({
            "job": job.id,
            "state": job.state(),
            "error": job.last_error,
            "slice": done,
        }))
    }
}
