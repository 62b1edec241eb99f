//! Batches: all or nothing, and no larger than stated.

use super::make::{
    ALL, append, assert_conflict, commit, create, delete, everything, get, item, listed, put, sorts,
};
use super::{Outcome, Subject};
use crate::kernel::{Error, Expect, IndexEntry, Item, Op};
use bytes::Bytes;

/// One operation that does not hold undoes puts, deletes, index entries and feed entries.
///
/// # Errors
/// A failure.
pub async fn atomic_batch(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let now = subject.clock.now();
    let (old, gone) = (
        listed(item("p", "old"), "l", "old"),
        listed(item("p", "gone"), "l", "gone"),
    );
    commit(backend, vec![create(&old), create(&gone)]).await?;
    subject.settle().await?;
    let end = backend.feed_end().await?;
    let new = listed(item("q", "new"), "l", "new");
    let changed = Item {
        version: 2,
        ..listed(old.clone(), "l", "moved")
    };
    let batch = |last: Op| {
        vec![
            create(&new),
            put(&changed, Expect::Version(1)),
            delete(&gone.key, Expect::Version(1)),
            append("note.created", &new.key, 1, now),
            last,
        ]
    };
    let other = item("q", "other");
    for last in [
        put(&other, Expect::Version(1)),
        delete(&other.key, Expect::Version(1)),
        Op::Check {
            key: other.key.clone(),
            expect: Expect::Version(1),
        },
    ] {
        assert_conflict(commit(backend, batch(last)).await, 4, &other.key);
        subject.settle().await?;
        assert_eq!(get(backend, &old.key).await?, Some(old.clone().bare()));
        assert_eq!(get(backend, &gone.key).await?, Some(gone.clone().bare()));
        assert_eq!(get(backend, &new.key).await?, None);
        assert_eq!(
            sorts(backend, &everything(Some(ALL), "l")).await?,
            ["gone", "old"]
        );
        assert_eq!(backend.feed(Some(&end), 10).await?, []);
    }
    let absent = Op::Check {
        key: other.key.clone(),
        expect: Expect::Absent,
    };
    commit(backend, batch(absent)).await?;
    subject.settle().await?;
    assert_eq!(get(backend, &old.key).await?, Some(changed.bare()));
    assert_eq!(get(backend, &gone.key).await?, None);
    assert_eq!(
        sorts(backend, &everything(Some(ALL), "l")).await?,
        ["old", "new"],
        "by index: moved, new"
    );
    assert_eq!(backend.feed(Some(&end), 10).await?.len(), 1);
    Ok(())
}

/// A batch of exactly the stated size is taken whole; one operation or byte more is refused whole.
///
/// # Errors
/// A failure.
pub async fn batch_limits(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let limits = backend.limits();
    let many: Vec<Op> = (0..=limits.batch_ops)
        .map(|n| create(&item("many", &format!("{n:06}"))))
        .collect();
    let refused = commit(backend, many.clone()).await;
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(sorts(backend, &everything(None, "many")).await?.len(), 0);
    commit(backend, many.into_iter().take(limits.batch_ops).collect()).await?;
    assert_eq!(
        sorts(backend, &everything(None, "many")).await?.len(),
        limits.batch_ops
    );

    let body = Bytes::from(vec![b'1'; limits.item_bytes]);
    let full = limits.batch_bytes / limits.item_bytes;
    if full < limits.batch_ops {
        let large = |n| {
            create(&Item {
                body: body.clone(),
                ..item("large", &format!("{n:06}"))
            })
        };
        let refused = commit(backend, (0..=full).map(large).collect()).await;
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{refused:?}"
        );
        assert_eq!(get(backend, &item("large", "000000").key).await?, None);
        commit(backend, (0..full).map(large).collect()).await?;
        assert!(get(backend, &item("large", "000000").key).await?.is_some());
    }
    let before = backend.feed_end().await?;
    let after = commit(backend, vec![]).await?;
    assert!(
        backend.feed_reached(&before, &after),
        "a batch of nothing commits"
    );
    Ok(())
}

/// The largest body and the longest keys come back whole; longer ones are refused.
///
/// # Errors
/// A failure.
pub async fn large_item(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let bytes = backend.limits().item_bytes;
    let body = |bytes: usize| Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2)));
    let largest = Item {
        body: body(bytes),
        ..item("p", "largest")
    };
    commit(backend, vec![create(&largest)]).await?;
    assert_eq!(get(backend, &largest.key).await?, Some(largest));

    let over = Item {
        body: body(bytes + 1),
        ..item("p", "over")
    };
    let refused = commit(backend, vec![create(&item("p", "with it")), create(&over)]).await;
    assert!(
        matches!(refused, Err(Error::TooLarge { limit, .. }) if limit == bytes),
        "{refused:?}"
    );
    assert_eq!(get(backend, &item("p", "with it").key).await?, None);

    let long = "é".repeat(512);
    let longest = listed(item(&long, &long), &long, &long);
    commit(backend, vec![create(&longest)]).await?;
    assert_eq!(get(backend, &longest.key).await?, Some(longest.bare()));
    subject.settle().await?;
    assert_eq!(
        sorts(backend, &everything(Some(ALL), &long)).await?,
        std::slice::from_ref(&long)
    );
    let longer = format!("{long}x");
    for item in [
        item(&longer, ""),
        item("p", &longer),
        listed(item("p", "l"), "l", &longer),
    ] {
        let refused = commit(backend, vec![create(&item)]).await;
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{refused:?}"
        );
    }
    Ok(())
}

/// Mistakes of the program are refused by name, not half done.
///
/// # Errors
/// A failure.
pub async fn misuse(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let one = item("p", "one");
    let entry = |sort: &str| IndexEntry {
        index: ALL,
        partition: "l".into(),
        sort: sort.into(),
    };
    let twice_listed = Item {
        entries: vec![entry("1"), entry("2")],
        ..one.clone()
    };
    for ops in [
        vec![create(&one), create(&one)],
        vec![create(&one), delete(&one.key, Expect::Any)],
        vec![
            create(&one),
            Op::Check {
                key: one.key.clone(),
                expect: Expect::Any,
            },
        ],
        vec![create(&one), create(&item("", "no partition"))],
        vec![create(&twice_listed)],
    ] {
        let refused = commit(backend, ops).await;
        assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
        assert_eq!(get(backend, &one.key).await?, None);
    }
    for limit in [0, 1_001] {
        let mut query = everything(None, "p");
        query.limit = limit;
        assert!(matches!(
            backend.query_many(&[query]).await,
            Err(Error::Misuse(_))
        ));
        assert!(matches!(
            backend.scan(one.key.collection, None, limit).await,
            Err(Error::Misuse(_))
        ));
    }
    Ok(())
}
