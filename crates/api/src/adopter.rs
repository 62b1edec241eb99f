//! Callers that an adopter vouches for: by its key and the `x-frigg` headers, or by a token of its own; and
//! the form that Frigg's clients have for our tokens.
//!
//! Read next: [`gna_domain::service::adopter`] for what becomes of them, `docs/FRIGG.md`.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gna_domain::error::{Error, Result};
use gna_domain::model::TOKEN_PREFIX;
use gna_domain::port::adopter::Named;
use gna_domain::secret::Secret;
use gna_domain::service::adopter::{act_for, agree};
use gna_domain::service::authenticate::{Caller, Credential, authenticate};

use crate::state::AppState;

const KEY: &str = "x-frigg-api-key";

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn named(headers: &HeaderMap) -> Named {
    Named {
        user: text(headers, "x-frigg-appuserid"),
        organization: text(headers, "x-frigg-apporgid"),
    }
}

/// Whoever the adopter names, where the request has a key.
pub(crate) async fn by_key(headers: &HeaderMap, state: &AppState) -> Result<Option<Caller>> {
    let Some(key) = headers.get(KEY) else {
        return Ok(None);
    };
    let is_right = state.config.frigg.key.as_ref().is_some_and(|digest| {
        let key = key.to_str().unwrap_or_default();
        Secret::new(key).matches_digest(digest)
    });
    if !is_right {
        return Err(Error::unauthenticated("auth.api_key", "Invalid API key"));
    }
    let home = state.config.frigg.organization.as_deref();
    act_for(&state.ports, home, &named(headers)).await.map(Some)
}

/// Whoever a bearer token is of; what the headers say besides must agree with it.
pub(crate) async fn by_token(
    headers: &HeaderMap,
    state: &AppState,
    token: Secret,
) -> Result<Caller> {
    let caller = match (&state.adopter, unwrapped(&token)) {
        (_, Some(inner)) => Caller {
            // No browser adds this by itself, so what guards the cookie is not needed.
            session: None,
            ..authenticate(&state.ports, &inner).await?
        },
        (Some(tokens), None) if is_jwt(&token) => {
            let named = tokens.read(&token).await?;
            let home = state.config.frigg.organization.as_deref();
            act_for(&state.ports, home, &named).await?
        }
        _ => authenticate(&state.ports, &Credential::Bearer(token)).await?,
    };
    let named = named(headers);
    if named == Named::default() {
        return Ok(caller);
    }
    agree(caller, &named).await
}

fn is_jwt(token: &Secret) -> bool {
    token.expose().split('.').count() == 3
}

/// What is in a token as Frigg's clients hold it: base64 of a JSON object with `id` and `token`, the
/// latter an API token or the secret of a session.
fn unwrapped(token: &Secret) -> Option<Credential> {
    let bytes = STANDARD.decode(token.expose()).ok()?;
    let object: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let inner = Secret::new(object.get("token")?.as_str()?);
    Some(if inner.expose().starts_with(TOKEN_PREFIX) {
        Credential::Bearer(inner)
    } else {
        Credential::Session(inner)
    })
}
