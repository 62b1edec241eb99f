//! Races of a store that several processes share, the same on each: many writers and one who follows
//! the feed, and two who each require that the other was not there.

use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, item, key, put};
use gna_storage::kernel::{Backend, Batch, Error, Expect, FeedEntry, Item, Op};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How much is written.
#[derive(Clone, Copy)]
pub struct Writing {
    pub writers: u64,
    /// Of each writer.
    pub commits: u64,
    /// Items of the largest commit.
    pub items: u64,
}

/// Writers in two processes, a reader that follows all the while: each item's versions come in their
/// order, none missing and none twice. Answers what the reader saw.
pub async fn followed(
    stores: [Arc<dyn Backend>; 2],
    clock: &TestClock,
    much: Writing,
) -> Vec<FeedEntry> {
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(follow(Arc::clone(&stores[0]), Arc::clone(&done)));
    let writers: Vec<_> = (0..much.writers)
        .map(|writer| {
            let store = Arc::clone(&stores[usize::from(writer % 2 == 0)]);
            tokio::spawn(write(store, clock.clone(), writer, much))
        })
        .collect();
    for writer in writers {
        writer.await.expect("writes");
    }
    done.store(true, Ordering::SeqCst);
    let all = reader.await.expect("reads");
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in &all {
        let of = format!("{}/{}", entry.record.key.partition, entry.record.key.sort);
        versions.entry(of).or_default().push(entry.record.version);
    }
    let shared: Vec<u64> = (1..=much.writers * much.commits).collect();
    assert_eq!(versions["shared/"], shared);
    for writer in 0..much.writers {
        let own: Vec<u64> = (0..much.commits).collect();
        assert_eq!(versions[&format!("w/{writer}")], own);
    }
    all
}

async fn write(store: Arc<dyn Backend>, clock: TestClock, writer: u64, much: Writing) {
    for n in 0..much.commits {
        // Batches of different sizes take different times.
        let size = 1 + (n * 7 + writer * 13) % much.items;
        let mut ops: Vec<_> = (0..size)
            .map(|k| create(&item(&format!("w{writer}"), &format!("{n}-{k}"))))
            .collect();
        let of = key("w", &writer.to_string());
        ops.push(append("note.created", &of, n, clock.now()));
        // All of them change this one, in whatever order they come.
        loop {
            let shared = key("shared", "");
            let old = store
                .get_many(std::slice::from_ref(&shared))
                .await
                .expect("reads");
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
            ops.push(append("shared.changed", &shared, version + 1, clock.now()));
            match store.commit(Batch { ops }).await {
                Ok(_) => break,
                Err(Error::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn follow(store: Arc<dyn Backend>, done: Arc<AtomicBool>) -> Vec<FeedEntry> {
    let (mut after, mut all) = (None, Vec::new());
    let mut commits = store.commits();
    loop {
        let last = done.load(Ordering::SeqCst);
        commits.borrow_and_update();
        let some = store.feed(after.as_ref(), 7).await.expect("reads");
        if let Some(entry) = some.last() {
            after = Some(entry.cursor.clone());
            all.extend(some);
        } else if last {
            return all;
        } else {
            let _ = tokio::time::timeout(Duration::from_millis(200), commits.changed()).await;
        }
    }
}

/// Checked and created at once by two: whoever commits has seen what held until then.
pub async fn absence_holds(store: Arc<dyn Backend>) {
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
        let won = [one.expect("ends"), two.expect("ends")];
        let won = won.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "round {round}");
        let there = store.get_many(&[left.key, right.key]).await.expect("reads");
        assert_eq!(there.iter().flatten().count(), 1);
    }
}
