//! How keys are written, so that MongoDB's order of texts (by their bytes, no collation) is the
//! contract's.
//!
//! - `_id` of an item: `COLLECTION 0 PARTITION 00 SORT`;
//! - an index entry, a field of the item's document: `COLLECTION 0 INDEX 0 PARTITION 00 SORT 00
//!   ITEM'S PARTITION 00 ITEM'S SORT`. It names the item too, so that entries with the same sort are
//!   in the order of their items and a page can go on behind any of them.
//!
//! 0 is the character U+0000. Within a part that others follow it is written 0 U+0001: such a part ends
//! with 00, which comes before everything that a longer one could go on with. Names of collections and
//! indexes hold none.

use crate::backend::intern::intern;
use crate::backend::rules::Window;
pub(super) use crate::backend::slots::{SLOTS, slot};
use crate::kernel::{IndexEntry, ItemKey};

/// The fields with the index entries of an item, one per slot; each has an index of the same name.
pub(super) const FIELDS: [&str; SLOTS] = ["g0", "g1", "g2"];

const END: &str = "\0\0";

fn escape(to: &mut String, part: &str) {
    for (n, piece) in part.split('\0').enumerate() {
        if n > 0 {
            to.push_str("\0\u{1}");
        }
        to.push_str(piece);
    }
}

/// The part up to the next end, and what follows it.
fn part(text: &str) -> Option<(String, &str)> {
    let (mut part, mut rest) = (String::new(), text);
    loop {
        let (piece, more) = rest.split_once('\0')?;
        part.push_str(piece);
        match more.chars().next()? {
            '\0' => return Some((part, more.get(1..)?)),
            '\u{1}' => {
                part.push('\0');
                rest = more.get(1..)?;
            }
            _ => return None,
        }
    }
}

pub(super) fn id(key: &ItemKey) -> String {
    let mut id = partition(key.collection, &key.partition);
    id.push_str(&key.sort);
    id
}

/// What the `_id`s of a partition begin with.
fn partition(collection: &str, partition: &str) -> String {
    let mut prefix = format!("{collection}\0");
    escape(&mut prefix, partition);
    prefix.push_str(END);
    prefix
}

pub(super) fn key(id: &str) -> Option<ItemKey> {
    let (collection, rest) = id.split_once('\0')?;
    let (partition, sort) = part(rest)?;
    Some(ItemKey {
        collection: intern(collection),
        partition,
        sort: sort.to_owned(),
    })
}

/// What the entries of one partition of an index begin with.
fn list(collection: &str, index: &str, partition: &str) -> String {
    let mut prefix = format!("{collection}\0{index}\0");
    escape(&mut prefix, partition);
    prefix.push_str(END);
    prefix
}

pub(super) fn entry(key: &ItemKey, entry: &IndexEntry) -> String {
    let mut text = list(key.collection, entry.index, &entry.partition);
    escape(&mut text, &entry.sort);
    text.push_str(END);
    escape(&mut text, &key.partition);
    text.push_str(END);
    text.push_str(&key.sort);
    text
}

/// An entry, and the item that it names.
pub(super) fn named(text: &str) -> Option<(IndexEntry, ItemKey)> {
    let (collection, rest) = text.split_once('\0')?;
    let (index, rest) = rest.split_once('\0')?;
    let (partition, rest) = part(rest)?;
    let (sort, rest) = part(rest)?;
    let (item, item_sort) = part(rest)?;
    let key = ItemKey {
        collection: intern(collection),
        partition: item,
        sort: item_sort.to_owned(),
    };
    let entry = IndexEntry {
        index: intern(index),
        partition,
        sort,
    };
    Some((entry, key))
}

/// Texts from `lo` on, and before `hi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub lo: String,
    pub hi: String,
}

impl Span {
    pub(super) fn is_empty(&self) -> bool {
        self.lo >= self.hi
    }

    /// All that begin with `prefix`, which ends with a zero.
    fn under(prefix: String) -> Self {
        let mut hi = prefix.clone();
        hi.pop();
        hi.push('\u{1}');
        Self { lo: prefix, hi }
    }
}

/// Where the `_id`s of a collection lie.
pub(super) fn all_of(collection: &str) -> Span {
    Span::under(format!("{collection}\0"))
}

/// Where the `_id`s of a window of a partition lie.
pub(super) fn span_of_items(collection: &str, of: &str, window: &Window) -> Span {
    let prefix = partition(collection, of);
    let mut span = Span::under(prefix.clone());
    span.lo.push_str(&window.lo);
    if let Some(hi) = &window.hi {
        span.hi = prefix;
        span.hi.push_str(hi);
    }
    span
}

/// Where the entries of a window of an index's partition lie.
pub(super) fn span_of_entries(collection: &str, index: &str, of: &str, window: &Window) -> Span {
    let prefix = list(collection, index, of);
    let mut span = Span::under(prefix.clone());
    escape(&mut span.lo, &window.lo);
    if let Some(hi) = &window.hi {
        span.hi = prefix;
        escape(&mut span.hi, hi);
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &[&str] = &[
        "", "\0", "\0\0", "\0\u{1}", "\u{1}", "a", "a\0", "a\0\0b", "a\0b", "a\u{1}", "ab", "é",
        "😀",
    ];

    fn item(partition: &str, sort: &str) -> ItemKey {
        ItemKey {
            collection: "note",
            partition: partition.into(),
            sort: sort.into(),
        }
    }

    #[test]
    fn keys_come_back_and_keep_their_order() {
        let mut keys: Vec<ItemKey> = TEXTS
            .iter()
            .flat_map(|partition| TEXTS.iter().map(|sort| item(partition, sort)))
            .collect();
        keys.sort();
        let ids: Vec<String> = keys.iter().map(id).collect();
        assert!(ids.is_sorted());
        for (key, id) in keys.iter().zip(&ids) {
            assert_eq!(self::key(id).as_ref(), Some(key));
        }
        for damaged in ["", "note", "note\0a", "note\0a\0b\0\0"] {
            assert_eq!(key(damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn entries_come_back_and_keep_their_order() {
        let mut all: Vec<(String, String, ItemKey)> = Vec::new();
        for partition in TEXTS {
            for sort in TEXTS {
                for of in [item("a", ""), item("a", "\0"), item("a\0", "")] {
                    all.push(((*partition).into(), (*sort).into(), of));
                }
            }
        }
        all.sort();
        let written = |(partition, sort, key): &(String, String, ItemKey)| {
            let one = IndexEntry {
                index: "all",
                partition: partition.clone(),
                sort: sort.clone(),
            };
            (entry(key, &one), one)
        };
        assert!(all.iter().map(|one| written(one).0).is_sorted());
        for one in &all {
            let (text, entry) = written(one);
            assert_eq!(named(&text), Some((entry, one.2.clone())));
        }
    }

    /// A window of a span holds exactly the sorts that it should.
    #[test]
    fn spans_end_where_their_windows_do() {
        for lo in TEXTS {
            for hi in TEXTS.iter().map(|hi| Some(*hi)).chain([None]) {
                let window = Window {
                    lo: (*lo).into(),
                    hi: hi.map(str::to_owned),
                };
                for partition in TEXTS {
                    for sort in TEXTS {
                        let inside =
                            *partition == "a" && sort >= lo && hi.is_none_or(|hi| *sort < hi);
                        let found =
                            |span: &Span, text: &String| *text >= span.lo && *text < span.hi;
                        let span = span_of_items("note", "a", &window);
                        assert_eq!(found(&span, &id(&item(partition, sort))), inside);
                        let of = IndexEntry {
                            index: "all",
                            partition: (*partition).into(),
                            sort: (*sort).into(),
                        };
                        let span = span_of_entries("note", "all", "a", &window);
                        assert_eq!(found(&span, &entry(&item("i", ""), &of)), inside);
                    }
                }
            }
        }
        let span = all_of("note");
        assert!(id(&item("", "")) >= span.lo && id(&item("\u{10FFFF}", "")) < span.hi);
        let mut other = item("p", "");
        other.collection = "note2";
        assert!(id(&other) >= span.hi);
    }
}
