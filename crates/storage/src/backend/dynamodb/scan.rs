//! All items of a collection in key order, though the table has no order of partitions.
//!
//! Two sorted sources are merged: the items without a sort, from their shards, and the partitions
//! that the directory names, each read as a range. Partitions are read several at once, the more the
//! smaller they turn out to be.

use super::client::DynamoDb;
use super::layout::{SHARDS, directory, group, singles};
use super::range::{Ask, ask};
use super::row::{Row, item, place_of};
use crate::backend::cursor::{Kind, decode, encode};
use crate::backend::rules::{KEY_BYTES, check_limit, live};
use crate::kernel::{Direction, Error, Item, ItemPage};
use futures::future::try_join_all;
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use std::collections::VecDeque;

/// Rows that one shard gives at once, at least.
const FEWEST: usize = 16;
/// Partitions that are read at once, at most.
const AT_ONCE: usize = 32;

/// The rows of several places, each sorted, as one.
struct Merge {
    streams: Vec<Stream>,
    /// Rows asked of one place at once.
    some: usize,
}

struct Stream {
    p: String,
    rows: VecDeque<(String, Row)>,
    /// Where to go on; `None` at the end.
    next: Option<Next>,
}

enum Next {
    From(Option<Vec<u8>>),
    Behind(Row),
}

impl Merge {
    fn new(places: impl Iterator<Item = String>, from: &str, some: usize) -> Self {
        let from = Some(from.as_bytes().to_vec()).filter(|from| !from.is_empty());
        let streams = places.map(|p| Stream {
            p,
            rows: VecDeque::new(),
            next: Some(Next::From(from.clone())),
        });
        Self {
            streams: streams.collect(),
            some,
        }
    }

    /// The least key that is left, and its row.
    async fn pop(&mut self, db: &DynamoDb) -> Result<Option<(String, Row)>, Error> {
        Ok(match self.least(db).await? {
            Some((at, _)) => self
                .streams
                .get_mut(at)
                .and_then(|stream| stream.rows.pop_front()),
            None => None,
        })
    }

    async fn peek(&mut self, db: &DynamoDb) -> Result<Option<String>, Error> {
        Ok(self.least(db).await?.map(|(_, key)| key))
    }

    async fn least(&mut self, db: &DynamoDb) -> Result<Option<(usize, String)>, Error> {
        let some = self.some;
        try_join_all(self.streams.iter_mut().map(|stream| stream.fill(db, some))).await?;
        let heads = self.streams.iter().enumerate();
        Ok(heads
            .filter_map(|(at, stream)| stream.rows.front().map(|(key, _)| (at, key.clone())))
            .min_by(|a, b| a.1.cmp(&b.1)))
    }
}

impl Stream {
    async fn fill(&mut self, db: &DynamoDb, some: usize) -> Result<(), Error> {
        while self.rows.is_empty()
            && let Some(next) = self.next.take()
        {
            let (lo, start) = match next {
                Next::From(lo) => (lo, None),
                Next::Behind(row) => (None, Some(row)),
            };
            let asked = Ask {
                index: None,
                p: self.p.clone(),
                lo,
                hi: None,
                direction: Direction::Ascending,
                limit: some,
                start,
            };
            let (rows, next) = ask(db, asked).await?;
            self.next = next.map(Next::Behind);
            for row in rows {
                let key = place_of(&row).and_then(|place| String::from_utf8(place.s).ok());
                let key = key.ok_or_else(|| Error::Corrupt("a row has no keys".into()))?;
                self.rows.push_back((key, row));
            }
        }
        Ok(())
    }
}

/// What [`scan`] looks for.
struct Scan<'a> {
    db: &'a DynamoDb,
    collection: &'static str,
    /// The item that the page before ended with.
    after: Option<(String, String)>,
    now: Timestamp,
}

pub(super) async fn scan(
    db: &DynamoDb,
    collection: &'static str,
    after: Option<&Cursor>,
    limit: usize,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    check_limit(limit)?;
    let after = match after {
        Some(after) => {
            let [partition, sort] = decode(Kind::Scan, after)?;
            if partition.is_empty() || partition.len().max(sort.len()) > KEY_BYTES {
                return Err(Error::BadCursor);
            }
            Some((partition, sort))
        }
        None => None,
    };
    let scan = Scan {
        db,
        collection,
        after,
        now,
    };
    let mut items = scan.some(limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items
        .last()
        .filter(|_| more)
        .map(|item| encode(Kind::Scan, &[&item.key.partition, &item.key.sort]));
    Ok(ItemPage { items, next })
}

impl Scan<'_> {
    async fn some(&self, wanted: usize) -> Result<Vec<Item>, Error> {
        let from = self.after.as_ref().map_or("", |(partition, _)| partition);
        let places = |place: fn(&str, usize) -> String| {
            (0..SHARDS).map(move |shard| place(self.collection, shard))
        };
        let few = (wanted / SHARDS + FEWEST).min(wanted);
        let mut items_alone = Merge::new(places(singles), from, few);
        let mut partitions = Merge::new(places(directory), from, FEWEST);
        let (mut items, mut ahead, mut width) = (Vec::new(), VecDeque::new(), 1);
        while items.len() < wanted {
            if ahead.is_empty() {
                ahead = self.partitions(&mut partitions, width, wanted).await?;
                width = (width * 2).min(AT_ONCE);
            }
            let alone = items_alone.peek(self.db).await?;
            let next: Option<&(String, Vec<Item>)> = ahead.front();
            match (alone, next) {
                (None, None) => break,
                // The item without a sort comes before the others of its partition.
                (Some(alone), next) if next.is_none_or(|(partition, _)| alone <= *partition) => {
                    if let Some((_, row)) = items_alone.pop(self.db).await? {
                        items.extend(Some(item(&row)?).filter(|item| self.belongs(item)));
                    }
                }
                _ => items.extend(ahead.pop_front().into_iter().flat_map(|(_, some)| some)),
            }
        }
        items.truncate(wanted);
        Ok(items)
    }

    /// The next partitions with their first items.
    async fn partitions(
        &self,
        names: &mut Merge,
        width: usize,
        wanted: usize,
    ) -> Result<VecDeque<(String, Vec<Item>)>, Error> {
        let mut next = Vec::with_capacity(width);
        while next.len() < width
            && let Some((partition, _)) = names.pop(self.db).await?
        {
            next.push(partition);
        }
        let read = next.into_iter().map(|partition| async move {
            let items = self.partition(&partition, wanted).await?;
            Ok::<_, Error>((partition, items))
        });
        Ok(try_join_all(read).await?.into())
    }

    async fn partition(&self, partition: &str, wanted: usize) -> Result<Vec<Item>, Error> {
        let from = match &self.after {
            Some((of, sort)) if of == partition && !sort.is_empty() => {
                Some(sort.as_bytes().to_vec())
            }
            _ => None,
        };
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let asked = Ask {
                index: None,
                p: group(self.collection, partition),
                lo: from.clone(),
                hi: None,
                direction: Direction::Ascending,
                limit: wanted - items.len() + 1,
                start,
            };
            let (rows, next) = ask(self.db, asked).await?;
            for row in &rows {
                items.extend(Some(item(row)?).filter(|item| self.belongs(item)));
            }
            start = next;
            if start.is_none() || items.len() >= wanted {
                return Ok(items);
            }
        }
    }

    /// Whether it lives, and comes after the page before.
    fn belongs(&self, item: &Item) -> bool {
        live(item.expires, self.now)
            && self.after.as_ref().is_none_or(|(partition, sort)| {
                (&item.key.partition, &item.key.sort) > (partition, sort)
            })
    }
}
