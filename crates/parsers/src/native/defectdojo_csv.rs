//! DefectDojo's generic findings as CSV, columns by name.
//!
//! See [`super::defectdojo`] for what a row means and where the columns are documented. Flags are
//! true where they begin with `t` (or `y`, `1`). Identity: the first vulnerability id, else the
//! title, with the address.

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Sink};
use gna_domain::model::Level;
use std::sync::LazyLock;

use super::defectdojo::{Flags, Item};
use super::draft::Emitter;
use crate::csv_reader::{self, Row};
use crate::format::{Confidence, Format, Options};
use crate::{Input, json};

pub struct DefectdojoCsv;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "defectdojo-csv".into(),
    title: "DefectDojo generic findings CSV".into(),
    tool: "DefectDojo generic".into(),
    category: Category::Other,
    identity: "vulnerability id (else title), address".into(),
    streams: true,
});

/// Columns that only this format writes in this way.
const MARKS: [&str; 9] = [
    "CweId",
    "FalsePositive",
    "Mitigation",
    "Vulnerability Id",
    "Verified",
    "Duplicate",
    "IsMitigated",
    "CVSSV3",
    "Impact",
];

impl Format for DefectdojoCsv {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(headers) = csv_reader::headers(input.head_text()) else {
            return Confidence::No;
        };
        let names = |name: &str| headers.names.iter().any(|known| known == name);
        if !["Title", "Severity", "Description", "Date"]
            .iter()
            .all(|name| names(name))
        {
            return Confidence::No;
        }
        match MARKS.iter().filter(|mark| names(mark)).count() {
            0 => Confidence::Weak,
            1 => Confidence::Likely,
            _ => Confidence::Certain,
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut emitter = Emitter::new(sink, Level::Info);
        let repaired = without_last_quote(input.text()?);
        let mut input = *input;
        if let Some(text) = &repaired {
            emitter.note(
                "row.quote",
                "the last field ends with a quote too many; it was left out",
                Position::default(),
            );
            input.bytes = text.as_bytes();
        }
        csv_reader::for_each(&input, &["Title", "Severity"], |row| {
            if let Some(warning) = row.ragged() {
                emitter.note(&warning.code, warning.message, warning.position);
            }
            match row.get("Title") {
                Some(title) => item(&row, title).emit(&mut emitter, row.position),
                None => {
                    emitter.skip(json::skipped(row.position, "the row has no title"));
                    Ok(())
                }
            }
        })?;
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(Category::Other),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

/// The text without a second quote at its very end, where that one is never closed: a known slip of
/// scripts that write this format. `None` where nothing has to be repaired.
fn without_last_quote(text: &str) -> Option<String> {
    let kept = text.trim_end().strip_suffix('"')?;
    let odd = text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1;
    (odd && kept.ends_with('"') && !kept.ends_with(",\"")).then(|| format!("{kept}\n"))
}

fn item(row: &Row<'_>, title: &str) -> Item {
    let text = |names: &[&str]| row.any(names).unwrap_or_default().to_owned();
    let all = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| row.get(name))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let yes = |name: &str| {
        row.get(name)
            .is_some_and(|word| word.to_ascii_lowercase().starts_with(['t', 'y', '1']))
    };
    let cwes = all(&["CweId", "CweIds"]);
    Item {
        title: title.to_owned(),
        severity: text(&["Severity"]),
        description: text(&["Description"]),
        mitigation: text(&["Mitigation"]),
        impact: text(&["Impact"]),
        steps: text(&["Steps_to_reproduce"]),
        references: text(&["References"]),
        ids: all(&["CVE", "Vulnerability Id", "Vulnerability Ids"]),
        cwes: cwes
            .iter()
            .flat_map(|cwes| cwes.split([',', ';', ' ']))
            .map(str::to_owned)
            .collect(),
        // A quote too many is common where a vector stands last.
        vectors: all(&["CVSSV4", "CVSSV3"])
            .iter()
            .map(|vector| vector.trim_matches('"').to_owned())
            .collect(),
        score: row
            .any(&["CVSSV4_score", "CVSSV3_score"])
            .and_then(|score| score.parse().ok()),
        file_path: text(&["FilePath", "File"]),
        line: row.get("Line").and_then(|line| line.parse().ok()),
        symbol: String::new(),
        endpoints: all(&["Url"]),
        parameter: text(&["Param"]),
        component_name: text(&["ComponentName"]),
        component_version: text(&["ComponentVersion"]),
        fix_version: text(&["fix_version"]),
        unique_id: text(&["unique_id_from_tool"]),
        vuln_id: text(&["vuln_id_from_tool"]),
        tags: if yes("known_exploited") {
            vec!["known-exploited".to_owned()]
        } else {
            vec![]
        },
        flags: Flags {
            inactive: row.get("Active").is_some() && !yes("Active"),
            mitigated: yes("IsMitigated"),
            duplicate: yes("Duplicate"),
            false_positive: yes("FalsePositive"),
            out_of_scope: yes("OutOfScope"),
            risk_accepted: yes("RiskAccepted"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};
    use gna_domain::import::Reported;

    #[test]
    fn rows_are_findings_of_their_address() {
        let text = "Date,Title,CweId,Url,Severity,Description,Mitigation,Impact,References,Active,Verified,FalsePositive,Duplicate,CVE,CVSSV3\n\
            28/02/2026,XSS,79,https://shop.example/a,Low,\"two\nlines\",fix it,,,TRUE,TRUE,FALSE,FALSE,,\n\
            28/02/2026,Log4Shell,,,Critical,d,,,https://nvd.example/x,TRUE,FALSE,TRUE,FALSE,CVE-2021-44228,\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H\"\n\
            28/02/2026,,1,,Low,,,,,TRUE,TRUE,FALSE,FALSE,,\n\
            28/02/2026,Short,,,,\n";
        assert_eq!(detected(&DefectdojoCsv, text), Confidence::Certain);
        let read = read(&DefectdojoCsv, text);
        assert_eq!(
            read.lines(),
            [
                ("xss".into(), Level::Low, "https://shop.example/a".into()),
                ("CVE-2021-44228".into(), Level::Critical, String::new()),
                ("short".into(), Level::Info, String::new()),
            ]
        );
        assert_eq!(read.findings[0].weakness.cwes, [79]);
        assert!(
            matches!(&read.findings[1].reported, Reported::Suppressed { status, .. } if status == "false_p")
        );
        assert_eq!(read.codes(), ["item.skipped", "row.ragged"]);
        assert_eq!(read.warnings[0].position.line, Some(5));
    }

    #[test]
    fn a_quote_too_many_at_the_end_is_no_truncation() {
        let row = "Date,Title,Severity,Description,CVSSV3\n1,t,,d,\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"";
        for (end, codes) in [("", vec![]), ("\"\n", vec!["row.quote"])] {
            let read = read(&DefectdojoCsv, &format!("{row}{end}"));
            assert_eq!(
                (read.findings[0].severity, read.codes()),
                (Level::Critical, codes),
                "{end}"
            );
        }
        assert_eq!(
            refused(&DefectdojoCsv, "Title,Severity\n\"cut o").code,
            "report.truncated"
        );
    }

    #[test]
    fn other_tables_are_not_taken() {
        for text in ["title,severity\nx,low\n", "Date,Amount\n1,2\n", "no table"] {
            assert_eq!(detected(&DefectdojoCsv, text), Confidence::No, "{text}");
        }
        assert_eq!(
            refused(&DefectdojoCsv, "Date,Amount\n1,2\n").code,
            "report.wrong_format"
        );
    }
}
