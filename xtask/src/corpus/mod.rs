//! Compares what we read of real reports with what a peer made of them.
//!
//! The reports are not part of the repository: they are looked for in `../shared/corpus`, or where
//! `--corpus` says. Differences that are meant are listed with their reason in `docs/FORMATS.md`,
//! which this command reads ([`reasons`]).

mod matching;
mod reasons;

use anyhow::{Context, Result};
use gna_parsers::data::Runner;
use gna_parsers::{Input, Limits, Registry, decode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use matching::{Ours, Peer};
use reasons::Reasons;

#[derive(clap::Args)]
pub struct Args {
    /// Only this format
    #[arg(long)]
    format: Option<String>,
    /// One JSON object for all formats instead of a table
    #[arg(long)]
    json: bool,
    /// Print each tuple of the peer that is not found
    #[arg(long)]
    missing: bool,
    /// Folder with `expected.jsonl` and `reports/`
    #[arg(long)]
    corpus: Option<PathBuf>,
}

/// Share of the peer's tuples that each native format must find, in percent.
const WANTED: usize = 95;

#[derive(Deserialize)]
struct Row {
    tool: String,
    scan_type: String,
    file: String,
    status: String,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    findings: Vec<Value>,
}

/// What came of one format.
#[derive(Default, Serialize)]
struct Tally {
    files: u64,
    /// Files that the peer refuses and we refuse, or find nothing in.
    refused_as_expected: u64,
    /// Files that we refuse although the peer reads findings in them.
    refused: Vec<String>,
    /// Files with findings that are not known for what they are unless the format is named.
    unrecognised: Vec<String>,
    /// Files with items that are not accounted for.
    miscounted: Vec<String>,
    peer: usize,
    found: usize,
    /// Not found, with a reason in the list.
    excused: usize,
    missing: Vec<String>,
    severity_differs: usize,
}

impl Tally {
    fn is_good(&self) -> bool {
        self.refused.is_empty()
            && self.unrecognised.is_empty()
            && self.miscounted.is_empty()
            && (self.found + self.excused) * 100 >= self.peer * WANTED
    }
}

/// Runs the comparison; whether every native format is good enough.
pub fn run(args: &Args) -> Result<bool> {
    let folder = args
        .corpus
        .clone()
        .unwrap_or_else(|| crate::root().join("../shared/corpus"));
    let expected = folder.join("expected.jsonl");
    if !expected.exists() {
        eprintln!(
            "SKIPPED: there are no reports to compare with at {}",
            folder.display()
        );
        return Ok(true);
    }
    let reasons = Reasons::read(&crate::root().join("docs/FORMATS.md"))?;
    let registry = Registry::with_data(None, Runner::default())?;
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut unread: BTreeMap<String, u64> = BTreeMap::new();
    let text =
        fs::read_to_string(&expected).with_context(|| format!("reading {}", expected.display()))?;
    for line in text.lines() {
        let row: Row = serde_json::from_str(line).context("in expected.jsonl")?;
        let Some((format, is_recognised)) = format_of(&registry, &reasons, &folder, &row)? else {
            *unread.entry(row.scan_type).or_default() += 1;
            continue;
        };
        if args.format.as_ref().is_none_or(|only| *only == format) {
            let tally = tallies.entry(format.clone()).or_default();
            if !is_recognised && row.count > 0 && !reasons.excuses_file(&format, &row.file) {
                tally.unrecognised.push(row.file.clone());
            }
            compare(&registry, &reasons, &folder, &row, &format, tally)?;
        }
    }
    print(args, &tallies, &unread)?;
    let mut is_good = true;
    for name in reasons.formats() {
        let is_asked = args.format.as_ref().is_none_or(|only| only == name);
        if is_asked && !tallies.contains_key(name) {
            eprintln!("{name} is listed in docs/FORMATS.md, and no file was read as it");
            is_good = false;
        }
    }
    let natives: Vec<String> = Registry::native()
        .all()
        .iter()
        .map(|format| format.info().name.clone())
        .collect();
    let mut natives = tallies.iter().filter(|(name, _)| natives.contains(name));
    Ok(is_good && natives.all(|(_, tally)| tally.is_good()))
}

/// Whose report it is, and whether the file alone says so: what the peer calls it goes first.
fn format_of(
    registry: &Registry,
    reasons: &Reasons,
    folder: &Path,
    row: &Row,
) -> Result<Option<(String, bool)>> {
    let detected = open(folder, row)?.ok().and_then(|decoded| {
        let format = registry.detect(&decoded.input(Limits::default())).ok()?;
        Some(format.info().name.clone())
    });
    let named = reasons.formats_of(&row.scan_type);
    Ok(match detected {
        Some(detected) if named.is_empty() || named.contains(&detected) => Some((detected, true)),
        _ => named.first().map(|name| (name.clone(), false)),
    })
}

fn open(
    folder: &Path,
    row: &Row,
) -> Result<std::result::Result<decode::Decoded, gna_domain::import::Refusal>> {
    let path = folder.join("reports").join(&row.file);
    let raw = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(decode::decode(&row.file, raw, &Limits::default()))
}

fn compare(
    registry: &Registry,
    reasons: &Reasons,
    folder: &Path,
    row: &Row,
    format: &str,
    tally: &mut Tally,
) -> Result<()> {
    tally.files += 1;
    let read = open(folder, row)?.and_then(|decoded| {
        registry.collect(
            &Input {
                ..decoded.input(Limits::default())
            },
            Some(format),
        )
    });
    let outcome = match read {
        Ok(outcome) => outcome,
        Err(refusal) => {
            if row.status == "error" || row.count == 0 {
                tally.refused_as_expected += 1;
            } else if !reasons.excuses_file(format, &row.file) {
                tally.refused.push(format!("{}: {refusal}", row.file));
            }
            return Ok(());
        }
    };
    if row.status == "error" {
        tally.refused_as_expected += u64::from(outcome.findings.is_empty());
        return Ok(());
    }
    let accounted = outcome.findings.len() as u64 + outcome.skipped;
    if outcome.meta.items != accounted {
        tally.miscounted.push(format!(
            "{}: {} items, {accounted} accounted for",
            row.file, outcome.meta.items
        ));
    }
    let ours: Vec<Ours> = outcome.findings.iter().map(Ours::of).collect();
    for theirs in &row.findings {
        tally.peer += 1;
        let peer = Peer::of(theirs);
        let near: Vec<&Ours> = ours.iter().filter(|ours| ours.is(&peer)).collect();
        if near.is_empty() {
            if reasons.excuses(format, &row.file, theirs) {
                tally.excused += 1;
            } else {
                tally
                    .missing
                    .push(format!("{} {}: {}", row.tool, row.file, theirs["title"]));
            }
            continue;
        }
        tally.found += 1;
        tally.severity_differs += usize::from(!near.iter().any(|ours| ours.level == peer.level));
    }
    Ok(())
}

fn print(
    args: &Args,
    tallies: &BTreeMap<String, Tally>,
    unread: &BTreeMap<String, u64>,
) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string(tallies)?);
        return Ok(());
    }
    println!(
        "{:<20} {:>5} {:>7} {:>6} {:>6} {:>7} {:>7} {:>8}",
        "format", "files", "refused", "peer", "found", "excused", "missing", "severity"
    );
    for (name, tally) in tallies {
        println!(
            "{name:<20} {:>5} {:>7} {:>6} {:>6} {:>7} {:>7} {:>8}",
            tally.files,
            tally.refused_as_expected,
            tally.peer,
            tally.found,
            tally.excused,
            tally.missing.len(),
            tally.severity_differs
        );
        for problem in tally.refused.iter().chain(&tally.miscounted) {
            println!("    {problem}");
        }
        for file in &tally.unrecognised {
            println!("    not recognised: {file}");
        }
        if args.missing {
            for missing in &tally.missing {
                println!("    missing: {missing}");
            }
        }
    }
    let files: u64 = unread.values().sum();
    println!(
        "not read: {files} files of {} kinds that no format is for",
        unread.len()
    );
    if args.missing {
        for (name, files) in unread {
            println!("    {name}: {files}");
        }
    }
    Ok(())
}
