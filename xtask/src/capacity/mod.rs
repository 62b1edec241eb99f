//! What a large instance costs on DynamoDB and OpenSearch, on paper: items, bytes and capacity units
//! of what people and pipelines do, measured on a small instance and multiplied with the arithmetic
//! shown. Read next: `meter.rs` (what a call costs), `plan.rs` (how a month of it adds up).

mod documents;
mod meter;
mod plan;

use anyhow::{Result, anyhow};
use gna_domain::model::Group;
use gna_domain::page::PageRequest;
use gna_domain::port::Clock;
use gna_domain::port::repo;
use gna_domain::port::search::Sort;
use gna_domain::rules::decide::Decision;
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::report::UploadReport;
use gna_domain::service::{triage, vulnerability};
use gna_domain::{Ctx, Resource};
use gna_storage::backend::memory::MemoryBackend;
use gna_storage::search::MemorySearch;
use gna_testkit::{FakeClock, SearchBetween, World};
use std::sync::Arc;

use crate::bench::sarif;
use documents::Documents;
use meter::{Cost, Meter};
use plan::{Measured, Pattern};

#[derive(clap::Args)]
pub struct Args {
    /// Findings of the report that is measured
    #[arg(long, default_value_t = 5_000)]
    findings: usize,
    #[command(flatten)]
    pattern: Pattern,
}

/// # Errors
/// No runtime, or the simulation fails.
pub fn run(args: &Args) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let measured = runtime.block_on(measure(args.findings))?;
    plan::print(&measured, &args.pattern);
    Ok(true)
}

/// A small instance that is watched.
struct Watched {
    world: World,
    meter: Arc<Meter>,
    documents: Arc<Documents>,
    group: Group,
    ctx: Ctx,
}

impl Watched {
    async fn new() -> Self {
        let clock = Arc::new(FakeClock::default());
        let time = clock.clone();
        let backend = MemoryBackend::new(Arc::new(move || time.now()));
        let meter = Arc::new(Meter::new(backend));
        let documents = Arc::<Documents>::default();
        let search = Arc::new(SearchBetween {
            inner: Arc::new(MemorySearch::new()),
            with: documents.clone(),
        });
        let world = World::over(meter.clone(), search, clock);
        let organization = world.organization("acme").await;
        let group = world.group(&organization, "shop").await;
        let ctx = world.system();
        meter.take();
        Self {
            world,
            meter,
            documents,
            group,
            ctx,
        }
    }

    async fn import(&self, asset: &str, report: Vec<u8>) -> (Cost, u64) {
        let upload = UploadReport {
            asset: asset.to_owned(),
            file_name: "r.sarif".to_owned(),
            ..UploadReport::default()
        };
        self.meter.take();
        self.documents.take();
        let done = self.world.import(&self.ctx, &self.group, upload, report);
        done.await;
        self.world.clock.advance_days(1);
        let (written, touched) = self.documents.take();
        (self.meter.take(), written + touched)
    }
}

async fn measure(findings: usize) -> Result<Measured> {
    let watched = Watched::new().await;
    let (new, new_documents) = watched.import("api", sarif(findings, 1)).await;
    let kept = watched.meter.kept();
    let feed = watched.meter.feed_kept();
    let documents = watched.documents.kept();
    let (again, again_documents) = watched.import("api", sarif(findings, 1)).await;
    // Other results in as many places as there are in a hundredth of it: so many new, so many gone.
    let changed = changed(findings)?;
    let (some, some_documents) = watched.import("api", changed).await;

    let (ctx, group) = (&watched.ctx, &watched.group);
    let scope = [Resource::Group(group.organization, group.id)];
    let filter = VulnerabilityFilter::default();
    let sort = Sort {
        field: "severity",
        descending: true,
    };
    let page = PageRequest::first(50);
    let found = vulnerability::query(ctx, &scope, &filter, sort, &page).await;
    let found = found.map_err(|error| anyhow!("{error}"))?;
    let store = ctx.store();
    let findings_of: Vec<_> = found.items.iter().map(|(one, _)| one.finding).collect();
    let assets_of: Vec<_> = found.items.iter().map(|(one, _)| one.asset).collect();
    let read = async {
        repo::get_many::<gna_domain::model::Finding>(store, &distinct(findings_of)).await?;
        repo::get_many::<gna_domain::model::Asset>(store, &distinct(assets_of)).await
    };
    read.await.map_err(|error| anyhow!("{error}"))?;
    let page = watched.meter.take();

    let one = found.items.first().map(|(one, _)| one.id);
    let one = one.ok_or_else(|| anyhow!("the page is empty"))?;
    let tag = Decision::Tag {
        add: vec!["seen".to_owned()],
        remove: Vec::new(),
    };
    let decided = triage::decide(ctx, one, tag, None, None).await;
    decided.map_err(|error| anyhow!("{error}"))?;
    let indexed = watched.world.run_jobs().await;
    indexed.map_err(|error| anyhow!("{error}"))?;
    let decision = watched.meter.take();
    Ok(Measured {
        findings: findings as u64,
        kept,
        feed,
        documents,
        new,
        new_documents,
        again,
        again_documents,
        some,
        some_documents,
        page,
        decision,
    })
}

fn distinct<T: Ord>(mut ids: Vec<T>) -> Vec<T> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The report with every hundredth result replaced by another.
fn changed(findings: usize) -> Result<Vec<u8>> {
    let read = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes);
    let mut report = read(sarif(findings, 1))?;
    let other = read(sarif(findings, 2))?;
    let results = |report: &serde_json::Value| report["runs"][0]["results"].clone();
    let others = results(&other);
    for at in (0..findings).step_by(100) {
        let mut result = others[at].clone();
        let place = &mut result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        *place = format!("src/other/file_{at}.rs").into();
        report["runs"][0]["results"][at] = result;
    }
    Ok(serde_json::to_vec(&report)?)
}
