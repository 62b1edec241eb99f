//! Connected accounts: look at them, test them, choose in them, disconnect them.

use serde_json::{Map, Value};

use super::access::{Wish, listed, module, require};
use super::secrets;
use crate::connect::module::{Auth, PageState};
use crate::connect::{ConnectedEntity, Credential, oauth2};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::id::{EntityId, OrganizationId};
use crate::model::AuditEntry;
use crate::page::{Page, PageRequest};
use crate::port::apps::{Apps, Ask};
use crate::port::repo;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::rules::refresh::ANSWER_MS;
use crate::secret::Secret;
use crate::service::access::retrying;

/// Most options that are read, in pages of the app.
const OPTION_PAGES: usize = 10;

/// One thing to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub value: Value,
    pub title: String,
}

/// # Errors
/// `not_found` also where it belongs to somebody else, `auth.required`, or the store's.
pub async fn get(ctx: &Ctx, id: EntityId) -> Result<ConnectedEntity> {
    let found = require::<ConnectedEntity>(ctx, Wish::Read, id).await?;
    Ok(found.value)
}

/// Those of an organization for its owners, one's own for members; oldest first.
///
/// # Errors
/// As [`Ctx::permit`] of `connection.own`, or the store's.
pub async fn list(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<ConnectedEntity>> {
    let id = organization.to_string();
    let page = match listed(ctx, organization)? {
        None => {
            repo::list::<ConnectedEntity>(ctx.store(), "by_organization", &[&id], false, page).await
        }
        Some(owner) => {
            let partition = [id.as_str(), &owner.to_string()];
            repo::list::<ConnectedEntity>(ctx.store(), "by_owner", &partition, false, page).await
        }
    }?;
    Ok(page.map(|found| found.value))
}

/// Whether the connection works. A credential that did not and does again is marked so.
///
/// # Errors
/// `credential.reconnect`, the app's, `not_found`, or the store's.
pub async fn test(ctx: &Ctx, apps: &dyn Apps, id: EntityId) -> Result<()> {
    let found = require::<ConnectedEntity>(ctx, Wish::Read, id).await?;
    let module = module(apps, found.module.as_str())?;
    if module.test.is_none() {
        let credential = repo::require::<Credential>(ctx.store(), found.credential).await?;
        return apps.fresh(credential).await.map(|_| ());
    }
    apps.call(&found, Ask::Test).await.map(|_| ())
}

/// What [`test`] showed: nothing where the connection works, otherwise what the app or the state of the
/// credential says against it.
///
/// # Errors
/// `not_found`, or the store's: what says nothing about the connection.
pub async fn verdict(ctx: &Ctx, apps: &dyn Apps, id: EntityId) -> Result<Option<Error>> {
    match test(ctx, apps, id).await {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == Kind::Upstream => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// What can be chosen in the account, like its projects; empty where the module has no such list.
///
/// # Errors
/// As [`test`].
pub async fn options(ctx: &Ctx, apps: &dyn Apps, id: EntityId) -> Result<Vec<Choice>> {
    let found = require::<ConnectedEntity>(ctx, Wish::Read, id).await?;
    let module = module(apps, found.module.as_str())?;
    let Some(options) = &module.entity_options else {
        return Ok(Vec::new());
    };
    let values = secrets::values(&module, &Map::new(), &Map::new(), &found.properties);
    let mut page: Option<PageState> = None;
    let mut choices = Vec::new();
    for _ in 0..OPTION_PAGES {
        let ask = Ask::Operation {
            name: &options.operation,
            input: Value::Object(Map::new()),
            page: page.clone(),
        };
        let answer = apps.call(&found, ask).await?;
        let output =
            module.operation_output(&options.operation, &values, page.as_ref(), &answer)?;
        let crate::connect::module::Output::Page { items, next, .. } = output else {
            break;
        };
        choices.extend(items.iter().filter_map(|item| {
            let value = item.get(&options.value)?.clone();
            let title = item.get(&options.title).map_or_else(
                || value.to_string(),
                |title| {
                    title
                        .as_str()
                        .map_or_else(|| title.to_string(), str::to_owned)
                },
            );
            Some(Choice { value, title })
        }));
        match next {
            Some(next) => page = Some(next),
            None => break,
        }
    }
    Ok(choices)
}

/// Disconnects an account: the entity goes, its credential too where nothing else uses it, and the app
/// is told where it can be.
///
/// # Errors
/// `not_found` also where it belongs to somebody else, `auth.required`, or the store's.
pub async fn disconnect(ctx: &Ctx, apps: &dyn Apps, id: EntityId) -> Result<()> {
    let purged = retrying(|| remove(ctx, id)).await?;
    if let Some(credential) = purged {
        revoke(apps, &credential).await;
    }
    Ok(())
}

/// Answers the credential that went with it.
async fn remove(ctx: &Ctx, id: EntityId) -> Result<Option<Credential>> {
    let found = require::<ConnectedEntity>(ctx, Wish::Change, id).await?;
    let credential = repo::get::<Credential>(ctx.store(), found.credential).await?;
    let mut changes = ChangeSet::new();
    changes.delete(&found, Some(Event::named("entity.disconnected")));
    let mut purged = None;
    if let Some(credential) = credential {
        purged = without(ctx, &mut changes, credential, id)?;
    }
    let subject = [found.credential.to_string(), id.to_string()];
    let detail = serde_json::json!({
        "module": found.module.as_str(), "name": found.name, "credential_purged": purged.is_some(),
    });
    let organization = Some(found.organization);
    let entry = AuditEntry::new(ctx, organization, "entity.disconnected", subject).with(detail);
    changes.create(&entry, None)?;
    ctx.store().commit(changes).await?;
    Ok(purged)
}

fn without(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    credential: Stored<Credential>,
    entity: EntityId,
) -> Result<Option<Credential>> {
    let mut entities = credential.entities.clone();
    entities.retain(|other| *other != entity);
    if entities.is_empty() {
        changes.delete(&credential, Some(Event::named("credential.deleted")));
        return Ok(Some(credential.value));
    }
    let next = Credential {
        entities,
        updated: ctx.now(),
        ..credential.value.clone()
    };
    changes.update(&credential, &next, None)?;
    Ok(None)
}

/// Tells the app, as well as can be: the secrets are gone here whatever it answers.
async fn revoke(apps: &dyn Apps, credential: &Credential) {
    if let Err(error) = try_revoke(apps, credential).await {
        tracing::warn!(
            module = credential.module.as_str(),
            code = error.code(),
            "a disconnected account's tokens could not be revoked at the app"
        );
    }
}

async fn try_revoke(apps: &dyn Apps, credential: &Credential) -> Result<()> {
    let module = module(apps, credential.module.as_str())?;
    let Auth::Oauth2Code(kind) = &module.auth else {
        return Ok(());
    };
    let sealed = secrets::open(apps.vault(), credential).await?;
    let values = secrets::values(&module, &credential.connection, &sealed, &Map::new());
    let token = ["refresh_token", "access_token"]
        .into_iter()
        .find_map(|name| values.text("credential", name));
    let Some(token) = token.map(Secret::new) else {
        return Ok(());
    };
    let client = secrets::client(apps, &module, &values)?;
    let Some(request) = oauth2::revoke(&module, kind, &client, &token, &values)? else {
        return Ok(());
    };
    let answer = apps.exchange(request, ANSWER_MS).await?;
    if (200..300).contains(&answer.status) {
        Ok(())
    } else {
        Err(Error::new(
            Kind::Upstream,
            "app.refused",
            format!("the app answered {}", answer.status),
        ))
    }
}
