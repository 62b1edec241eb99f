//! Looks for damage: items and index entries that do not agree, and tables that can't be read.

use super::connection::PostgresDb;
use super::error::map;
use super::names::Names;
use crate::kernel::{Damage, Error};
use sqlx::Row;

// All answer: collection, index, number of the item; at most a hundred, the first tell what the
// rest would. Keys are compared as the text that JSON holds, hence by way of UTF-8.
const ORPHANS: &str = "
    SELECT e.collection, e.idx, e.item FROM entries e LEFT JOIN items i ON i.id = e.item
    WHERE i.id IS NULL OR i.collection <> e.collection
        OR position(convert_to('[' || e.idx || ',', 'UTF8') IN i.entries) = 0
    LIMIT 100";
const MISSING: &str = "
    SELECT i.collection, (j.value ->> 0)::smallint, i.id
    FROM items i, json_array_elements(convert_from(i.entries, 'UTF8')::json) j
    WHERE i.entries <> '' AND NOT EXISTS (
        SELECT FROM entries e WHERE e.item = i.id AND e.idx = (j.value ->> 0)::smallint)
    LIMIT 100";
const FEED: &str = "
    SELECT f.collection, 0::smallint, f.seq FROM feed f, feed_head h, feed_tail t
    WHERE f.seq > h.seq OR f.seq <= t.seq LIMIT 100";

/// Reads all tables once.
pub(super) async fn check(db: &PostgresDb, names: &Names) -> Result<Vec<Damage>, Error> {
    let mut damage = Vec::new();
    for (sql, problem) in [
        (ORPHANS, "an index entry without its item"),
        (MISSING, "an item without its index entry"),
        (FEED, "a feed entry outside of the feed"),
    ] {
        let rows = db.read_unhurried(sql).await?;
        for row in rows {
            let (collection, index): (i16, i16) =
                (row.try_get(0).map_err(map)?, row.try_get(1).map_err(map)?);
            let number: i64 = row.try_get(2).map_err(map)?;
            names.learn(db, [collection].into_iter()).await?;
            let name = |code| names.name(code).unwrap_or("?");
            damage.push(Damage {
                place: format!(
                    "collection {}, index {}, number {number}",
                    name(collection),
                    name(index)
                ),
                problem: problem.to_owned(),
            });
        }
    }
    Ok(damage)
}
