//! VEX: what was decided, for those who use what was scanned. The rule that chooses the words is
//! [`gna_domain::rules::vex`]; each format says what it can in a file of its own.
//!
//! OpenVEX and CycloneDX are streams of statements. CSAF allows each CVE once, so there all that is
//! said about one is gathered first.

mod csaf;
mod cyclonedx;
mod openvex;

use axum::body::Bytes;
use gna_domain::error::{Error, Result};
use gna_domain::id::TypedId;
use gna_domain::model::{Location, PackageLocation, VexFormat, VexOrigin};
use gna_domain::rules::vex::claim::asset_purl;
use gna_domain::rules::vex::{Statement, statement, words};
use gna_domain::service::export::{Export, Row};
use gna_domain::time::Timestamp;

pub use csaf::pieces as csaf;
pub use cyclonedx::pieces as cyclonedx;
pub use openvex::pieces as openvex;

/// A row about which something can be said.
struct Said<'a> {
    row: &'a Row,
    statement: Statement<'a>,
    /// The name it is best known by: a CVE if it has one.
    name: &'a str,
}

impl<'a> Said<'a> {
    fn of(row: &'a Row, now: Timestamp) -> Option<Self> {
        let value = &row.vulnerability.value;
        let names = &value.identifiers;
        let cve = names.iter().find(|name| name.starts_with("CVE-"));
        Some(Self {
            row,
            statement: statement(value, now)?,
            name: cve.or(names.first())?,
        })
    }

    fn aliases(&self) -> Vec<&'a str> {
        let names = self.row.vulnerability.value.identifiers.iter();
        names
            .map(String::as_str)
            .filter(|name| *name != self.name)
            .collect()
    }

    fn package(&self) -> Option<&'a PackageLocation> {
        match &self.row.vulnerability.value.location {
            Location::Package(package) => Some(package),
            _ => None,
        }
    }

    /// The asset as a name that no other instance gives.
    fn product(&self) -> String {
        format!("urn:uuid:{}", self.asset_uuid())
    }

    fn asset_uuid(&self) -> String {
        self.row.vulnerability.value.asset.uuid().to_string()
    }

    fn asset_name(&self) -> &'a str {
        let asset = self.row.asset.as_ref();
        asset.map_or("unknown", |asset| asset.name.as_str())
    }

    /// What is being done, in words; `None` where nothing is.
    fn action(&self) -> Option<String> {
        words::action(self.statement.verdict, self.statement.reason())
    }

    /// What a document of one of these formats said of it, where that has a word for why.
    fn justified(&self, formats: &[VexFormat]) -> Option<&'a VexOrigin> {
        let origin = self.statement.origin?;
        let is_said = origin.justification.is_some() && formats.contains(&origin.format);
        is_said.then_some(origin)
    }

    /// The text beside the word for why, or in its place.
    fn text_beside(&self, origin: Option<&'a VexOrigin>) -> Option<&'a str> {
        match origin {
            Some(origin) => origin.statement.as_deref(),
            None => Some(self.impact()),
        }
    }

    /// The asset by its name, for those who know no ids of ours.
    fn asset_purl(&self) -> String {
        asset_purl(self.asset_name())
    }

    /// Why it does not concern the product.
    fn impact(&self) -> &'a str {
        let said = "a false positive, as a second person confirmed";
        let origin = self
            .statement
            .origin
            .and_then(|origin| origin.statement.as_deref());
        origin.or(self.statement.reason()).unwrap_or(said)
    }
}

fn unwritable() -> Error {
    super::unwritable()
}

/// Adds a value to a list that is being written.
fn item(piece: &mut Vec<u8>, is_first: &mut bool, value: &serde_json::Value) -> Result<()> {
    if !std::mem::take(is_first) {
        piece.push(b',');
    }
    serde_json::to_writer(piece, value).map_err(|_| unwritable())
}

fn taken(piece: &mut Vec<u8>) -> Bytes {
    Bytes::from(std::mem::take(piece))
}

/// Reads the next page; counts what was read.
async fn page(export: &mut Export, way: &'static str) -> Result<Option<Vec<Row>>> {
    let page = export.next().await?;
    if let Some(page) = &page {
        super::counted(page, way);
    }
    Ok(page)
}
