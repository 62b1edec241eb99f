//! The model: what every operation of the contract means, in ordered maps behind one lock.
//!
//! For tests, and what other backends are compared with. Nothing is written anywhere.

use super::Now;
use super::cursor::{Kind, decode, encode};
use super::rules::{LIMITS, Window, check_batch, check_limit, holds, live, successor, window};
use crate::kernel::{
    Backend, BackendLimits, Batch, Damage, Direction, Error, FeedCursor, FeedEntry, FeedRecord,
    Item, ItemKey, ItemPage, Op, RangeQuery,
};
use async_trait::async_trait;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

pub struct MemoryBackend {
    state: Mutex<State>,
    now: Now,
    commits: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<ItemKey, Item>,
    index: BTreeSet<Place>,
    /// By number; numbers are never used again.
    feed: BTreeMap<u64, FeedRecord>,
    /// The newest number ever given.
    feed_end: u64,
    /// The newest number ever dropped.
    feed_trimmed: u64,
}

/// An entry of an index. Entries with the same sort key are in the order of their items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    collection: &'static str,
    index: &'static str,
    partition: String,
    sort: String,
    item: (String, String),
}

impl MemoryBackend {
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            state: Mutex::default(),
            now,
            commits: watch::Sender::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&self, key: &ItemKey, now: Timestamp) -> Option<&Item> {
        self.items.get(key).filter(|item| live(item.expires, now))
    }

    fn put(&mut self, item: Item) {
        self.remove(&item.key);
        self.index.extend(places(&item));
        self.items.insert(item.key.clone(), item);
    }

    fn remove(&mut self, key: &ItemKey) {
        if let Some(old) = self.items.remove(key) {
            for place in places(&old) {
                self.index.remove(&place);
            }
        }
    }

    fn commit(&mut self, batch: Batch, now: Timestamp) -> Result<u64, Error> {
        for (op, operation) in batch.ops.iter().enumerate() {
            let (key, expect) = match operation {
                Op::Put { item, expect } => (&item.key, *expect),
                Op::Delete { key, expect } | Op::Check { key, expect } => (key, *expect),
                Op::Append(_) => continue,
            };
            if !holds(expect, self.get(key, now).map(|item| item.version)) {
                return Err(Error::Conflict {
                    op,
                    key: key.clone(),
                });
            }
        }
        for operation in batch.ops {
            match operation {
                Op::Put { item, .. } => self.put(item),
                Op::Delete { key, .. } => self.remove(&key),
                Op::Check { .. } => {}
                Op::Append(record) => {
                    self.feed_end += 1;
                    self.feed.insert(self.feed_end, record);
                }
            }
        }
        Ok(self.feed_end)
    }

    fn range(&self, query: &RangeQuery, now: Timestamp) -> Result<ItemPage, Error> {
        check_limit(query.limit)?;
        match query.index {
            None => self.primary_range(query, now),
            Some(index) => self.index_range(query, index, now),
        }
    }

    fn primary_range(&self, query: &RangeQuery, now: Timestamp) -> Result<ItemPage, Error> {
        let key = |partition: &str, sort: &str| ItemKey {
            collection: query.collection,
            partition: partition.to_owned(),
            sort: sort.to_owned(),
        };
        let Window { lo, hi } = window(query);
        let mut lo = key(&query.partition, &lo);
        let mut hi = hi.map_or_else(
            || key(&successor(&query.partition), ""),
            |hi| key(&query.partition, &hi),
        );
        if let Some(after) = &query.after {
            let [sort] = decode(Kind::Primary, after)?;
            match query.direction {
                Direction::Ascending => lo = lo.max(key(&query.partition, &successor(&sort))),
                Direction::Descending => hi = hi.min(key(&query.partition, &sort)),
            }
        }
        if lo >= hi {
            return Ok(ItemPage {
                items: Vec::new(),
                next: None,
            });
        }
        let items = self.items.range(lo..hi).map(|(_, item)| item);
        let name = |item: &Item| encode(Kind::Primary, &[&item.key.sort]);
        Ok(page(
            in_direction(items, query.direction),
            query.limit,
            now,
            name,
        ))
    }

    fn index_range(
        &self,
        query: &RangeQuery,
        index: &'static str,
        now: Timestamp,
    ) -> Result<ItemPage, Error> {
        let place = |partition: &str, sort: &str, item: (String, String)| Place {
            collection: query.collection,
            index,
            partition: partition.to_owned(),
            sort: sort.to_owned(),
            item,
        };
        let first = || (String::new(), String::new());
        let Window { lo, hi } = window(query);
        let mut lo = place(&query.partition, &lo, first());
        let mut hi = match hi {
            Some(hi) => place(&query.partition, &hi, first()),
            None => place(&successor(&query.partition), "", first()),
        };
        if let Some(after) = &query.after {
            let [sort, item_partition, item_sort] = decode(Kind::Index, after)?;
            match query.direction {
                Direction::Ascending => {
                    lo = lo.max(place(
                        &query.partition,
                        &sort,
                        (item_partition, successor(&item_sort)),
                    ));
                }
                Direction::Descending => {
                    hi = hi.min(place(&query.partition, &sort, (item_partition, item_sort)))
                }
            }
        }
        if lo >= hi {
            return Ok(ItemPage {
                items: Vec::new(),
                next: None,
            });
        }
        let items = self
            .index
            .range(lo..hi)
            .filter_map(|place| self.items.get(&place.item_key()));
        let name = |item: &Item| {
            let entry = item.entries.iter().find(|entry| entry.index == index);
            let sort = entry.map_or("", |entry| entry.sort.as_str());
            encode(Kind::Index, &[sort, &item.key.partition, &item.key.sort])
        };
        Ok(page(
            in_direction(items, query.direction),
            query.limit,
            now,
            name,
        ))
    }

    fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<ItemPage, Error> {
        check_limit(limit)?;
        let (partition, sort) = match after {
            Some(after) => {
                let [partition, sort] = decode(Kind::Scan, after)?;
                (partition, successor(&sort))
            }
            None => (String::new(), String::new()),
        };
        let from = ItemKey {
            collection,
            partition,
            sort,
        };
        let items = self
            .items
            .range(from..)
            .map(|(_, item)| item)
            .take_while(|item| item.key.collection == collection);
        Ok(page(items, limit, now, |item| {
            encode(Kind::Scan, &[&item.key.partition, &item.key.sort])
        }))
    }

    fn feed(&self, after: Option<&FeedCursor>, limit: usize) -> Result<Vec<FeedEntry>, Error> {
        let after = after.map_or(Ok(self.feed_trimmed), number)?;
        if after < self.feed_trimmed || after > self.feed_end {
            return Err(Error::FeedGap);
        }
        let entries = self.feed.range(after + 1..).take(limit);
        Ok(entries
            .map(|(&n, record)| FeedEntry {
                cursor: place_in_feed(n),
                record: record.clone(),
            })
            .collect())
    }

    fn trim_feed(&mut self, before: Timestamp) -> u64 {
        let keep = self
            .feed
            .iter()
            .find(|(_, record)| record.at >= before)
            .map_or(self.feed_end + 1, |(&n, _)| n);
        let kept = self.feed.split_off(&keep);
        let dropped = std::mem::replace(&mut self.feed, kept);
        self.feed_trimmed = self.feed_trimmed.max(keep - 1);
        u64::try_from(dropped.len()).unwrap_or(u64::MAX)
    }
}

impl Place {
    fn item_key(&self) -> ItemKey {
        let (partition, sort) = self.item.clone();
        ItemKey {
            collection: self.collection,
            partition,
            sort,
        }
    }
}

fn places(item: &Item) -> impl Iterator<Item = Place> + '_ {
    item.entries.iter().map(|entry| Place {
        collection: item.key.collection,
        index: entry.index,
        partition: entry.partition.clone(),
        sort: entry.sort.clone(),
        item: (item.key.partition.clone(), item.key.sort.clone()),
    })
}

fn in_direction<'a>(
    items: impl DoubleEndedIterator<Item = &'a Item> + 'a,
    direction: Direction,
) -> Box<dyn Iterator<Item = &'a Item> + 'a> {
    match direction {
        Direction::Ascending => Box::new(items),
        Direction::Descending => Box::new(items.rev()),
    }
}

fn page<'a>(
    items: impl Iterator<Item = &'a Item>,
    limit: usize,
    now: Timestamp,
    name: impl Fn(&Item) -> Cursor,
) -> ItemPage {
    let mut items: Vec<Item> = items
        .filter(|item| live(item.expires, now))
        .take(limit + 1)
        .cloned()
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(name);
    ItemPage { items, next }
}

fn place_in_feed(number: u64) -> FeedCursor {
    FeedCursor(number.to_string())
}

fn number(cursor: &FeedCursor) -> Result<u64, Error> {
    cursor.0.parse().map_err(|_| Error::BadCursor)
}

#[async_trait]
impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn limits(&self) -> BackendLimits {
        LIMITS
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        let (now, state) = ((self.now)(), self.state());
        Ok(keys
            .iter()
            .map(|key| state.get(key, now).cloned().map(Item::bare))
            .collect())
    }

    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error> {
        let (now, state) = ((self.now)(), self.state());
        queries
            .iter()
            .map(|query| Ok(state.range(query, now)?.bare()))
            .collect()
    }

    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        self.state().scan(collection, after, limit, (self.now)())
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        check_batch(&batch, &LIMITS)?;
        let end = self.state().commit(batch, (self.now)())?;
        self.commits.send_modify(|count| *count += 1);
        Ok(place_in_feed(end))
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        self.state().feed(after, limit)
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        Ok(place_in_feed(self.state().feed_end))
    }

    fn feed_reached(&self, a: &FeedCursor, b: &FeedCursor) -> bool {
        matches!((number(a), number(b)), (Ok(a), Ok(b)) if a <= b)
    }

    async fn trim_feed(&self, before: Timestamp) -> Result<u64, Error> {
        Ok(self.state().trim_feed(before))
    }

    async fn purge_expired(&self, limit: usize) -> Result<u64, Error> {
        let (now, mut state) = ((self.now)(), self.state());
        let expired = state
            .items
            .values()
            .filter(|item| !live(item.expires, now))
            .take(limit);
        let expired: Vec<ItemKey> = expired.map(|item| item.key.clone()).collect();
        expired.iter().for_each(|key| state.remove(key));
        Ok(u64::try_from(expired.len()).unwrap_or(u64::MAX))
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        let state = self.state();
        let listed: BTreeSet<Place> = state.items.values().flat_map(places).collect();
        let damage = |place: &Place, problem: &str| Damage {
            place: format!("index {} of {}", place.index, place.collection),
            problem: problem.to_owned(),
        };
        let orphans = state
            .index
            .difference(&listed)
            .map(|place| damage(place, "an entry without its item"));
        let missing = listed
            .difference(&state.index)
            .map(|place| damage(place, "an item without its entry"));
        Ok(orphans.chain(missing).collect())
    }
}
