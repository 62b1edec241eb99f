//! Vulnerabilities and the components they affect as findings.

use gna_domain::import::{Category, Position, Refusal, ReportMeta, Reported};
use gna_domain::model::{Level, Location, PackageLocation};
use gna_domain::time::Timestamp;
use std::collections::HashMap;

use super::super::draft::{Draft, Emitter};
use super::model::{Affected, Analysis, Component, Metadata, Rating, Vulnerability};
use crate::text;

/// Properties in which generators keep the file that a component was found in.
const PATHS: [&str; 4] = [
    "syft:location:0:path",
    "aquasecurity:trivy:FilePath",
    "SrcFile",
    "internal:SrcFile",
];
/// Properties in which generators keep the image layer.
const LAYERS: [&str; 3] = [
    "syft:location:0:layerID",
    "aquasecurity:trivy:LayerDigest",
    "aquasecurity:trivy:LayerDiffID",
];

/// The components of a bill by the names that vulnerabilities use for them.
#[derive(Default)]
pub struct Components {
    by_ref: HashMap<String, PackageLocation>,
}

impl Components {
    /// Takes a component and all nested in it.
    pub fn add(&mut self, component: Component) {
        let mut left = vec![component];
        while let Some(mut component) = left.pop() {
            left.append(&mut component.components);
            left.append(&mut component.services);
            if let Some(name) = component.bom_ref.clone().or_else(|| component.purl.clone()) {
                self.by_ref.insert(name, package(component));
            }
        }
    }

    /// The package behind a reference: a component of this bill, one of another bill (BOM-Link,
    /// `urn:cdx:serial/version#ref`), a package URL, or whatever the reference is called.
    fn find(&self, reference: &str) -> PackageLocation {
        if let Some(package) = self.by_ref.get(reference) {
            return package.clone();
        }
        let linked = reference
            .strip_prefix("urn:cdx:")
            .and_then(|link| link.split_once('#'));
        let name = linked.map_or_else(|| reference.to_owned(), |(_, name)| text::unescape(name));
        if let Some(package) = self.by_ref.get(&name) {
            return package.clone();
        }
        // An escaped name (`pkg%3Anpm...`) was decoded above, a plain one may hold escapes itself.
        let written = linked.map_or(reference, |(_, name)| name);
        for purl in [written, name.as_str()] {
            if let Some(parts) = text::purl(purl) {
                return PackageLocation {
                    name: parts.name,
                    version: parts.version,
                    ecosystem: Some(parts.ecosystem),
                    purl: Some(purl.to_owned()),
                    ..PackageLocation::default()
                };
            }
        }
        PackageLocation {
            name,
            ..PackageLocation::default()
        }
    }
}

pub fn package(component: Component) -> PackageLocation {
    let property = |names: &[&str]| {
        let found = names.iter().find_map(|name| {
            component
                .properties
                .iter()
                .find(|property| property.name == *name)
        });
        found.and_then(|property| property.value.clone())
    };
    let path = component
        .evidence
        .occurrences
        .iter()
        .find_map(|found| found.location.clone())
        .or_else(|| property(&PATHS));
    let layer = property(&LAYERS);
    // The purl says the ecosystem; without one, a group is written as ecosystems that have any do.
    let name = match &component.group {
        Some(group) if component.purl.is_none() && group.starts_with('@') => {
            format!("{group}/{}", component.name)
        }
        Some(group) if component.purl.is_none() => format!("{group}:{}", component.name),
        _ => component.name,
    };
    PackageLocation {
        name,
        version: component.version,
        ecosystem: component
            .purl
            .as_deref()
            .and_then(text::purl)
            .map(|purl| purl.ecosystem),
        purl: component.purl,
        path: path.map(|path| text::path(&path, false)),
        layer,
        ..PackageLocation::default()
    }
}

/// Hands over one finding per affected component; one of the whole asset where none is named.
pub fn emit(
    found: Vulnerability,
    components: &Components,
    position: Position,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let places: Vec<(PackageLocation, Reported)> = found
        .affects
        .iter()
        .filter(|affected| !affected.target.trim().is_empty())
        .map(|affected| place(affected, &found.analysis, components))
        .collect();
    if places.is_empty() {
        return out.emit(
            draft(&found, None, reported(&found.analysis)),
            Location::Asset,
            position,
        );
    }
    for (package, reported) in places {
        let draft = draft(&found, Some(&package), reported);
        out.emit(draft, Location::Package(package), position)?;
    }
    Ok(())
}

/// A vulnerability written inside the component that it affects, as the extension has it.
pub fn emit_in(
    found: &Vulnerability,
    package: PackageLocation,
    position: Position,
    out: &mut Emitter<'_>,
) -> Result<(), Refusal> {
    let draft = draft(found, Some(&package), reported(&found.analysis));
    out.emit(draft, Location::Package(package), position)
}

fn place(
    affected: &Affected,
    analysis: &Analysis,
    components: &Components,
) -> (PackageLocation, Reported) {
    let mut package = components.find(affected.target.trim());
    let status = |status: &str| {
        affected
            .versions
            .iter()
            .filter(|version| version.status.as_deref() == Some(status))
            .count()
    };
    let reported =
        if !affected.versions.is_empty() && status("unaffected") == affected.versions.len() {
            Reported::Absent {
                reason: "the version is listed as unaffected".to_owned(),
            }
        } else {
            reported(analysis)
        };
    if package.version.is_none() {
        let mut versions = affected.versions.iter().filter(|version| {
            version
                .status
                .as_deref()
                .is_none_or(|status| status == "affected")
        });
        // A range says nothing about the version that is there.
        if let (Some(only), None) = (versions.next(), versions.next())
            && only.range.is_none()
        {
            package.version.clone_from(&only.version);
        }
    }
    (package, reported)
}

fn draft(found: &Vulnerability, package: Option<&PackageLocation>, reported: Reported) -> Draft {
    let id = found.id.clone().or_else(|| found.bom_ref.clone());
    let title = match (&id, package) {
        (Some(id), Some(package)) => format!("{id} in {}", package.name),
        (Some(id), None) => id.clone(),
        (None, _) => text::one_line(
            found
                .description
                .as_deref()
                .unwrap_or("Unnamed vulnerability"),
            200,
        ),
    };
    let rule = id.unwrap_or_else(|| text::slug(&title));
    let mut identifiers = vec![rule.clone()];
    identifiers.extend(
        found
            .references
            .iter()
            .filter_map(|reference| reference.id.clone()),
    );
    let addresses = found
        .advisories
        .iter()
        .filter_map(|advisory| advisory.url.clone());
    let sources = found
        .references
        .iter()
        .filter_map(|reference| reference.source.url.clone());
    let description = match (&found.description, &found.detail) {
        (Some(short), Some(long)) if !long.contains(short.as_str()) => {
            Some(format!("{short}\n\n{long}"))
        }
        (short, long) => long.clone().or_else(|| short.clone()),
    };
    let recommendation = match (&found.recommendation, &found.workaround) {
        (Some(fix), Some(around)) => Some(format!("{fix}\n\n{around}")),
        (fix, around) => fix.clone().or_else(|| around.clone()),
    };
    // The first rating that says something: generators put the source they trust there.
    let mut words = found
        .ratings
        .iter()
        .filter_map(|rating| rating.severity.as_ref());
    let word = words
        .clone()
        .find(|word| Level::from_word(word).is_some())
        .or_else(|| words.next());
    Draft {
        title,
        description,
        recommendation,
        references: found
            .source
            .url
            .iter()
            .cloned()
            .chain(addresses)
            .chain(sources)
            .collect(),
        cwes: text::cwes(&found.cwes),
        identifiers,
        vectors: found.ratings.iter().filter_map(vector).collect(),
        // A bill that says `unknown` says more than one that says nothing.
        default: word.is_some().then_some(Level::Info),
        severity: word.cloned(),
        score: found
            .ratings
            .iter()
            .filter(|rating| rating.method.is_empty() || is_cvss(rating))
            .find_map(|rating| rating.score),
        message: found.analysis.detail.clone(),
        reported,
        rule,
        ..Draft::default()
    }
}

fn is_cvss(rating: &Rating) -> bool {
    rating.method.to_ascii_uppercase().starts_with("CVSS")
        || rating
            .vector
            .as_deref()
            .is_some_and(|vector| vector.starts_with("CVSS:"))
}

/// The vector in the standard's form; the method says the version where the vector does not.
fn vector(rating: &Rating) -> Option<String> {
    let vector = rating.vector.as_deref()?.trim();
    if !is_cvss(rating) || vector.is_empty() {
        return None;
    }
    let bare = vector.trim_matches(|c| c == '(' || c == ')');
    let prefix = match rating.method.to_ascii_uppercase().as_str() {
        _ if bare.starts_with("CVSS") => "",
        "CVSSV4" | "CVSSV40" => "CVSS:4.0/",
        "CVSSV31" => "CVSS:3.1/",
        "CVSSV3" | "CVSSV30" => "CVSS:3.0/",
        _ => "",
    };
    Some(format!("{prefix}{bare}"))
}

/// The state of the analysis (`impactAnalysisState`); what is exploitable or still looked at is
/// there.
fn reported(analysis: &Analysis) -> Reported {
    match analysis.state.as_deref().map(str::trim) {
        Some(state @ ("resolved" | "resolved_with_pedigree")) => Reported::Absent {
            reason: format!("analysis state {state}"),
        },
        Some(state @ ("not_affected" | "false_positive")) => {
            let mut words: Vec<&str> = analysis.justification.as_deref().into_iter().collect();
            words.extend(analysis.response.iter().map(String::as_str));
            Reported::Suppressed {
                status: state.to_owned(),
                justification: (!words.is_empty()).then(|| words.join(", ")),
            }
        }
        _ => Reported::Present,
    }
}

pub fn describe(metadata: &Metadata, items: u64) -> ReportMeta {
    let tool = metadata.tools.first();
    let subject = metadata.component.as_ref();
    ReportMeta {
        tool: tool.and_then(|tool| tool.name.clone()).unwrap_or_default(),
        tool_version: tool.and_then(|tool| tool.version.clone()),
        category: subject
            .filter(|subject| subject.r#type == "container")
            .map(|_| Category::Container),
        scanned_at: metadata
            .timestamp
            .as_deref()
            .and_then(|text| Timestamp::parse(text).ok()),
        subject: subject.map(|subject| match &subject.version {
            Some(version) => format!("{}@{version}", subject.name),
            None => subject.name.clone(),
        }),
        items,
        ..ReportMeta::default()
    }
}
