//! Formats read by code: one file each, and the list of them.

pub mod bandit;
pub mod checkov;
#[cfg(test)]
mod corpus;
mod draft;
pub mod gitlab;
mod gitlab_place;
pub mod gitleaks;
pub mod grype;
pub mod npm_audit;
pub mod nuclei;
pub mod osv_scanner;
pub mod sarif;
pub mod semgrep;
mod semgrep_api;
mod sniff;
pub mod snyk;
#[cfg(test)]
mod testing;
pub mod trivy;

use crate::format::Format;

/// Every native format, in alphabetical order.
#[must_use]
pub fn all() -> Vec<&'static dyn Format> {
    vec![
        &bandit::Bandit,
        &checkov::Checkov,
        &gitlab::Gitlab,
        &gitleaks::Gitleaks,
        &grype::Grype,
        &npm_audit::NpmAudit,
        &nuclei::Nuclei,
        &osv_scanner::OsvScanner,
        &sarif::Sarif,
        &semgrep::Semgrep,
        &snyk::Snyk,
        &trivy::Trivy,
    ]
}
