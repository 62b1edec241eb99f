//! What a copy takes along, where it goes on, and what it notices.

use super::*;
use crate::backend::memory::MemoryBackend;
use crate::kernel::{FeedRecord, IndexEntry};
use gna_domain::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn store() -> MemoryBackend {
    MemoryBackend::new(Arc::new(Timestamp::default))
}

fn user(n: usize) -> Item {
    Item {
        key: ItemKey {
            collection: "user",
            partition: format!("u{n:05}"),
            sort: String::new(),
        },
        version: 3,
        body: format!("{{\"n\":{n}}}").into(),
        entries: vec![IndexEntry {
            index: "all",
            partition: "all".into(),
            sort: format!("{n}@example.com"),
        }],
        expires: n.is_multiple_of(7).then(|| Timestamp::from_millis(9)),
    }
}

async fn filled(users: usize) -> MemoryBackend {
    let store = store();
    let mut ops: Vec<Op> = (0..users)
        .map(|n| Op::Put {
            item: user(n),
            expect: Expect::Absent,
        })
        .collect();
    ops.push(Op::Append(FeedRecord {
        event: "user.created".into(),
        key: user(0).key,
        version: 3,
        at: Timestamp::from_millis(0),
        data: "".into(),
    }));
    store.commit(Batch { ops }).await.unwrap();
    store
}

#[tokio::test]
async fn a_copy_holds_the_same_items_and_an_empty_feed_and_waits() {
    let (from, to) = (filled(1_300).await, store());
    let copied = copy(&from, &to, &|_| {}).await.unwrap();
    let users = copied.iter().find(|one| one.collection == "user").unwrap();
    assert_eq!(users.items, 1_300);
    let key = user(1_299).key;
    assert_eq!(
        to.get_many(std::slice::from_ref(&key)).await.unwrap(),
        [Some(user(1_299).bare())]
    );
    assert_eq!(to.feed(None, 10).await.unwrap(), []);
    assert_eq!(to.check().await.unwrap(), []);
    let (state, _) = progress(&to).await.unwrap().unwrap();
    assert_eq!((state.stage, state.items), (Stage::Paused, 1_300));
    let version = progress(&to).await.unwrap().unwrap().1;
    let again = copy(&from, &to, &|_| panic!("nothing is left to write")).await;
    assert_eq!(again.unwrap(), copied, "only compared");
    assert_eq!(progress(&to).await.unwrap().unwrap().1, version);
    assert!(activate(&to).await.unwrap());
    assert!(!activate(&to).await.unwrap());
    let refusal = copy(&from, &to, &|_| {}).await.unwrap_err().to_string();
    assert!(refusal.contains("not empty"), "{refusal}");
}

/// Copies until 500 items or more are there, and ends as a kill does.
async fn interrupted(from: &Arc<MemoryBackend>, to: &Arc<MemoryBackend>) {
    let steps = Arc::new(AtomicUsize::new(0));
    let ended = {
        let (from, to, steps) = (Arc::clone(from), Arc::clone(to), Arc::clone(&steps));
        tokio::spawn(async move {
            let stop = move |state: &Progress| {
                if state.items >= 500 {
                    steps.fetch_add(1, Ordering::SeqCst);
                    panic!("killed here");
                }
            };
            copy(from.as_ref(), to.as_ref(), &stop).await.map(|_| ())
        })
    };
    assert!(ended.await.is_err());
    assert_eq!(steps.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn half_a_copy_is_no_source_and_a_whole_one_is() {
    let (from, half) = (Arc::new(filled(1_300).await), Arc::new(store()));
    interrupted(&from, &half).await;
    let third = store();
    let refusal = copy(half.as_ref(), &third, &|_| panic!("nothing goes over"))
        .await
        .unwrap_err();
    assert!(matches!(refusal, CopyError::Refused(_)), "{refusal:?}");
    assert!(refusal.to_string().contains("not complete"), "{refusal}");
    assert_eq!(progress(&third).await.unwrap(), None, "left as it was");
    assert!(!activate(&third).await.unwrap());

    let copied = copy(from.as_ref(), half.as_ref(), &|_| {}).await.unwrap();
    // A copy that waits may be copied on; the next one waits, too.
    assert_eq!(copy(half.as_ref(), &third, &|_| {}).await.unwrap(), copied);
    let (state, _) = progress(&third).await.unwrap().unwrap();
    assert_eq!((state.stage, state.items), (Stage::Paused, 1_300));
}

#[tokio::test]
async fn a_copy_that_was_interrupted_goes_on_where_it_stopped() {
    let (from, to) = (Arc::new(filled(1_300).await), Arc::new(store()));
    interrupted(&from, &to).await;
    assert!(matches!(
        activate(to.as_ref()).await,
        Err(CopyError::Refused(_))
    ));
    let resumed = AtomicUsize::new(0);
    let count = |_: &Progress| {
        resumed.fetch_add(1, Ordering::SeqCst);
    };
    copy(from.as_ref(), to.as_ref(), &count).await.unwrap();
    let (state, _) = progress(to.as_ref()).await.unwrap().unwrap();
    assert_eq!(state.items, 1_300, "none was counted twice");
}

#[tokio::test]
async fn a_source_that_changes_meanwhile_is_noticed() {
    let (from, to) = (Arc::new(filled(10).await), store());
    let behind = Arc::clone(&from);
    let change = move |state: &Progress| {
        // After the users have gone over, one more comes.
        if state.items == 10 {
            let ops = vec![Op::Put {
                item: user(99),
                expect: Expect::Any,
            }];
            let done = futures::FutureExt::now_or_never(behind.commit(Batch { ops }));
            done.expect("memory answers at once").unwrap();
        }
    };
    let refusal = copy(from.as_ref(), &to, &change)
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("differs"), "{refusal}");
}
