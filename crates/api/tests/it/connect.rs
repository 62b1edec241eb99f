//! Connecting accounts through REST, our page and GraphQL, with fake apps.

use axum::http::StatusCode;
use gna_domain::Resource;
use gna_domain::connect::Credential;
use gna_domain::model::AuditEntry;
use gna_domain::policy::Role;
use gna_domain::port::repo;
use gna_testkit::RIGHT_KEY;
use serde_json::{Value, json};

use crate::browser::Site;
use crate::rest_actor::{Actor, Place};

const BEGIN: &str = "/api/v2/authorizations";
const FINISH: &str = "/api/v2/authorizations/finish";

async fn place() -> (Place, Actor, Actor) {
    let place = Place::new().await;
    place.world.answer_apps();
    let acme = Resource::Organization(place.acme.id);
    let olga = place.actor("olga", acme, Role::Owner).await;
    let mia = place.actor("mia", acme, Role::Member).await;
    (place, olga, mia)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

/// The account of the keyed app, connected by that person.
async fn keyed(actor: &Actor, shared: bool) -> Value {
    let body = json!({"module": "keyed", "shared": shared, "data": {"api_key": RIGHT_KEY}});
    let made = actor.post(FINISH, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()
}

#[tokio::test]
async fn the_apps_say_what_they_need() {
    let (_place, _, mia) = place().await;
    let all = mia.get("/api/v2/modules").await;
    assert_eq!(all.status, 200, "{}", all.text);
    let all = all.json();
    let names: Vec<&str> = all["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|module| text(&module["name"]))
        .collect();
    assert_eq!(names, ["keyed", "tracker"]);
    assert!(all["items"][1]["ready"].as_bool().expect("a flag"));
    let tracker = mia.get("/api/v2/modules/tracker").await.json();
    assert_eq!(tracker["auth"], "oauth2_code");
    assert_eq!(
        tracker["redirect_uri"],
        "http://127.0.0.1:8080/redirect/tracker"
    );
    let keyed = mia.get("/api/v2/modules/keyed").await.json();
    assert_eq!(keyed["redirect_uri"], Value::Null);
    assert_eq!(
        keyed["form"]["json_schema"]["properties"]["api_key"]["writeOnly"],
        true
    );
    let none = mia.get("/api/v2/modules/nothing").await;
    assert_eq!(
        (none.status.as_u16(), none.code().as_str()),
        (400, "module.unknown")
    );
}

#[tokio::test]
async fn an_account_lives_from_consent_to_disconnection() {
    let (place, _, mia) = place().await;
    let begun = mia.post(BEGIN, &json!({"module": "tracker"})).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let begun = begun.json();
    let (url, state) = (text(&begun["url"]), text(&begun["state"]));
    assert!(url.starts_with("https://t.example/authorize?") && url.contains(state));
    let finish = json!({"state": state, "data": {"code": "c"}});
    let made = mia.post(FINISH, &finish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let twice = mia.post(FINISH, &finish).await;
    assert_eq!(
        (twice.status.as_u16(), twice.code().as_str()),
        (400, "authorization.expired")
    );
    let credential = format!("/api/v2/credentials/{}", text(&made["credential"]));
    let before = mia.get(&credential).await.json();
    assert_eq!(before["authIsValid"], true);
    assert!(!before.to_string().contains("hunter2"));
    // Nothing is due yet; an hour later it is.
    let refresh = format!("{credential}/refresh");
    let same = mia.post(&refresh, &json!({})).await.json();
    assert_eq!(same["dateIssued"], before["dateIssued"]);
    place.world.clock.advance_millis(3_600_000);
    let fresh = mia.post(&refresh, &json!({})).await;
    assert_eq!(fresh.status, 200, "{}", fresh.text);
    assert_ne!(fresh.json()["dateIssued"], before["dateIssued"]);
    let entity = format!("/api/v2/entities/{}", text(&made["entity"]));
    assert_eq!(mia.get(&format!("{entity}/test")).await.status, 200);
    // Connected again it is the same account.
    let again = mia
        .post(BEGIN, &json!({"entity": made["entity"]}))
        .await
        .json();
    let finish = json!({"state": again["state"], "data": {"code": "c"}});
    let again = mia.post(FINISH, &finish).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(again.json()["entity"], made["entity"]);
    let gone = mia.send("DELETE", &entity, &[], "").await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(mia.get(&entity).await.status, 404);
    assert_eq!(mia.get(&credential).await.status, 404);
    let store = place.world.ports.store.as_ref();
    let audit = repo::all_children::<AuditEntry>(store, &place.acme.id.to_string()).await;
    let audit = audit.expect("reads");
    let verbs: Vec<&str> = audit.iter().map(|entry| entry.action.as_str()).collect();
    for verb in [
        "entity.connected",
        "credential.refreshed",
        "entity.reconnected",
        "entity.disconnected",
    ] {
        assert!(verbs.contains(&verb), "{verb}: {verbs:?}");
    }
}

#[tokio::test]
async fn members_have_their_own_and_owners_also_what_is_shared() {
    let (place, olga, mia) = place().await;
    let mias = keyed(&mia, false).await;
    // Lists go by time; what was made in one moment has no order.
    place.world.clock.advance_millis(1);
    let shared = keyed(&olga, true).await;
    let body = json!({"module": "keyed", "shared": true, "data": {"api_key": RIGHT_KEY}});
    let refused = mia.post(FINISH, &body).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (403, "auth.forbidden")
    );
    let ids = async |actor: &Actor| {
        let list = actor.get("/api/v2/entities").await.json();
        let entities = list["entities"].as_array().expect("a list").clone();
        let id = |entity: &Value| text(&entity["id"]).to_owned();
        entities.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&mia).await, [text(&mias["entity"])]);
    assert_eq!(
        ids(&olga).await,
        [text(&mias["entity"]), text(&shared["entity"])]
    );
    let foreign = mia
        .get(&format!("/api/v2/entities/{}", text(&shared["entity"])))
        .await;
    assert_eq!(foreign.status, 404);
    assert_eq!(foreign.json()["error"]["code"], "not_found");
    // Page by page.
    let first = olga.get("/api/v2/entities?first=1").await;
    assert!(first.header("link").contains("rel=\"next\""));
    let next = first.json()["next"].clone();
    let second = olga
        .get(&format!("/api/v2/entities?first=1&after={}", text(&next)))
        .await
        .json();
    assert_eq!(second["entities"][0]["id"], shared["entity"]);
    assert_eq!(
        place
            .eve()
            .await
            .get("/api/v2/entities?organization=acme")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_credential_that_was_taken_back_is_told_and_heals() {
    let (place, _, mia) = place().await;
    let made = keyed(&mia, false).await;
    let entity = text(&made["entity"]).to_owned();
    let test = format!("/api/v2/entities/{entity}/test");
    place.world.egress.respond(|_| {
        Ok(gna_domain::port::egress::OutResponse {
            status: 401,
            headers: Vec::new(),
            body: "{}".into(),
        })
    });
    let told = mia.get(&test).await;
    assert_eq!(told.status, 400, "{}", told.text);
    assert!(text(&told.json()["errors"][0]["message"]).contains("Keyed"));
    let list = mia.get("/api/v2/credentials").await.json();
    assert_eq!(list["credentials"][0]["authIsValid"], false);
    place.world.answer_apps();
    assert_eq!(mia.get(&test).await.status, 200);
    let list = mia.get("/api/v2/credentials").await.json();
    assert_eq!(list["credentials"][0]["authIsValid"], true);
    assert_eq!(list["credentials"][0]["message"], Value::Null);
}

#[tokio::test]
async fn a_front_end_gets_what_the_app_said_and_nothing_is_kept_for_repetition() {
    let place = Place::with(|config| gna_api::ApiConfig {
        frontend_url: Some("https://front.example".to_owned()),
        ..config
    })
    .await;
    let nobody = place.anonymous();
    let on = nobody.get("/redirect/tracker?code=a%26b&state=s").await;
    assert_eq!(on.status, StatusCode::FOUND);
    assert_eq!(
        on.header("location"),
        "https://front.example/redirect/tracker?code=a%26b&state=s"
    );
    assert_eq!(nobody.get("/redirect/nothing").await.status, 404);
    // What answers a secret is not kept for an Idempotency-Key.
    let acme = Resource::Organization(place.acme.id);
    let mia = place.actor("mia", acme, Role::Member).await;
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let body = json!({"module": "tracker"}).to_string();
    let first = mia.send("POST", BEGIN, &headers, body.clone()).await.json();
    let second = mia.send("POST", BEGIN, &headers, body).await.json();
    assert_ne!(first["state"], second["state"]);
}

#[tokio::test]
async fn our_own_page_ends_a_connection_with_one_button() {
    let site = Site::new().await;
    site.world.answer_apps();
    let mut ada = site.ada().await;
    let acme = site.acme().await;
    let cookie = ada.cookie.clone().expect("signed in");
    let secret = gna_domain::secret::Secret::new(cookie.split_once('=').expect("a cookie").1);
    let session = gna_domain::service::authenticate::Credential::Session(secret);
    let caller = gna_domain::service::authenticate::authenticate(&site.world.ports, &session)
        .await
        .expect("holds");
    let begin = gna_domain::service::connect::authorize::Begin {
        organization: acme.id,
        module: "tracker".to_owned(),
        shared: true,
        connection: None,
        entity: None,
    };
    let apps = site.world.apps.as_ref();
    let begun = gna_domain::service::connect::authorize::begin(&caller.ctx, apps, begin).await;
    let gna_domain::service::connect::authorize::Requirements::Redirect { state, .. } =
        begun.expect("begins")
    else {
        panic!("a person is sent to the tracker");
    };
    let path = format!("/redirect/tracker?code=c&state={}", state.expose());
    let unknown = site.browser().get(&path).await;
    assert!(unknown.text.contains("Sign in") && !unknown.text.contains("Acme"));
    let page = ada.get(&path).await;
    assert!(
        page.text.contains("Acme") && page.text.contains("Tracker"),
        "{}",
        page.text
    );
    let denied = ada.get("/redirect/tracker?error=access_denied").await;
    assert_eq!(denied.status, StatusCode::BAD_REQUEST);
    assert!(denied.text.contains("access_denied"));
    let other = ada.get("/redirect/keyed?code=c&state=x").await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST, "{}", other.text);
    ada.get(&path).await;
    let fields = [("app.code", "c"), ("app.state", state.expose())];
    let done = ada.post("/redirect/tracker", &fields).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert!(
        done.text
            .contains("<strong>mia</strong> of Tracker is connected"),
        "{}",
        done.text
    );
    let twice = ada.post("/redirect/tracker", &fields).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
}

const ENTITIES: &str = "query($of: ID!, $first: Int) { entities(organization: $of, first: $first) {
    edges { node { id module name owner { name } credential { id valid message fields { name secret } entities { id } } } } } }";

#[tokio::test]
async fn graphql_does_the_same_and_reads_credentials_in_one_batch() {
    let (place, olga, mia) = place().await;
    let ask = async |actor: &Actor, query: &str, variables: Value| {
        let body = json!({"query": query, "variables": variables});
        let answer = actor.post("/api", &body).await.json();
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        answer["data"].clone()
    };
    let of = place.acme.id.to_string();
    let begun = ask(
        &mia,
        "mutation($input: BeginAuthorizationInput!) { beginAuthorization(input: $input) { requirements { auth url state step steps form { jsonSchema } } } }",
        json!({"input": {"organization": of, "module": "tracker"}}),
    )
    .await;
    let state = &begun["beginAuthorization"]["requirements"]["state"];
    let complete = "mutation($input: CompleteAuthorizationInput!) { completeAuthorization(input: $input) { isNew entity { id } next { step } } }";
    let done = ask(
        &mia,
        complete,
        json!({"input": {"organization": of, "module": "tracker", "state": state, "data": {"code": "c"}}}),
    )
    .await;
    assert_eq!(done["completeAuthorization"]["isNew"], true);
    let entity = done["completeAuthorization"]["entity"]["id"].clone();
    for (actor, shared) in [(&mia, false), (&olga, false), (&olga, true)] {
        place.world.clock.advance_millis(1);
        let input = json!({"organization": of, "module": "keyed", "shared": shared, "data": {"api_key": RIGHT_KEY}});
        ask(actor, complete, json!({ "input": input })).await;
    }
    let cost = async |first: u32| {
        place.world.calls.take();
        let data = ask(&olga, ENTITIES, json!({"of": of, "first": first})).await;
        let edges = data["entities"]["edges"]
            .as_array()
            .expect("a list")
            .clone();
        (edges, place.world.calls.take())
    };
    let ((one, cheap), (all, whole)) = (cost(1).await, cost(10).await);
    assert_eq!((one.len(), all.len()), (1, 4));
    assert_eq!(cheap, whole, "a larger page costs no more calls");
    assert_eq!(all[0]["node"]["owner"]["name"], "mia");
    assert_eq!(
        all[3]["node"]["owner"],
        Value::Null,
        "it is the organization's"
    );
    for edge in &all {
        let credential = &edge["node"]["credential"];
        assert_eq!(credential["valid"], true);
        assert_eq!(credential["entities"][0]["id"], edge["node"]["id"]);
        assert!(!edge.to_string().contains("hunter2"));
    }
    let tested = ask(
        &mia,
        "mutation($id: ID!) { testEntity(id: $id) { health message entity { module } } }",
        json!({ "id": entity }),
    )
    .await;
    assert_eq!(tested["testEntity"]["health"], "OK");
    let options = ask(
        &mia,
        "query($id: ID!) { entityOptions(id: $id) { value title } }",
        json!({ "id": entity }),
    )
    .await;
    assert_eq!(
        options["entityOptions"],
        json!([{"value": "p1", "title": "Shop"}])
    );
    let credentials = ask(
        &mia,
        "query($of: ID!) { credentials(organization: $of) { edges { node { id entities { id } } } } }",
        json!({ "of": of }),
    )
    .await;
    let first = credentials["credentials"]["edges"][0]["node"]["id"].clone();
    let refreshed = ask(
        &mia,
        "mutation($id: ID!) { refreshCredential(id: $id) { credential { id valid } } }",
        json!({ "id": first }),
    )
    .await;
    assert_eq!(refreshed["refreshCredential"]["credential"]["id"], first);
    ask(
        &mia,
        "mutation($id: ID!) { deleteCredential(id: $id, cascade: true) { done } }",
        json!({ "id": first }),
    )
    .await;
    let store = place.world.ports.store.as_ref();
    let id = text(&first).parse().expect("an id");
    assert!(
        repo::get::<Credential>(store, id)
            .await
            .expect("reads")
            .is_none()
    );
    let modules = ask(
        &mia,
        "{ modules { name ready form { jsonSchema } redirectUri } }",
        json!({}),
    )
    .await;
    assert_eq!(modules["modules"].as_array().map(Vec::len), Some(2));
}
