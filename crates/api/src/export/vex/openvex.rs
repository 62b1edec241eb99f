//! OpenVEX 0.2.0 (OpenVEX specification): one statement per vulnerability.

use axum::body::Bytes;
use gna_domain::error::Result;
use gna_domain::model::VexFormat;
use gna_domain::rules::vex::Verdict;
use gna_domain::service::export::Export;
use serde_json::{Value, json};

use super::{Said, item, page, taken};

pub fn pieces(mut export: Export) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let now = export.ctx().now();
        let id = export.ctx().ports.ids.uuid();
        let head = json!({
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": format!("urn:uuid:{id}"),
            "author": "Gna",
            "timestamp": now.to_string(),
            "tooling": concat!("gna/", env!("CARGO_PKG_VERSION")),
            "version": 1,
        });
        let mut piece = head.to_string().into_bytes();
        // The list goes where the object would end.
        piece.pop();
        piece.extend_from_slice(br#","statements":["#);
        let mut is_first = true;
        while let Some(rows) = page(&mut export, "openvex").await? {
            for said in rows.iter().filter_map(|row| Said::of(row, now)) {
                item(&mut piece, &mut is_first, &statement(&said))?;
            }
            yield taken(&mut piece);
        }
        yield Bytes::from_static(b"]}\n");
    }
}

fn statement(said: &Said<'_>) -> Value {
    let purl = said.package().and_then(|package| package.purl.as_deref());
    let product = match purl {
        Some(purl) => json!({
            "@id": said.product(),
            "identifiers": { "purl": said.asset_purl() },
            "subcomponents": [{ "@id": purl, "identifiers": { "purl": purl } }],
        }),
        None => json!({ "@id": said.product(), "identifiers": { "purl": said.asset_purl() } }),
    };
    let mut statement = json!({
        "vulnerability": { "name": said.name, "aliases": said.aliases() },
        "timestamp": said.statement.since.to_string(),
        "products": [product],
        "status": status(said.statement.verdict),
        "status_notes": format!("on {}", said.asset_name()),
    });
    if let Some(object) = statement.as_object_mut() {
        match said.statement.verdict {
            Verdict::FalsePositive => {
                // CSAF has the same words for why (2.0, 3.2.3.5).
                let origin = said.justified(&[VexFormat::OpenVex, VexFormat::Csaf]);
                if let Some(word) = origin.and_then(|origin| origin.justification.as_deref()) {
                    object.insert("justification".to_owned(), word.into());
                }
                if let Some(text) = said.text_beside(origin) {
                    object.insert("impact_statement".to_owned(), text.into());
                }
            }
            Verdict::BeingFixed | Verdict::Accepted(_) => {
                object.insert("action_statement".to_owned(), said.action().into());
            }
            Verdict::UnderInvestigation | Verdict::Fixed => {}
        }
    }
    statement
}

fn status(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::UnderInvestigation => "under_investigation",
        Verdict::BeingFixed | Verdict::Accepted(_) => "affected",
        Verdict::Fixed => "fixed",
        Verdict::FalsePositive => "not_affected",
    }
}
