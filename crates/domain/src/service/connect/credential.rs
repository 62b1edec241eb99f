//! Credentials as people see them: never their secrets.

use super::access::{Wish, listed, module, require};
use super::entity;
use crate::connect::Credential;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{CredentialId, OrganizationId};
use crate::page::{Page, PageRequest};
use crate::port::apps::Apps;
use crate::port::repo;
use crate::port::store::Stored;

/// What is shown of a credential: nothing that is sealed.
#[derive(Clone, Debug)]
pub struct Masked {
    pub credential: Credential,
    /// Names of its fields, and which of them are secrets.
    pub fields: Vec<(String, bool)>,
}

/// # Errors
/// `not_found` also where it belongs to somebody else, `auth.required`, or the store's.
pub async fn get(ctx: &Ctx, apps: &dyn Apps, id: CredentialId) -> Result<Masked> {
    let found = require::<Credential>(ctx, Wish::Read, id).await?;
    Ok(masked(apps, found))
}

/// Those of an organization for its owners, one's own for members; oldest first.
///
/// # Errors
/// As [`Ctx::permit`] of `connection.own`, or the store's.
pub async fn list(
    ctx: &Ctx,
    apps: &dyn Apps,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Masked>> {
    let id = organization.to_string();
    let page = match listed(ctx, organization)? {
        None => repo::list::<Credential>(ctx.store(), "by_organization", &[&id], false, page).await,
        Some(owner) => {
            let partition = [id.as_str(), &owner.to_string()];
            repo::list::<Credential>(ctx.store(), "by_owner", &partition, false, page).await
        }
    }?;
    Ok(page.map(|found| masked(apps, found)))
}

fn masked(apps: &dyn Apps, found: Stored<Credential>) -> Masked {
    mask(apps, found.value)
}

/// A credential with the names of its fields; none where its module is gone.
#[must_use]
pub fn mask(apps: &dyn Apps, credential: Credential) -> Masked {
    let fields = module(apps, credential.module.as_str())
        .map(|module| module.credential_fields())
        .unwrap_or_default();
    Masked {
        fields: fields
            .into_iter()
            .map(|field| (field.name, field.secret))
            .collect(),
        credential,
    }
}

/// Has tokens that are due renewed now instead of with the next call; others stay as they are.
///
/// # Errors
/// `credential.reconnect` where a person must connect the account again, `credential.busy`, the app's,
/// `not_found` also where it belongs to somebody else, or the store's.
pub async fn refresh(ctx: &Ctx, apps: &dyn Apps, id: CredentialId) -> Result<Masked> {
    let found = require::<Credential>(ctx, Wish::Change, id).await?;
    let fresh = apps.fresh(found).await?;
    Ok(masked(apps, fresh))
}

/// Removes a credential. Its entities go with it where `cascade` says so.
///
/// # Errors
/// `credential.in_use` where entities use it and `cascade` is not set, `not_found`, or the store's.
pub async fn delete(ctx: &Ctx, apps: &dyn Apps, id: CredentialId, cascade: bool) -> Result<()> {
    let found = require::<Credential>(ctx, Wish::Change, id).await?;
    if !found.entities.is_empty() && !cascade {
        return Err(Error::invalid(
            "credential.in_use",
            format!(
                "{} entities use this credential; delete them first, or all together with cascade=true",
                found.entities.len()
            ),
        ));
    }
    for entity in &found.entities {
        match entity::disconnect(ctx, apps, *entity).await {
            Err(error) if error.code() == "not_found" => {}
            done => done?,
        }
    }
    Ok(())
}
