//! The item store in a DynamoDB table.

use super::client::DynamoDb;
use super::commit::{self, Writer};
use super::directory::Directory;
use super::feed::{self, At};
use super::wake::{self, Wakes};
use super::{check, get, range, scan, table, trim};
use crate::backend::Now;
use crate::backend::rules::{LIMITS, check_batch};
use crate::kernel::{
    Backend, BackendLimits, Batch, Damage, Error, FeedCursor, FeedEntry, Item, ItemKey, ItemPage,
    RangeQuery,
};
use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Largest sum of bodies in one batch: what the service takes, less the keys of as many rows.
const BATCH_BYTES: usize = 3_600_000;
/// Ranges that are read at once.
const AT_ONCE: usize = 16;

pub struct DynamoBackend {
    db: DynamoDb,
    now: Now,
    writer: Writer,
    directory: Directory,
    wakes: Arc<Wakes>,
    watching: JoinHandle<()>,
}

impl DynamoBackend {
    /// The store in this table, which [`table::init`] has made.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it is not there, or a newer program wrote it.
    pub async fn open(db: DynamoDb, now: Now) -> Result<Self, Error> {
        table::check(&db).await?;
        let head = feed::ends(&db).await?.head;
        let wakes = Arc::new(Wakes::new(head));
        let watching = wake::watch(db.clone(), Arc::clone(&wakes));
        Ok(Self {
            db,
            now,
            writer: Writer::default(),
            directory: Directory::default(),
            wakes,
            watching,
        })
    }

    /// The table.
    #[must_use]
    pub fn db(&self) -> &DynamoDb {
        &self.db
    }
}

impl Drop for DynamoBackend {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

#[async_trait]
impl Backend for DynamoBackend {
    fn name(&self) -> &'static str {
        "dynamodb"
    }

    fn limits(&self) -> BackendLimits {
        BackendLimits {
            // One operation counts the feed on, one writes the page that the entries of a batch share.
            batch_ops: self.db.operations - 2,
            entries_count: false,
            batch_bytes: BATCH_BYTES,
            item_bytes: LIMITS.item_bytes,
        }
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        let found = get::get_many(&self.db, keys, (self.now)()).await?;
        Ok(found.into_iter().map(|item| item.map(Item::bare)).collect())
    }

    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error> {
        let now = (self.now)();
        stream::iter(queries.to_vec())
            .map(|query| async move { Ok(range::range(&self.db, &query, now).await?.bare()) })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        scan::scan(&self.db, collection, after, limit, (self.now)()).await
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        check_batch(&batch, &self.limits())?;
        self.directory.ensure(&self.db, &batch.ops).await?;
        let end = commit::apply(&self.db, &self.writer, &batch, (self.now)()).await?;
        self.wakes.committed(&batch, end);
        // A batch that tells nothing has no place of its own: any that was seen before it will do.
        Ok(At::behind(end.unwrap_or_else(|| self.wakes.head())).cursor())
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let after = after.map(feed::at).transpose()?;
        feed::read(&self.db, after, limit).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        let head = feed::ends(&self.db).await?.head;
        self.wakes.noticed(head);
        Ok(At::behind(head).cursor())
    }

    fn feed_reached(&self, a: &FeedCursor, b: &FeedCursor) -> bool {
        matches!((feed::at(a), feed::at(b)), (Ok(a), Ok(b)) if a <= b)
    }

    async fn trim_feed(&self, before: Timestamp) -> Result<u64, Error> {
        trim::trim(&self.db, before).await
    }

    /// The engine removes what has expired by itself, at no cost, within days.
    async fn purge_expired(&self, _limit: usize) -> Result<u64, Error> {
        Ok(0)
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.wakes.feed()
    }

    fn commits_to(&self, collection: &str) -> Option<watch::Receiver<u64>> {
        self.wakes.of(collection)
    }

    async fn time(&self) -> Result<Option<Timestamp>, Error> {
        table::checked(&self.db).await
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        check::check(&self.db).await
    }
}
