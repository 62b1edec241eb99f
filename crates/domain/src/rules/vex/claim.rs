//! What a VEX document claims, in our words: which names, of which products, and what is said of them.

use uuid::Uuid;

use super::Verdict;
use crate::model::VexFormat;
use crate::time::Timestamp;

/// Largest document, in bytes.
pub const LARGEST: usize = 16 << 20;

/// Most claims of one document: a claim is about one name and one product.
pub const CLAIMS_MAX: usize = 50_000;

/// Longest text of a document that is kept, in bytes.
const TEXT_LIMIT: usize = 2_000;

/// A document as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub format: VexFormat,
    /// As its author named it; empty where they did not.
    pub id: String,
    /// Who says all of it.
    pub author: String,
    /// In the order in which they count: of two about one vulnerability the later one holds.
    pub claims: Vec<Claim>,
}

/// What is said of one vulnerability in one product.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Public names of the vulnerability, the best known first.
    pub names: Vec<String>,
    pub product: Product,
    /// The format's own word for its status.
    pub status: String,
    pub says: Says,
}

/// What a claim is about, by whatever its document tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// As the document names it; for messages.
    pub label: String,
    /// An asset of this instance.
    pub uuid: Option<Uuid>,
    /// Names that an asset may have.
    pub assets: Vec<String>,
    /// The package that is affected, or not.
    pub purl: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    /// Its vulnerability does not concern the product.
    NotAffected {
        /// The format's own word for why, where it has words for that.
        justification: Option<String>,
        /// Why, as a text.
        impact: Option<String>,
    },
    /// It concerns it, and that is decided: being fixed, or accepted until then or for good.
    Decided {
        verdict: Verdict,
        reason: Option<String>,
    },
    /// Nothing that anybody decided: under investigation, fixed, or affected without a word on what
    /// is done about it.
    Nothing,
}

/// A text of a document, as far as it is kept.
#[must_use]
pub fn kept(text: &str) -> String {
    crate::rules::sighting::cut(text.trim(), TEXT_LIMIT)
}

/// How the author of a document stands in history.
#[must_use]
pub fn author_label(author: &str) -> String {
    let name: String = author
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(100)
        .collect();
    let name = name.trim();
    format!("vex:{}", if name.is_empty() { "unknown" } else { name })
}

/// A claim's moment, for those formats whose statements come in no order of time.
pub(super) type Dated = (Option<Timestamp>, Claim);

/// The name under which an asset is a product to those who know no ids of ours: a purl of the type
/// that is for all that has no ecosystem.
#[must_use]
pub fn asset_purl(name: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("pkg:generic/{name}")
}

/// The other way.
#[must_use]
pub fn asset_of_purl(purl: &str) -> Option<String> {
    let rest = purl.strip_prefix("pkg:generic/")?;
    let name = percent_encoding::percent_decode_str(rest);
    name.decode_utf8().ok().map(|name| name.into_owned())
}
