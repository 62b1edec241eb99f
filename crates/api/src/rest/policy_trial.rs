//! Trying a policy before it is set.

use axum::Json;
use axum::extract::Path;
use gna_domain::model::{Group, PolicyChange};
use gna_domain::page::{Count, Cursor};
use gna_domain::rules::policy_trial::Effect;
use gna_domain::service::group;
use gna_domain::service::policy_trial::{self, Trial};
use gna_domain::{Ctx, Resource};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::organization::named;
use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::{self, change, id, said};
use crate::policy_fields::policy_fields;
use crate::problem::Problem;

macro_rules! policy {
    ($($(#[$doc:meta])* $field:ident: $type:ident;)*) => {
        /// A change of a policy: what is left out stays, null inherits again, a value is set.
        #[derive(Default, Deserialize, ToSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct PolicyChangeBody {
            $(
                $(#[$doc])*
                #[serde(deserialize_with = "said")]
                #[schema(value_type = Option<$type>)]
                $field: Option<Option<$type>>,
            )*
        }

        impl From<PolicyChangeBody> for PolicyChange {
            fn from(body: PolicyChangeBody) -> Self {
                Self { $($field: change(body.$field),)* }
            }
        }
    };
}

policy_fields!(policy);

/// What is tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyTrialBody {
    policy: PolicyChangeBody,
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// How many one effect concerns.
#[derive(Serialize, ToSchema)]
pub struct PolicyEffectView {
    /// `GETS_DUE_DATE`, `LOSES_DUE_DATE`, `DUE_SOONER`, `DUE_LATER`, `BECOMES_OVERDUE`, `NO_LONGER_OVERDUE`,
    /// `BECOMES_ACCEPTABLE`, `NO_LONGER_ACCEPTABLE`, `ACCEPTANCE_OUTSIDE`, `REQUEST_LAPSES`, `BREAKS_GATE`,
    /// `SPARED_BY_GATE`.
    #[schema(value_type = String, example = "BREAKS_GATE")]
    effect: Effect,
    /// For how many of this page.
    count: u64,
    /// Ids of the first ones.
    examples: Vec<String>,
}

/// What a policy would change, over a page of at most 1,000 open vulnerabilities. Nothing is written.
#[derive(Serialize, ToSchema)]
pub struct PolicyTrialView {
    /// How many this page looked at.
    examined: u64,
    /// How many are open in all, counted up to a million.
    total: u64,
    /// Whether there are more than `total`.
    total_is_bound: bool,
    /// How many of this page's would be concerned by anything.
    changed: u64,
    /// What would change; effects that concern none are left out.
    effects: Vec<PolicyEffectView>,
    /// Where the next page begins, for `after`; null where nothing follows. Add the counts up.
    next: Option<String>,
}

impl From<Trial> for PolicyTrialView {
    fn from(trial: Trial) -> Self {
        Self {
            examined: trial.examined,
            total: trial.total.value(),
            total_is_bound: matches!(trial.total, Count::AtLeast(_)),
            changed: trial.changed,
            effects: trial
                .effects
                .into_iter()
                .map(|of| PolicyEffectView {
                    effect: of.effect,
                    count: of.count,
                    examples: of.examples.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            next: trial.next.map(|cursor| cursor.0),
        }
    }
}

async fn tried(
    ctx: &Ctx,
    place: Resource,
    body: PolicyTrialBody,
) -> Result<Json<PolicyTrialView>, Problem> {
    let after = body.after.map(Cursor);
    let trial = policy_trial::run(ctx, place, body.policy.into(), after).await?;
    Ok(Json(trial.into()))
}

/// What would change if this were set in a group. Needs `policy.update`.
#[utoipa::path(post, path = "/api/v2/groups/{group}/policy-trials", tag = "organizations", params(("group" = String, Path)), request_body = PolicyTrialBody,
    responses((status = 200, body = PolicyTrialView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn of_group(
    auth: Auth,
    Path(text): Path<String>,
    extract::Json(body): extract::Json<PolicyTrialBody>,
) -> Result<Json<PolicyTrialView>, Problem> {
    let found = group::require(auth.ctx(), id::<Group>(auth.ctx(), &text)?).await?;
    let place = Resource::Group(found.organization, found.id);
    tried(auth.ctx(), place, body).await
}

/// What would change if this were set in an organization. Needs `organization.update`.
#[utoipa::path(post, path = "/api/v2/organizations/{organization}/policy-trials", tag = "organizations", params(("organization" = String, Path)), request_body = PolicyTrialBody,
    responses((status = 200, body = PolicyTrialView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn of_organization(
    auth: Auth,
    Path(name): Path<String>,
    extract::Json(body): extract::Json<PolicyTrialBody>,
) -> Result<Json<PolicyTrialView>, Problem> {
    let found = named(auth.ctx(), &name).await?;
    tried(auth.ctx(), Resource::Organization(found.id), body).await
}
