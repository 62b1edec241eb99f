//! Signing in and registering as Frigg's clients do.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gna_domain::ctx::{Actor, Ctx, Grants};
use gna_domain::error::Error;
use gna_domain::secret::Secret;
use gna_domain::service::adopter::{self, Register};
use gna_domain::service::sign_in::{SignIn, SignedIn, sign_in};
use serde::Deserialize;
use serde_json::{Value, json};

use super::place::{Sent, given, required};
use crate::auth::CallOrigin;
use crate::problem::Problem;
use crate::state::AppState;

/// What a person signs in with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Person {
    username: Option<String>,
    password: Option<String>,
}

impl Person {
    fn read(self) -> Result<(String, Secret), Error> {
        let (username, password) = (given(self.username), given(self.password));
        required(&[
            ("username", username.is_some()),
            ("password", password.is_some()),
        ])?;
        let password = Secret::new(password.unwrap_or_default());
        Ok((username.unwrap_or_default(), password))
    }
}

/// Base64 of JSON with `id` and `token`, as Frigg's clients hold it.
fn token(signed_in: &SignedIn) -> (StatusCode, Json<Value>) {
    let id = signed_in.session.id.to_string();
    let inner = json!({ "id": id, "token": signed_in.secret.expose() });
    let token = STANDARD.encode(inner.to_string());
    (StatusCode::CREATED, Json(json!({ "token": token })))
}

fn anonymous(state: &AppState) -> Ctx {
    Ctx::new(state.ports.clone(), Actor::Anonymous, Grants::default())
}

/// Signs in by e-mail address, or by the name that was registered.
pub async fn login(
    State(state): State<AppState>,
    CallOrigin(origin): CallOrigin,
    Sent(person): Sent<Person>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (username, password) = person.read()?;
    let input = SignIn {
        email: adopter::address_of(&username),
        password,
        origin,
    };
    let signed_in = sign_in(&anonymous(&state), input).await?;
    Ok(token(&signed_in))
}

/// Registers, where the operator lets people do so.
pub async fn create(
    State(state): State<AppState>,
    CallOrigin(origin): CallOrigin,
    Sent(person): Sent<Person>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if !state.config.frigg.open_registration {
        return Err(Error::forbidden(
            "registration.closed",
            "this server takes no registrations; the operator sets frigg.open_registration",
        )
        .into());
    }
    let (username, password) = person.read()?;
    let input = Register {
        username,
        password,
        origin,
    };
    let home = state.config.frigg.organization.as_deref();
    let signed_in = adopter::register(&anonymous(&state), home, input).await?;
    Ok(token(&signed_in))
}
