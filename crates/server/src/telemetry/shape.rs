//! What leaves of a span, and under which name: a pure function.
//!
//! Only what is named here leaves. Log lines inside a span stay in the log, fields that nobody thought
//! of stay here, and texts are masked once more, as in the log. Names are OpenTelemetry's where its
//! semantic conventions (HTTP spans, 1.23 and later) have one.

use gna_domain::rules::redact::redacted_text;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;

/// Fields of our spans, and what they are called outside.
const FIELDS: &[(&str, &str)] = &[
    ("egress.outcome", "gna.egress.outcome"),
    ("egress.purpose", "gna.egress.purpose"),
    ("http.method", "http.request.method"),
    ("http.route", "http.route"),
    ("http.status", "http.response.status_code"),
    ("job.attempt", "gna.job.attempt"),
    ("job.id", "gna.job.id"),
    ("job.kind", "gna.job.kind"),
    ("job.outcome", "gna.job.outcome"),
    ("request.id", "gna.request.id"),
    ("server.address", "server.address"),
];

/// Methods that are told; any other is what a stranger made up.
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
];

/// The span as it may leave.
pub fn shaped(mut span: SpanData) -> SpanData {
    span.events = SpanEvents::default();
    span.links = SpanLinks::default();
    span.attributes = span.attributes.into_iter().filter_map(told).collect();
    let of = |name: &str| {
        let found = span.attributes.iter().find(|at| at.key.as_str() == name);
        found.map_or_else(String::new, |at| at.value.to_string())
    };
    let status: u16 = of("http.response.status_code").parse().unwrap_or(0);
    let method = of("http.request.method");
    let (kind, name, failed) = match &*span.name {
        "http.request" => (
            SpanKind::Server,
            format!("{method} {}", of("http.route")),
            status >= 500,
        ),
        "egress.request" => (SpanKind::Client, method, of("gna.egress.outcome") != "ok"),
        "worker.job.run" => (
            SpanKind::Consumer,
            format!("job {}", of("gna.job.kind")),
            ["dead", "retried", "lost"].contains(&of("gna.job.outcome").as_str()),
        ),
        other => (SpanKind::Internal, other.to_owned(), false),
    };
    span.span_kind = kind;
    span.name = Cow::Owned(name);
    span.status = match failed {
        true => Status::error(""),
        false => Status::Unset,
    };
    span
}

/// A field that may leave.
fn told(attribute: KeyValue) -> Option<KeyValue> {
    let name = attribute.key.as_str();
    let (_, outside) = FIELDS.iter().find(|(inside, _)| *inside == name)?;
    let value = match attribute.value {
        Value::String(text) if name == "http.method" && !METHODS.contains(&text.as_str()) => {
            Value::from("_OTHER")
        }
        Value::String(text) => Value::from(redacted_text(text.as_str())),
        other => other,
    };
    Some(KeyValue::new(*outside, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::queue::tests::ended;

    fn attribute<'a>(span: &'a SpanData, name: &str) -> Option<&'a Value> {
        let found = span.attributes.iter().find(|at| at.key.as_str() == name);
        found.map(|at| &at.value)
    }

    #[test]
    fn spans_are_named_as_others_name_theirs() {
        for (name, fields, kind, told, failed) in [
            (
                "http.request",
                vec![
                    KeyValue::new("http.method", "GET"),
                    KeyValue::new("http.route", "/api/v2/jobs/{id}"),
                    KeyValue::new("http.status", 404_i64),
                ],
                SpanKind::Server,
                "GET /api/v2/jobs/{id}",
                false,
            ),
            (
                "http.request",
                vec![
                    KeyValue::new("http.method", "HUNTER2"),
                    KeyValue::new("http.route", "unmatched"),
                    KeyValue::new("http.status", 503_i64),
                ],
                SpanKind::Server,
                "_OTHER unmatched",
                true,
            ),
            (
                "egress.request",
                vec![
                    KeyValue::new("http.method", "POST"),
                    KeyValue::new("egress.outcome", "4xx"),
                ],
                SpanKind::Client,
                "POST",
                true,
            ),
            (
                "worker.job.run",
                vec![
                    KeyValue::new("job.kind", "import.report"),
                    KeyValue::new("job.outcome", "done"),
                ],
                SpanKind::Consumer,
                "job import.report",
                false,
            ),
            ("other", vec![], SpanKind::Internal, "other", false),
        ] {
            let span = shaped(SpanData {
                attributes: fields,
                ..ended(name)
            });
            assert_eq!(span.span_kind, kind, "{told}");
            assert_eq!(span.name, told);
            assert_eq!(span.status == Status::error(""), failed, "{told}");
        }
    }

    #[test]
    fn only_what_is_named_leaves_and_texts_are_masked() {
        let span = shaped(SpanData {
            attributes: vec![
                KeyValue::new("authorization", "Bearer hunter2"),
                KeyValue::new("url.full", "https://example.com/?token=hunter2"),
                KeyValue::new("request.id", "ghp_0123456789abcdef0123456789abcdef"),
                KeyValue::new("job.attempt", 2_i64),
            ],
            ..ended("worker.job.run")
        });
        let all = format!("{span:?}");
        assert!(!all.contains("hunter2") && !all.contains("ghp_"), "{all}");
        assert_eq!(span.attributes.len(), 2, "{all}");
        assert_eq!(attribute(&span, "gna.job.attempt"), Some(&Value::I64(2)));
    }
}
