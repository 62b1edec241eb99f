//! SQLite by hand: a connection that writes, one that reads, cached statements.

use crate::import::group;
use crate::kernel::Kernel;
use crate::rows::{Chunk, Codes, Keyed, Left, NAMES, NOW, Record, weigh};
use crate::turns::{PAGE, Side, Size, compare};
use gna_storage::kernel::ItemKey;
use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Result, Row, TransactionBehavior, params,
};
use std::path::Path;
use tokio::runtime::Runtime;

/// As the backend sets its connections; the page size and the log are the file's own.
const SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA foreign_keys = OFF;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
";

const INSERT: &str = "INSERT INTO items (collection, part, sort, version, expires, entries, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const LIST: &str =
    "INSERT INTO entries (collection, idx, part, sort, item) VALUES (?1, ?2, ?3, ?4, ?5)";
const TELL: &str = "INSERT INTO feed (at, event, collection, part, sort, version, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const GET: &str = "SELECT version, expires, body FROM items
    WHERE collection = ?1 AND part = ?2 AND sort = ?3 AND (expires IS NULL OR expires > ?4)";
const BY_DUE: &str = "SELECT i.version, i.expires, i.body, i.part, i.sort, e.sort, e.item
    FROM entries e CROSS JOIN items i ON i.id = e.item
    WHERE e.collection = ?1 AND e.idx = ?2 AND e.part = ?3 AND (e.sort, e.item) > (?4, ?5)
        AND (i.expires IS NULL OR i.expires > ?6)
    ORDER BY e.sort, e.item LIMIT ?7";
const LEFT: &str = "SELECT (SELECT count(*) FROM items), (SELECT count(*) FROM entries),
    (SELECT count(*) FROM feed), (SELECT sum(length(body)) FROM items), (SELECT max(seq) FROM feed)";

/// One row more than a page tells whether there is a next one.
const ONE_MORE: i64 = PAGE as i64 + 1;

/// The last entry of a page: sort and number of the item.
type After = (String, i64);
type Page = (Vec<Keyed<String>>, Option<After>);

struct Raw {
    writer: Connection,
    reader: Connection,
    codes: Codes,
    group: String,
    next: Option<After>,
}

/// Measures both sides, each on a file of its own.
pub fn run(runtime: &Runtime, size: &Size) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| folder.path().join(name);
    let (kernels, raws) = (file("kernel.db"), file("raw.db"));
    let url = |path: &Path| format!("sqlite:{}", path.display());

    let mut kernel = Kernel::open(runtime, &url(&kernels));
    // Makes the tables and closes the file.
    drop(Kernel::open(runtime, &url(&raws)));
    let mut raw = Raw::open(&raws).expect("opens by hand");
    compare("sqlite", size, &mut kernel, &mut raw);

    drop(raw);
    let (by_kernel, by_hand) = (left(&kernels), left(&raws));
    assert_eq!(by_kernel.expect("counts"), by_hand.expect("counts"));
    Kernel::open(runtime, &url(&raws)).check();
}

impl Raw {
    fn open(path: &Path) -> Result<Self> {
        let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let journal: String = writer.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        assert_eq!(journal, "wal", "the backend made the file so");
        for name in NAMES {
            let add = "INSERT INTO names (name) VALUES (?1) ON CONFLICT DO NOTHING";
            writer.execute(add, [name])?;
        }
        let codes = codes(&writer)?;
        Ok(Self {
            reader: connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            writer,
            codes,
            group: group(0),
            next: None,
        })
    }
}

fn connect(path: &Path, how: OpenFlags) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, how | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_prepared_statement_cache_capacity(128);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(SETTINGS)?;
    Ok(conn)
}

fn codes(conn: &Connection) -> Result<Codes> {
    let mut statement = conn.prepare("SELECT code, name FROM names")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i16, String)> = rows.collect::<Result<_>>()?;
    Ok(Codes::new(rows))
}

impl Side for Raw {
    type Chunk = Chunk;

    fn chunk(&self, first: u64) -> Chunk {
        Chunk::new(first, &self.codes)
    }

    fn commit(&mut self, chunk: Chunk) {
        write(&mut self.writer, &chunk).expect("commits by hand");
    }

    fn get_many(&mut self, keys: &[ItemKey]) -> usize {
        let collection = self.codes.of("vulnerability");
        let found = get_many(&mut self.reader, collection, keys);
        weigh(&found.expect("answers"))
    }

    fn get_each(&mut self, keys: &[ItemKey]) -> usize {
        let collection = self.codes.of("vulnerability");
        let mut weight = 0;
        for key in keys {
            let found = get_one(&self.reader, collection, key).expect("answers");
            weight += found.as_ref().map_or(0, Record::weight);
        }
        weight
    }

    fn pages(&mut self, count: usize) -> usize {
        let mut weight = 0;
        for _ in 0..count {
            let after = self.next.take().unwrap_or_default();
            let (page, next) = self.page(&after).expect("answers");
            weight += page.iter().map(Keyed::weight).sum::<usize>();
            self.next = next;
        }
        weight
    }
}

/// One transaction, durable when it returns.
fn write(conn: &mut Connection, chunk: &Chunk) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut insert = tx.prepare_cached(INSERT)?;
        let mut list = tx.prepare_cached(LIST)?;
        let mut tell = tx.prepare_cached(TELL)?;
        for item in &chunk.items {
            let entries = (!item.entries.is_empty()).then_some(&item.entries);
            insert.execute(params![
                item.collection,
                item.key.partition,
                item.key.sort,
                item.version,
                item.expires,
                entries,
                item.body,
            ])?;
            let id = tx.last_insert_rowid();
            for (index, partition, sort) in &item.listed {
                list.execute(params![item.collection, index, partition, sort, id])?;
            }
        }
        for record in &chunk.feed {
            tell.execute(params![
                record.at,
                record.event,
                record.collection,
                record.key.partition,
                record.key.sort,
                record.version,
                record.data,
            ])?;
        }
    }
    tx.commit()
}

/// One snapshot, hence one lock of the file for all of them.
fn get_many(
    conn: &mut Connection,
    collection: i16,
    keys: &[ItemKey],
) -> Result<Vec<Option<Record>>> {
    let tx = conn.transaction()?;
    let mut get = tx.prepare_cached(GET)?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let values = params![collection, key.partition, key.sort, NOW];
        found.push(get.query_row(values, record).optional()?);
    }
    Ok(found)
}

fn get_one(conn: &Connection, collection: i16, key: &ItemKey) -> Result<Option<Record>> {
    let values = params![collection, key.partition, key.sort, NOW];
    let mut get = conn.prepare_cached(GET)?;
    get.query_row(values, record).optional()
}

impl Raw {
    /// A page, and where the next one goes on.
    fn page(&self, after: &After) -> Result<Page> {
        let mut statement = self.reader.prepare_cached(BY_DUE)?;
        let mut rows = statement.query(params![
            self.codes.of("vulnerability"),
            self.codes.of("by_due"),
            self.group,
            after.0,
            after.1,
            NOW,
            ONE_MORE,
        ])?;
        let (mut page, mut last) = (Vec::with_capacity(PAGE), None);
        while let Some(row) = rows.next()? {
            if page.len() == PAGE {
                return Ok((page, last));
            }
            page.push(Keyed {
                record: record(row)?,
                partition: row.get(3)?,
                sort: row.get(4)?,
            });
            if page.len() == PAGE {
                last = Some((row.get(5)?, row.get(6)?));
            }
        }
        Ok((page, None))
    }
}

fn record(row: &Row<'_>) -> Result<Record> {
    Ok(Record {
        version: row.get(0)?,
        expires: row.get(1)?,
        body: row.get_ref(2)?.as_bytes()?.to_vec(),
    })
}

fn left(path: &Path) -> Result<Left> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.query_row(LEFT, [], |row| {
        Ok([
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        ])
    })
}
