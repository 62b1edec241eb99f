//! Requests that are part of somebody's trace go on with it (W3C Trace Context, section 3.2).

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The one header that is read. `tracestate` and `baggage` are the caller's notes for others: what
/// is in them must not leave with our spans.
const NAME: &str = "traceparent";

struct Caller<'a>(&'a HeaderMap);

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        if key != NAME {
            return None;
        }
        self.0.get(NAME)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec![NAME]
    }
}

/// The routes, whose spans have the caller's as their parent.
pub fn continuing(router: Router) -> Router {
    router.layer(from_fn(around))
}

async fn around(request: Request, next: Next) -> Response {
    let parent = parent(request.headers());
    next.run(request).with_context(parent).await
}

/// The caller's span; nobody's where the header is missing or is not one.
fn parent(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Caller(headers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TraceContextExt;

    #[test]
    fn only_a_whole_header_makes_a_parent() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        for (sent, found) in [
            (format!("00-{trace}-b7ad6b7169203331-01"), true),
            (format!("00-{trace}-0000000000000000-01"), false),
            (format!("00-{trace}-01"), false),
            ("hunter2".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(NAME, sent.parse().expect("a value"));
            headers.insert("tracestate", "key=hunter2".parse().expect("a value"));
            let context = parent(&headers);
            let span = context.span().span_context().clone();
            assert_eq!(span.is_valid(), found, "{sent}");
            assert_eq!(span.trace_state().header(), "", "{sent}");
            if found {
                assert_eq!(span.trace_id().to_string(), trace);
            }
        }
        assert!(!parent(&HeaderMap::new()).span().span_context().is_valid());
    }
}
