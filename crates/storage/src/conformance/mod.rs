//! What every backend must do, as checks that run against any of them.
//!
//! Each topic is one function over a [`Subject`]; [`conformance!`](crate::conformance) makes a
//! test of each. They use only what the contract in [`crate::kernel`] promises, so they settle
//! the subject before they look at an index or at the feed. A new backend writes one function
//! that makes a fresh, empty subject, and one line.

pub mod batches;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod feed;
pub mod items;
pub mod make;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "opensearch")]
pub mod opensearch;
pub mod pages;
pub mod ports;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod races;
pub mod ranges;

use crate::backend::Now;
use crate::kernel::{Backend, Error};
use futures::future::BoxFuture;
use gna_domain::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a check answers: an error of the store is a failure like a broken assertion.
pub type Outcome = Result<(), Error>;

/// Time that stands still until a check moves it.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_700_000_000_000)))
    }
}

impl TestClock {
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Moves it on by so many milliseconds.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// As backends take it.
    #[must_use]
    pub fn reader(&self) -> Now {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

type Settle = Box<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// A fresh, empty backend under check.
pub struct Subject {
    pub backend: Arc<dyn Backend>,
    pub clock: TestClock,
    settle: Settle,
    /// Kept as long as the subject: a temporary folder, a database to drop.
    _keep: Box<dyn Send + Sync>,
}

impl Subject {
    /// A backend whose indexes and feed never lag. It reads `clock`.
    pub fn new(
        backend: Arc<dyn Backend>,
        clock: TestClock,
        keep: impl Send + Sync + 'static,
    ) -> Self {
        let settle: Settle = Box::new(|| Box::pin(std::future::ready(Ok(()))));
        Self {
            backend,
            clock,
            settle,
            _keep: Box::new(keep),
        }
    }

    /// With a way to wait until indexes and the feed show all that has committed.
    #[must_use]
    pub fn settling<F>(mut self, settle: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync + 'static,
    {
        self.settle = Box::new(settle);
        self
    }

    /// Until indexes and the feed show all that has committed.
    ///
    /// # Errors
    /// When they never will.
    pub async fn settle(&self) -> Result<(), Error> {
        (self.settle)().await
    }
}

/// One test per topic for the backend that `$fresh` makes: `async fn() -> Option<Subject>`, `None`
/// where there is no server to test against (it says so itself, loudly).
#[macro_export]
macro_rules! conformance {
    ($name:ident, $fresh:path) => {
        mod $name {
            use super::*;
            $crate::conformance!(@topics $fresh;
                items::round_trip,
                items::many_keys_at_once,
                items::conditional_write,
                items::index_follows_item,
                items::expiry,
                items::scan,
                batches::atomic_batch,
                batches::batch_limits,
                batches::large_item,
                batches::misuse,
                races::lost_race,
                races::unique_by_primary_key,
                races::concurrent_claim,
                ranges::range_and_prefix_edges,
                ranges::index_range_edges,
                ranges::tenant_isolation,
                pages::cursor_stability_while_writing,
                pages::equal_sort_keys,
                pages::foreign_cursors,
                feed::feed_order_and_resume,
                feed::feed_gap,
                feed::commits_are_announced,
            );
        }
    };
    (@topics $fresh:path; $($file:ident :: $topic:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $topic() {
                let Some(subject) = $fresh().await else { return };
                if let Err(error) = $crate::conformance::$file::$topic(&subject).await {
                    panic!("{error}");
                }
            }
        )*
    };
}
