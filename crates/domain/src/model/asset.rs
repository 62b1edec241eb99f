//! Asset: what is scanned. Ref: a branch, tag or version of it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{AssetId, GroupId, OrganizationId, RefId, ReportId};
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AssetKind {
    Repository,
    Image,
    Host,
    /// A web site or an API.
    Url,
    CloudAccount,
    /// The subject of an SBOM.
    Package,
    #[default]
    Other,
}

/// How bad it is when the asset fails; an input of priority.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Criticality {
    Low,
    #[default]
    Medium,
    High,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub id: AssetId,
    pub organization: OrganizationId,
    pub group: GroupId,
    /// Unique in the group, 1 to 300 characters: `shop/checkout`, `registry/image`, an address.
    pub name: String,
    pub kind: AssetKind,
    #[serde(default)]
    pub criticality: Criticality,
    #[serde(default)]
    pub internet_facing: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The ref whose presence decides the state of vulnerabilities.
    pub default_ref: RefId,
    pub created: Timestamp,
    /// The report whose upload made it, as long as nothing else uses it: it goes if that one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_for: Option<ReportId>,
}

impl Entity for Asset {
    const COLLECTION: &'static str = "asset";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Asset {
    type Id = AssetId;
    fn id(&self) -> AssetId {
        self.id
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefKind {
    #[default]
    Branch,
    Tag,
    Version,
}

/// The name of the ref that is made when an import names none.
pub const DEFAULT_REF: &str = "main";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetRef {
    pub id: RefId,
    pub organization: OrganizationId,
    pub group: GroupId,
    pub asset: AssetId,
    /// Unique in the asset, 1 to 300 characters.
    pub name: String,
    pub kind: RefKind,
    pub created: Timestamp,
    /// The report whose upload made it, as long as nothing else uses it: it goes if that one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_for: Option<ReportId>,
}

impl Entity for AssetRef {
    const COLLECTION: &'static str = "asset_ref";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for AssetRef {
    type Id = RefId;
    fn id(&self) -> RefId {
        self.id
    }
}

/// Checks the name of an asset or a ref.
///
/// # Errors
/// `name.malformed`.
pub fn asset_name(text: &str) -> Result<String> {
    let name = text.trim();
    if name.is_empty() || name.len() > 300 || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "name.malformed",
            "the name of an asset or ref has 1 to 300 bytes and no control characters",
        ));
    }
    Ok(name.to_owned())
}

/// Most tags on one thing.
pub const MAX_TAGS: usize = 50;

/// Tags without repeats, trimmed, in lower case, sorted.
///
/// # Errors
/// `tag.malformed`, `tag.too_many`.
pub fn normal_tags(tags: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<String>> {
    let mut normal = Vec::new();
    for tag in tags {
        let tag = tag.as_ref().trim().to_lowercase();
        if tag.is_empty() || tag.len() > 100 || tag.chars().any(char::is_control) {
            return Err(Error::invalid(
                "tag.malformed",
                "a tag has 1 to 100 bytes and no control characters",
            ));
        }
        normal.push(tag);
    }
    normal.sort_unstable();
    normal.dedup();
    if normal.len() > MAX_TAGS {
        return Err(Error::limit(
            "tag.too_many",
            format!("at most {MAX_TAGS} tags"),
        ));
    }
    Ok(normal)
}
