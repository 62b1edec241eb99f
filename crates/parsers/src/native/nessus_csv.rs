//! Tenable's CSV exports: Nessus (old and new headings), Security Center, Vulnerability Management
//! (`definition.*`), Web App Scanning.
//!
//! Documented at <https://docs.tenable.com/nessus/Content/ScanReportFormats.htm> and
//! <https://docs.tenable.com/vulnerability-management/Content/Explore/Findings/ExportFindings.htm>.
//! Identity: plugin number, host, port, protocol; for web applications the address that the
//! plugin's output names. Nessus writes one row for each CVE of a plugin: rows that follow one
//! another and differ only in CVE, BID and cross references are one item. Next: `tenable.rs`.

use gna_domain::import::{
    Category, FormatInfo, Position, Refusal, ReportMeta, Reported, Sink, Warning,
};
use gna_domain::model::Level;
use std::sync::LazyLock;

use super::draft::Emitter;
use super::tenable::{self, Item};
use crate::csv_reader::{self, Headers, Row};
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, text};

pub struct NessusCsv;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "nessus-csv".into(),
    title: "Nessus and Tenable CSV".into(),
    tool: "Nessus".into(),
    category: Category::Network,
    identity: "plugin, host, port, protocol; for web scans the address".into(),
    streams: true,
});

/// Columns that make a table one of Tenable's, and whether no other tool has them.
const FAMILIES: [(&[&str], Confidence); 4] = [
    (&["definition.id", "definition.name"], Confidence::Certain),
    (
        &["Plugin ID", "Risk", "Host", "Name", "Synopsis"],
        Confidence::Certain,
    ),
    (
        &["Plugin", "Plugin Name", "Severity", "IP Address"],
        Confidence::Certain,
    ),
    (&["Plugin ID", "Name"], Confidence::Weak),
];

/// What a CSV writer in a browser shows for nothing.
const NOTHING: [&str; 3] = ["N/A", "null", "[]"];

impl Format for NessusCsv {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let headers = csv_reader::headers(input.head_text());
        headers
            .and_then(|headers| family(&headers))
            .map_or(Confidence::No, |(_, confidence)| confidence)
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let marks = csv_reader::headers(input.head_text())
            .and_then(|headers| family(&headers))
            .map_or(&["Plugin ID", "Host", "Name"][..], |(marks, _)| marks);
        let mut emitter = Emitter::new(sink, Level::Info).with_words(tenable::level);
        let mut pending: Option<(Item, Position)> = None;
        let mut web = false;
        csv_reader::for_each(input, marks, |row| {
            if let Some(Warning { code, message, .. }) = row.ragged() {
                emitter.note(&code, message, row.position);
            }
            let item = convert(&row);
            web |= item.web;
            if let Some((known, _)) = pending.as_mut()
                && joined(known, &item)
            {
                return Ok(());
            }
            match pending.replace((item, row.position)) {
                Some((item, position)) => emit(&mut emitter, item, position),
                None => Ok(()),
            }
        })?;
        if let Some((item, position)) = pending {
            emit(&mut emitter, item, position)?;
        }
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(if web {
                Category::Dast
            } else {
                Category::Network
            }),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn family(headers: &Headers) -> Option<(&'static [&'static str], Confidence)> {
    FAMILIES
        .into_iter()
        .find(|(marks, _)| headers.has_all(marks))
}

fn emit(emitter: &mut Emitter<'_>, item: Item, position: Position) -> Result<(), Refusal> {
    if !item.is_named() {
        emitter.skip(json::skipped(
            position,
            format!(
                "row {} has neither a plugin number nor a name",
                position.item + 1
            ),
        ));
        return Ok(());
    }
    let (draft, location) = item.convert();
    emitter.emit(draft, location, position)
}

/// Takes what the next row adds, if it says the same about another CVE.
fn joined(known: &mut Item, next: &Item) -> bool {
    let same = known.is_named()
        && known.plugin == next.plugin
        && known.host == next.host
        && known.port == next.port
        && known.protocol == next.protocol
        && known.output == next.output
        && known.name == next.name
        // Two rows of one CVE, or of none, are two items; the report repeats itself.
        && !next.cves.is_empty()
        && !known.cves.is_empty()
        && next.cves.iter().all(|cve| !known.cves.contains(cve));
    if same {
        known.cves.extend(next.cves.iter().cloned());
        for reference in &next.cross_references {
            if !known.cross_references.contains(reference) {
                known.cross_references.push(reference.clone());
            }
        }
        for vector in &next.vectors {
            if !known.vectors.contains(vector) {
                known.vectors.push(vector.clone());
            }
        }
        known.score = match (known.score, next.score) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }
    same
}

fn convert(row: &Row<'_>) -> Item {
    let any = |columns: &[&str]| {
        row.any(columns)
            .filter(|text| !NOTHING.contains(text))
            .unwrap_or_default()
            .to_owned()
    };
    let list = |columns: &[&str]| -> Vec<String> {
        Some(any(columns))
            .filter(|text| !text.is_empty())
            .into_iter()
            .collect()
    };
    let vector = |standard: &str, columns: &[&str]| tenable::vector(standard, &any(columns));
    let score = [
        &[
            "CVSS v4.0 Base Score",
            "CVSS V4 Base Score",
            "definition.cvss4.base_score",
        ][..],
        &[
            "CVSS v3.0 Base Score",
            "CVSS V3 Base Score",
            "definition.cvss3.base_score",
            "CVSSv3",
        ],
        &[
            "CVSS v2.0 Base Score",
            "CVSS V2 Base Score",
            "definition.cvss2.base_score",
            "CVSS",
            "CVSSv2",
        ],
    ]
    .into_iter()
    .find_map(|columns| row.any(columns)?.parse::<f64>().ok());
    let protocol = any(&["Protocol"]);
    let port = any(&["Port"]);
    let is_web =
        matches!(protocol.to_ascii_lowercase().as_str(), "http" | "https") && port.is_empty();
    let exploitable = any(&["Exploit?", "Exploit Available"]);
    let mut cwes = Vec::new();
    for number in any(&["definition.cwe", "CWE"]).split([',', ';', ' ', '\n', '[', ']', '"', '\''])
    {
        cwes.extend(text::cwe(number).filter(|cwe| !cwes.contains(cwe)));
    }
    Item {
        plugin: any(&["Plugin ID", "Plugin", "definition.id"]),
        name: any(&["Name", "Plugin Name", "definition.name"]),
        family: any(&["Family", "Plugin Family", "definition.family"]),
        host: any(&[
            "Host",
            "FQDN",
            "asset.host_name",
            "asset.display_fqdn",
            "asset.name",
            "DNS Name",
            "IP Address",
            "asset.display_ipv4_address",
            "asset.display_ipv6_address",
            "NetBIOS Name",
        ]),
        port,
        protocol,
        service: any(&["Service"]),
        severity: any(&["Risk", "Severity", "definition.severity", "Risk Factor"]),
        vectors: vec![
            vector(
                "CVSS:4.0/",
                &[
                    "CVSS v4.0 Vector",
                    "CVSS V4 Vector",
                    "definition.cvss4.base_vector",
                ],
            ),
            vector(
                "CVSS:3.0/",
                &[
                    "CVSS v3.0 Vector",
                    "CVSS V3 Vector",
                    "definition.cvss3.base_vector",
                ],
            ),
            vector(
                "",
                &[
                    "CVSS v2.0 Vector",
                    "CVSS V2 Vector",
                    "definition.cvss2.base_vector",
                ],
            ),
        ],
        score,
        cves: list(&["CVE", "definition.cve"]),
        cwes,
        cross_references: list(&["XREF", "Cross References", "definition.references"]),
        synopsis: any(&["Synopsis", "definition.synopsis"]),
        description: any(&["Description", "definition.description"]),
        solution: any(&["Solution", "Steps to Remediate", "definition.solution"]),
        see_also: list(&["See Also", "definition.see_also"]),
        products: any(&["CPE", "definition.cpe"]),
        output: any(&["Plugin Output", "output", "Plugin Text"]),
        tags: exploitable
            .eq_ignore_ascii_case("yes")
            .then(|| "exploit-available".to_owned())
            .into_iter()
            .collect(),
        reported: reported(row),
        web: is_web,
    }
}

fn reported(row: &Row<'_>) -> Reported {
    if row
        .any(&["state", "Vulnerability State"])
        .is_some_and(|state| state.eq_ignore_ascii_case("fixed"))
    {
        return Reported::Absent {
            reason: "Tenable has it as fixed".to_owned(),
        };
    }
    let comment = row.get("Accept Risk Comment");
    let accepted = row
        .get("risk_modified")
        .is_some_and(|word| word.eq_ignore_ascii_case("accepted"));
    if accepted || comment.is_some() {
        return Reported::Suppressed {
            status: "accepted".to_owned(),
            justification: comment
                .or_else(|| row.get("recast_reason"))
                .map(str::to_owned),
        };
    }
    Reported::Present
}

#[cfg(test)]
mod tests {
    use super::super::testing::{detected, fixture, read, refused};
    use super::*;
    use gna_domain::model::Location;

    type Line = (String, Level, String);

    fn line(rule: &str, level: Level, place: &str) -> Line {
        (rule.to_owned(), level, place.to_owned())
    }

    #[test]
    fn every_family_of_headings_is_read() {
        for (file, expected, identifiers, vectors) in [
            (
                "nessus-csv/nessus.csv",
                vec![
                    line("42873", Level::High, "web1.shop.example:443"),
                    line("42873", Level::High, "web1.shop.example:8443"),
                    line("10287", Level::Info, "web1.shop.example"),
                ],
                vec!["CVE-2016-2183", "CVE-2016-6329"],
                0,
            ),
            (
                "nessus-csv/security-center.csv",
                vec![
                    line("73756", Level::Critical, "db1.shop.example:1433"),
                    line("73756", Level::Critical, "192.0.2.10:1433"),
                ],
                vec!["CVE-2020-0618"],
                2,
            ),
            (
                "nessus-csv/vulnerability-management.csv",
                vec![
                    line("33851", Level::Low, "app1:22"),
                    line("33852", Level::Medium, "app1"),
                ],
                vec!["CVE-2021-0001", "CVE-2021-0002"],
                2,
            ),
            (
                "nessus-csv/web.csv",
                vec![
                    line("98104", Level::High, "http://shop.example/find"),
                    line("98060", Level::Low, "http://shop.example/"),
                ],
                vec![],
                0,
            ),
        ] {
            let text = fixture(file);
            assert_eq!(detected(&NessusCsv, &text), Confidence::Certain, "{file}");
            let read = read(&NessusCsv, &text);
            assert_eq!(read.lines(), expected, "{file}");
            let first = &read.findings[0].weakness;
            assert_eq!(first.identifiers, identifiers, "{file}");
            assert_eq!(first.cvss.len(), vectors, "{file}");
            assert!(
                first.description.is_some() && read.codes().is_empty(),
                "{file}"
            );
        }
    }

    #[test]
    fn states_and_acceptance_are_kept() {
        let read = read(
            &NessusCsv,
            &fixture("nessus-csv/vulnerability-management.csv"),
        );
        assert_eq!(
            read.findings[1].reported,
            Reported::Absent {
                reason: "Tenable has it as fixed".into()
            }
        );
        assert_eq!(read.findings[0].weakness.cwes, [284, 287]);
        let accepted =
            super::super::testing::read(&NessusCsv, &fixture("nessus-csv/security-center.csv"));
        assert_eq!(
            accepted.findings[1].reported,
            Reported::Suppressed {
                status: "accepted".into(),
                justification: Some("until the move".into())
            }
        );
        assert_eq!(
            accepted.findings[0].tags,
            [
                "Databases",
                "exploit-available",
                "cpe:/a:microsoft:sql_server"
            ]
        );
        assert_eq!(
            accepted.findings[0].message.as_deref(),
            Some("Installed version : 10.50")
        );
    }

    #[test]
    fn rows_of_one_plugin_join_only_over_different_cves() {
        let head = "Plugin ID,CVE,Risk,Host,Protocol,Port,Name,Synopsis\n";
        for (rows, findings) in [
            (
                "1,CVE-2020-1,High,h,tcp,1,n,s\n1,CVE-2020-2,High,h,tcp,1,n,s\n",
                1,
            ),
            (
                "1,CVE-2020-1,High,h,tcp,1,n,s\n1,CVE-2020-1,High,h,tcp,1,n,s\n",
                2,
            ),
            ("1,,High,h,tcp,1,n,s\n1,,High,h,tcp,1,n,s\n", 2),
            (
                "1,CVE-2020-1,High,h,tcp,1,n,s\n1,CVE-2020-2,High,h,tcp,2,n,s\n",
                2,
            ),
        ] {
            let read = read(&NessusCsv, &format!("{head}{rows}"));
            assert_eq!(read.findings.len(), findings, "{rows}");
        }
        let read = read(&NessusCsv, &format!("{head},,High,h\n"));
        assert_eq!(read.codes(), ["row.ragged", "item.skipped"]);
        assert_eq!(
            refused(&NessusCsv, "title,severity\nx,high\n").code,
            "report.wrong_format"
        );
        let asset = super::super::testing::read(&NessusCsv, &format!("{head}1,,Low,,,,n,s\n"));
        assert_eq!(asset.findings[0].location, Location::Asset);
    }
}
