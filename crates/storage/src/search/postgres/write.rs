//! Fills the tables: an update is one transaction. Rows are locked in one order, so that nobody waits in a
//! circle: the position, documents by their ids, finding texts by theirs.

use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::port::search::{
    Document, FIELDS, Field, FieldKind, FindingText, SearchUpdate, Value,
};
use gna_domain::time::Timestamp;
use sqlx::{Connection, PgConnection, Postgres, QueryBuilder};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::schema::{columns, hold_position, set_position};
use crate::backend::postgres::PostgresDb;
use crate::backend::postgres::error::map;
use crate::kernel::Error;
use crate::search::cursor::MISSING;
use crate::search::text;

/// Rows in one statement, which has at most 65,535 parameters.
const ROWS: usize = 500;

/// Adds, replaces and removes; then moves the position. Nothing of that, and false, where the index is
/// not where the update follows it.
pub async fn apply(db: &PostgresDb, update: &SearchUpdate) -> Result<bool, Error> {
    let mut conn = db.search_pool().acquire().await.map_err(map)?;
    let mut tx = conn.begin().await.map_err(map)?;
    if update.after.is_some() && update.after != hold_position(&mut tx).await? {
        return Ok(false);
    }
    let removed: Vec<VulnerabilityId> = update.removed.iter().map(|removed| removed.id).collect();
    if !removed.is_empty() {
        let written = update.documents.iter().map(|document| document.id);
        let all: BTreeSet<VulnerabilityId> = written.chain(removed.iter().copied()).collect();
        let all: Vec<VulnerabilityId> = all.into_iter().collect();
        sqlx::query("SELECT FROM search_doc WHERE id = ANY ($1) ORDER BY id FOR UPDATE")
            .bind(ids(&all))
            .execute(&mut *tx)
            .await
            .map_err(map)?;
    }
    put_documents(&mut tx, &update.documents).await?;
    if !removed.is_empty() {
        sqlx::query("DELETE FROM search_doc WHERE id = ANY ($1)")
            .bind(ids(&removed))
            .execute(&mut *tx)
            .await
            .map_err(map)?;
    }
    put_findings(&mut tx, &update.findings).await?;
    if let Some(position) = &update.position {
        set_position(&mut tx, position).await?;
    }
    tx.commit().await.map_err(map)?;
    Ok(true)
}

pub async fn touch(
    db: &PostgresDb,
    touched: &[VulnerabilityId],
    last_seen: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "WITH mine AS MATERIALIZED (
             SELECT id FROM search_doc WHERE id = ANY ($1) AND f_last_seen < $2
             ORDER BY id FOR NO KEY UPDATE)
         UPDATE search_doc SET f_last_seen = $2 FROM mine
         WHERE search_doc.id = mine.id AND f_last_seen < $2",
    )
    .bind(ids(touched))
    .bind(last_seen.millis())
    .execute(db.search_pool())
    .await
    .map_err(map)?;
    Ok(())
}

/// Sets `priority` of those documents that are there and have another one; answers how many.
pub async fn prioritize(db: &PostgresDb, scores: &[(VulnerabilityId, i64)]) -> Result<u64, Error> {
    let (of, new): (Vec<Vec<u8>>, Vec<i64>) = scores
        .iter()
        .map(|(id, score)| (bytes(*id), *score))
        .unzip();
    let done = sqlx::query(
        "WITH mine AS MATERIALIZED (
             SELECT d.id, new.score FROM search_doc d
             JOIN unnest($1::bytea[], $2::bigint[]) AS new (id, score) ON d.id = new.id
             WHERE d.f_priority <> new.score ORDER BY d.id FOR NO KEY UPDATE OF d)
         UPDATE search_doc SET f_priority = mine.score FROM mine
         WHERE search_doc.id = mine.id AND f_priority <> mine.score",
    )
    .bind(of)
    .bind(new)
    .execute(db.search_pool())
    .await
    .map_err(map)?;
    Ok(done.rows_affected())
}

fn ids(ids: &[VulnerabilityId]) -> Vec<Vec<u8>> {
    ids.iter().map(|id| bytes(*id)).collect()
}

pub fn bytes(id: impl TypedId) -> Vec<u8> {
    id.uuid().as_bytes().to_vec()
}

/// The newest of each key, the first where versions are equal; in key order, so that two processes
/// never wait for each other in a circle.
fn newest<T, K: Ord>(all: &[T], key: impl Fn(&T) -> K, version: impl Fn(&T) -> u64) -> Vec<&T> {
    let mut newest: BTreeMap<K, &T> = BTreeMap::new();
    for one in all {
        match newest.entry(key(one)) {
            Entry::Vacant(place) => {
                place.insert(one);
            }
            Entry::Occupied(mut place) => {
                if version(place.get()) < version(one) {
                    place.insert(one);
                }
            }
        }
    }
    newest.into_values().collect()
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

async fn put_findings(conn: &mut PgConnection, findings: &[FindingText]) -> Result<(), Error> {
    let findings = newest(
        findings,
        |finding| (finding.group, finding.id),
        |finding| finding.version,
    );
    for some in findings.chunks(ROWS) {
        let mut sql =
            QueryBuilder::<Postgres>::new("INSERT INTO search_finding (grp, id, version, words) ");
        sql.push_values(some, |mut row, finding| {
            let words: BTreeSet<String> = text::words(&finding.title)
                .chain(text::words(&finding.text))
                .collect();
            row.push_bind(bytes(finding.group))
                .push_bind(bytes(finding.id))
                .push_bind(signed(finding.version))
                .push("array_to_tsvector(")
                .push_bind_unseparated(words.into_iter().collect::<Vec<_>>())
                .push_unseparated(")");
        });
        sql.push(
            " ON CONFLICT (grp, id) DO UPDATE SET version = excluded.version, words = excluded.words
             WHERE search_finding.version < excluded.version",
        );
        run(conn, sql).await?;
    }
    Ok(())
}

async fn put_documents(conn: &mut PgConnection, documents: &[Document]) -> Result<(), Error> {
    let documents = newest(
        documents,
        |document| document.id,
        |document| document.version,
    );
    let names: Vec<String> = FIELDS
        .iter()
        .flat_map(columns)
        .map(|(name, _)| name)
        .collect();
    let changes: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    for some in documents.chunks(ROWS) {
        let mut sql = QueryBuilder::<Postgres>::new(format!(
            "INSERT INTO search_doc (id, grp, finding, version, words, {}) ",
            names.join(", ")
        ));
        sql.push_values(some, |mut row, document| {
            row.push_bind(bytes(document.id))
                .push_bind(bytes(document.group))
                .push_bind(bytes(document.finding))
                .push_bind(signed(document.version))
                .push("array_to_tsvector(")
                .push_bind_unseparated(words(document))
                .push_unseparated(")");
            for field in FIELDS {
                match field.kind {
                    FieldKind::Number => row.push_bind(number(document, field)),
                    FieldKind::Keywords => row.push_bind(keywords(document, field)),
                    FieldKind::Keyword => row.push_bind(keyword(document, field)),
                    FieldKind::Path => {
                        let own = keyword(document, field);
                        let lower = keyword_text(document, field).map(|text| text::lower(&text));
                        row.push_bind(own).push_bind(lower.map(String::into_bytes))
                    }
                };
            }
        });
        sql.push(format!(
            " ON CONFLICT (id) DO UPDATE SET grp = excluded.grp, finding = excluded.finding,
             version = excluded.version, words = excluded.words, {}
             WHERE search_doc.version < excluded.version",
            changes.join(", ")
        ));
        run(conn, sql).await?;
    }
    Ok(())
}

async fn run(conn: &mut PgConnection, mut sql: QueryBuilder<Postgres>) -> Result<(), Error> {
    // Statements of this size differ in their number of rows: keeping them would be a leak.
    sql.build()
        .persistent(false)
        .execute(conn)
        .await
        .map_err(map)?;
    Ok(())
}

/// The words of a document's own fields, each once.
fn words(document: &Document) -> Vec<String> {
    let words: BTreeSet<String> = text::SEARCHED
        .iter()
        .flat_map(|name| match document.values.get(name) {
            Some(Value::Keyword(text)) => text::words(text).collect::<Vec<_>>(),
            Some(Value::Keywords(texts)) => {
                texts.iter().flat_map(|text| text::words(text)).collect()
            }
            Some(Value::Number(_)) | None => Vec::new(),
        })
        .collect();
    words.into_iter().collect()
}

fn number(document: &Document, field: &Field) -> i64 {
    match document.values.get(field.name) {
        Some(Value::Number(number)) => *number,
        _ => MISSING,
    }
}

fn keyword_text(document: &Document, field: &Field) -> Option<String> {
    // The field of this name is always the id that the texts are found by.
    if field.name == "finding" {
        return Some(document.finding.to_string());
    }
    match document.values.get(field.name) {
        Some(Value::Keyword(text)) => Some(text.clone()),
        _ => None,
    }
}

fn keyword(document: &Document, field: &Field) -> Option<Vec<u8>> {
    keyword_text(document, field).map(String::into_bytes)
}

/// Each once.
fn keywords(document: &Document, field: &Field) -> Vec<Vec<u8>> {
    match document.values.get(field.name) {
        Some(Value::Keywords(texts)) => {
            let texts: BTreeSet<&String> = texts.iter().collect();
            texts
                .into_iter()
                .map(|text| text.clone().into_bytes())
                .collect()
        }
        _ => Vec::new(),
    }
}
