//! What is told as it happens, over a websocket (`graphql-transport-ws`).

use async_graphql::{Context, ID, Result, Subscription};
use futures::Stream;
use gna_domain::Ctx;
use gna_domain::id::ReportId;
use gna_domain::service::report;
use gna_domain::service::watch::{Watch, WatchChanges};
use std::sync::Arc;

use super::change::{self, ChangeBatch};
use super::report::Report;
use super::scalar::parse;
use super::socket::Socket;
use crate::recency::given;

pub struct Subscriptions;

/// What is told as it happens.
#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// A report each time it has come further, first as it stands; ends once it is final.
    async fn report_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Report>> + use<>> {
        let gna = ctx.data::<Ctx>()?.clone();
        let id: ReportId = parse(&id, "id")?;
        // Asked for once before the stream begins, so that a refusal is an error of the
        // subscription itself.
        report::require(&gna, id).await?;
        let socket = Arc::clone(ctx.data::<Arc<Socket>>()?);
        Ok(progress(gna, socket, id))
    }

    /// What happens in an organization, of what the caller may see. The first batch has no events: it
    /// says from where on they are told, so that what is read after it is not older.
    async fn changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
        #[graphql(desc = "Id of a group; all that the caller may see if left out.")] group: Option<
            ID,
        >,
        #[graphql(desc = "Id of an asset; all, and what is about no asset, if left out.")]
        asset: Option<ID>,
        #[graphql(desc = "Types of events, as webhooks have them; all if left out.")]
        events: Option<Vec<String>>,
        #[graphql(
            desc = "A position that was told here or by `X-Gna-Position`; what followed it is told first. From now on if left out."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ChangeBatch>> + use<>> {
        let gna = ctx.data::<Ctx>()?.clone();
        let socket = Arc::clone(ctx.data::<Arc<Socket>>()?);
        let after = after.map(|after| given(&after, "after", gna.store()));
        let wanted = WatchChanges {
            organization: parse(&organization, "organization")?,
            group: group.map(|id| parse(&id, "group")).transpose()?,
            asset: asset.map(|id| parse(&id, "asset")).transpose()?,
            events: events.unwrap_or_default(),
            after: after.transpose()?,
        };
        let watch = Watch::begin(&gna, wanted).await?;
        let open = socket.stream(&gna)?;
        Ok(change::changes(gna, socket, watch, open))
    }
}

/// Woken by commits; asks each time who the caller is and whether they may see the report.
fn progress(mut gna: Ctx, socket: Arc<Socket>, id: ReportId) -> impl Stream<Item = Result<Report>> {
    async_stream::try_stream! {
        let mut commits = gna.store().signals().feed;
        let mut told = 0;
        loop {
            commits.mark_unchanged();
            let report = report::require(&gna, id).await?;
            let is_final = report.status.is_final();
            if report.version != told {
                told = report.version;
                yield Report(Arc::new(report));
            }
            if is_final || commits.changed().await.is_err() {
                break;
            }
            gna = socket.ctx().await?;
        }
    }
}
