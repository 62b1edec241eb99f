//! The parts of a SARIF log that are read, in the standard's own names. Section numbers are those
//! of the OASIS Standard 2.1.0.
//!
//! Lenient in the parts that only describe; a result is read strictly enough that a broken one
//! becomes a warning.

use serde::Deserialize;
use std::collections::BTreeMap;

use crate::lenient;

/// §3.13, without the results.
#[derive(Debug, Deserialize)]
pub struct Log {
    #[serde(default, deserialize_with = "lenient::opt_string")]
    pub version: Option<String>,
    pub runs: Option<Vec<Run>>,
}

/// §3.14, without the results.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Run {
    #[serde(deserialize_with = "lenient::or_default")]
    pub tool: Tool,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub artifacts: Vec<Artifact>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub original_uri_base_ids: BTreeMap<String, ArtifactLocation>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub version_control_provenance: Vec<VersionControl>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub invocations: Vec<Invocation>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub automation_details: AutomationDetails,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub logical_locations: Vec<LogicalLocation>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub taxonomies: Vec<Component>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub external_property_file_references: ExternalFiles,
}

impl Run {
    pub fn external_results(&self) -> bool {
        !self.external_property_file_references.results.is_empty()
    }
}

/// §3.15, only what matters here: whether results were written elsewhere.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExternalFiles {
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub results: Vec<Nothing>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Nothing {}

/// §3.18
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tool {
    #[serde(deserialize_with = "lenient::or_default")]
    pub driver: Component,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub extensions: Vec<Component>,
}

/// §3.19
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Component {
    #[serde(deserialize_with = "lenient::string")]
    pub name: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub guid: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    semantic_version: Option<String>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub rules: Vec<Rule>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub taxa: Vec<Taxon>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub global_message_strings: BTreeMap<String, Text>,
}

impl Component {
    pub fn version(&self) -> Option<String> {
        self.semantic_version
            .clone()
            .or_else(|| self.version.clone())
    }
}

/// §3.49 where it describes a taxon.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Taxon {
    #[serde(deserialize_with = "lenient::string")]
    pub id: String,
}

/// §3.49, a rule.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    #[serde(deserialize_with = "lenient::string")]
    pub id: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub guid: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub short_description: Text,
    #[serde(deserialize_with = "lenient::or_default")]
    pub full_description: Text,
    #[serde(deserialize_with = "lenient::or_default")]
    pub help: Text,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub help_uri: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub message_strings: BTreeMap<String, Text>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub default_configuration: Configuration,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub relationships: Vec<Relationship>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub properties: Properties,
}

/// §3.50
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Configuration {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub level: Option<String>,
    #[serde(deserialize_with = "lenient::opt_f64")]
    pub rank: Option<f64>,
}

/// §3.53
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Relationship {
    #[serde(deserialize_with = "lenient::or_default")]
    pub target: Reference,
}

/// §3.52, a reference to a rule or a taxon.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reference {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient::opt_i64")]
    pub index: Option<i64>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub guid: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub tool_component: Option<ComponentReference>,
}

/// §3.54
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ComponentReference {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient::opt_i64")]
    pub index: Option<i64>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub guid: Option<String>,
}

/// §3.12, and §3.11 without arguments.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Text {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub text: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub markdown: Option<String>,
}

impl Text {
    pub fn plain(&self) -> Option<&str> {
        self.text
            .as_deref()
            .or(self.markdown.as_deref())
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }
}

/// §3.11
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub text: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub markdown: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub arguments: Vec<String>,
}

/// §3.24
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Artifact {
    #[serde(deserialize_with = "lenient::or_default")]
    pub location: ArtifactLocation,
}

/// §3.4
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactLocation {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub uri: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub uri_base_id: Option<String>,
    #[serde(deserialize_with = "lenient::opt_i64")]
    pub index: Option<i64>,
}

/// §3.23
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionControl {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub repository_uri: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub revision_id: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub branch: Option<String>,
}

/// §3.20
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Invocation {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub start_time_utc: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub end_time_utc: Option<String>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub rule_configuration_overrides: Vec<Override>,
}

/// §3.51
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Override {
    #[serde(deserialize_with = "lenient::or_default")]
    pub configuration: Configuration,
    #[serde(deserialize_with = "lenient::or_default")]
    pub descriptor: Reference,
}

/// §3.17
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AutomationDetails {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub id: Option<String>,
}

/// §3.27
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Finding {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub rule_id: Option<String>,
    #[serde(deserialize_with = "lenient::opt_i64")]
    pub rule_index: Option<i64>,
    #[serde(deserialize_with = "lenient::null_default")]
    pub rule: Reference,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub level: Option<String>,
    #[serde(deserialize_with = "lenient::null_default")]
    pub message: Message,
    #[serde(deserialize_with = "lenient::null_default")]
    pub locations: Vec<Location>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub analysis_target: ArtifactLocation,
    #[serde(deserialize_with = "lenient::or_default")]
    pub fingerprints: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub partial_fingerprints: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub suppressions: Vec<Suppression>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub baseline_state: Option<String>,
    #[serde(deserialize_with = "lenient::opt_f64")]
    pub rank: Option<f64>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub taxa: Vec<Reference>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub properties: Properties,
}

/// §3.35
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Suppression {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub justification: Option<String>,
}

/// §3.28
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Location {
    #[serde(deserialize_with = "lenient::null_default")]
    pub physical_location: PhysicalLocation,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub logical_locations: Vec<LogicalLocation>,
}

/// §3.29
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PhysicalLocation {
    #[serde(deserialize_with = "lenient::null_default")]
    pub artifact_location: ArtifactLocation,
    #[serde(deserialize_with = "lenient::null_default")]
    pub region: Region,
    #[serde(deserialize_with = "lenient::null_default")]
    pub context_region: Region,
}

/// §3.30
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Region {
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub start_line: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub end_line: Option<u32>,
    #[serde(deserialize_with = "lenient::opt_u32")]
    pub start_column: Option<u32>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub snippet: Text,
}

/// §3.33
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogicalLocation {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub fully_qualified_name: Option<String>,
    #[serde(deserialize_with = "lenient::opt_i64")]
    pub index: Option<i64>,
}

/// Property bags (§3.8): what tools are known to put there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Properties {
    #[serde(rename = "security-severity", deserialize_with = "lenient::opt_string")]
    pub security_severity: Option<String>,
    #[serde(rename = "problem.severity", deserialize_with = "lenient::opt_string")]
    pub problem_severity: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub severity: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub issue_severity: Option<String>,
    #[serde(rename = "securityRisk", deserialize_with = "lenient::opt_string")]
    pub security_risk: Option<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub tags: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub cwe: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub cwes: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub purls: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub references: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub reference: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub component: Option<String>,
    #[serde(rename = "componentVersion", deserialize_with = "lenient::opt_string")]
    pub component_version: Option<String>,
    #[serde(rename = "componentOrigin", deserialize_with = "lenient::opt_string")]
    pub component_origin: Option<String>,
}
