//! Feeds damaged and random reports to the parsers for a while, on the stable toolchain.
//!
//! Seeds are our own fixtures. Each round takes one and cuts it, repeats, swaps, deepens or mixes
//! pieces of it, or flips bytes; then the report goes the way every upload goes: unpacked, decoded,
//! detected, parsed. A finding is a panic, a round that takes too long, or items that do not add
//! up; the input is then kept in `fuzz/artifacts/`.

use anyhow::{Context, Result};
use gna_parsers::data::Runner;
use gna_parsers::{Limits, Registry, decode};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Args {
    /// What to feed: `any` (found by its looks), `decode`, `data` (formats as data), or the name of a format
    #[arg(long, default_value = "any")]
    target: String,
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Ends after so many inputs instead: the same on every machine
    #[arg(long)]
    rounds: Option<u64>,
    /// Start of the random numbers; the same seed gives the same inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Longest that one small input may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest input made, in bytes.
const LARGEST: usize = 64 * 1024;

/// # Errors
/// No fixtures, or an unknown target.
pub fn run(args: &Args) -> Result<bool> {
    let registry = registry(&args.target)?;
    let seeds = seeds(&args.target)?;
    let mut random = Random(args.seed | 1);
    let (mut rounds, mut accepted, mut findings) = (0u64, 0u64, 0u64);
    let begun = Instant::now();
    let until = begun + Duration::from_secs(args.seconds);
    let goes_on = |rounds: u64| match args.rounds {
        Some(most) => rounds < most,
        None => Instant::now() < until,
    };
    // A panic is reported by us, with the input.
    std::panic::set_hook(Box::new(|_| {}));
    while goes_on(rounds) {
        let input = mutate(&seeds, &mut random);
        let attempt = || {
            let started = Instant::now();
            let fed = AssertUnwindSafe(|| feed(&registry, &args.target, &input));
            (catch_unwind(fed), started.elapsed())
        };
        let (mut outcome, mut took) = attempt();
        if took > PATIENCE {
            // The machine may have stood still.
            (outcome, took) = attempt();
        }
        rounds += 1;
        let problem = match outcome {
            Err(_) => Some("a panic".to_owned()),
            Ok(Err(problem)) => Some(problem),
            Ok(Ok(_)) if took > PATIENCE => Some(format!("{took:?}")),
            Ok(Ok(parsed)) => {
                accepted += u64::from(parsed);
                None
            }
        };
        if let Some(problem) = problem {
            findings += 1;
            let kept = keep(&args.target, &input)?;
            eprintln!("{problem}: {}", kept.display());
        }
    }
    println!(
        "{{\"target\":{:?},\"seconds\":{:.0},\"rounds\":{rounds},\"accepted\":{accepted},\"findings\":{findings}}}",
        args.target,
        begun.elapsed().as_secs_f64()
    );
    Ok(findings == 0)
}

fn registry(target: &str) -> Result<Registry> {
    // Formats as data run in child processes, some thousand times slower: only when asked for.
    let registry = if target == "data" {
        Registry::with_data(None, Runner::default())?
    } else {
        Registry::native()
    };
    if !["any", "decode", "data"].contains(&target) {
        anyhow::ensure!(
            registry.by_name(target).is_some(),
            "there is no target {target:?}: any, decode, data, or the name of a native format"
        );
    }
    Ok(registry)
}

/// Feeds one input; whether it was taken for a report, or what is wrong.
fn feed(registry: &Registry, target: &str, input: &[u8]) -> Result<bool, String> {
    let limits = Limits {
        max_bytes: 8 << 20,
        ..Limits::default()
    };
    let Ok(decoded) = decode::decode("report", input.to_vec(), &limits) else {
        return Ok(false);
    };
    if target == "decode" {
        return Ok(true);
    }
    let format = (!["any", "data"].contains(&target)).then_some(target);
    match registry.collect(&decoded.input(limits), format) {
        Err(_) => Ok(false),
        Ok(outcome) => {
            if outcome
                .warnings
                .iter()
                .any(|warning| warning.code == "report.miscounted")
            {
                return Err("items that do not add up".to_owned());
            }
            Ok(true)
        }
    }
}

fn keep(target: &str, input: &[u8]) -> Result<PathBuf> {
    let folder = crate::root().join("fuzz/artifacts");
    fs::create_dir_all(&folder)?;
    let name = input.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder.join(format!("{target}-{name:016x}"));
    fs::write(&path, input)?;
    Ok(path)
}

fn seeds(target: &str) -> Result<Vec<Vec<u8>>> {
    let folder = crate::root().join("crates/parsers/tests/fixtures");
    let only = folder.join(target);
    let mut seeds = Vec::new();
    read(if only.is_dir() { &only } else { &folder }, &mut seeds)
        .with_context(|| format!("reading {}", folder.display()))?;
    anyhow::ensure!(!seeds.is_empty(), "no fixtures in {}", folder.display());
    Ok(seeds)
}

fn read(folder: &Path, seeds: &mut Vec<Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, seeds)?;
        } else {
            let mut bytes = fs::read(&path)?;
            bytes.truncate(LARGEST);
            seeds.push(bytes);
        }
    }
    Ok(())
}

/// xorshift64*: small, quick, the same everywhere (Vigna, 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16)
            .unwrap_or(0)
            .checked_rem(end)
            .unwrap_or(0)
    }

    fn piece<'b>(&mut self, bytes: &'b [u8], longest: usize) -> &'b [u8] {
        let from = self.below(bytes.len());
        let length = self.below(longest.min(bytes.len().saturating_sub(from)) + 1);
        bytes.get(from..from + length).unwrap_or_default()
    }
}

/// Pieces that parsers are known to trip over.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "[]",
    "{}",
    "\"\\ud800\"",
    "\\u0000",
    "]]>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "&b;",
    "<a>",
    "</a>",
    "<![CDATA[",
    "\u{feff}",
    "\"",
    ",",
    "\n",
    "\r\n",
    ";",
    "CVE-2024-0001",
    "CVSS:3.1/AV:N",
    "%zz",
    "../",
    "\u{0}",
];

fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds
        .get(random.below(seeds.len()))
        .cloned()
        .unwrap_or_default();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let other = seeds
                    .get(random.below(seeds.len()))
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let piece = random.piece(other, 512).to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let piece = random.piece(&bytes, 256).repeat(1 + random.below(20));
                bytes.splice(at..at, piece);
            }
            4 => {
                let token = TOKENS
                    .get(random.below(TOKENS.len()))
                    .copied()
                    .unwrap_or_default();
                bytes.splice(at..at, token.bytes());
            }
            5 => {
                let deep = 1 + random.below(4_000);
                let opening: &[u8] = if random.below(2) == 0 {
                    b"["
                } else {
                    b"{\"a\":"
                };
                bytes.splice(at..at, opening.repeat(deep));
            }
            _ => {
                for _ in 0..=random.below(8) {
                    let at = random.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = u8::try_from(random.next() >> 56).unwrap_or(0);
                    }
                }
            }
        }
        bytes.truncate(LARGEST);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let seeds = vec![b"{\"version\":\"2.1.0\"}".to_vec(), b"<a><b/></a>".to_vec()];
        let make = |seed| {
            (0..50)
                .map(|_| ())
                .scan(Random(seed), |random, ()| Some(mutate(&seeds, random)))
                .collect::<Vec<_>>()
        };
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(9));
    }
}
