//! Counts the calls that reach a backend, for tests that pin what an operation may cost.

use crate::kernel::{
    Backend, BackendLimits, Batch, Damage, Error, FeedCursor, FeedEntry, Item, ItemKey, ItemPage,
    RangeQuery,
};
use async_trait::async_trait;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Calls per method since the last [`Counting::take`]. A batched call counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    pub get_many: usize,
    pub query_many: usize,
    pub scan: usize,
    pub commit: usize,
    pub feed: usize,
}

/// Passes every call on and counts it.
pub struct Counting {
    inner: Arc<dyn Backend>,
    calls: Mutex<Calls>,
    rows: AtomicUsize,
}

impl Counting {
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self {
            inner,
            calls: Mutex::default(),
            rows: AtomicUsize::new(0),
        }
    }

    /// Records that were read since it was asked last, by key, range or scan.
    pub fn take_rows(&self) -> usize {
        self.rows.swap(0, Ordering::Relaxed)
    }

    fn read(&self, rows: usize) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The counts so far; counting starts again at 0.
    pub fn take(&self) -> Calls {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, add: impl FnOnce(&mut Calls)) {
        add(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Backend for Counting {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn limits(&self) -> BackendLimits {
        self.inner.limits()
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        self.count(|calls| calls.get_many += 1);
        let found = self.inner.get_many(keys).await?;
        self.read(found.iter().flatten().count());
        Ok(found)
    }

    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error> {
        self.count(|calls| calls.query_many += 1);
        let pages = self.inner.query_many(queries).await?;
        self.read(pages.iter().map(|page| page.items.len()).sum());
        Ok(pages)
    }

    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        self.count(|calls| calls.scan += 1);
        let page = self.inner.scan(collection, after, limit).await?;
        self.read(page.items.len());
        Ok(page)
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        self.count(|calls| calls.commit += 1);
        self.inner.commit(batch).await
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        self.count(|calls| calls.feed += 1);
        self.inner.feed(after, limit).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        self.inner.feed_end().await
    }

    fn feed_reached(&self, a: &FeedCursor, b: &FeedCursor) -> bool {
        self.inner.feed_reached(a, b)
    }

    async fn trim_feed(&self, before: Timestamp) -> Result<u64, Error> {
        self.inner.trim_feed(before).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<u64, Error> {
        self.inner.purge_expired(limit).await
    }

    fn commits_to(&self, collection: &str) -> Option<watch::Receiver<u64>> {
        self.inner.commits_to(collection)
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits()
    }

    async fn time(&self) -> Result<Option<Timestamp>, Error> {
        self.inner.time().await
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        self.inner.check().await
    }

    async fn backup(&self, name: &str) -> Result<Option<crate::kernel::Copied>, Error> {
        self.inner.backup(name).await
    }
}
