//! The parts of a bill of materials that are read, in the names of its JSON form.

use serde::Deserialize;

use crate::lenient;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub timestamp: Option<String>,
    /// A list of tools up to 1.4, an object with components and services since 1.5.
    #[serde(deserialize_with = "lenient::or_default")]
    pub tools: Tools,
    #[serde(deserialize_with = "lenient::or_default")]
    pub component: Option<Component>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Tools {
    List(Vec<Tool>),
    Parts {
        #[serde(default)]
        components: Vec<Tool>,
        #[serde(default)]
        services: Vec<Tool>,
    },
}

impl Default for Tools {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Tools {
    pub fn first(&self) -> Option<&Tool> {
        match self {
            Self::List(list) => list.first(),
            Self::Parts {
                components,
                services,
            } => components.first().or_else(|| services.first()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tool {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub version: Option<String>,
}

/// A component or a service, with those nested in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Component {
    #[serde(rename = "bom-ref", deserialize_with = "lenient::opt_string")]
    pub bom_ref: Option<String>,
    #[serde(deserialize_with = "lenient::string")]
    pub r#type: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub group: Option<String>,
    #[serde(deserialize_with = "lenient::string")]
    pub name: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub version: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub purl: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub evidence: Evidence,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub properties: Vec<Property>,
    #[serde(deserialize_with = "lenient::null_default")]
    pub components: Vec<Component>,
    #[serde(deserialize_with = "lenient::null_default")]
    pub services: Vec<Component>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Evidence {
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub occurrences: Vec<Occurrence>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Occurrence {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub location: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Property {
    #[serde(deserialize_with = "lenient::string")]
    pub name: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Vulnerability {
    #[serde(rename = "bom-ref", deserialize_with = "lenient::opt_string")]
    pub bom_ref: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub source: Source,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub references: Vec<Reference>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub ratings: Vec<Rating>,
    #[serde(deserialize_with = "lenient::strings")]
    pub cwes: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub description: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub detail: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub recommendation: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub workaround: Option<String>,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub advisories: Vec<Advisory>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub analysis: Analysis,
    #[serde(deserialize_with = "lenient::null_default")]
    pub affects: Vec<Affected>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Source {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub url: Option<String>,
}

/// The same vulnerability under the name of another source.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reference {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    pub source: Source,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rating {
    #[serde(deserialize_with = "lenient::opt_f64")]
    pub score: Option<f64>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub severity: Option<String>,
    #[serde(deserialize_with = "lenient::string")]
    pub method: String,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub vector: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Advisory {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Analysis {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub state: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub justification: Option<String>,
    #[serde(deserialize_with = "lenient::strings")]
    pub response: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub detail: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Affected {
    #[serde(rename = "ref", deserialize_with = "lenient::string")]
    pub target: String,
    #[serde(deserialize_with = "lenient::list_or_default")]
    pub versions: Vec<AffectedVersion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AffectedVersion {
    #[serde(deserialize_with = "lenient::opt_string")]
    pub version: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    pub range: Option<String>,
    /// `affected` (the default), `unaffected` or `unknown`.
    #[serde(deserialize_with = "lenient::opt_string")]
    pub status: Option<String>,
}
