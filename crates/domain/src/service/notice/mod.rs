//! Notices by e-mail. Read in this order: `preferences.rs` (what a person wants), `follow.rs` (from the
//! feed to what waits for each), `gather.rs` (the job that makes letters of it), `post.rs` (the job
//! that sends one), `summary.rs` (periodic reports), `unsubscribe.rs` (the one request that mail programs make).

pub mod follow;
pub mod gather;
pub mod post;
pub mod preferences;
pub mod summary;
pub mod unsubscribe;

pub use gather::GatherHandler;
pub use post::PostHandler;
pub use summary::ReportsHandler;
