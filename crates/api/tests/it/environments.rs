//! Environments over GraphQL and REST, by people of each role.

use gna_domain::policy::Role;
use serde_json::json;

use crate::graphql_actor;
use crate::rest_actor;

const SCAN: &str = r#"{ "format": "gna-report", "version": 1, "tool": { "name": "prober" }, "category": "DAST",
    "findings": [
        { "rule": "sqli", "title": "SQL injection", "severity": "high", "location": { "url": "https://shop.example.com/login" } },
        { "rule": "sqli", "title": "SQL injection", "severity": "high", "location": { "url": "https://staging.example.com/login" } } ] }"#;

#[tokio::test]
async fn environments_are_kept_over_rest_and_narrow_lists_and_uploads() {
    let place = rest_actor::Place::new().await;
    let shop = gna_domain::Resource::Group(place.acme.id, place.shop.id);
    let mona = place.actor("mona", shop, Role::Manager).await;
    let tess = place.tess().await;
    let eve = place.eve().await;
    let upload = "/api/v2/reports?organization=acme&group=shop&asset=web&file_name=a.json";
    let bytes = [("content-type", "application/octet-stream")];
    let sent = tess.send("POST", upload, &bytes, SCAN).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    place.world.run_jobs().await.expect("imports");
    let asset = sent.json()["asset"].as_str().expect("an id").to_owned();
    let path = format!("/api/v2/assets/{asset}/environments");
    let new = json!({ "name": "Production", "addresses": ["https://shop.example.com/"] });
    assert_eq!(tess.post(&path, &new).await.status, 403);
    assert_eq!(eve.post(&path, &new).await.status, 404);
    let added = mona.post(&path, &new).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let added = added.json();
    assert_eq!(added["name"], "production");
    assert_eq!(added["addresses"], json!(["https://shop.example.com"]));
    assert_eq!(mona.post(&path, &new).await.code(), "environment.exists");
    let odd = json!({ "name": "x", "addresses": ["https://me:pw@shop.example.com"] });
    let odd = mona.post(&path, &odd).await;
    assert_eq!(odd.code(), "environment.address");
    assert!(!odd.text.contains("me:pw"), "{}", odd.text);
    place.world.run_jobs().await.expect("indexes");
    let list = "/api/v2/vulnerabilities?organization=acme&group=shop&environment=production&facets=environment";
    let listed = tess.get(list).await.json();
    assert_eq!(
        listed["items"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    assert_eq!(listed["facets"]["environment"][0]["value"], "production");

    let about = tess
        .send(
            "POST",
            &format!("{upload}&environment=production"),
            &bytes,
            SCAN,
        )
        .await;
    assert_eq!(about.json()["environment"], "production", "{}", about.text);
    let unknown = tess
        .send("POST", &format!("{upload}&environment=moon"), &bytes, SCAN)
        .await;
    assert_eq!(unknown.code(), "environment.unknown");

    let one = format!("{path}/{}", added["id"].as_str().expect("an id"));
    let json_type = [("content-type", "application/json")];
    let body = json!({ "name": "live" }).to_string();
    let changed = mona.send("PATCH", &one, &json_type, body.clone()).await;
    assert_eq!(changed.json()["name"], "live");
    assert_eq!(tess.send("PATCH", &one, &json_type, body).await.status, 403);
    assert_eq!(tess.get(&path).await.json()["items"][0]["name"], "live");
    assert_eq!(tess.send("DELETE", &one, &[], "").await.status, 403);
    assert_eq!(mona.send("DELETE", &one, &[], "").await.status, 204);
    assert_eq!(mona.send("DELETE", &one, &[], "").await.status, 404);
    assert_eq!(tess.get(&path).await.json()["items"], json!([]));
}

#[tokio::test]
async fn environments_are_kept_over_graphql() {
    let place = graphql_actor::Place::new().await;
    place.filled(1, 1).await;
    let mona = place.actor("mona", place.in_shop(), Role::Manager).await;
    let rita = place.actor("rita", place.in_shop(), Role::Reader).await;
    let ask = "{ group(organization: \"acme\", slug: \"shop\") {
        assets { edges { node { id environments { id name kind addresses } } } }
        vulnerabilities(first: 1) { edges { node { environments } } }
        vulnerabilityFacets(fields: [ENVIRONMENT]) { values { value count } } } }";
    let shop = rita.data(ask, json!({})).await["group"].clone();
    let asset = shop["assets"]["edges"][0]["node"]["id"].clone();
    let node = &shop["vulnerabilities"]["edges"][0]["node"];
    assert_eq!(node["environments"], json!([]));
    let add = "mutation($input: AddEnvironmentInput!) { addEnvironment(input: $input) {
        environment { id name } asset { environments { name } } } }";
    let input = json!({ "input": { "asset": asset, "name": "db", "kind": "HOST", "addresses": ["DB.example.com:5432"] } });
    assert_eq!(rita.code(add, input.clone()).await, "auth.forbidden");
    let added = mona.data(add, input).await["addEnvironment"].clone();
    assert_eq!(added["asset"]["environments"], json!([{ "name": "db" }]));
    let update = "mutation($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) {
        environment { name kind addresses } } }";
    let id = &added["environment"]["id"];
    let input = json!({ "input": { "asset": asset, "environment": id, "name": "data" } });
    let updated = mona.data(update, input).await;
    let expected = json!({ "name": "data", "kind": "HOST", "addresses": ["db.example.com:5432"] });
    assert_eq!(updated["updateEnvironment"]["environment"], expected);
    let remove = "mutation($input: RemoveEnvironmentInput!) { removeEnvironment(input: $input) {
        environment { name } asset { environments { name } } } }";
    let input = json!({ "input": { "asset": asset, "environment": id } });
    let removed = mona.data(remove, input.clone()).await;
    let left = &removed["removeEnvironment"]["asset"]["environments"];
    assert_eq!(left, &json!([]));
    assert_eq!(mona.code(remove, input).await, "not_found");
}
