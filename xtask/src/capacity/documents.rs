//! Counts the documents that a search server would hold, and their bytes as JSON.

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::id::VulnerabilityId;
use gna_domain::page::Count;
use gna_domain::port::Search;
use gna_domain::port::search::{
    Document, Facet, FindingText, SearchPage, SearchRequest, SearchUpdate, Selection,
};
use gna_domain::time::Timestamp;
use gna_storage::search::MemorySearch;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A search in memory that knows how large its documents are.
pub struct Documents {
    inner: MemorySearch,
    sizes: Mutex<Sizes>,
}

#[derive(Default)]
struct Sizes {
    documents: BTreeMap<VulnerabilityId, u64>,
    findings: BTreeMap<String, u64>,
    writes: u64,
    touched: u64,
}

/// The JSON of a document: its ids, its version, and its fields by name.
fn document_bytes(document: &Document) -> u64 {
    let fields: BTreeMap<&str, String> = document
        .values
        .iter()
        .map(|(name, value)| (*name, format!("{value:?}")))
        .collect();
    let ids = [
        document.id.to_string(),
        document.group.to_string(),
        document.finding.to_string(),
    ];
    json!({ "ids": ids, "version": document.version, "fields": fields })
        .to_string()
        .len() as u64
}

fn finding_bytes(finding: &FindingText) -> u64 {
    (finding.title.len() + finding.text.len() + 120) as u64
}

impl Documents {
    pub fn new(inner: MemorySearch) -> Self {
        Self {
            inner,
            sizes: Mutex::default(),
        }
    }

    fn with<T>(&self, what: impl FnOnce(&mut Sizes) -> T) -> T {
        what(&mut self.sizes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Documents of vulnerabilities and of findings, and the bytes of both.
    pub fn kept(&self) -> (u64, u64, u64) {
        self.with(|sizes| {
            let bytes = sizes
                .documents
                .values()
                .chain(sizes.findings.values())
                .sum();
            (
                sizes.documents.len() as u64,
                sizes.findings.len() as u64,
                bytes,
            )
        })
    }

    /// Documents written, and documents whose time alone was moved, since the last time.
    pub fn take(&self) -> (u64, u64) {
        self.with(|sizes| {
            (
                std::mem::take(&mut sizes.writes),
                std::mem::take(&mut sizes.touched),
            )
        })
    }
}

#[async_trait]
impl Search for Documents {
    fn name(&self) -> &'static str {
        "documents, on paper"
    }

    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        self.with(|sizes| {
            sizes.writes += (update.documents.len() + update.findings.len()) as u64;
            for document in &update.documents {
                sizes
                    .documents
                    .insert(document.id, document_bytes(document));
            }
            for finding in &update.findings {
                sizes
                    .findings
                    .insert(finding.id.to_string(), finding_bytes(finding));
            }
            for id in &update.removed {
                sizes.documents.remove(id);
            }
        });
        self.inner.apply(update).await
    }

    async fn position(&self) -> Result<Option<String>> {
        self.inner.position().await
    }

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        self.inner.query(request).await
    }

    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        self.inner.count(selection, bound).await
    }

    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        self.inner.facets(selection, fields, limit).await
    }

    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        self.with(|sizes| sizes.touched += ids.len() as u64);
        self.inner.touch(ids, last_seen).await
    }

    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        self.inner.prioritize(scores).await
    }

    async fn clear(&self) -> Result<()> {
        self.inner.clear().await
    }
}
