//! What it takes to find out which instances of a report are known: `cargo bench -p gna-domain`.
//! Throughput is per instance. `GNA_BENCH_ITEMS` sets their number (100,000 unless told).

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::model::Holder;
use gna_domain::rules::identity::{Key, Keys, RANK_NEAR, RANK_PLACE};
use gna_domain::rules::matching::{Known, match_all};
use std::hint::black_box;

/// Instances of one rule in one file.
const CROWD: usize = 100;
/// Lines between two of them.
const GAP: usize = 10;

fn items() -> usize {
    let told = std::env::var("GNA_BENCH_ITEMS").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

fn hash(kind: u8, number: usize) -> [u8; 16] {
    let mut hash = [kind; 16];
    for (to, from) in hash.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    hash
}

fn id(number: usize) -> VulnerabilityId {
    VulnerabilityId::from_uuid(uuid::Uuid::from_u128(number as u128 + 1))
}

/// A weakness in code: its snippet, the rule in the file, and where.
fn place(number: usize) -> Keys {
    let key = |rank, hash| Key { rank, hash };
    Keys {
        keys: vec![
            key(1, hash(b's', number)),
            key(RANK_NEAR, hash(b'n', number / CROWD)),
            key(RANK_PLACE, hash(b'p', number)),
        ],
        exact: hash(b'e', number),
        line: u32::try_from(number % CROWD * GAP).ok(),
        snippet: None,
        by_any_key: false,
    }
}

/// A vulnerable package by both of its names; what is known has one of them each.
fn package(number: usize) -> Keys {
    let key = |hash| Key { rank: 0, hash };
    Keys {
        keys: vec![key(hash(b'c', number)), key(hash(b'g', number))],
        exact: hash(b'e', number),
        line: None,
        snippet: None,
        by_any_key: true,
    }
}

fn holder(number: usize, line: Option<u32>) -> Holder {
    Holder {
        vulnerability: id(number),
        line,
        snippet: None,
    }
}

/// What a report of `count` places left, `moved` lines further up.
fn known_places(count: usize, moved: u32) -> Known {
    let mut known = Known::new();
    for number in 0..count {
        let item = place(number);
        let line = item.line.map(|line| line + moved);
        // A line that moved has another place, and here also another snippet.
        let is_same = |key: &&Key| moved == 0 || key.rank == RANK_NEAR;
        for key in item.keys.iter().filter(is_same) {
            known
                .entry(key.hash)
                .or_default()
                .push(holder(number, line));
        }
    }
    known
}

fn known_packages(count: usize) -> Known {
    let mut known = Known::new();
    for number in 0..count {
        let two = [2 * number, 2 * number + 1];
        for (key, of) in package(number).keys.iter().zip(two) {
            known.entry(key.hash).or_default().push(holder(of, None));
        }
    }
    known
}

fn merge(criterion: &mut Criterion) {
    let count = items();
    let places: Vec<Keys> = (0..count).map(place).collect();
    let packages: Vec<Keys> = (0..count).map(package).collect();
    let mut group = criterion.benchmark_group("merge");
    group.sample_size(10);
    group.throughput(Throughput::Elements(count as u64));
    for (name, items, known) in [
        ("all new", &places, Known::new()),
        ("all known", &places, known_places(count, 0)),
        ("all moved by two lines", &places, known_places(count, 2)),
        ("two packages become one", &packages, known_packages(count)),
    ] {
        group.bench_with_input(BenchmarkId::new(name, count), &known, |bencher, known| {
            bencher.iter(|| black_box(match_all(items, known, &|_, _| false)).len());
        });
    }
    group.finish();
}

criterion_group!(benches, merge);
criterion_main!(benches);
