//! An item as it lies in its row.

use super::error::map;
use super::names::Names;
use crate::kernel::{Error, IndexEntry, Item, ItemKey};
use gna_domain::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// A stored entry: number of the index, partition, sort.
pub(super) type Stored = (i16, String, String);

/// The item, without its entries, in columns `version, expires, body`, which begin at column `at`.
pub(super) fn item(row: &PgRow, at: usize, key: ItemKey) -> Result<Item, Error> {
    let version: i64 = row.try_get(at).map_err(map)?;
    let expires: Option<i64> = row.try_get(at + 1).map_err(map)?;
    let body: Vec<u8> = row.try_get(at + 2).map_err(map)?;
    Ok(Item {
        key,
        version: unsigned(version)?,
        body: body.into(),
        entries: Vec::new(),
        expires: expires.map(Timestamp::from_millis),
    })
}

/// The entries in a column.
pub(super) fn stored(row: &PgRow, at: usize) -> Result<Vec<Stored>, Error> {
    let entries: &[u8] = row.try_get(at).map_err(map)?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(entries)
        .map_err(|_| Error::Corrupt("the entries of an item can't be read".into()))
}

/// The same with names for numbers that [`Names::learn`] has seen.
pub(super) fn named(stored: Vec<Stored>, names: &Names) -> Result<Vec<IndexEntry>, Error> {
    let named = |(index, partition, sort)| {
        Ok(IndexEntry {
            index: names.name(index)?,
            partition,
            sort,
        })
    };
    stored.into_iter().map(named).collect()
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
