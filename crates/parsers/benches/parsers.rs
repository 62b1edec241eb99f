//! How fast reports are read: `cargo bench -p gna-parsers`. Throughput is per byte of the report.
//!
//! `GNA_BENCH_ITEMS` sets the number of items (10,000 unless told; 100,000 is the size that
//! `docs/PERFORMANCE.md` speaks of).

mod generate;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gna_domain::import::{ParsedFinding, Refusal, Sink, Warning};
use gna_parsers::{Input, Registry, json};
use std::hint::black_box;

/// Counts and drops, as the importer does once a chunk is applied.
#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
        black_box(&finding);
        self.0 += 1;
        Ok(())
    }

    fn warning(&mut self, warning: Warning) {
        black_box(&warning);
    }
}

fn items() -> usize {
    std::env::var("GNA_BENCH_ITEMS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000)
}

fn formats(criterion: &mut Criterion) {
    let registry = Registry::native();
    let mut group = criterion.benchmark_group("parse");
    group.sample_size(10);
    for (name, report) in [
        ("sarif", generate::sarif(items())),
        ("trivy", generate::trivy(items())),
    ] {
        group.throughput(Throughput::Bytes(report.len() as u64));
        group.bench_with_input(
            BenchmarkId::new(name, items()),
            &report,
            |bencher, report| {
                bencher.iter(|| {
                    let mut count = Count::default();
                    let parsed =
                        registry.parse(&Input::new(name, report.as_bytes()), None, &mut count);
                    assert!(parsed.is_ok_and(
                        |parsed| parsed.format.name == name && parsed.meta.items == count.0
                    ));
                    count.0
                });
            },
        );
    }
    group.finish();
}

fn sweeps(criterion: &mut Criterion) {
    let report = generate::sarif(items());
    let input = Input::new("sarif", report.as_bytes());
    let mut group = criterion.benchmark_group("json");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(report.len() as u64));
    group.bench_function("sweep", |bencher| {
        bencher.iter(|| {
            let mut count = 0_usize;
            json::for_each(&input, "runs[].results[]", |item| {
                count += item.raw.len();
                Ok(())
            })
            .map(|()| count)
        });
    });
    group.bench_function("skip", |bencher| {
        bencher.iter(|| json::for_each(&input, "nothing", |_| Ok(())))
    });
    group.bench_function("depth", |bencher| {
        bencher.iter(|| json::too_deep(input.bytes, 128))
    });
    group.finish();
}

criterion_group!(benches, formats, sweeps);
criterion_main!(benches);
