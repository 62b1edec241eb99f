//! Conditions of endpoints: what they let through, and what becomes of a message that one can't be
//! asked about.

use gna_domain::port::store::{Entity, Store};
use gna_domain::rules::webhook_filter::VOCABULARY;

use super::*;

impl Scene {
    async fn asking(&self, condition: &str) -> Stored<Endpoint> {
        let new = NewEndpoint {
            condition: Some(condition.to_owned()),
            ..NewEndpoint::default()
        };
        self.endpoint(new).await.1
    }

    async fn ask(&self, of: EndpointId, condition: Change<String>) -> Stored<Endpoint> {
        self.world.clock.advance_millis(1);
        let change = EndpointChange {
            condition,
            ..EndpointChange::default()
        };
        endpoint::update(&self.olga, of, change).await.expect("may")
    }

    /// Types of the messages to an endpoint, in order of their names.
    async fn types(&self, of: EndpointId) -> Vec<String> {
        let mut types: Vec<String> = self
            .deliveries(of)
            .await
            .into_iter()
            .map(|delivery| delivery.event)
            .collect();
        types.sort();
        types
    }
}

#[tokio::test]
async fn an_endpoint_gets_the_messages_of_which_its_condition_is_true() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene.answers(200);
        let second = scene
            .asking("  'CVE-2024-0002' in vulnerability.identifiers && group.slug == 'shop' ")
            .await;
        assert_eq!(
            second.condition.as_deref(),
            Some("'CVE-2024-0002' in vulnerability.identifiers && group.slug == 'shop'")
        );
        let reports = scene
            .asking("event.startsWith('report.') && report.counts.created > 0")
            .await;
        let nothing = scene.asking("asset.name == 'other'").await;
        scene.import("CVE-2024-0001").await;
        scene.import("CVE-2024-0002").await;
        scene.work().await;
        assert_eq!(
            scene.types(second.id).await,
            ["vulnerability.created"],
            "{stores:?}"
        );
        assert_eq!(
            scene.types(reports.id).await,
            ["report.completed", "report.completed"]
        );
        assert!(scene.types(nothing.id).await.is_empty());

        // Another condition, and none at all, hold from then on.
        let other = "vulnerability.severity.score < 0.0".to_owned();
        scene.ask(second.id, Change::Set(other)).await;
        let cleared = scene.ask(nothing.id, Change::Clear).await;
        assert_eq!(cleared.condition, None);
        scene.world.clock.advance_millis(1);
        scene.import("CVE-2024-0003").await;
        scene.work().await;
        assert_eq!(scene.types(second.id).await, ["vulnerability.created"]);
        let all = scene.types(nothing.id).await;
        assert!(all.contains(&"vulnerability.created".to_owned()), "{all:?}");
        assert!(all.contains(&"report.completed".to_owned()), "{all:?}");
        for told in scene.deliveries(nothing.id).await {
            has_the_names_of_conditions(&told.body);
        }
    }
}

/// What conditions name is what messages hold: of each object that is in the message every name.
fn has_the_names_of_conditions(body: &str) {
    let message: Value = serde_json::from_str(body).expect("JSON");
    for (path, _) in VOCABULARY.0.iter().filter(|(path, _)| *path != "event") {
        let (object, rest) = path.split_once('.').expect("a member of an object");
        let mut at = &message["data"][object];
        for name in rest.split('.') {
            if at.is_null() {
                break;
            }
            let member = at.get(name);
            at = member.unwrap_or_else(|| panic!("a message without {path}: {message}"));
        }
    }
}

#[tokio::test]
async fn what_a_condition_can_not_be_asked_about_is_sent_and_told_on_the_endpoint() {
    let scene = Scene::new().await;
    scene.answers(200);
    // A report has no identifiers, and so no first one.
    let made = scene
        .asking("vulnerability.identifiers[0] == 'CVE-2024-0001'")
        .await;
    let (_, other) = scene.endpoint(NewEndpoint::default()).await;
    scene.import("CVE-2024-0001").await;
    scene.import("CVE-2024-0002").await;
    scene.work().await;
    let told = scene.deliveries(made.id).await;
    let asked: Vec<&str> = told
        .iter()
        .filter(|of| of.condition_error.is_none())
        .map(|of| of.event.as_str())
        .collect();
    assert_eq!(asked, ["vulnerability.created"]);
    let unasked = |of: &&Delivery| {
        let why = of.condition_error.as_deref();
        why.is_some_and(|why| why.starts_with("condition.failed: "))
    };
    let reports = told.iter().filter(unasked);
    assert_eq!(
        reports.filter(|of| of.event == "report.completed").count(),
        2
    );
    assert!(told.iter().all(|of| of.state == DeliveryState::Delivered));
    let now = scene.stored(made.id).await;
    assert!(now.condition_failing_since.is_some() && now.failing_since.is_none());

    // Nobody else has waited for it, and who listens to all hears all.
    scene.world.caught_up().await;
    let store = scene.world.ports.store.as_ref();
    let end = store.feed_end().await.expect("reads");
    let reader = repo::get_keys::<FeedReader>(store, &[FeedReader::key_of("webhooks")]).await;
    let reader = reader.expect("reads").remove(0).expect("is there");
    follow::follower()
        .catch_up(&scene.world.system())
        .await
        .expect("follows");
    assert!(store.feed_reached(&end, &reader.position));
    let heard = scene.deliveries(other.id).await;
    let created = heard
        .iter()
        .filter(|of| of.event == "vulnerability.created");
    assert_eq!(created.count(), 2);
    assert_eq!(scene.stored(other.id).await.condition_failing_since, None);

    let mended = "size(vulnerability.identifiers) > 0".to_owned();
    let mended = scene.ask(made.id, Change::Set(mended)).await;
    assert_eq!(mended.condition_failing_since, None);
}

#[tokio::test]
async fn a_condition_that_can_not_be_kept_is_refused_and_changes_nothing() {
    let scene = Scene::new().await;
    let made = scene.asking("event == 'report.failed'").await;
    for (source, is) in [
        ("", "condition.empty"),
        ("event ==", "condition.syntax"),
        ("vulnerability.scor > 7.0", "condition.unknown_name"),
        ("vulnerability.title > 7.0", "condition.type"),
        (
            "vulnerability.tags.exists(a, vulnerability.tags.exists(b, vulnerability.tags.exists(c, a == c)))",
            "condition.too_costly",
        ),
    ] {
        let new = NewEndpoint {
            url: "https://x.example".to_owned(),
            condition: Some(source.to_owned()),
            ..NewEndpoint::default()
        };
        assert_eq!(
            code(endpoint::create(&scene.olga, scene.acme.id, new).await),
            is
        );
        let change = EndpointChange {
            condition: Change::Set(source.to_owned()),
            description: Some("other".to_owned()),
            ..EndpointChange::default()
        };
        let refused = endpoint::update(&scene.olga, made.id, change).await;
        assert_eq!(code(refused), is);
    }
    assert_eq!(scene.stored(made.id).await, made.value);
}

#[tokio::test]
async fn endpoints_from_before_there_were_conditions_read_as_ones_without() {
    let scene = Scene::new().await;
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    let store: &dyn Store = scene.world.ports.store.as_ref();
    let raw = store.get(&[made.key()]).await.expect("reads").remove(0);
    let raw = raw.expect("is there");
    let text = String::from_utf8_lossy(&raw.body).into_owned();
    assert!(!text.contains("condition"), "as it was written: {text}");
    assert_eq!(raw.typed::<Endpoint>().expect("reads"), made);
}
