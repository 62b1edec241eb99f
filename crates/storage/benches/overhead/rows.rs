//! Rows as the raw sides bind and read them.

use crate::import;
use gna_domain::time::Timestamp;
use gna_storage::kernel::{Batch, FeedRecord, IndexEntry, Item, ItemKey, Op};
use std::collections::HashMap;

/// What has a number in every store that is measured.
pub const NAMES: [&str; 6] = [
    "vulnerability",
    "identity",
    "presence",
    "by_asset",
    "by_finding",
    "by_due",
];

/// The time that the kernel's side goes by, too.
pub const NOW: i64 = 0;

/// Which number a name has in one store.
pub struct Codes(HashMap<String, i16>);

impl Codes {
    pub fn new(rows: impl IntoIterator<Item = (i16, String)>) -> Self {
        Self(rows.into_iter().map(|(code, name)| (name, code)).collect())
    }

    pub fn of(&self, name: &str) -> i16 {
        *self.0.get(name).expect("every name has a number")
    }
}

/// An index entry: number of the index, partition, sort.
pub type Listed = (i16, String, String);

pub struct ItemRow {
    pub key: ItemKey,
    pub collection: i16,
    pub version: i64,
    pub expires: Option<i64>,
    /// The index entries as JSON; empty where there are none.
    pub entries: String,
    pub listed: Vec<Listed>,
    pub body: String,
}

pub struct FeedRow {
    pub key: ItemKey,
    pub collection: i16,
    pub version: i64,
    pub at: i64,
    pub event: String,
    pub data: String,
}

/// What one commit writes.
pub struct Chunk {
    pub items: Vec<ItemRow>,
    pub feed: Vec<FeedRow>,
}

impl Chunk {
    /// What an import writes, from vulnerability number `first` on.
    pub fn new(first: u64, codes: &Codes) -> Self {
        let Batch { ops } = import::chunk(first);
        let mut chunk = Self {
            items: Vec::new(),
            feed: Vec::new(),
        };
        for op in ops {
            match op {
                Op::Put { item, .. } => chunk.items.push(ItemRow::new(item, codes)),
                Op::Append(record) => chunk.feed.push(FeedRow::new(record, codes)),
                Op::Delete { .. } | Op::Check { .. } => unreachable!("all of it is new"),
            }
        }
        chunk
    }
}

impl ItemRow {
    fn new(item: Item, codes: &Codes) -> Self {
        let coded = |entry: IndexEntry| (codes.of(entry.index), entry.partition, entry.sort);
        let listed: Vec<Listed> = item.entries.into_iter().map(coded).collect();
        let entries = match listed.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&listed).expect("serialises"),
        };
        Self {
            collection: codes.of(item.key.collection),
            key: item.key,
            version: signed(item.version),
            expires: item.expires.map(Timestamp::millis),
            entries,
            listed,
            body: text(&item.body),
        }
    }
}

impl FeedRow {
    fn new(record: FeedRecord, codes: &Codes) -> Self {
        Self {
            collection: codes.of(record.key.collection),
            key: record.key,
            version: signed(record.version),
            at: record.at.millis(),
            event: record.event,
            data: text(&record.data),
        }
    }
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).expect("a version fits")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("JSON is text")
}

/// A record that was read.
pub struct Record {
    pub version: i64,
    pub expires: Option<i64>,
    pub body: Vec<u8>,
}

impl Record {
    /// A number that differs where records do.
    pub fn weight(&self) -> usize {
        self.body.len()
            + usize::from(self.expires.is_some())
            + usize::try_from(self.version).unwrap_or_default()
    }
}

/// A record with its key as the tables have it: text or bytes.
pub struct Keyed<T> {
    pub record: Record,
    pub partition: T,
    pub sort: T,
}

impl<T: AsRef<[u8]>> Keyed<T> {
    pub fn weight(&self) -> usize {
        self.record.weight() + self.partition.as_ref().len() + self.sort.as_ref().len()
    }
}

/// The weight of all that was found.
pub fn weigh(found: &[Option<Record>]) -> usize {
    found.iter().flatten().map(Record::weight).sum()
}

/// How much is in a store: items, index entries, feed entries, bytes of all bodies, and the number of
/// the newest feed entry.
pub type Left = [i64; 5];
