//! A store that fails: so that work can be cut at any of its commits.

use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::page::{Page, PageRequest};
use gna_domain::port::store::{
    Backup, ChangeSet, FeedItem, FeedPosition, Key, List, Raw, Signals, Store, StoreLimits,
    TOO_LARGE, UniqueKey,
};
use gna_domain::time::Timestamp;
use gna_testkit::{Stores, World};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails commits once so many have gone through, and takes few writes at once, so that what is
/// done in steps has many.
pub struct Failing {
    inner: Arc<dyn Store>,
    left: AtomicI64,
    writes: usize,
}

impl Failing {
    /// Puts itself before the world's store; everything goes through for now.
    pub fn install(world: &mut World, writes: usize) -> Arc<Self> {
        let failing = Arc::new(Self {
            inner: world.ports.store.clone(),
            left: AtomicI64::new(i64::MAX),
            writes,
        });
        world.ports.store = failing.clone();
        failing
    }

    /// Runs the jobs until so many commits have gone through and the worker dies with them; then,
    /// when its lease has ended, with another worker to the end, and takes itself away. Whether the
    /// first one failed.
    pub async fn cut(&self, world: &mut World, after: Option<i64>) -> bool {
        self.left.store(after.unwrap_or(i64::MAX), Ordering::SeqCst);
        let failed = world.run_jobs().await.is_err();
        self.left.store(i64::MAX, Ordering::SeqCst);
        world.clock.advance_days(1);
        let ended = world.run_jobs().await;
        ended.expect("the second worker ends it");
        world.ports.store = self.inner.clone();
        failed
    }
}

/// Runs a story (what came of it, and whether it was interrupted) uncut and then cut at every
/// commit that it has, on each store: what comes of it must always be the same. Answers that.
pub async fn cut_everywhere<T: PartialEq + Debug>(
    at_least: usize,
    story: impl AsyncFn(Stores, Option<i64>) -> (T, bool),
) -> Vec<T> {
    let mut outcomes = Vec::new();
    for stores in Stores::ALL {
        let (expected, failed) = story(stores, None).await;
        assert!(!failed);
        let mut interrupted = 0;
        for after in 0.. {
            let (again, failed) = story(stores, Some(after)).await;
            assert_eq!(again, expected, "cut after {after} commits on {stores:?}");
            if !failed {
                break;
            }
            interrupted += 1;
        }
        assert!(
            interrupted >= at_least,
            "only {interrupted} places to be cut at"
        );
        outcomes.push(expected);
    }
    outcomes
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
