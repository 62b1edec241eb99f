//! Functions, jobs and schedules by the command line, on the store itself; and the commands of `docs/FUNCTIONS.md`, each as it is printed there.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

use crate::run::{Said, run, run_with_input};

fn with_store(folder: &Path) {
    run(folder, &["group", "create", "acme/shop"]).ended(0);
}

#[test]
fn every_function_is_listed_and_runs_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    with_store(folder.path());
    let event = br#"{"feed_days": 30}"#;
    let done = run_with_input(
        folder.path(),
        &["invoke", "store.tidy", "--event", "-", "--json"],
        event,
    )
    .ended(0);
    assert_eq!(done.json()[0]["state"], "DONE");
    let listed = run(folder.path(), &["functions", "--json"]).ended(0).json();
    for (name, trigger) in [
        ("import.report", "job"),
        ("store.tidy", "job"),
        ("http.reports", "http"),
        ("schedule:store.tidy", "schedule"),
    ] {
        let found = listed.iter().find(|function| function["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is not in {listed:?}"));
        assert_eq!(found["trigger"], trigger);
        assert!(
            found["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    let ran = run(folder.path(), &["invoke", "schedule:store.tidy"]).ended(0);
    assert!(ran.stdout.contains("is done"), "{}", ran.stdout);
    let shown = run(
        folder.path(),
        &["schedules", "show", "store.tidy", "--json"],
    )
    .ended(0);
    assert!(shown.json()[0]["last_run"].is_string());
}

#[test]
fn what_can_not_be_run_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    with_store(folder.path());
    for (name, event, code, says) in [
        ("store.tidy", "{}", 2, "feed_days"),
        ("no.such", "{}", 2, "gna functions"),
        ("../../health", "{}", 2, "gna functions"),
        ("http.formats", "{\"path\": \"/api/v2/jobs\"}", 2, "path"),
        ("store.tidy", "{", 3, "JSON"),
    ] {
        let said = run_with_input(
            folder.path(),
            &["invoke", name, "--event", "-"],
            event.as_bytes(),
        );
        let said = said.ended(code);
        assert!(said.stderr.contains(says), "{name}: {}", said.stderr);
    }
    // What was given up can be looked at and thrown away.
    let dead = run(folder.path(), &["jobs", "list", "--json"])
        .ended(0)
        .json();
    let id = dead[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(dead[0]["kind"], "store.tidy");
    run(folder.path(), &["jobs", "show", &id]).ended(0);
    // All of a kind at once, or of none.
    let replay = |kind: &str| {
        let args = ["jobs", "replay", "--all", "--kind", kind, "--json"];
        run(folder.path(), &args).ended(0).json().remove(0)
    };
    let tidies = dead.iter().filter(|job| job["kind"] == "store.tidy");
    assert_eq!(replay("no.such"), json!({ "jobs": 0 }));
    assert_eq!(replay("store.tidy"), json!({ "jobs": tidies.count() }));
    run(folder.path(), &["jobs", "replay", &id]).ended(2);
    run(folder.path(), &["jobs", "discard", &id]).ended(2);
    run(folder.path(), &["jobs", "cancel", &id]).ended(0);
}

/// The blocks of the document that a shell is to run.
fn commands(text: &str) -> Vec<String> {
    text.split("```sh\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_commands_of_the_document_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = include_str!("../../../../docs/FUNCTIONS.md");
    let blocks = commands(text);
    assert!(blocks.len() >= 4, "{} blocks", blocks.len());
    let binary = Path::new(env!("CARGO_BIN_EXE_gna"));
    let places = binary.parent().expect("a folder").display().to_string();
    let path = format!("{places}:{}", std::env::var("PATH").unwrap_or_default());
    for block in blocks {
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GNA_") {
                command.env_remove(name);
            }
        }
        let ended = command
            .args(["-e", "-c", &block])
            .current_dir(folder.path())
            .env("PATH", &path)
            .output();
        let Ok(ended) = ended else {
            eprintln!("SKIPPED: there is no sh here");
            return;
        };
        Said::from(ended).ended(0);
    }
    let schedules = run(folder.path(), &["schedules", "list", "--json"])
        .ended(0)
        .json();
    let nightly = schedules
        .iter()
        .find(|schedule| schedule["name"] == "nightly");
    let nightly = nightly.cloned().unwrap_or(Value::Null);
    assert_eq!(nightly["zone"], json!("Europe/Berlin"), "{schedules:?}");
}
