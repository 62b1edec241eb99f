//! The item store in a MongoDB database.

use super::commit::{self, Writer};
use super::connection::MongoDb;
use super::document::{BODY, EXPIRES, TOUCHED, text};
use super::error::map;
use super::range::KEYS;
use super::wake::{self, Wakes};
use super::{check, feed, range, schema};
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
use mongodb::bson::{doc, oid::ObjectId};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Most operations in one batch: MongoDB advises against more documents in a transaction.
const BATCH_OPS: usize = 1_000;
/// Largest sum of bodies in one batch, in bytes.
const BATCH_BYTES: usize = 32 * 1_024 * 1_024;
/// Ranges that are read at once.
const AT_ONCE: usize = 16;
/// A placeholder stays for so many seconds: longer than any transaction that must meet it.
const PLACEHOLDER: i64 = 600;

pub struct MongoBackend {
    db: MongoDb,
    now: Now,
    /// Who this is among the processes that share the database.
    who: String,
    writer: Writer,
    wakes: Arc<Wakes>,
    listening: JoinHandle<()>,
}

impl MongoBackend {
    /// The store in this database; its collections are made where there are none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a newer program wrote the database, or another one uses it.
    pub async fn open(db: MongoDb, now: Now) -> Result<Self, Error> {
        schema::prepare(&db).await?;
        let who = ObjectId::new().to_hex();
        let wakes = Arc::new(Wakes::new(feed::ends(&db).await?.head));
        let listening = wake::listen(db.clone(), who.clone(), Arc::clone(&wakes)).await;
        Ok(Self {
            db,
            now,
            who,
            writer: Writer::default(),
            wakes,
            listening,
        })
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &MongoDb {
        &self.db
    }

    /// Removes what held places for a while and is not needed any more.
    async fn purge_placeholders(&self) -> Result<(), Error> {
        // By the clock that ids are made by.
        let now = ObjectId::new().timestamp().timestamp_millis() / 1_000;
        let before = u32::try_from(now.saturating_sub(PLACEHOLDER)).unwrap_or(0);
        let before = ObjectId::from_parts(before, [0; 5], [0; 3]);
        let old = doc! { EXPIRES: 0_i64, BODY: { "$exists": false }, TOUCHED: { "$lt": before } };
        let gone = self.db.items.delete_many(old).await;
        gone.map(drop).map_err(|e| map("delete", &e))
    }
}

impl Drop for MongoBackend {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[async_trait]
impl Backend for MongoBackend {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    fn limits(&self) -> BackendLimits {
        BackendLimits {
            batch_ops: BATCH_OPS,
            entries_count: true,
            batch_bytes: BATCH_BYTES,
            item_bytes: LIMITS.item_bytes,
        }
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = range::get_many(&self.db, keys, (self.now)()).await?;
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
        range::scan(&self.db, collection, after, limit, (self.now)()).await
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        check_batch(&batch, &self.limits())?;
        let now = (self.now)();
        let end = commit::apply(&self.db, &self.writer, &batch, now, &self.who).await?;
        self.wakes.committed(&batch, end);
        // A batch that tells nothing has no place of its own: any that was seen before it will do.
        Ok(feed::cursor(end.unwrap_or_else(|| self.wakes.head())))
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let after = after.map(feed::place).transpose()?;
        feed::read(&self.db, after, limit).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        let head = feed::ends(&self.db).await?.head;
        self.wakes.noticed(head);
        Ok(feed::cursor(head))
    }

    fn feed_reached(&self, a: &FeedCursor, b: &FeedCursor) -> bool {
        matches!((feed::place(a), feed::place(b)), (Ok(a), Ok(b)) if a <= b)
    }

    async fn trim_feed(&self, before: Timestamp) -> Result<u64, Error> {
        feed::trim(&self.db, before).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<u64, Error> {
        self.purge_placeholders().await?;
        let now = (self.now)().millis();
        let (mut gone, mut left) = (0, limit);
        while left > 0 {
            let some = left.min(KEYS);
            let expired = doc! { EXPIRES: { "$lte": now }, BODY: { "$exists": true } };
            let found = self
                .db
                .items
                .find(expired)
                .sort(doc! { EXPIRES: 1 })
                .projection(doc! { "_id": 1 })
                .limit(i64::try_from(some).unwrap_or(i64::MAX))
                .await
                .map_err(|e| map("find", &e))?;
            let found: Vec<_> = found.try_collect().await.map_err(|e| map("find", &e))?;
            let ids: Vec<&str> = found.iter().filter_map(|one| text(one, "_id")).collect();
            // Still expired: it may have been written anew meanwhile.
            let those = doc! { "_id": { "$in": &ids }, EXPIRES: { "$lte": now } };
            let deleted = self.db.items.delete_many(those).await;
            gone += deleted.map_err(|e| map("delete", &e))?.deleted_count;
            if found.len() < some {
                break;
            }
            left -= some;
        }
        Ok(gone)
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.wakes.feed()
    }

    fn commits_to(&self, collection: &str) -> Option<watch::Receiver<u64>> {
        self.wakes.of(collection)
    }

    async fn time(&self) -> Result<Option<Timestamp>, Error> {
        self.db.time().await
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        check::check(&self.db).await
    }
}
