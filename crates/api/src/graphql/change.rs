//! What happens, as it is told to whoever watches it.

use async_graphql::{Context, Json, Object, Result};
use futures::Stream;
use gna_domain::Ctx;
use gna_domain::error::Error;
use gna_domain::service::watch::{self, Watch};
use std::sync::Arc;

use super::asset::Asset;
use super::blocker::Blocker;
use super::group::Group;
use super::report::Report;
use super::scalar::DateTime;
use super::socket::Socket;
use super::vulnerability::Vulnerability;
use crate::recency::shown;
use crate::streams::Open;

/// Something that happened, with its position as it is told.
pub struct ChangeEvent {
    change: watch::Change,
    position: String,
}

/// Something that happened: what a webhook is sent of it, and what it is about as it is now.
#[Object]
impl ChangeEvent {
    /// Its type, `vulnerability.closed`; `docs/WEBHOOKS.md` lists all.
    async fn event(&self) -> &'static str {
        self.change.event
    }
    /// When.
    async fn at(&self) -> DateTime {
        self.change.at.into()
    }
    /// Subscribe with it as `after` to be told what followed. Opaque.
    async fn position(&self) -> &str {
        &self.position
    }
    /// The group that it happened in.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<Group>> {
        Group::load(ctx, self.change.group).await.map(Some)
    }
    /// The asset, where it is about one or about something of one; none where that is gone.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Option<Asset>> {
        match self.change.asset {
            Some(asset) => Asset::find(ctx, asset).await,
            None => Ok(None),
        }
    }
    /// The vulnerability, where it is about one or a comment on one.
    async fn vulnerability(&self, ctx: &Context<'_>) -> Result<Option<Vulnerability>> {
        match self.change.vulnerability {
            Some(vulnerability) => Vulnerability::find(ctx, vulnerability).await,
            None => Ok(None),
        }
    }
    /// The report, where it is about one.
    async fn report(&self, ctx: &Context<'_>) -> Result<Option<Report>> {
        match self.change.report {
            Some(report) => Report::find(ctx, report).await,
            None => Ok(None),
        }
    }
    /// The blocker, where it is about one.
    async fn blocker(&self, ctx: &Context<'_>) -> Result<Option<Blocker>> {
        Blocker::maybe(ctx, self.change.blocker).await
    }
    /// `data` of the webhook message of that type, as `docs/WEBHOOKS.md` has it.
    async fn data(&self) -> Json<serde_json::Value> {
        Json(self.change.data.clone())
    }
}

/// What happened up to a position.
pub struct ChangeBatch {
    position: String,
    events: Vec<ChangeEvent>,
}

/// What happened up to a position.
#[Object]
impl ChangeBatch {
    /// Subscribe with it as `after` to go on from here. Opaque.
    async fn position(&self) -> &str {
        &self.position
    }
    /// What happened, in that order; at most 100, and none in the first batch.
    #[graphql(complexity = "watch::BATCH * child_complexity")]
    async fn events(&self) -> &[ChangeEvent] {
        &self.events
    }
}

impl ChangeBatch {
    fn new(ctx: &Ctx, batch: watch::Batch) -> Self {
        let store = ctx.store();
        let event = |change: watch::Change| ChangeEvent {
            position: shown(&change.position, store),
            change,
        };
        Self {
            position: shown(&batch.position, store),
            events: batch.events.into_iter().map(event).collect(),
        }
    }

    /// From where on things are told.
    fn first(ctx: &Ctx, watch: &Watch) -> Self {
        Self {
            position: shown(watch.position(), ctx.store()),
            events: Vec::new(),
        }
    }
}

/// First from where on, then what happens; until the store is closed, the server stops or the caller
/// may not go on.
pub(super) fn changes(
    mut gna: Ctx,
    socket: Arc<Socket>,
    mut watch: Watch,
    mut open: Open,
) -> impl Stream<Item = Result<ChangeBatch>> {
    async_stream::try_stream! {
        yield ChangeBatch::first(&gna, &watch);
        loop {
            let batch = next(&mut gna, &socket, &mut watch, &mut open).await?;
            let Some(batch) = batch else { break };
            yield ChangeBatch::new(&gna, batch);
        }
    }
}

/// The next batch that is worth telling. Who the caller is is asked after there is something to tell.
async fn next(
    gna: &mut Ctx,
    socket: &Socket,
    watch: &mut Watch,
    open: &mut Open,
) -> gna_domain::Result<Option<watch::Batch>> {
    loop {
        let items = tokio::select! {
            items = watch.wait(gna) => items?,
            () = open.ending() => return Err(stopping()),
        };
        if items.is_empty() {
            return Ok(None);
        }
        *gna = socket.ctx().await?;
        if let Some(batch) = watch.tell(gna, &items).await? {
            return Ok(Some(batch));
        }
    }
}

fn stopping() -> Error {
    Error::unavailable(
        "server.stopping",
        "the server stops; connect again, and subscribe with the last position as after",
    )
}
