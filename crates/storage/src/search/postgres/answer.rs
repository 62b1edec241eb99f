//! Pages, counts and facets: one statement each.

use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::page::Count;
use gna_domain::port::search::{
    Facet, FieldKind, Hit, SearchPage, SearchRequest, Selection, declared,
};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};
use std::collections::BTreeSet;
use uuid::Uuid;

use super::plan::{groups, push_selection};
use super::write::bytes;
use crate::backend::postgres::PostgresDb;
use crate::backend::postgres::error::map;
use crate::kernel::Error;
use crate::search::cursor::{self, MISSING, Place};

async fn rows(
    db: &PostgresDb,
    sql: impl Fn() -> QueryBuilder<Postgres> + Send + Sync,
) -> Result<Vec<PgRow>, Error> {
    let sql = &sql;
    // Filters come in endless variety; a kept statement would seldom be met again.
    db.read_search(|pool| async move { sql().build().persistent(false).fetch_all(&pool).await })
        .await
}

/// A page: each group walks its own index in sort order, and the walks are merged.
pub async fn query(
    db: &PostgresDb,
    request: &SearchRequest,
    after: Option<Place>,
) -> Result<SearchPage, Error> {
    let sort = request.sort;
    let (compare, order) = match sort.descending {
        true => ("<", " DESC"),
        false => (">", ""),
    };
    let field = sort.field;
    let limit = i64::try_from(request.limit).map_or(i64::MAX, |limit| limit.saturating_add(1));
    let ask = || {
        let mut sql = QueryBuilder::<Postgres>::new("SELECT t.at, t.id FROM unnest(");
        sql.push_bind(groups(&request.selection)).push(format!(
        ") AS g(grp) CROSS JOIN LATERAL (SELECT d.f_{field} AS at, d.id FROM search_doc d WHERE d.grp = g.grp AND "
    ));
        push_selection(&mut sql, &request.selection);
        if let Some((at, id)) = after {
            sql.push(format!(" AND (d.f_{field}, d.id) {compare} ("))
                .push_bind(at)
                .push(", ")
                .push_bind(bytes(id))
                .push(")");
        }
        sql.push(format!(" ORDER BY d.f_{field}{order}, d.id{order} LIMIT "))
            .push_bind(limit)
            .push(format!(") t ORDER BY t.at{order}, t.id{order} LIMIT "))
            .push_bind(limit);
        sql
    };
    let rows = rows(db, ask).await?;
    let has_more = rows.len() > request.limit;
    let mut hits = Vec::with_capacity(rows.len());
    for row in rows.iter().take(request.limit) {
        let id: &[u8] = row.try_get(1).map_err(map)?;
        let id = Uuid::from_slice(id)
            .map(VulnerabilityId::from_uuid)
            .map_err(|_| Error::Corrupt("an id in the search index can't be read".into()))?;
        let place = (row.try_get(0).map_err(map)?, id);
        hits.push(Hit {
            id,
            cursor: cursor::encode(sort, place),
        });
    }
    Ok(SearchPage { hits, has_more })
}

pub async fn count(db: &PostgresDb, selection: &Selection, bound: u64) -> Result<Count, Error> {
    let most = i64::try_from(bound).map_or(i64::MAX, |bound| bound.saturating_add(1));
    let ask = || {
        let mut sql = QueryBuilder::<Postgres>::new(
            "SELECT count(*) FROM (SELECT FROM search_doc d WHERE d.grp = ANY (",
        );
        sql.push_bind(groups(selection)).push(") AND ");
        push_selection(&mut sql, selection);
        sql.push(" LIMIT ").push_bind(most).push(") t");
        sql
    };
    let found = match rows(db, ask).await?.first() {
        Some(row) => row.try_get::<i64, _>(0).map_err(map)?,
        None => 0,
    };
    let found = u64::try_from(found).unwrap_or_default();
    Ok(match found > bound {
        true => Count::AtLeast(bound),
        false => Count::Exact(found),
    })
}

/// All facets look at the selected documents once.
pub async fn facets(
    db: &PostgresDb,
    selection: &Selection,
    fields: &[&'static str],
    limit: usize,
) -> Result<Vec<Facet>, Error> {
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // Each once: one may be asked for twice.
    let columns: BTreeSet<String> = fields.iter().map(|name| format!("d.f_{name}")).collect();
    let columns: Vec<String> = columns.into_iter().collect();
    let ask = || {
        let mut sql = QueryBuilder::<Postgres>::new(format!(
            "WITH s AS MATERIALIZED (SELECT {} FROM search_doc d WHERE d.grp = ANY (",
            columns.join(", ")
        ));
        sql.push_bind(groups(selection)).push(") AND ");
        push_selection(&mut sql, selection);
        sql.push(") ");
        for (at, name) in fields.iter().enumerate() {
            if at > 0 {
                sql.push(" UNION ALL ");
            }
            let value = match declared(name).map(|field| field.kind) {
                Some(FieldKind::Number) => format!(
                    "SELECT convert_to(s.f_{name}::text, 'UTF8') AS v FROM s WHERE s.f_{name} <> {MISSING}"
                ),
                Some(FieldKind::Keywords) => format!("SELECT v FROM s, unnest(s.f_{name}) v"),
                _ => format!("SELECT s.f_{name} AS v FROM s WHERE s.f_{name} IS NOT NULL"),
            };
            sql.push(format!(
            "(SELECT {at}::bigint, t.v, count(*) FROM ({value}) t GROUP BY t.v ORDER BY count(*) DESC, t.v LIMIT "
        ))
        .push_bind(limit)
        .push(")");
        }
        sql
    };
    let mut facets: Vec<Facet> = fields
        .iter()
        .map(|field| Facet {
            field,
            values: Vec::new(),
        })
        .collect();
    for row in rows(db, ask).await? {
        let at: i64 = row.try_get(0).map_err(map)?;
        let value: Vec<u8> = row.try_get(1).map_err(map)?;
        let value = String::from_utf8(value)
            .map_err(|_| Error::Corrupt("a value in the search index is no text".into()))?;
        let count: i64 = row.try_get(2).map_err(map)?;
        if let Some(facet) = usize::try_from(at).ok().and_then(|at| facets.get_mut(at)) {
            facet
                .values
                .push((value, u64::try_from(count).unwrap_or_default()));
        }
    }
    // The arms of a union keep their order in practice; here they do by right.
    for facet in &mut facets {
        facet
            .values
            .sort_by(|a, b| (std::cmp::Reverse(a.1), &a.0).cmp(&(std::cmp::Reverse(b.1), &b.0)));
    }
    Ok(facets)
}
