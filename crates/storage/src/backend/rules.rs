//! What the contract asks of callers, checked in one place for all backends.

use crate::kernel::{BackendLimits, Batch, Error, Expect, Item, ItemKey, Op, RangeQuery};
use gna_domain::time::Timestamp;
use std::collections::HashSet;
use std::ops::Bound;

/// Longest part of a key, in bytes.
pub(super) const KEY_BYTES: usize = 1_024;
/// Longest page.
pub(super) const PAGE: usize = 1_000;

/// The sizes that backends which have none of their own state: items can then move between them.
pub(super) const LIMITS: BackendLimits = BackendLimits {
    batch_ops: 40_000,
    entries_count: true,
    batch_bytes: 64 * 1_024 * 1_024,
    item_bytes: 400_000,
};

/// Whether a batch keeps the rules and the limits.
pub(super) fn check_batch(batch: &Batch, limits: &BackendLimits) -> Result<(), Error> {
    let counts = |op: &&Op| limits.entries_count || !matches!(op, Op::Append(_));
    at_most(
        "the number of operations in a batch",
        batch.ops.iter().filter(counts).count(),
        limits.batch_ops,
    )?;
    let mut keys = HashSet::with_capacity(batch.ops.len());
    let mut bytes = 0;
    for op in &batch.ops {
        let key = match op {
            Op::Put { item, .. } => {
                check_item(item, limits)?;
                bytes += item.body.len();
                &item.key
            }
            Op::Delete { key, .. } | Op::Check { key, .. } => key,
            Op::Append(record) => {
                bytes += record.data.len();
                check_key(&record.key)?;
                continue;
            }
        };
        check_key(key)?;
        if !keys.insert(key) {
            return Err(Error::Misuse("a key is twice in one batch"));
        }
    }
    at_most("the size of a batch", bytes, limits.batch_bytes)
}

fn check_item(item: &Item, limits: &BackendLimits) -> Result<(), Error> {
    at_most("the size of a record", item.body.len(), limits.item_bytes)?;
    for (at, entry) in item.entries.iter().enumerate() {
        at_most(
            "the length of an index key",
            entry.partition.len().max(entry.sort.len()),
            KEY_BYTES,
        )?;
        if item
            .entries
            .iter()
            .take(at)
            .any(|before| before.index == entry.index)
        {
            return Err(Error::Misuse("an item has two entries in one index"));
        }
    }
    if item.version > i64::MAX.unsigned_abs() {
        return Err(Error::Misuse("a version is out of range"));
    }
    Ok(())
}

fn check_key(key: &ItemKey) -> Result<(), Error> {
    if key.partition.is_empty() {
        return Err(Error::Misuse("a partition is empty"));
    }
    at_most(
        "the length of a key",
        key.partition.len().max(key.sort.len()),
        KEY_BYTES,
    )
}

fn at_most(what: &'static str, have: usize, limit: usize) -> Result<(), Error> {
    if have > limit {
        Err(Error::TooLarge { what, limit })
    } else {
        Ok(())
    }
}

/// Whether a page may be that long.
pub(super) fn check_limit(limit: usize) -> Result<(), Error> {
    if (1..=PAGE).contains(&limit) {
        Ok(())
    } else {
        Err(Error::Misuse("a page has 1 to 1,000 items"))
    }
}

/// Whether what is stored (the version of a live item, if there is one) is what was expected.
pub(super) fn holds(expect: Expect, stored: Option<u64>) -> bool {
    match expect {
        Expect::Any => true,
        Expect::Absent => stored.is_none(),
        Expect::Version(version) => stored == Some(version),
    }
}

/// Whether an item that expires then is there now.
pub(super) fn live(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_none_or(|at| at > now)
}

/// The sort keys `lo <= key < hi`; without `hi` to the end of the partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub lo: String,
    pub hi: Option<String>,
}

/// The bounds of a query in the one form that backends work with.
pub(super) fn window(query: &RangeQuery) -> Window {
    let lo = match &query.from {
        Bound::Included(key) => key.clone(),
        Bound::Excluded(key) => successor(key),
        Bound::Unbounded => String::new(),
    };
    let hi = match &query.to {
        Bound::Included(key) => Some(successor(key)),
        Bound::Excluded(key) => Some(key.clone()),
        Bound::Unbounded => None,
    };
    Window { lo, hi }
}

/// The text that follows directly in byte order: nothing fits between the two.
pub(super) fn successor(key: &str) -> String {
    format!("{key}\0")
}
