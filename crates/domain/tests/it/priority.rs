//! Priorities: what feeds and assets do to the search index, and what they leave alone.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use gna_domain::Resource;
use gna_domain::error::{Error, Result};
use gna_domain::id::VulnerabilityId;
use gna_domain::model::{Criticality, FeedKind, HistoryEntry, Job, Threat, Vulnerability};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::search::{SearchUpdate, Sort};
use gna_domain::port::store::ChangeSet;
use gna_domain::port::{Blobs, Handler, Jobs, Stored, repo};
use gna_domain::rules::priority::Factor;
use gna_domain::service::asset::{self, UpdateAsset};
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::{feeds, index, job, priority, vulnerability};
use gna_testkit::{
    AtCommit, AtIndex, MemoryBlobs, SearchBetween, StoreBetween, Stores, World, trivy,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::import::helpers::Scene;

/// Counts rows that are rewritten for their priority, and documents that are written.
#[derive(Default)]
struct Counted {
    rewritten: AtomicU64,
    documents: AtomicU64,
}

#[async_trait]
impl AtIndex for Counted {
    async fn applies(&self, update: &SearchUpdate) {
        self.documents
            .fetch_add(update.documents.len() as u64, Ordering::SeqCst);
    }

    fn prioritized(&self, rows: u64) {
        self.rewritten.fetch_add(rows, Ordering::SeqCst);
    }
}

struct Desk {
    scene: Scene,
    counted: Arc<Counted>,
}

impl Desk {
    async fn on(stores: Stores) -> Self {
        let mut scene = Scene::on(stores).await;
        let counted = Arc::<Counted>::default();
        scene.world.ports.search = Arc::new(SearchBetween {
            inner: scene.world.ports.search.clone(),
            with: Arc::clone(&counted),
        });
        scene.ci = scene.world.member(&scene.group, Role::Ci);
        Self { scene, counted }
    }

    /// Takes a feed in and does all that follows; answers how many rows were rewritten.
    async fn feed(&self, kind: FeedKind, text: String) -> u64 {
        let before = self.counted.rewritten.load(Ordering::SeqCst);
        feeds::import(&self.scene.world.system(), kind, "test.csv", text.into())
            .await
            .expect("is taken");
        self.scene.world.run_jobs().await.expect("is applied");
        self.counted.rewritten.load(Ordering::SeqCst) - before
    }

    /// CVEs in the order of their priority, with it.
    async fn order(&self) -> Vec<(String, f64)> {
        let reader = self.scene.world.member(&self.scene.group, Role::Reader);
        let scope = [Resource::Group(
            self.scene.group.organization,
            self.scene.group.id,
        )];
        let sort = Sort {
            field: "priority",
            descending: true,
        };
        let found = vulnerability::query(
            &reader,
            &scope,
            &VulnerabilityFilter::default(),
            sort,
            &PageRequest::first(10),
        )
        .await
        .expect("finds");
        let values: Vec<&Vulnerability> = found
            .items
            .iter()
            .map(|(stored, _)| &stored.value)
            .collect();
        let scores = priority::of(&reader, &values).await.expect("scores");
        values
            .iter()
            .zip(scores)
            .map(|(value, priority)| (value.identifiers[0].clone(), priority.score()))
            .collect()
    }
}

fn epss(day: u32, scores: &[(String, f64)]) -> String {
    let lines: String = scores
        .iter()
        .map(|(cve, score)| format!("{cve},{score},0.5\n"))
        .collect();
    format!(
        "#model_version:v1,score_date:2026-01-{day:02}T00:00:00+0000\ncve,epss,percentile\n{lines}"
    )
}

fn kev(cves: &[&str]) -> String {
    let list: Vec<_> = cves
        .iter()
        .map(|cve| serde_json::json!({ "cveID": cve, "dateAdded": "2025-12-01", "knownRansomwareCampaignUse": "Known" }))
        .collect();
    serde_json::json!({ "dateReleased": "2026-01-03T00:00:00Z", "vulnerabilities": list })
        .to_string()
}

fn one(cve: &str, score: f64) -> (String, f64) {
    (cve.to_owned(), score)
}

fn three() -> Vec<u8> {
    trivy(
        "package-lock.json",
        &[
            ("CVE-2024-0001", "left-pad", "1.0.0"),
            ("CVE-2024-0002", "right-pad", "1.0.0"),
            ("CVE-2024-0003", "top-pad", "1.0.0"),
        ],
    )
}

async fn versions(scene: &Scene) -> Vec<(VulnerabilityId, u64)> {
    let all: Vec<Stored<Vulnerability>> = scene.vulnerabilities().await;
    all.iter()
        .map(|stored| (stored.id, stored.version))
        .collect()
}

#[tokio::test]
async fn what_is_known_of_one_cve_rewrites_its_rows_and_nothing_else() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        desk.scene.import(three()).await;
        let before = versions(&desk.scene).await;
        let end = desk.scene.world.ports.store.feed_end().await.expect("ends");
        let documents = desk.counted.documents.load(Ordering::SeqCst);

        assert_eq!(
            desk.feed(FeedKind::Epss, epss(1, &[one("CVE-2024-0002", 0.25)]))
                .await,
            1
        );
        let order = desk.order().await;
        // 7.9 of severity is 3.2, medium criticality 0.5, and the root of 0.25 of 2.0 is 1.0.
        assert_eq!(order[0], one("CVE-2024-0002", 4.7));
        assert_eq!(order[1].1, 3.7);

        // The same feed, and one that moves the score by less than a tenth: no row.
        assert_eq!(
            desk.feed(FeedKind::Epss, epss(1, &[one("CVE-2024-0002", 0.25)]))
                .await,
            0
        );
        assert_eq!(
            desk.feed(FeedKind::Epss, epss(2, &[one("CVE-2024-0002", 0.2501)]))
                .await,
            0
        );
        // One that this instance has nowhere: no row.
        assert_eq!(
            desk.feed(FeedKind::Epss, epss(3, &[one("CVE-1999-9999", 0.9)]))
                .await,
            0
        );
        // Exploitation that is known: 1.5, and all of the probability.
        assert_eq!(desk.feed(FeedKind::Kev, kev(&["CVE-2024-0003"])).await, 1);
        assert_eq!(desk.order().await[0], one("CVE-2024-0003", 7.2));
        // It is taken off the list again.
        assert_eq!(desk.feed(FeedKind::Kev, kev(&["CVE-2024-0001"])).await, 2);
        assert_eq!(desk.order().await[0], one("CVE-2024-0001", 7.2));

        assert_eq!(
            versions(&desk.scene).await,
            before,
            "no vulnerability was written"
        );
        assert_eq!(
            desk.counted.documents.load(Ordering::SeqCst),
            documents,
            "no document was made anew"
        );
        let store = desk.scene.world.ports.store.as_ref();
        for (id, _) in before {
            let history = repo::all_children::<HistoryEntry>(store, &id.to_string())
                .await
                .expect("reads");
            assert!(history.is_empty());
        }
        let told = store.feed(Some(&end), 100).await.expect("reads");
        assert!(
            told.iter().all(|item| item.event.name == "feed.imported"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_whole_feed_rewrites_the_rows_whose_score_moves() {
    const ALL: usize = 1_500;
    let desk = Desk::on(Stores::Sqlite).await;
    let names: Vec<(String, String)> = (0..ALL)
        .map(|n| (format!("CVE-2024-{n:05}"), format!("pad-{n}")))
        .collect();
    let packages: Vec<(&str, &str, &str)> = names
        .iter()
        .map(|(cve, package)| (cve.as_str(), package.as_str(), "1.0.0"))
        .collect();
    desk.scene
        .import(trivy("package-lock.json", &packages))
        .await;
    let day = |number, score: &dyn Fn(usize) -> f64| {
        let scores: Vec<(String, f64)> = names
            .iter()
            .enumerate()
            .map(|(at, (cve, _))| (cve.clone(), score(at)))
            .collect();
        epss(number, &scores)
    };
    // The root of 0.01 of 2.0 is 0.2: every row moves. The next day all scores move a little, and
    // one in fifty by enough.
    assert_eq!(
        desk.feed(FeedKind::Epss, day(1, &|_| 0.01)).await,
        ALL as u64
    );
    let next = |at: usize| if at.is_multiple_of(50) { 0.04 } else { 0.01001 };
    assert_eq!(
        desk.feed(FeedKind::Epss, day(2, &next)).await,
        (ALL / 50) as u64
    );
    let known = feeds::list(&desk.scene.world.system())
        .await
        .expect("lists");
    assert_eq!(
        (known[0].entries, known[0].changed),
        (ALL as u64, ALL as u64)
    );
    assert_eq!(known[0].as_of.to_string(), "2026-01-02T00:00:00.000Z");
    assert_eq!(desk.feed(FeedKind::Epss, day(2, &next)).await, 0);
}

#[tokio::test]
async fn another_asset_is_another_priority_and_the_parts_add_up() {
    let desk = Desk::on(Stores::Memory).await;
    let report = desk.scene.import(three()).await;
    desk.feed(FeedKind::Epss, epss(1, &[one("CVE-2024-0001", 0.5)]))
        .await;
    let before = desk.counted.rewritten.load(Ordering::SeqCst);
    let manager = desk.scene.world.member(&desk.scene.group, Role::Manager);
    let change = UpdateAsset {
        criticality: Some(Criticality::High),
        internet_facing: Some(true),
        ..UpdateAsset::default()
    };
    asset::update(&manager, report.asset, change)
        .await
        .expect("is changed");
    desk.scene.world.run_jobs().await.expect("follows");
    assert_eq!(desk.counted.rewritten.load(Ordering::SeqCst) - before, 3);
    let tagged = UpdateAsset {
        tags: Some(vec!["web".to_owned()]),
        ..UpdateAsset::default()
    };
    asset::update(&manager, report.asset, tagged)
        .await
        .expect("is changed");
    desk.scene.world.run_jobs().await.expect("follows");
    assert_eq!(
        desk.counted.rewritten.load(Ordering::SeqCst) - before,
        3,
        "tags weigh nothing"
    );

    let all = desk.scene.vulnerabilities().await;
    let worst = all
        .iter()
        .find(|value| value.identifiers == ["CVE-2024-0001"])
        .expect("is there");
    let priority = priority::of(&manager, &[&worst.value])
        .await
        .expect("scores");
    let parts: Vec<(Factor, i64)> = priority[0]
        .parts
        .iter()
        .map(|part| (part.factor, part.tenths))
        .collect();
    assert_eq!(
        parts,
        [
            (Factor::Severity, 32),
            (Factor::ExploitProbability, 14),
            (Factor::Exposure, 10),
            (Factor::Criticality, 10),
        ]
    );
    assert_eq!(priority[0].tenths, 66);
    let as_of = priority::as_of(&manager).await.expect("is known");
    assert_eq!(
        as_of.map(|at| at.to_string()).as_deref(),
        Some("2026-01-01T00:00:00.000Z")
    );
    // A rebuilt index has the same order: nothing of it is in the index alone.
    let order = desk.order().await;
    index::rebuild(&desk.scene.world.system())
        .await
        .expect("is rebuilt");
    assert_eq!(desk.order().await, order);
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_changes_nothing_and_strangers_import_none() {
    let desk = Desk::on(Stores::Memory).await;
    let system = desk.scene.world.system();
    let half = epss(1, &[one("CVE-2024-0001", 0.5), one("CVE-2024-0002", 7.0)]);
    let refused = feeds::import(&system, FeedKind::Epss, "a", half.into()).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), "feed.malformed");
    assert!(refused.message().contains("line 4"), "{refused}");
    let packed = feeds::import(&system, FeedKind::Epss, "a", vec![0x1f, 0x8b, 0, 1].into()).await;
    assert_eq!(packed.expect_err("refused").code(), "feed.malformed");
    assert!(feeds::list(&system).await.expect("lists").is_empty());
    let manager = desk.scene.world.member(&desk.scene.group, Role::Manager);
    let sound = epss(1, &[one("CVE-2024-0001", 0.5)]);
    let refused = feeds::import(&manager, FeedKind::Epss, "a", sound.into()).await;
    assert!(refused.is_err());
    let address = feeds::update(&system, FeedKind::Kev, Some("file:///etc/passwd")).await;
    assert_eq!(address.expect_err("refused").code(), "feed.address");
}

#[tokio::test]
async fn two_uploads_of_one_feed_at_once_are_both_taken_over_and_leave_nothing() {
    let desk = Desk::on(Stores::Memory).await;
    let world = &desk.scene.world;
    let system = world.system();
    for (day, cve) in [(1, "CVE-2024-0001"), (2, "CVE-2024-0002")] {
        let text = epss(day, &[one(cve, 0.5)]);
        feeds::import(&system, FeedKind::Epss, cve, text.into())
            .await
            .expect("is taken");
        world.clock.advance_millis(1);
    }
    world.run_jobs().await.expect("both are applied");
    let keys = ["CVE-2024-0001", "CVE-2024-0002"].map(Threat::key_of);
    let known = repo::get_keys::<Threat>(world.ports.store.as_ref(), &keys).await;
    let known = known.expect("reads");
    assert!(known.iter().all(Option::is_some), "each has its own bytes");
    let last = feeds::list(&system).await.expect("lists").remove(0);
    assert_eq!(last.source, "CVE-2024-0002");
    let kept = |prefix: &str| {
        world
            .blobs
            .names()
            .iter()
            .any(|name| name.starts_with(prefix))
    };
    assert!(!kept("feeds/"), "{:?}", world.blobs.names());
}

/// Uploads a feed and has its job given up for this reason; answers the job.
async fn given_up(world: &World, day: u32, error: &Error) -> Stored<Job> {
    let system = world.system();
    let text = epss(day, &[one("CVE-2024-0001", 0.5)]);
    let job = feeds::import(&system, FeedKind::Epss, "late", text.into()).await;
    let job = job.expect("is taken");
    let jobs = world.jobs();
    world.caught_up().await;
    let claimed = jobs.claim("worker", &[feeds::KIND]).await;
    let claimed = claimed.expect("claims").expect("is due");
    let told = feeds::FeedHandler.give_up(&system, claimed.job(), error);
    let told = told.await.expect("is told");
    jobs.bury(&claimed, error.message(), told)
        .await
        .expect("is given up");
    job
}

/// How many uploads are kept.
fn uploads(world: &World) -> usize {
    let names = world.blobs.names();
    let uploads = names.iter().filter(|name| name.starts_with("feeds/"));
    uploads.count()
}

#[tokio::test]
async fn what_was_uploaded_is_kept_while_another_try_can_come_to_something() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let world = &desk.scene.world;
        let system = world.system();
        let away = Error::unavailable("store.unavailable", "no");
        let dead = given_up(world, 1, &away).await;
        assert_eq!(uploads(world), 1, "{stores:?}");
        job::replay(&system, dead.id).await.expect("is tried again");
        world.run_jobs().await.expect("is applied");
        assert_eq!(uploads(world), 0, "{stores:?}");
        let last = feeds::list(&system).await.expect("lists").remove(0);
        assert_eq!((last.entries, last.source.as_str()), (1, "late"));

        // Nobody wants it any more.
        let dead = given_up(world, 2, &away).await;
        job::discard(&system, dead.id).await.expect("goes");
        assert_eq!(uploads(world), 0, "{stores:?}");

        // The next try would come to the same.
        for hopeless in [
            Error::invalid("feed.malformed", "it is broken"),
            Error::limit("feed.too_large", "there is too much of it"),
            Error::conflict("job.cancelled", "the job was cancelled"),
        ] {
            let dead = given_up(world, 3, &hopeless).await;
            assert_eq!(uploads(world), 0, "{}", hopeless.code());
            job::replay(&system, dead.id).await.expect("is tried again");
            let again = world.run_jobs().await.expect_err("there is nothing left");
            assert_eq!(again.code(), "feed.gone");
            // It waits for another try in its lane: out of the way of what comes next.
            world.clock.advance_days(1);
            world.caught_up().await;
            let claimed = world.jobs().claim("worker", &[feeds::KIND]).await;
            let claimed = claimed.expect("claims").expect("is due");
            let changes = ChangeSet::new();
            world
                .jobs()
                .bury(&claimed, "gone", changes)
                .await
                .expect("ends");
        }
    }
}

/// A disk that gives nothing back, and a store that takes no job.
struct Broken(Arc<MemoryBlobs>);

#[async_trait]
impl Blobs for Broken {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.0.put(name, bytes).await
    }

    async fn get(&self, name: &str) -> Result<Bytes> {
        self.0.get(name).await
    }

    async fn stream(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.0.stream(name).await
    }

    async fn delete(&self, _: &str) -> Result<()> {
        Err(Error::unavailable("blob.unavailable", "the disk is away"))
    }
}

#[async_trait]
impl AtCommit for Broken {
    async fn before(&self, _: &ChangeSet) -> Result<()> {
        Err(Error::unavailable("store.unavailable", "the store is away"))
    }
}

#[tokio::test]
async fn an_upload_that_fails_says_why_also_where_its_bytes_stay() {
    let mut world = World::new().await;
    let broken = Arc::new(Broken(world.blobs.clone()));
    world.ports.blobs = broken.clone();
    world.ports.store = Arc::new(StoreBetween {
        inner: world.ports.store.clone(),
        with: broken,
    });
    let text = epss(1, &[one("CVE-2024-0001", 0.5)]);
    let refused = feeds::import(&world.system(), FeedKind::Epss, "a", text.into()).await;
    assert_eq!(refused.expect_err("fails").code(), "store.unavailable");
}
