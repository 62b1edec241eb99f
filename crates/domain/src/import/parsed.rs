//! What a parser makes of a report: the seam between `parsers` and everything after them.
//!
//! A parser is pure (bytes in, findings and warnings out), never panics, and accounts for every
//! item of the report: each becomes a finding or a warning that says what was skipped and why.
//! It decides nothing about identity across reports; that is [`crate::rules::identity`].

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::model::{Cvss, Level, Location};
use crate::time::Timestamp;

/// What is said once about a weakness and shared by all its instances in the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weakness {
    /// The tool's own id of the rule, check, plugin or advisory. Never empty, never holds a
    /// version of the package or a line number.
    pub rule: String,
    /// One line, without the place.
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
    /// Addresses of advisories and explanations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Numbers of the Common Weakness Enumeration, without `CWE-`, in the report's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwes: Vec<u32>,
    /// Other names of the SAME weakness: CVE, GHSA, OSV ids (`RUSTSEC-`, `GO-`, `PYSEC-`...),
    /// in upper case where the scheme has one, without repeats. An advisory that bundles several
    /// CVEs lists them all here; identity then rests on `rule`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cvss: Vec<Cvss>,
}

/// How a finding's severity was come by; kept so that a guess is never taken for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeverityBasis {
    /// The tool gave a word or a level.
    Stated,
    /// The tool gave a score or a vector only.
    Score,
    /// The tool gave nothing; the format's documented default.
    Default,
}

/// What the report itself says about an instance's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reported {
    /// It is there.
    #[default]
    Present,
    /// The report lists it only to say that it is gone or passed (SARIF `baselineState: absent`,
    /// `kind: pass`, Burp `fixed`...). Counted as skipped with that reason.
    Absent { reason: String },
    /// There, but set aside in the tool or the code (SARIF `suppressions`, `nosemgrep`, VEX
    /// `not_affected`); the foreign words are kept verbatim.
    Suppressed {
        status: String,
        justification: Option<String>,
    },
}

/// One located instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParsedFinding {
    pub weakness: Arc<Weakness>,
    pub location: Location,
    pub severity: Level,
    pub severity_basis: SeverityBasis,
    /// What is said about this instance alone; not part of identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The tool's own stable fingerprints as (name, value); SARIF `partialFingerprints`,
    /// GitLab `identifiers`... Only those that are meant to survive moved lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<(String, String)>,
    /// The tool that reported it where a report carries several (SARIF runs, GitLab).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub reported: Reported,
    pub position: Position,
}

/// Where in the report an item stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Number of the item among its kind, from 0 (for CSV: of the data row).
    pub item: u64,
    /// Offset of its first byte in the decompressed report, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// Line in the decompressed report, from 1, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// Something in the report that was not taken as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable, `item.skipped`, `severity.unknown`, `vector.malformed`...
    pub code: String,
    pub message: String,
    pub position: Position,
    /// Whether an item was left out because of it (it then counts as "skipped with reason").
    pub skipped: bool,
}

/// What kind of scan a report comes from; part of the stream that closes what is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Category {
    /// Static analysis of source code.
    Sast,
    /// Dependencies of an application.
    Sca,
    /// Packages of a container image or an operating system.
    Container,
    Secret,
    /// Infrastructure as code.
    Iac,
    /// A running web application or API.
    Dast,
    /// Hosts and networks.
    Network,
    Cloud,
    /// Components only, or mixed.
    Other,
}

/// What a report says about itself. Filled while parsing; complete at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportMeta {
    /// The scanner's name as the report gives it; the format's own where it gives none.
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// When the scan ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanned_at: Option<Timestamp>,
    /// What was scanned, as the tool names it: image, repository, target address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Items in the report that could have become findings; equals findings plus skipped ones.
    #[serde(default)]
    pub items: u64,
}

/// Takes what a parser finds, as it finds it.
pub trait Sink {
    /// # Errors
    /// The receiver can't take more (a limit, or it has gone away); the parser must stop and hand
    /// the error up unchanged.
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal>;
    fn warning(&mut self, warning: Warning);
}

/// Why a whole report is refused. Nothing of it is stored but the record of the refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable: `report.empty`, `report.unknown_format`, `report.truncated`, `report.malformed`,
    /// `report.encoding`, `report.too_large`, `report.too_deep`, `report.wrong_format`...
    pub code: String,
    /// One sentence that says what is wrong and what to do.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl Refusal {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            format: None,
            position: None,
        }
    }

    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    #[must_use]
    pub fn in_format(mut self, format: &str) -> Self {
        self.format.get_or_insert_with(|| format.to_owned());
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(format) = &self.format {
            write!(f, "{format}: ")?;
        }
        f.write_str(&self.message)?;
        match self.position {
            Some(Position {
                line: Some(line), ..
            }) => write!(f, " (line {line})"),
            Some(Position {
                byte: Some(byte), ..
            }) => write!(f, " (byte {byte})"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// How a format is described to people and to the importer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatInfo {
    /// Stable, lower case, `trivy`, `nessus-csv`.
    pub name: String,
    /// For people: `Trivy JSON`.
    pub title: String,
    /// The default tool name of its reports.
    pub tool: String,
    pub category: Category,
    /// Which fields make up identity, in words; shown in `docs/FORMATS.md`.
    pub identity: String,
    /// Whether memory stays flat while the report grows.
    pub streams: bool,
}
