//! Having an integration look at its app before its time. For recipes' user actions.

use super::work;
use crate::error::Result;
use crate::port::recipes::Desk;
use crate::port::store::ChangeSet;

/// Queues one look. It takes its turn with the integration's other work: what a user wants at once
/// must not run beside a look that is under way, which would make things twice.
///
/// # Errors
/// The store's.
pub async fn soon(desk: &Desk<'_>) -> Result<()> {
    let mut changes = ChangeSet::new();
    changes.create(&work::look(&desk.ctx, &desk.integration), None)?;
    desk.commit(changes).await
}
