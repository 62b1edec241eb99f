//! Search inside an SQLite file, usually the one that holds the items.
//!
//! Documents of a group are numbered from zero, and every (field, value) of a group has a bitmap
//! of the documents that have it, cut into blocks of 64. A condition is Boolean algebra on those
//! bitmaps, a facet is counting their bits, a page is a walk along an index in sort order that
//! asks the bitmap. Words are looked up once per distinct value, not once per document. `keys`
//! says how things are numbered, `schema` which tables there are; `write`, `dictionary` and `postings` fill them; `plan`,
//! `eval`, `order`, `stream`, `page` and `facets` answer. Everything a query touches belongs to one group:
//! the group's number is the head of every key.

mod bits;
mod dictionary;
mod eval;
mod facets;
mod keys;
mod order;
mod page;
mod plan;
mod postings;
mod schema;
mod stream;
mod write;

use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::id::{GroupId, TypedId, VulnerabilityId};
use gna_domain::page::Count;
use gna_domain::port::search::{
    Facet, Rebuilding, Search, SearchPage, SearchRequest, SearchUpdate, Selection, moved,
};
use gna_domain::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Mutex;

use super::{check, cursor};
use crate::backend::sqlite::SqliteDb;
use crate::kernel;

/// A search index in the tables `search_*` of an open file.
pub struct SqliteSearch {
    db: SqliteDb,
    /// Held by whoever makes it anew: the file belongs to one process.
    rebuilding: Arc<Mutex<()>>,
}

impl SqliteSearch {
    /// Opens the index of this file. Where it was made for other fields than are declared now, it
    /// is emptied and its position is `None`: the caller rebuilds it from the store.
    ///
    /// # Errors
    /// `store.unavailable` or `store.corrupt` when the file can't be used.
    pub async fn open(db: SqliteDb) -> Result<Self> {
        db.write(schema::prepare).await.map_err(error)?;
        Ok(Self {
            db,
            rebuilding: Arc::default(),
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, kernel::Error> + Send + 'static,
    ) -> Result<T> {
        self.db.read(work).await.map_err(error)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, kernel::Error> + Send + 'static,
    ) -> Result<T> {
        self.db.write(work).await.map_err(error)
    }
}

fn error(error: kernel::Error) -> Error {
    match error {
        kernel::Error::Corrupt(_) => Error::internal("store.corrupt", error.to_string()),
        _ => Error::unavailable("store.unavailable", error.to_string()),
    }
}

/// The numbers of those groups that have ever had a document, each once.
fn groups(conn: &Connection, selection: &Selection) -> Result<Vec<i64>, kernel::Error> {
    let mut find = conn.prepare_cached("SELECT no FROM search_group WHERE id = ?1")?;
    let ids: BTreeSet<GroupId> = selection.groups.iter().copied().collect();
    let mut numbers = Vec::with_capacity(ids.len());
    for id in ids {
        numbers.extend(
            find.query_row([id.uuid().as_bytes()], |row| row.get::<_, i64>(0))
                .optional()?,
        );
    }
    Ok(numbers)
}

#[async_trait]
impl Search for SqliteSearch {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        update.documents.iter().try_for_each(check::document)?;
        let is_applied = self.write(move |conn| write::apply(conn, &update)).await?;
        is_applied.then_some(()).ok_or_else(moved)
    }

    async fn position(&self) -> Result<Option<String>> {
        self.read(schema::position).await
    }

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        check::request(request)?;
        let after = request
            .after
            .as_ref()
            .map(|after| cursor::decode(request.sort, after))
            .transpose()?;
        let request = request.clone();
        self.read(move |conn| page::query(conn, &request, after))
            .await
    }

    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        check::selection(selection)?;
        let selection = selection.clone();
        self.read(move |conn| facets::count(conn, &selection, bound))
            .await
    }

    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        check::selection(selection)?;
        check::facets(fields)?;
        let (selection, fields) = (selection.clone(), fields.to_vec());
        self.read(move |conn| facets::facets(conn, &selection, &fields, limit))
            .await
    }

    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        let ids = ids.to_vec();
        self.write(move |conn| write::touch(conn, &ids, last_seen))
            .await
    }

    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        let scores = scores.to_vec();
        self.write(move |conn| write::prioritize(conn, &scores))
            .await
    }

    async fn clear(&self) -> Result<()> {
        self.write(schema::clear).await
    }

    async fn rebuilding(&self) -> Result<Rebuilding> {
        Ok(Box::new(Arc::clone(&self.rebuilding).lock_owned().await))
    }
}
