//! Who may do what with whose connection: owners of the organization with all, its members with
//! their own.

use crate::connect::{ConnectedEntity, Credential, Module, Owner};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
use crate::policy::Action;
use crate::port::apps::Apps;
use crate::port::repo;
use crate::port::store::{ById, Stored};
use std::sync::Arc;

/// What is owned by an organization or a person in it.
pub(crate) trait Owned: ById {
    fn organization(&self) -> OrganizationId;
    fn owner(&self) -> Owner;
}

impl Owned for Credential {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
    fn owner(&self) -> Owner {
        self.owner
    }
}

impl Owned for ConnectedEntity {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
    fn owner(&self) -> Owner {
        self.owner
    }
}

/// What the caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Read,
    Change,
}

impl Wish {
    fn of_all(self) -> Action {
        match self {
            Self::Read => Action::ConnectionRead,
            Self::Change => Action::ConnectionManage,
        }
    }
}

/// # Errors
/// As [`Ctx::permit`].
pub(crate) fn permit(
    ctx: &Ctx,
    wish: Wish,
    organization: OrganizationId,
    owner: Owner,
) -> Result<()> {
    let resource = Resource::Organization(organization);
    let is_own = owner.user().is_some() && owner.user() == ctx.actor.user();
    if is_own && ctx.can(Action::ConnectionOwn, resource) {
        return Ok(());
    }
    ctx.permit(wish.of_all(), resource)
}

/// A record that is there for the caller.
///
/// # Errors
/// `not_found` also where it belongs to somebody else, `auth.required`, or the store's.
pub(crate) async fn require<E: Owned>(ctx: &Ctx, wish: Wish, id: E::Id) -> Result<Stored<E>> {
    crate::service::access::not_anonymous(ctx)?;
    let found = repo::get::<E>(ctx.store(), id)
        .await?
        .ok_or_else(|| ctx.absent::<E>())?;
    permit(ctx, wish, found.organization(), found.owner()).map_err(|_| ctx.absent::<E>())?;
    Ok(found)
}

/// Whose records a list is about: everybody's for owners, one's own otherwise.
///
/// # Errors
/// As [`Ctx::permit`] of `connection.own`.
pub(crate) fn listed(ctx: &Ctx, organization: OrganizationId) -> Result<Option<Owner>> {
    let resource = Resource::Organization(organization);
    if ctx.can(Action::ConnectionRead, resource) {
        return Ok(None);
    }
    ctx.permit(Action::ConnectionOwn, resource)?;
    let own = ctx.actor.user().map(Owner::User);
    own.map(Some).ok_or_else(|| ctx.absent::<ConnectedEntity>())
}

/// The person that connects, for programs the one they act for.
///
/// # Errors
/// `auth.required`, `auth.person_required`.
pub(crate) fn person(ctx: &Ctx) -> Result<UserId> {
    crate::service::access::not_anonymous(ctx)?;
    ctx.actor.user().ok_or_else(|| {
        Error::forbidden(
            "auth.person_required",
            "accounts are connected by a person, or with a person's own token",
        )
    })
}

/// # Errors
/// `module.unknown` with the names there are.
pub(crate) fn module(apps: &dyn Apps, name: &str) -> Result<Arc<Module>> {
    apps.module(name).ok_or_else(|| {
        let known: Vec<String> = apps
            .modules()
            .iter()
            .map(|module| module.name.to_string())
            .collect();
        let name: String = name.chars().take(60).collect();
        Error::invalid(
            "module.unknown",
            format!(
                "there is no module {name:?}; there are {}",
                known.join(", ")
            ),
        )
        .on_field("module")
    })
}
