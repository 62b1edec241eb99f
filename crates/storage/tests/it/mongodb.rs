//! What is MongoDB's own: the order of the feed under many writers in several processes, hearing of
//! other processes, checks that hold until the commit, damage, faults, TLS, and what is refused.

use super::backends::open_mongodb;
use futures::future::join_all;
use gna_storage::backend::mongodb::{Address, MongoBackend, MongoDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, delete, item, key, put};
use gna_storage::conformance::mongodb::Place;
use gna_storage::kernel::{Backend, Batch, Error, Expect, Item, Op};
use mongodb::bson::{Document, doc};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

mod damage;
mod faults;
mod own;
mod tls;

/// Writers in two processes, a reader that follows all the while: it sees every entry once, without a
/// hole, and each item's versions in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_skips_nothing_while_many_write() {
    const WRITERS: u64 = 4;
    const COMMITS: u64 = 15;
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let first = open_mongodb(&place, &clock).await;
    let stores = [first, open_mongodb(&place, &clock).await].map(Arc::new);
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
                ops.push(append(
                    "note.created",
                    &key("w", &writer.to_string()),
                    n,
                    at,
                ));
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
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in reader.await.unwrap() {
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
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let here = open_mongodb(&place, &clock).await;
    let there = open_mongodb(&place, &clock).await;
    assert!(there.commits_to("note").is_none(), "not an announced one");
    let (mut feed, mut jobs) = (there.commits(), there.commits_to("job").unwrap());
    let mut own_jobs = here.commits_to("job").unwrap();
    let told = append("note.created", &key("p", "2"), 1, clock.now());
    here.commit(Batch { ops: vec![told] }).await.unwrap();
    let soon = Duration::from_secs(60);
    tokio::time::timeout(soon, feed.changed())
        .await
        .expect("told of the entry")
        .unwrap();
    assert!(!jobs.has_changed().unwrap());
    let mut job = item("1", "");
    job.key.collection = "job";
    for op in [create(&job), delete(&job.key, Expect::Version(1))] {
        here.commit(Batch { ops: vec![op] }).await.unwrap();
        tokio::time::timeout(soon, jobs.changed())
            .await
            .expect("told of the job")
            .unwrap();
    }
    // What it wrote itself, it was told when it committed; of the entry nobody tells it once more.
    own_jobs.mark_unchanged();
    let mut own_feed = here.commits();
    own_feed.mark_unchanged();
    let told = append("note.created", &key("p", "3"), 1, clock.now());
    there.commit(Batch { ops: vec![told] }).await.unwrap();
    tokio::time::timeout(soon, own_feed.changed())
        .await
        .expect("told of the other's")
        .unwrap();
    // The stream is in order: all that came before this has been heard.
    assert!(!own_feed.has_changed().unwrap());
}

/// Checked and created at once by two: whoever commits has seen what held until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_checked_holds_until_the_commit() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let store = Arc::new(open_mongodb(&place, &clock).await);
    for round in 0..12 {
        let (left, right) = (
            item("left", &round.to_string()),
            item("right", &round.to_string()),
        );
        // In every other round both are there, and each is changed if the other was not.
        let before = match round % 2 {
            0 => Expect::Absent,
            _ => Expect::Version(1),
        };
        if before != Expect::Absent {
            let ops = vec![create(&left), create(&right)];
            store.commit(Batch { ops }).await.unwrap();
        }
        let attempt = |mine: &Item, other: &Item| {
            let store = Arc::clone(&store);
            let mine = Item {
                version: 2,
                ..mine.clone()
            };
            let check = Op::Check {
                key: other.key.clone(),
                expect: before,
            };
            tokio::spawn(async move {
                let ops = vec![put(&mine, before), check];
                store.commit(Batch { ops }).await
            })
        };
        // Each requires that the other's is as it was: both together must not come through.
        let (one, two) = tokio::join!(attempt(&left, &right), attempt(&right, &left));
        let won = [one.unwrap(), two.unwrap()];
        assert!(
            won.iter()
                .all(|outcome| matches!(outcome, Ok(_) | Err(Error::Conflict { .. }))),
            "{won:?}"
        );
        let won = won.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "round {round}");
        let there = store.get_many(&[left.key, right.key]).await.unwrap();
        let changed = there.iter().flatten().filter(|item| item.version == 2);
        assert_eq!(changed.count(), 1);
    }
    // What held the places of those that had to be absent is nothing to anybody.
    assert_eq!(store.check().await.unwrap(), []);
    let notes = store.scan("note", None, 1_000).await.unwrap();
    assert_eq!(notes.items.len(), 6 + 12);
    assert_eq!(store.purge_expired(1_000).await.unwrap(), 0);
}

#[tokio::test]
async fn the_server_tells_its_time() {
    let Some(place) = Place::fresh() else { return };
    let store = open_mongodb(&place, &TestClock::default()).await;
    let first = store.time().await.unwrap().unwrap();
    assert!(store.time().await.unwrap().unwrap() >= first);
    assert!(first > gna_domain::time::Timestamp::parse("2026-01-01").unwrap());
}

async fn refusal(place: &Place) -> String {
    let clock = TestClock::default();
    let opened = MongoBackend::open(place.open().await, clock.reader()).await;
    opened.err().expect("a refusal").to_string()
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_its_password() {
    let Some(_) = Place::fresh() else { return };
    let url = "mongodb://gna:hunter2@127.0.0.1:1/gna?serverSelectionTimeoutMS=200";
    let refused = MongoDb::connect(&Address::parse(url).unwrap()).await;
    let refused = refused.err().expect("a refusal").to_string();
    assert!(refused.contains("no primary"), "{refused}");
    for url in [
        "mongodb://gna:hunter2@127.0.0.1:1/gna?replicaSet",
        "mongodb://gna:hunter2@127.0.0.1:x/gna",
        "mongodb://gna:hunter2@127.0.0.1/gna?w=hunter2&journal=maybe",
        "mongodb://gna:hun/ter2@127.0.0.1/gna",
    ] {
        let refused = match Address::parse(url) {
            Ok(address) => MongoDb::connect(&address).await.err(),
            Err(refused) => Some(refused),
        };
        let refused = refused.expect("a refusal").to_string();
        assert!(refused.contains("address"), "{url}: {refused}");
        assert!(!refused.contains("hun"), "{url}: {refused}");
    }
}

/// Whatever the other program calls what it has there.
#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    for (name, document) in [
        ("items", doc! { "name": "theirs" }),
        ("users", doc! { "name": "theirs" }),
        ("feed", doc! { "_id": 1_i64 }),
        ("meta", doc! { "_id": "theirs" }),
    ] {
        let Some(place) = Place::fresh() else { return };
        let db = place.open().await;
        let theirs = db.database().collection::<Document>(name);
        theirs.insert_one(document).await.unwrap();
        let refused = refusal(&place).await;
        assert!(refused.contains("another program"), "{name}: {refused}");
        assert!(refused.contains("store.url"), "{name}: {refused}");
        let names = db.database().list_collection_names().await.unwrap();
        assert_eq!(names, [name], "nothing was made");
    }
}

/// A start that was cut before it said that the store is made is no other program.
#[tokio::test]
async fn a_store_that_is_half_made_is_made_to_its_end() {
    let Some(place) = Place::fresh() else { return };
    let db = place.open().await;
    db.database().create_collection("items").await.unwrap();
    let meta = db.database().collection::<Document>("meta");
    let head = doc! { "_id": "head", "n": 0_i64 };
    meta.insert_one(head).await.unwrap();
    let clock = TestClock::default();
    let store = open_mongodb(&place, &clock).await;
    let one = item("p", "1");
    let ops = vec![
        create(&one),
        append("note.created", &one.key, 1, clock.now()),
    ];
    store.commit(Batch { ops }).await.unwrap();
    // What others make beside it later is not looked at.
    let beside = db.database().collection::<Document>("beside");
    beside.insert_one(doc! { "name": "theirs" }).await.unwrap();
    let again = open_mongodb(&place, &clock).await;
    assert_eq!(again.feed(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_newer_program_wrote_is_refused() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let store = open_mongodb(&place, &clock).await;
    let meta = store.db().database().collection::<Document>("meta");
    let newer = doc! { "$set": { "n": 2_i64 } };
    meta.update_one(doc! { "_id": "format" }, newer)
        .await
        .unwrap();
    let refused = refusal(&place).await;
    assert!(
        refused.contains("newer version of this program"),
        "{refused}"
    );
}

/// Processes that start at the same time on a database that is not there yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_may_make_the_store_at_once() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let stores = join_all((0..4).map(|_| open_mongodb(&place, &clock))).await;
    for (n, store) in stores.iter().enumerate() {
        let one = item("p", &n.to_string());
        let ops = vec![
            create(&one),
            append("note.created", &one.key, 1, clock.now()),
        ];
        store.commit(Batch { ops }).await.unwrap();
    }
    assert_eq!(stores[0].feed(None, 10).await.unwrap().len(), 4);
}
