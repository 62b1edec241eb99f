//! The feed: numbered rows, appended in the transaction of what they tell of.
//!
//! A number is never given twice: the newest dropped one is kept in `meta`.

use super::names::Names;
use super::row::{bytes, version};
use super::schema::{meta, set_meta};
use crate::kernel::{Error, FeedCursor, FeedEntry, FeedRecord, ItemKey};
use gna_domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) const APPEND: &str =
    "INSERT INTO feed (seq, at, event, collection, part, sort, version, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const TRIMMED: &str = "feed.trimmed";
/// Entries dropped in one transaction.
const TRIM: i64 = 5_000;

/// The number of the newest entry there ever was.
pub(super) fn end(conn: &Connection) -> Result<i64, Error> {
    let newest: Option<i64> = conn
        .prepare_cached("SELECT max(seq) FROM feed")?
        .query_row([], |row| row.get(0))?;
    match newest {
        Some(newest) => Ok(newest),
        None => trimmed(conn),
    }
}

fn trimmed(conn: &Connection) -> Result<i64, Error> {
    Ok(meta(conn, TRIMMED)?.unwrap_or(0))
}

pub(super) fn cursor(number: i64) -> FeedCursor {
    FeedCursor(number.to_string())
}

pub(super) fn number(cursor: &FeedCursor) -> Result<i64, Error> {
    cursor
        .0
        .parse()
        .ok()
        .filter(|number| *number >= 0)
        .ok_or(Error::BadCursor)
}

/// Entries after `after`, oldest first. A cursor from beyond the end (the store was restored from
/// a backup, the reader was not) is a gap too.
pub(super) fn read(
    conn: &Connection,
    after: Option<i64>,
    limit: usize,
    names: &Names,
) -> Result<Vec<FeedEntry>, Error> {
    let oldest = trimmed(conn)?;
    let after = after.unwrap_or(oldest);
    if after < oldest || after > end(conn)? {
        return Err(Error::FeedGap);
    }
    let mut statement = conn.prepare_cached(
        "SELECT seq, at, event, collection, part, sort, version, data FROM feed WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row, names)?);
    }
    Ok(entries)
}

fn entry(row: &Row<'_>, names: &Names) -> Result<FeedEntry, Error> {
    let key = ItemKey {
        collection: names.name(row.get(3)?)?,
        partition: row.get(4)?,
        sort: row.get(5)?,
    };
    let record = FeedRecord {
        at: Timestamp::from_millis(row.get(1)?),
        event: row.get(2)?,
        key,
        version: version(row, 6)?,
        data: bytes(row, 7)?,
    };
    Ok(FeedEntry {
        cursor: cursor(row.get(0)?),
        record,
    })
}

/// Drops a first part of the entries that are older than `before` and have only such before them;
/// answers how many, 0 when there are no more.
pub(super) fn trim(conn: &Connection, before: Timestamp) -> Result<usize, Error> {
    let first = "SELECT min(seq) FROM feed";
    let Some(first) = conn
        .prepare_cached(first)?
        .query_row([], |row| row.get::<_, Option<i64>>(0))?
    else {
        return Ok(0);
    };
    let mut young = conn
        .prepare_cached("SELECT seq FROM feed WHERE seq < ?1 AND at >= ?2 ORDER BY seq LIMIT 1")?;
    let bound = first.saturating_add(TRIM);
    let keep: Option<i64> = young
        .query_row(params![bound, before.millis()], |row| row.get(0))
        .optional()?;
    let newest = end(conn)?;
    let last = keep.unwrap_or(bound).saturating_sub(1).min(newest);
    let dropped = conn
        .prepare_cached("DELETE FROM feed WHERE seq <= ?1")?
        .execute([last])?;
    if dropped > 0 {
        set_meta(conn, TRIMMED, last)?;
    }
    Ok(dropped)
}
