//! Periodic reports by e-mail: the caller's subscriptions.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::port::store::Stored;
use gna_domain::service::notice::summary::{self, Wish};

use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload};

/// How often a periodic report comes.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::ReportEvery")]
pub enum ReportEvery {
    /// Every day.
    Day,
    /// On Mondays.
    Week,
    /// On the first of the month.
    Month,
}

pub struct ReportSubscription(Stored<model::ReportSubscription>);

/// That the caller gets a periodic report on a group.
#[Object]
impl ReportSubscription {
    /// Id of the group.
    async fn group_id(&self) -> ID {
        id(self.0.group)
    }
    /// How often it comes.
    async fn every(&self) -> ReportEvery {
        self.0.every.into()
    }
    /// Full hour, 0 to 23, in the zone.
    async fn hour(&self) -> u8 {
        self.0.hour
    }
    /// Of the IANA database.
    async fn zone(&self) -> &str {
        &self.0.zone
    }
    /// When the next one comes.
    async fn next(&self) -> DateTime {
        self.0.next.into()
    }
}

/// A periodic report that is wanted.
#[derive(InputObject)]
pub struct SubscribeToReportInput {
    /// Id of the group.
    pub group: ID,
    /// How often it comes; weekly if left out.
    pub every: Option<ReportEvery>,
    /// Full hour, 0 to 23, in the zone; 7 if left out.
    pub hour: Option<u8>,
    /// Of the IANA database; UTC if left out.
    pub zone: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct ReportSubscriptionPayload {
    /// The subscription as it is now.
    pub subscription: ReportSubscription,
}

#[derive(Default)]
pub struct SummaryQuery;

#[Object]
impl SummaryQuery {
    /// The groups on which the caller gets a periodic report; 100 at most.
    #[graphql(complexity = "100 * child_complexity")]
    async fn report_subscriptions(&self, ctx: &Context<'_>) -> Result<Vec<ReportSubscription>> {
        let all = summary::list(ctx.data::<Ctx>()?).await?;
        Ok(all.into_iter().map(ReportSubscription).collect())
    }
}

#[derive(Default)]
pub struct SummaryMutation;

#[Object]
impl SummaryMutation {
    /// The caller gets a periodic report on a group, in place of one before; for people with a session.
    async fn subscribe_to_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The report.")] input: SubscribeToReportInput,
    ) -> Result<ReportSubscriptionPayload> {
        let wish = Wish {
            group: parse(&input.group, "input.group")?,
            every: input.every.map(Into::into).unwrap_or_default(),
            hour: input.hour.unwrap_or(7),
            zone: input.zone.unwrap_or_else(|| "UTC".to_owned()),
        };
        let made = summary::subscribe(ctx.data::<Ctx>()?, &wish).await?;
        Ok(ReportSubscriptionPayload {
            subscription: ReportSubscription(made),
        })
    }
    /// Ends the caller's periodic report on a group.
    async fn unsubscribe_from_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the group.")] group: ID,
    ) -> Result<DonePayload> {
        summary::unsubscribe(ctx.data::<Ctx>()?, parse(&group, "group")?).await?;
        Ok(DONE)
    }
}
