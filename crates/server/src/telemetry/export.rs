//! The way out: spans of this program to batches, and batches to the collector by OTLP over HTTP with
//! protobuf. A thread of the library's sends them; it has nothing to do with the runtime.

use gna_domain::error::{Error, Result};
use gna_domain::rules::redact::redacted_text;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use super::queue::{Gate, ROOM, Sender, Tally};
use super::{Settings, Traces};

/// How long taking up a connection to the collector may last.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one batch may take.
const BATCH: Duration = Duration::from_secs(10);
/// How long the end of the process waits for what is not sent yet.
const END: Duration = Duration::from_secs(5);

/// What follows the spans of this program.
pub type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What must be told at the end.
pub(super) struct Way {
    provider: SdkTracerProvider,
}

impl Way {
    pub(super) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(END) {
            let error = redacted_text(&error.to_string());
            tracing::warn!(error, "the last spans of traces could not be sent");
        }
    }
}

/// Begins to send. Not to be called by a task of a runtime: the client has one of its own. A collector
/// that is away is no error: it may come.
///
/// # Errors
/// `telemetry.invalid`, where the address can't be used; `telemetry.client`, where the system's
/// certificates can't be read.
pub fn open(settings: &Settings) -> Result<(SpanLayer, Traces)> {
    // The operator named the collector: neither the guard of requests nor anybody's proxy is in between.
    let client = reqwest::blocking::Client::builder()
        .user_agent(concat!("gna/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(BATCH)
        .build()
        .map_err(|_| {
            Error::unavailable(
                "telemetry.client",
                "no client for traces could be made; check the system's certificates",
            )
        })?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.traces_url.clone())
        .with_http_client(client)
        .build()
        .map_err(|error| unusable(&error))?;
    let tally = Arc::new(Tally::default());
    let batches = BatchSpanProcessor::builder(Sender::new(exporter, Arc::clone(&tally)))
        .with_batch_config(
            BatchConfigBuilder::default()
                .with_max_queue_size(ROOM)
                .build(),
        )
        .build();
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let share = Sampler::TraceIdRatioBased(settings.share);
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(share)))
        .with_resource(resource)
        .with_span_processor(Gate::new(batches, tally))
        .build();
    let tracer = provider.tracer("gna");
    let layer = tracing_opentelemetry::layer::<Registry>()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_told).with_max_level_hint(LevelFilter::INFO));
    let traces = Traces {
        way: Some(Way { provider }),
    };
    let spans: SpanLayer = Box::new(layer);
    Ok((spans, traces))
}

fn unusable(error: &dyn Display) -> Error {
    let why = redacted_text(&error.to_string());
    Error::invalid(
        "telemetry.invalid",
        format!(
            "traces can't be sent: {why}; check telemetry.otlp_endpoint and the variables OTEL_*"
        ),
    )
}

/// Spans of this program. Those of libraries tell what we don't know of, and log lines stay in the log.
fn is_told(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with("gna_")
}
