//! Reading the audit log.

use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::OrganizationId;
use crate::model::{AuditEntry, INSTANCE};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::Stored;

/// Entries of an organization, newest first; of the instance itself when none is named.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn list(
    ctx: &Ctx,
    organization: Option<OrganizationId>,
    page: PageRequest,
) -> Result<Page<Stored<AuditEntry>>> {
    let partition = match organization {
        Some(organization) => {
            ctx.permit(Action::AuditRead, Resource::Organization(organization))?;
            organization.to_string()
        }
        None => {
            ctx.permit(Action::InstanceRead, Resource::Instance)?;
            INSTANCE.to_owned()
        }
    };
    repo::children(ctx.store(), &partition, true, page).await
}
