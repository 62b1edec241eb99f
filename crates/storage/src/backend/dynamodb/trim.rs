//! Drops the oldest part of the feed. The tail moves first: a reader that is behind it is told, even
//! where the pages are still there.

use super::client::DynamoDb;
use super::directory::write;
use super::error::{code, map};
use super::feed::{At, COUNT, DROPPED, Ends, PAGES, SWEPT, ends, read_pages};
use super::layout::{Place, TAIL, page};
use super::row::{keys, number};
use super::table::unfinished;
use crate::kernel::{Error, FeedRecord};
use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use gna_domain::time::Timestamp;

/// Most rows deleted in one request.
const WRITES: u64 = 25;

/// Drops entries in stretches; answers how many.
pub(super) async fn trim(db: &DynamoDb, before: Timestamp) -> Result<u64, Error> {
    let mut all = 0;
    loop {
        let ends = ends(db).await?;
        let (tail, dropped, more) = stretch(db, &ends, before).await?;
        // Someone else who trims goes on.
        if tail != ends.tail && !move_tail(db, &ends, tail, ends.swept).await? {
            return Ok(all);
        }
        all += dropped;
        sweep(db, ends.swept, tail.page).await?;
        if ends.swept < tail.page {
            let moved = Ends { tail, ..ends };
            if !move_tail(db, &moved, tail, tail.page).await? {
                return Ok(all);
            }
        }
        if !more {
            return Ok(all);
        }
    }
}

/// Where the tail can go within a stretch of pages, how many entries that drops, and whether there
/// may be more to drop behind.
async fn stretch(db: &DynamoDb, ends: &Ends, before: Timestamp) -> Result<(At, u64, bool), Error> {
    let last = ends
        .tail
        .page
        .saturating_add(u64::try_from(PAGES).unwrap_or(1) - 1)
        .min(ends.head);
    let (mut tail, mut dropped) = (ends.tail, 0);
    for (number, records) in read_pages(db, ends.tail.page, last).await? {
        let skip = if number == ends.tail.page {
            ends.tail.entry
        } else {
            0
        };
        let old = |record: &&FeedRecord| record.at < before;
        let gone = records.iter().skip(skip).take_while(old).count();
        dropped += u64::try_from(gone).unwrap_or(0);
        if skip + gone < records.len() {
            tail = At {
                page: number,
                entry: skip + gone,
            };
            return Ok((tail, dropped, false));
        }
        tail = At::behind(number);
    }
    Ok((tail, dropped, last < ends.head))
}

/// False where it is not any more where it was.
async fn move_tail(db: &DynamoDb, from: &Ends, to: At, swept: u64) -> Result<bool, Error> {
    let mut row = keys(&Place::own(TAIL));
    row.insert(COUNT.to_owned(), number(to.page));
    row.insert(DROPPED.to_owned(), number(to.entry));
    row.insert(SWEPT.to_owned(), number(swept));
    let mut put = db
        .client
        .put_item()
        .table_name(&db.table)
        .set_item(Some(row))
        .expression_attribute_values(":n", number(from.tail.page))
        .expression_attribute_values(":d", number(from.tail.entry));
    let as_it_was = "n = :n AND d = :d";
    put = put.condition_expression(match from.tail == (At { page: 1, entry: 0 }) {
        true => format!("attribute_not_exists(p) OR ({as_it_was})"),
        false => as_it_was.to_owned(),
    });
    match put.send().await {
        Ok(_) => Ok(true),
        Err(error) if code(&error) == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(map("PutItem", &error)),
    }
}

/// Deletes the pages `from..to`.
async fn sweep(db: &DynamoDb, from: u64, to: u64) -> Result<(), Error> {
    let mut first = from;
    while first < to {
        let end = first.saturating_add(WRITES).min(to);
        let deletes = (first..end)
            .map(|number| {
                let delete = DeleteRequest::builder().set_key(Some(keys(&page(number))));
                let delete = delete.build().map_err(unfinished)?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            })
            .collect::<Result<_, Error>>()?;
        write(db, deletes).await?;
        first = end;
    }
    Ok(())
}
