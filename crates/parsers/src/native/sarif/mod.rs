//! SARIF 2.1.0 (OASIS Standard, 27 March 2020), the exchange format of static analysis.
//!
//! Documented at <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>; what code hosts add (property
//! `security-severity`, tags `external/cwe/cwe-79`) at
//! <https://docs.github.com/en/code-security/code-scanning>. Identity: rule, path, the tool's
//! fingerprints where it gives some, else the snippet or line; for results that name a package,
//! advisory and package.
//!
//! Two sweeps, because the results may stand before the rules they refer to: the first reads what
//! describes each run, the second reads one result at a time. Each location of a result is an
//! instance of its own, as the standard says that all of them must be changed; the fingerprints of
//! a result belong to its first location. Related locations, code flows and stacks explain and are
//! no instances.
//!
//! What it is not: a validator. Read next: `model.rs`, `result.rs`, then the rest in any order.

mod message;
mod model;
mod package;
mod place;
mod result;
mod rules;
mod severity;

#[cfg(test)]
mod tests;

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Sink, Warning};
use gna_domain::time::Timestamp;
use std::sync::LazyLock;

use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, text};
use model::{Log, Run};
use result::Reader;

pub struct Sarif;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| {
    FormatInfo {
    name: "sarif".into(),
    title: "SARIF 2.1.0".into(),
    tool: "SARIF".into(),
    category: Category::Sast,
    identity: "rule, path, and the tool's fingerprints, else snippet or line; where a package is named: advisory, package and path".into(),
    streams: true,
}
});

impl Format for Sarif {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()).filter(|outline| !outline.list) else {
            return Confidence::No;
        };
        let schema = outline.has("$schema")
            && outline
                .text
                .get(..2_000)
                .unwrap_or(outline.text)
                .to_ascii_lowercase()
                .contains("sarif");
        if schema
            && (outline.has("runs")
                || outline.text.len() < 2_000
                || outline.mentions("\"inlineExternalProperties\""))
        {
            return Confidence::Certain;
        }
        if outline.has("runs")
            && (outline.has("version")
                || outline.mentions("\"driver\"")
                || outline.mentions("\"ruleId\""))
        {
            return Confidence::Certain;
        }
        if schema || outline.has("runs") {
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
        let log: Log = json::document(input)?;
        check_version(&log)?;
        let runs = log.runs.unwrap_or_default();
        let mut meta = describe(&runs);
        for (number, run) in runs.iter().enumerate() {
            if run.external_results() {
                sink.warning(Warning {
                    code: "results.external".to_owned(),
                    message: format!("run {number} keeps results in other files, which were not read; let the tool write one file"),
                    position: Position::default(),
                    skipped: false,
                });
            }
        }
        let mut reader = Reader::new(&runs, sink);
        json::for_each(input, "runs[].results[]", |item| reader.read(&item))?;
        meta.items = reader.items();
        Ok(meta)
    }
}

fn check_version(log: &Log) -> Result<(), Refusal> {
    if log.runs.is_none() && log.version.is_none() {
        return Err(Refusal::new(
            "report.wrong_format",
            "this JSON has neither `runs` nor `version`, so it is no SARIF log",
        ));
    }
    match log.version.as_deref().map(str::trim) {
        None => Ok(()),
        Some(version) if version.starts_with("2.1") => Ok(()),
        Some(other) => Err(Refusal::new(
            "report.wrong_format",
            format!(
                "this is SARIF {other}; only 2.1.0 is read: let the tool write 2.1.0, or convert it with the SARIF Multitool"
            ),
        )),
    }
}

/// What the runs together say about the report.
fn describe(runs: &[Run]) -> ReportMeta {
    let names = runs.iter().map(|run| run.tool.driver.name.trim());
    let tools = text::unique(names.filter(|name| !name.is_empty()));
    let control = runs.iter().flat_map(|run| &run.version_control_provenance);
    let control = control
        .into_iter()
        .find(|control| control.revision_id.is_some() || control.branch.is_some());
    let repository = runs
        .iter()
        .flat_map(|run| &run.version_control_provenance)
        .find_map(|control| control.repository_uri.clone());
    let times = runs.iter().flat_map(|run| &run.invocations);
    let scanned_at = times
        .filter_map(|invocation| {
            invocation
                .end_time_utc
                .as_deref()
                .or(invocation.start_time_utc.as_deref())
        })
        .filter_map(|text| Timestamp::parse(text).ok())
        .max();
    ReportMeta {
        tool: tools.join(", "),
        tool_version: match tools.as_slice() {
            [_] => runs.iter().find_map(|run| run.tool.driver.version()),
            _ => None,
        },
        category: None,
        scanned_at,
        subject: repository.or_else(|| {
            runs.iter()
                .find_map(|run| run.automation_details.id.clone())
        }),
        commit: control.and_then(|control| control.revision_id.clone()),
        branch: control.and_then(|control| control.branch.clone()),
        items: 0,
    }
}
