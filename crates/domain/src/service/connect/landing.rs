//! The end of a connection by its state alone: for our own page, to which an app sends people back.
//!
//! The state finds the session of who began, so nothing else has to be said; it does not find that of
//! anybody else.

use std::sync::Arc;

use super::access::{self, Wish, permit};
use super::authorize::{self, Complete, Completed};
use crate::connect::{AuthorizationSession, Module, Owner};
use crate::ctx::Ctx;
use crate::error::Result;
use crate::model::Organization;
use crate::port::apps::Apps;
use crate::port::repo;
use crate::port::store::Stored;
use crate::secret::Secret;

/// A connection that is being made, as its person is shown it.
#[derive(Clone, Debug)]
pub struct Pending {
    pub module: Arc<Module>,
    pub organization: Organization,
    /// For the organization, not for the person alone.
    pub is_shared: bool,
    /// Whether an account that is known is connected again.
    pub is_again: bool,
}

/// What the state belongs to; changes nothing.
///
/// # Errors
/// `auth.required`, `auth.person_required`, `authorization.expired`, `module.unknown`, `not_found` where
/// the person has left the organization, or the store's.
pub async fn pending(ctx: &Ctx, apps: &dyn Apps, state: &Secret) -> Result<Pending> {
    let session = session(ctx, state).await?;
    permit(ctx, Wish::Change, session.organization, session.owner)?;
    let organization = repo::require::<Organization>(ctx.store(), session.organization).await?;
    Ok(Pending {
        module: access::module(apps, session.module.as_str())?,
        organization: organization.value,
        is_shared: session.owner == Owner::Organization,
        is_again: session.entity.is_some(),
    })
}

/// Ends the connection with what the app gave back, or takes its next step.
///
/// # Errors
/// As [`pending`] and [`authorize::complete`].
pub async fn complete(
    ctx: &Ctx,
    apps: &dyn Apps,
    state: Secret,
    data: serde_json::Value,
) -> Result<Completed> {
    let session = session(ctx, &state).await?;
    let input = Complete {
        organization: session.organization,
        module: session.module.to_string(),
        shared: session.owner == Owner::Organization,
        state: Some(state),
        entity: session.entity,
        data,
    };
    authorize::complete(ctx, apps, input).await
}

/// The answer for a state that leads nowhere.
#[must_use]
pub fn none() -> crate::error::Error {
    authorize::no_session()
}

async fn session(ctx: &Ctx, state: &Secret) -> Result<Stored<AuthorizationSession>> {
    let user = access::person(ctx)?;
    let key = AuthorizationSession::key_of(user, &state.digest());
    let found = repo::get_keys::<AuthorizationSession>(ctx.store(), &[key]).await?;
    found
        .into_iter()
        .flatten()
        .next()
        .filter(|session| ctx.now() < session.expires)
        .ok_or_else(none)
}
