//! `gna parse`: what Gna understands of reports. Needs no store and no server.

use clap::Args;
use gna_domain::import::{ParsedFinding, Position, Refusal, Reported, Warning};
use gna_domain::model::{Cvss, Level, Location};
use gna_domain::rules::identity;
use gna_parsers::{Outcome, Registry, decode};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::output::plain;
use super::{Exit, Failure, Global, Out};
use crate::config::{Config, Overrides};
use crate::formats;

/// Show what Gna understands of scanner reports, without storing anything
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna parse trivy.json                   findings for people
  gna parse --json *.sarif | jq .counts  one JSON object per file
  trivy image -f json app | gna parse -  from standard input
  gna parse --format nessus-csv out.csv  when the format can't be told from the content

A file that is refused is reported with its reason and position; the exit code is then 3.")]
pub struct ParseArgs {
    /// Reports, plain, gzip or zip; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Read them as this format instead of detecting it; `gna formats` lists the names
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// With --json: descriptions, recommendations and references too
    #[arg(long)]
    full: bool,
}

/// What is printed of one report.
#[derive(Serialize)]
struct ReportView<'a> {
    file: &'a str,
    /// The file inside an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a str>,
    format: &'a str,
    tool: &'a str,
    tool_version: Option<&'a str>,
    category: Option<gna_domain::import::Category>,
    scanned_at: Option<String>,
    subject: Option<&'a str>,
    counts: Counts,
    warnings: &'a [Warning],
    findings: Vec<FindingView<'a>>,
}

/// `items = findings + skipped`.
#[derive(Default, Serialize)]
struct Counts {
    items: u64,
    findings: u64,
    skipped: u64,
    warnings: u64,
    /// Findings that the report lists only to say that they are gone.
    absent: u64,
    /// Findings that are set aside in the tool or in the code.
    suppressed: u64,
    severity: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct FindingView<'a> {
    title: &'a str,
    severity: Level,
    severity_basis: gna_domain::import::SeverityBasis,
    rule: &'a str,
    cwe: &'a [u32],
    identifiers: &'a [String],
    cvss: &'a [Cvss],
    component: Option<Component<'a>>,
    path: Option<&'a str>,
    line: Option<u32>,
    endpoint: Option<String>,
    /// The best key by which it is recognised inside its asset.
    fingerprint: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'a str>,
    tool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    location: &'a Location,
    position: Position,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    texts: Option<Texts<'a>>,
}

#[derive(Serialize)]
struct Component<'a> {
    name: &'a str,
    version: Option<&'a str>,
    purl: Option<&'a str>,
    fixed_version: Option<&'a str>,
}

#[derive(Serialize)]
struct Texts<'a> {
    description: Option<&'a str>,
    recommendation: Option<&'a str>,
    references: &'a [String],
}

#[derive(Serialize)]
struct RefusedView<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a str>,
    error: &'a Refusal,
}

/// # Errors
/// Exit code 2 for an unknown format or a wrong configuration; refused files are no error of the
/// command, they raise its exit code to 3.
pub fn run(args: &ParseArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = global.load(Overrides::default())?;
    let registry =
        formats::registry(&config).map_err(|error| Failure::usage("format.invalid", error))?;
    if let Some(name) = &args.format
        && registry.by_name(name).is_none()
    {
        return Err(Failure::usage(
            "report.unknown_format",
            format!("there is no format {name:?}; `gna formats` lists them"),
        ));
    }
    let mut worst = Exit::Done;
    for file in &args.files {
        worst = worst.max(one_file(file, args, &config, &registry, out)?);
    }
    Ok(worst)
}

fn one_file(
    file: &str,
    args: &ParseArgs,
    config: &Config,
    registry: &Registry,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let decoded = match read(file, config) {
        Ok(decoded) => decoded,
        Err(refusal) => return refused(file, None, &refusal, out),
    };
    let several = decoded.len() > 1;
    let mut worst = Exit::Done;
    for report in decoded {
        let entry = several.then_some(report.name.as_str());
        let input = report.input(config.limits());
        match registry.collect(&input, args.format.as_deref()) {
            Ok(outcome) => show(file, entry, &outcome, args.full, out)?,
            Err(refusal) => worst = worst.max(refused(file, entry, &refusal, out)?),
        }
    }
    Ok(worst)
}

/// The reports in a file, or in standard input for `-`.
///
/// # Errors
/// Why it is refused.
pub(super) fn read(file: &str, config: &Config) -> Result<Vec<decode::Decoded>, Refusal> {
    let (name, source): (&str, Box<dyn Read>) = if file == "-" {
        ("stdin", Box::new(io::stdin().lock()))
    } else {
        let path = Path::new(file);
        if path.is_dir() {
            return Err(Refusal::new(
                "report.unreadable",
                format!("{file:?} is a folder; name the files in it"),
            ));
        }
        let opened = File::open(path).map_err(|error| {
            Refusal::new(
                "report.unreadable",
                format!(
                    "{file:?} can't be opened ({error}); check the path and that you may read it"
                ),
            )
        })?;
        (file, Box::new(opened))
    };
    decode::read_all(name, source, &config.limits())
}

fn refused(
    file: &str,
    entry: Option<&str>,
    refusal: &Refusal,
    out: &mut Out,
) -> Result<Exit, Failure> {
    if out.is_json() {
        let error = refusal;
        out.json(&RefusedView { file, entry, error })?;
    } else {
        out.flush()?;
        eprintln!(
            "{}: refused: {}",
            place(file, entry),
            plain(&refusal.to_string())
        );
    }
    Ok(Exit::Unreadable)
}

fn place(file: &str, entry: Option<&str>) -> String {
    entry.map_or_else(
        || file.to_owned(),
        |entry| format!("{file} ({})", plain(entry)),
    )
}

fn show(
    file: &str,
    entry: Option<&str>,
    outcome: &Outcome,
    full: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let view = view(file, entry, outcome, full);
    if out.is_json() {
        return out.json(&view);
    }
    let version = view
        .tool_version
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    let counts = &view.counts;
    out.line(format_args!(
        "{}: {} by {}{}: {} findings, {} skipped, {} warnings",
        place(file, entry),
        outcome.format.title,
        plain(view.tool),
        plain(&version),
        counts.findings,
        counts.skipped,
        counts.warnings,
    ))?;
    for finding in &view.findings {
        let status = if finding.status == "present" {
            String::new()
        } else {
            format!(" [{}]", finding.status)
        };
        out.line(format_args!(
            "  {:<8}  {}  {}{status}",
            finding.severity.as_str(),
            plain(&headline(finding)),
            plain(&whereabouts(finding)),
        ))?;
    }
    for warning in view.warnings {
        out.line(format_args!(
            "  warning   {}: {} (item {})",
            plain(&warning.code),
            plain(&warning.message),
            warning.position.item
        ))?;
    }
    Ok(())
}

/// Rule and title, the rule only where the title does not have it.
fn headline(finding: &FindingView<'_>) -> String {
    if finding.title.contains(finding.rule) {
        finding.title.to_owned()
    } else {
        format!("{}: {}", finding.rule, finding.title)
    }
}

fn whereabouts(finding: &FindingView<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(component) = &finding.component {
        parts.push(match component.version {
            Some(version) => format!("{} {version}", component.name),
            None => component.name.to_owned(),
        });
    }
    if let Some(path) = finding.path {
        parts.push(match finding.line {
            Some(line) => format!("{path}:{line}"),
            None => path.to_owned(),
        });
    }
    parts.extend(finding.endpoint.clone());
    if let Location::Cloud(cloud) = finding.location {
        parts.push(cloud.resource.clone());
    }
    parts.join(", ")
}

fn view<'a>(
    file: &'a str,
    entry: Option<&'a str>,
    outcome: &'a Outcome,
    full: bool,
) -> ReportView<'a> {
    let meta = &outcome.meta;
    let mut counts = Counts {
        items: meta.items,
        findings: 0,
        skipped: outcome.skipped,
        warnings: u64::try_from(outcome.warnings.len()).unwrap_or(u64::MAX),
        ..Counts::default()
    };
    for finding in &outcome.findings {
        counts.findings += 1;
        *counts
            .severity
            .entry(finding.severity.as_str())
            .or_default() += 1;
        match finding.reported {
            Reported::Present => {}
            Reported::Absent { .. } => counts.absent += 1,
            Reported::Suppressed { .. } => counts.suppressed += 1,
        }
    }
    ReportView {
        file,
        entry,
        format: &outcome.format.name,
        tool: &meta.tool,
        tool_version: meta.tool_version.as_deref(),
        category: meta.category,
        scanned_at: meta.scanned_at.map(|at| at.to_string()),
        subject: meta.subject.as_deref(),
        counts,
        warnings: &outcome.warnings,
        findings: outcome
            .findings
            .iter()
            .map(|finding| finding_view(finding, &meta.tool, full))
            .collect(),
    }
}

fn finding_view<'a>(finding: &'a ParsedFinding, tool: &'a str, full: bool) -> FindingView<'a> {
    let tool = finding.tool.as_deref().unwrap_or(tool);
    let weakness = finding.weakness.as_ref();
    let keys = identity::keys(finding, tool, identity::Options::default());
    let (status, status_reason) = match &finding.reported {
        Reported::Present => ("present", None),
        Reported::Absent { reason } => ("absent", Some(reason.as_str())),
        Reported::Suppressed {
            status,
            justification,
        } => (
            "suppressed",
            Some(justification.as_deref().unwrap_or(status)),
        ),
    };
    FindingView {
        title: &weakness.title,
        severity: finding.severity,
        severity_basis: finding.severity_basis,
        rule: &weakness.rule,
        cwe: &weakness.cwes,
        identifiers: &weakness.identifiers,
        cvss: &weakness.cvss,
        component: finding.location.package().map(|package| Component {
            name: &package.name,
            version: package.version.as_deref(),
            purl: package.purl.as_deref(),
            fixed_version: package.fixed_version.as_deref(),
        }),
        path: finding.location.path(),
        line: finding.location.line(),
        endpoint: endpoint(&finding.location),
        fingerprint: keys
            .keys
            .first()
            .map(identity::Key::hex)
            .unwrap_or_default(),
        status,
        status_reason,
        tool,
        message: finding.message.as_deref(),
        tags: &finding.tags,
        location: &finding.location,
        position: finding.position,
        texts: full.then(|| Texts {
            description: weakness.description.as_deref(),
            recommendation: weakness.recommendation.as_deref(),
            references: &weakness.references,
        }),
    }
}

/// A web address, or `host:port/protocol`.
fn endpoint(location: &Location) -> Option<String> {
    match location {
        Location::Endpoint(endpoint) => Some(endpoint.url.clone()),
        Location::Network(network) => {
            let port = network
                .port
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            let protocol = network
                .protocol
                .as_ref()
                .map(|protocol| format!("/{protocol}"))
                .unwrap_or_default();
            Some(format!("{}{port}{protocol}", network.host))
        }
        _ => None,
    }
}
