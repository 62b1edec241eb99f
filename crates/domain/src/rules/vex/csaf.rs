//! CSAF 2.0 (OASIS standard, sections by its numbers): the statuses of products, with flags, threats and
//! remediations.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::Verdict;
use super::claim::{Claim, Document, Product, Says, asset_of_purl, kept};
use super::cyclonedx::same_kind;
use super::read::{
    JUSTIFICATIONS, add, is_named, list, malformed, maybe, names, not_affected, text, texts,
};
use super::words::understood;
use crate::error::Result;
use crate::model::VexFormat;

/// 3.2.3.9: those that say whether a product is affected.
const STATUSES: [&str; 4] = [
    "known_affected",
    "known_not_affected",
    "under_investigation",
    "fixed",
];

pub(super) fn read(value: &Value) -> Result<Document> {
    let head = &value["document"];
    let tree = Tree::of(&value["product_tree"])?;
    let mut claims = Vec::new();
    for (number, one) in list(value, "vulnerabilities", "the document")?
        .iter()
        .enumerate()
    {
        let place = format!("vulnerability {number}");
        let ids = list(one, "ids", &place)?
            .iter()
            .filter_map(|id| maybe(id, "text"));
        let names = names(maybe(one, "cve").into_iter().chain(ids));
        let flags = tree.remarks(one, "flags", "label", &place)?;
        let threats = tree.remarks(one, "threats", "category", &place)?;
        let remedies = tree.remarks(one, "remediations", "category", &place)?;
        for status in STATUSES {
            for id in texts(&one["product_status"], status, &place)? {
                let product = tree.products.get(id).cloned();
                let product = product.ok_or_else(|| {
                    malformed(format!(
                        "{place} is about the product {:?}, which the product tree does not have",
                        kept(id)
                    ))
                })?;
                let of = |remarks: &[Remark]| -> Vec<(String, Option<String>)> {
                    let about = remarks.iter().filter(|remark| remark.products.contains(id));
                    about
                        .map(|remark| (remark.word.clone(), remark.details.clone()))
                        .collect()
                };
                let claim = Claim {
                    names: names.clone(),
                    product,
                    status: status.to_owned(),
                    says: says(status, &of(&flags), &of(&threats), &of(&remedies)),
                };
                if is_named(&claim) {
                    add(&mut claims, claim)?;
                }
            }
        }
    }
    Ok(Document {
        format: VexFormat::Csaf,
        id: kept(maybe(&head["tracking"], "id").unwrap_or_default()),
        author: kept(maybe(&head["publisher"], "name").unwrap_or_default()),
        claims,
    })
}

type Said = [(String, Option<String>)];

fn says(status: &str, flags: &Said, threats: &Said, remedies: &Said) -> Says {
    let details = |said: &Said, word: &str| {
        let found = said.iter().find(|(of, _)| of == word)?;
        found.1.clone()
    };
    match status {
        "known_not_affected" => {
            let word = flags.first().map(|(label, _)| label.as_str());
            not_affected(word, details(threats, "impact").as_deref(), &JUSTIFICATIONS)
        }
        "known_affected" => {
            let kinds = [
                ("no_fix_planned", Verdict::Accepted(None)),
                ("none_available", Verdict::BeingFixed),
            ];
            let found = kinds
                .into_iter()
                .find(|(word, _)| remedies.iter().any(|(of, _)| of == word));
            let Some((word, verdict)) = found else {
                return Says::Nothing;
            };
            let told = details(remedies, word);
            match told.as_deref().and_then(understood) {
                // Only our own words say who does something, and until when.
                Some((said, reason)) if same_kind(said, verdict) => Says::Decided {
                    verdict: said,
                    reason,
                },
                _ if verdict == Verdict::BeingFixed => Says::Nothing,
                _ => Says::Decided {
                    verdict,
                    reason: told,
                },
            }
        }
        _ => Says::Nothing,
    }
}

/// A flag, a threat or a remediation (3.2.3.5, 3.2.3.14, 3.2.3.12).
struct Remark {
    word: String,
    details: Option<String>,
    products: BTreeSet<String>,
}

#[derive(Default)]
struct Tree {
    products: BTreeMap<String, Product>,
    groups: BTreeMap<String, Vec<String>>,
}

impl Tree {
    /// 3.2.2.
    fn of(value: &Value) -> Result<Self> {
        let mut tree = Self::default();
        for product in list(value, "full_product_names", "the product tree")? {
            tree.learn(product)?;
        }
        for branch in list(value, "branches", "the product tree")? {
            tree.branch(branch)?;
        }
        for one in list(value, "relationships", "the product tree")? {
            // A component of a product: the one says which package, the other which asset.
            let part = tree
                .products
                .get(maybe(one, "product_reference").unwrap_or_default());
            let part = part.cloned().unwrap_or_default();
            let whole = tree
                .products
                .get(maybe(one, "relates_to_product_reference").unwrap_or_default());
            let whole = whole.cloned().unwrap_or_default();
            let full = &one["full_product_name"];
            let id = text(full, "product_id", "a relationship")?;
            let product = Product {
                label: kept(maybe(full, "name").unwrap_or(id)),
                uuid: whole.uuid,
                assets: whole.assets,
                // What has no purl is no package of ours.
                purl: part.purl.or(Some(part.label)),
            };
            tree.products.insert(id.to_owned(), product);
        }
        for group in list(value, "product_groups", "the product tree")? {
            let id = text(group, "group_id", "a product group")?;
            let of = texts(group, "product_ids", "a product group")?;
            tree.groups
                .insert(id.to_owned(), of.into_iter().map(str::to_owned).collect());
        }
        Ok(tree)
    }

    /// 3.1.2; JSON nests at most 128 deep here.
    fn branch(&mut self, value: &Value) -> Result<()> {
        if value["product"].is_object() {
            self.learn(&value["product"])?;
        }
        for branch in list(value, "branches", "a branch")? {
            self.branch(branch)?;
        }
        Ok(())
    }

    /// 3.1.3.
    fn learn(&mut self, value: &Value) -> Result<()> {
        let id = text(value, "product_id", "a product")?;
        let name = maybe(value, "name").unwrap_or(id);
        let helper = &value["product_identification_helper"];
        let purls = helper["purls"].as_array().into_iter().flatten();
        let purl = maybe(helper, "purl").or_else(|| purls.filter_map(Value::as_str).next());
        let uris = helper["x_generic_uris"].as_array().into_iter().flatten();
        let asset = uris
            .filter_map(|uri| maybe(uri, "uri"))
            .find_map(asset_of_purl);
        let product = Product {
            label: kept(name),
            uuid: id.split('#').next().and_then(|start| start.parse().ok()),
            assets: asset
                .into_iter()
                .chain([name.to_owned(), id.to_owned()])
                .collect(),
            purl: purl.map(str::to_owned),
        };
        self.products.insert(id.to_owned(), product);
        Ok(())
    }

    fn remarks(&self, of: &Value, name: &str, word: &str, place: &str) -> Result<Vec<Remark>> {
        let items = list(of, name, place)?.iter();
        items
            .map(|item| {
                let mut products: BTreeSet<String> = texts(item, "product_ids", place)?
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                for group in texts(item, "group_ids", place)? {
                    products.extend(self.groups.get(group).into_iter().flatten().cloned());
                }
                Ok(Remark {
                    word: kept(text(item, word, place)?),
                    details: maybe(item, "details").map(kept),
                    products,
                })
            })
            .collect()
    }
}
