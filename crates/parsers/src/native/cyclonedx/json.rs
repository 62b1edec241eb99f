//! The JSON form: two sweeps, first over the components, then over the vulnerabilities.

use gna_domain::import::{FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::model::Level;
use serde::Deserialize;

use super::super::draft::Emitter;
use super::super::sniff::Outline;
use super::finding::{Components, describe, emit};
use super::model::{Component, Metadata, Vulnerability};
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient};

pub struct CycloneDxJson;

/// The document without its long lists.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bom {
    #[serde(deserialize_with = "lenient::string")]
    bom_format: String,
    #[serde(deserialize_with = "lenient::string")]
    spec_version: String,
    #[serde(deserialize_with = "lenient::or_default")]
    metadata: Metadata,
}

impl Format for CycloneDxJson {
    fn info(&self) -> &FormatInfo {
        &super::JSON_INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()).filter(|outline| !outline.list) else {
            return Confidence::No;
        };
        let marked = outline.has("bomFormat") && outline.mentions("\"CycloneDX\"");
        let schema = outline.has("$schema") && outline.mentions("cyclonedx.org/schema/bom");
        if marked || schema {
            return Confidence::Certain;
        }
        // Sorted keys put `components` before `bomFormat` never, but `specVersion` after them.
        if outline.has("specVersion") && outline.has_any(&["components", "vulnerabilities"]) {
            Confidence::Likely
        } else {
            Confidence::No
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut bom: Bom = json::document(input)?;
        if bom.bom_format != "CycloneDX" && bom.spec_version.is_empty() {
            return Err(Refusal::new(
                "report.wrong_format",
                "this JSON has no `bomFormat` CycloneDX; export a CycloneDX bill of materials, 1.4 or newer",
            ));
        }
        let mut out = Emitter::new(sink, Level::Medium);
        let mut components = Components::default();
        json::for_each_of(input, &["components[]", "services[]"], |item| {
            match item.read::<Component>() {
                Ok(component) => components.add(component),
                Err(warning) => out.note("component.unread", warning.message, item.position),
            }
            Ok(())
        })?;
        let meta = describe(&bom.metadata, 0);
        if let Some(subject) = bom.metadata.component.take() {
            components.add(subject);
        }
        json::for_each(input, "vulnerabilities[]", |item| {
            let Some(found) = out.check(item.read::<Vulnerability>()) else {
                return Ok(());
            };
            emit(found, &components, item.position, &mut out)
        })?;
        Ok(ReportMeta {
            items: out.items(),
            ..meta
        })
    }
}
