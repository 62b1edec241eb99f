//! What an import costs the store: one chunk of 1,000 new vulnerabilities, and the look-ups before
//! it. Run it with `cargo bench -p gna-storage --bench kernel`. `GNA_BENCH_ITEMS` says how full the
//! store is at first (vulnerabilities, default 20,000).

mod import;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gna_domain::time::Timestamp;
use gna_storage::backend::registry;
use gna_storage::kernel::{Backend, Batch, Direction, ItemKey, RangeQuery, prefix_range};
use import::{CHUNK, chunk, group, identity, spread, vulnerability};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

struct Store {
    runtime: Runtime,
    backend: Arc<dyn Backend>,
    next: AtomicU64,
    _folder: tempfile::TempDir,
}

fn open(scheme: &str) -> Store {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = match scheme {
        "sqlite" => format!("sqlite:{}", folder.path().join("bench.db").display()),
        other => format!("{other}:"),
    };
    let runtime = Runtime::new().expect("a runtime");
    let opened = runtime.block_on(registry::open(&url, Arc::new(Timestamp::default)));
    let store = Store {
        runtime,
        backend: opened.expect("opens").backend,
        next: AtomicU64::new(0),
        _folder: folder,
    };
    let full: u64 = std::env::var("GNA_BENCH_ITEMS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_000);
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    while store.next.load(Ordering::Relaxed) < full {
        let batch = store.next_chunk();
        let begun = Instant::now();
        store.commit(batch);
        longest = longest.max(begun.elapsed());
    }
    let (all, per_second) = (begun.elapsed(), full as f64 / begun.elapsed().as_secs_f64());
    println!(
        "{scheme}: {full} vulnerabilities in {all:.1?} ({per_second:.0}/s), longest commit {longest:.1?}"
    );
    store
}

impl Store {
    fn next_chunk(&self) -> Batch {
        chunk(self.next.fetch_add(CHUNK, Ordering::Relaxed))
    }

    fn commit(&self, batch: Batch) {
        self.runtime
            .block_on(self.backend.commit(batch))
            .expect("commits");
    }
}

fn benches(c: &mut Criterion) {
    for scheme in ["memory", "sqlite"] {
        let store = open(scheme);
        let mut group = c.benchmark_group(scheme);
        group
            .sample_size(20)
            .measurement_time(Duration::from_secs(5))
            .throughput(Throughput::Elements(CHUNK));
        group.bench_function("import 1,000 new", |bench| {
            bench.iter_batched(
                || store.next_chunk(),
                |batch| store.commit(batch),
                BatchSize::PerIteration,
            );
        });
        let known = store.next.load(Ordering::Relaxed);
        let pick = |at: u64| (0..CHUNK).map(move |n| spread(at * CHUNK + n) % known);
        let round = AtomicU64::new(0);
        group.bench_function("get 1,000 identities", |bench| {
            let keys = || {
                pick(round.fetch_add(1, Ordering::Relaxed))
                    .map(identity)
                    .collect::<Vec<_>>()
            };
            let get = |keys: Vec<ItemKey>| {
                store
                    .runtime
                    .block_on(store.backend.get_many(&keys))
                    .expect("answers")
            };
            bench.iter_batched(keys, |keys| black_box(get(keys)), BatchSize::PerIteration);
        });
        group.bench_function("get 1,000 vulnerabilities", |bench| {
            let keys = || {
                pick(round.fetch_add(1, Ordering::Relaxed))
                    .map(vulnerability)
                    .collect::<Vec<_>>()
            };
            let get = |keys: Vec<ItemKey>| {
                store
                    .runtime
                    .block_on(store.backend.get_many(&keys))
                    .expect("answers")
            };
            bench.iter_batched(keys, |keys| black_box(get(keys)), BatchSize::PerIteration);
        });
        group.throughput(Throughput::Elements(100));
        group.bench_function("page of 100 by index", |bench| {
            let (from, to) = prefix_range("");
            let query = RangeQuery {
                collection: "vulnerability",
                index: Some("by_due"),
                partition: self::group(0),
                from,
                to,
                direction: Direction::Ascending,
                limit: 100,
                after: None,
            };
            let queries = [query];
            bench.iter(|| {
                black_box(
                    store
                        .runtime
                        .block_on(store.backend.query_many(&queries))
                        .expect("answers"),
                )
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("get one", |bench| {
            let keys = [vulnerability(7)];
            bench.iter(|| {
                black_box(
                    store
                        .runtime
                        .block_on(store.backend.get_many(&keys))
                        .expect("answers"),
                )
            });
        });
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
