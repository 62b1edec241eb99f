//! CSAF 2.0, profile VEX (OASIS standard, sections by its numbers): each name once, with the products
//! by status.
//!
//! What is said about one vulnerability has to stand together, so it is gathered: some hundred bytes
//! for each statement, and [`LIMIT`] of them at most.

use axum::body::Bytes;
use gna_domain::error::{Error, Result};
use gna_domain::model::{VexFormat, VexOrigin};
use gna_domain::rules::vex::Verdict;
use gna_domain::service::export::Export;
use gna_domain::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::{Said, page, taken, unwritable};

/// Most statements of one document.
const LIMIT: usize = 100_000;

/// A remediation or a threat: its category and its words.
type Remark = (&'static str, String);

/// How a product is affected: its place in [`STATUSES`], the word for why it is not, and what is told
/// of it.
#[derive(Clone)]
struct Place {
    rank: u8,
    flag: Option<String>,
    told: Option<Remark>,
}

/// What is said about one name.
#[derive(Default)]
struct About {
    title: String,
    aliases: BTreeSet<String>,
    /// Products by status; a product stands in one only (6.1.6), the gravest.
    products: BTreeMap<String, Place>,
}

pub fn pieces(mut export: Export) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let now = export.ctx().now();
        let id = export.ctx().ports.ids.uuid();
        let mut all: BTreeMap<String, About> = BTreeMap::new();
        let mut products: BTreeMap<String, Value> = BTreeMap::new();
        let mut statements = 0;
        while let Some(rows) = page(&mut export, "csaf").await? {
            for said in rows.iter().filter_map(|row| Said::of(row, now)) {
                gather(&said, &mut all, &mut products);
                statements += 1;
            }
            if statements > LIMIT {
                Err(Error::limit(
                    "export.too_large",
                    format!("a CSAF document has at most {LIMIT} statements; narrow the filter, or take openvex"),
                ))?;
            }
        }
        let mut document = json!({ "document": head(now, &id.to_string()) });
        if let Some(object) = document.as_object_mut() {
            if !products.is_empty() {
                let products: Vec<Value> = products.into_values().collect();
                object.insert("product_tree".to_owned(), json!({ "full_product_names": products }));
            }
            let said: Vec<Value> = all.iter().map(|(name, about)| vulnerability(name, about)).collect();
            if !said.is_empty() {
                object.insert("vulnerabilities".to_owned(), said.into());
            }
        }
        let mut piece = serde_json::to_vec(&document).map_err(|_| unwritable())?;
        piece.push(b'\n');
        yield taken(&mut piece);
    }
}

/// 3.2.1, 4.5.
fn head(now: Timestamp, id: &str) -> Value {
    json!({
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "lang": "en",
        "title": "What was decided about known vulnerabilities",
        "publisher": { "category": "user", "name": "Gna", "namespace": "https://gna.invalid" },
        "notes": [{ "category": "summary", "text": "Exported from a record of vulnerabilities and the decisions taken on them." }],
        "tracking": {
            "id": id,
            "status": "final",
            "version": "1",
            "initial_release_date": now.to_string(),
            "current_release_date": now.to_string(),
            "revision_history": [{ "date": now.to_string(), "number": "1", "summary": "Exported." }],
            "generator": { "engine": { "name": "gna", "version": env!("CARGO_PKG_VERSION") } },
        },
    })
}

fn gather(
    said: &Said<'_>,
    all: &mut BTreeMap<String, About>,
    products: &mut BTreeMap<String, Value>,
) {
    let (id, name, purl) = match said.package() {
        None => (said.asset_uuid(), said.asset_name().to_owned(), None),
        Some(package) => {
            let version = package.version.as_deref().unwrap_or("any version");
            let id = format!("{}#{}@{version}", said.asset_uuid(), package.name);
            let name = format!("{} {version} in {}", package.name, said.asset_name());
            (id, name, package.purl.as_deref())
        }
    };
    products.entry(id.clone()).or_insert_with(|| {
        // 3.1.3.3.7: whose name of the asset this is.
        let asset = json!({ "namespace": "https://gna.invalid/asset", "uri": said.asset_purl() });
        let mut product = json!({ "product_id": id, "name": name,
            "product_identification_helper": { "x_generic_uris": [asset] } });
        if let (Some(purl), Some(object)) = (purl, product.as_object_mut()) {
            let helper = json!({ "purl": purl, "x_generic_uris": [asset] });
            object.insert("product_identification_helper".to_owned(), helper);
        }
        product
    });
    let about = all.entry(said.name.to_owned()).or_default();
    if about.title.is_empty() {
        let finding = said.row.finding.as_ref();
        about.title = finding.map_or_else(|| said.name.to_owned(), |finding| finding.title.clone());
    }
    about
        .aliases
        .extend(said.aliases().into_iter().map(str::to_owned));
    let origin = said.justified(&[VexFormat::OpenVex, VexFormat::Csaf]);
    let new = Place {
        rank: rank(said.statement.verdict),
        flag: origin.and_then(|origin| origin.justification.clone()),
        told: told(said, origin),
    };
    let known = about.products.entry(id).or_insert_with(|| new.clone());
    if new.rank < known.rank {
        *known = new;
    }
}

/// Places in [`STATUSES`], gravest first.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::BeingFixed | Verdict::Accepted(_) => 0,
        Verdict::UnderInvestigation => 1,
        Verdict::FalsePositive => 2,
        Verdict::Fixed => 3,
    }
}

/// 3.2.3.9.
const STATUSES: [&str; 4] = [
    "known_affected",
    "under_investigation",
    "known_not_affected",
    "fixed",
];

/// The remediation (3.2.3.12) or the threat (3.2.3.14) that the profile asks for, by its category.
fn told<'a>(said: &Said<'a>, origin: Option<&'a VexOrigin>) -> Option<Remark> {
    match said.statement.verdict {
        Verdict::FalsePositive => {
            let text = said.text_beside(origin)?;
            Some(("impact", text.to_owned()))
        }
        Verdict::Accepted(_) => Some(("no_fix_planned", said.action().unwrap_or_default())),
        Verdict::BeingFixed => Some(("none_available", said.action().unwrap_or_default())),
        Verdict::UnderInvestigation | Verdict::Fixed => None,
    }
}

fn vulnerability(name: &str, about: &About) -> Value {
    let mut object = Map::new();
    if name.starts_with("CVE-") {
        object.insert("cve".to_owned(), name.into());
    }
    let other = about.aliases.iter().map(String::as_str);
    let other = other.chain((!name.starts_with("CVE-")).then_some(name));
    let ids: Vec<Value> = other
        .filter(|name| !name.starts_with("CVE-"))
        .map(|name| json!({ "system_name": system(name), "text": name }))
        .collect();
    if !ids.is_empty() {
        object.insert("ids".to_owned(), ids.into());
    }
    object.insert("title".to_owned(), about.title.as_str().into());
    object.insert(
        "notes".to_owned(),
        json!([{ "category": "description", "text": about.title }]),
    );
    let mut statuses = Map::new();
    for (rank, status) in (0_u8..).zip(STATUSES) {
        let products = about.products.iter();
        let products: Vec<&str> = products
            .filter(|(_, place)| place.rank == rank)
            .map(|(id, _)| id.as_str())
            .collect();
        if !products.is_empty() {
            statuses.insert(status.to_owned(), products.into());
        }
    }
    object.insert("product_status".to_owned(), statuses.into());
    let mut told: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut flags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, place) in &about.products {
        if let Some((category, text)) = &place.told {
            told.entry((category, text)).or_default().push(id);
        }
        if let Some(flag) = &place.flag {
            flags.entry(flag).or_default().push(id);
        }
    }
    let (mut remedies, mut threats) = (Vec::new(), Vec::new());
    for ((category, details), products) in told {
        let entry = json!({ "category": category, "details": details, "product_ids": products });
        if category == "impact" {
            threats.push(entry);
        } else {
            remedies.push(entry);
        }
    }
    let flags: Vec<Value> = flags
        .into_iter()
        .map(|(label, products)| json!({ "label": label, "product_ids": products }))
        .collect();
    if !flags.is_empty() {
        object.insert("flags".to_owned(), flags.into());
    }
    if !remedies.is_empty() {
        object.insert("remediations".to_owned(), remedies.into());
    }
    if !threats.is_empty() {
        object.insert("threats".to_owned(), threats.into());
    }
    Value::Object(object)
}

fn system(name: &str) -> &'static str {
    if name.starts_with("GHSA-") {
        "GitHub Advisory"
    } else {
        "Other"
    }
}
