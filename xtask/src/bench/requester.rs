//! What the guarded way out costs over a bare HTTP client, against a server on this machine.

use anyhow::Result;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use gna_domain::port::egress::{Header, Method, OutRequest};
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_domain::rules::retry::{RetryPolicy, Tries};
use gna_domain::secret::Secret;
use gna_integrations::framework::egress::{EgressConfig, HttpEgress};
use gna_integrations::framework::requester::{NoAuth, Requester, Sent};
use gna_testkit::{FakeClock, SequenceIds};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{millis, percentile, print};

/// # Errors
/// A call that fails.
pub fn run(calls: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(calls))
}

async fn measure(calls: usize) -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/items", listener.local_addr()?);
    let router = Router::new().route("/items", post(|body: Bytes| async { body }));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let allowed = AllowList::parse(&["127.0.0.0/8"])
        .map_err(|network| anyhow::anyhow!("{network} is no network"))?;
    let egress = HttpEgress::new(EgressConfig {
        target: TargetPolicy {
            allowed,
            ports: Vec::new(),
            http_anywhere: false,
        },
        proxy: None,
    })?;
    let clock = Arc::new(FakeClock::default());
    let requester = Requester::new(Arc::new(egress), clock, Arc::new(SequenceIds::default()));
    let bare = reqwest::Client::builder().no_proxy().build()?;
    let body = Bytes::from(vec![b'x'; 10_000]);
    let policy = RetryPolicy::default();
    let (mut guarded, mut plain) = (Vec::with_capacity(calls), Vec::with_capacity(calls));
    // In turns, so that what else the machine does meets both.
    for _ in 0..calls {
        let started = Instant::now();
        let answer = bare.post(&url).body(body.clone()).send().await?;
        anyhow::ensure!(
            answer.bytes().await?.len() == body.len(),
            "an answer is cut"
        );
        plain.push(started.elapsed());
        let request = OutRequest::new(Method::Post, &url, "bench")
            .header(Header::secret("authorization", Secret::new("Bearer x")))
            .body("application/octet-stream", body.clone());
        let started = Instant::now();
        let sent = requester
            .send(request, &NoAuth, &policy, Tries::default())
            .await;
        guarded.push(started.elapsed());
        match sent {
            Ok(Sent::Answer(answer)) if answer.status == 200 => {}
            _ => anyhow::bail!("the guarded call failed"),
        }
    }
    server.abort();
    let (plain, guarded) = (&mut plain, &mut guarded);
    let over = |percent: usize, plain: &mut [Duration], guarded: &mut [Duration]| {
        percentile(guarded, percent).saturating_sub(percentile(plain, percent))
    };
    print(&json!({
        "scenario": "requester", "calls": calls, "plain_p50_ms": millis(percentile(plain, 50)),
        "guarded_p50_ms": millis(percentile(guarded, 50)), "guarded_p95_ms": millis(percentile(guarded, 95)),
        "overhead_p50_ms": millis(over(50, plain, guarded)), "overhead_p95_ms": millis(over(95, plain, guarded)),
    }));
    Ok(())
}
