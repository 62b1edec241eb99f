//! The egress port over `reqwest`: guard, redirects, limits.
//!
//! `resolve` is the guard where it counts, inside the connector: only addresses that were judged
//! are connected to, so that a name that changes its mind between check and use gains nothing.
//! `send` does one request with its redirects; `read` takes the answer under limits; `error` says
//! what went wrong and whether anything may have been sent.

mod error;
mod read;
mod resolve;
mod send;

pub use resolve::{Lookup, SystemLookup};
pub use send::{EgressConfig, HttpEgress};
