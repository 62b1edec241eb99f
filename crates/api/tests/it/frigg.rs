//! Frigg's surface: one golden exchange per route, as its clients make it.
//!
//! The files in `golden/frigg/` are written by `UPDATE=1`; ids and random texts are numbered. What
//! strangers get is tried by the walker, for every route.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gna_api::compat::frigg::{ROUTES, is_v1, is_v2};
use gna_api::{ApiConfig, AppState, FriggConfig};
use gna_domain::Resource;
use gna_domain::connect::module::JwtAlgorithm;
use gna_domain::connect::oauth2::{JwtSigner, SigningInput};
use gna_domain::policy::Role;
use gna_domain::secret::Secret;
use gna_integrations::framework::adopter::{Claims, Keys, Tokens};
use gna_integrations::modules::Signer;
use gna_testkit::RIGHT_KEY;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::rest_actor::{Actor, Place};

const KEY: &str = "the-key-of-an-adopter-0123456789abcdef";
const HEALTH_KEY: &str = "a-key-for-health";

/// Acme's Mia, and apps that answer; everything of Frigg's is open.
async fn place() -> (Place, Actor) {
    let place = Place::with(|config| ApiConfig {
        frigg: FriggConfig {
            organization: Some("acme".to_owned()),
            open_registration: true,
            routes: vec!["echo".to_owned()],
            key: Some(Secret::new(KEY).digest()),
            health_key: Some(Secret::new(HEALTH_KEY).digest()),
        },
        ..config
    })
    .await;
    place.world.answer_apps();
    let acme = Resource::Organization(place.acme.id);
    let mia = place.actor("mia", acme, Role::Member).await;
    (place, mia)
}

/// Numbers what differs from run to run.
#[derive(Default)]
struct Numbered(BTreeMap<String, String>);

impl Numbered {
    fn text(&mut self, text: &str) -> String {
        let mut whole = String::new();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut rest = text;
        while let Some(at) = rest.find(is_part) {
            let (before, from) = rest.split_at(at);
            let end = from.find(|c: char| !is_part(c)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            whole.push_str(before);
            whole.push_str(&self.word(word));
            rest = after;
        }
        whole.push_str(rest);
        whole
    }

    fn word(&mut self, word: &str) -> String {
        let is_id = word
            .split_once('_')
            .is_some_and(|(kind, digits)| kind.len() == 3 && digits.len() == 32);
        if !is_id && word.len() < 40 {
            return word.to_owned();
        }
        let kind = word
            .split_once('_')
            .filter(|_| is_id)
            .map_or("random", |(kind, _)| kind);
        let next = format!("{kind}#{}", self.0.len() + 1);
        self.0.entry(word.to_owned()).or_insert(next).clone()
    }

    fn json(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(list) => list.iter().map(|value| self.json(value)).collect(),
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(name, value)| (name.clone(), self.json(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
}

/// A conversation with the server, each exchange compared with its file.
struct Talk {
    numbered: Numbered,
    /// What was learned, for `{name}` in paths and bodies.
    known: BTreeMap<&'static str, String>,
    /// Routes that were taken.
    taken: BTreeSet<(&'static str, &'static str)>,
}

impl Talk {
    fn new() -> Self {
        Self {
            numbered: Numbered::default(),
            known: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }

    fn fill(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (name, is)| {
            text.replace(&format!("{{{name}}}"), is)
        })
    }

    /// `route` is as in the table of routes; `query` comes behind it.
    async fn say(
        &mut self,
        actor: &Actor,
        name: &str,
        (method, route): (&'static str, &'static str),
        query: &str,
        body: Value,
    ) -> Value {
        self.taken.insert((method, route));
        let path = self.fill(route) + query;
        let body: Value = serde_json::from_str(&self.fill(&body.to_string())).expect("JSON");
        let sent = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [("content-type", "application/json")];
        let answer = actor
            .send(&method.to_uppercase(), &path, &headers, sent)
            .await;
        let header = |name: &str| {
            let value = answer.headers.get(name);
            value.map(|value| value.to_str().expect("a text").to_owned())
        };
        // Which version answered is told of every answer, errors too.
        let version = header("frigg-api-version");
        assert_eq!(version.as_deref(), is_v2(route).then_some("2"), "{name}");
        let deprecated = header("deprecation");
        let since = is_v1(route) && route != META.1;
        assert_eq!(
            deprecated.as_deref(),
            since.then_some("@1793491200"),
            "{name}"
        );
        let shown = answer.text.replace("access-hunter2", "hunter2");
        assert!(!shown.contains("hunter2"), "{name}: {}", answer.text);
        let got: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        assert!(
            answer.status == 204 || !got.is_null(),
            "{name}: every other answer is JSON: {}",
            answer.text
        );
        let numbered = &mut self.numbered;
        let sent = body.to_string().replace(RIGHT_KEY, "a key that is right");
        let sent: Value = serde_json::from_str(&sent).expect("JSON");
        let exchange = json!({
            "request": {
                "method": method.to_uppercase(), "path": numbered.text(&path), "body": numbered.json(&sent),
            },
            "response": { "status": answer.status.as_u16(), "body": numbered.json(&got) },
        });
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/golden/frigg")
            .join(format!("{name}.json"));
        let text = format!("{exchange:#}\n");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(&file, &text).expect("writes");
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            text, kept,
            "{name}: run with UPDATE=1 and look at the difference"
        );
        got
    }

    fn learn(&mut self, name: &'static str, value: &Value) {
        let text = value.as_str().expect("a text").to_owned();
        self.known.insert(name, text);
    }
}

const AUTHORIZE: (&str, &str) = ("get", "/api/authorize");
const AUTHORIZED: (&str, &str) = ("post", "/api/authorize");
const AUTHORIZE_2: (&str, &str) = ("get", "/api/v2/authorize");
const AUTHORIZED_2: (&str, &str) = ("post", "/api/v2/authorize");
const META: (&str, &str) = ("get", "/api/meta");
const NONE: Value = Value::Null;

#[tokio::test]
async fn every_route_answers_as_its_golden_file_says() {
    let (place, mia) = place().await;
    let nobody = place.anonymous();
    let mut talk = Talk::new();
    first_version(&mut talk, &mia, &nobody).await;
    second_version(&mut talk, &mia).await;
    integrations(&mut talk, &mia, &place).await;
    own_routes(&mut talk, &nobody).await;
    let all: BTreeSet<(&str, &str)> = ROUTES
        .iter()
        .map(|route| (route.method, route.path))
        .collect();
    let missing: Vec<_> = all.difference(&talk.taken).collect();
    assert!(
        missing.is_empty(),
        "routes without a golden file: {missing:?}"
    );
}

#[tokio::test]
async fn clients_find_out_which_versions_there_are() {
    let (place, mia) = place().await;
    let nobody = place.anonymous();
    let meta = nobody.get(META.1).await.json();
    let versions = meta["api"]["versions"].as_object().expect("versions");
    for (number, version) in versions {
        let path = version["openapi"].as_str().expect("an address");
        let described = nobody.get(path).await.json();
        let paths = described["paths"].as_object().expect("paths");
        let listed = match number.as_str() {
            "1" => "/api/integrations",
            _ => "/api/v2/integrations",
        };
        assert!(paths.contains_key(listed), "{number}");
        assert_eq!(
            described["paths"][listed]["get"]["deprecated"].as_bool(),
            (number == "1").then_some(true),
            "{number}"
        );
        // A path of one version is in no other's description.
        let other = |path: &&String| match number.as_str() {
            "1" => !is_v1(path),
            _ => ROUTES
                .iter()
                .any(|route| is_v1(route.path) && route.path == path.as_str()),
        };
        assert_eq!(paths.keys().find(other), None, "{number}");
    }
    let preferred = meta["api"]["preferred"].as_str().expect("a number");
    assert_eq!(versions[preferred]["status"], "stable");
    assert_eq!(nobody.get("/api/meta/openapi/v9.json").await.status, 404);
    // The old address tells the new one, where there is one, and keeps answering.
    for (path, links) in [
        (
            "/api/integrations",
            vec![
                "</api/meta>; rel=\"deprecation\"",
                "</api/v2/integrations>; rel=\"successor-version\"",
            ],
        ),
        (
            "/api/modules/keyed",
            vec!["</api/meta>; rel=\"deprecation\""],
        ),
    ] {
        let answer = mia.get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let told = answer.headers.get_all("link").iter();
        let told: Vec<&str> = told.map(|link| link.to_str().expect("a text")).collect();
        assert_eq!(told, links, "{path}");
    }
}

async fn first_version(talk: &mut Talk, mia: &Actor, nobody: &Actor) {
    let t = talk;
    t.say(nobody, "health", ("get", "/health"), "", NONE).await;
    t.say(nobody, "meta", META, "", NONE).await;
    // Getting in.
    let (create, login) = (("post", "/user/create"), ("post", "/user/login"));
    let missing = json!({"username": "nia"});
    t.say(nobody, "user-create-missing", create, "", missing)
        .await;
    let nia = json!({"username": "nia", "password": "correct horse battery"});
    t.say(nobody, "user-create", create, "", nia.clone()).await;
    t.say(nobody, "user-create-taken", create, "", nia.clone())
        .await;
    t.say(nobody, "user-login", login, "", nia).await;
    let wrong = json!({"username": "nia", "password": "wrong horse battery"});
    t.say(nobody, "user-login-wrong", login, "", wrong).await;
    t.say(nobody, "user-login-missing", login, "", json!({}))
        .await;
    // Without a token, without a type, with a wrong one.
    t.say(
        nobody,
        "v1-authorize-nobody",
        AUTHORIZE,
        "?entityType=tracker",
        NONE,
    )
    .await;
    t.say(mia, "v1-authorize-missing", AUTHORIZE, "", NONE)
        .await;
    t.say(
        mia,
        "v1-authorize-unknown",
        AUTHORIZE,
        "?entityType=nothing",
        NONE,
    )
    .await;
    t.say(mia, "v1-authorized-missing", AUTHORIZED, "", json!({}))
        .await;
    // By a form.
    t.say(
        mia,
        "v1-authorize-form",
        AUTHORIZE,
        "?entityType=keyed",
        NONE,
    )
    .await;
    let wrong = json!({"entityType": "keyed", "data": {"api_key": "wrong"}});
    t.say(mia, "v1-authorized-refused", AUTHORIZED, "", wrong)
        .await;
    // By the app itself; the client drops the state, as Frigg's does.
    let query = "?entityType=tracker&connectingEntityType=tracker";
    t.say(mia, "v1-authorize-oauth2", AUTHORIZE, query, NONE)
        .await;
    let code = json!({"entityType": "tracker", "data": {"code": "c"}});
    let made = t
        .say(mia, "v1-authorized-code", AUTHORIZED, "", code.clone())
        .await;
    t.learn("entity", &made["entity_id"]);
    t.learn("credential", &made["credential_id"]);
    t.say(mia, "v1-authorized-twice", AUTHORIZED, "", code)
        .await;
    // What became of it.
    let create = ("post", "/api/entity");
    let of = json!({"entityType": "tracker", "data": {"credential_id": "{credential}"}});
    t.say(mia, "v1-entity", create, "", of).await;
    let of = json!({"entityType": "tracker", "data": {"credential_id": "unknown"}});
    t.say(mia, "v1-entity-unknown", create, "", of).await;
    let options = ("get", "/api/entity/options/{credential}");
    t.say(
        mia,
        "v1-entity-options",
        options,
        "?entityType=tracker",
        NONE,
    )
    .await;
    let show = ("get", "/api/entities/{entity}");
    t.say(mia, "v1-entities-show", show, "", NONE).await;
    let test = ("get", "/api/entities/{entity}/test-auth");
    t.say(mia, "v1-entities-test-auth", test, "", NONE).await;
    let options = ("post", "/api/entities/{entity}/options");
    t.say(mia, "v1-entities-options", options, "", json!({}))
        .await;
    let again = ("post", "/api/entities/{entity}/options/refresh");
    t.say(mia, "v1-entities-options-refresh", again, "", json!({}))
        .await;
    t.known.insert("type", "keyed".to_owned());
    for (name, path) in [
        ("v1-entities", "/api/entities"),
        ("v1-credentials", "/api/credentials"),
        ("v1-credential", "/api/credentials/{credential}"),
        ("v1-modules", "/api/modules"),
        ("v1-module", "/api/modules/{type}"),
        (
            "v1-module-authorization",
            "/api/modules/{type}/authorization",
        ),
    ] {
        t.say(mia, name, ("get", path), "", NONE).await;
    }
    let delete = ("delete", "/api/credentials/{credential}");
    t.say(mia, "v1-credential-in-use", delete, "", NONE).await;
    t.say(mia, "v1-credential-delete", delete, "?cascade=true", NONE)
        .await;
}

async fn second_version(talk: &mut Talk, mia: &Actor) {
    let t = talk;
    t.known.insert("type", "keyed".to_owned());
    let get = |path: &'static str| ("get", path);
    for (name, route) in [
        ("v2-types", get("/api/v2/entities/types")),
        ("v2-type", get("/api/v2/entities/types/{type}")),
        (
            "v2-type-requirements",
            get("/api/v2/entities/types/{type}/requirements"),
        ),
    ] {
        t.say(mia, name, route, "", NONE).await;
    }
    t.say(mia, "v2-authorize-missing", AUTHORIZE_2, "", NONE)
        .await;
    let query = "?moduleType=tracker";
    t.say(mia, "v2-authorize-oauth2", AUTHORIZE_2, query, NONE)
        .await;
    let empty = json!({"moduleType": "keyed", "data": {}});
    t.say(mia, "v2-authorized-empty", AUTHORIZED_2, "", empty)
        .await;
    let right = json!({"moduleType": "keyed", "data": {"api_key": RIGHT_KEY}});
    let made = t
        .say(mia, "v2-authorized", AUTHORIZED_2, "", right.clone())
        .await;
    t.learn("entity", &made["entityId"]);
    t.learn("credential", &made["credentialId"]);
    let create = ("post", "/api/v2/entities");
    let of = json!({"moduleType": "keyed", "credentialId": "{credential}"});
    t.say(mia, "v2-entity-create", create, "", of).await;
    for (name, route) in [
        ("v2-entities", get("/api/v2/entities")),
        ("v2-entity", get("/api/v2/entities/{entity}")),
        ("v2-entity-test", get("/api/v2/entities/{entity}/test")),
        (
            "v2-entity-test-auth",
            get("/api/v2/entities/{entity}/test-auth"),
        ),
        (
            "v2-entity-options",
            get("/api/v2/entities/{entity}/options"),
        ),
        (
            "v2-entity-reauthorize",
            get("/api/v2/entities/{entity}/reauthorize"),
        ),
        ("v2-credentials", get("/api/v2/credentials")),
        ("v2-credential", get("/api/v2/credentials/{credential}")),
        (
            "v2-credential-reauthorize",
            get("/api/v2/credentials/{credential}/reauthorize"),
        ),
    ] {
        t.say(mia, name, route, "", NONE).await;
    }
    let again = ("post", "/api/v2/entities/{entity}/options/refresh");
    t.say(mia, "v2-entity-options-refresh", again, "", json!({}))
        .await;
    let again = ("post", "/api/v2/entities/{entity}/reauthorize");
    let wrong = json!({"data": {"api_key": "wrong"}});
    t.say(mia, "v2-entity-reauthorized-refused", again, "", wrong)
        .await;
    t.say(mia, "v2-entity-reauthorized", again, "", right.clone())
        .await;
    let again = ("post", "/api/v2/credentials/{credential}/reauthorize");
    t.say(mia, "v2-credential-reauthorized", again, "", right)
        .await;
    let refresh = ("post", "/api/v2/credentials/{credential}/refresh");
    t.say(mia, "v2-credential-refresh", refresh, "", json!({}))
        .await;
    let delete = ("delete", "/api/v2/credentials/{credential}");
    t.say(mia, "v2-credential-in-use", delete, "", NONE).await;
    let entity = ("delete", "/api/v2/entities/{entity}");
    t.say(mia, "v2-entity-delete", entity, "", NONE).await;
    t.say(mia, "v2-entity-gone", entity, "", NONE).await;
    t.say(mia, "v2-credential-gone", delete, "?cascade=true", NONE)
        .await;
}

/// Accounts joined to a type, in both versions; `integrations.rs` tells the story behind them.
async fn integrations(talk: &mut Talk, mia: &Actor, place: &Place) {
    let t = talk;
    let query = "?entityType=tracker";
    let asked = t
        .say(mia, "v1-integration-authorize", AUTHORIZE, query, NONE)
        .await;
    let url = asked["url"].as_str().expect("an address");
    let state = url
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("state="));
    let code = json!({"entityType": "tracker", "state": state, "data": {"code": "c"}});
    let made = t
        .say(mia, "v1-integration-account", AUTHORIZED, "", code)
        .await;
    t.learn("entity", &made["entity_id"]);
    t.known.insert("action", "ECHO".to_owned());
    for (version, all) in [("v1", "/api/integrations"), ("v2", "/api/v2/integrations")] {
        let name = |what: &str| format!("{version}-integrations{what}");
        let wrong = json!({"entities": ["{entity}"], "config": {"type": "nothing"}});
        t.say(mia, &name("-create-wrong"), ("post", all), "", wrong)
            .await;
        let new = json!({"entities": ["{entity}"], "config": {"type": "echo"}});
        // Lists go by time; what was made in one moment has no order.
        place.world.clock.advance_millis(1);
        let made = t.say(mia, &name("-create"), ("post", all), "", new).await;
        t.learn("integration", &made["id"]);
        t.say(mia, &name(""), ("get", all), "", NONE).await;
        for route in ROUTES.iter().filter(|route| {
            let rest = route.path.strip_prefix(all).unwrap_or_default();
            rest.starts_with("/{integration}") && route.method != "delete"
        }) {
            let rest = route.path.strip_prefix(all).unwrap_or_default();
            let rest = rest
                .trim_start_matches("/{integration}")
                .replace(['/', '{', '}'], "-");
            let body = match (route.method, rest.as_str()) {
                ("patch", _) => json!({"config": {"project": "p1"}}),
                ("get", _) => NONE,
                _ => json!({"project": "p1"}),
            };
            let name = name(&format!("{rest}-{}", route.method));
            t.say(mia, &name, (route.method, route.path), "", body)
                .await;
        }
        if version == "v1" {
            let options = ("get", "/api/integrations/options");
            t.say(mia, "v1-integrations-options", options, "", NONE)
                .await;
            t.say(
                mia,
                "v1-demo-sample",
                ("get", "/api/demo/sample/{integration}"),
                "",
                NONE,
            )
            .await;
            // A route of the type's own that names the integration.
            let id = t.known["integration"].clone();
            t.known.insert("*path", format!("{id}/say/hello"));
            t.known.insert("integration", "echo-integration".to_owned());
            let route = ("post", "/api/{integration}/{*path}");
            t.say(
                mia,
                "v1-own-of-integration",
                route,
                "",
                json!({"loud": true}),
            )
            .await;
            t.known.insert("integration", id);
        } else {
            t.say(
                mia,
                "v2-integrations-options",
                ("get", "/api/v2/integrations/options"),
                "",
                NONE,
            )
            .await;
        }
        let one = ROUTES
            .iter()
            .find(|route| {
                route.method == "delete" && route.path == format!("{all}/{{integration}}")
            })
            .expect("a route");
        t.say(mia, &name("-delete"), (one.method, one.path), "", json!({}))
            .await;
    }
}

/// What a type of integrations answers by itself, to anybody.
async fn own_routes(talk: &mut Talk, nobody: &Actor) {
    let t = talk;
    t.known.insert("integration", "echo-integration".to_owned());
    for (method, path) in [
        ("get", "status"),
        ("put", "status"),
        ("patch", "status"),
        ("delete", "status"),
        ("get", "nothing"),
        ("post", "int_7/say/hello"),
    ] {
        t.known.insert("*path", path.to_owned());
        let body = if method == "get" {
            NONE
        } else {
            json!({"a": 1})
        };
        let name = format!("v1-own-{method}-{}", path.replace('/', "-"));
        let query = if path == "status" { "?b=2" } else { "" };
        t.say(
            nobody,
            &name,
            (method, "/api/{integration}/{*path}"),
            query,
            body,
        )
        .await;
    }
    t.known.insert("integration", "pair-integration".to_owned());
    t.known.insert("*path", "status".to_owned());
    let route = ("get", "/api/{integration}/{*path}");
    t.say(nobody, "v1-own-not-listed", route, "", NONE).await;
}

#[tokio::test]
async fn tokens_are_taken_in_the_form_of_frigg() {
    let (place, mia) = place().await;
    let inner = mia.token.clone().expect("a token");
    let wrapped = |value: Value| STANDARD.encode(value.to_string());
    for (token, status) in [
        (wrapped(json!({"id": "x", "token": inner.expose()})), 200),
        (wrapped(json!({"id": "x", "token": "gna_0"})), 401),
        (wrapped(json!({"id": "x", "token": ""})), 401),
        (wrapped(json!({})), 401),
        ("not base64!".to_owned(), 401),
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let answer = place
            .anonymous()
            .send("GET", "/api/v2/entities", &headers, "")
            .await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

/// The ids of the accounts that somebody sees whom the headers name.
async fn seen(place: &Place, headers: &[(&str, &str)]) -> (u16, Vec<String>) {
    let answer = place
        .anonymous()
        .send("GET", "/api/v2/entities", headers, "")
        .await;
    let json = answer.json();
    let entities = json["entities"].as_array().cloned().unwrap_or_default();
    let id = |entity: &Value| entity["id"].as_str().expect("an id").to_owned();
    (answer.status.as_u16(), entities.iter().map(id).collect())
}

async fn connected(place: &Place, headers: &[(&str, &str)], shared: bool) -> String {
    // Lists go by time; what was made in one moment has no order.
    place.world.clock.advance_millis(1);
    let body = json!({"entityType": "keyed", "shared": shared, "data": {"api_key": RIGHT_KEY}});
    let answer = place
        .anonymous()
        .send("POST", "/api/authorize", headers, body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let id = answer.json()["entity_id"].clone();
    id.as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn an_adopter_speaks_for_its_own_people_and_nobody_else() {
    let (place, mia) = place().await;
    let key = ("x-frigg-api-key", KEY);
    let long = "x".repeat(201);
    let user = |id| ("x-frigg-appuserid", id);
    let customer = |id| ("x-frigg-apporgid", id);
    let nothing: Vec<String> = Vec::new();
    // Made when first seen, found again by the same id.
    assert_eq!(
        seen(&place, &[key, user("7")]).await,
        (200, nothing.clone())
    );
    let of_7 = connected(&place, &[key, user("7")], false).await;
    assert_eq!(
        seen(&place, &[key, user("7")]).await,
        (200, vec![of_7.clone()])
    );
    assert_eq!(
        seen(&place, &[key, user("8")]).await,
        (200, nothing.clone())
    );
    // A name that is somebody's address is still only a name of the adopter's.
    assert_eq!(
        seen(&place, &[key, user("mia@example.com")]).await.1,
        nothing
    );
    // Customers are worlds of their own, whatever else exists under their name.
    let of_acme = connected(&place, &[key, customer("acme")], true).await;
    assert_eq!(
        seen(&place, &[key, customer("acme")]).await,
        (200, vec![of_acme.clone()])
    );
    assert_eq!(
        seen(&place, &[key, customer("globex")]).await,
        (200, nothing.clone())
    );
    let both = [key, user("9"), customer("acme")];
    assert_eq!(seen(&place, &both).await, (200, nothing));
    let of_9 = connected(&place, &both, false).await;
    assert_eq!(seen(&place, &both).await, (200, vec![of_9.clone()]));
    assert_eq!(
        seen(&place, &[key, customer("acme")]).await,
        (200, vec![of_acme, of_9])
    );
    // A person who is known elsewhere is not of this customer.
    assert_eq!(
        seen(&place, &[key, user("7"), customer("acme")]).await.0,
        400
    );
    assert_eq!(seen(&place, &[key]).await.0, 400);
    assert_eq!(seen(&place, &[key, user(&long)]).await.0, 400);
    assert_eq!(
        seen(&place, &[("x-frigg-api-key", "wrong"), user("7")])
            .await
            .0,
        401
    );
    // Mia's own organization is Acme, too, and she sees what is hers there; nobody's headers change that.
    let token = format!("Bearer {}", mia.token.as_ref().expect("a token").expose());
    let by_token = ("authorization", token.as_str());
    assert_eq!(seen(&place, &[by_token]).await.0, 200);
    assert_eq!(seen(&place, &[by_token, user("7")]).await.0, 403);
    assert_eq!(seen(&place, &[by_token, customer("acme")]).await.0, 403);
    // Nobody registers as one of the adopter's people, and none of them can sign in.
    let squat = json!({"username": "x@app-user.invalid", "password": "correct horse battery"});
    assert_eq!(
        place.anonymous().post("/user/create", &squat).await.status,
        400
    );
    // Where nothing is configured, nothing of it works.
    let plain = Place::new().await;
    assert_eq!(seen(&plain, &[key, user("7")]).await.0, 401);
    let nia = json!({"username": "nia", "password": "correct horse battery"});
    assert_eq!(
        plain.anonymous().post("/user/create", &nia).await.status,
        403
    );
}

#[tokio::test]
async fn a_person_who_registered_works_with_the_token() {
    let (place, _) = place().await;
    let nia = json!({"username": "nia", "password": "correct horse battery"});
    let made = place.anonymous().post("/user/create", &nia).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let again = place.anonymous().post("/user/login", &nia).await;
    for answer in [made, again] {
        let token = answer.json()["token"].clone();
        let token = token.as_str().expect("a token");
        let inner = STANDARD.decode(token).expect("base64");
        let inner: Value = serde_json::from_slice(&inner).expect("JSON");
        assert!(inner["id"].is_string() && inner["token"].is_string());
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        assert_eq!(seen(&place, &headers).await.0, 200);
        connected(&place, &headers, false).await;
    }
}

#[tokio::test]
async fn a_token_that_the_adopter_signed_is_its_person() {
    let (mut place, _) = place().await;
    let secret = "a secret of an adopter, 32 bytes";
    let ports = &place.world.ports;
    let claims = Claims {
        issuer: Some("https://product.example".to_owned()),
        audience: None,
        user: "sub".to_owned(),
        organization: "org".to_owned(),
    };
    let (clock, egress) = (ports.clock.clone(), ports.egress.clone());
    let keys = Keys::Secret(Secret::new(secret));
    let tokens = Tokens::new(keys, claims, clock, egress).expect("a key");
    let apps = place.world.apps.clone();
    let state = AppState::new(
        ports.clone(),
        apps,
        ApiConfig {
            frigg: FriggConfig {
                organization: Some("acme".to_owned()),
                ..FriggConfig::default()
            },
            ..ApiConfig::at("http://127.0.0.1:8080")
        },
    );
    let now = ports.clock.now().millis() / 1_000;
    place.app = gna_api::app(state.with_adopter(Arc::new(tokens)));
    let signed = |claims: Value| {
        let input = SigningInput {
            algorithm: JwtAlgorithm::HS256,
            key_id: None,
            claims: claims.as_object().expect("an object").clone(),
            key: Secret::new(secret),
        };
        let token = Signer.sign(&input).expect("signs");
        format!("Bearer {}", token.expose())
    };
    let iss = "https://product.example";
    let good = signed(json!({"iss": iss, "sub": "7", "exp": now + 60}));
    let headers = [("authorization", good.as_str())];
    let of_7 = connected(&place, &headers, false).await;
    assert_eq!(seen(&place, &headers).await, (200, vec![of_7]));
    for (wrong, status) in [
        (
            signed(json!({"iss": iss, "sub": "7", "exp": now - 61})),
            401,
        ),
        (signed(json!({"iss": iss, "sub": "7"})), 401),
        (signed(json!({"iss": iss, "exp": now + 60})), 401),
        (
            signed(json!({"iss": "https://other.example", "sub": "7", "exp": now + 60})),
            401,
        ),
        (format!("{good}x"), 401),
        ("Bearer a.b.c".to_owned(), 401),
    ] {
        let headers = [("authorization", wrong.as_str())];
        assert_eq!(seen(&place, &headers).await.0, status, "{wrong}");
    }
    let other = [headers[0], ("x-frigg-appuserid", "8")];
    assert_eq!(seen(&place, &other).await.0, 403);
}

#[tokio::test]
async fn health_is_told_in_detail_to_whoever_has_the_key() {
    let (place, _) = place().await;
    let nobody = place.anonymous();
    let ask = async |key: &str| {
        let headers = [("x-frigg-health-api-key", key)];
        nobody.send("GET", "/health/detailed", &headers, "").await
    };
    assert_eq!(ask("wrong").await.status, 401);
    let told = ask(HEALTH_KEY).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let told = told.json();
    let checks = json!({"database": "ok", "encryption": "ok", "integrations": 2});
    assert_eq!((&told["status"], &told["checks"]), (&json!("ok"), &checks));
    assert!(told["responseTime"].is_i64());
}
