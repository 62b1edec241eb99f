//! The tables, made from the declared fields; made anew when those change.

use gna_domain::port::search::{FIELDS, Field, FieldKind};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fmt::Write;

use crate::backend::postgres::PostgresDb;
use crate::backend::postgres::connection::lock;
use crate::backend::postgres::error::map;
use crate::kernel::Error;
use crate::search::cursor::MISSING;

/// Counts up when the meaning of the tables changes.
const FORMAT: u32 = 1;

/// Makes sure that the tables are there and were made for the fields that are declared now.
/// Processes that start at the same time wait for each other.
pub async fn prepare(db: &PostgresDb) -> Result<(), Error> {
    let mut conn = db.search_pool().acquire().await.map_err(map)?;
    let mut tx = conn.begin().await.map_err(map)?;
    lock(&mut tx, db.schema()).await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS search_meta (name text COLLATE \"C\" PRIMARY KEY, value text NOT NULL)",
    )
    .execute(&mut *tx)
    .await
    .map_err(map)?;
    let made_for: Option<String> =
        sqlx::query_scalar("SELECT value FROM search_meta WHERE name = 'fields'")
            .fetch_optional(&mut *tx)
            .await
            .map_err(map)?;
    if made_for.as_deref() != Some(signature().as_str()) {
        sqlx::raw_sql(AssertSqlSafe(tables()))
            .execute(&mut *tx)
            .await
            .map_err(map)?;
        sqlx::query("INSERT INTO search_meta (name, value) VALUES ('fields', $1)")
            .bind(signature())
            .execute(&mut *tx)
            .await
            .map_err(map)?;
    }
    tx.commit().await.map_err(map)
}

/// Empties the index.
pub async fn clear(db: &PostgresDb) -> Result<(), Error> {
    // One statement string without parameters is one transaction.
    // The position first, then documents, as whoever fills it.
    sqlx::raw_sql(
        "DELETE FROM search_meta WHERE name = 'position'; TRUNCATE search_doc, search_finding",
    )
    .execute(db.search_pool())
    .await
    .map_err(map)?;
    Ok(())
}

pub async fn position(db: &PostgresDb) -> Result<Option<String>, Error> {
    db.read_search(|pool| async move {
        sqlx::query_scalar("SELECT value FROM search_meta WHERE name = 'position'")
            .fetch_optional(&pool)
            .await
    })
    .await
}

/// The position, which nobody else moves until the transaction ends.
pub async fn hold_position(conn: &mut PgConnection) -> Result<Option<String>, Error> {
    sqlx::query_scalar("SELECT value FROM search_meta WHERE name = 'position' FOR UPDATE")
        .fetch_optional(conn)
        .await
        .map_err(map)
}

pub async fn set_position(conn: &mut PgConnection, position: &str) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO search_meta (name, value) VALUES ('position', $1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(position)
    .execute(conn)
    .await
    .map_err(map)?;
    Ok(())
}

fn signature() -> String {
    FIELDS
        .iter()
        .fold(format!("format {FORMAT}"), |mut text, field| {
            let _ = write!(
                text,
                "; {} {:?} {} {}",
                field.name, field.kind, field.facet, field.sort
            );
            text
        })
}

/// The columns of a field with their types: its own, and for a path its lower case.
pub fn columns(field: &Field) -> Vec<(String, String)> {
    let own = format!("f_{}", field.name);
    match field.kind {
        FieldKind::Number => vec![(own, format!("bigint NOT NULL DEFAULT {MISSING}"))],
        FieldKind::Keyword => vec![(own, "bytea".into())],
        FieldKind::Keywords => vec![(own, "bytea[] NOT NULL DEFAULT '{}'".into())],
        FieldKind::Path => vec![
            (own, "bytea".into()),
            (format!("l_{}", field.name), "bytea".into()),
        ],
    }
}

fn tables() -> String {
    let mut sql = String::from(
        "DROP TABLE IF EXISTS search_doc;
         DROP TABLE IF EXISTS search_finding;
         DELETE FROM search_meta;
         CREATE TABLE search_finding (
             grp bytea NOT NULL, id bytea NOT NULL, version bigint NOT NULL, words tsvector NOT NULL,
             PRIMARY KEY (grp, id));
         CREATE INDEX search_finding_words ON search_finding USING gin (words);
         CREATE TABLE search_doc (
             id bytea PRIMARY KEY, grp bytea NOT NULL, finding bytea NOT NULL, version bigint NOT NULL,
             words tsvector NOT NULL",
    );
    for (name, kind) in FIELDS.iter().flat_map(columns) {
        let _ = write!(sql, ", {name} {kind}");
    }
    sql.push_str(
        ");
         CREATE INDEX search_doc_words ON search_doc USING gin (words);
         CREATE INDEX search_doc_finding ON search_doc (grp, finding);",
    );
    for field in FIELDS.iter().filter(|field| field.sort) {
        let _ = write!(
            sql,
            "CREATE INDEX search_doc_by_{0} ON search_doc (grp, f_{0}, id);",
            field.name
        );
    }
    sql
}
