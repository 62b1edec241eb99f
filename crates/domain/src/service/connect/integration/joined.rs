//! The accounts of integrations, read at once for a whole list.

use std::collections::{BTreeSet, HashMap};

use crate::connect::ConnectedEntity;
use crate::connect::integration::Integration;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::EntityId;
use crate::port::repo;

/// The accounts that integrations join, by id; those that are gone are left out. Whoever reaches an
/// integration may know what it joins, so this asks no more than who has the integrations already.
///
/// # Errors
/// The store's.
pub async fn accounts(
    ctx: &Ctx,
    integrations: &[Integration],
) -> Result<HashMap<EntityId, ConnectedEntity>> {
    let ids: BTreeSet<EntityId> = integrations
        .iter()
        .flat_map(|integration| &integration.entities)
        .map(|joined| joined.entity)
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<EntityId> = ids.into_iter().collect();
    let found = repo::get_many::<ConnectedEntity>(ctx.store(), &ids).await?;
    let found = found.into_iter().flatten();
    Ok(found.map(|found| (found.id, found.value)).collect())
}
