//! The codes of errors are part of the API: the table in `docs/API-DESIGN.md` has each that the source
//! can answer, and no other.

use std::collections::BTreeSet;
use std::path::Path;

/// The codes that a source makes errors with: the first text after `Error::KIND(`, or after the kind
/// in `Error::new(`, and `code:` in the declarations of unique values.
fn codes(source: &str) -> BTreeSet<String> {
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

fn collect(folder: &Path, codes_of_all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, codes_of_all);
        } else if path.extension().is_some_and(|end| end == "rs") {
            codes_of_all.extend(codes(&std::fs::read_to_string(&path).expect("a text")));
        }
    }
}

#[test]
fn every_code_is_in_the_table_and_every_line_is_a_code() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut made = BTreeSet::new();
    for name in ["domain", "api", "storage"] {
        collect(&crates.join(name).join("src"), &mut made);
    }
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
