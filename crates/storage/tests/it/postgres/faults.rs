//! Connections that are cut and a server that is killed: what was acknowledged stays, everything
//! else is an error that says "try again", and the same store goes on afterwards.

use super::own::Server;
use gna_storage::backend::postgres::PostgresBackend;
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, item};
use gna_storage::conformance::postgres::Place;
use gna_storage::kernel::{Backend, Batch, Error};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::load::{Load, progress, survives};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load_lose_nothing() {
    let Some(place) = Place::fresh() else { return };
    let clock = TestClock::default();
    let store = PostgresBackend::open(place.open().await, clock.reader());
    let store = Arc::new(store.await.unwrap());
    let watcher = place.open().await;
    let cut = async |load: &Load| {
        for _ in 0..5 {
            // The one who cuts may find that a connection of its own is among the dead.
            while watcher.cut_others().await.is_err() {}
            progress(load, 10).await;
        }
        assert!(load.failed.load(Ordering::SeqCst) > 0, "somebody was hit");
    };
    survives(store, &clock, cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_and_started_again_under_load_loses_nothing() {
    let Some(server) = Server::new(&[]) else {
        return;
    };
    let clock = TestClock::default();
    let db = server.open().await.unwrap();
    let store = Arc::new(PostgresBackend::open(db, clock.reader()).await.unwrap());
    let feed = store.commits();
    survives(store, &clock, async |load: &Load| {
        for _ in 0..2 {
            server.kill();
            let failed = load.failed.load(Ordering::SeqCst);
            while load.failed.load(Ordering::SeqCst) == failed {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            feed_quiet(&mut feed.clone()).await;
            server.start(&[]);
            progress(load, 10).await;
        }
    })
    .await;
}

/// As DynamoDB limits the rate of requests, PostgreSQL limits connections: whoever is there works on, and who
/// comes is told to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_is_told_and_loses_nothing() {
    let Some(server) = Server::new(&["max_connections=16"]) else {
        return;
    };
    let clock = TestClock::default();
    let db = server.open().await.unwrap();
    let store = Arc::new(PostgresBackend::open(db, clock.reader()).await.unwrap());
    survives(store, &clock, async |load: &Load| {
        let mut others = Vec::new();
        let refusal = loop {
            match server.open().await {
                Ok(other) => others.push(other),
                Err(refusal) => break refusal,
            }
        };
        assert!(matches!(refusal, Error::Unavailable(_)), "{refusal:?}");
        progress(load, 10).await;
        for other in others {
            other.close().await;
        }
        drop(server.open().await.expect("there is room again"));
    })
    .await;
}

/// Nothing is announced while there is no server.
async fn feed_quiet(feed: &mut tokio::sync::watch::Receiver<u64>) {
    feed.mark_unchanged();
    let woken = tokio::time::timeout(Duration::from_millis(100), feed.changed()).await;
    assert!(woken.is_err(), "a commit without a server");
}

#[tokio::test]
async fn a_server_that_would_lose_commits_is_refused_by_name() {
    let Some(server) = Server::new(&["fsync=off"]) else {
        return;
    };
    let refusal = server.open().await.err().unwrap().to_string();
    assert!(refusal.contains("fsync = off"), "{refusal}");
}

#[tokio::test]
async fn a_dump_brings_items_and_feed_back() {
    let Some(server) = Server::new(&[]) else {
        return;
    };
    let clock = TestClock::default();
    let db = server.open().await.unwrap();
    let store = PostgresBackend::open(db.clone(), clock.reader())
        .await
        .unwrap();
    let note = item("p", "1");
    let ops = vec![
        create(&note),
        append("note.created", &note.key, 1, clock.now()),
    ];
    let end = store.commit(Batch { ops }).await.unwrap();
    let tool = |program: &str, args: &[&str]| {
        let done = Command::new(server.bin.join(program))
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(server.port.to_string())
            .args(args)
            .output()
            .unwrap();
        assert!(done.status.success(), "{program}: {done:?}");
    };
    let away = tempfile::tempdir().unwrap();
    let dump = away.path().join("gna.dump");
    let file = dump.to_str().unwrap();
    tool(
        "pg_dump",
        &[
            "--schema=gna",
            "--format=custom",
            "--file",
            file,
            "postgres",
        ],
    );
    drop(store);
    db.drop_schema().await.unwrap();
    db.close().await;
    tool("pg_restore", &["--dbname=postgres", file]);

    let db = server.open().await.unwrap();
    let store = PostgresBackend::open(db, clock.reader()).await.unwrap();
    let found = store.get_many(std::slice::from_ref(&note.key)).await;
    assert_eq!(found.unwrap(), [Some(note)]);
    assert_eq!(store.feed_end().await.unwrap(), end);
    assert_eq!(store.feed(None, 10).await.unwrap().len(), 1);
    let next = item("p", "2");
    let ops = vec![
        create(&next),
        append("note.created", &next.key, 1, clock.now()),
    ];
    let later = store.commit(Batch { ops }).await.unwrap();
    assert!(store.feed_reached(&end, &later) && later != end);
}
