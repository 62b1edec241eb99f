//! Measures two sides in turn, and prints what each took.

use crate::import::{CHUNK, spread, vulnerability};
use gna_storage::kernel::ItemKey;
use serde::Serialize;
use std::time::Instant;

/// Records in a page.
pub const PAGE: usize = 100;

/// Turns of a read that are not counted: caches and prepared statements fill.
const WARM: usize = 3;
/// Records that a turn reads one after another.
const EACH: u64 = 200;
/// Pages that a turn reads one after another.
const PAGES: usize = 10;

/// One way to do each operation. Reads answer the weight of what they found, by which it is seen that
/// both sides found the same.
pub trait Side {
    /// What a commit writes, as this side takes it.
    type Chunk;

    /// A chunk of new vulnerabilities from number `first` on; not measured.
    fn chunk(&self, first: u64) -> Self::Chunk;

    fn commit(&mut self, chunk: Self::Chunk);

    /// All records at once.
    fn get_many(&mut self, keys: &[ItemKey]) -> usize;

    /// Each record by a question of its own.
    fn get_each(&mut self, keys: &[ItemKey]) -> usize;

    /// So many pages of [`PAGE`] records by when they are due, from where the last call ended; from
    /// the first again after the last.
    fn pages(&mut self, count: usize) -> usize;
}

/// How much is measured.
pub struct Size {
    /// Vulnerabilities in the store at first.
    items: u64,
    rounds: usize,
}

impl Size {
    /// As the environment wants it.
    pub fn wanted() -> Self {
        Self {
            items: setting("GNA_BENCH_ITEMS", 20_000),
            rounds: usize::try_from(setting("GNA_BENCH_ROUNDS", 30))
                .unwrap_or(usize::MAX)
                .max(20),
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Microseconds of each round.
#[derive(Default)]
struct Turns {
    kernel: Vec<f64>,
    raw: Vec<f64>,
}

#[derive(Serialize)]
struct Line<'a> {
    store: &'a str,
    operation: &'a str,
    rounds: usize,
    kernel_us: f64,
    raw_us: f64,
    /// Of the medians.
    ratio: f64,
    kernel_best_us: f64,
    raw_best_us: f64,
}

/// Measures every operation on both sides, which are empty at first.
pub fn compare<K: Side, R: Side>(store: &str, size: &Size, kernel: &mut K, raw: &mut R) {
    let mut known = 0;
    while known < size.items {
        let (batch, rows) = (kernel.chunk(known), raw.chunk(known));
        kernel.commit(batch);
        raw.commit(rows);
        known += CHUNK;
    }

    let mut commits = Turns::default();
    for _ in 0..size.rounds {
        let (batch, rows) = (kernel.chunk(known), raw.chunk(known));
        commits.kernel.push(timed(|| kernel.commit(batch)).0);
        commits.raw.push(timed(|| raw.commit(rows)).0);
        known += CHUNK;
    }
    print(store, "commit 1,000 new", 1.0, &commits);

    let many = keys(size.rounds, CHUNK, known);
    let turns = in_turn(
        size.rounds,
        |turn| kernel.get_many(&many[turn]),
        |turn| raw.get_many(&many[turn]),
    );
    print(store, "get 1,000 by key", 1.0, &turns);

    let turns = in_turn(size.rounds, |_| kernel.pages(PAGES), |_| raw.pages(PAGES));
    print(store, "page of 100 by index", PAGES as f64, &turns);

    let each = keys(size.rounds, EACH, known);
    let turns = in_turn(
        size.rounds,
        |turn| kernel.get_each(&each[turn]),
        |turn| raw.get_each(&each[turn]),
    );
    print(store, "get one by key", EACH as f64, &turns);
}

/// What each turn of a read asks for: `count` vulnerabilities out of `known`.
fn keys(rounds: usize, count: u64, known: u64) -> Vec<Vec<ItemKey>> {
    let mut number = 0;
    let mut pick = || {
        number += 1;
        vulnerability(spread(number) % known)
    };
    (0..WARM + rounds)
        .map(|_| (0..count).map(|_| pick()).collect())
        .collect()
}

fn in_turn(
    rounds: usize,
    mut kernel: impl FnMut(usize) -> usize,
    mut raw: impl FnMut(usize) -> usize,
) -> Turns {
    let mut turns = Turns::default();
    for turn in 0..WARM + rounds {
        let (by_kernel, found) = timed(|| kernel(turn));
        let (by_hand, found_by_hand) = timed(|| raw(turn));
        assert_eq!(found, found_by_hand, "both sides find the same");
        assert!(found > 0, "there is something to find");
        if turn >= WARM {
            turns.kernel.push(by_kernel);
            turns.raw.push(by_hand);
        }
    }
    turns
}

/// How many microseconds it took, and what came out.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed().as_secs_f64() * 1e6, done)
}

/// `count` is how many operations a turn makes.
fn print(store: &str, operation: &str, count: f64, turns: &Turns) {
    let (kernel, raw) = (median(&turns.kernel) / count, median(&turns.raw) / count);
    let line = Line {
        store,
        operation,
        rounds: turns.kernel.len(),
        kernel_us: rounded(kernel, 10.0),
        raw_us: rounded(raw, 10.0),
        ratio: rounded(kernel / raw, 1_000.0),
        kernel_best_us: rounded(best(&turns.kernel) / count, 10.0),
        raw_best_us: rounded(best(&turns.raw) / count, 10.0),
    };
    println!("{}", serde_json::to_string(&line).expect("serialises"));
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}
