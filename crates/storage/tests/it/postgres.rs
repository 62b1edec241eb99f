//! What is PostgreSQL's own: round trips, the order of the feed under many writers, waking other
//! processes, TLS, and faults.

use super::backends::open_postgres;
use super::races::{Writing, absence_holds, followed};
use super::skew::an_hour_apart;
use futures::future::join_all;
use gna_storage::backend::postgres::{Address, PostgresBackend, PostgresDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{ALL, append, create, everything, item, key, listed, put};
use gna_storage::conformance::postgres::Place;
use gna_storage::kernel::{Backend, Batch, Expect, Item};
use std::sync::Arc;
use std::time::Duration;

mod damage;
mod faults;
mod own;
mod tls;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_skips_nothing_while_many_write() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let stores: [Arc<dyn Backend>; 2] = [
        Arc::new(open_postgres(&place, &clock).await),
        Arc::new(open_postgres(&place, &clock).await),
    ];
    let much = Writing {
        writers: 6,
        commits: 40,
        items: 60,
    };
    let all = followed(stores, &clock, much).await;
    let places: Vec<u64> = all
        .iter()
        .map(|entry| entry.cursor.0.parse().unwrap())
        .collect();
    let total = much.writers * much.commits * 2;
    let each: Vec<u64> = (1..=total).collect();
    assert_eq!(places, each, "no hole, no repetition");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absence_that_was_checked_holds_until_the_commit() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    absence_holds(Arc::new(open_postgres(&place, &clock).await)).await;
}

#[tokio::test]
async fn clocks_an_hour_apart_do_nothing_twice() {
    let Some(place) = Place::fresh() else { return };
    let clocks = [TestClock::default(), TestClock::default()];
    let backends: [Arc<dyn Backend>; 2] = [
        Arc::new(open_postgres(&place, &clocks[0]).await),
        Arc::new(open_postgres(&place, &clocks[1]).await),
    ];
    an_hour_apart(backends, clocks).await;
}

#[tokio::test]
async fn the_server_tells_its_time() {
    let Some(place) = Place::fresh() else { return };
    let store = open_postgres(&place, &TestClock::default()).await;
    let first = store.time().await.unwrap().unwrap();
    assert!(store.time().await.unwrap().unwrap() >= first);
    assert!(first > gna_domain::time::Timestamp::parse("2026-01-01").unwrap());
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
