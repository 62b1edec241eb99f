//! Asking an app for tokens, the first time and again.

use serde_json::{Map, Value};

use super::secrets;
use crate::connect::module::{Auth, Reuse};
use crate::connect::oauth2::{self, Client, Refused, Tokens, Verdict};
use crate::connect::{Module, Request, Values};
use crate::error::{Error, Kind, Result};
use crate::port::apps::Apps;
use crate::port::egress::Delivery;
use crate::rules::refresh::Means;
use crate::secret::Secret;
use crate::time::Timestamp;

/// What a module's credentials are refreshed with.
#[must_use]
pub fn means(module: &Module) -> Means {
    match &module.auth {
        Auth::Oauth2Code(kind) if kind.token.refresh == Reuse::None => Means::Nothing,
        Auth::Oauth2Code(kind) => Means::Token(kind.token.refresh),
        Auth::Oauth2ClientCredentials(_) | Auth::Oauth2Password(_) => Means::Repeatable,
        Auth::JwtApp(kind) if kind.exchange.is_some() => Means::Repeatable,
        _ => Means::Nothing,
    }
}

/// The request that gives tokens for what is in the credential already: not for kinds that begin with
/// a code or need no token.
///
/// # Errors
/// `module.input`, `module.unregistered`, `jwt.key`.
pub fn grant(
    apps: &dyn Apps,
    module: &Module,
    values: &Values,
    now: Timestamp,
) -> Result<Option<Request>> {
    match &module.auth {
        Auth::Oauth2ClientCredentials(kind) => {
            let client = secrets::client(apps, module, values)?;
            oauth2::client_credentials(module, kind, &client, values).map(Some)
        }
        Auth::Oauth2Password(kind) => {
            let client = secrets::client(apps, module, values)?;
            oauth2::password(module, kind, &client, values).map(Some)
        }
        Auth::JwtApp(kind) => {
            let jwt = apps.sign(&oauth2::signing_input(module, kind, values, now)?)?;
            oauth2::exchange(module, kind, &jwt, values)
        }
        _ => Ok(None),
    }
}

/// The request that refreshes.
///
/// # Errors
/// As [`grant`]; `oauth2.no_refresh`.
pub fn renewal(
    apps: &dyn Apps,
    module: &Module,
    values: &Values,
    now: Timestamp,
) -> Result<Request> {
    if let Some(request) = grant(apps, module, values, now)? {
        return Ok(request);
    }
    let token = values.text("credential", "refresh_token").map(Secret::new);
    let token =
        token.ok_or_else(|| Error::invalid("oauth2.no_refresh", "there is no refresh token"))?;
    let client: Client = secrets::client(apps, module, values)?;
    oauth2::refresh(module, &client, &token, values)
}

/// The values with what signed apps add to each request.
///
/// # Errors
/// `module.input`, `jwt.key`.
pub fn with_jwt(
    apps: &dyn Apps,
    module: &Module,
    values: Values,
    now: Timestamp,
) -> Result<Values> {
    match &module.auth {
        Auth::JwtApp(kind) if kind.exchange.is_none() => {
            let jwt = apps.sign(&oauth2::signing_input(module, kind, &values, now)?)?;
            Ok(values.with_one("jwt", "token", Value::from(jwt.expose())))
        }
        _ => Ok(values),
    }
}

/// Sends a token request and reads the answer.
///
/// # Errors
/// What the refusal means; no answer is one of them.
pub async fn ask(
    apps: &dyn Apps,
    module: &Module,
    request: Request,
    before: Option<&Tokens>,
    timeout_ms: i64,
    now: Timestamp,
) -> Result<Tokens, Refused> {
    let Some(fields) = module.auth.token() else {
        return Err(Refused::no_answer());
    };
    match apps.exchange(request, timeout_ms).await {
        Ok(answer) => oauth2::read(fields, &answer, before, now),
        Err(error) => Err(Refused {
            verdict: match error.delivery {
                Delivery::NotSent => Verdict::Transient,
                Delivery::Unknown => Verdict::Unknown,
            },
            description: Some(error.message),
            ..Refused::no_answer()
        }),
    }
}

/// A refusal as an error for the user.
#[must_use]
pub fn error(module: &Module, refused: &Refused) -> Error {
    let (kind, code) = match refused.verdict {
        Verdict::Dead => (Kind::Invalid, "authorization.refused"),
        Verdict::Denied => (Kind::Invalid, "authorization.denied"),
        Verdict::Client => (Kind::Upstream, "authorization.client"),
        Verdict::Request => (Kind::Upstream, "authorization.request"),
        Verdict::Transient => (Kind::Upstream, "app.unavailable"),
        Verdict::Unknown => (Kind::Upstream, "authorization.no_answer"),
    };
    Error::new(kind, code, refused.sentence(&module.display.label))
}

/// The values with a token answer's over them.
#[must_use]
pub fn over(values: &Map<String, Value>, tokens: &Tokens) -> Map<String, Value> {
    crate::connect::credential::renewed(values, &secrets::of_tokens(tokens))
}
