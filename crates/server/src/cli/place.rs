//! Places by slugs on the command line: `ORG` or `ORG/GROUP`.

use gna_domain::Ctx;
use gna_domain::id::UserId;
use gna_domain::model::{Group, Scope};
use gna_domain::service::member::{self, Place};
use gna_domain::service::user;

use super::Failure;

/// The organization or group that is meant.
///
/// # Errors
/// Exit code 2 where there is none.
pub async fn find(ctx: &Ctx, slugs: &str) -> Result<Place, Failure> {
    let (organization, group) = match slugs.split_once('/') {
        Some((organization, group)) => (organization, Some(group)),
        None => (slugs, None),
    };
    member::place(ctx, organization, group).await.map_err(|error| {
        let failure = Failure::from(error);
        Failure {
            message: format!(
                "there is no {slugs:?}; write ORGANIZATION or ORGANIZATION/GROUP by their short names"
            ),
            ..failure
        }
    })
}

/// As a scope of roles.
///
/// # Errors
/// As [`find`].
pub async fn scope(ctx: &Ctx, slugs: &str) -> Result<Scope, Failure> {
    Ok(find(ctx, slugs).await?.resource().into())
}

/// The group that is meant.
///
/// # Errors
/// As [`find`], and where an organization is named alone.
pub async fn group(ctx: &Ctx, slugs: &str) -> Result<Group, Failure> {
    find(ctx, slugs).await?.group.ok_or_else(|| {
        Failure::usage(
            "group.missing",
            format!("{slugs:?} is an organization; name a group as ORGANIZATION/GROUP"),
        )
    })
}

/// The person with an address.
///
/// # Errors
/// Exit code 2 where there is none.
pub async fn person(ctx: &Ctx, email: &str) -> Result<UserId, Failure> {
    let found = user::find(ctx, email).await;
    found
        .map(|user| user.id)
        .map_err(|error| match error.code() {
            "not_found" => Failure::usage(
                "user.not_found",
                format!("nobody has the address {email:?}; `gna user list` shows who is there"),
            ),
            _ => Failure::from(error),
        })
}
