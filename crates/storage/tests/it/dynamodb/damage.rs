//! Damage that `check` must find and name, without saying whose data it is.

use crate::backends::open_dynamodb;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use gna_storage::backend::dynamodb::DynamoDb;
use gna_storage::conformance::TestClock;
use gna_storage::conformance::dynamodb::Place;
use gna_storage::conformance::make::{append, create, item};
use gna_storage::kernel::{Backend, Batch, Error};

fn row(p: &str, s: &[u8]) -> std::collections::HashMap<String, AttributeValue> {
    [
        ("p".to_owned(), AttributeValue::S(p.to_owned())),
        ("s".to_owned(), AttributeValue::B(Blob::new(s))),
    ]
    .into()
}

/// Sets one attribute of a row.
pub async fn change(db: &DynamoDb, p: &str, s: &[u8], attribute: &str, value: AttributeValue) {
    db.client()
        .update_item()
        .table_name(db.table())
        .set_key(Some(row(p, s)))
        .update_expression("SET #a = :a")
        .expression_attribute_names("#a", attribute)
        .expression_attribute_values(":a", value)
        .send()
        .await
        .expect("changes");
}

async fn remove(db: &DynamoDb, p: &str, s: &[u8]) {
    let delete = db.client().delete_item().table_name(db.table());
    let deleted = delete
        .set_key(Some(row(p, s)))
        .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
        .send()
        .await
        .expect("deletes");
    assert!(deleted.attributes().is_some(), "{p} was there");
}

#[tokio::test]
async fn what_is_missing_or_unreadable_is_named() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clock = TestClock::default();
    let store = open_dynamodb(&place, &clock).await;
    let (alone, grouped) = (item("hunter2", ""), item("hunter2", "s"));
    for one in [&alone, &grouped] {
        let ops = vec![
            create(one),
            append("note.created", &one.key, 1, clock.now()),
        ];
        store.commit(Batch { ops }).await.unwrap();
    }
    assert_eq!(store.check().await.unwrap(), []);
    let db = store.db();

    // The shard of a partition, as the directory and the items without a sort have it.
    let shard = async |kind: char| {
        for shard in 0..8 {
            let p = format!("note{kind}{shard}");
            let found = db.client().get_item().table_name(db.table());
            let found = found.set_key(Some(row(&p, b"hunter2"))).send().await;
            if found.unwrap().item().is_some() {
                return p;
            }
        }
        panic!("no row of kind {kind}");
    };
    remove(db, &shard('+').await, b"hunter2").await;
    remove(db, "~page/2", b"p").await;
    let nothing = AttributeValue::S("[".into());
    change(db, "~page/1", b"p", "r", nothing).await;
    let no_number = AttributeValue::S("7".into());
    change(db, &shard('=').await, b"hunter2", "v", no_number).await;

    let damage = store.check().await.unwrap();
    let told = format!("{damage:?}");
    for named in ["directory", "page 1", "page 2", "no version"] {
        assert!(told.contains(named), "{named}: {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let read = store.get_many(&[alone.key]).await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    let read = store.feed(None, 10).await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
}
