//! Entity managers and integration managers: connecting accounts of external apps, and what is done
//! with them.
//!
//! Functions take the apps ([`crate::port::apps::Apps`]) beside the context. Read [`authorize`] first,
//! then [`integration`].

mod access;
pub mod authorize;
mod connecting;
pub mod credential;
pub mod entity;
pub mod integration;
pub mod landing;
pub mod module;
pub mod secrets;
pub mod take_over;
pub mod tokens;

pub use connecting::Connected;
