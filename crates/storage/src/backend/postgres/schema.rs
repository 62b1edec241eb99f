//! Brings a schema up to date: each component (items, search) numbers its own steps forward.

use super::connection::{PostgresDb, lock};
use super::error::map;
use crate::kernel::Error;
use sqlx::Connection;

/// The table that belongs to the schema as a whole.
pub(super) const SCHEMA_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS meta (
        key text COLLATE \"C\" PRIMARY KEY,
        value bigint NOT NULL
    );
";

/// Runs the steps of `component` that this schema has not seen, all or none. Steps count from 1;
/// step n takes the component from version n-1 to n, and one that has been released is never edited.
/// Processes that start at the same time wait for each other.
///
/// # Errors
/// [`Error::Unavailable`] when a newer program has written the schema, or a step fails.
pub async fn migrate(
    db: &PostgresDb,
    component: &str,
    steps: &[&'static str],
) -> Result<(), Error> {
    let key = format!("version.{component}");
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let find = "SELECT value FROM meta WHERE key = $1";
    let mut conn = db.items_pool().acquire().await.map_err(map)?;
    let seen: Option<i64> = sqlx::query_scalar(find)
        .bind(&key)
        .fetch_optional(&mut *conn)
        .await
        .map_err(map)?;
    if seen == Some(known) {
        return Ok(());
    }
    let mut tx = conn.begin().await.map_err(map)?;
    lock(&mut tx, db.schema()).await?;
    let seen: Option<i64> = sqlx::query_scalar(find)
        .bind(&key)
        .fetch_optional(&mut *tx)
        .await
        .map_err(map)?;
    let seen = seen.unwrap_or(0);
    if seen > known {
        return Err(Error::Unavailable(format!(
            "a newer version of this program wrote the store ({component} has version {seen}, this program \
             knows {known}); run that version, or restore a backup made before the upgrade"
        )));
    }
    let done = usize::try_from(seen).map_err(|_| Error::Corrupt(key.clone()))?;
    for step in steps.iter().skip(done).copied() {
        sqlx::raw_sql(step).execute(&mut *tx).await.map_err(map)?;
    }
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2",
    )
    .bind(&key)
    .bind(known)
    .execute(&mut *tx)
    .await
    .map_err(map)?;
    tx.commit().await.map_err(map)
}
