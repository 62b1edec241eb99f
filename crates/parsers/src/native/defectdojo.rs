//! One finding as DefectDojo's "Generic Findings Import" knows it, from JSON or CSV.
//!
//! Documented at
//! <https://docs.defectdojo.com/supported_tools/parsers/generic_findings_import/>. An item may
//! have a component, a file and several endpoints at once: each becomes an instance of its own.
//! Its flags become what the report says about it: mitigated ones and duplicates are absent; false
//! positives, accepted risks, what is out of scope and what is inactive are suppressed. Without a
//! known severity it is info, as there. Next: [`super::defectdojo_json`],
//! [`super::defectdojo_csv`].

use gna_domain::import::{Position, Refusal, Reported};
use gna_domain::model::{CodeLocation, EndpointLocation, Location, PackageLocation};

use super::draft::{Draft, Emitter};
use crate::text;

/// The fields that matter here; empty texts are absent ones.
#[derive(Debug, Default)]
pub struct Item {
    pub title: String,
    pub severity: String,
    pub description: String,
    pub mitigation: String,
    pub impact: String,
    pub steps: String,
    pub references: String,
    /// Vulnerability ids, each may hold several.
    pub ids: Vec<String>,
    pub cwes: Vec<String>,
    pub vectors: Vec<String>,
    pub score: Option<f64>,
    pub file_path: String,
    pub line: Option<u32>,
    pub symbol: String,
    pub endpoints: Vec<String>,
    pub parameter: String,
    pub component_name: String,
    pub component_version: String,
    pub fix_version: String,
    pub unique_id: String,
    pub vuln_id: String,
    pub tags: Vec<String>,
    pub flags: Flags,
}

/// What DefectDojo keeps as a row of independent flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub inactive: bool,
    pub mitigated: bool,
    pub duplicate: bool,
    pub false_positive: bool,
    pub out_of_scope: bool,
    pub risk_accepted: bool,
}

impl Flags {
    /// The strongest of them.
    fn reported(self) -> Reported {
        let absent = |reason: &str| Reported::Absent {
            reason: reason.to_owned(),
        };
        let aside = |status: &str| Reported::Suppressed {
            status: status.to_owned(),
            justification: None,
        };
        if self.false_positive {
            aside("false_p")
        } else if self.mitigated {
            absent("is_mitigated")
        } else if self.duplicate {
            absent("duplicate of another finding in DefectDojo")
        } else if self.out_of_scope {
            aside("out_of_scope")
        } else if self.risk_accepted {
            aside("risk_accepted")
        } else if self.inactive {
            aside("inactive")
        } else {
            Reported::Present
        }
    }
}

impl Item {
    /// Hands over one finding for each place.
    ///
    /// # Errors
    /// What the sink answered.
    pub fn emit(self, emitter: &mut Emitter<'_>, position: Position) -> Result<(), Refusal> {
        let separators = |c: char| c == ',' || c == ';' || c.is_whitespace();
        let identifiers: Vec<String> = self
            .ids
            .iter()
            .flat_map(|ids| ids.split(separators))
            .map(str::to_owned)
            .collect();
        let known = text::in_order(&identifiers);
        let rule = match (self.vuln_id.trim(), known.first()) {
            ("", Some(id)) => id.clone(),
            ("", None) => text::slug(&self.title),
            (id, _) => id.to_owned(),
        };
        let paragraphs: Vec<&str> = [&self.description, &self.impact]
            .into_iter()
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
            .collect();
        for location in self.places(!known.is_empty()) {
            let draft = Draft {
                rule: rule.clone(),
                title: self.title.clone(),
                description: Some(paragraphs.join("\n\n")),
                recommendation: Some(self.mitigation.clone()),
                references: addresses(&self.references),
                cwes: text::cwes(&self.cwes),
                identifiers: identifiers.clone(),
                vectors: self.vectors.clone(),
                severity: Some(self.severity.clone()),
                score: self.score,
                message: Some(self.steps.clone()),
                fingerprints: Some(self.unique_id.trim())
                    .filter(|id| !id.is_empty())
                    .map(|id| ("unique_id_from_tool".to_owned(), id.to_owned()))
                    .into_iter()
                    .collect(),
                tags: self.tags.clone(),
                reported: self.flags.reported(),
                ..Draft::default()
            };
            emitter.emit(draft, location, position)?;
        }
        Ok(())
    }

    /// A component is a package, unless the item points at a line and names no advisory: then it
    /// is what a scanner of code calls the thing around the line.
    fn places(&self, advisory: bool) -> Vec<Location> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let path = given(&self.file_path).map(|path| text::path(&path, false));
        let mut places = Vec::new();
        match (given(&self.component_name), path) {
            (Some(name), path) if path.is_none() || self.line.is_none() || advisory => {
                places.push(Location::Package(PackageLocation {
                    name,
                    version: given(&self.component_version),
                    fixed_version: given(&self.fix_version),
                    path,
                    ..PackageLocation::default()
                }));
            }
            (component, Some(path)) => places.push(Location::Code(CodeLocation {
                path,
                line: self.line,
                symbol: component.or_else(|| given(&self.symbol)),
                ..CodeLocation::default()
            })),
            _ => {}
        }
        let endpoints = self.endpoints.iter().filter_map(|url| given(url));
        places.extend(endpoints.map(|url| {
            Location::Endpoint(EndpointLocation {
                url,
                method: None,
                parameter: given(&self.parameter),
            })
        }));
        if places.is_empty() {
            places.push(Location::Asset);
        }
        places
    }
}

/// The addresses in a free text.
fn addresses(text: &str) -> Vec<String> {
    let border =
        |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '<' | '>' | '[' | ']' | '"' | ',');
    text.split(border)
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .map(str::to_owned)
        .collect()
}
