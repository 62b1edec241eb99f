//! From a request to the context of a call: bearer token or session cookie, and what keeps other
//! web sites from calling in a signed-in person's name.
//!
//! A browser sends the cookie whoever made the page. So an unsafe request that rests on it must
//! say where it comes from (`Sec-Fetch-Site`, or `Origin`), and carry either the header
//! `X-Gna-Request`, which no other site can send without our consent, or, for the forms of our own
//! pages, the hidden field that [`csrf_field`] makes. Requests with a token need neither. The
//! check is part of the extractors, so that no handler can forget it. Read next: [`crate::ui`].

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use gna_domain::ctx::{Actor, Ctx, Grants};
use gna_domain::error::{Error, Kind, Result};
use gna_domain::model::Origin;
use gna_domain::secret::Secret;
use gna_domain::service::authenticate::{Caller, Credential, authenticate};
use std::net::{IpAddr, SocketAddr};

use crate::adopter;
use crate::operator;
use crate::problem::Problem;
use crate::recency::Recency;
use crate::state::{ApiConfig, AppState};

/// The header of calls by scripts; any value.
pub const REQUEST_HEADER: &str = "x-gna-request";

/// Who calls, for endpoints of programs: anonymous where nothing or an ended session was sent.
#[derive(Clone)]
pub struct Auth(pub Caller);

impl Auth {
    #[must_use]
    pub fn ctx(&self) -> &Ctx {
        &self.0.ctx
    }
}

impl FromRequestParts<AppState> for Auth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = identify(parts, state).await?;
        if caller.session.is_some() && changes_something(parts) {
            same_site(&parts.headers, &state.config)?;
            if !is_websocket(&parts.headers) && !has_request_header(&parts.headers) {
                return Err(forged("send the header X-Gna-Request with it").into());
            }
        }
        Ok(Self(caller))
    }
}

/// Who calls a page. Where the request came from is checked of every unsafe request, signed in or
/// not; the hidden field is checked by [`crate::ui::form::Fields`], which reads the body.
pub struct PageAuth {
    pub caller: Caller,
    /// Of the cookie, while its session holds.
    pub secret: Option<Secret>,
}

impl FromRequestParts<AppState> for PageAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if changes_something(parts) {
            same_site(&parts.headers, &state.config)?;
        }
        let caller = identify(parts, state).await?;
        let secret = cookie(&parts.headers, &state.config);
        let secret = secret.filter(|_| caller.session.is_some());
        Ok(Self { caller, secret })
    }
}

/// Where a request comes from.
pub struct CallOrigin(pub Origin);

impl FromRequestParts<AppState> for CallOrigin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let agent = text(&parts.headers, header::USER_AGENT.as_str());
        Ok(Self(Origin::new(address(parts, &state.config), agent)))
    }
}

fn address(parts: &Parts, config: &ApiConfig) -> Option<IpAddr> {
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip());
    if !config.trust_proxy {
        return peer;
    }
    let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
    let last = forwarded
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .and_then(|value| value.trim().parse().ok());
    last.or(peer)
}

/// Who calls, with ports that note how far the request's commits reach.
async fn identify(parts: &Parts, state: &AppState) -> Result<Caller> {
    let mut caller = who(parts, state).await?;
    if let Some(recency) = parts.extensions.get::<Recency>() {
        caller.ctx.ports = recency.over(caller.ctx.ports);
    }
    Ok(caller)
}

async fn who(parts: &Parts, state: &AppState) -> Result<Caller> {
    // Put there by this very process, for its own command line; nothing that is sent becomes one.
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(caller.clone());
    }
    if let Some(key) = operator::key(&parts.headers) {
        return state.operator.identify(parts, &state.ports, &key);
    }
    if let Some(caller) = adopter::by_key(&parts.headers, state).await? {
        return Ok(caller);
    }
    if let Some(token) = bearer(&parts.headers)? {
        return adopter::by_token(&parts.headers, state, token).await;
    }
    if let Some(secret) = cookie(&parts.headers, &state.config) {
        match authenticate(&state.ports, &Credential::Session(secret)).await {
            // A session that has ended is no session; pages then ask to sign in.
            Err(error) if error.kind() == Kind::Unauthenticated => {}
            done => return done,
        }
    }
    Ok(Caller {
        ctx: Ctx::new(state.ports.clone(), Actor::Anonymous, Grants::default()),
        session: None,
        user: None,
    })
}

/// For what needs to know who calls before a byte of the body is read.
#[must_use]
pub fn signed_out() -> Error {
    Error::unauthenticated("auth.required", "sign in, or send an API token")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<Secret>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Secret::new(token.trim()));
    token.map(Some).ok_or_else(|| {
        Error::unauthenticated(
            "auth.scheme",
            "send the token as \"Authorization: Bearer gna_…\"",
        )
    })
}

/// The session's secret from the cookies (RFC 6265, section 4.2.1).
fn cookie(headers: &HeaderMap, config: &ApiConfig) -> Option<Secret> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == config.cookie_name())
        .map(|(_, value)| Secret::new(value))
}

/// `Set-Cookie` for a new session, until the session ends at the latest.
#[must_use]
pub fn set_cookie(config: &ApiConfig, secret: &Secret) -> String {
    let seconds = gna_domain::model::SESSION_MS / 1_000;
    cookie_line(config, secret.expose(), seconds)
}

/// `Set-Cookie` that removes it.
#[must_use]
pub fn clear_cookie(config: &ApiConfig) -> String {
    cookie_line(config, "", 0)
}

fn cookie_line(config: &ApiConfig, value: &str, seconds: i64) -> String {
    let secure = if config.secure_cookies {
        "; Secure"
    } else {
        ""
    };
    format!(
        "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
        config.cookie_name()
    )
}

/// What the hidden field of our forms holds: made of the session's secret, known to our pages only.
#[must_use]
pub fn csrf_field(session: &Secret) -> String {
    Secret::new(format!("csrf:{}", session.expose())).digest()
}

/// Whether the field belongs to that session.
#[must_use]
pub fn csrf_matches(session: &Secret, field: &str) -> bool {
    Secret::new(format!("csrf:{}", session.expose())).matches_digest(field)
}

#[must_use]
pub fn has_request_header(headers: &HeaderMap) -> bool {
    headers.contains_key(REQUEST_HEADER)
}

fn is_websocket(headers: &HeaderMap) -> bool {
    text(headers, header::UPGRADE.as_str())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// GET, HEAD and OPTIONS change nothing; but a websocket begins as a GET and may do anything after.
fn changes_something(parts: &Parts) -> bool {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method);
    !safe || is_websocket(&parts.headers)
}

fn forged(what: &str) -> Error {
    Error::forbidden(
        "auth.cross_site",
        format!("this request does not come from one of our own pages; {what}"),
    )
}

/// Whether one of our own pages made the request, by what only the browser can say.
///
/// # Errors
/// `auth.cross_site`.
pub fn same_site(headers: &HeaderMap, config: &ApiConfig) -> Result<()> {
    let site = text(headers, "sec-fetch-site");
    let origin = text(headers, header::ORIGIN.as_str());
    let good = match (site, origin) {
        (Some(site), _) if site != "same-origin" => false,
        (Some(_), None | Some("null")) => true,
        (_, Some(origin)) => is_ours(origin, headers, config),
        // No browser: a script may prove by its header that it was not made to send this.
        (None, None) => has_request_header(headers) && !is_websocket(headers),
    };
    if good {
        Ok(())
    } else {
        Err(forged(
            "open the page again (behind a proxy, the server must know its public address)",
        ))
    }
}

/// The public address, or the very host that was asked: people also come by another name of the
/// same machine. (Another site can't choose the `Host` that a browser sends to us, and has no
/// cookie of ours where it brought its own name.)
fn is_ours(origin: &str, headers: &HeaderMap, config: &ApiConfig) -> bool {
    let authority = |address: &str| {
        address.split_once("://").map(|(_, rest)| {
            rest.split('/')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
        })
    };
    let Some(origin_authority) = authority(origin) else {
        return false;
    };
    let host = text(headers, header::HOST.as_str()).map(str::to_ascii_lowercase);
    let https_kept = !config.secure_cookies || origin.starts_with("https://");
    https_kept
        && (authority(&config.public_url).as_ref() == Some(&origin_authority)
            || host.as_ref() == Some(&origin_authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.parse().expect("a name"),
                    value.parse().expect("a value"),
                )
            })
            .collect()
    }

    #[test]
    fn only_our_own_pages_count_as_the_same_site() {
        let config = ApiConfig::at("https://gna.example.com");
        for (sent, good) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (
                &[("sec-fetch-site", "same-origin"), ("origin", "null")],
                true,
            ),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://evil.example"),
                ],
                false,
            ),
            (
                &[
                    ("sec-fetch-site", "same-site"),
                    ("origin", "https://gna.example.com"),
                ],
                false,
            ),
            (&[("sec-fetch-site", "cross-site")], false),
            (
                &[("sec-fetch-site", "cross-site"), ("x-gna-request", "1")],
                false,
            ),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "https://gna.example.com")], true),
            (&[("origin", "HTTPS://GNA.example.com")], false),
            (&[("origin", "https://GNA.example.com")], true),
            (&[("origin", "http://gna.example.com")], false),
            (&[("origin", "https://gna.example.com.evil.example")], false),
            (
                &[("origin", "https://evil.example"), ("x-gna-request", "1")],
                false,
            ),
            (&[("origin", "null")], false),
            (
                &[("origin", "https://other.name"), ("host", "other.name")],
                true,
            ),
            (&[], false),
            (&[("x-gna-request", "1")], true),
            (&[("x-gna-request", "1"), ("upgrade", "websocket")], false),
        ] {
            assert_eq!(same_site(&headers(sent), &config).is_ok(), good, "{sent:?}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_by_its_name() {
        let config = ApiConfig::at("http://127.0.0.1:8080");
        for (line, value) in [
            ("gna_session=abc", Some("abc")),
            ("a=b; gna_session=abc; c=d", Some("abc")),
            ("xgna_session=abc", None),
            ("__Host-gna_session=abc", None),
            ("", None),
        ] {
            let found = cookie(&headers(&[("cookie", line)]), &config);
            assert_eq!(found.as_ref().map(Secret::expose), value, "{line}");
        }
    }

    #[test]
    fn the_cookie_is_as_strict_as_the_address_allows() {
        let secret = Secret::new("abc");
        assert_eq!(
            set_cookie(&ApiConfig::at("https://gna.example.com"), &secret),
            "__Host-gna_session=abc; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            clear_cookie(&ApiConfig::at("http://127.0.0.1:8080")),
            "gna_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn the_hidden_field_belongs_to_one_session() {
        let (one, other) = (Secret::new("one"), Secret::new("other"));
        assert!(csrf_matches(&one, &csrf_field(&one)));
        assert!(!csrf_matches(&other, &csrf_field(&one)));
        assert!(!csrf_matches(&one, &one.digest()));
    }
}
