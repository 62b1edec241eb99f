//! OpenVEX 0.2.0 (OpenVEX specification), and the older form in which vulnerability and products are
//! plain texts.

use serde_json::Value;

use super::claim::{Claim, Dated, Document, Product, Says, asset_of_purl, kept};
use super::read::{
    JUSTIFICATIONS, add, is_named, list, malformed, maybe, names, not_affected, text,
};
use super::words::understood;
use crate::error::Result;
use crate::model::VexFormat;
use crate::time::Timestamp;

pub(super) fn read(value: &Value) -> Result<Document> {
    let at = maybe(value, "timestamp").and_then(|text| Timestamp::parse(text).ok());
    let mut claims: Vec<Dated> = Vec::new();
    for (number, one) in list(value, "statements", "the document")?
        .iter()
        .enumerate()
    {
        let place = format!("statement {number}");
        let when = maybe(one, "timestamp").and_then(|text| Timestamp::parse(text).ok());
        let status = text(one, "status", &place)?;
        let says = says(one, status, &place)?;
        let names = named(one, &place)?;
        for product in products(one, &place)? {
            let claim = Claim {
                names: names.clone(),
                product,
                status: kept(status),
                says: says.clone(),
            };
            if is_named(&claim) {
                add(&mut claims, (when.or(at), claim))?;
            }
        }
    }
    // A later statement overrides an earlier one, wherever it stands.
    claims.sort_by_key(|(when, _)| *when);
    Ok(Document {
        format: VexFormat::OpenVex,
        id: kept(maybe(value, "@id").unwrap_or_default()),
        author: kept(maybe(value, "author").unwrap_or_default()),
        claims: claims.into_iter().map(|(_, claim)| claim).collect(),
    })
}

fn named(statement: &Value, place: &str) -> Result<Vec<String>> {
    let of = &statement["vulnerability"];
    if let Some(name) = of.as_str() {
        return Ok(names([name]));
    }
    if !of.is_object() {
        return Err(malformed(format!("{place} names no vulnerability")));
    }
    let aliases = list(of, "aliases", place)?.iter().filter_map(Value::as_str);
    // The id is an address at times, with the name as its last part.
    let id = maybe(of, "@id").and_then(|id| id.rsplit('/').next());
    Ok(names(
        maybe(of, "name").into_iter().chain(aliases).chain(id),
    ))
}

fn says(statement: &Value, status: &str, place: &str) -> Result<Says> {
    Ok(match status {
        "not_affected" => not_affected(
            maybe(statement, "justification"),
            maybe(statement, "impact_statement"),
            &JUSTIFICATIONS,
        ),
        "affected" => match maybe(statement, "action_statement").and_then(understood) {
            Some((verdict, reason)) => Says::Decided {
                verdict,
                reason: reason.as_deref().map(kept),
            },
            None => Says::Nothing,
        },
        "fixed" | "under_investigation" => Says::Nothing,
        other => {
            return Err(malformed(format!(
                "{place} has the status {:?}, which OpenVEX does not know",
                kept(other)
            )));
        }
    })
}

fn products(statement: &Value, place: &str) -> Result<Vec<Product>> {
    let mut all = Vec::new();
    for one in list(statement, "products", place)? {
        let whole = component(one);
        let parts = list(one, "subcomponents", place)?;
        if parts.is_empty() {
            all.push(whole);
            continue;
        }
        for part in parts {
            let part = component(part);
            let label = format!("{} of {}", part.label, whole.label);
            all.push(Product {
                label,
                // What has no purl is no package of ours.
                purl: part.purl.or(Some(part.label)),
                ..whole.clone()
            });
        }
    }
    Ok(all)
}

fn component(of: &Value) -> Product {
    let id = of.as_str().or_else(|| maybe(of, "@id")).unwrap_or_default();
    let purl = of["identifiers"]["purl"].as_str();
    let purl = purl.or(id.starts_with("pkg:").then_some(id));
    let asset = purl.and_then(asset_of_purl);
    let uuid = id.strip_prefix("urn:uuid:");
    Product {
        label: kept(if id.is_empty() {
            purl.unwrap_or_default()
        } else {
            id
        }),
        uuid: uuid.and_then(|uuid| uuid.parse().ok()),
        // That of an asset whose id is ours is its name and no package.
        purl: purl
            .filter(|_| asset.is_none() || uuid.is_none())
            .map(str::to_owned),
        assets: asset
            .into_iter()
            .chain((!id.is_empty()).then(|| id.to_owned()))
            .collect(),
    }
}
