//! Making an integration. The same accounts, recipe, group and owner make it once, however often it
//! is asked for.

use serde_json::{Map, Value, json};

use super::change::with_missing;
use super::{allowed, recipe, schedule, work};
use crate::connect::integration::{Integration, Joined, Messages, Status};
use crate::connect::recipe::RecipeInfo;
use crate::connect::{ConnectedEntity, Owner};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::id::{EntityId, GroupId, OrganizationId};
use crate::model::AuditEntry;
use crate::port::apps::Apps;
use crate::port::recipes::Recipes;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::config;
use crate::rules::integration::{Happening, after, missing};
use crate::secret::Secret;
use crate::service::connect::access::{Wish, permit, require};
use crate::service::feed;

/// An integration to be made.
#[derive(Clone, Debug)]
pub struct NewIntegration {
    pub organization: OrganizationId,
    pub owner: Owner,
    /// Whose vulnerabilities it is about; `None` for all groups, or for recipes that are about none.
    pub group: Option<GroupId>,
    pub recipe: String,
    /// The accounts, in the order of the recipe's slots.
    pub entities: Vec<EntityId>,
    pub config: Map<String, Value>,
}

/// Makes it, or answers the one there is; a paused one goes on.
///
/// # Errors
/// `recipe.unknown`, `integration.accounts`, `integration.group`, `integration.config`, `not_found`
/// for accounts and groups that are not the caller's, not permitted, the app's when a one that there
/// is does not work, or the store's.
pub async fn create(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    new: NewIntegration,
) -> Result<Stored<Integration>> {
    permit(ctx, Wish::Change, new.organization, new.owner)?;
    let recipe = recipe(recipes, &new.recipe)?;
    let info = recipe.info();
    let entities = accounts(ctx, info, &new).await?;
    allowed::check(ctx, info, new.organization, new.group).await?;
    config::check(&info.config.schema, &new.config)?;
    let identity = identity(&new);
    if let Some(found) = there_is(ctx, &new, &identity).await? {
        return super::change::reconnected(ctx, apps, recipes, found).await;
    }
    // What happens from now on is told, also where nobody follows yet.
    feed::begin(ctx, super::FOLLOWER).await?;
    let now = ctx.now();
    let lacks = missing(&info.config.schema, &new.config);
    let complete = lacks.is_empty();
    let id = fresh(ctx.ports.ids.as_ref());
    let schedule = schedule::made(ctx, new.organization, id, info.every_seconds)?;
    let integration = Integration {
        id,
        organization: new.organization,
        owner: new.owner,
        group: new.group,
        recipe: new.recipe.clone(),
        version: info.version.clone(),
        entities,
        identity: identity.clone(),
        config: new.config.clone(),
        status: after(Status::InCreation, Happening::Made { complete }),
        messages: with_missing(&Messages::default(), &lacks, now),
        running: 0,
        schedule: schedule.as_ref().map(|schedule| schedule.id),
        created: now,
        updated: now,
    };
    let audit = AuditEntry::new(
        ctx,
        Some(new.organization),
        "integration.created",
        [integration.id.to_string()],
    )
    .with(json!({ "recipe": integration.recipe, "status": integration.status }));
    let mut changes = ChangeSet::new();
    changes.create(&integration, Some(Event::named("integration.created")))?;
    changes.create(&audit, None)?;
    changes.create(&work::begin(ctx, &integration), None)?;
    if let Some(schedule) = &schedule {
        changes.create(schedule, None)?;
    }
    match ctx.store().commit(changes).await {
        Ok(_) => Ok(Stored {
            value: integration,
            version: 1,
        }),
        // Somebody asked for the same at the same moment.
        Err(error) if error.kind() == Kind::Conflict => {
            there_is(ctx, &new, &identity).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// The accounts fit the recipe's slots, one each.
async fn accounts(ctx: &Ctx, info: &RecipeInfo, new: &NewIntegration) -> Result<Vec<Joined>> {
    let wrong = |text: String| Error::invalid("integration.accounts", text).on_field("entities");
    if new.entities.len() != info.slots.len() {
        let slots: Vec<String> = info
            .slots
            .iter()
            .map(|slot| format!("{} ({})", slot.key, slot.modules.join(" or ")))
            .collect();
        return Err(wrong(format!(
            "this recipe needs {} connected accounts: {}",
            info.slots.len(),
            slots.join(", ")
        )));
    }
    let mut joined = Vec::with_capacity(info.slots.len());
    for (slot, id) in info.slots.iter().zip(&new.entities) {
        let entity = require::<ConnectedEntity>(ctx, Wish::Read, *id).await?;
        if entity.organization != new.organization {
            return Err(ctx.absent::<ConnectedEntity>());
        }
        let module = entity.module.as_str();
        if !slot.modules.iter().any(|known| known == module) {
            return Err(wrong(format!(
                "{} must be an account of {}, not of {module}",
                slot.key,
                slot.modules.join(" or "),
            )));
        }
        joined.push(Joined {
            slot: slot.key.clone(),
            entity: *id,
        });
    }
    Ok(joined)
}

fn identity(new: &NewIntegration) -> String {
    let accounts: Vec<String> = new.entities.iter().map(ToString::to_string).collect();
    let group = new.group.map(|group| group.to_string()).unwrap_or_default();
    let parts = [
        new.owner.to_string(),
        new.recipe.clone(),
        group,
        accounts.join("\n"),
    ];
    Secret::new(parts.join("\n")).digest()
}

async fn there_is(
    ctx: &Ctx,
    new: &NewIntegration,
    identity: &str,
) -> Result<Option<Stored<Integration>>> {
    let organization = new.organization.to_string();
    repo::find::<Integration>(ctx.store(), "identity", &[&organization, identity]).await
}
