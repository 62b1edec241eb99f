//! Integrations through Frigg's routes, its second version and GraphQL, with fake apps and recipes.

use gna_api::{ApiConfig, AppState};
use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_domain::port::apps::Apps;
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::modules::Signer;
use gna_testkit::{Fakes, RIGHT_KEY};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rest_actor::{Actor, Place};

fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_else(|| panic!("a text: {value}"));
    text.to_owned()
}

/// Acme's Mia with an account of the tracker and one of the keyed app.
async fn place() -> (Place, Actor, String, String) {
    let place = Place::new().await;
    place.world.answer_apps();
    let acme = Resource::Organization(place.acme.id);
    let mia = place.actor("mia", acme, Role::Member).await;
    mia.get("/api/authorize?entityType=tracker").await;
    let code = json!({"entityType": "tracker", "data": {"code": "c"}});
    let tracker = mia.post("/api/authorize", &code).await.json();
    let key = json!({"entityType": "keyed", "data": {"api_key": RIGHT_KEY}});
    let keyed = mia.post("/api/authorize", &key).await.json();
    let (tracker, keyed) = (text(&tracker["entity_id"]), text(&keyed["entity_id"]));
    (place, mia, tracker, keyed)
}

async fn send(actor: &Actor, method: &str, path: &str, body: Value) -> (u16, Value) {
    let headers = [("content-type", "application/json")];
    let answer = actor.send(method, path, &headers, body.to_string()).await;
    let json = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    assert!(
        answer.status == 204 || !json.is_null(),
        "{method} {path}: every other answer is JSON: {}",
        answer.text
    );
    (answer.status.as_u16(), json)
}

/// What Frigg's page needs of the one list, or it throws.
fn holds_together(list: &Value) {
    let options = list["entities"]["options"].as_array().expect("options");
    let authorized = list["entities"]["authorized"].as_array().expect("accounts");
    let integrations = list["integrations"].as_array().expect("integrations");
    for option in options {
        for word in ["name", "description", "icon"] {
            assert!(option["display"][word].is_string(), "{option}");
        }
    }
    for integration in integrations {
        let entities = integration["entities"].as_array().expect("accounts");
        assert!(entities.len() >= 2, "{integration}");
        let second = text(&entities[1]["id"]);
        let known = authorized
            .iter()
            .find(|account| account["id"].as_str() == Some(&second))
            .expect("the second account is among those authorized");
        assert!(
            options.iter().any(|option| option["type"] == known["type"]),
            "{known}"
        );
        assert!(integration["config"]["type"].is_string() && integration["id"].is_string());
    }
}

#[tokio::test]
async fn the_first_version_serves_the_page_of_friggs_clients() {
    let (_place, mia, tracker, keyed) = place().await;
    let all = "/api/integrations";
    let empty = mia.get(all).await.json();
    holds_together(&empty);
    assert_eq!(
        empty["entities"]["options"].as_array().map(Vec::len),
        Some(2)
    );
    for (body, status) in [
        (json!({}), 400),
        (
            json!({"entities": [tracker], "config": {"type": "nothing"}}),
            400,
        ),
        (json!({"entities": ["x"], "config": {"type": "echo"}}), 400),
        (
            json!({"entities": [keyed], "config": {"type": "echo"}}),
            400,
        ),
        // Both types are for an account of the tracker when there is one of each app.
        (
            json!({"entities": [keyed, tracker], "config": {"type": "tracker"}}),
            400,
        ),
    ] {
        let (got, answer) = send(&mia, "POST", all, body.clone()).await;
        assert_eq!(got, status, "{body}: {answer}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    // The client sends two accounts and the app's name, whatever the type needs.
    let body =
        json!({"entities": [tracker, tracker], "config": {"type": "tracker", "category": "CRM"}});
    let (status, one) = send(&mia, "POST", all, body.clone()).await;
    assert_eq!(
        (status, &one["status"]),
        (201, &json!("NEEDS_CONFIG")),
        "{one}"
    );
    assert_eq!(one["entities"][1]["id"], json!(tracker));
    let (status, again) = send(&mia, "POST", all, body).await;
    assert_eq!((status, &again["id"]), (201, &one["id"]), "it is made once");
    let body = json!({"entities": [tracker, keyed], "config": {"type": "pair", "project": "p1"}});
    let (status, two) = send(&mia, "POST", all, body).await;
    assert_eq!((status, &two["status"]), (201, &json!("ENABLED")), "{two}");
    let list = mia.get(all).await.json();
    holds_together(&list);
    // Later clients ask for the types alone, and find by the type which of them are installed.
    let (status, options) = send(&mia, "GET", &format!("{all}/options"), json!({})).await;
    assert_eq!(status, 200, "{options}");
    let options = options["integrations"].as_array().expect("options");
    for integration in list["integrations"].as_array().expect("integrations") {
        let option = options
            .iter()
            .find(|option| option["type"] == integration["type"]);
        let option = option.expect("what is installed is among what can be");
        assert_eq!(option["type"], integration["config"]["type"]);
        for word in ["name", "description", "category", "icon"] {
            assert!(option["display"][word].is_string(), "{option}");
        }
    }
    let needs: Vec<(&Value, &Value)> = options
        .iter()
        .map(|option| (&option["type"], &option["requiredEntities"]))
        .collect();
    let (echo, pair) = (json!("echo"), json!("pair"));
    let (one_app, two_apps) = (json!(["tracker"]), json!(["tracker", "keyed"]));
    assert_eq!(needs, [(&echo, &one_app), (&pair, &two_apps)]);

    let of_one = format!("{all}/{}", text(&one["id"]));
    let (status, form) = send(&mia, "GET", &format!("{of_one}/config/options"), json!({})).await;
    assert_eq!(status, 200, "{form}");
    assert!(
        form["jsonSchema"].is_object() && form["uiSchema"].is_object() && form["data"].is_object()
    );
    let again = format!("{of_one}/config/options/refresh");
    assert_eq!(
        send(&mia, "POST", &again, json!({"project": "p"})).await.0,
        200
    );
    // What was shown may be sent back as it is.
    let mut config = one["config"].clone();
    config["project"] = json!("p1");
    let (status, changed) = send(&mia, "PATCH", &of_one, json!({ "config": config })).await;
    assert_eq!(
        (status, &changed["status"]),
        (200, &json!("ENABLED")),
        "{changed}"
    );
    let (status, refused) = send(&mia, "PATCH", &of_one, json!({"config": {"wrong": 1}})).await;
    assert_eq!(status, 400, "{refused}");
    assert_eq!(mia.get(&of_one).await.json()["config"]["project"], "p1");

    let actions = format!("{of_one}/actions");
    let (status, listed) = send(
        &mia,
        "POST",
        &actions,
        json!({"actionType": "QUICK_ACTION"}),
    )
    .await;
    assert_eq!(
        (status, &listed["ECHO"]["userActionType"]),
        (200, &json!("QUICK_ACTION"))
    );
    let (_, none) = send(
        &mia,
        "GET",
        &format!("{actions}?actionType=SEARCH"),
        json!({}),
    )
    .await;
    assert_eq!(none, json!({}));
    for path in ["ECHO/options", "ECHO/options/refresh"] {
        let (status, form) = send(
            &mia,
            "POST",
            &format!("{actions}/{path}"),
            json!({"text": "x"}),
        )
        .await;
        assert_eq!(
            (status, &form["data"]["text"]),
            (200, &json!("x")),
            "{form}"
        );
    }
    let (status, done) = send(
        &mia,
        "POST",
        &format!("{actions}/ECHO"),
        json!({"text": "x"}),
    )
    .await;
    assert_eq!(
        (status, &done),
        (
            200,
            &json!({"action": "ECHO", "data": {"text": "x"}, "accounts": 1})
        )
    );
    // Only what is listed can be called, not any event.
    for name in ["ON_DELETE", "on_create", "NOTHING"] {
        assert_eq!(
            send(&mia, "POST", &format!("{actions}/{name}"), json!({}))
                .await
                .0,
            404,
            "{name}"
        );
    }
    let test = format!("{of_one}/test-auth");
    assert_eq!(mia.get(&test).await.json(), json!({"status": "ok"}));
    let sample = format!("/api/demo/sample/{}", text(&one["id"]));
    assert_eq!(mia.get(&sample).await.json(), json!({"data": []}));
    let (status, gone) = send(&mia, "DELETE", &of_one, json!({})).await;
    assert_eq!((status, gone), (201, json!({})));
    let left = mia.get(all).await.json();
    holds_together(&left);
    assert_eq!(left["integrations"].as_array().map(Vec::len), Some(1));
}

/// From now on a server that was started without the file of this app.
fn forget(place: &mut Place, app: &str) {
    let ports = &place.world.ports;
    let own = AppPorts {
        store: ports.store.clone(),
        clock: ports.clock.clone(),
        ids: ports.ids.clone(),
        egress: ports.egress.clone(),
        vault: ports.vault.clone(),
        signer: Arc::new(Signer),
    };
    let url = "http://127.0.0.1:8080";
    let left = place.world.apps.modules().into_iter();
    let left = left
        .filter(|module| module.name.as_str() != app)
        .map(|module| (*module).clone());
    let apps = Arc::new(AppClient::new(own, left, BTreeMap::new(), url));
    let state = AppState::new(ports.clone(), apps, ApiConfig::at(url));
    place.app = gna_api::app(state.with_recipes(Arc::new(Fakes)));
}

#[tokio::test]
async fn the_page_also_shows_integrations_whose_accounts_or_apps_are_gone() {
    let (mut place, mia, tracker, keyed) = place().await;
    let all = "/api/integrations";
    let mut made = Vec::new();
    for (accounts, kind) in [
        (json!([tracker]), "echo"),
        (json!([tracker, keyed]), "pair"),
    ] {
        // Lists go by time; what was made in one moment has no order.
        place.world.clock.advance_millis(1);
        let body = json!({"entities": accounts, "config": {"type": kind, "project": "p1"}});
        let (status, one) = send(&mia, "POST", all, body).await;
        assert_eq!(status, 201, "{one}");
        made.push(text(&one["id"]));
    }
    let second = |list: &Value, at: usize| text(&list["integrations"][at]["entities"][1]["id"]);
    for (gone, shown) in [
        // The one has none left, the other one shows what it has.
        (&tracker, [&tracker, &keyed]),
        // Both of the other's are there again, as what they were.
        (&keyed, [&tracker, &keyed]),
    ] {
        let path = format!("/api/v2/entities/{gone}");
        let (status, answer) = send(&mia, "DELETE", &path, json!({})).await;
        assert_eq!(status, 204, "{answer}");
        let list = mia.get(all).await.json();
        holds_together(&list);
        assert_eq!([&second(&list, 0), &second(&list, 1)], shown);
        let one = mia.get(&format!("{all}/{}", made[0])).await.json();
        assert_eq!(text(&one["entities"][1]["id"]), tracker, "also alone");
    }
    // Where nobody counts accounts there are none instead.
    let apart = mia.get("/api/v2/integrations").await.json();
    assert_eq!(apart["integrations"][0]["entities"], json!([]));
    // An account that is there, of an app that is not.
    let key = json!({"entityType": "keyed", "data": {"api_key": RIGHT_KEY}});
    mia.post("/api/authorize", &key).await.json();
    forget(&mut place, "keyed");
    let olga = place.olga().await;
    let list = olga.get(all).await.json();
    holds_together(&list);
    let authorized = list["entities"]["authorized"].as_array().expect("accounts");
    let options = list["entities"]["options"].as_array().expect("options");
    assert_eq!(authorized.len(), 3, "one that is there and two that were");
    for account in authorized {
        let mut types = options.iter().map(|option| &option["type"]);
        assert!(types.any(|known| *known == account["type"]), "{account}");
    }
}

#[tokio::test]
async fn the_second_version_has_the_same_apart() {
    let (place, mia, tracker, keyed) = place().await;
    let all = "/api/v2/integrations";
    let options = mia.get(&format!("{all}/options")).await.json();
    assert_eq!(options["options"][1]["type"], "pair");
    assert_eq!(
        options["options"][1]["modules"].as_array().map(Vec::len),
        Some(2)
    );
    let body = json!({"entities": [tracker, keyed], "config": {"type": "pair", "project": "p1"}});
    let (status, made) = send(&mia, "POST", all, body.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["entities"].as_array().map(Vec::len), Some(2));
    let one = format!("{all}/{}", text(&made["id"]));
    let (_, off) = send(&mia, "PATCH", &one, json!({"enabled": false})).await;
    assert_eq!(off["status"], "DISABLED");
    let (status, held) = send(&mia, "POST", &format!("{one}/actions/ECHO"), json!({})).await;
    assert_eq!(
        (status, &held["error"]["code"]),
        (409, &json!("integration.not_running"))
    );
    let (_, on) = send(&mia, "PATCH", &one, json!({"status": "ENABLED"})).await;
    assert_eq!(on["status"], "ENABLED");
    let (status, wrong) = send(&mia, "PATCH", &one, json!({"status": "ERROR"})).await;
    assert_eq!(
        (status, &wrong["error"]["code"]),
        (400, &json!("integration.status"))
    );
    // An account that does not work any more shows.
    place.world.egress.respond(|_| {
        Ok(gna_domain::port::egress::OutResponse {
            status: 401,
            headers: Vec::new(),
            body: "{}".into(),
        })
    });
    let (status, told) = send(&mia, "GET", &format!("{one}/test-auth"), json!({})).await;
    assert_eq!(status, 400, "{told}");
    assert!(told["errors"][0]["message"].is_string());
    place.world.answer_apps();
    let eve = place.eve().await;
    assert_eq!(eve.get(&one).await.status, 404);
    assert_eq!(
        eve.get(&format!("{all}?organization=acme")).await.status,
        404
    );
    let (status, stolen) = send(&eve, "POST", all, body).await;
    assert!(status == 404 || status == 400, "{stolen}");
    assert_eq!(send(&mia, "DELETE", &one, json!({})).await.0, 204);
}

#[tokio::test]
async fn graphql_reads_a_page_of_integrations_with_their_accounts_in_one_batch() {
    let (place, mia, tracker, keyed) = place().await;
    let ask = async |query: &str, variables: Value| {
        let body = json!({"query": query, "variables": variables});
        let answer = mia.post("/api", &body).await.json();
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        answer["data"].clone()
    };
    let of = place.acme.id.to_string();
    let create = "mutation($input: CreateIntegrationInput!) { createIntegration(input: $input) { integration { id status config messages { level message } } } }";
    let echo = json!({"organization": of, "recipe": "echo", "entities": [tracker]});
    let made = ask(create, json!({ "input": echo })).await;
    let integration = &made["createIntegration"]["integration"];
    assert_eq!(integration["status"], "NEEDS_CONFIG");
    assert_eq!(integration["messages"][0]["level"], "warning");
    let id = integration["id"].clone();
    let pair = json!({"organization": of, "recipe": "pair", "entities": [tracker, keyed], "config": {"project": "p"}});
    // Lists go by time; what was made in one moment has no order.
    place.world.clock.advance_millis(1);
    ask(create, json!({ "input": pair })).await;
    let list = "query($of: ID!, $first: Int) { integrations(organization: $of, first: $first) { edges { node { id recipe accounts { slot entity { name module } } } } } }";
    let cost = async |first: u32| {
        place.world.calls.take();
        let data = ask(list, json!({"of": of, "first": first})).await;
        let edges = data["integrations"]["edges"]
            .as_array()
            .expect("a list")
            .clone();
        (edges, place.world.calls.take())
    };
    let ((one, cheap), (two, whole)) = (cost(1).await, cost(10).await);
    assert_eq!((one.len(), two.len()), (1, 2));
    assert_eq!(cheap, whole, "a larger page costs no more calls");
    assert_eq!(
        two[1]["node"]["accounts"][1],
        json!({"slot": "to", "entity": {"name": "mia", "module": "keyed"}})
    );
    let one = json!({ "id": id });
    let changed = ask(
        "mutation($id: ID!) { configureIntegration(id: $id, config: {project: \"p\"}) { integration { status } } }",
        one.clone(),
    )
    .await;
    assert_eq!(
        changed["configureIntegration"]["integration"]["status"],
        "ENABLED"
    );
    for (enabled, status) in [("false", "DISABLED"), ("true", "ENABLED")] {
        let query = format!(
            "mutation($id: ID!) {{ switchIntegration(id: $id, enabled: {enabled}) {{ integration {{ status }} }} }}"
        );
        let switched = ask(&query, one.clone()).await;
        assert_eq!(
            switched["switchIntegration"]["integration"]["status"],
            status
        );
    }
    let done = ask(
        "mutation($id: ID!) { runIntegrationAction(id: $id, action: \"ECHO\", data: {a: 1}) { result } testIntegration(id: $id) { health } }",
        one.clone(),
    )
    .await;
    assert_eq!(
        done["runIntegrationAction"]["result"]["data"],
        json!({"a": 1})
    );
    assert_eq!(done["testIntegration"]["health"], "OK");
    let asked = ask(
        "query($id: ID!) { recipes { name slots { key modules } } integration(id: $id) { recipe processes { edges { node { id } } } }
          integrationForm(id: $id) { jsonSchema } integrationActions(id: $id) { name } integrationActionForm(id: $id, action: \"ECHO\") { uiSchema } }",
        one.clone(),
    )
    .await;
    assert_eq!(asked["integrationActions"], json!([{"name": "ECHO"}]));
    assert_eq!(asked["recipes"].as_array().map(Vec::len), Some(2));
    ask(
        "mutation($id: ID!) { deleteIntegration(id: $id) { done } }",
        one.clone(),
    )
    .await;
    let gone = ask("query($id: ID!) { integration(id: $id) { status } }", one).await;
    assert_eq!(gone["integration"]["status"], "IN_DELETION");
}
