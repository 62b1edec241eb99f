//! Traces for a collector: the settings, and what must hold of them.

use serde::{Deserialize, Deserializer, Serialize};

use super::model::text;

/// Where traces go; `crate::telemetry::Settings` has what follows, with the standard variables of
/// OpenTelemetry for what is empty here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// `http://HOST:4318`, to which the path of traces is added.
    pub otlp_endpoint: String,
    #[serde(deserialize_with = "text")]
    pub service_name: String,
    /// A decimal number from 0 to 1, or nothing.
    #[serde(deserialize_with = "decimal")]
    pub sample_ratio: String,
}

impl TelemetryConfig {
    /// Everything that is wrong, one sentence each.
    pub(super) fn problems(&self) -> Vec<String> {
        let is_named = !self.otlp_endpoint.is_empty();
        let mut problems = Vec::new();
        if is_named && !is_endpoint(&self.otlp_endpoint) {
            problems.push(format!("telemetry.otlp_endpoint {ENDPOINT}"));
        }
        if is_named && cfg!(not(feature = "otlp")) {
            problems.push(
                "telemetry.otlp_endpoint is set, but this binary was built without the feature otlp"
                    .to_owned(),
            );
        }
        if !self.sample_ratio.is_empty() && share(&self.sample_ratio).is_none() {
            problems.push("telemetry.sample_ratio must be from 0 to 1, or empty".to_owned());
        }
        problems
    }
}

/// What an address of a collector must be, as the end of a sentence.
pub const ENDPOINT: &str = "must be like http://collector:4318, with neither user nor query (give what the collector wants to see in OTEL_EXPORTER_OTLP_HEADERS)";

/// Whether traces can be sent there. Secrets have no place in it: it may be in a log.
#[must_use]
pub fn is_endpoint(address: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        address.strip_prefix(scheme).is_some_and(|rest| {
            let odd = |c: char| matches!(c, '@' | '?' | '#') || c.is_whitespace();
            !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(odd)
        })
    })
}

/// A share, from 0 to 1.
#[must_use]
pub fn share(text: &str) -> Option<f64> {
    let share: f64 = text.trim().parse().ok()?;
    (0.0..=1.0).contains(&share).then_some(share)
}

/// A number as a text, whichever of the two it is written as.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Whole(u64),
        Part(f64),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Whole(number) => number.to_string(),
        Written::Part(number) => number.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides, load};

    #[test]
    fn an_address_of_a_collector_holds_no_secret() {
        for (address, good) in [
            ("http://collector:4318", true),
            ("https://otlp.example.com/v1/traces", true),
            ("http://[::1]:4318/", true),
            ("collector:4318", false),
            ("grpc://collector:4317", false),
            ("http://", false),
            ("http:///v1/traces", false),
            ("http://user:hunter2@collector:4318", false),
            ("http://collector:4318?key=hunter2", false),
            ("http://collector:4318 ", false),
        ] {
            assert_eq!(is_endpoint(address), good, "{address}");
        }
    }

    #[test]
    fn a_share_may_be_written_as_a_number_or_a_text() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("gna.toml");
        for (written, read) in [
            ("0.25", Some("0.25")),
            ("1", Some("1")),
            ("1.0", Some("1")),
            ("'0.5'", Some("0.5")),
            ("''", Some("")),
            ("1.5", None),
            ("-1", None),
            ("'all'", None),
        ] {
            std::fs::write(&file, format!("[telemetry]\nsample_ratio = {written}\n"))
                .expect("written");
            let loaded = load(
                folder.path(),
                None,
                &Environment::default(),
                Overrides::default(),
            );
            match (loaded, read) {
                (Ok(config), Some(read)) => assert_eq!(config.telemetry.sample_ratio, read),
                (Err(error), None) => {
                    assert!(error.0.contains("sample_ratio"), "{written}: {error}");
                }
                (loaded, _) => panic!("{written}: {loaded:?}"),
            }
        }
        let environment = Environment::from_pairs([("GNA_TELEMETRY__SAMPLE_RATIO", "0.1")]);
        std::fs::write(&file, "").expect("written");
        let config = load(folder.path(), None, &environment, Overrides::default());
        assert_eq!(config.expect("valid").telemetry.sample_ratio, "0.1");
    }

    #[test]
    fn an_endpoint_needs_a_build_that_can_use_it() {
        let config = TelemetryConfig {
            otlp_endpoint: "http://collector:4318".to_owned(),
            service_name: String::new(),
            sample_ratio: String::new(),
        };
        let problems = config.problems().join("\n");
        assert_eq!(
            problems.contains("without the feature otlp"),
            cfg!(not(feature = "otlp")),
            "{problems}"
        );
    }
}
