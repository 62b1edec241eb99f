//! Traces over OTLP/HTTP, in builds with the cargo feature `otlp`: spans that end are shaped (what
//! leaves, and under which name), wait in a queue of limited length and are sent in batches by a
//! thread of their own. Nothing here holds up a request or a job.
//!
//! Read next: `shape.rs` (what is told of a span), `queue.rs` (what is dropped), `export.rs`.

#[cfg(feature = "otlp")]
mod continued;
#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod queue;
mod settings;
#[cfg(feature = "otlp")]
mod shape;

#[cfg(feature = "otlp")]
pub use continued::continuing;
#[cfg(feature = "otlp")]
pub use export::{SpanLayer, open};
pub use settings::Settings;

/// The traces' way out, for as long as the process runs.
#[must_use]
#[derive(Default)]
pub struct Traces {
    #[cfg(feature = "otlp")]
    way: Option<export::Way>,
}

impl Traces {
    /// Sends what waits still, for five seconds at most. Not to be called where other tasks of the
    /// same thread wait: it blocks.
    pub fn stop(self) {
        #[cfg(feature = "otlp")]
        if let Some(way) = self.way {
            way.stop();
        }
    }
}

/// The routes as they are: this build keeps no traces.
#[cfg(not(feature = "otlp"))]
pub fn continuing(router: axum::Router) -> axum::Router {
    router
}
