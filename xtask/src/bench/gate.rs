//! From a report file to a verdict, without a server.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::{generate, megabytes, print, seconds};

/// Results of the report; a verdict on it is to take less than two seconds.
const RESULTS: usize = 25_000;

/// Judges one report by itself, and compared with another one of which it shares half.
pub fn judge(gna: &Path, folder: &Path) -> Result<()> {
    let report = folder.join("report.sarif");
    let base = folder.join("base.sarif");
    let bytes = generate::sarif(RESULTS, 1);
    std::fs::write(&report, &bytes)?;
    std::fs::write(&base, generate::sarif(RESULTS / 2, 1))?;
    let (report, base) = (report.display().to_string(), base.display().to_string());
    for (name, more) in [
        ("report-only", vec![]),
        ("new-only", vec!["--new-only", "--base", base.as_str()]),
    ] {
        let started = Instant::now();
        let output = Command::new(gna)
            .args(["gate", "--json", "--threshold", "7", "--report", &report])
            .args(more)
            .current_dir(folder)
            .output()?;
        let taken = started.elapsed();
        let told: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        print(&json!({
            "scenario": "gate", "round": name, "results": RESULTS, "megabytes": megabytes(bytes.len() as u64),
            "verdict_s": seconds(taken), "verdict": told["verdict"], "counts": told["counts"],
        }));
    }
    Ok(())
}
