//! Triage rules through GraphQL and REST.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_testkit::trivy;
use serde_json::{Value, json};

use crate::graphql_actor::{Actor, Place};
use crate::rest_actor;

const SAVE: &str = "mutation($input: SaveTriageRuleInput!) { saveTriageRule(input: $input) { rule {
    id name version condition enabled actions { treatment acceptDays tags suppress } } } }";
const RUN: &str = "mutation($input: RunTriageRulesInput!) { runTriageRules(input: $input) { run { id status dryRun } } }";
const RESULT: &str = "query($id: ID!) { triageRun(id: $id) { status total done changed
    outcomes { name matched changed refused failed examples } } }";
const GROUP: &str = "{ group(organization: \"acme\", slug: \"shop\") { id organization { id } triageRules { id name }
    vulnerabilities(first: 50) { edges { node { id tags history { edges { node { events { name detail } } } } } } } } }";

async fn group(actor: &Actor) -> Value {
    actor.data(GROUP, json!({})).await["group"].clone()
}

fn rule(name: &str, condition: &str, actions: &Value) -> Value {
    json!({ "name": name, "condition": condition, "actions": actions, "reason": "as agreed" })
}

#[tokio::test]
async fn a_rule_is_tried_kept_and_applied() {
    let place = Place::new().await;
    place.filled(12, 3).await;
    let mara = place.actor("mara", place.in_shop(), Role::Manager).await;
    let shop = group(&mara).await;
    let draft = rule(
        "later",
        "vulnerability.score > 0.0",
        &json!({ "tags": ["later"] }),
    );
    let tried = json!({ "input": { "group": shop["id"], "dryRun": true, "draft": draft } });
    let run = mara.data(RUN, tried).await["runTriageRules"]["run"].clone();
    assert_eq!(
        (&run["status"], &run["dryRun"]),
        (&json!("QUEUED"), &json!(true))
    );
    place.world.run_jobs().await.expect("runs");
    let came = mara.data(RESULT, json!({ "id": run["id"] })).await["triageRun"].clone();
    assert_eq!(
        (&came["status"], &came["total"]),
        (&json!("COMPLETE"), &json!(12))
    );
    assert_eq!(came["outcomes"][0]["changed"], 12);
    assert_eq!(
        came["outcomes"][0]["examples"].as_array().map(Vec::len),
        Some(10)
    );
    assert_eq!(group(&mara).await["triageRules"], json!([]));

    let input = json!({ "input": { "place": { "group": shop["id"] }, "rule": draft } });
    let saved = mara.data(SAVE, input).await["saveTriageRule"]["rule"].clone();
    assert_eq!(
        (&saved["version"], &saved["enabled"]),
        (&json!(1), &json!(true))
    );
    mara.data(RUN, json!({ "input": { "group": shop["id"] } }))
        .await;
    place.world.run_jobs().await.expect("runs");
    let shop = group(&mara).await;
    for edge in shop["vulnerabilities"]["edges"].as_array().expect("a list") {
        let tags = edge["node"]["tags"].as_array().expect("a list");
        assert!(tags.contains(&json!("later")), "{tags:?}");
        let last = edge["node"]["history"]["edges"]
            .as_array()
            .and_then(|all| all.last());
        let events = &last.expect("has one")["node"]["events"];
        assert_eq!(events[1]["name"], "rule_applied");
        assert_eq!(events[1]["detail"]["rule"], saved["id"]);
        assert_eq!(events[1]["detail"]["version"], 1);
    }
    let again = json!({ "input": { "place": { "group": shop["id"] }, "ruleId": saved["id"], "position": 0,
        "rule": rule("bear it", "true", &json!({ "treatment": "ACCEPT", "acceptDays": 5 })) } });
    let changed = mara.data(SAVE, again).await["saveTriageRule"]["rule"].clone();
    assert_eq!(
        (&changed["id"], &changed["version"]),
        (&saved["id"], &json!(2))
    );
    assert_eq!(changed["actions"]["acceptDays"], 5);
    let remove = "mutation($input: RemoveTriageRuleInput!) { removeTriageRule(input: $input) { removedId } }";
    let input = json!({ "input": { "place": { "group": shop["id"] }, "ruleId": saved["id"] } });
    mara.data(remove, input.clone()).await;
    assert_eq!(mara.code(remove, input).await, "not_found");
}

#[tokio::test]
async fn what_does_not_compile_or_costs_too_much_is_refused_with_its_place() {
    let place = Place::new().await;
    let mara = place.actor("mara", place.in_shop(), Role::Manager).await;
    let tess = place.triager().await;
    let shop = group(&mara).await;
    let tag = json!({ "tags": ["a"] });
    let ask = |condition: &str| json!({ "input": { "place": { "group": shop["id"] }, "rule": rule("x", condition, &tag) } });
    assert_eq!(tess.code(SAVE, ask("true")).await, "auth.forbidden");
    let three = "vulnerability.tags.exists(a, vulnerability.tags.exists(b, vulnerability.tags.exists(c, a == b)))";
    for (condition, code, says) in [
        (
            "vulnerability.score >",
            "condition.syntax",
            "line 1, column",
        ),
        (
            "vulnerability.scor > 1.0",
            "condition.unknown_name",
            "line 1, column 14",
        ),
        (three, "condition.too_costly", "line 1"),
    ] {
        let refused = mara.ask(SAVE, ask(condition)).await["errors"][0].clone();
        assert_eq!(refused["extensions"]["code"], code, "{refused}");
        let message = refused["message"].as_str().expect("a sentence");
        assert!(message.contains(says), "{message}");
    }
    let organization = json!({ "input": { "place": { "organization": shop["organization"]["id"] },
        "rule": rule("x", "true", &tag) } });
    assert_eq!(mara.code(SAVE, organization).await, "auth.forbidden");
}

#[tokio::test]
async fn rest_says_the_same() {
    let place = rest_actor::Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let mara = place.actor("mara", shop, Role::Manager).await;
    let upload = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
    let bytes = [("content-type", "application/octet-stream")];
    let report = trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")]);
    mara.send("POST", upload, &bytes, report).await;
    place.world.run_jobs().await.expect("imports");
    let rules = format!("/api/v2/groups/{}/triage-rules", place.shop.id);
    let body = rule(
        "x",
        "vulnerability.score > 0.0",
        &json!({ "tags": ["seen"] }),
    );
    let made = mara.post(&rules, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let one = format!("{rules}/{}", made["id"].as_str().expect("an id"));
    let suppress = rule(
        "x",
        "vulnerability.score > 0.0",
        &json!({ "suppress": true }),
    );
    let json = [("content-type", "application/json")];
    let changed = mara.send("PUT", &one, &json, suppress.to_string()).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json()["version"], 2);
    let wrong = rule("x", "1 +", &json!({ "suppress": true }));
    let refused = mara.post(&rules, &wrong).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(refused.code(), "condition.syntax");
    assert_eq!(refused.json()["field"], "condition");

    let runs = format!("/api/v2/groups/{}/triage-runs", place.shop.id);
    let started = mara.post(&runs, &json!({ "dry_run": true })).await;
    assert_eq!(started.status, 202, "{}", started.text);
    place.world.run_jobs().await.expect("runs");
    let path = format!(
        "/api/v2/triage-runs/{}",
        started.json()["id"].as_str().expect("an id")
    );
    let came = mara.get(&path).await.json();
    assert_eq!(
        (&came["status"], &came["outcomes"][0]["changed"]),
        (&json!("COMPLETE"), &json!(1))
    );
    let gone = mara.delete(&one).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(mara.get(&rules).await.json()["items"], json!([]));
    let numbers = mara
        .get(&format!("/api/v2/groups/{}/metrics", place.shop.id))
        .await;
    assert_eq!(numbers.json()["open"], 1, "{}", numbers.text);

    let olga = place.olga().await;
    let everywhere = "/api/v2/organizations/acme/triage-rules";
    assert_eq!(mara.post(everywhere, &body).await.status, 403);
    assert_eq!(olga.post(everywhere, &body).await.status, 201);
    let listed = olga.get(everywhere).await.json();
    assert_eq!(listed["items"][0]["actions"]["tags"], json!(["seen"]));
}
