//! A store that fails: so that work can be cut at any of its commits.

use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::page::{Page, PageRequest};
use gna_domain::port::store::{
    Backup, ChangeSet, FeedItem, FeedPosition, Key, List, Raw, Signals, Store, StoreLimits,
    TOO_LARGE, UniqueKey,
};
use gna_domain::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails commits once so many have gone through, and takes few writes at once, so that what is
/// done in steps has many.
pub struct Failing {
    pub inner: Arc<dyn Store>,
    pub left: AtomicI64,
    pub writes: usize,
}

#[async_trait]
impl Store for Failing {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }
    fn limits(&self) -> StoreLimits {
        StoreLimits {
            writes: self.writes,
            ..self.inner.limits()
        }
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
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::unavailable(
                "store.unavailable",
                "the cable was pulled",
            ));
        }
        // Smaller than what a chunk of items can come to: some are applied in halves.
        if changes.writes.len() > self.writes {
            return Err(Error::limit(TOO_LARGE, "that is more than it takes"));
        }
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
