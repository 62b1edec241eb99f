//! Reading items: by key, by range, and all of a collection. All from the primary, which has every
//! commit that was acknowledged; its indexes never lag.

use super::connection::MongoDb;
use super::document::{EXPIRES, item};
use super::error::map;
use super::layout::{FIELDS, Span, all_of, entry, id, slot, span_of_entries, span_of_items};
use crate::backend::cursor::{Kind, decode, encode};
use crate::backend::rules::{check_limit, live, window};
use crate::kernel::{Direction, Error, IndexEntry, Item, ItemKey, ItemPage, RangeQuery};
use futures::TryStreamExt;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use mongodb::bson::{Bson, RawDocumentBuf, doc};
use mongodb::options::Hint;
use std::collections::HashMap;

/// Keys that are asked for at once.
pub(super) const KEYS: usize = 1_000;

pub(super) async fn get_many(
    db: &MongoDb,
    keys: &[ItemKey],
    now: Timestamp,
) -> Result<Vec<Option<Item>>, Error> {
    let mut there: HashMap<ItemKey, Item> = HashMap::new();
    for some in keys.chunks(KEYS) {
        let ids: Vec<String> = some.iter().map(id).collect();
        let found = db.items.find(doc! { "_id": { "$in": ids } });
        let found = found.await.map_err(|e| map("find", &e))?;
        let found: Vec<RawDocumentBuf> = found.try_collect().await.map_err(|e| map("find", &e))?;
        for document in &found {
            if !is_gone(document, now)? {
                let item = item(document)?;
                there.insert(item.key.clone(), item);
            }
        }
    }
    Ok(keys.iter().map(|key| there.get(key).cloned()).collect())
}

/// Whether a document has expired; what only stands in for an item has, always.
pub(super) fn is_gone(document: &RawDocumentBuf, now: Timestamp) -> Result<bool, Error> {
    if matches!(document.get(EXPIRES), Ok(None)) {
        return Ok(false);
    }
    let expires = super::document::number(document, EXPIRES)
        .ok_or_else(|| Error::Corrupt("an expiry is no number".into()))?;
    Ok(!live(Some(Timestamp::from_millis(expires)), now))
}

/// Documents whose `field` lies in a span, in its order, at most one more than `limit`.
async fn documents(
    db: &MongoDb,
    field: &str,
    span: &Span,
    direction: Direction,
    limit: usize,
    now: Timestamp,
) -> Result<ItemsAndMore, Error> {
    if span.is_empty() {
        return Ok((Vec::new(), false));
    }
    let order = match direction {
        Direction::Ascending => 1,
        Direction::Descending => -1,
    };
    let lies = doc! { "$gte": &span.lo, "$lt": &span.hi };
    // Not the same as `$gt`: most items never expire.
    let lives = doc! { "$not": { "$lte": now.millis() } };
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let found = db
        .items
        .find(doc! { field: Bson::from(lies), EXPIRES: lives })
        .sort(doc! { field: order })
        .hint(Hint::Keys(doc! { field: 1 }))
        .limit(most)
        .await
        .map_err(|e| map("find", &e))?;
    let found: Vec<RawDocumentBuf> = found.try_collect().await.map_err(|e| map("find", &e))?;
    // One more than asked for tells whether there is a next page.
    let more = found.len() > limit;
    let items = found.iter().take(limit).map(|document| item(document));
    Ok((items.collect::<Result<_, Error>>()?, more))
}

type ItemsAndMore = (Vec<Item>, bool);

pub(super) async fn range(
    db: &MongoDb,
    query: &RangeQuery,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    check_limit(query.limit)?;
    let (field, mut span) = match query.index {
        None => (
            "_id",
            span_of_items(query.collection, &query.partition, &window(query)),
        ),
        Some(index) => {
            let span = span_of_entries(query.collection, index, &query.partition, &window(query));
            (FIELDS[slot(query.collection, index)?], span)
        }
    };
    if let Some(after) = &query.after {
        let place = named(query, after)?;
        match query.direction {
            Direction::Ascending => span.lo = span.lo.max(format!("{place}\0")),
            Direction::Descending => span.hi = span.hi.min(place),
        }
    }
    let (items, more) = documents(db, field, &span, query.direction, query.limit, now).await?;
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

/// The text behind which a page goes on.
fn named(query: &RangeQuery, after: &Cursor) -> Result<String, Error> {
    let key = |partition: String, sort: String| ItemKey {
        collection: query.collection,
        partition,
        sort,
    };
    match query.index {
        None => {
            let [sort] = decode(Kind::Primary, after)?;
            Ok(id(&key(query.partition.clone(), sort)))
        }
        Some(index) => {
            let [sort, partition, item_sort] = decode(Kind::Index, after)?;
            let of = IndexEntry {
                index,
                partition: query.partition.clone(),
                sort,
            };
            Ok(entry(&key(partition, item_sort), &of))
        }
    }
}

pub(super) async fn scan(
    db: &MongoDb,
    collection: &'static str,
    after: Option<&Cursor>,
    limit: usize,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    check_limit(limit)?;
    let mut span = all_of(collection);
    if let Some(after) = after {
        let [partition, sort] = decode(Kind::Scan, after)?;
        let place = id(&ItemKey {
            collection,
            partition,
            sort,
        });
        span.lo = format!("{place}\0");
    }
    let (items, more) = documents(db, "_id", &span, Direction::Ascending, limit, now).await?;
    let next = items
        .last()
        .filter(|_| more)
        .map(|item| encode(Kind::Scan, &[&item.key.partition, &item.key.sort]));
    Ok(ItemPage { items, next })
}
