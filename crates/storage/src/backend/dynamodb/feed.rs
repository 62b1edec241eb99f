//! The feed: numbered pages. The entries of one commit are one page (several where they are large),
//! written in the transaction of what they tell of, together with a row that counts the pages.
//!
//! A page's number is taken by the condition that the count is still what it was: two commits can't
//! get the same one, and none is skipped. Readers read the count, strongly, and then the pages by
//! their numbers. A cursor names a page and how many of its entries were read.

use super::client::DynamoDb;
use super::get::rows;
use super::layout::{HEAD, Place, TAIL, page};
use super::row::{Row, number_in, text_in};
use crate::backend::intern::intern;
use crate::kernel::{Error, FeedCursor, FeedEntry, FeedRecord, ItemKey};
use gna_domain::time::Timestamp;

/// Largest page, in bytes; a row has at most 400 KB.
const PAGE_BYTES: usize = 380_000;
/// Pages read at once, at most.
pub(super) const PAGES: usize = 100;
/// Entries that a page has as a rule, to guess how many pages to read.
const ENTRIES: usize = 8;

/// The attribute of a page that holds its entries.
pub(super) const ENTRIES_OF: &str = "r";
/// The attribute that counts: pages (head), the first kept page (tail).
pub(super) const COUNT: &str = "n";
/// Of the tail: entries of its first page that are dropped, and the first page not yet deleted.
pub(super) const DROPPED: &str = "d";
pub(super) const SWEPT: &str = "w";

/// An entry as it lies in a page: time, event, collection, partition, sort, version, data.
type Stored = (i64, String, String, String, String, u64, String);

/// A page, counted from 1, and entries of it that lie behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub page: u64,
    pub entry: usize,
}

impl At {
    /// Behind a page, and before the next.
    pub(super) fn behind(page: u64) -> Self {
        Self {
            page: page.saturating_add(1),
            entry: 0,
        }
    }

    pub(super) fn cursor(self) -> FeedCursor {
        FeedCursor(format!("{}.{}", self.page, self.entry))
    }
}

pub(super) fn at(cursor: &FeedCursor) -> Result<At, Error> {
    let parts = cursor.0.split_once('.').ok_or(Error::BadCursor)?;
    match (parts.0.parse(), parts.1.parse()) {
        (Ok(page), Ok(entry)) if page > 0 => Ok(At { page, entry }),
        _ => Err(Error::BadCursor),
    }
}

/// The pages that these records make.
pub(super) fn pages(records: &[&FeedRecord]) -> Result<Vec<String>, Error> {
    let mut pages: Vec<String> = Vec::new();
    for record in records {
        let data = std::str::from_utf8(&record.data)
            .map_err(|_| Error::Misuse("the data of a feed entry is no text"))?;
        let key = &record.key;
        let stored = (
            record.at.millis(),
            &record.event,
            key.collection,
            &key.partition,
            &key.sort,
            record.version,
            data,
        );
        // Texts and numbers always serialise.
        let entry = serde_json::to_string(&stored).unwrap_or_default();
        if entry.len() > PAGE_BYTES {
            return Err(Error::TooLarge {
                what: "the size of a feed entry",
                limit: PAGE_BYTES,
            });
        }
        match pages.last_mut() {
            Some(page) if page.len() + entry.len() < PAGE_BYTES => {
                page.push(',');
                page.push_str(&entry);
            }
            _ => pages.push(format!("[{entry}")),
        }
    }
    pages.iter_mut().for_each(|page| page.push(']'));
    Ok(pages)
}

/// The entries of a page.
pub(super) fn entries(row: &Row) -> Result<Vec<FeedRecord>, Error> {
    let stored: Option<Vec<Stored>> =
        text_in(row, ENTRIES_OF).and_then(|text| serde_json::from_str(text).ok());
    let stored = stored.ok_or_else(|| Error::Corrupt("a page of the feed can't be read".into()))?;
    let record = |(at, event, collection, partition, sort, version, data): Stored| FeedRecord {
        event,
        key: ItemKey {
            collection: intern(&collection),
            partition,
            sort,
        },
        version,
        at: Timestamp::from_millis(at),
        data: data.into(),
    };
    Ok(stored.into_iter().map(record).collect())
}

/// Where the feed begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The number of the newest page; 0 where there is none.
    pub head: u64,
    pub tail: At,
    /// Pages before this one are deleted.
    pub swept: u64,
}

pub(super) async fn ends(db: &DynamoDb) -> Result<Ends, Error> {
    let (head, tail) = (Place::own(HEAD), Place::own(TAIL));
    let found = rows(db, &[head.clone(), tail.clone()], true).await?;
    let head = found.get(&head).and_then(|row| number_in(row, COUNT));
    let tail = found.get(&tail);
    let of_tail = |name| tail.and_then(|row| number_in::<u64>(row, name));
    Ok(Ends {
        head: head.unwrap_or(0),
        tail: At {
            page: of_tail(COUNT).unwrap_or(1),
            entry: of_tail(DROPPED)
                .and_then(|dropped| usize::try_from(dropped).ok())
                .unwrap_or(0),
        },
        swept: of_tail(SWEPT).unwrap_or(1),
    })
}

/// Pages `from..=to`, in their order; those that are not there are left out.
pub(super) async fn read_pages(
    db: &DynamoDb,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, Vec<FeedRecord>)>, Error> {
    let places: Vec<(u64, Place)> = (from..=to).map(|number| (number, page(number))).collect();
    let wanted: Vec<Place> = places.iter().map(|(_, place)| place.clone()).collect();
    let found = rows(db, &wanted, true).await?;
    let there = places
        .into_iter()
        .filter_map(|(number, place)| found.get(&place).map(|row| (number, row)));
    there
        .map(|(number, row)| Ok((number, entries(row)?)))
        .collect()
}

/// Entries after `after`, oldest first.
pub(super) async fn read(
    db: &DynamoDb,
    after: Option<At>,
    limit: usize,
) -> Result<Vec<FeedEntry>, Error> {
    let ends = ends(db).await?;
    let mut after = after.unwrap_or(ends.tail);
    // A cursor from beyond the end: the table was restored, the reader was not.
    if after < ends.tail || after > At::behind(ends.head) {
        return Err(Error::FeedGap);
    }
    let mut found = Vec::new();
    while found.len() < limit && after.page <= ends.head {
        let some = ((limit - found.len()) / ENTRIES + 1).min(PAGES);
        let last = after
            .page
            .saturating_add(u64::try_from(some).unwrap_or(1) - 1)
            .min(ends.head);
        let pages = read_pages(db, after.page, last).await?;
        for number in after.page..=last {
            let Some((_, records)) = pages.iter().find(|(page, _)| *page == number) else {
                // Dropped since the ends were read, or lost.
                return match self::ends(db).await?.tail > after {
                    true => Err(Error::FeedGap),
                    false => Err(Error::Corrupt(format!(
                        "page {number} of the feed is missing"
                    ))),
                };
            };
            let all = records.len();
            for (n, record) in records.iter().enumerate().skip(after.entry) {
                let next = match n + 1 == all {
                    true => At::behind(number),
                    false => At {
                        page: number,
                        entry: n + 1,
                    },
                };
                found.push(FeedEntry {
                    cursor: next.cursor(),
                    record: record.clone(),
                });
                if found.len() == limit {
                    return Ok(found);
                }
            }
            after = At::behind(number);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn record(data: &str) -> FeedRecord {
        FeedRecord {
            event: "note.changed".into(),
            key: crate::conformance::make::key("p\u{1f}é", ""),
            version: 3,
            at: Timestamp::from_millis(-1),
            data: Bytes::from(data.to_owned()),
        }
    }

    #[test]
    fn entries_come_back_from_as_few_pages_as_hold_them() {
        let large = format!("\"{}\"", "x".repeat(150_000));
        let records: Vec<FeedRecord> = ["", "{\"n\":1}", &large, &large, &large]
            .map(record)
            .to_vec();
        let all: Vec<&FeedRecord> = records.iter().collect();
        let pages = pages(&all).unwrap();
        assert_eq!(pages.len(), 2);
        let mut back = Vec::new();
        for page in pages {
            let row = Row::from([(ENTRIES_OF.to_owned(), super::super::row::text(page))]);
            back.extend(entries(&row).unwrap());
        }
        assert_eq!(back, records);
        let over = record(&"x".repeat(PAGE_BYTES));
        assert!(matches!(self::pages(&[&over]), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let here = At { page: 7, entry: 2 };
        assert_eq!(at(&here.cursor()).unwrap(), here);
        assert!(here < At::behind(7) && At::behind(7).page == 8);
        for text in ["", "7", "0.1", "7.", ".1", "-1.0", "7.1.1", "no place"] {
            let refused = at(&FeedCursor(text.into()));
            assert!(matches!(refused, Err(Error::BadCursor)), "{text}");
        }
    }
}
