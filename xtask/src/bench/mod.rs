//! Runs the product end to end, as its users do: the released binary, reports over HTTP, figures as JSON.
//!
//! One JSON object per scenario goes to standard output; progress goes to standard error. The store
//! is the default one with its default settings (SQLite, `synchronous=FULL`).

mod feeds;
mod gate;
mod generate;
mod http;
mod integrations;
mod jobs;
mod lambda;
mod page;
mod requester;
mod server;
mod webhooks;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use generate::sarif;
use http::Client;
use server::{Product, Server};

#[derive(clap::Args)]
pub struct Args {
    /// import, gate, grown, page, facets, idle, webhooks, jobs, feeds, requester, integrations-idle; all
    /// of them if none is named. lambda only if it is named: it needs a binary with that feature
    scenarios: Vec<String>,
    /// Findings of the large report
    #[arg(long, default_value_t = 100_000)]
    findings: usize,
    /// Vulnerabilities in the large store
    #[arg(long, default_value_t = 1_000_000)]
    store: usize,
    /// Vulnerabilities that feeds of threats are applied to
    #[arg(long, default_value_t = 100_000)]
    vulnerabilities: usize,
    /// Events per second that webhooks are measured with
    #[arg(long, default_value_t = 1_000)]
    events_per_second: usize,
    /// How long webhooks are measured, in seconds
    #[arg(long, default_value_t = 20)]
    seconds: usize,
    /// Durable jobs
    #[arg(long, default_value_t = 20_000)]
    jobs: usize,
    /// Jobs that the worker does at the same time
    #[arg(long, default_value_t = 4)]
    slots: usize,
    /// Calls through the requester
    #[arg(long, default_value_t = 5_000)]
    calls: usize,
    /// Integrations, at most 10,000
    #[arg(long, default_value_t = 10_000)]
    integrations: usize,
    /// How long nothing happens to them, in seconds
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
    /// Address of another store: `postgres://…` for what serves, any for lambda
    #[arg(long)]
    url: Option<String>,
    /// The binary to measure
    #[arg(long, default_value = "target/release/gna")]
    gna: PathBuf,
    /// Folder for the stores; gone at the end
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Folder of the large store: filled when it does not exist, kept, and used as it is the next time
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// # Errors
/// No binary, or a request that fails.
pub fn run(args: &Args) -> Result<bool> {
    // Alone it needs no binary.
    if args.scenarios == ["feeds"] {
        feeds::run(args.vulnerabilities)?;
        return Ok(true);
    }
    let gna = crate::root().join(&args.gna);
    anyhow::ensure!(
        gna.exists(),
        "{} is not there; build it with: cargo build --release",
        gna.display()
    );
    let folder = match &args.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let product = Product {
        binary: gna.clone(),
        url: args.url.clone(),
    };
    let wanted = |name: &str| {
        args.scenarios.is_empty() || args.scenarios.iter().any(|scenario| scenario == name)
    };
    if wanted("import") {
        import(&product, folder.path().join("import"), args.findings)?;
    }
    if wanted("gate") {
        gate::judge(&gna, folder.path())?;
    }
    if wanted("webhooks") {
        webhooks::run(
            &product,
            folder.path(),
            args.events_per_second,
            args.seconds,
        )?;
    }
    if wanted("jobs") {
        jobs::run(&folder.path().join("jobs"), args.jobs, args.slots)?;
    }
    if wanted("feeds") {
        feeds::run(args.vulnerabilities)?;
    }
    if wanted("requester") {
        requester::run(args.calls)?;
    }
    if wanted("integrations-idle") {
        let data = folder.path().join("integrations");
        integrations::run(&product, &data, args.integrations, args.idle_seconds)?;
    }
    if args.scenarios.iter().any(|scenario| scenario == "lambda") {
        lambda::cold_start(&gna, folder.path(), args.url.as_deref())?;
    }
    if ["grown", "page", "facets", "idle"].into_iter().any(wanted) {
        let data = args.keep.clone().unwrap_or(folder.path().join("large"));
        let filled = data.exists();
        let mut server = Server::start(&product, &data)?;
        if !filled {
            fill(&server, args.store)?;
        }
        if wanted("grown") {
            grown(&product, &server, folder.path().join("empty"))?;
        }
        if wanted("page") {
            page::run(&server, product.store(), args.store)?;
        }
        if wanted("facets") {
            facets(&server, product.store())?;
        }
        if wanted("idle") {
            server.stop()?;
            idle(&product, &data)?;
        }
    }
    Ok(true)
}

/// From a file to committed, deduplicated and searchable; then the same report once more.
fn import(product: &Product, data: PathBuf, findings: usize) -> Result<()> {
    let report = generate::sarif(findings, 1);
    let bytes = report.len();
    let server = Server::start(product, &data)?;
    let mut client = Client::new(&server.url, &server.token)?;
    let wanted = searchable(&mut client)? + findings as u64;
    for round in ["first", "same again"] {
        let cpu = server.cpu_seconds()?;
        let started = Instant::now();
        let counts = upload(&mut client, "bench", &report)?;
        let committed = started.elapsed();
        wait_until_searchable(&mut client, wanted)?;
        let searchable = started.elapsed();
        print(&json!({
            "scenario": "import", "store": product.store(), "round": round, "findings": findings, "megabytes": megabytes(bytes as u64),
            "committed_s": seconds(committed), "searchable_s": seconds(searchable),
            "findings_per_s": rate(findings, searchable), "cpu_s": server.cpu_seconds()? - cpu,
            "peak_megabytes": megabytes(server.peak_bytes()?), "counts": counts,
        }));
    }
    Ok(())
}

/// Uploads a report for an asset and waits for its end; answers the counts.
fn upload(client: &mut Client, asset: &str, report: &[u8]) -> Result<Value> {
    let path = format!(
        "/api/v2/reports?organization=demo&group=shop&asset={asset}&file_name=bench.sarif&wait=60"
    );
    let mut report = client.request("POST", &path, "application/octet-stream", report)?;
    while !["COMPLETE", "REFUSED", "FAILED"]
        .contains(&report["status"].as_str().unwrap_or_default())
    {
        std::thread::sleep(Duration::from_millis(20));
        let id = report["id"]
            .as_str()
            .context("a report has an id")?
            .to_owned();
        report = client.request("GET", &format!("/api/v2/reports/{id}"), "", b"")?;
    }
    anyhow::ensure!(report["status"] == "COMPLETE", "{report}");
    Ok(report["counts"].clone())
}

/// How many vulnerabilities of the group the search index has.
fn searchable(client: &mut Client) -> Result<u64> {
    let list = client.request(
        "GET",
        "/api/v2/vulnerabilities?organization=demo&group=shop&first=1&facets=state",
        "",
        b"",
    )?;
    let states = list["facets"]["state"]
        .as_array()
        .context("a facet of states")?;
    Ok(states
        .iter()
        .filter_map(|state| state["count"].as_u64())
        .sum())
}

fn wait_until_searchable(client: &mut Client, count: u64) -> Result<()> {
    for _ in 0..30_000 {
        if searchable(client)? >= count {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    anyhow::bail!("{count} vulnerabilities did not become searchable")
}

/// Many assets of 5,000 vulnerabilities each, so that the store has the shape of a large installation.
fn fill(server: &Server, count: usize) -> Result<()> {
    let mut client = Client::new(&server.url, &server.token)?;
    let started = Instant::now();
    let assets = count.div_ceil(5_000);
    for asset in 0..assets {
        upload(
            &mut client,
            &format!("service-{asset}"),
            &generate::sarif(5_000, asset as u64 + 2),
        )?;
        if asset % 20 == 19 {
            eprintln!("filled {} of {count}", (asset + 1) * 5_000);
        }
    }
    print(
        &json!({ "scenario": "fill", "vulnerabilities": count, "seconds": seconds(started.elapsed()), "findings_per_s": rate(count, started.elapsed()) }),
    );
    Ok(())
}

/// 1,000 findings into an empty store and into a large one, five times each.
fn grown(product: &Product, large: &Server, data: PathBuf) -> Result<()> {
    let empty = Server::start(product, &data)?;
    let measure = |server: &Server, round: u64| -> Result<Duration> {
        let mut client = Client::new(&server.url, &server.token)?;
        let report = generate::sarif(1_000, 1_000_000 + round);
        let started = Instant::now();
        upload(&mut client, &format!("grown-{round}"), &report)?;
        Ok(started.elapsed())
    };
    let mut times = (Vec::new(), Vec::new());
    for round in 0..5 {
        times.0.push(measure(&empty, round)?);
        times.1.push(measure(large, round)?);
    }
    let (empty, large) = (median(&mut times.0), median(&mut times.1));
    print(
        &json!({ "scenario": "grown", "store": product.store(), "findings": 1_000, "empty_s": seconds(empty), "large_s": seconds(large), "ratio": seconds(large) / seconds(empty) }),
    );
    Ok(())
}

/// All facets of one group.
fn facets(server: &Server, store: &str) -> Result<()> {
    let mut client = Client::new(&server.url, &server.token)?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let started = Instant::now();
        client.request("GET", "/api/v2/vulnerabilities?organization=demo&group=shop&first=1&facets=state,level,tool,cwe", "", b"")?;
        times.push(started.elapsed());
    }
    print(
        &json!({ "scenario": "facets", "store": store, "p50_ms": millis(percentile(&mut times, 50)), "p99_ms": millis(percentile(&mut times, 99)) }),
    );
    Ok(())
}

/// Start with the large file, then a minute of nothing.
fn idle(product: &Product, data: &std::path::Path) -> Result<()> {
    let started = Instant::now();
    let server = Server::start(product, data)?;
    let start = started.elapsed();
    std::thread::sleep(Duration::from_secs(5));
    let cpu = server.cpu_seconds()?;
    std::thread::sleep(Duration::from_secs(60));
    print(
        &json!({ "scenario": "idle", "store": product.store(), "start_s": seconds(start), "cpu_s_per_minute": server.cpu_seconds()? - cpu, "resident_megabytes": megabytes(server.resident_bytes()?) }),
    );
    Ok(())
}

fn print(figures: &Value) {
    println!("{figures}");
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000.0).round() / 1_000.0
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

fn rate(count: usize, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64()) as u64
}

fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}
