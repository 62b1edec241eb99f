//! What is to be done with traces: the configuration, and where that is silent the variables that
//! all programs with OpenTelemetry know.

use gna_domain::error::{Error, Result};

use crate::config::{ENDPOINT, TelemetryConfig, is_endpoint, share};

/// Path of traces below a collector's address (OTLP specification 1.x, OTLP/HTTP request).
const PATH: &str = "/v1/traces";

/// Where traces go, as whose, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The whole address.
    pub traces_url: String,
    pub service_name: String,
    /// Share of the traces begun here that are kept, from 0 to 1.
    pub share: f64,
}

impl Settings {
    /// `None` where traces are to go nowhere. `variable` reads the environment.
    ///
    /// # Errors
    /// `telemetry.invalid`, where a variable says what can't be.
    pub fn of(
        config: &TelemetryConfig,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>> {
        let said = |name: &str| {
            let value = variable(name)?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        if said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let (name, traces_url) = if config.otlp_endpoint.is_empty() {
            let whole = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
            let base = "OTEL_EXPORTER_OTLP_ENDPOINT";
            match (said(whole), said(base)) {
                (Some(address), _) => (whole, address),
                (None, Some(address)) => (base, below(&address)),
                (None, None) => return Ok(None),
            }
        } else {
            ("telemetry.otlp_endpoint", below(&config.otlp_endpoint))
        };
        if !is_endpoint(&traces_url) {
            return Err(invalid(format!("{name} {ENDPOINT}")));
        }
        let argument = "OTEL_TRACES_SAMPLER_ARG";
        let (name, ratio) = if config.sample_ratio.is_empty() {
            (argument, said(argument))
        } else {
            ("telemetry.sample_ratio", Some(config.sample_ratio.clone()))
        };
        let share = match ratio {
            None => 1.0,
            Some(text) => {
                share(&text).ok_or_else(|| invalid(format!("{name} must be from 0 to 1")))?
            }
        };
        let service_name = Some(config.service_name.clone()).filter(|name| !name.is_empty());
        Ok(Some(Self {
            traces_url,
            service_name: service_name
                .or_else(|| said("OTEL_SERVICE_NAME"))
                .unwrap_or_else(|| "gna".to_owned()),
            share,
        }))
    }
}

fn invalid(message: String) -> Error {
    Error::invalid("telemetry.invalid", message)
}

/// The address of traces at a collector, also where somebody named it as such.
fn below(base: &str) -> String {
    let base = base.trim_end_matches('/');
    match base.ends_with(PATH) {
        true => base.to_owned(),
        false => format!("{base}{PATH}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: &str, name: &str, ratio: &str) -> TelemetryConfig {
        TelemetryConfig {
            otlp_endpoint: endpoint.to_owned(),
            service_name: name.to_owned(),
            sample_ratio: ratio.to_owned(),
        }
    }

    #[test]
    fn variables_speak_where_the_configuration_is_silent() {
        let silent = config("", "", "");
        let own = config("http://own:4318/", "shop", "0.5");
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/x");
        let name = ("OTEL_SERVICE_NAME", "theirs");
        let share = ("OTEL_TRACES_SAMPLER_ARG", "0.25");
        for (config, variables, expected) in [
            (&silent, vec![], None),
            (&silent, vec![name, share], None),
            (&silent, vec![("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], None),
            (
                &silent,
                vec![general],
                Some(("http://c:4318/v1/traces", "gna", 1.0)),
            ),
            (
                &silent,
                vec![general, whole, name, share],
                Some(("https://t/x", "theirs", 0.25)),
            ),
            (
                &own,
                vec![general, whole, name, share],
                Some(("http://own:4318/v1/traces", "shop", 0.5)),
            ),
            (&own, vec![("OTEL_SDK_DISABLED", "TRUE")], None),
        ] {
            let read = |asked: &str| {
                let found = variables.iter().find(|(name, _)| *name == asked);
                found.map(|(_, value)| (*value).to_owned())
            };
            let found = Settings::of(config, read).expect("valid");
            let found = found.map(|all| (all.traces_url, all.service_name, all.share));
            let expected: Option<(String, String, f64)> = expected
                .map(|(url, name, share): (&str, &str, f64)| (url.into(), name.into(), share));
            assert_eq!(found, expected, "{variables:?}");
        }
    }

    #[test]
    fn what_can_not_be_is_named() {
        let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
        for (variable, value) in [
            (endpoint, "collector:4318"),
            (endpoint, "http://u:hunter2@collector"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ] {
            let base = if variable == endpoint { "" } else { "http://c" };
            let config = config(base, "", "");
            let read = |asked: &str| (asked == variable).then(|| value.to_owned());
            let error = Settings::of(&config, read).expect_err(value);
            assert_eq!(error.code(), "telemetry.invalid");
            assert!(error.message().contains(variable), "{error}");
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_path_is_added_once() {
        for base in ["http://c", "http://c/", "http://c/v1/traces"] {
            assert_eq!(below(base), "http://c/v1/traces");
        }
    }
}
