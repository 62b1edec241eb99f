//! What operations cost, in requests and in bytes sent: cost is what grows here. (Units of capacity are
//! not to be had here: DynamoDB Local counts them in a way of its own.)

use crate::backends::open_dynamodb;
use gna_storage::backend::dynamodb::DynamoBackend;
use gna_storage::conformance::TestClock;
use gna_storage::conformance::dynamodb::Place;
use gna_storage::conformance::make::{ALL, append, create, everything, item, listed, put};
use gna_storage::kernel::{Backend, Batch, Expect, Item, Op};

/// Requests and bytes of an operation. Looking for others' commits goes on meanwhile
/// and costs by itself, so a case is asked until no look came between.
async fn pinned(
    store: &DynamoBackend,
    what: &str,
    expected: (u64, u64),
    mut ask: impl AsyncFnMut(u32),
) {
    let mut last = (0, 0);
    for round in 0..5 {
        let before = store.db().spent();
        ask(round).await;
        let after = store.db().spent();
        last = (after.requests - before.requests, after.bytes - before.bytes);
        if last == expected {
            return;
        }
    }
    panic!("{what}: {last:?} (requests, bytes) instead of {expected:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operations_cost() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let clock = TestClock::default();
    let store = open_dynamodb(&place, &clock).await;
    let at = clock.now();
    // The first page of the feed and the partition's row in the directory are written once.
    let first = listed(item("p", "first"), "l", "x");
    let told = append("note.created", &first.key, 1, at);
    let ops = vec![create(&first), told];
    store.commit(Batch { ops }).await.unwrap();
    // From here on numbers of pages have two digits.
    for _ in 0..10 {
        let ops = vec![append("note.created", &first.key, 1, at)];
        store.commit(Batch { ops }).await.unwrap();
    }

    let commit = async |ops: Vec<Op>| store.commit(Batch { ops }).await.map(drop).unwrap();
    pinned(&store, "one record without an event", (1, 336), async |n| {
        commit(vec![create(&item("p", &format!("a{n}")))]).await;
    })
    .await;
    pinned(
        &store,
        "found by its id alone, no directory",
        (1, 336),
        async |n| {
            commit(vec![create(&item(&format!("id{n}"), ""))]).await;
        },
    )
    .await;
    // The record, the count of the feed, the page.
    pinned(&store, "one record with an event", (1, 764), async |n| {
        let one = item("p", &format!("b{n}"));
        commit(vec![create(&one), append("note.created", &one.key, 1, at)]).await;
    })
    .await;
    // All twenty share the page.
    pinned(
        &store,
        "twenty records with events",
        (1, 7_348),
        async |n| {
            let many = (0..20).map(|k| item("p", &format!("c{n}-{k:02}")));
            let ops = many.flat_map(|one| [create(&one), append("note.created", &one.key, 1, at)]);
            commit(ops.collect()).await;
        },
    )
    .await;
    pinned(&store, "one record in a list", (1, 380), async |n| {
        commit(vec![create(&listed(item("p", &format!("d{n}")), "l", "x"))]).await;
    })
    .await;
    let mut version = 1;
    pinned(
        &store,
        "a change that leaves the list alone",
        (1, 414),
        async |_| {
            version += 1;
            let next = Item {
                version,
                ..first.clone()
            };
            commit(vec![put(&next, Expect::Version(version - 1))]).await;
        },
    )
    .await;

    let key = |n: u32| item("p", &format!("c0-{n:02}")).key;
    pinned(&store, "one key", (1, 123), async |_| {
        store.get_many(&[key(0)]).await.unwrap();
    })
    .await;
    pinned(&store, "twenty keys", (1, 921), async |_| {
        let keys: Vec<_> = (0..20).map(key).collect();
        store.get_many(&keys).await.unwrap();
    })
    .await;
    pinned(&store, "a range of a partition", (1, 265), async |_| {
        let mut query = everything(None, "p");
        query.from = std::ops::Bound::Included("c0".into());
        query.limit = 10;
        store.query_many(&[query]).await.unwrap();
    })
    .await;
    // The item without a sort is looked for elsewhere.
    pinned(&store, "a whole partition", (2, 342), async |_| {
        let mut query = everything(None, "p");
        query.limit = 10;
        store.query_many(&[query]).await.unwrap();
    })
    .await;
    pinned(
        &store,
        "two lists in which nothing is",
        (2, 552),
        async |_| {
            let mut query = everything(Some(ALL), "l");
            query.from = std::ops::Bound::Included("y".into());
            store.query_many(&[query.clone()]).await.unwrap();
            query.partition = "empty".into();
            query.from = std::ops::Bound::Unbounded;
            store.query_many(&[query]).await.unwrap();
        },
    )
    .await;
    // Both ends of the feed.
    let end = store.feed_end().await.unwrap();
    pinned(
        &store,
        "looking for what is new in the feed",
        (1, 163),
        async |_| {
            store.feed(Some(&end), 100).await.unwrap();
        },
    )
    .await;
}
