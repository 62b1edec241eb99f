//! The codes of errors are part of the API: the table in `docs/API-DESIGN.md` has each that the source
//! can answer, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The codes that have a name of their own, by it: `const NAME: &str = "code"`.
fn named(source: &str) -> BTreeMap<String, String> {
    let constants = source.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": &str = \"")?;
        let code = rest.split('"').next()?;
        let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        (is_name && is_code(code) && code.contains('.')).then(|| (name.into(), code.into()))
    });
    constants.collect()
}

/// The codes that a source makes errors with: the first text, or name of one, after `Error::KIND(`, or
/// after the kind in `Error::new(`, and `code:` in the declarations of unique values.
fn codes(source: &str, named: &BTreeMap<String, String>) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut codes = BTreeSet::new();
    for rest in source.split("Error::").skip(1) {
        let Some((name, rest)) = rest.split_once('(') else {
            continue;
        };
        let rest = match name {
            "new" => rest.split_once(',').map_or("", |(_, rest)| rest),
            "invalid" | "unauthenticated" | "forbidden" | "not_found" | "conflict" | "limit"
            | "unavailable" | "internal" => rest,
            _ => continue,
        };
        let name = rest.trim_start().split([',', ')']).next();
        codes.extend(name.and_then(|name| named.get(name)).cloned());
        if let Some(text) = rest.trim_start().strip_prefix('"') {
            codes.extend(
                text.split('"')
                    .next()
                    .filter(|code| is_code(code))
                    .map(str::to_owned),
            );
        }
    }
    for rest in source.split("code: \"").skip(1) {
        let code = rest.split('"').next().unwrap_or_default();
        if code.ends_with(".exists") {
            codes.insert(code.to_owned());
        }
    }
    codes
}

fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '.'))
}

fn collect(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|end| end == "rs") {
            sources.push(std::fs::read_to_string(&path).expect("a text"));
        }
    }
}

#[test]
fn every_code_is_in_the_table_and_every_line_is_a_code() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for name in ["domain", "api", "storage"] {
        collect(&crates.join(name).join("src"), &mut sources);
    }
    let names: BTreeMap<_, _> = sources.iter().flat_map(|source| named(source)).collect();
    let made: BTreeSet<_> = sources
        .iter()
        .flat_map(|source| codes(source, &names))
        .collect();
    let table =
        std::fs::read_to_string(crates.join("../docs/API-DESIGN.md")).expect("the document");
    let table = table.split("## Codes").nth(1).expect("the section");
    let listed: BTreeSet<String> = table
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split('`')
                .next()
                .map(str::to_owned)
        })
        .collect();
    let missing: Vec<_> = made.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&made).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "not in the table: {missing:?}; no longer made: {stale:?}"
    );
}
