//! Which crate may know which: the arrows of the architecture, read from the manifests.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Normal dependencies inside the workspace, all that there may be. `testkit` and `xtask` may know
/// anything and are known by nobody but tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("storage", &["domain"]),
    ("parsers", &["domain"]),
    ("integrations", &["domain"]),
    ("api", &["domain"]),
    (
        "server",
        &["api", "integrations", "parsers", "storage", "domain"],
    ),
];

/// What the domain must never name, with what it would be.
const FOREIGN_TO_DOMAIN: &[(&str, &str)] = &[
    ("axum", "a web framework"),
    ("hyper", "a web framework"),
    ("async-graphql", "a web framework"),
    ("rusqlite", "a driver"),
    ("sqlx", "a driver"),
    ("mongodb", "a driver"),
    ("aws-sdk-dynamodb", "a driver"),
    ("object_store", "a driver"),
    ("reqwest", "an HTTP client"),
    ("chrono", "a second date library"),
];

/// # Errors
/// A manifest that can't be read.
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (name, allowed) in ARROWS {
        for dependency in dependencies(root, name)? {
            if let Some(of_ours) = dependency.strip_prefix("gna-")
                && !allowed.contains(&of_ours)
            {
                problems.push(format!("crates/{name} must not depend on {dependency}"));
            }
        }
    }
    for dependency in dependencies(root, "domain")? {
        if let Some((_, what)) = FOREIGN_TO_DOMAIN
            .iter()
            .find(|(foreign, _)| *foreign == dependency)
        {
            problems.push(format!("crates/domain must not know {what} ({dependency})"));
        }
    }
    Ok(problems)
}

fn dependencies(root: &Path, name: &str) -> Result<Vec<String>> {
    let path = root.join("crates").join(name).join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest: toml::Table = text
        .parse()
        .with_context(|| format!("in {}", path.display()))?;
    let table = |name: &str| manifest.get(name).and_then(toml::Value::as_table);
    let tables = ["dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(table);
    Ok(tables.flat_map(|table| table.keys().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrows_between_crates_hold() {
        assert_eq!(
            problems(&crate::root()).expect("the manifests are read"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_wrong_arrow_is_found() {
        let root = tempfile::tempdir().expect("a folder");
        for (name, _) in ARROWS {
            let folder = root.path().join("crates").join(name);
            fs::create_dir_all(&folder).expect("made");
            let wrong = if *name == "domain" {
                "gna-storage.workspace = true\naxum = \"1\""
            } else {
                ""
            };
            fs::write(
                folder.join("Cargo.toml"),
                format!("[dependencies]\n{wrong}\n"),
            )
            .expect("written");
        }
        assert_eq!(
            problems(root.path()).expect("read"),
            [
                "crates/domain must not depend on gna-storage",
                "crates/domain must not know a web framework (axum)"
            ]
        );
    }
}
