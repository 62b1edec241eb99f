//! Which kernel key lies where in the table.
//!
//! The table's partition key `p` is text, its sort key `s` is bytes. An item lies in one of two ways:
//!
//! - with an empty sort (most records: they are found by their id): `p` is `COLLECTION=SHARD`, `s` the
//!   item's partition. A few shards hold all such items of a collection in key order, so that
//!   [`super::scan`] can merge them, and the load of writing spreads over them;
//! - with any other sort: `p` is `COLLECTION/PARTITION`, `s` the sort. A partition's range is one query.
//!   That the partition is there says a row of the directory: `p` is `COLLECTION+SHARD`, `s` the
//!   partition (see [`super::directory`]).
//!
//! Neither key of a row can be empty. Rows of the store itself have a `p` that begins with `~`.
//!
//! An index entry is a pair of attributes of the item's row, in one of [`SLOTS`] secondary indexes:
//! `COLLECTION/INDEX/PARTITION` as text, the sort as bytes, shifted (see [`shifted`]), since it may
//! be empty.

pub(super) use crate::backend::slots::{SLOTS, slot};
use crate::kernel::ItemKey;

/// Rows of a collection that are found by their partition alone lie in so many places.
pub(super) const SHARDS: usize = 8;
/// Longest sort key, in bytes: the service's limit, and the contract's.
pub(super) const SORT_BYTES: usize = 1_024;

/// The row of the store itself that counts the pages of the feed.
pub(super) const HEAD: (&str, &str) = ("~feed", "head");
/// The one that says what of the feed was dropped.
pub(super) const TAIL: (&str, &str) = ("~feed", "tail");
/// The one that says what the table is.
pub(super) const META: (&str, &str) = ("~meta", "format");

/// Name of the secondary index of a slot, and of its two attributes.
pub(super) const INDEXES: [(&str, &str, &str); SLOTS] = [
    ("list0", "g0p", "g0s"),
    ("list1", "g1p", "g1s"),
    ("list2", "g2p", "g2s"),
];

/// The keys of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub p: String,
    pub s: Vec<u8>,
}

impl Place {
    pub(super) fn own((p, s): (&str, &str)) -> Self {
        Self {
            p: p.to_owned(),
            s: s.as_bytes().to_vec(),
        }
    }
}

pub(super) fn place(key: &ItemKey) -> Place {
    if key.sort.is_empty() {
        return Place {
            p: singles(key.collection, shard(&key.partition)),
            s: key.partition.as_bytes().to_vec(),
        };
    }
    Place {
        p: group(key.collection, &key.partition),
        s: key.sort.as_bytes().to_vec(),
    }
}

/// Where the items of one partition lie that have a sort.
pub(super) fn group(collection: &str, partition: &str) -> String {
    format!("{collection}/{partition}")
}

/// Where a shard of the items lies that have none.
pub(super) fn singles(collection: &str, shard: usize) -> String {
    format!("{collection}={shard}")
}

/// Where a shard of a collection's directory lies.
pub(super) fn directory(collection: &str, shard: usize) -> String {
    format!("{collection}+{shard}")
}

/// Where a page of the feed lies: each in a place of its own, so that no place takes all writes.
pub(super) fn page(number: u64) -> Place {
    Place {
        p: format!("~page/{number}"),
        s: vec![b'p'],
    }
}

/// The row that counts commits to an announced collection.
pub(super) fn wake(collection: &str) -> Place {
    Place {
        p: "~wake".to_owned(),
        s: collection.as_bytes().to_vec(),
    }
}

/// What kind of row a partition key belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Single {
        collection: &'a str,
    },
    Group {
        collection: &'a str,
        partition: &'a str,
    },
    Directory {
        collection: &'a str,
    },
    Own,
}

pub(super) fn kind(p: &str) -> Option<Kind<'_>> {
    if p.starts_with('~') {
        return Some(Kind::Own);
    }
    // No name of a collection holds one of these.
    let at = p.find(['=', '+', '/'])?;
    let (collection, rest) = p.split_at(at);
    let rest_of = rest.get(1..)?;
    match rest.chars().next()? {
        '=' => Some(Kind::Single { collection }),
        '+' => Some(Kind::Directory { collection }),
        _ => Some(Kind::Group {
            collection,
            partition: rest_of,
        }),
    }
}

/// FNV-1a with the last steps of MurmurHash3's finalizer, 64 bits: the same on every machine and in
/// every version, since it decides where rows lie.
fn hash(text: &str) -> u64 {
    let mixed = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

pub(super) fn shard(partition: &str) -> usize {
    let shards = u64::try_from(SHARDS).unwrap_or(1);
    usize::try_from(hash(partition) % shards).unwrap_or_default()
}

/// The partition key of an index.
pub(super) fn listed(collection: &str, index: &str, partition: &str) -> String {
    format!("{collection}/{index}/{partition}")
}

/// A text as a sort key that is never empty, never longer and in the same order: the first byte
/// goes up by one (UTF-8 never begins with 0xFF), and nothing becomes a zero byte.
pub(super) fn shifted(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    match bytes.first_mut() {
        Some(first) => *first = first.saturating_add(1),
        None => bytes.push(0),
    }
    bytes
}

pub(super) fn unshifted(bytes: &[u8]) -> Option<String> {
    let (first, rest) = bytes.split_first()?;
    match first.checked_sub(1) {
        None => rest.is_empty().then(String::new),
        Some(first) => {
            let mut text = vec![first];
            text.extend_from_slice(rest);
            String::from_utf8(text).ok()
        }
    }
}

/// A bound as the service takes it: no longer than a sort key may be. What then lies inside without
/// belonging there is dropped afterwards.
pub(super) fn clamped(bound: &str) -> &[u8] {
    let bytes = bound.as_bytes();
    bytes.get(..SORT_BYTES).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::COLLECTIONS;

    #[test]
    fn there_are_as_many_slots_as_the_declarations_need() {
        let most = COLLECTIONS.iter().map(|one| one.indexes.len()).max();
        assert_eq!(most, Some(SLOTS), "the format of the table must change");
        for collection in COLLECTIONS {
            assert!(
                collection
                    .name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '_'),
                "{}",
                collection.name
            );
        }
    }

    #[test]
    fn shifting_keeps_the_order_and_comes_back() {
        let mut texts = vec![
            "",
            "\0",
            "\0\0",
            "\u{1}",
            "a",
            "a\0",
            "b",
            "\u{7f}",
            "é",
            "😀",
            "\u{10FFFF}",
        ];
        texts.sort_unstable();
        let shifted: Vec<Vec<u8>> = texts.iter().map(|text| shifted(text.as_bytes())).collect();
        assert!(shifted.is_sorted());
        for (text, bytes) in texts.iter().zip(&shifted) {
            assert!(!bytes.is_empty() && bytes.len() <= text.len().max(1));
            assert_eq!(unshifted(bytes).as_deref(), Some(*text));
        }
    }

    #[test]
    fn every_place_tells_what_lies_there() {
        assert_eq!(kind("note=3"), Some(Kind::Single { collection: "note" }));
        assert_eq!(kind("note+3"), Some(Kind::Directory { collection: "note" }));
        let group = Kind::Group {
            collection: "note",
            partition: "a=b/c+",
        };
        assert_eq!(kind(&super::group("note", "a=b/c+")), Some(group));
        assert_eq!(kind("~feed"), Some(Kind::Own));
        assert_eq!(kind("note"), None);
    }

    /// The table of an older version must still be read: these numbers never change.
    #[test]
    fn shards_are_where_they_always_were() {
        assert_eq!(["a", "b", "org_1", "org_2"].map(shard), [5, 4, 6, 3]);
    }
}
