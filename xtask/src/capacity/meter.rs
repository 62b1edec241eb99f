//! Counts what each call would cost on DynamoDB, on a store in memory that passes all calls on.
//!
//! Sizes are those of the rows that the DynamoDB backend writes (`storage/src/backend/dynamodb/`:
//! one table, key-only indexes, one page of the feed per commit); units are Amazon's (developer
//! guide, "Provisioned capacity mode", "Managing settings on transactions", "Item sizes and formats").

use async_trait::async_trait;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use gna_storage::backend::memory::MemoryBackend;
use gna_storage::kernel::{
    Backend, BackendLimits, Batch, Damage, Error, FeedCursor, FeedEntry, FeedRecord, IndexEntry,
    Item, ItemKey, ItemPage, Op, RangeQuery,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Bytes that the service stores with each row and each index entry, beside what is in it.
const ROW_OVERHEAD: u64 = 100;
/// Operations of a transaction, less the one that counts the feed.
const OPERATIONS: usize = 99;
const TRANSACTION_BYTES: usize = 4 << 20;
const ROW_BYTES: usize = 400 * 1_024;

/// What some calls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Requests, as the service counts them: at most 100 rows are got, or written, by one.
    pub requests: u64,
    /// Units for reading, in halves: a query of an index costs half.
    pub half_reads: u64,
    /// Units for writing.
    pub writes: u64,
    /// Bytes that were written.
    pub written: u64,
    /// Transactions that count the feed on: they take turns.
    pub told: u64,
}

impl Cost {
    pub fn reads(&self) -> f64 {
        self.half_reads as f64 / 2.0
    }
}

/// Rows of a collection: how many, and their bytes with those of their index entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub rows: u64,
    pub bytes: u64,
    pub index_entries: u64,
    pub index_bytes: u64,
}

#[derive(Default)]
struct State {
    cost: Cost,
    rows: BTreeMap<ItemKey, (u64, Vec<IndexEntry>)>,
    partitions: BTreeSet<(&'static str, String)>,
    feed_pages: u64,
    feed_bytes: u64,
}

pub struct Meter {
    inner: MemoryBackend,
    state: Mutex<State>,
}

fn kilobytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_024).max(1)
}

fn four_kilobytes(bytes: u64) -> u64 {
    bytes.div_ceil(4_096).max(1)
}

fn length(text: &str) -> u64 {
    text.len() as u64
}

/// `p` and `s` of the row, with their names.
fn key_bytes(key: &ItemKey) -> u64 {
    // `COLLECTION=SHARD` or `COLLECTION/PARTITION`.
    let p = match key.sort.is_empty() {
        true => length(key.collection) + 2,
        false => length(key.collection) + 1 + length(&key.partition),
    };
    let s = match key.sort.is_empty() {
        true => length(&key.partition),
        false => length(&key.sort),
    };
    p + s + 2
}

/// The two attributes of an index entry, with their names.
fn entry_bytes(collection: &str, entry: &IndexEntry) -> u64 {
    let list = length(collection) + length(entry.index) + length(&entry.partition) + 2;
    list + length(&entry.sort) + 1 + 6
}

/// A row of the table: keys, version, body, expiry twice, index attributes.
fn row_bytes(item: &Item) -> u64 {
    let entries: u64 = item
        .entries
        .iter()
        .map(|entry| entry_bytes(item.key.collection, entry))
        .sum();
    let expiry = if item.expires.is_some() { 20 } else { 0 };
    key_bytes(&item.key) + 4 + 1 + item.body.len() as u64 + expiry + entries
}

/// A row of an index: its keys, and those of the table.
fn index_row(key: &ItemKey, entry: &IndexEntry) -> u64 {
    entry_bytes(key.collection, entry) + key_bytes(key)
}

/// A page of the feed: its entries as one JSON text.
fn page_bytes(records: &[&FeedRecord]) -> u64 {
    let entry = |record: &&FeedRecord| {
        let key = &record.key;
        let texts = length(&record.event)
            + length(key.collection)
            + length(&key.partition)
            + length(&key.sort);
        // Time, version, commas, quotes and brackets.
        texts + record.data.len() as u64 + 40
    };
    30 + records.iter().map(entry).sum::<u64>()
}

impl Meter {
    pub fn new(inner: MemoryBackend) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was asked of it since the last time.
    pub fn take(&self) -> Cost {
        self.with(|state| std::mem::take(&mut state.cost))
    }

    /// What it keeps, by collection.
    pub fn kept(&self) -> BTreeMap<&'static str, Kept> {
        self.with(|state| {
            let mut all: BTreeMap<&'static str, Kept> = BTreeMap::new();
            for (key, (bytes, entries)) in &state.rows {
                let kept = all.entry(key.collection).or_default();
                kept.rows += 1;
                kept.bytes += bytes + ROW_OVERHEAD;
                kept.index_entries += entries.len() as u64;
                kept.index_bytes += entries
                    .iter()
                    .map(|entry| index_row(key, entry) + ROW_OVERHEAD)
                    .sum::<u64>();
            }
            all
        })
    }

    /// Pages of the feed and their bytes.
    pub fn feed_kept(&self) -> (u64, u64) {
        self.with(|state| (state.feed_pages, state.feed_bytes))
    }

    /// Rows that were got by their keys, strongly.
    fn got(&self, found: &[Option<Item>]) {
        self.with(|state| {
            state.cost.requests += (found.len() as u64).div_ceil(100);
            let units: u64 = found
                .iter()
                .map(|item| {
                    item.as_ref()
                        .map_or(1, |item| four_kilobytes(row_bytes(item)))
                })
                .sum();
            state.cost.half_reads += 2 * units;
        });
    }

    /// A range: of the table strongly; of an index by its keys, and then the rows.
    fn ranged(&self, query: &RangeQuery, page: &ItemPage) {
        let rows: u64 = page.items.iter().map(row_bytes).sum();
        self.with(|state| {
            state.cost.requests += 1;
            let Some(index) = query.index else {
                state.cost.half_reads += 2 * four_kilobytes(rows);
                return;
            };
            let keys: u64 = page
                .items
                .iter()
                .flat_map(|item| {
                    let of = item.entries.iter().filter(|entry| entry.index == index);
                    of.map(|entry| index_row(&item.key, entry))
                })
                .sum();
            state.cost.half_reads += four_kilobytes(keys);
            state.cost.requests += (page.items.len() as u64).div_ceil(100);
            let got: u64 = page
                .items
                .iter()
                .map(|item| four_kilobytes(row_bytes(item)))
                .sum();
            state.cost.half_reads += 2 * got;
        });
    }

    /// A transaction: every row counts twice, what is written into an index once.
    fn committed(&self, batch: &Batch) {
        self.with(|state| {
            state.cost.requests += 1;
            let mut told: Vec<&FeedRecord> = Vec::new();
            for op in &batch.ops {
                let (key, row, entries) = match op {
                    Op::Append(record) => {
                        told.push(record);
                        continue;
                    }
                    Op::Check { key, .. } => {
                        let bytes = state.rows.get(key).map_or(0, |(bytes, _)| *bytes);
                        state.cost.writes += 2 * kilobytes(bytes);
                        continue;
                    }
                    Op::Put { item, .. } => (&item.key, Some(row_bytes(item)), &item.entries[..]),
                    Op::Delete { key, .. } => (key, None, &[][..]),
                };
                let before = state.rows.remove(key);
                let (bytes_before, entries_before) = before.unwrap_or_default();
                let bytes = row.unwrap_or(0);
                // The larger of before and after is what an overwrite costs.
                state.cost.writes += 2 * kilobytes(bytes.max(bytes_before));
                state.cost.written += bytes;
                let gone = entries_before
                    .iter()
                    .filter(|entry| !entries.contains(entry));
                let new = entries
                    .iter()
                    .filter(|entry| !entries_before.contains(entry));
                for entry in gone.chain(new) {
                    state.cost.writes += kilobytes(index_row(key, entry));
                }
                if row.is_some() {
                    // The directory of partitions, once for each.
                    let partition = (key.collection, key.partition.clone());
                    if !key.sort.is_empty() && state.partitions.insert(partition) {
                        state.cost.writes += 1;
                        state.cost.requests += 1;
                    }
                    state.rows.insert(key.clone(), (bytes, entries.to_vec()));
                }
            }
            if !told.is_empty() {
                let page = page_bytes(&told);
                state.cost.writes += 2 * kilobytes(page) + 2;
                state.cost.written += page;
                state.cost.told += 1;
                state.feed_pages += 1;
                state.feed_bytes += page + ROW_OVERHEAD;
            }
        });
    }
}

#[async_trait]
impl Backend for Meter {
    fn name(&self) -> &'static str {
        "dynamodb, on paper"
    }

    fn limits(&self) -> BackendLimits {
        BackendLimits {
            batch_ops: OPERATIONS,
            batch_bytes: TRANSACTION_BYTES,
            item_bytes: ROW_BYTES,
            // The feed is written into pages, not an item an entry.
            entries_count: false,
        }
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        let found = self.inner.get_many(keys).await?;
        self.got(&found);
        Ok(found)
    }

    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error> {
        let pages = self.inner.query_many(queries).await?;
        for (query, page) in queries.iter().zip(&pages) {
            self.ranged(query, page);
        }
        Ok(pages)
    }

    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        let page = self.inner.scan(collection, after, limit).await?;
        let rows: u64 = page.items.iter().map(row_bytes).sum();
        self.with(|state| {
            state.cost.requests += 1;
            state.cost.half_reads += 2 * four_kilobytes(rows);
        });
        Ok(page)
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        let counted = batch.clone();
        let done = self.inner.commit(batch).await?;
        self.committed(&counted);
        Ok(done)
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let entries = self.inner.feed(after, limit).await?;
        let records: Vec<&FeedRecord> = entries.iter().map(|entry| &entry.record).collect();
        self.with(|state| {
            // The row that counts, and the pages.
            state.cost.requests += 2;
            state.cost.half_reads += 2 + 2 * four_kilobytes(page_bytes(&records));
        });
        Ok(entries)
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        self.with(|state| {
            state.cost.requests += 1;
            state.cost.half_reads += 2;
        });
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

    fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits()
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        self.inner.check().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_storage::kernel::Expect;
    use std::sync::Arc;

    fn item(bytes: usize, list: &str) -> Item {
        Item {
            key: ItemKey {
                collection: "vulnerability",
                partition: "vul_1".into(),
                sort: String::new(),
            },
            version: 1,
            body: vec![b' '; bytes].into(),
            entries: vec![IndexEntry {
                index: "by_group",
                partition: list.into(),
                sort: "1".into(),
            }],
            expires: None,
        }
    }

    #[tokio::test]
    async fn units_are_counted_as_the_service_does() {
        let meter = Meter::new(MemoryBackend::new(Arc::new(Timestamp::default)));
        let put = |item: Item, expect| Batch {
            ops: vec![Op::Put { item, expect }],
        };
        // Under 1 KB: twice 1 for the row, 1 for the index.
        let first = item(500, "a");
        meter
            .commit(put(first.clone(), Expect::Absent))
            .await
            .unwrap();
        assert_eq!(meter.take().writes, 3);
        // Over 1 KB: twice 2; the index is as it was.
        let larger = Item {
            version: 2,
            ..item(1_500, "a")
        };
        meter.commit(put(larger, Expect::Version(1))).await.unwrap();
        assert_eq!(meter.take().writes, 4);
        // Another list: one entry goes, one comes.
        let moved = Item {
            version: 3,
            ..item(500, "b")
        };
        meter.commit(put(moved, Expect::Version(2))).await.unwrap();
        assert_eq!(meter.take().writes, 4 + 2);
        // What is there and what is not cost one unit each, up to 4 KB.
        let nobody = ItemKey {
            partition: "vul_2".into(),
            ..first.key.clone()
        };
        meter.get_many(&[first.key.clone(), nobody]).await.unwrap();
        let cost = meter.take();
        assert_eq!((cost.reads(), cost.requests), (2.0, 1));
        let kept = meter.kept()["vulnerability"];
        assert_eq!((kept.rows, kept.index_entries), (1, 1));
        assert_eq!(kept.bytes, row_bytes(&item(500, "b")) + ROW_OVERHEAD);
    }
}
