//! Entity managers: connecting accounts of external apps, and what becomes of them.
//!
//! Functions take the apps ([`crate::port::apps::Apps`]) beside the context. Read [`authorize`] first.

mod access;
pub mod authorize;
mod connecting;
pub mod credential;
pub mod entity;
pub mod secrets;
pub mod tokens;

pub use connecting::Connected;
