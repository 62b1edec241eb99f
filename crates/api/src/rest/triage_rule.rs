//! Triage rules of organizations and groups, and runs of them.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::error::{Error, Result};
use gna_domain::id::RuleId;
use gna_domain::model::{
    Group, RuleActions, RuleOutcome, RuleTreatment, TriageRule, TriageRun, TriageRunStatus,
};
use gna_domain::port::store::Stored;
use gna_domain::rules::desk::Rating;
use gna_domain::service::group;
use gna_domain::service::triage_rule::{self, RuleDraft, run};
use gna_domain::{Ctx, Resource};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::organization::named;
use super::view::{FailureView, ListView, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;

/// What a rule does. At least one of these.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionsView {
    /// `IN_PROGRESS`, `ACCEPT` or `REQUEST_PERMANENT_ACCEPTANCE`, where nobody decided on one.
    #[serde(default)]
    #[schema(example = "ACCEPT")]
    treatment: Option<String>,
    /// With `ACCEPT`: for how many days.
    #[serde(default)]
    accept_days: Option<u32>,
    /// Tags that it gets besides its own.
    #[serde(default)]
    tags: Vec<String>,
    /// Id of the user who is responsible, where nobody is; only in a group's rule.
    #[serde(default)]
    assignee: Option<String>,
    /// A CVSS vector that gives its severity, where nobody stated one.
    #[serde(default)]
    severity_vector: Option<String>,
    /// Or its score, 0.0 to 10.0.
    #[serde(default)]
    severity_score: Option<f64>,
    /// It is a false positive, with the rule as its author.
    #[serde(default)]
    suppress: bool,
}

impl ActionsView {
    fn into_domain(self) -> Result<RuleActions> {
        let wrong =
            |message: &str, field: &str| Error::invalid("rule.actions", message).on_field(field);
        let treatment = match self.treatment.as_deref() {
            None => None,
            Some("IN_PROGRESS") => Some(RuleTreatment::InProgress),
            Some("ACCEPT") => Some(RuleTreatment::Accept {
                days: self.accept_days.unwrap_or_default(),
            }),
            Some("REQUEST_PERMANENT_ACCEPTANCE") => Some(RuleTreatment::RequestPermanentAcceptance),
            Some(_) => {
                return Err(wrong(
                    "a treatment is IN_PROGRESS, ACCEPT or REQUEST_PERMANENT_ACCEPTANCE",
                    "actions.treatment",
                ));
            }
        };
        let severity = match (self.severity_vector, self.severity_score) {
            (None, None) => None,
            (Some(vector), None) => Some(Rating::Vector(vector)),
            (None, Some(score)) => Some(Rating::Score(score)),
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "state a severity as a vector or as a score",
                    "actions.severity_score",
                ));
            }
        };
        let assignee = self
            .assignee
            .map(|user| user.parse())
            .transpose()
            .map_err(|error: Error| error.on_field("actions.assignee"))?;
        Ok(RuleActions {
            treatment,
            tags: self.tags,
            assignee,
            severity,
            suppress: self.suppress,
        })
    }
}

impl From<RuleActions> for ActionsView {
    fn from(actions: RuleActions) -> Self {
        let (treatment, accept_days) = match actions.treatment {
            None => (None, None),
            Some(RuleTreatment::InProgress) => (Some("IN_PROGRESS"), None),
            Some(RuleTreatment::Accept { days }) => (Some("ACCEPT"), Some(days)),
            Some(RuleTreatment::RequestPermanentAcceptance) => {
                (Some("REQUEST_PERMANENT_ACCEPTANCE"), None)
            }
        };
        let (severity_vector, severity_score) = match actions.severity {
            None => (None, None),
            Some(Rating::Vector(vector)) => (Some(vector), None),
            Some(Rating::Score(score)) => (None, Some(score)),
        };
        Self {
            treatment: treatment.map(str::to_owned),
            accept_days,
            tags: actions.tags,
            assignee: actions.assignee.map(|user| user.to_string()),
            severity_vector,
            severity_score,
            suppress: actions.suppress,
        }
    }
}

/// A decision that is taken by itself where a condition holds.
#[derive(Serialize, ToSchema)]
pub struct TriageRuleView {
    id: String,
    name: String,
    /// In CEL; docs/RULES.md lists what it may speak of.
    #[schema(example = "vulnerability.path.startsWith('test/') && vulnerability.score < 7.0")]
    condition: String,
    actions: ActionsView,
    /// Why, kept in the history of what it decides.
    reason: String,
    enabled: bool,
    /// Grows with its condition, actions and reason; each version decides on a vulnerability once.
    version: u32,
    #[schema(format = DateTime)]
    changed: String,
    /// Who changed it last.
    actor: String,
}

impl From<TriageRule> for TriageRuleView {
    fn from(rule: TriageRule) -> Self {
        Self {
            id: rule.id.to_string(),
            name: rule.name,
            condition: rule.condition,
            actions: rule.actions.into(),
            reason: rule.reason,
            enabled: rule.enabled,
            version: rule.version,
            changed: rule.changed.to_string(),
            actor: rule.by,
        }
    }
}

/// What a rule is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TriageRuleBody {
    /// 1 to 200 characters.
    name: String,
    /// In CEL; at most 2,000 bytes.
    condition: String,
    actions: ActionsView,
    reason: String,
    /// `true` if left out.
    #[serde(default = "yes")]
    enabled: bool,
    /// Its place in the order, from 0; the end for a new one, where it was for a changed one.
    #[serde(default)]
    position: Option<usize>,
}

fn yes() -> bool {
    true
}

impl TriageRuleBody {
    fn into_domain(self) -> Result<(RuleDraft, Option<usize>)> {
        let draft = RuleDraft {
            name: self.name,
            condition: self.condition,
            actions: self.actions.into_domain()?,
            reason: self.reason,
            enabled: self.enabled,
        };
        Ok((draft, self.position))
    }
}

/// What one rule came to in a run.
#[derive(Serialize, ToSchema)]
pub struct RuleOutcomeView {
    rule: String,
    name: String,
    version: u32,
    /// Vulnerabilities on which its condition holds and it has not decided before.
    matched: u64,
    /// Of these, those that it changes.
    changed: u64,
    /// Of these, those where a policy or their state refuses one of its actions.
    refused: u64,
    /// Those on which its condition could not be evaluated.
    failed: u64,
    /// The first ones that it changes.
    examples: Vec<String>,
}

impl From<RuleOutcome> for RuleOutcomeView {
    fn from(outcome: RuleOutcome) -> Self {
        Self {
            rule: outcome.rule.to_string(),
            name: outcome.name,
            version: outcome.version,
            matched: outcome.matched,
            changed: outcome.changed,
            refused: outcome.refused,
            failed: outcome.failed,
            examples: outcome.examples.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Triage rules applied to, or tried on, the open vulnerabilities of a group.
#[derive(Serialize, ToSchema)]
pub struct TriageRunView {
    id: String,
    group: String,
    /// Only counts; nothing is changed.
    dry_run: bool,
    actor: String,
    /// `QUEUED`, `RUNNING`, `COMPLETE`, `FAILED`.
    #[schema(value_type = String, example = "COMPLETE")]
    status: TriageRunStatus,
    /// How many vulnerabilities it is about; known once they were listed.
    total: Option<u64>,
    done: u64,
    changed: u64,
    /// In the order of the rules.
    outcomes: Vec<RuleOutcomeView>,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    finished: Option<String>,
    /// Why it failed.
    failure: Option<FailureView>,
}

impl From<Stored<TriageRun>> for TriageRunView {
    fn from(stored: Stored<TriageRun>) -> Self {
        let run = stored.value;
        Self {
            id: run.id.to_string(),
            group: run.group.to_string(),
            dry_run: run.dry,
            actor: run.by,
            status: run.status,
            total: run.total,
            done: run.done,
            changed: run.changed,
            outcomes: run.outcomes.into_iter().map(Into::into).collect(),
            created: run.created.to_string(),
            finished: run.finished.map(|at| at.to_string()),
            failure: run.failure.map(Into::into),
        }
    }
}

/// Applying rules, or trying them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTriageRun {
    /// Only counts what they would do.
    #[serde(default)]
    dry_run: bool,
    /// With `dry_run`: this rule alone, which need not exist.
    #[serde(default)]
    draft: Option<TriageRuleBody>,
}

async fn group_place(ctx: &Ctx, text: &str) -> Result<Resource> {
    let found = group::require(ctx, id::<Group>(ctx, text)?).await?;
    Ok(Resource::Group(found.organization, found.id))
}

async fn organization_place(ctx: &Ctx, text: &str) -> Result<Resource> {
    Ok(Resource::Organization(named(ctx, text).await?.id))
}

fn rule_id(text: &str) -> Result<RuleId> {
    text.parse()
        .map_err(|_| Error::not_found("not_found", "there is no such triage rule here"))
}

async fn listed(ctx: &Ctx, place: Resource) -> Result<ListView<TriageRuleView>, Problem> {
    let rules = triage_rule::list(ctx, place).await?;
    Ok(ListView::whole(rules.into_iter().map(Into::into).collect()))
}

async fn saved(
    ctx: &Ctx,
    place: Resource,
    known: Option<RuleId>,
    body: TriageRuleBody,
) -> Result<Json<TriageRuleView>, Problem> {
    let (draft, position) = body.into_domain()?;
    let rule = triage_rule::save(ctx, place, known, &draft, position).await?;
    Ok(Json(rule.into()))
}

/// The rules of a group itself, in their order.
#[utoipa::path(get, path = "/api/v2/groups/{group}/triage-rules", tag = "triage rules", params(("group" = String, Path)),
    responses((status = 200, body = ListView<TriageRuleView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list_of_group(
    auth: Auth,
    Path(group): Path<String>,
    params: Params,
) -> Result<ListView<TriageRuleView>, Problem> {
    params.done()?;
    listed(auth.ctx(), group_place(auth.ctx(), &group).await?).await
}

/// Makes a rule of a group. Needs `rule.manage`.
#[utoipa::path(post, path = "/api/v2/groups/{group}/triage-rules", tag = "triage rules", params(("group" = String, Path)), request_body = TriageRuleBody,
    responses((status = 201, body = TriageRuleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create_for_group(
    auth: Auth,
    Path(group): Path<String>,
    extract::Json(body): extract::Json<TriageRuleBody>,
) -> Result<(StatusCode, Json<TriageRuleView>), Problem> {
    let place = group_place(auth.ctx(), &group).await?;
    Ok((
        StatusCode::CREATED,
        saved(auth.ctx(), place, None, body).await?,
    ))
}

/// Changes a rule of a group. Needs `rule.manage`.
#[utoipa::path(put, path = "/api/v2/groups/{group}/triage-rules/{rule}", tag = "triage rules", params(("group" = String, Path), ("rule" = String, Path)), request_body = TriageRuleBody,
    responses((status = 200, body = TriageRuleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update_of_group(
    auth: Auth,
    Path((group, rule)): Path<(String, String)>,
    extract::Json(body): extract::Json<TriageRuleBody>,
) -> Result<Json<TriageRuleView>, Problem> {
    let place = group_place(auth.ctx(), &group).await?;
    saved(auth.ctx(), place, Some(rule_id(&rule)?), body).await
}

/// Removes a rule of a group; what it decided stays decided. Needs `rule.manage`.
#[utoipa::path(delete, path = "/api/v2/groups/{group}/triage-rules/{rule}", tag = "triage rules", params(("group" = String, Path), ("rule" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove_of_group(
    auth: Auth,
    Path((group, rule)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let place = group_place(auth.ctx(), &group).await?;
    triage_rule::remove(auth.ctx(), place, rule_id(&rule)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The rules of an organization, which come first in all its groups, in their order.
#[utoipa::path(get, path = "/api/v2/organizations/{organization}/triage-rules", tag = "triage rules", params(("organization" = String, Path)),
    responses((status = 200, body = ListView<TriageRuleView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list_of_organization(
    auth: Auth,
    Path(organization): Path<String>,
    params: Params,
) -> Result<ListView<TriageRuleView>, Problem> {
    params.done()?;
    let place = organization_place(auth.ctx(), &organization).await?;
    listed(auth.ctx(), place).await
}

/// Makes a rule of an organization. Needs `organization.update`.
#[utoipa::path(post, path = "/api/v2/organizations/{organization}/triage-rules", tag = "triage rules", params(("organization" = String, Path)), request_body = TriageRuleBody,
    responses((status = 201, body = TriageRuleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create_for_organization(
    auth: Auth,
    Path(organization): Path<String>,
    extract::Json(body): extract::Json<TriageRuleBody>,
) -> Result<(StatusCode, Json<TriageRuleView>), Problem> {
    let place = organization_place(auth.ctx(), &organization).await?;
    Ok((
        StatusCode::CREATED,
        saved(auth.ctx(), place, None, body).await?,
    ))
}

/// Changes a rule of an organization. Needs `organization.update`.
#[utoipa::path(put, path = "/api/v2/organizations/{organization}/triage-rules/{rule}", tag = "triage rules", params(("organization" = String, Path), ("rule" = String, Path)), request_body = TriageRuleBody,
    responses((status = 200, body = TriageRuleView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update_of_organization(
    auth: Auth,
    Path((organization, rule)): Path<(String, String)>,
    extract::Json(body): extract::Json<TriageRuleBody>,
) -> Result<Json<TriageRuleView>, Problem> {
    let place = organization_place(auth.ctx(), &organization).await?;
    saved(auth.ctx(), place, Some(rule_id(&rule)?), body).await
}

/// Removes a rule of an organization; what it decided stays decided. Needs `organization.update`.
#[utoipa::path(delete, path = "/api/v2/organizations/{organization}/triage-rules/{rule}", tag = "triage rules", params(("organization" = String, Path), ("rule" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove_of_organization(
    auth: Auth,
    Path((organization, rule)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let place = organization_place(auth.ctx(), &organization).await?;
    triage_rule::remove(auth.ctx(), place, rule_id(&rule)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Applies the rules to the open vulnerabilities of a group, or tries them, as a job. Needs `rule.manage`.
#[utoipa::path(post, path = "/api/v2/groups/{group}/triage-runs", tag = "triage rules", params(("group" = String, Path)), request_body = NewTriageRun,
    responses((status = 202, body = TriageRunView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn start(
    auth: Auth,
    Path(group): Path<String>,
    extract::Json(new): extract::Json<NewTriageRun>,
) -> Result<(StatusCode, Json<TriageRunView>), Problem> {
    let ctx = auth.ctx();
    let group = id::<Group>(ctx, &group)?;
    // Before anything is said about what was sent.
    group::require(ctx, group).await?;
    let draft = new.draft.map(TriageRuleBody::into_domain).transpose()?;
    let draft = draft.as_ref().map(|(draft, _)| draft);
    let started = run::start(ctx, group, new.dry_run, draft).await?;
    Ok((StatusCode::ACCEPTED, Json(started.into())))
}

/// One run of triage rules.
#[utoipa::path(get, path = "/api/v2/triage-runs/{triage_run}", tag = "triage rules", params(("triage_run" = String, Path)),
    responses((status = 200, body = TriageRunView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(text): Path<String>) -> Result<Json<TriageRunView>, Problem> {
    let id = id::<TriageRun>(auth.ctx(), &text)?;
    Ok(Json(run::require(auth.ctx(), id).await?.into()))
}
