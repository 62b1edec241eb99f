//! The XML form, and the vulnerability extension 1.0 of bills before 1.4: inside components, or
//! in a list whose entries point at their component with `ref`.

use gna_domain::import::{FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::model::Level;

use super::super::draft::Emitter;
use super::finding::{Components, describe, emit, emit_in, package};
use super::model::{
    Advisory, Affected, AffectedVersion, Analysis, Component, Evidence, Metadata, Occurrence,
    Property, Rating, Reference, Source, Tool, Tools, Vulnerability,
};
use crate::Input;
use crate::format::{Confidence, Format, Options};
use crate::xml::{self, Element};

pub struct CycloneDxXml;

const COMPONENT: &str = "bom/components/component";
const SERVICE: &str = "bom/services/service";
const VULNERABILITY: &str = "bom/vulnerabilities/vulnerability";
const METADATA: &str = "bom/metadata";

impl Format for CycloneDxXml {
    fn info(&self) -> &FormatInfo {
        &super::XML_INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(root) = xml::root(input.head_text()).filter(|root| root.name == "bom") else {
            return Confidence::No;
        };
        if root
            .namespace
            .is_some_and(|namespace| namespace.contains("cyclonedx.org"))
        {
            Confidence::Certain
        } else {
            Confidence::Weak
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut out = Emitter::new(sink, Level::Medium);
        let mut components = Components::default();
        let mut metadata = Metadata::default();
        let root = xml::for_each(input, &[COMPONENT, SERVICE, METADATA], |item| {
            if item.path == 2 {
                metadata = read_metadata(&item.element);
                return Ok(());
            }
            inside(&item.element, &mut out)?;
            components.add(component(&item.element));
            Ok(())
        })?;
        root.expect(&["bom"], "CycloneDX")?;
        let meta = describe(&metadata, 0);
        if let Some(subject) = metadata.component.take() {
            components.add(subject);
        }
        xml::for_each(input, &[VULNERABILITY], |item| {
            emit(
                vulnerability(&item.element),
                &components,
                item.position,
                &mut out,
            )
        })?;
        Ok(ReportMeta {
            items: out.items(),
            ..meta
        })
    }
}

/// Vulnerabilities that the extension keeps inside a component, and inside those nested in it.
fn inside(element: &Element, out: &mut Emitter<'_>) -> Result<(), Refusal> {
    let mut left = vec![element];
    while let Some(element) = left.pop() {
        left.extend(element.all("components/component"));
        for found in element.all("vulnerabilities/vulnerability") {
            let position = found.position(out.items());
            emit_in(
                &vulnerability(found),
                package(single(element)),
                position,
                out,
            )?;
        }
    }
    Ok(())
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn read_metadata(element: &Element) -> Metadata {
    let tool = |found: &Element| Tool {
        name: owned(found.value("name")),
        version: owned(found.value("version")),
    };
    let paths = [
        "tools/tool",
        "tools/components/component",
        "tools/services/service",
    ];
    Metadata {
        timestamp: owned(element.value("timestamp")),
        tools: Tools::List(
            paths
                .iter()
                .flat_map(|path| element.all(path))
                .map(tool)
                .collect(),
        ),
        component: element.get("component").map(component),
    }
}

/// A component with those nested in it. The reader of XML limits the depth.
fn component(element: &Element) -> Component {
    let nested = |path| element.all(path).into_iter().map(component).collect();
    Component {
        components: nested("components/component"),
        services: nested("services/service"),
        ..single(element)
    }
}

/// A component without those nested in it.
fn single(element: &Element) -> Component {
    let property = |found: &Element| Property {
        name: found.attr("name").unwrap_or_default().to_owned(),
        value: Some(found.text().to_owned()),
    };
    let occurrence = |found: &Element| Occurrence {
        location: owned(found.value("location")),
    };
    Component {
        bom_ref: owned(element.attr("bom-ref")),
        r#type: element.attr("type").unwrap_or_default().to_owned(),
        group: owned(element.value("group")),
        name: element.value("name").unwrap_or_default().to_owned(),
        version: owned(element.value("version")),
        purl: owned(element.value("purl")),
        evidence: Evidence {
            occurrences: element
                .all("evidence/occurrences/occurrence")
                .into_iter()
                .map(occurrence)
                .collect(),
        },
        properties: element
            .all("properties/property")
            .into_iter()
            .map(property)
            .collect(),
        ..Component::default()
    }
}

fn vulnerability(element: &Element) -> Vulnerability {
    let texts = |path: &str| {
        element
            .values(path)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let source = |found: &Element| Source {
        url: owned(found.value("source/url")),
    };
    let advisory = |found: &Element| {
        // The extension writes the address as the element's own text.
        let text = Some(found.text()).filter(|text| !text.is_empty());
        Advisory {
            url: owned(found.value("url").or(text)),
        }
    };
    let mut affects: Vec<Affected> = element
        .all("affects/target")
        .into_iter()
        .map(affected)
        .collect();
    affects.extend(element.attr("ref").map(|target| Affected {
        target: target.to_owned(),
        ..Affected::default()
    }));
    let recommendations = texts("recommendations/recommendation");
    Vulnerability {
        bom_ref: owned(element.attr("bom-ref")),
        id: owned(element.value("id")),
        source: source(element),
        references: element
            .all("references/reference")
            .into_iter()
            .map(|found| Reference {
                id: owned(found.value("id")),
                source: source(found),
            })
            .collect(),
        ratings: element
            .all("ratings/rating")
            .into_iter()
            .map(rating)
            .collect(),
        cwes: texts("cwes/cwe"),
        description: owned(element.value("description")),
        detail: owned(element.value("detail")),
        recommendation: owned(element.value("recommendation"))
            .or_else(|| (!recommendations.is_empty()).then(|| recommendations.join("\n"))),
        workaround: owned(element.value("workaround")),
        advisories: element
            .all("advisories/advisory")
            .into_iter()
            .map(advisory)
            .collect(),
        analysis: Analysis {
            state: owned(element.value("analysis/state")),
            justification: owned(element.value("analysis/justification")),
            response: texts("analysis/responses/response"),
            detail: owned(element.value("analysis/detail")),
        },
        affects,
    }
}

fn rating(element: &Element) -> Rating {
    let score = element
        .value("score/base")
        .or_else(|| element.value("score"));
    Rating {
        score: score.and_then(|text| text.parse().ok()),
        severity: owned(element.value("severity")),
        method: element.value("method").unwrap_or_default().to_owned(),
        vector: owned(element.value("vector")),
    }
}

fn affected(element: &Element) -> Affected {
    let version = |found: &Element| AffectedVersion {
        version: owned(found.value("version")),
        range: owned(found.value("range")),
        status: owned(found.value("status")),
    };
    Affected {
        target: element.value("ref").unwrap_or_default().to_owned(),
        versions: element
            .all("versions/version")
            .into_iter()
            .map(version)
            .collect(),
    }
}
