//! Writers under whom a store breaks: what was acknowledged must be there at the end, nothing may be
//! half there, and the feed tells of all that is.

use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, item, key};
use gna_storage::kernel::{Backend, Batch, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What writers got done, told by them while things break.
#[derive(Default)]
pub struct Load {
    stop: AtomicBool,
    pub acknowledged: AtomicU64,
    pub failed: AtomicU64,
}

/// Writes numbered pairs with an event until it is stopped; answers the numbers that were
/// acknowledged.
async fn write(store: Arc<dyn Backend>, clock: TestClock, who: u64, load: Arc<Load>) -> Vec<u64> {
    let mut done = Vec::new();
    for n in 0.. {
        if load.stop.load(Ordering::SeqCst) {
            break;
        }
        let partition = format!("w{who}");
        let ops = vec![
            create(&item(&partition, &format!("{n}-a"))),
            create(&item(&partition, &format!("{n}-b"))),
            append(
                "note.created",
                &key(&partition, &n.to_string()),
                1,
                clock.now(),
            ),
        ];
        match store.commit(Batch { ops }).await {
            Ok(_) => {
                done.push(n);
                load.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err(Error::Unavailable(_)) => {
                load.failed.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(other) => panic!("an error that can be tried again was expected, not {other:?}"),
        }
    }
    done
}

/// Until so many more were acknowledged.
pub async fn progress(load: &Load, more: u64) {
    let goal = load.acknowledged.load(Ordering::SeqCst) + more;
    let waiting = async {
        while load.acknowledged.load(Ordering::SeqCst) < goal {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("writers go on");
}

/// Runs three writers, `harm` among them, and looks what is there at the end: all of it.
pub async fn survives(store: Arc<dyn Backend>, clock: &TestClock, harm: impl AsyncFn(&Load)) {
    let lost = ends_whole(store, clock, harm).await;
    assert_eq!(lost, Vec::<String>::new(), "acknowledged, and not there");
}

/// As [`survives`], on an engine that may forget what it acknowledged: answers what it forgot. All else
/// must be whole.
pub async fn ends_whole(
    store: Arc<dyn Backend>,
    clock: &TestClock,
    harm: impl AsyncFn(&Load),
) -> Vec<String> {
    let load = Arc::new(Load::default());
    let writers: Vec<_> = (0..3)
        .map(|who| {
            tokio::spawn(write(
                Arc::clone(&store),
                clock.clone(),
                who,
                Arc::clone(&load),
            ))
        })
        .collect();
    progress(&load, 30).await;
    harm(&load).await;
    progress(&load, 30).await;
    load.stop.store(true, Ordering::SeqCst);
    let mut told = std::collections::BTreeSet::new();
    let mut after = None;
    loop {
        let entries = store.feed(after.as_ref(), 500).await.expect("answers");
        let Some(last) = entries.last() else { break };
        after = Some(last.cursor.clone());
        told.extend(
            entries
                .into_iter()
                .map(|entry| (entry.record.key.partition, entry.record.key.sort)),
        );
    }
    let mut lost = Vec::new();
    for (who, writer) in writers.into_iter().enumerate() {
        let partition = format!("w{who}");
        for n in writer.await.expect("no panic") {
            let pair = [
                key(&partition, &format!("{n}-a")),
                key(&partition, &format!("{n}-b")),
            ];
            let found = store.get_many(&pair).await.expect("answers");
            match found.iter().flatten().count() {
                2 => {}
                0 => lost.push(format!("{partition} {n}")),
                _ => panic!("half of a commit: {partition} {n}"),
            }
        }
    }
    // What was not acknowledged is there wholly or not at all, and told of if and only if it is.
    let mut halves = std::collections::BTreeMap::<(String, String), usize>::new();
    let mut page = None;
    loop {
        let some = store
            .scan("note", page.as_ref(), 1_000)
            .await
            .expect("answers");
        for item in some.items {
            let (n, _) = item.key.sort.split_once('-').expect("n-a or n-b");
            *halves
                .entry((item.key.partition.clone(), n.to_owned()))
                .or_default() += 1;
        }
        page = some.next;
        if page.is_none() {
            break;
        }
    }
    assert!(halves.values().all(|halves| *halves == 2), "a torn batch");
    let late = store.feed(after.as_ref(), 1_000).await.expect("answers");
    told.extend(
        late.into_iter()
            .map(|entry| (entry.record.key.partition, entry.record.key.sort)),
    );
    assert_eq!(
        told,
        halves.into_keys().collect(),
        "the feed tells of all that is there"
    );
    assert_eq!(store.check().await.expect("answers"), []);
    lost
}
