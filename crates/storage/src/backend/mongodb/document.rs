//! An item as it lies in its document.

use super::layout::{FIELDS, entry, id, key, named, slot};
use crate::collection::ANNOUNCED;
use crate::kernel::{Error, IndexEntry, Item};
use gna_domain::time::Timestamp;
use mongodb::bson::{Document, RawBsonRef, RawDocument, doc, oid::ObjectId};

/// Fields of an item, beside its `_id` and its index entries: version, body, expiry in milliseconds,
/// order of the entries, who wrote it (only where others are woken by it).
pub(super) const VERSION: &str = "v";
pub(super) const BODY: &str = "b";
pub(super) const EXPIRES: &str = "x";
pub(super) const WRITER: &str = "w";
const ORDER: &str = "o";
/// Changes whenever a commit depends on a document that it does not change.
pub(super) const TOUCHED: &str = "l";

/// How an item is written.
pub(super) fn document(item: &Item, who: &str) -> Result<Document, Error> {
    let body = std::str::from_utf8(&item.body).map_err(|_| Error::Misuse("a body is no text"))?;
    let version =
        i64::try_from(item.version).map_err(|_| Error::Misuse("a version is out of range"))?;
    let mut document = doc! { "_id": id(&item.key), VERSION: version, BODY: body };
    if let Some(expires) = item.expires {
        document.insert(EXPIRES, expires.millis());
    }
    if ANNOUNCED.contains(&item.key.collection) {
        document.insert(WRITER, who);
    }
    let mut order = String::new();
    for one in &item.entries {
        let at = slot(item.key.collection, one.index)?;
        let text = entry(&item.key, one);
        if document.insert(FIELDS[at], text).is_some() {
            return Err(Error::Misuse("two indexes of an item share a place"));
        }
        order.push_str(&at.to_string());
    }
    // Only said where it is not the order of the slots.
    if !order.as_bytes().is_sorted() {
        document.insert(ORDER, order);
    }
    Ok(document)
}

/// Stands where a commit required that nothing be there: two that require it, or one that does and one
/// that creates the item, then meet. It has expired since the beginning of time, hence is no item.
pub(super) fn placeholder(id: &str) -> Document {
    doc! { "_id": id, VERSION: 0_i64, EXPIRES: 0_i64, TOUCHED: ObjectId::new() }
}

/// Roughly what a document takes, in bytes.
pub(super) fn weight(item: &Item) -> usize {
    let entries = item.entries.iter();
    let keys: usize = entries
        .map(|one| one.partition.len() + one.sort.len())
        .sum();
    // A key is in its entries too; a zero within a part takes twice its place.
    let own = item.key.partition.len() + item.key.sort.len();
    item.body.len() + 2 * (keys + own * (1 + item.entries.len())) + 400
}

pub(super) fn number(document: &RawDocument, name: &str) -> Option<i64> {
    match document.get(name).ok().flatten()? {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        _ => None,
    }
}

pub(super) fn text<'a>(document: &'a RawDocument, name: &str) -> Option<&'a str> {
    document.get(name).ok().flatten()?.as_str()
}

/// The item in a document.
pub(super) fn item(document: &RawDocument) -> Result<Item, Error> {
    let key = text(document, "_id")
        .and_then(key)
        .ok_or_else(|| corrupt("a document has no key of ours"))?;
    let version = number(document, VERSION)
        .and_then(|version| u64::try_from(version).ok())
        .ok_or_else(|| corrupt("an item has no version"))?;
    let body = text(document, BODY).ok_or_else(|| corrupt("an item has no body"))?;
    let expires = match document.get(EXPIRES) {
        Ok(None) => None,
        _ => Some(Timestamp::from_millis(
            number(document, EXPIRES).ok_or_else(|| corrupt("an expiry is no number"))?,
        )),
    };
    let mut item = Item {
        key,
        version,
        body: body.to_owned().into(),
        entries: Vec::new(),
        expires,
    };
    item.entries = entries(document, &item)?;
    Ok(item)
}

fn entries(document: &RawDocument, item: &Item) -> Result<Vec<IndexEntry>, Error> {
    let order = text(document, ORDER).unwrap_or("012");
    let mut entries = Vec::new();
    for digit in order.chars() {
        let at = digit.to_digit(10).and_then(|at| usize::try_from(at).ok());
        let Some((at, field)) = at.and_then(|at| Some((at, FIELDS.get(at)?))) else {
            return Err(corrupt("the order of entries can't be read"));
        };
        let Some(text) = text(document, field) else {
            continue;
        };
        let (entry, of) = named(text).ok_or_else(|| corrupt("an index entry can't be read"))?;
        if of != item.key || slot(of.collection, entry.index).ok() != Some(at) {
            return Err(corrupt(
                "an index entry names another item or lies elsewhere",
            ));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::make::{item as note, listed};
    use mongodb::bson::RawDocumentBuf;

    fn raw(document: &Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(document).expect("a document")
    }

    #[test]
    fn an_item_comes_back_as_it_was() {
        for (partition, sort) in [("p", ""), ("p", "s"), ("p\0\0", "\u{1f}é😀"), ("é\0", "\0")]
        {
            let plain = note(partition, sort);
            let written = document(&plain, "me").unwrap();
            assert_eq!(item(&raw(&written)).unwrap(), plain);
            assert!(!written.contains_key(WRITER));
            let full = Item {
                version: 7,
                expires: Some(Timestamp::from_millis(1_700_000_000_001)),
                ..listed(plain, "l/é", "")
            };
            let written = document(&full, "me").unwrap();
            assert_eq!(item(&raw(&written)).unwrap(), full);
        }
    }

    #[test]
    fn damage_is_named_and_not_shown() {
        let whole = document(&listed(note("p", "s"), "l", "secret"), "me").unwrap();
        let field = FIELDS
            .into_iter()
            .find(|field| whole.contains_key(field))
            .expect("an entry");
        let other = entry(
            &note("q", "s").key,
            &IndexEntry {
                index: "all",
                partition: "l".into(),
                sort: "secret".into(),
            },
        );
        for (name, value) in [
            ("_id", "no key".into()),
            (VERSION, "1".into()),
            (VERSION, mongodb::bson::Bson::Int64(-1)),
            (BODY, mongodb::bson::Bson::Null),
            (EXPIRES, "soon".into()),
            (ORDER, "7".into()),
            (field, "no entry".into()),
            (field, other.into()),
        ] {
            let mut damaged = whole.clone();
            damaged.insert(name, value);
            let said = item(&raw(&damaged)).unwrap_err();
            assert!(matches!(said, Error::Corrupt(_)), "{name}: {said:?}");
            assert!(!said.to_string().contains("secret"), "{said}");
        }
        let hidden = raw(&placeholder("note\0p\0\0s"));
        assert_eq!(number(&hidden, EXPIRES), Some(0));
    }
}
