//! Durable jobs on SQLite, from their commit to their end, by the server's own worker.

use anyhow::{Context, Result};
use async_trait::async_trait;
use gna_domain::Ctx;
use gna_domain::model::Job;
use gna_domain::port::fresh;
use gna_domain::port::jobs::{Claimed, Handler, Outcome};
use gna_domain::port::store::ChangeSet;
use gna_server::Additions;
use gna_server::config::{Environment, Overrides, load};
use gna_server::wiring::{Builder, Instance};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

use super::{print, rate, seconds};

const KIND: &str = "bench.nothing";
/// Jobs that one commit makes.
const TOGETHER: usize = 100;

/// Counts, and says when all have come.
struct Nothing {
    left: AtomicUsize,
    done: Arc<Notify>,
}

#[async_trait]
impl Handler for Nothing {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, _: &Ctx, _: &Claimed) -> gna_domain::Result<Outcome> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
        Ok(Outcome::done())
    }
}

/// An instance on a folder of its own, with its configuration as it comes.
pub async fn instance(folder: &Path, slots: usize, additions: &Additions) -> Result<Instance> {
    let flags = Overrides::default().with("data.dir", Some(folder.display().to_string()));
    // Flags are texts; these are numbers.
    let own = format!("[worker]\nslots = {slots}\nwebhook_slots = {slots}\n");
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("gna.toml"), own)?;
    let config = load(folder, None, &Environment::default(), flags)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(Builder::new(config).with(additions).open().await?)
}

/// # Errors
/// The store's.
pub fn run(folder: &Path, jobs: usize, slots: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(folder, jobs, slots))
}

async fn measure(folder: &Path, jobs: usize, slots: usize) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let done = Arc::new(Notify::new());
    let handler = Nothing {
        left: AtomicUsize::new(jobs),
        done: Arc::clone(&done),
    };
    let instance = instance(folder, slots, &Additions::new().handler(handler)).await?;
    let ctx = instance.operator();
    let running = instance.start().await?;
    let started = Instant::now();
    let mut left = jobs;
    while left > 0 {
        let mut changes = ChangeSet::new();
        for _ in 0..left.min(TOGETHER) {
            let job = Job::new(fresh(ctx.ports.ids.as_ref()), KIND, Value::Null, ctx.now());
            changes.create(&job, None)?;
        }
        ctx.store().commit(changes).await?;
        left = left.saturating_sub(TOGETHER);
    }
    let made = started.elapsed();
    // The last one that begins is not the last that ends, but at most one per slot is behind it.
    tokio::time::timeout(Duration::from_secs(600), done.notified())
        .await
        .context("the jobs did not end in ten minutes")?;
    let ended = started.elapsed();
    running.stop().await;
    print(&json!({
        "scenario": "jobs", "jobs": jobs, "slots": slots, "made_s": seconds(made), "ended_s": seconds(ended),
        "jobs_per_s": rate(jobs, ended),
    }));
    Ok(())
}
