//! The item store in a SQLite file.

use super::SqliteDb;
use super::names::{self, Names};
use super::schema::migrate;
use super::tables::STEPS;
use super::{check, commit, feed, range, row};
use crate::backend::Now;
use crate::backend::rules::{LIMITS, check_batch};
use crate::kernel::{
    Backend, BackendLimits, Batch, Copied, Damage, Error, FeedCursor, FeedEntry, Item, ItemKey,
    ItemPage, Op, RangeQuery,
};
use async_trait::async_trait;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use rusqlite::Connection;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Items purged in one transaction.
const PURGE: usize = 2_000;
/// Items that are read without another thread: a page of a list and what belongs to it.
const FEW: usize = 128;

pub struct SqliteBackend {
    db: SqliteDb,
    names: Arc<Names>,
    now: Now,
    commits: watch::Sender<u64>,
}

impl SqliteBackend {
    /// The store in this file; its tables are made or brought up to date.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a newer program wrote the file, or it can't be written.
    pub async fn open(db: SqliteDb, now: Now) -> Result<Self, Error> {
        let rows = db.write(|conn| {
            migrate(conn, "items", STEPS)?;
            names::all(conn)
        });
        let names = Names::default();
        names.load(rows.await?);
        Ok(Self {
            db,
            names: Arc::new(names),
            now,
            commits: watch::Sender::new(0),
        })
    }

    /// The file, to keep other tables in it or to copy it.
    #[must_use]
    pub fn db(&self) -> &SqliteDb {
        &self.db
    }
}

/// The names that a batch writes.
fn names_of(batch: &Batch) -> Vec<&'static str> {
    let mut names = HashSet::new();
    for op in &batch.ops {
        match op {
            Op::Put { item, .. } => {
                names.insert(item.key.collection);
                names.extend(item.entries.iter().map(|entry| entry.index));
            }
            Op::Append(record) => {
                names.insert(record.key.collection);
            }
            Op::Delete { .. } | Op::Check { .. } => {}
        }
    }
    names.into_iter().collect()
}

#[async_trait]
impl Backend for SqliteBackend {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn limits(&self) -> BackendLimits {
        LIMITS
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        let few = keys.len() <= FEW;
        let (keys, names, now) = (keys.to_vec(), Arc::clone(&self.names), (self.now)());
        let work = move |conn: &Connection| range::get_many(conn, keys, &names, now);
        if few {
            self.db.read_briefly(work).await
        } else {
            self.db.read(work).await
        }
    }

    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error> {
        let few = queries.iter().map(|query| query.limit).sum::<usize>() <= FEW;
        let (queries, names, now) = (queries.to_vec(), Arc::clone(&self.names), (self.now)());
        let work = move |conn: &Connection| {
            queries
                .iter()
                .map(|query| range::range(conn, query, &names, now))
                .collect()
        };
        if few {
            self.db.read_briefly(work).await
        } else {
            self.db.read(work).await
        }
    }

    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        let (after, names, now) = (after.cloned(), Arc::clone(&self.names), (self.now)());
        self.db
            .read(move |conn| range::scan(conn, collection, after.as_ref(), limit, &names, now))
            .await
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        check_batch(&batch, &LIMITS)?;
        self.names.ensure(&self.db, &names_of(&batch)).await?;
        let (names, now, commits) = (
            Arc::clone(&self.names),
            Arc::clone(&self.now),
            self.commits.clone(),
        );
        let end = self.db.write_then(
            move |conn| commit::apply(conn, &batch, &names, now()),
            move |_| commits.send_modify(|count| *count += 1),
        );
        Ok(feed::cursor(end.await?))
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let after = after.map(feed::number).transpose()?;
        let names = Arc::clone(&self.names);
        self.db
            .read(move |conn| feed::read(conn, after, limit, &names))
            .await
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        Ok(feed::cursor(self.db.read(feed::end).await?))
    }

    fn feed_reached(&self, a: &FeedCursor, b: &FeedCursor) -> bool {
        matches!((feed::number(a), feed::number(b)), (Ok(a), Ok(b)) if a <= b)
    }

    async fn trim_feed(&self, before: Timestamp) -> Result<u64, Error> {
        let mut all = 0;
        loop {
            // Many short transactions: an import must not wait for the whole of it.
            let dropped = self.db.write(move |conn| feed::trim(conn, before)).await?;
            if dropped == 0 {
                return Ok(all);
            }
            all += u64::try_from(dropped).unwrap_or(u64::MAX);
        }
    }

    async fn purge_expired(&self, limit: usize) -> Result<u64, Error> {
        let now = (self.now)();
        let mut left = limit;
        while left > 0 {
            let some = left.min(PURGE);
            let gone = self.db.write(move |conn| purge(conn, now, some)).await?;
            left -= gone.min(left);
            if gone < some {
                break;
            }
        }
        Ok(u64::try_from(limit - left).unwrap_or(u64::MAX))
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        let names = Arc::clone(&self.names);
        self.db.read(move |conn| check::check(conn, &names)).await
    }

    async fn backup(&self, name: &str) -> Result<Option<Copied>, Error> {
        self.db.backup_beside(name).await.map(Some)
    }
}

fn purge(conn: &Connection, now: Timestamp, limit: usize) -> Result<usize, Error> {
    let mut expired = conn.prepare_cached(
        "SELECT id, collection, entries FROM items WHERE expires <= ?1 ORDER BY expires LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = expired.query(rusqlite::params![now.millis(), limit])?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        gone.push((row.get(0)?, row.get(1)?, row::stored(row, 2)?));
    }
    for (id, collection, entries) in &gone {
        commit::remove(conn, *id, *collection, entries)?;
    }
    Ok(gone.len())
}
