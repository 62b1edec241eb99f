//! The triage desk: treatments, false positives, verification, and what else people say about one
//! vulnerability. State and tags are in [`super::decide`].

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result};
use gna_domain::Ctx;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::{false_positive, treatment, verification};
use gna_domain::service::triage;
use std::sync::Arc;

use super::decide::{DecideInput, VulnerabilityPayload};
use super::enums::VerificationOutcome;
use super::scalar::{DateTime, parse};
use super::vulnerability::Vulnerability;

/// Saying who works on a vulnerability.
#[derive(InputObject)]
pub struct StartTreatmentInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// Id of the user who works on it; who is assigned already if left out.
    pub assignee: Option<ID>,
    /// Why, in your words; kept in its history.
    pub reason: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// Bearing a vulnerability's risk for a time.
#[derive(InputObject)]
pub struct AcceptVulnerabilityInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// When the acceptance ends by itself; the policy may limit how far ahead that is.
    pub until: DateTime,
    /// Why, in your words; kept in its history.
    pub reason: String,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// Answering a retest.
#[derive(InputObject)]
pub struct VerifyVulnerabilityInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// What was found.
    pub outcome: VerificationOutcome,
    /// Why, in your words; kept in its history.
    pub reason: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// Making someone responsible for a vulnerability.
#[derive(InputObject)]
pub struct AssignVulnerabilityInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// Id of a user who may work on it; null: nobody.
    pub assignee: Option<ID>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// A severity as a person states it.
#[derive(OneofObject, Clone)]
pub enum SeverityInput {
    /// A CVSS vector of any version; the score follows from it.
    Vector(String),
    /// 0.0 to 10.0.
    Score(f64),
}

impl From<SeverityInput> for Rating {
    fn from(input: SeverityInput) -> Self {
        match input {
            SeverityInput::Vector(text) => Self::Vector(text),
            SeverityInput::Score(score) => Self::Score(score),
        }
    }
}

/// Giving a vulnerability a severity of one's own.
#[derive(InputObject)]
pub struct RateVulnerabilityInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// The severity; null: the sources' severity counts again.
    pub severity: Option<SeverityInput>,
    /// Why, in your words; kept in its history.
    pub reason: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// Linking a vulnerability to a ticket in another system.
#[derive(InputObject)]
pub struct LinkTicketInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// Address of the ticket, http or https; null: removes the link.
    pub url: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

async fn act(
    ctx: &Context<'_>,
    id: &ID,
    command: Command,
    reason: Option<&str>,
    expected: Option<u64>,
) -> Result<VulnerabilityPayload> {
    let id = parse(id, "input.id")?;
    let after = triage::act(ctx.data::<Ctx>()?, id, &command, reason, expected).await?;
    Ok(VulnerabilityPayload {
        vulnerability: Vulnerability(Arc::new(after)),
    })
}

async fn plain(
    ctx: &Context<'_>,
    input: DecideInput,
    command: Command,
) -> Result<VulnerabilityPayload> {
    let (reason, expected) = (input.reason.as_deref(), input.expected_version);
    act(ctx, &input.id, command, reason, expected).await
}

#[derive(Default)]
pub struct DeskMutation;

#[Object]
impl DeskMutation {
    /// Says that someone works on it.
    async fn start_treatment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and on what.")] input: StartTreatmentInput,
    ) -> Result<VulnerabilityPayload> {
        let command = match &input.assignee {
            Some(user) => Command::StartWith(parse(user, "input.assignee")?),
            None => Command::Treatment(treatment::Command::Start),
        };
        let (reason, expected) = (input.reason.as_deref(), input.expected_version);
        act(ctx, &input.id, command, reason, expected).await
    }
    /// Bears its risk until a date.
    async fn accept_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Until when, and why.")] input: AcceptVulnerabilityInput,
    ) -> Result<VulnerabilityPayload> {
        let until = input.until.0;
        let command = Command::Treatment(treatment::Command::Accept { until });
        let reason = Some(input.reason.as_str());
        act(ctx, &input.id, command, reason, input.expected_version).await
    }
    /// Asks for its risk to be borne for good; needs a reason. The treatment stays what it is until
    /// another person approves.
    async fn request_permanent_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        plain(ctx, input, Command::Treatment(treatment::Command::Request)).await
    }
    /// Agrees, as the second person, to a permanent acceptance.
    async fn approve_permanent_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        plain(ctx, input, Command::Treatment(treatment::Command::Approve)).await
    }
    /// Refuses, as the second person, a permanent acceptance; needs a reason.
    async fn reject_permanent_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        plain(ctx, input, Command::Treatment(treatment::Command::Reject)).await
    }
    /// Takes one's own request for a permanent acceptance back.
    async fn withdraw_permanent_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        plain(ctx, input, Command::Treatment(treatment::Command::Withdraw)).await
    }
    /// Says that nothing is being done about it.
    async fn reset_treatment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        plain(ctx, input, Command::Treatment(treatment::Command::Reset)).await
    }
    /// Holds it for a false positive; needs a reason. It is left out of ordinary lists until another
    /// person rejects that.
    async fn request_false_positive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::FalsePositive(false_positive::Command::Request);
        plain(ctx, input, command).await
    }
    /// Agrees, as another person, that it is a false positive.
    async fn confirm_false_positive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::FalsePositive(false_positive::Command::Confirm);
        plain(ctx, input, command).await
    }
    /// Says, as another person, that it is real, also after it was confirmed; needs a reason.
    async fn reject_false_positive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::FalsePositive(false_positive::Command::Reject);
        plain(ctx, input, command).await
    }
    /// Takes one's own request to hold it for a false positive back.
    async fn withdraw_false_positive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::FalsePositive(false_positive::Command::Withdraw);
        plain(ctx, input, command).await
    }
    /// Says that it is repaired and asks for a retest; needs a reason.
    async fn request_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::Verification(verification::Command::Request);
        plain(ctx, input, command).await
    }
    /// Says what blocks its retest, as the reason.
    async fn hold_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::Verification(verification::Command::Hold);
        plain(ctx, input, command).await
    }
    /// Says that nothing blocks its retest any more.
    async fn resume_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::Verification(verification::Command::Resume);
        plain(ctx, input, command).await
    }
    /// Answers its retest: still open, or closed as `VERIFIED`.
    async fn verify_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The answer.")] input: VerifyVulnerabilityInput,
    ) -> Result<VulnerabilityPayload> {
        let outcome = input.outcome.into();
        let command = Command::Verification(verification::Command::Verify(outcome));
        let (reason, expected) = (input.reason.as_deref(), input.expected_version);
        act(ctx, &input.id, command, reason, expected).await
    }
    /// Makes someone responsible for it, or nobody.
    async fn assign_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and for what.")] input: AssignVulnerabilityInput,
    ) -> Result<VulnerabilityPayload> {
        let assignee = input.assignee.as_ref();
        let assignee = assignee
            .map(|user| parse(user, "input.assignee"))
            .transpose()?;
        let command = Command::Assign(assignee);
        act(ctx, &input.id, command, None, input.expected_version).await
    }
    /// Gives it a severity of one's own, which is shown instead of the sources'.
    async fn rate_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The severity.")] input: RateVulnerabilityInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::Rate(input.severity.map(Into::into));
        let (reason, expected) = (input.reason.as_deref(), input.expected_version);
        act(ctx, &input.id, command, reason, expected).await
    }
    /// Links it to a ticket in another system.
    async fn link_ticket(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link.")] input: LinkTicketInput,
    ) -> Result<VulnerabilityPayload> {
        let command = Command::Link(input.url);
        act(ctx, &input.id, command, None, input.expected_version).await
    }
}
