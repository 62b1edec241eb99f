//! Compares formats with what a peer made of real reports, where those are at hand.
//!
//! They are kept outside of the repository (`../shared/corpus`); without them the test says so
//! loudly and passes. What is compared: an identifier, rule or title; a component or file; a line.

use gna_domain::import::ParsedFinding;
use gna_domain::model::Location;
use serde_json::Value;
use std::path::PathBuf;

use super::testing::try_read;
use crate::format::Format;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus")
}

fn lower(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_lowercase(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn clean(path: &str) -> String {
    path.trim_start_matches("./").to_lowercase()
}

/// What is compared of one of ours, in lower case.
struct Ours {
    names: Vec<String>,
    places: Vec<String>,
    lines: Vec<String>,
    level: String,
}

impl Ours {
    fn of(found: &ParsedFinding) -> Self {
        let weakness = &found.weakness;
        let ids = found.fingerprints.iter().map(|(_, value)| value);
        let names = weakness
            .identifiers
            .iter()
            .chain([&weakness.rule, &weakness.title])
            .chain(ids);
        // Nuclei's matcher is the peer's component and the end of our rule.
        let mut places: Vec<String> = weakness
            .rule
            .split_once(':')
            .map(|(_, matcher)| matcher.to_lowercase())
            .into_iter()
            .collect();
        places.extend(found.location.path().map(clean));
        match &found.location {
            Location::Package(package) => {
                places.push(package.name.to_lowercase().replace(':', "/"))
            }
            Location::Code(code) => {
                places.extend(code.symbol.as_ref().map(|symbol| symbol.to_lowercase()))
            }
            _ => {}
        }
        let mut lines: Vec<String> = found
            .location
            .line()
            .map(|line| line.to_string())
            .into_iter()
            .collect();
        if let Location::Code(code) = &found.location {
            lines.extend(code.end_line.map(|line| line.to_string()));
        }
        let mut names: Vec<String> = names.map(|name| name.trim().to_lowercase()).collect();
        if let Location::Network(network) = &found.location {
            // The peer takes products (our tags) for components, and in one of Tenable's CSV
            // exports the host for the title.
            let products = found.tags.iter().filter(|tag| tag.contains("cpe:"));
            places.extend(products.flat_map(|tag| tag.split(':').map(str::to_lowercase)));
            names.push(network.host.to_lowercase());
        }
        Self {
            names,
            places,
            lines,
            level: found.severity.as_str().to_lowercase(),
        }
    }

    fn is(&self, peer: &Peer) -> bool {
        let place =
            peer.places.is_empty() || peer.places.iter().any(|place| self.places.contains(place));
        let line = peer.line.is_empty() || self.lines.is_empty() || self.lines.contains(&peer.line);
        place
            && line
            && peer.names.iter().any(|theirs| {
                self.names
                    .iter()
                    .any(|ours| theirs.contains(ours.as_str()) || ours.contains(theirs.as_str()))
            })
    }
}

/// The same of one of the peer's.
struct Peer {
    names: Vec<String>,
    places: Vec<String>,
    line: String,
    level: String,
}

impl Peer {
    fn of(row: &Value) -> Self {
        let ids = row["vulnerability_ids"].as_array().into_iter().flatten();
        let names = ids
            .chain([
                &row["vuln_id_from_tool"],
                &row["unique_id_from_tool"],
                &row["title"],
            ])
            .map(lower);
        let places = [
            lower(&row["component_name"]).replace(':', "/"),
            clean(&lower(&row["file_path"])),
        ];
        Self {
            names: names.filter(|name| !name.is_empty()).collect(),
            places: places
                .into_iter()
                .filter(|place| !place.is_empty())
                .collect(),
            line: lower(&row["line"]),
            level: lower(&row["severity"]),
        }
    }
}

/// A sample is taken for its own format or for none, never for another one.
fn recognised(format: &dyn Format, file: &str, text: &str) {
    let registry = crate::Registry::native();
    match registry.detect(&crate::Input::new(file, text.as_bytes())) {
        Ok(found) => assert_eq!(found.info().name, format.info().name, "{file}"),
        Err(refusal) => println!("{file}: not recognised: {}", refusal.message),
    }
}

/// Reads the samples of one tool with one format; gives the peer's findings and those we lack.
pub fn compare(format: &dyn Format, tool: &str, ending: &str) -> Option<(usize, Vec<String>)> {
    let expected = std::fs::read_to_string(folder().join("expected.jsonl")).ok()?;
    let (mut all, mut missing) = (0, Vec::new());
    // The file is large; only the lines of this tool are worth reading.
    let mark = format!("\"tool\":\"{tool}\"");
    for line in expected
        .lines()
        .filter(|line| line.replace("\": \"", "\":\"").contains(&mark))
    {
        let row: Value = serde_json::from_str(line).unwrap();
        let file = row["file"].as_str().unwrap_or_default();
        if row["tool"] != tool || !file.ends_with(ending) {
            continue;
        }
        let text = std::fs::read_to_string(folder().join("reports").join(file)).unwrap();
        let read = try_read(format, &text);
        recognised(format, file, &text);
        if row["status"] == "error" {
            assert!(
                read.as_ref().map_or(true, |read| read.findings.is_empty()),
                "{file} must be refused"
            );
            continue;
        }
        let read = match read {
            Ok(read) => read,
            Err(refusal) if row["count"] == 0 => {
                println!("{file}: refused ({}), the peer found nothing", refusal.code);
                continue;
            }
            Err(refusal) => panic!("{file}: {refusal}"),
        };
        let skipped = read
            .warnings
            .iter()
            .filter(|warning| warning.skipped)
            .count();
        assert_eq!(
            read.meta.items,
            (read.findings.len() + skipped) as u64,
            "{file}"
        );
        let ours: Vec<Ours> = read.findings.iter().map(Ours::of).collect();
        for row in row["findings"].as_array().into_iter().flatten() {
            all += 1;
            let peer = Peer::of(row);
            let near: Vec<_> = ours.iter().filter(|ours| ours.is(&peer)).collect();
            match near.first() {
                None => missing.push(format!("{file}: {row}")),
                Some(first) if !near.iter().any(|ours| ours.level == peer.level) => {
                    println!(
                        "{file}: severity {}, ours {}: {}",
                        peer.level, first.level, row["title"]
                    );
                }
                Some(_) => {}
            }
        }
        println!(
            "{file}: peer {}, ours {} and {} warnings",
            row["count"],
            read.findings.len(),
            read.warnings.len()
        );
    }
    Some((all, missing))
}

#[test]
fn the_findings_of_a_peer_are_found() {
    use super::*;
    let formats: &[(&dyn Format, &[&str], &str)] = &[
        (&bandit::Bandit, &["bandit"], ""),
        (&defectdojo_csv::DefectdojoCsv, &["generic"], ".csv"),
        (&defectdojo_json::DefectdojoJson, &["generic"], ".json"),
        (&burp::Burp, &["burp"], ""),
        (&checkov::Checkov, &["checkov"], ""),
        (
            &dependency_check::DependencyCheck,
            &["dependency_check"],
            "",
        ),
        (&nessus::Nessus, &["tenable"], ".xml"),
        (&nessus::Nessus, &["tenable"], ".nessus"),
        (&nessus_csv::NessusCsv, &["tenable"], ".csv"),
        (&zap_xml::ZapXml, &["zap"], ""),
        (
            &gitlab::Gitlab,
            &[
                "gitlab_api_fuzzing",
                "gitlab_container_scan",
                "gitlab_dast",
                "gitlab_dep_scan",
                "gitlab_sast",
            ],
            "",
        ),
        (&gitleaks::Gitleaks, &["gitleaks"], ""),
        (&npm_audit::NpmAudit, &["npm_audit", "npm_audit_7_plus"], ""),
        (&nuclei::Nuclei, &["nuclei"], ""),
        (&osv_scanner::OsvScanner, &["osv_scanner"], ""),
        (&semgrep::Semgrep, &["semgrep", "semgrep_pro"], ""),
        (&snyk::Snyk, &["snyk"], ""),
        (&grype::Grype, &["anchore_grype"], ""),
        (&sarif::Sarif, &["sarif", "mayhem"], ""),
        (&trivy::Trivy, &["trivy"], ""),
        (&cyclonedx::CycloneDxJson, &["cyclonedx"], ".json"),
        (&cyclonedx::CycloneDxXml, &["cyclonedx"], ".xml"),
    ];
    let mut lacking: Vec<String> = Vec::new();
    for &(format, tools, ending) in formats {
        let (mut all, mut missing) = (0, Vec::new());
        for tool in tools {
            let Some((more, absent)) = compare(format, tool, ending) else {
                eprintln!(
                    "SKIPPED: the reports to compare with are not at {}",
                    folder().display()
                );
                return;
            };
            all += more;
            missing.extend(absent);
        }
        let name = &format.info().name;
        println!("== {name}: {} of {all} found", all - missing.len());
        if missing.len() * 20 > all {
            lacking.push(format!("{name} lacks {} of {all}:", missing.len()));
            lacking.extend(missing.into_iter().take(10));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}
