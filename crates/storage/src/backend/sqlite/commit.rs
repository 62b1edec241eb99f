//! Writes a batch. The transaction around it is the writer's: an error here undoes all of it.

use super::feed;
use super::names::Names;
use super::row::{Stored, Text, column, stored, to_store, version};
use crate::backend::rules::{holds, live};
use crate::kernel::{Batch, Error, Expect, FeedRecord, Item, ItemKey, Op};
use gna_domain::time::Timestamp;
use rusqlite::{CachedStatement, Connection, params};

/// Applies all operations in their order; answers the number of the newest feed entry.
pub(super) fn apply(
    conn: &Connection,
    batch: &Batch,
    names: &Names,
    now: Timestamp,
) -> Result<i64, Error> {
    let mut tables = Tables::new(conn, names, now)?;
    let mut end = feed::end(conn)?;
    for (op, operation) in batch.ops.iter().enumerate() {
        let held = match operation {
            Op::Put { item, expect } => tables.put(item, *expect)?,
            Op::Delete { key, expect } => tables.delete(key, *expect)?,
            Op::Check { key, expect } => tables.holds(key, *expect)?,
            Op::Append(record) => {
                end += 1;
                tables.append(end, record)?;
                true
            }
        };
        if !held {
            let key = match operation {
                Op::Put { item, .. } => item.key.clone(),
                Op::Delete { key, .. } | Op::Check { key, .. } => key.clone(),
                Op::Append(record) => record.key.clone(),
            };
            return Err(Error::Conflict { op, key });
        }
    }
    Ok(end)
}

/// Removes an item and its entries, whatever it is.
pub(super) fn remove(
    conn: &Connection,
    id: i64,
    collection: i64,
    entries: &[Stored],
) -> Result<(), Error> {
    conn.prepare_cached(DELETE)?.execute([id])?;
    let mut drop_entry = conn.prepare_cached(DROP_ENTRY)?;
    for (index, partition, sort) in entries {
        drop_entry.execute(params![collection, index, partition, sort, id])?;
    }
    Ok(())
}

const INSERT: &str = "INSERT INTO items (collection, part, sort, version, expires, entries, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (collection, part, sort) DO NOTHING";
const FIND: &str = "SELECT id, version, expires, entries FROM items WHERE collection = ?1 AND part = ?2 AND sort = ?3";
const UPDATE: &str =
    "UPDATE items SET version = ?2, expires = ?3, entries = ?4, body = ?5 WHERE id = ?1";
const DELETE: &str = "DELETE FROM items WHERE id = ?1";
const ADD_ENTRY: &str =
    "INSERT INTO entries (collection, idx, part, sort, item) VALUES (?1, ?2, ?3, ?4, ?5)";
const DROP_ENTRY: &str = "DELETE FROM entries WHERE collection = ?1 AND idx = ?2 AND part = ?3 AND sort = ?4 AND item = ?5";

/// The statements of one batch, looked up once.
struct Tables<'c> {
    conn: &'c Connection,
    names: &'c Names,
    now: Timestamp,
    insert: CachedStatement<'c>,
    find: CachedStatement<'c>,
    update: CachedStatement<'c>,
    add_entry: CachedStatement<'c>,
    drop_entry: CachedStatement<'c>,
    append: CachedStatement<'c>,
}

struct Found {
    id: i64,
    version: u64,
    expires: Option<Timestamp>,
    entries: Vec<Stored>,
}

impl<'c> Tables<'c> {
    fn new(conn: &'c Connection, names: &'c Names, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            conn,
            names,
            now,
            insert: conn.prepare_cached(INSERT)?,
            find: conn.prepare_cached(FIND)?,
            update: conn.prepare_cached(UPDATE)?,
            add_entry: conn.prepare_cached(ADD_ENTRY)?,
            drop_entry: conn.prepare_cached(DROP_ENTRY)?,
            append: conn.prepare_cached(feed::APPEND)?,
        })
    }

    fn find(&mut self, key: &ItemKey) -> Result<Option<Found>, Error> {
        let Some(collection) = self.names.code(key.collection) else {
            return Ok(None);
        };
        let mut rows = self
            .find
            .query(params![collection, key.partition, key.sort])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(Found {
            id: row.get(0)?,
            version: version(row, 1)?,
            expires: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
            entries: stored(row, 3)?,
        }))
    }

    fn expected(&self, found: Option<&Found>, expect: Expect) -> bool {
        holds(
            expect,
            found
                .filter(|found| live(found.expires, self.now))
                .map(|found| found.version),
        )
    }

    fn holds(&mut self, key: &ItemKey, expect: Expect) -> Result<bool, Error> {
        let found = self.find(key)?;
        Ok(self.expected(found.as_ref(), expect))
    }

    fn put(&mut self, item: &Item, expect: Expect) -> Result<bool, Error> {
        let collection = self.names.written(item.key.collection)?;
        let entries = to_store(item, self.names)?;
        // Most puts are new items: those cost no look-up first.
        if !matches!(expect, Expect::Version(_)) && self.insert(item, collection, &entries)? {
            let id = self.conn.last_insert_rowid();
            self.add_entries(collection, id, entries.iter())?;
            return Ok(true);
        }
        let found = self.find(&item.key)?;
        if !self.expected(found.as_ref(), expect) {
            return Ok(false);
        }
        // Only a put of a version comes here without an item, and then it did not hold.
        let Some(found) = found else { return Ok(false) };
        self.replace(item, collection, &found, &entries)?;
        Ok(true)
    }

    fn insert(&mut self, item: &Item, collection: i64, entries: &[Stored]) -> Result<bool, Error> {
        let changed = self.insert.execute(params![
            collection,
            item.key.partition,
            item.key.sort,
            signed(item.version),
            item.expires.map(Timestamp::millis),
            column(entries),
            Text(&item.body),
        ])?;
        Ok(changed == 1)
    }

    fn replace(
        &mut self,
        item: &Item,
        collection: i64,
        found: &Found,
        entries: &[Stored],
    ) -> Result<(), Error> {
        self.update.execute(params![
            found.id,
            signed(item.version),
            item.expires.map(Timestamp::millis),
            column(entries),
            Text(&item.body),
        ])?;
        for (index, partition, sort) in found.entries.iter().filter(|old| !entries.contains(old)) {
            self.drop_entry
                .execute(params![collection, index, partition, sort, found.id])?;
        }
        self.add_entries(
            collection,
            found.id,
            entries.iter().filter(|new| !found.entries.contains(new)),
        )
    }

    fn add_entries<'e>(
        &mut self,
        collection: i64,
        id: i64,
        entries: impl Iterator<Item = &'e Stored>,
    ) -> Result<(), Error> {
        for (index, partition, sort) in entries {
            self.add_entry
                .execute(params![collection, index, partition, sort, id])?;
        }
        Ok(())
    }

    fn delete(&mut self, key: &ItemKey, expect: Expect) -> Result<bool, Error> {
        let found = self.find(key)?;
        if !self.expected(found.as_ref(), expect) {
            return Ok(false);
        }
        if let Some(found) = found {
            remove(
                self.conn,
                found.id,
                self.names.written(key.collection)?,
                &found.entries,
            )?;
        }
        Ok(true)
    }

    fn append(&mut self, number: i64, record: &FeedRecord) -> Result<(), Error> {
        self.append.execute(params![
            number,
            record.at.millis(),
            record.event,
            self.names.written(record.key.collection)?,
            record.key.partition,
            record.key.sort,
            signed(record.version),
            Text(&record.data),
        ])?;
        Ok(())
    }
}

/// Versions are checked to fit before the batch begins.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
