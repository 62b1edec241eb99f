//! A stand-in for the runtime API of AWS Lambda (developer guide, "Using the Lambda runtime API"): one
//! event after the other, each answered before the next is given out.

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Milliseconds that each event has.
const TIME_MS: u64 = 120_000;

type Answer = Result<Value, Value>;

struct Asked {
    event: Value,
    answer: oneshot::Sender<Answer>,
}

struct Shared {
    next: Mutex<mpsc::Receiver<Asked>>,
    open: Mutex<BTreeMap<String, oneshot::Sender<Answer>>>,
    ids: std::sync::atomic::AtomicU64,
}

/// The server, as long as it is kept.
pub struct FakeRuntime {
    pub address: String,
    events: mpsc::Sender<Asked>,
    serving: tokio::task::JoinHandle<()>,
}

impl FakeRuntime {
    pub async fn start() -> Self {
        let (events, next) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            next: Mutex::new(next),
            open: Mutex::new(BTreeMap::new()),
            ids: std::sync::atomic::AtomicU64::new(1),
        });
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_event))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("known").to_string();
        let serving =
            tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self {
            address,
            events,
            serving,
        }
    }

    /// One event; what the function answered, or how it reported that it failed.
    pub async fn invoke(&self, event: &Value) -> Answer {
        let (answer, answered) = oneshot::channel();
        let event = event.clone();
        let asked = self.events.send(Asked { event, answer }).await;
        assert!(asked.is_ok(), "the stand-in serves");
        answered.await.expect("the function answers")
    }
}

impl Drop for FakeRuntime {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn next_event(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let Some(asked) = shared.next.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let id = shared
        .ids
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = format!("00000000-0000-4000-8000-{id:012}");
    shared.open.lock().await.insert(id.clone(), asked.answer);
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime API tells the time of day"
    )]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let deadline = now.expect("after 1970").as_millis() as u64 + TIME_MS;
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:gna".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-00000000-000000000000000000000000".to_owned(),
        ),
    ];
    (headers, Json(asked.event)).into_response()
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: String,
) -> StatusCode {
    // Functions of any kind may answer with other than JSON; ours does not.
    let answer = serde_json::from_str(&body).expect("JSON");
    told(&shared, &id, Ok(answer)).await
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: String,
) -> StatusCode {
    let report = serde_json::from_str(&body).expect("JSON");
    told(&shared, &id, Err(report)).await
}

async fn told(shared: &Shared, id: &str, answer: Answer) -> StatusCode {
    match shared.open.lock().await.remove(id) {
        Some(waiting) => {
            let _ = waiting.send(answer);
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}
