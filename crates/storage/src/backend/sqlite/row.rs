//! An item as it lies in its row.

use super::names::Names;
use crate::kernel::{Error, IndexEntry, Item, ItemKey};
use bytes::Bytes;
use gna_domain::time::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};

/// The columns that [`item`] reads, from table or alias `i`.
pub(super) const COLUMNS: &str = "i.version, i.expires, i.body";

/// Bytes that are text, bound without a copy.
pub(super) struct Text<'a>(pub &'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// The item without its entries in a row that begins with [`COLUMNS`].
pub(super) fn item(row: &Row<'_>, key: ItemKey) -> Result<Item, Error> {
    Ok(Item {
        key,
        version: version(row, 0)?,
        expires: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
        entries: Vec::new(),
        body: bytes(row, 2)?,
    })
}

pub(super) fn version(row: &Row<'_>, at: usize) -> Result<u64, Error> {
    u64::try_from(row.get::<_, i64>(at)?)
        .map_err(|_| Error::Corrupt("a version is negative".into()))
}

pub(super) fn bytes(row: &Row<'_>, at: usize) -> Result<Bytes, Error> {
    match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(Bytes::copy_from_slice(bytes)),
        _ => Err(Error::Corrupt("a body is not text".into())),
    }
}

/// A stored entry: number of the index, partition, sort.
pub(super) type Stored = (i64, String, String);

/// The entries in a column.
pub(super) fn stored(row: &Row<'_>, at: usize) -> Result<Vec<Stored>, Error> {
    match row.get_ref(at)? {
        ValueRef::Null => Ok(Vec::new()),
        ValueRef::Text(json) => serde_json::from_slice(json)
            .map_err(|_| Error::Corrupt("the entries of an item can't be read".into())),
        _ => Err(Error::Corrupt(
            "the entries of an item can't be read".into(),
        )),
    }
}

/// The entries in a column, with the names of their indexes.
pub(super) fn entries(row: &Row<'_>, at: usize, names: &Names) -> Result<Vec<IndexEntry>, Error> {
    let named = |(index, partition, sort)| {
        Ok(IndexEntry {
            index: names.name(index)?,
            partition,
            sort,
        })
    };
    stored(row, at)?.into_iter().map(named).collect()
}

/// What to keep of an item's entries.
pub(super) fn to_store(item: &Item, names: &Names) -> Result<Vec<Stored>, Error> {
    let coded = |entry: &IndexEntry| {
        Ok((
            names.written(entry.index)?,
            entry.partition.clone(),
            entry.sort.clone(),
        ))
    };
    item.entries.iter().map(coded).collect()
}

/// Entries as they are written to the column.
pub(super) fn column(entries: &[Stored]) -> Option<String> {
    // Numbers and texts always serialise.
    (!entries.is_empty()).then(|| serde_json::to_string(entries).unwrap_or_default())
}
