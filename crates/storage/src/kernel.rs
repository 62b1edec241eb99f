//! The contract of a backend: the little that every store must do, shaped by the narrowest one.
//!
//! A backend keeps items, finds them by key or by declared index, commits a batch wholly or not
//! at all, and keeps an ordered feed of what committed. It knows no noun, no JSON field and no
//! rule; those live above, in [`crate::collection`] and [`crate::repo`].
//!
//! Consistency is part of the contract: [`Backend::get_many`] and primary-key ranges see every
//! commit that was acknowledged before; ranges over an index, and the feed, may lag.

use async_trait::async_trait;
use bytes::Bytes;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use std::ops::Bound;
use std::path::PathBuf;
use tokio::sync::watch;

/// Address of an item. Keys compare byte by byte; both parts are at most 1,024 bytes and may hold
/// any text but must not be empty (`sort` may).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    pub collection: &'static str,
    pub partition: String,
    pub sort: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    pub index: &'static str,
    pub partition: String,
    pub sort: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub key: ItemKey,
    /// Counted by the caller: 1 when created, one more with each change.
    pub version: u64,
    /// JSON, at most [`BackendLimits::item_bytes`].
    pub body: Bytes,
    /// At most one entry per index. Replaces the entries of the version before. Reads by key and by
    /// range leave them out: they are as long as the body, and only who copies or checks a store
    /// wants them back, by [`Backend::scan`].
    pub entries: Vec<IndexEntry>,
    /// From this moment on the item is as good as gone; removal may come later.
    pub expires: Option<Timestamp>,
}

impl Item {
    /// Without its entries, as reads by key and by range answer it.
    #[must_use]
    pub fn bare(self) -> Self {
        Self {
            entries: Vec::new(),
            ..self
        }
    }
}

/// What must hold of the stored item for a write to take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is none. An expired one counts as none.
    Absent,
    /// There is one and it has this version.
    Version(u64),
    /// Whatever is there.
    Any,
}

#[derive(Clone, Debug)]
pub enum Op {
    Put {
        item: Item,
        expect: Expect,
    },
    Delete {
        key: ItemKey,
        expect: Expect,
    },
    /// Writes nothing, but the batch fails when it does not hold. `Any` always holds.
    Check {
        key: ItemKey,
        expect: Expect,
    },
    Append(FeedRecord),
}

/// All or nothing. At most [`BackendLimits::batch_ops`] operations, no key twice (a key may be in
/// either a `Put`, a `Delete` or a `Check`, once).
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub ops: Vec<Op>,
}

/// One thing that happened, to be appended to the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRecord {
    /// Name of the event, `vulnerability.closed`.
    pub event: String,
    /// The item it is about; entries about one item are delivered in commit order.
    pub key: ItemKey,
    /// That item's version after the commit; 0 when it was deleted.
    pub version: u64,
    pub at: Timestamp,
    /// Small JSON, or empty.
    pub data: Bytes,
}

/// A record with the cursor that continues after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    pub cursor: FeedCursor,
    pub record: FeedRecord,
}

/// A place in the feed. Opaque outside the backend that made it; `Display`ed into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// A range of one partition, of the primary key (`index: None`) or of a declared index.
#[derive(Clone, Debug)]
pub struct RangeQuery {
    pub collection: &'static str,
    pub index: Option<&'static str>,
    pub partition: String,
    /// Bounds on the sort key (of the index, or of the item). See [`prefix_range`].
    pub from: Bound<String>,
    pub to: Bound<String>,
    pub direction: Direction,
    /// 1 to 1,000.
    pub limit: usize,
    /// From the page before. A cursor stays valid while items come and go: it names a key, not a
    /// count, so items that existed all along are neither repeated nor left out.
    pub after: Option<Cursor>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ItemPage {
    pub items: Vec<Item>,
    pub next: Option<Cursor>,
}

impl ItemPage {
    /// Of items without their entries.
    #[must_use]
    pub fn bare(self) -> Self {
        Self {
            items: self.items.into_iter().map(Item::bare).collect(),
            next: self.next,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendLimits {
    /// Most operations in one batch.
    pub batch_ops: usize,
    /// Whether entries of the feed are among them; otherwise a batch has room for them besides.
    pub entries_count: bool,
    /// Largest sum of bodies in one batch, in bytes.
    pub batch_bytes: usize,
    /// Largest body, in bytes.
    pub item_bytes: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Operation number `op` of the batch did not find what it expected. Nothing was written.
    #[error("lost a race for {key:?}")]
    Conflict { op: usize, key: ItemKey },
    /// The batch or an item is larger than the backend can take. Nothing was written.
    #[error("{what} is over the limit of {limit}")]
    TooLarge { what: &'static str, limit: usize },
    /// The caller broke a rule of this contract (a key twice in a batch, an empty partition, a limit
    /// of 0): a mistake in the program, not in its input. Nothing was written.
    #[error("misuse of the store: {0}")]
    Misuse(&'static str),
    /// A cursor that this backend did not make.
    #[error("the cursor is not one of this store's")]
    BadCursor,
    /// The reader fell behind what the feed keeps; it must rebuild what it derives.
    #[error("the feed no longer holds what follows this cursor")]
    FeedGap,
    /// Trying again later may help.
    #[error("the store can't answer: {0}")]
    Unavailable(String),
    /// The store holds what can't be: the message names the place, never the content.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// A problem that [`Backend::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub place: String,
    pub problem: String,
}

/// A copy that [`Backend::backup`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub path: PathBuf,
    pub bytes: u64,
}

#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The URL scheme, `sqlite`.
    fn name(&self) -> &'static str;

    fn limits(&self) -> BackendLimits;

    /// One answer per key, in their order, each without its entries. Strong.
    async fn get_many(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, Error>;

    /// One page per query, in their order, of items without their entries. Several at once cost one
    /// round trip where the backend can.
    async fn query_many(&self, queries: &[RangeQuery]) -> Result<Vec<ItemPage>, Error>;

    /// Every live item of a collection, whole, in key order; for rebuilding, copying and checking.
    async fn scan(
        &self,
        collection: &'static str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<ItemPage, Error>;

    /// Durable when it returns. Answers the place in the feed after this batch.
    async fn commit(&self, batch: Batch) -> Result<FeedCursor, Error>;

    /// What committed after `after` (from the oldest kept when `None`), oldest first.
    async fn feed(&self, after: Option<&FeedCursor>, limit: usize)
    -> Result<Vec<FeedEntry>, Error>;

    /// The place after the newest entry.
    async fn feed_end(&self) -> Result<FeedCursor, Error>;

    /// Whether `a` is at or behind `b` is decided by the backend; cursors are opaque to others.
    fn feed_reached(&self, a: &FeedCursor, b: &FeedCursor) -> bool;

    /// Drops entries older than `before`; a reader behind them gets [`Error::FeedGap`].
    async fn trim_feed(&self, before: Timestamp) -> Result<u64, Error>;

    /// Removes expired items, at most `limit`; answers how many went.
    async fn purge_expired(&self, limit: usize) -> Result<u64, Error>;

    /// Changes after every commit by this process, and by others where the store is shared;
    /// readers of the feed sleep on it.
    fn commits(&self) -> watch::Receiver<u64>;

    /// Changes after every commit, by any process, that wrote to this collection; for those in
    /// [`ANNOUNCED`](crate::collection::ANNOUNCED). `None` where one process owns the store: its
    /// own commits it knows.
    fn commits_to(&self, _collection: &str) -> Option<watch::Receiver<u64>> {
        None
    }

    /// The time of the server that keeps the store, to the second or finer: all processes that share a
    /// store must agree with it. `None` where one process owns the store, or nobody tells.
    async fn time(&self) -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }

    /// Looks for damage: unreadable pages, index entries without item, items without their entries.
    async fn check(&self) -> Result<Vec<Damage>, Error>;

    /// Writes a consistent copy into a new file of this name, in the folder `backups` beside the
    /// store, while reading and writing go on. `None` where the store is not a file.
    async fn backup(&self, _name: &str) -> Result<Option<Copied>, Error> {
        Ok(None)
    }
}

/// The bounds that hold exactly the sort keys which start with `prefix`.
#[must_use]
pub fn prefix_range(prefix: &str) -> (Bound<String>, Bound<String>) {
    if prefix.is_empty() {
        return (Bound::Unbounded, Bound::Unbounded);
    }
    // No sort key holds U+10FFFF, the last character there is.
    (
        Bound::Included(prefix.to_owned()),
        Bound::Excluded(format!("{prefix}\u{10FFFF}")),
    )
}
