//! An item as it lies in its row.

use super::error::map;
use super::names::Names;
use crate::kernel::{Error, IndexEntry, Item, ItemKey};
use bytes::Bytes;
use gna_domain::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// A stored entry: number of the index, partition, sort.
pub(super) type Stored = (i16, String, String);

/// What came of an item, before its numbers are names again.
pub(super) struct Found {
    version: u64,
    expires: Option<Timestamp>,
    entries: Vec<Stored>,
    body: Bytes,
}

impl Found {
    /// Columns `version, expires, entries, body`, which begin at column `at`.
    pub(super) fn read(row: &PgRow, at: usize) -> Result<Self, Error> {
        let version: i64 = row.try_get(at).map_err(map)?;
        let expires: Option<i64> = row.try_get(at + 1).map_err(map)?;
        let entries: &[u8] = row.try_get(at + 2).map_err(map)?;
        let body: Vec<u8> = row.try_get(at + 3).map_err(map)?;
        let entries = match entries.is_empty() {
            true => Vec::new(),
            false => serde_json::from_slice(entries)
                .map_err(|_| Error::Corrupt("the entries of an item can't be read".into()))?,
        };
        Ok(Self {
            version: unsigned(version)?,
            expires: expires.map(Timestamp::from_millis),
            entries,
            body: body.into(),
        })
    }

    /// The numbers of its indexes, for [`Names::learn`].
    pub(super) fn codes(&self) -> impl Iterator<Item = i16> + '_ {
        self.entries.iter().map(|(index, _, _)| *index)
    }

    pub(super) fn item(self, key: ItemKey, names: &Names) -> Result<Item, Error> {
        let named = |(index, partition, sort)| {
            Ok(IndexEntry {
                index: names.name(index)?,
                partition,
                sort,
            })
        };
        Ok(Item {
            key,
            version: self.version,
            body: self.body,
            entries: self
                .entries
                .into_iter()
                .map(named)
                .collect::<Result<_, Error>>()?,
            expires: self.expires,
        })
    }
}

pub(super) fn unsigned(version: i64) -> Result<u64, Error> {
    u64::try_from(version).map_err(|_| Error::Corrupt("a version is negative".into()))
}

/// Text from a column of bytes.
pub(super) fn text(row: &PgRow, at: usize) -> Result<String, Error> {
    let bytes: Vec<u8> = row.try_get(at).map_err(map)?;
    String::from_utf8(bytes).map_err(|_| Error::Corrupt("a key is not text".into()))
}

/// What to keep of an item's entries.
pub(super) fn column(item: &Item, names: &Names) -> Result<Vec<u8>, Error> {
    if item.entries.is_empty() {
        return Ok(Vec::new());
    }
    let coded = |entry: &IndexEntry| {
        Ok((
            names.written(entry.index)?,
            entry.partition.clone(),
            entry.sort.clone(),
        ))
    };
    let entries: Vec<Stored> = item
        .entries
        .iter()
        .map(coded)
        .collect::<Result<_, Error>>()?;
    // Numbers and texts always serialise.
    Ok(serde_json::to_vec(&entries).unwrap_or_default())
}
