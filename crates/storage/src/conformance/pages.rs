//! Paging: what was there all along is seen once, whatever is written meanwhile.

use super::make::{
    ALL, commit, create, create_all, delete, everything, item, listed, page, put, sorts,
};
use super::{Outcome, Subject};
use crate::kernel::{Direction, Error, Expect, Item, RangeQuery};
use gna_domain::page::Cursor;

/// Items are added and removed around every page, and others change, while it is read.
///
/// # Errors
/// A failure.
pub async fn cursor_stability_while_writing(subject: &Subject) -> Outcome {
    for index in [None, Some(ALL)] {
        for direction in [Direction::Ascending, Direction::Descending] {
            walk(subject, index, direction).await?;
        }
    }
    Ok(())
}

async fn walk(subject: &Subject, index: Option<&'static str>, direction: Direction) -> Outcome {
    let backend = subject.backend.as_ref();
    let partition = format!("{index:?} {direction:?}");
    let named = |sort: &str| listed(item(&partition, sort), &partition, sort);
    let lasting: Vec<Item> = (0..40).map(|n| named(&format!("{n:02}"))).collect();
    let passing: Vec<Item> = (0..40).map(|n| named(&format!("{n:02}+"))).collect();
    create_all(backend, &lasting).await?;
    create_all(backend, &passing).await?;
    subject.settle().await?;

    let mut query = RangeQuery {
        direction,
        limit: 7,
        ..everything(index, &partition)
    };
    let mut seen = Vec::new();
    let mut pass = passing.iter();
    for round in 0.. {
        let found = page(backend, &query).await?;
        seen.extend(found.items.into_iter().map(|item| item.key.sort));
        if found.next.is_none() {
            break;
        }
        query.after = found.next;
        // The item that the cursor names goes, new ones come at both ends and near it.
        let mut ops: Vec<_> = pass
            .by_ref()
            .take(2)
            .map(|gone| delete(&gone.key, Expect::Any))
            .collect();
        let last = seen.last().cloned().unwrap_or_default();
        if last.ends_with('+')
            && !passing
                .iter()
                .take(2 * (round + 1))
                .any(|gone| gone.key.sort == last)
        {
            ops.push(delete(&named(&last).key, Expect::Any));
        }
        ops.extend(
            [
                format!("!{round}"),
                format!("{last}!{round}"),
                format!("~{round}"),
            ]
            .map(|sort| create(&named(&sort))),
        );
        let kept = &lasting[round % lasting.len()];
        ops.push(put(
            &Item {
                version: 2,
                ..kept.clone()
            },
            Expect::Any,
        ));
        commit(backend, ops).await?;
        subject.settle().await?;
    }
    let mut in_order = seen.clone();
    in_order.sort_unstable();
    in_order.dedup();
    if direction == Direction::Descending {
        in_order.reverse();
    }
    assert_eq!(seen, in_order, "in order, none twice");
    let lasted = seen
        .iter()
        .filter(|sort| lasting.iter().any(|item| item.key.sort == **sort))
        .count();
    assert_eq!(lasted, lasting.len(), "what was there all along is there");
    Ok(())
}

/// Items with the same sort key in an index: each once, in the same order at every page length.
///
/// # Errors
/// A failure.
pub async fn equal_sort_keys(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let items: Vec<Item> = (0..30)
        .map(|n| {
            listed(
                item(&format!("p{}", n % 4), &format!("{n:02}")),
                "l",
                &format!("{}", n / 10),
            )
        })
        .collect();
    create_all(backend, &items).await?;
    subject.settle().await?;
    let whole = sorts(backend, &everything(Some(ALL), "l")).await?;
    assert_eq!(whole.len(), items.len());
    for (third, found) in whole.chunks(10).enumerate() {
        assert!(
            found
                .iter()
                .all(|sort| sort.starts_with(&third.to_string())),
            "{found:?}"
        );
    }
    for limit in [1, 3, 10, 29, 30] {
        let query = RangeQuery {
            limit,
            ..everything(Some(ALL), "l")
        };
        assert_eq!(sorts(backend, &query).await?, whole, "pages of {limit}");
        let mut down = sorts(
            backend,
            &RangeQuery {
                direction: Direction::Descending,
                ..query
            },
        )
        .await?;
        down.reverse();
        assert_eq!(down, whole, "pages of {limit}, descending");
    }
    Ok(())
}

/// Cursors that are no cursors, or those of another query, never lead outside the range.
///
/// # Errors
/// A failure.
pub async fn foreign_cursors(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    for partition in ["p", "q"] {
        let items: Vec<Item> = (0..6)
            .map(|n| listed(item(partition, &n.to_string()), partition, &n.to_string()))
            .collect();
        create_all(backend, &items).await?;
    }
    subject.settle().await?;
    for made_up in ["", "x", "!!", "AAAA", "W10", "999999999999"] {
        for index in [None, Some(ALL)] {
            let query = RangeQuery {
                after: Some(Cursor(made_up.into())),
                ..everything(index, "p")
            };
            let refused = backend.query_many(&[query]).await;
            assert!(
                matches!(refused, Err(Error::BadCursor)),
                "{made_up}: {refused:?}"
            );
        }
    }
    for index in [None, Some(ALL)] {
        let next = page(
            backend,
            &RangeQuery {
                limit: 2,
                ..everything(index, "p")
            },
        )
        .await?
        .next;
        let elsewhere = page(
            backend,
            &RangeQuery {
                after: next.clone(),
                ..everything(index, "q")
            },
        )
        .await;
        for found in elsewhere.map(|page| page.items).unwrap_or_default() {
            assert_eq!(found.key.partition, "q");
        }
        let narrow = RangeQuery {
            from: std::ops::Bound::Included("4".into()),
            after: next.clone(),
            ..everything(index, "p")
        };
        assert_eq!(
            sorts(backend, &narrow).await?,
            ["4", "5"],
            "a cursor does not widen the range"
        );
        let other_kind = if index.is_none() { Some(ALL) } else { None };
        let refused = backend
            .query_many(&[RangeQuery {
                after: next,
                ..everything(other_kind, "p")
            }])
            .await;
        assert!(matches!(refused, Err(Error::BadCursor)), "{refused:?}");
    }
    Ok(())
}
