//! The gate: whether what is present on a ref may pass.
//!
//! One engine for the server and for the command line without one. [`limits`] says by which terms
//! ([`Terms`]) is judged, [`judge`] judges one vulnerability ([`Candidate`]) by them, [`report`]
//! makes candidates of report files, [`snapshot`] is what a machine without a server needs to know,
//! and [`seal`] keeps that from being changed on the way.

mod judge;
mod limits;
mod report;
pub mod seal;
mod snapshot;

#[cfg(test)]
mod properties;

pub use judge::{Acceptance, Candidate, Counts, Judgement, Spared, Verdict, judge};
pub use limits::{Limits, Terms};
pub use report::{Basis, Item, Judged, candidates};
pub use snapshot::{Entry, Snapshot};
