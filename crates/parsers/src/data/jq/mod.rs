//! jq programs in a child process: the language, the wire between the two processes, the limits.
//!
//! What it is not: it knows no report and no finding; items go in as JSON, outputs come back as
//! JSON. The parent never runs a program itself. Read next: `session.rs` for the parent's side,
//! `child.rs` for the other one.

#[cfg(feature = "jq")]
mod child;
mod frame;
mod process;
#[cfg(feature = "jq")]
mod program;
mod session;
#[cfg(not(feature = "jq"))]
mod without;

#[cfg(feature = "jq")]
pub use child::child_main;
pub use process::{Runner, WORKER_COMMAND};
#[cfg(feature = "jq")]
pub use program::check;
pub use session::{Answer, Session, Setup};
#[cfg(not(feature = "jq"))]
pub use without::{check, child_main};

/// Why a program does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramError {
    /// Line inside the program, from 1, where it is known.
    pub line: Option<usize>,
    pub message: String,
}
