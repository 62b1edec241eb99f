//! The generic form: one finding as a plain JSON object.
//!
//! It is what a `map` program of a format as data gives for an item, and what Gna's own JSON and
//! CSV reports hold. It is not a wire format of the API. Next: [`super::convert`] turns it into a
//! [`gna_domain::import::ParsedFinding`].
//!
//! ```json
//! {
//!   "rule": "G101",                     "title": "Hard-coded credentials",
//!   "description": "...",               "recommendation": "...",
//!   "message": "about this place only", "severity": "HIGH",
//!   "cvss": "CVSS:3.1/AV:N/...",        "score": 7.5,
//!   "cwes": ["CWE-798", 259],           "identifiers": ["CVE-2024-1234", "GHSA-..."],
//!   "references": ["https://..."],      "location": { "path": "src/db.go", "line": 12 },
//!   "fingerprints": { "name": "value" },"tags": ["legacy"],
//!   "tool": "gosec",                    "status": "open", "status_reason": null
//! }
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `rule` | the tool's own stable id of the rule, check, plugin or advisory; without it the first identifier, else the title as a slug |
//! | `title` | one line without the place; without it the first line of the message or description, else the rule. One of rule and title (or a text to make them of) must be there |
//! | `description`, `recommendation` | about the weakness, shared by all its places |
//! | `message` | about this place alone; no part of identity |
//! | `severity` | a word, or a number 0 to 10 that is taken as a score |
//! | `cvss` | one vector or several, of any version |
//! | `score` | a base score 0 to 10, used where there is neither a word nor a vector |
//! | `cwes` | numbers or texts that hold `CWE-79`; one or several |
//! | `identifiers` | CVE, GHSA, OSV ids... of the same weakness; one, several, or one text with commas |
//! | `references` | addresses; one or several |
//! | `location` | see [`GenericLocation`]; absent: the asset as a whole |
//! | `fingerprints` | the tool's own values that survive moved lines, by name |
//! | `tags`, `tool` | words to find it by; the tool's name where a report holds several |
//! | `status` | `open` (default); `fixed`, `passed`, `absent`... say that it is gone; any other word (`false_positive`, `suppressed`, `accepted`...) that it is there but set aside |
//! | `status_reason` | why, in the report's words |
//!
//! Reading is lenient: a number where a text is expected and the other way round, one value where
//! a list is expected, `null` anywhere, and fields that are not listed are all accepted.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

use crate::lenient;

/// Names of the form's fields, for those who want to tell a typing error from a finding.
pub const FIELDS: &[&str] = &[
    "rule",
    "title",
    "description",
    "recommendation",
    "message",
    "severity",
    "cvss",
    "score",
    "cwes",
    "identifiers",
    "references",
    "location",
    "fingerprints",
    "tags",
    "tool",
    "status",
    "status_reason",
];

/// Names of the fields of [`GenericLocation`].
pub const LOCATION_FIELDS: &[&str] = &[
    "kind",
    "path",
    "line",
    "end_line",
    "column",
    "snippet",
    "symbol",
    "name",
    "version",
    "purl",
    "ecosystem",
    "fixed_version",
    "layer",
    "image",
    "url",
    "method",
    "parameter",
    "host",
    "port",
    "protocol",
    "service",
    "resource",
    "provider",
    "account",
    "region",
    "resource_type",
];

/// One finding in the generic form; the module's documentation defines the fields.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GenericFinding {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub rule: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub description: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub recommendation: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub message: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub severity: Option<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub cvss: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub score: Option<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub cwes: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub identifiers: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub references: Vec<String>,
    pub location: Option<GenericLocation>,
    #[serde(deserialize_with = "named")]
    pub fingerprints: BTreeMap<String, String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub tags: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub tool: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub status_reason: Option<String>,
}

/// An object of texts or numbers, or `null`.
fn named<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    struct Word(#[serde(deserialize_with = "lenient::string")] String);

    let words = Option::<BTreeMap<String, Word>>::deserialize(from)?.unwrap_or_default();
    Ok(words
        .into_iter()
        .filter(|(_, word)| !word.0.trim().is_empty())
        .map(|(name, word)| (name, word.0))
        .collect())
}

/// Where it was seen: one flat object for all kinds of place.
///
/// `kind` (`code`, `package`, `endpoint`, `network`, `cloud`, `asset`) may be left out; the kind
/// is then told by the first of these fields that is there: `resource` is cloud, `url` endpoint,
/// `host` network, `name` or `purl` package, `path` code; none is the asset as a whole. The other
/// fields are those of [`gna_domain::model::Location`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GenericLocation {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub kind: Option<String>,
    /// File; for a package the manifest, archive or folder it was found in.
    #[serde(deserialize_with = "lenient::opt_string")]
    pub path: Option<String>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub line: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub end_line: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub column: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub snippet: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub symbol: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub version: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub purl: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub ecosystem: Option<String>,
    /// One version or several.
    #[serde(deserialize_with = "lenient::strings")]
    pub fixed_version: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub layer: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub image: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub url: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub method: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub parameter: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub host: Option<String>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub port: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub protocol: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub service: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub resource: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub provider: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub account: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub region: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub resource_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_are_read_as_what_they_stand_for() {
        let form: GenericFinding = serde_json::from_str(
            r#"{"rule": 101, "title": null, "cwes": 79, "identifiers": "CVE-2024-1", "references": null,
                "fingerprints": {"a": 1, "b": null, "c": "z"}, "unheard_of": [1],
                "location": {"path": "a.c", "line": "12", "column": 3.0, "end_line": -1}}"#,
        )
        .unwrap();
        assert_eq!((form.rule.as_deref(), form.title), (Some("101"), None));
        assert_eq!(
            (form.cwes, form.identifiers),
            (vec!["79".to_owned()], vec!["CVE-2024-1".to_owned()])
        );
        assert!(form.references.is_empty());
        assert_eq!(
            form.fingerprints.into_iter().collect::<Vec<_>>(),
            [("a".into(), "1".into()), ("c".into(), "z".into())]
        );
        let location = form.location.unwrap();
        assert_eq!(
            (location.line, location.column, location.end_line),
            (Some(12), Some(3), None)
        );
    }

    #[test]
    fn every_listed_name_is_a_field_of_the_form() {
        for name in FIELDS {
            let value = match *name {
                "location" => r#"{"path": "a"}"#,
                "fingerprints" => r#"{"a": "b"}"#,
                _ => "\"1\"",
            };
            let form: GenericFinding =
                serde_json::from_str(&format!("{{\"{name}\": {value}}}")).unwrap();
            assert_ne!(form, GenericFinding::default(), "{name}");
        }
        for name in LOCATION_FIELDS {
            let form: GenericLocation =
                serde_json::from_str(&format!("{{\"{name}\": \"1\"}}")).unwrap();
            assert_ne!(form, GenericLocation::default(), "{name}");
        }
    }
}
