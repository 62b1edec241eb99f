//! Through which files the program reaches what is outside of it: whatever an integration asks goes through
//! the guard of requests, and randomness and the time come in by ports.

use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::rust_files;

/// A name of the outside, the files that may know it (by how their paths begin), and who else is asked.
const DOORS: &[(&str, &[&str], &str)] = &[
    (
        "reqwest::",
        &[
            "crates/integrations/src/framework/egress/",
            // A command asks the server of its own machine, or the one that it was told.
            "crates/server/src/cli/",
            // The addresses are the operator's.
            "crates/storage/src/search/opensearch/",
            "crates/server/src/telemetry/",
            "crates/storage/src/conformance/",
            "crates/testkit/",
        ],
        "requests go through the guard (the port Egress)",
    ),
    (
        "getrandom::",
        &["crates/server/src/outside/"],
        "randomness comes from the Ids port",
    ),
    ("Timestamp::now(", &[], "time comes from the Clock port"),
];

/// # Errors
/// A file that can't be read.
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let mut files: Vec<PathBuf> = Vec::new();
    rust_files(&root.join("crates"), &mut files)?;
    files.sort();
    let mut problems = Vec::new();
    for file in files {
        let name = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        if name.contains("/src/") {
            problems.extend(of_file(&name, &fs::read_to_string(&file)?));
        }
    }
    Ok(problems)
}

fn of_file(name: &str, text: &str) -> Vec<String> {
    let own = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(own.lines()) {
        for (outside, doors, instead) in DOORS {
            let is_said = line.trim_start().starts_with("//");
            if !is_said
                && line.contains(outside)
                && !doors.iter().any(|door| name.starts_with(door))
            {
                problems.push(format!(
                    "{name}:{number}: {outside} is not for this file: {instead}"
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_round_the_doors() {
        let problems = problems(&crate::root()).expect("the files are read");
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn whoever_goes_round_one_is_found() {
        let text = "//! reqwest::Client\nuse reqwest::Client;\n#[cfg(test)]\nuse reqwest::Url;\n";
        let found = of_file("crates/domain/src/service/sly.rs", text);
        assert_eq!(
            found,
            [
                "crates/domain/src/service/sly.rs:2: reqwest:: is not for this file: requests go through the guard (the port Egress)"
            ]
        );
        let egress = "crates/integrations/src/framework/egress/send.rs";
        assert_eq!(of_file(egress, text), Vec::<String>::new());
    }
}
