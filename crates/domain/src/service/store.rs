//! Care for the store itself: looking for damage, copying it while it is in use.

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::model::AuditEntry;
use crate::policy::Action;
use crate::port::ChangeSet;
use crate::port::store::Backup;

/// Names each damaged place; empty when all is well. Reads the whole store.
///
/// # Errors
/// As [`Ctx::permit`] of `instance.manage`, or the store's.
pub async fn check(ctx: &Ctx) -> Result<Vec<String>> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    ctx.store().check().await
}

/// Copies the store into a new file beside it. Where the file is put and how it is called is not
/// the caller's to say: a caller over the network must not choose a place on this machine.
///
/// # Errors
/// As [`Ctx::permit`] of `instance.manage`, `store.no_file`, or the store's.
pub async fn backup(ctx: &Ctx) -> Result<Backup> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    let day: String = ctx.now().to_string().chars().take(10).collect();
    let name = format!("gna-{day}-{}.db", ctx.ports.ids.uuid().simple());
    let made = ctx.store().backup(&name).await?.ok_or_else(|| {
        Error::invalid(
            "store.no_file",
            "this store is not a file; copy it by its own means",
        )
    })?;
    let mut changes = ChangeSet::new();
    let entry = AuditEntry::new(ctx, None, "store.backed_up", [name]);
    let detail = serde_json::json!({ "bytes": made.bytes });
    changes.create(&entry.with(detail), None)?;
    ctx.store().commit(changes).await?;
    Ok(made)
}
