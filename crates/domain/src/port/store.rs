//! The store: records by key, by unique value or by declared list; and changes that commit
//! together or not at all.
//!
//! Which lists and unique values a collection has is declared once, as data, by the implementation
//! (`storage/collection.rs`). Services use the typed functions of [`crate::port::repo`].

use async_trait::async_trait;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::path::PathBuf;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::page::Page;
use crate::page::PageRequest;
use crate::time::Timestamp;

/// A value that the store keeps as a record of its own.
pub trait Entity: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// Name of the collection, singular, snake case.
    const COLLECTION: &'static str;

    /// Where the record lives. Most nouns use their id as partition and an empty sort key; a noun
    /// that is always read as part of a parent uses the parent's id and its own.
    fn key(&self) -> Key;

    /// From when on the record is as good as gone.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// An entity that is found by one id alone.
pub trait ById: Entity {
    type Id: crate::id::TypedId;
    fn id(&self) -> Self::Id;
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub collection: &'static str,
    pub partition: String,
    pub sort: String,
}

impl Key {
    pub fn new(
        collection: &'static str,
        partition: impl Into<String>,
        sort: impl Into<String>,
    ) -> Self {
        Self {
            collection,
            partition: partition.into(),
            sort: sort.into(),
        }
    }
}

/// A record as it was read: the value and the version a change of it must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<E> {
    pub value: E,
    pub version: u64,
}

impl<E> Deref for Stored<E> {
    type Target = E;
    fn deref(&self) -> &E {
        &self.value
    }
}

/// A record before it is given its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    pub key: Key,
    pub version: u64,
    pub body: Bytes,
}

impl Raw {
    /// # Errors
    /// `store.corrupt` when the body is not what the collection holds.
    pub fn typed<E: Entity>(&self) -> Result<Stored<E>> {
        serde_json::from_slice(&self.body)
            .map(|value| Stored {
                value,
                version: self.version,
            })
            .map_err(|_| {
                Error::internal(
                    "store.corrupt",
                    format!(
                        "a {} record can't be read; run `gna store check`",
                        E::COLLECTION
                    ),
                )
            })
    }
}

/// What must hold of a record for its write to take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Absent,
    Version(u64),
}

/// What is told to the feed about a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Stable, `noun.verb`: `vulnerability.closed`.
    pub name: String,
    /// Small JSON, or null.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

impl Event {
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data: serde_json::Value::Null,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Effect {
    Put {
        body: Bytes,
        expires: Option<Timestamp>,
    },
    Delete,
    /// Nothing is written; the whole change fails when the expectation does not hold.
    Check,
}

#[derive(Clone, Debug)]
pub struct Write {
    pub key: Key,
    pub expect: Expect,
    pub effect: Effect,
    /// Appended to the feed with the key and the new version. At most one per write.
    pub event: Option<Event>,
}

/// Everything one decision changes: state, history, audit, events and jobs.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    pub writes: Vec<Write>,
}

impl ChangeSet {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    fn push<E: Entity>(&mut self, value: &E, expect: Expect, event: Option<Event>) -> Result<()> {
        let body = serde_json::to_vec(value).map_err(|_| {
            Error::internal(
                "store.encode",
                format!("a {} record can't be written", E::COLLECTION),
            )
        })?;
        let effect = Effect::Put {
            body: body.into(),
            expires: value.expires(),
        };
        self.writes.push(Write {
            key: value.key(),
            expect,
            effect,
            event,
        });
        Ok(())
    }

    /// Adds a new record; the commit fails with `Conflict` if there is one already.
    ///
    /// # Errors
    /// Only if the value can't be written as JSON.
    pub fn create<E: Entity>(&mut self, value: &E, event: Option<Event>) -> Result<()> {
        self.push(value, Expect::Absent, event)
    }

    /// Replaces what was read as `current` by `next` (same key).
    ///
    /// # Errors
    /// Only if the value can't be written as JSON.
    pub fn update<E: Entity>(
        &mut self,
        current: &Stored<E>,
        next: &E,
        event: Option<Event>,
    ) -> Result<()> {
        debug_assert_eq!(current.value.key(), next.key(), "a record can't move");
        self.push(next, Expect::Version(current.version), event)
    }

    pub fn delete<E: Entity>(&mut self, current: &Stored<E>, event: Option<Event>) {
        self.writes.push(Write {
            key: current.value.key(),
            expect: Expect::Version(current.version),
            effect: Effect::Delete,
            event,
        });
    }

    /// Makes the change depend on a record that it does not write.
    pub fn require<E: Entity>(&mut self, current: &Stored<E>) {
        self.writes.push(Write {
            key: current.value.key(),
            expect: Expect::Version(current.version),
            effect: Effect::Check,
            event: None,
        });
    }
}

/// A value that only one record of the collection may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    pub collection: &'static str,
    /// Name of the declared unique key.
    pub name: &'static str,
    pub values: Vec<String>,
}

/// A stretch of a declared list (`index: Some`) or of the records in one partition (`None`).
#[derive(Clone, Debug)]
pub struct List {
    pub collection: &'static str,
    pub index: Option<&'static str>,
    /// Values of the index's partition fields, or the partition itself.
    pub partition: Vec<String>,
    /// Only records whose sort key starts with this.
    pub prefix: String,
    /// Only records whose sort key is at most this (for "what is due").
    pub until: Option<String>,
    pub descending: bool,
    pub page: PageRequest,
}

/// A place in the feed; opaque.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeedPosition(pub String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    pub position: FeedPosition,
    pub event: Event,
    pub key: Key,
    /// 0 when the record was deleted.
    pub version: u64,
    pub at: Timestamp,
}

/// The code of a commit that is refused for its size: half of it may well be taken.
pub const TOO_LARGE: &str = "store.too_large";

/// How much one commit may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Writes, counting what unique keys, events and the like add; see [`ChangeSet`].
    pub writes: usize,
    /// Sum of record bodies, in bytes.
    pub bytes: usize,
    /// Largest record body, in bytes.
    pub record_bytes: usize,
}

/// A copy of the store that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Where it is, for whoever is at the machine.
    pub path: PathBuf,
    pub bytes: u64,
}

/// Numbers that change when there may be work; whoever waits on them needs no polling.
#[derive(Clone, Debug)]
pub struct Signals {
    /// After each commit.
    pub feed: watch::Receiver<u64>,
    /// After each commit that wrote a job.
    pub jobs: watch::Receiver<u64>,
    /// After each commit that wrote a schedule.
    pub schedules: watch::Receiver<u64>,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// `sqlite`, `memory`.
    fn backend(&self) -> &'static str;

    fn limits(&self) -> StoreLimits;

    /// One answer per key, in order. Sees every acknowledged commit.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Raw>>>;

    /// Records by a declared unique value, in order.
    async fn find(&self, uniques: &[UniqueKey]) -> Result<Vec<Option<Raw>>>;

    /// One page per list, in order. Lists by partition are strong, by index they may lag.
    async fn list(&self, lists: &[List]) -> Result<Vec<Page<Raw>>>;

    /// Every record of a collection, in key order; to rebuild, copy and check.
    async fn scan(&self, collection: &'static str, page: &PageRequest) -> Result<Page<Raw>>;

    /// # Errors
    /// `Conflict` with code `store.conflict` (a lost race or an expectation that does not hold) or
    /// `NOUN.exists` (a unique value is taken); `Limit` with code [`TOO_LARGE`]; then nothing was written.
    async fn commit(&self, changes: ChangeSet) -> Result<FeedPosition>;

    /// What happened after a position, oldest first; from the oldest kept when `None`.
    ///
    /// # Errors
    /// `feed.gap` when the position is older than what is kept: rebuild what you derive.
    async fn feed(&self, after: Option<&FeedPosition>, limit: usize) -> Result<Vec<FeedItem>>;

    async fn feed_end(&self) -> Result<FeedPosition>;

    /// Whether a reader at `reader` has seen everything up to `target`.
    fn feed_reached(&self, reader: &FeedPosition, target: &FeedPosition) -> bool;

    /// Forgets feed entries older than that, and removes expired records.
    async fn tidy(&self, feed_before: Timestamp) -> Result<()>;

    fn signals(&self) -> Signals;

    /// Names each damaged place; empty when all is well.
    async fn check(&self) -> Result<Vec<String>>;

    /// Writes a consistent copy of everything into a new file of this name, in a folder of the
    /// store's own, while reading and writing go on. `None` where the store is not a file.
    async fn backup(&self, name: &str) -> Result<Option<Backup>>;
}
