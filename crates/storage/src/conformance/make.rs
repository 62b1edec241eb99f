//! Short ways to write items, operations and queries in checks.

use crate::kernel::{
    Backend, Batch, Direction, Error, Expect, FeedCursor, FeedRecord, IndexEntry, Item, ItemKey,
    ItemPage, Op, RangeQuery,
};
use bytes::Bytes;
use gna_domain::time::Timestamp;
use std::ops::Bound;

/// The collection that checks use when one will do.
pub const NOTE: &str = "note";
/// Another one.
pub const TASK: &str = "task";
/// An index, of either collection.
pub const ALL: &str = "all";

#[must_use]
pub fn key(partition: &str, sort: &str) -> ItemKey {
    ItemKey {
        collection: NOTE,
        partition: partition.to_owned(),
        sort: sort.to_owned(),
    }
}

/// Version 1, in no index.
#[must_use]
pub fn item(partition: &str, sort: &str) -> Item {
    let body = format!(
        "{{\"of\":{}}}",
        serde_json::Value::from(format!("{partition}/{sort}"))
    );
    Item {
        key: key(partition, sort),
        version: 1,
        body: body.into(),
        entries: Vec::new(),
        expires: None,
    }
}

/// The same with an entry in [`ALL`].
#[must_use]
pub fn listed(item: Item, partition: &str, sort: &str) -> Item {
    let entry = IndexEntry {
        index: ALL,
        partition: partition.to_owned(),
        sort: sort.to_owned(),
    };
    Item {
        entries: vec![entry],
        ..item
    }
}

#[must_use]
pub fn put(item: &Item, expect: Expect) -> Op {
    Op::Put {
        item: item.clone(),
        expect,
    }
}

#[must_use]
pub fn create(item: &Item) -> Op {
    put(item, Expect::Absent)
}

#[must_use]
pub fn delete(key: &ItemKey, expect: Expect) -> Op {
    Op::Delete {
        key: key.clone(),
        expect,
    }
}

#[must_use]
pub fn append(event: &str, key: &ItemKey, version: u64, at: Timestamp) -> Op {
    Op::Append(FeedRecord {
        event: event.to_owned(),
        key: key.clone(),
        version,
        at,
        data: Bytes::from("{\"n\":1}"),
    })
}

/// # Errors
/// Those of the commit.
pub async fn commit(backend: &dyn Backend, ops: Vec<Op>) -> Result<FeedCursor, Error> {
    backend.commit(Batch { ops }).await
}

/// Commits any number of creations, in batches that the backend takes.
///
/// # Errors
/// Those of the commits.
pub async fn create_all(backend: &dyn Backend, items: &[Item]) -> Result<(), Error> {
    for some in items.chunks(backend.limits().batch_ops.min(50)) {
        commit(backend, some.iter().map(create).collect()).await?;
    }
    Ok(())
}

/// # Errors
/// Those of the read.
pub async fn get(backend: &dyn Backend, key: &ItemKey) -> Result<Option<Item>, Error> {
    Ok(backend
        .get_many(std::slice::from_ref(key))
        .await?
        .into_iter()
        .next()
        .flatten())
}

/// The whole of a partition of [`NOTE`], ascending, up to 1,000 items.
#[must_use]
pub fn everything(index: Option<&'static str>, partition: &str) -> RangeQuery {
    RangeQuery {
        collection: NOTE,
        index,
        partition: partition.to_owned(),
        from: Bound::Unbounded,
        to: Bound::Unbounded,
        direction: Direction::Ascending,
        limit: 1_000,
        after: None,
    }
}

/// # Errors
/// Those of the query.
pub async fn page(backend: &dyn Backend, query: &RangeQuery) -> Result<ItemPage, Error> {
    let pages = backend.query_many(std::slice::from_ref(query)).await?;
    assert_eq!(pages.len(), 1, "one answer per query");
    Ok(pages.into_iter().next().unwrap_or(ItemPage {
        items: Vec::new(),
        next: None,
    }))
}

/// All pages of a query, as the sort keys of the items.
///
/// # Errors
/// Those of the queries.
pub async fn sorts(backend: &dyn Backend, query: &RangeQuery) -> Result<Vec<String>, Error> {
    let mut query = query.clone();
    let mut sorts = Vec::new();
    loop {
        let page = page(backend, &query).await?;
        assert!(
            page.items.len() <= query.limit,
            "a page is no longer than asked for"
        );
        assert!(
            page.next.is_none() || !page.items.is_empty(),
            "a page that is empty is the last"
        );
        sorts.extend(page.items.into_iter().map(|item| item.key.sort));
        if page.next.is_none() {
            return Ok(sorts);
        }
        query.after = page.next;
    }
}

/// Asserts that a commit lost a race on its operation `op`.
pub fn assert_conflict<T: std::fmt::Debug>(outcome: Result<T, Error>, op: usize, key: &ItemKey) {
    match outcome {
        Err(Error::Conflict { op: at, key: of }) => {
            assert_eq!((at, &of), (op, key), "the conflict names its operation")
        }
        other => panic!("a conflict was expected, not {other:?}"),
    }
}
