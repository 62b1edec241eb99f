//! The feed: in order, resumable anywhere, and honest about what it no longer has.

use super::make::{NOTE, append, commit, create, item, put};
use super::{Outcome, Subject};
use crate::kernel::{Backend, Error, Expect, FeedCursor, FeedEntry, Item};

/// Commits `batches` of three records each about items a, b and a; answers the place after each.
async fn tell(subject: &Subject, batches: u64) -> Result<Vec<FeedCursor>, Error> {
    let mut places = Vec::new();
    for n in 1..=batches {
        let (a, b) = (
            Item {
                version: n,
                ..item("p", "a")
            },
            Item {
                version: n,
                ..item("p", "b")
            },
        );
        let at = subject.clock.now();
        let ops = vec![
            put(&a, Expect::Any),
            append("note.changed", &a.key, n, at),
            put(&b, Expect::Any),
            append("note.changed", &b.key, n, at),
            append("note.noticed", &a.key, n, at),
        ];
        places.push(commit(subject.backend.as_ref(), ops).await?);
        subject.clock.advance(10);
    }
    subject.settle().await?;
    Ok(places)
}

async fn read_all(
    backend: &dyn Backend,
    mut after: Option<FeedCursor>,
    limit: usize,
) -> Result<Vec<FeedEntry>, Error> {
    let mut all: Vec<FeedEntry> = Vec::new();
    loop {
        let some = backend.feed(after.as_ref(), limit).await?;
        assert!(some.len() <= limit);
        let Some(last) = some.last() else {
            return Ok(all);
        };
        after = Some(last.cursor.clone());
        all.extend(some);
    }
}

/// Every reader sees every record once, by commit, from wherever it stopped.
///
/// # Errors
/// A failure.
pub async fn feed_order_and_resume(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    assert_eq!(backend.feed(None, 10).await?, []);
    let start = backend.feed_end().await?;
    let places = tell(subject, 8).await?;

    let all = read_all(backend, None, 1_000).await?;
    let told: Vec<(&str, &str, u64)> = all
        .iter()
        .map(|entry| {
            (
                entry.record.event.as_str(),
                entry.record.key.sort.as_str(),
                entry.record.version,
            )
        })
        .collect();
    for sort in ["a", "b"] {
        let versions: Vec<u64> = told
            .iter()
            .filter(|(event, of, _)| (*event, *of) == ("note.changed", sort))
            .map(|told| told.2)
            .collect();
        assert_eq!(
            versions,
            (1..=8).collect::<Vec<_>>(),
            "in commit order, {sort}"
        );
    }
    assert_eq!(all.len(), 24);
    let first = &all.first().expect("24 entries").record;
    assert_eq!(
        (first.key.collection, first.data.as_ref()),
        (NOTE, b"{\"n\":1}".as_slice())
    );
    assert_eq!(
        read_all(backend, Some(start), 1_000).await?,
        all,
        "from the place before the first"
    );
    assert_eq!(read_all(backend, None, 5).await?, all, "in small steps");

    for (n, place) in places.iter().enumerate() {
        let rest = read_all(backend, Some(place.clone()), 1_000).await?;
        assert_eq!(
            rest.len(),
            all.len() - 3 * (n + 1),
            "after commit {n} comes what is after it"
        );
        assert!(all.ends_with(&rest));
        for (m, other) in places.iter().enumerate() {
            assert_eq!(backend.feed_reached(place, other), n <= m);
        }
    }
    for (n, entry) in all.iter().enumerate() {
        assert_eq!(
            read_all(backend, Some(entry.cursor.clone()), 1_000).await?,
            all[n + 1..]
        );
    }
    let end = backend.feed_end().await?;
    assert!(places.iter().all(|place| backend.feed_reached(place, &end)));
    assert!(matches!(
        backend.feed(Some(&FeedCursor("no place".into())), 10).await,
        Err(Error::BadCursor)
    ));
    Ok(())
}

/// Trimmed entries are gone; who needed them is told, who did not goes on.
///
/// # Errors
/// A failure.
pub async fn feed_gap(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let begin = subject.clock.now();
    let places = tell(subject, 6).await?;
    let all = read_all(backend, None, 1_000).await?;
    assert_eq!(backend.trim_feed(begin).await?, 0, "none is older");
    assert_eq!(read_all(backend, None, 1_000).await?, all);

    // The third batch was told at begin + 20.
    assert_eq!(backend.trim_feed(begin.plus_millis(20)).await?, 6);
    assert_eq!(
        read_all(backend, None, 1_000).await?,
        all[6..],
        "from the oldest kept"
    );
    assert_eq!(
        read_all(backend, Some(places[1].clone()), 1_000).await?,
        all[6..],
        "nothing was missed here"
    );
    assert_eq!(
        read_all(backend, Some(places[4].clone()), 1_000).await?,
        all[15..]
    );
    for behind in [&places[0], &all[0].cursor, &all[4].cursor] {
        let refused = backend.feed(Some(behind), 10).await;
        assert!(
            matches!(refused, Err(Error::FeedGap)),
            "{behind:?}: {refused:?}"
        );
    }

    let end = backend.feed_end().await?;
    assert_eq!(
        backend.trim_feed(subject.clock.now().plus_days(1)).await?,
        12
    );
    assert_eq!(backend.feed(None, 10).await?, []);
    assert!(
        backend.feed_reached(&end, &backend.feed_end().await?),
        "places are never used again"
    );
    assert_eq!(backend.feed(Some(&end), 10).await?, []);
    assert!(matches!(
        backend.feed(Some(&places[4]), 10).await,
        Err(Error::FeedGap)
    ));
    tell(subject, 1).await?;
    let after: Vec<FeedEntry> = read_all(backend, Some(end), 1_000).await?;
    assert_eq!(after.len(), 3);
    assert_eq!(read_all(backend, None, 1_000).await?, after);
    Ok(())
}

/// A reader that sleeps on the watch wakes for each commit that is to be seen, and not for others.
///
/// # Errors
/// A failure.
pub async fn commits_are_announced(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let mut commits = backend.commits();
    commits.mark_unchanged();
    commit(backend, vec![create(&item("p", "1"))]).await?;
    subject.settle().await?;
    assert!(commits.has_changed().is_ok_and(|changed| changed));
    commits.mark_unchanged();
    let lost = commit(backend, vec![create(&item("p", "1"))]).await;
    assert!(matches!(lost, Err(Error::Conflict { .. })));
    assert!(commits.has_changed().is_ok_and(|changed| !changed));
    Ok(())
}
