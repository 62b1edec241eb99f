//! Triage rules: decisions that are taken by themselves where a condition holds.

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, Result, SimpleObject};
use gna_domain::model;
use gna_domain::port::store::Stored;
use gna_domain::rules::desk::Rating;
use gna_domain::service::triage_rule::{self, RuleDraft, run};
use gna_domain::service::{group, organization};
use gna_domain::{Ctx, Resource};
use std::sync::Arc;

use super::desk::SeverityInput;
use super::failure::Failure;
use super::scalar::{DateTime, id, parse};

/// What a rule says is being done about a vulnerability.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleTreatment {
    /// The rule's assignee works on it.
    InProgress,
    /// The risk is borne for `acceptDays`.
    Accept,
    /// A person is asked to accept it for good.
    RequestPermanentAcceptance,
}

/// What a rule does.
#[derive(InputObject)]
pub struct RuleActionsInput {
    /// Its treatment, where nobody decided on one.
    pub treatment: Option<RuleTreatment>,
    /// With `ACCEPT`: for how many days.
    pub accept_days: Option<u32>,
    /// Tags that it gets besides its own.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// Id of the user who is responsible, where nobody is; only in a group's rule.
    pub assignee: Option<ID>,
    /// Its severity, where nobody stated one.
    pub severity: Option<SeverityInput>,
    /// It is a false positive, with the rule as its author.
    #[graphql(default)]
    pub suppress: bool,
}

impl RuleActionsInput {
    fn into_domain(self) -> gna_domain::Result<model::RuleActions> {
        let days = self.accept_days.unwrap_or_default();
        Ok(model::RuleActions {
            treatment: self.treatment.map(|treatment| match treatment {
                RuleTreatment::InProgress => model::RuleTreatment::InProgress,
                RuleTreatment::Accept => model::RuleTreatment::Accept { days },
                RuleTreatment::RequestPermanentAcceptance => {
                    model::RuleTreatment::RequestPermanentAcceptance
                }
            }),
            tags: self.tags,
            assignee: self
                .assignee
                .as_ref()
                .map(|user| parse(user, "input.rule.actions.assignee"))
                .transpose()?,
            severity: self.severity.map(Into::into),
            suppress: self.suppress,
        })
    }
}

/// What a rule is to be.
#[derive(InputObject)]
pub struct TriageRuleInput {
    /// 1 to 200 characters.
    pub name: String,
    /// In CEL; docs/RULES.md lists what it may speak of. At most 2,000 bytes.
    pub condition: String,
    /// At least one.
    pub actions: RuleActionsInput,
    /// Why, kept in the history of what it decides.
    pub reason: String,
    /// Whether it is applied.
    #[graphql(default = true)]
    pub enabled: bool,
}

impl TriageRuleInput {
    fn into_domain(self) -> gna_domain::Result<RuleDraft> {
        Ok(RuleDraft {
            name: self.name,
            condition: self.condition,
            actions: self.actions.into_domain()?,
            reason: self.reason,
            enabled: self.enabled,
        })
    }
}

/// Whose: an organization's, for all its groups, or a group's.
#[derive(OneofObject)]
pub enum PlaceInput {
    /// Id of the organization.
    Organization(ID),
    /// Id of the group.
    Group(ID),
}

impl PlaceInput {
    /// The place, if the caller may know of it.
    ///
    /// # Errors
    /// `id.malformed`, `not_found`, or the store's.
    pub async fn resource(&self, ctx: &Ctx) -> gna_domain::Result<Resource> {
        match self {
            Self::Organization(text) => {
                let found = organization::require(ctx, parse(text, "input.place")?).await?;
                Ok(Resource::Organization(found.id))
            }
            Self::Group(text) => {
                let found = group::require(ctx, parse(text, "input.place")?).await?;
                Ok(Resource::Group(found.organization, found.id))
            }
        }
    }
}

/// What a rule does.
pub struct RuleActions(model::RuleActions);

/// What a rule does.
#[Object]
impl RuleActions {
    /// Its treatment, where nobody decided on one.
    async fn treatment(&self) -> Option<RuleTreatment> {
        self.0.treatment.map(|treatment| match treatment {
            model::RuleTreatment::InProgress => RuleTreatment::InProgress,
            model::RuleTreatment::Accept { .. } => RuleTreatment::Accept,
            model::RuleTreatment::RequestPermanentAcceptance => {
                RuleTreatment::RequestPermanentAcceptance
            }
        })
    }
    /// With `ACCEPT`: for how many days.
    async fn accept_days(&self) -> Option<u32> {
        match self.0.treatment {
            Some(model::RuleTreatment::Accept { days }) => Some(days),
            _ => None,
        }
    }
    /// Tags that it gets besides its own.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }
    /// Id of the user who is responsible, where nobody is.
    async fn assignee(&self) -> Option<ID> {
        self.0.assignee.map(id)
    }
    /// A CVSS vector that gives its severity, where nobody stated one.
    async fn severity_vector(&self) -> Option<&str> {
        match &self.0.severity {
            Some(Rating::Vector(vector)) => Some(vector),
            _ => None,
        }
    }
    /// Its score, 0.0 to 10.0, where nobody stated one.
    async fn severity_score(&self) -> Option<f64> {
        match &self.0.severity {
            Some(Rating::Score(score)) => Some(*score),
            _ => None,
        }
    }
    /// It is a false positive, with the rule as its author.
    async fn suppress(&self) -> bool {
        self.0.suppress
    }
}

#[derive(Clone)]
pub struct TriageRule(pub model::TriageRule);

/// A decision that is taken by itself where a condition holds.
#[Object]
impl TriageRule {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Its name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// In CEL.
    async fn condition(&self) -> &str {
        &self.0.condition
    }
    /// What it does.
    async fn actions(&self) -> RuleActions {
        RuleActions(self.0.actions.clone())
    }
    /// Why, kept in the history of what it decides.
    async fn reason(&self) -> &str {
        &self.0.reason
    }
    /// Whether it is applied.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }
    /// Grows with its condition, actions and reason; each version decides on a vulnerability once.
    async fn version(&self) -> u32 {
        self.0.version
    }
    /// When it was changed last.
    async fn changed(&self) -> DateTime {
        self.0.changed.into()
    }
    /// Who changed it last: id of a user or a token.
    async fn actor(&self) -> &str {
        &self.0.by
    }
}

/// How far a run has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::TriageRunStatus")]
pub enum TriageRunStatus {
    /// Its job waits.
    Queued,
    /// Under way.
    Running,
    /// All are looked at.
    Complete,
    /// Given up, or more than 100,000 vulnerabilities are open; what is counted stays.
    Failed,
}

/// What one rule came to in a run.
#[derive(SimpleObject)]
pub struct RuleOutcome {
    /// Id of the rule; a draft's is nobody's.
    pub rule_id: ID,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Vulnerabilities on which its condition holds and it has not decided before.
    pub matched: u64,
    /// Of these, those that it changes.
    pub changed: u64,
    /// Of these, those where a policy or their state refuses one of its actions.
    pub refused: u64,
    /// Those on which its condition could not be evaluated.
    pub failed: u64,
    /// Ids of the first ones that it changes.
    pub examples: Vec<ID>,
}

pub struct TriageRun(Arc<Stored<model::TriageRun>>);

/// Triage rules applied to, or tried on, the open vulnerabilities of a group.
#[Object]
impl TriageRun {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Only counts; nothing is changed.
    async fn dry_run(&self) -> bool {
        self.0.dry
    }
    /// Who asked for it: id of a user or a token.
    async fn actor(&self) -> &str {
        &self.0.by
    }
    /// How far it has come.
    async fn status(&self) -> TriageRunStatus {
        self.0.status.into()
    }
    /// How many vulnerabilities it is about; known once they were listed.
    async fn total(&self) -> Option<u64> {
        self.0.total
    }
    /// How many were looked at.
    async fn done(&self) -> u64 {
        self.0.done
    }
    /// How many of them any rule changes.
    async fn changed(&self) -> u64 {
        self.0.changed
    }
    /// What each rule came to, in their order.
    async fn outcomes(&self) -> Vec<RuleOutcome> {
        let of = |outcome: &model::RuleOutcome| RuleOutcome {
            rule_id: id(outcome.rule),
            name: outcome.name.clone(),
            version: outcome.version,
            matched: outcome.matched,
            changed: outcome.changed,
            refused: outcome.refused,
            failed: outcome.failed,
            examples: outcome.examples.iter().copied().map(id).collect(),
        };
        self.0.outcomes.iter().map(of).collect()
    }
    /// When it was asked for.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// When it ended.
    async fn finished(&self) -> Option<DateTime> {
        self.0.finished.map(Into::into)
    }
    /// Why it failed.
    async fn failure(&self) -> Option<Failure> {
        self.0.failure.as_ref().map(Into::into)
    }
}

/// The rules of a place, in the order in which they are asked.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn rules_of(ctx: &Context<'_>, place: Resource) -> Result<Vec<TriageRule>> {
    let rules = triage_rule::list(ctx.data::<Ctx>()?, place).await?;
    Ok(rules.into_iter().map(TriageRule).collect())
}

/// A rule to be made or changed.
#[derive(InputObject)]
pub struct SaveTriageRuleInput {
    /// Whose it is.
    pub place: PlaceInput,
    /// Id of the rule that is changed; a new one is made if left out.
    pub rule_id: Option<ID>,
    /// What it is to be.
    pub rule: TriageRuleInput,
    /// Its place in the order, from 0; the end for a new one, where it was for a changed one.
    pub position: Option<u32>,
}

/// A rule to be removed.
#[derive(InputObject)]
pub struct RemoveTriageRuleInput {
    /// Whose it is.
    pub place: PlaceInput,
    /// Its id.
    pub rule_id: ID,
}

/// Rules to be applied or tried.
#[derive(InputObject)]
pub struct RunTriageRulesInput {
    /// Id of the group on whose open vulnerabilities.
    pub group: ID,
    /// Only counts what they would do.
    #[graphql(default)]
    pub dry_run: bool,
    /// With `dryRun`: this rule alone, which need not exist.
    pub draft: Option<TriageRuleInput>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct TriageRulePayload {
    /// The rule as it is now.
    pub rule: TriageRule,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct RemoveTriageRulePayload {
    /// Id of what is gone.
    pub removed_id: ID,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct TriageRunPayload {
    /// The run as it is now; ask for it again to see how far it is.
    pub run: TriageRun,
}

#[derive(Default)]
pub struct TriageRuleQuery;

#[Object]
impl TriageRuleQuery {
    /// One run of triage rules.
    async fn triage_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<TriageRun> {
        let found = run::require(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(TriageRun(Arc::new(found)))
    }
}

#[derive(Default)]
pub struct TriageRuleMutation;

#[Object]
impl TriageRuleMutation {
    /// Makes or changes a triage rule of a group (`rule.manage`) or an organization (`organization.update`).
    async fn save_triage_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rule.")] input: SaveTriageRuleInput,
    ) -> Result<TriageRulePayload> {
        let gna = ctx.data::<Ctx>()?;
        let place = input.place.resource(gna).await?;
        let known = input
            .rule_id
            .as_ref()
            .map(|id| parse(id, "input.ruleId"))
            .transpose()?;
        let draft = input.rule.into_domain()?;
        let position = input.position.and_then(|at| usize::try_from(at).ok());
        let saved = triage_rule::save(gna, place, known, &draft, position).await?;
        Ok(TriageRulePayload {
            rule: TriageRule(saved),
        })
    }

    /// Removes a triage rule. What it decided stays decided.
    async fn remove_triage_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: RemoveTriageRuleInput,
    ) -> Result<RemoveTriageRulePayload> {
        let gna = ctx.data::<Ctx>()?;
        let place = input.place.resource(gna).await?;
        let rule = parse(&input.rule_id, "input.ruleId")?;
        triage_rule::remove(gna, place, rule).await?;
        Ok(RemoveTriageRulePayload {
            removed_id: id(rule),
        })
    }

    /// Applies the triage rules to a group's open vulnerabilities, or tries them, as a job.
    async fn run_triage_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "On what, and how.")] input: RunTriageRulesInput,
    ) -> Result<TriageRunPayload> {
        let gna = ctx.data::<Ctx>()?;
        let of = parse(&input.group, "input.group")?;
        // Before anything is said about what was sent.
        group::require(gna, of).await?;
        let draft = input.draft.map(TriageRuleInput::into_domain).transpose()?;
        let started = run::start(gna, of, input.dry_run, draft.as_ref()).await?;
        Ok(TriageRunPayload {
            run: TriageRun(Arc::new(started)),
        })
    }
}
