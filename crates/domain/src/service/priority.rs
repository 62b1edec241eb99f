//! Priorities: derived from vulnerabilities, their assets and what the world knows of their CVEs, and
//! kept in the search index only. The rule is [`crate::rules::priority`].
//!
//! When something they rest on changes, a durable job walks what may be affected and rewrites the
//! rows of the index whose score is another one now: no vulnerability gets a new version, a history
//! row or an event.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

use super::{feeds, index};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{AssetId, GroupId, VulnerabilityId};
use crate::model::{Asset, Group, Job, Organization, Threat, Vulnerability};
use crate::page::Cursor;
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::search::{Condition, Operand, SearchRequest, Selection, Sort};
use crate::port::store::Stored;
use crate::port::{fresh, repo};
use crate::rules::priority::{Priority, cves, priority};
use crate::time::Timestamp;

/// The kind of the job.
pub const KIND: &str = "priority.rescore";

/// Vulnerabilities looked at together.
const PAGE: usize = 1_000;
/// Pages of one turn of the job; then it says how far it is.
const PAGES: usize = 10;

/// Whose scores may be others now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those with one of these names.
    Cves(Vec<String>),
    Asset(AssetId),
}

#[derive(Serialize, Deserialize)]
struct Payload {
    scope: Scope,
    /// Where it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Rows of the index that were rewritten.
    #[serde(default)]
    rewritten: u64,
}

impl Payload {
    fn written(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self)
            .map_err(|_| Error::internal("job.payload", "the job can't be written"))
    }
}

/// The job, to be committed with the change that makes it necessary.
///
/// # Errors
/// Only if it can't be written as JSON.
pub fn job(ctx: &Ctx, scope: &Scope) -> Result<Job> {
    let payload = Payload {
        scope: scope.clone(),
        after: None,
        rewritten: 0,
    };
    let id = fresh(ctx.ports.ids.as_ref());
    Ok(Job::new(id, KIND, payload.written()?, ctx.now()).in_lane("priority"))
}

/// The priorities of vulnerabilities that the caller has already been let in to, in their order; two
/// reads of the store however many they are.
///
/// # Errors
/// The store's.
pub async fn of(ctx: &Ctx, values: &[&Vulnerability]) -> Result<Vec<Priority>> {
    let ids: BTreeSet<AssetId> = values.iter().map(|value| value.asset).collect();
    let ids: Vec<AssetId> = ids.into_iter().collect();
    let names: BTreeSet<&str> = values.iter().flat_map(|value| cves(value)).collect();
    let keys: Vec<_> = names.iter().map(|cve| Threat::key_of(cve)).collect();
    let (assets, threats) = futures::join!(
        repo::get_many::<Asset>(ctx.store(), &ids),
        repo::get_keys::<Threat>(ctx.store(), &keys)
    );
    let assets: HashMap<AssetId, Asset> = assets?
        .into_iter()
        .flatten()
        .map(|stored| (stored.value.id, stored.value))
        .collect();
    let threats: HashMap<String, Threat> = threats?
        .into_iter()
        .flatten()
        .map(|stored| (stored.value.cve.clone(), stored.value))
        .collect();
    Ok(values
        .iter()
        .map(|value| {
            let known: Vec<&Threat> = cves(value).filter_map(|cve| threats.get(cve)).collect();
            priority(value, assets.get(&value.asset), &known)
        })
        .collect())
}

/// The moment that the newest feed is of; `None` where none was imported. For those who have already
/// been let in to what it explains.
///
/// # Errors
/// The store's.
pub async fn as_of(ctx: &Ctx) -> Result<Option<Timestamp>> {
    let feeds = feeds::known(ctx).await?;
    Ok(feeds.into_iter().map(|feed| feed.as_of).max())
}

/// Does it.
pub struct RescoreHandler;

#[async_trait]
impl Handler for RescoreHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Puts the priorities in the search index right after a feed or an asset changed"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let mut payload: Payload = serde_json::from_value(claimed.job().payload.clone())
            .map_err(|_| Error::invalid("job.payload", "the job does not say what to rescore"))?;
        if payload.after.is_none() {
            // What the index does not have yet is described with what is known now.
            index::catch_up(ctx).await?;
        }
        let selection = selection(ctx, &payload.scope).await?;
        for _ in 0..PAGES {
            let request = SearchRequest {
                selection: selection.clone(),
                sort: Sort {
                    field: "created",
                    descending: false,
                },
                limit: PAGE,
                after: payload.after.take().map(Cursor),
            };
            let page = ctx.ports.search.query(&request).await?;
            let ids: Vec<VulnerabilityId> = page.hits.iter().map(|hit| hit.id).collect();
            payload.rewritten += rescore(ctx, &ids).await?;
            let last = page.hits.last().map(|hit| hit.cursor.0.clone());
            payload.after = last.filter(|_| page.has_more);
            if payload.after.is_none() {
                tracing::debug!(rewritten = payload.rewritten, "priorities put right");
                return Ok(Outcome::done());
            }
        }
        Ok(Outcome::Later {
            at: ctx.now(),
            payload: payload.written()?,
        })
    }
}

/// Rewrites the rows whose score is another one; answers how many that were.
async fn rescore(ctx: &Ctx, ids: &[VulnerabilityId]) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let stored: Vec<Stored<Vulnerability>> = repo::get_many::<Vulnerability>(ctx.store(), ids)
        .await?
        .into_iter()
        .flatten()
        .collect();
    let values: Vec<&Vulnerability> = stored.iter().map(|stored| &stored.value).collect();
    let scores: Vec<(VulnerabilityId, i64)> = of(ctx, &values)
        .await?
        .into_iter()
        .zip(&values)
        .map(|(priority, value)| (value.id, priority.tenths))
        .collect();
    ctx.ports.search.prioritize(&scores).await
}

async fn selection(ctx: &Ctx, scope: &Scope) -> Result<Selection> {
    let any = |field, values: Vec<String>| {
        Condition::In(field, values.into_iter().map(Operand::Keyword).collect())
    };
    let (groups, condition) = match scope {
        Scope::Cves(cves) => (all_groups(ctx).await?, any("identifier", cves.clone())),
        Scope::Asset(id) => {
            let asset = repo::require::<Asset>(ctx.store(), *id).await?;
            (vec![asset.group], any("asset", vec![id.to_string()]))
        }
    };
    Ok(Selection {
        groups,
        condition,
        text: None,
    })
}

async fn all_groups(ctx: &Ctx) -> Result<Vec<GroupId>> {
    let mut all = Vec::new();
    for organization in repo::list_all::<Organization>(ctx.store(), "all", &[]).await? {
        let of = organization.id.to_string();
        let groups = repo::list_all::<Group>(ctx.store(), "by_organization", &[&of]).await?;
        all.extend(groups.into_iter().map(|group| group.id));
    }
    Ok(all)
}
