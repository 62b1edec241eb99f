//! Brings a file up to date: each component (items, search) numbers its own steps forward.

use crate::kernel::Error;
use rusqlite::{Connection, OptionalExtension, params};

/// Marks a file as one of ours (`PRAGMA application_id`), "Gna1".
pub const APPLICATION_ID: i32 = 0x476E_6131;

/// The tables that belong to the file as a whole. Safe to run on each open.
pub(super) const FILE_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS meta (
        key TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Runs the steps of `component` that this file has not seen. Step number n (from 1) takes the
/// component from version n-1 to n; a step that has been released is never edited. Call it inside
/// [`super::SqliteDb::write`]: all steps hold, or none.
///
/// # Errors
/// [`Error::Unavailable`] when a newer program has written the file.
pub fn migrate(conn: &Connection, component: &str, steps: &[&str]) -> Result<(), Error> {
    let seen = version(conn, component)?;
    if seen > steps.len() {
        return Err(Error::Unavailable(format!(
            "a newer version of this program wrote the store ({component} has version {seen}, this program \
             knows {}); run that version, or restore a backup made before the upgrade",
            steps.len()
        )));
    }
    for step in steps.iter().skip(seen) {
        conn.execute_batch(step)?;
    }
    if seen < steps.len() {
        set_meta(
            conn,
            &key(component),
            i64::try_from(steps.len()).unwrap_or(i64::MAX),
        )?;
    }
    Ok(())
}

/// How many steps of `component` this file has seen.
///
/// # Errors
/// [`Error::Corrupt`] when the number is not one.
pub fn version(conn: &Connection, component: &str) -> Result<usize, Error> {
    let stored = meta(conn, &key(component))?.unwrap_or(0);
    usize::try_from(stored).map_err(|_| Error::Corrupt(format!("version of {component}")))
}

/// A number kept for the file.
///
/// # Errors
/// As any read.
pub fn meta(conn: &Connection, key: &str) -> Result<Option<i64>, Error> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

/// Replaces a number kept for the file.
///
/// # Errors
/// As any write.
pub fn set_meta(conn: &Connection, key: &str, value: i64) -> Result<(), Error> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?;
    statement.execute(params![key, value])?;
    Ok(())
}

fn key(component: &str) -> String {
    format!("schema.{component}")
}
