//! What the requester itself costs per request, without a network: to stay under a millisecond.

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use gna_domain::port::egress::{Egress, EgressError, Header, Method, OutRequest, OutResponse};
use gna_domain::rules::retry::{RetryPolicy, Tries};
use gna_domain::secret::Secret;
use gna_integrations::framework::requester::{NoAuth, Requester, Sent};
use gna_testkit::{FakeClock, SequenceIds};
use std::hint::black_box;
use std::sync::Arc;

/// Answers at once.
struct Echo;

#[async_trait]
impl Egress for Echo {
    async fn send(&self, request: OutRequest) -> Result<OutResponse, EgressError> {
        Ok(OutResponse {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: request.body.map_or_else(Bytes::new, |body| body.bytes),
        })
    }
}

fn overhead(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let requester = Requester::new(
        Arc::new(Echo),
        Arc::new(FakeClock::default()),
        Arc::new(SequenceIds::default()),
    );
    let policy = RetryPolicy::default();
    let body = Bytes::from(vec![b'x'; 10_000]);
    c.bench_function("requester_overhead", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let request = OutRequest::new(Method::Post, "https://app.example/items", "bench")
                .header(Header::secret("authorization", Secret::new("Bearer x")))
                .body("application/json", body.clone());
            let sent = requester
                .send(request, &NoAuth, &policy, Tries::default())
                .await
                .expect("an answer");
            assert!(matches!(black_box(sent), Sent::Answer(_)));
        });
    });
}

criterion_group!(benches, overhead);
criterion_main!(benches);
