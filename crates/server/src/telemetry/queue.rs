//! Between the spans that end and the thread that sends them: so many wait and no more. What finds
//! no room, and what the collector does not take, is dropped and counted.

use gna_domain::rules::redact::redacted_text;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::shape::shaped;

/// Spans that wait at most, those on their way included.
pub const ROOM: usize = 2_048;

/// Between two lines in the log about what was dropped.
const SILENCE: Duration = Duration::from_secs(60);

/// How many wait, and how many were dropped since the log told of it.
#[derive(Debug, Default)]
pub struct Tally {
    waiting: AtomicUsize,
    dropped: AtomicUsize,
    told: Mutex<Option<Instant>>,
}

impl Tally {
    /// Whether there was room for one more, which has it now.
    fn enter(&self) -> bool {
        let one_more = |waiting: usize| (waiting < ROOM).then_some(waiting + 1);
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    fn leave(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    fn lose(&self, count: usize, reason: &'static str) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        metrics::counter!("gna_otlp_spans_dropped_total", "reason" => reason).increment(count);
    }

    /// What the log is to be told now, if anything: how many were dropped since the last time.
    fn to_tell(&self, now: Instant) -> Option<usize> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|at| now.duration_since(at) < SILENCE) {
            return None;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped == 0 {
            return None;
        }
        *told = Some(now);
        Some(dropped)
    }
}

/// Lets spans pass to where they wait, in the shape in which they may leave.
#[derive(Debug)]
pub struct Gate<P> {
    next: P,
    tally: Arc<Tally>,
}

impl<P> Gate<P> {
    pub fn new(next: P, tally: Arc<Tally>) -> Self {
        Self { next, tally }
    }
}

impl<P: SpanProcessor> SpanProcessor for Gate<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.tally.enter() {
            self.next.on_end(shaped(span));
        } else {
            // Not a word in the log here: this is in the midst of somebody's request.
            self.tally.lose(1, "full");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Sends, and keeps the tally. It is called by the thread that sends, one batch after the other.
#[derive(Debug)]
pub struct Sender<E> {
    next: E,
    tally: Arc<Tally>,
}

impl<E> Sender<E> {
    pub fn new(next: E, tally: Arc<Tally>) -> Self {
        Self { next, tally }
    }
}

impl<E: SpanExporter> SpanExporter for Sender<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let sent = self.next.export(batch).await;
        self.tally.leave(count);
        if sent.is_err() {
            self.tally.lose(count, "unsent");
        }
        if let Some(dropped) = self.tally.to_tell(Instant::now()) {
            let why = match &sent {
                Err(error) => redacted_text(&error.to_string()),
                Ok(()) => "more spans ended than could be sent".to_owned(),
            };
            tracing::warn!(
                dropped,
                why,
                "spans of traces were dropped; look at the collector, or keep fewer with telemetry.sample_ratio"
            );
        }
        sent
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use futures::FutureExt;
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{
        SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
    };
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use std::borrow::Cow;
    use std::time::SystemTime;

    /// A span that ended, of a trace that is kept.
    pub fn ended(name: &'static str) -> SpanData {
        let (trace, span) = (TraceId::from(1_u128), SpanId::from(1_u64));
        SpanData {
            span_context: SpanContext::new(
                trace,
                span,
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: Cow::Borrowed(name),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("gna").build(),
        }
    }

    /// Keeps what waits, as the library's processor does, and sends when a test says so.
    #[derive(Debug, Default)]
    struct FakeBatches(Mutex<Vec<SpanData>>);

    impl SpanProcessor for FakeBatches {
        fn on_start(&self, _: &mut Span, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().expect("no panic").push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    /// A collector that takes nothing.
    #[derive(Debug)]
    struct FakeAway;

    impl SpanExporter for FakeAway {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("nobody is there".to_owned()))
        }
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_room_comes_back() {
        let tally = Arc::new(Tally::default());
        let gate = Gate::new(FakeBatches::default(), Arc::clone(&tally));
        for _ in 0..ROOM + 3 {
            gate.on_end(ended("http.request"));
        }
        let waiting = std::mem::take(&mut *gate.next.0.lock().expect("no panic"));
        assert_eq!(waiting.len(), ROOM);
        assert_eq!(tally.dropped.load(Ordering::Relaxed), 3);

        let sender = Sender::new(FakeAway, Arc::clone(&tally));
        let sent = sender.export(waiting).now_or_never().expect("at once");
        assert!(sent.is_err());
        assert_eq!(tally.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(
            tally.dropped.load(Ordering::Relaxed),
            0,
            "the log was told of all"
        );
        gate.on_end(ended("http.request"));
        assert_eq!(gate.next.0.lock().expect("no panic").len(), 1);
    }

    #[test]
    fn a_trace_that_nobody_keeps_takes_no_room() {
        let tally = Arc::new(Tally::default());
        let gate = Gate::new(FakeBatches::default(), Arc::clone(&tally));
        gate.on_end(SpanData {
            span_context: SpanContext::empty_context(),
            ..ended("http.request")
        });
        assert_eq!(tally.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_log_is_told_once_a_minute() {
        let tally = Tally::default();
        let start = Instant::now();
        assert_eq!(tally.to_tell(start), None);
        tally.lose(2, "full");
        assert_eq!(tally.to_tell(start), Some(2));
        tally.lose(5, "full");
        assert_eq!(tally.to_tell(start + SILENCE / 2), None);
        assert_eq!(tally.to_tell(start + SILENCE), Some(5));
        assert_eq!(tally.to_tell(start + SILENCE * 3), None);
    }
}
