//! The gate over REST and GraphQL, by people with different roles.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_domain::rules::gate::seal;
use gna_testkit::trivy;
use serde_json::{Value, json};

use crate::rest_actor::{Actor, Place};

fn report() -> Vec<u8> {
    trivy(
        "package-lock.json",
        &[
            ("CVE-2024-0001", "left-pad", "1.0.0"),
            ("CVE-2024-0002", "right-pad", "1.0.0"),
        ],
    )
}

async fn uploaded(place: &Place, who: &Actor) -> String {
    let path = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
    let bytes = [("content-type", "application/octet-stream")];
    let answer = who.send("POST", path, &bytes, report()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    place.world.run_jobs().await.expect("imports");
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn data(who: &Actor, query: &str, variables: Value) -> Value {
    let answer = who
        .post("/api", &json!({ "query": query, "variables": variables }))
        .await
        .json();
    assert!(answer["errors"].is_null(), "{answer}");
    answer["data"].clone()
}

#[tokio::test]
async fn a_pipeline_asks_and_people_see_what_it_was_told() {
    let place = Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let robot = place.actor("robot", shop, Role::Ci).await;
    let rita = place.actor("rita", shop, Role::Reader).await;
    let report = uploaded(&place, &robot).await;

    let asked = json!({ "report": report, "threshold": 7.0 });
    let answer = robot.post("/api/v2/gate", &asked).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let run = answer.json();
    assert_eq!(run["verdict"], "BROKEN");
    assert_eq!(run["fails"], true);
    assert_eq!(run["counts"]["breaking"], 2);
    assert_eq!(run["terms"]["threshold"], 7.0);
    assert_eq!(run["breaking"][0]["location"]["kind"], "package");
    assert_eq!(run["breaking"][0]["age_days"], 0);
    let location = answer.header("location").to_owned();
    assert_eq!(rita.get(&location).await.json(), run);

    // Lists go by time; what was made in one moment has no order.
    place.world.clock.advance_millis(1);
    let lax = json!({ "report": report, "threshold": 9.9, "strict": false });
    let run = robot.post("/api/v2/gate", &lax).await.json();
    assert_eq!(
        (&run["verdict"], &run["counts"]["below_threshold"]),
        (&json!("PASS"), &json!(2))
    );
    let listed = rita
        .get("/api/v2/gate/runs?organization=acme&group=shop&first=1")
        .await
        .json();
    assert_eq!(listed["items"][0]["id"], run["id"], "the newest is first");
    assert!(listed["next"].is_string());

    // Looking is not asking.
    let refused = rita.post("/api/v2/gate", &asked).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (403, "auth.forbidden")
    );
    for (body, status, code) in [
        (json!({ "report": "rep_1" }), 404, "not_found"),
        (
            json!({ "report": report, "threshold": 11.0 }),
            400,
            "gate.limit",
        ),
        (
            json!({ "report": report, "grace_days": 5, "debt_days": 5 }),
            400,
            "gate.contradiction",
        ),
        (
            json!({ "report": report, "new_only": true, "base": "nowhere" }),
            400,
            "gate.no_base",
        ),
        (
            json!({ "report": report, "tresholt": 1 }),
            400,
            "body.malformed",
        ),
    ] {
        let answer = robot.post("/api/v2/gate", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_policy_binds_whoever_asks() {
    let place = Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let robot = place.actor("robot", shop, Role::Ci).await;
    let mona = place.actor("mona", shop, Role::Manager).await;
    let report = uploaded(&place, &robot).await;
    let set = "mutation($id: ID!) { updateGroup(input: { id: $id, policy: { gateThreshold: 5, gateStrict: true } }) {
        group { policy { gateThreshold gateStrict } } } }";
    data(&mona, set, json!({ "id": place.shop.id })).await;

    let run = "mutation($input: RunGateInput!) { runGate(input: $input) {
        run { id verdict fails terms { threshold strict graceDays } counts { judged breaking } by
              report { id } asset { name } ref { name } base { name } breaking { title score } }
        breaking { title level score identifiers location { __typename } } } }";
    let input = json!({ "report": report, "threshold": 9.0, "strict": false, "newOnly": false });
    let ran = data(&robot, run, json!({ "input": input })).await["runGate"].clone();
    assert_eq!(
        ran["run"]["terms"],
        json!({ "threshold": 5.0, "strict": true, "graceDays": 0 })
    );
    assert_eq!(ran["run"]["fails"], true);
    assert_eq!(ran["run"]["asset"]["name"], "checkout");
    assert_eq!(ran["run"]["base"], Value::Null);
    assert_eq!(ran["breaking"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        ran["breaking"][0]["location"]["__typename"],
        "PackageLocation"
    );

    let list = "{ group(organization: \"acme\", slug: \"shop\") { gateRuns(first: 5) {
        edges { node { id verdict breaking { title } } } totalCount { value } } } }";
    let listed = data(&mona, list, json!({})).await;
    let runs = &listed["group"]["gateRuns"];
    assert_eq!(runs["totalCount"]["value"], 1);
    assert_eq!(runs["edges"][0]["node"]["id"], ran["run"]["id"]);
    let one = "query($id: ID!) { gateRun(id: $id) { counts { judged } } }";
    let one = data(&mona, one, json!({ "id": ran["run"]["id"] })).await;
    assert_eq!(one["gateRun"]["counts"]["judged"], 2);
}

#[tokio::test]
async fn a_policy_that_has_everything_judged_says_so_in_the_answer() {
    let place = Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let robot = place.actor("robot", shop, Role::Ci).await;
    let mona = place.actor("mona", shop, Role::Manager).await;
    let report = uploaded(&place, &robot).await;
    let set = "mutation($id: ID!, $policy: PolicyInput!) { updateGroup(input: { id: $id, policy: $policy }) {
        group { policy { gateAllowNewOnly gateAllowBase } ownPolicy { gateAllowNewOnly } } } }";
    let forbid = json!({ "gateAllowNewOnly": false });
    let set = data(&mona, set, json!({ "id": place.shop.id, "policy": forbid })).await;
    let policy = &set["updateGroup"]["group"];
    assert_eq!(policy["policy"]["gateAllowNewOnly"], false);
    assert_eq!(policy["policy"]["gateAllowBase"], true);
    assert_eq!(policy["ownPolicy"]["gateAllowNewOnly"], false);
    let asked = json!({ "report": report, "new_only": true });
    let ran = robot.post("/api/v2/gate", &asked).await.json();
    assert_eq!(ran["terms"]["new_only"], false);
    assert_eq!(ran["counts"]["breaking"], 2);
    let note = ran["notes"][0].as_str().unwrap_or_default();
    assert!(note.contains("not allowed here"), "{ran}");
    let one = "query($id: ID!) { gateRun(id: $id) { notes terms { newOnly } } }";
    let one = data(&mona, one, json!({ "id": ran["id"] })).await;
    assert_eq!(one["gateRun"]["notes"], ran["notes"]);
}

#[tokio::test]
async fn a_snapshot_is_signed_by_the_key_that_the_instance_tells() {
    let place = Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let robot = place.actor("robot", shop, Role::Ci).await;
    uploaded(&place, &robot).await;
    let key = async || robot.get("/api/v2/gate/key").await.json()["key"].clone();
    assert_eq!(key().await, Value::Null);
    let by_name = json!({ "organization": "acme", "group": "shop", "asset": "checkout" });
    let answer = robot.post("/api/v2/gate/snapshots", &by_name).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let trusted = [key().await.as_str().expect("a key").to_owned()];
    let snapshot = seal::open(answer.text.as_bytes(), &trusted).expect("opens");
    assert_eq!(
        (snapshot.asset_name.as_str(), snapshot.default_ref.as_str()),
        ("checkout", "main")
    );
    assert_eq!(snapshot.vulnerabilities.len(), 2);
    assert!(!snapshot.identities.is_empty());

    let take =
        "mutation($asset: ID!) { takeGateSnapshot(input: { asset: $asset }) { snapshot key } }";
    let taken =
        data(&robot, take, json!({ "asset": snapshot.asset })).await["takeGateSnapshot"].clone();
    assert_eq!(taken["key"], trusted[0].as_str());
    let text = taken["snapshot"].as_str().expect("a text");
    assert!(seal::open(text.as_bytes(), &trusted).is_ok());

    let unknown = json!({ "organization": "acme", "group": "shop", "asset": "nothing" });
    let answer = robot.post("/api/v2/gate/snapshots", &unknown).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    let rita = place.actor("rita", shop, Role::Reader).await;
    let answer = rita.post("/api/v2/gate/snapshots", &by_name).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
}
