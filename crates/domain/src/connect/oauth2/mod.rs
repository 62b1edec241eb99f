//! OAuth 2.0 messages, built and read: no I/O, no clock, no randomness.
//!
//! The caller brings verifier, state and time, sends the request through the egress, and commits
//! what came back before it is used. Sources: RFC 6749 (the framework), RFC 7636 (PKCE), RFC 7009
//! (revocation), RFC 7523 (JWT grants), RFC 9700 (current practice).

mod answer;
mod authorize;
mod failure;
mod jwt;
mod request;

pub use answer::{Tokens, read};
pub use authorize::{Authorize, authorize_url, challenge, check_verifier};
pub use failure::{Refused, Verdict, classify};
pub use jwt::{JwtSigner, SigningInput, exchange, signing_input};
pub use request::{Client, client_credentials, code, password, refresh, revoke};

#[cfg(test)]
#[path = "tests/cases.rs"]
mod cases;
