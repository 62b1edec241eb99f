//! Ranges: of a partition of items, strong, and of an index, whose keys may lag behind the items.

use super::client::DynamoDb;
use super::error::map;
use super::get::get_many;
use super::layout::{INDEXES, SORT_BYTES, clamped, group, listed, place, shifted, slot};
use super::row::{Row, bytes, item, key_of, keys, place_of, text};
use crate::backend::cursor::{Kind, decode, encode};
use crate::backend::rules::{KEY_BYTES, Window, check_limit, live, successor, window};
use crate::kernel::{Direction, Error, Item, ItemKey, ItemPage, RangeQuery};
use aws_sdk_dynamodb::types::AttributeValue;
use gna_domain::time::Timestamp;

/// A query as the service takes it.
pub(super) struct Ask {
    /// Index, and the names of its keys; the table's own where there is none.
    pub index: Option<(&'static str, &'static str, &'static str)>,
    pub p: String,
    /// Sort keys from here on, and up to there; both belong to it.
    pub lo: Option<Vec<u8>>,
    pub hi: Option<Vec<u8>>,
    pub direction: Direction,
    pub limit: usize,
    /// Behind this row.
    pub start: Option<Row>,
}

/// Some rows, and where to go on.
pub(super) async fn ask(db: &DynamoDb, ask: Ask) -> Result<(Vec<Row>, Option<Row>), Error> {
    let (p_name, s_name) = ask.index.map_or(("p", "s"), |(_, p, s)| (p, s));
    let condition = match (&ask.lo, &ask.hi) {
        (None, None) => "#p = :p",
        (Some(_), None) => "#p = :p AND #s >= :lo",
        (None, Some(_)) => "#p = :p AND #s <= :hi",
        (Some(_), Some(_)) => "#p = :p AND #s BETWEEN :lo AND :hi",
    };
    let mut request = db
        .client
        .query()
        .table_name(&db.table)
        .set_index_name(ask.index.map(|(name, _, _)| name.to_owned()))
        .key_condition_expression(condition)
        .expression_attribute_names("#p", p_name)
        .expression_attribute_values(":p", text(ask.p))
        .scan_index_forward(ask.direction == Direction::Ascending)
        .consistent_read(ask.index.is_none())
        .limit(i32::try_from(ask.limit).unwrap_or(i32::MAX))
        .set_exclusive_start_key(ask.start);
    if ask.lo.is_some() || ask.hi.is_some() {
        request = request.expression_attribute_names("#s", s_name);
    }
    if let Some(lo) = ask.lo {
        request = request.expression_attribute_values(":lo", bytes(lo));
    }
    if let Some(hi) = ask.hi {
        request = request.expression_attribute_values(":hi", bytes(hi));
    }
    let answer = request.send().await.map_err(|e| map("Query", &e))?;
    let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
    Ok((answer.items.unwrap_or_default(), next))
}

pub(super) async fn range(
    db: &DynamoDb,
    query: &RangeQuery,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    check_limit(query.limit)?;
    let mut items = match query.index {
        None => primary(db, query, now).await?,
        Some(index) => listing(db, query, index, now).await?,
    };
    // One more than asked for tells whether there is a next page.
    let more = items.len() > query.limit;
    items.truncate(query.limit);
    let next = items.last().filter(|_| more).map(|item| match query.index {
        None => encode(Kind::Primary, &[&item.key.sort]),
        Some(index) => {
            let entry = item.entries.iter().find(|entry| entry.index == index);
            let sort = entry.map_or("", |entry| entry.sort.as_str());
            encode(Kind::Index, &[sort, &item.key.partition, &item.key.sort])
        }
    });
    Ok(ItemPage { items, next })
}

fn inside(window: &Window, sort: &str) -> bool {
    sort >= window.lo.as_str() && window.hi.as_deref().is_none_or(|hi| sort < hi)
}

fn is_empty(window: &Window) -> bool {
    window.hi.as_ref().is_some_and(|hi| window.lo >= *hi)
}

/// Up to one item more than the limit.
async fn primary(db: &DynamoDb, query: &RangeQuery, now: Timestamp) -> Result<Vec<Item>, Error> {
    let mut window = window(query);
    if let Some(after) = &query.after {
        let [sort] = decode(Kind::Primary, after)?;
        match query.direction {
            Direction::Ascending => window.lo = window.lo.max(successor(&sort)),
            Direction::Descending => {
                window.hi = Some(window.hi.map_or(sort.clone(), |hi| hi.min(sort)));
            }
        }
    }
    if is_empty(&window) || query.partition.is_empty() {
        return Ok(Vec::new());
    }
    // The item without a sort lies elsewhere; it is the first of the partition.
    let first = async {
        let key = ItemKey {
            collection: query.collection,
            partition: query.partition.clone(),
            sort: String::new(),
        };
        match window.lo.is_empty() {
            true => get_many(db, &[key], now).await,
            false => Ok(Vec::new()),
        }
    };
    let (first, rest) = futures::try_join!(first, grouped(db, query, &window, now))?;
    let first = first.into_iter().flatten();
    Ok(match query.direction {
        Direction::Ascending => first.chain(rest).collect(),
        Direction::Descending => rest.into_iter().chain(first).collect(),
    })
}

async fn grouped(
    db: &DynamoDb,
    query: &RangeQuery,
    window: &Window,
    now: Timestamp,
) -> Result<Vec<Item>, Error> {
    let wanted = query.limit + 1;
    let (mut items, mut start) = (Vec::new(), None);
    loop {
        let asked = Ask {
            index: None,
            p: group(query.collection, &query.partition),
            lo: Some(clamped(&window.lo).to_vec()).filter(|lo| !lo.is_empty()),
            hi: window.hi.as_deref().map(|hi| clamped(hi).to_vec()),
            direction: query.direction,
            limit: wanted - items.len(),
            start,
        };
        let (rows, next) = ask(db, asked).await?;
        for row in rows {
            let found = item(&row)?;
            if inside(window, &found.key.sort) && live(found.expires, now) {
                items.push(found);
            }
        }
        start = next;
        if start.is_none() || items.len() >= wanted {
            items.truncate(wanted);
            return Ok(items);
        }
    }
}

/// Up to one item more than the limit. The index names keys; the items themselves are read strongly,
/// and those that have left the list meanwhile, or stand elsewhere in it, are passed over.
async fn listing(
    db: &DynamoDb,
    query: &RangeQuery,
    index: &'static str,
    now: Timestamp,
) -> Result<Vec<Item>, Error> {
    let (names, mut window) = (INDEXES[slot(query.collection, index)?], window(query));
    let list = listed(query.collection, index, &query.partition);
    let mut start = None;
    if let Some(after) = &query.after {
        let (sort, key) = named(query.collection, after)?;
        // A cursor does not widen the range.
        let behind = match query.direction {
            Direction::Ascending => sort >= window.lo,
            Direction::Descending => window.hi.as_ref().is_none_or(|hi| sort < *hi),
        };
        if behind {
            let mut row = keys(&place(&key));
            row.insert(names.1.to_owned(), text(&list));
            row.insert(names.2.to_owned(), bytes(shifted(sort.as_bytes())));
            start = Some(row);
            match query.direction {
                Direction::Ascending => window.lo = sort,
                Direction::Descending => window.hi = Some(successor(&sort)),
            }
        }
    }
    if is_empty(&window) {
        return Ok(Vec::new());
    }
    let wanted = query.limit + 1;
    let mut items = Vec::new();
    loop {
        let asked = Ask {
            index: Some(names),
            p: list.clone(),
            lo: Some(clamped(&window.lo))
                .filter(|lo| !lo.is_empty())
                .map(shifted),
            hi: window.hi.as_deref().map(|hi| shifted(clamped(hi))),
            direction: query.direction,
            limit: wanted - items.len(),
            start,
        };
        let (rows, next) = ask(db, asked).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let key = place_of(row).as_ref().and_then(key_of);
            let sort = row.get(names.2).cloned();
            match (key, sort) {
                (Some(key), Some(AttributeValue::B(sort))) => found.push((key, sort)),
                _ => return Err(Error::Corrupt(format!("an entry of the index {index}"))),
            }
        }
        let wanted_keys: Vec<ItemKey> = found.iter().map(|(key, _)| key.clone()).collect();
        let there = get_many(db, &wanted_keys, now).await?;
        for (item, (_, sort)) in there.into_iter().zip(found) {
            let still = item.filter(|item| {
                item.entries.iter().any(|entry| {
                    entry.index == index
                        && entry.partition == query.partition
                        && shifted(entry.sort.as_bytes()) == sort.as_ref()
                        && inside(&window, &entry.sort)
                })
            });
            items.extend(still);
        }
        start = next;
        if start.is_none() || items.len() >= wanted {
            items.truncate(wanted);
            return Ok(items);
        }
    }
}

/// The entry that a cursor names.
fn named(
    collection: &'static str,
    after: &gna_domain::page::Cursor,
) -> Result<(String, ItemKey), Error> {
    let [sort, partition, item_sort] = decode(Kind::Index, after)?;
    // The service refuses keys that can't be.
    if sort.len() > SORT_BYTES
        || partition.is_empty()
        || partition.len() > KEY_BYTES
        || item_sort.len() > SORT_BYTES
    {
        return Err(Error::BadCursor);
    }
    let key = ItemKey {
        collection,
        partition,
        sort: item_sort,
    };
    Ok((sort, key))
}
