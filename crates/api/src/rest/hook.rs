//! Webhooks from other apps. They bring their proof with them: it is checked before anything else.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{OriginalUri, Path};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use gna_domain::connect::verify::Delivery;
use gna_domain::error::{Error, Result};
use gna_domain::service::hook::{self, HOOK_BYTES, Incoming, Receipt};
use gna_domain::{Actor, Ctx, Grants};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::ProblemView;
use crate::problem::Problem;
use crate::state::AppState;

/// That it is kept.
#[derive(Serialize, ToSchema)]
pub struct ReceivedView {
    received: bool,
}

/// What every route takes of a request.
pub struct Call {
    state: AppState,
    method: Method,
    uri: OriginalUri,
    headers: HeaderMap,
    body: Bytes,
}

impl axum::extract::FromRequest<AppState> for Call {
    type Rejection = Problem;

    async fn from_request(
        request: axum::extract::Request,
        state: &AppState,
    ) -> Result<Self, Problem> {
        let uri = request.extensions().get::<OriginalUri>().cloned();
        let uri = uri.unwrap_or_else(|| OriginalUri(request.uri().clone()));
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let body = Bytes::from_request(request, state)
            .await
            .ok()
            .filter(|body| body.len() <= HOOK_BYTES)
            .ok_or_else(|| {
                Error::limit(
                    "body.too_large",
                    format!(
                        "the body can't be read to its end, or is larger than {HOOK_BYTES} bytes"
                    ),
                )
            })?;
        Ok(Self {
            state: state.clone(),
            method,
            uri,
            headers,
            body,
        })
    }
}

async fn take(call: Call, app: &str, target: Option<&str>) -> Result<Response, Problem> {
    let ctx = Ctx::new(
        call.state.ports.clone(),
        Actor::Anonymous,
        Grants::default(),
    );
    let headers: Vec<(String, String)> = call
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let path = call.uri.path_and_query().map_or("", |path| path.as_str());
    let url = call.state.config.link(path);
    let incoming = Incoming {
        app,
        target,
        delivery: Delivery {
            method: call.method.as_str(),
            url: &url,
            headers: &headers,
            body: &call.body,
        },
    };
    let taken = match &call.state.hooks {
        Some(dispatcher) => hook::receive(&ctx, dispatcher.as_ref(), &incoming).await,
        None => Err(Error::not_found(
            "hook.nobody",
            "nobody waits for this webhook",
        )),
    };
    // Names of apps come from outside: they do not become labels unless somebody waits for them.
    let outcome = match &taken {
        Ok(Receipt::Received) => "received",
        Ok(Receipt::Known) => "known",
        Ok(_) => "handshake",
        Err(error) => error.code(),
    };
    metrics::counter!("gna_hooks_total", "outcome" => outcome).increment(1);
    Ok(answer(taken?))
}

fn answer(receipt: Receipt) -> Response {
    let received = || (StatusCode::OK, Json(ReceivedView { received: true })).into_response();
    match receipt {
        Receipt::Received | Receipt::Known => received(),
        Receipt::Text(text) => text.into_response(),
        Receipt::Json(value) => Json(value).into_response(),
        Receipt::Header(name, value) => {
            let mut response = received();
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                response.headers_mut().insert(name, value);
            }
            response
        }
    }
}

/// The type's name in `/api/NAME-integration/…`.
fn of_integration(segment: &str) -> Result<&str, Error> {
    segment.strip_suffix("-integration").ok_or_else(|| {
        Error::not_found(
            "route.not_found",
            "there is nothing at this address; see /api/meta/openapi.json",
        )
    })
}

/// Takes a webhook of an app. Verified by the app's own signature, and durable before it is answered.
#[utoipa::path(post, path = "/api/v2/hooks/{app}", tag = "hooks", params(("app" = String, Path)), security(()), request_body = String,
    responses((status = 200, body = ReceivedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn app(Path(app): Path<String>, call: Call) -> Result<Response, Problem> {
    take(call, &app, None).await
}

/// Takes a webhook of an app for one integration.
#[utoipa::path(post, path = "/api/v2/hooks/{app}/{target}", tag = "hooks", params(("app" = String, Path), ("target" = String, Path)), security(()), request_body = String,
    responses((status = 200, body = ReceivedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn app_target(
    Path((app, target)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Problem> {
    take(call, &app, Some(&target)).await
}

/// Takes a webhook for a type of integration: `/api/NAME-integration/webhooks`.
#[utoipa::path(post, path = "/api/{integration}/webhooks", tag = "hooks", params(("integration" = String, Path)), security(()), request_body = String,
    responses((status = 200, body = ReceivedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn integration(Path(segment): Path<String>, call: Call) -> Result<Response, Problem> {
    take(call, of_integration(&segment)?, None).await
}

/// Takes a webhook for one integration: `/api/NAME-integration/webhooks/ID`.
#[utoipa::path(post, path = "/api/{integration}/webhooks/{target}", tag = "hooks", params(("integration" = String, Path), ("target" = String, Path)), security(()), request_body = String,
    responses((status = 200, body = ReceivedView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn integration_target(
    Path((segment, target)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Problem> {
    take(call, of_integration(&segment)?, Some(&target)).await
}
