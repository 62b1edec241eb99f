//! Webhooks out, over HTTP: made, changed, rotated, tried and replayed by an owner; unknown to all
//! others.

use gna_domain::port::egress::OutResponse;
use gna_domain::service::webhook::DeliverHandler;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::rest_actor::{Actor, Answer, Place};

async fn place() -> Place {
    let mut place = Place::new().await;
    place.world = place.world.handling(Arc::new(DeliverHandler));
    place.world.egress.respond(|_| {
        Ok(OutResponse {
            status: 204,
            headers: Vec::new(),
            body: Default::default(),
        })
    });
    place
}

async fn make(olga: &Actor) -> (String, String) {
    let body = json!({
        "organization": "acme", "url": "https://hooks.example.com/gna?key=hidden-in-it",
        "events": ["vulnerability.created"], "min_level": "HIGH",
    });
    let made = olga.post("/api/v2/webhooks", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["webhook"]["id"]), text(&made["secret"]))
}

fn refused(answer: &Answer, status: u16, code: &str) {
    let said = (answer.status.as_u16(), answer.code());
    assert_eq!(said, (status, code.to_owned()), "{}", answer.text);
}

#[tokio::test]
async fn an_owner_makes_tries_rotates_and_removes_one() {
    let place = place().await;
    let olga = place.olga().await;
    let (id, secret) = make(&olga).await;
    assert!(secret.starts_with("whsec_"));
    let path = format!("/api/v2/webhooks/{id}");

    let shown = olga.get(&path).await;
    assert_eq!(shown.json()["min_level"], "HIGH");
    let listed = olga.get("/api/v2/webhooks?organization=acme").await;
    assert_eq!(listed.json()["items"][0]["id"], json!(id));
    for answer in [&shown, &listed] {
        assert!(!answer.text.contains(&secret), "{}", answer.text);
    }

    let sent = olga.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    place.world.run_jobs().await.expect("sends");
    let log = olga.get(&format!("{path}/deliveries")).await.json();
    assert_eq!(log["items"][0]["state"], "DELIVERED", "{log}");
    assert_eq!(log["items"][0]["attempts"][0]["status"], 204);
    let message = log["items"][0]["id"].as_str().expect("an id").to_owned();
    let again = format!("{path}/deliveries/{message}/replay");
    assert_eq!(olga.post(&again, &json!({})).await.status, 202);
    refused(&olga.post(&again, &json!({})).await, 409, "webhook.pending");
    place.world.run_jobs().await.expect("sends");
    assert_eq!(place.world.egress.asked().len(), 2);

    // A key makes no copy of the secret: it is not remembered.
    let key = [
        ("idempotency-key", "k"),
        ("content-type", "application/json"),
    ];
    let rotate = format!("{path}/rotate");
    let first = olga.send("POST", &rotate, &key, "{}").await.json();
    let second = olga.send("POST", &rotate, &key, "{}").await.json();
    assert_ne!(first["secret"], second["secret"]);
    assert!(first["webhook"]["old_secret_until"].is_string());

    let condition = "vulnerability.severity.score >= 7.0";
    let asked = olga.patch(&path, &json!({ "condition": condition })).await;
    assert_eq!(asked.json()["condition"], condition, "{}", asked.text);
    let kept = olga.patch(&path, &json!({ "description": "x" })).await;
    assert_eq!(kept.json()["condition"], condition, "{}", kept.text);
    let cleared = olga.patch(&path, &json!({ "condition": null })).await;
    assert!(cleared.json()["condition"].is_null(), "{}", cleared.text);
    assert!(cleared.json()["condition_failing_since"].is_null());

    let off = olga
        .patch(&path, &json!({ "enabled": false, "min_level": null }))
        .await;
    assert_eq!(
        (&off.json()["enabled"], &off.json()["min_level"]),
        (&json!(false), &Value::Null)
    );
    refused(
        &olga.post(&format!("{path}/test"), &json!({})).await,
        409,
        "webhook.disabled",
    );
    let nothing = json!({ "since": "yesterday" });
    refused(
        &olga.post(&format!("{path}/replay"), &nothing).await,
        400,
        "time.malformed",
    );
    assert_eq!(olga.delete(&path).await.status, 204);
    refused(&olga.get(&path).await, 404, "not_found");
}

#[tokio::test]
async fn others_may_not_and_what_is_wrong_is_said_with_its_field() {
    let place = place().await;
    let olga = place.olga().await;
    let (id, _) = make(&olga).await;
    let path = format!("/api/v2/webhooks/{id}");
    let (tess, eve) = (place.tess().await, place.eve().await);
    for path in [path.clone(), format!("{path}/deliveries")] {
        refused(&tess.get(&path).await, 403, "auth.forbidden");
        refused(&eve.get(&path).await, 404, "not_found");
        refused(&place.anonymous().get(&path).await, 401, "auth.required");
    }
    refused(
        &tess.post(&format!("{path}/rotate"), &json!({})).await,
        403,
        "auth.forbidden",
    );
    refused(
        &eve.post(&format!("{path}/rotate"), &json!({})).await,
        404,
        "not_found",
    );
    for (body, code, field) in [
        (
            json!({ "url": "ftp://example.com" }),
            "webhook.url",
            json!("url"),
        ),
        (
            json!({ "url": "https://user:pw@example.com" }),
            "webhook.url",
            json!("url"),
        ),
        (
            json!({ "events": ["no.such"] }),
            "webhook.event",
            json!("events"),
        ),
        (
            json!({ "groups": [place.den.id] }),
            "webhook.group",
            json!("groups"),
        ),
        (
            json!({ "description": "x".repeat(501) }),
            "webhook.description",
            json!("description"),
        ),
        (
            json!({ "condition": "vulnerability.scor > 7.0" }),
            "condition.unknown_name",
            json!("condition"),
        ),
        (json!({ "urll": "x" }), "body.malformed", Value::Null),
    ] {
        let answer = olga.patch(&path, &body).await;
        refused(&answer, 400, code);
        assert_eq!(answer.json()["field"], field, "{}", answer.text);
    }
}

#[tokio::test]
async fn graphql_does_the_same() {
    let place = place().await;
    let olga = place.olga().await;
    let ask = async |query: &str, variables: Value| {
        let body = json!({ "query": query, "variables": variables });
        let answer = olga.post("/api", &body).await.json();
        assert!(answer["errors"].is_null(), "{answer}");
        answer["data"].clone()
    };
    let made = ask(
        "mutation($of: ID!) { createWebhook(input: { organization: $of, url: \"https://hooks.example.com\", condition: \"event != ''\" }) { secret webhook { id condition } } }",
        json!({ "of": place.acme.id }),
    )
    .await;
    let id = &made["createWebhook"]["webhook"]["id"];
    assert_eq!(made["createWebhook"]["webhook"]["condition"], "event != ''");
    let cleared = ask(
        "mutation($id: ID!) { updateWebhook(input: { id: $id, condition: null }) { webhook { condition conditionFailingSince } } }",
        json!({ "id": id }),
    )
    .await;
    let nothing = json!({ "condition": null, "conditionFailingSince": null });
    assert_eq!(cleared["updateWebhook"]["webhook"], nothing);
    assert!(made["createWebhook"]["secret"].is_string());
    ask(
        "mutation($id: ID!) { testWebhook(webhook: $id) { delivery { state } } }",
        json!({ "id": id }),
    )
    .await;
    place.world.run_jobs().await.expect("sends");
    let log = ask(
        "query($id: ID!) { webhook(id: $id) { deliveries { edges { node { event state attempts { status } } } } } }",
        json!({ "id": id }),
    )
    .await;
    let sent = &log["webhook"]["deliveries"]["edges"][0]["node"];
    assert_eq!(
        *sent,
        json!({ "event": "webhook.test", "state": "DELIVERED", "attempts": [{ "status": 204 }] })
    );
    let off = ask(
        "mutation($id: ID!) { updateWebhook(input: { id: $id, enabled: false }) { webhook { enabled } } }",
        json!({ "id": id }),
    )
    .await;
    assert_eq!(off["updateWebhook"]["webhook"]["enabled"], false);
    let gone = ask(
        "mutation($id: ID!) { deleteWebhook(id: $id) { done } }",
        json!({ "id": id }),
    )
    .await;
    assert_eq!(gone["deleteWebhook"]["done"], true, "{gone}");
}
