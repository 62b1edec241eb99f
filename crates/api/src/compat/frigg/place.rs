//! What Frigg's clients send, read as leniently as they expect: any content type, fields that nobody
//! knows, and an empty body for an empty object.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use gna_domain::connect::ConnectedEntity;
use gna_domain::error::{Error, Result};
use gna_domain::{Actor, Ctx};
use serde::de::DeserializeOwned;

use crate::extract::JSON_BYTES;
use crate::problem::Problem;
use crate::state::AppState;

/// A JSON object.
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|_| {
            Error::limit(
                "body.too_large",
                format!("the body can't be read to its end, or is larger than {JSON_BYTES} bytes"),
            )
        })?;
        let bytes = if bytes.is_empty() {
            b"{}".as_slice()
        } else {
            &bytes
        };
        let read = serde_json::from_slice(bytes).map_err(|error| {
            Error::invalid(
                "body.malformed",
                format!("the body is not as expected: {error}"),
            )
        })?;
        Ok(Self(read))
    }
}

/// Refuses in Frigg's words what has to be said and was not.
///
/// # Errors
/// `parameter.missing`, with all names.
pub fn required(parameters: &[(&'static str, bool)]) -> Result<()> {
    let missing = parameters.iter().filter(|(_, is_there)| !is_there);
    let names: Vec<&str> = missing.map(|(name, _)| *name).collect();
    let text = match names.as_slice() {
        [] => return Ok(()),
        [one] => format!("Missing Parameter: {one} is required."),
        several => format!("Missing Parameters: {} are required.", several.join(", ")),
    };
    let error = Error::invalid("parameter.missing", text);
    Err(error.on_field(names.first().copied().unwrap_or_default()))
}

/// Refuses anonymous callers before anything is said about what they sent.
///
/// # Errors
/// `auth.required`.
pub fn known(ctx: &Ctx) -> Result<()> {
    match ctx.actor {
        Actor::Anonymous => Err(ctx.absent::<ConnectedEntity>()),
        _ => Ok(()),
    }
}

/// A text with something in it; Frigg counts what is empty as missing.
pub fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
