//! A search index that is behind: updates wait until they are let through.
//!
//! For tests only: whoever uses search must cope with an index that follows the store late, and
//! a test that passes only on an index that is never late proves little.

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::id::VulnerabilityId;
use gna_domain::page::Count;
use gna_domain::port::search::{
    Facet, MOVED, Rebuilding, Search, SearchPage, SearchRequest, SearchUpdate, Selection,
};
use gna_domain::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Mutex;

use super::check;

/// Holds back updates and touches, in their order. An index that is being made anew holds back nothing
/// until it has a position: its maker asks for that, and would begin again.
pub struct LaggingSearch {
    inner: Arc<dyn Search>,
    /// How many changes wait at most; one more lets the oldest through.
    behind: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    changes: VecDeque<Change>,
    /// It was emptied and has no position yet.
    is_being_made: bool,
}

enum Change {
    Apply(SearchUpdate),
    Touch(Vec<VulnerabilityId>, Timestamp),
}

impl LaggingSearch {
    /// `behind` changes stay invisible until others follow them or [`Self::catch_up`] is called.
    #[must_use]
    pub fn new(inner: Arc<dyn Search>, behind: usize) -> Self {
        Self {
            inner,
            behind,
            waiting: Mutex::default(),
        }
    }

    /// Lets everything through.
    ///
    /// # Errors
    /// The first that the index gives; what follows it is then still waiting.
    pub async fn catch_up(&self) -> Result<()> {
        self.let_through(0).await
    }

    async fn push(&self, change: Change) -> Result<()> {
        let mut waiting = self.waiting.lock().await;
        let leave = if waiting.is_being_made {
            0
        } else {
            self.behind
        };
        if matches!(&change, Change::Apply(update) if update.position.is_some()) {
            waiting.is_being_made = false;
        }
        waiting.changes.push_back(change);
        self.pass_on(&mut waiting, leave).await
    }

    async fn let_through(&self, leave: usize) -> Result<()> {
        let mut waiting = self.waiting.lock().await;
        self.pass_on(&mut waiting, leave).await
    }

    /// What waits is locked while it is applied: two callers must not overtake one another.
    async fn pass_on(&self, waiting: &mut Waiting, leave: usize) -> Result<()> {
        while waiting.changes.len() > leave {
            match waiting.changes.pop_front() {
                Some(Change::Apply(update)) => self.inner.apply(update).await?,
                Some(Change::Touch(ids, last_seen)) => self.inner.touch(&ids, last_seen).await?,
                None => break,
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Search for LaggingSearch {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        // What is malformed is refused at once by every implementation.
        update.documents.iter().try_for_each(check::document)?;
        self.push(Change::Apply(update)).await
    }

    async fn position(&self) -> Result<Option<String>> {
        self.inner.position().await
    }

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        self.inner.query(request).await
    }

    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        self.inner.count(selection, bound).await
    }

    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        self.inner.facets(selection, fields, limit).await
    }

    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        self.push(Change::Touch(ids.to_vec(), last_seen)).await
    }

    /// After what waits, and at once: how many rows were rewritten is known only then.
    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        // What is refused because the index has moved on since is nothing to whoever asks this.
        while let Err(error) = self.let_through(0).await {
            if error.code() != MOVED {
                return Err(error);
            }
        }
        self.inner.prioritize(scores).await
    }

    /// At once: a rebuild starts from nothing, and what waited belonged to before.
    async fn clear(&self) -> Result<()> {
        let mut waiting = self.waiting.lock().await;
        waiting.changes.clear();
        waiting.is_being_made = true;
        self.inner.clear().await
    }

    async fn rebuilding(&self) -> Result<Rebuilding> {
        self.inner.rebuilding().await
    }
}
