//! Makes the table, and checks that it is one of ours.

use super::client::{Answered, DynamoDb};
use super::error::{code, map};
use super::layout::{INDEXES, META, Place};
use super::row::{keys, number, number_in};
use crate::kernel::Error;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
};
use gna_domain::time::Timestamp;
use std::time::Duration;

/// The way in which this program lays items into the table.
const FORMAT: u64 = 1;
/// Longest wait for a new table; they take half a minute in Amazon's service.
const WAIT: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(500);

/// Whether [`init`] made the table or found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    New,
    Found,
}

/// Makes the table, billed by request, with its secondary indexes; what is there is left alone. Rows
/// that have expired are then removed by the engine itself, where it can.
///
/// # Errors
/// [`Error::Unavailable`] where that is not allowed, or another kind of table has the name.
pub async fn init(db: &DynamoDb) -> Result<Made, Error> {
    let made = create(db).await?;
    let spec = TimeToLiveSpecification::builder()
        .attribute_name(super::row::TTL)
        .enabled(true)
        .build()
        .map_err(unfinished)?;
    let set = db
        .client
        .update_time_to_live()
        .table_name(&db.table)
        .time_to_live_specification(spec)
        .send()
        .await;
    if let Err(error) = set {
        // Refused as well where it is on already.
        tracing::debug!(code = code(&error), "expiry was not switched on");
    }
    Ok(made)
}

/// Makes the table without expiry by the engine: for checks, whose time is not the engine's.
///
/// # Errors
/// As [`init`].
pub async fn create(db: &DynamoDb) -> Result<Made, Error> {
    let mut request = db
        .client
        .create_table()
        .table_name(&db.table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("p", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("s", ScalarAttributeType::B)?)
        .key_schema(key("p", KeyType::Hash)?)
        .key_schema(key("s", KeyType::Range)?);
    for (name, p, s) in INDEXES {
        // Only keys: an item that changes without moving in its lists costs nothing there.
        let keys_only = Projection::builder()
            .projection_type(ProjectionType::KeysOnly)
            .build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(p, KeyType::Hash)?)
            .key_schema(key(s, KeyType::Range)?)
            .projection(keys_only)
            .build()
            .map_err(unfinished)?;
        request = request
            .attribute_definitions(attribute(p, ScalarAttributeType::S)?)
            .attribute_definitions(attribute(s, ScalarAttributeType::B)?)
            .global_secondary_indexes(index);
    }
    let made = match request.send().await {
        Ok(_) => Made::New,
        Err(error) if code(&error) == Some("ResourceInUseException") => Made::Found,
        Err(error) => return Err(map("CreateTable", &error)),
    };
    let began = tokio::time::Instant::now();
    while !ready(db).await? {
        if began.elapsed() > WAIT {
            return Err(Error::Unavailable(
                "the table is being made and not ready yet; try again in some minutes".into(),
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
    // Written only once: two that make the table at the same time write the same.
    let mut meta = keys(&Place::own(META));
    meta.insert("v".to_owned(), number(FORMAT));
    let put = db
        .client
        .put_item()
        .table_name(&db.table)
        .set_item(Some(meta))
        .condition_expression("attribute_not_exists(p)")
        .send()
        .await;
    match put {
        Ok(_) => {}
        Err(error) if code(&error) == Some("ConditionalCheckFailedException") => {}
        Err(error) => return Err(map("PutItem", &error)),
    }
    check(db).await?;
    Ok(made)
}

async fn ready(db: &DynamoDb) -> Result<bool, Error> {
    let described = db.client.describe_table().table_name(&db.table).send();
    let described = described.await.map_err(|e| map("DescribeTable", &e))?;
    let Some(table) = described.table() else {
        return Ok(false);
    };
    if !fits(table) {
        return Err(foreign(db));
    }
    Ok(table.table_status() == Some(&TableStatus::Active))
}

/// Whether the keys and the indexes are those that [`create`] asks for.
fn fits(table: &TableDescription) -> bool {
    let names = |schema: &[KeySchemaElement]| -> Vec<String> {
        schema
            .iter()
            .map(|key| key.attribute_name().to_owned())
            .collect()
    };
    names(table.key_schema()) == ["p", "s"]
        && INDEXES.iter().all(|(name, p, s)| {
            table.global_secondary_indexes().iter().any(|index| {
                index.index_name() == Some(name) && names(index.key_schema()) == [*p, *s]
            })
        })
}

/// Whether the table is there and in a format that this program knows.
///
/// # Errors
/// [`Error::Unavailable`] with what to do.
pub async fn check(db: &DynamoDb) -> Result<(), Error> {
    checked(db).await.map(drop)
}

/// As [`check`]; answers when the engine answered, by its own clock, where it tells.
pub(super) async fn checked(db: &DynamoDb) -> Result<Option<Timestamp>, Error> {
    let answered = Answered::default();
    let found = db
        .client
        .get_item()
        .table_name(&db.table)
        .set_key(Some(keys(&Place::own(META))))
        .consistent_read(true)
        .customize()
        .interceptor(answered.clone())
        .send()
        .await;
    let found = match found {
        Err(error) if code(&error) == Some("ResourceNotFoundException") => {
            return Err(Error::Unavailable(format!(
                "there is no table {}; make it with `gna store init`",
                db.table
            )));
        }
        // What the keys of a table of another kind lead to.
        Err(error) if code(&error) == Some("ValidationException") => return Err(foreign(db)),
        found => found.map_err(|e| map("GetItem", &e))?,
    };
    let format: Option<u64> = found.item().and_then(|row| number_in(row, "v"));
    match format {
        Some(FORMAT) => Ok(answered.at()),
        Some(newer) => Err(Error::Unavailable(format!(
            "a newer version of this program wrote the store (format {newer}, this program knows {FORMAT}); run that version"
        ))),
        None => Err(Error::Unavailable(format!(
            "the table {} is not ready for this program; make it so with `gna store init`",
            db.table
        ))),
    }
}

/// Removes the table with everything in it: for checks.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn drop_table(db: &DynamoDb) -> Result<(), Error> {
    let dropped = db.client.delete_table().table_name(&db.table).send().await;
    dropped.map(drop).map_err(|e| map("DeleteTable", &e))
}

fn foreign(db: &DynamoDb) -> Error {
    Error::Unavailable(format!(
        "there is a table {} of another kind; name one that is not there yet",
        db.table
    ))
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, Error> {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    attribute.attribute_type(kind).build().map_err(unfinished)
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, Error> {
    let key = KeySchemaElement::builder().attribute_name(name);
    key.key_type(kind).build().map_err(unfinished)
}

/// A request that lacks a part: a mistake in this program.
pub(super) fn unfinished(_: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::Misuse("a request to DynamoDB is not complete")
}
