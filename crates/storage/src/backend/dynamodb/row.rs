//! An item as it lies in its row.

use super::layout::{INDEXES, Kind, Place, kind, listed, place, shifted, slot, unshifted};
use crate::backend::intern::intern;
use crate::kernel::{Error, IndexEntry, Item, ItemKey};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use gna_domain::time::Timestamp;
use std::collections::HashMap;

/// A row of the table.
pub(super) type Row = HashMap<String, AttributeValue>;

/// Attributes of an item, beside its keys `p` and `s`: version, body, expiry in milliseconds, the
/// same in seconds (the service itself removes such rows in its own time), order of the entries.
pub(super) const VERSION: &str = "v";
pub(super) const BODY: &str = "b";
pub(super) const EXPIRES: &str = "x";
pub(super) const TTL: &str = "ttl";
const ORDER: &str = "o";

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.into()))
}

pub(super) fn keys(place: &Place) -> Row {
    HashMap::from([
        ("p".to_owned(), text(&place.p)),
        ("s".to_owned(), bytes(place.s.clone())),
    ])
}

pub(super) fn place_of(row: &Row) -> Option<Place> {
    match (row.get("p"), row.get("s")) {
        (Some(AttributeValue::S(p)), Some(AttributeValue::B(s))) => Some(Place {
            p: p.clone(),
            s: s.as_ref().to_vec(),
        }),
        _ => None,
    }
}

pub(super) fn number_in<T: std::str::FromStr>(row: &Row, name: &str) -> Option<T> {
    match row.get(name) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    }
}

pub(super) fn text_in<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    match row.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

/// How an item is written.
pub(super) fn row(item: &Item) -> Result<Row, Error> {
    let mut row = keys(&place(&item.key));
    let body = std::str::from_utf8(&item.body).map_err(|_| Error::Misuse("a body is no text"))?;
    row.insert(VERSION.to_owned(), number(item.version));
    row.insert(BODY.to_owned(), text(body));
    if let Some(expires) = item.expires {
        row.insert(EXPIRES.to_owned(), number(expires.millis()));
        // Never before its time.
        let seconds = expires.millis().div_euclid(1_000).saturating_add(1);
        row.insert(TTL.to_owned(), number(seconds));
    }
    let mut order = String::new();
    for entry in &item.entries {
        let at = slot(item.key.collection, entry.index)?;
        let (_, p, s) = INDEXES[at];
        let list = listed(item.key.collection, entry.index, &entry.partition);
        if row.insert(p.to_owned(), text(list)).is_some() {
            return Err(Error::Misuse("two indexes of an item share a place"));
        }
        row.insert(s.to_owned(), bytes(shifted(entry.sort.as_bytes())));
        order.push_str(&at.to_string());
    }
    // Only said where it is not the order of the slots.
    if !order.as_bytes().is_sorted() {
        row.insert(ORDER.to_owned(), text(order));
    }
    Ok(row)
}

/// The key of the item in a row; `None` where the row is no item.
pub(super) fn key_of(place: &Place) -> Option<ItemKey> {
    let s = String::from_utf8(place.s.clone()).ok()?;
    match kind(&place.p)? {
        Kind::Single { collection } => Some(ItemKey {
            collection: intern(collection),
            partition: s,
            sort: String::new(),
        }),
        Kind::Group {
            collection,
            partition,
        } => Some(ItemKey {
            collection: intern(collection),
            partition: partition.to_owned(),
            sort: s,
        }),
        Kind::Directory { .. } | Kind::Own => None,
    }
}

/// The item in a row.
pub(super) fn item(row: &Row) -> Result<Item, Error> {
    let place = place_of(row).ok_or_else(|| corrupt("a row has no keys"))?;
    let key = key_of(&place).ok_or_else(|| corrupt("a row lies where no item does"))?;
    let version = number_in(row, VERSION).ok_or_else(|| corrupt("an item has no version"))?;
    let body = text_in(row, BODY).ok_or_else(|| corrupt("an item has no body"))?;
    let expires = match row.get(EXPIRES) {
        None => None,
        Some(_) => Some(Timestamp::from_millis(
            number_in(row, EXPIRES).ok_or_else(|| corrupt("an expiry is no number"))?,
        )),
    };
    Ok(Item {
        entries: entries(row, key.collection)?,
        version,
        body: body.to_owned().into(),
        expires,
        key,
    })
}

fn entries(row: &Row, collection: &str) -> Result<Vec<IndexEntry>, Error> {
    let order = text_in(row, ORDER).unwrap_or("012");
    let mut entries = Vec::new();
    for digit in order.chars() {
        let at = digit.to_digit(10).and_then(|at| usize::try_from(at).ok());
        let Some((_, p, s)) = at.and_then(|at| INDEXES.get(at)) else {
            return Err(corrupt("the order of entries can't be read"));
        };
        let Some(list) = text_in(row, p) else {
            continue;
        };
        let entry = entry(collection, list, row.get(*s));
        entries.push(entry.ok_or_else(|| corrupt("an index entry can't be read"))?);
    }
    Ok(entries)
}

fn entry(collection: &str, list: &str, sort: Option<&AttributeValue>) -> Option<IndexEntry> {
    let rest = list.strip_prefix(collection)?.strip_prefix('/')?;
    let (index, partition) = rest.split_once('/')?;
    let AttributeValue::B(sort) = sort? else {
        return None;
    };
    Some(IndexEntry {
        index: intern(index),
        partition: partition.to_owned(),
        sort: unshifted(sort.as_ref())?,
    })
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::make::{item as note, listed as in_list};

    #[test]
    fn an_item_comes_back_as_it_was() {
        for (partition, sort) in [("p", ""), ("p", "s"), ("p/=+~", "\u{1f}é😀"), ("é\0", "\0")]
        {
            let plain = note(partition, sort);
            assert_eq!(item(&row(&plain).unwrap()).unwrap(), plain);
            let full = Item {
                version: 7,
                expires: Some(Timestamp::from_millis(1_700_000_000_001)),
                ..in_list(plain, "l/é", "")
            };
            assert_eq!(item(&row(&full).unwrap()).unwrap(), full);
        }
    }
}
