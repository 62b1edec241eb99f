//! What every source file must be: not too long, introduced, and without left-overs.

use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines, without its tests.
const LINES: usize = 600;

/// What must not stay in the code; written in pieces, so that this file passes.
const LEFT_OVERS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or write an issue"),
    (concat!("FIX", "ME"), "finish it, or write an issue"),
    (concat!("/work", "/"), "a path of one machine"),
];

/// # Errors
/// A file that can't be read.
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in ["crates", "examples", "xtask"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut problems = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let name = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        problems.extend(of_file(&name, &text));
    }
    Ok(problems)
}

fn of_file(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let own = text
        .split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .lines()
        .count();
    if own > LINES && !name.contains("/tests/") {
        problems.push(format!(
            "{name}: {own} lines without tests; at most {LINES}: split it by what it does"
        ));
    }
    if !text.trim_start().starts_with("//!") {
        problems.push(format!("{name}: starts without saying what it is (//!)"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for (left_over, remedy) in LEFT_OVERS {
            if line.contains(left_over) {
                problems.push(format!("{name}:{number}: {left_over}: {remedy}"));
            }
        }
    }
    problems
}

pub fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_order() {
        assert_eq!(
            problems(&crate::root()).expect("the files are read"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!("//! Doc.\n{}", "let x = 1;\n".repeat(LINES));
        assert_eq!(of_file("crates/a/src/b.rs", &long).len(), 1);
        assert_eq!(of_file("crates/a/src/b.rs", "fn main() {}").len(), 1);
        assert!(of_file("crates/a/src/b.rs", "//! Doc.\nfn main() {}").is_empty());
        let left_over = format!("//! Doc.\n// {} later", LEFT_OVERS[0].0);
        assert_eq!(of_file("crates/a/src/b.rs", &left_over).len(), 1);
    }
}
