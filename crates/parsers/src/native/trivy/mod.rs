//! Trivy's JSON report (`trivy ... --format json`): vulnerabilities, misconfigurations, secrets and
//! licences of images, file systems, repositories and clusters.
//!
//! Documented at <https://trivy.dev/latest/docs/configuration/reporting/>. Read are schema 2, the
//! bare list of results before it, and the reports of `trivy k8s` in both of their shapes.
//! Identity: advisory and package (name, path, image in a cluster); check and file for
//! misconfigurations; rule, file and line for secrets, whose text is never kept.
//!
//! Two sweeps: the first reads the head of each result (target, class, type), the second its items
//! one by one. Read next: `model.rs`, `item.rs`.

mod item;
mod model;

#[cfg(test)]
mod tests;

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::model::Level;
use gna_domain::time::Timestamp;
use std::sync::LazyLock;

use super::draft::Emitter;
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, text};
use item::Context;
use model::{Head, Report, Resource};

pub struct Trivy;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| {
    FormatInfo {
    name: "trivy".into(),
    title: "Trivy JSON".into(),
    tool: "Trivy".into(),
    category: Category::Sca,
    identity: "advisory and package with its path (and image, in a cluster); check and file; secret rule and file".into(),
    streams: true,
}
});

/// Where results stand in the four shapes of the report.
const GROUPS: [&str; 5] = [
    "Results[]",
    "Resources[].Results[]",
    "Vulnerabilities[].Results[]",
    "Misconfigurations[].Results[]",
    "[]",
];
/// What a result lists.
const KINDS: [&str; 5] = [
    "Vulnerabilities",
    "Misconfigurations",
    "Secrets",
    "Licenses",
    "ExperimentalModifiedFindings",
];

impl Format for Trivy {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()) else {
            return Confidence::No;
        };
        let resources = [
            "Resources",
            "Vulnerabilities",
            "Misconfigurations",
            "Findings",
        ];
        if outline.list {
            let results = outline.has("Target")
                && outline.has_any(&["Vulnerabilities", "Misconfigurations", "Class", "Type"]);
            return if results {
                Confidence::Likely
            } else {
                Confidence::No
            };
        }
        if outline.has("SchemaVersion")
            && outline.has_any(&["ArtifactName", "ArtifactType", "Results", "ReportID"])
            || outline.has("ClusterName") && outline.has_any(&resources)
        {
            return Confidence::Certain;
        }
        let alone = outline.has_all(&["ArtifactName", "ArtifactType"])
            || outline.has("Results")
                && outline.mentions("\"Target\"")
                && outline.mentions("\"Class\"");
        if alone {
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
        let report = if input.text()?.starts_with('[') {
            Report {
                results: Some(json::document::<Vec<Head>>(input)?),
                bare: true,
                ..Report::default()
            }
        } else {
            json::document::<Report>(input)?
        };
        if !report.is_trivys() {
            return Err(Refusal::new(
                "report.wrong_format",
                "this JSON has neither `Results` nor what else marks a report of Trivy; let it write one with --format json",
            ));
        }
        let mut meta = describe(&report);
        let mut out = Emitter::new(sink, Level::Info);
        let paths: Vec<String> = GROUPS
            .iter()
            .flat_map(|group| KINDS.iter().map(move |kind| format!("{group}.{kind}[]")))
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        json::for_each_of(input, &paths, |item| {
            let (group, kind) = (item.path / KINDS.len(), item.path % KINDS.len());
            let context = context(&report, group, item.index(0), item.index(1));
            match kind {
                0 => item::vulnerability(&item, &context, &mut out),
                1 => item::misconfiguration(&item, &context, &mut out),
                2 => item::secret(&item, &context, &mut out),
                3 => item::license(&item, &context, &mut out),
                _ => item::modified(&item, &context, &mut out),
            }
        })?;
        meta.items = out.items();
        Ok(meta)
    }
}

/// What stands around an item: its result, and the cluster's resource that the result is about.
fn context(report: &Report, group: usize, outer: usize, inner: usize) -> Context<'_> {
    let resources: Option<&[Resource]> = match group {
        1 => Some(&report.resources),
        2 => Some(&report.vulnerabilities),
        3 => Some(&report.misconfigurations),
        _ => None,
    };
    match resources {
        None => Context {
            head: report
                .results
                .as_deref()
                .and_then(|results| results.get(outer)),
            resource: None,
        },
        Some(resources) => {
            let resource = resources.get(outer);
            Context {
                head: resource.and_then(|resource| resource.results.get(inner)),
                resource,
            }
        }
    }
}

fn describe(report: &Report) -> ReportMeta {
    let category = match report.artifact_type.as_str() {
        "container_image" | "image" => Some(Category::Container),
        "virtual_machine" | "vm" => Some(Category::Container),
        "aws_account" => Some(Category::Cloud),
        _ if report.cluster_name.is_some() => Some(Category::Container),
        _ => Some(Category::Sca),
    };
    let subject = report
        .artifact_name
        .clone()
        .or_else(|| report.cluster_name.clone());
    let filled = |text: &str| text::filled(Some(text)).map(str::to_owned);
    ReportMeta {
        tool: "Trivy".to_owned(),
        tool_version: filled(&report.trivy.version),
        category,
        scanned_at: report
            .created_at
            .as_deref()
            .and_then(|text| Timestamp::parse(text).ok()),
        subject,
        commit: filled(&report.metadata.commit),
        branch: filled(&report.metadata.branch),
        items: 0,
    }
}
