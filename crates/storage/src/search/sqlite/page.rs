//! One page: the streams of the groups, each in sort order, merged.
//!
//! Only when a document is next in the merged order is it decided whether it is selected, and
//! only then the bitmap of its group is made: with many groups most never come that far.

use gna_domain::port::search::{Hit, SearchPage, SearchRequest};
use rusqlite::Connection;
use std::collections::BinaryHeap;

use super::order::{Order, Row};
use super::stream::Stream;
use crate::kernel::Error;
use crate::search::cursor::{self, Place};

pub fn query(
    conn: &Connection,
    request: &SearchRequest,
    after: Option<Place>,
) -> Result<SearchPage, Error> {
    let groups = super::groups(conn, &request.selection)?;
    let order = Order::new(request.sort, &request.selection.condition);
    let after = order.start(after);
    let chunk = request.limit / groups.len().max(1) + 2;
    let mut streams = Vec::with_capacity(groups.len());
    let mut heads = BinaryHeap::with_capacity(groups.len());
    for group in groups {
        let mut stream = Stream::new(conn, group, &order, after, chunk);
        if let Some(row) = stream.next()? {
            heads.push(Head {
                rank: row.rank(request.sort),
                row,
                stream: streams.len(),
            });
        }
        streams.push(stream);
    }
    let mut places: Vec<Place> = Vec::with_capacity(request.limit.min(64) + 1);
    while places.len() <= request.limit
        && let Some(head) = heads.pop()
    {
        let Some(stream) = streams.get_mut(head.stream) else {
            break;
        };
        if stream.accepts(&head.row, &request.selection, request.limit)? {
            places.push(head.row.place);
        }
        if let Some(row) = stream.next()? {
            heads.push(Head {
                rank: row.rank(request.sort),
                row,
                stream: head.stream,
            });
        }
    }
    let has_more = places.len() > request.limit;
    places.truncate(request.limit);
    let hits = places
        .into_iter()
        .map(|place| Hit {
            id: place.1,
            cursor: cursor::encode(request.sort, place),
        })
        .collect();
    Ok(SearchPage { hits, has_more })
}

#[derive(PartialEq, Eq)]
struct Head {
    rank: (i64, u128),
    stream: usize,
    row: Row,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.rank, self.stream).cmp(&(other.rank, other.stream))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
