//! What follows the feed of changes: each step takes it up where it stood and goes to its end.
//!
//! `gna serve` repeats them after every commit; where nothing runs between two calls (`slice.rs`),
//! each call does them once. A step may be cut at any point: it knows by the store how far it came.

use futures::FutureExt;
use futures::future::BoxFuture;
use gna_domain::Ctx;
use gna_domain::error::Result;
use gna_domain::service::connect::integration;
use gna_domain::service::{index, notice, webhook};
#[cfg(feature = "postgres")]
use gna_storage::backend::postgres::PostgresDb;
use std::sync::Arc;
use std::time::Duration;

use crate::wiring::Instance;

/// How long what happens is gathered before it is told to others: a step costs almost the same for
/// one event as for many.
const GATHER: Duration = Duration::from_millis(5);
/// The same for the search index, for which somebody may wait who wrote and searches.
const GATHER_INDEX: Duration = Duration::from_millis(2);

/// Something that follows the feed.
pub struct Step {
    pub name: &'static str,
    /// How long to wait for more after the first commit.
    pub gather: Duration,
    /// Does it, to the feed's present end.
    pub again: Again,
}

/// A call that can be repeated.
pub type Again = Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The steps of an instance. One that nobody has activated only keeps its search index.
#[must_use]
pub fn of(instance: &Instance) -> Vec<Step> {
    let mut steps = vec![index(instance)];
    if !instance.paused {
        steps.push(Step {
            name: "webhooks",
            gather: GATHER,
            again: webhooks(instance),
        });
        steps.push(Step {
            name: "integrations",
            gather: GATHER,
            again: integrations(instance),
        });
    }
    if instance.sends_mail() {
        steps.push(Step {
            name: "notices",
            gather: GATHER,
            again: notices(instance),
        });
    }
    steps
}

/// The one that keeps the search index in step.
pub(crate) fn index(instance: &Instance) -> Step {
    Step {
        name: "index",
        gather: GATHER_INDEX,
        again: indexing(instance),
    }
}

/// What it does.
pub(crate) fn indexing(instance: &Instance) -> Again {
    let ctx = Ctx::system(instance.ports.clone(), "index");
    let alone = Alone::on(instance);
    Box::new(move || {
        let (ctx, alone) = (ctx.clone(), alone.clone());
        async move {
            let step = async { index::catch_up(&ctx).await.map(drop) };
            alone.run(step).await
        }
        .boxed()
    })
}

/// Makes the search index anew, while nobody else of this store's processes keeps it.
///
/// # Errors
/// The store's or the index's; run it again.
pub(crate) async fn reindex(instance: &Instance) -> Result<()> {
    let ctx = Ctx::system(instance.ports.clone(), "index");
    let step = async {
        index::rebuild(&ctx).await?;
        index::catch_up(&ctx).await.map(drop)
    };
    Alone::on(instance).run(step).await
}

/// Keeps the processes of one store from writing to its search index at once: an older state must not be
/// written over a newer one. On a store whose server can't give the right to it, the index itself sees to that.
#[derive(Clone)]
struct Alone {
    #[cfg(feature = "postgres")]
    shared: Option<PostgresDb>,
}

impl Alone {
    fn on(instance: &Instance) -> Self {
        #[cfg(not(feature = "postgres"))]
        let _ = instance;
        Self {
            #[cfg(feature = "postgres")]
            shared: instance.shared.clone(),
        }
    }

    async fn run(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        #[cfg(feature = "postgres")]
        if let Some(shared) = &self.shared {
            let done = shared.alone("index", work).await;
            return done.map_err(crate::wiring::unopened)?;
        }
        work.await
    }
}

/// Turns what happens into deliveries. Several processes may do so: each stretch of the feed counts
/// once.
fn webhooks(instance: &Instance) -> Again {
    let ctx = Ctx::system(instance.ports.clone(), "webhooks");
    let follower = Arc::new(webhook::follow::follower());
    Box::new(move || {
        let (ctx, follower) = (ctx.clone(), Arc::clone(&follower));
        async move { follower.catch_up(&ctx).await }.boxed()
    })
}

/// Tells integrations what happens, as [`webhooks`] tells webhooks.
fn integrations(instance: &Instance) -> Again {
    let ctx = Ctx::system(instance.ports.clone(), "integrations");
    let follower = Arc::new(integration::follower(Arc::clone(&instance.recipes)));
    Box::new(move || {
        let (ctx, follower) = (ctx.clone(), Arc::clone(&follower));
        async move { follower.catch_up(&ctx).await }.boxed()
    })
}

/// Turns what happens into letters that are owed, as [`webhooks`] does.
fn notices(instance: &Instance) -> Again {
    let ctx = Ctx::system(instance.ports.clone(), "notices");
    let follower = Arc::new(notice::follow::follower());
    Box::new(move || {
        let (ctx, follower) = (ctx.clone(), Arc::clone(&follower));
        async move { follower.catch_up(&ctx).await }.boxed()
    })
}
