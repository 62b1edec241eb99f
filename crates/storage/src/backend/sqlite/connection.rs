//! The handle to one store file: one writer, a few readers, one process.
//!
//! Items and search keep their tables in the same file and share this handle. It knows no table
//! but `meta`. Write-ahead log, synced at each commit; a reader sees every commit that was
//! acknowledged before it began.

use super::error::io;
use super::lock::{StoreLock, private};
use super::schema::{APPLICATION_ID, FILE_TABLES};
use super::writer::Writer;
use crate::kernel::Error;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How a file is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Page cache of the writer, in KiB; filled only as it is used.
    pub writer_cache_kib: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// Reads at a time.
    pub readers: usize,
    /// How long to wait for another program (a shell, a copy tool) that holds the file.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            writer_cache_kib: 16 * 1_024,
            reader_cache_kib: 8 * 1_024,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// Bytes in a page of a new file. Twice the default: rows of 700 bytes and their index entries
/// then cost a quarter less time in an import.
const PAGE_BYTES: u32 = 8_192;
/// Pages in the log before a commit moves them to the file: 16 MB.
const CHECKPOINT_PAGES: u32 = 2_000;
/// The log shrinks back to this after a long read let it grow, in bytes.
const LOG_BYTES: u32 = 64 * 1_024 * 1_024;
const STATEMENTS: usize = 128;

/// One open store file. Clones share it; the last one closes it.
#[derive(Clone)]
pub struct SqliteDb {
    inner: Arc<Inner>,
}

// Dropped from top to bottom: readers close, then the writer, then the lock is free.
struct Inner {
    readers: Readers,
    writer: Writer,
    lock: StoreLock,
    path: PathBuf,
}

struct Readers {
    path: PathBuf,
    options: SqliteOptions,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl SqliteDb {
    /// Opens the file at `path`, which is made when there is none, and takes its lock. Blocks for
    /// some milliseconds.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another process has it (naming it), it can't be written, or it
    /// belongs to another program; [`Error::Corrupt`] when it is no database.
    pub fn open(path: &Path, options: &SqliteOptions) -> Result<Self, Error> {
        let lock = StoreLock::take(path)?;
        private(
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false),
        )
        .open(path)
        .map_err(|error| io("open", path, &error))?;
        let conn = open_writer(path, options)?;
        let readers = Readers {
            path: path.to_owned(),
            options: options.clone(),
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(options.readers.max(1))),
        };
        let inner = Inner {
            readers,
            writer: Writer::start(conn)?,
            lock,
            path: path.to_owned(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Writes into the lock file where this process answers, for the command line to find.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the lock file can't be written.
    pub fn announce(&self, address: &str) -> Result<(), Error> {
        self.inner.lock.announce(Some(address))
    }

    /// Runs `work` on a reader, off the async threads, inside one snapshot.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Unavailable`] when no reader can be opened.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let closing = |_| Error::Unavailable("the store is closing".into());
        let permit = Arc::clone(&self.inner.readers.permits)
            .acquire_owned()
            .await
            .map_err(closing)?;
        let db = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            db.inner.readers.with(work)
        });
        answer
            .await
            .map_err(|_| Error::Unavailable("a read failed unexpectedly".into()))?
    }

    /// As [`Self::read`], on the calling thread where a reader is free at once: for work of well
    /// under a millisecond, which is less than it costs to hand it to another thread and back.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_briefly<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        match Arc::clone(&self.inner.readers.permits).try_acquire_owned() {
            Ok(_permit) => self.inner.readers.with(work),
            Err(_) => self.read(work).await,
        }
    }

    /// Runs `work` in a transaction of the one writer, and answers when it is durable. When it
    /// fails, nothing of it stays. Writes that wait at the same time share a sync to disk. Keep
    /// it short, everyone else waits: some 10,000 rows at most.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Unavailable`] when it can't be made durable.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.inner.writer.write(work, |_| ()).await
    }

    /// As [`Self::write`]; `after` runs once it is durable, even when the caller has gone.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_then<T, F, A>(&self, work: F, after: A) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        self.inner.writer.write(work, after).await
    }
}

impl Readers {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let conn = match idle {
            Some(conn) => conn,
            None => open_reader(&self.path, &self.options)?,
        };
        // One snapshot for all statements, and the file is locked once instead of for each. Kept
        // as prepared statements: a page makes ten reads, and each would parse them anew. Where
        // `work` panics the connection goes, and its snapshot with it.
        conn.prepare_cached("BEGIN")?.execute([])?;
        let answer = work(&conn);
        conn.prepare_cached("ROLLBACK")?.execute([])?;
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(conn);
        answer
    }
}

fn open_writer(path: &Path, options: &SqliteOptions) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(options.busy_timeout)?;
    claim(&conn, path)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::Unavailable(format!(
            "{} is on a file system without shared memory (a network folder?); put it on a local disk",
            path.display()
        )));
    }
    conn.execute_batch(&format!(
        "PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA journal_size_limit = {LOG_BYTES};"
    ))?;
    tune(&conn, options.writer_cache_kib)?;
    conn.execute_batch(FILE_TABLES)?;
    Ok(conn)
}

/// Marks a new file as ours, and refuses one that is someone else's.
fn claim(conn: &Connection, path: &Path) -> Result<(), Error> {
    let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    match id {
        APPLICATION_ID => Ok(()),
        0 if pages == 0 => Ok(conn.execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES}; PRAGMA application_id = {APPLICATION_ID}"
        ))?),
        _ => Err(Error::Unavailable(format!(
            "{} is a database of another program",
            path.display()
        ))),
    }
}

pub(super) fn open_reader(path: &Path, options: &SqliteOptions) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(options.busy_timeout)?;
    tune(&conn, options.reader_cache_kib)?;
    Ok(conn)
}

fn tune(conn: &Connection, cache_kib: u32) -> Result<(), Error> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise the planner looks at the bound value of a LIMIT and parses and plans the statement
    // anew each time that it is bound.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(conn.execute_batch(&format!(
        "PRAGMA foreign_keys = OFF;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{cache_kib};"
    ))?)
}

#[cfg(test)]
mod tests {
    use super::super::schema::{meta, migrate, set_meta};
    use super::*;
    use rusqlite::StatementStatus;

    fn open(folder: &tempfile::TempDir) -> Result<SqliteDb, Error> {
        SqliteDb::open(&folder.path().join("gna.db"), &SqliteOptions::default())
    }

    #[tokio::test]
    async fn a_read_sees_what_was_written_and_a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).unwrap();
        db.write(|conn| set_meta(conn, "a", 1)).await.unwrap();
        let failed: Result<(), Error> = db
            .write(|conn| {
                set_meta(conn, "a", 2)?;
                Err(Error::FeedGap)
            })
            .await;
        assert!(matches!(failed, Err(Error::FeedGap)));
        assert_eq!(db.read(|conn| meta(conn, "a")).await.unwrap(), Some(1));
        assert!(
            db.read(|conn| set_meta(conn, "a", 3)).await.is_err(),
            "readers can't write"
        );
    }

    #[tokio::test]
    async fn a_statement_is_planned_once_whatever_is_bound_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).unwrap();
        let work = |conn: &Connection| {
            let find = "SELECT value FROM meta WHERE key > ? ORDER BY key LIMIT ?";
            let mut find = conn.prepare_cached(find)?;
            for limit in [1, 50, 3, 1_000] {
                find.query(("a", limit))?.next()?;
            }
            Ok(find.get_status(StatementStatus::RePrepare))
        };
        assert_eq!(db.read(work).await.unwrap(), 0);
        assert_eq!(db.write(work).await.unwrap(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn writes_that_share_a_transaction_fail_each_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).unwrap();
        // While the writer is held up, the others queue and become one group.
        let hold = db.write(|_| {
            std::thread::sleep(Duration::from_millis(5));
            Ok(())
        });
        let others = (0..20i64).map(|n| {
            let db = db.clone();
            async move {
                db.write(move |conn| {
                    set_meta(conn, &format!("n{n}"), n)?;
                    assert!(n % 5 != 1, "a panic is a failure of its own write only");
                    if n % 2 == 0 {
                        Ok(())
                    } else {
                        Err(Error::FeedGap)
                    }
                })
                .await
            }
        });
        let (held, outcomes) = tokio::join!(hold, futures::future::join_all(others));
        held.unwrap();
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let keep = n % 2 == 0 && n % 5 != 1;
            assert_eq!(outcome.is_ok(), keep, "{n}");
            let stored = db
                .read(move |conn| meta(conn, &format!("n{n}")))
                .await
                .unwrap();
            assert_eq!(stored.is_some(), keep, "{n}");
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_and_the_store_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).unwrap();
        db.write(|conn| Ok(conn.execute_batch("CREATE TABLE t (x)")?))
            .await
            .unwrap();
        let pages = |n: u32| format!("PRAGMA max_page_count = {n}");
        let limit = pages(10);
        db.read(|_| Ok(())).await.unwrap();
        db.write(move |conn| Ok(conn.query_row(&limit, [], |_| Ok(()))?))
            .await
            .unwrap();
        let fill = "INSERT INTO t SELECT zeroblob(100000)";
        let full = db
            .write(move |conn| Ok(conn.execute_batch(fill)?))
            .await
            .unwrap_err();
        assert!(full.to_string().contains("no space is left"), "{full}");

        let limit = pages(1_000_000);
        db.write(move |conn| Ok(conn.query_row(&limit, [], |_| Ok(()))?))
            .await
            .unwrap();
        db.write(move |conn| Ok(conn.execute_batch(fill)?))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_file_is_open_once_and_can_be_opened_again_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).unwrap();
        assert!(open(&folder).is_err());
        db.write(|conn| set_meta(conn, "a", 1)).await.unwrap();
        drop(db);
        let db = open(&folder).unwrap();
        assert_eq!(db.read(|conn| meta(conn, "a")).await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn a_newer_file_and_a_foreign_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).unwrap();
        let two = ["CREATE TABLE one (x)", "CREATE TABLE two (x)"];
        db.write(move |conn| migrate(conn, "part", &two[..1]))
            .await
            .unwrap();
        db.write(move |conn| migrate(conn, "part", &two))
            .await
            .unwrap();
        db.write(move |conn| migrate(conn, "part", &two))
            .await
            .unwrap();
        let refusal = db
            .write(move |conn| migrate(conn, "part", &two[..1]))
            .await
            .unwrap_err();
        assert!(refusal.to_string().contains("newer version"), "{refusal}");

        let path = folder.path().join("other.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x)")
            .unwrap();
        let refusal = SqliteDb::open(&path, &SqliteOptions::default())
            .err()
            .unwrap();
        assert!(refusal.to_string().contains("another program"), "{refusal}");

        std::fs::write(
            &path,
            "not a database, but long enough to have a header ".repeat(20),
        )
        .unwrap();
        let refusal = SqliteDb::open(&path, &SqliteOptions::default())
            .err()
            .unwrap();
        assert!(matches!(refusal, Error::Corrupt(_)), "{refusal}");
    }
}
