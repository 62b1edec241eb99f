//! PostgreSQL by hand: a pool, columns for `unnest`, prepared statements.

use crate::import::group;
use crate::kernel::Kernel;
use crate::rows::{Chunk, Codes, ItemRow, Keyed, Left, Listed, NAMES, NOW, Record, weigh};
use crate::turns::{PAGE, Side, Size, compare};
use gna_storage::backend::postgres::Address;
use gna_storage::conformance::postgres::{Place, VARIABLE};
use gna_storage::kernel::ItemKey;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Error, Row};
use tokio::runtime::Runtime;

/// As the backend begins its connections.
const SESSION: &str = "
    SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '60s';
    SET lock_timeout = '20s';
    SET idle_in_transaction_session_timeout = '60s';
    SET client_min_messages = warning;
    SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET plan_cache_mode = force_generic_plan;
";
/// Connections of a pool, as in the URL of a [`Place`].
const CONNECTIONS: u32 = 4;

const IDS: &str = "SELECT array_agg(nextval('item_ids')) FROM generate_series(1, $1::bigint)";
const ITEMS: &str = "
    INSERT INTO items (id, collection, part, sort, version, expires, entries, body)
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::bytea[],
        $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[])";
const ENTRIES: &str = "
    INSERT INTO entries (item, idx, collection, part, sort)
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::bytea[], $5::bytea[])";
const FEED: &str = "
    WITH head AS (UPDATE feed_head SET seq = seq + $1::bigint RETURNING seq)
    INSERT INTO feed (seq, at, event, collection, part, sort, version, data)
    SELECT head.seq - $1::bigint + f.n, f.at, f.event, f.c, f.p, f.s, f.version, f.data
    FROM head CROSS JOIN unnest($2::bigint[], $3::text[], $4::smallint[], $5::bytea[], $6::bytea[],
        $7::bigint[], $8::bytea[]) WITH ORDINALITY AS f(at, event, c, p, s, version, data, n)";
const GET_MANY: &str = "
    SELECT i.version, i.expires, i.body, k.n
    FROM unnest($2::bytea[], $3::bytea[]) WITH ORDINALITY AS k(p, s, n)
    JOIN items i ON i.collection = $1 AND i.part = k.p AND i.sort = k.s
    WHERE i.expires IS NULL OR i.expires > $4";
const GET_ONE: &str = "
    SELECT version, expires, body FROM items
    WHERE collection = $1 AND part = $2 AND sort = $3 AND (expires IS NULL OR expires > $4)";
const BY_DUE: &str = "
    SELECT i.version, i.expires, i.body, i.part, i.sort, e.sort, e.item
    FROM entries e JOIN items i ON i.id = e.item
    WHERE e.collection = $1 AND e.idx = $2 AND e.part = $3 AND (e.sort, e.item) > ($4, $5)
        AND (i.expires IS NULL OR i.expires > $6)
    ORDER BY e.sort, e.item LIMIT $7";

/// One row more than a page tells whether there is a next one.
const ONE_MORE: i64 = PAGE as i64 + 1;

/// The last entry of a page: sort and number of the item.
type After = (Vec<u8>, i64);
type Page = (Vec<Keyed<Vec<u8>>>, Option<After>);

struct Raw<'r> {
    runtime: &'r Runtime,
    pool: PgPool,
    codes: Codes,
    group: String,
    next: Option<After>,
}

/// Measures both sides, each in a schema of its own; says so where there is no server.
pub fn run(runtime: &Runtime, size: &Size) {
    // The driver wants a runtime around it also where a pool ends.
    let _inside = runtime.enter();
    let Some(kernels) = Place::fresh() else {
        return;
    };
    let Some(raws) = Place::fresh() else { return };

    let mut kernel = Kernel::open(runtime, &kernels.url);
    // Makes the tables.
    drop(Kernel::open(runtime, &raws.url));
    let mut raw = Raw::open(runtime, &schema(&raws)).expect("opens by hand");
    compare("postgres", size, &mut kernel, &mut raw);

    let (by_kernel, by_hand) = (raw.left(&schema(&kernels)), raw.left(&schema(&raws)));
    assert_eq!(by_kernel.expect("counts"), by_hand.expect("counts"));
    Kernel::open(runtime, &raws.url).check();
}

fn schema(place: &Place) -> String {
    let address = Address::parse(&place.url);
    address.expect("the address can be used").schema
}

impl<'r> Raw<'r> {
    fn open(runtime: &'r Runtime, schema: &str) -> Result<Self, Error> {
        let url = std::env::var(VARIABLE).expect("a place has a server");
        let (pool, codes) = runtime.block_on(async {
            let pool = connect(&url, schema).await?;
            let codes = codes(&pool).await?;
            Ok::<_, Error>((pool, codes))
        })?;
        Ok(Self {
            runtime,
            pool,
            codes,
            group: group(0),
            next: None,
        })
    }

    fn left(&self, schema: &str) -> Result<Left, Error> {
        self.runtime.block_on(left(&self.pool, schema))
    }
}

async fn connect(url: &str, schema: &str) -> Result<PgPool, Error> {
    let options: PgConnectOptions = url.parse()?;
    let begin = format!("SET search_path = {schema};{SESSION}");
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .after_connect(move |conn, _| {
            let begin = begin.clone();
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(begin))
                    .execute(&mut *conn)
                    .await
                    .map(|_| ())
            })
        })
        .connect_with(
            options
                .application_name("gna overhead")
                .statement_cache_capacity(200),
        )
        .await
}

async fn codes(pool: &PgPool) -> Result<Codes, Error> {
    let add = "INSERT INTO names (name) SELECT n FROM unnest($1::text[]) n
        WHERE NOT EXISTS (SELECT FROM names WHERE name = n) ORDER BY n";
    sqlx::query(add).bind(NAMES.to_vec()).execute(pool).await?;
    let rows: Vec<(i16, String)> = sqlx::query_as("SELECT code, name FROM names")
        .fetch_all(pool)
        .await?;
    Ok(Codes::new(rows))
}

impl Side for Raw<'_> {
    type Chunk = Chunk;

    fn chunk(&self, first: u64) -> Chunk {
        let mut chunk = Chunk::new(first, &self.codes);
        // The kernel gives out ids in the order of the keys, and so both fill their trees alike.
        chunk.items.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        chunk
    }

    fn commit(&mut self, chunk: Chunk) {
        let written = self.runtime.block_on(write(&self.pool, &chunk));
        written.expect("commits by hand");
    }

    fn get_many(&mut self, keys: &[ItemKey]) -> usize {
        let collection = self.codes.of("vulnerability");
        let found = self
            .runtime
            .block_on(get_many(&self.pool, collection, keys));
        weigh(&found.expect("answers"))
    }

    fn get_each(&mut self, keys: &[ItemKey]) -> usize {
        let (pool, collection) = (&self.pool, self.codes.of("vulnerability"));
        self.runtime.block_on(async {
            let mut weight = 0;
            for key in keys {
                let found = get_one(pool, collection, key).await.expect("answers");
                weight += found.as_ref().map_or(0, Record::weight);
            }
            weight
        })
    }

    fn pages(&mut self, count: usize) -> usize {
        let mut next = self.next.take();
        let mut weight = 0;
        self.runtime.block_on(async {
            for _ in 0..count {
                let after = next.take().unwrap_or_default();
                let (page, last) = self.page(&after).await.expect("answers");
                weight += page.iter().map(Keyed::weight).sum::<usize>();
                next = last;
            }
        });
        self.next = next;
        weight
    }
}

/// One column of many rows.
fn column<'a, T, V>(rows: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

fn count<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).expect("so many rows fit")
}

/// One transaction, durable when it returns.
async fn write(pool: &PgPool, chunk: &Chunk) -> Result<(), Error> {
    let (items, feed) = (&chunk.items, &chunk.feed);
    let mut tx = pool.begin().await?;
    let ids: Vec<i64> = sqlx::query_scalar(IDS)
        .bind(count(items))
        .fetch_one(&mut *tx)
        .await?;
    sqlx::query(ITEMS)
        .bind(&ids)
        .bind(column(items, |item| item.collection))
        .bind(column(items, |item| item.key.partition.as_bytes()))
        .bind(column(items, |item| item.key.sort.as_bytes()))
        .bind(column(items, |item| item.version))
        .bind(column(items, |item| item.expires))
        .bind(column(items, |item| item.entries.as_bytes()))
        .bind(column(items, |item| item.body.as_bytes()))
        .execute(&mut *tx)
        .await?;
    let listed: Vec<(i64, &ItemRow, &Listed)> = items
        .iter()
        .zip(&ids)
        .flat_map(|(item, id)| item.listed.iter().map(move |entry| (*id, item, entry)))
        .collect();
    sqlx::query(ENTRIES)
        .bind(column(&listed, |(id, _, _)| *id))
        .bind(column(&listed, |(_, _, entry)| entry.0))
        .bind(column(&listed, |(_, item, _)| item.collection))
        .bind(column(&listed, |(_, _, entry)| entry.1.as_bytes()))
        .bind(column(&listed, |(_, _, entry)| entry.2.as_bytes()))
        .execute(&mut *tx)
        .await?;
    sqlx::query(FEED)
        .bind(count(feed))
        .bind(column(feed, |record| record.at))
        .bind(column(feed, |record| record.event.as_str()))
        .bind(column(feed, |record| record.collection))
        .bind(column(feed, |record| record.key.partition.as_bytes()))
        .bind(column(feed, |record| record.key.sort.as_bytes()))
        .bind(column(feed, |record| record.version))
        .bind(column(feed, |record| record.data.as_bytes()))
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// One answer per key, in their order.
async fn get_many(
    pool: &PgPool,
    collection: i16,
    keys: &[ItemKey],
) -> Result<Vec<Option<Record>>, Error> {
    let rows = sqlx::query(GET_MANY)
        .bind(collection)
        .bind(column(keys, |key| key.partition.as_bytes()))
        .bind(column(keys, |key| key.sort.as_bytes()))
        .bind(NOW)
        .fetch_all(pool)
        .await?;
    let mut found: Vec<Option<Record>> = keys.iter().map(|_| None).collect();
    for row in &rows {
        let number: i64 = row.try_get(3)?;
        let at = usize::try_from(number - 1).expect("numbers begin at 1");
        found[at] = Some(record(row)?);
    }
    Ok(found)
}

async fn get_one(pool: &PgPool, collection: i16, key: &ItemKey) -> Result<Option<Record>, Error> {
    let row = sqlx::query(GET_ONE)
        .bind(collection)
        .bind(key.partition.as_bytes())
        .bind(key.sort.as_bytes())
        .bind(NOW)
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(record).transpose()
}

impl Raw<'_> {
    /// A page, and where the next one goes on.
    async fn page(&self, after: &After) -> Result<Page, Error> {
        let rows = sqlx::query(BY_DUE)
            .bind(self.codes.of("vulnerability"))
            .bind(self.codes.of("by_due"))
            .bind(self.group.as_bytes())
            .bind(after.0.as_slice())
            .bind(after.1)
            .bind(NOW)
            .bind(ONE_MORE)
            .fetch_all(&self.pool)
            .await?;
        let mut page = Vec::with_capacity(PAGE);
        for row in rows.iter().take(PAGE) {
            page.push(Keyed {
                record: record(row)?,
                partition: row.try_get(3)?,
                sort: row.try_get(4)?,
            });
        }
        let last = match rows.get(PAGE - 1) {
            Some(row) if rows.len() > PAGE => Some((row.try_get(5)?, row.try_get(6)?)),
            _ => None,
        };
        Ok((page, last))
    }
}

/// From the first three columns.
fn record(row: &PgRow) -> Result<Record, Error> {
    Ok(Record {
        version: row.try_get(0)?,
        expires: row.try_get(1)?,
        body: row.try_get(2)?,
    })
}

async fn left(pool: &PgPool, schema: &str) -> Result<Left, Error> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM {schema}.items), (SELECT count(*) FROM {schema}.entries),
            (SELECT count(*) FROM {schema}.feed), (SELECT sum(length(body)) FROM {schema}.items),
            (SELECT seq FROM {schema}.feed_head)"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(pool).await?;
    Ok([
        row.try_get(0)?,
        row.try_get(1)?,
        row.try_get(2)?,
        row.try_get(3)?,
        row.try_get(4)?,
    ])
}
