//! Deciding anew about all vulnerabilities of an asset, after its default ref became another one.
//!
//! A durable job in the asset's lane, so that no import runs at the same time. It walks the
//! identities of the asset, which name every vulnerability it ever had; run again from the start it
//! finds nothing left to do for those that are done.

use async_trait::async_trait;
use std::collections::BTreeSet;

use super::import;
use super::vulnerability::{Step, commit_with};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{AssetId, VulnerabilityId};
use crate::model::{Asset, Identity, Job, Vulnerability};
use crate::page::PageRequest;
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::store::ChangeSet;
use crate::port::{fresh, repo};
use crate::rules::lifecycle::settle;

/// The kind of the job.
pub const KIND: &str = "asset.settle";

/// Vulnerabilities of one commit; each takes some ten writes of it.
const CHUNK: usize = 20;

/// Identities read at once.
const ROWS: usize = 500;

/// The job for an asset.
#[must_use]
pub fn job(ctx: &Ctx, asset: &Asset) -> Job {
    Job::new(
        fresh(ctx.ports.ids.as_ref()),
        KIND,
        serde_json::json!({ "asset": asset.id }),
        ctx.now(),
    )
    .in_lane(import::lane(asset.id))
    .of(asset.organization)
}

/// Does it.
pub struct SettleHandler;

#[async_trait]
impl Handler for SettleHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Decides anew about the vulnerabilities of an asset after its default ref changed"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let asset: AssetId = claimed
            .job()
            .payload
            .get("asset")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| Error::invalid("job.payload", "the job names no asset"))?
            .parse()?;
        let asset = repo::require::<Asset>(ctx.store(), asset).await?;
        let mut request = PageRequest::first(ROWS);
        loop {
            let page =
                repo::children::<Identity>(ctx.store(), &asset.id.to_string(), false, request)
                    .await?;
            let ids: BTreeSet<VulnerabilityId> = page
                .items
                .iter()
                .flat_map(|row| row.holders.iter().map(|holder| holder.vulnerability))
                .collect();
            let ids: Vec<VulnerabilityId> = ids.into_iter().collect();
            for chunk in ids.chunks(CHUNK) {
                settle_chunk(ctx, claimed, &asset.value, chunk).await?;
            }
            let Some(next) = page.next else {
                return Ok(Outcome::done());
            };
            request = PageRequest {
                first: ROWS,
                after: Some(next),
            };
        }
    }
}

async fn settle_chunk(
    ctx: &Ctx,
    claimed: &Claimed,
    asset: &Asset,
    ids: &[VulnerabilityId],
) -> Result<()> {
    let steps: Vec<Step> = repo::get_many::<Vulnerability>(ctx.store(), ids)
        .await?
        .into_iter()
        .flatten()
        .filter_map(|current| {
            let events = settle(&current.value, asset.default_ref);
            (!events.is_empty()).then_some(Step { current, events })
        })
        .collect();
    if steps.is_empty() {
        return Ok(());
    }
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    commit_with(ctx, steps, changes, "vulnerability.settled", None).await?;
    Ok(())
}
