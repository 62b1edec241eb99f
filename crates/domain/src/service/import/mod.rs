//! The import of one report, as a durable job: read it wholly, plan, apply in chunks, close what is
//! gone, finish. Each commit carries the report's own progress, so that a job that was killed at
//! any point goes on from there and ends in the same result.
//!
//! Read in this order: [`reading`], [`planning`], [`applying`], [`closing`].

mod apart;
mod applying;
mod closing;
mod findings;
mod identities;
mod planning;
mod reading;
mod run;

pub use applying::presence;
pub use identities::{Identities, bytes_of};
pub(super) use reading::on_thread;
pub use run::{ImportHandler, payload};

/// Kind of the job that imports a report.
pub const KIND: &str = "import.report";

/// Imports into one asset take turns: this is their lane.
#[must_use]
pub fn lane(asset: crate::id::AssetId) -> String {
    format!("asset:{asset}")
}
