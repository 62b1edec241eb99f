//! The tables of `docs/FORMATS.md`, made of what the formats say of themselves.

use anyhow::Result;
use gna_domain::import::FormatInfo;
use gna_parsers::{Registry, data};
use std::fmt::Write;

/// Prints the tables.
///
/// # Errors
/// A built-in format as data that does not load.
pub fn run() -> Result<bool> {
    print!("{}", tables()?);
    Ok(true)
}

fn tables() -> Result<String> {
    let native = Registry::native();
    let native: Vec<FormatInfo> = native
        .all()
        .iter()
        .map(|format| format.info().clone())
        .collect();
    let data: Vec<FormatInfo> = data::builtin()?
        .iter()
        .map(|format| gna_parsers::Format::info(format).clone())
        .collect();
    Ok(format!(
        "## By code\n\n{}\n## As data\n\n{}",
        table(native),
        table(data)
    ))
}

fn table(mut formats: Vec<FormatInfo>) -> String {
    formats.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table = "| Name | Reports of | Category | Identity |\n|---|---|---|---|\n".to_owned();
    for format in formats {
        // Writing to a String can't fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {:?} | {} |",
            format.name,
            format.title,
            format.category,
            format.identity.replace('|', "/").replace('\n', " ")
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_tables_of_today() {
        let document =
            std::fs::read_to_string(crate::root().join("docs/FORMATS.md")).expect("read");
        let tables = tables().expect("the formats load");
        assert!(
            document.contains(&tables),
            "docs/FORMATS.md is behind; put in what `cargo xtask formats` prints"
        );
    }
}
