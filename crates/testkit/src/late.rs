//! What is behind in a world that lags, and how a story waits for it.
//!
//! Whoever decides in a story finds the indexes, the feed and the search as they are; whoever only looks
//! waits first, as a person would who looks again.

use gna_domain::port::search::MOVED;
use gna_storage::backend::lagging::Lagging;
use gna_storage::search::LaggingSearch;
use std::sync::Arc;

/// For how long a commit stays out of sight, in milliseconds of the world's clock. That stands still until
/// a story moves it: what was written a second ago shows.
pub(crate) const LAG_MS: i64 = 1_000;
/// How many changes a search that lags holds back.
pub(crate) const BEHIND: usize = 3;

/// What lags in a world: nothing, its store, its search or both. Cheap to clone.
#[derive(Clone, Default)]
pub struct Late {
    pub(crate) store: Option<Arc<Lagging>>,
    pub(crate) search: Option<Arc<LaggingSearch>>,
}

impl Late {
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.store.is_some() || self.search.is_some()
    }

    /// Shows everything that was written, in the store's lists and feed and, of what was told to it, in
    /// the search. Nothing where nothing lags.
    ///
    /// # Panics
    /// When the search can't take what it was told.
    pub async fn caught_up(&self) {
        if let Some(store) = &self.store {
            store.catch_up().await.expect("what committed shows");
        }
        if let Some(search) = &self.search {
            while let Err(error) = search.catch_up().await {
                // It was told the same once more since, and that came first.
                assert_eq!(error.code(), MOVED, "{error:?}");
            }
        }
    }
}
