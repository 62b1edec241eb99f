//! The store, with every call timed.

use async_trait::async_trait;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::page::{Page, PageRequest};
use gna_domain::port::Store;
use gna_domain::port::store::{
    Backup, ChangeSet, FeedItem, FeedPosition, Key, List, Raw, Signals, StoreLimits, UniqueKey,
};
use gna_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Instant;

use super::imports;

/// A store that is counted.
pub struct Counted {
    inner: Arc<dyn Store>,
}

impl Counted {
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        metrics::describe_histogram!(
            "gna_store_call_seconds",
            "Time of calls of the store, by call"
        );
        metrics::describe_counter!(
            "gna_store_errors_total",
            "Calls of the store that failed, by call; lost races are told apart"
        );
        imports::describe();
        Self { inner }
    }

    async fn timed<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let began = Instant::now();
        let done = work.await;
        let took = began.elapsed().as_secs_f64();
        metrics::histogram!("gna_store_call_seconds", "call" => call).record(took);
        if let Err(error) = &done {
            let labels = [("call", call), ("kind", kind(error))];
            metrics::counter!("gna_store_errors_total", &labels).increment(1);
        }
        done
    }
}

/// A lost race is everyday life; the rest is not.
fn kind(error: &Error) -> &'static str {
    match error.kind() {
        Kind::Conflict => "conflict",
        Kind::Unavailable => "unavailable",
        Kind::Internal => "internal",
        _ => "other",
    }
}

#[async_trait]
impl Store for Counted {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn limits(&self) -> StoreLimits {
        self.inner.limits()
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Raw>>> {
        self.timed("get", self.inner.get(keys)).await
    }

    async fn find(&self, uniques: &[UniqueKey]) -> Result<Vec<Option<Raw>>> {
        self.timed("find", self.inner.find(uniques)).await
    }

    async fn list(&self, lists: &[List]) -> Result<Vec<Page<Raw>>> {
        self.timed("list", self.inner.list(lists)).await
    }

    async fn scan(&self, collection: &'static str, page: &PageRequest) -> Result<Page<Raw>> {
        self.timed("scan", self.inner.scan(collection, page)).await
    }

    async fn commit(&self, changes: ChangeSet) -> Result<FeedPosition> {
        let ending = imports::ending(&changes);
        let position = self.timed("commit", self.inner.commit(changes)).await?;
        ending.iter().for_each(imports::count);
        Ok(position)
    }

    async fn feed(&self, after: Option<&FeedPosition>, limit: usize) -> Result<Vec<FeedItem>> {
        self.timed("feed", self.inner.feed(after, limit)).await
    }

    async fn feed_end(&self) -> Result<FeedPosition> {
        self.timed("feed_end", self.inner.feed_end()).await
    }

    fn feed_reached(&self, reader: &FeedPosition, target: &FeedPosition) -> bool {
        self.inner.feed_reached(reader, target)
    }

    async fn tidy(&self, feed_before: Timestamp) -> Result<()> {
        self.timed("tidy", self.inner.tidy(feed_before)).await
    }

    fn signals(&self) -> Signals {
        self.inner.signals()
    }

    async fn check(&self) -> Result<Vec<String>> {
        self.timed("check", self.inner.check()).await
    }

    async fn backup(&self, name: &str) -> Result<Option<Backup>> {
        self.timed("backup", self.inner.backup(name)).await
    }
}
