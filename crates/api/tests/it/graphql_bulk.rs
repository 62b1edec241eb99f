//! One decision on many vulnerabilities through GraphQL.

use gna_domain::error::Error;
use gna_domain::policy::Role;
use gna_domain::port::{Handler, Jobs};
use gna_domain::service::bulk::run::{BulkHandler, KIND};
use serde_json::{Value, json};

use crate::graphql_actor::{Actor, Place};

const START: &str = "mutation($input: StartBulkInput!) { startBulk(input: $input) { bulk { id decision status total } } }";
const BULK: &str =
    "query($id: ID!) { bulk(id: $id) { status total done changed unchanged refused finished failure { code message }
    refusals { edges { node { vulnerabilityId code message } } } } }";

async fn group(actor: &Actor) -> Value {
    let ask = "{ group(organization: \"acme\", slug: \"shop\") { id vulnerabilities(first: 200) { edges { node { id state tags } } } bulks { edges { node { id decision } } } } }";
    actor.data(ask, json!({})).await["group"].clone()
}

#[tokio::test]
async fn a_filter_is_tagged_and_single_ones_are_accepted() {
    let place = Place::new().await;
    place.filled(12, 3).await;
    let tess = place.triager().await;
    let shop = group(&tess).await;
    let input = json!({ "input": { "group": shop["id"], "filter": { "states": ["OPEN"] },
        "decision": { "tags": { "add": ["later"] } }, "reason": "next quarter" } });
    let started = tess.data(START, input).await["startBulk"]["bulk"].clone();
    assert_eq!(started["decision"], "vulnerability.tagged");
    assert_eq!(started["status"], "QUEUED");
    place.world.run_jobs().await.expect("runs");
    let ended = tess.data(BULK, json!({ "id": started["id"] })).await["bulk"].clone();
    assert_eq!(ended["status"], "COMPLETE");
    assert_eq!(
        (&ended["total"], &ended["changed"], &ended["refused"]),
        (&json!(12), &json!(12), &json!(0))
    );
    let shop = group(&tess).await;
    let listed = shop["vulnerabilities"]["edges"].as_array().expect("a list");
    let is_tagged = |edge: &Value| {
        let tags = edge["node"]["tags"].as_array();
        tags.is_some_and(|tags| tags.contains(&json!("later")))
    };
    assert!(listed.iter().all(is_tagged), "{listed:?}");

    // Lists go by time; what was made in one moment has no order.
    place.world.clock.advance_millis(1);
    let ids: Vec<&Value> = listed
        .iter()
        .take(2)
        .map(|edge| &edge["node"]["id"])
        .collect();
    let input = json!({ "input": { "group": shop["id"], "ids": ids,
        "decision": { "acceptUntil": "2026-03-01T00:00:00Z" } } });
    let started = tess.data(START, input).await["startBulk"]["bulk"].clone();
    place.world.run_jobs().await.expect("runs");
    let ended = tess.data(BULK, json!({ "id": started["id"] })).await["bulk"].clone();
    assert_eq!(ended["refused"], 2, "an acceptance needs a reason");
    let told = &ended["refusals"]["edges"][0]["node"];
    assert_eq!(told["code"], "reason.required");
    let bulks = group(&tess).await["bulks"]["edges"].clone();
    assert_eq!(
        bulks[0]["node"]["decision"], "acceptance.granted",
        "latest first"
    );
    assert_eq!(bulks.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn who_may_not_is_told_before_anything_is_written() {
    let place = Place::new().await;
    place.filled(1, 1).await;
    let tess = place.triager().await;
    let dora = place.actor("dora", place.in_shop(), Role::Developer).await;
    let shop = group(&tess).await;
    let close =
        json!({ "input": { "group": shop["id"], "filter": {}, "decision": { "close": "FIXED" } } });
    assert_eq!(dora.code(START, close.clone()).await, "auth.forbidden");
    let both = json!({ "input": { "group": shop["id"], "filter": {}, "ids": [], "decision": { "plain": "CONFIRM" } } });
    assert_eq!(tess.code(START, both).await, "bulk.chosen");
    let started = tess.data(START, close).await["startBulk"]["bulk"].clone();
    let cancel = "mutation($id: ID!) { cancelBulk(id: $id) { bulk { status } } }";
    let id = json!({ "id": started["id"] });
    assert_eq!(dora.code(cancel, id.clone()).await, "auth.forbidden");
    let cancelled = tess.data(cancel, id.clone()).await;
    assert_eq!(cancelled["cancelBulk"]["bulk"]["status"], "CANCELLED");
    place.world.run_jobs().await.expect("runs");
    assert_eq!(
        group(&tess).await["vulnerabilities"]["edges"][0]["node"]["state"],
        "OPEN"
    );
    let done = json!({ "input": { "group": shop["id"], "filter": {}, "decision": { "plain": "REOPEN" } } });
    let done = tess.data(START, done).await["startBulk"]["bulk"].clone();
    place.world.run_jobs().await.expect("runs");
    assert_eq!(
        tess.code(cancel, json!({ "id": done["id"] })).await,
        "bulk.finished"
    );
}

#[tokio::test]
async fn a_bulk_that_is_given_up_says_why() {
    let place = Place::new().await;
    place.filled(1, 1).await;
    let tess = place.triager().await;
    let shop = group(&tess).await;
    let tag = json!({ "input": { "group": shop["id"], "ids": [shop["vulnerabilities"]["edges"][0]["node"]["id"]],
        "decision": { "tags": { "add": ["later"] } } } });
    let started = tess.data(START, tag).await["startBulk"]["bulk"].clone();
    let jobs = place.world.jobs();
    place.world.caught_up().await;
    let claimed = jobs.claim("worker", &[KIND]).await.expect("claims");
    let claimed = claimed.expect("is due");
    let error = Error::unavailable("store.unavailable", "the disk is full");
    let system = place.world.system();
    let told = BulkHandler.give_up(&system, claimed.job(), &error).await;
    jobs.bury(&claimed, "the disk is full", told.expect("is told"))
        .await
        .expect("ends");
    let ended = tess.data(BULK, json!({ "id": started["id"] })).await["bulk"].clone();
    assert_eq!(ended["status"], "FAILED");
    let failure = json!({ "code": "store.unavailable", "message": "the disk is full" });
    assert_eq!(ended["failure"], failure);
    let left = place.world.blobs.names();
    assert!(
        !left.iter().any(|name| name.starts_with("bulk/")),
        "{left:?}"
    );
}
