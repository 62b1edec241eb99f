//! What is PostgreSQL's own: round trips, the order of the feed under many writers, waking other
//! processes, and faults.

use super::backends::open_postgres;
use futures::future::join_all;
use gna_storage::backend::postgres::{Address, PostgresBackend, PostgresDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{ALL, append, create, everything, item, key, listed, put};
use gna_storage::conformance::postgres::Place;
use gna_storage::kernel::{Backend, Batch, Error, Expect, Item};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

mod faults;

#[tokio::test]
async fn a_commit_is_one_statement_and_so_is_each_read() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let store = open_postgres(&place, &clock).await;
    let many: Vec<Item> = (0..500)
        .map(|n| listed(item("p", &format!("{n:03}")), "l", &format!("{n:03}")))
        .collect();
    // The names of a collection and of an index are given their numbers once.
    store
        .commit(Batch {
            ops: vec![create(&listed(item("q", "first"), "l", "x"))],
        })
        .await
        .unwrap();
    let creations = many
        .iter()
        .flat_map(|item| {
            [
                create(item),
                append("note.created", &item.key, 1, clock.now()),
            ]
        })
        .collect();
    let changed = |item: &Item| Item {
        version: 2,
        ..listed(item.clone(), "m", &item.key.sort)
    };
    let changes = many
        .iter()
        .map(|item| put(&changed(item), Expect::Version(1)))
        .collect();
    for (what, ops) in [("creations", creations), ("changes", changes)] {
        let before = store.db().statements();
        store.commit(Batch { ops }).await.unwrap();
        assert_eq!(store.db().statements() - before, 1, "500 {what}");
    }
    let before = store.db().statements();
    let keys: Vec<_> = many.iter().map(|item| item.key.clone()).collect();
    let found = store.get_many(&keys).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    assert_eq!(store.db().statements() - before, 1, "500 reads");

    let before = store.db().statements();
    let queries = [everything(Some(ALL), "l"), everything(Some(ALL), "m")];
    let pages = store.query_many(&queries).await.unwrap();
    let lengths: Vec<usize> = pages.iter().map(|page| page.items.len()).collect();
    assert_eq!(lengths, [1, 500]);
    assert_eq!(store.db().statements() - before, 1, "two ranges");
}

/// Writers with many connections, a reader that follows all the while: it sees every entry once,
/// without a hole, and each item's versions in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_skips_nothing_while_many_write() {
    const WRITERS: u64 = 6;
    const COMMITS: u64 = 40;
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let stores = join_all((0..2).map(|_| open_postgres(&place, &clock))).await;
    let stores: Vec<Arc<PostgresBackend>> = stores.into_iter().map(Arc::new).collect();
    let at = clock.now();
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&stores[usize::from(writer % 2 == 0)]);
        tokio::spawn(async move {
            for n in 0..COMMITS {
                // Batches of different sizes take different times between lock and commit.
                let size = 1 + (n * 7 + writer * 13) % 60;
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
            let mut commits = store.commits();
            loop {
                let last = done.load(Ordering::SeqCst);
                commits.borrow_and_update();
                let some = store.feed(after.as_ref(), 7).await.unwrap();
                if let Some(entry) = some.last() {
                    after = Some(entry.cursor.clone());
                    all.extend(some);
                } else if last {
                    return all;
                } else {
                    let _ =
                        tokio::time::timeout(Duration::from_millis(200), commits.changed()).await;
                }
            }
        })
    };
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let all = reader.await.unwrap();
    let places: Vec<u64> = all
        .iter()
        .map(|entry| entry.cursor.0.parse().unwrap())
        .collect();
    let total = WRITERS * COMMITS * 2;
    assert_eq!(
        places,
        (1..=total).collect::<Vec<_>>(),
        "no hole, no repetition"
    );
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
async fn a_commit_wakes_other_processes_without_polling() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let (here, there) = (
        open_postgres(&place, &clock).await,
        open_postgres(&place, &clock).await,
    );
    let (mut feed, mut jobs) = (there.commits(), there.commits_to("job").unwrap());
    assert!(there.commits_to("note").is_none(), "not an announced one");
    // It listens from the moment on that it is there.
    feed.mark_unchanged();
    jobs.mark_unchanged();
    let mut job = item("p", "1");
    job.key.collection = "job";
    here.commit(Batch {
        ops: vec![create(&job)],
    })
    .await
    .unwrap();
    tokio::time::timeout(Duration::from_secs(10), jobs.changed())
        .await
        .expect("told of the job")
        .unwrap();
    assert!(!feed.has_changed().unwrap(), "the feed tells of nothing");
    let told = append("note.created", &key("p", "2"), 1, clock.now());
    here.commit(Batch { ops: vec![told] }).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), feed.changed())
        .await
        .expect("told of the entry")
        .unwrap();
    assert!(!jobs.has_changed().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_make_the_tables_once() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let stores = join_all((0..8).map(|_| {
        let (url, now) = (place.url.clone(), clock.reader());
        tokio::spawn(async move {
            let db = PostgresDb::open(&Address::parse(&url)?).await?;
            PostgresBackend::open(db, now).await
        })
    }))
    .await;
    for (n, store) in stores.into_iter().enumerate() {
        let store = store.unwrap().unwrap();
        let note = item("p", &n.to_string());
        store
            .commit(Batch {
                ops: vec![create(&note)],
            })
            .await
            .unwrap();
    }
    let store = open_postgres(&place, &clock).await;
    assert_eq!(store.scan("note", None, 100).await.unwrap().items.len(), 8);
}

/// Checked and created at once by many: whoever commits has seen what held until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absence_that_was_checked_holds_until_the_commit() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let store = Arc::new(open_postgres(&place, &clock).await);
    for round in 0..20 {
        let (left, right) = (
            item("left", &round.to_string()),
            item("right", &round.to_string()),
        );
        // Each requires that the other's is not there: both together must not come through.
        let attempt = |mine: Item, other: Item| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let absent = gna_storage::kernel::Op::Check {
                    key: other.key,
                    expect: Expect::Absent,
                };
                store
                    .commit(Batch {
                        ops: vec![create(&mine), absent],
                    })
                    .await
            })
        };
        let (one, two) = tokio::join!(
            attempt(left.clone(), right.clone()),
            attempt(right.clone(), left.clone())
        );
        let won = [one.unwrap(), two.unwrap()]
            .iter()
            .filter(|outcome| outcome.is_ok())
            .count();
        assert_eq!(won, 1, "round {round}");
        let there = store.get_many(&[left.key, right.key]).await.unwrap();
        assert_eq!(there.iter().flatten().count(), 1);
    }
}

#[tokio::test]
async fn what_a_newer_program_wrote_is_refused() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    drop(open_postgres(&place, &clock).await);
    let db = place.open().await;
    let newer: &'static [&'static str] = &["SELECT 1", "SELECT 1", "SELECT 1"];
    gna_storage::backend::postgres::schema::migrate(&db, "items", newer)
        .await
        .unwrap();
    let refusal = PostgresBackend::open(db, clock.reader())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refusal.contains("newer version of this program"),
        "{refusal}"
    );
}
