//! Vulnerabilities with what is shown beside them, for lists and for exports of any length.
//!
//! An export goes page by page behind a cursor and holds one page at a time: how much there is does
//! not change how much memory it takes, and whoever reads slowly slows it down.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::{AssetId, FindingId};
use crate::model::{Asset, Finding, Group, Organization, Vulnerability};
use crate::page::{Cursor, PageRequest};
use crate::port::repo;
use crate::port::search::Sort;
use crate::port::store::Stored;
use crate::rules::document::last_seen;
use crate::rules::priority::Priority;
use crate::time::Timestamp;

use super::filter::VulnerabilityFilter;
use super::{finding, index, priority, vulnerability};

/// Vulnerabilities read at once by an export.
const PAGE: usize = 500;
/// Findings, and assets, that an export remembers from page to page.
const REMEMBERED: usize = 5_000;
/// Tools that an export knows apart.
const TOOLS: usize = 1_000;

/// A vulnerability with its finding and asset. Both are there unless a merge or a deletion is
/// going on.
#[derive(Clone, Debug)]
pub struct Row {
    pub vulnerability: Stored<Vulnerability>,
    pub finding: Option<Arc<Finding>>,
    pub asset: Option<Arc<Asset>>,
    /// When a report last showed it.
    pub last_seen: Timestamp,
    pub priority: Priority,
    /// The moment that the newest feed of threats is of.
    pub priority_as_of: Option<Timestamp>,
}

/// What was read already.
#[derive(Debug, Default)]
struct Known {
    findings: HashMap<FindingId, Arc<Finding>>,
    assets: HashMap<AssetId, Arc<Asset>>,
}

/// Adds to vulnerabilities what is shown beside them; a few reads of the store however many they
/// are. The caller has already been let in to the vulnerabilities.
///
/// # Errors
/// The store's.
pub async fn rows(ctx: &Ctx, items: Vec<Stored<Vulnerability>>) -> Result<Vec<Row>> {
    dress(ctx, &mut Known::default(), items).await
}

async fn dress(
    ctx: &Ctx,
    known: &mut Known,
    items: Vec<Stored<Vulnerability>>,
) -> Result<Vec<Row>> {
    known.learn(ctx, &items).await?;
    let scanned = index::scanned(ctx, &items).await?;
    let values: Vec<&Vulnerability> = items.iter().map(|item| &item.value).collect();
    let priorities = priority::of(ctx, &values).await?;
    let priority_as_of = priority::as_of(ctx).await?;
    let row = |(item, priority): (Stored<Vulnerability>, Priority)| {
        let of = |stream: &str| scanned.get(&(item.asset, stream.to_owned())).copied();
        Row {
            finding: known.findings.get(&item.finding).cloned(),
            asset: known.assets.get(&item.asset).cloned(),
            last_seen: last_seen(&item.value, &of),
            priority,
            priority_as_of,
            vulnerability: item,
        }
    };
    Ok(items.into_iter().zip(priorities).map(row).collect())
}

impl Known {
    async fn learn(&mut self, ctx: &Ctx, items: &[Stored<Vulnerability>]) -> Result<()> {
        if self.findings.len() > REMEMBERED {
            self.findings.clear();
        }
        if self.assets.len() > REMEMBERED {
            self.assets.clear();
        }
        let findings: BTreeSet<FindingId> = items
            .iter()
            .map(|item| item.finding)
            .filter(|id| !self.findings.contains_key(id))
            .collect();
        let findings: Vec<FindingId> = findings.into_iter().collect();
        if !findings.is_empty() {
            let read = finding::resolved(ctx, &findings).await?;
            self.findings.extend(
                findings
                    .into_iter()
                    .zip(read)
                    .filter_map(|(id, found)| Some((id, Arc::new(found?.value)))),
            );
        }
        let assets: BTreeSet<AssetId> = items
            .iter()
            .map(|item| item.asset)
            .filter(|id| !self.assets.contains_key(id))
            .collect();
        let assets: Vec<AssetId> = assets.into_iter().collect();
        if !assets.is_empty() {
            let read = repo::get_many::<Asset>(ctx.store(), &assets).await?;
            self.assets.extend(
                read.into_iter()
                    .flatten()
                    .map(|asset| (asset.id, Arc::new(asset.value))),
            );
        }
        Ok(())
    }
}

/// An export on its way.
pub struct Export {
    ctx: Ctx,
    scope: Vec<Resource>,
    filter: VulnerabilityFilter,
    sort: Sort,
    after: Option<Cursor>,
    known: Known,
    /// Of a part: the tool that it is of.
    first: Option<String>,
    /// Of a part: the tools that the whole was narrowed to.
    asked: Vec<String>,
    is_done: bool,
}

impl Export {
    /// An export of what the filter chooses in the scope ([`super::scope::all`]), oldest first, so
    /// that what is created meanwhile comes at the end.
    #[must_use]
    pub fn new(ctx: &Ctx, scope: Vec<Resource>, filter: VulnerabilityFilter) -> Self {
        Self {
            ctx: ctx.clone(),
            scope,
            filter,
            sort: Sort {
                field: "created",
                descending: false,
            },
            after: None,
            known: Known::default(),
            first: None,
            asked: Vec::new(),
            is_done: false,
        }
    }

    /// In whose name it is read.
    #[must_use]
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The tools that reported what is exported, most frequent first; at most 1,000.
    ///
    /// # Errors
    /// As [`vulnerability::facets`].
    pub async fn tools(&self) -> Result<Vec<String>> {
        let facets =
            vulnerability::facets(&self.ctx, &self.scope, &self.filter, &["tool"], TOOLS).await?;
        Ok(facets
            .into_iter()
            .flat_map(|facet| facet.values)
            .map(|(tool, _)| tool)
            .collect())
    }

    /// The part of the export whose vulnerabilities were reported by this tool first: the parts of
    /// all [`Export::tools`] have nothing in common, and together are the whole.
    #[must_use]
    pub fn of_tool(&self, tool: &str) -> Self {
        let mut part = Self::new(&self.ctx, self.scope.clone(), self.filter.clone());
        part.asked = std::mem::replace(&mut part.filter.tools, vec![tool.to_owned()]);
        part.first = Some(tool.to_owned());
        part
    }

    /// Whether a vulnerability belongs into this part.
    fn takes(&self, vulnerability: &Vulnerability) -> bool {
        let sources = &vulnerability.sources;
        let is_first = self
            .first
            .as_ref()
            .is_none_or(|first| sources.first().is_some_and(|source| source.tool == *first));
        is_first
            && (self.asked.is_empty()
                || sources
                    .iter()
                    .any(|source| self.asked.contains(&source.tool)))
    }

    /// The next rows, at most 500 (of a part also none); `None` at the end.
    ///
    /// # Errors
    /// As [`vulnerability::query`].
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>> {
        if self.is_done {
            return Ok(None);
        }
        let page = PageRequest {
            first: PAGE,
            after: self.after.take(),
        };
        let found =
            vulnerability::query(&self.ctx, &self.scope, &self.filter, self.sort, &page).await?;
        let last = found.items.last().map(|(_, cursor)| cursor.clone());
        self.after = last.filter(|_| found.has_more);
        self.is_done = self.after.is_none();
        let items = found.items.into_iter().map(|(item, _)| item);
        let items = items.filter(|item| self.takes(item)).collect();
        Ok(Some(dress(&self.ctx, &mut self.known, items).await?))
    }
}

/// Values of a field that are told of in an overview, and vulnerabilities that come first.
const TOLD: usize = 10;

/// What a whole export comes to: counts by value, most frequent first.
#[derive(Clone, Debug)]
pub struct Overview {
    /// `acme/shop`, or how many groups it is of.
    pub place: String,
    pub levels: Vec<(String, u64)>,
    pub states: Vec<(String, u64)>,
    pub treatments: Vec<(String, u64)>,
    /// By name; at most ten.
    pub assets: Vec<(String, u64)>,
    /// At most ten.
    pub tools: Vec<(String, u64)>,
    /// Those with the highest priority, at most ten.
    pub first: Vec<Row>,
}

impl Export {
    /// # Errors
    /// As [`vulnerability::facets`], or the store's.
    pub async fn overview(&self) -> Result<Overview> {
        let (ctx, scope, filter) = (&self.ctx, self.scope.as_slice(), &self.filter);
        let fields = ["level", "state", "treatment", "asset", "tool"];
        let facets = vulnerability::facets(ctx, scope, filter, &fields, TOLD).await?;
        let of = |name: &str| {
            let facet = facets.iter().find(|facet| facet.field == name);
            facet.map(|facet| facet.values.clone()).unwrap_or_default()
        };
        let sort = Sort {
            field: "priority",
            descending: true,
        };
        let page = PageRequest::first(TOLD);
        let first = vulnerability::query(ctx, scope, filter, sort, &page).await?;
        let first = first.items.into_iter().map(|(item, _)| item).collect();
        Ok(Overview {
            place: place(ctx, scope).await?,
            levels: of("level"),
            states: of("state"),
            treatments: of("treatment"),
            assets: named(ctx, of("asset")).await?,
            tools: of("tool"),
            first: rows(ctx, first).await?,
        })
    }
}

async fn place(ctx: &Ctx, scope: &[Resource]) -> Result<String> {
    let [Resource::Group(organization, group)] = scope else {
        return Ok(format!("{} groups", scope.len()));
    };
    let organization = repo::require::<Organization>(ctx.store(), *organization).await?;
    let group = repo::require::<Group>(ctx.store(), *group).await?;
    Ok(format!("{}/{}", organization.slug, group.slug))
}

/// Counts by asset, with names in place of ids.
async fn named(ctx: &Ctx, counts: Vec<(String, u64)>) -> Result<Vec<(String, u64)>> {
    let ids: Vec<AssetId> = counts
        .iter()
        .filter_map(|(id, _)| id.parse().ok())
        .collect();
    let assets = repo::get_many::<Asset>(ctx.store(), &ids).await?;
    let names: HashMap<String, String> = assets
        .into_iter()
        .flatten()
        .map(|asset| (asset.id.to_string(), asset.name.clone()))
        .collect();
    let name = |(id, count): (String, u64)| (names.get(&id).cloned().unwrap_or(id), count);
    Ok(counts.into_iter().map(name).collect())
}
