//! Search inside a PostgreSQL schema, usually the one that holds the items.
//!
//! One row per document with a column per declared field, one row per finding text. Words are
//! `tsvector`s that are made from this crate's own words ([`super::text`]) without any of
//! PostgreSQL's dictionaries, so that a search means the same on every store. Texts are `bytea`:
//! they compare byte by byte and may hold any character. `schema` says which tables there are,
//! `write` fills them, `plan` turns a selection into SQL, `answer` asks.

mod answer;
mod plan;
mod schema;
mod write;

use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::id::VulnerabilityId;
use gna_domain::page::Count;
use gna_domain::port::search::{
    Facet, Rebuilding, Search, SearchPage, SearchRequest, SearchUpdate, Selection, moved,
};
use gna_domain::time::Timestamp;

use std::sync::Arc;
use tokio::sync::Mutex;

use super::{check, cursor};
use crate::backend::postgres::PostgresDb;
use crate::kernel;

/// A search index in the tables `search_*` of an open schema.
pub struct PostgresSearch {
    db: PostgresDb,
    /// Held by the one of this process who makes it anew, or waits for another process: no more than one
    /// connection is taken for that.
    rebuilding: Arc<Mutex<()>>,
}

impl PostgresSearch {
    /// Opens the index of this schema. Where it was made for other fields than are declared now,
    /// it is emptied and its position is `None`: the caller rebuilds it from the store.
    ///
    /// # Errors
    /// `store.unavailable` when the server does not answer or the tables can't be made.
    pub async fn open(db: PostgresDb) -> Result<Self> {
        schema::prepare(&db).await.map_err(error)?;
        Ok(Self {
            db,
            rebuilding: Arc::default(),
        })
    }
}

fn error(error: kernel::Error) -> Error {
    match error {
        kernel::Error::Corrupt(_) => Error::internal("store.corrupt", error.to_string()),
        _ => Error::unavailable("store.unavailable", error.to_string()),
    }
}

#[async_trait]
impl Search for PostgresSearch {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        update.documents.iter().try_for_each(check::document)?;
        let is_applied = write::apply(&self.db, &update).await.map_err(error)?;
        is_applied.then_some(()).ok_or_else(moved)
    }

    async fn position(&self) -> Result<Option<String>> {
        schema::position(&self.db).await.map_err(error)
    }

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        check::request(request)?;
        let after = request
            .after
            .as_ref()
            .map(|after| cursor::decode(request.sort, after))
            .transpose()?;
        answer::query(&self.db, request, after).await.map_err(error)
    }

    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        check::selection(selection)?;
        answer::count(&self.db, selection, bound)
            .await
            .map_err(error)
    }

    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        check::selection(selection)?;
        check::facets(fields)?;
        answer::facets(&self.db, selection, fields, limit)
            .await
            .map_err(error)
    }

    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        write::touch(&self.db, ids, last_seen).await.map_err(error)
    }

    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        write::prioritize(&self.db, scores).await.map_err(error)
    }

    async fn clear(&self) -> Result<()> {
        schema::clear(&self.db).await.map_err(error)
    }

    async fn rebuilding(&self) -> Result<Rebuilding> {
        let here = Arc::clone(&self.rebuilding).lock_owned().await;
        let everywhere = self.db.right("search").await.map_err(error)?;
        Ok(Box::new((everywhere, here)))
    }
}
