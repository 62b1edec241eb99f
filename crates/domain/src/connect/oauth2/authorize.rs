//! The address that the user is sent to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::request::Client;
use crate::connect::module::{Module, Oauth2Code, Pkce};
use crate::connect::request::{origin, with_query};
use crate::connect::values::Values;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// What one flow brings along. Both texts come from the ids port and are kept on the server.
pub struct Authorize<'a> {
    pub client: &'a Client,
    /// Unguessable, kept with the flow (RFC 6749, section 10.12).
    pub state: &'a str,
    /// 43 to 128 unreserved characters (RFC 7636, section 4.1); not used where the app knows no PKCE.
    pub verifier: &'a Secret,
}

/// The authorize address (RFC 6749, section 4.1.1).
///
/// # Errors
/// `oauth2.verifier` for a verifier that RFC 7636 does not allow; `module.input` for a connection
/// parameter that is missing.
pub fn authorize_url(
    module: &Module,
    kind: &Oauth2Code,
    flow: &Authorize<'_>,
    values: &Values,
) -> Result<String> {
    let values = flow.client.over(values);
    let what =
        |error| crate::connect::module::refused(&format!("{}.authorize", module.name), &error);
    let base = kind.authorize_url.base(&values).map_err(what)?;
    if origin(&base).is_none() {
        return Err(Error::invalid(
            "module.input",
            format!(
                "{}.authorize: the address is not one of a server",
                module.name
            ),
        ));
    }
    let mut pairs = vec![
        ("response_type".to_owned(), "code".to_owned()),
        ("client_id".to_owned(), flow.client.id.clone()),
    ];
    if let Some(redirect) = &flow.client.redirect_uri {
        pairs.push(("redirect_uri".to_owned(), redirect.clone()));
    }
    let mut scopes = kind.scopes.clone();
    let more = flow.client.scopes.iter();
    scopes.extend(more.filter(|scope| !kind.scopes.contains(scope)).cloned());
    if !scopes.is_empty() {
        pairs.push((
            kind.scope_parameter.clone(),
            scopes.join(&kind.scope_separator),
        ));
    }
    pairs.push(("state".to_owned(), flow.state.to_owned()));
    if kind.pkce == Pkce::S256 {
        pairs.push(("code_challenge".to_owned(), challenge(flow.verifier)?));
        pairs.push(("code_challenge_method".to_owned(), "S256".to_owned()));
    }
    // The module's own parameters win, so that an app with an own idea of one can be served.
    for (name, value) in
        crate::connect::module::filled(&kind.authorize_params, &values).map_err(what)?
    {
        pairs.retain(|(other, _)| *other != name);
        pairs.push((name, value));
    }
    Ok(with_query(&base, &pairs))
}

/// `BASE64URL(SHA256(ASCII(verifier)))` (RFC 7636, section 4.2).
///
/// # Errors
/// `oauth2.verifier`.
pub fn challenge(verifier: &Secret) -> Result<String> {
    check_verifier(verifier)?;
    Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes())))
}

/// # Errors
/// `oauth2.verifier`: not 43 to 128 unreserved characters (RFC 7636, section 4.1).
pub fn check_verifier(verifier: &Secret) -> Result<()> {
    let text = verifier.expose();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    if (43..=128).contains(&text.len()) && text.chars().all(fits) {
        Ok(())
    } else {
        Err(Error::invalid(
            "oauth2.verifier",
            "a code verifier has 43 to 128 letters, digits and - . _ ~",
        ))
    }
}
