//! Weaknesses that an organization bears in all its groups.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::id::OrganizationId;
use gna_domain::model;
use gna_domain::port::store::Stored;
use gna_domain::service::organization;
use gna_domain::service::weakness_acceptance::{self as service, Command, Draft};

use super::connection::{List, Wish, cost, listed};
use super::failure::Failure;
use super::scalar::{DateTime, id, parse};
use super::triage::Note;

/// What has become of it.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::WeaknessAcceptanceStatus")]
pub enum WeaknessAcceptanceStatus {
    /// Waits for its second person.
    Submitted,
    /// In force, until its date if it has one.
    Approved,
    /// Another person refused.
    Rejected,
    /// Was in force; what it set is taken back.
    Inactive,
}

/// How far a run has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::AcceptanceRunStatus")]
pub enum AcceptanceRunStatus {
    /// Its job waits.
    Queued,
    /// Under way.
    Running,
    /// All are looked at.
    Complete,
    /// The acceptance was decided on otherwise meanwhile; what is counted stays.
    Stopped,
    /// Given up after several tries; what is counted stays.
    Failed,
}

/// How often one code refused.
#[derive(SimpleObject)]
pub struct RefusalCount {
    /// The code.
    pub code: String,
    /// For how many vulnerabilities.
    pub count: u64,
}

pub struct AcceptanceRun(Stored<model::AcceptanceRun>);

/// An acceptance on its way over what there is, or back.
#[Object]
impl AcceptanceRun {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Version of the acceptance.
    async fn version(&self) -> u32 {
        self.0.value.version
    }
    /// It takes back what was set.
    async fn back(&self) -> bool {
        self.0.back
    }
    /// Id of the one group that it is about; null: all of the organization.
    async fn group_id(&self) -> Option<ID> {
        self.0.group.map(id)
    }
    /// How far it has come.
    async fn status(&self) -> AcceptanceRunStatus {
        self.0.status.into()
    }
    /// How many vulnerabilities it looks at, as counted when it began.
    async fn total(&self) -> Option<u64> {
        self.0.total
    }
    /// How many were looked at.
    async fn done(&self) -> u64 {
        self.0.done
    }
    /// How many of them were accepted, or are no longer.
    async fn changed(&self) -> u64 {
        self.0.changed
    }
    /// What policies refused, by code; the history of each vulnerability has it too.
    async fn refused(&self) -> Vec<RefusalCount> {
        let of = |(code, count): (&String, &u64)| RefusalCount {
            code: code.clone(),
            count: *count,
        };
        self.0.refused.iter().map(of).collect()
    }
    /// Why it failed.
    async fn failure(&self) -> Option<Failure> {
        self.0.failure.as_ref().map(Into::into)
    }
    /// When it was asked for.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// When it ended.
    async fn finished(&self) -> Option<DateTime> {
        self.0.finished.map(Into::into)
    }
}

pub struct WeaknessAcceptance(Stored<model::WeaknessAcceptance>);

/// That an organization bears a weakness wherever it is found in its groups.
#[Object]
impl WeaknessAcceptance {
    /// Its id; `rule` in the history of what it decided on.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// `CWE-79`, a public name, or `TOOL:RULE`.
    async fn weakness(&self) -> String {
        self.0.weakness.to_string()
    }
    /// When it ends; null: for good.
    async fn until(&self) -> Option<DateTime> {
        self.0.until.map(Into::into)
    }
    /// Only vulnerabilities with one of these; empty: all.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }
    /// Only on assets with one of these; empty: all.
    async fn asset_tags(&self) -> &[String] {
        &self.0.asset_tags
    }
    /// What has become of it.
    async fn status(&self) -> WeaknessAcceptanceStatus {
        self.0.status.into()
    }
    /// Grows each time it is submitted; each version decides on a vulnerability once.
    async fn version(&self) -> u32 {
        self.0.value.version
    }
    /// Version of the record, for `expectedVersion`.
    async fn record_version(&self) -> u64 {
        self.0.version
    }
    /// When it was first submitted.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Who asks for it.
    async fn submitted(&self) -> Note {
        Note(self.0.submitted.clone())
    }
    /// Who approved or rejected it.
    async fn decided(&self) -> Option<Note> {
        self.0.decided.clone().map(Note)
    }
    /// Who made it inactive.
    async fn ended(&self) -> Option<Note> {
        self.0.ended.clone().map(Note)
    }
    /// How it went over what there is, latest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<AcceptanceRun>> {
        let of = self.0.clone();
        let list = move |ctx: Ctx, page| {
            let of = of.clone();
            async move { service::runs(&ctx, &of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, AcceptanceRun).await?)
    }
}

/// What is asked to be accepted.
#[derive(InputObject)]
pub struct SubmitWeaknessAcceptanceInput {
    /// Id of the organization.
    pub organization: ID,
    /// Id of one that was rejected or is inactive and is submitted again; a new one if left out.
    pub acceptance_id: Option<ID>,
    /// `CWE-79`, a public name (`CVE-2021-44228`), or `TOOL:RULE`.
    pub weakness: String,
    /// When it ends by itself; for good if left out.
    pub until: Option<DateTime>,
    /// Only vulnerabilities with one of these tags.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// Only on assets with one of these tags.
    #[graphql(default)]
    pub asset_tags: Vec<String>,
    /// Why; kept in the history of what it decides.
    pub reason: String,
}

/// A decision on one.
#[derive(InputObject)]
pub struct DecideWeaknessAcceptanceInput {
    /// Id of the organization.
    pub organization: ID,
    /// Its id.
    pub acceptance_id: ID,
    /// Why; needed to reject it and to make it inactive.
    pub reason: Option<String>,
    /// `recordVersion` that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// One to be removed.
#[derive(InputObject)]
pub struct RemoveWeaknessAcceptanceInput {
    /// Id of the organization.
    pub organization: ID,
    /// Its id.
    pub acceptance_id: ID,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct WeaknessAcceptancePayload {
    /// As it is now.
    pub acceptance: WeaknessAcceptance,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct RemoveWeaknessAcceptancePayload {
    /// Id of what is gone.
    pub removed_id: ID,
}

/// The organization, if the caller may know of it; before anything is said about what else was sent.
async fn known(gna: &Ctx, text: &ID) -> gna_domain::Result<OrganizationId> {
    let named = parse(text, "input.organization")?;
    Ok(organization::require(gna, named).await?.id)
}

async fn decide(
    ctx: &Context<'_>,
    input: DecideWeaknessAcceptanceInput,
    command: Command,
) -> Result<WeaknessAcceptancePayload> {
    let gna = ctx.data::<Ctx>()?;
    let organization = known(gna, &input.organization).await?;
    let of = parse(&input.acceptance_id, "input.acceptanceId")?;
    let (reason, expected) = (input.reason.as_deref(), input.expected_version);
    let decided = service::decide(gna, organization, of, command, reason, expected).await?;
    Ok(WeaknessAcceptancePayload {
        acceptance: WeaknessAcceptance(decided),
    })
}

#[derive(Default)]
pub struct WeaknessAcceptanceQuery;

#[Object]
impl WeaknessAcceptanceQuery {
    /// The weakness acceptances of an organization, oldest first; 100 at most.
    #[graphql(complexity = "100 * child_complexity")]
    async fn weakness_acceptances(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
    ) -> Result<Vec<WeaknessAcceptance>> {
        let gna = ctx.data::<Ctx>()?;
        let of = known(gna, &organization).await?;
        let all = service::list(gna, of).await?;
        Ok(all.into_iter().map(WeaknessAcceptance).collect())
    }

    /// One weakness acceptance.
    async fn weakness_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<WeaknessAcceptance> {
        let gna = ctx.data::<Ctx>()?;
        let of = known(gna, &organization).await?;
        let found = service::require(gna, of, parse(&id, "id")?).await?;
        Ok(WeaknessAcceptance(found))
    }
}

#[derive(Default)]
pub struct WeaknessAcceptanceMutation;

#[Object]
impl WeaknessAcceptanceMutation {
    /// Asks for a weakness to be accepted in all groups. Needs `weakness_acceptance.submit`.
    async fn submit_weakness_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and why.")] input: SubmitWeaknessAcceptanceInput,
    ) -> Result<WeaknessAcceptancePayload> {
        let gna = ctx.data::<Ctx>()?;
        let organization = known(gna, &input.organization).await?;
        let again = input.acceptance_id.as_ref();
        let again = again
            .map(|id| parse(id, "input.acceptanceId"))
            .transpose()?;
        let draft = Draft {
            weakness: input.weakness,
            until: input.until.map(|until| until.0),
            tags: input.tags,
            asset_tags: input.asset_tags,
        };
        let reason = Some(input.reason.as_str());
        let made = service::submit(gna, organization, again, &draft, reason).await?;
        Ok(WeaknessAcceptancePayload {
            acceptance: WeaknessAcceptance(made),
        })
    }

    /// Approves one as another person than the one who asked. Needs `weakness_acceptance.decide`.
    async fn approve_weakness_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: DecideWeaknessAcceptanceInput,
    ) -> Result<WeaknessAcceptancePayload> {
        decide(ctx, input, Command::Approve).await
    }

    /// Rejects one, with a reason. Needs `weakness_acceptance.decide`; who submitted it may withdraw it so with `weakness_acceptance.submit`.
    async fn reject_weakness_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DecideWeaknessAcceptanceInput,
    ) -> Result<WeaknessAcceptancePayload> {
        decide(ctx, input, Command::Reject).await
    }

    /// Ends one that is in force, with a reason: what it set and nobody has changed since is taken back.
    async fn deactivate_weakness_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DecideWeaknessAcceptanceInput,
    ) -> Result<WeaknessAcceptancePayload> {
        decide(ctx, input, Command::Deactivate).await
    }

    /// Removes one that was rejected or is inactive. Needs `weakness_acceptance.decide`.
    async fn remove_weakness_acceptance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: RemoveWeaknessAcceptanceInput,
    ) -> Result<RemoveWeaknessAcceptancePayload> {
        let gna = ctx.data::<Ctx>()?;
        let organization = known(gna, &input.organization).await?;
        let of = parse(&input.acceptance_id, "input.acceptanceId")?;
        service::remove(gna, organization, of).await?;
        Ok(RemoveWeaknessAcceptancePayload { removed_id: id(of) })
    }
}
