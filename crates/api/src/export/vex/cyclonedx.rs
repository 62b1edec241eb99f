//! CycloneDX 1.6 with vulnerabilities and their analysis, and the components that they affect.
//!
//! Vulnerabilities are written as they come; the components, of which there are fewer, are gathered
//! meanwhile and written after them.

use axum::body::Bytes;
use gna_domain::error::Result;
use gna_domain::model::{Level, VexFormat};
use gna_domain::rules::vex::Verdict;
use gna_domain::service::export::Export;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::{Said, item, page, taken, unwritable};

pub fn pieces(mut export: Export) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let now = export.ctx().now();
        let id = export.ctx().ports.ids.uuid();
        let head = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": format!("urn:uuid:{id}"),
            "version": 1,
            "metadata": {
                "timestamp": now.to_string(),
                "tools": { "components": [
                    { "type": "application", "name": "gna", "version": env!("CARGO_PKG_VERSION") },
                ] },
            },
        });
        let mut piece = head.to_string().into_bytes();
        // The lists go where the object would end.
        piece.pop();
        piece.extend_from_slice(br#","vulnerabilities":["#);
        let mut components: BTreeMap<String, Value> = BTreeMap::new();
        let mut is_first = true;
        while let Some(rows) = page(&mut export, "cyclonedx").await? {
            for said in rows.iter().filter_map(|row| Said::of(row, now)) {
                let reference = component(&said, &mut components);
                item(&mut piece, &mut is_first, &vulnerability(&said, &reference))?;
            }
            yield taken(&mut piece);
        }
        piece.extend_from_slice(br#"],"components":"#);
        let components: Vec<&Value> = components.values().collect();
        serde_json::to_writer(&mut piece, &components).map_err(|_| unwritable())?;
        piece.extend_from_slice(b"}\n");
        yield taken(&mut piece);
    }
}

/// The reference of what is affected; makes it known where it is new.
fn component(said: &Said<'_>, known: &mut BTreeMap<String, Value>) -> String {
    let asset = said.asset_uuid();
    let Some(package) = said.package() else {
        known.entry(asset.clone()).or_insert_with(
            || json!({ "type": "application", "bom-ref": asset, "name": said.asset_name() }),
        );
        return asset;
    };
    let version = package.version.as_deref().unwrap_or_default();
    let purl = package.purl.as_deref();
    let name = purl.map_or_else(|| format!("{}@{version}", package.name), str::to_owned);
    let reference = format!("{asset}#{name}@{version}");
    known.entry(reference.clone()).or_insert_with(|| {
        let mut object = Map::new();
        object.insert("type".to_owned(), "library".into());
        object.insert("bom-ref".to_owned(), reference.as_str().into());
        object.insert("name".to_owned(), package.name.as_str().into());
        if !version.is_empty() {
            object.insert("version".to_owned(), version.into());
        }
        if let Some(purl) = purl {
            object.insert("purl".to_owned(), purl.into());
        }
        object.insert(
            "properties".to_owned(),
            json!([{ "name": "gna:asset", "value": said.asset_name() }]),
        );
        Value::Object(object)
    });
    reference
}

fn vulnerability(said: &Said<'_>, reference: &str) -> Value {
    let value = &said.row.vulnerability.value;
    let mut rating = json!({ "severity": severity(value.severity.level) });
    if let (Some(vector), Some(object)) = (&value.severity.vector, rating.as_object_mut()) {
        object.insert("score".to_owned(), value.severity.score.into());
        object.insert("vector".to_owned(), vector.as_str().into());
    }
    let mut vulnerability = json!({
        "bom-ref": value.id,
        "id": said.name,
        "references": said.aliases().iter().map(|name| json!({ "id": name, "source": { "name": source(name) } })).collect::<Vec<_>>(),
        "ratings": [rating],
        "cwes": value.cwes,
        "created": value.created.to_string(),
        "analysis": analysis(said),
        "affects": [{ "ref": reference }],
    });
    let title = said.row.finding.as_ref().map(|finding| &finding.title);
    if let (Some(title), Some(object)) = (title, vulnerability.as_object_mut()) {
        object.insert("description".to_owned(), title.as_str().into());
    }
    vulnerability
}

fn analysis(said: &Said<'_>) -> Value {
    let (state, response) = match said.statement.verdict {
        Verdict::UnderInvestigation => ("in_triage", None),
        Verdict::BeingFixed => ("exploitable", Some("update")),
        Verdict::Accepted(_) => ("exploitable", Some("will_not_fix")),
        Verdict::Fixed => ("resolved", None),
        Verdict::FalsePositive => ("false_positive", None),
    };
    let origin = said.statement.origin;
    let origin = origin.filter(|origin| origin.format == VexFormat::CycloneDx);
    let state = origin.map_or(state, |origin| origin.status.as_str());
    let mut analysis = json!({ "state": state, "lastUpdated": said.statement.since.to_string() });
    if let Some(object) = analysis.as_object_mut() {
        if let Some(response) = response {
            object.insert("response".to_owned(), json!([response]));
        }
        let detail = match said.statement.verdict {
            Verdict::FalsePositive => {
                let text = said.text_beside(said.justified(&[VexFormat::CycloneDx]));
                text.map(str::to_owned)
            }
            _ => said.action(),
        };
        if let Some(word) = origin.and_then(|origin| origin.justification.as_deref()) {
            object.insert("justification".to_owned(), word.into());
        }
        if let Some(detail) = detail {
            object.insert("detail".to_owned(), detail.into());
        }
    }
    analysis
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::High => "high",
        Level::Medium => "medium",
        Level::Low => "low",
        Level::Info => "info",
    }
}

/// Who gives names of this kind.
fn source(name: &str) -> &'static str {
    match name.split('-').next() {
        Some("CVE") => "NVD",
        Some("GHSA") => "GitHub",
        _ => "other",
    }
}
