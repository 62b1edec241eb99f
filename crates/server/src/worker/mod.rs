//! The worker: takes durable jobs and runs their handlers, follows the feed, tidies.
//!
//! Nothing here polls: the loop sleeps until a commit writes a job or the next one is due. Read
//! next: `dispatch.rs` (which job), `run.rs` (one job from lease to end), `follow.rs`.

mod dispatch;
mod follow;
mod run;

pub use dispatch::Worker;
pub use follow::{follow, tidy_hourly};

#[cfg(test)]
mod tests;
