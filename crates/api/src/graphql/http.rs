//! GraphQL over HTTP: `POST /api` runs operations, `GET /api` shows GraphiQL or opens a websocket.
//!
//! A GET never runs an operation. Read next: [`super::document`], [`super::errors`].

use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql::{BatchRequest, BatchResponse, Data, Executor, Request, Response, Value};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::get;
use axum::{Extension, Router};
use futures::StreamExt;
use futures::stream::BoxStream;
use gna_domain::ctx::Actor;
use gna_domain::error::{Error, Result};
use gna_domain::model::Origin;
use std::fmt::Display;
use std::sync::Arc;

use super::document::{Documents, refused};
use super::errors::{finished, told};
use super::loaders::loaders;
use super::multipart;
use super::persisted::Persisted;
use super::socket::Socket;
use super::viewer::CurrentSession;
use super::{GnaSchema, schema};
use crate::auth::{Auth, CallOrigin, signed_out};
use crate::problem::Problem;
use crate::recency::Recency;
use crate::state::AppState;

/// Largest request without files, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// Most operations sent at once.
pub const MAX_BATCH: usize = 10;

/// Its routes, for whoever tells which there are.
pub const ROUTES: &[(&str, &str)] = &[
    ("get", "/api"),
    ("post", "/api"),
    ("get", "/api/graphiql/{file}"),
];

/// The routes of GraphQL, to be merged into the application's.
pub fn router(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/api", get(look).post(run))
        .route("/api/graphiql/{file}", get(file))
        .layer(Extension(Api::new(state)))
}

/// What runs operations.
#[derive(Clone)]
pub struct Api {
    schema: GnaSchema,
    documents: Arc<Documents>,
    persisted: Arc<Persisted>,
}

impl Api {
    #[must_use]
    pub fn new(state: &AppState) -> Self {
        Self {
            schema: schema().data(state.clone()).finish(),
            documents: Arc::default(),
            persisted: Arc::default(),
        }
    }

    /// The request with its text parsed.
    fn prepared(&self, request: Request) -> std::result::Result<Request, Box<Response>> {
        let parsed = |mut request: Request| {
            let document = self.documents.parsed(&request.query)?;
            request.set_parsed_query(document);
            Ok(request)
        };
        let prepared = self.persisted.filled(request).and_then(parsed);
        prepared.map_err(|error| Box::new(finished(Response::from_errors(vec![error]))))
    }

    async fn run_for(&self, caller: &Auth, origin: &Origin, request: Request) -> Response {
        let ctx = caller.ctx().clone();
        let request = request
            .data(loaders(ctx.clone()))
            .data(ctx)
            .data(CurrentSession(caller.0.session))
            .data(origin.clone());
        self.execute(request).await
    }
}

impl Executor for Api {
    async fn execute(&self, request: Request) -> Response {
        match self.prepared(request) {
            Ok(request) => finished(self.schema.execute(request).await),
            Err(response) => *response,
        }
    }

    /// Over a websocket: whoever is at its other end is asked again for each operation.
    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let api = self.clone();
        let session = session.unwrap_or_default();
        let opened = async move {
            let request = match Socket::of(&session) {
                None => request,
                Some(socket) => match socket.operation().await {
                    Ok((ctx, current, CallOrigin(origin))) => {
                        // What one operation has read must not be shown by a later event.
                        let fresh = loaders(ctx.clone());
                        fresh.enable_all_cache(false);
                        request.data(fresh).data(ctx).data(current).data(origin)
                    }
                    Err(error) => {
                        let response = Response::from_errors(vec![told(error)]);
                        return futures::stream::iter([response]).boxed();
                    }
                },
            };
            match api.prepared(request) {
                Ok(request) => {
                    let stream = api
                        .schema
                        .execute_stream_with_session_data(request, session);
                    stream.map(finished).boxed()
                }
                Err(response) => futures::stream::iter([*response]).boxed(),
            }
        };
        futures::stream::once(opened).flatten().boxed()
    }
}

/// Runs one operation or a batch.
async fn run(
    State(state): State<AppState>,
    Extension(api): Extension<Api>,
    caller: Auth,
    CallOrigin(origin): CallOrigin,
    headers: HeaderMap,
    recency: Recency,
    body: Body,
) -> std::result::Result<HttpResponse, Problem> {
    let request = read(&caller, &headers, body, state.config.max_upload_bytes).await?;
    let response = match request {
        BatchRequest::Single(request) => {
            BatchResponse::Single(api.run_for(&caller, &origin, request).await)
        }
        BatchRequest::Batch(requests) if requests.len() > MAX_BATCH => {
            let error = refused(
                "graphql.batch_too_large",
                format!("at most {MAX_BATCH} operations can be sent at once"),
            );
            BatchResponse::Single(Response::from_errors(vec![error]))
        }
        BatchRequest::Batch(requests) => {
            let all = requests
                .into_iter()
                .map(|request| api.run_for(&caller, &origin, request));
            BatchResponse::Batch(futures::future::join_all(all).await)
        }
    };
    let response = if recency.is_stale() {
        stale(response)
    } else {
        response
    };
    let body = serde_json::to_vec(&response)
        .map_err(|_| Error::internal("graphql.encode", "the answer can't be written"))?;
    let mut answer = (StatusCode::OK, body).into_response();
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Says in each answer that it may lack what the request's position tells of.
fn stale(response: BatchResponse) -> BatchResponse {
    let told = |response: Response| response.extension("stale", Value::Boolean(true));
    match response {
        BatchResponse::Single(response) => BatchResponse::Single(told(response)),
        BatchResponse::Batch(all) => BatchResponse::Batch(all.into_iter().map(told).collect()),
    }
}

async fn read(
    caller: &Auth,
    headers: &HeaderMap,
    body: Body,
    max_upload: u64,
) -> Result<BatchRequest> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let main = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match main.as_str() {
        "application/json" | "application/graphql-response+json" => {
            let bytes = to_bytes(body, MAX_BODY).await.map_err(|_| too_large())?;
            serde_json::from_slice(&bytes).map_err(malformed)
        }
        // Before a byte of the body is read.
        "multipart/form-data" if caller.ctx().actor == Actor::Anonymous => Err(signed_out()),
        "multipart/form-data" => multipart::read(kind, body, max_upload).await,
        _ => Err(Error::invalid(
            "graphql.content_type",
            "send application/json, or multipart/form-data for uploads",
        )),
    }
}

fn too_large() -> Error {
    Error::limit(
        "request.too_large",
        format!("a request without files has at most {MAX_BODY} bytes"),
    )
}

pub(super) fn malformed(what: impl Display) -> Error {
    Error::invalid(
        "graphql.malformed",
        format!("the body is no GraphQL request: {what}"),
    )
}

/// GraphiQL for browsers; a websocket for those who ask for one.
async fn look(
    State(state): State<AppState>,
    Extension(api): Extension<Api>,
    request: axum::extract::Request,
) -> std::result::Result<HttpResponse, Problem> {
    let (mut parts, _) = request.into_parts();
    // What is done over a websocket has no answer with headers, and outlives this request.
    parts.extensions.remove::<Recency>();
    if !parts.headers.contains_key(header::UPGRADE) {
        return Ok(page());
    }
    Auth::from_request_parts(&mut parts, &state).await?;
    let protocol = match GraphQLProtocol::from_request_parts(&mut parts, &state).await {
        Ok(protocol) => protocol,
        Err(status) => return Ok(status.into_response()),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &state).await {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let upgrade = upgrade
        .max_message_size(MAX_BODY)
        .protocols(ALL_WEBSOCKET_PROTOCOLS);
    Ok(upgrade.on_upgrade(move |socket| {
        GraphQLWebSocket::new(socket, api, protocol)
            .on_connection_init(
                async move |message| Ok(Socket::open(state, parts, &message).await?),
            )
            .serve()
    }))
}

/// Own files only; styles also from elements, since the editor sets its sizes on them.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'none'";

fn page() -> HttpResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, include_str!("../../assets/graphiql/index.html")).into_response()
}

/// Name, kind and content of what the page needs.
const FILES: &[(&str, &str, &[u8])] = &[
    (
        "graphiql.min.css",
        "text/css; charset=utf-8",
        include_bytes!("../../assets/graphiql/graphiql.min.css"),
    ),
    (
        "start.css",
        "text/css; charset=utf-8",
        include_bytes!("../../assets/graphiql/start.css"),
    ),
    (
        "graphiql.min.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../assets/graphiql/graphiql.min.js"),
    ),
    (
        "react.production.min.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../assets/graphiql/react.production.min.js"),
    ),
    (
        "react-dom.production.min.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../assets/graphiql/react-dom.production.min.js"),
    ),
    (
        "start.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../assets/graphiql/start.js"),
    ),
];

async fn file(Path(name): Path<String>) -> std::result::Result<HttpResponse, Problem> {
    let (_, kind, body) = FILES
        .iter()
        .find(|(known, ..)| *known == name)
        .ok_or_else(|| Error::not_found("not_found", "there is no such file"))?;
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, *body).into_response())
}
