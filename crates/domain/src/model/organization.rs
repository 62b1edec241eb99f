//! Organization: the tenant. Group: the unit of access, policy and report inside it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId};
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

use super::policy::PolicyOverride;

/// A name in an address: 1 to 63 of `a-z`, `0-9` and `-`, starting and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// # Errors
    /// `slug.malformed`.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ok = (1..=63).contains(&text.len())
            && text.chars().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if ok {
            Ok(Self(text))
        } else {
            Err(Error::invalid(
                "slug.malformed",
                "a slug is 1 to 63 of a-z, 0-9 and -, and neither starts nor ends with -",
            ))
        }
    }

    /// The nearest slug to a name; `None` when nothing of it can be kept.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in name.chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.ends_with('-') && !slug.is_empty() {
                slug.push('-');
            }
        }
        slug.truncate(63);
        Self::new(slug.trim_end_matches('-')).ok()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    pub id: OrganizationId,
    pub slug: Slug,
    pub name: String,
    pub created: Timestamp,
    /// What differs from Gna's defaults, for all its groups.
    #[serde(default)]
    pub policy: PolicyOverride,
}

impl Entity for Organization {
    const COLLECTION: &'static str = "organization";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Organization {
    type Id = OrganizationId;
    fn id(&self) -> OrganizationId {
        self.id
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub id: GroupId,
    pub organization: OrganizationId,
    pub slug: Slug,
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub created: Timestamp,
    /// The portfolios of its organization that it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What differs from the organization.
    #[serde(default)]
    pub policy: PolicyOverride,
}

impl Entity for Group {
    const COLLECTION: &'static str = "group";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Group {
    type Id = GroupId;
    fn id(&self) -> GroupId {
        self.id
    }
}

/// Checks a display name: 1 to 200 characters after trimming, none of them a control character.
///
/// # Errors
/// `name.malformed`.
pub fn display_name(text: &str) -> Result<String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "name.malformed",
            "a name has 1 to 200 characters and no control characters",
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_checked_and_made() {
        for good in ["a", "a-b", "0x", "shop-2"] {
            assert!(Slug::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "ä", "a b", &"x".repeat(64)] {
            assert!(Slug::new(bad).is_err(), "{bad}");
        }
        for (name, slug) in [
            ("My Shop!", Some("my-shop")),
            ("--", None),
            ("Ünïcode x", Some("n-code-x")),
        ] {
            assert_eq!(
                Slug::from_name(name).as_ref().map(Slug::as_str),
                slug,
                "{name}"
            );
        }
    }
}
