//! Numbers that are looked up when someone reads `/metrics`, by whoever has what they rest on.

use async_trait::async_trait;
use gna_domain::error::Result;

/// Sets gauges to how things are now.
#[async_trait]
pub trait Gauges: Send + Sync + 'static {
    /// # Errors
    /// The store's; the other numbers are told all the same.
    async fn look(&self) -> Result<()>;
}
