//! Writes a batch as one transaction, with its page of the feed.
//!
//! A commit that tells something counts the feed on, on the condition that the count is what this
//! process knows. Commits of one process therefore go one after the other; where another process was
//! first, the answer says the new count and the commit is tried again. A request carries a token, so
//! that one whose answer was lost is not done twice when it is sent again.

use super::client::{DynamoDb, backoff, random};
use super::error::map;
use super::feed::{COUNT, ENTRIES_OF, ends, pages};
use super::layout::{HEAD, Place, page, place};
use super::row::{Row, keys, number, number_in, row, text};
use super::table::unfinished;
use crate::kernel::{Batch, Error, Expect, FeedRecord, Item, ItemKey, Op};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use gna_domain::time::Timestamp;
use std::collections::HashMap;
use tokio::sync::Mutex;

/// How often a batch is tried that meets others at the same items or at the end of the feed. Each
/// time someone else has gone on.
const TRIES: u32 = 60;
/// Most bytes in one transaction: the service takes 4 MB, and counts a little for every attribute.
const TRANSACTION: usize = 4_100_000;
/// What a row takes beside its keys and its body, at most.
const ROW: usize = 200;

/// The newest page of the feed, as far as this process knows. Locked while a page is added.
#[derive(Default)]
pub(super) struct Writer(Mutex<Option<u64>>);

/// Applies all operations; answers the newest page where one was added.
pub(super) async fn apply(
    db: &DynamoDb,
    writer: &Writer,
    batch: &Batch,
    now: Timestamp,
) -> Result<Option<u64>, Error> {
    let actions = actions(db, batch, now)?;
    let records: Vec<&FeedRecord> = batch
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Append(record) => Some(record),
            _ => None,
        })
        .collect();
    let pages = pages(&records)?;
    weigh(batch, &pages)?;
    let most = db.operations;
    if !pages.is_empty() && actions.len() + pages.len() + 1 > most {
        return Err(Error::TooLarge {
            what: "the size of the feed entries in a batch",
            limit: most,
        });
    }
    if pages.is_empty() {
        if !actions.is_empty() {
            send(db, batch, &actions).await?;
        }
        return Ok(None);
    }
    tell(db, writer, batch, actions, &pages).await.map(Some)
}

/// One operation of the transaction, and which of the batch it is.
type Action = (usize, TransactWriteItem);

fn actions(db: &DynamoDb, batch: &Batch, now: Timestamp) -> Result<Vec<Action>, Error> {
    let mut actions = Vec::with_capacity(batch.ops.len() + 2);
    for (at, op) in batch.ops.iter().enumerate() {
        let action = match op {
            Op::Put { item, expect } => put(db, item, *expect, now)?,
            Op::Delete { key, expect } => delete(db, key, *expect, now)?,
            // What always holds needs no check.
            Op::Check {
                expect: Expect::Any,
                ..
            }
            | Op::Append(_) => continue,
            Op::Check { key, expect } => check(db, key, *expect, now)?,
        };
        actions.push((at, action));
    }
    Ok(actions)
}

type Condition = (
    Option<&'static str>,
    Option<HashMap<String, AttributeValue>>,
);

/// An item that has expired is none, though its row may still be there.
fn condition(expect: Expect, now: Timestamp) -> Condition {
    let values = |version: Option<u64>| {
        let mut values = HashMap::from([(":now".to_owned(), number(now.millis()))]);
        values.extend(version.map(|version| (":v".to_owned(), number(version))));
        Some(values)
    };
    match expect {
        Expect::Any => (None, None),
        Expect::Absent => (Some("attribute_not_exists(p) OR x <= :now"), values(None)),
        Expect::Version(version) => (
            Some("v = :v AND (attribute_not_exists(x) OR x > :now)"),
            values(Some(version)),
        ),
    }
}

fn put(
    db: &DynamoDb,
    item: &Item,
    expect: Expect,
    now: Timestamp,
) -> Result<TransactWriteItem, Error> {
    let (condition, values) = condition(expect, now);
    let put = Put::builder()
        .table_name(&db.table)
        .set_item(Some(row(item)?))
        .set_condition_expression(condition.map(str::to_owned))
        .set_expression_attribute_values(values);
    let put = put.build().map_err(unfinished)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn delete(
    db: &DynamoDb,
    key: &ItemKey,
    expect: Expect,
    now: Timestamp,
) -> Result<TransactWriteItem, Error> {
    let (condition, values) = condition(expect, now);
    let delete = Delete::builder()
        .table_name(&db.table)
        .set_key(Some(keys(&place(key))))
        .set_condition_expression(condition.map(str::to_owned))
        .set_expression_attribute_values(values);
    let delete = delete.build().map_err(unfinished)?;
    Ok(TransactWriteItem::builder().delete(delete).build())
}

fn check(
    db: &DynamoDb,
    key: &ItemKey,
    expect: Expect,
    now: Timestamp,
) -> Result<TransactWriteItem, Error> {
    let (condition, values) = condition(expect, now);
    let check = ConditionCheck::builder()
        .table_name(&db.table)
        .set_key(Some(keys(&place(key))))
        .set_condition_expression(condition.map(str::to_owned))
        .set_expression_attribute_values(values);
    let check = check.build().map_err(unfinished)?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

/// Refuses what the service would refuse for its size.
fn weigh(batch: &Batch, pages: &[String]) -> Result<(), Error> {
    let key = |key: &ItemKey| key.collection.len() + key.partition.len() + key.sort.len() + ROW;
    let rows = batch.ops.iter().map(|op| match op {
        Op::Put { item, .. } => {
            let entries = item.entries.iter();
            let entries = entries.map(|entry| entry.partition.len() + entry.sort.len() + ROW);
            key(&item.key) + item.body.len() + entries.sum::<usize>()
        }
        Op::Delete { key: of, .. } | Op::Check { key: of, .. } => key(of),
        Op::Append(_) => 0,
    });
    let pages = pages.iter().map(|page| page.len() + ROW);
    if rows.chain(pages).sum::<usize>() > TRANSACTION {
        return Err(Error::TooLarge {
            what: "the size of a batch",
            limit: TRANSACTION,
        });
    }
    Ok(())
}

/// Commits what tells nothing.
async fn send(db: &DynamoDb, batch: &Batch, actions: &[Action]) -> Result<(), Error> {
    let items: Vec<TransactWriteItem> = actions.iter().map(|(_, item)| item.clone()).collect();
    let token = token();
    for failures in 0..TRIES {
        match transact(db, items.clone(), &token).await {
            Ok(()) => return Ok(()),
            Err(error) => match judge(batch, actions, error)? {
                // A token is good for one outcome only.
                Verdict::Again => tokio::time::sleep(backoff(failures)).await,
                Verdict::Counted(_) => {
                    return Err(Error::Corrupt("a commit failed for no operation".into()));
                }
            },
        }
    }
    Err(crowded())
}

/// Commits with new pages of the feed.
async fn tell(
    db: &DynamoDb,
    writer: &Writer,
    batch: &Batch,
    actions: Vec<Action>,
    pages: &[String],
) -> Result<u64, Error> {
    let mut known = writer.0.lock().await;
    for failures in 0..TRIES {
        let head = match *known {
            Some(head) => head,
            None => ends(db).await?.head,
        };
        // Should this future be dropped, nobody knows what became of the commit.
        *known = None;
        let (end, told) = feed_actions(db, head, pages)?;
        let items = actions.iter().map(|(_, item)| item.clone()).chain(told);
        match transact(db, items.collect(), &token()).await {
            Ok(()) => {
                *known = Some(end);
                return Ok(end);
            }
            Err(error) => match judge(batch, &actions, error) {
                Ok(Verdict::Again) => {
                    *known = Some(head);
                    tokio::time::sleep(backoff(failures)).await;
                }
                Ok(Verdict::Counted(there)) => {
                    *known = there;
                    tokio::time::sleep(backoff(failures.saturating_sub(2))).await;
                }
                Err(lost @ Error::Conflict { .. }) => {
                    *known = Some(head);
                    return Err(lost);
                }
                Err(error) => return Err(error),
            },
        }
    }
    Err(crowded())
}

/// Counts the feed on from `head`, and adds the pages; answers the new count too.
fn feed_actions(
    db: &DynamoDb,
    head: u64,
    pages: &[String],
) -> Result<(u64, Vec<TransactWriteItem>), Error> {
    let end = head.saturating_add(u64::try_from(pages.len()).unwrap_or(0));
    let mut count = keys(&Place::own(HEAD));
    count.insert(COUNT.to_owned(), number(end));
    let counting = Put::builder()
        .table_name(&db.table)
        .set_item(Some(count))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let counting = match head {
        0 => counting.condition_expression("attribute_not_exists(p)"),
        _ => counting
            .condition_expression("n = :n")
            .expression_attribute_values(":n", number(head)),
    };
    let counting = counting.build().map_err(unfinished)?;
    let mut told = vec![TransactWriteItem::builder().put(counting).build()];
    for (number, entries) in (head.saturating_add(1)..).zip(pages) {
        let mut row = keys(&page(number));
        row.insert(ENTRIES_OF.to_owned(), text(entries));
        let put = Put::builder().table_name(&db.table).set_item(Some(row));
        let put = put.build().map_err(unfinished)?;
        told.push(TransactWriteItem::builder().put(put).build());
    }
    Ok((end, told))
}

type Failed = SdkError<TransactWriteItemsError>;

async fn transact(
    db: &DynamoDb,
    items: Vec<TransactWriteItem>,
    token: &str,
) -> Result<(), Box<Failed>> {
    db.client
        .transact_write_items()
        .set_transact_items(Some(items))
        .client_request_token(token)
        .send()
        .await
        .map_err(Box::new)?;
    Ok(())
}

fn token() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// What to do after a transaction that was not done.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Someone else was at the same items, or the engine limits the rate.
    Again,
    /// Someone else counted the feed on, to this where the engine tells it.
    Counted(Option<u64>),
}

fn judge(batch: &Batch, actions: &[Action], error: Box<Failed>) -> Result<Verdict, Error> {
    let canceled = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => canceled,
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
            return Ok(Verdict::Again);
        }
        _ => return Err(map("TransactWriteItems", &*error)),
    };
    weigh_reasons(batch, actions, canceled.cancellation_reasons())
}

fn weigh_reasons(
    batch: &Batch,
    actions: &[Action],
    reasons: &[CancellationReason],
) -> Result<Verdict, Error> {
    let code = |at: usize| reasons.get(at).and_then(CancellationReason::code);
    let failed = "ConditionalCheckFailed";
    let lost = (0..actions.len()).find(|at| code(*at) == Some(failed));
    if let Some((op, _)) = lost.and_then(|at| actions.get(at)) {
        return Err(conflict(batch, *op));
    }
    let head = actions.len();
    if code(head) == Some(failed) {
        let row: Option<&Row> = reasons.get(head).and_then(CancellationReason::item);
        return Ok(Verdict::Counted(row.and_then(|row| number_in(row, COUNT))));
    }
    let transient = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
    ];
    let other = reasons
        .iter()
        .filter_map(CancellationReason::code)
        .find(|code| *code != "None" && !transient.contains(code));
    match other {
        None => Ok(Verdict::Again),
        Some(code) => Err(Error::Unavailable(format!(
            "DynamoDB refused (TransactWriteItems: {code})"
        ))),
    }
}

fn conflict(batch: &Batch, op: usize) -> Error {
    match batch.ops.get(op) {
        Some(Op::Put { item, .. }) => Error::Conflict {
            op,
            key: item.key.clone(),
        },
        Some(Op::Delete { key, .. } | Op::Check { key, .. }) => Error::Conflict {
            op,
            key: key.clone(),
        },
        Some(Op::Append(_)) | None => {
            Error::Corrupt("the answer to a commit names no operation".into())
        }
    }
}

fn crowded() -> Error {
    Error::Unavailable(
        "others write at the same place all the time, or DynamoDB limits the rate; it does so for a while only".into(),
    )
}
