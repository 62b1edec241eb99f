//! Webhooks at a steady rate: how soon an app that sends one has its answer, and how soon one of ours
//! is at its receiver.
//!
//! Both are measured from when a thing was due or happened, not from when there was time for it:
//! what waits in line counts.

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use gna_domain::port::Clock;
use gna_domain::time::Timestamp;
use gna_server::outside::SystemClock;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::http::Client;
use super::server::{Product, Server};
use super::{millis, percentile, print, rate};

/// Connections that send at the same time.
const SENDERS: usize = 8;
/// How long the last deliveries may take.
const REST: Duration = Duration::from_secs(60);

/// # Errors
/// A request that fails, or deliveries that do not come.
pub fn run(product: &Product, folder: &Path, per_second: usize, seconds: usize) -> Result<()> {
    let config = folder.join("webhooks.toml");
    std::fs::write(&config, "[egress]\nallow = ['127.0.0.0/8']\nports = []\n")?;
    let server = Server::configured(product, &folder.join("webhooks"), &config)?;
    accept(&server, per_second, seconds)?;
    deliver(&server, per_second, seconds)
}

/// Calls at a steady rate from several connections; answers how long after its time each had its
/// answer.
fn steadily<F>(server: &Server, per_second: usize, seconds: usize, call: F) -> Result<Vec<Duration>>
where
    F: Fn(&mut Client, usize) -> Result<()> + Send + Clone + 'static,
{
    let started = Instant::now() + Duration::from_millis(100);
    let all = per_second * seconds;
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (url, token, call) = (server.url.clone(), server.token.clone(), call.clone());
            std::thread::spawn(move || -> Result<Vec<Duration>> {
                let mut client = Client::new(&url, &token)?;
                let mut times = Vec::new();
                for number in (sender..all).step_by(SENDERS) {
                    let due = started + Duration::from_secs(1) * number as u32 / per_second as u32;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    call(&mut client, number)?;
                    times.push(due.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::with_capacity(all);
    for sender in senders {
        let ended = sender
            .join()
            .map_err(|_| anyhow::anyhow!("a sender failed"))?;
        times.extend(ended?);
    }
    Ok(times)
}

/// Webhooks of an app: verified, kept and answered.
fn accept(server: &Server, per_second: usize, seconds: usize) -> Result<()> {
    let mut client = Client::new(&server.url, &server.token)?;
    let new = json!({ "organization": "demo", "app": "gitlab" }).to_string();
    let made = client.request(
        "POST",
        "/api/v2/receivers",
        "application/json",
        new.as_bytes(),
    )?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
    let (url, secret) = (text(&made["receiver"]["url"])?, text(&made["secret"])?);
    let path = url
        .strip_prefix(&server.url)
        .context("an address of the server")?
        .to_owned();
    let (cpu, started) = (server.cpu_seconds()?, Instant::now());
    let mut times = steadily(server, per_second, seconds, move |client, number| {
        let headers = format!("X-Gitlab-Token: {secret}\r\nX-Gitlab-Event-UUID: {number}\r\n");
        let body = json!({ "object_kind": "issue", "object_attributes": { "action": "update", "iid": number } });
        client
            .request_with(
                "POST",
                &path,
                "application/json",
                &headers,
                body.to_string().as_bytes(),
            )
            .map(|_| ())
    })?;
    print(&json!({
        "scenario": "webhooks-accept", "wanted_per_s": per_second, "events": times.len(),
        "per_s": rate(times.len(), started.elapsed()), "p50_ms": millis(percentile(&mut times, 50)),
        "p95_ms": millis(percentile(&mut times, 95)), "p99_ms": millis(percentile(&mut times, 99)),
        "cpu_s": server.cpu_seconds()? - cpu,
    }));
    Ok(())
}

/// As the server tells the time, in milliseconds.
fn now_ms() -> i64 {
    SystemClock.now().millis()
}

/// What came: when, and its body.
type Came = (i64, Value);

async fn take(State(tell): State<Sender<Came>>, body: String) {
    let at = now_ms();
    if let Ok(body) = serde_json::from_str(&body) {
        // Nobody listens any more once everything that counts has come.
        let _ = tell.send((at, body));
    }
}

/// A receiver on a thread of its own; answers its address.
fn receiver(tell: Sender<Came>) -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}/", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let router = Router::new().route("/", post(take)).with_state(tell);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router).await
        })
    });
    Ok(url)
}

/// Comments, one event each, and when each was at the receiver.
fn deliver(server: &Server, per_second: usize, seconds: usize) -> Result<()> {
    let (tell, told) = channel();
    let url = receiver(tell)?;
    let mut client = Client::new(&server.url, &server.token)?;
    let new = json!({ "organization": "demo", "url": url, "events": ["comment.added"] });
    client.request(
        "POST",
        "/api/v2/webhooks",
        "application/json",
        new.to_string().as_bytes(),
    )?;
    let list = "/api/v2/vulnerabilities?organization=demo&group=shop&first=200";
    let found = client.request("GET", list, "", b"")?;
    let items = found["items"].as_array().context("a list")?;
    let ids: Vec<String> = items
        .iter()
        .filter_map(|item| item["id"].as_str().map(str::to_owned))
        .collect();
    anyhow::ensure!(!ids.is_empty(), "the demo has no vulnerabilities: {found}");
    let things = ids.len();
    let (cpu, started) = (server.cpu_seconds()?, Instant::now());
    let mut made = steadily(server, per_second, seconds, move |client, number| {
        let id = &ids[number % ids.len()];
        let body = json!({ "text": format!("comment {number}") }).to_string();
        let path = format!("/api/v2/vulnerabilities/{id}/comments");
        client
            .request("POST", &path, "application/json", body.as_bytes())
            .map(|_| ())
    })?;
    let made_in = started.elapsed();
    let mut times = Vec::with_capacity(made.len());
    while times.len() < made.len() {
        let (at, body) = told
            .recv_timeout(REST)
            .with_context(|| format!("{} of {} messages came", times.len(), made.len()))?;
        let happened = body["timestamp"]
            .as_str()
            .and_then(|text| Timestamp::parse(text).ok())
            .context("a time")?;
        let late = u64::try_from(at - happened.millis()).unwrap_or(0);
        times.push(Duration::from_millis(late));
    }
    print(&json!({
        "scenario": "webhooks-deliver", "wanted_per_s": per_second, "events": times.len(), "things": things,
        "made_per_s": rate(made.len(), made_in), "delivered_per_s": rate(times.len(), started.elapsed()),
        "comment_p95_ms": millis(percentile(&mut made, 95)), "p50_ms": millis(percentile(&mut times, 50)),
        "p95_ms": millis(percentile(&mut times, 95)), "p99_ms": millis(percentile(&mut times, 99)),
        "cpu_s": server.cpu_seconds()? - cpu,
    }));
    Ok(())
}
