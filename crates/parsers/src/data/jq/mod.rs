//! jq programs in a child process: the language, the wire between the two processes, the limits.
//!
//! What it is not: it knows no report and no finding; items go in as JSON, outputs come back as
//! JSON. The parent never runs a program itself. Read next: `session.rs` for the parent's side,
//! `child.rs` for the other one.

mod child;
mod frame;
mod process;
mod program;
mod session;

pub use child::child_main;
pub use process::{Runner, WORKER_COMMAND};
pub use program::check;
pub use session::{Answer, Session, Setup};
