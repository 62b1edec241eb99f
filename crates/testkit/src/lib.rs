//! For tests only: a whole Gna without sockets, on the store that is asked for.
//!
//! [`World`] holds the ports; [`World::organization`] and the like build what a test needs;
//! [`World::run_jobs`] does what a worker would do, until nothing is due.

mod apps;
mod between;
mod build;
mod egress;
pub mod guide;
mod late;
mod outside;
mod recipes;
mod redmine;
mod reports;
mod world;

pub use apps::{PUBLIC_URL, RIGHT_KEY};
pub use between::{AtCommit, AtIndex, SearchBetween, StoreBetween};
pub use egress::FakeEgress;
pub use late::Late;
pub use outside::{FakeClock, MemoryBlobs, PlainPasswords, SequenceIds};
pub use recipes::Fakes;
pub use redmine::{Redmine, RedmineIssue};
pub use reports::{Issue, sarif, trivy};
pub use world::{Stores, World};
