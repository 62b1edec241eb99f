//! Signed JWTs of apps: what is signed here, the signature by a port.
//!
//! RFC 7519 (claims), RFC 7515 (the form), RFC 7523 (JWTs as grants).

use serde_json::{Map, Value};
use std::fmt;

use crate::connect::module::{JwtAlgorithm, JwtApp, Module, refused};
use crate::connect::request::Request;
use crate::connect::values::Values;
use crate::error::Result;
use crate::secret::Secret;
use crate::time::Timestamp;

/// All that a signer needs.
#[derive(Clone)]
pub struct SigningInput {
    pub algorithm: JwtAlgorithm,
    /// `kid` of the header.
    pub key_id: Option<String>,
    pub claims: Map<String, Value>,
    /// PEM, or the secret for HS256.
    pub key: Secret,
}

impl fmt::Debug for SigningInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningInput")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// Signs JWTs in the compact form (RFC 7515, section 3.1).
pub trait JwtSigner: Send + Sync {
    /// # Errors
    /// `jwt.key`: the key is none of the algorithm. The message never repeats it.
    fn sign(&self, input: &SigningInput) -> Result<Secret>;
}

/// Claims, header and key of an app's JWT. `iat` and `exp` are set from the given time; both are whole
/// seconds (RFC 7519, section 2, `NumericDate`).
///
/// # Errors
/// `module.input` with the name of the value that is missing.
pub fn signing_input(
    module: &Module,
    kind: &JwtApp,
    values: &Values,
    now: Timestamp,
) -> Result<SigningInput> {
    let what = |error| refused(&format!("{}.jwt", module.name), &error);
    let mut claims = Map::new();
    for (name, tree) in &kind.claims {
        if let Some(value) = tree.value(values).map_err(what)? {
            claims.insert(name.clone(), value);
        }
    }
    let now = now.millis().div_euclid(1_000);
    let issued = now.saturating_sub(i64::from(kind.issued_before_seconds));
    claims.insert("iat".to_owned(), Value::from(issued));
    claims.insert(
        "exp".to_owned(),
        Value::from(issued.saturating_add(i64::from(kind.lifetime_seconds))),
    );
    Ok(SigningInput {
        algorithm: kind.algorithm,
        key_id: kind
            .key_id
            .as_ref()
            .map(|template| template.text(values))
            .transpose()
            .map_err(what)?,
        claims,
        key: Secret::new(kind.key.text(values).map_err(what)?),
    })
}

/// The call that gives a token for a JWT, where the module has one.
///
/// # Errors
/// `module.input`.
pub fn exchange(
    module: &Module,
    kind: &JwtApp,
    jwt: &Secret,
    values: &Values,
) -> Result<Option<Request>> {
    let Some(exchange) = &kind.exchange else {
        return Ok(None);
    };
    let values = values
        .clone()
        .with_one("jwt", "token", Value::from(jwt.expose()));
    // The JWT lets this one call in, not the token that the call is to give.
    let mut call = exchange.call.clone();
    let carries = call
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("authorization"))
        || call.body.is_some();
    call.open = true;
    if !carries {
        // A constant that always parses.
        let bearer = crate::connect::Template::parse("Bearer {jwt.token}");
        call.headers.extend(
            bearer
                .ok()
                .map(|bearer| ("Authorization".to_owned(), bearer)),
        );
    }
    module.request("exchange", &call, &values).map(Some)
}
