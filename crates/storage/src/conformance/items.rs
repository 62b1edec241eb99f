//! Single items: they come back as they were put, conditions hold, they expire.

use super::make::{
    ALL, NOTE, TASK, assert_conflict, commit, create, create_all, delete, everything, get, item,
    listed, page, put, sorts,
};
use super::{Outcome, Subject};
use crate::kernel::{Expect, IndexEntry, Item, ItemKey, Op};

/// What is put is what is read, to the byte, by the next read after the commit.
///
/// # Errors
/// A failure.
pub async fn round_trip(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let entries = vec![
        IndexEntry {
            index: ALL,
            partition: "é\u{1f}\"\\".into(),
            sort: String::new(),
        },
        IndexEntry {
            index: "by_time",
            partition: "*".into(),
            sort: "\u{1f}😀".into(),
        },
    ];
    let full = Item {
        version: 7,
        body: "{\"text\":\"é\\u0000 \\\"quoted\\\" 😀\"}".into(),
        entries,
        expires: Some(subject.clock.now().plus_days(1)),
        ..item("p\u{1f}ü", "s/1 ?&'\"")
    };
    let bare = Item {
        body: "{}".into(),
        ..item("p", "")
    };
    let mut elsewhere = item("p", "");
    elsewhere.key.collection = TASK;
    for one in [&full, &bare, &elsewhere] {
        assert_eq!(get(backend, &one.key).await?, None);
        commit(backend, vec![create(one)]).await?;
        assert_eq!(get(backend, &one.key).await?, Some(one.clone().bare()));
        let all = backend.scan(one.key.collection, None, 10).await?.items;
        assert!(all.contains(one), "a scan answers all of it: {all:?}");
    }
    let changed = Item {
        version: 8,
        body: "[1]".into(),
        entries: vec![],
        expires: None,
        ..full.clone()
    };
    commit(backend, vec![put(&changed, Expect::Version(7))]).await?;
    assert_eq!(
        get(backend, &full.key).await?,
        Some(changed),
        "a put replaces all of the item"
    );
    commit(backend, vec![delete(&full.key, Expect::Version(8))]).await?;
    assert_eq!(get(backend, &full.key).await?, None);
    assert_eq!(get(backend, &bare.key).await?, Some(bare));
    Ok(())
}

/// Answers come in the order of the keys, with gaps, repeats, and more keys than a server takes.
///
/// # Errors
/// A failure.
pub async fn many_keys_at_once(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    assert_eq!(backend.get_many(&[]).await?, []);
    let items: Vec<Item> = (0..250).map(|n| item("p", &format!("{n:03}"))).collect();
    create_all(backend, &items).await?;
    let mut keys: Vec<ItemKey> = items.iter().rev().map(|item| item.key.clone()).collect();
    keys.insert(3, item("p", "none").key);
    keys.insert(5, items[249].key.clone());
    keys.push(ItemKey {
        collection: "never_written",
        ..items[0].key.clone()
    });
    let found = backend.get_many(&keys).await?;
    assert_eq!(found.len(), keys.len());
    for (key, found) in keys.iter().zip(found) {
        assert_eq!(
            found.as_ref(),
            items.iter().find(|item| item.key == *key),
            "{key:?}"
        );
    }
    Ok(())
}

/// Every expectation against every state: it holds, or nothing is written.
///
/// # Errors
/// A failure.
pub async fn conditional_write(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let stored = Item {
        version: 2,
        ..item("p", "there")
    };
    let expired = Item {
        version: 2,
        expires: Some(subject.clock.now()),
        ..item("p", "expired")
    };
    let missing = item("p", "missing");
    let holds = |state: &Item, expect| match expect {
        Expect::Any => true,
        Expect::Absent => state.key != stored.key,
        Expect::Version(version) => state.key == stored.key && version == 2,
    };
    for state in [&stored, &expired, &missing] {
        for expect in [
            Expect::Any,
            Expect::Absent,
            Expect::Version(1),
            Expect::Version(2),
            Expect::Version(3),
        ] {
            let written = Item {
                version: 9,
                body: "{\"written\":1}".into(),
                expires: None,
                ..state.clone()
            };
            let operations: [(Op, Option<Item>); 3] = [
                (put(&written, expect), Some(written.clone())),
                (delete(&state.key, expect), None),
                (
                    Op::Check {
                        key: state.key.clone(),
                        expect,
                    },
                    Some(stored.clone()).filter(|_| state.key == stored.key),
                ),
            ];
            for (op, then) in operations {
                commit(backend, vec![delete(&state.key, Expect::Any)]).await?;
                if state.key != missing.key {
                    commit(backend, vec![put(state, Expect::Any)]).await?;
                }
                let before = get(backend, &state.key).await?;
                let outcome = commit(backend, vec![op]).await;
                let after = get(backend, &state.key).await?;
                if holds(state, expect) {
                    outcome?;
                    assert_eq!(after, then, "{expect:?} on {:?}", state.key);
                } else {
                    assert_conflict(outcome, 0, &state.key);
                    assert_eq!(after, before, "{expect:?} on {:?}", state.key);
                }
            }
        }
    }
    Ok(())
}

/// Index entries are those of the item's last version, and go with it.
///
/// # Errors
/// A failure.
pub async fn index_follows_item(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let one = listed(item("p", "one"), "open", "1");
    commit(backend, vec![create(&one)]).await?;
    let steps = [
        (
            Some(listed(
                Item {
                    version: 2,
                    ..one.clone()
                },
                "open",
                "2",
            )),
            1,
            0,
        ),
        (
            Some(listed(
                Item {
                    version: 3,
                    ..one.clone()
                },
                "closed",
                "2",
            )),
            0,
            1,
        ),
        (
            Some(Item {
                version: 4,
                body: "{}".into(),
                ..listed(one.clone(), "closed", "2")
            }),
            0,
            1,
        ),
        (
            Some(Item {
                version: 5,
                entries: vec![],
                ..one.clone()
            }),
            0,
            0,
        ),
        (
            Some(listed(
                Item {
                    version: 6,
                    ..one.clone()
                },
                "open",
                "1",
            )),
            1,
            0,
        ),
        (None, 0, 0),
    ];
    for (next, open, closed) in steps {
        let op = next.as_ref().map_or_else(
            || delete(&one.key, Expect::Any),
            |next| put(next, Expect::Any),
        );
        commit(backend, vec![op]).await?;
        subject.settle().await?;
        let pages = backend
            .query_many(&[
                everything(Some(ALL), "open"),
                everything(Some(ALL), "closed"),
            ])
            .await?;
        let counts: Vec<usize> = pages.iter().map(|page| page.items.len()).collect();
        assert_eq!(counts, [open, closed], "{next:?}");
        for found in pages.into_iter().flat_map(|page| page.items) {
            assert_eq!(Some(found), next.clone().map(Item::bare));
        }
    }
    assert_eq!(backend.check().await?, []);
    Ok(())
}

/// An expired item is gone from every read before it is purged, and from the store after.
///
/// # Errors
/// A failure.
pub async fn expiry(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let now = subject.clock.now();
    for (name, after) in [
        ("first", Some(1_000)),
        ("second", Some(2_000)),
        ("never", None),
    ] {
        let expires = after.map(|millis| now.plus_millis(millis));
        commit(
            backend,
            vec![create(&Item {
                expires,
                ..listed(item("p", name), "l", name)
            })],
        )
        .await?;
    }
    subject.settle().await?;
    let mut purged = 0;
    for (millis, left) in [(999, 3), (1, 2), (1, 2), (999, 1), (100_000, 1)] {
        subject.clock.advance(millis);
        let expected = ["first", "second", "never"]
            .into_iter()
            .skip(3 - left)
            .collect::<Vec<_>>();
        let found = backend
            .get_many(&["first", "second", "never"].map(|name| item("p", name).key))
            .await?;
        assert_eq!(found.iter().flatten().count(), left);
        let mut sorted = expected.clone();
        sorted.sort_unstable();
        assert_eq!(sorts(backend, &everything(None, "p")).await?, sorted);
        assert_eq!(sorts(backend, &everything(Some(ALL), "l")).await?, sorted);
        assert_eq!(backend.scan(NOTE, None, 10).await?.items.len(), left);
        // The first purge comes a while after the first expiry.
        if millis == 999 || left == 1 {
            purged += backend.purge_expired(100).await?;
            let gone = u64::try_from(3 - left).unwrap_or(0);
            assert!(purged >= gone || purged == 0, "purged {purged} of {gone}");
        }
    }
    // A store that removes expired items by itself may have been first.
    assert!(purged <= 2);
    let again = item("p", "first");
    commit(backend, vec![create(&again)]).await?;
    assert_eq!(
        get(backend, &again.key).await?,
        Some(again),
        "the place of an expired item is free"
    );
    assert_eq!(backend.check().await?, []);
    Ok(())
}

/// A scan shows each item of one collection once, in key order, page by page.
///
/// # Errors
/// A failure.
pub async fn scan(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let mut items: Vec<Item> = ["p", "p\u{1f}", "p0", "q", "é"]
        .iter()
        .flat_map(|partition| ["", "1", "1\u{1f}", "2", "ü"].map(|sort| item(partition, sort)))
        .collect();
    create_all(backend, &items).await?;
    for collection in ["aaa", "note2", TASK] {
        let mut other = item("p", "1");
        other.key.collection = collection;
        commit(backend, vec![create(&other)]).await?;
    }
    items.sort_by(|a, b| a.key.cmp(&b.key));
    for limit in [1, 7, items.len(), 1_000] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = backend.scan(NOTE, after.as_ref(), limit).await?;
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, items, "pages of {limit}");
    }
    assert!(
        backend
            .scan("never_written", None, 10)
            .await?
            .items
            .is_empty()
    );
    assert_eq!(page(backend, &everything(None, "none")).await?.items, []);
    Ok(())
}
