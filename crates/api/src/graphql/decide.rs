//! Deciding on vulnerabilities.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::rules::decide::Decision;
use gna_domain::service::{merge, triage};
use std::sync::Arc;

use super::enums::ClosedReason;
use super::scalar::parse;
use super::vulnerability::Vulnerability;

/// A decision about one vulnerability.
#[derive(InputObject)]
pub struct DecideInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// Why, in your words; kept in its history.
    pub reason: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// Closing a vulnerability.
#[derive(InputObject)]
pub struct CloseVulnerabilityInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// `FIXED` or `OUT_OF_SCOPE`; the other reasons are found out, not decided.
    pub closed_reason: ClosedReason,
    /// Why, in your words; kept in its history.
    pub reason: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// Tagging a vulnerability.
#[derive(InputObject)]
pub struct TagVulnerabilityInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// Tags it is to have besides its own.
    #[graphql(default)]
    pub add: Vec<String>,
    /// Tags it is to lose.
    #[graphql(default)]
    pub remove: Vec<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct VulnerabilityPayload {
    /// The vulnerability as it is now.
    pub vulnerability: Vulnerability,
}

async fn act(
    ctx: &Context<'_>,
    id: &ID,
    decision: Decision,
    reason: Option<&str>,
    expected: Option<u64>,
) -> Result<VulnerabilityPayload> {
    let id = parse(id, "input.id")?;
    let after = triage::decide(ctx.data::<Ctx>()?, id, decision, reason, expected).await?;
    Ok(VulnerabilityPayload {
        vulnerability: Vulnerability(Arc::new(after)),
    })
}

async fn decide(
    ctx: &Context<'_>,
    input: DecideInput,
    decision: Decision,
) -> Result<VulnerabilityPayload> {
    act(
        ctx,
        &input.id,
        decision,
        input.reason.as_deref(),
        input.expected_version,
    )
    .await
}

#[derive(Default)]
pub struct DecideMutation;

#[Object]
impl DecideMutation {
    /// Says that a submitted one is right: it becomes open.
    async fn confirm_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        decide(ctx, input, Decision::Confirm).await
    }
    /// Says that a submitted one is wrong.
    async fn reject_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        decide(ctx, input, Decision::Reject).await
    }
    /// Has a rejected one looked at again.
    async fn resubmit_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        decide(ctx, input, Decision::Resubmit).await
    }
    /// Closes an open one.
    async fn close_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: CloseVulnerabilityInput,
    ) -> Result<VulnerabilityPayload> {
        let decision = Decision::Close(input.closed_reason.into());
        act(
            ctx,
            &input.id,
            decision,
            input.reason.as_deref(),
            input.expected_version,
        )
        .await
    }
    /// Opens a closed one that a report still shows.
    async fn reopen_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        decide(ctx, input, Decision::Reopen).await
    }
    /// Adds and removes tags.
    async fn tag_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tags.")] input: TagVulnerabilityInput,
    ) -> Result<VulnerabilityPayload> {
        let decision = Decision::Tag {
            add: input.add,
            remove: input.remove,
        };
        act(ctx, &input.id, decision, None, input.expected_version).await
    }
    /// Takes a merge back: the vulnerability is separated from the one that took it in, and no
    /// later import merges them again.
    async fn unmerge_vulnerability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one that was merged into another.")] input: DecideInput,
    ) -> Result<VulnerabilityPayload> {
        let id = parse(&input.id, "input.id")?;
        let after = merge::unmerge(ctx.data::<Ctx>()?, id, input.reason.as_deref()).await?;
        Ok(VulnerabilityPayload {
            vulnerability: Vulnerability(Arc::new(after)),
        })
    }
}
