//! For the tests of the formats beside it: reads a text with one format and checks the account.

use gna_domain::import::{ParsedFinding, Refusal, ReportMeta, Sink, Warning};
use gna_domain::model::{Level, Location, PackageLocation};

use crate::format::{Confidence, Format, Options};
use crate::input::Input;

/// What came out of a report.
#[derive(Debug, Default)]
pub struct Read {
    pub findings: Vec<ParsedFinding>,
    pub warnings: Vec<Warning>,
    pub meta: ReportMeta,
}

impl Sink for Read {
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
        self.findings.push(finding);
        Ok(())
    }
    fn warning(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }
}

impl Read {
    pub fn codes(&self) -> Vec<&str> {
        self.warnings
            .iter()
            .map(|warning| warning.code.as_str())
            .collect()
    }

    pub fn package(&self, nth: usize) -> &PackageLocation {
        self.findings[nth].location.package().unwrap()
    }

    /// Rule, level and a short form of the place of every finding.
    pub fn lines(&self) -> Vec<(String, Level, String)> {
        let line = |finding: &ParsedFinding| {
            (
                finding.weakness.rule.clone(),
                finding.severity,
                place(&finding.location),
            )
        };
        self.findings.iter().map(line).collect()
    }
}

/// `path:line`, `name@version (path)`, `METHOD url`, `host:port`, the resource, or nothing.
pub fn place(location: &Location) -> String {
    match location {
        Location::Code(code) => code
            .line
            .map_or_else(|| code.path.clone(), |line| format!("{}:{line}", code.path)),
        Location::Package(package) => {
            let version = package
                .version
                .as_ref()
                .map_or_else(String::new, |version| format!("@{version}"));
            let path = package
                .path
                .as_ref()
                .map_or_else(String::new, |path| format!(" ({path})"));
            format!("{}{version}{path}", package.name)
        }
        Location::Endpoint(endpoint) => {
            let method = endpoint
                .method
                .as_ref()
                .map_or_else(String::new, |method| format!("{method} "));
            format!("{method}{}", endpoint.url)
        }
        Location::Network(network) => network.port.map_or_else(
            || network.host.clone(),
            |port| format!("{}:{port}", network.host),
        ),
        Location::Cloud(cloud) => cloud.resource.clone(),
        Location::Asset => String::new(),
    }
}

pub fn try_read(format: &dyn Format, text: &str) -> Result<Read, Refusal> {
    let mut read = Read::default();
    read.meta = format.parse(
        &Input::new("test", text.as_bytes()),
        &Options::default(),
        &mut read,
    )?;
    Ok(read)
}

/// Reads, and checks that every item is accounted for.
pub fn read(format: &dyn Format, text: &str) -> Read {
    let read = try_read(format, text).unwrap();
    let skipped = read
        .warnings
        .iter()
        .filter(|warning| warning.skipped)
        .count();
    assert_eq!(
        read.meta.items,
        (read.findings.len() + skipped) as u64,
        "{:?}",
        read.warnings
    );
    for finding in &read.findings {
        assert!(
            !finding.weakness.rule.is_empty() && !finding.weakness.title.is_empty(),
            "{finding:?}"
        );
    }
    read
}

pub fn refused(format: &dyn Format, text: &str) -> Refusal {
    try_read(format, text)
        .map(|read| read.findings)
        .unwrap_err()
}

pub fn detected(format: &dyn Format, text: &str) -> Confidence {
    format.detect(&Input::new("test", text.as_bytes()))
}

/// A file of `tests/fixtures`.
pub fn fixture(path: &str) -> String {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
