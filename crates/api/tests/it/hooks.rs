//! Webhooks from other apps, over HTTP, for an integration that is made up.

use async_trait::async_trait;
use gna_api::{ApiConfig, AppState};
use gna_domain::Ctx;
use gna_domain::connect::inbox::{Dispatcher, HookApps, HookTaker, HookTarget};
use gna_domain::connect::module::Webhook;
use gna_domain::error::{Error, Result};
use gna_domain::model::{Organization, ReceivedHook};
use gna_domain::port::jobs::{Claimed, Outcome};
use gna_domain::rules::webhook;
use gna_domain::secret::Secret;
use gna_domain::service::hook::{HOOK_BYTES, HookHandler, Inbox};
use gna_testkit::World;
use serde_json::json;
use std::sync::{Arc, Mutex};

use crate::rest_actor::{Actor, Answer, Place};

/// Takes webhooks of one app for one integration, and keeps what it was given.
struct MadeUp {
    organization: Organization,
    taken: Mutex<Vec<ReceivedHook>>,
    fails: Mutex<u32>,
}

#[async_trait]
impl Dispatcher for MadeUp {
    async fn target(&self, _: &Ctx, app: &str, target: Option<&str>) -> Result<Option<HookTarget>> {
        if app != "codehost" || !matches!(target, None | Some("int_1")) {
            return Ok(None);
        }
        let webhook = json!({
            "check": { "hmac": {
                "algorithm": "sha256", "encoding": "hex",
                "header": "X-Hub-Signature-256", "prefix": "sha256=",
            } },
            "event_header": "X-Event",
            "delivery_header": "X-Delivery",
            "handshake": { "body": "/challenge" },
        });
        Ok(Some(HookTarget {
            organization: self.organization.id,
            webhook: serde_json::from_value(webhook).expect("a webhook"),
            secret: Some(Secret::new("It's a Secret to Everybody")),
        }))
    }

    async fn dispatch(&self, _: &Ctx, _: &Claimed, hook: &ReceivedHook) -> Result<Outcome> {
        let mut fails = self.fails.lock().expect("whole");
        if *fails > 0 {
            *fails -= 1;
            return Err(Error::unavailable("test.down", "not now"));
        }
        self.taken.lock().expect("whole").push(hook.clone());
        Ok(Outcome::done())
    }
}

struct Scene {
    world: World,
    made_up: Arc<MadeUp>,
    app: Actor,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let made_up = Arc::new(MadeUp {
            organization: world.organization("acme").await,
            taken: Mutex::default(),
            fails: Mutex::default(),
        });
        let world = world.handling(Arc::new(HookHandler(made_up.clone())));
        let config = ApiConfig::at("http://127.0.0.1:8080");
        let state = AppState::new(world.ports.clone(), world.apps.clone(), config)
            .with_hooks(made_up.clone());
        let app = Actor::nobody(gna_api::app(state));
        Self {
            world,
            made_up,
            app,
        }
    }

    async fn send(&self, path: &str, delivery: &str, body: &str, signature: &str) -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("x-hub-signature-256", signature),
            ("x-event", "push"),
            ("x-delivery", delivery),
        ];
        self.app.send("POST", path, &headers, body.to_owned()).await
    }

    fn taken(&self) -> Vec<ReceivedHook> {
        self.made_up.taken.lock().expect("whole").clone()
    }
}

/// The code host's own example, by its documentation: the signature of this body with this secret.
const BODY: &str = "Hello, World!";
const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const PATH: &str = "/api/v2/hooks/codehost/int_1";
/// Another, signed with the same secret by another implementation (Python's hmac).
const OTHER_BODY: &str = "Hello once more, World!";
const OTHER_SIGNED: &str =
    "sha256=2882302663fa4188e7c15d97c4d4d3ab75ed20df4dc715ba8bac52b5723a0cc7";

#[tokio::test]
async fn what_is_believed_is_kept_once_and_done_later() {
    let scene = Scene::new().await;
    for (path, times) in [
        (PATH, 3),
        ("/api/v2/hooks/codehost", 1),
        ("/api/codehost-integration/webhooks", 1),
        ("/api/codehost-integration/webhooks/int_1", 1),
    ] {
        for _ in 0..times {
            let answer = scene.send(path, "d-1", BODY, SIGNED).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            assert_eq!(answer.json(), json!({ "received": true }), "{path}");
        }
    }
    assert!(
        scene.taken().is_empty(),
        "nothing is done before the answer"
    );
    *scene.made_up.fails.lock().expect("whole") = 1;
    assert!(scene.world.run_jobs().await.is_err());
    scene.world.clock.advance_millis(60_000);
    scene.world.run_jobs().await.expect("tries again");
    let taken = scene.taken();
    // One by its integration, whichever address it took; one by the app alone.
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert_eq!(taken[0].event.as_deref(), Some("push"));
    assert_eq!(taken[0].body, BODY);
    // What somebody captured is not done again under another id, nor without one; the app hears the
    // same as ever. Another body is another webhook.
    let (captured, other) = ("d-2", "d-3");
    assert_eq!(scene.send(PATH, captured, BODY, SIGNED).await.status, 200);
    let bare = [("x-hub-signature-256", SIGNED), ("x-event", "push")];
    let bare = scene.app.send("POST", PATH, &bare, BODY.to_owned()).await;
    assert_eq!(
        (bare.status.as_u16(), bare.json()),
        (200, json!({ "received": true }))
    );
    scene.world.run_jobs().await.expect("runs");
    assert_eq!(scene.taken().len(), 2);
    let sent = scene.send(PATH, other, OTHER_BODY, OTHER_SIGNED).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    scene.world.run_jobs().await.expect("runs");
    assert_eq!(scene.taken().len(), 3);
}

#[tokio::test]
async fn what_is_not_believed_is_refused_and_leaves_nothing() {
    let scene = Scene::new().await;
    let forged = format!("{}8", SIGNED.trim_end_matches('7'));
    for (path, signature, body, status, code) in [
        (PATH, forged.as_str(), BODY, 401, "hook.signature_wrong"),
        (PATH, SIGNED, "Hello, world!", 401, "hook.signature_wrong"),
        (PATH, "", BODY, 400, "hook.signature_malformed"),
        (
            "/api/v2/hooks/codehost/int_2",
            SIGNED,
            BODY,
            404,
            "hook.nobody",
        ),
        ("/api/v2/hooks/other", SIGNED, BODY, 404, "hook.nobody"),
        (
            "/api/codehost/webhooks",
            SIGNED,
            BODY,
            404,
            "route.not_found",
        ),
    ] {
        let answer = scene.send(path, "d", body, signature).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert_eq!(answer.code(), code, "{path}");
    }
    let bare = scene.app.send("POST", PATH, &[], BODY).await;
    assert_eq!(
        (bare.status.as_u16(), bare.code().as_str()),
        (401, "hook.signature_missing")
    );
    let large = scene
        .send(PATH, "d", &"x".repeat(256 * 1_024 + 1), SIGNED)
        .await;
    assert_eq!(
        (large.status.as_u16(), large.code().as_str()),
        (413, "body.too_large")
    );
    scene.world.run_jobs().await.expect("nothing to do");
    assert!(scene.taken().is_empty());
    let store = scene.world.ports.store.as_ref();
    let page = gna_domain::page::PageRequest::first(10);
    for collection in ["received_hook", "job"] {
        let raw = store.scan(collection, &page).await.expect("reads");
        assert!(raw.items.is_empty(), "{collection}");
    }
}

/// The apps of the tests below: one with a signature over time, id and body; one that brings its own
/// secret with its first call.
struct MadeUpApps;

impl HookApps for MadeUpApps {
    fn webhook(&self, app: &str) -> Option<Webhook> {
        let webhook = match app {
            "standard" => json!({
                "check": { "hmac": {
                    "algorithm": "sha256", "encoding": "base64", "header": "webhook-signature",
                    "prefix": "v1,", "separator": " ", "content": "{id}.{timestamp}.{body}",
                    "id_header": "webhook-id", "timestamp_header": "webhook-timestamp",
                    "tolerance_seconds": 300, "secret": { "base64": { "prefix": "whsec_" } },
                } },
                "event": "/type",
                "delivery_header": "webhook-id",
                "external_id": ["/accounts/*/id"],
                "project": ["/project/id", "/project/name"],
            }),
            "bringer" => json!({
                "check": { "hmac": {
                    "algorithm": "sha256", "encoding": "hex", "header": "x-hook-signature",
                } },
                "handshake": { "header": "X-Hook-Secret" },
            }),
            _ => return None,
        };
        Some(serde_json::from_value(webhook).expect("a webhook"))
    }
}

/// Keeps what it is given.
#[derive(Default)]
struct Keeper(Mutex<Vec<ReceivedHook>>);

#[async_trait]
impl HookTaker for Keeper {
    fn takes(&self, app: &str) -> bool {
        app == "standard"
    }

    async fn take(&self, _: &Ctx, _: &Claimed, hook: &ReceivedHook) -> Result<Outcome> {
        self.0.lock().expect("whole").push(hook.clone());
        Ok(Outcome::done())
    }
}

struct Registered {
    place: Place,
    keeper: Arc<Keeper>,
    olga: Actor,
}

impl Registered {
    async fn new() -> Self {
        let mut place = Place::new().await;
        let keeper = Arc::new(Keeper::default());
        let apps: Arc<dyn HookApps> = Arc::new(MadeUpApps);
        let inbox: Arc<dyn Dispatcher> = Arc::new(Inbox::new(apps.clone(), vec![keeper.clone()]));
        place.world = place.world.handling(Arc::new(HookHandler(inbox.clone())));
        let config = ApiConfig::at("http://127.0.0.1:8080");
        let state = AppState::new(place.world.ports.clone(), place.world.apps.clone(), config);
        place.app = gna_api::app(state.with_hooks(inbox).with_hook_apps(apps));
        let olga = place.olga().await;
        Self {
            place,
            keeper,
            olga,
        }
    }

    /// The receiver's path for management, the one for the app, and its secret.
    async fn receiver(&self, app: &str) -> (String, String, Option<Secret>) {
        let body = json!({ "organization": "acme", "app": app });
        let made = self.olga.post("/api/v2/receivers", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        let id = made["receiver"]["id"].as_str().expect("an id");
        let url = made["receiver"]["url"].as_str().expect("an address");
        let path = url.strip_prefix("http://127.0.0.1:8080").expect("ours");
        let secret = made["secret"].as_str().map(Secret::new);
        (format!("/api/v2/receivers/{id}"), path.to_owned(), secret)
    }

    /// A message as its sender makes it, so many seconds ago.
    async fn send(&self, path: &str, secret: &Secret, id: &str, body: &str, ago: i64) -> Answer {
        let at = self.place.world.system().now().plus_millis(-ago * 1_000);
        let seconds = webhook::seconds(at).to_string();
        let signed = webhook::signature(secret, id, at, body).expect("is signed");
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", seconds.as_str()),
            ("webhook-signature", signed.as_str()),
        ];
        let nobody = self.place.anonymous();
        nobody.send("POST", path, &headers, body.to_owned()).await
    }
}

#[tokio::test]
async fn a_receiver_takes_what_is_signed_with_its_secret_until_it_is_switched_off() {
    let scene = Registered::new().await;
    let (own, path, secret) = scene.receiver("standard").await;
    let secret = secret.expect("is made");
    let body = r#"{"type":"issue.closed","accounts":[{"id":"a"},{"id":5}],"project":{"id":42,"name":"acme/web"}}"#;
    assert_eq!(scene.send(&path, &secret, "m-1", body, 0).await.status, 200);
    // Sent again by the app, or by someone who listened: taken once. Much later: refused.
    assert_eq!(scene.send(&path, &secret, "m-1", body, 0).await.status, 200);
    let old = scene.send(&path, &secret, "m-1", body, 600).await;
    assert_eq!(
        (old.status.as_u16(), old.code().as_str()),
        (401, "hook.stale")
    );
    let other = Secret::new(format!("whsec_{}", "QUJD".repeat(8)));
    let forged = scene.send(&path, &other, "m-2", body, 0).await;
    assert_eq!(forged.code(), "hook.signature_wrong");
    assert!(!forged.text.contains(secret.expose()));
    scene.place.world.run_jobs().await.expect("runs");
    let taken = scene.keeper.0.lock().expect("whole").clone();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].event.as_deref(), Some("issue.closed"));
    assert_eq!(
        (&taken[0].accounts, &taken[0].projects),
        (
            &vec!["5".to_owned(), "a".to_owned()],
            &vec!["42".to_owned(), "acme/web".to_owned()]
        )
    );

    let log = scene.olga.get(&format!("{own}/received")).await.json();
    let came = log["items"].as_array().expect("a list");
    assert_eq!((came.len(), &came[0]["body"]), (1, &json!(body)));
    let id = came[0]["id"].as_str().expect("an id");
    let again = format!("{own}/received/{id}/replay");
    assert_eq!(scene.olga.post(&again, &json!({})).await.status, 202);
    scene.place.world.run_jobs().await.expect("runs");
    assert_eq!(scene.keeper.0.lock().expect("whole").len(), 2);

    // Another secret takes hold at once; switched off, nobody is there.
    let mended = json!({ "secret": other.expose() });
    assert_eq!(scene.olga.patch(&own, &mended).await.status, 200);
    let late = scene.send(&path, &secret, "m-3", body, 0).await;
    assert_eq!(late.code(), "hook.signature_wrong");
    assert_eq!(scene.send(&path, &other, "m-3", body, 0).await.status, 200);
    let off = scene.olga.patch(&own, &json!({ "enabled": false })).await;
    assert_eq!(off.json()["enabled"], false);
    let nobody = scene.send(&path, &other, "m-4", body, 0).await;
    assert_eq!(
        (nobody.status.as_u16(), nobody.code().as_str()),
        (404, "hook.nobody")
    );
}

#[tokio::test]
async fn the_largest_webhook_is_kept_whatever_is_in_it_and_a_larger_one_is_refused() {
    let scene = Registered::new().await;
    let (own, path, secret) = scene.receiver("standard").await;
    let secret = secret.expect("is made");
    let filled = |with: &str| {
        let mut body = with.repeat(HOOK_BYTES / with.len());
        body.push_str(&"x".repeat(HOOK_BYTES - body.len()));
        body
    };
    // What JSON writes with one byte, two and six; what is not ASCII; a message with a name as long as
    // all of it.
    let named = format!("{{\"type\":\"{}\"}}", "e".repeat(HOOK_BYTES - 11));
    let bodies = [
        filled("x"),
        filled("\""),
        filled("\\\""),
        filled("\u{1}"),
        filled("é✓"),
        filled("{\"a\":\"\\n\"}"),
        named,
    ];
    for (number, body) in bodies.iter().enumerate() {
        assert_eq!(body.len(), HOOK_BYTES);
        let id = format!("m-{number}");
        let kept = scene.send(&path, &secret, &id, body, 0).await;
        assert_eq!(kept.status, 200, "{number}: {}", kept.text);
        let larger = format!("{body}x");
        let id = format!("l-{number}");
        let refused = scene.send(&path, &secret, &id, &larger, 0).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (413, "body.too_large"),
            "{number}"
        );
        scene.place.world.clock.advance_millis(1);
    }
    scene.place.world.run_jobs().await.expect("runs");
    let taken = scene.keeper.0.lock().expect("whole").clone();
    let taken: Vec<&String> = taken.iter().map(|hook| &hook.body).collect();
    assert!(taken.iter().copied().eq(bodies.iter()), "as they were sent");
    let first = scene.olga.get(&format!("{own}/received?first=1")).await;
    assert_eq!(first.status, 200);
}

#[tokio::test]
async fn an_app_that_brings_its_own_secret_is_believed_by_it_from_then_on() {
    let scene = Registered::new().await;
    let (own, path, secret) = scene.receiver("bringer").await;
    assert!(secret.is_none());
    let nobody = scene.place.anonymous();
    let early = nobody
        .send("POST", &path, &[("x-hook-signature", "00")], "{}")
        .await;
    assert_eq!(
        (early.status.as_u16(), early.code().as_str()),
        (401, "hook.signature_missing")
    );
    let first = nobody
        .send("POST", &path, &[("x-hook-secret", "brought")], "")
        .await;
    assert_eq!(
        (first.status.as_u16(), first.header("x-hook-secret")),
        (200, "brought")
    );
    assert_eq!(scene.olga.get(&own).await.json()["has_secret"], true);
    // A second one does not take its place.
    let second = nobody
        .send("POST", &path, &[("x-hook-secret", "mine now")], "")
        .await;
    let third = [("x-hook-secret", "mine now"), ("x-hook-signature", "00")];
    let third = nobody.send("POST", &path, &third, "{}").await;
    assert_eq!(third.code(), "hook.signature_wrong");
    // HMAC-SHA256 of "{}" with the key "brought", by another implementation.
    let right = "c8c4e22c96e96d2f87c53900ad6ecb24d3428e2c25b8975a247ef05e0cfd4be3";
    let believed = nobody
        .send("POST", &path, &[("x-hook-signature", right)], "{}")
        .await;
    assert_eq!(
        believed.status, 200,
        "{} after {}",
        believed.text, second.text
    );
}

#[tokio::test]
async fn receivers_are_the_owners_and_need_an_app_that_sends_webhooks() {
    let scene = Registered::new().await;
    let (own, ..) = scene.receiver("standard").await;
    let (tess, eve) = (scene.place.tess().await, scene.place.eve().await);
    assert_eq!(tess.get(&own).await.status, 403);
    assert_eq!(eve.get(&own).await.status, 404);
    assert_eq!(eve.delete(&own).await.status, 404);
    for (body, code) in [
        (
            json!({ "organization": "acme", "app": "none" }),
            "receiver.app",
        ),
        (
            json!({ "organization": "acme", "app": "standard", "secret": "" }),
            "receiver.secret",
        ),
    ] {
        let answer = scene.olga.post("/api/v2/receivers", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, code)
        );
    }
    assert_eq!(scene.olga.delete(&own).await.status, 204);
    assert_eq!(scene.olga.get(&own).await.status, 404);
    let listed = scene.olga.get("/api/v2/receivers?organization=acme").await;
    assert_eq!(listed.json()["items"], json!([]));
}
