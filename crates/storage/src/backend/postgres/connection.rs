//! The connections to a PostgreSQL server: pooled, checked, each set up alike.

use super::address::Address;
use super::error::{cut, map};
use super::schema::SCHEMA_TABLES;
use crate::kernel::Error;
use futures::TryStreamExt;
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Postgres, Row};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Oldest server that is taken; what the tests run on.
const OLDEST: i32 = 150_000;
/// Longest wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);
/// A connection that was not used for so long is asked whether it still lives.
const STALE: Duration = Duration::from_secs(1);
/// Longest wait for an answer; longer than the server lets a statement run, so that it comes into
/// play only where the server is gone without a word.
const ANSWER: Duration = Duration::from_secs(75);

/// Wait before asking again for what another process is at.
const ALONE_AGAIN: Duration = Duration::from_millis(200);
/// Waits before a read whose connection was lost is tried again.
const READ_AGAIN: [Duration; 5] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// What each connection begins with. Single statements make up every read and commit, so a
/// transaction that idles belongs to a process that hangs. The planner's ways that are good for
/// reports and bad for keys are off: every question of the item store has its index.
const SESSION: &str = "
    SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '60s';
    SET lock_timeout = '20s';
    SET idle_in_transaction_session_timeout = '60s';
    SET client_min_messages = warning;
    SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
";
const KEYED: &str = "
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET plan_cache_mode = force_generic_plan;
";

/// An open store; cheap to clone.
#[derive(Clone)]
pub struct PostgresDb {
    inner: Arc<Inner>,
}

struct Inner {
    /// For the item store.
    items: PgPool,
    /// For search, with the planner as it is.
    search: PgPool,
    schema: String,
    statements: AtomicU64,
}

impl PostgresDb {
    /// Connects, checks the server and makes the schema where there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection can be made, or naming what the server lacks.
    pub async fn open(address: &Address) -> Result<Self, Error> {
        let items = pool(address, KEYED, address.connections.max(2));
        // One of these listens all the time, two may hold rights while others work.
        let search = pool(address, "", address.connections / 2 + 3);
        let db = Self {
            inner: Arc::new(Inner {
                items,
                search,
                schema: address.schema.clone(),
                statements: AtomicU64::new(0),
            }),
        };
        db.examine().await?;
        db.prepare().await?;
        Ok(db)
    }

    /// The schema that holds the store.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.inner.schema
    }

    /// Statements sent for the item store so far.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.inner.statements.load(Ordering::Relaxed)
    }

    /// The connections for search.
    pub(crate) fn search_pool(&self) -> &PgPool {
        &self.inner.search
    }

    pub(super) fn items_pool(&self) -> &PgPool {
        &self.inner.items
    }

    /// Sends one statement of the item store.
    pub(super) async fn once<T>(
        &self,
        ask: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        self.inner.statements.fetch_add(1, Ordering::Relaxed);
        answered(ask).await
    }

    /// Sends one statement that changes nothing; again on other connections where one was lost: all
    /// that the pool holds may be dead after a restart of the server.
    pub(super) async fn read<T, F, Fut>(&self, ask: F) -> Result<T, Error>
    where
        F: Fn(PgPool) -> Fut,
        Fut: Future<Output = Result<T, sqlx::Error>>,
    {
        self.inner.statements.fetch_add(1, Ordering::Relaxed);
        again(&self.inner.items, ask).await
    }

    /// As [`Self::read`], on the connections for search.
    pub(crate) async fn read_search<T, F, Fut>(&self, ask: F) -> Result<T, Error>
    where
        F: Fn(PgPool) -> Fut,
        Fut: Future<Output = Result<T, sqlx::Error>>,
    {
        again(&self.inner.search, ask).await
    }

    /// Asks something that reads whole tables and may take long; gives each row as it comes, so that
    /// no table is ever in memory as a whole.
    pub(super) async fn each_unhurried(
        &self,
        sql: &'static str,
        mut take: impl FnMut(&PgRow) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        // The first statement shows whether the connection lives; no limit holds for the second.
        let mut conn = self
            .read_search(|pool| async move {
                let mut conn = pool.acquire().await?;
                conn.ping().await?;
                Ok(conn)
            })
            .await?;
        let mut tx = conn.begin().await.map_err(map)?;
        unhurried(&mut tx).await.map_err(map)?;
        let mut rows = sqlx::query(sql).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await.map_err(map)? {
            take(&row)?;
        }
        Ok(())
    }

    /// Runs `work` while no other process runs work of this name on this store; waits for them.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the server does not answer.
    pub async fn alone<T>(&self, name: &str, work: impl Future<Output = T>) -> Result<T, Error> {
        let tx = self.right(name).await?;
        let done = work.await;
        tx.commit().await.map_err(map)?;
        Ok(done)
    }

    /// Waits until no other process has the right of this name to this store. It ends with the
    /// transaction, whatever becomes of this process.
    pub(crate) async fn right(
        &self,
        name: &str,
    ) -> Result<sqlx::Transaction<'static, Postgres>, Error> {
        let mut tx = self
            .read_search(|pool| async move { pool.begin().await })
            .await?;
        sqlx::raw_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            .execute(&mut *tx)
            .await
            .map_err(map)?;
        loop {
            let mine: bool =
                sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 1))")
                    .bind(format!("gna {name} {}", self.schema()))
                    .fetch_one(&mut *tx)
                    .await
                    .map_err(map)?;
            if mine {
                return Ok(tx);
            }
            tokio::time::sleep(ALONE_AGAIN).await;
        }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.inner.items.close().await;
        self.inner.search.close().await;
    }

    /// Removes the schema with all that is in it. There is no way back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the user may not.
    pub async fn drop_schema(&self) -> Result<(), Error> {
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema());
        let pool = self.items_pool();
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(pool)
            .await
            .map_err(map)?;
        Ok(())
    }

    /// Cuts all connections to this store, of every process, but the one it uses: as an operator
    /// does before maintenance, and as tests do to see what happens.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the user may not.
    pub async fn cut_others(&self) -> Result<(), Error> {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";
        sqlx::query(sql)
            .bind(application(self.schema()))
            .execute(self.items_pool())
            .await
            .map_err(map)?;
        Ok(())
    }

    /// Refuses servers that can't keep the contract.
    async fn examine(&self) -> Result<(), Error> {
        let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
            pg_is_in_recovery(), current_setting('fsync') = 'on', current_setting('server_encoding')";
        let row = answered(sqlx::query(sql).fetch_one(self.items_pool()))
            .await
            .map_err(map)?;
        let number: i32 = row.try_get(0).map_err(map)?;
        let version: String = row.try_get(1).map_err(map)?;
        let encoding: String = row.try_get(4).map_err(map)?;
        let lacks = if number < OLDEST {
            Some(format!(
                "PostgreSQL {version} is too old; 15 or newer is needed"
            ))
        } else if row.try_get(2).map_err(map)? {
            Some(
                "the server is a standby (pg_is_in_recovery); point store.url at the primary"
                    .into(),
            )
        } else if !row.try_get::<bool, _>(3).map_err(map)? {
            Some("the server runs with fsync = off, so that a power cut loses what was acknowledged; turn it on".into())
        } else if encoding != "UTF8" {
            Some(format!(
                "the database's encoding is {encoding}; make one with ENCODING 'UTF8'"
            ))
        } else {
            None
        };
        lacks.map_or(Ok(()), |lack| Err(Error::Unavailable(lack)))
    }

    /// The schema and the table of versions. Several processes may start at once.
    async fn prepare(&self) -> Result<(), Error> {
        let schema = self.schema().to_owned();
        let there = "SELECT to_regclass($1) IS NOT NULL";
        let found: bool = sqlx::query_scalar(there)
            .bind(format!("{schema}.meta"))
            .fetch_one(self.items_pool())
            .await
            .map_err(map)?;
        if found {
            return Ok(());
        }
        // Asked first: whoever made the schema for us need not let us make others.
        let make = "SELECT to_regnamespace($1) IS NULL";
        let mut conn = self.items_pool().acquire().await.map_err(map)?;
        let mut tx = conn.begin().await.map_err(map)?;
        lock(&mut tx, &schema).await?;
        let missing: bool = sqlx::query_scalar(make)
            .bind(&schema)
            .fetch_one(&mut *tx)
            .await
            .map_err(map)?;
        if missing {
            let sql = format!("CREATE SCHEMA {schema}");
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut *tx)
                .await
                .map_err(map)?;
        }
        tx.execute(sqlx::raw_sql(SCHEMA_TABLES))
            .await
            .map_err(map)?;
        tx.commit().await.map_err(map)
    }
}

/// Lets a transaction take as long as it needs.
pub(super) async fn unhurried(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
    let sql = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min'";
    sqlx::raw_sql(sql).execute(&mut *conn).await.map(|_| ())
}

/// Held until the transaction ends: one process at a time changes the tables of a schema.
pub(crate) async fn lock(conn: &mut sqlx::PgConnection, schema: &str) -> Result<(), Error> {
    unhurried(conn).await.map_err(map)?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("gna tables {schema}"))
        .execute(&mut *conn)
        .await
        .map_err(map)?;
    Ok(())
}

async fn again<T, F, Fut>(pool: &PgPool, ask: F) -> Result<T, Error>
where
    F: Fn(PgPool) -> Fut,
    Fut: Future<Output = Result<T, sqlx::Error>>,
{
    for wait in READ_AGAIN {
        match answered(ask(pool.clone())).await {
            Err(error) if cut(&error) => tokio::time::sleep(wait).await,
            answer => return answer.map_err(map),
        }
    }
    answered(ask(pool.clone())).await.map_err(map)
}

/// The answer, or an error where none comes.
async fn answered<T>(ask: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(ANSWER, ask).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// What the server's own lists call the connections of a store.
fn application(schema: &str) -> String {
    format!("gna {schema}")
}

fn pool(address: &Address, also: &'static str, connections: u32) -> PgPool {
    let begin = format!("SET search_path = {};{SESSION}{also}", address.schema);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                // An error here makes the pool drop the connection and take another.
                Ok(meta.idle_for < STALE || conn.ping().await.is_ok())
            })
        })
        .after_connect(move |conn, _| {
            let begin = begin.clone();
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(begin))
                    .execute(&mut *conn)
                    .await
                    .map(|_| ())
            })
        })
        .connect_lazy_with(
            address
                .options
                .clone()
                .application_name(&application(&address.schema))
                .statement_cache_capacity(200),
        )
}
