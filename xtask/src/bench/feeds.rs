//! What a feed of threats costs the search index: rows rewritten for one CVE, for the first feed and for
//! the one of the day after, over as many vulnerabilities as are asked for.
//!
//! In this process, on SQLite, so that the rows can be counted. How many must be rewritten is known
//! beforehand: a run that rewrites another number fails.

use anyhow::{Result, ensure};
use gna_domain::model::{FeedKind, Group};
use gna_domain::policy::Role;
use gna_domain::service::feeds;
use gna_domain::service::report::UploadReport;
use gna_testkit::{AtIndex, SearchBetween, Stores, World, trivy};
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{print, rate, seconds};

/// Vulnerabilities of one asset.
const OF_ASSET: usize = 5_000;
/// How many vulnerabilities share a CVE.
const SHARED: usize = 4;
/// CVEs of a day's feed that nothing here has, as most of the published one are.
const OTHERS: usize = 250_000;
/// Of the CVEs, one in so many moves by more than a tenth from one day to the next.
const MOVES: usize = 50;

/// Counts the rows that are rewritten for their priority.
#[derive(Default)]
struct Counted {
    rewritten: AtomicU64,
}

impl AtIndex for Counted {
    fn prioritized(&self, rows: u64) {
        self.rewritten.fetch_add(rows, Ordering::SeqCst);
    }
}

/// # Errors
/// Another number of rows than must be rewritten, or the store's.
pub fn run(vulnerabilities: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(vulnerabilities, OTHERS))
}

async fn measure(vulnerabilities: usize, others: usize) -> Result<()> {
    let mut world = World::on(Stores::Sqlite).await;
    let counted = Arc::<Counted>::default();
    world.ports.search = Arc::new(SearchBetween {
        inner: world.ports.search.clone(),
        with: counted.clone(),
    });
    let acme = world.organization("acme").await;
    let shop = world.group(&acme, "shop").await;
    let cves = vulnerabilities.div_ceil(SHARED);
    let started = Instant::now();
    fill(&world, &shop, vulnerabilities, cves).await?;
    let filled = started.elapsed();
    print(&json!({
        "scenario": "feeds", "step": "fill", "vulnerabilities": vulnerabilities, "cves": cves,
        "seconds": seconds(filled), "findings_per_s": rate(vulnerabilities, filled),
    }));

    // The root of 0.01 of 2.0 is 0.2: every row moves by two tenths. The day after, all scores are
    // others, and those of one CVE in fifty by enough; then those of one CVE only.
    let first = |_: usize| 0.01;
    let next = |cve: usize| {
        if cve.is_multiple_of(MOVES) {
            0.04
        } else {
            0.01001
        }
    };
    let moved = with(|cve| cve.is_multiple_of(MOVES), vulnerabilities, cves);
    let one = cves.saturating_sub(1);
    let steps: [(&str, String, u64); 4] = [
        (
            "first feed",
            epss(1, 0..cves, others, first),
            with(|_| true, vulnerabilities, cves),
        ),
        ("the same feed", epss(1, 0..cves, others, first), 0),
        ("the next day's feed", epss(2, 0..cves, others, next), moved),
        (
            "one CVE",
            epss(3, one..cves, 0, |_| 0.9),
            with(|cve| cve == one, vulnerabilities, cves),
        ),
    ];
    for (step, feed, must) in steps {
        counted.rewritten.store(0, Ordering::SeqCst);
        let megabytes = feed.len() / 1_000_000;
        let started = Instant::now();
        let system = world.system();
        feeds::import(&system, FeedKind::Epss, "bench.csv", feed.into()).await?;
        world.run_jobs().await?;
        let rewritten = counted.rewritten.load(Ordering::SeqCst);
        print(&json!({
            "scenario": "feeds", "step": step, "vulnerabilities": vulnerabilities, "megabytes": megabytes,
            "rows_rewritten": rewritten, "seconds": seconds(started.elapsed()),
        }));
        ensure!(
            rewritten == must,
            "{step}: {rewritten} rows were rewritten, and {must} had to be"
        );
    }
    Ok(())
}

fn name(cve: usize) -> String {
    format!("CVE-2024-{cve:07}")
}

/// How many vulnerabilities have one of these CVEs.
fn with(has: impl Fn(usize) -> bool, vulnerabilities: usize, cves: usize) -> u64 {
    let all = 0..vulnerabilities;
    u64::try_from(all.filter(|number| has(number % cves)).count()).unwrap_or(u64::MAX)
}

async fn fill(world: &World, shop: &Group, vulnerabilities: usize, cves: usize) -> Result<()> {
    let robot = world.member(shop, Role::Ci);
    let numbers: Vec<usize> = (0..vulnerabilities).collect();
    for (asset, some) in numbers.chunks(OF_ASSET).enumerate() {
        let names: Vec<(String, String)> = some
            .iter()
            .map(|number| (name(number % cves), format!("pad-{number}")))
            .collect();
        let rows: Vec<(&str, &str, &str)> = names
            .iter()
            .map(|(cve, package)| (cve.as_str(), package.as_str(), "1.0.0"))
            .collect();
        let upload = UploadReport {
            asset: format!("service-{asset}"),
            file_name: "trivy.json".to_owned(),
            ..UploadReport::default()
        };
        world
            .import(&robot, shop, upload, trivy("lock.json", &rows))
            .await;
        if asset % 20 == 19 {
            eprintln!("filled {} of {vulnerabilities}", (asset + 1) * OF_ASSET);
        }
    }
    Ok(())
}

/// EPSS as FIRST publishes it, of these CVEs and of others that nothing has.
fn epss(
    day: u32,
    cves: std::ops::Range<usize>,
    others: usize,
    score: impl Fn(usize) -> f64,
) -> String {
    let mut text = format!(
        "#model_version:v2025.03.14,score_date:2026-01-{day:02}T00:00:00Z\ncve,epss,percentile\n"
    );
    // Writing to a String can't fail.
    for cve in cves {
        let _ = writeln!(text, "{},{:.5},0.50000", name(cve), score(cve));
    }
    for other in 0..others {
        let _ = writeln!(text, "CVE-2019-{other:07},{:.5},0.10000", 0.001);
    }
    text
}

#[cfg(test)]
mod tests {
    /// The bench itself, with the numbers that must come out, at a size for every day.
    #[tokio::test]
    async fn one_cve_and_a_days_feed_rewrite_the_rows_that_move_and_no_others() {
        super::measure(6_000, 500).await.expect("as computed");
    }
}
