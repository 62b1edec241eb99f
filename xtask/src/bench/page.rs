//! Pages of 50, filtered and sorted, with finding, asset and latest report, over loopback.

use anyhow::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::time::{Duration, Instant};

use super::http::Client;
use super::server::Server;
use super::{millis, percentile, print, rate};

const PAGE: &str = "query Page($after: String) { group(organization: \"demo\", slug: \"shop\") { vulnerabilities(first: 50, after: $after, filter: { states: [OPEN], minSeverity: 4.0 }, orderBy: { field: SEVERITY, direction: DESC }) { edges { cursor node { id state severity { level score } finding { id title } asset { id name latestReport { id tool created } } } } pageInfo { hasNextPage endCursor } } } }";
/// All of them, by two clients.
const REQUESTS: usize = 2_000;

// What a client must know to go on; the rest is checked to be JSON and dropped, so that it is the
// server that is measured.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    group: Group,
}

#[derive(Deserialize)]
struct Group {
    vulnerabilities: Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    edges: Vec<IgnoredAny>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    end_cursor: Option<String>,
}

/// # Errors
/// A request that fails, or a page that is not full.
pub fn run(server: &Server, store: &str, count: usize) -> Result<()> {
    let mut times = Vec::new();
    let total = Instant::now();
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (url, token) = (server.url.clone(), server.token.clone());
            std::thread::spawn(move || turn(&url, &token))
        })
        .collect();
    for client in clients {
        times.extend(
            client
                .join()
                .map_err(|_| anyhow::anyhow!("a client failed"))??,
        );
    }
    print(&json!({
        "scenario": "page", "store": store, "vulnerabilities": count, "requests": REQUESTS, "per_s": rate(REQUESTS, total.elapsed()),
        "p50_ms": millis(percentile(&mut times, 50)), "p99_ms": millis(percentile(&mut times, 99)),
    }));
    Ok(())
}

/// One client's pages, one after the other; how long each took.
fn turn(url: &str, token: &str) -> Result<Vec<Duration>> {
    let mut client = Client::new(url, token)?;
    let mut after: Option<String> = None;
    let mut times = Vec::new();
    for _ in 0..REQUESTS / 2 {
        let body = json!({ "query": PAGE, "variables": { "after": after } }).to_string();
        let started = Instant::now();
        let page: Answer =
            client.request_as("POST", "/api", "application/json", "", body.as_bytes())?;
        times.push(started.elapsed());
        let page = page.data.group.vulnerabilities;
        anyhow::ensure!(page.edges.len() == 50, "a page of {}", page.edges.len());
        after = page.page_info.end_cursor;
    }
    Ok(times)
}
