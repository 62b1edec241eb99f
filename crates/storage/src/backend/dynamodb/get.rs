//! Reads rows by their keys, many at once, strongly.

use super::client::{DynamoDb, backoff};
use super::error::map;
use super::layout::{Place, place};
use super::row::{Row, item, keys, place_of};
use super::table::unfinished;
use crate::backend::rules::live;
use crate::kernel::{Error, Item, ItemKey};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures::stream::{self, StreamExt, TryStreamExt};
use gna_domain::time::Timestamp;
use std::collections::{HashMap, HashSet};

/// Most keys in one request: the service's limit.
const KEYS: usize = 100;
/// Requests that are under way at once.
const AT_ONCE: usize = 8;
/// How often a request may leave some of its keys without an answer before that is told.
const TRIES: u32 = 12;

/// One answer per key, in their order.
pub(super) async fn get_many(
    db: &DynamoDb,
    wanted: &[ItemKey],
    now: Timestamp,
) -> Result<Vec<Option<Item>>, Error> {
    let places: Vec<Place> = wanted.iter().map(place).collect();
    let rows = rows(db, &places, true).await?;
    let found = places.iter().map(|place| {
        let found = rows.get(place).map(item).transpose()?;
        Ok(found.filter(|item| live(item.expires, now)))
    });
    found.collect()
}

/// The rows that are there. A place may be named twice; it is read once.
pub(super) async fn rows(
    db: &DynamoDb,
    places: &[Place],
    strong: bool,
) -> Result<HashMap<Place, Row>, Error> {
    let distinct: Vec<&Place> = places.iter().collect::<HashSet<_>>().into_iter().collect();
    let parts: Vec<Vec<Row>> = distinct
        .chunks(KEYS)
        .map(|some| some.iter().map(|place| keys(place)).collect())
        .collect();
    let all: Vec<Vec<Row>> = stream::iter(parts)
        .map(|part| batch(db, part, strong))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut found = HashMap::with_capacity(distinct.len());
    for row in all.into_iter().flatten() {
        let place = place_of(&row).ok_or_else(|| Error::Corrupt("a row has no keys".into()))?;
        found.insert(place, row);
    }
    Ok(found)
}

/// The service answers at most 16 MB at once and leaves the rest to be asked for again.
async fn batch(db: &DynamoDb, keys: Vec<Row>, strong: bool) -> Result<Vec<Row>, Error> {
    let (mut found, mut left, mut tries) = (Vec::with_capacity(keys.len()), keys, 0);
    while !left.is_empty() {
        let asked = left.len();
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(left))
            .consistent_read(strong)
            .build()
            .map_err(unfinished)?;
        let answer = db
            .client
            .batch_get_item()
            .request_items(&db.table, wanted)
            .send()
            .await
            .map_err(|e| map("BatchGetItem", &e))?;
        found.extend(
            answer
                .responses
                .into_iter()
                .flat_map(|mut tables| tables.remove(&db.table))
                .flatten(),
        );
        left = answer
            .unprocessed_keys
            .and_then(|mut tables| tables.remove(&db.table))
            .map(|keys| keys.keys)
            .unwrap_or_default();
        if left.len() == asked {
            // Nothing came: the engine is limiting the rate.
            tries += 1;
            if tries == TRIES {
                return Err(Error::Unavailable(
                    "DynamoDB limits the rate of reading; it does so for a while only".into(),
                ));
            }
            tokio::time::sleep(backoff(tries)).await;
        }
    }
    Ok(found)
}
