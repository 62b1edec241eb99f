//! `Idempotency-Key` on POST: a client that does not know whether its request arrived sends it again
//! with the same key, and gets the first one's answer with `Idempotency-Replayed: true`.
//!
//! Not for what makes tokens and other secrets or begins connections: they are kept nowhere, so that
//! answer can't be given twice. Nor for webhooks of apps, which have ids of their own.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gna_domain::ctx::Actor;
use gna_domain::error::{Error, Result};
use gna_domain::service::idempotency::{self, ANSWER_LIMIT, Answer, Begun};
use sha2::{Digest, Sha256};

use crate::auth::{Auth, signed_out};
use crate::problem::Problem;
use crate::recency::{POSITION, Recency};
use crate::rest::{is_hook, is_upload, largest_body, shows_secret};
use crate::state::AppState;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The layer; to be put around REST only.
pub async fn around(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let applies = request.method() == Method::POST
        && request.headers().contains_key(&KEY)
        && !shows_secret(path)
        && !is_hook(path);
    if !applies {
        return next.run(request).await;
    }
    match once(&state, request, next).await {
        Ok(response) => response,
        Err(error) => Problem(error).into_response(),
    }
}

async fn once(state: &AppState, request: Request, next: Next) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let auth = Auth::from_request_parts(&mut parts, state)
        .await
        .map_err(|problem| problem.0)?;
    if auth.ctx().actor == Actor::Anonymous {
        // Before a byte of the body is read.
        return Err(signed_out());
    }
    let key = parts
        .headers
        .get(&KEY)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let (limit, too_large) = if is_upload(parts.method.as_str(), parts.uri.path()) {
        (state.config.max_upload_bytes, "report.too_large")
    } else {
        (
            u64::try_from(largest_body(parts.uri.path())).unwrap_or(u64::MAX),
            "body.too_large",
        )
    };
    let body = to_bytes(body, usize::try_from(limit).unwrap_or(usize::MAX))
        .await
        .map_err(|_| {
            Error::limit(
                too_large,
                format!("the body can't be read to its end, or is larger than {limit} bytes"),
            )
        })?;
    let digest = digest(&parts.uri.to_string(), &parts.headers, &body);
    let attempt = match idempotency::begin(auth.ctx(), &key, &digest).await? {
        Begun::Again(answer) => return Ok(replay(answer)),
        Begun::First(attempt) => attempt,
    };
    let recency = Recency::from_request_parts(&mut parts, state).await;
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (response, answer) = copied(response).await?;
    let Ok(reached) = recency.map(|recency| recency.header());
    let answer = answer.map(|answer| reaching(answer, reached.as_ref()));
    match answer {
        Some(answer) => idempotency::finish(auth.ctx(), &attempt, answer).await?,
        None => idempotency::forget(auth.ctx(), &attempt).await?,
    }
    Ok(response)
}

/// What makes a request the same: address, type and body. (Of a form the boundary is part of both,
/// so it must be sent again as it was.)
fn digest(uri: &str, headers: &HeaderMap, body: &Bytes) -> String {
    let mut sha = Sha256::new();
    sha.update(uri.as_bytes());
    sha.update([0]);
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        sha.update(kind.as_bytes());
    }
    sha.update([0]);
    sha.update(body);
    hex::encode(sha.finalize())
}

/// The response, and what is kept of it: only what was done, and is short enough.
async fn copied(response: Response) -> Result<(Response, Option<Answer>)> {
    if !response.status().is_success() {
        return Ok((response, None));
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Error::internal("idempotency.body", "an answer broke off"))?;
    let kept = [header::CONTENT_TYPE, header::LOCATION];
    let headers = kept
        .iter()
        .filter_map(|name| {
            Some((
                name.to_string(),
                parts.headers.get(name)?.to_str().ok()?.to_owned(),
            ))
        })
        .collect();
    let answer = String::from_utf8(body.to_vec())
        .ok()
        .filter(|body| body.len() <= ANSWER_LIMIT)
        .map(|body| Answer {
            status: parts.status.as_u16(),
            headers,
            body,
        });
    Ok((Response::from_parts(parts, Body::from(body)), answer))
}

/// An answer that is given again still says how far what was done reaches.
fn reaching(mut answer: Answer, reached: Option<&HeaderValue>) -> Answer {
    if let Some(position) = reached.and_then(|value| value.to_str().ok()) {
        let header = (POSITION.to_string(), position.to_owned());
        answer.headers.push(header);
    }
    answer
}

fn replay(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
