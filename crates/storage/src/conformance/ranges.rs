//! Ranges: byte order, every kind of bound, and nothing from next door.

use super::make::{
    ALL, NOTE, TASK, commit, create, create_all, everything, item, listed, page, sorts,
};
use super::{Outcome, Subject};
use crate::kernel::{Direction, Item, RangeQuery, prefix_range};
use std::ops::Bound;

/// Sort keys with neighbours: one inside another, separators, and letters of 1 to 4 bytes.
const KEYS: &[&str] = &[
    "", " ", "A", "Z", "a", "a\u{1}", "a\u{1f}x", "a!", "aa", "ab", "b", "z", "é", "éa", "日本",
    "😀", "😀a",
];

/// Ranges of the primary key.
///
/// # Errors
/// A failure.
pub async fn range_and_prefix_edges(subject: &Subject) -> Outcome {
    let items: Vec<Item> = KEYS.iter().map(|sort| item("p", sort)).collect();
    create_all(subject.backend.as_ref(), &items).await?;
    for partition in ["o", "p\u{1}", "p ", "pp", "q", "P"] {
        create_all(
            subject.backend.as_ref(),
            &[item(partition, "a"), item(partition, "")],
        )
        .await?;
    }
    edges(subject, &everything(None, "p")).await
}

/// The same ranges of an index.
///
/// # Errors
/// A failure.
pub async fn index_range_edges(subject: &Subject) -> Outcome {
    // Each item lies in a partition of its own: the index alone brings them together.
    let items: Vec<Item> = KEYS
        .iter()
        .enumerate()
        .map(|(n, sort)| listed(item(&format!("{n}"), sort), "p", sort))
        .collect();
    create_all(subject.backend.as_ref(), &items).await?;
    for partition in ["o", "p\u{1}", "p ", "pp", "q", "P"] {
        create_all(
            subject.backend.as_ref(),
            &[listed(item("other", partition), partition, "a")],
        )
        .await?;
    }
    subject.settle().await?;
    edges(subject, &everything(Some(ALL), "p")).await
}

/// Compares every pair of bounds, in both directions and in pages, with a filter over [`KEYS`].
async fn edges(subject: &Subject, query: &RangeQuery) -> Outcome {
    let mut sorted = KEYS.to_vec();
    sorted.sort_unstable();
    let at = ["", "a", "aa", "b0", "é", "😀"];
    let bounds = || {
        let closed = at.iter().map(|key| Bound::Included((*key).to_owned()));
        let open = at.iter().map(|key| Bound::Excluded((*key).to_owned()));
        closed
            .chain(open)
            .chain([Bound::Unbounded])
            .collect::<Vec<_>>()
    };
    let mut ranges: Vec<(Bound<String>, Bound<String>)> = bounds()
        .into_iter()
        .flat_map(|from| bounds().into_iter().map(move |to| (from.clone(), to)))
        .collect();
    ranges.extend(["", "a", "aa", "a\u{1f}", "é", "😀", "none"].map(prefix_range));
    for (n, (from, to)) in ranges.into_iter().enumerate() {
        let inside = |key: &&&str| {
            let above = match &from {
                Bound::Included(from) => **key >= from.as_str(),
                Bound::Excluded(from) => **key > from.as_str(),
                Bound::Unbounded => true,
            };
            above
                && match &to {
                    Bound::Included(to) => **key <= to.as_str(),
                    Bound::Excluded(to) => **key < to.as_str(),
                    Bound::Unbounded => true,
                }
        };
        let mut expected: Vec<&str> = sorted.iter().filter(inside).copied().collect();
        let limit = if n % 3 == 0 { 2 } else { 1_000 };
        for direction in [Direction::Ascending, Direction::Descending] {
            let query = RangeQuery {
                from: from.clone(),
                to: to.clone(),
                direction,
                limit,
                ..query.clone()
            };
            let found = sorts(subject.backend.as_ref(), &query).await?;
            assert_eq!(
                found, expected,
                "{direction:?} from {from:?} to {to:?} by {limit}"
            );
            expected.reverse();
        }
    }
    for prefix in ["a", "aa", "é", "😀"] {
        let (from, to) = prefix_range(prefix);
        let found = sorts(
            subject.backend.as_ref(),
            &RangeQuery {
                from,
                to,
                ..query.clone()
            },
        )
        .await?;
        assert_eq!(
            found.len(),
            KEYS.iter().filter(|key| key.starts_with(prefix)).count(),
            "prefix {prefix}"
        );
    }
    Ok(())
}

/// A partition, an index and a collection show their own items only, whatever their names share.
///
/// # Errors
/// A failure.
pub async fn tenant_isolation(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let tenants = ["grp_1", "grp_10", "grp_1\u{1f}", "grp_1/x", "grp", "GRP_1"];
    for tenant in tenants {
        for collection in [NOTE, TASK] {
            let mut one = listed(item(tenant, "same"), tenant, "same");
            one.key.collection = collection;
            one.body = format!("{{\"of\":\"{collection}\"}}").into();
            let second = Item {
                entries: vec![crate::kernel::IndexEntry {
                    index: "second",
                    ..one.entries[0].clone()
                }],
                ..one.clone()
            };
            let second = Item {
                key: crate::kernel::ItemKey {
                    sort: "second".into(),
                    ..one.key.clone()
                },
                ..second
            };
            commit(backend, vec![create(&one), create(&second)]).await?;
        }
    }
    subject.settle().await?;
    for tenant in tenants {
        for collection in [NOTE, TASK] {
            for (index, expected) in [
                (None, vec!["same", "second"]),
                (Some(ALL), vec!["same"]),
                (Some("second"), vec!["second"]),
            ] {
                let found = page(
                    backend,
                    &RangeQuery {
                        collection,
                        ..everything(index, tenant)
                    },
                )
                .await?;
                let keys: Vec<_> = found
                    .items
                    .iter()
                    .map(|item| (item.key.collection, item.key.partition.as_str()))
                    .collect();
                assert!(
                    keys.iter().all(|key| *key == (collection, tenant)),
                    "{keys:?}"
                );
                let sorts: Vec<&str> = found
                    .items
                    .iter()
                    .map(|item| item.key.sort.as_str())
                    .collect();
                assert_eq!(sorts, expected);
            }
        }
    }
    assert_eq!(
        page(backend, &everything(Some("never_written"), "grp_1"))
            .await?
            .items,
        []
    );
    assert_eq!(page(backend, &everything(None, "grp_")).await?.items, []);
    Ok(())
}
