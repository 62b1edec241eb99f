//! Imports, each counted once: in the commit that writes how its report ended.

use gna_domain::model::{Report, ReportStatus};
use gna_domain::port::store::{ChangeSet, Effect, Entity};

use super::gauges::seconds;

pub(super) fn describe() {
    metrics::describe_counter!(
        "gna_import_reports_total",
        "Reports whose import ended, by outcome and format"
    );
    metrics::describe_counter!(
        "gna_import_findings_total",
        "What became of the items of reports, by outcome"
    );
    metrics::describe_counter!(
        "gna_import_bytes_total",
        "Bytes of reports whose import ended, as they were sent"
    );
    metrics::describe_histogram!(
        "gna_import_seconds",
        "From the upload of a report to the end of its import"
    );
}

/// The reports that a change brings to their end.
pub(super) fn ending(changes: &ChangeSet) -> Vec<Report> {
    let ends = |name: &str| {
        matches!(
            name,
            "report.completed" | "report.refused" | "report.failed"
        )
    };
    changes
        .writes
        .iter()
        .filter(|write| write.key.collection == Report::COLLECTION)
        .filter(|write| write.event.as_ref().is_some_and(|event| ends(&event.name)))
        .filter_map(|write| match &write.effect {
            Effect::Put { body, .. } => serde_json::from_slice(body).ok(),
            Effect::Delete | Effect::Check => None,
        })
        .collect()
}

/// Counts a report that has ended.
pub(super) fn count(report: &Report) {
    let outcome = match report.status {
        ReportStatus::Complete => "complete",
        ReportStatus::Refused => "refused",
        ReportStatus::Failed => "failed",
        ReportStatus::Queued | ReportStatus::Running => return,
    };
    let format = report
        .format
        .clone()
        .unwrap_or_else(|| "unknown".to_owned());
    metrics::counter!("gna_import_reports_total", "outcome" => outcome, "format" => format)
        .increment(1);
    metrics::counter!("gna_import_bytes_total").increment(report.size);
    if let Some(finished) = report.finished {
        let took = seconds(finished.millis() - report.created.millis());
        metrics::histogram!("gna_import_seconds", "outcome" => outcome).record(took);
    }
    let counts = &report.counts;
    for (outcome, number) in [
        ("created", counts.created),
        ("reopened", counts.reopened),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("duplicate", counts.duplicates),
        ("suppressed", counts.suppressed),
        ("skipped", counts.skipped_total()),
        ("closed", counts.closed),
        ("merged", counts.merged),
    ] {
        metrics::counter!("gna_import_findings_total", "outcome" => outcome).increment(number);
    }
}
