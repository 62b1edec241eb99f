//! Counts the documents that a search server would hold, and their bytes as JSON.

use async_trait::async_trait;
use gna_domain::id::VulnerabilityId;
use gna_domain::port::search::{Document, FindingText, SearchUpdate};
use gna_testkit::AtIndex;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Knows how large the documents of a search are.
#[derive(Default)]
pub struct Documents {
    sizes: Mutex<Sizes>,
}

#[derive(Default)]
struct Sizes {
    documents: BTreeMap<VulnerabilityId, u64>,
    findings: BTreeMap<String, u64>,
    writes: u64,
    touched: u64,
}

/// The JSON of a document: its ids, its version, and its fields by name.
fn document_bytes(document: &Document) -> u64 {
    let fields: BTreeMap<&str, String> = document
        .values
        .iter()
        .map(|(name, value)| (*name, format!("{value:?}")))
        .collect();
    let ids = [
        document.id.to_string(),
        document.group.to_string(),
        document.finding.to_string(),
    ];
    json!({ "ids": ids, "version": document.version, "fields": fields })
        .to_string()
        .len() as u64
}

fn finding_bytes(finding: &FindingText) -> u64 {
    (finding.title.len() + finding.text.len() + 120) as u64
}

impl Documents {
    fn with<T>(&self, what: impl FnOnce(&mut Sizes) -> T) -> T {
        what(&mut self.sizes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Documents of vulnerabilities and of findings, and the bytes of both.
    pub fn kept(&self) -> (u64, u64, u64) {
        self.with(|sizes| {
            let bytes = sizes
                .documents
                .values()
                .chain(sizes.findings.values())
                .sum();
            (
                sizes.documents.len() as u64,
                sizes.findings.len() as u64,
                bytes,
            )
        })
    }

    /// Documents written, and documents whose time alone was moved, since the last time.
    pub fn take(&self) -> (u64, u64) {
        self.with(|sizes| {
            (
                std::mem::take(&mut sizes.writes),
                std::mem::take(&mut sizes.touched),
            )
        })
    }
}

#[async_trait]
impl AtIndex for Documents {
    async fn applies(&self, update: &SearchUpdate) {
        self.with(|sizes| {
            sizes.writes += (update.documents.len() + update.findings.len()) as u64;
            for document in &update.documents {
                let bytes = document_bytes(document);
                sizes.documents.insert(document.id, bytes);
            }
            for finding in &update.findings {
                let bytes = finding_bytes(finding);
                sizes.findings.insert(finding.id.to_string(), bytes);
            }
            for removed in &update.removed {
                sizes.documents.remove(&removed.id);
            }
        });
    }

    fn touches(&self, ids: &[VulnerabilityId]) {
        self.with(|sizes| sizes.touched += ids.len() as u64);
    }
}
