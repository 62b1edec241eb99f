//! Looks for damage: items and index entries that do not agree, and tables that can't be read.

use super::connection::PostgresDb;
use super::error::map;
use super::names::Names;
use super::row::stored;
use crate::kernel::{Damage, Error};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// Most of one problem that are told: the first tell what the rest would.
const REPORTED: usize = 100;

const UNLISTED: &str = "an item without its index entry";
const STRAY: &str = "an index entry without its item";
const UNREADABLE: &str = "the entries of an item can't be read";
const OUTSIDE: &str = "a feed entry outside of the feed";

/// What an item says of its entries, and those that there are, each list in the order of the indexes.
/// One statement, so that both are as they were at one moment. They are compared here: what is no JSON
/// would fail a statement that reads it, and texts in SQL hold no U+0000.
const ITEMS: &str = "
    SELECT i.collection, i.id, i.entries, coalesce(e.indexes, '{}'), coalesce(e.parts, '{}'), coalesce(e.sorts, '{}')
    FROM items i LEFT JOIN (
        SELECT item, array_agg(idx ORDER BY idx) AS indexes,
            array_agg(part ORDER BY idx) AS parts, array_agg(sort ORDER BY idx) AS sorts
        FROM entries GROUP BY item
    ) e ON e.item = i.id
    WHERE i.entries <> '' OR e.item IS NOT NULL";
// Both answer: collection, index, number of the item or of the place.
const ORPHANS: &str = "
    SELECT e.collection, e.idx, e.item FROM entries e LEFT JOIN items i ON i.id = e.item
    WHERE i.id IS NULL OR i.collection <> e.collection
    LIMIT 100";
const FEED: &str = "
    SELECT f.collection, 0::smallint, f.seq FROM feed f, feed_head h, feed_tail t
    WHERE f.seq > h.seq OR f.seq <= t.seq LIMIT 100";

/// Where something is wrong, in numbers.
struct Found {
    collection: i16,
    /// None where it can't be told.
    index: Option<i16>,
    number: i64,
    problem: &'static str,
}

/// Reads all tables once.
pub(super) async fn check(db: &PostgresDb, names: &Names) -> Result<Vec<Damage>, Error> {
    let mut found = Vec::new();
    for (sql, problem) in [(ORPHANS, STRAY), (FEED, OUTSIDE)] {
        db.each_unhurried(sql, |row| {
            found.push(Found {
                collection: row.try_get(0).map_err(map)?,
                index: Some(row.try_get(1).map_err(map)?),
                number: row.try_get(2).map_err(map)?,
                problem,
            });
            Ok(())
        })
        .await?;
    }
    db.each_unhurried(ITEMS, |row| compare(row, &mut found))
        .await?;
    let codes: Vec<i16> = found
        .iter()
        .flat_map(|one| std::iter::once(one.collection).chain(one.index))
        .collect();
    names.learn(db, codes.into_iter()).await?;
    let name = |code| names.name(code).unwrap_or("?");
    let damage = |one: Found| Damage {
        place: format!(
            "collection {}, index {}, number {}",
            name(one.collection),
            one.index.map_or("?", name),
            one.number
        ),
        problem: one.problem.to_owned(),
    };
    Ok(found.into_iter().map(damage).collect())
}

/// What one item says, and what there is.
fn compare(row: &PgRow, found: &mut Vec<Found>) -> Result<(), Error> {
    let collection: i16 = row.try_get(0).map_err(map)?;
    let number: i64 = row.try_get(1).map_err(map)?;
    let mut tell = |index: Option<i16>, problem: &'static str| {
        if found.iter().filter(|one| one.problem == problem).count() < REPORTED {
            found.push(Found {
                collection,
                index,
                number,
                problem,
            });
        }
    };
    let said = match stored(row, 2) {
        Ok(said) => said,
        Err(Error::Corrupt(_)) => {
            tell(None, UNREADABLE);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let indexes: Vec<i16> = row.try_get(3).map_err(map)?;
    let partitions: Vec<Vec<u8>> = row.try_get(4).map_err(map)?;
    let sorts: Vec<Vec<u8>> = row.try_get(5).map_err(map)?;
    let there: Vec<(i16, &[u8], &[u8])> = indexes
        .iter()
        .zip(&partitions)
        .zip(&sorts)
        .map(|((index, partition), sort)| (*index, partition.as_slice(), sort.as_slice()))
        .collect();
    let said: Vec<(i16, &[u8], &[u8])> = said
        .iter()
        .map(|(index, partition, sort)| (*index, partition.as_bytes(), sort.as_bytes()))
        .collect();
    for one in said.iter().filter(|one| !there.contains(one)) {
        tell(Some(one.0), UNLISTED);
    }
    for one in there.iter().filter(|one| !said.contains(one)) {
        tell(Some(one.0), STRAY);
    }
    Ok(())
}
