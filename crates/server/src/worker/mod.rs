//! The worker: takes durable jobs and runs their handlers, follows the feed, keeps schedules.
//!
//! Nothing here polls: the loop sleeps until a commit writes a job or the next one is due. Read
//! next: `dispatch.rs` (which job), `run.rs` (one job from lease to end), `follow.rs`, `schedule.rs`,
//! `keep.rs` (what goes on for as long as the server).

mod dispatch;
mod follow;
mod keep;
mod run;
mod schedule;

pub use dispatch::{Slots, Worker};
pub use follow::follow;
pub use keep::{Kept, keep};
pub use schedule::keep_schedules;

#[cfg(test)]
mod tests;
