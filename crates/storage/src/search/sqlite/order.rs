//! The order of a page: where it begins and ends, and the statements that read along it.

use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::port::search::{Condition, FIELDS, Sort};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::keys::{self, Group};
use super::plan::Content;
use super::schema;
use crate::kernel::Error;
use crate::search::cursor::{self, Place};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub place: Place,
    pub key: i64,
}

impl Row {
    /// The larger, the earlier on the page.
    pub fn rank(&self, sort: Sort) -> (i64, u128) {
        let (value, id) = (self.place.0, self.place.1.uuid().as_u128());
        if sort.descending {
            (value, id)
        } else {
            (!value, !id)
        }
    }
}

pub struct Order {
    pub sort: Sort,
    /// Position of the field to sort by.
    pub field: usize,
    /// What the condition says about the sort value: the walk begins and ends there.
    pub from: i64,
    pub to: i64,
    walk: String,
    fetch: String,
    columns: usize,
}

impl Order {
    pub fn new(sort: Sort, condition: &Condition) -> Self {
        let (column, index) = FIELDS
            .iter()
            .find(|field| field.name == sort.field)
            .map(|field| (schema::column(field), schema::sort_index(field)))
            .unwrap_or_default();
        let (beyond, order) = if sort.descending {
            ("<", "DESC")
        } else {
            (">", "ASC")
        };
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
            fetch: format!("SELECT {column}, id, key, vals, {} FROM search_doc WHERE key = ?1", schema::columns()),
            columns: keys::columns().count(),
        }
    }
}

impl Order {
    /// At most `limit` documents of the group after this place.
    pub fn read(
        &self,
        conn: &Connection,
        group: Group,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        let (value, id) = match (after, self.sort.descending) {
            (Some((value, id)), _) => (value, id.uuid().as_bytes().to_vec()),
            // Before the first: nothing is smaller than an empty id, nothing larger than 17 bytes.
            (None, false) => (i64::MIN, Vec::new()),
            (None, true) => (i64::MAX, vec![u8::MAX; 17]),
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut walk = conn.prepare_cached(&self.walk)?;
        let rows = walk.query_map(params![group, value, id, limit], row_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A document by its number, with what it holds.
    pub fn fetch(&self, conn: &Connection, key: i64) -> Result<Option<(Row, Content)>, Error> {
        let mut find = conn.prepare_cached(&self.fetch)?;
        let mut rows = find.query([key])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let values = keys::unpack(row.get_ref(3)?.as_blob().unwrap_or_default());
        let numbers = (0..self.columns)
            .map(|at| row.get(4 + at))
            .collect::<Result<_, _>>()?;
        Ok(Some((row_of(row)?, Content { values, numbers })))
    }

    /// Whether the condition's range of the sort value holds this row.
    pub fn within(&self, row: &Row) -> bool {
        (self.from..=self.to).contains(&row.place.0)
    }

    /// The place to start after: the cursor's, or where the bounds begin if that is further on.
    pub fn start(&self, after: Option<Place>) -> Option<Place> {
        let begin = if self.sort.descending {
            self.to
                .checked_add(1)
                .map(|value| (value, VulnerabilityId::from_uuid(Uuid::nil())))
        } else {
            self.from
                .checked_sub(1)
                .map(|value| (value, VulnerabilityId::from_uuid(Uuid::max())))
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

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let id = Uuid::from_bytes(row.get(1)?);
    Ok(Row {
        place: (row.get(0)?, VulnerabilityId::from_uuid(id)),
        key: row.get(2)?,
    })
}
