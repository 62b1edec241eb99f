//! Trying a policy before it is set.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::page::Cursor;
use gna_domain::rules::policy_trial;
use gna_domain::service::policy_trial as service;

use super::connection::TotalCount;
use super::policy::PolicyInput;
use super::scalar::id;
use super::triage_rule::PlaceInput;

/// One thing that a policy would change about a vulnerability.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "policy_trial::Effect")]
pub enum PolicyEffect {
    /// It gets a due date.
    GetsDueDate,
    /// It has no due date any more.
    LosesDueDate,
    /// It is due earlier.
    DueSooner,
    /// It is due later.
    DueLater,
    /// Its due date would have passed already.
    BecomesOverdue,
    /// Its due date would not have passed yet.
    NoLongerOverdue,
    /// It could be accepted for a day, and can't now.
    BecomesAcceptable,
    /// It could not be accepted any more.
    NoLongerAcceptable,
    /// It is accepted as would no longer be allowed; the acceptance stays until its end.
    AcceptanceOutside,
    /// The request to accept it for good would lapse at once.
    RequestLapses,
    /// It would break the gate on its default ref.
    BreaksGate,
    /// It would no longer break the gate.
    SparedByGate,
}

/// How many one effect concerns.
#[derive(SimpleObject)]
pub struct PolicyEffectCount {
    /// What would change.
    pub effect: PolicyEffect,
    /// For how many of this page.
    pub count: u64,
    /// Ids of the first ones.
    pub examples: Vec<ID>,
}

/// What a policy would change, over a page of at most 1,000 open vulnerabilities. Nothing is written.
#[derive(SimpleObject)]
pub struct PolicyTrial {
    /// How many this page looked at.
    pub examined: u64,
    /// How many are open in all, counted up to a million.
    pub total: TotalCount,
    /// How many of this page's would be concerned by anything.
    pub changed: u64,
    /// What would change; effects that concern none are left out.
    pub effects: Vec<PolicyEffectCount>,
    /// Where the next page begins, for `after`; null where nothing follows. Add the counts up.
    pub next: Option<String>,
}

#[derive(Default)]
pub struct PolicyTrialQuery;

#[Object]
impl PolicyTrialQuery {
    /// What would change if this were set: due dates, acceptances, verdicts of the gate. A policy that
    /// contradicts itself is refused as it would be when it is set.
    #[graphql(complexity = "1000 + child_complexity")]
    async fn policy_trial(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose policy.")] place: PlaceInput,
        #[graphql(desc = "The change of it.")] policy: PolicyInput,
        #[graphql(desc = "`next` of the page before.")] after: Option<String>,
    ) -> Result<PolicyTrial> {
        let gna = ctx.data::<Ctx>()?;
        let place = place.resource(gna).await?;
        let trial = service::run(gna, place, policy.into(), after.map(Cursor)).await?;
        Ok(PolicyTrial {
            examined: trial.examined,
            total: trial.total.into(),
            changed: trial.changed,
            effects: trial
                .effects
                .into_iter()
                .map(|of| PolicyEffectCount {
                    effect: of.effect.into(),
                    count: of.count,
                    examples: of.examples.into_iter().map(id).collect(),
                })
                .collect(),
            next: trial.next.map(|cursor| cursor.0),
        })
    }
}
