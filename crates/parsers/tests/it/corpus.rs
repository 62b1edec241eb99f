//! Every real report at hand goes through the registry: whatever it is, nothing panics, and every
//! item is accounted for. They are kept outside of the repository; without them this is skipped,
//! loudly.

use gna_parsers::{Input, Limits, Outcome, Registry, decode};
use std::path::{Path, PathBuf};

/// Reports up to this size are also read with every format but their own.
const SMALL: usize = 20_000;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

/// What every outcome must fulfil.
pub fn check(outcome: &Outcome, name: &str) {
    let format = &outcome.format.name;
    let lost = outcome
        .warnings
        .iter()
        .find(|warning| warning.code == "report.miscounted");
    assert_eq!(lost, None, "{name} as {format}");
    assert_eq!(
        outcome.meta.items,
        outcome.findings.len() as u64 + outcome.skipped,
        "{name} as {format}"
    );
    for finding in &outcome.findings {
        let weakness = &finding.weakness;
        assert!(
            !weakness.rule.is_empty() && !weakness.title.is_empty(),
            "{name} as {format}: {finding:?}"
        );
        assert!(
            !weakness.title.contains('\n') && !weakness.cwes.contains(&0),
            "{name} as {format}: {finding:?}"
        );
    }
}

#[test]
fn every_item_of_every_report_is_accounted_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/reports");
    if !folder.is_dir() {
        eprintln!("SKIPPED: there are no reports at {}", folder.display());
        return;
    }
    let registry = Registry::native();
    let limits = Limits::default();
    let (mut read, mut refused, mut unknown) = (0, 0, 0);
    for path in files(&folder) {
        let name = path.to_string_lossy();
        let raw = std::fs::read(&path).unwrap();
        let Ok(reports) = decode::decode_all(&name, raw, &limits) else {
            refused += 1;
            continue;
        };
        for report in &reports {
            let input = report.input(limits);
            match registry.collect(&input, None) {
                Ok(outcome) => {
                    read += 1;
                    check(&outcome, &name);
                }
                Err(refusal) if refusal.code == "report.unknown_format" => unknown += 1,
                Err(_) => refused += 1,
            }
            if report.bytes.len() <= SMALL {
                with_all_formats(&registry, &input);
            }
        }
    }
    println!("read {read}, refused {refused}, of other formats {unknown}");
    assert!(
        read > 50,
        "most native formats have samples, only {read} were read"
    );
}

fn with_all_formats(registry: &Registry, input: &Input<'_>) {
    for format in registry.all() {
        if let Ok(outcome) = registry.collect(input, Some(&format.info().name)) {
            check(&outcome, input.name);
        }
    }
}
