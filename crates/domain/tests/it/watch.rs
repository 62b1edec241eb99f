//! Watching what happens, as a service on each store.

use gna_domain::ctx::{Ctx, Grants};
use gna_domain::error::Result;
use gna_domain::id::{AssetId, VulnerabilityId};
use gna_domain::model::{Group, Organization};
use gna_domain::policy::Role;
use gna_domain::port::store::FeedPosition;
use gna_domain::service::comment;
use gna_domain::service::report::UploadReport;
use gna_domain::service::watch::{BATCH, Change, Watch, WatchChanges};
use gna_testkit::{Stores, World, trivy};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Acme with a shop and an office, and Evil Corp with its den.
struct Scene {
    world: World,
    acme: Organization,
    shop: Group,
    office: Group,
    den: Group,
    olga: Ctx,
}

impl Scene {
    async fn on(stores: Stores) -> Self {
        let world = World::on(stores).await;
        let acme = world.organization("acme").await;
        let evil = world.organization("evil").await;
        Self {
            shop: world.group(&acme, "shop").await,
            office: world.group(&acme, "office").await,
            den: world.group(&evil, "den").await,
            olga: world.in_organization(&acme, Role::Owner),
            acme,
            world,
        }
    }

    async fn import(&self, group: &Group, asset: &str, cves: &[&str]) {
        let upload = UploadReport {
            asset: asset.to_owned(),
            file_name: "a.json".to_owned(),
            partial: true,
            ..UploadReport::default()
        };
        let items: Vec<(&str, &str, &str)> =
            cves.iter().map(|cve| (*cve, "left-pad", "1.0.0")).collect();
        let system = self.world.system();
        self.world
            .import(&system, group, upload, trivy("a.json", &items))
            .await;
    }

    async fn end(&self) -> FeedPosition {
        let end = self.world.ports.store.feed_end().await;
        end.expect("reads")
    }

    fn all(&self) -> WatchChanges {
        WatchChanges {
            organization: self.acme.id,
            group: None,
            asset: None,
            events: Vec::new(),
            after: None,
        }
    }

    /// All that is told of what happened until now.
    async fn told(&self, ctx: &Ctx, input: WatchChanges) -> Vec<Change> {
        let mut watch = Watch::begin(ctx, input).await.expect("may watch");
        self.rest(ctx, &mut watch).await
    }

    async fn rest(&self, ctx: &Ctx, watch: &mut Watch) -> Vec<Change> {
        self.world.caught_up().await;
        let (store, end) = (ctx.store(), self.end().await);
        let mut all = Vec::new();
        while !store.feed_reached(watch.position(), &end) {
            let items = watch.wait(ctx).await.expect("reads");
            if let Some(batch) = watch.tell(ctx, &items).await.expect("may know") {
                assert!(batch.events.len() <= BATCH);
                assert_eq!(&batch.position, watch.position());
                all.extend(batch.events);
            }
        }
        all
    }

    /// The scene after something happened in each group, and the position from before that.
    async fn lively(stores: Stores) -> (Self, FeedPosition) {
        let scene = Self::on(stores).await;
        let begin = scene.end().await;
        scene.import(&scene.den, "web", &["CVE-2024-0666"]).await;
        scene.import(&scene.shop, "web", &["CVE-2024-0001"]).await;
        scene.import(&scene.office, "web", &["CVE-2024-0002"]).await;
        scene.import(&scene.shop, "app", &["CVE-2024-0003"]).await;
        let after = Some(begin.clone());
        let found = scene
            .told(
                &scene.olga,
                WatchChanges {
                    after,
                    ..scene.all()
                },
            )
            .await;
        let first: VulnerabilityId = found
            .iter()
            .find_map(|change| change.vulnerability)
            .expect("was found");
        comment::add(&scene.olga, first, "who owns this?", None)
            .await
            .expect("is said");
        (scene, begin)
    }
}

fn names(changes: &[Change]) -> Vec<&'static str> {
    changes.iter().map(|change| change.event).collect()
}

fn code<T>(result: Result<T>) -> &'static str {
    match result {
        Ok(_) => panic!("must be refused"),
        Err(error) => error.code(),
    }
}

#[tokio::test]
async fn what_happens_is_told_in_order_to_whoever_may_see_it() {
    for stores in Stores::ALL {
        let (scene, begin) = Scene::lively(stores).await;
        let from = |input: WatchChanges| WatchChanges {
            after: Some(begin.clone()),
            ..input
        };
        let all = scene.told(&scene.olga, from(scene.all())).await;
        let found: Vec<_> = all
            .iter()
            .filter(|change| change.event == "vulnerability.created")
            .map(|change| change.data["vulnerability"]["identifiers"][0].clone())
            .collect();
        assert_eq!(
            found,
            ["CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"],
            "{stores:?}: as they happened, and nothing of another organization"
        );
        assert!(all.iter().all(|change| change.group != scene.den.id));
        let last = all.last().expect("a comment");
        assert_eq!(
            (last.event, &last.data["comment"]["text"]),
            ("comment.added", &json!("who owns this?")),
            "{stores:?}"
        );
        assert_eq!(last.data["organization"]["slug"], "acme");
        assert!(last.vulnerability.is_some() && last.asset.is_some());
        let read = all.iter().find(|change| change.event == "report.completed");
        assert!(read.is_some_and(|change| change.report.is_some()));

        // Who has one group is told of that one, and of no more than their role may read.
        let of_shop = |change: &&Change| change.group == scene.shop.id;
        let shop: Vec<Change> = all.iter().filter(of_shop).cloned().collect();
        let tess = scene.world.member(&scene.shop, Role::Triager);
        assert_eq!(scene.told(&tess, from(scene.all())).await, shop);
        let ci = scene.world.member(&scene.shop, Role::Ci);
        let seen = scene.told(&ci, from(scene.all())).await;
        assert!(names(&shop).contains(&"comment.added"));
        assert_eq!(
            seen,
            shop[..shop.len() - 1],
            "{stores:?}: all but the comment"
        );

        // Filters leave out, and change nothing else.
        let app: AssetId = shop
            .iter()
            .rev()
            .find(|change| change.event == "vulnerability.created")
            .and_then(|change| change.asset)
            .expect("an asset");
        let (group, asset, events) = (
            WatchChanges {
                group: Some(scene.shop.id),
                ..scene.all()
            },
            WatchChanges {
                asset: Some(app),
                ..scene.all()
            },
            WatchChanges {
                events: vec!["report.completed".to_owned()],
                ..scene.all()
            },
        );
        assert_eq!(scene.told(&scene.olga, from(group)).await, shop);
        let of_app = scene.told(&scene.olga, from(asset)).await;
        assert!(names(&of_app).contains(&"vulnerability.created"));
        assert!(of_app.iter().all(|change| change.asset == Some(app)));
        let read = scene.told(&scene.olga, from(events)).await;
        assert_eq!(names(&read), ["report.completed"; 3], "{stores:?}");
    }
}

#[tokio::test]
async fn from_each_position_nothing_is_lost_and_nothing_told_twice() {
    for stores in Stores::ALL {
        let (scene, begin) = Scene::lively(stores).await;
        let cves: Vec<String> = (0..BATCH + 20)
            .map(|n| format!("CVE-2023-{n:04}"))
            .collect();
        let cves: Vec<&str> = cves.iter().map(String::as_str).collect();
        scene.import(&scene.shop, "large", &cves).await;
        let from = |position: &FeedPosition| WatchChanges {
            after: Some(position.clone()),
            ..scene.all()
        };
        let all = scene.told(&scene.olga, from(&begin)).await;
        assert!(all.len() > BATCH, "{stores:?}: more than one batch");
        // Each of the small ones, and some of the large one.
        for (n, change) in all
            .iter()
            .enumerate()
            .filter(|(n, _)| *n < 10 || n % 50 == 0)
        {
            let rest = scene.told(&scene.olga, from(&change.position)).await;
            assert!(
                rest == all[n + 1..],
                "{stores:?}: after {n} of {}: {:?}",
                all.len(),
                names(&rest)
            );
        }
    }
}

#[tokio::test]
async fn who_watches_sleeps_until_something_happens() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene.import(&scene.shop, "web", &["CVE-2024-0001"]).await;
        let mut watch = Watch::begin(&scene.olga, scene.all()).await.expect("may");
        let nothing = watch.wait(&scene.olga);
        let nothing = tokio::time::timeout(Duration::from_millis(200), nothing).await;
        assert!(nothing.is_err(), "{stores:?}: what was before is not told");
        let (woken, ()) = tokio::join!(
            watch.wait(&scene.olga),
            scene.import(&scene.shop, "web", &["CVE-2024-0002"])
        );
        let woken = woken.expect("reads");
        assert!(!woken.is_empty(), "{stores:?}");
        let told = watch.tell(&scene.olga, &woken).await.expect("may know");
        let mut told = told.map(|batch| batch.events).unwrap_or_default();
        told.extend(scene.rest(&scene.olga, &mut watch).await);
        let told = names(&told);
        assert!(told.contains(&"vulnerability.created"), "{told:?}");
    }
}

#[tokio::test]
async fn rights_are_those_of_the_moment() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let as_of = |ctx: &Ctx, grants: Grants| {
            Ctx::new(scene.world.ports.clone(), ctx.actor.clone(), grants)
        };
        let in_shop = |role| Grants {
            groups: BTreeMap::from([(scene.shop.id, (scene.acme.id, role))]),
            ..Grants::default()
        };
        let tess = scene.world.member(&scene.shop, Role::Triager);
        for (by_then, refusal) in [
            (as_of(&tess, Grants::default()), "not_found"),
            (as_of(&tess, in_shop(Role::Ci)), "changes.rights"),
            (scene.world.anonymous(), "auth.required"),
        ] {
            let mut watch = Watch::begin(&tess, scene.all()).await.expect("may");
            let before = watch.position().clone();
            scene.import(&scene.shop, "web", &["CVE-2024-0001"]).await;
            let items = watch.wait(&tess).await.expect("reads");
            assert!(!items.is_empty());
            let refused = code(watch.tell(&by_then, &items).await);
            assert_eq!(refused, refusal, "{stores:?}");
            assert_eq!(watch.position(), &before, "nothing counts as told");
            // With the same rights, read again, it would have been told.
            let same = as_of(&tess, in_shop(Role::Triager));
            assert!(watch.tell(&same, &items).await.is_ok());
        }
        let stranger = scene.world.member(&scene.den, Role::Manager);
        let nobody = scene.world.anonymous();
        let elsewhere = WatchChanges {
            group: Some(scene.den.id),
            ..scene.all()
        };
        let unheard = WatchChanges {
            events: vec!["vulnerability.exploded".to_owned()],
            ..scene.all()
        };
        let unlimited = scene.world.system();
        for (who, input, refusal) in [
            (&stranger, scene.all(), "not_found"),
            (&nobody, scene.all(), "auth.required"),
            (&scene.olga, elsewhere.clone(), "not_found"),
            (&unlimited, elsewhere, "not_found"),
            (&scene.olga, unheard, "changes.event"),
        ] {
            assert_eq!(code(Watch::begin(who, input).await), refusal);
        }
    }
}

#[tokio::test]
async fn what_the_feed_has_forgotten_is_said_to_be_missing() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let begin = scene.end().await;
        let mut watch = Watch::begin(&scene.olga, scene.all()).await.expect("may");
        scene.import(&scene.shop, "web", &["CVE-2024-0001"]).await;
        scene.world.clock.advance_days(1);
        let store = &scene.world.ports.store;
        let now = scene.olga.now();
        store.tidy(now).await.expect("forgets");
        assert_eq!(
            code(watch.wait(&scene.olga).await),
            "changes.gap",
            "{stores:?}"
        );
        let late = WatchChanges {
            after: Some(begin),
            ..scene.all()
        };
        let refused = code(Watch::begin(&scene.olga, late).await);
        assert_eq!(refused, "changes.gap", "{stores:?}");
        // Without a position one goes on.
        let told = scene.told(&scene.olga, scene.all()).await;
        assert_eq!(told, []);
    }
}

#[tokio::test]
async fn who_wants_little_is_brought_along() {
    let scene = Scene::on(Stores::Memory).await;
    let input = WatchChanges {
        events: vec!["gate.broken".to_owned()],
        ..scene.all()
    };
    let mut watch = Watch::begin(&scene.olga, input).await.expect("may");
    let begin = watch.position().clone();
    for n in 0..1_000 {
        scene.world.group(&scene.acme, &format!("group-{n}")).await;
    }
    let end = scene.end().await;
    let mut along = Vec::new();
    while !scene.world.ports.store.feed_reached(watch.position(), &end) {
        let items = watch.wait(&scene.olga).await.expect("reads");
        along.extend(watch.tell(&scene.olga, &items).await.expect("may know"));
    }
    assert_eq!(along.len(), 1, "one batch after so many entries");
    assert!(along[0].events.is_empty());
    assert_ne!(along[0].position, begin);
}
