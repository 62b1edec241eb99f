//! What is DynamoDB's own: what operations cost, the order of the feed under many writers, noticing
//! other processes, damage, and faults.

use super::backends::open_dynamodb;
use futures::future::join_all;
use gna_storage::backend::dynamodb::{Address, DynamoBackend, DynamoDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::dynamodb::Place;
use gna_storage::conformance::make::{append, create, item, key, put};
use gna_storage::kernel::{Backend, Batch, Error, Expect, Item, Op};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

mod cost;
mod damage;
mod faults;
mod proxy;

/// Writers in two processes, a reader that follows all the while: it sees every entry once, without a
/// hole, and each item's versions in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_skips_nothing_while_many_write() {
    const WRITERS: u64 = 4;
    const COMMITS: u64 = 20;
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clock = TestClock::default();
    let stores = join_all((0..2).map(|_| open_dynamodb(&place, &clock))).await;
    let stores: Vec<Arc<DynamoBackend>> = stores.into_iter().map(Arc::new).collect();
    let at = clock.now();
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&stores[usize::from(writer % 2 == 0)]);
        tokio::spawn(async move {
            for n in 0..COMMITS {
                // Batches of different sizes take different times.
                let size = 1 + (n * 7 + writer * 13) % 40;
                let mut ops: Vec<_> = (0..size)
                    .map(|k| create(&item(&format!("w{writer}"), &format!("{n}-{k}"))))
                    .collect();
                let of = key("w", &writer.to_string());
                ops.push(append("note.created", &of, n, at));
                // All of them change this one, in whatever order they come.
                loop {
                    let shared = key("shared", "");
                    let old = store.get_many(std::slice::from_ref(&shared)).await.unwrap();
                    let version = old[0].as_ref().map_or(0, |old| old.version);
                    let next = Item {
                        version: version + 1,
                        ..item("shared", "")
                    };
                    let expect = match version {
                        0 => Expect::Absent,
                        version => Expect::Version(version),
                    };
                    let mut ops = ops.clone();
                    ops.push(put(&next, expect));
                    ops.push(append("shared.changed", &shared, version + 1, at));
                    match store.commit(Batch { ops }).await {
                        Ok(_) => break,
                        Err(Error::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, done) = (Arc::clone(&stores[0]), Arc::clone(&done));
        tokio::spawn(async move {
            let (mut after, mut all) = (None, Vec::new());
            loop {
                let last = done.load(Ordering::SeqCst);
                let some = store.feed(after.as_ref(), 7).await.unwrap();
                if let Some(entry) = some.last() {
                    after = Some(entry.cursor.clone());
                    all.extend(some);
                } else if last {
                    return all;
                }
            }
        })
    };
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let all = reader.await.unwrap();
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in &all {
        let of = format!("{}/{}", entry.record.key.partition, entry.record.key.sort);
        versions.entry(of).or_default().push(entry.record.version);
    }
    assert_eq!(
        versions["shared/"],
        (1..=WRITERS * COMMITS).collect::<Vec<_>>()
    );
    for writer in 0..WRITERS {
        assert_eq!(
            versions[&format!("w/{writer}")],
            (0..COMMITS).collect::<Vec<_>>()
        );
    }
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

/// Checked and created at once by two: whoever commits has seen what held until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absence_that_was_checked_holds_until_the_commit() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clock = TestClock::default();
    let store = Arc::new(open_dynamodb(&place, &clock).await);
    for round in 0..20 {
        let (left, right) = (
            item("left", &round.to_string()),
            item("right", &round.to_string()),
        );
        // Each requires that the other's is not there: both together must not come through.
        let attempt = |mine: Item, other: Item| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let absent = Op::Check {
                    key: other.key,
                    expect: Expect::Absent,
                };
                let ops = vec![create(&mine), absent];
                store.commit(Batch { ops }).await
            })
        };
        let (one, two) = tokio::join!(
            attempt(left.clone(), right.clone()),
            attempt(right.clone(), left.clone())
        );
        let won = [one.unwrap(), two.unwrap()];
        let won = won.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "round {round}");
        let there = store.get_many(&[left.key, right.key]).await.unwrap();
        assert_eq!(there.iter().flatten().count(), 1);
    }
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
