//! What is too long for every change and is run by hand: each cargo feature alone, all stores, a long
//! fuzz and a long soak. Prints a table of steps, times and outcomes for `docs/TESTING.md`.

use anyhow::{Context, Result};
use std::process::Command;
use std::time::Instant;

#[derive(clap::Args)]
pub struct Args {
    /// features, stores, fuzz, soak; all of them if none is named
    parts: Vec<String>,
    /// Seconds of fuzzing
    #[arg(long, default_value_t = 1_800)]
    fuzz_seconds: u64,
}

/// A step: its part, its name, the program and its arguments.
struct Step {
    part: &'static str,
    name: String,
    program: &'static str,
    args: Vec<String>,
}

fn step(part: &'static str, name: impl Into<String>, program: &'static str, args: &[&str]) -> Step {
    Step {
        part,
        name: name.into(),
        program,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    }
}

/// # Errors
/// A part that does not exist, or a manifest that can't be read.
pub fn run(args: &Args) -> Result<bool> {
    let steps = steps(args)?;
    let wanted = |part: &str| args.parts.is_empty() || args.parts.iter().any(|one| one == part);
    for part in &args.parts {
        anyhow::ensure!(
            steps.iter().any(|step| step.part == part),
            "there is no part {part}; there are features, stores, fuzz and soak"
        );
    }
    let mut rows = Vec::new();
    let mut is_good = true;
    for step in steps.iter().filter(|step| wanted(step.part)) {
        eprintln!("==> {}: {}", step.part, step.name);
        let started = Instant::now();
        let ended = Command::new(step.program)
            .args(&step.args)
            .current_dir(crate::root())
            .status()
            .with_context(|| format!("{} can't be run", step.program))?;
        let outcome = if ended.success() { "passed" } else { "FAILED" };
        is_good &= ended.success();
        let seconds = started.elapsed().as_secs();
        rows.push(format!(
            "| {} | {} | {outcome} | {seconds} s |",
            step.part, step.name
        ));
    }
    println!("| Part | Step | Outcome | Time |\n|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(is_good)
}

fn steps(args: &Args) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for package in ["gna-storage", "gna-server"] {
        let mut sets: Vec<Option<String>> = vec![None];
        sets.extend(features(package)?.into_iter().map(Some));
        for set in sets {
            let mut clippy = vec!["clippy", "--quiet", "--package", package];
            // Tests of the server are written for a build with its defaults.
            clippy.extend(["--lib", "--no-default-features"]);
            if package == "gna-server" {
                clippy.push("--bins");
            }
            let name = match &set {
                None => format!("{package} without features"),
                Some(feature) => format!("{package} with {feature} alone"),
            };
            if let Some(feature) = &set {
                clippy.extend(["--features", feature]);
            }
            clippy.extend(["--", "-D", "warnings"]);
            steps.push(step("features", name, "cargo", &clippy));
        }
    }
    let all = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    steps.push(step(
        "features",
        "everything with all features",
        "cargo",
        &all,
    ));
    steps.push(step(
        "stores",
        "scripts/test-stores",
        "scripts/test-stores",
        &[],
    ));
    let seconds = args.fuzz_seconds.to_string();
    let fuzz = ["xtask", "fuzz", "--target", "any", "--seconds", &seconds];
    steps.push(step("fuzz", format!("{seconds} s"), "cargo", &fuzz));
    steps.push(step(
        "soak",
        "refresh",
        "cargo",
        &["xtask", "soak", "refresh"],
    ));
    Ok(steps)
}

/// The features of a package that are not made of others.
fn features(package: &str) -> Result<Vec<String>> {
    let folder = package.trim_start_matches("gna-");
    let path = crate::root().join("crates").join(folder).join("Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(&path)?.parse()?;
    let table = manifest.get("features").and_then(toml::Value::as_table);
    let names = table.into_iter().flat_map(toml::Table::keys);
    Ok(names
        .filter(|name| !["default", "full"].contains(&name.as_str()))
        .cloned()
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_a_step() {
        let args = Args {
            parts: Vec::new(),
            fuzz_seconds: 1,
        };
        let names: Vec<String> = steps(&args)
            .expect("reads")
            .into_iter()
            .map(|step| step.name)
            .collect();
        for name in [
            "gna-server with sqlite alone",
            "gna-storage with postgres alone",
            "gna-server without features",
        ] {
            assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("full")));
    }
}
