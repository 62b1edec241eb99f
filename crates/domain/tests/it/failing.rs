//! A store that fails: so that work can be cut at any of its commits.

use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::port::Store;
use gna_domain::port::store::{ChangeSet, StoreLimits, TOO_LARGE};
use gna_testkit::{AtCommit, StoreBetween, Stores, World};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails commits once so many have gone through, and takes few writes at once, so that what is
/// done in steps has many.
pub struct Failing {
    inner: Arc<dyn Store>,
    left: AtomicI64,
    writes: usize,
}

impl Failing {
    /// Puts itself before the world's store; everything goes through for now.
    pub fn install(world: &mut World, writes: usize) -> Arc<Self> {
        let failing = Arc::new(Self {
            inner: world.ports.store.clone(),
            left: AtomicI64::new(i64::MAX),
            writes,
        });
        world.ports.store = Arc::new(StoreBetween {
            inner: failing.inner.clone(),
            with: failing.clone(),
        });
        failing
    }

    /// Runs the jobs until so many commits have gone through and the worker dies with them; then,
    /// when its lease has ended, with another worker to the end, and takes itself away. Whether the
    /// first one failed.
    pub async fn cut(&self, world: &mut World, after: Option<i64>) -> bool {
        self.left.store(after.unwrap_or(i64::MAX), Ordering::SeqCst);
        let failed = world.run_jobs().await.is_err();
        self.left.store(i64::MAX, Ordering::SeqCst);
        world.clock.advance_days(1);
        let ended = world.run_jobs().await;
        ended.expect("the second worker ends it");
        world.ports.store = self.inner.clone();
        failed
    }
}

/// Runs a story (what came of it, and whether it was interrupted) uncut and then cut at every
/// commit that it has, on each store: what comes of it must always be the same. Answers that.
pub async fn cut_everywhere<T: PartialEq + Debug>(
    at_least: usize,
    story: impl AsyncFn(Stores, Option<i64>) -> (T, bool),
) -> Vec<T> {
    let mut outcomes = Vec::new();
    for stores in Stores::ALL {
        let (expected, failed) = story(stores, None).await;
        assert!(!failed);
        let mut interrupted = 0;
        for after in 0.. {
            let (again, failed) = story(stores, Some(after)).await;
            assert_eq!(again, expected, "cut after {after} commits on {stores:?}");
            if !failed {
                break;
            }
            interrupted += 1;
        }
        assert!(
            interrupted >= at_least,
            "only {interrupted} places to be cut at"
        );
        outcomes.push(expected);
    }
    outcomes
}

#[async_trait]
impl AtCommit for Failing {
    fn limits(&self, limits: StoreLimits) -> StoreLimits {
        StoreLimits {
            writes: self.writes,
            ..limits
        }
    }

    async fn before(&self, changes: &ChangeSet) -> Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::unavailable(
                "store.unavailable",
                "the cable was pulled",
            ));
        }
        // Smaller than what a chunk of items can come to: some are applied in halves.
        if changes.writes.len() > self.writes {
            return Err(Error::limit(TOO_LARGE, "that is more than it takes"));
        }
        Ok(())
    }
}
