//! Ports with somebody between who hears of what is done, and may have a word first; all else is
//! passed on.

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::id::VulnerabilityId;
use gna_domain::page::{Count, Page, PageRequest};
use gna_domain::port::search::{
    Facet, Rebuilding, SearchPage, SearchRequest, SearchUpdate, Selection,
};
use gna_domain::port::store::{
    Backup, ChangeSet, FeedItem, FeedPosition, Key, List, Raw, Signals, StoreLimits, UniqueKey,
};
use gna_domain::port::{Search, Store};
use gna_domain::time::Timestamp;
use std::sync::Arc;

/// What happens before each commit, and before each read by key.
#[async_trait]
pub trait AtCommit: Send + Sync + 'static {
    /// What the store is said to take at once.
    fn limits(&self, limits: StoreLimits) -> StoreLimits {
        limits
    }

    /// # Errors
    /// Then there is no commit.
    async fn before(&self, changes: &ChangeSet) -> Result<()>;

    async fn reads(&self) {}
}

/// A store with somebody before its commits and its reads by key.
pub struct StoreBetween<B> {
    pub inner: Arc<dyn Store>,
    pub with: Arc<B>,
}

#[async_trait]
impl<B: AtCommit> Store for StoreBetween<B> {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }
    fn limits(&self) -> StoreLimits {
        self.with.limits(self.inner.limits())
    }
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Raw>>> {
        self.with.reads().await;
        self.inner.get(keys).await
    }
    async fn find(&self, uniques: &[UniqueKey]) -> Result<Vec<Option<Raw>>> {
        self.inner.find(uniques).await
    }
    async fn list(&self, lists: &[List]) -> Result<Vec<Page<Raw>>> {
        self.inner.list(lists).await
    }
    async fn scan(&self, collection: &'static str, page: &PageRequest) -> Result<Page<Raw>> {
        self.inner.scan(collection, page).await
    }
    async fn commit(&self, changes: ChangeSet) -> Result<FeedPosition> {
        self.with.before(&changes).await?;
        self.inner.commit(changes).await
    }
    async fn feed(&self, after: Option<&FeedPosition>, limit: usize) -> Result<Vec<FeedItem>> {
        self.inner.feed(after, limit).await
    }
    async fn feed_end(&self) -> Result<FeedPosition> {
        self.inner.feed_end().await
    }
    fn feed_reached(&self, reader: &FeedPosition, target: &FeedPosition) -> bool {
        self.inner.feed_reached(reader, target)
    }
    async fn tidy(&self, feed_before: Timestamp) -> Result<()> {
        self.inner.tidy(feed_before).await
    }
    fn signals(&self) -> Signals {
        self.inner.signals()
    }
    async fn check(&self) -> Result<Vec<String>> {
        self.inner.check().await
    }
    async fn backup(&self, name: &str) -> Result<Option<Backup>> {
        self.inner.backup(name).await
    }
}

/// What is heard of what an index is asked and of what is written into it.
#[async_trait]
pub trait AtIndex: Send + Sync + 'static {
    /// Before it is asked anything.
    ///
    /// # Errors
    /// Then that is its answer.
    async fn asked(&self) -> Result<()> {
        Ok(())
    }

    /// Before an update is applied.
    async fn applies(&self, _update: &SearchUpdate) {}

    /// Before documents are only seen again.
    fn touches(&self, _ids: &[VulnerabilityId]) {}

    /// After so many rows were rewritten for their priority.
    fn prioritized(&self, _rows: u64) {}

    /// Whether an index that has room for a second one may use it; else it is made anew in place.
    fn has_room(&self) -> bool {
        true
    }
}

/// An index with somebody before it.
pub struct SearchBetween<B> {
    pub inner: Arc<dyn Search>,
    pub with: Arc<B>,
}

#[async_trait]
impl<B: AtIndex> Search for SearchBetween<B> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        self.with.applies(&update).await;
        self.inner.apply(update).await
    }
    async fn position(&self) -> Result<Option<String>> {
        self.with.asked().await?;
        self.inner.position().await
    }
    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        self.with.asked().await?;
        self.inner.query(request).await
    }
    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        self.with.asked().await?;
        self.inner.count(selection, bound).await
    }
    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        self.with.asked().await?;
        self.inner.facets(selection, fields, limit).await
    }
    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        self.with.touches(ids);
        self.inner.touch(ids, last_seen).await
    }
    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        let rows = self.inner.prioritize(scores).await?;
        self.with.prioritized(rows);
        Ok(rows)
    }
    async fn clear(&self) -> Result<()> {
        self.inner.clear().await
    }
    async fn rebuilding(&self) -> Result<Rebuilding> {
        self.inner.rebuilding().await
    }
    async fn renew(&self) -> Result<Option<Arc<dyn Search>>> {
        match self.with.has_room() {
            true => self.inner.renew().await,
            false => Ok(None),
        }
    }
}
