//! Gna's own report format as CSV: one finding a row, columns by name.
//!
//! Documented in `docs/GENERIC-FORMAT.md`. The columns are the fields of the generic form and,
//! beside them, those of its place ([`crate::data::generic`]); none has to be there but `title`
//! or `rule`. Several values of one field are separated by `;`. Identity: as in
//! [`super::gna_json`].

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Sink, Warning};
use serde_json::{Map, Value};
use std::sync::LazyLock;

use super::gna_json::Writer;
use crate::Input;
use crate::csv_reader::{self, Headers, Row};
use crate::data::generic::{FIELDS, GenericFinding, LOCATION_FIELDS};
use crate::format::{Confidence, Format, Options};

pub struct GnaCsv;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "gna-csv".into(),
    title: "Gna report CSV".into(),
    tool: "Gna report".into(),
    category: Category::Other,
    identity: "as gna-json".into(),
    streams: true,
});

/// Fields that may hold several values.
const LISTS: [&str; 6] = [
    "cvss",
    "cwes",
    "identifiers",
    "references",
    "tags",
    "fixed_version",
];

impl Format for GnaCsv {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(headers) = csv_reader::headers(input.head_text()) else {
            return Confidence::No;
        };
        let has = |name: &str| headers.names.iter().any(|known| known == name);
        if !(has("title") || has("rule")) || !has("severity") {
            return Confidence::No;
        }
        // Other tables have a title and a severity too; only a name given by hand tells them apart.
        if unknown(&headers).next().is_none() {
            Confidence::Likely
        } else {
            Confidence::No
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut writer = Writer::new(input, false);
        let mut tool: Option<String> = None;
        let mut several = false;
        let mut rows = 0_u64;
        let headers = csv_reader::for_each(input, &[], |row| {
            rows += 1;
            if let Some(warning) = row.ragged() {
                sink.warning(warning);
            }
            let form = form(&row);
            match (&tool, &form.tool) {
                (None, Some(named)) if rows == 1 => tool = Some(named.clone()),
                (known, named) => several |= known != named,
            }
            writer.write(form, row.position, sink)
        })?;
        if !headers.has("title") && !headers.has("rule") {
            return Err(Refusal::new(
                "report.wrong_format",
                "the table has neither a column \"title\" nor \"rule\"; see docs/GENERIC-FORMAT.md",
            ));
        }
        for name in unknown(&headers) {
            let message = format!("the format has no column {name:?}; it was not read");
            sink.warning(Warning {
                code: "field.unknown".into(),
                message,
                position: Default::default(),
                skipped: false,
            });
        }
        Ok(ReportMeta {
            tool: tool
                .filter(|_| !several)
                .unwrap_or_else(|| INFO.tool.clone()),
            items: writer.items,
            ..ReportMeta::default()
        })
    }
}

/// Names of the columns: the finding's fields and the place's, which stand beside each other.
fn columns() -> impl Iterator<Item = &'static str> {
    FIELDS
        .iter()
        .filter(|name| **name != "location")
        .chain(LOCATION_FIELDS)
        .copied()
}

/// As the reader compares names: `End Line` is `end_line`.
fn unknown(headers: &Headers) -> impl Iterator<Item = &str> {
    let plain = |name: &str| name.replace([' ', '-', '_'], "").to_ascii_lowercase();
    let names = headers
        .names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty());
    names.filter(move |name| !columns().any(|known| plain(known) == plain(name)))
}

fn form(row: &Row<'_>) -> GenericFinding {
    let mut finding = Map::new();
    let mut location = Map::new();
    for name in columns() {
        let Some(text) = row.get(name) else { continue };
        let field = match name {
            "fingerprints" => fingerprints(text),
            name if LISTS.contains(&name) => text
                .split([';', '\n'])
                .map(str::trim)
                .map(Value::from)
                .collect(),
            _ => Value::from(text),
        };
        let object = if LOCATION_FIELDS.contains(&name) {
            &mut location
        } else {
            &mut finding
        };
        object.insert(name.to_owned(), field);
    }
    if !location.is_empty() {
        finding.insert("location".to_owned(), Value::Object(location));
    }
    // The form takes texts for all of its fields, so there is nothing that could not be read.
    serde_json::from_value(Value::Object(finding)).unwrap_or_default()
}

/// `name=value;name=value`.
fn fingerprints(text: &str) -> Value {
    let pairs = text
        .split([';', '\n'])
        .filter_map(|pair| pair.split_once('='));
    let named: Map<String, Value> = pairs
        .map(|(name, value)| (name.trim().to_owned(), Value::from(value.trim())))
        .collect();
    Value::Object(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, fixture, read, refused};
    use gna_domain::import::Reported;
    use gna_domain::model::Level;

    #[test]
    fn a_table_holds_every_kind_of_place() {
        let text = fixture("gna-csv/all-places.csv");
        assert_eq!(detected(&GnaCsv, &text), Confidence::Likely);
        let read = read(&GnaCsv, &text);
        assert_eq!(
            read.lines(),
            [
                ("no-eval".into(), Level::High, "src/cart.js:41".into()),
                (
                    "CVE-2019-10744".into(),
                    Level::Critical,
                    "lodash@4.17.11 (web/package-lock.json)".into()
                ),
                (
                    "sqli".into(),
                    Level::High,
                    "POST https://shop.example/search".into()
                ),
                ("weak-tls".into(), Level::Medium, "shop.example:443".into()),
            ]
        );
        assert_eq!(read.findings[0].weakness.cwes, [95, 20]);
        assert_eq!(
            read.findings[0].fingerprints,
            [("scope".to_owned(), "total[0]:3".to_owned())]
        );
        assert_eq!(
            read.findings[1].weakness.identifiers,
            ["CVE-2019-10744", "GHSA-jf85-cpcp-j695"]
        );
        assert!(
            matches!(&read.findings[3].reported, Reported::Suppressed { status, .. } if status == "accepted")
        );
        assert_eq!(
            (read.codes(), read.meta.tool.as_str()),
            (vec![], "acme-check")
        );
    }

    #[test]
    fn unknown_columns_and_unnamed_rows_are_told() {
        let text = "title,severity,path,colour\nx,low,a.c,red\n,low,b.c,\n";
        assert_eq!(detected(&GnaCsv, text), Confidence::No);
        let read = read(&GnaCsv, text);
        assert_eq!(
            (read.findings.len(), read.codes()),
            (1, vec!["item.skipped", "field.unknown"])
        );
        assert_eq!(
            detected(&GnaCsv, "Date,Title,Severity,Description,CweId\n"),
            Confidence::No
        );
        assert_eq!(
            refused(&GnaCsv, "severity,path\nlow,a.c\n").code,
            "report.wrong_format"
        );
    }
}
