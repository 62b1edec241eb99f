//! What is looked up when someone reads `/metrics` or asks for health, by whoever has what it rests on.

use async_trait::async_trait;
use gna_domain::error::Result;

/// Sets gauges to how things are now.
#[async_trait]
pub trait Gauges: Send + Sync + 'static {
    /// # Errors
    /// The store's; the other numbers are told all the same.
    async fn look(&self) -> Result<()>;
}

/// A task that goes on for as long as the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskState {
    pub name: &'static str,
    /// Whether it runs, and has for a while if it ever stopped.
    pub is_well: bool,
    /// How often it stopped and was begun again.
    pub restarts: u64,
}

/// The tasks of this process.
pub trait Tasks: Send + Sync + 'static {
    /// How they are, by name.
    fn look(&self) -> Vec<TaskState>;
}
