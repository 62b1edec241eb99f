//! What is DynamoDB's own: what operations cost, the order of the feed under many writers, noticing
//! other processes, damage, and faults.

use super::backends::open_dynamodb;
use super::races::{Writing, absence_holds, followed};
use super::skew::an_hour_apart;
use gna_storage::backend::dynamodb::{Address, DynamoBackend, DynamoDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::dynamodb::Place;
use gna_storage::conformance::make::{append, create, item, key};
use gna_storage::kernel::{Backend, Batch, Error};
use std::sync::Arc;
use std::time::Duration;

mod cost;
mod damage;
mod faults;
mod proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_skips_nothing_while_many_write() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clock = TestClock::default();
    let stores: [Arc<dyn Backend>; 2] = [
        Arc::new(open_dynamodb(&place, &clock).await),
        Arc::new(open_dynamodb(&place, &clock).await),
    ];
    let much = Writing {
        writers: 4,
        commits: 20,
        items: 40,
    };
    followed(stores, &clock, much).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_other_processes_are_noticed() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clock = TestClock::default();
    let here = open_dynamodb(&place, &clock).await;
    let there = open_dynamodb(&place, &clock).await;
    assert!(there.commits_to("note").is_none(), "not an announced one");
    let (mut feed, mut jobs) = (there.commits(), there.commits_to("job").unwrap());
    let told = append("note.created", &key("p", "2"), 1, clock.now());
    here.commit(Batch { ops: vec![told] }).await.unwrap();
    let soon = Duration::from_secs(60);
    tokio::time::timeout(soon, feed.changed())
        .await
        .expect("told of the entry")
        .unwrap();
    assert!(!jobs.has_changed().unwrap());
    // A look that finds no mark yet must not pass the first one over.
    let mut job = item("1", "");
    job.key.collection = "job";
    here.commit(Batch {
        ops: vec![create(&job)],
    })
    .await
    .unwrap();
    tokio::time::timeout(soon, jobs.changed())
        .await
        .expect("told of the job")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absence_that_was_checked_holds_until_the_commit() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clock = TestClock::default();
    absence_holds(Arc::new(open_dynamodb(&place, &clock).await)).await;
}

#[tokio::test]
async fn what_can_not_be_used_is_refused_with_what_to_do() {
    let Some(place) = Place::unmade() else { return };
    let clock = TestClock::default();
    let open = async || {
        let opened = DynamoBackend::open(place.open().await, clock.reader()).await;
        opened.err().expect("a refusal").to_string()
    };
    assert!(open().await.contains("gna store init"), "{}", open().await);

    let nobody = place.url.replace("127.0.0.1:", "127.0.0.1:1");
    let unreachable = Address::parse(&nobody).unwrap();
    let refused = gna_storage::backend::dynamodb::table::check(
        &DynamoDb::connect(&unreachable).await.unwrap(),
    )
    .await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");

    // A table of somebody else's.
    let db = place.open().await;
    let key = aws_sdk_dynamodb::types::KeySchemaElement::builder()
        .attribute_name("id")
        .key_type(aws_sdk_dynamodb::types::KeyType::Hash)
        .build()
        .unwrap();
    let id = aws_sdk_dynamodb::types::AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(aws_sdk_dynamodb::types::ScalarAttributeType::S)
        .build()
        .unwrap();
    let made = db.client().create_table().table_name(db.table());
    let made = made.key_schema(key).attribute_definitions(id);
    made.billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    assert!(open().await.contains("another kind"), "{}", open().await);
    let made = gna_storage::backend::dynamodb::table::init(&db).await;
    assert!(made.unwrap_err().to_string().contains("another kind"));
}

#[tokio::test]
async fn clocks_an_hour_apart_do_nothing_twice() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clocks = [TestClock::default(), TestClock::default()];
    let backends: [Arc<dyn Backend>; 2] = [
        Arc::new(open_dynamodb(&place, &clocks[0]).await),
        Arc::new(open_dynamodb(&place, &clocks[1]).await),
    ];
    an_hour_apart(backends, clocks).await;
}

#[tokio::test]
async fn the_engine_tells_its_time() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let store = open_dynamodb(&place, &TestClock::default()).await;
    let first = store.time().await.unwrap().unwrap();
    assert!(store.time().await.unwrap().unwrap() >= first);
    assert!(first > gna_domain::time::Timestamp::parse("2026-01-01").unwrap());
}

#[tokio::test]
async fn what_a_newer_program_wrote_is_refused() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let db = place.open().await;
    let newer = aws_sdk_dynamodb::types::AttributeValue::N("2".into());
    damage::change(&db, "~meta", b"format", "v", newer).await;
    let clock = TestClock::default();
    let refused = DynamoBackend::open(db, clock.reader()).await.err();
    let refused = refused.expect("a refusal").to_string();
    assert!(
        refused.contains("newer version of this program"),
        "{refused}"
    );
}
