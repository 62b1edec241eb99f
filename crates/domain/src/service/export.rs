//! Vulnerabilities with what is shown beside them, for lists and for exports of any length.
//!
//! An export goes page by page behind a cursor and holds one page at a time: how much there is does
//! not change how much memory it takes, and whoever reads slowly slows it down.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::{AssetId, FindingId};
use crate::model::{Asset, Finding, Vulnerability};
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
