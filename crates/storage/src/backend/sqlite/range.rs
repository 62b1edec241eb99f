//! Reads: by key, by range, and all of a collection.

use super::names::Names;
use super::row::{COLUMNS, entries, item};
use crate::backend::cursor::{Kind, decode, encode};
use crate::backend::rules::{Window, check_limit, window};
use crate::kernel::{Direction, Error, Item, ItemKey, ItemPage, RangeQuery};
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params};

const LIVE: &str = "(i.expires IS NULL OR i.expires > ?)";

/// One answer per key, in their order.
pub(super) fn get_many(
    conn: &Connection,
    keys: Vec<ItemKey>,
    names: &Names,
    now: Timestamp,
) -> Result<Vec<Option<Item>>, Error> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM items i WHERE i.collection = ? AND i.part = ? AND i.sort = ? AND {LIVE}"
    ))?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(collection) = names.code(key.collection) else {
            found.push(None);
            continue;
        };
        let mut rows =
            statement.query(params![collection, key.partition, key.sort, now.millis()])?;
        found.push(match rows.next()? {
            Some(row) => Some(item(row, key)?),
            None => None,
        });
    }
    Ok(found)
}

/// One page of a range.
pub(super) fn range(
    conn: &Connection,
    query: &RangeQuery,
    names: &Names,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    check_limit(query.limit)?;
    match query.index {
        None => primary(conn, query, names, now),
        Some(index) => indexed(conn, query, index, names, now),
    }
}

/// The end of a window as a value: a blob is greater than any text, so one statement does for
/// ranges with and without an end.
fn upper(hi: Option<String>) -> Value {
    hi.map_or_else(|| Value::Blob(Vec::new()), Value::Text)
}

fn order(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    }
}

fn primary(
    conn: &Connection,
    query: &RangeQuery,
    names: &Names,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    let Window { mut lo, mut hi } = window(query);
    if let Some(after) = &query.after {
        let [sort] = decode(Kind::Primary, after)?;
        match query.direction {
            Direction::Ascending => lo = lo.max(crate::backend::rules::successor(&sort)),
            Direction::Descending => {
                hi = Some(hi.map_or_else(|| sort.clone(), |hi| hi.min(sort.clone())))
            }
        }
    }
    let Some(collection) = names.code(query.collection) else {
        return Ok(empty());
    };
    let sql = format!(
        "SELECT {COLUMNS}, i.part, i.sort FROM items i
         WHERE i.collection = ? AND i.part = ? AND i.sort >= ? AND i.sort < ? AND {LIVE}
         ORDER BY i.sort {} LIMIT ?",
        order(query.direction)
    );
    let values = params![
        collection,
        query.partition,
        lo,
        upper(hi),
        now.millis(),
        one_more(query.limit)
    ];
    let read = |row: &Row<'_>| item(row, key(row, query.collection)?);
    collect(conn, &sql, values, query.limit, read, |_, item| {
        Ok(encode(Kind::Primary, &[&item.key.sort]))
    })
}

fn indexed(
    conn: &Connection,
    query: &RangeQuery,
    index: &str,
    names: &Names,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    let Window { lo, hi } = window(query);
    // Pairs of sort key and item number, both ends excluded; no item has number -1.
    let (mut lo, mut hi) = ((lo, -1), (upper(hi), -1));
    if let Some(after) = &query.after {
        let [sort, id] = decode(Kind::Index, after)?;
        let id = id.parse().map_err(|_| Error::BadCursor)?;
        match query.direction {
            Direction::Ascending => lo = lo.max((sort, id)),
            Direction::Descending => {
                let inside = match &hi.0 {
                    Value::Text(end) => sort < *end,
                    _ => true,
                };
                if inside {
                    hi = (Value::Text(sort), id);
                }
            }
        }
    }
    let (Some(collection), Some(code)) = (names.code(query.collection), names.code(index)) else {
        return Ok(empty());
    };
    let order = order(query.direction);
    // CROSS JOIN: the entries lead, whatever the planner thinks of the sizes.
    let sql = format!(
        "SELECT {COLUMNS}, i.part, i.sort, e.sort, e.item FROM entries e CROSS JOIN items i ON i.id = e.item
         WHERE e.collection = ? AND e.idx = ? AND e.part = ?
           AND (e.sort, e.item) > (?, ?) AND (e.sort, e.item) < (?, ?) AND {LIVE}
         ORDER BY e.sort {order}, e.item {order} LIMIT ?"
    );
    let limit = one_more(query.limit);
    let values = params![
        collection,
        code,
        query.partition,
        lo.0,
        lo.1,
        hi.0,
        hi.1,
        now.millis(),
        limit
    ];
    let read = |row: &Row<'_>| item(row, key(row, query.collection)?);
    collect(conn, &sql, values, query.limit, read, |row, _| {
        let (sort, id): (String, i64) = (row.get(5)?, row.get(6)?);
        Ok(encode(Kind::Index, &[&sort, &id.to_string()]))
    })
}

/// All items of a collection by key.
pub(super) fn scan(
    conn: &Connection,
    collection: &'static str,
    after: Option<&Cursor>,
    limit: usize,
    names: &Names,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    check_limit(limit)?;
    // No partition is empty, so nothing is at or before this pair.
    let [partition, sort] = after.map_or(Ok([String::new(), String::new()]), |after| {
        decode(Kind::Scan, after)
    })?;
    let Some(code) = names.code(collection) else {
        return Ok(empty());
    };
    let sql = format!(
        "SELECT {COLUMNS}, i.part, i.sort, i.entries FROM items i
         WHERE i.collection = ? AND (i.part, i.sort) > (?, ?) AND {LIVE}
         ORDER BY i.part, i.sort LIMIT ?"
    );
    let values = params![code, partition, sort, now.millis(), one_more(limit)];
    let whole = |row: &Row<'_>| {
        Ok(Item {
            entries: entries(row, 5, names)?,
            ..item(row, key(row, collection)?)?
        })
    };
    collect(conn, &sql, values, limit, whole, |_, item| {
        Ok(encode(Kind::Scan, &[&item.key.partition, &item.key.sort]))
    })
}

/// The key in the two columns behind [`COLUMNS`].
fn key(row: &Row<'_>, collection: &'static str) -> Result<ItemKey, Error> {
    Ok(ItemKey {
        collection,
        partition: row.get(3)?,
        sort: row.get(4)?,
    })
}

/// The page that a statement answers with, which asks for one row more than `limit`; `place` names
/// the last row of a page that has another one behind it.
fn collect(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    limit: usize,
    read: impl Fn(&Row<'_>) -> Result<Item, Error>,
    place: impl Fn(&Row<'_>, &Item) -> Result<Cursor, Error>,
) -> Result<ItemPage, Error> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let (mut items, mut next) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        if items.len() == limit {
            return Ok(ItemPage { items, next });
        }
        let item = read(row)?;
        if items.len() + 1 == limit {
            next = Some(place(row, &item)?);
        }
        items.push(item);
    }
    Ok(ItemPage { items, next: None })
}

fn empty() -> ItemPage {
    ItemPage {
        items: Vec::new(),
        next: None,
    }
}

/// One row more than asked for tells whether there is a next page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}
