//! Members who have not come for long.

use axum::extract::Path;
use gna_domain::policy::Role;
use gna_domain::rules::inactivity::Verdict;
use gna_domain::service::inactivity::{self, Inactive};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::organization::named;
use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::Params;
use crate::problem::Problem;

/// A membership that ends because nobody uses it.
#[derive(Serialize, ToSchema)]
pub struct InactiveMemberView {
    user: String,
    name: String,
    email: String,
    /// Id of the organization or group.
    place: String,
    /// One in the organization takes those in its groups with it.
    #[schema(value_type = String, example = "MEMBER")]
    role: Role,
    /// When they last acted, to the day.
    #[schema(format = DateTime)]
    last_active: String,
    /// When they were told.
    #[schema(format = DateTime)]
    warned: Option<String>,
    /// When it ends; null where nobody was told yet.
    #[schema(format = DateTime)]
    ends: Option<String>,
    /// `WARN`, `WARNED`, `REMOVE`, or `KEEPER` for the owner who came last and stays.
    #[schema(example = "WARNED")]
    verdict: &'static str,
}

impl From<Inactive> for InactiveMemberView {
    fn from(of: Inactive) -> Self {
        let (verdict, ends) = match of.verdict {
            Verdict::Active => ("ACTIVE", None),
            Verdict::Warn { .. } => ("WARN", None),
            Verdict::Warned { ends } => ("WARNED", Some(ends)),
            Verdict::Remove => ("REMOVE", None),
            Verdict::Keeper => ("KEEPER", None),
        };
        Self {
            user: of.user.id.to_string(),
            name: of.user.name,
            email: of.user.email.as_str().to_owned(),
            place: of.membership.scope.to_string(),
            role: of.membership.role,
            last_active: of.active.to_string(),
            warned: of.membership.warned.map(|at| at.to_string()),
            ends: ends.map(|at| at.to_string()),
            verdict,
        }
    }
}

/// What is tried.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct InactivityParams {
    /// In place of what policies say, everywhere: 14 or more, or 0 for never.
    days: Option<u32>,
}

/// The memberships that the policy's `inactivity_days` would end, by user. Nothing is written. Needs `member.manage`.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/inactive-members", tag = "organizations", params(("organization" = String, Path), InactivityParams, PageParams),
    responses((status = 200, body = ListView<InactiveMemberView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    Path(name): Path<String>,
    mut params: Params,
) -> Result<ListView<InactiveMemberView>, Problem> {
    let found = named(auth.ctx(), &name).await?;
    let days = params.parse("days", "a number of days")?;
    let page = params.page()?;
    params.done()?;
    let page = inactivity::preview(auth.ctx(), found.id, days, page).await?;
    Ok(ListView::page(page, Into::into))
}
