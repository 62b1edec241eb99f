//! The domain of Gna: nouns (`model`), pure decisions (`rules`), who may do what (`policy`), and
//! services that load, decide and commit (`service`), all against the ports in `port`.
//!
//! It never names a backend, an HTTP status or a vendor's driver, and has no clock of its own.

pub mod connect;
pub mod ctx;
pub mod error;
pub mod id;
pub mod import;
pub mod model;
pub mod page;
pub mod policy;
pub mod port;
pub mod rules;
pub mod secret;
pub mod service;
pub mod time;

pub use ctx::{Actor, Ctx, Grants, Ports, Resource};
pub use error::{Error, Kind, Result};
