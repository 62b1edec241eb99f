//! CycloneDX 1.4 to 1.6 (ECMA-424) with the analysis of each vulnerability. A document of its own that
//! speaks about the components of another (BOM-Link) is understood as far as its references are purls.

use serde_json::Value;
use std::collections::BTreeMap;

use super::Verdict;
use super::claim::{Claim, Document, Product, Says, kept};
use super::read::{add, is_named, list, maybe, names, not_affected, text, texts};
use super::words::understood;
use crate::error::Result;
use crate::model::VexFormat;

/// The words of CycloneDX 1.6 for why a product is not affected.
const JUSTIFICATIONS: [&str; 9] = [
    "code_not_present",
    "code_not_reachable",
    "protected_at_perimeter",
    "protected_at_runtime",
    "protected_by_compiler",
    "protected_by_mitigating_control",
    "requires_configuration",
    "requires_dependency",
    "requires_environment",
];

pub(super) fn read(value: &Value) -> Result<Document> {
    let mut known = BTreeMap::new();
    let whole = &value["metadata"]["component"];
    let whole_name = maybe(whole, "name").map(str::to_owned);
    learn(whole, whole_name.as_deref(), &mut known)?;
    for component in list(value, "components", "the document")? {
        learn(component, whole_name.as_deref(), &mut known)?;
    }
    let mut claims = Vec::new();
    for (number, one) in list(value, "vulnerabilities", "the document")?
        .iter()
        .enumerate()
    {
        let place = format!("vulnerability {number}");
        let references = list(one, "references", &place)?.iter();
        let names = names(
            maybe(one, "id")
                .into_iter()
                .chain(references.filter_map(|of| maybe(of, "id"))),
        );
        let analysis = &one["analysis"];
        let Some(state) = maybe(analysis, "state") else {
            continue;
        };
        let says = says(analysis, state, &place)?;
        for affected in list(one, "affects", &place)? {
            let reference = text(affected, "ref", &place)?;
            let claim = Claim {
                names: names.clone(),
                product: known
                    .get(reference)
                    .cloned()
                    .unwrap_or_else(|| linked(reference)),
                status: kept(state),
                says: says.clone(),
            };
            if is_named(&claim) {
                add(&mut claims, claim)?;
            }
        }
    }
    Ok(Document {
        format: VexFormat::CycloneDx,
        id: kept(maybe(value, "serialNumber").unwrap_or_default()),
        author: author(value),
        claims,
    })
}

/// Whoever made the document; else whoever made or supplies what it is about.
fn author(value: &Value) -> String {
    let metadata = &value["metadata"];
    let authors = metadata["authors"].as_array().into_iter().flatten();
    let first = authors.filter_map(|of| maybe(of, "name")).next();
    let other = ["manufacturer", "supplier", "manufacture"];
    let other = other
        .iter()
        .find_map(|name| maybe(&metadata[*name], "name"));
    let tools = metadata["tools"]["components"]
        .as_array()
        .into_iter()
        .flatten();
    let tool = tools.filter_map(|of| maybe(of, "name")).next();
    kept(first.or(other).or(tool).unwrap_or_default())
}

/// A component and those inside it, by their references. JSON nests at most 128 deep here.
fn learn(of: &Value, whole: Option<&str>, known: &mut BTreeMap<String, Product>) -> Result<()> {
    let properties = of["properties"].as_array().into_iter().flatten();
    let ours = properties
        .filter(|property| property["name"] == "gna:asset")
        .find_map(|property| maybe(property, "value"));
    if let Some(reference) = maybe(of, "bom-ref") {
        let purl = maybe(of, "purl");
        let name = maybe(of, "name").filter(|_| purl.is_none());
        let uuid = reference
            .split('#')
            .next()
            .and_then(|start| start.parse().ok());
        let product = Product {
            label: kept(purl.or(name).unwrap_or(reference)),
            uuid,
            assets: ours
                .or(name)
                .into_iter()
                .chain(whole.filter(|_| ours.is_none()))
                .map(str::to_owned)
                .collect(),
            purl: purl.map(str::to_owned),
        };
        known.insert(reference.to_owned(), product);
    }
    for part in list(of, "components", "a component")? {
        learn(part, whole, known)?;
    }
    Ok(())
}

/// A reference into another document.
fn linked(reference: &str) -> Product {
    let inner = match reference.strip_prefix("urn:cdx:") {
        Some(rest) => rest.split_once('#').map_or(reference, |(_, inner)| inner),
        None => reference,
    };
    let inner = percent_encoding::percent_decode_str(inner).decode_utf8_lossy();
    Product {
        label: kept(reference),
        uuid: None,
        assets: Vec::new(),
        purl: inner.starts_with("pkg:").then(|| inner.into_owned()),
    }
}

fn says(analysis: &Value, state: &str, place: &str) -> Result<Says> {
    let detail = maybe(analysis, "detail");
    let response = texts(analysis, "response", place)?;
    let decided = |verdict| {
        let (verdict, reason) = match detail.and_then(understood) {
            // Our own words say more than the field: until when.
            Some((said, reason)) if same_kind(said, verdict) => (said, reason),
            _ => (verdict, detail.map(str::to_owned)),
        };
        Says::Decided {
            verdict,
            reason: reason.as_deref().map(kept),
        }
    };
    Ok(match state {
        "not_affected" | "false_positive" => {
            not_affected(maybe(analysis, "justification"), detail, &JUSTIFICATIONS)
        }
        "exploitable"
            if response
                .iter()
                .any(|word| matches!(*word, "will_not_fix" | "can_not_fix")) =>
        {
            decided(Verdict::Accepted(None))
        }
        // That others recommend an update says nothing about who works on it; our own words do.
        "exploitable"
            if response.contains(&"update")
                && detail
                    .and_then(understood)
                    .is_some_and(|(said, _)| said == Verdict::BeingFixed) =>
        {
            decided(Verdict::BeingFixed)
        }
        // Resolved, in triage, exploitable without an answer, and words of later versions.
        _ => Says::Nothing,
    })
}

pub(super) fn same_kind(one: Verdict, other: Verdict) -> bool {
    matches!(
        (one, other),
        (Verdict::Accepted(_), Verdict::Accepted(_)) | (Verdict::BeingFixed, Verdict::BeingFixed)
    )
}
