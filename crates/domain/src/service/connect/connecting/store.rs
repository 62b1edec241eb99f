//! Finds or creates credential and entity of an account, in one commit.

use super::{Connected, Found, Identity};
use crate::connect::credential::refresh_digest;
use crate::connect::{AuthorizationSession, ConnectedEntity, Credential, Module};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::model::AuditEntry;
use crate::port::apps::Apps;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::service::access::retrying;
use crate::service::connect::authorize::no_session;
use crate::service::connect::secrets;

/// Stores what was found; tokens of an account that was connected before are replaced.
pub(super) async fn store(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    found: &Found,
    identity: &Identity,
) -> Result<Connected> {
    let once = || once(ctx, apps, module, found, identity);
    // Of two who connect the same account for the first time, one finds what the other made.
    retrying(|| async {
        match once().await {
            Err(error) if error.kind() == Kind::Conflict && error.code().ends_with(".exists") => {
                Err(Error::conflict("store.conflict", "somebody was faster"))
            }
            done => done,
        }
    })
    .await
}

async fn once(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    found: &Found,
    identity: &Identity,
) -> Result<Connected> {
    if let Some(session) = &found.session {
        let key = AuthorizationSession::key_of(session.user, &session.state);
        let open = repo::get_keys::<AuthorizationSession>(ctx.store(), &[key]).await?;
        if open.into_iter().flatten().next().is_none() {
            return Err(no_session());
        }
    }
    let (organization, owner) = (found.organization.to_string(), found.owner.to_string());
    let account = [
        organization.as_str(),
        &owner,
        module.name.as_str(),
        &identity.account.external_id,
    ];
    let entity = repo::find::<ConnectedEntity>(ctx.store(), "account", &account).await?;
    if let Some(wanted) = found.entity
        && entity.as_ref().map(|entity| entity.id) != Some(wanted)
    {
        return Err(Error::conflict(
            "authorization.other_account",
            format!(
                "you signed in to {} as {}, which is another account than the one to connect again",
                module.display.label, identity.account.display_name
            ),
        ));
    }
    let credential = repo::find::<Credential>(ctx.store(), "account", &account).await?;
    let now = ctx.now();
    let entity_id = entity
        .as_ref()
        .map_or_else(|| fresh(ctx.ports.ids.as_ref()), |entity| entity.id);
    let credential_id = credential
        .as_ref()
        .map_or_else(|| fresh(ctx.ports.ids.as_ref()), |credential| credential.id);
    let mut entities = credential
        .as_ref()
        .map(|credential| credential.entities.clone())
        .unwrap_or_default();
    if !entities.contains(&entity_id) {
        entities.push(entity_id);
    }
    let sealed = secrets::seal(
        apps.vault(),
        found.organization,
        credential_id,
        &found.sealed,
    )
    .await?;
    let next = Credential {
        id: credential_id,
        organization: found.organization,
        owner: found.owner,
        module: module.name.clone(),
        external_id: identity.account.external_id.clone(),
        connection: found.connection.clone(),
        sealed,
        refresh_digest: refresh_digest(&found.sealed),
        issued: now,
        access_expires: found.access_expires,
        refresh_expires: found.refresh_expires,
        valid: true,
        message: None,
        generation: credential
            .as_ref()
            .map_or(1, |credential| credential.generation + 1),
        intent: None,
        refusals: None,
        entities,
        created: credential
            .as_ref()
            .map_or(now, |credential| credential.created),
        updated: now,
    };
    let account = ConnectedEntity {
        id: entity_id,
        organization: found.organization,
        owner: found.owner,
        module: module.name.clone(),
        credential: credential_id,
        external_id: identity.account.external_id.clone(),
        name: identity.account.display_name.clone(),
        properties: identity.properties.clone(),
        created: entity.as_ref().map_or(now, |entity| entity.created),
        updated: now,
    };
    let is_new = entity.is_none();
    let mut changes = ChangeSet::new();
    put(
        &mut changes,
        credential.as_ref(),
        &next,
        credential_event(credential.as_ref()),
    )?;
    let verb = if is_new {
        "entity.connected"
    } else {
        "entity.reconnected"
    };
    put(&mut changes, entity.as_ref(), &account, verb)?;
    let subject = [credential_id.to_string(), entity_id.to_string()];
    let detail = serde_json::json!({
        "module": module.name.as_str(), "owner": found.owner, "name": account.name,
    });
    let entry = AuditEntry::new(ctx, Some(found.organization), verb, subject).with(detail);
    changes.create(&entry, None)?;
    if let Some(session) = &found.session {
        changes.delete(session, None);
    }
    ctx.store().commit(changes).await?;
    Ok(Connected {
        credential: next,
        entity: account,
        is_new,
    })
}

fn credential_event(before: Option<&Stored<Credential>>) -> &'static str {
    match before {
        None => "credential.created",
        Some(before) if before.valid => "credential.refreshed",
        Some(_) => "credential.validated",
    }
}

fn put<E: crate::port::Entity>(
    changes: &mut ChangeSet,
    before: Option<&Stored<E>>,
    next: &E,
    event: &str,
) -> Result<()> {
    match before {
        Some(before) => changes.update(before, next, Some(Event::named(event))),
        None => changes.create(next, Some(Event::named(event))),
    }
}
