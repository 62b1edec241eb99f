//! What an integration may touch: no more than its owner may, when it is made and each time it works.

use crate::connect::Owner;
use crate::connect::integration::Integration;
use crate::connect::recipe::{About, RecipeInfo};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId};
use crate::model::Group;
use crate::policy::Action;
use crate::port::repo;
use crate::service::access;

/// Whether the caller may have a recipe work on this group, or on all of the organization.
///
/// # Errors
/// `integration.group`, `not_found` for groups that the caller may not know of, not permitted, or
/// the store's.
pub(super) async fn check(
    ctx: &Ctx,
    info: &RecipeInfo,
    organization: OrganizationId,
    group: Option<GroupId>,
) -> Result<()> {
    let wrong = |text: &str| Err(Error::invalid("integration.group", text).on_field("group"));
    match (info.about, group) {
        (About::Nothing, Some(_)) => wrong("this recipe is not about a group; leave it out"),
        (About::OneGroup, None) => wrong("name the group that this integration is for"),
        (About::Nothing, None) => Ok(()),
        // What is about all groups needs somebody who has a say in all of them.
        (About::AnyGroup, None) => ctx.permit(
            Action::ConnectionManage,
            Resource::Organization(organization),
        ),
        (_, Some(group)) => {
            let found = repo::get::<Group>(ctx.store(), group).await?;
            let found = found.filter(|found| found.organization == organization);
            let found = found.ok_or_else(|| ctx.absent::<Group>())?;
            let resource = Resource::Group(found.organization, found.id);
            info.needs
                .iter()
                .try_for_each(|action| ctx.permit(*action, resource))
        }
    }
}

/// Whether the owner still may do what the integration does.
///
/// # Errors
/// `integration.owner`, or the store's.
pub(super) async fn check_owner(
    ctx: &Ctx,
    info: &RecipeInfo,
    integration: &Integration,
) -> Result<()> {
    let Owner::User(user) = integration.owner else {
        return Ok(());
    };
    let gone = |text: &str| Error::forbidden("integration.owner", text);
    let Some(access) = access::load(ctx.store(), user).await? else {
        return Err(gone("the person that this integration acts for is gone"));
    };
    if access.user.is_disabled() {
        return Err(gone(
            "the person that this integration acts for is disabled",
        ));
    }
    let grants = access.grants();
    let organization = integration.organization;
    let is_allowed = match (info.about, integration.group) {
        (About::Nothing, _) => grants.knows(Resource::Organization(organization)),
        (_, None) => grants.can(
            Action::ConnectionManage,
            Resource::Organization(organization),
        ),
        (_, Some(group)) => info
            .needs
            .iter()
            .all(|action| grants.can(*action, Resource::Group(organization, group))),
    };
    if is_allowed {
        return Ok(());
    }
    Err(gone(
        "the person that this integration acts for may no longer do what it does",
    ))
}
