//! Who does what [`crate::kernel`] asks: one file or folder per store, opened by URL.
//!
//! Start with [`memory`], the model that shows what every operation means; then [`sqlite`], the
//! default, and `postgres`, `dynamodb` and `mongodb`, which several processes share; [`registry`] turns a URL into
//! one of them. [`lagging`] and [`counting`] wrap another backend for tests. `cursor`, `intern`, `rules`, `slots` and `waits`
//! are what backends share.

pub mod counting;
mod cursor;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod intern;
pub mod lagging;
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod registry;
mod rules;
#[cfg(any(feature = "dynamodb", feature = "mongodb"))]
mod slots;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "dynamodb", feature = "mongodb"))]
mod waits;

use gna_domain::time::Timestamp;
use std::sync::Arc;

/// The time, as a backend sees it: it decides which items have expired.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
