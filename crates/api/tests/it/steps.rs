//! An app that signs people in by several forms, as Frigg's clients and ours go through them.

use gna_api::{ApiConfig, AppState};
use gna_domain::Resource;
use gna_domain::connect::Module;
use gna_domain::policy::Role;
use gna_domain::port::egress::{EgressError, OutRequest, OutResponse};
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::modules::Signer;
use gna_testkit::PUBLIC_URL;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rest_actor::{Actor, Place};

const CODE: &str = "314159";
const WRONG: &str = "271828";

/// An app whose credential comes out of the second step.
fn mailed() -> Module {
    let module = json!({
        "name": "mailed",
        "display": {
            "label": "Mailed", "description": "A fake.", "category": "files",
            "details_url": "https://mailed.example",
        },
        "docs": [],
        "urls": {"api": "https://mailed.example"},
        "auth": {"multi_step": {
            "send": {"headers": {"X-Session": "{credential.session}"}},
            "steps": [
                {"title": "Who", "fields": [{"name": "mail", "title": "Mail"}],
                 "call": {"method": "POST", "path": "/codes", "body": {"json": {"mail": "{credential.mail}"}}},
                 "keep": {"ticket": "/ticket"}},
                {"title": "Code", "fields": [{"name": "code", "title": "Code", "secret": true}],
                 "call": {"method": "POST", "path": "/sessions/{kept.ticket}", "body": {"json": {"code": "{credential.code}"}}},
                 "keep": {"session": "/session", "who": "/id"}},
            ],
        }},
        "test": {"path": "/me"},
        "identity": {"external_id": "{kept.who}", "display_name": "{credential.mail}"},
        "persist": {"credential": [{"name": "session", "secret": true}]},
    });
    serde_json::from_value(module).expect("a module")
}

/// What the fake app answers.
fn invented(request: &OutRequest) -> Result<OutResponse, EgressError> {
    let path = request
        .url
        .split_once(".example")
        .map_or("", |(_, path)| path);
    let sent = request
        .body
        .as_ref()
        .map(|body| String::from_utf8_lossy(&body.bytes).into_owned())
        .unwrap_or_default();
    let is_let_in = request
        .headers
        .iter()
        .any(|header| header.name == "X-Session" && header.value.expose() == "session-hunter2");
    let (status, body) = match path {
        "/codes" => (200, json!({"ticket": "t1"})),
        "/sessions/t1" if sent.contains(CODE) => {
            (200, json!({"session": "session-hunter2", "id": 7}))
        }
        "/me" if is_let_in => (200, json!({})),
        _ => (401, json!({})),
    };
    Ok(OutResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into(),
    })
}

async fn place() -> (Place, Actor) {
    let mut place = Place::new().await;
    let ports = place.world.ports.clone();
    let apps = AppPorts {
        store: Arc::clone(&ports.store),
        clock: Arc::clone(&ports.clock),
        ids: Arc::clone(&ports.ids),
        egress: Arc::clone(&ports.egress),
        vault: Arc::clone(&ports.vault),
        signer: Arc::new(Signer),
    };
    let apps = AppClient::new(apps, [mailed()], BTreeMap::new(), PUBLIC_URL);
    place.world.egress.respond(invented);
    place.app = gna_api::app(AppState::new(
        ports,
        Arc::new(apps),
        ApiConfig::at(PUBLIC_URL),
    ));
    let acme = Resource::Organization(place.acme.id);
    let mia = place.actor("mia", acme, Role::Member).await;
    (place, mia)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

#[tokio::test]
async fn a_client_of_frigg_goes_through_the_forms_and_mistypes_the_code() {
    let (_place, mia) = place().await;
    for (path, kind) in [
        ("/api/authorize", "entityType"),
        ("/api/v2/authorize", "moduleType"),
    ] {
        let asked = mia.get(&format!("{path}?{kind}=mailed&step=1")).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        let asked = asked.json();
        assert!(
            asked["data"]["jsonSchema"]["properties"]["mail"].is_object(),
            "{asked}"
        );
        let mail = json!({kind: "mailed", "data": {"mail": "mia@mailed.example"}});
        let next = mia.post(path, &mail).await;
        assert_eq!(next.status, 200, "{}", next.text);
        let next = next.json();
        assert_eq!(next["nextStep"], 2, "{next}");
        let session = text(&next["sessionId"]);
        let of = |query: &str| format!("{path}?{kind}=mailed&sessionId={session}{query}");
        let asked = mia.get(&of("&step=2")).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        let asked = asked.json();
        assert!(
            asked["data"]["jsonSchema"]["properties"]["code"].is_object(),
            "{asked}"
        );
        assert_eq!(asked["sessionId"], next["sessionId"]);
        for refused in [
            of("&step=1"),
            of("&step=two"),
            format!("{path}?{kind}=mailed&step=2"),
            format!("{path}?{kind}=mailed&sessionId=guessed"),
        ] {
            let answer = mia.get(&refused).await;
            assert_eq!(answer.status, 400, "{refused}: {}", answer.text);
        }
        let code =
            |code: &str| json!({kind: "mailed", "sessionId": session, "data": {"code": code}});
        let wrong = mia.post(path, &code(WRONG)).await;
        assert_eq!(wrong.status, 400, "{}", wrong.text);
        assert!(!wrong.text.contains(WRONG), "{}", wrong.text);
        let right = mia.post(path, &code(CODE)).await;
        assert_eq!(right.status, 200, "{}", right.text);
        assert_eq!(right.json()["type"], "mailed");
        assert!(!right.text.contains("hunter2"), "{}", right.text);
        let spent = mia.post(path, &code(CODE)).await;
        assert_eq!(spent.status, 400, "{}", spent.text);
    }
}

#[tokio::test]
async fn our_own_routes_go_through_the_forms_too() {
    let (_place, mia) = place().await;
    let finish = "/api/v2/authorizations/finish";
    let mail = json!({"module": "mailed", "data": {"mail": "mia@mailed.example"}});
    let next = mia.post(finish, &mail).await;
    assert_eq!(next.status, 200, "{}", next.text);
    let next = next.json()["next"].clone();
    assert_eq!((&next["step"], &next["steps"]), (&json!(2), &json!(2)));
    let code = |code: &str| json!({"state": next["state"], "data": {"code": code}});
    let wrong = mia.post(finish, &code(WRONG)).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code().as_str()),
        (400, "app.unauthorized")
    );
    let made = mia.post(finish, &code(CODE)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let path = format!("/api/v2/entities/{}/test", text(&made["entity"]));
    let works = mia.get(&path).await;
    assert_eq!(works.status, 200, "{}", works.text);
    let twice = mia.post(finish, &code(CODE)).await;
    assert_eq!(
        (twice.status.as_u16(), twice.code().as_str()),
        (400, "authorization.expired")
    );
}
