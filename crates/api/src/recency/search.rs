//! The search index as a request has it that wants to find what was written before: questions wait
//! until the index has come so far, once for all of the request's questions.

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::id::VulnerabilityId;
use gna_domain::page::Count;
use gna_domain::port::Search;
use gna_domain::port::search::{
    Facet, Rebuilding, SearchPage, SearchRequest, SearchUpdate, Selection,
};
use gna_domain::time::Timestamp;
use std::sync::Arc;

use super::Recency;

/// Waits before questions; passes on all else.
pub(super) struct Waiting {
    inner: Arc<dyn Search>,
    recency: Recency,
}

impl Waiting {
    pub(super) fn new(inner: Arc<dyn Search>, recency: Recency) -> Self {
        Self { inner, recency }
    }
}

#[async_trait]
impl Search for Waiting {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        self.inner.apply(update).await
    }

    async fn position(&self) -> Result<Option<String>> {
        self.inner.position().await
    }

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        self.recency.arrived().await;
        self.inner.query(request).await
    }

    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        self.recency.arrived().await;
        self.inner.count(selection, bound).await
    }

    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        self.recency.arrived().await;
        self.inner.facets(selection, fields, limit).await
    }

    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        self.inner.touch(ids, last_seen).await
    }

    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        self.inner.prioritize(scores).await
    }

    async fn clear(&self) -> Result<()> {
        self.inner.clear().await
    }

    async fn rebuilding(&self) -> Result<Rebuilding> {
        self.inner.rebuilding().await
    }

    async fn renew(&self) -> Result<Option<Arc<dyn Search>>> {
        self.inner.renew().await
    }
}
