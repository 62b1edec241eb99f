//! Bulks: one decision on many vulnerabilities.

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::error::Error;
use gna_domain::port::store::Stored;
use gna_domain::rules::decide::Decision;
use gna_domain::rules::desk::Command;
use gna_domain::rules::{false_positive, treatment, verification};
use gna_domain::service::bulk::{self, Chosen};
use std::sync::Arc;

use super::connection::{List, Wish, cost, listed};
use super::desk::SeverityInput;
use super::enums::{ClosedReason, VerificationOutcome};
use super::failure::Failure;
use super::filter::VulnerabilityFilter;
use super::scalar::{DateTime, id, parse, parse_all};

/// How far a bulk has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "bulk::BulkStatus")]
pub enum BulkStatus {
    /// Its job waits.
    Queued,
    /// Under way: what is counted is decided for good.
    Running,
    /// All are decided on.
    Complete,
    /// Stopped by a person; what is counted stays decided.
    Cancelled,
    /// Given up; what is counted stays decided.
    Failed,
}

#[derive(Clone)]
pub struct Bulk(pub Arc<Stored<bulk::Bulk>>);

/// One decision on many vulnerabilities of a group, and how far it has come.
#[Object]
impl Bulk {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// The decision, as the audit log calls it.
    async fn decision(&self) -> &str {
        self.0.command.name()
    }
    /// Why, in the words of who decided.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    /// Who decided: id of a user or a token.
    async fn actor(&self) -> &str {
        &self.0.by
    }
    /// How far it has come.
    async fn status(&self) -> BulkStatus {
        self.0.status.into()
    }
    /// How many vulnerabilities it is about; known once they were listed.
    async fn total(&self) -> Option<u64> {
        self.0.total
    }
    /// How many are decided on: changed, unchanged or refused.
    async fn done(&self) -> u64 {
        self.0.done
    }
    /// How many were changed.
    async fn changed(&self) -> u64 {
        self.0.changed
    }
    /// How many were that way already.
    async fn unchanged(&self) -> u64 {
        self.0.unchanged
    }
    /// How many could not be decided so.
    async fn refused(&self) -> u64 {
        self.0.refused
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
    /// The vulnerabilities that could not be decided so, each with the reason.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn refusals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<BulkRefusal>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { bulk::refusals(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, BulkRefusal).await?)
    }
}

pub struct BulkRefusal(Stored<bulk::BulkRefusal>);

/// One vulnerability that a bulk could not decide on.
#[Object]
impl BulkRefusal {
    /// Id of the vulnerability.
    async fn vulnerability_id(&self) -> ID {
        id(self.0.vulnerability)
    }
    /// The stable code of the reason.
    async fn code(&self) -> &str {
        &self.0.code
    }
    /// The reason, for people.
    async fn message(&self) -> &str {
        &self.0.message
    }
}

/// Decisions that need no more than their name; each as its own mutation describes it.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainDecision {
    /// As `confirmVulnerability`.
    Confirm,
    /// As `rejectVulnerability`.
    Reject,
    /// As `resubmitVulnerability`.
    Resubmit,
    /// As `reopenVulnerability`.
    Reopen,
    /// As `startTreatment`, for those that have an assignee.
    StartTreatment,
    /// As `resetTreatment`.
    ResetTreatment,
    /// As `requestPermanentAcceptance`.
    RequestPermanentAcceptance,
    /// As `approvePermanentAcceptance`.
    ApprovePermanentAcceptance,
    /// As `rejectPermanentAcceptance`.
    RejectPermanentAcceptance,
    /// As `withdrawPermanentAcceptance`.
    WithdrawPermanentAcceptance,
    /// As `requestFalsePositive`.
    RequestFalsePositive,
    /// As `confirmFalsePositive`.
    ConfirmFalsePositive,
    /// As `rejectFalsePositive`.
    RejectFalsePositive,
    /// As `withdrawFalsePositive`.
    WithdrawFalsePositive,
    /// As `requestVerification`.
    RequestVerification,
    /// As `holdVerification`.
    HoldVerification,
    /// As `resumeVerification`.
    ResumeVerification,
    /// Nobody is responsible any more.
    Unassign,
    /// The sources' severity counts again.
    ClearSeverity,
    /// Removes the link to a ticket.
    UnlinkTicket,
}

impl From<PlainDecision> for Command {
    fn from(plain: PlainDecision) -> Self {
        use PlainDecision as P;
        match plain {
            P::Confirm => Self::State(Decision::Confirm),
            P::Reject => Self::State(Decision::Reject),
            P::Resubmit => Self::State(Decision::Resubmit),
            P::Reopen => Self::State(Decision::Reopen),
            P::StartTreatment => Self::Treatment(treatment::Command::Start),
            P::ResetTreatment => Self::Treatment(treatment::Command::Reset),
            P::RequestPermanentAcceptance => Self::Treatment(treatment::Command::Request),
            P::ApprovePermanentAcceptance => Self::Treatment(treatment::Command::Approve),
            P::RejectPermanentAcceptance => Self::Treatment(treatment::Command::Reject),
            P::WithdrawPermanentAcceptance => Self::Treatment(treatment::Command::Withdraw),
            P::RequestFalsePositive => Self::FalsePositive(false_positive::Command::Request),
            P::ConfirmFalsePositive => Self::FalsePositive(false_positive::Command::Confirm),
            P::RejectFalsePositive => Self::FalsePositive(false_positive::Command::Reject),
            P::WithdrawFalsePositive => Self::FalsePositive(false_positive::Command::Withdraw),
            P::RequestVerification => Self::Verification(verification::Command::Request),
            P::HoldVerification => Self::Verification(verification::Command::Hold),
            P::ResumeVerification => Self::Verification(verification::Command::Resume),
            P::Unassign => Self::Assign(None),
            P::ClearSeverity => Self::Rate(None),
            P::UnlinkTicket => Self::Link(None),
        }
    }
}

/// Tags to add and to remove.
#[derive(InputObject)]
pub struct TagsInput {
    /// Tags they are to have besides their own.
    #[graphql(default)]
    pub add: Vec<String>,
    /// Tags they are to lose.
    #[graphql(default)]
    pub remove: Vec<String>,
}

/// The decision.
#[derive(OneofObject)]
pub enum DecisionInput {
    /// One that needs no more than its name.
    Plain(PlainDecision),
    /// Closes open ones: `FIXED` or `OUT_OF_SCOPE`.
    Close(ClosedReason),
    /// Adds and removes tags.
    Tags(TagsInput),
    /// Bears their risk until then.
    AcceptUntil(DateTime),
    /// Id of the user who works on them from now on.
    StartWith(ID),
    /// Id of the user who is responsible for them.
    Assign(ID),
    /// A severity of one's own.
    Rate(SeverityInput),
    /// Address of their ticket in another system.
    Ticket(String),
    /// Answers their retests.
    Verify(VerificationOutcome),
    /// Id of the blocker that their retests are to wait for.
    HoldFor(ID),
}

impl DecisionInput {
    fn command(self) -> gna_domain::Result<Command> {
        Ok(match self {
            Self::Plain(plain) => plain.into(),
            Self::Close(reason) => Command::State(Decision::Close(reason.into())),
            Self::Tags(TagsInput { add, remove }) => Command::State(Decision::Tag { add, remove }),
            Self::AcceptUntil(until) => {
                Command::Treatment(treatment::Command::Accept { until: until.0 })
            }
            Self::StartWith(user) => Command::StartWith(parse(&user, "input.decision.startWith")?),
            Self::Assign(user) => Command::Assign(Some(parse(&user, "input.decision.assign")?)),
            Self::Rate(severity) => Command::Rate(Some(severity.into())),
            Self::Ticket(url) => Command::Link(Some(url)),
            Self::Verify(outcome) => {
                Command::Verification(verification::Command::Verify(outcome.into()))
            }
            Self::HoldFor(blocker) => {
                let blocker = parse(&blocker, "input.decision.holdFor")?;
                Command::Verification(verification::Command::HoldFor(blocker))
            }
        })
    }
}

/// A decision on many vulnerabilities: those with the ids, or those that the filter lists when the
/// work begins. 100,000 at most.
#[derive(InputObject)]
pub struct StartBulkInput {
    /// Id of their group.
    pub group: ID,
    /// Ids of the vulnerabilities.
    pub ids: Option<Vec<ID>>,
    /// Or a filter, as that of the group's list.
    pub filter: Option<VulnerabilityFilter>,
    /// The decision.
    pub decision: DecisionInput,
    /// Why, in your words; kept in the history of each.
    pub reason: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct BulkPayload {
    /// The bulk as it is now.
    pub bulk: Bulk,
}

fn payload(stored: Stored<bulk::Bulk>) -> BulkPayload {
    BulkPayload {
        bulk: Bulk(Arc::new(stored)),
    }
}

#[derive(Default)]
pub struct BulkQuery;

#[Object]
impl BulkQuery {
    /// One bulk.
    async fn bulk(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Bulk> {
        let found = bulk::require(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Bulk(Arc::new(found)))
    }
}

#[derive(Default)]
pub struct BulkMutation;

#[Object]
impl BulkMutation {
    /// Takes one decision on many vulnerabilities, as a job: ask for the bulk to see how far it is.
    async fn start_bulk(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "On which, and what.")] input: StartBulkInput,
    ) -> Result<BulkPayload> {
        let gna = ctx.data::<Ctx>()?;
        let group = parse(&input.group, "input.group")?;
        let command = input.decision.command()?;
        // Before anything is said about what was sent.
        bulk::permitted(gna, group, &command).await?;
        let chosen = match (input.ids, input.filter) {
            (Some(ids), None) => Chosen::Ids(parse_all(Some(ids), "input.ids")?),
            (None, Some(filter)) => Chosen::Filter(Box::new(filter.into_domain()?)),
            _ => {
                return Err(Error::invalid("bulk.chosen", "name either ids or a filter")
                    .on_field("input")
                    .into());
            }
        };
        let reason = input.reason.as_deref();
        let started = bulk::start(gna, group, chosen, command, reason).await?;
        Ok(payload(started))
    }
    /// Stops a bulk between two steps; what is decided stays.
    async fn cancel_bulk(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<BulkPayload> {
        let cancelled = bulk::cancel(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(payload(cancelled))
    }
}
