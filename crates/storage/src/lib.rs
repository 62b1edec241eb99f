//! Data access: the domain's store, search and blob ports over swappable backends.
//!
//! Read [`kernel`] first (what a backend must do), then `backend/` (who does it), `repo/` (how the
//! store port is built on it, once), `search/` and `conformance/`.

pub mod backend;
pub mod collection;
pub mod conformance;
pub mod copy;
pub mod kernel;
pub mod repo;
pub mod search;
