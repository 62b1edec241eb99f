//! What is told as it happens, over a websocket (`graphql-transport-ws`).

use async_graphql::{Context, ID, Result, Subscription};
use futures::Stream;
use gna_domain::Ctx;
use gna_domain::id::ReportId;
use gna_domain::service::report;
use std::sync::Arc;

use super::report::Report;
use super::scalar::parse;
use super::socket::Socket;

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
