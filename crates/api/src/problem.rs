//! Errors as problem details (RFC 9457): the one place that knows which status an error has.
//!
//! A handler returns a [`Problem`]; the outermost middleware writes it once more with the request's
//! id in it ([`rewrite`]). Codes and statuses are listed in `docs/API-DESIGN.md`.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gna_domain::error::{Error, Kind};
use serde_json::{Value, json};

/// The content type of problems.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The status of an error.
#[must_use]
pub fn status(error: &Error) -> StatusCode {
    match (error.kind(), error.code()) {
        (Kind::NotFound, "route.method_not_allowed") => StatusCode::METHOD_NOT_ALLOWED,
        (Kind::Invalid, "body.unsupported_type" | "body.unsupported_encoding") => {
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        }
        (Kind::Invalid, "idempotency.mismatch") => StatusCode::UNPROCESSABLE_ENTITY,
        (Kind::Invalid, _) => StatusCode::BAD_REQUEST,
        (Kind::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (Kind::Forbidden, _) => StatusCode::FORBIDDEN,
        (Kind::NotFound, _) => StatusCode::NOT_FOUND,
        (Kind::Conflict, _) => StatusCode::CONFLICT,
        (Kind::Limit, code) if code.ends_with("too_large") => StatusCode::PAYLOAD_TOO_LARGE,
        (Kind::Limit, code) if code.ends_with("too_long") || code.ends_with("too_many") => {
            StatusCode::BAD_REQUEST
        }
        (Kind::Limit, _) => StatusCode::TOO_MANY_REQUESTS,
        (Kind::Upstream, _) => StatusCode::BAD_GATEWAY,
        (Kind::Unavailable, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Kind::Internal, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error on its way out. Logged here, once.
#[derive(Clone, Debug)]
pub struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// Writes what only the operator can act on into the log.
pub fn log(error: &Error) {
    if matches!(error.kind(), Kind::Internal | Kind::Unavailable) {
        tracing::error!(code = error.code(), "a call failed: {}", error.message());
    }
}

/// Adds the headers that go with an error, whatever its body is.
pub fn add_headers(error: &Error, response: &mut Response) {
    let headers = response.headers_mut();
    if error.kind() == Kind::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// What a caller is told. What went wrong inside is for the log alone.
#[must_use]
pub fn told(error: &Error) -> &str {
    match error.kind() {
        Kind::Internal => "something went wrong on our side; the log has it under the request's id",
        _ => error.message(),
    }
}

/// The body of a problem.
fn document(error: &Error, request_id: Option<&str>) -> Value {
    let status = status(error);
    let mut body = json!({
        "type": format!("urn:gna:error:{}", error.code()),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": told(error),
        "code": error.code(),
    });
    if let Some(object) = body.as_object_mut() {
        if let Some(field) = error.field() {
            object.insert("field".to_owned(), snake(field).into());
        }
        if let Some(id) = request_id {
            object.insert("request_id".to_owned(), id.into());
        }
    }
    body
}

/// The domain names fields as GraphQL does; REST writes them with underscores.
fn snake(field: &str) -> String {
    let mut snake = String::with_capacity(field.len() + 2);
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Puts the request's id into a response that is a problem; leaves others alone.
#[must_use]
pub fn rewrite(mut response: Response, request_id: &str) -> Response {
    if let Some(error) = response.extensions().get::<Error>() {
        let text = document(error, Some(request_id)).to_string();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        // The body that was there may have been compressed; this one is not.
        response.headers_mut().remove(header::CONTENT_ENCODING);
        *response.body_mut() = Body::from(text);
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = self.0;
        log(&error);
        let text = document(&error, None).to_string();
        let mut response = (status(&error), text).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        add_headers(&error, &mut response);
        response.extensions_mut().insert(error);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_one_status_and_some_codes_a_finer_one() {
        for (kind, code, expected) in [
            (Kind::Invalid, "x.y", 400),
            (Kind::Invalid, "idempotency.mismatch", 422),
            (Kind::Invalid, "body.unsupported_type", 415),
            (Kind::Unauthenticated, "auth.required", 401),
            (Kind::Forbidden, "auth.forbidden", 403),
            (Kind::NotFound, "not_found", 404),
            (Kind::NotFound, "route.method_not_allowed", 405),
            (Kind::Conflict, "store.conflict", 409),
            (Kind::Limit, "report.too_large", 413),
            (Kind::Limit, "comment.too_long", 400),
            (Kind::Limit, "rate.exceeded", 429),
            (Kind::Upstream, "x.y", 502),
            (Kind::Unavailable, "store.unavailable", 503),
            (Kind::Internal, "x.y", 500),
        ] {
            assert_eq!(
                status(&Error::new(kind, code, "")).as_u16(),
                expected,
                "{kind:?} {code}"
            );
        }
    }

    #[test]
    fn a_defect_of_ours_says_nothing_about_itself() {
        let error = Error::internal("store.corrupt", "row 7 of /secret/place");
        let body = document(&error, Some("r1"));
        assert!(!body.to_string().contains("secret"));
        assert_eq!(body["code"], "store.corrupt");
        assert_eq!(body["request_id"], "r1");
    }

    #[test]
    fn fields_are_written_as_rest_writes_them() {
        let error = Error::invalid("time.malformed", "no").on_field("scannedAt");
        assert_eq!(document(&error, None)["field"], "scanned_at");
    }
}
