//! Errors in Frigg's two forms: layers that write every [`Problem`](crate::problem::Problem) anew.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use gna_domain::error::{Error, Kind};
use serde_json::{Value, json};

/// What is said of a defect of ours.
const INTERNAL: &str = "Internal Server Error";

/// `{"error": "…"}`.
pub async fn v1(response: Response) -> Response {
    told(response, |error| json!({ "error": message(error) }))
}

/// `{"error": {"code", "message", "details"}}`.
pub async fn v2(response: Response) -> Response {
    told(response, |error| {
        let mut inner = json!({ "code": error.code(), "message": message(error) });
        if let (Some(field), Some(inner)) = (error.field(), inner.as_object_mut()) {
            inner.insert("details".to_owned(), json!({ "field": field }));
        }
        json!({ "error": inner })
    })
}

fn message(error: &Error) -> &str {
    match (error.kind(), error.code()) {
        (Kind::Internal, _) => INTERNAL,
        (Kind::Unauthenticated, "auth.required" | "auth.invalid" | "auth.scheme") => {
            "Invalid Token"
        }
        _ => error.message(),
    }
}

fn told(mut response: Response, body: impl Fn(&Error) -> Value) -> Response {
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        let text = body(&error).to_string();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        *response.body_mut() = Body::from(text);
    }
    response
}
