//! Trying a policy before it is set.

use axum::Json;
use axum::extract::Path;
use gna_domain::model::{Change, Group, PolicyChange};
use gna_domain::page::{Count, Cursor};
use gna_domain::rules::policy_trial::Effect;
use gna_domain::service::group;
use gna_domain::service::policy_trial::{self, Trial};
use gna_domain::{Ctx, Resource};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::organization::named;
use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::{self, id};
use crate::problem::Problem;

/// Null is something else than nothing.
fn said<'de, D, T>(value: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(value).map(Some)
}

fn change<T>(said: Option<Option<T>>) -> Change<T> {
    match said {
        None => Change::Unset,
        Some(None) => Change::Clear,
        Some(Some(value)) => Change::Set(value),
    }
}

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

policy! {
    /// New vulnerabilities wait in `SUBMITTED` until someone confirms them.
    review_new: bool;
    /// Code findings of different tools at one place are one vulnerability.
    merge_code_across_tools: bool;
    /// A complete report closes what its tool no longer finds on that ref.
    close_missing: bool;
    /// Days that raw reports are kept; 0 keeps them for good.
    keep_reports_days: u32;
    /// Days that an acceptance may last at most; 0 sets no limit.
    max_acceptance_days: u32;
    /// How often one vulnerability may be accepted for a time; 0 sets no limit.
    max_acceptances: u32;
    /// Lowest score, 0.0 to 10.0, that may be accepted.
    acceptance_min_severity: f64;
    /// Highest score, 0.0 to 10.0, that may be accepted.
    acceptance_max_severity: f64;
    /// Days after which a request for permanent acceptance that nobody decided on lapses; 0 never.
    acceptance_request_days: u32;
    /// Score, 0.0 to 10.0, from which on a vulnerability breaks the gate.
    gate_threshold: f64;
    /// Days for which a new vulnerability does not break the gate.
    gate_grace_days: u32;
    /// Days after which a vulnerability is technical debt and no longer breaks the gate; 0 never.
    gate_debt_days: u32;
    /// A broken gate fails the build, also where the command line says lax.
    gate_strict: bool;
    /// Whoever asks the gate may have only what is new judged, which spares what the base has.
    gate_allow_new_only: bool;
    /// Whoever asks the gate may say what is compared with; otherwise it is the asset's default ref.
    gate_allow_base: bool;
    /// Days to repair a critical one, from when it reaches the default ref; 0 sets no due date.
    sla_days_critical: u32;
    /// Days to repair a high one; 0 sets no due date.
    sla_days_high: u32;
    /// Days to repair a medium one; 0 sets no due date.
    sla_days_medium: u32;
    /// Days to repair a low one; 0 sets no due date.
    sla_days_low: u32;
    /// Days to look after an informational one; 0 sets no due date.
    sla_days_info: u32;
    /// How many days before its due date a vulnerability is announced as soon due; 0 never.
    sla_soon_days: u32;
    /// Days without a session or a token of their own after which members are removed, 14 or more; 0 never.
    inactivity_days: u32;
}

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
