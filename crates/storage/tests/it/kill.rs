//! Killed while it writes: every batch that was acknowledged is there, none is there in part.
//!
//! This test starts itself again as a child that only writes, and kills it. That proves safety
//! against a crash of the process; a power cut also needs the disk to keep what it has synced.

use super::backends::open;
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, everything, item, listed, sorts};
use gna_storage::kernel::{Backend, Batch, Expect, FeedEntry, Item, ItemKey, Op};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 24;
const ITEMS: u64 = 20;
/// Tells the child which file to write.
const STORE: &str = "GNA_TEST_KILL_STORE";
const ACKNOWLEDGED: &str = "acknowledged ";

/// Batch number `n`: new items, a counter that every batch raises, and a feed entry per item.
fn batch(n: u64, counter: u64) -> Batch {
    let now = TestClock::default().now();
    let mut ops = vec![Op::Put {
        item: Item {
            version: counter + 1,
            ..item("counter", "")
        },
        expect: if counter == 0 {
            Expect::Absent
        } else {
            Expect::Version(counter)
        },
    }];
    for at in 0..ITEMS {
        let sort = format!("{n:08}/{at:02}");
        let one = listed(item("written", &sort), "written", &sort);
        ops.push(create(&one));
        ops.push(append("note.created", &one.key, 1, now));
    }
    Batch { ops }
}

fn counter() -> ItemKey {
    item("counter", "").key
}

/// The child: writes until it is killed. Two tasks write, so that commits are grouped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_killed() {
    // Run by itself it has nothing to do; the parent below sets the variable.
    let Ok(path) = std::env::var(STORE) else {
        return;
    };
    let backend = Arc::new(open(Path::new(&path), &TestClock::default()).await);
    let next = Arc::new(AtomicU64::new(first_free(backend.as_ref()).await));
    let write = |backend: Arc<gna_storage::backend::sqlite::SqliteBackend>,
                 next: Arc<AtomicU64>| async move {
        let mut number = next.fetch_add(1, Ordering::SeqCst);
        loop {
            let counted = backend.get_many(&[counter()]).await.expect("reads");
            let version = counted
                .into_iter()
                .next()
                .flatten()
                .map_or(0, |item| item.version);
            match backend.commit(batch(number, version)).await {
                Ok(_) => {
                    println!("{ACKNOWLEDGED}{number}");
                    number = next.fetch_add(1, Ordering::SeqCst);
                }
                Err(gna_storage::kernel::Error::Conflict { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    };
    let tasks = (0..2).map(|_| tokio::spawn(write(Arc::clone(&backend), Arc::clone(&next))));
    futures::future::join_all(tasks).await;
}

/// The number after the last batch in the store.
async fn first_free(backend: &dyn Backend) -> u64 {
    batches(backend)
        .await
        .keys()
        .next_back()
        .map_or(0, |last| last + 1)
}

/// How many items of each batch there are, by the primary key.
async fn batches(backend: &dyn Backend) -> BTreeMap<u64, u64> {
    count(
        sorts(backend, &everything(None, "written"))
            .await
            .expect("reads")
            .iter(),
    )
}

fn count<'a>(sorts: impl Iterator<Item = &'a String>) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    for sort in sorts {
        let (number, _) = sort.split_once('/').expect("a batch number");
        *found
            .entry(number.parse().expect("a batch number"))
            .or_insert(0) += 1;
    }
    found
}

fn start_child(store: &Path, acknowledged: &Arc<Mutex<Vec<u64>>>) -> Child {
    let test = std::env::current_exe().expect("this test");
    let mut child = Command::new(test)
        .args([
            "--exact",
            "kill::child_writes_until_killed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(STORE, store)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let acknowledged = Arc::clone(acknowledged);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // The test runner writes its own words before the first one.
            if let Some((_, number)) = line.split_once(ACKNOWLEDGED) {
                acknowledged
                    .lock()
                    .expect("not poisoned")
                    .push(number.parse().expect("a number"));
            }
        }
    });
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = folder.path().join("gna.db");
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut kills_while_writing = 0;
    for round in 0..ROUNDS {
        let before = acknowledged.lock().expect("not poisoned").len();
        let mut child = start_child(&store, &acknowledged);
        // Kills fall at ever other moments after the first new acknowledgement.
        let patience = Instant::now();
        while acknowledged.lock().expect("not poisoned").len() == before
            && patience.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(u64::from(round) * 1_700 % 23_000));
        child.kill().expect("is there to be killed");
        child.wait().expect("ends");
        kills_while_writing +=
            usize::from(acknowledged.lock().expect("not poisoned").len() > before);
        let sure = acknowledged.lock().expect("not poisoned").clone();
        verify(&store, &sure).await;
    }
    assert_eq!(
        kills_while_writing,
        usize::try_from(ROUNDS).expect("fits"),
        "each round wrote before its kill"
    );
}

async fn verify(store: &Path, acknowledged: &[u64]) {
    let backend = open(store, &TestClock::default()).await;
    let found = batches(&backend).await;
    for number in acknowledged {
        assert!(
            found.contains_key(number),
            "batch {number} was acknowledged and is lost"
        );
    }
    assert!(
        found.values().all(|items| *items == ITEMS),
        "a batch is there in part: {found:?}"
    );
    let listed = sorts(&backend, &everything(Some("all"), "written"))
        .await
        .expect("reads");
    assert_eq!(count(listed.iter()), found, "the index agrees");
    let counted = backend.get_many(&[counter()]).await.expect("reads");
    let version = counted
        .into_iter()
        .next()
        .flatten()
        .map_or(0, |item| item.version);
    assert_eq!(version, found.len() as u64, "each batch raised the counter");

    let (mut told, mut after) = (Vec::new(), None);
    loop {
        let entries: Vec<FeedEntry> = backend.feed(after.as_ref(), 1_000).await.expect("reads");
        let Some(last) = entries.last() else { break };
        after = Some(last.cursor.clone());
        told.extend(entries.into_iter().map(|entry| entry.record.key.sort));
    }
    assert_eq!(count(told.iter()), found, "the feed agrees");
    assert_eq!(backend.check().await.expect("checks"), []);
}
