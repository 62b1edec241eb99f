//! The desk of one integration: its accounts, as they are now.

use std::collections::BTreeMap;

use crate::connect::integration::Integration;
use crate::connect::{ConnectedEntity, Credential};
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{CredentialId, EntityId};
use crate::port::apps::Apps;
use crate::port::jobs::Claimed;
use crate::port::recipes::{Account, Desk};
use crate::port::repo;
use crate::port::store::Stored;

/// Accounts that are gone are left out; the recipe is told when it asks for one.
///
/// # Errors
/// The store's.
pub(crate) async fn desk<'a>(
    ctx: &Ctx,
    apps: &'a dyn Apps,
    integration: Stored<Integration>,
    claimed: Option<&'a Claimed>,
) -> Result<Desk<'a>> {
    let ids: Vec<EntityId> = integration
        .entities
        .iter()
        .map(|joined| joined.entity)
        .collect();
    let entities = repo::get_many::<ConnectedEntity>(ctx.store(), &ids).await?;
    let credentials: Vec<CredentialId> = entities
        .iter()
        .flatten()
        .map(|entity| entity.credential)
        .collect();
    let credentials = repo::get_many::<Credential>(ctx.store(), &credentials).await?;
    let connections: BTreeMap<CredentialId, _> = credentials
        .into_iter()
        .flatten()
        .map(|credential| (credential.id, credential.value.connection))
        .collect();
    let accounts = integration
        .entities
        .iter()
        .zip(entities)
        .filter_map(|(joined, entity)| {
            let entity = entity?.value;
            let connection = connections
                .get(&entity.credential)
                .cloned()
                .unwrap_or_default();
            Some((joined.slot.clone(), Account { entity, connection }))
        })
        .collect();
    Ok(Desk {
        ctx: Ctx::integration(ctx.ports.clone(), integration.id),
        apps,
        integration,
        accounts,
        claimed,
    })
}
