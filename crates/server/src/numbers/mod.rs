//! What the server counts of its own work, for `/metrics`. No label names a tenant or a person.
//!
//! [`store`] stands around the store: it times every call and sees each import end. [`gauges`] looks
//! at what has no moment of its own when someone asks. Jobs are counted where they end, in
//! [`crate::worker`].

mod gauges;
mod imports;
mod store;

pub use gauges::Backlog;
pub use store::Counted;
