//! The item store in a PostgreSQL schema.

use super::commit::{self, Told};
use super::connection::PostgresDb;
use super::error::map;
use super::listen::{self, Wakes};
use super::names::Names;
use super::schema::migrate;
use super::tables::STEPS;
use super::{check, feed, range};
use crate::backend::Now;
use crate::backend::rules::{LIMITS, check_batch};
use crate::kernel::{
    Backend, BackendLimits, Batch, Damage, Error, FeedCursor, FeedEntry, Item, ItemKey, ItemPage,
    Op, RangeQuery,
};
use async_trait::async_trait;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Items purged in one statement.
const PURGE: usize = 2_000;

/// Those that another process is at are left to it.
const PURGED: &str = "
    WITH expired AS (
        SELECT id FROM items WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED
    ),
    gone AS (DELETE FROM items i USING expired x WHERE i.id = x.id RETURNING i.id),
    unlisted AS (DELETE FROM entries e USING gone g WHERE e.item = g.id)
    SELECT count(*) FROM gone";

pub struct PostgresBackend {
    db: PostgresDb,
    names: Names,
    now: Now,
    /// Who this is among the processes that share the schema.
    who: String,
    channel: String,
    wakes: Arc<Wakes>,
    listener: JoinHandle<()>,
}

impl PostgresBackend {
    /// The store in this schema; its tables are made or brought up to date.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a newer program wrote the schema, or it can't be written.
    pub async fn open(db: PostgresDb, now: Now) -> Result<Self, Error> {
        migrate(&db, "items", STEPS).await?;
        let names = Names::open(&db).await?;
        let who: String = sqlx::query_scalar("SELECT gen_random_uuid()::text")
            .fetch_one(db.items_pool())
            .await
            .map_err(map)?;
        let channel = format!("gna_{}", db.schema());
        let wakes = Arc::new(Wakes::new());
        let (of, to) = (channel.clone(), who.clone());
        let listener = listen::listen(db.clone(), of, to, Arc::clone(&wakes)).await;
        Ok(Self {
            db,
            names,
            now,
            who,
            channel,
            wakes,
            listener,
        })
    }

    /// The schema, to keep other tables in it.
    #[must_use]
    pub fn db(&self) -> &PostgresDb {
        &self.db
    }
}

impl Drop for PostgresBackend {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The names that a batch speaks of.
fn names_of(batch: &Batch) -> Vec<&'static str> {
    let mut names = BTreeSet::new();
    for op in &batch.ops {
        match op {
            Op::Put { item, .. } => {
                names.insert(item.key.collection);
                names.extend(item.entries.iter().map(|entry| entry.index));
            }
            Op::Append(record) => {
                names.insert(record.key.collection);
            }
            Op::Delete { key, .. } | Op::Check { key, .. } => {
                names.insert(key.collection);
            }
        }
    }
    names.into_iter().collect()
}

#[async_trait]
impl Backend for PostgresBackend {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn limits(&self) -> BackendLimits {
        LIMITS
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        range::get_many(&self.db, keys, &self.names, (self.now)()).await
    }

    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error> {
        range::range_many(&self.db, queries, &self.names, (self.now)()).await
    }

    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        range::scan(
            &self.db,
            collection,
            after,
            limit,
            &self.names,
            (self.now)(),
        )
        .await
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        check_batch(&batch, &LIMITS)?;
        self.names.ensure(&self.db, &names_of(&batch)).await?;
        let written = listen::written(&batch);
        let told = Told {
            channel: &self.channel,
            payload: &listen::message(&self.who, &batch, &written),
        };
        let end = commit::apply(&self.db, &batch, &self.names, (self.now)(), &told).await?;
        self.wakes.committed(&written);
        Ok(feed::cursor(end))
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let after = after.map(feed::number).transpose()?;
        feed::read(&self.db, after, limit, &self.names).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        Ok(feed::cursor(feed::end(&self.db).await?))
    }

    fn feed_reached(&self, a: &FeedCursor, b: &FeedCursor) -> bool {
        matches!((feed::number(a), feed::number(b)), (Ok(a), Ok(b)) if a <= b)
    }

    async fn trim_feed(&self, before: Timestamp) -> Result<u64, Error> {
        feed::trim(&self.db, before).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<u64, Error> {
        let now = (self.now)();
        let mut left = limit;
        while left > 0 {
            let some = left.min(PURGE);
            let query = sqlx::query_scalar(PURGED)
                .bind(now.millis())
                .bind(i64::try_from(some).unwrap_or(i64::MAX));
            let gone: i64 = self
                .db
                .once(query.fetch_one(self.db.items_pool()))
                .await
                .map_err(map)?;
            let gone = usize::try_from(gone).unwrap_or(some);
            left -= gone.min(left);
            if gone < some {
                break;
            }
        }
        Ok(u64::try_from(limit - left).unwrap_or(u64::MAX))
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.wakes.feed()
    }

    fn commits_to(&self, collection: &str) -> Option<watch::Receiver<u64>> {
        self.wakes.of(collection)
    }

    async fn time(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let asked = self
            .db
            .read(|pool| async move { sqlx::query_scalar(sql).fetch_one(&pool).await });
        let millis: i64 = asked.await?;
        Ok(Some(Timestamp::from_millis(millis)))
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        check::check(&self.db, &self.names).await
    }
}
