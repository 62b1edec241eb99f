//! One page: the streams of the groups, each in sort order, merged.
//!
//! A stream reads its group's sort index in growing chunks. Only when one of its documents is
//! next in the merged order is it decided whether that document is selected, and only then the
//! bitmap of its group is made: with many groups most never come that far.

use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::port::search::{Condition, FIELDS, Hit, SearchPage, SearchRequest, Selection, Sort};
use rusqlite::{Connection, params};
use std::collections::{BinaryHeap, VecDeque};
use uuid::Uuid;

use super::bits::Bits;
use super::eval::Eval;
use super::keys::{self, Group};
use super::plan::{Between, Plan};
use super::schema;
use crate::kernel::Error;
use crate::search::cursor::{self, Place};

const LARGEST_CHUNK: usize = 1_024;
/// Fetching a document by its number costs about as much as this many steps along a sort index.
const FETCH: u64 = 6;

pub fn query(conn: &Connection, request: &SearchRequest, after: Option<Place>) -> Result<SearchPage, Error> {
    let groups = super::groups(conn, &request.selection)?;
    let sql = Sql::new(request.sort, &request.selection.condition);
    let after = sql.start(after);
    let chunk = (request.limit / groups.len().max(1) + 2).min(LARGEST_CHUNK);
    let mut streams = Vec::with_capacity(groups.len());
    let mut heads = BinaryHeap::with_capacity(groups.len());
    for group in groups {
        let mut stream = Stream { eval: Eval { conn, group }, sql: &sql, chunk, rows: VecDeque::new(), last: after, done: false, filter: None };
        if let Some(row) = stream.next()? {
            heads.push(Head { rank: row.rank(request.sort), row, stream: streams.len() });
        }
        streams.push(stream);
    }
    let mut places: Vec<Place> = Vec::with_capacity(request.limit.min(64) + 1);
    while places.len() <= request.limit
        && let Some(head) = heads.pop()
    {
        let Some(stream) = streams.get_mut(head.stream) else { break };
        if stream.accepts(&head.row, &request.selection, request.limit)? {
            places.push(head.row.place);
        }
        if let Some(row) = stream.next()? {
            heads.push(Head { rank: row.rank(request.sort), row, stream: head.stream });
        }
    }
    let has_more = places.len() > request.limit;
    places.truncate(request.limit);
    let hits = places.into_iter().map(|place| Hit { id: place.1, cursor: cursor::encode(request.sort, place) }).collect();
    Ok(SearchPage { hits, has_more })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    place: Place,
    key: i64,
}

impl Row {
    /// The larger, the earlier on the page.
    fn rank(&self, sort: Sort) -> (i64, u128) {
        let (value, id) = (self.place.0, self.place.1.uuid().as_u128());
        if sort.descending { (value, id) } else { (!value, !id) }
    }
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

struct Sql {
    sort: Sort,
    /// Position of the field to sort by.
    field: usize,
    /// What the condition says about the sort value: the walk begins and ends there.
    from: i64,
    to: i64,
    walk: String,
    fetch: String,
}

impl Sql {
    fn new(sort: Sort, condition: &Condition) -> Self {
        let (column, index) = FIELDS
            .iter()
            .find(|field| field.name == sort.field)
            .map(|field| (schema::column(field), schema::sort_index(field)))
            .unwrap_or_default();
        let (beyond, order) = if sort.descending { ("<", "DESC") } else { (">", "ASC") };
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        bounds(condition, sort.field, &mut from, &mut to);
        Self {
            sort,
            field: keys::position(sort.field),
            from,
            to,
            walk: format!(
                "SELECT {column}, id, key FROM search_doc INDEXED BY {index}
                 WHERE grp = ?1 AND ({column}, id) {beyond} (?2, ?3) ORDER BY {column} {order}, id {order} LIMIT ?4"
            ),
            fetch: format!("SELECT {column}, id, key, {} FROM search_doc WHERE key = ?1", schema::columns()),
        }
    }
}

impl Sql {
    fn within(&self, row: &Row) -> bool {
        (self.from..=self.to).contains(&row.place.0)
    }

    /// The place to start after: the cursor's, or where the bounds begin if that is further on.
    fn start(&self, after: Option<Place>) -> Option<Place> {
        let begin = if self.sort.descending {
            self.to.checked_add(1).map(|value| (value, VulnerabilityId::from_uuid(Uuid::nil())))
        } else {
            self.from.checked_sub(1).map(|value| (value, VulnerabilityId::from_uuid(Uuid::max())))
        };
        match (after, begin) {
            (Some(after), Some(begin)) if self.sort.descending => Some(after.min(begin)),
            (Some(after), Some(begin)) => Some(after.max(begin)),
            (after, begin) => after.or(begin),
        }
    }
}

/// Narrows the bounds by every range of this field that must hold.
fn bounds(condition: &Condition, field: &str, from: &mut i64, to: &mut i64) {
    match condition {
        Condition::All(parts) => parts.iter().for_each(|part| bounds(part, field, from, to)),
        Condition::Between(name, low, high) if *name == field => {
            *from = (*from).max(low.unwrap_or(i64::MIN).max(cursor::MISSING + 1));
            *to = (*to).min(high.unwrap_or(i64::MAX));
        }
        _ => {}
    }
}

/// What is known about a group's selection once it had to be.
struct Filter {
    bits: Option<Bits>,
    numbers: Vec<Between>,
}

struct Stream<'c> {
    eval: Eval<'c>,
    sql: &'c Sql,
    chunk: usize,
    rows: VecDeque<Row>,
    /// The place after which to read on.
    last: Option<Place>,
    done: bool,
    filter: Option<Filter>,
}

impl Stream<'_> {
    /// The next row that may be selected: with a filter, one that its bitmap has.
    fn next(&mut self) -> Result<Option<Row>, Error> {
        loop {
            while let Some(row) = self.rows.pop_front() {
                if !self.sql.within(&row) {
                    self.done = true;
                    self.rows.clear();
                    break;
                }
                let bits = self.filter.as_ref().and_then(|filter| filter.bits.as_ref());
                if bits.is_none_or(|bits| bits.has(keys::place(row.key))) {
                    return Ok(Some(row));
                }
            }
            if self.done {
                return Ok(None);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        let mut walk = self.eval.conn.prepare_cached(&self.sql.walk)?;
        let (value, id) = match (&self.last, self.sql.sort.descending) {
            (Some((value, id)), _) => (*value, id.uuid().as_bytes().to_vec()),
            // Before the first: nothing is smaller than an empty id, nothing larger than 17 bytes.
            (None, false) => (i64::MIN, Vec::new()),
            (None, true) => (i64::MAX, vec![u8::MAX; 17]),
        };
        let limit = i64::try_from(self.chunk).unwrap_or(i64::MAX);
        let mut rows = walk.query(params![self.eval.group, value, id, limit])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            self.rows.push_back(row_of(row)?);
            read += 1;
        }
        self.done = read < self.chunk;
        self.last = self.rows.back().map(|row| row.place).or(self.last);
        self.chunk = (self.chunk * 4).min(LARGEST_CHUNK);
        Ok(())
    }

    /// Whether the row, which this stream gave last, is selected.
    fn accepts(&mut self, row: &Row, selection: &Selection, wanted: usize) -> Result<bool, Error> {
        if self.filter.is_none() {
            let mut plan = Plan::new(self.eval.conn, self.eval.group, selection)?;
            // What the walk's own bounds see to need not be checked again.
            let walked = |between: &Between| between.from <= self.sql.from && self.sql.to <= between.to;
            plan.numbers.retain(|between| between.field != self.sql.field || !walked(between));
            let (bits, numbers) = self.eval.narrowed(&plan)?;
            self.filter = Some(Filter { bits, numbers });
            self.choose(row, wanted)?;
        }
        let Some(filter) = &self.filter else { return Ok(false) };
        if filter.bits.as_ref().is_some_and(|bits| !bits.has(keys::place(row.key))) {
            return Ok(false);
        }
        if filter.numbers.is_empty() {
            return Ok(true);
        }
        Ok(fetch(self.eval.conn, self.sql, row.key)?.is_some_and(|(_, numbers)| holds(&filter.numbers, &numbers)))
    }

    /// Where few documents are selected, fetching them all is quicker than walking along the
    /// index until they turn up.
    fn choose(&mut self, row: &Row, wanted: usize) -> Result<(), Error> {
        let Some(Filter { bits: Some(bits), numbers }) = &self.filter else { return Ok(()) };
        let found = bits.count();
        let every = u64::from(group_size(self.eval.conn, self.eval.group)?);
        // Walking finds one in `every / found`; wanted ones may be all in this group.
        let walk = wanted as u64 * every / found.max(1);
        if found * FETCH > walk {
            return Ok(());
        }
        let mut rows = Vec::new();
        for place in bits.places() {
            let Some((found, values)) = fetch(self.eval.conn, self.sql, keys::document(self.eval.group, place))? else { continue };
            if self.sql.within(&found) && found.rank(self.sql.sort) < row.rank(self.sql.sort) && holds(numbers, &values) {
                rows.push(found);
            }
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.rank(self.sql.sort)));
        self.rows = rows.into();
        self.done = true;
        Ok(())
    }
}

/// How many documents the group has ever had, which is enough for an estimate.
fn group_size(conn: &Connection, group: Group) -> Result<u32, Error> {
    Ok(conn.prepare_cached("SELECT next FROM search_group WHERE no = ?1")?.query_row([group], |row| row.get(0))?)
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let id = Uuid::from_bytes(row.get(1)?);
    Ok(Row { place: (row.get(0)?, VulnerabilityId::from_uuid(id)), key: row.get(2)? })
}

/// A document by its number, with the numbers it has in its columns.
fn fetch(conn: &Connection, sql: &Sql, key: i64) -> Result<Option<(Row, Vec<i64>)>, Error> {
    let mut find = conn.prepare_cached(&sql.fetch)?;
    let mut rows = find.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let numbers = (0..keys::columns().count()).map(|at| row.get(3 + at)).collect::<Result<_, _>>()?;
    Ok(Some((row_of(row)?, numbers)))
}

fn holds(betweens: &[Between], numbers: &[i64]) -> bool {
    let number = |field: usize| {
        let column = FIELDS.iter().take(field).filter(|field| keys::is_column(field)).count();
        numbers.get(column).copied()
    };
    betweens.iter().all(|between| number(between.field).is_some_and(|number| between.holds(number)))
}
