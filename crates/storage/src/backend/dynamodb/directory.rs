//! Which partitions a collection has: rows of their own, so that a collection can be read in key
//! order (the table itself has no order of partitions).
//!
//! A row is written before the first item of its partition, outside of the transaction: a partition
//! that the directory names and that is empty does no harm, one that it does not name would be left
//! out of a copy. A row is never removed, so what a process wrote once it need not write again.

use super::client::{DynamoDb, backoff};
use super::error::map;
use super::layout::{Place, directory, shard};
use super::row::keys;
use super::table::unfinished;
use crate::kernel::{Error, Op};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

/// Most rows in one request: the service's limit.
const WRITES: usize = 25;
/// Partitions that a process remembers; when they are more it begins anew.
const REMEMBERED: usize = 100_000;
const TRIES: u32 = 12;

/// What this process knows to be in the directory.
#[derive(Default)]
pub(super) struct Directory(Mutex<HashSet<Place>>);

impl Directory {
    /// Has every partition in it into which these operations put an item.
    pub(super) async fn ensure(&self, db: &DynamoDb, ops: &[Op]) -> Result<(), Error> {
        let wanted: BTreeSet<(&str, &str)> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Put { item, .. } if !item.key.sort.is_empty() => {
                    Some((item.key.collection, item.key.partition.as_str()))
                }
                _ => None,
            })
            .collect();
        let mut new: Vec<Place> = wanted
            .into_iter()
            .map(|(collection, partition)| Place {
                p: directory(collection, shard(partition)),
                s: partition.as_bytes().to_vec(),
            })
            .collect();
        {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            new.retain(|place| !known.contains(place));
        }
        for some in new.chunks(WRITES) {
            let puts = some.iter().map(put).collect::<Result<_, Error>>()?;
            write(db, puts).await?;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > REMEMBERED {
            known.clear();
        }
        known.extend(new);
        Ok(())
    }
}

fn put(place: &Place) -> Result<WriteRequest, Error> {
    let put = PutRequest::builder().set_item(Some(keys(place)));
    let put = put.build().map_err(unfinished)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// Writes or deletes rows, at most 25, each for itself; repeats those that the engine left.
pub(super) async fn write(db: &DynamoDb, rows: Vec<WriteRequest>) -> Result<(), Error> {
    let (mut left, mut tries) = (rows, 0);
    while !left.is_empty() {
        let answer = db
            .client
            .batch_write_item()
            .request_items(&db.table, left)
            .send()
            .await
            .map_err(|e| map("BatchWriteItem", &e))?;
        left = answer
            .unprocessed_items
            .and_then(|mut tables| tables.remove(&db.table))
            .unwrap_or_default();
        if !left.is_empty() {
            tries += 1;
            if tries == TRIES {
                return Err(Error::Unavailable(
                    "DynamoDB limits the rate of writing; it does so for a while only".into(),
                ));
            }
            tokio::time::sleep(backoff(tries)).await;
        }
    }
    Ok(())
}
