//! Logs on standard error, as text or JSON, and spans to where traces go. Never bodies, never
//! secrets: the types that hold secrets do not print them, and requests are logged by route and
//! status only.

use gna_domain::error::Result;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat, TelemetryConfig};
use crate::telemetry::{Settings, Traces};

/// Starts logging for this process, and sending traces where that is set up. A second call changes
/// nothing of the log. Not to be called by a task of a runtime.
///
/// # Errors
/// `telemetry.*`, where traces can't be sent as it is set up.
pub fn start(config: &LogConfig, telemetry: &TelemetryConfig) -> Result<Traces> {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    #[cfg(feature = "otlp")]
    if let Some(settings) = Settings::of(telemetry, variable)? {
        return traced::start(config, filter, &settings);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Only the first of several in one process can be the global one.
    let _ = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().with_ansi(false).try_init(),
    };
    // What our own configuration says is refused before; these variables are often set for whatever
    // runs in a place.
    #[cfg(not(feature = "otlp"))]
    if !matches!(Settings::of(telemetry, variable), Ok(None)) {
        tracing::warn!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this binary was built without the feature otlp: no traces are sent"
        );
    }
    Ok(Traces::default())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(feature = "otlp")]
mod traced {
    use super::{EnvFilter, IsTerminal, LogConfig, LogFormat, Result, Settings, Traces};
    use crate::telemetry::{SpanLayer, open};
    use tracing::Subscriber;
    use tracing_subscriber::layer::{Layered, SubscriberExt};
    use tracing_subscriber::registry::LookupSpan;
    use tracing_subscriber::util::SubscriberInitExt;
    use tracing_subscriber::{Layer, Registry, fmt};

    /// The log and the traces, each with its own choice of what it takes.
    pub fn start(config: &LogConfig, filter: EnvFilter, settings: &Settings) -> Result<Traces> {
        let (spans, traces) = open(settings)?;
        let lines = lines::<Layered<SpanLayer, Registry>>(config, filter);
        // Only the first of several in one process can be the global one.
        let _ = Registry::default().with(spans).with(lines).try_init();
        Ok(traces)
    }

    fn lines<S>(config: &LogConfig, filter: EnvFilter) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        match config.format {
            LogFormat::Text => {
                let ansi = std::io::stderr().is_terminal();
                let lines = fmt::layer::<S>().with_writer(std::io::stderr);
                Box::new(lines.with_ansi(ansi).with_filter(filter))
            }
            LogFormat::Json => {
                let lines = fmt::layer::<S>().json().with_writer(std::io::stderr);
                Box::new(lines.with_ansi(false).with_filter(filter))
            }
        }
    }
}
