//! The walker: tries everything that is mounted (routes, fields, subscriptions, pages) as nobody and as the manager of another
//! organization, with ids of things that exist, and never gets data.
//!
//! What answers anyway stands in [`REST_EXCEPTIONS`] and [`GRAPHQL_EXCEPTIONS`] with its reason, or
//! is `Public` in the table of routes with its reason.

use async_graphql::{Executor, Request, Variables};
use futures::StreamExt;
use gna_api::compat::frigg;
use gna_api::graphql::http::Api;
use gna_api::graphql::socket::Socket;
use gna_api::rest::ROUTES;
use gna_api::ui::{Guard, PAGES};
use gna_api::{ApiConfig, AppState, rest};
use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_domain::service::authenticate::{Caller, Credential, authenticate};
use gna_testkit::{RIGHT_KEY, trivy};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::browser::Site;
use crate::rest_actor::{Actor, Place};

/// Routes that answer a stranger, with what they answer.
const REST_EXCEPTIONS: &[(&str, &str)] = &[
    (
        "get /api/v2/vulnerabilities",
        "without a group it lists what the caller may see: nothing of others",
    ),
    (
        "get /api/v2/vulnerabilities/export",
        "without a group it exports what the caller may see: nothing of others",
    ),
];

/// Fields of GraphQL that answer a stranger, with what they answer.
const GRAPHQL_EXCEPTIONS: &[(&str, &str)] = &[
    ("viewer", "who calls"),
    ("organizations", "lists what the caller knows"),
    ("formats", "the formats are the same for everybody"),
    (
        "threatFeeds",
        "what is known of CVEs is the same for everybody",
    ),
    ("gateKey", "a public key, the same for everybody"),
    (
        "modules",
        "the apps are the same for everybody who is known",
    ),
    (
        "recipes",
        "the types of integrations are the same for everybody who is known",
    ),
    ("module", "the apps are the same for everybody who is known"),
    ("noticePreferences", "the caller's own"),
    ("reportSubscriptions", "the caller's own"),
];

/// Acme's secrets: what must never be in a stranger's answer.
struct Foreign {
    ids: Vec<(&'static str, String)>,
}

impl Foreign {
    async fn of(place: &Place, tess: &Actor) -> Self {
        let upload = "/api/v2/reports?organization=acme&group=shop&asset=top-secret-asset";
        let bytes = [("content-type", "application/octet-stream")];
        let report = tess
            .send(
                "POST",
                upload,
                &bytes,
                trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")]),
            )
            .await;
        place.world.run_jobs().await.expect("the import runs");
        place.world.answer_apps();
        let acme = Resource::Organization(place.acme.id);
        let mia = place.actor("mia", acme, Role::Member).await;
        let key = json!({"module": "keyed", "data": {"api_key": RIGHT_KEY}});
        let connected = mia.post("/api/v2/authorizations/finish", &key).await.json();
        let list = tess.get("/api/v2/vulnerabilities").await.json();
        let system = place.world.system();
        let begun = json!({"module": "tracker"});
        let begun = mia.post("/api/v2/authorizations", &begun).await.json();
        let code = json!({"state": begun["state"], "data": {"code": "c"}});
        let tracker = mia
            .post("/api/v2/authorizations/finish", &code)
            .await
            .json();
        let echo =
            json!({"entities": [tracker["entity"]], "config": {"type": "echo", "project": "p"}});
        let integration = mia.post("/api/v2/integrations", &echo).await.json();
        let tess_id = gna_domain::service::user::find(&system, "tess@example.com")
            .await
            .expect("is there")
            .id;
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let blocker =
            json!({ "organization": "acme", "group": "shop", "title": "top-secret-asset is down" });
        let blocker = tess.post("/api/v2/blockers", &blocker).await.json();
        let vulnerability = &list["items"][0];
        Self {
            ids: vec![
                // Before what is part of longer names: a run, a group of entities.
                ("integration", text(&integration["id"])),
                ("entities", text(&connected["entity"])),
                ("organization", place.acme.id.to_string()),
                ("group", place.shop.id.to_string()),
                ("report", text(&report.json()["id"])),
                ("asset", text(&vulnerability["asset"]["id"])),
                ("finding", text(&vulnerability["finding"]["id"])),
                ("vulnerability", text(&vulnerability["id"])),
                ("token", "tok_00000000000000000000000000000001".to_owned()),
                (
                    "invitation",
                    "inv_00000000000000000000000000000001".to_owned(),
                ),
                (
                    "rotation",
                    "job_00000000000000000000000000000001".to_owned(),
                ),
                ("session", "ses_00000000000000000000000000000001".to_owned()),
                (
                    "evidence",
                    "evd_00000000000000000000000000000001".to_owned(),
                ),
                ("blocker", text(&blocker["id"])),
                (
                    "environment",
                    "env_00000000000000000000000000000001".to_owned(),
                ),
                ("comment", "com_00000000000000000000000000000001".to_owned()),
                ("job", "job_00000000000000000000000000000001".to_owned()),
                (
                    "schedule",
                    "sch_00000000000000000000000000000001".to_owned(),
                ),
                (
                    "triage_run",
                    "trn_00000000000000000000000000000001".to_owned(),
                ),
                (
                    "triagerun",
                    "trn_00000000000000000000000000000001".to_owned(),
                ),
                ("rule", "rul_00000000000000000000000000000001".to_owned()),
                ("bulk", "blk_00000000000000000000000000000001".to_owned()),
                ("function", "import.report".to_owned()),
                (
                    "delivery",
                    "msg_00000000000000000000000000000001".to_owned(),
                ),
                (
                    "receiver",
                    "rcv_00000000000000000000000000000001".to_owned(),
                ),
                ("webhook", "whk_00000000000000000000000000000001".to_owned()),
                ("feed", "epss".to_owned()),
                ("run", "gat_00000000000000000000000000000001".to_owned()),
                ("place", place.shop.id.to_string()),
                ("process", "prc_00000000000000000000000000000001".to_owned()),
                ("action", "ECHO".to_owned()),
                ("entity", text(&connected["entity"])),
                ("credential", text(&connected["credential"])),
                ("module", "keyed".to_owned()),
                ("type", "keyed".to_owned()),
                ("major", "v2.json".to_owned()),
                ("user", tess_id.to_string()),
                ("tag", "online".to_owned()),
                ("upload", "upl_00000000000000000000000000000001".to_owned()),
            ],
        }
    }

    fn id(&self, name: &str) -> &str {
        self.ids
            .iter()
            .find(|(of, _)| *of == name)
            .map_or("nothing", |(_, id)| id)
    }

    fn fill(&self, path: &str) -> String {
        let filled = self.ids.iter().fold(path.to_owned(), |path, (name, id)| {
            path.replace(&format!("{{{name}}}"), id)
        });
        filled
            .replace("{app}", "github")
            .replace("{integration}", "github-integration")
            .replace("{target}", self.id("receiver"))
    }
}

#[tokio::test]
async fn no_route_tells_a_stranger_anything() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let foreign = Foreign::of(&place, &tess).await;
    let eve = place.eve().await;
    let nobody = place.anonymous();
    let ours = ROUTES
        .iter()
        .map(|route| (route.method, route.path, route.guard));
    let of_frigg = frigg::ROUTES
        .iter()
        .map(|route| (route.method, route.path, route.guard));
    for (method, route, guard) in ours.chain(of_frigg) {
        let name = format!("{method} {route}");
        let own = "{integration}/{*path}";
        let mut path = foreign.fill(&route.replace(own, "echo-integration/status"));
        assert!(!path.contains('{'), "{name}: the walker has no such id");
        if ["/reports", "/groups", "/assets", "/gate/runs", "/blockers"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            path.push_str("?organization=acme");
            if !path.contains("groups") {
                path.push_str("&group=shop&asset=a");
            }
            if method == "get" {
                path = path.replace("&asset=a", "");
            }
        } else if method == "get"
            && [
                "/authorize",
                "/authorization",
                "/requirements",
                "/entities",
                "/credentials",
                "/integrations",
            ]
            .iter()
            .any(|end| path.ends_with(end))
        {
            path.push_str("?organization=acme");
            if path.contains("/authorize") {
                path.push_str("&entityType=keyed&moduleType=keyed");
            }
        }
        if ["get /api/v2/webhooks", "get /api/v2/receivers"].contains(&name.as_str()) {
            path.push_str("?organization=acme");
        }
        let body = match route {
            "/api/v2/authorizations" => json!({ "organization": "acme", "module": "keyed" }),
            "/api/v2/authorizations/finish" => {
                json!({ "organization": "acme", "module": "keyed", "data": {} })
            }
            path if frigg::ROUTES.iter().any(|route| route.path == path) => json!({
                "organization": "acme", "entityType": "keyed", "moduleType": "keyed",
                "credentialId": foreign.id("credential"),
                "entities": [foreign.id("entity")], "config": { "type": "echo" },
                "data": { "api_key": "x", "credential_id": foreign.id("credential") },
            }),
            "/api/v2/organizations" => json!({ "slug": "x", "name": "x" }),
            "/api/v2/groups" => json!({ "organization": "acme", "slug": "x", "name": "x" }),
            "/api/v2/schedules" => json!({ "name": "x", "job": "x", "every_seconds": 60 }),
            "/api/v2/webhooks" => json!({ "organization": "acme", "url": "https://x.example" }),
            "/api/v2/receivers" => json!({ "organization": "acme", "app": "github" }),
            "/api/v2/webhooks/{webhook}" | "/api/v2/receivers/{receiver}" => {
                json!({ "enabled": false })
            }
            "/api/v2/jobs/replay" => json!({ "organization": "acme" }),
            "/api/v2/webhooks/{webhook}/replay" => json!({ "since": "2026-01-01T00:00:00Z" }),
            "/api/v2/feeds/{feed}/updates" => json!({}),
            "/api/v2/gate" => json!({ "report": foreign.id("report") }),
            "/api/v2/gate/snapshots" => json!({ "asset": foreign.id("asset") }),
            "/api/v2/notices/preferences" => json!({ "muted": true }),
            path if path.ends_with("/subscription") => json!({ "every": "WEEK" }),
            path if path.ends_with("/invoke") => json!({ "event": {} }),
            path if path.contains("/triage-rules") => json!({
                "name": "x", "condition": "true", "reason": "x", "actions": { "suppress": true },
            }),
            path if path.ends_with("/triage-runs") => json!({ "dry_run": true }),
            "/api/v2/uploads" => json!({ "organization": "acme", "group": "shop" }),
            "/api/v2/blockers" => json!({ "organization": "acme", "group": "shop", "title": "x" }),
            "/api/v2/blockers/{blocker}" => json!({ "title": "x" }),
            path if path.starts_with("/api/v2/blockers/{blocker}/") => json!({ "text": "x" }),
            path if ["/approve", "/reject", "/deactivate"]
                .iter()
                .any(|end| path.ends_with(end)) =>
            {
                json!({ "reason": "x" })
            }
            path if path.contains("/weakness-acceptances") => {
                json!({ "weakness": "CWE-79", "reason": "x" })
            }
            path if path.ends_with("/policy-trials") => json!({ "policy": {} }),
            path if path.ends_with("/environments") => json!({ "name": "x" }),
            path if path.ends_with("/environments/{environment}") => json!({ "name": "x" }),
            path if path.ends_with("/comments") => json!({ "text": "x" }),
            "/api/v2/keys/rotations" => json!({ "data_keys": true }),
            "/api/v2/groups/{group}/tokens" => {
                json!({ "name": "x", "scopes": ["report.upload"], "expires": "2026-02-01", "role": "CI" })
            }
            _ => json!({ "name": "x", "scopes": ["report.upload"], "expires": "2026-02-01" }),
        };
        let ask = |actor: Actor, path: String| {
            let body = body.to_string();
            async move {
                let headers = [("content-type", "application/json")];
                actor
                    .send(&method.to_uppercase(), &path, &headers, body)
                    .await
            }
        };
        let (unknown, stranger) = (
            ask(nobody.clone(), path.clone()).await,
            ask(eve.clone(), path.clone()).await,
        );
        for answer in [&unknown, &stranger] {
            assert!(
                !answer.text.contains("top-secret-asset"),
                "{name}: {}",
                answer.text
            );
        }
        match guard {
            rest::Guard::Public(reason) => {
                // Types of integrations answer nothing before the operator lists them.
                let nothing = route.ends_with(own) && unknown.status == 404;
                let refused = nothing || (unknown.status.is_client_error() && method == "post");
                assert!(
                    !reason.is_empty() && (unknown.status.is_success() || refused),
                    "{name}: {}",
                    unknown.text
                );
            }
            rest::Guard::Signed(reason) => {
                assert!(!reason.is_empty());
                for answer in [&unknown, &stranger] {
                    assert!(
                        [401, 404].contains(&answer.status.as_u16()),
                        "{name}: {}",
                        answer.text
                    );
                }
            }
            rest::Guard::Known(_) => assert_eq!(unknown.status, 401, "{name}: {}", unknown.text),
            rest::Guard::Policy(_) => {
                assert_eq!(unknown.status, 401, "{name}: {}", unknown.text);
                if !REST_EXCEPTIONS
                    .iter()
                    .any(|(exception, _)| *exception == name)
                {
                    assert_eq!(stranger.status, 404, "{name}: {}", stranger.text);
                }
            }
        }
    }
    for (exception, _) in REST_EXCEPTIONS {
        let path = exception.trim_start_matches("get ");
        let narrowed = eve
            .get(&format!("{path}?organization=acme&group=shop"))
            .await;
        assert_eq!(narrowed.status, 404, "{exception}: {}", narrowed.text);
    }
}

/// Every `.route(` of the crate stands in a file that a walker knows.
#[test]
fn nothing_is_mounted_outside_the_tables() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs")
                && std::fs::read_to_string(&path)
                    .expect("a text")
                    .contains(".route(")
            {
                let name = path
                    .strip_prefix(&root)
                    .expect("below")
                    .to_string_lossy()
                    .replace('\\', "/");
                found.push(name);
            }
        }
    }
    found.sort();
    // REST, pages and GraphQL are walked by their tables and schema; `ui/page.rs` has two static files.
    assert_eq!(
        found,
        [
            "compat/frigg/mod.rs",
            "graphql/http.rs",
            "rest/mod.rs",
            "ui/mod.rs",
            "ui/page.rs"
        ]
    );
}

/// One argument's value, made to fit its type: ids of Acme's things, anything else of the right kind.
fn value(schema: &Value, foreign: &Foreign, name: &str, of: &Value, depth: usize) -> Value {
    match of["kind"].as_str() {
        Some("NON_NULL") => value(schema, foreign, name, &of["ofType"], depth),
        Some("LIST") => json!([value(schema, foreign, name, &of["ofType"], depth)]),
        Some("ENUM") => found(schema, of)["enumValues"][0]["name"].clone(),
        Some("INPUT_OBJECT") => {
            let mut object = serde_json::Map::new();
            let fields = found(schema, of)["inputFields"].clone();
            let is_one_of = found(schema, of)["isOneOf"] == true;
            for field in fields.as_array().into_iter().flatten() {
                let name = match field["name"].as_str().unwrap_or_default() {
                    // The input's own name says of what.
                    "id" => of["name"].as_str().unwrap_or_default(),
                    name => name,
                };
                let key = field["name"].as_str().unwrap_or_default();
                let is_required =
                    field["type"]["kind"] == "NON_NULL" || (is_one_of && object.is_empty());
                if depth < 5 && is_required {
                    object.insert(
                        key.to_owned(),
                        value(schema, foreign, name, &field["type"], depth + 1),
                    );
                }
            }
            Value::Object(object)
        }
        _ => match of["name"].as_str() {
            Some("Int" | "Float") => json!(1),
            Some("Boolean") => json!(true),
            Some("Upload") => Value::Null,
            Some("ID") => {
                let known = foreign
                    .ids
                    .iter()
                    .find(|(kind, _)| name.to_lowercase().contains(kind));
                json!(known.map_or(foreign.id("vulnerability"), |(_, id)| id))
            }
            Some(name) if name.contains("Time") => json!("2026-01-02T00:00:00Z"),
            _ => json!("acme"),
        },
    }
}

fn found<'a>(schema: &'a Value, of: &Value) -> &'a Value {
    let types = schema["types"].as_array().expect("types");
    types
        .iter()
        .find(|candidate| candidate["name"] == of["name"])
        .expect("a declared type")
}

fn bare(of: &Value) -> &Value {
    if of["ofType"].is_object() {
        bare(&of["ofType"])
    } else {
        of
    }
}

fn type_text(of: &Value) -> String {
    match of["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", type_text(&of["ofType"])),
        Some("LIST") => format!("[{}]", type_text(&of["ofType"])),
        _ => of["name"].as_str().unwrap_or_default().to_owned(),
    }
}

async fn introspected() -> Value {
    let of = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
    let query = format!(
        "{{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }} types {{ kind name isOneOf enumValues {{ name }} \
         inputFields {{ name type {{ {of} }} }} fields {{ name type {{ {of} }} args {{ name type {{ {of} }} }} }} }} }} }}"
    );
    // By the schema itself: the limits of requests are not at issue here.
    let schema = gna_api::graphql::schema()
        .limit_depth(100)
        .limit_complexity(1_000_000)
        .finish();
    let answer = schema.execute(query.as_str()).await;
    assert!(answer.errors.is_empty(), "{:?}", answer.errors);
    answer.data.into_json().expect("writes as JSON")["__schema"].clone()
}

/// An operation whose input has a file, as a form (GraphQL multipart request specification).
fn with_file(operation: &Value) -> String {
    format!(
        "--XX\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{operation}\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{{\"0\":[\"variables.input.file\"]}}\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a.json\"\r\n\r\n{{}}\r\n--XX--\r\n"
    )
}

/// An operation that asks for one field, with ids of Acme's things.
fn walk(
    schema: &Value,
    foreign: &Foreign,
    operation: &str,
    field: &Value,
) -> (String, serde_json::Map<String, Value>) {
    let name = field["name"].as_str().expect("a name");
    let (mut declared, mut passed, mut variables) =
        (Vec::new(), Vec::new(), serde_json::Map::new());
    for argument in field["args"].as_array().expect("arguments") {
        let key = argument["name"].as_str().expect("a name");
        let is_id = bare(&argument["type"])["name"] == "ID";
        let is_place = ["organization", "group", "slug"]
            .iter()
            .any(|word| key.to_lowercase().contains(word));
        if argument["type"]["kind"] == "NON_NULL" || is_id || is_place {
            declared.push(format!("${key}: {}", type_text(&argument["type"])));
            passed.push(format!("{key}: ${key}"));
            let hint = if key == "id" { name } else { key };
            variables.insert(
                key.to_owned(),
                value(schema, foreign, hint, &argument["type"], 0),
            );
        }
    }
    let returned = bare(&field["type"]);
    let selection = match returned["kind"].as_str() {
        Some("OBJECT" | "INTERFACE" | "UNION")
            if returned["name"]
                .as_str()
                .is_some_and(|name| name.ends_with("Connection")) =>
        {
            "{ edges { node { __typename } } }"
        }
        Some("OBJECT" | "INTERFACE" | "UNION") => "{ __typename }",
        _ => "",
    };
    let list = |parts: &[String]| {
        if parts.is_empty() {
            String::new()
        } else {
            format!("({})", parts.join(", "))
        }
    };
    let query = format!(
        "{operation} walk{} {{ {name}{} {selection} }}",
        list(&declared),
        list(&passed)
    );
    (query, variables)
}

#[tokio::test]
async fn no_subscription_tells_a_stranger_anything() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let foreign = Foreign::of(&place, &tess).await;
    let schema = introspected().await;
    let eve = place.eve().await;
    let known = |actor: &Actor| Credential::Bearer(actor.token.clone().expect("a token"));
    let ports = &place.world.ports;
    let eves = authenticate(ports, &known(&eve)).await.expect("holds").ctx;
    let tess = authenticate(ports, &known(&tess)).await.expect("holds").ctx;
    let apps = place.world.apps.clone();
    let state = AppState::new(ports.clone(), apps, ApiConfig::at("http://127.0.0.1:8080"));
    let live = Api::new(&state);
    let fields = found(&schema, &schema["subscriptionType"])["fields"].clone();
    let fields = fields.as_array().expect("fields");
    assert!(!fields.is_empty());
    for field in fields {
        let name = field["name"].as_str().expect("a name");
        let (query, variables) = walk(&schema, &foreign, "subscription", field);
        for (who, ctx) in [
            ("nobody", place.world.anonymous()),
            ("a stranger", eves.clone()),
            ("a member", tess.clone()),
        ] {
            let request = Request::new(&query)
                .variables(Variables::from_json(Value::Object(variables.clone())));
            let caller = Caller {
                ctx,
                session: None,
                user: None,
            };
            let opening = axum::http::Request::get("/api").extension(caller).body(());
            let (parts, ()) = opening.expect("a request").into_parts();
            let socket = Socket::open(state.clone(), parts, &json!({})).await;
            let first = live
                .execute_stream(request, Some(Arc::new(socket.expect("opens"))))
                .next()
                .await
                .expect("an answer");
            let answer = serde_json::to_value(&first).expect("writes as JSON");
            let code = answer["errors"][0]["extensions"]["code"].as_str();
            let is_told = !answer["data"][name].is_null();
            // The member shows that what the others are refused is really there.
            let right = match who {
                "nobody" => !is_told && code == Some("auth.required"),
                "a stranger" => !is_told && code.is_some_and(|code| code.ends_with("not_found")),
                _ => is_told && code.is_none(),
            };
            assert!(right, "{who}: {query}: {answer}");
        }
    }
}

#[tokio::test]
async fn no_page_tells_a_stranger_anything() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    site.shop().await;
    let mut eve = crate::pages::eve(&site).await;
    let mut nobody = site.browser();
    let members = "/organizations/acme/members";
    let user = ada.get("/users").await.row_value("ada@example.com", "user");
    let fields = [
        ("user", user.as_str()),
        ("role", "OWNER"),
        ("email", "new@example.com"),
        ("name", "New"),
        ("organization", "acme"),
    ];
    for page in PAGES {
        assert_eq!(
            page.path.contains("{action}"),
            !page.actions.is_empty(),
            "{}",
            page.path
        );
        let mut actions = page.actions.to_vec();
        if actions.is_empty() {
            actions.push("");
        }
        for action in actions {
            let path = [
                ("action", action),
                ("organization", "acme"),
                ("group", "shop"),
                ("secret", &"0".repeat(64)),
                ("app", "tracker"),
            ]
            .iter()
            .fold(page.path.to_owned(), |path, (name, with)| {
                path.replace(&format!("{{{name}}}"), with)
            });
            assert!(!path.contains('{'), "{path}: the walker knows no such part");
            let unknown = match page.method {
                "get" => nobody.get(&path).await,
                _ => nobody.post(&path, &fields).await,
            };
            assert!(
                !unknown.text.contains("ada@example.com"),
                "{path}: {}",
                unknown.text
            );
            if let Guard::Public(reason) = page.guard {
                assert!(
                    !reason.is_empty() && !unknown.status.is_server_error(),
                    "{path}"
                );
                continue;
            }
            assert!(unknown.to().starts_with("/sign-in"), "{path}");
            eve.get("/").await;
            let stranger = match page.method {
                "get" => eve.get(&path).await,
                _ => eve.post(&path, &fields).await,
            };
            assert!(
                !stranger.text.contains("ada@example.com"),
                "{path}: {}",
                stranger.text
            );
            assert!(!stranger.text.contains("Acme"), "{path}: {}", stranger.text);
            if page.guard == Guard::Policy {
                assert_eq!(stranger.status, 404, "{path}: {}", stranger.text);
            }
        }
    }
    // Nothing of it did anything to Ada or her organization.
    let seen = ada.get(members).await;
    assert!(seen.text.contains("ada@example.com") && !seen.text.contains("new@example.com"));
    assert_eq!(eve.get(members).await.status, 404);
}

#[tokio::test]
async fn no_field_tells_a_stranger_anything() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let foreign = Foreign::of(&place, &tess).await;
    let schema = introspected().await;
    let eve = place.eve().await;
    let mut walked = 0;
    let mut failures = Vec::new();
    for (operation, root) in [
        ("query", &schema["queryType"]),
        ("mutation", &schema["mutationType"]),
    ] {
        for field in found(&schema, root)["fields"].as_array().expect("fields") {
            let name = field["name"].as_str().expect("a name");
            let (query, variables) = walk(&schema, &foreign, operation, field);
            let body = json!({ "query": query, "variables": variables });
            let is_exception = GRAPHQL_EXCEPTIONS
                .iter()
                .any(|(exception, _)| *exception == name);
            for (who, actor) in [("nobody", &place.anonymous()), ("a stranger", &eve)] {
                let answer = if ["uploadReport", "importVex", "addEvidence"].contains(&name) {
                    let kind = [("content-type", "multipart/form-data; boundary=XX")];
                    actor.send("POST", "/api", &kind, with_file(&body)).await
                } else {
                    actor.post("/api", &body).await
                };
                let json = answer.json();
                assert!(
                    !answer.text.contains("top-secret-asset"),
                    "{who}: {query}: {}",
                    answer.text
                );
                if is_exception {
                    continue;
                }
                // Of an upload nothing is read before it is known who sends it.
                let code = json["errors"][0]["extensions"]["code"]
                    .as_str()
                    .or(json["code"].as_str())
                    .unwrap_or_default();
                let right = match who {
                    "nobody" => ["auth.required", "auth.invalid"].contains(&code),
                    _ => code.starts_with("auth.") || code.ends_with("not_found"),
                };
                if !json["data"][name].is_null() || !right {
                    failures.push(format!(
                        "{who}: {query} with {variables:?}: {}",
                        answer.text
                    ));
                }
            }
            walked += 1;
        }
    }
    assert!(walked >= 20, "only {walked} fields were found");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
