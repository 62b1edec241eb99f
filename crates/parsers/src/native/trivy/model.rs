//! The parts of Trivy's report that are read, in its own names.

use serde::Deserialize;
use std::collections::BTreeMap;

use crate::lenient;

/// The report without the items of its results.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Report {
    #[serde(deserialize_with = "lenient::opt_i64")]
    pub schema_version: Option<i64>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub created_at: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub artifact_name: Option<String>,
    #[serde(deserialize_with = "lenient::string")]
    pub artifact_type: String,
    #[serde(deserialize_with = "lenient::or_default")]
    pub trivy: Version,
    #[serde(deserialize_with = "lenient::or_default")]
    pub metadata: Metadata,
    pub results: Option<Vec<Head>>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub cluster_name: Option<String>,
    #[serde(deserialize_with = "lenient::null_default")]
    pub resources: Vec<Resource>,
    #[serde(deserialize_with = "lenient::null_default")]
    pub vulnerabilities: Vec<Resource>,
    #[serde(deserialize_with = "lenient::null_default")]
    pub misconfigurations: Vec<Resource>,
    /// The bare list of results of the first schema.
    #[serde(skip)]
    pub bare: bool,
}

impl Report {
    pub fn is_trivys(&self) -> bool {
        let clustered = !self.resources.is_empty()
            || !self.vulnerabilities.is_empty()
            || !self.misconfigurations.is_empty();
        self.bare
            || self.results.is_some()
            || self.cluster_name.is_some()
            || clustered
            || self.schema_version.is_some()
                && (self.artifact_name.is_some() || !self.artifact_type.is_empty())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Version {
    #[serde(deserialize_with = "lenient::string")]
    pub version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metadata {
    #[serde(deserialize_with = "lenient::string")]
    pub commit: String,
    #[serde(deserialize_with = "lenient::string")]
    pub branch: String,
}

/// A resource of a cluster with its results.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Resource {
    #[serde(deserialize_with = "lenient::string")]
    pub namespace: String,
    #[serde(deserialize_with = "lenient::string")]
    pub kind: String,
    #[serde(deserialize_with = "lenient::string")]
    pub name: String,
    #[serde(deserialize_with = "lenient::null_default")]
    pub results: Vec<Head>,
}

impl Resource {
    /// `namespace/kind/name`; resources of the whole cluster have no namespace.
    pub fn path(&self) -> String {
        let parts = [&self.namespace, &self.kind, &self.name];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// A result without its items.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Head {
    #[serde(deserialize_with = "lenient::string")]
    pub target: String,
    #[serde(deserialize_with = "lenient::string")]
    pub class: String,
    #[serde(deserialize_with = "lenient::string")]
    pub r#type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    pub id: String,
    pub pkg_name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub pkg_path: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pkg_identifier: Identifier,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub installed_version: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub fixed_version: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub layer: Layer,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    pub title: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub description: Option<String>,
    #[serde(
        default,
        rename = "PrimaryURL",
        deserialize_with = "lenient::opt_string"
    )]
    pub primary_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    pub references: Vec<String>,
    #[serde(default, rename = "CweIDs", deserialize_with = "lenient::strings")]
    pub cwe_ids: Vec<String>,
    #[serde(default, rename = "CVSS", deserialize_with = "lenient::or_default")]
    pub cvss: BTreeMap<String, Vectors>,
    /// `fixed`, `affected`, `will_not_fix`, `end_of_life`...
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Identifier {
    #[serde(rename = "PURL", deserialize_with = "lenient::opt_string")]
    pub purl: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Layer {
    #[serde(rename = "Digest", deserialize_with = "lenient::opt_string")]
    pub digest: Option<String>,
    #[serde(rename = "DiffID", deserialize_with = "lenient::opt_string")]
    pub diff_id: Option<String>,
}

/// One source's vectors and scores.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Vectors {
    #[serde(rename = "V2Vector", deserialize_with = "lenient::opt_string")]
    pub v2: Option<String>,
    #[serde(rename = "V3Vector", deserialize_with = "lenient::opt_string")]
    pub v3: Option<String>,
    #[serde(rename = "V40Vector", deserialize_with = "lenient::opt_string")]
    pub v4: Option<String>,
    #[serde(rename = "V3Score", deserialize_with = "lenient::opt_f64")]
    pub score: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Misconfiguration {
    #[serde(default, rename = "ID", deserialize_with = "lenient::opt_string")]
    pub id: Option<String>,
    #[serde(default, rename = "AVDID", deserialize_with = "lenient::opt_string")]
    pub avd_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    pub title: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub description: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub message: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub resolution: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub severity: Option<String>,
    #[serde(
        default,
        rename = "PrimaryURL",
        deserialize_with = "lenient::opt_string"
    )]
    pub primary_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::strings")]
    pub references: Vec<String>,
    /// `FAIL`, `PASS` or `EXCEPTION`.
    #[serde(default, deserialize_with = "lenient::string")]
    pub status: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub cause_metadata: Cause,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Cause {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub resource: Option<String>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub start_line: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub end_line: Option<u32>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub code: Code,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Code {
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub lines: Vec<Line>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Line {
    #[serde(deserialize_with = "lenient::string")]
    pub content: String,
    #[serde(deserialize_with = "lenient::or_default")]
    pub is_cause: bool,
}

/// A secret without its text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Secret {
    #[serde(rename = "RuleID")]
    pub rule: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub category: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    pub title: String,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    pub start_line: Option<u32>,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    pub end_line: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct License {
    pub name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub category: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub pkg_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub file_path: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub link: Option<String>,
}

/// A finding that a VEX document or an ignore file set aside.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Modified<'a> {
    #[serde(default, deserialize_with = "lenient::string")]
    pub r#type: String,
    #[serde(default, deserialize_with = "lenient::string")]
    pub status: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub statement: Option<String>,
    #[serde(borrow)]
    pub finding: &'a serde_json::value::RawValue,
}
