//! Webhooks out as services on a store, with endpoints that are made up.

mod conditions;
mod replays;

use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::id::EndpointId;
use gna_domain::model::{
    AuditEntry, Change, Delivery, DeliveryState, Endpoint, FeedReader, Group, Level, Organization,
};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::egress::{EgressError, Failure, HeaderText, OutRequest, OutResponse};
use gna_domain::port::jobs::{Handler, Outcome};
use gna_domain::port::store::Stored;
use gna_domain::port::vault::{HoldsSealed, Vault};
use gna_domain::port::{Jobs, repo};
use gna_domain::rules::webhook::signature;
use gna_domain::secret::Secret;
use gna_domain::service::report::UploadReport;
use gna_domain::service::webhook::endpoint::{self, EndpointChange, NewEndpoint};
use gna_domain::service::webhook::{DeliverHandler, delivery, follow};
use gna_domain::time::Timestamp;
use gna_testkit::{Stores, World, trivy};
use serde_json::Value;
use std::sync::Arc;

struct Scene {
    world: World,
    acme: Organization,
    shop: Group,
    olga: Ctx,
}

impl Scene {
    async fn on(stores: Stores) -> Self {
        let world = World::on(stores).await.handling(Arc::new(DeliverHandler));
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let olga = world.in_organization(&acme, Role::Owner);
        Self {
            world,
            acme,
            shop,
            olga,
        }
    }

    async fn new() -> Self {
        Self::on(Stores::Memory).await
    }

    fn answers(&self, status: u16) {
        self.world.egress.respond(move |_| Ok(answer(status, &[])));
    }

    async fn endpoint(&self, new: NewEndpoint) -> (Secret, Stored<Endpoint>) {
        let new = NewEndpoint {
            url: "https://hooks.example.com/gna".to_owned(),
            ..new
        };
        endpoint::create(&self.olga, self.acme.id, new)
            .await
            .expect("is made")
    }

    async fn import(&self, cve: &str) {
        let tess = self.world.member(&self.shop, Role::Triager);
        let upload = UploadReport {
            asset: "checkout".to_owned(),
            file_name: "a.json".to_owned(),
            partial: true,
            ..UploadReport::default()
        };
        let file = trivy("a.json", &[(cve, "left-pad", "1.0.0")]);
        self.world.import(&tess, &self.shop, upload, file).await;
    }

    /// Follows the feed, then does all that is due.
    async fn work(&self) {
        self.world.caught_up().await;
        follow::follower()
            .catch_up(&self.world.system())
            .await
            .expect("follows");
        self.world.run_jobs().await.expect("sends");
    }

    /// Version of the follower's place in the feed.
    async fn place(&self) -> u64 {
        let store = self.world.ports.store.as_ref();
        let found = repo::get_keys::<FeedReader>(store, &[FeedReader::key_of("webhooks")]).await;
        found.expect("reads")[0].as_ref().expect("is there").version
    }

    async fn deliveries(&self, of: EndpointId) -> Vec<Delivery> {
        let page = PageRequest::first(200);
        let listed = delivery::list(&self.olga, of, page).await.expect("may");
        listed
            .items
            .into_iter()
            .map(|stored| stored.value)
            .collect()
    }

    async fn stored(&self, of: EndpointId) -> Endpoint {
        endpoint::get(&self.olga, of).await.expect("is there").value
    }
}

fn answer(status: u16, headers: &[(&str, &str)]) -> OutResponse {
    OutResponse {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: Default::default(),
    }
}

fn header(request: &OutRequest, name: &str) -> String {
    let found = request.headers.iter().find(|header| header.name == name);
    match found.map(|header| &header.value) {
        Some(HeaderText::Plain(text)) => text.clone(),
        _ => panic!("no header {name}"),
    }
}

fn body(request: &OutRequest) -> String {
    let body = request.body.as_ref().expect("a body");
    String::from_utf8(body.bytes.to_vec()).expect("text")
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result
        .map_err(|error: Error| error.code())
        .expect_err("must be refused")
}

#[tokio::test]
async fn an_event_is_signed_and_sent_once_to_whoever_wants_it() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene.import("CVE-2024-0001").await;
        scene.answers(200);
        let (secret, all) = scene.endpoint(NewEndpoint::default()).await;
        let only = NewEndpoint {
            events: vec!["comment.added".to_owned()],
            ..NewEndpoint::default()
        };
        let (_, only) = scene.endpoint(only).await;
        scene.import("CVE-2024-0002").await;
        for _ in 0..3 {
            scene.work().await;
        }
        let types: Vec<String> = scene
            .deliveries(all.id)
            .await
            .into_iter()
            .map(|delivery| delivery.event)
            .collect();
        assert_eq!(
            types
                .iter()
                .filter(|of| *of == "vulnerability.created")
                .count(),
            1,
            "{stores:?}: what was before the endpoint is not sent: {types:?}"
        );
        assert_eq!(
            types.iter().filter(|of| *of == "report.completed").count(),
            1
        );
        assert!(scene.deliveries(only.id).await.is_empty());
        let asked = scene.world.egress.asked();
        assert_eq!(asked.len(), types.len(), "{stores:?}: each once");
        for request in &asked {
            let (id, text) = (header(request, "webhook-id"), body(request));
            let seconds: i64 = header(request, "webhook-timestamp")
                .parse()
                .expect("seconds");
            let at = Timestamp::from_millis(seconds * 1_000);
            let right = signature(&secret, &id, at, &text).expect("is signed");
            assert_eq!(header(request, "webhook-signature"), right);
            assert!(!format!("{request:?}").contains(secret.expose()));
            assert!(
                request.status_only,
                "what an endpoint writes after its 2xx is nothing to us"
            );
        }
        let created = asked
            .iter()
            .map(body)
            .find(|body| body.contains("vulnerability.created"));
        let created: Value = serde_json::from_str(&created.expect("was sent")).expect("JSON");
        let at = created["timestamp"].as_str().expect("a text");
        assert!(Timestamp::parse(at).is_ok() && at.ends_with('Z'), "{at}");
        assert_eq!(
            created["data"]["vulnerability"]["identifiers"][0],
            "CVE-2024-0002"
        );
        assert_eq!(created["data"]["group"]["slug"], "shop");
        assert_eq!(created["data"]["asset"]["name"], "checkout");
    }
}

#[tokio::test]
async fn of_two_followers_each_event_is_owed_once_and_a_follower_that_dies_owes_nothing() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        scene.answers(200);
        let (_, made) = scene.endpoint(NewEndpoint::default()).await;
        for number in 0..5 {
            scene.import(&format!("CVE-2024-000{number}")).await;
            let (one, two) = (scene.world.system(), scene.world.system());
            let (dying, other) = (follow::follower(), follow::follower());
            // One of them is dropped in the middle of what it does.
            let limit = std::time::Duration::from_micros(50 * number);
            let dying = tokio::time::timeout(limit, dying.catch_up(&one));
            let (_, done) = tokio::join!(dying, other.catch_up(&two));
            done.expect("follows");
        }
        scene.work().await;
        let ids: Vec<String> = scene
            .world
            .egress
            .asked()
            .iter()
            .map(|of| header(of, "webhook-id"))
            .collect();
        let mut once = ids.clone();
        once.sort();
        once.dedup();
        assert_eq!(ids.len(), once.len(), "{stores:?}");
        let created = scene.deliveries(made.id).await;
        let created = created
            .iter()
            .filter(|of| of.event == "vulnerability.created");
        assert_eq!(created.count(), 5, "{stores:?}");
    }
}

#[tokio::test]
async fn filters_by_group_and_severity_hold() {
    let scene = Scene::new().await;
    scene.answers(200);
    let other = scene.world.group(&scene.acme, "other").await;
    let elsewhere = NewEndpoint {
        groups: vec![other.id],
        ..NewEndpoint::default()
    };
    let (_, elsewhere) = scene.endpoint(elsewhere).await;
    let severe = NewEndpoint {
        events: vec!["vulnerability.created".to_owned()],
        min_level: Some(Level::Critical),
        ..NewEndpoint::default()
    };
    let (_, severe) = scene.endpoint(severe).await;
    scene.import("CVE-2024-0001").await;
    scene.work().await;
    assert!(scene.deliveries(elsewhere.id).await.is_empty());
    let store = scene.world.ports.store.as_ref();
    let raw = store
        .scan("vulnerability", &PageRequest::first(10))
        .await
        .expect("reads");
    let found = repo::typed_page::<gna_domain::model::Vulnerability>(raw).expect("reads");
    let is_critical = found.items[0].severity.level == Level::Critical;
    assert_eq!(
        scene.deliveries(severe.id).await.len(),
        usize::from(is_critical)
    );
    scene.world.clock.advance_millis(1);
    let any = EndpointChange {
        min_level: Change::Clear,
        ..EndpointChange::default()
    };
    endpoint::update(&scene.olga, severe.id, any)
        .await
        .expect("may");
    scene.import("CVE-2024-0002").await;
    scene.work().await;
    assert_eq!(
        scene.deliveries(severe.id).await.len(),
        usize::from(is_critical) + 1
    );
}

#[tokio::test]
async fn a_failure_waits_as_long_as_it_is_asked_to_and_is_logged() {
    let scene = Scene::new().await;
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    let egress = &scene.world.egress;
    egress.push(Ok(answer(503, &[("retry-after", "600")])));
    egress.push(Err(EgressError::unknown(
        Failure::Timeout,
        "https://u:hunter2@hooks.example.com/?access_token=hunter2 took too long",
    )));
    egress.push(Ok(answer(200, &[])));
    let sent = delivery::test(&scene.olga, made.id).await.expect("may");
    scene.world.run_jobs().await.expect("sends");
    assert!(scene.stored(made.id).await.failing_since.is_some());
    scene.world.clock.advance_millis(599_000);
    scene.world.run_jobs().await.expect("nothing is due");
    assert_eq!(egress.asked().len(), 1, "it asked for ten minutes");
    scene.world.clock.advance_millis(2_000);
    scene.world.run_jobs().await.expect("sends");
    scene.world.clock.advance_millis(120_000);
    scene.world.run_jobs().await.expect("sends");
    let log = scene.deliveries(made.id).await.remove(0);
    assert_eq!(
        (log.id, log.state, log.tries),
        (sent.id, DeliveryState::Delivered, 3)
    );
    let statuses: Vec<Option<u16>> = log.attempts.iter().map(|of| of.status).collect();
    assert_eq!(statuses, [Some(503), None, Some(200)]);
    let error = log.attempts[1].error.as_deref().expect("a reason");
    assert!(
        error.contains("too long") && !error.contains("hunter2"),
        "{error}"
    );
    let ids: Vec<String> = egress
        .asked()
        .iter()
        .map(|of| header(of, "webhook-id"))
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert!(scene.stored(made.id).await.failing_since.is_none());
}

#[tokio::test]
async fn what_our_own_guard_refuses_is_not_tried_for_days() {
    let scene = Scene::new().await;
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    scene.world.egress.push(Err(EgressError::not_sent(
        Failure::Refused,
        "requests to hooks.example.com are refused: it is a private network",
    )));
    delivery::test(&scene.olga, made.id).await.expect("may");
    scene.world.run_jobs().await.expect("tries");
    let log = scene.deliveries(made.id).await.remove(0);
    assert_eq!((log.state, log.tries), (DeliveryState::Failed, 1));
    let error = log.attempts[0].error.as_deref().expect("a reason");
    assert!(error.contains("private network"), "{error}");
    scene.world.clock.advance_days(2);
    scene.world.run_jobs().await.expect("nothing is due");
    assert_eq!(scene.world.egress.asked().len(), 1);
}

#[tokio::test]
async fn a_longer_filter_does_not_bring_back_what_was_before_it() {
    let scene = Scene::new().await;
    scene.answers(200);
    let only = NewEndpoint {
        events: vec!["comment.added".to_owned()],
        ..NewEndpoint::default()
    };
    let (_, made) = scene.endpoint(only).await;
    scene.import("CVE-2024-0001").await;
    scene.work().await;
    scene.world.clock.advance_millis(1_000);
    let all = EndpointChange {
        events: Some(Vec::new()),
        ..EndpointChange::default()
    };
    endpoint::update(&scene.olga, made.id, all)
        .await
        .expect("may");
    // As after a restart: a follower that knows only what is durable.
    scene.work().await;
    assert!(scene.deliveries(made.id).await.is_empty());
    scene.import("CVE-2024-0002").await;
    scene.work().await;
    let created = scene.deliveries(made.id).await;
    let created = created
        .iter()
        .filter(|of| of.event == "vulnerability.created");
    assert_eq!(created.count(), 1);
}

#[tokio::test]
async fn following_costs_no_write_where_nobody_listens() {
    let scene = Scene::new().await;
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    endpoint::delete(&scene.olga, made.id).await.expect("may");
    let follower = follow::follower();
    let ctx = scene.world.system();
    follower.catch_up(&ctx).await.expect("follows");
    scene.import("CVE-2024-0001").await;
    let before = scene.place().await;
    follower.catch_up(&ctx).await.expect("follows");
    assert_eq!(scene.place().await, before);
    // But the place does not stay behind for as long as the feed is kept.
    scene.world.clock.advance_millis(2 * 3_600_000);
    follower.catch_up(&ctx).await.expect("follows");
    assert_eq!(scene.place().await, before + 1);
    follower.catch_up(&ctx).await.expect("follows");
    assert_eq!(scene.place().await, before + 1);
}

#[tokio::test]
async fn a_message_that_does_not_fit_holds_up_no_other() {
    let scene = Scene::new().await;
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    let tess = scene.world.member(&scene.shop, Role::Triager);
    let mut report: serde_json::Value =
        serde_json::from_slice(&trivy("a.json", &[("CVE-2024-0001", "left-pad", "1")]))
            .expect("JSON");
    let far = format!("app/{}", "\"".repeat(300_000));
    report["Results"][0]["Target"] = far.clone().into();
    let upload = UploadReport {
        asset: far.chars().take(100).collect(),
        file_name: "a.json".to_owned(),
        ..UploadReport::default()
    };
    let file = serde_json::to_vec(&report).expect("JSON");
    scene.world.import(&tess, &scene.shop, upload, file).await;
    scene.import("CVE-2024-0002").await;
    scene.work().await;
    let told = scene.deliveries(made.id).await;
    let created = told
        .iter()
        .filter(|one| one.event == "vulnerability.created");
    assert_eq!(created.count(), 2);
    assert!(told.iter().all(|one| one.body.len() < 10_000));
}

#[tokio::test]
async fn no_secret_is_in_the_store_and_a_new_data_key_loses_none() {
    let scene = Scene::new().await;
    scene.answers(200);
    let (old, made) = scene.endpoint(NewEndpoint::default()).await;
    let (new, stored) = endpoint::rotate(&scene.olga, made.id).await.expect("may");
    let shown = format!("{stored:?}");
    let store = scene.world.ports.store.as_ref();
    for collection in ["webhook_endpoint", "audit", "job", "webhook_delivery"] {
        let page = PageRequest::first(100);
        let raw = store.scan(collection, &page).await.expect("reads");
        for record in raw.items {
            let text = String::from_utf8_lossy(&record.body).into_owned();
            for secret in [&old, &new] {
                let bare = secret.expose().trim_start_matches("whsec_");
                assert!(!text.contains(bare) && !shown.contains(bare), "{text}");
            }
        }
    }
    // Both secrets are found and sealed anew by their own bindings.
    let sealed = stored.value.sealed();
    assert_eq!(sealed.len(), 2);
    for (binding, sealed) in &sealed {
        let opened = scene
            .world
            .vault
            .open(binding, sealed)
            .await
            .expect("opens");
        assert!([old.expose(), new.expose()].contains(&opened.expose()));
    }
    assert_eq!(stored.value.resealed(&sealed), stored.value);
}

#[tokio::test]
async fn gone_means_off_at_once_and_so_do_five_days_of_failure() {
    let scene = Scene::new().await;
    scene.answers(410);
    let (_, gone) = scene.endpoint(NewEndpoint::default()).await;
    delivery::test(&scene.olga, gone.id).await.expect("may");
    scene.world.run_jobs().await.expect("sends");
    let off = scene.stored(gone.id).await;
    assert!(!off.enabled && off.disabled_reason.is_some_and(|why| why.contains("410")));
    assert_eq!(
        code(delivery::test(&scene.olga, gone.id).await),
        "webhook.disabled"
    );

    scene.answers(500);
    let (_, broken) = scene.endpoint(NewEndpoint::default()).await;
    for _ in 0..8 {
        delivery::test(&scene.olga, broken.id).await.ok();
        scene.world.run_jobs().await.expect("tries");
        scene.world.clock.advance_days(1);
    }
    let off = scene.stored(broken.id).await;
    assert!(
        !off.enabled
            && off
                .disabled_reason
                .is_some_and(|why| why.contains("5 days"))
    );
    let store = scene.world.ports.store.as_ref();
    let audit = repo::all_children::<AuditEntry>(store, &scene.acme.id.to_string()).await;
    let disabled = audit
        .expect("reads")
        .into_iter()
        .filter(|of| of.action == "webhook.disabled");
    assert_eq!(disabled.count(), 2);

    scene.world.clock.advance_days(3);
    scene
        .world
        .run_jobs()
        .await
        .expect("nothing is left to be sent");

    // Mended, switched on, and what failed is sent after all, as it was.
    scene.answers(200);
    let on = EndpointChange {
        enabled: Some(true),
        ..EndpointChange::default()
    };
    let on = endpoint::update(&scene.olga, broken.id, on)
        .await
        .expect("may");
    assert!(on.enabled && on.disabled_reason.is_none() && on.failing_since.is_none());
    let failed = scene.deliveries(broken.id).await;
    let failed = failed
        .iter()
        .filter(|of| of.state == DeliveryState::Failed)
        .count();
    let since = scene.world.system().now().plus_days(-30);
    let replayed = delivery::replay_failed(&scene.olga, broken.id, since, None)
        .await
        .expect("may");
    assert_eq!((replayed.messages, failed > 0), (failed, true));
    assert_eq!(replayed.next, None);
    scene.world.run_jobs().await.expect("sends");
    let all = scene.deliveries(broken.id).await;
    assert!(all.iter().all(|of| of.state == DeliveryState::Delivered));
    let one = delivery::replay(&scene.olga, broken.id, all[0].id)
        .await
        .expect("may");
    assert_eq!(one.state, DeliveryState::Pending);
    assert_eq!(
        code(delivery::replay(&scene.olga, broken.id, all[0].id).await),
        "webhook.pending"
    );
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_a_day() {
    let scene = Scene::new().await;
    scene.answers(200);
    let (old, made) = scene.endpoint(NewEndpoint::default()).await;
    let (new, _) = endpoint::rotate(&scene.olga, made.id).await.expect("may");
    assert_ne!(old.expose(), new.expose());
    let send = async || {
        delivery::test(&scene.olga, made.id).await.expect("may");
        scene.world.run_jobs().await.expect("sends");
        let request = scene.world.egress.asked().pop().expect("was sent");
        let (id, text) = (header(&request, "webhook-id"), body(&request));
        let seconds: i64 = header(&request, "webhook-timestamp")
            .parse()
            .expect("seconds");
        let at = Timestamp::from_millis(seconds * 1_000);
        let signed = |secret: &Secret| signature(secret, &id, at, &text).expect("is signed");
        let sent = header(&request, "webhook-signature");
        let sent: Vec<&str> = sent.split(' ').collect();
        (
            sent.contains(&signed(&old).as_str()),
            sent.contains(&signed(&new).as_str()),
        )
    };
    assert_eq!(send().await, (true, true));
    scene.world.clock.advance_days(1);
    assert_eq!(send().await, (false, true));
}

#[tokio::test]
async fn a_message_whose_sender_was_killed_is_sent_again() {
    let scene = Scene::new().await;
    scene.answers(200);
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    delivery::test(&scene.olga, made.id).await.expect("may");
    let jobs = scene.world.jobs();
    scene.world.caught_up().await;
    let claimed = jobs
        .claim("dying", &["webhook.deliver"])
        .await
        .expect("reads")
        .expect("is due");
    // It sends, and dies before it can say so.
    DeliverHandler
        .run(&scene.world.system(), &claimed)
        .await
        .expect("is sent");
    assert_eq!(
        scene.deliveries(made.id).await[0].state,
        DeliveryState::Pending
    );
    scene.world.clock.advance_millis(120_000);
    scene.world.run_jobs().await.expect("sends");
    assert_eq!(
        scene.deliveries(made.id).await[0].state,
        DeliveryState::Delivered
    );
    let asked = scene.world.egress.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        header(&asked[0], "webhook-id"),
        header(&asked[1], "webhook-id")
    );
}

#[tokio::test]
async fn a_sender_that_lost_its_lease_changes_nothing() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let (_, made) = scene.endpoint(NewEndpoint::default()).await;
        delivery::test(&scene.olga, made.id).await.expect("may");
        let jobs = scene.world.jobs();
        let claim = async |worker: &str| {
            scene.world.caught_up().await;
            let claimed = jobs.claim(worker, &["webhook.deliver"]).await;
            claimed.expect("reads").expect("is due")
        };
        let sleeper = claim("sleeper").await;
        scene.world.clock.advance_millis(120_000);
        let heir = claim("heir").await;
        let system = scene.world.system();
        // Whatever it is answered: gone for good, out of order, or not at all.
        for status in [410, 500] {
            scene.answers(status);
            let late = DeliverHandler.run(&system, &sleeper).await;
            assert_eq!(code(late), "store.conflict", "{stores:?}: {status}");
            let now = scene.stored(made.id).await;
            assert!(now.enabled && now.failing_since.is_none(), "{stores:?}");
            let log = scene.deliveries(made.id).await.remove(0);
            assert_eq!((log.state, log.tries), (DeliveryState::Pending, 0));
        }
        scene.answers(200);
        let done = DeliverHandler.run(&system, &heir).await.expect("is sent");
        let Outcome::Done(changes) = done else {
            panic!("{stores:?}: {done:?}");
        };
        jobs.complete(&heir, changes).await.expect("ours");
        let log = scene.deliveries(made.id).await.remove(0);
        assert_eq!((log.state, log.tries), (DeliveryState::Delivered, 1));
    }
}

#[tokio::test]
async fn endpoints_belong_to_owners_and_what_is_wrong_is_refused() {
    let scene = Scene::new().await;
    let tess = scene.world.member(&scene.shop, Role::Manager);
    let evil = scene.world.organization("evil").await;
    let den = scene.world.group(&evil, "den").await;
    let eve = scene.world.in_organization(&evil, Role::Owner);
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    for (who, is) in [
        (&tess, "auth.forbidden"),
        (&eve, "not_found"),
        (&scene.world.anonymous(), "auth.required"),
    ] {
        assert_eq!(code(endpoint::get(who, made.id).await), is);
        assert_eq!(code(endpoint::rotate(who, made.id).await), is);
        assert_eq!(code(delivery::test(who, made.id).await), is);
        assert_eq!(code(endpoint::list(who, scene.acme.id).await), is);
    }
    for (new, is) in [
        (
            NewEndpoint {
                url: "ftp://x".into(),
                ..NewEndpoint::default()
            },
            "webhook.url",
        ),
        (
            NewEndpoint {
                url: "https://x.example".into(),
                events: vec!["nothing".into()],
                ..NewEndpoint::default()
            },
            "webhook.event",
        ),
        (
            NewEndpoint {
                url: "https://x.example".into(),
                groups: vec![den.id],
                ..NewEndpoint::default()
            },
            "webhook.group",
        ),
    ] {
        assert_eq!(
            code(endpoint::create(&scene.olga, scene.acme.id, new).await),
            is
        );
    }
    endpoint::delete(&scene.olga, made.id).await.expect("may");
    assert_eq!(code(endpoint::get(&scene.olga, made.id).await), "not_found");
    for _ in 0..20 {
        scene.endpoint(NewEndpoint::default()).await;
    }
    let more = NewEndpoint {
        url: "https://x.example".into(),
        ..NewEndpoint::default()
    };
    assert_eq!(
        code(endpoint::create(&scene.olga, scene.acme.id, more).await),
        "webhook.too_many"
    );
}
