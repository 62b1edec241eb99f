//! The person at the machine, over HTTP: commands there go through a running server.
//!
//! The server writes a random key into a file that only its own user can read, new at each start.
//! Whoever reads that file could as well open the store; so the key makes a call the same
//! `local-operator` that a command without a server is. It is taken from this machine only, and
//! from nobody for whom a proxy on this machine may speak.

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use gna_domain::ctx::{Actor, Ctx, Grants, Ports};
use gna_domain::error::{Error, Result};
use gna_domain::secret::Secret;
use gna_domain::service::authenticate::Caller;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::net::SocketAddr;
use std::num::NonZeroU32;

/// The scheme of the `Authorization` header.
pub const SCHEME: &str = "Gna-Operator";

/// Wrong keys in a minute, of all callers together, that are looked at one by one.
const WRONG_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("more than none");

/// Headers by which a proxy says that it asks for someone else.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// What the key must be, and how often it was wrong lately.
#[derive(Debug)]
pub(crate) struct Operator {
    digest: Option<String>,
    wrong: DefaultDirectRateLimiter,
}

impl Operator {
    /// Takes the key with this digest (SHA-256 in hexadecimal); without one nobody is the operator.
    pub(crate) fn new(digest: Option<String>) -> Self {
        Self {
            digest,
            wrong: RateLimiter::direct(Quota::per_minute(WRONG_PER_MINUTE)),
        }
    }

    /// The operator, where the request has the key and comes from this machine. The right key is
    /// taken however often others were wrong: it has 256 random bits, and nobody shall be able to
    /// lock the operator out.
    ///
    /// # Errors
    /// `auth.operator`; `auth.throttled` after too many of those.
    pub(crate) fn identify(&self, parts: &Parts, ports: &Ports, key: &Secret) -> Result<Caller> {
        let is_right = self
            .digest
            .as_ref()
            .is_some_and(|digest| key.matches_digest(digest));
        if is_right && is_local(parts) {
            return Ok(Caller {
                ctx: Ctx::new(ports.clone(), Actor::LocalOperator, Grants::unlimited()),
                session: None,
                user: None,
            });
        }
        match self.wrong.check() {
            Ok(()) => Err(Error::unauthenticated(
                "auth.operator",
                "the operator's key is taken only on the server's own machine, and only the one of this start",
            )),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs().saturating_add(1);
                Err(Error::limit(
                    "auth.throttled",
                    format!("too many failed attempts; try again in {seconds} seconds"),
                )
                .after_seconds(seconds))
            }
        }
    }
}

/// The key of `Authorization: Gna-Operator …`, where that is what was sent.
pub(crate) fn key(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| Secret::new(key.trim()))
}

/// Whether a request comes from this machine, and from no proxy on it that says that it asks for
/// someone else. By the connection itself: what headers claim can only take away.
pub(crate) fn is_local(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback())
        && !FORWARDED
            .iter()
            .any(|name| parts.headers.contains_key(*name))
}
