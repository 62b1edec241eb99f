//! Requests to token and revocation endpoints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::fmt;

use crate::connect::module::{
    ClientAuth, ClientCredentials, Module, Oauth2Code, Password, filled, refused,
};
use crate::connect::request::{Body, Method, Request, encode, origin};
use crate::connect::template::Template;
use crate::connect::values::Values;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The registration of our app with the provider.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    /// Absent for public clients.
    pub secret: Option<Secret>,
    pub redirect_uri: Option<String>,
    /// Scopes that people are asked for beside those of the module.
    pub scopes: Vec<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The values with this client in the scope `client`.
    pub(super) fn over(&self, values: &Values) -> Values {
        let mut client = Map::new();
        client.insert("client_id".to_owned(), json!(self.id));
        client.insert("redirect_uri".to_owned(), json!(self.redirect_uri));
        client.insert(
            "client_secret".to_owned(),
            json!(self.secret.as_ref().map(Secret::expose)),
        );
        values.clone().with("client", Value::Object(client))
    }
}

type Pairs = Vec<(String, String)>;

/// Exchange of a code (RFC 6749, section 4.1.3; the verifier: RFC 7636, section 4.5).
///
/// # Errors
/// `module.input`.
pub fn code(
    module: &Module,
    kind: &Oauth2Code,
    client: &Client,
    code: &Secret,
    verifier: Option<&Secret>,
    values: &Values,
) -> Result<Request> {
    let values = client.over(values);
    let mut pairs = vec![
        pair("grant_type", "authorization_code"),
        pair("code", code.expose()),
    ];
    if let Some(redirect) = &client.redirect_uri {
        pairs.push(pair("redirect_uri", redirect));
    }
    if let Some(verifier) = verifier.filter(|_| kind.pkce == crate::connect::module::Pkce::S256) {
        pairs.push(pair("code_verifier", verifier.expose()));
    }
    let more = filled(&kind.token_params, &values)
        .map_err(|error| refused(&format!("{}.code", module.name), &error))?;
    token_request(
        module,
        "code",
        &kind.token_url,
        kind.client_auth,
        client,
        over(pairs, more),
        &values,
    )
}

/// Refresh (RFC 6749, section 6). The scope is left out: it stays as it was.
///
/// # Errors
/// `oauth2.no_refresh` where the kind has no refresh tokens; `module.input`.
pub fn refresh(
    module: &Module,
    client: &Client,
    token: &Secret,
    values: &Values,
) -> Result<Request> {
    use crate::connect::module::Auth;
    let values = client.over(values);
    let mut pairs = vec![
        pair("grant_type", "refresh_token"),
        pair("refresh_token", token.expose()),
    ];
    let (url, auth) = match &module.auth {
        Auth::Oauth2Code(kind) => {
            let more = filled(&kind.refresh_params, &values)
                .map_err(|error| refused(&format!("{}.refresh", module.name), &error))?;
            pairs = over(pairs, more);
            (
                kind.refresh_url.as_ref().unwrap_or(&kind.token_url),
                kind.client_auth,
            )
        }
        Auth::Oauth2Password(kind) => (&kind.token_url, kind.client_auth),
        // RFC 6749, section 4.4.3: a refresh token should not be there; a new token is asked for.
        _ => {
            return Err(Error::invalid(
                "oauth2.no_refresh",
                format!(
                    "{} has no refresh tokens; ask for a new token instead",
                    module.display.label
                ),
            ));
        }
    };
    token_request(module, "refresh", url, auth, client, pairs, &values)
}

/// Client credentials (RFC 6749, section 4.4.2).
///
/// # Errors
/// `module.input`.
pub fn client_credentials(
    module: &Module,
    kind: &ClientCredentials,
    client: &Client,
    values: &Values,
) -> Result<Request> {
    let values = client.over(values);
    let mut pairs = vec![pair("grant_type", "client_credentials")];
    if !kind.scopes.is_empty() {
        pairs.push(pair("scope", &kind.scopes.join(&kind.scope_separator)));
    }
    let more = filled(&kind.token_params, &values)
        .map_err(|error| refused(&format!("{}.client_credentials", module.name), &error))?;
    token_request(
        module,
        "client_credentials",
        &kind.token_url,
        kind.client_auth,
        client,
        over(pairs, more),
        &values,
    )
}

/// Resource owner password (RFC 6749, section 4.3.2). User name and password are in the scope
/// `credential`.
///
/// # Errors
/// `module.input`.
pub fn password(
    module: &Module,
    kind: &Password,
    client: &Client,
    values: &Values,
) -> Result<Request> {
    let values = client.over(values);
    let text = |name: &str| {
        values
            .text("credential", name)
            .map(str::to_owned)
            .ok_or_else(|| {
                Error::invalid(
                    "module.input",
                    format!("{}.password: credential.{name}: it is missing", module.name),
                )
            })
    };
    let mut pairs = vec![
        pair("grant_type", "password"),
        pair("username", &text("username")?),
        pair("password", &text("password")?),
    ];
    if !kind.scopes.is_empty() {
        pairs.push(pair("scope", &kind.scopes.join(&kind.scope_separator)));
    }
    let more = filled(&kind.token_params, &values)
        .map_err(|error| refused(&format!("{}.password", module.name), &error))?;
    token_request(
        module,
        "password",
        &kind.token_url,
        kind.client_auth,
        client,
        over(pairs, more),
        &values,
    )
}

/// Revocation (RFC 7009, section 2.1), where the module says where.
///
/// # Errors
/// `module.input`.
pub fn revoke(
    module: &Module,
    kind: &Oauth2Code,
    client: &Client,
    token: &Secret,
    values: &Values,
) -> Result<Option<Request>> {
    let Some(url) = &kind.revocation_url else {
        return Ok(None);
    };
    let values = client.over(values);
    let pairs = vec![pair("token", token.expose())];
    token_request(
        module,
        "revoke",
        url,
        kind.client_auth,
        client,
        pairs,
        &values,
    )
    .map(Some)
}

/// A POST with the client authenticated as the module says (RFC 6749, section 2.3.1).
pub(super) fn token_request(
    module: &Module,
    what: &str,
    url: &Template,
    auth: ClientAuth,
    client: &Client,
    mut pairs: Pairs,
    values: &Values,
) -> Result<Request> {
    let url = url
        .base(values)
        .map_err(|error| refused(&format!("{}.{what}", module.name), &error))?;
    if origin(&url).is_none() {
        return Err(Error::invalid(
            "module.input",
            format!("{}.{what}: the address is not one of a server", module.name),
        ));
    }
    let secret = client.secret.as_ref().map(Secret::expose);
    let mut headers = vec![pair("Accept", "application/json")];
    match auth {
        ClientAuth::Basic => headers.push(basic(
            &encode(&client.id),
            &encode(secret.unwrap_or_default()),
        )),
        ClientAuth::BasicRaw => headers.push(basic(&client.id, secret.unwrap_or_default())),
        ClientAuth::Body | ClientAuth::Json | ClientAuth::None => {
            pairs.push(pair("client_id", &client.id));
            if let Some(secret) = secret.filter(|_| auth != ClientAuth::None) {
                pairs.push(pair("client_secret", secret));
            }
        }
    }
    let body = if auth == ClientAuth::Json {
        Body::Json(Value::Object(
            pairs
                .into_iter()
                .map(|(name, value)| (name, Value::from(value)))
                .collect(),
        ))
    } else {
        Body::Form(pairs)
    };
    headers.extend(body.content_type().map(|kind| pair("Content-Type", kind)));
    Ok(Request {
        label: format!("{}.{what}", module.name),
        method: Method::Post,
        url,
        headers,
        body,
    })
}

fn basic(user: &str, password: &str) -> (String, String) {
    pair(
        "Authorization",
        &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
    )
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The module's own parameters stand over the usual ones.
fn over(mut pairs: Pairs, more: Pairs) -> Pairs {
    pairs.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    pairs.extend(more);
    pairs
}
