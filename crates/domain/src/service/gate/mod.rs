//! The gate online: verdicts on reports, their record, and snapshots for verdicts without a server.
//! The rules are in [`crate::rules::gate`].

mod key;
mod run;
mod snapshot;

pub use key::public_key;
pub use run::{LISTED, Ran, RunGate, get, of_group, run};
pub use snapshot::{Sealed, asset_named, snapshot};
