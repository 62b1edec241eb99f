//! The gate: verdicts on reports, their record, and snapshots for verdicts without a server.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::rules::gate as rules;
use gna_domain::service::gate;

use super::asset::{Asset, AssetRef};
use super::enums::SeverityLevel;
use super::group::Group;
use super::location::Location;
use super::report::Report;
use super::scalar::{DateTime, id, parse, parse_all};

/// What the gate says, strict or lax.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "rules::Verdict")]
pub enum GateVerdict {
    /// Nothing breaks it.
    Pass,
    /// Something does.
    Broken,
}

/// By which terms was judged.
#[derive(SimpleObject)]
pub struct GateTerms {
    /// Lowest score that breaks the gate.
    pub threshold: f64,
    /// Days for which a new vulnerability is spared.
    pub grace_days: u32,
    /// Days after which a vulnerability is technical debt and spared; 0 never.
    pub debt_days: u32,
    /// Whether a broken gate fails the build.
    pub strict: bool,
    /// Whether only what the base does not have counted.
    pub new_only: bool,
}

impl From<rules::Terms> for GateTerms {
    fn from(terms: rules::Terms) -> Self {
        Self {
            threshold: terms.threshold,
            grace_days: terms.grace_days,
            debt_days: terms.debt_days,
            strict: terms.strict,
            new_only: terms.new_only,
        }
    }
}

/// How many were judged, and how: `judged` is the sum of all others.
#[derive(SimpleObject)]
pub struct GateCounts {
    /// All.
    pub judged: u64,
    /// What breaks the gate.
    pub breaking: u64,
    /// Waiting for review, rejected, or closed by a decision.
    pub not_open: u64,
    /// Held for false positives.
    pub false_positive: u64,
    /// With an accepted risk.
    pub accepted: u64,
    /// Set aside by every tool that shows them.
    pub suppressed: u64,
    /// On the base, too.
    pub on_base: u64,
    /// With a score below the threshold.
    pub below_threshold: u64,
    /// Too new.
    pub in_grace: u64,
    /// Too old.
    pub technical_debt: u64,
}

impl From<rules::Counts> for GateCounts {
    fn from(counts: rules::Counts) -> Self {
        Self {
            judged: counts.judged,
            breaking: counts.breaking,
            not_open: counts.not_open,
            false_positive: counts.false_positive,
            accepted: counts.accepted,
            suppressed: counts.suppressed,
            on_base: counts.on_base,
            below_threshold: counts.below_threshold,
            in_grace: counts.in_grace,
            technical_debt: counts.technical_debt,
        }
    }
}

/// A vulnerability that broke the gate, as it was then.
#[derive(SimpleObject)]
pub struct GateOffender {
    /// Id of the vulnerability.
    pub vulnerability: ID,
    /// Title of its finding.
    pub title: String,
    /// A tool that reported it.
    pub tool: String,
    /// That tool's rule.
    pub rule: String,
    /// Its level.
    pub level: SeverityLevel,
    /// Its score, 0.0 to 10.0.
    pub score: f64,
    /// Where it was.
    pub location: Location,
    /// CVE, GHSA and other public names.
    pub identifiers: Vec<String>,
    /// When it was first recorded.
    pub first_seen: DateTime,
}

impl From<&model::Offender> for GateOffender {
    fn from(offender: &model::Offender) -> Self {
        Self {
            vulnerability: id(offender.vulnerability),
            title: offender.title.clone(),
            tool: offender.tool.clone(),
            rule: offender.rule.clone(),
            level: offender.level.into(),
            score: offender.score,
            location: (&offender.location).into(),
            identifiers: offender.identifiers.clone(),
            first_seen: offender.first_seen.into(),
        }
    }
}

/// A verdict, as it was given.
pub struct GateRun(pub model::GateRun);

/// A verdict, as it was given.
#[Object]
impl GateRun {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// The group of the report.
    async fn group(&self, ctx: &Context<'_>) -> Result<Group> {
        Group::load(ctx, self.0.group).await
    }
    /// The asset of the report.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Asset> {
        Asset::load(ctx, self.0.asset).await
    }
    /// The ref that was judged.
    async fn r#ref(&self, ctx: &Context<'_>) -> Result<AssetRef> {
        AssetRef::load(ctx, self.0.r#ref).await
    }
    /// The report under test.
    async fn report(&self, ctx: &Context<'_>) -> Result<Report> {
        Report::load(ctx, self.0.report).await
    }
    /// The commit that the report is of.
    async fn commit(&self) -> Option<&str> {
        self.0.commit.as_deref()
    }
    /// The ref that it was compared with, where only what is new counted.
    async fn base(&self, ctx: &Context<'_>) -> Result<Option<AssetRef>> {
        match self.0.base {
            Some(base) => AssetRef::load(ctx, base).await.map(Some),
            None => Ok(None),
        }
    }
    /// When.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Who asked.
    async fn by(&self) -> &str {
        &self.0.by
    }
    /// What the gate said, strict or lax.
    async fn verdict(&self) -> GateVerdict {
        self.0.verdict.into()
    }
    /// Whether the build was to fail: broken and strict.
    async fn fails(&self) -> bool {
        self.0.verdict == rules::Verdict::Broken && self.0.terms.strict
    }
    /// By which terms.
    async fn terms(&self) -> GateTerms {
        self.0.terms.into()
    }
    /// How many were judged, and how.
    async fn counts(&self) -> GateCounts {
        self.0.counts.into()
    }
    /// What was asked for and the policy does not allow, in sentences.
    async fn notes(&self) -> &[String] {
        &self.0.notes
    }
    /// What broke it, the worst first; 100 at most are kept.
    #[graphql(complexity = "100 * child_complexity")]
    async fn breaking(&self) -> Vec<GateOffender> {
        self.0.breaking.iter().map(Into::into).collect()
    }
}

#[derive(Default)]
pub struct GateQuery;

#[Object]
impl GateQuery {
    /// A verdict by its id.
    async fn gate_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<GateRun> {
        let run = gate::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(GateRun(run.value))
    }

    /// The public key that this instance's snapshots are signed with; null before the first one.
    async fn gate_key(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(gate::public_key(ctx.data::<Ctx>()?).await?)
    }
}

/// What is to be judged, and by which terms. A policy can be tightened here, never loosened.
#[derive(InputObject)]
pub struct RunGateInput {
    /// Id of the report under test; its import must be complete.
    pub report: ID,
    /// Ids of other reports of the same build, of the same asset and ref.
    #[graphql(default)]
    pub with_reports: Vec<ID>,
    /// Lowest score that breaks the gate, 0.0 to 10.0.
    pub threshold: Option<f64>,
    /// Days for which a new vulnerability is spared.
    pub grace_days: Option<u32>,
    /// Days after which a vulnerability is technical debt and spared; 0 never.
    pub debt_days: Option<u32>,
    /// Whether a broken gate is to fail the build.
    pub strict: Option<bool>,
    /// Judge only what the base does not have, where the policy allows that.
    #[graphql(default)]
    pub new_only: bool,
    /// Name of the base ref; the asset's default ref if left out. Where it is the report's own
    /// ref, only what these reports were the first to show counts.
    pub base: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct RunGatePayload {
    /// The verdict, which is on record now.
    pub run: GateRun,
    /// What breaks the gate, the worst first; 1,000 at most.
    #[graphql(complexity = "100 * child_complexity")]
    pub breaking: Vec<GateOffender>,
}

/// Of what a snapshot is taken.
#[derive(InputObject)]
pub struct TakeGateSnapshotInput {
    /// Id of the asset.
    pub asset: ID,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct TakeGateSnapshotPayload {
    /// The file for `gna gate --snapshot`: JSON, not to be changed by a byte.
    pub snapshot: String,
    /// The public key that a reader must trust.
    pub key: String,
}

#[derive(Default)]
pub struct GateMutation;

#[Object]
impl GateMutation {
    /// Gives a verdict on all that is present on the report's ref, and records it.
    #[graphql(complexity = "1_000 + child_complexity")]
    async fn run_gate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and by which terms.")] input: RunGateInput,
    ) -> Result<RunGatePayload> {
        let asked = gate::RunGate {
            report: parse(&input.report, "input.report")?,
            with: parse_all(Some(input.with_reports), "input.withReports")?,
            limits: rules::Limits {
                threshold: input.threshold,
                grace_days: input.grace_days,
                debt_days: input.debt_days,
                strict: input.strict,
                ..rules::Limits::default()
            },
            new_only: input.new_only,
            base: input.base,
        };
        let ran = gate::run(ctx.data::<Ctx>()?, asked).await?;
        Ok(RunGatePayload {
            breaking: ran.breaking.iter().map(Into::into).collect(),
            run: GateRun(ran.run.value),
        })
    }

    /// Takes a signed snapshot of an asset, for verdicts without a server.
    async fn take_gate_snapshot(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of what.")] input: TakeGateSnapshotInput,
    ) -> Result<TakeGateSnapshotPayload> {
        let asset = parse(&input.asset, "input.asset")?;
        let sealed = gate::snapshot(ctx.data::<Ctx>()?, asset).await?;
        Ok(TakeGateSnapshotPayload {
            // JSON is text.
            snapshot: String::from_utf8_lossy(&sealed.file).into_owned(),
            key: sealed.key,
        })
    }
}
