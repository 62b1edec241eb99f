//! Feeds of threats, and the priorities that follow: cut at any commit they come to the same result.

use gna_domain::Resource;
use gna_domain::model::{FeedKind, Threat, ThreatFeed};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::repo;
use gna_domain::port::search::Sort;
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::{feeds, schedule, vulnerability};
use gna_testkit::{Stores, trivy};

use crate::failing::{Failing, cut_everywhere};
use crate::import::helpers::Scene;

const CVES: u32 = 14;

fn cve(number: u32) -> String {
    format!("CVE-2024-{number:04}")
}

fn epss(day: u32, score: impl Fn(u32) -> f64) -> String {
    let lines: String = (0..CVES)
        .map(|number| format!("{},{:.5},0.5\n", cve(number), score(number)))
        .collect();
    format!(
        "#model_version:v2025.03.14,score_date:2026-01-{day:02}T00:00:00Z\ncve,epss,percentile\n{lines}"
    )
}

/// What is known of each CVE, and the order and scores in the index.
async fn outcome(scene: &Scene) -> (Vec<String>, Vec<String>) {
    let store = scene.world.ports.store.as_ref();
    let keys: Vec<_> = (0..CVES)
        .map(|number| Threat::key_of(&cve(number)))
        .collect();
    let threats = repo::get_keys::<Threat>(store, &keys).await.expect("reads");
    let mut known: Vec<String> = threats
        .iter()
        .map(|threat| format!("{:?}", threat.as_ref().map(|threat| &threat.value)))
        .collect();
    let feed = [ThreatFeed::key_of(FeedKind::Epss)];
    let feed = repo::get_keys::<ThreatFeed>(store, &feed)
        .await
        .expect("reads");
    let feed = feed[0].as_ref().expect("is there");
    known.push(format!("{} {} {}", feed.as_of, feed.entries, feed.source));
    let reader = scene.world.member(&scene.group, Role::Reader);
    let scope = [Resource::Group(scene.group.organization, scene.group.id)];
    let mut order = Vec::new();
    // Bounds that only what is in the index decides on: in tenths, as it has them.
    for floor in 0..=100 {
        let filter = VulnerabilityFilter {
            min_priority: Some(f64::from(floor) / 10.0),
            ..VulnerabilityFilter::default()
        };
        let sort = Sort {
            field: "created",
            descending: false,
        };
        let page = PageRequest::first(100);
        let found = vulnerability::query(&reader, &scope, &filter, sort, &page);
        let found = found.await.expect("finds");
        let mut names: Vec<&str> = found
            .items
            .iter()
            .map(|(stored, _)| stored.identifiers[0].as_str())
            .collect();
        names.sort_unstable();
        order.push(names.join(" "));
    }
    (known, order)
}

async fn run(stores: Stores, fail_after: Option<i64>) -> ((Vec<String>, Vec<String>), bool) {
    let mut scene = Scene::on(stores).await;
    let names: Vec<String> = (0..CVES).map(cve).collect();
    let packages: Vec<(&str, &str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), name.as_str(), "1.0.0"))
        .collect();
    scene.import(trivy("package-lock.json", &packages)).await;
    let system = scene.world.system();
    let first = epss(1, |number| f64::from(number) / 20.0);
    feeds::import(&system, FeedKind::Epss, "first.csv", first.into())
        .await
        .expect("is taken");
    scene.world.run_jobs().await.expect("is applied");

    let failing = Failing::install(&mut scene.world, 9);
    let system = scene.world.system();
    let second = epss(2, |number| f64::from(CVES - number) / 15.0);
    feeds::import(&system, FeedKind::Epss, "second.csv", second.into())
        .await
        .expect("is taken");
    let failed = failing.cut(&mut scene.world, fail_after).await;
    (outcome(&scene).await, failed)
}

#[tokio::test]
async fn a_feed_that_is_cut_at_any_commit_ends_in_the_same_priorities() {
    // Five chunks of the feed, each with a job for its priorities.
    cut_everywhere(10, run).await;
}

#[tokio::test]
async fn feeds_are_fetched_once_a_day_until_that_is_taken_back() {
    let scene = Scene::on(Stores::Memory).await;
    let system = scene.world.system();
    for _ in 0..2 {
        for kind in FeedKind::ALL {
            schedule::ensure(&system, feeds::schedule(kind))
                .await
                .expect("is made");
        }
    }
    scene.world.caught_up().await;
    let made = schedule::list(&system, None, PageRequest::first(10))
        .await
        .expect("lists");
    let names: Vec<&str> = made.items.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["feeds.epss", "feeds.kev"]);
    for of in &made.items {
        let due = of.due.expect("is due");
        let after = due.millis() - system.now().millis();
        assert!((0..=32 * 3_600_000).contains(&after), "{due}");
        assert_eq!(of.job, feeds::KIND);
        assert_eq!(of.payload["fetch"], true);
    }
    for kind in FeedKind::ALL {
        for _ in 0..2 {
            schedule::withdraw(&system, &feeds::schedule_name(kind))
                .await
                .expect("goes");
        }
    }
    scene.world.caught_up().await;
    let left = schedule::list(&system, None, PageRequest::first(10))
        .await
        .expect("lists");
    assert!(left.items.is_empty());
}
