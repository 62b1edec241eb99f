//! Sends a batch to `commit_batch` (see [`super::tables`]) as columns.

use super::connection::PostgresDb;
use super::error::{collided, map};
use super::names::Names;
use super::row::column;
use crate::kernel::{Batch, Error, Expect, FeedRecord, Item, ItemKey, Op};
use gna_domain::time::Timestamp;
use sqlx::Row;

/// How often a batch that collided with another is tried. Each time someone else has gone on.
const TRIES: usize = 10;

const CALL: &str =
    "SELECT lost, head FROM commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
    $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)";

/// Whom to tell: the channel, and what to say on it ("" for nothing).
pub(super) struct Told<'a> {
    pub channel: &'a str,
    pub payload: &'a str,
}

#[derive(Default)]
struct Columns<'a> {
    ops: Vec<i32>,
    kinds: Vec<i16>,
    expects: Vec<i64>,
    collections: Vec<i16>,
    partitions: Vec<&'a [u8]>,
    sorts: Vec<&'a [u8]>,
    versions: Vec<i64>,
    expires: Vec<Option<i64>>,
    entries: Vec<Vec<u8>>,
    bodies: Vec<&'a [u8]>,
    entry_of: Vec<i32>,
    entry_index: Vec<i16>,
    entry_partitions: Vec<&'a [u8]>,
    entry_sorts: Vec<&'a [u8]>,
}

#[derive(Default)]
struct Feed<'a> {
    at: Vec<i64>,
    events: Vec<&'a str>,
    collections: Vec<i16>,
    partitions: Vec<&'a [u8]>,
    sorts: Vec<&'a [u8]>,
    versions: Vec<i64>,
    data: Vec<&'a [u8]>,
}

/// Applies all operations; answers the number of the newest feed entry.
pub(super) async fn apply(
    db: &PostgresDb,
    batch: &Batch,
    names: &Names,
    now: Timestamp,
    told: &Told<'_>,
) -> Result<i64, Error> {
    let columns = columns(batch, names)?;
    let feed = feed(batch, names)?;
    let mut tries = 1;
    loop {
        let row = match call(db, &columns, &feed, now, told).await {
            Err(error) if collided(&error) && tries < TRIES => {
                tries += 1;
                continue;
            }
            answer => answer.map_err(map)?,
        };
        let lost: Option<i32> = row.try_get(0).map_err(map)?;
        return match lost {
            None => row.try_get(1).map_err(map),
            Some(op) => Err(conflict(batch, op)),
        };
    }
}

async fn call(
    db: &PostgresDb,
    columns: &Columns<'_>,
    feed: &Feed<'_>,
    now: Timestamp,
    told: &Told<'_>,
) -> Result<sqlx::postgres::PgRow, sqlx::Error> {
    let query = sqlx::query(CALL)
        .bind(now.millis())
        .bind(&columns.ops)
        .bind(&columns.kinds)
        .bind(&columns.expects)
        .bind(&columns.collections)
        .bind(&columns.partitions)
        .bind(&columns.sorts)
        .bind(&columns.versions)
        .bind(&columns.expires)
        .bind(&columns.entries)
        .bind(&columns.bodies)
        .bind(&columns.entry_of)
        .bind(&columns.entry_index)
        .bind(&columns.entry_partitions)
        .bind(&columns.entry_sorts)
        .bind(&feed.at)
        .bind(&feed.events)
        .bind(&feed.collections)
        .bind(&feed.partitions)
        .bind(&feed.sorts)
        .bind(&feed.versions)
        .bind(&feed.data)
        .bind(told.channel)
        .bind(told.payload);
    db.once(query.fetch_one(db.items_pool())).await
}

fn conflict(batch: &Batch, op: i32) -> Error {
    let op = usize::try_from(op).unwrap_or_default();
    let key = match batch.ops.get(op) {
        Some(Op::Put { item, .. }) => item.key.clone(),
        Some(Op::Delete { key, .. } | Op::Check { key, .. }) => key.clone(),
        Some(Op::Append(_)) | None => {
            return Error::Corrupt("the answer to a commit names no operation".into());
        }
    };
    Error::Conflict { op, key }
}

/// The operations on items, in the order of their keys.
fn columns<'a>(batch: &'a Batch, names: &Names) -> Result<Columns<'a>, Error> {
    let mut sorted: Vec<(&'a ItemKey, usize, &'a Op)> = Vec::with_capacity(batch.ops.len());
    for (at, op) in batch.ops.iter().enumerate() {
        match op {
            Op::Put { item, .. } => sorted.push((&item.key, at, op)),
            // What always holds needs no lock.
            Op::Append(_)
            | Op::Check {
                expect: Expect::Any,
                ..
            } => {}
            Op::Delete { key, .. } | Op::Check { key, .. } => sorted.push((key, at, op)),
        }
    }
    sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
    let mut columns = Columns::default();
    for (key, at, op) in sorted {
        let (kind, expect, item) = match op {
            Op::Put { item, expect } => (0, *expect, Some(item)),
            Op::Delete { expect, .. } => (1, *expect, None),
            Op::Check { expect, .. } => (2, *expect, None),
            Op::Append(_) => continue,
        };
        columns.push(at, kind, expect, key, names)?;
        columns.push_item(item, names)?;
    }
    Ok(columns)
}

impl<'a> Columns<'a> {
    fn push(
        &mut self,
        at: usize,
        kind: i16,
        expect: Expect,
        key: &'a ItemKey,
        names: &Names,
    ) -> Result<(), Error> {
        self.ops.push(i32::try_from(at).unwrap_or(i32::MAX));
        self.kinds.push(kind);
        self.expects.push(match expect {
            Expect::Any => -1,
            Expect::Absent => -2,
            Expect::Version(version) => signed(version),
        });
        self.collections.push(names.written(key.collection)?);
        self.partitions.push(key.partition.as_bytes());
        self.sorts.push(key.sort.as_bytes());
        Ok(())
    }

    fn push_item(&mut self, item: Option<&'a Item>, names: &Names) -> Result<(), Error> {
        let Some(item) = item else {
            self.versions.push(0);
            self.expires.push(None);
            // Never what an item holds: the entries of a deleted item always change.
            self.entries.push(b"-".to_vec());
            self.bodies.push(&[]);
            return Ok(());
        };
        self.versions.push(signed(item.version));
        self.expires.push(item.expires.map(Timestamp::millis));
        self.entries.push(column(item, names)?);
        self.bodies.push(&item.body);
        let number = i32::try_from(self.ops.len()).unwrap_or(i32::MAX);
        for entry in &item.entries {
            self.entry_of.push(number);
            self.entry_index.push(names.written(entry.index)?);
            self.entry_partitions.push(entry.partition.as_bytes());
            self.entry_sorts.push(entry.sort.as_bytes());
        }
        Ok(())
    }
}

fn feed<'a>(batch: &'a Batch, names: &Names) -> Result<Feed<'a>, Error> {
    let mut feed = Feed::default();
    for op in &batch.ops {
        let Op::Append(record) = op else { continue };
        feed.push(record, names)?;
    }
    Ok(feed)
}

impl<'a> Feed<'a> {
    fn push(&mut self, record: &'a FeedRecord, names: &Names) -> Result<(), Error> {
        self.at.push(record.at.millis());
        self.events.push(&record.event);
        self.collections.push(names.written(record.key.collection)?);
        self.partitions.push(record.key.partition.as_bytes());
        self.sorts.push(record.key.sort.as_bytes());
        self.versions.push(signed(record.version));
        self.data.push(&record.data);
        Ok(())
    }
}

/// Versions are checked to fit before the batch begins, except those that are only expected, which
/// then match nothing.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
