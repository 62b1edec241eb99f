//! Formats read by code: one file each, and the list of them.

pub mod bandit;
pub mod burp;
pub mod checkov;
#[cfg(test)]
mod corpus;
pub mod cyclonedx;
mod defectdojo;
pub mod defectdojo_csv;
pub mod defectdojo_json;
pub mod dependency_check;
mod dependency_check_parts;
mod draft;
#[cfg(test)]
mod fixtures;
pub mod gitlab;
mod gitlab_place;
pub mod gitleaks;
pub mod gna_csv;
pub mod gna_json;
pub mod grype;
mod html_fields;
pub mod nessus;
pub mod nessus_csv;
pub mod npm_audit;
pub mod nuclei;
pub mod osv_scanner;
pub mod sarif;
pub mod semgrep;
mod semgrep_api;
mod sniff;
pub mod snyk;
mod tenable;
#[cfg(test)]
mod testing;
pub mod trivy;
#[cfg(test)]
mod xml_and_csv_fixtures;
mod zap_alert;
pub mod zap_json;
pub mod zap_xml;

use crate::format::Format;

/// Every native format, in alphabetical order.
#[must_use]
pub fn all() -> Vec<&'static dyn Format> {
    vec![
        &bandit::Bandit,
        &burp::Burp,
        &checkov::Checkov,
        &cyclonedx::CycloneDxJson,
        &cyclonedx::CycloneDxXml,
        &defectdojo_csv::DefectdojoCsv,
        &defectdojo_json::DefectdojoJson,
        &dependency_check::DependencyCheck,
        &gitlab::Gitlab,
        &gitleaks::Gitleaks,
        &gna_csv::GnaCsv,
        &gna_json::GnaJson,
        &grype::Grype,
        &nessus::Nessus,
        &nessus_csv::NessusCsv,
        &npm_audit::NpmAudit,
        &nuclei::Nuclei,
        &osv_scanner::OsvScanner,
        &sarif::Sarif,
        &semgrep::Semgrep,
        &snyk::Snyk,
        &trivy::Trivy,
        &zap_json::ZapJson,
        &zap_xml::ZapXml,
    ]
}
