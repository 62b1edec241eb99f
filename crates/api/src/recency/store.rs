//! The store as one request has it: how far each of its commits reaches is noted.

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::page::{Page, PageRequest};
use gna_domain::port::Store;
use gna_domain::port::store::{
    Backup, ChangeSet, FeedItem, FeedPosition, Key, List, Raw, Signals, StoreLimits, UniqueKey,
};
use gna_domain::time::Timestamp;
use std::sync::Arc;

use super::Recency;

/// Notes commits; passes on all else.
pub(super) struct Noting {
    inner: Arc<dyn Store>,
    recency: Recency,
}

impl Noting {
    pub(super) fn new(inner: Arc<dyn Store>, recency: Recency) -> Self {
        Self { inner, recency }
    }
}

#[async_trait]
impl Store for Noting {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn limits(&self) -> StoreLimits {
        self.inner.limits()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Raw>>> {
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
        let position = self.inner.commit(changes).await?;
        self.recency.note(position.clone());
        Ok(position)
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
