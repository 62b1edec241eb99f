//! The differences from the peer that are meant, read from the tables of `docs/FORMATS.md`.
//!
//! Two tables are read, found by their first column's heading:
//! `| Peer's name | Formats |` says which of our formats read what the peer calls so, so that a file
//! that is not recognised is not left out; `| Differs in | File | Says | Reason |` excuses tuples: the format, a
//! file (or `*`), a text that the tuple's title or component holds (or `*`, or `(file)` for a file
//! that we refuse), and why.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;

pub struct Reasons {
    names: Vec<(String, Vec<String>)>,
    differences: Vec<Difference>,
}

struct Difference {
    format: String,
    file: String,
    says: String,
}

impl Reasons {
    /// # Errors
    /// The document can't be read, or a difference is listed without a reason.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::of(&text)
    }

    fn of(text: &str) -> Result<Self> {
        let (mut names, mut differences) = (Vec::new(), Vec::new());
        let mut heading = String::new();
        for line in text.lines() {
            let Some(cells) = cells(line) else {
                heading.clear();
                continue;
            };
            let first = cells.first().cloned().unwrap_or_default();
            if heading.is_empty() {
                heading = first;
            } else if first.starts_with("---") || first.starts_with(":--") {
            } else if heading == "Peer's name" {
                let formats = cells.get(1).map(String::as_str).unwrap_or_default();
                let formats = formats
                    .split(", ")
                    .map(|name| name.trim_matches('`').to_owned());
                names.push((first, formats.collect()));
            } else if heading == "Differs in" {
                let [format, file, says, reason] = cells
                    .try_into()
                    .map_err(|_| anyhow::anyhow!("a difference has four columns: {line}"))?;
                anyhow::ensure!(!reason.is_empty(), "a difference without a reason: {line}");
                differences.push(Difference { format, file, says });
            }
        }
        Ok(Self { names, differences })
    }

    /// Our formats for one of the peer's names; none where it is not listed.
    pub fn formats_of(&self, scan_type: &str) -> &[String] {
        let named = self.names.iter().find(|(name, _)| name == scan_type);
        named.map_or(&[], |(_, formats)| formats)
    }

    /// All formats that are listed beside a name.
    pub fn formats(&self) -> impl Iterator<Item = &String> {
        self.names.iter().flat_map(|(_, formats)| formats)
    }

    pub fn excuses(&self, format: &str, file: &str, row: &Value) -> bool {
        let text = format!("{} {}", row["title"], row["component_name"]);
        self.about(format, file)
            .any(|difference| difference.says == "*" || text.contains(&difference.says))
    }

    pub fn excuses_file(&self, format: &str, file: &str) -> bool {
        self.about(format, file)
            .any(|difference| difference.says == "(file)")
    }

    fn about(&self, format: &str, file: &str) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |difference| {
            difference.format == format && (difference.file == "*" || difference.file == file)
        })
    }
}

/// The cells of a table's row, without code marks.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(
        inner
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_document_are_read() {
        let text = "| Peer's name | Formats |\n|---|---|\n| Foo Scan | `foo`, `foo-xml` |\n\n| Differs in | File | Says | Reason |\n|---|---|---|---|\n| `foo` | `foo/a.json` | grouped | they group |\n";
        let reasons = Reasons::of(text).expect("reads");
        assert_eq!(reasons.formats_of("Foo Scan"), ["foo", "foo-xml"]);
        assert!(reasons.formats_of("Bar Scan").is_empty());
        let row = serde_json::json!({ "title": "it is grouped" });
        assert!(reasons.excuses("foo", "foo/a.json", &row));
        assert!(!reasons.excuses("foo", "foo/b.json", &row));
        assert!(
            Reasons::of(
                "| Differs in | File | Says | Reason |\n|---|---|---|---|\n| a | b | c | |\n"
            )
            .is_err()
        );
    }

    #[test]
    fn our_own_document_is_in_order() {
        Reasons::read(&crate::root().join("docs/FORMATS.md")).expect("reads");
    }
}
