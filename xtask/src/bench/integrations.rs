//! Many integrations that have nothing to do: what a server that has them costs.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

use super::http::Client;
use super::server::{Product, Server};
use super::{megabytes, print, rate, seconds};

/// Accounts; with as many groups they make all pairs.
const SIDE: usize = 100;
/// How long a server may be busy with what follows its start.
const SETTLE: Duration = Duration::from_secs(10);

/// # Errors
/// A request that fails, or more integrations than there are pairs.
pub fn run(product: &Product, data: &Path, count: usize, idle_seconds: u64) -> Result<()> {
    anyhow::ensure!(count <= SIDE * SIDE, "at most {} can be made", SIDE * SIDE);
    let mut server = Server::start(product, data)?;
    let started = Instant::now();
    fill(&server, count)?;
    let filled = started.elapsed();
    server.stop()?;
    drop(server);
    let started = Instant::now();
    let server = Server::start(product, data)?;
    let start = started.elapsed();
    std::thread::sleep(SETTLE);
    let cpu = server.cpu_seconds()?;
    std::thread::sleep(Duration::from_secs(idle_seconds));
    let used = server.cpu_seconds()? - cpu;
    print(&json!({
        "scenario": "integrations-idle", "integrations": count, "made_per_s": rate(count, filled),
        "start_s": seconds(start), "idle_s": idle_seconds, "cpu_s": used,
        "cpu_percent": used * 100.0 / idle_seconds as f64, "resident_megabytes": megabytes(server.resident_bytes()?),
    }));
    Ok(())
}

/// Notices to addresses, for every pair of a group and an account. Nothing is sent to any of them.
fn fill(server: &Server, count: usize) -> Result<()> {
    let mut client = Client::new(&server.url, &server.token)?;
    let mut post = |path: &str, body: Value| {
        client.request(
            "POST",
            path,
            "application/json",
            body.to_string().as_bytes(),
        )
    };
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
    let (mut groups, mut accounts) = (Vec::new(), Vec::new());
    for number in 0..SIDE {
        let slug = format!("group-{number}");
        let group = json!({ "organization": "demo", "slug": slug, "name": slug });
        post("/api/v2/groups", group)?;
        groups.push(slug.clone());
        let account = json!({
            "organization": "demo", "moduleType": "webhook", "shared": true,
            "data": { "url": format!("https://receiver-{number}.example/"), "label": slug },
        });
        accounts.push(text(&post("/api/v2/authorize", account)?["entityId"])?);
    }
    let pairs = groups
        .iter()
        .flat_map(|group| accounts.iter().map(move |account| (group, account)));
    for (number, (group, account)) in pairs.take(count).enumerate() {
        let new = json!({
            "organization": "demo", "group": group, "shared": true, "entities": [account],
            "config": { "type": "webhook-notice" },
        });
        let made = post("/api/v2/integrations", new)?;
        anyhow::ensure!(made["status"] == "ENABLED", "{made}");
        if number % 1_000 == 999 {
            eprintln!("made {} of {count}", number + 1);
        }
    }
    Ok(())
}
