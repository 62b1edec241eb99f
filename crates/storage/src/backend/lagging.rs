//! A store whose indexes and feed are behind, as those of a distributed store may be.
//!
//! For tests only: what passes on it does not lean on more than the contract gives. Reads by key
//! are as strong as those of the store within; index ranges and the feed show an older moment.
//! The older moment is kept in memory, so it must be put around a store that is still empty.

use super::Now;
use super::memory::MemoryBackend;
use crate::kernel::{
    Backend, BackendLimits, Batch, Damage, Error, Expect, FeedCursor, FeedEntry, Item, ItemKey,
    ItemPage, Op, RangeQuery,
};
use async_trait::async_trait;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// For how long a commit stays out of sight.
#[derive(Clone, Copy, Debug)]
pub enum Lag {
    /// Until so many others have followed it.
    Commits(usize),
    /// So long; the watch of commits tells when it shows.
    Time(Duration),
    /// Until the clock that the store is given has moved on by so many milliseconds. Nobody is woken
    /// when it shows: the clock is a test's, and so is the moment.
    Clock(i64),
    /// Until [`Lagging::catch_up`].
    CatchUp,
}

/// The decorator. Commits pass one at a time.
pub struct Lagging {
    inner: Arc<dyn Backend>,
    lag: Lag,
    now: Now,
    shown: Arc<Mutex<Shown>>,
    changes: watch::Sender<u64>,
}

/// What readers of indexes and of the feed see, and what they will see.
struct Shown {
    past: MemoryBackend,
    feed_end: Option<FeedCursor>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    batch: Batch,
    feed_end: FeedCursor,
    since: Instant,
    at: Timestamp,
}

impl Lagging {
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>, now: Now, lag: Lag) -> Self {
        let shown = Shown {
            past: MemoryBackend::new(Arc::clone(&now)),
            feed_end: None,
            waiting: VecDeque::new(),
        };
        Self {
            inner,
            lag,
            now,
            shown: Arc::new(Mutex::new(shown)),
            changes: watch::Sender::new(0),
        }
    }

    /// Shows everything that has committed.
    ///
    /// # Errors
    /// None in practice: what committed once is taken again.
    pub async fn catch_up(&self) -> Result<(), Error> {
        let mut shown = self.shown.lock().await;
        let all = shown.waiting.len();
        self.show(&mut shown, all).await
    }

    async fn show(&self, shown: &mut Shown, commits: usize) -> Result<(), Error> {
        for _ in 0..commits {
            let Some(next) = shown.waiting.pop_front() else {
                break;
            };
            shown.past.commit(next.batch).await?;
            shown.feed_end = Some(next.feed_end);
        }
        if commits > 0 {
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Shows what is due by the kind of lag.
    async fn advance(&self, shown: &mut Shown) -> Result<(), Error> {
        let due = match self.lag {
            Lag::Commits(behind) => shown.waiting.len().saturating_sub(behind),
            Lag::Time(lag) => shown
                .waiting
                .iter()
                .take_while(|waiting| waiting.since.elapsed() >= lag)
                .count(),
            Lag::Clock(millis) => {
                let now = (self.now)().millis();
                shown
                    .waiting
                    .iter()
                    .take_while(|waiting| now - waiting.at.millis() >= millis)
                    .count()
            }
            Lag::CatchUp => 0,
        };
        self.show(shown, due).await
    }

    /// The end of the feed as it shows: that of the store when this was put around it, at first.
    async fn shown_end(&self, shown: &mut Shown) -> Result<FeedCursor, Error> {
        if let Some(end) = &shown.feed_end {
            return Ok(end.clone());
        }
        let end = self.inner.feed_end().await?;
        shown.feed_end = Some(end.clone());
        Ok(end)
    }

    /// Wakes readers of the feed when the newest commit has come to show.
    fn wake_later(&self, lag: Duration) {
        let changes = self.changes.clone();
        tokio::spawn(async move {
            tokio::time::sleep(lag).await;
            changes.send_modify(|count| *count += 1);
        });
    }
}

/// The batch as something that has happened: without conditions and without feed records.
fn settled(batch: &Batch) -> Batch {
    let ops = batch.ops.iter().filter_map(|op| match op {
        Op::Put { item, .. } => Some(Op::Put {
            item: item.clone(),
            expect: Expect::Any,
        }),
        Op::Delete { key, .. } => Some(Op::Delete {
            key: key.clone(),
            expect: Expect::Any,
        }),
        Op::Check { .. } | Op::Append(_) => None,
    });
    Batch { ops: ops.collect() }
}

#[async_trait]
impl Backend for Lagging {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn limits(&self) -> BackendLimits {
        self.inner.limits()
    }

    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error> {
        self.inner.get_many(keys).await
    }

    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error> {
        let mut shown = self.shown.lock().await;
        self.advance(&mut shown).await?;
        let mut pages = Vec::with_capacity(queries.len());
        for query in queries {
            let one = std::slice::from_ref(query);
            pages.extend(match query.index {
                Some(_) => shown.past.query_many(one).await?,
                None => self.inner.query_many(one).await?,
            });
        }
        Ok(pages)
    }

    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error> {
        self.inner.scan(collection, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error> {
        // Held over the commit, so that the past goes through the same steps in the same order.
        let mut shown = self.shown.lock().await;
        self.shown_end(&mut shown).await?;
        let again = settled(&batch);
        let feed_end = self.inner.commit(batch).await?;
        shown.waiting.push_back(Waiting {
            batch: again,
            feed_end: feed_end.clone(),
            since: Instant::now(),
            at: (self.now)(),
        });
        self.advance(&mut shown).await?;
        if let Lag::Time(lag) = self.lag {
            self.wake_later(lag);
        }
        Ok(feed_end)
    }

    async fn feed(
        &self,
        after: Option<&FeedCursor>,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, Error> {
        let mut shown = self.shown.lock().await;
        self.advance(&mut shown).await?;
        let end = self.shown_end(&mut shown).await?;
        let entries = self.inner.feed(after, limit).await?;
        Ok(entries
            .into_iter()
            .take_while(|entry| self.inner.feed_reached(&entry.cursor, &end))
            .collect())
    }

    async fn feed_end(&self) -> Result<FeedCursor, Error> {
        let mut shown = self.shown.lock().await;
        self.advance(&mut shown).await?;
        self.shown_end(&mut shown).await
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
        self.changes.subscribe()
    }

    async fn time(&self) -> Result<Option<Timestamp>, Error> {
        self.inner.time().await
    }

    async fn check(&self) -> Result<Vec<Damage>, Error> {
        self.inner.check().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Direction, FeedRecord, IndexEntry};
    use std::ops::Bound;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn key(n: usize) -> ItemKey {
        ItemKey {
            collection: "note",
            partition: "p".into(),
            sort: n.to_string(),
        }
    }

    fn note(n: usize) -> Batch {
        let entries = vec![IndexEntry {
            index: "all",
            partition: "*".into(),
            sort: n.to_string(),
        }];
        let item = Item {
            key: key(n),
            version: 1,
            body: "{}".into(),
            entries,
            expires: None,
        };
        let record = FeedRecord {
            event: "note.created".into(),
            key: key(n),
            version: 1,
            at: Timestamp::default(),
            data: bytes::Bytes::new(),
        };
        Batch {
            ops: vec![
                Op::Put {
                    item,
                    expect: Expect::Absent,
                },
                Op::Append(record),
            ],
        }
    }

    /// How many items the primary range, the index and the feed show.
    async fn shown(store: &Lagging) -> [usize; 3] {
        let query = |index, partition: &str| RangeQuery {
            collection: "note",
            index,
            partition: partition.into(),
            from: Bound::Unbounded,
            to: Bound::Unbounded,
            direction: Direction::Ascending,
            limit: 100,
            after: None,
        };
        let pages = store
            .query_many(&[query(None, "p"), query(Some("all"), "*")])
            .await
            .unwrap();
        let feed = store.feed(None, 100).await.unwrap();
        [pages[0].items.len(), pages[1].items.len(), feed.len()]
    }

    fn store(lag: Lag) -> Lagging {
        let now: Now = Arc::new(Timestamp::default);
        Lagging::new(Arc::new(MemoryBackend::new(Arc::clone(&now))), now, lag)
    }

    #[tokio::test]
    async fn the_newest_commits_show_by_key_but_not_yet_elsewhere() {
        let store = store(Lag::Commits(2));
        for (n, expected) in [[1, 0, 0], [2, 0, 0], [3, 1, 1], [4, 2, 2]]
            .into_iter()
            .enumerate()
        {
            store.commit(note(n)).await.unwrap();
            assert_eq!(shown(&store).await, expected);
            assert!(store.get_many(&[key(n)]).await.unwrap()[0].is_some());
        }
        store.catch_up().await.unwrap();
        assert_eq!(shown(&store).await, [4, 4, 4]);
    }

    #[tokio::test]
    async fn by_the_clock_of_a_test_a_commit_shows_when_that_has_moved() {
        let millis = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&millis);
        let now: Now = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)));
        let memory = MemoryBackend::new(Arc::clone(&now));
        let store = Lagging::new(Arc::new(memory), now, Lag::Clock(50));
        store.commit(note(0)).await.unwrap();
        for (at, expected) in [(0, [1, 0, 0]), (49, [1, 0, 0]), (50, [1, 1, 1])] {
            millis.store(at, Ordering::SeqCst);
            assert_eq!(shown(&store).await, expected, "{at} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn by_time_a_reader_of_the_feed_is_woken_when_there_is_something_to_see() {
        let store = store(Lag::Time(Duration::from_millis(50)));
        let end = store.commit(note(0)).await.unwrap();
        assert_eq!(shown(&store).await, [1, 0, 0]);
        assert!(!store.feed_reached(&end, &store.feed_end().await.unwrap()));
        let mut commits = store.commits();
        commits.changed().await.unwrap();
        assert_eq!(shown(&store).await, [1, 1, 1]);
    }
}
