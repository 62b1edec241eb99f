//! The domain's store port over any backend: written once.

use async_trait::async_trait;
use bytes::Bytes;
use gna_domain::error::{Error, Result};
use gna_domain::page::{Page, PageRequest};
use gna_domain::port::Clock;
use gna_domain::port::store::{
    Backup, ChangeSet, Effect, Event, Expect, FeedItem, FeedPosition, Key, List, Raw, Signals,
    Store, StoreLimits, TOO_LARGE, UniqueKey, Write,
};
use gna_domain::time::Timestamp;
use serde_json::Value;
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::watch;

use super::attributes::{SEPARATOR, entries, index_partition, uniques};
use crate::collection::{Collection, UNIQUE, declared};
use crate::kernel::{
    self, Backend, Batch, Direction, FeedCursor, FeedRecord, Item, ItemKey, Op, RangeQuery,
};

/// Most items that one range answers.
const PAGE: usize = 1_000;

pub struct KernelStore {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    jobs: watch::Sender<u64>,
    schedules: watch::Sender<u64>,
}

impl KernelStore {
    pub fn new(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        Self {
            backend,
            clock,
            jobs: watch::channel(0).0,
            schedules: watch::channel(0).0,
        }
    }

    #[must_use]
    pub fn kernel(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The bodies as stored of those written records whose unique values may change.
    async fn before(&self, writes: &[Write]) -> Result<Vec<Option<Item>>> {
        let keys: Vec<(usize, ItemKey)> = writes
            .iter()
            .enumerate()
            .filter(|(_, write)| {
                matches!(write.expect, Expect::Version(_)) && !matches!(write.effect, Effect::Check)
            })
            .filter(|(_, write)| {
                declared(write.key.collection)
                    .is_some_and(|collection| !collection.unique.is_empty())
            })
            .map(|(at, write)| (at, item_key(&write.key)))
            .collect();
        let mut before = vec![None; writes.len()];
        if !keys.is_empty() {
            let only: Vec<ItemKey> = keys.iter().map(|(_, key)| key.clone()).collect();
            let items = self.backend.get_many(&only).await.map_err(outward)?;
            for ((at, _), item) in keys.into_iter().zip(items) {
                if let Some(slot) = before.get_mut(at) {
                    *slot = item;
                }
            }
        }
        Ok(before)
    }

    fn batch(&self, changes: ChangeSet, before: Vec<Option<Item>>) -> Result<Batch> {
        let now = self.clock.now();
        let mut ops = Vec::with_capacity(changes.writes.len() * 2);
        for (write, before) in changes.writes.into_iter().zip(before) {
            let collection = declared(write.key.collection).ok_or_else(|| {
                Error::internal(
                    "store.undeclared",
                    format!("collection {} is not declared", write.key.collection),
                )
            })?;
            let old = before
                .as_ref()
                .map(|item| parse(collection, &item.body))
                .transpose()?;
            push_write(&mut ops, collection, write, old.as_ref(), now)?;
        }
        Ok(Batch { ops })
    }
}

fn parse(collection: &Collection, body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|_| {
        Error::internal(
            "store.corrupt",
            format!(
                "a {} record can't be read; run `gna store check`",
                collection.name
            ),
        )
    })
}

/// Turns one write into the operations it needs: the record, its unique values, its event.
fn push_write(
    ops: &mut Vec<Op>,
    collection: &'static Collection,
    write: Write,
    old: Option<&Value>,
    now: Timestamp,
) -> Result<()> {
    let key = item_key(&write.key);
    let (expect, version) = match write.expect {
        Expect::Absent => (kernel::Expect::Absent, 1),
        Expect::Version(version) => (kernel::Expect::Version(version), version + 1),
    };
    let was = old.map(|old| uniques(collection, old)).unwrap_or_default();
    let version = match write.effect {
        Effect::Check => {
            ops.push(Op::Check {
                key: key.clone(),
                expect,
            });
            version - 1
        }
        Effect::Delete => {
            ops.push(Op::Delete {
                key: key.clone(),
                expect,
            });
            ops.extend(was.iter().map(|(unique, value)| Op::Delete {
                key: unique_key(collection.name, unique.name, value),
                expect: kernel::Expect::Any,
            }));
            0
        }
        Effect::Put { body, expires } => {
            let declared_any = !collection.indexes.is_empty() || !collection.unique.is_empty();
            let value = if declared_any {
                parse(collection, &body)?
            } else {
                Value::Null
            };
            let becomes = uniques(collection, &value);
            for (unique, value) in was.iter().filter(|old| {
                !becomes
                    .iter()
                    .any(|new| new.0.name == old.0.name && new.1 == old.1)
            }) {
                ops.push(Op::Delete {
                    key: unique_key(collection.name, unique.name, value),
                    expect: kernel::Expect::Any,
                });
            }
            for (unique, value) in becomes.iter().filter(|new| {
                !was.iter()
                    .any(|old| new.0.name == old.0.name && new.1 == old.1)
            }) {
                let owner = serde_json::json!([key.partition, key.sort]).to_string();
                let item = Item {
                    key: unique_key(collection.name, unique.name, value),
                    version: 1,
                    body: owner.into(),
                    entries: Vec::new(),
                    expires,
                };
                ops.push(Op::Put {
                    item,
                    expect: kernel::Expect::Absent,
                });
            }
            let item = Item {
                entries: entries(collection, &value),
                key: key.clone(),
                version,
                body,
                expires,
            };
            ops.push(Op::Put { item, expect });
            version
        }
    };
    if let Some(event) = write.event {
        let data = if event.data.is_null() {
            Bytes::new()
        } else {
            event.data.to_string().into()
        };
        ops.push(Op::Append(FeedRecord {
            event: event.name,
            key,
            version,
            at: now,
            data,
        }));
    }
    Ok(())
}

fn item_key(key: &Key) -> ItemKey {
    ItemKey {
        collection: key.collection,
        partition: key.partition.clone(),
        sort: key.sort.clone(),
    }
}

fn unique_key(collection: &str, name: &str, value: &str) -> ItemKey {
    ItemKey {
        collection: UNIQUE,
        partition: format!("{collection}.{name}"),
        sort: value.to_owned(),
    }
}

fn raw(item: Item) -> Raw {
    Raw {
        key: Key {
            collection: item.key.collection,
            partition: item.key.partition,
            sort: item.key.sort,
        },
        version: item.version,
        body: item.body,
    }
}

/// What a kernel error is to the layers above.
fn outward(error: kernel::Error) -> Error {
    match error {
        kernel::Error::Conflict { key, .. } if key.collection == UNIQUE => {
            let (collection, name) = key.partition.split_once('.').unwrap_or_default();
            let unique = declared(collection)
                .and_then(|collection| collection.unique.iter().find(|unique| unique.name == name));
            unique.map_or_else(
                || Error::conflict("store.conflict", "the value is taken"),
                |unique| Error::conflict(unique.code, unique.message),
            )
        }
        kernel::Error::Conflict { key, .. } => Error::conflict(
            "store.conflict",
            format!(
                "someone else changed this {} first; read it again and repeat",
                key.collection.replace('_', " ")
            ),
        ),
        kernel::Error::TooLarge { what, limit } => Error::limit(
            TOO_LARGE,
            format!("{what} is over the store's limit of {limit}"),
        ),
        kernel::Error::BadCursor => Error::invalid(
            "page.cursor",
            "this cursor is not one of ours; start again without it",
        ),
        kernel::Error::FeedGap => {
            Error::conflict("feed.gap", "the feed no longer reaches back that far")
        }
        kernel::Error::Misuse(rule) => Error::internal(
            "store.misuse",
            format!("the store was used wrongly: {rule}"),
        ),
        kernel::Error::Unavailable(reason) => Error::unavailable(
            "store.unavailable",
            format!("the store can't answer now: {reason}"),
        ),
        kernel::Error::Corrupt(place) => Error::internal(
            "store.corrupt",
            format!("the store is damaged ({place}); run `gna store check`"),
        ),
    }
}

fn range(list: &List) -> Result<RangeQuery> {
    if let Some(index) = list.index {
        let known = declared(list.collection).is_some_and(|collection| {
            collection
                .indexes
                .iter()
                .any(|declared| declared.name == index)
        });
        if !known {
            return Err(Error::internal(
                "store.undeclared",
                format!("{} has no list {index}", list.collection),
            ));
        }
    }
    let (from, mut to) = kernel::prefix_range(&list.prefix);
    if let Some(until) = &list.until {
        to = Bound::Included(until.clone());
    }
    Ok(RangeQuery {
        collection: list.collection,
        index: list.index,
        partition: if list.index.is_some() {
            index_partition(&list.partition)
        } else {
            list.partition.join(&SEPARATOR.to_string())
        },
        from,
        to,
        direction: if list.descending {
            Direction::Descending
        } else {
            Direction::Ascending
        },
        limit: list.page.first.clamp(1, PAGE),
        after: list.page.after.clone(),
    })
}

#[async_trait]
impl Store for KernelStore {
    fn backend(&self) -> &'static str {
        self.backend.name()
    }

    fn limits(&self) -> StoreLimits {
        let limits = self.backend.limits();
        // A write with an event is two operations, unless events come besides; the rest is slack for
        // unique values.
        let ops = if limits.entries_count { 2 } else { 1 };
        StoreLimits {
            writes: limits.batch_ops * 4 / 5 / ops,
            bytes: limits.batch_bytes,
            record_bytes: limits.item_bytes,
        }
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Raw>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<ItemKey> = keys.iter().map(item_key).collect();
        let items = self.backend.get_many(&keys).await.map_err(outward)?;
        Ok(items.into_iter().map(|item| item.map(raw)).collect())
    }

    async fn find(&self, wanted: &[UniqueKey]) -> Result<Vec<Option<Raw>>> {
        let keys: Vec<ItemKey> = wanted
            .iter()
            .map(|unique| {
                unique_key(
                    unique.collection,
                    unique.name,
                    &unique.values.join(&SEPARATOR.to_string()),
                )
            })
            .collect();
        let owners = self.backend.get_many(&keys).await.map_err(outward)?;
        let mut found = vec![None; wanted.len()];
        let mut at = Vec::new();
        let mut targets = Vec::new();
        for (slot, (owner, unique)) in owners.into_iter().zip(wanted).enumerate() {
            let Some(owner) = owner else { continue };
            let (partition, sort): (String, String) =
                serde_json::from_slice(&owner.body).map_err(|_| {
                    Error::internal(
                        "store.corrupt",
                        "a unique value can't be read; run `gna store check`",
                    )
                })?;
            at.push(slot);
            targets.push(ItemKey {
                collection: unique.collection,
                partition,
                sort,
            });
        }
        if !targets.is_empty() {
            let items = self.backend.get_many(&targets).await.map_err(outward)?;
            for (slot, item) in at.into_iter().zip(items) {
                if let Some(place) = found.get_mut(slot) {
                    *place = item.map(raw);
                }
            }
        }
        Ok(found)
    }

    async fn list(&self, lists: &[List]) -> Result<Vec<Page<Raw>>> {
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        let queries = lists.iter().map(range).collect::<Result<Vec<_>>>()?;
        let pages = self.backend.query_many(&queries).await.map_err(outward)?;
        Ok(pages
            .into_iter()
            .map(|page| Page {
                items: page.items.into_iter().map(raw).collect(),
                next: page.next,
            })
            .collect())
    }

    async fn scan(&self, collection: &'static str, page: &PageRequest) -> Result<Page<Raw>> {
        let items = self
            .backend
            .scan(collection, page.after.as_ref(), page.first.clamp(1, PAGE))
            .await
            .map_err(outward)?;
        Ok(Page {
            items: items.items.into_iter().map(raw).collect(),
            next: items.next,
        })
    }

    async fn commit(&self, changes: ChangeSet) -> Result<FeedPosition> {
        let writes = |collection| {
            let mut keys = changes.writes.iter().map(|write| &write.key);
            keys.any(|key| key.collection == collection)
        };
        let (wakes_workers, wakes_schedules) = (writes("job"), writes("schedule"));
        let before = self.before(&changes.writes).await?;
        let batch = self.batch(changes, before)?;
        let cursor = self.backend.commit(batch).await.map_err(outward)?;
        if wakes_workers {
            self.jobs.send_modify(|count| *count += 1);
        }
        if wakes_schedules {
            self.schedules.send_modify(|count| *count += 1);
        }
        Ok(FeedPosition(cursor.0))
    }

    async fn feed(&self, after: Option<&FeedPosition>, limit: usize) -> Result<Vec<FeedItem>> {
        let cursor = after.map(|position| FeedCursor(position.0.clone()));
        let entries = self
            .backend
            .feed(cursor.as_ref(), limit)
            .await
            .map_err(outward)?;
        entries
            .into_iter()
            .map(|entry| {
                let record = entry.record;
                let data = if record.data.is_empty() {
                    Value::Null
                } else {
                    serde_json::from_slice(&record.data).map_err(|_| {
                        Error::internal("store.corrupt", "a feed entry can't be read")
                    })?
                };
                Ok(FeedItem {
                    position: FeedPosition(entry.cursor.0),
                    event: Event {
                        name: record.event,
                        data,
                    },
                    key: Key {
                        collection: record.key.collection,
                        partition: record.key.partition,
                        sort: record.key.sort,
                    },
                    version: record.version,
                    at: record.at,
                })
            })
            .collect()
    }

    async fn feed_end(&self) -> Result<FeedPosition> {
        Ok(FeedPosition(
            self.backend.feed_end().await.map_err(outward)?.0,
        ))
    }

    fn feed_reached(&self, reader: &FeedPosition, target: &FeedPosition) -> bool {
        self.backend
            .feed_reached(&FeedCursor(target.0.clone()), &FeedCursor(reader.0.clone()))
    }

    async fn tidy(&self, feed_before: Timestamp) -> Result<()> {
        self.backend.trim_feed(feed_before).await.map_err(outward)?;
        while self.backend.purge_expired(PAGE).await.map_err(outward)? > 0 {}
        Ok(())
    }

    fn signals(&self) -> Signals {
        Signals {
            feed: self.backend.commits(),
            jobs: self
                .backend
                .commits_to("job")
                .unwrap_or_else(|| self.jobs.subscribe()),
            schedules: self
                .backend
                .commits_to("schedule")
                .unwrap_or_else(|| self.schedules.subscribe()),
        }
    }

    async fn check(&self) -> Result<Vec<String>> {
        let damages = self.backend.check().await.map_err(outward)?;
        Ok(damages
            .into_iter()
            .map(|damage| format!("{}: {}", damage.place, damage.problem))
            .collect())
    }

    async fn backup(&self, name: &str) -> Result<Option<Backup>> {
        let made = self.backend.backup(name).await.map_err(outward)?;
        Ok(made.map(|copied| Backup {
            path: copied.path,
            bytes: copied.bytes,
        }))
    }
}
