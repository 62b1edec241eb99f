//! Changing an integration: configuration, pause, and going on.

use serde_json::{Map, Value, json};

use super::status::{note_accounts, try_accounts};
use super::{allowed, recipe, schedule};
use crate::connect::integration::{Integration, Level, Messages};
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::IntegrationId;
use crate::model::AuditEntry;
use crate::port::apps::Apps;
use crate::port::recipes::Recipes;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::rules::config;
use crate::rules::integration::{Happening, Work, after, missing, patched, while_running, work};
use crate::service::access::retrying;
use crate::service::connect::access::{Wish, require};
use crate::time::Timestamp;

/// Title of the messages that tell what is not configured.
pub(super) const CONFIGURATION: &str = "Configuration";

/// Messages that say what is missing, and no longer what is there.
pub(super) fn with_missing(messages: &Messages, lacks: &[String], now: Timestamp) -> Messages {
    let fresh = messages.without(CONFIGURATION);
    lacks.iter().fold(fresh, |messages, key| {
        let text = format!("{key} is required");
        messages.with(Level::Warning, CONFIGURATION, &text, now)
    })
}

/// Whether everything that is required is configured, as the messages have it: they are kept in step
/// with the configuration in every status.
pub(super) fn lacks_nothing(messages: &Messages) -> bool {
    let mut warnings = messages.warnings.iter();
    !warnings.any(|message| message.title == CONFIGURATION)
}

/// Replaces the named keys of the configuration; null removes one.
///
/// # Errors
/// `integration.config`, `recipe.unknown`, `not_found` also where it belongs to somebody else, or
/// the store's.
pub async fn configure(
    ctx: &Ctx,
    recipes: &dyn Recipes,
    id: IntegrationId,
    change: &Map<String, Value>,
) -> Result<Stored<Integration>> {
    retrying(|| async {
        let current = require::<Integration>(ctx, Wish::Change, id).await?;
        let recipe = recipe(recipes, &current.recipe)?;
        let schema = &recipe.info().config.schema;
        let config = patched(&current.config, change);
        config::check(schema, &config)?;
        let lacks = missing(schema, &config);
        let complete = lacks.is_empty();
        let next = Integration {
            config,
            status: after(current.status, Happening::Configured { complete }),
            messages: with_missing(&current.messages, &lacks, ctx.now()),
            ..current.value.clone()
        };
        // Values may be private to the app: the log tells which were changed, not what they are.
        let keys: Vec<&String> = change.keys().collect();
        let detail = json!({ "keys": keys });
        let event = "integration.configured";
        save(ctx, &current, next, event, detail, ChangeSet::new()).await
    })
    .await
}

/// Stops it until somebody goes on with it. Work that comes meanwhile is dropped.
///
/// # Errors
/// `not_found` also where it belongs to somebody else, or the store's.
pub async fn pause(ctx: &Ctx, id: IntegrationId) -> Result<Stored<Integration>> {
    retrying(|| async {
        let current = require::<Integration>(ctx, Wish::Change, id).await?;
        let status = after(current.status, Happening::Paused);
        if status == current.status {
            return Ok(current);
        }
        let next = Integration {
            status,
            ..current.value.clone()
        };
        let mut changes = ChangeSet::new();
        schedule::switch(ctx, &mut changes, current.schedule, false).await?;
        let detail = json!({ "status": status });
        save(ctx, &current, next, "integration.paused", detail, changes).await
    })
    .await
}

/// Goes on with it, and looks at its app at once for what was missed.
///
/// # Errors
/// As [`pause`], `recipe.unknown`, and not permitted where the caller may not do what it does.
pub async fn resume(
    ctx: &Ctx,
    recipes: &dyn Recipes,
    id: IntegrationId,
) -> Result<Stored<Integration>> {
    retrying(|| async {
        let current = require::<Integration>(ctx, Wish::Change, id).await?;
        let recipe = recipe(recipes, &current.recipe)?;
        allowed::check(ctx, recipe.info(), current.organization, current.group).await?;
        let complete = missing(&recipe.info().config.schema, &current.config).is_empty();
        let resumed = after(current.status, Happening::Resumed { complete });
        let status = while_running(resumed, current.running, complete);
        if status == current.status {
            return Ok(current);
        }
        let next = Integration {
            status,
            ..current.value.clone()
        };
        let mut changes = ChangeSet::new();
        if work(current.status) == Work::Drop {
            schedule::switch(ctx, &mut changes, current.schedule, true).await?;
            changes.create(&super::work::begin(ctx, &next), None)?;
        }
        let detail = json!({ "status": status });
        save(ctx, &current, next, "integration.resumed", detail, changes).await
    })
    .await
}

/// What asking once more for an integration that there is does: its accounts are tested, and it
/// goes on.
pub(super) async fn reconnected(
    ctx: &Ctx,
    apps: &dyn Apps,
    recipes: &dyn Recipes,
    found: Stored<Integration>,
) -> Result<Stored<Integration>> {
    let tried = try_accounts(ctx, apps, &found).await;
    note_accounts(ctx, found.id, tried.as_ref().err()).await?;
    tried?;
    resume(ctx, recipes, found.id).await
}

async fn save(
    ctx: &Ctx,
    current: &Stored<Integration>,
    next: Integration,
    event: &'static str,
    detail: Value,
    mut changes: ChangeSet,
) -> Result<Stored<Integration>> {
    let next = Integration {
        updated: ctx.now(),
        ..next
    };
    let id = next.id.to_string();
    let audit = AuditEntry::new(ctx, Some(next.organization), event, [id]).with(detail);
    changes.update(current, &next, Some(Event::named(event)))?;
    changes.create(&audit, None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: next,
        version: current.version + 1,
    })
}
