//! One record by its id, for a caller who may do something to it. What the caller may not know of
//! answers like what is not there.

use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::model::{
    Asset, Blocker, Endpoint, GateRun, Group, HookReceiver, Report, TriageRun, Vulnerability,
};
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::{ById, Stored};
use crate::service::bulk::Bulk;

/// What has its place among the resources that rights are given on.
pub trait Placed: ById {
    fn place(&self) -> Resource;
}

/// The record, if the caller may do this to it.
///
/// # Errors
/// `not_found` also where the caller may not know of it, `auth.*`, or the store's.
pub async fn permitted<E: Placed>(ctx: &Ctx, id: E::Id, action: Action) -> Result<Stored<E>> {
    let found = repo::get::<E>(ctx.store(), id)
        .await?
        .ok_or_else(|| ctx.absent::<E>())?;
    ctx.permit(action, found.place())?;
    Ok(found)
}

impl Placed for Group {
    fn place(&self) -> Resource {
        Resource::Group(self.organization, self.id)
    }
}

impl Placed for Endpoint {
    fn place(&self) -> Resource {
        Resource::Organization(self.organization)
    }
}

impl Placed for HookReceiver {
    fn place(&self) -> Resource {
        Resource::Organization(self.organization)
    }
}

/// Those that belong to a group.
macro_rules! placed_in_group {
    ($($record:ty),+) => {$(
        impl Placed for $record {
            fn place(&self) -> Resource {
                Resource::Group(self.organization, self.group)
            }
        }
    )+};
}

placed_in_group!(
    Asset,
    Blocker,
    Bulk,
    GateRun,
    Report,
    TriageRun,
    Vulnerability
);
