//! Exports as CSV (RFC 4180), for spreadsheets.
//!
//! Cells hold what scanners and people wrote. One that begins with `=`, `+`, `-`, `@`, a tab or a
//! line break would run as a formula when the file is opened, so it gets a `'` before it.

use gna_domain::error::Result;
use gna_domain::model::Location;
use gna_domain::service::export::Row;

use super::unwritable;

/// The columns, in order. Lists are joined by a space (names hold none), tools by `; `.
pub const COLUMNS: &[&str] = &[
    "id",
    "organization",
    "group",
    "asset",
    "title",
    "state",
    "closed_reason",
    "level",
    "score",
    "vector",
    "identifiers",
    "cwes",
    "location_kind",
    "path",
    "line",
    "package",
    "version",
    "fixed_version",
    "purl",
    "place",
    "tools",
    "rules",
    "tags",
    "on_default_ref",
    "suppressed",
    "created",
    "last_seen",
    "state_since",
];

pub fn head() -> Result<Vec<u8>> {
    let mut head = Vec::new();
    write(&mut head, COLUMNS.iter().map(|&name| name.to_owned()))?;
    Ok(head)
}

/// A row's cells, in the order of [`COLUMNS`].
pub type Cells = [String; 28];

pub fn line(row: Row, to: &mut Vec<u8>) -> Result<()> {
    write(to, cells(&row))
}

pub fn cells(row: &Row) -> Cells {
    let value = &row.vulnerability.value;
    let place = Place::of(&value.location);
    let optional = |text: Option<&String>| text.cloned().unwrap_or_default();
    [
        value.id.to_string(),
        value.organization.to_string(),
        value.group.to_string(),
        row.asset
            .as_ref()
            .map(|asset| asset.name.clone())
            .unwrap_or_default(),
        row.finding
            .as_ref()
            .map(|finding| finding.title.clone())
            .unwrap_or_default(),
        value.state.as_str().to_owned(),
        value
            .state
            .closed_reason()
            .map(|reason| reason.as_str().to_owned())
            .unwrap_or_default(),
        value.severity.level.to_string(),
        format!("{:.1}", value.severity.score),
        optional(value.severity.vector.as_ref()),
        value.identifiers.join(" "),
        value
            .cwes
            .iter()
            .map(|cwe| format!("CWE-{cwe}"))
            .collect::<Vec<_>>()
            .join(" "),
        value.location.kind().to_owned(),
        value.location.path().unwrap_or_default().to_owned(),
        value
            .location
            .line()
            .map(|line| line.to_string())
            .unwrap_or_default(),
        place.package,
        place.version,
        place.fixed_version,
        place.purl,
        place.address,
        joined(value.sources.iter().map(|source| &source.tool)),
        joined(value.sources.iter().map(|source| &source.rule)),
        joined(value.tags.iter()),
        value.on_default_ref.to_string(),
        value.is_suppressed().to_string(),
        value.created.to_string(),
        row.last_seen.to_string(),
        value.state_since.to_string(),
    ]
}

fn joined<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    texts.map(String::as_str).collect::<Vec<_>>().join("; ")
}

#[derive(Default)]
struct Place {
    package: String,
    version: String,
    fixed_version: String,
    purl: String,
    address: String,
}

impl Place {
    fn of(location: &Location) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        match location {
            Location::Package(package) => Self {
                package: package.name.clone(),
                version: text(&package.version),
                fixed_version: text(&package.fixed_version),
                purl: text(&package.purl),
                address: String::new(),
            },
            Location::Endpoint(endpoint) => Self {
                address: endpoint.url.clone(),
                ..Self::default()
            },
            Location::Network(network) => Self {
                address: match network.port {
                    Some(port) => format!("{}:{port}", network.host),
                    None => network.host.clone(),
                },
                ..Self::default()
            },
            Location::Cloud(cloud) => Self {
                address: cloud.resource.clone(),
                ..Self::default()
            },
            Location::Code(_) | Location::Asset => Self::default(),
        }
    }
}

fn write(to: &mut Vec<u8>, cells: impl IntoIterator<Item = String>) -> Result<()> {
    let mut writer = ::csv::WriterBuilder::new()
        .terminator(::csv::Terminator::CRLF)
        .from_writer(to);
    writer
        .write_record(cells.into_iter().map(harmless))
        .map_err(|_| unwritable())?;
    writer.flush().map_err(|_| unwritable())
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell.to_owned()), written, "{cell:?}");
        }
    }

    #[test]
    fn quotes_and_line_breaks_stay_inside_their_cell() {
        let mut line = Vec::new();
        write(&mut line, ["a\"b".to_owned(), "c\r\nd,e".to_owned()]).expect("written");
        assert_eq!(
            String::from_utf8(line).expect("UTF-8"),
            "\"a\"\"b\",\"c\r\nd,e\"\r\n"
        );
    }
}
