//! Items by key and by range: every question of one kind goes in one statement.

use super::connection::PostgresDb;
use super::error::map;
use super::names::Names;
use super::row::{item, named, stored, text};
use crate::backend::cursor::{Kind, decode, encode};
use crate::backend::rules::{Window, check_limit, successor, window};
use crate::kernel::{Direction, Error, Item, ItemKey, ItemPage, RangeQuery};
use gna_domain::page::Cursor;
use gna_domain::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

/// After every text: no UTF-8 holds this byte.
const END: &[u8] = &[0xFF];

const GET: &str = "
    SELECT k.n, i.version, i.expires, i.body
    FROM unnest($1::smallint[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS k(c, p, s, n)
    JOIN items i ON i.collection = k.c AND i.part = k.p AND i.sort = k.s
    WHERE i.expires IS NULL OR i.expires > $4";

/// The four questions differ in the table they walk along and in the direction.
const PRIMARY: [&str; 2] = [
    "SELECT q.n, i.version, i.expires, i.body, i.part, i.sort, i.sort, i.id
    FROM unnest($1::smallint[], $2::smallint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[])
        WITH ORDINALITY AS q(c, x, p, lo, lo_id, hi, hi_id, most, n)
    CROSS JOIN LATERAL (
        SELECT * FROM items i WHERE i.collection = q.c AND i.part = q.p AND i.sort >= q.lo AND i.sort < q.hi
            AND (i.expires IS NULL OR i.expires > $9)
        ORDER BY i.sort LIMIT q.most
    ) i",
    "SELECT q.n, i.version, i.expires, i.body, i.part, i.sort, i.sort, i.id
    FROM unnest($1::smallint[], $2::smallint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[])
        WITH ORDINALITY AS q(c, x, p, lo, lo_id, hi, hi_id, most, n)
    CROSS JOIN LATERAL (
        SELECT * FROM items i WHERE i.collection = q.c AND i.part = q.p AND i.sort >= q.lo AND i.sort < q.hi
            AND (i.expires IS NULL OR i.expires > $9)
        ORDER BY i.sort DESC LIMIT q.most
    ) i",
];
const INDEX: [&str; 2] = [
    "SELECT q.n, i.version, i.expires, i.body, i.part, i.sort, i.at, i.id
    FROM unnest($1::smallint[], $2::smallint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[])
        WITH ORDINALITY AS q(c, x, p, lo, lo_id, hi, hi_id, most, n)
    CROSS JOIN LATERAL (
        SELECT i.*, e.sort AS at FROM entries e JOIN items i ON i.id = e.item
        WHERE e.collection = q.c AND e.idx = q.x AND e.part = q.p
            AND (e.sort, e.item) > (q.lo, q.lo_id) AND (e.sort, e.item) < (q.hi, q.hi_id)
            AND (i.expires IS NULL OR i.expires > $9)
        ORDER BY e.sort, e.item LIMIT q.most
    ) i",
    "SELECT q.n, i.version, i.expires, i.body, i.part, i.sort, i.at, i.id
    FROM unnest($1::smallint[], $2::smallint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[])
        WITH ORDINALITY AS q(c, x, p, lo, lo_id, hi, hi_id, most, n)
    CROSS JOIN LATERAL (
        SELECT i.*, e.sort AS at FROM entries e JOIN items i ON i.id = e.item
        WHERE e.collection = q.c AND e.idx = q.x AND e.part = q.p
            AND (e.sort, e.item) > (q.lo, q.lo_id) AND (e.sort, e.item) < (q.hi, q.hi_id)
            AND (i.expires IS NULL OR i.expires > $9)
        ORDER BY e.sort DESC, e.item DESC LIMIT q.most
    ) i",
];

const SCAN: &str = "
    SELECT 1::bigint, i.version, i.expires, i.body, i.part, i.sort, i.entries
    FROM items i
    WHERE i.collection = $1 AND (i.part, i.sort) > ($2, $3) AND (i.expires IS NULL OR i.expires > $4)
    ORDER BY i.part, i.sort LIMIT $5";

/// One answer per key, in their order.
pub(super) async fn get_many(
    db: &PostgresDb,
    keys: &[ItemKey],
    names: &Names,
    now: Timestamp,
) -> Result<Vec<Option<Item>>, Error> {
    let mut codes = Vec::with_capacity(keys.len());
    for key in keys {
        // 0 is nobody's number.
        codes.push(names.code(db, key.collection).await?.unwrap_or(0));
    }
    let partitions: Vec<&[u8]> = keys.iter().map(|key| key.partition.as_bytes()).collect();
    let sorts: Vec<&[u8]> = keys.iter().map(|key| key.sort.as_bytes()).collect();
    let (codes, partitions, sorts) = (&codes, &partitions, &sorts);
    let rows = db.read(|pool| async move {
        let query = sqlx::query(GET).bind(codes).bind(partitions).bind(sorts);
        query.bind(now.millis()).fetch_all(&pool).await
    });
    let mut found: Vec<Option<Item>> = keys.iter().map(|_| None).collect();
    for row in rows.await? {
        let number = number(&row)?;
        if let (Some(slot), Some(key)) = (found.get_mut(number), keys.get(number)) {
            *slot = Some(item(&row, 1, key.clone())?);
        }
    }
    Ok(found)
}

/// Which question it is in the statement, from 0.
fn number(row: &PgRow) -> Result<usize, Error> {
    let number: i64 = row.try_get(0).map_err(map)?;
    usize::try_from(number - 1).map_err(|_| Error::Corrupt("an answer has no question".into()))
}

/// One page per query, in their order.
pub(super) async fn range_many(
    db: &PostgresDb,
    queries: &[RangeQuery],
    names: &Names,
    now: Timestamp,
) -> Result<Vec<ItemPage>, Error> {
    let mut pages: Vec<ItemPage> = Vec::with_capacity(queries.len());
    for query in queries {
        check_limit(query.limit)?;
        pages.push(ItemPage {
            items: Vec::new(),
            next: None,
        });
    }
    for by_index in [false, true] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let alike: Vec<(usize, &RangeQuery)> = queries
                .iter()
                .enumerate()
                .filter(|(_, query)| {
                    query.index.is_some() == by_index && query.direction == direction
                })
                .collect();
            if alike.is_empty() {
                continue;
            }
            let [ascending, descending] = if by_index { INDEX } else { PRIMARY };
            let sql = match direction {
                Direction::Ascending => ascending,
                Direction::Descending => descending,
            };
            for (at, page) in ask(db, sql, &alike, names, now).await? {
                if let Some(slot) = pages.get_mut(at) {
                    *slot = page;
                }
            }
        }
    }
    Ok(pages)
}

#[derive(Default)]
struct Questions {
    collections: Vec<i16>,
    indexes: Vec<i16>,
    partitions: Vec<Vec<u8>>,
    lo: Vec<Vec<u8>>,
    lo_id: Vec<i64>,
    hi: Vec<Vec<u8>>,
    hi_id: Vec<i64>,
    most: Vec<i64>,
}

impl Questions {
    async fn push(
        &mut self,
        db: &PostgresDb,
        query: &RangeQuery,
        names: &Names,
    ) -> Result<(), Error> {
        let Window { lo, hi } = window(query);
        let mut lo = (lo.into_bytes(), 0);
        let mut hi = (hi.map_or_else(|| END.to_vec(), String::into_bytes), 0);
        // A cursor moves one of the bounds; ids begin at 1, so (key, 0) is before all of the key.
        if let Some(after) = &query.after {
            let ascending = query.direction == Direction::Ascending;
            match query.index {
                None => {
                    let [sort] = decode(Kind::Primary, after)?;
                    match ascending {
                        true => lo = lo.max((successor(&sort).into_bytes(), 0)),
                        false => hi = hi.min((sort.into_bytes(), 0)),
                    }
                }
                Some(_) => {
                    let [sort, id] = decode(Kind::Index, after)?;
                    let id: i64 = id.parse().map_err(|_| Error::BadCursor)?;
                    match ascending {
                        true => lo = lo.max((sort.into_bytes(), id)),
                        false => hi = hi.min((sort.into_bytes(), id)),
                    }
                }
            }
        }
        self.collections
            .push(names.code(db, query.collection).await?.unwrap_or(0));
        self.indexes.push(match query.index {
            Some(index) => names.code(db, index).await?.unwrap_or(0),
            None => 0,
        });
        self.partitions.push(query.partition.clone().into_bytes());
        self.lo.push(lo.0);
        self.lo_id.push(lo.1);
        self.hi.push(hi.0);
        self.hi_id.push(hi.1);
        self.most.push(one_more(query.limit));
        Ok(())
    }
}

/// An item with its place in the range it was found in.
struct Placed {
    item: Item,
    at: Vec<u8>,
    id: i64,
}

async fn ask(
    db: &PostgresDb,
    sql: &'static str,
    alike: &[(usize, &RangeQuery)],
    names: &Names,
    now: Timestamp,
) -> Result<Vec<(usize, ItemPage)>, Error> {
    let mut questions = Questions::default();
    for (_, query) in alike {
        questions.push(db, query, names).await?;
    }
    let q = &questions;
    let rows = db.read(|pool| async move {
        sqlx::query(sql)
            .bind(&q.collections)
            .bind(&q.indexes)
            .bind(&q.partitions)
            .bind(&q.lo)
            .bind(&q.lo_id)
            .bind(&q.hi)
            .bind(&q.hi_id)
            .bind(&q.most)
            .bind(now.millis())
            .fetch_all(&pool)
            .await
    });
    let mut placed: Vec<Vec<Placed>> = alike.iter().map(|_| Vec::new()).collect();
    for row in rows.await? {
        let number = number(&row)?;
        let (Some(slot), Some((_, query))) = (placed.get_mut(number), alike.get(number)) else {
            continue;
        };
        slot.push(Placed {
            item: item(&row, 1, key(&row, query.collection)?)?,
            at: row.try_get(6).map_err(map)?,
            id: row.try_get(7).map_err(map)?,
        });
    }
    alike
        .iter()
        .zip(placed)
        .map(|((at, query), placed)| Ok((*at, page(query, placed)?)))
        .collect()
}

fn page(query: &RangeQuery, mut placed: Vec<Placed>) -> Result<ItemPage, Error> {
    placed.sort_unstable_by(|a, b| (&a.at, a.id).cmp(&(&b.at, b.id)));
    if query.direction == Direction::Descending {
        placed.reverse();
    }
    let more = placed.len() > query.limit;
    placed.truncate(query.limit);
    let next = match placed.last() {
        Some(last) if more && query.index.is_none() => {
            Some(encode(Kind::Primary, &[&last.item.key.sort]))
        }
        Some(last) if more => {
            let at = std::str::from_utf8(&last.at)
                .map_err(|_| Error::Corrupt("an index key is not text".into()))?;
            Some(encode(Kind::Index, &[at, &last.id.to_string()]))
        }
        _ => None,
    };
    let items = placed.into_iter().map(|one| one.item).collect();
    Ok(ItemPage { items, next })
}

/// The key in columns 4 and 5.
fn key(row: &PgRow, collection: &'static str) -> Result<ItemKey, Error> {
    Ok(ItemKey {
        collection,
        partition: text(row, 4)?,
        sort: text(row, 5)?,
    })
}

/// All items of a collection by key.
pub(super) async fn scan(
    db: &PostgresDb,
    collection: &'static str,
    after: Option<&Cursor>,
    limit: usize,
    names: &Names,
    now: Timestamp,
) -> Result<ItemPage, Error> {
    check_limit(limit)?;
    // No partition is empty, so nothing is at or before this pair.
    let [partition, sort] = after.map_or(Ok([String::new(), String::new()]), |after| {
        decode(Kind::Scan, after)
    })?;
    let code = names.code(db, collection).await?.unwrap_or(0);
    let (partition, sort) = (partition.as_bytes(), sort.as_bytes());
    let rows = db.read(|pool| async move {
        let query = sqlx::query(SCAN).bind(code).bind(partition).bind(sort);
        let query = query.bind(now.millis()).bind(one_more(limit));
        query.fetch_all(&pool).await
    });
    let mut rows = rows.await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push((item(row, 1, key(row, collection)?)?, stored(row, 6)?));
    }
    let next = found
        .last()
        .filter(|_| more)
        .map(|(item, _)| encode(Kind::Scan, &[&item.key.partition, &item.key.sort]));
    let codes = found.iter().flat_map(|(_, stored)| stored);
    names.learn(db, codes.map(|(index, _, _)| *index)).await?;
    let whole = |(item, stored)| {
        Ok(Item {
            entries: named(stored, names)?,
            ..item
        })
    };
    let items = found.into_iter().map(whole).collect::<Result<_, Error>>()?;
    Ok(ItemPage { items, next })
}

/// One row more than asked for tells whether there is a next page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}
