//! The feed: numbered rows, appended in the transaction of what they tell of, at places that become
//! visible in their order (see [`super::tables`]). The newest number ever given and the newest ever
//! dropped have a row each.

use super::connection::PostgresDb;
use super::error::map;
use super::names::Names;
use super::row::{text, unsigned};
use crate::kernel::{Error, FeedCursor, FeedEntry, FeedRecord, ItemKey};
use gna_domain::time::Timestamp;
use sqlx::Row;

/// Entries dropped in one statement.
const TRIM: i64 = 5_000;

const READ: &str = "
    SELECT h.seq, t.seq, f.seq, f.at, f.event, f.collection, f.part, f.sort, f.version, f.data
    FROM feed_head h CROSS JOIN feed_tail t
    LEFT JOIN LATERAL (
        SELECT * FROM feed WHERE feed.seq > coalesce($1, t.seq) ORDER BY feed.seq LIMIT $2
    ) f ON true
    ORDER BY f.seq";

/// Drops a first part of what is older, has only such before it, and is not more than a stretch.
const DROP: &str = "
    WITH stretch AS (SELECT min(seq) AS first, min(seq) + $2 AS bound FROM feed),
    young AS (
        SELECT min(f.seq) AS seq FROM stretch s, feed f
        WHERE f.seq < s.bound AND f.at >= $1
    ),
    gone AS (
        DELETE FROM feed USING stretch s, young y
        WHERE feed.seq < coalesce(y.seq, s.bound) RETURNING feed.seq
    ),
    told AS (
        UPDATE feed_tail SET seq = (SELECT max(seq) FROM gone) WHERE EXISTS (SELECT FROM gone)
    )
    SELECT count(*) FROM gone";

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

/// The number of the newest entry there ever was.
pub(super) async fn end(db: &PostgresDb) -> Result<i64, Error> {
    db.read(|pool| async move {
        sqlx::query_scalar("SELECT seq FROM feed_head")
            .fetch_one(&pool)
            .await
    })
    .await
}

/// Entries after `after`, oldest first. A cursor from beyond the end (the store was restored from
/// a backup, the reader was not) is a gap too.
pub(super) async fn read(
    db: &PostgresDb,
    after: Option<i64>,
    limit: usize,
    names: &Names,
) -> Result<Vec<FeedEntry>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = db.read(|pool| async move {
        sqlx::query(READ)
            .bind(after)
            .bind(limit)
            .fetch_all(&pool)
            .await
    });
    let rows = rows.await?;
    let Some(first) = rows.first() else {
        return Err(Error::Corrupt("the feed has no head".into()));
    };
    let newest: i64 = first.try_get(0).map_err(map)?;
    let oldest: i64 = first.try_get(1).map_err(map)?;
    let after = after.unwrap_or(oldest);
    if after < oldest || after > newest {
        return Err(Error::FeedGap);
    }
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        // One row without an entry, where there are none.
        if let Some(number) = row.try_get::<Option<i64>, _>(2).map_err(map)? {
            found.push((number, row.try_get::<i16, _>(5).map_err(map)?, row));
        }
    }
    names
        .learn(db, found.iter().map(|(_, code, _)| *code))
        .await?;
    found
        .into_iter()
        .map(|(number, code, row)| {
            let key = ItemKey {
                collection: names.name(code)?,
                partition: text(row, 6)?,
                sort: text(row, 7)?,
            };
            let data: Vec<u8> = row.try_get(9).map_err(map)?;
            let record = FeedRecord {
                at: Timestamp::from_millis(row.try_get(3).map_err(map)?),
                event: row.try_get(4).map_err(map)?,
                key,
                version: unsigned(row.try_get(8).map_err(map)?)?,
                data: data.into(),
            };
            Ok(FeedEntry {
                cursor: cursor(number),
                record,
            })
        })
        .collect()
}

/// Drops entries in stretches; answers how many.
pub(super) async fn trim(db: &PostgresDb, before: Timestamp) -> Result<u64, Error> {
    let mut all = 0;
    loop {
        let query = sqlx::query_scalar(DROP).bind(before.millis()).bind(TRIM);
        let gone: i64 = db
            .once(query.fetch_one(db.items_pool()))
            .await
            .map_err(map)?;
        if gone == 0 {
            return Ok(all);
        }
        all += unsigned(gone)?;
    }
}
