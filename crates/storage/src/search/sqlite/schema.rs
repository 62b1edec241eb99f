//! The tables, made from the declared fields; made anew when those change.

use gna_domain::port::search::{FIELDS, Field};
use rusqlite::{Connection, OptionalExtension};
use std::fmt::Write;

use super::keys;
use crate::kernel::Error;

/// Counts up when the meaning of the tables changes.
const FORMAT: u32 = 1;

const TABLES: &[&str] = &[
    "search_fts",
    "search_finding",
    "search_post",
    "search_value",
    "search_scope",
    "search_doc",
    "search_group",
];

/// Makes sure that the tables are there and were made for the fields that are declared now.
pub fn prepare(conn: &Connection) -> Result<(), Error> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS search_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    )?;
    if meta(conn, "fields")?.as_deref() == Some(signature().as_str()) {
        return Ok(());
    }
    clear(conn)
}

/// Empties the index, by making its tables anew.
pub fn clear(conn: &Connection) -> Result<(), Error> {
    for table in TABLES {
        conn.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    conn.execute_batch(&tables())?;
    conn.execute("DELETE FROM search_meta", [])?;
    set_meta(conn, "fields", &signature())
}

pub fn position(conn: &Connection) -> Result<Option<String>, Error> {
    meta(conn, "position")
}

pub fn set_position(conn: &Connection, position: &str) -> Result<(), Error> {
    set_meta(conn, "position", position)
}

fn meta(conn: &Connection, name: &str) -> Result<Option<String>, Error> {
    let mut find = conn.prepare_cached("SELECT value FROM search_meta WHERE name = ?1")?;
    Ok(find.query_row([name], |row| row.get(0)).optional()?)
}

fn set_meta(conn: &Connection, name: &str, value: &str) -> Result<(), Error> {
    let mut put =
        conn.prepare_cached("INSERT OR REPLACE INTO search_meta (name, value) VALUES (?1, ?2)")?;
    put.execute([name, value])?;
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

/// The column of a field for which [`keys::is_column`] holds.
pub fn column(field: &Field) -> String {
    format!("n_{}", field.name)
}

/// All columns of fields, as a list.
pub fn columns() -> String {
    keys::columns().map(column).collect::<Vec<_>>().join(", ")
}

fn tables() -> String {
    let columns: String = keys::columns().fold(String::new(), |mut sql, field| {
        let _ = write!(sql, ", {} INTEGER NOT NULL", column(field));
        sql
    });
    let mut sql = format!(
        "CREATE TABLE search_group (no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, next INTEGER NOT NULL) STRICT;
         CREATE TABLE search_doc (key INTEGER PRIMARY KEY, grp INTEGER NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
             vals BLOB NOT NULL{columns}) STRICT;
         CREATE UNIQUE INDEX search_doc_id ON search_doc (id);
         CREATE TABLE search_scope (scope INTEGER PRIMARY KEY, next INTEGER NOT NULL) STRICT;
         CREATE TABLE search_value (scope INTEGER NOT NULL, text TEXT NOT NULL, number INTEGER NOT NULL,
             PRIMARY KEY (scope, text)) STRICT, WITHOUT ROWID;
         CREATE TABLE search_post (value INTEGER NOT NULL, block INTEGER NOT NULL, bits INTEGER NOT NULL,
             PRIMARY KEY (value, block)) STRICT, WITHOUT ROWID;
         CREATE TABLE search_finding (value INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT;
         CREATE VIRTUAL TABLE search_fts USING fts5 (words, content='', contentless_delete=1, detail=none, tokenize='ascii');"
    );
    for field in keys::columns().filter(|field| field.sort) {
        let _ = write!(
            sql,
            "CREATE INDEX {} ON search_doc (grp, {}, id);",
            sort_index(field),
            column(field)
        );
    }
    sql
}

/// The index that holds a group's documents in the order of this field, then of their ids.
pub fn sort_index(field: &Field) -> String {
    format!("search_doc_by_{}", field.name)
}
