//! Environments of assets: what lies in one is found, and a scan of one closes nothing elsewhere.

use gna_domain::error::Result;
use gna_domain::id::AssetId;
use gna_domain::model::{AuditEntry, Environment, EnvironmentKind};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::repo;
use gna_domain::port::search::Sort;
use gna_domain::service::environment::{self, EnvironmentChange, NewEnvironment};
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::report::{self, UploadReport};
use gna_domain::service::{asset, vulnerability};
use gna_domain::{Ctx, Resource};
use gna_testkit::Stores;
use serde_json::json;

use crate::import::helpers::Scene;

const PRODUCTION: &str = "https://shop.example.com";
const STAGING: &str = "https://staging.example.com:8443";

/// What a scanner of web sites says.
fn scan(urls: &[&str]) -> Vec<u8> {
    let finding = |url: &&str| {
        json!({
            "rule": "sqli", "title": "SQL injection", "severity": "high",
            "location": { "url": url, "method": "GET", "parameter": "q" },
        })
    };
    let findings: Vec<_> = urls.iter().map(finding).collect();
    json!({
        "format": "gna-report", "version": 1, "tool": { "name": "prober" }, "category": "DAST",
        "findings": findings,
    })
    .to_string()
    .into_bytes()
}

fn about(environment: &str) -> UploadReport {
    UploadReport {
        environment: Some(environment.to_owned()),
        ..UploadReport::default()
    }
}

impl Scene {
    async fn web(&self, who: &Ctx, name: &str, address: &str) -> Result<Environment> {
        let new = NewEnvironment {
            name: name.to_owned(),
            kind: EnvironmentKind::Url,
            addresses: vec![address.to_owned()],
        };
        environment::add(who, self.asset().await, new).await
    }

    async fn asset(&self) -> AssetId {
        let page = PageRequest::first(1);
        let listed = asset::of_group(&self.ci, &self.group, page).await;
        listed.expect("lists").items[0].id
    }

    /// The addresses of those that are open, filtered by environment.
    async fn open_in(&self, environments: &[&str]) -> Vec<String> {
        self.world.run_jobs().await.expect("indexes");
        let filter = VulnerabilityFilter {
            states: vec!["OPEN".to_owned()],
            environments: environments.iter().map(|&name| name.to_owned()).collect(),
            ..VulnerabilityFilter::default()
        };
        let sort = Sort {
            field: "created",
            descending: false,
        };
        let place = [self.place()];
        let page = PageRequest::first(100);
        let found = vulnerability::query(&self.ci, &place, &filter, sort, &page).await;
        let found = found.expect("finds").items;
        let mut urls: Vec<String> = found
            .iter()
            .map(|(value, _)| match &value.location {
                gna_domain::model::Location::Endpoint(endpoint) => endpoint.url.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        urls.sort();
        urls
    }

    async fn counted(&self) -> Vec<(String, u64)> {
        self.world.run_jobs().await.expect("indexes");
        let filter = VulnerabilityFilter::default();
        let scope = [self.place()];
        let facet = vulnerability::facets(&self.ci, &scope, &filter, &["environment"], 9);
        facet.await.expect("counts")[0].values.clone()
    }

    fn place(&self) -> Resource {
        Resource::Group(self.group.organization, self.group.id)
    }
}

fn at(base: &str, path: &str) -> String {
    format!("{base}{path}")
}

#[tokio::test]
async fn what_lies_in_an_environment_is_found_and_follows_its_addresses() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let mona = scene.world.member(&scene.group, Role::Manager);
        let (login, search) = (at(PRODUCTION, "/login"), at(STAGING, "/search"));
        let other = "https://shop.example.com.evil.example/login".to_owned();
        scene.import(scan(&[&login, &search, &other])).await;
        assert_eq!(scene.counted().await, []);
        let production = scene.web(&mona, " Production", PRODUCTION).await;
        let production = production.expect("is added");
        assert_eq!(production.name, "production");
        scene
            .web(&mona, "staging", STAGING)
            .await
            .expect("is added");
        assert_eq!(scene.open_in(&["PRODUCTION"]).await, [login.as_str()]);
        assert_eq!(scene.open_in(&["staging"]).await, [search.as_str()]);
        assert_eq!(scene.open_in(&["staging", "production"]).await.len(), 2);
        assert_eq!(scene.open_in(&[]).await.len(), 3);
        let one_each = [("production".to_owned(), 1), ("staging".to_owned(), 1)];
        assert_eq!(scene.counted().await, one_each, "{stores:?}");

        // What comes later is found, too.
        let cart = at(PRODUCTION, "/cart");
        scene.import(scan(&[&login, &search, &other, &cart])).await;
        assert_eq!(
            scene.open_in(&["production"]).await,
            [cart.as_str(), &login]
        );
        // Another name and another address: the index follows.
        let change = EnvironmentChange {
            name: Some("live".to_owned()),
            addresses: Some(vec![cart.clone()]),
            ..EnvironmentChange::default()
        };
        let of = scene.asset().await;
        let changed = environment::update(&mona, of, production.id, change).await;
        assert_eq!(changed.expect("changes").id, production.id);
        assert_eq!(scene.open_in(&["live"]).await, [cart.as_str()]);
        assert_eq!(scene.open_in(&["production"]).await.len(), 0);
        environment::remove(&mona, of, production.id)
            .await
            .expect("goes");
        assert_eq!(scene.counted().await, [("staging".to_owned(), 1)]);
        scene.check().await;

        let audit = repo::all_children::<AuditEntry>(
            scene.world.ports.store.as_ref(),
            &scene.group.organization.to_string(),
        )
        .await
        .expect("reads");
        let count = |action: &str| audit.iter().filter(|entry| entry.action == action).count();
        assert_eq!(count("environment.added"), 2);
        assert_eq!(count("environment.changed"), 1);
        assert_eq!(count("environment.removed"), 1);
    }
}

#[tokio::test]
async fn a_scan_of_one_environment_closes_nothing_elsewhere() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let mona = scene.world.member(&scene.group, Role::Manager);
        scene.import(scan(&[])).await;
        scene
            .web(&mona, "production", PRODUCTION)
            .await
            .expect("is added");
        scene
            .web(&mona, "staging", STAGING)
            .await
            .expect("is added");
        let (login, cart) = (at(PRODUCTION, "/login"), at(PRODUCTION, "/cart"));
        let (search, admin) = (at(STAGING, "/search"), at(STAGING, "/admin"));
        let told = scene
            .import_as(about("Production"), scan(&[&login, &cart]))
            .await;
        let known = told.environment.as_ref().map(|about| about.name.as_str());
        assert_eq!(known, Some("production"));
        // The same tool, the same ref: what it found in production stays.
        scene
            .import_as(about("staging"), scan(&[&search, &admin]))
            .await;
        assert_eq!(scene.open_in(&[]).await.len(), 4, "{stores:?}");
        let next = scene.import_as(about("staging"), scan(&[&admin])).await;
        assert_eq!(next.counts.closed, 1);
        assert_eq!(scene.open_in(&["staging"]).await, [admin.as_str()]);
        assert_eq!(scene.open_in(&["production"]).await.len(), 2);
        scene.import_as(about("production"), scan(&[&cart])).await;
        assert_eq!(scene.open_in(&[]).await, [cart.as_str(), &admin]);
        // The same once more changes nothing.
        let before = scene.summary().await;
        let again = scene.import_as(about("production"), scan(&[&cart])).await;
        assert_eq!((again.counts.unchanged, again.counts.closed), (1, 0));
        assert_eq!(scene.summary().await, before);
        // A scan that names none is about everything.
        scene.import(scan(&[&admin])).await;
        assert_eq!(scene.open_in(&[]).await, [admin.as_str()]);
        scene.check().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let scene = Scene::on(Stores::Memory).await;
    let world = &scene.world;
    let mona = world.member(&scene.group, Role::Manager);
    let tess = world.member(&scene.group, Role::Triager);
    scene.import(scan(&[])).await;
    let of = scene.asset().await;
    let staging = scene
        .web(&mona, "staging", STAGING)
        .await
        .expect("is added");
    for (who, name, address, code) in [
        (&tess, "production", PRODUCTION, "auth.forbidden"),
        (&mona, "", PRODUCTION, "environment.name"),
        (&mona, "production", "shop", "environment.address"),
        (&mona, "Staging ", PRODUCTION, "environment.exists"),
    ] {
        let refused = scene.web(who, name, address).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{name} {address}");
    }
    // A kind that does not take the addresses that are there.
    let change = EnvironmentChange {
        kind: Some(EnvironmentKind::Host),
        ..EnvironmentChange::default()
    };
    let refused = environment::update(&mona, of, staging.id, change).await;
    assert_eq!(refused.expect_err("refused").code(), "environment.address");
    let elsewhere = world.group(&world.organization("evil").await, "den").await;
    let eve = world.member(&elsewhere, Role::Manager);
    let refused = environment::remove(&eve, of, staging.id).await;
    assert_eq!(refused.expect_err("hidden").code(), "not_found");
    let upload = UploadReport {
        asset: "checkout".to_owned(),
        ..about("production")
    };
    let refused = report::upload(&scene.ci, scene.group.id, upload, scan(&[]).into()).await;
    assert_eq!(refused.expect_err("refused").code(), "environment.unknown");
    let known = asset::require(&tess, of).await.expect("may");
    let all = environment::of_asset(&tess, &known).await.expect("may");
    assert_eq!(all, [staging]);

    // What is refused leaves nothing behind: no asset, no ref.
    for (name, branch, environment, code) in [
        ("checkout", "feature", "moon", "environment.unknown"),
        ("checkout", "feature", "", "environment.name"),
        ("new", "main", "staging", "environment.unknown"),
        ("new", "main", "", "environment.name"),
        ("new", "ma\nin", "staging", "name.malformed"),
        ("ne\nw", "main", "staging", "name.malformed"),
    ] {
        let upload = UploadReport {
            asset: name.to_owned(),
            r#ref: Some(branch.to_owned()),
            ..about(environment)
        };
        let refused = report::upload(&scene.ci, scene.group.id, upload, scan(&[]).into()).await;
        assert_eq!(
            refused.expect_err("refused").code(),
            code,
            "{name} {branch}"
        );
        let page = PageRequest::first(10);
        let assets = asset::of_group(&tess, &scene.group, page.clone()).await;
        assert_eq!(assets.expect("may").items.len(), 1, "{name} {branch}");
        let refs = asset::refs(&tess, &known, page).await.expect("may");
        assert_eq!(refs.items.len(), 1, "{name} {branch}");
    }

    // Two people who add one of the same name at once: one of them is refused.
    let (one, two) = tokio::join!(
        scene.web(&mona, "production", PRODUCTION),
        scene.web(&mona, "production", PRODUCTION)
    );
    assert_eq!(
        [one.is_ok(), two.is_ok()].iter().filter(|ok| **ok).count(),
        1
    );
}
