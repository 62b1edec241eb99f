//! `docs/PARITY.md` promises tests by name; each must exist.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::files::rust_files;

const PAGE: &str = "docs/PARITY.md";

/// # Errors
/// A file that can't be read.
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| PAGE.to_owned())?;
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    let mut known = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        known.extend(functions(&text).map(str::to_owned));
    }
    Ok(missing(&page, &known))
}

/// Names of the functions that a source file declares.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("fn ")?;
        rest.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
    })
}

fn missing(page: &str, known: &BTreeSet<String>) -> Vec<String> {
    // Every second piece stands between backticks.
    let named = page.split('`').skip(1).step_by(2);
    named
        .filter(|name| is_test_name(name) && !known.contains(*name))
        .map(|name| format!("{PAGE}: there is no test {name}"))
        .collect()
}

/// Tests are sentences; nothing else in that page has three words and no other character.
fn is_test_name(name: &str) -> bool {
    name.matches('_').count() >= 2
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_gone_is_named() {
        let known = functions("    async fn it_is_there() {\nfn other()").map(str::to_owned);
        let known: BTreeSet<String> = known.collect();
        let page = "| 1 | `it_is_there`, `it_is_gone`, `gna serve`, `reviewNew` |";
        assert_eq!(
            missing(page, &known),
            ["docs/PARITY.md: there is no test it_is_gone"]
        );
    }

    #[test]
    fn the_page_names_only_what_there_is() {
        assert_eq!(problems(&crate::root()).unwrap(), Vec::<String>::new());
    }
}
