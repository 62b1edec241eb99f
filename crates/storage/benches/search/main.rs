//! How quick search is at a given size: `cargo bench -p gna-storage --bench search`.
//!
//! `GNA_BENCH_GROUPS` groups (20) of 5,000 documents each, and one of `GNA_BENCH_LARGE` (20,000),
//! in an SQLite file in a temporary folder. Prints medians and 99th percentiles, which is what
//! the targets are stated in, and the best, which other programs disturb least. For 1.1 million documents: 200 and 100000.

mod ask;
mod fill;
mod make;

use gna_storage::backend::sqlite::{SqliteDb, SqliteOptions};
use gna_storage::search::SqliteSearch;
use std::future::Future;
use std::time::{Duration, Instant};

use ask::questions;
use fill::{fill, update};
use make::group;

fn report(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| {
        times
            .get(((times.len() as f64 - 1.0) * share) as usize)
            .copied()
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3
    };
    println!(
        "{name:<58} best {:>7.2}   p50 {:>7.2}   p99 {:>7.2} ms",
        at(0.0),
        at(0.5),
        at(0.99)
    );
}

async fn measure<F: Future<Output = usize>>(
    name: &str,
    rounds: usize,
    mut run: impl FnMut(usize) -> F,
) {
    let (mut times, mut found) = (Vec::with_capacity(rounds), 0);
    for round in 0..rounds {
        let begun = Instant::now();
        found = found.max(run(round).await);
        times.push(begun.elapsed());
    }
    report(&format!("{name} [{found}]"), &mut times);
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (groups, large) = (
            setting("GNA_BENCH_GROUPS", 20),
            setting("GNA_BENCH_LARGE", 20_000),
        );
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("search.db");
        let db = SqliteDb::open(&path, &SqliteOptions::default()).expect("opens");
        let search = SqliteSearch::open(db).await.expect("opens the index");
        fill(&search, groups, large).await;
        println!(
            "{} MB on disk",
            std::fs::metadata(&path).map_or(0, |file| file.len() / 1_000_000)
        );
        update(&search, large, groups).await;
        questions(
            &search,
            "a group",
            &|round| vec![group(round * 7 % groups)],
            200,
        )
        .await;
        questions(&search, "the large group", &|_| vec![group(groups)], 100).await;
        questions(
            &search,
            "all groups",
            &|_| (0..=groups).map(group).collect(),
            40,
        )
        .await;
        if let Some(memory) = std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| {
                status
                    .lines()
                    .find(|line| line.starts_with("VmHWM"))
                    .map(str::to_owned)
            })
        {
            println!("{memory}");
        }
    });
}
